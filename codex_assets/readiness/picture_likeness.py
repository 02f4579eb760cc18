"""How alike an encoded picture is to its source: SSIM, PSNR and VMAF, measured by ffmpeg frame by frame."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from codex_assets.errors import ToolError
from codex_assets.media import input_flags
from codex_assets.system.tools import Tools


@dataclass(frozen=True)
class Likeness:
    """Of a picture to its source, at its own size. `psnr` in dB; `vmaf` None where ffmpeg lacks it."""

    output: str
    ssim: float
    psnr: float
    vmaf: float | None = None


def measure_likeness(tools: Tools, output: str, path: Path, reference: Path, *, with_vmaf: bool) -> Likeness | None:
    """Frame by frame against the reference, which is scaled to the output's own size."""
    meters = ["ssim", "psnr", *(["libvmaf"] if with_vmaf else [])]
    seen = "".join(f"[seen{number}]" for number in range(len(meters)))
    wanted = "".join(f"[wanted{number}]" for number in range(len(meters)))
    graph = [
        "[1:v]setpts=PTS-STARTPTS,settb=AVTB[source]",
        "[source][0:v]scale2ref=flags=lanczos[scaled][made]",
        f"[made]setpts=PTS-STARTPTS,settb=AVTB,format=yuv420p,split={len(meters)}{seen}",
        f"[scaled]format=yuv420p,split={len(meters)}{wanted}",
        *(f"[seen{number}][wanted{number}]{meter}=shortest=1[out{number}]" for number, meter in enumerate(meters)),
    ]
    sources = [
        *input_flags.input_arguments(str(path), trusted=True),
        *input_flags.input_arguments(str(reference), trusted=True),
    ]
    outputs = [part for number in range(len(meters)) for part in ("-map", f"[out{number}]", "-f", "null", "-")]
    try:
        run = tools.ffmpeg([*sources, "-filter_complex", ";".join(graph), *outputs], label="comparing pictures")
    except ToolError:
        return None
    log = "\n".join(run.log)
    ssim, psnr = re.findall(r"SSIM .*All:([\d.]+)", log), re.findall(r"PSNR .*average:([\d.]+|inf)", log)
    vmaf = re.findall(r"VMAF score: ([\d.]+)", log)
    if not ssim or not psnr:
        return None
    return Likeness(output, float(ssim[-1]), float(psnr[-1]), float(vmaf[-1]) if vmaf else None)
