"""Every way in which a test breaks the headers of a good segment: packets, tables, clocks, PES packets, units, frames.

Bytes are changed where they lie, so that nothing else changes; `break_outputs.py` says what a `Break` is.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from break_outputs import VARIANT, breaks, repacked, segment, variant

from codex_assets.verification.observe.program_tables import checksum

SIZE = 188
PAT, PMT, PICTURE, SOUND = 0, 0x1000, 0x100, 0x101


def packets_of(root: Path, index: int = 1) -> list[bytearray]:
    data = segment(root, index).read_bytes()
    return [bytearray(data[at : at + SIZE]) for at in range(0, len(data), SIZE)]


def write(root: Path, packets: list[bytearray], index: int = 1) -> None:
    segment(root, index).write_bytes(b"".join(packets))


def pid_of(packet: bytearray) -> int:
    return (packet[1] & 0x1F) << 8 | packet[2]


def places(packets: list[bytearray], pid: int, *, begins: bool = False) -> list[int]:
    return [at for at, packet in enumerate(packets) if pid_of(packet) == pid and (packet[1] & 0x40 or not begins)]


def middle(packets: list[bytearray], pid: int) -> int:
    """A packet in the middle of a PES packet, in the middle of the segment: nothing but payload."""
    plain = [at for at in places(packets, pid) if packets[at][3] & 0x30 == 0x10 and not packets[at][1] & 0x40]
    return plain[len(plain) // 2]


def changed(change: Callable[[list[bytearray]], None]) -> Callable[[Path], None]:
    def apply(root: Path) -> None:
        packets = packets_of(root)
        change(packets)
        write(root, packets)

    apply.__name__ = change.__name__
    return apply


def breaks_packets(*rules: str) -> Callable[[Callable[[list[bytearray]], None]], Callable[[Path], None]]:
    """Register a change of the packets of one segment."""

    def register(change: Callable[[list[bytearray]], None]) -> Callable[[Path], None]:
        return breaks("listing", *rules)(changed(change))

    return register


# --- Packets ----------------------------------------------------------------------------------------------------------


@breaks("listing", "segments_are_packets")
def segment_cut_in_a_packet(root: Path) -> None:
    segment(root, 1).write_bytes(segment(root, 1).read_bytes()[:-60])


@breaks("listing", "segments_are_packets")
def bytes_behind_a_segment(root: Path) -> None:
    segment(root, 1).write_bytes(segment(root, 1).read_bytes() + b"GPS 52.5200 13.4050")


@breaks_packets("segments_are_packets")
def packet_of_zeros(packets: list[bytearray]) -> None:
    packets[middle(packets, PICTURE)] = bytearray(SIZE)


@breaks_packets("packets_sound")
def packet_marked_as_damaged(packets: list[bytearray]) -> None:
    packets[middle(packets, PICTURE)][1] |= 0x80


@breaks_packets("packets_sound")
def packets_marked_as_encrypted(packets: list[bytearray]) -> None:
    for at in places(packets, SOUND)[4:8]:
        packets[at][3] |= 0x80


@breaks_packets("packets_complete")
def packets_lost(packets: list[bytearray]) -> None:
    at = middle(packets, PICTURE)
    gone = [other for other in places(packets, PICTURE) if other >= at][:4]
    for other in reversed(gone):
        del packets[other]


@breaks_packets("packets_complete")
def packets_exchanged(packets: list[bytearray]) -> None:
    at = middle(packets, PICTURE)
    packets[at], packets[at + 1] = packets[at + 1], packets[at]


@breaks_packets("packets_complete")
def packet_twice(packets: list[bytearray]) -> None:
    at = middle(packets, PICTURE)
    packets.insert(at, packets[at])


@breaks_packets("packets_complete")
def break_announced(packets: list[bytearray]) -> None:
    packets[places(packets, PICTURE, begins=True)[20]][5] |= 0x80


@breaks("listing", "packets_run_on")
def last_packet_lost(root: Path) -> None:
    packets = packets_of(root, 0)
    del packets[places(packets, PICTURE)[-1]]
    write(root, packets, 0)


@breaks_packets("no_stray_packets")
def packets_of_another_stream(packets: list[bytearray]) -> None:
    packets[40:40] = [bytearray((0x47, 0x42, 0x22, 0x10 | counter)) + bytes(184) for counter in range(5)]


# --- Tables -----------------------------------------------------------------------------------------------------------


@breaks_packets("tables_valid")
def wrong_checksum(packets: list[bytearray]) -> None:
    packets[places(packets, PMT)[0]][5 + 25] ^= 1


@breaks_packets("tables_valid")
def table_not_in_force(packets: list[bytearray]) -> None:
    for at in places(packets, PAT):
        with_section(packets[at], lambda section: section[:5] + bytes([section[5] & 0xFE]) + section[6:])


@breaks_packets("tables_valid")
def two_programmes(packets: list[bytearray]) -> None:
    for at in places(packets, PAT):
        with_section(packets[at], lambda section: section + bytes.fromhex("0002f100"))


@breaks_packets("streams_as_tables_say")
def stream_of_metadata_named(packets: list[bytearray]) -> None:
    for at in places(packets, PMT):
        with_section(packets[at], lambda section: section + bytes.fromhex("15e102f000"))


def with_section(packet: bytearray, change: Callable[[bytes], bytes]) -> None:
    """Change a table's section, without its checksum, and give it a right length and checksum."""
    length = 3 + ((packet[6] & 0x0F) << 8 | packet[7])
    section = bytearray(change(bytes(packet[5 : 5 + length - 4])))
    section[1], section[2] = section[1] & 0xF0, len(section) + 4 - 3
    packet[5:] = (bytes(section) + checksum(bytes(section)).to_bytes(4, "big")).ljust(SIZE - 5, b"\xff")


