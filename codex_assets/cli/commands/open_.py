"""`codex-assets open`: the page of a media, or that of the library, in a browser of this machine."""

from __future__ import annotations

import webbrowser
from typing import Annotated

import typer

from codex_assets.cli import command_frame, console
from codex_assets.cli.command_frame import UNCHECKED, Browser, Port, Store
from codex_assets.errors import MissingInput


def open_(
    media_id: Annotated[
        str | None,
        typer.Argument(metavar="MEDIA", help="A media id. Default: the library of all media.", show_default=False),
    ] = None,
    port: Port = None,
    browser: Browser = True,
    store: Store = None,
) -> None:
    """See and hear a media, or look through all of them, in a browser.

    The page of a media plays every rung, the preview and the upload, and shows loudness, bit rates, key frames, checks,
    receipts and what is stale. It is served to this machine alone, from the stores that the environment names, until
    Ctrl-C. Nothing is loaded from anywhere else.

    Exit codes: `0` ended with Ctrl-C; `2` there is no such media, the archive could not be read, or the port is taken.

    ```
    codex-assets open holiday
    codex-assets open
    ```
    """
    from codex_assets.archive.store import RecordStore
    from codex_assets.library import published_media
    from codex_assets.library.catalogue import Catalogue
    from codex_assets.viewer import library_rows, server
    from codex_assets.viewer.measured import MeasuredMedia

    with command_frame.failures_end_with(UNCHECKED):
        settings = command_frame.load_settings(store)
        stores = settings.stores()
        if media_id is not None:
            try:
                is_known = published_media.read(media_id, RecordStore(stores.archive)) is not None
            except ValueError:
                is_known = False
            if not is_known:
                raise MissingInput(
                    f"No media `{media_id}` is registered here; `codex-assets list` names those that are."
                )
    catalogue = Catalogue(settings.catalogue, stores.archive, settings.extra_outputs)
    measured = MeasuredMedia(stores, settings.tools, settings.scratch, server.kept_measurements(settings.catalogue))
    viewer = server.Viewer(
        stores,
        measured,
        lambda: library_rows.read(catalogue),
        command_frame.store_option(store),
        extras=settings.extra_outputs,
    )
    try:
        server.serve(viewer, server.media_path(media_id), port, console.say, webbrowser.open if browser else None)
    except OSError as error:
        console.complain(f"Port {port or server.PORT} of this machine cannot be used: {error.strerror}.")
        raise typer.Exit(UNCHECKED) from None
    finally:
        measured.close()
