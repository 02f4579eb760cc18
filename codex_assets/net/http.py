"""HTTP as this package does it: one request to one checked address, within a deadline. The only importer of httpx.

In: looking up a host, the guard against addresses that are not public, the pinned request, and a small GET.
Also an exchange of JSON with an API. Out: what is sent and whether to send it again (`webhook.py`,
`runpod_api.py`), what is fetched and where it lies (`hls_fetch.py`).

A host is resolved, every address is checked, and the connection goes to a checked one, so that a second look-up cannot
lead elsewhere. `Host`, SNI and certificate verification keep the name. So it is for what strangers name: webhooks.
Proxies and certificates of the environment are not used for them: a proxy looks a name up by itself, unchecked.

What the operator configured (RunPod's API) or typed (`get`) may be anywhere, and is reached as `outward.py` says.
"""

from __future__ import annotations

import json
import socket
import ssl
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import cache
from http import HTTPStatus
from ipaddress import ip_address
from types import TracebackType
from typing import Any, Self

import httpx
from pydantic import SecretStr

from codex_assets.contract.addresses import is_public_address
from codex_assets.errors import StorageError
from codex_assets.net.outward import DIRECT, Outward

ADDRESSES_TRIED = 4
"""Most addresses of one host that one request connects to."""
REDIRECTS = 5
"""Most redirects that a GET follows."""
PROBLEM_BYTES = 16 << 10
"""Most bytes of an API's refusal that are read."""
PROBLEM_CHARACTERS = 600
"""Most characters of it that are kept."""

Resolver = Callable[[str, int], Sequence[str]]
"""(host, port) -> its addresses as text. Raises OSError when there are none."""


class Unreached(Exception):
    """No complete answer came. `reason` is public and says what "it", the server, did; `detail` is for the log."""

    def __init__(self, reason: str, detail: str) -> None:
        super().__init__(reason)
        self.reason = reason
        self.detail = detail


class NotPublic(Exception):
    """The host leads to an address that is not public. Its text, which names the address, is for the log."""


class Refused(StorageError):
    """A server answered with a status that carries no content."""

    def __init__(self, public: str, status: int) -> None:
        super().__init__(public, retryable=status == HTTPStatus.TOO_MANY_REQUESTS or status >= 500)
        self.status = status


@dataclass(frozen=True)
class Target:
    """What a request is made to."""

    url: httpx.URL
    port: int

    @classmethod
    def of(cls, url: str | httpx.URL) -> Target:
        """Raises ValueError, whose text is no phrase for anybody: URLs carry credentials."""
        try:
            parsed = httpx.URL(url)
            return cls(parsed, parsed.port or {"https": 443, "http": 80}[parsed.scheme])
        except (httpx.InvalidURL, ValueError, KeyError):
            raise ValueError("not a valid URL") from None

    @property
    def host(self) -> str:
        return self.url.host

    @property
    def path(self) -> str:
        return self.url.path

    @property
    def name(self) -> str:
        """The host as look-ups, certificates and SNI spell it."""
        return self.url.raw_host.decode("ascii")

    @property
    def header(self) -> str:
        """The `Host` header: explicit, because the URL that is requested holds an address in the place of the name."""
        return self.url.netloc.decode("ascii")


@dataclass(frozen=True)
class Reply:
    status: int
    headers: Mapping[str, str]
    """Names in any case."""
    body: bytes


# --- addresses ------------------------------------------------------------------------------------------------------


def resolve_host(host: str, port: int) -> list[str]:
    """The system's answer, in its order of preference (RFC 6724). Raises OSError."""
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    # Without the zone of link-local addresses ("fe80::1%eth0"), which no URL can carry.
    return list(dict.fromkeys(str(address[0]).partition("%")[0] for *_, address in found))


def addresses(target: Target, resolve: Resolver, *, allow_private: bool) -> list[str]:
    """Addresses to connect to. One that is not allowed refuses the host: the next look-up may return it alone.

    Raises Unreached and NotPublic.
    """
    try:
        found = [str(ip_address(target.name))]
    except ValueError:
        try:
            found = list(resolve(target.name, target.port))
        except (OSError, UnicodeError) as error:
            raise Unreached("its host name was not resolved", f"resolving {target.name}: {error}") from None
    if not found:
        raise Unreached("its host name was not resolved", f"resolving {target.name}: no address")
    if not allow_private and (closed := [address for address in found if not is_public_address(address)]):
        raise NotPublic(f"{target.name} resolved to {', '.join(closed)}")
    return found[:ADDRESSES_TRIED]


