"""The terminal's streams: whatever their encoding, a command says what it has to say and ends as it should."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import jobs
import pytest
from slow_cases import is_first, some_slow
from webhook_receiver import receiving

BY_ENCODING = [
    ({"PYTHONIOENCODING": "ascii"}, "ascii"),
    ({"PYTHONIOENCODING": "latin-1"}, "latin-1"),
    # Python would otherwise take UTF-8 for such a locale.
    ({"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}, "ascii"),
]


def answer(folder: Path, environ: dict[str, str], *arguments: str) -> subprocess.CompletedProcess[bytes]:
    """What a piped `codex-assets` prints, in a process of its own: the encoding is that of the process."""
    environment = {"PATH": os.environ["PATH"], "HOME": str(folder), "TMPDIR": str(folder), **environ}
    command = [sys.executable, "-c", "from codex_assets.cli.app import app; app()", *arguments]
    return subprocess.run(command, env=environment, capture_output=True, check=False)


@pytest.mark.ffmpeg
@pytest.mark.parametrize(("environ", "encoding"), some_slow(BY_ENCODING, lambda number, _: number != 1))
def test_the_doctor_speaks_every_encoding(tmp_path: Path, environ: dict[str, str], encoding: str) -> None:
    said = answer(tmp_path, {**environ, "STORAGE_DIR": str(tmp_path / "store")}, "doctor")

    text = said.stdout.decode(encoding)
    assert (said.returncode, said.stderr) == (0, b"")
    assert "+  tools" in text, "the tick has a plain spelling"
    assert "Everything needed is here." in text
    assert "\\u" not in text, "every sign of our own has one"


# Under the third, no file could have that name.
@pytest.mark.parametrize(("environ", "encoding"), BY_ENCODING[:2])
def test_json_stays_json_in_every_encoding(tmp_path: Path, environ: dict[str, str], encoding: str) -> None:
    """Bytes of a file's name that are no text, and letters that the stream's encoding lacks."""
    folder = tmp_path / os.fsdecode("Łódź ".encode() + b"\xff")
    folder.mkdir()
    (folder / "master.m3u8").write_text("#EXTM3U\n#EXT-X-STREAM-INF:BANDWIDTH=1000\nŁ.m3u8\n", encoding="utf-8")
    said = answer(tmp_path, environ, "verify", str(folder), "--json")

    assert b"Traceback" not in said.stderr
    printed = json.loads(said.stdout.decode(encoding))
    assert "Ł" in json.dumps(printed, ensure_ascii=False)


@pytest.mark.parametrize(("environ", "encoding"), some_slow(BY_ENCODING[:2], is_first))
def test_a_worker_prints_what_its_streams_lack(tmp_path: Path, environ: dict[str, str], encoding: str) -> None:
    """The SDK prints a job's result: a sentence in it may quote any character."""
    environment = {**os.environ, **jobs.local_environment(tmp_path), **environ, "RUNPOD_LOG_LEVEL": "DEBUG"}
    with receiving() as receiver:
        payload = jobs.payload("audio", "m1", receiver.url, inputKey="originals/creator1/m1/Łódź….wav")
        job = json.dumps({"id": "job-1", "input": payload})
        command = [sys.executable, "-u", "-m", "runpod_entry", "--test_input", job]
        said = subprocess.run(command, env=environment, cwd=jobs.ROOT, capture_output=True, check=False)

    assert b"UnicodeEncodeError" not in said.stderr + said.stdout
    assert b"input_not_found" in said.stdout, said.stderr
    assert "\\u0141" in said.stdout.decode(encoding), said.stderr
