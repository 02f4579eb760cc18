"""The announcement: facts -> webhook body -> bytes -> signature -> delivery.

In: wire units (the factor 100 occurs here only), the receiver's ranges, signing, attempts, and the sentence for each
failure. Out: the shape of the body and what a URL may look like (`contract/`), which facts are announced and when
(`worker/job.py`), what an answer says (`webhook_answer.py`), one request (`http.py`), and the guard that keeps a URL
from a payload away from private addresses (`destination.py`).

Redirects are not followed. The secret and the URL's query never leave this module, except to their receiver.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import logging
import math
import random
import ssl
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC
from email.utils import parsedate_to_datetime
from http import HTTPStatus
from typing import Any, Literal
from urllib.parse import parse_qsl

from pydantic import SecretStr
from tenacity import (
    RetryCallState,
    Retrying,
    retry_if_exception_type,
    stop_after_attempt,
    stop_any,
    stop_before_delay,
)
from tenacity.stop import stop_base

from codex_assets.contract.addresses import webhook_url_problems
from codex_assets.contract.names import (
    DURATION_SECONDS,
    ERROR_CHARACTERS,
    HEIGHT_LIMIT,
    INTEGRATED_RANGE,
    LOUDNESS_RANGE_RANGE,
    PEAK_RANGE,
    VARIANTS,
    WIDTH_LIMIT,
    MediaType,
)
from codex_assets.contract.secrets import secret_problem
from codex_assets.contract.webhook import CompletedBody, FailedBody, FailedOutput, Loudness, Output, ProgressBody
from codex_assets.errors import JobError, WebhookError, WebhookRefused, clip
from codex_assets.net import http, webhook_answer
from codex_assets.net.destination import Destination, NotPublic, Resolver, Unreached, resolve_host
from codex_assets.net.http import ReplyLimits, Request

_log = logging.getLogger(__name__)

SIGNATURE_HEADER = "X-RunPod-Signature"
TIMESTAMP_HEADER = "X-RunPod-Timestamp"
DELIVERY_HEADER = "X-Codex-Delivery"

ANSWER_CHARACTERS = 2048
"""Most characters of the receiver's answer that are kept."""
SENTENCE_CHARACTERS = 500
"""Most characters of what a receiver says to people that become part of an error."""
CONCEALED_FROM = 6
"""Characters from which a value of the URL's query is taken for a credential, and not repeated."""


# --- domain -> wire -------------------------------------------------------------------------------------------------


def completed_body(  # noqa: PLR0913 - a parameter per field of the wire
    *,
    job_id: str,
    media_id: str,
    media_type: MediaType,
    hls_master_playlist_key: str | None = None,
    hls_preview_key: str | None = None,
    thumbnail_key: str | None = None,
    waveform_key: str | None = None,
    waveform_image_key: str | None = None,
    mezzanine_key: str | None = None,
    duration_s: float | None = None,
    width: int | None = None,
    height: int | None = None,
    ready_variants: Sequence[str] = (),
    integrated_lufs: float | None = None,
    true_peak_dbtp: float | None = None,
    range_lu: float | None = None,
    warnings: Sequence[str] = (),
) -> CompletedBody:
    """The body that announces published outputs. What is None or empty is left out.

    The receiver refuses a body for good when one number is out of its range, so values are brought into it: loudness
    and duration are clamped, a size beyond the limits is left out, and a warning tells of the latter two. A duration is
    there only when it is finite, loudness only when all three values are. Variants may come in any order.

    Raises pydantic's ValidationError (a ValueError) for facts that are wrong in kind, such as a waveform of a video.
    """
    sentences = [_sendable(sentence) for sentence in warnings]
    seconds = None
    if duration_s is not None and math.isfinite(duration_s):
        low, high = DURATION_SECONDS
        seconds = _clamp(math.floor(duration_s + 0.5), low, high)
        if duration_s > high + 0.5:
            sentences.append(f"The duration is longer than the platform records and was announced as {high:,} seconds.")
    if width is not None and height is not None and (width > WIDTH_LIMIT or height > HEIGHT_LIMIT):
        sentences.append(f"The size, {width}x{height}, is larger than the platform records and was left out.")
        width = height = None
    facts: dict[str, Any] = {
        "media_id": media_id,
        "media_type": media_type,
        "hls_master_playlist_key": hls_master_playlist_key,
        "hls_preview_key": hls_preview_key,
        "thumbnail_key": thumbnail_key,
        "waveform_key": waveform_key,
        "waveform_image_key": waveform_image_key,
        "mezzanine_key": mezzanine_key,
        "duration_seconds": seconds,
        "width": width,
        "height": height,
        "ready_variants": tuple(sorted(ready_variants, key=_variant_rank(media_type))) or None,
        "loudness": _loudness(integrated_lufs, true_peak_dbtp, range_lu),
        "warnings": tuple(sentences) or None,
    }
    output = Output.model_validate({name: fact for name, fact in facts.items() if fact is not None})
    return CompletedBody(id=job_id, status="completed", output=output)


