"""Configuration: everything wrong is told at once, nothing is told of values, and leftovers are told from runs."""

from __future__ import annotations

import multiprocessing
from collections.abc import Mapping
from multiprocessing.connection import Connection
from pathlib import Path

import pytest

from codex_assets.build.encoders import EncoderMode
from codex_assets.config import settings as configuration
from codex_assets.config.workshop import open_workshop
from codex_assets.errors import ConfigurationError
from codex_assets.storage.directory import DirectoryStore
from codex_assets.storage.s3 import S3Store
from codex_assets.system.scratch import wipe_scratch

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
        configuration.load(environ)
    return error.value.public


def test_a_worker_with_real_stores() -> None:
    settings = configuration.load(REAL)

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
    settings = configuration.load({**REAL, "R2_ENDPOINT": "http://127.0.0.1:9000"})

    assert settings.locations is not None
    assert {place.role: place.endpoint for place in settings.locations} == {
        "archive": REAL["B2_ENDPOINT"],
        "media": "http://127.0.0.1:9000",
        "assets": "http://127.0.0.1:9000",
    }


def test_what_is_missing_or_empty_is_named_together() -> None:
    message = refused({**REAL, "R2_MEDIA_BUCKET": "", "B2_KEY_ID": "  ", "B2_REGION": "\n"})

    assert "R2_MEDIA_BUCKET, B2_KEY_ID, B2_REGION" in message
    assert "R2_ASSETS_BUCKET" not in message


def test_an_empty_environment_names_everything() -> None:
    message = refused({})

    assert all(name in message for name in configuration.REQUIRED)
    assert "STORAGE_DIR" in message


def test_local_and_real_stores_exclude_each_other(tmp_path: Path) -> None:
    message = refused({**REAL, "STORAGE_DIR": str(tmp_path)})

    assert "STORAGE_DIR" in message
    assert all(name in message for name in configuration.CREDENTIALS)


def test_an_empty_storage_dir_is_none() -> None:
    assert "R2_ACCOUNT_ID" in refused({"STORAGE_DIR": ""})


def test_references_that_were_not_resolved_are_named() -> None:
    message = refused(
        {
            **REAL,
            "B2_APPLICATION_KEY": "{{ RUNPOD_SECRET_b2_application_key }}",
            "WEBHOOK_SECRET": "{{ RUNPOD_SECRET_webhook }}",
        }
    )

    assert "B2_APPLICATION_KEY, WEBHOOK_SECRET" in message
    assert "RUNPOD_SECRET" not in message, "values are not repeated"


def test_everything_wrong_is_told_at_once() -> None:
    broken = {**REAL, "B2_REGION": "", "WEBHOOK_SIGNATURE": "md5", "VIDEO_ENCODER": "av1", "WEBHOOK_SECRET": "changeme"}

    message = refused(broken)

    assert all(name in message for name in ("B2_REGION", "WEBHOOK_SIGNATURE", "VIDEO_ENCODER", "WEBHOOK_SECRET"))
    assert "changeme" not in message


SPOILT = {
    "line break": "{}\n",
    "Windows's line break": "{}\r",
    "both": "{}\r\n",
    "space": "{} ",
    "space before": " {}",
    "tab": "\t{}",
    "double quotes": '"{}"',
    "single quotes": "'{}'",
    "one quote": '{}"',
    "backticks": "`{}`",
    "typographic quotes": "\u201c{}\u201d",
    "German quotes": "\u201e{}\u201c",
    "byte-order mark": "\ufeff{}",
    "zero-width space": "{}\u200b",
    "zero-width joiner before": "\u200d{}",
    "no-break space": "{}\u00a0",
    "narrow no-break space": "\u202f{}",
    "line separator": "{}\u2028",
    "null": "{}\0",
    "written line break": "{}\\n",
    "escape": "\x1b[0m{}",
}


