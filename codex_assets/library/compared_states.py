"""Which two states of a media are compared, by the recipes and the runs that somebody names.

One that is named is compared with what is published; without any, what is published is compared with what today's
recipe would make of it. In: that choice. Out: the states themselves (`what_if.py`, `built_runs.py`) and what is
measured of them (`comparison.py`).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from codex_assets.build.encoders import EncoderMode
from codex_assets.errors import MissingInput
from codex_assets.library import built_runs
from codex_assets.library.built_runs import BuiltRun
from codex_assets.library.comparison import ComparedState, published_rungs
from codex_assets.library.published_media import PublishedMedia
from codex_assets.library.what_if import WhatIfBuild
from codex_assets.media.recipe_changes import ChangedRecipe
from codex_assets.storage.objects import Stores
from codex_assets.system.tools import Tools
from codex_assets.system.workspace import Workspace

FORMER = "former"
"""Stands for the run whose rungs were replaced last."""
NamedRecipe = tuple[str, Sequence[ChangedRecipe]]
"""A recipe as somebody wrote it, and as it was read."""


@dataclass(frozen=True)
class States:
    """The states of one media. `folder`: keeps what is built for as long as they are looked at."""

    published: PublishedMedia
    stores: Stores
    tools: Tools
    workspace: Workspace
    folder: Path
    encoder: EncoderMode = EncoderMode.AUTO

    def chosen(self, recipes: Sequence[NamedRecipe], runs: Sequence[str]) -> tuple[ComparedState, ComparedState]:
        """The two that these name, two at most together: runs first, and what is published before a recipe and after a
        run. Raises `JobError`."""
        if not recipes and not runs:
            return self._published(), self._today()
        known = built_runs.runs_of(self.published, self.stores) if runs else []
        of_runs = [self._run(run_id, known, f"run-{number}") for number, run_id in enumerate(runs)]
        rungs = self._rungs_of(recipes, of_runs)
        names = ["what if"] if len(recipes) == 1 else ["first", "second"]
        of_recipes = [
            self._build(each, rungs, name, f"recipe-{number}")
            for number, (each, name) in enumerate(zip(recipes, names, strict=False))
        ]
        sides = [*of_runs, *of_recipes]
        if len(sides) == 1:
            sides.insert(len(of_runs), self._published())
        return sides[0], sides[1]

    def _published(self) -> ComparedState:
        return ComparedState("published", "as it is published", self.stores, published_rungs(self.published))

    def _today(self) -> ComparedState:
        stale = [rung for rung in published_rungs(self.published) if rung in self.published.stale]
        if not stale:
            runs = self._known(built_runs.runs_of(self.published, self.stores))
            raise MissingInput(
                f"No rung of `{self.published.media.media_id}` would come out differently today. Name another recipe "
                f"with `--recipe`, or a run with `--run`. {runs}"
            )
        about = "as a rebuild would make it today"
        return self._what_if().run(self.published, (), stale, self.folder / "today", "rebuilt", about)

    def _run(self, run_id: str, known: Sequence[BuiltRun], name: str) -> ComparedState:
        chosen = next((run for run in known if run.run_id == run_id), None)
        if chosen is None and run_id == FORMER:
            replaced = (run for run in known if run.replaced)
            chosen = max(replaced, key=lambda run: max(run.replaced.values()), default=None)
            if chosen is None:
                raise MissingInput(f"Nothing that was replaced can be played any more. {self._known(known)}")
        if chosen is None:
            raise MissingInput(f"No rung that run `{run_id}` built can be played. {self._known(known)}")
        return built_runs.side_of(chosen, self.published, self.stores, self.folder / name)

    def _known(self, runs: Sequence[BuiltRun]) -> str:
        if not runs:
            return "None of its rungs is built."
        return f"Runs whose rungs can be played: {'; '.join(map(str, runs))}."

    def _rungs_of(self, recipes: Sequence[NamedRecipe], runs: Sequence[ComparedState]) -> list[str]:
        """The rungs that both sides are to have, where recipes are named."""
        named = {output for _, changes in recipes for change in changes for output in change.outputs}
        rungs = [rung for rung in published_rungs(self.published) if rung in named]
        rungs = [rung for rung in rungs if all(rung in side.rungs for side in runs)]
        if recipes and not rungs:
            raise MissingInput(f"Media `{self.published.media.media_id}` has none of these rungs.")
        return rungs

    def _build(self, recipe: NamedRecipe, rungs: Sequence[str], name: str, folder: str) -> ComparedState:
        text, changes = recipe
        return self._what_if().run(self.published, changes, rungs, self.folder / folder, name, f"with `{text}`")

    def _what_if(self) -> WhatIfBuild:
        return WhatIfBuild(self.stores, self.tools, self.workspace, self.encoder)
