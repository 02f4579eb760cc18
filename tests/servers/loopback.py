"""What the loopback servers of the tests have in common: a quiet handler that answers in JSON, and a server's life.

Out: what a server answers, which each of them says itself.
"""

from __future__ import annotations

import json
import os
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from ipaddress import ip_address
from pathlib import Path
from typing import Any


class QuietHandler(BaseHTTPRequestHandler):
    """Logs nothing, and does not mind whoever hangs up: clients are killed, which is what some tests are about."""

    def log_message(self, format: str, *args: Any) -> None:
        """Nothing."""

    def read_body(self) -> bytes:
        """The bytes of the request's body; empty without one."""
        return self.rfile.read(int(self.headers.get("Content-Length") or 0))

    def read_json(self) -> Any:
        """The request's body as JSON; None without one."""
        body = self.read_body()
        return json.loads(body) if body else None

    def send_body(self, status: int, body: bytes, **headers: str) -> None:
        """Answer with a body, its length, and more headers (`Retry_After="1"`)."""
        try:
            self.send_response(status)
            for name, value in {"Content-Length": str(len(body)), **headers}.items():
                self.send_header(name.replace("_", "-"), value)
            self.end_headers()
            self.wfile.write(body)
        except ConnectionError:
            self.close_connection = True

    def send_json(self, status: int, value: Any, **headers: str) -> None:
        """Answer in JSON; `value` None is an empty body."""
        body = b"" if value is None else json.dumps(value).encode()
        self.send_body(status, body, Content_Type="application/json", **headers)


class Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 64

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Whoever asked is gone."""


@contextmanager
def serving(
    handler: type[BaseHTTPRequestHandler], tls: ssl.SSLContext | None = None, host: str = "127.0.0.1"
) -> Iterator[int]:
    """The port of a server on loopback, which answers with `handler` during the block; over TLS, if `tls` is given."""
    server = Server((host, 0), handler)
    if tls is not None:
        server.socket = tls.wrap_socket(server.socket, server_side=True)
    threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()
    try:
        yield server.server_address[1]
    finally:
        server.shutdown()
        server.server_close()


def own_host() -> str:
    """A loopback address at which no other process of the tests listens: 127.0.0.0/8 is this machine, all of it."""
    return str(ip_address("127.0.0.0") + os.getpid())


def sockets_at(port: int) -> list[str]:
    """The TCP sockets of this machine that are bound to a port: their states, and who holds each of them."""
    sockets = {}
    for table in ("tcp", "tcp6"):
        for line in Path(f"/proc/net/{table}").read_text().splitlines()[1:]:
            _, local, remote, state, *_, inode = line.split()[:10]
            if int(local.rpartition(":")[2], 16) == port:
                sockets[f"socket:[{inode}]"] = f"{table} {local} {remote} in state {state}"
    holders: dict[str, list[str]] = {name: [] for name in sockets}
    for descriptor in Path("/proc").glob("[0-9]*/fd/*"):
        with suppress(OSError):
            holders.get(str(descriptor.readlink()), []).append("/".join(descriptor.parts[2:]))
    return [f"{about}, held by {' '.join(holders[name]) or 'nobody'}" for name, about in sockets.items()]
