"""The announcement, against real local servers: what they received is what is asserted."""

from __future__ import annotations

import gzip
import hashlib
import hmac
import json
import logging
import socket
import ssl
import threading
import time
import zlib
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from email.utils import formatdate
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import certificates
import loopback
import pytest
from certificates import Certificate
from loopback import QuietHandler
from pydantic import SecretStr, ValidationError

from codex_assets.contract.addresses import webhook_url_problems
from codex_assets.errors import InternalError, SourceCode, SourceError, WebhookError, WebhookRefused
from codex_assets.net.destination import Destination, NotPublic, Unreached, checked_addresses, resolve_host
from codex_assets.net.webhook import (
    Delivery,
    DeliveryPolicy,
    completed_body,
    deliver,
    delivery_id,
    failed_body,
    sign,
    to_bytes,
)

GOLDENS = Path(__file__).resolve().parents[2] / "fixtures" / "contract" / "bodies" / "valid"
SECRET = SecretStr("whsec_test_5b0f2c7d")
BODY = '{"id":"job-1","status":"failed","output":{},"error":"Ü 🎬"}'.encode()


# --- domain -> wire ---

MEDIA = "3f1c2a9e-7b54-4d8e-9a61-0c5d2e8b7f10"
CREATOR = "creator_8QmX2"
JOB = "b7c1f0a2-3d54-4e6f-8a91-5c0d7e2b1f34-e1"


def golden(name: str) -> Any:
    return json.loads((GOLDENS / f"{name}.json").read_text(encoding="utf-8"))


def test_video_facts_become_the_golden_body() -> None:
    body = completed_body(
        job_id=JOB,
        media_id=MEDIA,
        media_type="video",
        hls_master_playlist_key=f"{CREATOR}/hls/{MEDIA}/master.m3u8",
        hls_preview_key=f"{CREATOR}/hls/{MEDIA}/preview/preview.m3u8",
        thumbnail_key=f"{CREATOR}/thumbnails/media/{MEDIA}/auto-generated.jpg",
        mezzanine_key=f"mezzanine/{CREATOR}/{MEDIA}/mezzanine.mp4",
        duration_s=60.5,
        width=1920,
        height=1080,
        ready_variants=["preview", "360p", "1080p", "480p", "720p"],
        integrated_lufs=-18.34,
        true_peak_dbtp=-1.5,
        range_lu=7.2,
    )
    assert json.loads(to_bytes(body)) == golden("video")


def test_audio_facts_become_the_golden_body() -> None:
    body = completed_body(
        job_id=JOB,
        media_id=MEDIA,
        media_type="audio",
        hls_master_playlist_key=f"{CREATOR}/hls-audio/{MEDIA}/master.m3u8",
        waveform_key=f"{CREATOR}/waveforms/{MEDIA}/waveform.json",
        waveform_image_key=f"{CREATOR}/thumbnails/media/{MEDIA}/waveform.png",
        mezzanine_key=f"mezzanine/{CREATOR}/{MEDIA}/mezzanine.mp4",
        duration_s=3600.2,
        ready_variants=["128k", "64k"],
        integrated_lufs=-23.1,
        true_peak_dbtp=0.42,
        range_lu=11.5,
    )
    assert json.loads(to_bytes(body)) == golden("audio")


def test_failure_becomes_the_golden_body() -> None:
    error = SourceError("The upload cannot be played: it ends before its video begins.", SourceCode.NOT_MEDIA)
    body = failed_body(job_id=JOB, media_id=MEDIA, media_type="video", error=error)
    assert json.loads(to_bytes(body)) == golden("failed")


def test_failure_without_usable_media_leaves_it_out() -> None:
    body = failed_body(job_id=JOB, media_id=None, media_type=None, error=InternalError.of(KeyError("/tmp/x")))
    sent = json.loads(to_bytes(body))
    assert sent["output"] == {}
    assert sent["retryable"] is True
    assert "/tmp/x" not in sent["error"]


def test_bytes_are_compact_utf8_without_null() -> None:
    error = SourceError("Kein Bild in «Übung 🎬.mov».")
    sent = to_bytes(failed_body(job_id="j", media_id="m", media_type="video", error=error))
    assert sent == (
        b'{"id":"j","status":"failed","output":{"mediaId":"m","mediaType":"video"},'
        b'"error":"' + error.public.encode() + b'","errorCode":"source_damaged","retryable":false}'
    )


