"""How long a brand-new Dagster instance takes to learn an archive of thousands of media, and what the UI then answers.

The archive is that of `bench/catalogue.py`: the records of one real video and one real audio media, copied under new
ids. The instance has embedded storage (SQLite), as `make ui` has. Then all media are verified again with the same
result, and imported once more. Then Dagster's webserver is started on the instance, asked what the UI's pages ask, and
its pages are opened in Chromium, if there is one (`ui_pages.py`). Run:

    .venv/bin/python bench/import.py [--media 10000] [--keep FOLDER] [--pictures FOLDER] [--pages-only]

The decision it supports: docs/decisions/dagster-is-a-view.md.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import shutil
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import catalogue
import requests
import ui_pages

ROOT = Path(__file__).resolve().parents[1]
ASKED = 5
"""Times that each question is asked: the first, and the median of the others."""
START_SECONDS = 180
VIDEO = ["mezzanine", "loudness", "hls_1080p", "hls_720p", "hls_480p", "hls_360p", "preview", "hls_master", "thumbnail"]

QUESTIONS: Mapping[str, tuple[str, dict[str, Any]]] = {
    "lineage: what is drawn and coloured (live data of every asset)": (
        """query($keys: [AssetKeyInput!]!) { assetNodes(assetKeys: $keys, loadMaterializations: true) { id
        assetMaterializations(limit: 1) { timestamp runId } staleStatus
        partitionStats { numMaterialized numMaterializing numPartitions numFailed }
        assetChecksOrError { ... on AssetChecks { checks { name
        executionForLatestMaterialization { status timestamp } } } } } }""",
        {"keys": [{"path": ["video", name]} for name in VIDEO]},
    ),
    "lineage: what each check says of each media (asked again and again)": (
        """query($keys: [AssetKeyInput!]!) { assetNodes(assetKeys: $keys, loadMaterializations: false) { id
        assetChecksOrError { ... on AssetChecks { checks { name canExecuteIndividually
        executionForLatestMaterialization { id runId status timestamp stepKey evaluation { severity } }
        partitionDefinition { name description } partitionStatuses { ... on AssetCheckDefaultPartitionStatuses {
        succeededPartitions failedPartitions inProgressPartitions skippedPartitions executionFailedPartitions
        } } } } } } }""",
        {"keys": [{"path": ["video", name]} for name in VIDEO]},
    ),
    "an asset's page: all its partitions": (
        """query($key: AssetKeyInput!) { assetNodeOrError(assetKey: $key) { ... on AssetNode {
        partitionKeysByDimension { name partitionKeys } assetPartitionStatuses {
        ... on DefaultPartitionStatuses { materializedPartitions failedPartitions materializingPartitions } } } } }""",
        {"key": {"path": ["video", "hls_720p"]}},
    ),
    "one media of an asset: its events": (
        """query($key: AssetKeyInput!, $media: [String!]) { assetOrError(assetKey: $key) { ... on Asset {
        assetMaterializations(partitions: $media, limit: 10) { timestamp partition tags { key value }
        metadataEntries { __typename label } } } } }""",
        {"key": {"path": ["video", "hls_720p"]}, "media": ["@MEDIA@"]},
    ),
    "one media of an asset: is it stale": (
        """query($key: AssetKeyInput!, $media: String!) { assetNodeOrError(assetKey: $key) { ... on AssetNode {
        staleStatus(partition: $media) staleCauses(partition: $media) { reason } } } }""",
        {"key": {"path": ["video", "hls_master"]}, "media": "@MEDIA@"},
    ),
    "an asset's checks: the latest result of each": (
        """query($key: AssetKeyInput!) { assetNodeOrError(assetKey: $key) { ... on AssetNode { assetChecksOrError {
        ... on AssetChecks { checks { name description executionForLatestMaterialization { status timestamp
        evaluation { description severity partition metadataEntries { label } } } } } } } } }""",
        {"key": {"path": ["video", "hls_720p"]}},
    ),
}


def usage(before: float) -> float:
    """Processor seconds of finished children since `before`."""
    spent = resource.getrusage(resource.RUSAGE_CHILDREN)
    return spent.ru_utime + spent.ru_stime - before


def timed(label: str, *command: str, environment: Mapping[str, str]) -> str:
    began, spent = time.monotonic(), usage(0)
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=dict(environment), cwd=ROOT)
    if done.returncode != 0:
        sys.exit(done.stderr[-3000:])
    print(f"{label:66} {time.monotonic() - began:7.1f} s  {usage(spent):7.1f} s of processor time", flush=True)
    return done.stdout


@contextmanager
def webserver(environment: Mapping[str, str]) -> Iterator[tuple[str, int]]:
    """Its address, and its process, which leads a session of its own."""
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        port = bound.getsockname()[1]
    command = ["dagster-webserver", "--workspace", "workspace.yaml", "--host", "127.0.0.1", "--port", str(port)]
    began = time.monotonic()
    with (Path(environment["DAGSTER_HOME"]) / "webserver.log").open("w") as log:
        process = subprocess.Popen(
            command, stdout=log, stderr=log, env=dict(environment), cwd=ROOT, start_new_session=True
        )
        try:
            while time.monotonic() < began + START_SECONDS:
                try:
                    requests.get(f"http://127.0.0.1:{port}/server_info", timeout=5)
                    break
                except requests.RequestException:
                    time.sleep(0.2)
            print(f"{'the webserver answers after':66} {time.monotonic() - began:7.1f} s", flush=True)
            yield f"http://127.0.0.1:{port}", process.pid
        finally:
            process.send_signal(signal.SIGINT)
            process.wait()


def ask(url: str, label: str, query: str, variables: Mapping[str, Any]) -> None:
    took = []
    size = 0
    for _ in range(ASKED):
        began = time.monotonic()
        answer = requests.post(url, json={"query": query, "variables": variables}, timeout=300)
        took.append(time.monotonic() - began)
        size = len(answer.content)
        if "errors" in answer.json():
            sys.exit(f"{label}: {answer.text[:2000]}")
    print(f"{label:66} {took[0]:7.2f} s  {statistics.median(took[1:]):7.2f} s again  {size / 1000:8.0f} kB", flush=True)


def verify_again(records: Path) -> None:
    """Write every verification anew, as one that found what the last one found leaves it: another time."""
    now = datetime.now(UTC).isoformat(timespec="milliseconds")
    for path in records.glob("*/verification.json"):
        record = json.loads(path.read_text())
        record["outputs"] = [{**output, "checked_at": now} for output in record["outputs"]]
        path.write_text(json.dumps(record))


def size_of(home: Path) -> str:
    return f"{sum(file.stat().st_size for file in home.rglob('*') if file.is_file()) / 1e6:.1f} MB"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--media", type=int, default=10_000)
    parser.add_argument("--keep", type=Path, help="make archive and instance here, or use those that are here")
    parser.add_argument("--pictures", type=Path, help="keep screenshots of the pages here")
    parser.add_argument("--pages-only", action="store_true", help="ask the pages alone")
    chosen = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        folder = chosen.keep or Path(scratch)
        store, home = folder / "store", folder / "dagster"
        if not (store / catalogue.BUCKET / "records").is_dir():
            catalogue.fill(
                store, chosen.media, {kind: catalogue.build(kind, is_verified=True) for kind in catalogue.SOURCES}
            )
        environment = {**os.environ, "STORAGE_DIR": str(store), "DAGSTER_HOME": str(home)}
        records = store / catalogue.BUCKET / "records"
        if not home.is_dir():
            home.mkdir(parents=True)
            shutil.copy(ROOT / "deploy" / "dagster-local.yaml", home / "dagster.yaml")
            command = [sys.executable, "-m", "codex_assets.cli.app", "import", "--json"]
            output = timed("import into an empty instance", *command, environment=environment)
            print(json.dumps(json.loads(output)), size_of(home))
            timed("import again, nothing new", *command, environment=environment)
            verify_again(records)
            output = timed("import after a night in which nothing changed", *command, environment=environment)
            print(json.dumps(json.loads(output)), size_of(home))
        media_id = next(name for name in sorted(os.listdir(records)) if (records / name / "hls_720p.json").exists())
        with webserver(environment) as (address, process):
            for label, (query, variables) in () if chosen.pages_only else QUESTIONS.items():
                named = json.loads(json.dumps(variables).replace("@MEDIA@", media_id))
                ask(f"{address}/graphql", label, query, named)
            if ui_pages.CHROMIUM is not None:
                ui_pages.measure(address, media_id, process, chosen.pictures)


if __name__ == "__main__":
    main()
