"""Moments of a sound at which its encode passes the peak limit: they alone are encoded again, softer.

How far a lossy coder overshoots a peak is chance: whatever is encoded anew passes the limit elsewhere. So what is right
stays as it is, to the byte, and a passage around each such moment is encoded again from the same sound, a little softer
there. It begins in front of the frames that it is for, so that the coder has heard what came before, and takes over
where both encodes use the same windows (`aac_frames.py`).

Moments are counted in tenths of a second of the decoded sound, frames in the encoded one: frame 0 holds nothing but the
coder's delay.
"""

from __future__ import annotations

from array import array
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from codex_assets.media import ffmpeg_words, profile
from codex_assets.media.encode import aac_frames, ladder
from codex_assets.media.encode.aac_frames import Frames
from codex_assets.media.encode.flags import BITEXACT, STRIPPED
from codex_assets.media.input_flags import input_arguments

BLOCK_SAMPLES = profile.SAMPLE_RATE // 10
"""The meter tells the peak of each tenth of a second."""
LEAD_FRAMES = 48
"""A second in front of what is taken of a passage: a coder that begins in the middle codes otherwise at first."""
SEARCHED_FRAMES = 40
"""Over which a place is looked for where both encodes have the same windows."""
CLEAR_FRAMES = 4
"""Between a softer moment and a place where an encode takes over: a coder looks ahead."""
SOFT_SECONDS, RAMP_SECONDS = 0.04, 0.05
"""How long a moment is softer before and after its tenth of a second, and how long it takes to become so."""
FIRST_STEP, MARGIN = 1.0, 0.3
"""dB. What passes the limit by far does so by chance, and is gone with the smallest change: the first step is small."""
LOWERED_SHARE = 0.01
"""Of a sound. With all strokes of a drum loop softer (a tenth of it), its loud parts were 0.8 dB nearer to the rest."""
CURVE_SAMPLES = 64
"""Samples of the sound that one value of the curve is for."""


@dataclass(frozen=True)
class Passage:
    """Frames that are encoded again, both ends included: those from `begin` to `end` are for a softer moment."""

    first: int
    begin: int
    end: int
    last: int


def block_peaks(log: Iterable[str]) -> list[float]:
    """The true peak in dBTP of each tenth of a second, of a log with `loudness.METERED_BLOCKS`."""
    matches = (ffmpeg_words.METER_BLOCK.search(line) for line in log)
    return [max(float(peak) for peak in match["peaks"].split()) for match in matches if match]


def too_loud(peaks: Sequence[float]) -> dict[int, float]:
    """By how many dB each tenth of a second passes the limit, of those that do."""
    over = {block: round(peak - profile.DELIVERED_PEAK_LIMIT, 1) for block, peak in enumerate(peaks)}
    return {block: decibels for block, decibels in over.items() if decibels > 0}


def are_moments(over: Collection[int], peaks: Sequence[float]) -> bool:
    """Whether these are moments of a sound, and not a property of it: making them softer is not heard."""
    return len(over) <= max(1, profile.SOFTENED_SHARE * len(peaks))


def are_peaks_lowered(softer: Collection[int], peaks: Sequence[float]) -> bool:
    """Whether a sound with these softer moments is one with lowered peaks. A few are not: all of it has one gain."""
    return len(softer) > LOWERED_SHARE * len(peaks)


def deepened(softer: Mapping[int, float], over: Mapping[int, float]) -> dict[int, float] | None:
    """dB by which each moment is made softer, after these passed the limit by so much once more. None where they are as
    soft as they may be."""
    most = profile.SOFTENED_DECIBELS
    if all(softer.get(block, 0.0) >= most for block in over):
        return None
    steps = {block: decibels if block in softer else min(decibels, FIRST_STEP) for block, decibels in over.items()}
    return {**softer, **{block: min(most, softer.get(block, 0.0) + step + MARGIN) for block, step in steps.items()}}


