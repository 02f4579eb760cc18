"""Kinds of failure: a code, whose fault it is, whether the same job can succeed later, and one public sentence.

Every failure that leaves a module of ours is one of these. `public` is what a creator or an operator of the platform
reads in the webhook: no path of the worker, no stderr, no secret. What an engineer needs (argv, log lines) is in
`detail`, which is for logs only.

    JobError
    |- PayloadError        the caller's: the payload breaks the contract
    |- ConfigurationError  the operator's: environment missing or contradictory
    |- SourceError         the creator's: the upload cannot be used
    |- MissingInput        the caller's: an object that the job needs is not in its store
    |- StorageError        the store's: refused (final) or unavailable (again later)
    |- ToolError           the worker's: ffmpeg, ffprobe or audiowaveform failed
    |  `- OutOfMemory      the operator's: the worker has too little memory
    |- ToolKilled          the same: the machine ended a tool
    |- VerificationError   ours: an output was built and did not pass its checks; nothing was replaced
    |- EndpointError       the operator's: RunPod's API or the endpoint's workers cannot be used
    |- OutdatedWorker      the operator's: the endpoint's workers build by other recipes
    |- QueueTimeout        the operator's: no worker of the endpoint took a job
    |- ExecutionTimeout    the operator's: RunPod ended a job that took too long
    |- WebhookError        the receiver's: outputs are published, the announcement did not arrive
    |  `- WebhookRefused   the receiver's: it arrived, and was not accepted
    |- JobCancelled        nobody's: asked to stop
    |- TimeLimit           the operator's: the job took longer than JOB_TIME_LIMIT
    |- Superseded          nobody's: a newer upload of the media has it, or was published
    |  `- LeaseLost        nobody's: another run has it, after this one hung
    |- MediaBusy           nobody's: another run kept the media for too long
    |- RelayedError        any of these, known by its code alone
    `- InternalError       ours: anything that was not foreseen
"""

from __future__ import annotations

import errno
import hashlib
import re
from collections.abc import Iterable, Sequence
from enum import StrEnum
from typing import Literal, Protocol

PUBLIC_LIMIT = 2000
"""Most characters of a public sentence (the receiver's limit)."""


_WITHOUT_ROOM = re.compile(r"No space left|Cannot allocate memory|Out of memory|Too many open files", re.IGNORECASE)

Passed = Literal["memory", "file", "time", "output"]
"""Which of the limits that we set for a tool ended it."""


class Fault(StrEnum):
    """Who has to act."""

    CALLER = "caller"
    OPERATOR = "operator"
    CREATOR = "creator"
    STORE = "store"
    WORKER = "worker"
    RECEIVER = "receiver"
    NOBODY = "nobody"


class JobError(Exception):
    """A failure with a kind. `str(error)` is the public sentence."""

    code: str = "internal_error"
    fault: Fault = Fault.WORKER
    retryable: bool = False

    def __init__(self, public: str, *, detail: str | None = None, retryable: bool | None = None) -> None:
        """`public`: the sentence, clipped to `PUBLIC_LIMIT`. `detail`: for logs. `retryable`: None, the class's own."""
        self.public = clip(public)
        self.detail = detail
        if retryable is not None:
            self.retryable = retryable
        super().__init__(self.public)

    @property
    def signature(self) -> str | None:
        """Short text that is the same for another failure of this kind, with the same words and numbers; None for one
        that depends on what goes on around the work."""
        return None


class PayloadError(JobError):
    """The payload breaks the contract. `problems` holds one sentence per field."""

    code = "invalid_payload"
    fault = Fault.CALLER

    def __init__(self, problems: Sequence[str]) -> None:
        self.problems = tuple(problems)
        super().__init__("The job payload is not valid: " + "; ".join(self.problems) + ".")


class ConfigurationError(JobError):
    """A setting is missing, not valid, or contradicts another one."""

    code = "worker_misconfigured"
    fault = Fault.OPERATOR


class SourceCode(StrEnum):
    """What is wrong with an upload, as the webhook's `errorCode` says it (docs/errors.md)."""

    EMPTY = "source_empty"
    NOT_MEDIA = "source_not_media"
    ELSEWHERE = "source_elsewhere"
    WRONG_TYPE = "source_wrong_type"
    NO_STREAM = "source_no_stream"
    TRUNCATED = "source_truncated"
    DAMAGED = "source_damaged"
    UNSUPPORTED = "source_unsupported"
    ENCRYPTED = "source_encrypted"
    TOO_LARGE = "source_too_large"
    TOO_LONG = "source_too_long"
    TOO_COMPLEX = "source_too_complex"


