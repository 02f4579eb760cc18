"""Files whose header promises more than there is, as whoever cuts or joins one without encoding it again leaves it."""

from __future__ import annotations

import re
import struct
from collections.abc import Callable

Change = Callable[[bytes], bytes]
ASF_PROPERTIES = bytes.fromhex("a1dcab8c47a9cf118ee400c00c205365")
HOUR = 3600


def promising(mark: bytes, value: bytes, beyond: int) -> Change:
    """What puts `value` into the bytes that lie so far beyond a mark."""

    def change(data: bytes) -> bytes:
        at = data.index(mark) + beyond
        return data[:at] + value + data[at + len(value) :]

    return change


def stale_tag(data: bytes) -> bytes:
    """A Matroska file whose tags say that its tracks last five hours longer."""
    changed = re.sub(rb"00:00:(\d\d\.)", rb"05:00:\1", data)
    assert changed != data
    return changed


_ASF = promising(ASF_PROPERTIES, struct.pack("<QQ", HOUR * 10**7, HOUR * 10**7), 64)
STALE: dict[str, Change] = {
    "mkv": stale_tag,
    "webm": stale_tag,
    "wmv": _ASF,
    "wma": _ASF,
    "avi": promising(b"vids", struct.pack("<I", HOUR * 25), 32),
    "mp3": promising(b"Xing", struct.pack(">I", 2_000_000), 8),
    "wv": promising(b"wvpk", struct.pack("<I", HOUR * 48_000), 12),
    "flac": promising(b"fLaC", struct.pack(">I", HOUR * 48_000), 22),
}
"""By suffix: what makes its header promise more than there is."""
