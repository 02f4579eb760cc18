"""A second run whose encoder is faulty: the job fails, says what and why, and what was published stays as it was."""

from __future__ import annotations

import hashlib
import os
import shutil
from pathlib import Path

import jobs
import pytest
from webhook_receiver import Receiver

from codex_assets.config import settings as configuration
from codex_assets.worker import job

FAULTY = """#!/usr/bin/env bash
# ffmpeg, but segments of 4 seconds where 6 are asked for: a fault that no exit status tells of.
args=()
for argument in "$@"; do
    [[ $previous == -hls_time ]] && argument=4
    previous=$argument
    args+=("$argument")
done
exec {ffmpeg} "${{args[@]}}"
"""


def contents(folder: Path) -> dict[str, str]:
    """Hashes of what is published; records of what was rebuilt well tell another time."""
    return {
        path.relative_to(folder).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(folder.rglob("*"))
        if path.is_file() and ".meta" not in path.parts and not {"originals", "records"} & set(path.parts)
    }


@pytest.mark.slow
@pytest.mark.ffmpeg
def test_a_faulty_encoder_replaces_nothing_and_is_named(tmp_path: Path, receiver: Receiver) -> None:
    environment = jobs.local_environment(tmp_path)
    settings = configuration.load(environment)
    film = jobs.film(13)
    jobs.put_original(settings.stores(), "video", "film", film)
    payload = jobs.payload("video", "film", receiver.url)
    assert job.run("first", payload, settings)["status"] == "completed"
    stores = tmp_path / "stores"
    before = contents(stores)

    ffmpeg = shutil.which("ffmpeg")
    assert ffmpeg is not None
    faulty = tmp_path / "faulty"
    faulty.mkdir()
    (faulty / "ffmpeg").write_text(FAULTY.format(ffmpeg=ffmpeg))
    (faulty / "ffmpeg").chmod(0o755)
    broken = configuration.load({**environment, "PATH": f"{faulty}{os.pathsep}{environment['PATH']}"})
    result = job.run("second", payload, broken)

    assert result["errorCode"] == "verification_failed"
    assert "hls_360p failed segment_length" in result["error"]
    assert str(tmp_path) not in result["error"]
    assert receiver.taken()[-1]["error"] == result["error"]
    assert contents(stores) == before