def failed_body(
    *,
    job_id: str,
    media_id: str | None,
    media_type: MediaType | None,
    error: JobError,
) -> FailedBody:
    """The body that announces a failure. A media id or type that the payload did not hold in valid form is left out."""
    about = {"media_id": media_id, "media_type": media_type}
    return FailedBody(
        id=job_id,
        status="failed",
        output=FailedOutput.model_validate({name: fact for name, fact in about.items() if fact is not None}),
        error=_sendable(error.public) or "The job failed.",
        error_code=error.code,
        retryable=error.retryable,
    )


def to_bytes(body: CompletedBody | FailedBody | ProgressBody) -> bytes:
    """The body as it is signed and sent: compact JSON, UTF-8. Made once, because a signature covers exact bytes."""
    return json.dumps(body.wire(), ensure_ascii=False, separators=(",", ":")).encode()


def _loudness(integrated_lufs: float | None, true_peak_dbtp: float | None, range_lu: float | None) -> Loudness | None:
    """The three as integers x100, within the receiver's ranges. None unless all three are finite."""
    if integrated_lufs is None or true_peak_dbtp is None or range_lu is None:
        return None
    if not all(math.isfinite(value) for value in (integrated_lufs, true_peak_dbtp, range_lu)):
        return None
    return Loudness(
        integrated=_hundredths(integrated_lufs, *INTEGRATED_RANGE),
        peak=_hundredths(true_peak_dbtp, *PEAK_RANGE),
        range=_hundredths(range_lu, *LOUDNESS_RANGE_RANGE),
    )


def _variant_rank(media_type: MediaType) -> Callable[[str], int]:
    """Unknown names sort last and are then refused by the model, which names them."""
    order: Mapping[str, int] = {name: rank for rank, name in enumerate(VARIANTS.get(media_type, ()))}
    return lambda name: order.get(name, len(order))


def _hundredths(value: float, low: int, high: int) -> int:
    """`value` x100 within the range; clamped first, because the largest floats have no hundredfold."""
    return round(max(low / 100, min(high / 100, value)) * 100)


def _clamp(value: int, low: int, high: int) -> int:
    return max(low, min(high, value))


def _sendable(text: str) -> str:
    """`text` that UTF-8 can carry and the receiver accepts.

    File names bring half surrogates, which UTF-8 cannot encode. The receiver counts UTF-16 units, as JavaScript does:
    an emoji is two. The cut never falls inside a character.
    """
    text = text.encode("utf-8", "replace").decode("utf-8")
    units = text.encode("utf-16-le")
    if len(units) <= ERROR_CHARACTERS * 2:
        return text
    return units[: (ERROR_CHARACTERS - 1) * 2].decode("utf-16-le", "ignore").rstrip() + "…"


# --- signature ------------------------------------------------------------------------------------------------------


def sign(body: bytes, secret: SecretStr, timestamp: int | None = None) -> str:
    """Lower-case hex HMAC-SHA256 (RFC 2104) of the body, or of `{timestamp}.{body}` with a time in unix seconds."""
    message = body if timestamp is None else f"{timestamp}.".encode() + body
    return hmac.new(secret.get_secret_value().encode(), message, hashlib.sha256).hexdigest()


def delivery_id(body: bytes) -> str:
    """The same for the same bytes, across attempts and jobs that run twice: a receiver can drop repeats by it."""
    return hashlib.sha256(body).hexdigest()[:32]


# --- delivery -------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class DeliveryPolicy:
    """How a body is delivered."""

    signature: Literal["body", "timestamped"] = "body"
    attempts: int = 5
    timeout_s: float = 20.0
    """One attempt, from looking up the host to the end of the answer."""
    backoff_s: float = 4.0
    """First wait between attempts; each further one is twice as long. 4 + 8 + 16 + 32 s bridge a minute."""
    jitter: float = 0.25
    """Waits vary by up to this share in both directions, so that jobs that failed together do not return together."""
    total_s: float | None = None
    """All attempts together, and the waits between them; None: as long as they take."""
    retry_after_limit_s: float = 30.0
    """Most seconds of a `Retry-After` that are honoured: the worker is paid by the second while it waits."""
    allow_private: bool = False
    """Local runs and tests: `http` and private addresses are allowed."""
    resolve: Resolver = resolve_host
    tls: ssl.SSLContext | None = None
    """Certificates to trust instead of the bundled ones; verification of the name is up to it as well."""


