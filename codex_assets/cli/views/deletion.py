"""The table and the JSON of `delete`: the receipt of what went. What goes is decided in `library/deletion.py`."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import groupby
from typing import Any

from rich import box
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from codex_assets import quantities
from codex_assets.cli import console
from codex_assets.library.deletion import DeletedObject, DeletionVerdict, MediaDeletion

STYLES = {DeletionVerdict.DELETED: "green", DeletionVerdict.WOULD_DELETE: "yellow"}


def deletions_table(results: Sequence[MediaDeletion], *, list_all: bool) -> Group:
    """What became of every media, and of what: by folder, or with `list_all` every object and version."""
    return Group(*(part for result in results for part in _parts(result, list_all=list_all)))


def deletions_json(results: Sequence[MediaDeletion]) -> dict[str, Any]:
    """Every media with every object and version."""
    return {
        "deleted": sum(result.verdict is DeletionVerdict.DELETED for result in results),
        "media": [
            {
                "mediaId": result.media_id,
                "verdict": result.verdict.value,
                **({"message": result.message} if result.message else {}),
                "at": result.at,
                "bytes": result.size,
                "objects": [_object_json(each) for each in result.objects],
                "kept": list(result.kept),
                "forgotten": list(result.forgotten),
            }
            for result in results
        ],
    }


def _object_json(each: DeletedObject) -> dict[str, Any]:
    version = {"version": each.version} if each.version is not None else {}
    return {"store": each.role, "bucket": each.bucket, "key": each.key, **version, "bytes": each.size}


def _parts(result: MediaDeletion, *, list_all: bool) -> Iterator[RenderableType]:
    yield Text.assemble(
        (result.media_id, "bold"),
        ": ",
        (result.verdict.value, STYLES.get(result.verdict, "red")),
        f". {result.message}" if result.message else "",
    )
    if result.objects:
        yield _objects_table(result.objects, list_all=list_all)
        keys = len({(each.role, each.key) for each in result.objects})
        yield Text(
            f"{console.plural(keys, 'object')}, {console.plural(len(result.objects), 'version')}, "
            f"{quantities.byte_size(result.size)}"
        )
    yield from (Text(sentence, style="yellow") for sentence in result.kept)
    if result.forgotten:
        yield Text(f"Forgotten by: {', '.join(result.forgotten)}.", style="dim")


def _objects_table(objects: Sequence[DeletedObject], *, list_all: bool) -> Table:
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    table.add_column("store", no_wrap=True)
    table.add_column("key" if list_all else "folder", overflow="fold")
    table.add_column("version" if list_all else "versions", justify="right", overflow="fold")
    table.add_column("size", justify="right", no_wrap=True)
    ordered = sorted(objects, key=lambda each: (each.role, each.key))
    if list_all:
        for each in ordered:
            table.add_row(each.role, each.key, each.version or "", quantities.byte_size(each.size))
        return table
    for (role, folder), group in groupby(ordered, key=lambda each: (each.role, each.key.rpartition("/")[0])):
        some = list(group)
        table.add_row(role, f"{folder}/", f"{len(some):,}", quantities.byte_size(sum(each.size for each in some)))
    return table
