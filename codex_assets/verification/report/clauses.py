"""The clauses that a rule's `source` cites, each with its address where it can be read.

In: which standard is found where, and which of them have an address for each section. Out: who cites what (`rules/`).
"""

from __future__ import annotations

import re
from dataclasses import dataclass


@dataclass(frozen=True)
class Clause:
    """A clause of a standard, or a document of our own. `url` is None for what has no public address."""

    label: str
    url: str | None = None


HLS_SPECIFICATION = "https://datatracker.ietf.org/doc/html/draft-pantos-hls-rfc8216bis"
"""Its sections are numbered anew, so that those of RFC 8216 lead elsewhere."""
RFC_EDITOR = "https://www.rfc-editor.org/rfc/rfc"
PAGES = {
    "Apple HLS authoring spec": (
        "https://developer.apple.com/documentation/http-live-streaming/hls-authoring-specification-for-apple-devices"
    ),
    "EBU R 128": "https://tech.ebu.ch/publications/r128",
    "EBU R37": "https://tech.ebu.ch/publications/r037",
    "ITU-T H.264": "https://www.itu.int/rec/T-REC-H.264",
    "ISO/IEC 13818-1": "https://www.itu.int/rec/T-REC-H.222.0",
    "ISO/IEC 13818-7": "https://www.iso.org/standard/43345.html",
    "ISO/IEC 14496-12": "https://www.iso.org/standard/83102.html",
    "ISO/IEC 10918-1": "https://www.itu.int/rec/T-REC-T.81",
    "ISO/IEC 15948": "https://www.w3.org/TR/png-3/",
    "W3C WebVTT": "https://www.w3.org/TR/webvtt1/",
    "W3C Media Fragments": "https://www.w3.org/TR/media-frags/",
    "BlurHash": "https://github.com/woltapp/blurhash/blob/master/Algorithm.md",
    "WHATWG Fetch": "https://fetch.spec.whatwg.org/#http-cors-protocol",
    "audiowaveform data format": "https://github.com/bbc/audiowaveform/blob/master/doc/DataFormat.md",
}
"""Standards that have one address for all of their clauses, by how a source begins."""


def clauses_of(source: str) -> tuple[Clause, ...]:
    """The clauses that a rule's source cites, in its order."""
    return tuple(clause for part in source.split(";") for clause in _clauses(part.strip()))


def _clauses(part: str) -> list[Clause]:
    rfc = re.match(r"RFC (\d+)(bis)?\b", part)
    if rfc is None:
        page = next((url for name, url in PAGES.items() if part.startswith(name)), None)
        return [Clause(part, page)]
    page = HLS_SPECIFICATION if rfc[0] == "RFC 8216bis" else f"{RFC_EDITOR}{rfc[1]}"
    sections = re.findall(r"\bs(\d+(?:\.\d+)*)", part)
    if not sections:
        return [Clause(part, page)]
    return [Clause(f"{rfc[0]} §{section}", f"{page}#section-{section}") for section in sections]
