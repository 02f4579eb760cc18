"""Tools that encode the same thing once: the files of an encode are kept, and put in place when it is asked for again.

A mutant is judged at two times, and again whenever a rule changes; its bytes are the same. In: which runs are kept,
and by what they are told apart: arguments, the bytes of their inputs, and the version of ffmpeg. Out: whatever only
looks at files, which is always run.
"""

from __future__ import annotations

import fnmatch
import hashlib
import os
import re
import shutil
import tempfile
import time
from collections.abc import Callable, Collection, Sequence
from pathlib import Path
from typing import Any

from codex_assets.system.process import ToolRun
from codex_assets.system.tools import Tools

KEPT = re.compile(
    r"encoding (a faulty (picture|mezzanine|sound)|the variants|the sound)|making the mezzanine|drawing .*"
    r"|(segmenting|moving|cutting|damaging|dropping) .*"
)
"""Labels of runs that write files and do nothing else."""


class KeepingTools(Tools):
    """Tools whose encodes are kept in `folder`."""

    def __init__(self, environment: dict[str, str], folder: Path) -> None:
        super().__init__(environment)
        self._folder = folder
        self._versions: dict[str, str | None] = {}

    def version(self, tool: str) -> str | None:
        """As `Tools.version`, asked once."""
        if tool not in self._versions:
            self._versions[tool] = super().version(tool)
        return self._versions[tool]

    def ffmpeg(self, arguments: Sequence[str], *, label: str, **options: Any) -> ToolRun:
        """As `Tools.ffmpeg`; a kept run gives the same lines of the log."""
        if not KEPT.fullmatch(label):
            return super().ffmpeg(arguments, label=label, **options)
        on_log: Callable[[str], None] | None = options.pop("on_log", None)
        lines: list[str] = []

        def run() -> ToolRun:
            return super(KeepingTools, self).ffmpeg(arguments, label=label, on_log=lines.append, **options)

        kept, heard = self._once([list(arguments)], run, lines)
        for line in heard:
            if on_log is not None:
                on_log(line)
        return kept

    def _once(
        self, commands: Sequence[list[str]], run: Callable[[], ToolRun], lines: list[str]
    ) -> tuple[ToolRun, list[str]]:
        paths = {Path(part) for command in commands for part in command if part.startswith("/")}
        # What is written last may be there already, from a run whose result was not good enough.
        written = {Path(command[-1]) for command in commands}
        inputs = {path: hashlib.sha256(path.read_bytes()).hexdigest() for path in paths - written if path.is_file()}
        outputs = paths - inputs.keys()
        folders = sorted({path.parent for path in outputs})

        def named(part: str) -> str:
            path = Path(part)
            if path in inputs:
                return inputs[path]
            return f"{folders.index(path.parent)}/{path.name}" if path in paths else part

        described = [self.version("ffmpeg"), *([named(part) for part in command] for command in commands)]
        entry = self._folder / hashlib.sha256(repr(described).encode()).hexdigest()[:24]
        if entry.is_dir():
            for number, folder in enumerate(folders):
                shutil.copytree(entry / str(number), folder, dirs_exist_ok=True)
            log = (entry / "log").read_text(encoding="utf-8").splitlines()
            heard = (entry / "heard").read_text(encoding="utf-8").splitlines()
            return ToolRun(tuple(log), b"", float((entry / "seconds").read_text())), heard
        before = {path: path.stat().st_mtime_ns for folder in folders for path in folder.glob("*")}
        started = time.monotonic()
        kept = run()
        self._folder.mkdir(parents=True, exist_ok=True)
        new = Path(tempfile.mkdtemp(dir=self._folder))
        for number, folder in enumerate(folders):
            (new / str(number)).mkdir()
            for path in folder.glob("*"):
                if path.is_file() and path.stat().st_mtime_ns != before.get(path) and _is_named(path, outputs):
                    shutil.copy2(path, new / str(number))
        (new / "log").write_text("\n".join(kept.log), encoding="utf-8")
        (new / "heard").write_text("\n".join(lines), encoding="utf-8")
        (new / "seconds").write_text(f"{time.monotonic() - started:.3f}")
        try:
            os.rename(new, entry)
        except OSError:
            # Another process was first.
            shutil.rmtree(new)
        return kept, lines


def _is_named(path: Path, outputs: Collection[Path]) -> bool:
    """Whether a run was told to write this file. Chunks that are encoded beside it write into the same folders."""
    return any(
        path.parent == output.parent and fnmatch.fnmatch(path.name, re.sub(r"%0?\d*d", "*", output.name))
        for output in outputs
    )
