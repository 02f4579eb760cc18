"""One HTTP request, through requests, to one checked address within a deadline. The only importer of requests.

In: the connection to an address in the place of a name, the deadline, how much of an answer is read, and the sentence
for what went wrong. Out: which addresses are allowed (`destination.py`), through which proxy and trusting whose
certificates (`outward.py`), redirects (`download.py`), JSON (`json_api.py`), and whether a request is sent again
(`webhook.py`, `runpod_api.py`).

requests' own reading of the environment (proxies, certificates, .netrc) is not used: a webhook's proxy would look its
name up by itself, unchecked. `Host`, SNI and certificate verification keep the name.
"""

from __future__ import annotations

import logging
import re
import socket
import ssl
import threading
import time
import zlib
from collections.abc import Callable, Mapping, Sequence
from contextlib import closing, suppress
from dataclasses import dataclass
from functools import cache, partial
from http import HTTPStatus
from http.client import HTTPResponse, RemoteDisconnected
from ipaddress import ip_address
from types import TracebackType
from typing import Any, Self

import requests
from requests.adapters import HTTPAdapter
from requests.utils import DEFAULT_CA_BUNDLE_PATH
from urllib3 import HTTPConnectionPool, HTTPSConnectionPool, ProxyManager
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.exceptions import HTTPError, MaxRetryError, NewConnectionError, ProtocolError, ProxyError, TimeoutError

from codex_assets.contract.addresses import is_public_address
from codex_assets.net.destination import Destination, Resolver, Unreached, checked_addresses, resolve_host
from codex_assets.net.outward import DIRECT, Outward

PROBLEM_BYTES = 16 << 10
"""Most bytes that are read of an answer whose status is no success."""
DETAIL_CHARACTERS = 600
"""Most characters of a failure that are logged: a proxy's own words are among them."""
CHUNK_BYTES = 64 << 10


@dataclass(frozen=True)
class Route:
    """How a destination is reached: by one of its checked addresses, in order, or by its name through a proxy's URL."""

    addresses: Sequence[str]
    tls: ssl.SSLContext
    proxy: str | None = None


@dataclass(frozen=True)
class Request:
    """What is sent. Nothing is added to `headers` but the body's length, and `Host` if it is not there."""

    method: str
    destination: Destination
    headers: Mapping[str, str]
    body: bytes | None = None


@dataclass(frozen=True)
class ReplyLimits:
    """`deadline` (monotonic clock) for everything, which lies `timeout_s` after the beginning, as messages say it.

    At most `body_bytes` of the answer's body are kept, as they were sent. With `whole_body` a body that breaks off
    counts as no answer; it is decoded; and one byte more is kept of one that is too long.
    """

    deadline: float
    timeout_s: float
    body_bytes: int
    whole_body: bool = True

    @property
    def left_s(self) -> float:
        """Seconds until the deadline; not positive once it has passed."""
        return self.deadline - time.monotonic()


@dataclass(frozen=True)
class Reply:
    """An answer; names of `headers` in any case."""

    status: int
    headers: Mapping[str, str]
    body: bytes


def is_public(route: Route, destination: Destination) -> bool:
    """Whether a route leads to no private address, as far as is known: what a proxy makes of a name is not."""
    with suppress(ValueError):
        return is_public_address(ip_address(destination.name))
    return all(is_public_address(address) for address in route.addresses)


def find_route(
    destination: Destination,
    *,
    allow_private: bool,
    outward: Outward = DIRECT,
    resolve: Resolver = resolve_host,
    tls: ssl.SSLContext | None = None,
) -> Route:
    """The way to a destination. Its addresses are looked up and checked, unless `outward` has a proxy for it.

    `tls`: certificates to trust instead of those of `outward`. Raises Unreached and NotPublic.
    """
    proxy = outward.proxy(destination.scheme, destination.name, destination.port)
    addresses = checked_addresses(destination, resolve, allow_private=allow_private) if proxy is None else ()
    return Route(addresses, tls or outward.context() or _bundled_certificates(), proxy)


@cache
def _bundled_certificates() -> ssl.SSLContext:
    return ssl.create_default_context(cafile=DEFAULT_CA_BUNDLE_PATH)


def phrase(status: int) -> str:
    """` Not Found`, to follow 404; empty for a status without a name."""
    with suppress(ValueError):
        return f" {HTTPStatus(status).phrase}"
    return ""


# --- One request ------------------------------------------------------------------------------------------------------


def send(request: Request, route: Route, limits: ReplyLimits) -> Reply:
    """The answer to a request over a route. Raises Unreached.

    A host whose first address is dead (IPv6 without a route, often) is reached by the next. Once a connection stands
    there is no second one: the body may have been read.
    """
    if route.proxy is not None:
        connection = _Connection(request.destination, route.tls, max(0.001, limits.left_s), proxy=route.proxy)
        try:
            return connection.exchange(request, limits, connection.total_s)
        except (requests.RequestException, HTTPError) as error:
            raise connection.unreached(error, limits.timeout_s, "through the proxy ") from None
    failure = Unreached(f"it did not answer within {limits.timeout_s:g} seconds", "no time was left to connect")
    for index, address in enumerate(route.addresses):
        left_s = limits.left_s
        if left_s <= 0:
            break
        connection = _Connection(request.destination, route.tls, left_s, address=address)
        try:
            # An equal share of what is left: an address that swallows packets must not use up the others' time.
            return connection.exchange(request, limits, left_s / (len(route.addresses) - index))
        except (requests.RequestException, HTTPError) as error:
            failure = connection.unreached(error, limits.timeout_s)
            if connection.is_made:
                break
    raise failure


