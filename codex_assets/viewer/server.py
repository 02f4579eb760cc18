"""The viewer's server: its routes, and the one address that it listens at, 127.0.0.1.

In: what is asked for by which path, and what an error is answered with. Out: who is answered (`guard.py`), what a page
is given (`media_sheet.py`, `library_rows.py`, `measured.py`, `comparison_sheet.py`), and how it looks (`pages/`).
"""

from __future__ import annotations

import json
import socket
from collections.abc import Callable, Collection
from contextlib import suppress
from dataclasses import dataclass, replace
from importlib import resources
from pathlib import Path
from typing import Any, cast, get_args

import uvicorn
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.middleware.trustedhost import TrustedHostMiddleware
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, RedirectResponse, Response
from starlette.routing import Mount, Route
from starlette.staticfiles import StaticFiles

from codex_assets.archive import refused
from codex_assets.archive.store import RecordStore
from codex_assets.errors import JobError, MissingInput
from codex_assets.library.comparison import Comparison
from codex_assets.storage.objects import Role, Stores
from codex_assets.viewer import comparison_sheet, media_sheet, stored_bytes
from codex_assets.viewer.guard import HOSTS, Guard
from codex_assets.viewer.measured import MeasuredMedia
from codex_assets.viewer.shown_keys import is_shown

PORT = 8338
"""Where it listens unless that is taken or another one is asked for."""
_HERE = resources.files(__package__)
_CACHED = "public, max-age=3600"


@dataclass(frozen=True)
class _Page:
    """One of the pages: they share one head. `name`: of its own script."""

    name: str
    title: str
    styles: tuple[str, ...]
    scripts: tuple[str, ...] = ()


_BASE, _CHARTS = "/pages/base.css", "/libraries/uplot/uPlot.min.css"
_PLAYER = "/libraries/hls.js/hls.min.js"
LIBRARY = _Page("library", "Library", (_CHARTS, _BASE, "/pages/library.css"))
MEDIA = _Page("media", "Media", (_CHARTS, _BASE, "/pages/media.css"), (_PLAYER,))
COMPARE = _Page("compare", "Comparison", (_CHARTS, _BASE, "/pages/compare.css"), (_PLAYER,))
PROBLEM = _Page("problem", "This page cannot be shown", (_BASE,))


class _Libraries(StaticFiles):
    """Files that change with the release alone."""

    def file_response(self, *arguments: Any, **options: Any) -> Response:
        response = super().file_response(*arguments, **options)
        response.headers["Cache-Control"] = _CACHED
        return response


class Viewer:
    """The pages of the media in some stores. `rows`: those of the library, as JSON has them. `store_option`: what a
    command needs to work on the same stores, with a space before it; `extras`: optional outputs that every media is to
    have."""

    def __init__(
        self,
        stores: Stores,
        measured: MeasuredMedia,
        rows: Callable[[], Any],
        store_option: str = "",
        comparison: Comparison | None = None,
        extras: Collection[str] = (),
    ) -> None:
        self._extras = extras
        self._compared = comparison
        self._stores, self._measured, self._rows = stores, measured, rows
        self._always = {"storeOption": store_option}

    def app(self) -> Starlette:
        """The ASGI application."""
        return Starlette(
            routes=[
                Route("/", self._library),
                Route("/rows", self._library_rows),
                Route("/media/{media_id}", self._media),
                Route("/media/{media_id}/sheet", self._sheet),
                Route("/media/{media_id}/measured", self._measurements),
                Route("/media/{media_id}/objects/{role}/{key:path}", self._object),
                Route("/compare", self._comparison),
                Route("/compare/objects/{side:int}/{role}/{key:path}", self._compared_object),
                Route("/favicon.ico", lambda _: RedirectResponse("/pages/icon.svg")),
                Mount("/pages", StaticFiles(packages=[(__package__, "pages")])),
                Mount("/libraries", _Libraries(packages=[(__package__, "libraries")])),
                Route("/{anything_else:path}", self._nothing),
            ],
            middleware=[
                Middleware(TrustedHostMiddleware, allowed_hosts=list(HOSTS), www_redirect=False),
                Middleware(Guard),
            ],
            exception_handlers={JobError: cast("Any", _failed)},
        )

    def _library(self, _: Request) -> Response:
        return _page(LIBRARY, self._always)

    def _library_rows(self, _: Request) -> Response:
        return JSONResponse(self._rows())

    def _media(self, request: Request) -> Response:
        media_id = request.path_params["media_id"]
        try:
            sheet = media_sheet.read(media_id, self._stores, self._extras)
        except ValueError:
            sheet = None
        except JobError as error:
            return _problem(PROBLEM.title, error.public, 502)
        if sheet is None:
            problem = f"No media “{media_id}” is registered in this store: a media is, once its upload was accepted."
            return _problem("No such media", problem, 404)
        return _page(MEDIA, {**sheet, **self._always})

    def _sheet(self, request: Request) -> Response:
        sheet = media_sheet.read(request.path_params["media_id"], self._stores, self._extras)
        if sheet is None:
            raise MissingInput("No media of this id is registered.")
        return JSONResponse(sheet)

    def _measurements(self, request: Request) -> Response:
        return JSONResponse(self._measured.of(request.path_params["media_id"], request.query_params.get("output")))

    def _object(self, request: Request) -> Response:
        media_id, role, key = (request.path_params[name] for name in ("media_id", "role", "key"))
        records = RecordStore(self._stores.archive)
        media = records.media(media_id)
        if media is None and (refusal := refused.read(media_id, records)) is not None:
            media = refusal.media
        if media is None or role not in get_args(Role) or not is_shown(media, role, key):
            raise MissingInput("This media has no such object.")
        return stored_bytes.answer(self._stores.by_role(role), key, request.headers.get("range"))

    def _nothing(self, _: Request) -> Response:
        return _problem("No such page", "There is nothing at this address. All media are in the library.", 404)

    # --- A comparison, where there is one ---

    def _comparison(self, _: Request) -> Response:
        if self._compared is None:
            return _problem("No comparison", "No comparison is open: see `codex-assets compare --help`.", 404)
        return _page(COMPARE, {**comparison_sheet.sheet(self._compared), **self._always})

    def _compared_object(self, request: Request) -> Response:
        side, role, key = (request.path_params[name] for name in ("side", "role", "key"))
        if (
            self._compared is None
            or side >= len(self._compared.sides)
            or role not in get_args(Role)
            or not is_shown(self._compared.media, role, key)
        ):
            raise MissingInput("The comparison has no such object.")
        stores = self._compared.sides[side].stores
        return stored_bytes.answer(stores.by_role(role), key, request.headers.get("range"))


