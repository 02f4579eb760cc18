"""Rules for a media playlist and its segments as a player reads them, with their limits: tags, names, lengths, cuts.

What is inside the segments is judged in `tracks.py`.
"""

from __future__ import annotations

import math
import re
from collections.abc import Sequence

from codex_assets.archive.findings import Finding, Severity
from codex_assets.media import profile
from codex_assets.verification.kinds import ObservationKind
from codex_assets.verification.measures import cuts
from codex_assets.verification.observations import MasterObservation, Span, VariantObservation
from codex_assets.verification.rule import rule
from codex_assets.verification.rules.comparisons import Problem, expect_equal, expect_near, expect_no_problem
from codex_assets.verification.rules.shared_limits import APPLE, CONTRACT, DURATION_SECONDS, PLAN, PLAYLISTS, RFC
from codex_assets.verification.rules.stream_faults import is_broken


@rule(*PLAYLISTS, source=f"{RFC} s4.1", gate=True)
def playlist_readable(seen: VariantObservation) -> Finding:
    """The playlist exists and is a media playlist."""
    problem = seen.playlist.problem
    if problem is None:
        passed = bool(seen.segments)
        message = f"The playlist names {len(seen.segments)} segments."
        return Finding(passed, message, "at least one segment", f"{len(seen.segments)} segments")
    return Finding(False, f"The playlist cannot be read: {problem}.", "a media playlist", problem, seen.playlist.name)


@rule(*PLAYLISTS, source=CONTRACT, is_of_contract=True)
def playlist_name(seen: VariantObservation) -> Finding:
    """The playlist has the name that its key ends in."""
    name = "preview.m3u8" if seen.kind is ObservationKind.PREVIEW else "playlist.m3u8"
    return expect_equal("The playlist's name", name, seen.playlist.name)


@rule(*PLAYLISTS, source=f"{PLAN}; {APPLE} 8.6; {RFC} s4.4.3.5", elsewhere=Severity.WARN)
def playlist_is_vod(seen: VariantObservation) -> Finding:
    """The playlist says that it is VOD."""
    return expect_equal("EXT-X-PLAYLIST-TYPE", "VOD", seen.playlist.type or "absent")


@rule(*PLAYLISTS, source=f"{PLAN}; {RFC} s4.4.3.4", elsewhere=Severity.WARN)
def playlist_ended(seen: VariantObservation) -> Finding:
    """The playlist ends with EXT-X-ENDLIST: without it players wait for more."""
    observed = "present" if seen.playlist.ended else "absent"
    return expect_equal("EXT-X-ENDLIST", "present", observed)


@rule(*PLAYLISTS, source=f"{CONTRACT}; {RFC} s4.4.3.1; {APPLE} 7.7")
def target_duration(seen: VariantObservation) -> Finding | None:
    """The target duration is the longest EXTINF, rounded to whole seconds; in others' HLS, that or more."""
    target = seen.playlist.target_duration
    if target is None:
        # One that is there and no whole number is another rule's.
        is_there = "EXT-X-TARGETDURATION" in seen.playlist.tags
        return None if is_there else Finding(False, "EXT-X-TARGETDURATION is absent.", "present", "absent")
    lengths = believed_lengths(seen)
    seconds = max(lengths)
    longest = seen.segments[lengths.index(seconds)].name
    # The RFC does not say which way a half is rounded.
    least, most = math.ceil(seconds - 0.5), math.floor(seconds + 0.5)
    passed = least <= target and (not seen.is_ours or target <= max(1, most))
    message = f"The target duration is {target} s, and the longest segment ({longest}) lasts {seconds:.3f} s."
    expected = f"{seconds:.3f} s, rounded" if seen.is_ours else f"at least {least} s"
    return Finding(passed, message, expected, f"{target} s", "" if passed else longest)


@rule(*PLAYLISTS, source=f"{RFC} s6.3.3, s6.3.4", severity=Severity.WARN)
def target_duration_not_zero(seen: VariantObservation) -> Finding | None:
    """The target duration is at least a second: players count their buffer and their waiting times in it."""
    target, by_segments = seen.playlist.target_duration, target_duration(seen)
    if target is None or by_segments is None or not by_segments.passed:
        return None
    message = f"The target duration is {target} s."
    return Finding(target >= 1, message, "at least 1 s", f"{target} s")


