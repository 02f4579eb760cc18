"""The stages of a job, as its stores and its receiver see them: which request belongs to which.

A request is told by its method, its bucket's role and its key, and by what came before it. In: that. Out: what happens
to a request (`fault_kinds.py`).
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from fault_proxy import Asked

Role = Literal["archive", "media", "assets", "receiver"]

READS, WRITES = ("HEAD", "GET"), ("PUT", "POST")
OUTPUT_RECORD = re.compile(r"records/[^/]+/(?!jobs|media|replaced|undelivered|original)\w+\.json")


@dataclass
class Course:
    """How far a job is."""

    has_begun_upload: bool = False
    lease: str = "lease_taken"
    """The stage of what was written last of the lease."""
    has_lease: bool = False
    is_announced: bool = False


@dataclass(frozen=True)
class Request:
    """A request with what is known of its place in the job."""

    asked: Asked
    role: Role
    course: Course

    @property
    def method(self) -> str:
        return self.asked.method

    @property
    def key(self) -> str:
        return self.asked.key

    @property
    def prefix(self) -> str | None:
        """Of a listing; None for everything else."""
        return self.asked.query.get("prefix", "") if self.method == "GET" and not self.key else None

    def is_of(self, *methods: str) -> bool:
        return self.method in methods

    @property
    def lease_stage(self) -> str | None:
        """The stage of a request for the lease; None for all others."""
        if not self.key.startswith("leases/") or _is_trial(self):
            return None
        if self.method != "PUT":
            return self.course.lease
        said = self._said()
        if said.get("holder") is None:
            return "lease_released"
        if said.get("switch") is not None:
            # Whoever takes over a lease takes what is noted with it.
            return "lease_taken" if not self.course.has_lease else "switch_noted"
        if not self.course.has_lease:
            return "lease_taken"
        return "lease_renewed" if self.course.lease in ("lease_taken", "lease_renewed") else "switch_ended"

    def _said(self) -> Mapping[str, Any]:
        try:
            said = json.loads(self.asked.body)
        except ValueError:
            return {}
        return said if isinstance(said, dict) else {}


@dataclass(frozen=True)
class Stage:
    """`description`: what the job does there. `methods`: those of its requests."""

    name: str
    description: str
    methods: tuple[str, ...]
    matches: Callable[[Request], bool]
    in_switch: bool = False
    """Viewers may be shown some of the new set, and not yet all of it."""


STAGES: dict[str, Stage] = {}


def _stage(
    name: str,
    description: str,
    methods: tuple[str, ...],
    matches: Callable[[Request], bool],
    *,
    in_switch: bool = False,
) -> None:
    STAGES[name] = Stage(name, description, methods, matches, in_switch)


def stage_of(request: Request) -> Stage | None:
    """The stage that a request belongs to; the first that takes it."""
    for stage in STAGES.values():
        if request.method in stage.methods and stage.matches(request):
            return stage
    return None


def proceed(request: Request) -> None:
    """Note what a request says of the course of its job."""
    course = request.course
    if request.role == "receiver":
        course.is_announced = True
    elif request.method in WRITES and (request.key.startswith("mezzanine/") or request.key.endswith(".ts")):
        course.has_begun_upload = True
    elif request.method == "PUT" and request.lease_stage is not None:
        course.lease, course.has_lease = request.lease_stage, True


def _is_trial(request: Request) -> bool:
    """Whether it is one of the writes by which a store's conditions are tried."""
    return "leases/trials/" in request.key or (request.prefix or "").startswith("leases/trials/")


def _record(request: Request, name: str) -> bool:
    return request.role == "archive" and request.key.startswith("records/") and request.key.endswith(f"/{name}.json")


def _lease_stage(name: str, description: str) -> None:
    _stage(name, description, ("GET", "HEAD", "PUT"), lambda request: request.lease_stage == name)


