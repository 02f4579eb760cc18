"""The wire contract with media-api: the job payload that comes in, the webhook body that goes out, their JSON Schema.

In: every rule of the payload, the names of outputs and variants, the receiver's limits, and what may be salvaged of
a payload that breaks the rules. Every problem of a payload is found in one pass and told by its wire name.
Out: converting measurements into wire units and sending anything (`delivery/webhook.py`), storage keys
(`delivery/keys.py`), reading the environment (`resources.py`). Imports nothing of ours, and does no I/O, except that
`python -m codex_assets.contract` writes `docs/contract/*.schema.json`.
"""

from __future__ import annotations

import json
import re
import socket
import sys
import unicodedata
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address
from itertools import takewhile
from pathlib import Path
from typing import Annotated, Any, Literal, Self, cast
from urllib.parse import unquote, urlsplit

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    SecretStr,
    TypeAdapter,
    ValidationError,
    WithJsonSchema,
    model_validator,
)
from pydantic.alias_generators import to_camel
from pydantic_core import PydanticCustomError

MediaType = Literal["video", "audio"]
InputStore = Literal["archive", "media"]
AssetName = Literal[
    "mezzanine",
    "loudness",
    "hls_1080p",
    "hls_720p",
    "hls_480p",
    "hls_360p",
    "hls_128k",
    "hls_64k",
    "preview",
    "hls_master",
    "thumbnail",
    "waveform_json",
    "waveform_png",
]
VariantName = Literal["1080p", "720p", "480p", "360p", "preview", "128k", "64k"]

ASSETS: Mapping[MediaType, tuple[AssetName, ...]] = {
    "video": (
        "mezzanine",
        "loudness",
        "hls_1080p",
        "hls_720p",
        "hls_480p",
        "hls_360p",
        "preview",
        "hls_master",
        "thumbnail",
    ),
    "audio": (
        "mezzanine",
        "loudness",
        "hls_128k",
        "hls_64k",
        "hls_master",
        "waveform_json",
        "waveform_png",
    ),
}
"""Outputs that a payload's `assets` may name, by media type."""

VARIANTS: Mapping[MediaType, tuple[VariantName, ...]] = {
    "video": ("1080p", "720p", "480p", "360p", "preview"),
    "audio": ("128k", "64k"),
}
"""What `readyVariants` may hold, best first, by media type."""

HLS_FOLDER: Mapping[MediaType, str] = {"video": "hls", "audio": "hls-audio"}

KEY_BYTES = 1024
"""Most bytes of an object key: the limit of S3, R2 and B2 alike."""
URL_CHARACTERS = 4096
"""Most characters of a webhook URL: far above any real one, far below what a log or a header line can take."""
DURATION_SECONDS = (1, 86_400)
WIDTH_LIMIT = 7680
HEIGHT_LIMIT = 4320
INTEGRATED_RANGE = (-10_000, 1_000)
"""LUFS x100 that the receiver accepts."""
PEAK_RANGE = (-10_000, 2_000)
"""dBTP x100 that the receiver accepts."""
LOUDNESS_RANGE_RANGE = (0, 50_000)
"""LU x100 that the receiver accepts."""
ERROR_CHARACTERS = 2000

SEGMENT_PATTERN = "^[A-Za-z0-9][A-Za-z0-9_-]{0,127}$"
_SEGMENT = re.compile(SEGMENT_PATTERN.removeprefix("^").removesuffix("$"))

# What a JSON Schema can say about a key: no backslash, no control character, no empty, "." or ".." segment. The
# percent-encoded forms and the creator's segment are left to `parse_payload`.
_KEY_SCHEMA_PATTERN = r"^(?!(?:.*/)?\.{0,2}(?:/|$))[^\\\u0000-\u001f\u007f-\u009f]+$"


