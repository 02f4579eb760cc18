"""One finding per cause, among all that was found of the outputs of one media: whose fault it is, and what follows.

A rule judges one output beside those that it was made of, so a wrong mezzanine shows in every variant, and a wrong
sound in its loudness and its waveform. In: which output a difference is blamed on, and which findings only repeat
another. Out: rules (`rules/`), and looking (`audit.py`).
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from codex_assets.archive.findings import Finding
from codex_assets.media.outputs import (
    BLURHASH,
    MEZZANINE,
    PREVIEW,
    STORYBOARD,
    THUMBNAIL,
    THUMBNAILS,
    WAVEFORM_JSON,
    WAVEFORM_PNG,
)
from codex_assets.verification.fidelity import ChangeKind

Findings = Mapping[str, Sequence[Finding]]
"""Output -> what was found of it."""

BESIDE_MEZZANINE = (
    *("pictures_true", "sound_in_sync", "sound_true", "captions_as_source"),
    *("tracks_as_source", "picture_size", "picture_rate", "duration_of_source"),
)
"""Rules that compare a variant with the mezzanine or with what is recorded of it, in the order in which they count."""
PREVIEWS_OWN = {"duration_of_source": "preview_duration"}
STILL = ("thumbnail_shows_its_moment", "thumbnail_not_blank")
SHOWS_ALL_MOMENTS = (STORYBOARD.name, "storyboard_shows_its_moments")
MADE_APART = (
    SHOWS_ALL_MOMENTS,
    (THUMBNAILS.name, "thumbnails_show_the_thumbnail"),
    (BLURHASH.name, "blurhash_shows_the_thumbnail"),
)
"""Optional outputs, and the rules that compare them with the mezzanine."""
OF_UPLOAD, GAIN_FOLLOWS = "upload_loudness_true", "sound_gain_true"
SOUGHT_BY = "mezzanine_key_frames_named"
"""Where that fails, whoever looks for single moments of it finds others."""
DAMAGES = (
    *("mezzanine_readable", "files_as_recorded", "record_true"),
    *("mezzanine_decodes", "mezzanine_frames", "mezzanine_tracks"),
)
"""Rules of the mezzanine alone that say that it is not the file that it was."""
SEEN_IN_STILL = frozenset(
    {
        *(ChangeKind.BLACK, ChangeKind.FLAT, ChangeKind.UPSIDE_DOWN, ChangeKind.MIRRORED, ChangeKind.TURNED),
        *(ChangeKind.CHROMA_EXCHANGED, ChangeKind.GREY, ChangeKind.SCALED, ChangeKind.ANOTHER),
    }
)
"""Changes that a thumbnail shows too, and that no conversion of colours for it could make."""
MAY_BE_SEEN_IN_STILL = frozenset({ChangeKind.ROUGH, ChangeKind.PART, ChangeKind.MOVED})
"""Changes that a thumbnail may show: one that shows none says nothing."""
SAME_PLACE_SECONDS = 2.0
NOT_ADDED = re.compile(
    r"There is sound where|There is no noise where|Loud parts stand out|The sound is harsh"
    r"|The \w+ channel sounds|There is \d+ dB more from|There is a click"
)
"""How messages begin about what no encoder adds to what it was given."""
NOT_TAKEN_AWAY = (
    *("The picture is black", "The picture is of one colour", "The picture stands still"),
    "The picture is less sharp",
)
"""What a mezzanine is said to be that no variant can be made of that shows more."""

OF_SOUND = ("sound_true", "sound_in_sync", "pictures_decode", "segments_present", "sound_continuous")
"""What is wrong with a variant's sound..."""
SOUND_FOLLOWS = ("sound_audible", "loudness_on_target", "upload_loudness_true")
"""...and what follows for its own loudness..."""
WAVEFORM_FOLLOWS = {
    WAVEFORM_JSON.name: ("waveform_shows_its_sound", "waveform_length"),
    WAVEFORM_PNG.name: ("waveform_image_shows_its_sound", "waveform_image_covers_all"),
}
"""...and for the waveforms, which are compared with the sound of the best variant."""

