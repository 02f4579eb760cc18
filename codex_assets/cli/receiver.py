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


@dataclass(frozen=True)
class Received:
    """One request. `body` is None when it was no JSON object."""

    path: str
    raw: bytes
    signature: str
    verified: bool
    body: dict[str, Any] | None


class Receiver:
    """Listens on a free port of the loopback interface while it is open; keeps what came."""

    def __init__(self, secret: SecretStr) -> None:
        self._secret = secret.get_secret_value().encode()
        self._received: list[Received] = []
        self._lock = threading.Lock()
        keep = self._keep

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                length = min(int(self.headers.get("Content-Length") or 0), LARGEST_BODY)
                verified = keep(self.path, self.rfile.read(length), self.headers.get(SIGNATURE, ""))
                answer = b'{"received":true}' if verified else b'{"error":"the signature is not right"}'
                self.send_response(200 if verified else 401)
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
        return f"http://127.0.0.1:{self._server.server_address[1]}/webhook"

    def __enter__(self) -> Receiver:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def received(self, job_id: str) -> list[Received]:
        """What came about one job, in order, verified or not."""
        with self._lock:
            return [one for one in self._received if one.body is not None and one.body.get("id") == job_id]

    def strays(self) -> list[Received]:
        """What was not verified, or no JSON object."""
        with self._lock:
            return [one for one in self._received if not one.verified or one.body is None]

    def _keep(self, path: str, raw: bytes, signature: str) -> bool:
        expected = hmac.new(self._secret, raw, hashlib.sha256).hexdigest()
        verified = hmac.compare_digest(expected.encode(), signature.encode())
        try:
            body = json.loads(raw)
        except ValueError:
            body = None
        with self._lock:
            self._received.append(Received(path, raw, signature, verified, body if isinstance(body, dict) else None))
        return verified
