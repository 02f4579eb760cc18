"""A recipe with other numbers than the profile's, as somebody asks for it, such as `hls_720p.video_kbps=2000`.

In: which numbers may be changed, what they may be, and which are fixed for what reason. They are called as receipts
call them, without the dash of an option. Out: what is built with them (`library/what_if.py`).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from codex_assets.media import outputs, profile

H264_PROFILES = ("baseline", "main", "high")
X264_PRESETS = (
    *("ultrafast", "superfast", "veryfast", "faster", "fast"),
    *("medium", "slow", "slower", "veryslow"),
)
NVENC_PRESETS = tuple(f"p{number}" for number in range(1, 8))
"""From the fastest to the best."""
EXAMPLE = "hls_720p.video_kbps=2000"


@dataclass(frozen=True)
class ChangedRecipe:
    """`numbers`: what the profile is to hold, by its names there, while `outputs` are built."""

    outputs: tuple[str, ...]
    numbers: Mapping[str, Any]


@dataclass(frozen=True)
class _Number:
    """A number that may be changed. `read` takes what somebody writes, and raises `ValueError` with what it may be
    ("a number from 1 to 3")."""

    name: str
    read: Callable[[str], Any]
    write: Callable[[_Draft, str, Any], None]
    """Puts a value into a draft, for one output."""
    is_of_pictures: bool = False


@dataclass
class _Draft:
    """The changes so far: rungs by output, and what else of the profile is to be another for each output."""

    video: dict[str, profile.VideoVariant]
    audio: dict[str, profile.AudioVariant]
    changed: dict[str, dict[str, Any]] = field(default_factory=dict)

    def numbers_of(self, output: str) -> dict[str, Any]:
        """What else than rungs is to be another while this output is built."""
        return self.changed.setdefault(output, {})


# --- What may be changed ----------------------------------------------------------------------------------------------


def _whole(low: int, high: int, unit: str = "") -> Callable[[str], int]:
    def read(text: str) -> int:
        if not re.fullmatch(r"[0-9]{1,9}", text) or not low <= int(text) <= high:
            raise ValueError(f"a whole number{unit} from {low:,} to {high:,}")
        return int(text)

    return read


def _decimal(low: float, high: float, unit: str = "") -> Callable[[str], float]:
    def read(text: str) -> float:
        if not re.fullmatch(r"-?[0-9]{1,4}(?:\.[0-9]{1,3})?", text) or not low <= float(text) <= high:
            raise ValueError(f"a number{unit} from {low:g} to {high:g}")
        return float(text)

    return read


def _one_of(*values: str) -> Callable[[str], str]:
    def read(text: str) -> str:
        if text not in values:
            raise ValueError(f"one of {', '.join(values)}")
        return text

    return read


def _key_frame_step(text: str) -> int:
    steps = [step for step in range(1, profile.SEGMENT_SECONDS + 1) if profile.SEGMENT_SECONDS % step == 0]
    return int(_one_of(*map(str, steps))(text))


def _of_rung(name: str) -> Callable[[_Draft, str, Any], None]:
    def write(draft: _Draft, output: str, value: Any) -> None:
        draft.numbers_of(output)
        if output in draft.video:
            draft.video[output] = replace(draft.video[output], **{name: value})
        else:
            draft.audio[output] = replace(draft.audio[output], **{name: value})

    return write


def _of_profile(name: str) -> Callable[[_Draft, str, Any], None]:
    def write(draft: _Draft, output: str, value: Any) -> None:
        draft.numbers_of(output)[name] = value

    return write


def _of_encoder(row: str, option: str, written: Callable[[Any], str] = str) -> Callable[[_Draft, str, Any], None]:
    """Another value of an option of `profile`'s encoder `row`, as `written`."""

    def write(draft: _Draft, output: str, value: Any) -> None:
        numbers = draft.numbers_of(output)
        before: profile.EncoderRow = numbers.get(row, getattr(profile, row))
        options = list(before.variant)
        options[options.index(option) + 1] = written(value)
        numbers[row] = replace(before, variant=tuple(options))

    return write


