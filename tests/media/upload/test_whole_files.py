"""Files that are complete by the lengths of their own parts, and others that are not."""

from __future__ import annotations

import struct
import subprocess
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest
from stale_lengths import STALE

from codex_assets.media.upload.whole_files import ends_whole

FILM = ("-f", "lavfi", "-i", "testsrc2=s=96x54:r=10:d=3", "-f", "lavfi", "-i", "sine=d=3:sample_rate=44100")
SOUND = ("-f", "lavfi", "-i", "sine=d=3:sample_rate=44100")
MADE: dict[str, tuple[Sequence[str], Sequence[str]]] = {
    "mkv": (FILM, ("-c:v", "mpeg4", "-c:a", "ac3")),
    "webm": (FILM, ("-c:v", "libvpx", "-c:a", "libopus")),
    "wmv": (FILM, ("-c:v", "wmv2", "-c:a", "wmav2")),
    "wma": (SOUND, ("-c:a", "wmav2")),
    "avi": (FILM, ("-c:v", "mpeg4", "-c:a", "libmp3lame")),
    "mp3": (SOUND, ("-c:a", "libmp3lame", "-q:a", "4")),
    "wv": (SOUND, ("-c:a", "wavpack")),
    "flac": (SOUND, ("-c:a", "flac")),
}
"""By suffix: what is coded how."""


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], bytes]:
    folder, known = tmp_path_factory.mktemp("made"), dict[str, bytes]()

    def make(suffix: str) -> bytes:
        if suffix not in known:
            path = Path(folder / f"made.{suffix}")
            source, coding = MADE[suffix]
            subprocess.run(["ffmpeg", "-v", "error", "-nostdin", *source, *coding, str(path)], check=True)
            known[suffix] = path.read_bytes()
        return known[suffix]

    return make


@pytest.mark.parametrize("suffix", MADE)
def test_a_header_that_promises_more_makes_no_file_incomplete(made: Callable[[str], bytes], suffix: str) -> None:
    data = made(suffix)
    changed = STALE[suffix](data)
    assert changed != data
    assert ends_whole(data)
    assert ends_whole(changed)


@pytest.mark.parametrize("suffix", MADE)
def test_what_is_cut_off_is_not_whole(made: Callable[[str], bytes], suffix: str) -> None:
    data = made(suffix)
    for share in (0.5, 0.85):
        cut = data[: int(len(data) * share)]
        assert not ends_whole(cut)
        assert not ends_whole(cut + bytes(len(data) - len(cut)))


@pytest.mark.parametrize("suffix", ["mkv", "webm", "mp3", "flac"])
def test_the_last_bytes_count(made: Callable[[str], bytes], suffix: str) -> None:
    assert not ends_whole(made(suffix)[:-5])


@pytest.mark.parametrize("suffix", ["avi", "mp3"])
def test_a_hole_in_a_file_without_times_makes_it_incomplete(made: Callable[[str], bytes], suffix: str) -> None:
    data = made(suffix)
    hole = slice(len(data) // 2, len(data) // 2 + 3_000)
    assert not ends_whole(data[: hole.start] + bytes(3_000) + data[hole.stop :])
    assert not ends_whole(data[: hole.start] + data[hole.stop :])


@pytest.mark.parametrize("tag", [b"TAG" + bytes(125), b"APETAGEX" + bytes(60)])
@pytest.mark.parametrize("suffix", ["mp3", "wv"])
def test_a_tag_may_follow(made: Callable[[str], bytes], suffix: str, tag: bytes) -> None:
    assert ends_whole(made(suffix) + tag)


def test_of_other_files_nothing_is_said() -> None:
    assert not ends_whole(b"")
    assert not ends_whole(b"RIFF")
    assert not ends_whole(bytes(5_000))
    assert not ends_whole(b"\x1a\x45\xdf\xa3")


def test_lists_in_lists_are_not_followed_for_ever() -> None:
    inner = b""
    for _ in range(5_000):
        inner = b"LIST" + struct.pack("<I", len(inner) + 4) + b"rec " + inner
    movie = b"LIST" + struct.pack("<I", len(inner) + 4) + b"movi" + inner
    assert not ends_whole(b"RIFF" + struct.pack("<I", len(movie) + 4) + b"AVI " + movie)
