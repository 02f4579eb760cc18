"""Rules for the picture and the sound inside a playlist's segments, with their limits: codecs, sizes, levels, sync.

The playlist around them is judged in `playlist.py`.
"""

from __future__ import annotations

from itertools import pairwise

from codex_assets.archive.findings import Finding, Severity
from codex_assets.media import profile
from codex_assets.verification.kinds import ObservationKind
from codex_assets.verification.measures import needed_level
from codex_assets.verification.observations import SegmentSeen, VariantObservation
from codex_assets.verification.rule import rule
from codex_assets.verification.rules.comparisons import (
    Problem,
    expect_coded_size,
    expect_equal,
    expect_frame_rate,
    expect_h264,
    expect_no_problem,
    expect_progressive,
    expect_square_pixels,
    expect_together,
    expect_tracks,
)
from codex_assets.verification.rules.shared_limits import (
    APPLE,
    PLAYLISTS,
    TRACKS_TOGETHER_SECONDS,
    VARIANTS,
)

LOUDNESS = "contract: loudness"

LONGEST_GOP_SLACK = 1.5
"""Frames by which a key frame may come late, for rates that do not divide the interval."""
REORDERED_FRAMES = 2
"""Frames by which a picture is sent before it is shown, so that others can be made of it. A segment ends where the next
picture is sent, and so does its sound: in a film the next segment has the rest."""
LEVEL_SLACK = 10
"""A level may be one whole number above the lowest that fits (x264 counts reference frames too)."""
HIGHEST_LEVEL = 50
"""Apple's is 5.2 in general, 5.1 on tvOS and 5.0 on macOS; the lowest of them plays everywhere."""
HIGHEST_RATE = 60.0
LEVEL_FLOOR = 31
"""Every device in use decodes level 3.1: a level up to it shuts nobody out."""


@rule(*PLAYLISTS, source=VARIANTS)
def tracks_as_source(seen: VariantObservation) -> Finding | None:
    """There is a picture if the source has one, and sound if the source has sound."""
    wanted = seen.expected
    return expect_tracks(wanted.has_video, wanted.has_audio, seen.video is not None, seen.audio is not None)


@rule(*PLAYLISTS, source="contract: variants; EBU R37")
def tracks_start_together(seen: VariantObservation) -> Finding | None:
    """Sound and picture start together."""
    video, audio = seen.video_span, seen.audio_span
    if video is None or audio is None:
        return None
    return expect_together("starts", audio.start, video.start, TRACKS_TOGETHER_SECONDS)


@rule(*PLAYLISTS, source="contract: variants; EBU R37")
def tracks_end_together(seen: VariantObservation) -> Finding | None:
    """Sound and picture end together, within a frame more than at the start."""
    video, audio = seen.video_span, seen.audio_span
    if video is None or audio is None:
        return None
    slack = TRACKS_TOGETHER_SECONDS + video.frame_seconds
    if _is_cut_short(seen) and audio.end < video.end:
        slack += REORDERED_FRAMES * video.frame_seconds
    return expect_together("ends", audio.end, video.end, slack)


def _is_cut_short(seen: VariantObservation) -> bool:
    """Whether it is a preview of a longer programme: what comes next was cut off."""
    whole = seen.expected.duration
    is_whole = whole is not None and whole < seen.duration + TRACKS_TOGETHER_SECONDS
    return seen.kind is ObservationKind.PREVIEW and not is_whole


@rule(*PLAYLISTS, source=f"{APPLE} 1.13", severity=Severity.WARN)
def key_frames_often(seen: VariantObservation) -> Finding | None:
    """A key frame comes at least every 2 s, so that seeking is quick."""
    limit = profile.KEYFRAME_SECONDS + LONGEST_GOP_SLACK * seen.frame_seconds
    spans = [(segment, segment.video) for segment in seen.segments if segment.video is not None]
    if not spans:
        return None
    problems = []
    for segment, span in spans:
        longest = max((b - a for a, b in pairwise([*span.key_times, span.end])), default=span.end - span.start)
        if longest > limit:
            message = f"{segment.name} goes {longest:.3f} s without a key frame"
            problems.append(Problem(segment.name, f"{longest:.3f} s", message))
    return expect_no_problem(problems, expected=f"at most {limit:.3f} s", message="Key frames come every 2 s.")


@rule(*PLAYLISTS, source=f"contract: variants; {APPLE} 1.1, 1.2, 1.5", elsewhere=Severity.WARN)
def picture_is_h264(seen: VariantObservation) -> Finding | None:
    """The picture is H.264 with 8 bits and 4:2:0."""
    return expect_h264(seen.video)


@rule(*PLAYLISTS, source="profile: ladder")
def picture_profile(seen: VariantObservation) -> Finding | None:
    """The H.264 profile is the ladder's, or a simpler one."""
    wanted = seen.expected.h264_profile
    if seen.video is None or wanted is None or seen.video.codec != "h264":
        return None
    order = ("constrained baseline", "baseline", "main", "high")
    observed = (seen.video.profile or "unknown").lower()
    passed = observed in order and order.index(observed) <= order.index(wanted)
    message = f"The H.264 profile is {observed}{'' if passed else f', not {wanted}'}."
    return Finding(passed, message, f"{wanted} or simpler", observed)


@rule(*PLAYLISTS, source="ITU-T H.264 table A-1")
def level_sufficient(seen: VariantObservation) -> Finding | None:
    """The H.264 level that the stream claims permits its size, frame rate and bit rate."""
    needed = needed_level(seen)
    if needed is None or seen.video is None or seen.video.level is None:
        return None
    observed = seen.video.level
    passed = observed >= needed
    message = f"The stream claims level {observed / 10}{'' if passed else f', and needs {needed / 10}'}."
    return Finding(passed, message, f"at least {needed / 10}", f"{observed / 10}")


