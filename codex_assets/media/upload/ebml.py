"""Elements of EBML, of which Matroska and WebM files are made (RFC 8794; RFC 9559): where each begins and ends."""

from __future__ import annotations

import mmap
from dataclasses import dataclass
from typing import TypeAlias

Data: TypeAlias = bytes | mmap.mmap
SEGMENT, CLUSTER = 0x18538067, 0x1F43B675
FILLING = (0xEC, 0xBF)
"""Elements that may be anywhere (RFC 8794, 11.3): room, and checksums."""
IN_SEGMENT = (
    *FILLING,
    *(0x114D9B74, 0x1549A966, 0x1654AE6B, CLUSTER, 0x1C53BB6B, 0x1941A469, 0x1043A770, 0x1254C367),
)
IN_CLUSTER = (*FILLING, 0xE7, 0x5854, 0xA7, 0xAB, 0xA3, 0xA0, 0xAF)
"""What may lie in a segment or cluster (RFC 9559, 5.1)."""


@dataclass(frozen=True)
class Element:
    """Where its content begins and ends; `end` is None where its length is not stated."""

    kind: int
    content: int
    end: int | None


def element_at(data: Data, at: int) -> Element | None:
    """The element that begins there; None where none does."""
    head = data[at : at + 12]
    kind_length = 9 - head[0].bit_length() if head else 0
    if not 1 <= kind_length <= 4 or len(head) <= kind_length or not head[kind_length]:
        return None
    size_length = 9 - head[kind_length].bit_length()
    content = kind_length + size_length
    if len(head) < content:
        return None
    most = (1 << 7 * size_length) - 1
    size = int.from_bytes(head[kind_length:content], "big") & most
    kind = int.from_bytes(head[:kind_length], "big")
    return Element(kind, at + content, at + content + size if size != most else None)
