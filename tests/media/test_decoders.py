"""Which decoders an upload meets: those on the list, and no other is ever opened, while it is probed either."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any

import foreign_inputs
import pytest
from foreign_inputs import QUICK, Foreign
from slow_cases import some_slow
from whole_job import MEDIA, Delivered, deliver

from codex_assets.archive.records import MezzanineRecord
from codex_assets.archive.store import RecordStore
from codex_assets.media import profile

pytestmark = pytest.mark.ffmpeg

FFMPEG = foreign_inputs.FFMPEG
ROOT = Path(__file__).parents[2]
NAME = "original"
"""Of the local copy of an upload, as the tools are given it."""


# --- What the tools were asked, and what they say of it ---------------------------------------------------------------


@dataclass
class Heard:
    """Every process of the tools: its arguments, and its log with all that ffmpeg has to say."""

    commands: list[list[str]] = field(default_factory=list)
    log: list[str] = field(default_factory=list)
    listening: bool = False

    def opened(self, decoder: str) -> list[str]:
        """Lines by which a decoder shows that it was opened: its own, but for the one that it is refused with, and
        ffmpeg's list of what decodes which track."""
        refusal = f"Codec ({decoder}) not on whitelist"
        own = [line for line in self.log if line.startswith(f"[{decoder} @") and refusal not in line]
        return own + [line for line in self.log if re.search(rf"\({re.escape(decoder)}(?: \(native\))? -> ", line)]

    def allowed(self) -> list[set[str]]:
        """The decoders of each command that reads an upload or a copy of one."""
        reading = [argv for argv in self.commands if any(Path(part).name in (NAME, f"{NAME}.kept") for part in argv)]
        return [set(argv[argv.index("-codec_whitelist") + 1].split(",")) for argv in reading]


class _Tee:
    """A pipe of a process whose lines are kept."""

    def __init__(self, pipe: IO[bytes], log: list[str]) -> None:
        self._pipe, self._log = pipe, log

    def readline(self, size: int = -1) -> bytes:
        line = self._pipe.readline(size)
        self._log.append(line.decode("utf-8", "replace").rstrip())
        return line

    def __getattr__(self, name: str) -> Any:
        return getattr(self._pipe, name)


@pytest.fixture
def heard(monkeypatch: pytest.MonkeyPatch) -> Heard:
    heard = Heard()
    start = subprocess.Popen

    def started(argv: Sequence[str], **options: Any) -> Any:
        talkative = list(argv)
        for level in ("-loglevel", "-v"):
            if heard.listening and level in talkative and Path(talkative[0]).name in ("ffmpeg", "ffprobe"):
                talkative[talkative.index(level) + 1] = "level+debug"
                heard.commands.append(talkative)
        process = start(talkative, **options)
        if heard.listening and process.stderr is not None:
            process.stderr = _Tee(process.stderr, heard.log)  # type: ignore[assignment]
        return process

    monkeypatch.setattr(subprocess, "Popen", started)
    return heard


# --- Refused by name --------------------------------------------------------------------------------------------------


def problems(foreign: Foreign, delivered: Delivered, heard: Heard) -> list[str]:
    body = delivered.body
    unexpected = []
    if (body["status"], body.get("errorCode"), body.get("retryable")) != ("failed", "source_unsupported", False):
        unexpected.append(f"{body['status']}, {body.get('errorCode')}: {body.get('error')}")
    elif f"({foreign.codec})" not in body["error"]:
        unexpected.append(f"not by name: {body['error']}")
    if delivered.published():
        unexpected.append(f"published: {sorted(delivered.published())}")
    if not heard.allowed():
        unexpected.append("no tool was started")
    for name in foreign_inputs.decoders_of(foreign.codec):
        unexpected += heard.opened(name)[:2]
        if any(name in allowed for allowed in heard.allowed()):
            unexpected.append(f"{name} was allowed")
    return unexpected


