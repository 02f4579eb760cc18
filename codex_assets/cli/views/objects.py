"""A tree of stored objects, by store and folder."""

from __future__ import annotations

from collections.abc import Mapping

from rich.text import Text
from rich.tree import Tree

from codex_assets.quantities import byte_size


def objects_tree(title: str, sizes: Mapping[str, int]) -> Tree:
    """Objects as a tree of the folders in their keys; `sizes` are bytes by key. Segments of a folder are one line."""
    tree = Tree(Text(title, style="bold"), guide_style="dim")
    _add_objects(tree, sizes)
    return tree


def _add_objects(tree: Tree, sizes: Mapping[str, int]) -> None:
    folders: dict[str, dict[str, int]] = {}
    files: dict[str, int] = {}
    for key, bytes_stored in sorted(sizes.items()):
        folder, slash, rest = key.partition("/")
        if slash:
            folders.setdefault(folder, {})[rest] = bytes_stored
        else:
            files[key] = bytes_stored
    for name, inside in folders.items():
        # Folders that hold nothing but a folder are one line.
        while len(tops := {key.partition("/")[0] for key in inside}) == 1 and all("/" in key for key in inside):
            top = tops.pop()
            name = f"{name}/{top}"
            inside = {key.removeprefix(f"{top}/"): bytes_stored for key, bytes_stored in inside.items()}
        _add_objects(tree.add(Text(f"{name}/", style="cyan")), inside)
    segments = [name for name in files if name.endswith(".ts")]
    for name, bytes_stored in files.items():
        if name not in segments:
            tree.add(_object(name, bytes_stored))
    if segments:
        names = segments[0] if len(segments) == 1 else f"{segments[0]} to {segments[-1].removeprefix('segment_')}"
        tree.add(_object(names, sum(files[name] for name in segments)))


def _object(name: str, bytes_stored: int) -> Text:
    return Text.assemble(name, (f"  {byte_size(bytes_stored)}", "dim"))
