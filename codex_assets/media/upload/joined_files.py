"""What lies in a file behind the one that it begins with: files that were joined byte by byte.

In: where the first one ends, and whether what follows is media, in containers that are not made to be joined so; of
those that are (MP3, AAC, Ogg, transport and programme streams: ffmpeg plays all of them), whether something of another
kind follows. Out: what becomes of an upload that holds several (`build/upload_check.py`).
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Collection, Mapping

from codex_assets.media.upload.ebml import CLUSTER, FILLING, IN_CLUSTER, IN_SEGMENT, SEGMENT, Data, element_at
from codex_assets.media.upload.headers import Box, boxes

QUICKTIME_STARTS = (b"ftyp", b"moov", b"mdat", b"wide", b"moof")
CHUNKED_STARTS = (b"RIFF", b"FORM")
EBML = b"\x1a\x45\xdf\xa3"
MATROSKA_TYPES = (b"matroska", b"webm")
EBML_HEADER = 64
"""Bytes in which a header names its kind."""
FLAC, CAF = b"fLaC\x00\x00\x00\x22", b"caff\x00\x01\x00\x00desc"
FLASH = tuple(b"FLV\x01" + flags + b"\x00\x00\x00\x09\x00\x00\x00\x00" for flags in (b"\x01", b"\x04", b"\x05"))
ASF, MXF = bytes.fromhex("3026b2758e66cf11a6d900aa0062ce6c"), bytes.fromhex("060e2b34020501010d0102010102")
AU, VOC, TTA = b".snd\x00\x00\x00", b"Creative Voice File\x1a", b"TTA1\x01\x00"
NUT, W64 = b"nut/multimedia container\x00NM", bytes.fromhex("726966662e91cf11a5d628db04c10000")
AMR, SPHERE, DSF = (b"#!AMR\n", b"#!AMR-WB\n"), b"NIST_1A\n   1024\n", b"DSD \x1c" + bytes(7)
SPHERE_HEADER = 1024
"""Bytes."""
Y4M, IVF = b"YUV4MPEG2 W", b"DKIF\0\0\x20\0"
BEGINNINGS = (FLAC, CAF, *FLASH, ASF, MXF, AU, VOC, TTA, NUT, W64, *AMR, SPHERE, DSF, Y4M, IVF)
"""How a file of FLAC, CAF, Flash, Windows Media, MXF, AU, VOC, True Audio, NUT, Wave64, AMR, NIST SPHERE, DSF,
YUV4MPEG2 and IVF begins, in so many bytes that nothing else does."""
LONG_WAVES = (b"RF64", b"BW64")
"""How a WAV begins that may be longer than 4 GiB, and whose sizes are in a chunk of their own (EBU Tech 3306)."""
DS64 = (12, 20, 28)
"""Where that chunk is named, and where the size of all that follows the first 8 bytes stands in it."""
WAVPACK, WAVPACK_FIRST = b"wvpk", 0x800
"""How a block of WavPack begins, and the flag of the first one of a moment (WavPack 4 & 5 Binary File Format, 2.0)."""
OGG, OGG_HEADER, OGG_BEGINS = b"OggS", 27, 0x02
"""How a page of Ogg begins, the bytes before its table of segments, and the flag of a track's first page (RFC 3533)."""
OTHER_BEGINNINGS = (OGG, b"ID3", b"\x00\x00\x01\xba", b"\xff\xfb", b"\xff\xf3", b"\xff\xf1", b"\xff\xf9")
"""Of Ogg, MP3, programme streams and AAC."""
OTHER_KINDS = re.compile(
    rb"\0\0\0[\x08-\x40]ftyp(?:iso[m2-9]|mp4[12]|avc1|M4[ABV] |qt  |3g[2p].|dash|MSNV)"
    rb"|\x1a\x45\xdf\xa3.{0,40}(?:matroska|webm)|RIFF.{4}(?:WAVEfmt |AVI LIST)",
    re.DOTALL,
)
"""Beginnings of films and WAV files, in so many bytes that no coded sound holds them. A cover may begin as a film does
(AVIF, HEIC), but for its brand."""
RIFF_KINDS = (b"WAVE", b"AVI ", b"AIFF", b"AIFC")
UNBOUNDED = (
    *(
        OGG,
        b"ID3",
        b"\xff\xfb",
        b"\xff\xf3",
        b"\xff\xf1",
        b"\xff\xf9",
        b"\x56\xe0",
        b"\x0b\x77",
        b"\x7f\xfe\x80\x01",
    ),
    *(b"#!AMR", b"MAC ", b"tBaK", b"\x00\x00\x01\xba", b"\x00\x00\x01\xb3", b"\x00\x00\x00\x01", b".RMF", b"DKIF"),
)
"""How files begin that do not say where they end: Ogg, MP3, AAC, AC-3, DTS, AMR, Monkey's Audio, TAK, programme
streams, raw streams of pictures, RealMedia, IVF. Most of them are made to be joined with more of their kind."""
TS_PACKET = 188
TS_STRIDES = (188, 192, 204)
"""Bytes from one packet of a transport stream to the next: alone, with a time before it, with a checksum behind it."""
SMALLEST_FILE = 256
"""Bytes; less is a tag, or padding."""
PART_HEAD = 32
"""Bytes in which a part of a file says how long it is."""
UNKNOWN_CHUNK = 0x7FFFF000
"""Bytes; a recorder that was switched off leaves such a length."""


