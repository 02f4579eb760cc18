"""Compares the sound of a new mezzanine with the upload's: all of it, each channel, at its time.

In: which of the upload's tracks is decoded, where its clock starts, and what its holes become. Out: measuring
(`sound_fidelity.py`).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path

import numpy as np

from codex_assets.media import profile
from codex_assets.media.facts import AudioStream
from codex_assets.verification.fidelity import SoundFidelity
from codex_assets.verification.observe.decoder import Decoder
from codex_assets.verification.observe.sound_fidelity import FORM, TIMED, SoundMeter, samples_of
from codex_assets.verification.observe.upload_channels import JoinedTracks, joined_tracks
from codex_assets.verification.observe.upload_pictures import UploadedMedia

MIXED_LAYOUTS = (
    *("mono", "stereo", "downmix", "2.1", "3.0", "3.0(back)", "3.1", "4.0", "quad", "quad(side)", "4.1"),
    *("5.0", "5.0(side)", "5.1", "5.1(side)", "6.0", "6.0(front)", "6.1", "6.1(back)", "7.0", "7.0(front)", "7.1"),
    *("7.1(wide)", "7.1(wide-side)", "hexagonal", "octagonal"),
)
"""Those that ffmpeg mixes into two channels by itself, in every release."""
NUMBERS = "aeval=exprs='if(isnan(val(ch))+isinf(val(ch))\\,0\\,val(ch))':c=same"
"""The filter that leaves of samples in floats what integers hold: no other numbers."""
CHANNELS = {
    "FL": "left",
    "FR": "right",
    "FC": "centre",
    "LFE": "low-frequency",
    "BL": "rear left",
    "BR": "rear right",
    "SL": "left side",
    "SR": "right side",
}
"""What channels are called in a finding."""


def compare_upload_sound(
    decoder: Decoder, upload: UploadedMedia, mezzanine: Path, gain: float | None
) -> tuple[SoundFidelity | None, tuple[str, ...]] | None:
    """How true the sound of the mezzanine, changed by `gain` dB, is to the upload's, None where there is too little,
    and ffmpeg's log; None without a sound, where nobody knows what its channels are, or where they change. Raises
    `ToolError` when one cannot be decoded."""
    audio = upload.info.audio
    if audio is None or not upload.even_sound:
        return None
    joined = joined_tracks(decoder, upload)
    if joined is None and (audio.channel_tracks or not _is_mixed(audio)):
        return None
    kept = f"{NUMBERS}," if audio.codec in profile.FLOAT_AUDIO else ""
    own = decoder.probe(mezzanine).audio
    pairs = _pairs(joined, own) if joined is not None else ()
    if joined is None:
        sounds = f"[0:a:0]{FORM}[own];[1:{audio.index}]{kept}{FORM}[reference]"
        graph = f"{sounds};[own][reference]amerge=inputs=2[all]"
    else:
        # Where it is not said, a filter in front of the pairs would mix down all of it.
        layout = f":channel_layouts={own.layout}" if pairs and own is not None else ""
        graph = _joined_graph(joined, pairs, f"[0:a:0]{TIMED}{layout}", kept)
    # A sound in floats may be far over full scale throughout; what is cut off in the meters is what is so beside it.
    turned_down = min(gain or 0.0, 0.0)
    scale = np.array([1.0, 1.0, *(2 * [10 ** (turned_down / 20)])], np.float32)

    def read(take: Callable[[int], bytes]) -> None:
        for samples in samples_of(take, len(meters)):
            for meter, part in zip(meters, np.split(samples, len(meters), axis=1), strict=True):
                meter.add(part * scale)

    inputs = ["-i", str(mezzanine), *upload.opened(), "-filter_complex", graph]
    arguments = [*inputs, *upload.read_along(1, audio.index), "-map", "[all]", "-f", "f32le", "-"]
    seconds = upload.info.seconds
    is_even = _is_even(upload, audio)
    with ExitStack() as files:
        meters = [SoundMeter(0, files.enter_context(decoder.unnamed_file())) for _ in range(1 + len(pairs))]
        run = decoder.run_into(arguments, read, label="comparing the sound with the upload's", duration=seconds)
        fidelity, *others = (_compared(meter, is_even, turned_down) for meter in meters)
    if fidelity is not None and joined is not None:
        named = zip(others, pairs, strict=True)
        compared = tuple(replace(each, sides=_names(joined, pair)) for each, pair in named if each is not None)
        fidelity = replace(fidelity, pairs=compared)
    return fidelity, run.log


def _pairs(joined: JoinedTracks, own: AudioStream | None) -> tuple[tuple[int, int], ...]:
    """Which channels are compared together; none of a stereo sound, which is compared as it is heard, nor where the
    mezzanine's (`own`) are others."""
    count = len(joined.tracks)
    if own is None or own.layout is None or own.channels != count or count <= profile.CHANNELS:
        return ()
    return tuple((at, at + 1) for at in range(0, count, 2))


