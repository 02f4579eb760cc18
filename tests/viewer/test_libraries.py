"""The front-end libraries that are shipped are those that are locked, with licences, and pages ask nobody else."""

from __future__ import annotations

import hashlib
import json
import re
from pathlib import Path

import pytest

VIEWER = Path(__file__).parents[2] / "codex_assets" / "viewer"
LIBRARIES = VIEWER / "libraries"
LICENCES = (VIEWER.parents[1] / "docs" / "licences.md").read_text(encoding="utf-8")
PACKAGES: dict[str, str] = json.loads((LIBRARIES / "package.json").read_text(encoding="utf-8"))["dependencies"]


def test_every_file_is_the_one_that_was_fetched() -> None:
    lines = (LIBRARIES / "SHA256SUMS").read_text(encoding="utf-8").splitlines()
    summed = {name.removeprefix("./"): digest for digest, name in (line.split("  ") for line in lines)}
    files = {path.relative_to(LIBRARIES).as_posix(): path for path in LIBRARIES.glob("*/*")}
    assert {name: hashlib.sha256(path.read_bytes()).hexdigest() for name, path in files.items()} == summed


def test_versions_are_exact_and_locked_with_their_digests() -> None:
    locked = json.loads((LIBRARIES / "package-lock.json").read_text(encoding="utf-8"))["packages"]
    for name, version in PACKAGES.items():
        assert re.fullmatch(r"\d+\.\d+\.\d+", version)
        assert locked[f"node_modules/{name}"]["version"] == version
        assert locked[f"node_modules/{name}"]["integrity"].startswith("sha512-")
        assert "resolved" not in locked[f"node_modules/{name}"]


@pytest.mark.parametrize("name", PACKAGES)
def test_each_has_its_licence(name: str) -> None:
    folder = LIBRARIES / name.replace("@", "").replace("/", "-")
    assert (folder / "LICENSE").stat().st_size > 500
    assert f"| {name} {PACKAGES[name]} |" in LICENCES


def test_pages_ask_nobody_else() -> None:
    """Addresses in them: names of SVG alone."""
    for path in (VIEWER / "pages").iterdir():
        addresses = re.findall(r"(?:https?:)?//[a-z0-9-]+\.[a-z]{2,}[^\s\"'`)]*", path.read_text(encoding="utf-8"))
        assert set(addresses) <= {"http://www.w3.org/2000/svg"}, path.name
