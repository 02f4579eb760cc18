"""The index: always what a new one would say, whatever happened to the archive and whoever else refreshes it.

The records are those of two real builds, under new ids (`bench/catalogue.py` makes thousands of them).
"""

from __future__ import annotations

import json
import os
import random
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import s3_server
from typer.testing import CliRunner
from workbench import once

from codex_assets.archive.store import RecordStore
from codex_assets.cli.app import app
from codex_assets.config import prices, settings
from codex_assets.errors import MissingInput, StorageError
from codex_assets.library import catalogue, catalogue_listing, catalogue_rows, costs, published_media
from codex_assets.library.catalogue import Catalogue, RebuildTarget
from codex_assets.library.catalogue_index import IndexFile
from codex_assets.library.judged import Judged
from codex_assets.library.selection import Where
from codex_assets.media import recipe
from codex_assets.media.outputs import OUTPUTS, wanted
from codex_assets.storage import keys
from codex_assets.storage.directory import DirectoryStore
from codex_assets.storage.objects import ObjectStore, StoredObject
from codex_assets.storage.s3 import S3Store

BENCH = Path(__file__).parents[2] / "bench" / "catalogue.py"
VIDEO, AUDIO = wanted("video"), wanted("audio")
Templates = dict[str, dict[str, str]]
Change = Callable[[dict[str, Any]], None]


def _bench() -> Any:
    from importlib.util import module_from_spec, spec_from_file_location

    spec = spec_from_file_location("bench_catalogue", BENCH)
    assert spec is not None
    assert spec.loader is not None
    module = module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


synthetic = _bench()


@pytest.fixture(scope="session")
def templates(tmp_path_factory: pytest.TempPathFactory) -> Templates:
    """The records of a real video and a real audio media, built once for all test processes."""
    path = tmp_path_factory.getbasetemp().parent / f"records-{os.environ.get('PYTEST_XDIST_TESTRUNUID', os.getpid())}"

    def make() -> None:
        path.write_text(json.dumps({kind: synthetic.build(kind) for kind in synthetic.SOURCES}))

    once(path, make)
    made: Templates = json.loads(path.read_text())
    return made


@pytest.fixture(scope="module")
def endpoint() -> Iterator[str]:
    with s3_server.s3_server() as url:
        yield url


def bucket(endpoint: str, name: str | None = None) -> S3Store:
    return S3Store(s3_server.location(endpoint, name or s3_server.bucket(endpoint), role="archive", versioned=False))


class Archive:
    """An archive with media in it, and everything that can happen to one."""

    def __init__(self, store: ObjectStore, templates: Templates) -> None:
        self.store, self.templates = store, templates
        self.media: dict[str, tuple[str, str]] = {}

    def add(self, media_id: str, kind: str = "video", creator: str = "ann") -> str:
        self.media[media_id] = (kind, creator)
        for name in self.templates[kind]:
            self.restore(media_id, name)
        self.put(keys.mezzanine(creator, media_id))
        return media_id

    def restore(self, media_id: str, name: str) -> None:
        kind, creator = self.media[media_id]
        text = self.templates[kind][name].replace("@MEDIA@", media_id).replace("@CREATOR@", creator)
        self.put(keys.record(media_id, name), text.encode())

    def put(self, key: str, data: bytes = b"") -> None:
        self.store.write(key, data, content_type="application/octet-stream")

    def edit(self, media_id: str, name: str, change: Change) -> None:
        record = json.loads(self.store.read(keys.record(media_id, name)))
        change(record)
        self.put(keys.record(media_id, name), json.dumps(record).encode())

    def original(self, media_id: str) -> str:
        kind, creator = self.media[media_id]
        name = json.loads(self.templates[kind]["media"])["input_key"].rpartition("/")[2]
        return keys.original_prefix(creator, media_id) + str(name)


@pytest.fixture(params=["folder", "s3"])
def archive(request: pytest.FixtureRequest, tmp_path: Path, templates: Templates) -> Archive:
    if request.param == "s3":
        return Archive(bucket(request.getfixturevalue("endpoint")), templates)
    return Archive(DirectoryStore(tmp_path / "store", "archive", "archive"), templates)


@pytest.fixture
def local(tmp_path: Path, templates: Templates) -> Archive:
    """The archive of a store that the commands can be given with `--store`."""
    return Archive(DirectoryStore(tmp_path / "store", "archive", settings.LOCAL_BUCKETS["B2_BUCKET_NAME"]), templates)


def code(record: dict[str, Any]) -> None:
    record["code_version"] = "0" * 12


def causes(index: Catalogue, where: Where | None = None) -> dict[str, dict[str, list[str]]]:
    return {
        media_id: {name: list(map(str, verdict.causes)) for name, verdict in verdicts.items() if verdict.causes}
        for media_id, _, verdicts in index.verdicts(where)
    }


# --- Kept up to date --------------------------------------------------------------------------------------------------


