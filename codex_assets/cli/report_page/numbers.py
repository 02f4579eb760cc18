"""Numbers and names as the page shows them.

In: units, digits and separators. Out: which numbers are shown (`page.html`), and those of charts (`charts.py`).
"""

from __future__ import annotations

from codex_assets.media import outputs

NOTHING = "–"


def rate(bits: float | None) -> str:
    """Bits per second in kbit/s, without the unit: `2,826`."""
    if bits is None:
        return NOTHING
    return f"{bits / 1000:,.0f}" if bits >= 10_000 or not bits else f"{bits / 1000:,.1f}"


def percent(part: float | None) -> str:
    """A signed part of a whole: `+4.6 %`."""
    return NOTHING if part is None else f"{100 * part:+.1f} %".replace("-", "−")


def seconds(length: float | None, digits: int = 3) -> str:
    """A length of time: `6.000`."""
    return NOTHING if length is None else f"{length:.{digits}f}"


def clock(at: float, digits: int = 0) -> str:
    """A moment, counted from the start: `0:12`, `1:02:30`; with `digits` after the second."""
    scale = 10**digits
    whole, rest = divmod(round(at * scale), scale)
    minutes, second = divmod(whole, 60)
    hours, minutes = divmod(minutes, 60)
    tail = f"{second:02d}" + (f".{rest:0{digits}d}" if digits else "")
    return f"{hours}:{minutes:02d}:{tail}" if hours else f"{minutes}:{tail}"


def level(idc: int | None) -> str:
    """An H.264 level: `3.1`."""
    return NOTHING if idc is None else f"{idc / 10:.1f}"


def decibels(value: float | None) -> str:
    """A loudness or a peak: `−16.0`."""
    return NOTHING if value is None else f"{value:.1f}".replace("-", "−")


def likeness(value: float | None) -> str:
    """An SSIM, rounded down: 1 is the same picture alone."""
    return NOTHING if value is None else f"{int(value * 10_000) / 10_000:.4f}"


def frame_rate(value: float | None) -> str:
    """Frames a second: `25`, `29.97`."""
    return NOTHING if value is None else f"{value:.3f}".rstrip("0").rstrip(".")


def size(byte_count: int | None) -> str:
    """Bytes in kB: `1,842`."""
    return NOTHING if byte_count is None else f"{byte_count / 1000:,.0f}"


def output(name: str) -> str:
    """What an output is called on the page: a variant by the name of its folder."""
    if name == outputs.MASTER.name:
        return "master playlist"
    if name == outputs.PREVIEW.name:
        return name
    return name.removeprefix(outputs.variant_output("")).replace("_", " ") or name
