"""What a setting's text may be, before anybody is asked with it: typing slips, and addresses that cannot be meant.

In: variables as the environment or an endpoint's file holds them. Out: which are needed, what they mean, and the one
error that names all problems (`settings.py`). A problem names variables and never a value.

A key with a line break at its end is refused by a store like a wrong one, or breaks the request, and a secret with one
signs every webhook wrongly. Nothing is corrected silently: the same text is elsewhere too, where nobody corrects it.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from ipaddress import ip_address
from itertools import combinations
from urllib.parse import SplitResult, urlsplit

from codex_assets.contract.secrets import is_placeholder

BUCKETS = ("B2_BUCKET_NAME", "R2_MEDIA_BUCKET", "R2_ASSETS_BUCKET")
ENDPOINTS = ("B2_ENDPOINT", "R2_ENDPOINT")
PLAIN = (
    *("R2_ACCOUNT_ID", "R2_ACCESS_KEY_ID", "R2_SECRET_ACCESS_KEY", "B2_KEY_ID", "B2_APPLICATION_KEY", "B2_REGION"),
    *BUCKETS,
    *ENDPOINTS,
    *("RUNPOD_ENDPOINT_ID", "RUNPOD_BACKFILL_ENDPOINT_ID", "RUNPOD_API_KEY", "RUNPOD_API_BASE", "RUNPOD_REST_BASE"),
    *("CODEX_OPEN_URL", "ALERT_WEBHOOK_URL"),
)
"""Variables whose values hold neither spaces nor quotes, and ASCII alone."""
FREE = (
    *("WEBHOOK_SECRET", "STORAGE_DIR", "CATALOGUE_PATH", "TMPDIR"),
    *("WEBHOOK_SIGNATURE", "WEBHOOK_ALLOW_PRIVATE", "VIDEO_ENCODER", "REQUIRE_NVENC", "LOG_FORMAT", "BUILD_ON"),
    *("WORKER_PRICE_PER_SECOND", "RUNPOD_IN_FLIGHT", "PRUNE_GRACE_HOURS", "JOB_TIME_LIMIT"),
    *("WEBHOOK_PROGRESS_SECONDS", "PREVIEW_PUBLIC_COPY", "EXTRA_OUTPUTS"),
)
"""Variables whose values may hold spaces, though not at their ends."""
_QUOTES = "\"'`´‘’‚“”„«»‹›"
_BREAK_IN_WORDS = re.compile(r"\\[nrt]$")
"""A line break that somebody wrote as two characters."""
_BUCKET = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,62}")
_LABEL = re.compile(r"[A-Za-z0-9_]([A-Za-z0-9_-]{0,61}[A-Za-z0-9_])?")
_B2 = re.compile(r"s3\.([a-z0-9-]+)\.backblazeb2\.com")
_R2 = re.compile(r"([a-z0-9-]+)(\.(eu|fedramp))?\.r2\.cloudflarestorage\.com")
"""Account, and jurisdiction."""
_B2_NAMES, _R2_NAMES, _R2_PUBLIC = ".backblazeb2.com", ".r2.cloudflarestorage.com", ".r2.dev"


# --- Text -------------------------------------------------------------------------------------------------------------


def is_blank(text: str) -> bool:
    """Whether nothing of it can be seen."""
    return all(_is_unseen(char) for char in text)


@dataclass(frozen=True)
class Slips:
    """Names of variables, by what was typed or copied wrongly in their values; in the order of their names' lists."""

    lines: tuple[str, ...]
    ends: tuple[str, ...]
    inside: tuple[str, ...]

    @property
    def names(self) -> frozenset[str]:
        """All variables with a slip."""
        return frozenset((*self.lines, *self.ends, *self.inside))

    def problems(self) -> Iterator[str]:
        """A phrase for each kind of slip, which names its variables."""
        for what, names in (
            ("hold a line of a file (NAME=value) instead of the value", self.lines),
            ("have spaces, line breaks or quotes at their ends", self.ends),
            ("hold spaces or characters that do not belong into them", self.inside),
        ):
            if names:
                yield f"these variables {what}: {', '.join(names)}"


def slips(env: Mapping[str, str], names: Collection[str] = (*PLAIN, *FREE)) -> Slips:
    """Those of the variables of these names. Blank ones are somebody else's to judge."""
    given = {name: env[name] for name in names if name in env and not is_blank(env[name])}
    lines = [name for name, text in given.items() if _is_line(text)]
    ends = [name for name, text in given.items() if name not in lines and has_ends(text)]
    inside = [name for name, text in given.items() if name not in lines + ends and _is_odd_inside(name, text)]
    return Slips(tuple(lines), tuple(ends), tuple(inside))


def name_problems(env: Mapping[str, str], names: Collection[str]) -> Iterator[str]:
    """Variables that are meant to be one of `names`, which is not there: a byte-order mark, an `export`."""
    there = {name for name in names if not is_blank(env.get(name, ""))}
    meant = [name for name in env if name not in names and _bare_name(name) in set(names) - there]
    if meant:
        yield f"these variables' names are not exactly those that are needed: {', '.join(map(ascii, sorted(meant)))}"


def _is_unseen(char: str) -> bool:
    return char.isspace() or unicodedata.category(char) in {"Cc", "Cf", "Zl", "Zp", "Zs"}


