"""One payload, one answer: whole jobs with real tools, real stores and a real receiver."""

from __future__ import annotations

import json
import os
import re
import tempfile
import threading
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import jobs
import pytest
import s3_server
import stand_in_tools
from webhook_receiver import Receiver

from codex_assets.config import settings as configuration
from codex_assets.config.settings import Settings
from codex_assets.contract.payload import PayloadPolicy
from codex_assets.errors import ConfigurationError, JobCancelled
from codex_assets.media import outputs
from codex_assets.system.workspace import Status
from codex_assets.worker import job


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return configuration.load(jobs.local_environment(tmp_path))


@pytest.fixture(scope="session")
def s3() -> Iterator[str]:
    with s3_server.s3_server() as endpoint:
        yield endpoint


def answered(receiver: Receiver, result: dict[str, Any]) -> dict[str, Any]:
    """The one webhook that was sent: in order, signed, and the same as RunPod's result."""
    (received,) = receiver.received
    assert received.is_signed_with(jobs.SECRET)
    assert not received.is_signed_with(jobs.SECRET + "x")
    assert received.headers["content-type"] == "application/json"
    jobs.assert_contract(received.said)
    assert received.said == jobs.body_of(result)
    return received.said


def assert_published(settings: Settings, output: dict[str, Any]) -> None:
    stores = settings.stores()
    for role, key in jobs.announced_keys(output).values():
        stored = stores.by_role(role).head(key)
        assert stored is not None, key
        assert stored.size > 0


def assert_nothing_left(settings: Settings) -> None:
    assert list(settings.scratch.glob("*")) == []


# --- Success ----------------------------------------------------------------------------------------------------------


@pytest.mark.ffmpeg
def test_a_video_is_built_announced_and_single_outputs_are_built_again(
    settings: Settings, receiver: Receiver, tmp_path: Path
) -> None:
    jobs.put_original(settings.stores(), "video", "clip")
    heard: list[Status] = []
    announced: list[dict[str, Any]] = []

    result = job.run(
        "job-1",
        jobs.payload("video", "clip", receiver.url),
        settings,
        listener=heard.append,
        before_answer=announced.append,
    )

    said = answered(receiver, result)
    assert announced == [said]
    assert (said["id"], said["status"]) == ("job-1", "completed")
    output = said["output"]
    assert set(jobs.announced_keys(output)) == {
        "hlsMasterPlaylistKey",
        "hlsPreviewKey",
        "thumbnailKey",
        "mezzanineKey",
    }
    assert output["hlsMasterPlaylistKey"] == "creator1/hls/clip/master.m3u8"
    assert output["mezzanineKey"] == "mezzanine/creator1/clip/mezzanine.mp4"
    assert (output["durationSeconds"], output["width"], output["height"]) == (1, 64, 48)
    assert output["readyVariants"] == ["360p", "preview"]
    assert set(output["loudness"]) == {"integrated", "peak", "range"}
    assert_published(settings, output)
    assert_nothing_left(settings)
    assert {"mezzanine", "variants", "thumbnail"} <= {status.phase for status in heard}
    kept = jobs.objects(settings.stores())
    assert {f"records/clip/{name}.json" for name in ("media", *outputs.wanted("video"))} <= kept["archive"]
    versions = {key.split("/")[4] for key in kept["media"] if re.search(r"/360p/[0-9a-f]{12}/segment_00000\.ts$", key)}
    assert len(versions) == 1

    # The same media on "another machine", without its original: the thumbnail alone, from the mezzanine.
    settings.stores().archive.delete(jobs.input_key("video", "clip"))
    receiver.received.clear()
    again = job.run("job-2", jobs.payload("video", "clip", receiver.url, assets=["thumbnail"]), settings)
    said = answered(receiver, again)
    assert said["output"] == {
        "mediaId": "clip",
        "mediaType": "video",
        "thumbnailKey": output["thumbnailKey"],
        "durationSeconds": 1,
        "width": 64,
        "height": 48,
    }
    assert jobs.objects(settings.stores())["media"] == kept["media"]

    # On a worker of another release: what comes out otherwise is announced with the master, which nobody asked for.
    receiver.received.clear()
    front = stand_in_tools.ffmpeg_with(tmp_path / "front", "faster", "veryfast")
    path = f"{front}:{os.environ['PATH']}"
    newer = configuration.load(jobs.local_environment(tmp_path, PATH=path))
    rebuilt = job.run("job-3", jobs.payload("video", "clip", receiver.url, assets=["hls_360p"]), newer)
    said = answered(receiver, rebuilt)
    assert (said["status"], said["output"]["readyVariants"]) == ("completed", ["360p", "preview"])
    assert said["output"]["hlsMasterPlaylistKey"] == output["hlsMasterPlaylistKey"]
    assert versions < {
        key.split("/")[4] for key in jobs.objects(settings.stores())["media"] if re.search(r"/360p/[0-9a-f]{12}/", key)
    }


