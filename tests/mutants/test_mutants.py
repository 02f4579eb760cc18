"""The mutants are many and of every area, the page lists them, and a dozen of them are judged with every run."""

from __future__ import annotations

from collections import Counter

import pytest
from all_mutants import MUTANTS
from contents import CONTENTS
from honest_outputs import CONTROLS
from judgement import judge_control, judge_mutant
from mutant import AREAS, Stage
from mutant_table import PAGE, listed, registered
from slow_cases import some_slow

DOZEN: tuple[tuple[str, Stage], ...] = (
    ("end_missing", "at build"),
    ("bandwidth_too_low", "at build"),
    ("segment_empty", "afterwards"),
    ("pat_missing", "afterwards"),
    ("segment_cut_off", "at build"),
    ("sound_44_khz", "afterwards"),
    ("mezzanine_with_a_place", "at build"),
    ("mezzanine_cut_off", "afterwards"),
    ("thumbnail_is_a_png", "at build"),
    ("waveform_flat", "at build"),
    ("lost_segment", "afterwards"),
)
SLOWER: tuple[tuple[str, Stage], ...] = (
    ("picture_green", "at build"),
    ("ffmpeg_bends_colours_of_variants", "at build"),
    ("storyboard_pictures_one_too_late", "afterwards"),
    ("small_thumbnail_upside_down", "at build"),
    ("blurhash_of_another_picture", "at build"),
)
"""Each builds a whole film once more, or is of what few media have."""


def test_there_are_mutants_of_every_area_and_harm() -> None:
    assert len(MUTANTS) >= 200
    harms = Counter(mutant.harm for mutant in MUTANTS.values())
    assert harms["grave"] >= 60
    assert {mutant.area for mutant in MUTANTS.values()} == set(AREAS)
    assert len(CONTROLS) >= 15


def test_mutants_say_what_is_wrong_and_in_which_media() -> None:
    for mutant in MUTANTS.values():
        assert mutant.description, mutant.name
        assert not mutant.description.endswith("."), mutant.name
        assert mutant.contents, mutant.name
        assert set(mutant.contents) <= CONTENTS.keys(), mutant.name


def test_the_page_lists_every_mutant() -> None:
    assert listed(PAGE.read_text(encoding="utf-8")) == registered()


@pytest.mark.ffmpeg
@pytest.mark.parametrize(
    ("name", "stage"), some_slow([*DOZEN, *SLOWER], lambda number, _: number < len(DOZEN)), ids=lambda value: value
)
def test_a_mutant_is_caught(name: str, stage: Stage) -> None:
    mutant = MUTANTS[name]
    content = next(name for name in ("music", "flat", "silent", "portrait") if name in mutant.contents)
    said = judge_mutant(mutant, content, stage)
    assert said.is_caught(mutant.harm), said


@pytest.mark.ffmpeg
@pytest.mark.parametrize("content", ["flat", "music"])
def test_nothing_is_said_of_what_is_published(content: str) -> None:
    said = judge_control("as published", content, "afterwards", None, None)
    assert not said.rules
    assert said.refused is None
