"""docs/operations.md: its commands exist with the options that they are given, and no reason or code is left out."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest
import typer.main

from codex_assets.cli.app import app
from codex_assets.library import stats
from codex_assets.library.original_removal import KeepReason

ROOT = Path(__file__).parents[2]
TEXT = (ROOT / "docs" / "operations.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"^ *```sh\n(.*?)^ *```", TEXT, re.MULTILINE | re.DOTALL)
COMMANDS = [line.strip() for block in BLOCKS for line in block.splitlines() if line.strip()]
SECTIONS = (
    "Exit codes",
    "Original clean-up",
    "Caches and replaced segments",
    "Optional outputs",
    "Two runs of one media",
    "What to watch and alert on",
    "Refused uploads",
    "Deleting media",
    "Webhooks that did not arrive",
    "Jobs that are ended early",
    "Statistics",
    "Proving a GPU",
    "What to do for each error code",
    "Costs of storage and GPU",
    "Upgrading ffmpeg and audiowaveform",
    "Rotation",
    "Disaster recovery from the archive alone",
)


@pytest.mark.parametrize("line", COMMANDS)
def test_every_command_is_one(line: str, tmp_path: Path) -> None:
    words = shlex.split(line.replace("FILE.mp4", str(tmp_path)), comments=True)
    if ">" in words:
        words = words[: words.index(">")]
    assert words[0] == "codex-assets"
    group = typer.main.get_command(app)
    assert hasattr(group, "commands")
    # Raises a usage error for an option that there is not, or whose value is none.
    group.commands[words[1]].make_context(words[1], words[2:])


def test_there_are_commands() -> None:
    assert len(COMMANDS) > 10


def test_every_section_is_there() -> None:
    assert tuple(re.findall(r"^## (.*)$", TEXT, re.MULTILINE)) == SECTIONS


def test_every_reason_to_keep_an_original_is_explained() -> None:
    part = TEXT.split("## Original clean-up")[1].split("\n## ")[0]
    assert [reason.value for reason in KeepReason if f"`{reason.value}`" not in part] == []


def test_every_code_has_its_line() -> None:
    part = TEXT.split("## What to do for each error code")[1].split("\n## ")[0]
    assert [code for code in stats.faults() if f"`{code}`" not in part and code != stats.LOST] == []
    assert f"`{stats.LOST}`" in TEXT


def test_the_image_is_asked_for_the_updates_of_the_day() -> None:
    """Layers are kept from build to build: one that was made before a fix would go on being used."""
    worker = (ROOT / "Dockerfile").read_text(encoding="utf-8").split(" AS worker\n")[1]
    before = worker.split("RUN apt-get update")[0]
    assert re.search(r"^ARG UPDATES_OF=", before, re.MULTILINE)
    assert '--build-arg "UPDATES_OF=$(date --utc +%F)"' in (ROOT / "scripts" / "image").read_text(encoding="utf-8")
    assert "doctor --tools" in worker
