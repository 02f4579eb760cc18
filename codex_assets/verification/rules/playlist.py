"""Rules for a media playlist and its segments as a player reads them, with their limits: tags, names, lengths, cuts.

What is inside the segments is judged in `tracks.py`.
"""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from itertools import pairwise

from codex_assets.media import profile
from codex_assets.verification.findings import Kind, Problem, Severity, Verdict, equal, near, over_all, rule
from codex_assets.verification.measures import cuts
from codex_assets.verification.observations import MasterObservation, Span, VariantObservation
from codex_assets.verification.rules.tolerances import APPLE, CONTRACT, DURATION_SECONDS, PLAN, PLAYLISTS

LONGEST_GOP_SLACK = 1.5
"""Frames by which a key frame may come late, for rates that do not divide the interval."""


@rule(*PLAYLISTS, source="RFC 8216 s4.1", gate=True)
def playlist_readable(seen: VariantObservation) -> Verdict:
    """The playlist exists and is a media playlist."""
    problem = seen.playlist.problem
    if problem is None:
        passed = bool(seen.segments)
        told = f"The playlist names {len(seen.segments)} segments."
        return Verdict(passed, told, "at least one segment", f"{len(seen.segments)} segments")
    return Verdict(False, f"The playlist cannot be read: {problem}.", "a media playlist", problem, seen.playlist.name)


@rule(*PLAYLISTS, source=CONTRACT)
def playlist_name(seen: VariantObservation) -> Verdict:
    """The playlist has the name that its key ends in."""
    name = "preview.m3u8" if seen.kind is Kind.PREVIEW else "playlist.m3u8"
    return equal("The playlist's name", name, seen.playlist.name)


@rule(*PLAYLISTS, source=f"{PLAN}; RFC 8216 s4.3.3.5")
def playlist_is_vod(seen: VariantObservation) -> Verdict:
    """The playlist says that it is VOD."""
    return equal("EXT-X-PLAYLIST-TYPE", "VOD", seen.playlist.type or "absent")


@rule(*PLAYLISTS, source=f"{PLAN}; RFC 8216 s4.3.3.4")
def playlist_ended(seen: VariantObservation) -> Verdict:
    """The playlist ends with EXT-X-ENDLIST: without it players wait for more."""
    found = "present" if seen.playlist.ended else "absent"
    return equal("EXT-X-ENDLIST", "present", found)


@rule(*PLAYLISTS, source="RFC 8216 s4.3.3.1")
def target_duration(seen: VariantObservation) -> Verdict:
    """No segment, rounded to whole seconds, lasts longer than the target duration."""
    target = seen.playlist.target_duration
    if target is None:
        return Verdict(False, "EXT-X-TARGETDURATION is absent.", "present", "absent")
    problems = [
        Problem(one.name, f"{one.extinf:.3f} s", f"{one.name} lasts {one.extinf:.3f} s, over the target of {target} s")
        for one in seen.segments
        # The RFC does not say which way a half is rounded.
        if math.ceil(one.extinf - 0.5) > target
    ]
    return over_all(
        problems, expected=f"at most {target} s, rounded", fine=f"No segment passes the target of {target} s."
    )


@rule(*PLAYLISTS, source="RFC 8216 s6.3.3, s6.3.4", severity=Severity.WARN)
def target_duration_not_zero(seen: VariantObservation) -> Verdict | None:
    """The target duration is at least a second: players count their buffer and their waiting times in it."""
    target = seen.playlist.target_duration
    if target is None:
        return None
    told = f"The target duration is {target} s."
    return Verdict(target >= 1, told, "at least 1 s", f"{target} s")


@rule(*PLAYLISTS, Kind.MASTER, source=CONTRACT)
def no_uri_in_tags(seen: VariantObservation | MasterObservation) -> Verdict:
    """No tag carries a URI (EXT-X-MAP, EXT-X-MEDIA, EXT-X-KEY): the private-streaming proxy signs plain lines only."""
    tags = seen.uri_tags if isinstance(seen, MasterObservation) else seen.playlist.uri_tags
    problems = [Problem(tag, tag, f"{tag} carries a URI, which the platform's proxy does not sign") for tag in tags]
    return over_all(problems, expected="no URI in any tag", fine="No tag carries a URI.", found="none")


