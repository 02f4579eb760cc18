"""Storage keys: where every object of a media lives. Strings only.

In: identifiers, as the payload names them. Out: keys, and the two parts of a record's key read back.
Not here: buckets, stores, and whether anything exists under a key. Keys are the same for every run of a media; segments
lie in a folder that their contents name, so that none is ever overwritten by other bytes. A playlist names its segments
relative to itself, so their keys follow from its own.

Every identifier becomes exactly one path segment. The payload was checked before it gets here; the check is repeated
because a `/` or `..` that slipped through would write into another creator's media.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable
from typing import Final

from codex_assets.contract.names import HLS_FOLDER, ID, MediaType
from codex_assets.storage.objects import Role

MASTER_NAME: Final = "master.m3u8"
PLAYLIST_NAME: Final = "playlist.m3u8"
PREVIEW_NAME: Final = "preview.m3u8"
STORYBOARD_NAME: Final = "storyboard.vtt"
STORYBOARD_SHEET_NAME: Final = "storyboard.jpg"
RECORDS_ROOT: Final = "records/"
LEASES_ROOT: Final = "leases/"
ORIGINALS_ROOT: Final = "originals/"
MEZZANINES_ROOT: Final = "mezzanine/"
_CONDITION_TRIALS: Final = f"{LEASES_ROOT}trials/"
_RIGHTS_TRIALS: Final = "doctor/trial-"
TRIAL_PREFIXES: Final = (_CONDITION_TRIALS, _RIGHTS_TRIALS)
"""How the keys begin of what a trial of a store writes, and of nothing else."""

VERSION_LENGTH: Final = 12
"""Hex digits of a version of segments."""
_VERSION: Final = re.compile(rf"[0-9a-f]{{{VERSION_LENGTH}}}")
_VERSIONED: Final = re.compile(rf"/{_VERSION.pattern}/(segment_[0-9]+\.ts)$")
_RECORD_NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,127}")
_RECORD: Final = re.compile(rf"{RECORDS_ROOT}({ID.pattern})/({_RECORD_NAME.pattern})\.json")


def original_prefix(creator_id: str, media_id: str) -> str:
    """Where uploads of this media are put; the name below it is `original` with the upload's own extension."""
    return f"{ORIGINALS_ROOT}{_path_segment(creator_id)}/{_path_segment(media_id)}/"


def mezzanine(creator_id: str, media_id: str) -> str:
    """Key in the archive."""
    return f"{MEZZANINES_ROOT}{_path_segment(creator_id)}/{_path_segment(media_id)}/mezzanine.mp4"


def hls_prefix(creator_id: str, media_id: str, media_type: MediaType) -> str:
    """Everything that a player of this media loads is below this prefix, and nothing else is."""
    return f"{_path_segment(creator_id)}/{HLS_FOLDER[media_type]}/{_path_segment(media_id)}/"


def master_playlist(creator_id: str, media_id: str, media_type: MediaType) -> str:
    """The playlist that players open first."""
    return hls_prefix(creator_id, media_id, media_type) + MASTER_NAME


def variant_playlist(creator_id: str, media_id: str, media_type: MediaType, variant: str) -> str:
    """`variant`: the name of a rung (`1080p`, `128k`)."""
    return f"{hls_prefix(creator_id, media_id, media_type)}{_path_segment(variant)}/{PLAYLIST_NAME}"


def preview_playlist(creator_id: str, media_id: str) -> str:
    """Video only: audio has no preview."""
    return f"{hls_prefix(creator_id, media_id, 'video')}preview/{PREVIEW_NAME}"


def version(segment_sha256s: Iterable[str]) -> str:
    """The folder of segments with these SHA-256s (hex), in order, below their playlist's: 12 hex digits.

    The same on every run that makes the same bytes, and another one for any others.
    """
    return hashlib.sha256(b"".join(map(bytes.fromhex, segment_sha256s))).hexdigest()[:VERSION_LENGTH]


def folder(key: str) -> str:
    """The folder that an object lies in, with a slash at its end."""
    return key[: key.rindex("/") + 1]


