"""Numbers of a ladder as somebody asks for them: what is changed, what is refused, and that the profile stays."""

from __future__ import annotations

import pytest

from codex_assets.library import what_if
from codex_assets.media import ladder_changes, profile, recipe

UNTOUCHED = recipe.recipe("video", "hls_480p")


def test_numbers_of_rungs_are_changed() -> None:
    changed = ladder_changes.parse("hls_720p.video_kbps=2000, hls_720p.h264_profile=main hls_64k.audio_kbps=48")
    assert changed.outputs == ("hls_720p", "hls_64k")
    assert [rung.video_kbps for rung in changed.video] == [5000, 2000, 1000, 500]
    assert changed.video[1].h264_profile == "main"
    assert [rung.audio_kbps for rung in changed.audio] == [128, 48]
    assert [rung.video_kbps for rung in profile.LADDER] == [5000, 2500, 1000, 500]


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("", "No change"),
        ("hls_720p", "is no change"),
        ("hls_900p.video_kbps=2000", "There is no rung hls_900p"),
        ("hls_720p.short=2000", "cannot be changed; video_kbps, audio_kbps, h264_profile can"),
        ("hls_64k.video_kbps=2000", "cannot be changed; audio_kbps can"),
        ("hls_720p.video_kbps=2", "from 50 to 50,000"),
        ("hls_720p.video_kbps=fast", "from 50 to 50,000"),
        ("hls_720p.h264_profile=high10", "one of baseline, main, high"),
    ],
)
def test_what_cannot_be_asked_for_is_said(text: str, sentence: str) -> None:
    with pytest.raises(ValueError, match=sentence):
        ladder_changes.parse(text)


def test_a_recipe_has_other_numbers_for_a_block_alone() -> None:
    before = recipe.code_version("video", "hls_720p")
    with what_if.other_numbers(ladder_changes.parse("hls_720p.video_kbps=2000")):
        assert recipe.code_version("video", "hls_720p") != before
        assert recipe.recipe("video", "hls_480p") == UNTOUCHED
    assert recipe.code_version("video", "hls_720p") == before