@rule(*PLAYLISTS, source="contract: storage keys; RFC 8216 s4.3.2.3")
def no_discontinuity(seen: VariantObservation) -> Verdict:
    """The playlist has no EXT-X-DISCONTINUITY and no EXT-X-GAP: it was made in one piece."""
    odd = [tag for tag in seen.playlist.tags if tag in ("EXT-X-DISCONTINUITY", "EXT-X-GAP")]
    problems = [Problem(tag, tag, f"The playlist has an {tag}") for tag in odd]
    return over_all(problems, expected="none", fine="The playlist is one piece.", found="none")


@rule(*PLAYLISTS, source=CONTRACT)
def plain_segment_names(seen: VariantObservation) -> Verdict:
    """Segments are named by plain relative names in the playlist's own folder."""
    problems = [
        Problem(one.name, one.name, f"{one.name} is not a plain name in the playlist's folder")
        for one in seen.segments
        if not re.fullmatch(r"[A-Za-z0-9_-]+(\.[A-Za-z0-9_-]+)*", one.name)
    ]
    return over_all(problems, expected="plain relative names", fine="All names are plain.")


@rule(*PLAYLISTS, source=PLAN)
def segments_numbered(seen: VariantObservation) -> Verdict:
    """Segments are named `segment_00000.ts` and on, in order and without gaps."""
    wanted = [profile.SEGMENT_PATTERN % index for index in range(len(seen.segments))]
    problems = [
        Problem(one.name, one.name, f"Segment {index} is called {one.name}, not {name}")
        for index, (one, name) in enumerate(zip(seen.segments, wanted, strict=True))
        # A name that is no plain name is another rule's to tell.
        if one.name.rpartition("/")[2] != name
    ]
    return over_all(problems[:1], expected=f"{wanted[0]} to {wanted[-1]}", fine="Segments are numbered without gaps.")


@rule(*PLAYLISTS, source=PLAN)
def segments_present(seen: VariantObservation) -> Verdict:
    """Every segment that the playlist names exists."""
    problems = [Problem(one.name, "missing", f"{one.name} does not exist") for one in seen.segments if one.size is None]
    return over_all(
        problems, expected=f"{len(seen.segments)} segments", fine=f"All {len(seen.segments)} segments exist."
    )


@rule(*PLAYLISTS, source=PLAN)
def segments_not_empty(seen: VariantObservation) -> Verdict:
    """Every segment holds at least one frame of each track of the playlist."""
    problems = []
    for one in seen.segments:
        if one.size is None:
            continue
        tracks = [("picture", seen.video, one.video), ("sound", seen.audio, one.audio)]
        lacking = [name for name, track, span in tracks if track is not None and span is None]
        if one.size == 0 or (one.video is None and one.audio is None):
            problems.append(Problem(one.name, f"{one.size} bytes", f"{one.name} holds nothing ({one.size} bytes)"))
        # A last segment can be shorter than the distance between two sound frames.
        elif lacking and (one is not seen.segments[-1] or one.extinf > 0.25):
            problems.append(Problem(one.name, f"no {lacking[0]}", f"{one.name} holds no {lacking[0]}"))
    return over_all(problems, expected="something in each", fine="No segment is empty.")


@rule(*PLAYLISTS, source=CONTRACT, severity=Severity.WARN)
def no_stray_segments(seen: VariantObservation) -> Verdict:
    """The folder holds no segment that the playlist does not name."""
    problems = [Problem(name, name, f"{name} is in no playlist") for name in seen.stray]
    return over_all(problems, expected="none", fine="Every segment in the folder is in the playlist.", found="none")


@rule(*PLAYLISTS, source="RFC 8216 s3.2")
def segments_have_tables(seen: VariantObservation) -> Verdict | None:
    """Every segment starts with its PAT and PMT, so that a player can start at it."""
    known = [one for one in seen.segments if one.tables_first is not None]
    if not known:
        return None
    problems = [
        Problem(one.name, "no PAT and PMT first", f"{one.name} does not start with a PAT and a PMT")
        for one in known
        if not one.tables_first
    ]
    return over_all(problems, expected="PAT and PMT first", fine="Every segment starts with PAT and PMT.")


