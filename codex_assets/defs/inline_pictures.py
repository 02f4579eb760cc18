"""Small pictures as Markdown, so small that Dagster shows them without a click.

Dagster shows Markdown of fewer than 1,000 characters inline, and anything longer behind a button. In: which pictures
fit, and the drawings that are made of numbers alone. Out: which output has which picture (`output_metadata.py`).
"""

import base64
from collections.abc import Sequence
from itertools import pairwise

import dagster as dg

MARKDOWN_CHARACTERS = 1000
"""From this length on, Dagster shows Markdown behind a button."""
COLUMNS = 64
"""Of a drawing, at most: what fits into that length."""
HEIGHT = 24
COLOUR = "#5a7bd8"
"""Can be seen on Dagster's light and dark pages."""


def fits(data: bytes, media_type: str, name: str) -> bool:
    """Whether this picture is shown without a click."""
    return len(_link(data, media_type, name)) < MARKDOWN_CHARACTERS


def markdown(data: bytes, media_type: str, name: str, text: str = "") -> dg.MarkdownMetadataValue:
    """A picture, and a line of text below it, if there is any and if it fits."""
    link = _link(data, media_type, name)
    captioned = f"{link}\n\n{text}"
    return dg.MetadataValue.md(captioned if text and len(captioned) < MARKDOWN_CHARACTERS else link)


def bars(values: Sequence[float]) -> bytes:
    """Positive numbers as an SVG of bars from the bottom up; of too many, each bar is the highest of some."""
    highest = max(values, default=0.0) or 1.0
    columns = _merged(values)
    steps = "".join(f"V{HEIGHT - round(HEIGHT * value / highest)}h1" for value in columns)
    return _svg(len(columns), f"0 0 {len(columns)} {HEIGHT}", f'<path d="M0 {HEIGHT}{steps}V{HEIGHT}z"/>')


def wave(peaks: Sequence[float]) -> bytes:
    """Peaks between 0 and 1 as an SVG of a waveform; of too many, each column is the highest of some."""
    columns = _merged(peaks)
    steps = "".join(f"V{round(HEIGHT / 2 * min(1.0, value))}h1" for value in columns)
    half = f'<path id="a" d="M0 0{steps}V0z"/><use href="#a" transform="scale(1-1)"/>'
    return _svg(len(columns), f"0 -{HEIGHT // 2} {len(columns)} {HEIGHT}", half)


def _merged(values: Sequence[float]) -> list[float]:
    """At most `COLUMNS` values, each the highest of its neighbours."""
    count = min(COLUMNS, len(values))
    edges = [round(index * len(values) / count) for index in range(count + 1)] if count else []
    return [max(values[start:end]) for start, end in pairwise(edges)]


def _svg(columns: int, view: str, shapes: str) -> bytes:
    size = f'width="{max(columns * 5, 60)}" height="{3 * HEIGHT}"'
    head = (
        f'<svg xmlns="http://www.w3.org/2000/svg" {size} viewBox="{view}" preserveAspectRatio="none" fill="{COLOUR}">'
    )
    return f"{head}{shapes}</svg>".encode()


def _link(data: bytes, media_type: str, name: str) -> str:
    return f"![{name}](data:{media_type};base64,{base64.b64encode(data).decode()})"
