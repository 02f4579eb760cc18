"""What a record says of an output beside what the output is: the observation that the rules for records judge.

In: the statements of a record, each with what was observed, by the type of the record. Out: looking (`observe/`), how
far both may be apart (`rules/records.py`), and which records are read (`audit.py`).
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import singledispatch
from pathlib import PurePosixPath

from codex_assets.archive.records import (
    BlurHashRecord,
    MasterRecord,
    MediaRecord,
    MezzanineRecord,
    OutputRecord,
    SmallThumbnailsRecord,
    StoryboardRecord,
    ThumbnailRecord,
    VariantRecord,
    WaveformRecord,
)
from codex_assets.media import outputs as media_outputs
from codex_assets.media import profile, target_format
from codex_assets.media.upload import refusals
from codex_assets.verification import expectations, measures
from codex_assets.verification import places as expected_places
from codex_assets.verification.kinds import ObservationKind
from codex_assets.verification.observations import (
    AnyObservation,
    LoudnessObservation,
    MasterObservation,
    MezzanineObservation,
    ThumbnailObservation,
    VariantObservation,
    WaveformImageObservation,
    WaveformObservation,
)
from codex_assets.verification.optional_observations import (
    BlurHashObservation,
    SmallThumbnailsObservation,
    StoryboardObservation,
)


@dataclass(frozen=True)
class Statement:
    """One thing that a record says: `subject` ("the width"), what is recorded, and what was observed.

    Numbers may be `slack` apart; everything else is equal or not.
    """

    subject: str
    recorded: object
    observed: object
    slack: float = 0.0

    @property
    def is_true(self) -> bool:
        if isinstance(self.recorded, int | float) and isinstance(self.observed, int | float):
            if math.isinf(self.recorded) or math.isinf(self.observed):
                return self.recorded == self.observed
            return abs(self.recorded - self.observed) <= self.slack
        return self.recorded == self.observed


@dataclass(frozen=True)
class PublishedFile:
    """A published file as it was recorded and as it was fetched.

    `is_of_version`: it lies in the folder of its version, which never changes. `content_type`, `cache_control`: as its
    store delivers it, None where it has none; neither is known of one that is not `is_delivered`.
    """

    name: str
    recorded_size: int
    recorded_sha256: str
    size: int
    sha256: str
    is_delivered: bool = False
    is_of_version: bool = False
    content_type: str | None = None
    cache_control: str | None = None


@dataclass(frozen=True)
class PublicCopy:
    """The copy of a preview that everybody may read: keys that its playlist names and that are missing, and keys of the
    preview that have other contents there, or none."""

    missing: tuple[str, ...] = ()
    others: tuple[str, ...] = ()


@dataclass(frozen=True)
class RecordObservation:
    """The record of one output, with the files that it names, as far as they are there.

    `problem`: why there is nothing to compare. `recorded`: keys of all objects that it names; `misplaced`: of those
    that belong elsewhere; `unnamed`: of those that belong to the output and are not named. `exposed` and `beside`
    are known with the master's: what lies in the media's folders and no record names, where everybody may read it and
    elsewhere. `public_copy`: None where there is none.
    """

    output: str
    problem: str | None = None
    files: tuple[PublishedFile, ...] = ()
    statements: tuple[Statement, ...] = ()
    recorded: tuple[str, ...] = ()
    misplaced: tuple[str, ...] = ()
    unnamed: tuple[str, ...] = ()
    exposed: tuple[str, ...] | None = None
    beside: tuple[str, ...] | None = None
    public_copy: PublicCopy | None = None
    kind: ObservationKind = ObservationKind.RECORD

    @property
    def readable(self) -> bool:
        """Whether there is a record; else `problem` says why not."""
        return self.problem is None


def missing_record(output: str) -> RecordObservation:
    """A published media has no record of an output."""
    return RecordObservation(output, problem="there is none, though the media is published")


def marker_observation(
    output: str, record: OutputRecord, media: MediaRecord, *, applies: bool
) -> RecordObservation | None:
    """What is wrong with a record that says that `output` does not apply; None where that is nothing.

    `applies`: whether the source says that it does.
    """
    segments = len(record.segments) if isinstance(record, VariantRecord) else 0
    statements = (
        Statement("whether it applies to this media", "no", "yes" if applies else "no"),
        *_owner(output, record, media),
        Statement("the number of files", len(record.files), 0),
        Statement("the number of segments", segments, 0),
    )
    untrue = tuple(statement for statement in statements if not statement.is_true)
    return RecordObservation(output, statements=untrue) if untrue else None


def record_observation(
    output: str,
    record: OutputRecord,
    media: MediaRecord,
    source: MezzanineRecord,
    files: Sequence[PublishedFile],
    observations: Sequence[AnyObservation],
) -> RecordObservation:
    """What is recorded as `output` of `media`, beside its fetched files and what was observed of it. `source`: of the
    same media."""
    seen = [observation for observation in observations if observation.readable]
    statements = [*_owner(output, record, media), *_contents(record, files), *_statements(record, source, seen)]
    places, recorded = expected_places.places(record, media), [(file.role, file.key) for file in record.files]
    return RecordObservation(
        output,
        files=tuple(files),
        statements=tuple(statements),
        recorded=tuple(key for _, key in recorded),
        misplaced=tuple(key for role, key in recorded if (role, key) not in places),
        unnamed=tuple(sorted(key for _, key in places.difference(recorded))),
    )


def _owner(output: str, record: OutputRecord, media: MediaRecord) -> Iterator[Statement]:
    yield Statement("the output", record.output, output)
    yield Statement("the media", record.media_id, media.media_id)
    yield Statement("the kind of media", record.media_type, media.media_type)
    if isinstance(record, MezzanineRecord):
        # An upload lies in its creator's folder, whichever that is.
        owners = media.input_key.split("/")
        yield Statement("the original's creator", media.creator_id in owners, True)
    if record.applicable and record.reason is not None:
        yield Statement("why it does not apply", record.reason, None)
    # Whoever plays it goes by these.
    if isinstance(record, VariantRecord) and record.playlist_key is not None:
        yield Statement("the playlist's place", record.playlist_key, expected_places.playlist_place(record, media))
    if isinstance(record, MasterRecord) and record.master_key is not None:
        _, place = next(iter(expected_places.places(record, media)))
        yield Statement("the master's place", record.master_key, place)


def _contents(record: OutputRecord, files: Sequence[PublishedFile]) -> Iterator[Statement]:
    if not files:
        return
    if len(record.files) == 1:
        version = record.files[0].sha256[:32]
    else:
        lines = [f"{PurePosixPath(file.key).name} {file.sha256}" for file in record.files]
        version = hashlib.sha256("\n".join(lines).encode()).hexdigest()[:32]
    yield Statement("the version of the contents", record.data_version, version)


@singledispatch
def _statements(record: OutputRecord, source: MezzanineRecord, seen: Sequence[AnyObservation]) -> Iterator[Statement]:
    """What a record says beside what was observed, by its type."""
    yield from ()


@_statements.register
def _of_mezzanine(
    record: MezzanineRecord, source: MezzanineRecord, seen: Sequence[AnyObservation]
) -> Iterator[Statement]:
    for mezzanine in seen:
        if not isinstance(mezzanine, MezzanineObservation):
            continue
        video, audio = mezzanine.video, mezzanine.audio
        # Duration, size and rate are what its own rules compare.
        yield Statement("the picture's codec", record.video_codec, video.codec if video is not None else None)
        yield Statement("the sound's codec", record.audio_codec, audio.codec if audio is not None else None)
        treatment = record.audio_treatment
        if audio is not None and treatment in CODECS_OF_TREATMENT and audio.codec != CODECS_OF_TREATMENT[treatment]:
            yield Statement("how its sound was made", treatment, f"{audio.codec}, which is made otherwise")
        if record.frames is not None and mezzanine.frames_indexed is not None:
            yield Statement("the number of frames", record.frames, mezzanine.frames_indexed)
        yield from _of_upload(record, mezzanine)


CODECS_OF_TREATMENT = {"lossless": "alac", "encoded": "aac"}
"""What was copied may have any codec."""


def _of_upload(record: MezzanineRecord, mezzanine: MezzanineObservation) -> Iterator[Statement]:
    """What is recorded of the upload, and can still be seen in what was made of it."""
    upload, video = record.source, mezzanine.video
    if upload.captions and record.captions:
        # They are taken over all of them, or none.
        yield Statement("the upload's closed captions", ", ".join(upload.captions), ", ".join(record.captions))
    if record.captions and upload.captions == ():
        yield Statement("the upload's closed captions", None, ", ".join(record.captions))
    if video is not None and upload.width is not None and upload.height is not None:
        # Made even.
        yield Statement("the upload's width", upload.width - upload.width % 2 or 2, video.coded_width)
        yield Statement("the upload's height", upload.height - upload.height % 2 or 2, video.coded_height)


@_statements.register
def _of_variant(record: VariantRecord, source: MezzanineRecord, seen: Sequence[AnyObservation]) -> Iterator[Statement]:
    for each in seen:
        if isinstance(each, VariantObservation) and each.segments:
            yield from _of_playlist(record, each)
        if isinstance(each, LoudnessObservation):
            yield from _of_loudness(record, each)
    if (record.gain_mode is not None or source.has_audio) and record.gain_mode not in GAIN_MODES:
        yield Statement("how its sound was normalised", record.gain_mode, f"one of {', '.join(GAIN_MODES)}")
    if media_outputs.is_variant(record.output):
        yield Statement("the variant", record.variant, record.output.removeprefix(media_outputs.variant_output("")))
    elif source.picture_size is not None:
        fitting = [rung.name for rung in target_format.rungs(*source.picture_size)]
        best = next((name for name in fitting if int(name.rstrip("p")) <= PREVIEW_LINES), fitting[-1])
        yield Statement("the variant that it was cut from", record.variant, best)


def _of_playlist(record: VariantRecord, playlist: VariantObservation) -> Iterator[Statement]:
    yield Statement("the number of segments", len(record.segments), len(playlist.segments))
    for recorded, segment in zip(record.segments, playlist.segments, strict=False):
        yield Statement("a segment's name", recorded.name, segment.name)
        yield Statement(f"the folder of {segment.name}", record.version, segment.version)
        yield Statement(f"the length of {segment.name}", recorded.duration, segment.extinf, 0.001)
        if segment.size is not None:
            yield Statement(f"the size of {segment.name}", recorded.size, segment.size)
    video = playlist.video
    if video is not None:
        yield Statement("the width", record.width, video.coded_width)
        yield Statement("the height", record.height, video.coded_height)
        span = playlist.video_span
        if video.frame_rate is not None and span is not None and span.frames > 1:
            rate = float(video.frame_rate)
            yield Statement("the frame rate", record.frame_rate, rate, RECORDED_RATE_SLACK * rate)
    else:
        yield Statement("the width", record.width, None)
    if (codecs := measures.codecs(playlist)) is not None:
        yield Statement("the codecs", record.codecs.lower() if record.codecs is not None else None, codecs.lower())
    yield Statement("the duration", record.duration, playlist.duration, 0.1)
    if any(segment.size is None for segment in playlist.segments):
        return
    average, peak = measures.average_rate(playlist), measures.peak_rate(playlist)
    yield Statement("the average bit rate", record.average_bandwidth, round(average), RECORDED_AVERAGE_SLACK * average)
    yield Statement("the peak bit rate", record.bandwidth, round(peak), RECORDED_PEAK_SLACK * peak)
    # None in the records of the first releases, which did not look for any.
    if record.captions is not None and playlist.captions is not None and not playlist.captions.faults:
        services, seen = record.captions, playlist.captions.services
        yield Statement("its closed captions", ", ".join(sorted(services)) or None, ", ".join(sorted(seen)) or None)


def _of_loudness(record: VariantRecord, sound: LoudnessObservation) -> Iterator[Statement]:
    if record.loudness is None:
        # Of less than a block, 0.4 s, nothing is measured either.
        is_measured = sound.integrated_lufs > profile.SILENCE_LUFS
        yield Statement("the loudness", "none", f"{sound.integrated_lufs:.1f} LUFS" if is_measured else "none")
        return
    yield Statement("the loudness", record.loudness.integrated_lufs, sound.integrated_lufs, 0.5)
    yield Statement("the true peak", record.loudness.true_peak_dbtp, sound.true_peak_dbtp, 0.6)
    distance = abs(sound.integrated_lufs - profile.LOUDNESS_TARGET)
    if refusals.SOUND_OFF_TARGET in record.warnings and distance < profile.LOUDNESS_TOLERANCE / 2:
        yield Statement("its sound", "off its target", "on it")
    if sound.duration > LOUDNESS_RANGE_SECONDS:
        yield Statement("the loudness range", record.loudness.range_lu, sound.range_lu, 1.0)


PREVIEW_LINES = 720
"""A preview is of this variant, or of the best below it."""
RECORDED_RATE_SLACK = 0.01
"""Of the frame rate: that of a few pictures is known to a picture."""
RECORDED_AVERAGE_SLACK = 0.01
RECORDED_PEAK_SLACK = 0.1
"""Of the bit rates: releases reckoned an average alike, and differed about which runs of segments have a peak."""
GAIN_MODES = ("linear", "dynamic", "gain", "limited", "none")
LOUDNESS_RANGE_SECONDS = 10.0
"""Of shorter sound a range is a matter of a few blocks."""


@_statements.register
def _of_master(record: MasterRecord, source: MezzanineRecord, seen: Sequence[AnyObservation]) -> Iterator[Statement]:
    for master in seen:
        if isinstance(master, MasterObservation):
            yield Statement("the variants", ", ".join(record.variants), ", ".join(master.listed))


@_statements.register
def _of_thumbnail(
    record: ThumbnailRecord, source: MezzanineRecord, seen: Sequence[AnyObservation]
) -> Iterator[Statement]:
    stills = [still for still in seen if isinstance(still, ThumbnailObservation)]
    # A picture that ends before its moment is shown from its start.
    may_be_first = any(still.moment is None or still.moment.is_past_end for still in stills)
    yield from _moment_of_thumbnail(record.at, source, may_be_first=may_be_first)
    for still in stills:
        if still.picture is not None:
            yield Statement("the width", record.width, still.picture.width)
            yield Statement("the height", record.height, still.picture.height)


@_statements.register
def _of_storyboard(
    record: StoryboardRecord, source: MezzanineRecord, seen: Sequence[AnyObservation]
) -> Iterator[Statement]:
    yield Statement("the duration", record.duration, source.duration, 0.1)
    for storyboard in seen:
        if isinstance(storyboard, StoryboardObservation):
            region = storyboard.cues[0].region
            columns = len({cue.region.left for cue in storyboard.cues})
            yield Statement("the number of pictures", record.tiles, len(storyboard.cues))
            yield Statement("the number of columns", record.columns, columns)
            yield Statement("the width of a picture", record.tile_width, region.width)
            yield Statement("the height of a picture", record.tile_height, region.height)


@_statements.register
def _of_small_thumbnails(
    record: SmallThumbnailsRecord, source: MezzanineRecord, seen: Sequence[AnyObservation]
) -> Iterator[Statement]:
    yield from _moment_of_thumbnail(record.at, source)
    for thumbnails in seen:
        if isinstance(thumbnails, SmallThumbnailsObservation):
            yield Statement("the sizes", record.sizes, tuple(each.size for each in thumbnails.pictures))


@_statements.register
def _of_blurhash(
    record: BlurHashRecord, source: MezzanineRecord, seen: Sequence[AnyObservation]
) -> Iterator[Statement]:
    yield from _moment_of_thumbnail(record.at, source)
    for blurhash in seen:
        if isinstance(blurhash, BlurHashObservation):
            yield Statement("the BlurHash", record.blurhash, blurhash.text)


def _moment_of_thumbnail(at: float, source: MezzanineRecord, *, may_be_first: bool = True) -> Iterator[Statement]:
    """`may_be_first`: the first frame may be shown, of a picture that ends before its moment."""
    frame = float(1 / source.rate) if source.rate else 0.04
    if at or not may_be_first:
        yield Statement("the moment that it shows", at, expectations.thumbnail_moment(source), 1.6 * frame)


@_statements.register
def _of_waveform(
    record: WaveformRecord, source: MezzanineRecord, seen: Sequence[AnyObservation]
) -> Iterator[Statement]:
    yield Statement("the duration", record.duration, source.duration, 0.1)
    for waveform in seen:
        if isinstance(waveform, WaveformObservation):
            yield Statement("the number of points", record.points, waveform.length)
            yield Statement("the samples of a point", record.samples_per_pixel, waveform.samples_per_pixel)
        if isinstance(waveform, WaveformImageObservation):
            yield Statement("the width", record.width, waveform.width)
            yield Statement("the height", record.height, waveform.height)
