"""Rules for the mezzanine: upright, square, progressive H.264 of a constant rate that is as long as its upload."""

from __future__ import annotations

from itertools import pairwise

from codex_assets.archive.findings import Finding, Severity
from codex_assets.verification.kinds import ObservationKind
from codex_assets.verification.observations import MezzanineObservation
from codex_assets.verification.rule import rule
from codex_assets.verification.rules.comparisons import (
    Problem,
    any_failed,
    expect_coded_size,
    expect_decodes,
    expect_equal,
    expect_frame_rate,
    expect_h264,
    expect_near,
    expect_no_problem,
    expect_progressive,
    expect_square_pixels,
    expect_together,
    expect_tracks,
)
from codex_assets.verification.rules.shared_limits import DURATION_SECONDS, TRACKS_TOGETHER_SECONDS, VARIANTS

KEY_FRAMES_SECONDS = 3.0
PICTURE_MISSING_SECONDS = 0.5
"""More than packets and frames of sound are rounded by."""


@rule(ObservationKind.MEZZANINE, source="contract: storage keys", gate=True)
def mezzanine_readable(seen: MezzanineObservation) -> Finding:
    """The mezzanine exists and holds a picture or sound."""
    if seen.problem is not None:
        return Finding(False, f"The mezzanine cannot be read: {seen.problem}.", "picture or sound", seen.problem)
    passed = seen.video is not None or seen.audio is not None
    observed = " and ".join([*(["picture"] if seen.video else []), *(["sound"] if seen.audio else [])]) or "nothing"
    return Finding(passed, f"The mezzanine holds {observed}.", "picture or sound", observed)


@rule(ObservationKind.MEZZANINE, source="plan: feature breakdown; contract: storage keys")
def mezzanine_decodes(seen: MezzanineObservation) -> Finding | None:
    """The whole mezzanine decodes without an error."""
    if seen.decode_errors is None:
        return None
    return expect_decodes(seen.decode_errors, "The whole mezzanine decodes.", "The mezzanine does not decode")


@rule(ObservationKind.MEZZANINE, source="plan: phase 3")
def mezzanine_frames(seen: MezzanineObservation) -> Finding | None:
    """All frames that the index promises are in the file, and all of them decode."""
    if seen.video_span is None or seen.frames_indexed is None:
        return None
    there, wanted = seen.video_span.frames, seen.frames_indexed
    fewest = there if seen.frames_decoded is None else min(there, seen.frames_decoded)
    message = f"The index promises {wanted} frames, and {fewest} are there."
    return Finding(fewest == wanted, message, f"{wanted} frames", f"{fewest} frames")


@rule(ObservationKind.MEZZANINE, source="plan: phase 3")
def mezzanine_duration(seen: MezzanineObservation) -> Finding | None:
    """The mezzanine lasts as long as the source decodes."""
    wanted = seen.expected.duration
    if wanted is None:
        return None
    frame = seen.video_span.frame_seconds if seen.video_span else 0.0
    return expect_near("The duration", wanted, seen.duration, max(DURATION_SECONDS, 2 * frame))


@rule(ObservationKind.MEZZANINE, source=VARIANTS)
def mezzanine_tracks(seen: MezzanineObservation) -> Finding | None:
    """The mezzanine has a picture if the source has one, and sound if the source has sound."""
    wanted = seen.expected
    return expect_tracks(wanted.has_video, wanted.has_audio, seen.video is not None, seen.audio is not None)


@rule(ObservationKind.MEZZANINE, source=VARIANTS)
def mezzanine_channels(seen: MezzanineObservation) -> Finding | None:
    """The sound has no more channels than the upload's: some may be left out, and none is made up."""
    most = seen.expected.channels
    if most is None or seen.audio is None:
        return None
    passed = seen.audio.channels <= most
    message = f"The mezzanine's sound has {seen.audio.channels} channels{'' if passed else f', and the upload {most}'}."
    return Finding(passed, message, f"at most {most}", str(seen.audio.channels))


@rule(ObservationKind.MEZZANINE, source="plan: feature breakdown")
def mezzanine_is_h264(seen: MezzanineObservation) -> Finding | None:
    """The picture is H.264 with 8 bits and 4:2:0."""
    return expect_h264(seen.video)


@rule(ObservationKind.MEZZANINE, source=VARIANTS)
def mezzanine_upright(seen: MezzanineObservation) -> Finding | None:
    """The picture is stored upright: nobody downstream has to turn it."""
    if seen.video is None:
        return None
    return expect_equal("The rotation", "0 degrees", f"{seen.video.rotation} degrees")


