"""Reads how an MP4 describes the samples of its tracks (ISO/IEC 14496-12 8.5.2, 14496-14, 14496-15), field by field.

Readers that do not decode go by it: what it says of size, depth, rate and channels, and what is left over in it. In:
what differs from what is stored. Out: the other boxes (`mp4_boxes.py`), and the index (`mp4_index.py`).
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from codex_assets.media.facts import AudioStream, MediaInfo
from codex_assets.verification import measures
from codex_assets.verification.observe.adts_frames import SAMPLE_RATES
from codex_assets.verification.observe.h264_stream import SPS, parameters_of
from codex_assets.verification.observe.mp4_index import IndexedTrack, boxes

PICTURE_ENTRY, SOUND_ENTRY = 78, 28
"""Bytes of the fields in front of what a codec adds."""
RESOLUTION = (72 << 16).to_bytes(4, "big") * 2
"""72 dots an inch, which 12.1.3 asks for."""
OPAQUE = b"\x00\x18\xff\xff"
"""24 bits without transparency, and no table of colours."""
COMPRESSOR = re.compile(rb"(Lavc[\d.]*( \w+)?|AVC Coding)?")
COMPRESSOR_LENGTH = 32
SAMPLE_BITS = (16, 20, 24, 32)
STREAM_OF_SOUND, STREAM_OF_MPEG4 = 0x15, 0x40
CONFIGURATION = 5
"""Tag of the descriptor with an AAC configuration."""
LOW_COMPLEXITY, SBR, PS = 2, 5, 29
SBR_SYNC = 0x2B7
CHANNELS = {7: 8, 11: 7, 12: 8, 14: 8}
"""Channels of the configurations that are not their number."""
HIGHEST_USUAL_LEVEL = 52
"""Above it only pictures of more than 4096x2304 need to be."""
RATE_FACTOR = 1.5
"""By which a rate may be beside that of all bytes: some are reckoned over other times."""
OTHER_RATE = "a mark of another bit rate"
OTHER_SOUND = "a mark of another sound"
OTHER_PICTURE = "a mark of another kind of picture"
LEFT_OVER = "data in its header"


def contradicting_entries(tracks: tuple[IndexedTrack, ...], info: MediaInfo) -> Iterator[str]:
    """What the description of a track says otherwise than its samples, in words."""
    for track in tracks:
        for kind, entry in boxes(track.description):
            if any(entry[:6]):
                yield LEFT_OVER
            if track.coded is not None and kind == b"avc1":
                yield from _of_picture(entry, track)
            elif track.coded is None and info.audio is not None:
                yield from _of_sound(entry, kind, info.audio)
            codec_at = PICTURE_ENTRY if track.coded is not None else SOUND_ENTRY
            yield from _of_rate(entry[codec_at:], track)


def _of_picture(entry: bytes, track: IndexedTrack) -> Iterator[str]:
    if any(entry[8:24]) or any(entry[36:40]):
        yield LEFT_OVER
    length = entry[42] if len(entry) > 42 else 0
    name, rest = entry[43 : 43 + length], entry[43 + length : 42 + COMPRESSOR_LENGTH]
    if not COMPRESSOR.fullmatch(name.rstrip(b"\0")) or any(rest):
        yield "a tag"
    if entry[28:36] != RESOLUTION or entry[40:42] != b"\0\1" or entry[74:78] != OPAQUE:
        yield OTHER_PICTURE
    for name, inside in boxes(entry[PICTURE_ENTRY:]):
        if name == b"avcC":
            yield from _of_configuration(inside, track)


def _of_configuration(configuration: bytes, track: IndexedTrack) -> Iterator[str]:
    """An `avcC` box: of 8 bits and 4:2:0, and of a level that holds what is shown."""
    if configuration[:1] != b"\1" or len(configuration) < 7 or configuration[4] | 3 != 0xFF:
        yield OTHER_PICTURE
        return
    at = 5
    for mask in (0x1F, 0xFF):
        count = configuration[at] & mask if at < len(configuration) else 0
        at += 1
        for _ in range(count):
            at += 2 + int.from_bytes(configuration[at : at + 2], "big")
    added = configuration[at:]
    # Chroma format, and bits of luma and chroma less 8, each behind ones; no further parameters.
    if added and (added[0] & 3, *(each & 7 for each in added[1:3])) != (1, 0, 0)[: max(1, len(added[:3]))]:
        yield OTHER_PICTURE
    if added[4:]:
        yield LEFT_OVER
    for sequence in track.sequences:
        said = parameters_of(bytes([0x60 | SPS]) + sequence)
        if said is None or track.frames is None or not track.frames:
            continue
        rate = track.count / track.frames
        needed = measures.level_of(said, rate)
        if said.level < needed:
            yield "a mark of a level that is too low"
        if needed <= HIGHEST_USUAL_LEVEL < said.level:
            yield "a mark of a level that is too high"
        if said.rate is not None and not 0.97 * rate <= said.rate <= 1.03 * rate:
            yield "a mark of another frame rate"
        if said.overscan:
            yield "a mark that its edges may be cut off"


def _of_sound(entry: bytes, kind: bytes, audio: AudioStream) -> Iterator[str]:
    if any(entry[8:16]) or any(entry[20:24]):
        yield LEFT_OVER
    channels, bits = int.from_bytes(entry[16:18], "big"), int.from_bytes(entry[18:20], "big")
    rate = int.from_bytes(entry[24:26], "big")
    # Some rates do not fit; a coder that doubles its rate may be called by either.
    rates = {0, audio.sample_rate, *([audio.sample_rate // 2] if audio.profile != "LC" else [])}
    if channels not in (2, audio.channels) or bits not in SAMPLE_BITS or (kind != b"Opus" and rate not in rates):
        yield OTHER_SOUND
    for name, inside in boxes(entry[SOUND_ENTRY:]):
        if name == b"esds" and audio.codec == "aac":
            yield from _of_descriptor(inside[4:], audio)
        if name == b"alac" and audio.codec == "alac" and len(inside) >= 28:
            said = inside[13], int.from_bytes(inside[24:28], "big")
            if said != (audio.channels, audio.sample_rate):
                yield OTHER_SOUND


def _of_descriptor(descriptors: bytes, audio: AudioStream) -> Iterator[str]:
    """An `esds` box (ISO/IEC 14496-1 7.2.6): what codes the sound, and its configuration."""
    for tag, body in _descriptors(descriptors):
        if tag == 4 and body[:1] and (body[0] != STREAM_OF_MPEG4 or body[1] != STREAM_OF_SOUND):
            yield OTHER_SOUND
        if tag == CONFIGURATION and not _is_configuration_of(body, audio):
            yield OTHER_SOUND


def _descriptors(data: bytes) -> Iterator[tuple[int, bytes]]:
    """Tag and contents of each descriptor, of those inside others too."""
    inside = {3: 3, 4: 13}
    at = 0
    while at + 2 <= len(data):
        tag, length, at = data[at], 0, at + 1
        while at < len(data):
            byte, at = data[at], at + 1
            length = length << 7 | byte & 0x7F
            if byte < 0x80:
                break
        body = data[at : at + length]
        yield tag, body
        if tag in inside:
            yield from _descriptors(body[inside[tag] :])
        at += length


def _is_configuration_of(configuration: bytes, audio: AudioStream) -> bool:
    """Whether an AAC configuration (ISO/IEC 14496-3 1.6.2.1) is one of what was decoded."""
    bits = _ConfigurationBits(configuration)
    kind, rate = bits.kind(), bits.rate()
    channels = bits.take(4)
    doubled = None
    if kind in (SBR, PS):
        doubled = bits.rate()
        kind = bits.kind()
    if kind != LOW_COMPLEXITY:
        # Of other coders nothing is known here.
        return audio.profile != "LC"
    if bits.take(1):
        return False
    bits.take(2)
    if channels and doubled is None and bits.left >= 16 and bits.take(11) == SBR_SYNC and bits.kind() == SBR:
        doubled = bits.rate() if bits.take(1) else None
    # A coder that doubles its rate begins with half of it.
    if doubled is not None and doubled != 2 * rate:
        return False
    if audio.sample_rate not in (rate, doubled, 2 * rate if audio.profile != "LC" else rate):
        return False
    count = CHANNELS.get(channels, channels)
    # Zero: the frames say it. One channel may be made two.
    return count in (0, audio.channels) or (count == 1 and audio.channels == 2 and audio.profile == "HE-AACv2")


class _ConfigurationBits:
    """Bits of an AAC configuration; zero past its end."""

    def __init__(self, data: bytes) -> None:
        self._value, self.left = int.from_bytes(data + bytes(16), "big"), 8 * len(data)
        self._at = 8 * (len(data) + 16)

    def take(self, count: int) -> int:
        self._at -= count
        self.left -= count
        return self._value >> max(0, self._at) & ((1 << count) - 1)

    def kind(self) -> int:
        """An audioObjectType."""
        kind = self.take(5)
        return 32 + self.take(6) if kind == 31 else kind

    def rate(self) -> int:
        """Samples a second; zero for one that there is not."""
        index = self.take(4)
        if index == 15:
            return self.take(24)
        return SAMPLE_RATES[index] if index < len(SAMPLE_RATES) else 0


def _of_rate(added: bytes, track: IndexedTrack) -> Iterator[str]:
    """A `btrt` box and the one in an `esds`: the average rate is that of all bytes, where it is said."""
    seconds = track.frames if track.frames is not None else track.media
    if not seconds:
        return
    average = 8 * track.size / seconds
    said = [inside[8:12] for name, inside in boxes(added) if name == b"btrt"]
    for name, inside in boxes(added):
        if name == b"esds":
            said += [body[9:13] for tag, body in _descriptors(inside[4:]) if tag == 4]
    for field in said:
        rate = int.from_bytes(field, "big")
        if rate and not average / RATE_FACTOR <= rate <= average * RATE_FACTOR:
            yield OTHER_RATE