def made(**facts: Any) -> dict[str, Any]:
    sent = json.loads(to_bytes(completed_body(job_id="j", media_id="m", media_type="video", **facts)))
    output = sent["output"]
    assert isinstance(output, dict)
    return output


def test_what_is_not_known_is_left_out() -> None:
    assert made() == {"mediaId": "m", "mediaType": "video"}


@pytest.mark.parametrize(
    ("measured", "expected"),
    [
        ((-18.345, -1.504, 7.2), (-1834, -150, 720)),
        ((-100.01, -120.0, 0.0), (-10000, -10000, 0)),
        ((12.0, 25.0, 600.0), (1000, 2000, 50000)),
        ((-23.0, 3.01, -0.1), (-2300, 301, 0)),
    ],
)
def test_loudness_is_whole_hundredths_within_the_receivers_ranges(
    measured: tuple[float, float, float], expected: tuple[int, int, int]
) -> None:
    integrated, peak, spread = measured
    sent = made(integrated_lufs=integrated, true_peak_dbtp=peak, range_lu=spread)["loudness"]
    assert (sent["integrated"], sent["peak"], sent["range"]) == expected


@pytest.mark.parametrize("integrated", [None, float("-inf"), float("nan")])
def test_silence_has_no_loudness(integrated: float | None) -> None:
    assert "loudness" not in made(integrated_lufs=integrated, true_peak_dbtp=-1.0, range_lu=0.0)


@pytest.mark.parametrize(
    ("duration", "expected"), [(0.04, 1), (0.5, 1), (1.49, 1), (1.5, 2), (2.5, 3), (86400.4, 86400)]
)
def test_durations_are_rounded_seconds(duration: float, expected: int) -> None:
    assert made(duration_s=duration) == {"mediaId": "m", "mediaType": "video", "durationSeconds": expected}


def test_what_the_receiver_cannot_hold_is_told_in_warnings() -> None:
    output = made(duration_s=90_000.0, width=8192, height=4320, warnings=["First."])
    assert output["durationSeconds"] == 86400
    assert "width" not in output
    assert "height" not in output
    assert output["warnings"][0] == "First."
    assert "86,400" in output["warnings"][1]
    assert "8192x4320" in output["warnings"][2]


def test_a_tall_8k_video_keeps_the_rest_of_its_body() -> None:
    assert "height" not in made(width=4320, height=7680)


def test_facts_of_the_wrong_kind_are_refused() -> None:
    for facts in ({"waveform_key": "k"}, {"ready_variants": ["128k"]}, {"width": 10}):
        with pytest.raises(ValidationError):
            made(**facts)


def test_errors_fit_the_receivers_count_of_characters() -> None:
    # 1,500 emoji are 3,000 characters to a JavaScript receiver.
    body = failed_body(job_id="j", media_id="m", media_type="video", error=SourceError("🎬" * 1500))
    assert len(body.error.encode("utf-16-le")) // 2 <= 2000
    assert body.error.endswith("🎬…")


def test_half_surrogates_of_file_names_can_be_sent() -> None:
    body = failed_body(job_id="j", media_id="m", media_type="video", error=SourceError("No picture in \udcff.mov."))
    assert json.loads(to_bytes(body))["error"] == "No picture in ?.mov."


# --- signature ---


def test_signature_is_hmac_sha256_of_the_bytes() -> None:
    # RFC 4231, test case 2.
    assert (
        sign(b"what do ya want for nothing?", SecretStr("Jefe"))
        == "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843"
    )


def test_timestamped_signature_covers_the_time() -> None:
    expected = hmac.new(SECRET.get_secret_value().encode(), b"1700000000." + BODY, hashlib.sha256).hexdigest()
    assert sign(BODY, SECRET, 1_700_000_000) == expected


# --- servers ---


@dataclass
class Received:
    path: str
    headers: dict[str, str]
    body: bytes


@dataclass
class Receiver:
    """A server that answers from a script, one entry per request, the last one for ever."""

    script: list[Callable[[BaseHTTPRequestHandler], None]]
    seen: list[Received] = field(default_factory=list)
    port: int = 0
    server_names: list[str | None] = field(default_factory=list)

    def url(self, path: str = "/hook", host: str = "127.0.0.1", scheme: str = "http") -> str:
        return f"{scheme}://{host}:{self.port}{path}"


