"""What a Dagster instance learns from the archive's records, and what it does with them afterwards."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import dagster as dg
import jobs
import pytest
from dagster._core.definitions.data_version import CachingStaleStatusResolver
from dagster._core.loader import LoadingContextForTest

from codex_assets import learning, resources
from codex_assets.assets import ORIGINALS, PRODUCERS
from codex_assets.definitions import defs
from codex_assets.delivery.storage import Stores
from codex_assets.media import recipe
from codex_assets.operations import media_of_the_archive
from codex_assets.records import MediaRecord, RecordStore

pytestmark = pytest.mark.ffmpeg
AUDIO = recipe.OUTPUTS["audio"]
MEDIA = "talk"


class Room:
    """Stores in a folder."""

    def __init__(self, folder: Path) -> None:
        self.environment = jobs.local_environment(folder)
        self.settings = resources.load(self.environment)
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
        with resources.workshop(self.settings) as workshop:
            list(workshop.builder.build(media, outputs))

    def twin(self, media_id: str) -> None:
        """Records of another media, as if it had been built too."""
        for output in AUDIO:
            record = self.records.output(MEDIA, output)
            assert record is not None
            self.records.put(media_id, output, record.model_copy(update={"media_id": media_id}))
        self.put(media_id)

    def learn(self, instance: dg.DagsterInstance) -> list[learning.Learnt]:
        found = learning.changes(instance, self.stores.archive)
        return list(learning.learn(instance, self.stores.archive, found))


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


@pytest.fixture
def instance(tmp_path: Path) -> Iterator[dg.DagsterInstance]:
    home = tmp_path / "dagster"
    home.mkdir()
    (home / "dagster.yaml").write_text("telemetry: {enabled: false}\n", encoding="utf-8")
    with dg.DagsterInstance.from_config(str(home)) as opened:
        yield opened


def key(output: str) -> dg.AssetKey:
    return dg.AssetKey(["audio", output])


def statuses(instance: dg.DagsterInstance, media_id: str = MEDIA) -> dict[str, str]:
    """Output -> FRESH, STALE or MISSING, as the UI asks for it."""
    resolver = CachingStaleStatusResolver(instance, defs.resolve_asset_graph(), LoadingContextForTest(instance))
    return {one: resolver.get_status(key(one), media_id).value for one in AUDIO}


def events(instance: dg.DagsterInstance, output: str, media_id: str = MEDIA) -> list[dg.AssetMaterialization]:
    found = instance.fetch_materializations(
        dg.AssetRecordsFilter(asset_key=key(output), asset_partitions=[media_id]), limit=50
    )
    made = [one.asset_materialization for one in found.records]
    return [one for one in made if one is not None]


def run(room: Room, instance: dg.DagsterInstance, *outputs: str) -> dg.ExecuteInProcessResult:
    with resources.workshop(room.settings) as workshop:
        return dg.materialize(
            [*ORIGINALS, *PRODUCERS["audio"]],
            selection=dg.AssetSelection.assets(*(key(one) for one in outputs)),
            instance=instance,
            resources={"workshop": workshop},
            tags={"dagster/partition": MEDIA},
            raise_on_error=False,
        )


def test_a_fresh_instance_learns_everything_and_then_only_what_changed(
    room: Room, instance: dg.DagsterInstance
) -> None:
    room.twin("twin")
    told = room.learn(instance)
    assert {one.media_id: one.outputs for one in told} == {MEDIA: len(AUDIO), "twin": len(AUDIO)}
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
            held = event.metadata["record"].value
            assert isinstance(held, dict)
            assert held["output"] == output
    # The UI shows a result that aims at the media's latest materialization, and no other.
    record = room.records.output(MEDIA, "waveform_json")
    assert record is not None
    assert record.checks
    latest = instance.fetch_materializations(
        dg.AssetRecordsFilter(asset_key=key("waveform_json"), asset_partitions=[MEDIA]), limit=1
    ).records[0]
    for rule in {one.rule for one in record.checks}:
        history = instance.event_log_storage.get_asset_check_execution_history(
            dg.AssetCheckKey(key("waveform_json"), rule), limit=9
        )
        reported = [one.event.dagster_event for one in history if one.event is not None]
        results = [one.asset_check_evaluation_data for one in reported if one is not None]
        assert {one.partition for one in results} == {MEDIA, "twin"}
        (evaluation,) = (one for one in results if one.partition == MEDIA)
        assert evaluation.target_materialization_data is not None
        assert evaluation.target_materialization_data.storage_id == latest.storage_id

    assert room.learn(instance) == []
    room.build("hls_64k")
    (again,) = room.learn(instance)
    assert (again.media_id, again.outputs) == (MEDIA, len(changed(instance)))
    assert "hls_64k" in changed(instance)
    assert room.learn(instance) == []


def changed(instance: dg.DagsterInstance) -> set[str]:
    return {one for one in AUDIO if len(events(instance, one)) > 1}


def test_an_import_that_was_stopped_goes_on(
    room: Room, instance: dg.DagsterInstance, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(learning, "BATCH", 2)
    names = {f"twin{number}" for number in range(4)}
    for name in names:
        room.twin(name)
    found = learning.changes(instance, room.stores.archive)
    going = learning.learn(instance, room.stores.archive, found)
    first = next(going)
    # Nobody asks it for more. The whole batch of the media that was told.
    left = {one.media_id for one in learning.changes(instance, room.stores.archive)}
    assert first.media_id not in left
    assert len(left) == 3
    assert {one.media_id for one in room.learn(instance)} == left
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
    told = media_of_the_archive.evaluate_tick(context)
    assert told.skip_message == "1 media learnt"
    assert told.cursor
    assert instance.get_dynamic_partitions("audio_media") == [MEDIA]

    room.twin("next")
    room.build("waveform_json")
    told = media_of_the_archive.evaluate_tick(dg.build_sensor_context(instance=instance, cursor=told.cursor))
    assert told.skip_message == "2 media learnt"
    assert len(events(instance, "waveform_json")) == 2
    assert len(events(instance, "hls_master", "next")) == 1

    told = media_of_the_archive.evaluate_tick(dg.build_sensor_context(instance=instance, cursor=told.cursor))
    assert told.skip_message == "nothing new in the archive"


def test_one_output_is_rebuilt_and_nothing_becomes_stale(room: Room, instance: dg.DagsterInstance) -> None:
    room.learn(instance)
    before = {one: room.records.output(MEDIA, one) for one in AUDIO}
    result = run(room, instance, "waveform_json")
    assert result.success
    assert [one.asset_key for one in result.get_asset_materialization_events()] == [key("waveform_json")]
    assert {one for one in AUDIO if room.records.output(MEDIA, one) != before[one]} == {"waveform_json"}
    assert set(statuses(instance).values()) == {"FRESH"}


def test_a_rebuilt_mezzanine_of_the_same_contents_makes_nothing_stale(room: Room, instance: dg.DagsterInstance) -> None:
    room.learn(instance)
    assert run(room, instance, "mezzanine").success
    assert set(statuses(instance).values()) == {"FRESH"}


def test_without_its_original_only_the_mezzanine_cannot_be_rebuilt(room: Room, instance: dg.DagsterInstance) -> None:
    room.learn(instance)
    room.stores.archive.delete(room.key)
    assert run(room, instance, "hls_64k").success
    before = room.records.output(MEDIA, "mezzanine")
    result = run(room, instance, "mezzanine")
    assert not result.success
    (failed,) = result.get_step_failure_events()
    told = failed.step_failure_data.user_failure_data
    assert told is not None
    assert told.description
    assert "original" in told.description
    assert room.records.output(MEDIA, "mezzanine") == before
