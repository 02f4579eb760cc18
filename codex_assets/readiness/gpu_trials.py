"""What a machine has for encoding on its GPU, and short trials of it: NVENC, NVDEC, encodes at once.

In: what is looked at, how each trial is made, and which lines of ffmpeg's log tell why one failed. Out: whole builds
and their quality (`gpu_proof.py`).
"""

from __future__ import annotations

import os
import platform
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from codex_assets.errors import ToolError
from codex_assets.media import input_flags, profile
from codex_assets.media.encode import ladder
from codex_assets.system.tools import Tools

SESSIONS = (1, 2, 3, 4, 5, 8, 12)
"""Encodes at once that are tried. GeForce cards limit them, by driver."""
SESSIONS_NEEDED = len(profile.LADDER)
"""A ladder's variants are encoded beside each other."""
TELLING = re.compile(r"nvenc|cuda|nvidia|driver|API version|OpenEncodeSession|No capable devices", re.IGNORECASE)
LIBRARIES = ("libcuda.so.1", "libnvidia-encode.so.1", "libnvcuvid.so.1")
LIBRARY_FOLDERS = ("/usr/lib/x86_64-linux-gnu", "/usr/lib64", "/usr/local/nvidia/lib64", "/usr/lib/wsl/lib", "/lib64")


@dataclass(frozen=True)
class GpuTrial:
    """One thing that was tried. `log`: what the tools said of it."""

    name: str
    proven: bool
    result: str
    log: tuple[str, ...] = ()


def machine_facts(tools: Tools, environ: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    """(what, what was seen) of everything that an encode on the GPU depends on."""
    yield "system", f"{platform.system()} {platform.release()}, {platform.machine()}"
    processor = _first("/proc/cpuinfo", r"model name\s*:\s*(.+)") or "unknown"
    yield "processor", f"{processor}, {os.cpu_count()} threads"
    yield "ffmpeg", tools.version("ffmpeg") or "missing"
    yield "GPU", list_gpus(tools)
    driver = _first("/proc/driver/nvidia/version", r"Kernel Module[^\d]*([\d.]+)")
    yield "kernel driver", driver or "no NVIDIA kernel module"
    for library in LIBRARIES:
        folders = [folder for folder in LIBRARY_FOLDERS if Path(folder, library).exists()]
        yield library, folders[0] if folders else "not found in the usual places"
    for name in ("NVIDIA_VISIBLE_DEVICES", "NVIDIA_DRIVER_CAPABILITIES", "CUDA_VISIBLE_DEVICES"):
        yield name, environ.get(name, "not set")


def list_gpus(tools: Tools) -> str:
    """Name, driver and memory of each GPU, or why there is none."""
    try:
        gpus = tools.query_gpus("name", "driver_version", "memory.total")
    except ToolError as error:
        return f"nvidia-smi fails: {error.reason}"
    return "; ".join(gpus) if gpus else "nvidia-smi is not here, or found none"


def _first(path: str, pattern: str) -> str | None:
    try:
        match = re.search(pattern, Path(path).read_text(encoding="utf-8", errors="replace"))
    except OSError:
        return None
    return match.group(1).strip() if match else None


def run_trials(tools: Tools, clip: Path) -> Iterator[GpuTrial]:
    """NVENC first: the others are of less use without it."""
    listed = profile.NVENC.codec in tools.encoders()
    if listed:
        nvenc = _tried(tools, "NVENC", ladder.trial_arguments(profile.NVENC), "the real options of both uses work")
    else:
        nvenc = GpuTrial("NVENC", False, f"this ffmpeg was built without {profile.NVENC.codec}")
    yield nvenc
    # Kept on the GPU and fetched from there: else ffmpeg falls back to the CPU without failing.
    decode = [
        "-hwaccel",
        "cuda",
        "-hwaccel_output_format",
        "cuda",
        *input_flags.input_arguments(str(clip), trusted=True),
    ]
    decode += ["-map", "0:v:0", "-t", "2", "-vf", "hwdownload,format=nv12", "-f", "null", "-"]
    yield _tried(tools, "NVDEC", decode, "H.264 is decoded on the GPU (the worker itself decodes on the CPU)")
    yield _sessions(tools) if nvenc.proven else GpuTrial("sessions", False, "not tried: NVENC does not work")


def _tried(tools: Tools, name: str, arguments: Sequence[str], works: str) -> GpuTrial:
    try:
        tools.ffmpeg(arguments, label=f"trying {name}", duration=2.0)
    except ToolError as error:
        # The map of streams names the encoder, too.
        lines = tuple(line for line in error.log if TELLING.search(line) and "->" not in line) or error.log[:5]
        return GpuTrial(name, False, _plain(lines[0]) if lines else error.reason, tuple(map(_plain, lines)))
    return GpuTrial(name, True, works)


def _sessions(tools: Tools) -> GpuTrial:
    """How many encodes at once the driver admits."""
    most, refused = 0, ""
    for count in SESSIONS:
        trial = _tried(tools, "sessions", _sessions_arguments(count), "")
        if not trial.proven:
            refused = f"; {count} are refused: {trial.result}"
            break
        most = count
    return GpuTrial(
        "sessions", most >= SESSIONS_NEEDED, f"{most} encodes at once work, {SESSIONS_NEEDED} are needed{refused}"
    )


def _sessions_arguments(count: int) -> list[str]:
    pads = "".join(f"[p{number}]" for number in range(count))
    side = profile.PROBE_SIDE
    graph = f"testsrc2=size={side}x{side}:rate=30:duration=1,format=yuv420p,split={count}{pads}"
    arguments = ["-filter_complex", graph]
    for number in range(count):
        arguments += ["-map", f"[p{number}]", "-c:v", profile.NVENC.codec, *profile.NVENC.variant, "-b:v", "1M"]
        arguments += ["-f", "null", "-"]
    return arguments


def _plain(line: str) -> str:
    """Without addresses, which are different every time."""
    return re.sub(r"^(\[[^\]]*\] ?)+", "", line)