@rule(*PLAYLISTS, source=f"{APPLE} 1.10; RFC 8216 s4.3.5.1")
def segments_start_with_idr(seen: VariantObservation) -> Verdict | None:
    """Every segment with a picture starts with an IDR frame, so that a player can start or switch at it."""
    known = [one for one in seen.segments if one.starts_with_idr is not None]
    if not known:
        return None
    problems = [
        Problem(one.name, "no IDR first", f"{one.name} does not start with an IDR frame")
        for one in known
        if not one.starts_with_idr
    ]
    return over_all(problems, expected="an IDR frame first", fine="Every segment starts with an IDR frame.")


@rule(*PLAYLISTS, source=f"{PLAN}; {APPLE} 7.5")
def segment_length(seen: VariantObservation) -> Verdict:
    """Every segment lasts 6 s within one frame; the last one at most that."""
    target, frame = float(profile.SEGMENT_SECONDS), seen.frame_seconds
    slack = frame + 0.001
    problems = []
    for one in seen.segments:
        last = one is seen.segments[-1]
        over, under = one.extinf > target + slack, one.extinf < target - slack
        if over or (under and not last) or one.extinf <= 0:
            told = f"{one.name} lasts {one.extinf:.3f} s, not {target:.0f} s within a frame ({frame:.3f} s)"
            problems.append(Problem(one.name, f"{one.extinf:.3f} s", told))
    expected = f"{target:.3f} ± {frame:.3f} s, the last at most that"
    return over_all(problems, expected=expected, fine=f"All segments last {target:.0f} s within a frame.")


@rule(*PLAYLISTS, source="RFC 8216 s4.3.2.1")
def extinf_true(seen: VariantObservation) -> Verdict | None:
    """EXTINF is the time that the segment really lasts, within half a frame (the last: one frame)."""
    leads = [one.video if seen.video is not None else one.audio for one in seen.segments]
    if not any(leads):
        return None
    tolerance = max(0.5 * seen.frame_seconds, 0.005)
    problems = []
    for index, (one, span) in enumerate(zip(seen.segments, leads, strict=True)):
        if span is None:
            continue
        following = leads[index + 1] if index + 1 < len(leads) else None
        # Where the next segment starts elsewhere (a hole is another rule's to tell), this one's own end counts.
        ends = following.start if following is not None and abs(following.start - span.end) < tolerance else span.end
        lasts = ends - span.start
        # Muxers measure the last one from frame to frame, and may leave out the last frame's own length.
        allowed = tolerance if one is not seen.segments[-1] else 2.1 * tolerance
        if abs(lasts - one.extinf) > allowed:
            told = f"{one.name} lasts {lasts:.3f} s, and EXTINF says {one.extinf:.3f} s"
            problems.append(Problem(one.name, f"{lasts:.3f} s", told))
    return over_all(problems, expected=f"within {tolerance:.3f} s", fine="Every EXTINF is what the segment lasts.")


def _continuity(seen: VariantObservation, track: str, spans: Sequence[Span | None]) -> Verdict | None:
    if not any(spans):
        return None
    problems = []
    for index, (one, span) in enumerate(zip(seen.segments, spans, strict=True)):
        if span is None:
            continue
        slack = 0.6 * span.frame_seconds
        if span.frames > 1 and span.largest_step > span.frame_seconds + slack:
            lost = span.largest_step - span.frame_seconds
            problems.append(
                Problem(one.name, f"gap of {lost:.3f} s", f"The {track} of {one.name} has a gap of {lost:.3f} s")
            )
        elif span.frames > 1 and span.smallest_step < span.frame_seconds - slack:
            told = f"Frames of the {track} of {one.name} overlap"
            problems.append(Problem(one.name, f"frames {span.smallest_step:.3f} s apart", told))
        before = spans[index - 1] if index else None
        if before is None:
            continue
        apart = span.start - before.end
        if abs(apart) > slack:
            kind = "a gap" if apart > 0 else "an overlap"
            told = (
                f"Between {seen.segments[index - 1].name} and {one.name} the {track} has {kind} of {abs(apart):.3f} s"
            )
            problems.append(Problem(one.name, f"{apart:+.3f} s", told))
    return over_all(problems, expected="no gap, no overlap", fine=f"The {track} runs on through all segments.")


