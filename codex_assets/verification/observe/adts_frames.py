"""Reads the headers of AAC frames in ADTS (ISO/IEC 13818-7 6.2). Sound is not decoded.

In: the chain of frames. Out: PES packets around them (`pes_packets.py`).
"""

from __future__ import annotations

from dataclasses import dataclass, field

from codex_assets.verification.stream_observations import SoundFrames, StreamFault

SAMPLE_RATES = (96000, 88200, 64000, 48000, 44100, 32000, 24000, 22050, 16000, 12000, 11025, 8000, 7350)
DATA_ELEMENT = 4
"""data_stream_element (table 85)."""
CHANNELS = (0, 1, 2, 3, 4, 5, 6, 8)
"""By channel_configuration."""


@dataclass
class FramesRead:
    """The frames of a sound, and faults with the offset in the stream where each was seen."""

    seen: SoundFrames | None = None
    starts: list[int] = field(default_factory=list)
    faults: list[tuple[StreamFault, int]] = field(default_factory=list)


def read_frames(stream: bytes) -> FramesRead:
    """Every frame's header, from one frame to the next; where there is none, the next one is looked for."""
    read = FramesRead()
    at, size = 0, len(stream)
    first: tuple[int, int] | None = None
    is_lost = False
    while at + 7 <= size:
        # 12 bits of sync, layer zero.
        if stream[at] != 0xFF or stream[at + 1] & 0xF6 != 0xF0:
            if not is_lost:
                read.faults.append((StreamFault.SOUND_FRAME, at))
            is_lost = True
            following = stream.find(b"\xff", at + 1)
            at = following if following >= 0 else size
            continue
        length = (stream[at + 3] & 3) << 11 | stream[at + 4] << 3 | stream[at + 5] >> 5
        if length < 7:
            at += 1
            continue
        is_lost = False
        # Profile, sampling frequency and channels; ID and private bits are none of the decoder's.
        form = (stream[at + 2] & 0xFD, stream[at + 3] & 0xC0)
        if first is None:
            first = form
        elif form != first:
            read.faults.append((StreamFault.SOUND_CHANGES, at))
        if _is_marked(stream[at : at + 8]):
            read.faults.append((StreamFault.SOUND_MARKED, at))
        read.starts.append(at)
        at += length
    if at != size:
        read.faults.append((StreamFault.SOUND_FRAME, read.starts[-1] if read.starts else 0))
    if first is not None:
        index = first[0] >> 2 & 0x0F
        read.seen = SoundFrames(
            frames=len(read.starts),
            object_type=1 + (first[0] >> 6),
            sample_rate=SAMPLE_RATES[index] if index < len(SAMPLE_RATES) else None,
            channels=CHANNELS[(first[0] & 1) << 2 | first[1] >> 6],
        )
    return read


def _is_marked(header: bytes) -> bool:
    """Whether bits are set that no player reads: private, original, home, two of a copyright; or MPEG-2's mark, or that
    of a checksum, which no encoder of ours writes; or whether data stand in front of the sound."""
    has_data = len(header) > 7 and header[7] >> 5 == DATA_ELEMENT
    return bool(has_data or not header[1] & 1 or header[1] & 0x08 or header[2] & 0x02 or header[3] & 0x3C)
