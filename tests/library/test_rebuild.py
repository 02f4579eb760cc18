"""Rebuilding many: exactly what was meant, a few first, pausing, going on, and nothing twice."""

from __future__ import annotations

import hashlib
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import jobs
import pytest
from typer.testing import CliRunner

from codex_assets.archive.records import MediaRecord, OutputRecord
from codex_assets.archive.store import RecordStore
from codex_assets.build.builder import LocalBuilder
from codex_assets.cli.app import app
from codex_assets.config import settings as configuration
from codex_assets.config.settings import Settings
from codex_assets.config.workshop import open_workshop
from codex_assets.library import rebuild
from codex_assets.library.catalogue import Catalogue
from codex_assets.library.rebuild import Rebuild
from codex_assets.library.rebuild_journal import Journal
from codex_assets.library.rebuild_limits import RebuildLimits
from codex_assets.library.rebuild_order import RebuildOrder
from codex_assets.library.rebuild_summary import RebuildSummary
from codex_assets.media import profile
from codex_assets.media.outputs import wanted
from codex_assets.storage import keys

pytestmark = pytest.mark.ffmpeg

MEDIA = ("clip1", "clip2", "clip3")
TALK = "talk1"


def settings_of(folder: Path) -> Settings:
    return configuration.load(jobs.local_environment(folder))


def build(settings: Settings, media_type: Any, media_id: str) -> None:
    stores = settings.stores()
    media = MediaRecord(
        media_id=media_id,
        creator_id=jobs.CREATOR,
        media_type=media_type,
        input_role="archive",
        input_key=jobs.input_key(media_type, media_id),
    )
    jobs.put_original(stores, media_type, media_id)
    RecordStore(stores.archive).put(media_id, "media", media)
    with open_workshop(settings) as workshop:
        for _ in workshop.builder.build(media, wanted(media_type)):
            pass


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A store with three videos and a sound, to be copied."""
    folder = tmp_path_factory.mktemp("built")
    settings = settings_of(folder)
    for media_id in MEDIA:
        build(settings, "video", media_id)
    build(settings, "audio", TALK)
    return folder / "stores"


@pytest.fixture
def settings(built: Path, tmp_path: Path) -> Settings:
    subprocess.run(["cp", "-a", str(built), str(tmp_path / "stores")], check=True)
    return settings_of(tmp_path)


def index(settings: Settings) -> Catalogue:
    return Catalogue(settings.catalogue, settings.stores().archive)


def objects(settings: Settings, *, records: bool = False) -> dict[str, str]:
    """Every object's bytes and time of writing."""
    root = settings.storage_dir
    assert root is not None
    contents = {}
    for path in root.rglob("*"):
        name = path.relative_to(root).as_posix()
        if path.is_file() and ".meta" not in name and "/leases/" not in name and (records or "/records/" not in name):
            contents[name] = f"{hashlib.sha256(path.read_bytes()).hexdigest()} {path.stat().st_mtime_ns}"
    return contents


def changed(before: dict[str, str], after: dict[str, str]) -> set[str]:
    """Folders of objects that were written, made or removed; the folder of a version counts as its playlist's."""
    names = {name for name in {*before, *after} if before.get(name) != after.get(name)}
    return {keys.without_version(name).rpartition("/")[0] for name in names}


def run(
    settings: Settings, order: RebuildOrder, limits: RebuildLimits | None = None, **more: Any
) -> tuple[RebuildSummary, Journal]:
    catalogue = index(settings)
    catalogue.refresh()
    journal = Journal.begin(configuration.journals(settings), order, order.targets(catalogue))
    try:
        return Rebuild(settings, catalogue, journal, limits or RebuildLimits(), **more).run(), journal
    finally:
        journal.close()


def resume(settings: Settings, rebuild_id: str, limits: RebuildLimits | None = None, **more: Any) -> RebuildSummary:
    journal = Journal.resume(configuration.journals(settings), rebuild_id)
    try:
        return Rebuild(settings, index(settings), journal, limits or RebuildLimits(), **more).run()
    finally:
        journal.close()


def record(settings: Settings, media_id: str, output: str) -> OutputRecord:
    record = RecordStore(settings.stores().archive).output(media_id, output)
    assert record is not None
    return record


def rebuilt(settings: Settings) -> set[str]:
    """What was built by a run that has a name: the fixture's has none."""
    return {
        f"{media} {output}"
        for media in (*MEDIA, TALK)
        for output in wanted("audio" if media == TALK else "video")
        if (build := record(settings, media, output).build) is not None and build.run_id is not None
    }


