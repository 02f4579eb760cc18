"""Files that no job may accept: what creators upload by mistake, and what an attacker uploads on purpose.

Every one is made here, small, from bytes or by ffmpeg; none is committed. `REFUSED` says of each how the job must
refuse it. Those that name other files are given a canary (a file on this machine) and a loopback port by `Lures`.
"""

# A case is a line of a table, and reads as one.
# ruff: noqa: E501

from __future__ import annotations

import io
import json
import random
import struct
import subprocess
import tarfile
import zipfile
import zlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

FFMPEG = ("ffmpeg", "-nostdin", "-y", "-loglevel", "error")


@dataclass(frozen=True)
class Lures:
    """What a hostile file tries to reach: a file of this machine, and ports of a listener (TCP and UDP)."""

    folder: Path
    canary: Path
    port: int

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"


Make = Callable[[Lures], bytes]


@dataclass(frozen=True)
class Hostile:
    """One file, what it is uploaded as, and the codes (nearly always one) that may refuse it.

    `plain`: that a plain `ffmpeg -i` goes where the file leads: "canary", "tcp", "udp"; with these options.
    """

    name: str
    media_type: str
    codes: tuple[str, ...]
    make: Make
    plain: str | None = None
    options: tuple[str, ...] = ()
    slow: bool = False


REFUSED: dict[str, Hostile] = {}


def refused(
    name: str,
    media_type: str,
    *codes: str,
    plain: str | None = None,
    options: Sequence[str] = (),
    slow: bool = False,
) -> Callable[[Make], Make]:
    """Registers a maker. `name` ends in the extension that the file is uploaded under."""

    def register(make: Make) -> Make:
        assert name not in REFUSED, name
        full_codes = tuple(f"source_{code}" for code in codes)
        REFUSED[name] = Hostile(name, media_type, full_codes, make, plain, tuple(options), slow)
        return make

    return register


def fixed(name: str, media_type: str, code: str, data: bytes, **more: object) -> None:
    refused(name, media_type, code, **more)(lambda _: data)  # type: ignore[arg-type]


def made(lures: Lures, suffix: str, *arguments: str) -> bytes:
    """What ffmpeg makes of `arguments`, by way of a file."""
    path = lures.folder / f"made.{suffix}"
    subprocess.run([*FFMPEG, *arguments, str(path)], check=True)
    return path.read_bytes()


PICTURE = ("-f", "lavfi", "-i", "testsrc2=size=64x48:rate=10:duration=2")
SOUND = ("-f", "lavfi", "-i", "sine=duration=2")
CODED = ("-c:v", "libx264", "-preset", "ultrafast", "-pix_fmt", "yuv420p", "-c:a", "aac")

# --- No media ---------------------------------------------------------------------------------------------------------

HTML = b"<!DOCTYPE html><html><head><title>Log in</title></head><body>Please log in.</body></html>"
PNG = b"\x89PNG\r\n\x1a\n"


def chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def png(width: int, height: int, rows: bytes) -> bytes:
    """A grey PNG that says to be this large; `rows` is what its deflated data inflates to."""
    head = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    return PNG + chunk(b"IHDR", head) + chunk(b"IDAT", zlib.compress(rows, 9)) + chunk(b"IEND", b"")


def archive() -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as file:
        file.writestr("holiday.mp4", b"\0" * 5000)
    return buffer.getvalue()


def tape() -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as file:
        file.addfile(tarfile.TarInfo("holiday.mp4"), io.BytesIO())
    return buffer.getvalue()


fixed("empty.mp4", "video", "empty", b"")
fixed("empty.mp3", "audio", "empty", b"")
fixed("one-byte.mp4", "video", "not_media", b"\0")
fixed("noise.mp4", "video", "not_media", random.Random(4).randbytes(65536))
fixed("noise.wav", "audio", "not_media", random.Random(5).randbytes(65536))
fixed("zeros.mov", "video", "not_media", bytes(65536))
fixed("text.mp4", "video", "not_media", b"this is no video, whatever its name says\n" * 50)
fixed("utf16.mp3", "audio", "not_media", "no sound".encode("utf-16") * 50)
fixed("page.mp4", "video", "not_media", HTML)
fixed("answer.mp4", "video", "not_media", json.dumps({"error": "not found", "code": 404}).encode())
fixed("document.mp4", "video", "not_media", b"%PDF-1.7\n%\xe2\xe3\xcf\xd3\n1 0 obj\n<< >>\nendobj\n" + bytes(500))
fixed("archive.mp4", "video", "not_media", archive())
fixed("tape.mp4", "video", "not_media", tape())
fixed("program.mp4", "video", "not_media", b"MZ\x90\0\x03" + bytes(2000))
fixed("elf.mp3", "audio", "not_media", b"\x7fELF\x02\x01\x01" + bytes(2000))
fixed("picture-png.mp4", "video", "not_media", png(8, 8, bytes(9 * 8)))
fixed("picture-svg.mp4", "video", "not_media", b'<?xml version="1.0"?><svg xmlns="http://www.w3.org/2000/svg"/>')
fixed("subtitles.mp4", "video", "not_media", b"1\n00:00:00,000 --> 00:00:02,000\nHello\n\n")
fixed("subtitles.mkv", "video", "not_media", b"[Script Info]\nTitle: none\n\n[Events]\n")
fixed("webvtt.mp4", "video", "not_media", b"WEBVTT\n\n00:00.000 --> 00:02.000\nHello\n")
fixed("metadata.mp4", "video", "not_media", b";FFMETADATA1\ntitle=none\n[CHAPTER]\nTIMEBASE=1/1\nSTART=0\nEND=9\n")
fixed("notes.mid", "audio", "unsupported", b"MThd\0\0\0\x06\0\0\0\x01\0\x60MTrk\0\0\0\x04\0\xff\x2f\0")
fixed("database.mp4", "video", "not_media", b"SQLite format 3\0" + bytes(1000))


