"""What a machine's GPU can do for the work, proven by doing it: a report to paste into an issue.

Both encoders build all outputs of one clip with the real builder, and all rules judge them; speed and likeness to the
source are compared. Whatever could not be done is named, with what the tools said. Without a GPU the CPU's half is done
all the same. Not here: what a worker needs in order to start (`doctor`), and which encoder it takes (`encoders`).
"""

from __future__ import annotations

import os
import platform
import re
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from codex_assets.archive.records import MediaRecord, MezzanineRecord, OutputRecord, VariantRecord
from codex_assets.build.builder import LocalBuilder
from codex_assets.build.encoders import EncoderMode, Encoders
from codex_assets.errors import JobCancelled, JobError, ToolError
from codex_assets.media import ffprobe, input_flags, profile
from codex_assets.media.encode import ladder
from codex_assets.media.outputs import MEZZANINE, OUTPUTS, VARIANT, OutputDefinition, definition, is_variant
from codex_assets.readiness.tool_checks import old_driver
from codex_assets.storage import keys
from codex_assets.storage.directory import DirectoryStore
from codex_assets.storage.objects import Stores
from codex_assets.system.tools import Tools
from codex_assets.system.workspace import Workspace
from codex_assets.verification.audit import Auditor

MEDIA, CREATOR = "proof", "doctor"
CLIP_SECONDS = 12
"""Two segments."""
CLIP_SIZE = "1920x1080"
SESSIONS = (1, 2, 3, 4, 5, 8, 12)
"""Encodes at once that are tried. GeForce cards limit them, by driver."""
SESSIONS_NEEDED = len(profile.LADDER)
"""A ladder's variants are encoded beside each other."""
TELLING = re.compile(r"nvenc|cuda|nvidia|driver|API version|OpenEncodeSession|No capable devices", re.IGNORECASE)
LIBRARIES = ("libcuda.so.1", "libnvidia-encode.so.1", "libnvcuvid.so.1")
LIBRARY_FOLDERS = ("/usr/lib/x86_64-linux-gnu", "/usr/lib64", "/usr/local/nvidia/lib64", "/usr/lib/wsl/lib", "/lib64")


@dataclass(frozen=True)
class Trial:
    """One thing that was tried. `log`: what the tools said of it."""

    name: str
    proven: bool
    told: str
    log: tuple[str, ...] = ()


@dataclass(frozen=True)
class Output:
    """One output as it was built: encode seconds and speed against real time (None: nothing was encoded)."""

    name: str
    encoder: str | None
    seconds: float | None
    speed: float | None
    size: int
    bit_rate: int | None = None


@dataclass(frozen=True)
class Likeness:
    """Of a picture to its source, at its own size. `psnr` in dB; `vmaf` None where ffmpeg lacks it."""

    output: str
    ssim: float
    psnr: float
    vmaf: float | None = None


@dataclass(frozen=True)
class Build:
    """One encoder's run over all outputs. `problem` is None when it came to its end with that encoder."""

    encoder: str
    seconds: float
    outputs: tuple[Output, ...] = ()
    checks: int = 0
    failed: tuple[str, ...] = ()
    warned: tuple[str, ...] = ()
    likeness: tuple[Likeness, ...] = ()
    problem: str | None = None

    @property
    def fine(self) -> bool:
        return self.problem is None and not self.failed


@dataclass(frozen=True)
class Report:
    """`facts` are (what, found). `unproven` are sentences; a machine that proves everything has none."""

    at: str
    clip: str
    facts: tuple[tuple[str, str], ...]
    trials: tuple[Trial, ...]
    cpu: Build
    gpu: Build | None
    compared_with: str
    unproven: tuple[str, ...] = field(default=())


def prove(
    tools: Tools,
    environ: Mapping[str, str],
    scratch: Path,
    *,
    clip: Path | None = None,
    tell: Callable[[str], None] = lambda _: None,
) -> Report:
    """Try, build, judge and compare. Takes the CPU's time for a ladder of the clip, about a minute for the default.

    `clip` is any video file; else one is made. Raises `JobCancelled`, and `JobError` when this machine lacks ffmpeg.
    """
    folder = Workspace(scratch)
    try:
        tell("looking at the machine")
        facts = tuple(_facts(tools, environ))
        source = clip if clip is not None else _made_clip(tools, folder.root / "clip.mp4")
        tell("encoding with x264")
        cpu, cpu_stores = _built(tools, folder.root / "cpu", source, EncoderMode.X264)
        tell("trying NVENC and NVDEC")
        trials = tuple(_trials(tools, _mezzanine(cpu_stores) or source))
        gpu = gpu_stores = None
        if trials[0].proven:
            tell("encoding with NVENC")
            gpu, gpu_stores = _built(tools, folder.root / "gpu", source, EncoderMode.NVENC)
        # An upload of a variable rate has other frames than what is made of it: the mezzanine stands for it.
        reference = source if clip is None else _mezzanine(cpu_stores)
        if reference is not None:
            tell("comparing with the source")
            cpu = _compared(tools, cpu, cpu_stores, reference)
            if gpu is not None and gpu_stores is not None:
                gpu = _compared(tools, gpu, gpu_stores, reference)
        return Report(
            at=datetime.now(UTC).isoformat(timespec="seconds"),
            clip=_described(tools, source, clip is None),
            facts=facts,
            trials=trials,
            cpu=cpu,
            gpu=gpu,
            compared_with="the source" if clip is None else "x264's mezzanine",
            unproven=tuple(_unproven(trials, cpu, gpu, old_driver(tools))),
        )
    finally:
        folder.close()


