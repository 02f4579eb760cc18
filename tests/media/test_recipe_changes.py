"""Numbers of a recipe as somebody asks for them: what is changed, what is refused, and that the profile stays."""

from __future__ import annotations

import pytest

from codex_assets.library import what_if
from codex_assets.media import profile, recipe, recipe_changes
from codex_assets.media.encode.loudness import Aim
from codex_assets.media.outputs import variants

UNTOUCHED = recipe.recipe("video", "hls_480p")
VIDEO = ("hls_1080p", "hls_720p", "hls_480p", "hls_360p")
AUDIO = ("hls_128k", "hls_64k")


def test_numbers_of_rungs_are_changed() -> None:
    text = "hls_720p.video_kbps=2000, hls_720p.h264_profile=main hls_64k.audio_kbps=48"
    (changed,) = recipe_changes.parse(text)
    assert changed.outputs == ("hls_720p", "hls_64k")
    video = changed.numbers["LADDER"]
    assert [rung.video_kbps for rung in video] == [5000, 2000, 1000, 500]
    assert video[1].h264_profile == "main"
    assert [rung.audio_kbps for rung in changed.numbers["AUDIO_LADDER"]] == [128, 48]
    assert [rung.video_kbps for rung in profile.LADDER] == [5000, 2500, 1000, 500]


def test_what_rungs_share_is_changed_for_one_of_them_or_for_all() -> None:
    slow, wide, rest = recipe_changes.parse("hls_720p.x264.preset=slow,hls_480p.rate_headroom=1.5,loudness_target=-14")
    assert (slow.outputs, wide.outputs) == (("hls_720p",), ("hls_480p",))
    assert rest.outputs == ("hls_1080p", "hls_360p", *AUDIO)
    assert slow.numbers["X264"].variant == ("-preset", "slow", "-x264-params", "rc-lookahead=40")
    assert slow.numbers["X264"].mezzanine == profile.X264.mezzanine
    assert (wide.numbers["RATE_HEADROOM"], "X264" in wide.numbers) == (1.5, False)
    assert [each.numbers["LOUDNESS_TARGET"] for each in (slow, wide, rest)] == [-14.0] * 3
    (both,) = recipe_changes.parse("x264.preset=slow,x264.rc-lookahead=60")
    assert both.outputs == VIDEO
    assert both.numbers["X264"].variant == ("-preset", "slow", "-x264-params", "rc-lookahead=60")


def test_numbers_are_called_as_receipts_call_them() -> None:
    (changed,) = recipe_changes.parse("hls_720p.variant.video_kbps=2000,hls_720p.x264.-preset=slow")
    assert changed.numbers["LADDER"][1].video_kbps == 2000
    assert "-preset" in changed.numbers["X264"].variant


VALUES = {
    "video_kbps": "2000",
    "audio_kbps": "96",
    "h264_profile": "baseline",
    "rate_headroom": "1.4",
    "buffer_ratio": "1",
    "keyframe_seconds": "1",
    "x264.preset": "slow",
    "x264.rc-lookahead": "20",
    "nvenc.preset": "p6",
    "nvenc.rc-lookahead": "8",
    "nvenc.bf": "0",
    "nvenc.spatial-aq": "0",
    "loudness_target": "-23",
    "loudness_range": "7",
    "true_peak_ceiling": "-2",
    "delivered_peak_limit": "-1.2",
}


def test_every_number_that_can_be_changed_makes_another_recipe() -> None:
    for output in (*VIDEO, *AUDIO):
        media_type = "video" if output in VIDEO else "audio"
        before = recipe.code_version(media_type, output)
        for name in recipe_changes.changeable(output):
            (changed,) = recipe_changes.parse(f"{output}.{name}={VALUES[name]}")
            assert changed.outputs == (output,)
            with what_if.other_numbers(changed.numbers):
                assert recipe.code_version(media_type, output) != before, name
            assert recipe.code_version(media_type, output) == before
    assert set(recipe_changes.changeable("hls_720p")) == set(VALUES)


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("", "No change"),
        ("hls_720p", "is no change"),
        ("hls_720p.video_kbps=", "is no change"),
        ("hls_900p.video_kbps=2000", "There is no rung hls_900p"),
        ("thumbnail.thumbnail_quality=2", "There is no rung thumbnail; there are hls_1080p, hls_720p"),
        ("hls_720p.short=2000", "cannot be changed: a rung is called by its box. These can: video_kbps, audio_kbps"),
        ("hls_720p.segment_seconds=4", "cut alike in every version. These can: .*keyframe_seconds"),
        ("segment_seconds=4", "cut alike in every version. These numbers can: video_kbps"),
        ("hls_720p.speed=2", "`speed` of hls_720p cannot be changed. These can: video_kbps"),
        ("speed=2", "`speed` cannot be changed. These numbers can: video_kbps"),
        ("x264.speed=2", "`x264.speed` cannot be changed. These numbers can: .*x264.preset"),
        ("hls_64k.video_kbps=2000", "cannot be changed. These can: audio_kbps, loudness_target"),
        ("hls_720p.video_kbps=2", "a whole number of kbit/s from 50 to 50,000, not 2"),
        ("hls_720p.video_kbps=fast", "from 50 to 50,000, not fast"),
        ("hls_720p.h264_profile=high10", "one of baseline, main, high, not high10"),
        ("hls_720p.x264.preset=quick", "one of ultrafast, .*, veryslow, not quick"),
        ("keyframe_seconds=4", "one of 1, 2, 3, 6, not 4"),
        ("loudness_target=16", "a number of LUFS from -31 to -8, not 16"),
    ],
)
def test_what_cannot_be_asked_for_is_said(text: str, sentence: str) -> None:
    with pytest.raises(ValueError, match=sentence):
        recipe_changes.parse(text)


def test_a_recipe_has_other_numbers_for_a_block_alone() -> None:
    before = recipe.code_version("video", "hls_720p")
    (changed,) = recipe_changes.parse("hls_720p.video_kbps=2000,hls_720p.true_peak_ceiling=-3")
    with what_if.other_numbers(changed.numbers):
        assert recipe.code_version("video", "hls_720p") != before
        assert Aim().ceiling == -3.0
        # It shares that number.
        assert recipe.recipe("video", "hls_480p") != UNTOUCHED
    assert recipe.code_version("video", "hls_720p") == before
    assert Aim().ceiling == profile.TRUE_PEAK_CEILING
    assert {variant.name for variant in variants("video")} == set(VIDEO)
