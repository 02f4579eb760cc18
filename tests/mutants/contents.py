"""The media that mutants are made of: several contents, published once by the real pipeline and kept by a hash.

Kept in `CACHE` under a name that changes with the recipe, with ffmpeg and with this file.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import shutil
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from published import CACHE, CREATOR, MEDIA, ROOT, TOOLS, PublishedMedia

from codex_assets.archive.records import LoudnessRecord, MediaRecord
from codex_assets.build.builder import LocalBuilder
from codex_assets.build.encoders import EncoderMode, Encoders
from codex_assets.build.sound import encode_sounds
from codex_assets.contract.names import MediaType
from codex_assets.media import profile, recipe
from codex_assets.media.encode import loudness
from codex_assets.media.outputs import OUTPUTS
from codex_assets.system.workspace import Workspace

SAMPLE = ROOT / "fixtures" / "sample-video.mp4"
BEEPS = "0.25*gt(sin(2*PI*0.9*t+0.4*t*t/8),0.2)*sin(2*PI*(600+70*floor(mod(t,7)))*t)"
MUSIC_LEFT = (
    "0.3*exp(-5*mod(t,0.5))*sin(2*PI*62*t)+0.13*(sin(2*PI*220*t)+sin(2*PI*277*t)*gt(sin(2*PI*0.19*t),0))"
    "+0.25*exp(-40*mod(t+0.25,0.5))*(random(0)-0.5)"
)
MUSIC_RIGHT = (
    "0.25*exp(-5*mod(t,0.5))*sin(2*PI*62*t)+0.14*(sin(2*PI*330*t)+sin(2*PI*415*t)*gt(sin(2*PI*0.31*t),0))"
    "+0.3*exp(-30*mod(t+0.125,0.25))*(random(1)-0.5)"
)
# Speech a little left of the middle, in a room that is not the same on both sides.
SPOKEN = (
    "[0:a]aresample=48000,asplit=3[a][b][c];[b]adelay=17:all=1,volume=0.35[late];[c]highpass=f=900,volume=0.3[high];"
    "[a]volume=0.9[left];[late][high]amix=inputs=2:normalize=0[right];"
    "[left]pan=mono|c0=c0[l];[right]pan=mono|c0=c0[r];[l][r]join=inputs=2:channel_layout=stereo[sound]"
)
GRAIN = "noise=alls=7:allf=t:all_seed=5"
H264 = ("-c:v", "libx264", "-preset", "veryfast", "-crf", "19", "-pix_fmt", "yuv420p")


def _aac(sound: str) -> tuple[str, ...]:
    return ("-map", sound, "-c:a", "aac", "-b:a", "192k")


@dataclass(frozen=True)
class Content:
    """`arguments` make its upload, all but the name of the file."""

    media_type: MediaType
    suffix: str
    arguments: tuple[str, ...]


CONTENTS: dict[str, Content] = {
    # A textured, moving film with a hard cut and speech, at a rate without whole frames; three segments, two variants.
    "film": Content(
        "video",
        "mp4",
        (
            *("-ss", "2", "-t", "13", "-i", str(SAMPLE), "-filter_complex", f"[0:v]scale=854:480,{GRAIN}[picture]"),
            *("-filter_complex", SPOKEN, "-map", "[picture]", *H264, *_aac("[sound]")),
        ),
    ),
    # Flat colours, exact edges and beeps.
    "flat": Content(
        "video",
        "mkv",
        (
            *("-f", "lavfi", "-i", "testsrc2=s=640x360:r=30:d=8"),
            *("-f", "lavfi", "-i", f"aevalsrc='{BEEPS}|0.7*{BEEPS}':s=48000:d=8"),
            *("-map", "0:v", "-map", "1:a", *H264, "-c:a", "pcm_s16le"),
        ),
    ),
    "portrait": Content(
        "video",
        "mov",
        (
            *("-ss", "9", "-t", "8", "-i", str(SAMPLE)),
            *("-filter_complex", f"[0:v]crop=406:720,scale=360:640,{GRAIN}[picture]", "-filter_complex", SPOKEN),
            *("-map", "[picture]", *H264, *_aac("[sound]")),
        ),
    ),
    # A picture without sound.
    "silent": Content(
        "video",
        "mp4",
        (
            *("-f", "lavfi", "-i", "mandelbrot=s=640x360:r=24:start_scale=0.9:end_scale=0.05:end_pts=300:maxiter=300"),
            *("-t", "8", "-vf", "gblur=sigma=0.8,format=yuv420p", *H264),
        ),
    ),
    "music": Content(
        "audio",
        "wav",
        ("-f", "lavfi", "-i", f"aevalsrc='{MUSIC_LEFT}|{MUSIC_RIGHT}':s=48000:d=14", "-c:a", "pcm_s16le"),
    ),
}


def published(name: str) -> PublishedMedia:
    """The media of a content, published once for all processes. Nobody may change it: work on a copy."""
    folder = CACHE / f"{name}-{_hash_of(name)}"
    folder.parent.mkdir(parents=True, exist_ok=True)
    with Path(f"{folder}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not (folder / "done").exists():
            shutil.rmtree(folder, ignore_errors=True)
            folder.mkdir()
            _publish(CONTENTS[name], folder)
            (folder / "done").touch()
    return PublishedMedia(folder)


@cache
def _hash_of(name: str) -> str:
    content = CONTENTS[name]
    recipes = [recipe.code_version(content.media_type, output) for output in OUTPUTS[content.media_type]]
    return hashlib.sha256(repr((content, recipes, TOOLS.version("ffmpeg"))).encode()).hexdigest()[:10]


def _publish(content: Content, folder: Path) -> None:
    upload = folder / f"upload.{content.suffix}"
    TOOLS.ffmpeg([*content.arguments, str(upload)], label="making an upload")
    media = PublishedMedia(folder)
    record = MediaRecord(
        media_id=MEDIA,
        creator_id=CREATOR,
        media_type=content.media_type,
        input_role="archive",
        input_key=f"originals/{CREATOR}/{MEDIA}/original.{content.suffix}",
    )
    media.stores.archive.upload(upload, record.input_key, content_type="application/octet-stream")
    media.records.put(MEDIA, "media", record)
    workspace = Workspace(folder / f"work-{os.getpid()}")
    try:
        builder = LocalBuilder(media.stores, TOOLS, Encoders(EncoderMode.X264, TOOLS), workspace)
        list(builder.build(record, OUTPUTS[content.media_type]))
    finally:
        workspace.close()
    _keep_sounds(media, folder / "sounds")


def _keep_sounds(media: PublishedMedia, folder: Path) -> None:
    """The delivered sounds, which a builder's workspace takes away: the same bytes again."""
    folder.mkdir()
    mezzanine = media.mezzanine
    if not mezzanine.has_audio:
        return
    record = media.records.get(MEDIA, "loudness", LoudnessRecord)
    assert record is not None
    measured = loudness.louder(record.measurement, mezzanine.sound_gain)
    rungs = profile.AUDIO_LADDER if media.media.media_type == "audio" else profile.LADDER
    rates = sorted({rung.audio_kbps for rung in rungs})
    source = media.root / "store" / "archive" / mezzanine.files[0].key
    encode_sounds(TOOLS, folder, source, rates, measured, mezzanine.duration, None)