def answer(
    status: int, body: bytes = b"", headers: dict[str, str] | None = None
) -> Callable[[BaseHTTPRequestHandler], None]:
    def reply(request: BaseHTTPRequestHandler) -> None:
        request.send_response(status)
        for name, value in (headers or {}).items():
            request.send_header(name, value)
        request.send_header("Content-Length", str(len(body)))
        request.end_headers()
        request.wfile.write(body)

    return reply


def hang_up(request: BaseHTTPRequestHandler) -> None:
    request.connection.shutdown(socket.SHUT_RDWR)


LONGEST_SECONDS = 120.0
"""That a receiver goes on, which no sender may wait for."""


def stall(request: BaseHTTPRequestHandler) -> None:
    """Says nothing until the sender gives up."""
    request.connection.settimeout(LONGEST_SECONDS)
    request.connection.recv(1)


def drip(request: BaseHTTPRequestHandler) -> None:
    """Never comes to the end of its headers, until the sender gives up."""
    request.wfile.write(b"HTTP/1.1 200 OK\r\nX-Slow: ")
    until = time.monotonic() + LONGEST_SECONDS
    while time.monotonic() < until:
        try:
            request.wfile.write(b"x")
        except OSError:
            return
        time.sleep(0.05)


OK = answer(200, b'{"received":true}')


@contextmanager
def serving(*script: Callable[[BaseHTTPRequestHandler], None], tls: ssl.SSLContext | None = None) -> Iterator[Receiver]:
    receiver = Receiver(list(script))
    lock = threading.Lock()

    class Handler(QuietHandler):
        def do_POST(self) -> None:
            body = self.read_body()
            with lock:
                turn = min(len(receiver.seen), len(receiver.script) - 1)
                receiver.seen.append(Received(self.path, dict(self.headers.items()), body))
            receiver.script[turn](self)

    if tls is not None:
        tls.sni_callback = lambda sock, name, context: receiver.server_names.append(name)
    with loopback.serving(Handler, tls) as receiver.port:
        yield receiver


LOCAL = DeliveryPolicy(allow_private=True, timeout_s=5.0)


@dataclass
class Waits:
    """Takes the place of waiting, and remembers how long."""

    seconds: list[float] = field(default_factory=list)

    def __call__(self, seconds: float) -> None:
        self.seconds.append(seconds)


def send(url: str, policy: DeliveryPolicy = LOCAL, waits: Waits | None = None, **more: Any) -> Delivery:
    return deliver(url, SECRET, BODY, policy=policy, sleep=waits or Waits(), chance=lambda: 0.5, **more)


def refusal(url: str, policy: DeliveryPolicy = LOCAL, waits: Waits | None = None, **more: Any) -> WebhookError:
    with pytest.raises(WebhookError) as caught:
        send(url, policy, waits, **more)
    return caught.value


# --- delivery ---


def test_delivery_sends_exactly_the_signed_bytes() -> None:
    with serving(OK) as receiver:
        delivery = send(receiver.url("/hook?token=t0ken"))
        (seen,) = receiver.seen
    assert seen.body == BODY
    assert seen.path == "/hook?token=t0ken"
    assert seen.headers["Content-Type"] == "application/json"
    assert seen.headers["Host"] == f"127.0.0.1:{receiver.port}"
    expected = hmac.new(SECRET.get_secret_value().encode(), seen.body, hashlib.sha256).hexdigest()
    assert seen.headers["X-RunPod-Signature"] == expected
    assert "X-RunPod-Timestamp" not in seen.headers
    assert seen.headers["X-Codex-Delivery"] == delivery.delivery_id == delivery_id(BODY)
    assert delivery == Delivery(200, 1, delivery_id(BODY), '{"received":true}', None)


def test_timestamped_mode_signs_each_attempt_anew() -> None:
    times = iter([1_700_000_000.9, 1_700_000_000.9, 1_700_000_044.2])
    with serving(answer(503), OK) as receiver:
        delivery = send(receiver.url(), replace(LOCAL, signature="timestamped"), clock=lambda: next(times))
        first, second = receiver.seen
    assert delivery.attempts == 2
    assert [seen.headers["X-RunPod-Timestamp"] for seen in (first, second)] == ["1700000000", "1700000044"]
    for seen in (first, second):
        signed = seen.headers["X-RunPod-Timestamp"].encode() + b"." + seen.body
        expected = hmac.new(SECRET.get_secret_value().encode(), signed, hashlib.sha256).hexdigest()
        assert seen.headers["X-RunPod-Signature"] == expected
    assert first.headers["X-RunPod-Signature"] != second.headers["X-RunPod-Signature"]


