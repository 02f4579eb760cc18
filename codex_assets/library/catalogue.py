"""The index of every media and output: what is stale among thousands, answered from one file on this machine.

An SQLite database that can be lost at any time: everything in it is read from the archive, whose records are the truth.
`refresh` lists the archive and reads the records that changed since the last time, no others; `reindex` forgets
everything first. Any number of processes may use one file: readers see whole refreshes, and one process refreshes at a
time. In: the questions, and when the index is fresh enough. Out: the file (`catalogue_index.py`), reading the archive
(`catalogue_refresh.py`), and what makes an output stale (`staleness.py`). Why so: docs/decisions/catalogue.md.
"""

from __future__ import annotations

import json
import time
from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median
from typing import Any

from codex_assets.archive.records import MediaRecord
from codex_assets.archive.refused import REFUSED, RefusedRecord
from codex_assets.contract.names import MediaType
from codex_assets.library import catalogue_refresh
from codex_assets.library.catalogue_index import IndexFile, recorded_recipes
from codex_assets.library.catalogue_refresh import OnRead, Refreshed
from codex_assets.library.media_facts import MediaFacts
from codex_assets.library.selection import Where
from codex_assets.library.staleness import Cause, StalenessJudge, Verdict
from codex_assets.media.outputs import OUTPUTS, parents
from codex_assets.storage.objects import ObjectStore

FREE_SECONDS = 0.5
"""A refresh that takes less is done before every question."""
SHARE = 20
"""A longer one is done again when the answer is older than this many times what it takes: about 5 % of the time."""


@dataclass(frozen=True)
class RebuildTarget:
    """What of one media is to be rebuilt.

    `outputs` are to be built in one job. `follows` may become stale by that: ask again when they are built. `reasons`
    has the causes of every output that is named.
    """

    media_id: str
    media_type: MediaType
    outputs: tuple[str, ...]
    follows: tuple[str, ...] = ()
    reasons: Mapping[str, tuple[Cause, ...]] = field(default_factory=dict)


@dataclass(frozen=True)
class BuiltOutput:
    """One output of one media as the index knows it. `bytes` of all its files; `wall`: seconds that its build took."""

    output: str
    applicable: bool
    bytes: int
    wall: float | None
    encoder: str | None
    recipe: Mapping[str, Any]
    variant: str | None


