"""What a job took is measured, told to RunPod and kept, and no webhook says a word of it."""

from __future__ import annotations

import json
import logging
import time
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import jobs
import pytest
from webhook_receiver import Receiver

from codex_assets.archive import history
from codex_assets.archive.history import KEPT, JobRecord
from codex_assets.archive.store import RecordStore
from codex_assets.config import settings as configuration
from codex_assets.config.settings import Settings
from codex_assets.media import outputs
from codex_assets.storage import keys
from codex_assets.system.workspace import Workspace
from codex_assets.worker import job, metrics


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return configuration.load(jobs.local_environment(tmp_path))


def kept(settings: Settings, media_id: str) -> tuple[JobRecord, ...]:
    return history.read(RecordStore(settings.stores().archive), media_id)


# --- Whole jobs -------------------------------------------------------------------------------------------------------


@pytest.mark.ffmpeg
def test_a_job_tells_what_it_took(settings: Settings, receiver: Receiver, caplog: pytest.LogCaptureFixture) -> None:
    jobs.put_original(settings.stores(), "video", "clip")
    submitted = (datetime.now(UTC) - timedelta(seconds=40)).isoformat()
    began = time.monotonic()
    during: list[str] = []

    def look(_body: object) -> None:
        during.extend(record.outcome for record in kept(settings, "clip"))

    result = job.run(
        "job-1",
        jobs.payload("video", "clip", receiver.url, submittedAt=submitted),
        settings,
        before_answer=look,
    )
    took = time.monotonic() - began

    assert during == ["running"], "a job that is under way can be seen to be"
    measured = result["metrics"]
    assert b"metrics" not in receiver.received[0].body
    assert 40 <= measured["queueSeconds"] <= 41 + took
    assert 0 < measured["seconds"] <= took
    kinds = [measured[f"{kind}Seconds"] for kind in ("download", "encode", "verify", "upload")]
    # Fetching a small file takes next to nothing.
    assert kinds[0] >= 0
    assert all(seconds > 0 for seconds in kinds[1:])
    assert sum(kinds) <= measured["seconds"]
    assert sum(kinds) == pytest.approx(sum(measured["phases"].values()), abs=0.01)
    assert {"mezzanine", "variants", "verifying", "publishing"} <= set(measured["phases"])
    assert measured["mediaSeconds"] == pytest.approx(1.0, abs=0.1)
    assert measured["speed"] == pytest.approx(measured["mediaSeconds"] / measured["seconds"], abs=0.01)
    assert measured["encoder"] == "libx264"
    assert "gpu" not in measured
    assert measured["bytesIn"] == len(jobs.original("video"))
    stores = settings.stores()
    written = [stored for store in (stores.archive, stores.media, stores.assets) for stored in store.list("")]
    published = [stored for stored in written if not stored.key.startswith(("records/", "originals/", "leases/"))]
    assert measured["bytesOut"] == sum(stored.size for stored in published)

    (record,) = kept(settings, "clip")
    assert (record.outcome, record.error_code, record.asked) == ("completed", None, outputs.wanted("video"))
    assert metrics.for_result(record) == measured
    made = {output.output: output for output in record.outputs}
    assert set(made) == set(outputs.wanted("video")) - {"hls_1080p", "hls_720p", "hls_480p"}, "no markers"
    assert sum(output.size for output in made.values()) == measured["bytesOut"]
    assert record.finished_at is not None
    assert record.finished_at > record.started_at


def test_a_failure_is_on_record_with_its_code_and_without_its_secrets(settings: Settings, receiver: Receiver) -> None:
    payload = jobs.payload("audio", "gone", receiver.url + "?token=hidden-token")
    result = job.run("job-1", payload, settings)

    (record,) = kept(settings, "gone")
    assert (record.outcome, record.error_code, record.retryable) == ("failed", "input_not_found", False)
    assert result["metrics"]["seconds"] == record.seconds
    assert "mediaSeconds" not in result["metrics"]
    text = settings.stores().archive.read(keys.record("gone", history.JOBS)).decode()
    for secret in (jobs.SECRET, "hidden-token", receiver.url):
        assert secret not in text


def test_a_webhook_that_was_not_taken_is_a_failure_of_its_own(settings: Settings, receiver: Receiver) -> None:
    receiver.script = [400]
    result = job.run("job-1", jobs.payload("audio", "gone", receiver.url), settings)
    assert result["errorCode"] == "webhook_undelivered"
    assert "metrics" in result
    assert "metrics" not in result["webhook"]
    assert [(record.outcome, record.error_code) for record in kept(settings, "gone")] == [
        ("failed", "webhook_undelivered")
    ]


def test_a_refused_payload_has_no_media_to_be_kept_of(settings: Settings, receiver: Receiver) -> None:
    result = job.run("job-1", jobs.payload("audio", "m", receiver.url, inputBucket="another"), settings)
    assert "metrics" not in result
    assert jobs.objects(settings.stores())["archive"] == set()


