"""What a playlist's text may be: ours exactly, and others' whatever RFC 8216bis allows."""

from __future__ import annotations

from dataclasses import replace

import pytest
from made_observations import passed, variant

from codex_assets.verification.hls_check import is_laid_out_as_ours
from codex_assets.verification.judge import judge
from codex_assets.verification.observations import (
    MasterExpected,
    MasterObservation,
    VariantExpected,
    VariantObservation,
)
from codex_assets.verification.observe.playlists import parse_master, parse_media_playlist
from codex_assets.verification.playlist_text import read_attributes

HEADER = "#EXTM3U\n#EXT-X-VERSION:6\n#EXT-X-TARGETDURATION:6\n#EXT-X-MEDIA-SEQUENCE:0\n#EXT-X-PLAYLIST-TYPE:VOD\n"
SEGMENTS = "#EXTINF:6.000000,\nsegment_00000.ts\n#EXTINF:2.000000,\nsegment_00001.ts\n"
OURS = f"{HEADER}#EXT-X-INDEPENDENT-SEGMENTS\n{SEGMENTS}#EXT-X-ENDLIST\n"
CAPTIONS = (
    '#EXT-X-MEDIA:TYPE=CLOSED-CAPTIONS,GROUP-ID="captions",NAME="Captions",DEFAULT=NO,AUTOSELECT=YES,'
    'INSTREAM-ID="CC1"\n'
)
STREAM = (
    'BANDWIDTH=900,AVERAGE-BANDWIDTH=800,CODECS="avc1.64001F,mp4a.40.2",RESOLUTION=4x2,FRAME-RATE=25.000,'
    "VIDEO-RANGE=SDR"
)
MASTER = "#EXTM3U\n#EXT-X-VERSION:6\n#EXT-X-INDEPENDENT-SEGMENTS\n"


def playlist(text: str, *, is_ours: bool) -> VariantObservation:
    seen, _ = parse_media_playlist("playlist.m3u8", text)
    return replace(variant(6.0, 2.0), playlist=seen, expected=VariantExpected(is_of_contract=is_ours))


def master(text: str, *, is_ours: bool = True) -> MasterObservation:
    return replace(parse_master(text), output="hls_master", expected=MasterExpected(is_of_contract=is_ours))


def failed(seen: VariantObservation | MasterObservation) -> set[str]:
    # What is in the segments is made up, with a single key frame each and no packets.
    made_up = {"key_frames_often", "segments_are_packets"}
    return {finding.rule for finding in judge(seen) if not finding.passed} - made_up


def test_what_a_builder_writes_is_what_may_be_there() -> None:
    assert failed(playlist(OURS, is_ours=True)) == set()


@pytest.mark.parametrize("captions", ["", CAPTIONS])
def test_a_master_may_declare_captions_or_none(captions: str) -> None:
    answer = '"captions"' if captions else "NONE"
    stream = f"#EXT-X-STREAM-INF:{STREAM},CLOSED-CAPTIONS={answer}\n720p/playlist.m3u8\n"
    assert failed(master(f"{MASTER}{captions}{stream}")) == set()


@pytest.mark.parametrize(
    "text",
    [
        OURS.replace("\n", "\r\n"),
        OURS.replace("#EXTINF:2", "\n# a comment\n#EXT-X-PROGRAM-DATE-TIME:2024-01-01T00:00:00Z\n#EXTINF:2"),
        OURS.replace("6.000000,", "6,a title"),
        OURS.replace("#EXTINF:2", "#EXT-X-DISCONTINUITY\n#EXTINF:2"),
        OURS.replace("SEQUENCE:0", "SEQUENCE:17").replace("VERSION:6", "VERSION:10"),
        OURS.replace("segment_", "https://cdn.example.com/a/"),
        OURS.replace("#EXT-X-ENDLIST\n", "").replace("#EXT-X-MEDIA-SEQ", "#EXT-X-ENDLIST\n#EXT-X-MEDIA-SEQ"),
        OURS.replace("#EXT-X-MEDIA-SEQ", "#EXT-X-ALLOW-CACHE:YES\n#EXT-X-UNHEARD-OF:1\n#EXT-X-MEDIA-SEQ"),
        OURS.replace("TARGETDURATION:6", "TARGETDURATION:7"),
    ],
)
def test_what_is_legal_is_no_error_in_hls_of_others(text: str) -> None:
    others = playlist(text, is_ours=False)
    assert failed(others) <= {"target_duration_of_six"}
    assert failed(playlist(text, is_ours=True)) - {"segments_numbered"} or "cdn" in text


def test_a_tag_of_a_master_is_wrong_in_any_media_playlist() -> None:
    text = OURS.replace("#EXTINF:2", '#EXT-X-SESSION-DATA:DATA-ID="a",VALUE="b"\n#EXTINF:2')
    assert failed(playlist(text, is_ours=False)) == {"tags_allowed"}


@pytest.mark.parametrize(
    ("value", "rest"),
    [
        ('A=1,B="x,y",C=4x2', None),
        ("A=1,", ","),
        ("A=1, B=2", " B=2"),
        ('A="x', 'A="x'),
        ("a=1", "a=1"),
        ("A=", "A="),
        ("", ""),
    ],
)
def test_attributes_are_read_as_they_have_to_be_written(value: str, rest: str | None) -> None:
    read, left = read_attributes(value)
    if rest is None:
        assert (left, [attribute.name for attribute in read]) == (None, ["A", "B", "C"])
    else:
        assert left is not None
        assert left.endswith(rest.lstrip(","))


def test_extinfs_that_are_each_nearly_true_add_up_to_what_is_not() -> None:
    seen = variant(*[6.0] * 5)
    late = replace(seen, segments=tuple(replace(segment, extinf=6.015) for segment in seen.segments))
    assert passed(late, "extinf_true")
    assert not passed(late, "extinf_sums")
    early_and_late = [replace(s, extinf=6.0 + (0.015 if i % 2 else -0.015)) for i, s in enumerate(seen.segments)]
    assert passed(replace(seen, segments=tuple(early_and_late)), "extinf_sums")


def test_a_wrong_length_is_found_once() -> None:
    seen = replace(variant(6.0, 6.0, 2.0), expected=VariantExpected(duration=14.0, cuts=(6.0, 12.0, 14.0)))
    first = replace(seen.segments[0], extinf=5.0)
    wrong = replace(seen, segments=(first, *seen.segments[1:]))
    names = {finding.rule for finding in judge(wrong) if not finding.passed}
    assert names & {"extinf_true", "segment_length", "cuts_like_siblings", "duration_of_source"} == {"extinf_true"}


@pytest.mark.parametrize(
    ("uris", "is_ours"),
    [
        (["720p/playlist.m3u8", "360p/playlist.m3u8"], True),
        (["64k/playlist.m3u8"], True),
        (["preview/preview.m3u8"], True),
        (["720p/playlist.m3u8", "2160p/playlist.m3u8"], False),
        (["720p/index.m3u8"], False),
        (["stream_0.m3u8"], False),
    ],
)
def test_what_is_laid_out_as_ours_is_judged_by_the_contract(uris: list[str], is_ours: bool) -> None:
    assert is_laid_out_as_ours(uris) is is_ours
