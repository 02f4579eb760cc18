"""Which H.264 encoder a run uses, and what happens when it fails: NVENC where a trial encode works, else x264.

An encoder that ffmpeg lists need not work (no driver, no hardware unit, all sessions taken), so it is tried with the
options of the real encodes: once per worker, because a driver in trouble takes its time, and processes of one worker
pass its outcome on (`remember`, `on_trial`). A real encode that fails on NVENC all the same is repeated with x264,
which is then used for the rest of the run; the reason is kept for the log and the receipt.
"""

from __future__ import annotations

import logging
import re
import threading
from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from typing import TypeVar

from codex_assets.errors import ToolError
from codex_assets.media import profile
from codex_assets.media.encode import ladder
from codex_assets.system.tools import Tools, Trial

_PASSING = re.compile(r"out of memory|OpenEncodeSessionEx failed: incompatible client key|\bbusy\b", re.IGNORECASE)
"""What the encoder says when other programs have taken its sessions or its memory: the next job may have more luck."""

_log = logging.getLogger(__name__)

Result = TypeVar("Result")


class EncoderMode(StrEnum):
    """What the operator asked for. `nvenc` skips the trial; a failing encode falls back all the same."""

    AUTO = "auto"
    NVENC = "nvenc"
    X264 = "x264"


@dataclass(frozen=True)
class EncoderChoice:
    """The encoder that was chosen for an encode, and the reason for it, a sentence for the log and the receipt."""

    row: profile.EncoderRow
    reason: str


class _TrialMemory:
    """The outcome of the trial encode on this machine, as far as this process knows it: None before it, and after one
    that failed for a reason that may pass.

    A thread that asks while another one tries waits for that outcome.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._trial: Trial | None = None
        self._listener: Callable[[Trial | None], None] | None = None

    def trial(self) -> Trial | None:
        return self._trial

    def keep(self, trial: Trial | None) -> None:
        self._trial = trial

    def listen(self, listener: Callable[[Trial | None], None]) -> None:
        self._listener = listener

    def tried(self, tools: Tools) -> Trial:
        """The outcome that is known, else that of a trial now."""
        with self._lock:
            if self._trial is not None:
                return self._trial
            trial = tools.try_encode(ladder.trial_arguments(profile.NVENC))
            if not _PASSING.search(trial.reason):
                self._set(trial)
            return trial

    def forget_success(self) -> None:
        """NVENC failed after a trial that worked: whoever asks next tries again."""
        with self._lock:
            if self._trial is not None and self._trial.works:
                self._set(None)

    def _set(self, trial: Trial | None) -> None:
        self._trial = trial
        if self._listener is not None:
            self._listener(trial)


_memory = _TrialMemory()


def remember(trial: Trial | None) -> None:
    """Take over the outcome of a trial in another process of this worker, instead of a trial here. None forgets it."""
    _memory.keep(trial)


def remembered() -> Trial | None:
    """The outcome of the trial as this process knows it; None when it has to be tried (again)."""
    return _memory.trial()


def on_trial(listener: Callable[[Trial | None], None]) -> None:
    """Call `listener` with the outcome of a trial in this process, and with None when it does not hold any more."""
    _memory.listen(listener)


def try_nvenc(tools: Tools) -> Trial:
    """Whether NVENC encodes with the options of the real encodes. Tried once in the life of a worker."""
    return _memory.tried(tools)


def gpu_model(tools: Tools) -> str | None:
    """The model of the GPU; None where there is none, and where its driver hung before: it would hang again."""
    trial = remembered()
    return None if trial is not None and trial.hung else tools.gpu()


def choose(mode: EncoderMode, tools: Tools) -> EncoderChoice:
    """The encoder of a worker. `auto` costs one trial encode in the worker's life."""
    if mode is EncoderMode.X264:
        return EncoderChoice(profile.X264, "x264 was asked for")
    if mode is EncoderMode.NVENC:
        return EncoderChoice(profile.NVENC, "NVENC was asked for")
    trial = try_nvenc(tools)
    if trial.works:
        return EncoderChoice(profile.NVENC, trial.reason)
    return EncoderChoice(profile.X264, f"NVENC does not work here: {trial.reason}")


class Encoders:
    """The encoder of one run: chosen when first needed, replaced for the rest of the run when it fails."""

    def __init__(self, mode: EncoderMode, tools: Tools) -> None:
        self._mode, self._tools = mode, tools
        self._choice: EncoderChoice | None = None
        self._lock = threading.Lock()

    def current(self) -> EncoderChoice:
        """The encoder that the next encode of this run begins with."""
        with self._lock:
            if self._choice is None:
                self._choice = choose(self._mode, self._tools)
                _log.info("encoder: %s (%s)", self._choice.row.name, self._choice.reason)
            return self._choice

    def encode(
        self, run: Callable[[profile.EncoderRow], Result], *, smallest_side: int
    ) -> tuple[Result, EncoderChoice]:
        """Call `run` with the encoder of this run, or with x264 where that one fails or takes no such small pictures.

        `smallest_side`: in pixels, of all pictures that `run` encodes. Returns the result of `run`, and the encoder
        that gave it. Raises what `run` raises on x264.
        """
        choice = self.current()
        if choice.row is profile.X264:
            return run(choice.row), choice
        if smallest_side < choice.row.minimum_side:
            small = EncoderChoice(profile.X264, f"NVENC takes no pictures under {choice.row.minimum_side} pixels")
            return run(small.row), small
        try:
            return run(choice.row), choice
        except ToolError as error:
            fallback = EncoderChoice(profile.X264, f"NVENC failed: {error.reason}")
            _log.warning("falling back to x264 for this run: %s", error.detail)
            _memory.forget_success()
        with self._lock:
            self._choice = fallback
        return run(fallback.row), fallback