# --- addresses ------------------------------------------------------------------------------------------------------

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
    if not _is_text(url) or any(c.isspace() or c == "\\" or unicodedata.category(c) == "Cc" for c in url):
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
        except ValueError:
            problems.append("must name a host that can exist")
        else:
            if private and not allow_private:
                problems.append(
                    "must name a public host, not a loopback, private, link-local or metadata address,"
                    f" got {_shown(host)}"
                )
    return problems


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


# --- secrets --------------------------------------------------------------------------------------------------------

_NO_VALUES = frozenset({"undefined", "null", "none", "changeme", "placeholder", "replaceme"})
_TO_BE_FILLED_IN = re.compile(r"<[^<>]+>|your[-_ ].+|x{3,}|\.{3}", re.IGNORECASE)


def is_placeholder(text: str) -> bool:
    """Whether a setting was never filled in: an unresolved reference, or a word that stands for a value."""
    word = text.strip()
    return (
        "{{" in word
        or "${" in word
        or word.lower().replace("-", "").replace("_", "") in _NO_VALUES
        or _TO_BE_FILLED_IN.fullmatch(word) is not None
    )


def secret_problem(secret: SecretStr) -> str | None:
    """Why a webhook secret cannot be meant, as a phrase that does not repeat it; None when it can.

    An empty key signs without complaint, and so does a template that was never filled in: both would make signatures
    that anyone can forge.
    """
    text = secret.get_secret_value()
    if not text.strip():
        return "must not be blank"
    if not _is_text(text):
        return "must be valid Unicode text"
    if is_placeholder(text):
        return "must be the real secret, not an unresolved placeholder"
    return None


# --- payload --------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class PayloadPolicy:
    """What this worker's environment decides about payloads."""

    archive_bucket: str
    media_bucket: str
    assets_bucket: str
    default_secret: SecretStr | None = None
    """Signs when the payload brings no secret."""
    allow_private_webhook: bool = False
    """Local runs and tests: `http` and private hosts are accepted."""


class PayloadProblems(ValueError):
    """A payload breaks the contract: one sentence per problem, in the order of the fields, without any secret."""

    def __init__(self, problems: tuple[str, ...]) -> None:
        self.problems = problems
        super().__init__(problems)

    def __str__(self) -> str:
        return "; ".join(self.problems)


@dataclass(frozen=True)
class Subject:
    """Which media a payload is about, as far as it says so in a usable way."""

    media_id: str | None
    media_type: MediaType | None


@dataclass(frozen=True)
class ReplyAddress:
    """Where the answer to a payload goes, and how it is signed."""

    url: str = field(repr=False)
    secret: SecretStr
    media_id: str | None
    media_type: MediaType | None


def _key_rules(key: str) -> str:
    if faults := _key_faults(key):
        raise PydanticCustomError("contract", "must be a plain object key: {faults}", {"faults": ", ".join(faults)})
    return key


def _secret_rules(secret: SecretStr) -> SecretStr:
    if problem := secret_problem(secret):
        raise PydanticCustomError("contract", "{problem}", {"problem": problem})
    return secret


PathSegment = Annotated[str, Field(pattern=SEGMENT_PATTERN)]
ObjectKey = Annotated[
    str,
    AfterValidator(_key_rules),
    WithJsonSchema({"type": "string", "maxLength": KEY_BYTES, "pattern": _KEY_SCHEMA_PATTERN}),
]
WebhookUrl = Annotated[
    str,
    WithJsonSchema({"type": "string", "pattern": r"^[Hh][Tt][Tt][Pp][Ss]?://[^@/?#\s\\]+([/?#][^\s\\]*)?$"}),
]
WebhookSecret = Annotated[
    SecretStr,
    AfterValidator(_secret_rules),
    WithJsonSchema({"type": "string", "minLength": 1, "pattern": "\\S", "writeOnly": True}),
]
RequestedAssets = Annotated[
    tuple[AssetName, ...],
    # Not strict, so that a JSON array becomes a tuple; its items stay strict by being literals.
    Field(strict=False),
    WithJsonSchema(
        {
            "type": "array",
            "items": {"enum": sorted({name for names in ASSETS.values() for name in names})},
            "minItems": 1,
            "uniqueItems": True,
        }
    ),
]


