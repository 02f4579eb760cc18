"""What rules of several files share: tolerances, the names of sources that rules cite, and checks of a picture or a
track.

A limit that only one file uses belongs into that file.
"""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction

from codex_assets.verification.findings import Kind, Problem, Verdict, equal, near, over_all
from codex_assets.verification.observations import Span, VideoSeen

TRACKS_TOGETHER_SECONDS = 0.1
"""Sound and picture may start or end this far apart: five AAC frames, which no player notices."""
DURATION_SECONDS = 0.1
"""A copy may be longer or shorter by the encoder's delay and one frame on either side."""
SYNC_SECONDS = 0.05
"""EBU R37 allows sound 40 ms early to 60 ms late; 50 is what a 10 ms envelope can tell apart from them."""
SAME_PICTURE_DIFFERENCE = 24.0
"""Mean difference of 32x18 grey pictures, of 255. The lowest rung stays under 5; other pictures differ by 40 and up."""


PLAYLISTS = (Kind.VARIANT, Kind.PREVIEW)
PLAN = "plan: output verification checklist"
CONTRACT = "contract: storage keys"
VARIANTS = "contract: variants"
LOUDNESS = "contract: loudness"
APPLE = "Apple HLS authoring spec"


def check_tracks(wants_video: bool | None, wants_audio: bool | None, video: bool, audio: bool) -> Verdict | None:
    if wants_video is None and wants_audio is None:
        return None
    problems = [
        Problem(
            name,
            "present" if found else "absent",
            f"The {name} is {'there, though the source has none' if found else 'missing'}",
        )
        for name, wanted, found in (("picture", wants_video, video), ("sound", wants_audio, audio))
        if wanted is not None and wanted is not found
    ]
    expected = ", ".join(
        f"{name} {'present' if wanted else 'absent'}"
        for name, wanted in (("picture", wants_video), ("sound", wants_audio))
        if wanted is not None
    )
    return over_all(problems, expected=expected, fine="The tracks are those of the source.", found=expected)


def check_distance(what: str, edge: str, sound: float, picture: float, allowed: float) -> Verdict:
    apart = sound - picture
    passed = abs(apart) <= allowed
    told = f"{what} {edge} {abs(apart):.3f} s {'after' if apart > 0 else 'before'} the picture."
    return Verdict(passed, told, f"within {allowed:.3f} s", f"{apart:+.3f} s")


def check_decodes(errors: Sequence[str], fine: str, told: str) -> Verdict:
    problems = [Problem("", error, f"{told}: {error}") for error in errors]
    return over_all(problems, expected="no decoding error", fine=fine, found="none")


def check_h264(video: VideoSeen | None) -> Verdict | None:
    if video is None:
        return None
    # yuvj420p is the same samples with full-range tagging.
    passed = video.codec == "h264" and video.pixel_format in ("yuv420p", "yuvj420p")
    found = f"{video.codec} {video.pixel_format}"
    return Verdict(passed, f"The picture is {found}{'' if passed else ', not h264 yuv420p'}.", "h264 yuv420p", found)


def check_progressive(video: VideoSeen | None) -> Verdict | None:
    return (
        None
        if video is None
        else equal("The picture", "progressive", "interlaced" if video.interlaced else "progressive")
    )


def check_square_pixels(video: VideoSeen | None) -> Verdict | None:
    if video is None:
        return None
    aspect = video.sample_aspect
    return equal("The pixel aspect ratio", "1:1", f"{aspect.numerator}:{aspect.denominator}")


def check_size(video: VideoSeen | None, wanted: tuple[int, int] | None) -> Verdict | None:
    # The coded size: what non-square pixels or a rotation make of it is told by other rules.
    return None if video is None or wanted is None else check_sizes(wanted, (video.coded_width, video.coded_height))


def check_sizes(wanted: tuple[int, int], found: tuple[int, int]) -> Verdict:
    return equal("The size", "{}x{}".format(*wanted), "{}x{}".format(*found))


def check_rate(span: Span | None, wanted: Fraction | None) -> Verdict | None:
    if span is None or wanted is None or span.frames < 2:
        return None
    # 29.97 and 30 are 0.1 % apart. The clock's own rounding weighs more, the shorter the stream is.
    slack = float(wanted) * (0.0004 + 0.0001 / (span.frames * span.frame_seconds))
    return near("The frame rate", float(wanted), span.rate, slack, unit="fps")