def check(foreign: Foreign, folder: Path, heard: Heard) -> list[str]:
    heard.commands.clear()
    heard.log.clear()
    heard.listening = True
    delivered = deliver(foreign.path, foreign.media_type, folder)
    heard.listening = False
    return [f"{foreign.path.name}: {problem}" for problem in problems(foreign, delivered, heard)]


@pytest.mark.parametrize("codec", QUICK)
def test_a_codec_that_is_not_on_the_list_is_refused_by_name(codec: str, tmp_path: Path, heard: Heard) -> None:
    foreign = foreign_inputs.patched(codec, *QUICK[codec], tmp_path)
    assert foreign_inputs.codec_of(foreign.path, foreign.media_type) == codec, "a plain ffmpeg decodes it"
    assert check(foreign, tmp_path / "job", heard) == []


FOREIGN = sorted(set(foreign_inputs.decoded_codecs()) - set(profile.UNTRUSTED_DECODERS))


@pytest.mark.slow
@pytest.mark.timeout(3600)
def test_every_codec_that_is_not_on_the_list_is_refused_by_name(tmp_path: Path, heard: Heard) -> None:
    unexpected, tried = [], set()
    for codec in FOREIGN:
        folder = tmp_path / codec
        folder.mkdir()
        for number, foreign in enumerate(foreign_inputs.all_of(codec, folder)):
            tried.add(codec)
            unexpected += check(foreign, folder / f"job-{number}", heard)
    assert unexpected == []
    assert len(tried) > 120, sorted(tried)
    assert {"magicyuv", "snow", "flashsv", "adpcm_swf", "svq3"} <= tried


def test_each_codec_of_the_list_has_the_decoder_that_ffmpeg_chooses() -> None:
    """And each is a codec that this ffmpeg knows."""
    listed = subprocess.run([*FFMPEG, "-codecs"], capture_output=True, text=True, check=True).stdout
    chosen = {}
    for name, rest in re.findall(r"^ D[.E][VAS]\S{3} (\S+)(.*)$", listed, re.MULTILINE):
        several = re.search(r"\(decoders: ([^)]*)\)", rest)
        chosen[name] = several[1].split()[0] if several is not None else name
    wrong = {name: chosen.get(name) for name, own in profile.UNTRUSTED_DECODERS.items() if own[0] != chosen.get(name)}
    # From 7.1 on.
    assert wrong in ({}, {"vvc": None})


def test_the_list_is_what_the_documents_promise() -> None:
    part = (ROOT / "docs" / "inputs.md").read_text(encoding="utf-8").split("\n## Codecs\n")[1].split("\n## ")[0]
    promised = part.split("| upload |")[0].split("| --- | --- |")[1]
    assert set(re.findall(r"`(\w+)`", promised)) == set(profile.UNTRUSTED_DECODERS)


# --- Delivered without them -------------------------------------------------------------------------------------------

PICTURE = ("-f", "lavfi", "-i", "testsrc2=size=160x96:rate=25:duration=2")
SOUND = ("-f", "lavfi", "-i", "sine=duration=2:sample_rate=44100")
H264 = ("-c:v", "libx264", "-preset", "ultrafast", "-pix_fmt", "yuv420p")
THREE = ("-map", "0", "-map", "1", "-map", "2")
STILL = ("-f", "lavfi", "-i", "testsrc2=size=160x96:rate=25:duration=0.04")
COVERED = ("-map", "0", "-map", "1", "-disposition:v", "attached_pic")
LEFT_OUT = ["The sound could not be decoded and is left out."]


@dataclass(frozen=True)
class Beside:
    """An upload with a track that is not on the list, and what is delivered of it. `name` ends in its container."""

    media_type: str
    name: str
    made: tuple[str, ...]
    decoder: str
    warnings: list[str] = field(default_factory=list)
    left_out: dict[str, int] = field(default_factory=dict)


