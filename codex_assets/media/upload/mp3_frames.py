"""Whether the frames of an MP3 follow each other from its beginning to its end, so that none is missing.

In: the bytes of a file. Out: tags and what a header counts (`mp3_tags.py`). An MP3 has no times: a hole in it would
make it shorter without a word, as would a cut end.
"""

from __future__ import annotations

from mmap import mmap

from codex_assets.media.upload import mp3_tags

_VERSIONS = {0b11: 1, 0b10: 2, 0b00: 2}
"""MPEG-1, MPEG-2 and its half sampling rates (ISO/IEC 11172-3, 2.4.2.3; 13818-3)."""
_RATES = {0b11: (44_100, 48_000, 32_000), 0b10: (22_050, 24_000, 16_000), 0b00: (11_025, 12_000, 8_000)}
_KBPS = {
    (1, 1): (32, 64, 96, 128, 160, 192, 224, 256, 288, 320, 352, 384, 416, 448),
    (1, 2): (32, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320, 384),
    (1, 3): (32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320),
    (2, 1): (32, 48, 56, 64, 80, 96, 112, 128, 144, 160, 176, 192, 224, 256),
    (2, 2): (8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160),
    (2, 3): (8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160),
}
"""By version and layer, from index 1 on."""
_ENDS = (b"TAG", b"APETAGEX", b"LYRICSBEGIN", b"ID3")
"""How what follows the last frame begins."""
_FEWEST = 2


def are_whole(data: bytes | mmap) -> bool:
    """Whether nothing but whole frames lies between the tags of an MP3, and as many bytes as its header counts."""
    at, frames = mp3_tags.beginning(data), 0
    while (size := _frame_bytes(data[at : at + 4])) is not None:
        at += size
        frames += 1
    is_at_end = at == len(data) or (at < len(data) and data[at : at + 16].startswith(_ENDS))
    return frames >= _FEWEST and is_at_end and mp3_tags.holds_what_is_counted(data)


def _frame_bytes(head: bytes) -> int | None:
    """Bytes of the frame that begins so; None where none does."""
    if len(head) < 4 or head[0] != 0xFF or head[1] & 0xE0 != 0xE0:
        return None
    coded, layer = head[1] >> 3 & 3, 4 - (head[1] >> 1 & 3)
    at, sampled = head[2] >> 4, head[2] >> 2 & 3
    if coded not in _VERSIONS or layer == 4 or not 0 < at < 15 or sampled == 3:
        return None
    version, rate, padding = _VERSIONS[coded], _RATES[coded][sampled], head[2] >> 1 & 1
    bits = 1000 * _KBPS[version, layer][at - 1]
    if layer == 1:
        return (12 * bits // rate + padding) * 4
    samples = 72 if layer == 3 and version == 2 else 144
    return samples * bits // rate + padding
