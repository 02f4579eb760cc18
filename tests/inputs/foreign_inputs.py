"""Uploads in codecs that are not on the list (`profile.UNTRUSTED_DECODERS`): all that this machine's ffmpeg can make.

Encoded where it has an encoder, else a film or sound whose tag is patched: what follows is then no picture, but the
decoder that is asked for is. Which tags there are is asked of the library that ffmpeg uses. Made by plain ffmpeg.
"""

from __future__ import annotations

import ctypes
import ctypes.util
import re
import struct
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Literal

FFMPEG = ("ffmpeg", "-hide_banner", "-nostdin", "-y", "-loglevel", "error")
MediaType = Literal["video", "audio"]

QUICK: dict[str, tuple[str, bytes | int]] = {
    "magicyuv": ("avi", b"M8RG"),
    "lagarith": ("avi", b"LAGS"),
    "fraps": ("avi", b"FPS1"),
    "indeo5": ("avi", b"IV50"),
    "vp6": ("avi", b"VP62"),
    "tscc2": ("avi", b"TSC2"),
    "sheervideo": ("mkv", b"Shr0"),
    "dxtory": ("mkv", b"xtor"),
    "svq3": ("mov", b"SVQ3"),
    "rpza": ("mov", b"rpza"),
    "smc": ("mov", b"smc "),
    "hap": ("mov", b"Hap1"),
    "dirac": ("mov", b"drac"),
    "truespeech": ("wav", 0x22),
    "atrac3": ("wav", 0x270),
    "qdm2": ("mov", b"QDM2"),
    "snow": ("mkv", b"V_SNOW"),
}
"""Tags that stand for all others: the codec that is opened, the container, and what is patched into it."""
MATROSKA = {
    "snow": b"V_SNOW",
    "dirac": b"V_DIRAC",
    "avs2": b"V_AVS2",
    "avs3": b"V_AVS3",
    "ralf": b"A_REAL/RALF",
    "atrac3": b"A_REAL/ATRC",
}
"""Names of codecs in a mkv, of which not all have a tag elsewhere."""


@dataclass(frozen=True)
class Foreign:
    """One upload, and the name of its codec."""

    codec: str
    media_type: MediaType
    path: Path


def codec_of(path: Path, media_type: MediaType) -> str | None:
    """What a plain ffmpeg takes the first track for; None where it reads no such file."""
    # ffprobe says nothing of a file of which a decoder does not start.
    listing = subprocess.run(["ffmpeg", "-hide_banner", "-i", str(path)], capture_output=True, check=False).stderr
    kind = media_type.capitalize()
    codec = re.search(rf"^  Stream #0:0[^ ]*: {kind}: (\w+)", listing.decode("utf-8", "replace"), re.MULTILINE)
    return None if codec is None else codec[1]


@cache
def decoded_codecs() -> dict[str, tuple[MediaType, tuple[str, ...]]]:
    """Every codec of pictures and sounds that this ffmpeg decodes: its kind, and its encoders."""
    listed = subprocess.run([*FFMPEG, "-codecs"], capture_output=True, text=True, check=True).stdout
    uploads: dict[str, tuple[MediaType, tuple[str, ...]]] = {}
    for encodes, kind, name, rest in re.findall(r"^ D([.E])([VA])\S{3} (\S+)(.*)$", listed, re.MULTILINE):
        encoders = re.search(r"\(encoders: ([^)]*)\)", rest)
        names = tuple(encoders[1].split()) if encoders is not None else (name,) if encodes == "E" else ()
        uploads[name] = ("video" if kind == "V" else "audio", names)
    return uploads


@cache
def decoders_of(codec: str) -> tuple[str, ...]:
    """The decoders that this ffmpeg has for a codec."""
    listed = subprocess.run([*FFMPEG, "-codecs"], capture_output=True, text=True, check=True).stdout
    line = re.search(rf"^ D\S{{5}} {re.escape(codec)} (.*)$", listed, re.MULTILINE)
    several = re.search(r"\(decoders: ([^)]*)\)", line[1]) if line is not None else None
    return tuple(several[1].split()) if several is not None else (codec,)


# --- Patched ----------------------------------------------------------------------------------------------------------


