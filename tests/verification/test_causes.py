"""One finding per cause: whose fault a difference is, and what only repeats another finding."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from codex_assets.archive.findings import Finding
from codex_assets.verification import causes
from codex_assets.verification.causes import Evidence
from codex_assets.verification.fidelity import ChangeKind
from codex_assets.verification.judge import judge
from codex_assets.verification.observations import MezzanineObservation

VARIANTS = ("hls_720p", "hls_480p", "hls_360p")
BLACK = "from 3.0 to 5.0 s"
ORIGIN = Evidence(variants=VARIANTS, is_origin=True, still_at=1.2)


def failed(rule: str, where: str = "", message: str = "The picture is another.") -> Finding:
    return Finding(False, message, where=where, rule=rule)


def passed(rule: str) -> Finding:
    return Finding(True, "It is so.", rule=rule)


def findings_of(variants: Sequence[Finding], **others: Sequence[Finding]) -> causes.Findings:
    """Findings of `VARIANTS`, one each, and of other outputs."""
    by_variant = {output: [finding] for output, finding in zip(VARIANTS, variants, strict=True)}
    return {"mezzanine": [passed("files_as_recorded")], **by_variant, **others}


def blamed(findings: causes.Findings, evidence: Evidence) -> list[tuple[str, str]]:
    return [pair for each in causes.disagreements(findings, evidence) for pair in each.rules]


def failures(findings: causes.Findings) -> set[tuple[str, str]]:
    return {(output, each.rule) for output, of_output in findings.items() for each in of_output if not each.passed}


def test_what_all_variants_show_at_the_same_time_is_the_mezzanines() -> None:
    places = (BLACK, "from 3.0 to 5.0 s", "from 2.9 to 5.0 s")
    findings = findings_of(
        [failed("pictures_true", where) for where in places], preview=[failed("pictures_true", BLACK)]
    )
    (disagreement,) = causes.disagreements(findings, ORIGIN)
    assert (disagreement.message, disagreement.where) == ("in all of them the picture is another.", BLACK)
    assert failures(causes.without_consequences(findings, (disagreement,), "hls_720p")) == set()


def test_it_is_told_what_the_mezzanine_is_if_that_is_known() -> None:
    findings = findings_of([failed("pictures_true", BLACK)] * 3)
    evidence = Evidence(variants=VARIANTS, originals={"hls_720p": "The picture is black"})
    (disagreement,) = causes.disagreements(findings, evidence)
    assert disagreement.message == "in it the picture is black from 3.0 to 5.0 s"
    judged = judge(
        MezzanineObservation("mezzanine", disagreements=(disagreement,)), only=["mezzanine_is_its_variants_origin"]
    )
    sentence = "The mezzanine is not what its variants were made of: in it the picture is black from 3.0 to 5.0 s."
    assert [each.message for each in judged] == [sentence]


def test_optional_outputs_repeat_what_is_wrong_with_the_mezzanine() -> None:
    rules = {
        "storyboard": "storyboard_shows_its_moments",
        "thumbnails": "thumbnails_show_the_thumbnail",
        "blurhash": "blurhash_shows_the_thumbnail",
    }
    others = {output: [failed(rule)] for output, rule in rules.items()}
    findings = findings_of([failed("pictures_true", BLACK)] * 3, **others)
    disagreement = causes.disagreements(findings, ORIGIN)
    assert failures(causes.without_consequences(findings, disagreement, None)) == set()
    honest = findings_of([passed("pictures_true")] * 3, **others)
    assert failures(causes.without_consequences(honest, causes.disagreements(honest, ORIGIN), None)) == set(
        rules.items()
    )


def assert_witness(output: str, rule: str, evidence: Evidence) -> None:
    """Of a media of one variant: the mezzanine is blamed where `output` fails as well, and only there."""
    findings = {"mezzanine": [passed("files_as_recorded")], VARIANTS[0]: [failed("pictures_true")]}
    assert blamed(findings, evidence) == []
    agreeing = findings | {output: [failed(rule)]}
    assert set(blamed(agreeing, evidence)) == {(VARIANTS[0], "pictures_true"), (output, rule)}
    assert blamed(findings | {output: [passed(rule)]}, evidence) == []


@pytest.mark.parametrize("change", [ChangeKind.ROUGH, ChangeKind.PART])
def test_the_thumbnail_says_who_is_wrong_if_it_shows_the_change(change: ChangeKind) -> None:
    """A thumbnail that shows none says nothing: what is blurred a little cannot be seen in one."""
    evidence = Evidence(variants=VARIANTS[:1], is_origin=True, still_at=1.2, changes={VARIANTS[0]: change})
    assert_witness("thumbnail", "thumbnail_shows_its_moment", evidence)


def test_no_encoder_makes_pictures_sharper_than_they_were() -> None:
    findings = findings_of([failed("pictures_true")] * 3)
    evidence = Evidence(
        variants=VARIANTS, is_origin=True, originals={"hls_720p": "The picture is less sharp than its size allows"}
    )
    assert len(blamed(findings, evidence)) == 3
    alone = {"mezzanine": findings["mezzanine"], "hls_720p": findings["hls_720p"]}
    assert blamed(alone, Evidence(variants=VARIANTS[:1], is_origin=True, originals=evidence.originals)) == []


@pytest.mark.parametrize(
    ("message", "is_blamed"),
    [
        ("There is sound where the mezzanine has none, or next to none.", True),
        ("The left channel sounds, and the mezzanine's is silent.", True),
        ("The sound is harsh.", True),
        ("There is 7 dB more from 1.25 kHz to 2 kHz than the mezzanine has.", True),
        ("The sound is dull.", False),
        ("The left channel is silent.", False),
        ("There is noise, a hum or a tone in the sound that the mezzanine does not have.", False),
    ],
)
def test_no_encoder_adds_to_a_sound_what_was_not_there(message: str, *, is_blamed: bool) -> None:
    findings = findings_of([failed("sound_true", message=message)] * 3)
    assert bool(blamed(findings, ORIGIN)) == is_blamed


def test_the_storyboard_says_who_is_wrong_where_there_is_one_variant() -> None:
    evidence = Evidence(variants=VARIANTS[:1], is_origin=True)
    assert_witness("storyboard", "storyboard_shows_its_moments", evidence)


def test_what_one_variant_shows_is_its_own() -> None:
    alone = findings_of([failed("pictures_true", BLACK), passed("pictures_true"), passed("pictures_true")])
    assert blamed(alone, ORIGIN) == []
    elsewhere = findings_of([failed("pictures_true", where) for where in (BLACK, BLACK, "from 9.0 to 9.5 s")])
    assert blamed(elsewhere, ORIGIN) == []
    throughout = findings_of([failed("pictures_true", where) for where in (BLACK, BLACK, "")])
    assert blamed(throughout, ORIGIN) == []


@pytest.mark.parametrize("where", ["", BLACK])
def test_of_a_file_that_is_not_the_recorded_one_nothing_else_is_told(where: str) -> None:
    findings = findings_of([failed("pictures_true", where)] * 3, mezzanine=[failed("files_as_recorded")])
    disagreement = causes.disagreements(findings, ORIGIN)
    assert failures(causes.without_consequences(findings, disagreement, None)) == {("mezzanine", "files_as_recorded")}


def test_an_encoder_may_have_changed_all_of_the_film() -> None:
    """The mezzanine is the file that was recorded, and the variants were made of it."""
    findings = findings_of([failed("pictures_true")] * 3)
    assert blamed(findings, ORIGIN) == []
    assert len(blamed(findings, Evidence(variants=VARIANTS))) == 3


def test_no_encoder_makes_sound_of_silence_nor_a_film_of_black() -> None:
    sound = findings_of(
        [failed("sound_true", message="There is sound where the mezzanine has none, or next to none.")] * 3
    )
    assert blamed(sound, ORIGIN)
    picture = findings_of([failed("pictures_true")] * 3)
    assert blamed(picture, Evidence(VARIANTS, is_origin=True, originals={"hls_720p": "The picture is black"}))
    assert not blamed(picture, Evidence(VARIANTS, is_origin=True, originals={"hls_720p": "The picture is paler"}))


@pytest.mark.parametrize(
    ("change", "still", "is_mezzanines"),
    [
        (ChangeKind.UPSIDE_DOWN, failed("thumbnail_shows_its_moment"), True),
        (ChangeKind.UPSIDE_DOWN, passed("thumbnail_shows_its_moment"), False),
        # One conversion may have bent the colours of both.
        (ChangeKind.COLOURS, failed("thumbnail_shows_its_moment"), False),
    ],
)
def test_the_thumbnail_is_a_witness(change: ChangeKind, still: Finding, is_mezzanines: bool) -> None:
    findings = findings_of([failed("pictures_true")] * 3, thumbnail=[still])
    evidence = Evidence(variants=VARIANTS, is_origin=True, still_at=1.2, changes=dict.fromkeys(VARIANTS, change))
    assert bool(blamed(findings, evidence)) == is_mezzanines
    if is_mezzanines:
        assert ("thumbnail", "thumbnail_shows_its_moment") in blamed(findings, evidence)


def test_one_variant_and_the_thumbnail_are_two() -> None:
    findings = {"mezzanine": [], "hls_360p": [failed("pictures_true")], "thumbnail": [failed("thumbnail_not_blank")]}
    changes = {"hls_360p": ChangeKind.ANOTHER}
    assert blamed(findings, Evidence(("hls_360p",), is_origin=True, still_at=1.2, changes=changes))
    assert not blamed({**findings, "thumbnail": []}, Evidence(("hls_360p",), still_at=1.2, changes=changes))


def test_a_thumbnail_of_another_moment_is_none() -> None:
    findings = findings_of([failed("pictures_true", BLACK)] * 3, thumbnail=[passed("thumbnail_shows_its_moment")])
    changes = dict.fromkeys(VARIANTS, ChangeKind.ANOTHER)
    assert blamed(findings, Evidence(VARIANTS, is_origin=True, still_at=1.2, changes=changes))
    assert not blamed(findings, Evidence(VARIANTS, is_origin=True, still_at=3.5, changes=changes))


def test_variants_of_an_earlier_mezzanine_are_wrong_themselves() -> None:
    findings = findings_of([failed("pictures_true", BLACK)] * 3)
    assert blamed(findings, Evidence(variants=VARIANTS, outdated=frozenset(VARIANTS))) == []


def test_a_list_that_goes_on_after_its_end_is_told_once() -> None:
    end = failed("tag_order", "line 13", "segment_00009.ts (line 13) comes after EXT-X-ENDLIST.")
    others = [failed(rule) for rule in causes.AFTER_THE_END]
    assert causes.without_repetition([end, *others]) == (end,)
    assert len(causes.without_repetition([failed("tag_order"), *others])) == 1 + len(others)
    findings = {"hls_720p": [end, failed("record_true")], "hls_480p": [failed("record_true")]}
    rest = causes.without_consequences(findings, (), None)
    assert failures(rest) == {("hls_720p", "tag_order"), ("hls_480p", "record_true")}


def test_a_wrong_sound_is_told_once() -> None:
    sound = [failed("sound_true"), failed("loudness_on_target"), failed("sound_audible"), passed("sound_48_khz")]
    waveforms = {
        "waveform_json": [failed("waveform_shows_its_sound"), passed("waveform_bits")],
        "waveform_png": [failed("waveform_image_shows_its_sound")],
    }
    findings = {"hls_128k": sound, "hls_64k": [passed("sound_true")], **waveforms}
    rest = causes.without_consequences(findings, (), "hls_128k")
    assert failures(rest) == {("hls_128k", "sound_true")}
    assert rest["waveform_json"] == (passed("waveform_bits"),)
    # The waveform shows the best variant's sound.
    worse = {"hls_128k": [passed("sound_true")], "hls_64k": sound, **waveforms}
    assert failures(causes.without_consequences(worse, (), "hls_128k")) == {
        *(("hls_64k", "sound_true"), ("waveform_json", "waveform_shows_its_sound")),
        ("waveform_png", "waveform_image_shows_its_sound"),
    }