END = "after EXT-X-ENDLIST"
AFTER_THE_END = (
    *("segments_numbered", "segments_present", "segment_length", "extinf_form", "cuts_like_siblings"),
    *("duration_of_source", "preview_duration", "target_duration", "record_true"),
)
"""What a segment breaks too that comes after the playlist's end."""

CONTENTS = "segments_in_their_version"
STRAYS = "no_stray_segments"


@dataclass(frozen=True)
class Disagreement:
    """What all variants show alike, and the mezzanine does not. `message`: what is wrong with it, or else what the best
    variant's finding says, without a capital; `where`: when, empty for all of it. `rules`: those of each output that
    found it."""

    message: str
    where: str
    rules: tuple[tuple[str, str], ...]


@dataclass(frozen=True)
class Evidence:
    """What is known of a media besides the findings.

    `variants`: outputs that were compared with the mezzanine, best first. `outdated`: those of them that were made
    before the mezzanine was, of another one. `is_origin`: all others were made of the mezzanine that is recorded now.
    `changes`: what explains the worst picture of each. `originals`: what it would be if the mezzanine was changed, in
    words. `still_at`: the moment of the thumbnail, in seconds.
    """

    variants: tuple[str, ...] = ()
    outdated: frozenset[str] = frozenset()
    is_origin: bool = False
    changes: Mapping[str, ChangeKind] = field(default_factory=dict)
    originals: Mapping[str, str] = field(default_factory=dict)
    still_at: float | None = None


def disagreements(findings: Findings, evidence: Evidence) -> tuple[Disagreement, ...]:
    """What is to be blamed on the mezzanine instead of on its variants.

    A mezzanine that is not the file that was recorded, or is damaged, is blamed for whatever all variants show alike.
    If it is the recorded file, and the variants were made of it, an encoder may have changed all of the film in each:
    then they are blamed, unless the thumbnail or the storyboard, which were made apart, agree with them. What only a
    part of the film shows, and each variant alike, no encoder has done.
    """
    if MEZZANINE.name not in findings:
        return ()
    damaged = is_damaged(findings)
    compared = [output for output in evidence.variants if output not in evidence.outdated]
    blamed = []
    for rule in BESIDE_MEZZANINE:
        judged = [(output, each) for output in compared if (each := _finding(findings, output, rule)) is not None]
        if not judged or any(each.passed for _, each in judged):
            continue
        (best, first), *others = judged
        witness = _says_a_still(rule, first, evidence, best, findings)
        if witness is not True and not all(_is_same_place(first, other) for _, other in others):
            continue
        words = evidence.originals.get(best, "") if rule == "pictures_true" else ""
        if not damaged and not (_is_likely(judged, evidence, words) if witness is None else witness):
            continue
        rules = [(output, rule) for output, _ in judged]
        preview = PREVIEWS_OWN.get(rule, rule)
        if _failed(findings, PREVIEW.name, preview):
            rules.append((PREVIEW.name, preview))
        if rule == "pictures_true":
            stills = *((THUMBNAIL.name, still) for still in STILL), *MADE_APART
            rules += [(output, still) for output, still in stills if _failed(findings, output, still)]
        blamed.append(Disagreement(_message(rule, first, evidence, best), first.where, tuple(rules)))
    return tuple(blamed)


def is_damaged(findings: Findings) -> bool:
    """Whether the mezzanine is found to be another file than it was, whatever its variants show."""
    return any(_failed(findings, MEZZANINE.name, rule) for rule in DAMAGES)


def _says_a_still(rule: str, finding: Finding, evidence: Evidence, best: str, findings: Findings) -> bool | None:
    """Whether the storyboard, or the thumbnail, agrees with the variants, against the mezzanine; None where neither can
    tell."""
    if rule != "pictures_true":
        return None
    if _failed(findings, *SHOWS_ALL_MOMENTS):
        return True
    change = evidence.changes.get(best)
    still = _finding(findings, THUMBNAIL.name, STILL[0])
    if change not in SEEN_IN_STILL | MAY_BE_SEEN_IN_STILL or not _covers(finding, evidence.still_at):
        return None
    if any(_failed(findings, THUMBNAIL.name, each) for each in STILL):
        return True
    return None if still is None or change in MAY_BE_SEEN_IN_STILL else False


