"""A tree of stored objects, by store and folder."""

from __future__ import annotations

from collections.abc import Mapping

from rich.text import Text
from rich.tree import Tree

from codex_assets.cli.console import size


def objects(title: str, sizes: Mapping[str, int]) -> Tree:
    """Objects by their keys, as folders; runs of segments are told in one line."""
    tree = Tree(Text(title, style="bold"), guide_style="dim")
    _add_objects(tree, sizes)
    return tree


def _add_objects(tree: Tree, sizes: Mapping[str, int]) -> None:
    folders: dict[str, dict[str, int]] = {}
    files: dict[str, int] = {}
    for key, count in sorted(sizes.items()):
        folder, slash, rest = key.partition("/")
        if slash:
            folders.setdefault(folder, {})[rest] = count
        else:
            files[key] = count
    for name, inside in folders.items():
        # Folders that hold nothing but a folder are one line.
        while len(tops := {key.partition("/")[0] for key in inside}) == 1 and all("/" in key for key in inside):
            top = tops.pop()
            name = f"{name}/{top}"
            inside = {key.removeprefix(f"{top}/"): count for key, count in inside.items()}
        _add_objects(tree.add(Text(f"{name}/", style="cyan")), inside)
    segments = [name for name in files if name.endswith(".ts")]
    for name, count in files.items():
        if name not in segments:
            tree.add(_object(name, count))
    if segments:
        told = segments[0] if len(segments) == 1 else f"{segments[0]} to {segments[-1].removeprefix('segment_')}"
        tree.add(_object(told, sum(files[name] for name in segments)))


def _object(name: str, count: int) -> Text:
    return Text.assemble(name, (f"  {size(count)}", "dim"))
