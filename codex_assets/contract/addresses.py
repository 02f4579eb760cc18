"""Which URLs may be called: public addresses, by https, without user names.

In: blocks of addresses and names that are closed, and the problems of a webhook's URL in words. Out: resolving a name
and connecting to what it stands for (`net/http.py`).
"""

from __future__ import annotations

import re
import socket
import unicodedata
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address
from urllib.parse import urlsplit

import idna

from codex_assets.contract.names import URL_CHARACTERS
from codex_assets.contract.quoted_values import is_text, quoted

_CLOSED_V4 = tuple(
    IPv4Network(block)
    for block in (
        "0.0.0.0/8",
        "10.0.0.0/8",
        "100.64.0.0/10",  # shared by carriers; a cloud's metadata service lives here too
        "127.0.0.0/8",
        "168.63.129.16/32",  # a cloud's host agent, on a public number
        "169.254.0.0/16",
        "172.16.0.0/12",
        "192.0.0.0/24",
        "192.0.2.0/24",
        "192.88.99.0/24",
        "192.168.0.0/16",
        "198.18.0.0/15",
        "198.51.100.0/24",
        "203.0.113.0/24",
        "224.0.0.0/4",
        "240.0.0.0/4",
    )
)
HOST_CHARACTERS = 253
"""Most of a name in ASCII, its last dot aside."""
_OPEN_V6 = IPv6Network("2000::/3")
_CLOSED_V6 = tuple(IPv6Network(block) for block in ("2001::/23", "2001:db8::/32", "3fff::/20"))
_NAT64 = IPv6Network("64:ff9b::/96")
_LOCAL_NAMES = ("localhost", "localdomain", "local", "internal", "home.arpa")


def is_public_address(address: str | IPv4Address | IPv6Address) -> bool:
    """Whether a webhook may be sent to this address: globally routed unicast, by the IANA special-purpose registries.

    Written out because `ipaddress.is_global` says yes to multicast and changed its mind between patch releases. An
    IPv6 address that carries an IPv4 one (mapped, NAT64, 6to4) is judged by that: it is where the packets go. Text
    that is no address is not public.
    """
    if isinstance(address, str):
        try:
            address = ip_address(address)
        except ValueError:
            return False
    if isinstance(address, IPv4Address):
        return not any(address in block for block in _CLOSED_V4)
    carried = address.ipv4_mapped or address.sixtofour
    if carried is None and address in _NAT64:
        carried = IPv4Address(int(address) & 0xFFFFFFFF)
    if carried is not None:
        return is_public_address(carried)
    return address in _OPEN_V6 and not any(address in block for block in _CLOSED_V6)


def webhook_url_problems(url: str, *, allow_private: bool) -> list[str]:
    """What is wrong with a webhook URL as written, each a phrase to follow `webhookUrl`; empty when nothing is.

    Only the text is judged: what a name resolves to is asked at delivery. No phrase repeats more of the URL than its
    host, because user info and queries carry credentials.
    """
    if len(url) > URL_CHARACTERS:
        return [f"must be at most {URL_CHARACTERS:,} characters long"]
    if not is_text(url) or any(c.isspace() or c == "\\" or unicodedata.category(c) == "Cc" for c in url):
        return ["must be an absolute URL without spaces, backslashes and control characters"]
    try:
        parts = urlsplit(url)
        host, port = parts.hostname, parts.port
    except ValueError:
        return ["must be an absolute URL with a valid host and port"]
    problems = []
    if parts.scheme not in ({"http", "https"} if allow_private else {"https"}):
        problems.append("must use https" if not allow_private else "must use https or http")
    if "@" in parts.netloc:
        problems.append("must not carry user info")
    if not host:
        problems.append("must name a host")
    elif port == 0:
        problems.append("must not use port 0")
    else:
        try:
            private = _is_private_host(host)
            if not private and ":" not in host:
                _require_name(host)
        except ValueError:
            problems.append("must name a host that can exist")
        else:
            if private and not allow_private:
                problems.append(
                    "must name a public host, not a loopback, private, link-local or metadata address,"
                    f" got {quoted(host)}"
                )
    return problems


def _require_name(host: str) -> None:
    """Raises ValueError for a host that no request can be sent to: a name that the sender cannot spell in ASCII, labels
    that only look as if something was spelt in them (`xn--`), and names that are too long."""
    name = host if host.isascii() else idna.encode(host.lower(), strict=True, std3_rules=True).decode("ascii")
    name = name.lower().removesuffix(".")
    if len(name) > HOST_CHARACTERS:
        raise ValueError("too long")
    for label in name.split("."):
        if not label.startswith("xn--"):
            continue
        spelt = label[4:].encode("ascii").decode("punycode")
        # Names with a snowman are no IDNA of today, but there are such hosts.
        if spelt.isascii() or any(unicodedata.category(c).startswith("C") for c in spelt):
            raise ValueError("nothing is spelt in it")
        if spelt.encode("punycode").decode("ascii") != label[4:]:
            raise ValueError("spelt in another way than it would be")


def _is_private_host(host: str) -> bool:
    """Whether a host, as written, can only be private. Raises ValueError for what can be no host at all."""
    if ":" in host:
        return not is_public_address(ip_address(host))
    # The codec folds full-width digits and ideographic dots as resolvers do: "127。0。0。1" is a loopback address.
    name = host.encode("idna").decode("ascii").lower().removesuffix(".")
    if not re.fullmatch(r"[a-z0-9_-]+(?:\.[a-z0-9_-]+)*", name):
        raise ValueError("not a host name")
    if re.fullmatch(r"[0-9]+|0x[0-9a-f]*", name.rpartition(".")[2]):
        try:
            # Knows the spellings that resolvers know: 2130706433, 0x7f.1, 0177.0.0.1, 127.1.
            address = IPv4Address(socket.inet_aton(name))
        except OSError:
            raise ValueError("not an address") from None
        # Nobody who means well spells an address as one number, or in octal.
        return str(address) != name or not is_public_address(address)
    return any(name == local or name.endswith("." + local) for local in _LOCAL_NAMES)
