"""Looks at the stores behind the proxy, and says what is published: the old set, the new one, or something between.

Knows contents by their hashes: an edition is every object that the records of one fault-free job named. In: what a
store has, and what must not be there. Out: what the job said of it (`fault_bench.py`).
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    from types_boto3_s3 import S3Client

State = Literal["old", "new", "mixture", "damaged"]
Place = tuple[str, str]
"""Role and key."""
NO_OUTPUTS = frozenset({"jobs", "media", "replaced", "undelivered", "original"})
"""Records that are not of an output."""


@dataclass(frozen=True)
class Edition:
    """What one fault-free job publishes: its objects by place, with the SHA-256 of each, and its records' outputs."""

    job_id: str | None
    files: Mapping[Place, str]
    outputs: frozenset[str]

    @property
    def stable(self) -> dict[Place, str]:
        """Objects under keys that other editions have too: playlists, the master, pictures."""
        return {
            (role, key): sha256
            for (role, key), sha256 in self.files.items()
            if role != "archive" and not key.endswith(".ts")
        }


NOTHING = Edition(None, {}, frozenset())
"""Of a media that was never published."""


@dataclass
class Contents:
    """Everything that three buckets hold of one media, with its bytes."""

    media_id: str
    others: list[str] = field(default_factory=list)
    """Keys that belong to no media: the trials of a store's conditions."""
    objects: dict[Place, bytes] = field(default_factory=dict)
    versions: dict[tuple[str, str], str] = field(default_factory=dict)
    """The SHA-256 of every version of what the archive holds, by key and version."""
    current: dict[str, str] = field(default_factory=dict)
    """The current version of each key of the archive."""
    uploads: list[str] = field(default_factory=list)
    """Keys of uploads in parts that have not ended."""

    @classmethod
    def of(cls, client: S3Client, buckets: Mapping[str, str], media_id: str) -> Contents:
        contents = cls(media_id)
        for role, bucket in buckets.items():
            for page in client.get_paginator("list_objects_v2").paginate(Bucket=bucket):
                for entry in page.get("Contents", []):
                    if media_id in entry["Key"].replace(".", "/").split("/"):
                        body = client.get_object(Bucket=bucket, Key=entry["Key"])["Body"].read()
                        contents.objects[role, entry["Key"]] = body
                    elif "leases/trials/" in entry["Key"]:
                        contents.others.append(entry["Key"])
            contents.uploads += [
                str(upload.get("Key")) for upload in client.list_multipart_uploads(Bucket=bucket).get("Uploads", [])
            ]
        archive = buckets["archive"]
        for versions in client.get_paginator("list_object_versions").paginate(Bucket=archive, Prefix="mezzanine/"):
            for version in versions.get("Versions", []):
                key, number = str(version.get("Key")), str(version.get("VersionId"))
                if media_id in key.split("/"):
                    body = client.get_object(Bucket=archive, Key=key, VersionId=number)["Body"].read()
                    contents.versions[key, number] = hashlib.sha256(body).hexdigest()
                    if version.get("IsLatest"):
                        contents.current[key] = number
        return contents

    @cached_property
    def hashes(self) -> dict[Place, str]:
        return {place: hashlib.sha256(data).hexdigest() for place, data in self.objects.items()}

    def record(self, name: str) -> dict[str, Any] | None:
        return _parsed(self.objects.get(("archive", f"records/{self.media_id}/{name}.json")))

    @property
    def output_records(self) -> dict[str, dict[str, Any]]:
        prefix = f"records/{self.media_id}/"
        names = [key.removeprefix(prefix).removesuffix(".json") for _, key in self.objects if key.startswith(prefix)]
        return {name: self.record(name) or {} for name in names if name not in NO_OUTPUTS}

    @property
    def edition(self) -> Edition:
        """What the records name, as it is."""
        files, job_id = {}, None
        for record in self.output_records.values():
            job_id = record.get("build", {}).get("run_id", job_id)
            for file in record.get("files", []):
                files[file["role"], file["key"]] = self.hashes[file["role"], file["key"]]
        return Edition(job_id, files, frozenset(self.output_records))

    @property
    def lease_holder(self) -> dict[str, Any] | None:
        """Who holds the lease; None where nobody does."""
        return self._lease.get("holder")

    @property
    def is_switching(self) -> bool:
        """Whether a switch is noted whose end is not."""
        return self._lease.get("switch") is not None

    @property
    def _lease(self) -> dict[str, Any]:
        return _parsed(self.objects.get(("media", f"leases/{self.media_id}.json"))) or {}

    @property
    def undelivered(self) -> list[dict[str, Any]]:
        return list((self.record("undelivered") or {}).get("webhooks", []))

    # --- What is published --------------------------------------------------------------------------------------------

    def state(self, old: Edition, new: Edition) -> tuple[State, list[str]]:
        """Which set is published, and what is wrong with it where it is damaged."""
        damage = [*self._unknown(old, new), *self._unplayable(), *self._untrue_records()]
        if damage:
            return "damaged", damage
        editions = self._editions(old, new)
        if editions <= {"old"}:
            return "old", []
        return ("new", []) if editions == {"new"} else ("mixture", sorted(editions))

    def _unknown(self, old: Edition, new: Edition) -> Iterator[str]:
        """Objects that are neither of the old nor of the new set."""
        for place in {**old.stable, **new.stable}:
            if place in self.hashes and self.hashes[place] not in (old.files.get(place), new.files.get(place)):
                yield f"{place[1]} is of neither set"
        for place, sha256 in self.hashes.items():
            known = {edition.files[place] for edition in (old, new) if place in edition.files}
            if place[1].endswith(".ts") and known and sha256 not in known:
                yield f"{place[1]} has other bytes"

    def _unplayable(self) -> Iterator[str]:
        """What a playlist names and is not there."""
        for (role, key), data in self.objects.items():
            if role != "media" or not key.endswith(".m3u8"):
                continue
            folder = key[: key.rindex("/") + 1]
            for line in data.decode("utf-8", "replace").splitlines():
                if line and not line.startswith("#") and (role, folder + line) not in self.objects:
                    yield f"{key} names {line}, which is not there"
            if b"#EXTM3U" not in data:
                yield f"{key} is no playlist"

    def _untrue_records(self) -> Iterator[str]:
        """Files that a record names, and that no store has with these contents.

        What is replaced in place may be newer than its record while a switch is under way, and is no damage.
        """
        for output, record in self.output_records.items():
            if not record:
                yield f"the record of {output} cannot be read"
            for file in record.get("files", []):
                place = (file["role"], file["key"])
                if file["role"] == "archive":
                    if self._version_hash(file) != file["sha256"]:
                        yield f"the recorded version of {file['key']} is not there"
                elif place not in self.objects:
                    yield f"{file['key']} is recorded and not there"
                elif file["key"].endswith(".ts") and self.hashes[place] != file["sha256"]:
                    yield f"{file['key']} is recorded with other bytes"

    def _version_hash(self, file: Mapping[str, Any]) -> str | None:
        version = file.get("version") or self.current.get(file["key"], "")
        return self.versions.get((file["key"], version))

    def _editions(self, old: Edition, new: Edition) -> set[str]:
        """Whose everything is that viewers are shown, and that the records say. What both sets have tells nothing."""
        editions = set()
        for place in {**old.stable, **new.stable}:
            has, before, after = self.hashes.get(place), old.files.get(place), new.files.get(place)
            if before != after:
                editions.add("old" if has == before else "new")
        for output in old.outputs | new.outputs:
            record = self.output_records.get(output)
            if record is None:
                editions.add("old" if output not in old.outputs else "new")
            elif (run_id := record.get("build", {}).get("run_id")) is not None:
                editions.add("new" if run_id == new.job_id else "old")
        media = self.record("media")
        if old.job_id is None and media is None and not editions:
            editions.add("old")
        return editions

    # --- What is left -------------------------------------------------------------------------------------------------

    def strays(self) -> list[str]:
        """Objects that no record names, and that are not noted as replaced."""
        named = {
            (file["role"], file["key"]) for record in self.output_records.values() for file in record.get("files", [])
        }
        noted = [each["prefix"] for each in (self.record("replaced") or {}).get("objects", [])]
        return [
            key
            for role, key in self.objects
            if (role, key) not in named
            and not key.startswith(("originals/", "records/", "leases/"))
            and not any(key.startswith(prefix) for prefix in noted)
        ]

    def unrecorded_mezzanine(self) -> bool:
        """Whether the current version of the mezzanine is not the one that its record names."""
        recorded = {file["key"]: file.get("version") for file in (self.record("mezzanine") or {}).get("files", [])}
        return any(recorded.get(key, "") not in (None, version) for key, version in self.current.items())


def _parsed(data: bytes | None) -> dict[str, Any] | None:
    """The JSON of an object; empty where it is damaged, None where there is none."""
    if data is None:
        return None
    try:
        said = json.loads(data)
    except ValueError:
        return {}
    return said if isinstance(said, dict) else {}
