"""Reads playlists for the judge, with parsers of its own, so that a mistake of a builder is not repeated here.

Whatever is wrong with a playlist becomes part of what was seen; nothing is raised.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path

from codex_assets.verification.observations import MasterObservation, PlaylistSeen, StreamInf


def parse_media_playlist(name: str, text: str) -> tuple[PlaylistSeen, list[tuple[str, float]]]:
    """A media playlist, and its segments as (name, EXTINF seconds); without segments where it has a problem of form.

    `name` is that of the file. Unknown tags are kept by name; a segment without EXTINF has 0.0.
    """
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    if not lines or lines[0] != "#EXTM3U":
        return PlaylistSeen(name, problem="it does not start with #EXTM3U"), []
    tags, uri_tags, values, entries = [], [], {}, []
    extinf: float | None = None
    for line in lines[1:]:
        if line.startswith("#EXT"):
            tag, _, value = line[1:].partition(":")
            tags.append(tag)
            values[tag] = value
            if re.search(r'(^|,)URI="', value):
                uri_tags.append(tag)
            if tag == "EXTINF":
                extinf = _number(value.partition(",")[0])
        elif not line.startswith("#"):
            entries.append((line, extinf if extinf is not None else 0.0))
            extinf = None
    problem = "it is a master playlist" if "EXT-X-STREAM-INF" in values else None
    if problem is None and not entries:
        problem = "it names no segment"
    target = values.get("EXT-X-TARGETDURATION", "")
    version = values.get("EXT-X-VERSION", "")
    seen = PlaylistSeen(
        name,
        problem=problem,
        version=_count(version),
        target_duration=_count(target),
        type=values.get("EXT-X-PLAYLIST-TYPE"),
        ended="EXT-X-ENDLIST" in values,
        independent="EXT-X-INDEPENDENT-SEGMENTS" in values,
        tags=tuple(tags),
        uri_tags=tuple(uri_tags),
    )
    return seen, entries


def parse_master(text: str) -> MasterObservation:
    """A master playlist as its text says it: without an output, and with no variant measured."""
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    if not lines or lines[0] != "#EXTM3U":
        return MasterObservation("", problem="it does not start with #EXTM3U")
    streams, uri_tags, independent = [], [], False
    waiting: dict[str, str] | None = None
    for line in lines[1:]:
        tag, _, value = line[1:].partition(":")
        if line.startswith("#EXT-X-STREAM-INF:"):
            waiting = _attributes(value)
        elif line.startswith("#EXT"):
            independent = independent or tag == "EXT-X-INDEPENDENT-SEGMENTS"
            if "URI" in _attributes(value):
                uri_tags.append(tag)
            if tag == "EXTINF":
                return MasterObservation("", problem="it is a media playlist")
        elif not line.startswith("#") and waiting is not None:
            streams.append(_stream(line, waiting))
            waiting = None
    return MasterObservation("", streams=tuple(streams), independent=independent, uri_tags=tuple(uri_tags))


def _attributes(text: str) -> dict[str, str]:
    pairs = re.findall(r'([A-Z0-9-]+)=("[^"]*"|[^,]*)', text)
    return {name: value.strip('"') for name, value in pairs}


def _stream(uri: str, attributes: Mapping[str, str]) -> StreamInf:
    def integer(name: str) -> int | None:
        return _count(attributes.get(name, ""))

    size = re.fullmatch(r"([0-9]{1,9})x([0-9]{1,9})", attributes.get("RESOLUTION", ""))
    return StreamInf(
        uri,
        bandwidth=integer("BANDWIDTH"),
        average_bandwidth=integer("AVERAGE-BANDWIDTH"),
        codecs=attributes.get("CODECS"),
        resolution=(int(size[1]), int(size[2])) if size else None,
        frame_rate=_number(attributes.get("FRAME-RATE", "")),
    )


def _number(text: str) -> float | None:
    return float(text) if re.fullmatch(r"[0-9]{1,15}(\.[0-9]*)?", text.strip()) else None


def _count(text: str) -> int | None:
    """A decimal-integer of RFC 8216 4.2: up to 20 digits."""
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
        return None, "it is no text"
