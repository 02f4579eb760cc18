"""What stands before a store, over real HTTP: a proxy that hands on every request and may change every answer.

`front(upstream)` lives as long as its block. `changes` are applied to each answer, in order, before it goes back;
header names are sent exactly as they leave them. It is an HTTP proxy too, which is asked for whole URLs.
"""

from __future__ import annotations

import http.client
import ssl
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Final, Literal
from urllib.parse import urlsplit

from loopback import QuietHandler, serving

LOOKING_SECONDS: Final = 0.1
"""Between the look and the write of a store that looks first."""


@dataclass(frozen=True)
class Asked:
    """A request as it came."""

    method: str
    path: str
    headers: dict[str, str]
    """Names in lower case."""
    body: bytes


@dataclass
class Answer:
    """What goes back, and may be changed."""

    status: int
    headers: list[tuple[str, str]]
    body: bytes

    def drop(self, *names: str) -> None:
        self.headers = [(name, value) for name, value in self.headers if name.lower() not in names]

    def put(self, name: str, value: str) -> None:
        self.drop(name.lower())
        self.headers.append((name, value))

    def get(self, name: str) -> str | None:
        return next((value for known, value in self.headers if known.lower() == name), None)

    def become(self, status: int, body: bytes = b"", content_type: str = "application/xml") -> None:
        """Another answer altogether, as a front that answers itself gives it."""
        self.status, self.body = status, body
        self.headers = [("Content-Length", str(len(body))), ("Content-Type", content_type)]


Change = Callable[[Asked, Answer], None]


@dataclass
class Front:
    port: int = 0
    asked: list[Asked] = field(default_factory=list)
    changes: list[Change] = field(default_factory=list)
    scheme: str = "http"
    barred: set[str] = field(default_factory=set)
    """Methods that never reach the store, as with a key that has not the right."""
    before: Callable[[Asked], None] = lambda asked: None
    """Called with each request before it is handed on, which waits for that."""
    conditions: Literal["kept", "ignored", "looked at first"] = "kept"
    """What becomes of a conditional write: `ignored`, it is done in any case; `looked at first`, it is done if the
    condition held a moment ago."""

    @property
    def url(self) -> str:
        return f"{self.scheme}://127.0.0.1:{self.port}"

    def count(self, method: str) -> int:
        return sum(request.method == method for request in self.asked)


@contextmanager
def front(upstream: str, *changes: Change, tls: ssl.SSLContext | None = None) -> Iterator[Front]:
    """`tls`: the front itself speaks TLS, as a company's proxy that opens connections does."""
    state = Front(changes=list(changes), scheme="http" if tls is None else "https")
    where = urlsplit(upstream)

    class Handler(QuietHandler):
        protocol_version = "HTTP/1.1"

        def answer(self) -> None:
            body = self.read_body()
            asked = Asked(self.command, self.path, {n.lower(): v for n, v in self.headers.items()}, body)
            state.asked.append(asked)
            state.before(asked)
            link = http.client.HTTPConnection(where.hostname or "", where.port)
            if self.command in state.barred:
                self._refuse(403, b"AccessDenied")
                return
            headers = {name: value for name, value in self.headers.items() if name.lower() != "expect"}
            if state.conditions != "kept":
                conditions = {name: headers.pop(name, None) for name in ("If-None-Match", "If-Match")}
                if state.conditions == "looked at first" and not self._holds(**conditions):
                    self._refuse(412, b"PreconditionFailed")
                    return
            if self.path.startswith("http://"):
                headers["Host"] = where.netloc
            link.request(self.command, self.path.removeprefix(f"http://{self.headers['Host']}"), body, headers)
            came = link.getresponse()
            answer = Answer(came.status, came.getheaders(), came.read())
            link.close()
            answer.drop("connection", "transfer-encoding")
            if self.command != "HEAD" and answer.get("content-length") is None:
                answer.put("Content-Length", str(len(answer.body)))
            for change in list(state.changes):
                change(asked, answer)
            self._send(answer)

        def _holds(self, **conditions: str | None) -> bool:
            link = http.client.HTTPConnection(where.hostname or "", where.port)
            link.request("HEAD", self.path)
            there = link.getresponse()
            there.read()
            link.close()
            time.sleep(LOOKING_SECONDS)
            if conditions["If-None-Match"] is not None:
                return there.status == 404
            return conditions["If-Match"] in (None, there.getheader("ETag"))

        def _refuse(self, status: int, code: bytes) -> None:
            refused = Answer(status, [], b"")
            refused.become(status, b"<Error><Code>%s</Code><Message>no</Message></Error>" % code)
            self._send(refused)

        def _send(self, answer: Answer) -> None:
            lines = [f"HTTP/1.1 {answer.status} -", *(f"{name}: {value}" for name, value in answer.headers)]
            if self.command != "HEAD" and not {"content-length", "transfer-encoding"} & {
                name.lower() for name, _ in answer.headers
            }:
                lines.append("Connection: close")
                self.close_connection = True
            sent = "\r\n".join([*lines, "", ""]).encode("latin-1")
            self.wfile.write(sent + (b"" if self.command == "HEAD" else answer.body))

        do_GET = do_PUT = do_HEAD = do_POST = do_DELETE = answer

    with serving(Handler, tls) as state.port:
        yield state
