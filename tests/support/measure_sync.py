"""What was delivered, measured from outside: when flashes are seen and beeps heard, how long, how loud, which tones.

Plain ffmpeg and ffprobe look at a file or a playlist; nothing here knows the code under test. Times are on the file's
own clock (`-copyts`), in seconds. A flash-and-beep clip is black and silent, but for a white picture and a tone that
begin together; how far apart they are delivered is what a viewer sees as lip sync.
"""

from __future__ import annotations

import json
import math
import re
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

Samples: TypeAlias = NDArray[np.float32]
RATE = 48_000
WINDOW = 48
"""Samples of one step of the envelope: a millisecond."""
QUIET_SECONDS = 0.15
"""A beep or flash begins after at least this long without one."""


@dataclass(frozen=True)
class Heard:
    """The sound of a file: two channels of samples at 48 kHz (full scale is 1), the first one at `start`."""

    start: float
    left: Samples
    right: Samples

    @property
    def seconds(self) -> float:
        return len(self.left) / RATE


@dataclass(frozen=True)
class Tracks:
    """First and last moment of each track, by its packets; None without one. `channels` of the sound."""

    video: tuple[float, float] | None
    audio: tuple[float, float] | None
    kinds: tuple[str, ...]
    channels: int | None

    @property
    def start(self) -> float:
        return min(span[0] for span in (self.video, self.audio) if span is not None)

    @property
    def seconds(self) -> float:
        spans = [span for span in (self.video, self.audio) if span is not None]
        # What lies before zero is an encoder's delay, or was cut off by an edit list: it is not shown.
        return max(span[1] for span in spans) - max(0.0, min(span[0] for span in spans))


def _ffmpeg(*arguments: str) -> tuple[bytes, str]:
    command = ["ffmpeg", "-hide_banner", "-nostdin", "-nostats", "-copyts", *arguments]
    done = subprocess.run(command, capture_output=True, check=True)
    return done.stdout, done.stderr.decode("utf-8", "replace")


def tracks(path: Path) -> Tracks:
    """Raises `CalledProcessError` for what ffprobe cannot read."""
    fields = "packet=stream_index,pts_time,duration_time:stream=index,codec_type,channels"
    command = ["ffprobe", "-v", "error", "-of", "json", "-show_entries", fields, str(path)]
    listed = json.loads(subprocess.run(command, capture_output=True, check=True).stdout)
    kinds = {stream["index"]: stream["codec_type"] for stream in listed["streams"]}
    spans: dict[str, tuple[float, float]] = {}
    for packet in listed["packets"]:
        if "pts_time" in packet:
            kind, at = kinds[packet["stream_index"]], float(packet["pts_time"])
            first, last = spans.get(kind, (at, at))
            spans[kind] = (min(first, at), max(last, at + float(packet.get("duration_time", 0))))
    channels = next((stream["channels"] for stream in listed["streams"] if stream["codec_type"] == "audio"), None)
    return Tracks(spans.get("video"), spans.get("audio"), tuple(kinds.values()), channels)


def flashes(path: Path, threshold: float = 100.0) -> list[float]:
    """When the picture turns white."""
    look = "scale=8:8:flags=area,format=gray,showinfo"
    _, log = _ffmpeg("-i", str(path), "-map", "0:v:0", "-vf", look, "-fps_mode", "passthrough", "-f", "null", "-")
    seen = re.findall(r"pts_time:\s*(-?[\d.e+-]+).*?mean:\[(\d+)", log)
    return _onsets([(float(at), float(mean)) for at, mean in seen], threshold)


def hear(path: Path) -> Heard:
    """Every decoded sample where its timestamp puts it."""
    shape = f"aresample={RATE},aformat=sample_fmts=flt:sample_rates={RATE}:channel_layouts=stereo,ashowinfo"
    data, log = _ffmpeg("-i", str(path), "-map", "0:a:0", "-af", shape, "-f", "f32le", "-")
    samples = np.frombuffer(data[: len(data) // 8 * 8], np.float32).reshape(-1, 2)
    frames = [(float(at), int(n)) for at, n in re.findall(r"pts_time:\s*(-?[\d.e+-]+).*?nb_samples:(\d+)", log)]
    start = frames[0][0] if frames else 0.0
    parts: list[Samples] = []
    taken = length = 0
    for at, count in frames:
        gap = round((at - start) * RATE) - length
        if gap > WINDOW:
            parts.append(np.zeros((gap, 2), np.float32))
            length += gap
        parts.append(samples[taken : taken + count])
        length += len(parts[-1])
        taken += count
    placed = np.concatenate(parts) if parts else samples[:0]
    return Heard(start, placed[:, 0], placed[:, 1])


def beeps(path: Path, part: float = 0.3) -> list[float]:
    """When a tone begins: the envelope passes `part` of its maximum."""
    heard = hear(path)
    envelope = _envelope(heard.left) + _envelope(heard.right)
    loudest = float(envelope.max(initial=0.0))
    loud = np.flatnonzero(envelope > part * loudest).tolist()
    steps = [(heard.start + number * WINDOW / RATE, loudest) for number in loud]
    return _onsets(steps, part * loudest) if loudest > 0.001 else []


def _envelope(samples: Samples) -> Samples:
    """The highest sample of each window."""
    padded = np.pad(np.abs(samples), (0, -len(samples) % WINDOW))
    highest: Samples = padded.reshape(-1, WINDOW).max(axis=1)
    return highest


def _onsets(steps: Sequence[tuple[float, float]], threshold: float) -> list[float]:
    onsets: list[float] = []
    last = -math.inf
    for at, level in steps:
        if level > threshold:
            if at - last > QUIET_SECONDS:
                onsets.append(at)
            last = at
    return onsets


def offsets(path: Path) -> list[float]:
    """By how many seconds each beep comes after its flash. Raises `AssertionError` when one has no partner."""
    seen, heard = flashes(path), beeps(path)
    assert len(seen) == len(heard), f"{len(seen)} flashes {seen}, {len(heard)} beeps {heard}"
    return [beep - flash for flash, beep in zip(seen, heard, strict=True)]


def loudness(path: Path) -> float | None:
    """LUFS, integrated, of what two loudspeakers play of it; None for silence."""
    # In floats: of integers ffmpeg makes a softer mix, so that no sum can clip.
    # With silence in its gaps, as players play them.
    meter = "aresample=async=1,aformat=sample_fmts=fltp:channel_layouts=stereo,ebur128=framelog=verbose"
    _, log = _ffmpeg("-i", str(path), "-map", "0:a:0", "-af", meter, "-f", "null", "-")
    (loudness,) = re.findall(r"^\s+I:\s+(-?[\d.]+|-inf|nan) LUFS", log, re.MULTILINE)[-1:]
    return None if loudness in ("-inf", "nan") or float(loudness) <= -70.0 else float(loudness)


def tone(samples: Samples, frequency: float) -> float:
    """Amplitude of one frequency, full scale is 1."""
    turns = np.exp(-2j * math.pi * frequency / RATE * np.arange(len(samples)))
    return 2 * abs(complex(np.dot(samples, turns))) / max(1, len(samples))


if __name__ == "__main__":
    for name in sys.argv[1:]:
        print(name, "flashes", [round(at, 3) for at in flashes(Path(name))])
        print(name, "beeps  ", [round(at, 3) for at in beeps(Path(name))])
        print(
            name, "offsets", [round(1000 * by) for by in offsets(Path(name))], "ms;", "loudness", loudness(Path(name))
        )
