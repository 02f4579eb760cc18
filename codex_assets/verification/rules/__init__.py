"""The rules, one file per kind of output, each with its own limits.

The order of the imports is the order in which rules are listed and applied.

This folder should contain rules, with the numbers that only they use, and nothing that reads a file: a rule gets an
observation and returns a finding. Numbers that several files share are in `shared_limits.py`, comparisons in
`comparisons.py`; what a rule is is in `verification/rule.py`, and what a finding is in `archive/findings.py`.
"""

from codex_assets.verification.rules import (  # noqa: F401, I001 - the order in which rules are listed and applied
    records,
    playlist,
    playlist_text,
    tracks,
    pictures,
    sound,
    captions,
    transport_stream,
    master,
    mezzanine,
    upload,
    thumbnail,
    storyboard,
    small_thumbnails,
    blurhash,
    loudness,
    waveform,
    delivery,
)