def trust(target: Target, tls: ssl.SSLContext | None = None) -> ssl.SSLContext:
    """The certificates that are trusted: `tls`, else those that come with httpx."""
    if tls is not None:
        return tls
    if target.url.scheme == "https":
        return _bundled()
    # Never used, and cheap: it trusts nobody.
    return ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)


@cache
def _bundled() -> ssl.SSLContext:
    return httpx.create_ssl_context(trust_env=False)


# --- one request ----------------------------------------------------------------------------------------------------


def send(
    method: str,
    target: Target,
    places: Sequence[str],
    *,
    headers: Mapping[str, str],
    body: bytes | None,
    context: ssl.SSLContext,
    deadline: float,
    timeout_s: float,
    limit_bytes: int,
    whole: bool,
    proxy: str | None = None,
) -> Reply:
    """The request to the first of `places` that can be connected to, until `deadline` (monotonic). Raises Unreached.

    A host whose first address is dead (IPv6 without a route, often) is reached by the next. Once a connection stands
    there is no second one: the body may have been read.

    Of the answer's body at most `limit_bytes` are kept, as they were sent. With `whole` one that breaks off counts as
    none, it is decoded, and one byte more is kept of a body that is too long; `timeout_s` is what the deadline was.

    `proxy`: goes through it, by the host's name; `places` are not looked at.
    """
    if proxy is not None:
        left = max(0.001, deadline - time.monotonic())
        try:
            through = httpx.Proxy(proxy, ssl_context=context if proxy.lower().startswith("https:") else None)
            return _request(method, target.url, target, headers, body, context, left, left, limit_bytes, whole, through)
        except httpx.ProxyError as error:
            raise _refused_by_proxy(error) from None
        except (httpx.ConnectError, httpx.ConnectTimeout) as error:
            raise _unreached(error, timeout_s, "through the proxy ") from None
        except httpx.RequestError as error:
            raise _unreached(error, timeout_s) from None
    failed: httpx.RequestError = httpx.ConnectTimeout("no time was left to connect")
    for index, address in enumerate(places):
        left = deadline - time.monotonic()
        if left <= 0:
            break
        # An equal share of what is left: an address that swallows packets must not use up the others' time.
        connect_s = left / (len(places) - index)
        pinned = target.url.copy_with(host=address)
        try:
            return _request(method, pinned, target, headers, body, context, left, connect_s, limit_bytes, whole)
        except (httpx.ConnectError, httpx.ConnectTimeout) as error:
            failed = error
        except httpx.RequestError as error:
            raise _unreached(error, timeout_s) from None
    raise _unreached(failed, timeout_s) from None


def _request(
    method: str,
    pinned: httpx.URL,
    target: Target,
    headers: Mapping[str, str],
    body: bytes | None,
    context: ssl.SSLContext,
    total_s: float,
    connect_s: float,
    limit_bytes: int,
    whole: bool,
    proxy: httpx.Proxy | None = None,
) -> Reply:
    """One request to one address, or to a name through a proxy. Raises httpx.RequestError.

    The transport is used without a client, which would log the URL with its query and remember cookies.
    """
    with (
        _Deadline(total_s) as limit,
        httpx.HTTPTransport(verify=context, trust_env=False, proxy=proxy) as transport,
    ):
        request = httpx.Request(
            method,
            pinned,
            headers=headers,
            content=body,
            extensions={
                "timeout": {"connect": connect_s, "read": total_s, "write": total_s, "pool": total_s},
                "sni_hostname": target.name.removesuffix("."),
                "trace": limit.trace,
            },
        )
        try:
            response = transport.handle_request(request)
        except httpx.TransportError:
            if limit.passed:
                raise httpx.ReadTimeout("no complete answer in time") from None
            raise
        try:
            if not whole:
                return Reply(response.status_code, response.headers, _start(response, limit_bytes))
            try:
                content = _whole(response, limit_bytes)
            except httpx.RequestError:
                if limit.passed:
                    raise httpx.ReadTimeout("no complete answer in time") from None
                raise
            if limit.passed:
                # A body without a length ends where its connection does, and the deadline ended that.
                raise httpx.ReadTimeout("no complete answer in time")
            return Reply(response.status_code, response.headers, content)
        finally:
            response.close()


def _start(response: httpx.Response, limit_bytes: int) -> bytes:
    """The start of the answer. The status is known by now: an answer that breaks off does not change it."""
    kept = b""
    with suppress(httpx.TransportError):
        for chunk in response.iter_raw():
            kept += chunk
            if len(kept) >= limit_bytes:
                break
    return kept[:limit_bytes]


