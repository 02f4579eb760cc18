"""Which outputs there are of a video and of an audio, in the order in which they are listed, and what each is made
from.

In: names, order, parents. Out: what shapes an output's bytes (`recipe.py`), and its numbers (`profile.py`).
"""

from __future__ import annotations

from codex_assets.media import profile

VIDEO_OUTPUTS = (
    "mezzanine",
    "loudness",
    *(f"hls_{variant.name}" for variant in profile.LADDER),
    "preview",
    "hls_master",
    "thumbnail",
)
AUDIO_OUTPUTS = (
    "mezzanine",
    "loudness",
    *(f"hls_{variant.name}" for variant in profile.AUDIO_LADDER),
    "hls_master",
    "waveform_json",
    "waveform_png",
)
OUTPUTS = {"video": VIDEO_OUTPUTS, "audio": AUDIO_OUTPUTS}
"""Every output of a media type, in the order of building."""


def parents(media_type: str, output: str) -> tuple[str, ...]:
    """What an output is made from: outputs, and `original`. Variants that do not apply are among a master's too."""
    if output in ("mezzanine", "loudness"):
        return ("original",)
    if output == "hls_master":
        return tuple(one for one in OUTPUTS[media_type] if one.startswith("hls_") and one != "hls_master")
    return ("mezzanine",) if output == "thumbnail" else ("mezzanine", "loudness")