@refused("picture-jpeg.mp4", "video", "not_media")
def _jpeg(lures: Lures) -> bytes:
    return made(lures, "jpg", *PICTURE, "-frames:v", "1")


@refused("picture-gif.mp4", "video", "not_media")
def _gif(lures: Lures) -> bytes:
    return made(lures, "gif", *PICTURE)


# --- Files that name other files --------------------------------------------------------------------------------------


def elsewhere(name: str, text: str, **more: object) -> None:
    """`text` may hold {url}, {canary} and {port}."""

    def make(lures: Lures) -> bytes:
        filled = text.replace("{url}", lures.url).replace("{canary}", str(lures.canary))
        return filled.replace("{port}", str(lures.port)).encode()

    refused(name, "audio" if name.endswith((".mp3", ".wav")) else "video", "elsewhere", **more)(make)  # type: ignore[arg-type]


HLS = "#EXTM3U\n#EXT-X-VERSION:3\n#EXT-X-TARGETDURATION:6\n{tags}#EXTINF:6,\n{uri}\n#EXT-X-ENDLIST\n"
MPD = (
    '<?xml version="1.0"?>\n<MPD xmlns="urn:mpeg:dash:schema:mpd:2011" type="static" mediaPresentationDuration="PT2S" '
    'minBufferTime="PT1S" profiles="urn:mpeg:dash:profile:isoff-main:2011"><Period><AdaptationSet mimeType="video/mp4">'
    '<Representation id="1" bandwidth="1000" width="64" height="48" codecs="avc1.42c00a"><BaseURL>{base}</BaseURL>'
    '<SegmentList duration="2"><Initialization sourceURL="{uri}"/><SegmentURL media="{uri}"/></SegmentList>'
    "</Representation></AdaptationSet></Period></MPD>\n"
)
OPEN_FORMATS = ("-protocol_whitelist", "file,http,tcp,udp,rtp,crypto,data,subfile,concat")