def _failed(_: Request, error: JobError) -> Response:
    status = 404 if isinstance(error, MissingInput) else 502
    return JSONResponse({"error": error.public, "code": error.code}, status_code=status)


def _problem(title: str, problem: str, status: int) -> Response:
    """A page that says what cannot be shown, under its title, and why."""
    return _page(replace(PROBLEM, title=title), {"title": title, "problem": problem}, status)


def _page(page: _Page, data: dict[str, Any], status: int = 200) -> Response:
    """A page with what it shows inside, so that nothing has to be asked for before it is drawn."""
    text = _HERE.joinpath("pages", "page.html").read_text(encoding="utf-8")
    # A `</script>` inside a text of others would end the element that it stands in.
    inside = json.dumps(data, ensure_ascii=True).replace("<", "\\u003c")
    parts = {
        "title": page.title,
        "name": page.name,
        "styles": "\n".join(f'<link rel="stylesheet" href="{address}">' for address in page.styles),
        "scripts": "\n".join(f'<script src="{address}" defer></script>' for address in page.scripts),
        # Last: what it holds is of others.
        "data": inside,
    }
    for part, value in parts.items():
        text = text.replace(f"{{{{{part}}}}}", value)
    return HTMLResponse(text, status, headers={"Cache-Control": "no-store"})


# --- Listening --------------------------------------------------------------------------------------------------------


def listening(port: int | None = None) -> socket.socket:
    """A socket of this machine alone: at `port`, else at `PORT` or any other that is free. Raises OSError."""
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    for number in (port,) if port is not None else (PORT, 0):
        try:
            listener.bind(("127.0.0.1", number))
        except OSError:
            if port is not None or number == 0:
                listener.close()
                raise
            continue
        break
    return listener


class Server(uvicorn.Server):
    """Serves until Ctrl-C, or until `should_exit` is set. `on_ready`: called once it listens."""

    def __init__(self, viewer: Viewer, on_ready: Callable[[], None] = lambda: None) -> None:
        config = uvicorn.Config(
            viewer.app(),
            log_config=None,
            access_log=False,
            server_header=False,
            proxy_headers=False,
            lifespan="off",
            ws="none",
            # A film that is being watched does not keep it up.
            timeout_graceful_shutdown=1,
        )
        super().__init__(config)
        self._on_ready = on_ready

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self._on_ready()


def serve(
    viewer: Viewer, path: str, port: int | None, say: Callable[[str], None], browse: Callable[[str], object] | None
) -> None:
    """Serve until Ctrl-C, say at which address, and open it with `browse`. Raises OSError for a port that is taken."""
    listener = listening(port)
    address = f"http://127.0.0.1:{listener.getsockname()[1]}{path}"

    def on_ready() -> None:
        say(f"{address}\nFor this machine alone, until Ctrl-C.")
        if browse is not None:
            browse(address)

    with suppress(KeyboardInterrupt):
        Server(viewer, on_ready).run([listener])


def media_path(media_id: str | None) -> str:
    """The path of a media's page, or of the library."""
    return "/" if media_id is None else f"/media/{media_id}"


def kept_measurements(catalogue: Path) -> Path:
    """Where measurements are kept: beside the index, for both can be lost."""
    return catalogue.with_suffix(".measured")
