"""An endpoint as a file describes it: refused, compared, created, changed; against RunPod's API over real HTTP."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import runpod_rest
from runpod_rest import KEY, Rest
from typer.testing import CliRunner, Result

from codex_assets.cli.app import app
from codex_assets.config import settings
from codex_assets.errors import ConfigurationError, EndpointError
from codex_assets.net.runpod_api import AccountApi, Retries
from codex_assets.readiness import endpoint_file, runpod_endpoint

ROOT = Path(__file__).parents[2]
FILES = sorted((ROOT / "deploy").glob("endpoint-*.toml"))
SECRETS = {"r2_access_key_id", "r2_secret_access_key", "b2_key_id", "b2_application_key", "webhook_secret"}


@pytest.fixture
def rest() -> Iterator[Rest]:
    with runpod_rest.serving() as server:
        yield server


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """The checked-in file of staging, with its blanks filled in."""
    text = (ROOT / "deploy" / "endpoint-staging.toml").read_text(encoding="utf-8")
    path = tmp_path / "endpoint.toml"
    path.write_text(text.replace("your-org", "acme").replace("your-account-id", "0a1b2c"), encoding="utf-8")
    return path


def stocked(rest: Rest) -> Rest:
    """With the secrets that the file refers to."""
    rest.secrets |= {f"staging_{name}": f"value-of-{name}" for name in SECRETS}
    return rest


def edited(file: Path, before: str, after: str) -> Path:
    text = file.read_text(encoding="utf-8")
    assert before in text
    file.write_text(text.replace(before, after), encoding="utf-8")
    return file


def run(rest: Rest, *arguments: str | Path, **environment: str) -> Result:
    unset = dict.fromkeys(("RUNPOD_API_KEY", "RUNPOD_REST_BASE", "STORAGE_DIR"))
    result = CliRunner().invoke(
        app, ["endpoint", *map(str, arguments)], env={**unset, **rest.environment(), **environment}
    )
    assert KEY not in result.output
    assert "value-of-" not in result.output
    assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
    return result


# --- Files ------------------------------------------------------------------------------------------------------------


def test_each_environment_has_its_file() -> None:
    assert [path.name for path in FILES] == ["endpoint-production.toml", "endpoint-staging.toml"]


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_a_checked_in_file_lacks_only_what_the_reader_knows(path: Path, tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError) as caught:
        endpoint_file.read_file(path)
    message = str(caught.value).partition("applied: ")[2]
    assert message == "image holds a placeholder; these variables hold a placeholder instead of a value: R2_ACCOUNT_ID."
    filled = tmp_path / path.name
    filled.write_text(path.read_text(encoding="utf-8").replace("your-org", "acme").replace("your-account-id", "0a"))
    wish = endpoint_file.read_file(filled)
    assert endpoint_file.doubts(wish) == []
    environment = path.stem.removeprefix("endpoint-")
    assert wish.name == f"codex-assets-{environment}"
    assert set(wish.references.values()) == {f"{environment}_{name}" for name in SECRETS}
    assert set(settings.REQUIRED) <= set(wish.env)


@pytest.mark.parametrize(
    ("before", "after", "message"),
    [
        (
            '"{{ RUNPOD_SECRET_staging_b2_key_id }}"',
            '"0041literal"',
            "have to be `{{ RUNPOD_SECRET_name }}`: B2_KEY_ID",
        ),
        ("[env]", '[env]\nSLACK_TOKEN = "xoxb-literal"', "have to be `{{ RUNPOD_SECRET_name }}`: SLACK_TOKEN"),
        ("{{ RUNPOD_SECRET_staging_b2_key_id }}", "{{RUNPOD_SECRET_staging_b2_key_id}}", "B2_KEY_ID"),
        ("{{ RUNPOD_SECRET_staging_b2_key_id }}", "${B2_KEY_ID}", "B2_KEY_ID"),
        ("{{ RUNPOD_SECRET_staging_b2_key_id }}", "", "variables are empty: B2_KEY_ID"),
        ("RUNPOD_SECRET_staging_b2_key_id", "RUNPOD_SECRET_RUNPOD_key", "begin with RUNPOD: B2_KEY_ID"),
        ('B2_REGION = "us-west-004"', "", "missing or empty: B2_REGION"),
        ('"codex-media-staging"', '"changeme"', "placeholder instead of a value: R2_MEDIA_BUCKET"),
        ("[env]", '[env]\nVIDEO_ENCODER = "fast"', "VIDEO_ENCODER has to be one of"),
        ("[env]", '[env]\nSTORAGE_DIR = "/tmp"', "STORAGE_DIR is for local runs"),
        ("[env]", '[env]\n"A-B" = "x"', "no names of variables: 'A-B'"),
        ("max = 2", "max = 2\nmost = 3", "workers.most: Extra inputs are not permitted"),
        ("min = 0", "min = 9", "workers: min is more than max"),
        ("queue_delay_s = 4", "", "scaling: say either queue_delay_s or request_count"),
        ("queue_delay_s = 4", "request_count = 1", "idle_timeout_s does not go with scaling.request_count"),
        ("disk_gb = 60", 'disk_gb = "60"', "disk_gb: Input should be a valid integer"),
        ('"12.2"', "12.2", "gpu.min_cuda_version: Input should be a valid string"),
        ('"12.2"', '"12"', "gpu.min_cuda_version: String should match pattern"),
        ('"12.2"', '"12.2.1"', "gpu.min_cuda_version: String should match pattern"),
        ('"12.2"', '"cuda 12.2"', "gpu.min_cuda_version: String should match pattern"),
        ('"12.2"', '""', "gpu.min_cuda_version: String should match pattern"),
        ('"12.2"', '"12.2\\n"', "gpu.min_cuda_version: String should match pattern"),
        ("[workers]", 'allowed_cuda_versions = ["12.8"]\n\n[workers]', "gpu: say either min_cuda_version or allowed"),
        ('min_cuda_version = "12.2"', "allowed_cuda_versions = [12.8]", "gpu.allowed_cuda_versions.0: Input should be"),
        ('min_cuda_version = "12.2"', 'allowed_cuda_versions = ["12,8"]', "gpu.allowed_cuda_versions.0: String should"),
        ("name =", "name", "is no TOML"),
        ('name = "codex-assets-staging"', 'name = "<name>"', "name is empty or a placeholder"),
        ('name = "codex-assets-staging"', 'name = "codex-assets-staging "', "name has spaces, line breaks or quotes"),
        (":0.1.0", ":0.1.0\\n", "image has spaces, line breaks or quotes"),
        ('"https://s3.us-west-004', '"s3.us-west-004', "B2_ENDPOINT needs its scheme"),
        ("backblazeb2.com", "backblazeb2.com/codex-archive-staging", "B2_ENDPOINT must not hold the bucket"),
        ("https://s3.us", "https://codex-archive-staging.s3.us", "B2_ENDPOINT must not hold the bucket"),
        ("https://s3.us", "https://user:literal@s3.us", "B2_ENDPOINT must not carry user info"),
        ("backblazeb2.com", "backblazeb2.com:80", "B2_ENDPOINT has a wrong port"),
        ("backblazeb2.com", "backblazeb2.com?x", "B2_ENDPOINT must not carry a query"),
        ('B2_REGION = "us-west-004"', 'B2_REGION = "eu-central-003"', "B2_REGION is not the region"),
        ('"codex-media-staging"', '"codex-assets-staging"', "R2_MEDIA_BUCKET and R2_ASSETS_BUCKET are one bucket"),
        ('"codex-archive-staging"', '"codex-media-staging"', "B2_BUCKET_NAME and R2_MEDIA_BUCKET are one name"),
        ('"codex-media-staging"', '"codex-media-staging\\n"', "quotes at their ends: R2_MEDIA_BUCKET"),
        ("[env]", '[env]\nR2_ENDPOINT = "https://pub-1.r2.dev"', "R2_ENDPOINT has to be https://ACCOUNT.r2"),
        ("[env]", '[env]\nR2_ENDPOINT = "0a1b2c.r2.cloudflarestorage.com"', "R2_ENDPOINT needs its scheme"),
        ("[env]", '[env]\nWEBHOOK_ALLOW_PRIVATE = "1 "', "quotes at their ends: WEBHOOK_ALLOW_PRIVATE"),
    ],
)
def test_a_file_that_must_not_be_applied(rest: Rest, file: Path, before: str, after: str, message: str) -> None:
    result = run(stocked(rest), "apply", edited(file, before, after))
    assert result.exit_code == 2
    assert message in result.stderr
    assert "literal" not in result.output
    assert rest.requests == [], "nothing is asked of RunPod"


@pytest.mark.parametrize(
    ("before", "after", "message"),
    [
        ('min_cuda_version = "12.2"', "", "gpu.min_cuda_version is missing"),
        ('min_cuda_version = "12.2"', 'min_cuda_version = "12.1"', "gpu.min_cuda_version is 12.1"),
        ('min_cuda_version = "12.2"', 'min_cuda_version = "11.10"', "gpu.min_cuda_version is 11.10"),
        (
            'min_cuda_version = "12.2"',
            'allowed_cuda_versions = ["12.8", "12.1"]',
            "gpu.allowed_cuda_versions has 12.1:",
        ),
        ('"ADA_24"', '"AMPERE_80"', "AMPERE_80 (A100) has no NVENC"),
        ('"ADA_24"', '"HOPPER_141"', "HOPPER_141 (H200) has no NVENC"),
        ('"ADA_24"', '"SOMETHING_NEW"', "not known here"),
        ('"ADA_24"', '"ADA_24", "AMPERE_48"', "More than 3 pools"),
        (":0.1.0", "", "no tag of its own"),
        (":0.1.0", ":latest", "no tag of its own"),
        ("14400", "600", "less than an hour"),
        ("max = 2", "max = 0", "wait for ever"),
        ("[env]", '[env]\nWEBHOOK_ALLOW_PRIVATE = "1"', "for local runs"),
    ],
)
def test_what_is_warned_of(rest: Rest, file: Path, before: str, after: str, message: str) -> None:
    result = run(stocked(rest), "apply", "--dry-run", edited(file, before, after))
    assert f"warning: {message}" in result.stderr or message in result.stderr
    assert result.exit_code == 1, result.stderr
    assert rest.writes() == []


# --- Created, changed, left alone -------------------------------------------------------------------------------------


def test_an_endpoint_is_created_once(rest: Rest, file: Path) -> None:
    tried = run(stocked(rest), "apply", file, "--dry-run")
    assert tried.exit_code == 1
    assert "codex-assets-staging: not there yet, would be created" in tried.stdout
    assert "+ ghcr.io/acme/codex-assets:0.1.0" in tried.stdout
    assert rest.writes() == []

    made = run(rest, "apply", file)
    assert made.exit_code == 0, made.output
    assert "endpoint ep1 is as" in made.stdout
    endpoint = rest.named("codex-assets-staging")
    assert endpoint["gpu"] == {
        "pools": ["AMPERE_16", "AMPERE_24", "ADA_24"],
        "count": 1,
        "minCudaVersion": "12.2",
        "allowedCudaVersions": [],
    }
    assert endpoint["workers"] == {"min": 0, "max": 2, "idleTimeout": 5}
    assert endpoint["scaling"] == {"type": "QUEUE_DELAY", "queueDelay": 4}
    assert endpoint["timeout"] == 14_400_000
    assert endpoint["flashboot"] == "FLASHBOOT"
    assert endpoint["env"]["B2_KEY_ID"] == "{{ RUNPOD_SECRET_staging_b2_key_id }}"
    assert rest.boot("codex-assets-staging")["B2_KEY_ID"] == "value-of-b2_key_id"

    before = len(rest.requests)
    again = run(rest, "apply", file)
    assert again.exit_code == 0
    assert again.stdout.strip() == "codex-assets-staging (ep1): nothing to do"
    assert [method for method, _, _ in rest.requests[before:]] == ["GET", "GET"]
    assert run(rest, "apply", file, "--dry-run").exit_code == 0


def test_only_what_differs_is_changed(rest: Rest, file: Path) -> None:
    run(stocked(rest), "apply", file)
    endpoint = rest.named("codex-assets-staging")
    endpoint |= {"dataCenterIds": ["EU-RO-1"], "args": "", "flashboot": "OFF"}
    endpoint["name"] = "codex-assets-staging -fb"
    endpoint["gpu"]["pools"] = ["ADA_24", "AMPERE_24", "AMPERE_16"]
    endpoint["env"] |= {"B2_KEY_ID": "value-of-somebody-who-typed-it-in", "OLD": "value-of-old"}
    del endpoint["env"]["B2_REGION"]
    edited(file, ":0.1.0", ":0.2.0")
    edited(file, "max = 2", "max = 3")

    tried = run(rest, "apply", file, "--dry-run")
    shown = [line.split(maxsplit=1) for line in tried.stdout.splitlines()[1:]]
    assert [(field, change.strip()) for field, change in shown] == [
        ("image", "ghcr.io/acme/codex-assets:0.1.0 -> ghcr.io/acme/codex-assets:0.2.0"),
        ("flashboot", "OFF -> FLASHBOOT"),
        ("gpu.pools", "ADA_24, AMPERE_24, AMPERE_16 -> AMPERE_16, AMPERE_24, ADA_24"),
        ("workers.max", "2 -> 3"),
        ("env.B2_KEY_ID", "another value -> {{ RUNPOD_SECRET_staging_b2_key_id }}"),
        ("env.B2_REGION", "+ us-west-004"),
        ("env.OLD", "- another value"),
    ]
    assert "7 differences, would be changed" in tried.stdout

    assert run(rest, "apply", file).exit_code == 0
    (patch,) = (body for method, _, body in rest.requests if method == "PATCH")
    assert set(patch) == {"image", "flashboot", "gpu", "workers", "env"}
    assert endpoint["dataCenterIds"] == ["EU-RO-1"]
    assert "OLD" not in rest.endpoints["ep1"]["env"]
    assert "nothing to do" in run(rest, "apply", file).stdout


def test_the_filter_of_hosts_is_compared_and_changed(rest: Rest, file: Path) -> None:
    """A floor, a list of versions, and neither: RunPod keeps what is not named, and refuses both at once."""
    run(stocked(rest), "apply", file)
    gpu = rest.named("codex-assets-staging")["gpu"]
    gpu |= {"minCudaVersion": None, "allowedCudaVersions": ["11.8"]}
    tried = run(rest, "apply", file, "--dry-run")
    assert tried.exit_code == 1
    assert [" ".join(line.split()) for line in tried.stdout.splitlines()[1:]] == [
        "gpu.minCudaVersion + 12.2",
        "gpu.allowedCudaVersions - 11.8",
    ]
    assert run(rest, "apply", file).exit_code == 0
    assert "nothing to do" in run(rest, "apply", file).stdout

    edited(file, 'min_cuda_version = "12.2"', 'allowed_cuda_versions = ["12.8", "12.10"]')
    changed = run(rest, "apply", file)
    assert changed.exit_code == 0, changed.output
    gpu = rest.named("codex-assets-staging")["gpu"]
    assert (gpu["minCudaVersion"], gpu["allowedCudaVersions"]) == (None, ["12.8", "12.10"])
    gpu["allowedCudaVersions"].reverse()
    assert "nothing to do" in run(rest, "apply", file).stdout, "they are in no order"

    # The file is silent: what was clicked stays.
    edited(file, 'allowed_cuda_versions = ["12.8", "12.10"]', "")
    assert "nothing to do" in run(rest, "apply", file).stdout
    del rest.endpoints["ep1"]
    edited(file, "[workers]", 'allowed_cuda_versions = ["12.8"]\n\n[workers]')
    assert run(rest, "apply", file).exit_code == 0, "a new endpoint has no floor to take away"


def test_it_can_be_read_by_programs(rest: Rest, file: Path) -> None:
    result = run(stocked(rest), "apply", file, "--json")
    said = json.loads(result.stdout)
    assert said["id"] == "ep1"
    assert said["created"] is True
    assert json.loads(run(rest, "apply", file, "--json").stdout)["differences"] == []


def test_scaling_by_requests(rest: Rest, file: Path) -> None:
    run(stocked(rest), "apply", file)
    edited(file, "queue_delay_s = 4", "request_count = 1")
    text = file.read_text(encoding="utf-8")
    file.write_text("\n".join(line for line in text.splitlines() if "idle_timeout_s" not in line), encoding="utf-8")
    assert run(rest, "apply", file).exit_code == 0
    assert rest.named("codex-assets-staging")["scaling"] == {"type": "REQUEST_COUNT", "requestCount": 1}
    assert "nothing to do" in run(rest, "apply", file).stdout


def test_what_runpod_does_not_do_is_told(rest: Rest, file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A 2xx is not believed: the endpoint is read again."""
    run(stocked(rest), "apply", file)
    monkeypatch.setattr(Rest, "_checked", lambda self, endpoint_id, made, status: (status, self.endpoints[endpoint_id]))
    result = run(rest, "apply", edited(file, ":0.1.0", ":0.2.0"))
    assert result.exit_code == 1
    assert "RunPod took it, and still has otherwise: image (endpoint ep1)" in result.stderr