def _whole(response: httpx.Response, limit_bytes: int) -> bytes:
    """The body of a 2xx, or one byte more than is allowed; of other answers the start. Raises httpx.RequestError."""
    if not response.is_success:
        return _start(response, min(limit_bytes, PROBLEM_BYTES))
    kept = bytearray()
    for chunk in response.iter_bytes(65536):
        kept += chunk
        if len(kept) > limit_bytes:
            break
    return bytes(kept[: limit_bytes + 1])


class _Deadline:
    """Ends a request's connection after `seconds`.

    HTTP timeouts are per read: a server that drips one byte at a time would hold the worker, paid by the second, as
    long as it likes.
    """

    def __init__(self, seconds: float) -> None:
        self.passed = False
        self._socket: socket.socket | None = None
        self._lock = threading.Lock()
        self._timer = threading.Timer(seconds, self._pass)
        self._timer.daemon = True

    def trace(self, event: str, info: Mapping[str, Any]) -> None:
        """Learns of the connection (httpcore's `trace` extension)."""
        # Of the connection that a proxy tunnels, httpcore says `proxy.start_tls`.
        if event.endswith((".connect_tcp.complete", ".start_tls.complete")):
            with self._lock:
                self._socket = info["return_value"].get_extra_info("socket")
                if self.passed:
                    self._end()

    def _pass(self) -> None:
        with self._lock:
            self.passed = True
            self._end()

    def _end(self) -> None:
        if self._socket is not None:
            with suppress(OSError):
                # Not `self._socket.shutdown`: for TLS that also drops the state that another thread is reading with.
                socket.socket.shutdown(self._socket, socket.SHUT_RDWR)

    def __enter__(self) -> Self:
        self._timer.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._timer.cancel()


def _refused_by_proxy(error: httpx.ProxyError) -> Unreached:
    """Its text is the proxy's status and phrase."""
    if str(error).startswith(str(HTTPStatus.PROXY_AUTHENTICATION_REQUIRED.value)):
        return Unreached("the proxy of this network asks for a user and a password, or refused them", str(error))
    return Unreached(
        f"the proxy of this network answered {str(error)[:3] or 'nothing'}", str(error)[:PROBLEM_CHARACTERS]
    )


def _unreached(error: httpx.RequestError, timeout_s: float, way: str = "") -> Unreached:
    """Texts of these errors name addresses and system errors, never the URL: they may be logged."""
    detail = f"{type(error).__name__}: {error}"
    if isinstance(error, httpx.TimeoutException):
        return Unreached(f"it did not answer within {timeout_s:g} seconds", detail)
    if isinstance(error, httpx.ConnectError):
        if "CERTIFICATE_VERIFY_FAILED" in str(error):
            return Unreached("its TLS certificate was not accepted", detail)
        return Unreached(f"no connection could be made {way}".rstrip(), detail)
    return Unreached("the connection broke off", detail)


def phrase(status: int) -> str:
    """` Not Found`, to follow 404; empty for a status without a name."""
    with suppress(ValueError):
        return f" {HTTPStatus(status).phrase}"
    return ""


# --- a small GET ----------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Got:
    """What a GET brought."""

    url: str
    """Where it was at last, after redirects: what relative references in it start from."""
    body: bytes


def get(
    url: str,
    *,
    limit_bytes: int,
    timeout_s: float,
    allow_private: bool,
    resolve: Resolver = resolve_host,
    tls: ssl.SSLContext | None = None,
    outward: Outward | None = None,
) -> Got:
    """The content at a URL, after at most five redirects, each of which is checked as the URL is.

    `outward`: the environment's way, for a URL that may lead anywhere (`allow_private`).

    Raises Refused for a status that carries no content, and StorageError for what cannot be reached, is not allowed,
    or is larger than `limit_bytes`. Sentences name the host and the path, never a query.
    """
    deadline = time.monotonic() + timeout_s
    target = _allowed(url, "The URL")
    way = outward if outward is not None and allow_private else DIRECT
    for _ in range(REDIRECTS + 1):
        try:
            proxy = way.proxy(target.url.scheme, target.name, target.port)
            reply = send(
                "GET",
                target,
                addresses(target, resolve, allow_private=allow_private) if proxy is None else (),
                headers={
                    "Host": target.header,
                    "User-Agent": "codex-assets",
                    "Accept": "*/*",
                    "Accept-Encoding": "identity",
                    "Connection": "close",
                },
                body=None,
                context=trust(target, tls or way.context()),
                deadline=deadline,
                timeout_s=timeout_s,
                limit_bytes=limit_bytes,
                whole=True,
                proxy=proxy,
            )
        except NotPublic as error:
            raise StorageError(
                f"{target.host} leads to an address that is not public, and nothing was fetched from it.",
                detail=str(error),
                retryable=False,
            ) from None
        except Unreached as error:
            raise StorageError(
                f"{target.path} could not be fetched from {target.host}: {error.reason}.", detail=error.detail
            ) from None
        if reply.status in (301, 302, 303, 307, 308) and (location := reply.headers.get("Location")):
            try:
                target = _allowed(target.url.join(location), f"What {target.host} redirects to")
            except httpx.InvalidURL:
                raise StorageError(f"{target.host} redirects to what is no URL.", retryable=False) from None
            continue
        if not 200 <= reply.status < 300:
            named = f"{target.host} answered {reply.status}{phrase(reply.status)} for {target.path}."
            raise Refused(named, reply.status)
        if len(reply.body) > limit_bytes:
            raise StorageError(
                f"{target.path} of {target.host} is larger than the {limit_bytes:,} bytes that are allowed.",
                retryable=False,
            )
        return Got(str(target.url), reply.body)
    raise StorageError(f"{target.host} redirects more than {REDIRECTS} times.", retryable=False)


