"""One media, one job, one fault: the job is done while the fault happens, and then once more without it.

Every case begins with the same stores: a film and a sound that were published twice, and originals that are new since;
and media that were never published. Each gets a copy of its own of the whole S3 server. In: what is done, and what must
be true afterwards. Out: the faults (`fault_kinds.py`), the stages (`fault_stages.py`), the stores (`fault_judge.py`).
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Literal

import fault_worker
import jobs
import s3_server
from fault_judge import NOTHING, Contents, Edition
from fault_kinds import KINDS, SUPERVISED, Kind, Memory
from fault_proxy import Asked, Exchange, Fault, FaultProxy, proxied
from fault_stages import STAGES, Role, Watch
from fault_worker import Job, JobEnd, Running
from pydantic import SecretStr
from webhook_receiver import Receiver, receiving

from codex_assets.library.reconcile import Reconciliation
from codex_assets.storage.locations import S3Location
from codex_assets.storage.objects import Stores
from codex_assets.storage.s3 import S3Store
from codex_assets.system import process_identity

Outcome = Literal["new", "old", "recovered", "not reached", "wrong"]
MediaType = Literal["video", "audio"]
ENCODING = "encoding"
"""A stage that no store sees: an ffmpeg is writing the mezzanine."""
BUCKETS: Mapping[str, str] = {"archive": "archive-bucket", "media": "media-bucket", "assets": "assets-bucket"}
ROLES: Mapping[str, Role] = {
    "archive-bucket": "archive",
    "media-bucket": "media",
    "assets-bucket": "assets",
}
KNOWN: Mapping[str, str] = {"video": "film1", "audio": "sound1"}
"""Media that were published before."""
UNKNOWN: Mapping[str, str] = {"video": "film0", "audio": "sound0"}
"""Media that were not."""
BEFORE, NOW = "job-before", "job-now"
DISK = "320m"
"""What the disk of a worker has that is to be full: more than a job asks for."""
POLL_SECONDS = 0.004
REACHED_SECONDS = 120.0
"""In which a job begins to encode, on a machine that has much else to do."""


@dataclass(frozen=True)
class Case:
    """A kind of fault at a stage of a job."""

    kind: str
    stage: str
    media_type: MediaType

    @property
    def name(self) -> str:
        return f"{self.kind} {self.stage}"

    @property
    def is_first(self) -> bool:
        """A media is put on record in its first job only."""
        return self.stage == "registration"


@dataclass(frozen=True)
class Verdict:
    """What came of a case. `wrong`: sentences, none where all is well. `hits`: how often the fault happened."""

    case: Case
    outcome: Outcome
    said: str = ""
    """What the first webhook announced: `completed`, an error code, or nothing."""
    state: str = ""
    """What was published after the fault."""
    hits: int = 0
    seconds: float = 0.0
    notes: tuple[str, ...] = ()
    wrong: tuple[str, ...] = ()

    def as_json(self) -> dict[str, Any]:
        return {**self.__dict__, "case": self.case.__dict__}

    @classmethod
    def of_json(cls, said: Mapping[str, Any]) -> Verdict:
        sentences = {name: tuple(said[name]) for name in ("notes", "wrong")}
        return cls(**{**said, **sentences, "case": Case(**said["case"])})


@dataclass
class _Trial:
    """A fault in one job: what it is done to, and how often it was done."""

    bench: Bench
    case: Case
    watch: Watch = field(default_factory=lambda: Watch(ROLES))
    memory: Memory = field(default_factory=Memory)
    hits: int = 0

    @property
    def kind(self) -> Kind:
        return KINDS[self.case.kind]

    def of_store(self, asked: Asked) -> Fault | None:
        return self._decide(asked, None, self.bench.proxy)

    def of_receiver(self, asked: Asked) -> Fault | None:
        return self._decide(asked, "receiver", self.bench.receiver_proxy)

    def _decide(self, asked: Asked, role: Role | None, proxy: FaultProxy) -> Fault | None:
        request, stage = self.watch.stage_of(asked, role)
        if self.kind.name.startswith("stale") and request.method in ("PUT", "POST"):
            self._remember(asked, proxy)
        if stage is None or stage.name != self.case.stage or not self.kind.may_happen(asked, self.memory):
            return None
        self.memory.count += 1
        self.hits += 1
        act = self.kind.act
        if act is None:
            return self._of_machine
        return lambda exchange: act(exchange, self.memory)

    def _remember(self, asked: Asked, proxy: FaultProxy) -> None:
        if asked.key not in self.memory.former:
            plain = asked.target.partition("?")[0]
            self.memory.former[asked.key] = {
                method: proxy.ask(Asked(method, plain, {}, b"")) for method in ("HEAD", "GET")
            }

    def _of_machine(self, exchange: Exchange) -> None:
        """What happens to the machine as a request is made."""
        running = self.bench.workers.running
        if running is None:
            self.hits -= 1
            exchange.send(exchange.hand_on())
            return
        if self.kind.name == "job_killed_after":
            exchange.hand_on()
        self.happen(running)
        if self.kind.name.startswith(("job_killed", "worker_killed")):
            exchange.reset()
        else:
            exchange.send(exchange.hand_on())

    def happen(self, running: Running) -> None:
        match self.kind.name:
            case "job_killed" | "job_killed_after":
                running.kill()
            case "worker_killed":
                running.kill_worker()
            case "worker_told_to_stop":
                running.terminate()
            case "disk_full":
                self.bench.fill_disk()

    def meanwhile(self, running: Running) -> None:
        """What happens to the machine while a tool encodes."""
        if self.case.stage != ENCODING:
            return
        deadline = time.monotonic() + REACHED_SECONDS
        while time.monotonic() < deadline and Path(f"/proc/{running.pid}").exists():
            tools = [pid for pid in running.tools("mezzanine.mp4") if _is_tool(pid)]
            if tools:
                self._strike(running, tools[0])
                if self.kind.name != "out_of_memory":
                    return
            time.sleep(POLL_SECONDS)

    def _strike(self, running: Running, tool: int) -> None:
        with suppress(ProcessLookupError):
            os.kill(tool, signal.SIGSTOP)
            self.hits += 1
            if self.kind.name in ("tool_killed", "out_of_memory"):
                os.kill(tool, signal.SIGKILL)
            else:
                self.happen(running)
            os.kill(tool, signal.SIGCONT)


def _is_tool(pid: int) -> bool:
    with suppress(OSError):
        return Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")[0].endswith(b"ffmpeg")
    return False


@dataclass
class Bench:
    """Where cases are tried, one after the other."""

    folder: Path
    server: s3_server.S3Server
    workers: fault_worker.Workers
    proxy: FaultProxy
    receiver: Receiver
    receiver_proxy: FaultProxy
    editions: dict[tuple[str, str], tuple[Edition, Edition]] = field(default_factory=dict)
    """Old and new, by media type and media."""
    _port: int = 0
    _disk: Path | None = None

    # --- Preparing ----------------------------------------------------------------------------------------------------

    def prepare(self, media_types: Sequence[MediaType], *, with_unknown: bool) -> None:
        """Publish everything twice, put new originals in its place, and learn what a job without a fault makes."""
        client = s3_server.client(self.server.url)
        for role, bucket in BUCKETS.items():
            client.create_bucket(Bucket=bucket)
            if role == "archive":
                client.put_bucket_versioning(Bucket=bucket, VersioningConfiguration={"Status": "Enabled"})
        self.proxy.upstream = self.server.url
        for media_type in media_types:
            for number, job_id in enumerate(("job-first", BEFORE)):
                self._put_original(media_type, KNOWN[media_type], number)
                end = self.workers.run(self._job(media_type, KNOWN[media_type], job_id))
                assert end.result is not None, end.log
                assert "error" not in end.result, end.log
                if number == 0:
                    self._age_replaced(KNOWN[media_type])
            self._age_replaced(KNOWN[media_type])
            for media in (KNOWN[media_type], UNKNOWN[media_type]):
                self._put_original(media_type, media, 2)
        for media_type in media_types:
            for media in (KNOWN[media_type], UNKNOWN[media_type])[: 2 if with_unknown else 1]:
                before = self._contents(self.server.url, media)
                old = before.edition if media == KNOWN[media_type] else NOTHING
                with self.server.copied() as url:
                    self.proxy.upstream = url
                    end = self.workers.run(self._job(media_type, media, NOW))
                    assert end.result is not None, end.log
                    assert "error" not in end.result, end.log
                    after = Contents.of(s3_server.client(url), BUCKETS, media)
                    self.editions[media_type, media] = (old, after.edition)
                    assert after.state(*self.editions[media_type, media]) == ("new", [])
                    assert [*after.strays(), *after.uploads] == []
                assert before.state(*self.editions[media_type, media]) == ("old", [])
        self.receiver.received.clear()

    def _put_original(self, media_type: str, media: str, number: int) -> None:
        s3_server.client(self.server.url).put_object(
            Bucket=BUCKETS["archive"], Key=jobs.input_key(media_type, media), Body=original(media_type, number)
        )

    def _age_replaced(self, media: str) -> None:
        """What was replaced so far was replaced long ago."""
        client = s3_server.client(self.server.url)
        key = f"records/{media}/replaced.json"
        known = Contents.of(client, BUCKETS, media).record("replaced")
        if known is not None:
            since = (datetime.now(UTC) - timedelta(days=3)).isoformat(timespec="milliseconds")
            aged = {**known, "objects": [{**each, "since": since} for each in known["objects"]]}
            client.put_object(Bucket=BUCKETS["archive"], Key=key, Body=json.dumps(aged).encode())

    def _job(
        self, media_type: str, media: str, job_id: str, *, kind: Kind | None = None, tries_conditions: bool = False
    ) -> Job:
        """A job that meets a fault of `kind`; None is a job without one."""
        is_of_tools = kind is not None and (kind.area == "machine" and kind.name not in SUPERVISED)
        supervised = kind is not None and kind.name in SUPERVISED
        scratch = self.folder / "tmp" if self._disk is None else self._disk
        scratch.mkdir(exist_ok=True)
        buckets = (BUCKETS["archive"], BUCKETS["media"], BUCKETS["assets"])
        environment = {
            **jobs.s3_variables(self.proxy.url, buckets),
            "PATH": os.environ["PATH"],
            "TMPDIR": str(scratch),
            "HOME": str(self.folder),
            "WEBHOOK_ALLOW_PRIVATE": "1",
            "VIDEO_ENCODER": "x264",
            "PYTHONPYCACHEPREFIX": str(ENCODES.with_name("compiled")),
        }
        payload = jobs.payload(media_type, media, f"{self.receiver_proxy.url}/webhook", buckets=buckets)
        kept = None if is_of_tools or supervised else ENCODES
        return Job(
            *(job_id, payload, environment),
            supervised=supervised,
            kept_encodes=kept,
            tries_conditions=tries_conditions,
            waits_for_stores=kind is None or kind.area in ("machine", "receiver"),
            waits_for_receiver=kind is None or kind.area != "receiver",
        )

    def _contents(self, url: str, media: str) -> Contents:
        return Contents.of(s3_server.client(url), BUCKETS, media)

    # --- Trying -------------------------------------------------------------------------------------------------------

    def try_case(self, case: Case) -> Verdict:
        """Do a job with this fault, and again without it."""
        kind = KINDS[case.kind]
        began = time.monotonic()
        media = (UNKNOWN if case.is_first else KNOWN)[case.media_type]
        shutil.rmtree(self.folder / "tmp", ignore_errors=True)
        old, new = self.editions[case.media_type, media]
        with ExitStack() as stack:
            url = stack.enter_context(self.server.copied(self._port))
            self._port = int(url.rpartition(":")[2])
            if kind.name == "disk_full":
                stack.enter_context(self._small_disk())
            self.proxy.upstream = url
            self.receiver.received.clear()
            trial = _Trial(self, case)
            self.proxy.begin(trial.of_store)
            self.receiver_proxy.begin(trial.of_receiver)
            job = self._job(
                *(case.media_type, media, NOW), kind=kind, tries_conditions=case.stage == "conditions_tried"
            )
            end = self.workers.run(job, trial.meanwhile)
            self.proxy.end()
            self.receiver_proxy.end()
            self._empty_disk()
            first = _Run(self, case, end, self._contents(url, media), trial.hits)
            wrong = [f"after the fault: {each}" for each in first.wrong(old, new)]
            if trial.hits == 0:
                return Verdict(case, "not reached", seconds=time.monotonic() - began, wrong=tuple(wrong))
            self.receiver.received.clear()
            again = self.workers.run(self._job(case.media_type, media, NOW))
            second = _Run(self, case, again, self._contents(url, media), 0, is_again=True)
            wrong += [f"after the next run: {each}" for each in second.wrong(old, new)]
            notes = list(first.notes)
            if left := second.left():
                swept = self._swept(url, media)
                wrong += [f"left for ever: {each}" for each in swept]
                notes += [f"left for the sweeper: {each}" for each in left if not swept]
        state = first.state(old, new)[0]
        outcome: Outcome = "recovered"
        if wrong:
            outcome = "wrong"
        elif first.said == "completed":
            outcome = "new"
        elif state == "old":
            outcome = "old"
        return Verdict(
            *(case, outcome, first.said, state, trial.hits, round(time.monotonic() - began, 2)),
            notes=tuple(notes),
            wrong=tuple(wrong),
        )

    def _swept(self, url: str, media: str) -> list[str]:
        """What is left two days later, when the sweeper was there."""

        def store(role: Any) -> S3Store:
            secrets = (SecretStr(s3_server.ACCESS_KEY), SecretStr(s3_server.SECRET_KEY))
            place = S3Location(role, BUCKETS[role], url, s3_server.REGION, *secrets, versioned=role == "archive")
            return S3Store(place)

        stores = Stores(*(store(role) for role in BUCKETS))
        for days in (2, 4):
            then = datetime.now(UTC) + timedelta(days=days)
            list(Reconciliation(stores, threading.Event(), fix=True, now=lambda then=then: then).run())  # type: ignore[misc]
        contents = self._contents(url, media)
        return [*contents.uploads, *contents.strays(), *contents.others]

    # --- The disk -----------------------------------------------------------------------------------------------------

    @contextmanager
    def _small_disk(self) -> Iterator[None]:
        """A disk of its own for the worker, which can be filled."""
        disk = self.folder / "disk"
        disk.mkdir(exist_ok=True)
        subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={DISK}", "none", disk], check=True, capture_output=True)
        self._disk = disk
        try:
            yield
        finally:
            self._disk = None
            subprocess.run(["umount", "-l", disk], check=True, capture_output=True)

    def fill_disk(self) -> None:
        assert self._disk is not None
        with (self._disk / "filling").open("wb", buffering=0) as file:
            for size in (1 << 20, 1 << 12, 1):
                with suppress(OSError):
                    while True:
                        file.write(bytes(size))

    def _empty_disk(self) -> None:
        if self._disk is not None:
            (self._disk / "filling").unlink(missing_ok=True)

    def scratch_left(self) -> list[str]:
        """What lies in the worker's scratch space."""
        return [
            str(path.name) for path in (self._disk or self.folder / "tmp").rglob("*") if path.name != "codex-assets"
        ]


