"""What is observed of a waveform's JSON: its header, and how many numbers of which size it holds."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy

from codex_assets.media import profile
from codex_assets.verification.observations import WaveformExpected, WaveformObservation
from codex_assets.verification.observe.decoder import Decoder
from codex_assets.verification.observe.playlists import text_of
from codex_assets.verification.observe.sound_peaks import peak_difference, peaks_of
from codex_assets.verification.sound_observations import PeakDifference

FIELDS = ("version", "channels", "sample_rate", "samples_per_pixel", "bits", "length", "data")
"""Of the format's version 2."""


def observe_waveform_data(
    decoder: Decoder, path: Path, expected: WaveformExpected, *, reference: Path | None, output: str
) -> WaveformObservation:
    """The JSON at `path`; see `Observer.waveform_json`."""
    base = WaveformObservation(output, expected=expected)
    text, problem = text_of(path)
    if text is None:
        return replace(base, problem=problem)
    try:
        document = json.loads(text)
    except json.JSONDecodeError as error:
        return replace(base, problem=f"it is no JSON (line {error.lineno})")
    except (ValueError, RecursionError):
        return replace(base, problem="it is no JSON that can be read")
    data = document.get("data") if isinstance(document, dict) else None
    if not isinstance(data, list):
        return replace(base, problem="it holds no list of numbers")

    def number(name: str) -> int | None:
        value = document.get(name)
        return value if _is_integer(value) else None

    integers = [value for value in data if _is_integer(value)]
    is_whole = len(integers) == len(data) and len(data) % 2 == 0 and max(map(abs, integers), default=0) <= 128
    return replace(
        base,
        version=number("version"),
        channels=number("channels"),
        sample_rate=number("sample_rate"),
        samples_per_pixel=number("samples_per_pixel"),
        bits=number("bits"),
        length=number("length"),
        values=len(data),
        lowest=min(integers, default=None),
        highest=max(integers, default=None),
        not_integers=len(data) - len(integers),
        inverted=sum(low > high for low, high in zip(data[::2], data[1::2], strict=False)) if is_whole else 0,
        blanks=_blanks(text, document),
        other_fields=tuple(name for name in document if name not in FIELDS),
        sound=_beside_sound(decoder, reference, data) if is_whole and data and reference is not None else None,
    )


def _blanks(text: str, document: object) -> int | None:
    """How many blanks a JSON has; None where it also holds what its contents do not say, such as a field twice."""
    bare = "".join(text.split())
    return len(text) - len(bare) if bare == json.dumps(document, separators=(",", ":")) else None


def _beside_sound(decoder: Decoder, reference: Path, data: list[int]) -> PeakDifference | None:
    peaks = peaks_of(decoder, reference)
    if peaks is None:
        return None
    own = numpy.array(data, numpy.int16).reshape(-1, 2)
    return peak_difference(own, peaks.points, 1 / profile.WAVEFORM_POINTS_PER_SECOND)


def _is_integer(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)