def patched(codec: str, container: str, tag: bytes | int, folder: Path) -> Foreign:
    """A film or sound in `container` that says that it is coded in what `tag` stands for."""
    path = folder / f"{codec}.{container}"
    if isinstance(tag, int):
        _make(path, sound=True)
        data = path.read_bytes()
        at = data.index(b"fmt ") + 8
        path.write_bytes(data[:at] + struct.pack("<H", tag) + data[at + 2 :])
        return Foreign(codec, "audio", path)
    is_sound = decoded_codecs()[codec][0] == "audio"
    if tag[:2] in (b"V_", b"A_"):
        # A shorter name ends with zeros (RFC 8794, 7.4): no size changes.
        _make(path, sound=is_sound, coded="pcm_s16le" if is_sound else "msmpeg4v3")
        old = b"A_PCM/INT/LIT" if is_sound else b"V_MPEG4/MS/V3"
        data = path.read_bytes()
        assert old in data
        path.write_bytes(data.replace(old, tag.ljust(len(old), b"\0")))
        return Foreign(codec, "audio" if is_sound else "video", path)
    _make(path, sound=is_sound)
    old = {"avi": b"FMP4", "mkv": b"HFYU", "mov": b"sowt" if is_sound else b"jpeg"}[container]
    data = path.read_bytes()
    assert old in data
    path.write_bytes(data.replace(old, tag))
    return Foreign(codec, "audio" if is_sound else "video", path)


def _make(path: Path, *, sound: bool, coded: str | None = None) -> None:
    if sound:
        made = ["-f", "lavfi", "-i", "sine=duration=1:sample_rate=44100", "-c:a", "pcm_s16le"]
    else:
        # None of these keeps another name of its codec elsewhere in the file.
        coded = coded or {".avi": "mpeg4", ".mkv": "huffyuv", ".mov": "mjpeg"}[path.suffix]
        made = ["-f", "lavfi", "-i", "testsrc2=size=160x96:rate=25:duration=1", "-c:v", coded]
    subprocess.run([*FFMPEG, *made, "-fflags", "+bitexact", str(path)], check=True)


class _Tag(ctypes.Structure):
    _fields_ = (("id", ctypes.c_int), ("tag", ctypes.c_uint))


def tags() -> Iterator[tuple[str, str, bytes | int]]:
    """(codec, container, tag) of all that ffmpeg's library knows; nothing where ffmpeg has none of its own to ask."""
    names = [ctypes.util.find_library(name) for name in ("avformat", "avcodec")]
    if None in names:
        return
    formats, codecs = (ctypes.CDLL(name) for name in names)
    codecs.avcodec_get_name.restype = ctypes.c_char_p
    for kind, containers in (
        ("riff_video", ("avi", "mkv")),
        ("mov_video", ("mov",)),
        ("riff_audio", ("wav",)),
        ("mov_audio", ("mov",)),
    ):
        ask = getattr(formats, f"avformat_get_{kind}_tags")
        ask.restype = ctypes.POINTER(_Tag)
        listed, number = ask(), 0
        while listed[number].id:
            codec = codecs.avcodec_get_name(listed[number].id).decode()
            tag = listed[number].tag
            for container in containers:
                if container == "wav" and tag < 1 << 16:
                    yield codec, container, tag
                elif container != "wav":
                    yield codec, container, struct.pack("<I", tag)
            number += 1
    for codec, name in MATROSKA.items():
        yield codec, "mkv", name


# --- Encoded ----------------------------------------------------------------------------------------------------------


_CONTAINERS = ("mkv", "wav", "mov", "caf", "au", "flv", "ts")
_PICTURES = ("160x96", "176x144", "128x128")
_SOUNDS = ("-ar 44100", "-ar 8000 -ac 1", "-ar 8000 -ac 1 -b:a 6300", "-ar 22050 -ac 1", "-ar 48000 -ac 2")


def encoded(codec: str, folder: Path) -> Iterator[Foreign]:
    """By each encoder, in each container that takes it."""
    kind, encoders = decoded_codecs()[codec]
    for encoder in encoders:
        for container in ("mkv", "avi", "mov", "flv", "ts") if kind == "video" else _CONTAINERS:
            for form in _PICTURES if kind == "video" else _SOUNDS:
                path = folder / f"{codec}-{encoder}.{container}"
                made = ["-f", "lavfi", "-i", f"testsrc2=size={form}:rate=25:duration=0.4", "-c:v", encoder]
                if kind == "audio":
                    made = ["-f", "lavfi", "-i", "sine=duration=1:sample_rate=44100", *form.split(), "-c:a", encoder]
                command = [*FFMPEG, *made, "-strict", "-2", str(path)]
                run = subprocess.run(command, capture_output=True, check=False, timeout=60)
                if run.returncode == 0 and codec_of(path, kind) == codec:
                    yield Foreign(codec, kind, path)
                    break


def all_of(codec: str, folder: Path) -> Iterator[Foreign]:
    """Every upload that can be made in this codec: encoded, and one by each container that has a tag for it."""
    yield from encoded(codec, folder)
    done = set()
    for named, container, tag in tags():
        if named != codec or (container, type(tag) is bytes and len(tag) > 4) in done:
            continue
        try:
            made = patched(codec, container, tag, folder)
        except (KeyError, ValueError, subprocess.CalledProcessError):
            continue
        if codec_of(made.path, made.media_type) == codec:
            done.add((container, type(tag) is bytes and len(tag) > 4))
            yield made