@rule(*PLAYLISTS, source=f"{APPLE} 7.5", severity=Severity.WARN)
def target_duration_of_six(seen: VariantObservation) -> Finding | None:
    """The target duration of others' HLS is 6 s, if there is so much; ours is cut so, as another rule finds."""
    target = seen.playlist.target_duration
    if seen.is_ours or target is None or (seen.duration < profile.SEGMENT_SECONDS and target <= seen.duration + 1):
        return None
    return expect_equal("The target duration", f"{profile.SEGMENT_SECONDS} s", f"{target} s")


@rule(*PLAYLISTS, ObservationKind.MASTER, source=CONTRACT, is_of_contract=True)
def no_uri_in_tags(seen: VariantObservation | MasterObservation) -> Finding:
    """No tag carries a URI (EXT-X-MAP, EXT-X-MEDIA, EXT-X-KEY): the private-streaming proxy signs plain lines only."""
    tags = seen.uri_tags if isinstance(seen, MasterObservation) else seen.playlist.uri_tags
    problems = [Problem(tag, tag, f"{tag} carries a URI, which the platform's proxy does not sign") for tag in tags]
    return expect_no_problem(problems, expected="no URI in any tag", message="No tag carries a URI.", observed="none")


@rule(*PLAYLISTS, source=f"{CONTRACT}; {RFC} s4.4.4.3, s4.4.4.7; {APPLE} 8.13, 8.14, 8.15", is_of_contract=True)
def no_discontinuity(seen: VariantObservation) -> Finding:
    """The playlist has no EXT-X-DISCONTINUITY and no EXT-X-GAP: it was made in one piece."""
    odd = [tag for tag in seen.playlist.tags if tag in ("EXT-X-DISCONTINUITY", "EXT-X-GAP")]
    problems = [Problem(tag, tag, f"The playlist has an {tag}") for tag in odd]
    return expect_no_problem(problems, expected="none", message="The playlist is one piece.", observed="none")


@rule(*PLAYLISTS, source=CONTRACT, is_of_contract=True)
def plain_segment_names(seen: VariantObservation) -> Finding:
    """Segments are named by plain relative names, in the folder of their version or in the playlist's own."""
    problems = [
        Problem(segment.name, segment.name, f"{segment.name} is not a plain name in the playlist's folder")
        for segment in seen.segments
        if not re.fullmatch(r"[A-Za-z0-9_-]+(\.[A-Za-z0-9_-]+)*", segment.name)
    ]
    return expect_no_problem(problems, expected="plain relative names", message="All names are plain.")


def _wanted_names(seen: VariantObservation) -> list[str]:
    return [profile.SEGMENT_PATTERN % index for index in range(len(seen.segments))]


@rule(*PLAYLISTS, source=PLAN, is_of_contract=True)
def segments_numbered(seen: VariantObservation) -> Finding | None:
    """Segments are named `segment_00000.ts` and on, in order and without gaps."""
    if not plain_segment_names(seen).passed:
        return None
    wanted = _wanted_names(seen)
    problems = [
        Problem(segment.name, segment.name, f"Segment {index} is called {segment.name}, not {name}")
        for index, (segment, name) in enumerate(zip(seen.segments, wanted, strict=True))
        if segment.name != name
    ]
    return expect_no_problem(
        problems[:1], expected=f"{wanted[0]} to {wanted[-1]}", message="Segments are numbered without gaps."
    )


@rule(*PLAYLISTS, source=CONTRACT, is_of_contract=True)
def segments_in_their_version(seen: VariantObservation) -> Finding | None:
    """All segments lie in one folder that their contents name; those of the first releases, beside the playlist."""
    first = seen.segments[0]
    for segment in seen.segments:
        if segment.version != first.version:
            message = f"{segment.uri} lies in another folder than {first.uri}."
            return Finding(False, message, first.version or "beside the playlist", segment.uri, segment.name)
    if first.version is None or seen.contents_version is None:
        return None
    passed = first.version == seen.contents_version
    says = "what their contents are called" if passed else f"and their contents are those of {seen.contents_version}"
    message = f"The segments lie in the folder {first.version}, {says}."
    return Finding(passed, message, seen.contents_version, first.version)


