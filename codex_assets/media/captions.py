"""Closed captions inside a picture (CEA-608 and CEA-708): how a picture carries them, and which services they hold.

A picture's captions are `cc_data` (ANSI/CTA-708 4.4): triplets of a type and two bytes, which H.264 carries in an SEI
message as ATSC A/53 part 4 says. In: these bytes. Out: where they are in files (`transport_stream.py`,
`encode/captioned_mp4.py`, `encode/captioned_segments.py`).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

BYTE_MARKS = (b"GA94\x03", b"\x00\x00\x01\xb2CC\x01\xf8", b"\x00\x00\x01\xb2\x03")
"""What is somewhere in a file if any of its pictures may have captions: ATSC's, those of DVDs, those of SCTE 20."""
FIELD_1, FIELD_2, PACKET_DATA, PACKET_START = range(4)
"""The types of a triplet: a pair of CEA-608 for either field, or two bytes of CEA-708."""
LATEST_SECONDS = 0.25
"""Captions of pictures that share a frame come on the next free one, at most this much later; else they stay out."""

_A53 = b"\xb5\x00\x31GA94\x03"
"""Country, provider and identifier of user data (ITU-T T.35), and the type that says `cc_data`."""
_T35 = 4
_SEI = 6
_PROCESSED = 0x40
_VALID = 4


def sei_unit(triplets: bytes) -> bytes:
    """A NAL unit without start code that gives these captions, three bytes each, to the picture that follows it."""
    count = len(triplets) // 3
    payload = _A53 + bytes([_PROCESSED | count, 0xFF]) + triplets + b"\xff"
    size = b"\xff" * (len(payload) // 255) + bytes([len(payload) % 255])
    return _protected(bytes([_SEI, _T35]) + size + payload + b"\x80")


def captions_of(unit: bytes) -> bytes:
    """The triplets of a NAL unit's captions; none of a unit that has no such message."""
    if not unit or unit[0] & 0x1F != _SEI or _A53[3:] not in unit:
        return b""
    triplets = b""
    for kind, payload in _messages(unit[1:].replace(b"\x00\x00\x03", b"\x00\x00")):
        if kind == _T35 and payload.startswith(_A53) and len(payload) > len(_A53) + 1:
            count = payload[len(_A53)] & 0x1F
            triplets += payload[len(_A53) + 2 : len(_A53) + 2 + 3 * count]
    return triplets[: len(triplets) // 3 * 3]


def _messages(body: bytes) -> Iterator[tuple[int, bytes]]:
    """Type and payload of each message of an SEI unit (ITU-T H.264 7.3.2.3.1)."""
    at = 0
    while at + 2 < len(body):
        numbers = []
        for _ in range(2):
            number = 0
            while at < len(body) and body[at] == 0xFF:
                number, at = number + 255, at + 1
            if at >= len(body):
                return
            numbers.append(number + body[at])
            at += 1
        kind, size = numbers
        yield kind, body[at : at + size]
        at += size


def _protected(unit: bytes) -> bytes:
    """`unit` with emulation prevention: no start code can be in it (ITU-T H.264 7.4.1.1)."""
    written, zeros = bytearray(), 0
    for byte in unit:
        if zeros >= 2 and byte <= 3:
            written.append(3)
            zeros = 0
        written.append(byte)
        zeros = zeros + 1 if byte == 0 else 0
    return bytes(written)


def spoken(triplets: bytes) -> bytes:
    """Those of `triplets` that say something: neither stuffing nor the null pairs that fill pauses."""
    kept = b""
    for at in range(0, len(triplets), 3):
        head, first, second = triplets[at : at + 3]
        is_null = head & 3 in (FIELD_1, FIELD_2) and not (first & 0x7F or second & 0x7F)
        if head & _VALID and not is_null:
            kept += triplets[at : at + 3]
    return kept


def services(pictures: Iterable[bytes]) -> tuple[str, ...]:
    """The services that carry anything, as INSTREAM-ID names them (RFC 8216bis 4.4.6.1): `CC1`, `SERVICE1`, ...

    `pictures`: the triplets of each, in the order in which they are shown.
    """
    names: set[str] = set()
    line_21 = {FIELD_1: _Line21("CC1", "CC2"), FIELD_2: _Line21("CC3", "CC4")}
    packets = _Packets()
    for triplets in pictures:
        for at in range(0, len(triplets), 3):
            head, first, second = triplets[at : at + 3]
            if not head & _VALID:
                continue
            kind = head & 3
            if kind in line_21:
                names |= line_21[kind].add(first & 0x7F, second & 0x7F)
            else:
                names |= packets.add(kind, bytes([first, second]))
    return tuple(sorted(names | packets.end(), key=lambda name: (name.startswith("S"), len(name), name)))


class _Line21:
    """The pairs of one field (ANSI/CTA-608): a control code says which of its two channels the text is for."""

    def __init__(self, first: str, second: str) -> None:
        self._names = (first, second)
        self._current: str | None = first

    def add(self, first: int, second: int) -> set[str]:
        """The channels that this pair shows to have text; both bytes without parity."""
        if 0x10 <= first <= 0x1F:
            self._current = self._names[first >> 3 & 1]
            code = first & 0x17
            is_special = code == 0x11 and 0x30 <= second <= 0x3F
            is_extended = code in (0x12, 0x13) and 0x20 <= second <= 0x3F
            return {self._current} if is_special or is_extended else set()
        if 0x01 <= first <= 0x0F:
            # Data of the programme (XDS) up to the next control code.
            self._current = None
            return set()
        return {self._current} if self._current is not None and first >= 0x20 else set()


class _Packets:
    """The packets of CEA-708, put together again to see for which services they hold blocks."""

    def __init__(self) -> None:
        self._packet = b""

    def add(self, kind: int, pair: bytes) -> set[str]:
        """The services of the packet that ends with `pair`, or before it."""
        if kind == PACKET_START:
            ended, self._packet = self._services(), pair
            return ended
        if self._packet:
            self._packet += pair
        return set()

    def end(self) -> set[str]:
        """The services of the packet at the end."""
        return self._services()

    def _services(self) -> set[str]:
        names: set[str] = set()
        if not self._packet:
            return names
        size = (self._packet[0] & 0x3F) * 2 or 128
        packet, at = self._packet[:size], 1
        while at < len(packet):
            number, length = packet[at] >> 5, packet[at] & 0x1F
            at += 1
            if number == 0:
                break
            if number == 7 and length and at < len(packet):
                number, at = packet[at] & 0x3F, at + 1
            if length and any(packet[at : at + length]):
                names.add(f"SERVICE{number}")
            at += length
        return names


def placed(captions: Iterable[tuple[int, bytes]], frames: int, *, latest: int) -> Mapping[int, bytes] | None:
    """Captions by the frame that carries them, out of pairs of a frame number and triplets, in order.

    Each frame carries one picture's captions: what would share a frame comes on the next one that is free, and what
    says nothing makes room. None where something would have to come more than `latest` frames too late, or has no frame
    at all.
    """
    by_frame: dict[int, bytes] = {}
    free = 0
    for frame, triplets in captions:
        says_something = bool(spoken(triplets))
        if not says_something and (frame < free or frame >= frames):
            continue
        at = max(frame, free)
        if frame < 0 or at >= frames or at - frame > latest:
            return None
        by_frame[at] = triplets
        free = at + 1
    return by_frame