class SourceError(JobError):
    """The upload cannot be used. Its code says in which way."""

    code = SourceCode.DAMAGED.value
    fault = Fault.CREATOR

    def __init__(self, public: str, code: SourceCode = SourceCode.DAMAGED, *, detail: str | None = None) -> None:
        super().__init__(public, detail=detail)
        self.code = code.value


class MissingInput(JobError):
    """An object that the job needs is not in its store."""

    code = "input_not_found"
    fault = Fault.CALLER


class StorageError(JobError):
    """A store refused a request (not retryable), or was unavailable (retryable)."""

    code = "storage_failed"
    fault = Fault.STORE
    retryable = True


def disk_full(doing: str, *, detail: str | None = None) -> StorageError:
    """The error of work that the worker's own disk has no room for. `doing`: what was being done ("encoding")."""
    return StorageError(
        f"The worker's disk filled up while {doing}; give the endpoint a larger container disk.", detail=detail
    )


def is_disk_full(error: OSError) -> bool:
    """Whether a file of this machine could not be written for lack of room."""
    return error.errno in (errno.ENOSPC, errno.EDQUOT)


class ToolError(JobError):
    """A tool failed. `label` says what it was doing; `log` holds its tagged lines, first errors first.

    The first line tagged as an error is the cause, later ones are consequences; both stay in `detail`. `passed` is the
    limit of ours that ended it.
    """

    code = "tool_failed"
    fault = Fault.WORKER
    retryable = True
    sentence = "The worker failed while {}."

    def __init__(
        self,
        label: str,
        *,
        argv: Sequence[str] = (),
        exit_code: int | None = None,
        log: Sequence[str] = (),
        reason: str | None = None,
        retryable: bool | None = None,
        passed: Passed | None = None,
    ) -> None:
        self.passed = passed
        self.label = label
        self.argv = tuple(argv)
        self.exit_code = exit_code
        self.log = tuple(log)
        self.reason = reason or (self.log[0] if self.log else "no reason given")
        super().__init__(
            self.sentence.format(label),
            detail=f"{label}: exit {exit_code}: {self.reason}\n" + "\n".join(self.log[:40]),
            retryable=retryable,
        )

    @property
    def signature(self) -> str | None:
        # A machine that is short of memory or time, or that ends its processes, may be better off later.
        by_signal = self.exit_code is not None and (self.exit_code < 0 or self.exit_code > 128)
        if (
            by_signal
            or self.exit_code is None
            or self.passed in ("memory", "time")
            or _WITHOUT_ROOM.search(self.reason)
        ):
            return None
        reason = re.sub(r"0x[0-9a-f]+|/\S+", "", self.reason)
        return _digest(f"{self.code}: {self.label}: {self.exit_code}: {reason}")


class OutOfMemory(ToolError):
    """The machine had no memory for a tool, or ended it to have some for others."""

    code = "out_of_memory"
    fault = Fault.OPERATOR
    sentence = "The worker ran out of memory while {}; give the endpoint workers with more memory."


class ToolKilled(JobError):
    """The machine ended a tool, as one does that has no memory left. That says nothing of what the tool was looking at,
    so it is no `ToolError`: nobody who asks a tool about a file takes it for an answer."""

    code = OutOfMemory.code
    fault = OutOfMemory.fault
    retryable = OutOfMemory.retryable

    def __init__(self, ended: OutOfMemory) -> None:
        super().__init__(ended.public, detail=ended.detail)


class BrokenRule(Protocol):
    """What an error says of a finding: the output, the rule that it breaks, and a public sentence."""

    @property
    def output(self) -> str: ...
    @property
    def rule(self) -> str: ...
    @property
    def message(self) -> str: ...


class VerificationError(JobError):
    """An output did not pass its checks, so nothing was published.

    `failures`: findings that forbid it.
    """

    code = "verification_failed"
    fault = Fault.WORKER
    retryable = True

    def __init__(self, failures: Iterable[BrokenRule]) -> None:
        self.failures = tuple(failures)
        reasons = "; ".join(f"{failure.output} failed {failure.rule}: {failure.message}" for failure in self.failures)
        super().__init__(f"Outputs did not pass verification and were not published: {reasons}")

    @property
    def signature(self) -> str | None:
        return _digest(f"{self.code}: {self.public}")


