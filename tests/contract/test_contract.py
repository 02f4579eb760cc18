"""The contract: every golden is judged by the code and, for what a schema can say, by the written JSON Schema."""

from __future__ import annotations

import json
import pickle
from pathlib import Path
from typing import Any

import pytest
from payloads import GOLDENS, LOCAL, POLICY, ROOT, payload, written_schema
from pydantic import SecretStr, ValidationError

from codex_assets.contract.addresses import is_public_address, webhook_url_problems
from codex_assets.contract.payload import (
    _EXPECTED,
    JobPayload,
    PayloadPolicy,
    PayloadProblems,
    Subject,
    parse_payload,
    salvage,
    subject,
)
from codex_assets.contract.schema import main, schema_documents, webhook_schema
from codex_assets.contract.secrets import secret_problem
from codex_assets.contract.webhook import CompletedBody, FailedBody, Output, parse_webhook_body
from codex_assets.net.destination import Destination


def goldens(folder: str) -> list[Any]:
    paths = sorted((GOLDENS / folder).glob("*.json"))
    assert paths, folder
    return [pytest.param(json.loads(path.read_text(encoding="utf-8")), id=path.stem) for path in paths]


def problems(raw: object, policy: PayloadPolicy = POLICY) -> tuple[str, ...]:
    with pytest.raises(PayloadProblems) as caught:
        parse_payload(raw, policy)
    return caught.value.problems


def revealed(parsed: JobPayload) -> str | None:
    return parsed.webhook_secret.get_secret_value() if parsed.webhook_secret is not None else None


# --- goldens and schemas ---


def test_written_schemas_are_current() -> None:
    for name, text in schema_documents().items():
        assert (ROOT / "docs" / "contract" / name).read_text(encoding="utf-8") == text, (
            f"{name} is stale: run python -m codex_assets.contract.schema"
        )


def test_schemas_are_written_where_told(tmp_path: Path) -> None:
    main([str(tmp_path / "new")])
    assert {path.name for path in (tmp_path / "new").iterdir()} == set(schema_documents())


@pytest.mark.parametrize("raw", goldens("payloads/valid"))
def test_valid_payload(raw: dict[str, Any]) -> None:
    parsed = parse_payload(raw, POLICY)
    assert parsed.media_id == raw["mediaId"]
    if raw.get("webhookUrl") is None:
        assert parsed.reply_address is None
    else:
        assert revealed(parsed) == raw["webhookSecret"]
    written_schema("job-payload.schema.json").validate(raw)


@pytest.mark.parametrize("golden", goldens("payloads/invalid"))
def test_invalid_payload(golden: dict[str, Any]) -> None:
    sentences = problems(golden["payload"])
    assert list(dict.fromkeys(sentence.split()[0] for sentence in sentences)) == golden["fields"]
    assert written_schema("job-payload.schema.json").is_valid(golden["payload"]) is not golden["schemaRefuses"]
    whole = " ".join(sentences)
    assert "hunter2" not in whole
    if isinstance(secret := golden["payload"].get("webhookSecret"), str) and secret.strip():
        assert secret not in whole


@pytest.mark.parametrize("raw", goldens("bodies/valid"))
def test_valid_body(raw: dict[str, Any]) -> None:
    written_schema("webhook-body.schema.json").validate(raw)
    assert parse_webhook_body(raw).wire() == raw


@pytest.mark.parametrize("golden", goldens("bodies/invalid"))
def test_invalid_body(golden: dict[str, Any]) -> None:
    assert not written_schema("webhook-body.schema.json").is_valid(golden["body"])
    with pytest.raises(ValidationError):
        parse_webhook_body(golden["body"])


def test_schema_lets_no_body_be_null_and_bounds_numbers() -> None:
    text = json.dumps(webhook_schema())
    assert '"null"' not in text
    assert '"maximum": 86400' in text


# --- payload ---


def test_five_faults_in_one_message() -> None:
    raw = json.loads((GOLDENS / "payloads" / "invalid" / "five_faults.json").read_text())["payload"]
    with pytest.raises(PayloadProblems) as caught:
        parse_payload(raw, POLICY)
    message = str(caught.value)
    for field in ("mediaId", "mediaType", "inputBucket", "outputBucket", "webhookUrl"):
        assert field in message
    assert len(caught.value.problems) == 5
    assert pickle.loads(pickle.dumps(caught.value)).problems == caught.value.problems
    assert '"codex-media-staging"' in message  # what was expected
    assert '"codex-media-prod"' in message  # what came


