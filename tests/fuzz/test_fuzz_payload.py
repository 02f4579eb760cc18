"""Any payload is taken or refused by the contract, restated here from its text; any body keeps to its schema."""

from __future__ import annotations

import ipaddress
import json
import re
import socket
from typing import Any
from urllib.parse import unquote, urlsplit

import hypothesis.strategies as st
import pytest
from hypothesis import example, given, settings
from payloads import LOCAL, POLICY, payload, written_schema
from pydantic import SecretStr, ValidationError

from codex_assets import errors
from codex_assets.contract import webhook
from codex_assets.contract.names import MediaType
from codex_assets.contract.payload import PayloadPolicy, PayloadProblems, Subject, parse_payload, salvage, subject
from codex_assets.contract.secrets import secret_problem
from codex_assets.contract.webhook import CompletedBody, FailedBody
from codex_assets.net import webhook as net_webhook

OUTPUTS = {
    "video": {"mezzanine", "loudness", "hls_1080p", "hls_720p", "hls_480p", "hls_360p", "preview", "hls_master"}
    | {"thumbnail"},
    "audio": {"mezzanine", "loudness", "hls_128k", "hls_64k", "hls_master", "waveform_json", "waveform_png"},
}
FIELDS = (
    *("mediaId", "creatorId", "mediaType", "inputBucket", "inputKey", "outputBucket", "outputPrefix", "assetsBucket"),
    *("webhookUrl", "webhookSecret", "assets"),
)
CREATOR = payload()["creatorId"]
SECRET = payload()["webhookSecret"]

# --- What is tried ----------------------------------------------------------------------------------------------------

ANY_TEXT = st.text(st.characters(codec=None, categories=None), max_size=60)
"""Half surrogates and control characters too."""
NUMBERS = st.one_of(st.integers(), st.integers(-(1 << 200), 1 << 200), st.floats(), st.booleans(), st.none())
ANY_JSON = st.recursive(
    st.one_of(NUMBERS, ANY_TEXT),
    lambda inner: st.one_of(st.lists(inner, max_size=4), st.dictionaries(ANY_TEXT, inner, max_size=4)),
    max_leaves=12,
)
HUGE = st.one_of(
    st.builds(lambda part, times: part * times, ANY_TEXT, st.integers(1, 20_000)),
    st.just(10**4000),
    st.just(["hls_720p"] * 5000),
)


def _encoded(text: str, times: int, every: bool) -> str:
    for _ in range(times):
        text = "".join(f"%{byte:02x}" if every or byte in b"%./\\" else chr(byte) for byte in text.encode())
    return text


ATTACKS = st.one_of(
    st.sampled_from(
        (
            *(
                "..",
                ".",
                "../..",
                "..\\..",
                "/",
                "//",
                "",
                "\x00",
                "\r\n",
                "a/../b",
                "~",
                "c0",
                "\u202e",
                "．．",
                "%c0%ae",
            ),
            *("%", "%%", "%2", "%zz", "%00", "%0d%0aX: 1", "file:///etc/passwd", "..;", "...", ". .", "%2e.", "\x7f"),
        )
    ),
)
ENCODED = st.builds(_encoded, ATTACKS, st.integers(0, 4), st.booleans())
PARTS = st.one_of(st.sampled_from((CREATOR, "other-creator", "originals", "media1", "original.mp4")), ENCODED, ANY_TEXT)
PATHS = st.lists(PARTS, min_size=1, max_size=6).map("/".join)
HOSTS = st.one_of(
    st.sampled_from(
        (
            *("api.example.com", "localhost", "LOCALHOST.", "a.local", "metadata.google.internal", "127.1", "0x7f.1"),
            *(
                "2130706433",
                "0177.0.0.1",
                "169.254.169.254",
                "[::1]",
                "[::ffff:10.0.0.1]",
                "[64:ff9b::7f00:1]",
                "1.1.1.1",
            ),
            *(
                "１２７．０．０．１",
                "127。0。0。1",
                "[fe80::1%25eth0]",
                "[2606:4700::1111]",
                "[2002:7f00:1::]",
                "0",
                "",
                "..",
                "a..b",
            ),
        )
    ),
    st.ip_addresses().map(lambda address: f"[{address}]" if address.version == 6 else str(address)),
    st.integers(0, (1 << 33)).map(str),
    ANY_TEXT,
)
URLS = st.builds(
    lambda scheme, user, host, port, rest: f"{scheme}://{user}{host}{port}{rest}",
    st.sampled_from(("https", "http", "HTTPS", "ftp", "file", "gopher", "")),
    st.sampled_from(("", "", "", "user@", "user:pw@", "@")),
    HOSTS,
    st.sampled_from(("", "", ":443", ":0", ":65536", ":-1", ":x", ":")),
    st.one_of(st.just("/hook"), ANY_TEXT, ENCODED),
)
ASSET_LISTS = st.lists(st.one_of(st.sampled_from(sorted(OUTPUTS["video"] | OUTPUTS["audio"])), ANY_JSON), max_size=4)
VALUES = st.one_of(ANY_JSON, HUGE, PATHS, URLS, ASSET_LISTS, st.just(SECRET), ANY_TEXT.map(lambda text: text + SECRET))
BY_FIELD = {
    "inputKey": st.one_of(PATHS, PATHS.map(lambda rest: f"originals/{CREATOR}/{rest}"), VALUES),
    "webhookUrl": st.one_of(URLS, VALUES),
    "outputPrefix": st.one_of(PATHS, VALUES),
    "assets": st.one_of(ASSET_LISTS, VALUES),
    "mediaType": st.one_of(st.sampled_from(("video", "audio", "image")), VALUES),
    "inputBucket": st.one_of(
        st.sampled_from((POLICY.archive_bucket, POLICY.media_bucket, POLICY.assets_bucket, "evil")), VALUES
    ),
}


