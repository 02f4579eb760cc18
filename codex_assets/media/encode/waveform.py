"""The waveform: audiowaveform's arguments for the JSON and for the picture, fed decoded PCM of what is delivered.

PCM travels as AU: a WAV header cannot say more than 4 GiB, so a long programme would be cut without a word.
"""

from __future__ import annotations

import math

from codex_assets.media import profile
from codex_assets.media.input_flags import input_arguments

FINEST_ZOOM = 256


def pcm_arguments(sound: str) -> list[str]:
    """Decode the delivered sound to AU on standard output."""
    source = input_arguments(sound, trusted=True)
    return [*source, "-map", "0:a:0", "-c:a", "pcm_s16be", "-f", "au", "-"]


def json_arguments(output: str) -> list[str]:
    """Version 2 JSON: 10 points a second, 8 bits, channels merged (audiowaveform's default)."""
    return [
        *("-q", "--input-format", "wav", "-o", output, "--output-format", "json"),
        *("--pixels-per-second", str(profile.WAVEFORM_POINTS_PER_SECOND), "-b", str(profile.WAVEFORM_BITS)),
    ]


def data_arguments(output: str, samples: int) -> list[str]:
    """Fine binary data that the picture is drawn from; `samples` per channel in all."""
    zoom = max(2, min(FINEST_ZOOM, samples // profile.PICTURE_WIDTH))
    return ["-q", "--input-format", "wav", "-o", output, "--output-format", "dat", "-z", str(zoom), "-b", "8"]


def picture_arguments(data: str, output: str, samples: int) -> list[str]:
    """The whole programme across the width of the picture: the zoom is rounded up, so that no tail is cut."""
    zoom = max(2, math.ceil(samples / profile.PICTURE_WIDTH))
    return [
        *("-q", "-i", data, "-o", output, "-z", str(zoom)),
        *("-w", str(profile.PICTURE_WIDTH), "-h", str(profile.PICTURE_HEIGHT), "--no-axis-labels"),
        *("--background-color", profile.WAVEFORM_BACKGROUND, "--waveform-color", profile.WAVEFORM_COLOUR),
    ]