def test_two_of_one_name_are_refused(rest: Rest, file: Path) -> None:
    run(stocked(rest), "apply", file)
    rest.endpoints["ep2"] = {**rest.endpoints["ep1"], "id": "ep2", "name": "codex-assets-staging -fb"}
    result = run(rest, "apply", edited(file, ":0.1.0", ":0.2.0"))
    assert result.exit_code == 2
    assert "2 endpoints named codex-assets-staging (ep1, ep2)" in result.stderr


def test_a_load_balancer_of_that_name_is_refused(rest: Rest, file: Path) -> None:
    run(stocked(rest), "apply", file)
    rest.endpoints["ep1"]["type"] = "LOAD_BALANCER"
    assert "is no queue of jobs" in run(rest, "apply", file).stderr


# --- Secrets ----------------------------------------------------------------------------------------------------------


def test_settings_that_only_runpod_knows_are_not_judged(rest: Rest, file: Path) -> None:
    edited(file, '"https://s3.us-west-004.backblazeb2.com"', '"{{ RUNPOD_SECRET_b2_endpoint }}"')
    edited(file, '"codex-media-staging"', '"{{ RUNPOD_SECRET_media }}"')
    edited(file, '"codex-archive-staging"', '"{{ RUNPOD_SECRET_archive }}"')
    stocked(rest).secrets |= {"b2_endpoint": "value-of-1", "media": "value-of-2", "archive": "value-of-3"}
    assert run(rest, "apply", file).exit_code == 0
    edited(file, "RUNPOD_SECRET_archive", "RUNPOD_SECRET_media")
    result = run(rest, "apply", file)
    assert result.exit_code == 2
    assert "R2_MEDIA_BUCKET and B2_BUCKET_NAME refer to one secret" in result.stderr


