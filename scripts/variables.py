#!/usr/bin/env python3
"""Writes the README's table of environment variables, from their declarations in codex_assets/config/variables.py.

python scripts/variables.py            after a change of these declarations
python scripts/variables.py --check    only tell whether the table is as it should be (exit code 1: it is not)
"""

from __future__ import annotations

import sys
from pathlib import Path

from codex_assets.config import variables

PAGE = Path(__file__).parents[1] / "README.md"
BEGIN, END = "<!-- variables: scripts/variables.py -->", "<!-- end -->"


def renewed(page: str) -> str:
    """The page with the table that belongs into it."""
    before, _, rest = page.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not end:
        sys.exit(f"variables: {PAGE.name} has no {BEGIN} ... {END}")
    return f"{before}{BEGIN}\n{variables.table()}\n{END}{after}"


def main() -> None:
    page = PAGE.read_text(encoding="utf-8")
    if "--check" in sys.argv[1:]:
        sys.exit(f"variables: {PAGE.name} is behind: run this without --check" if renewed(page) != page else 0)
    PAGE.write_text(renewed(page), encoding="utf-8")
    print(f"variables: the table is in {PAGE.name}")


if __name__ == "__main__":
    main()