class Catalogue:
    """The index of one archive, in one file. Safe to use from several threads and processes.

    Every method raises `StorageError` when the file cannot be used.
    """

    def __init__(self, path: Path, archive: ObjectStore) -> None:
        self._file, self._archive = IndexFile(path), archive

    # --- Keeping it up to date ----------------------------------------------------------------------------------------

    def refresh(self, media_ids: Collection[str] | None = None, *, on_read: OnRead | None = None) -> Refreshed:
        """Bring the index up to date with the archive: all of it, or these media alone (a request or two for each).

        Raises `StorageError` when the archive cannot be read; the index then stays as it was.
        """
        with self._file.exclusive(), self._file.connection() as database:
            return catalogue_refresh.refresh(database, self._archive, media_ids, on_read)

    def reindex(self, *, on_read: OnRead | None = None) -> Refreshed:
        """Forget everything, and read all of the archive's records again."""
        with self._file.exclusive(), self._file.connection() as database:
            return catalogue_refresh.refresh(database, self._archive, None, on_read, anew=True)

    def refresh_if_old(self, *, on_read: OnRead | None = None) -> Refreshed | None:
        """`refresh` if the index is old for what that takes; None when it was not needed."""
        age, took = self.age()
        if age is not None and took >= FREE_SECONDS and age < took * SHARE:
            return None
        return self.refresh(on_read=on_read)

    def expire(self) -> None:
        """Have the archive listed before the next question: this process has changed many records."""
        with self._file.connection() as database:
            database.execute("DELETE FROM state WHERE name = 'refreshed_at'")

    def age(self) -> tuple[float | None, float]:
        """Seconds since the whole archive was last listed (None: never), and the seconds that listing it took."""
        with self._file.connection() as database:
            state = dict(database.execute("SELECT name, value FROM state").fetchall())
        if "refreshed_at" not in state:
            return None, 0.0
        return max(0.0, time.time() - float(state["refreshed_at"])), float(state["took"])

    # --- Asking -------------------------------------------------------------------------------------------------------

    def verdicts(
        self, where: Where | None = None, *, tools: Mapping[str, str] | None = None
    ) -> Iterator[tuple[str, MediaType, dict[str, Verdict]]]:
        """(media id, type, verdicts) of every media for which `where` holds, in order of their ids.

        `tools`: versions by tool; what others built is then stale.
        """
        condition = where or Where()
        with self._file.connection() as database:
            judge = StalenessJudge(recorded_recipes(database), tools)
            judged: dict[int, dict[str, Verdict]] = {}
            clause, given = _clause(condition)
            rows = database.execute(
                f"SELECT media_id, media_type, media.facts, text FROM media JOIN facts ON facts.id = media.facts"
                f" WHERE {clause} ORDER BY media_id",
                given,
            )
            for media_id, media_type, number, text in rows:
                if number not in judged:
                    judged[number] = judge.verdicts(MediaFacts.parse(text))
                if condition.accepts(judged[number]):
                    yield media_id, media_type, judged[number]

    def targets(
        self,
        where: Where | None = None,
        assets: Sequence[str] | None = None,
        *,
        stale_only: bool = True,
        tools: Mapping[str, str] | None = None,
    ) -> list[RebuildTarget]:
        """What is to be rebuilt, media by media: of all outputs, or of `assets`; with `stale_only` what is stale, else
        whatever applies and can be built. Media with nothing to do are left out. `tools`: as in `verdicts`."""
        targets = []
        for media_id, media_type, verdicts in self.verdicts(where, tools=tools):
            outputs = tuple(
                verdict.output
                for verdict in verdicts.values()
                if (assets is None or verdict.output in assets)
                and (verdict.is_stale if stale_only else verdict.applicable and verdict.blocked is None)
            )
            if not outputs:
                continue
            below = _downstream(media_type, outputs)
            follows = tuple(
                verdict.output for verdict in verdicts.values() if verdict.output in below and verdict.may_follow
            )
            reasons = {name: verdicts[name].causes for name in (*outputs, *follows)}
            targets.append(RebuildTarget(media_id, media_type, outputs, follows, reasons))
        return targets

    def built_outputs(self, media_ids: Collection[str]) -> dict[str, tuple[float | None, dict[str, BuiltOutput]]]:
        """Media id -> seconds of the media (None: not recorded), and output -> what was built of it."""
        wanted = set(media_ids)
        built: dict[str, tuple[float | None, dict[str, BuiltOutput]]] = {}
        with self._file.connection() as database:
            recorded = recorded_recipes(database)
            for media_id, seconds in database.execute("SELECT media_id, seconds FROM media"):
                if media_id in wanted:
                    built[media_id] = (seconds, {})
            for media_id, name, applicable, size, wall, encoder, text in database.execute(
                "SELECT media_id, name, applicable, bytes, wall, encoder, known FROM records WHERE code_version NOTNULL"
            ):
                if media_id in built:
                    facts = json.loads(text)
                    key = facts.get("recipe", "")
                    numbers = recorded(key) if key else {}
                    built[media_id][1][name] = BuiltOutput(
                        *(name, bool(applicable), size or 0, wall, encoder, numbers, facts.get("variant"))
                    )
        return built

    def speeds(self) -> dict[tuple[str, str, str], tuple[float, int]]:
        """(media type, output, encoder) -> the median of media seconds that one wall second built, and of how many
        builds. The encoder is empty where none was chosen."""
        speeds: dict[tuple[str, str, str], list[float]] = {}
        with self._file.connection() as database:
            for media_type, name, encoder, speed in database.execute(
                "SELECT media_type, name, ifnull(encoder, ''), media.seconds / wall AS speed FROM records"
                " JOIN media USING (media_id) WHERE applicable AND wall > 0 AND media.seconds > 0 ORDER BY speed"
            ):
                speeds.setdefault((media_type, name, encoder), []).append(speed)
        return {key: (ordered[len(ordered) // 2], len(ordered)) for key, ordered in speeds.items()}

    def sizes(self) -> dict[tuple[str, str], tuple[float, float]]:
        """(media type, output) -> the medians of its bytes, and of its bytes per second of media."""
        sizes: dict[tuple[str, str], tuple[list[int], list[float]]] = {}
        with self._file.connection() as database:
            for media_type, name, size, seconds in database.execute(
                "SELECT media_type, name, bytes, media.seconds FROM records JOIN media USING (media_id)"
                " WHERE applicable AND bytes > 0 AND media.seconds > 0"
            ):
                totals, rates = sizes.setdefault((media_type, name), ([], []))
                totals.append(size)
                rates.append(size / seconds)
        return {key: (median(totals), median(rates)) for key, (totals, rates) in sizes.items()}

    def gpus(self) -> Counter[str]:
        """Model of a GPU -> how many recorded outputs it encoded."""
        with self._file.connection() as database:
            rows = database.execute("SELECT gpu, count(*) FROM records WHERE gpu NOTNULL GROUP BY gpu")
            return Counter(dict(rows.fetchall()))

    def problems(self) -> list[tuple[str, str, str]]:
        """(media id, record, problem) of every record that cannot be read."""
        with self._file.connection() as database:
            return database.execute("SELECT media_id, name, problem FROM records WHERE problem NOTNULL").fetchall()

    def refused(self, where: Where | None = None) -> list[RefusedRecord]:
        """The refusals of media of which nothing was ever built, in order of their ids: of all, or of those for whose
        own record `where` holds. They are no media otherwise: no other answer has them."""
        built = sorted({name for outputs in OUTPUTS.values() for name in outputs})
        with self._file.connection() as database:
            rows = database.execute(
                "SELECT known FROM records WHERE name = ? AND known NOTNULL AND NOT EXISTS ("
                " SELECT 1 FROM records AS built WHERE built.media_id = records.media_id"
                " AND built.name IN (SELECT value FROM json_each(?))) ORDER BY media_id",
                [REFUSED, json.dumps(built)],
            ).fetchall()
        refusals = [RefusedRecord.model_validate_json(known) for (known,) in rows]
        return [refusal for refusal in refusals if where is None or where.holds_unbuilt(refusal.media)]

    def knows(self, media_id: str) -> bool:
        """Whether the index has anything of a media."""
        with self._file.connection() as database:
            return database.execute("SELECT 1 FROM records WHERE media_id = ?", (media_id,)).fetchone() is not None

    def others_of(self, media: MediaRecord) -> list[str]:
        """The ids of other media that were uploaded to the same key of the same store."""
        with self._file.connection() as database:
            rows = database.execute(
                "SELECT media_id FROM media WHERE input_role = ? AND input_key = ? AND media_id <> ?",
                (media.input_role, media.input_key, media.media_id),
            )
            return [media_id for (media_id,) in rows]

    def size(self) -> int:
        """Media in the index."""
        with self._file.connection() as database:
            return int(database.execute("SELECT count(*) FROM media").fetchone()[0])


def _clause(where: Where) -> tuple[str, list[Any]]:
    """`where` in SQL, but for `stale` and `judged`, which depend on the code's recipes and rules."""
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


def _downstream(media_type: str, outputs: Collection[str]) -> set[str]:
    """Everything that is made from these outputs, directly or not."""
    affected = set(outputs)
    for output in OUTPUTS[media_type]:
        if affected.intersection(parents(media_type, output)):
            affected.add(output)
    return affected - set(outputs)