def _when_media_type(kind: str, properties: dict[str, Any]) -> dict[str, Any]:
    return {
        "if": {"properties": {"mediaType": {"const": kind}}, "required": ["mediaType"]},
        "then": {"properties": properties},
    }


class JobPayload(BaseModel):
    """What media-api asks of the worker: RunPod's `job["input"]`.

    A job with `assets` and neither webhook field is an engineer's: nobody is told, its result says what it came to.
    Fields that are not listed are ignored. A JSON Schema cannot compare fields with each other or with the worker's
    environment: the buckets, the output prefix, the creator's segment in the input key, percent-encoded keys and
    private webhook hosts are checked by the worker.
    """

    # Made by `parse_payload` only: the properties below rely on the rules that it adds.

    model_config = ConfigDict(
        alias_generator=to_camel,
        extra="ignore",
        frozen=True,
        hide_input_in_errors=True,
        strict=True,
    )

    media_id: PathSegment = Field(description="One path segment.")
    creator_id: PathSegment = Field(description="One path segment.")
    media_type: MediaType = Field(description="Which outputs are made.")
    input_bucket: str = Field(
        min_length=1,
        description="The archive bucket or the delivery bucket: decides which store the original is read from.",
    )
    input_key: ObjectKey = Field(
        description=(
            "Key of the original. Contains creatorId as a whole path segment, for example"
            f" originals/creatorId/mediaId/original.mp4; at most {KEY_BYTES:,} bytes of UTF-8; nothing that"
            " is refused here may appear percent-encoded either."
        )
    )
    output_bucket: str = Field(min_length=1, description="The worker's delivery bucket.")
    output_prefix: str = Field(
        min_length=1,
        description=(
            "creatorId/ or the media's own HLS prefix (creatorId/hls/mediaId/ for video,"
            " creatorId/hls-audio/mediaId/ for audio), with or without the last slash. Never changes a key."
        ),
    )
    assets_bucket: str = Field(min_length=1, description="The worker's public assets bucket.")
    webhook_url: WebhookUrl | None = Field(
        default=None,
        repr=False,
        description=(
            "https, without user info, on a public host. Workers set up for local runs also take http. May be left out,"
            " together with webhookSecret, when there are assets: then nobody is told."
        ),
    )
    webhook_secret: WebhookSecret | None = Field(
        default=None,
        description="Key of the webhook's HMAC. May be left out when the endpoint has WEBHOOK_SECRET; wins over it.",
    )
    assets: RequestedAssets | None = Field(
        default=None,
        description="Single outputs to build again from the mezzanine. Absent: everything.",
    )

    @property
    def input_store(self) -> InputStore:
        """The store that holds the original.

        `parse_payload` lets the input bucket be one of two and the output bucket only the delivery bucket, so
        comparing them is enough.
        """
        return "media" if self.input_bucket == self.output_bucket else "archive"

    @property
    def reply_address(self) -> ReplyAddress | None:
        """None for an engineer's job: its result is all the answer there is."""
        if self.webhook_url is None or self.webhook_secret is None:
            return None
        return ReplyAddress(
            url=self.webhook_url,
            secret=self.webhook_secret,
            media_id=self.media_id,
            media_type=self.media_type,
        )


_EXPECTED: Mapping[str, str] = {
    "mediaId": ("must be one path segment of 1 to 128 letters, digits, '-' and '_' that starts with a letter or digit"),
    "creatorId": (
        "must be one path segment of 1 to 128 letters, digits, '-' and '_' that starts with a letter or digit"
    ),
    "mediaType": 'must be "video" or "audio"',
    "inputBucket": "must be the name of a bucket",
    "inputKey": "must be an object key",
    "outputBucket": "must be the name of a bucket",
    "outputPrefix": "must be a key prefix",
    "assetsBucket": "must be the name of a bucket",
    "webhookUrl": "must be an https URL",
    "webhookSecret": "must be text",
    "assets": "must be a list of output names",
}
_WITHHELD = frozenset({"webhookUrl", "webhookSecret"})


