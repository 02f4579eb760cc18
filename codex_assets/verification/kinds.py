"""Which kinds of observations there are, and which of them an output is judged by.

In: the answer for every output that there is. Out: what the rules of a kind are (`rules/`), and which outputs there are
(`media/outputs.py`).
"""

from __future__ import annotations

from enum import StrEnum

from codex_assets.media import outputs
from codex_assets.media.outputs import OutputKind


class Kind(StrEnum):
    """What an observation is of; a rule names the kinds that it judges."""

    MEZZANINE = "mezzanine"
    VARIANT = "variant"
    PREVIEW = "preview"
    MASTER = "master"
    THUMBNAIL = "thumbnail"
    LOUDNESS = "loudness"
    WAVEFORM_JSON = "waveform_json"
    WAVEFORM_PNG = "waveform_png"


KINDS: dict[OutputKind, tuple[Kind, ...]] = {
    outputs.MEZZANINE: (Kind.MEZZANINE,),
    # It has no file of its own; its sound is judged in each variant.
    outputs.LOUDNESS: (),
    outputs.VARIANT: (Kind.VARIANT, Kind.LOUDNESS),
    outputs.PREVIEW: (Kind.PREVIEW,),
    outputs.MASTER: (Kind.MASTER,),
    outputs.THUMBNAIL: (Kind.THUMBNAIL,),
    outputs.WAVEFORM_JSON: (Kind.WAVEFORM_JSON,),
    outputs.WAVEFORM_PNG: (Kind.WAVEFORM_PNG,),
}


def kinds_of(output: str) -> tuple[Kind, ...]:
    """The kinds of observations that are made of an output, by its name. Raises `ValueError` for an unknown one."""
    kind = outputs.kind_of(output)
    if kind is None:
        raise ValueError(f"there is no output {output}")
    return KINDS[kind]
