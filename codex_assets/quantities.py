"""Numbers with their units, as people read them: sizes, rates, lengths of time, money.

In: one spelling of each for the terminal, for logs and for Dagster's pages. Out: numbers for programs, which stay
numbers.
"""

from __future__ import annotations


def byte_size(count: int) -> str:
    """`count` bytes in the decimal unit that fits: `2.3 MB`."""
    for unit, power in (("GB", 9), ("MB", 6), ("kB", 3)):
        if count >= 10**power:
            return f"{count / 10**power:.1f} {unit}"
    return f"{count} B"


def bit_rate(bits: float) -> str:
    """Bits per second: `2.37 Mb/s`, `128 kb/s`."""
    return f"{bits / 1e6:.2f} Mb/s" if bits >= 1e6 else f"{bits / 1e3:.0f} kb/s"


def duration(seconds: float) -> str:
    """A measured length of time: `59.9 s`, `1 min 01 s`, `1 h 02 min`."""
    if seconds < 60:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes:02d} min" if hours else f"{minutes} min {rest:02d} s"


def time_left(seconds: float) -> str:
    """An estimated length of time, so without tenths of a second."""
    return f"{seconds:.0f} s" if seconds < 59.5 else duration(seconds)


def money(usd: float) -> str:
    """US dollars, with as many digits as small sums need."""
    return f"${usd:,.2f}" if usd >= 1 else f"${usd:.4f}" if usd >= 0.001 else f"${usd:.6f}"