@pytest.mark.ffmpeg
def test_an_audio_job_is_announced_when_the_receiver_is_back(
    settings: Settings, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(settings.scratch.parent))
    jobs.put_original(settings.stores(), "audio", "talk")
    receiver.script = [503]
    outside: set[str] = set()

    def look(status: Status) -> None:
        outside.update(path.name for path in settings.scratch.parent.iterdir())

    result = job.run("job-1", jobs.payload("audio", "talk", receiver.url), settings, listener=look)

    assert outside == {settings.scratch.name}, "whatever is written lies in the run's own folder"
    assert [request.status for request in receiver.received] == [503, 200]
    assert len({request.body for request in receiver.received}) == 1
    assert all(request.is_signed_with(jobs.SECRET) for request in receiver.received)
    said = receiver.received[-1].said
    jobs.assert_contract(said)
    assert said == jobs.body_of(result)
    output = said["output"]
    assert output["waveformKey"] == "creator1/waveforms/talk/waveform.json"
    assert output["waveformImageKey"] == "creator1/thumbnails/media/talk/waveform.png"
    assert output["hlsMasterPlaylistKey"] == "creator1/hls-audio/talk/master.m3u8"
    assert output["durationSeconds"] == 2
    assert output["readyVariants"] == ["128k", "64k"]
    assert not {"width", "height", "thumbnailKey", "hlsPreviewKey"} & set(output)
    assert_published(settings, output)
    assert_nothing_left(settings)


@pytest.mark.ffmpeg
@pytest.mark.parametrize("media_type", ["video", pytest.param("audio", marks=pytest.mark.slow)])
def test_a_whole_job_over_s3(tmp_path: Path, receiver: Receiver, s3: str, media_type: str) -> None:
    environment, buckets = jobs.s3_environment(tmp_path, s3)
    settings = configuration.load(environment)
    jobs.put_original(settings.stores(), media_type, "media1")
    payload = jobs.payload(media_type, "media1", receiver.url, buckets=buckets)

    said = answered(receiver, job.run("job-1", payload, settings))

    assert said["status"] == "completed"
    assert_published(settings, said["output"])
    # By another client: what a player and the platform would meet.
    archive, media, assets = buckets
    client = s3_server.client(s3)
    master = client.get_object(Bucket=media, Key=said["output"]["hlsMasterPlaylistKey"])
    assert master["ContentType"] == "application/vnd.apple.mpegurl"
    assert master["Body"].read().startswith(b"#EXTM3U")
    assert client.head_object(Bucket=archive, Key=said["output"]["mezzanineKey"])["ContentType"] == "video/mp4"
    picture = said["output"]["thumbnailKey" if media_type == "video" else "waveformImageKey"]
    assert client.head_object(Bucket=assets, Key=picture)["ContentLength"] > 0
    assert_nothing_left(settings)