@pytest.mark.parametrize("status", [200, 201, 202, 204])
def test_2xx_is_success(status: int) -> None:
    with serving(answer(status)) as receiver:
        assert send(receiver.url()).status == status


def test_a_body_refused_for_good_behind_200_is_told(caplog: pytest.LogCaptureFixture) -> None:
    with serving(answer(200, b'{"received":true,"error":"Invalid payload: width"}')) as receiver:
        error = refusal(receiver.url())
        assert len(receiver.seen) == 1, "it is not tried again"
    assert isinstance(error, WebhookRefused)
    assert (error.code, error.retryable) == ("webhook_refused", False)
    assert error.public == "The webhook receiver at 127.0.0.1 refused the result: Invalid payload: width."
    assert error.answer == '{"received":true,"error":"Invalid payload: width"}'
    assert "Invalid payload: width" in caplog.text


JSON = {"Content-Type": "application/json"}
REFUSED = b'{"received": true, "error": "no job of that id"}'
PAGE = b"<!DOCTYPE html><html><head><title>Just a moment...</title></head><body>Checking your browser</body></html>"


@pytest.mark.parametrize(
    ("said", "headers", "sentence"),
    [
        (REFUSED, {}, "no job of that id."),
        (REFUSED, {"Content-Type": "text/html; charset=utf-8"}, "no job of that id."),
        (REFUSED, {"Content-Type": 'application/problem+json;charset="odd'}, "no job of that id."),
        (b"\xef\xbb\xbf \r\n" + REFUSED + b"\r\n\0", JSON, "no job of that id."),
        (REFUSED.decode().encode("utf-16"), JSON, "no job of that id."),
        (REFUSED.decode().encode("utf-16-le"), {}, "no job of that id."),
        (REFUSED.decode().encode("utf-32"), JSON, "no job of that id."),
        (b'{"error": "M\xfcll"}', {"Content-Type": "application/json; charset=iso-8859-1"}, "Müll."),
        (b'{"error": "M\xfcll"}', JSON, "Müll."),
        (b'{"error": "\x83\x65"}', {"Content-Type": "application/json; charset=Shift_JIS"}, "テ."),
        (b'{"error": "x"}', {"Content-Type": "application/json; charset=hex"}, "x."),
        (gzip.compress(REFUSED, mtime=0), {**JSON, "Content-Encoding": "gzip"}, "no job of that id."),
        (
            gzip.compress(gzip.compress(REFUSED, mtime=0), mtime=0),
            {"Content-Encoding": "gzip, gzip"},
            "no job of that id.",
        ),
        (gzip.compress(b"\xef\xbb\xbf" + REFUSED, mtime=0), JSON, "no job of that id."),
        (zlib.compress(REFUSED), {"Content-Encoding": "deflate"}, "no job of that id."),
        (zlib.compress(REFUSED, wbits=-15), {"Content-Encoding": "Deflate"}, "no job of that id."),
        (b'{"received": false}', {}, "it answered `received: false`."),
        (b'{"success": false, "message": "Not today!"}', {}, "Not today!"),
        (b'{"Success": "False", "Message": "Nicht heute"}', {}, "Nicht heute."),
        (b'{"received": false, "error": null, "reason": "unknown media"}', {}, "unknown media."),
        (b'{"error": true, "message": "bad signature"}', {}, "bad signature."),
        (b'{"error": {"code": 4, "message": "bad\\n\\u202esignature"}}', {}, "bad signature."),
        (b'{"error": {"errors": ["a", {"detail": "b"}]}}', {}, '{"errors": ["a", {"detail": "b"}]}.'),
        (b'{"error": ["first", "second"]}', {}, "first; second."),
        (b'{"error": 17}', {}, "error 17."),
        (b'{"error": {}, "success": false}', {}, "it answered `success: false`."),
        (b'[{"error": "of the first"}]', {}, "of the first."),
        (b'"{\\"error\\": \\"twice serialised\\"}"', {}, "twice serialised."),
        (b'{"error": "x", "n": ' + b"9" * 5000 + b"}", {}, "x."),
        (b'{"error": "' + b"long " * 500 + b'"}', {}, "long long"),
        (b'{"error": "early", "padding": "' + b"x" * (2 << 20) + b'"}', {}, "early."),
        (gzip.compress(b'{"error": "early", "padding": "' + b"x" * (8 << 20) + b'"}', mtime=0), {}, "early."),
    ],
)
def test_a_2xx_that_says_that_it_was_not_accepted_is_a_refusal(
    said: bytes, headers: dict[str, str], sentence: str
) -> None:
    with serving(answer(200, said, headers)) as receiver:
        error = refusal(receiver.url())
        assert len(receiver.seen) == 1
    assert isinstance(error, WebhookRefused)
    reason = error.public.removeprefix("The webhook receiver at 127.0.0.1 refused the result: ")
    assert reason.startswith(sentence)
    assert len(reason) <= 502