def parse_payload(raw: object, policy: PayloadPolicy) -> JobPayload:
    """The payload as a frozen object, or PayloadProblems with every problem of it.

    Rules that compare fields are applied to the fields that are sound by themselves, so that one typing error does not
    hide the others and is not told twice. An explicit null counts as absent for the optional fields.
    """
    if not isinstance(raw, dict):
        raise PayloadProblems((f"the payload must be a JSON object, got {_kind(raw)}",))
    given = dict(raw)
    if given.get("assets") is None:
        given.pop("assets", None)
    if given.get("webhookSecret") is None:
        given.pop("webhookSecret", None)
        own = policy.default_secret if policy.default_secret and not secret_problem(policy.default_secret) else None
        if own is not None and not _is_engineers(given):
            given["webhookSecret"] = own

    found: dict[str, list[str]] = {}
    payload: JobPayload | None = None
    try:
        payload = JobPayload.model_validate(given)
    except ValidationError as error:
        for name, sentence in _own_problems(error, given):
            found.setdefault(name, []).append(sentence)
    for name, sentence in _policy_problems(given, frozenset(found), policy):
        found.setdefault(name, []).append(sentence)

    if payload is None or found:
        told = [sentence for name in _EXPECTED for sentence in found.get(name, [])]
        secrets = [s for s in (given.get("webhookSecret"), policy.default_secret) if s is not None]
        raise PayloadProblems(tuple(_without(sentence, secrets) for sentence in told))
    return payload


def _is_engineers(given: Mapping[str, Any]) -> bool:
    """Whether nobody is to be told: outputs are named, and not a word is said of a webhook.

    An explicit null is a word: whoever fills in a URL and gets it wrong is waiting for an answer.
    """
    return "assets" in given and "webhookUrl" not in given and "webhookSecret" not in given


def subject(raw: object) -> Subject:
    """The media that a payload, valid or not, is about. What is not valid by itself is None.

    A failed webhook for an invalid payload names the media only when the name can be trusted: it ends up in the
    receiver's queries, and a value of the wrong shape there is worse than none.
    """
    given = raw if isinstance(raw, dict) else {}
    media_id, media_type = given.get("mediaId"), given.get("mediaType")
    return Subject(
        media_id=media_id if isinstance(media_id, str) and _SEGMENT.fullmatch(media_id) else None,
        media_type=cast(MediaType, media_type) if isinstance(media_type, str) and media_type in ASSETS else None,
    )


def salvage(raw: object, policy: PayloadPolicy) -> ReplyAddress | None:
    """Where the refusal of an invalid payload can be sent, or None: URL and secret must each be valid by themselves.

    An unusable secret in the payload gives way to the endpoint's own, because a signed refusal is worth more than none.
    """
    given = raw if isinstance(raw, dict) else {}
    url = given.get("webhookUrl")
    if not isinstance(url, str) or webhook_url_problems(url, allow_private=policy.allow_private_webhook):
        return None
    own = given.get("webhookSecret")
    candidates = [SecretStr(own) if isinstance(own, str) else None, policy.default_secret]
    for secret in candidates:
        if secret is not None and secret_problem(secret) is None:
            about = subject(raw)
            return ReplyAddress(url=url, secret=secret, media_id=about.media_id, media_type=about.media_type)
    return None


