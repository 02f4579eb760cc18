"""Compares the sound of a new mezzanine with the upload's: all of it, each channel, at its time.

In: which of the upload's tracks is decoded, where its clock starts, and what its holes become. Out: measuring
(`sound_fidelity.py`).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from codex_assets.media import profile
from codex_assets.media.facts import AudioStream
from codex_assets.verification.fidelity import SoundFidelity
from codex_assets.verification.observe.decoder import Decoder
from codex_assets.verification.observe.sound_fidelity import FORM, SoundMeter, samples_of
from codex_assets.verification.observe.upload_channels import left_and_right
from codex_assets.verification.observe.upload_pictures import UploadedMedia

MIXED_LAYOUTS = (
    *("mono", "stereo", "downmix", "2.1", "3.0", "3.0(back)", "3.1", "4.0", "quad", "quad(side)", "4.1"),
    *("5.0", "5.0(side)", "5.1", "5.1(side)", "6.0", "6.0(front)", "6.1", "6.1(back)", "7.0", "7.0(front)", "7.1"),
    *("7.1(wide)", "7.1(wide-side)", "hexagonal", "octagonal"),
)
"""Those that ffmpeg mixes into two channels by itself, in every release."""


def compare_upload_sound(
    decoder: Decoder, upload: UploadedMedia, mezzanine: Path, gain: float | None
) -> tuple[SoundFidelity | None, tuple[str, ...]] | None:
    """How true the sound of the mezzanine, changed by `gain` dB, is to the upload's, None where there is too little,
    and ffmpeg's log; None without a sound, where nobody knows what its channels are, or where they change. Raises
    `ToolError` when one cannot be decoded."""
    audio = upload.info.audio
    if audio is None or not upload.even_sound:
        return None
    sides = left_and_right(decoder, upload)
    if sides is None and (audio.channel_tracks or not _is_mixed(audio)):
        return None
    kept = f"{_kept_of_floats(gain)}," if audio.codec in profile.FLOAT_AUDIO else ""
    heard = f"[1:{audio.index}]{kept}{FORM}[reference]"
    if sides is not None:
        each = [f"[1:{index}]{kept}{FORM.replace('stereo', 'mono')}[side{at}]" for at, index in enumerate(sides)]
        heard = ";".join([*each, "[side0][side1]join=inputs=2:channel_layout=stereo:map=0.0-FL|1.0-FR[reference]"])
    graph = f"[0:a:0]{FORM}[own];{heard};[own][reference]amerge=inputs=2[all]"
    meter = SoundMeter(0)

    def read(take: Callable[[int], bytes]) -> None:
        for samples in samples_of(take):
            meter.add(samples)

    inputs = ["-i", str(mezzanine), *upload.opened(), "-filter_complex", graph]
    arguments = [*inputs, *upload.read_along(1, audio.index), "-map", "[all]", "-f", "f32le", "-"]
    seconds = upload.info.seconds
    run = decoder.run_into(arguments, read, label="comparing the sound with the upload's", duration=seconds)
    fidelity = meter.result(steady=True)
    if fidelity is not None and not _is_even(upload, audio):
        fidelity = _without_waveforms(fidelity)
    return fidelity, run.log


def _kept_of_floats(gain: float | None) -> str:
    """The filter that leaves of samples in floats what integers hold: no other numbers, and nothing over full scale
    where the whole was not turned down."""
    number = "val(ch)" if gain else "clip(val(ch)\\,-1\\,1)"
    return f"aeval=exprs='if(isnan(val(ch))+isinf(val(ch))\\,0\\,{number})':c=same"


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
