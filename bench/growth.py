"""How a job of a film grows with its length: wall and CPU seconds, and memory, of 1, 5, 20 and 60 minutes.

The film is small, so that an hour of it takes minutes: a minute of what `bench/verification.py` makes, again and again.
What is asked is whether ten times the minutes take ten times as long, and no more memory; what a big film
takes is in `bench/job.py`, and `bench/sound.py` asks the same of sounds. Run it with

    .venv/bin/python bench/growth.py [--lengths 60,300,1200,3600] [--height 144]

The page that states the results: docs/performance.md.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import tempfile
from pathlib import Path

import job
import verification

RESULTS = Path(__file__).parent / "results" / "growth.json"
MINUTE = 60


def make(folder: Path, seconds: int, height: int) -> Path:
    """A film of this length, of one minute that is made once."""
    minute, path = folder / "minute.mp4", folder / f"{seconds}.mp4"
    if not minute.exists():
        verification.make_film(minute, float(MINUTE), height)
    again = ["-stream_loop", str(seconds // MINUTE), "-i", str(minute), "-t", str(seconds)]
    subprocess.run([*job.QUIET, *again, "-c", "copy", str(path)], check=True)
    return path


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--lengths", default="60,300,1200,3600", help="Seconds, with commas between them.")
    parser.add_argument("--height", type=int, default=144, help="Rows of the film.")
    parser.add_argument("--json", type=Path, default=RESULTS, help="Where the numbers are written.")
    options = parser.parse_args()
    rows: list[dict[str, float]] = []
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for seconds in map(int, options.lengths.split(",")):
            film = job.Film.of(make(folder, seconds, options.height))
            cost = job.measured(film, job.job, folder / "job")
            shutil.rmtree(folder / "job")
            numbers = {"wall": cost.wall, "cpu": cost.cpu, "memory_megabytes": cost.memory / 1e6}
            rows.append({"seconds": seconds, **{key: round(value, 1) for key, value in numbers.items()}})
            print(json.dumps(rows[-1]), flush=True)
    options.json.parent.mkdir(parents=True, exist_ok=True)
    options.json.write_text(json.dumps({"cores": os.cpu_count(), "height": options.height, "films": rows}, indent=2))


if __name__ == "__main__":
    main()