def test_secrets_with_line_breaks_or_quotes_are_not_sent(rest: Rest, file: Path) -> None:
    values = {name.upper(): f"value-of-{name}" for name in SECRETS}
    spoilt = {**values, "B2_KEY_ID": "value-of-a\n", "WEBHOOK_SECRET": '"value-of-b"'}
    result = run(rest, "secrets", file, **spoilt)
    assert result.exit_code == 1
    assert "quotes at their ends: B2_KEY_ID, WEBHOOK_SECRET" in result.stderr
    assert rest.secrets == {}


def test_a_key_of_runpods_with_a_line_break_is_named(rest: Rest, file: Path) -> None:
    result = run(stocked(rest), "apply", file, RUNPOD_API_KEY=f"{KEY}\n")
    assert result.exit_code == 2
    assert "quotes at their ends: RUNPOD_API_KEY" in result.stderr
    assert rest.requests == []


def test_missing_secrets_are_named_before_anything_is_done(rest: Rest, file: Path) -> None:
    del stocked(rest).secrets["staging_b2_key_id"]
    result = run(rest, "apply", file)
    assert result.exit_code == 2
    assert "no secrets of these names: staging_b2_key_id." in result.stderr
    assert rest.writes() == []


def test_secrets_that_may_not_be_listed(rest: Rest, file: Path) -> None:
    rest.secrets_allowed = False
    result = run(rest, "apply", file)
    assert result.exit_code == 0
    assert "may not list secrets" in result.stderr
    assert "may not manage secrets" in run(rest, "secrets", file).stderr


