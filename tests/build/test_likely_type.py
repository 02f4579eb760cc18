"""What a file is taken for that nobody has named a type of: by what the job would read in it."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from codex_assets.build.upload_check import likely_type
from codex_assets.errors import SourceCode, SourceError
from codex_assets.system.tools import Tools, tool_environment

pytestmark = pytest.mark.ffmpeg

SOUND = ("-f", "lavfi", "-i", "sine=r=16000:d=1")
FILM = ("-f", "lavfi", "-i", "testsrc2=s=96x54:r=25:d=1", *SOUND)


def made(folder: Path, suffix: str, *arguments: str) -> bytes:
    path = folder / f"made.{suffix}"
    subprocess.run(["ffmpeg", "-nostdin", "-loglevel", "error", *arguments, str(path)], check=True)
    return path.read_bytes()


def looked_at(folder: Path, data: bytes) -> str:
    scratch, upload = folder / "scratch", folder / "upload.bin"
    scratch.mkdir()
    upload.write_bytes(data)
    tools = Tools(tool_environment(os.environ)).within(scratch, reads=(upload,))
    return likely_type(tools, upload, scratch)


def without_sizes(data: bytes, chunk: bytes, length: int) -> bytes:
    """An AIFF or Wave64 as a recorder leaves it that was switched off."""
    at = data.index(chunk) + len(chunk)
    whole = 4 if length == 4 else 16
    return data[:whole] + bytes(length) + data[whole + length : at] + bytes(length) + data[at + length :]


W64_SOUND = bytes.fromhex("64617461f3acd3118cd100c04f8edb8a")


def test_a_sound_whose_sizes_are_zero(tmp_path: Path) -> None:
    assert looked_at(tmp_path, without_sizes(made(tmp_path, "aiff", *SOUND), b"SSND", 4)) == "audio"


def test_a_wave64_whose_sizes_are_zero_or_that_has_a_tag_behind_it(tmp_path: Path) -> None:
    data = made(tmp_path, "w64", *SOUND)
    (tmp_path / "other").mkdir()
    assert looked_at(tmp_path, without_sizes(data, W64_SOUND, 8)) == "audio"
    assert looked_at(tmp_path / "other", data + bytes(999)) == "audio"


def test_a_film_beside_a_sound_that_nothing_decodes(tmp_path: Path) -> None:
    sounds = ("-map", "0:v", "-map", "1:a", "-map", "1:a", "-c:v", "libx264", "-c:a", "aac")
    data = made(tmp_path, "mkv", *FILM, *sounds)
    at = data.rindex(b"A_AAC")
    assert looked_at(tmp_path, data[:at] + b"A_AC4" + data[at + 5 :]) == "video"


def test_a_transport_stream_of_few_packets(tmp_path: Path) -> None:
    assert looked_at(tmp_path, made(tmp_path, "ts", *FILM, "-t", "0.04")) == "video"


def test_no_media_at_all(tmp_path: Path) -> None:
    with pytest.raises(SourceError) as raised:
        looked_at(tmp_path, b"Shopping list: eggs, flour, milk.\n" * 20)
    assert raised.value.code == SourceCode.NOT_MEDIA
