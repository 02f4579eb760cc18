"""Commands as people type them, in this process, with nothing configured but what a test says."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from typer.testing import CliRunner

from codex_assets.cli.app import app
from codex_assets.config import settings


@dataclass(frozen=True)
class Answer:
    """What a command returned, and printed on standard output and standard error."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        return json.loads(self.out)


def call(*arguments: object, store: Path | None = None, **env: str) -> Answer:
    """Run a command with no settings but those of `env` and the store. Raises what the command does not expect."""
    unset: dict[str, str | None] = dict.fromkeys([*settings.REQUIRED, "STORAGE_DIR", "WEBHOOK_SECRET"])
    given = [*map(str, arguments), *(["--store", str(store)] if store is not None else [])]
    result = CliRunner().invoke(app, given, env={**unset, **env})
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    return Answer(result.exit_code, result.stdout, result.stderr)
