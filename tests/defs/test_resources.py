"""Resources: each variable that is set is seen as a reference to it, and no value is kept."""

from __future__ import annotations

import json
from pathlib import Path

import dagster as dg
import jobs
import pytest

from codex_assets.config.variables import DispatchVariables, Variables
from codex_assets.config.workshop import Workshop
from codex_assets.defs import partitions, resources
from codex_assets.defs.assets import PRODUCERS

SET = {"R2_SECRET_ACCESS_KEY": "secret-of-r2", "B2_BUCKET_NAME": "archive-of-all", "VIDEO_ENCODER": "x264"}


def test_a_variable_that_is_set_is_a_reference_and_another_is_none() -> None:
    made = resources.of_environment(SET)
    assert made["r2"].secret_access_key == dg.EnvVar("R2_SECRET_ACCESS_KEY")
    assert made["r2"].account_id is None
    assert made["workshop"].video_encoder == dg.EnvVar("VIDEO_ENCODER")
    shown = json.dumps([made[name]._resolved_config_dict for name in ("r2", "b2", "workshop")], default=str)
    assert "R2_SECRET_ACCESS_KEY" in shown
    assert not any(value in shown for value in ("secret-of-r2", "archive-of-all"))


def test_every_field_is_a_variable() -> None:
    known = {name.upper() for name in (*Variables.model_fields, *DispatchVariables.model_fields)}
    made = resources.of_environment({})
    for resource in made.values():
        own = {f"{resource.prefix}{name}".upper() for name in type(resource).model_fields if name not in made}
        assert own <= known


def test_a_field_outranks_the_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in jobs.local_environment(tmp_path / "environment").items():
        monkeypatch.setenv(name, value)
    seen: list[Workshop] = []

    @dg.op
    def look(workshop: dg.ResourceParam[Workshop]) -> None:
        seen.append(workshop)

    @dg.job(resource_defs=resources.of_environment({}) | {"workshop": resources.WorkshopResource(
        r2=resources.CloudflareR2(), b2=resources.BackblazeB2(bucket_name="another-archive"),
        runpod=resources.RunPod(), storage_dir=str(tmp_path / "field"),
    )})  # fmt: skip
    def looking() -> None:
        look()

    assert looking.execute_in_process().success
    (workshop,) = seen
    assert workshop.stores.archive.bucket == "another-archive"
    assert workshop.links.uri("archive", "k").startswith((tmp_path / "field").as_uri())


def test_a_run_has_the_tags_of_its_media(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Also one that fails: it is runs by its creator."""
    for name, value in jobs.local_environment(tmp_path / "stores").items():
        monkeypatch.setenv(name, value)
    from codex_assets.archive.records import MediaRecord
    from codex_assets.config import settings as configuration

    stores = configuration.load().stores()
    media = MediaRecord(
        media_id="m1", creator_id="ann", media_type="video", input_role="archive", input_key="originals/ann/m1/o.mp4"
    )
    from codex_assets.archive.store import RecordStore

    RecordStore(stores.archive).put("m1", "media", media)
    (tmp_path / "home").mkdir()
    with dg.DagsterInstance.local_temp(str(tmp_path / "home")) as instance:
        partitions.register(instance, "video", ["m1"])
        result = dg.materialize(
            [PRODUCERS["video"]],
            selection=dg.AssetSelection.assets(["video", "thumbnail"]),
            instance=instance,
            resources=resources.of_environment({}),
            tags={"dagster/partition": "m1"},
            raise_on_error=False,
        )
        assert not result.success
        runs = instance.get_runs(dg.RunsFilter(tags={"creator": "ann", "media_type": "video"}))
        assert [run.run_id for run in runs] == [result.run_id]
