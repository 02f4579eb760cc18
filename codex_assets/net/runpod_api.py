"""RunPod's two APIs: the jobs of one endpoint, and the account's endpoints and secrets.

In: paths, bodies and the form of answers, which answers are worth another attempt, and the sentence for each refusal.
Out: the exchange itself (`json_api.py`), what a job is given and how long its end is waited for
(`build/on_runpod.py`), what an endpoint should look like (`readiness/runpod_endpoint.py`).
"""

from __future__ import annotations

import logging
import random
import re
import threading
import time
from collections.abc import Callable, Collection, Mapping
from contextlib import suppress
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any

from pydantic import SecretStr
from tenacity import RetryCallState, Retrying, retry_if_exception, stop_after_attempt
from tenacity.stop import stop_base, stop_before_delay

from codex_assets.errors import ConfigurationError, EndpointError, JobCancelled
from codex_assets.net.destination import Unreached
from codex_assets.net.http import phrase
from codex_assets.net.json_api import ApiAnswer, exchange
from codex_assets.net.outward import DIRECT, Outward

JOBS_BASE = "https://api.runpod.ai"
ACCOUNT_BASE = "https://api.runpod.io"
IN_FLIGHT = 4
"""Jobs that one process has at an endpoint at once, when no setting says how many."""
ANSWER_BYTES = 8 << 20
"""Most bytes of an answer that are read. The status of a job carries its whole result."""

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Endpoint:
    """A RunPod endpoint that builds, and the key that may use it. `in_flight`: jobs of this process at once."""

    endpoint_id: str
    api_key: SecretStr
    base: str = JOBS_BASE
    in_flight: int = IN_FLIGHT
    outward: Outward = DIRECT


@dataclass(frozen=True)
class Account:
    """The key that manages an account's endpoints and secrets, and the API's address."""

    api_key: SecretStr
    base: str = ACCOUNT_BASE
    outward: Outward = DIRECT


# --- One request, and when it is repeated -----------------------------------------------------------------------------


@dataclass(frozen=True)
class Retries:
    """When a request is repeated: after a pause that doubles from `first_pause_s` to `longest_pause_s`, for
    `patience_s` in all or `attempts` times, whichever is given. `request_s` is the time limit of each attempt.

    A `Retry-After` of up to `longest_retry_after_s` lengthens the pause."""

    first_pause_s: float = 2.0
    longest_pause_s: float = 30.0
    request_s: float = 30.0
    longest_retry_after_s: float = 30.0
    attempts: int | None = 4
    patience_s: float | None = None

    def pause(self, state: RetryCallState) -> float:
        """Seconds until the next attempt, up to a fifth more or less, so that clients do not ask in step."""
        pause = min(self.longest_pause_s, self.first_pause_s * 2.0 ** (state.attempt_number - 1))
        failure = state.outcome.exception() if state.outcome is not None else None
        asked = failure.retry_after_s if isinstance(failure, _NoAnswer) else 0.0
        return max(pause * random.uniform(0.8, 1.2), min(asked, self.longest_retry_after_s))

    def stop(self) -> stop_base:
        """When to give up, for tenacity: after `patience_s` if it is set, else after `attempts`."""
        if self.patience_s is not None:
            return stop_before_delay(self.patience_s)
        return stop_after_attempt(self.attempts or 1)


class _NoAnswer(Exception):
    """RunPod was out of reach, busy (429) or failing (5xx). `reason` is public. `was_done`: RunPod may have carried
    the request out all the same."""

    def __init__(self, reason: str, *, was_done: bool = True, retry_after_s: float = 0.0) -> None:
        super().__init__(reason)
        self.reason, self.was_done, self.retry_after_s = reason, was_done, retry_after_s


