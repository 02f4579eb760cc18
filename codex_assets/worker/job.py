"""One payload, one answer: the job is checked, its outputs are materialized, and its webhook is sent.

Whoever took the request answers it, exactly once, in success and in failure. The webhook's secret never enters Dagster:
the graph runs on a fresh ephemeral instance that knows the media and nothing of the request. What the webhook says
comes from the materializations' metadata.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any

import dagster as dg

from codex_assets import log_lines
from codex_assets.archive import history
from codex_assets.archive.history import JobRecord
from codex_assets.archive.records import (
    MediaRecord,
    OutputRecord,
    record_type,
)
from codex_assets.archive.store import RecordStore, UnreadableRecord
from codex_assets.config.settings import Settings
from codex_assets.config.workshop import Workshop, open_workshop
from codex_assets.contract.payload import (
    JobPayload,
    PayloadPolicy,
    PayloadProblems,
    ReplyAddress,
    parse_payload,
    salvage,
    subject,
)
from codex_assets.contract.webhook import CompletedBody, FailedBody
from codex_assets.defs import partitions
from codex_assets.defs.assets import PRODUCERS
from codex_assets.errors import (
    InternalError,
    JobCancelled,
    JobError,
    PayloadError,
    RelayedError,
    Superseded,
    WebhookError,
    unforeseen,
)
from codex_assets.media.outputs import (
    DEFINITIONS,
    MEZZANINE,
    OUTPUTS,
    wanted,
)
from codex_assets.net import webhook
from codex_assets.net.webhook import DeliveryPolicy
from codex_assets.storage import deadlines
from codex_assets.system.workspace import Listener
from codex_assets.worker import (
    announcement,
    delivery,
    metrics,
    progress_webhooks,
    redelivery,
    registration,
    repeated_failures,
)
from codex_assets.worker.delivery import Announcement
from codex_assets.worker.redelivery import Earlier

_log = logging.getLogger(__name__)

QUIET = {"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}}
"""A run prints a line per event otherwise; nothing else silences it."""
ANSWER_CHARACTERS = 500
"""Most characters of a receiver's answer in RunPod's result."""


@dataclass(frozen=True)
class Answer:
    """What a job comes to: the webhook's body, and where it goes (None when nobody can be told)."""

    body: CompletedBody | FailedBody
    address: ReplyAddress | None
    record: JobRecord | None = None
    """What the job took; None for one that was refused before it had a media."""
    on_record: bool = False
    """The archive took the record of its beginning, and so may be asked to take that of its end."""


def run(
    job_id: str,
    raw: object,
    settings: Settings,
    *,
    listener: Listener | None = None,
    cancelled: threading.Event | None = None,
    before_answer: Callable[[dict[str, Any]], None] | None = None,
) -> dict[str, Any]:
    """Do the job and answer it. Returns RunPod's result: the webhook's body; with an `error` key it is a failure.

    Beside that, `metrics` says what the job took; the webhook does not.

    `before_answer` is called once, with the webhook's body, when it is about to be sent. Raises `JobCancelled` alone:
    whoever asks a job to stop answers it, because it may not come to that itself (`ended_early.py`).
    """
    with progress_webhooks.posted(job_id, raw, settings, listener) as listening:
        answer = _work(job_id, raw, settings, listener=listening, cancelled=cancelled)
    if before_answer is not None:
        before_answer(answer.body.wire())
    result = send(answer, settings.delivery_policy(), cancelled)
    record = answer.record
    # After the answer: nobody waits for it.
    keep_undelivered(answer, result, settings)
    if record is None:
        return result
    if result.get("errorCode") in delivery.NOT_ARRIVED:
        undelivered = {"outcome": "failed", "error_code": result["errorCode"], "retryable": result.get("retryable")}
        record = record.model_copy(update=undelivered)
    if answer.on_record:
        _keep_afterwards(settings, record)
    return {**result, "metrics": metrics.for_result(record)}


def work(
    job_id: str,
    raw: object,
    settings: Settings,
    *,
    listener: Listener | None = None,
    cancelled: threading.Event | None = None,
) -> Answer:
    """Do the job without sending a webhook. Raises `JobCancelled` alone."""
    answer = _work(job_id, raw, settings, listener=listener, cancelled=cancelled)
    if answer.record is not None and answer.on_record:
        _keep_afterwards(settings, answer.record)
    return answer


