"""What is observed of delivered sound by itself: its loudness, and its coded bytes.

In: decoding, measuring and reading it. Out: comparing it with the mezzanine's (`sound_fidelity.py`), and what it should
be (`rules/loudness.py`).
"""

from __future__ import annotations

import hashlib
import math
import re
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

from codex_assets.errors import ToolError
from codex_assets.media import profile
from codex_assets.verification.observations import LoudnessExpected, LoudnessObservation
from codex_assets.verification.observe.decoder import Decoder, concatenation, path_inside, public_reason
from codex_assets.verification.observe.playlists import parse_media_playlist, text_of
from codex_assets.verification.sound_observations import LoudnessSecond

READ_BYTES = 1 << 16


def observe_loudness(decoder: Decoder, media: Path, expected: LoudnessExpected, *, output: str) -> LoudnessObservation:
    """The sound of a media playlist or file; see `Observer.loudness`."""
    base = LoudnessObservation(output, expected=expected)
    try:
        with decoder.scratch_folder() as folder:
            source = input_of(media, folder)
            if source is None:
                return replace(base, problem="there is nothing to decode")
            # The frame-by-frame log would push the summary's beginning out of the kept lines.
            meter = "ebur128=peak=true:framelog=verbose:metadata=1,ametadata=mode=print:file=pipe\\\\:1"
            arguments = [*source, "-map", "0:a:0", "-af", meter, "-f", "null", "-"]
            seconds = _Seconds()
            run = decoder.run_into(arguments, seconds.read, label="measuring loudness")
    except ToolError as error:
        return replace(base, problem=public_reason(error, media.parent))
    measured = _summary(run.log)
    if measured is None:
        return replace(base, problem="the meter gave no summary")
    integrated_lufs, true_peak_dbtp, range_lu, duration = measured
    return replace(
        base,
        integrated_lufs=integrated_lufs,
        true_peak_dbtp=true_peak_dbtp,
        range_lu=range_lu,
        duration=duration,
        seconds=seconds.result(),
    )


class _Seconds:
    """Reads what the meter says of every tenth of a second, and keeps what there is to say of each second."""

    def __init__(self) -> None:
        self._momentary: list[float] = []
        self._short_term: list[float] = []
        self._second = 0

    def read(self, take: Callable[[int], bytes]) -> None:
        rest = b""
        while data := take(READ_BYTES):
            *lines, rest = (rest + data).split(b"\n")
            for line in lines:
                self._add(line.decode("ascii", "replace"))

    def _add(self, line: str) -> None:
        if time := re.search(r"^frame:.*pts_time:([\d.]+)", line):
            self._second = int(float(time[1]) + 0.0005)
        elif level := re.match(r"lavfi\.r128\.([MS])=(-?[\d.]+)", line):
            kept = self._momentary if level[1] == "M" else self._short_term
            kept += [-math.inf] * (self._second + 1 - len(kept))
            kept[self._second] = max(kept[self._second], float(level[2])) if level[1] == "M" else float(level[2])

    def result(self) -> tuple[LoudnessSecond, ...]:
        pairs = zip(self._momentary, self._short_term, strict=False)
        return tuple(LoudnessSecond(_audible(momentary), _audible(short_term)) for momentary, short_term in pairs)


def _audible(level: float) -> float | None:
    return level if level > profile.SILENCE_LUFS else None


def input_of(media: Path, folder: Path) -> list[str] | None:
    """Input arguments for a file as it is, or for a playlist's segments one after the other; None: there are none."""
    if media.suffix != ".m3u8":
        return ["-i", str(media)] if media.is_file() else None
    text, _ = text_of(media)
    entries = parse_media_playlist(media.name, text)[1] if text is not None else []
    files = [path_inside(media.parent, name) for name, _ in entries]
    present = [path for path in files if path is not None and path.is_file() and path.stat().st_size]
    return concatenation(folder / "all.txt", present) if present else None


def coded_sound_digest(decoder: Decoder, source: Sequence[str], *, duration: float | None = None) -> str:
    """SHA-256 of the coded sound of an input that lasts `duration` seconds, packet after packet and without times.

    Raises `ToolError` when it cannot be read.
    """
    digest = hashlib.sha256()

    def read(take: Callable[[int], bytes]) -> None:
        while data := take(READ_BYTES):
            digest.update(data)

    arguments = [*source, "-map", "0:a:0", "-c", "copy", "-f", "data", "-"]
    decoder.run_into(arguments, read, label="reading the sound", duration=duration)
    return digest.hexdigest()


def _summary(log: Sequence[str]) -> tuple[float, float, float, float] | None:
    """LUFS, dBTP, LU and seconds, from the end of an `ebur128` run's log; None when it has no summary."""
    text = "\n".join(log)
    patterns = (r"\bI:\s+(\S+) LUFS", r"\bPeak:\s+(\S+) dBFS", r"\bLRA:\s+(\S+) LU")
    numbers = [re.findall(pattern, text) for pattern in patterns]
    if not all(numbers):
        return None
    hours, minutes, seconds = (re.findall(r"time=(\d+):(\d+):([\d.]+)", text) or [("0", "0", "0")])[-1]
    integrated_lufs, true_peak_dbtp, range_lu = (float(values[-1]) for values in numbers)
    return integrated_lufs, true_peak_dbtp, range_lu, int(hours) * 3600 + int(minutes) * 60 + float(seconds)
