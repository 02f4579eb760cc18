"""Rules for how HLS is delivered over HTTP, with their limits: types, lengths, parts, compression, caching, CORS, TLS.

They judge what a server says of files that were fetched by URL; what is in the files is judged by the other rules.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable

from codex_assets.archive.findings import Finding, Severity
from codex_assets.verification.delivery import DeliveredFile, DeliveryObservation
from codex_assets.verification.kinds import ObservationKind
from codex_assets.verification.rule import rule
from codex_assets.verification.rules.comparisons import Problem, expect_no_problem
from codex_assets.verification.rules.shared_limits import APPLE, RFC

CACHING = "contract: caching"
PLAYLIST_TYPES = ("application/vnd.apple.mpegurl", "audio/mpegurl")
TYPES = {
    ".m3u8": PLAYLIST_TYPES,
    ".m3u": PLAYLIST_TYPES,
    ".ts": ("video/mp2t",),
    ".mp4": ("video/mp4", "audio/mp4", "application/mp4"),
    ".m4s": ("video/iso.segment", "video/mp4", "audio/mp4"),
    ".aac": ("audio/aac",),
    ".mp3": ("audio/mpeg",),
    ".ac3": ("audio/ac3",),
    ".ec3": ("audio/eac3",),
    ".vtt": ("text/vtt", "text/plain"),
}
"""Media types by a file's ending (Apple HLS authoring spec 10.4)."""
COMPRESSED_FROM = 200
"""Bytes of a playlist from which it has to be compressed: of a smaller one nothing is saved."""
OF_A_VERSION = re.compile(r"(^|/)[0-9a-f]{12}/[^/]+$")
"""A segment in the folder of its version, which never changes."""


def _problems(
    files: Iterable[DeliveredFile], fault: Callable[[DeliveredFile], tuple[str, str] | None]
) -> list[Problem]:
    """A problem for each file that has a fault: what was observed, and the sentence after the file's name."""
    return [
        Problem(file.name, fault_seen[0], f"{file.name} {fault_seen[1]}")
        for file in files
        if (fault_seen := fault(file)) is not None
    ]


def _type(file: DeliveredFile) -> str:
    return (file.content_type or "").partition(";")[0].strip().lower()


def _suffix(file: DeliveredFile) -> str:
    name = file.name.partition("?")[0].rpartition("/")[2]
    return f".{name.rpartition('.')[2].lower()}" if "." in name else ""


@rule(ObservationKind.DELIVERY, source=f"{RFC} s4")
def playlists_recognisable(seen: DeliveryObservation) -> Finding | None:
    """A playlist's name ends in .m3u8, or its type says that it is one: players refuse to read another."""
    if not seen.playlists:
        return None
    problems = _problems(
        (
            file
            for file in seen.playlists
            if _suffix(file) not in (".m3u8", ".m3u") and _type(file) not in PLAYLIST_TYPES
        ),
        lambda file: (_type(file) or "no type", f"has neither the name nor the type of a playlist ({_type(file)})"),
    )
    return expect_no_problem(problems, expected="name or type", message="Every playlist is recognisable.")


@rule(ObservationKind.DELIVERY, source=f"{APPLE} 10.4", severity=Severity.WARN)
def content_types(seen: DeliveryObservation) -> Finding:
    """Every file has the recommended type: playlists application/vnd.apple.mpegurl, MPEG-TS video/mp2t."""

    def fault(file: DeliveredFile) -> tuple[str, str] | None:
        wanted = PLAYLIST_TYPES if file.is_playlist else TYPES.get(_suffix(file))
        if wanted is None or _type(file) in wanted:
            return None
        return _type(file) or "none", f"is delivered as {_type(file) or 'nothing in particular'}, not as {wanted[0]}"

    problems = _problems(seen.files, fault)
    return expect_no_problem(problems, expected="the recommended types", message="All files have their types.")


@rule(ObservationKind.DELIVERY, source=f"{APPLE} 8.18", severity=Severity.WARN)
def no_redirects(seen: DeliveryObservation) -> Finding:
    """Nothing but the first playlist is redirected: each redirect costs players a round trip for each file."""
    problems = _problems(
        (file for file in seen.files if not file.is_first and file.redirects),
        lambda file: (f"{file.redirects}", f"is reached by {file.redirects} redirect(s)"),
    )
    return expect_no_problem(problems, expected="no redirect", message="No file is redirected.", observed="none")


@rule(ObservationKind.DELIVERY, source="RFC 9110 s8.6", severity=Severity.WARN)
def lengths_announced(seen: DeliveryObservation) -> Finding | None:
    """Every segment comes with its true Content-Length, so that players know how fast it comes."""
    if not seen.segments:
        return None

    def fault(file: DeliveredFile) -> tuple[str, str] | None:
        if file.content_encoding not in (None, "identity"):
            return None
        if file.content_length is None:
            return "absent", "comes without Content-Length"
        is_true = file.content_length.strip() == str(file.size)
        return None if is_true else (file.content_length, f"has {file.size} bytes, and another Content-Length")

    problems = _problems(seen.segments, fault)
    return expect_no_problem(problems, expected="the file's size", message="Every segment's length is announced.")


