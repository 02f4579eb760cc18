"""The job payload: its fields, its rules, and what may be salvaged of one that breaks them.

Every problem of a payload is listed in one pass and described by its wire name, never by its value. Out: the names and
limits themselves (`names.py`), addresses (`addresses.py`), secrets (`secrets.py`), and which buckets are ours
(`config/settings.py`).
"""

from __future__ import annotations

import unicodedata
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Annotated, Any, cast
from urllib.parse import unquote

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, SecretStr, ValidationError, WithJsonSchema
from pydantic.alias_generators import to_camel
from pydantic_core import PydanticCustomError

from codex_assets.contract.addresses import webhook_url_problems
from codex_assets.contract.names import (
    ASSETS,
    HLS_FOLDER,
    ID,
    KEY_BYTES,
    KEY_SCHEMA_PATTERN,
    AssetName,
    InputStore,
    MediaType,
    PathSegment,
)
from codex_assets.contract.quoted_values import is_text, json_kind, quoted
from codex_assets.contract.secrets import SECRET_LEAST, SECRET_MOST, secret_problem, without_secrets


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
    """The key. Raises PydanticCustomError for an unfit one."""
    if faults := _key_faults(key):
        raise PydanticCustomError("contract", "must be a plain object key: {faults}", {"faults": ", ".join(faults)})
    return key


def _secret_rules(secret: SecretStr) -> SecretStr:
    """The secret. Raises PydanticCustomError for an unfit one."""
    if problem := secret_problem(secret):
        raise PydanticCustomError("contract", "{problem}", {"problem": problem})
    return secret


ObjectKey = Annotated[
    str,
    AfterValidator(_key_rules),
    WithJsonSchema({"type": "string", "maxLength": KEY_BYTES, "pattern": KEY_SCHEMA_PATTERN}),
]
WebhookUrl = Annotated[
    str,
    WithJsonSchema({"type": "string", "pattern": r"^[Hh][Tt][Tt][Pp][Ss]?://[^@/?#\s\\]+([/?#][^\s\\]*)?$"}),
]
WebhookSecret = Annotated[
    SecretStr,
    AfterValidator(_secret_rules),
    WithJsonSchema(
        {
            "type": "string",
            "minLength": SECRET_LEAST,
            "maxLength": SECRET_MOST,
            "pattern": "\\S",
            "writeOnly": True,
        }
    ),
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


class JobPayload(BaseModel):
    """media-api's request to the worker: RunPod's `job["input"]`.

    A job with `assets` and neither webhook field is an engineer's: it sends no webhook, and RunPod's result says how it
    ended. Fields that are not listed are ignored. A JSON Schema cannot compare fields with each other or with the
    worker's environment: the worker itself checks the buckets, the output prefix, the creator's segment in the input
    key, percent-encoded keys and private webhook hosts.
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
    media_type: MediaType = Field(description="Decides which outputs are built.")
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
            "https, without user info, on a public host. Workers for local runs also accept http. May be left out,"
            " together with webhookSecret, if there are assets: then no webhook is sent."
        ),
    )
    webhook_secret: WebhookSecret | None = Field(
        default=None,
        description=(
            "Key of the webhook's HMAC. May be left out if the endpoint has WEBHOOK_SECRET; takes precedence over it."
        ),
    )
    assets: RequestedAssets | None = Field(
        default=None,
        description="Single outputs to rebuild from the mezzanine. If absent, everything is built.",
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
"""What a field has to be, by its wire name, as a phrase to follow it; problems are listed in this order."""
_CONFIDENTIAL = frozenset({"webhookUrl", "webhookSecret"})


def parse_payload(raw: object, policy: PayloadPolicy) -> JobPayload:
    """The payload as a frozen object, or PayloadProblems with every problem of it.

    Rules that compare fields are applied to the fields that are sound by themselves, so that one typing error does not
    hide the others and is not reported twice. An explicit null counts as absent for the optional fields.
    """
    if not isinstance(raw, dict):
        raise PayloadProblems((f"the payload must be a JSON object, got {json_kind(raw)}",))
    given = dict(raw)
    if given.get("assets") is None:
        given.pop("assets", None)
    if given.get("webhookSecret") is None:
        given.pop("webhookSecret", None)
        own = policy.default_secret if policy.default_secret and not secret_problem(policy.default_secret) else None
        if own is not None and not _asks_for_no_webhook(given):
            given["webhookSecret"] = own

    problems: dict[str, list[str]] = {}
    payload: JobPayload | None = None
    try:
        payload = JobPayload.model_validate(given)
    except ValidationError as error:
        for name, sentence in _own_problems(error, given):
            problems.setdefault(name, []).append(sentence)
    for name, sentence in _policy_problems(given, frozenset(problems), policy):
        problems.setdefault(name, []).append(sentence)

    if payload is None or problems:
        sentences = [sentence for name in _EXPECTED for sentence in problems.get(name, [])]
        secrets = [s for s in (given.get("webhookSecret"), policy.default_secret) if s is not None]
        raise PayloadProblems(tuple(without_secrets(sentence, secrets) for sentence in sentences))
    return payload


def _asks_for_no_webhook(given: Mapping[str, Any]) -> bool:
    """Whether no webhook is wanted: outputs are named, and no field of the webhook is present.

    A field that is null counts as present: the sender meant to fill it in, and waits for an answer.
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
        media_id=media_id if isinstance(media_id, str) and ID.fullmatch(media_id) else None,
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
            yield name, f"{name} must hold names of outputs, got {quoted(item)}"
        elif name in _CONFIDENTIAL:
            yield name, f"{name} {_EXPECTED[name]}"
        else:
            yield name, f"{name} {_EXPECTED[name]}, got {quoted(given[name])}"


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
            f"inputBucket must be the archive bucket {quoted(inputs[0])} or the delivery bucket"
            f" {quoted(inputs[1])}, got {quoted(given['inputBucket'])}",
        )
    for name, wanted in (("outputBucket", policy.media_bucket), ("assetsBucket", policy.assets_bucket)):
        if sound(name) and given[name] != wanted:
            yield name, f"{name} must be {quoted(wanted)}, got {quoted(given[name])}"

    if sound("inputKey", "creatorId") and given["creatorId"] not in given["inputKey"].split("/")[:-1]:
        yield (
            "inputKey",
            f"inputKey must contain {quoted(given['creatorId'] + '/')} as a whole path segment,"
            f" got {quoted(given['inputKey'])}",
        )
    if sound("outputPrefix", "creatorId", "mediaId", "mediaType"):
        whole = f"{given['creatorId']}/"
        own = f"{whole}{HLS_FOLDER[given['mediaType']]}/{given['mediaId']}/"
        if given["outputPrefix"] not in {whole, whole[:-1], own, own[:-1]}:
            yield (
                "outputPrefix",
                f"outputPrefix must be {quoted(whole)} or {quoted(own)}, got {quoted(given['outputPrefix'])}",
            )
    yield from _webhook_problems(given, faulty, policy)
    if "assets" in given and sound("assets"):
        yield from _assets_problems(given["assets"], given["mediaType"] if sound("mediaType") else None)


