"""What a machine has set up for AWS is not for our stores: a real client of a real S3 server, on machines that have it.

Proxies and CA bundles are the exception: without them a machine reaches nothing.
"""

from __future__ import annotations

import json
import ssl
from collections.abc import Callable, Iterator
from pathlib import Path

import certificates
import pytest
import s3_server
from pydantic import SecretStr
from store_front import Front, front

from codex_assets.errors import StorageError
from codex_assets.storage import s3_client
from codex_assets.storage.locations import S3Location
from codex_assets.storage.s3 import S3Store

KEY = "c1/object.txt"
ELSEWHERE = "http://127.0.0.1:9"
"""Where nobody answers."""
CONFIG = f"""
[default]
region = mars-north-1
endpoint_url = {ELSEWHERE}
ca_bundle = /nowhere/ca.pem
retry_mode = no-such-mode
max_attempts = 0
defaults_mode = auto
request_checksum_calculation = when_supported
response_checksum_validation = when_supported
use_fips_endpoint = true
use_dualstack_endpoint = true
parameter_validation = false
signature_version = s3
s3 =
  addressing_style = virtual
  use_accelerate_endpoint = true
  payload_signing_enabled = true
  endpoint_url = {ELSEWHERE}
services = odd
[services odd]
s3 =
  endpoint_url = {ELSEWHERE}
[profile work]
credential_process = /bin/false
sso_session = nowhere
role_arn = arn:aws:iam::1:role/x
source_profile = work
"""


@pytest.fixture(scope="module")
def endpoint() -> Iterator[str]:
    with s3_server.s3_server() as url:
        yield url