# --- Refusals and failures --------------------------------------------------------------------------------------------


def test_every_fault_of_a_payload_is_told_at_once(settings: Settings, receiver: Receiver) -> None:
    payload = jobs.payload(
        "video",
        "../up",
        receiver.url,
        creatorId="-",
        inputBucket="someone-elses",
        inputKey="originals/creator1/media1/original.mp4",
        outputBucket="codex-media-prod",
        assets=["thumbnail", "poster"],
    )

    said = answered(receiver, job.run("job-1", payload, settings))

    assert (said["status"], said["errorCode"], said["retryable"]) == ("failed", "invalid_payload", False)
    named = [name for name in payload if f"{name} must" in said["error"]]
    assert named == ["mediaId", "creatorId", "inputBucket", "outputBucket", "assets"]
    # An id that breaks the rules is not repeated: it would end up in the receiver's queries.
    assert said["output"] == {"mediaType": "video"}
    assert jobs.objects(settings.stores()) == {"archive": set(), "media": set(), "assets": set()}


@pytest.mark.parametrize("raw", [None, [], "payload", {}])
def test_what_is_no_payload_has_nobody_to_tell(settings: Settings, receiver: Receiver, raw: object) -> None:
    result = job.run("job-1", raw, settings)

    assert result["errorCode"] == "invalid_payload"
    jobs.assert_contract(result)
    assert receiver.received == []


@pytest.mark.ffmpeg
def test_an_unusable_source_is_the_creators_failure(settings: Settings, receiver: Receiver) -> None:
    jobs.put_original(settings.stores(), "video", "noise", b"this is no video, whatever its name says\n" * 100)

    said = answered(receiver, job.run("job-1", jobs.payload("video", "noise", receiver.url), settings))

    assert (said["status"], said["errorCode"], said["retryable"]) == ("failed", "source_not_media", False)
    assert said["output"] == {"mediaId": "noise", "mediaType": "video"}
    assert str(settings.scratch) not in said["error"]
    stored = jobs.objects(settings.stores())
    assert stored["media"] == stored["assets"] == set()
    records = {"records/noise/refused.json", "records/noise/jobs.json"}
    assert stored["archive"] == {jobs.input_key("video", "noise"), *records}
    assert_nothing_left(settings)


def test_an_original_that_is_not_there_is_named(settings: Settings, receiver: Receiver) -> None:
    said = answered(receiver, job.run("job-1", jobs.payload("audio", "gone", receiver.url), settings))

    assert said["errorCode"] == "input_not_found"
    assert jobs.input_key("audio", "gone") in said["error"]


def test_a_store_that_is_not_there_is_a_failure_to_try_again(tmp_path: Path, receiver: Receiver) -> None:
    environment, buckets = {**jobs.local_environment(tmp_path)}, jobs.BUCKETS
    settings = configuration.load(environment)
    # A file where the store's folder has to be: everything of it fails, as with a store that is down.
    assert settings.storage_dir is not None
    settings.storage_dir.write_text("in the way")

    said = answered(receiver, job.run("job-1", jobs.payload("audio", "m", receiver.url, buckets=buckets), settings))

    assert said["status"] == "failed"
    assert str(tmp_path) not in json.dumps(said)


def test_an_undeliverable_webhook_is_carried_by_the_result(settings: Settings, receiver: Receiver) -> None:
    receiver.script = [400] * 9

    result = job.run("job-1", jobs.payload("audio", "gone", receiver.url), settings)

    assert len(receiver.received) == 1, "a refusal is final"
    assert result["errorCode"] == "webhook_undelivered"
    assert "400" in result["error"]
    assert result["webhook"] == receiver.received[0].said
    jobs.assert_contract(result["webhook"])


