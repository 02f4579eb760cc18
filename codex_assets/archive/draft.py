"""Records that a job has made and not published yet, over those that the archive holds.

Whoever builds reads what the job made before, as if it were published; nobody else sees it until `commit`. In: which
record is read. Out: when all is switched (`build/publication.py`).
"""

from __future__ import annotations

from codex_assets.archive.records import Record
from codex_assets.archive.store import AnyRecord, RecordStore, as_json
from codex_assets.archive.switches import SwitchedRecord
from codex_assets.storage.objects import ObjectStore


class DraftRecords(RecordStore):
    """Reads as `RecordStore` does, and keeps what is put or forgotten until it is committed."""

    def __init__(self, archive: ObjectStore) -> None:
        super().__init__(archive)
        self._changes: dict[tuple[str, str], Record | None] = {}

    def get(self, media_id: str, name: str, model: type[AnyRecord]) -> AnyRecord | None:
        """As `RecordStore.get`, of the draft where it has that record."""
        if (media_id, name) not in self._changes:
            return super().get(media_id, name, model)
        drafted = self._changes[media_id, name]
        return drafted if isinstance(drafted, model) else None

    def put(self, media_id: str, name: str, record: Record) -> None:
        """Keep a record for `commit`."""
        self._changes[media_id, name] = record

    def forget(self, media_id: str, name: str) -> None:
        """Keep for `commit` that there is to be no such record."""
        self._changes[media_id, name] = None

    def noted(self) -> tuple[SwitchedRecord, ...]:
        """Every change, in the order in which they were made, as a switch writes them."""
        return tuple(
            SwitchedRecord(name=name, text=as_json(record).decode() if record is not None else None)
            for (_, name), record in self._changes.items()
        )

    def forget_changes(self) -> None:
        """Somebody else has written every change."""
        self._changes.clear()

    def commit(self) -> None:
        """Write every change to the archive, in the order in which they were made. Raises `StorageError`."""
        for (media_id, name), record in self._changes.items():
            if record is None:
                super().forget(media_id, name)
            else:
                super().put(media_id, name, record)
        self._changes.clear()
