"""What a Dagster instance learns from the archive's records, and what it does with them afterwards."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import dagster as dg
import jobs
import pytest
from dagster._core.definitions.data_version import CachingStaleStatusResolver
from dagster._core.events.log import EventLogEntry
from dagster._core.loader import LoadingContextForTest
from dagster._core.storage.asset_check_execution_record import AssetCheckExecutionRecordStatus
from dagster._core.storage.event_log.schema import AssetCheckExecutionsTable
from dagster._core.storage.event_log.sql_event_log import SqlEventLogStorage
from dagster._core.test_utils import create_run_for_test
from dagster._record import copy
from dagster._serdes import deserialize_value, serialize_value
from sqlalchemy import select

from codex_assets.archive.check_results import VERIFICATION, OutputVerification, VerificationRecord
from codex_assets.archive.findings import Finding
from codex_assets.archive.records import MediaRecord, OriginalRecord, OutputRecord
from codex_assets.archive.store import RecordStore
from codex_assets.config import settings
from codex_assets.config.workshop import open_workshop
from codex_assets.definitions import defs
from codex_assets.defs import asset_checks, event_log, partitions, records_import
from codex_assets.defs.assets import ORIGINALS, PRODUCERS
from codex_assets.defs.records_import import ImportedMedia
from codex_assets.defs.sensors import import_from_archive
from codex_assets.library import catalogue
from codex_assets.library.catalogue import Catalogue
from codex_assets.media.outputs import wanted
from codex_assets.storage.directory import DirectoryStore
from codex_assets.storage.objects import Stores
from codex_assets.verification.judge import rule_set

pytestmark = pytest.mark.ffmpeg
AUDIO = wanted("audio")
MEDIA = "talk"


class Room:
    """Stores in a folder."""

    def __init__(self, folder: Path) -> None:
        self.environment = jobs.local_environment(folder)
        self.settings = settings.load(self.environment)
        self.stores: Stores = self.settings.stores()
        self.records = RecordStore(self.stores.archive)
        self.key = jobs.input_key("audio", MEDIA)

    def put(self, media_id: str) -> None:
        self.records.put(
            media_id,
            "media",
            MediaRecord(
                media_id=media_id,
                creator_id=jobs.CREATOR,
                media_type="audio",
                input_role="archive",
                input_key=self.key,
            ),
        )

    def build(self, *outputs: str) -> None:
        media = self.records.media(MEDIA)
        assert media is not None
        with open_workshop(self.settings) as workshop:
            list(workshop.builder.build(media, outputs))

    def twin(self, media_id: str) -> None:
        """Records of another media, as if it had been built too."""
        for output in AUDIO:
            record = self.records.output(MEDIA, output)
            assert record is not None
            self.records.put(media_id, output, record.model_copy(update={"media_id": media_id}))
        self.put(media_id)

    def learn(self, instance: dg.DagsterInstance) -> list[ImportedMedia]:
        changes = records_import.changes(instance, self.listed())
        return list(records_import.import_media(instance, self.stores.archive, changes))

    def listed(self) -> Catalogue:
        """The catalogue, with what the archive has now."""
        catalogue = Catalogue(self.settings.catalogue, self.stores.archive)
        catalogue.list_now()
        return catalogue


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Stores with one audio media whose outputs were built; every test has a copy."""
    folder = tmp_path_factory.mktemp("built")
    made = Room(folder)
    jobs.put_original(made.stores, "audio", MEDIA)
    made.put(MEDIA)
    made.build(*AUDIO)
    return folder / "stores"