def curve(softer: Mapping[int, float], samples: int) -> array[float]:
    """The gain of a sound of so many samples per channel, a value for each `CURVE_SAMPLES`."""
    values = array("f", [1.0]) * (samples // CURVE_SAMPLES + 2 * BLOCK_SAMPLES // CURVE_SAMPLES)
    for block, decibels in softer.items():
        begin, end = (second * profile.SAMPLE_RATE for second in _softest(block))
        low, ramp = 10 ** (-decibels / 20), RAMP_SECONDS * profile.SAMPLE_RATE
        for at in range(max(0, int((begin - ramp) / CURVE_SAMPLES)), int((end + ramp) / CURVE_SAMPLES) + 1):
            away = max(begin - at * CURVE_SAMPLES, at * CURVE_SAMPLES - end, 0.0) / ramp
            if at < len(values) and away < 1:
                values[at] = min(values[at], low + (1 - low) * away)
    return values


def _softest(block: int) -> tuple[float, float]:
    """From when to when the sound is softest, in seconds of what is encoded: it is decoded a frame later."""
    begin = (block * BLOCK_SAMPLES - profile.AAC_FRAME_SAMPLES) / profile.SAMPLE_RATE
    return begin - SOFT_SECONDS, begin + BLOCK_SAMPLES / profile.SAMPLE_RATE + SOFT_SECONDS


def passages(blocks: Collection[int], count: int) -> list[Passage]:
    """What is encoded again, of a sound of `count` frames, so that these moments change. None touches another."""
    joined: list[Passage] = []
    for block in sorted(blocks):
        begin, end = _softest(block)
        begin_frame = int(max(0.0, begin - RAMP_SECONDS) * profile.SAMPLE_RATE) // profile.AAC_FRAME_SAMPLES
        end_frame = int((end + RAMP_SECONDS) * profile.SAMPLE_RATE) // profile.AAC_FRAME_SAMPLES + 1
        wanted = _around(max(0, begin_frame - CLEAR_FRAMES), min(count - 1, end_frame + CLEAR_FRAMES), count)
        if joined and wanted.first <= joined[-1].last:
            wanted = _around(joined.pop().begin, wanted.end, count)
        joined.append(wanted)
    return joined


def _around(begin: int, end: int, count: int) -> Passage:
    first = max(0, begin - SEARCHED_FRAMES - LEAD_FRAMES)
    return Passage(first, begin, end, min(count - 1, end + SEARCHED_FRAMES))


def arguments(
    source: Sequence[str], gain: Sequence[str], curve_file: str, kbps: int, outputs: Sequence[tuple[Passage, str]]
) -> list[str]:
    """Encode these passages of a sound, each as the ADTS stream at its path. `source`: the options that open it;
    `gain`: the filters that it passes before it is encoded."""
    steps = profile.SAMPLE_RATE // CURVE_SAMPLES
    names = [f"part{number}" for number in range(len(outputs))]
    graph = [
        f"[0:a:0]{','.join(gain)}[sound]",
        f"[1:a:0]aresample={profile.SAMPLE_RATE},pan=stereo|c0=c0|c1=c0[curve]",
        f"[sound][curve]amultiply,asplit={len(names)}" + "".join(f"[{name}]" for name in names),
    ]
    maps: list[str] = []
    for name, (passage, path) in zip(names, outputs, strict=True):
        begin, end = (frame * profile.AAC_FRAME_SAMPLES for frame in (passage.first, passage.last + 1))
        graph.append(f"[{name}]atrim=start_sample={begin}:end_sample={end},asetpts=N/SR/TB[{name}out]")
        maps += ["-map", f"[{name}out]", *ladder.sound_coding(kbps), "-f", "adts", path]
    values = ["-f", "f32le", "-ar", str(steps), "-ac", "1", "-i", curve_file]
    return [*source, *values, "-filter_complex", ";".join(graph), *maps]


def stream_arguments(sound: Sequence[str], path: str) -> list[str]:
    """The frames of a finished sound as an ADTS stream at `path`. `sound`: the options that open it."""
    return [*sound, "-map", "0:a:0", "-c:a", "copy", "-f", "adts", path]


def file_arguments(stream: str, path: str) -> list[str]:
    """An ADTS stream as a finished sound at `path`, whose first frame lies in front of its beginning, as an encoder
    has it."""
    length = profile.AAC_FRAME_SAMPLES
    clock = f"setts=time_base=1/{profile.SAMPLE_RATE}:ts=(N-1)*{length}:duration={length}"
    return [*input_arguments(stream, trusted=True), "-c:a", "copy", "-bsf:a", clock, *STRIPPED, *BITEXACT, path]


@dataclass(frozen=True)
class Part:
    """What takes the place of these frames of a whole sound."""

    frames: range
    stream: bytes


def part_of(whole: Frames, passage: Passage, encoded: Frames) -> Part | None:
    """What is taken of a passage that was encoded again. None where it fits at one end nowhere."""
    begin, end = passage.begin - passage.first, min(passage.end - passage.first, len(encoded))
    starts = range(begin, max(0, begin - SEARCHED_FRAMES) - 1, -1)
    ends = range(end, min(len(encoded), end + SEARCHED_FRAMES + 1))
    start = next((at for at in starts if _takes_over(whole, encoded, passage.first, at)), None)
    stop = next((at for at in ends if _takes_over(whole, encoded, passage.first, at)), None)
    if passage.last >= len(whole) - 1:
        stop = len(whole) - passage.first
    if start is None or stop is None or stop > len(encoded):
        return None
    return Part(range(passage.first + start, passage.first + stop), bytes(encoded.part(start, stop)))


def put_together(whole: Frames, parts: Iterable[Part]) -> Iterator[memoryview | bytes]:
    """The stream of a whole sound with these parts in it, which are in the order of the sound."""
    at = 0
    for part in parts:
        yield whole.part(at, part.frames.start)
        yield part.stream
        at = part.frames.stop
    yield whole.part(at, len(whole))


def _takes_over(whole: Frames, encoded: Frames, first: int, at: int) -> bool:
    if first + at == 0:
        return True
    is_there = at < len(encoded) and first + at < len(whole)
    return is_there and aac_frames.may_take_over(whole, encoded, first + at, at)
