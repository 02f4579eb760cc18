"""What a tool says of itself is asked once, and again when it is another tool."""

from __future__ import annotations

from pathlib import Path

from codex_assets.system.tools import Tools


def put(folder: Path, answer: str) -> None:
    """An audiowaveform that answers with a number of its own whenever it is asked."""
    program = folder / "audiowaveform"
    program.unlink(missing_ok=True)
    program.write_text(f'#!/bin/sh\necho "AudioWaveform v{answer}.$(date +%N)"\n', encoding="utf-8")
    program.chmod(0o755)


def test_a_version_is_asked_once_of_each_program(tmp_path: Path) -> None:
    put(tmp_path, "1.10")
    environment = {"PATH": f"{tmp_path}:/usr/bin:/bin"}
    first = Tools(environment).version("audiowaveform")
    assert first is not None
    assert first.startswith("1.10.")
    # Also by whoever has other limits.
    assert Tools(environment).within(tmp_path).version("audiowaveform") == first
    # Other libraries may be in it then.
    assert Tools({**environment, "LD_LIBRARY_PATH": "/opt/other"}).version("audiowaveform") != first
    put(tmp_path, "1.11")
    second = Tools(environment).version("audiowaveform")
    assert second is not None
    assert second.startswith("1.11.")


def test_a_tool_that_is_not_there_is_looked_for_again(tmp_path: Path) -> None:
    environment = {"PATH": str(tmp_path)}
    assert Tools(environment).version("audiowaveform") is None
    put(tmp_path, "1.10")
    assert Tools({"PATH": f"{tmp_path}:/usr/bin:/bin"}).version("audiowaveform") is not None