@dataclass(frozen=True)
class Delivery:
    """A body that the receiver has taken."""

    status: int
    attempts: int
    delivery_id: str
    answer: str
    """The start of the receiver's answer, as text."""
    warning: str | None = None
    """Why it is not certain that it was the receiver who answered; None where nothing speaks against it."""


class _Again(Exception):
    """An attempt failed in a way that the next may not. `reason` is public, `detail` is for the log."""

    def __init__(self, reason: str, detail: str, retry_after_s: float | None = None) -> None:
        super().__init__(reason)
        self.reason = reason
        self.detail = detail
        self.retry_after_s = retry_after_s


def deliver(
    url: str,
    secret: SecretStr,
    body: bytes,
    *,
    policy: DeliveryPolicy,
    clock: Callable[[], float] = time.time,
    sleep: Callable[[float], None] = time.sleep,
    chance: Callable[[], float] = random.random,
) -> Delivery:
    """Post the body until the receiver takes it. `clock` gives unix seconds; `chance` gives 0..1 for the jitter.

    Connection errors (DNS and TLS included), timeouts, 429 and 5xx are tried again; other answers are final. Cancel by
    letting `sleep` raise.

    Raises WebhookError: retryable when attempts ran out, final when the receiver refused or the URL is not allowed; as
    WebhookRefused when it answered 2xx and said in its body that it did not accept the message.
    """
    if problems := webhook_url_problems(url, allow_private=policy.allow_private):
        raise _refused("The webhook was not sent: webhookUrl " + ", ".join(problems) + ".")
    if problem := secret_problem(secret):
        raise _refused(f"The webhook was not sent: webhookSecret {problem}.")
    try:
        destination = Destination.of(url)
    except ValueError:
        raise _refused("The webhook was not sent: webhookUrl is not a valid URL.") from None
    sender = _Sender(destination, secret, body, policy, clock)
    stop: stop_base = stop_after_attempt(policy.attempts)
    if policy.total_s is not None:
        stop = stop_any(stop, stop_before_delay(policy.total_s))
    retrying = Retrying(
        stop=stop,
        wait=lambda state: _wait(state, policy, chance()),
        retry=retry_if_exception_type(_Again),
        after=sender.log_failure,
        sleep=sleep,
        reraise=True,
    )
    try:
        status, answer = retrying(sender.attempt)
    except _Again as again:
        raise WebhookError(
            f"The webhook receiver at {destination.host} did not take the result in"
            f" {retrying.statistics['attempt_number']} attempts:"
            f" {_as_sentence(again.reason)}",
            detail=f"webhook to {sender.place}: {again.detail}",
        ) from None
    return sender.judged(status, answer, retrying.statistics["attempt_number"])