@pytest.mark.parametrize(
    "said",
    [
        b"",
        b" \r\n",
        b"\xef\xbb\xbf",
        b"[]",
        b"{}",
        b"null",
        b"true",
        b'"ok"',
        b'{"received": true}',
        b'{"error":null}',
        b'{"error":""}',
        b'{"error":false}',
        b'{"error":0}',
        b'{"error":{}}',
        b'{"error":[]}',
        b'{"error":"false"}',
        b'{"success":true,"errors":[]}',
        b'{"success":null,"received":null}',
        b'{"data":{"error":"of something else"}}',
        gzip.compress(b'{"received": true}', mtime=0),
        b'{"received": true, "padding": "' + b"x" * (2 << 20) + b'"}',
    ],
)
def test_other_json_and_nothing_are_taken(said: bytes) -> None:
    with serving(answer(200, said)) as receiver:
        assert send(receiver.url()).warning is None


@pytest.mark.parametrize(
    ("said", "kind"),
    [
        (b"ok", "text"),
        (b"[" * 2000, "text"),
        (b"\xff", "text"),
        (b"error=no&received=false", "text"),
        (PAGE, "a web page"),
        (b"\n<html><body>Log in</body></html>", "a web page"),
        (gzip.compress(PAGE, mtime=0), "a web page"),
        (gzip.compress(PAGE, mtime=0)[:-20], "a web page"),
        (PAGE + b" " * (2 << 20), "a web page"),
        (b"x" * (3 << 20), "text"),
        (gzip.compress(b"\0" * (32 << 20), mtime=0)[:200_000], "text"),
        (b'{"cut off', "text"),
    ],
)
def test_an_answer_that_is_no_json_is_taken_with_a_warning(said: bytes, kind: str) -> None:
    with serving(answer(200, said, {"Content-Type": "application/json"})) as receiver:
        delivery = send(receiver.url())
    if said.startswith(gzip.compress(b"\0" * 10, mtime=0)[:4]) and not delivery.answer:
        return  # nothing but zero bytes: an empty answer
    assert delivery.warning == f"it was answered with {kind} instead of JSON: it may not have been taken"
    assert delivery.answer[:20] == delivery.answer[:20].strip()


def test_at_most_2_kb_of_the_answer_are_kept() -> None:
    with serving(answer(200, b"y" * 300_000)) as receiver:
        assert send(receiver.url()).answer == "y" * 2048


@pytest.mark.parametrize(
    ("status", "said", "part"),
    [
        (400, b'{"error": "no such media"}', "it answered 400 Bad Request (no such media)."),
        (401, b"bad signature", "it answered 401 Unauthorized (bad signature)."),
        (403, PAGE, "it answered 403 Forbidden."),
        (422, b'{"received": false}', "it answered 422 Unprocessable"),
        (
            500,
            gzip.compress(b'{"message": "out of order"}', mtime=0),
            "it answered 500 Internal Server Error (out of order).",
        ),
    ],
)
def test_what_a_receiver_says_of_its_status_is_told(status: int, said: bytes, part: str) -> None:
    with serving(answer(status, said)) as receiver:
        error = refusal(receiver.url())
    assert part in error.public
    assert error.code == "webhook_undelivered"


