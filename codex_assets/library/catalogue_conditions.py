"""A condition of `--where` in SQL, over the tables of the catalogue's index.

In: which media it picks. Out: the conditions themselves (`selection.py`), the tables (`catalogue_index.py`), and what
no table knows, because it depends on the code's recipes and rules: `stale` and `judged`.
"""

from __future__ import annotations

import json
from typing import Any

from codex_assets.library.selection import Where
from codex_assets.media.outputs import OUTPUTS


def clause(where: Where) -> tuple[str, list[Any]]:
    """`where` in SQL over the table `media`, but for `stale` and `judged`; and the values of its parameters."""
    parts: list[str] = ["TRUE"]
    given: list[Any] = []
    if where.media_type is not None:
        parts, given = [*parts, "media_type = ?"], [*given, where.media_type]
    if where.creator_id is not None:
        parts, given = [*parts, "creator_id = ?"], [*given, where.creator_id]
    if where.media_ids is not None:
        parts.append("media_id IN (SELECT value FROM json_each(?))")
        given.append(json.dumps(where.media_ids))
    if where.output is not None or where.recipe is not None or where.built_before is not None:
        names = sorted({name for outputs in OUTPUTS.values() for name in outputs})
        inner = ["applicable", "name IN (SELECT value FROM json_each(?))"]
        given.append(json.dumps(names if where.output is None else [where.output]))
        if where.recipe is not None:
            inner, given = [*inner, "code_version = ?"], [*given, where.recipe]
        if where.built_before is not None:
            inner, given = [*inner, "built_at < ?"], [*given, where.built_before.timestamp()]
        parts.append(
            "EXISTS (SELECT 1 FROM records WHERE records.media_id = media.media_id AND " + " AND ".join(inner) + ")"
        )
    return " AND ".join(parts), given


def of_ids(where: Where | None, table: str) -> tuple[str, list[Any]]:
    """The condition on ids alone, over any table that has them; and the values of its parameters."""
    if where is None or where.media_ids is None:
        return "TRUE", []
    return f"{table}.media_id IN (SELECT value FROM json_each(?))", [json.dumps(where.media_ids)]
