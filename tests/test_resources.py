"""Configuration: everything wrong is told at once, nothing is told of values, and leftovers are told from runs."""

from __future__ import annotations

import multiprocessing
from collections.abc import Mapping
from multiprocessing.connection import Connection
from pathlib import Path

import pytest

from codex_assets import resources
from codex_assets.delivery.storage import DirectoryStore, S3Store
from codex_assets.encoders import EncoderMode
from codex_assets.errors import ConfigurationError

REAL: Mapping[str, str] = {
    "R2_ACCOUNT_ID": "acc0un7",
    "R2_ACCESS_KEY_ID": "r2-access-key",
    "R2_SECRET_ACCESS_KEY": "r2-secret-key",
    "R2_MEDIA_BUCKET": "codex-media-prod",
    "R2_ASSETS_BUCKET": "codex-assets-prod",
    "B2_KEY_ID": "b2-key-id",
    "B2_APPLICATION_KEY": "b2-application-key",
    "B2_BUCKET_NAME": "codex-archive-prod",
    "B2_ENDPOINT": "https://s3.eu-central-003.backblazeb2.com",
    "B2_REGION": "eu-central-003",
}


def refused(environ: Mapping[str, str]) -> str:
    with pytest.raises(ConfigurationError) as error:
        resources.load(environ)
    return error.value.public


def test_a_worker_with_real_stores() -> None:
    settings = resources.load(REAL)

    stores = settings.stores()
    assert all(isinstance(store, S3Store) for store in (stores.archive, stores.media, stores.assets))
    assert (stores.archive.bucket, stores.media.bucket, stores.assets.bucket) == (
        "codex-archive-prod",
        "codex-media-prod",
        "codex-assets-prod",
    )
    assert settings.locations is not None
    archive, media, assets = settings.locations
    assert (archive.endpoint, archive.region, archive.versioned) == (REAL["B2_ENDPOINT"], "eu-central-003", True)
    assert media.endpoint == assets.endpoint == "https://acc0un7.r2.cloudflarestorage.com"
    assert (media.region, media.versioned) == ("auto", False)


def test_r2_can_be_elsewhere() -> None:
    settings = resources.load({**REAL, "R2_ENDPOINT": "http://127.0.0.1:9000"})

    assert settings.locations is not None
    assert {place.role: place.endpoint for place in settings.locations} == {
        "archive": REAL["B2_ENDPOINT"],
        "media": "http://127.0.0.1:9000",
        "assets": "http://127.0.0.1:9000",
    }


def test_what_is_missing_or_empty_is_named_together() -> None:
    told = refused({**REAL, "R2_MEDIA_BUCKET": "", "B2_KEY_ID": "  ", "B2_REGION": "\n"})

    assert "R2_MEDIA_BUCKET, B2_KEY_ID, B2_REGION" in told
    assert "R2_ASSETS_BUCKET" not in told


def test_an_empty_environment_names_everything() -> None:
    told = refused({})

    assert all(name in told for name in resources.REQUIRED)
    assert "STORAGE_DIR" in told


def test_local_and_real_stores_exclude_each_other(tmp_path: Path) -> None:
    told = refused({**REAL, "STORAGE_DIR": str(tmp_path)})

    assert "STORAGE_DIR" in told
    assert all(name in told for name in resources.CREDENTIALS)


def test_an_empty_storage_dir_is_none() -> None:
    assert "R2_ACCOUNT_ID" in refused({"STORAGE_DIR": ""})


def test_references_that_were_not_resolved_are_named() -> None:
    told = refused(
        {
            **REAL,
            "B2_APPLICATION_KEY": "{{ RUNPOD_SECRET_b2_application_key }}",
            "WEBHOOK_SECRET": "{{ RUNPOD_SECRET_webhook }}",
        }
    )

    assert "B2_APPLICATION_KEY, WEBHOOK_SECRET" in told
    assert "RUNPOD_SECRET" not in told, "values are not repeated"


def test_everything_wrong_is_told_at_once() -> None:
    broken = {**REAL, "B2_REGION": "", "WEBHOOK_SIGNATURE": "md5", "VIDEO_ENCODER": "av1", "WEBHOOK_SECRET": "changeme"}

    told = refused(broken)

    assert all(name in told for name in ("B2_REGION", "WEBHOOK_SIGNATURE", "VIDEO_ENCODER", "WEBHOOK_SECRET"))
    assert "changeme" not in told


