"""What has to be true of a media's stores, at every moment and when nobody works on it: watched write by write.

The truth is what was noted: whatever switch reached the lease in the store is to be published whole, in that order, and
nothing else ever is. Every write is compared with that.
"""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from dataclasses import dataclass, field
from typing import Any

from films import MASTER, MEDIA_ID, MEZZANINE, OUTPUTS, named_segments
from simulated_stores import Network, Request, Stored
from world import Actor

from codex_assets.archive.replaced import REPLACED
from codex_assets.archive.switches import SwitchNote
from codex_assets.storage import keys

LEASE = keys.lease(MEDIA_ID)
GIVEN_UP = "a request that was carried out after it had failed"
UNFENCED_SECONDS = 15.0
"""A record's write that takes longer may come after another run has taken the media (docs/decisions/one-writer.md)."""


@dataclass
class _Write:
    """The last write of a key: whose it was, how long it took, and whether the media was that process's."""

    actor: Actor
    seconds: float
    is_late: bool
    is_given_up: bool


@dataclass
class Watch:
    """Watches one story. `broken` says what was not true. `exempt` counts what the documents say may happen: nothing of
    what follows from it is looked at."""

    network: Network
    broken: list[str] = field(default_factory=list)
    exempt: Counter[str] = field(default_factory=Counter)
    notes: list[SwitchNote] = field(default_factory=list)
    noted_by: dict[str, Actor] = field(default_factory=dict)
    """Switch -> who noted it."""
    files: dict[tuple[str, str], str] = field(default_factory=dict)
    """What is to be under (store, key), by SHA-256."""
    records: dict[str, Any] = field(default_factory=dict)
    """What is to be on record, by name."""
    uploaded_at: str = ""
    """The newest upload that was noted."""
    finished: set[str] = field(default_factory=set)
    """Switches that were whole in the stores when they ended."""
    holder: str | None = None
    """The process that has the lease, as the store has it."""
    pending: str | None = None
    """The switch that is noted and not ended, as the store has it."""
    _writes: dict[tuple[str, str], _Write] = field(default_factory=dict)
    _before: tuple[dict[tuple[str, str], str], dict[str, Any], str] = field(default_factory=lambda: ({}, {}, ""))

    def watch(self, request: Request, stored: Stored | None) -> None:
        """Called after every write and delete."""
        role, key = request.bucket.role, request.key
        if stored is not None:
            seconds = self.network.world.now - request.sent
            self._writes[role, key] = _Write(
                request.actor, seconds, self.holder != request.actor.identity, request.is_given_up
            )
        if role == "media":
            if key == LEASE:
                if stored is not None:
                    self._lease(request, stored.body)
                return
            if key.endswith(".m3u8"):
                self._playlist(request, stored)
            elif stored is None and key.endswith(".ts"):
                self._segment_gone(request)
        elif role == "archive":
            self._archive(request, stored)

    def begin_with(self, other: Watch) -> None:
        """Go on from what was published in another story."""
        self.notes, self.noted_by = list(other.notes), dict(other.noted_by)
        self.files, self.records, self.uploaded_at = dict(other.files), dict(other.records), other.uploaded_at
        self.finished = set(other.finished)

    # --- At every moment ----------------------------------------------------------------------------------------------

    def _break(self, what: str, excuse: str | None = None) -> None:
        if excuse is not None:
            self._excuse(excuse)
        if self.exempt:
            return
        self.broken.append(f"{self.network.world.now:.3f}: {what}")
        self.network.note(f"*** {what}")

    def _excuse(self, what: str) -> None:
        if not self.broken:
            self.exempt[what] = 1
            self.network.note(f"*** excused: {what}")

    def _playlist(self, request: Request, stored: Stored | None) -> None:
        if stored is None:
            self._break(f"{request.actor.name} deleted the playlist {request.key}")
            return
        media = self.network.buckets["media"]
        for name in named_segments(request.key, stored.body):
            if media.current(name) is None:
                what = f"{request.key}, written by {request.actor.name}, names {name}, which is not there"
                self._break(what, self._excuse_of("media", request.key))

    def _segment_gone(self, request: Request) -> None:
        playlist = f"{request.key.rpartition('/')[0].rpartition('/')[0]}/playlist.m3u8"
        current = self.network.buckets["media"].current(playlist)
        if current is not None and request.key in named_segments(playlist, current.body):
            what = f"{request.actor.name} deleted {request.key}, which {playlist} names"
            self._break(what, self._excuse_of("media", playlist) or self._excuse_of_request(request))

    def _archive(self, request: Request, stored: Stored | None) -> None:
        if request.key == MEZZANINE and stored is None:
            self._mezzanine(request)

    def _mezzanine(self, request: Request) -> None:
        archive = self.network.buckets["archive"]
        record = archive.current(keys.record(MEDIA_ID, "mezzanine"))
        for file in json.loads(record.body)["files"] if record is not None else ():
            kept = archive.named(MEZZANINE, file["version"])
            if kept is None or kept.sha256 != file["sha256"]:
                what = f"{request.actor.name} deleted a version of the mezzanine, and the recorded one is not there"
                self._break(what, self._excuse_of_request(request))

    # --- What is noted ------------------------------------------------------------------------------------------------

    def _lease(self, request: Request, body: bytes) -> None:
        lease = json.loads(body)
        holder = lease.get("holder")
        self.holder = holder["process"] if holder is not None else None
        switch = lease.get("switch")
        now = switch["switch_id"] if switch is not None else None
        if switch is not None and now not in self.noted_by:
            if self.pending is not None:
                self._break(f"{request.actor.name} noted a switch over one that had not ended")
            self._noted(request.actor, SwitchNote.model_validate(switch))
        elif self.pending is not None and now != self.pending:
            if any(ended["switch_id"] == self.pending for ended in lease["ended"]):
                self._ended(request.actor, self.pending)
            else:
                self._withdrawn(request.actor)
        self.pending = now

    def _withdrawn(self, actor: Actor) -> None:
        """A note whose writer did not know whether it had arrived, and made sure that it has not."""
        if not self.notes or self.noted_by[self.notes[-1].switch_id] is not actor:
            self._break(f"{actor.name} took a switch away that another one had noted")
            return
        del self.noted_by[self.notes.pop().switch_id]
        self.files, self.records, self.uploaded_at = self._before
        self.network.note(f"{actor.name:14} WITHDREW its switch")

    def _noted(self, actor: Actor, note: SwitchNote) -> None:
        self._before = (dict(self.files), dict(self.records), self.uploaded_at)
        self.notes.append(note)
        self.noted_by[note.switch_id] = actor
        self.network.note(f"{actor.name:14} NOTED {note.switch_id[:6]}")
        for file in note.files:
            self.files[file.role, file.key] = file.sha256
        for record in note.records:
            if record.name == REPLACED:
                # It is written again when what it names is deleted.
                continue
            if record.text is None:
                self.records.pop(record.name, None)
            else:
                self.records[record.name] = _without_etags(record.text)
        if any(record.name == "mezzanine" for record in note.records):
            uploaded_at = self.records["mezzanine"]["source"]["uploaded_at"]
            if uploaded_at < self.uploaded_at:
                self._break(f"{actor.name} published an upload that is older than one that was published")
            self.uploaded_at = uploaded_at
        self._one_set(actor)

    def _one_set(self, actor: Actor) -> None:
        """What is noted belongs together: everything comes from the one mezzanine, the master lists the variants."""
        records = self.records
        if "mezzanine" not in records:
            self._break(f"{actor.name} published without a mezzanine")
            return
        for name, record in records.items():
            inputs = (record.get("build") or {}).get("inputs", {})
            for source, version in inputs.items():
                if source in records and records[source]["data_version"] != version:
                    self._break(f"{actor.name} published {name} of another {source} than is published")

    def _ended(self, actor: Actor, switch_id: str) -> None:
        wrong = self.differences(final=False)
        if wrong:
            self._break(f"{actor.name} ended switch {switch_id[:6]}, and {wrong[0]} is not as it says")
        self.finished.add(switch_id)

    # --- When nobody works on it --------------------------------------------------------------------------------------

    def differences(self, *, final: bool) -> list[str]:
        """What is not as was noted, but for what the documents except. `final`: every process has ended."""
        buckets, wrong = self.network.buckets, []
        for (role, key), sha256 in self.files.items():
            stored = buckets[role].current(key)  # type: ignore[index]
            if (stored is None or stored.sha256 != sha256) and not self._is_exempt(role, key, final):
                wrong.append(key)
        for name, record in self.records.items():
            key = keys.record(MEDIA_ID, name)
            stored = buckets["archive"].current(key)
            if (stored is None or _without_etags(stored.body) != record) and not self._is_exempt("archive", key, final):
                wrong.append(key)
        return wrong

    def _is_exempt(self, role: str, key: str, final: bool) -> bool:
        """Whether what is under a key may be something else than was noted."""
        last = self._writes.get((role, key))
        if last is None or self.exempt:
            return bool(self.exempt)
        excuse = self._excuse_of(role, key)
        if excuse is None and role == "archive" and last.is_late and not final:
            # It finds out, and takes it back.
            return last.seconds > UNFENCED_SECONDS and last.actor.outcome == "running"
        if excuse is not None:
            self._excuse(excuse)
        return excuse is not None

    def _excuse_of(self, role: str, key: str) -> str | None:
        """Which of the exceptions that the documents name the last write of a key is."""
        last = self._writes.get((role, key))
        if last is None:
            return None
        if last.is_given_up:
            return GIVEN_UP
        if not last.is_late or last.seconds <= UNFENCED_SECONDS:
            return None
        if role == "archive":
            return "a record, and its writer died" if last.actor.outcome == "killed" else None
        return "a playlist, and the bytes of before came back"

    @staticmethod
    def _excuse_of_request(request: Request) -> str | None:
        return GIVEN_UP if request.is_given_up else None

    def require_whole(self, when: str) -> None:
        """Everything is as was noted, and everything that is named is there with the right contents."""
        buckets = self.network.buckets
        for key in self.differences(final=True):
            self._break(f"{when}, {key} is not what was published last")
        if self.pending is not None:
            self._break(f"{when}, a switch has not ended")
        self._require_one_set(when)
        master = buckets["media"].current(MASTER)
        for playlist in named_segments(MASTER, master.body) if master is not None else ():
            current = buckets["media"].current(playlist)
            if current is None:
                self._break(f"{when}, the master names {playlist}, which is not there")
                continue
            for segment in named_segments(playlist, current.body):
                if buckets["media"].current(segment) is None:
                    self._break(f"{when}, {playlist} names {segment}, which is not there")

    def _require_one_set(self, when: str) -> None:
        """What is on record belongs together, and the stores have it: whatever was noted."""
        buckets = self.network.buckets
        kept = {name: buckets["archive"].current(keys.record(MEDIA_ID, name)) for name in OUTPUTS}
        records = {name: json.loads(stored.body) for name, stored in kept.items() if stored is not None}
        for name, record in records.items():
            for source, version in (record.get("build") or {}).get("inputs", {}).items():
                if source in records and records[source]["data_version"] != version:
                    self._break(f"{when}, {name} on record was made from another {source} than is on record")
            for file in record.get("files", ()):
                stored = buckets[file["role"]].named(file["key"], file.get("version"))
                if stored is None or hashlib.sha256(stored.body).hexdigest() != file["sha256"]:
                    self._break(f"{when}, {file['key']} of the record {name} is not there as recorded")

    def require_nothing_left(self, when: str) -> None:
        """No segment that no playlist names, and the recorded mezzanine is the current one."""
        buckets = self.network.buckets
        if not self.notes or self.exempt:
            # Outputs that were never published stay for the next job.
            return
        named = {file["key"] for record in self.records.values() for file in record.get("files", ())}
        for key in buckets["media"].objects:
            if key.endswith(".ts") and key not in named:
                self._break(f"{when}, {key} still lies there, and nothing names it")
        current, record = buckets["archive"].current(MEZZANINE), self.records.get("mezzanine")
        if current is not None and record is not None and current.version != record["files"][0]["version"]:
            self._break(f"{when}, the current mezzanine is not the recorded one")


def _without_etags(text: str | bytes) -> Any:
    record = json.loads(text)
    for file in record.get("files", ()):
        file.pop("etag", None)
    return record
