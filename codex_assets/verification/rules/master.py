"""Rules for the master playlist, with their limits: it lists what exists, and its rates, sizes and codecs are true."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping, Sequence
from itertools import pairwise

from codex_assets.archive.findings import Finding, Severity
from codex_assets.media import profile
from codex_assets.verification.kinds import ObservationKind
from codex_assets.verification.measures import average_rate, codecs, peak_rate
from codex_assets.verification.observations import MasterObservation, StreamInf, VariantObservation
from codex_assets.verification.playlist_text import read_attributes
from codex_assets.verification.rule import rule
from codex_assets.verification.rules.comparisons import Problem, any_failed, expect_equal, expect_no_problem
from codex_assets.verification.rules.playlist import (
    cuts_like_siblings,
    duration_of_source,
    extinf_true,
    has_right_names,
    target_duration,
)
from codex_assets.verification.rules.playlist_text import attributes_valid, uris_after_their_tags
from codex_assets.verification.rules.shared_limits import APPLE, CONTRACT, DURATION_SECONDS, PLAN, RFC

OWN_AVERAGE_SLACK = 0.01
"""Of what was reckoned from the bytes that are delivered."""
RATE_SLACK = 0.10
"""Apple HLS authoring spec 1.26, 1.27: average and peak within 10 % of what the master declares."""
TRANSFERS = {"smpte2084": "PQ", "arib-std-b67": "HLG"}
RANGES = {None, "SDR", *TRANSFERS.values()}


@rule(ObservationKind.MASTER, source=f"{PLAN}; {RFC} s4.1", gate=True)
def master_readable(seen: MasterObservation) -> Finding:
    """The master exists and is a master playlist."""
    if seen.problem is not None:
        return Finding(False, f"The master cannot be read: {seen.problem}.", "a master playlist", seen.problem)
    passed = bool(seen.streams)
    message = f"The master names {len(seen.streams)} variants."
    return Finding(passed, message, "at least one variant", f"{len(seen.streams)} variants")


@rule(ObservationKind.MASTER, source=CONTRACT, is_of_contract=True)
def master_names_plain(seen: MasterObservation) -> Finding:
    """Variants are named `{variant}/playlist.m3u8`: plain, relative, one folder deep."""
    problems = [
        Problem(stream.uri, stream.uri, f"{stream.uri} is not of the form variant/playlist.m3u8")
        for stream in seen.streams
        if not re.fullmatch(r"[A-Za-z0-9_-]+/playlist\.m3u8", stream.uri)
    ]
    return expect_no_problem(
        problems, expected="variant/playlist.m3u8", message="All names are plain and one folder deep."
    )


@rule(ObservationKind.MASTER, source=PLAN, is_of_contract=True)
def master_lists_what_exists(seen: MasterObservation) -> Finding | None:
    """The master references exactly the variants that exist, each once."""
    wanted = seen.expected.variants if seen.expected.variants is not None else seen.variant_folders
    pairs = uris_after_their_tags(seen)
    if wanted is None or (pairs is not None and not pairs.passed):
        return None
    listed = seen.listed
    problems = [
        *(
            Problem(name, "not listed", f"{name} exists and is not in the master")
            for name in wanted
            if name not in listed
        ),
        *(
            Problem(name, "listed", f"The master names {name}, which was not made")
            for name in listed
            if name not in wanted
        ),
        *(Problem(name, "twice", f"The master names {name} twice") for name in set(listed) if listed.count(name) > 1),
    ]
    return expect_no_problem(
        problems,
        expected=", ".join(sorted(wanted)),
        message="The master lists what exists.",
        observed=", ".join(listed),
    )


@rule(ObservationKind.MASTER, source=CONTRACT, severity=Severity.WARN, is_of_contract=True)
def no_strays_beside_master(seen: MasterObservation) -> Finding:
    """The master's folder holds the master and the folders of its playlists, and nothing else."""
    problems = [Problem(name, name, f"{name} lies beside the master, and no playlist names it") for name in seen.stray]
    return expect_no_problem(
        problems, expected="none", message="Everything beside the master is in use.", observed="none"
    )


