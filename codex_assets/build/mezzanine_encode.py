"""Encodes the mezzanine of an upload, and encodes it otherwise when that fails or shows what no header says.

In: an upload that was examined (`upload_check`). Out: one file, and what was learnt on the way. Tried in this order:
another encoder (`encoders`), another way to keep the sound, another level of it, one form of it, and last what stands
in for what could not be decoded. Not here: the arguments (`media/encode/mezzanine.py`), whether enough is left
(`upload_check`).
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field, replace
from fractions import Fraction
from pathlib import Path

from codex_assets.build import far_peaks, upload_faults
from codex_assets.build.encoders import EncoderChoice, Encoders
from codex_assets.build.phases import Phase
from codex_assets.contract.names import MediaType
from codex_assets.errors import ToolError
from codex_assets.media import ffmpeg_words, ffprobe, profile, target_format
from codex_assets.media.encode import float_sound, loudness, mezzanine
from codex_assets.media.encode.mezzanine import AudioTreatment
from codex_assets.media.facts import AudioStream, Counted, MediaInfo, VideoStream
from codex_assets.media.upload import damage, intake, refusals, sizes
from codex_assets.system.process import ToolRun
from codex_assets.system.run_output import Progress
from codex_assets.system.tools import Tools

_log = logging.getLogger(__name__)

ToolPhase = Callable[[Phase], AbstractContextManager[Callable[[Progress], None]]]
"""Times a block that runs ffmpeg, and takes ffmpeg's progress."""


@dataclass(frozen=True)
class MezzanineEncode:
    """How a mezzanine came out of its encode."""

    info: MediaInfo
    """What was encoded of the upload."""
    run: ToolRun
    log: damage.DecodeLog
    """Of the upload's own tracks, also where their sound was decoded before and encoded from another file."""
    choice: EncoderChoice
    treatment: AudioTreatment | None
    """How the sound was kept; None when there is none."""
    gain: float = 0.0
    """Decibels by which the sound was changed."""
    upload_peak: float | None = None
    """True peak in dBTP of the upload's own channels; None for silence."""
    warnings: Sequence[str] = ()
    """Sentences for the creator."""
    decoded_seconds: dict[int, float] = field(default_factory=dict)
    """What came out of each of the upload's tracks, by its index."""


@dataclass(frozen=True)
class _Plan:
    """One way to encode the upload; the fields are those of `mezzanine.arguments`."""

    info: MediaInfo
    treatment: AudioTreatment | None
    steady: Path | None = None
    missing: float = 0.0
    gain: float = 0.0
    clipped: bool = False
    level: float | None = None
    """At which a few samples are cut off (1.0: full scale)."""
    silenced: bool = False
    log: damage.DecodeLog | None = None
    """Of the decode that `steady` comes from: what the upload's sound complained of, the new file's does not."""

    @property
    def cleaning(self) -> tuple[str, ...]:
        """Filters for what must not get past the decoder."""
        silenced = (float_sound.SILENCED,) if self.silenced else ()
        cut_off = (float_sound.cut_off_at(self.level),) if self.level is not None else ()
        return (*silenced, *cut_off, *((float_sound.CLIPPED,) if self.clipped else ()))


