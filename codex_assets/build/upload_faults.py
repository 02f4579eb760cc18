"""Whose fault it is that a tool failed on an upload: the upload's, which is then refused, or the worker's.

In: what a failed run says, and the error that the job ends with because of it. Out: how tools word it
(`media/ffmpeg_words`), and the sentences for creators (`media/upload/refusals`).
"""

from __future__ import annotations

import signal
from pathlib import Path

from codex_assets.errors import JobError, SourceError, ToolError
from codex_assets.media import decoders, ffmpeg_words
from codex_assets.media.upload import codec_names, intake, refusals
from codex_assets.media.upload.refusals import UploadRefusal

_CRASHES = {-number for number in (signal.SIGSEGV, signal.SIGABRT, signal.SIGBUS, signal.SIGFPE, signal.SIGILL)}
"""Exit codes of a tool that a file has brought down."""
_WORKER_TROUBLE = (*ffmpeg_words.NOT_WRITTEN, "passed its limit", "made no progress")
_READ_ERROR = "Input/output error"
_BEGINNINGS_WITHOUT_INDEX = (b"ftyp", b"mdat", b"moov", b"wide", b"free", b"skip")
"""How an MP4 or QuickTime file begins."""
_RESOURCES = {"memory": "memory", "file": "disk space", "time": "time", "output": "memory"}
"""A limit of a tool's run (`ToolError.passed`) -> what an upload that passes it needs too much of."""


def probe_error(error: ToolError, head: bytes, source: Path) -> JobError:
    """The error of a job whose upload cannot be probed: `error` itself where the worker was in trouble.

    `head`: the beginning and the end of the file.
    """
    common = _common_error(error, source)
    if common is not None:
        return common
    text = "\n".join([error.reason, *error.log])
    if "moov atom not found" in text and head[4:8] in _BEGINNINGS_WITHOUT_INDEX:
        return refusals.CUT_BEFORE_INDEX.error(error.detail)
    codec = decoders.refused(text)
    refusal = intake.unreadable(head) if codec is None else refusals.not_decoded(codec)
    return refusal.error(error.detail)


def decode_error(error: ToolError, source: Path) -> JobError:
    """The error of a job whose upload cannot be decoded on the CPU: `error` itself where the worker was in trouble."""
    common = _common_error(error, source)
    if common is not None:
        return common
    text = "\n".join([error.reason, *error.log])
    unsupported = ffmpeg_words.NO_DECODER.search(text)
    codec = decoders.refused(text)
    if unsupported is not None or codec is not None:
        name = codec if unsupported is None else unsupported[1] or unsupported[2]
        return refusals.not_decoded(name or codec_names.UNKNOWN).error(error.detail)
    return refusals.UNDECODABLE.error(error.detail)


def require_no_worker_trouble(error: ToolError, source: Path) -> None:
    """Raises `error` where it says nothing of the upload: what the worker could not look at is not unknown."""
    if error.passed is None and is_worker_trouble(error, source):
        raise error


def require_an_answer(error: ToolError, source: Path) -> None:
    """As `require_no_worker_trouble`; raises `error` also where the upload passed a limit, by which it is refused."""
    if error.passed is not None or is_worker_trouble(error, source):
        raise error


def is_worker_trouble(error: ToolError, source: Path) -> bool:
    """Whether the worker itself was in trouble: full, too slow, or told to end its processes."""
    was_killed = error.exit_code is not None and error.exit_code < 0 and error.exit_code not in _CRASHES
    text = f"{error.reason} {error.detail}"
    # Some demuxers say so of a file that ends too early.
    is_unread = _READ_ERROR in text and not _is_readable(source)
    return was_killed or is_unread or any(words in text for words in _WORKER_TROUBLE)


def refused_size(text: str) -> UploadRefusal | None:
    """The refusal of a picture that ffmpeg makes no room for, by what it logged; None when it logged no such thing.

    ffmpeg then leaves the size out of what it reports of the track.
    """
    pixels = ffmpeg_words.PICTURE_TOO_LARGE.search(text)
    return refusals.too_large(pixels[1], pixels[2]) if pixels is not None else None


def _common_error(error: ToolError, source: Path) -> JobError | None:
    """What ends a job in the same way whatever the tool was to do; None for anything else."""
    if error.passed is not None:
        return _over_limit(error, error.passed)
    if is_worker_trouble(error, source):
        return error
    too_large = refused_size("\n".join([error.reason, *error.log]))
    return too_large.error(error.detail) if too_large is not None else None


def _over_limit(error: ToolError, limit: str) -> SourceError:
    return refusals.needs_too_much(_RESOURCES[limit]).error(error.detail)


def _is_readable(source: Path) -> bool:
    try:
        with source.open("rb") as file:
            while file.read(1 << 24):
                pass
    except OSError:
        return False
    return True
