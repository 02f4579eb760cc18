"""Which x264 preset earns its CPU: CPU seconds and SSIM of each, beside the one in use.

Every preset is encoded right after (or before) a run of the baseline on the same clip, and only ratios to that
neighbour are compared: on a shared machine absolute seconds drift by more than presets differ. The clip is
synthetic (see `CLIP`), made in a temporary directory; nothing is kept. Run it with

    .venv/bin/python bench/presets.py [--seconds 10] [--rounds 1]

The decision it supports: docs/decisions/x264-preset.md.
"""

import argparse
import math
import re
import resource
import statistics
import subprocess
import tempfile
import time
from dataclasses import dataclass, replace
from pathlib import Path

FPS = 30
# Three cuts of a third each: a slow zoom into a fractal (fine detail, global motion), a turn over another part of it
# with cells being born and dying in a window (local motion, nothing to predict from), drifting gradients behind a
# moving chart (flat areas, hard edges). Fresh light grain on every frame, as a camera makes it: clean synthetic
# pictures are too easy.
CLIP = (
    "mandelbrot=s=1280x720:r={fps}:maxiter=600:start_scale=0.05:end_scale=0.02:end_pts={scene_frames}"
    ",scale=1920:1080:flags=bicubic,gblur=sigma=1.2,format=yuv420p,noise=c0s=3:c0f=t:all_seed=1[a];"
    "mandelbrot=s=1280x720:r=1:maxiter=600:start_scale=0.005:end_scale=0.005,trim=end_frame=1,loop=-1:1,"
    "setpts=N/{fps}/TB,fps={fps},rotate='0.06*sin(t*0.9)',crop=1120:630,scale=1920:1080:flags=bicubic,gblur=sigma=1.2,"
    "format=yuv420p[still];"
    "life=s=96x96:mold=12:r=6:ratio=0.3:seed=7:death_color=0x203A72:life_color=0xF2E6C9:mold_color=0x5B2A10,"
    "fps={fps},scale=576:576:flags=bicubic,format=yuv420p[cells];"
    "[still][cells]overlay=x='100+90*t':y=260,noise=c0s=3:c0f=t:all_seed=2[b];"
    "gradients=s=1920x1080:r={fps}:c0=0x10243E:c1=0xB85C38:c2=0xE0C097:n=3:speed=0.02:seed=3,format=yuv420p[g];"
    "testsrc2=s=640x360:r={fps},format=yuv420p[t];"
    "[g][t]overlay=x='640+560*sin(t*1.7)':y='360+300*cos(t*1.3)',noise=c0s=3:c0f=t:all_seed=3[c];"
    "[a]trim=end_frame={scene_frames},setpts=PTS-STARTPTS,setsar=1[a1];"
    "[b]trim=end_frame={scene_frames},setpts=PTS-STARTPTS,setsar=1[b1];"
    "[c]trim=end_frame={scene_frames},setpts=PTS-STARTPTS,setsar=1[c1];"
    "[a1][b1][c1]concat=n=3:v=1:a=0,format=yuv420p[v]"
)


@dataclass(frozen=True)
class Use:
    """One of the two encodes that the pipeline makes with x264, as media/profile.py sets it up."""

    title: str
    rate: tuple[str, ...]
    threads: int
    sliced: bool


@dataclass(frozen=True)
class Candidate:
    preset: str
    lookahead: int | None = None

    @property
    def label(self) -> str:
        return self.preset if self.lookahead is None else f"{self.preset}, rc-lookahead={self.lookahead}"

    def arguments(self, use: Use) -> list[str]:
        params = [f"sliced-threads={int(use.sliced)}"]
        if self.lookahead is not None:
            params.append(f"rc-lookahead={self.lookahead}")
        return [
            "-c:v", "libx264", "-preset", self.preset, "-threads", str(use.threads), *use.rate,
            "-x264-params", ":".join(params),
            "-force_key_frames", "expr:gte(t,n_forced*2)", "-sc_threshold", "0",
        ]  # fmt: skip


@dataclass(frozen=True)
class Run:
    cpu_seconds: float
    wall_seconds: float
    kilobits: float
    ssim: float


BASELINE = Candidate("faster")
CANDIDATES = (
    Candidate("superfast"),
    Candidate("veryfast"),
    Candidate("faster", lookahead=40),
    Candidate("fast"),
    Candidate("medium"),
)
LADDER = Use(
    "Ladder, 1080p: 5000k, maxrate 5500k, bufsize 10000k, one thread",
    ("-b:v", "5000k", "-maxrate", "5500k", "-bufsize", "10000k"),
    threads=1,
    sliced=False,
)
MEZZANINE = Use("Mezzanine: CRF 18, 8 threads as frames", ("-crf", "18"), threads=8, sliced=False)


