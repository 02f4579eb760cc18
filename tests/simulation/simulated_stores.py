"""Three buckets in memory behind the real `S3Store`: the archive keeps versions and knows no conditions, as B2; the
others keep one, and write under a condition in one step, as R2. All are strongly consistent.

A request is sent, carried out, and answered, and anything may happen in between (`faults.py`). In: the S3 API as far as
it is used. Out: how failed requests are repeated (`s3_requests.py`, whose place `_Requests` takes: one failure here is
one after all repetitions), and who asks (`actors.py`).
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from email.utils import format_datetime
from functools import cache
from typing import Any

from botocore.exceptions import ClientError
from faults import Event, Faults
from pydantic import SecretStr
from world import Actor, Fiber, World, moment, park, this_fiber

from codex_assets.errors import StorageError
from codex_assets.storage.locations import S3Location
from codex_assets.storage.objects import Role, Stores
from codex_assets.storage.s3 import S3Store
from codex_assets.storage.s3_failures import StoreFailures
from codex_assets.storage.s3_reading import Reader


@dataclass(frozen=True)
class Stored:
    """One version of one object."""

    body: bytes
    etag: str
    sha256: str | None
    content_type: str | None
    cache_control: str | None
    modified: float
    version: str


@dataclass(frozen=True)
class Request:
    """One request of a process, for whoever watches the stores."""

    actor: Actor
    action: str
    bucket: Bucket
    key: str
    sent: float
    is_given_up: bool = False
    """Its process was told that it failed, or has ended, before it was carried out."""


Watcher = Callable[[Request, Stored | None], None]
"""Is told of every object that was written (the object) or deleted (None: not the current version of it)."""


@dataclass
class Bucket:
    """What a store holds: per key, the versions that it keeps, the current one last."""

    role: Role
    objects: dict[str, tuple[Stored, ...]] = field(default_factory=dict)
    versions: int = 0

    @property
    def keeps_versions(self) -> bool:
        return self.role == "archive"

    def current(self, key: str) -> Stored | None:
        kept = self.objects.get(key)
        return kept[-1] if kept else None

    def named(self, key: str, version: str | None) -> Stored | None:
        if version is None:
            return self.current(key)
        return next((each for each in self.objects.get(key, ()) if each.version == version), None)

    def put(self, key: str, stored: Stored) -> None:
        kept = self.objects.get(key, ()) if self.keeps_versions else ()
        self.objects[key] = (*kept, stored)

    def remove(self, key: str, version: str | None) -> None:
        kept = tuple(each for each in self.objects.get(key, ()) if version is not None and each.version != version)
        if kept:
            self.objects[key] = kept
        else:
            self.objects.pop(key, None)

    def new_version(self) -> str:
        self.versions += 1
        return f"v{self.versions}" if self.keeps_versions else "null"


class Network:
    """Carries requests of a story's processes to the stores. Every one of them is traced, where somebody reads it."""

    def __init__(self, world: World, faults: Faults, *, trace: bool = False) -> None:
        self.world, self.faults = world, faults
        self.buckets: dict[Role, Bucket] = {role: Bucket(role) for role in ("archive", "media", "assets")}
        self.watchers: list[Callable[[Request, Stored | None], None]] = []
        self.requests = 0
        self.trace: list[str] | None = [] if trace else None

    def stores(self) -> Stores:
        """The real stores, over these buckets."""
        return Stores(*(self._store(bucket) for bucket in self.buckets.values()))

    def _store(self, bucket: Bucket) -> S3Store:
        secret = SecretStr("simulated")
        location = S3Location(
            bucket.role, bucket.role, "http://simulated", "auto", secret, secret, versioned=bucket.keeps_versions
        )
        store = S3Store(location)
        requests = _Requests(location, _Client(self, bucket))
        store._requests = requests  # type: ignore[assignment]
        store._reader = _Reader(requests, 1 << 30)  # type: ignore[arg-type]
        return store

    def note(self, line: str) -> None:
        """Add to the trace."""
        if self.trace is not None:
            self.trace.append(f"{self.world.now:10.3f}  {line}")

    def announce(self, request: Request, stored: Stored | None) -> None:
        """Tell whoever watches what was written or deleted."""
        for watcher in self.watchers:
            watcher(request, stored)

    def ask(self, bucket: Bucket, action: str, key: str, apply: Callable[[Request], Any], *, writes: bool) -> Any:
        """Send a request, and return its answer, in time. Raises `ClientError` and `StorageError`."""
        fiber, world, faults = this_fiber(), self.world, self.faults
        actor = fiber.actor
        self.requests += 1
        request = Request(actor, action, bucket, key, world.now)
        if actor.reliable:
            world.now += 0.001
            self._trace(request, "")
            return apply(request)
        event = faults.draw(key, writes=writes)
        there, back = faults.latency(), faults.latency()
        if event is not None:
            self.note(f"{actor.name:14} {action} {bucket.role}/{key}: {event.value}")
        call = _Call(self, request, fiber, fiber.ticket, apply, event)
        match event:
            case Event.KILLED_BEFORE | Event.KILLED_MIDWAY:
                if event is Event.KILLED_MIDWAY:
                    world.at(world.now + faults.lateness(), lambda: call.carry_out(None))
                world.at(world.now, lambda: self.kill(actor))
            case Event.FAILED_BEFORE:
                call.answer(there + back, _unavailable(bucket, action, key))
            case Event.DONE_LATE:
                call.answer(there + back, _unavailable(bucket, action, key))
                world.at(world.now + there + back + faults.lateness(), lambda: call.carry_out(None))
            case _:
                if event is Event.FROZEN_BEFORE:
                    actor.frozen_until = max(actor.frozen_until, world.now + faults.freeze())
                    there += actor.frozen_until - world.now
                elif event is Event.FROZEN_AFTER:
                    actor.frozen_until = max(actor.frozen_until, world.now + faults.freeze())
                elif event is Event.SLOW_THERE:
                    there += faults.slowness()
                elif event is Event.SLOW_BACK:
                    back += faults.slowness()
                world.at(world.now + there, lambda: call.carry_out(back))
        given = park()
        if isinstance(given, Exception):
            raise given
        return given

    def _trace(self, request: Request, answer: str) -> None:
        if self.trace is not None:
            line = f"{request.actor.name:14} {request.action} {request.bucket.role}/{request.key}"
            self.note(f"{line} (sent {request.sent:.3f}) {answer}")

    def kill(self, actor: Actor) -> None:
        """End a process."""
        self.note(f"{actor.name:14} ENDED BY FORCE")
        self.world.kill(actor)


