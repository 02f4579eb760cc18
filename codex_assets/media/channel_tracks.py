"""Mono tracks that are the channels of one sound, as cameras and editors write them in QuickTime and MXF.

In: which tracks of ffprobe's JSON belong together, and as which channel. Out: which sound is chosen (`ffprobe.py`), how
the tracks are joined (`encode/mezzanine.py`).
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from codex_assets.media.fields import parse_seconds

LAYOUTS = {
    "stereo": ("FL", "FR"),
    "5.1": ("FL", "FR", "FC", "LFE", "BL", "BR"),
    "5.1(side)": ("FL", "FR", "FC", "LFE", "SL", "SR"),
    "7.1": ("FL", "FR", "FC", "LFE", "BL", "BR", "SL", "SR"),
}
"""What labelled tracks make together, the largest that is complete."""
PAIRED_CONTAINERS = ("mxf",)
"""Containers, beside QuickTime, in which equal tracks without labels are left, right, left, right..."""
APART_SECONDS = 0.5
"""By which tracks that belong together may differ in start and length."""


def channel_tracks(probed: Mapping[str, Any], sounds: Sequence[Mapping[str, Any]]) -> tuple[str, dict[int, str]] | None:
    """The layout that the first of `sounds` makes with others, and each one's channel by its index; None where it is a
    sound by itself. `probed`: ffprobe's answer."""
    equal = sorted((each for each in sounds if _belongs(each, sounds[0])), key=lambda each: int(each["index"]))
    if len(equal) < 2:
        return None
    labels = {label: int(each["index"]) for each in reversed(equal) if (label := _label(each)) is not None}
    for layout in sorted(LAYOUTS, key=lambda layout: -len(LAYOUTS[layout])):
        if set(LAYOUTS[layout]) <= labels.keys():
            return layout, {labels[channel]: channel for channel in LAYOUTS[layout]}
    is_labelled = any(_label(each) not in (None, "FC") for each in equal)
    if is_labelled or not _are_pairs(probed):
        return None
    return "stereo", {int(equal[0]["index"]): "FL", int(equal[1]["index"]): "FR"}


def others_like_it(sounds: Sequence[Mapping[str, Any]], chosen: Mapping[int, str]) -> tuple[int, ...]:
    """The tracks that are like those of one sound and not part of it, by their numbers among `sounds`, from 1 on."""
    in_order = sorted(sounds, key=lambda each: int(each["index"]))
    return tuple(
        number
        for number, each in enumerate(in_order, 1)
        if _belongs(each, sounds[0]) and int(each["index"]) not in chosen
    )


def _are_pairs(probed: Mapping[str, Any]) -> bool:
    container = probed.get("format")
    header = container if isinstance(container, dict) else {}
    names = str(header.get("format_name", "")).split(",")
    tags = header.get("tags")
    brand = str(tags.get("major_brand", "qt")) if isinstance(tags, dict) else "qt"
    return any(name in names for name in PAIRED_CONTAINERS) or ("mov" in names and brand.strip() == "qt")


def _belongs(stream: Mapping[str, Any], first: Mapping[str, Any]) -> bool:
    alike = all(stream.get(name) == first.get(name) for name in ("codec_name", "sample_rate", "bits_per_sample"))
    same_language = _language(stream) == _language(first)
    second_choice = stream.get("disposition", {}).get("comment") or stream.get("disposition", {}).get("visual_impaired")
    return bool(
        stream.get("channels") == 1
        and first.get("channels") == 1
        and alike
        and same_language
        and not second_choice
        and _near(stream, first, "duration")
        and _near(stream, first, "start_time")
    )


def _near(stream: Mapping[str, Any], first: Mapping[str, Any], name: str) -> bool:
    mine, other = (parse_seconds(each.get(name), signed=True) for each in (stream, first))
    return mine is not None and other is not None and abs(mine - other) <= APART_SECONDS


def _language(stream: Mapping[str, Any]) -> str:
    return str(stream.get("tags", {}).get("language", "und"))


def _label(stream: Mapping[str, Any]) -> str | None:
    """The place of a single channel; None where its track does not say."""
    layout = str(stream.get("channel_layout") or "")
    named = re.search(r"\b(FL|FR|FC|LFE|BL|BR|SL|SR)\b", layout)
    if named is not None:
        return named[1]
    return "FC" if layout == "mono" else None
