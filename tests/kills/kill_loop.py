"""Jobs that are killed at random moments, one after the other, while somebody plays what is published.

Two uploads take turns as the original of one media. Of each job a part is killed: the worker with all that it started,
the process of the job, or a tool. Then the job is delivered again until it is done. In between, a reader fetches the
master and every playlist, again and again, with all that they name.
"""

from __future__ import annotations

import json
import os
import random
import select
import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, Literal

import s3_server
from botocore.exceptions import ClientError
from jobs import input_key, payload
from webhook_receiver import Receiver

from codex_assets.system import process_identity

HERE: Final = Path(__file__).parent
Target = Literal["worker", "job", "tool"]
TARGETS: Final[tuple[Target, ...]] = ("worker", "job", "tool")
LOOK_SECONDS: Final = 0.1
"""From one look of the reader to the next. A look itself takes about as long, and the store does nothing else then."""
TRIES: Final = 4
"""Deliveries of a job, after the one that was killed, in which it has to be done."""


class KilledWorker:
    """A worker in processes of its own, which may be killed."""

    def __init__(self, environment: Mapping[str, str], log: Path) -> None:
        paths = os.pathsep.join((str(HERE.parents[1]), str(HERE)))
        with log.open("ab") as errors:
            self._process = subprocess.Popen(
                [sys.executable, str(HERE / "kills_worker.py")],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=errors,
                text=True,
                env={**environment, "PYTHONPATH": paths},
                start_new_session=True,
            )
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._orders, self._said = self._process.stdin, self._process.stdout
        if self._said.readline() != "ready\n":
            raise RuntimeError("the worker did not start")

    @property
    def is_alive(self) -> bool:
        return self._process.poll() is None

    def begin(self, job: Mapping[str, Any]) -> None:
        self._orders.write(json.dumps(job) + "\n")
        self._orders.flush()

    def has_answered(self, seconds: float) -> bool:
        """Whether the job that was begun is answered, or the worker gone, within so many seconds."""
        return bool(select.select([self._said], [], [], seconds)[0])

    def result(self) -> dict[str, Any] | None:
        """Of the job that was begun; None when the worker is gone."""
        line = self._said.readline()
        return json.loads(line) if line else None

    def kill(self, target: Target) -> bool:
        """Whether there was something of that kind to kill."""
        family = descendants(self._process.pid)
        tools = [pid for pid, name in family.items() if name in ("ffmpeg", "ffprobe", "audiowaveform")]
        match target:
            case "worker":
                doomed = [self._process.pid, *family]
            case "job":
                # The spare process of the next job is one of them, too: it does not matter which dies.
                doomed = [pid for pid in family if pid not in tools]
            case "tool":
                doomed = tools[:1]
        for pid in doomed:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        if target == "worker":
            self._process.wait()
        return bool(doomed)

    def close(self) -> None:
        if self.is_alive:
            self.kill("worker")
        self._orders.close()
        self._said.close()


def descendants(pid: int) -> dict[int, str]:
    """Processes below one: id -> name."""
    parents: dict[int, tuple[int, str]] = {}
    for folder in Path("/proc").iterdir():
        if folder.name.isdecimal():
            with suppress(OSError, IndexError):
                name, _, rest = (folder / "stat").read_text().partition("(")[2].rpartition(")")
                parents[int(folder.name)] = (int(rest.split()[1]), name)
    below: dict[int, str] = {}
    seen = {pid}
    while more := {each: name for each, (parent, name) in parents.items() if parent in seen and each not in seen}:
        below |= more
        seen |= set(more)
    return below


