"""Mono tracks that are the channels of one sound, and sounds that are left out though nothing says what they are.

In: which tracks of ffprobe's JSON belong together, by what the file says of them, and as which channel. Out: which
sound is chosen (`ffprobe.py`), how the tracks are joined (`encode/mezzanine.py`), what the creator is told
(`upload/refusals.py`).
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from codex_assets.media.fields import parse_seconds, parse_tag_seconds

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
ANOTHER_VERSION = (
    *("comment", "visual_impaired", "hearing_impaired", "descriptions", "karaoke", "clean_effects"),
    *("dub", "original", "lyrics"),
)
"""Dispositions that say what a sound is instead of the main one."""
UNKNOWN_LANGUAGE = "und"
"""ISO 639-2."""
ALTERNATE_GROUP = "alternate_group"
"""Under this name a stream of ffprobe's JSON may have the number of its group in an mp4, which ffprobe leaves out:
tracks of one group are played instead of each other, and 0 is none (ISO/IEC 14496-12, 8.3.2)."""

_PLACES = {
    "FL": ("front left", "left", "l", "fl"),
    "FR": ("front right", "right", "r", "fr"),
    "FC": ("front center", "front centre", "center", "centre", "c", "fc"),
    "LFE": ("low frequency", "subwoofer", "sub", "lfe"),
    "BL": ("back left", "rear left", "left rear", "bl", "rl", "lrs", "lsr"),
    "BR": ("back right", "rear right", "right rear", "br", "rr", "rrs", "rsr"),
    "SL": ("side left", "left side", "left surround", "surround left", "ls", "sl"),
    "SR": ("side right", "right side", "right surround", "surround right", "rs", "sr"),
}
"""What people call a channel in a track's name, in small letters."""
_PHRASES = sorted(
    ((phrase, place) for place, phrases in _PLACES.items() for phrase in phrases), key=lambda each: -len(each[0])
)
_CHANNEL_NUMBER = re.compile(r"\b(?:ch|chan|channel|mono|kanal) ?[12]\b")


def channel_tracks(probed: Mapping[str, Any], sounds: Sequence[Mapping[str, Any]]) -> tuple[str, dict[int, str]] | None:
    """The layout that the first of `sounds` makes with others, and each one's channel by its index; None where it is a
    sound by itself. `probed`: ffprobe's answer."""
    equal = sorted((each for each in sounds if _belongs(each, sounds[0])), key=lambda each: int(each["index"]))
    if len(equal) < 2:
        return None
    labels = [_label(each) for each in equal]
    joined = _complete(equal, labels) or _complete(equal, _named_places(equal))
    if joined is not None:
        return joined
    is_labelled = any(label not in (None, "FC") for label in labels)
    if is_labelled or not _are_pairs(probed, equal):
        return None
    return "stereo", {int(equal[0]["index"]): "FL", int(equal[1]["index"]): "FR"}


def left_alone(sounds: Sequence[Mapping[str, Any]], used: Iterable[int]) -> tuple[tuple[int, int], ...]:
    """The tracks of `sounds` that are not `used` (indexes) and of which nothing says that they are another version of
    those, as languages, commentaries and other codecs are: the index of each, and which of the sounds it is, from 1 on.
    """
    in_order = sorted(sounds, key=lambda each: int(each["index"]))
    chosen = [each for each in in_order if int(each["index"]) in set(used)]
    return tuple(
        (int(each["index"]), number)
        for number, each in enumerate(in_order, 1)
        if each not in chosen and chosen and not _is_another_version(each, chosen[0])
    )


def _is_another_version(stream: Mapping[str, Any], chosen: Mapping[str, Any]) -> bool:
    languages = {_language(stream), _language(chosen)}
    is_mono = stream.get("channels") == chosen.get("channels") == 1
    return bool(
        not stream.get("sample_rate")
        or not stream.get("channels")
        or any(stream.get("disposition", {}).get(name) for name in ANOTHER_VERSION)
        or (len(languages) == 2 and UNKNOWN_LANGUAGE not in languages)
        or not (is_mono or stream.get("codec_name") == chosen.get("codec_name"))
    )


def _complete(tracks: Sequence[Mapping[str, Any]], places: Sequence[str | None]) -> tuple[str, dict[int, str]] | None:
    """The largest layout of which every channel has a track; of several the first. `places`: of each track."""
    labelled = {
        place: int(each["index"])
        for each, place in zip(reversed(tracks), reversed(places), strict=True)
        if place is not None
    }
    for layout in sorted(LAYOUTS, key=lambda layout: -len(LAYOUTS[layout])):
        if set(LAYOUTS[layout]) <= labelled.keys():
            return layout, {labelled[channel]: channel for channel in LAYOUTS[layout]}
    return None


