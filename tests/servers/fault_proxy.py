"""What stands between a worker and its stores or its receiver, over real HTTP, and does to a request what a fault does.

A proxy hands on every request, unless its `rule` answers with a fault for it, which is given the exchange: it may hand
the request on or not, answer otherwise, say nothing, or break the connection. In: what can be done to one exchange.
Out: which faults there are, and when they happen (`faults/`).
"""

from __future__ import annotations

import http.client
import select
import socket
import struct
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from http.server import ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qsl, unquote, urlsplit

from loopback import QuietHandler
from store_front import Answer

TRICKLE_SECONDS = 0.1
"""Between two bytes of an answer that trickles."""
_RESET = struct.pack("ii", 1, 0)


@dataclass(frozen=True)
class Asked:
    """A request as it came."""

    method: str
    target: str
    headers: dict[str, str]
    """Names in lower case."""
    body: bytes

    @property
    def bucket(self) -> str:
        return self._path.partition("/")[0]

    @property
    def key(self) -> str:
        """Of the object that is asked for; empty for a bucket."""
        return self._path.partition("/")[2]

    @property
    def query(self) -> dict[str, str]:
        return dict(parse_qsl(urlsplit(self.target).query, keep_blank_values=True))

    @property
    def _path(self) -> str:
        return unquote(urlsplit(self.target).path).removeprefix("/")

    def without(self, *names: str) -> Asked:
        """The same without these headers."""
        return replace(self, headers={name: value for name, value in self.headers.items() if name not in names})


class Exchange:
    """One request, and the connection that it came by."""

    def __init__(self, asked: Asked, handler: _Handler) -> None:
        self.asked = asked
        self._handler = handler

    @property
    def proxy(self) -> FaultProxy:
        return self._handler.proxy

    def hand_on(self, asked: Asked | None = None) -> Answer:
        """What the store says to the request as it came, or to another one."""
        return self.proxy.ask(asked or self.asked)

    def send(self, answer: Answer) -> None:
        """Give an answer, as it is."""
        self._write(_head(answer, self.asked.method) + (b"" if self.asked.method == "HEAD" else answer.body))

    def reset(self) -> None:
        """Break the connection, as a machine does that has lost it."""
        handler = self._handler
        handler.close_connection = True
        with suppress(OSError):
            handler.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
            for each in (handler.rfile, handler.wfile, handler.connection):
                each.close()

    def send_part(self, answer: Answer, size: int) -> None:
        """Give the head of an answer and so many bytes of its body, and break the connection."""
        self._write(_head(answer, self.asked.method) + answer.body[:size])
        # Or what was sent before the reset would be lost with it.
        time.sleep(0.02)
        self.reset()

    def say_nothing(self) -> None:
        """Wait until whoever asked is gone, or the faults are over."""
        while not self.proxy.is_over.is_set() and not self._is_gone(0.05):
            pass
        self._handler.close_connection = True

    def trickle(self, answer: Answer) -> None:
        """Give the answer byte by byte, for as long as somebody listens."""
        body = b"" if self.asked.method == "HEAD" else answer.body
        for byte in _head(answer, self.asked.method) + body:
            if self.proxy.is_over.is_set() or self._is_gone(TRICKLE_SECONDS):
                self._handler.close_connection = True
                return
            self._write(bytes((byte,)))

    def _write(self, data: bytes) -> None:
        try:
            self._handler.wfile.write(data)
        except OSError:
            self._handler.close_connection = True

    def _is_gone(self, within_seconds: float) -> bool:
        """Whether whoever asked hangs up within that time."""
        try:
            readable, _, _ = select.select([self._handler.connection], [], [], within_seconds)
            return bool(readable) and not self._handler.connection.recv(1, socket.MSG_PEEK)
        except (OSError, ValueError):
            return True


Fault = Callable[[Exchange], None]
Rule = Callable[[Asked], Fault | None]


