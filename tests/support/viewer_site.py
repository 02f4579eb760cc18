"""The viewer of some stores, served as `codex-assets open` serves it, in a thread."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from codex_assets.library.catalogue import Catalogue
from codex_assets.library.comparison import Comparison
from codex_assets.storage.objects import Stores
from codex_assets.system.sandbox import Reach
from codex_assets.system.tools import Tools, tool_environment
from codex_assets.viewer import library_rows, server
from codex_assets.viewer.measured import MeasuredMedia


@contextmanager
def viewing(
    stores: Stores, folder: Path, rows: Callable[[], Any] | None = None, comparison: Comparison | None = None
) -> Iterator[str]:
    """The address of a viewer, without a slash at its end. `folder`: where it may write; `rows`: those of the library,
    if they are not those of the stores."""
    listener = server.listening(0)
    measured = MeasuredMedia(
        stores,
        lambda cancelled: Tools(tool_environment(os.environ), reach=Reach(), cancelled=cancelled),
        folder / "scratch",
        folder / "measured",
    )
    catalogue = Catalogue(folder / "index.sqlite", stores.archive)
    ready = threading.Event()
    shown = rows or (lambda: library_rows.read(catalogue))
    site = server.Server(server.Viewer(stores, measured, shown, comparison=comparison), ready.set)
    thread = threading.Thread(target=site.run, args=([listener],), daemon=True)
    thread.start()
    try:
        assert ready.wait(20)
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"
    finally:
        site.should_exit = True
        thread.join(20)
        measured.close()
        listener.close()
