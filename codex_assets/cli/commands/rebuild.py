"""`codex-assets rebuild`: build outputs again, of one media or of thousands.

Exit code: 0 when everything was built, 1 when something failed, 2 when it could not be begun, 3 when it was paused
because too many failed, 130 when it was stopped.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from contextlib import ExitStack
from typing import Annotated, Any

import typer

from codex_assets.cli import command_frame, console, progress
from codex_assets.cli.command_frame import FAILED, INTERRUPTED, UNCHECKED, AsJson, Store
from codex_assets.cli.commands import stale
from codex_assets.cli.views import rebuild as views_rebuild
from codex_assets.cli.views import stale as views_stale
from codex_assets.cli.views.rebuild import rebuilt
from codex_assets.config import settings as configuration
from codex_assets.library import costs, selection
from codex_assets.library import rebuild as backfill
from codex_assets.library.rebuild import Journal, Limits, Order, Rebuild, Refusal, Summary
from codex_assets.system.workspace import Listener

PAUSED = 3


def rebuild(
    media: Annotated[
        list[str] | None, typer.Argument(metavar="[MEDIA]...", help="Ids of media.", show_default=False)
    ] = None,
    assets: Annotated[
        str | None,
        typer.Option("--assets", help="Only these outputs, such as `hls_720p,thumbnail`.", show_default=False),
    ] = None,
    where: Annotated[str | None, typer.Option("--where", help=selection.HELP, show_default=False)] = None,
    also_fresh: Annotated[
        bool, typer.Option("--also-fresh", help="Build what is not stale as well. By default only what is stale.")
    ] = False,
    plan: Annotated[bool, typer.Option("--plan", help="Only say what it would take and cost.")] = False,
    workers: Annotated[
        int | None, typer.Option("--workers", min=1, help="Media that are built at once.", show_default=False)
    ] = None,
    canary: Annotated[
        str, typer.Option("--canary", help="Go first and are judged as published: a share, or a number of media.")
    ] = "1%",
    max_failures: Annotated[
        str, typer.Option("--max-failures", help="Pause when more than this share of the media failed.")
    ] = "5%",
    resume: Annotated[
        str | None, typer.Option("--resume", help="Go on with the rebuild of this id.", show_default=False)
    ] = None,
    store: Store = None,
    as_json: AsJson = False,
) -> None:
    """Build outputs again, from the mezzanine, verified before they replace anything.

    Which: those of the media that are named, or for which `--where` holds; without either, of all. What is stale is
    built, and what follows from it; with `--also-fresh` what is not stale too. A few media go first. What is done is
    not done again: `--resume` goes on with a rebuild that was paused, stopped or killed.

    Exit code: 0 when everything was built, 1 when something failed, 2 when it could not be begun, 3 when it was paused
    because too many failed, 130 when it was stopped.
    """
    names = tuple(stale.outputs_named(assets))
    if resume is not None and (media or names or where or also_fresh or plan):
        raise typer.BadParameter("what is rebuilt was said when it was begun.", param_hint="--resume")
    command_frame.where(where)
    order = Order(where or "", tuple(dict.fromkeys(media or ())), names, also_fresh)
    first, most = _canary(canary), _share(max_failures, "--max-failures")
    with command_frame.told(UNCHECKED):
        settings = command_frame.settings(store)
        index = stale.open_catalogue(settings)
        folder = configuration.journals(settings)
        if resume is not None:
            journal = Journal.resume(folder, resume)
            refused: list[Refusal] = []
        else:
            stale.update(index, refresh=None)
            targets = order.targets(index)
            refused = backfill.refusals(index, order)
            if plan:
                _plan(costs.estimate(targets, index, price=settings.worker_price), refused, as_json)
                return
            if not targets:
                _nothing(refused, as_json)
                raise typer.Exit(FAILED if refused and media else 0)
            journal = Journal.begin(folder, order, targets)
    limits = Limits(workers or settings.workers(), first, most)
    left = len(journal.targets) - len(journal.finished)
    if not as_json:
        _refused(refused)
        console.note(f"rebuild {journal.rebuild_id}: {console.plural(left, 'media', 'media')}")
    with command_frame.told(), command_frame.cancelling() as cancelled, ExitStack() as stack:
        stack.callback(journal.close)
        listener: Callable[[str], Listener | None] = lambda media_id: None  # noqa: E731
        if left == 1:
            one = stack.enter_context(progress.progress(journal.targets[0].media_id))
            listener = lambda media_id: one  # noqa: E731
            counted = None
        else:
            counted = stack.enter_context(progress.counting("rebuilding", left))
        work = Rebuild(
            settings,
            index,
            journal,
            limits,
            cancelled=cancelled,
            listener=listener,
            on_outcome=lambda _, summary: counted.advance(_so_far(summary)) if counted is not None else None,
        )
        summary = work.run()
    if as_json:
        console.say_json(summary.wire() | {"refused": _wire(refused)})
    else:
        console.say(rebuilt(summary))
    if summary.cancelled:
        raise typer.Exit(INTERRUPTED)
    if summary.paused is not None and summary.left:
        raise typer.Exit(PAUSED)
    if summary.failed or (media and (refused or (summary.skipped and not summary.done))):
        raise typer.Exit(FAILED)


def _so_far(summary: Summary) -> str:
    return f"{summary.outputs} outputs, {len(summary.failed)} failed"


def _plan(estimate: costs.Estimate, refused: list[Refusal], as_json: bool) -> None:
    if as_json:
        console.say_json(estimate.wire() | {"refused": _wire(refused)})
        return
    _refused(refused)
    if estimate.outputs:
        console.say(views_rebuild.estimate(estimate))
    else:
        console.say("Nothing to be rebuilt.")


def _nothing(refused: list[Refusal], as_json: bool) -> None:
    if as_json:
        console.say_json({"media": 0, "done": 0, "outputs": 0, "refused": _wire(refused)})
        return
    _refused(refused)
    console.say("Nothing to be rebuilt." if not refused else "Nothing that can be rebuilt.")


def _refused(refused: list[Refusal]) -> None:
    for one in refused[: views_stale.SHOWN]:
        what = f"{one.media_id} {one.output}" if one.output else one.media_id
        console.complain(f"{what} cannot be rebuilt: {one.reason}.")
    if len(refused) > views_stale.SHOWN:
        console.complain(f"... and {len(refused) - views_stale.SHOWN:,} more; `codex-assets stale --list` names them.")


def _wire(refused: list[Refusal]) -> list[dict[str, Any]]:
    return [
        {"mediaId": one.media_id, "reason": one.reason} | ({"output": one.output} if one.output else {})
        for one in refused
    ]


def _share(text: str, option: str) -> float:
    """`5%` as 0.05."""
    match = re.fullmatch(r"(\d+(?:\.\d+)?) ?%", text.strip())
    if match is None or float(match[1]) > 100:
        raise typer.BadParameter(f"`{text}` is no share; it is like 5%.", param_hint=option)
    return float(match[1]) / 100


def _canary(text: str) -> Callable[[int], int]:
    """How many of so many media: `1%` (at least one), or a number."""
    if text.strip().isdigit():
        count = int(text)
        return lambda media: min(count, media)
    share = _share(text, "--canary")
    return lambda media: max(1, round(media * share)) if share and media > 1 else 0