def test_what_was_told_in_confidence_is_not_repeated(caplog: pytest.LogCaptureFixture) -> None:
    secret = SECRET.get_secret_value()
    for filling in ("", "long " * 98):
        said = json.dumps({"error": f"{filling}{secret} is no key, and t0ken-of-the-url no token"}).encode()
        for status in (200, 400):
            with serving(answer(status, said)) as receiver:
                error = refusal(receiver.url("/hook?token=t0ken-of-the-url&x=1"))
            everything = error.public + (error.detail or "") + error.answer + caplog.text
            assert secret[:8] not in everything
            assert "t0ken-of" not in everything


def test_five_attempts_bridge_about_a_minute() -> None:
    waits = Waits()
    with serving(answer(500, b"boom")) as receiver:
        error = refusal(receiver.url(), waits=waits)
        numbers = {seen.headers["X-Codex-Delivery"] for seen in receiver.seen}
        assert len(receiver.seen) == 5
    assert waits.seconds == [4, 8, 16, 32]
    assert len(numbers) == 1
    assert error.retryable
    assert "127.0.0.1" in error.public
    assert "500 Internal Server Error" in error.public
    assert "boom" in (error.detail or "")


def test_jitter_moves_waits_by_a_quarter() -> None:
    waits = Waits()
    extremes = iter([0.0, 1.0])
    with serving(answer(500), answer(500), OK) as receiver:
        deliver(receiver.url(), SECRET, BODY, policy=LOCAL, sleep=waits, chance=lambda: next(extremes))
    assert waits.seconds == [3.0, 10.0]


@pytest.mark.parametrize("first", [answer(429), answer(500), answer(502), answer(599), hang_up])
def test_what_may_pass_is_tried_again(first: Callable[[BaseHTTPRequestHandler], None]) -> None:
    with serving(first, OK) as receiver:
        assert send(receiver.url()).attempts == 2


@pytest.mark.parametrize("status", [400, 401, 404, 408, 410, 422])
def test_other_4xx_are_final(status: int) -> None:
    with serving(answer(status, b"no")) as receiver:
        error = refusal(receiver.url())
        assert len(receiver.seen) == 1
    assert not error.retryable
    assert str(status) in error.public


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_redirects_are_not_followed(status: int) -> None:
    with serving(OK) as elsewhere, serving(answer(status, headers={"Location": elsewhere.url()})) as receiver:
        error = refusal(receiver.url())
        assert len(receiver.seen) == 1
        assert elsewhere.seen == []
    assert not error.retryable
    assert "redirect" in error.public


@pytest.mark.parametrize(
    ("asked", "waited"),
    [
        ("12", 12.0),
        ("1", 4.0),  # never sooner than the back-off
        ("3600", 30.0),  # bounded
        ("9" * 5000, 30.0),
        (formatdate(1_700_000_020, usegmt=True), 20.0),
        (formatdate(1_600_000_000, usegmt=True), 4.0),
        ("soon", 4.0),
        ("-5", 4.0),
        ("", 4.0),
    ],
)
def test_retry_after_is_honoured_within_its_limit(asked: str, waited: float) -> None:
    waits = Waits()
    with serving(answer(503, headers={"Retry-After": asked}), OK) as receiver:
        send(receiver.url(), waits=waits, clock=lambda: 1_700_000_000.0)
    assert waits.seconds == [waited]


def test_a_stalling_receiver_is_a_timeout() -> None:
    with serving(stall, OK) as receiver:
        assert send(receiver.url(), replace(LOCAL, timeout_s=2.0)).attempts == 2


def test_a_dripping_receiver_cannot_hold_the_worker() -> None:
    with serving(drip) as receiver:
        error = refusal(receiver.url(), replace(LOCAL, timeout_s=0.3, attempts=1))
    assert "within 0.3 seconds" in error.public


