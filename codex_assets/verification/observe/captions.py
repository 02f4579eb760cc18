"""Reads the closed captions inside pictures, with a parser of its own, and compares them with the mezzanine's.

In: SEI messages with `cc_data` (ITU-T T.35, ATSC A/53 part 4) in transport streams, and which services of CEA-608 and
CEA-708 they hold. Out: what should be there (`rules/captions.py`).
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from codex_assets.verification.captions_seen import CaptionFault, CaptionsSeen
from codex_assets.verification.observe.decoder import Decoder

MOST_FAULTS = 20
MARK = b"GA94\x03"
READ_BYTES = 1 << 22
_PACKET = 188
_WRAP = 1 << 33


@dataclass(frozen=True)
class _Picture:
    """When a picture is shown, in seconds on the stream's clock, and the triplets of its captions."""

    pts: float
    triplets: bytes


@dataclass(frozen=True)
class _Track:
    """The captions of a picture track by frame, in the order in which frames are shown, and the frames that it has."""

    by_frame: Mapping[int, bytes]
    frames: frozenset[int] = frozenset()
    last_frames: Sequence[tuple[str, int]] = ()
    """Each segment's name and last frame."""


def observe_captions(
    decoder: Decoder, segments: Sequence[tuple[str, Path]], reference: Path | None, frame_seconds: float
) -> CaptionsSeen:
    """The captions of a playlist's segments, in order, beside those of the mezzanine (`reference`).

    Pictures that are missing are not missed here.
    """
    track = _of_segments(segments, frame_seconds)
    services = services_of(track.by_frame)
    if reference is None:
        return CaptionsSeen(services)
    theirs = decoder.remembered(
        reference, ("captions", round(frame_seconds, 9)), lambda: _of_file(decoder, reference, frame_seconds)
    )
    within = {frame: triplets for frame, triplets in theirs.items() if frame in track.frames}
    return CaptionsSeen(services, services_of(within), _faults(track, within, frame_seconds))


def caption_services(decoder: Decoder, path: Path, frame_seconds: float) -> tuple[str, ...]:
    """The services that the picture of a mezzanine carries; `frame_seconds` is 0 for a single frame. Raises
    `ToolError`."""
    return services_of(_of_file(decoder, path, frame_seconds or 1.0))


# --- Reading ----------------------------------------------------------------------------------------------------------


def _of_segments(segments: Sequence[tuple[str, Path]], frame_seconds: float) -> _Track:
    by_frame: dict[int, bytes] = {}
    last_frames: list[tuple[str, int]] = []
    frames: set[int] = set()
    start: float | None = None
    for name, path in segments:
        shown = list(_pictures(path.read_bytes()))
        if not shown:
            continue
        times = [picture.pts for picture in shown]
        start = min(times) if start is None else start
        numbers = [round((time - start) / frame_seconds) for time in times]
        frames.update(numbers)
        last_frames.append((name, max(numbers)))
        by_frame |= {
            number: picture.triplets for number, picture in zip(numbers, shown, strict=True) if picture.triplets
        }
    return _Track(by_frame, frozenset(frames), last_frames)


def _of_file(decoder: Decoder, path: Path, frame_seconds: float) -> dict[int, bytes]:
    """The captions of a file with H.264 by frame; its messages alone are copied out, nothing is decoded."""
    if not _holds_mark(path):
        return {}
    video = decoder.probe(path).video
    if video is None or video.codec != "h264":
        return {}
    with decoder.scratch_folder() as folder:
        messages = folder / "messages.ts"
        copied = ("-map", "0:v:0", "-c", "copy", "-bsf:v", "h264_mp4toannexb,filter_units=pass_types=6")
        timed = ("-muxdelay", "0", "-muxpreload", "0", "-avoid_negative_ts", "disabled", "-f", "mpegts")
        decoder.run(["-i", str(path), *copied, *timed, str(messages)], label="reading captions")
        start = video.start or 0.0
        return {
            round((picture.pts - start) / frame_seconds): picture.triplets
            for picture in _pictures(messages.read_bytes())
            if picture.triplets
        }


