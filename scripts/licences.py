#!/usr/bin/env python3
"""Writes the table of docs/licences.md: what the image's Python packages are licensed under, by their own metadata.

    python scripts/licences.py            after a change of requirements.lock
    python scripts/licences.py --check    only tell whether the table is as it should be (exit code 1: it is not)

The packages are those that the Dockerfile installs: what pyproject.toml requires, and what that requires, on its
own Python. Run it in the environment that scripts/setup makes.
"""

from __future__ import annotations

import re
import sys
import tomllib
from collections.abc import Mapping
from importlib import metadata
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parents[1]
PAGE = ROOT / "docs" / "licences.md"
BEGIN, END = "<!-- packages: scripts/licences.py -->", "<!-- end -->"
IMAGE = {
    "python_version": "3.13",
    "python_full_version": "3.13.5",
    "implementation_name": "cpython",
    "implementation_version": "3.13.5",
    "platform_python_implementation": "CPython",
    "os_name": "posix",
    "sys_platform": "linux",
    "platform_system": "Linux",
    "platform_machine": "x86_64",
    "platform_release": "",
    "platform_version": "",
}
"""What markers are judged by: Debian 13."""
SPDX = {
    "3-Clause BSD License": "BSD-3-Clause",
    "Apache 2.0": "Apache-2.0",
    "Apache License 2.0": "Apache-2.0",
    "Apache License Version 2.0": "Apache-2.0",
    "Apache Software License": "Apache-2.0",
    "BSD": "BSD (which one is not said)",
    "BSD License": "BSD (which one is not said)",
    "Dual License": "Apache-2.0 OR BSD-3-Clause",
    "ISC License": "ISC",
    "MIT License": "MIT",
    "MIT license": "MIT",
    "Python Software Foundation License": "PSF-2.0",
}
SHORT = 40
"""Longer `License` fields hold the licence itself."""


def shipped() -> list[str]:
    """Names of the packages in the image, in order."""
    walked: set[tuple[str, frozenset[str]]] = set()

    def walk(wanted: Requirement) -> None:
        name = canonicalize_name(wanted.name)
        if (name, frozenset(wanted.extras)) in walked:
            return
        walked.add((name, frozenset(wanted.extras)))
        try:
            requires = metadata.requires(name) or ()
        except metadata.PackageNotFoundError:
            # Of another Python than this one; what it needs itself is nothing, or needed by others.
            return
        for requirement in map(Requirement, requires):
            marker, extras = requirement.marker, wanted.extras or {""}
            if marker is None or any(marker.evaluate({**IMAGE, "extra": extra}) for extra in extras):
                walk(requirement)

    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    for line in project["dependencies"]:
        walk(Requirement(line))
    return sorted({name for name, _ in walked})


def licence(name: str) -> str | None:
    """What a package says of itself, as SPDX where that is clear; None for one that is not installed here."""
    try:
        said = metadata.metadata(name)
    except metadata.PackageNotFoundError:
        return None
    if expression := said.get("License-Expression"):
        return expression.strip()
    text = said.get("License") or ""
    if not text.strip() or len(text) > SHORT:
        classifiers = [line for line in said.get_all("Classifier") or () if line.startswith("License ::")]
        text = " OR ".join(sorted(line.rpartition(" :: ")[2] for line in classifiers)) or "not said"
    return SPDX.get(text.strip(), text.strip())


def listed(page: str) -> dict[str, str]:
    """Package -> licence, as the page has it."""
    part = page.partition(BEGIN)[2].partition(END)[0]
    return {
        name: row[1].strip()
        for row in re.finditer(r"^\| (.*?) \| \d+ \| (.*) \|$", part, re.MULTILINE)
        for name in row[2].split(", ")
    }


def table(known: Mapping[str, str]) -> str:
    """The table; `known` is asked for what is not installed here."""
    by_licence: dict[str, list[str]] = {}
    for name in shipped():
        by_licence.setdefault(licence(name) or known.get(name) or "not said", []).append(name)
    rows = [
        f"| {text} | {len(names)} | {', '.join(names)} |"
        for text, names in sorted(by_licence.items(), key=lambda row: (-len(row[1]), row[0]))
    ]
    return "\n".join(["| licence | packages | which |", "| --- | --- | --- |", *rows])


def renewed(page: str) -> str:
    before, begin, rest = page.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not begin or not end:
        raise SystemExit(f"licences: {PAGE} has no place for the table")
    return f"{before}{BEGIN}\n{table(listed(page))}\n{END}{after}"


def main() -> None:
    page = PAGE.read_text(encoding="utf-8")
    wanted = renewed(page)
    if "--check" in sys.argv[1:]:
        if page != wanted:
            raise SystemExit("licences: docs/licences.md is not what the packages say; run python scripts/licences.py")
        return
    PAGE.write_text(wanted, encoding="utf-8")
    print(f"licences: {len(shipped())} packages in {PAGE.relative_to(ROOT)}")


if __name__ == "__main__":
    main()
