"""`codex-assets compare`: a media in two states side by side, in a browser of this machine. Nothing is published."""

from __future__ import annotations

import webbrowser
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from codex_assets.cli import command_frame, console, progress
from codex_assets.cli.command_frame import UNCHECKED, AsJson, Browser, Port, Store

if TYPE_CHECKING:
    from codex_assets.config.settings import Settings
    from codex_assets.library.comparison import Comparison
    from codex_assets.media.recipe_changes import ChangedRecipe

SIDES = 2


def compare(
    media_id: Annotated[str, typer.Argument(metavar="MEDIA", help="A media id.", show_default=False)],
    recipe: Annotated[
        list[str] | None,
        typer.Option(
            "--recipe",
            metavar="CHANGES",
            help="Numbers of rungs, such as `hls_720p.video_kbps=2000`. Twice: two recipes beside each other.",
            show_default=False,
        ),
    ] = None,
    run: Annotated[
        list[str] | None,
        typer.Option(
            "--run",
            metavar="RUN",
            help="A run that built it, by the id in its receipts; `former`: the one that was replaced last. "
            "Twice: two runs beside each other.",
            show_default=False,
        ),
    ] = None,
    port: Port = None,
    browser: Browser = True,
    store: Store = None,
    as_json: AsJson = False,
) -> None:
    """Compare two states of a media: as it is published, by another recipe, or as another run built it.

    With `--recipe`, builds the rungs that the recipe changes, on this machine, without publishing them. With `--run`,
    takes what a run built and a later one replaced, as long as it lies in the store (`PRUNE_GRACE_HOURS`). Without
    both, builds the rungs that would come out differently today. A single recipe or run is compared with what is
    published.

    Then a page shows both: two players in step with a wipe between them, likeness to the mezzanine (SSIM, and VMAF
    where an ffmpeg here has it) and kbit/s over time, bytes, time and cost. With `--json` the numbers are printed and
    no page is served.

    Exit codes: `0` compared; `2` there is no such media, rung or run, both are the same, or what the recipe makes would
    not be published.

    ```
    codex-assets compare holiday               # what a rebuild would change
    codex-assets compare holiday --recipe hls_720p.video_kbps=2000
    codex-assets compare a1 --recipe x264.preset=fast --recipe x264.preset=slow
    codex-assets compare holiday --run former  # before and after a rebuild
    codex-assets compare talk-1 --recipe hls_64k.audio_kbps=48 --json
    ```
    """
    from codex_assets.media import recipe_changes

    texts, runs = recipe or [], run or []
    if len(texts) + len(runs) > SIDES:
        raise typer.BadParameter("two recipes or runs can be compared, no more.", param_hint="--recipe, --run")
    try:
        recipes = [(text, recipe_changes.parse(text)) for text in texts]
    except ValueError as error:
        raise typer.BadParameter(str(error), param_hint="--recipe") from None
    from codex_assets.config.workshop import open_workshop
    from codex_assets.viewer import comparison_sheet

    with command_frame.failures_end_with(UNCHECKED):
        settings = command_frame.load_settings(store)
        # Its folder is gone when the page is not served any more.
        with open_workshop(settings, here=True) as workshop:
            compared = _compared(media_id, recipes, runs, settings, workshop.workspace.root)
            if as_json:
                console.say_json(comparison_sheet.sheet(compared))
            else:
                _serve(compared, settings, command_frame.store_option(store), port, browser)


def _compared(
    media_id: str,
    recipes: Sequence[tuple[str, Sequence[ChangedRecipe]]],
    runs: Sequence[str],
    settings: Settings,
    folder: Path,
) -> Comparison:
    """`folder`: keeps what is built for as long as the comparison is shown."""
    from codex_assets.archive.store import RecordStore
    from codex_assets.config.workshop import open_workshop
    from codex_assets.errors import MissingInput
    from codex_assets.library import published_media
    from codex_assets.library.compared_states import States
    from codex_assets.library.comparison import RungComparison

    stores = settings.stores()
    try:
        published = published_media.read(media_id, RecordStore(stores.archive))
    except ValueError:
        published = None
    if published is None:
        raise MissingInput(f"No media `{media_id}` is registered here; `codex-assets list` names those that are.")
    with (
        command_frame.cancelled_by_signals() as cancelled,
        open_workshop(settings, cancelled=cancelled, here=True) as building,
        progress.run_progress(media_id),
    ):
        states = States(published, stores, building.tools, building.workspace, folder, settings.video_encoder)
        comparison = RungComparison(stores, building.tools, building.workspace)
        return command_frame.run_in_thread(lambda: comparison.run(published, states.chosen(recipes, runs)))


def _serve(compared: Comparison, settings: Settings, store_option: str, port: int | None, browser: bool) -> None:
    from codex_assets.library.catalogue import Catalogue
    from codex_assets.viewer import library_rows, server
    from codex_assets.viewer.measured import MeasuredMedia

    stores = settings.stores()
    catalogue = Catalogue(settings.catalogue, stores.archive, settings.extra_outputs)
    measured = MeasuredMedia(stores, settings.tools, settings.scratch, server.kept_measurements(settings.catalogue))
    try:
        viewer = server.Viewer(
            *(stores, measured, lambda: library_rows.read(catalogue), store_option), compared, settings.extra_outputs
        )
        server.serve(viewer, "/compare", port, console.say, webbrowser.open if browser else None)
    except OSError as error:
        console.complain(f"Port {port or server.PORT} of this machine cannot be used: {error.strerror}.")
        raise typer.Exit(UNCHECKED) from None
    finally:
        measured.close()