def _are_pairs(probed: Mapping[str, Any], equal: Sequence[Mapping[str, Any]]) -> bool:
    """Whether equal tracks without labels are left and right, and not each a sound by itself."""
    names = [_name(each) for each in equal]
    if len({" ".join(re.findall(r"[^\W\d]+", name)) for name in names}) > 1:
        # Each is called something else.
        return False
    if all(_CHANNEL_NUMBER.search(name) for name in names[:2]) and names[0] != names[1]:
        return True
    container = probed.get("format")
    header = container if isinstance(container, dict) else {}
    formats = str(header.get("format_name", "")).split(",")
    if "mov" not in formats:
        return any(name in formats for name in PAIRED_CONTAINERS)
    tags = header.get("tags")
    brand = str(tags.get("major_brand", "qt")) if isinstance(tags, dict) else "qt"
    return brand.strip() == "qt" or _are_played_together(equal)


def _are_played_together(tracks: Sequence[Mapping[str, Any]]) -> bool:
    """Whether an mp4 says of tracks that all of them are played, and none instead of another."""
    enabled = all(each.get("disposition", {}).get("default") for each in tracks)
    groups = [each.get(ALTERNATE_GROUP) for each in tracks]
    return enabled and all(group == 0 for group in groups)


def _belongs(stream: Mapping[str, Any], first: Mapping[str, Any]) -> bool:
    alike = all(stream.get(name) == first.get(name) for name in ("codec_name", "sample_rate", "bits_per_sample"))
    same_language = _language(stream) == _language(first)
    marks = [{name for name in ANOTHER_VERSION if each.get("disposition", {}).get(name)} for each in (stream, first)]
    return bool(
        stream.get("channels") == 1
        and first.get("channels") == 1
        and alike
        and same_language
        and marks[0] == marks[1]
        and not marks[0] & {"comment", "visual_impaired"}
        and _near(_length(stream), _length(first))
        and _near(_start(stream), _start(first))
    )


def _near(mine: float | None, other: float | None) -> bool:
    return mine is not None and other is not None and abs(mine - other) <= APART_SECONDS


def _start(stream: Mapping[str, Any]) -> float | None:
    return parse_seconds(stream.get("start_time"), signed=True)


def _length(stream: Mapping[str, Any]) -> float | None:
    """Seconds; 0 where the container has none for single tracks."""
    stated = stream.get("duration")
    tagged = parse_tag_seconds(stream.get("tags", {}))
    return tagged if tagged is not None else 0.0 if stated is None else parse_seconds(stated, signed=True)


def _language(stream: Mapping[str, Any]) -> str:
    return str(stream.get("tags", {}).get("language", UNKNOWN_LANGUAGE))


def _label(stream: Mapping[str, Any]) -> str | None:
    """The place of a single channel; None where its track does not say."""
    layout = str(stream.get("channel_layout") or "")
    named = re.search(r"\b(FL|FR|FC|LFE|BL|BR|SL|SR)\b", layout)
    if named is not None:
        return named[1]
    return "FC" if layout == "mono" else None


def _name(stream: Mapping[str, Any]) -> str:
    """What a track is called, in small letters, with single spaces between words and before numbers."""
    tags = {str(name).lower(): str(value) for name, value in stream.get("tags", {}).items()}
    name = tags.get("title") or tags.get("handler_name") or tags.get("name") or ""
    return " ".join(re.findall(r"[^\W\d_]+|\d+", name.lower()))


def _named_places(tracks: Sequence[Mapping[str, Any]]) -> list[str | None]:
    """The place of each track by its name, where all such names are the same but for that: "Voice L" and "Voice R"."""
    parts = [_named_place(_name(each)) for each in tracks]
    rests = {rest for place, rest in parts if place is not None}
    return [place if len(rests) == 1 else None for place, _ in parts]


def _named_place(name: str) -> tuple[str | None, str]:
    """The channel that a name ends with or begins with, and the rest of it."""
    for phrase, place in _PHRASES:
        if name == phrase:
            return place, ""
        if name.endswith(f" {phrase}"):
            return place, name.removesuffix(phrase).strip()
        if name.startswith(f"{phrase} "):
            return place, name.removeprefix(phrase).strip()
    return None, name