@rule(ObservationKind.MASTER, source=f"{PLAN}; {RFC} s4.4.6.2")
def master_playlists_exist(seen: MasterObservation) -> Finding | None:
    """Every playlist that the master names lies where it can be looked at."""
    if not seen.measured or any_failed(master_lists_what_exists(seen)):
        return None
    measured = dict(seen.measured)
    # One that was looked at and cannot be read is found by its own rule.
    broken = [stream.uri for stream in seen.streams if stream.uri not in measured]
    problems = [Problem(uri, "missing", f"{uri} cannot be opened") for uri in broken]
    return expect_no_problem(problems, expected="all can be opened", message="Every named playlist can be opened.")


@rule(ObservationKind.MASTER, source=f"{RFC} s4.4.6.2")
def variants_at_their_addresses(seen: MasterObservation) -> Finding | None:
    """Each address leads to the variant that the tag above it describes, not to that of another tag."""
    if len(seen.pairs) < 2:
        return None
    problems = [
        Problem(stream.uri, stream.uri, f"{stream.uri} is not what the tag above it describes: another tag does")
        for stream, _ in _exchanged(seen)
    ]
    return expect_no_problem(problems, expected="as described", message="Every address leads to its variant.")


def _exchanged(seen: MasterObservation) -> list[tuple[StreamInf, VariantObservation]]:
    """The tags whose variants stand below each other's tags, each with its own variant; empty if some fit none."""
    wrong = [(stream, variant) for stream, variant in seen.pairs if not _describes(stream, variant)]
    own: list[tuple[StreamInf, VariantObservation]] = []
    left = [variant for _, variant in wrong]
    for stream, _ in wrong:
        variant = next((each for each in left if _describes(stream, each)), None)
        if variant is None:
            return []
        left.remove(variant)
        own.append((stream, variant))
    return own


def _describes(stream: StreamInf, variant: VariantObservation) -> bool:
    """Whether a tag is about this variant: its size, or its rate where there is no picture."""
    if stream.resolution is not None and variant.video is not None:
        return stream.resolution == (variant.video.coded_width, variant.video.coded_height)
    peak = peak_rate(variant)
    return stream.bandwidth is not None and abs(stream.bandwidth - peak) <= RATE_SLACK * peak


def _described(seen: MasterObservation) -> list[tuple[StreamInf, VariantObservation]]:
    """Each tag with the variant that it is about, though the address below it may be another's."""
    own = dict(_exchanged(seen))
    return [(stream, own.get(stream, variant)) for stream, variant in seen.pairs]


@rule(ObservationKind.MASTER, source=CONTRACT, is_of_contract=True)
def master_best_first(seen: MasterObservation) -> Finding:
    """Variants are listed from best to worst."""

    def is_worse(before: StreamInf, after: StreamInf) -> bool:
        # By size where there is a picture: of a still one, a smaller variant can measure a little more.
        if sizes.get(before.uri) and sizes.get(after.uri):
            return math.prod(sizes[before.uri]) < math.prod(sizes[after.uri])
        return (before.bandwidth or math.inf) < (after.bandwidth or 0)

    sizes: dict[str, tuple[int, ...]] = {stream.uri: stream.resolution or () for stream in seen.streams}
    # What is declared wrongly is another rule's.
    sizes |= {
        stream.uri: (variant.video.coded_width, variant.video.coded_height)
        for stream, variant in _described(seen)
        if variant.video is not None
    }
    problems = [
        Problem(after.uri, f"after {before.uri}", f"{after.uri} comes after {before.uri}, which is worse")
        for before, after in pairwise(seen.streams)
        if is_worse(before, after)
    ]
    order = " > ".join(stream.uri.partition("/")[0] for stream in seen.streams)
    return expect_no_problem(problems, expected="best to worst", message="Best comes first.", observed=order)


@rule(ObservationKind.MASTER, source=f"{APPLE} 9.11, 9.12; {RFC} s4.4.2.1", elsewhere=Severity.WARN)
def master_independent_segments(seen: MasterObservation) -> Finding:
    """The master says EXT-X-INDEPENDENT-SEGMENTS (in others' HLS, each playlist), which segments then have to keep."""
    in_each = bool(seen.measured) and all(variant.playlist.independent for _, variant in seen.measured)
    is_there = seen.independent or (in_each and not seen.is_ours)
    return expect_equal("EXT-X-INDEPENDENT-SEGMENTS", "present", "present" if is_there else "absent")