class _Sender:
    """One body on its way to one receiver."""

    def __init__(
        self,
        destination: Destination,
        secret: SecretStr,
        body: bytes,
        policy: DeliveryPolicy,
        clock: Callable[[], float],
    ) -> None:
        self._destination, self._secret, self._body, self._policy, self._clock = (
            destination,
            secret,
            body,
            policy,
            clock,
        )
        self._number = delivery_id(body)
        self._ends = time.monotonic() + policy.total_s if policy.total_s is not None else math.inf
        self.place = f"{destination.host}{destination.path}"
        values = [destination.query, *(value for _, value in parse_qsl(destination.query, keep_blank_values=True))]
        confidential = {value for value in values if len(value) >= CONCEALED_FROM} | {secret.get_secret_value()}
        self._confidential = sorted(confidential, key=len, reverse=True)

    def attempt(self) -> tuple[int, webhook_answer.ReceiverAnswer]:
        """One try: the status and the answer of a 2xx. Raises _Again or WebhookError."""
        reply = self._post()
        status, answer = reply.status, webhook_answer.judge(reply.body, reply.headers)
        if 200 <= status < 300:
            return status, answer
        reason = f"it answered {status}{http.phrase(status)}"
        if words := self._without_secrets(webhook_answer.sentence(reply.body, reply.headers)):
            reason += f" ({clip(words, SENTENCE_CHARACTERS)})"
        text = self._without_secrets(answer.text)
        detail = f"HTTP {status}: {text[:500]!r}"
        if status == HTTPStatus.TOO_MANY_REQUESTS or status >= 500:
            raise _Again(reason, detail, _retry_after(reply.headers.get("Retry-After"), self._clock()))
        if 300 <= status < 400:
            reason += ", and redirects are not followed"
        _log.error("webhook %s to %s: %s", self._number, self.place, detail)
        raise WebhookError(
            f"The webhook receiver at {self._destination.host} refused the result: {reason}.",
            detail=detail,
            retryable=False,
            answer=text[:ANSWER_CHARACTERS],
        )

    def judged(self, status: int, answer: webhook_answer.ReceiverAnswer, attempts: int) -> Delivery:
        """The delivery that a 2xx is. Raises WebhookRefused where its body says that it is none."""
        text = self._without_secrets(answer.text)[:ANSWER_CHARACTERS]
        if answer.refusal is not None:
            reason = clip(self._without_secrets(answer.refusal), SENTENCE_CHARACTERS)
            _log.error("webhook %s to %s: answered %d, but refused: %s", self._number, self.place, status, reason)
            raise WebhookRefused(
                f"The webhook receiver at {self._destination.host} refused the result: {_as_sentence(reason)}",
                detail=f"webhook to {self.place}: HTTP {status}: {text[:500]!r}",
                answer=text,
            )
        if answer.warning is None:
            _log.info("webhook %s to %s: taken with %d in attempt %d", self._number, self.place, status, attempts)
        else:
            _log.warning(
                *("webhook %s to %s: %d in attempt %d, but %s", self._number, self.place, status, attempts),
                answer.warning,
            )
        return Delivery(status, attempts, self._number, text, answer.warning)

    def log_failure(self, state: RetryCallState) -> None:
        """Log why an attempt failed, whether or not another follows."""
        failure = state.outcome.exception() if state.outcome is not None else None
        detail = failure.detail if isinstance(failure, _Again) else ""
        _log.warning("webhook %s to %s, attempt %d: %s", self._number, self.place, state.attempt_number, detail)

    def _headers(self) -> dict[str, str]:
        """Made anew for each attempt: a signature may cover its time."""
        headers = {
            "Host": self._destination.header,
            "Content-Type": "application/json",
            "User-Agent": "codex-assets",
            "Accept": "application/json",
            "Accept-Encoding": "identity",
            "Connection": "close",
            DELIVERY_HEADER: self._number,
        }
        moment = int(self._clock()) if self._policy.signature == "timestamped" else None
        if moment is not None:
            headers[TIMESTAMP_HEADER] = str(moment)
        headers[SIGNATURE_HEADER] = sign(self._body, self._secret, moment)
        return headers

    def _post(self) -> http.Reply:
        """The answer of the receiver, with the start of its text. Raises _Again or WebhookError."""
        policy, destination = self._policy, self._destination
        seconds = max(0.1, min(policy.timeout_s, self._ends - time.monotonic()))
        limits = ReplyLimits(time.monotonic() + seconds, seconds, webhook_answer.ANSWER_BYTES, whole_body=False)
        request = Request("POST", destination, self._headers(), self._body)
        try:
            route = http.find_route(
                destination, allow_private=policy.allow_private, resolve=policy.resolve, tls=policy.tls
            )
            return http.send(request, route, limits)
        except Unreached as error:
            raise _Again(error.reason, error.detail) from None
        except NotPublic as error:
            raise _refused(
                f"The webhook was not sent: {destination.host} leads to an address that is loopback, private,"
                " link-local or otherwise not public.",
                str(error),
            ) from None

    def _without_secrets(self, text: str) -> str:
        """A receiver's words without what it was told in confidence: some answer with what they got."""
        for value in self._confidential:
            text = text.replace(value, "***")
        return text


def _as_sentence(words: str) -> str:
    return words if words.endswith((".", "!", "?", "…")) else f"{words}."


def _wait(state: RetryCallState, policy: DeliveryPolicy, chance: float) -> float:
    """Seconds until the next attempt: never sooner than the back-off, nor (within its limit) than the receiver asks."""
    failure = state.outcome.exception() if state.outcome is not None else None
    retry_after_s = failure.retry_after_s if isinstance(failure, _Again) else None
    backoff = policy.backoff_s * 2.0 ** (state.attempt_number - 1)
    backoff *= 1 + policy.jitter * (2 * chance - 1)
    return max(backoff, min(retry_after_s or 0.0, policy.retry_after_limit_s))


def _retry_after(value: str | None, now: float) -> float | None:
    """Seconds that a `Retry-After` asks for (RFC 9110, 10.2.3: seconds or a date). None when it says nothing usable."""
    if value is None:
        return None
    value = value.strip()
    if value.isascii() and value.isdigit():
        return float(value[:12])
    try:
        moment = parsedate_to_datetime(value)
    except (TypeError, ValueError, OverflowError):
        return None
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)
    return max(0.0, moment.timestamp() - now)


def _refused(public: str, detail: str | None = None) -> WebhookError:
    return WebhookError(public, detail=detail, retryable=False)
