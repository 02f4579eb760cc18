"""The rules, one file per kind of output, each with its own limits. The order of the imports is the order of the list.

This folder should contain rules, with the numbers that only they use, and nothing that reads a file: a rule gets an
observation and returns a verdict. Numbers and checks that several files share are in `tolerances.py`;
what a rule and a finding are is in `verification/findings.py`.
"""

from codex_assets.verification.rules import (  # noqa: I001 - the order in which rules are listed and applied
    playlist,
    tracks,
    master,
    mezzanine,
    thumbnail,
    loudness,
    waveform,
)

IN_ORDER = (playlist, tracks, master, mezzanine, thumbnail, loudness, waveform)
