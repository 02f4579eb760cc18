"""How long the index of an archive takes, with thousands of media: made anew, brought up to date, asked.

One real video and one real audio media are built (with ffmpeg, a second long), and their records copied under new ids
into the archive of a local store, as a thousand jobs would have left them: same keys, own ids. Mezzanines are empty
files, which is all that a listing sees of them. Then every step is timed in a process of its own, as it is used. Run:

    .venv/bin/python bench/catalogue.py [--media 10000] [--keep FOLDER]

The decision it supports: docs/decisions/catalogue.md.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

CREATORS = 40
SOURCES = {
    "video": [
        "-f",
        "lavfi",
        "-i",
        "testsrc2=s=1280x24:r=25:d=1",
        "-f",
        "lavfi",
        "-i",
        "sine=d=1",
        "-pix_fmt",
        "yuv420p",
    ],
    "audio": ["-f", "lavfi", "-i", "sine=f=300:d=1"],
}
BUCKET = "codex-archive"


def build(kind: str, *, is_verified: bool = False) -> dict[str, str]:
    """The records of a real media of this kind, by name, as text with `@MEDIA@` and `@CREATOR@` for its ids.

    `is_verified`: it was verified after it was published, too.
    """
    with tempfile.TemporaryDirectory() as folder:
        clip = Path(folder, "clip.mkv" if kind == "video" else "clip.wav")
        subprocess.run(["ffmpeg", "-v", "error", "-y", *SOURCES[kind], str(clip)], check=True)
        command = [sys.executable, "-m", "codex_assets.cli.app", "run", str(clip), "--type", kind, "--json"]
        ids = ["--media-id", "template-media", "--creator-id", "template-creator", "--store", folder]
        subprocess.run([*command, *ids], check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        if is_verified:
            verify = [sys.executable, "-m", "codex_assets.cli.app", "verify", "template-media", "--store", folder]
            subprocess.run(verify, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        records = Path(folder, BUCKET, "records", "template-media")
        texts = {path.stem: path.read_text() for path in sorted(records.glob("*.json"))}
    return {
        name: text.replace("template-media", "@MEDIA@").replace("template-creator", "@CREATOR@")
        for name, text in texts.items()
    }


def fill(store: Path, media: int, templates: dict[str, dict[str, str]], start: int = 0) -> list[str]:
    """Records and mezzanines of so many media, from what `build` gave for both kinds; their ids. A fifth is audio."""
    archive = store / BUCKET
    made = []
    for number in range(start, start + media):
        kind = "audio" if number % 5 == 4 else "video"
        # As random ids are: spread over the alphabet.
        media_id = f"{(number * 2654435761) % 2**32:08x}-{number:06d}"
        creator = f"creator-{number % CREATORS}"
        folder = archive / "records" / media_id
        folder.mkdir(parents=True, exist_ok=True)
        for name, text in templates[kind].items():
            (folder / f"{name}.json").write_text(text.replace("@MEDIA@", media_id).replace("@CREATOR@", creator))
        mezzanine = archive / "mezzanine" / creator / media_id
        mezzanine.mkdir(parents=True, exist_ok=True)
        (mezzanine / "mezzanine.mp4").touch()
        made.append(media_id)
    return made


def timed(label: str, store: Path, *arguments: str) -> str:
    began = time.monotonic()
    command = [sys.executable, "-m", "codex_assets.cli.app", *arguments, "--store", str(store)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    print(f"{label:58} {time.monotonic() - began:6.2f} s", flush=True)
    if done.returncode not in (0, 1):
        sys.exit(done.stderr)
    return done.stdout


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--media", type=int, default=10_000)
    parser.add_argument("--keep", type=Path, help="make the store here, or use the one that is here")
    chosen = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        store = chosen.keep or Path(scratch)
        if not (store / BUCKET / "records").is_dir():
            began = time.monotonic()
            fill(store, chosen.media, {kind: build(kind) for kind in SOURCES})
            print(f"{chosen.media} media made in {time.monotonic() - began:.0f} s")
        records = store / BUCKET / "records"
        media = sorted(os.listdir(records))
        timed("whole index, made anew", store, "stale", "--reindex")
        timed("answer, with a refresh that finds nothing", store, "stale", "--refresh")
        timed("answer without looking at the archive", store, "stale", "--no-refresh")
        timed("... again", store, "stale", "--no-refresh")
        for media_id in media[:10]:
            path = records / media_id / "thumbnail.json"
            if path.exists():
                record = json.loads(path.read_text())
                path.write_text(json.dumps(record | {"code_version": "0" * 12}))
        timed("answer, with a refresh that finds 10 changed media", store, "stale", "--refresh")
        timed("answer as JSON, with the list", store, "stale", "--no-refresh", "--json")
        print(timed("answer for one asset", store, "stale", "--no-refresh", "--asset", "thumbnail"))


if __name__ == "__main__":
    main()