def _unavailable(bucket: Bucket, action: str, key: str) -> StorageError:
    return StorageError(f"The {bucket.role} store could not {action} '{key}' (simulated).", retryable=True)


@dataclass
class _Call:
    """One request on its way."""

    network: Network
    request: Request
    fiber: Fiber
    ticket: int
    apply: Callable[[Request], Any]
    event: Event | None

    def carry_out(self, back: float | None) -> None:
        """Do it, and send the answer, which takes `back` seconds; None: nobody waits for it."""
        network, request = self.network, self.request
        if back is None:
            request = replace(request, is_given_up=True)
        given: Any
        try:
            given = self.apply(request)
        except ClientError as error:
            given = error
        network._trace(request, given.response["Error"]["Code"] if isinstance(given, ClientError) else "")
        if back is None:
            return
        match self.event:
            case Event.FAILED_AFTER:
                given = _unavailable(request.bucket, request.action, request.key)
            case Event.KILLED_AFTER:
                network.kill(request.actor)
                return
            case Event.REPEATED | Event.FROZEN_AFTER if self.event is Event.REPEATED or network.faults.chance(0.3):
                # Whoever waited for the answer finds the connection gone, and the SDK asks again.
                self.event = None
                again = max(network.world.now + network.faults.lateness(), request.actor.frozen_until)
                network.world.at(again, lambda: self.carry_out(back) if not request.actor.is_dead else None)
                return
            case _:
                pass
        self.answer(back, given)

    def answer(self, after: float, given: Any) -> None:
        """Let whoever asked go on."""
        self.network.world.wake(self.fiber, self.ticket, after, given)


class _Reader(Reader):
    """Reads once: no body breaks off here."""

    body = Reader.body.__wrapped__


class _Requests:
    """Stands for `s3_requests.Requests`: asks once."""

    def __init__(self, location: S3Location, client: _Client) -> None:
        self.location, self._client = location, client
        self.failures = StoreFailures(location)
        self.bucket = location.bucket

    def client(self) -> _Client:
        return self._client

    def ask(self, action: str, key: str, request: Callable[[], Any], size: int = 0) -> Any:
        try:
            return request()
        except ClientError as error:
            raise self.failures._translate(error, action, key) from error

    def ask_for_small(self, key: str, request: Callable[[], Any]) -> Any:
        return self.ask("read", key, request)

    def read_again(self, read: Callable[[], Any]) -> Any:
        return read()

    def look_until(self, look: Callable[[], Any], settled: Callable[[Any], bool]) -> Any:
        return look()


def _refused(status: int, code: str) -> ClientError:
    answer: Any = {"Error": {"Code": code}, "ResponseMetadata": {"HTTPStatusCode": status}}
    return ClientError(answer, "simulated")