def test_secrets_are_given_from_the_environment(rest: Rest, file: Path) -> None:
    values = {name.upper(): f"value-of-{name}" for name in SECRETS}
    lacking = run(rest, "secrets", file, **{**values, "B2_KEY_ID": "", "WEBHOOK_SECRET": "changeme"})
    assert lacking.exit_code == 1
    assert "empty or placeholders here: B2_KEY_ID, WEBHOOK_SECRET." in lacking.stderr
    assert rest.secrets == {}

    made = run(rest, "secrets", file, **values)
    assert made.exit_code == 0, made.output
    assert rest.secrets == {f"staging_{name}": f"value-of-{name}" for name in SECRETS}
    assert made.stdout.count("created") == 5
    assert run(rest, "apply", file).exit_code == 0

    again = run(rest, "secrets", file, B2_KEY_ID="value-of-another")
    assert again.stdout.count("left as it is") == 5
    rotated = run(rest, "secrets", file, "--replace", **{**values, "B2_KEY_ID": "value-of-the-next"})
    assert rotated.stdout.count("replaced") == 5
    assert rest.boot("codex-assets-staging")["B2_KEY_ID"] == "value-of-the-next"


# --- When RunPod is not well ------------------------------------------------------------------------------------------


def api(rest: Rest, pauses: list[float], **retries: Any) -> AccountApi:
    return AccountApi(settings.management(rest.environment()), Retries(**retries), sleep=pauses.append)


