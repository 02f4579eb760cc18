"""No secret is found anywhere but where it has to be: every place that a job writes to is searched, at DEBUG level."""

from __future__ import annotations

import base64
import json
import sqlite3
import subprocess
import sys
import zlib
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import jobs
import pytest
import s3_server
from control_plane import ROOT, Update, control_plane, running_worker
from webhook_receiver import receiving

from codex_assets.config import settings

pytestmark = pytest.mark.ffmpeg

SECRETS = {
    "the payload's webhook secret": "whsec-7Yq2payload0sentinel",
    "the endpoint's webhook secret": "whsec-4Tn8endpoint0sentinel",
    "the token in the webhook's URL": "tok-9Fz3query0sentinel",
    "R2's access key": "r2id-1Lm6access0sentinel",
    "R2's secret key": "r2key-5Vd2secret0sentinel",
    "B2's key id": "b2id-8Kc4access0sentinel",
    "B2's application key": "b2key-3Gw7secret0sentinel",
}
MATERIALIZE = """
import sys
import dagster as dg
from codex_assets.definitions import defs

with dg.DagsterInstance.get() as instance:
    for media_type, media_id, output in (("audio", "talk", "loudness"), ("video", "noise", "mezzanine")):
        instance.add_dynamic_partitions(f"{media_type}_media", [media_id])
        done = defs.resolve_job_def(f"build_{media_type}").execute_in_process(
            instance=instance,
            partition_key=media_id,
            asset_selection=[dg.AssetKey([media_type, output])],
            raise_on_error=False,
        )
        print("SUCCESS" if done.success else "FAILURE", output, flush=True)
"""


@dataclass(frozen=True)
class Traces:
    """Place -> everything that was written there."""

    places: dict[str, bytes]

    def leaks(self) -> list[str]:
        leaks = []
        for what, secret in SECRETS.items():
            plain = secret.encode()
            forms = {"as it is": plain, "in base64": base64.b64encode(plain)[:-4], "in hex": plain.hex().encode()}
            for form, text in forms.items():
                leaks += [
                    f"{what}, {form}, in {place}" for place, text_there in self.places.items() if text in text_there
                ]
        return leaks


@pytest.fixture(scope="module")
def traces(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Traces]:
    folder = tmp_path_factory.mktemp("secrets")
    with s3_server.s3_server() as endpoint, control_plane() as plane, receiving() as receiver:
        environment, buckets = jobs.s3_environment(
            folder,
            endpoint,
            R2_ACCESS_KEY_ID=SECRETS["R2's access key"],
            R2_SECRET_ACCESS_KEY=SECRETS["R2's secret key"],
            B2_KEY_ID=SECRETS["B2's key id"],
            B2_APPLICATION_KEY=SECRETS["B2's application key"],
            WEBHOOK_SECRET=SECRETS["the endpoint's webhook secret"],
            RUNPOD_LOG_LEVEL="DEBUG",
        )
        stores = settings.load(environment).stores()
        jobs.put_original(stores, "audio", "talk")
        jobs.put_original(stores, "video", "noise", b"this is no video\n" * 1000)
        url = receiver.url + "?token=" + SECRETS["the token in the webhook's URL"]
        secret = SECRETS["the payload's webhook secret"]

        def payload(media_type: str, media_id: str, **changes: object) -> dict[str, object]:
            return jobs.payload(media_type, media_id, url, secret=secret, buckets=buckets, **changes)

        with running_worker({**environment, **plane.environment()}, folder / "worker") as worker:
            plane.submit("succeeds", payload("audio", "talk"))
            plane.result("succeeds")
            plane.submit("unusable", payload("video", "noise"))
            plane.result("unusable")
            # One who puts a secret where it does not belong is not to read it in an error message either.
            plane.submit("invalid", payload("audio", "talk", outputPrefix=secret, inputKey=f"../{secret}"))
            plane.result("invalid")
            receiver.script = [400]
            plane.submit("undeliverable", payload("audio", "gone"))
            plane.result("undeliverable")
            worker_log = worker.output.read_bytes()
        assert_as_meant(plane.updates, worker_log)

        dagster_log = materialize(environment, folder)
        yield Traces(
            {
                "the worker's output": worker_log,
                "RunPod's results and progress": json.dumps([update.body for update in plane.updates]).encode(),
                "the control plane's requests": json.dumps(plane.requests).encode(),
                "webhook bodies": b"".join(request.body for request in receiver.received),
                "Dagster's output": dagster_log,
                **{f"object {name}": content for name, content in stored(endpoint, buckets)},
                **{f"Dagster's {name}": content for name, content in files(folder / "dagster")},
                **{f"scratch file {name}": content for name, content in files(folder / "tmp")},
            }
        )