@dataclass
class FaultProxy:
    """A proxy before the server at `upstream`. `rule` is asked for each request, one at a time."""

    upstream: str
    rule: Rule = lambda asked: None
    port: int = 0
    is_over: threading.Event = field(default_factory=threading.Event)
    """Ends every fault that lasts."""
    _deciding: threading.Lock = field(default_factory=threading.Lock)
    _connections: set[socket.socket] = field(default_factory=set)
    _server: _Server | None = None

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def listen(self) -> None:
        """Take connections (again, at the same port)."""
        if self._server is None:
            self._server = _Server(("127.0.0.1", self.port), self)
            self.port = self._server.server_address[1]
            serving = threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True)
            serving.start()

    def refuse(self) -> None:
        """Take no more connections, and break those that there are."""
        server, self._server = self._server, None
        if server is not None:
            # The socket first: until the loop has ended, it would go on accepting.
            server.socket.close()
            with suppress(OSError):
                server.shutdown()
        for connection in list(self._connections):
            with suppress(OSError):
                connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
                connection.shutdown(socket.SHUT_RDWR)

    def begin(self, rule: Rule) -> None:
        """Hand everything on but what `rule` has a fault for."""
        self.rule = rule
        self.is_over.clear()
        self.listen()

    def end(self) -> None:
        """Hand everything on, and end what is under way."""
        self.rule = lambda asked: None
        self.is_over.set()
        self.listen()

    def decide(self, asked: Asked) -> Fault | None:
        with self._deciding:
            return self.rule(asked)

    def ask(self, asked: Asked) -> Answer:
        """What the server behind says."""
        where = urlsplit(self.upstream)
        link = http.client.HTTPConnection(where.hostname or "", where.port, timeout=30)
        try:
            kept = {name: value for name, value in asked.headers.items() if name not in ("expect", "connection")}
            link.request(asked.method, asked.target, asked.body, {**kept, "Connection": "close"})
            came = link.getresponse()
            answer = Answer(came.status, came.getheaders(), came.read())
        finally:
            link.close()
        answer.drop("connection", "transfer-encoding", "server", "date")
        if asked.method != "HEAD":
            answer.put("Content-Length", str(len(answer.body)))
        return answer


@contextmanager
def proxied(upstream: str) -> Iterator[FaultProxy]:
    """A proxy that lives as long as the block."""
    proxy = FaultProxy(upstream)
    proxy.listen()
    try:
        yield proxy
    finally:
        proxy.is_over.set()
        proxy.refuse()


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False
    request_queue_size = 64

    def __init__(self, address: tuple[str, int], proxy: FaultProxy) -> None:
        self.proxy = proxy
        super().__init__(address, _Handler)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Whoever asked is gone."""


class _Handler(QuietHandler):
    protocol_version = "HTTP/1.1"
    # An answer in two writes would wait for the acknowledgement of the first.
    disable_nagle_algorithm = True

    @property
    def proxy(self) -> FaultProxy:
        assert isinstance(self.server, _Server)
        return self.server.proxy

    def handle(self) -> None:
        self.proxy._connections.add(self.connection)
        try:
            super().handle()
        finally:
            self.proxy._connections.discard(self.connection)

    def exchange(self) -> None:
        headers = {name.lower(): value for name, value in self.headers.items()}
        exchange = Exchange(Asked(self.command, self.path, headers, self.read_body()), self)
        fault = self.proxy.decide(exchange.asked)
        if fault is None:
            exchange.send(exchange.hand_on())
        else:
            fault(exchange)

    do_GET = do_PUT = do_HEAD = do_POST = do_DELETE = exchange


def _head(answer: Answer, method: str) -> bytes:
    lines = [f"HTTP/1.1 {answer.status} -", *(f"{name}: {value}" for name, value in answer.headers)]
    if method != "HEAD" and answer.get("content-length") is None:
        lines.append("Content-Length: 0" if not answer.body else f"Content-Length: {len(answer.body)}")
    return "\r\n".join([*lines, "", ""]).encode("latin-1")