@st.composite
def near_valid(draw: st.DrawFn) -> dict[str, Any]:
    """A good payload with some fields replaced, lost or added."""
    raw = payload()
    for name in draw(st.lists(st.sampled_from(FIELDS), max_size=3, unique=True)):
        raw[name] = draw(BY_FIELD.get(name, VALUES))
    for name in draw(st.lists(st.sampled_from(FIELDS), max_size=1)):
        raw.pop(name, None)
    return {**raw, **draw(st.dictionaries(ANY_TEXT, ANY_JSON, max_size=1))}


POLICIES = st.sampled_from((POLICY, LOCAL))

# --- The contract, told again -----------------------------------------------------------------------------------------


def _decodings(text: str) -> list[str]:
    forms = [text]
    while (decoded := unquote(forms[-1])) != forms[-1]:
        forms.append(decoded)
    return forms


def assert_key_is_plain(key: str, creator: str) -> None:
    assert creator in key.split("/")[:-1]
    assert len(key.encode()) <= 1024
    for form in _decodings(key):
        assert not {"", ".", ".."} & set(form.replace("\\", "/").split("/")), form
        assert form.count("/") == key.count("/"), form
        assert "\\" not in form
        assert not re.search(r"[\x00-\x1f\x7f-\x9f]", form)


def assert_host_is_public(url: str) -> None:
    parts = urlsplit(url)
    assert parts.scheme == "https"
    assert parts.username is None
    assert parts.password is None
    host = (parts.hostname or "").rstrip(".")
    assert host
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        assert "." in host or not host.isdigit()
        name = host.encode("idna").decode().lower()
        assert name not in ("localhost", "metadata")
        assert not name.endswith((".localhost", ".local", ".internal"))
        try:
            address = ipaddress.IPv4Address(socket.inet_aton(name))
        except OSError:
            return
    assert not any((address.is_private, address.is_loopback, address.is_link_local, address.is_multicast))


def assert_taken_rightly(raw: dict[str, Any], policy: PayloadPolicy) -> None:
    """What was accepted keeps every rule of the payload table."""
    creator, media, kind = raw["creatorId"], raw["mediaId"], raw["mediaType"]
    for given_id in (creator, media):
        assert re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9_-]{0,127}", given_id)
    assert kind in OUTPUTS
    assert raw["inputBucket"] in (policy.archive_bucket, policy.media_bucket)
    assert raw["outputBucket"] == policy.media_bucket
    assert raw["assetsBucket"] == policy.assets_bucket
    folder = {"video": "hls", "audio": "hls-audio"}[kind]
    assert raw["outputPrefix"].removesuffix("/") in (creator, f"{creator}/{folder}/{media}")
    assert_key_is_plain(raw["inputKey"], creator)
    if policy.allow_private_webhook:
        assert urlsplit(raw["webhookUrl"]).scheme in ("http", "https")
    else:
        assert_host_is_public(raw["webhookUrl"])
    assert "\r" not in raw["webhookUrl"]
    assert "\n" not in raw["webhookUrl"]
    assets = raw.get("assets")
    assert assets is None or (assets and len(set(assets)) == len(assets) and set(assets) <= OUTPUTS[kind])
    secret = raw.get("webhookSecret")
    assert (isinstance(secret, str) and secret.strip()) or (secret is None and policy.default_secret is not None)


