"""What is observed of a waveform's JSON: its header, and how many numbers of which size it holds."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

from codex_assets.verification.observations import WaveformExpected, WaveformObservation
from codex_assets.verification.observe.playlists import text_of


def observe_waveform_data(path: Path, expected: WaveformExpected, *, output: str) -> WaveformObservation:
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
    )


def _is_integer(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)
