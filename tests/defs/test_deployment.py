"""Dagster as it is deployed: webserver, daemon, `workspace.yaml`, `dagster.yaml` with Postgres and a log bucket."""

from __future__ import annotations

import contextlib
import json
import os
import pty
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import dagster as dg
import jobs
import pytest
import requests
import s3_server
from dagster._core.storage.event_log.schema import AssetCheckExecutionsTable
from dagster._core.storage.event_log.sql_event_log import SqlEventLogStorage
from dagster_shared.yaml_utils import load_yaml_from_path
from sqlalchemy import select

from codex_assets.archive.records import MediaRecord
from codex_assets.archive.store import RecordStore
from codex_assets.config import settings as configuration
from codex_assets.defs.forked_runs import PROCESS_TAG
from codex_assets.media import outputs

ROOT = jobs.ROOT
POSTGRES = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"))
VIDEO = outputs.wanted("video")
LAUNCH = """
mutation($backfill: LaunchBackfillParams!) { launchPartitionBackfill(backfillParams: $backfill) {
  __typename ... on LaunchBackfillSuccess { backfillId } ... on PythonError { message } } }
"""
STATUS = """
query($id: String!) { partitionBackfillOrError(backfillId: $id) {
  __typename ... on PartitionBackfill { status } ... on PythonError { message } } }
"""
STALE = """
query($assets: [AssetKeyInput!]!, $media: [String!]) { assetNodes(assetKeys: $assets) {
  assetKey { path } staleStatusByPartition(partitions: $media) } }
"""
RUNS = "{ runsOrError { ... on Runs { results { tags { key } } } } }"


def free_port() -> int:
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        return int(bound.getsockname()[1])


def prepared(folder: Path, media_ids: list[str]) -> dict[str, str]:
    """Videos of 64x48 that nobody has built yet: every variant but the lowest is above them."""
    environment = {**os.environ, **jobs.local_environment(folder)}
    stores = configuration.load(environment).stores()
    for media_id in media_ids:
        jobs.put_original(stores, "video", media_id)
        key = jobs.input_key("video", media_id)
        media = MediaRecord(
            media_id=media_id, creator_id=jobs.CREATOR, media_type="video", input_role="archive", input_key=key
        )
        RecordStore(stores.archive).put(media_id, "media", media)
    home = folder / "home"
    home.mkdir()
    return {**environment, "DAGSTER_HOME": str(home)}


def command(environment: Mapping[str, str], *arguments: str) -> str:
    done = subprocess.run(
        arguments, env=dict(environment), cwd=ROOT, check=False, timeout=200, capture_output=True, text=True
    )
    assert done.returncode == 0, (done.stdout + done.stderr)[-3000:]
    return done.stdout


@contextmanager
def dagster(environment: Mapping[str, str], log: Path) -> Iterator[str]:
    """Webserver and daemon for as long as the block; the URL of GraphQL."""
    port = free_port()
    arguments = ["dagster", "dev", "--workspace", "workspace.yaml", "--host", "127.0.0.1", "--port", str(port)]
    with log.open("w", encoding="utf-8") as output:
        process = subprocess.Popen(
            arguments, env=dict(environment), cwd=ROOT, stdout=output, stderr=output, start_new_session=True
        )
        try:
            url = f"http://127.0.0.1:{port}"
            for _ in range(240):
                assert process.poll() is None, log.read_text(encoding="utf-8")[-3000:]
                try:
                    if requests.get(f"{url}/server_info", timeout=5).status_code == 200:
                        break
                except requests.RequestException:
                    time.sleep(0.5)
            yield f"{url}/graphql"
        finally:
            process.send_signal(signal.SIGINT)
            try:
                process.wait(timeout=30)
            except subprocess.TimeoutExpired:
                os.killpg(process.pid, signal.SIGKILL)
                process.wait()


def ask(url: str, query: str, **variables: Any) -> Any:
    answer = requests.post(url, json={"query": query, "variables": variables}, timeout=60).json()
    assert "errors" not in answer, answer
    return answer["data"]


def backfill(url: str, media_ids: list[str]) -> str:
    """The status that a backfill of every output of these media ends with."""
    selection = [{"path": ["video", output]} for output in VIDEO]
    wanted = {"assetSelection": selection, "partitionNames": media_ids, "title": "small clips"}
    launched = ask(url, LAUNCH, backfill=wanted)["launchPartitionBackfill"]
    assert launched["__typename"] == "LaunchBackfillSuccess", launched
    deadline = time.monotonic() + 500
    while time.monotonic() < deadline:
        backfill = ask(url, STATUS, id=launched["backfillId"])["partitionBackfillOrError"]
        if backfill["status"] not in ("REQUESTED", "COMPLETING"):
            return str(backfill["status"])
        time.sleep(2)
    return "still running"


