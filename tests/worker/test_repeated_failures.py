"""Failures that another try would meet again: it is not made, and who sent the job is told."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import jobs
import pytest
from webhook_receiver import Receiver

from codex_assets.config import settings as configuration
from codex_assets.config.settings import Settings
from codex_assets.system.workspace import Status
from codex_assets.worker import job

pytestmark = [pytest.mark.ffmpeg, pytest.mark.slow]

FAILS = ("aac", 'echo "[aac @ 0x$$] [error] Nothing works" >&2; exit 1')
QUIETER = ("alac", "arguments+=(-af volume=0.5)")
KILLED = ("aac", "kill -KILL $$")
"""Where a sound is encoded by which coder, and what happens there."""
BEGINNINGS = {"mezzanine": 2, "sound": 3}
"""How often an attempt says that it begins this phase: the phase itself, and each encode in it."""


def spoiled(folder: Path, coder: str, deed: str) -> Settings:
    """A worker whose ffmpeg does this wherever it is to use this coder, and is the real one else."""
    real = shutil.which("ffmpeg")
    front = folder / "front"
    front.mkdir()
    loop = f'for each; do arguments+=("$each"); if [[ $each == {coder} ]]; then {deed}; fi; done'
    (front / "ffmpeg").write_text(f'#!/bin/bash\n{loop}\nexec {real} "${{arguments[@]}}"\n', encoding="utf-8")
    (front / "ffmpeg").chmod(0o755)
    return configuration.load(jobs.local_environment(folder, PATH=f"{front}:{os.environ['PATH']}"))


def do(settings: Settings, job_id: str, receiver: Receiver, phase: str) -> tuple[dict[str, object], int]:
    """Do the job; what was announced, and how often this phase was begun."""
    statuses: list[Status] = []
    job.run(job_id, jobs.payload("audio", "talk", receiver.url), settings, listener=statuses.append)
    attempts = sum(at.phase == phase and at.fraction == 0 for at in statuses) // BEGINNINGS[phase]
    return receiver.received[-1].said, attempts


@pytest.mark.parametrize(
    ("fault", "phase", "code"),
    [(FAILS, "sound", "tool_failed"), (QUIETER, "mezzanine", "verification_failed")],
    ids=["a tool", "a rule"],
)
def test_what_fails_alike_is_tried_twice_and_then_final(
    tmp_path: Path, receiver: Receiver, fault: tuple[str, str], phase: str, code: str
) -> None:
    settings = spoiled(tmp_path, *fault)
    jobs.put_original(settings.stores(), "audio", "talk")
    first, attempts = do(settings, "j1", receiver, phase)
    assert (first["errorCode"], first["retryable"], attempts) == (code, True, 2)
    second, _ = do(settings, "j2", receiver, phase)
    assert (second["errorCode"], second["retryable"]) == (code, False)
    assert str(second["error"]).startswith(str(first["error"]))
    assert "sending it again does not help" in str(second["error"])
    # Another upload may fare better.
    jobs.put_original(settings.stores(), "audio", "talk", jobs.another_sound())
    third, _ = do(settings, "j3", receiver, phase)
    assert (third["errorCode"], third["retryable"]) == (code, True)


def test_what_may_pass_is_tried_three_times_and_sent_again(tmp_path: Path, receiver: Receiver) -> None:
    settings = spoiled(tmp_path, *KILLED)
    jobs.put_original(settings.stores(), "audio", "talk")
    for job_id in ("j1", "j2"):
        body, attempts = do(settings, job_id, receiver, "sound")
        assert (body["errorCode"], body["retryable"], attempts) == ("tool_failed", True, 3)
