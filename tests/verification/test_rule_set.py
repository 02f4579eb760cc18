"""Results name the rules that gave them, and say so when these are not today's."""

from __future__ import annotations

from pathlib import Path

from codex_assets.archive.check_results import VERIFICATION, VerificationRecord
from codex_assets.archive.findings import Finding
from codex_assets.archive.records import MediaRecord, ThumbnailRecord
from codex_assets.archive.store import RecordStore
from codex_assets.cli.views import media as media_views
from codex_assets.storage.directory import DirectoryStore
from codex_assets.verification.audit import Audit, keep_results
from codex_assets.verification.judge import rule_set

MEDIA = MediaRecord(media_id="m1", creator_id="c1", media_type="video", input_role="archive", input_key="o")
THUMBNAIL = ThumbnailRecord(
    media_id="m1", media_type="video", output="thumbnail", code_version="0" * 12, data_version="1" * 32
)
PASSED = Audit("thumbnail", THUMBNAIL, (Finding(True, "It decodes.", output="thumbnail", rule="thumbnail_decodes"),))


def records(folder: Path) -> RecordStore:
    return RecordStore(DirectoryStore(folder, "archive", "archive"))


def words(record: VerificationRecord) -> str:
    return str(media_views._check_result(record))


def test_results_of_every_rule_are_by_todays(tmp_path: Path) -> None:
    kept = keep_results(records(tmp_path), MEDIA, [PASSED], all_rules=True)
    assert kept.is_by(rule_set())
    assert words(kept) == "passed"


def test_results_of_an_earlier_release_are_not(tmp_path: Path) -> None:
    store = records(tmp_path)
    kept = keep_results(store, MEDIA, [PASSED], all_rules=True)
    old = kept.outputs[0].model_copy(update={"rule_set": None})
    store.put("m1", VERIFICATION, kept.model_copy(update={"outputs": (old,)}))
    read = store.get("m1", VERIFICATION, VerificationRecord)
    assert read is not None
    assert words(read) == "not judged by today's rules"
    one_rule = keep_results(store, MEDIA, [PASSED], all_rules=False)
    assert words(one_rule) == "not judged by today's rules"
    again = keep_results(store, MEDIA, [PASSED], all_rules=True)
    assert words(again) == "passed"
