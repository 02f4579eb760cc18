"""What is observed of the small thumbnails and of the BlurHash, beside what the thumbnail of the mezzanine shows.

In: the pictures that a thumbnail of the frames about its moment may be, in the size that is looked at. Out: how
pictures are compared (`stills.py`), what a BlurHash says (`blurhash_text.py`), how alike they have to be (`rules/`).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy

from codex_assets.errors import ToolError
from codex_assets.media import profile
from codex_assets.verification.observe import blurhash_text, stills
from codex_assets.verification.observe.decoder import Decoder
from codex_assets.verification.observe.image_files import read_webp
from codex_assets.verification.observe.pictures import frames_of, whole_thumbnails
from codex_assets.verification.observe.raw_pictures import WEBP_COLOURS, Picture, averaged
from codex_assets.verification.optional_observations import (
    BlurHashObservation,
    SmallPicture,
    SmallThumbnailsObservation,
)
from codex_assets.verification.still_observations import Moment

LONGEST_TEXT = 4 + 2 * 81
"""Characters of a BlurHash of nine by nine components."""


def observe_small_thumbnails(
    decoder: Decoder, paths: Sequence[Path], *, reference: Path | None, at: float | None, output: str
) -> SmallThumbnailsObservation:
    """The pictures at `paths`; see `Observer.small_thumbnails`."""
    wanted = whole_thumbnails(decoder, reference, at) if reference is not None and at is not None else []
    moment = Moment(at) if at is not None else None
    return SmallThumbnailsObservation(output, tuple(_picture(decoder, path, wanted) for path in paths), moment)


def _picture(decoder: Decoder, path: Path, wanted: Sequence[Picture]) -> SmallPicture:
    seen = SmallPicture(path.name)
    if not path.is_file():
        return replace(seen, problem="it does not exist")
    file = read_webp(path.read_bytes())
    try:
        video = decoder.probe(path).video
        # A decoder warns of parts beside the picture, of which another rule tells.
        is_plain = file is None or not file.foreign
        raw = frames_of(decoder, path, None, video, count=1, strict=is_plain) if video is not None else []
    except ToolError:
        return replace(seen, problem="it does not decode", file=file)
    if video is None:
        return replace(seen, problem="it holds no picture", file=file)
    seen = replace(seen, codec=video.codec, size=(video.coded_width, video.coded_height), file=file)
    if not raw or not wanted or video.codec != "webp":
        return seen
    width, height = raw[0].size
    own = raw[0].fitted(width, height, WEBP_COLOURS)[0]
    small = [stills.shaped(picture, width, height) for picture in wanted]
    nearest = min(small, key=lambda picture: stills.distance(own, picture))
    return replace(seen, difference=stills.difference(own, numpy.clip(nearest, 0, 255)))


def observe_blurhash(
    decoder: Decoder, path: Path, *, reference: Path | None, at: float | None, output: str
) -> BlurHashObservation:
    """The BlurHash at `path`; see `Observer.blurhash`."""
    seen = BlurHashObservation(output)
    if not path.is_file():
        return replace(seen, problem="it does not exist")
    text = path.read_bytes()[: LONGEST_TEXT + 1].decode("latin-1")
    try:
        components = blurhash_text.components_of(text)
    except ValueError as error:
        return replace(seen, problem=str(error))
    seen = replace(seen, text=text, components=components)
    wanted = whole_thumbnails(decoder, reference, at) if reference is not None and at is not None else []
    if not wanted:
        return seen
    width, height = profile.BLURHASH_PIXELS
    own = blurhash_text.shown(blurhash_text.waves_of(text), width, height)
    apart = []
    for picture in wanted:
        small = averaged(picture, picture.shape[1] // width, picture.shape[0] // height)
        waves = blurhash_text.waves_in(small, *components)
        blurred, mean = (
            blurhash_text.shown(each, width, height) for each in (blurhash_text.rounded(waves), waves[:1, :1])
        )
        apart.append((_apart(own, blurred), _apart(mean, blurred)))
    distance, nothing = min(apart)
    return replace(seen, distance=distance, nothing=nothing)


def _apart(picture: Picture, other: Picture) -> float:
    return float(numpy.sqrt(((picture - other) ** 2).mean()))