@dataclass
class _Run:
    """What one delivery of a job came to."""

    bench: Bench
    case: Case
    end: JobEnd
    contents: Contents
    hits: int
    is_again: bool = False
    notes: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.received = list(self.bench.receiver.received)

    @property
    def kind(self) -> Kind:
        return KINDS[self.case.kind]

    @property
    def may_be_in_switch(self) -> bool:
        """Whether what failed may have failed within the switch, or after it."""
        names = list(STAGES)
        begins = names.index("switch_noted")
        return self.case.stage in names and names.index(self.case.stage) >= begins and not self.is_again

    @property
    def is_lost(self) -> bool:
        """Nobody was there who could have answered."""
        return self.kind.name == "worker_killed" and not self.is_again

    @property
    def said(self) -> str:
        """What was announced, or was to be."""
        body = self.received[-1].said if self.received else self._kept_body()
        if body is None:
            return ""
        return "completed" if body["status"] == "completed" else str(body.get("errorCode"))

    def _kept_body(self) -> dict[str, Any] | None:
        """What the archive keeps of it; or RunPod's result, where a page answered for the receiver with success."""
        mine = [each for each in self.contents.undelivered if each["job_id"] == NOW]
        if mine:
            return dict(json.loads(mine[-1]["body"]))
        result = self.end.result or {}
        return dict(result["webhook"]) if "webhookWarning" in result else None

    def state(self, old: Edition, new: Edition) -> tuple[str, list[str]]:
        return self.contents.state(old, new)

    def wrong(self, old: Edition, new: Edition) -> Iterator[str]:
        """Sentences on what must not be."""
        if self.end.hung:
            yield "the job did not end by itself"
        state, details = self.state(old, new)
        if state == "damaged" and not (self.kind.damages and self.may_be_in_switch and self.said != "completed"):
            yield f"what is published is damaged: {'; '.join(details[:3])}"
        yield from self._wrong_announcement()
        if self.said == "completed" and state != "new":
            yield f"completed was announced over {state} ({', '.join(details[:3])})"
        if self.said not in ("", "completed") and state not in ("old", "damaged") and not self.may_be_in_switch:
            yield f"{self.said} was announced over {state} ({', '.join(details[:3])})"
        if self.said == "" and state != "old" and not self.is_lost and self.hits:
            yield f"nothing was announced over {state}"
        yield from self._wrongly_left()
        if self.is_again and self.said != "completed":
            yield f"it did not complete: {self.said or 'nothing was announced'}"

    def _wrong_announcement(self) -> Iterator[str]:
        bodies = {request.body for request in self.received}
        taken = [request for request in self.received if request.status < 300]
        if len(bodies) > 1:
            yield f"{len(bodies)} different webhooks came"
        is_of_receiver = self.case.stage == "webhook" and not self.is_again
        if len(self.received) > 1 and not is_of_receiver:
            yield f"{len(self.received)} webhooks came"
        if not taken and not self.is_lost and self._kept_body() is None:
            yield "no webhook came, and none is kept"
        for request in taken:
            if not request.is_signed_with(jobs.SECRET):
                yield "a webhook was not signed"
        try:
            for request in taken:
                jobs.assert_contract(request.said)
        except Exception as error:  # noqa: BLE001 - whatever the schema says
            yield f"a webhook breaks the contract: {error}"
        result = self.end.result
        if result is None and not self.is_lost:
            yield f"the job had no result (exit {self.end.exit_code})"
        elif result is not None and taken and "webhookWarning" not in result and not is_of_receiver:
            body = {name: value for name, value in result.items() if name != "metrics"}
            if body != taken[-1].said:
                yield "the result is not what was announced"

    def _wrongly_left(self) -> Iterator[str]:
        for line in self.end.left:
            yield f"a process was left: {line[:120]}"
        if not self.is_lost and (scratch := self.bench.scratch_left()):
            yield f"files were left: {', '.join(scratch[:4])}"
        if self.is_again:
            if self.contents.undelivered:
                yield "a webhook waits that a later one has outdated"
            # The same job announces what is there without a lease; that of a process that has ended is nobody's.
            holder = self.contents.lease_holder
            if holder is not None and not process_identity.has_ended(holder["process"]):
                yield f"the lease is held by {holder}"
            if self.contents.is_switching:
                yield "a switch is noted and was not ended"
            if self.contents.unrecorded_mezzanine():
                yield "a mezzanine is current that no record names"

    def left(self) -> list[str]:
        """What only the sweeper may remove."""
        return [*self.contents.uploads, *self.contents.strays(), *self.contents.others]