@dataclass
class Playing:
    """What a reader met. `mixed_seconds`: the longest time in which playlists of two films were to be had."""

    media: str
    prefix: str
    fetched: int = 0
    broken: list[str] = field(default_factory=list)
    mixed_seconds: float = 0.0
    _mixed_since: float | None = None

    def look(self, client: Any) -> None:
        master = self._text(client, f"{self.prefix}/master.m3u8")
        films = set()
        for name in [line for line in (master or "").splitlines() if line and not line.startswith("#")]:
            key = f"{self.prefix}/{name}"
            playlist = self._text(client, key)
            lines = [line for line in (playlist or "").splitlines() if line and not line.startswith("#")]
            if playlist is None or not playlist.rstrip().endswith("#EXT-X-ENDLIST") or not lines:
                self.broken.append(f"{key} is not whole")
                continue
            if len({line.partition("/")[0] for line in lines}) != 1:
                self.broken.append(f"{key} names segments of two versions")
            for line in lines:
                segment = f"{key.rpartition('/')[0]}/{line}"
                try:
                    client.head_object(Bucket=self.media, Key=segment)
                except ClientError:
                    # The playlist may have been replaced since; its segments stay for a day all the same.
                    self.broken.append(f"{segment} is named and not there")
            films.add(playlist)
            self.fetched += 1
        self._films = films

    def note_mixture(self, is_mixed: bool) -> None:
        now = time.monotonic()
        if not is_mixed:
            self._mixed_since = None
            return
        self._mixed_since = self._mixed_since if self._mixed_since is not None else now
        self.mixed_seconds = max(self.mixed_seconds, now - self._mixed_since)

    @property
    def films(self) -> set[str]:
        """The media playlists of the last look."""
        return self._films

    def _text(self, client: Any, key: str) -> str | None:
        try:
            return str(client.get_object(Bucket=self.media, Key=key)["Body"].read().decode())
        except ClientError:
            return None


@contextmanager
def playing(endpoint: str, media: str, prefix: str, film_of: Callable[[str], str | None]) -> Iterator[Playing]:
    """A reader, during the block. `film_of` tells a playlist's film, None where it is not known."""
    reader, ended = Playing(media, prefix), threading.Event()
    client = s3_server.client(endpoint)

    def play() -> None:
        while not ended.is_set():
            reader.look(client)
            films = {film for text in reader.films if (film := film_of(text)) is not None}
            reader.note_mixture(len(films) > 1)
            ended.wait(LOOK_SECONDS)

    thread = threading.Thread(target=play, daemon=True)
    thread.start()
    try:
        yield reader
    finally:
        ended.set()
        thread.join()


@dataclass
class Tally:
    """What a loop came to."""

    kills: Counter[Target] = field(default_factory=Counter)
    wrong: list[str] = field(default_factory=list)
    deliveries: int = 0
    late: int = 0
    """Kills of a job that was answered already."""
    seconds: list[float] = field(default_factory=list)
    """Of jobs that were not killed."""

    @property
    def usual_seconds(self) -> float:
        """Of a job that is not killed, by the last few: the first of a worker waits for all that it imports."""
        return max(self.seconds[-4:])