def _is_line(text: str) -> bool:
    name = re.match(r"\s*(?:export\s+|set\s+)?([A-Z][A-Z0-9_]*)\s*=", text.lstrip("\ufeff"))
    return name is not None and name[1] in {*PLAIN, *FREE}


def has_ends(text: str) -> bool:
    """Whether it begins or ends with what nobody means: spaces, line breaks, quotes."""
    if not text:
        return False
    ends = (text[0], text[-1])
    return any(_is_unseen(char) or char in _QUOTES for char in ends) or _BREAK_IN_WORDS.search(text) is not None


def _is_odd_inside(name: str, text: str) -> bool:
    if name in PLAIN:
        return re.fullmatch(r"[!#-&(-\[\]-_a-~]+", text) is None and not is_placeholder(text)
    return any(_is_unseen(char) and char != " " for char in text)


def _bare_name(name: str) -> str:
    seen = "".join(char for char in name if not _is_unseen(char) or char == " ").strip(f" {_QUOTES}")
    return re.sub(r"^(export|set)\s+", "", seen).upper()


# --- Buckets and addresses --------------------------------------------------------------------------------------------


def bucket_problems(env: Mapping[str, str]) -> Iterator[str]:
    """Names that are none, and buckets that must not be one. What is missing in `env` is not judged."""
    given = {name: env[name] for name in BUCKETS if name in env}
    if wrong := [name for name, text in given.items() if not _BUCKET.fullmatch(text)]:
        yield f"these have to be the bucket's name alone: {', '.join(wrong)}"
    for first, second in combinations(given, 2):
        if given[first].lower() == given[second].lower():
            if first == "B2_BUCKET_NAME":
                yield f"{first} and {second} are one name, by which it is told which store an original is in"
            else:
                yield f"{first} and {second} are one bucket: what is private would be public"


def address_problems(env: Mapping[str, str]) -> Iterator[str]:
    """Endpoints, region and account that cannot be meant, alone or together. What is missing in `env` is not judged."""
    buckets = [env[name] for name in BUCKETS if name in env]
    for name in ENDPOINTS:
        if name in env and (problem := _endpoint_problem(env[name], buckets)) is not None:
            yield f"{name} {problem}"
        elif name in env:
            yield from _provider_problems(name, urlsplit(env[name]), env)
    if "R2_ACCOUNT_ID" in env and not re.fullmatch(r"[A-Za-z0-9-]{1,63}", env["R2_ACCOUNT_ID"]):
        yield "R2_ACCOUNT_ID has to be the account's id alone"
    if "B2_REGION" in env and not re.fullmatch(r"[a-z0-9]+(-[a-z0-9]+)*", env["B2_REGION"]):
        yield "B2_REGION has to be a region's name alone, such as us-west-004"


def _endpoint_problem(text: str, buckets: Collection[str]) -> str | None:
    """Why it is no address of a store, as a phrase to follow its variable's name."""
    if "://" not in text:
        return "needs its scheme, as in https://..."
    try:
        parts = urlsplit(text)
        host, port = parts.hostname or "", parts.port
    except ValueError:
        return "is no URL with a valid host and port"
    if parts.scheme.lower() not in {"http", "https"}:
        return "has to be an https URL"
    if "@" in parts.netloc:
        return "must not carry user info"
    if "?" in text or "#" in text:
        return "must not carry a query"
    if any(is_placeholder(label) for label in host.split(".")):
        return "holds a placeholder"
    if not _is_host(host):
        return "is no URL with a valid host and port"
    if port == 0 or (parts.scheme, port) in {("https", 80), ("http", 443)} or parts.netloc.endswith(":"):
        return "has a wrong port"
    path = parts.path.strip("/")
    if any(path == bucket or path.startswith(f"{bucket}/") for bucket in buckets):
        return "must not hold the bucket, which has a variable of its own"
    if parts.path not in {"", "/"}:
        return "must not have a path"
    if any(host.startswith(f"{bucket.lower()}.") for bucket in buckets):
        return "must not hold the bucket, which has a variable of its own"
    return None


def _is_host(host: str) -> bool:
    try:
        ip_address(host)
    except ValueError:
        return all(_LABEL.fullmatch(label) for label in host.split("."))
    return True


def _provider_problems(name: str, parts: SplitResult, env: Mapping[str, str]) -> Iterator[str]:
    """What is known of the two providers' addresses; stand-ins elsewhere may look otherwise."""
    host = f".{parts.hostname or ''}"
    provider = "B2" if host.endswith(_B2_NAMES) else "R2" if host.endswith((_R2_NAMES, _R2_PUBLIC)) else None
    if provider is None:
        return
    host = host.removeprefix(".")
    if not name.startswith(provider):
        yield f"{name} is an address of {provider}"
    elif parts.scheme != "https" or parts.port not in {None, 443}:
        yield f"{name} has to be https, and without a port"
    elif provider == "B2" and (address := _B2.fullmatch(host)) is None:
        yield f"{name} has to be https://s3.REGION.backblazeb2.com, without the bucket"
    elif provider == "B2":
        assert address is not None
        if env.get("B2_REGION", address[1]) != address[1]:
            yield "B2_REGION is not the region that B2_ENDPOINT names"
    elif (account := _R2.fullmatch(host)) is None:
        yield f"{name} has to be https://ACCOUNT.r2.cloudflarestorage.com, without the bucket"
    elif env.get("R2_ACCOUNT_ID", account[1]).lower() != account[1]:
        yield "R2_ENDPOINT names another account than R2_ACCOUNT_ID"
