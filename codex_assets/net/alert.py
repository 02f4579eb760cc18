"""A message to people: one JSON body, `{"text": ...}`, posted to an address that the operator configured.

In: the request, its attempts, and the sentence for its failure. Out: what is worth a message (`defs/alerts.py`), and
the webhook of a job, which is signed and goes to whoever sent the job (`webhook.py`). The address is a credential: it
is in no sentence.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable

from pydantic import SecretStr
from tenacity import RetryError, Retrying, retry_if_exception_type, stop_after_attempt, wait_exponential

from codex_assets.errors import WebhookError
from codex_assets.net import http
from codex_assets.net.destination import Destination, Unreached
from codex_assets.net.http import ReplyLimits, Request
from codex_assets.net.outward import Outward

ATTEMPTS = 3
TIMEOUT_SECONDS = 10.0


class _NotTaken(Exception):
    """An attempt failed in a way that the next may not."""


def post(url: SecretStr, text: str, outward: Outward, sleep: Callable[[float], None] = time.sleep) -> None:
    """Post a text. Raises `WebhookError` where nobody took it."""
    try:
        destination = Destination.of(url.get_secret_value())
    except ValueError:
        raise WebhookError("ALERT_WEBHOOK_URL is not a valid URL.", retryable=False) from None
    retrying = Retrying(
        stop=stop_after_attempt(ATTEMPTS),
        wait=wait_exponential(multiplier=1.0),
        retry=retry_if_exception_type(_NotTaken),
        sleep=sleep,
    )
    try:
        retrying(_post, destination, json.dumps({"text": text}).encode(), outward)
    except RetryError as error:
        reason = error.last_attempt.exception()
        raise WebhookError(f"{destination.host} did not take the alert in {ATTEMPTS} attempts: {reason}.") from None


def _post(destination: Destination, body: bytes, outward: Outward) -> None:
    headers = {
        "Host": destination.header,
        "User-Agent": "codex-assets",
        "Accept-Encoding": "identity",
        "Content-Type": "application/json",
        "Connection": "close",
    }
    limits = ReplyLimits(time.monotonic() + TIMEOUT_SECONDS, TIMEOUT_SECONDS, http.PROBLEM_BYTES, whole_body=False)
    try:
        route = http.find_route(destination, allow_private=True, outward=outward)
        reply = http.send(Request("POST", destination, headers, body), route, limits)
    except Unreached as error:
        raise _NotTaken(error.reason) from None
    if 200 <= reply.status < 300:
        return
    reason = f"it answered {reply.status}{http.phrase(reply.status)}"
    if reply.status == 429 or reply.status >= 500:
        raise _NotTaken(reason)
    raise WebhookError(f"{destination.host} refused the alert: {reason}.", retryable=False)