def _work(
    job_id: str,
    raw: object,
    settings: Settings,
    *,
    listener: Listener | None,
    cancelled: threading.Event | None,
) -> Answer:
    started = datetime.now(UTC)
    policy = settings.payload_policy()
    try:
        payload = parse_payload(raw, policy)
    except PayloadProblems as problems:
        return refusal(job_id, raw, policy, PayloadError(problems.problems))
    job = _JobInProgress(job_id, payload, settings, started, metrics.queue_seconds(raw, started))
    with log_lines.about(job=job_id, media=payload.media_id):
        return job.answer(listener, cancelled)


class _JobInProgress:
    """A job with a valid payload, while it is done: its media, its outputs, and what goes on record of it."""

    def __init__(
        self, job_id: str, payload: JobPayload, settings: Settings, started: datetime, queue_seconds: float | None
    ) -> None:
        self._id = job_id
        self._payload = payload
        self._settings = settings
        self._media = MediaRecord(
            media_id=payload.media_id,
            creator_id=payload.creator_id,
            media_type=payload.media_type,
            input_role=payload.input_store,
            input_key=payload.input_key,
        )
        self._outputs: Sequence[str] = payload.assets or wanted(payload.media_type, settings.extra_outputs)
        self._begun = JobRecord(
            id=job_id,
            media_id=payload.media_id,
            creator_id=payload.creator_id,
            media_type=payload.media_type,
            asked=tuple(self._outputs),
            started_at=started.isoformat(timespec="milliseconds"),
            queue_seconds=queue_seconds,
            payload=redelivery.fingerprint(self._media, self._outputs),
        )
        self._clock = time.monotonic()
        self._phases: Mapping[str, float] = {}
        self._on_record = False
        self._failed_as: str | None = None

    def answer(self, listener: Listener | None, cancelled: threading.Event | None) -> Answer:
        """Do the job. Raises `JobCancelled` alone: every other failure is an answer."""
        body: CompletedBody | FailedBody
        try:
            with open_workshop(
                self._settings, listener=listener, cancelled=cancelled, run_id=self._id, here=True
            ) as workshop:
                # The board itself, which fills: the record of a job that fails has its phases, too.
                self._phases = workshop.workspace.progress.spent
                try:
                    body, record = self._do_alone(workshop)
                except JobError as error:
                    # Here, where the tools can still be asked what they are.
                    self._failed_as = repeated_failures.signature(error, self._media, self._outputs, workshop)
                    raise
        except JobError as error:
            if isinstance(error, JobCancelled) or (cancelled is not None and cancelled.is_set()):
                self._record_cancelling()
                raise JobCancelled from None
            _log.error("job %s failed: %s: %s", self._id, error.code, error.detail or error.public)
            body, record = self._failed(error)
        except Exception as error:  # noqa: BLE001 - the boundary: whatever happens is answered
            _log.exception("job %s met something unforeseen", self._id)
            body, record = self._failed(unforeseen(error))
        return Answer(body, self._payload.reply_address, record, self._on_record)

    def _do_alone(self, workshop: Workshop) -> tuple[CompletedBody, JobRecord]:
        """Do the job while no other run writes this media."""
        leases = workshop.leases
        earlier = redelivery.earlier(self._id, self._media, self._outputs, workshop.records, workshop.stores)
        if earlier is not None and leases.end_left_switch(self._media):
            # It may have been that of a newer job.
            earlier = redelivery.earlier(self._id, self._media, self._outputs, workshop.records, workshop.stores)
        if earlier is not None:
            # It would take the media from a job that is at work on a newer upload, and publish nothing.
            return self._do(workshop, earlier)
        claim = leases.claim(self._media, from_original=MEZZANINE.name in self._outputs)
        try:
            with leases.of(self._media.media_id, claim):
                # Another delivery of it may have ended meanwhile.
                earlier = redelivery.earlier(self._id, self._media, self._outputs, workshop.records, workshop.stores)
                if earlier is not None and not earlier.is_of(claim.uploaded_at):
                    # The lease was taken for that upload, from a job that would have built it.
                    earlier = None
                return self._do(workshop, earlier)
        except Superseded:
            # One that came too late has not begun.
            self._on_record = self._on_record or _keep(workshop.records, self._begun)
            raise

    def _do(self, workshop: Workshop, earlier: Earlier | None) -> tuple[CompletedBody, JobRecord]:
        media, outputs, records = self._media, self._outputs, workshop.records
        registration.require_same(media, records)
        self._on_record = _keep(records, self._begun)
        if earlier is not None and earlier.failure is not None:
            _log.info("job %s was delivered again: its failure is announced again", self._id)
            raise earlier.failure
        if earlier is not None:
            _log.info("job %s was delivered again: what it built is announced again", self._id)
            built = list(earlier.built)
        else:
            # Single outputs that this very job has built before its worker was lost are not built again.
            built = _built_by(self._id, media, outputs, workshop) if self._payload.assets else []
        done = {record.output for record in built}
        left = [output for output in outputs if output not in done]
        # Now: a store that fails when all is published would fail a job that is done.
        stays = _stays(media, outputs, records)
        if left:
            workshop.builder.plan(media, left)
            built += materialize(media, left, workshop)
        # In one order, whoever built them: the same job is announced with the same bytes.
        # Not all of it was asked for: a master is written anew with its variants.
        built.sort(key=lambda record: OUTPUTS[media.media_type].index(record.output))
        body = announcement.completed(self._id, media, built, stays)
        seconds = time.monotonic() - self._clock
        if earlier is not None and earlier.counted:
            return body, metrics.ended(self._begun, seconds, self._phases, "completed")
        mezzanine = announcement.mezzanine_of(built, stays)
        return body, metrics.ended(self._begun, seconds, self._phases, "completed", built=built, mezzanine=mezzanine)

    def _failed(self, error: JobError) -> tuple[FailedBody, JobRecord]:
        payload, stores = self._payload, self._settings.stores()
        error = repeated_failures.final(error, self._failed_as, self._begun, RecordStore(stores.archive))
        body = webhook.failed_body(
            job_id=self._id, media_id=payload.media_id, media_type=payload.media_type, error=error
        )
        final = redelivery.final_failure(error, self._begun, self._media, stores)
        begun = self._begun.model_copy(update={"failure": final, "failed_as": self._failed_as})
        return body, metrics.ended(begun, time.monotonic() - self._clock, self._phases, "failed", error=error)

    def _record_cancelling(self) -> None:
        if self._on_record:
            seconds = time.monotonic() - self._clock
            record = metrics.ended(self._begun, seconds, self._phases, "cancelled", error=JobCancelled())
            _keep_afterwards(self._settings, record)


