"""Which moments a storyboard shows, where they lie on its sheet, and the text that names both."""

from __future__ import annotations

import pytest

from codex_assets.media.encode import storyboard
from codex_assets.verification.observe import storyboard_text


def test_a_film_has_a_picture_for_every_second_and_a_hundred_at_most() -> None:
    counts = {seconds: len(storyboard.plan(seconds, 0.04, (1920, 1080)).tiles) for seconds in (0.3, 2.7, 99.5, 7200.0)}
    assert counts == {0.3: 1, 2.7: 2, 99.5: 99, 7200.0: 100}


def test_each_picture_is_the_one_in_the_middle_of_its_part() -> None:
    sheet = storyboard.plan(3.0, 0.04, (1920, 1080))
    assert [(tile.start, tile.end, tile.moment) for tile in sheet.tiles] == [(0, 1, 0.5), (1, 2, 1.5), (2, 3, 2.5)]
    (only,) = storyboard.plan(0.08, 0.04, (1920, 1080)).tiles
    assert only.moment == pytest.approx(0.02), "and never past the start of the last one"


@pytest.mark.parametrize(
    ("size", "tile"),
    [((1920, 1080), (160, 90)), ((1080, 1920), (90, 160)), ((400, 400), (160, 160)), ((1920, 804), (160, 68)),
     ((4096, 20), (160, 2))],
)  # fmt: skip
def test_pictures_have_the_shape_of_the_film(size: tuple[int, int], tile: tuple[int, int]) -> None:
    sheet = storyboard.plan(12.0, 0.04, size)
    assert (sheet.width, sheet.height) == tile


def test_the_text_names_moments_and_places() -> None:
    sheet = storyboard.plan(12.0, 0.04, (1920, 1080))
    assert (sheet.columns, sheet.rows) == (10, 2)
    text = storyboard.text(sheet, "storyboard.jpg")
    assert text.startswith(
        "WEBVTT\n\n00:00:00.000 --> 00:00:01.000\nstoryboard.jpg#xywh=0,0,160,90\n\n"
        "00:00:01.000 --> 00:00:02.000\nstoryboard.jpg#xywh=160,0,160,90\n\n"
    )
    assert text.endswith("\n\n00:00:11.000 --> 00:00:12.000\nstoryboard.jpg#xywh=160,90,160,90\n")


def test_the_text_of_a_film_of_hours_is_read_as_it_was_meant() -> None:
    sheet = storyboard.plan(12_345.678, 0.04, (1920, 1080))
    cues = storyboard_text.parse(storyboard.text(sheet, "storyboard.jpg").encode())
    assert [(cue.start, cue.end) for cue in cues] == [(tile.start, tile.end) for tile in sheet.tiles]
    assert cues[-1].end == 12_345.678
    assert (cues[42].region.left, cues[42].region.top) == sheet.place(42) == (320, 360)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("<html>404</html>", "does not begin with WEBVTT"),
        ("WEBVTT\n", "names no picture"),
        ("WEBVTT\n\nNOTE nothing\n", "a note, a style or a region"),
        ("WEBVTT - a title\n", "something follows WEBVTT"),
        ("WEBVTT\n\n00:00.000 --> 00:01.000\nwords\na.jpg#xywh=0,0,1,1\n", "more than a place"),
        ("WEBVTT\n\n00:00.000 --> 00:01.000\nA caption\n", "names no times, or no place"),
        ("WEBVTT\n\nJane Doe\n00:00.000 --> 00:01.000\na.jpg#xywh=0,0,1,1\n", "more than times and places"),
        ("WEBVTT\n\n00:00.000 --> 00:01.000 Jane\na.jpg#xywh=0,0,1,1\n", "more than times and places"),
        ("WEBVTT\n\n00:00.000 --> 00:01.000\na.jpg#xywh=0,0,1,1\n\n\n", "more than times and places"),
        ("WEBVTT\n\n00:00,000 --> 00:01,000\na.jpg#xywh=0,0,1,1\n", "names no times, or no place"),
    ],
)
def test_what_a_player_could_not_read_is_not_read(text: str, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        storyboard_text.parse(text.encode())


def test_another_way_of_writing_the_same_is_read() -> None:
    text = "\ufeffWEBVTT\r\n\r\n1\r\n00:00.000 --> 00:01.500\r\na.jpg#xywh=pixel:1,2,3,4"
    (cue,) = storyboard_text.parse(text.encode())
    assert (cue.start, cue.end, cue.file) == (0.0, 1.5, "a.jpg")
    assert (cue.region.left, cue.region.top, cue.region.width, cue.region.height) == (1, 2, 3, 4)
