"""The mezzanine's encode, and what is done otherwise when it fails or shows what no header tells.

In: an upload that was examined (`source`). Out: one file, and what was learnt on the way. Tried in this order: another
encoder (`encoders`), another way to keep the sound, another level of it, one form of it, and last what stands in for
what could not be decoded. Not here: the arguments (`media/mezzanine.py`), whether enough is left (`source`).
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field, replace
from pathlib import Path

from codex_assets import source as upload
from codex_assets.encoders import Choice, Encoders
from codex_assets.errors import SourceError, ToolError
from codex_assets.media import damage, loudness, mezzanine, probe, profile
from codex_assets.media.mezzanine import AudioTreatment
from codex_assets.media.probe import MediaInfo
from codex_assets.records import MediaType
from codex_assets.tools import Progress, ToolRun, Tools

_log = logging.getLogger(__name__)

Phase = Callable[[str], AbstractContextManager[Callable[[Progress], None]]]


@dataclass(frozen=True)
class Normalised:
    """A mezzanine as it came out.

    `info` is what was encoded of the upload, `treatment` how its sound was kept (None: there is none), `gain` the
    decibels by which that was changed. `warnings` have to be told; `seconds` came out of each of the upload's tracks.
    """

    info: MediaInfo
    run: ToolRun
    log: damage.DecodeLog
    choice: Choice
    treatment: AudioTreatment | None
    gain: float = 0.0
    warnings: Sequence[str] = ()
    seconds: dict[int, float] = field(default_factory=dict)


@dataclass(frozen=True)
class _Plan:
    """One way to encode the upload; the fields are those of `mezzanine.arguments`."""

    info: MediaInfo
    treatment: AudioTreatment | None
    steady: Path | None = None
    missing: float = 0.0
    gain: float = 0.0
    clipped: bool = False
    log: damage.DecodeLog | None = None
    """Of the decode that `steady` comes from: what the upload's sound complained of, the new file's does not."""


class Normaliser:
    """Makes the mezzanine of one upload at `path`; scratch files go into `folder`."""

    def __init__(
        self,
        tools: Tools,
        encoders: Encoders,
        phase: Phase,
        *,
        media_type: MediaType,
        source: Path,
        path: Path,
        folder: Path,
    ) -> None:
        self._tools, self._encoders, self._phase = tools, encoders, phase
        self._with_picture = media_type == "video"
        self._source, self._path, self._folder = source, path, folder

    def normalise(self, info: MediaInfo) -> Normalised:
        """Raises `SourceError` when nothing can be made of the upload, `ToolError` when the worker is in trouble."""
        told: list[str] = []
        try:
            plan, made = self._with_the_sound(info, told)
            plan, made = self._in_one_level_and_form(plan, made)
            got = probe.parse(
                self._tools.ffprobe(probe.probe_arguments(str(self._path), trusted=True), label="probing")
            )
            made = self._whole(plan, made, got, told)
        except ToolError as error:
            raise upload.fault(error, self._source) from None
        return replace(made, warnings=told, seconds=_decoded_seconds(info, got))

    def _with_the_sound(self, info: MediaInfo, told: list[str]) -> tuple[_Plan, Normalised]:
        """Copied where that can be; what mp4 refuses, or what turns out to be damaged, is encoded."""
        plan = _Plan(info, mezzanine.audio_treatment(info, with_picture=self._with_picture))
        try:
            made = self._encode(plan)
        except ToolError as error:
            if plan.treatment != "copied":
                raise
            _log.warning("the sound cannot be copied into the mezzanine: %s", error.reason)
            told.append("The sound could not be kept as it was uploaded and was encoded once more in high quality.")
        else:
            if plan.treatment != "copied" or not made.log.sound_damaged(info):
                return plan, made
            _log.warning("the sound is damaged: it is encoded from what can be decoded, not copied")
        # What a decoder makes of damage may be noise.
        plan = replace(plan, treatment="encoded", clipped=True)
        return plan, self._encode(plan)

    def _in_one_level_and_form(self, plan: _Plan, made: Normalised) -> tuple[_Plan, Normalised]:
        over = _over_full_scale(made)
        if over > 0:
            plan = replace(plan, gain=-over - profile.FULL_SCALE_ROOM)
            made = self._encode(plan)
        if made.log.summaries > 1:
            plan = replace(plan, treatment="encoded", steady=self._steady_sound(plan.info), gain=0.0, log=made.log)
            made = self._encode(plan)
        return plan, made

    def _whole(self, plan: _Plan, made: Normalised, got: MediaInfo, told: list[str]) -> Normalised:
        """A sound that gave nothing is left out, a picture that ended early is held."""
        info = plan.info
        if info.audio is not None and (got.audio is None or not got.audio.duration):
            if not self._with_picture:
                raise SourceError("The upload's sound could not be decoded; it is damaged or not supported.")
            plan = replace(plan, info=replace(info, audio=None), treatment=None)
            told.append(damage.SOUND_LEFT_OUT)
        missing = 0.0
        if self._with_picture and info.seconds is not None and plan.info.audio is not None:
            heard = (got.audio.duration if got.audio is not None else None) or 0.0
            if heard <= info.seconds + profile.TRACKS_APART_SECONDS:
                # Only what a decoder makes of damage lasts longer than its packets say.
                heard = 0.0
            missing = max(info.seconds, heard) - ((got.video.duration if got.video is not None else None) or 0.0)
        if plan.info is info and missing <= profile.TRACKS_APART_SECONDS:
            return made
        return self._encode(replace(plan, missing=max(0.0, missing)))

    def _encode(self, plan: _Plan) -> Normalised:
        info = plan.info
        if plan.steady is not None and info.audio is not None:
            one = replace(info.audio, channels=profile.CHANNELS, layout="stereo", sample_rate=profile.SAMPLE_RATE)
            info = replace(info, audio=one)

        def run(row: profile.EncoderRow) -> tuple[ToolRun, damage.DecodeLog]:
            log = damage.DecodeLog()
            arguments = mezzanine.arguments(
                info,
                str(self._source),
                str(self._path),
                row,
                treatment=plan.treatment,
                with_picture=self._with_picture,
                # Always: a copy is decoded as well, to find out whether it can be.
                measure=True,
                sound=str(plan.steady) if plan.steady is not None else None,
                missing=plan.missing,
                gain=plan.gain,
                clipped=plan.clipped,
            )
            with self._phase("mezzanine") as on_progress:
                made = self._tools.ffmpeg(
                    arguments,
                    label="making the mezzanine",
                    duration=info.seconds,
                    on_progress=on_progress,
                    on_log=log.add,
                )
            return made, log

        if self._with_picture and info.video is not None:
            (made, log), choice = self._encoders.encode(run, smallest_side=min(mezzanine.size(info.video)))
        else:
            (made, log), choice = run(profile.X264), Choice(profile.X264, "no picture")
        return Normalised(info, made, plan.log or log, choice, plan.treatment, round(plan.gain, 2))

    def _steady_sound(self, info: MediaInfo) -> Path:
        self._folder.mkdir(parents=True, exist_ok=True)
        path = self._folder / "steady.mka"
        arguments = mezzanine.steady_arguments(info, str(self._source), str(path))
        self._tools.ffmpeg(arguments, label="reading a sound that changes", duration=info.seconds)
        return path


def _over_full_scale(made: Normalised) -> float:
    """Decibels by which samples in floats pass the scale of the integers that they are to become."""
    audio = made.info.audio
    if made.treatment != "lossless" or audio is None or audio.codec not in profile.FLOAT_AUDIO:
        return 0.0
    measured = loudness.parse(made.run.log)
    return max(0.0, measured.true_peak) if measured is not None else 0.0


def _decoded_seconds(info: MediaInfo, made: MediaInfo) -> dict[int, float]:
    """How much of each track came out, by the track of the upload."""
    pairs = ((info.video, made.video), (info.audio, made.audio))
    return {
        track.index: (got.duration or 0.0) if got is not None else 0.0
        for track, got in pairs
        if track is not None and (got is not None or isinstance(track, probe.AudioStream))
    }
