"""Which kinds of observations there are, and which of them an output is judged by.

In: the answer for every output that there is. Out: what the rules of a kind are (`rules/`), and which outputs there are
(`media/outputs.py`).
"""

from __future__ import annotations

from enum import StrEnum


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


def kinds_of(output: str) -> tuple[Kind, ...]:
    """The kinds of observations that are made of an output.

    Empty for `loudness`: that output has no file of its own, and its sound is judged in each variant.
    """
    if output == "loudness":
        return ()
    if output == "preview":
        return (Kind.PREVIEW,)
    if output == "hls_master":
        return (Kind.MASTER,)
    if output.startswith("hls_"):
        return (Kind.VARIANT, Kind.LOUDNESS)
    return (Kind(output),)