elsewhere("hls-url.mp4", HLS.format(tags="", uri="{url}/a.ts"), plain="tcp", options=OPEN_FORMATS)
elsewhere("hls-file.ts", HLS.format(tags="", uri="{canary}"), plain="canary", options=("-allowed_extensions", "ALL"))
elsewhere("hls-file-url.mkv", HLS.format(tags="", uri="file://{canary}"), plain="canary")
elsewhere("hls.mp3", HLS.format(tags="", uri="{url}/a.aac"), plain="tcp", options=OPEN_FORMATS)
elsewhere(
    "hls-key.mp4",
    HLS.format(tags='#EXT-X-KEY:METHOD=AES-128,URI="{canary}"\n', uri="{canary}"),
    plain="canary",
)
elsewhere(
    "hls-map.mp4", HLS.format(tags='#EXT-X-MAP:URI="{url}/i.mp4"\n', uri="a.m4s"), plain="tcp", options=OPEN_FORMATS
)
elsewhere("hls-subfile.mp4", HLS.format(tags="", uri="subfile,,start,0,end,99,,:{canary}"))
elsewhere("hls-concat.mp4", HLS.format(tags="", uri="concat:{canary}|{url}/a"))
elsewhere("hls-data.mp4", HLS.format(tags="", uri="data:text/plain;base64,AAAA"))
elsewhere("hls-bom.mp4", "\ufeff" + HLS.format(tags="", uri="{url}/a.ts"))
elsewhere(
    "hls-master.mp4",
    "#EXTM3U\n#EXT-X-STREAM-INF:BANDWIDTH=1000\n{url}/v.m3u8\n",
    plain="tcp",
    options=OPEN_FORMATS,
)
elsewhere("m3u.mp3", "#EXTM3U\n#EXTINF:6,A song\n{canary}\n")
elsewhere("dash-url.mp4", MPD.format(base="{url}/", uri="i.mp4"), plain="tcp", options=OPEN_FORMATS)
elsewhere("dash-file.mp4", MPD.format(base="file://", uri="{canary}"))
elsewhere("concat-file.mp4", "ffconcat version 1.0\nfile '{canary}'\n", plain="canary", options=("-safe", "0"))
elsewhere(
    "concat-url.mkv", "ffconcat version 1.0\nfile '{url}/a.mp4'\n", plain="tcp", options=("-safe", "0", *OPEN_FORMATS)
)
elsewhere(
    "concat-list.mp4", "file '{canary}'\nfile '{canary}'\n", plain="canary", options=("-f", "concat", "-safe", "0")
)
elsewhere(
    "session.mp4",
    "v=0\no=- 0 0 IN IP4 127.0.0.1\ns=x\nc=IN IP4 127.0.0.1\nt=0 0\nm=video {port} RTP/AVP 96\na=rtpmap:96 H264/90000\n",
    plain="udp",
    options=("-protocol_whitelist", "file,udp,rtp"),
)
elsewhere("asx.mp4", '<asx version="3.0"><entry><ref href="{url}/a.asf"/></entry></asx>')
elsewhere("asf-reference.mp4", "[Reference]\r\nRef1={url}/a.asf\r\n")
elsewhere("pls.mp3", "[playlist]\nFile1={url}/a.mp3\nNumberOfEntries=1\nVersion=2\n")
elsewhere("smil.mp4", '<smil><body><video src="{url}/a.mp4"/></body></smil>')
elsewhere("xspf.mp3", '<?xml version="1.0"?>\n<playlist version="1"><trackList/></playlist>')
elsewhere("smooth.mp4", '<?xml version="1.0"?>\n<SmoothStreamingMedia MajorVersion="2"></SmoothStreamingMedia>')
elsewhere(
    "imf.mp4", '<?xml version="1.0"?>\n<CompositionPlaylist xmlns="http://www.smpte-ra.org/schemas/2067-3/2016"/>'
)
elsewhere("link.mp4", "{url}/film.mp4\n")
elsewhere("link-rtsp.mp4", "rtsp://127.0.0.1:{port}/film\n")


# --- MP4, box by box --------------------------------------------------------------------------------------------------


def box(kind: bytes, *parts: bytes) -> bytes:
    body = b"".join(parts)
    return struct.pack(">I", 8 + len(body)) + kind + body


def full(kind: bytes, *parts: bytes, flags: int = 0) -> bytes:
    return box(kind, struct.pack(">I", flags), *parts)


MATRIX = struct.pack(">9I", 0x10000, 0, 0, 0, 0x10000, 0, 0, 0, 0x40000000)
HERE = full(b"url ", flags=1)


def mov(
    samples: Sequence[bytes],
    *,
    kind: bytes = b"png ",
    size: tuple[int, int] = (64, 48),
    delta: int = 100,
    timescale: int = 1000,
    offsets: Sequence[int] | None = None,
    count: int | None = None,
    reference: bytes = HERE,
    aspect: tuple[int, int] | None = None,
    entry: bytes | None = None,
    movie: bytes = b"",
) -> bytes:
    """A QuickTime film of one picture track, its samples in `mdat` before the index.

    `offsets`: where the samples lie, counted in the file's data, instead of one after the other. `count`: how many
    samples the tables claim, all as large as the first. `entry`: another sample entry than a picture's.
    """
    head = box(b"ftyp", b"qt  ", bytes(4), b"qt  ")
    data = box(b"mdat", *samples)
    base = len(head) + 8
    places = [sum(map(len, samples[:number])) for number in range(len(samples))] if offsets is None else list(offsets)
    number = len(places) if count is None else count
    sizes = [len(sample) for sample in samples]
    if count is not None or offsets is not None:
        table = full(b"stsz", struct.pack(">II", sizes[0], number))
    else:
        table = full(b"stsz", struct.pack(">II", 0, number), *(struct.pack(">I", size) for size in sizes))
    length = number * delta
    version = 1 if length >= 1 << 32 else 0
    times = struct.pack(">QQIQ", 0, 0, timescale, length) if version else struct.pack(">IIII", 0, 0, timescale, length)
    picture = entry or box(
        kind,
        bytes(6) + struct.pack(">H", 1) + bytes(16),
        struct.pack(">HHIIIH", *size, 0x480000, 0x480000, 0, 1),
        bytes(32) + struct.pack(">Hh", 24, -1),
        box(b"pasp", struct.pack(">II", *aspect)) if aspect else b"",
    )
    handler = b"soun" if entry is not None else b"vide"
    per_chunk = number if count is not None else 1
    stbl = box(
        b"stbl",
        full(b"stsd", struct.pack(">I", 1), picture),
        full(b"stts", struct.pack(">III", 1, number, delta)),
        full(b"stsc", struct.pack(">IIII", 1, 1, per_chunk, 1)),
        table,
        full(b"stco", struct.pack(">I", len(places)), *(struct.pack(">I", base + place) for place in places)),
    )
    media = full(b"smhd", bytes(4)) if entry is not None else full(b"vmhd", bytes(8), flags=1)
    dinf = box(b"dinf", full(b"dref", struct.pack(">I", 1), reference))
    mdhd = box(b"mdhd", struct.pack(">I", version << 24), times, bytes(4))
    hdlr = full(b"hdlr", bytes(4), handler, bytes(13))
    shown = struct.pack(">II", size[0] << 16 & 0xFFFFFFFF, size[1] << 16 & 0xFFFFFFFF)
    tkhd = full(b"tkhd", struct.pack(">IIIII", 0, 0, 1, 0, min(length, 0xFFFFFFFF)), bytes(16), MATRIX, shown, flags=7)
    trak = box(b"trak", tkhd, box(b"mdia", mdhd, hdlr, box(b"minf", media, dinf, stbl)))
    mvhd = full(
        b"mvhd", struct.pack(">IIIIIH", 0, 0, timescale, min(length, 0xFFFFFFFF), 0x10000, 0x100), bytes(10), MATRIX,
        bytes(24), struct.pack(">I", 2),
    )  # fmt: skip
    return head + data + box(b"moov", mvhd, trak, movie)


