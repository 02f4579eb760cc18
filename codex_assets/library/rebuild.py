"""A rebuild of many outputs of many media: what first, how many at once, when to stop, and how to go on.

A few media go first (the canary), and what is published of them is judged as a viewer would get it; then the rest. When
too many fail, nothing more is begun. A journal beside the index names what is done, line by line, so that a rebuild
that was paused, stopped or killed goes on where it was. Not here: what is stale (`catalogue`), where and how an output
is built (`config.workshop`), how things look (`cli`).
"""

from __future__ import annotations

import fcntl
import json
import logging
import threading
import time
import uuid
from collections import Counter, deque
from collections.abc import Callable, Collection, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, TextIO

from codex_assets.archive.records import OutputRecord
from codex_assets.config.settings import Settings
from codex_assets.config.workshop import open_workshop
from codex_assets.errors import InternalError, JobCancelled, JobError, MissingInput, RelayedError, VerificationError
from codex_assets.library.catalogue import Catalogue, Target
from codex_assets.library.selection import Where
from codex_assets.library.staleness import REBUILT
from codex_assets.media.outputs import MASTER, is_variant
from codex_assets.system.workspace import Listener
from codex_assets.verification import audit

ROUNDS = 5
"""Builds of one media, one after the other: each may make outputs further down stale."""
TRIES = 2
"""Of one media, for failures that may go better next time."""
RETRY_SECONDS = 5.0
LEAST = 20
"""Media that failures are a share of, however few are done: one bad upload among the first three is no trend."""
EXAMPLES = 3
REFUSED = "input_not_found"
"""The code of what cannot be built because what it is made from is gone: it says nothing about the other media."""

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Order:
    """What is to be rebuilt. `outputs`: these alone, or () for all; `also_fresh`: what is not stale too."""

    where: str = ""
    media_ids: tuple[str, ...] = ()
    outputs: tuple[str, ...] = ()
    also_fresh: bool = False

    def condition(self) -> Where:
        """Raises `ValueError` for a condition that there is not."""
        given = Where.parse(self.where)
        if not self.media_ids:
            return given
        both = [one for one in self.media_ids if given.media_ids is None or one in given.media_ids]
        return replace(given, media_ids=tuple(both))

    def targets(self, catalogue: Catalogue, media_id: str | None = None) -> list[Target]:
        """Of all media that are meant, or of one of them."""
        where = self.condition() if media_id is None else Where(media_ids=(media_id,))
        names = self.outputs or None
        if names is not None and media_id is not None and any(map(is_variant, names)):
            # It follows its variants.
            names = (*names, MASTER.name)
        return catalogue.targets(where, names, stale_only=media_id is not None or not self.also_fresh)


@dataclass(frozen=True)
class Limits:
    """`workers` media at once; `canary` of so many media go first, given their number; `max_failures` is a share."""

    workers: int = 1
    canary: Callable[[int], int] = lambda media: 0
    max_failures: float = 0.05


@dataclass(frozen=True)
class Refusal:
    """What was asked for and cannot be built."""

    media_id: str
    output: str | None
    reason: str


@dataclass(frozen=True)
class Outcome:
    """What one media came to. `code` and `message` are those of a failure; `skipped`: why nothing was done."""

    media_id: str
    built: tuple[str, ...] = ()
    usd: float = 0.0
    code: str | None = None
    message: str | None = None
    skipped: str | None = None