def first_end(data: Data) -> int | None:
    """Where the first of several files ends (bytes); None where nothing that is media lies behind it."""
    if data[4:8] in QUICKTIME_STARTS:
        return _end_of_film(data)
    if data[:4] in CHUNKED_STARTS:
        return _end_of_chunks(data)
    if data[:4] in LONG_WAVES:
        return _end_of_long_wave(data)
    if data[:4] == EBML:
        return _end_of_matroska(data)
    if data[:4] == WAVPACK:
        return _end_of_wavpack(data)
    if data[:4] == OGG and (end := _end_of_ogg(data)) is not None:
        return end
    beginning = next((start for start in BEGINNINGS if data[: len(start)] == start), None)
    if beginning is None:
        is_searched = data[:12].startswith(UNBOUNDED) or (_begins_in_packets(data) and not _ends_in_packets(data))
        return _start_of_film(data) if is_searched else None
    end = _end_of_parts(data, beginning)
    if end and begins_media(data, end):
        return end
    at = data.find(beginning, 1)
    if at < 0 and beginning not in PARTS:
        return _start_of_film(data)
    return at if at >= 0 else None


def own_end(data: Data) -> int | None:
    """Where a Wave64, AU or NIST SPHERE file ends by its own size (bytes). Of a Wave64 behind which anything lies, be
    it zeros, ffmpeg reads nothing; of the others, it plays what lies there. None where nothing does, and of other
    containers."""
    head = data[:PART_HEAD]
    if data[: len(SPHERE)] == SPHERE:
        end = _end_of_sphere(data[:SPHERE_HEADER])
    else:
        end = _au_sound(head) if int.from_bytes(head[8:12], "big") else None
        end = _w64_file(head) if end is None else end
    return end if end is not None and 0 < end < len(data) else None


def _end_of_sphere(header: bytes) -> int | None:
    """Where the samples of a NIST SPHERE file end, by its header of lines: name, form and value. None of one whose
    samples are compressed, or that does not say."""
    fields = dict(re.findall(rb"^(\w+) -(?:i|s\d+) (\S+)", header, re.MULTILINE))
    counted = [fields.get(name, b"") for name in (b"sample_count", b"channel_count", b"sample_n_bytes")]
    is_plain = b"," not in fields.get(b"sample_coding", b"")
    if not is_plain or not all(number.isdigit() and len(number) < 12 for number in counted):
        return None
    size = math.prod(int(number) for number in counted)
    return SPHERE_HEADER + size if size else None


def _flash_tag(head: bytes) -> int | None:
    """Bytes of a tag, and of its length behind it (Adobe FLV 10.1, E.4); None where there is none. So the others."""
    is_tag = head[8:11] == bytes(3) and head[0] & 0xDF in (8, 9, 18)
    return 15 + int.from_bytes(head[1:4], "big") if is_tag else None


def asf_object(head: bytes) -> int | None:
    """Advanced Systems Format, 2.1. A length of 0 is that of a broadcast."""
    size = int.from_bytes(head[16:24], "little")
    return size if 24 <= size < 1 << 48 else None


def _caf_chunk(head: bytes) -> int | None:
    """Apple's Core Audio Format. The last one may be as long as the file, and says so by -1."""
    size = int.from_bytes(head[4:12], "big", signed=True)
    return 12 + size if head[:4].isalnum() and 0 <= size < 1 << 48 else None


def _au_sound(head: bytes) -> int | None:
    """Sun's and NeXT's format: the sound is one part, and its length may be unknown."""
    size = int.from_bytes(head[8:12], "big")
    return int.from_bytes(head[4:8], "big") + size if head[:4] == AU[:4] and size < UNKNOWN_CHUNK else None


