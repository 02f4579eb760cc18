"""Options that every encode shares: exact output, no metadata, one scaler, the tags of the colours."""

from __future__ import annotations

BITEXACT = ("-fflags", "+bitexact", "-flags:v", "+bitexact", "-flags:a", "+bitexact")
STRIPPED = ("-map_metadata", "-1", "-map_chapters", "-1")
SCALER = "flags=lanczos+accurate_rnd+bitexact"
TAGGED = "setparams=range=tv:color_primaries=bt709:color_trc=bt709:colorspace=bt709"
"""What every picture of ours is, said of the frames. From ffmpeg 7 on, an encoder takes its tags from frames, and where
options ask for other colours than frames have (raw ones have none) ffmpeg converts them by itself."""