def test_a_refused_webhook_is_carried_by_the_result(settings: Settings, receiver: Receiver) -> None:
    receiver.answer = b'{"received": true, "error": "No media of that id."}'

    result = job.run("job-1", jobs.payload("audio", "gone", receiver.url), settings)

    assert len(receiver.received) == 1, "it is not tried again"
    assert (result["errorCode"], result["retryable"]) == ("webhook_refused", False)
    assert "No media of that id." in result["error"]
    assert result["webhook"] == receiver.received[0].said
    assert result["webhookAnswer"] == receiver.answer.decode()


def test_an_answer_that_is_no_json_is_carried_by_the_result(settings: Settings, receiver: Receiver) -> None:
    """A challenge page of what stands before the receiver: nobody may have been told."""
    receiver.answer = b"<html><title>Just a moment...</title>" + b"x" * 1000

    result = job.run("job-1", jobs.payload("audio", "gone", receiver.url), settings)

    (received,) = receiver.received
    assert {name: result[name] for name in received.said} == received.said, "it is the result all the same"
    assert result["webhook"] == received.said
    assert "web page" in result["webhookWarning"]
    assert result["webhookAnswer"] == receiver.answer.decode()[:500]


@pytest.mark.slow
def test_outputs_stay_where_their_webhook_is_refused(settings: Settings, receiver: Receiver) -> None:
    stores = settings.stores()
    jobs.put_original(stores, "audio", "m")
    receiver.answer = b'{"success": false}'

    result = job.run("job-1", jobs.payload("audio", "m", receiver.url), settings)

    assert result["errorCode"] == "webhook_refused"
    assert result["webhook"]["status"] == "completed"
    for role, key in jobs.announced_keys(result["webhook"]["output"]).values():
        assert stores.by_role(role).head(key) is not None


def test_the_endpoints_secret_signs_when_the_payload_has_none(tmp_path: Path, receiver: Receiver) -> None:
    settings = configuration.load(jobs.local_environment(tmp_path, WEBHOOK_SECRET="whsec_of_the_endpoint"))
    payload = jobs.payload("audio", "gone", receiver.url)
    del payload["webhookSecret"]

    job.run("job-1", payload, settings)

    (received,) = receiver.received
    assert received.is_signed_with("whsec_of_the_endpoint")


def test_a_worker_without_configuration_still_answers(receiver: Receiver) -> None:
    error = ConfigurationError("The worker is not configured: these variables are missing or empty: B2_REGION.")
    environment = {"WEBHOOK_ALLOW_PRIVATE": "1"}
    policy, delivery = configuration.reply_policies(environment)

    result = job.send(job.refusal("job-1", jobs.payload("audio", "m", receiver.url), policy, error), delivery)

    said = answered(receiver, result)
    assert said["errorCode"] == "worker_misconfigured"
    assert "B2_REGION" in said["error"]


def test_a_refusal_goes_nowhere_without_a_usable_address(settings: Settings) -> None:
    error = ConfigurationError("The worker is not configured.")
    raw = jobs.payload("audio", "m", "http://127.0.0.1/webhook")

    answer = job.refusal("job-1", raw, PayloadPolicy("", "", ""), error)

    assert answer.address is None
    assert job.send(answer, settings.delivery_policy())["error"] == "The worker is not configured."


# --- Cancelling -------------------------------------------------------------------------------------------------------


@pytest.mark.ffmpeg
def test_a_cancelled_job_is_not_answered_and_leaves_nothing(settings: Settings, receiver: Receiver) -> None:
    jobs.put_original(settings.stores(), "video", "long", jobs.long_original())
    cancelled = threading.Event()

    def listen(status: Status) -> None:
        if status.phase == "mezzanine":
            cancelled.set()

    with pytest.raises(JobCancelled):
        job.run("job-1", jobs.payload("video", "long", receiver.url), settings, listener=listen, cancelled=cancelled)

    assert receiver.received == []
    assert jobs.objects(settings.stores())["media"] == set()
    assert_nothing_left(settings)


