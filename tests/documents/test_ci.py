"""`.ci/run` asks for test files that exist: pytest refuses to start for a path that was moved."""

from __future__ import annotations

import os
import re
import subprocess
from pathlib import Path

ROOT = Path(__file__).parents[2]


def test_every_file_that_runs_on_debian_13_exists(tmp_path: Path) -> None:
    """With a `make` that prints its arguments instead of running anything."""
    make = tmp_path / "make"
    make.write_text('#!/bin/sh\nprintf "%s\\n" "$*"\n', encoding="utf-8")
    make.chmod(0o755)
    environment = {**os.environ, "PATH": f"{tmp_path}:{os.environ['PATH']}"}
    printed = subprocess.run([ROOT / ".ci" / "run"], env=environment, capture_output=True, text=True, check=True).stdout
    paths = re.findall(r"tests/\S+", printed)
    assert len(paths) > 10
    assert [path for path in paths if not (ROOT / path).is_file()] == []