_stage(
    "conditions_tried",
    "a worker's first job tries whether the store keeps its word on conditional writes",
    ("GET", "HEAD", "PUT", "DELETE"),
    _is_trial,
)
_lease_stage("lease_taken", "the lease of the media is looked at, taken and confirmed")
_stage(
    "history_begun",
    "the history is read and the job put into it",
    ("GET", "PUT"),
    lambda request: (
        _record(request, "jobs") and not request.course.has_begun_upload and not request.course.is_announced
    ),
)
_stage(
    "registration",
    "the media's own record is read, and written for a new media",
    ("GET", "PUT"),
    lambda request: _record(request, "media") and not request.course.has_begun_upload,
)
_stage("original_head", "the original is looked up", ("HEAD",), lambda request: request.key.startswith("originals/"))
_stage("original_get", "the original is fetched", ("GET",), lambda request: request.key.startswith("originals/"))
_stage(
    "records_read",
    "records of earlier jobs are read",
    ("GET",),
    lambda request: request.role == "archive" and bool(OUTPUT_RECORD.fullmatch(request.key)),
)
_lease_stage("lease_renewed", "the lease is renewed while the job works")
_stage(
    "mezzanine_put",
    "the mezzanine is uploaded",
    WRITES,
    lambda request: request.key.startswith("mezzanine/"),
)
_stage("mezzanine_head", "the mezzanine is confirmed", ("HEAD",), lambda request: request.key.startswith("mezzanine/"))
_stage(
    "segments_put",
    "segments are uploaded, large ones in parts",
    (*WRITES, "DELETE"),
    lambda request: request.key.endswith(".ts") and (request.method != "DELETE" or "uploadId" in request.asked.query),
)
_stage("segments_head", "segments are confirmed", ("HEAD",), lambda request: request.key.endswith(".ts"))
_lease_stage("switch_noted", "what the switch will write is noted in the lease")
_stage(
    "playlists",
    "the playlists of the variants are written and confirmed",
    ("PUT", "HEAD"),
    lambda request: request.role == "media" and request.key.endswith("/playlist.m3u8"),
    in_switch=True,
)
_stage(
    "preview_playlist",
    "the preview's playlist is written and confirmed",
    ("PUT", "HEAD"),
    lambda request: request.role == "media" and request.key.endswith("/preview.m3u8"),
    in_switch=True,
)
_stage(
    "master",
    "the master playlist is written and confirmed",
    ("PUT", "HEAD"),
    lambda request: request.role == "media" and request.key.endswith("/master.m3u8"),
    in_switch=True,
)
_stage(
    "pictures",
    "the thumbnail or the waveform is written and confirmed, and read once more to be shown",
    ("PUT", "HEAD", "GET"),
    lambda request: request.role == "assets" and request.prefix is None,
    in_switch=True,
)
_stage(
    "records",
    "the records of the outputs are written and confirmed",
    ("PUT", "HEAD"),
    lambda request: (
        request.role == "archive"
        and request.course.has_begun_upload
        and (bool(OUTPUT_RECORD.fullmatch(request.key)) or _record(request, "media"))
    ),
    in_switch=True,
)
_lease_stage("switch_ended", "the lease says that the switch has ended")
_stage(
    "replaced_noted",
    "what was replaced is looked for and noted",
    ("GET", "PUT", "HEAD"),
    lambda request: _record(request, "replaced") or (request.role == "media" and request.prefix is not None),
)
_stage(
    "pruned",
    "what was replaced long ago is deleted",
    ("DELETE",),
    lambda request: request.role == "media" and not request.key.startswith("leases/"),
)
_lease_stage("lease_released", "the lease is given back")
_stage("webhook", "the webhook is sent", ("POST",), lambda request: request.role == "receiver")
_stage(
    "undelivered",
    "webhooks that wait are looked up, and kept or dropped",
    ("GET", "PUT", "HEAD"),
    lambda request: _record(request, "undelivered"),
)
_stage(
    "history_ended",
    "the end of the job is put into the history",
    ("GET", "PUT", "HEAD"),
    lambda request: _record(request, "jobs") and request.course.is_announced,
)


@dataclass
class Watch:
    """Tells the stages of one job's requests, and remembers which were reached."""

    roles: Mapping[str, Role]
    """By the name of the bucket."""
    course: Course = field(default_factory=Course)
    reached: set[str] = field(default_factory=set)

    def stage_of(self, asked: Asked, role: Role | None = None) -> tuple[Request, Stage | None]:
        """To be asked once for every request, in order."""
        request = Request(asked, role or self.roles.get(asked.bucket, "archive"), self.course)
        stage = stage_of(request)
        if stage is not None:
            self.reached.add(stage.name)
        proceed(request)
        return request, stage
