"""The same exit code for the same thing, as docs/operations.md has it; and what commands say of one media agrees."""

from __future__ import annotations

import re
from datetime import timedelta
from pathlib import Path

import pytest
import typer
from commands import call
from small_film import MEDIA, Job

from codex_assets.archive.check_results import VERIFICATION, OutputVerification, VerificationRecord
from codex_assets.archive.findings import Finding
from codex_assets.archive.store import RecordStore
from codex_assets.cli.app import app
from codex_assets.library import catalogue
from codex_assets.storage.directory import DirectoryStore
from codex_assets.storage.objects import Stores

PAGE = (Path(__file__).parents[2] / "docs" / "operations.md").read_text(encoding="utf-8")
TABLE = PAGE[PAGE.index("## Exit codes") : PAGE.index("## Original clean-up")]

UNREADABLE = [
    ("show", "m1"),
    ("list",),
    ("stats",),
    ("stale",),
    ("failing",),
    ("verify", "--all"),
    ("verify", "m1"),
    ("rebuild",),
    ("rebuild", "--plan"),
    ("reproduce", "m1"),
    ("cleanup-originals",),
    ("reconcile",),
    ("delete", "m1"),
    ("redeliver", "--dry-run"),
]
"""Commands that have to read the archive."""
OF_A_MEDIA = [("show",), ("verify",), ("rebuild",), ("reproduce",), ("reconcile",), ("delete",), ("delete", "--yes")]


def stores_of(root: Path) -> Stores:
    return Stores(
        DirectoryStore(root, "archive", "codex-archive"),
        DirectoryStore(root, "media", "codex-media-local"),
        DirectoryStore(root, "assets", "codex-assets-local"),
    )


def test_the_table_has_every_command() -> None:
    named = set(re.findall(r"^\| (.+?) \|", TABLE, re.MULTILINE))
    listed = {command for cell in named for command in re.findall(r"`([a-z-]+)`", cell)}
    group = typer.main.get_command(app)
    assert listed == set(group.commands)  # type: ignore[attr-defined]


@pytest.mark.parametrize("command", UNREADABLE, ids=" ".join)
def test_an_archive_that_cannot_be_read_leaves_everything_open(command: tuple[str, ...], tmp_path: Path) -> None:
    outside = tmp_path / "elsewhere"
    outside.mkdir()
    archive = tmp_path / "stores" / "codex-archive"
    archive.mkdir(parents=True)
    # Of a folder that a link leads out of, the store refuses everything.
    (archive / "records").symlink_to(outside)
    answer = call(*command, store=tmp_path / "stores")
    assert answer.code == 2, answer.out + answer.err


@pytest.mark.parametrize("command", OF_A_MEDIA, ids=" ".join)
def test_of_a_media_that_nobody_knows_nothing_can_be_said(command: tuple[str, ...], tmp_path: Path) -> None:
    (tmp_path / "stores").mkdir()
    answer = call(*command, "nobody", store=tmp_path / "stores")
    assert answer.code == 2, answer.out + answer.err


@pytest.mark.parametrize("command", [command for command in UNREADABLE if "m1" not in command], ids=" ".join)
def test_of_an_empty_archive_nothing_is_to_be_done(command: tuple[str, ...], tmp_path: Path) -> None:
    (tmp_path / "stores").mkdir()
    answer = call(*command, store=tmp_path / "stores")
    assert answer.code == 0, answer.out + answer.err


def verified(output: str, data_version: str, *failed: str) -> OutputVerification:
    return OutputVerification(
        output=output,
        data_version=data_version,
        checked_at="2026-06-01T00:00:00.000+00:00",
        failed=tuple(Finding(rule=rule, passed=False, message="It is broken.", output=output) for rule in failed),
    )


def causes(store: Path, output: str) -> set[str]:
    listed = call("stale", "--json", store=store).json["list"]
    return {reason["reason"] for each in listed if each["output"] == output for reason in each["reasons"]}


def test_a_finding_counts_for_as_long_as_it_is_of_what_is_published(tmp_path: Path) -> None:
    store = tmp_path / "stores"
    stores = stores_of(store)
    Job(tmp_path, stores, "one", grace=timedelta(0)).switch()

    before = call("failing", store=store)
    assert (before.code, before.out.split(":")[0]) == (2, "No media was verified since it was published")
    assert call("failing", "--json", store=store).json == []
    assert "last check of what is published: never" in call("show", "m1", store=store).out
    assert "check failed" not in causes(store, "thumbnail")

    record = VerificationRecord(
        media_id="m1",
        creator_id=MEDIA.creator_id,
        media_type="video",
        outputs=(verified("thumbnail", "one", "thumbnail_decodes"), verified("hls_720p", "one")),
    )
    RecordStore(stores.archive).put("m1", VERIFICATION, record)
    failing = call("failing", "--json", store=store)
    assert (failing.code, [(each["output"], each["rule"]) for each in failing.json]) == (
        1,
        [("thumbnail", "thumbnail_decodes")],
    )
    assert call("failing", "--json", "--where", "type=audio", store=store).json == []
    assert call("failing", "segments_present", store=store).code == 0
    assert "1 failed" in call("list", store=store).out
    assert "1 failed" in call("show", "m1", store=store).out
    assert "check failed" in causes(store, "thumbnail")

    # Published anew: what was found before is of something else.
    Job(tmp_path, stores, "two", grace=timedelta(0)).switch()
    after = call("failing", store=store)
    assert (after.code, after.out.split(":")[0]) == (2, "No media was verified since it was published")
    assert "1 failed" not in call("list", store=store).out
    shown = call("show", "m1", store=store)
    assert "last check of what is published: never" in shown.out
    assert "thumbnail_decodes" not in shown.out
    assert call("show", "m1", "--json", store=store).json["verification"]["outputs"] == []
    assert "check failed" not in causes(store, "thumbnail")