def _keep(records: RecordStore, record: JobRecord) -> bool:
    """Put a job into its media's history. Whether that worked: no job fails for it."""
    try:
        history.keep(records, record)
    except JobError as error:
        _log.warning("job %s could not be put on record: %s", record.id, type(error).__name__)
        return False
    return True


def _keep_afterwards(settings: Settings, record: JobRecord) -> None:
    """`_keep` of a job that is over: a store that hangs holds up the next one for a moment only."""
    with deadlines.within(deadlines.AFTERWARDS_SECONDS):
        _keep(RecordStore(settings.stores().archive), record)


def materialize(media: MediaRecord, outputs: Sequence[str], workshop: Workshop) -> list[OutputRecord]:
    """Materialize `outputs` in this process, on an instance of its own; the records that the events carry.

    Raises `RelayedError` with the first failure's facts.
    """
    keys = [dg.AssetKey([media.media_type, output]) for output in outputs]
    # Dagster's own folder would lie outside the run's, where nobody removes what a killed job leaves.
    with dg.DagsterInstance.ephemeral(tempdir=str(workshop.workspace.folder("dagster"))) as instance:
        partitions.register(instance, media.media_type, [media.media_id])
        result = dg.materialize(
            [PRODUCERS[media.media_type]],
            # The builder judges by the same rules before it publishes, and the records keep what it found; an
            # evaluation per rule, on an instance that is gone a second later, would only cost its time.
            selection=dg.AssetSelection.assets(*keys).without_checks(),
            instance=instance,
            resources={"workshop": replace(workshop, media=media)},
            tags={"dagster/partition": media.media_id},
            run_config=QUIET,
            raise_on_error=False,
        )
        if not result.success:
            raise _first_failure(result)
        events = result.get_asset_materialization_events()
    return [_record(event.materialization) for event in events]


