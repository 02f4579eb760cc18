"""How pictures say by themselves that they are turned, and how a film is shown whose pictures say so.

In: the display orientation of H.264 and HEVC (a message before a picture) and of JPEG (Exif), which are read from the
bytes of a file, and for how long each lasts. Out: what a container states, which takes precedence (`media/ffprobe.py`),
and turning itself (`media/encode/`).

ffmpeg 5 tells of some of the messages only, or one picture late, and starts its filters anew with each picture that
says another thing than the one before: whatever filters hold is lost, or shown twice. So the messages are struck out in
a copy, and the whole film is turned in one way.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal

from codex_assets.media.facts import MediaInfo, VideoStream
from codex_assets.media.fields import parse_seconds, parse_whole
from codex_assets.media.input_flags import input_arguments
from codex_assets.media.upload.ebml import Data

Turn = tuple[int, bool]
"""Degrees clockwise, and whether the picture is mirrored before: `VideoStream.rotation`, `mirrored`."""
UPRIGHT: Turn = (0, False)
LONGEST_SECONDS = 1.0
"""A picture that stands counts for no more."""
UNKNOWN_SECONDS = 0.04
"""What a picture counts for that does not say how long it lasts."""

_MESSAGE = re.compile(
    rb"\x2f[\x03\x04]([\x00\x08\x10\x18\x20\x28\x30\x38\x40\x48\x50\x58\x60\x68\x70\x78])\x00[\x04-\x1f].?\x80",
    re.DOTALL,
)
"""A message of 3 or 4 bytes about the display orientation (ITU-T H.264, D.1.27; H.265, D.2.17), the last before a
picture: a bit by which it is withdrawn, two of mirroring, 16 of an anticlockwise turn, here a number of quarters.
Anything else looks like this once in hundreds of gigabytes."""
_WITHDRAWN = b"\x80"
_EXIF = re.compile(rb"Exif\0\0(?:II\*\0|MM\0\*)")
_ORIENTATION, _SHORT, _AS_CODED = 0x0112, 3, 1
"""The tag of an Exif directory, the form of its value, and the value of a picture that is not turned."""
_EXIF_TURNS: Sequence[Turn] = (
    *(UPRIGHT, (0, True), (180, False), (180, True)),
    *((270, True), (90, False), (90, True), (270, False)),
)
"""Of the values 1 to 8."""


@dataclass(frozen=True)
class Message:
    """Where in a file a picture says how it is turned (bytes), and what would have to be written there so that it says
    nothing."""

    at: int
    turn: Turn
    struck_out: bytes


def read_messages(data: Data, video: VideoStream) -> Sequence[Message]:
    """All messages in the bytes of a file, in order; none where none says that a picture is turned. Of a track that its
    container turns, they do not count."""
    if video.rotation or video.mirrored:
        return []
    messages: list[Message] = []
    if video.codec in ("h264", "hevc"):
        messages = [Message(match.start(1), _coded_turn(match[1][0]), _WITHDRAWN) for match in _MESSAGE.finditer(data)]
    elif video.codec == "mjpeg":
        messages = list(_of_jpegs(data))
    return messages if any(message.turn != UPRIGHT for message in messages) else []


def _coded_turn(first: int) -> Turn:
    """What the first byte of a message says."""
    across, upside_down, quarters = bool(first & 0x40), bool(first & 0x20), first >> 3 & 3
    return (180 * upside_down - 90 * quarters) % 360, across != upside_down


def _of_jpegs(data: Data) -> Iterator[Message]:
    """CIPA DC-008 (Exif), 4.6.2: a directory of entries of 12 bytes."""
    for match in _EXIF.finditer(data):
        start = match.start() + 6
        order: Literal["little", "big"] = "little" if data[start : start + 1] == b"I" else "big"
        at = start + _number(data, start + 4, 4, order)
        for entry in range(at + 2, at + 2 + 12 * _number(data, at, 2, order), 12):
            is_turn = (_number(data, entry, 2, order), _number(data, entry + 2, 2, order)) == (_ORIENTATION, _SHORT)
            value = _number(data, entry + 8, 2, order)
            if is_turn and 1 <= value <= len(_EXIF_TURNS):
                yield Message(entry + 8, _EXIF_TURNS[value - 1], _AS_CODED.to_bytes(2, order))


def _number(data: Data, at: int, length: int, order: Literal["little", "big"]) -> int:
    return int.from_bytes(data[at : at + length], order)


def place_arguments(path: str, info: MediaInfo, video: VideoStream) -> list[str]:
    """Arguments for ffprobe that list the packets of a track, as `read_turns` reads them."""
    listed = ("-select_streams", str(video.index), "-show_entries", "packet=duration_time,pos,flags", "-of", "csv=p=0")
    opened = input_arguments(path, probing=True, container=info.container, codecs=info.codecs, look=info.look)
    return [*listed, *opened]


def read_turns(lines: Iterable[str], messages: Sequence[Message], video: VideoStream) -> dict[Turn, float]:
    """Seconds for which pictures are turned in each way, in the order in which it begins. `lines`: the answer to
    `place_arguments`.

    A message belongs to the packet that it lies in, and holds until the next one, or the next key picture; in JPEGs,
    for its picture alone.
    """
    packets = [fields for line in lines if (fields := _packet(line)) is not None]
    places = sorted(place for place, _, _ in packets)
    said = {places[max(0, bisect_right(places, message.at) - 1)]: message.turn for message in messages if places}
    seconds: dict[Turn, float] = defaultdict(float)
    turn: Turn = UPRIGHT
    for place, is_key, lasts in packets:
        turn = said.get(place, UPRIGHT if is_key or video.codec == "mjpeg" else turn)
        seconds[turn] += min(lasts, LONGEST_SECONDS)
    return dict(seconds)


def _packet(line: str) -> tuple[int, bool, float] | None:
    """Where a packet lies, whether it is a key picture, and how long it lasts; None where it does not say where."""
    fields = line.strip().split(",")
    place = parse_whole(fields[1]) if len(fields) > 2 else None
    if place is None:
        return None
    return place, "K" in fields[2], parse_seconds(fields[0]) or UNKNOWN_SECONDS


def longest(seconds: Mapping[Turn, float]) -> Turn:
    """The turn that most of a film has; of two as long, the first. `seconds`: as `read_turns`."""
    return max(seconds, key=lambda turn: seconds[turn], default=UPRIGHT)


def turned(video: VideoStream, turn: Turn) -> VideoStream:
    """`video`, which was not turned before, as it is displayed then."""
    rotation, mirrored = turn
    width, height = video.width, video.height
    if rotation in (90, 270):
        width, height = height, width
    return replace(video, rotation=rotation, mirrored=mirrored, width=width, height=height)
