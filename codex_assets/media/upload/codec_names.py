"""Which codec a track is in, where ffmpeg does not know it or takes it for another, and what people call it. Pure.

In: what containers say of the codecs of their tracks (descriptors, CodecIDs, tags), read from a file's beginning and
end. Out: which tracks this ffmpeg decodes (`decoders.py`, `build/decodable_tracks.py`).
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

PUBLIC_NAMES = {
    **dict.fromkeys(("ac4", "ac-4", "A_AC4"), "AC-4"),
    **dict.fromkeys(("mpegh_3d_audio", "mhm1", "mhm2", "mha1", "mha2", "A_MPEGH"), "MPEG-H"),
    **dict.fromkeys(("vvc", "vvc1", "vvi1", "V_MPEGI/ISO/VVC"), "VVC"),
    **dict.fromkeys(("evc", "evc1", "V_MPEGI/ISO/EVC"), "EVC"),
    **dict.fromkeys(("lvc1", "lcevc"), "LCEVC"),
    **dict.fromkeys(("apv1", "apv"), "APV"),
    **dict.fromkeys(("avs3", "V_AVS3"), "AVS3"),
    **dict.fromkeys(("avs2", "V_AVS2"), "AVS2"),
    **dict.fromkeys(("jxsm", "jpegxs"), "JPEG XS"),
    **dict.fromkeys(("aprn", "aprh"), "ProRes RAW"),
    **dict.fromkeys(("brxq", "brst", "brvn", "brs2", "brxh"), "Blackmagic RAW"),
    **dict.fromkeys(("CRAW", "CRX "), "Canon RAW"),
    **dict.fromkeys(("dtsx", "dtsy", "dts_uhd"), "DTS:X"),
    **dict.fromkeys(("apac",), "Apple Positional Audio"),
    **dict.fromkeys(("iamf",), "IAMF"),
}
"""What ffmpeg and containers call a codec -> what people call it; others are called as ffmpeg calls them."""
XHE_AAC = "xHE-AAC"
UNKNOWN = "a rare one"
_NAME = re.compile(r"[A-Za-z0-9][\w./ -]{1,39}")

_TS_TYPES = {
    **dict.fromkeys((0x2D, 0x2E), ("audio", "mpegh_3d_audio")),
    **dict.fromkeys((0x33, 0x34), ("video", "vvc")),
    0x35: ("video", "evc"),
    0x32: ("video", "jpegxs"),
    0xD2: ("video", "avs2"),
    0xD4: ("video", "avs3"),
}
"""Stream types of a transport stream (ISO/IEC 13818-1, table 2-34, and users' own) that not every ffmpeg knows: those
that it does not know it guesses from the first packets, and takes for MP3."""
_DVB_EXTENSION, _REGISTRATION = 0x7F, 0x05
_TS_EXTENSIONS = {0x15: "ac4", 0x21: "dts_uhd"}
"""Sounds in private data, by the tag of their DVB extension descriptor (ETSI EN 300 468, 6.4)."""
_TS_REGISTERED = {b"AC-4": "ac4", b"mhm1": "mpegh_3d_audio"}
_MATROSKA_CODEC = re.compile(rb"\x86(?:\x40)?([\x03-\x28\x83-\xa8])(?=([VASD]_[A-Z][\w/.]{1,38}))")
"""A CodecID (RFC 9559, 5.1.4.1.21), its size and what begins with it: every track has one, in order."""
_FLV_CODECS = {12: "hevc", 13: "av1", 14: "vvc"}
"""Of a picture, as encoders number them that go beyond the specification."""
_FLV_FOURCC = {b"hvc1": "hevc", b"av01": "av1", b"vp09": "vp9", b"vp08": "vp8", b"avc1": "h264", b"vvc1": "vvc"}
_FLV_SOUNDS = {b"Opus": "opus", b"fLaC": "flac", b"ac-3": "ac3", b"ec-3": "eac3", b".mp3": "mp3", b"mp4a": "aac"}
_FLV_TAGS = 200
"""Tags of which the first picture and sound are looked for."""
_OBJECT_TYPE_42 = re.compile(
    rb"esds.{4,40}?\x05(?:\x80\x80\x80)?[\x02-\x7f]\xf9[\x40-\x5f]|\x63\xa2[\x82-\xff]\xf9[\x40-\x5f]"
    rb"|\xaf\x00\xf9[\x40-\x5f]",
    re.DOTALL,
)
"""USAC, by the object type of its configuration (ISO/IEC 14496-3, 1.6.2.1): in an mp4, a Matroska file, and FLV."""


def public_name(codec: str) -> str:
    """What people call a codec that ffmpeg or a container calls `codec`."""
    if codec in PUBLIC_NAMES:
        return PUBLIC_NAMES[codec]
    return codec if _NAME.fullmatch(codec) else UNKNOWN


def unopened_name(codec: str, head: bytes) -> str:
    """The codec of a track whose decoder does not start with it. `head`: the file's beginning and end."""
    return XHE_AAC if codec in ("aac", "aac_latm") and _OBJECT_TYPE_42.search(head) else codec


def with_declared_codecs(probed: Mapping[str, Any], head: bytes) -> dict[str, Any]:
    """ffprobe's JSON, with the tracks that it does not know, or takes for something else than their container says.

    Such a track has no `codec_name`, and its `codec_tag_string` is the codec's name. `head`: as of `unopened_name`.
    """
    form = probed.get("format")
    container = str(form.get("format_name", "")) if isinstance(form, dict) else ""
    streams = [stream for stream in probed.get("streams", []) if isinstance(stream, dict)]
    if container == "mpegts":
        streams = _of_transport_stream(streams, dict(_programme_codecs(head)))
    elif "matroska" in container.split(","):
        names = [match[2][: match[1][0] & 0x7F].decode() for match in _MATROSKA_CODEC.finditer(head)]
        streams = [_named(stream, names) for stream in streams]
    elif container in ("flv", "live_flv"):
        codecs = _flv_codecs(head)
        streams = [_tagged(stream, codecs.get(str(stream.get("codec_type")))) for stream in streams]
    return {**probed, "streams": streams}


def _of_transport_stream(
    streams: Sequence[Mapping[str, Any]], declared: Mapping[int, tuple[str, str]]
) -> list[dict[str, Any]]:
    corrected = []
    for stream in streams:
        kind, codec = declared.get(_number(stream.get("id")), ("", ""))
        if codec and stream.get("codec_name") != codec:
            stream = {**stream, "codec_type": kind, "codec_tag_string": codec}
            stream.pop("codec_name", None)
        corrected.append(dict(stream))
    return corrected


def _number(text: object) -> int:
    try:
        return int(str(text), 0)
    except ValueError:
        return -1


def _named(stream: Mapping[str, Any], names: Sequence[str]) -> dict[str, Any]:
    """A track of a Matroska file with its CodecID in the place of its tag, where ffmpeg knows neither."""
    index = stream.get("index")
    name = names[index] if isinstance(index, int) and index < len(names) else ""
    is_its_own = {"video": "V_", "audio": "A_"}.get(str(stream.get("codec_type"))) == name[:2]
    return _tagged(stream, name if is_its_own else None)


def _tagged(stream: Mapping[str, Any], codec: str | None) -> dict[str, Any]:
    if codec is None or stream.get("codec_name"):
        return dict(stream)
    return {**stream, "codec_tag_string": codec}


# --- Transport streams ------------------------------------------------------------------------------------------------


def _programme_codecs(head: bytes) -> Iterator[tuple[int, tuple[str, str]]]:
    """(PID, (kind, codec)) of the streams of `_TS_TYPES` that the tables of programmes list (ISO/IEC 13818-1,
    2.4.4.8)."""
    for table in _programme_tables(head):
        at = 12 + (int.from_bytes(table[10:12], "big") & 0xFFF)
        while at + 5 <= len(table) - 4:
            number = int.from_bytes(table[at + 1 : at + 3], "big") & 0x1FFF
            length = int.from_bytes(table[at + 3 : at + 5], "big") & 0xFFF
            codec = _stream_codec(table[at], table[at + 5 : at + 5 + length])
            if codec is not None:
                yield number, codec
            at += 5 + length


def _stream_codec(stream_type: int, descriptors: bytes) -> tuple[str, str] | None:
    if stream_type in _TS_TYPES:
        return _TS_TYPES[stream_type]
    at = 0
    while stream_type == 0x06 and at + 2 < len(descriptors):
        tag, body = descriptors[at], descriptors[at + 2 : at + 2 + descriptors[at + 1]]
        codec = _TS_REGISTERED.get(body[:4]) if tag == _REGISTRATION else None
        if tag == _DVB_EXTENSION and body:
            codec = _TS_EXTENSIONS.get(body[0])
        if codec is not None:
            return "audio", codec
        at += 2 + descriptors[at + 1]
    return None


def _programme_tables(head: bytes) -> Iterator[bytes]:
    """The first table of each programme, without what an error may have hit: only whole ones."""
    start, stride = _packet_grid(head)
    parts: dict[int, bytearray] = {}
    done: set[int] = set()
    for at in range(start, len(head) - 187, stride):
        number = (head[at + 1] & 0x1F) << 8 | head[at + 2]
        if head[at] != 0x47 or number in done or not head[at + 3] & 0x10:
            continue
        payload = head[at + (5 + head[at + 4] if head[at + 3] & 0x20 else 4) : at + 188]
        if head[at + 1] & 0x40 and payload:
            section = payload[1 + payload[0] :]
            if section[:1] != b"\x02" or not len(section) > 12 or section[1] & 0xC0 != 0x80:
                continue
            parts[number] = bytearray(section)
        elif number in parts:
            parts[number] += payload
        if number in parts:
            length = 3 + (int.from_bytes(parts[number][1:3], "big") & 0xFFF)
            if len(parts[number]) >= length:
                done.add(number)
                yield bytes(parts[number][:length])


def _packet_grid(head: bytes) -> tuple[int, int]:
    """Where the first packet begins, and how far apart packets are (plain, of Blu-ray, with error correction)."""
    for start in range(min(208, len(head))):
        for stride in (188, 192, 204):
            marks = head[start : start + 5 * stride : stride]
            if len(marks) >= 3 and marks.strip(b"\x47") == b"":
                return start, stride
    return len(head), 188


# --- FLV --------------------------------------------------------------------------------------------------------------


def _flv_codecs(head: bytes) -> dict[str, str]:
    """The codec of the first picture and of the first sound, where it is one that not every ffmpeg knows."""
    codecs: dict[str, str] = {}
    at = int.from_bytes(head[5:9], "big") + 4
    for _ in range(_FLV_TAGS):
        kind, length, data = head[at : at + 1], int.from_bytes(head[at + 1 : at + 4], "big"), head[at + 11 : at + 17]
        if len(data) < 6:
            break
        if kind == b"\x09" and "video" not in codecs:
            extended = _FLV_FOURCC.get(data[1:5]) if data[0] & 0x80 else _FLV_CODECS.get(data[0] & 0x0F)
            codecs |= {"video": extended} if extended is not None else {}
        elif kind == b"\x08" and "audio" not in codecs and data[0] >> 4 == 9 and data[1:5] in _FLV_SOUNDS:
            codecs["audio"] = _FLV_SOUNDS[data[1:5]]
        at += 15 + length
    return {kind: f"{codec.upper()} in FLV" for kind, codec in codecs.items()}
