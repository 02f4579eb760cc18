"""What a header promises, in bytes and in seconds."""

from __future__ import annotations

import pytest
from probed import parsed, sound

from codex_assets.media.upload import headers, joined_files


@pytest.mark.parametrize(
    ("head", "promised"),
    [
        (b"RIFF\x24\x00\x01\x00WAVE", 65_580),
        (b"FORM\x00\x01\x00\x24AIFF", 65_580),
        (b"RIFF\xff\xff\xff\xffWAVE", None),
        (b"RIFF\x00\x00\x00\x00WAVE", None),
        (b"\x00\x00\x00\x20ftypisom", None),
        (b"RIFF", None),
        (b"", None),
    ],
)
def test_what_a_header_promises_in_bytes(head: bytes, promised: int | None) -> None:
    assert headers.promised_bytes(head) == promised


@pytest.mark.parametrize(
    ("container", "start", "promises"),
    [
        ("mov,mp4,m4a,3gp,3g2,mj2", 0.0, True),
        ("matroska,webm", 0.0, True),
        ("flac", 0.0, True),
        # Without an encoder's own header an mp3 lasts as long as its size suggests.
        ("mp3", 0.0, False),
        ("mp3", 0.025, True),
        ("mpegts", 1.4, False),
        ("aac", 0.0, False),
    ],
)
def test_only_an_index_promises_a_duration(container: str, start: float, promises: bool) -> None:
    info = parsed(sound(start_time=str(start)), container=container)
    assert headers.promises_duration(info) is promises


def box(kind: bytes, content: bytes = b"") -> bytes:
    return (len(content) + 8).to_bytes(4, "big") + kind + content


FILM = box(b"ftyp", b"isom") + box(b"moov", bytes(40)) + box(b"mdat", bytes(400))


@pytest.mark.parametrize(
    ("data", "whole", "films"),
    [
        (FILM, True, 1),
        (FILM[:-1], False, 1),
        (FILM + FILM, True, 2),
        (FILM + FILM[:100], False, 2),
        (FILM + b"\0" * 5, True, 1),
        (box(b"ftyp", b"isom") + box(b"mdat", bytes(400)), False, 0),
        (b"", False, 0),
    ],
)
def test_the_boxes_of_an_mp4(data: bytes, whole: bool, films: int) -> None:
    def read_at(offset: int, length: int) -> bytes:
        return data[offset : offset + length]

    assert headers.has_all_boxes(read_at, len(data)) is whole
    assert (joined_files.first_end(data) is not None) is (films > 1)


def header(next_track: int) -> bytes:
    return box(b"mvhd", bytes(96) + next_track.to_bytes(4, "big"))


def track(entry: bytes) -> bytes:
    described = box(b"stsd", bytes(4) + (1).to_bytes(4, "big") + box(entry, bytes(70)))
    return box(b"trak", box(b"tkhd", bytes(84)) + box(b"mdia", box(b"minf", box(b"stbl", described))))


SAMPLES = box(b"ftyp", b"isom") + box(b"mdat", bytes(400))
TRACKS = (track(b"encv"), track(b"mp4a"))
INDEX = box(b"moov", header(3) + TRACKS[0] + TRACKS[1] + box(b"udta", bytes(60)))
LAST = SAMPLES + INDEX
FIRST = box(b"ftyp", b"isom") + INDEX + box(b"mdat", bytes(400))


@pytest.mark.parametrize(
    ("data", "is_cut_off"),
    [
        (LAST, False),
        (LAST[:-20], False),
        (LAST[:-68], False),
        (LAST[:-69], True),
        (LAST[: -68 - len(TRACKS[1])], True),
        (LAST[: len(SAMPLES) + 60], True),
        (LAST[: len(SAMPLES) + 8], True),
        (LAST[: len(SAMPLES) + 4], False),
        (SAMPLES, False),
        (FIRST, False),
        (FIRST[:-300], False),
        (FIRST[:-428], True),
        (FIRST[:300], True),
    ],
)
def test_where_the_index_of_an_mp4_is_cut_off(data: bytes, is_cut_off: bool) -> None:
    def read_at(offset: int, length: int) -> bytes:
        return data[offset : offset + length]

    assert headers.is_index_cut_off(read_at, len(data)) is is_cut_off
    if not is_cut_off and data.count(b"stsd") == 2:
        assert headers.sample_entries(read_at, len(data)) == {"encv", "mp4a"}


@pytest.mark.parametrize("unknown", [2**31 - 1, 2**32 - 1])
def test_a_length_of_all_bits_is_unknown(unknown: int) -> None:
    stream = sound(duration="97391.548639", duration_ts=unknown, start_time="0.0")
    info = parsed(stream, duration="97391.60")
    assert (info.duration, info.promised) == (None, {})
    assert info.audio is not None
    assert info.audio.duration is None


@pytest.mark.parametrize(
    ("head", "codec", "decoder"),
    [
        (b"RIFX\0\0\1\0WAVE", "pcm_s16le", "pcm_s16be"),
        (b"RIFX\0\0\1\0WAVE", "pcm_f32le", "pcm_f32be"),
        (b"RIFX\0\0\1\0WAVE", "pcm_u8", None),
        (b"RIFF\0\0\1\0WAVE", "pcm_s16le", None),
    ],
)
def test_samples_are_turned_with_the_header(head: bytes, codec: str, decoder: str | None) -> None:
    audio = parsed(sound(codec_name=codec)).audio
    assert audio is not None
    assert headers.replacement_decoder(head, audio) == decoder
