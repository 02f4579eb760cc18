"""Which kinds of rules apply to an output, by its name.

In: the answer for every output that there is. Out: what the rules of a kind are (`rules/`), and which outputs there are
(`media/outputs.py`).
"""

from __future__ import annotations

from codex_assets.verification.findings import Kind


def kinds(output: str) -> tuple[Kind, ...]:
    """What is judged of an output. The loudness measurement has no file of its own: its sound is a variant's."""
    if output == "loudness":
        return ()
    if output == "preview":
        return (Kind.PREVIEW,)
    if output == "hls_master":
        return (Kind.MASTER,)
    if output.startswith("hls_"):
        return (Kind.VARIANT, Kind.LOUDNESS)
    return (Kind(output),)
