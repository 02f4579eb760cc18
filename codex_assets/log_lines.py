"""A line of the log: what it belongs to (job, media, asset, step, phase), and how it is written as one JSON object.

What a line belongs to is bound where that begins, and found where the line is written, so that nobody hands it along.
Threads begin without a context: those of a process that does one job (`shared`) find the process's own. Not here: where
lines go, which levels, and what is concealed in them (`runpod_entry.logs`).
"""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from contextvars import ContextVar
from dataclasses import dataclass, field
from datetime import UTC, datetime

FIELDS = ("job", "media", "asset", "step", "phase")


@dataclass(frozen=True)
class _Scope:
    fields: Mapping[str, str] = field(default_factory=dict)
    shared: bool = False


_own: ContextVar[_Scope | None] = ContextVar("what lines belong to", default=None)
_of_the_process = _Scope()
"""Of a process that does one job: what it is at."""


def fields() -> Mapping[str, str]:
    """What a line that is written here and now belongs to."""
    return (_own.get() or _of_the_process).fields


@contextmanager
def about(*, shared: bool = False, **bound: str) -> Iterator[None]:
    """Inside, lines belong to this too. `shared`: those of the process's other threads as well; it has no other job."""
    global _of_the_process
    outer, whole = _own.get(), _of_the_process
    scope = _Scope({**fields(), **bound}, shared or (outer is not None and outer.shared))
    token = _own.set(scope)
    if scope.shared:
        _of_the_process = scope
    try:
        yield
    finally:
        if scope.shared:
            _of_the_process = whole
        # A generator may be closed in another context than it was begun in.
        with suppress(ValueError):
            _own.reset(token)


class JsonLines(logging.Formatter):
    """One object per line: time (UTC), level, logger, message, what it belongs to, and the traceback if there is one.

    Every text is concealed before it is escaped: escaping may take a secret apart.
    """

    def __init__(self, conceal: Callable[[str], str] = str) -> None:
        super().__init__()
        self._conceal = conceal

    def format(self, record: logging.LogRecord) -> str:
        line = {
            "time": datetime.fromtimestamp(record.created, UTC)
            .isoformat(timespec="milliseconds")
            .replace("+00:00", "Z"),
            "level": record.levelname,
            "logger": record.name,
            "message": record.getMessage(),
        }
        belongs = fields()
        line |= {name: belongs[name] for name in FIELDS if name in belongs}
        if record.exc_info:
            line["exception"] = self.formatException(record.exc_info)
        return json.dumps({name: self._conceal(text) for name, text in line.items()}, ensure_ascii=False)
