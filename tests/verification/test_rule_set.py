"""Results name the rules that gave them, and every command says so when these are not today's."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from commands import call

from codex_assets.archive.check_results import VERIFICATION
from codex_assets.archive.findings import Finding
from codex_assets.archive.records import MediaRecord, ThumbnailRecord
from codex_assets.archive.store import RecordStore
from codex_assets.config import settings
from codex_assets.verification.audit import Audit, keep_results
from codex_assets.verification.judge import rule_set

MEDIA = MediaRecord(media_id="m1", creator_id="c1", media_type="video", input_role="archive", input_key="o")
THUMBNAIL = ThumbnailRecord(
    media_id="m1", media_type="video", output="thumbnail", code_version="0" * 12, data_version="1" * 32
)
PASSED = Audit("thumbnail", THUMBNAIL, (Finding(True, "It decodes.", output="thumbnail", rule="thumbnail_decodes"),))
NOT_BY_TODAYS = "not judged by today's rules"


@pytest.fixture
def store(tmp_path: Path) -> Path:
    """A store with one media, of which the record of a thumbnail is left: nobody recorded that it was judged."""
    folder = tmp_path / "store"
    kept = records(folder)
    kept.put("m1", "media", MEDIA)
    kept.put("m1", "thumbnail", THUMBNAIL)
    return folder


def records(folder: Path) -> RecordStore:
    return RecordStore(settings.load({"STORAGE_DIR": str(folder), "PATH": os.environ["PATH"]}).stores().archive)


def judged(folder: Path, wanted: str) -> None:
    """Every command says this of the media, and no other condition than this selects it."""
    shown = call("show", "m1", "--json", store=folder).json
    assert (shown["judged"], shown["outputs"]["thumbnail"]["judged"]) == (wanted, wanted)
    assert [media["judged"] for media in call("list", "--json", store=folder).json] == [wanted]
    assert call("stats", "--json", store=folder).json["judged"] == {"today": 0, "old": 0, "never": 0} | {wanted: 1}
    stale = call("stale", "--refresh", "--json", store=folder).json
    assert stale["judged"] == {"today": 0, "old": 0, "never": 0} | {wanted: 1}
    for condition in ("today", "old", "never"):
        listed = call("list", "--where", f"judged={condition}", "--json", store=folder).json
        assert len(listed) == (condition == wanted)
    for command in (("show", "m1"), ("list",), ("stats",), ("stale", "--refresh")):
        assert (NOT_BY_TODAYS in call(*command, store=folder).out) == (wanted != "today"), command


def test_results_of_every_rule_are_by_todays(store: Path) -> None:
    judged(store, "never")
    keep_results(records(store), MEDIA, [PASSED], all_rules=True)
    judged(store, "today")


def test_results_of_an_earlier_release_are_not(store: Path) -> None:
    archive = records(store)
    kept = keep_results(archive, MEDIA, [PASSED], all_rules=True)
    old = kept.outputs[0].model_copy(update={"rule_set": None})
    archive.put("m1", VERIFICATION, kept.model_copy(update={"outputs": (old,)}))
    judged(store, "old")
    keep_results(archive, MEDIA, [PASSED], all_rules=False)
    judged(store, "old")
    keep_results(archive, MEDIA, [PASSED], all_rules=True)
    judged(store, "today")


def test_what_was_judged_when_it_was_built_needs_no_verification(store: Path) -> None:
    archive = records(store)
    by_today = THUMBNAIL.model_copy(update={"checks": PASSED.checks, "rule_set": rule_set()})
    archive.put("m1", "thumbnail", by_today)
    judged(store, "today")
    archive.put("m1", "thumbnail", by_today.model_copy(update={"rule_set": "0" * 12}))
    judged(store, "old")
    archive.put("m1", "thumbnail", by_today.model_copy(update={"rule_set": None}))
    judged(store, "old")