def assert_as_meant(updates: list[Update], worker_log: bytes) -> None:
    """The search is worth something: all four ends were met, and debugging lines were written."""
    results = {update.job_id: update.body for update in updates if not update.is_progress}
    assert "error" not in results["succeeds"], results
    codes = {name: body["output"].get("errorCode") for name, body in results.items()}
    assert codes == {
        "succeeds": None,
        "unusable": "source_not_media",
        "invalid": "invalid_payload",
        "undeliverable": "webhook_undelivered",
    }
    assert b'"level": "DEBUG"' in worker_log


def materialize(environment: dict[str, str], folder: Path) -> bytes:
    """One output that succeeds and one that fails, in a process and a persistent instance of their own; its output."""
    home = folder / "dagster"
    home.mkdir()
    (home / "dagster.yaml").write_text("telemetry:\n  enabled: false\n")
    done = subprocess.run(
        [sys.executable, "-c", MATERIALIZE],
        env={**environment, "DAGSTER_HOME": str(home), "PYTHONPATH": str(ROOT), "HOME": str(folder)},
        cwd=folder,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        check=True,
    )
    assert b"SUCCESS loudness" in done.stdout
    assert b"FAILURE mezzanine" in done.stdout
    return done.stdout


def stored(endpoint: str, buckets: tuple[str, str, str]) -> Iterator[tuple[str, bytes]]:
    """Every version of every object, with its headers."""
    client = s3_server.client(endpoint)
    for bucket in buckets:
        for page in client.get_paginator("list_object_versions").paginate(Bucket=bucket):
            for version in page.get("Versions", []):
                body = client.get_object(Bucket=bucket, Key=version["Key"], VersionId=version["VersionId"])
                headers = json.dumps(body["ResponseMetadata"]["HTTPHeaders"]).encode()
                yield f"{bucket}/{version['Key']}", headers + body["Body"].read()


def files(folder: Path) -> Iterator[tuple[str, bytes]]:
    """Every file, and of databases every cell too, unpacked: Dagster compresses what it keeps of jobs."""
    for path in sorted(folder.rglob("*")):
        if not path.is_file():
            continue
        name = str(path.relative_to(folder))
        yield name, path.read_bytes()
        if path.suffix == ".db":
            with closing(sqlite3.connect(path)) as database:
                yield f"{name}, its cells", b"\n".join(cells(database))


def cells(database: sqlite3.Connection) -> Iterator[bytes]:
    tables = [name for (name,) in database.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
    for table in tables:
        for row in database.execute(f'SELECT * FROM "{table}"'):
            for cell in row:
                if isinstance(cell, bytes):
                    try:
                        yield zlib.decompress(cell)
                    except zlib.error:
                        yield cell
                elif isinstance(cell, str):
                    yield cell.encode()


def test_no_secret_is_found_anywhere(traces: Traces) -> None:
    assert traces.leaks() == []


def test_every_place_was_searched(traces: Traces) -> None:
    """What makes the search honest: each place holds what is expected to be there."""
    places = traces.places
    assert b"source_not_media" in places["the worker's output"]
    assert any("records/talk/loudness.json" in name for name in places)
    assert any("creator1/hls-audio/talk/master.m3u8" in name for name in places)
    events = b"".join(
        content for name, content in places.items() if name.startswith("Dagster's") and "its cells" in name
    )
    assert b"ASSET_MATERIALIZATION" in events
    assert b"STEP_FAILURE" in events
    assert Traces({"here": SECRETS["R2's secret key"].encode()}).leaks() == ["R2's secret key, as it is, in here"]