class _Connection:
    """A connection for one request, to an address or through a proxy, which ends after `total_s` seconds."""

    def __init__(
        self,
        destination: Destination,
        tls: ssl.SSLContext,
        total_s: float,
        *,
        address: str = "",
        proxy: str | None = None,
    ) -> None:
        self.total_s = total_s
        self._proxies = {destination.scheme: proxy} if proxy is not None else None
        self._deadline = _Deadline(total_s)
        self._adapter = _PinnedAdapter(destination, tls, address, proxy, self._deadline)

    @property
    def is_made(self) -> bool:
        """Whether the connection stood, TLS included, so that a request may have been read."""
        return self._deadline.is_connected

    def exchange(self, request: Request, limits: ReplyLimits, connect_s: float) -> Reply:
        """The answer. Raises requests.RequestException and urllib3's HTTPError."""
        url = request.destination.url
        prepared = requests.Request(request.method, url, request.headers, data=request.body).prepare()
        # As it was read and checked: requests would normalise it once more.
        prepared.url = url
        with closing(self._adapter), self._deadline:
            timeouts = (connect_s, self.total_s)
            with self._adapter.send(prepared, stream=True, timeout=timeouts, proxies=self._proxies) as response:
                return Reply(response.status_code, response.headers, self._body(response, limits))

    def _body(self, response: requests.Response, limits: ReplyLimits) -> bytes:
        if not limits.whole_body:
            return _beginning(response, limits.body_bytes)
        if not 200 <= response.status_code < 300:
            return _beginning(response, min(limits.body_bytes, PROBLEM_BYTES))
        content = bytearray()
        unpack = _unpacking(response.headers.get("Content-Encoding", ""))
        while len(content) <= limits.body_bytes and (chunk := response.raw.read1(CHUNK_BYTES, decode_content=False)):
            content += unpack(chunk, limits.body_bytes + 1 - len(content))
        if self._deadline.has_passed:
            # A body without a length ends where its connection does, and the deadline ended that.
            raise requests.ReadTimeout("no complete answer in time")
        return bytes(content[: limits.body_bytes + 1])

    def unreached(self, error: Exception, timeout_s: float, way: str = "") -> Unreached:
        """What is said of a failure. The texts of causes name addresses and system errors, never the URL."""
        cause = _cause(error)
        detail = f"{type(cause).__name__}: {cause}"[:DETAIL_CHARACTERS]
        timed_out = isinstance(cause, TimeoutError | requests.Timeout) and not isinstance(cause, NewConnectionError)
        if self._deadline.has_passed or timed_out:
            return Unreached(f"it did not answer within {timeout_s:g} seconds", detail)
        if refusal := re.search(r"Tunnel connection failed: (\d{3})", detail):
            if int(refusal[1]) == HTTPStatus.PROXY_AUTHENTICATION_REQUIRED:
                return Unreached("the proxy of this network asks for a user and a password, or refused them", detail)
            return Unreached(f"the proxy of this network answered {refusal[1]}", detail)
        if "CERTIFICATE_VERIFY_FAILED" in detail:
            return Unreached("its TLS certificate was not accepted", detail)
        if not self.is_made:
            return Unreached(f"no connection could be made {way}".rstrip(), detail)
        return Unreached("the connection broke off", detail)


def _unpacking(encoding: str) -> Callable[[bytes, int], bytes]:
    """What makes the content of (bytes as they were sent, most bytes that are wanted).

    Other packers than gzip are never asked for, and some make gigabytes of the first few bytes, whatever is wanted.
    Raises `Unreached` for these, and when called, for what is no gzip.
    """
    name = encoding.strip().lower()
    if name in ("", "identity"):
        return lambda sent, wanted: sent
    if name not in ("gzip", "x-gzip"):
        raise Unreached("it packed its answer in a way that was not asked for", "an encoding that is not gzip")
    inflater = zlib.decompressobj(wbits=zlib.MAX_WBITS | 16)

    def inflate(sent: bytes, wanted: int) -> bytes:
        try:
            return inflater.decompress(inflater.unconsumed_tail + sent, max(1, wanted))
        except zlib.error:
            raise Unreached("what it sent is no gzip, though it says so", "zlib.error") from None

    return inflate


def _beginning(response: requests.Response, limit_bytes: int) -> bytes:
    """The first bytes of a body, as they were sent. The status is known by now: one that breaks off is the same."""
    content = b""
    with suppress(HTTPError, OSError):
        while len(content) < limit_bytes and (chunk := response.raw.read1(CHUNK_BYTES, decode_content=False)):
            content += chunk
    return content[:limit_bytes]