@rule(*PLAYLISTS, source=PLAN)
def segments_present(seen: VariantObservation) -> Finding:
    """Every segment that the playlist names exists."""
    problems = [
        Problem(segment.name, "missing", f"{segment.name} does not exist")
        for segment, name in zip(seen.segments, _wanted_names(seen), strict=True)
        # One of ours that is called otherwise is found by its name.
        if segment.size is None and (not seen.is_ours or segment.name == name)
    ]
    return expect_no_problem(
        problems, expected=f"{len(seen.segments)} segments", message=f"All {len(seen.segments)} segments exist."
    )


@rule(*PLAYLISTS, source=PLAN)
def segments_not_empty(seen: VariantObservation) -> Finding:
    """Every segment holds at least one frame of each track of the playlist."""
    problems = []
    for segment in seen.segments:
        if segment.size is None:
            continue
        tracks = [("picture", seen.video, segment.video), ("sound", seen.audio, segment.audio)]
        lacking = [name for name, track, span in tracks if track is not None and span is None]
        if segment.size == 0 or (segment.video is None and segment.audio is None):
            problems.append(
                Problem(segment.name, f"{segment.size} bytes", f"{segment.name} holds nothing ({segment.size} bytes)")
            )
        # A last segment can be shorter than the distance between two sound frames.
        elif lacking and (segment is not seen.segments[-1] or segment.extinf > 0.25):
            problems.append(Problem(segment.name, f"no {lacking[0]}", f"{segment.name} holds no {lacking[0]}"))
    return expect_no_problem(problems, expected="something in each", message="No segment is empty.")


@rule(*PLAYLISTS, source=CONTRACT, severity=Severity.WARN, is_of_contract=True)
def no_stray_segments(seen: VariantObservation) -> Finding:
    """The folder, and that of the segments, hold nothing that no playlist names, whatever it is called."""
    # Where the list itself is wrong, a segment that is not in it is no stray.
    is_list_wrong = not has_right_names(seen) or _lacks_segments(seen)
    problems = [
        Problem(name, name, f"{name} is in no playlist")
        for name in seen.stray
        if not (is_list_wrong and re.fullmatch(r"([0-9a-f]{12}/)?segment_[0-9]{5}\.ts", name))
    ]
    return expect_no_problem(
        problems, expected="none", message="Everything in the folder is in the playlist.", observed="none"
    )


def has_right_names(seen: VariantObservation) -> bool:
    """Whether a playlist of ours names its segments as it has to; True for others."""
    numbered = segments_numbered(seen)
    return not seen.is_ours or (numbered is not None and numbered.passed)


def _lacks_segments(seen: VariantObservation) -> bool:
    wanted = seen.expected.cuts
    return wanted is not None and seen.kind is ObservationKind.VARIANT and len(seen.segments) < len(wanted)


@rule(*PLAYLISTS, source=f"{RFC} s3.1.1")
def segments_have_tables(seen: VariantObservation) -> Finding | None:
    """Every segment starts with its PAT and PMT, so that a player can start at it."""
    known = [segment for segment in seen.segments if segment.tables_first is not None]
    if not known:
        return None
    problems = [
        Problem(segment.name, "no PAT and PMT first", f"{segment.name} does not start with a PAT and a PMT")
        for segment in known
        if not segment.tables_first
    ]
    return expect_no_problem(problems, expected="PAT and PMT first", message="Every segment starts with PAT and PMT.")


@rule(*PLAYLISTS, source=f"{APPLE} 7.4; {RFC} s4.4.2.1", elsewhere=Severity.WARN)
def segments_start_with_idr(seen: VariantObservation) -> Finding | None:
    """Every segment with a picture starts with an IDR frame, so that a player can start or switch at it."""
    known = [segment for segment in seen.segments if segment.starts_with_idr is not None and not is_broken(segment)]
    if not known:
        return None
    problems = [
        Problem(segment.name, "no IDR first", f"{segment.name} does not start with an IDR frame")
        for segment in known
        if not segment.starts_with_idr
    ]
    return expect_no_problem(problems, expected="an IDR frame first", message="Every segment starts with an IDR frame.")