# --- Clocks and PES packets -------------------------------------------------------------------------------------------


@breaks_packets("clock_runs")
def clock_removed(packets: list[bytearray]) -> None:
    for at in places(packets, PICTURE, begins=True):
        packets[at][5] &= ~0x10
        packets[at][6:12] = b"\xff" * 6


@breaks_packets("clock_runs")
def clock_minutes_away(packets: list[bytearray]) -> None:
    for at in places(packets, PICTURE, begins=True):
        packets[at][7] ^= 0x40


@breaks_packets("clock_runs")
def clock_backwards(packets: list[bytearray]) -> None:
    first, second = places(packets, PICTURE, begins=True)[10:12]
    packets[first][6:12], packets[second][6:12] = packets[second][6:12], packets[first][6:12]


@breaks_packets("pes_packets_whole")
def pes_cut_short(packets: list[bytearray]) -> None:
    header = pes_at(packets[places(packets, SOUND, begins=True)[3]])
    packets[places(packets, SOUND, begins=True)[3]][header + 4] += 1


@breaks_packets("pes_packets_whole")
def pes_of_an_unknown_stream(packets: list[bytearray]) -> None:
    at = places(packets, SOUND, begins=True)[3]
    packets[at][pes_at(packets[at]) + 3] = 0xBE


@breaks("listing", "decoding_times_rise")
def decoding_time_too_early(root: Path) -> None:
    repacked_with_reordering(root)
    packets = packets_of(root)
    at = places(packets, PICTURE, begins=True)[30]
    # A DTS 0.1 s before its own.
    header = pes_at(packets[at])
    assert packets[at][header + 7] & 0xC0 == 0xC0
    stamp(packets[at], header + 14, -9000)
    write(root, packets)


def repacked_with_reordering(root: Path) -> None:
    """The broken variant with B-frames, whose DTS are written."""
    variant(root, VARIANT, "-preset", "veryfast", "-bf", "2", "-x264-params", "b-adapt=0")


def pes_at(packet: bytearray) -> int:
    return 5 + packet[4] if packet[3] & 0x20 else 4


def stamp(packet: bytearray, at: int, ticks: int) -> None:
    """Move a time stamp by `ticks` of 90 kHz."""
    value = (packet[at] >> 1 & 7) << 30 | (packet[at + 1] << 8 | packet[at + 2]) >> 1 << 15
    value = (value | (packet[at + 3] << 8 | packet[at + 4]) >> 1) + ticks
    packet[at] = packet[at] & 0xF0 | value >> 29 & 0x0E | 1
    packet[at + 1 : at + 3] = (value >> 14 & 0xFFFE | 1).to_bytes(2, "big")
    packet[at + 3 : at + 5] = (value << 1 & 0xFFFE | 1).to_bytes(2, "big")


@breaks("listing", "segments_hold_their_sound")
def sound_in_the_segment_before(root: Path) -> None:
    before, after = packets_of(root, 0), packets_of(root, 1)
    moved = places(after, SOUND)[: places(after, SOUND).index(places(after, SOUND, begins=True)[2])]
    write(root, before + [after[at] for at in moved], 0)
    write(root, [packet for at, packet in enumerate(after) if at not in moved], 1)


# --- H.264 and AAC ----------------------------------------------------------------------------------------------------


@breaks_packets("parameters_before_idr")
def parameters_missing(packets: list[bytearray]) -> None:
    """The PPS before one IDR frame inside the segment is filler now."""
    keys = [at for at in places(packets, PICTURE, begins=True) if packets[at][5] & 0x40]
    at = packets[keys[1]].index(b"\x00\x00\x01\x68") + 3
    packets[keys[1]][at] = 12


@breaks_packets("key_frames_marked")
def key_frame_unmarked(packets: list[bytearray]) -> None:
    keys = [at for at in places(packets, PICTURE, begins=True) if packets[at][5] & 0x40]
    packets[keys[1]][5] &= ~0x40


