"""The demonstration on tiny samples: the real handler, real processes, a real webhook; and that it notices what is not
as the contract says.
"""

from __future__ import annotations

import hashlib
import hmac
import http.client
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from clips import AAC, FFMPEG, H264, picture, sound
from pydantic import SecretStr

from codex_assets.cli import demo
from codex_assets.cli.receiver import ReceivedWebhook, Receiver
from codex_assets.config import settings
from codex_assets.errors import MissingInput
from codex_assets.storage.objects import Stores

FIXTURES = Path(__file__).parents[2] / "fixtures"
SECRET = SecretStr("of-this-test-only")


@pytest.fixture
def _environment() -> Iterator[None]:
    """The demonstration makes another environment its own."""
    before = dict(os.environ)
    yield
    os.environ.clear()
    os.environ.update(before)


@pytest.fixture
def samples(tmp_path: Path) -> Path:
    """The real payloads, and samples that take a second."""
    folder = tmp_path / "samples"
    folder.mkdir()
    for name in demo.NAMES:
        shutil.copy(FIXTURES / f"{name}.job.json", folder)
    video = [*picture(size="320x180", seconds=2), *sound(seconds=2), *H264, *AAC]
    for name, arguments in (("sample-video.mp4", video), ("sample-audio.wav", sound(seconds=2))):
        subprocess.run([*FFMPEG, *arguments, str(folder / name)], check=True)
    return folder


# --- All of it --------------------------------------------------------------------------------------------------------


@pytest.mark.ffmpeg
@pytest.mark.usefixtures("_environment")
def test_the_demonstration_and_what_it_would_notice(
    samples: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(demo, "SAMPLES", samples)
    store = tmp_path / "store"
    environ = settings.local_environment(store)
    assert demo.run(environ, verbose=True)
    printed, log = capfd.readouterr()
    for name in demo.NAMES:
        assert f"✓ {name}" in printed
    assert printed.count("signature verified over") == 2
    for shown in ('"status": "completed"', "master.m3u8", "waveform.png", "Where to look", "ffplay", "make dev"):
        assert shown in printed
    assert ".meta" not in printed
    assert all(line.startswith(demo.NAMES) for line in log.splitlines()), log
    assert "local-demo-secret" not in printed + log

    # What came, compared once more after something was taken away.
    stores = settings.load().stores()
    payload = json.loads((samples / "sample-video.job.json").read_text())["input"]
    result = result_of(printed)
    assert not [problem for problem in demo._missing(payload, result, stores) if problem]
    segment = next(store.glob("codex-media-local/creator-demo/hls/sample-video/360p/*/*.ts"))
    segment.unlink()
    (lost,) = problems(payload, result, stores)
    assert segment.name in lost
    del result["output"]["thumbnailKey"]
    assert any("`thumbnailKey`" in problem for problem in problems(payload, result, stores))


def result_of(printed: str) -> dict[str, Any]:
    """The first body that was printed."""
    decoded, _ = json.JSONDecoder().raw_decode(printed[printed.index("{") :])
    assert isinstance(decoded, dict)
    return decoded


def problems(payload: dict[str, Any], result: dict[str, Any], stores: Stores) -> list[str]:
    return [problem for problem in demo._missing(payload, result, stores) if problem]


def test_a_checkout_without_samples(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(demo, "SAMPLES", tmp_path)
    with pytest.raises(MissingInput, match="from a checkout"):
        demo.run({})


@pytest.mark.slow
@pytest.mark.ffmpeg
def test_the_command_twice(tmp_path: Path) -> None:
    for _ in range(2):
        run = subprocess.run(
            [sys.executable, "-m", "codex_assets.cli.app", "demo", "--store", str(tmp_path / "store")],
            capture_output=True,
            text=True,
            cwd=FIXTURES.parent,
        )
        assert run.returncode == 0, run.stdout + run.stderr
        assert run.stdout.count("signature verified over") == 2


# --- Its parts --------------------------------------------------------------------------------------------------------


def came(body: dict[str, Any], *, verified: bool = True) -> ReceivedWebhook:
    return ReceivedWebhook("/webhook", json.dumps(body).encode(), "", verified, body)


FAILED = {"id": "j", "status": "failed", "output": {}, "error": "It broke.", "errorCode": "tool_failed"}


@pytest.mark.parametrize(
    ("result", "webhooks", "problem"),
    [
        (FAILED, [came(FAILED)], "the job failed: It broke. (tool_failed)"),
        (FAILED, [], "0 webhooks came"),
        (FAILED, [came(FAILED), came(FAILED)], "2 webhooks came"),
        (FAILED, [came(FAILED, verified=False)], "the signature of the webhook"),
        (FAILED, [came({**FAILED, "error": "Else."})], "says something else"),
        ({"id": "j", "status": "completed", "output": {}}, [], "does not fit its schema"),
    ],
)
def test_what_is_wrong_with_a_webhook(result: dict[str, Any], webhooks: list[ReceivedWebhook], problem: str) -> None:
    assert any(problem in text for text in demo._webhook_problems(result, webhooks, []))


def post(url: str, body: bytes, signature: str) -> int:
    connection = http.client.HTTPConnection(urlsplit(url).netloc, timeout=120)
    connection.request("POST", urlsplit(url).path, body, {"X-RunPod-Signature": signature})
    status = connection.getresponse().status
    connection.close()
    return status


def signed(body: bytes, key: bytes = b"of-this-test-only") -> str:
    return hmac.new(key, body, hashlib.sha256).hexdigest()


def test_the_receiver_takes_what_is_signed() -> None:
    body = b'{"id": "job-1",  "status": "completed"}'
    with Receiver(SECRET) as receiver:
        assert post(receiver.url, body, signed(body)) == 200
        (webhook,) = receiver.received("job-1")
        assert (webhook.is_verified, webhook.raw, receiver.strays()) == (True, body, [])
        assert receiver.received("job-2") == []


@pytest.mark.parametrize(
    ("body", "signature"),
    [
        (b'{"id": "job-1"}', signed(b'{"id":"job-1"}')),
        (b'{"id": "job-1"}', signed(b'{"id": "job-1"}', b"another key")),
        (b'{"id": "job-1"}', signed(b'{"id": "job-1"}').upper()),
        (b'{"id": "job-1"}', ""),
        (b'{"id": "job-1"}', "ä"),
    ],
)
def test_the_receiver_refuses_what_is_not(body: bytes, signature: str) -> None:
    with Receiver(SECRET) as receiver:
        assert post(receiver.url, body, signature.encode().decode("latin-1")) == 401
        assert [webhook.is_verified for webhook in receiver.strays()] == [False]
