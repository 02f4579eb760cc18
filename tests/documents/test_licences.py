"""docs/licences.md says what the image ships: its table is what the locked packages say, its claims what tools say."""

from __future__ import annotations

import re
import runpy
import shutil
import subprocess
import tomllib
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "licences.md").read_text(encoding="utf-8")
SCRIPT: dict[str, Any] = runpy.run_path(str(ROOT / "scripts" / "licences.py"))


def test_the_table_is_what_the_packages_say() -> None:
    assert SCRIPT["renewed"](PAGE) == PAGE, "run python scripts/licences.py"


def test_everything_that_is_required_is_in_it() -> None:
    listed = SCRIPT["listed"](PAGE)
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    assert {re.split(r"[<>=\[]", line)[0] for line in project["dependencies"]} <= set(listed)
    lock = (ROOT / "requirements.lock").read_text(encoding="utf-8")
    locked = set(re.findall(r"^([a-z0-9.-]+)==", lock, re.MULTILINE))
    assert set(listed) <= locked
    assert {"pytest", "moto", "awscli"} & set(listed) == set(), "developers' tools are not in the image"


def test_no_package_is_under_the_gpl() -> None:
    """As the page says. Such a one would be linked with: `import` is not starting a program."""
    listed = SCRIPT["listed"](PAGE)
    assert len(listed) > 50
    assert [name for name, text in listed.items() if re.search(r"\bA?GPL", text) or text == "not said"] == []


def test_a_table_that_is_behind_is_noticed() -> None:
    assert SCRIPT["renewed"](PAGE.replace("boto3, ", "")) != PAGE.replace("boto3, ", "")


@pytest.mark.ffmpeg
def test_ffmpeg_is_licensed_as_the_page_says() -> None:
    ffmpeg = shutil.which("ffmpeg")
    assert ffmpeg is not None
    built = subprocess.run([ffmpeg, "-version"], capture_output=True, text=True, check=True).stdout
    assert "--enable-gpl" in built
    assert "--enable-nonfree" not in built
    licence = subprocess.run([ffmpeg, "-hide_banner", "-L"], capture_output=True, text=True, check=True)
    assert "GNU General Public License" in licence.stdout + licence.stderr


def test_the_pinned_audiowaveform_is_the_one_on_the_page() -> None:
    setup = (ROOT / "scripts" / "setup").read_text(encoding="utf-8")
    (version,) = re.findall(r"^readonly audiowaveform_version=(.*)$", setup, re.MULTILINE)
    assert f"| audiowaveform {version} |" in PAGE


def test_the_page_is_in_the_image() -> None:
    assert "COPY docs/licences.md /usr/share/doc/codex-assets/" in (ROOT / "Dockerfile").read_text(encoding="utf-8")
    assert "!docs/licences.md" in (ROOT / ".dockerignore").read_text(encoding="utf-8").splitlines()