@rule(ObservationKind.MEZZANINE, source=VARIANTS)
def mezzanine_square_pixels(seen: MezzanineObservation) -> Finding | None:
    """Pixels are square."""
    return expect_square_pixels(seen.video)


@rule(ObservationKind.MEZZANINE, source=VARIANTS)
def mezzanine_progressive(seen: MezzanineObservation) -> Finding | None:
    """The picture is progressive."""
    return expect_progressive(seen.video)


@rule(ObservationKind.MEZZANINE, source=f"{VARIANTS}; ITU-T H.264 E.2.1")
def mezzanine_colours(seen: MezzanineObservation) -> Finding | None:
    """The picture says that its colours are BT.709 with limited range: whatever is made of it believes that."""
    video = seen.video
    if video is None:
        return None
    said = {"primaries": video.primaries, "transfer": video.transfer, "matrix": video.matrix}
    wrong = [name for name, value in said.items() if value != "bt709"]
    if video.color_range != "tv":
        wrong.append("range")
    observed = ", ".join(f"{name} {value or 'unknown'}" for name, value in said.items())
    observed += f", range {video.color_range or 'unknown'}"
    if not wrong:
        return Finding(True, "Colours are called BT.709's.", "BT.709, limited range", observed)
    message = f"The mezzanine does not say BT.709 with limited range of its colours ({', '.join(wrong)})."
    return Finding(False, message, "BT.709, limited range", observed)


@rule(ObservationKind.MEZZANINE, source="profile: mezzanine", severity=Severity.WARN)
def mezzanine_key_frames(seen: MezzanineObservation) -> Finding | None:
    """Key frames come often: whoever looks at one moment decodes little more than that."""
    span = seen.video_span
    if span is None or not span.key_times:
        return None
    times = [*span.key_times, span.end]
    longest = max(later - earlier for earlier, later in pairwise(times))
    limit = KEY_FRAMES_SECONDS + 2 * span.frame_seconds
    message = f"Key frames are up to {longest:.1f} s apart."
    return Finding(longest <= limit, message, f"at most {limit:.1f} s", f"{longest:.2f} s")


@rule(ObservationKind.MEZZANINE, source="ISO/IEC 14496-12 8.6.2")
def mezzanine_key_frames_named(seen: MezzanineObservation) -> Finding | None:
    """The index names exactly the IDR frames as key frames: whoever seeks by it starts at one."""
    if seen.video_span is None or seen.video is None or seen.video.codec != "h264":
        return None
    unmarked, others = seen.key_frames_unmarked, seen.others_marked
    expected, observed = "the IDR frames", f"{len(unmarked)} not named, {len(others)} others named"
    if not unmarked and not others:
        return Finding(True, "The index names the key frames.", expected, expected)
    start = seen.video_span.start
    if others:
        message = f"The index names {len(others)} frames as key frames that are none, the first at"
        message = f"{message} {others[0] - start:.1f} s."
    else:
        message = f"The index leaves out {len(unmarked)} key frames, the first at {unmarked[0] - start:.1f} s."
    return Finding(False, message, expected, observed)


@rule(ObservationKind.MEZZANINE, source="ITU-T H.264 8.2.1; ISO/IEC 14496-12 8.6.1.3")
def mezzanine_pictures_in_order(seen: MezzanineObservation) -> Finding | None:
    """The index has pictures shown in the order that they have themselves: readers go by either."""
    if seen.video_span is None or seen.video is None or seen.video.codec != "h264":
        return None
    expected = "their own order"
    if not seen.unordered:
        return Finding(True, "Pictures are shown in their order.", expected, expected)
    count, first = len(seen.unordered), seen.unordered[0] - seen.video_span.start
    message = f"The index has {count} pictures shown before others that come first, at {first:.1f} s and later."
    return Finding(False, message, expected, f"{count} exchanged")


@rule(ObservationKind.MEZZANINE, source=VARIANTS)
def mezzanine_size(seen: MezzanineObservation) -> Finding | None:
    """The picture has the displayed size of the source, made even."""
    return expect_coded_size(seen.video, seen.expected.size)


@rule(ObservationKind.MEZZANINE, source=VARIANTS)
def mezzanine_rate(seen: MezzanineObservation) -> Finding | None:
    """The frame rate is the one that was decided for the source."""
    return expect_frame_rate(seen.video_span, seen.expected.frame_rate)


