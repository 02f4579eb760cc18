"""Two uploads of one media at once, one of them held up at a moment, or a rebuild beside a job: one set is left."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import jobs
import pytest
import s3_server
from kill_loop import KilledWorker
from store_front import Asked, Front, front
from webhook_receiver import Receiver, receiving

pytestmark = [pytest.mark.ffmpeg, pytest.mark.slow, pytest.mark.timeout(900)]

Job = dict[str, Any]

HELD_SECONDS = 6.0
"""At most: whoever has begun to switch is waited for."""


def writes(part: str, *, noting: bool = False) -> Callable[[Asked], bool]:
    """A write of a key with this part; `noting`: of the lease, with a switch in it."""
    return lambda asked: (
        asked.method in ("PUT", "POST") and part in asked.path and (not noting or b'"switch": {' in asked.body)
    )


MOMENTS: dict[str, Callable[[Asked], bool]] = {
    "it looks for the upload": lambda asked: asked.method == "HEAD" and "/originals/" in asked.path,
    "it takes the lease": writes("/leases/m1"),
    "it goes on record": writes("/jobs.json"),
    "it fetches the upload": lambda asked: asked.method == "GET" and "/originals/" in asked.path,
    "the mezzanine goes up": writes("/mezzanine/"),
    "a segment goes up": writes("/segment_00000.ts"),
    "the switch is noted": writes("/leases/m1", noting=True),
    "a playlist is written": writes("/playlist.m3u8"),
    "the master is written": writes("/master.m3u8"),
    "the picture is written": writes("/waveform.png"),
    "a record is written": writes("/records/m1/hls_128k.json"),
    "it notes what it replaced": writes("/records/m1/replaced.json"),
}


class Hold:
    """Holds up the first request of a kind until it is let go."""

    def __init__(self, is_held: Callable[[Asked], bool]) -> None:
        self._is_held = is_held
        self.reached, self.let_go = threading.Event(), threading.Event()

    def __call__(self, asked: Asked) -> None:
        if not self.reached.is_set() and self._is_held(asked):
            self.reached.set()
            self.let_go.wait(120)


class House:
    """Three buckets, two workers of which one goes through a front, and what is published of an audio."""

    def __init__(self, endpoint: str, between: Front, folder: Path, receiver: Receiver) -> None:
        plain, self.buckets = jobs.s3_environment(folder / "quick", endpoint)
        through = {**plain, **jobs.s3_variables(between.url, self.buckets), "TMPDIR": str(folder / "held")}
        (folder / "held").mkdir()
        self.client, self.receiver = s3_server.client(endpoint), receiver
        self.slow, self.quick = KilledWorker(through, folder / "log"), KilledWorker(plain, folder / "log")

    def upload(self, name: str, data: bytes) -> None:
        self.client.put_object(Bucket=self.buckets[0], Key=f"originals/{jobs.CREATOR}/m1/{name}", Body=data)

    def job(self, job_id: str, name: str, *assets: str) -> dict[str, Any]:
        more: dict[str, Any] = {"assets": list(assets)} if assets else {}
        sent = jobs.payload("audio", "m1", self.receiver.url, buckets=self.buckets, **more)
        return {"id": job_id, "input": {**sent, "inputKey": f"originals/{jobs.CREATOR}/m1/{name}"}}

    def published(self) -> dict[str, bytes]:
        """What viewers follow, and the hash of the recorded mezzanine."""
        archive, media, assets = self.buckets
        seen: dict[str, bytes] = {}
        for bucket in (media, assets):
            for page in self.client.get_paginator("list_objects_v2").paginate(Bucket=bucket):
                for each in page.get("Contents", ()):
                    key = each["Key"]
                    if not key.endswith(".ts") and not key.startswith("leases/"):
                        seen[key] = self.client.get_object(Bucket=bucket, Key=key)["Body"].read()
        for key, text in list(seen.items()):
            for line in text.decode(errors="replace").splitlines() if key.endswith("playlist.m3u8") else ():
                if line and not line.startswith("#"):
                    self.client.head_object(Bucket=media, Key=f"{key.rpartition('/')[0]}/{line}")
        record = json.loads(self.client.get_object(Bucket=archive, Key="records/m1/mezzanine.json")["Body"].read())
        (file,) = record["files"]
        current = self.client.head_object(Bucket=archive, Key=file["key"])
        assert current["VersionId"] == file["version"]
        assert current["Metadata"]["sha256"] == file["sha256"]
        seen["mezzanine"] = file["sha256"].encode()
        for output in ("hls_128k", "hls_64k", "hls_master", "loudness", "waveform_json", "waveform_png"):
            text = self.client.get_object(Bucket=archive, Key=f"records/m1/{output}.json")["Body"].read()
            seen[f"record of {output}"] = json.loads(text)["data_version"].encode()
        return seen

    def forget(self) -> None:
        """Delete whatever was published and put on record, as if no job had ever been done."""
        for bucket in self.buckets:
            for page in self.client.get_paginator("list_object_versions").paginate(Bucket=bucket):
                for each in page.get("Versions", ()):
                    if not each["Key"].startswith("originals/"):
                        self.client.delete_object(Bucket=bucket, Key=each["Key"], VersionId=each["VersionId"])

    def lose(self, variant: str) -> None:
        """Delete the segments of a variant."""
        for page in self.client.get_paginator("list_objects_v2").paginate(Bucket=self.buckets[1]):
            for each in page.get("Contents", ()):
                if f"/{variant}/" in each["Key"] and each["Key"].endswith(".ts"):
                    self.client.delete_object(Bucket=self.buckets[1], Key=each["Key"])

    def close(self) -> None:
        self.slow.close()
        self.quick.close()


@pytest.fixture(scope="module")
def endpoint() -> Iterator[str]:
    with s3_server.s3_server() as url:
        yield url


@pytest.fixture
def house(endpoint: str, tmp_path: Path) -> Iterator[tuple[House, Front]]:
    with receiving() as receiver, front(endpoint) as between:
        made = House(endpoint, between, tmp_path, receiver)
        try:
            yield made, between
        finally:
            made.close()


def both(
    house: House, hold: Hold, slow: dict[str, Any], quick: dict[str, Any]
) -> tuple[dict[str, Any], dict[str, Any]]:
    """Begin the slow job; when it is held up, the quick one; let go when that has ended, or does not end."""
    house.slow.begin(slow)
    assert hold.reached.wait(120)
    house.quick.begin(quick)
    results: list[dict[str, Any] | None] = []
    waiting = threading.Thread(target=lambda: results.append(house.quick.result()))
    waiting.start()
    waiting.join(HELD_SECONDS)
    hold.let_go.set()
    slow_result = house.slow.result()
    waiting.join(240)
    assert slow_result is not None
    assert results
    assert results[0] is not None
    return slow_result, results[0]


@pytest.mark.parametrize("moment", MOMENTS)
@pytest.mark.parametrize("slow_is", ["older", "newer"])
def test_of_two_uploads_the_newer_one_is_published_whole(house: tuple[House, Front], moment: str, slow_is: str) -> None:
    made, between = house
    older, newer = jobs.original("audio"), jobs.another_sound()
    made.upload("newer.wav", newer)
    made.quick.begin(made.job("learn", "newer.wav"))
    assert "error" not in (made.quick.result() or {"error": 1})
    wanted = made.published()
    # What was there once would not be sent again.
    made.forget()
    made.upload("third.wav", jobs.third_sound())
    made.quick.begin(made.job("before", "third.wav"))
    assert "error" not in (made.quick.result() or {"error": 1})
    assert made.published() != wanted
    made.upload("older.wav", older)
    time.sleep(1.1)  # a store's times are whole seconds
    made.upload("newer.wav", newer)
    slow, quick = ("older", "newer") if slow_is == "older" else ("newer", "older")
    between.before = hold = Hold(MOMENTS[moment])
    results = dict(
        zip(
            (slow, quick), both(made, hold, made.job(slow, f"{slow}.wav"), made.job(quick, f"{quick}.wav")), strict=True
        )
    )
    assert "error" not in results["newer"], results["newer"]
    assert made.published() == wanted
    if "error" in results["older"]:
        assert results["older"]["errorCode"] == "superseded"
        assert results["older"]["retryable"] is False
    for job_id in (slow, quick):
        assert len(made.receiver.of(job_id)) == 1


@pytest.mark.parametrize("moment", ["it fetches the mezzanine", "a segment goes up", "the switch is noted"])
def test_a_rebuild_beside_a_job_leaves_the_jobs_set_whole(house: tuple[House, Front], moment: str) -> None:
    made, between = house
    made.upload("newer.wav", jobs.another_sound())
    made.quick.begin(made.job("learn", "newer.wav"))
    assert "error" not in (made.quick.result() or {"error": 1})
    wanted = made.published()
    made.upload("older.wav", jobs.original("audio"))
    made.quick.begin(made.job("before", "older.wav"))
    # It is an earlier upload only for one that names the other one.
    assert "error" not in (made.quick.result() or {"error": 1})
    # They have to go up again: what is there is not sent.
    made.lose("64k")
    time.sleep(1.1)
    made.upload("newer.wav", jobs.another_sound())
    fetching: dict[str, Callable[[Asked], bool]] = {
        "it fetches the mezzanine": lambda asked: asked.method == "GET" and "/mezzanine/" in asked.path
    }
    between.before = hold = Hold((MOMENTS | fetching)[moment])
    rebuilt, done = both(
        made, hold, made.job("rebuild", "older.wav", "hls_64k", "hls_master"), made.job("job", "newer.wav")
    )
    assert "error" not in done
    assert rebuilt.get("errorCode") in (None, "superseded")
    assert made.published() == wanted
