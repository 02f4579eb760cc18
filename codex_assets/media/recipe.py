"""What shapes an output's bytes, as a hash: the code version of its asset.

In: which numbers of `profile.py` an output depends on, and the version of each rule that is code and not a number. Out:
which outputs there are (`outputs.py`), and what is stale because of a changed recipe (`library/staleness.py`).
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict
from typing import Any

from codex_assets.media import outputs, profile
from codex_assets.media.outputs import OutputDefinition, OutputKind

RULES = {
    "mezzanine": 2,
    "loudness": 1,
    "variant": 1,
    "audio_variant": 1,
    "preview": 1,
    "hls_master": 2,
    "thumbnail": 1,
    "storyboard": 1,
    "thumbnails": 1,
    "blurhash": 1,
    "waveform_json": 1,
    "waveform_png": 1,
}

_SOUND = (
    *("sample_rate", "channels", "loudness_target", "true_peak_ceiling"),
    *("delivered_peak_limit", "loudness_range", "short_programme_seconds"),
    *("loudness_tolerance", "sound_corrections", "loudest_measured"),
    *("sound_softenings", "softened_share", "softened_decibels"),
    *("sound_gap_seconds", "max_placed_channels"),
    *("aac_frame_samples", "shortest_sound_frames"),
)
_PICTURE = ("picture_width", "picture_height")
NAMES: dict[tuple[str, str], tuple[str, ...]] = {
    ("mezzanine", "sound"): (
        *("copied_audio", "skipping_audio", "untimed_audio"),
        *("mezzanine_aac_kbps_per_channel", "float_audio", "full_scale_room"),
        *("alac_layouts", "flac_layouts", "usual_layouts", "paired_channels"),
        *("sound_gap_seconds", "max_placed_channels"),
    ),
    ("mezzanine", "rates"): ("min_frame_rate", "max_frame_rate", "standard_rates", "rate_snap"),
    ("mezzanine", "picture"): ("mezzanine_keyframe_seconds", "hdr_peak_nits", "sd_lines", "hd_width"),
    ("mezzanine", "placed"): ("tracks_apart_seconds", "clock_shift_seconds"),
    ("mezzanine", "interlaced"): (
        *("interlace_places", "interlace_pictures", "interlace_long_seconds", "interlace_columns"),
        *("interlace_samples", "interlace_lines", "moving_fraction", "moving_pictures", "combed_pictures"),
        *("combed_fraction", "clearly_combed", "teeth_fraction", "leaning"),
    ),
    ("thumbnail", "numbers"): (*_PICTURE, "thumbnail_at", "thumbnail_quality"),
    ("storyboard", "numbers"): (
        *("storyboard_tiles", "storyboard_tile_seconds", "storyboard_columns"),
        *("storyboard_tile_side", "storyboard_quality"),
    ),
    ("thumbnails", "numbers"): (*_PICTURE, "thumbnail_at", "thumbnail_sizes", "webp_quality"),
    ("blurhash", "numbers"): (*_PICTURE, "thumbnail_at", "blurhash_pixels", "blurhash_components"),
    ("waveform_json", "drawn"): ("waveform_points_per_second", "waveform_bits"),
    ("waveform_png", "drawn"): (*_PICTURE, "waveform_background", "waveform_colour"),
    ("waveform_json", "sound"): _SOUND,
    ("waveform_png", "sound"): _SOUND,
    ("variant", "sound"): _SOUND,
    ("variant", "rates"): ("rate_headroom", "buffer_ratio", "keyframe_seconds"),
    ("variant", "preview"): ("preview_seconds", "preview_best"),
    ("variant", "segments"): ("segment_seconds", "segment_pattern"),
}
"""The names in `profile` of the numbers of a recipe's tuples, by kind of output and part. People read these names where
a changed recipe is explained. Variants and the preview share theirs."""


def code_version(media_type: str, output: str) -> str:
    """Twelve hex digits that change when, and only when, the recipe of this output does."""
    text = json.dumps(recipe(media_type, output), sort_keys=True, default=asdict)
    return hashlib.sha256(text.encode()).hexdigest()[:12]


def recipe(media_type: str, output: str) -> dict[str, Any]:
    """The numbers and rules of one output. Raises `KeyError` for an unknown one."""
    definition = outputs.definition(media_type, output)
    return RECIPES[definition.kind](definition)


def numbers(media_type: str, output: str, variant: str | None = None) -> dict[str, Any]:
    """The recipe as named numbers in JSON's own types, so that two recipes can be compared by people.

    `variant`: the rung that a preview is cut from; the others of its recipe do not touch it.
    """
    definition = outputs.definition(media_type, output)
    family = "variant" if definition.has_segments else definition.kind.name
    named: dict[str, Any] = {}
    for key, value in recipe(media_type, output).items():
        if key == "variants":
            rungs = [rung for rung in value if variant in (None, rung.name)]
            for rung in rungs:
                named |= _flat("variant" if len(rungs) == 1 else f"variant.{rung.name}", asdict(rung))
        elif key == "encoders":
            for name, (codec, options) in value.items():
                named[f"{name}.codec"] = codec
                named |= {f"{name}.{option}": given for option, given in _options(options)}
        elif isinstance(value, tuple):
            for name, number in zip(NAMES[family, key], value, strict=True):
                named |= _flat(name, number)
        elif value is not None:
            named |= _flat(key, value)
    plain: dict[str, Any] = json.loads(json.dumps(named))
    return plain


def _flat(name: str, value: Any) -> dict[str, Any]:
    if hasattr(value, "__dataclass_fields__"):
        value = asdict(value)
    if isinstance(value, Mapping):
        flat: dict[str, Any] = {}
        for key, part in value.items():
            flat |= _flat(f"{name}.{key}", part)
        return flat
    return {name: value}


def _options(arguments: tuple[str, ...]) -> Iterator[tuple[str, str]]:
    """Options of ffmpeg with their values, which never begin with a dash here."""
    for number, argument in enumerate(arguments):
        if argument.startswith("-"):
            after = arguments[number + 1] if number + 1 < len(arguments) else ""
            yield argument, "" if after.startswith("-") else after


def _mezzanine(output: OutputDefinition) -> dict[str, Any]:
    recipe: dict[str, Any] = {"rule": RULES["mezzanine"]}
    keys = ["sound", "placed"]
    if output.media_type == "video":
        recipe["encoders"] = {row.name: (row.codec, row.mezzanine) for row in (profile.X264, profile.NVENC)}
        keys += ["rates", "picture", "interlaced"]
    return recipe | {key: _values("mezzanine", key) for key in keys}


def _loudness(output: OutputDefinition) -> dict[str, Any]:
    return {
        "rule": RULES["loudness"],
        "rate": profile.SAMPLE_RATE,
        "gate": profile.SILENCE_LUFS,
        "ranged": profile.RANGED_SECONDS,
    }


def _variant(output: OutputDefinition) -> dict[str, Any]:
    if output.media_type == "video":
        return _of_pictures("variant", [rung for rung in profile.LADDER if rung.name == output.rung])
    rung = next(rung for rung in profile.AUDIO_LADDER if rung.name == output.rung)
    shared = {key: _values("variant", key) for key in ("sound", "segments")}
    return {"rule": RULES["audio_variant"], "variant": rung, **shared}


def _preview(output: OutputDefinition) -> dict[str, Any]:
    """Of every rung that a preview may be cut from."""
    names = [variant.name for variant in profile.LADDER]
    rungs = profile.LADDER[names.index(profile.PREVIEW_BEST) :]
    return _of_pictures("preview", rungs) | {"preview": _values("variant", "preview")}


def _of_pictures(rule: str, rungs: Sequence[profile.VideoVariant]) -> dict[str, Any]:
    return {
        "rule": RULES[rule],
        "variants": tuple(rungs),
        "encoders": {row.name: (row.codec, row.variant) for row in (profile.X264, profile.NVENC)},
        "chunk_segments": {row.name: row.chunk_segments for row in (profile.X264, profile.NVENC)},
        "rates": _values("variant", "rates"),
        "preview": None,
        "sound": _values("variant", "sound"),
        "segments": _values("variant", "segments"),
    }


def _master(output: OutputDefinition) -> dict[str, Any]:
    return {"rule": RULES["hls_master"], "peak": profile.PEAK_SEGMENT_SECONDS}


def _still(output: OutputDefinition) -> dict[str, Any]:
    name = output.kind.name
    return {"rule": RULES[name], "numbers": _values(name, "numbers")}


def _waveform(output: OutputDefinition) -> dict[str, Any]:
    name = output.kind.name
    return {"rule": RULES[name], "drawn": _values(name, "drawn"), "sound": _values(name, "sound")}


RECIPES: dict[OutputKind, Callable[[OutputDefinition], dict[str, Any]]] = {
    outputs.MEZZANINE: _mezzanine,
    outputs.LOUDNESS: _loudness,
    outputs.VARIANT: _variant,
    outputs.PREVIEW: _preview,
    outputs.MASTER: _master,
    outputs.THUMBNAIL: _still,
    outputs.STORYBOARD: _still,
    outputs.THUMBNAILS: _still,
    outputs.BLURHASH: _still,
    outputs.WAVEFORM_JSON: _waveform,
    outputs.WAVEFORM_PNG: _waveform,
}
"""What the recipe of an output holds, by the output's kind."""


def _values(family: str, key: str) -> tuple[Any, ...]:
    """The numbers of `profile` that `NAMES` lists, in its order."""
    values = (getattr(profile, name.upper()) for name in NAMES[family, key])
    return tuple(tuple(value.items()) if isinstance(value, Mapping) else value for value in values)
