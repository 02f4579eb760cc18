"""A changed number makes stale what it shapes, and nothing else."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from types import MappingProxyType
from typing import Any

import pytest

from codex_assets.media import outputs as media_outputs
from codex_assets.media import profile, recipe
from codex_assets.media.outputs import OUTPUTS

VIDEO, AUDIO = OUTPUTS["video"], OUTPUTS["audio"]
RUNGS = tuple(f"hls_{variant.name}" for variant in profile.LADDER)
SHEETS = ("hls_128k", "hls_64k")


def codes() -> dict[tuple[str, str], str]:
    return {(kind, output): recipe.code_version(kind, output) for kind in OUTPUTS for output in OUTPUTS[kind]}


def video(*outputs: str) -> set[tuple[str, str]]:
    return {("video", output) for output in outputs}


def audio(*outputs: str) -> set[tuple[str, str]]:
    return {("audio", output) for output in outputs}


def ladder(name: str, **changed: Any) -> tuple[profile.VideoVariant, ...]:
    return tuple(replace(rung, **changed) if rung.name == name else rung for rung in profile.LADDER)


EVERY_PICTURE = video(*RUNGS, "preview")
EVERY_STILL = video("thumbnail", "thumbnails", "blurhash")
EVERY_SOUND = EVERY_PICTURE | audio(*SHEETS, "waveform_json", "waveform_png")

CHANGES: list[tuple[str, Any, set[tuple[str, str]]]] = [
    ("LADDER", ladder("1080p", video_kbps=6000), video("hls_1080p")),
    ("LADDER", ladder("480p", short=432), video("hls_480p", "preview")),
    ("LADDER", ladder("360p", audio_kbps=96), video("hls_360p", "preview")),
    ("AUDIO_LADDER", (profile.AUDIO_LADDER[0], profile.AudioVariant("64k", 72)), audio("hls_64k")),
    ("X264", replace(profile.X264, mezzanine=("-crf", "16")), video("mezzanine")),
    ("NVENC", replace(profile.NVENC, variant=("-preset", "p7")), EVERY_PICTURE),
    ("KEYFRAME_SECONDS", 3, EVERY_PICTURE),
    ("RATE_HEADROOM", 1.5, EVERY_PICTURE),
    ("SEGMENT_SECONDS", 4, EVERY_PICTURE | audio(*SHEETS)),
    ("PREVIEW_SECONDS", 24, video("preview")),
    ("LOUDNESS_TARGET", -14.0, EVERY_SOUND),
    ("TRUE_PEAK_CEILING", -2.0, EVERY_SOUND),
    ("LOUDNESS_TOLERANCE", 0.4, EVERY_SOUND),
    ("SILENCE_LUFS", -60.0, video("loudness") | audio("loudness")),
    ("MAX_FRAME_RATE", 30, video("mezzanine")),
    ("HDR_PEAK_NITS", 100, video("mezzanine")),
    ("LEANING", 0.2, video("mezzanine")),
    ("HD_WIDTH", 1920, video("mezzanine")),
    ("FULL_SCALE_ROOM", 2.0, video("mezzanine") | audio("mezzanine")),
    ("SOUND_GAP_SECONDS", 0.1, EVERY_SOUND | video("mezzanine") | audio("mezzanine")),
    ("COPIED_AUDIO", ("aac",), video("mezzanine") | audio("mezzanine")),
    ("THUMBNAIL_AT", 0.5, EVERY_STILL),
    ("THUMBNAIL_SIZES", ((100, 56),), video("thumbnails")),
    ("BLURHASH_COMPONENTS", (4, 4), video("blurhash")),
    ("STORYBOARD_TILES", 50, video("storyboard")),
    ("WAVEFORM_POINTS_PER_SECOND", 20, audio("waveform_json")),
    ("WAVEFORM_COLOUR", "ffffffff", audio("waveform_png")),
    ("PICTURE_WIDTH", 640, EVERY_STILL | audio("waveform_png")),
    ("LOSS_LIMIT", 0.1, set()),
    ("MAX_PIXELS", 1, set()),
]


@pytest.mark.parametrize(
    ("name", "value", "stale"), CHANGES, ids=[f"{number}-{change[0]}" for number, change in enumerate(CHANGES)]
)
def test_a_number_makes_stale_what_it_shapes(
    name: str, value: Any, stale: set[tuple[str, str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    before = codes()
    monkeypatch.setattr(profile, name, value)
    after = codes()
    assert {key for key in before if before[key] != after[key]} == stale


def test_a_rule_makes_its_own_output_stale(monkeypatch: pytest.MonkeyPatch) -> None:
    before = codes()
    monkeypatch.setitem(recipe.RULES, "preview", recipe.RULES["preview"] + 1)
    after = codes()
    assert {key for key in before if before[key] != after[key]} == video("preview")


@pytest.mark.parametrize(
    ("name", "value", "stale"), CHANGES, ids=[f"{number}-{change[0]}" for number, change in enumerate(CHANGES)]
)
def test_a_changed_number_has_a_name(
    name: str, value: Any, stale: set[tuple[str, str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Recorded recipes differ exactly when code versions do, and people can read in what."""
    before = {key: recipe.numbers(*key) for key in codes()}
    monkeypatch.setattr(profile, name, value)
    after = {key: recipe.numbers(*key) for key in codes()}
    assert {key for key in before if before[key] != after[key]} == stale


