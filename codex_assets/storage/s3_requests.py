"""How a store is asked: the client of one bucket, how often a request is repeated, and how long is waited before.

The SDK repeats what it knows to be worth it; here is what it does not repeat. Not here: what a refusal means
(`s3_failures.py`).
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final, TypeVar

from botocore.exceptions import BotoCoreError
from tenacity import (
    RetryCallState,
    Retrying,
    retry_if_exception,
    retry_if_exception_type,
    retry_if_result,
    stop_after_attempt,
    wait_chain,
    wait_fixed,
    wait_none,
)
from tenacity.wait import wait_base

from codex_assets.errors import JobError, MissingInput, StorageError
from codex_assets.storage import deadlines
from codex_assets.storage.deadlines import LeastRate
from codex_assets.storage.locations import S3Location
from codex_assets.storage.objects import OtherContents
from codex_assets.storage.s3_client import make_client
from codex_assets.storage.s3_failures import StoreFailures, may_pass

if TYPE_CHECKING:
    from types_boto3_s3 import S3Client

ATTEMPTS: Final = 8
"""Tries of one request, the first included. B2 answers 500 and 503 in normal operation."""
PAUSES_SECONDS: Final = (1.0, 3.0)
"""Before the second and the third look at what may be true only for a moment: a refusal while a new key or
bucket spreads through a store, an object that was written and is not seen yet, a refusal for haste."""
ABSENT_PAUSE_SECONDS: Final = 0.3
"""Before the second look at a small object that is not there."""

_log = logging.getLogger(__name__)

_Value = TypeVar("_Value")


class Requests:
    """Sends and repeats the requests to one bucket. Safe to use from several threads."""

    def __init__(self, location: S3Location, attempts: int, pauses: tuple[float, ...] | None, rate: LeastRate) -> None:
        """`attempts`: tries of one request, the first included; with 1 nothing is asked twice. `pauses`: seconds,
        `PAUSES_SECONDS` if None. `rate`: what a request and its repetitions may take."""
        self._rate = rate
        self.location = location
        self.failures = StoreFailures(location)
        self._attempts = attempts
        self._pauses = (PAUSES_SECONDS if pauses is None else pauses) if attempts > 1 else ()
        self._making = threading.Lock()
        self._client: S3Client | None = None

    @property
    def bucket(self) -> str:
        """The bucket's name."""
        return self.location.bucket

    def client(self) -> S3Client:
        """The client of this bucket, made when it is first needed."""
        with self._making:
            if self._client is None:
                self._client = self._make_client()
            return self._client

    def _make_client(self) -> S3Client:
        try:
            return make_client(self.location, self._attempts)
        except (ValueError, BotoCoreError) as error:
            raise StorageError(
                f"The {self.failures.name} store cannot be used: the address or the region in the settings is not "
                "valid.",
                detail=self.failures.without_keys(error),
                retryable=False,
            ) from error

    def ask(self, action: str, key: str, request: Callable[[], _Value], size: int = 0) -> _Value:
        """What `request` gives. A refusal that may be true for a moment only is met as often as there are pauses before
        it is final; what the SDK repeats by itself is not repeated here.

        `action` is a verb of the error's sentence ("read", "write"), `size` the bytes that move: with all its
        repetitions the request has to end at the least rate. Raises `MissingInput` and `StorageError`.
        """

        def attempt() -> _Value:
            with self.failures.translated(action, key):
                answer = request()
                # Headers that are cut off look like those of an answer without a body.
                deadlines.require_time()
                return answer

        def log_pause(state: RetryCallState) -> None:
            error = state.outcome.exception() if state.outcome is not None else None
            detail = error.detail if isinstance(error, JobError) else None
            pause = state.upcoming_sleep
            _log.info("%s store, %s %s: asked again in %g s: %s", self.failures.name, action, key, pause, detail)

        asking = Retrying(
            retry=retry_if_exception(lambda error: isinstance(error, JobError) and may_pass(error.__cause__)),
            stop=stop_after_attempt(len(self._pauses) + 1),
            wait=self._waits(),
            before_sleep=log_pause,
            reraise=True,
        )
        with deadlines.within(self._rate.limit(size)):
            return asking(attempt)

    def ask_for_small(self, key: str, request: Callable[[], _Value]) -> _Value:
        """`ask` to read a small object, once more if it is not there: a short pause, since many a record is rightly
        missing."""
        once_more = Retrying(
            retry=retry_if_exception_type(MissingInput),
            stop=stop_after_attempt(2 if self._pauses else 1),
            wait=wait_fixed(min(ABSENT_PAUSE_SECONDS, *self._pauses) if self._pauses else 0.0),
            reraise=True,
        )
        answer: _Value = once_more(self.ask, "read", key, request)
        return answer

    def read_again(self, read: Callable[[], _Value]) -> _Value:
        """What `read` gives, read again for a moment while it is not what the store says of it. Raises
        `OtherContents`."""
        reading = Retrying(
            retry=retry_if_exception_type(OtherContents),
            stop=stop_after_attempt(len(self._pauses) + 1),
            wait=self._waits(),
            reraise=True,
        )
        answer: _Value = reading(read)
        return answer

    def look_until(self, look: Callable[[], _Value], settled: Callable[[_Value], bool]) -> _Value:
        """What `look` gives, looked at again for a moment while it is not `settled`; the last look counts."""
        looking = Retrying(
            retry=retry_if_result(lambda seen: not settled(seen)),
            stop=stop_after_attempt(len(self._pauses) + 1),
            wait=self._waits(),
            retry_error_callback=_last_result,
        )
        return looking(look)

    def _waits(self) -> wait_base:
        """The pauses of this store, one after the other."""
        return wait_chain(*map(wait_fixed, self._pauses)) if self._pauses else wait_none()


def _last_result(state: RetryCallState) -> Any:
    """What the last attempt gave, which had to be good enough."""
    assert state.outcome is not None
    return state.outcome.result()