@pytest.mark.parametrize("how", SPOILT)
def test_what_was_copied_with_a_setting_is_named(how: str) -> None:
    """In every variable at once: one error, all names, no value."""
    good = {
        **REAL,
        "R2_ENDPOINT": "https://acc0un7.r2.cloudflarestorage.com",
        "WEBHOOK_SECRET": "whsec_of_the_endpoint",
    }
    configuration.load(good)
    message = refused({name: SPOILT[how].format(value) for name, value in good.items()})
    assert "have spaces, line breaks or quotes at their ends" in message
    for name, value in good.items():
        assert name in message
        assert value not in message
        alone = refused({**good, name: SPOILT[how].format(value)})
        assert name in alone
        assert not [other for other in good if other != name and other in alone]


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("R2_ACCESS_KEY_ID", "abc def"),
        ("R2_SECRET_ACCESS_KEY", "abc\ndef"),
        ("B2_APPLICATION_KEY", "K004abc\u200bdef"),
        ("B2_KEY_ID", "0041аbc"),  # a Cyrillic a
        ("B2_KEY_ID", "0041\u00a0bc"),
        ("R2_MEDIA_BUCKET", "codex\u2011media"),
        ("R2_ACCOUNT_ID", 'ac"c'),
        ("WEBHOOK_SECRET", "one\ntwo"),
        ("WEBHOOK_SECRET", "one\u200btwo"),
        ("WEBHOOK_SECRET", "one\u00a0two"),
        ("WEBHOOK_SECRET", "one\ttwo"),
    ],
)
def test_what_no_setting_holds_inside_is_named(name: str, value: str) -> None:
    message = refused({**REAL, name: value})
    assert f"do not belong into them: {name}" in message
    assert value not in message


def test_a_secret_may_be_a_sentence_in_any_language() -> None:
    for secret in ("four words of a sentence", "Schlüssel für Übertragung", 'it\'s "quoted" within', "ключ: 🎬🎬"):
        assert configuration.load({**REAL, "WEBHOOK_SECRET": secret}).webhook_secret is not None


@pytest.mark.parametrize("line", ["R2_ACCESS_KEY_ID=abc", "export R2_ACCESS_KEY_ID=abc", "\ufeffWEBHOOK_SECRET = abc"])
def test_a_line_of_a_file_is_no_value(line: str) -> None:
    assert "hold a line of a file (NAME=value) instead of the value: R2_ACCESS_KEY_ID" in refused(
        {**REAL, "R2_ACCESS_KEY_ID": line}
    )


@pytest.mark.parametrize("spelt", ["export {}", "\ufeff{}", "{} ", " {}", '"{}"', "{}\r", "set {}"])
def test_a_variable_whose_name_is_nearly_right_is_named(spelt: str) -> None:
    environ = {spelt.format(name) if name == "B2_REGION" else name: value for name, value in REAL.items()}
    message = refused(environ)
    assert "missing or empty: B2_REGION" in message
    assert f"not exactly those that are needed: {spelt.format('B2_REGION')!a}" in message


def test_what_nobody_can_see_is_empty() -> None:
    message = refused({**REAL, "B2_REGION": "\u200b", "B2_KEY_ID": "\ufeff\u00a0", "WEBHOOK_SECRET": "\u2060"})
    assert "missing or empty: B2_KEY_ID, B2_REGION" in message
    assert "WEBHOOK_SECRET is empty" in message


def test_a_switch_is_not_guessed() -> None:
    assert "WEBHOOK_ALLOW_PRIVATE has to be" in refused({**REAL, "WEBHOOK_ALLOW_PRIVATE": "true"})