def _cause(error: BaseException) -> BaseException:
    """The failure itself, without what requests and urllib3 wrapped around it: their texts quote the URL."""
    while True:
        inner: object = None
        if isinstance(error, requests.RequestException | ProtocolError) and error.args:
            inner = error.args[-1]
        elif isinstance(error, MaxRetryError):
            inner = error.reason
        elif isinstance(error, ProxyError):
            inner = error.original_error
        if not isinstance(inner, BaseException):
            return error
        error = inner


# --- To one address, until a deadline ---------------------------------------------------------------------------------


class _PinnedAdapter(HTTPAdapter):
    """Sends to one address, or through one proxy, whatever the URL's host resolves to by now; trusts `tls` alone."""

    def __init__(
        self, destination: Destination, tls: ssl.SSLContext, address: str, proxy: str | None, deadline: _Deadline
    ) -> None:
        super().__init__()
        pool: HTTPConnectionPool
        if proxy is not None:
            manager: ProxyManager = self.proxy_manager_for(proxy, ssl_context=tls, proxy_ssl_context=tls)
            pool = manager.connection_from_host(destination.name, destination.port, destination.scheme)
        elif destination.scheme == "https":
            name = destination.name.removesuffix(".")
            pool = HTTPSConnectionPool(address, destination.port, ssl_context=tls, server_hostname=name)
        else:
            pool = HTTPConnectionPool(address, destination.port)
        kind = _WatchedTlsConnection if destination.scheme == "https" else _WatchedConnection
        pool.ConnectionCls = partial(kind, deadline=deadline)  # type: ignore[assignment]
        self._pool = pool

    def get_connection_with_tls_context(self, *_: Any, **__: Any) -> HTTPConnectionPool:
        return self._pool

    def cert_verify(self, *_: Any, **__: Any) -> None:
        """Nothing: the pool's context says what is trusted, and requests would add certificates of its own."""

    def close(self) -> None:
        self._pool.close()
        super().close()


class _Lines:
    """A stream that remembers the last line that was read of it."""

    def __init__(self, stream: Any) -> None:
        self.stream, self.last = stream, b""

    def readline(self, limit: int = -1) -> bytes:
        self.last = self.stream.readline(limit)
        return self.last

    def __getattr__(self, name: str) -> Any:
        return getattr(self.stream, name)


class _WholeHeaders(HTTPResponse):
    """An answer whose headers have come to their end: http.client takes the connection's end for theirs."""

    def begin(self) -> None:
        self.fp: Any = _Lines(self.fp)
        lines = self.fp
        super().begin()
        if self.fp is lines:
            self.fp = lines.stream
        if lines.last not in (b"\r\n", b"\n"):
            raise RemoteDisconnected("the connection ended within the headers")


class _WatchedConnection(HTTPConnection):
    """Lets its deadline know of its socket, and when it is connected."""

    response_class = _WholeHeaders

    def __init__(self, *arguments: Any, deadline: _Deadline, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self._deadline = deadline

    def _new_conn(self) -> socket.socket:
        return self._deadline.watch(super()._new_conn())

    def connect(self) -> None:
        super().connect()
        self._deadline.is_connected = True


class _WatchedTlsConnection(_WatchedConnection, HTTPSConnection):
    """The same over TLS: what the watched one calls above itself is urllib3's connection with TLS."""


class _Deadline:
    """Ends a request's connection after `seconds`.

    Timeouts of sockets are per read: a server that drips one byte at a time would hold the worker, paid by the second,
    as long as it likes.
    """

    def __init__(self, seconds: float) -> None:
        self.has_passed = False
        self.is_connected = False
        """Whether the connection stands, TLS included."""
        self._socket: socket.socket | None = None
        self._lock = threading.Lock()
        self._timer = threading.Timer(seconds, self._pass)
        self._timer.daemon = True

    def watch(self, connection: socket.socket) -> socket.socket:
        """The same connection, which is shut down at the deadline, TLS handshake or not."""
        with self._lock:
            # A second handle: TLS takes the first one over, and shutting down ends the connection, not the handle.
            self._socket = connection.dup()
            if self.has_passed:
                self._shut_down()
        return connection

    def _pass(self) -> None:
        with self._lock:
            self.has_passed = True
            self._shut_down()

    def _shut_down(self) -> None:
        if self._socket is not None:
            with suppress(OSError):
                self._socket.shutdown(socket.SHUT_RDWR)

    def __enter__(self) -> Self:
        self._timer.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._timer.cancel()
        with self._lock:
            if self._socket is not None:
                self._socket.close()
                self._socket = None


class _WithoutQueries(logging.Filter):
    """Takes the queries of URLs out of urllib3's lines: they carry credentials."""

    def filter(self, record: logging.LogRecord) -> bool:
        record.msg, record.args = re.sub(r"\?\S+", "?***", record.getMessage()), ()
        return True


logging.getLogger("urllib3.connectionpool").addFilter(_WithoutQueries())