def _is_likely(judged: Sequence[tuple[str, Finding]], evidence: Evidence, words: str) -> bool:
    """Whether several variants, all alike, show what no encoder does to all of a film that it was given. `words`: what
    the mezzanine would be then."""
    first = judged[0][1]
    shows_more = NOT_ADDED.match(first.message) is not None or words.startswith(NOT_TAKEN_AWAY)
    return len(judged) > 1 and (bool(first.where) or not evidence.is_origin or shows_more)


def _message(rule: str, finding: Finding, evidence: Evidence, best: str) -> str:
    words = evidence.originals.get(best) if rule == "pictures_true" else None
    if words is None:
        return f"in all of them {finding.message[:1].lower()}{finding.message[1:]}"
    return f"in it {words[:1].lower()}{words[1:]}{f' {finding.where}' if finding.where else ''}"


def _covers(finding: Finding, moment: float | None) -> bool:
    """Whether a fault is seen at this moment."""
    times = _times(finding)
    if moment is None or len(times) == 1:
        return False
    return not times or times[0] <= moment <= times[1]


def _is_same_place(first: Finding, other: Finding) -> bool:
    """Whether two findings of one rule are about the same time, or both about all of it."""
    ours, theirs = _times(first), _times(other)
    if not ours or not theirs:
        return ours == theirs
    return all(abs(own - their) <= SAME_PLACE_SECONDS for own, their in zip(ours, theirs, strict=False))


def _times(finding: Finding) -> list[float]:
    return [float(number) for number in re.findall(r"\d+(?:\.\d+)?(?= to | s\b)", finding.where)]


# --- What only repeats another ----------------------------------------------------------------------------------------


def without_consequences(findings: Findings, blamed: Sequence[Disagreement], best: str | None) -> Findings:
    """The findings without those that repeat another: what was `blamed` on the mezzanine, what follows of a variant's
    sound for its loudness, and of the sound of the `best` variant for the waveforms."""
    silent = {repeated for disagreement in blamed for repeated in disagreement.rules}
    if best is not None and _failed(findings, best, OF_UPLOAD):
        # Of the upload it is said once, and no gain fits a loudness that it did not have.
        silent |= {(output, OF_UPLOAD) for output in findings if output != best}
        silent |= {(output, GAIN_FOLLOWS) for output in findings}
    if _failed(findings, MEZZANINE.name, SOUGHT_BY):
        silent |= {*((THUMBNAIL.name, still) for still in STILL), *MADE_APART}
    for output, of_output in findings.items():
        silent |= {(output, rule) for rule in _repeating(of_output)}
        if any(_failed(findings, output, rule) for rule in OF_SOUND):
            silent |= {(output, rule) for rule in SOUND_FOLLOWS}
            if output == best:
                silent |= {(waveform, rule) for waveform, rules in WAVEFORM_FOLLOWS.items() for rule in rules}
    return {
        output: tuple(each for each in of_output if each.passed or (output, each.rule) not in silent)
        for output, of_output in findings.items()
    }


def without_repetition(findings: Sequence[Finding]) -> tuple[Finding, ...]:
    """The findings on one observation, without those that repeat another of them."""
    repeating = _repeating(findings)
    return tuple(finding for finding in findings if finding.passed or finding.rule not in repeating)


def _repeating(findings: Sequence[Finding]) -> frozenset[str]:
    """Rules that, where they fail, repeat that a list goes on after its end, or that its segments are not as they were
    when they got their name, where anything else says how."""
    failed = [each for each in findings if not each.passed]
    goes_on = any(each.rule == "tag_order" and END in each.message for each in failed)
    is_named_otherwise = any(each.rule not in (CONTENTS, STRAYS) for each in failed)
    return frozenset((*(AFTER_THE_END if goes_on else ()), *((CONTENTS,) if is_named_otherwise else ())))


def _finding(findings: Findings, output: str, rule: str) -> Finding | None:
    return next((finding for finding in findings.get(output, ()) if finding.rule == rule), None)


def _failed(findings: Findings, output: str, rule: str) -> bool:
    finding = _finding(findings, output, rule)
    return finding is not None and not finding.passed