def test_a_local_run_is_judged_too(tmp_path: Path) -> None:
    message = refused({"STORAGE_DIR": f"{tmp_path}\n", "R2_MEDIA_BUCKET": "a/b", "R2_ASSETS_BUCKET": "codex-archive"})
    assert "quotes at their ends: STORAGE_DIR" in message
    assert "bucket's name alone: R2_MEDIA_BUCKET" in message
    assert "B2_BUCKET_NAME and R2_ASSETS_BUCKET are one name" in message


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"B2_ENDPOINT": "s3.eu-central-003.backblazeb2.com"}, "B2_ENDPOINT needs its scheme"),
        ({"B2_ENDPOINT": "//s3.eu-central-003.backblazeb2.com"}, "B2_ENDPOINT needs its scheme"),
        ({"B2_ENDPOINT": "s3://s3.eu-central-003.backblazeb2.com"}, "B2_ENDPOINT has to be an https URL"),
        ({"B2_ENDPOINT": "https//s3.eu-central-003.backblazeb2.com"}, "B2_ENDPOINT needs its scheme"),
        ({"B2_ENDPOINT": "https://"}, "B2_ENDPOINT is no URL"),
        ({"B2_ENDPOINT": "https://[::1"}, "B2_ENDPOINT is no URL"),
        ({"B2_ENDPOINT": "https://store..example"}, "B2_ENDPOINT is no URL"),
        ({"B2_ENDPOINT": "https://s3.eu-central-003.backblazeb2.com/codex-archive-prod"}, "must not hold the bucket"),
        ({"B2_ENDPOINT": "https://s3.eu-central-003.backblazeb2.com/codex-archive-prod/"}, "must not hold the bucket"),
        ({"B2_ENDPOINT": "https://codex-archive-prod.s3.eu-central-003.backblazeb2.com"}, "must not hold the bucket"),
        ({"B2_ENDPOINT": "https://other.s3.eu-central-003.backblazeb2.com"}, "without the bucket"),
        ({"B2_ENDPOINT": "https://s3.eu-central-003.backblazeb2.com/file"}, "B2_ENDPOINT must not have a path"),
        ({"B2_ENDPOINT": "https://f003.backblazeb2.com"}, "B2_ENDPOINT has to be https://s3.REGION.backblazeb2.com"),
        ({"B2_ENDPOINT": "https://s3.us-west-004.backblazeb2.com"}, "B2_REGION is not the region"),
        ({"B2_REGION": "us-west-004"}, "B2_REGION is not the region"),
        ({"B2_REGION": "auto"}, "B2_REGION is not the region"),
        ({"B2_REGION": "EU-Central-003"}, "B2_REGION has to be a region's name"),
        ({"B2_REGION": "https://s3.eu-central-003.backblazeb2.com"}, "B2_REGION has to be a region's name"),
        ({"B2_ENDPOINT": "http://s3.eu-central-003.backblazeb2.com"}, "B2_ENDPOINT has to be https"),
        ({"B2_ENDPOINT": "https://s3.eu-central-003.backblazeb2.com:80"}, "B2_ENDPOINT has a wrong port"),
        ({"B2_ENDPOINT": "https://s3.eu-central-003.backblazeb2.com:8443"}, "B2_ENDPOINT has to be https, and without"),
        ({"B2_ENDPOINT": "https://store.example:0"}, "B2_ENDPOINT has a wrong port"),
        ({"B2_ENDPOINT": "https://store.example:99999"}, "B2_ENDPOINT is no URL"),
        ({"B2_ENDPOINT": "https://store.example:"}, "B2_ENDPOINT has a wrong port"),
        ({"B2_ENDPOINT": "http://store.example:443"}, "B2_ENDPOINT has a wrong port"),
        ({"B2_ENDPOINT": "https://key:hush@s3.eu-central-003.backblazeb2.com"}, "must not carry user info"),
        ({"B2_ENDPOINT": "https://s3.eu-central-003.backblazeb2.com?x=1"}, "must not carry a query"),
        ({"B2_ENDPOINT": "https://s3.eu-central-003.backblazeb2.com/#x"}, "must not carry a query"),
        ({"B2_ENDPOINT": "https://s3.xxx.backblazeb2.com"}, "B2_ENDPOINT holds a placeholder"),
        ({"B2_ENDPOINT": "https://acc0un7.r2.cloudflarestorage.com"}, "B2_ENDPOINT is an address of R2"),
        ({"R2_ENDPOINT": "https://s3.eu-central-003.backblazeb2.com"}, "R2_ENDPOINT is an address of B2"),
        ({"R2_ENDPOINT": "acc0un7.r2.cloudflarestorage.com"}, "R2_ENDPOINT needs its scheme"),
        ({"R2_ENDPOINT": "https://acc0un7.r2.cloudflarestorage.com/codex-media-prod"}, "must not hold the bucket"),
        ({"R2_ENDPOINT": "https://codex-assets-prod.acc0un7.r2.cloudflarestorage.com"}, "must not hold the bucket"),
        ({"R2_ENDPOINT": "https://any.acc0un7.r2.cloudflarestorage.com"}, "without the bucket"),
        ({"R2_ENDPOINT": "https://other.r2.cloudflarestorage.com"}, "another account than R2_ACCOUNT_ID"),
        ({"R2_ENDPOINT": "https://pub-0a1b.r2.dev"}, "R2_ENDPOINT has to be https://ACCOUNT.r2.cloudflarestorage.com"),
        ({"R2_ENDPOINT": "https://codex-media-prod.store.example"}, "must not hold the bucket"),
        ({"R2_ENDPOINT": "http://acc0un7.r2.cloudflarestorage.com"}, "R2_ENDPOINT has to be https"),
        ({"R2_ENDPOINT": "https://your-account-id.r2.cloudflarestorage.com"}, "R2_ENDPOINT holds a placeholder"),
        ({"R2_ACCOUNT_ID": "acc0un7.r2.cloudflarestorage.com"}, "R2_ACCOUNT_ID has to be the account's id alone"),
        ({"R2_MEDIA_BUCKET": "codex-assets-prod"}, "R2_MEDIA_BUCKET and R2_ASSETS_BUCKET are one bucket"),
        ({"R2_MEDIA_BUCKET": "Codex-Assets-Prod"}, "R2_MEDIA_BUCKET and R2_ASSETS_BUCKET are one bucket"),
        ({"R2_MEDIA_BUCKET": "codex-archive-prod"}, "B2_BUCKET_NAME and R2_MEDIA_BUCKET are one name"),
        ({"R2_MEDIA_BUCKET": "s3://codex-media-prod"}, "bucket's name alone: R2_MEDIA_BUCKET"),
        ({"R2_MEDIA_BUCKET": "codex-media-prod/hls"}, "bucket's name alone: R2_MEDIA_BUCKET"),
    ],
)
def test_an_address_that_cannot_be_meant_is_named(changes: dict[str, str], message: str) -> None:
    public = refused({**REAL, **changes})
    assert message in public
    assert "hush" not in public


