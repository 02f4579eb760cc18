"""Where a request may go: what a URL names, the addresses of its host, and which of them are refused.

In: reading a URL, looking up its host, the guard against addresses that are not public. Out: the connection to a
checked address (`http.py`), and what a payload's URL may look like before it is looked up (`contract/addresses.py`).

A host is resolved once, every address is checked, and the connection goes to a checked one, so that a second look-up
cannot lead elsewhere. This is for what strangers name: webhooks. What the operator configured or typed may be anywhere.
"""

from __future__ import annotations

import socket
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from ipaddress import ip_address
from types import MappingProxyType
from urllib.parse import unquote, urljoin

from urllib3.exceptions import LocationValueError
from urllib3.util import parse_url

from codex_assets.contract.addresses import is_public_address

ADDRESSES_TRIED = 4
"""Most addresses of one host that one request connects to."""
PORTS: Mapping[str, int] = MappingProxyType({"https": 443, "http": 80})

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


@dataclass(frozen=True)
class Destination:
    """What a request is made to: an http or https URL, taken apart by the same code that connects to it."""

    url: str = field(repr=False)
    """Normalised, and without a fragment. It may carry credentials."""
    scheme: str
    name: str
    """The host as look-ups, certificates and SNI spell it: ASCII, an IPv6 address without brackets. Empty if none."""
    port: int
    path: str
    """Not percent-encoded: for people."""
    query: str = field(repr=False)
    """As it is sent; empty if none."""
    header: str
    """The `Host` header: explicit, because a connection is made to an address in the place of the name."""
    has_user_info: bool

    @classmethod
    def of(cls, url: str) -> Destination:
        """Raises ValueError, whose text quotes nothing: URLs carry credentials."""
        try:
            parts = parse_url(url)
            scheme, port = parts.scheme or "", parts.port
            usual_port = PORTS[scheme]
        except (LocationValueError, ValueError, KeyError):
            raise ValueError("not a valid http or https URL") from None
        host = parts.host or ""
        netloc = host if port in (None, usual_port) else f"{host}:{port}"
        path, query = parts.path or "/", parts.query or ""
        user_info = f"{parts.auth}@" if parts.auth is not None else ""
        return cls(
            url=f"{scheme}://{user_info}{netloc}{path}" + (f"?{query}" if parts.query is not None else ""),
            scheme=scheme,
            name=host.strip("[]"),
            port=port or usual_port,
            path=unquote(path),
            query=query,
            header=netloc,
            has_user_info=bool(user_info),
        )

    @property
    def host(self) -> str:
        """The host as people read it."""
        try:
            return self.name.encode("ascii").decode("idna")
        except UnicodeError:
            return self.name

    def join(self, reference: str) -> str:
        """The URL that a reference in an answer of this destination means. Raises ValueError."""
        return urljoin(self.url, reference)


def is_loopback(url: str) -> bool:
    """Whether a URL names this machine by one of its own names; False for what is no URL."""
    try:
        host = Destination.of(url).name
    except ValueError:
        return False
    with suppress(ValueError):
        return ip_address(host).is_loopback
    return host == "localhost"


def is_https(url: str) -> bool:
    """Whether it is an https URL of some host, without user info."""
    try:
        destination = Destination.of(url)
    except ValueError:
        return False
    return destination.scheme == "https" and bool(destination.name) and not destination.has_user_info


def resolve_host(host: str, port: int) -> list[str]:
    """The system's answer, in its order of preference (RFC 6724). Raises OSError."""
    answers = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    # Without the zone of link-local addresses ("fe80::1%eth0"), which no URL can carry.
    return list(dict.fromkeys(str(address[0]).partition("%")[0] for *_, address in answers))


def checked_addresses(destination: Destination, resolve: Resolver, *, allow_private: bool) -> list[str]:
    """Addresses to connect to. One that is not allowed refuses the host: the next look-up may return it alone.

    Raises Unreached and NotPublic.
    """
    try:
        addresses = [str(ip_address(destination.name))]
    except ValueError:
        try:
            addresses = list(resolve(destination.name, destination.port))
        except (OSError, UnicodeError) as error:
            raise Unreached("its host name was not resolved", f"resolving {destination.name}: {error}") from None
    if not addresses:
        raise Unreached("its host name was not resolved", f"resolving {destination.name}: no address")
    if not allow_private and (closed := [address for address in addresses if not is_public_address(address)]):
        raise NotPublic(f"{destination.name} resolved to {', '.join(closed)}")
    return addresses[:ADDRESSES_TRIED]