@pytest.mark.parametrize("raw", [None, [], "payload", 7, True, ["mediaId"]])
def test_payload_that_is_no_object_is_one_problem(raw: object) -> None:
    assert len(problems(raw)) == 1
    assert salvage(raw, LOCAL) is None
    assert subject(raw) == Subject(None, None)


def test_input_store_follows_the_bucket() -> None:
    assert parse_payload(payload(), POLICY).input_store == "archive"
    assert parse_payload(payload(inputBucket="codex-media-staging"), POLICY).input_store == "media"


def test_payload_is_frozen_and_crosses_processes() -> None:
    parsed = parse_payload(payload(assets=["thumbnail", "hls_720p"]), POLICY)
    assert parsed.assets == ("thumbnail", "hls_720p")
    assert pickle.loads(pickle.dumps(parsed)) == parsed
    with pytest.raises(ValidationError):
        parsed.media_id = "other"


def test_python_names_are_not_wire_names() -> None:
    raw = payload()
    raw["media_id"] = raw.pop("mediaId")
    assert problems(raw) == ("mediaId is missing",)


def test_prefix_message_holds_what_was_expected() -> None:
    raw = payload(outputPrefix="elsewhere/")
    (sentence,) = problems(raw)
    assert f'"{raw["creatorId"]}/"' in sentence
    assert f'"{raw["creatorId"]}/hls/{raw["mediaId"]}/"' in sentence


def test_rules_between_fields_wait_for_sound_fields() -> None:
    # The prefix and the key cannot be judged without a creator: one typing error is told once.
    assert [sentence.split()[0] for sentence in problems(payload(creatorId=""))] == ["creatorId"]


def test_payload_secret_wins_over_the_default() -> None:
    assert revealed(parse_payload(payload(), LOCAL)) == payload()["webhookSecret"]
    for absent in ({"webhookSecret": None}, {}):
        raw = payload()
        del raw["webhookSecret"]
        parsed = parse_payload({**raw, **absent}, LOCAL)
        assert revealed(parsed) == "endpoint-own-secret"


def test_an_engineers_job_takes_no_secret_from_the_endpoint() -> None:
    raw = payload(assets=["thumbnail"])
    del raw["webhookUrl"], raw["webhookSecret"]
    for policy in (POLICY, LOCAL):
        parsed = parse_payload(raw, policy)
        assert (parsed.webhook_url, parsed.webhook_secret, parsed.reply_address) == (None, None, None)
        assert salvage(raw, policy) is None
    # With a URL the same job is the platform's, which waits for its webhook.
    sentences = problems({**raw, "webhookUrl": "https://example.com/hook"})
    assert [sentence.split()[0] for sentence in sentences] == ["webhookSecret"]
    assert parse_payload({**raw, "webhookUrl": "https://example.com/hook"}, LOCAL).reply_address is not None


def test_unusable_default_secret_is_no_secret() -> None:
    policy = PayloadPolicy("codex-archive", "codex-media-staging", "codex-assets-staging", SecretStr("{{ x }}"))
    raw = payload()
    del raw["webhookSecret"]
    assert problems(raw, policy)[0].startswith("webhookSecret is missing")
    assert salvage(raw, policy) is None


def test_blank_payload_secret_does_not_fall_back_silently() -> None:
    assert problems(payload(webhookSecret=""), LOCAL) == ("webhookSecret must not be blank",)


def test_secret_and_url_are_told_nowhere() -> None:
    secret = "whsec_do_not_repeat"
    raw = payload(
        webhookSecret=secret,
        mediaId=f"{secret}!",
        webhookUrl=f"https://someone:pass-word@127.0.0.1/hook?token={secret}",
        outputPrefix=secret,
    )
    with pytest.raises(PayloadProblems) as caught:
        parse_payload(raw, POLICY)
    assert caught.value.__cause__ is None
    assert caught.value.__context__ is None
    for text in (str(caught.value), repr(caught.value)):
        assert secret not in text
        assert "pass-word" not in text
        assert "token" not in text
    parsed = parse_payload(payload(webhookSecret=secret, webhookUrl="https://example.com/h?token=t0ken"), POLICY)
    for shown in (repr(parsed), str(parsed), repr(parsed.reply_address), parsed.model_dump_json()):
        assert secret not in shown
    assert "t0ken" not in repr(parsed) + repr(parsed.reply_address)