def _webhook_problems(
    given: Mapping[str, Any], faulty: frozenset[str], policy: PayloadPolicy
) -> Iterator[tuple[str, str]]:
    """(field, sentence) for an answer that cannot be sent where it should go."""
    if not _asks_for_no_webhook(given):
        if "webhookUrl" not in given:
            yield "webhookUrl", "webhookUrl is missing"
        elif given["webhookUrl"] is None:
            yield "webhookUrl", f"webhookUrl {_EXPECTED['webhookUrl']}"
        if "webhookSecret" not in given:
            yield "webhookSecret", "webhookSecret is missing, and this endpoint has no WEBHOOK_SECRET of its own"
    if "webhookUrl" not in faulty and given.get("webhookUrl") is not None:
        for phrase in webhook_url_problems(given["webhookUrl"], allow_private=policy.allow_private_webhook):
            yield "webhookUrl", f"webhookUrl {phrase}"


def _assets_problems(names: Sequence[str], media_type: MediaType | None) -> Iterator[tuple[str, str]]:
    """(field, sentence) for outputs that cannot be asked for. `media_type`: None where it is faulty itself."""
    if not names:
        yield "assets", "assets must name at least one output (leave it out to build everything)"
    if repeated := sorted({name for name in names if names.count(name) > 1}):
        yield "assets", f"assets must name each output once, got {', '.join(repeated)} more than once"
    if media_type is not None:
        known = ASSETS[media_type]
        if strange := [name for name in dict.fromkeys(names) if name not in known]:
            yield (
                "assets",
                f"assets must hold outputs of {media_type} ({', '.join(known)}), got {', '.join(strange)}",
            )


def _key_faults(key: str) -> list[str]:
    """What makes a key unfit, as written or in any percent-decoded form of it."""
    if not key:
        return ["it is empty"]
    if not is_text(key):
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
    """What makes a key unfit as it is written, each a clause."""
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
