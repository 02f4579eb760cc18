"""A job that RunPod delivers again after its end: announced with the same body, and done only where it has to be."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import jobs
import pytest
from webhook_receiver import Receiver

from codex_assets.archive import history
from codex_assets.archive.history import JobHistory
from codex_assets.archive.leases import Leases
from codex_assets.archive.store import RecordStore
from codex_assets.archive.switches import SwitchedRecord, SwitchNote
from codex_assets.config import settings as configuration
from codex_assets.config.settings import Settings
from codex_assets.media import outputs
from codex_assets.worker import job

pytestmark = pytest.mark.ffmpeg


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return configuration.load(jobs.local_environment(tmp_path))


class Delivery:
    """One delivery of a job to a worker: what was announced, and which phases of work there were."""

    def __init__(self, settings: Settings, job_id: str, payload: Mapping[str, Any], receiver: Receiver) -> None:
        before = len(receiver.received)
        phases: list[str] = []
        self.result = job.run(job_id, payload, settings, listener=lambda status: phases.append(status.phase))
        self.worked = set(phases)
        (self.webhook,) = receiver.received[before:]
        assert self.webhook.is_signed_with(jobs.SECRET)
        jobs.assert_contract(self.webhook.said)

    @property
    def body(self) -> bytes:
        return self.webhook.body


def whole(receiver: Receiver, **changes: Any) -> dict[str, Any]:
    return jobs.payload("audio", "talk", receiver.url, **changes)


def written(settings: Settings) -> dict[str, float]:
    """Published object -> when it was written."""
    stores = settings.stores()
    return {
        f"{store.name}/{stored.key}": stored.modified.timestamp()  # type: ignore[union-attr]
        for store in (stores.archive, stores.media, stores.assets)
        for stored in store.list("")
        if not stored.key.endswith(("jobs.json", "media.json")) and not stored.key.startswith("leases/")
    }


def test_what_a_job_built_is_announced_again(settings: Settings, receiver: Receiver) -> None:
    jobs.put_original(settings.stores(), "audio", "talk")
    first = Delivery(settings, "job-1", whole(receiver), receiver)
    built = written(settings)
    # Not even the original is needed.
    settings.stores().archive.delete(jobs.input_key("audio", "talk"))
    second = Delivery(settings, "job-1", whole(receiver), receiver)
    third = Delivery(settings, "job-1", whole(receiver, webhookSecret=jobs.SECRET, traceId="of RunPod"), receiver)

    assert first.webhook.said["status"] == "completed"
    assert second.body == third.body == first.body
    assert (second.worked, third.worked) == (set(), set())
    left = {name: at for name, at in built.items() if "originals/" not in name}
    assert {name: at for name, at in written(settings).items() if "originals/" not in name} == left
    entries = history.read(RecordStore(settings.stores().archive), "talk")
    assert [entry.outcome for entry in entries] == ["completed"] * 3
    assert [len(entry.outputs) for entry in entries] == [len(outputs.wanted("audio")), 0, 0], "its cost is counted once"


@pytest.mark.slow
def test_what_was_done_takes_the_media_from_nobody(settings: Settings, receiver: Receiver) -> None:
    """The original has another one in its place by now, and another job is at work on that."""
    stores = settings.stores()
    jobs.put_original(stores, "audio", "talk")
    first = Delivery(settings, "job-1", whole(receiver), receiver)
    jobs.put_original(stores, "audio", "talk")
    newer = Leases(stores, "job-2")
    media = RecordStore(stores.archive).media("talk")
    assert media is not None
    with newer.of("talk", newer.claim(media, from_original=True)) as lease:
        again = Delivery(settings, "job-1", whole(receiver), receiver)
        lease.confirm()
    assert again.body == first.body


@pytest.mark.slow
def test_warnings_and_markers_are_announced_again(settings: Settings, receiver: Receiver) -> None:
    """A picture too small for most rungs, whose end did not arrive: markers, and sentences in the body."""
    film = jobs.film(3, "160x90", "-movflags", "+faststart")
    jobs.put_original(settings.stores(), "video", "clip", film[: len(film) * 3 // 4])
    payload = jobs.payload("video", "clip", receiver.url)
    first = Delivery(settings, "job-1", payload, receiver)
    second = Delivery(settings, "job-1", payload, receiver)
    assert first.webhook.said["status"] == "completed"
    assert first.webhook.said["output"]["warnings"]
    assert second.body == first.body
    assert second.worked == set()


def test_a_webhook_that_nobody_took_is_sent_again(settings: Settings, receiver: Receiver) -> None:
    jobs.put_original(settings.stores(), "audio", "talk")
    receiver.script.append(404)
    first = Delivery(settings, "job-1", whole(receiver), receiver)
    second = Delivery(settings, "job-1", whole(receiver), receiver)
    assert first.result["errorCode"] == "webhook_undelivered"
    assert second.result["status"] == "completed"
    assert second.body == first.body
    assert second.worked == set()


def test_a_worker_that_was_lost_after_it_had_published_everything(settings: Settings, receiver: Receiver) -> None:
    jobs.put_original(settings.stores(), "audio", "talk")
    first = Delivery(settings, "job-1", whole(receiver), receiver)
    records = RecordStore(settings.stores().archive)
    (entry,) = history.read(records, "talk")
    begun = entry.model_copy(update={"outcome": "running", "finished_at": None, "outputs": ()})
    records.put("talk", history.JOBS, JobHistory(media_id="talk", jobs=(begun,)))
    second = Delivery(settings, "job-1", whole(receiver), receiver)
    assert (second.body, second.worked) == (first.body, set())
    assert [len(entry.outputs) for entry in history.read(records, "talk")] == [0, len(outputs.wanted("audio"))]


def test_a_switch_whose_end_was_not_noted_is_ended(settings: Settings, receiver: Receiver) -> None:
    """The worker was lost when all was written but one record and the end of the switch."""
    stores = settings.stores()
    records = RecordStore(stores.archive)
    jobs.put_original(stores, "audio", "talk")
    first = Delivery(settings, "job-1", whole(receiver), receiver)
    replaced = {"media_id": "talk", "objects": []}
    note = SwitchNote(
        switch_id="s1", media_id="talk", records=(SwitchedRecord(name="replaced", text=json.dumps(replaced)),)
    )
    media = records.media("talk")
    assert media is not None
    leases = Leases(stores, "job-1")
    with leases.of("talk", leases.claim(media, from_original=True)) as lease:
        lease.note(note)
    assert leases.look("talk") == (None, note)
    second = Delivery(settings, "job-1", whole(receiver), receiver)
    assert (second.body, second.worked) == (first.body, set())
    assert leases.look("talk") == (None, None)
    assert json.loads(stores.archive.read("records/talk/replaced.json")) == replaced


QUICK = ["an object is gone"]
SLOW = [
    "another upload was built",
    "an output was rebuilt",
    "a record is gone",
    "no history",
    "another original is asked for",
]
SLOW += ["a record is broken", "it was cancelled"]


@pytest.mark.parametrize("change", [*QUICK, *(pytest.param(change, marks=pytest.mark.slow) for change in SLOW)])
def test_what_is_not_as_it_was_is_built_again(change: str, settings: Settings, receiver: Receiver) -> None:
    stores = settings.stores()
    records = RecordStore(stores.archive)
    jobs.put_original(stores, "audio", "talk")
    first = Delivery(settings, "job-1", whole(receiver), receiver)
    payload = whole(receiver)
    match change:
        case "another upload was built":
            jobs.put_original(stores, "audio", "talk", jobs.another_sound())
            Delivery(settings, "job-2", payload, receiver)
        case "an output was rebuilt":
            Delivery(settings, "job-2", whole(receiver, assets=["waveform_png"]), receiver)
        case "an object is gone":
            segments = [stored.key for stored in stores.media.list("") if stored.key.endswith(".ts")]
            stores.media.delete(segments[-1])
        case "a record is gone":
            records.forget("talk", "waveform_json")
        case "no history":
            records.forget("talk", history.JOBS)
        case "another original is asked for":
            payload["inputKey"] = f"originals/{jobs.CREATOR}/talk/other.wav"
            stores.archive.write(payload["inputKey"], jobs.another_sound(), content_type="audio/wav")
        case "a record is broken":
            stores.archive.write("records/talk/hls_64k.json", b"{", content_type="application/json")
        case "it was cancelled":
            (entry,) = history.read(records, "talk")
            stopped = entry.model_copy(update={"outcome": "cancelled"})
            records.put("talk", history.JOBS, JobHistory(media_id="talk", jobs=(stopped,)))
    again = Delivery(settings, "job-1", payload, receiver)
    assert "mezzanine" in again.worked
    assert again.webhook.said["status"] == "completed"
    if change == "another original is asked for":
        assert again.webhook.said["output"]["loudness"] != first.webhook.said["output"]["loudness"]
    elif change != "another upload was built":
        assert again.body == first.body


@pytest.mark.slow
def test_single_outputs_too(settings: Settings, receiver: Receiver) -> None:
    stores = settings.stores()
    jobs.put_original(stores, "audio", "talk")
    Delivery(settings, "job-1", whole(receiver), receiver)
    payload = whole(receiver, assets=["waveform_png", "hls_64k"])
    first = Delivery(settings, "job-2", payload, receiver)
    second = Delivery(settings, "job-2", payload, receiver)
    assert (second.body, second.worked) == (first.body, set())
    # The same id with other outputs is another job.
    other = Delivery(settings, "job-2", whole(receiver, assets=["hls_128k"]), receiver)
    assert other.worked
    # And what is not there any more is not announced.
    (picture,) = [stored.key for stored in stores.assets.list("") if stored.key.endswith(".png")]
    stores.assets.delete(picture)
    third = Delivery(settings, "job-2", payload, receiver)
    assert third.worked
    assert stores.assets.head(picture) is not None


@pytest.mark.slow
def test_what_was_said_of_an_upload_is_said_again(settings: Settings, receiver: Receiver) -> None:
    stores = settings.stores()
    jobs.put_original(stores, "audio", "talk", b"no sound at all" * 1000)
    first = Delivery(settings, "job-1", whole(receiver), receiver)
    second = Delivery(settings, "job-1", whole(receiver), receiver)
    assert (first.webhook.said["status"], first.webhook.said["retryable"]) == ("failed", False)
    assert first.worked
    assert (second.body, second.worked) == (first.body, set())
    assert {name: second.result[name] for name in first.result if name != "metrics"} == jobs.body_of(second.result)
    # Another upload of the same name is judged.
    jobs.put_original(stores, "audio", "talk")
    third = Delivery(settings, "job-1", whole(receiver), receiver)
    assert third.webhook.said["status"] == "completed"


@pytest.mark.slow
def test_a_job_whose_original_was_not_there_looks_again(settings: Settings, receiver: Receiver) -> None:
    first = Delivery(settings, "job-1", whole(receiver), receiver)
    second = Delivery(settings, "job-1", whole(receiver), receiver)
    assert first.webhook.said["errorCode"] == "input_not_found"
    assert second.body == first.body
    jobs.put_original(settings.stores(), "audio", "talk")
    assert Delivery(settings, "job-1", whole(receiver), receiver).webhook.said["status"] == "completed"


@pytest.mark.slow
def test_a_failure_that_may_pass_is_tried_again(
    settings: Settings, receiver: Receiver, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    jobs.put_original(settings.stores(), "audio", "talk")
    (tmp_path / "bin").mkdir()
    broken = tmp_path / "bin" / "audiowaveform"
    broken.write_text("#!/bin/sh\nexit 1\n")
    broken.chmod(0o755)
    short = configuration.load(
        jobs.local_environment(tmp_path, PATH=f"{broken.parent}:{configuration.environment()['PATH']}")
    )
    first = Delivery(short, "job-1", whole(receiver), receiver)
    assert (first.webhook.said["errorCode"], first.webhook.said["retryable"]) == ("tool_failed", True)
    assert Delivery(settings, "job-1", whole(receiver), receiver).webhook.said["status"] == "completed"


@pytest.mark.slow
def test_histories_of_the_first_releases_are_read(settings: Settings, receiver: Receiver) -> None:
    jobs.put_original(settings.stores(), "audio", "talk")
    first = Delivery(settings, "job-1", whole(receiver), receiver)
    archive = settings.stores().archive
    history_file = json.loads(archive.read("records/talk/jobs.json"))
    for entry in history_file["jobs"]:
        del entry["payload"]
        entry.pop("failure", None)
    archive.write("records/talk/jobs.json", json.dumps(history_file).encode(), content_type="application/json")
    second = Delivery(settings, "job-1", whole(receiver), receiver)
    assert (second.body, second.worked) == (first.body, set())