def test_half_surrogates_are_refused_where_they_would_be_encoded() -> None:
    sentences = problems(payload(webhookSecret="abc\ud800", webhookUrl="https://example.com/\ud800"))
    assert [sentence.split()[0] for sentence in sentences] == ["webhookUrl", "webhookSecret"]
    "; ".join(sentences).encode()


def test_long_values_are_told_short() -> None:
    (sentence,) = problems(payload(outputBucket="b" * 5000))
    assert len(sentence) < 200


def test_key_of_exactly_the_limit() -> None:
    start = f"originals/{payload()['creatorId']}/"
    assert parse_payload(payload(inputKey=start + "x" * (1024 - len(start))), POLICY)


@pytest.mark.parametrize("secret", ["0123abcd", "a b c d e", "ключ-ключ", " padded  ", "0123abcd" * 128])
def test_odd_but_usable_secrets(secret: str) -> None:
    assert secret_problem(SecretStr(secret)) is None


@pytest.mark.parametrize("secret", ["", " \n", "{{ RUNPOD_SECRET_x }}", "${WEBHOOK_SECRET}", "undefined", "ChangeMe"])
def test_secrets_that_nobody_meant(secret: str) -> None:
    assert secret_problem(SecretStr(secret))


@pytest.mark.parametrize(
    ("secret", "sentence"),
    [
        ("x", "webhookSecret must be at least 8 characters long"),
        ("1234567", "webhookSecret must be at least 8 characters long"),
        ("x" * 1025, "webhookSecret must be at most 1,024 characters long"),
        (" " * 1025, "webhookSecret must be at most 1,024 characters long"),
    ],
)
def test_secrets_that_are_too_short_or_too_long(secret: str, sentence: str) -> None:
    assert problems(payload(webhookSecret=secret), LOCAL) == (sentence,)


def test_no_field_costs_more_than_its_length() -> None:
    """Ten million characters in any field are refused without a search through them."""
    for name in payload():
        for text in ("x" * 10**7, "x{{" * 10**6, "..../" * 10**6, " " * 10**7):
            with pytest.raises(PayloadProblems) as caught:
                parse_payload(payload(**{name: text, "mediaType": "neither"}), LOCAL)
            assert len(" ".join(caught.value.problems)) < 2000


# --- webhook URL and addresses ---


@pytest.mark.parametrize(
    "host",
    [
        *("xn--", "a.xn--.com", "xn--a", "xn--zzzzzz-.com", "xn--99999999999.com", "пример..рф", "п" * 60 + ".рф"),
        *("a" * 64 + ".com", ".".join(["a" * 60] * 5), "☃.net", "ex\u00adample.com", "example。com"),
    ],
)
def test_hosts_that_no_request_reaches(host: str) -> None:
    """As the sender of webhooks spells them: `net/destination.py` refuses the same, but after the work."""
    assert webhook_url_problems(f"https://{host}/", allow_private=False) == ["must name a host that can exist"]
    assert webhook_url_problems(f"https://{host}/", allow_private=True) == ["must name a host that can exist"]


@pytest.mark.parametrize(
    "host", ["xn--80ak6aa92e.com", "xn--n3h.net", "straße.de", "Bücher.example", "пример.рф", "xn--BCHER-KVA.example."]
)
def test_hosts_in_any_alphabet(host: str) -> None:
    assert webhook_url_problems(f"https://{host}/", allow_private=False) == []
    assert Destination.of(f"https://{host}/").name.isascii()


@pytest.mark.parametrize(
    "url",
    ["http://127.0.0.1:8080/hook", "http://localhost/hook", "https://[::1]/", "http://media-api:3000/hook"],
)
def test_private_webhooks_only_where_allowed(url: str) -> None:
    assert webhook_url_problems(url, allow_private=False)
    assert webhook_url_problems(url, allow_private=True) == []
    assert parse_payload(payload(webhookUrl=url), LOCAL).webhook_url == url


