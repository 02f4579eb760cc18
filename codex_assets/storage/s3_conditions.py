"""Whether a store keeps its word on conditional writes: of two that create one object at once, one is refused.

Some stores ignore the condition without a word, some look first and write then, and let both pass. Either would let two
runs publish one media at once. In: the trial. Out: conditional writes themselves (`s3.py`), and who asks for a trial
(`archive/leases.py`, `readiness/`).
"""

from __future__ import annotations

import threading
import uuid
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from typing import Any, Final

from codex_assets.errors import JobError, MissingInput, StorageError
from codex_assets.storage import keys, trusted
from codex_assets.storage.etags import bare_etag
from codex_assets.storage.s3_failures import is_precondition
from codex_assets.storage.s3_requests import Requests

ROUNDS: Final = 4
"""Of two creates at once: a store that lets both pass does so often, and not always."""


class ConditionTrial:
    """Tries conditional writes of one bucket, with objects of names that nothing else has."""

    def __init__(self, requests: Requests) -> None:
        self._requests = requests
        self._name = requests.failures.name

    def run(self) -> None:
        """Raises `StorageError` for a store that two runs could write to at once. Tried once."""
        if trusted.is_trusted(self._requests.location):
            return
        for _ in range(ROUNDS):
            key = keys.condition_trial(uuid.uuid4().hex)
            try:
                if self._created_at_once(key) != 1:
                    raise self._refused("two runs that create one object at once both succeed")
                if self._is_taken(key, b"{}", IfNoneMatch="*"):
                    raise self._refused("an object is created over one that is there")
                etag = self._etag(key)
                if self._is_taken(key, b"{}", IfMatch=f'"{uuid.uuid4().hex}"'):
                    raise self._refused("an object is replaced that is not the expected one")
                if not self._is_taken(key, b"{}", IfMatch=f'"{etag}"'):
                    raise self._refused("an object is not replaced that is the expected one")
            finally:
                with suppress(JobError):
                    self._requests.ask("delete", key, lambda: self._client.delete_object(Bucket=self._bucket, Key=key))  # noqa: B023 - called at once
        trusted.trust([trusted.place(self._requests.location)])

    @property
    def _client(self) -> Any:
        return self._requests.client()

    @property
    def _bucket(self) -> str:
        return self._requests.bucket

    def _created_at_once(self, key: str) -> int:
        """How many of two creates the store took. One that is refused with an answer that was lost counts as taken by
        the other."""
        together = threading.Barrier(2)

        def create(body: bytes) -> bool:
            together.wait()
            return self._is_taken(key, body, IfNoneMatch="*")

        # Two connections have to be there already: one that is made meanwhile comes too late to be at once.
        with ThreadPoolExecutor(2, thread_name_prefix="conditions") as pool:
            list(pool.map(lambda _: self._requests.ask("look up", key, lambda: self._list(key)), range(2)))
            return sum(pool.map(create, (b'{"run": 1}', b'{"run": 2}')))

    def _list(self, key: str) -> object:
        return self._client.list_objects_v2(Bucket=self._bucket, Prefix=key, MaxKeys=1)

    def _is_taken(self, key: str, body: bytes, **condition: str) -> bool:
        def put() -> object:
            return self._client.put_object(
                Bucket=self._bucket, Key=key, Body=body, ContentType="application/json", **condition
            )

        try:
            self._requests.ask("write", key, put)
        except JobError as error:
            if is_precondition(error.__cause__):
                return False
            raise
        return True

    def _etag(self, key: str) -> str:
        def look() -> Any:
            try:
                return self._requests.ask(
                    "look up", key, lambda: self._client.head_object(Bucket=self._bucket, Key=key)
                )
            except MissingInput:
                return None

        # What was written may be seen a moment later only.
        answer = self._requests.look_until(look, lambda seen: seen is not None) or {}
        etag = bare_etag(answer.get("ETag"))
        if etag is None:
            raise self._refused("it does not say the ETag of an object")
        return etag

    def _refused(self, what: str) -> StorageError:
        return StorageError(
            f"The {self._name} store does not keep two runs from writing one media at once: {what}. Use R2, or another "
            "store with conditional writes.",
            retryable=False,
        )
