"""What packets show that a header does not say, or says wrongly."""

from __future__ import annotations

from fractions import Fraction

import pytest
from probed import frames, packets, parsed, picture, sound

from codex_assets.media.upload.damage import idle_seconds
from codex_assets.media.upload.packets import read_packets


def test_an_unmarked_cover_before_the_film_is_no_film() -> None:
    info = parsed(picture(codec_name="mjpeg"), picture(index=1))
    both = [*packets(0, [0.0], 0.04), *packets(1, frames(25, 10), 0.04)]
    film, still = read_packets(info, both).video, read_packets(info, both[:1]).video
    assert film is not None
    assert film.codec == "h264"
    # A still is a film when there is no other.
    assert still is not None
    assert still.codec == "mjpeg"


def test_packets_tell_what_a_header_does_not() -> None:
    # What a browser records: no durations, and a rate of 1000 frames a second.
    header = parsed(picture(avg_frame_rate="0/0", r_frame_rate="1000/1"), sound(), container="matroska,webm")
    assert header.seconds is None
    info = read_packets(header, [*packets(0, frames(25, 50), None), *packets(1, frames(50, 150, 0.5), 0.02)])
    assert info.video is not None
    assert info.audio is not None
    assert (info.video.start, info.video.duration, info.video.average_rate) == (0.0, 2.0, Fraction(25))
    assert (info.audio.start, info.audio.duration) == (0.5, 3.0)
    assert info.seconds == 3.5


def test_packets_overrule_a_clock_that_starts_late() -> None:
    header = parsed(picture(tags={"DURATION": "00:00:07.0"}), container="matroska,webm", duration="7.0")
    info = read_packets(header, packets(0, frames(30, 60, 5.0), 1 / 30))
    assert info.seconds == pytest.approx(2.0, abs=1e-4)


def test_stored_order_is_not_shown_order() -> None:
    shown = [0.0, 0.12, 0.04, 0.08, 0.24, 0.16, 0.2]
    info = read_packets(parsed(picture(avg_frame_rate="25/1")), packets(0, shown, 0.04))
    assert info.video is not None
    assert info.video.duration == pytest.approx(0.28)
    assert info.video.average_rate == 25


@pytest.mark.parametrize("last", ["N/A", "0.98"])
def test_a_packet_that_only_says_when_it_is_decoded_is_shown_later(last: str) -> None:
    # MPEG-2 in a programme stream: the first packet of each pack alone says when it is shown.
    times = [
        ("0.54", "0.50"),
        ("N/A", "0.54"),
        ("0.62", "0.58"),
        *(("N/A", f"{0.62 + 0.04 * n:.2f}") for n in range(8)),
    ]
    lines = [f"0,{shown},{stored},0.04,4000,{'K' if stored == '0.50' else '_'}_" for shown, stored in times]
    info = read_packets(
        parsed(picture(codec_name="mpeg2video", avg_frame_rate="25/1", start_time="0.54"), container="mpeg"),
        [*lines, f"0,{last},0.94,0.04,4000,__"],
    )
    assert info.video is not None
    assert info.video.start == 0.54
    assert info.video.duration == pytest.approx(0.48)


def test_a_last_packet_of_seconds_ends_where_the_header_says() -> None:
    # Windows Media: two packets of almost two seconds each, without durations.
    header = parsed(sound(codec_name="wmapro"), container="asf", duration="3.685", start_time="0")
    (audio,) = read_packets(header, packets(1, [0.0, 1.95], None)).tracks
    assert audio.duration == 3.685
    # What a header says is not believed where the packet cannot reach.
    header = parsed(sound(codec_name="wmapro"), container="asf", duration="1.9", start_time="0")
    (audio,) = read_packets(header, packets(1, [0.0, 1.95], None)).tracks
    assert audio.duration == 3.9


