"""What an MP4 holds beside its tracks: boxes and tags that an allow-list does not name, and what lies behind its end.

In: which boxes, tracks and tags a mezzanine may have, and how its tracks are to be played. Out: the other facts of a
mezzanine (`mezzanine_file.py`).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

from codex_assets.media.facts import MediaInfo
from codex_assets.verification.observe.mp4_index import MOST_BYTES, UNUSED, Mp4Index, box_at, boxes, contradictions
from codex_assets.verification.observe.sample_entries import contradicting_entries

TOP_BOXES = (b"ftyp", b"moov", b"free", b"mdat")
INDEX_BOXES = frozenset(
    b"mvhd trak tkhd edts elst mdia mdhd hdlr minf vmhd smhd dinf dref stbl stsd stts ctts stss stsc stsz stco co64 "
    b"sgpd sbgp sdtp udta meta ilst".split()
)
NESTED_BOXES = frozenset(b"moov trak edts mdia minf dinf stbl udta meta ilst".split())
ENCODER_TAG = b"\xa9too"
TAG = "a tag"
OTHER_COLOURS = "a mark of other colours"
MOST_FREE = 1 << 16
"""Bytes that may be left for an index which grows."""
PLACED_BYTES = 60
"""Of a track header, behind its flags and times."""
UNMOVED = b"".join(number.to_bytes(4, "big") for number in (1 << 16, 0, 0, 0, 1 << 16, 0, 0, 0, 1 << 30))
"""The matrix of a track that is shown as it is."""
FULL_VOLUME = b"\1\0"
MOST_ROLLED = 32
NORMAL_SPEED = (1 << 16).to_bytes(4, "big")

TAGS: dict[str, re.Pattern[str]] = {
    "major_brand": re.compile(r"[a-z0-9]{4}"),
    "minor_version": re.compile(r"\d+"),
    "compatible_brands": re.compile(r"[a-z0-9]+"),
    "encoder": re.compile(r"Lav[cf][\d.]*( [a-z0-9_]+)?"),
    "language": re.compile(r"und"),
    "handler_name": re.compile(r"(Video|Sound)Handler"),
    "vendor_id": re.compile(r"\[0\]\[0\]\[0\]\[0\]|FFMP"),
}
"""Tags that say nothing of whoever made it, and the values that they may have."""
_TRACKS = {"video": "picture", "audio": "sound", "subtitle": "text", "data": "data", "attachment": "attached file"}


def foreign_tags(document: Mapping[str, Any]) -> tuple[str, ...]:
    """Names of tags of the container and its tracks, in ffprobe's answer, that are not on the list or say more."""
    parts = [document.get("format"), *(document.get("streams") or [])]
    names = [
        str(name)
        for part in parts
        if isinstance(part, dict)
        for name, value in part.get("tags", {}).items()
        if name not in TAGS or not TAGS[name].fullmatch(str(value))
    ]
    return tuple(sorted(set(names)))


def foreign_parts(path: Path, document: Mapping[str, Any], info: MediaInfo, index: Mp4Index | None) -> tuple[str, ...]:
    """What an MP4 holds besides one picture, one sound and their index, in words for the public; none for other
    containers."""
    videos = [stream for stream in document.get("streams") or [] if stream.get("codec_type") == "video"]
    pictures = (int(videos[0].get("width", 0)), int(videos[0].get("height", 0))) if len(videos) == 1 else None
    contradicting = (
        [] if index is None else [*contradictions(index, pictures), *contradicting_entries(index.tracks, info)]
    )
    return (*_foreign_tracks(document), *dict.fromkeys((*_foreign_boxes(path, index), *contradicting)))


def _foreign_tracks(document: Mapping[str, Any]) -> Iterator[str]:
    seen: set[str] = set()
    for stream in document.get("streams") or []:
        kind = str(stream.get("codec_type", "data"))
        if stream.get("disposition", {}).get("attached_pic"):
            yield "an attached picture"
        elif kind not in ("video", "audio"):
            yield f"a track of {_TRACKS.get(kind, 'data')}"
        elif kind in seen:
            yield f"a second track of {_TRACKS[kind]}"
        seen.add(kind)