def stale(url: str, media_id: str) -> dict[str, str]:
    """Output -> FRESH, STALE or MISSING, as the UI is told."""
    assets = [{"path": ["video", output]} for output in VIDEO]
    nodes = ask(url, STALE, assets=assets, media=[media_id])["assetNodes"]
    return {node["assetKey"]["path"][-1]: node["staleStatusByPartition"][0] for node in nodes}


def learnt(url: str, media_id: str, expected: Mapping[str, str]) -> None:
    """The sensor has taught the running instance what is expected of a media."""
    deadline = time.monotonic() + 300
    while (statuses := stale(url, media_id)) != expected:
        assert time.monotonic() < deadline, statuses
        time.sleep(2)


def test_dg_finds_the_project_and_its_definitions_load(tmp_path: Path) -> None:
    shutil.copy(ROOT / "deploy" / "dagster-local.yaml", tmp_path / "dagster.yaml")
    output = command({**os.environ, "DAGSTER_HOME": str(tmp_path)}, "dg", "check", "defs")
    assert "All definitions loaded successfully." in output


def test_no_deployment_reports_to_dagster() -> None:
    for name in ("dagster.yaml", "dagster-local.yaml"):
        settings = load_yaml_from_path(str(ROOT / "deploy" / name))
        assert isinstance(settings, dict)
        assert settings["telemetry"] == {"enabled": False}


@pytest.mark.slow
@pytest.mark.ffmpeg
@pytest.mark.timeout(900)
def test_a_backfill_with_variants_that_do_not_apply_ends_well(tmp_path: Path) -> None:
    media_ids = [f"clip{number}" for number in range(4)]
    environment = prepared(tmp_path, media_ids)
    shutil.copy(ROOT / "deploy" / "dagster-local.yaml", Path(environment["DAGSTER_HOME"]) / "dagster.yaml")
    command(environment, "codex-assets", "import")
    records = RecordStore(configuration.load(environment).stores().archive)
    fresh = dict.fromkeys(VIDEO, "FRESH")
    with dagster(environment, tmp_path / "log") as url:
        assert backfill(url, media_ids) == "COMPLETED_SUCCESS"
        assert all(stale(url, media_id) == fresh for media_id in media_ids)
        # Each run was a fork of the process that has imported everything.
        runs = ask(url, RUNS)["runsOrError"]["results"]
        assert len(runs) == len(media_ids)
        assert all(PROCESS_TAG in {tag["key"] for tag in run["tags"]} for run in runs)
        # What other workers leave in the archive, the running instance learns by itself.
        variant = records.output("clip0", "hls_360p")
        assert variant is not None
        records.put("clip0", "hls_360p", variant.model_copy(update={"data_version": "of other contents"}))
        learnt(url, "clip0", {**fresh, "hls_master": "STALE"})
        assert stale(url, "clip1") == fresh
    with dg.DagsterInstance.from_config(environment["DAGSTER_HOME"]) as instance:
        storage = instance.event_log_storage
        assert isinstance(storage, SqlEventLogStorage)
        with storage.index_connection() as connection:
            table = AssetCheckExecutionsTable.c
            results = connection.execute(select(table.partition, table.execution_status).distinct()).tuples().all()
    assert sorted(results) == [(media_id, "SUCCEEDED") for media_id in media_ids]
    for media_id in media_ids:
        built = {name: records.output(media_id, name) for name in VIDEO}
        assert all(built.values())
        assert {name for name, record in built.items() if record and not record.applicable} == {
            "hls_1080p",
            "hls_720p",
            "hls_480p",
        }


@pytest.mark.slow
@pytest.mark.ffmpeg
def test_the_ui_opens_and_control_c_ends_all_of_it(tmp_path: Path) -> None:
    environment = prepared(tmp_path, ["clip"])
    port = free_port()
    pid, terminal = pty.fork()
    if pid == 0:
        os.chdir(ROOT)
        os.execvpe("scripts/ui", ["scripts/ui", str(port)], environment)
    try:
        shown = b""
        while b"Ready: " not in shown:
            shown += os.read(terminal, 1000)
        url = f"http://127.0.0.1:{port}/graphql"
        assert stale(url, "clip") == dict.fromkeys(VIDEO, "MISSING")
        # A second one says what is in its way.
        second = subprocess.run(
            ["scripts/ui", str(port)],
            env=environment,
            cwd=ROOT,
            check=False,
            timeout=60,
            capture_output=True,
            text=True,
        )
        assert second.returncode == 1
        assert f"PORT={port + 1}" in second.stderr
        os.write(terminal, b"\x03")
        # The terminal ends with the last process that holds it.
        with contextlib.suppress(OSError):
            while os.read(terminal, 1000):
                pass
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(pid, signal.SIGKILL)
        os.waitpid(pid, 0)
        os.close(terminal)
    # Nothing is left that listens.
    with pytest.raises(requests.ConnectionError):
        requests.get(url)


