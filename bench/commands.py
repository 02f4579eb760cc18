"""What every question about thousands of media takes: processor seconds, peak memory and wall seconds of its command.

The archive is that of `bench/catalogue.py`: the records of one real video and one real audio media, copied under new
ids; here they were verified, too. One media in fifty has a finding, one in a hundred is a refused upload, and one in a
hundred was registered and never built. Every command runs in a process of its own, as it is used. With `--times 10` the
rows of the index are copied so many times under other ids, and the archive is not listed: questions about ten times as
many media, without a million files. Run:

    .venv/bin/python bench/commands.py [--media 10000] [--times 10] [--keep FOLDER] [--only list,failing]

The numbers it supports: docs/performance.md.
"""

from __future__ import annotations

import argparse
import json
import os
import sqlite3
import subprocess
import sys
import tempfile
import time
from contextlib import closing
from pathlib import Path
from typing import Any

import catalogue

FAULTY, UNUSUAL = 50, 100
"""One media in so many has a finding; one in so many was refused, and one was never built."""
QUESTIONS = ("list", "list --limit 20", "list --json", "failing", "stale", "stale --list", "stats", "rebuild --plan")
"""The commands that are answered from the index alone."""
JOBS, VERIFICATION = "jobs", "verification"


def with_finding(text: str) -> str:
    """A verification record in which one rule of its first output did not pass."""
    record = json.loads(text)
    checked = record["outputs"][0]
    rule = checked["passed"].pop(0)
    checked["failed"] = [{"rule": rule, "severity": "ERROR", "passed": False, "message": "It is not as it should be."}]
    return json.dumps(record)


def refused(media: dict[str, Any]) -> str:
    """The record of a refused upload."""
    return json.dumps(
        {
            "media": media,
            "code": "not_media",
            "sentence": "The upload is a text file.",
            "refused_at": "2026-11-01T08:00:00.000+00:00",
        }
    )


def fill(store: Path, media: int, templates: dict[str, dict[str, str]]) -> list[str]:
    """What `catalogue.fill` makes, with media that are not as they should be among them; their ids."""
    ids = catalogue.fill(store, media, templates)
    records = store / catalogue.BUCKET / "records"
    for number in range(0, media, FAULTY):
        path = records / ids[number] / f"{VERIFICATION}.json"
        path.write_text(with_finding(path.read_text()))
    for start, is_refused in ((7, True), (13, False)):
        for number in range(start, media, UNUSUAL):
            own = json.loads((records / ids[number] / "media.json").read_text())
            for path in (records / ids[number]).iterdir():
                if path.stem != JOBS and (is_refused or path.stem != "media"):
                    path.unlink()
            if is_refused:
                (records / ids[number] / "refused.json").write_text(refused(own))
            else:
                key = store / catalogue.BUCKET / own["input_key"]
                key.parent.mkdir(parents=True, exist_ok=True)
                key.touch()
            mezzanine = store / catalogue.BUCKET / "mezzanine" / own["creator_id"] / ids[number] / "mezzanine.mp4"
            mezzanine.unlink()
    return ids


def multiply(index: Path, times: int) -> None:
    """Copy what an index has under other ids, until it has so many times as much; its listing counts as fresh."""
    with closing(sqlite3.connect(index)) as database, database:
        for table in ("listed", "listed_files", "records", "media", "findings", "refusals", "stored", "held"):
            columns = [row[1] for row in database.execute(f"PRAGMA table_info({table})")][1:]
            for copy in range(1, times):
                database.execute(
                    f"INSERT INTO {table} SELECT media_id || '-{copy}', {', '.join(columns)} FROM {table}"
                    " WHERE media_id NOT GLOB '*-*-*'"
                )
        state = {"listed_at": time.time(), "refreshed_at": time.time(), "took": 1e9}
        database.executemany("INSERT OR REPLACE INTO state VALUES (?, ?)", list(state.items()))


def measured(label: str, store: Path, *arguments: str) -> None:
    """Run a command, and print what it took."""
    command = [sys.executable, "-m", "codex_assets.cli.app", *arguments, "--store", str(store)]
    began = time.monotonic()
    with tempfile.TemporaryFile() as errors:
        process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=errors)
        _, status, used = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
        seconds = time.monotonic() - began
        spent = used.ru_utime + used.ru_stime
        print(f"| {label} | {spent:.2f} | {used.ru_maxrss / 1024:.0f} | {seconds:.1f} |", flush=True)
        if process.returncode not in (0, 1, 2):
            errors.seek(0)
            sys.exit(errors.read().decode()[-3000:])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--media", type=int, default=10_000)
    parser.add_argument("--keep", type=Path, help="make the store here, or use the one that is here")
    parser.add_argument(
        "--times", type=int, default=1, help="copy the index's rows until there are so many times as many"
    )
    parser.add_argument("--only", help="the labels of these commands alone begin so, separated by commas")
    chosen = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        store = chosen.keep or Path(scratch)
        records = store / catalogue.BUCKET / "records"
        if not records.is_dir():
            templates = {kind: catalogue.build(kind, is_verified=True) for kind in catalogue.SOURCES}
            fill(store, chosen.media, templates)
        media = sorted(os.listdir(records))
        if chosen.times > 1:
            os.environ["CATALOGUE_PATH"] = str(Path(scratch) / "index.sqlite")
            measured("(index made anew)", store, "stale", "--reindex", "--limit", "1")
            multiply(Path(os.environ["CATALOGUE_PATH"]), chosen.times)
        media_id = next(name for name in media[len(media) // 2 :] if (records / name / "hls_720p.json").exists())
        commands = {
            "--help": ("--help",),
            "index made anew": ("stale", "--reindex", "--limit", "1"),
            "index brought up to date": ("stale", "--refresh", "--limit", "1"),
            "list --where id=ONE": ("list", "--where", f"id={media_id}"),
            "failing --where id=ONE": ("failing", "--where", f"id={media_id}"),
            "verify --where id=ONE": ("verify", "--where", f"id={media_id}"),
            "stats --where id=ONE": ("stats", "--where", f"id={media_id}"),
            "show ONE": ("show", media_id),
            "list": ("list",),
            "list --limit 20": ("list", "--limit", "20"),
            "list --json": ("list", "--json"),
            "failing": ("failing",),
            "stale": ("stale",),
            "stale --list": ("stale", "--list"),
            "stats": ("stats",),
            "rebuild --plan": ("rebuild", "--plan"),
            "rebuild --plan --also-fresh": ("rebuild", "--plan", "--also-fresh"),
        }
        print(f"{len(media) * chosen.times} media\n")
        print("| command | CPU s | peak MB | wall s |\n| --- | ---: | ---: | ---: |", flush=True)
        for label, command in commands.items():
            if chosen.times > 1 and label not in QUESTIONS:
                continue
            if chosen.only is None or label.startswith(tuple(chosen.only.split(","))):
                if label == "--help":
                    began = time.monotonic()
                    subprocess.run([sys.executable, "-m", "codex_assets.cli.app", "--help"], stdout=subprocess.DEVNULL)
                    print(f"| {label} | | | {time.monotonic() - began:.1f} |")
                    continue
                measured(label, store, *command)


if __name__ == "__main__":
    main()
