"""One worker, hundreds of jobs: what an endpoint that is never restarted comes to.

The worker is RunPod's own loop in a process of its own, on loopback, with folders for stores. It is given films,
sounds, damaged, refused and missing uploads, media that are sent again, and a receiver that fails now and then. Told at
the end: whether every job was answered once, what is left behind, how memory grew, then `stats`, and `verify` of all
that was published. Run:

    .venv/bin/python bench/soak.py [--jobs 100] [--keep FOLDER]

Exit code 1 when an answer is missing or wrong, or when something is left behind.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
# RunPod's side and the receiver are the tests'.
sys.path[:0] = [str(ROOT / "tests" / part) for part in ("support", "servers")]

import jobs  # noqa: E402
from control_plane import ControlPlane, control_plane, processes_with, running_worker  # noqa: E402
from webhook_receiver import receiving  # noqa: E402

from codex_assets.config import settings  # noqa: E402

KINDS = ("film", "sound", "again", "film", "damaged", "sound", "refused", "film", "missing", "again")
FAILS = {"refused": "source_not_media", "missing": "input_not_found"}
FAILING_RECEIVER = 7
"""Every so many jobs, the receiver fails once."""
JOB_SECONDS = 600.0


def upload(kind: str) -> bytes:
    if kind == "sound":
        return jobs.original("audio")
    if kind == "refused":
        return b"Dear platform, this is a letter.\n" * 100
    film = bytearray(jobs.film(4))
    if kind == "damaged":
        middle = len(film) // 2
        film[middle : middle + len(film) // 10] = bytes(len(film) // 10)
    return bytes(film)


def resident(folder: Path) -> float:
    """MB of memory in all processes of the worker."""
    total = 0
    for pid in processes_with(f"TMPDIR={folder / 'tmp'}\0"):
        try:
            lines = Path(f"/proc/{pid}/status").read_text().splitlines()
        except OSError:
            continue
        total += sum(int(line.split()[1]) for line in lines if line.startswith("VmRSS"))
    return total / 1000


def run(folder: Path, count: int) -> Iterator[str]:
    """Problems, as they are found."""
    environment = jobs.local_environment(folder)
    stores = settings.load(environment).stores()
    done: list[str] = []
    memory: list[float] = []
    answers: Counter[str] = Counter()
    with (
        control_plane() as plane,
        receiving() as receiver,
        running_worker({**environment, **plane.environment()}, folder / "worker") as worker,
    ):
        for number in range(count):
            kind = KINDS[number % len(KINDS)]
            job, media = f"job{number:04d}", f"media{number:04d}"
            if kind == "again" and done:
                media = done[-1]
            media_type = "audio" if kind == "sound" else "video"
            if kind not in ("missing", "again"):
                jobs.put_original(stores, media_type, media, upload(kind))
            if kind == "again":
                key = jobs.input_key("audio", media)
                media_type = "audio" if stores.archive.head(key) is not None else "video"
            if number % FAILING_RECEIVER == FAILING_RECEIVER - 1:
                receiver.script.append(503)
            plane.submit(job, jobs.payload(media_type, media, receiver.url))
            yield from answered(plane, job, kind, answers)
            webhooks = [webhook for webhook in receiver.of(job) if webhook.status < 300]
            if len(webhooks) != 1:
                yield f"{job}: {len(webhooks)} webhooks were taken"
            if kind not in FAILS:
                done.append(media)
            memory.append(resident(folder))
        if worker.process.poll() is not None:
            yield f"the worker ended with {worker.process.returncode}"
        # A spare process is always there; a tool never.
        running = [line for line in processes_with(f"TMPDIR={folder / 'tmp'}\0").values() if "ffmpeg" in line]
        if running:
            yield f"still running: {running}"
        left = [path for path in (folder / "tmp").glob("codex-assets/*") if path.is_dir()]
        if left:
            yield f"left in scratch space: {[path.name for path in left]}"
    tenth = max(1, len(memory) // 10)
    early, late = (sum(part) / len(part) for part in (memory[tenth : 2 * tenth] or memory, memory[-tenth:]))
    counts = ", ".join(f"{many} {what}" for what, many in sorted(answers.items()))
    print(f"{count} jobs: {counts}; memory {early:.0f} MB early, {late:.0f} MB late")


def answered(plane: ControlPlane, job: str, kind: str, answers: Counter[str]) -> Iterator[str]:
    posted = plane.result(job, JOB_SECONDS)
    body = posted.get("output") or posted
    status = body.get("status")
    answers[f"{kind} {status}"] += 1
    if status != ("failed" if kind in FAILS else "completed"):
        yield f"{job} ({kind}): {status}, {body.get('error')}"
    elif kind in FAILS and body.get("errorCode") != FAILS[kind]:
        yield f"{job} ({kind}): {body.get('errorCode')}, not {FAILS[kind]}"
    elif kind == "damaged" and not body["output"].get("warnings"):
        yield f"{job}: nothing was said of the damage"


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--jobs", type=int, default=100)
    parser.add_argument("--keep", type=Path, help="a folder to leave the stores in")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        folder = given.keep or Path(scratch)
        began = time.monotonic()
        problems = []
        for problem in run(folder, given.jobs):
            print(problem, flush=True)
            problems.append(problem)
        print(f"{time.monotonic() - began:.0f} s; problems: {len(problems)}\n", flush=True)
        for command in (["stats", "--since", "all"], ["verify", "--where", "output=mezzanine"]):
            whole = [sys.executable, "-m", "codex_assets.cli.app", *command, "--store", str(folder / "stores")]
            code = subprocess.run(whole, check=False, cwd=ROOT).returncode
            problems += [f"{command[0]} ended with {code}"] if code else []
    print(*problems, sep="\n")
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
