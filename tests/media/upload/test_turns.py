"""How long pictures say that they are turned, and which bytes say so."""

from __future__ import annotations

from dataclasses import replace

import pytest
from probed import parsed, picture, turned

from codex_assets.media.facts import VideoStream
from codex_assets.media.upload import turns

UPRIGHT, RIGHT = (0, False), (90, False)


def film(**fields: object) -> VideoStream:
    video = parsed(picture(**fields)).video
    assert video is not None
    return video


def said(*places: int, turn: turns.Turn = RIGHT) -> list[turns.Message]:
    return [turns.Message(place, turn, b"") for place in places]


GROUPS = ["0.5,100,K__", "0.5,200,___", "", "0.5,300,K__", "0.5,400,___"]


@pytest.mark.parametrize(
    ("codec", "lines", "messages", "seconds"),
    [
        ("h264", GROUPS, said(150, 350), {RIGHT: 2}),
        # A group that says nothing is not turned.
        ("h264", GROUPS, said(150), {RIGHT: 1, UPRIGHT: 1}),
        ("hevc", GROUPS, said(350), {UPRIGHT: 1, RIGHT: 1}),
        ("h264", GROUPS, said(210), {UPRIGHT: 1.5, RIGHT: 0.5}),
        ("h264", GROUPS, [*said(110), *said(250, turn=UPRIGHT)], {RIGHT: 0.5, UPRIGHT: 1.5}),
        ("h264", GROUPS, [*said(110), *said(310, turn=(0, True))], {RIGHT: 1, (0, True): 1}),
        # JPEGs speak for themselves.
        ("mjpeg", GROUPS, said(110), {RIGHT: 0.5, UPRIGHT: 1.5}),
        # One that stands for minutes counts as one; one that does not say how long, for a moment.
        ("hevc", ["300,100,K__", "1,200,K__"], said(101), {RIGHT: 1, UPRIGHT: 1}),
        ("hevc", ["N/A,100,K__", "1,N/A,K__", "x"], said(101), {RIGHT: 0.04}),
        ("h264", [], said(5), {}),
    ],
)
def test_for_how_long_pictures_are_turned(
    codec: str, lines: list[str], messages: list[turns.Message], seconds: dict[turns.Turn, float]
) -> None:
    assert turns.read_turns(lines, messages, film(codec_name=codec)) == pytest.approx(seconds)


def test_the_turn_of_most_pictures_is_that_of_the_film() -> None:
    assert turns.longest({UPRIGHT: 2.0, RIGHT: 3.0}) == RIGHT
    assert turns.longest({UPRIGHT: 2.0, RIGHT: 2.0}) == UPRIGHT
    assert turns.longest({}) == UPRIGHT
    displayed = turns.turned(film(), RIGHT)
    assert (displayed.width, displayed.height, displayed.rotation, displayed.mirrored) == (360, 640, 90, False)


H264_MESSAGE = bytes.fromhex("00000001062f03180009 80")
HEVC_MESSAGE = bytes.fromhex("000000014e012f0318001880")
UNTURNED, WITHDRAWN = bytes.fromhex("062f0300000980"), bytes.fromhex("062f0380000980")
EXIF = {
    "big": b"Exif\0\0MM\0*\0\0\0\x08\0\2" + b"\1\0\0\4\0\0\0\1\0\0\0\7" + b"\1\x12\0\3\0\0\0\1\0\6\0\0",
    "little": b"Exif\0\0II*\0\x08\0\0\0\1\0" + b"\x12\1\3\0\1\0\0\0\6\0\0\0",
}


@pytest.mark.parametrize(
    ("codec", "data", "messages"),
    [
        ("h264", bytes(40) + H264_MESSAGE + UNTURNED, [(47, RIGHT, b"\x80"), (54, UPRIGHT, b"\x80")]),
        ("hevc", HEVC_MESSAGE, [(8, RIGHT, b"\x80")]),
        ("h264", bytes.fromhex("2f0340000980"), [(2, (0, True), b"\x80")]),
        ("h264", bytes.fromhex("2f0320000980"), [(2, (180, True), b"\x80")]),
        ("h264", bytes.fromhex("2f0360000980"), [(2, (180, False), b"\x80")]),
        ("h264", bytes.fromhex("2f0308000980"), [(2, (270, False), b"\x80")]),
        ("h264", UNTURNED + WITHDRAWN, []),
        ("vp9", H264_MESSAGE, []),
        ("mjpeg", EXIF["big"], [(36, RIGHT, b"\0\1")]),
        ("mjpeg", b"\xff\xd8" + EXIF["little"] + bytes(9), [(26, RIGHT, b"\1\0")]),
        ("mjpeg", EXIF["little"].replace(b"\6", b"\1"), []),
        ("mjpeg", EXIF["little"].replace(b"\6", b"\7"), [(24, (90, True), b"\1\0")]),
        ("mjpeg", EXIF["big"][:20], []),
        ("h264", b"", []),
    ],
)
def test_where_a_file_says_how_pictures_are_turned(
    codec: str, data: bytes, messages: list[tuple[int, turns.Turn, bytes]]
) -> None:
    read = turns.read_messages(data, film(codec_name=codec))
    assert [(message.at, message.turn, message.struck_out) for message in read] == messages


def test_what_the_container_says_takes_precedence() -> None:
    assert turns.read_messages(H264_MESSAGE, film(**turned(-90))) == []
    assert turns.read_messages(H264_MESSAGE, replace(film(), mirrored=True)) == []