def _stays(media: MediaRecord, outputs: Sequence[str], records: RecordStore) -> dict[str, OutputRecord]:
    """What is on record of a media's mezzanine and variants besides the `outputs` of a job, which replaces these.

    Raises `StorageError`.
    """
    names = [each.name for each in DEFINITIONS[media.media_type] if each.has_segments or each.name == MEZZANINE.name]
    known = {output: _readable(media, output, records) for output in names if output not in outputs}
    return {output: record for output, record in known.items() if record is not None}


def refusal(job_id: str, raw: object, policy: PayloadPolicy, error: JobError) -> Answer:
    """The answer to a payload that cannot be worked on, to whatever usable address it gives."""
    about = subject(raw)
    body = webhook.failed_body(job_id=job_id, media_id=about.media_id, media_type=about.media_type, error=error)
    return Answer(body, salvage(raw, policy))


def send(answer: Answer, policy: DeliveryPolicy, cancelled: threading.Event | None = None) -> dict[str, Any]:
    """Deliver the webhook, once; RunPod's result. What is not delivered, is refused, or may not have reached the
    receiver is carried whole in the result, with the start of what was answered. `cancelled`: no further attempt."""
    wire = answer.body.wire()
    if answer.address is None:
        return wire
    try:
        taken = webhook.deliver(
            *(answer.address.url, answer.address.secret, webhook.to_bytes(answer.body)),
            policy=policy,
            sleep=_pause(cancelled or threading.Event()),
        )
    except WebhookError as error:
        _log.error("the webhook was not delivered: %s", error.public)
        said = {"webhookAnswer": error.answer[:ANSWER_CHARACTERS]} if error.answer else {}
        return {"error": error.public, "errorCode": error.code, "retryable": error.retryable, "webhook": wire, **said}
    if taken.warning is None:
        return wire
    _log.warning("the webhook was answered, but %s", taken.warning)
    return {
        **wire,
        "webhook": wire,
        "webhookWarning": f"The webhook was sent, but {taken.warning}.",
        "webhookAnswer": taken.answer[:ANSWER_CHARACTERS],
    }


def _pause(cancelled: threading.Event) -> Callable[[float], None]:
    def pause(seconds: float) -> None:
        if cancelled.wait(seconds):
            raise WebhookError("The webhook was not delivered before the worker had to stop.")

    return pause


def keep_undelivered(answer: Answer, result: Mapping[str, Any], settings: Settings) -> None:
    """See to what the archive keeps of the answer's webhook, by RunPod's `result`. Raises nothing."""
    record, address = answer.record, answer.address
    announced = Announcement(
        job_id=answer.body.id,
        media_id=answer.body.output.media_id,
        body=webhook.to_bytes(answer.body),
        completed=isinstance(answer.body, CompletedBody),
        address=address,
        had_own_secret=address is not None and address.secret != settings.webhook_secret,
    )
    if record is not None:
        announced = replace(announced, asked=record.asked, begun_at=record.started_at)
    delivery.settle(RecordStore(settings.stores().archive), announced, result)


def _built_by(job_id: str, media: MediaRecord, outputs: Sequence[str], workshop: Workshop) -> list[OutputRecord]:
    known = [_readable(media, output, workshop.records) for output in outputs]
    ours = [record for record in known if record is not None and record.build and record.build.run_id == job_id]
    return [record for record in ours if redelivery.is_published([record], workshop.stores)]


def _readable(media: MediaRecord, output: str, records: RecordStore) -> OutputRecord | None:
    """A record that cannot be read is not this job's: building the output again replaces it."""
    try:
        return records.output(media.media_id, output)
    except UnreadableRecord:
        return None


def _first_failure(result: dg.ExecuteInProcessResult) -> JobError:
    for event in result.all_events:
        if event.is_step_failure:
            failure = event.step_failure_data.user_failure_data
            if failure is not None and "code" in failure.metadata:
                facts: Mapping[str, Any] = {name: entry.value for name, entry in failure.metadata.items()}
                retryable, signature = bool(facts.get("retryable")), facts.get("signature")
                said = failure.description or ""
                return RelayedError(str(facts["code"]), said, retryable=retryable, signature=signature)
    return InternalError("The worker met an unexpected problem while building.")


def _record(materialization: dg.AssetMaterialization) -> OutputRecord:
    return record_type(materialization.asset_key.path[-1]).model_validate(materialization.metadata["record"].value)
