"""Under which heading a rule is listed: by what a person would look at to see what it says."""

from __future__ import annotations

from typing import Final

from codex_assets.verification.judge import RULES

PICTURE, SOUND, PLAYLISTS, STREAM = "Picture", "Sound", "Playlists", "Stream"
STILLS, MEZZANINE, RECORDS, OTHER = "Stills and waveform", "Mezzanine", "Records and delivery", "Of other releases"

CATEGORIES: Final = (PICTURE, SOUND, PLAYLISTS, STREAM, STILLS, MEZZANINE, RECORDS, OTHER)
"""In the order of the page."""

_BY_FILE: Final = {
    "pictures": PICTURE,
    "captions": PICTURE,
    "tracks": STREAM,
    "transport_stream": STREAM,
    "sound": SOUND,
    "loudness": SOUND,
    "playlist": PLAYLISTS,
    "playlist_text": PLAYLISTS,
    "master": PLAYLISTS,
    "thumbnail": STILLS,
    "storyboard": STILLS,
    "small_thumbnails": STILLS,
    "blurhash": STILLS,
    "waveform": STILLS,
    "mezzanine": MEZZANINE,
    "upload": MEZZANINE,
    "records": RECORDS,
    "delivery": RECORDS,
}
"""A file of rules -> its heading."""


def category_of(rule: str) -> str:
    """The heading of a rule, by its name; `OTHER` for one that there is no more."""
    known = RULES.get(rule)
    return _BY_FILE[known.function.__module__.rpartition(".")[2]] if known is not None else OTHER