@rule(*PLAYLISTS, source=f"{APPLE} 1.3", elsewhere=Severity.WARN)
def level_playable(seen: VariantObservation) -> Finding | None:
    """The H.264 level is at most 5.0, the highest that every kind of Apple's devices has to play."""
    if seen.video is None or seen.video.codec != "h264" or seen.video.level is None:
        return None
    observed, most = seen.video.level / 10, HIGHEST_LEVEL / 10
    passed = observed <= most
    message = f"The stream claims level {observed}{'' if passed else f', above {most}'}."
    return Finding(passed, message, f"at most {most}", str(observed))


@rule(*PLAYLISTS, source=f"{APPLE} 1.19", elsewhere=Severity.WARN)
def at_most_60_frames(seen: VariantObservation) -> Finding | None:
    """The picture has at most 60 frames a second."""
    span = seen.video_span
    if span is None or span.frames < 2:
        return None
    # The clock's own rounding weighs more, the shorter the stream is.
    passed = span.rate <= HIGHEST_RATE * (1.0004 + 0.0001 / (span.frames * span.frame_seconds))
    message = f"The picture has {span.rate:.3f} frames a second{'' if passed else f', over {HIGHEST_RATE:.0f}'}."
    return Finding(passed, message, f"at most {HIGHEST_RATE:.0f}", f"{span.rate:.3f}")


@rule(*PLAYLISTS, source=f"{APPLE} 1.11", severity=Severity.WARN)
def level_not_excessive(seen: VariantObservation) -> Finding | None:
    """The H.264 level is not far above what is needed: it would shut out devices that could play the stream."""
    needed = needed_level(seen)
    if needed is None or seen.video is None or seen.video.level is None or seen.video.level > HIGHEST_LEVEL:
        return None
    observed, most = seen.video.level, max(LEVEL_FLOOR, needed + LEVEL_SLACK)
    passed = observed <= most
    message = f"The stream claims level {observed / 10}{'' if passed else f', and {needed / 10} would do'}."
    return Finding(passed, message, f"at most {most / 10}", f"{observed / 10}")


@rule(*PLAYLISTS, source=VARIANTS, elsewhere=Severity.WARN)
def one_picture_format(seen: VariantObservation) -> Finding | None:
    """All segments have the same picture parameters (SPS): players do not expect a change inside a playlist."""
    known = [segment for segment in seen.segments if segment.sps is not None]
    if not known:
        return None
    problems = [
        Problem(segment.name, "other parameters", f"{segment.name} has other picture parameters than {known[0].name}")
        for segment in known
        if segment.sps != known[0].sps or _has_another_sps(segment)
    ]
    return expect_no_problem(
        problems, expected="the same in all", message="All segments have the same picture parameters."
    )


def _has_another_sps(segment: SegmentSeen) -> bool:
    """Whether its parameters change inside the segment."""
    picture = segment.stream.picture if segment.stream is not None else None
    return picture is not None and len(picture.sps) > 1


@rule(*PLAYLISTS, source=f"{VARIANTS}; {APPLE} 1.14", elsewhere=Severity.WARN)
def picture_progressive(seen: VariantObservation) -> Finding | None:
    """The picture is progressive."""
    return expect_progressive(seen.video)


@rule(*PLAYLISTS, source=VARIANTS, is_of_contract=True)
def picture_square_pixels(seen: VariantObservation) -> Finding | None:
    """Pixels are square."""
    return expect_square_pixels(seen.video)


@rule(*PLAYLISTS, source=VARIANTS)
def picture_size(seen: VariantObservation) -> Finding | None:
    """The picture has the size that its variant gets from this source."""
    return expect_coded_size(seen.video, seen.expected.size)


@rule(*PLAYLISTS, source=VARIANTS)
def picture_rate(seen: VariantObservation) -> Finding | None:
    """The frame rate is the mezzanine's."""
    return expect_frame_rate(seen.video_span, seen.expected.frame_rate)


@rule(*PLAYLISTS, source=f"{VARIANTS}; {APPLE} 2.2, 2.3", is_of_contract=True)
def sound_is_aac(seen: VariantObservation) -> Finding | None:
    """The sound is AAC-LC."""
    if seen.audio is None:
        return None
    return expect_equal("The sound", "aac LC", f"{seen.audio.codec} {seen.audio.profile or ''}".strip())


@rule(*PLAYLISTS, source=LOUDNESS, is_of_contract=True)
def sound_48_khz(seen: VariantObservation) -> Finding | None:
    """The sound has 48,000 samples a second."""
    return None if seen.audio is None else expect_equal("The sample rate", profile.SAMPLE_RATE, seen.audio.sample_rate)


@rule(*PLAYLISTS, source=f"{VARIANTS}; {APPLE} 2.3", is_of_contract=True)
def sound_stereo(seen: VariantObservation) -> Finding | None:
    """The sound has two channels."""
    return None if seen.audio is None else expect_equal("The number of channels", profile.CHANNELS, seen.audio.channels)


@rule(ObservationKind.PREVIEW, source=VARIANTS)
def preview_at_most_720p(seen: VariantObservation) -> Finding | None:
    """The preview is not larger than 720p."""
    if seen.video is None:
        return None
    box = next(variant for variant in profile.LADDER if variant.name == profile.PREVIEW_BEST)
    short, long = sorted((seen.video.coded_width, seen.video.coded_height))
    passed = short <= box.short and long <= box.long
    observed = f"{seen.video.coded_width}x{seen.video.coded_height}"
    message = f"The preview is {observed}{'' if passed else ', larger than 720p'}."
    return Finding(passed, message, f"within {box.long}x{box.short}", observed)