@dataclass
class Summary:
    """What a rebuild came to, this time. `left`: media that are not done; `earlier`: done before it was resumed."""

    rebuild_id: str
    media: int
    earlier: int = 0
    canary: int = 0
    outcomes: list[Outcome] = field(default_factory=list)
    seconds: float = 0.0
    paused: str | None = None
    """Why nothing more was begun."""
    cancelled: bool = False

    @property
    def done(self) -> int:
        return sum(1 for one in self.outcomes if one.code is None and one.skipped is None)

    @property
    def failed(self) -> list[Outcome]:
        return [one for one in self.outcomes if one.code is not None]

    @property
    def skipped(self) -> list[Outcome]:
        return [one for one in self.outcomes if one.skipped is not None]

    @property
    def outputs(self) -> int:
        return sum(len(one.built) for one in self.outcomes)

    @property
    def usd(self) -> float:
        return sum(one.usd for one in self.outcomes)

    @property
    def left(self) -> int:
        return self.media - self.earlier - self.done - len(self.skipped)

    def codes(self) -> list[tuple[str, list[Outcome]]]:
        """Failures by code, the most frequent first."""
        counts = Counter(one.code for one in self.failed)
        return [(str(code), [one for one in self.failed if one.code == code]) for code, _ in counts.most_common()]

    def wire(self) -> dict[str, Any]:
        """For machines."""
        told: dict[str, Any] = {
            "rebuild": self.rebuild_id,
            "media": self.media,
            "doneEarlier": self.earlier,
            "done": self.done,
            "outputs": self.outputs,
            "canary": self.canary,
            "failed": {
                code: {
                    "media": len(some),
                    "examples": [{"mediaId": one.media_id, "error": one.message} for one in some[:EXAMPLES]],
                }
                for code, some in self.codes()
            },
            "skipped": [{"mediaId": one.media_id, "reason": one.skipped} for one in self.skipped],
            "left": self.left,
            "seconds": round(self.seconds, 3),
            "usd": round(self.usd, 6),
            "cancelled": self.cancelled,
        }
        return told | ({"paused": self.paused} if self.paused else {})


def refusals(catalogue: Catalogue, order: Order) -> list[Refusal]:
    """What of the order cannot be built, and why; what is fresh is left out unless it was asked for."""
    found, seen = [], set()
    for media_id, _, verdicts in catalogue.verdicts(order.condition()):
        seen.add(media_id)
        for one in verdicts.values():
            meant = not order.outputs or one.output in order.outputs
            due = any(cause.reason in REBUILT for cause in one.causes) or (order.also_fresh and one.applicable)
            if meant and due and one.blocked is not None:
                found.append(Refusal(media_id, one.output, one.blocked))
    if not order.where:
        found += [Refusal(one, None, "there is no media of this id") for one in order.media_ids if one not in seen]
    return found


# --- The journal ------------------------------------------------------------------------------------------------------


class Journal:
    """The order, its targets and what is done of them: one file, a line of JSON each, only ever appended to.

    One process works by a journal at a time. A line that a kill cut short says nothing.
    """

    def __init__(self, path: Path, file: TextIO, order: Order, targets: Sequence[Target]) -> None:
        self.rebuild_id, self.order, self.targets = path.stem, order, tuple(targets)
        self.built: dict[str, set[str]] = {}
        self.finished: set[str] = set()
        self._file, self._lock = file, threading.Lock()

    @classmethod
    def begin(cls, folder: Path, order: Order, targets: Sequence[Target]) -> Journal:
        folder.mkdir(parents=True, exist_ok=True)
        path = folder / f"{datetime.now(UTC):%Y%m%d-%H%M%S}-{uuid.uuid4().hex[:4]}.jsonl"
        journal = cls(path, _locked(path), order, targets)
        journal._write(
            {
                "order": {
                    "where": order.where,
                    "media": order.media_ids,
                    "outputs": order.outputs,
                    "alsoFresh": order.also_fresh,
                },
                "targets": [[one.media_id, one.media_type, one.outputs] for one in targets],
            }
        )
        return journal

    @classmethod
    def resume(cls, folder: Path, rebuild_id: str) -> Journal:
        """Raises `MissingInput` when there is none of this id, or somebody works by it."""
        path = folder / f"{Path(rebuild_id).name}.jsonl"
        if not path.is_file():
            there = ", ".join(sorted(one.stem for one in folder.glob("*.jsonl"))[-5:]) or "none"
            raise MissingInput(f"There is no rebuild {rebuild_id} to go on with; the last ones are: {there}.")
        file = _locked(path)
        # The first line of a line that was cut short ends here, not in the next one.
        lines = [told for line in path.read_text(encoding="utf-8").splitlines() if (told := _parsed(line)) is not None]
        if not lines or "order" not in lines[0]:
            file.close()
            raise MissingInput(f"The journal of rebuild {rebuild_id} was cut short; begin a new one.")
        said = lines[0]["order"]
        order = Order(said["where"], tuple(said["media"]), tuple(said["outputs"]), said["alsoFresh"])
        targets = [Target(media_id, kind, tuple(outputs)) for media_id, kind, outputs in lines[0]["targets"]]
        journal = cls(path, file, order, targets)
        for line in lines[1:]:
            if "built" in line:
                journal.built.setdefault(line["built"], set()).update(line["outputs"])
            elif "bad" in line:
                journal.built.get(line["bad"], set()).difference_update(line["outputs"])
            elif "finished" in line:
                journal.finished.add(line["finished"])
        file.write("\n")
        return journal

    def add_built(self, media_id: str, outputs: Sequence[str]) -> None:
        self.built.setdefault(media_id, set()).update(outputs)
        self._write({"built": media_id, "outputs": list(outputs)})

    def add_bad(self, media_id: str, outputs: Sequence[str]) -> None:
        """They were built, and did not stand the test."""
        self.built.get(media_id, set()).difference_update(outputs)
        self._write({"bad": media_id, "outputs": list(outputs)})

    def add_outcome(self, outcome: Outcome) -> None:
        if outcome.code is None:
            self.finished.add(outcome.media_id)
            told = {"finished": outcome.media_id, "usd": outcome.usd}
            self._write(told | ({"skipped": outcome.skipped} if outcome.skipped else {}))
        else:
            self._write({"failed": outcome.media_id, "code": outcome.code, "message": outcome.message})

    def close(self) -> None:
        self._file.close()

    def _write(self, told: dict[str, Any]) -> None:
        with self._lock:
            self._file.write(json.dumps(told, ensure_ascii=False) + "\n")
            self._file.flush()


