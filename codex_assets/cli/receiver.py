"""A webhook receiver on this machine, for runs that nobody else listens to: it does what media-api has to do.

Reads the body as bytes, checks the signature over exactly those, then reads them as JSON. It makes the signature from
the contract's words with nothing of the sender's code, so that a mistake of one is not repeated by the other.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import threading
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from pydantic import SecretStr

SIGNATURE = "X-RunPod-Signature"
LARGEST_BODY = 1 << 20
"""Bytes of a request that are read."""


@dataclass(frozen=True)
class ReceivedWebhook:
    """A request that came. `is_verified`: its signature fits `raw`; `body` is None when that is no JSON object."""

    path: str
    raw: bytes
    signature: str
    is_verified: bool
    body: dict[str, Any] | None


class Receiver:
    """Listens on a free port of the loopback interface while its block runs, and keeps the requests that came."""

    def __init__(self, secret: SecretStr) -> None:
        self._secret = secret.get_secret_value().encode()
        self._received: list[ReceivedWebhook] = []
        self._lock = threading.Lock()
        keep = self._keep

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                length = min(int(self.headers.get("Content-Length") or 0), LARGEST_BODY)
                is_verified = keep(self.path, self.rfile.read(length), self.headers.get(SIGNATURE, ""))
                answer = b'{"received":true}' if is_verified else b'{"error":"the signature is not right"}'
                self.send_response(200 if is_verified else 401)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(answer)))
                self.end_headers()
                self.wfile.write(answer)

            def log_message(self, *_: object) -> None:
                """Requests are kept, not printed."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._thread = threading.Thread(target=self._server.serve_forever, name="receiver", daemon=True)

    @property
    def url(self) -> str:
        """Where webhooks are to be sent."""
        return f"http://127.0.0.1:{self._server.server_address[1]}/webhook"

    def __enter__(self) -> Receiver:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def received(self, job_id: str) -> list[ReceivedWebhook]:
        """The webhooks of a job, verified or not, in the order in which they came."""
        with self._lock:
            return [
                webhook for webhook in self._received if webhook.body is not None and webhook.body.get("id") == job_id
            ]

    def strays(self) -> list[ReceivedWebhook]:
        """The requests that were not verified, or held no JSON object."""
        with self._lock:
            return [webhook for webhook in self._received if not webhook.is_verified or webhook.body is None]

    def _keep(self, path: str, raw: bytes, signature: str) -> bool:
        """Keep a request, and return whether it is verified."""
        expected = hmac.new(self._secret, raw, hashlib.sha256).hexdigest()
        is_verified = hmac.compare_digest(expected.encode(), signature.encode())
        try:
            body = json.loads(raw)
        except ValueError:
            body = None
        with self._lock:
            self._received.append(
                ReceivedWebhook(path, raw, signature, is_verified, body if isinstance(body, dict) else None)
            )
        return is_verified