SMALL_PNG = png(64, 48, bytes(65 * 48))


def sound_entry(kind: bytes, *more: bytes) -> bytes:
    head = bytes(6) + struct.pack(">H", 1) + bytes(8)
    return box(kind, head, struct.pack(">HHHHI", 2, 16, 0, 0, 44100 << 16), *more)


@refused("reference-url.mov", "video", "elsewhere")
def _dref_url(lures: Lures) -> bytes:
    named = full(b"url ", f"{lures.url}/a.mov".encode() + b"\0")
    return mov([SMALL_PNG] * 5, reference=named)


@refused(
    "reference-file.mov",
    "video",
    "elsewhere",
    plain="canary",
    options=("-enable_drefs", "1", "-use_absolute_path", "1"),
)
def _dref_alias(lures: Lures) -> bytes:
    """An alias record (QuickTime file format): a path of this machine."""
    path = b"disk" + str(lures.canary).replace("/", ":").encode()
    volume, name = b"disk", lures.canary.name.encode()[:63]
    record = bytes(10) + bytes([len(volume)]) + volume.ljust(27, b"\0") + bytes(12)
    record += bytes([len(name)]) + name.ljust(63, b"\0") + bytes(16) + struct.pack(">hh", -1, -1) + bytes(16)
    padded = path + b"\0" * (len(path) % 2)
    record += struct.pack(">hh", 2, len(path)) + padded + struct.pack(">hh", -1, 0)
    return mov([SMALL_PNG] * 5, reference=full(b"alis", record))


@refused("reference-movie.mov", "video", "elsewhere")
def _rmra(lures: Lures) -> bytes:
    url = f"{lures.url}/a.mov\0".encode()
    named = box(b"rmda", full(b"rdrf", b"url ", struct.pack(">I", len(url)), url))
    return box(b"ftyp", b"qt  ", bytes(4), b"qt  ") + box(b"moov", box(b"rmra", named))


# --- Cut off ----------------------------------------------------------------------------------------------------------


def cut(name: str, media_type: str, share: float, *arguments: str, codes: Sequence[str] = ("truncated",)) -> None:
    """An upload of which a share has arrived; below zero: all but so many bytes."""
    suffix = name.rpartition(".")[2]

    def make(lures: Lures) -> bytes:
        whole = made(lures, suffix, *arguments)
        return whole[: int(share if share < 0 else len(whole) * share)]

    refused(name, media_type, *codes)(make)


LONGER = ("-f", "lavfi", "-i", "testsrc2=size=64x48:rate=10:duration=20", "-f", "lavfi", "-i", "sine=duration=20")
cut("cut-index-last.mp4", "video", 0.6, *PICTURE, *SOUND, *CODED)
cut("cut-index-first.mp4", "video", 0.3, *LONGER, *CODED, "-movflags", "+faststart")
cut("cut.mov", "video", 0.5, *PICTURE, *SOUND, *CODED)
for lost in (1200, 4000, 6000):
    # Inside the tables of the sound, or of the picture; all that they list is there.
    cut(f"cut-in-its-index-{lost}.mp4", "video", -lost, *LONGER, *CODED)
    cut(f"cut-in-its-index-{lost}.mov", "video", -lost, *LONGER, *CODED)
