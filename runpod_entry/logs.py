"""The worker's log: one line per event on standard error, which RunPod keeps and shows to everybody of the account.

Our own loggers follow the level that the SDK is given; other libraries only warn, because theirs print requests with
their credentials when they debug. No secret is meant to reach a line: what is known to be secret is blanked all the
same, tracebacks included.
"""

from __future__ import annotations

import io
import logging
import sys
from collections.abc import Iterable
from typing import Literal

from pydantic import SecretStr

from codex_assets.log_lines import JsonLines

OURS = ("codex_assets", "runpod_entry")
LEVELS = {"NOTSET": logging.CRITICAL, "TRACE": logging.DEBUG, "WARN": logging.WARNING}
"""The SDK's names of levels that `logging` lacks, or means differently: its NOTSET prints nothing."""
SHORTEST_SECRET = 6
"""Characters. Shorter ones are words: blanking them would only garble lines."""

_concealed: set[str] = set()


class _Blanked(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        return _blanked(super().format(record))


def configure(level: str, form: Literal["json", "text"]) -> None:
    """Set up the log of this process; `level` as the SDK names it. JSON lines also say what they belong to."""
    for stream in (sys.stdout, sys.stderr):
        # The SDK prints results, whose sentences may hold any character, to a stream of whatever encoding.
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")
    handler = logging.StreamHandler(sys.stderr)
    text = _Blanked("%(asctime)s %(levelname)-7s %(name)s: %(message)s")
    handler.setFormatter(JsonLines(_blanked) if form == "json" else text)
    logging.basicConfig(level=logging.WARNING, handlers=[handler], force=True)
    for name in OURS:
        logging.getLogger(name).setLevel(LEVELS.get(level, level))


def _blanked(text: str) -> str:
    for secret in tuple(_concealed):
        text = text.replace(secret, "***")
    return text


def conceal(secrets: Iterable[SecretStr]) -> None:
    """Blank these in every further line of this process."""
    texts = (secret.get_secret_value() for secret in secrets)
    _concealed.update(text for text in texts if len(text) >= SHORTEST_SECRET)
