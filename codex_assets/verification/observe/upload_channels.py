"""Which mono tracks of an upload a player plays as left and right, read from its header without asking who made the
mezzanine.

In: QuickTime and MXF, where every channel may have a track. Out: comparing what is heard (`upload_sound.py`).
"""

from __future__ import annotations

import re
from typing import Any

from codex_assets.media.input_flags import input_arguments
from codex_assets.verification.observe.decoder import Decoder
from codex_assets.verification.observe.upload_pictures import UploadedMedia

LEFT_AND_RIGHT = ("FL", "FR")
SECONDS_APART = 0.5
"""Tracks of one sound start and end together."""
ALIKE = ("codec_name", "sample_rate", "channels", "bits_per_sample")


def left_and_right(decoder: Decoder, upload: UploadedMedia) -> tuple[int, int] | None:
    """The tracks of the left and the right channel, where each has its own and no other channel does; else None."""
    audio = upload.info.audio
    if audio is None or not {"mov", "mxf"} & set(upload.info.container.split(",")):
        return None
    info = upload.info
    opened = input_arguments(str(upload.path), probing=True, container=info.container, codecs=info.codecs)
    return _left_and_right(decoder.probe_input(["-show_format", "-show_streams", *opened]), audio.index)


def _left_and_right(document: dict[str, Any], chosen: int) -> tuple[int, int] | None:
    tracks = {int(track["index"]): track for track in document.get("streams", []) if track.get("codec_type") == "audio"}
    first = tracks.get(chosen)
    if first is None or first.get("channels") != 1:
        return None
    together = [index for index in sorted(tracks) if _is_with(tracks[index], first)]
    places = {index: _place(tracks[index]) for index in together}
    labelled = [next((index for index in together if places[index] == side), None) for side in LEFT_AND_RIGHT]
    named = {place for place in places.values() if place is not None}
    if labelled[0] is not None and labelled[1] is not None:
        return (labelled[0], labelled[1]) if named == set(LEFT_AND_RIGHT) else None
    if named or len(together) < 2 or not _has_pairs(document):
        return None
    return together[0], together[1]


def _is_with(track: dict[str, Any], first: dict[str, Any]) -> bool:
    if any(track.get(name) != first.get(name) for name in ALIKE):
        return False
    if _tag(track, "language") != _tag(first, "language"):
        return False
    marks = track.get("disposition", {})
    if marks.get("comment") or marks.get("visual_impaired"):
        return False
    times = [(float(each.get("start_time", "nan")), float(each.get("duration", "nan"))) for each in (track, first)]
    return all(abs(mine - other) <= SECONDS_APART for mine, other in zip(*times, strict=True))


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
