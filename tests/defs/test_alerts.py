"""A run that failed is posted where ALERT_WEBHOOK_URL says; the receiver is a server over HTTP."""

from __future__ import annotations

import json
from pathlib import Path

import dagster as dg
import jobs
import pytest
import webhook_receiver
from pydantic import SecretStr

from codex_assets.definitions import defs
from codex_assets.defs import partitions
from codex_assets.defs.alerts import alert_on_failed_runs
from codex_assets.errors import WebhookError
from codex_assets.net import alert
from codex_assets.net.outward import DIRECT

MEDIA = "never-uploaded"


@pytest.fixture(autouse=True)
def environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in jobs.local_environment(tmp_path).items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("CODEX_OPEN_URL", "http://127.0.0.1:8338")


def failed_run(instance: dg.DagsterInstance) -> dg.ExecuteInProcessResult:
    partitions.register(instance, "video", [MEDIA])
    job = defs.resolve_job_def("build_video")
    result = job.execute_in_process(instance=instance, partition_key=MEDIA, raise_on_error=False)
    assert not result.success
    return result


def evaluated(result: dg.ExecuteInProcessResult, instance: dg.DagsterInstance) -> dg.SkipReason | None:
    event = next(event for event in result.all_events if event.event_type is dg.DagsterEventType.RUN_FAILURE)
    context = dg.build_run_status_sensor_context(
        sensor_name="alert_on_failed_runs",
        dagster_instance=instance,
        dagster_run=result.dagster_run,
        dagster_event=event,
    ).for_run_failure()
    answer = alert_on_failed_runs(context)
    assert answer is None or isinstance(answer, dg.SkipReason)
    return answer


def test_a_failed_run_is_posted_with_its_media_and_reason(monkeypatch: pytest.MonkeyPatch) -> None:
    with dg.DagsterInstance.ephemeral() as instance, webhook_receiver.receiving(503) as receiver:
        result = failed_run(instance)
        assert isinstance(evaluated(result, instance), dg.SkipReason)
        assert receiver.received == []
        monkeypatch.setenv("ALERT_WEBHOOK_URL", receiver.url)
        assert evaluated(result, instance) is None
        first, second = receiver.wait(2)
    assert first.body == second.body
    text = json.loads(second.body)["text"]
    assert f"of {MEDIA} failed." in text
    assert "is not registered" in text
    assert "(input_not_found)" in text
    assert f"http://127.0.0.1:8338/media/{MEDIA}" in text
    assert result.run_id in text


def test_an_alert_that_nobody_takes_is_an_error_without_the_address() -> None:
    with webhook_receiver.receiving(404) as receiver, pytest.raises(WebhookError) as refused:
        alert.post(SecretStr(f"{receiver.url}?token=confidential"), "it failed", DIRECT)
    assert refused.value.public == "127.0.0.1 refused the alert: it answered 404 Not Found."
    with webhook_receiver.receiving(500, 500, 500) as receiver, pytest.raises(WebhookError) as broken:
        alert.post(SecretStr(receiver.url), "it failed", DIRECT, sleep=lambda _: None)
    assert "in 3 attempts: it answered 500 Internal Server Error" in broken.value.public
