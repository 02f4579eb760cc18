"""`codex-assets compare`: a media by two recipes side by side, in a browser of this machine. Nothing is published."""

from __future__ import annotations

import webbrowser
from typing import Annotated

import typer

from codex_assets.cli import command_frame, console, progress
from codex_assets.cli.command_frame import UNCHECKED, AsJson, Browser, Port, Store
from codex_assets.errors import MissingInput


def compare(
    media_id: Annotated[str, typer.Argument(metavar="MEDIA", help="A media id.", show_default=False)],
    recipe: Annotated[
        str,
        typer.Option(
            "--recipe",
            metavar="CHANGES",
            help="Numbers of rungs, such as `hls_720p.video_kbps=2000`: video_kbps, audio_kbps, h264_profile.",
            show_default=False,
        ),
    ],
    port: Port = None,
    browser: Browser = True,
    store: Store = None,
    as_json: AsJson = False,
) -> None:
    """Compare a media with what another recipe would make of it, before a backfill.

    Builds the rungs that the recipe changes, on this machine, without publishing them. Then a page shows both: two
    players in step with a wipe between them, likeness to the mezzanine (SSIM, and VMAF where an ffmpeg here has it)
    and kbit/s over time, bytes, time and cost. With `--json` the numbers are printed and no page is served.

    Exit codes: `0` compared; `2` there is no such media or rung, or what the recipe makes would not be published.

    ```
    codex-assets compare holiday --recipe hls_720p.video_kbps=2000
    codex-assets compare talk-1 --recipe hls_64k.audio_kbps=48 --json
    ```
    """
    from codex_assets.media import ladder_changes

    try:
        ladder = ladder_changes.parse(recipe)
    except ValueError as error:
        raise typer.BadParameter(str(error), param_hint="--recipe") from None
    from codex_assets.archive.store import RecordStore
    from codex_assets.config.workshop import open_workshop
    from codex_assets.library import published_media
    from codex_assets.library.catalogue import Catalogue
    from codex_assets.library.what_if import WhatIfBuild
    from codex_assets.viewer import comparison_sheet, library_rows, server
    from codex_assets.viewer.measured import MeasuredMedia

    with command_frame.failures_end_with(UNCHECKED):
        settings = command_frame.load_settings(store)
        stores = settings.stores()
        try:
            published = published_media.read(media_id, RecordStore(stores.archive))
        except ValueError:
            published = None
        if published is None:
            raise MissingInput(f"No media `{media_id}` is registered here; `codex-assets list` names those that are.")
        # Its folder is gone when the page is not served any more.
        with open_workshop(settings, here=True) as workshop:
            with (
                command_frame.cancelled_by_signals() as cancelled,
                open_workshop(settings, cancelled=cancelled, here=True) as building,
                progress.run_progress(media_id),
            ):
                build = WhatIfBuild(
                    stores,
                    building.tools,
                    building.workspace,
                    workshop.workspace.root / "other",
                    settings.video_encoder,
                )
                what_if = command_frame.run_in_thread(lambda: build.run(published, recipe, ladder))
            if as_json:
                console.say_json(comparison_sheet.sheet(what_if))
                return
            catalogue = Catalogue(settings.catalogue, stores.archive, settings.extra_outputs)
            measured = MeasuredMedia(
                stores, settings.tools, settings.scratch, server.kept_measurements(settings.catalogue)
            )
            try:
                viewer = server.Viewer(
                    *(stores, measured, lambda: library_rows.read(catalogue), command_frame.store_option(store)),
                    what_if,
                    settings.extra_outputs,
                )
                server.serve(viewer, "/compare", port, console.say, webbrowser.open if browser else None)
            except OSError as error:
                console.complain(f"Port {port or server.PORT} of this machine cannot be used: {error.strerror}.")
                raise typer.Exit(UNCHECKED) from None
            finally:
                measured.close()