@rule(ObservationKind.MASTER, source=f"{RFC} s4.4.6.2")
def bandwidth_declared(seen: MasterObservation) -> Finding | None:
    """Every variant has BANDWIDTH: without it the master is invalid."""
    return _expect_declared(seen, "BANDWIDTH", seen.streams)


@rule(ObservationKind.MASTER, source=f"{APPLE} 9.14", elsewhere=Severity.WARN)
def average_bandwidth_declared(seen: MasterObservation) -> Finding | None:
    """Every variant has AVERAGE-BANDWIDTH."""
    return _expect_declared(seen, "AVERAGE-BANDWIDTH", seen.streams)


@rule(ObservationKind.MASTER, source=f"{APPLE} 9.1", elsewhere=Severity.WARN)
def codecs_declared(seen: MasterObservation) -> Finding | None:
    """Every variant has CODECS: without it players fetch a segment to learn whether they can play it."""
    return _expect_declared(seen, "CODECS", seen.streams)


@rule(ObservationKind.MASTER, source=f"{APPLE} 9.2", elsewhere=Severity.WARN)
def resolution_declared(seen: MasterObservation) -> Finding | None:
    """Every variant with a picture has RESOLUTION."""
    return _expect_declared(seen, "RESOLUTION", _with_picture(seen))


@rule(ObservationKind.MASTER, source=f"{APPLE} 9.15", elsewhere=Severity.WARN)
def frame_rate_declared(seen: MasterObservation) -> Finding | None:
    """Every variant with a picture has FRAME-RATE."""
    return _expect_declared(seen, "FRAME-RATE", _with_picture(seen))


def _with_picture(seen: MasterObservation) -> list[StreamInf]:
    return [stream for stream, variant in _described(seen) if variant.video is not None]


def _expect_declared(seen: MasterObservation, name: str, streams: Sequence[StreamInf]) -> Finding | None:
    if seen.text is None or not streams:
        return None
    problems = [
        Problem(stream.uri, "absent", f"{stream.uri} has no {name}")
        for stream in streams
        # Of a list that cannot be read, nobody can say what is missing.
        if not stream.has(name) and not stream.has_faults
    ]
    return expect_no_problem(problems, expected="present", message=f"Every variant has {name}.")


@rule(ObservationKind.MASTER, source=f"{RFC} s4.4.6.2; {APPLE} 1.27, 9.13")
def bandwidth_covers_peak(seen: MasterObservation) -> Finding | None:
    """BANDWIDTH is at least the measured peak segment bit rate (in others' HLS, about): below it players stall."""
    problems = []
    slack = 0.0 if seen.is_ours else RATE_SLACK
    for stream, variant in _measurable(seen):
        peak = math.floor(peak_rate(variant))
        if stream.bandwidth is not None and stream.bandwidth < math.floor(peak * (1 - slack)):
            message = f"{stream.uri} peaks at {peak} bit/s, and BANDWIDTH says {stream.bandwidth}"
            problems.append(Problem(stream.uri, str(stream.bandwidth), message))
    return _expect_attributes(seen, problems, "at least the measured peak", "BANDWIDTH covers every variant's peak.")


def _measurable(seen: MasterObservation) -> list[tuple[StreamInf, VariantObservation]]:
    """The variants whose rates can be measured: all segments are there, and last what their playlist says."""
    return [
        (stream, variant)
        for stream, variant in _described(seen)
        if all(segment.size is not None for segment in variant.segments)
        and ((each := extinf_true(variant)) is None or each.passed)
    ]


def _expect_attributes(
    seen: MasterObservation, problems: Sequence[Problem], expected: str, message: str
) -> Finding | None:
    return expect_no_problem(problems, expected=expected, message=message) if seen.pairs else None


@rule(ObservationKind.MASTER, source=f"{APPLE} 1.27", elsewhere=Severity.WARN)
def bandwidth_close_to_peak(seen: MasterObservation) -> Finding | None:
    """BANDWIDTH is at most 10 % above the measured peak: far above it players choose too low."""
    problems = []
    for stream, variant in _measurable(seen):
        peak = peak_rate(variant)
        if stream.bandwidth is not None and stream.bandwidth > peak * (1 + RATE_SLACK):
            message = f"{stream.uri} peaks at {peak:.0f} bit/s, and BANDWIDTH says {stream.bandwidth}"
            problems.append(Problem(stream.uri, str(stream.bandwidth), message))
    return _expect_attributes(
        seen, problems, "at most 10 % above the measured peak", "BANDWIDTH is close to the peaks."
    )


