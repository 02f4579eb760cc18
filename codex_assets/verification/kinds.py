"""Which kinds of observations there are, and which of them an output is judged by.

In: the answer for every output that there is. Out: what the rules of a kind are (`rules/`), and which outputs there are
(`media/outputs.py`).
"""

from __future__ import annotations

from enum import StrEnum

from codex_assets.media import outputs
from codex_assets.media.outputs import OutputKind


class ObservationKind(StrEnum):
    """What an observation is of. A rule names the kinds that it judges."""

    RECORD = "record"
    MEZZANINE = "mezzanine"
    VARIANT = "variant"
    PREVIEW = "preview"
    MASTER = "master"
    THUMBNAIL = "thumbnail"
    LOUDNESS = "loudness"
    WAVEFORM_JSON = "waveform_json"
    WAVEFORM_PNG = "waveform_png"
    STORYBOARD = "storyboard"
    THUMBNAILS = "thumbnails"
    BLURHASH = "blurhash"
    DELIVERY = "delivery"
    """Of no output: what servers say of HLS that is checked by URL."""


KINDS: dict[OutputKind, tuple[ObservationKind, ...]] = {
    outputs.MEZZANINE: (ObservationKind.RECORD, ObservationKind.MEZZANINE),
    # It has no file of its own; its sound is judged in each variant.
    outputs.LOUDNESS: (),
    outputs.VARIANT: (ObservationKind.RECORD, ObservationKind.VARIANT, ObservationKind.LOUDNESS),
    outputs.PREVIEW: (ObservationKind.RECORD, ObservationKind.PREVIEW),
    outputs.MASTER: (ObservationKind.RECORD, ObservationKind.MASTER),
    outputs.THUMBNAIL: (ObservationKind.RECORD, ObservationKind.THUMBNAIL),
    outputs.STORYBOARD: (ObservationKind.RECORD, ObservationKind.STORYBOARD),
    outputs.THUMBNAILS: (ObservationKind.RECORD, ObservationKind.THUMBNAILS),
    outputs.BLURHASH: (ObservationKind.RECORD, ObservationKind.BLURHASH),
    outputs.WAVEFORM_JSON: (ObservationKind.RECORD, ObservationKind.WAVEFORM_JSON),
    outputs.WAVEFORM_PNG: (ObservationKind.RECORD, ObservationKind.WAVEFORM_PNG),
}


def kinds_of(output: str) -> tuple[ObservationKind, ...]:
    """The kinds of observations that are made of an output, by its name. Raises `ValueError` for an unknown one."""
    kind = outputs.kind_of(output)
    if kind is None:
        raise ValueError(f"there is no output {output}")
    return KINDS[kind]