def _w64_file(head: bytes) -> int | None:
    """Sony's Wave64: the first chunk holds all others."""
    size = int.from_bytes(head[16:24], "little")
    return size if head[:16] == W64 and size < 1 << 48 else None


def _mxf_packet(head: bytes) -> int | None:
    """SMPTE ST 377-1, 6.3.1."""
    if head[:4] != MXF[:4] or len(head) < PART_HEAD:
        return None
    following = head[16] & 0x7F if head[16] & 0x80 else 0
    length = int.from_bytes(head[17 : 17 + following], "big") if following else head[16]
    return 17 + following + length


PARTS: Mapping[bytes, tuple[int, Callable[[bytes], int | None]]] = {
    CAF: (8, _caf_chunk),
    ASF: (0, asf_object),
    MXF: (0, _mxf_packet),
    AU: (0, _au_sound),
    W64: (0, _w64_file),
    **{beginning: (len(beginning), _flash_tag) for beginning in FLASH},
}
"""Where the parts of a file begin that is made of such as say how long they are, and how they say it."""


def _end_of_parts(data: Data, beginning: bytes) -> int | None:
    """Where a file ends whose parts say how long they are; None of one whose parts do not."""
    if beginning not in PARTS:
        return None
    at, length = PARTS[beginning]
    while (size := length(data[at : at + PART_HEAD])) and at + size <= len(data):
        at += size
    return at


def begins_media(data: Data, start: int) -> bool:
    """Whether what lies at `start` begins as a media file does."""
    head = data[start : start + 2 * TS_PACKET + 1]
    if len(data) - start < SMALLEST_FILE:
        return False
    if head[:4] in (*CHUNKED_STARTS, *LONG_WAVES):
        return head[8:12] in RIFF_KINDS
    if head[:4] == EBML:
        return _names_matroska(head)
    is_transport_stream = head[::TS_PACKET] == b"\x47" * 3
    return is_transport_stream or head[4:8] == b"ftyp" or head.startswith((*BEGINNINGS, *OTHER_BEGINNINGS))


def _end_of_wavpack(data: Data) -> int | None:
    """Of a WavPack file: where something else begins, or sound that is counted anew. A tag may lie before it."""
    at = 0
    while data[at : at + 4] == WAVPACK:
        if at and _begins_wavpack(data, at):
            return at
        at += 8 + int.from_bytes(data[at + 4 : at + 8], "little")
    if begins_media(data, at):
        return at
    following = data.find(WAVPACK, at)
    return following if following >= 0 and _begins_wavpack(data, following) else None


def _end_of_ogg(data: Data) -> int | None:
    """Where the tracks of an Ogg begin anew (a chain: RFC 3533, 4); None where they do not. Of one track ffmpeg plays
    the next part too; of several, as films have them, the first part alone."""
    at, tracks, is_head = 0, 0, True
    while data[at : at + 4] == OGG:
        header = data[at : at + OGG_HEADER]
        begins = len(header) == OGG_HEADER and bool(header[5] & OGG_BEGINS)
        if begins and not is_head:
            return at if tracks > 1 else None
        is_head = begins
        tracks += 1 if begins else 0
        table = data[at + OGG_HEADER : at + OGG_HEADER + header[-1]]
        at += OGG_HEADER + len(table) + sum(table)
    return None


def _begins_wavpack(data: Data, at: int) -> bool:
    """Whether a block is the first one of a file: of the first moment, and the first of its channels."""
    head = data[at : at + PART_HEAD]
    is_first = bool(int.from_bytes(head[24:28], "little") & WAVPACK_FIRST)
    return len(head) == PART_HEAD and is_first and not (head[10] or any(head[16:20]))


def _begins_in_packets(data: Data) -> bool:
    """Whether a file begins as a transport stream does."""
    return any(data[start : start + 3 * stride : stride] == b"\x47" * 3 for stride in TS_STRIDES for start in (0, 4))


def _ends_in_packets(data: Data) -> bool:
    """Whether a transport stream goes on to the end of a file: one may carry whole files in its packets."""
    return any(
        data[len(data) - 4 * stride + phase :: stride][:3] == b"\x47" * 3
        for stride in TS_STRIDES
        for phase in range(stride)
        if len(data) >= 4 * stride
    )


def _start_of_film(data: Data) -> int | None:
    """Where a file of another kind begins behind a sound whose frames do not say where it ends."""
    # A tag may hold whole files (ID3v2.4, 3.1).
    tag = sum((byte & 0x7F) << shift for byte, shift in zip(data[6:10], (21, 14, 7, 0), strict=False))
    start = OTHER_KINDS.search(data, 10 + tag if data[:3] == b"ID3" else 1)
    return start.start() if start is not None and begins_media(data, start.start()) else None


