"""A fault that an ffmpeg is to make has a place in the arguments that it is given; else it would make none."""

from __future__ import annotations

import itertools
import re
from fractions import Fraction

import pytest
import tool_mutants
from tool_mutants import Edit

from codex_assets.media import profile, target_format
from codex_assets.media.encode import ladder, loudness
from codex_assets.media.encode.chunks import chunks

OF_VARIANTS = [edit for edit in tool_mutants.EDITS if edit.area in ("pictures", "sound")]


def arguments_of_variants() -> list[str]:
    rungs = target_format.rungs(640, 360)
    chunk = chunks(240, Fraction(30), segments=1)[0]
    pictures = ladder.chunk_arguments("m.mp4", [(rung, "o.ts") for rung in rungs], chunk, Fraction(30), profile.X264)
    return [*pictures, *ladder.audio_arguments("m.mp4", 128, "o.m4a", loudness.Gain("none", None), 8.0)]


@pytest.mark.parametrize("edit", OF_VARIANTS, ids=[edit.name for edit in OF_VARIANTS])
def test_a_variant_has_what_is_to_be_spoiled(edit: Edit) -> None:
    option, pattern = edit.place
    pairs = itertools.pairwise(arguments_of_variants())
    assert any(re.search(pattern, argument) for before, argument in pairs if option in ("", before))
