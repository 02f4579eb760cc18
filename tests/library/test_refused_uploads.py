"""A refused upload is a state of its own: every tool says so, and none takes it for something to build or to check."""

from __future__ import annotations

import json
import random
import shutil
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import dagster as dg
import jobs
import pytest
from commands import Answer, call

from codex_assets.archive import history, refused
from codex_assets.archive.history import JobRecord
from codex_assets.archive.records import MediaRecord
from codex_assets.archive.refused import RefusedRecord
from codex_assets.archive.store import RecordStore
from codex_assets.config import settings as configuration
from codex_assets.config.settings import Settings
from codex_assets.defs import partitions
from codex_assets.defs.sensors import import_from_archive
from codex_assets.library.reconcile import earlier_refusal
from codex_assets.storage.objects import StoredObject, Stores
from codex_assets.worker import job

TEXT = b"These are notes, and no song at all.\n" * 40
SENTENCE = "The upload is a text file, not a video or audio file."
GOOD = ("song-1", "song-2", "song-3", "song-4", "song-5")
REFUSED = ("notes", "noise", "old-notes")


# --- By records alone -------------------------------------------------------------------------------------------------


def media(media_id: str) -> MediaRecord:
    return MediaRecord(
        media_id=media_id,
        creator_id=jobs.CREATOR,
        media_type="audio",
        input_role="archive",
        input_key=jobs.input_key("audio", media_id),
    )


def refusal(media_id: str) -> RefusedRecord:
    return RefusedRecord(
        media=media(media_id), code="source_not_media", sentence=SENTENCE, refused_at="2026-11-20T08:00:00.000+00:00"
    )


def failed_job(media_id: str, code: str = "source_not_media", **fields: Any) -> JobRecord:
    started = datetime.now(UTC).isoformat(timespec="milliseconds")
    known: dict[str, Any] = {
        "id": f"job-{media_id}",
        "media_id": media_id,
        "creator_id": jobs.CREATOR,
        "media_type": "audio",
        "asked": ("mezzanine",),
        "started_at": started,
        "finished_at": started,
        "outcome": "failed",
        "error_code": code,
        "retryable": False,
    }
    return JobRecord.model_validate({**known, **fields})


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return configuration.load(jobs.local_environment(tmp_path))


@pytest.fixture
def records(settings: Settings) -> RecordStore:
    return RecordStore(settings.stores().archive)


def store_of(settings: Settings) -> Path:
    return Path(settings.scratch).parent / "stores"


@pytest.mark.parametrize(
    ("names", "buildable", "is_refused"),
    [
        ({"media", "jobs"}, True, False),
        ({"media", "mezzanine"}, True, False),
        ({"refused", "jobs"}, False, True),
        ({"media", "refused", "jobs"}, False, True),
        ({"media", "refused", "mezzanine"}, True, False),
        ({"jobs"}, False, False),
        ({"mezzanine"}, False, False),
    ],
)
def test_the_names_of_its_records_say_whether_a_media_can_be_built(
    names: set[str], buildable: bool, is_refused: bool
) -> None:
    assert (refused.is_buildable(names), refused.is_refused(names)) == (buildable, is_refused)


def test_refused_uploads_alone_leave_nothing_to_do(settings: Settings, records: RecordStore, tmp_path: Path) -> None:
    records.put("notes", refused.REFUSED, refusal("notes"))
    records.put("registered", "media", media("registered"))
    records.put("registered", refused.REFUSED, refusal("registered"))
    store = tmp_path / "stores"
    for command in (("stale",), ("verify", "--all"), ("failing",), ("rebuild",), ("rebuild", "--plan"), ("reconcile",)):
        answer = call(*command, store=store)
        assert answer.code == 0, (command, answer.out, answer.err)
    listed = call("list", "--json", store=store)
    assert [(each["media"]["media_id"], each["refused"]["sentence"]) for each in listed.json] == [
        ("notes", SENTENCE),
        ("registered", SENTENCE),
    ]
    assert call("stale", "--json", store=store).json["refused"] == 2
    assert call("list", "--where", "stale", "--json", store=store).json == []