def shows(text: str, secret: object) -> bool:
    """Whether `text` holds `secret`, as it is, escaped, or the most of it."""
    if not isinstance(secret, str) or len(set(secret)) < 6:
        return False
    forms = (secret, json.dumps(secret)[1:-1], json.dumps(secret, ensure_ascii=False)[1:-1])
    return any(form[:40].lower() in text.lower() for form in forms)


def judge(raw: object, policy: PayloadPolicy) -> None:
    about, address = subject(raw), salvage(raw, policy)
    if about.media_id is not None:
        assert re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9_-]{0,127}", about.media_id)
    assert about.media_type in (None, "video", "audio")
    if address is not None:
        assert isinstance(raw, dict)
        assert address.url == raw["webhookUrl"]
        assert address.secret.get_secret_value().strip()
        if not policy.allow_private_webhook:
            assert_host_is_public(address.url)
    try:
        taken = parse_payload(raw, policy)
    except PayloadProblems as refused:
        assert_explained(refused, raw, policy, about)
    else:
        assert isinstance(raw, dict)
        assert_taken_rightly(raw, policy)
        assert address is not None
        assert taken.input_key == raw["inputKey"]
        others = json.dumps({name: value for name, value in raw.items() if name != "webhookSecret"})
        assert shows(others, raw.get("webhookSecret")) or not shows(repr(taken), raw.get("webhookSecret"))
        written_schema("job-payload.schema.json").validate(raw)


def assert_explained(refused: PayloadProblems, raw: object, policy: PayloadPolicy, about: Subject) -> None:
    error = errors.PayloadError(refused.problems)
    assert refused.problems
    assert len(error.public) <= 2000
    error.public.encode()
    secrets = [policy.default_secret.get_secret_value() if policy.default_secret else None]
    if isinstance(raw, dict):
        secrets.append(raw.get("webhookSecret"))
    for problem in refused.problems:
        assert len(problem) <= 2000
        assert problem.startswith(("the payload must be", *FIELDS))
        assert not re.search(r"[\x00-\x1f\x7f]", problem)
    for secret in secrets:
        assert not any(shows(sentence, secret) for sentence in (str(refused), repr(refused), error.public))
    body = net_webhook.failed_body(job_id="job-1", media_id=about.media_id, media_type=about.media_type, error=error)
    written_schema("webhook-body.schema.json").validate(json.loads(net_webhook.to_bytes(body)))


@given(raw=ANY_JSON, policy=POLICIES)
def test_any_json_is_taken_or_refused(raw: object, policy: PayloadPolicy) -> None:
    judge(raw, policy)


@given(raw=near_valid(), policy=POLICIES)
@settings(max_examples=300)
@example({**payload(), "mediaId": SECRET * 9}, POLICY)
@example({**payload(webhookSecret='quote"quote"quote'), "mediaId": 'quote"quote"quote'}, POLICY)
@example({**payload(webhookSecret="s3cr3t" * 30), "inputKey": "x" * 40 + "s3cr3t" * 30}, POLICY)
@example({**payload(webhookSecret="ABCDEFGHIJKLMN"), "webhookUrl": "https://ABCDEFGHIJKLMN.local/"}, POLICY)
@example({**payload(), "assets": ["no-such"] * 5000}, POLICY)
def test_a_payload_with_odd_fields_is_taken_or_refused(raw: dict[str, Any], policy: PayloadPolicy) -> None:
    judge(raw, policy)


@given(rest=PATHS)
@settings(max_examples=300)
def test_a_key_leads_nowhere_else_however_it_is_encoded(rest: str) -> None:
    judge(payload(inputKey=f"originals/{CREATOR}/{rest}"), POLICY)


@given(url=URLS, policy=POLICIES)
@settings(max_examples=300)
def test_a_webhook_address_is_public_however_it_is_written(url: str, policy: PayloadPolicy) -> None:
    judge(payload(webhookUrl=url), policy)


@pytest.mark.parametrize("name", [*FIELDS, "more"])
def test_a_field_nested_deeper_than_anyone_reads_is_taken_or_refused(name: str) -> None:
    deep: Any = []
    for _ in range(5000):
        deep = [deep]
    raw = payload(**{name: deep})
    try:
        parse_payload(raw, POLICY)
    except PayloadProblems as refused:
        assert [problem.partition(" ")[0] for problem in refused.problems] == [name]  # noqa: PT017
    else:
        assert name == "more"


@pytest.mark.slow
@given(
    raw=st.one_of(
        ANY_JSON,
        near_valid(),
        PATHS.map(lambda rest: payload(inputKey=f"originals/{CREATOR}/{rest}")),
        URLS.map(lambda url: payload(webhookUrl=url)),
    ),
    policy=POLICIES,
)
@settings(max_examples=10_000)
def test_many_more_payloads_are_taken_or_refused(raw: object, policy: PayloadPolicy) -> None:
    judge(raw, policy)


