"""Reads a storyboard's text: WebVTT whose cues name places on a picture (`sheet.jpg#xywh=x,y,width,height`).

In: what W3C WebVTT and Media Fragments 4.2.2 ask of it. Out: which times and places these should be
(`rules/storyboard.py`).
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from codex_assets.verification.optional_observations import Cue, Region

_TIME = r"(?:(\d{2,}):)?([0-5]\d):([0-5]\d)\.(\d{3})"
_TIMES = re.compile(rf"{_TIME}[ \t]+-->[ \t]+{_TIME}")
_REGION = r"([^#\s]+)#xywh=(?:pixel:)?(\d{1,6}),(\d{1,6}),(\d{1,6}),(\d{1,6})"
_PLACE = re.compile(_REGION)
_FORM = re.compile(rf"WEBVTT(?:\n\n(?:\d+\n)?{_TIME}[ \t]-->[ \t]{_TIME}\n{_REGION})+\n?")
"""All of a text: no name of a cue but a number, no setting, one blank line between two cues and none behind."""


def parse(data: bytes) -> tuple[Cue, ...]:
    """The cues, in their order. Raises `ValueError`, with words for the public, for what a player could not read."""
    try:
        text = data.decode("utf-8").removeprefix("\ufeff")
    except UnicodeDecodeError:
        raise ValueError("it is no text in UTF-8") from None
    text = re.sub(r"\r\n?", "\n", text)
    head, *blocks = re.split(r"\n{2,}", text.strip("\n"))
    if head.partition("\n")[0].split(" ")[0].split("\t")[0] != "WEBVTT":
        raise ValueError("it does not begin with WEBVTT")
    if head != "WEBVTT":
        # A map of times moves all of them; a text is for nobody.
        raise ValueError("something follows WEBVTT in its head")
    cues = tuple(_cues(blocks))
    if cues and not _FORM.fullmatch(text):
        raise ValueError("it holds more than times and places, or blank lines in other places")
    if not cues:
        raise ValueError("it names no picture")
    return cues


def _cues(blocks: list[str]) -> Iterator[Cue]:
    for block in blocks:
        lines = block.split("\n")
        if lines[0].startswith(("NOTE", "STYLE", "REGION")) and "-->" not in lines[0]:
            raise ValueError("it also holds a note, a style or a region")
        # A cue may begin with a name of its own.
        named = len(lines) > 1 and "-->" not in lines[0]
        times = _TIMES.match(lines[int(named)])
        place = _PLACE.fullmatch(lines[-1])
        if times is None or place is None:
            raise ValueError("a cue names no times, or no place on a picture")
        if len(lines) != 2 + named:
            raise ValueError("a cue holds more than a place on a picture")
        left, top, width, height = map(int, place.groups()[1:])
        yield Cue(
            _seconds(*times.groups()[:4]), _seconds(*times.groups()[4:]), place[1], Region(left, top, width, height)
        )


def _seconds(hours: str | None, minutes: str, seconds: str, thousandths: str) -> float:
    return int(hours or 0) * 3600 + int(minutes) * 60 + int(seconds) + int(thousandths) / 1000
