"""How rules compare what was observed with what is expected, and put the difference into words.

In: comparisons that rules of several files use, each returning a finding, or None where it does not apply. Out:
tolerances (`shared_limits.py`, and the rule files).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction

from codex_assets.archive.findings import Finding
from codex_assets.verification.observations import Span, VideoSeen


@dataclass(frozen=True)
class Problem:
    """One place where something is wrong, for a finding about many places."""

    where: str
    observed: str
    message: str
    """A sentence about this place; its full stop may be left out."""
    at: float | None = None
    """Seconds from the output's start, where they are known."""


def expect_no_problem(
    problems: Sequence[Problem], *, expected: str, message: str, observed: str = "all of them"
) -> Finding:
    """One finding about many places: it quotes the first problem and counts the others.

    `message` and `observed` are what the finding says when there is no problem.
    """
    if not problems:
        return Finding(True, message, expected, observed)
    first = problems[0]
    more = f" ({len(problems) - 1} more like it)" if len(problems) > 1 else ""
    return Finding(False, first.message.rstrip(".") + more + ".", expected, first.observed, first.where, first.at)


def expect_equal(subject: str, expected: object, observed: object) -> Finding:
    """Passed when both are equal. `subject` begins the sentence: "The size"."""
    passed = expected == observed
    predicate = f"is {observed}" if passed else f"is {observed}, not {expected}"
    return Finding(passed, f"{subject} {predicate}.", str(expected), str(observed))


def expect_near(
    subject: str, expected: float, observed: float, tolerance: float, *, unit: str = "s", digits: int = 3
) -> Finding:
    """Passed when both numbers are at most `tolerance` apart; all three are in `unit`, shown with `digits` decimals."""
    passed = abs(observed - expected) <= tolerance
    number = f"{observed:.{digits}f} {unit}"
    message = f"{subject} is {number}." if passed else f"{subject} is {number}, not {expected:.{digits}f} {unit}."
    return Finding(passed, message, f"{expected:.{digits}f} ± {tolerance:.{digits}f} {unit}", number)


def any_failed(*findings: Finding | None) -> bool:
    """Whether any of these failed: a rule that would only tell of the same cause once more then stays silent."""
    return any(finding is not None and not finding.passed for finding in findings)


def expect_tracks(
    expects_video: bool | None, expects_audio: bool | None, has_video: bool, has_audio: bool
) -> Finding | None:
    """The tracks that are there against those of the source; None for what is not known of the source."""
    if expects_video is None and expects_audio is None:
        return None
    problems = [
        Problem(
            track,
            "present" if is_there else "absent",
            f"The {track} is {'there, though the source has none' if is_there else 'missing'}",
        )
        for track, is_expected, is_there in (("picture", expects_video, has_video), ("sound", expects_audio, has_audio))
        if is_expected is not None and is_expected is not is_there
    ]
    expected = ", ".join(
        f"{track} {'present' if is_expected else 'absent'}"
        for track, is_expected in (("picture", expects_video), ("sound", expects_audio))
        if is_expected is not None
    )
    return expect_no_problem(
        problems, expected=expected, message="The tracks are those of the source.", observed=expected
    )


def expect_together(edge: str, sound: float, picture: float, tolerance: float) -> Finding:
    """The sound and the picture start or end (`edge`: "starts", "ends") at most `tolerance` seconds apart.

    `sound`, `picture`: when they do, in seconds.
    """
    apart = sound - picture
    message = f"The sound {edge} {abs(apart):.3f} s {'after' if apart > 0 else 'before'} the picture."
    return Finding(abs(apart) <= tolerance, message, f"within {tolerance:.3f} s", f"{apart:+.3f} s")


def expect_decodes(errors: Sequence[str], good: str, bad: str) -> Finding:
    """No decoder complained. `good` is the sentence for that, `bad` the beginning of one that quotes an error."""
    problems = [Problem("", error, f"{bad}: {error}") for error in errors]
    return expect_no_problem(problems, expected="no decoding error", message=good, observed="none")


def expect_h264(video: VideoSeen | None) -> Finding | None:
    """The picture is H.264, 8 bits, 4:2:0; None without a picture."""
    if video is None:
        return None
    # yuvj420p is the same samples with full-range tagging.
    passed = video.codec == "h264" and video.pixel_format in ("yuv420p", "yuvj420p")
    observed = f"{video.codec} {video.pixel_format}"
    message = f"The picture is {observed}{'' if passed else ', not h264 yuv420p'}."
    return Finding(passed, message, "h264 yuv420p", observed)


def expect_progressive(video: VideoSeen | None) -> Finding | None:
    """The picture is not interlaced; None without a picture."""
    if video is None:
        return None
    return expect_equal("The picture", "progressive", "interlaced" if video.interlaced else "progressive")


def expect_square_pixels(video: VideoSeen | None) -> Finding | None:
    """A sample is as wide as it is high; None without a picture."""
    if video is None:
        return None
    aspect = video.sample_aspect
    return expect_equal("The pixel aspect ratio", "1:1", f"{aspect.numerator}:{aspect.denominator}")


def expect_coded_size(video: VideoSeen | None, expected: tuple[int, int] | None) -> Finding | None:
    """The picture's coded width and height, in pixels; None without a picture or an expectation.

    What non-square pixels or a rotation make of that size is judged by rules of their own.
    """
    if video is None or expected is None:
        return None
    return expect_size(expected, (video.coded_width, video.coded_height))


def expect_size(expected: tuple[int, int], observed: tuple[int, int]) -> Finding:
    """Width and height in pixels."""
    return expect_equal("The size", "{}x{}".format(*expected), "{}x{}".format(*observed))


def expect_frame_rate(span: Span | None, expected: Fraction | None) -> Finding | None:
    """Frames a second of a track; None without one, of a single frame, or without an expectation."""
    if span is None or expected is None or span.frames < 2:
        return None
    # 29.97 and 30 are 0.1 % apart. The clock's own rounding weighs more, the shorter the stream is.
    tolerance = float(expected) * (0.0004 + 0.0001 / (span.frames * span.frame_seconds))
    return expect_near("The frame rate", float(expected), span.rate, tolerance, unit="fps")
