"""What rules say of a picture's file that should hold its picture and nothing else: in one place, in one wording.

In: problems of a JPEG, PNG or WebP. Out: which form each picture has to have (the rule files).
"""

from __future__ import annotations

from collections.abc import Iterator

from codex_assets.verification.rules.comparisons import Problem
from codex_assets.verification.still_observations import ImageFile

MOST_BYTES_OF_A_PIXEL = 1.5
"""As many as a pixel of 4:2:0 has that is not coded at all."""
LEAST_BYTES = 4096
"""Of a file, for tables and headers."""


def beside_the_picture(file: ImageFile, subject: str, form: str | None = None) -> Iterator[Problem]:
    """What a file holds besides, how it is coded where that is not `form`, and whether it is whole.

    `subject` begins the sentences: "The sheet".
    """
    for part in file.foreign:
        yield Problem(part, part, f"{subject} also holds {part}")
    if form is not None and file.form != form:
        yield Problem("picture", str(file.form), f"{subject} is {file.form}, not {form}")
    if file.pixels is not None and file.size > MOST_BYTES_OF_A_PIXEL * file.pixels + LEAST_BYTES:
        words = f"{file.size} bytes"
        yield Problem("size", words, f"{subject} has {words}, more than its pixels have")
    if not file.ended or file.behind:
        words = f"{file.behind} bytes follow its end" if file.behind else "it breaks off"
        yield Problem("end", words, f"{subject} is not whole: {words}")