@rule(*PLAYLISTS, source=f"{PLAN}; {APPLE} 7.5, 7.6", is_of_contract=True)
def segment_length(seen: VariantObservation) -> Finding:
    """Every segment lasts 6 s within one frame; the last one at most that."""
    target, frame = float(profile.SEGMENT_SECONDS), seen.frame_seconds
    slack = frame + 0.001
    problems = []
    for segment, lasts in zip(seen.segments, believed_lengths(seen), strict=True):
        last = segment is seen.segments[-1]
        over, under = lasts > target + slack, lasts < target - slack
        if over or (under and not last) or lasts <= 0:
            message = f"{segment.name} lasts {lasts:.3f} s, not {target:.0f} s within a frame ({frame:.3f} s)"
            problems.append(Problem(segment.name, f"{lasts:.3f} s", message))
    expected = f"{target:.3f} ± {frame:.3f} s, the last at most that"
    return expect_no_problem(problems, expected=expected, message=f"All segments last {target:.0f} s within a frame.")


@rule(*PLAYLISTS, source=f"{RFC} s4.4.4.1")
def extinf_true(seen: VariantObservation) -> Finding | None:
    """EXTINF is the time that the segment really lasts, within half a frame (the last: one frame)."""
    measured = _lengths(seen)
    if all(lasts is None for lasts in measured):
        return None
    tolerance = _extinf_tolerance(seen)
    problems = [
        Problem(
            segment.name,
            f"{lasts:.3f} s",
            f"{segment.name} lasts {lasts:.3f} s, and EXTINF says {segment.extinf:.3f} s",
        )
        for segment, lasts in zip(seen.segments, measured, strict=True)
        # Muxers measure the last one from frame to frame, and may leave out the last frame's own length.
        if lasts is not None
        and abs(lasts - segment.extinf) > (tolerance if segment is not seen.segments[-1] else 2.1 * tolerance)
    ]
    return expect_no_problem(
        problems, expected=f"within {tolerance:.3f} s", message="Every EXTINF is what the segment lasts."
    )


def _extinf_tolerance(seen: VariantObservation) -> float:
    return max(0.5 * seen.frame_seconds, 0.005)


def _lengths(seen: VariantObservation) -> list[float | None]:
    """Seconds that each segment really lasts, by its picture, or its sound where there is none; None if unknown."""
    leads = [
        None if is_broken(segment) else segment.video if seen.video is not None else segment.audio
        for segment in seen.segments
    ]
    tolerance = _extinf_tolerance(seen)
    lengths: list[float | None] = []
    for span, following in zip(leads, [*leads[1:], None], strict=True):
        if span is None:
            lengths.append(None)
            continue
        # Where the next segment starts elsewhere, a hole that another rule finds, this segment's own end counts.
        is_next = following is not None and abs(following.start - span.end) < tolerance
        lengths.append((following.start if is_next and following is not None else span.end) - span.start)
    return lengths


def believed_lengths(seen: VariantObservation) -> list[float]:
    """Seconds of each segment: by EXTINF, or measured where EXTINF is found to be wrong and nothing else is."""
    each, measured = extinf_true(seen), [lasts for lasts in _lengths(seen) if lasts is not None]
    lead = picture_continuous(seen) if seen.video is not None else sound_continuous(seen)
    whole = segments_self_contained(seen)
    is_measured = len(measured) == len(seen.segments) and lead is not None and lead.passed
    if each is not None and not each.passed and is_measured and (whole is None or whole.passed):
        return measured
    return [segment.extinf for segment in seen.segments]


