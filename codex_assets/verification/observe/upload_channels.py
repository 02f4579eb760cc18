"""Which mono tracks of an upload a player plays as the channels of one sound, read from its header without asking who
made the mezzanine.

In: QuickTime and MXF, where every channel may have a track. Out: comparing what is heard (`upload_sound.py`).
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

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
    if audio is None or not {"mov", "mxf"} & set(upload.info.container.split(",")):
        return None
    info = upload.info
    opened = input_arguments(str(upload.path), probing=True, container=info.container, codecs=info.codecs)
    return _joined_tracks(decoder.probe_input(["-show_format", "-show_streams", *opened]), audio.index)


def _joined_tracks(document: dict[str, Any], chosen: int) -> JoinedTracks | None:
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
    if labelled or len(together) < 2 or not _has_pairs(document):
        return None
    return JoinedTracks("stereo", (together[0], together[1]))


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