def _allowed(url: str | httpx.URL, what: str) -> Target:
    try:
        target = Target.of(url)
    except ValueError:
        raise StorageError(f"{what} is not a valid http or https URL.", retryable=False) from None
    if not target.host:
        raise StorageError(f"{what} names no host.", retryable=False)
    if target.url.userinfo:
        raise StorageError(f"{what} must not carry user info.", retryable=False)
    return target


# --- JSON with an API -------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class ApiAnswer:
    """What an API answered. `value` is the JSON of a 2xx, else None. `problem` is what else it says of itself as
    problem details (RFC 9457): one line, without the key."""

    status: int
    value: Any
    retry_after_s: float | None = None
    problem: str = ""


def is_loopback(url: str) -> bool:
    """Whether a URL names this machine by one of its own names; False for what is no URL."""
    try:
        host = Target.of(url).host
    except ValueError:
        return False
    with suppress(ValueError):
        return ip_address(host).is_loopback
    return host == "localhost"


def is_https(url: str) -> bool:
    """Whether it is an https URL of some host, without user info."""
    try:
        target = Target.of(url)
    except ValueError:
        return False
    return target.url.scheme == "https" and bool(target.host) and not target.url.userinfo


def exchange(
    method: str,
    url: str,
    *,
    bearer: SecretStr,
    value: Any,
    timeout_s: float,
    limit_bytes: int,
    outward: Outward,
) -> ApiAnswer:
    """`value` as JSON to an API that the operator configured, wherever it is, or nothing if it is None, and its answer.
    Redirects are not followed: the key goes to the host that it is meant for.

    Raises Unreached, also for a 2xx that carries no JSON.
    """
    target = Target.of(url)
    body = None if value is None else json.dumps(value).encode()
    headers = {
        "Host": target.header,
        "User-Agent": "codex-assets",
        "Accept": "application/json",
        "Accept-Encoding": "identity",
        "Authorization": f"Bearer {bearer.get_secret_value()}",
        "Connection": "close",
    }
    if body is not None:
        headers |= {"Content-Type": "application/json", "Content-Length": str(len(body))}
    proxy = outward.proxy(target.url.scheme, target.name, target.port)
    reply = send(
        method,
        target,
        addresses(target, resolve_host, allow_private=True) if proxy is None else (),
        headers=headers,
        body=body,
        context=trust(target, outward.context()),
        deadline=time.monotonic() + timeout_s,
        timeout_s=timeout_s,
        limit_bytes=limit_bytes,
        whole=True,
        proxy=proxy,
    )
    retry = reply.headers.get("Retry-After", "")
    after = float(retry) if retry.isdigit() and len(retry) < 6 else None
    if not 200 <= reply.status < 300:
        return ApiAnswer(reply.status, None, after, _problem(reply.body, bearer))
    try:
        return ApiAnswer(reply.status, json.loads(reply.body), after)
    except ValueError:
        raise Unreached("its answer was no JSON", f"{len(reply.body)} bytes") from None


def _problem(body: bytes, bearer: SecretStr) -> str:
    """`detail` (else `title`) and `errors` of problem details; empty for an answer that has none."""
    try:
        said = json.loads(body)
    except (ValueError, RecursionError):
        return ""
    if not isinstance(said, dict):
        return ""
    parts = [said.get("detail") or said.get("title"), *(said["errors"] if isinstance(said.get("errors"), list) else [])]
    told = "; ".join(part for part in parts if isinstance(part, str))
    told = " ".join(told.replace(bearer.get_secret_value(), "***").split())
    return "".join(one for one in told if one.isprintable())[:PROBLEM_CHARACTERS]