def stale(settings: Settings) -> dict[str, list[str]]:
    catalogue = index(settings)
    catalogue.refresh()
    return {
        media_id: names
        for media_id, _, verdicts in catalogue.verdicts()
        if (names := [verdict.output for verdict in verdicts.values() if verdict.causes])
    }


def command(settings: Settings, *arguments: str) -> tuple[int, str]:
    result = CliRunner().invoke(app, ["rebuild", *arguments, "--store", str(settings.storage_dir)])
    return result.exit_code, result.stdout if "--json" in arguments else result.output


def test_what_other_tools_built_is_rebuilt_where_that_is_asked_for(settings: Settings) -> None:
    records = RecordStore(settings.stores().archive)
    published = record(settings, TALK, "waveform_png")
    assert published.build is not None
    versions = published.build.tool_versions
    former = published.build.model_copy(update={"tool_versions": {**versions, "audiowaveform": "1.0.0"}})
    records.put(TALK, "waveform_png", published.model_copy(update={"build": former}))
    assert command(settings, "--json")[0] == 0
    assert rebuilt(settings) == set(), "another version alone is no reason"
    code, printed = command(settings, "--tools", "--json")
    assert (code, json.loads(printed)["done"]) == (0, 1)
    assert rebuilt(settings) == {f"{TALK} waveform_png"}
    again = record(settings, TALK, "waveform_png").build
    assert again is not None
    assert again.tool_versions == versions
    assert json.loads(command(settings, "--tools", "--json")[1])["media"] == 0