def _foreign_boxes(path: Path, index: Mp4Index | None) -> Iterator[str]:
    size = path.stat().st_size
    with path.open("rb") as file:
        if file.read(8)[4:8] != b"ftyp":
            return
        at, seen = 0, set()
        media = free = 0
        while at + 8 <= size:
            name, header, length = box_at(file, at, size)
            if name in seen and name != b"free":
                yield f"a second box {name.decode('ascii')}"
            seen.add(name)
            if name not in TOP_BOXES:
                yield _box(name) if name.isalnum() else "bytes that belong to nothing"
                return
            if length < header or at + length > size:
                return
            if name == b"moov" and length <= MOST_BYTES:
                file.seek(at + header)
                yield from _foreign_inside(file.read(length - header))
            if name == b"mdat":
                media += length - header
            if name == b"free":
                file.seek(at + header)
                if any(file.read(min(length - header, MOST_BYTES))):
                    yield "data in its free space"
                free += length
            at += length
        if at < size:
            yield "bytes behind its end"
        if free > MOST_FREE:
            yield "free space"
        if index is not None and index.tracks and media > index.size:
            yield UNUSED


def _foreign_inside(body: bytes, parent: bytes = b"moov") -> Iterator[str]:
    at = 0
    while at + 8 <= len(body):
        length, name = int.from_bytes(body[at : at + 4], "big"), body[at + 4 : at + 8]
        if length < 8 or at + length > len(body):
            # QuickTime ends a list with a zero.
            if any(body[at : at + 4]):
                yield "a damaged index"
            return
        if parent == b"ilst":
            if name != ENCODER_TAG or at or not _is_encoder(body[8:length]):
                yield TAG
        elif name not in INDEX_BOXES:
            yield TAG if parent in (b"udta", b"meta") else _box(name)
        elif name in _PLAYED:
            yield from _PLAYED[name](body[at + 8 : at + length])
        elif name in NESTED_BOXES:
            inside = body[at + 8 : at + length]
            yield from _foreign_inside(inside[4:] if name == b"meta" else inside, name)
        at += length


def _oddly_played(header: bytes) -> Iterator[str]:
    """What a track header (ISO/IEC 14496-12, 8.3.2) asks of a player that changes what is seen or heard, and when it
    was made."""
    yield from _dated(header)
    times = 32 if header[:1] == b"\1" else 20
    if len(header) != 4 + times + PLACED_BYTES:
        return
    if not header[3] & 1:
        yield "a track that is switched off"
    elif header[3] & 0xF not in (3, 7):
        yield "a track that is none of the film's"
    placed = header[4 + times :]
    if any(placed[8:10]):
        yield "a track in another layer"
    volume, matrix, is_picture = placed[12:14], placed[16:52], any(placed[52:60])
    # A turned picture is observed as such.
    if matrix != UNMOVED and any(matrix[:4]):
        yield "a track that is mirrored, moved or scaled"
    if not is_picture and volume != FULL_VOLUME:
        yield "a sound that is turned down"


def _oddly_timed(edits: bytes) -> Iterator[str]:
    """What an edit list (8.6.6) asks of a player besides a beginning."""
    size = 20 if edits[:1] == b"\1" else 12
    entries = [edits[at : at + size] for at in range(8, len(edits), size)]
    if any(entry[-4:] != NORMAL_SPEED for entry in entries if len(entry) == size):
        yield "a track that is played at another speed"
    # The first may be empty.
    if len(entries) > 2:
        yield "a track that is played in parts"


def _oddly_paced(header: bytes) -> Iterator[str]:
    """What the header of all tracks (8.2.2) asks of a player, and when it was made."""
    yield from _dated(header)
    at = 32 if header[:1] == b"\1" else 20
    if header[at : at + 4] != NORMAL_SPEED:
        yield "a mark of another speed"
    rest = header[at + 4 :]
    if rest[:2] != FULL_VOLUME:
        yield "a sound that is turned down"
    if rest[12 : 12 + len(UNMOVED)] != UNMOVED:
        yield "a film that is mirrored, moved or scaled"
    if any(rest[2:12]) or any(rest[12 + len(UNMOVED) : -4]):
        yield "data in its header"


