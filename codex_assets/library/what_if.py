"""What a media's rungs would be by another recipe, or by today's: they are built, and not published.

For the time of a build this process's profile has other numbers, so that it does nothing else meanwhile.
In: what is built. Out: which numbers there are (`media/recipe_changes.py`), and what is measured (`comparison.py`).
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from codex_assets.archive.records import VariantRecord
from codex_assets.build.builder import LocalBuilder
from codex_assets.build.encoders import EncoderMode, Encoders
from codex_assets.library.comparison import ComparedState, published_rungs
from codex_assets.library.published_media import PublishedMedia
from codex_assets.media import profile
from codex_assets.media.recipe_changes import ChangedRecipe
from codex_assets.storage.objects import Stores
from codex_assets.storage.overlay import overlaid
from codex_assets.system.tools import Tools
from codex_assets.system.workspace import Workspace


@contextmanager
def other_numbers(numbers: Mapping[str, Any]) -> Iterator[None]:
    """Let this process's profile have these values, by their names there, during the block."""
    before = {name: getattr(profile, name) for name in numbers}
    try:
        # The whole package reads them there. A profile is constant for everybody else: a type checker must not let them
        # assign to it by its plain names.
        vars(profile).update(numbers)
        yield
    finally:
        vars(profile).update(before)


@dataclass(frozen=True)
class WhatIfBuild:
    """How it is built: in `workspace`."""

    stores: Stores
    tools: Tools
    workspace: Workspace
    encoder: EncoderMode = EncoderMode.AUTO

    def run(
        self,
        published: PublishedMedia,
        recipes: Sequence[ChangedRecipe],
        rungs: Collection[str],
        folder: Path,
        name: str,
        about: str,
    ) -> ComparedState:
        """Build these rungs of those that are published, each by the recipe that names it, or by today's. What would be
        published is kept in `folder`. Raises `JobError`, also where it would break a rule."""
        wanted = [rung for rung in published_rungs(published) if rung in rungs]
        changed = {output: recipe.numbers for recipe in recipes for output in recipe.outputs}
        overlay = overlaid(self.stores, folder)
        built: dict[str, VariantRecord] = {}
        while wanted:
            numbers = changed.get(wanted[0], {})
            alike = [rung for rung in wanted if changed.get(rung, {}) == numbers]
            wanted = [rung for rung in wanted if rung not in alike]
            with other_numbers(numbers):
                encoders = Encoders(self.encoder, self.tools)
                builder = LocalBuilder(overlay, self.tools, encoders, self.workspace)
                built |= {
                    record.output: record
                    for record in builder.build(published.media, alike)
                    if isinstance(record, VariantRecord)
                }
        return ComparedState(name, about, overlay, built)