class KillLoop:
    """Two uploads of one media that replace each other."""

    def __init__(
        self,
        media_type: str,
        uploads: Mapping[str, bytes],
        environment: Mapping[str, str],
        buckets: tuple[str, str, str],
        endpoint: str,
        receiver: Receiver,
        log: Path,
        seed: int,
    ) -> None:
        self._type, self._uploads, self._environment = media_type, uploads, environment
        self._buckets, self._endpoint, self._receiver, self._log = buckets, endpoint, receiver, log
        self._random, self._client = random.Random(seed), s3_server.client(endpoint)
        self._worker = KilledWorker(environment, log)
        self._jobs = 0
        self.tally = Tally()
        self.sets: dict[str, dict[str, str]] = {}
        """Film -> key -> ETag of what it is published as."""
        self._playlists: dict[str, str] = {}

    def close(self) -> None:
        self._worker.close()

    def film_of(self, playlist: str) -> str | None:
        """Which film a playlist is of."""
        return self._playlists.get(playlist)

    def learn(self, film: str) -> None:
        """Publish a film undisturbed, and note what is published then."""
        self._upload(film)
        self._deliver(self._job())
        self.sets[film] = self._published()
        for key in self.sets[film]:
            if key.endswith(".m3u8") and not key.endswith("master.m3u8"):
                text = self._client.get_object(Bucket=self._buckets[1], Key=key)["Body"].read().decode()
                self._playlists[text] = film

    def kill_one(self, film: str) -> None:
        """Begin a job for this film, kill a part of it, and see that it is done all the same."""
        self._upload(film)
        job = self._job()
        target = self._random.choice(TARGETS)
        self._worker.begin(job)
        # One that is answered sooner is not waited for: what it does after its answer takes no time.
        is_late = self._worker.has_answered(self._random.uniform(0.0, self.tally.usual_seconds))
        while not (is_killed := self._worker.kill(target)) and not is_late:
            # No tool runs just then.
            is_late = self._worker.has_answered(0.01)
        if is_killed:
            self.tally.kills[target] += 1
            self.tally.late += is_late
        result = self._worker.result() if target != "worker" else None
        if target == "worker":
            self._worker.close()
            self._worker = KilledWorker(self._environment, self._log)
        if result is None or "error" in result:
            self._deliver(job)
        self._judge(film, job)

    def _judge(self, film: str, job: Mapping[str, Any]) -> None:
        wrong, published = self.tally.wrong, self._published()
        number = f"{job['id']} ({film})"
        if published != self.sets[film]:
            differing = {key for key, _ in published.items() ^ self.sets[film].items()}
            of_films = {key: self._films_of(key, published.get(key)) for key in sorted(differing)}
            wrong.append(f"{number}: published of {of_films}; {self._records()}")
        said = [request.said for request in self._receiver.of(str(job["id"]))]
        completed = [each for each in said if each["status"] == "completed"]
        if not completed or any(each != completed[0] for each in completed):
            wrong.append(f"{number}: webhooks {[each.get('errorCode', each['status']) for each in said]}")
        for bucket in self._buckets:
            if self._client.list_multipart_uploads(Bucket=bucket).get("Uploads"):
                wrong.append(f"{number}: an unfinished upload in {bucket}")
        lease = json.loads(self._client.get_object(Bucket=self._buckets[1], Key="leases/m1.json")["Body"].read())
        if lease.get("switch") is not None:
            wrong.append(f"{number}: a switch has not ended; {self._records()}")
        # A process that was killed after its answer had no time to give it back: it is nobody's all the same.
        if (holder := lease.get("holder")) is not None and not process_identity.has_ended(holder["process"]):
            wrong.append(f"{number}: the lease is not free: {holder}; {self._records()}")
        scratch = Path(self._environment["TMPDIR"])
        if left := sorted(path.name for path in scratch.rglob("*") if path.is_file()):
            wrong.append(f"{number}: scratch {left[:5]}")

    def _films_of(self, key: str, etag: str | None) -> list[str]:
        """The films of which what lies under a key is."""
        return [film for film, of_film in self.sets.items() if etag is not None and of_film.get(key) == etag]

    def _records(self) -> dict[str, Any]:
        """What tells how it came to be as it is."""
        archive, media, _ = self._buckets
        lease = self._client.get_object(Bucket=media, Key="leases/m1.json")["Body"].read().decode()
        history = self._client.get_object(Bucket=archive, Key="records/m1/jobs.json")["Body"].read().decode()
        mezzanine = self._client.get_object(Bucket=archive, Key="records/m1/mezzanine.json")["Body"].read().decode()
        return {"lease": lease, "jobs": history[-3000:], "mezzanine": mezzanine, "log": self._log.read_text()[-20_000:]}

    def _published(self) -> dict[str, str]:
        """What viewers follow, and the recorded mezzanine: key -> ETag."""
        archive, media, assets = self._buckets
        keys: dict[str, str] = {}
        for bucket in (media, assets):
            for page in self._client.get_paginator("list_objects_v2").paginate(Bucket=bucket):
                keys |= {each["Key"]: each["ETag"] for each in page.get("Contents", ())}
        keys = {key: etag for key, etag in keys.items() if not key.endswith(".ts") and not key.startswith("leases/")}
        record = json.loads(self._client.get_object(Bucket=archive, Key="records/m1/mezzanine.json")["Body"].read())
        (file,) = record["files"]
        head = self._client.head_object(Bucket=archive, Key=file["key"], VersionId=file["version"])
        current = self._client.head_object(Bucket=archive, Key=file["key"])
        if head["Metadata"]["sha256"] != file["sha256"] or current["VersionId"] != file["version"]:
            self.tally.wrong.append("the mezzanine is not the recorded one")
        keys[file["key"]] = file["sha256"]
        return keys

    def _upload(self, film: str) -> None:
        self._client.put_object(Bucket=self._buckets[0], Key=input_key(self._type, "m1"), Body=self._uploads[film])

    def _job(self) -> dict[str, Any]:
        self._jobs += 1
        sent = payload(self._type, "m1", self._receiver.url, buckets=self._buckets)
        return {"id": f"job-{self._jobs}", "input": sent}

    def _deliver(self, job: Mapping[str, Any]) -> None:
        """Until it is done. Raises `RuntimeError` when it never is."""
        result: dict[str, Any] | None = None
        for _ in range(TRIES):
            self.tally.deliveries += 1
            began = time.monotonic()
            self._worker.begin(job)
            result = self._worker.result()
            if result is not None and "error" not in result:
                self.tally.seconds.append(time.monotonic() - began)
                return
        raise RuntimeError(f"{job['id']} was not done in {TRIES} deliveries: {result}")
