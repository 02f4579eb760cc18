"""Builds the pictures of a media: the thumbnail of a video, in its sizes and as a BlurHash, and the waveform of an
audio, as data and as an image.

In: their records, and where a frame is looked for when there is none at the usual moment. Out: the arguments that draw
them (`media/encode/thumbnail`, `media/encode/waveform`).
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from codex_assets.archive.records import (
    BlurHashRecord,
    MezzanineRecord,
    SmallThumbnailsRecord,
    ThumbnailRecord,
    WaveformRecord,
)
from codex_assets.build.media_build import MediaBuild, files_version
from codex_assets.build.phases import Phase
from codex_assets.build.publication import UnpublishedOutput
from codex_assets.build.sound import Sound, is_silent_when_merged
from codex_assets.errors import ToolError
from codex_assets.media import profile
from codex_assets.media.encode import blur_hash, loudness, thumbnail, waveform
from codex_assets.media.outputs import (
    BLURHASH,
    MEZZANINE,
    THUMBNAIL,
    THUMBNAILS,
    WAVEFORM_JSON,
    WAVEFORM_PNG,
    OutputKind,
)
from codex_assets.storage import keys
from codex_assets.storage.objects import file_sha256
from codex_assets.storage.publish import Stage, Upload
from codex_assets.verification import expectations


def build_thumbnail(build: MediaBuild) -> None:
    """Make a picture of a frame of the mezzanine. Raises `MissingInput` without a mezzanine."""
    work = build.receipts.begin()
    source = build.mezzanine_record()
    path = build.workspace.folder("thumbnail") / "auto-generated.jpg"
    mezzanine_file = build.mezzanine_file(source)
    with build.phase(Phase.THUMBNAIL):
        at = _draw_thumbnail(build, source, mezzanine_file, path)
    receipt = build.receipts.draft(build.media.media_type, THUMBNAIL.name, {MEZZANINE.name: source.data_version})
    record = ThumbnailRecord(
        **build.head(THUMBNAIL.name),
        data_version=file_sha256(path)[:32],
        at=round(at, 3),
        width=profile.PICTURE_WIDTH,
        height=profile.PICTURE_HEIGHT,
        build=receipt,
    )
    with build.phase(Phase.VERIFYING):
        observation = build.observer.thumbnail(path, reference=mezzanine_file, at=expectations.thumbnail_moment(source))
    key = keys.thumbnail(build.media.creator_id, build.media.media_id)
    upload = Upload(path, "assets", key, Stage.PICTURE)
    build.publication.add([UnpublishedOutput(record, [upload], [observation])], work)


def _draw_thumbnail(build: MediaBuild, source: MezzanineRecord, mezzanine_file: Path, path: Path) -> float:
    """Write the thumbnail to `path`; returns the moment (seconds) that it shows."""
    return _drawn(build, source, [path], lambda at: thumbnail.arguments(str(mezzanine_file), str(path), at))


def _drawn(
    build: MediaBuild, source: MezzanineRecord, paths: Sequence[Path], arguments: Callable[[float], list[str]]
) -> float:
    """Write the frame of the thumbnail's moment to `paths`, by `arguments`; returns that moment (seconds)."""
    frame_seconds = float(1 / source.rate) if source.rate else 0.0
    # The picture of a damaged upload may end before that moment: then it is the first one.
    for at in (thumbnail.moment(source.duration, frame_seconds), 0.0):
        build.tools.ffmpeg(arguments(at), label="making the thumbnail")
        if all(path.exists() and path.stat().st_size for path in paths):
            return at
    raise ToolError("making the thumbnail", exit_code=0, reason="no picture was written")


def build_small_thumbnails(build: MediaBuild) -> None:
    """Make the thumbnail in its other sizes. Raises `MissingInput` without a mezzanine."""
    work = build.receipts.begin()
    source = build.mezzanine_record()
    mezzanine_file = build.mezzanine_file(source)
    folder = build.workspace.folder("thumbnails")
    paths = {size: folder / f"{size[0]}.webp" for size in profile.THUMBNAIL_SIZES}
    with build.phase(Phase.THUMBNAIL):
        at = _draw_small_thumbnails(build, source, mezzanine_file, paths)
    record = SmallThumbnailsRecord(
        **build.head(THUMBNAILS.name),
        data_version=files_version(paths.values()),
        at=round(at, 3),
        sizes=tuple(paths),
        build=build.receipts.draft(build.media.media_type, THUMBNAILS.name, {MEZZANINE.name: source.data_version}),
    )
    with build.phase(Phase.VERIFYING):
        moment = expectations.thumbnail_moment(source)
        observation = build.observer.small_thumbnails(list(paths.values()), reference=mezzanine_file, at=moment)
    creator, media_id = build.media.creator_id, build.media.media_id
    uploads = [
        Upload(path, "assets", keys.small_thumbnail(creator, media_id, width), Stage.PICTURE)
        for (width, _), path in paths.items()
    ]
    build.publication.add([UnpublishedOutput(record, uploads, [observation])], work)