def _own_problems(error: ValidationError, given: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """(field, sentence) for what is wrong with single fields."""
    for fault in error.errors(include_url=False, include_context=False, include_input=False):
        name = str(fault["loc"][0])
        if fault["type"] == "missing":
            yield name, f"{name} is missing"
        elif fault["type"] == "contract":
            yield name, f"{name} {fault['msg']}"
        elif len(fault["loc"]) > 1:
            item = given[name][fault["loc"][1]]
            yield name, f"{name} must hold names of outputs, got {_shown(item)}"
        elif name in _WITHHELD:
            yield name, f"{name} {_EXPECTED[name]}"
        else:
            yield name, f"{name} {_EXPECTED[name]}, got {_shown(given[name])}"


def _policy_problems(
    given: Mapping[str, Any], faulty: frozenset[str], policy: PayloadPolicy
) -> Iterator[tuple[str, str]]:
    """(field, sentence) for rules between fields, and between fields and the environment."""

    def sound(*names: str) -> bool:
        return not faulty.intersection(names)

    inputs = (policy.archive_bucket, policy.media_bucket)
    if sound("inputBucket") and given["inputBucket"] not in inputs:
        yield (
            "inputBucket",
            f"inputBucket must be the archive bucket {_shown(inputs[0])} or the delivery bucket"
            f" {_shown(inputs[1])}, got {_shown(given['inputBucket'])}",
        )
    for name, wanted in (("outputBucket", policy.media_bucket), ("assetsBucket", policy.assets_bucket)):
        if sound(name) and given[name] != wanted:
            yield name, f"{name} must be {_shown(wanted)}, got {_shown(given[name])}"

    if sound("inputKey", "creatorId") and given["creatorId"] not in given["inputKey"].split("/")[:-1]:
        yield (
            "inputKey",
            f"inputKey must contain {_shown(given['creatorId'] + '/')} as a whole path segment,"
            f" got {_shown(given['inputKey'])}",
        )
    if sound("outputPrefix", "creatorId", "mediaId", "mediaType"):
        whole = f"{given['creatorId']}/"
        own = f"{whole}{HLS_FOLDER[given['mediaType']]}/{given['mediaId']}/"
        if given["outputPrefix"] not in {whole, whole[:-1], own, own[:-1]}:
            yield (
                "outputPrefix",
                f"outputPrefix must be {_shown(whole)} or {_shown(own)}, got {_shown(given['outputPrefix'])}",
            )
    if not _is_engineers(given):
        if "webhookUrl" not in given:
            yield "webhookUrl", "webhookUrl is missing"
        elif given["webhookUrl"] is None:
            yield "webhookUrl", f"webhookUrl {_EXPECTED['webhookUrl']}"
        if "webhookSecret" not in given:
            yield "webhookSecret", "webhookSecret is missing, and this endpoint has no WEBHOOK_SECRET of its own"
    if sound("webhookUrl") and given.get("webhookUrl") is not None:
        for phrase in webhook_url_problems(given["webhookUrl"], allow_private=policy.allow_private_webhook):
            yield "webhookUrl", f"webhookUrl {phrase}"

    if "assets" in given and sound("assets"):
        names: list[str] = list(given["assets"])
        if not names:
            yield "assets", "assets must name at least one output (leave it out to build everything)"
        if repeated := sorted({name for name in names if names.count(name) > 1}):
            yield "assets", f"assets must name each output once, got {', '.join(repeated)} more than once"
        if sound("mediaType"):
            known = ASSETS[given["mediaType"]]
            if strange := [name for name in dict.fromkeys(names) if name not in known]:
                yield (
                    "assets",
                    f"assets must hold outputs of {given['mediaType']} ({', '.join(known)}), got {', '.join(strange)}",
                )


def _key_faults(key: str) -> list[str]:
    """What makes a key unfit, as written or in any percent-decoded form of it."""
    if not key:
        return ["it is empty"]
    if not _is_text(key):
        return ["it is not valid Unicode text"]
    if len(key.encode()) > KEY_BYTES:
        return [f"it is longer than {KEY_BYTES:,} bytes"]
    # Decoded until nothing changes, because every proxy on the way may decode once. A literal "%20" stays allowed.
    form, note = key, ""
    while not (faults := _path_faults(form)):
        decoded = unquote(form)
        if decoded == form:
            return []
        if decoded.count("/") > form.count("/"):
            return ['it has a percent-encoded "/"']
        form, note = decoded, " (percent-encoded)"
    return [fault + note for fault in faults]


def _path_faults(path: str) -> list[str]:
    segments = path.split("/")
    faults = []
    if path.startswith("/"):
        faults.append('it starts with "/"')
    if "" in segments[1:]:
        faults.append("it has an empty segment")
    if {".", ".."}.intersection(segments):
        faults.append('it has a "." or ".." segment')
    if "\\" in path:
        faults.append("it has a backslash")
    if any(unicodedata.category(c) == "Cc" for c in path):
        faults.append("it has a control character")
    return faults


def _is_text(text: str) -> bool:
    """JSON can smuggle in half of a surrogate pair, which no store, signature or log can encode."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def _kind(value: object) -> str:
    names: Mapping[type, str] = {
        type(None): "null",
        bool: "a boolean",
        int: "a number",
        float: "a number",
        str: "text",
        list: "a list",
        dict: "an object",
    }
    return names.get(type(value), type(value).__name__)


def _shown(value: object) -> str:
    """A value as a person can recognise it: short, quoted, without control characters."""
    if not isinstance(value, str):
        return _kind(value)
    return json.dumps(value if len(value) <= 80 else value[:79] + "…", ensure_ascii=not value.isprintable())


def _without(sentence: str, secrets: list[object]) -> str:
    """`sentence` with no secret in it, should another field repeat one. Very short ones are words, not secrets."""
    for secret in secrets:
        text = secret.get_secret_value() if isinstance(secret, SecretStr) else secret
        if isinstance(text, str) and len(text) >= 6:
            # As `_shown` writes it: quoted, maybe escaped, maybe cut off; a host comes in lower case.
            for form in dict.fromkeys([text, *(json.dumps(text, ensure_ascii=plain)[1:-1] for plain in (True, False))]):
                sentence = re.sub(re.escape(form), "***", sentence, flags=re.IGNORECASE)
                sentence = _without_long_beginning(sentence, form)
                for cut in ("…", "\\u2026"):
                    sentence = _without_beginning(sentence, form, cut)
    return sentence


LONG_BEGINNING = 16
"""Characters of a secret that nobody repeats by chance."""


def _without_long_beginning(sentence: str, secret: str) -> str:
    """`sentence` where no long beginning of `secret` stands: another field may repeat the most of it."""
    if len(secret) < LONG_BEGINNING:
        return sentence
    start = re.compile(re.escape(secret[:LONG_BEGINNING]), re.IGNORECASE)
    kept, at = [], 0
    # Place by place in the text as it is: some letters are longer in lower case.
    while found := start.search(sentence, at):
        pairs = zip(sentence[found.end() :], secret[LONG_BEGINNING:], strict=False)
        same = sum(1 for _ in takewhile(lambda pair: pair[0].lower() == pair[1].lower(), pairs))
        kept += [sentence[at : found.start()], "***"]
        at = found.end() + same
    return "".join([*kept, sentence[at:]])


def _without_beginning(sentence: str, secret: str, cut: str) -> str:
    """`sentence` where no beginning of `secret` stands before `cut`, the mark of a value that was cut off."""
    parts = sentence.split(cut)
    for number, part in enumerate(parts[:-1]):
        for length in range(min(len(secret), len(part)), 5, -1):
            if part.endswith(secret[:length]):
                parts[number] = part[:-length] + "***"
                break
    return cut.join(parts)


# --- webhook --------------------------------------------------------------------------------------------------------


class _Wire(BaseModel):
    """Absent, never null: the receiver refuses null, so an explicit None is refused here."""

    model_config = ConfigDict(
        alias_generator=to_camel,
        extra="ignore",
        frozen=True,
        populate_by_name=True,
        strict=True,
    )

    @model_validator(mode="before")
    @classmethod
    def _no_null(cls, data: Any) -> Any:
        if isinstance(data, dict) and (nulls := sorted(str(key) for key, value in data.items() if value is None)):
            raise PydanticCustomError("contract", "{names} must be left out, not null", {"names": ", ".join(nulls)})
        return data


class Loudness(_Wire):
    """Pass 1's measurement of the source, each value x100."""

    integrated: int = Field(ge=INTEGRATED_RANGE[0], le=INTEGRATED_RANGE[1], description="LUFS x100.")
    peak: int = Field(ge=PEAK_RANGE[0], le=PEAK_RANGE[1], description="True peak, dBTP x100.")
    range: int = Field(ge=LOUDNESS_RANGE_RANGE[0], le=LOUDNESS_RANGE_RANGE[1], description="Loudness range, LU x100.")


WireKey = Annotated[str, Field(min_length=1, max_length=KEY_BYTES)]
Sentence = Annotated[str, Field(min_length=1, max_length=ERROR_CHARACTERS)]

_VIDEO_ONLY = ("hls_preview_key", "thumbnail_key", "width", "height")
_AUDIO_ONLY = ("waveform_key", "waveform_image_key")


def _output_by_media_type(schema: dict[str, Any]) -> None:
    banned = {"video": _AUDIO_ONLY, "audio": _VIDEO_ONLY}
    clauses = []
    for kind, names in VARIANTS.items():
        properties: dict[str, Any] = {"readyVariants": {"items": {"enum": list(names)}}}
        properties |= {to_camel(name): False for name in banned[kind]}
        clauses.append(_when_media_type(kind, properties))
    schema["allOf"] = clauses
    schema["dependentRequired"] = {"width": ["height"], "height": ["width"]}


class Output(_Wire):
    """What was made. A key is there only if its object was written and verified."""

    model_config = ConfigDict(json_schema_extra=_output_by_media_type)

    media_id: PathSegment
    media_type: MediaType
    hls_master_playlist_key: WireKey | None = None
    hls_preview_key: WireKey | None = Field(default=None, description="Video only.")
    thumbnail_key: WireKey | None = Field(default=None, description="Video only.")
    waveform_key: WireKey | None = Field(default=None, description="Audio only.")
    waveform_image_key: WireKey | None = Field(default=None, description="Audio only.")
    mezzanine_key: WireKey | None = Field(default=None, description="In the archive bucket.")
    duration_seconds: int | None = Field(
        default=None, ge=DURATION_SECONDS[0], le=DURATION_SECONDS[1], description="Rounded."
    )
    width: int | None = Field(
        default=None, ge=1, le=WIDTH_LIMIT, description="Displayed width of the source, pixels. Video only."
    )
    height: int | None = Field(
        default=None, ge=1, le=HEIGHT_LIMIT, description="Displayed height of the source, pixels. Video only."
    )
    ready_variants: Annotated[tuple[VariantName, ...], Field(strict=False)] | None = Field(
        default=None,
        description="Rendered variants, best first, then the preview.",
        json_schema_extra={"uniqueItems": True},
    )
    loudness: Loudness | None = Field(default=None, description="Left out for silence and for sources without audio.")
    warnings: Annotated[tuple[Sentence, ...], Field(strict=False)] | None = Field(
        default=None, description="Extension: sentences about what was delivered with a loss."
    )

    @model_validator(mode="after")
    def _fits_media_type(self) -> Self:
        foreign = _AUDIO_ONLY if self.media_type == "video" else _VIDEO_ONLY
        if present := [to_camel(name) for name in foreign if getattr(self, name) is not None]:
            raise ValueError(f"{', '.join(present)} cannot be set for {self.media_type}")
        if (self.width is None) != (self.height is None):
            raise ValueError("width and height come together")
        variants = self.ready_variants or ()
        if len(set(variants)) != len(variants) or not set(variants) <= set(VARIANTS[self.media_type]):
            raise ValueError(f"readyVariants must hold variants of {self.media_type}, each once")
        return self


class FailedOutput(_Wire):
    """Which media failed. A field is left out when the payload held no valid value for it."""

    media_id: PathSegment | None = None
    media_type: MediaType | None = None


class _Body(_Wire):
    id: str = Field(min_length=1, description="RunPod's job id.")

    def wire(self) -> dict[str, Any]:
        """The body as JSON-ready dict with wire names, nothing null."""
        return self.model_dump(mode="json", by_alias=True, exclude_none=True)


class CompletedBody(_Body):
    """Everything that was asked for is published."""

    status: Literal["completed"]
    output: Output


class FailedBody(_Body):
    """The job failed; what was published before stays as it was."""

    status: Literal["failed"]
    output: FailedOutput
    error: Sentence = Field(description="One or two sentences that a person can act on.")
    error_code: str | None = Field(
        default=None, pattern="^[a-z][a-z0-9_]*$", description="Extension: the kind of failure."
    )
    retryable: bool | None = Field(default=None, description="Extension: whether the same job can succeed later.")


WebhookBody = Annotated[CompletedBody | FailedBody, Field(discriminator="status")]
_WEBHOOK_BODY: TypeAdapter[CompletedBody | FailedBody] = TypeAdapter(WebhookBody)


def parse_webhook_body(raw: object) -> CompletedBody | FailedBody:
    """A body as it came over the wire (a dict) as an object. Raises pydantic's ValidationError (a ValueError)."""
    return _WEBHOOK_BODY.validate_python(raw)


# --- JSON Schema ----------------------------------------------------------------------------------------------------

_DIALECT = "https://json-schema.org/draft/2020-12/schema"


def payload_schema() -> dict[str, Any]:
    """JSON Schema of the job payload."""
    schema = _tidy(JobPayload.model_json_schema())
    # The endpoint may hold the secret; an explicit null counts as absent for what may be absent.
    for name in ("webhookSecret", "assets"):
        wanted = schema["properties"][name]
        wanted["type"] = [wanted["type"], "null"]
    schema["allOf"] = [
        *(_when_media_type(kind, {"assets": {"items": {"enum": list(names)}}}) for kind, names in ASSETS.items()),
        {
            "if": {"not": {"required": ["webhookUrl"]}},
            "then": {
                "required": ["assets"],
                "properties": {"assets": {"type": "array"}, "webhookSecret": {"type": "null"}},
            },
        },
    ]
    return {"$schema": _DIALECT, **schema}


def webhook_schema() -> dict[str, Any]:
    """JSON Schema of the webhook body, both statuses."""
    schema = _tidy(_WEBHOOK_BODY.json_schema())
    # An OpenAPI keyword: strict JSON Schema validators warn about it.
    schema.pop("discriminator", None)
    return {"$schema": _DIALECT, "title": "WebhookBody", **schema}


def _tidy(node: Any) -> Any:
    """The schema without what pydantic adds: titles of properties, and null for what is absent here."""
    if isinstance(node, list):
        return [_tidy(item) for item in node]
    if not isinstance(node, dict):
        return node
    plain = {key: _tidy(value) for key, value in node.items() if not (key == "default" and value is None)}
    for wanted in plain.get("properties", {}).values():
        if isinstance(wanted, dict):
            wanted.pop("title", None)
    kept = [option for option in plain.get("anyOf", []) if option != {"type": "null"}]
    if len(kept) == 1:
        del plain["anyOf"]
        plain |= kept[0]
    return plain


def schema_documents() -> dict[str, str]:
    """File name -> text of each written schema."""
    schemas = {"job-payload.schema.json": payload_schema(), "webhook-body.schema.json": webhook_schema()}
    return {name: json.dumps(schema, indent=2, ensure_ascii=False) + "\n" for name, schema in schemas.items()}


def main(arguments: list[str]) -> None:
    """Write the schemas into the given folder, or into this checkout's `docs/contract`."""
    folder = Path(arguments[0]) if arguments else Path(__file__).resolve().parents[1] / "docs" / "contract"
    folder.mkdir(parents=True, exist_ok=True)
    for name, text in schema_documents().items():
        (folder / name).write_text(text, encoding="utf-8")
        print(folder / name)


if __name__ == "__main__":
    main(sys.argv[1:])
