"""A webhook receiver over real HTTP: records what came, answers by script, and checks signatures by its own means.

Knows nothing of the code under test: what it verifies, media-api would verify too.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import requests
from loopback import QuietHandler, serving, sockets_at


@dataclass(frozen=True)
class Received:
    """One request as it came."""

    path: str
    headers: dict[str, str]
    body: bytes
    status: int
    """What it was answered with."""

    @property
    def said(self) -> dict[str, Any]:
        parsed = json.loads(self.body)
        assert isinstance(parsed, dict)
        return parsed

    def is_signed_with(self, secret: str) -> bool:
        signature = hmac.new(secret.encode(), self.body, hashlib.sha256).hexdigest()
        return hmac.compare_digest(signature, self.headers.get("x-runpod-signature", ""))


@dataclass
class Receiver:
    """`script` holds the statuses of the next answers; after them, and without any, it is 200."""

    host: str = "127.0.0.1"
    port: int = 0
    script: list[int] = field(default_factory=list)
    received: list[Received] = field(default_factory=list)
    delay_s: float = 0.0
    """Before each answer."""
    answer: bytes | None = None
    """What is said instead of `{"received": ...}`."""
    _changed: threading.Condition = field(default_factory=threading.Condition)

    @property
    def url(self) -> str:
        return f"http://{self.host}:{self.port}/webhook"

    def taken(self) -> list[dict[str, Any]]:
        """Bodies that were answered with success, in order."""
        return [request.said for request in self.received if request.status < 300]

    def of(self, job_id: str) -> list[Received]:
        return [request for request in self.received if request.said.get("id") == job_id]

    def wait(self, count: int, timeout_s: float = 120.0) -> list[Received]:
        """The first `count` requests, as soon as there are that many."""
        with self._changed:
            came = self._changed.wait_for(lambda: len(self.received) >= count, timeout_s)
        assert came, f"{len(self.received)} of {count} webhooks came within {timeout_s} s"
        return self.received[:count]

    def who_answers(self) -> str:
        """What is known of whoever takes what is sent to this receiver, and this one does not get."""
        before = len(self.received)
        try:
            reply = requests.post(self.url, b"{}", timeout=20)
            answer = f"{reply.status_code} {reply.headers} {reply.text[:500]!r}"
        except requests.RequestException as error:
            answer = str(error)
        came = "came here" if len(self.received) > before else "did not come here"
        sockets = "; ".join(sockets_at(self.port))
        return f"one more request to {self.url} {came}, and was answered: {answer}. Sockets: {sockets}"

    def _take(self, path: str, headers: dict[str, str], body: bytes) -> int:
        with self._changed:
            status = self.script.pop(0) if self.script else 200
            self.received.append(Received(path, headers, body, status))
            self._changed.notify_all()
        time.sleep(self.delay_s)
        return status


@contextmanager
def receiving(*script: int, host: str = "127.0.0.1") -> Iterator[Receiver]:
    receiver = Receiver(host=host, script=list(script))

    class Handler(QuietHandler):
        def do_POST(self) -> None:
            headers = {name.lower(): text for name, text in self.headers.items()}
            status = receiver._take(self.path, headers, self.read_body())
            answer = json.dumps({"received": status < 300}).encode() if receiver.answer is None else receiver.answer
            self.send_body(status, answer, Content_Type="application/json")

    with serving(Handler, host=host) as receiver.port:
        yield receiver