BESIDE = {
    "sound_in_mov": Beside(
        "video",
        "film.mov",
        (*PICTURE, *SOUND, *H264, "-c:a", "g723_1", "-ar", "8000", "-ac", "1", "-b:a", "6300"),
        "g723_1",
        LEFT_OUT,
        {"audio": 1},
    ),
    "sound_in_flv": Beside(
        "video", "film.flv", (*PICTURE, *SOUND, *H264, "-c:a", "adpcm_swf"), "adpcm_swf", LEFT_OUT, {"audio": 1}
    ),
    "first_sound_in_mkv": Beside(
        "video",
        "film.mkv",
        (*PICTURE, *SOUND, *SOUND, *H264, *THREE, "-c:a:0", "adpcm_g726", "-ar:a:0", "8000", "-c:a:1", "aac"),
        "g726",
        ["A sound track is left out, because it is coded in a way (adpcm_g726) that is not supported."],
        {"audio": 1},
    ),
    "second_picture_in_mkv": Beside(
        "video",
        "film.mkv",
        (*PICTURE, *PICTURE, *SOUND, *H264, *THREE, "-c:v:1", "magicyuv", "-c:a", "aac"),
        "magicyuv",
        ["A picture track is left out, because it is coded in a way (magicyuv) that is not supported."],
        {"video": 1},
    ),
    "cover_of_mp3": Beside(
        "audio",
        "sound.mp3",
        (*SOUND, *STILL, *COVERED, "-c:v", "bmp", "-c:a", "libmp3lame"),
        "bmp",
        [],
        {"picture": 1},
    ),
    "cover_of_flac": Beside(
        "audio", "sound.flac", (*SOUND, *STILL, *COVERED, "-c:v", "bmp", "-c:a", "flac"), "bmp", [], {"picture": 1}
    ),
    "picture_of_a_sound": Beside(
        "audio", "film.avi", (*PICTURE, *SOUND, "-c:v", "magicyuv", "-c:a", "pcm_s16le"), "magicyuv", [], {"video": 1}
    ),
}


@pytest.mark.parametrize(
    "name", some_slow(BESIDE, lambda _, name: name in ("sound_in_mov", "cover_of_mp3", "picture_of_a_sound"))
)
def test_what_is_beside_a_track_that_is_not_on_the_list_is_delivered(name: str, tmp_path: Path, heard: Heard) -> None:
    case = BESIDE[name]
    upload = tmp_path / case.name
    subprocess.run([*FFMPEG, *case.made, "-fflags", "+bitexact", str(upload)], check=True)
    heard.listening = True
    delivered = deliver(upload, "video" if case.media_type == "video" else "audio", tmp_path / "job")
    heard.listening = False
    assert delivered.warnings == case.warnings
    assert delivered.output["durationSeconds"] == 2
    assert heard.opened(case.decoder) == []
    assert not any(case.decoder in allowed for allowed in heard.allowed())
    record = RecordStore(delivered.stores.archive).get(MEDIA, "mezzanine", MezzanineRecord)
    assert record is not None
    assert record.source.tracks_left_out == case.left_out
    assert record.source.size == upload.stat().st_size
    assert list(delivered.left_behind()) == []


def test_only_the_decoders_of_what_a_file_holds_are_allowed_once_that_is_known(tmp_path: Path, heard: Heard) -> None:
    upload = tmp_path / "film.mp4"
    subprocess.run([*FFMPEG, *PICTURE, *SOUND, *H264, "-c:a", "aac", str(upload)], check=True)
    heard.listening = True
    delivered = deliver(upload, "video", tmp_path / "job")
    heard.listening = False
    assert delivered.warnings == []
    every = {name for names in profile.UNTRUSTED_DECODERS.values() for name in names}
    listed, probed, *later = heard.allowed()
    assert listed == probed == every
    assert len(later) >= 4
    assert all(allowed == {"h264", "aac"} for allowed in later)