@breaks("listing", "picture_buffer_sufficient")
def picture_buffer_too_small(root: Path) -> None:
    """Of the parameters, the last number says how many pictures are to be kept: four become three."""
    last_of_parameters(root, 1, "00101", "00100")


@breaks("listing", "picture_limits_kept")
def motion_understated(root: Path) -> None:
    """In front of the last two numbers stand two that say how far pictures move: one of them becomes 16 pixels."""
    last_of_parameters(root, 9, "00010100001010", "00111000010000")


def last_of_parameters(root: Path, bit: int, old: str, new: str) -> None:
    """Change the bits that stand so far in front of the last one of the parameters, which is a stop bit."""
    repacked_with_reordering(root)
    for index in range(len(list((root / VARIANT).glob("*.ts")))):
        packets = packets_of(root, index)
        for packet in packets:
            at = packet.find(b"\0\0\1\x67") + 3
            if at < 3:
                continue
            unit = bytes(packet[at : packet.index(b"\0\0\1", at)]).rstrip(b"\0")
            number = int.from_bytes(unit, "big")
            shift = (number & -number).bit_length() - 1 + bit
            assert number >> shift & (1 << len(old)) - 1 == int(old, 2), bin(number)
            number += int(new, 2) - int(old, 2) << shift
            packet[at : at + len(unit)] = number.to_bytes(len(unit), "big")
        write(root, packets, index)


@breaks("listing", "picture_tools_of_profile")
def profile_understated(root: Path) -> None:
    """Baseline, of what is coded in Main's way."""
    for index in range(len(list((root / VARIANT).glob("*.ts")))):
        data = segment(root, index).read_bytes()
        segment(root, index).write_bytes(data.replace(b"\0\0\1\x67\x4d", b"\0\0\1\x67\x42"))


@breaks("listing", "picture_shown_as_coded")
def edges_may_be_cut(root: Path) -> None:
    repacked(root, "-bsf:v", "h264_metadata=overscan_appropriate_flag=1")


@breaks_packets("frames_whole")
def delimiter_untrue(packets: list[bytearray]) -> None:
    at = places(packets, PICTURE, begins=True)[30]
    offset = packets[at].index(b"\0\0\1\x09") + 4
    packets[at][offset] = 0x10


@breaks_packets("nothing_beside_the_media")
def sound_marked_as_a_copy(packets: list[bytearray]) -> None:
    for at in places(packets, SOUND, begins=True):
        packets[at][packets[at].index(b"\xff\xf1\x4c") + 3] |= 0x0C


@breaks_packets("frames_whole")
def delimiter_missing(packets: list[bytearray]) -> None:
    at = places(packets, PICTURE, begins=True)[30]
    offset = packets[at].index(b"\x00\x00\x01\x09") + 3
    packets[at][offset] = 12


@breaks("listing", "picture_colours")
def colours_of_another_matrix(root: Path) -> None:
    repacked(root, "-bsf:v", "h264_metadata=matrix_coefficients=6")


@breaks("listing", "picture_colours")
def full_range_said(root: Path) -> None:
    repacked(root, "-bsf:v", "h264_metadata=video_full_range_flag=1")


@breaks("listing", "picture_clock_true")
def another_rate_said(root: Path) -> None:
    repacked(root, "-bsf:v", "h264_metadata=tick_rate=60")


@breaks_packets("sound_frames_whole")
def sound_frame_damaged(packets: list[bytearray]) -> None:
    at = next(at for at in places(packets, SOUND) if b"\xff\xf1\x4c\x80" in packets[at][40:150])
    offset = packets[at].index(b"\xff\xf1\x4c\x80", 40)
    packets[at][offset] = 0


@breaks_packets("one_sound_format")
def sound_frame_of_another_rate(packets: list[bytearray]) -> None:
    at = next(at for at in places(packets, SOUND) if b"\xff\xf1\x4c\x80" in packets[at][40:150])
    offset = packets[at].index(b"\xff\xf1\x4c\x80", 40)
    # 44,100 samples a second.
    packets[at][offset + 2] = 0x50


# --- What nobody needs ------------------------------------------------------------------------------------------------


@breaks("listing", "nothing_beside_the_media")
def message_with_a_name(root: Path) -> None:
    """In the place of the encoder's own."""
    data = segment(root, 0).read_bytes()
    assert b"x264 - core" in data
    segment(root, 0).write_bytes(data.replace(b"x264 - core", b"Jane Doe 52"))


@breaks("listing", "nothing_beside_the_media")
def name_of_the_service(root: Path) -> None:
    repacked(root, "-metadata", "service_name=Jane Doe")


@breaks_packets("nothing_beside_the_media")
def text_in_the_stuffing(packets: list[bytearray]) -> None:
    # Behind the section and its checksum.
    packets[places(packets, PAT)[0]][60:68] = b"Jane Doe"