def ffmpeg(*arguments: str) -> tuple[str, float, float]:
    """stderr, CPU seconds and wall seconds of one ffmpeg."""
    before, start = resource.getrusage(resource.RUSAGE_CHILDREN), time.monotonic()
    done = subprocess.run(
        ["ffmpeg", "-hide_banner", "-nostdin", "-nostats", "-y", *arguments], capture_output=True, text=True
    )
    wall, after = time.monotonic() - start, resource.getrusage(resource.RUSAGE_CHILDREN)
    if done.returncode != 0:
        raise SystemExit(f"ffmpeg {' '.join(arguments)}\n{done.stderr[-2000:]}")
    cpu = (after.ru_utime - before.ru_utime) + (after.ru_stime - before.ru_stime)
    return done.stderr, cpu, wall


def make_clip(path: Path, seconds: float) -> None:
    graph = CLIP.format(fps=FPS, scene_frames=round(seconds * FPS / 3))
    ffmpeg("-filter_complex", graph, "-map", "[v]", "-c:v", "utvideo", "-pred", "left", str(path))


def encode(clip: Path, out: Path, candidate: Candidate, use: Use, seconds: float, decode_cpu: float) -> Run:
    _, cpu, wall = ffmpeg("-i", str(clip), *candidate.arguments(use), str(out))
    compared, _, _ = ffmpeg("-i", str(out), "-i", str(clip), "-lavfi", "[0:v][1:v]ssim", "-f", "null", "-")
    match = re.search(r"SSIM .*All:([0-9.]+)", compared)
    if match is None:
        raise SystemExit("no SSIM in ffmpeg's log")
    return Run(cpu - decode_cpu, wall, out.stat().st_size * 8 / 1000 / seconds, float(match.group(1)))


def table(use: Use, clip: Path, scratch: Path, seconds: float, rounds: int) -> None:
    _, decode_cpu, _ = ffmpeg("-i", str(clip), "-f", "null", "-")
    out = scratch / "out.mp4"
    print(f"\n{use.title}\n")
    print("| preset | CPU / faster | wall / faster | kb/s | SSIM | SSIM dB | SSIM - faster |")
    print("| --- | --- | --- | --- | --- | --- | --- |")
    for candidate in CANDIDATES:
        pairs = []
        for turn in range(rounds):
            order = (BASELINE, candidate) if turn % 2 == 0 else (candidate, BASELINE)
            runs = {each: encode(clip, out, each, use, seconds, decode_cpu) for each in order}
            pairs.append((runs[BASELINE], runs[candidate]))
        base, this = pairs[-1]
        cpu = statistics.median(c.cpu_seconds / b.cpu_seconds for b, c in pairs)
        wall = statistics.median(c.wall_seconds / b.wall_seconds for b, c in pairs)
        if candidate is CANDIDATES[0]:
            print(row(f"**faster** ({base.cpu_seconds:.1f} CPU s, {base.wall_seconds:.1f} s)", 1.0, 1.0, base, base))
        print(row(candidate.label, cpu, wall, this, base), flush=True)


def row(label: str, cpu: float, wall: float, run: Run, base: Run) -> str:
    return (
        f"| {label} | {cpu:.2f} | {wall:.2f} | {run.kilobits:.0f} | {run.ssim:.4f} | {decibels(run.ssim):.2f} "
        f"| {run.ssim - base.ssim:+.4f} |"
    )


def decibels(ssim: float) -> float:
    return -10 * math.log10(1 - ssim)


def repeatability(clip: Path, seconds: float) -> None:
    """Hashes of three equal encodes: what may be relied on to give the same bytes again."""
    print(f"\nThree runs of `faster`, {seconds:g} s: SHA-256 of the encoded stream\n")
    print("| encode | distinct | hashes | wall |")
    print("| --- | --- | --- | --- |")
    slices = replace(LADDER, title="Ladder, 1080p, 4 threads as slices", threads=4, sliced=True)
    frames = replace(LADDER, title="Ladder, 1080p, 4 threads as frames", threads=4)
    for use in (LADDER, slices, frames, MEZZANINE):
        hashes, walls = [], []
        for _ in range(3):
            with tempfile.NamedTemporaryFile("r", suffix=".txt") as result:
                _, _, wall = ffmpeg(
                    "-t", str(seconds), "-i", str(clip), *BASELINE.arguments(use),
                    "-f", "hash", "-hash", "sha256", result.name,
                )  # fmt: skip
                hashes.append(result.read().strip().removeprefix("SHA256=")[:8])
                walls.append(wall)
        distinct, wall = len(set(hashes)), statistics.median(walls)
        print(f"| {use.title} | {distinct} of 3 | {' '.join(hashes)} | {wall:.1f} s |", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--seconds", type=float, default=10)
    parser.add_argument("--rounds", type=int, default=1, help="pairs per preset; ratios are medians")
    chosen = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="codex-bench-") as folder:
        clip = Path(folder) / "clip.mkv"
        make_clip(clip, chosen.seconds)
        print(f"clip: {chosen.seconds:g} s of 1920x1080 at {FPS} fps, {clip.stat().st_size / 1e6:.0f} MB lossless")
        for use in (LADDER, MEZZANINE):
            table(use, clip, Path(folder), chosen.seconds, chosen.rounds)
        repeatability(clip, min(4.0, chosen.seconds))


if __name__ == "__main__":
    main()
