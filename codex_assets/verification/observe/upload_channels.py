"""Which mono tracks of an upload a player plays as the channels of one sound, read from its header without asking who
made the mezzanine.

In: containers in which every channel may have a track, and what they say of it: layouts, names, brands, groups. Out:
comparing what is heard (`upload_sound.py`).
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

from codex_assets.media.input_flags import input_arguments
from codex_assets.verification.observe.decoder import Decoder
from codex_assets.verification.observe.upload_pictures import UploadedMedia

LAYOUTS = {
    "7.1": ("FL", "FR", "FC", "LFE", "BL", "BR", "SL", "SR"),
    "5.1": ("FL", "FR", "FC", "LFE", "BL", "BR"),
    "5.1(side)": ("FL", "FR", "FC", "LFE", "SL", "SR"),
    "stereo": ("FL", "FR"),
}
"""What tracks that say of which channel they are make together: the first of which none is missing."""
SECONDS_APART = 0.5
"""Tracks of one sound start and end together."""
ALIKE = ("codec_name", "sample_rate", "channels", "bits_per_sample")
CONTAINERS = {"mov", "mxf", "matroska", "avi", "nut", "asf"}
"""Where tracks have names, or several are one sound."""
VERSIONS = ("dub", "original", "lyrics", "karaoke", "hearing_impaired", "clean_effects", "descriptions")
SIDES = {
    "FL": r"l|left|fl|front left",
    "FR": r"r|right|fr|front right",
    "FC": r"c|center|centre|fc|front cent(?:er|re)",
    "LFE": r"lfe|sub|subwoofer|low frequency",
    "SL": r"ls|sl|(?:side|surround) left|left (?:side|surround)",
    "SR": r"rs|sr|(?:side|surround) right|right (?:side|surround)",
    "BL": r"bl|rl|lrs|lsr|(?:back|rear) left|left rear",
    "BR": r"br|rr|rrs|rsr|(?:back|rear) right|right rear",
}
"""How names of tracks say of which channel they are."""
NUMBERED = re.compile(r"\b(?:ch|chan|channel|mono|kanal) ?[12]\b")
MOST_BOXES, LONGEST_HEADER = 10_000, 48
"""Boxes of an index that are looked at, and bytes of a track's header."""


@dataclass(frozen=True)
class JoinedTracks:
    """Mono tracks that are the channels of one sound: the number of each, in the order of `places`, which it is of."""

    layout: str
    tracks: tuple[int, ...]

    @property
    def places(self) -> tuple[str, ...]:
        """Of its channels, as ffmpeg calls them."""
        return LAYOUTS[self.layout]


def joined_tracks(decoder: Decoder, upload: UploadedMedia) -> JoinedTracks | None:
    """The tracks that a player plays as the channels of one sound; None where one track is all of it."""
    audio = upload.info.audio
    info = upload.info
    names = set(info.container.split(","))
    if audio is None or not CONTAINERS & names:
        return None
    opened = input_arguments(str(upload.path), probing=True, container=info.container, codecs=info.codecs)
    document = decoder.probe_input(["-show_format", "-show_streams", *opened])
    together = _played_together(upload.path) if "mov" in names else frozenset()
    return _joined_tracks(document, audio.index, together)


def _joined_tracks(document: dict[str, Any], chosen: int, played_together: frozenset[int]) -> JoinedTracks | None:
    tracks = {int(track["index"]): track for track in document.get("streams", []) if track.get("codec_type") == "audio"}
    first = tracks.get(chosen)
    if first is None or first.get("channels") != 1:
        return None
    together = [index for index in sorted(tracks) if _is_with(tracks[index], first)]
    labelled = {place: index for index in reversed(together) if (place := _place(tracks[index])) is not None}
    # What is called mono stands in the middle of the others.
    middle = [index for index in together if _place(tracks[index]) is None]
    placed = {**({"FC": middle[0]} if middle else {}), **labelled}
    for layout, places in LAYOUTS.items():
        if labelled and set(places) <= placed.keys():
            return JoinedTracks(layout, tuple(placed[place] for place in places))
    named = _named([tracks[index] for index in together])
    for layout, places in LAYOUTS.items():
        if set(places) <= named.keys():
            return JoinedTracks(layout, tuple(named[place] for place in places))
    if labelled or len(together) < 2:
        return None
    names = [_name(tracks[index]) for index in together]
    if len({" ".join(re.findall(r"[^\W\d_]+", name)) for name in names}) > 1:
        return None
    numbered = all(NUMBERED.search(name) for name in names[:2]) and names[0] != names[1]
    by_header = bool(played_together) and all(
        int(str(tracks[index].get("id", "0")), 0) in played_together for index in together
    )
    if not (numbered or by_header or _has_pairs(document)):
        return None
    return JoinedTracks("stereo", (together[0], together[1]))