@pytest.mark.parametrize("fault", [429, 500, 502, 503, 0, b"<html>", b""])
def test_what_passes_is_waited_for(rest: Rest, file: Path, fault: int | bytes) -> None:
    rest.faults.extend([fault, fault])
    pauses: list[float] = []
    plan = runpod_endpoint.make_plan(endpoint_file.read_file(file), api(stocked(rest), pauses))
    assert plan.endpoint_id is None
    assert len(pauses) == 2
    assert pauses[0] < pauses[1]


def test_retry_after_is_kept_to(rest: Rest) -> None:
    rest.faults.append(429)
    rest.retry_after = "7"
    pauses: list[float] = []
    api(rest, pauses).endpoints()
    assert pauses == [7.0]


def test_it_ends_when_nothing_helps(rest: Rest) -> None:
    rest.faults.extend([503] * 10)
    pauses: list[float] = []
    with pytest.raises(EndpointError, match="it answered 503 Service Unavailable"):
        api(rest, pauses).endpoints()
    assert len(pauses) == 3


def test_an_answer_that_does_not_come(rest: Rest) -> None:
    rest.faults.append(-1)
    with pytest.raises(EndpointError, match=r"did not answer within 0\.3 seconds"):
        api(rest, [], attempts=1, request_s=0.3).endpoints()


