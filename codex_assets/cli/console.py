"""Printing: standard output, standard error, and numbers with their units.

Results go to standard output, so that they can be piped; notes, warnings and complaints to standard error. A terminal
that lacks a character gets a plain one in its place. Out: progress (`progress.py`) and everything with columns
(`views/`).
"""

from __future__ import annotations

import codecs
import io
import json
import sys
from pathlib import Path
from typing import Any

from rich.console import Console, RenderableType
from rich.json import JSON
from rich.text import Text

PIPED_WIDTH = 160
"""Columns where there is no terminal to ask."""

PLAIN = {"✓": "+", "✗": "x", "•": "-", "→": "->", "…": "...", "°": " degrees", "±": "+/-"}
"""How our own signs are written where the stream's encoding lacks them; other characters become `\\u...`."""

out = Console(highlight=False)
err = Console(highlight=False, stderr=True)


def accept_every_character() -> None:
    """Let both streams take any text, whatever their encoding: `LANG=C`, a pipe into an old tool, odd file names.

    To be called before anything is printed. Raises nothing.
    """
    codecs.register_error(_SPELLED, _spelled)
    for stream in (sys.stdout, sys.stderr):
        # Something else stands in for a stream in tests, and a closed one is None.
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors=_SPELLED)


_SPELLED = "codex-assets.spelled"


def _spelled(error: UnicodeError) -> tuple[str | bytes, int]:
    if not isinstance(error, UnicodeEncodeError):
        raise error
    lacking = error.object[error.start : error.end]
    plain = "".join(PLAIN.get(sign) or sign.encode("ascii", "backslashreplace").decode("ascii") for sign in lacking)
    return plain, error.end


def say(text: RenderableType = "") -> None:
    """A result, or a line of one."""
    if not out.is_terminal:
        out.width = PIPED_WIDTH
    # Markup would read the brackets of a file's name.
    out.print(text, markup=False)


def complain(sentence: str, code: str | None = None) -> None:
    """What went wrong, as one sentence for people, with the code for machines."""
    told = Text.assemble(("error: ", "bold red"), sentence)
    if code:
        told.append(f" ({code})", style="dim")
    err.print(told, soft_wrap=not err.is_terminal)


def note(sentence: str) -> None:
    """Something worth knowing that is no result."""
    err.print(Text(sentence, style="dim"), soft_wrap=not err.is_terminal)


def warn(sentence: str) -> None:
    """What may be meant, and mostly is not."""
    err.print(Text.assemble(("warning: ", "bold yellow"), sentence), soft_wrap=not err.is_terminal)


def say_json(value: Any) -> None:
    """JSON for people on a terminal, and for programs elsewhere."""
    text = json.dumps(value, indent=2, ensure_ascii=False)
    try:
        text.encode(out.encoding)
    except UnicodeError:
        # JSON has a spelling of its own for what the stream cannot take.
        text = json.dumps(value, indent=2)
    if out.is_terminal:
        out.print(JSON(text, ensure_ascii=text.isascii()))
    else:
        out.file.write(text + "\n")


def size(count: int) -> str:
    for unit, power in (("GB", 9), ("MB", 6), ("kB", 3)):
        if count >= 10**power:
            return f"{count / 10**power:.1f} {unit}"
    return f"{count} B"


def rate(bits: float) -> str:
    return f"{bits / 1e6:.2f} Mb/s" if bits >= 1e6 else f"{bits / 1e3:.0f} kb/s"


def lasting(seconds: float) -> str:
    if seconds < 60:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes:02d} min" if hours else f"{minutes} min {rest:02d} s"


def remaining(seconds: float) -> str:
    """An estimate: no tenths."""
    return f"{seconds:.0f} s" if seconds < 59.5 else lasting(seconds)


def money(usd: float) -> str:
    """US dollars, with the digits that matter of small sums."""
    return f"${usd:,.2f}" if usd >= 1 else f"${usd:.4f}" if usd >= 0.001 else f"${usd:.6f}"


def plural(count: int, one: str, many: str | None = None) -> str:
    return f"{count:,} {one if count == 1 else many or one + 's'}"


def short(path: Path) -> str:
    """As it is typed here: relative where it is below the current folder."""
    here = Path.cwd()
    return str(path.relative_to(here)) if path.is_relative_to(here) else str(path)