def test_a_condition_on_ids_reads_the_records_of_these_media_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = tmp_path / "stores"
    stores = stores_of(store)
    Job(tmp_path, stores, "one", grace=timedelta(0)).switch()
    records = RecordStore(stores.archive)
    for number in range(3):
        records.put(f"other-{number}", "media", MEDIA.model_copy(update={"media_id": f"other-{number}"}))
    asked = requests_of_stores(monkeypatch)
    answer = call("list", "--where", "id=m1", "--json", store=store)
    assert [each["media"]["media_id"] for each in answer.json] == ["m1"]
    assert call("failing", "--where", "id=m1", store=store).code == 2
    assert call("stale", "--where", "id=m1", store=store).code == 1
    assert call("rebuild", "--plan", "m1", store=store).code == 1
    assert call("verify", "--where", "id=m1", "--shallow", store=store).code != 0
    archive = [(request, key) for role, request, key in asked if role == "archive"]
    assert {part for _, key in archive for part in key.split("/")} & {"m1", "other-0", "other-1", "other-2"} == {"m1"}
    assert all("m1" in key.split("/") for _, key in archive)
    # What is known is not read again: to look whether it has changed takes three listings and who it is.
    asked.clear()
    call("list", "--where", "id=m1", store=store)
    assert [request for _, request, _ in asked] == ["list", "read", "list", "list"]


def test_a_question_about_all_reads_nothing_that_is_known(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store = tmp_path / "stores"
    stores = stores_of(store)
    Job(tmp_path, stores, "one", grace=timedelta(0)).switch()
    call("list", store=store)
    asked = requests_of_stores(monkeypatch)
    # As if the listing took long: it is not taken again.
    monkeypatch.setattr(catalogue, "FREE_SECONDS", 0.0)
    monkeypatch.setattr(catalogue, "SHARE", 1e9)
    for command in (("list",), ("failing",), ("stale", "--list"), ("stats",), ("rebuild", "--plan")):
        answer = call(*command, store=store)
        assert answer.out, (command, answer.err)
    assert asked == []


def requests_of_stores(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, str, str]]:
    """Role, request and key or prefix of what stores are asked from now on."""
    asked: list[tuple[str, str, str]] = []
    read_object, list_objects, head_object = DirectoryStore.read, DirectoryStore.list, DirectoryStore.head

    def read_and_note(self: DirectoryStore, key: str) -> bytes:
        asked.append((self.name, "read", key))
        return read_object(self, key)

    def list_and_note(self: DirectoryStore, prefix: str, *, after: str = "") -> object:
        asked.append((self.name, "list", prefix))
        return list_objects(self, prefix, after=after)

    def head_and_note(self: DirectoryStore, key: str, *, version: str | None = None) -> object:
        asked.append((self.name, "head", key))
        return head_object(self, key, version=version)

    monkeypatch.setattr(DirectoryStore, "read", read_and_note)
    monkeypatch.setattr(DirectoryStore, "list", list_and_note)
    monkeypatch.setattr(DirectoryStore, "head", head_and_note)
    return asked


def test_a_limit_names_some_and_counts_all(tmp_path: Path) -> None:
    store = tmp_path / "stores"
    records = RecordStore(stores_of(store).archive)
    for number in range(4):
        records.put(f"media-{number}", "media", MEDIA.model_copy(update={"media_id": f"media-{number}"}))
    shown = call("list", "--limit", "3", store=store)
    assert "media-2" in shown.out
    assert "media-3" not in shown.out
    assert "4 media" in shown.out
    assert "1 more" in shown.err
    assert len(call("list", "--limit", "3", "--json", store=store).json) == 3
    stale = call("stale", "--list", "--limit", "1", store=store)
    assert ("media-0" in stale.out, "media-1" in stale.out, "3 more" in stale.err) == (True, False, True)
    assert {each["mediaId"] for each in call("stale", "--limit", "1", "--json", store=store).json["list"]} == {
        "media-0"
    }
    unbuilt = call("reconcile", "--limit", "3", store=store)
    assert ("media-2" in unbuilt.out, "media-3" in unbuilt.out, "1 more" in unbuilt.err) == (True, False, True)
    assert "4 never built" in unbuilt.out
    of_one = call("reconcile", "--limit", "1", "--json", store=store).json
    assert (of_one["discrepancies"], len(of_one["details"])) == (4, 1)
