"""What rules say of a picture's file that should hold its picture and nothing else: in one place, in one wording.

In: problems of a JPEG, PNG or WebP. Out: which form each picture has to have (the rule files).
"""

from __future__ import annotations

from collections.abc import Iterator

from codex_assets.verification.rules.comparisons import Problem
from codex_assets.verification.still_observations import ImageFile


def beside_the_picture(file: ImageFile, subject: str, form: str | None = None) -> Iterator[Problem]:
    """What a file holds besides, how it is coded where that is not `form`, and whether it is whole.

    `subject` begins the sentences: "The sheet".
    """
    for part in file.foreign:
        yield Problem(part, part, f"{subject} also holds {part}")
    if form is not None and file.form != form:
        yield Problem("picture", str(file.form), f"{subject} is {file.form}, not {form}")
    if not file.ended or file.behind:
        words = f"{file.behind} bytes follow its end" if file.behind else "it breaks off"
        yield Problem("end", words, f"{subject} is not whole: {words}")
