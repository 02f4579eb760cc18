"""Who is answered: pages of this server on this machine, and links that lead to them. Nobody else.

A page of any site can have a browser ask 127.0.0.1, and a name that it owns can be made to lead there. So a request
needs a Host that means this machine, and must not come from another site's page, unless somebody follows a link. No
token: there is nothing to steal from an address. In: what is refused, and the headers of every answer. Out: routes
(`server.py`).
"""

from __future__ import annotations

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

HOSTS = ("127.0.0.1", "localhost")
"""Host headers that are answered, whatever their port."""

# Styles: the waveform draws into a shadow root that has a style of its own. Workers and `blob:`: hls.js.
_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; "
    "media-src 'self' blob:; font-src 'self'; connect-src 'self'; worker-src 'self' blob:; base-uri 'none'; "
    "form-action 'none'; frame-ancestors 'none'"
)
HEADERS = {
    "Content-Security-Policy": _POLICY,
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
}


class Guard:
    """Refuses requests of other sites' pages, and puts `HEADERS` on every answer."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return

        async def send_guarded(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in HEADERS.items():
                    headers.setdefault(name, value)
            await send(message)

        app = self._app if is_welcome(Headers(scope=scope)) else _REFUSAL
        await app(scope, receive, send_guarded)


def is_welcome(headers: Headers) -> bool:
    """Whether a request comes from a page of this server, from no page, or from somebody who follows a link."""
    if headers.get("sec-fetch-site", "none") in ("same-origin", "none"):
        return True
    return headers.get("sec-fetch-mode") == "navigate" and headers.get("sec-fetch-dest") == "document"


_REFUSAL = PlainTextResponse("This page is for this machine alone.", status_code=403)
