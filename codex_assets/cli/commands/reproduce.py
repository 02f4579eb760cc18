"""`codex-assets reproduce`: build published outputs again, publish nothing, and compare.

In: the options, which media, and the exit code. Out: building and comparing (`library/reproduction.py`), the tables
(`cli/views/reproduce.py`).
"""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import ExitStack
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated

import typer

from codex_assets.cli import command_frame, console, progress
from codex_assets.cli.command_frame import FAILED, UNCHECKED, AsJson, Conditions, OutputNames, Store

if TYPE_CHECKING:
    import threading

    from codex_assets.config.settings import Settings
    from codex_assets.library.reproduction import MediaReproduction
    from codex_assets.library.selection import Where

MediaIds = Annotated[list[str] | None, typer.Argument(metavar="MEDIA", help="Media ids.", show_default=False)]
Everything = Annotated[bool, typer.Option("--all", help="Every registered media.")]
Sample = Annotated[
    str | None,
    typer.Option(
        "--sample",
        metavar="SHARE|NUMBER",
        help="Only so many of them, such as `1%`: others every day (UTC), until all had their turn.",
        show_default=False,
    ),
]
Workers = Annotated[int, typer.Option("--workers", min=1, max=64, help="Media that are built at once.")]


def reproduce(
    media: MediaIds = None,
    everything: Everything = False,
    where: Conditions = None,
    sample: Sample = None,
    assets: OutputNames = None,
    workers: Workers = 1,
    store: Store = None,
    as_json: AsJson = False,
) -> None:
    """Build published outputs again on this machine, and compare them with what is published.

    Nothing is published, recorded or deleted. Every output is built from the published mezzanine, as a rebuild builds
    it; a mezzanine from its original, if that is still there.

    What x264 and the other tools made has to be the same byte for byte. NVENC gives other bytes each time: what it made
    needs the same playlist, the same sound and the same pictures, decoded. For every difference you are told the first
    file that differs, how many do, and which tools have another version here than those that built it.

    Exit codes: `0` all that could be built again is the same; `1` something differs; `2` something could not be built
    or compared, or nothing could; `130` you stopped it.

    ```
    codex-assets reproduce holiday talk-1
    codex-assets reproduce holiday --assets hls_720p,thumbnail
    codex-assets reproduce --sample 1%
    codex-assets reproduce --where type=audio,creator=ann --sample 20 --json
    ```
    """
    if media and (everything or where is not None or sample is not None):
        raise typer.BadParameter("Give media ids, or --all, --where and --sample.")
    if not (media or everything or where is not None or sample is not None):
        raise typer.BadParameter("Give media ids, --all, --where or --sample.")
    outputs = tuple(command_frame.parse_outputs(assets, "--assets"))
    condition = command_frame.parse_where(where)
    size = command_frame.parse_size(sample, "--sample") if sample is not None else None
    with command_frame.failures_end_with(UNCHECKED), command_frame.cancelled_by_signals() as cancelled:
        settings = command_frame.load_settings(store)
        media_ids = list(dict.fromkeys(media)) if media else _select(settings, condition, size)
        started = time.monotonic()
        results = _reproduce(settings, media_ids, outputs, workers, cancelled)
    _print(results, time.monotonic() - started, as_json=as_json)
    raise typer.Exit(_exit_code(results))


def _select(settings: Settings, condition: Where, size: Callable[[int], int] | None) -> list[str]:
    """The media that meet the condition; of these, today's sample of that `size`."""
    from codex_assets.library.daily_sample import daily_sample

    media_ids = command_frame.matching_ids(settings, condition)
    if size is None:
        return media_ids
    return daily_sample(media_ids, lambda count: max(1, size(count)), datetime.now(UTC).date())


def _reproduce(
    settings: Settings, media_ids: list[str], outputs: tuple[str, ...], workers: int, cancelled: threading.Event
) -> list[MediaReproduction]:
    """Build these media again, with progress; results in order of their ids."""
    from codex_assets.config.workshop import open_workshop
    from codex_assets.library.output_comparison import ReproductionOutcome
    from codex_assets.library.reproduction import Reproduction

    results: list[MediaReproduction] = []
    with open_workshop(settings, cancelled=cancelled, here=True) as workshop, ExitStack() as stack:
        media_progress: progress.MediaProgress | None = None
        listener = None
        if len(media_ids) == 1:
            listener = stack.enter_context(progress.run_progress(media_ids[0]))
        else:
            media_progress = stack.enter_context(progress.media_progress("building again", len(media_ids)))
        reproduction = Reproduction(
            *(workshop.stores, workshop.tools, workshop.workspace.root, cancelled),
            encoder=settings.video_encoder,
            outputs=outputs,
            workers=workers,
            listener=listener,
        )
        for result in reproduction.run(media_ids):
            results.append(result)
            if media_progress is not None:
                differing = sum(each.count(ReproductionOutcome.DIFFERS) for each in results)
                media_progress.advance(f"{differing} outputs differ")
    return sorted(results, key=lambda result: result.media_id)


def _print(results: list[MediaReproduction], seconds: float, *, as_json: bool) -> None:
    from codex_assets.cli.views.reproduce import reproduction_json, reproduction_sheet

    if as_json:
        console.say_json(reproduction_json(results, seconds))
    elif results:
        console.say(reproduction_sheet(results, seconds))
    else:
        console.say("There are no media to build again.")


def _exit_code(results: list[MediaReproduction]) -> int:
    from codex_assets.library.output_comparison import ReproductionOutcome

    counts = {outcome: sum(result.count(outcome) for result in results) for outcome in ReproductionOutcome}
    if counts[ReproductionOutcome.DIFFERS]:
        return FAILED
    has_problem = counts[ReproductionOutcome.FAILED] or any(result.problem for result in results)
    is_empty = bool(results) and not counts[ReproductionOutcome.SAME]
    return UNCHECKED if has_problem or is_empty else 0