def test_the_tools_of_workers_elsewhere_are_not_known_here(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in {"BUILD_ON": "runpod", "RUNPOD_ENDPOINT_ID": "e1", "RUNPOD_API_KEY": "key"}.items():
        monkeypatch.setenv(name, value)
    code, printed = command(settings, "--tools")
    assert (code, "BUILD_ON=runpod lets others build" in printed) == (2, True), printed


def test_the_versions_of_the_tools_are_part_of_the_order(settings: Settings) -> None:
    order = RebuildOrder(outputs=("waveform_png",), tools={"audiowaveform": "2.0.0"})
    _, journal = run(settings, order, RebuildLimits(canary=lambda media: 0, max_failures=1.0))
    assert Journal.resume(configuration.journals(settings), journal.rebuild_id).order == order


def test_a_changed_bitrate_rebuilds_its_variant_everywhere_and_nothing_else(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert stale(settings) == {}
    before = objects(settings)
    monkeypatch.setattr(
        profile,
        "LADDER",
        tuple(replace(rung, video_kbps=300) if rung.name == "360p" else rung for rung in profile.LADDER),
    )
    # The preview of a source this small is made like its only variant.
    names = {"hls_360p", "preview", "hls_master"}
    assert {media: set(outputs) for media, outputs in stale(settings).items()} == dict.fromkeys(MEDIA, names)
    code, said = command(settings, "--json")
    assert code == 0, said
    answer = json.loads(said)
    assert (answer["media"], answer["done"], answer["failed"], answer["left"]) == (3, 3, {}, 0)
    assert answer["canary"] == 1
    assert stale(settings) == {}
    folders = {
        f"codex-media-local/{jobs.CREATOR}/hls/{media}{sub}" for media in MEDIA for sub in ("/360p", "/preview", "")
    }
    assert changed(before, objects(settings)) <= folders
    assert {f"codex-media-local/{jobs.CREATOR}/hls/{media}/360p" for media in MEDIA} <= changed(
        before, objects(settings)
    )
    again = objects(settings, records=True)
    code, said = command(settings)
    assert (code, "Nothing to be rebuilt." in said) == (0, True)
    assert objects(settings, records=True) == again


def test_exactly_the_named_outputs_are_built_again(settings: Settings) -> None:
    before = objects(settings)
    code, said = command(settings, "clip2", "--assets", "thumbnail", "--also-fresh")
    assert code == 0, said
    # The same bytes are not even written again; the receipt says that it was built.
    assert objects(settings) == before
    assert rebuilt(settings) == {"clip2 thumbnail"}
    # The same command without --also-fresh: it is as it should be.
    again = objects(settings, records=True)
    assert command(settings, "clip2", "--assets", "thumbnail")[0] == 0
    assert objects(settings, records=True) == again


def test_a_plan_starts_nothing(settings: Settings) -> None:
    before = objects(settings, records=True)
    code, said = command(settings, "--assets", "hls_360p,thumbnail", "--also-fresh", "--plan", "--json")
    assert code == 1, said
    answer = json.loads(said)
    assert (answer["media"], answer["outputs"]) == (3, 6)
    assert answer["usd"] > 0
    assert objects(settings, records=True) == before
    assert not configuration.journals(settings).exists()


@pytest.mark.slow
def test_what_is_lost_is_built_round_by_round(settings: Settings) -> None:
    """The mezzanine in a first round, what is made from it in the next."""
    archive = settings.stores().archive
    archive.delete(keys.mezzanine(jobs.CREATOR, "clip1"))
    archive.delete(keys.record("clip1", "mezzanine"))
    archive.delete(keys.record("clip1", "thumbnail"))
    summary, _ = run(settings, RebuildOrder())
    (outcome,) = summary.outcomes
    assert outcome.code is None
    assert outcome.built[0] == "mezzanine"
    assert "thumbnail" in outcome.built[1:]
    assert stale(settings) == {}


@pytest.mark.slow
def test_a_mezzanine_without_its_original_is_refused_and_the_rest_goes_on(settings: Settings) -> None:
    settings.stores().archive.delete(jobs.input_key("video", "clip2"))
    code, said = command(settings, "--assets", "mezzanine", "--where", "type=video", "--also-fresh")
    assert code == 0, said
    assert "clip2 mezzanine cannot be rebuilt: its original is gone" in said
    assert rebuilt(settings) == {"clip1 mezzanine", "clip3 mezzanine"}
    assert command(settings, "clip2", "--assets", "mezzanine", "--also-fresh")[0] == 1
    # Everything else of it can be built.
    assert command(settings, "clip2", "--assets", "thumbnail", "--also-fresh")[0] == 0


@pytest.mark.slow
def test_an_original_that_goes_missing_meanwhile_skips_its_media(settings: Settings) -> None:
    catalogue = index(settings)
    catalogue.refresh()
    order = RebuildOrder(where="type=video", outputs=("mezzanine",), also_fresh=True)
    journal = Journal.begin(configuration.journals(settings), order, order.targets(catalogue))
    settings.stores().archive.delete(jobs.input_key("video", "clip1"))
    summary = Rebuild(settings, catalogue, journal, RebuildLimits()).run()
    journal.close()
    (skipped,) = summary.skipped
    assert skipped.media_id == "clip1"
    assert "upload it again" in (skipped.skipped or "")
    assert (summary.done, summary.failed, summary.left) == (2, [], 0)


def spoil(settings: Settings, media_id: str) -> None:
    """A mezzanine that is not the one that was recorded: nothing is built from it."""
    root = settings.storage_dir
    assert root is not None
    path = root / settings.archive_bucket / keys.mezzanine(jobs.CREATOR, media_id)
    data = bytearray(path.read_bytes())
    data[len(data) // 2 :] = bytes(len(data) - len(data) // 2)
    path.write_bytes(data)


def break_tools(settings: Settings, folder: Path) -> Settings:
    """An ffmpeg that fails."""
    folder.mkdir()
    broken = folder / "ffmpeg"
    broken.write_text("#!/bin/sh\necho '[error] no such thing' >&2\nexit 1\n")
    broken.chmod(0o755)
    environment = dict(settings.tool_environment)
    environment["PATH"] = f"{folder}:{environment['PATH']}"
    return replace(settings, tool_environment=environment)


THUMBNAILS = RebuildOrder(where="type=video", outputs=("thumbnail",), also_fresh=True)


def test_a_canary_that_fails_keeps_the_rest_from_beginning(
    settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rebuild, "RETRY_SECONDS", 0.0)
    before = objects(settings)
    summary, journal = run(
        break_tools(settings, tmp_path / "broken"), THUMBNAILS, RebuildLimits(canary=lambda media: 1)
    )
    assert (len(summary.failed), summary.done, summary.left) == (1, 0, 3)
    assert summary.failed[0].code == "tool_failed"
    assert summary.paused == "1 of 1 media of the canary failed"
    assert objects(settings) == before
    # The cause is gone: it goes on, with the one that had failed as well.
    summary = resume(settings, journal.rebuild_id)
    assert (summary.done, summary.earlier, summary.left, summary.paused) == (3, 0, 0, None)


def test_too_many_failures_pause(settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rebuild, "RETRY_SECONDS", 0.0)
    monkeypatch.setattr(rebuild, "LEAST_MEDIA", 2)
    broken = break_tools(settings, tmp_path / "broken")
    summary, _ = run(broken, THUMBNAILS, RebuildLimits(max_failures=0.5))
    assert (len(summary.failed), summary.left) == (2, 3)
    assert summary.paused == "2 of 2 media failed"
    summary, _ = run(broken, THUMBNAILS, RebuildLimits(max_failures=1.0))
    assert (len(summary.failed), summary.paused) == (3, None)


@pytest.mark.slow
def test_a_canary_is_judged_as_it_is_published(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    """What a store makes of it after the builder let go of it counts."""
    plain = LocalBuilder.build

    def spoilt(self: Any, media: MediaRecord, outputs: Any) -> Iterator[OutputRecord]:
        for record in plain(self, media, outputs):
            root = settings.storage_dir
            assert root is not None
            (root / settings.assets_bucket / record.files[0].key).write_bytes(b"no picture")
            yield record

    monkeypatch.setattr(LocalBuilder, "build", spoilt)
    summary, journal = run(settings, THUMBNAILS, RebuildLimits(canary=lambda media: 1))
    assert [outcome.code for outcome in summary.failed] == ["verification_failed"]
    assert summary.paused is not None
    monkeypatch.setattr(LocalBuilder, "build", plain)
    summary = resume(settings, journal.rebuild_id, RebuildLimits(canary=lambda media: 1))
    assert (summary.done, summary.left) == (3, 0)
    assert stale(settings) == {}


def test_a_rebuild_that_was_killed_goes_on_where_it_was(settings: Settings, tmp_path: Path) -> None:
    environment = {**os.environ, **jobs.local_environment(tmp_path)}
    arguments = [sys.executable, "-m", "codex_assets.cli.app", "rebuild", "--assets", "hls_360p", "--also-fresh"]
    process = subprocess.Popen(arguments, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    folder = configuration.journals(settings)
    try:
        eventually(lambda: any('"finished"' in path.read_text() for path in folder.glob("*.jsonl")))
    finally:
        process.send_signal(signal.SIGKILL)
        process.communicate()
    (path,) = folder.glob("*.jsonl")
    first = [json.loads(line)["finished"] for line in path.read_text().splitlines() if '"finished"' in line]
    with path.open("a") as file:
        file.write('{"built": "clip')
    times = {media: record(settings, media, "hls_360p").build for media in first}
    summary = resume(settings, path.stem)
    assert (summary.earlier, summary.done, summary.left) == (len(first), 3 - len(first), 0)
    assert {media: record(settings, media, "hls_360p").build for media in first} == times
    runs = {record(settings, media, "hls_360p").build.run_id for media in MEDIA}  # type: ignore[union-attr]
    assert runs == {path.stem}
    again = objects(settings, records=True)
    assert resume(settings, path.stem).earlier == 3
    assert objects(settings, records=True) == again


def test_ctrl_c_stops_what_is_under_way(settings: Settings, tmp_path: Path) -> None:
    jobs.put_original(settings.stores(), "video", "clip2", jobs.long_original())
    before = objects(settings)
    environment = {**os.environ, **jobs.local_environment(tmp_path)}
    arguments = [
        sys.executable,
        "-m",
        "codex_assets.cli.app",
        "rebuild",
        "clip2",
        "--assets",
        "mezzanine",
        "--also-fresh",
    ]
    process = subprocess.Popen(arguments, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    scratch = tmp_path / "tmp" / "codex-assets"
    eventually(lambda: list(scratch.glob("run-*/mezzanine/*")))
    process.send_signal(signal.SIGINT)
    said, _ = process.communicate(timeout=120)
    assert process.returncode == 130, said
    assert b"--resume" in said
    assert objects(settings) == before
    assert not list(scratch.glob("run-*"))


def test_one_journal_is_worked_by_one_process(settings: Settings) -> None:
    catalogue = index(settings)
    catalogue.refresh()
    journal = Journal.begin(configuration.journals(settings), THUMBNAILS, THUMBNAILS.targets(catalogue))
    code, said = command(settings, "--resume", journal.rebuild_id)
    assert (code, "under way" in said) == (2, True)
    journal.close()
    code, said = command(settings, "--resume", "20260101-000000-abcd")
    assert code == 2
    assert journal.rebuild_id in said


def test_what_cannot_be_meant_is_refused(settings: Settings) -> None:
    assert command(settings, "--assets", "hls_2160p")[0] == 2
    assert command(settings, "--where", "nonsense")[0] == 2
    assert command(settings, "--max-failures", "5")[0] == 2
    assert command(settings, "--canary", "few")[0] == 2
    code, said = command(settings, "nobody")
    assert code == 2
    assert "there is no media of this id" in said


def eventually(look: Callable[[], object], timeout_s: float = 120.0) -> None:
    deadline = time.monotonic() + timeout_s
    while not look():
        assert time.monotonic() < deadline, "it did not happen"
        time.sleep(0.02)
