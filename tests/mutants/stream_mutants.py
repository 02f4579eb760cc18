"""Faults in the bytes of transport streams: packets, tables, clocks, headers, and the parameter sets inside."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from itertools import pairwise
from pathlib import Path

from fault_encodes import encode_picture
from mutant import Area, Harm, Mutant, Seam, Workpiece, mutant, register
from transport_packets import Packets

AREA: Area = "transport stream"
Change = Callable[[Packets], None]
ANY = ("flat", "silent", "music", "film")
BOTH = ("flat", "portrait", "film")
SEEN = ("flat", "silent", "portrait", "film")
HEARD = ("music", "flat", "film")


def on_one_segment(change: Change, piece: Workpiece) -> None:
    """`change` alters the packets of one segment."""
    path = piece.segment()
    packets = Packets(path.read_bytes())
    before = path.read_bytes()
    change(packets)
    path.write_bytes(packets.data)
    assert packets.data != before, "nothing was changed"


def on_every_segment(change: Change, piece: Workpiece) -> None:
    for path in piece.segments:
        packets = Packets(path.read_bytes())
        change(packets)
        path.write_bytes(packets.data)


Contents = tuple[str, ...]


def packets(harm: Harm, contents: Contents = ANY, *, everywhere: bool = False) -> Callable[[Change], Change]:
    """Register a change of packets; its docstring is the description."""

    def decorate(change: Change) -> Change:
        apply = partial(on_every_segment if everywhere else on_one_segment, change)
        name = change.__name__
        register(Mutant(name, "transport stream", harm, Seam.SEGMENTS, (change.__doc__ or "").strip(), contents, apply))
        return change

    return decorate


# --- Packets ----------------------------------------------------------------------------------------------------------


@packets("grave")
def packets_lost(stream: Packets) -> None:
    """twenty packets of a track are missing"""
    lost = stream.of_main()[30:50]
    stream.remove(lost)


@packets("medium")
def packet_lost(stream: Packets) -> None:
    """one packet is missing"""
    stream.remove(stream.inside()[len(stream.inside()) // 2 :][:1])


@packets("medium")
def continuity_counter_jumps(stream: Packets) -> None:
    """a continuity counter jumps, though nothing is missing"""
    for index in stream.of_main()[40:]:
        stream.set_counter(index, stream.counter(index) + 5)


@packets("medium")
def continuity_counter_stands(stream: Packets) -> None:
    """a continuity counter does not count"""
    for index in stream.of_main():
        stream.set_counter(index, 3)


@packets("grave")
def packets_swapped(stream: Packets) -> None:
    """two packets of a track are exchanged"""
    inside = stream.inside()
    middle = len(inside) // 2
    stream.swap(inside[middle], inside[middle + 2])


@packets("medium")
def packet_repeated(stream: Packets) -> None:
    """one packet comes four times"""
    index = stream.inside()[10]
    for _ in range(3):
        stream.insert(index, stream.packet(index))


@packets("medium")
def error_bit_set(stream: Packets) -> None:
    """a packet says that it could not be received without errors"""
    stream.bytes_of(stream.of_main()[20])[1] |= 0x80


@packets("light")
def priority_bit_set(stream: Packets) -> None:
    """packets say that they go before others"""
    for index in stream.of_main()[::3]:
        stream.bytes_of(index)[1] |= 0x20


@packets("grave")
def scrambled_bit_set(stream: Packets) -> None:
    """packets say that they are encrypted"""
    for index in stream.of_main():
        stream.bytes_of(index)[3] |= 0x80


@packets("grave")
def sync_byte_wrong(stream: Packets) -> None:
    """a packet does not start with the sync byte"""
    stream.bytes_of(stream.of_main()[25])[0] = 0x46


@packets("medium")
def packet_cut_in_half(stream: Packets) -> None:
    """the last packet is half there"""
    stream.tail = bytes(stream.bytes_of(stream.count - 1)[:94])
    stream.remove([stream.count - 1])


@packets("medium")
def bytes_in_front(stream: Packets) -> None:
    """a hundred bytes lie before the first packet"""
    stream.head = bytes(range(100))


@packets("medium")
def byte_order_mark_in_front(stream: Packets) -> None:
    """a byte order mark lies before the first packet"""
    stream.head = b"\xef\xbb\xbf"


@packets("medium")
def id3_in_front(stream: Packets) -> None:
    """an ID3 tag lies before the first packet"""
    body = b"TIT2\x00\x00\x00\x06\x00\x00\x03Title"
    stream.head = b"ID3\x04\x00\x00\x00\x00\x00" + bytes([len(body)]) + body


@packets("medium", everywhere=True)
def packets_of_192_bytes(stream: Packets) -> None:
    """every packet has four more bytes in front, as on discs"""
    stream.prefix = b"\x00\x01\x02\x03"


@packets("light", everywhere=True)
def padded_with_null_packets(stream: Packets) -> None:
    """a third of the packets are empty"""
    null = bytes.fromhex("471fff10") + b"\xff" * 184
    for index in range(stream.count - 1, 3, -2):
        stream.insert(index, null)


@packets("medium")
def stray_track(stream: Packets) -> None:
    """there are packets of a track that no table names"""
    stray = bytes.fromhex("47010b10") + b"\x55" * 184
    for index in range(60, 10, -10):
        stream.insert(index, stray)


@packets("grave")
def payload_garbled(stream: Packets) -> None:
    """the payload of some packets is random"""
    inside = stream.inside()
    for number, index in enumerate(inside[len(inside) // 2 :][:8]):
        packet = stream.bytes_of(index)
        start = stream.payload_start(index)
        packet[start:] = bytes((number * 37 + at * 91) % 256 for at in range(188 - start))


@packets("grave")
def some_bytes_wrong(stream: Packets) -> None:
    """a few bytes inside a picture, or a frame of sound, are wrong"""
    inside = stream.inside()
    for index in inside[len(inside) // 3 :][:3]:
        stream.bytes_of(index)[120:126] = b"\x5a\xc3\x18\x77\x0f\xe1"


@packets("medium")
def adaptation_field_too_long(stream: Packets) -> None:
    """an adaptation field says that it is longer than its packet"""
    index = next(i for i in stream.of_main() if stream.bytes_of(i)[3] & 0x20)
    stream.bytes_of(index)[4] = 200


@packets("medium")
def discontinuity_announced(stream: Packets) -> None:
    """a packet announces that the clock starts anew, and it does not"""
    index = [i for i in range(stream.count) if stream.pcr(i) is not None][2]
    stream.bytes_of(index)[5] |= 0x80


# --- Tables -----------------------------------------------------------------------------------------------------------


@packets("grave")
def pat_missing(stream: Packets) -> None:
    """a segment has no PAT"""
    stream.remove(stream.of(0))


@packets("grave")
def pmt_missing(stream: Packets) -> None:
    """a segment has no PMT"""
    stream.remove(stream.of(stream.pmt_pid))


@packets("medium")
def pat_behind_the_media(stream: Packets) -> None:
    """the tables come after the first packets of the tracks"""
    tables = [stream.packet(index) for index in range(3)]
    stream.remove([0, 1, 2])
    for packet in reversed(tables):
        stream.insert(6, packet)


@packets("medium")
def pat_checksum_wrong(stream: Packets) -> None:
    """the checksum of the PAT is wrong"""
    stream.spoil_checksum(0)


@packets("medium")
def pmt_checksum_wrong(stream: Packets) -> None:
    """the checksum of the PMT is wrong"""
    stream.spoil_checksum(stream.pmt_pid)


@packets("grave", everywhere=True)
def stream_type_wrong(stream: Packets) -> None:
    """the PMT says another kind of coding of the first track"""
    stream.change_pmt(lambda section: section.__setitem__(12 + stream.programme_info, 0x24))


@packets("grave", BOTH, everywhere=True)
def sound_type_wrong(stream: Packets) -> None:
    """the PMT says another kind of coding of the sound"""
    stream.change_pmt(lambda section: section.__setitem__(stream.entries()[-1], 0x81))


@packets("grave")
def pid_wrong_in_pmt(stream: Packets) -> None:
    """the PMT of a segment names a track that is not there"""
    stream.change_pmt(lambda section: section.__setitem__(12 + stream.programme_info + 2, 0x77))


@packets("medium", everywhere=True)
def track_without_packets(stream: Packets) -> None:
    """the PMT names one more track, of which there is no packet"""
    stream.add_entry(bytes.fromhex("0fe1f0f000"))


@packets("grave", BOTH)
def track_not_in_pmt(stream: Packets) -> None:
    """the PMT of a segment does not name the sound"""
    stream.drop_last_entry()


@packets("medium", everywhere=True)
def clock_pid_wrong(stream: Packets) -> None:
    """the PMT looks for the clock in a track that is not there"""
    stream.change_pmt(lambda section: section.__setitem__(9, 0x99))


@packets("medium", everywhere=True)
def two_programmes(stream: Packets) -> None:
    """the PAT names a second programme"""
    stream.add_programme()


@packets("medium")
def programme_number_changes(stream: Packets) -> None:
    """a segment's programme has another number"""
    stream.change_pat(lambda section: section.__setitem__(9, 7))