@rule(ObservationKind.DELIVERY, source="RFC 9110 s14", severity=Severity.WARN)
def parts_delivered(seen: DeliveryObservation) -> Finding | None:
    """A part of a segment can be had: a request for a range is answered with 206 and that range."""
    asked = [file for file in seen.segments if file.part is not None and file.size >= file.part.wanted]
    if not asked:
        return None

    def fault(file: DeliveredFile) -> tuple[str, str] | None:
        part = file.part
        if part is None:
            return None
        if part.status != 206:
            return str(part.status), f"answers {part.status} to a request for its first {part.wanted} bytes, not 206"
        wanted = re.fullmatch(r"bytes 0-(\d+)/(\d+|\*)", (part.content_range or "").strip())
        is_true = wanted is not None and int(wanted[1]) == part.wanted - 1 and wanted[2] in ("*", str(file.size))
        if is_true and part.size == part.wanted:
            return None
        observed = f"{part.size} bytes, Content-Range {part.content_range or 'absent'}"
        return observed, f"answers a request for its first {part.wanted} bytes with {observed}"

    return expect_no_problem(_problems(asked, fault), expected="206", message="Parts of segments are delivered.")


@rule(ObservationKind.DELIVERY, source=f"{APPLE} 10.1", severity=Severity.WARN)
def playlists_compressed(seen: DeliveryObservation) -> Finding | None:
    """Playlists of 200 bytes and more come with gzip to whoever accepts it."""
    large = [file for file in seen.playlists if file.size >= COMPRESSED_FROM]
    if not large:
        return None
    problems = _problems(
        (file for file in large if (file.content_encoding or "").strip().lower() not in ("gzip", "x-gzip")),
        lambda file: (file.content_encoding or "as it is", f"({file.size} bytes) is not compressed with gzip"),
    )
    return expect_no_problem(problems, expected="gzip", message="Playlists are compressed.", observed="gzip")


@rule(ObservationKind.DELIVERY, source="RFC 9110 s8.4, s14", severity=Severity.WARN)
def segments_not_compressed(seen: DeliveryObservation) -> Finding | None:
    """Segments come as they are, to a client that accepts nothing else."""
    if not seen.segments:
        return None
    problems = _problems(
        (file for file in seen.segments if file.content_encoding not in (None, "", "identity")),
        lambda file: (str(file.content_encoding), f"is compressed with {file.content_encoding}, though nobody asked"),
    )
    return expect_no_problem(problems, expected="no Content-Encoding", message="Segments come as they are.")


def _directives(file: DeliveredFile) -> dict[str, str]:
    parts = [part.strip().lower().partition("=") for part in (file.cache_control or "").split(",")]
    return {name: value.strip('"') for name, _, value in parts if name}


@rule(ObservationKind.DELIVERY, source=CACHING, severity=Severity.WARN, is_of_contract=True)
def playlists_asked_for_anew(seen: DeliveryObservation) -> Finding | None:
    """Playlists are `no-cache`: a rebuilt media shows at once, and no player asks for segments that are gone."""
    if not seen.playlists:
        return None
    problems = _problems(
        (file for file in seen.playlists if not {"no-cache", "no-store"} & set(_directives(file))),
        lambda file: (
            file.cache_control or "absent",
            f"has Cache-Control {file.cache_control or 'absent'}, not no-cache",
        ),
    )
    return expect_no_problem(problems, expected="no-cache", message="Playlists are asked for anew.")


@rule(ObservationKind.DELIVERY, source=CACHING, severity=Severity.WARN)
def segments_kept(seen: DeliveryObservation) -> Finding | None:
    """Segments may be kept by players and networks; those in a folder of their version for a year, immutable."""
    if not seen.segments:
        return None

    def fault(file: DeliveredFile) -> tuple[str, str] | None:
        directives = _directives(file)
        age = directives.get("s-maxage", directives.get("max-age", "0"))
        kept = age.isdigit() and int(age) > 0 and not {"no-store", "no-cache", "private"} & set(directives)
        observed = file.cache_control or "absent"
        if not directives:
            return observed, "has no Cache-Control: caches do not know how long they may keep it"
        if not kept:
            return observed, f"may not be kept by any cache (Cache-Control: {observed})"
        if seen.is_ours and OF_A_VERSION.search(file.name) and "immutable" not in directives:
            return observed, f"never changes, and Cache-Control ({observed}) does not say immutable"
        return None

    return expect_no_problem(_problems(seen.segments, fault), expected="max-age", message="Segments may be kept.")


@rule(ObservationKind.DELIVERY, source="WHATWG Fetch (CORS protocol)", severity=Severity.WARN)
def pages_may_read(seen: DeliveryObservation) -> Finding:
    """Every file may be read by players in pages of other sites (Access-Control-Allow-Origin)."""
    problems = _problems(
        (file for file in seen.files if (file.allow_origin or "").strip() not in ("*", seen.origin)),
        lambda file: (file.allow_origin or "absent", f"may not be read by a player in a page of {seen.origin}"),
    )
    return expect_no_problem(problems, expected="* or the page's site", message="Pages of other sites may read it.")


@rule(ObservationKind.DELIVERY, source=f"{APPLE} 11.1, 11.2, 11.3", severity=Severity.WARN)
def delivered_over_tls(seen: DeliveryObservation) -> Finding:
    """Every file comes over https."""
    problems = _problems(
        (file for file in seen.files if not file.is_tls), lambda file: ("http", "comes over http, readable by anybody")
    )
    return expect_no_problem(problems, expected="https", message="Every file comes over https.", observed="https")
