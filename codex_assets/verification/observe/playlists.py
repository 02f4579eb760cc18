"""Reads playlists for the judge, with parsers of its own, so that a mistake of a builder is not repeated here.

Whatever is wrong with a playlist becomes part of what was seen; nothing is raised.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path

from codex_assets.verification.observations import MasterObservation, PlaylistSeen, StreamInf
from codex_assets.verification.playlist_text import (
    Attribute,
    PlaylistLine,
    PlaylistText,
    read_attributes,
    read_text,
)

STREAM_INF = "EXT-X-STREAM-INF"


def parse_media_playlist(name: str, text: str) -> tuple[PlaylistSeen, list[tuple[str, float]]]:
    """A media playlist, and its segments as (name, EXTINF seconds); without segments where it has a problem of form.

    `name` is that of the file. Of a tag that is there twice, the first counts.
    """
    written = read_text(text)
    if (problem := _problem_of_start(written)) is not None:
        return PlaylistSeen(name, problem=problem, text=written), []
    tags = [line.tag or "" for line in written.tags[1:]]
    entries, problem = _segments(written)
    if STREAM_INF in tags:
        problem = "it is a master playlist"
    seen = PlaylistSeen(
        name,
        problem=problem,
        version=_count(written.value_of("EXT-X-VERSION") or ""),
        target_duration=_count(written.value_of("EXT-X-TARGETDURATION") or ""),
        type=written.value_of("EXT-X-PLAYLIST-TYPE"),
        ended="EXT-X-ENDLIST" in tags,
        independent="EXT-X-INDEPENDENT-SEGMENTS" in tags,
        tags=tuple(tags),
        uri_tags=_uri_tags(written),
        text=written,
    )
    return seen, entries if problem is None else []


def _segments(written: PlaylistText) -> tuple[list[tuple[str, float]], str | None]:
    """Name and seconds of each segment, and None; or what makes that impossible."""
    entries = []
    for extinf, uri in written.pairs("EXTINF"):
        if uri is None:
            continue
        if extinf is None:
            return [], f"{uri.content} has no EXTINF"
        seconds = _number(extinf.value.partition(",")[0])
        if seconds is None:
            return [], f"the EXTINF of {uri.content} says no number of seconds"
        entries.append((uri.content, seconds))
    return entries, None if entries else "it names no segment"


def _problem_of_start(written: PlaylistText) -> str | None:
    """Why the first line makes it no playlist; None when it is a playlist."""
    first = written.lines[0].text.rstrip()
    if first.startswith("\ufeff"):
        return "it starts with a byte order mark"
    return None if first == "#EXTM3U" else "it does not start with #EXTM3U"


def _uri_tags(written: PlaylistText) -> tuple[str, ...]:
    """Names of the tags that have an attribute URI."""
    return tuple(line.tag or "" for line in written.tags if re.search(r'(^|,)\s*URI\s*="', line.value))


def parse_master(text: str) -> MasterObservation:
    """A master playlist as its text says it: without an output, and with no variant measured."""
    written = read_text(text)
    if (problem := _problem_of_start(written)) is not None:
        return MasterObservation("", problem=problem, text=written)
    if written.with_tag("EXTINF"):
        return MasterObservation("", problem="it is a media playlist", text=written)
    return MasterObservation(
        "",
        streams=tuple(_stream(tag, uri) for tag, uri in written.pairs(STREAM_INF) if tag is not None and uri),
        independent=bool(written.with_tag("EXT-X-INDEPENDENT-SEGMENTS")),
        uri_tags=_uri_tags(written),
        text=written,
    )


def _stream(tag: PlaylistLine, uri: PlaylistLine) -> StreamInf:
    attributes, rest = read_attributes(tag.value)
    values = {attribute.name: attribute.value for attribute in reversed(attributes)}
    size = re.fullmatch(r"([0-9]{1,9})x([0-9]{1,9})", values.get("RESOLUTION", ""))
    return StreamInf(
        uri.content,
        bandwidth=_count(values.get("BANDWIDTH", "")),
        average_bandwidth=_count(values.get("AVERAGE-BANDWIDTH", "")),
        codecs=_quoted(attributes, "CODECS"),
        resolution=(int(size[1]), int(size[2])) if size else None,
        frame_rate=_number(values.get("FRAME-RATE", "")),
        video_range=values.get("VIDEO-RANGE"),
        attributes=attributes,
        has_faults=rest is not None,
    )


def _quoted(attributes: Iterable[Attribute], name: str) -> str | None:
    return next((item.unquoted for item in attributes if item.name == name and item.is_quoted), None)


def _number(text: str) -> float | None:
    return float(text) if re.fullmatch(r"[0-9]{1,15}(\.[0-9]*)?", text.strip()) else None


def _count(text: str) -> int | None:
    """A decimal-integer of RFC 8216bis 4.2: up to 20 digits."""
    return int(text) if re.fullmatch("[0-9]{1,20}", text) else None


def text_of(path: Path) -> tuple[str | None, str | None]:
    """The text of a file and None; or None, and why there is no text."""
    try:
        return path.read_bytes().decode("utf-8"), None
    except (FileNotFoundError, NotADirectoryError):
        return None, "it does not exist"
    except OSError:
        return None, "it is no file that can be read"
    except UnicodeDecodeError:
        return None, "it is no text in UTF-8"