cut("cut-in-its-index.m4a", "audio", -600, *LONGER[4:])
cut("cut.mkv", "video", 0.3, *LONGER, *CODED)
cut("cut.avi", "video", 0.3, *LONGER, "-c:v", "mpeg4", "-c:a", "mp3")
cut("cut.wav", "audio", 0.2, *LONGER[4:])
cut("cut.aiff", "audio", 0.2, *LONGER[4:])
cut("cut.flac", "audio", 0.2, *LONGER[4:])
cut("cut.m4a", "audio", 0.5, *LONGER[4:])
fixed("only-ftyp.mp4", "video", "truncated", box(b"ftyp", b"isom", bytes(4), b"isommp41"))
fixed(
    "only-mdat.mov",
    "video",
    "truncated",
    box(b"ftyp", b"qt  ", bytes(4)) + struct.pack(">I", 90000) + b"mdat" + bytes(999),
)


@refused("header-only.mkv", "video", "damaged")
def _mkv_header(lures: Lures) -> bytes:
    whole = made(lures, "mkv", *PICTURE, *SOUND, *CODED)
    return whole[: whole.index(b"\x1f\x43\xb6\x75")]


@refused("header-only.flac", "audio", "damaged")
def _flac_header(lures: Lures) -> bytes:
    return made(lures, "flac", *SOUND)[:42]


@refused("header-only.ogg", "audio", "damaged")
def _ogg_header(lures: Lures) -> bytes:
    whole = made(lures, "ogg", *SOUND, "-c:a", "libvorbis")
    return whole[: whole.index(b"OggS", 4)]


# --- The wrong kind ---------------------------------------------------------------------------------------------------


def wrong(name: str, media_type: str, code: str, *arguments: str) -> None:
    suffix = name.rpartition(".")[2]
    refused(name, media_type, code)(lambda lures: made(lures, suffix, *arguments))


wrong("sound.m4a", "video", "wrong_type", *SOUND)
wrong("sound.mp3", "video", "wrong_type", *SOUND)
wrong("sound.wav", "video", "wrong_type", *SOUND)
wrong("sound.ts", "video", "wrong_type", *SOUND, "-c:a", "aac")
wrong("sound.webm", "video", "wrong_type", *SOUND, "-c:a", "libopus")
wrong(
    "cover.mp3", "video", "wrong_type",
    *(*SOUND, *PICTURE, "-map", "0", "-map", "1", "-frames:v", "1", "-c:v", "mjpeg", "-disposition:v", "attached_pic"),
)  # fmt: skip
wrong(
    "cover.m4a", "video", "wrong_type",
    *(*SOUND, *PICTURE, "-map", "0", "-map", "1", "-frames:v", "1", "-c:v", "mjpeg", "-disposition:v", "attached_pic"),
)  # fmt: skip
wrong("silent-film.mp4", "audio", "wrong_type", *PICTURE, *CODED)
wrong("silent-film.mkv", "audio", "wrong_type", *PICTURE, *CODED)


@refused("titles-only.mkv", "video", "no_stream")
def _subtitles(lures: Lures) -> bytes:
    text = lures.folder / "titles.srt"
    text.write_bytes(b"1\n00:00:00,000 --> 00:00:02,000\nHello\n\n")
    return made(lures, "mkv", "-i", str(text))


@refused("titles-only.mp4", "audio", "no_stream")
def _timed_text(lures: Lures) -> bytes:
    text = lures.folder / "titles.srt"
    text.write_bytes(b"1\n00:00:00,000 --> 00:00:02,000\nHello\n\n")
    return made(lures, "mp4", "-i", str(text), "-c:s", "mov_text")


def wav(channels: int, rate: int, data: bytes, *, bits: int = 16) -> bytes:
    block = channels * bits // 8
    head = struct.pack("<HHIIHH", 1, channels, rate, rate * block & 0xFFFFFFFF, block & 0xFFFF, bits)
    body = b"WAVEfmt " + struct.pack("<I", len(head)) + head + b"data" + struct.pack("<I", len(data)) + data
    return b"RIFF" + struct.pack("<I", len(body)) + body


fixed("no-samples.wav", "audio", "no_stream", wav(1, 48000, b""))
fixed("no-samples.mov", "video", "no_stream", mov([b""], count=0))
fixed("data-track.mov", "video", "no_stream", mov([bytes(9)] * 3).replace(b"vide", b"gpmd").replace(b"png ", b"gpmd"))

# --- Encrypted --------------------------------------------------------------------------------------------------------

KEYS = ("-encryption_scheme", "cenc-aes-ctr", "-encryption_key", "76a6c65c5ea762046bd749a2e632ccbb")
wrong(
    "cenc.mp4",
    "video",
    "encrypted",
    *PICTURE,
    *SOUND,
    *CODED,
    *KEYS,
    "-encryption_kid",
    "a7e61c373e219033c21091fa607bf3b8",
)
wrong("cenc.m4a", "audio", "encrypted", *SOUND, *KEYS, "-encryption_kid", "a7e61c373e219033c21091fa607bf3b8")


@refused("fairplay.m4a", "audio", "encrypted")
def _drms(lures: Lures) -> bytes:
    return made(lures, "m4a", *SOUND).replace(b"mp4a", b"drms", 1)


