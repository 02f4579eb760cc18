"""Every mutant: importing this module registers them all."""

from __future__ import annotations

from importlib import import_module

from mutant import HOMES, MUTANTS

__all__ = ["MUTANTS"]

for _home in [*dict.fromkeys(HOMES.values()), "tool_mutants"]:
    import_module(_home)
