"""A line of the log is one JSON object that says what it belongs to, from whatever thread it comes."""

from __future__ import annotations

import io
import json
import logging
import subprocess
import sys
import threading
from collections.abc import Generator, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from pathlib import Path
from typing import Any

import jobs
import pytest
from pydantic import SecretStr

from codex_assets import log_lines
from codex_assets.config import settings
from codex_assets.errors import ConfigurationError
from codex_assets.log_lines import about
from codex_assets.system.workspace import Workspace
from runpod_entry import logs

LOG = logging.getLogger("codex_assets.of_the_tests")


class Book:
    """What was logged, as lines."""

    def __init__(self) -> None:
        self.stream = io.StringIO()

    @property
    def lines(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.stream.getvalue().splitlines()]


@pytest.fixture
def book(monkeypatch: pytest.MonkeyPatch) -> Iterator[Book]:
    book = Book()
    root = logging.getLogger()
    before, levels = list(root.handlers), {name: logging.getLogger(name).level for name in logs.OURS}
    level = root.level
    monkeypatch.setattr(sys, "stderr", book.stream)
    monkeypatch.setattr(logs, "_concealed", set())
    logs.configure("INFO", "json")
    yield book
    root.handlers[:] = before
    root.setLevel(level)
    for name, own_level in levels.items():
        logging.getLogger(name).setLevel(own_level)


def test_a_line_is_one_object(book: Book) -> None:
    with about(job="job-1", media="m1", asset="hls_720p", step="video_ladder", phase="variants"):
        LOG.warning('two lines\nand a "quote" of %s', "söme")
    (line,) = book.lines
    assert datetime.fromisoformat(line.pop("time").replace("Z", "+00:00")).tzinfo is not None
    assert line == {
        "level": "WARNING",
        "logger": LOG.name,
        "message": 'two lines\nand a "quote" of söme',
        "job": "job-1",
        "media": "m1",
        "asset": "hls_720p",
        "step": "video_ladder",
        "phase": "variants",
    }


def test_what_is_not_known_is_left_out(book: Book) -> None:
    LOG.info("between jobs")
    assert set(book.lines[0]) == {"time", "level", "logger", "message"}


def test_scopes_nest_and_end(book: Book) -> None:
    with about(job="job-1"):
        with about(phase="mezzanine"):
            LOG.info("inside")
        LOG.info("after")
    LOG.info("outside")
    scopes = [(line.get("job"), line.get("phase")) for line in book.lines]
    assert scopes == [("job-1", "mezzanine"), ("job-1", None), (None, None)]


def test_threads_of_a_process_with_one_job_say_which(book: Book) -> None:
    """Threads begin without a context: a pool's, and one that was started before the phase began."""
    go = threading.Event()

    def wait_and_tell() -> None:
        assert go.wait(200)
        LOG.info("early thread")

    with about(shared=True, job="job-1", media="m1"):
        early = threading.Thread(target=wait_and_tell)
        early.start()
        with about(phase="publishing"), ThreadPoolExecutor(2) as pool:
            pool.submit(LOG.info, "late thread").result()
            go.set()
            early.join()
    ThreadPoolExecutor(1).submit(LOG.info, "afterwards").result()
    scopes = {line["message"]: (line.get("job"), line.get("media"), line.get("phase")) for line in book.lines}
    assert scopes == {
        "late thread": ("job-1", "m1", "publishing"),
        "early thread": ("job-1", "m1", "publishing"),
        "afterwards": (None, None, None),
    }


def test_work_beside_each_other_is_told_apart(book: Book) -> None:
    """Where several media are worked on in one process, nothing is shared between their threads."""
    both = threading.Barrier(2)

    def work(media: str) -> None:
        with about(media=media):
            both.wait(200)
            LOG.info("%s", media)
            both.wait(200)

    with ThreadPoolExecutor(2) as pool:
        list(pool.map(work, ["m1", "m2"]))
    assert all(line["message"] == line["media"] for line in book.lines)
    assert len(book.lines) == 2


def test_phases_of_a_workspace_are_told(book: Book, tmp_path: Path) -> None:
    workspace = Workspace(tmp_path / "run")
    with workspace.progress.phase("variants"):
        LOG.info("inside")
    LOG.info("outside")
    assert [line.get("phase") for line in book.lines] == ["variants", None]


def test_a_generator_that_is_closed_elsewhere_ends_quietly(book: Book) -> None:
    def produce() -> Generator[int, None, None]:
        with about(step="one"):
            yield 1

    made = produce()
    next(made)
    ThreadPoolExecutor(1).submit(made.close).result()


def test_secrets_are_blanked_before_they_are_escaped(book: Book) -> None:
    secret = 'wh"sec\\with\nall'
    logs.conceal([SecretStr(secret)])
    try:
        raise RuntimeError(f"it said {secret}")
    except RuntimeError:
        with about(media=secret):
            LOG.exception("the secret is %s", secret)
    text = book.stream.getvalue()
    assert secret not in text
    assert json.dumps(secret)[1:-1] not in text
    (line,) = book.lines
    assert line["message"] == "the secret is ***"
    assert line["media"] == "***"
    assert line["exception"].endswith("RuntimeError: it said ***")


# --- Which format -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("environ", "form"),
    [
        ({}, "text"),
        ({"RUNPOD_POD_ID": "pod1"}, "json"),
        ({"RUNPOD_POD_ID": "pod1", "LOG_FORMAT": "text"}, "text"),
        ({"LOG_FORMAT": "json"}, "json"),
        ({"LOG_FORMAT": "yaml"}, "text"),
    ],
)
def test_json_is_the_default_on_runpod(environ: dict[str, str], form: str) -> None:
    assert settings.log_format(environ) == form


def test_a_format_that_there_is_not_is_told(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="LOG_FORMAT has to be `json` or `text`"):
        settings.load(jobs.local_environment(tmp_path, LOG_FORMAT="yaml"))


def test_text_lines_stay_text() -> None:
    program = (
        "import logging; from runpod_entry import logs; logs.configure('INFO', 'text');"
        "logging.getLogger('codex_assets').info('hello')"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stderr.strip().endswith("INFO    codex_assets: hello")


def test_every_field_has_a_place() -> None:
    assert log_lines.FIELDS == ("job", "media", "asset", "step", "phase")