@refused("fairplay.mp4", "video", "encrypted")
def _drmi(lures: Lures) -> bytes:
    return made(lures, "mp4", *PICTURE, *CODED).replace(b"avc1\0\0\0\0", b"drmi\0\0\0\0", 1)


@refused("scrambled.ts", "video", "encrypted")
def _scrambled(lures: Lures) -> bytes:
    data = bytearray(made(lures, "ts", *PICTURE, *SOUND, *CODED))
    for at in range(0, len(data), 188):
        if (data[at + 1] & 0x1F) << 8 | data[at + 2] >= 0x100:
            data[at + 3] |= 0x80
            if (data[at + 1] & 0x1F) << 8 | data[at + 2] < 0x1000:
                data[at + 60 : at + 188] = random.Random(at).randbytes(128)
    return bytes(data)


@refused("scrambled.mpg", "video", "encrypted")
def _css(lures: Lures) -> bytes:
    data = bytearray(made(lures, "vob", *PICTURE, *SOUND, "-c:v", "mpeg2video", "-c:a", "ac3", "-f", "vob"))
    at = data.find(b"\0\0\1\xe0")
    while at >= 0:
        data[at + 6] |= 0x30
        data[at + 30 : at + 800] = random.Random(at).randbytes(770)
        at = data.find(b"\0\0\1\xe0", at + 800)
    return bytes(data)


@refused("protected.wma", "audio", "encrypted")
def _asf(lures: Lures) -> bytes:
    """The Content Encryption object, put into the header of a plain file."""
    data = made(lures, "wma", *SOUND)
    guid = bytes.fromhex("fbb3112223bdd211b4b700a0c955fc6e")
    keys = b"".join(struct.pack("<I", 4) + b"KEY\0" for _ in range(4))
    added = guid + struct.pack("<Q", 24 + len(keys)) + keys
    size, number = struct.unpack("<QI", data[16:28])
    return data[:16] + struct.pack("<QI", size + len(added), number + 1) + data[28:30] + added + data[30:]


# --- Matroska, element by element -------------------------------------------------------------------------------------