def _names(joined: JoinedTracks, pair: tuple[int, int]) -> tuple[str, str]:
    return CHANNELS[joined.places[pair[0]]], CHANNELS[joined.places[pair[1]]]


def _joined_graph(joined: JoinedTracks, pairs: Sequence[tuple[int, int]], own: str, kept: str) -> str:
    """The filters that put both sounds beside each other as they are mixed to two channels, and behind that each of the
    pairs. `own`: those of the mezzanine's; `kept`: what is left of the upload's samples."""
    tracks = [f"[1:{index}]{kept}{TIMED}:channel_layouts=mono[track{at}]" for at, index in enumerate(joined.tracks)]
    places = "|".join(f"{at}.0-{place}" for at, place in enumerate(joined.places))
    pads = "".join(f"[track{at}]" for at in range(len(joined.tracks)))
    whole = f"{pads}join=inputs={len(joined.tracks)}:channel_layout={joined.layout}:map={places}[joined]"
    parts = [*tracks, whole, f"{own}[mezzanine]"]
    for name in ("mezzanine", "joined"):
        copies = "".join(f"[{name}{number}]" for number in range(len(pairs) + 1))
        parts.append(f"[{name}]asplit={len(pairs) + 1}{copies}")
        parts.append(f"[{name}0]aformat=sample_fmts=flt:channel_layouts=stereo[{name}_0]")
        for number, (first, second) in enumerate(pairs, start=1):
            parts.append(f"[{name}{number}]pan=stereo|c0=c{first}|c1=c{second}[{name}_{number}]")
    merged = [f"[mezzanine_{number}][joined_{number}]" for number in range(len(pairs) + 1)]
    return ";".join([*parts, f"{''.join(merged)}amerge=inputs={2 * len(merged)}[all]"])


def _compared(meter: SoundMeter, is_even: bool, turned_down: float) -> SoundFidelity | None:
    """What a meter measured beside an upload that was changed by `turned_down` dB for it."""
    fidelity = meter.result(steady=True)
    if fidelity is not None and fidelity.gain is not None:
        fidelity = replace(fidelity, gain=fidelity.gain + turned_down)
    return fidelity if fidelity is None or is_even else _without_waveforms(fidelity)


def _is_mixed(audio: AudioStream) -> bool:
    return audio.layout in MIXED_LAYOUTS if audio.layout is not None else audio.channels <= 2


def _is_even(upload: UploadedMedia, audio: AudioStream) -> bool:
    """Whether each packet follows the one before it: behind a hole, a sound may be off by as much as is not heard."""
    counted = upload.info.counted.get(audio.index)
    return counted is not None and not counted.steps and counted.unshown == 0


def _without_waveforms(fidelity: SoundFidelity) -> SoundFidelity:
    """`fidelity` without what changes with a shift of some milliseconds."""
    nothing = (None, None)
    seconds = tuple(replace(each, likeness=nothing, least_likeness=None, crossed=nothing) for each in fidelity.seconds)
    return replace(fidelity, seconds=seconds)
