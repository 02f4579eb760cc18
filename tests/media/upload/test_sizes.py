"""Which of several sizes a picture is delivered in."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction

import pytest
from probed import parsed, picture, turned

from codex_assets.media.upload.sizes import Size, in_one_size, lasting_size, read_shapes, read_sizes, shape_arguments


@pytest.mark.parametrize(
    ("seconds", "size"),
    [
        ({(320, 180): 10.0, (1280, 720): 20.0}, (1280, 720)),
        ({(1280, 720): 20.0, (320, 180): 10.0}, (1280, 720)),
        # Glimpses are not worth enlarging all the rest for.
        ({(640, 360): 60.0, (1920, 1080): 0.5}, (640, 360)),
        # Slides in a long call are.
        ({(640, 360): 3600.0, (1920, 1080): 60.0}, (1920, 1080)),
        ({(640, 360): 2.0, (1280, 720): 0.3, (320, 180): 0.3}, (1280, 720)),
        ({(1280, 720): 4.0, (720, 1280): 5.0}, (720, 1280)),
        ({(1280, 720): 5.0, (720, 1280): 4.0}, (1280, 720)),
        ({(96, 54): 0.0, (160, 90): 0.0}, (160, 90)),
    ],
)
def test_the_largest_size_that_lasts(seconds: dict[Size, float], size: Size) -> None:
    assert lasting_size(seconds) == size


def test_sizes_are_read_from_pictures() -> None:
    lines = ["0.000000,320,180", "0.040000,320,180,", "", "N/A,640,360", "0.080000,640,360,side", "90.0,320,180", "x,y"]
    assert read_sizes(lines) == {(320, 180): pytest.approx(0.04), (640, 360): pytest.approx(1.04)}


def test_the_rest_follows_from_the_size() -> None:
    video = parsed(picture(width=320, height=180, sample_aspect_ratio="4:3", **turned(-90))).video
    assert video is not None
    resized = in_one_size(video, {(320, 180): 1.0, (480, 361): 9.0})
    assert (resized.width, resized.height, resized.rotation) == (361, 640, video.rotation)
    assert (resized.coded_width, resized.coded_height) == (640, 360)
    assert resized.sizes == ((320, 180), (480, 361))
    assert replace(resized, sample_aspect=video.sample_aspect) != video
    assert resized.sample_aspect == Fraction(1)


def groups(*shapes: str) -> list[str]:
    """The first pictures of groups of half a second, each with its size and the aspect of its pixels."""
    return [f"{number / 2},{shape}" for number, shape in enumerate(shapes)]


NARROW, WIDE = "720,576,12:11", "720,576,16:11"


@pytest.mark.parametrize(
    ("lines", "expected"),
    [
        ([*groups(NARROW, NARROW, WIDE), ""], {(785, 576): 1.0, (1047, 576): 9.0}),
        (groups(NARROW, NARROW, NARROW), {}),
        # Two sizes of one shape: a decode says so.
        (groups("720,576,1:1", "720,576", "360,288,1:1"), {}),
        (groups("720,576,1:1", "720,576,0:1", "720,576,N/A", "720,576,400:1", "x"), {}),
        # A header that was hit by an error lasts for a group.
        ([*groups(*(NARROW,) * 19), "9.6,720,576,16:11", "9.7,720,576,12:11"], {}),
        ([], {}),
    ],
)
def test_a_shape_that_lasts_is_another_size(lines: list[str], expected: dict[Size, float]) -> None:
    video = parsed(picture(width=720, height=576)).video
    assert video is not None
    assert read_shapes(lines, replace(video, start=0.0, duration=10.0)) == pytest.approx(expected)


@pytest.mark.parametrize(
    ("container", "codec", "is_asked"),
    [
        ("mpegts", "h264", True),
        ("mpeg", "mpeg2video", True),
        ("matroska,webm", "h264", False),
        ("mpegts", "vc1", False),
    ],
)
def test_shapes_are_asked_of_containers_that_state_none(container: str, codec: str, is_asked: bool) -> None:
    info = parsed(picture(codec_name=codec))
    assert info.video is not None
    assert (shape_arguments("x", replace(info, container=container), info.video) is not None) is is_asked
