"""Names say which thing they stand for: a short list of banned ones, and no class name with two meanings."""

from __future__ import annotations

import ast
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
MODULES = sorted(path for folder in ("codex_assets", "runpod_entry") for path in (ROOT / folder).rglob("*.py"))
READ = sorted([*MODULES, *(path for folder in ("tests", "bench", "scripts") for path in (ROOT / folder).rglob("*.py"))])
FOLDERS = sorted({path.parent.relative_to(ROOT).as_posix() for path in READ})

BANNED = {"told", "one", "found", "held"}
"""Say nothing of what they stand for: a message, a record, a finding, a stored object do."""


def bound_names(tree: ast.Module) -> Iterator[tuple[int, str]]:
    """The line and name of each variable, argument, attribute, function and class that a file makes."""
    for node in ast.walk(tree):
        match node:
            case ast.Name(id=name, ctx=ast.Store()) | ast.Attribute(attr=name, ctx=ast.Store()):
                yield node.lineno, name
            case ast.arg(arg=name) | ast.FunctionDef(name=name) | ast.ClassDef(name=name):
                yield node.lineno, name


@pytest.mark.parametrize("folder", FOLDERS)
def test_names_say_which_thing_they_stand_for(folder: str) -> None:
    nameless = [
        f"{path.relative_to(ROOT)}:{line} {name}"
        for path in READ
        if path.parent == ROOT / folder
        for line, name in bound_names(ast.parse(path.read_text()))
        if name.strip("_").lower() in BANNED or ("told" in name.lower().split("_") and not name.startswith("test_"))
    ]
    assert not nameless


def test_a_class_name_has_one_meaning() -> None:
    places: dict[str, list[str]] = defaultdict(list)
    for path in MODULES:
        for node in ast.parse(path.read_text()).body:
            if isinstance(node, ast.ClassDef):
                places[node.name].append(path.relative_to(ROOT).as_posix())
    assert not {name: files for name, files in places.items() if len(files) > 1}