def element(number: int, *parts: bytes) -> bytes:
    body = b"".join(parts)
    return number.to_bytes((number.bit_length() + 7) // 8, "big") + (len(body) | 1 << 56).to_bytes(8, "big") + body


def count(number: int, value: int) -> bytes:
    return element(number, value.to_bytes(max(1, (value.bit_length() + 7) // 8), "big"))


def matroska(
    blocks: Sequence[tuple[int, bytes]],
    *,
    codec: bytes = b"V_MJPEG",
    size: tuple[int, int] = (64, 48),
    encodings: bytes = b"",
    private: bytes = b"",
    scale: int = 1_000_000,
    more: int = 0,
) -> bytes:
    """A film of one picture track, and `more` that are empty; `blocks` are (milliseconds, data), each in a cluster of
    its own."""
    head = element(0x1A45DFA3, element(0x4282, b"matroska"), count(0x4287, 4), count(0x4285, 2))
    info = element(0x1549A966, count(0x2AD7B1, scale), element(0x4D80, b"x"), element(0x5741, b"x"))
    picture = element(0xE0, count(0xB0, size[0]), count(0xBA, size[1]))
    coded = (element(0x86, codec), element(0x63A2, private) if private else b"", picture, encodings)
    tracks = [
        element(0xAE, count(0xD7, number), count(0x73C5, number), count(0x83, 1), *coded)
        for number in range(1, 2 + more)
    ]
    clusters = [element(0x1F43B675, count(0xE7, at), element(0xA3, b"\x81\0\0\x80" + data)) for at, data in blocks]
    return head + element(0x18538067, info, element(0x1654AE6B, *tracks), *clusters)


@cache
def jpeg(size: str = "64x48") -> bytes:
    source = f"testsrc2=size={size}:rate=1:duration=1"
    run = [*FFMPEG, "-f", "lavfi", "-i", source, "-frames:v", "1", "-f", "mjpeg", "-"]
    return subprocess.run(run, check=True, stdout=subprocess.PIPE).stdout


def encoding(*parts: bytes) -> bytes:
    return element(0x6D80, element(0x6240, *parts))


HOUR = 3_600_000
LOCK = element(0x5035, count(0x47E1, 5), element(0x47E2, b"0123456789abcdef"))
LOCK_WITHOUT_KEY = element(0x5035, count(0x47E1, 5))


@refused("encrypted.mkv", "video", "encrypted")
def _mkv_encrypted(_: Lures) -> bytes:
    noise = random.Random(1)
    return matroska([(n * 40, noise.randbytes(500)) for n in range(50)], encodings=encoding(count(0x5033, 1), LOCK))


@refused("encrypted-without-key.mkv", "video", "encrypted", "damaged")
def _mkv_encrypted_without_key(_: Lures) -> bytes:
    noise = random.Random(1)
    locked = encoding(count(0x5033, 1), LOCK_WITHOUT_KEY)
    return matroska([(n * 40, noise.randbytes(500)) for n in range(50)], encodings=locked)


# --- Too large, too long, too much ------------------------------------------------------------------------------------

refused("65535.mov", "video", "too_large")(lambda _: mov([png(65535, 65535, bytes(1 << 20))] * 3, size=(65535, 65535)))
refused("16384.mov", "video", "too_large")(lambda _: mov([png(16384, 16384, bytes(1 << 20))] * 3, size=(16384, 16384)))
fixed("small-header-large-picture.mov", "video", "too_large", mov([png(60000, 60000, bytes(1 << 20))] * 3))
fixed("thin.mov", "video", "too_large", mov([png(1, 30000, bytes(60000))] * 3, size=(1, 30000)))
fixed("narrow.mov", "video", "unsupported", mov([png(8, 4000, bytes(9 * 4000))] * 3, size=(8, 4000)))
fixed("centuries.mov", "video", "too_long", mov([SMALL_PNG] * 3, delta=1 << 31, timescale=1))
fixed("two-days.mov", "video", "too_long", mov([SMALL_PNG] * 4, delta=12 * 3600, timescale=1))
refused("gap-of-100-hours.mkv", "video", "too_long")(
    lambda _: matroska([(0, jpeg()), (40, jpeg()), (100 * HOUR, jpeg())])
)
refused("gap-of-20-hours.mkv", "video", "damaged", "too_long")(
    lambda _: matroska([(0, jpeg()), (40, jpeg()), (20 * HOUR, jpeg())])
)
refused("years.mkv", "video", "too_long")(
    lambda _: matroska([(n * 40, jpeg()) for n in range(3)] + [(200_000 * HOUR, jpeg())])
)
fixed("slow.wav", "audio", "unsupported", wav(1, 8, bytes(1_000_000), bits=8))
fixed("one-hertz.wav", "audio", "unsupported", wav(1, 1, bytes(2000), bits=8))
fixed("four-gigahertz.wav", "audio", "unsupported", wav(1, 0x7FFFFFFF, bytes(200_000)))
fixed("255-channels.wav", "audio", "unsupported", wav(255, 48000, bytes(255 * 2 * 4800)))
fixed("65535-channels.wav", "audio", "damaged", wav(65535, 8000, bytes(65535 * 2 * 4)))
fixed("same-sample.mov", "video", "too_complex", mov([SMALL_PNG + bytes(60_000)], offsets=[0] * 20_000, delta=40))
fixed("200-million-samples.mov", "video", "truncated", mov([SMALL_PNG], count=200_000_000, delta=1, timescale=90000))


@refused("large-and-long.mov", "video", "too_large")
def _work(_: Lures) -> bytes:
    """A day of 8K from one kilobyte: every frame is the same one."""
    small = png(7680, 4320, bytes(7681 * 4320))
    return mov([small] * 145, size=(7680, 4320), delta=590, timescale=1)


@refused("500-sounds.mkv", "video", "too_complex")
def _sounds(lures: Lures) -> bytes:
    maps = [part for _ in range(500) for part in ("-map", "0")]
    tone = ("-f", "lavfi", "-i", "sine=duration=0.05:sample_rate=8000")
    return made(lures, "mkv", *tone, *PICTURE, "-map", "1", *maps, "-c:a", "pcm_u8", "-c:v", "mjpeg")


@refused("500-sounds.mov", "audio", "too_complex")
def _mov_sounds(lures: Lures) -> bytes:
    maps = [part for _ in range(500) for part in ("-map", "0")]
    tone = ("-f", "lavfi", "-i", "sine=duration=0.05:sample_rate=8000")
    return made(lures, "mov", *tone, *maps, "-c:a", "pcm_s16le")


def many_sounds(suffix: str, media_type: str, number: int, *coded: str) -> None:
    """A film, or the sound of one, of which there are so many."""

    @refused(f"{number}-sounds-{media_type}.{suffix}", media_type, "too_complex", slow=True)
    def _make(lures: Lures) -> bytes:
        maps = [part for _ in range(number) for part in ("-map", "0")]
        tone = ("-f", "lavfi", "-i", "sine=duration=0.1:sample_rate=8000")
        picture = (*PICTURE, "-map", "1") if media_type == "video" else ()
        return made(lures, suffix, *tone, *picture, *maps, *coded)


H264 = ("-c:v", "libx264", "-preset", "ultrafast", "-pix_fmt", "yuv420p")
many_sounds("mp4", "video", 130, *H264, "-c:a", "aac")
many_sounds("m4a", "audio", 130, "-c:a", "aac")
many_sounds("webm", "video", 130, "-c:v", "libvpx", "-c:a", "libopus")
many_sounds("ts", "video", 130, *H264, "-c:a", "mp2", "-ar", "16000")
many_sounds("ts", "audio", 130, "-c:a", "mp2", "-ar", "16000")
many_sounds("nut", "video", 130, "-c:v", "mpeg4", "-c:a", "pcm_s16le")
many_sounds("nut", "audio", 130, "-c:a", "libmp3lame")
many_sounds("opus", "audio", 130, "-c:a", "libopus")
many_sounds("mxf", "video", 130, "-c:v", "mpeg2video", "-s", "128x96", "-r", "25", "-c:a", "pcm_s16le", "-ar", "48000")


@refused("1200-sounds.mp4", "video", "too_complex", slow=True)
def _more_than_ffmpeg_takes(lures: Lures) -> bytes:
    """The index names one of the sounds over and over, each time as a track of its own."""
    data = made(lures, "mp4", *PICTURE, *SOUND, *CODED)
    at = data.index(b"moov") - 4
    assert at + int.from_bytes(data[at : at + 4], "big") == len(data)
    start = data.rindex(b"trak") - 4
    end = start + int.from_bytes(data[start : start + 4], "big")
    header = data.index(b"tkhd", start) + 16
    tracks = [data[start:header] + struct.pack(">I", number) + data[header + 4 : end] for number in range(3, 1202)]
    return data[:at] + box(b"moov", data[at + 8 : end], *tracks, data[end:])


@refused("1200-pictures.mkv", "video", "too_complex", slow=True)
def _more_pictures_than_ffmpeg_takes(_: Lures) -> bytes:
    return matroska([(n * 40, jpeg()) for n in range(50)], more=1200)


@refused("990-titles.mkv", "video", "too_complex")
def _titles(lures: Lures) -> bytes:
    text = lures.folder / "titles.srt"
    text.write_bytes(b"1\n00:00:00,000 --> 00:00:01,000\nx\n\n")
    maps = [part for _ in range(990) for part in ("-map", "0")]
    return made(lures, "mkv", "-i", str(text), *PICTURE, "-map", "1", *maps, "-c:v", "mjpeg", "-c:s", "srt")


@refused("tags.mp3", "audio", "too_complex", slow=True)
def _tags(lures: Lures) -> bytes:
    """Seventy megabytes of one comment, before a second of sound."""
    text = b"\x03note\0" + b"\x01" * (70 << 20)
    size = len(text)
    frame = b"TXXX" + bytes(size >> shift & 0x7F for shift in (21, 14, 7, 0)) + bytes(2) + text
    whole = bytes(len(frame) >> shift & 0x7F for shift in (21, 14, 7, 0))
    return b"ID3\x04\0\0" + whole + frame + made(lures, "mp3", *SOUND, "-write_xing", "0", "-id3v2_version", "0")


# --- What cannot be decoded -------------------------------------------------------------------------------------------

fixed("unknown-codec.mov", "video", "unsupported", mov([bytes(500)] * 5, kind=b"zzzz"))
refused("no-decoder.mov", "video", "unsupported", "no_stream")(
    lambda _: mov([random.Random(2).randbytes(500) for _ in range(5)], kind=b"avs3")
)
fixed(
    "no-decoder.m4a",
    "audio",
    "unsupported",
    mov([random.Random(2).randbytes(500) for _ in range(9)], entry=sound_entry(b"mhm1")),
)
refused("noise-blocks.mkv", "video", "damaged", "no_stream")(
    lambda _: matroska([(n * 40, random.Random(n).randbytes(900)) for n in range(50)], codec=b"V_MPEG4/ISO/ASP")
)
fixed("noise-pictures.mov", "video", "damaged", mov([random.Random(n).randbytes(900) for n in range(50)]))


@refused("zeroed.mp4", "video", "damaged")
def _zeroed(lures: Lures) -> bytes:
    data = bytearray(made(lures, "mp4", *PICTURE, *CODED))
    at = data.index(b"mdat") + 4
    size = int.from_bytes(data[at - 8 : at - 4], "big") - 8
    data[at : at + size] = bytes(size)
    return bytes(data)


@refused("zeroed.flac", "audio", "damaged", "no_stream", "truncated")
def _zeroed_flac(lures: Lures) -> bytes:
    data = made(lures, "flac", *SOUND)
    return data[:8200] + bytes(len(data) - 8200)


@refused("bomb-blocks.mkv", "video", "damaged", "too_complex")
def _bomb(_: Lures) -> bytes:
    """Blocks that inflate a thousandfold (ContentCompression, zlib)."""
    inflated = zlib.compress(bytes(9 << 20), 9)
    squeezed = encoding(count(0x5033, 0), element(0x5034, count(0x4254, 0)))
    return matroska([(n * 40, inflated) for n in range(100)], encodings=squeezed)


@refused("bomb-picture.mov", "video", "too_large", "damaged", "too_complex")
def _bomb_picture(_: Lures) -> bytes:
    """Ten megabytes that mean a day of pictures, each as large as allowed."""
    return mov([png(8000, 4000, bytes(8001 * 4000))] * 300, size=(8000, 4000), delta=240, timescale=1)