class EndpointError(JobError):
    """RunPod's API, or the endpoint's workers, cannot be used."""

    code = "endpoint_failed"
    fault = Fault.OPERATOR
    retryable = True


class OutdatedWorker(JobError):
    """Outputs were built and published by other recipes than those that asked for them."""

    code = "worker_outdated"
    fault = Fault.OPERATOR


class QueueTimeout(JobError):
    """No worker of the endpoint took a job in time."""

    code = "queue_timeout"
    fault = Fault.OPERATOR
    retryable = True


class ExecutionTimeout(JobError):
    """RunPod ended a job that took too long."""

    code = "timed_out"
    fault = Fault.OPERATOR


class WebhookError(JobError):
    """The webhook did not arrive. `answer`: the start of what the receiver answered; empty if it did not."""

    code = "webhook_undelivered"
    fault = Fault.RECEIVER
    retryable = True

    def __init__(
        self, public: str, *, detail: str | None = None, retryable: bool | None = None, answer: str = ""
    ) -> None:
        super().__init__(public, detail=detail, retryable=retryable)
        self.answer = answer


class WebhookRefused(WebhookError):
    """The webhook arrived, and the receiver did not accept it."""

    code = "webhook_refused"
    retryable = False


class JobCancelled(JobError):
    """The job was asked to stop."""

    code = "job_cancelled"
    fault = Fault.NOBODY
    retryable = True

    def __init__(self, public: str = "The job was cancelled before it was done.", *, retryable: bool = True) -> None:
        super().__init__(public, retryable=retryable)


class TimeLimit(JobError):
    """The job took longer than a worker lets it."""

    code = "time_limit"
    fault = Fault.OPERATOR
    retryable = True

    def __init__(self, seconds: float) -> None:
        super().__init__(f"The job took longer than the {seconds:,.0f} seconds that JOB_TIME_LIMIT allows.")


class Superseded(JobError):
    """A newer upload of the media has taken it over, or was published. This run has replaced nothing of that."""

    code = "superseded"
    fault = Fault.NOBODY

    def __init__(self, media_id: str) -> None:
        super().__init__(
            f"A newer upload of media {media_id} took its place, so this job ended; send the job of the newest upload "
            "if it was not sent yet."
        )


class LeaseLost(Superseded):
    """The media was taken over by a run of which nobody knows that it has a newer upload: this worker hung for so long
    that it was taken for dead."""

    code = "media_busy"
    retryable = True

    def __init__(self, media_id: str) -> None:
        JobError.__init__(
            self,
            f"This worker hung for so long that another run took over media {media_id}; send the job again.",
        )


class MediaBusy(JobError):
    """Another run was building the media for as long as this one may wait."""

    code = "media_busy"
    fault = Fault.NOBODY
    retryable = True

    def __init__(self, media_id: str) -> None:
        super().__init__(f"Another run was still building media {media_id} when this one stopped waiting for it.")


class RelayedError(JobError):
    """A failure that crossed a boundary which keeps no classes (Dagster's events): it has the code, the
    sentence, `retryable` and the signature of the error that it stands for."""

    def __init__(self, code: str, public: str, *, retryable: bool, signature: str | None = None) -> None:
        super().__init__(public, retryable=retryable)
        self.code = code
        self._signature = signature

    @property
    def signature(self) -> str | None:
        return self._signature


class InternalError(JobError):
    """Anything unforeseen: only the class of the exception is public, its text may hold a path or a secret."""

    code = "internal_error"
    fault = Fault.WORKER
    retryable = True

    @classmethod
    def of(cls, error: BaseException) -> InternalError:
        """The failure that stands for an exception which nobody foresaw."""
        return cls(f"The worker met an unexpected problem ({type(error).__name__}).")

    @property
    def signature(self) -> str | None:
        return _digest(f"{self.code}: {self.public}")


def unforeseen(error: BaseException) -> JobError:
    """The failure that an exception stands for which nobody translated where it arose."""
    if isinstance(error, OSError) and is_disk_full(error):
        return disk_full("building", detail=type(error).__name__)
    if isinstance(error, MemoryError) or (isinstance(error, OSError) and error.errno == errno.ENOMEM):
        return OutOfMemory("building", reason=type(error).__name__)
    return InternalError.of(error)


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def clip(text: str, limit: int = PUBLIC_LIMIT) -> str:
    """`text` within `limit` characters, cut between characters and marked with an ellipsis."""
    return text if len(text) <= limit else text[: limit - 1].rstrip() + "…"