class _Requests:
    """Requests below one address with one key."""

    def __init__(
        self,
        address: str,
        api_key: SecretStr,
        outward: Outward,
        retries: Retries,
        refuse: Callable[[ApiAnswer, str], None],
        sleep: Callable[[float], None],
        advice: str = "",
    ) -> None:
        """`refuse(answer, path)` raises the error for an answer that a repetition does not change, if it is one.
        `advice` ends the sentence that no attempt was answered."""
        self._address, self._api_key, self._outward = address, api_key, outward
        self._retries, self._refuse, self._sleep, self._advice = retries, refuse, sleep, advice

    def send(
        self, method: str, path: str, value: Any = None, *, repeatable: bool = True, absent: Collection[int] = ()
    ) -> Any:
        """The JSON of the answer; None for a status of `absent`.

        A request that is not `repeatable` is only repeated where RunPod was too busy to do anything. Raises
        `EndpointError` when no attempt was answered, and what `refuse` raises.
        """
        retrying = Retrying(
            sleep=self._sleep,
            stop=self._retries.stop(),
            wait=self._retries.pause,
            retry=retry_if_exception(lambda error: isinstance(error, _NoAnswer) and (repeatable or not error.was_done)),
            reraise=True,
        )
        try:
            return retrying(self._attempt, method, path, value, absent)
        except _NoAnswer as error:
            advice = self._advice if repeatable else " Whether it did what was asked is not known: run this again."
            raise EndpointError(f"RunPod's API could not be used: {error.reason}.{advice}") from None

    def send_once(self, method: str, path: str, value: Any) -> ApiAnswer:
        """The answer, whatever its status. Raises `Unreached`."""
        return exchange(
            method,
            f"{self._address}/{path}",
            bearer=self._api_key,
            value=value,
            timeout_s=self._retries.request_s,
            limit_bytes=ANSWER_BYTES,
            outward=self._outward,
        )

    def _attempt(self, method: str, path: str, value: Any, absent: Collection[int]) -> Any:
        try:
            answer = self.send_once(method, path, value)
        except Unreached as error:
            _log.warning("RunPod's API: %s (%s)", error.reason, error.detail)
            raise _NoAnswer(error.reason) from None
        if 200 <= answer.status < 300:
            return answer.value
        if answer.status in absent:
            return None
        self._refuse(answer, path)
        reason = f"it answered {answer.status}{phrase(answer.status)}"
        _log.warning("RunPod's API: %s", reason)
        busy = answer.status == HTTPStatus.TOO_MANY_REQUESTS
        raise _NoAnswer(reason, was_done=not busy, retry_after_s=answer.retry_after_s or 0.0)


def _may_pass(status: int) -> bool:
    """Whether another attempt may be answered otherwise."""
    return status == HTTPStatus.TOO_MANY_REQUESTS or status >= 500


# --- Jobs -------------------------------------------------------------------------------------------------------------


class JobsApi:
    """The four requests about jobs of one endpoint.

    Each is repeated while RunPod is out of reach, busy (429) or failing (5xx), as `retries` says. Raises
    `EndpointError` when that did not help, `ConfigurationError` for a key or an endpoint that RunPod refuses, and
    `JobCancelled` when `cancelled` is set while a repetition is waited for.
    """

    def __init__(self, endpoint: Endpoint, retries: Retries, cancelled: threading.Event) -> None:
        def wait(seconds: float) -> None:
            if cancelled.wait(seconds):
                raise JobCancelled

        self._endpoint = endpoint
        self._requests = _Requests(
            f"{endpoint.base.rstrip('/')}/v2/{endpoint.endpoint_id}",
            endpoint.api_key,
            endpoint.outward,
            retries,
            self._refuse,
            wait,
        )

    def run(self, payload: Mapping[str, Any], *, execution_s: float, lifetime_s: float) -> str:
        """Submit a job; its id. RunPod ends it when a worker has had it for `execution_s`, and removes it, wherever it
        is, after `lifetime_s`."""
        policy = {"executionTimeout": round(execution_s * 1000), "ttl": round(lifetime_s * 1000)}
        answer = _as_object(self._requests.send("POST", "run", {"input": payload, "policy": policy}))
        job_id = answer.get("id")
        if not isinstance(job_id, str) or not job_id:
            raise EndpointError("RunPod took a job and did not say its id.")
        return job_id

    def status(self, job_id: str) -> dict[str, Any] | None:
        """What RunPod says of a job; None when it does not know the job (any more)."""
        answer = self._requests.send("GET", f"status/{job_id}", absent={HTTPStatus.NOT_FOUND})
        return None if answer is None else _as_object(answer)

    def cancel(self, job_id: str) -> None:
        """Ask once that a job be ended, and ignore the outcome: it is asked when something else went wrong already."""
        with suppress(Unreached):
            self._requests.send_once("POST", f"cancel/{job_id}", {})

    def waiting(self) -> int:
        """How many jobs wait in the endpoint's queue; 0 where RunPod does not say."""
        return self.load().waiting

    def load(self) -> EndpointLoad:
        """How many jobs wait and run at the endpoint, and how many workers it has."""
        answer = _as_object(self._requests.send("GET", "health"))
        jobs, workers = _as_object(answer.get("jobs")), _as_object(answer.get("workers"))
        # Idle workers and running ones are ready; the others start, or cannot.
        ready = [workers[state] for state in ("idle", "running") if isinstance(workers.get(state), int)]
        return EndpointLoad(_count(jobs.get("inQueue")), _count(jobs.get("inProgress")), sum(ready) if ready else None)

    def _refuse(self, answer: ApiAnswer, path: str) -> None:
        if answer.status in (HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN):
            raise ConfigurationError("RunPod refused RUNPOD_API_KEY; it needs to be one that may use the endpoint.")
        if answer.status == HTTPStatus.NOT_FOUND:
            raise ConfigurationError(f"RunPod has no endpoint {self._endpoint.endpoint_id}; check its id.")
        if not _may_pass(answer.status):
            raise EndpointError(f"RunPod refused the request: {answer.status}{phrase(answer.status)}.", retryable=False)


