"""Reads and writes records in the archive.

In: which key a record has, and what a record that cannot be read becomes. Out: the fields of the records
(`records.py`), and how objects are stored (`storage/`).
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import groupby
from typing import TypeVar

from pydantic import ValidationError

from codex_assets.archive.records import MediaRecord, OutputRecord, Record, record_type
from codex_assets.errors import MissingInput, StorageError
from codex_assets.storage import keys
from codex_assets.storage.objects import ObjectStore, OtherContents

AnyRecord = TypeVar("AnyRecord", bound=Record)


class UnreadableRecord(StorageError):
    """A record exists but cannot be parsed, or is not what was written; the store itself works."""


def _unreadable(media_id: str, name: str, detail: str) -> UnreadableRecord:
    return UnreadableRecord(
        f"The record `{name}` of media {media_id} in the archive cannot be read; restore an older version of it, or "
        "delete it and build that output again.",
        detail=detail,
        retryable=False,
    )


class RecordStore:
    """Records in the archive store. Reads are always fresh: another worker may have written.

    Every read raises `UnreadableRecord` for a record that cannot be parsed, and `StorageError` when the store fails.
    """

    def __init__(self, archive: ObjectStore) -> None:
        self._archive = archive

    def get(self, media_id: str, name: str, model: type[AnyRecord]) -> AnyRecord | None:
        """The record `name` of a media, parsed as `model`; None when there is none."""
        try:
            data = self._archive.read(keys.record(media_id, name))
        except MissingInput:
            return None
        except OtherContents as error:
            raise _unreadable(media_id, name, error.detail or error.public) from None
        try:
            return model.model_validate_json(data)
        except ValidationError as error:
            raise _unreadable(media_id, name, str(error)[:2000]) from None

    def output(self, media_id: str, output: str) -> OutputRecord | None:
        """The record of `output` in its own model, or None when it was never built."""
        return self.get(media_id, output, record_type(output))

    def media(self, media_id: str) -> MediaRecord | None:
        """Who a media is; None when it was never registered."""
        return self.get(media_id, "media", MediaRecord)

    def put(self, media_id: str, name: str, record: Record) -> None:
        """Write a record, in place of an earlier one of that name. Fields that are None are left out."""
        self._archive.write(keys.record(media_id, name), as_json(record), content_type="application/json")

    def holds(self, key: str) -> bool:
        """Whether the archive has an object of this key: a mezzanine, or an original."""
        return self._archive.head(key) is not None

    def forget(self, media_id: str, name: str) -> None:
        """Remove a record with all its versions; nothing happens if there is none."""
        self._archive.delete(keys.record(media_id, name))

    def names(self, media_id: str) -> frozenset[str]:
        """The names of all records of a media, from one listing. Raises `StorageError`."""
        listed = self._archive.list(keys.records_prefix(media_id))
        return frozenset(named[1] for stored in listed if (named := keys.parse_record(stored.key)) is not None)

    def listed(self) -> Iterator[tuple[str, frozenset[str]]]:
        """Every media that has a record, in key order, with the names of all its records. Raises `StorageError`."""
        named = (keys.parse_record(stored.key) for stored in self._archive.list(keys.RECORDS_ROOT))
        for media_id, of_media in groupby(filter(None, named), key=lambda name: name[0]):
            yield media_id, frozenset(name for _, name in of_media)


def as_json(record: Record) -> bytes:
    """The bytes of a record as the archive has it. Fields that are None are left out."""
    return record.model_dump_json(indent=2, exclude_none=True).encode() + b"\n"