# --- Webhook bodies ---------------------------------------------------------------------------------------------------

FLOATS = st.one_of(st.none(), st.floats(), st.floats(0, 90_000), st.integers(-(1 << 70), 1 << 70))
KEYS = st.one_of(st.none(), ANY_TEXT, st.just("k" * 1025), st.just("creator1/hls/media1/master.m3u8"))
SIZES = st.one_of(st.none(), st.integers(-2, 9000), st.integers())
SENTENCES = st.one_of(ANY_TEXT, ANY_TEXT.map(lambda text: text * 300))


def _nulls(value: object) -> bool:
    if isinstance(value, dict):
        return any(map(_nulls, value.values()))
    return any(map(_nulls, value)) if isinstance(value, list) else value is None


def assert_sendable(body: CompletedBody | FailedBody) -> None:
    data = net_webhook.to_bytes(body)

    def refuse(text: str) -> None:
        raise AssertionError(f"{text} is no JSON")

    wire = json.loads(data.decode("utf-8"), parse_constant=refuse)
    assert not _nulls(wire)
    written_schema("webhook-body.schema.json").validate(wire)
    assert webhook.parse_webhook_body(wire) == body


FACTS = st.fixed_dictionaries(
    {"job_id": st.one_of(st.just("job-1"), ANY_TEXT), "media_id": st.one_of(st.just("media1"), PARTS)},
    optional={
        "hls_master_playlist_key": KEYS,
        "hls_preview_key": KEYS,
        "thumbnail_key": KEYS,
        "waveform_key": KEYS,
        "waveform_image_key": KEYS,
        "mezzanine_key": KEYS,
        "duration_s": FLOATS,
        "width": SIZES,
        "height": SIZES,
        "ready_variants": st.lists(
            st.one_of(st.sampled_from(("1080p", "360p", "preview", "128k", "64k")), ANY_TEXT), max_size=3
        ),
        "integrated_lufs": FLOATS,
        "true_peak_dbtp": FLOATS,
        "range_lu": FLOATS,
        "warnings": st.lists(SENTENCES, max_size=3),
    },
)
ABOUT = {"job_id": "job-1", "media_id": "media1"}
KINDS = st.sampled_from(("video", "audio"))


def judge_completed(facts: dict[str, Any], kind: MediaType) -> None:
    try:
        body = net_webhook.completed_body(media_type=kind, **facts)
    except ValidationError as refused:
        assert refused.errors()  # noqa: PT017
    else:
        assert_sendable(body)


@given(facts=FACTS, kind=KINDS)
@settings(max_examples=300)
@example({**ABOUT, "duration_s": float("nan")}, "video")
@example({**ABOUT, "duration_s": float("inf")}, "video")
@example(
    {"job_id": "j", "media_id": "m", "integrated_lufs": -1e308, "true_peak_dbtp": 0.0, "range_lu": 0.0},
    "audio",
)
def test_a_completed_body_keeps_to_its_schema_or_is_not_made(facts: dict[str, Any], kind: MediaType) -> None:
    judge_completed(facts, kind)


@pytest.mark.slow
@given(facts=FACTS, kind=KINDS)
@settings(max_examples=10_000)
def test_many_more_bodies_keep_to_the_schema_or_are_not_made(facts: dict[str, Any], kind: MediaType) -> None:
    judge_completed(facts, kind)


@given(
    public=SENTENCES,
    about=st.one_of(st.just(("media1", "video")), st.just((None, None))),
    kind=st.sampled_from((errors.SourceError, errors.StorageError, errors.InternalError)),
)
@example("\ud800", (None, None), errors.SourceError)
@example("😀" * 1999, (None, None), errors.SourceError)
def test_a_failed_body_keeps_to_its_schema(public: str, about: tuple[Any, Any], kind: type[errors.JobError]) -> None:
    media_id, media_type = about
    error = kind(public)
    body = net_webhook.failed_body(job_id="job-1", media_id=media_id, media_type=media_type, error=error)
    assert_sendable(body)
    assert (body.error_code, body.retryable) == (kind.code, kind.retryable)


@given(secret=ANY_TEXT, body=st.binary(max_size=50))
def test_any_secret_that_is_allowed_signs(secret: str, body: bytes) -> None:
    if secret_problem(SecretStr(secret)) is None:
        assert re.fullmatch("[0-9a-f]{64}", net_webhook.sign(body, SecretStr(secret)))