@rule(ObservationKind.MASTER, source=f"{RFC} s4.4.6.2; {APPLE} 1.26")
def average_bandwidth_true(seen: MasterObservation) -> Finding | None:
    """AVERAGE-BANDWIDTH is the measured average (in others' HLS, within 10 %)."""
    problems = []
    slack = OWN_AVERAGE_SLACK if seen.is_ours else RATE_SLACK
    for stream, variant in _measurable(seen):
        average = average_rate(variant)
        declared = stream.average_bandwidth
        if declared is None:
            continue
        # One that is above its own peak is another rule's.
        is_above_peak = declared > (stream.bandwidth or declared)
        if abs(declared - average) > (RATE_SLACK if is_above_peak else slack) * average:
            message = (
                f"{stream.uri} averages {average:.0f} bit/s, and AVERAGE-BANDWIDTH says {stream.average_bandwidth}"
            )
            problems.append(Problem(stream.uri, str(stream.average_bandwidth), message))
    return _expect_attributes(
        seen, problems, f"within {slack:.0%} of the measured average", "AVERAGE-BANDWIDTH is true."
    )


@rule(ObservationKind.MASTER, source=f"{RFC} s4.1, s4.4.6.2")
def average_not_above_peak(seen: MasterObservation) -> Finding | None:
    """AVERAGE-BANDWIDTH is at most BANDWIDTH: an average cannot be above its peak."""
    measured = [average_bandwidth_true(seen), bandwidth_covers_peak(seen)]
    # A rate that is not the measured one is another rule's.
    if any(finding is not None and not finding.passed for finding in measured):
        return None
    problems = [
        Problem(
            stream.uri,
            str(stream.average_bandwidth),
            f"{stream.uri} has AVERAGE-BANDWIDTH={stream.average_bandwidth}, over its BANDWIDTH={stream.bandwidth}",
        )
        for stream in seen.streams
        if (stream.average_bandwidth or 0) > (stream.bandwidth or math.inf)
    ]
    return expect_no_problem(problems, expected="at most BANDWIDTH", message="No average is above its peak.")


@rule(ObservationKind.MASTER, source=f"{RFC} s4.4.6.2; RFC 6381")
def codecs_true(seen: MasterObservation) -> Finding | None:
    """CODECS names the profile, constraints and level that the streams have."""
    problems = []
    for stream, variant in _described(seen):
        wanted = codecs(variant)
        declared = sorted(_codec(part, is_ours=seen.is_ours) for part in (stream.codecs or "").split(","))
        if wanted is None or stream.codecs is None:
            continue
        expected = sorted(wanted.split(","))
        # Others' variants may name codecs of renditions, which are elsewhere.
        is_true = declared == expected or (not seen.is_ours and set(expected) <= set(declared))
        if not is_true:
            message = f"{stream.uri} is {wanted}, and CODECS says {stream.codecs or 'nothing'}"
            problems.append(Problem(stream.uri, stream.codecs or "nothing", message))
    return _expect_attributes(seen, problems, "what the streams are", "CODECS is true.")


def _codec(written: str, *, is_ours: bool) -> str:
    """A codec of a list, its parameters in lower case: they are hexadecimal, while players compare names as they are
    written. Others' lists may have spaces."""
    name, dot, parameters = (written if is_ours else written.strip()).partition(".")
    return f"{name}{dot}{parameters.lower()}"


@rule(ObservationKind.MASTER, source=f"plan: phase 2; {RFC} s4.4.6.2; {APPLE} 9.2")
def resolution_true(seen: MasterObservation) -> Finding | None:
    """RESOLUTION is the size of the picture, and absent without one."""
    problems = []
    for stream, variant in _described(seen):
        wanted = (variant.video.coded_width, variant.video.coded_height) if variant.video else None
        if wanted is not None and stream.resolution is None:
            continue
        if stream.resolution != wanted:
            actual, declared = _show_size(wanted), _show_size(stream.resolution)
            problems.append(Problem(stream.uri, declared, f"{stream.uri} is {actual}, and RESOLUTION says {declared}"))
    return _expect_attributes(seen, problems, "the picture's size", "RESOLUTION is true.")


