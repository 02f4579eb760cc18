"""The graph as Dagster sees it: keys, partitions, single outputs, checks that run alone, a fresh instance."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import replace
from pathlib import Path

import dagster as dg
import jobs
import pytest

from codex_assets.archive.findings import Finding
from codex_assets.archive.records import MediaRecord, OutputRecord
from codex_assets.config import settings as configuration
from codex_assets.config.workshop import Workshop, open_workshop
from codex_assets.contract.names import ASSETS
from codex_assets.definitions import defs
from codex_assets.defs import asset_checks, partitions
from codex_assets.defs.assets import ORIGINALS, PRODUCERS
from codex_assets.defs.sensors import import_from_archive
from codex_assets.errors import VerificationError
from codex_assets.media import recipe
from codex_assets.media.outputs import OUTPUTS, wanted
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


def test_an_output_has_two_checks_at_most() -> None:
    graph = defs.resolve_asset_graph()
    for kind, outputs in OUTPUTS.items():
        for output in outputs:
            names = {key.name for key in graph.asset_check_keys if key.asset_key == dg.AssetKey([kind, output])}
            severities = {rule.severity for rule in asset_checks.rules(output)}
            assert names == {name for name, severity in asset_checks.CHECKS.items() if severity in severities}
    for key in graph.asset_check_keys:
        description = graph.get_check_spec(key).description or ""
        assert ("Nothing that fails one of them is published." in description) == (key.name == asset_checks.MUST)
        assert "codex-assets failing" in description


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
            assert set(materialized(result)) == set(wanted("audio"))
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
            (evaluation,) = failed
            assert (evaluation.check_name, evaluation.partition) == (asset_checks.MUST, MEDIA)
            table = evaluation.metadata["failed"]
            assert isinstance(table, dg.TableMetadataValue)
            rows = {row.data["rule"]: row.data for row in table.records}
            assert set(rows) == {"files_as_recorded", "waveform_version"}
            assert (rows["waveform_version"]["expected"], rows["waveform_version"]["found"]) == ("2", "1")
            assert rows["waveform_version"]["page"] == "docs/verification.md#waveform_version"
            assert evaluation.metadata["waveform_version"].value == 1.0
            assert evaluation.metadata["rules_failed"].value == 2
            assert evaluation.description is not None
            assert "waveform_version: " in evaluation.description

    # A fresh instance learns the media and its outputs from the archive's records.
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    with dg.DagsterInstance.ephemeral() as instance:
        import_from_archive(dg.build_sensor_context(instance=instance))
        assert instance.get_dynamic_partitions("audio_media") == [MEDIA]
        known = instance.get_materialized_partitions(dg.AssetKey(["audio", "hls_master"]))
        assert known == {MEDIA}


class RefusingBuilder:
    """Builds an output, and refuses it."""

    FAILED = Finding(
        False, "A segment is too long.", "at most 6 s", "9.1 s", "segment 3", output="hls_64k", rule="segment_length"
    )

    def build(self, media: MediaRecord, outputs: Collection[str]) -> Iterator[OutputRecord]:
        raise VerificationError([self.FAILED])
        yield

    def plan(self, media: MediaRecord, outputs: Collection[str]) -> None: ...


def test_an_output_that_was_refused_is_a_failed_run_and_no_failed_check(tmp_path: Path) -> None:
    """What is published stays as it was, and nothing is said of it."""
    settings = configuration.load(jobs.local_environment(tmp_path))
    media = MediaRecord(
        media_id=MEDIA, creator_id=jobs.CREATOR, media_type="audio", input_role="archive", input_key="originals/a"
    )
    with dg.DagsterInstance.ephemeral() as instance, open_workshop(settings) as workshop:
        partitions.register(instance, "audio", [MEDIA])
        workshop.records.put(MEDIA, "media", media)
        refusing = replace(workshop, builder=RefusingBuilder())
        result = run(refusing, instance, dg.AssetSelection.assets(["audio", "hls_64k"]))
    assert not result.success
    assert result.get_asset_check_evaluations() == []
    (failure,) = [event.step_failure_data.user_failure_data for event in result.all_events if event.is_step_failure]
    assert failure is not None
    table = failure.metadata["failed"]
    assert isinstance(table, dg.TableMetadataValue)
    (row,) = table.records
    assert row.data == {
        "output": "hls_64k",
        "rule": "segment_length",
        "message": "A segment is too long.",
        "expected": "at most 6 s",
        "found": "9.1 s",
        "where": "segment 3",
        "page": "docs/verification.md#segment_length",
    }