def test_private_webhooks_still_need_a_sane_url() -> None:
    for url in ("ftp://example.com/", "http://user@localhost/", "http:///hook", "https://1.2.3.4.5/", "hook"):
        assert webhook_url_problems(url, allow_private=True), url


@pytest.mark.parametrize(
    "address",
    [
        "0.0.0.0",
        "10.1.2.3",
        "100.100.100.200",
        "127.0.0.1",
        "168.63.129.16",
        "169.254.169.254",
        "172.31.255.255",
        "192.0.0.192",
        "192.168.1.1",
        "198.19.0.1",
        "203.0.113.9",
        "224.0.0.1",
        "255.255.255.255",
        "::",
        "::1",
        "::7f00:1",
        "::ffff:127.0.0.1",
        "64:ff9b::a9fe:a9fe",
        "64:ff9b:1::808:808",
        "2001:0:7f00:1::1",
        "2001:db8::1",
        "2002:7f00:1::",
        "fc00::1",
        "fe80::1",
        "fe80::1%eth0",
        "fec0::1",
        "ff02::1",
        "not an address",
        "",
    ],
)
def test_addresses_that_are_not_public(address: str) -> None:
    assert not is_public_address(address)


@pytest.mark.parametrize(
    "address",
    ["1.1.1.1", "172.32.0.1", "192.0.3.1", "2606:4700::1111", "::ffff:8.8.8.8", "64:ff9b::808:808"],
)
def test_addresses_that_are_public(address: str) -> None:
    assert is_public_address(address)


# --- what can be salvaged ---


def test_salvage_of_an_invalid_payload() -> None:
    address = salvage(payload(mediaType="image", inputKey="../x"), POLICY)
    assert address is not None
    assert address.url == payload()["webhookUrl"]
    assert address.secret.get_secret_value() == payload()["webhookSecret"]
    assert address.media_id == payload()["mediaId"]
    assert address.media_type is None


def test_salvage_of_a_valid_payload_is_its_reply_address() -> None:
    assert salvage(payload(), POLICY) == parse_payload(payload(), POLICY).reply_address


@pytest.mark.parametrize(
    "changes",
    [
        {"webhookUrl": "http://example.com/"},
        {"webhookUrl": "https://10.0.0.1/"},
        {"webhookUrl": None},
        {"webhookSecret": ""},
        {"webhookSecret": "{{ x }}"},
        {"webhookSecret": ["whsec"]},
    ],
)
def test_nothing_to_salvage(changes: dict[str, Any]) -> None:
    assert salvage(payload(**changes), POLICY) is None


def test_salvage_signs_with_the_endpoints_secret_when_the_payloads_is_unusable() -> None:
    address = salvage(payload(webhookSecret="  "), LOCAL)
    assert address is not None
    assert address.secret.get_secret_value() == "endpoint-own-secret"


@pytest.mark.parametrize(
    ("raw", "expected"),
    [
        ({"mediaId": "m1", "mediaType": "audio"}, ("m1", "audio")),
        ({"mediaId": "../m1", "mediaType": "AUDIO"}, (None, None)),
        ({"mediaId": 7, "mediaType": []}, (None, None)),
        ({"mediaId": "m1\n"}, (None, None)),
    ],
)
def test_subject_is_only_what_is_valid(raw: object, expected: tuple[str | None, str | None]) -> None:
    about = subject(raw)
    assert (about.media_id, about.media_type) == expected


# --- bodies ---


def test_explicit_none_is_refused() -> None:
    with pytest.raises(ValidationError):
        Output(media_id="m", media_type="video", loudness=None)
    assert Output(media_id="m", media_type="video").model_dump(exclude_none=True) == {
        "media_id": "m",
        "media_type": "video",
    }


def test_bodies_are_told_apart_by_status() -> None:
    read = [json.loads((GOLDENS / f"bodies/valid/{name}.json").read_text()) for name in ("video", "failed")]
    assert isinstance(parse_webhook_body(read[0]), CompletedBody)
    assert isinstance(parse_webhook_body(read[1]), FailedBody)


def test_every_wire_name_of_the_payload_has_an_expectation() -> None:
    assert list(_EXPECTED) == [field.alias for field in JobPayload.model_fields.values()]
