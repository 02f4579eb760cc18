"""`codex-assets rebuild`: build outputs again, of one media or of thousands.

In: the options, when nothing is begun, and the exit code. Out: which outputs, how many at once and when to pause
(`library/rebuild.py`), what it costs (`library/costs.py`), the tables (`cli/views/rebuild.py`).
"""

from __future__ import annotations

from contextlib import ExitStack
from typing import TYPE_CHECKING, Annotated

import typer

from codex_assets.cli import command_frame, console, progress
from codex_assets.cli.command_frame import (
    FAILED,
    INTERRUPTED,
    UNCHECKED,
    AsJson,
    ByTools,
    Conditions,
    OutputNames,
    Store,
)
from codex_assets.errors import ConfigurationError
from codex_assets.library.rebuild_limits import MAX_FAILURES

if TYPE_CHECKING:
    from codex_assets.config.settings import Settings
    from codex_assets.library.catalogue import Catalogue
    from codex_assets.library.rebuild_journal import Journal
    from codex_assets.library.rebuild_limits import RebuildLimits
    from codex_assets.library.rebuild_order import RebuildOrder, Unbuildable
    from codex_assets.library.rebuild_summary import RebuildOutcome, RebuildSummary
    from codex_assets.system.workspace import Listener

PAUSED = 3

MediaIds = Annotated[list[str] | None, typer.Argument(metavar="MEDIA", help="Media ids.", show_default=False)]
AlsoFresh = Annotated[bool, typer.Option("--also-fresh", help="Build outputs that are not stale as well.")]
Plan = Annotated[bool, typer.Option("--plan", help="Print what it would take and cost; build nothing.")]
Workers = Annotated[
    int | None,
    typer.Option(
        "--workers",
        min=1,
        help="Media that are built at once. Default: 1 here, `RUNPOD_IN_FLIGHT` on RunPod.",
        show_default=False,
    ),
]
Canary = Annotated[
    str,
    typer.Option("--canary", metavar="SHARE|NUMBER", help="Media that are built first, and checked after publishing."),
]
MaxFailures = Annotated[
    str, typer.Option("--max-failures", metavar="SHARE", help="Pause when more than this share of the media failed.")
]
Resume = Annotated[
    str | None,
    typer.Option("--resume", metavar="ID", help="Continue a rebuild that was paused or stopped.", show_default=False),
]


def rebuild(
    media: MediaIds = None,
    assets: OutputNames = None,
    where: Conditions = None,
    also_fresh: AlsoFresh = False,
    tools: ByTools = False,
    plan: Plan = False,
    workers: Workers = None,
    canary: Canary = "1%",
    max_failures: MaxFailures = f"{MAX_FAILURES:.0%}",
    resume: Resume = None,
    store: Store = None,
    as_json: AsJson = False,
) -> None:
    """Build outputs again from the mezzanine, and replace them once they are verified.

    Builds what is stale, and what follows from it: of the media that you name, of those that meet `--where`, or else of
    all. A few media, the canary, go first. `--resume` continues a rebuild that was paused, stopped or killed; what is
    done is not done again.

    Exit codes: `0` everything was built; `1` something failed, cannot be built or, with `--plan`, is to be built; `2`
    it could not start, or a media is not known; `3` it was paused because too many media failed; `130` you stopped it.

    ```
    codex-assets rebuild --plan
    codex-assets rebuild holiday --assets thumbnail --also-fresh
    codex-assets rebuild --assets hls_480p --where type=video,creator=ann
    codex-assets rebuild --resume 20261125-091136-1ff4
    ```
    """
    outputs = tuple(command_frame.parse_outputs(assets, "--assets"))
    if resume is not None and (media or outputs or where or also_fresh or tools or plan):
        raise typer.BadParameter(
            "It continues with the media and outputs that it began with; name no others.", param_hint="--resume"
        )
    canary_size, most_failures = (
        command_frame.parse_size(canary, "--canary"),
        command_frame.parse_share(max_failures, "--max-failures"),
    )
    command_frame.parse_where(where)
    from codex_assets.cli.views.rebuild import summary_json, summary_sheet
    from codex_assets.config.settings import journals
    from codex_assets.library.rebuild_journal import Journal
    from codex_assets.library.rebuild_limits import RebuildLimits
    from codex_assets.library.rebuild_order import RebuildOrder, unbuildable

    refused: list[Unbuildable] = []
    with command_frame.failures_end_with(UNCHECKED):
        settings = command_frame.load_settings(store)
        if resume is not None:
            catalogue = command_frame.open_catalogue(settings, refresh=False)
            journal = Journal.resume(journals(settings), resume)
        else:
            versions = _versions(settings) if tools else None
            order = RebuildOrder(where or "", tuple(dict.fromkeys(media or ())), outputs, also_fresh, versions)
            catalogue = command_frame.open_catalogue(settings, order.condition())
            refused = unbuildable(catalogue, order)
            journal = _begin(settings, catalogue, order, refused, plan=plan, as_json=as_json)
    if not as_json:
        left = len(journal.targets) - len(journal.finished)
        console.note(f"rebuild {journal.rebuild_id}: {console.count_media(left)}")
    summary = _work_off(
        settings, catalogue, journal, RebuildLimits(workers or settings.workers(), canary_size, most_failures)
    )
    if as_json:
        console.say_json(summary_json(summary, refused))
    else:
        console.say(summary_sheet(summary))
    raise typer.Exit(_exit_code(summary, refused, has_names=bool(media)))