@pytest.mark.parametrize(
    "changes",
    [
        {"R2_ENDPOINT": "https://acc0un7.eu.r2.cloudflarestorage.com"},
        {"R2_ENDPOINT": "https://ACC0UN7.r2.cloudflarestorage.com/"},
        {"R2_ENDPOINT": "https://acc0un7.r2.cloudflarestorage.com:443"},
        {"R2_ENDPOINT": "http://127.0.0.1:9000", "B2_ENDPOINT": "http://[::1]:9000", "B2_REGION": "us-east-1"},
        {"R2_ENDPOINT": "http://minio:9000/", "B2_ENDPOINT": "https://object_store.internal:8443"},
    ],
)
def test_addresses_that_are_meant(changes: dict[str, str]) -> None:
    assert configuration.load({**REAL, **changes}).locations is not None


def test_defaults_of_a_local_run(tmp_path: Path) -> None:
    settings = configuration.load({"STORAGE_DIR": str(tmp_path), "TMPDIR": str(tmp_path / "tmp"), "PATH": "/usr/bin"})

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
    settings = configuration.load(
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
    settings = configuration.load({**REAL, "WEBHOOK_SECRET": "whsec_of_the_endpoint", "PATH": "/usr/bin"})

    secrets = {secret.get_secret_value() for secret in settings.secrets()}
    credentials = {REAL[name] for name in configuration.CREDENTIALS}
    assert secrets == {*credentials, "whsec_of_the_endpoint"}
    assert not [secret for secret in secrets if secret in repr(settings)]
    assert settings.tool_environment == {"PATH": "/usr/bin"}


def test_a_broken_environment_still_tells_how_to_answer() -> None:
    payload, delivery = configuration.reply_policies(
        {"WEBHOOK_SECRET": "whsec_of_the_endpoint", "WEBHOOK_SIGNATURE": "timestamped", "WEBHOOK_ALLOW_PRIVATE": "1"}
    )

    assert payload.default_secret is not None
    assert payload.allow_private_webhook
    assert (delivery.signature, delivery.allow_private) == ("timestamped", True)
    for secret in (" ", "whsec_of_the_endpoint\n", '"whsec_of_the_endpoint"', "\ufeffwhsec"):
        payload, delivery = configuration.reply_policies({"WEBHOOK_SIGNATURE": "md5", "WEBHOOK_SECRET": secret})
        assert payload.default_secret is None, "nobody could verify what it signs"
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

    assert configuration.prepare_environment() == level


# --- Scratch ----------------------------------------------------------------------------------------------------------


def _hold(environ: dict[str, str], pipe: Connection) -> None:
    with open_workshop(configuration.load(environ)) as workshop:
        pipe.send(workshop.workspace.root.name)
        pipe.recv()


def test_scratch_of_dead_runs_is_removed_and_that_of_living_ones_stays(tmp_path: Path) -> None:
    environ = {"STORAGE_DIR": str(tmp_path / "stores"), "TMPDIR": str(tmp_path)}
    spawn = multiprocessing.get_context("spawn")
    ours, theirs = spawn.Pipe()
    other = spawn.Process(target=_hold, args=(environ, theirs), daemon=True)
    other.start()
    scratch = configuration.load(environ).scratch
    with open_workshop(configuration.load(environ)) as workshop:
        elsewhere = ours.recv()
        here = workshop.workspace.root.name
        (scratch / "run-of-long-ago" / "copies").mkdir(parents=True)
        (scratch / "not-of-a-run").mkdir()

        wipe_scratch(scratch)
        assert {path.name for path in scratch.iterdir()} == {here, elsewhere, "not-of-a-run"}

        other.kill()
        other.join()
        wipe_scratch(scratch)
        assert {path.name for path in scratch.iterdir()} == {here, "not-of-a-run"}
    assert {path.name for path in scratch.iterdir()} == {"not-of-a-run"}


def test_wiping_scratch_that_is_not_there(tmp_path: Path) -> None:
    wipe_scratch(tmp_path / "nowhere")
