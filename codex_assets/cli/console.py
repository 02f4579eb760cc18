"""Printing: standard output, standard error, and how many there are of something.

Results go to standard output, so that they can be piped; notes, warnings and errors go to standard error. A terminal
that lacks a character gets a plain one in its place. Out: progress (`progress.py`) and everything with columns
(`views/`).
"""

from __future__ import annotations

import codecs
import io
import json
import sys
from collections.abc import Iterable
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
    codecs.register_error(_PLAIN_SPELLING, _plain_spelling)
    for stream in (sys.stdout, sys.stderr):
        # Something else stands in for a stream in tests, and a closed one is None.
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors=_PLAIN_SPELLING)


_PLAIN_SPELLING = "codex-assets.plain-spelling"


def _plain_spelling(error: UnicodeError) -> tuple[str | bytes, int]:
    """The handler of characters that a stream cannot encode: a replacement, and where to go on."""
    if not isinstance(error, UnicodeEncodeError):
        raise error
    lacking = error.object[error.start : error.end]
    plain = "".join(PLAIN.get(sign) or sign.encode("ascii", "backslashreplace").decode("ascii") for sign in lacking)
    return plain, error.end


def say(text: RenderableType = "") -> None:
    """Print a result, or a line of one, on standard output."""
    if not out.is_terminal:
        out.width = PIPED_WIDTH
    # Markup would read the brackets of a file's name.
    out.print(text, markup=False)


def complain(sentence: str, code: str | None = None) -> None:
    """Print an error on standard error: a sentence for people, and its code for programs, if it has one."""
    message = Text.assemble(("error: ", "bold red"), sentence)
    if code:
        message.append(f" ({code})", style="dim")
    err.print(message, soft_wrap=not err.is_terminal)


def note(sentence: str) -> None:
    """Print on standard error what is worth knowing, but no result and no problem."""
    err.print(Text(sentence, style="dim"), soft_wrap=not err.is_terminal)


def warn(sentence: str) -> None:
    """Print on standard error what is probably a mistake. The command goes on, and its exit code is not affected."""
    err.print(Text.assemble(("warning: ", "bold yellow"), sentence), soft_wrap=not err.is_terminal)


def say_json(value: Any) -> None:
    """Print `value` as JSON on standard output: with colours on a terminal, plain elsewhere."""
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


def say_verbatim(text: str) -> None:
    """Print text on standard output as it is, neither wrapped nor styled: Markdown, whose tables are long lines."""
    out.file.write(text)


def say_lines(lines: Iterable[str]) -> None:
    """Print many lines on standard output as they are."""
    out.file.writelines(f"{line}\n" for line in lines)


def plural(count: int, singular: str, plural_form: str | None = None) -> str:
    """`1 output`, `1,200 outputs`; `plural_form` for nouns that do not end in `s` then."""
    return f"{count:,} {singular if count == 1 else plural_form or singular + 's'}"


def count_media(count: int) -> str:
    """`1 media`, `1,200 media`."""
    return plural(count, "media", "media")


def short_path(path: Path) -> str:
    """As one would type it here: relative to the current folder where it is below it."""
    here = Path.cwd()
    return str(path.relative_to(here)) if path.is_relative_to(here) else str(path)
