"""A ladder with other numbers than the profile's, as somebody asks for it, such as `hls_720p.video_kbps=2000`.

In: which numbers of a rung may be changed, and what they may be. Out: what is built with them (`library/what_if.py`).
"""

from __future__ import annotations

import re
from dataclasses import dataclass, fields, replace
from typing import Any

from codex_assets.media import outputs, profile

CHANGEABLE = ("video_kbps", "audio_kbps", "h264_profile")
"""Numbers of a rung. Its box is what it is called by."""
H264_PROFILES = ("baseline", "main", "high")
VIDEO_KBPS = (50, 50_000)
AUDIO_KBPS = (24, 320)


@dataclass(frozen=True)
class ChangedLadder:
    """Both ladders with the changes, and the outputs whose numbers they change, in the order of the text."""

    video: tuple[profile.VideoVariant, ...]
    audio: tuple[profile.AudioVariant, ...]
    outputs: tuple[str, ...]


def parse(text: str) -> ChangedLadder:
    """The ladders that `text` asks for. Raises `ValueError` with a sentence."""
    video = {outputs.variant_output(rung.name): rung for rung in profile.LADDER}
    audio = {outputs.variant_output(rung.name): rung for rung in profile.AUDIO_LADDER}
    changed: list[str] = []
    for part in filter(None, re.split(r"[,\s]+", text)):
        match = re.fullmatch(r"(\w+)\.(\w+)=(\w+)", part)
        if match is None:
            raise ValueError(f"`{part}` is no change of a recipe, such as `hls_720p.video_kbps=2000`.")
        output, name, value = match.groups()
        if output in video:
            video[output] = replace(video[output], **{name: _value(video[output], name, value)})
        elif output in audio:
            audio[output] = replace(audio[output], **{name: _value(audio[output], name, value)})
        else:
            raise ValueError(f"There is no rung {output}; there are {', '.join([*video, *audio])}.")
        changed.append(output)
    if not changed:
        raise ValueError("No change of a recipe is named, such as `hls_720p.video_kbps=2000`.")
    return ChangedLadder(tuple(video.values()), tuple(audio.values()), tuple(dict.fromkeys(changed)))


def _value(rung: profile.VideoVariant | profile.AudioVariant, name: str, text: str) -> Any:
    """What a number of a rung is to be: of the type that the field has. Raises `ValueError`."""
    known = [field.name for field in fields(rung) if field.name in CHANGEABLE]
    if name not in known:
        raise ValueError(f"`{name}` of {rung.name} cannot be changed; {', '.join(known)} can.")
    if name == "h264_profile":
        if text not in H264_PROFILES:
            raise ValueError(f"`{name}` is one of {', '.join(H264_PROFILES)}.")
        return text
    low, high = VIDEO_KBPS if name == "video_kbps" else AUDIO_KBPS
    if not text.isdecimal() or not low <= int(text) <= high:
        raise ValueError(f"`{name}` is a number of kbit/s from {low} to {high:,}.")
    return int(text)
