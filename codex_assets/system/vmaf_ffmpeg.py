"""Which ffmpeg of this machine measures VMAF: the one in use where it was built with libvmaf, else an extra package's.

In: where it is looked for. Out: what it is asked (`media/vmaf.py`). Debian builds ffmpeg without libvmaf.
"""

from __future__ import annotations

import importlib
from contextlib import suppress

from codex_assets.errors import ToolError
from codex_assets.system.tools import Tools

FILTER = "libvmaf"
PACKAGE = "imageio_ffmpeg"
"""Of the extra `vmaf`: it brings an ffmpeg."""


def measuring_tools(tools: Tools) -> Tools | None:
    """`tools` with an ffmpeg that measures VMAF; None where there is none."""
    packaged = _packaged()
    candidates = [tools] if packaged is None else [tools, tools.with_ffmpeg(packaged)]
    for candidate in candidates:
        with suppress(ToolError):
            if FILTER in candidate.filters():
                return candidate
    return None


def _packaged() -> str | None:
    """The path of the package's ffmpeg; None where it is not installed, or has none for this machine."""
    try:
        return str(importlib.import_module(PACKAGE).get_ffmpeg_exe())
    except (ImportError, RuntimeError):
        return None
