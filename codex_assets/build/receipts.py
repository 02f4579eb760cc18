"""The receipt of an output: what it was made from, by which recipe and tools, how long that took, and what it cost.

In: the facts of a run that every receipt of it names. Out: what a receipt is on disk (`archive/records.Build`), and
what the whole job took (`worker/metrics.py`).
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial

from codex_assets.archive.records import Build
from codex_assets.build.encoders import EncoderChoice, gpu_model
from codex_assets.build.phases import Phase
from codex_assets.media import profile, recipe
from codex_assets.system.process import ToolRun
from codex_assets.system.tools import Tools
from codex_assets.system.workspace import Workspace


@dataclass(frozen=True)
class Work:
    """The beginning of the work on some outputs, which share its time: when it was, and what each phase of the run had
    taken by then."""

    started: float
    """Seconds of the monotonic clock."""
    spent_before: Mapping[str, float]
    """Seconds by phase."""


@dataclass(frozen=True)
class Encode:
    """The run of ffmpeg that encoded an output, and how many seconds of media went through it.

    `choice` is the picture's encoder; None where there is no picture.
    """

    run: ToolRun
    media_seconds: float
    choice: EncoderChoice | None = None

    @property
    def speed(self) -> float | None:
        """Against real time."""
        if not self.media_seconds or not self.run.seconds:
            return None
        return round(self.media_seconds / self.run.seconds, 2)


class Receipts:
    """Writes the receipts of one run. `price` gives what a second of this worker costs (USD), by its GPU."""

    def __init__(
        self,
        tools: Tools,
        workspace: Workspace,
        *,
        run_id: str | None,
        price: Callable[[str | None], float | None],
    ) -> None:
        self._tools, self._workspace = tools, workspace
        self._run_id, self._price = run_id, price
        self._gpu: str | None = None
        """The worker's GPU, once an output used it: from then on the others cost its time too."""

    def begin(self) -> Work:
        """The work on some outputs begins now."""
        return Work(time.monotonic(), dict(self._workspace.progress.spent))

    def draft(
        self,
        media_type: str,
        output: str,
        inputs: Mapping[str, str],
        encode: Encode | None = None,
        *,
        variant: str | None = None,
    ) -> Build:
        """The receipt of an output as far as it is known before it is verified; `complete` and `published` add time
        and cost.

        `inputs`: the data version of each output that it was made from, or the hash of the original. `variant`: the
        rung that a preview is cut from. `encode`: None for what ffmpeg did not encode.
        """
        choice = encode.choice if encode is not None else None
        return Build(
            built_at=datetime.now(UTC).isoformat(timespec="milliseconds"),
            wall_seconds=0.0,
            encode_seconds=round(encode.run.seconds, 3) if encode is not None else None,
            speed=encode.speed if encode is not None else None,
            encoder=choice.row.codec if choice is not None else None,
            encoder_reason=choice.reason if choice is not None else None,
            tool_versions=self._tool_versions(with_x264=choice is not None and choice.row is profile.X264),
            inputs=dict(inputs),
            recipe=recipe.numbers(media_type, output, variant),
            gpu=self._gpu_model() if choice is not None and choice.row is profile.NVENC else None,
            run_id=self._run_id,
        )

    def complete(self, receipt: Build, work: Work, *, outputs: int) -> Build:
        """The receipt when the output is verified: the work's time, by phase, and the part of its cost that falls on
        one of so many `outputs`."""
        wall_seconds = time.monotonic() - work.started
        spent = self._workspace.progress.spent
        phases = {name: seconds - work.spent_before.get(name, 0.0) for name, seconds in spent.items()}
        usd_per_second = self._price(self._gpu)
        return receipt.model_copy(
            update={
                "wall_seconds": round(wall_seconds, 3),
                "phases": {name: round(seconds, 3) for name, seconds in phases.items() if seconds > 0},
                "shared": outputs,
                "cost_usd": None if usd_per_second is None else round(wall_seconds * usd_per_second / outputs, 6),
            }
        )

    def published(self, receipt: Build, seconds: float) -> Build:
        """The receipt of an output whose part of publishing took so many seconds: they count for all that share it."""
        spent, usd_per_second = seconds * receipt.shared, self._price(self._gpu)
        phases = receipt.phases | {Phase.PUBLISHING.value: round(spent, 3)}
        cost = None if receipt.cost_usd is None or usd_per_second is None else seconds * usd_per_second
        return receipt.model_copy(
            update={
                "wall_seconds": round(receipt.wall_seconds + spent, 3),
                "phases": {name: taken for name, taken in phases.items() if taken > 0},
                "cost_usd": None if cost is None or receipt.cost_usd is None else round(receipt.cost_usd + cost, 6),
            }
        )

    def _gpu_model(self) -> str | None:
        self._gpu = self._workspace.once("gpu", lambda: gpu_model(self._tools))
        return self._gpu

    def _tool_versions(self, *, with_x264: bool) -> dict[str, str]:
        tools = ("ffmpeg", "audiowaveform", *(("x264",) if with_x264 else ()))
        return {
            tool: self._workspace.once(f"version of {tool}", partial(self._tools.version, tool)) or "missing"
            for tool in tools
        }
