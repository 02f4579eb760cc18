"""A line of the log: what it belongs to (job, media, asset, step, phase), and how it is written as one JSON object.

What a line belongs to is bound where that begins, and looked up where the line is written, so that nobody hands it
along. Threads begin without a context: those of a process that does one job (`shared`) use the process's own. Out:
where lines go, which levels, and what is concealed in them (`runpod_entry.logs`).
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
    """What lines belong to. `shared`: those of the process's other threads, too."""

    fields: Mapping[str, str] = field(default_factory=dict)
    shared: bool = False


_context_scope: ContextVar[_Scope | None] = ContextVar("what lines belong to", default=None)
_process_scope = _Scope()
"""What the lines of threads without a context belong to, in a process that does one job."""


def fields() -> Mapping[str, str]:
    """What a line that is written here and now belongs to."""
    return (_context_scope.get() or _process_scope).fields


@contextmanager
def about(*, shared: bool = False, **bound: str) -> Iterator[None]:
    """Inside, lines belong to this, too: values of `FIELDS`, by name.

    `shared`: those of the process's other threads as well, which has no other job.
    """
    global _process_scope
    outer, former = _context_scope.get(), _process_scope
    scope = _Scope({**fields(), **bound}, shared or (outer is not None and outer.shared))
    token = _context_scope.set(scope)
    if scope.shared:
        _process_scope = scope
    try:
        yield
    finally:
        if scope.shared:
            _process_scope = former
        # A generator may be closed in another context than it was begun in.
        with suppress(ValueError):
            _context_scope.reset(token)


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
