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
from codex_assets.media import profile
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
class RecordObservation:
    """The record of one output, with the files that it names, as far as they are there.

    `problem`: why there is nothing to compare. `recorded`: keys of all objects that it names; `misplaced`: of those
    that belong elsewhere; `unnamed`: of those that belong to the output and are not named.
    """

    output: str
    problem: str | None = None
    files: tuple[PublishedFile, ...] = ()
    statements: tuple[Statement, ...] = ()
    recorded: tuple[str, ...] = ()
    misplaced: tuple[str, ...] = ()
    unnamed: tuple[str, ...] = ()
    kind: ObservationKind = ObservationKind.RECORD

    @property
    def readable(self) -> bool:
        """Whether there is a record; else `problem` says why not."""
        return self.problem is None


def missing_record(output: str) -> RecordObservation:
    """A published media has no record of an output."""
    return RecordObservation(output, problem="there is none, though the media is published")


def wrong_marker(record: OutputRecord) -> RecordObservation:
    """A record says that an output does not apply, and the source says that it does."""
    statement = Statement("whether it applies to this media", "no", "yes")
    return RecordObservation(record.output, statements=(statement,))


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
        if record.frames is not None and mezzanine.frames_indexed is not None:
            yield Statement("the number of frames", record.frames, mezzanine.frames_indexed)
        yield from _of_upload(record, mezzanine)


def _of_upload(record: MezzanineRecord, mezzanine: MezzanineObservation) -> Iterator[Statement]:
    """What is recorded of the upload, and can still be seen in what was made of it."""
    upload, video = record.source, mezzanine.video
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
    if record.gain_mode is not None and record.gain_mode not in GAIN_MODES:
        yield Statement("how its sound was normalised", record.gain_mode, f"one of {', '.join(GAIN_MODES)}")
    if media_outputs.is_variant(record.output):
        yield Statement("the variant", record.variant, record.output.removeprefix(media_outputs.variant_output("")))


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
        if video.frame_rate is not None and record.frame_rate is not None and span is not None and span.frames > 1:
            yield Statement("the frame rate", record.frame_rate, float(video.frame_rate), 0.01 * record.frame_rate)
    else:
        yield Statement("the width", record.width, None)
    if record.codecs is not None and (codecs := measures.codecs(playlist)) is not None:
        yield Statement("the codecs", record.codecs.lower(), codecs.lower())
    if record.duration is not None:
        yield Statement("the duration", record.duration, playlist.duration, 0.1)
    if record.average_bandwidth is not None:
        average = measures.average_rate(playlist)
        yield Statement("the average bit rate", record.average_bandwidth, round(average), 0.1 * average)
    if record.bandwidth is not None:
        peak = measures.peak_rate(playlist)
        yield Statement("the peak bit rate", record.bandwidth, round(peak), 0.15 * peak)


def _of_loudness(record: VariantRecord, sound: LoudnessObservation) -> Iterator[Statement]:
    if record.loudness is None:
        # Of less than a block, 0.4 s, nothing is measured either.
        is_measured = sound.integrated_lufs > profile.SILENCE_LUFS
        yield Statement("the loudness", "none", f"{sound.integrated_lufs:.1f} LUFS" if is_measured else "none")
        return
    yield Statement("the loudness", record.loudness.integrated_lufs, sound.integrated_lufs, 0.5)
    yield Statement("the true peak", record.loudness.true_peak_dbtp, sound.true_peak_dbtp, 0.6)
    if sound.duration > LOUDNESS_RANGE_SECONDS:
        yield Statement("the loudness range", record.loudness.range_lu, sound.range_lu, 1.0)


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