def test_a_history_that_cannot_be_read_is_begun_anew(settings: Settings, receiver: Receiver) -> None:
    settings.stores().archive.write(keys.record("gone", history.JOBS), b"{", content_type="application/json")
    result = job.run("job-1", jobs.payload("audio", "gone", receiver.url), settings)
    assert result["errorCode"] == "input_not_found"
    assert [record.error_code for record in kept(settings, "gone")] == ["input_not_found"]


def test_log_lines_of_a_job_say_which(settings: Settings, receiver: Receiver, caplog: pytest.LogCaptureFixture) -> None:
    from codex_assets import log_lines

    said: list[dict[str, Any]] = []

    class Keep(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            said.append(json.loads(log_lines.JsonLines().format(record)))

    handler = Keep()
    log = logging.getLogger("codex_assets")
    log.addHandler(handler)
    try:
        job.run("job-7", jobs.payload("audio", "gone", receiver.url), settings)
    finally:
        log.removeHandler(handler)
    (line,) = [line for line in said if "job job-7 failed" in line["message"]]
    assert (line["job"], line["media"], line["level"]) == ("job-7", "gone", "ERROR")


# --- History ----------------------------------------------------------------------------------------------------------


def a_job(number: int, media_id: str = "m1", **fields: Any) -> JobRecord:
    measured = {
        "id": f"job-{number}",
        "media_id": media_id,
        "creator_id": "c1",
        "media_type": "audio",
        "asked": ("mezzanine",),
        "started_at": f"2026-01-01T00:00:{number:02d}.000+00:00",
    }
    return JobRecord.model_validate({**measured, **fields})


def test_the_newest_jobs_are_kept_and_a_job_replaces_itself(settings: Settings) -> None:
    records = RecordStore(settings.stores().archive)
    for number in range(KEPT + 5):
        history.keep(records, a_job(number))
        history.keep(records, a_job(number, outcome="completed"))
    # Delivered a second time: another run of the same id.
    history.keep(records, a_job(KEPT + 4, started_at="2026-01-02T00:00:00.000+00:00"))
    records_kept = history.read(records, "m1")
    assert len(records_kept) == KEPT
    assert records_kept[-1].id == records_kept[-2].id == f"job-{KEPT + 4}"
    assert [record.outcome for record in records_kept[:-1]] == ["completed"] * (KEPT - 1)
    records.put("m1", "media", records_kept[0])
    assert [media_id for media_id, _ in records.listed()] == ["m1"]
    assert keys.parse_record(keys.record("m1", history.JOBS)) == ("m1", "jobs")


def test_a_job_is_under_way_for_a_day_at_most() -> None:
    started = datetime.now(UTC)
    record = a_job(1, started_at=started.isoformat())
    assert record.is_under_way(started + timedelta(hours=23, minutes=59))
    assert not record.is_under_way(started + timedelta(hours=24))
    assert not record.model_copy(update={"outcome": "cancelled"}).is_under_way(started)


# --- Clocks -----------------------------------------------------------------------------------------------------------


def test_phases_are_timed_even_when_they_fail(tmp_path: Path) -> None:
    heard: list[str] = []
    board = Workspace(tmp_path / "run", lambda status: heard.append(status.phase)).progress
    around: dict[str, float] = {}
    for name in ("variants", "publishing", "variants"):
        began = time.monotonic()
        with board.phase(name) as advance:
            time.sleep(0.05)
            # Nothing has come out yet, and it is the same phase all the same.
            advance(0.0, None)
            time.sleep(0.05)
        around[name] = around.get(name, 0.0) + time.monotonic() - began
        time.sleep(0.2)
    with suppress(ValueError), board.phase("verifying"):
        time.sleep(0.05)
        raise ValueError
    phases = board.spent
    assert list(phases) == ["variants", "publishing", "verifying"]
    # Neither more than what passed in it, nor what passed between the two.
    assert 0.199 <= phases["variants"] <= around["variants"] + 0.001
    assert phases["verifying"] >= 0.049
    assert 0.099 <= phases["publishing"] <= around["publishing"] + 0.001
    assert set(heard) == {"variants", "publishing", "verifying"}


STARTED = datetime(2026, 1, 1, 12, 0, 30, tzinfo=UTC)


@pytest.mark.parametrize(
    ("submitted", "seconds"),
    [
        ("2026-01-01T12:00:00Z", 30.0),
        ("2026-01-01T13:00:00+01:00", 30.0),
        (STARTED.timestamp() - 2.5, 2.5),
        ("2026-01-01T12:00:31Z", 0.0),
        ("2026-01-01T12:00:00", None),
        ("soon", None),
        (True, None),
        (1e300, None),
        (None, None),
    ],
)
def test_the_wait_is_known_when_the_payload_says_when_it_was_sent(submitted: object, seconds: float | None) -> None:
    assert metrics.queue_seconds({"submittedAt": submitted}, STARTED) == seconds


def test_without_a_payload_nothing_is_known() -> None:
    assert metrics.queue_seconds(None, STARTED) is None
