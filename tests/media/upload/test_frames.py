"""What a few decoded frames show of rotation, fields and a late start."""

from __future__ import annotations

import pytest
from probed import frames, packets, parsed, picture, shown, sound, turned

from codex_assets.media import ffprobe, profile
from codex_assets.media.upload.frames import (
    frame_arguments,
    read_frames,
    read_sound_start,
    sampled_moments,
    seconds_dated_late,
)
from codex_assets.media.upload.interlace import Combs
from codex_assets.media.upload.packets import read_packets

FLAGGED = {"interlaced_frame": 1, "top_field_first": 1}
PLAIN = {"interlaced_frame": 0, "top_field_first": 0}
STILL = Combs()
SMOOTH = Combs(moving=12, combed=0)
WOVEN = Combs(moving=12, combed=12, leaning=0.4, order="tff")
WOVEN_LATE = Combs(moving=12, combed=12, leaning=-0.4, order="bff")
TELECINED = Combs(moving=12, combed=5, leaning=0.2, order="tff")


@pytest.mark.parametrize(
    ("order", "seen", "combs", "interlaced", "deinterlaced"),
    [
        # Flags, and a still picture: believed.
        ("progressive", [PLAIN], STILL, False, "flagged"),
        ("tt", [PLAIN], STILL, True, "tff"),
        ("bt", [], STILL, True, "tff"),
        ("bb", [], STILL, True, "bff"),
        ("unknown", [PLAIN, FLAGGED], STILL, True, "flagged"),
        # Motion without a comb: not believed.
        ("tt", [FLAGGED], SMOOTH, False, "never"),
        ("progressive", [PLAIN], SMOOTH, False, "flagged"),
        # Combs that nothing tells of.
        ("progressive", [PLAIN], WOVEN, True, "tff"),
        ("progressive", [PLAIN], WOVEN_LATE, True, "bff"),
        ("progressive", [PLAIN], TELECINED, True, "tff"),
        # The flagged order is believed unless nearly all that moves speaks against it.
        ("tt", [FLAGGED], WOVEN, True, "flagged"),
        ("tt", [FLAGGED], WOVEN_LATE, True, "bff"),
        ("bb", [FLAGGED | {"top_field_first": 0}], TELECINED, True, "flagged"),
        ("bb", [PLAIN], WOVEN, True, "tff"),
    ],
)
def test_which_frames_hold_two_moments(
    order: str, seen: list[dict[str, int]], combs: Combs, interlaced: bool, deinterlaced: str
) -> None:
    video = parsed(picture(field_order=order)).video
    assert video is not None
    looked = read_frames(video, seen, combs)
    assert (looked.interlaced, looked.deinterlaced) == (interlaced, deinterlaced)


def test_a_frame_may_say_how_it_is_turned_where_the_stream_does_not() -> None:
    upright, on_its_side = parsed(picture()).video, parsed(picture(**turned(-180))).video
    assert upright is not None
    assert on_its_side is not None
    frame = shown(0, 1, -1, 0)
    looked = read_frames(upright, [{}, frame], STILL)
    assert (looked.rotation, looked.width, looked.height) == (90, 360, 640)
    assert read_frames(on_its_side, [frame], STILL).rotation == 180


def test_a_long_film_is_looked_at_in_several_places() -> None:
    (video,) = (ffprobe.parse({"streams": [picture(start_time="1.5", duration="100")], "format": {}}).video,)
    assert video is not None
    count = profile.INTERLACE_PICTURES
    assert sampled_moments(video) == ((1.5, count), (41.5, count), (81.5, count))
    intervals = frame_arguments("file", video)
    assert intervals[3] == f"%+#{count},41.500%+#{count},81.500%+#{count}"


def test_what_a_header_has_skipped_is_not_part_of_the_sound() -> None:
    info = read_packets(parsed(sound(codec_name="opus")), packets(1, frames(50, 200, -1.0), 0.02))
    heard = read_sound_start(info, [{"pts_time": "N/A"}, {"pts_time": "0.360000"}, {"pts_time": "0.380000"}])
    assert heard.audio is not None
    assert heard.audio.start == 0.36
    assert heard.audio.duration == pytest.approx(2.64)
    assert heard.counted[1].hidden == pytest.approx(1.36)
    assert read_sound_start(info, []) == info


@pytest.mark.parametrize(
    ("reordered", "first", "late"),
    [
        (0, "0.08", 0.0),
        (2, "0.08", 0.08),
        (1, "0.12", 0.12),  # Xvid
        (1, "1.2", 0.04),  # a damaged start
        (1, "0.0", 0.0),  # none is kept back after all
        (2, "N/A", 0.08),
    ],
)
def test_pictures_without_times_are_dated_by_those_that_push_them_out(reordered: int, first: str, late: float) -> None:
    video = parsed(picture(avg_frame_rate="25/1", has_b_frames=reordered), container="avi").video
    assert video is not None
    frame = {"best_effort_timestamp_time": first}
    assert seconds_dated_late(video, [frame, {}]) == pytest.approx(late)
    assert seconds_dated_late(video, [frame]) == pytest.approx(reordered / 25)