def test_a_refusal_of_an_earlier_release_goes_on_record(
    settings: Settings, records: RecordStore, tmp_path: Path
) -> None:
    """It registered every media at once, and kept why a job failed in the history alone."""
    records.put("old", "media", media("old"))
    jobs.put_original(settings.stores(), "audio", "old", TEXT)
    history.keep(records, failed_job("old"))
    # Refused, and uploaded again since.
    records.put("again", "media", media("again"))
    history.keep(records, failed_job("again", started_at="2026-11-01T00:00:00+00:00"))
    jobs.put_original(settings.stores(), "audio", "again", TEXT)
    # Failed by something else.
    records.put("unlucky", "media", media("unlucky"))
    history.keep(records, failed_job("unlucky", "tool_failed"))
    store = tmp_path / "stores"

    seen = call("reconcile", "--json", store=store)
    assert seen.code == 1
    matters = {each["mediaId"]: each["matter"] for each in seen.json["details"]}
    assert matters == {"old": "refusal_not_recorded", "again": "never_built", "unlucky": "never_built"}
    assert not records.names("old") & {refused.REFUSED}

    call("reconcile", "--fix", store=store)
    kept = refused.read("old", records)
    assert kept is not None
    assert (kept.code, kept.media) == ("source_not_media", media("old"))
    after = call("reconcile", "--json", store=store)
    assert {each["mediaId"] for each in after.json["details"]} == {"again", "unlucky"}


@pytest.mark.parametrize(("upload", "is_of_it"), [("07.999900", True), ("08.000400", True), ("08.001000", False)])
def test_an_upload_in_the_millisecond_in_which_a_job_began_is_the_one_that_it_read(upload: str, is_of_it: bool) -> None:
    """Stores tell microseconds, and a history milliseconds."""
    original = StoredObject("a", 12, modified=datetime.fromisoformat(f"2026-11-20T08:00:{upload}+00:00"))
    job = failed_job("old", started_at="2026-11-20T08:00:08.000+00:00")
    assert (earlier_refusal(media("old"), [job], original) is not None) is is_of_it


def test_a_first_job_that_was_killed_is_reported_although_nothing_is_registered(
    records: RecordStore, tmp_path: Path
) -> None:
    began: dict[str, Any] = {"outcome": "running", "started_at": "2026-11-01T00:00:00+00:00", "finished_at": None}
    history.keep(records, failed_job("lost", **began))
    answer = call("reconcile", "--json", store=tmp_path / "stores")
    assert [each["matter"] for each in answer.json["details"]] == ["job_never_ended"]


def test_jobs_of_refused_uploads_count_apart(records: RecordStore, tmp_path: Path) -> None:
    records.put("song", "media", media("song"))
    history.keep(records, failed_job("song", outcome="completed", error_code=None))
    history.keep(records, failed_job("slip", "tool_failed"))
    for media_id in ("notes", "noise"):
        records.put(media_id, refused.REFUSED, refusal(media_id))
        history.keep(records, failed_job(media_id))
    answer = call("stats", "--no-storage", "--json", store=tmp_path / "stores")
    assert answer.json["media"] == {"registered": 1, "withoutJobs": 0, "refused": 2}
    assert (answer.json["successRate"], answer.json["successRateOfGoodUploads"]) == (0.25, 0.5)
    shown = call("stats", "--no-storage", store=tmp_path / "stores")
    assert "25.0 % succeeded, 50.0 % of those whose upload could be used" in " ".join(shown.out.split())
    chosen = call("stats", "--no-storage", "--json", "--where", "creator=nobody", store=tmp_path / "stores")
    assert chosen.json["outcomes"] == {}


# --- Real uploads -----------------------------------------------------------------------------------------------------


def upload(settings: Settings, media_type: str, media_id: str, data: bytes | None, job_id: str) -> dict[str, Any]:
    jobs.put_original(settings.stores(), media_type, media_id, data)
    answer = job.work(job_id, jobs.payload(media_type, media_id, "http://127.0.0.1:9/"), settings)
    return answer.body.wire()


def noise() -> bytes:
    """A film whose index is whole and whose pictures and sound are noise: it passes the first looks."""
    data = bytearray(jobs.film(4, "160x90", "-movflags", "+faststart"))
    randomness = random.Random(1)
    for place in range(data.index(b"mdat") + 8, len(data)):
        data[place] = randomness.randrange(256)
    return bytes(data)