@contextmanager
def postgres(folder: Path, wants: str = "trust", password: str = "") -> Iterator[str]:
    """A cluster of its own on loopback. The URL of an empty database, and with `_again` that of another.

    `wants`: how it asks who connects. Postgres refuses to run as root.
    """
    binaries = POSTGRES[-1].parent
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(mode=0o777)
    as_user: tuple[str, ...] = ()
    if os.geteuid() == 0:
        shutil.chown(folder, "postgres", "postgres")
        as_user = ("runuser", "-u", "postgres", "--")
    port, data = free_port(), str(folder / "data")
    options = f"-p {port} -c listen_addresses=127.0.0.1 -c unix_socket_directories= -c fsync=off"

    def tell(*arguments: str) -> None:
        with (folder.parent / f"{folder.name}.log").open("a", encoding="utf-8") as log:
            subprocess.run(
                [*as_user, *arguments], cwd="/", check=True, timeout=60, stdin=subprocess.DEVNULL, stdout=log
            )

    (folder / "password").write_text(password or "none", encoding="utf-8")
    tell(
        *(str(binaries / "initdb"), "-A", wants, f"--pwfile={folder}/password", "-U", "postgres", "-D", data),
    )
    tell(str(binaries / "pg_ctl"), "-D", data, "-l", f"{folder}/log", "-w", "-o", options, "start")
    try:
        for name in ("dagster", "dagster_again"):
            where = f"host=127.0.0.1 port={port} user=postgres dbname=postgres password={password}"
            tell(str(binaries / "createdb"), "--maintenance-db", where, name)
        yield f"postgresql://postgres@127.0.0.1:{port}/dagster"
    finally:
        tell(str(binaries / "pg_ctl"), "-D", data, "-m", "immediate", "stop")
        shutil.rmtree(folder, ignore_errors=True)


@pytest.mark.slow
@pytest.mark.ffmpeg
@pytest.mark.timeout(900)
@pytest.mark.skipif(not POSTGRES, reason="postgres is not installed")
def test_a_deployment_keeps_its_state_in_postgres_and_its_logs_in_a_bucket(tmp_path: Path) -> None:
    environment = prepared(tmp_path, ["clip"])
    shutil.copy(ROOT / "deploy" / "dagster.yaml", Path(environment["DAGSTER_HOME"]) / "dagster.yaml")
    # Not below pytest's folders, which are closed to other users.
    with postgres(Path(f"/tmp/postgres-{os.getpid()}")) as database, s3_server.s3_server() as endpoint:
        bucket = s3_server.bucket(endpoint)
        environment |= {
            "DAGSTER_POSTGRES_URL": database,
            "COMPUTE_LOGS_BUCKET": bucket,
            "R2_ENDPOINT": endpoint,
            "AWS_ACCESS_KEY_ID": s3_server.ACCESS_KEY,
            "AWS_SECRET_ACCESS_KEY": s3_server.SECRET_KEY,
            "AWS_DEFAULT_REGION": s3_server.REGION,
        }
        command(environment, "codex-assets", "import")
        with dagster(environment, tmp_path / "log") as url:
            assert backfill(url, ["clip"]) == "COMPLETED_SUCCESS"
        # The same records, learnt by a database that knows nothing yet.
        environment["DAGSTER_POSTGRES_URL"] = f"{database}_again"
        totals = json.loads(command(environment, "codex-assets", "import", "--json"))
        assert (totals["media"], totals["outputs"]) == (1, len(VIDEO))
        assert totals["checks"] > 0
        with dagster(environment, tmp_path / "log again") as url:
            assert stale(url, "clip") == dict.fromkeys(VIDEO, "FRESH")
            variant = RecordStore(configuration.load(environment).stores().archive).output("clip", "hls_360p")
            assert variant is not None
            changed = variant.model_copy(update={"data_version": "of other contents"})
            RecordStore(configuration.load(environment).stores().archive).put("clip", "hls_360p", changed)
            learnt(url, "clip", {**dict.fromkeys(VIDEO, "FRESH"), "hls_master": "STALE"})
        stored_objects = s3_server.client(endpoint).list_objects_v2(Bucket=bucket).get("Contents", [])
        logs = {str(stored_object.get("Key")) for stored_object in stored_objects}
        assert any(key.startswith("compute-logs/") and key.endswith(".err") for key in logs), logs
