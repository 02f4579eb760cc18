"""The graph as Dagster sees it: keys, partitions, single outputs, checks that run alone, a fresh instance."""

from __future__ import annotations

from pathlib import Path

import dagster as dg
import jobs
import pytest

from codex_assets.archive.records import MediaRecord
from codex_assets.config import settings as configuration
from codex_assets.config.workshop import Workshop, open_workshop
from codex_assets.contract.names import ASSETS
from codex_assets.definitions import defs
from codex_assets.defs import asset_checks, partitions
from codex_assets.defs.assets import ORIGINALS, PRODUCERS
from codex_assets.defs.sensors import media_of_the_archive
from codex_assets.media import recipe
from codex_assets.media.outputs import OUTPUTS
from codex_assets.verification.judge import RULES
from codex_assets.verification.kinds import ObservationKind

MEDIA = "talk"


def test_every_output_of_the_contract_is_an_asset() -> None:
    keys = {key.to_user_string() for key in defs.resolve_asset_graph().get_all_asset_keys()}
    wanted = {f"{kind}/{output}" for kind, outputs in OUTPUTS.items() for output in outputs}
    assert keys == wanted | {"video/original", "audio/original"}
    assert {kind: frozenset(outputs) for kind, outputs in OUTPUTS.items()} == {
        kind: frozenset(outputs) for kind, outputs in ASSETS.items()
    }


def test_every_asset_has_its_recipe_as_code_version() -> None:
    graph = defs.resolve_asset_graph()
    for kind, outputs in OUTPUTS.items():
        for output in outputs:
            assert graph.get(dg.AssetKey([kind, output])).code_version == recipe.code_version(kind, output)


def test_every_rule_is_a_check_of_some_asset() -> None:
    outputs = {output for outputs in OUTPUTS.values() for output in outputs}
    # What servers answer belongs to a URL, and to no output.
    published = {name for name, rule in RULES.items() if rule.kinds != {ObservationKind.DELIVERY}}
    assert {rule.name for output in outputs for rule in asset_checks.rules(output)} == published


def test_jobs_and_sensors_load() -> None:
    names = {job.name for job in defs.resolve_all_job_defs()}
    assert {"build_video", "build_audio", "verify_video", "verify_audio"} <= names


def materialized(result: dg.ExecuteInProcessResult) -> list[str]:
    """The outputs that a run materialized, in order."""
    return [event.asset_key.path[-1] for event in result.get_asset_materialization_events() if event.asset_key]


def run(workshop: Workshop, instance: dg.DagsterInstance, selection: dg.AssetSelection) -> dg.ExecuteInProcessResult:
    return dg.materialize(
        [*ORIGINALS, PRODUCERS["audio"]],
        selection=selection,
        instance=instance,
        resources={"workshop": workshop},
        tags={"dagster/partition": MEDIA},
        raise_on_error=False,
    )


@pytest.mark.ffmpeg
def test_build_then_one_output_then_only_checks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    environment = jobs.local_environment(tmp_path)
    settings = configuration.load(environment)
    stores = settings.stores()
    jobs.put_original(stores, "audio", MEDIA)
    key = jobs.input_key("audio", MEDIA)
    media = MediaRecord(
        media_id=MEDIA, creator_id=jobs.CREATOR, media_type="audio", input_role="archive", input_key=key
    )
    with dg.DagsterInstance.ephemeral() as instance:
        assert partitions.register(instance, "audio", [MEDIA]) == [MEDIA]
        assert partitions.register(instance, "audio", [MEDIA]) == []
        with open_workshop(settings) as workshop:
            workshop.records.put(MEDIA, "media", media)
            result = run(workshop, instance, dg.AssetSelection.groups("audio"))
            assert result.success
            assert set(materialized(result)) == set(OUTPUTS["audio"])
            evaluations = result.get_asset_check_evaluations()
            assert evaluations
            assert {evaluation.partition for evaluation in evaluations} == {MEDIA}
            assert [evaluation.check_name for evaluation in evaluations if not evaluation.passed] == []
            first = workshop.records.output(MEDIA, "hls_64k")

        with open_workshop(settings) as workshop:
            result = run(workshop, instance, dg.AssetSelection.assets(["audio", "hls_64k"]))
            assert materialized(result) == ["hls_64k"]
            again = workshop.records.output(MEDIA, "hls_64k")
            assert first is not None
            assert again is not None
            assert (again.data_version, again.code_version) == (first.data_version, first.code_version)

        # Whatever happens to what is published is seen by the checks alone, with its numbers.
        waveform = f"{jobs.CREATOR}/waveforms/{MEDIA}/waveform.json"
        stores.assets.write(
            waveform,
            stores.assets.read(waveform).replace(b'"version":2', b'"version":1'),
            content_type="application/json",
        )
        with open_workshop(settings) as workshop:
            checks = dg.AssetSelection.checks_for_assets(["audio", "waveform_json"])
            result = run(workshop, instance, checks)
            assert result.get_asset_materialization_events() == []
            failed = [evaluation for evaluation in result.get_asset_check_evaluations() if not evaluation.passed]
            assert [evaluation.check_name for evaluation in failed] == ["files_as_recorded", "waveform_version"]
            assert failed[1].metadata["expected"].value == "2"
            assert failed[1].metadata["found"].value == "1"
            assert failed[1].partition == MEDIA

    # A fresh instance learns the media and its outputs from the archive's records.
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    with dg.DagsterInstance.ephemeral() as instance:
        media_of_the_archive(dg.build_sensor_context(instance=instance))
        assert instance.get_dynamic_partitions("audio_media") == [MEDIA]
        known = instance.get_materialized_partitions(dg.AssetKey(["audio", "hls_master"]))
        assert known == {MEDIA}