def _name(track: dict[str, Any]) -> str:
    """A track's name in small letters, its words and numbers apart."""
    name = _tag(track, "title", "") or _tag(track, "handler_name", "") or _tag(track, "name", "")
    return " ".join(re.findall(r"[^\W\d_]+|\d+", name.lower()))


def _named(tracks: Sequence[dict[str, Any]]) -> dict[str, int]:
    """The numbers of tracks by the channel that their names say, if these are the same but for that."""
    placed, beside = {}, set()
    for track in reversed(tracks):
        for place, words in SIDES.items():
            whole = re.fullmatch(rf"(?:(.+) )?(?:{words})|(?:{words}) (.+)", _name(track))
            if whole is not None:
                placed[place] = int(track["index"])
                beside.add(whole[1] or whole[2] or "")
                break
    return placed if len(beside) == 1 else {}


def _played_together(path: Path) -> frozenset[int]:
    """The numbers of an MP4's tracks that are enabled and of no group of which one is played instead of another."""
    size = path.stat().st_size
    with path.open("rb") as file:
        index = [part for part in _boxes(file, 0, size) if part[0] == b"moov"]
        tracks = [part for _, at, end in index for part in _boxes(file, at, end) if part[0] == b"trak"]
        headers = [at for _, track, end in tracks for kind, at, _ in _boxes(file, track, end) if kind == b"tkhd"]
        numbers = []
        for at in headers:
            file.seek(at)
            header = file.read(LONGEST_HEADER).ljust(LONGEST_HEADER, b"\xff")
            number, group = (20, 46) if header[0] == 1 else (12, 34)
            if header[3] & 1 and header[group : group + 2] == b"\0\0":
                numbers.append(int.from_bytes(header[number : number + 4], "big"))
    return frozenset(numbers)


def _boxes(file: BinaryIO, at: int, end: int) -> Iterator[tuple[bytes, int, int]]:
    """The boxes between two offsets: type, and where the content begins and ends."""
    for _ in range(MOST_BOXES):
        file.seek(at)
        header = file.read(16)
        if at + 8 > end or len(header) < 8:
            return
        length, content = int.from_bytes(header[:4], "big"), at + 8
        if length == 1:
            length, content = int.from_bytes(header[8:16], "big"), at + 16
        length = length or end - at
        if content > at + length:
            return
        yield header[4:8], content, min(at + length, end)
        at += length


def _is_with(track: dict[str, Any], first: dict[str, Any]) -> bool:
    if any(track.get(name) != first.get(name) for name in ALIKE):
        return False
    if _tag(track, "language") != _tag(first, "language"):
        return False
    marks, others = (each.get("disposition", {}) for each in (track, first))
    if marks.get("comment") or marks.get("visual_impaired"):
        return False
    if any(bool(marks.get(name)) != bool(others.get(name)) for name in VERSIONS):
        return False
    times = [(float(each.get("start_time", "nan")), _seconds(each)) for each in (track, first)]
    return all(abs(mine - other) <= SECONDS_APART for mine, other in zip(*times, strict=True))


def _seconds(track: dict[str, Any]) -> float:
    """How long a track lasts; 0 where its container does not say it of single tracks."""
    tagged = {name.upper(): str(value) for name, value in track.get("tags", {}).items()}.get("DURATION", "")
    parts = re.fullmatch(r"(\d+):(\d+):(\d+(?:\.\d+)?)", tagged)
    if parts is not None:
        return 3600.0 * int(parts[1]) + 60.0 * int(parts[2]) + float(parts[3])
    return float(track.get("duration", 0.0))


def _place(track: dict[str, Any]) -> str | None:
    match = re.search(r"\((\w+)\)|^(\w+)$", str(track.get("channel_layout") or ""))
    place = (match[1] or match[2]) if match is not None else None
    return None if place in (None, "mono", "unknown") else place


def _has_pairs(document: dict[str, Any]) -> bool:
    header = document.get("format", {})
    names = str(header.get("format_name", "")).split(",")
    return "mxf" in names or ("mov" in names and _tag(header, "major_brand", "qt").strip() == "qt")


def _tag(part: dict[str, Any], name: str, otherwise: str = "und") -> str:
    return str(part.get("tags", {}).get(name, otherwise))