# --- The machine ------------------------------------------------------------------------------------------------------


def _facts(tools: Tools, environ: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    yield "system", f"{platform.system()} {platform.release()}, {platform.machine()}"
    processor = _first("/proc/cpuinfo", r"model name\s*:\s*(.+)") or "unknown"
    yield "processor", f"{processor}, {os.cpu_count()} threads"
    yield "ffmpeg", tools.version("ffmpeg") or "missing"
    yield "GPU", _gpus(tools)
    driver = _first("/proc/driver/nvidia/version", r"Kernel Module[^\d]*([\d.]+)")
    yield "kernel driver", driver or "no NVIDIA kernel module"
    for library in LIBRARIES:
        found = [folder for folder in LIBRARY_FOLDERS if Path(folder, library).exists()]
        yield library, found[0] if found else "not found in the usual places"
    for name in ("NVIDIA_VISIBLE_DEVICES", "NVIDIA_DRIVER_CAPABILITIES", "CUDA_VISIBLE_DEVICES"):
        yield name, environ.get(name, "not set")


def _gpus(tools: Tools) -> str:
    try:
        gpus = tools.query_gpus("name", "driver_version", "memory.total")
    except ToolError as error:
        return f"nvidia-smi fails: {error.reason}"
    return "; ".join(gpus) if gpus else "nvidia-smi is not here, or found none"


def _first(path: str, pattern: str) -> str | None:
    try:
        found = re.search(pattern, Path(path).read_text(encoding="utf-8", errors="replace"))
    except OSError:
        return None
    return found.group(1).strip() if found else None


# --- Trials -----------------------------------------------------------------------------------------------------------


def _trials(tools: Tools, clip: Path) -> Iterator[Trial]:
    """NVENC first: the others are of less use without it."""
    listed = profile.NVENC.codec in tools.encoders()
    if listed:
        nvenc = _tried(tools, "NVENC", ladder.trial_arguments(profile.NVENC), "the real options of both uses work")
    else:
        nvenc = Trial("NVENC", False, f"this ffmpeg was built without {profile.NVENC.codec}")
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
    yield _sessions(tools) if nvenc.proven else Trial("sessions", False, "not tried: NVENC does not work")


def _tried(tools: Tools, name: str, arguments: Sequence[str], works: str) -> Trial:
    try:
        tools.ffmpeg(arguments, label=f"trying {name}", duration=2.0)
    except ToolError as error:
        # The map of streams names the encoder, too.
        lines = tuple(one for one in error.log if TELLING.search(one) and "->" not in one) or error.log[:5]
        return Trial(name, False, _plain(lines[0]) if lines else error.reason, tuple(map(_plain, lines)))
    return Trial(name, True, works)


def _sessions(tools: Tools) -> Trial:
    """How many encodes at once the driver admits."""
    most, refused = 0, ""
    for count in SESSIONS:
        trial = _tried(tools, "sessions", _sessions_arguments(count), "")
        if not trial.proven:
            refused = f"; {count} are refused: {trial.told}"
            break
        most = count
    return Trial(
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


# --- Building ---------------------------------------------------------------------------------------------------------


def _made_clip(tools: Tools, path: Path) -> Path:
    """Moving shapes under a little noise: neither is easy to encode. The sound comes and goes."""
    picture = f"testsrc2=size={CLIP_SIZE}:rate=30:duration={CLIP_SECONDS},noise=alls=6:allf=t,format=yuv420p"
    arguments = ["-f", "lavfi", "-i", picture]
    arguments += ["-f", "lavfi", "-i", f"sine=frequency=220:beep_factor=4:duration={CLIP_SECONDS}"]
    arguments += ["-c:v", "libx264", "-preset", "ultrafast", "-crf", "8", "-c:a", "aac", "-b:a", "128k", str(path)]
    tools.ffmpeg(arguments, label="making a clip", duration=float(CLIP_SECONDS))
    return path


def _built(tools: Tools, root: Path, source: Path, mode: EncoderMode) -> tuple[Build, Stores]:
    """All outputs with one encoder into a store of its own, and what every rule finds of them there."""
    stores = Stores(*(DirectoryStore(root, role, role) for role in ("archive", "media", "assets")))
    key = f"originals/{CREATOR}/{MEDIA}/original"
    media = MediaRecord(media_id=MEDIA, creator_id=CREATOR, media_type="video", input_role="archive", input_key=key)
    codec = profile.NVENC.codec if mode is EncoderMode.NVENC else profile.X264.codec
    workspace = Workspace(root / "work")
    made: list[OutputRecord] = []
    problem: str | None = None
    seconds = 0.0
    checks, failed, warned = 0, [], []
    try:
        stores.archive.upload(source, key, content_type="application/octet-stream")
        started = time.monotonic()
        encoders = Encoders(mode, tools)
        made = list(LocalBuilder(stores, tools, encoders, workspace).build(media, OUTPUTS["video"]))
        seconds = time.monotonic() - started
        other = [one for one in made if one.build is not None and one.build.encoder not in (None, codec)]
        if other and other[0].build is not None:
            problem = f"{other[0].output} was made by {other[0].build.encoder}: {other[0].build.encoder_reason}"
        for audit in Auditor(stores, tools, workspace).audit(media, OUTPUTS["video"]):
            checks += len(audit.checks)
            failed += [f"{audit.output} {one.rule}: {one.message}" for one in audit.failed]
            warned += [f"{audit.output} {one.rule}: {one.message}" for one in audit.warned]
    except JobCancelled:
        raise
    except JobError as error:
        problem = error.public
    finally:
        workspace.close()
    outputs = tuple(_output(one) for one in made if one.applicable)
    return Build(codec, seconds, outputs, checks, tuple(failed), tuple(warned), problem=problem), stores


def _output(record: OutputRecord) -> Output:
    build = record.build
    rate = record.average_bandwidth if isinstance(record, VariantRecord) else None
    size = sum(file.size for file in record.files)
    if isinstance(record, MezzanineRecord) and record.duration:
        rate = round(8 * size / record.duration)
    encoded = build is not None and build.encoder is not None
    return Output(
        record.output,
        build.encoder if build is not None else None,
        build.encode_seconds if build is not None and encoded else None,
        build.speed if build is not None and encoded else None,
        size,
        rate,
    )


def _mezzanine(stores: Stores) -> Path | None:
    return _file(stores, definition("video", MEZZANINE.name))


def _file(stores: Stores, output: OutputDefinition) -> Path | None:
    """Where the local store keeps what is played of an output."""
    assert isinstance(stores.archive, DirectoryStore)
    if output.kind is MEZZANINE:
        path = stores.archive.path(keys.mezzanine(CREATOR, MEDIA))
    else:
        assert isinstance(stores.media, DirectoryStore)
        path = stores.media.path(keys.variant_playlist(CREATOR, MEDIA, "video", output.playlist_name))
    return path if path.is_file() else None


# --- Comparing --------------------------------------------------------------------------------------------------------


def _compared(tools: Tools, build: Build, stores: Stores, reference: Path) -> Build:
    found = []
    with_vmaf = "libvmaf" in tools.filters()
    for output in build.outputs:
        made = definition("video", output.name)
        path = _file(stores, made) if made.kind in (MEZZANINE, VARIANT) else None
        if path is not None and path != reference:
            likeness = _likeness(tools, output.name, path, reference, with_vmaf=with_vmaf)
            found += [likeness] if likeness is not None else []
    return Build(**{**vars(build), "likeness": tuple(found)})


def _likeness(tools: Tools, output: str, path: Path, reference: Path, *, with_vmaf: bool) -> Likeness | None:
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


def _described(tools: Tools, clip: Path, generated: bool) -> str:
    try:
        info = ffprobe.parse(tools.ffprobe(ffprobe.probe_arguments(str(clip)), label="probing the clip"))
    except ToolError:
        return "a file that cannot be read"
    video = info.video
    size = f"{video.width}x{video.height}, {video.codec}" if video is not None else "no picture"
    seconds = info.seconds if info.seconds is not None else info.duration
    return f"{'generated' if generated else 'given'}: {size}, {seconds or 0.0:.1f} s"


# --- What it comes to -------------------------------------------------------------------------------------------------


def _unproven(trials: Sequence[Trial], cpu: Build, gpu: Build | None, driver: str | None = None) -> Iterator[str]:
    if driver is not None:
        # First: what follows may be the consequence.
        yield f"{driver[0].upper()}{driver[1:]}."
    for trial in trials:
        if not trial.proven:
            yield f"{trial.name}: {trial.told}."
    for name, build in (("x264", cpu), ("NVENC", gpu)):
        if build is None:
            yield "The encode with NVENC, its verification, and its speed and quality beside x264: NVENC does not work."
            continue
        if build.problem is not None:
            yield f"The encode with {name}: {build.problem}"
        if build.failed:
            yield f"{name}'s outputs failed {len(build.failed)} of {build.checks} checks."
        elif build.problem is None and not build.checks:
            yield f"The verification of {name}'s outputs: nothing was checked."
        pictures = [one for one in build.outputs if one.encoder is not None and is_variant(one.name)]
        if build.problem is None and len(build.likeness) < len(pictures):
            yield f"The quality of {name}'s pictures: {len(build.likeness)} of {len(pictures)} could be compared."


def speed_up(report: Report) -> float | None:
    """How many times faster the whole build is with NVENC."""
    if report.gpu is None or not report.gpu.seconds or not report.cpu.seconds:
        return None
    return report.cpu.seconds / report.gpu.seconds