@rule(*PLAYLISTS, source=f"{APPLE} 8.1", elsewhere=Severity.WARN)
def extinf_sums(seen: VariantObservation) -> Finding | None:
    """The EXTINFs of any neighbouring segments add up to the time that these last, within one frame."""
    measured = [lasts for lasts in _lengths(seen) if lasts is not None]
    each = extinf_true(seen)
    if len(measured) < len(seen.segments) or each is None or not each.passed:
        return None
    allowed = max(seen.frame_seconds, 0.01) + 0.001
    error, least, most, worst = 0.0, 0.0, 0.0, 0.0
    where = ""
    for segment, lasts in zip(seen.segments, measured, strict=True):
        error += segment.extinf - lasts
        least, most = min(least, error), max(most, error)
        if most - least > worst:
            worst, where = most - least, segment.name
    passed = worst <= allowed
    message = f"Up to {where} the EXTINFs are {worst:.3f} s off." if not passed else "The EXTINFs add up."
    return Finding(passed, message, f"within {allowed:.3f} s", f"{worst:.3f} s", "" if passed else where)


GAP_FRAMES = 0.6
"""Of a frame, by which two may be farther apart, or nearer: the clocks of others are rounded to milliseconds."""
UNEVEN_FRAMES = 0.2
"""The same of what is ours, which has one rate and a clock of 90 kHz: more is seen and heard as a judder."""


def _continuity(seen: VariantObservation, track: str, spans: Sequence[Span | None]) -> Finding | None:
    if not any(spans) or (not seen.is_ours and "EXT-X-DISCONTINUITY" in seen.playlist.tags):
        return None
    problems = []
    is_in_order = has_right_names(seen)
    for index, (segment, span) in enumerate(zip(seen.segments, spans, strict=True)):
        # What lost packets leave behind is found with them.
        if span is None or is_broken(segment):
            continue
        slack = GAP_FRAMES * span.frame_seconds
        uneven = max(span.largest_step - span.frame_seconds, span.frame_seconds - span.smallest_step)
        if span.frames > 1 and span.largest_step > span.frame_seconds + slack:
            lost = span.largest_step - span.frame_seconds
            problems.append(
                Problem(
                    segment.name, f"gap of {lost:.3f} s", f"The {track} of {segment.name} has a gap of {lost:.3f} s"
                )
            )
        elif span.frames > 1 and span.smallest_step < span.frame_seconds - slack:
            message = f"Frames of the {track} of {segment.name} overlap"
            problems.append(Problem(segment.name, f"frames {span.smallest_step:.3f} s apart", message))
        elif span.frames > 2 and seen.is_ours and uneven > UNEVEN_FRAMES * span.frame_seconds:
            message = f"Frames of the {track} of {segment.name} are unevenly apart, by up to {uneven:.3f} s"
            problems.append(Problem(segment.name, f"{uneven:.3f} s", message))
        before = spans[index - 1] if index else None
        # Of segments in a wrong order, which another rule finds, none continues the one before.
        if before is None or not is_in_order or is_broken(seen.segments[index - 1]):
            continue
        apart = span.start - before.end
        if abs(apart) > slack:
            kind = "a gap" if apart > 0 else "an overlap"
            names = f"{seen.segments[index - 1].name} and {segment.name}"
            message = f"Between {names} the {track} has {kind} of {abs(apart):.3f} s"
            problems.append(Problem(segment.name, f"{apart:+.3f} s", message))
    return expect_no_problem(
        problems, expected="no gap, no overlap", message=f"The {track} runs on through all segments."
    )


@rule(*PLAYLISTS, source=f"{APPLE} 7.1, 7.2; {RFC} s3, s6.2.1")
def picture_continuous(seen: VariantObservation) -> Finding | None:
    """The picture's timestamps run on, inside segments and from one to the next: no gap, no overlap."""
    return _continuity(seen, "picture", [segment.video for segment in seen.segments])


@rule(*PLAYLISTS, source=f"{APPLE} 7.1, 7.2; {RFC} s3, s6.2.1")
def sound_continuous(seen: VariantObservation) -> Finding | None:
    """The sound's timestamps run on, inside segments and from one to the next: no gap, no overlap."""
    return _continuity(seen, "sound", [segment.audio for segment in seen.segments])


