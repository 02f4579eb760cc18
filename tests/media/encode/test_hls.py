"""Playlists are read, measured and written as RFC 8216 has them."""

from __future__ import annotations

import re

import pytest

from codex_assets.media.encode import hls
from codex_assets.media.encode.hls import Segment

PLAYLIST = """#EXTM3U
#EXT-X-VERSION:6
#EXT-X-TARGETDURATION:6
#EXT-X-INDEPENDENT-SEGMENTS
#EXTINF:6.006000,
segment_00000.ts
#EXTINF:2.500000,
#EXT-X-SOMETHING:1
segment_00001.ts
#EXT-X-ENDLIST
"""


def segments(*facts: tuple[float, int]) -> list[Segment]:
    return [Segment(f"segment_{number:05d}.ts", seconds, size) for number, (seconds, size) in enumerate(facts)]


def test_a_playlist_is_read() -> None:
    assert hls.parse_segments(PLAYLIST) == [("segment_00000.ts", 6.006), ("segment_00001.ts", 2.5)]
    assert hls.parse_segments("#EXTM3U\n#EXT-X-ENDLIST\n") == []


@pytest.mark.parametrize(
    ("facts", "peak", "average"),
    [
        ([(6.0, 600_000), (6.0, 900_000)], 1_200_000, 1_000_000),
        # A short last segment is no run by itself: 0.1 s of 100 kB is no 8 Mb/s that anybody has to sustain.
        ([(6.0, 600_000), (6.0, 600_000), (0.1, 100_000)], 918_033, 859_505),
        # From half a target on it is one.
        ([(6.0, 600_000), (3.0, 450_000)], 1_200_000, 933_334),
        # Of a second or more it counts alone too, for players that look at single segments.
        ([(6.0, 600_000), (6.0, 600_000), (2.0, 200_000)], 800_000, 800_000),
        ([(6.0, 600_000), (6.0, 600_000), (2.0, 300_000)], 1_200_000, 857_143),
        # Of a programme shorter than that there is only the average.
        ([(0.2, 25_000)], 1_000_000, 1_000_000),
        ([(0.04, 5_000)], 1_000_000, 1_000_000),
    ],
)
def test_peak_and_average_are_measured(facts: list[tuple[float, int]], peak: int, average: int) -> None:
    rates = hls.measure_rates(segments(*facts))
    assert (rates.peak, rates.average) == (peak, average)


@pytest.mark.parametrize(
    ("seconds", "target"), [((6.0, 6.006), 6), ((6.0, 6.49), 6), ((6.5,), 7), ((0.04,), 1), ((2.0, 1.0), 2)]
)
def test_the_target_is_the_longest_rounded(seconds: tuple[float, ...], target: int) -> None:
    assert hls.target_duration(segments(*((length, 1) for length in seconds))) == target


def test_what_is_written_is_what_is_read() -> None:
    made = segments((6.006, 10), (0.25, 10))
    text = hls.media_playlist(made)
    assert hls.parse_segments(text) == [(segment.name, segment.duration) for segment in made]
    for line in ("#EXT-X-PLAYLIST-TYPE:VOD", "#EXT-X-TARGETDURATION:6", "#EXT-X-INDEPENDENT-SEGMENTS"):
        assert line in text.splitlines()
    assert text.endswith("#EXT-X-ENDLIST\n")


def test_a_master_tells_what_was_measured() -> None:
    big = hls.StreamInfo(
        "720p/playlist.m3u8", hls.Rates(2_750_001, 2_400_000), "avc1.64001F,mp4a.40.2", 1280, 536, 23.976
    )
    heard = hls.StreamInfo("64k/playlist.m3u8", hls.Rates(80_000, 70_000), "mp4a.40.2")
    lines = hls.master_playlist([big, heard]).splitlines()
    assert lines[:3] == ["#EXTM3U", "#EXT-X-VERSION:6", "#EXT-X-INDEPENDENT-SEGMENTS"]
    assert lines[3:] == [
        '#EXT-X-STREAM-INF:BANDWIDTH=2750001,AVERAGE-BANDWIDTH=2400000,CODECS="avc1.64001F,mp4a.40.2",'
        "RESOLUTION=1280x536,FRAME-RATE=23.976,VIDEO-RANGE=SDR,CLOSED-CAPTIONS=NONE",
        "720p/playlist.m3u8",
        '#EXT-X-STREAM-INF:BANDWIDTH=80000,AVERAGE-BANDWIDTH=70000,CODECS="mp4a.40.2",CLOSED-CAPTIONS=NONE',
        "64k/playlist.m3u8",
    ]


def test_every_line_that_the_proxy_signs_is_a_plain_name() -> None:
    texts = [
        hls.media_playlist(segments((6.0, 1))),
        hls.master_playlist([hls.StreamInfo("360p/playlist.m3u8", hls.Rates(1, 1), "mp4a.40.2")]),
    ]
    for text in texts:
        assert "URI" not in text
        for line in text.splitlines():
            assert line.startswith("#EXT") or re.fullmatch(r"([a-z0-9]+/)?[a-z0-9_]+\.(ts|m3u8)", line)


@pytest.mark.parametrize(
    ("count", "kept"),
    [(1, 1), (5, 5), (6, 5), (100, 5)],
)
def test_a_preview_is_the_first_thirty_seconds(count: int, kept: int) -> None:
    assert len(hls.preview_segments(segments(*[(6.0, 1)] * count))) == kept


@pytest.mark.parametrize(
    ("stream", "has_audio", "codecs"),
    [
        (b"\x00\x00\x00\x01\x67\x64\x00\x1f\xac\x00\x00\x01\x68", True, "avc1.64001F,mp4a.40.2"),
        (b"\x00\x00\x01\x09\xf0\x00\x00\x01\x67\x4d\x40\x0d\x00", False, "avc1.4D400D"),
        (b"\x00\x00\x01\x27\x42\xc0\x0a\x00", False, "avc1.42C00A"),
        (None, True, "mp4a.40.2"),
    ],
)
def test_codecs_are_read_from_the_parameter_sets(stream: bytes | None, has_audio: bool, codecs: str) -> None:
    assert hls.codecs_attribute(stream, has_audio=has_audio) == codecs


def test_a_stream_without_parameter_sets_has_no_codecs() -> None:
    with pytest.raises(ValueError, match="no sequence parameter set"):
        hls.codecs_attribute(b"\x00\x00\x01\x41\x9a", has_audio=False)
