"""The names and limits that both sides of the wire share: media types, outputs, variants, sizes, the form of an id.

In: what a name may be. Out: what a payload or a webhook body has to hold (`payload.py`, `webhook.py`).
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import Field

MediaType = Literal["video", "audio"]
InputStore = Literal["archive", "media"]
"""The store that an original is read from."""
AssetName = Literal[
    "mezzanine",
    "loudness",
    "hls_1080p",
    "hls_720p",
    "hls_480p",
    "hls_360p",
    "hls_128k",
    "hls_64k",
    "preview",
    "hls_master",
    "thumbnail",
    "storyboard",
    "thumbnails",
    "blurhash",
    "waveform_json",
    "waveform_png",
]
VariantName = Literal["1080p", "720p", "480p", "360p", "preview", "128k", "64k"]

ASSETS: Mapping[MediaType, tuple[AssetName, ...]] = {
    "video": (
        "mezzanine",
        "loudness",
        "hls_1080p",
        "hls_720p",
        "hls_480p",
        "hls_360p",
        "preview",
        "hls_master",
        "thumbnail",
        "storyboard",
        "thumbnails",
        "blurhash",
    ),
    "audio": (
        "mezzanine",
        "loudness",
        "hls_128k",
        "hls_64k",
        "hls_master",
        "waveform_json",
        "waveform_png",
    ),
}
"""Outputs that a payload's `assets` may name, by media type."""

VARIANTS: Mapping[MediaType, tuple[VariantName, ...]] = {
    "video": ("1080p", "720p", "480p", "360p", "preview"),
    "audio": ("128k", "64k"),
}
"""What `readyVariants` may hold, best first, by media type."""

HLS_FOLDER: Mapping[MediaType, str] = {"video": "hls", "audio": "hls-audio"}
"""The folder below the creator's that holds what players load, by media type."""

KEY_BYTES = 1024
"""Most bytes of an object key in UTF-8: the limit of S3, R2 and B2 alike."""
URL_CHARACTERS = 4096
"""Most characters of a webhook URL: far above any real one, far below what a log or a header line can take."""
DURATION_SECONDS = (1, 86_400)
"""Least and most seconds that the receiver accepts."""
WIDTH_LIMIT = 7680
"""Most pixels of a width that the receiver accepts."""
HEIGHT_LIMIT = 4320
"""Most pixels of a height that the receiver accepts."""
INTEGRATED_RANGE = (-10_000, 1_000)
"""LUFS x100 that the receiver accepts."""
PEAK_RANGE = (-10_000, 2_000)
"""dBTP x100 that the receiver accepts."""
LOUDNESS_RANGE_RANGE = (0, 50_000)
"""LU x100 that the receiver accepts."""
ERROR_CHARACTERS = 2000
"""Most characters of a sentence that the receiver accepts."""

ID_PATTERN = "^[A-Za-z0-9][A-Za-z0-9_-]{0,127}$"
ID = re.compile(ID_PATTERN.removeprefix("^").removesuffix("$"))
"""An id, which is one segment of every key: use `fullmatch`. The pattern is the same with anchors, for JSON Schema."""

KEY_SCHEMA_PATTERN = r"^(?!(?:.*/)?\.{0,2}(?:/|$))[^\\\u0000-\u001f\u007f-\u009f]+$"
"""What a JSON Schema can say about a key: no backslash, no control character, no empty, "." or ".." segment. The
percent-encoded forms and the creator's segment are left to `parse_payload`."""

PathSegment = Annotated[str, Field(pattern=ID_PATTERN)]


def when_media_type(media_type: str, properties: dict[str, Any]) -> dict[str, Any]:
    """The clause of a JSON Schema that asks `properties` of media of that type alone."""
    return {
        "if": {"properties": {"mediaType": {"const": media_type}}, "required": ["mediaType"]},
        "then": {"properties": properties},
    }
