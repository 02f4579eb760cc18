"""What a machine's GPU can do for the work, proven by doing it: a report to paste into an issue.

Both encoders build all outputs of one clip with the real builder, and all rules judge them; speed and likeness to the
source are compared. Whatever could not be done is named, with what the tools said. Without a GPU the CPU's half is done
all the same. Not here: the trials of the GPU (`gpu_trials.py`), the measures of likeness (`picture_likeness.py`), what
a worker needs in order to start (`doctor.py`), which encoder it takes (`build/encoders.py`), the report's text
(`cli/`).
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from codex_assets.archive.records import MediaRecord, MezzanineRecord, OutputRecord, VariantRecord
from codex_assets.build.builder import LocalBuilder
from codex_assets.build.encoders import EncoderMode, Encoders
from codex_assets.errors import JobCancelled, JobError, ToolError
from codex_assets.media import ffprobe, profile
from codex_assets.media.outputs import MEZZANINE, VARIANT, OutputDefinition, definition, is_variant, wanted
from codex_assets.readiness.gpu_trials import GpuTrial, machine_facts, run_trials
from codex_assets.readiness.picture_likeness import Likeness, measure_likeness
from codex_assets.readiness.tool_checks import old_driver
from codex_assets.storage import keys
from codex_assets.storage.directory import DirectoryStore
from codex_assets.storage.objects import Stores
from codex_assets.system import vmaf_ffmpeg
from codex_assets.system.tools import Tools
from codex_assets.system.workspace import Workspace
from codex_assets.verification.audit import Auditor

MEDIA, CREATOR = "proof", "doctor"
CLIP_SECONDS = 12
"""Two segments."""
CLIP_SIZE = "1920x1080"


@dataclass(frozen=True)
class EncodedOutput:
    """One output as it was built: encode seconds and speed against real time (None: nothing was encoded)."""

    name: str
    encoder: str | None
    seconds: float | None
    speed: float | None
    size: int
    bit_rate: int | None = None


@dataclass(frozen=True)
class EncoderRun:
    """One encoder's run over all outputs. `problem` is None when it came to its end with that encoder."""

    encoder: str
    seconds: float
    outputs: tuple[EncodedOutput, ...] = ()
    checks: int = 0
    failed: tuple[str, ...] = ()
    warned: tuple[str, ...] = ()
    likeness: tuple[Likeness, ...] = ()
    problem: str | None = None


@dataclass(frozen=True)
class Report:
    """`facts` are (what, found). `unproven` are sentences; a machine that proves everything has none."""

    at: str
    clip: str
    facts: tuple[tuple[str, str], ...]
    trials: tuple[GpuTrial, ...]
    cpu: EncoderRun
    gpu: EncoderRun | None
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
        facts = tuple(machine_facts(tools, environ))
        source = clip if clip is not None else _made_clip(tools, folder.root / "clip.mp4")
        tell("encoding with x264")
        cpu, cpu_stores = _built(tools, folder.root / "cpu", source, EncoderMode.X264)
        tell("trying NVENC and NVDEC")
        trials = tuple(run_trials(tools, _mezzanine(cpu_stores) or source))
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


# --- Building ---------------------------------------------------------------------------------------------------------


def _made_clip(tools: Tools, path: Path) -> Path:
    """Moving shapes under a little noise: neither is easy to encode. The sound comes and goes."""
    picture = f"testsrc2=size={CLIP_SIZE}:rate=30:duration={CLIP_SECONDS},noise=alls=6:allf=t,format=yuv420p"
    arguments = ["-f", "lavfi", "-i", picture]
    arguments += ["-f", "lavfi", "-i", f"sine=frequency=220:beep_factor=4:duration={CLIP_SECONDS}"]
    arguments += ["-c:v", "libx264", "-preset", "ultrafast", "-crf", "8", "-c:a", "aac", "-b:a", "128k", str(path)]
    tools.ffmpeg(arguments, label="making a clip", duration=float(CLIP_SECONDS))
    return path


def _built(tools: Tools, root: Path, source: Path, mode: EncoderMode) -> tuple[EncoderRun, Stores]:
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
        made = list(LocalBuilder(stores, tools, encoders, workspace).build(media, wanted("video")))
        seconds = time.monotonic() - started
        other = [record for record in made if record.build is not None and record.build.encoder not in (None, codec)]
        if other and other[0].build is not None:
            problem = f"{other[0].output} was made by {other[0].build.encoder}: {other[0].build.encoder_reason}"
        for audit in Auditor(stores, tools, workspace).audit(media, wanted("video")):
            checks += len(audit.checks)
            failed += [f"{audit.output} {finding.rule}: {finding.message}" for finding in audit.failed]
            warned += [f"{audit.output} {finding.rule}: {finding.message}" for finding in audit.warned]
    except JobCancelled:
        raise
    except JobError as error:
        problem = error.public
    finally:
        workspace.close()
    outputs = tuple(_output(record) for record in made if record.applicable)
    return EncoderRun(codec, seconds, outputs, checks, tuple(failed), tuple(warned), problem=problem), stores


def _output(record: OutputRecord) -> EncodedOutput:
    build = record.build
    rate = record.average_bandwidth if isinstance(record, VariantRecord) else None
    size = sum(file.size for file in record.files)
    if isinstance(record, MezzanineRecord) and record.duration:
        rate = round(8 * size / record.duration)
    encoded = build is not None and build.encoder is not None
    return EncodedOutput(
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


def _compared(tools: Tools, build: EncoderRun, stores: Stores, reference: Path) -> EncoderRun:
    measured: list[Likeness] = []
    measuring = vmaf_ffmpeg.measuring_tools(tools)
    for output in build.outputs:
        made = definition("video", output.name)
        path = _file(stores, made) if made.kind in (MEZZANINE, VARIANT) else None
        if path is not None and path != reference:
            with_vmaf = measuring is not None
            likeness = measure_likeness(measuring or tools, output.name, path, reference, with_vmaf=with_vmaf)
            measured += [likeness] if likeness is not None else []
    return EncoderRun(**{**vars(build), "likeness": tuple(measured)})


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


def _unproven(
    trials: Sequence[GpuTrial], cpu: EncoderRun, gpu: EncoderRun | None, driver: str | None = None
) -> Iterator[str]:
    if driver is not None:
        # First: what follows may be the consequence.
        yield f"{driver[0].upper()}{driver[1:]}."
    for trial in trials:
        if not trial.proven:
            yield f"{trial.name}: {trial.result}."
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
        pictures = [output for output in build.outputs if output.encoder is not None and is_variant(output.name)]
        if build.problem is None and len(build.likeness) < len(pictures):
            yield f"The quality of {name}'s pictures: {len(build.likeness)} of {len(pictures)} could be compared."


def speed_up(report: Report) -> float | None:
    """How many times faster the whole build is with NVENC."""
    if report.gpu is None or not report.gpu.seconds or not report.cpu.seconds:
        return None
    return report.cpu.seconds / report.gpu.seconds