def _is_encoder(tag: bytes) -> bool:
    """Whether a tag in iTunes' form names the version of a program, and is one text."""
    data = next((inside for name, inside in boxes(tag) if name == b"data"), b"")
    return len(tag) == 8 + len(data) and TAGS["encoder"].fullmatch(data[8:].decode("latin-1")) is not None


def _rolled(groups: bytes) -> Iterator[str]:
    """How many samples a place takes to be heard right (10.1): a few before it."""
    if groups[4:8] != b"roll":
        return
    at = 12 if groups[:1] == b"\1" else 8
    count = int.from_bytes(groups[at : at + 4], "big")
    distances = [groups[place : place + 2] for place in range(at + 4, at + 4 + 2 * count, 2)]
    if any(not -MOST_ROLLED <= int.from_bytes(each, "big", signed=True) < 0 for each in distances):
        yield "a mark of another beginning"


def _dated(header: bytes) -> Iterator[str]:
    """Every header begins with two times, of its making and of its last change."""
    if any(header[4 : 20 if header[:1] == b"\1" else 12]):
        yield "a date"


def _oddly_measured(header: bytes) -> Iterator[str]:
    """What the header of a track's media (8.4.2) says beside its clock and its language."""
    yield from _dated(header)
    if any(header[-2:]):
        yield "data in its header"


def _oddly_heard(header: bytes) -> Iterator[str]:
    """What the header of a sound's media (12.2.2) asks of a player."""
    if any(header[4:6]):
        yield "a sound that is moved to one side"


def _oddly_mixed(header: bytes) -> Iterator[str]:
    """How the header of a picture's media (12.1.2) has it put over others."""
    if any(header[4:12]):
        yield "a picture that is to be mixed with others"


def _oddly_handled(handler: bytes) -> Iterator[str]:
    """What stands between the kind of a track and the name of who handles it (8.4.3): nothing."""
    if handler[8:12] in (b"vide", b"soun") and any(handler[12:24]):
        yield "data in its header"
    # That of the tags names their form there, and nobody.
    if handler[8:12] == b"mdir" and (handler[12:16] != b"appl" or any(handler[16:])):
        yield TAG


def _referring(references: bytes) -> Iterator[str]:
    """Where the media of a track lies, by its references (8.7.2): in this file."""
    places = [place for _, place in boxes(references[8:]) if len(place) >= 4]
    if any(not place[3] & 1 for place in places):
        yield "a reference to another file"
    elif any(place[4:] for place in places):
        yield "data in a reference to itself"


def _oddly_described(samples: bytes) -> Iterator[str]:
    """What the description of samples says that the parameters in it do not: of colours, of the profile."""
    yield from _oddly_coloured(samples)
    at = samples.find(b"avcC")
    if at >= 0:
        # Version, profile, constraints, level; two counts; the length of the first SPS, its header, and the same.
        said, own = samples[at + 5 : at + 8], samples[at + 13 : at + 16]
        if said != own:
            yield "a mark of another profile"


def _oddly_coloured(samples: bytes) -> Iterator[str]:
    """What the description of samples (12.1.5) says of colours that the picture does not: it is BT.709, or not said."""
    at = samples.find(b"colrnclx")
    named = samples[at + 8 : at + 14]
    is_full = samples[at + 14 : at + 15] >= b"\x80"
    is_another = any(int.from_bytes(named[place : place + 2], "big") not in (1, 2) for place in (0, 2, 4))
    if at >= 0 and (is_full or is_another):
        yield OTHER_COLOURS


_PLAYED: dict[bytes, Callable[[bytes], Iterator[str]]] = {
    b"tkhd": _oddly_played,
    b"elst": _oddly_timed,
    b"mvhd": _oddly_paced,
    b"mdhd": _oddly_measured,
    b"smhd": _oddly_heard,
    b"vmhd": _oddly_mixed,
    b"hdlr": _oddly_handled,
    b"dref": _referring,
    b"sgpd": _rolled,
    b"stsd": _oddly_described,
}
"""Boxes that ask something of a player, and what of that a mezzanine has no use for."""


def _box(name: bytes) -> str:
    return f"a box {name.decode('latin-1')}" if name.isalnum() else "an unknown box"