def dump(index: Catalogue) -> dict[str, list[tuple[Any, ...]]]:
    """Everything that answers depend on, in order: two indexes of the same archive hold the same."""
    with index._file.connection() as database:
        tables: dict[str, list[tuple[Any, ...]]] = {
            table: database.execute(f"SELECT * FROM {table} ORDER BY 1, 2, 3").fetchall()
            for table in ("records", "held", "findings", "refusals", "stored")
        }
        # Which number facts have is chance.
        tables["media"] = database.execute(
            "SELECT text, media.* FROM media JOIN facts ON facts.id = media.facts ORDER BY media_id"
        ).fetchall()
        tables["media"] = [(*row[:6], *row[7:]) for row in tables["media"]]
        tables["facts"] = database.execute("SELECT text FROM facts ORDER BY text").fetchall()
    return tables


def answers(index: Catalogue) -> tuple[Any, ...]:
    """All that an index can be asked. Files of media that nothing tells of change no answer."""
    known = {media_id for media_id, _, _ in index.verdicts()}
    tables = dump(index)
    for table in ("held", "stored"):
        tables[table] = [row for row in tables[table] if row[0] in known]
    return tables, list(index.verdicts()), list(index.overview()), list(index.findings()), index.problems()


@pytest.mark.ffmpeg
@pytest.mark.parametrize("archive", ["folder", pytest.param("s3", marks=pytest.mark.slow)], indirect=True)
@pytest.mark.parametrize("page", [pytest.param(catalogue_listing.PAGE, marks=pytest.mark.slow), 10])
def test_kept_up_to_date_it_says_what_a_new_one_says(
    archive: Archive, tmp_path: Path, page: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Small enough for folders to be listed in parts.
    monkeypatch.setattr(catalogue_listing, "PAGE", page)
    chance = random.Random(page)
    store = archive.store
    for number in range(4):
        archive.add(f"{'0aZ9'[number]}-{number}", "audio" if number == 3 else "video", f"creator-{number % 2}")
    index = Catalogue(tmp_path / "index.sqlite", store)
    index.refresh()
    assert index.size() == 4

    def lose_media(media_id: str) -> None:
        for stored in list(store.list(keys.records_prefix(media_id))):
            store.delete(stored.key)

    def happenings_to(media_id: str, name: str, step: int) -> dict[str, Callable[[], object]]:
        kind, creator = archive.media[media_id]
        record, mezzanine = keys.record(media_id, name), keys.mezzanine(creator, media_id)
        return {
            "another recipe": lambda: archive.put(
                record,
                store.read(record).replace(b'"code_version": "', b'"code_version": "x')
                if store.head(record)
                else b"{}",
            ),
            "deleted": lambda: store.delete(record),
            "cut short": lambda: archive.put(record, b'{"media_id": '),
            "another version": lambda: archive.put(record, b'{"from": "the future"}'),
            "restored": lambda: archive.restore(media_id, name),
            "mezzanine lost": lambda: store.delete(mezzanine),
            "mezzanine back": lambda: archive.put(mezzanine),
            "original there": lambda: archive.put(archive.original(media_id)),
            "a stranger": lambda: archive.put(f"records/{media_id}/notes.txt", b"?"),
            "media lost": lambda: lose_media(media_id),
            "media new": lambda: archive.add(f"new-{step}", kind, "bob"),
        }

    seen: set[str] = set()
    for step in range(14):
        media_id = chance.choice(sorted(archive.media))
        kind, _ = archive.media[media_id]
        name = chance.choice(sorted(archive.templates[kind]))
        happenings = happenings_to(media_id, name, step)
        # Each once, in any order, and then some again.
        happening = chance.choice(sorted(happenings.keys() - seen) or sorted(happenings))
        seen.add(happening)
        happenings[happening]()
        index.refresh([f"new-{step}" if happening == "media new" else media_id] if step % 2 else None)
        new = Catalogue(tmp_path / f"new-{step}.sqlite", store)
        new.refresh()
        assert answers(index) == answers(new), f"{happening}: {media_id} {name}"
    assert seen == happenings.keys()
    before = answers(index)
    index.reindex()
    assert answers(index) == before


def set_code_version(record: dict[str, Any], version: str) -> None:
    record["code_version"] = version


def set_gpu(record: dict[str, Any], gpu: str) -> None:
    record["build"]["gpu"] = gpu


@pytest.mark.ffmpeg
def test_only_what_changed_is_read(archive: Archive, tmp_path: Path) -> None:
    first, second = archive.add("m1"), archive.add("m2", "audio")
    index = Catalogue(tmp_path / "index.sqlite", archive.store)
    progress: list[tuple[int, int]] = []
    refreshed = index.refresh(on_read=lambda done, total: progress.append((done, total)))
    records = len(archive.templates["video"]) + len(archive.templates["audio"])
    assert (refreshed.read, refreshed.gone, progress[-1]) == (records, 0, (records, records))
    assert index.refresh().read == 0
    archive.edit(first, "thumbnail", code)
    archive.store.delete(keys.record(second, "hls_64k"))
    refreshed = index.refresh()
    assert (refreshed.read, refreshed.gone) == (1, 1)
    # Of some media alone, nothing is learned of others.
    archive.edit(first, "hls_360p", code)
    archive.edit(second, "hls_128k", code)
    assert index.refresh([second]).read == 1
    assert "hls_360p" not in causes(index)[first]
    assert index.refresh().read == 1
    assert "hls_360p" in causes(index)[first]


@pytest.mark.ffmpeg
def test_it_judges_as_the_records_do_and_answers_every_condition(archive: Archive, tmp_path: Path) -> None:
    first, two, three = archive.add("m1"), archive.add("m2", "audio", "bob"), archive.add("m3", "video", "bob")
    archive.edit(first, "hls_480p", code)
    archive.edit(two, "hls_64k", lambda record: record["build"].update(built_at="2020-01-01T00:00:00.000+00:00"))
    archive.edit(two, "waveform_png", lambda record: record.update(checks=[], rule_set=None))
    archive.edit(three, "hls_360p", lambda record: record.update(rule_set="0" * 12))
    archive.store.delete(keys.record(three, "thumbnail"))
    archive.put(archive.original(first))
    index = Catalogue(tmp_path / "index.sqlite", archive.store)
    index.refresh()
    records = RecordStore(archive.store)
    read = {media_id: published_media.read(media_id, records) for media_id in (first, two, three)}
    assert {media_id: verdicts for media_id, _, verdicts in index.verdicts()} == {
        media_id: media.verdicts for media_id, media in read.items() if media is not None
    }
    asked = {
        "": [first, two, three],
        "type=audio": [two],
        "creator=bob": [two, three],
        "creator=bob,type=video": [three],
        f"id={first}+{three}+nobody": [first, three],
        "stale": [first, three],
        "stale,output=hls_480p": [first],
        "stale,output=thumbnail": [],
        "output=thumbnail": [first],
        # The picture is 720 lines high at most: the marker is no output.
        "output=hls_1080p": [],
        f"recipe={'0' * 12}": [first],
        f"recipe={'0' * 12},output=hls_360p": [],
        "built_before=2021-01-01": [two],
        "built_before=2021-01-01,output=hls_128k": [],
        "built_before=2020-01-01T00:00": [],
        "judged=today": [first],
        "judged=old": [three],
        "judged=never": [two],
        "judged=old+never": [two, three],
        "judged=old,stale": [three],
        "judged=today,output=hls_480p": [first, three],
        "judged=old,output=hls_360p": [three],
        # No rule is about it.
        "judged=never,output=loudness": [],
    }
    for text, expected in asked.items():
        where = Where.parse(text)
        assert [media_id for media_id, _, _ in index.verdicts(where)] == expected, text
        assert [name for name, media in read.items() if media is not None and media.meets(where)] == expected, text


@pytest.mark.ffmpeg
def test_what_is_to_be_built_in_one_job_and_what_may_follow(local: Archive, tmp_path: Path) -> None:
    media_id = local.add("m1")
    local.add("m2", "audio")
    local.edit(media_id, "mezzanine", code)
    local.edit(media_id, "hls_480p", code)
    index = Catalogue(tmp_path / "index.sqlite", local.store)
    index.refresh()
    # The original is gone: the mezzanine cannot be rebuilt, and nothing follows it.
    (target,) = index.targets()
    assert (target.media_id, target.outputs, target.follows) == (media_id, ("hls_480p",), ("hls_master",))
    assert [str(cause) for cause in target.reasons["hls_master"]] == ["follows: hls_480p"]
    local.put(local.original(media_id))
    index.refresh([media_id])
    (target,) = index.targets()
    assert target.outputs == ("mezzanine", "hls_480p")
    assert set(target.follows) == {"hls_720p", "hls_360p", "preview", "hls_master", "thumbnail"}
    assert index.targets(assets=["hls_720p"]) == []
    assert [target.outputs for target in index.targets(assets=["hls_720p", "hls_128k"], stale_only=False)] == [
        ("hls_720p",),
        ("hls_128k",),
    ]
    assert index.targets(Where.parse("type=audio")) == []


@pytest.mark.ffmpeg
def test_it_is_looked_at_again_when_it_is_old_for_what_that_takes(
    local: Archive, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    local.add("m1")
    index = Catalogue(tmp_path / "index.sqlite", local.store)
    assert index.age() == (None, 0.0)
    monkeypatch.setattr(catalogue, "FREE_SECONDS", 0.0)
    monkeypatch.setattr(catalogue, "SHARE", 1e9)
    first = index.refresh_if_old()
    assert first is not None
    assert first.read == len(local.templates["video"])
    assert index.refresh_if_old() is None
    monkeypatch.setattr(catalogue, "SHARE", 0)
    assert index.refresh_if_old() is not None
    monkeypatch.setattr(catalogue, "SHARE", 1e9)
    monkeypatch.setattr(catalogue, "FREE_SECONDS", 100.0)
    assert index.refresh_if_old() is not None


def test_a_look_at_one_media_puts_together_that_one_alone(
    archive: Archive, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in range(4):
        archive.add(f"m{number}")
    index = Catalogue(tmp_path / "index.sqlite", archive.store)
    index.refresh()
    put_together: list[str] = []
    media_rows = catalogue_rows.media_rows

    def note(media_id: str, *rest: Any) -> catalogue_rows.MediaRows:
        put_together.append(media_id)
        return media_rows(media_id, *rest)

    monkeypatch.setattr(catalogue_rows, "media_rows", note)
    archive.edit("m1", "thumbnail", code)
    assert index.refresh(["m1"]).read == 1
    assert put_together == ["m1"]
    assert index.refresh(["m1"]).read == 0
    assert put_together == ["m1"]
    archive.store.delete(keys.record("m1", "media"))
    index.refresh(["m1"])
    assert put_together == ["m1", "m1"]
    assert [media.media.media_id for media in index.overview()] == ["m0", "m2", "m3"]


def test_a_question_about_one_media_goes_through_the_rows_of_that_one_alone(
    local: Archive, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    local.add("m1")
    local.add("m2")
    path = tmp_path / "index.sqlite"
    index = Catalogue(path, local.store)
    index.refresh()
    steps = 0

    def connect(file: IndexFile) -> sqlite3.Connection:
        def note() -> int:
            nonlocal steps
            steps += 1
            return 0

        database = plain(file)
        database.set_progress_handler(note, 1)
        return database

    def taken() -> int:
        """The steps of SQLite's machine that all questions about one media take."""
        nonlocal steps
        steps, where = 0, Where(media_ids=("m1",))
        local.edit("m1", "thumbnail", code)
        assert index.refresh_for(where) is not None
        lines = (index.overview(where), index.verdicts(where), index.findings(where), index.jobs(where))
        assert [len(list(line)) for line in lines] == [1, 1, 0, 1]
        assert dict(index.names(("media",), where)) == {"m1": {"media"}}
        assert (index.problems(where), index.refused(where), index.verified(where)) == ([], [], (1, 1))
        assert [target.media_id for target in index.targets(where)] == ["m1"]
        return steps

    plain = IndexFile._connect
    monkeypatch.setattr(IndexFile, "_connect", connect)
    few = taken()
    with closing(sqlite3.connect(path)) as database, database:
        for table in ("listed", "listed_files", "records", "media", "findings", "refusals", "stored", "held"):
            columns = ", ".join([f"{table}.{row[1]}" for row in database.execute(f"PRAGMA table_info({table})")][1:])
            copied = f"SELECT media_id || '-' || copy.value, {columns} FROM {table}, json_each(?) AS copy"
            database.execute(f"INSERT INTO {table} {copied}", [json.dumps(list(range(300)))])
    assert index.size() == 602
    assert taken() < 1.1 * few


@pytest.mark.ffmpeg
def test_ids_that_begin_alike_are_listed_in_parts_as_any_others(
    endpoint: str, tmp_path: Path, templates: Templates, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(catalogue_listing, "PAGE", 3)
    monkeypatch.setattr(catalogue_listing, "PAGES_OF_A_PART", 2)
    archive = Archive(bucket(endpoint), templates)
    ulids = [archive.add(f"01KB6Z{number:04d}XS9TQ0M5R7V2W8Y3", "audio") for number in range(6)]
    index = Catalogue(tmp_path / "index.sqlite", archive.store)
    index.refresh()
    parts: list[tuple[str, str]] = []
    list_objects = S3Store.list

    def note(self: S3Store, prefix: str, *, after: str = "") -> Iterator[StoredObject]:
        parts.append((prefix, after))
        yield from list_objects(self, prefix, after=after)

    monkeypatch.setattr(S3Store, "list", note)
    archive.edit(ulids[3], "hls_64k", code)
    archive.add("01KB6Z9999XS9TQ0M5R7V2W8Y3", "audio")
    refreshed = index.refresh()
    assert refreshed.read == 1 + len(templates["audio"])
    starts = [after for prefix, after in parts if prefix == keys.RECORDS_ROOT]
    # Six media of nine records each, and six records a part.
    assert len(starts) >= 6
    assert "" in starts
    assert {after.split("/")[1] for after in starts if after} <= set(ulids)
    assert {prefix for prefix, _ in parts} == {keys.RECORDS_ROOT, *catalogue_listing.FOLDERS}
    new = Catalogue(tmp_path / "new.sqlite", archive.store)
    new.refresh()
    assert answers(index) == answers(new)


@pytest.mark.ffmpeg
def test_a_line_about_each_media(local: Archive, tmp_path: Path) -> None:
    fine, broken, stale_one, failed, running = (
        local.add(name) for name in ("fine", "broken", "stale", "failed", "running")
    )
    finding = {"rule": "thumbnail_size", "severity": "ERROR", "passed": False, "message": "It is too small."}
    warning = finding | {"rule": "thumbnail_dark", "severity": "WARN"}
    thumbnail = json.loads(local.store.read(keys.record(broken, "thumbnail")))
    later = "2999-01-01T00:00:00.000+00:00"
    for media_id, checked_at in ((broken, later), (fine, "1999-01-01T00:00:00.000+00:00")):
        checked = {"output": "thumbnail", "data_version": thumbnail["data_version"], "checked_at": checked_at}
        local.put(
            keys.record(media_id, "verification"),
            json.dumps(
                {
                    "media_id": media_id,
                    "creator_id": "ann",
                    "media_type": "video",
                    "outputs": [checked | {"failed": [finding, warning]}],
                }
            ).encode(),
        )
    local.edit(stale_one, "thumbnail", code)
    now = datetime.now(UTC)
    job = {"creator_id": "ann", "media_type": "video", "asked": [], "started_at": now.isoformat()}
    for media_id, outcome in ((failed, {"outcome": "failed", "error_code": "tool_failed"}), (running, {})):
        jobs = [job | {"id": "j1", "media_id": media_id, "outcome": "running"} | outcome]
        local.put(keys.record(media_id, "jobs"), json.dumps({"media_id": media_id, "jobs": jobs}).encode())
    refusal = {
        "media": {**json.loads(local.store.read(keys.record(fine, "media"))), "media_id": "notes"},
        "code": "not_media",
        "sentence": "The upload is a text file.",
        "refused_at": now.isoformat(),
    }
    local.put(keys.record("notes", "refused"), json.dumps(refusal).encode())
    index = Catalogue(tmp_path / "index.sqlite", local.store)
    index.refresh()

    lines = {media.media.media_id: media for media in index.overview()}
    assert {media_id: line.state(now).value for media_id, line in lines.items()} == {
        broken: "failed",
        failed: "failed",
        fine: "current",
        "notes": "refused",
        running: "building",
        stale_one: "stale",
    }
    assert lines[running].state(now + timedelta(days=2)).value == "failed"
    assert (lines[broken].failed, lines[broken].warned, lines[broken].failing) == (1, 1, ("thumbnail_size",))
    assert lines[broken].verified_at == later
    # A check that is older than the build was of other objects.
    assert (lines[fine].failed, lines[fine].verified_at) == (0, None)
    assert (lines[failed].error_code, lines["notes"].error_code, lines[fine].error_code) == (
        "tool_failed",
        "not_media",
        None,
    )
    assert lines[fine].encoder == "libx264"
    read = published_media.read(fine, RecordStore(local.store))
    assert read is not None
    assert lines[fine].bytes == sum(file.size for record in read.built for file in record.files)
    assert [kept.finding.message for kept in index.findings(warnings=False)] == ["It is too small."]
    assert [kept.finding.rule for kept in index.findings(Where(media_ids=(broken,)))] == [
        "thumbnail_size",
        "thumbnail_dark",
    ]
    assert list(index.findings(rule="thumbnail_mean")) == []
    assert index.verified() == (5, 4)
    assert [line.media.media_id for line in index.overview(Where(stale=True))] == [broken, stale_one]
    assert [line.media.media_id for line in index.overview(Where(media_ids=("notes", fine)))] == [fine, "notes"]


# --- Several at once, and failures ------------------------------------------------------------------------------------

REFRESHING = """
import sys
from pathlib import Path
from codex_assets.library.catalogue import Catalogue
from codex_assets.storage.directory import DirectoryStore
index = Catalogue(Path(sys.argv[1]), DirectoryStore(Path(sys.argv[2]), "archive", sys.argv[3]))
print("ready", flush=True)
for line in sys.stdin:
    index.reindex() if line.strip() == "reindex" else index.refresh()
    print(index.size(), flush=True)
"""


@pytest.mark.ffmpeg
def test_processes_refresh_at_once_and_readers_see_whole_refreshes(local: Archive, tmp_path: Path) -> None:
    media = [local.add(f"m{number}", "audio" if number % 2 else "video") for number in range(6)]
    path = tmp_path / "index.sqlite"
    index = Catalogue(path, local.store)
    index.refresh()
    command = [sys.executable, "-c", REFRESHING, str(path), str(tmp_path / "store"), local.store.bucket]
    others = [subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) for _ in range(2)]
    try:
        for other in others:
            assert other.stdout is not None
            assert other.stdout.readline() == "ready\n"
        chance = random.Random(5)
        for step in range(12):
            for number, other in enumerate(others):
                assert other.stdin is not None
                other.stdin.write("reindex\n" if (step + number) % 3 == 0 else "refresh\n")
                other.stdin.flush()
            for _ in range(3):
                media_id = chance.choice(media)
                local.edit(media_id, "hls_master", partial(set_code_version, version=f"{step:012}"))
                assert index.size() == len(media)
                assert len(causes(index)) == len(media)
            if step % 4 == 0:
                index.refresh()
        for other in others:
            out, _ = other.communicate(timeout=120)
            assert out.split() == [str(len(media))] * 12
    finally:
        for other in others:
            other.kill()
            other.wait()
    index.refresh()
    new = Catalogue(tmp_path / "new.sqlite", local.store)
    new.refresh()
    assert answers(index) == answers(new)


@pytest.mark.ffmpeg
def test_a_refresh_waits_for_the_one_before_it_and_then_lists(local: Archive, tmp_path: Path) -> None:
    local.add("m1")
    index = Catalogue(tmp_path / "index.sqlite", local.store)
    with ThreadPoolExecutor(1) as pool:
        later = []

        def meanwhile(done: int, total: int) -> None:
            later.append(pool.submit(index.refresh))
            # Time enough to have listed the archive, if it did not wait.
            time.sleep(0.5)
            local.add("m2")

        index.refresh(on_read=meanwhile)
        assert [future.result().read for future in later] == [len(local.templates["video"])]
    assert index.size() == 2


@pytest.mark.ffmpeg
def test_an_index_that_is_broken_or_of_another_schema_is_made_anew(local: Archive, tmp_path: Path) -> None:
    local.add("m1")
    path = tmp_path / "folder" / "index.sqlite"
    Catalogue(path, local.store).refresh()
    before = answers(Catalogue(path, local.store))
    database = sqlite3.connect(path)
    database.execute("PRAGMA user_version = 999")
    database.execute("CREATE TABLE later (one TEXT)")
    database.close()
    assert Catalogue(path, local.store).age() == (None, 0.0)
    Catalogue(path, local.store).refresh()
    assert answers(Catalogue(path, local.store)) == before
    for end in ("-wal", "-shm"):
        path.with_name(path.name + end).unlink(missing_ok=True)
    path.write_bytes(b"this is no database" * 1000)
    assert Catalogue(path, local.store).size() == 0
    Catalogue(path, local.store).refresh()
    assert answers(Catalogue(path, local.store)) == before
    with pytest.raises(StorageError, match="CATALOGUE_PATH"):
        Catalogue(path / "below a file", local.store).refresh()


@pytest.mark.ffmpeg
def test_an_index_of_an_earlier_release_is_made_anew(local: Archive, tmp_path: Path) -> None:
    """`index-2.sql` was written when the index did not keep by which rules anything was judged."""
    local.add("m1")
    local.edit("m1", "hls_360p", lambda record: record.update(rule_set="0" * 12))
    path = tmp_path / "index.sqlite"
    database = sqlite3.connect(path)
    database.executescript((Path(__file__).parent / "old_indexes" / "index-2.sql").read_text())
    database.close()
    index = Catalogue(path, local.store)
    assert index.age() == (None, 0.0)
    assert index.size() == 0
    index.refresh_if_old()
    ((_, _, verdicts),) = index.verdicts()
    assert {verdicts["hls_360p"].judged, verdicts["hls_480p"].judged} == {Judged.OLD, Judged.TODAY}


@pytest.mark.slow
@pytest.mark.ffmpeg
def test_an_archive_that_cannot_be_read_leaves_the_index_as_it_was(
    endpoint: str, templates: Templates, tmp_path: Path
) -> None:
    store = bucket(endpoint)
    archive = Archive(store, templates)
    archive.add("m1")
    path = tmp_path / "index.sqlite"
    Catalogue(path, store).refresh()
    before = answers(Catalogue(path, store))
    gone = Catalogue(path, bucket(endpoint, "no-such-bucket"))
    for refresh in (gone.refresh, gone.reindex, partial(gone.refresh, ["m1"])):
        with pytest.raises((StorageError, MissingInput)):
            refresh()
    assert answers(gone) == before
    assert Catalogue(path, store).refresh().read == 0


# --- `stale` ----------------------------------------------------------------------------------------------------------


def call(*arguments: str, store: Path) -> tuple[int, str, str]:
    unset: dict[str, str | None] = dict.fromkeys([*settings.REQUIRED, "STORAGE_DIR", "CATALOGUE_PATH"])
    result = CliRunner().invoke(app, ["stale", *arguments, "--store", str(store)], env={**unset, "COLUMNS": "200"})
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    return result.exit_code, result.stdout, result.stderr


@pytest.mark.ffmpeg
def test_stale_counts_lists_and_tells_machines(local: Archive, tmp_path: Path) -> None:
    store = tmp_path / "store"
    for number in range(25):
        local.add(f"m{number:02}", "audio" if number % 5 == 4 else "video")
    exit_code, out, _ = call(store=store)
    assert (exit_code, "25 media: nothing to be rebuilt" in out) == (0, True)

    def slower(record: dict[str, Any]) -> None:
        record["code_version"] = "0" * 12
        record["build"]["recipe"]["variant.video_kbps"] = 900

    for number in (0, 1, 2):
        local.edit(f"m{number:02}", "hls_480p", slower)
    exit_code, out, err = call(store=store)
    assert exit_code == 1
    assert "3 outputs of 3 media to be rebuilt" in out
    lines = [line.split() for line in out.splitlines()]
    assert ["output", "recipe", "changed", "follows"] in lines
    assert ["hls_480p", "3"] in lines
    assert ["hls_master", "3"] in lines
    assert "hls_480p: recipe changed: variant.video_kbps 900 -> 1000" in out
    assert "hls_master: follows: hls_480p" in out

    # Many are counted, and listed when asked for.
    for number in range(25):
        local.edit(f"m{number:02}", "hls_master", code)
    exit_code, out, err = call(store=store)
    assert (exit_code, "m07" in out, "--list" in out + err) == (1, False, True)
    assert "28 outputs of 25 media to be rebuilt" in out
    exit_code, out, _ = call("--list", store=store)
    assert (exit_code, out.count("recipe changed:")) == (1, 28)
    assert "m07" in out

    exit_code, out, _ = call("--asset", "video/hls_480p", "--where", "creator=ann,type=video", "--json", store=store)
    report = json.loads(out)
    assert exit_code == 1
    assert (report["media"], report["stale"], report["counts"]) == (25, 3, {"hls_480p": {"recipe changed": 3}})
    assert report["list"][0] == {
        "mediaId": "m00",
        "mediaType": "video",
        "output": "hls_480p",
        "stale": True,
        "judged": "today",
        "reasons": [
            {
                "reason": "recipe changed",
                "from": "0" * 12,
                "to": recipe.code_version("video", "hls_480p"),
                "changes": [{"name": "variant.video_kbps", "from": 900, "to": 1000}],
            }
        ],
    }
    assert call("--where", "creator=nobody", store=store)[0] == 0
    assert call("--asset", "thumbnail", store=store)[0] == 0


@pytest.mark.ffmpeg
def test_stale_tells_what_cannot_be_rebuilt_or_read(local: Archive, tmp_path: Path) -> None:
    store = tmp_path / "store"
    lost, torn = local.add("lost"), local.add("torn")
    local.store.delete(keys.mezzanine("ann", lost))
    exit_code, out, _ = call(store=store)
    # There is no original either: it is told, and is no work.
    assert exit_code == 0
    assert "cannot be rebuilt: its original is gone" in out
    assert "nothing to be rebuilt" in out
    report = json.loads(call("--json", store=store)[1])
    assert report["counts"]["thumbnail"] == {"mezzanine missing": 1, "cannot be rebuilt": 1}
    assert {entry["stale"] for entry in report["list"]} == {False}
    local.put(keys.record(torn, "thumbnail"), b"{")
    exit_code, out, err = call(store=store)
    assert exit_code == 1
    assert "thumbnail: never built: its record cannot be read" in out
    assert "torn, thumbnail: the record cannot be read" in err
    report = json.loads(call("--json", store=store)[1])
    assert report["unreadable"] == [{"mediaId": torn, "record": "thumbnail"}]


@pytest.mark.ffmpeg
def test_stale_looks_at_the_archive_as_it_is_told(local: Archive, tmp_path: Path) -> None:
    store = tmp_path / "store"
    local.add("m1")
    assert call("--no-refresh", store=store)[1].startswith("0 media: nothing to be rebuilt (as of never")
    assert call("--refresh", store=store)[0] == 0
    local.edit("m1", "thumbnail", code)
    assert call("--no-refresh", store=store)[0] == 0
    assert call("--refresh", store=store)[0] == 1
    local.restore("m1", "thumbnail")
    assert call("--no-refresh", store=store)[0] == 1
    assert call("--reindex", store=store)[0] == 0


def test_stale_refuses_what_there_is_not(tmp_path: Path) -> None:
    (tmp_path / "store").mkdir()
    for arguments in (["--asset", "hls_9000p"], ["--where", "colour=red"], ["--where", "output=nothing"]):
        exit_code, out, err = call(*arguments, store=tmp_path / "store")
        assert (exit_code, out) == (2, "")
        assert err
    assert call(store=tmp_path / "nowhere")[0] == 2
    # An index in the way of which there is a file.
    (tmp_path / "store" / ".meta").write_text("")
    exit_code, _, err = call(store=tmp_path / "store")
    assert exit_code == 2
    assert "CATALOGUE_PATH" in err


# --- What it would cost -----------------------------------------------------------------------------------------------


def priced(archive: Archive, media_id: str, *, seconds: float, walls: dict[str, float], sizes: dict[str, int]) -> None:
    """Records with round numbers: so long, built in so many seconds, so large."""

    def change(name: str) -> Change:
        def edit(record: dict[str, Any]) -> None:
            if "duration" in record:
                record["duration"] = seconds
            record["build"]["wall_seconds"] = walls[name]
            record["files"] = [{**record["files"][0], "size": sizes[name]}] if record["files"] else []

        return edit

    for name in walls:
        archive.edit(media_id, name, change(name))


@pytest.mark.ffmpeg
def test_an_estimate_is_what_the_records_say(local: Archive, tmp_path: Path) -> None:
    ladder = dict.fromkeys(("hls_720p", "hls_480p", "hls_360p", "preview", "hls_master"), 30.0)
    sizes = {"hls_720p": 19_710_000, "hls_480p": 8_460_000, "hls_360p": 5_000_000, "preview": 1_000_000}
    for media_id, seconds in (("short", 60.0), ("long", 600.0)):
        local.add(media_id)
        walls = {name: wall * seconds / 60 for name, wall in ladder.items()} | {"thumbnail": seconds / 30}
        larger = {name: size * int(seconds) // 60 for name, size in sizes.items()}
        priced(
            local,
            media_id,
            seconds=seconds,
            walls=walls | {"mezzanine": seconds / 4},
            sizes=larger | {"hls_master": 500, "thumbnail": 9000, "mezzanine": 1_000_000},
        )
    index = Catalogue(tmp_path / "index.sqlite", local.store)
    index.refresh()

    # Two rungs that are made together at 2x: 30 s and 300 s; the thumbnails at 30x: 2 s (the least there is) and 20 s.
    targets = [
        RebuildTarget(media_id, "video", ("hls_720p", "hls_480p", "thumbnail"), ("hls_master",))
        for media_id in ("short", "long")
    ]
    estimate = costs.estimate(targets, index, price=0.0002)
    assert (estimate.media, estimate.outputs, estimate.follows) == (2, 6, 2)
    assert estimate.media_seconds == 660
    assert estimate.worker_seconds == pytest.approx(30 + 300 + 2 + 20)
    assert estimate.usd == pytest.approx(352 * 0.0002)
    assert estimate.price_of == "WORKER_PRICE_PER_SECOND"
    assert estimate.encoders == ("libx264",)
    assert estimate.bytes_before == (19_710_000 + 8_460_000) * 11 + 2 * 9000
    assert estimate.bytes_after == estimate.bytes_before
    assert [(line.output, line.count, line.speed, line.builds) for line in estimate.lines] == [
        ("hls_720p", 2, 2.0, 2),
        ("hls_480p", 2, 2.0, 2),
        ("thumbnail", 2, 30.0, 2),
    ]
    assert [line.seconds for line in estimate.lines] == [165, 165, 22]
    assert estimate.wire()["mediaMinutes"] == 11

    # It was built at 500 + 128 kbit/s, and today's recipe has 1000 + 128.
    def half(record: dict[str, Any]) -> None:
        record["build"]["recipe"]["variant.video_kbps"] = 500

    assert recipe.numbers("video", "hls_480p", None)["variant.video_kbps"] == 1000
    sound = recipe.numbers("video", "hls_480p", None)["variant.audio_kbps"]
    local.edit("short", "hls_480p", half)
    index.refresh()
    estimate = costs.estimate([RebuildTarget("short", "video", ("hls_480p",))], index)
    assert estimate.bytes_before == 8_460_000
    assert estimate.bytes_after == round(8_460_000 * (1000 + sound) / (500 + sound))

    # Nothing is known of another encoder, nor of a media that was never built: assumed, and told.
    estimate = costs.estimate([RebuildTarget("short", "video", ("hls_480p",))], index, encoder="h264_nvenc")
    assert estimate.encoders == ()
    assert [(line.speed, line.builds) for line in estimate.lines] == [(costs.assumed_speed("video", "hls_720p"), 0)]
    estimate = costs.estimate([RebuildTarget("new", "video", ("mezzanine", "loudness"))], index)
    assert (estimate.unknown_lengths, estimate.bytes_before) == (1, 0)
    assert costs.estimate([], index).usd == 0


@pytest.mark.ffmpeg
def test_the_price_is_that_of_the_gpu_that_was_used(local: Archive, tmp_path: Path) -> None:
    local.add("m1")
    index = Catalogue(tmp_path / "index.sqlite", local.store)
    index.refresh()
    target = [RebuildTarget("m1", "video", ("thumbnail",))]
    usual = prices.POOLS[prices.USUAL_POOL]
    assert costs.estimate(target, index).price == usual.usd_per_second
    assert "assumed" in costs.estimate(target, index).price_of
    for name, gpu in (("hls_720p", "NVIDIA GeForce RTX 4090"), ("thumbnail", "NVIDIA H100 80GB HBM3")):
        local.edit("m1", name, partial(set_gpu, gpu=gpu))
    index.refresh()
    estimate = costs.estimate(target, index)
    assert estimate.price == prices.POOLS["ADA_24"].usd_per_second
    assert "RTX 4090" in estimate.price_of


def test_every_output_has_a_speed_to_assume() -> None:
    for kind, outputs in OUTPUTS.items():
        for output in outputs:
            assert costs.assumed_speed(kind, output) > 0
