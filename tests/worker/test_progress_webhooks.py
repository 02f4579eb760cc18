"""Webhooks of a job that is at work: signed, not too often, never after the answer. The receiver is real."""

from __future__ import annotations

import json
import time
from pathlib import Path

import jobs
import jsonschema
import pytest
from webhook_receiver import Received, Receiver

from codex_assets.config import settings as configuration
from codex_assets.config.settings import Settings
from codex_assets.system.workspace import Status
from codex_assets.worker import job, progress_webhooks

SCHEMA = jsonschema.Draft202012Validator(
    json.loads((jobs.ROOT / "docs" / "contract" / "webhook-progress.schema.json").read_text(encoding="utf-8"))
)


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return configuration.load(jobs.local_environment(tmp_path) | {"WEBHOOK_PROGRESS_SECONDS": "1"})


def assert_is_progress(received: Received) -> None:
    assert received.said["status"] == "progress"
    assert received.is_signed_with(jobs.SECRET)
    SCHEMA.validate(received.said)


@pytest.mark.ffmpeg
def test_a_job_says_how_far_it_is_and_its_answer_comes_last(settings: Settings, receiver: Receiver) -> None:
    jobs.put_original(settings.stores(), "audio", "talk")
    receiver.delay_s = 0.4
    heard: list[Status] = []

    result = job.run("job-1", jobs.payload("audio", "talk", receiver.url), settings, listener=heard.append)

    *progress, final = receiver.received
    assert progress
    for received in progress:
        assert_is_progress(received)
        assert received.said["output"] == {"mediaId": "talk", "mediaType": "audio"}
    assert {each.said["progress"]["phase"] for each in progress} <= {status.phase for status in heard}
    assert final.said == jobs.body_of(result)
    assert final.said["status"] == "completed"


def test_they_are_not_more_frequent_than_asked_for_and_end_with_the_block(
    settings: Settings, receiver: Receiver
) -> None:
    payload = jobs.payload("video", "clip", receiver.url)
    with progress_webhooks.posted("job-1", payload, settings, None) as listener:
        assert listener is not None
        began = time.monotonic()
        while time.monotonic() - began < 3.2:
            listener(Status("variants", 0.5, 0.345))
            time.sleep(0.05)
        receiver.delay_s = 1.5
        receiver.wait(len(receiver.received) + 1)
    count = len(receiver.received)
    assert 3 <= count <= 5
    assert receiver.received[0].said["progress"] == {"phase": "variants", "percent": 34}
    time.sleep(1.5)
    assert len(receiver.received) == count


def test_a_receiver_that_takes_none_is_left_alone(settings: Settings, receiver: Receiver) -> None:
    receiver.script[:] = [503, 400]
    with progress_webhooks.posted("job-1", jobs.payload("video", "clip", receiver.url), settings, None) as listener:
        assert listener is not None
        listener(Status("variants", 0.5, 0.5))
        receiver.wait(2)
        time.sleep(2.5)
    # One attempt each: the first failed in passing, the second was refused.
    assert [received.status for received in receiver.received] == [503, 400]


def test_without_the_setting_there_are_none(tmp_path: Path, receiver: Receiver) -> None:
    settings = configuration.load(jobs.local_environment(tmp_path))
    heard: list[Status] = []
    payload = jobs.payload("video", "clip", receiver.url)
    with progress_webhooks.posted("job-1", payload, settings, heard.append) as listener:
        assert listener is not None
        listener(Status("variants", 0.5, 0.5))
        time.sleep(1.2)
    assert receiver.received == []
    assert len(heard) == 1