ENCODES = fault_worker.ROOT / ".local" / "faults" / "encodes"


def original(media_type: str, number: int) -> bytes:
    """One of three uploads, which differ in picture and sound."""
    if media_type == "audio":
        return jobs._made((*jobs._LAVFI, f"sine=frequency={300 + 200 * number}:duration=1"), "wav")
    sources = ("testsrc2", "testsrc", "smptebars")
    picture = f"{sources[number]}=size=96x54:rate=10:duration=1"
    noise = ",noise=alls=40:allf=t:all_seed=7" if number != 1 else ""
    return jobs._made(
        (
            *(*jobs._LAVFI, picture + noise, "-f", "lavfi", "-i", f"sine=frequency={300 + 200 * number}:duration=1"),
            *("-c:v", "libx264", "-preset", "ultrafast", "-crf", "10", "-pix_fmt", "yuv420p", "-c:a", "aac"),
            "-shortest",
        ),
        "mp4",
    )


@dataclass(frozen=True)
class Base:
    """What every case begins with: a server with everything published, and the old and the new set of each media."""

    server: s3_server.S3Server
    editions: dict[tuple[str, str], tuple[Edition, Edition]]


@contextmanager
def prepared(
    folder: Path, media_types: Sequence[MediaType] = ("video", "audio"), *, with_unknown: bool = True
) -> Iterator[Base]:
    """What cases begin with, as long as the block, with media of these types: one that was published before, and one
    that was not. Processes that are forked share it."""
    with s3_server.started(S3_UPLOAD_PART_MIN_SIZE="256") as server:
        base = Base(server, {})
        with opened(base, folder) as bench:
            bench.prepare(media_types, with_unknown=with_unknown)
        yield base


@contextmanager
def opened(base: Base, folder: Path) -> Iterator[Bench]:
    """A bench, as long as the block."""
    folder.mkdir(parents=True, exist_ok=True)
    with (
        fault_worker.workers(folder) as workers,
        proxied(base.server.url) as proxy,
        receiving() as receiver,
        proxied(f"http://127.0.0.1:{receiver.port}") as receiver_proxy,
    ):
        yield Bench(folder, base.server, workers, proxy, receiver, receiver_proxy, base.editions)