def _end_of_matroska(data: Data) -> int | None:
    """Of a Matroska or WebM file."""
    at: int | None = 0
    while at is not None and (element := element_at(data, at)) is not None:
        if at and element.kind not in (SEGMENT, *FILLING):
            break
        at = element.end if element.end is not None else _end_of_unsized(data, element.content, IN_SEGMENT)
    if at is not None and (at == len(data) or begins_media(data, at)):
        return at if at < len(data) else None
    # Damaged, or cut off, or with something behind it that is no media.
    return _next_matroska(data)


def _end_of_unsized(data: Data, at: int, kinds: Collection[int]) -> int | None:
    """Where a segment or cluster of unstated length ends: before the first element that cannot be in it."""
    while (element := element_at(data, at)) is not None and element.kind in kinds:
        end = element.end
        if end is None:
            end = _end_of_unsized(data, element.content, IN_CLUSTER) if element.kind == CLUSTER else None
        if end is None or end > len(data):
            return None
        at = end
    return at


def _next_matroska(data: Data) -> int | None:
    """Where another Matroska or WebM file begins."""
    at = data.find(EBML, 4)
    while at >= 0:
        if _names_matroska(data[at : at + EBML_HEADER]):
            return at
        at = data.find(EBML, at + 1)
    return None


def _names_matroska(header: bytes) -> bool:
    return any(kind in header[:EBML_HEADER] for kind in MATROSKA_TYPES)


def _end_of_film(data: Data) -> int | None:
    """Of an MP4 or QuickTime file (ISO/IEC 14496-12)."""
    index: Box | None = None
    fragment: Box | None = None
    data_first, end = False, 0
    for box in boxes(_reader(data), 0, len(data)):
        if not (box.kind.isalnum() and box.kind.isascii()) or box.end > len(data):
            break
        if index is not None and box.kind in (b"ftyp", b"moov") and not _goes_on(data, fragment, box):
            # Old ones begin without a mark: data that lies behind an index belongs to it only where none lies before.
            return index.end if box.kind == b"moov" and data_first else box.start
        if box.kind == b"moov" and index is None:
            index = box
        data_first = data_first or (box.kind == b"mdat" and index is None)
        fragment = box if box.kind == b"moof" else fragment
        end = box.end
    return end if index is not None and begins_media(data, end) else None


def _goes_on(data: Data, last: Box | None, start: Box) -> bool:
    """Whether the fragments behind another beginning go on in time behind the `last` one before it: a stream whose
    header is repeated, and no other film."""
    following = next((box for box in boxes(_reader(data), start.end, len(data)) if box.kind == b"moof"), None)
    if last is None or following is None:
        return False
    before, after = _decode_times(data, last), _decode_times(data, following)
    shared = before.keys() & after.keys()
    return bool(shared) and all(after[track] > before[track] for track in shared)


def _decode_times(data: Data, fragment: Box) -> dict[int, int]:
    """When the samples of a fragment begin, by the number of the track."""
    times = {}
    for part in boxes(_reader(data), fragment.content, fragment.end):
        inner = {box.kind: box for box in boxes(_reader(data), part.content, part.end)} if part.kind == b"traf" else {}
        if b"tfhd" in inner and b"tfdt" in inner:
            track = _number(data, inner[b"tfhd"].content + 4, 4)
            wide = _number(data, inner[b"tfdt"].content, 1) == 1
            times[track] = _number(data, inner[b"tfdt"].content + 4, 8 if wide else 4)
    return times


def _end_of_chunks(data: Data) -> int | None:
    """Of a RIFF or AIFF file. An AVI over 1 GB goes on in further chunks, which are its own."""
    end = 0
    while True:
        head = data[end : end + 12]
        length = int.from_bytes(head[4:8], "big" if head[:4] == b"FORM" else "little")
        if len(head) < 12 or (end and (head[:4], head[8:12]) != (b"RIFF", b"AVIX")):
            break
        if not 0 < length < UNKNOWN_CHUNK:
            return None
        end += 8 + length + length % 2
    return end if begins_media(data, end) else None


def _end_of_long_wave(data: Data) -> int | None:
    name, start, end = DS64
    size = int.from_bytes(data[start:end], "little")
    is_sized = data[name : name + 4] == b"ds64" and 0 < size < 1 << 48
    return 8 + size if is_sized and begins_media(data, 8 + size + size % 2) else None


def _reader(data: Data) -> Callable[[int, int], bytes]:
    return lambda start, length: data[start : start + length]


def _number(data: Data, start: int, length: int) -> int:
    return int.from_bytes(data[start : start + length], "big")