def _holds_mark(path: Path) -> bool:
    with path.open("rb") as file:
        before = b""
        while part := file.read(READ_BYTES):
            if MARK in before + part:
                return True
            before = part[-len(MARK) :]
    return False


def _pictures(stream: bytes) -> Iterator[_Picture]:
    """The pictures of a transport stream, as they are stored. What is no packet ends it."""
    packets = np.frombuffer(stream, np.uint8)[: len(stream) // _PACKET * _PACKET].reshape(-1, _PACKET)
    broken = np.flatnonzero(packets[:, 0] != 0x47)
    packets = packets[: broken[0]] if broken.size else packets
    pids = (packets[:, 1].astype(np.uint16) & 0x1F) << 8 | packets[:, 2]
    begins = (packets[:, 1] & 0x40 > 0) & (packets[:, 3] & 0x10 > 0)
    pid = next((int(pids[at]) for at in np.flatnonzero(begins) if _is_picture(_payload(packets[at]))), None)
    if pid is None:
        return
    mine = np.flatnonzero(pids == pid)
    firsts = np.flatnonzero(begins[mine])
    for number, first in enumerate(firsts):
        last = firsts[number + 1] if number + 1 < firsts.size else mine.size
        payload = b""
        for at in mine[first:last]:
            payload += _payload(packets[at])
            if _has_slice(payload):
                break
        pts = _time(payload)
        if pts is not None:
            yield _Picture(pts, _triplets(payload) if MARK in payload else b"")


def _payload(packet: np.ndarray) -> bytes:
    start = 5 + int(packet[4]) if packet[3] & 0x20 else 4
    return packet[start:].tobytes() if packet[3] & 0x10 else b""


def _is_picture(payload: bytes) -> bool:
    return payload[:3] == b"\x00\x00\x01" and len(payload) > 3 and payload[3] & 0xF0 == 0xE0


def _has_slice(payload: bytes) -> bool:
    return re.search(rb"\x00\x00\x01[\x01-\x05\x21-\x25\x41-\x45\x61-\x65]", payload) is not None


def _time(payload: bytes) -> float | None:
    if len(payload) < 14 or not payload[7] & 0x80:
        return None
    high, middle, low = payload[9], int.from_bytes(payload[10:12], "big"), int.from_bytes(payload[12:14], "big")
    ticks = (high & 0x0E) << 29 | (middle & 0xFFFE) << 14 | low >> 1
    return (ticks - _WRAP if ticks > _WRAP // 2 else ticks) / 90_000


def _triplets(payload: bytes) -> bytes:
    """The captions of a picture: of every message of every SEI unit in front of its slices."""
    triplets = b""
    for unit in re.split(rb"\x00\x00\x01", payload[9 + payload[8] :]):
        if unit and unit[0] & 0x1F == 6:
            triplets += _of_unit(unit[1:].replace(b"\x00\x00\x03", b"\x00\x00"))
    return triplets


def _of_unit(messages: bytes) -> bytes:
    triplets, rest = b"", messages
    while len(rest) > 2:
        kind, rest = _number(rest)
        size, rest = _number(rest)
        body, rest = rest[:size], rest[size:]
        if kind == 4 and body[:3] == b"\xb5\x00\x31" and body[3:8] == MARK and len(body) > 10:
            triplets += body[10 : 10 + 3 * (body[8] & 0x1F)]
    return triplets[: len(triplets) // 3 * 3]


def _number(data: bytes) -> tuple[int, bytes]:
    """A number whose bytes add up, the last of which is not 255; and what follows it."""
    most = len(data) - len(data.lstrip(b"\xff"))
    return 255 * most + (data[most] if most < len(data) else 0), data[most + 1 :]


# --- What they say ----------------------------------------------------------------------------------------------------


def _said(triplets: bytes) -> bytes:
    """The triplets that say something: no stuffing, and no null pair of CEA-608."""
    each = [triplets[at : at + 3] for at in range(0, len(triplets), 3)]
    return b"".join(part for part in each if part[0] & 4 and (part[0] & 2 or part[1] & 0x7F or part[2] & 0x7F))


def services_of(by_frame: Mapping[int, bytes]) -> tuple[str, ...]:
    """The services that say anything, in order: CEA-608's channels, then CEA-708's services."""
    in_order = [by_frame[frame] for frame in sorted(by_frame)]
    parts = [part[at : at + 3] for part in in_order for at in range(0, len(part), 3)]
    valid = [(part[0] & 3, part[1], part[2]) for part in parts if part[0] & 4]
    channels = {f"CC{number}" for field in (0, 1) for number in _channels(field, valid)}
    digital = sorted(_digital(valid))
    return (*sorted(channels), *(f"SERVICE{number}" for number in digital))


def _channels(field: int, valid: Sequence[tuple[int, int, int]]) -> set[int]:
    """The channels with text of one field (0 or 1): 1 and 2 of the first, 3 and 4 of the second."""
    channels, channel = set(), 1
    for kind, first, second in valid:
        code, letter = first & 0x7F, second & 0x7F
        if kind != field or code == 0:
            continue
        if code >= 0x20:
            if channel:
                channels.add(channel + 2 * field)
        elif code >= 0x10:
            channel = 2 if code & 8 else 1
            is_letter = (code & 0x77 == 0x11 and letter >= 0x30) or code & 0x77 in (0x12, 0x13)
            if is_letter and 0x20 <= letter <= 0x3F:
                channels.add(channel + 2 * field)
        else:
            # Data of the programme, until the next control code.
            channel = 0
    return channels


def _digital(valid: Sequence[tuple[int, int, int]]) -> set[int]:
    """The services of CEA-708 whose blocks are not empty."""
    packets: list[bytearray] = []
    for kind, first, second in valid:
        if kind == 3:
            packets.append(bytearray([first, second]))
        elif kind == 2 and packets:
            packets[-1] += bytes([first, second])
    numbers: set[int] = set()
    for packet in packets:
        blocks = packet[1 : (packet[0] & 0x3F) * 2 or 128]
        while blocks and blocks[0]:
            number, size, used = blocks[0] >> 5, blocks[0] & 0x1F, 1
            if number == 7 and len(blocks) > 1:
                number, used = blocks[1] & 0x3F, 2
            if number and any(blocks[used : used + size]):
                numbers.add(number)
            blocks = blocks[used + size :]
    return numbers


# --- Comparing --------------------------------------------------------------------------------------------------------


def _faults(track: _Track, theirs: Mapping[int, bytes], frame_seconds: float) -> tuple[CaptionFault, ...]:
    ours = _saying(track.by_frame)
    wanted = _saying(theirs)
    if ours == wanted or not track.last_frames:
        return ()

    def fault(frame: int, other: int | None = None) -> CaptionFault:
        segment = next((name for name, last in track.last_frames if frame <= last), track.last_frames[-1][0])
        at = frame * frame_seconds
        if other is not None:
            return CaptionFault("moved", segment, at, (frame - other) * frame_seconds)
        kinds = {(True, False): "added", (False, True): "missing"}
        kind = kinds.get((frame in ours, frame in wanted), "changed")
        return CaptionFault(kind, segment, at)  # type: ignore[arg-type]

    if list(ours.values()) == list(wanted.values()):
        pairs = zip(ours, wanted, strict=True)
        return tuple(fault(frame, other) for frame, other in pairs if frame != other)[:MOST_FAULTS]
    wrong = sorted(frame for frame in ours.keys() | wanted.keys() if ours.get(frame) != wanted.get(frame))
    return tuple(fault(frame) for frame in wrong[:MOST_FAULTS])


def _saying(by_frame: Mapping[int, bytes]) -> dict[int, bytes]:
    """In the order of frames, what says something."""
    return {frame: said for frame in sorted(by_frame) if (said := _said(by_frame[frame]))}