_NUMBERS = (
    _Number("video_kbps", _whole(50, 50_000, " of kbit/s"), _of_rung("video_kbps"), is_of_pictures=True),
    _Number("audio_kbps", _whole(24, 320, " of kbit/s"), _of_rung("audio_kbps")),
    _Number("h264_profile", _one_of(*H264_PROFILES), _of_rung("h264_profile"), is_of_pictures=True),
    _Number("rate_headroom", _decimal(1, 3), _of_profile("RATE_HEADROOM"), is_of_pictures=True),
    _Number("buffer_ratio", _decimal(0.5, 10, " of seconds"), _of_profile("BUFFER_RATIO"), is_of_pictures=True),
    _Number("keyframe_seconds", _key_frame_step, _of_profile("KEYFRAME_SECONDS"), is_of_pictures=True),
    _Number("x264.preset", _one_of(*X264_PRESETS), _of_encoder("X264", "-preset"), is_of_pictures=True),
    _Number(
        "x264.rc-lookahead",
        _whole(0, 250, " of pictures"),
        _of_encoder("X264", "-x264-params", "rc-lookahead={}".format),
        is_of_pictures=True,
    ),
    _Number("nvenc.preset", _one_of(*NVENC_PRESETS), _of_encoder("NVENC", "-preset"), is_of_pictures=True),
    _Number(
        "nvenc.rc-lookahead", _whole(0, 32, " of pictures"), _of_encoder("NVENC", "-rc-lookahead"), is_of_pictures=True
    ),
    _Number("nvenc.bf", _whole(0, 4), _of_encoder("NVENC", "-bf"), is_of_pictures=True),
    _Number("nvenc.spatial-aq", _one_of("0", "1"), _of_encoder("NVENC", "-spatial-aq"), is_of_pictures=True),
    _Number("loudness_target", _decimal(-31, -8, " of LUFS"), _of_profile("LOUDNESS_TARGET")),
    _Number("loudness_range", _decimal(1, 50, " of LU"), _of_profile("LOUDNESS_RANGE")),
    _Number("true_peak_ceiling", _decimal(-9, 0, " of dBTP"), _of_profile("TRUE_PEAK_CEILING")),
    _Number("delivered_peak_limit", _decimal(-9, 0, " of dBTP"), _of_profile("DELIVERED_PEAK_LIMIT")),
)
_BY_NAME = {number.name: number for number in _NUMBERS}
_FIXED = {
    **dict.fromkeys(("name", "short", "long"), "a rung is called by its box"),
    **dict.fromkeys(("segment_seconds", "segment_pattern"), "segments are cut alike in every version"),
    **dict.fromkeys(("sample_rate", "channels", "aac_frame_samples"), "all sound is delivered alike"),
}
"""Numbers of a rung's recipe that somebody might want to change, and why that makes no comparison."""


def changeable(output: str) -> list[str]:
    """The numbers of a rung that may be changed, as they are called."""
    has_pictures = any(outputs.variant_output(rung.name) == output for rung in profile.LADDER)
    return [number.name for number in _NUMBERS if has_pictures or not number.is_of_pictures]


# --- Reading ----------------------------------------------------------------------------------------------------------


def parse(text: str) -> tuple[ChangedRecipe, ...]:
    """The recipes that `text` asks for: rungs of which the same numbers are changed are together, for they are built
    together. Raises `ValueError` with a sentence.

    A change without a rung, such as `loudness_target=-14`, is one of all rungs that have the number.
    """
    draft = _Draft(
        {outputs.variant_output(rung.name): rung for rung in profile.LADDER},
        {outputs.variant_output(rung.name): rung for rung in profile.AUDIO_LADDER},
    )
    parts = list(filter(None, re.split(r"[,\s]+", text)))
    if not parts:
        raise ValueError(f"No change of a recipe is named, such as `{EXAMPLE}`.")
    for part in parts:
        name, sign, value = part.partition("=")
        if not sign or not value:
            raise ValueError(f"`{part}` is no change of a recipe, such as `{EXAMPLE}`.")
        rungs, number = _meant(name, draft)
        try:
            read = number.read(value)
        except ValueError as error:
            raise ValueError(f"`{number.name}` is {error}, not {value}.") from None
        for output in rungs:
            number.write(draft, output, read)
    return tuple(_together(draft))


def _meant(name: str, draft: _Draft) -> tuple[list[str], _Number]:
    """The rungs and the number that the left side of a change means. Raises `ValueError`."""
    rungs = [*draft.video, *draft.audio]
    output, dot, own = name.partition(".")
    if output in rungs and dot:
        known = changeable(output)
        if (plain := own.replace(".-", ".").removeprefix("variant.")) in known:
            return [output], _BY_NAME[plain]
        raise ValueError(f"`{own}` of {output} cannot be changed{_why_fixed(plain)}. These can: {', '.join(known)}.")
    plain = name.replace(".-", ".")
    if plain in _BY_NAME:
        return [output for output in rungs if plain in changeable(output)], _BY_NAME[plain]
    if dot and output not in ("x264", "nvenc"):
        raise ValueError(f"There is no rung {output}; there are {', '.join(rungs)}.")
    raise ValueError(f"`{name}` cannot be changed{_why_fixed(plain)}. These numbers can: {', '.join(_BY_NAME)}.")


def _why_fixed(name: str) -> str:
    """The rest of a sentence; nothing where no reason is known."""
    return f": {_FIXED[name]}" if name in _FIXED else ""


def _together(draft: _Draft) -> list[ChangedRecipe]:
    """What is built with one set of numbers, in the order in which it was asked for."""
    ladders = {"LADDER": tuple(draft.video.values()), "AUDIO_LADDER": tuple(draft.audio.values())}
    recipes: list[ChangedRecipe] = []
    for output, numbers in draft.changed.items():
        whole = {**ladders, **numbers}
        same = next((number for number, each in enumerate(recipes) if each.numbers == whole), None)
        if same is None:
            recipes.append(ChangedRecipe((output,), whole))
        else:
            recipes[same] = replace(recipes[same], outputs=(*recipes[same].outputs, output))
    return recipes