SHAPES_NOTHING = {
    *("PROBE_SIDE", "WAVEFORM_FLOOR"),
    *("UNTRUSTED_PROTOCOLS", "UNTRUSTED_FORMATS", "UNTRUSTED_DECODERS"),
    *("MAX_PIXELS", "MAX_SIDE", "MAX_ASPECT", "MAX_ASPECT_FROM", "MAX_SECONDS", "MAX_WORK_PIXELS", "MAX_WORK_UNPROVEN"),
    *(
        "MAX_WORK_PER_BYTE",
        "LOOK_BYTES",
        "LOOK_BEYOND_BYTES",
        "REPORTED_IDLE_SECONDS",
        "MAX_TRACKS",
        "MAX_STREAMS",
        "MAX_AUDIO_CHANNELS",
        "SAMPLE_RATES",
        "IDLE_STEP_SECONDS",
    ),
    "FLAC_BITS",
    *("MAX_IDLE_SECONDS", "MAX_INFLATION", "INFLATION_BYTES", "RESYNC_BYTES", "LOSS_LIMIT", "REPORTED_LOSS_SHARE"),
    *("REPORTED_LOSS_SECONDS", "GAP_SECONDS", "GAP_STEPS", "LOST_SECONDS", "CHUNK_BYTES", "CHUNK_BYTES_PER_PIXEL"),
    "BESIDE_CHUNKS_BYTES",
}
"""Numbers that decide whether anything is made, or what is said of it."""


def test_every_number_is_in_a_recipe_or_shapes_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    before = codes()
    idle = set()
    for name, value in vars(profile).copy().items():
        if not name.isupper():
            continue
        changes: dict[type, Callable[[Any], object]] = {
            int: lambda number: number + 1,
            float: lambda number: number + 1,
            str: lambda value: f"{value}.",
            MappingProxyType: lambda value: {**value, 9: "mono"},
            tuple: lambda value: (*value[:-1], value[0], value[-1]),
            profile.EncoderRow: lambda value: replace(value, mezzanine=(), variant=()),
        }
        changed = changes[type(value)](value)
        with monkeypatch.context() as patched:
            patched.setattr(profile, name, "480p" if name == "PREVIEW_BEST" else changed)
            try:
                if codes() == before:
                    idle.add(name)
            except StopIteration:
                pytest.fail(f"{name} cannot be changed")
    # One rung more leaves the others as they are.
    assert idle - {"AUDIO_LADDER"} == SHAPES_NOTHING


def test_no_number_goes_by_its_position() -> None:
    named = {name for key in codes() for name in recipe.numbers(*key)}
    assert [name for name in named if name.rpartition(".")[2].isdigit()] == []


def test_everything_is_made_from_something() -> None:
    for kind, outputs in OUTPUTS.items():
        for number, output in enumerate(outputs):
            parents = media_outputs.parents(kind, output)
            assert parents
            assert set(parents) <= {"original", *outputs[:number]}


def test_codes_are_short_stable_and_told_apart() -> None:
    assert codes() == codes()
    assert all(len(code) == 12 for code in codes().values())
    rungs = [recipe.code_version("video", output) for output in RUNGS]
    assert len(set(rungs)) == len(rungs)


@pytest.mark.parametrize(
    ("kind", "output"), [("video", "waveform_json"), ("audio", "thumbnail"), ("video", "hls_999p")]
)
def test_an_unknown_output_has_no_recipe(kind: str, output: str) -> None:
    with pytest.raises(KeyError):
        recipe.recipe(kind, output)