def twin(stores: Stores, media_id: str, other: str) -> None:
    """Publish a media under another id, too."""
    for store in (stores.archive, stores.media, stores.assets):
        for listed in list(store.list("")):
            if f"/{media_id}/" not in listed.key:
                continue
            stored, data = store.head(listed.key), store.read(listed.key)
            assert stored is not None
            if listed.key.startswith("records/"):
                data = data.replace(media_id.encode(), other.encode())
            store.write(
                listed.key.replace(f"/{media_id}/", f"/{other}/"),
                data,
                content_type=stored.content_type or "application/octet-stream",
                cache_control=stored.cache_control,
            )


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Five good media and three refused ones; of one good media another upload was refused."""
    folder = tmp_path_factory.mktemp("refused")
    settings = configuration.load(jobs.local_environment(folder))
    stores, records = settings.stores(), RecordStore(settings.stores().archive)
    assert upload(settings, "audio", "song-1", None, "job-1")["status"] == "completed"
    for other in GOOD[1:]:
        twin(stores, "song-1", other)
    assert upload(settings, "audio", "song-1", TEXT, "job-2")["errorCode"] == "source_not_media"
    assert upload(settings, "audio", "notes", TEXT, "job-3")["errorCode"] == "source_not_media"
    assert upload(settings, "video", "noise", noise(), "job-4")["errorCode"].startswith("source_")
    assert upload(settings, "audio", "old-notes", TEXT, "job-5")["errorCode"] == "source_not_media"
    # As a release left it that kept no refusals.
    records.forget("old-notes", refused.REFUSED)
    records.put("old-notes", "media", media("old-notes"))
    assert "media" not in records.names("notes")
    return folder / "stores"


@pytest.fixture
def store(made: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(made, tmp_path / "stores"))


def ids(answer: Answer) -> list[str]:
    return [each["media"]["media_id"] for each in answer.json]


@pytest.mark.slow
@pytest.mark.ffmpeg
def test_every_tool_on_three_refused_and_five_good_media(store: Path, tmp_path: Path) -> None:
    # What earlier releases left is put right once.
    assert call("stale", store=store).code == 1
    before = call("reconcile", "--json", store=store)
    assert (before.code, [each["mediaId"] for each in before.json["details"]]) == (1, ["old-notes"])
    assert call("reconcile", "--fix", store=store).code == 0

    assert call("reconcile", store=store).code == 0
    stale = call("stale", "--json", store=store)
    assert (stale.code, stale.json["media"], stale.json["stale"], stale.json["refused"]) == (0, 5, 0, 3)
    assert call("rebuild", "--plan", "--json", store=store).json["media"] == 0
    assert call("rebuild", store=store).code == 0
    verified = call("verify", "--all", "--json", store=store)
    assert verified.code == 0, verified.out
    assert sorted(each["mediaId"] for each in verified.json["media"]) == list(GOOD)
    assert call("failing", store=store).code == 0

    listed = call("list", "--json", store=store)
    assert ids(listed) == sorted((*GOOD, *REFUSED))
    sentences = {each["media"]["media_id"]: each["refused"] for each in listed.json if each["refused"]}
    assert set(sentences) == {*REFUSED, "song-1"}
    assert {name for name, each in sentences.items() if each["published"]} == {"song-1"}
    assert all(each["stale"] == [] for each in listed.json)
    table = call("list", store=store)
    assert f"notes: refused: {SENTENCE}" in " ".join(table.out.split())
    assert "5 media, 0 with stale outputs; 3 uploads refused" in " ".join(table.out.split())

    shown = call("show", "notes", store=store)
    assert shown.code == 0
    assert f"refused: {SENTENCE}" in " ".join(shown.out.split())
    published = call("show", "song-1", store=store)
    assert f"its last upload was refused: {SENTENCE}" in " ".join(published.out.split())
    assert "hls_128k" in published.out

    named = call("verify", "notes", "--json", store=store)
    assert (named.code, named.json["media"][0]["problem"]) == (
        2,
        f"There is nothing to check, for its upload was refused: {SENTENCE}",
    )
    asked = call("rebuild", "notes", store=store)
    assert asked.code == 1
    assert f"its upload was refused: {SENTENCE}" in " ".join(asked.err.split())
    gathered = call("stats", "--json", store=store)
    assert gathered.json["media"] == {"registered": 5, "withoutJobs": 0, "refused": 3}
    assert (gathered.json["successRate"], gathered.json["successRateOfGoodUploads"]) == (pytest.approx(5 / 9), 1.0)


@pytest.mark.slow
@pytest.mark.ffmpeg
def test_a_refusal_of_an_earlier_release_pauses_no_rebuild(store: Path) -> None:
    """Before it is on record, a rebuild of all tries it first of all: it says nothing of the others."""
    answer = call("rebuild", "--json", "--canary", "1", store=store)
    assert answer.code == 0, answer.out
    assert [(each["mediaId"], each["reason"]) for each in answer.json["skipped"]] == [("old-notes", SENTENCE)]
    assert "paused" not in answer.json
    assert call("stale", store=store).code == 0


@pytest.mark.slow
@pytest.mark.ffmpeg
def test_a_good_upload_clears_a_refusal_and_a_refused_one_leaves_what_is_published(store: Path, tmp_path: Path) -> None:
    settings = configuration.load(jobs.local_environment(tmp_path))
    records = RecordStore(settings.stores().archive)
    before = records.media("song-1")
    assert upload(settings, "audio", "song-1", None, "job-6")["status"] == "completed"
    assert refused.read("song-1", records) is None
    assert records.media("song-1") == before

    assert upload(settings, "audio", "notes", None, "job-7")["status"] == "completed"
    assert refused.read("notes", records) is None
    assert records.media("notes") == media("notes")
    assert call("verify", "notes", store=store).code == 0

    # Refused once more: still published, still to be built.
    assert upload(settings, "audio", "notes", TEXT, "job-8")["errorCode"] == "source_not_media"
    assert refused.read("notes", records) is not None
    assert call("verify", "notes", store=store).code == 0
    answer = call("rebuild", "notes", "--assets", "waveform_png", "--also-fresh", store=store)
    assert answer.code == 0, answer.out + answer.err


def known(instance: dg.DagsterInstance) -> set[str]:
    names = [str(definition.name) for definition in partitions.PARTITIONS.values()]
    return {media_id for name in names for media_id in instance.get_dynamic_partitions(name)}


def look(instance: dg.DagsterInstance) -> str:
    reason = import_from_archive(dg.build_sensor_context(instance=instance))
    assert isinstance(reason, dg.SkipReason)
    return str(reason.skip_message)


@pytest.mark.slow
@pytest.mark.ffmpeg
def test_refused_media_are_no_partitions(
    store: Path, tmp_path: Path, instance: dg.DagsterInstance, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in jobs.local_environment(tmp_path).items():
        monkeypatch.setenv(name, value)
    look(instance)
    assert known(instance) == {*GOOD, "old-notes"}
    assert call("reconcile", "--fix", store=store).code == 0
    look(instance)
    assert known(instance) == set(GOOD)
    # And no change, whatever becomes of it.
    settings = configuration.load(jobs.local_environment(tmp_path))
    upload(settings, "audio", "notes", TEXT, "job-9")
    assert look(instance) == "nothing new in the archive"
    # Until an upload can be used.
    upload(settings, "audio", "notes", None, "job-10")
    look(instance)
    assert known(instance) == {*GOOD, "notes"}


@pytest.mark.slow
@pytest.mark.ffmpeg
def test_the_record_of_a_refusal_says_which_upload_it_was(settings: Settings, records: RecordStore) -> None:
    upload(settings, "audio", "notes", TEXT, "job-1")
    kept = json.loads(settings.stores().archive.read("records/notes/refused.json"))
    original = settings.stores().archive.head(jobs.input_key("audio", "notes"))
    assert original is not None
    assert original.modified is not None
    assert kept == {
        "media": media("notes").model_dump(),
        "code": "source_not_media",
        "sentence": SENTENCE,
        "refused_at": kept["refused_at"],
        "uploaded_at": original.modified.isoformat(),
    }
    assert records.names("notes") == {"jobs", "refused"}
