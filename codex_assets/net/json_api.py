"""An exchange of JSON with an API that the operator configured: one request with a bearer key, and its answer.

In: the body, the key, and what an API says of its own refusals. Out: one request (`http.py`), which requests there are,
what their answers mean, and when they are repeated (`runpod_api.py`).
"""

from __future__ import annotations

import json
import time
from dataclasses import dataclass
from typing import Any

from pydantic import SecretStr

from codex_assets.net import http
from codex_assets.net.destination import Destination, Unreached
from codex_assets.net.http import ReplyLimits, Request
from codex_assets.net.outward import Outward

PROBLEM_CHARACTERS = 600
"""Most characters of an API's refusal that are kept."""


@dataclass(frozen=True)
class ApiAnswer:
    """What an API answered.

    `value` is the JSON of a 2xx, else None. `retry_after_s`: after how many seconds it wants to be asked again, None
    where it does not say. `problem` is what it says of a refusal as problem details (RFC 9457): one line, without the
    key, empty where it says nothing.
    """

    status: int
    value: Any
    retry_after_s: float | None = None
    problem: str = ""


def exchange(
    method: str,
    url: str,
    *,
    bearer: SecretStr,
    value: Any,
    timeout_s: float,
    limit_bytes: int,
    outward: Outward,
) -> ApiAnswer:
    """The answer of an API, wherever it is, to `value` as JSON, or to no body if it is None.

    Redirects are not followed: the key goes to the host that it is meant for. Raises Unreached, also for a 2xx that
    carries no JSON.
    """
    destination = Destination.of(url)
    headers = {
        "Host": destination.header,
        "User-Agent": "codex-assets",
        "Accept": "application/json",
        "Accept-Encoding": "identity",
        "Authorization": f"Bearer {bearer.get_secret_value()}",
        "Connection": "close",
    }
    body = None
    if value is not None:
        headers["Content-Type"] = "application/json"
        body = json.dumps(value).encode()
    limits = ReplyLimits(time.monotonic() + timeout_s, timeout_s, limit_bytes)
    route = http.find_route(destination, allow_private=True, outward=outward)
    reply = http.send(Request(method, destination, headers, body), route, limits)
    retry_after = reply.headers.get("Retry-After", "")
    retry_after_s = float(retry_after) if retry_after.isdigit() and len(retry_after) < 6 else None
    if not 200 <= reply.status < 300:
        return ApiAnswer(reply.status, None, retry_after_s, _problem(reply.body, bearer))
    try:
        return ApiAnswer(reply.status, json.loads(reply.body), retry_after_s)
    except ValueError:
        raise Unreached("its answer was no JSON", f"{len(reply.body)} bytes") from None


def _problem(body: bytes, bearer: SecretStr) -> str:
    """`detail` (else `title`) and `errors` of problem details; empty for an answer that has none."""
    try:
        details = json.loads(body)
    except (ValueError, RecursionError):
        return ""
    if not isinstance(details, dict):
        return ""
    errors = details.get("errors")
    parts = [details.get("detail") or details.get("title"), *(errors if isinstance(errors, list) else [])]
    text = "; ".join(part for part in parts if isinstance(part, str))
    line = " ".join(text.replace(bearer.get_secret_value(), "***").split())
    return "".join(character for character in line if character.isprintable())[:PROBLEM_CHARACTERS]
