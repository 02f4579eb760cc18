"""What is observed of sound: its loudness as delivered, and the envelopes by which two sounds are compared.

In: decoding and measuring sound. Out: comparing two envelopes (`sync.py`), and what they should be (`rules/`).
"""

from __future__ import annotations

import math
import re
from array import array
from collections.abc import Sequence
from dataclasses import replace
from operator import mul
from pathlib import Path

from codex_assets.errors import ToolError
from codex_assets.verification.observations import LoudnessExpected, LoudnessObservation
from codex_assets.verification.observe.decoder import Decoder, concatenation, path_inside, public_reason
from codex_assets.verification.observe.playlists import parse_media_playlist, text_of
from codex_assets.verification.observe.sync import ENVELOPE_RATE, ENVELOPE_SAMPLES, Envelope


def observe_loudness(decoder: Decoder, media: Path, expected: LoudnessExpected, *, output: str) -> LoudnessObservation:
    """The sound of a media playlist or file; see `Observer.loudness`."""
    base = LoudnessObservation(output, expected=expected)
    try:
        with decoder.scratch_folder() as folder:
            source = input_of(media, folder)
            if source is None:
                return replace(base, problem="there is nothing to decode")
            # The frame-by-frame log would push the summary's beginning out of the kept lines.
            meter = "ebur128=peak=true:framelog=verbose"
            arguments = [*source, "-map", "0:a:0", "-af", meter, "-f", "null", "-"]
            run = decoder.run(arguments, label="measuring loudness")
    except ToolError as error:
        return replace(base, problem=public_reason(error, media.parent))
    measured = _summary(run.log)
    if measured is None:
        return replace(base, problem="the meter gave no summary")
    integrated_lufs, true_peak_dbtp, range_lu, duration = measured
    return replace(
        base, integrated_lufs=integrated_lufs, true_peak_dbtp=true_peak_dbtp, range_lu=range_lu, duration=duration
    )


def input_of(media: Path, folder: Path) -> list[str] | None:
    """Input arguments for a file as it is, or for a playlist's segments one after the other; None: there are none."""
    if media.suffix != ".m3u8":
        return ["-i", str(media)] if media.is_file() else None
    text, _ = text_of(media)
    entries = parse_media_playlist(media.name, text)[1] if text is not None else []
    files = [path_inside(media.parent, name) for name, _ in entries]
    present = [path for path in files if path is not None and path.is_file() and path.stat().st_size]
    return concatenation(folder / "all.txt", present) if present else None


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


def delivered_envelope(decoder: Decoder, segments: Sequence[Path], at: float, seconds: float) -> Envelope | None:
    """The envelope of the first `seconds` of `segments`, whose sound starts at `at` on the common timeline.

    None where nothing can be decoded.
    """
    with decoder.scratch_folder() as folder:
        return _envelope(decoder, concatenation(folder / "part.txt", segments), folder, at, seconds)


def reference_envelope(decoder: Decoder, path: Path, at: float, seconds: float) -> Envelope | None:
    """The envelope of `seconds` of the mezzanine's sound, from `at` on.

    None without sound, or where none can be decoded. Remembered, for every variant is compared with it. Raises
    `ToolError` when the mezzanine cannot be probed.
    """

    def decode() -> Envelope | None:
        if decoder.probe(path).audio is None:
            return None
        with decoder.scratch_folder() as folder:
            seek = ["-ss", f"{at:.6f}"] if at > 0 else []
            return _envelope(decoder, [*seek, "-i", str(path)], folder, at, seconds, filled=True)

    return decoder.remembered(path, ("envelope", round(at, 2), round(seconds, 2)), decode)


def _envelope(
    decoder: Decoder, source: Sequence[str], folder: Path, at: float, seconds: float, *, filled: bool = False
) -> Envelope | None:
    """The envelope of an input whose first sample is heard at `at`; `filled`: whose clock starts then, and whose sound
    may start later. None where nothing can be decoded.

    Gaps in its timestamps are heard as silence. Both channels are kept until their energies are added: a mono mix of
    opposite phases would be silence.
    """
    raw = folder / "sound.f32"
    resampled = "aresample=async=1:first_pts=0" if filled else "aresample=async=1"
    shape = ["-map", "0:a:0", "-af", resampled, "-ac", "2", "-ar", str(ENVELOPE_SAMPLES), "-t", f"{seconds:.3f}"]
    try:
        decoder.run([*source, *shape, "-f", "f32le", str(raw)], label="decoding sound")
    except ToolError:
        return None
    samples = array("f")
    samples.frombytes(raw.read_bytes())
    step = 2 * ENVELOPE_SAMPLES // ENVELOPE_RATE
    powers = [
        sum(map(mul, part, part)) / step
        for part in (samples[index : index + step] for index in range(0, len(samples) - step + 1, step))
    ]
    # A click that falls between two points would look different after a shift of less than one.
    padded = [*powers[:1], *powers, *powers[-1:]]
    smooth = [math.sqrt((a + 2 * b + c) / 4) for a, b, c in zip(padded, padded[1:], padded[2:], strict=False)]
    return Envelope(round(at * ENVELOPE_RATE), tuple(smooth)) if smooth else None