@dataclass(frozen=True)
class EndpointLoad:
    """Jobs that wait and that run at an endpoint; `workers` that are ready, None where RunPod does not say."""

    waiting: int
    running: int
    workers: int | None = None


def _count(value: object) -> int:
    return value if isinstance(value, int) else 0


def _as_object(value: Any) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


# --- Endpoints and secrets --------------------------------------------------------------------------------------------


class AccountApi:
    """The requests about an account's endpoints and secrets.

    Those that may be repeated are, as `JobsApi`'s. Raises `ConfigurationError` for what the operator has to put right,
    else `EndpointError`.
    """

    def __init__(
        self, account: Account, retries: Retries | None = None, *, sleep: Callable[[float], None] = time.sleep
    ) -> None:
        self._requests = _Requests(
            f"{account.base.rstrip('/')}/v2",
            account.api_key,
            account.outward,
            retries or Retries(),
            _refuse_account,
            sleep,
            " Run this again later.",
        )

    def endpoints(self) -> list[dict[str, Any]]:
        """Every endpoint of the account, as RunPod describes it."""
        return _list_of(self._requests.send("GET", "serverless"), "endpoints")

    def endpoint(self, endpoint_id: str) -> dict[str, Any]:
        """One endpoint, as RunPod describes it."""
        return require_endpoint(self._requests.send("GET", f"serverless/{endpoint_id}"))

    def create(self, body: Mapping[str, Any]) -> dict[str, Any]:
        """A new endpoint. Asked once, unless RunPod was too busy to do anything: a second one would be billed too."""
        return require_endpoint(self._requests.send("POST", "serverless", body, repeatable=False))

    def change(self, endpoint_id: str, patch: Mapping[str, Any]) -> None:
        """Replace the fields of an endpoint that `patch` names."""
        require_endpoint(self._requests.send("PATCH", f"serverless/{endpoint_id}", patch))

    def secrets(self) -> dict[str, str] | None:
        """Name -> id of every secret; None when this key may not list them."""
        answer = self._requests.send("GET", "account/secrets", absent={HTTPStatus.FORBIDDEN, HTTPStatus.NOT_FOUND})
        if answer is None:
            return None
        return {str(secret.get("name")): str(secret.get("id")) for secret in _list_of(answer, "secrets")}

    def create_secret(self, name: str, value: SecretStr) -> None:
        """A new secret. Asked once, as `create` is."""
        body = {"name": name, "value": value.get_secret_value()}
        self._requests.send("POST", "account/secrets", body, repeatable=False)

    def replace_secret(self, secret_id: str, value: SecretStr) -> None:
        """Give a secret another value, which workers see when they next start."""
        self._requests.send("PATCH", f"account/secrets/{secret_id}", {"value": value.get_secret_value()})


def _refuse_account(answer: ApiAnswer, path: str) -> None:
    reason = f": {answer.problem}" if answer.problem else ""
    if answer.status in (HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN):
        raise ConfigurationError(
            f"RunPod refused RUNPOD_API_KEY ({answer.status}): it needs to be one that may read and write "
            f"{'secrets' if 'secrets' in path else 'endpoints'}{reason}."
        )
    if answer.status == HTTPStatus.NOT_FOUND:
        raise ConfigurationError(f"RunPod's API has no /v2/{path}; is RUNPOD_REST_BASE right?")
    if not _may_pass(answer.status):
        raise EndpointError(
            f"RunPod refused the request ({answer.status}{phrase(answer.status)}){reason}.", retryable=False
        )


def _list_of(answer: Any, name: str) -> list[dict[str, Any]]:
    entries = answer.get(name) if isinstance(answer, dict) else None
    if not isinstance(entries, list) or not all(isinstance(entry, dict) for entry in entries):
        raise EndpointError(f"RunPod's API answered in another form than expected: no list of {name}.", retryable=False)
    return entries


def require_endpoint(answer: Any) -> dict[str, Any]:
    """`answer`, if it is an endpoint with a usable id. Raises `EndpointError`."""
    if isinstance(answer, dict) and isinstance(answer.get("id"), str) and re.fullmatch(r"[\w-]+", answer["id"]):
        return answer
    raise EndpointError("RunPod's API answered in another form than expected: no endpoint.", retryable=False)
