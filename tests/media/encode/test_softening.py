"""Which moments of an encoded sound are encoded again, how much softer, and where they may go in."""

from __future__ import annotations

import itertools
from collections.abc import Iterable

import pytest

from codex_assets.media import profile
from codex_assets.media.encode import aac_frames, softening
from codex_assets.media.encode.aac_frames import Frames
from codex_assets.media.encode.softening import Passage

LINE = (
    "[Parsed_ebur128_2 @ 0x55] [info] t: 0.{at}  TARGET:-23 LUFS    M:-120.7 S:-120.7     I: -70.0 LUFS"
    "       LRA:   0.0 LU  FTPK: {left} {right} dBFS  TPK:  -7.6  -0.5 dBFS"
)


def adts(body: bytes) -> bytes:
    """A frame of the usual header and this content."""
    size = aac_frames.HEADER_BYTES + len(body)
    header = bytes([0xFF, 0xF1, 0x4C, 0x80 | size >> 11, size >> 3 & 0xFF, (size & 7) << 5 | 0x1F, 0xFC])
    return header + body


def frame(window: int, mark: int = 0, *, shared: bool = True) -> bytes:
    """A pair of channels with these windows; `mark` tells one from another."""
    begins = 1 << 21 | int(shared) << 16 | window << 12
    return adts(begins.to_bytes(3, "big") + bytes([mark]))


def stream_of(frames: Iterable[bytes]) -> Frames:
    return Frames(b"".join(frames))


def test_a_stream_is_taken_apart_into_its_frames() -> None:
    packed = [frame(1), frame(3, 7), adts(bytes(3000))]
    stream = stream_of(packed)
    assert [stream[number] for number in range(len(stream))] == packed
    assert bytes(stream.part(1, 3)) == packed[1] + packed[2]
    for broken in (b"".join(packed)[:-1], b"\x00" + packed[0], packed[0][:5]):
        with pytest.raises(ValueError, match="ADTS"):
            aac_frames.Frames(broken)


def test_windows_are_those_of_both_channels_or_unknown() -> None:
    assert aac_frames.window(frame(5)) == 5
    assert aac_frames.window(frame(5, shared=False)) is None
    # One channel alone, and a frame that begins with something to fill it up.
    assert aac_frames.window(adts(bytes(3))) is None
    assert aac_frames.window(adts(b"\xd5\x00\x00")) is None


def test_the_meter_tells_the_peak_of_each_tenth() -> None:
    lines = [
        LINE.format(at=1, left="-7.6", right="-0.5"),
        "[Parsed_ebur128_2 @ 0x55] [info] Summary:",
        LINE.format(at=2, left="-inf", right="-inf"),
    ]
    assert softening.block_peaks(lines) == [-0.5, float("-inf")]
    assert softening.too_loud([-0.5, float("-inf"), -1.0, 0.4]) == {0: 0.5, 3: 1.4}


@pytest.mark.parametrize(("over", "tenths", "are"), [(1, 5, True), (2, 5, False), (60, 600, True), (61, 600, False)])
def test_what_passes_the_limit_all_over_is_no_moment(over: int, tenths: int, are: bool) -> None:
    assert softening.are_moments(range(over), [0.0] * tenths) is are


@pytest.mark.parametrize(("softer", "tenths", "are"), [(1, 100, False), (2, 100, True), (5, 600, False)])
def test_a_few_softer_moments_lower_no_peaks(softer: int, tenths: int, are: bool) -> None:
    assert softening.are_peaks_lowered(range(softer), [0.0] * tenths) is are


def test_a_moment_becomes_softer_until_it_is_soft_enough() -> None:
    """What passes the limit by far does so by chance: at first it is not made softer by all of that."""
    once = softening.deepened({}, {4: 0.5, 9: 3.6})
    assert once == pytest.approx({4: 0.8, 9: 1.3})
    assert once is not None
    assert softening.deepened(once, {9: 0.2}) == pytest.approx({4: 0.8, 9: 1.8})
    most = softening.deepened(once, {9: 2.0})
    assert most == pytest.approx({4: 0.8, 9: 2.0})
    assert most is not None
    assert softening.deepened(most, {9: 0.5}) is None
    assert softening.deepened(most, {4: 0.1, 9: 0.5}) == pytest.approx({4: 1.2, 9: 2.0})


