"""A web server of this machine that delivers HLS out of a folder as it should be delivered; a `Delivery` is how.

Out: what the folder holds, and what is judged of the answers.
"""

from __future__ import annotations

import gzip
import re
import ssl
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import unquote, urlsplit

from loopback import QuietHandler, serving


@dataclass
class Delivery:
    """Headers by a file's ending, and what the server can do. `moved`: paths that it redirects to themselves."""

    types: dict[str, str] = field(
        default_factory=lambda: {".m3u8": "application/vnd.apple.mpegurl", ".ts": "video/mp2t"}
    )
    caching: dict[str, str] = field(default_factory=lambda: {".m3u8": "no-cache", ".ts": "max-age=3600"})
    origins: str = "*"
    compresses: Sequence[str] = (".m3u8",)
    has_parts: bool = True
    has_lengths: bool = True
    moved: str = ""


@contextmanager
def site(folder: Path, delivery: Delivery, certificate: Path | None = None) -> Iterator[str]:
    """The address of a server that delivers `folder` during the block; over TLS with the key and certificate given."""

    class Handler(QuietHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            target = urlsplit(self.path)
            path = folder / unquote(target.path).lstrip("/")
            if not path.is_file():
                self.send_body(404, b"")
                return
            if delivery.moved and re.search(delivery.moved, target.path) and not target.query:
                self.send_body(302, b"", Location=f"{target.path}?moved")
                return
            self._deliver(path)

        def _deliver(self, path: Path) -> None:
            body, status = path.read_bytes(), 200
            headers = {"Access-Control-Allow-Origin": delivery.origins} if delivery.origins else {}
            for name, values in (("Content-Type", delivery.types), ("Cache-Control", delivery.caching)):
                if path.suffix in values:
                    headers[name] = values[path.suffix]
            asked = re.fullmatch(r"bytes=(\d+)-(\d+)", self.headers.get("Range") or "")
            if asked and delivery.has_parts:
                status, size = 206, len(body)
                body = body[int(asked[1]) : int(asked[2]) + 1]
                headers["Content-Range"] = f"bytes {asked[1]}-{asked[2]}/{size}"
            if path.suffix in delivery.compresses and (
                "gzip" in self.headers["Accept-Encoding"] or path.suffix == ".ts"
            ):
                headers["Content-Encoding"], body = "gzip", gzip.compress(body)
            self.send_response(status)
            for name, value in headers.items():
                self.send_header(name, value)
            if delivery.has_lengths:
                self.send_header("Content-Length", str(len(body)))
            self.send_header("Connection", "close")
            self.end_headers()
            self.wfile.write(body)
            self.close_connection = True

    tls = None
    if certificate is not None:
        tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        tls.load_cert_chain(certificate)
    with serving(Handler, tls) as port:
        yield f"{'https' if tls else 'http'}://127.0.0.1:{port}"
