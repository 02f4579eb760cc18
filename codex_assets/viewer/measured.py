"""What no record holds and a page shows: loudness second by second, key frames, lengths of segments as they are.

One rung of a media is fetched and looked at, the leanest, for its sound is that of the others and it is cut like them;
another one where somebody asks for it. One at a time, in a thread of its own, and only while the server runs; what was
seen is kept by the contents that it was seen of. In: what is looked at, and when. Out: looking
(`verification/observe/`), and what a look is summed up to (`verification/report/measurements.py`).
"""

from __future__ import annotations

import json
import queue
import threading
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from codex_assets.archive import stored_files
from codex_assets.archive.records import VariantRecord
from codex_assets.archive.store import RecordStore
from codex_assets.errors import JobCancelled, MissingInput
from codex_assets.library.published_media import why_not
from codex_assets.media import outputs as media_outputs
from codex_assets.storage import keys
from codex_assets.storage.objects import Stores
from codex_assets.system import scratch
from codex_assets.system.tools import Tools
from codex_assets.verification.observations import LoudnessObservation, VariantObservation
from codex_assets.verification.observe.observer import Observer
from codex_assets.verification.report import measurements

FORM = 1
"""Of what is kept; another one is measured again."""

Measurements = dict[str, Any]
"""As JSON has it: `state` is `waiting`, `fetching`, `measuring`, `done` or `failed`."""


@dataclass(frozen=True)
class _Wish:
    """A rung that is to be looked at, and where what is seen of it is kept."""

    record: VariantRecord
    kept: Path


class MeasuredMedia:
    """Measures in the background. `folder`: where results are kept; it can be lost at any time."""

    def __init__(self, stores: Stores, tools: Callable[[threading.Event], Tools], scratch: Path, folder: Path) -> None:
        self._stores, self._scratch, self._folder = stores, scratch, folder
        self._cancelled = threading.Event()
        self._tools = tools(self._cancelled)
        self._states: dict[Path, Measurements] = {}
        self._lock = threading.Lock()
        self._wishes: queue.SimpleQueue[_Wish | None] = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._work, name="measuring", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """End what is under way."""
        self._cancelled.set()
        self._wishes.put(None)
        self._thread.join(timeout=10)

    def of(self, media_id: str, output: str | None = None) -> Measurements:
        """What is known of a rung by now: `output`, else the leanest; it is looked at soon if nothing is.

        Raises `MissingInput` where there is no such rung, and `StorageError`.
        """
        record = self._record(media_id, output)
        kept = self._folder / f"{media_id}.{record.output}.{record.data_version}.{FORM}.json"
        with self._lock:
            state = self._states.get(kept)
            if state is None or (state["state"] == "done" and not kept.exists()):
                state = _read(kept) or {"state": "waiting", "output": record.output}
                self._states[kept] = state
                if state["state"] == "waiting":
                    self._wishes.put(_Wish(record, kept))
            return state if state["state"] != "done" else _read(kept) or state

    def _record(self, media_id: str, output: str | None) -> VariantRecord:
        records = RecordStore(self._stores.archive)
        media = records.media(media_id)
        names = [each.name for each in media_outputs.variants(media.media_type)] if media is not None else []
        # They are ordered from the best to the leanest.
        for name in reversed(names) if output is None else [name for name in names if name == output]:
            record = records.get(media_id, name, VariantRecord)
            if record is not None and record.applicable and record.playlist_key:
                return record
        raise MissingInput("There is no such rung of this media.")

    # --- In the thread ------------------------------------------------------------------------------------------------

    def _work(self) -> None:
        while (wish := self._wishes.get()) is not None:
            try:
                with scratch.opened_run(self._scratch) as folder:
                    seen = self._look(wish, folder)
            except JobCancelled:
                return
            except Exception as error:  # noqa: BLE001 - one media must not end the thread
                self._tell(wish, {"state": "failed", "problem": why_not(error)})
                continue
            self._folder.mkdir(parents=True, exist_ok=True)
            wish.kept.write_text(json.dumps(seen), encoding="utf-8")
            self._tell(wish, {"state": "done"})

    def _tell(self, wish: _Wish, state: Measurements) -> None:
        with self._lock:
            self._states[wish.kept] = {"output": wish.record.output, **state}

    def _look(self, wish: _Wish, folder: Path) -> Measurements:
        playlist = self._fetch(wish, folder / "rung")
        self._tell(wish, {"state": "measuring"})
        observer = Observer(self._tools.within(folder), scratch=folder)
        seen = observer.variant(playlist, output=wish.record.output, decode=False)
        loudness = observer.loudness(playlist, output=wish.record.output)
        return {"state": "done", "output": wish.record.output, **_of_playlist(seen), **_of_sound(loudness)}

    def _fetch(self, wish: _Wish, folder: Path) -> Path:
        key = wish.record.playlist_key or ""
        for number, file in enumerate(wish.record.files):
            if self._cancelled.is_set():
                raise JobCancelled
            self._tell(wish, {"state": "fetching", "share": number / len(wish.record.files)})
            try:
                stored_files.fetch(self._stores, file, folder / file.key.removeprefix(keys.folder(key)))
            except MissingInput:
                # The look says which one is not there.
                continue
        return folder / Path(key).name


def _of_playlist(seen: VariantObservation) -> Measurements:
    (report,) = measurements.playlists([seen])
    key_frames = [time for segment in seen.segments if segment.video is not None for time in segment.video.key_times]
    start = min((span.start for each in seen.segments if (span := each.video or each.audio) is not None), default=0.0)
    return {
        "problem": report.problem,
        "segments": [
            {"start": each.start, "extinf": each.extinf, "measured": each.measured, "keyFrames": each.key_frames}
            for each in report.segments
        ],
        "keyFrames": [round(time - start, 3) for time in key_frames],
        "longestStep": report.key_frames.longest if report.key_frames is not None else None,
    }


def _of_sound(seen: LoudnessObservation) -> Measurements:
    reports = measurements.loudness([seen])
    if not reports:
        return {"loudness": None}
    report = reports[0]
    return {
        "loudness": {
            "integrated": report.integrated,
            "truePeak": report.true_peak,
            "range": report.range_lu,
            "momentary": report.momentary,
            "shortTerm": report.short_term,
        }
    }


def _read(kept: Path) -> Measurements | None:
    try:
        read = json.loads(kept.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    return read if isinstance(read, dict) else None