def test_defaults_of_a_local_run(tmp_path: Path) -> None:
    settings = resources.load({"STORAGE_DIR": str(tmp_path), "TMPDIR": str(tmp_path / "tmp"), "PATH": "/usr/bin"})

    stores = settings.stores()
    assert isinstance(stores.archive, DirectoryStore)
    assert (stores.archive.bucket, stores.media.bucket, stores.assets.bucket) == (
        "codex-archive",
        "codex-media-local",
        "codex-assets-local",
    )
    assert settings.video_encoder is EncoderMode.AUTO
    assert settings.webhook_secret is None
    assert settings.scratch == tmp_path / "tmp" / "codex-assets"
    policy = settings.payload_policy()
    assert (policy.archive_bucket, policy.allow_private_webhook) == ("codex-archive", False)
    assert settings.delivery_policy().signature == "body"


def test_options_are_taken(tmp_path: Path) -> None:
    settings = resources.load(
        {
            "STORAGE_DIR": str(tmp_path),
            "B2_BUCKET_NAME": "other-archive",
            "WEBHOOK_SECRET": "whsec_of_the_endpoint",
            "WEBHOOK_SIGNATURE": "timestamped",
            "WEBHOOK_ALLOW_PRIVATE": "1",
            "VIDEO_ENCODER": "nvenc",
        }
    )

    assert settings.archive_bucket == "other-archive"
    assert settings.video_encoder is EncoderMode.NVENC
    delivery = settings.delivery_policy()
    assert (delivery.signature, delivery.allow_private) == ("timestamped", True)
    default = settings.payload_policy().default_secret
    assert default is not None
    assert default.get_secret_value() == "whsec_of_the_endpoint"


def test_secrets_are_neither_shown_nor_passed_on() -> None:
    settings = resources.load({**REAL, "WEBHOOK_SECRET": "whsec_of_the_endpoint", "PATH": "/usr/bin"})

    secrets = {secret.get_secret_value() for secret in settings.secrets()}
    credentials = {REAL[name] for name in resources.CREDENTIALS}
    assert secrets == {*credentials, "whsec_of_the_endpoint"}
    assert not [secret for secret in secrets if secret in repr(settings)]
    assert settings.tool_environment == {"PATH": "/usr/bin"}


def test_a_broken_environment_still_tells_how_to_answer() -> None:
    payload, delivery = resources.reply_policies(
        {"WEBHOOK_SECRET": "whsec_of_the_endpoint", "WEBHOOK_SIGNATURE": "timestamped", "WEBHOOK_ALLOW_PRIVATE": "1"}
    )

    assert payload.default_secret is not None
    assert payload.allow_private_webhook
    assert (delivery.signature, delivery.allow_private) == ("timestamped", True)
    payload, delivery = resources.reply_policies({"WEBHOOK_SIGNATURE": "md5", "WEBHOOK_SECRET": " "})
    assert payload.default_secret is None
    assert (delivery.signature, delivery.allow_private) == ("body", False)


@pytest.mark.parametrize(
    ("given", "level"), [(None, "INFO"), ("debug", "DEBUG"), ("WARN", "WARN"), ("warning", "INFO"), ("", "INFO")]
)
def test_the_sdks_log_level_is_one_that_it_knows(
    monkeypatch: pytest.MonkeyPatch, given: str | None, level: str
) -> None:
    monkeypatch.delenv("RUNPOD_LOG_LEVEL", raising=False)
    if given is not None:
        monkeypatch.setenv("RUNPOD_LOG_LEVEL", given)

    assert resources.prepare_environment() == level


# --- Scratch ----------------------------------------------------------------------------------------------------------


def _hold(environ: dict[str, str], pipe: Connection) -> None:
    with resources.workshop(resources.load(environ)) as workshop:
        pipe.send(workshop.workspace.root.name)
        pipe.recv()


def test_scratch_of_dead_runs_is_removed_and_that_of_living_ones_stays(tmp_path: Path) -> None:
    environ = {"STORAGE_DIR": str(tmp_path / "stores"), "TMPDIR": str(tmp_path)}
    spawn = multiprocessing.get_context("spawn")
    ours, theirs = spawn.Pipe()
    other = spawn.Process(target=_hold, args=(environ, theirs), daemon=True)
    other.start()
    scratch = resources.load(environ).scratch
    with resources.workshop(resources.load(environ)) as workshop:
        elsewhere = ours.recv()
        here = workshop.workspace.root.name
        (scratch / "run-of-long-ago" / "copies").mkdir(parents=True)
        (scratch / "not-of-a-run").mkdir()

        resources.wipe_scratch(scratch)
        assert {path.name for path in scratch.iterdir()} == {here, elsewhere, "not-of-a-run"}

        other.kill()
        other.join()
        resources.wipe_scratch(scratch)
        assert {path.name for path in scratch.iterdir()} == {here, "not-of-a-run"}
    assert {path.name for path in scratch.iterdir()} == {"not-of-a-run"}


def test_wiping_scratch_that_is_not_there(tmp_path: Path) -> None:
    resources.wipe_scratch(tmp_path / "nowhere")