@pytest.mark.parametrize(
    ("fault", "message"),
    [
        (401, "RunPod refused RUNPOD_API_KEY (401)"),
        (403, "RunPod refused RUNPOD_API_KEY (403)"),
        (404, "is RUNPOD_REST_BASE right"),
        (422, "RunPod refused the request (422 Unprocessable"),
        (b"[]", "another form than expected: no list of endpoints"),
        (b'{"endpoints": {}}', "another form than expected"),
        (b'{"endpoints": [1]}', "another form than expected"),
        (b'{"endpoints": [{"name": "codex-assets-staging"}]}', "another form than expected: no endpoint"),
    ],
)
def test_what_does_not_pass_is_told_at_once(rest: Rest, file: Path, fault: int | bytes, message: str) -> None:
    rest.faults.append(fault)
    result = run(stocked(rest), "apply", file)
    assert result.exit_code == 2
    assert message in result.stderr
    assert rest.writes() == []


def test_a_wrong_key_is_not_shown(rest: Rest, file: Path) -> None:
    """Nor where RunPod repeats it."""
    result = run(rest, "apply", file, RUNPOD_API_KEY="rpa_a_wrong_one")
    assert result.exit_code == 2
    assert "RUNPOD_API_KEY (401)" in result.stderr
    assert "The key Bearer *** is not valid" in result.stderr
    assert "rpa_a_wrong_one" not in result.output
    assert "missing or a placeholder" in run(rest, "apply", file, RUNPOD_API_KEY="").stderr


def test_what_runpod_refuses_is_told_in_its_words(rest: Rest, file: Path) -> None:
    run(stocked(rest), "apply", file)
    wish = endpoint_file.read_file(file)
    with pytest.raises(EndpointError, match=r"Request validation failed.; \$.: Additional properties .*'imageName'"):
        api(rest, []).change("ep1", {"imageName": wish.image})


@pytest.mark.parametrize("fault", [500, 0, b"cut off"])
def test_a_creation_of_unknown_outcome_is_not_repeated(rest: Rest, file: Path, fault: int | bytes) -> None:
    wish, pauses = endpoint_file.read_file(file), list[float]()
    asking = api(stocked(rest), pauses)
    plan = runpod_endpoint.make_plan(wish, asking)
    rest.faults.append(fault)
    rest.done_before_fault = True
    with pytest.raises(EndpointError, match="run this again"):
        runpod_endpoint.apply(plan, asking)
    assert rest.writes() == ["POST /v2/serverless"]
    rest.done_before_fault = False
    assert "nothing to do" in run(rest, "apply", file).stdout, "the second time it is found by its name"
