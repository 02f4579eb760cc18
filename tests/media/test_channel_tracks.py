"""Which sounds belong together, and which are left out without the file saying what they are, by ffprobe's answer."""

from __future__ import annotations

from typing import Any

import pytest

from codex_assets.media.channel_tracks import channel_tracks, left_alone

STEREO = ("stereo", {0: "FL", 1: "FR"})


def sound(index: int, name: str = "", language: str = "", **fields: Any) -> dict[str, Any]:
    tags = {"title": name} if name else {}
    plain = {"codec_name": "aac", "sample_rate": 48000, "channels": 1, "channel_layout": "mono"}
    times = {"start_time": "0.000000", "duration": "3.000000"}
    return {"index": index, **plain, **times, "tags": tags | ({"language": language} if language else {}), **fields}


def named(*names: str) -> list[dict[str, Any]]:
    return [sound(index, name) for index, name in enumerate(names)]


ENABLED: dict[str, Any] = {"disposition": {"default": 1}}
FREE, ONE_GROUP = {**ENABLED, "alternate_group": 0}, {**ENABLED, "alternate_group": 1}


@pytest.mark.parametrize(
    ("container", "brand", "sounds", "expected"),
    [
        ("matroska,webm", "", named("Left", "Right"), STEREO),
        ("matroska,webm", "", named("Voice R", "Voice L"), ("stereo", {0: "FR", 1: "FL"})),
        ("avi", "", named("L", "R"), STEREO),
        ("matroska,webm", "", named("Front left", "Front right"), STEREO),
        ("matroska,webm", "", named("CH1", "CH2"), STEREO),
        ("matroska,webm", "", named("Audio Channel 1", "Audio Channel 2"), STEREO),
        ("matroska,webm", "", named("Host L", "Guest R"), None),
        ("matroska,webm", "", named("Left", ""), None),
        ("matroska,webm", "", named("Track1", "Track2"), None),
        ("matroska,webm", "", named("Deutsch", "English"), None),
        ("matroska,webm", "", [sound(0, "Left", "eng"), sound(1, "Right", "deu")], None),
        ("matroska,webm", "", [sound(0, "Left"), sound(1, "Right", disposition={"dub": 1})], None),
        ("matroska,webm", "", [sound(0, "Left"), sound(1, "Right", duration="2.000000")], None),
        (
            "matroska,webm",
            "",
            named("L", "R", "C", "LFE", "Ls", "Rs"),
            ("5.1(side)", {0: "FL", 1: "FR", 2: "FC", 3: "LFE", 4: "SL", 5: "SR"}),
        ),
        ("mov,mp4,m4a,3gp,3g2,mj2", "isom", [sound(0, **FREE), sound(1, **FREE)], STEREO),
        ("mov,mp4,m4a,3gp,3g2,mj2", "isom", [sound(0, **ONE_GROUP), sound(1, **ONE_GROUP)], None),
        ("mov,mp4,m4a,3gp,3g2,mj2", "isom", [sound(0, **FREE), sound(1, alternate_group=0)], None),
        ("mov,mp4,m4a,3gp,3g2,mj2", "isom", [sound(0, **ENABLED), sound(1, **ENABLED)], None),
        ("mov,mp4,m4a,3gp,3g2,mj2", "qt  ", [sound(0, **ONE_GROUP), sound(1, alternate_group=1)], STEREO),
        ("mov,mp4,m4a,3gp,3g2,mj2", "qt  ", named("Host", "Guest"), None),
        ("mxf", "", [sound(0), sound(1)], STEREO),
    ],
)
def test_tracks_are_joined_by_what_the_file_says(
    container: str, brand: str, sounds: list[dict[str, Any]], expected: tuple[str, dict[int, str]] | None
) -> None:
    probed = {"format": {"format_name": container, "tags": {"major_brand": brand} if brand else {}}}
    assert channel_tracks(probed, sounds) == expected


@pytest.mark.parametrize(
    ("other", "is_named"),
    [
        (sound(1), True),
        (sound(1, "Guest"), True),
        (sound(1, language="eng"), True),
        (sound(1, codec_name="pcm_s16le", duration="1.000000"), True),
        (sound(1, channels=2, channel_layout="stereo"), True),
        (sound(1, channels=6, codec_name="ac3"), False),
        (sound(1, disposition={"comment": 1}), False),
        (sound(1, disposition={"dub": 1}), False),
        (sound(1, sample_rate=0), False),
    ],
)
def test_a_sound_is_named_unless_the_file_says_what_it_is(other: dict[str, Any], is_named: bool) -> None:
    assert left_alone([sound(0), other], {0}) == (((1, 2),) if is_named else ())


def test_languages_are_versions_where_both_are_known() -> None:
    english = sound(0, language="eng")
    sounds = [english, sound(1, language="fra"), sound(2, language="eng"), sound(3, language="und")]
    assert left_alone(sounds, {0}) == ((2, 3), (3, 4))
    assert left_alone(sounds, {0, 2}) == ((3, 4),)