@rule(ObservationKind.MEZZANINE, source="contract: storage keys (segment boundaries are the same every time)")
def mezzanine_constant_rate(seen: MezzanineObservation) -> Finding | None:
    """Frames come at a constant rate: what is cut from it can then be cut the same way every time."""
    span = seen.video_span
    if span is None or span.frames < 2:
        return None
    # Containers round times to their clock, by up to a millisecond.
    slack = max(0.1 * span.frame_seconds, 0.0021)
    passed = span.largest_step <= span.frame_seconds + slack and span.smallest_step >= span.frame_seconds - slack
    message = f"Frames are {span.smallest_step:.4f} to {span.largest_step:.4f} s apart"
    end = "." if passed else f", not {span.frame_seconds:.4f} s throughout."
    observed = f"{span.smallest_step:.4f} to {span.largest_step:.4f} s"
    return Finding(passed, message + end, f"{span.frame_seconds:.4f} s", observed)


@rule(ObservationKind.MEZZANINE, source="contract: variants; EBU R37")
def mezzanine_tracks_start_together(seen: MezzanineObservation) -> Finding | None:
    """Sound and picture start together."""
    if seen.video_span is None or seen.audio_span is None:
        return None
    return expect_together("starts", seen.audio_span.start, seen.video_span.start, TRACKS_TOGETHER_SECONDS)


@rule(ObservationKind.MEZZANINE, source=VARIANTS)
def mezzanine_picture_lasts(seen: MezzanineObservation) -> Finding | None:
    """The picture lasts as long as the sound: where an upload's ends earlier, its last picture stands."""
    if seen.video_span is None or seen.audio_span is None:
        return None
    missing = seen.audio_span.end - seen.video_span.end
    limit = PICTURE_MISSING_SECONDS + seen.video_span.frame_seconds
    if missing <= limit:
        return Finding(True, "The picture lasts as long as the sound.", f"within {limit:.2f} s", f"{missing:+.2f} s")
    message = f"The picture ends {missing:.1f} s before the sound."
    return Finding(False, message, f"within {limit:.2f} s", f"{missing:.2f} s")


@rule(ObservationKind.MEZZANINE, source="ISO/IEC 14496-12 (progressive download)", severity=Severity.WARN)
def mezzanine_index_first(seen: MezzanineObservation) -> Finding | None:
    """The index comes before the media, so that a reader over the network needs no second request."""
    if seen.index_first is None:
        return None
    return expect_equal("The index", "first", "first" if seen.index_first else "last")


@rule(ObservationKind.MEZZANINE, source="plan: phase 3 (safety)")
def mezzanine_without_personal_tags(seen: MezzanineObservation) -> Finding:
    """No tag is left but those that say nothing of whoever recorded it, where or with what."""
    problems = [Problem(tag, tag, f"The metadata still has {tag}") for tag in seen.personal_tags]
    return expect_no_problem(problems, expected="none", message="No personal metadata is left.", observed="none")


@rule(ObservationKind.MEZZANINE, source="plan: phase 3 (safety); ISO/IEC 14496-12")
def mezzanine_holds_its_tracks_only(seen: MezzanineObservation) -> Finding | None:
    """The file holds one picture, one sound and their index: no other track, no foreign box, nothing behind its end.

    Both tracks are switched on, and played as they are.
    """
    known = {"a tag", "a date"} if seen.personal_tags else set()
    # Of a picture that says so itself, another rule tells it.
    known |= {"a mark of other colours"} if any_failed(mezzanine_colours(seen)) else set()
    # Of pixels that are not square, too: they are shown at another size.
    known |= {"a mark of another size"} if any_failed(mezzanine_square_pixels(seen)) else set()
    if any_failed(mezzanine_progressive(seen)):
        # Fields come with messages about their times.
        known |= {part for part in seen.foreign_parts if part.startswith("a message of type 1 ")}
    parts = [part for part in seen.foreign_parts if part not in known]
    problems = [Problem(part, part, f"The mezzanine also holds {part}") for part in parts]
    return expect_no_problem(
        problems, expected="none", message="The mezzanine holds its tracks alone.", observed="none"
    )


@rule(ObservationKind.MEZZANINE, source=VARIANTS)
def mezzanine_is_its_variants_origin(seen: MezzanineObservation) -> Finding | None:
    """The mezzanine is what its variants were made of: what differs in all of them alike is its own fault."""
    if seen.disagreements is None:
        return None
    problems = [
        Problem(each.where, "another", f"The mezzanine is not what its variants were made of: {each.message}")
        for each in seen.disagreements
    ]
    return expect_no_problem(
        problems, expected="what the variants show", message="The mezzanine is what its variants show.", observed="so"
    )