def _show_size(size: tuple[int, int] | None) -> str:
    return "{}x{}".format(*size) if size else "nothing"


@rule(ObservationKind.MASTER, source=f"{RFC} s4.4.6.2; {APPLE} 9.15")
def frame_rate_true(seen: MasterObservation) -> Finding | None:
    """FRAME-RATE is the rate of the picture, to three decimals, and absent without one."""
    problems = []
    for stream, variant in _described(seen):
        rate = variant.video.frame_rate if variant.video else None
        wanted = round(float(rate), 3) if rate is not None else None
        if variant.video is not None and (rate is None or stream.frame_rate is None):
            continue
        if (wanted is None) != (stream.frame_rate is None) or abs((stream.frame_rate or 0) - (wanted or 0)) > 0.0015:
            message = f"{stream.uri} has {wanted} frames a second, and FRAME-RATE says {stream.frame_rate}"
            problems.append(Problem(stream.uri, str(stream.frame_rate), message))
    return _expect_attributes(seen, problems, "the picture's rate", "FRAME-RATE is true.")


@rule(ObservationKind.MASTER, source=f"{RFC} s4.4.6.2; {APPLE} 9.16, 1.24")
def video_range_true(seen: MasterObservation) -> Finding | None:
    """VIDEO-RANGE is the range of the picture: SDR, HLG or PQ; it may be absent only where that is SDR."""
    problems = []
    for stream, variant in _described(seen):
        if variant.video is None or (stream.has("VIDEO-RANGE") and stream.video_range not in RANGES):
            continue
        wanted = TRANSFERS.get(variant.video.transfer or "", "SDR")
        if (stream.video_range or "SDR") != wanted:
            declared = stream.video_range or "absent"
            message = f"{stream.uri} is {wanted}, and VIDEO-RANGE is {declared}"
            problems.append(Problem(stream.uri, declared, message))
    return _expect_attributes(seen, problems, "the picture's range", "VIDEO-RANGE is true.")


@rule(ObservationKind.MASTER, source=f"{RFC} s4.4.6.1, s4.4.6.2; {APPLE} 4.4")
def captions_declared(seen: MasterObservation) -> Finding | None:
    """Closed captions are declared whole, and all variants name the same group of them, or none."""
    if seen.text is None or any_failed(attributes_valid(seen)):
        return None
    services = [_attributes_of(line.value) for line in seen.text.with_tag("EXT-X-MEDIA")]
    services = [service for service in services if service.get("TYPE") == "CLOSED-CAPTIONS"]
    named = [_attributes_of(line.value).get("CLOSED-CAPTIONS") for line in seen.text.with_tag("EXT-X-STREAM-INF")]
    problems = [Problem("EXT-X-MEDIA", fault, fault) for fault in _caption_faults(services)]
    groups = {service.get("GROUP-ID") for service in services}
    for name in sorted({name for name in named if name is not None}):
        if name != "NONE" and name not in groups:
            problems.append(Problem(name, name, f"CLOSED-CAPTIONS names {name}, and no EXT-X-MEDIA has that GROUP-ID"))
    if "NONE" in named and set(named) != {"NONE"}:
        message = "CLOSED-CAPTIONS=NONE is not on every EXT-X-STREAM-INF"
        problems.append(Problem("EXT-X-STREAM-INF", "on some", message))
    elif seen.is_ours and len(set(named)) > 1:
        problems.append(Problem("EXT-X-STREAM-INF", "on some", "Not every variant names the same closed captions"))
    elif seen.is_ours and groups - {*named}:
        problems.append(Problem("EXT-X-MEDIA", "unused", "Closed captions are declared, and no variant names them"))
    return expect_no_problem(problems, expected="the same of all", message="All variants say the same of captions.")


def _attributes_of(value: str) -> dict[str, str]:
    return {attribute.name: attribute.value for attribute in read_attributes(value)[0]}