def _versions(settings: Settings) -> dict[str, str]:
    """The versions of the tools that will build. Raises `ConfigurationError` when that is another machine's matter."""
    if (settings.runpod_backfills or settings.runpod) is not None:
        raise ConfigurationError(
            "`--tools` compares with the tools of this machine, and BUILD_ON=runpod lets others build; "
            "set BUILD_ON=here, or name the outputs and give --also-fresh."
        )
    return settings.tools().versions()


def _begin(
    settings: Settings,
    catalogue: Catalogue,
    order: RebuildOrder,
    refused: list[Unbuildable],
    *,
    plan: bool,
    as_json: bool,
) -> Journal:
    """Begin the journal of an order. Ends the command after printing the plan, or when there is nothing to build."""
    from codex_assets.cli.views.rebuild import estimate_json, estimate_sheet, nothing_json, nothing_line, refusal_lines
    from codex_assets.config.settings import journals
    from codex_assets.library import costs
    from codex_assets.library.rebuild_journal import Journal

    targets = order.targets(catalogue)
    if not as_json:
        for line in refusal_lines(refused):
            console.complain(line)
    if targets and not plan:
        return Journal.begin(journals(settings), order, targets)
    if plan:
        estimate = costs.estimate(targets, catalogue, price=settings.worker_price)
        if as_json:
            console.say_json(estimate_json(estimate, refused))
        else:
            console.say(estimate_sheet(estimate))
        raise typer.Exit(FAILED if targets else UNCHECKED if any(each.is_unknown for each in refused) else 0)
    if as_json:
        console.say_json(nothing_json(refused))
    else:
        console.say(nothing_line(refused))
    if any(each.is_unknown for each in refused):
        raise typer.Exit(UNCHECKED)
    raise typer.Exit(FAILED if refused and order.media_ids else 0)


def _work_off(settings: Settings, catalogue: Catalogue, journal: Journal, limits: RebuildLimits) -> RebuildSummary:
    """Build what the journal says is not done yet, with progress. Ctrl-C stops it."""
    from codex_assets.library.rebuild import Rebuild

    left = [target.media_id for target in journal.targets if target.media_id not in journal.finished]
    with command_frame.failures_end_with(), command_frame.cancelled_by_signals() as cancelled, ExitStack() as stack:
        stack.callback(journal.close)
        run_listener: Listener | None = None
        media_progress: progress.MediaProgress | None = None
        if len(left) == 1:
            run_listener = stack.enter_context(progress.run_progress(left[0]))
        else:
            media_progress = stack.enter_context(progress.media_progress("rebuilding", len(left)))

        def advance(_: RebuildOutcome, summary: RebuildSummary) -> None:
            if media_progress is not None:
                media_progress.advance(f"{summary.outputs} outputs, {len(summary.failed)} failed")

        work = Rebuild(
            settings,
            catalogue,
            journal,
            limits,
            cancelled=cancelled,
            listener=lambda media_id: run_listener,
            on_outcome=advance,
        )
        return work.run()


def _exit_code(summary: RebuildSummary, refused: list[Unbuildable], *, has_names: bool) -> int:
    """`has_names`: media were named, so that each of them has to be built."""
    if summary.cancelled:
        return INTERRUPTED
    if summary.paused is not None and summary.left:
        return PAUSED
    is_incomplete = has_names and bool(refused or (summary.skipped and not summary.done))
    return FAILED if summary.failed or is_incomplete else 0
