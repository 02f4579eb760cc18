"""What is said of closed captions that are not the mezzanine's, and of a master that declares others."""

from __future__ import annotations

from dataclasses import replace

import pytest
from made_observations import finding_of, passed, variant

from codex_assets.verification.captions_seen import CaptionFault, CaptionsSeen
from codex_assets.verification.observations import (
    MasterExpected,
    MasterObservation,
    VariantExpected,
    VariantObservation,
)
from codex_assets.verification.observe.playlists import parse_master

CC1 = ("CC1",)
RENDITION = '#EXT-X-MEDIA:TYPE=CLOSED-CAPTIONS,GROUP-ID="cc",NAME="Captions",INSTREAM-ID="CC1"\n'


def captioned(captions: CaptionsSeen | None, expected: tuple[str, ...] | None = CC1) -> VariantObservation:
    return replace(variant(6.0), captions=captions, expected=VariantExpected(captions=expected))


@pytest.mark.parametrize(
    ("captions", "words"),
    [
        (CaptionsSeen((), CC1, (CaptionFault("missing", "segment_00000.ts", 0.0),)), "(CC1) are missing."),
        (CaptionsSeen(CC1, (), (CaptionFault("added", "segment_00000.ts", 0.0),)), "(CC1); the mezzanine has none."),
        (
            CaptionsSeen(CC1, CC1, (CaptionFault("missing", "segment_00003.ts", 19.2),)),
            "segment_00003.ts lacks the mezzanine's closed captions at 19.200 s.",
        ),
        (
            CaptionsSeen(CC1, CC1, (CaptionFault("changed", "segment_00003.ts", 19.2),)),
            "segment_00003.ts has other closed captions than the mezzanine at 19.200 s.",
        ),
        (
            CaptionsSeen(CC1, CC1, (CaptionFault("moved", "segment_00000.ts", 1.0, 0.1),) * 3),
            "come 0.100 s too late at 1.000 s (2 more like it).",
        ),
        (CaptionsSeen(CC1, CC1, (CaptionFault("moved", "segment_00000.ts", 1.0, -0.1),)), "come 0.100 s too early"),
    ],
)
def test_the_message_says_what_is_wrong_and_where(captions: CaptionsSeen, words: str) -> None:
    finding = finding_of(captioned(captions), "captions_as_source")
    assert finding is not None
    assert not finding.passed
    assert words in finding.message


def test_captions_of_media_from_before_they_were_carried_are_not_judged() -> None:
    fault = CaptionFault("missing", "segment_00000.ts", 0.0)
    assert finding_of(captioned(CaptionsSeen((), CC1, (fault,)), expected=None), "captions_as_source") is None
    assert finding_of(captioned(None), "captions_as_source") is None


def master(declared: str, *variants: CaptionsSeen | None) -> MasterObservation:
    names = [f"v{number}/playlist.m3u8" for number in range(len(variants))]
    attribute = f",CLOSED-CAPTIONS={declared}" if declared else ""
    streams = "".join(f"#EXT-X-STREAM-INF:BANDWIDTH=1{attribute}\n{name}\n" for name in names)
    rendition = RENDITION if declared.startswith('"') else ""
    parsed = parse_master(f"#EXTM3U\n{rendition}{streams}")
    measured = tuple((name, captioned(seen)) for name, seen in zip(names, variants, strict=True))
    return replace(parsed, output="hls_master", measured=measured, expected=MasterExpected(("v0",)))


@pytest.mark.parametrize(
    ("declared", "variants", "is_true"),
    [
        ('"cc"', (CaptionsSeen(CC1), CaptionsSeen(CC1)), True),
        ('"cc"', (CaptionsSeen(CC1), CaptionsSeen()), False),
        ('"cc"', (CaptionsSeen(("CC1", "CC3")),), False),
        ("NONE", (CaptionsSeen(), CaptionsSeen()), True),
        ("NONE", (CaptionsSeen(CC1), CaptionsSeen(CC1)), False),
        # One of them has none, or nobody looked: then no variant may be declared to have any.
        ("NONE", (CaptionsSeen(CC1), CaptionsSeen()), True),
        ("NONE", (CaptionsSeen(CC1), None), True),
        ("", (CaptionsSeen(),), True),
        ("", (CaptionsSeen(CC1),), False),
        # Another rule's: the group is declared nowhere.
        ('"other"', (CaptionsSeen(CC1),), True),
    ],
)
def test_a_master_declares_what_is_in_all_variants(
    declared: str, variants: tuple[CaptionsSeen | None, ...], is_true: bool
) -> None:
    assert passed(master(declared, *variants), "captions_true") is is_true


def test_a_master_that_does_not_speak_of_captions_is_warned_of() -> None:
    finding = finding_of(master("", CaptionsSeen()), "captions_answered")
    assert finding is not None
    assert finding.is_warning
    assert passed(master("NONE", CaptionsSeen()), "captions_answered")
    elsewhere = replace(master("", CaptionsSeen()), expected=MasterExpected())
    assert finding_of(elsewhere, "captions_answered") is None