@packets("light")
def table_version_changes(stream: Packets) -> None:
    """a segment's PMT has another version, with the same contents"""
    stream.change_pmt(lambda section: section.__setitem__(5, section[5] ^ 0x06))


@packets("medium")
def table_not_current(stream: Packets) -> None:
    """the PMT says that it does not apply yet"""
    stream.change_pmt(lambda section: section.__setitem__(5, section[5] & 0xFE))


@packets("medium", BOTH)
def pids_exchanged(stream: Packets) -> None:
    """a segment's tracks have each other's numbers, in table and packets"""
    stream.renumber({0x100: 0x101, 0x101: 0x100})


# --- Clocks -----------------------------------------------------------------------------------------------------------


@packets("grave", everywhere=True)
def clock_missing(stream: Packets) -> None:
    """there is no PCR"""
    for index in range(stream.count):
        if stream.pcr(index) is not None:
            stream.drop_pcr(index)


@packets("medium")
def clock_rare(stream: Packets) -> None:
    """a segment has a PCR at its start only"""
    for index in [i for i in range(stream.count) if stream.pcr(i) is not None][1:]:
        stream.drop_pcr(index)


@packets("medium")
def clock_jumps(stream: Packets) -> None:
    """the PCR jumps by two seconds in the middle of a segment"""
    marks = [i for i in range(stream.count) if stream.pcr(i) is not None]
    for index in marks[len(marks) // 2 :]:
        stream.set_pcr(index, stream.pcr(index) + 2 * 27_000_000)


@packets("medium", everywhere=True)
def clock_runs_slow(stream: Packets) -> None:
    """inside each segment the PCR runs 5 % slow"""
    marks = [(index, pcr) for index in range(stream.count) if (pcr := stream.pcr(index)) is not None]
    start = marks[0][1]
    for index, pcr in marks:
        stream.set_pcr(index, start + (pcr - start) * 95 // 100)


@packets("light", everywhere=True)
def clock_overflows(stream: Packets) -> None:
    """the last digits of the PCR are more than there are"""
    for index in range(stream.count):
        if stream.pcr(index) is not None:
            packet = stream.bytes_of(index)
            packet[10], packet[11] = packet[10] | 1, 0xFF


@packets("medium")
def null_packets_with_a_name(stream: Packets) -> None:
    """empty packets name a person and a place"""
    text = (b"Jane Doe, Elm Street 4, 52.5200 13.4050 " * 5)[:184]
    for _ in range(4):
        stream.insert(stream.count // 2, bytes.fromhex("471fff10") + text)


@packets("medium", everywhere=True)
def service_called_encrypted(stream: Packets) -> None:
    """the description of the service says that it is encrypted"""
    stream.change_service(lambda section: section.__setitem__(14, section[14] | 0x10))


@packets("light", everywhere=True)
def service_of_another_programme(stream: Packets) -> None:
    """the description of the service is that of a programme that there is not"""
    stream.change_service(lambda section: section.__setitem__(12, 2))


@packets("medium")
def clock_runs_backward(stream: Packets) -> None:
    """one PCR is before the last one"""
    index = [i for i in range(stream.count) if stream.pcr(i) is not None][4]
    stream.set_pcr(index, stream.pcr(index) - 27_000_000)


@packets("medium")
def clock_after_the_pictures(stream: Packets) -> None:
    """the PCR is later than what it is the clock of"""
    for index in range(stream.count):
        pcr = stream.pcr(index)
        if pcr is not None:
            stream.set_pcr(index, pcr + 4 * 27_000_000)


@packets("grave")
def timestamps_start_anew(stream: Packets) -> None:
    """a segment's timestamps start anew at zero"""
    stream.shift(-stream.first_time() + 126_000)


@packets("grave")
def segment_late_by_its_clock(stream: Packets) -> None:
    """a segment's timestamps are a second late"""
    stream.shift(90_000)


@packets("medium")
def timestamp_wrong_once(stream: Packets) -> None:
    """one timestamp is a second late"""
    stream.shift(90_000, only=[stream.pes()[12]])


@packets("medium", SEEN)
def timestamps_swapped(stream: Packets) -> None:
    """the timestamps of two frames are exchanged"""
    first, second = stream.pes()[20], stream.pes()[23]
    apart = stream.time(second) - stream.time(first)
    stream.shift(apart, only=[first])
    stream.shift(-apart, only=[second])


@packets("medium", SEEN)
def decoding_after_showing(stream: Packets) -> None:
    """a picture is to be decoded after it is shown"""
    index = next(i for i in stream.pes()[5:] if stream.has_dts(i))
    stream.set_time(index, stream.dts(index) + 9000, dts=True)


@packets("medium", SEEN)
def decoding_order_broken(stream: Packets) -> None:
    """a picture is to be decoded before the one in front of it"""
    index = [i for i in stream.pes()[5:] if stream.has_dts(i)][3]
    stream.set_time(index, stream.dts(index) - 20_000, dts=True)


@packets("grave", BOTH, everywhere=True)
def sound_late_by_its_timestamps(stream: Packets) -> None:
    """all timestamps of the sound are 150 ms late"""
    stream.shift(13_500, only=stream.pes(0x101))


@packets("medium", BOTH)
def sound_late_in_a_segment(stream: Packets) -> None:
    """the timestamps of the sound are 150 ms late in one segment"""
    stream.shift(13_500, only=stream.pes(0x101))


# --- Headers of elementary streams ------------------------------------------------------------------------------------


@packets("medium")
def start_code_wrong(stream: Packets) -> None:
    """the start code of a frame's header is wrong"""
    index = stream.pes()[8]
    stream.bytes_of(index)[stream.payload_start(index) + 2] = 0x02


@packets("medium", everywhere=True)
def stream_number_wrong(stream: Packets) -> None:
    """headers call the first track a private stream"""
    for index in stream.pes():
        stream.bytes_of(index)[stream.payload_start(index) + 3] = 0xBD


@packets("medium")
def scrambled_bit_in_headers(stream: Packets) -> None:
    """the headers of frames say that they are encrypted"""
    for index in stream.pes():
        stream.bytes_of(index)[stream.payload_start(index) + 6] |= 0x10


@packets("medium", HEARD)
def length_of_a_frame_wrong(stream: Packets) -> None:
    """a header of sound says a wrong length"""
    index = stream.pes(stream.sound_pid)[5]
    at = stream.payload_start(index) + 4
    stream.bytes_of(index)[at : at + 2] = b"\x00\x40"


@packets("light")
def copyright_bit_set(stream: Packets) -> None:
    """headers say that the contents are protected"""
    for index in stream.pes():
        stream.bytes_of(index)[stream.payload_start(index) + 6] |= 0x08


@packets("grave", HEARD)
def adts_rate_wrong(stream: Packets) -> None:
    """headers of AAC say 24,000 samples a second"""
    stream.in_sound(lambda frame: frame.__setitem__(2, frame[2] & 0xC3 | 6 << 2))


@packets("grave", HEARD)
def adts_channels_wrong(stream: Packets) -> None:
    """headers of AAC say one channel"""
    stream.in_sound(lambda frame: frame.__setitem__(3, frame[3] & 0x3F | 0x40))


@packets("medium", HEARD)
def adts_profile_wrong(stream: Packets) -> None:
    """headers of AAC say another profile"""
    stream.in_sound(lambda frame: frame.__setitem__(2, frame[2] & 0x3F))


@packets("medium", SEEN, everywhere=True)
def key_frame_without_parameters(stream: Packets) -> None:
    """key frames inside a segment come without parameter sets"""
    stream.hide_units((7, 8), after_first=True)


@packets("grave", SEEN)
def segment_without_parameters(stream: Packets) -> None:
    """a segment starts without parameter sets"""
    stream.hide_units((7, 8), after_first=False)


@packets("grave", SEEN)
def key_frame_called_another(stream: Packets) -> None:
    """the first key frame of a segment says that it is none"""
    stream.rename_unit(5, 0x61)


@packets("light", SEEN)
def delimiters_missing(stream: Packets) -> None:
    """there are no access unit delimiters"""
    stream.hide_units((9,), after_first=True)


# --- Whole segments ---------------------------------------------------------------------------------------------------


def _neighbours(piece: Workpiece) -> tuple[Path, Path]:
    first, second = piece.segments[:2]
    return first, second


@mutant(AREA, "grave", Seam.SEGMENTS, ("film", "music"))
def segments_swapped(piece: Workpiece) -> None:
    """two segments are exchanged"""
    first, second = _neighbours(piece)
    first_data, second_data = first.read_bytes(), second.read_bytes()
    first.write_bytes(second_data)
    second.write_bytes(first_data)


@mutant(AREA, "grave", Seam.SEGMENTS, ("film", "music"))
def segment_twice(piece: Workpiece) -> None:
    """the second segment is the first one again"""
    first, second = _neighbours(piece)
    second.write_bytes(first.read_bytes())


@mutant(AREA, "grave", Seam.SEGMENTS, ANY)
def segment_empty(piece: Workpiece) -> None:
    """a segment has no bytes"""
    piece.segment().write_bytes(b"")


@mutant(AREA, "grave", Seam.SEGMENTS, ANY)
def segment_is_an_error_page(piece: Workpiece) -> None:
    """a segment is a server's page about an error"""
    piece.segment().write_text("<html><body>503 Service Unavailable</body></html>\n" * 8)


@mutant(AREA, "grave", Seam.SEGMENTS, ANY)
def segment_cut_off(piece: Workpiece) -> None:
    """the last third of a segment is missing"""
    data = piece.segment().read_bytes()
    piece.segment().write_bytes(data[: len(data) // 188 * 2 // 3 * 188])


@mutant(AREA, "grave", Seam.SEGMENTS, ANY)
def segment_zeroed(piece: Workpiece) -> None:
    """the middle of a segment is zeros, as after a broken transfer"""
    data = bytearray(piece.segment().read_bytes())
    start = len(data) // 188 // 2 * 188
    data[start : start + 188 * 40] = bytes(188 * 40)
    piece.segment().write_bytes(bytes(data))


@mutant(AREA, "grave", Seam.SEGMENTS, ("flat", "silent"))
def segment_is_an_mp4(piece: Workpiece) -> None:
    """a segment is an mp4"""
    path = piece.segment()
    mp4 = piece.scratch / "segment.mp4"
    piece.tools.ffmpeg(["-i", str(path), "-c", "copy", "-f", "mp4", str(mp4)], label="writing another container")
    path.write_bytes(mp4.read_bytes())


@mutant(AREA, "medium", Seam.SEGMENTS, ANY)
def segment_joined_twice(piece: Workpiece) -> None:
    """a segment's bytes come twice in a row"""
    data = piece.segment().read_bytes()
    piece.segment().write_bytes(data + data)


PICTURE_PID, SOUND_PID = 0x100, 0x101


@packets("medium", SEEN, everywhere=True)
def pictures_unevenly_timed(stream: Packets) -> None:
    """every second picture is shown 10 ms late"""
    order = sorted(stream.pes(PICTURE_PID), key=stream.time)
    for index in order[2:-2:2]:
        stream.set_time(index, stream.time(index) + 900)


@packets("medium", BOTH, everywhere=True)
def sound_unevenly_timed(stream: Packets) -> None:
    """every second packet of the sound comes 11 ms late"""
    for index in stream.pes(SOUND_PID)[1:-1:2]:
        stream.set_time(index, stream.time(index) + 1000)


# --- What the parameter sets say --------------------------------------------------------------------------------------

METADATA: tuple[tuple[str, Harm, str, str], ...] = (
    ("matrix_tag_wrong", "medium", "the parameters say BT.601's matrix", "matrix_coefficients=6"),
    ("transfer_tag_wrong", "grave", "the parameters say PQ, so that players show HDR", "transfer_characteristics=16"),
    ("primaries_tag_wrong", "medium", "the parameters say BT.2020's primaries", "colour_primaries=9"),
    ("range_tag_wrong", "medium", "the parameters say full range", "video_full_range_flag=1"),
    ("tags_missing", "medium", "the parameters do not say which colours these are",
     "matrix_coefficients=2:transfer_characteristics=2:colour_primaries=2"),
    ("pixels_not_square", "medium", "the parameters say pixels of 4:3", "sample_aspect_ratio=4/3"),
    ("level_too_low", "medium", "the parameters say level 1", "level=1"),
    ("level_too_high", "light", "the parameters say level 5.2", "level=5.2"),
    ("cropped_by_parameters", "medium", "the parameters cut 16 lines off", "crop_bottom=16"),
    ("frame_rate_of_parameters_wrong", "medium", "the parameters say twice the frame rate",
     "tick_rate=120"),
    ("turned_by_a_message", "grave", "a message tells players to turn the picture",
     "display_orientation=insert:rotate=90"),
    ("edges_may_be_cut", "light", "the parameters let players cut off the edges", "overscan_appropriate_flag=1"),
    ("signed_by_a_message", "light", "a message names a person and a place",
     "sei_user_data=086f3693-b7b3-4f2c-9653-21492feee5b8+Jane_Doe_52.5N_13.4E"),
)  # fmt: skip


def _with_metadata(options: str, piece: Workpiece) -> None:
    encode_picture(piece, encoder=("-bsf:v", f"h264_metadata={options}"))


for _name, _harm, _description, _options in METADATA:
    register(
        Mutant(
            _name,
            "transport stream",
            _harm,
            Seam.SEGMENTS,
            _description,
            ("flat", "silent", "film"),
            partial(_with_metadata, _options),
        )
    )


@packets("light", SEEN, everywhere=True)
def key_frames_unmarked(stream: Packets) -> None:
    """no packet says that a player can start at it"""
    for index in stream.pes(PICTURE_PID):
        stream.bytes_of(index)[5] &= ~0x40


@packets("medium", BOTH, everywhere=True)
def every_picture_marked(stream: Packets) -> None:
    """every picture's packet says that a player can start at it"""
    for index in stream.pes(PICTURE_PID):
        if stream.bytes_of(index)[3] & 0x20 and stream.bytes_of(index)[4]:
            stream.bytes_of(index)[5] |= 0x40


@packets("medium", HEARD, everywhere=True)
def sound_without_times(stream: Packets) -> None:
    """the first frames of a segment's sound have a time, and no others"""
    for index in stream.pes(stream.sound_pid)[1:]:
        packet, start = stream.bytes_of(index), stream.payload_start(index)
        packet[start + 7] &= 0x3F
        packet[start + 9 : start + 14] = b"\xff" * 5


@packets("light", BOTH, everywhere=True)
def language_named(stream: Packets) -> None:
    """the tables say which language the sound is in"""
    stream.describe_last_entry(b"\x0a\x04fra\x00")


@packets("medium", SEEN)
def sequence_ends_inside(stream: Packets) -> None:
    """a sequence of pictures ends in front of a picture that is no key frame"""
    # The last packet of a picture is stuffed: four bytes of that become an end of sequence.
    frames = stream.pes(PICTURE_PID)
    for before, after in pairwise(stream.of(PICTURE_PID)):
        packet = stream.bytes_of(before)
        if after in frames[10:] and not stream.bytes_of(after)[5] & 0x40 and packet[3] & 0x20 and packet[4] > 8:
            assert packet[5] & 0x10 == 0
            payload = packet[5 + packet[4] :]
            packet[4] -= 4
            packet[5 + packet[4] :] = payload + b"\0\0\1\x0a"
            return
    raise AssertionError("no packet is stuffed")


def _last_of_parameters(piece: Workpiece, bit: int, old: str, new: str) -> None:
    """Change the bits that stand so far in front of the last one of the SPS, of every segment."""
    for path in piece.segments:
        stream = Packets(path.read_bytes())
        for index, place in stream.units(7):
            unit = stream.unit_at(index, place).rstrip(b"\0")
            number = int.from_bytes(unit, "big")
            stop = (number & -number).bit_length() - 1
            shift = stop + bit
            mask = (1 << len(old)) - 1
            assert number >> shift & mask == int(old, 2), bin(number)
            number += int(new, 2) - int(old, 2) << shift
            stream.rewrite_unit(index, place, number.to_bytes(len(unit), "big"))
        path.write_bytes(stream.data)


@mutant(AREA, "medium", Seam.SEGMENTS, BOTH)
def picture_buffer_too_small(piece: Workpiece) -> None:
    """the parameters have players keep three pictures of the four that others are made of"""
    _last_of_parameters(piece, 1, "00101", "00100")


@mutant(AREA, "medium", Seam.SEGMENTS, BOTH)
def reordering_understated(piece: Workpiece) -> None:
    """the parameters say that one picture is decoded before an earlier one, where two are"""
    _last_of_parameters(piece, 6, "011", "010")


@mutant(AREA, "medium", Seam.SEGMENTS, ("flat", "portrait"))
def motion_understated(piece: Workpiece) -> None:
    """the parameters say that nothing moves farther than 16 pixels"""
    _last_of_parameters(piece, 9, "00010110001011", "00111000010000")


@mutant(AREA, "medium", Seam.SEGMENTS, BOTH)
def too_many_references(piece: Workpiece) -> None:
    """more pictures are referred to than the level allows decoders to keep"""
    encode_picture(piece, encoder=("-refs", "16", "-level", "3.0"))


@mutant(AREA, "medium", Seam.SEGMENTS, BOTH)
def sound_in_the_segment_before(piece: Workpiece) -> None:
    """half a second of a segment's sound lies in the segment before it"""
    first, second = _neighbours(piece)
    before, after = Packets(first.read_bytes()), Packets(second.read_bytes())
    begins = after.pes(SOUND_PID)
    start = after.time(begins[0])
    later = next(index for index in begins if after.time(index) - start > 45_000)
    moved = [index for index in after.of(SOUND_PID) if index < later]
    for index in moved:
        before.insert(before.count, after.packet(index))
    after.remove(moved)
    first.write_bytes(before.data)
    second.write_bytes(after.data)


@packets("light", BOTH, everywhere=True)
def delimiters_untrue(stream: Packets) -> None:
    """each picture's delimiter says that it needs no other"""
    for index, place in stream.units(9):
        stream.bytes_of(index)[place + 1] = 0x10


@packets("medium", SEEN)
def filling_with_a_name(stream: Packets) -> None:
    """what fills a picture up names a person and a place"""
    # The last packet of a picture is stuffed.
    text = b"\0\0\1\x0cJane Doe, Elm Street 4\x80"
    frames = stream.pes(PICTURE_PID)
    for before, after in pairwise(stream.of(PICTURE_PID)):
        packet = stream.bytes_of(before)
        if after in frames and packet[3] & 0x20 and packet[4] > 2 * len(text) and not packet[5] & 0x10:
            payload = packet[5 + packet[4] :]
            packet[4] -= len(text)
            packet[5 + packet[4] :] = payload + text
            return
    raise AssertionError("no packet is stuffed")


@packets("light", ANY, everywhere=True)
def network_named(stream: Packets) -> None:
    """the PAT names a table of a network"""
    stream.name_network()


@packets("light", HEARD, everywhere=True)
def sound_marked_as_a_copy(stream: Packets) -> None:
    """headers of AAC say that it is copyrighted, one bit of a number in each"""
    stream.in_sound(lambda frame: frame.__setitem__(3, frame[3] | 0x0C))


@packets("medium", BOTH)
def sound_before_its_pictures(stream: Packets) -> None:
    """all sound of a segment comes before its first picture"""
    sound = stream.of(SOUND_PID)
    moved = [stream.packet(index) for index in sound]
    stream.remove(sound)
    for packet in reversed(moved):
        stream.insert(3, packet)


def _of_profile(change: Callable[[bytearray], None], piece: Workpiece) -> None:
    """Change the three bytes of the SPS that say profile, constraints and level, of every segment."""
    for path in piece.segments:
        stream = Packets(path.read_bytes())
        for index, place in stream.units(7):
            said = bytearray(stream.unit_at(index, place)[:4])
            change(said)
            stream.rewrite_unit(index, place, bytes(said))
        path.write_bytes(stream.data)


@mutant(AREA, "medium", Seam.SEGMENTS, BOTH)
def profile_understated(piece: Workpiece) -> None:
    """the parameters say Baseline of what only decoders of Main can show"""
    _of_profile(lambda said: said.__setitem__(1, 66), piece)


@mutant(AREA, "light", Seam.SEGMENTS, BOTH)
def reserved_bits_set(piece: Workpiece) -> None:
    """the parameters set bits of the profile that mean nothing"""
    _of_profile(lambda said: said.__setitem__(2, said[2] | 3), piece)


@mutant(AREA, "medium", Seam.SEGMENTS, BOTH)
def called_fit_for_baseline(piece: Workpiece) -> None:
    """the parameters say that decoders of Baseline can show it, too"""
    _of_profile(lambda said: said.__setitem__(2, said[2] | 0x80), piece)


@packets("light", HEARD, everywhere=True)
def sound_of_priority(stream: Packets) -> None:
    """adaptation fields say that the sound goes before others"""
    for index in stream.of(stream.sound_pid):
        packet = stream.bytes_of(index)
        if packet[3] & 0x20 and packet[4]:
            packet[5] |= 0x20
