"""Webhooks that say how far a job is, where `WEBHOOK_PROGRESS_SECONDS` asks for them: a long job is not taken for dead.

They are a courtesy: each is tried once, no job waits for one or fails for one, and none is sent once the job is about
to be answered. In: when one is due, and ending them. Out: the shape of the body (`contract/webhook.py`), signing and
sending (`net/webhook.py`), and progress that RunPod is told (`runpod_entry/handler.py`).
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace

from codex_assets.config.settings import Settings
from codex_assets.contract.payload import ReplyAddress, salvage, subject
from codex_assets.contract.webhook import ProgressBody
from codex_assets.errors import WebhookError
from codex_assets.net import webhook
from codex_assets.net.webhook import DeliveryPolicy
from codex_assets.system.workspace import Listener, Status

TIMEOUT_SECONDS = 5.0
"""For one message. The answer to the job waits for one that is under way: it must not be overtaken by it."""
LOOK_SECONDS = 0.5
"""Between two looks whether a message is due."""

_log = logging.getLogger(__name__)


@contextmanager
def posted(job_id: str, raw: object, settings: Settings, listener: Listener | None) -> Iterator[Listener | None]:
    """While the block runs, post what the listener that it gets hears of, which hands it on to `listener`.

    Nothing is on its way any more when the block has ended.
    """
    address = salvage(raw, settings.payload_policy())
    about = subject(raw)
    if settings.webhook_progress is None or address is None or about.media_id is None or about.media_type is None:
        yield listener
        return
    body = ProgressBody.model_validate(
        {
            "id": job_id,
            "status": "progress",
            "output": {"mediaId": about.media_id, "mediaType": about.media_type},
            "progress": {"phase": "starting", "percent": 0},
        }
    )
    policy = replace(settings.delivery_policy(), attempts=1, timeout_s=TIMEOUT_SECONDS)
    poster = _Poster(body, address, policy, settings.webhook_progress.total_seconds())
    thread = threading.Thread(target=poster.work, name="progress-webhooks", daemon=True)
    thread.start()

    def listen(status: Status) -> None:
        poster.latest = status
        if listener is not None:
            listener(status)

    try:
        yield listen
    finally:
        poster.ended.set()
        thread.join()


class _Poster:
    """Posts the latest status, of whatever phase, every so many seconds."""

    def __init__(self, body: ProgressBody, address: ReplyAddress, policy: DeliveryPolicy, every_seconds: float) -> None:
        self._body, self._address, self._policy, self._every = body, address, policy, every_seconds
        self.latest: Status | None = None
        self.ended = threading.Event()

    def work(self) -> None:
        """Post until the job is about to be answered, or the receiver says that it takes no such messages."""
        posted_at = float("-inf")
        while not self.ended.wait(LOOK_SECONDS):
            status = self.latest
            if status is None or time.monotonic() - posted_at < self._every:
                continue
            posted_at = time.monotonic()
            try:
                self._post(status)
            except WebhookError as error:
                if not error.retryable:
                    _log.warning("no more progress is posted: %s", error.public)
                    return

    def _post(self, status: Status) -> None:
        progress = {"phase": status.phase, "percent": round(100 * min(1.0, max(0.0, status.overall)))}
        body = self._body.model_copy(update={"progress": type(self._body.progress).model_validate(progress)})
        webhook.deliver(self._address.url, self._address.secret, webhook.to_bytes(body), policy=self._policy)