def test_an_mp3_starts_where_its_encoders_delay_ends() -> None:
    header = parsed(sound(codec_name="mp3", start_time="0.138125"), container="mp3", start_time="0.138125")
    (audio,) = read_packets(header, packets(1, frames(10, 41), 0.1)).tracks
    assert audio.start == 0.138125
    assert audio.duration == pytest.approx(4.1 - 0.138125)


def test_pauses_of_a_telephone_are_counted() -> None:
    lines = [
        *packets(1, frames(50, 50), 0.02),
        "1,1.000000,1.000000,0.020000,6,K__",
        "1,1.020000,1.020000,0.020000,1,K__",
    ]
    assert read_packets(parsed(sound(codec_name="amr_nb")), lines).counted[1].pauses == 2
    assert read_packets(parsed(sound(codec_name="aac")), lines).counted[1].pauses == 0


def test_what_an_edit_list_discards_does_not_count() -> None:
    lines = [*packets(0, [-1.0, -0.5], 0.5, "KD_"), *packets(0, frames(2, 4), 0.5)]
    video = read_packets(parsed(picture(avg_frame_rate="2/1")), lines).video
    assert video is not None
    assert (video.start, video.duration) == (0.0, 2.0)


def test_a_track_without_packets_is_no_track() -> None:
    info = read_packets(parsed(picture(duration="2"), sound(duration="2")), packets(0, frames(30, 60), 1 / 30))
    assert info.audio is None
    assert info.video is not None


def test_a_clock_that_jumps_is_not_believed_in_a_broadcast() -> None:
    lines = packets(0, [*frames(25, 50, 95_400.0), *frames(25, 50)], 0.04)
    broadcast = read_packets(parsed(picture(duration="4.0"), container="mpegts"), lines).video
    assert broadcast is not None
    # Nor is the header, which knows no more than the first and the last time.
    assert broadcast.duration is None


def test_a_long_pause_is_believed_in_a_file() -> None:
    paused = read_packets(parsed(picture()), packets(0, [*frames(25, 25), *frames(25, 25, 61.0)], 0.04)).video
    assert paused is not None
    assert paused.duration == pytest.approx(62.0)


@pytest.mark.parametrize(
    ("stated", "expected"),
    [("30/1", Fraction(30)), ("30000/1001", Fraction(30000, 1001)), ("90000/1", Fraction(30)), ("0/0", Fraction(30))],
)
def test_a_headers_rate_holds_unless_it_is_far_off(stated: str, expected: Fraction) -> None:
    video = read_packets(parsed(picture(avg_frame_rate=stated)), packets(0, frames(30, 90), 1 / 30)).video
    assert video is not None
    assert video.average_rate == expected


@pytest.mark.parametrize(
    "rate", [Fraction(12), Fraction(24000, 1001), Fraction(24), Fraction(30000, 1001), Fraction(60)]
)
@pytest.mark.parametrize("stated", ["25/1", "0/0", "same"])
@pytest.mark.parametrize("fields", [1, 2])
def test_the_packets_of_a_raw_stream_tell_its_rate(rate: Fraction, stated: str, fields: int) -> None:
    # As ffmpeg 7 tells of raw H.264: 25 of every one, and the nominal rate in fields; as ffmpeg 5 does.
    same, nominal = (f"{ratio.numerator}/{ratio.denominator}" for ratio in (rate, fields * rate))
    said = picture(avg_frame_rate=same if stated == "same" else stated, r_frame_rate=nominal)
    lines = [f"0,N/A,N/A,{1 / float(rate):.6f},100,K__" for _ in range(50)]
    video = read_packets(parsed(said, container="h264"), lines).video
    assert video is not None
    assert video.average_rate == rate
    assert video.nominal_rate == rate


def test_a_raw_stream_whose_packets_are_fields_has_half_as_many_frames() -> None:
    said = picture(codec_name="h264", avg_frame_rate="25/1", r_frame_rate="60000/1001", field_order="tt")
    lines = [f"0,N/A,N/A,{1001 / 60000:.6f},100,K__" for _ in range(50)]
    video = read_packets(parsed(said, container="h264"), lines).video
    assert video is not None
    assert float(video.average_rate or 0) == pytest.approx(30000 / 1001, rel=1e-4)


