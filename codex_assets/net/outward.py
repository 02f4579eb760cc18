"""How this machine reaches what its operator configured or typed: through which proxy, trusting whose certificates.

In: the environment's variables of proxies (`HTTPS_PROXY`, `HTTP_PROXY`, `ALL_PROXY`, `NO_PROXY`, in either case) and of
certificates (`SSL_CERT_FILE`, `SSL_CERT_DIR`, `REQUESTS_CA_BUNDLE`, `CURL_CA_BUNDLE`), read as curl and Python's HTTP
clients read them. Not here: requests (`http.py`), and whom a request is allowed to reach.

This is for RunPod's API and for URLs that an engineer types. Webhooks use none of it: whoever sends a job chooses their
address, so the address is looked up, checked and connected to here, which no proxy would let us do.

A proxy's URL may hold a password: it is in no representation and no sentence.
"""

from __future__ import annotations

import ssl
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from functools import lru_cache
from ipaddress import ip_address, ip_network
from pathlib import Path
from urllib.parse import urlsplit

PROXIES = {"https": ("https_proxy", "all_proxy"), "http": ("http_proxy", "all_proxy")}
CERTIFICATES = ("SSL_CERT_FILE", "SSL_CERT_DIR", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE")
SCHEMES = ("http", "https")


@dataclass(frozen=True)
class Outward:
    """`proxies`: scheme of a URL -> the proxy's URL. `direct`: what is reached without one, as `NO_PROXY` spells it.
    `certificates`: files and folders of those that are trusted; without any, the ones that come with requests are."""

    proxies: tuple[tuple[str, str], ...] = field(default=(), repr=False)
    direct: tuple[str, ...] = ()
    certificates: tuple[Path, ...] = ()

    @classmethod
    def of(cls, environ: Mapping[str, str], problems: list[str]) -> Outward:
        """What an environment says; what of it cannot be used goes to `problems`, without a value."""
        proxies: list[tuple[str, str]] = []
        for scheme, names in PROXIES.items():
            for name in names:
                spelling, text = _either(environ, name)
                if text:
                    url = text if "://" in text else f"http://{text}"
                    if problem := _proxy_problem(url):
                        problems.append(f"{spelling} {problem}")
                    proxies.append((scheme, url))
                    break
        places: list[Path] = []
        for name in CERTIFICATES:
            # OpenSSL's own separator: several folders.
            for part in filter(None, environ.get(name, "").strip().split(":" if name == "SSL_CERT_DIR" else "\0")):
                if Path(part).exists():
                    places.append(Path(part))
                elif name != "SSL_CERT_DIR":
                    problems.append(f"{name} names a file that does not exist")
        direct = _either(environ, "no_proxy")[1].replace(",", " ").split()
        outward = cls(tuple(proxies), tuple(direct), tuple(places))
        if places and not any(name in problem for problem in problems for name in CERTIFICATES):
            try:
                outward.context()
            except (OSError, ssl.SSLError):
                named = " and ".join(name for name in CERTIFICATES if environ.get(name, "").strip())
                problems.append(f"{named} cannot be read, or holds what is no certificate")
        return outward

    def proxy(self, scheme: str, host: str, port: int) -> str | None:
        """The URL of the proxy that leads to a host; None where it is reached directly."""
        chosen = dict(self.proxies).get(scheme)
        return None if chosen is None or self._is_direct(host, port) else chosen

    def context(self) -> ssl.SSLContext | None:
        """The certificates that are trusted; None for those that come with requests."""
        return _context(self.certificates) if self.certificates else None

    def _is_direct(self, host: str, port: int) -> bool:
        name = host.lower().strip("[]").rstrip(".")
        return any(_covers(pattern.lower(), name, port) for pattern in self.direct)


DIRECT = Outward()
"""Without a proxy, trusting the certificates that come with requests."""


def _either(environ: Mapping[str, str], name: str) -> tuple[str, str]:
    """A variable in lower case, else in upper: its spelling and its value. One that is set to nothing counts."""
    for spelling in (name, name.upper()):
        if spelling in environ:
            return spelling, environ[spelling].strip()
    return name.upper(), ""


def _proxy_problem(url: str) -> str:
    try:
        parts = urlsplit(url)
        host, _ = parts.hostname, parts.port
    except ValueError:
        return "is not the URL of a proxy"
    if parts.scheme.lower() not in SCHEMES:
        return "names a kind of proxy that is not supported here; it has to be http:// or https://"
    return "" if host else "is not the URL of a proxy"


def _covers(pattern: str, name: str, port: int) -> bool:
    """Whether an entry of NO_PROXY means a host: a name and what is below it, an address, a network, or everything."""
    if pattern == "*":
        return True
    try:
        address = ip_address(name)
    except ValueError:
        address = None
    if address is not None and "/" in pattern:
        try:
            network = ip_network(pattern.replace("[", "").replace("]", ""), strict=False)
        except ValueError:
            return False
        return address.version == network.version and address in network
    with suppress(ValueError):
        return ip_address(pattern.strip("[]")) == address
    wanted, separator, number = pattern.rpartition(":")
    if separator and number.isdigit():
        if int(number) != port:
            return False
        return _covers(wanted, name, port)
    wanted = pattern.removeprefix("*").strip(".")
    return bool(wanted) and address is None and (name == wanted or name.endswith(f".{wanted}"))


@lru_cache(maxsize=8)
def _context(places: tuple[Path, ...]) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    for place in places:
        if place.is_dir():
            context.load_verify_locations(capath=str(place))
        else:
            context.load_verify_locations(cafile=str(place))
    return context
