"""A BlurHash is written by a library and read by the judge's own twin: both by the published algorithm."""

from __future__ import annotations

import random

import blurhash
import numpy
import pytest

from codex_assets.media.encode.blur_hash import blur_hash
from codex_assets.verification.observe import blurhash_text

PUBLISHED = ("LEHV6nWB2yk8pyo0adR*.7kCMdnj", "LGF5]+Yk^6#M@-5c,1J5@[or[Q6.", "L6PZfSi_.AyE_3t7t7R**0o#DgR4")
"""Of the algorithm's own page."""


@pytest.mark.parametrize("text", PUBLISHED)
def test_the_judge_sees_what_the_library_shows(text: str) -> None:
    assert blurhash_text.components_of(text) == (4, 3)
    own = blurhash_text.shown(blurhash_text.waves_of(text), 32, 18)
    theirs = numpy.array(blurhash.decode(text, 32, 18), numpy.float32)
    assert float(abs(own - theirs).max()) <= 1.0


def pixels(seed: int) -> bytes:
    """A gradient of random colours with noise on it."""
    chance = random.Random(seed)
    ends = [[chance.randrange(256) for _ in range(3)] for _ in range(2)]
    values = [
        round(ends[0][channel] + (ends[1][channel] - ends[0][channel]) * column / 31 + chance.randrange(-20, 20))
        for _ in range(18)
        for column in range(32)
        for channel in range(3)
    ]
    return bytes(max(0, min(255, value)) for value in values)


@pytest.mark.parametrize("seed", range(5))
def test_the_judge_would_write_the_same(seed: int) -> None:
    data = pixels(seed)
    text = blur_hash(data)
    picture = numpy.frombuffer(data, numpy.uint8).reshape(18, 32, 3).astype(numpy.float32)
    rounded = blurhash_text.rounded(blurhash_text.waves_in(picture, 4, 3))
    assert float(abs(rounded - blurhash_text.waves_of(text)).max()) < 1e-9


def test_the_mean_colour_is_exact() -> None:
    text = blur_hash(bytes([200, 100, 50]) * (32 * 18))
    assert len(text) == 28
    mean = blurhash_text.shown(blurhash_text.waves_of(text)[:1, :1], 1, 1)
    assert mean.round().tolist() == [[[200, 100, 50]]]
    with pytest.raises(ValueError, match="no picture of 32x18"):
        blur_hash(bytes(100))


@pytest.mark.parametrize(
    "text", ["", "LEHV6", "LEHV6nWB2yk8pyo0adR*.7kCMdn", "LEHV6nWB2yk8pyo0adR*.7kCMdn\n", "L" * 200]
)
def test_what_is_no_blurhash_is_not_read(text: str) -> None:
    with pytest.raises(ValueError, match=r"it is no BlurHash|its length"):
        blurhash_text.components_of(text)