@pytest.mark.parametrize(
    "times",
    [
        pytest.param([*frames(25, 20), 5965.0, *frames(25, 30, 0.8)], id="one wrong time"),
        pytest.param([*frames(25, 20), *frames(25, 30, 1.2)], id="a hole"),
        pytest.param(frames(25, 4), id="four pictures"),
    ],
)
def test_a_steady_clock_may_have_holes(times: list[float]) -> None:
    # MPEG-1, as ffmpeg 7 tells of it.
    header = parsed(picture(avg_frame_rate="25/1", r_frame_rate="50/1"), container="mpeg")
    video = read_packets(header, packets(0, times, 0.04)).video
    assert video is not None
    assert video.nominal_rate == 25


def test_a_clock_that_needs_its_nominal_rate_keeps_it() -> None:
    times = [0.0, 0.04, 0.08, 0.14, 0.18, 0.24, 0.28]
    video = read_packets(parsed(picture(avg_frame_rate="25/1", r_frame_rate="50/1")), packets(0, times, None)).video
    assert video is not None
    assert video.nominal_rate == 50


def test_two_packets_may_make_one_interlaced_frame() -> None:
    header = parsed(picture(avg_frame_rate="25/1", field_order="tt"), container="mpegts")
    video = read_packets(header, packets(0, frames(50, 100), 0.02)).video
    assert video is not None
    assert video.average_rate == 25


def test_lines_that_are_no_packets_are_passed_over() -> None:
    info = read_packets(
        parsed(picture()), ["", "side_data,", "0", *packets(0, frames(30, 3), 1 / 30), "0,N/A,N/A,N/A,100,K"]
    )
    assert info.video is not None
    assert info.video.duration == pytest.approx(0.1)


HOUR = 3600.0


@pytest.mark.parametrize(
    ("sound_moments", "idle"),
    [
        # It ends with the first part, pauses as well, runs on, or pauses for a part of the time.
        (frames(50, 100), HOUR),
        ([*frames(50, 100), *frames(50, 100, HOUR + 2)], HOUR),
        (frames(50, int(50 * HOUR)), 4.0),
        ([*frames(50, 100), *frames(50, 50 * 600, HOUR - 598)], HOUR - 600),
    ],
)
def test_how_long_nothing_happens(sound_moments: list[float], idle: float) -> None:
    header = parsed(picture(), sound(), container="matroska,webm")
    shown = [*frames(25, 50), *frames(25, 50, HOUR + 2)]
    info = read_packets(header, [*packets(0, shown, 0.04), *packets(1, sound_moments, 0.02)])
    assert idle_seconds(info) == pytest.approx(idle, abs=4.0)
    film = read_packets(parsed(picture(), container="matroska,webm"), packets(0, shown, 0.04))
    assert idle_seconds(film) == pytest.approx(HOUR, abs=1.0)


@pytest.mark.parametrize(
    ("moments", "last_lasts", "idle"),
    [
        ([0.0, HOUR, 2 * HOUR], 0.04, 2 * HOUR),
        ([part * HOUR / 4 + at for part in range(4) for at in frames(25, 50)], 0.04, 3 * HOUR / 4),
        (frames(25, 50), HOUR, HOUR),
        # A screen that changes every ten seconds.
        (frames(0.1, 400), 10.0, 0.0),
    ],
)
def test_pauses_are_counted_together(moments: list[float], last_lasts: float, idle: float) -> None:
    listed = packets(0, moments[:-1], 0.04) + packets(0, moments[-1:], last_lasts)
    info = read_packets(parsed(picture(), container="matroska,webm"), listed)
    assert idle_seconds(info) == pytest.approx(idle, abs=10.0)