@rule(*PLAYLISTS, source="RFC 8216 s3, s6.2.1")
def picture_continuous(seen: VariantObservation) -> Verdict | None:
    """The picture's timestamps run on, inside segments and from one to the next: no gap, no overlap."""
    return _continuity(seen, "picture", [one.video for one in seen.segments])


@rule(*PLAYLISTS, source="RFC 8216 s3, s6.2.1")
def sound_continuous(seen: VariantObservation) -> Verdict | None:
    """The sound's timestamps run on, inside segments and from one to the next: no gap, no overlap."""
    return _continuity(seen, "sound", [one.audio for one in seen.segments])


@rule(*PLAYLISTS, source="RFC 8216 s4.3.5.1")
def segments_self_contained(seen: VariantObservation) -> Verdict | None:
    """No frame of a segment is presented before its first one: closed GOPs, as far as timestamps prove it."""
    known = [one for one in seen.segments if one.video is not None]
    if not known:
        return None
    problems = []
    for one in known:
        early = one.video.before_first if one.video is not None else 0.0
        if early > 0.001:
            told = f"{one.name} holds a frame that is presented {early:.3f} s before its first one"
            problems.append(Problem(one.name, f"{early:.3f} s before", told))
    return over_all(problems, expected="nothing before the first frame", fine="Every segment stands for itself.")


@rule(*PLAYLISTS, source=f"{APPLE} 1.10", severity=Severity.WARN)
def key_frames_often(seen: VariantObservation) -> Verdict | None:
    """A key frame comes at least every 2 s, so that seeking is quick."""
    limit = profile.KEYFRAME_SECONDS + LONGEST_GOP_SLACK * seen.frame_seconds
    spans = [(one, one.video) for one in seen.segments if one.video is not None]
    if not spans:
        return None
    problems = []
    for one, span in spans:
        longest = max((b - a for a, b in pairwise([*span.key_times, span.end])), default=span.end - span.start)
        if longest > limit:
            told = f"{one.name} goes {longest:.3f} s without a key frame"
            problems.append(Problem(one.name, f"{longest:.3f} s", told))
    return over_all(problems, expected=f"at most {limit:.3f} s", fine="Key frames come every 2 s.")


@rule(*PLAYLISTS, source="RFC 8216 s6.2.4")
def cuts_like_siblings(seen: VariantObservation) -> Verdict | None:
    """Segments are cut where the other variants' are, so that switching between them is seamless."""
    wanted = seen.expected.cuts
    if wanted is None:
        return None
    own = cuts(one.extinf for one in seen.segments)
    # A preview is the start of its variant.
    wanted = wanted[: len(own)] if seen.kind is Kind.PREVIEW else wanted
    return _same_cuts(own, wanted, "another variant's", 0.5 * seen.frame_seconds)


def _same_cuts(own: Sequence[float], wanted: Sequence[float], whose: str, tolerance: float) -> Verdict:
    if len(own) != len(wanted):
        told = f"There are {len(own)} segments, and {len(wanted)} in {whose}."
        return Verdict(False, told, f"{len(wanted)} segments", f"{len(own)} segments")
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
    return over_all(problems, expected=f"the same within {tolerance:.3f} s", fine="The segments are cut alike.")


@rule(Kind.VARIANT, source="plan: phase 3; contract: variants")
def duration_of_source(seen: VariantObservation) -> Verdict | None:
    """The variant lasts as long as the mezzanine."""
    wanted = seen.expected.duration
    if wanted is None or not seen.segments:
        return None
    return near("The duration", wanted, seen.duration, max(DURATION_SECONDS, 1.5 * seen.frame_seconds))


@rule(Kind.PREVIEW, source=PLAN)
def preview_duration(seen: VariantObservation) -> Verdict | None:
    """The preview lasts 30 s, or as long as a shorter source."""
    if not seen.segments:
        return None
    tolerance = max(DURATION_SECONDS, 1.5 * seen.frame_seconds)
    longest = float(profile.PREVIEW_SECONDS)
    if seen.expected.duration is not None:
        return near("The preview's duration", min(longest, seen.expected.duration), seen.duration, tolerance)
    passed = seen.duration <= longest + tolerance
    told = f"The preview lasts {seen.duration:.3f} s{'' if passed else f', over {longest:.0f} s'}."
    return Verdict(passed, told, f"at most {longest:.0f} s", f"{seen.duration:.3f} s")
