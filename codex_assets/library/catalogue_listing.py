"""What an archive has, as one listing says it: every record with a stamp, every original and mezzanine.

A listing of a store that answers in pages is asked for in several parts at once, for the pages of one part can only be
requested one after the other. Where the parts begin the last listing says: so ids that begin alike (ULIDs, say, which
begin with the time) split as well as any others. In: what is listed, and in which parts. Out: what is done with it
(`catalogue_refresh.py`).
"""

from __future__ import annotations

import string
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from itertools import islice
from typing import Final, NamedTuple

from pydantic import ValidationError

from codex_assets.archive import refused
from codex_assets.archive.records import MediaRecord
from codex_assets.archive.refused import RefusedRecord
from codex_assets.errors import MissingInput
from codex_assets.storage import keys
from codex_assets.storage.objects import ObjectStore, StoredObject

LISTERS: Final = 16
"""Parts of a listing that are asked for at once."""
PAGE: Final = 1000
"""Keys of one page. What fits in one is not listed in parts."""
PAGES_OF_A_PART: Final = 4
"""A part is no shorter: its last page is mostly asked for in vain."""
FOLDERS: Final = (keys.ORIGINALS_ROOT, keys.MEZZANINES_ROOT)
"""Listed beside the records: whether a mezzanine is there, and what it could be made from."""
_CHARACTERS: Final = string.digits + string.ascii_uppercase + string.ascii_lowercase


class ListedRecord(NamedTuple):
    """A record. `stamp`: a text that is another one when the record has changed; `modified`: seconds of the epoch."""

    media_id: str
    name: str
    stamp: str
    modified: float | None


class ListedFile(NamedTuple):
    """An original or a mezzanine. `size`: bytes."""

    media_id: str
    key: str
    size: int


Starts = Mapping[str, Sequence[str]]
"""Folder -> keys of it, evenly spread over those that it had: where the parts of its listing begin."""


def list_archive(archive: ObjectStore, starts: Starts) -> Iterator[ListedRecord | ListedFile]:
    """Everything. Raises `StorageError`."""
    for root in FOLDERS:
        for stored in _under(archive, root, starts.get(root, ())):
            parts = stored.key.split("/")
            if len(parts) == 4:
                yield ListedFile(parts[2], stored.key, stored.size)
    yield from _records(_under(archive, keys.RECORDS_ROOT, starts.get(keys.RECORDS_ROOT, ())))


def list_media(archive: ObjectStore, media_ids: Collection[str]) -> Iterator[ListedRecord | ListedFile]:
    """What there is of these media: four requests for each, whatever else the archive has. Raises `StorageError`."""

    def list_one(media_id: str) -> list[ListedRecord | ListedFile]:
        listed: list[ListedRecord | ListedFile] = list(_records(archive.list(keys.records_prefix(media_id))))
        media = _media(archive, media_id, {each.name for each in listed if isinstance(each, ListedRecord)})
        if media is not None:
            prefixes = (
                keys.original_prefix(media.creator_id, media.media_id),
                keys.mezzanine(media.creator_id, media_id).rpartition("/")[0] + "/",
            )
            listed += [
                ListedFile(media_id, stored.key, stored.size) for prefix in prefixes for stored in archive.list(prefix)
            ]
        return listed

    with ThreadPoolExecutor(LISTERS, thread_name_prefix="list") as pool:
        for listed in pool.map(list_one, media_ids):
            yield from listed


def _media(archive: ObjectStore, media_id: str, names: Collection[str]) -> MediaRecord | None:
    """Who a media is, by its own record or that of its refused upload; None where neither says."""
    with suppress(MissingInput, ValidationError):
        if refused.MEDIA in names:
            return MediaRecord.model_validate_json(archive.read(keys.record(media_id, refused.MEDIA)))
        if refused.REFUSED in names:
            return RefusedRecord.model_validate_json(archive.read(keys.record(media_id, refused.REFUSED))).media
    return None


def part_length(count: int) -> int:
    """Of so many keys, how many make a part."""
    return max(PAGE * PAGES_OF_A_PART, count // (4 * LISTERS))


def _records(listed: Iterable[StoredObject]) -> Iterator[ListedRecord]:
    for stored in listed:
        named = keys.parse_record(stored.key)
        if named is not None:
            modified = stored.modified.timestamp() if stored.modified is not None else None
            yield ListedRecord(*named, f"{stored.size} {stored.etag or ''} {modified or 0:.6f}", modified)


def _under(archive: ObjectStore, root: str, starts: Sequence[str]) -> Iterable[StoredObject]:
    """Everything below a folder, in the order of its keys."""
    if not archive.is_paged:
        return archive.list(root)
    if starts:
        return _in_parts(archive, root, starts)
    return _by_first_character(archive, root)


def _in_parts(archive: ObjectStore, root: str, starts: Sequence[str]) -> Iterator[StoredObject]:
    ordered = sorted(starts)

    def part(bounds: tuple[str, str | None]) -> list[StoredObject]:
        after, last = bounds
        listed = []
        for stored in archive.list(root, after=after):
            if last is not None and stored.key > last:
                break
            listed.append(stored)
        return listed

    with ThreadPoolExecutor(LISTERS, thread_name_prefix="list") as pool:
        for listed in pool.map(part, zip(["", *ordered], [*ordered, None], strict=True)):
            yield from listed


def _by_first_character(archive: ObjectStore, root: str) -> Iterator[StoredObject]:
    """The first listing of a folder, of which nothing is known: one part for each first character of the names in it,
    unless all fits in a page."""
    first = list(islice(archive.list(root), PAGE))
    if len(first) < PAGE:
        yield from first
        return
    with ThreadPoolExecutor(LISTERS, thread_name_prefix="list") as pool:
        for listed in pool.map(lambda character: list(archive.list(root + character)), _CHARACTERS):
            yield from listed
