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

SAME_FRAME = 8.0
"""Distance up to which a picture says which of the frames about the moment it and the other sizes show."""
LONGEST_TEXT = 4 + 2 * 81
"""Characters of a BlurHash of nine by nine components."""


def observe_small_thumbnails(
    decoder: Decoder, paths: Sequence[Path], *, reference: Path | None, at: float | None, output: str
) -> SmallThumbnailsObservation:
    """The pictures at `paths`; see `Observer.small_thumbnails`."""
    wanted = whole_thumbnails(decoder, reference, at) if reference is not None and at is not None else []
    moment = Moment(at) if at is not None else None
    pictures = []
    for path in paths:
        picture, nearest = _picture(decoder, path, wanted)
        pictures.append(picture)
        # All sizes show the same frame: which it is, the smallest one says.
        wanted = [nearest] if nearest is not None else wanted
    return SmallThumbnailsObservation(output, tuple(pictures), moment)


def _picture(decoder: Decoder, path: Path, wanted: Sequence[Picture]) -> tuple[SmallPicture, Picture | None]:
    """What is seen of a file, and the one of `wanted` that it is most like; None where that cannot be said."""
    seen = SmallPicture(path.name)
    if not path.is_file():
        return replace(seen, problem="it does not exist"), None
    file = read_webp(path.read_bytes())
    try:
        video = decoder.probe(path).video
        # A decoder warns of parts beside the picture, of which another rule tells.
        is_plain = file is None or not file.foreign
        raw = frames_of(decoder, path, None, video, count=1, strict=is_plain) if video is not None else []
    except ToolError:
        return replace(seen, problem="it does not decode", file=file), None
    if video is None:
        return replace(seen, problem="it holds no picture", file=file), None
    seen = replace(seen, codec=video.codec, size=(video.coded_width, video.coded_height), file=file)
    if not raw or not wanted or video.codec != "webp":
        return seen, None
    width, height = raw[0].size
    own = raw[0].fitted(width, height, WEBP_COLOURS)[0]
    small = [numpy.clip(stills.shaped(picture, width, height), 0, 255) for picture in wanted]
    index = min(range(len(small)), key=lambda number: stills.distance(own, small[number]))
    difference = stills.difference(own, small[index])
    return replace(seen, difference=difference), wanted[index] if difference.distance <= SAME_FRAME else None


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