def test_the_curve_is_soft_where_the_moment_was_encoded() -> None:
    curve = softening.curve({10: 6.02}, 5 * profile.SAMPLE_RATE)
    per_second = profile.SAMPLE_RATE // softening.CURVE_SAMPLES
    # A frame earlier than it is decoded.
    begin, end = 1.0 - 1024 / 48000, 1.1 - 1024 / 48000
    soft = [at / per_second for at, value in enumerate(curve) if value < 0.501]
    assert begin - 0.045 < soft[0] < begin - 0.035
    assert end + 0.035 < soft[-1] < end + 0.045
    changed = [at / per_second for at, value in enumerate(curve) if value < 1]
    assert begin - 0.095 < changed[0] < begin - 0.085
    assert end + 0.085 < changed[-1] < end + 0.095
    assert max(abs(value - after) for value, after in itertools.pairwise(curve)) < 0.02
    assert len(curve) * softening.CURVE_SAMPLES > 5 * profile.SAMPLE_RATE


def test_moments_beside_each_other_are_one_passage() -> None:
    apart = softening.passages([40, 120], 1000)
    assert [(each.first, each.last) for each in apart] == [(each.begin - 88, each.end + 40) for each in apart]
    # The frames that hear the moment, and some before and after.
    assert apart[0].begin <= 4.0 * 48000 / 1024 - 6
    assert apart[0].end >= 4.1 * 48000 / 1024 + 6
    assert len(softening.passages([40, 45], 1000)) == 1
    edges = softening.passages([0, 210], 1000)
    assert edges[0].first == edges[0].begin == 0
    assert edges[-1].last == 999


def together(whole: list[bytes], passage: Passage, again: list[bytes]) -> list[bytes] | None:
    """The frames of the sound with the passage in it."""
    stream, encoded = stream_of(whole), stream_of(again)
    part = softening.part_of(stream, passage, encoded)
    if part is None:
        return None
    joined = stream_of(map(bytes, softening.put_together(stream, [part])))
    return [joined[number] for number in range(len(joined))]


def test_what_was_encoded_again_goes_in_where_the_windows_fit() -> None:
    whole = [frame(1, mark) for mark in range(200)]
    again = [frame(1, 255) for _ in range(152)]
    # At its begin the windows do not fit, a little earlier they do.
    for at in range(84, 95):
        again[at] = frame(2, 255)
    mended = together(whole, Passage(first=10, begin=100, end=120, last=160), again)
    assert mended is not None
    assert [at for at in range(200) if mended[at] != whole[at]] == list(range(93, 120))
    assert len(mended) == 200


def test_several_passages_go_in_at_once() -> None:
    whole, again = [frame(1, mark) for mark in range(200)], stream_of([frame(1, 255)] * 90)
    early, late = Passage(0, 5, 10, 50), Passage(100, 150, 160, 180)
    parts = [softening.part_of(stream_of(whole), each, again) for each in (early, late)]
    joined = Frames(b"".join(softening.put_together(stream_of(whole), filter(None, parts))))
    assert [at for at in range(200) if joined[at] != whole[at]] == [*range(5, 10), *range(150, 160)]


def test_what_fits_nowhere_is_left_out() -> None:
    whole = [frame(1, mark) for mark in range(200)]
    passage = Passage(first=10, begin=100, end=120, last=160)
    for again in ([frame(2)] * 152, [frame(1, shared=False)] * 152, [frame(1)] * 60):
        assert together(whole, passage, again) is None


def test_the_first_and_the_last_moment_go_in_with_the_ends() -> None:
    whole = [frame(1, mark) for mark in range(100)]
    first = together(whole, Passage(0, 0, 10, 50), [frame(1, 255)] * 52)
    assert first is not None
    assert [each == frame(1, 255) for each in first] == [True] * 10 + [False] * 90
    last = together(whole, Passage(0, 60, 99, 99), [frame(1, 254)] * 100)
    assert last is not None
    assert [each == frame(1, 254) for each in last] == [False] * 60 + [True] * 40