class MezzanineEncoder:
    """Encodes the mezzanine of one upload."""

    def __init__(
        self,
        tools: Tools,
        encoders: Encoders,
        tool_phase: ToolPhase,
        *,
        media_type: MediaType,
        source: Path,
        path: Path,
        folder: Path,
        carrier: Path | None = None,
    ) -> None:
        """`source` is what is decoded, `path` where the mezzanine is written, `folder` where scratch files may be,
        `carrier` where the captions of its picture are written; None: it has none."""
        self._tools, self._encoders, self._tool_phase = tools, encoders, tool_phase
        self._with_picture = media_type == "video"
        self._source, self._path, self._folder, self._carrier = source, path, folder, carrier

    def encode(self, info: MediaInfo) -> MezzanineEncode:
        """Write the mezzanine of an upload whose packets show `info`; the last of several tries is what is returned.

        Raises `SourceError` when nothing can be made of the upload, `ToolError` when the worker is in trouble.
        """
        warnings: list[str] = []
        try:
            plan, encode = self._with_the_sound(info, warnings)
            plan, encode = self._in_one_size(plan, encode, warnings)
            plan, encode = self._in_one_level_and_form(plan, encode)
            result = ffprobe.parse(
                self._tools.ffprobe(ffprobe.probe_arguments(str(self._path), trusted=True), label="probing")
            )
            encode = self._in_whole_length(plan, encode, result, warnings)
            self._find_silent_damage(plan.info, encode.log)
        except ToolError as error:
            raise upload_faults.decode_error(error, self._source) from None
        return replace(encode, warnings=warnings, decoded_seconds=_decoded_seconds(info, result))

    def _with_the_sound(self, info: MediaInfo, warnings: list[str]) -> tuple[_Plan, MezzanineEncode]:
        """The first encode that works: the sound is copied where that can be, and encoded where mp4 refuses it or where
        it turns out to be damaged. Adds to `warnings`."""
        plan = _Plan(info, mezzanine.audio_treatment(info, with_picture=self._with_picture))
        try:
            encode = self._encode(plan)
        except ToolError as error:
            if plan.treatment != "copied":
                raise
            upload_faults.require_no_worker_trouble(error, self._source)
            _log.warning("the sound cannot be copied into the mezzanine: %s", error.reason)
            warnings.append(refusals.SOUND_ENCODED_AGAIN)
        else:
            if plan.treatment != "copied" or not encode.log.is_sound_damaged(info):
                return plan, encode
            _log.warning("the sound is damaged: it is encoded from what can be decoded, not copied")
        # What a decoder makes of damage may be noise.
        plan = replace(plan, treatment="encoded", clipped=True)
        return plan, self._encode(plan)

    def _in_one_size(self, plan: _Plan, encode: MezzanineEncode, warnings: list[str]) -> tuple[_Plan, MezzanineEncode]:
        """Encode again, where the picture changes its size or shape midway. Adds to `warnings`. Raises `SourceError`
        where it becomes too large."""
        video = plan.info.video
        if video is None:
            return plan, encode
        if plan.info.counted.get(video.index, Counted()).foreign:
            # A hole that is read as pictures of another system.
            return plan, encode
        if encode.log.size_changes:
            arguments = sizes.size_arguments(str(self._source), plan.info, video)
            seconds = sizes.read_sizes(
                self._tools.ffprobe_lines(arguments, label="looking for the sizes of the picture")
            )
        else:
            seconds = self._shapes(plan.info, video)
            video = replace(video, sample_aspect=Fraction(1))
        if len(seconds) < 2:
            return plan, encode
        video = sizes.in_one_size(video, seconds)
        plan = replace(plan, info=replace(plan.info, video=video))
        lasts = plan.info.joined_seconds or plan.info.seconds or plan.info.duration or 0.0
        too_much = intake.in_work(video, lasts, self._source.stat().st_size)
        refusal = intake.in_tracks(plan.info, with_picture=True) or too_much
        if refusal is not None:
            raise refusal.error()
        warnings.append(refusals.size_changes(video.width, video.height))
        return plan, self._encode(plan)

    def _shapes(self, info: MediaInfo, video: VideoStream) -> dict[sizes.Size, float]:
        """As `sizes.read_shapes`; nothing where the first pictures of groups do not decode by themselves."""
        arguments = sizes.shape_arguments(str(self._source), info, video)
        if arguments is None:
            return {}
        try:
            lines = self._tools.ffprobe_lines(arguments, label="looking for the shapes of the picture")
            return sizes.read_shapes(lines, video)
        except ToolError as error:
            upload_faults.require_no_worker_trouble(error, self._source)
            return {}

    def _in_one_level_and_form(self, plan: _Plan, encode: MezzanineEncode) -> tuple[_Plan, MezzanineEncode]:
        """Encode again, where samples are no numbers or pass full scale, or where the sound changes its form (rate,
        channels) midway."""
        if float_sound.undefined_samples(encode.run.log):
            plan = replace(plan, silenced=True)
            encode = self._encode(plan)
        over = _over_full_scale(encode)
        level = self._level_of_the_rest(plan, encode) if over > float_sound.FAR_OVER else None
        if level is not None:
            plan = replace(plan, level=level, treatment="lossless" if plan.treatment == "lossless" else "encoded")
            encode = replace(self._encode(plan), upload_peak=encode.upload_peak)
        elif over > 0 and _becomes_integers(encode):
            plan = replace(plan, gain=-over - profile.FULL_SCALE_ROOM)
            encode = self._encode(plan)
        if encode.log.summaries > 1:
            plan = replace(plan, treatment="encoded", steady=self._steady_sound(plan.info), gain=0.0, log=encode.log)
            steady = self._encode(plan)
            peaks = [peak for peak in (encode.upload_peak, steady.upload_peak) if peak is not None]
            encode = replace(steady, upload_peak=max(peaks, default=None))
        return plan, encode

    def _in_whole_length(
        self, plan: _Plan, encode: MezzanineEncode, result: MediaInfo, warnings: list[str]
    ) -> MezzanineEncode:
        """Encode again, where a sound gave nothing, which is then left out, or a picture ended early, which is then
        held. `result` is the mezzanine as probed. Adds to `warnings`."""
        info = plan.info
        if info.audio is not None and (result.audio is None or not result.audio.duration):
            if not self._with_picture:
                raise refusals.undecodable_track("sound").error()
            plan = replace(plan, info=replace(info, audio=None), treatment=None)
            warnings.append(refusals.SOUND_LEFT_OUT)
        missing = 0.0
        if self._with_picture and info.seconds is not None and plan.info.audio is not None:
            missing = max(info.seconds, _sound_beyond(info.seconds, result)) - _seconds(result.video)
        if plan.info is info and missing <= profile.TRACKS_APART_SECONDS:
            return encode
        again = self._encode(replace(plan, missing=max(0.0, missing)))
        return replace(again, upload_peak=encode.upload_peak)

    def _find_silent_damage(self, info: MediaInfo, log: damage.DecodeLog) -> None:
        """Add to `log` the pictures that the decoder showed with faults, and without a word."""
        if not self._with_picture or info.video is None:
            return
        arguments = damage.strict_arguments(str(self._source), info, info.video)
        if arguments is None:
            return
        corrupt = 0

        def count(line: str) -> None:
            nonlocal corrupt
            corrupt += ffmpeg_words.PICTURE_CORRUPT in line

        try:
            self._tools.ffmpeg(arguments, label="looking for damage", duration=info.seconds, on_log=count)
        except ToolError as error:
            # What was heard of it until then counts.
            upload_faults.require_no_worker_trouble(error, self._source)
        log.add_corrupt(corrupt, info, info.video)

    def _encode(self, plan: _Plan) -> MezzanineEncode:
        """Encode in one way, with NVENC or x264. Raises `ToolError`."""
        info = plan.info
        if plan.steady is not None and info.audio is not None:
            steady = replace(info.audio, channels=profile.CHANNELS, layout="stereo", sample_rate=profile.SAMPLE_RATE)
            info = replace(info, audio=steady)

        def run(row: profile.EncoderRow) -> tuple[ToolRun, damage.DecodeLog]:
            log = damage.DecodeLog()
            arguments = mezzanine.arguments(
                info,
                str(self._source),
                str(self._path),
                row,
                treatment=plan.treatment,
                with_picture=self._with_picture,
                sound=str(plan.steady) if plan.steady is not None else None,
                missing=plan.missing,
                gain=plan.gain,
                cleaning=plan.cleaning,
                carrier=str(self._carrier) if self._carrier is not None else None,
            )
            with self._tool_phase(Phase.MEZZANINE) as on_progress:
                tool_run = self._tools.ffmpeg(
                    arguments,
                    label="making the mezzanine",
                    duration=info.seconds,
                    on_progress=on_progress,
                    on_log=log.add,
                )
            return tool_run, log

        if self._with_picture and info.video is not None:
            (tool_run, log), choice = self._encoders.encode(run, smallest_side=min(target_format.size(info.video)))
        else:
            (tool_run, log), choice = run(profile.X264), EncoderChoice(profile.X264, "no picture")
        return MezzanineEncode(
            info,
            tool_run,
            plan.log or log,
            choice,
            plan.treatment,
            round(plan.gain, 2),
            _upload_peak(plan, info, tool_run),
        )

    def _level_of_the_rest(self, plan: _Plan, encode: MezzanineEncode) -> float | None:
        """The level at which only few samples are to be cut off, where they are so far over full scale that the rest
        must not be turned down with them; else None."""
        info, peak = plan.info, encode.upload_peak
        assert info.audio is not None
        assert peak is not None
        arguments = mezzanine.samples_arguments(info, str(self._source), silenced=plan.silenced)
        return far_peaks.level_of_the_rest(self._tools, arguments, info.audio, peak, info.seconds)

    def _steady_sound(self, info: MediaInfo) -> Path:
        """A file with the sound in one form from beginning to end."""
        self._folder.mkdir(parents=True, exist_ok=True)
        path = self._folder / "steady.mka"
        arguments = mezzanine.steady_arguments(info, str(self._source), str(path))
        self._tools.ffmpeg(arguments, label="reading a sound that changes", duration=info.seconds)
        return path


