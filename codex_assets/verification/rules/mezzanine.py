"""Rules for the mezzanine: upright, square, progressive H.264 of a constant rate that is as long as its upload."""

from __future__ import annotations

from codex_assets.verification.findings import Kind, Problem, Severity, Verdict, equal, near, over_all, rule
from codex_assets.verification.observations import MezzanineObservation
from codex_assets.verification.rules.tolerances import (
    DURATION_SECONDS,
    TRACKS_TOGETHER_SECONDS,
    VARIANTS,
    check_decodes,
    check_distance,
    check_h264,
    check_progressive,
    check_rate,
    check_size,
    check_square_pixels,
    check_tracks,
)


@rule(Kind.MEZZANINE, source="contract: storage keys", gate=True)
def mezzanine_readable(seen: MezzanineObservation) -> Verdict:
    """The mezzanine exists and holds a picture or sound."""
    if seen.problem is not None:
        return Verdict(False, f"The mezzanine cannot be read: {seen.problem}.", "picture or sound", seen.problem)
    passed = seen.video is not None or seen.audio is not None
    found = " and ".join([*(["picture"] if seen.video else []), *(["sound"] if seen.audio else [])]) or "nothing"
    return Verdict(passed, f"The mezzanine holds {found}.", "picture or sound", found)


@rule(Kind.MEZZANINE, source="plan: feature breakdown; contract: storage keys")
def mezzanine_decodes(seen: MezzanineObservation) -> Verdict | None:
    """The whole mezzanine decodes without an error."""
    if seen.decode_errors is None:
        return None
    return check_decodes(seen.decode_errors, "The whole mezzanine decodes.", "The mezzanine does not decode")


@rule(Kind.MEZZANINE, source="plan: phase 3")
def mezzanine_frames(seen: MezzanineObservation) -> Verdict | None:
    """All frames that the index promises are in the file, and all of them decode."""
    if seen.video_span is None or seen.frames_indexed is None:
        return None
    there, wanted = seen.video_span.frames, seen.frames_indexed
    fewest = there if seen.frames_decoded is None else min(there, seen.frames_decoded)
    told = f"The index promises {wanted} frames, and {fewest} are there."
    return Verdict(fewest == wanted, told, f"{wanted} frames", f"{fewest} frames")


@rule(Kind.MEZZANINE, source="plan: phase 3")
def mezzanine_duration(seen: MezzanineObservation) -> Verdict | None:
    """The mezzanine lasts as long as the source decodes."""
    wanted = seen.expected.duration
    if wanted is None:
        return None
    frame = seen.video_span.frame_seconds if seen.video_span else 0.0
    return near("The duration", wanted, seen.duration, max(DURATION_SECONDS, 2 * frame))


@rule(Kind.MEZZANINE, source=VARIANTS)
def mezzanine_tracks(seen: MezzanineObservation) -> Verdict | None:
    """The mezzanine has a picture if the source has one, and sound if the source has sound."""
    wanted = seen.expected
    return check_tracks(wanted.has_video, wanted.has_audio, seen.video is not None, seen.audio is not None)


@rule(Kind.MEZZANINE, source="plan: feature breakdown")
def mezzanine_is_h264(seen: MezzanineObservation) -> Verdict | None:
    """The picture is H.264 with 8 bits and 4:2:0."""
    return check_h264(seen.video)


@rule(Kind.MEZZANINE, source=VARIANTS)
def mezzanine_upright(seen: MezzanineObservation) -> Verdict | None:
    """The picture is stored upright: nobody downstream has to turn it."""
    if seen.video is None:
        return None
    return equal("The rotation", "0 degrees", f"{seen.video.rotation} degrees")


@rule(Kind.MEZZANINE, source=VARIANTS)
def mezzanine_square_pixels(seen: MezzanineObservation) -> Verdict | None:
    """Pixels are square."""
    return check_square_pixels(seen.video)


@rule(Kind.MEZZANINE, source=VARIANTS)
def mezzanine_progressive(seen: MezzanineObservation) -> Verdict | None:
    """The picture is progressive."""
    return check_progressive(seen.video)


@rule(Kind.MEZZANINE, source=VARIANTS)
def mezzanine_size(seen: MezzanineObservation) -> Verdict | None:
    """The picture has the displayed size of the source, made even."""
    return check_size(seen.video, seen.expected.size)


@rule(Kind.MEZZANINE, source=VARIANTS)
def mezzanine_rate(seen: MezzanineObservation) -> Verdict | None:
    """The frame rate is the one that was decided for the source."""
    return check_rate(seen.video_span, seen.expected.frame_rate)


@rule(Kind.MEZZANINE, source="contract: storage keys (segment boundaries are the same every time)")
def mezzanine_constant_rate(seen: MezzanineObservation) -> Verdict | None:
    """Frames come at a constant rate: what is cut from it can then be cut the same way every time."""
    span = seen.video_span
    if span is None or span.frames < 2:
        return None
    # Containers round times to their clock, by up to a millisecond.
    slack = max(0.1 * span.frame_seconds, 0.0021)
    passed = span.largest_step <= span.frame_seconds + slack and span.smallest_step >= span.frame_seconds - slack
    told = f"Frames are {span.smallest_step:.4f} to {span.largest_step:.4f} s apart"
    end = "." if passed else f", not {span.frame_seconds:.4f} s throughout."
    found = f"{span.smallest_step:.4f} to {span.largest_step:.4f} s"
    return Verdict(passed, told + end, f"{span.frame_seconds:.4f} s", found)


@rule(Kind.MEZZANINE, source="contract: variants; EBU R37")
def mezzanine_tracks_start_together(seen: MezzanineObservation) -> Verdict | None:
    """Sound and picture start together."""
    if seen.video_span is None or seen.audio_span is None:
        return None
    return check_distance("The sound", "starts", seen.audio_span.start, seen.video_span.start, TRACKS_TOGETHER_SECONDS)


@rule(Kind.MEZZANINE, source="ISO/IEC 14496-12 (progressive download)", severity=Severity.WARN)
def mezzanine_index_first(seen: MezzanineObservation) -> Verdict | None:
    """The index comes before the media, so that a reader over the network needs no second request."""
    if seen.index_first is None:
        return None
    return equal("The index", "first", "first" if seen.index_first else "last")


@rule(Kind.MEZZANINE, source="plan: phase 3 (safety)")
def mezzanine_without_personal_tags(seen: MezzanineObservation) -> Verdict:
    """No metadata is left that tells where or with what the source was recorded."""
    problems = [Problem(tag, tag, f"The metadata still has {tag}") for tag in seen.personal_tags]
    return over_all(problems, expected="none", fine="No personal metadata is left.", found="none")