def _draw_small_thumbnails(
    build: MediaBuild, source: MezzanineRecord, mezzanine_file: Path, paths: Mapping[tuple[int, int], Path]
) -> float:
    outputs = {size: str(path) for size, path in paths.items()}
    return _drawn(
        *(build, source, list(paths.values())),
        lambda at: thumbnail.small_arguments(str(mezzanine_file), outputs, at),
    )


def build_blurhash(build: MediaBuild) -> None:
    """Make the thumbnail's BlurHash. Raises `MissingInput` without a mezzanine."""
    work = build.receipts.begin()
    source = build.mezzanine_record()
    mezzanine_file = build.mezzanine_file(source)
    folder = build.workspace.folder("blurhash")
    path = folder / "blurhash.txt"
    with build.phase(Phase.THUMBNAIL):
        at = _write_blurhash(build, source, mezzanine_file, path)
    record = BlurHashRecord(
        **build.head(BLURHASH.name),
        data_version=file_sha256(path)[:32],
        at=round(at, 3),
        blurhash=path.read_text(encoding="ascii"),
        build=build.receipts.draft(build.media.media_type, BLURHASH.name, {MEZZANINE.name: source.data_version}),
    )
    with build.phase(Phase.VERIFYING):
        observation = build.observer.blurhash(path, reference=mezzanine_file, at=expectations.thumbnail_moment(source))
    upload = Upload(path, "assets", keys.blurhash(build.media.creator_id, build.media.media_id), Stage.PICTURE)
    build.publication.add([UnpublishedOutput(record, [upload], [observation])], work)


def _write_blurhash(build: MediaBuild, source: MezzanineRecord, mezzanine_file: Path, path: Path) -> float:
    pixels = path.with_name("pixels.raw")
    at = _drawn(build, source, [pixels], lambda at: thumbnail.blur_arguments(str(mezzanine_file), str(pixels), at))
    path.write_text(blur_hash.blur_hash(pixels.read_bytes()), encoding="ascii")
    return at


def build_waveform(build: MediaBuild, kind: OutputKind) -> None:
    """Make the waveform as data or as an image, by `kind`. Both are drawn at once; the run keeps the other one.

    Raises `MissingInput` without a mezzanine.
    """
    work = build.receipts.begin()
    source = build.mezzanine_record()
    rate = profile.AUDIO_LADDER[0].audio_kbps
    sound = build.delivered_sounds([rate])[rate]
    waveforms: dict[OutputKind, Path] = build.workspace.once(
        f"waveform-{source.data_version}",
        lambda: _draw_waveforms(build, sound.path, loudness.whole_frame_samples(source.duration)),
    )
    path = waveforms[kind]
    document = json.loads(waveforms[WAVEFORM_JSON].read_text(encoding="utf-8"))
    shape: dict[str, Any]
    if kind is WAVEFORM_JSON:
        key = keys.waveform_json(build.media.creator_id, build.media.media_id)
        shape = {"points": document["length"], "samples_per_pixel": document["samples_per_pixel"]}
    else:
        key = keys.waveform_png(build.media.creator_id, build.media.media_id)
        shape = {"width": profile.PICTURE_WIDTH, "height": profile.PICTURE_HEIGHT}
    record = WaveformRecord(
        **build.head(kind.name),
        data_version=file_sha256(path)[:32],
        duration=source.duration,
        silent=_is_silent(build, sound, document),
        build=build.receipts.draft(build.media.media_type, kind.name, build.inputs_with_sound(source)),
        **shape,
    )
    observe = build.observer.waveform_json if kind is WAVEFORM_JSON else build.observer.waveform_png
    with build.phase(Phase.VERIFYING):
        observation = observe(path, expectations.waveform(source, record), reference=sound.path)
    upload = Upload(path, "assets", key, Stage.PICTURE)
    build.publication.add([UnpublishedOutput(record, [upload], [observation])], work)


def _is_silent(build: MediaBuild, sound: Sound, document: dict[str, Any]) -> bool:
    """Whether the waveform is flat because there is nothing to hear, alone or with the channels merged to one."""
    if build.loudness_record().measurement is None:
        return True
    return not any(document["data"]) and is_silent_when_merged(build.tools, sound)


def _draw_waveforms(build: MediaBuild, sound: Path, samples: int) -> dict[OutputKind, Path]:
    """Both waveforms, from one decode of the delivered sound, as so many samples (per channel)."""
    folder = build.workspace.folder("waveform")
    data, picture, fine = folder / "waveform.json", folder / "waveform.png", folder / "fine.dat"
    with build.phase(Phase.WAVEFORM):
        build.tools.decoded_to_waveforms(
            waveform.pcm_arguments(str(sound)),
            [waveform.json_arguments(str(data)), waveform.data_arguments(str(fine), samples)],
            label="reading the waveform",
        )
        build.tools.audiowaveform(
            waveform.picture_arguments(str(fine), str(picture), samples), label="drawing the waveform"
        )
    return {WAVEFORM_JSON: data, WAVEFORM_PNG: picture}
