"""Whether the tools are there, start, are new enough, and can do what jobs ask of them: encoders encode, filters exist.

In: the oldest versions, the encoders and filters that a build of ffmpeg may lack, NVENC and its driver, the walls
around tools. Out: faults of releases (`ffmpeg_releases.py`), and what a GPU is worth (`gpu_proof.py`).
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator

from codex_assets.build.encoders import EncoderMode, try_nvenc
from codex_assets.errors import JobError, ToolError
from codex_assets.media import profile
from codex_assets.media.encode import ladder
from codex_assets.media.outputs import THUMBNAILS
from codex_assets.readiness.checks import Check, Health
from codex_assets.system import sandbox
from codex_assets.system.tools import Tools

SETUP = "make setup"
APT = "apt-get install ffmpeg"
FULL_BUILD = f"Use a full build of ffmpeg, such as the distribution's: {APT}"

OLDEST = {"ffmpeg": (5, 1), "ffprobe": (5, 1), "audiowaveform": (1, 0)}
"""The tools, and the oldest version of each: ffmpeg has `-fps_mode` since then, audiowaveform version 2 of its JSON."""
IMAGE_DRIVER = "530.41.03"
"""The oldest NVIDIA driver that the image's ffmpeg encodes with: Debian 13 builds it with the headers of NVENC 12.1.
(Debian 12's asks for 470.57.02.) CUDA's version of the hosts that have it: `runpod_endpoint.OLDEST_CUDA`."""


ENCODERS = {
    "libx264": "all pictures without a GPU",
    "aac": "delivered sound",
    "alac": "lossless sound kept",
    "flac": "lossless sound kept",
}
FILTERS = {
    "loudnorm": "second pass of the loudness",
    "ebur128": "loudness meter",
    "zscale": "HDR to standard range",
    "tonemap": "HDR to standard range",
    "bwdif": "interlaced uploads",
    "premultiply": "uploads with transparency",
}
"""Those that a build of ffmpeg may lack, and what they are for."""
OPTIONAL_ENCODERS = {THUMBNAILS.name: "libwebp"}
"""Those that only an optional output needs, by its name."""


def check_tools(tools: Tools) -> Iterator[Check]:
    """Each tool is there, starts, and is not too old."""
    for name, oldest in OLDEST.items():
        advice = f"{SETUP}, or put audiowaveform on PATH" if name == "audiowaveform" else f"{APT} (or {SETUP})"
        path = tools.path(name)
        if path is None:
            yield Check("tools", name, Health.PROBLEM, "not on PATH", advice)
            continue
        try:
            version = tools.version(name) or "unknown version"
        except (ToolError, OSError) as error:
            reason = error.reason if isinstance(error, ToolError) else error.strerror
            yield Check("tools", name, Health.PROBLEM, f"{path} does not start: {reason}", advice)
            continue
        if _is_old(version, oldest):
            wanted = ".".join(map(str, oldest))
            yield Check("tools", name, Health.PROBLEM, f"{version}, too old", f"{name} {wanted} or newer is needed")
            continue
        yield Check("tools", name, Health.OK, f"{version}  {path}")


def _is_old(version: str, oldest: tuple[int, int]) -> bool:
    numbers = re.match(r"[vn]?(\d+)\.(\d+)", version)
    # Builds from the repository have no number that could be compared; they are new enough.
    return numbers is not None and (int(numbers[1]), int(numbers[2])) < oldest


def check_codecs(tools: Tools, extras: Collection[str] = ()) -> Iterator[Check]:
    """What ffmpeg was built with. Nothing without ffmpeg: that it is missing is told by `check_tools`.

    `extras`: optional outputs that every media is to have.
    """
    try:
        encoders, filters = tools.encoders(), tools.filters()
    except (JobError, OSError):
        return
    for group, wanted, present in (("encoders", ENCODERS, encoders), ("filters", FILTERS, filters)):
        for name, use in wanted.items():
            if name in present:
                yield Check(group, name, Health.OK, use)
            else:
                yield Check(group, name, Health.PROBLEM, f"not in this ffmpeg ({use})", FULL_BUILD)
    for output, encoder in OPTIONAL_ENCODERS.items():
        if encoder in encoders:
            yield Check("encoders", encoder, Health.OK, f"the optional output {output}")
        elif output in extras:
            lacking = f"not in this ffmpeg, and EXTRA_OUTPUTS names {output}"
            yield Check("encoders", encoder, Health.PROBLEM, lacking, f"{FULL_BUILD}; or leave {output} out")
        else:
            yield Check(
                "encoders", encoder, Health.NOTE, f"not in this ffmpeg: {output} (EXTRA_OUTPUTS) cannot be built"
            )


def check_encoders(tools: Tools, mode: EncoderMode, required: bool) -> Iterator[Check]:
    """Encoders that are there, encoding."""
    try:
        encoders = tools.encoders()
    except (JobError, OSError):
        return
    if profile.X264.codec in encoders:
        yield _check_encoder(tools, profile.X264)
    yield check_nvenc(tools, mode, required=required)
    yield from check_driver(tools)


def _check_encoder(tools: Tools, row: profile.EncoderRow) -> Check:
    trial = tools.try_encode(ladder.trial_arguments(row))
    if trial.works:
        return Check("trial encode", row.codec, Health.OK, "works")
    return Check("trial encode", row.codec, Health.PROBLEM, f"listed, but does not work: {trial.reason}", FULL_BUILD)


def check_nvenc(tools: Tools, mode: EncoderMode, *, required: bool) -> Check:
    """Whether NVENC encodes here. Without it x264 is used: a problem only for who insists."""
    name = profile.NVENC.codec
    lacking = Health.PROBLEM if required or mode is EncoderMode.NVENC else Health.NOTE
    advice = ""
    if required:
        advice = "REQUIRE_NVENC is `1`: use GPUs that have NVENC, or leave it out"
    elif mode is EncoderMode.NVENC:
        advice = "VIDEO_ENCODER is `nvenc`: use a machine with NVENC, or set `auto`"
    if name not in tools.encoders():
        return Check("trial encode", name, lacking, "not in this ffmpeg; x264 is used", advice)
    trial = try_nvenc(tools)
    if not trial.works:
        reason = "; ".join(part for part in (trial.reason, old_driver(tools)) if part)
        unusable = f"listed, but not usable here ({reason}); x264 is used"
        return Check("trial encode", name, lacking, unusable, advice)
    used = "usable, but VIDEO_ENCODER is `x264`" if mode is EncoderMode.X264 else "usable, and used"
    return Check("trial encode", name, Health.OK, f"{used}; {trial.reason}")


def check_driver(tools: Tools) -> Iterator[Check]:
    """The NVIDIA driver: nothing where there is none."""
    subject = ("machine", "NVIDIA driver")
    try:
        versions = tools.query_gpus("driver_version")
    except ToolError as error:
        yield Check(
            *subject, Health.NOTE, f"nvidia-smi fails: {error.reason}", "Mend the driver of the host, or start anew"
        )
        return
    old = old_driver(tools)
    if old is not None:
        yield Check(
            *subject, Health.NOTE, old, f"Install driver {IMAGE_DRIVER} or newer on the host, or use another one"
        )
    elif versions:
        yield Check(*subject, Health.OK, versions[0])


def old_driver(tools: Tools) -> str | None:
    """That the driver here is too old for the image, if it is; None without a driver, and where it says no version."""
    versions = [version for version in tools.nvidia_smi("driver_version") if _numbers(version)]
    oldest = min(versions, key=_numbers, default=None)
    if oldest is None or _numbers(oldest) >= _numbers(IMAGE_DRIVER):
        return None
    return f"the NVIDIA driver {oldest} is too old: the image's ffmpeg asks for {IMAGE_DRIVER} or newer"


def _numbers(version: str) -> tuple[int, ...]:
    """`535.54.03` as numbers; nothing for what is no version, such as `[N/A]`."""
    return tuple(map(int, version.split("."))) if re.fullmatch(r"\d+(\.\d+)+", version) else ()


def check_walls() -> Iterator[Check]:
    """What keeps a tool in while it reads an upload (docs/decisions/sandbox.md)."""
    for wall in sandbox.protections():
        if wall.active:
            how = f", {wall.why}" if wall.why else ""
            yield Check("sandbox", wall.name, Health.OK, f"in force for every tool{how}")
        else:
            yield Check("sandbox", wall.name, Health.NOTE, f"not in force: {wall.why}", "See docs/decisions/sandbox.md")
