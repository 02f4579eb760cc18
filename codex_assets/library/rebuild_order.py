"""What a rebuild is asked to build: of which media, which outputs, and what of that cannot be built.

In: the order as an engineer gives it, and its targets by what the catalogue says. Not here: what is stale
(`staleness.py`), and how an order is carried out (`rebuild.py`).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

from codex_assets.library.catalogue import Catalogue, RebuildTarget
from codex_assets.library.selection import Where
from codex_assets.library.staleness import REBUILT
from codex_assets.media.outputs import MASTER, MEZZANINE, is_variant


@dataclass(frozen=True)
class RebuildOrder:
    """What is to be rebuilt.

    `where` is a condition as `--where` has it, and `media_ids` restricts it to these media, or () to none. `outputs`:
    these alone, or () for all; `also_fresh`: what is not stale too. `tools`: versions by tool, where what others built
    is meant too.
    """

    where: str = ""
    media_ids: tuple[str, ...] = ()
    outputs: tuple[str, ...] = ()
    also_fresh: bool = False
    tools: Mapping[str, str] | None = None

    def condition(self) -> Where:
        """Both conditions in one. Raises `ValueError` for a `where` that is no condition."""
        given = Where.parse(self.where)
        if not self.media_ids:
            return given
        both = [media_id for media_id in self.media_ids if given.media_ids is None or media_id in given.media_ids]
        return replace(given, media_ids=tuple(both))

    def targets(self, catalogue: Catalogue) -> list[RebuildTarget]:
        """What is to be built of all media that are meant."""
        return catalogue.targets(
            self.condition(), self.outputs or None, stale_only=not self.also_fresh, tools=self.tools
        )

    def stale_outputs(self, catalogue: Catalogue, media_id: str) -> tuple[str, ...]:
        """What of one media is meant and stale now. The master is meant wherever variants are: it follows them."""
        names = self.outputs or None
        if names is not None and any(map(is_variant, names)):
            names = (*names, MASTER.name)
        targets = catalogue.targets(Where(media_ids=(media_id,)), names, tools=self.tools)
        return targets[0].outputs if targets else ()


@dataclass(frozen=True)
class Unbuildable:
    """What was asked for and cannot be built: one output, or a whole media where `output` is None."""

    media_id: str
    output: str | None
    reason: str
    is_unknown: bool = False
    """There is no media of this id."""


def unbuildable(catalogue: Catalogue, order: RebuildOrder) -> list[Unbuildable]:
    """What of the order cannot be built, and why; what is fresh is left out unless it was asked for."""
    blocked: list[Unbuildable] = []
    known = set()
    for media_id, _, verdicts in catalogue.verdicts(order.condition(), tools=order.tools, asked=order.outputs):
        known.add(media_id)
        for verdict in verdicts.values():
            is_meant = not order.outputs or verdict.output in order.outputs
            is_due = any(cause.reason in REBUILT for cause in verdict.causes) or (
                order.also_fresh and verdict.applicable
            )
            reason = verdict.blocked
            if verdict.needs_mezzanine and order.outputs and MEZZANINE.name not in order.outputs:
                reason = "its mezzanine was never built, or is gone: name it, too"
            if is_meant and is_due and reason is not None:
                blocked.append(Unbuildable(media_id, verdict.output, reason))
    if not order.where:
        missing = [media_id for media_id in order.media_ids if media_id not in known]
        sentences = {
            refusal.media.media_id: f"its upload was refused: {refusal.sentence}"
            for refusal in (catalogue.refused(Where(media_ids=tuple(missing))) if missing else ())
        }
        blocked += [
            Unbuildable(
                media_id,
                None,
                sentences.get(media_id, "there is no media of this id"),
                is_unknown=media_id not in sentences,
            )
            for media_id in missing
        ]
    return blocked
