"""A small GET: the content at a URL, after redirects, each of which is checked as the URL is.

In: which redirects are followed, which answers carry content, how much of it, and the sentence for each refusal.
Out: one request (`http.py`), the guard (`destination.py`), what is fetched and where it lies (`hls_fetch.py`).

Sentences name the host and the path, never a query.
"""

from __future__ import annotations

import ssl
import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from http import HTTPStatus

from codex_assets.errors import StorageError
from codex_assets.net import http
from codex_assets.net.destination import Destination, NotPublic, Resolver, Unreached, resolve_host
from codex_assets.net.http import Reply, ReplyLimits, Request
from codex_assets.net.outward import DIRECT, Outward

REDIRECTS = 5
"""Most redirects that a GET follows."""


class UnusableStatus(StorageError):
    """A server answered with a status that carries no content."""

    def __init__(self, public: str, status: int) -> None:
        super().__init__(public, retryable=status == HTTPStatus.TOO_MANY_REQUESTS or status >= 500)
        self.status = status


@dataclass(frozen=True)
class Content:
    """What a GET brought."""

    url: str
    """Where it was at last, after redirects: what relative references in it start from."""
    body: bytes
    """Unpacked, if it came compressed."""
    status: int = field(default=HTTPStatus.OK, compare=False)
    headers: Mapping[str, str] = field(default_factory=dict, compare=False, repr=False)
    """Of the last answer; names in any case."""
    redirects: int = field(default=0, compare=False)
    is_public: bool = field(default=False, compare=False)
    """The URL itself leads to a public host; then nothing that it names may be fetched from a private one."""


def get(
    url: str,
    *,
    limit_bytes: int,
    timeout_s: float,
    allow_private: bool,
    resolve: Resolver = resolve_host,
    tls: ssl.SSLContext | None = None,
    outward: Outward | None = None,
    headers: Mapping[str, str] | None = None,
) -> Content:
    """The content at a URL, after at most five redirects.

    A public host may not redirect to a private one, whatever is allowed. `outward`: the environment's way, for a URL
    that may lead anywhere (`allow_private`). `timeout_s` is for all requests together. `headers` are sent in addition,
    or in the place of the usual ones.

    Raises UnusableStatus for a status that carries no content, and StorageError for what cannot be reached, is not
    allowed, or is larger than `limit_bytes`.
    """
    limits = ReplyLimits(time.monotonic() + timeout_s, timeout_s, limit_bytes)
    way = outward if outward is not None and allow_private else DIRECT
    destination = _checked(url, "The URL")
    started_public: bool | None = None
    for redirects in range(REDIRECTS + 1):
        try:
            route = http.find_route(destination, allow_private=allow_private, outward=way, resolve=resolve, tls=tls)
            is_public = http.is_public(route, destination)
            started_public = is_public if started_public is None else started_public
            if started_public and not is_public:
                raise NotPublic(f"{destination.name} is private, and a public host redirected to it")
            reply = http.send(Request("GET", destination, {**_headers(destination), **(headers or {})}), route, limits)
        except NotPublic as error:
            raise StorageError(
                f"{destination.host} leads to an address that is not public, and nothing was fetched from it.",
                detail=str(error),
                retryable=False,
            ) from None
        except Unreached as error:
            raise StorageError(
                f"{destination.path} could not be fetched from {destination.host}: {error.reason}.", detail=error.detail
            ) from None
        if (redirected := _redirected(destination, reply)) is None:
            body = _usable_body(destination, reply, limit_bytes)
            return Content(destination.url, body, reply.status, reply.headers, redirects, bool(started_public))
        destination = redirected
    raise StorageError(f"{destination.host} redirects more than {REDIRECTS} times.", retryable=False)


def _headers(destination: Destination) -> dict[str, str]:
    return {
        "Host": destination.header,
        "User-Agent": "codex-assets",
        "Accept": "*/*",
        "Accept-Encoding": "identity",
        "Connection": "close",
    }


def _redirected(destination: Destination, reply: Reply) -> Destination | None:
    """Where an answer redirects to; None for one that does not. Raises StorageError."""
    location = reply.headers.get("Location")
    if reply.status not in (301, 302, 303, 307, 308) or not location:
        return None
    with suppress(UnicodeError):
        # Headers come as Latin-1; servers send UTF-8.
        location = location.encode("latin-1").decode("utf-8")
    try:
        url = destination.join(location)
    except ValueError:
        raise StorageError(f"{destination.host} redirects to what is no URL.", retryable=False) from None
    return _checked(url, f"What {destination.host} redirects to")


def _usable_body(destination: Destination, reply: Reply, limit_bytes: int) -> bytes:
    """The content of an answer. Raises StorageError."""
    if not 200 <= reply.status < 300:
        reason = f"{destination.host} answered {reply.status}{http.phrase(reply.status)} for {destination.path}."
        raise UnusableStatus(reason, reply.status)
    if len(reply.body) > limit_bytes:
        raise StorageError(
            f"{destination.path} of {destination.host} is larger than the {limit_bytes:,} bytes that are allowed.",
            retryable=False,
        )
    return reply.body


def _checked(url: str, subject: str) -> Destination:
    """What a URL names; `subject` begins the sentences. Raises StorageError."""
    try:
        destination = Destination.of(url)
    except ValueError:
        raise StorageError(f"{subject} is not a valid http or https URL.", retryable=False) from None
    if not destination.host:
        raise StorageError(f"{subject} names no host.", retryable=False)
    if destination.has_user_info:
        raise StorageError(f"{subject} must not carry user info.", retryable=False)
    return destination