@pytest.fixture(autouse=True)
def fresh(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[None]:
    """A home of its own, and no session of another test."""
    monkeypatch.setenv("HOME", str(tmp_path))
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY", "ALL_PROXY", "AWS_CA_BUNDLE", "REQUESTS_CA_BUNDLE"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.lower(), raising=False)
    s3_client._session.cache_clear()
    yield
    s3_client._session.cache_clear()


def store(endpoint: str, bucket: str) -> S3Store:
    keys = SecretStr(s3_server.ACCESS_KEY), SecretStr(s3_server.SECRET_KEY)
    return S3Store(S3Location("media", bucket, endpoint, s3_server.REGION, *keys, versioned=False), attempts=2)


@pytest.fixture
def bucket(endpoint: str) -> str:
    """Made before the environment is, which the test's own client would suffer from."""
    return s3_server.bucket(endpoint)


def works(url: str, bucket: str) -> S3Store:
    """A store at `url` that is written, read and emptied."""
    made = store(url, bucket)
    made.write(KEY, b"here", content_type="text/plain")
    assert made.read(KEY) == b"here"
    assert [stored_object.key for stored_object in made.list("")] == [KEY]
    made.delete(KEY)
    return made


def broken_config(folder: Path) -> None:
    (folder / ".aws").mkdir()
    (folder / ".aws" / "config").write_text("[default\nregion", encoding="utf-8")
    (folder / ".aws" / "credentials").write_bytes(b"\xff\xfe[default]\n")


def odd_config(folder: Path) -> None:
    (folder / ".aws").mkdir()
    (folder / ".aws" / "config").write_text(CONFIG, encoding="utf-8")
    (folder / ".aws" / "credentials").write_text(
        "[default]\naws_access_key_id = other\naws_secret_access_key = other\naws_session_token = other\n", "utf-8"
    )


def odd_model(folder: Path) -> None:
    models = folder / ".aws" / "models"
    for name in ("s3/2006-03-01", "s3/2099-01-01"):
        (models / name).mkdir(parents=True)
        (models / name / "service-2.json").write_text(json.dumps({"version": "2.0"}), encoding="utf-8")
    (models / "endpoints.json").write_text("{}", encoding="utf-8")


@pytest.mark.parametrize(
    ("home", "variables"),
    [
        (None, {"AWS_PROFILE": "no-such-profile"}),
        (None, {"AWS_DEFAULT_PROFILE": "no-such-profile"}),
        (odd_config, {}),
        (odd_config, {"AWS_PROFILE": "work"}),
        (broken_config, {}),
        (odd_model, {}),
        (None, {"AWS_CONFIG_FILE": "config"}),
        (None, {"AWS_SHARED_CREDENTIALS_FILE": "config"}),
        (None, {"AWS_DATA_PATH": "models"}),
        (None, {"AWS_ENDPOINT_URL": ELSEWHERE}),
        (None, {"AWS_ENDPOINT_URL_S3": ELSEWHERE, "AWS_IGNORE_CONFIGURED_ENDPOINT_URLS": "perhaps"}),
        (None, {"AWS_DEFAULT_REGION": "mars-north-1", "AWS_REGION": "not a region"}),
        (None, {"AWS_ACCESS_KEY_ID": "other", "AWS_SECRET_ACCESS_KEY": "other", "AWS_SESSION_TOKEN": "other"}),
        (None, {"AWS_MAX_ATTEMPTS": "many", "AWS_RETRY_MODE": "no-such-mode"}),
        (None, {"AWS_MAX_ATTEMPTS": "0", "AWS_RETRY_MODE": "legacy"}),
        (None, {"AWS_REQUEST_CHECKSUM_CALCULATION": "when_supported", "AWS_RESPONSE_CHECKSUM_VALIDATION": "x"}),
        (None, {"AWS_USE_FIPS_ENDPOINT": "true", "AWS_USE_DUALSTACK_ENDPOINT": "true"}),
        (None, {"AWS_S3_USE_ARN_REGION": "perhaps", "AWS_S3_US_EAST_1_REGIONAL_ENDPOINT": "legacy"}),
        (None, {"AWS_DEFAULTS_MODE": "auto", "AWS_EC2_METADATA_SERVICE_ENDPOINT": ELSEWHERE}),
        (None, {"AWS_DEFAULTS_MODE": "no-such-mode"}),
        (None, {"AWS_AUTH_SCHEME_PREFERENCE": "sigv4a,nothing", "AWS_SIGV4A_SIGNING_REGION_SET": "*"}),
        (None, {"AWS_CONTAINER_CREDENTIALS_FULL_URI": ELSEWHERE, "AWS_WEB_IDENTITY_TOKEN_FILE": "/nowhere"}),
        (None, {"AWS_SDK_UA_APP_ID": "x" * 100, "AWS_EXECUTION_ENV": "AWS_Lambda\n"}),
        (None, {"AWS_REQUEST_MIN_COMPRESSION_SIZE_BYTES": "x", "AWS_DISABLE_REQUEST_COMPRESSION": "x"}),
        (None, {"AWS_ACCOUNT_ID_ENDPOINT_MODE": "x", "AWS_DISABLE_HOST_PREFIX_INJECTION": "x"}),
        (None, {"AWS_S3_DISABLE_EXPRESS_SESSION_AUTH": "x", "AWS_ENDPOINT_DISCOVERY_ENABLED": "x"}),
        (None, {"AWS_CSM_ENABLED": "true", "AWS_METADATA_SERVICE_TIMEOUT": "x", "BOTOCORE_TCP_KEEPALIVE": "x"}),
    ],
)
def test_the_machines_aws_setup_changes_nothing(
    endpoint: str,
    bucket: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    home: Callable[[Path], None] | None,
    variables: dict[str, str],
) -> None:
    (tmp_path / "config").write_text(CONFIG.replace("[default]", "[default]\naws_access_key_id = other"), "utf-8")
    odd_model(tmp_path / "elsewhere")
    (tmp_path / "models").symlink_to(tmp_path / "elsewhere" / ".aws" / "models")
    if home is not None:
        home(tmp_path)
    for name, value in variables.items():
        monkeypatch.setenv(name, str(tmp_path / value) if value in {"config", "models"} else value)
    with front(endpoint) as between:
        works(between.url, bucket)
    for asked in between.asked:
        assert "other" not in asked.headers["authorization"]
        assert s3_server.REGION in asked.headers["authorization"]
        assert not [name for name in asked.headers if "checksum" in name or name == "x-amz-security-token"]


def test_the_proxy_of_the_environment_is_used(endpoint: str, bucket: str, monkeypatch: pytest.MonkeyPatch) -> None:
    with front(endpoint) as proxy:
        monkeypatch.setenv("HTTP_PROXY", proxy.url)
        works("http://store.example:9000", bucket)
        assert all(asked.path.startswith("http://store.example:9000/") for asked in proxy.asked)
        seen = len(proxy.asked)
        monkeypatch.setenv("NO_PROXY", "127.0.0.1")
        works(endpoint, bucket)
        assert len(proxy.asked) == seen


def test_a_proxy_that_is_away_is_named(endpoint: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTPS_PROXY", "http://user:p4ssw0rd@127.0.0.1:9")
    with pytest.raises(StorageError, match="check HTTPS_PROXY") as caught:
        store("https://store.example", "b").check()
    assert caught.value.retryable
    assert "p4ssw0rd" not in caught.value.public + (caught.value.detail or "")


@pytest.fixture
def secure(endpoint: str, tmp_path: Path) -> Iterator[tuple[Front, Path]]:
    """The S3 server behind TLS with an authority of its own."""
    certificate = certificates.made(tmp_path, "store.example", "127.0.0.1")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate.server)
    with front(endpoint, tls=context) as made:
        yield made, certificate.authority


@pytest.mark.parametrize("name", ["AWS_CA_BUNDLE", "REQUESTS_CA_BUNDLE"])
def test_the_ca_bundle_of_the_environment_is_used(
    bucket: str, secure: tuple[Front, Path], monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    between, authority = secure
    monkeypatch.setenv(name, str(authority))
    works(between.url, bucket)


def test_a_certificate_that_nobody_vouches_for_is_named(secure: tuple[Front, Path]) -> None:
    between, _ = secure
    with pytest.raises(
        StorageError, match="certificate was not accepted: the CA of a proxy belongs into AWS_CA_BUNDLE"
    ):
        store(between.url, "b").check()
    assert between.asked == []