def segment(playlist_key: str, index: int, version_name: str | None = None) -> str:
    """The `index`-th segment (from 0) of a version; without one, beside the playlist, as the first releases put it."""
    if index < 0:
        raise ValueError(f"a segment's index is 0 or more, not {index}")
    if version_name is not None and not _VERSION.fullmatch(version_name):
        raise ValueError(f"{version_name!r} is no version of segments")
    below = f"{version_name}/" if version_name is not None else ""
    return f"{folder(playlist_key)}{below}segment_{index:05d}.ts"


def without_version(key: str) -> str:
    """A segment's key as it was before segments had versions; any other key as it is."""
    return _VERSIONED.sub(r"/\1", key)


def thumbnail(creator_id: str, media_id: str) -> str:
    """Video only."""
    return f"{_pictures(creator_id, media_id)}auto-generated.jpg"


def small_thumbnail(creator_id: str, media_id: str, width: int) -> str:
    """Of a video, one per width (pixels)."""
    return f"{_pictures(creator_id, media_id)}{width}.webp"


def blurhash(creator_id: str, media_id: str) -> str:
    """Of a video's thumbnail."""
    return f"{_pictures(creator_id, media_id)}blurhash.txt"


def storyboard(creator_id: str, media_id: str) -> str:
    """Of a video: the text that names the moments and places of the pictures on its sheet, which lies beside it."""
    return f"{_pictures(creator_id, media_id)}{STORYBOARD_NAME}"


def storyboard_sheet(creator_id: str, media_id: str) -> str:
    """The sheet of a storyboard's pictures."""
    return f"{_pictures(creator_id, media_id)}{STORYBOARD_SHEET_NAME}"


def waveform_json(creator_id: str, media_id: str) -> str:
    """Audio only."""
    return f"{_path_segment(creator_id)}/waveforms/{_path_segment(media_id)}/waveform.json"


def waveform_png(creator_id: str, media_id: str) -> str:
    """Among the thumbnails: it is what an audio media shows where a video shows its frame."""
    return f"{_pictures(creator_id, media_id)}waveform.png"


def media_prefixes(creator_id: str, media_id: str) -> dict[Role, tuple[str, ...]]:
    """By role of a store: the folders below which all of a media lies that its creator's name is part of, whatever its
    type."""
    creator, media = _path_segment(creator_id), _path_segment(media_id)
    hls = tuple(f"{creator}/{folder_name}/{media}/" for folder_name in HLS_FOLDER.values())
    return {
        "archive": (f"{ORIGINALS_ROOT}{creator}/{media}/", f"{MEZZANINES_ROOT}{creator}/{media}/"),
        "media": hls,
        # A public copy of the preview has the same keys as the preview.
        "assets": (f"{creator}/thumbnails/media/{media}/", f"{creator}/waveforms/{media}/", *hls),
    }


def records_prefix(media_id: str) -> str:
    """The folder of a media's records, with a slash at its end."""
    return f"{RECORDS_ROOT}{_path_segment(media_id)}/"


def lease(media_id: str) -> str:
    """Key in the delivery store: who may write this media, and a switch that has begun."""
    return f"{LEASES_ROOT}{_path_segment(media_id)}.json"


def condition_trial(name: str) -> str:
    """The object by which conditional writes of a store are tried: beside the leases, where no media's can be."""
    return f"{_CONDITION_TRIALS}{_path_segment(name)}.json"


def rights_trial(name: str) -> str:
    """The object by which is tried whether a store can be written to."""
    return f"{_RIGHTS_TRIALS}{_path_segment(name)}.txt"


def record(media_id: str, name: str) -> str:
    """The record `name` of a media: an output's name, or `media`, `jobs`, ..."""
    return f"{records_prefix(media_id)}{_path_segment(name, _RECORD_NAME)}.json"


def parse_record(key: str) -> tuple[str, str] | None:
    """(media_id, name) of a record's key; None when `key` is not one."""
    match = _RECORD.fullmatch(key)
    return (match[1], match[2]) if match is not None else None


def _pictures(creator_id: str, media_id: str) -> str:
    """The folder of what is shown of a media before it plays, with a slash at its end."""
    return f"{_path_segment(creator_id)}/thumbnails/media/{_path_segment(media_id)}/"


def _path_segment(part: str, rule: re.Pattern[str] = ID) -> str:
    """`part`, if it may be one segment of a key; raises `ValueError` otherwise."""
    if not rule.fullmatch(part):
        raise ValueError(f"{part!r} cannot be one segment of a storage key")
    return part
