"""What captions say, and which frame carries them, on bytes alone."""

from __future__ import annotations

import random

import pytest

from codex_assets.media import captions, transport_stream
from codex_assets.verification.observe.captions import services_of

TEXT = b"\xfc\xc1\x61"
"""Two letters in the first field."""
RESUME = {name: bytes([head, first, 0x20]) for name, head, first in (("CC1", 0xFC, 0x14), ("CC2", 0xFC, 0x1C))}
RESUME |= {name: bytes([head, first, 0x20]) for name, head, first in (("CC3", 0xFD, 0x15), ("CC4", 0xFD, 0x1D))}
PROGRAMME_DATA = b"\xfd\x01\x03"


@pytest.mark.parametrize(
    ("pictures", "services"),
    [
        ([], ()),
        ([b"\xfc\x80\x80\xfd\x80\x80\xf8\x00\x00"], ()),
        ([RESUME["CC1"]], ()),
        ([RESUME["CC1"], TEXT], ("CC1",)),
        ([RESUME["CC2"], TEXT, RESUME["CC1"], TEXT], ("CC1", "CC2")),
        ([RESUME["CC3"], b"\xfd\x41\x61"], ("CC3",)),
        ([RESUME["CC4"], b"\xfd\x41\x61"], ("CC4",)),
        # A music note; the name of the programme is no caption, until a control code.
        ([b"\xfc\x11\x37"], ("CC1",)),
        ([PROGRAMME_DATA, b"\xfd\x41\x61"], ()),
        ([PROGRAMME_DATA, b"\xfd\x41\x61", RESUME["CC3"], b"\xfd\x41\x61"], ("CC3",)),
        # Not valid: stuffing, whatever its bytes are.
        ([b"\xf8\x41\x61"], ()),
        # Services 1 and 2 in one packet, 9 behind the extension, an empty block of 3.
        ([b"\xff\x04\x22", b"\xfe\x41\x42\xfe\x41\x43\xfe\x00\x00"], ("SERVICE1", "SERVICE2")),
        ([b"\xff\x03\xe1\xfe\x09\x41\xfe\x00\x00"], ("SERVICE9",)),
        ([b"\xff\x02\x60\xfe\x00\x00"], ()),
        ([TEXT, b"\xff\x02\x21\xfe\x41\x00"], ("CC1", "SERVICE1")),
    ],
)
def test_services_are_those_that_say_something(pictures: list[bytes], services: tuple[str, ...]) -> None:
    assert captions.services(pictures) == services
    # As the judge reads them, which shares no code.
    assert services_of(dict(enumerate(pictures))) == services


def test_a_message_holds_what_was_put_into_it() -> None:
    chance = random.Random(8)
    for count in (1, 2, 20, 31):
        triplets = bytes(chance.choice((0, 0, 0, 1, 2, 3, 0x80, 0xFC)) for _ in range(3 * count))
        unit = captions.sei_unit(triplets)
        assert captions.captions_of(unit) == triplets
        assert not any(code in unit for code in (b"\0\0\0", b"\0\0\1", b"\0\0\2"))


@pytest.mark.parametrize(
    "unit", [b"", b"\x06", b"\x06\x04", b"\x06\x04\xff", b"\x06\x04\x08\xb5\x00\x31GA94\x03", b"\x65GA94\x03"]
)
def test_a_unit_that_is_no_whole_message_has_no_captions(unit: bytes) -> None:
    assert captions.captions_of(unit) == b""


def test_captions_of_one_frame_come_on_the_next_free_one() -> None:
    shown = [(0, b"a"), (0, b"b"), (2, b"c")]
    said = [(frame, b"\xfc" + letter + b"a") for frame, letter in shown]
    placed = captions.placed(said, 10, latest=2)
    assert placed == {0: b"\xfcaa", 1: b"\xfcba", 2: b"\xfcca"}


def test_pauses_make_room_and_text_never_does() -> None:
    pause, text = b"\xfc\x80\x80", b"\xfc\xc1\x61"
    assert captions.placed([(0, text), (0, pause), (1, text)], 2, latest=0) == {0: text, 1: text}
    assert captions.placed([(0, text), (0, text)], 10, latest=0) is None
    assert captions.placed([(0, text), (0, text), (0, text)], 10, latest=1) is None


@pytest.mark.parametrize("frame", [-1, 3])
def test_what_has_no_frame_keeps_all_captions_out(frame: int) -> None:
    assert captions.placed([(frame, b"\xfc\xc1\x61")], 3, latest=5) is None
    assert captions.placed([(frame, b"\xfc\x80\x80")], 3, latest=5) == {}


def test_a_stream_that_is_cut_anywhere_is_put_together_by_pictures() -> None:
    first = bytes([0x47, 0x41, 0x00, 0x10]) + bytes(184)
    more = bytes([0x47, 0x01, 0x00, 0x10]) + bytes(184)
    stream = (first + more * 2) * 5
    for size in (100, 188, 500, 2000):
        parts = [stream[at : at + size] for at in range(0, len(stream), size)]
        pieces = list(transport_stream.whole_pictures(parts))
        assert b"".join(pieces) == stream
        assert all(piece.startswith(first) for piece in pieces)