def _caption_faults(services: Sequence[Mapping[str, str]]) -> Iterator[str]:
    """What is wrong with the EXT-X-MEDIA of closed captions, each alone and all together."""
    for service in services:
        lacking = [name for name in ("GROUP-ID", "NAME", "INSTREAM-ID") if name not in service]
        if lacking:
            yield f"An EXT-X-MEDIA of closed captions has no {lacking[0]}"
        elif service.get("DEFAULT") == "YES" and service.get("AUTOSELECT", "YES") == "NO":
            yield f"{service['NAME']} is the default, and AUTOSELECT is NO"
    for name in ("NAME", "INSTREAM-ID"):
        values = [(service.get("GROUP-ID"), service.get(name)) for service in services if name in service]
        again = next((value for value in values if values.count(value) > 1), None)
        if again is not None:
            yield f"Two EXT-X-MEDIA of one group have {name}={again[1]}"


@rule(ObservationKind.MASTER, source=f"{RFC} s6.2.4; {APPLE} 8.2", elsewhere=Severity.WARN)
def one_target_duration(seen: MasterObservation) -> Finding | None:
    """All variants have the same target duration."""
    pairs = seen.pairs
    known = [(stream.uri, variant.playlist.target_duration) for stream, variant in pairs]
    # One that is wrong by itself is another rule's.
    is_true = all((finding := target_duration(variant)) is not None and finding.passed for _, variant in pairs)
    cuts = variants_cut_alike(seen)
    if len(known) < 2 or not is_true or (cuts is not None and not cuts.passed):
        return None
    (first, target), *others = known
    problems = [
        Problem(uri, f"{other} s", f"{uri} has a target duration of {other} s, and {first} one of {target} s")
        for uri, other in others
        if other != target
    ]
    return expect_no_problem(problems, expected=f"{target} s", message=f"All target durations are {target} s.")


@rule(ObservationKind.MASTER, source=f"{RFC} s6.2.4; {APPLE} 8.3, 8.7, 8.22", elsewhere=Severity.WARN)
def variants_cut_alike(seen: MasterObservation) -> Finding | None:
    """All variants have their segment boundaries, and their clocks, at the same times."""
    pairs = seen.pairs
    if len(pairs) < 2 or any(_is_cut_wrongly(variant) for _, variant in pairs):
        return None
    first = pairs[0][1]
    allowed = 0.5 * first.frame_seconds
    for stream, variant in pairs[1:]:
        own, theirs = _starts(variant), _starts(first)
        off = [index for index, (a, b) in enumerate(zip(own, theirs, strict=False)) if abs(a - b) > allowed]
        if len(own) != len(theirs):
            message = f"{stream.uri} has {len(own)} segments, and {pairs[0][0].uri} {len(theirs)}."
            return Finding(False, message, f"{len(theirs)} segments", f"{len(own)} segments", stream.uri)
        if off:
            name = profile.SEGMENT_PATTERN % off[0]
            apart = abs(own[off[0]] - theirs[off[0]])
            message = f"{name} of {stream.uri} starts {apart:.3f} s from that of {pairs[0][0].uri}."
            return Finding(False, message, f"within {allowed:.3f} s", f"{apart:.3f} s", f"{stream.uri} {name}")
        if abs(variant.duration - first.duration) > max(DURATION_SECONDS, 3 * allowed):
            message = f"{stream.uri} lasts {variant.duration:.3f} s, and {pairs[0][0].uri} {first.duration:.3f} s."
            observed = f"{variant.duration:.3f} s"
            return Finding(False, message, f"{first.duration:.3f} s", observed, stream.uri)
    return Finding(True, "All variants are cut alike.", f"within {allowed:.3f} s", f"within {allowed:.3f} s")


def _is_cut_wrongly(variant: VariantObservation) -> bool:
    """Whether the variant's own rules find that its segments are not those that they should be."""
    own = (cuts_like_siblings(variant), duration_of_source(variant), extinf_true(variant))
    return not has_right_names(variant) or any(finding is not None and not finding.passed for finding in own)


def _starts(variant: VariantObservation) -> list[float]:
    """Where each segment starts on the stream's own clock."""
    spans = [segment.video if variant.video is not None else segment.audio for segment in variant.segments]
    return [span.start for span in spans if span is not None]