@pytest.mark.ffmpeg
def test_a_media_is_registered_when_its_upload_was_accepted_and_not_before(
    settings: Settings, receiver: Receiver
) -> None:
    """From then on a failed first build can be repeated from the archive alone: who the media is, is known."""
    payload = jobs.payload("audio", "late", receiver.url)
    job.run("job-1", payload, settings)
    assert receiver.received[-1].said["errorCode"] == "input_not_found"
    assert "records/late/media.json" not in jobs.objects(settings.stores())["archive"]

    jobs.put_original(settings.stores(), "audio", "late")
    registered: dict[str, bool] = {}

    def look(status: Status) -> None:
        registered[status.phase] = settings.stores().archive.head("records/late/media.json") is not None

    result = job.run("job-2", {**payload, "assets": ["mezzanine"]}, replace(settings), listener=look)

    assert (registered["fetching the original"], registered["mezzanine"]) == (False, True)

    assert result["status"] == "completed"
    assert set(jobs.announced_keys(result["output"])) == {"mezzanineKey"}


def record_of(settings: Settings, media_id: str) -> dict[str, Any]:
    said: dict[str, Any] = json.loads(settings.stores().archive.read(f"records/{media_id}/media.json"))
    return said


def delivered(settings: Settings) -> dict[str, bytes]:
    stores = settings.stores()
    return {
        listed.key: store.read(listed.key)
        for store in (stores.media, stores.assets)
        for listed in store.list("")
        if not listed.key.startswith("leases/")
    }


@pytest.mark.slow
@pytest.mark.ffmpeg
def test_a_known_media_stays_as_it_is_until_the_switch(settings: Settings, receiver: Receiver) -> None:
    """Another upload of it is on record once something is built of that, and not before."""
    stores = settings.stores()
    jobs.put_original(stores, "audio", "tone")
    payload = jobs.payload("audio", "tone", receiver.url)
    assert job.run("job-1", payload, settings)["status"] == "completed"
    first = record_of(settings, "tone")
    other = payload["inputKey"].replace("original.", "again.")

    job.run("job-2", {**payload, "inputKey": other}, settings)
    assert receiver.received[-1].said["errorCode"] == "input_not_found"
    assert record_of(settings, "tone") == first

    stores.archive.write(other, jobs.original("audio"), content_type="audio/wav")
    assert job.run("job-3", {**payload, "inputKey": other}, settings)["status"] == "completed"
    assert record_of(settings, "tone") == {**first, "input_key": other}


@pytest.mark.slow
@pytest.mark.ffmpeg
def test_a_media_is_not_taken_over_by_another_creator_or_type(settings: Settings, receiver: Receiver) -> None:
    stores = settings.stores()
    jobs.put_original(stores, "audio", "tone")
    payload = jobs.payload("audio", "tone", receiver.url)
    # Nothing is published yet: what the first job says is no more than that.
    assert job.run("job-1", {**payload, "mediaType": "video"}, settings)["status"] == "failed"
    assert job.run("job-2", payload, settings)["status"] == "completed"
    before = delivered(settings)
    first = record_of(settings, "tone")

    as_video = {**payload, "mediaType": "video"}
    as_anothers = {
        **payload,
        "creatorId": "creator2",
        "inputKey": payload["inputKey"].replace("creator1", "creator2"),
        "outputPrefix": payload["outputPrefix"].replace("creator1", "creator2"),
    }
    for number, (wrong, words) in enumerate(
        ((as_video, "is published as an audio"), (as_anothers, "creatorId is not"))
    ):
        job.run(f"job-{number + 3}", wrong, settings)
        said = receiver.received[-1].said
        assert (said["status"], said["errorCode"], said["retryable"]) == ("failed", "invalid_payload", False)
        assert words in said["error"]
        assert "creator1" not in said["error"]
    assert record_of(settings, "tone") == first
    assert delivered(settings) == before