@rule(*PLAYLISTS, source=f"{RFC} s4.4.2.1", elsewhere=Severity.WARN)
def segments_self_contained(seen: VariantObservation) -> Finding | None:
    """No frame of a segment is presented before its first one: closed GOPs, as far as timestamps prove it."""
    known = [segment for segment in seen.segments if segment.video is not None and not is_broken(segment)]
    if not known:
        return None
    problems = []
    for segment in known:
        early = segment.video.before_first if segment.video is not None else 0.0
        if early > 0.001:
            message = f"{segment.name} holds a frame that is presented {early:.3f} s before its first one"
            problems.append(Problem(segment.name, f"{early:.3f} s before", message))
    return expect_no_problem(
        problems, expected="nothing before the first frame", message="Every segment stands for itself."
    )


@rule(*PLAYLISTS, source=f"{APPLE} 8.22; {RFC} s6.2.4")
def cuts_like_siblings(seen: VariantObservation) -> Finding | None:
    """Segments are cut where the other variants' are, so that switching between them is seamless."""
    wanted = seen.expected.cuts
    duration, lengths = duration_of_source(seen), segment_length(seen)
    # Segments that are missing, or of another length throughout, are found by that.
    if wanted is None or not has_right_names(seen) or not lengths.passed:
        return None
    if len(seen.segments) != len(wanted) and duration is not None and not duration.passed:
        return None
    measured = [lasts for lasts in _lengths(seen) if lasts is not None]
    each = extinf_true(seen)
    # Small errors of EXTINF, which add up, are another rule's; where lengths cannot be measured, EXTINF has to do.
    is_measured = len(measured) == len(seen.segments) and each is not None and each.passed
    own = cuts(measured if is_measured else believed_lengths(seen))
    # A preview is the start of its variant.
    wanted = wanted[: len(own)] if seen.kind is ObservationKind.PREVIEW else wanted
    return _same_cuts(own, wanted, "another variant's", 0.5 * seen.frame_seconds)


def _same_cuts(own: Sequence[float], wanted: Sequence[float], whose: str, tolerance: float) -> Finding:
    if len(own) != len(wanted):
        message = f"There are {len(own)} segments, and {len(wanted)} in {whose}."
        return Finding(False, message, f"{len(wanted)} segments", f"{len(own)} segments")
    problems = [
        Problem(
            profile.SEGMENT_PATTERN % index,
            f"{mine:.3f} s",
            f"{profile.SEGMENT_PATTERN % index} ends at {mine:.3f} s, and {whose} at {theirs:.3f} s",
        )
        # The last end is the duration, which is judged by itself.
        for index, (mine, theirs) in enumerate(zip(own[:-1], wanted[:-1], strict=True))
        if abs(mine - theirs) > tolerance
    ]
    return expect_no_problem(
        problems, expected=f"the same within {tolerance:.3f} s", message="The segments are cut alike."
    )


@rule(ObservationKind.VARIANT, source="plan: phase 3; contract: variants")
def duration_of_source(seen: VariantObservation) -> Finding | None:
    """The variant lasts as long as the mezzanine."""
    wanted = seen.expected.duration
    if wanted is None or not seen.segments or not has_right_names(seen):
        return None
    lasts = math.fsum(believed_lengths(seen))
    return expect_near("The duration", wanted, lasts, max(DURATION_SECONDS, 1.5 * seen.frame_seconds))


@rule(ObservationKind.PREVIEW, source=PLAN)
def preview_duration(seen: VariantObservation) -> Finding | None:
    """The preview lasts 30 s, or as long as a shorter source."""
    if not seen.segments or not has_right_names(seen):
        return None
    lasts = math.fsum(believed_lengths(seen))
    tolerance = max(DURATION_SECONDS, 1.5 * seen.frame_seconds)
    longest = float(profile.PREVIEW_SECONDS)
    if seen.expected.duration is not None:
        return expect_near("The preview's duration", min(longest, seen.expected.duration), lasts, tolerance)
    passed = lasts <= longest + tolerance
    message = f"The preview lasts {lasts:.3f} s{'' if passed else f', over {longest:.0f} s'}."
    return Finding(passed, message, f"at most {longest:.0f} s", f"{lasts:.3f} s")