@pytest.fixture
def room(built: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Room:
    shutil.copytree(built, tmp_path / "stores")
    made = Room(tmp_path)
    for name, value in made.environment.items():
        monkeypatch.setenv(name, value)
    return made


def key(output: str) -> dg.AssetKey:
    return dg.AssetKey(["audio", output])


def statuses(instance: dg.DagsterInstance, media_id: str = MEDIA) -> dict[str, str]:
    """Output -> FRESH, STALE or MISSING, as the UI asks for it."""
    resolver = CachingStaleStatusResolver(instance, defs.resolve_asset_graph(), LoadingContextForTest(instance))
    return {output: resolver.get_status(key(output), media_id).value for output in AUDIO}


def events(instance: dg.DagsterInstance, output: str, media_id: str = MEDIA) -> list[dg.AssetMaterialization]:
    materializations = instance.fetch_materializations(
        dg.AssetRecordsFilter(asset_key=key(output), asset_partitions=[media_id]), limit=50
    )
    made = [row.asset_materialization for row in materializations.records]
    return [event for event in made if event is not None]


def run(room: Room, instance: dg.DagsterInstance, *outputs: str) -> dg.ExecuteInProcessResult:
    with open_workshop(room.settings) as workshop:
        return dg.materialize(
            [*ORIGINALS, PRODUCERS["audio"]],
            selection=dg.AssetSelection.assets(*(key(output) for output in outputs)),
            instance=instance,
            resources={"workshop": workshop},
            tags={"dagster/partition": MEDIA},
            raise_on_error=False,
        )


def test_a_fresh_instance_learns_everything_and_then_only_what_changed(
    room: Room, instance: dg.DagsterInstance
) -> None:
    room.twin("twin")
    imported = room.learn(instance)
    assert {media.media_id: media.outputs for media in imported} == {MEDIA: len(AUDIO), "twin": len(AUDIO)}
    assert set(instance.get_dynamic_partitions("audio_media")) == {MEDIA, "twin"}
    for media_id in (MEDIA, "twin"):
        assert set(statuses(instance, media_id).values()) == {"FRESH"}
        for output in AUDIO:
            record = room.records.output(media_id, output)
            (event,) = events(instance, output, media_id)
            assert record is not None
            assert event.tags is not None
            assert event.tags["dagster/data_version"] == record.data_version
            assert event.tags["dagster/code_version"] == record.code_version
            shown = event.metadata["record"].value
            assert isinstance(shown, dict)
            assert shown["output"] == output
    # The UI shows a result that aims at the media's latest materialization, and no other.
    record = room.records.output(MEDIA, "waveform_json")
    assert record is not None
    assert record.checks
    latest = instance.fetch_materializations(
        dg.AssetRecordsFilter(asset_key=key("waveform_json"), asset_partitions=[MEDIA]), limit=1
    ).records[0]
    for check in (asset_checks.MUST,):
        history = instance.event_log_storage.get_asset_check_execution_history(
            dg.AssetCheckKey(key("waveform_json"), check), limit=9
        )
        reported = [entry.event.dagster_event for entry in history if entry.event is not None]
        results = [event.asset_check_evaluation_data for event in reported if event is not None]
        assert {result.partition for result in results} == {MEDIA, "twin"}
        (evaluation,) = (result for result in results if result.partition == MEDIA)
        assert evaluation.target_materialization_data is not None
        assert evaluation.target_materialization_data.storage_id == latest.storage_id

    assert room.learn(instance) == []
    room.build("hls_64k")
    (again,) = room.learn(instance)
    assert (again.media_id, again.outputs) == (MEDIA, len(changed(instance)))
    assert "hls_64k" in changed(instance)
    assert room.learn(instance) == []


def test_what_checks_found_is_stored_as_dagster_would_store_it(room: Room, instance: dg.DagsterInstance) -> None:
    room.learn(instance)
    asked = set()
    expected = {}
    for output in AUDIO:
        record = room.records.output(MEDIA, output)
        assert record is not None
        stored = instance.fetch_materializations(dg.AssetRecordsFilter(key(output), [MEDIA]), limit=1).records[0]
        materialized = stored.event_log_entry.asset_materialization
        assert materialized is not None
        # No rule is about the loudness: it has no file.
        assert ("rule_set" in materialized.metadata) == bool(record.checks)
        asked |= {materialized.metadata["rule_set"].value} if record.checks else set()
        evaluations = asset_checks.evaluations(record, record.checks, record.rule_set) if record.checks else ()
        for evaluation in evaluations:
            asked.add(evaluation.metadata["rule_set"].value)
            expected[output, evaluation.check_name] = (evaluation, stored.storage_id)
    assert asked == {rule_set()}
    assert all("rules_passed" in evaluation.metadata for evaluation, _ in expected.values())
    assert {evaluation.severity for evaluation, _ in expected.values()} == set(dg.AssetCheckSeverity)
    seen = set()
    storage = instance.event_log_storage
    assert isinstance(storage, SqlEventLogStorage)
    with storage.index_connection() as connection:
        texts = connection.execute(select(AssetCheckExecutionsTable.c.evaluation_event)).scalars().all()
    for text in texts:
        entry = deserialize_value(text, EventLogEntry)
        assert serialize_value(entry) == text
        read_back = entry.get_dagster_event().asset_check_evaluation_data
        target = read_back.target_materialization_data
        evaluation, storage_id = expected[read_back.asset_key.path[-1], read_back.check_name]
        assert target is not None
        assert target.storage_id == storage_id
        assert copy(read_back, target_materialization_data=None) == evaluation
        seen.add((evaluation.asset_key.path[-1], evaluation.check_name))
    assert seen == set(expected)


def changed(instance: dg.DagsterInstance) -> set[str]:
    return {output for output in AUDIO if len(events(instance, output)) > 1}


def test_an_upload_is_known_and_what_became_of_it(room: Room, instance: dg.DagsterInstance) -> None:
    room.learn(instance)
    (event,) = events(instance, "original")
    assert event.metadata["key"].value == room.key
    assert event.metadata["container"].value == "wav"
    gone = OriginalRecord(media_id=MEDIA, input_key=room.key, gone_since="2026-11-26T03:17:00+00:00", deleted=True)
    room.records.put(MEDIA, "original", gone)
    (imported,) = room.learn(instance)
    assert imported.outputs == 0
    assert events(instance, "original")[0].metadata["deleted_at"].value == gone.gone_since
    assert set(statuses(instance).values()) == {"FRESH"}
    # It came back: the clean-up's record goes when the mezzanine is built again.
    room.build("mezzanine")
    room.learn(instance)
    assert len(events(instance, "original")) == 3
    assert "deleted_at" not in events(instance, "original")[0].metadata
    assert set(statuses(instance).values()) == {"FRESH"}


def test_an_import_that_was_stopped_goes_on(
    room: Room, instance: dg.DagsterInstance, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(records_import, "BATCH", 2)
    names = {f"twin{number}" for number in range(4)}
    for name in names:
        room.twin(name)
    changes = records_import.changes(instance, room.listed())
    going = records_import.import_media(instance, room.stores.archive, changes)
    first = next(going)
    # Nobody asks it for more. The whole batch of the media that was told.
    left = {change.media_id for change in records_import.changes(instance, room.listed())}
    assert first.media_id not in left
    assert len(left) == 3
    assert {media.media_id for media in room.learn(instance)} == left
    assert {len(events(instance, "hls_master", name)) for name in names} == {1}


def test_another_recipe_makes_stale_the_media_that_were_built_with_it(room: Room, instance: dg.DagsterInstance) -> None:
    record = room.records.output(MEDIA, "waveform_json")
    assert record is not None
    room.twin("twin")
    older = record.model_copy(update={"media_id": "twin", "code_version": "older"})
    room.records.put("twin", "waveform_json", older)
    room.learn(instance)
    assert statuses(instance, "twin")["waveform_json"] == "STALE"
    assert statuses(instance, "twin")["hls_master"] == "FRESH"
    assert set(statuses(instance).values()) == {"FRESH"}


def test_the_sensor_learns_new_media_and_what_was_rebuilt(room: Room, instance: dg.DagsterInstance) -> None:
    context = dg.build_sensor_context(instance=instance)
    tick = import_from_archive.evaluate_tick(context)
    assert tick.skip_message == "1 media imported"
    assert tick.cursor
    assert instance.get_dynamic_partitions("audio_media") == [MEDIA]

    room.twin("next")
    room.build("waveform_json")
    tick = import_from_archive.evaluate_tick(dg.build_sensor_context(instance=instance, cursor=tick.cursor))
    assert tick.skip_message == "2 media imported"
    assert len(events(instance, "waveform_json")) == 2
    assert len(events(instance, "hls_master", "next")) == 1

    tick = import_from_archive.evaluate_tick(dg.build_sensor_context(instance=instance, cursor=tick.cursor))
    assert tick.skip_message == "nothing new in the archive"


def test_the_sensor_waits_for_the_run_that_works_on_a_media(room: Room, instance: dg.DagsterInstance) -> None:
    room.twin("twin")
    at_work = create_run_for_test(instance, status=dg.DagsterRunStatus.STARTED, tags={"dagster/partition": MEDIA})
    tick = import_from_archive.evaluate_tick(dg.build_sensor_context(instance=instance))
    assert tick.skip_message == "1 media imported; 1 at the next evaluation"
    assert instance.get_dynamic_partitions("audio_media") == ["twin"]
    instance.report_run_failed(at_work)
    tick = import_from_archive.evaluate_tick(dg.build_sensor_context(instance=instance, cursor=tick.cursor))
    assert tick.skip_message == "1 media imported"
    assert set(instance.get_dynamic_partitions("audio_media")) == {MEDIA, "twin"}


def test_the_sensor_asks_the_archive_as_often_as_that_is_cheap(
    room: Room, instance: dg.DagsterInstance, monkeypatch: pytest.MonkeyPatch
) -> None:
    cursor = import_from_archive.evaluate_tick(dg.build_sensor_context(instance=instance)).cursor
    asked: list[str] = []
    list_objects, latest_storage_ids = DirectoryStore.list, event_log.latest_storage_ids

    def list_and_note(self: DirectoryStore, prefix: str, *, after: str = "") -> object:
        asked.append(prefix)
        return list_objects(self, prefix, after=after)

    def ids_and_note(*of_output: Any) -> object:
        asked.append("the instance")
        return latest_storage_ids(*of_output)

    monkeypatch.setattr(DirectoryStore, "list", list_and_note)
    monkeypatch.setattr("codex_assets.defs.records_import.latest_storage_ids", ids_and_note)
    # As if both took long, and somebody else listed the archive just now.
    monkeypatch.setattr(catalogue, "FREE_SECONDS", 0.0)
    monkeypatch.setattr(catalogue, "SHARE", 1e9)
    room.twin("next")
    assert tick(instance, cursor) == "nothing new in the archive"
    assert asked == []
    room.listed()
    asked.clear()
    assert tick(instance, cursor) == "1 media imported"
    assert asked == []
    monkeypatch.setattr(catalogue, "SHARE", 0.0)
    instance.delete_dynamic_partition("audio_media", "next")
    assert tick(instance, cursor) == "1 media imported"
    assert {"records/", "the instance"} <= set(asked)


def test_partitions_are_read_once_for_an_import(
    room: Room, instance: dg.DagsterInstance, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(records_import, "BATCH", 2)
    for number in range(5):
        room.twin(f"twin{number}")
    changes = records_import.changes(instance, room.listed())
    read: list[str] = []
    get_partitions = instance.get_dynamic_partitions

    def note(name: str) -> Any:
        read.append(name)
        return get_partitions(name)

    monkeypatch.setattr(instance, "get_dynamic_partitions", note)
    assert len(list(records_import.import_media(instance, room.stores.archive, changes))) == 6
    assert sorted(read) == ["audio_media", "video_media"]


def tick(instance: dg.DagsterInstance, cursor: str | None) -> str | None:
    return import_from_archive.evaluate_tick(dg.build_sensor_context(instance=instance, cursor=cursor)).skip_message


LATER = "2199-01-01T00:00:00+00:00"
"""A cursor after which nothing was written."""


@pytest.mark.parametrize(
    "by_sensor", [pytest.param(True, marks=pytest.mark.slow), False], ids=["by the sensor", "by an import"]
)
def test_what_was_removed_from_an_instance_comes_back(
    room: Room, instance: dg.DagsterInstance, by_sensor: bool
) -> None:
    def again() -> None:
        if by_sensor:
            assert tick(instance, LATER) == "1 media imported"
        else:
            assert [media.media_id for media in room.learn(instance)] == [MEDIA]

    room.twin("twin")
    room.learn(instance)
    # A partition, with which its events stay.
    instance.delete_dynamic_partition("audio_media", MEDIA)
    again()
    assert set(instance.get_dynamic_partitions("audio_media")) == {MEDIA, "twin"}
    assert {output: len(events(instance, output)) for output in AUDIO} == dict.fromkeys(AUDIO, 1)
    assert set(statuses(instance).values()) == {"FRESH"}
    # The run that built an output: its events go with it.
    made = run(room, instance, "waveform_json")
    room.learn(instance)
    instance.delete_run(made.run_id)
    again()
    (latest, *_) = events(instance, "waveform_json")
    record = room.records.output(MEDIA, "waveform_json")
    assert record is not None
    assert record.build is not None
    assert latest.metadata["built_at"].value == record.build.built_at
    assert set(statuses(instance).values()) == {"FRESH"}
    # All events of an asset.
    for output in ("hls_64k", "original"):
        instance.wipe_assets([key(output)])
    assert events(instance, "hls_64k") == []
    if by_sensor:
        assert tick(instance, LATER) == "2 media imported"
    else:
        assert {media.media_id for media in room.learn(instance)} == {MEDIA, "twin"}
    for media_id in (MEDIA, "twin"):
        assert set(statuses(instance, media_id).values()) == {"FRESH"}
        assert len(events(instance, "hls_64k", media_id)) == 1
        assert len(events(instance, "original", media_id)) == 1
    assert room.learn(instance) == []
    assert tick(instance, LATER) == "nothing new in the archive"


def test_an_instance_that_kept_no_events_learns_nothing_twice(room: Room, instance: dg.DagsterInstance) -> None:
    """As the releases before left it; only what changes later is kept with its events."""
    room.learn(instance)
    name = f"{records_import.CURSOR}{MEDIA}"
    kept = json.loads(instance.run_storage.get_cursor_values({name})[name])
    del kept[records_import.EVENTS]
    instance.run_storage.set_cursor_values({name: json.dumps(kept)})
    assert room.learn(instance) == []
    instance.delete_dynamic_partition("audio_media", MEDIA)
    assert [media.outputs for media in room.learn(instance)] == [0]
    assert instance.get_dynamic_partitions("audio_media") == [MEDIA]
    assert room.learn(instance) == []


def test_one_output_is_rebuilt_and_nothing_becomes_stale(room: Room, instance: dg.DagsterInstance) -> None:
    room.learn(instance)
    before = {output: room.records.output(MEDIA, output) for output in AUDIO}
    result = run(room, instance, "waveform_json")
    assert result.success
    assert [event.asset_key for event in result.get_asset_materialization_events()] == [key("waveform_json")]
    assert {output for output in AUDIO if room.records.output(MEDIA, output) != before[output]} == {"waveform_json"}
    assert set(statuses(instance).values()) == {"FRESH"}


@pytest.mark.slow
def test_a_rebuilt_mezzanine_of_the_same_contents_makes_nothing_stale(room: Room, instance: dg.DagsterInstance) -> None:
    room.learn(instance)
    assert run(room, instance, "mezzanine").success
    assert set(statuses(instance).values()) == {"FRESH"}


def stale(instance: dg.DagsterInstance, media_id: str = MEDIA) -> set[str]:
    by_output = statuses(instance, media_id)
    assert set(by_output.values()) <= {"FRESH", "STALE"}, by_output
    return {output for output, status in by_output.items() if status == "STALE"}


def replaced(room: Room, output: str, media_id: str = MEDIA, **changes: Any) -> OutputRecord:
    """The record as another worker's build would have left it; the one of before."""
    record = room.records.output(media_id, output)
    assert record is not None
    assert record.build is not None
    later = record.build.model_copy(update={"built_at": f"2099-01-01T00:00:00+00:00 {changes}"})
    room.records.put(media_id, output, record.model_copy(update={"build": later, **changes}))
    return record


@pytest.mark.parametrize("before", [True, False], ids=["learnt before and after", "by a brand-new instance"])
def test_a_changed_variant_makes_the_master_stale_and_nothing_else(
    room: Room, instance: dg.DagsterInstance, before: bool
) -> None:
    room.twin("twin")
    if before:
        room.learn(instance)
    original = replaced(room, "hls_64k", data_version="of other contents")
    room.learn(instance)
    assert stale(instance) == {"hls_master"}
    assert stale(instance, "twin") == set()
    # And when it comes back to what the master was made from, all is well.
    room.records.put(MEDIA, "hls_64k", original)
    room.learn(instance)
    assert stale(instance) == set()


def test_a_changed_mezzanine_makes_stale_what_is_made_from_it(room: Room, instance: dg.DagsterInstance) -> None:
    # The first event of an empty instance: nothing can be older than that one.
    replaced(room, "mezzanine", data_version="of other contents")
    room.learn(instance)
    assert stale(instance) == {"hls_128k", "hls_64k", "waveform_json", "waveform_png"}


def test_what_is_rebuilt_with_the_same_contents_makes_nothing_stale(room: Room, instance: dg.DagsterInstance) -> None:
    room.learn(instance)
    for output in ("mezzanine", "loudness", "hls_64k"):
        replaced(room, output)
        (imported,) = room.learn(instance)
        assert imported.outputs == 1
        assert stale(instance) == set()


def test_a_master_that_is_true_of_a_changed_variant_is_not_stale(room: Room, instance: dg.DagsterInstance) -> None:
    room.learn(instance)
    replaced(room, "hls_64k", data_version="of other contents")
    master = room.records.output(MEDIA, "hls_master")
    assert master is not None
    assert master.build is not None
    inputs = {**master.build.inputs, "hls_64k": "of other contents"}
    kept = master.model_copy(update={"build": master.build.model_copy(update={"inputs": inputs})})
    room.records.put(MEDIA, "hls_master", kept)
    room.learn(instance)
    assert stale(instance) == set()
    assert room.learn(instance) == []


@pytest.mark.slow
def test_outputs_that_follow_another_upload_one_by_one(room: Room, instance: dg.DagsterInstance) -> None:
    """Every event here was left by a run of this instance, the master's of the second as a companion."""
    room.learn(instance)
    jobs.put_original(room.stores, "audio", MEDIA, jobs.another_sound())
    assert run(room, instance, "mezzanine", "loudness").success
    assert stale(instance) == {"hls_128k", "hls_64k", "waveform_json", "waveform_png"}
    assert run(room, instance, "hls_64k").success
    assert stale(instance) == {"hls_128k", "waveform_json", "waveform_png"}
    assert run(room, instance, "hls_128k", "waveform_json", "waveform_png").success
    assert stale(instance) == set()
    # The records say the same: nothing is to be learnt, here or by others.
    room.learn(instance)
    assert stale(instance) == set()
    assert len(events(instance, "mezzanine")) == 2


@pytest.mark.slow
def test_an_output_built_here_from_what_was_built_elsewhere_and_not_learnt_yet(
    room: Room, instance: dg.DagsterInstance
) -> None:
    room.learn(instance)
    jobs.put_original(room.stores, "audio", MEDIA, jobs.another_sound())
    room.build("mezzanine", "loudness")
    assert run(room, instance, "hls_64k").success
    room.learn(instance)
    assert stale(instance) == {"hls_128k", "waveform_json", "waveform_png"}


def test_an_output_built_before_the_instance_knew_anything(room: Room, instance: dg.DagsterInstance) -> None:
    partitions.register(instance, "audio", [MEDIA])
    assert run(room, instance, "hls_master").success
    room.learn(instance)
    assert stale(instance) == set()
    replaced(room, "hls_64k", data_version="of other contents")
    room.learn(instance)
    assert stale(instance) == {"hls_master"}


def test_a_record_that_cannot_be_read_keeps_no_other_from_being_learnt(
    room: Room, instance: dg.DagsterInstance
) -> None:
    room.twin("twin")
    room.stores.archive.write("records/twin/waveform_png.json", b"{", content_type="application/json")
    assert {media.media_id: media.outputs for media in room.learn(instance)} == {
        MEDIA: len(AUDIO),
        "twin": len(AUDIO) - 1,
    }


@pytest.mark.slow
def test_without_its_original_only_the_mezzanine_cannot_be_rebuilt(room: Room, instance: dg.DagsterInstance) -> None:
    room.learn(instance)
    room.stores.archive.delete(room.key)
    assert run(room, instance, "hls_64k").success
    before = room.records.output(MEDIA, "mezzanine")
    result = run(room, instance, "mezzanine")
    assert not result.success
    (failed,) = result.get_step_failure_events()
    failure = failed.step_failure_data.user_failure_data
    assert failure is not None
    assert failure.description
    assert "original" in failure.description
    assert room.records.output(MEDIA, "mezzanine") == before


def results_of(instance: dg.DagsterInstance, output: str, check: str = asset_checks.MUST) -> list[bool]:
    """Whether each result of a check of the media passed, the latest first."""
    history = instance.event_log_storage.get_asset_check_execution_history(
        dg.AssetCheckKey(key(output), check), limit=50
    )
    return [record.status is AssetCheckExecutionRecordStatus.SUCCEEDED for record in history]


def verified(room: Room, at: str, *failed: Finding) -> VerificationRecord:
    """What a verification of everything found, kept in the archive."""
    outputs = []
    for output in AUDIO:
        record = room.records.output(MEDIA, output)
        assert record is not None
        own = tuple(finding for finding in failed if finding.output == output)
        rules = tuple(each.rule for each in record.checks if each.rule not in {finding.rule for finding in own})
        outputs.append(
            OutputVerification(
                output=output,
                data_version=record.data_version,
                checked_at=at,
                passed=rules,
                failed=own,
                rule_set=record.rule_set,
            )
        )
    made = VerificationRecord(media_id=MEDIA, creator_id=jobs.CREATOR, media_type="audio", outputs=tuple(outputs))
    room.records.put(MEDIA, VERIFICATION, made)
    return made


def test_a_night_in_which_nothing_changed_adds_nothing(room: Room, instance: dg.DagsterInstance) -> None:
    room.learn(instance)
    assert results_of(instance, "hls_64k") == [True]
    for night in (1, 2):
        verified(room, f"2099-01-0{night}T03:00:00+00:00")
        (imported,) = room.learn(instance)
        assert (imported.outputs, imported.checks) == (0, 0)
    fault = Finding(False, "A segment is not there.", "there", "2 missing", output="hls_64k", rule="segments_present")
    verified(room, "2099-01-03T03:00:00+00:00", fault)
    (imported,) = room.learn(instance)
    # The two checks of the one output of which something else was found.
    assert (imported.outputs, imported.checks) == (0, 2)
    assert results_of(instance, "hls_64k") == [False]
    verified(room, "2099-01-04T03:00:00+00:00", fault)
    (imported,) = room.learn(instance)
    assert imported.checks == 0
    verified(room, "2099-01-05T03:00:00+00:00")
    room.learn(instance)
    assert results_of(instance, "hls_64k") == [True]


def test_an_instance_of_an_earlier_release_learns_the_checks_that_there_are_now(
    room: Room, instance: dg.DagsterInstance
) -> None:
    room.learn(instance)
    name = records_import.CURSOR + MEDIA
    cursor = json.loads(instance.run_storage.get_cursor_values({name})[name])
    del cursor[records_import.JUDGED]
    instance.run_storage.set_cursor_values({name: json.dumps(cursor)})
    (imported,) = room.learn(instance)
    assert imported.outputs == 0
    assert imported.checks > 0
    assert room.learn(instance) == []