def _locked(path: Path) -> TextIO:
    file = path.open("a", encoding="utf-8")
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        file.close()
        raise MissingInput(f"Rebuild {path.stem} is under way in another process.") from None
    return file


def _parsed(line: str) -> dict[str, Any] | None:
    try:
        told = json.loads(line)
    except ValueError:
        return None
    return told if isinstance(told, dict) else None


# --- The work ---------------------------------------------------------------------------------------------------------


class Rebuild:
    """Works off a journal's targets."""

    def __init__(
        self,
        settings: Settings,
        catalogue: Catalogue,
        journal: Journal,
        limits: Limits,
        *,
        cancelled: threading.Event | None = None,
        listener: Callable[[str], Listener | None] = lambda media_id: None,
        on_outcome: Callable[[Outcome, Summary], None] = lambda outcome, summary: None,
    ) -> None:
        self._settings, self._catalogue, self._journal, self._limits = settings, catalogue, journal, limits
        self._cancelled = cancelled or threading.Event()
        self._listener, self._on_outcome = listener, on_outcome

    def run(self) -> Summary:
        """Until all is done, too many failed, or it was cancelled. Failures of single media are in the summary."""
        began = time.monotonic()
        journal = self._journal
        todo = [one for one in journal.targets if one.media_id not in journal.finished]
        summary = Summary(journal.rebuild_id, len(journal.targets), len(journal.targets) - len(todo))
        summary.canary = min(len(todo), self._limits.canary(len(todo)))
        first = _spread(todo, summary.canary)
        chosen = {one.media_id for one in first}
        self._batch(first, summary, least=1, judged=True)
        if not self._stopped(summary):
            self._batch([one for one in todo if one.media_id not in chosen], summary, least=LEAST, judged=False)
        summary.cancelled = self._cancelled.is_set() and summary.left > 0
        summary.seconds = time.monotonic() - began
        return summary

    def _stopped(self, summary: Summary) -> bool:
        return summary.paused is not None or self._cancelled.is_set()

    def _batch(self, targets: Sequence[Target], summary: Summary, *, least: int, judged: bool) -> None:
        waiting, under_way = deque(targets), set[Future[Outcome]]()
        with ThreadPoolExecutor(max(1, self._limits.workers), thread_name_prefix="rebuild") as pool:
            while under_way or (waiting and not self._stopped(summary)):
                while waiting and len(under_way) < self._limits.workers and not self._stopped(summary):
                    under_way.add(pool.submit(self._outcome, waiting.popleft(), judged))
                ended, under_way = wait(under_way, return_when=FIRST_COMPLETED)
                for future in ended:
                    try:
                        outcome = future.result()
                    except JobCancelled:
                        self._cancelled.set()
                        continue
                    summary.outcomes.append(outcome)
                    self._journal.add_outcome(outcome)
                    self._on_outcome(outcome, summary)
                failed, finished = len(summary.failed), summary.done + len(summary.failed)
                if summary.paused is None and failed > self._limits.max_failures * max(finished, least):
                    what = "of the canary failed" if judged else "failed"
                    summary.paused = f"{failed} of {finished} media {what}"

    def _outcome(self, target: Target, judged: bool) -> Outcome:
        """Raises `JobCancelled` alone."""
        built: dict[str, float] = {}
        told: dict[str, str] = {}
        for attempt in range(1, TRIES + 1):
            try:
                self._build_all(target, judged, built)
            except JobCancelled:
                raise
            except JobError as error:
                if self._cancelled.is_set():
                    raise JobCancelled from None
                _log.error("%s: %s: %s", target.media_id, error.code, error.detail or error.public)
                if error.retryable and attempt < TRIES and not self._cancelled.wait(RETRY_SECONDS):
                    continue
                if error.code == REFUSED and not built:
                    told = {"skipped": error.public}
                else:
                    told = {"code": error.code, "message": error.public}
            except Exception as error:  # noqa: BLE001 - whatever happens to one media is its outcome
                _log.exception("%s met something unforeseen", target.media_id)
                unforeseen = InternalError.of(error)
                told = {"code": unforeseen.code, "message": unforeseen.public}
            else:
                if not built:
                    told = {"skipped": "it was as it should be by then"}
            break
        return Outcome(
            target.media_id,
            tuple(built),
            sum(built.values()),
            told.get("code"),
            told.get("message"),
            told.get("skipped"),
        )

    def _build_all(self, target: Target, judged: bool, built: dict[str, float]) -> None:
        """Round by round, until nothing of the media is left to build; `built` gets what each output cost."""
        if not self._journal.order.also_fresh:
            # Somebody else may have built it since the index was read.
            self._catalogue.refresh([target.media_id])
        for number in range(ROUNDS):
            if self._cancelled.is_set():
                raise JobCancelled
            wanted = self._wanted(target, number)
            again = [output for output in wanted if output in built]
            if again:
                raise RelayedError(
                    "still_stale", f"{', '.join(again)} is stale again right after it was built.", retryable=False
                )
            if not wanted:
                if number > 0 or not self._journal.order.also_fresh:
                    return
                continue
            self._build(target.media_id, wanted, judged, built)
            self._catalogue.refresh([target.media_id])
        raise RelayedError("still_stale", f"Outputs were still stale after {ROUNDS} rounds.", retryable=False)

    def _wanted(self, target: Target, number: int) -> tuple[str, ...]:
        order = self._journal.order
        if order.also_fresh and number == 0:
            done = self._journal.built.get(target.media_id, set())
            return tuple(output for output in target.outputs if output not in done)
        return next((one.outputs for one in order.targets(self._catalogue, target.media_id)), ())

    def _build(self, media_id: str, outputs: Collection[str], judged: bool, built: dict[str, float]) -> None:
        with open_workshop(
            self._settings,
            listener=self._listener(media_id),
            cancelled=self._cancelled,
            run_id=self._journal.rebuild_id,
            backfill=True,
        ) as workshop:
            media = workshop.records.media(media_id)
            if media is None:
                raise MissingInput(f"Media {media_id} is not registered: the archive holds no record of it.")
            made: list[OutputRecord] = []
            try:
                for record in workshop.builder.build(media, outputs):
                    made.append(record)
                    built[record.output] = record.build.cost_usd or 0.0 if record.build is not None else 0.0
            finally:
                if made:
                    self._journal.add_built(media_id, [record.output for record in made])
            if judged:
                audits = list(workshop.auditor.audit(media, [record.output for record in made]))
                audit.keep_results(workshop.records, media, audits, all_rules=True)
                failures = [finding for output_audit in audits for finding in output_audit.failed]
                if failures:
                    self._journal.add_bad(media_id, [finding.output for finding in failures])
                    # Not again: what was found is kept, and makes these outputs stale.
                    raise RelayedError(VerificationError.code, VerificationError(failures).public, retryable=False)


def _spread(targets: Sequence[Target], count: int) -> list[Target]:
    """`count` of them, from all over the list: neighbours often are alike."""
    return [targets[number * len(targets) // count] for number in range(count)]