def _upload_peak(plan: _Plan, info: MediaInfo, run: ToolRun) -> float | None:
    if plan.treatment is None:
        return None
    peak = loudness.own_peak(loudness.parse_summary(run.log), run.log, info.audio)
    return round(peak - plan.gain, 2) if peak is not None else None


def _becomes_integers(encode: MezzanineEncode) -> bool:
    """Whether samples in floats are kept as integers."""
    audio = encode.info.audio
    return encode.treatment == "lossless" and audio is not None and audio.codec in profile.FLOAT_AUDIO


def _over_full_scale(encode: MezzanineEncode) -> float:
    """Decibels by which a sound passes full scale, where its samples are floats, or are decoded as such."""
    audio = encode.info.audio
    if encode.treatment is None or audio is None or (encode.treatment == "lossless" and not _becomes_integers(encode)):
        return 0.0
    measured = loudness.parse_summary(encode.run.log)
    if measured is None or encode.upload_peak is None:
        return 0.0
    return max(0.0, measured.true_peak_dbtp, encode.upload_peak)


def _sound_beyond(seconds: float, result: MediaInfo) -> float:
    """How long the mezzanine's sound lasts, where that is clearly longer than the upload's `seconds`; 0 where not. Only
    what a decoder makes of damage lasts longer than its packets say."""
    sound_seconds = _seconds(result.audio)
    return sound_seconds if sound_seconds > seconds + profile.TRACKS_APART_SECONDS else 0.0


def _seconds(track: VideoStream | AudioStream | None) -> float:
    return (track.duration if track is not None else None) or 0.0


def _decoded_seconds(info: MediaInfo, result: MediaInfo) -> dict[int, float]:
    """How much of each track of an upload (`info`) there is in the mezzanine, by the index in the upload."""
    pairs = ((info.video, result.video), (info.audio, result.audio))
    return {
        track.index: _seconds(encoded)
        for track, encoded in pairs
        if track is not None and (encoded is not None or isinstance(track, AudioStream))
    }
