"""What a rebuild has done, line by line in a file beside the catalogue's index, so that it can be resumed.

In: the journal's lines, its lock, and how a journal is read again. Not here: what is written when (`rebuild.py`).
"""

from __future__ import annotations

import fcntl
import json
import threading
import uuid
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, TextIO

from codex_assets.errors import MissingInput
from codex_assets.library.catalogue import RebuildTarget
from codex_assets.library.rebuild_order import RebuildOrder
from codex_assets.library.rebuild_summary import RebuildOutcome


class Journal:
    """The order, its targets and what is done of them: a file of JSON, a line each, to which lines are only appended.

    One process uses a journal at a time. A line that was cut short, because the process was killed, is ignored.

    `built`: media id -> outputs that need not be built again; `finished`: media with nothing left to do.
    """

    def __init__(self, path: Path, file: TextIO, order: RebuildOrder, targets: Sequence[RebuildTarget]) -> None:
        self.rebuild_id, self.order, self.targets = path.stem, order, tuple(targets)
        self.built: dict[str, set[str]] = {}
        self.finished: set[str] = set()
        self._file, self._lock = file, threading.Lock()

    @classmethod
    def begin(cls, folder: Path, order: RebuildOrder, targets: Sequence[RebuildTarget]) -> Journal:
        """Make the file of a new rebuild in `folder`, and lock it."""
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
                    "tools": order.tools,
                },
                "targets": [[target.media_id, target.media_type, target.outputs] for target in targets],
            }
        )
        return journal

    @classmethod
    def resume(cls, folder: Path, rebuild_id: str) -> Journal:
        """The journal of an earlier rebuild, locked.

        Raises `MissingInput` when there is none of this id, when it was cut short, or when another process uses it.
        """
        path = folder / f"{Path(rebuild_id).name}.jsonl"
        if not path.is_file():
            latest = ", ".join(sorted(path.stem for path in folder.glob("*.jsonl"))[-5:]) or "none"
            raise MissingInput(f"There is no rebuild {rebuild_id} to go on with; the last ones are: {latest}.")
        file = _locked(path)
        lines = list(filter(None, map(_parsed, path.read_text(encoding="utf-8").splitlines())))
        if not lines or "order" not in lines[0]:
            file.close()
            raise MissingInput(f"The journal of rebuild {rebuild_id} was cut short; begin a new one.")
        fields = lines[0]["order"]
        media_ids, outputs = tuple(fields["media"]), tuple(fields["outputs"])
        order = RebuildOrder(fields["where"], media_ids, outputs, fields["alsoFresh"], fields.get("tools"))
        targets = [
            RebuildTarget(media_id, media_type, tuple(outputs)) for media_id, media_type, outputs in lines[0]["targets"]
        ]
        journal = cls(path, file, order, targets)
        for line in lines[1:]:
            if "built" in line:
                journal.built.setdefault(line["built"], set()).update(line["outputs"])
            elif "bad" in line:
                journal.built.get(line["bad"], set()).difference_update(line["outputs"])
            elif "finished" in line:
                journal.finished.add(line["finished"])
        # What follows does not continue a line that was cut short.
        file.write("\n")
        return journal

    def add_built(self, media_id: str, outputs: Sequence[str]) -> None:
        """They were built and published."""
        self.built.setdefault(media_id, set()).update(outputs)
        self._write({"built": media_id, "outputs": list(outputs)})

    def add_bad(self, media_id: str, outputs: Sequence[str]) -> None:
        """They were built and published, and then broke a rule."""
        self.built.get(media_id, set()).difference_update(outputs)
        self._write({"bad": media_id, "outputs": list(outputs)})

    def add_outcome(self, outcome: RebuildOutcome) -> None:
        """A media that did not fail is finished."""
        if outcome.code is None:
            self.finished.add(outcome.media_id)
            fields = {"finished": outcome.media_id, "usd": outcome.usd}
            self._write(fields | ({"skipped": outcome.skipped} if outcome.skipped else {}))
        else:
            self._write({"failed": outcome.media_id, "code": outcome.code, "message": outcome.message})

    def close(self) -> None:
        """Release the lock."""
        self._file.close()

    def _write(self, fields: dict[str, Any]) -> None:
        with self._lock:
            self._file.write(json.dumps(fields, ensure_ascii=False) + "\n")
            self._file.flush()


def _locked(path: Path) -> TextIO:
    """The file, open for appending and locked until it is closed."""
    file = path.open("a", encoding="utf-8")
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        file.close()
        raise MissingInput(f"Rebuild {path.stem} is under way in another process.") from None
    return file


def _parsed(line: str) -> dict[str, Any] | None:
    try:
        fields = json.loads(line)
    except ValueError:
        return None
    return fields if isinstance(fields, dict) else None