def test_an_answer_that_breaks_off_after_2xx_is_still_taken() -> None:
    def cut(request: BaseHTTPRequestHandler) -> None:
        request.wfile.write(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\npart")
        hang_up(request)

    with serving(cut) as receiver:
        delivery = send(receiver.url())
    assert (delivery.status, delivery.attempts, delivery.answer) == (200, 1, "part")


def test_an_answer_that_ends_within_its_headers_is_none() -> None:
    def cut(request: BaseHTTPRequestHandler) -> None:
        request.wfile.write(b"HTTP/1.1 200 OK\r\nContent-Type: appl")
        hang_up(request)

    with serving(cut, OK) as receiver:
        assert send(receiver.url()).attempts == 2
    with serving(cut) as receiver:
        assert "the connection broke off" in refusal(receiver.url(), replace(LOCAL, attempts=1)).public


def test_a_closed_port_is_tried_again_and_then_told() -> None:
    with socket.socket() as reserved:
        reserved.bind(("127.0.0.1", 0))
        error = refusal(f"http://127.0.0.1:{reserved.getsockname()[1]}/hook?token=t0ken")
    assert error.retryable
    assert "5 attempts" in error.public
    assert "no connection" in error.public
    assert "t0ken" not in error.public + (error.detail or "")


def test_sleep_that_raises_cancels() -> None:
    def cancelled(seconds: float) -> None:
        raise KeyboardInterrupt

    with serving(answer(500)) as receiver:
        with pytest.raises(KeyboardInterrupt):
            deliver(receiver.url(), SECRET, BODY, policy=LOCAL, sleep=cancelled)
        assert len(receiver.seen) == 1


def test_proxies_of_the_environment_are_not_used(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "http_proxy", "https_proxy", "all_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:1")
    monkeypatch.delenv("NO_PROXY", raising=False)
    with serving(OK) as receiver:
        assert send(receiver.url()).attempts == 1


def test_secret_and_query_are_in_no_log_and_no_error(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    echo = answer(500, b"key was " + SECRET.get_secret_value().encode())
    with serving(echo, echo, OK) as receiver:
        send(receiver.url("/hook?token=t0ken"))
    with serving(answer(403, b"key was " + SECRET.get_secret_value().encode())) as receiver:
        error = refusal(receiver.url("/hook?token=t0ken"))
    everything = caplog.text + str(error) + repr(error) + (error.detail or "")
    assert "/hook" in everything
    assert SECRET.get_secret_value() not in everything
    assert "t0ken" not in everything


# --- the guard ---


def names(table: dict[str, Sequence[str]]) -> Callable[[str, int], Sequence[str]]:
    """A name server of our own."""

    def resolve(host: str, port: int) -> Sequence[str]:
        if host not in table:
            raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")
        return table[host]

    return resolve


@pytest.mark.parametrize(
    "addresses",
    [
        ["127.0.0.1"],
        ["8.8.8.8", "10.0.0.1"],  # one of several is enough
        ["169.254.169.254"],
        ["::ffff:127.0.0.1"],
        ["64:ff9b::7f00:1"],
        ["2002:7f00:1::"],
        ["fe80::1%eth0"],
        ["224.0.0.1"],
        ["0.0.0.0"],
    ],
)
def test_a_name_that_leads_inside_is_refused_before_any_connection(addresses: list[str]) -> None:
    with serving(OK) as receiver:
        policy = DeliveryPolicy(resolve=names({"hooks.example": addresses}), timeout_s=2)
        error = refusal(f"https://hooks.example:{receiver.port}/hook", policy)
        assert receiver.seen == []
    assert not error.retryable
    assert "hooks.example" in error.public
    assert addresses[-1] not in error.public


def test_the_guard_uses_the_systems_resolver_by_default() -> None:
    assert "127.0.0.1" in resolve_host("127.0.0.1", 80)
    for url in ("https://localhost/", "https://2130706433/", "https://[::1]/", "http://example.com/"):
        assert not refusal(url, DeliveryPolicy(timeout_s=1)).retryable


def test_every_attempt_resolves_and_checks_again() -> None:
    answers: Iterator[Sequence[str] | OSError] = iter([socket.gaierror(-3, "try again"), [], ["10.0.0.7"]])

    def rebinding(host: str, port: int) -> Sequence[str]:
        resolved = next(answers)
        if isinstance(resolved, OSError):
            raise resolved
        return resolved

    waits = Waits()
    error = refusal("https://hooks.example/hook", DeliveryPolicy(resolve=rebinding), waits)
    assert len(waits.seconds) == 2
    assert not error.retryable


def test_an_unknown_name_is_tried_again() -> None:
    waits = Waits()
    error = refusal("https://nowhere.example/hook", DeliveryPolicy(resolve=names({})), waits)
    assert error.retryable
    assert len(waits.seconds) == 4
    assert "not resolved" in error.public


def test_a_dead_first_address_is_passed_over_within_one_attempt() -> None:
    with serving(OK) as receiver:
        policy = replace(LOCAL, resolve=names({"hooks.example": ["127.0.0.77", "127.0.0.1"]}))
        delivery = send(receiver.url(host="hooks.example"), policy)
        assert receiver.seen[0].headers["Host"] == f"hooks.example:{receiver.port}"
    assert delivery.attempts == 1


@pytest.mark.parametrize("url", ["ftp://hooks.example/", "http://user:pw@hooks.example/", "https://", "https://a..b/"])
def test_unusable_urls_are_final(url: str) -> None:
    error = refusal(url)
    assert not error.retryable
    assert "pw" not in error.public


def test_nothing_is_signed_with_a_blank_secret() -> None:
    with serving(OK) as receiver:
        with pytest.raises(WebhookError):
            deliver(receiver.url(), SecretStr(" "), BODY, policy=LOCAL)
        assert receiver.seen == []


# --- TLS ---


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Certificate:
    return certificates.made(tmp_path_factory.mktemp("tls"), "hooks.example", "127.0.0.99")


def server_side(certificate: Certificate) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate.server)
    return context


def trusting(certificate: Certificate) -> DeliveryPolicy:
    return replace(
        LOCAL,
        resolve=names({"hooks.example": ["127.0.0.1"], "other.example": ["127.0.0.1"]}),
        tls=ssl.create_default_context(cafile=str(certificate.authority)),
    )


def test_the_pinned_address_is_asked_for_the_name(certificate: Certificate) -> None:
    with serving(OK, tls=server_side(certificate)) as receiver:
        delivery = send(receiver.url(host="hooks.example", scheme="https"), trusting(certificate))
        assert receiver.server_names == ["hooks.example"]
        assert receiver.seen[0].headers["Host"] == f"hooks.example:{receiver.port}"
    assert delivery.status == 200


def test_a_certificate_for_another_name_is_not_accepted(certificate: Certificate) -> None:
    with serving(OK, tls=server_side(certificate)) as receiver:
        error = refusal(receiver.url(host="other.example", scheme="https"), trusting(certificate))
        assert receiver.seen == []
        assert set(receiver.server_names) == {"other.example"}
    assert "certificate" in error.public


def test_an_unknown_authority_is_not_accepted(certificate: Certificate) -> None:
    with serving(OK, tls=server_side(certificate)) as receiver:
        policy = replace(trusting(certificate), tls=None, attempts=2)
        error = refusal(receiver.url(host="hooks.example", scheme="https"), policy)
        assert receiver.seen == []
    assert "certificate" in error.public


def test_a_dripping_tls_receiver_cannot_hold_the_worker(certificate: Certificate) -> None:
    with serving(drip, tls=server_side(certificate)) as receiver:
        policy = replace(trusting(certificate), timeout_s=0.4, attempts=1)
        error = refusal(receiver.url(host="hooks.example", scheme="https"), policy)
    assert "within 0.4 seconds" in error.public


# --- One URL, two readers ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "url",
    [
        "https://example.com#@127.0.0.1/",
        "https://example.com?@127.0.0.1/",
        "https://example.com/@127.0.0.1",
        "https://example.com:443#:80@localhost/",
        "https://example.com./hook",
        "https://EXAMPLE.com/hook",
        "https://bücher.example/hook",
        "https://example.com//127.0.0.1/",
    ],
)
def test_the_host_that_is_judged_is_the_host_that_is_asked(url: str) -> None:
    """The contract and the client read URLs with different code: neither may be led elsewhere than the other."""
    assert webhook_url_problems(url, allow_private=False) == []
    judged = urlsplit(url).hostname
    assert judged is not None
    assert Destination.of(url).name.removesuffix(".") == judged.encode("idna").decode("ascii").removesuffix(".")


@pytest.mark.parametrize(
    "host",
    ["127.0.0.1.", "localhost.", "ⓛocalhost", "①②⑦.0.0.1", "0x7f.1", "017700000001", "2130706433", "[::ffff:7f00:1]"],
)
def test_spellings_of_loopback_are_refused_by_both_readers(host: str) -> None:
    url = f"https://{host}/hook"
    assert webhook_url_problems(url, allow_private=False)
    with suppress(ValueError):
        destination = Destination.of(url)
        with pytest.raises((NotPublic, Unreached)):
            checked_addresses(destination, resolve_host, allow_private=False)
