"""What is loaded before a command works: `--help` and usage errors are answered at once, by every command."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from importlib import metadata
from pathlib import Path
from typing import Any

import pytest
import typer.main
from commands import call

from codex_assets.cli.app import app
from codex_assets.library.selection import NAMES

PROGRAM = """
import sys
from codex_assets.cli.app import app
try:
    app()
finally:
    print("\\nLOADED", *sorted(sys.modules), file=sys.stderr)
"""
HEAVY = {"boto3", "botocore", "dagster", "runpod", "requests", "httpx", "tenacity"}
LIGHT = {"codex_assets", "codex_assets.errors", "codex_assets.log_lines", "codex_assets.system"}
LIGHT |= {"codex_assets.quantities"}
LIGHT |= {"codex_assets.system.keyholder", "codex_assets.system.workspace"}
# Numbers that options have as defaults.
LIGHT |= {"codex_assets.library", "codex_assets.library.rebuild_limits"}

GROUP: Any = typer.main.get_command(app)
COMMANDS = {name: command for name, command in GROUP.commands.items() if not hasattr(command, "commands")}
COMMANDS |= {f"endpoint {name}": command for name, command in GROUP.commands["endpoint"].commands.items()}


def loaded_modules(*arguments: str) -> tuple[int, str, set[str]]:
    """Run the program; its exit code, what it printed, and the modules that it has loaded."""
    environment = {"PATH": os.environ["PATH"], "COLUMNS": "100"}
    command = [sys.executable, "-c", PROGRAM, *arguments]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    printed, _, modules = done.stderr.partition("\nLOADED ")
    return done.returncode, done.stdout + printed, set(modules.split())


@pytest.mark.parametrize(
    ("line", "exit_code"),
    [
        ("--help", 0),
        ("--version", 0),
        ("verify --help", 0),
        ("run --help", 0),
        ("endpoint apply --help", 0),
        ("no-such-command", 2),
        ("verify", 2),
        ("run film.mp4", 1),
        ("rebuild --max-failures many", 2),
        ("cleanup-originals --older-than tomorrow", 2),
    ],
)
def test_help_and_usage_errors_load_nothing_that_works(line: str, exit_code: int) -> None:
    code, printed, modules = loaded_modules(*line.split())
    assert code == exit_code, printed
    assert printed.strip()
    assert "typer" in modules
    assert not {module for module in modules if module.partition(".")[0] in HEAVY}
    ours = {module for module in modules if module.startswith(("codex_assets", "runpod_entry"))}
    assert not {
        module
        for module in ours - LIGHT
        if not module.startswith("codex_assets.cli") or module.startswith("codex_assets.cli.views")
    }


def test_the_version_is_that_of_the_package() -> None:
    answer = call("--version")
    assert (answer.code, answer.out) == (0, f"codex-assets {metadata.version('codex-assets')}\n")


def test_completion_names_the_commands(tmp_path: Path) -> None:
    environment = {
        "PATH": os.environ["PATH"],
        "_CODEX_ASSETS_COMPLETE": "complete_bash",
        "COMP_WORDS": "codex-assets re",
        "COMP_CWORD": "1",
    }
    program = Path(sys.executable).with_name("codex-assets")
    done = subprocess.run([str(program)], env=environment, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert set(done.stdout.split()) == {"rebuild", "reconcile", "redeliver", "reproduce"}


# --- Every page of help -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", COMMANDS)
def test_every_help_has_examples_that_are_valid(name: str) -> None:
    lines = re.findall(r"^ *(codex-assets .*)$", COMMANDS[name].help or "", re.MULTILINE)
    assert lines
    for line in lines:
        assert line.startswith(f"codex-assets {name}")
        words = re.split(r" [|>#] ", line)[0].split()[1 + len(name.split()) :]
        # Raises a usage error for an option that there is not, or whose value is none.
        COMMANDS[name].make_context(name, words)


@pytest.mark.parametrize("width", [60, 80, 120])
@pytest.mark.parametrize("name", ["", "endpoint", *COMMANDS])
def test_help_fits_the_terminal(name: str, width: int) -> None:
    """Paragraphs wrap at its width and nowhere else, and examples are not broken."""
    answer = call(*name.split(), "--help", COLUMNS=str(width))
    assert answer.code == 0
    assert all(len(line) <= width for line in answer.out.splitlines())
    if width >= 80:
        command = {**COMMANDS, "": GROUP, "endpoint": GROUP.commands["endpoint"]}[name]
        for example in re.findall(r"^ *(codex-assets .*)$", command.help or "", re.MULTILINE):
            assert example in answer.out


def test_the_help_of_verify_explains_every_condition() -> None:
    text = call("verify", "--help").out
    assert [name for name in NAMES if not re.search(rf"\b{name}\b", text)] == []