@cache
def _date(second: int) -> str:
    return format_datetime(moment(second), usegmt=False)


class _Body:
    def __init__(self, data: bytes) -> None:
        self._data = data

    def read(self) -> bytes:
        return self._data

    def close(self) -> None: ...


class _Client:
    """The SDK's client of one bucket."""

    def __init__(self, network: Network, bucket: Bucket) -> None:
        self._network, self._bucket = network, bucket

    def _ask(self, action: str, key: str, apply: Callable[[Request], Any], *, writes: bool = False) -> Any:
        return self._network.ask(self._bucket, action, key, apply, writes=writes)

    def _described(self, stored: Stored | None) -> dict[str, Any]:
        if stored is None:
            raise _refused(404, "NoSuchKey")
        answer: dict[str, Any] = {
            "ContentLength": len(stored.body),
            "ETag": f'"{stored.etag}"',
            "Metadata": {} if stored.sha256 is None else {"sha256": stored.sha256},
            "ContentType": stored.content_type,
            # To the second, as HTTP has it.
            "LastModified": moment(int(stored.modified)),
            "ResponseMetadata": {
                "HTTPStatusCode": 200,
                "HTTPHeaders": {"date": _date(int(self._network.world.now))},
            },
            "VersionId": stored.version,
        }
        if stored.cache_control is not None:
            answer["CacheControl"] = stored.cache_control
        return answer

    def head_object(self, *, Bucket: str, Key: str, VersionId: str | None = None) -> Any:
        return self._ask("head", Key, lambda _: self._described(self._bucket.named(Key, VersionId)))

    def get_object(self, *, Bucket: str, Key: str, VersionId: str | None = None) -> Any:
        def get(_: Request) -> Any:
            stored = self._bucket.named(Key, VersionId)
            described = self._described(stored)
            assert stored is not None
            return described | {"Body": _Body(stored.body)}

        return self._ask("get", Key, get)

    def put_object(
        self,
        *,
        Bucket: str,
        Key: str,
        Body: bytes,
        ContentType: str,
        Metadata: dict[str, str],
        CacheControl: str | None = None,
        IfNoneMatch: str | None = None,
        IfMatch: str | None = None,
    ) -> Any:
        bucket, network = self._bucket, self._network
        etag = hashlib.md5(Body, usedforsecurity=False).hexdigest()

        def put(request: Request) -> Any:
            now = bucket.current(Key)
            assert not (bucket.keeps_versions and (IfNoneMatch or IfMatch)), "B2 knows no conditions"
            if IfNoneMatch is not None and now is not None:
                raise _refused(412, "PreconditionFailed")
            if IfMatch is not None and (now is None or f'"{now.etag}"' != IfMatch):
                raise _refused(412, "PreconditionFailed")
            stored = Stored(
                Body, etag, Metadata["sha256"], ContentType, CacheControl, network.world.now, bucket.new_version()
            )
            bucket.put(Key, stored)
            network.announce(request, stored)
            return {}

        return self._ask("put", Key, put, writes=True)

    def delete_object(self, *, Bucket: str, Key: str, VersionId: str | None = None) -> Any:
        bucket, network = self._bucket, self._network

        def delete(request: Request) -> Any:
            bucket.remove(Key, VersionId)
            network.announce(request, None)
            return {}

        return self._ask("delete", Key, delete, writes=True)

    def list_objects_v2(self, *, Bucket: str, Prefix: str, **_: Any) -> Any:
        def page(_: Request) -> Any:
            contents = [
                {
                    "Key": key,
                    "Size": len(kept[-1].body),
                    "ETag": f'"{kept[-1].etag}"',
                    "LastModified": moment(int(kept[-1].modified)),
                }
                for key, kept in sorted(self._bucket.objects.items())
                if key.startswith(Prefix)
            ]
            return {"Contents": contents, "IsTruncated": False}

        return self._ask("list", Prefix, page)

    def get_paginator(self, name: str) -> _Paginator:
        return _Paginator(self, name)


@dataclass(frozen=True)
class _Paginator:
    client: _Client
    name: str

    def paginate(self, *, Bucket: str, Prefix: str = "") -> Iterator[Any]:
        if self.name == "list_multipart_uploads":
            yield {}
            return

        def page(_: Request) -> Any:
            versions = [
                {"Key": key, "VersionId": each.version}
                for key, kept in sorted(self.client._bucket.objects.items())
                if key.startswith(Prefix)
                for each in reversed(kept)
            ]
            return {"Versions": versions}

        yield self.client._ask("list versions", Prefix, page)
