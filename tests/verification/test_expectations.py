"""What outputs are judged against: from records and the profile, without asking an encoder."""

from __future__ import annotations

from typing import Any

import pytest

from codex_assets.archive.records import SegmentFact, VariantRecord
from codex_assets.media import profile, target_format
from codex_assets.media.encode import hls
from codex_assets.verification import expectations, measures

SEGMENTS = (SegmentFact(name="segment_00000.ts", duration=6.006, size=9_000),) * 2 + (
    SegmentFact(name="segment_00002.ts", duration=2.5, size=2_000),
)


def record(codecs: str, **picture: Any) -> VariantRecord:
    return VariantRecord(
        media_id="film",
        media_type="video",
        output="hls_720p",
        code_version="1",
        data_version="1",
        variant="720p",
        codecs=codecs,
        segments=SEGMENTS,
        **picture,
    )


@pytest.mark.parametrize(
    ("codecs", "picture"),
    [
        ("avc1.64001f,mp4a.40.2", {"width": 1280, "height": 720, "frame_rate": 29.97}),
        ("avc1.64001f", {"width": 1280, "height": 720, "frame_rate": 25.0}),
        ("mp4a.40.2", {}),
    ],
)
def test_a_recorded_variant_measures_what_the_master_says_of_it(codecs: str, picture: dict[str, Any]) -> None:
    seen = expectations.recorded_variant(record(codecs, **picture), 1.0)
    assert measures.codecs(seen) == codecs
    rates = hls.measure_rates([hls.Segment(segment.name, segment.duration, segment.size) for segment in SEGMENTS])
    assert measures.peak_rate(seen) == pytest.approx(rates.peak, abs=1)
    assert measures.average_rate(seen) == pytest.approx(rates.average, abs=1)
    first = seen.segments[0].video or seen.segments[0].audio
    assert first is not None
    assert first.start == 1.0


def test_a_rung_has_the_sound_of_the_profile() -> None:
    for media_type, ladder in (("video", profile.LADDER), ("audio", profile.AUDIO_LADDER)):
        for rung in ladder:
            assert target_format.sound_kbps(media_type, rung.name) == rung.audio_kbps
