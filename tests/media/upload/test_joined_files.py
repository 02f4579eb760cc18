"""Files that lie behind one another in an upload: where the first one ends, and what is none of them."""

from __future__ import annotations

import pytest

from codex_assets.media.upload import joined_files


def box(kind: bytes, content: bytes = b"") -> bytes:
    return (len(content) + 8).to_bytes(4, "big") + kind + content


def fragment(at: int) -> bytes:
    time = box(b"tfhd", bytes(4) + b"\0\0\0\1") + box(b"tfdt", b"\1\0\0\0" + at.to_bytes(8, "big"))
    return box(b"moof", box(b"mfhd", bytes(8)) + box(b"traf", time)) + box(b"mdat", bytes(300))


def chunk(kind: bytes, form: bytes, content: bytes) -> bytes:
    return kind + (len(content) + 4).to_bytes(4, "big" if kind == b"FORM" else "little") + form + content


START = box(b"ftyp", b"isom") + box(b"moov", bytes(40))
FILM = START + box(b"mdat", bytes(400))
INDEX_LAST = box(b"ftyp", b"isom") + box(b"mdat", bytes(400)) + box(b"moov", bytes(40))
OLD = box(b"wide") + box(b"mdat", bytes(400)) + box(b"moov", bytes(40))
FRAGMENTS = START + fragment(0) + fragment(500)
WAV = chunk(b"RIFF", b"WAVE", bytes(400))
AVI = chunk(b"RIFF", b"AVI ", bytes(400))
AIFF = chunk(b"FORM", b"AIFF", bytes(401)) + b"\0"


def element(kind: str, content: bytes, *, sized: bool = True) -> bytes:
    length = (len(content) | 1 << 28).to_bytes(4, "big") if sized else b"\x01" + b"\xff" * 7
    return bytes.fromhex(kind) + length + content


def matroska(*, sized: bool = True) -> bytes:
    cluster = element("1f43b675", element("e7", b"\0") + element("a3", bytes(99)) + element("ec", b""), sized=sized)
    inside = element("1549a966", b"x") + element("1654ae6b", bytes(9)) + cluster + cluster + element("1c53bb6b", b"")
    head = element("1a45dfa3", element("4282", b"webm"))
    return head + element("18538067", inside, sized=sized) + (element("ec", bytes(40)) if sized else b"")


WEBM, LIVE = matroska(), matroska(sized=False)
BROKEN = WEBM[:60] + bytes(200)
BRANDED = box(b"ftyp", b"isom\0\0\2\0isom") + START[12:] + box(b"mdat", bytes(400))
WAVES = chunk(b"RIFF", b"WAVEfmt ", bytes(400))
FLAC = b"fLaC\0\0\0\x22" + bytes(400)
CAF = joined_files.CAF + (32).to_bytes(8, "big") + bytes(32) + b"data" + (90).to_bytes(8, "big") + bytes(90)
FLASH = joined_files.FLASH[2] + (b"\x09\0\0\x64" + bytes(7 + 100) + b"\0\0\0\x6f") * 4
ASF = joined_files.ASF + (60).to_bytes(8, "little") + bytes(36) + bytes(16) + (300).to_bytes(8, "little") + bytes(276)
MXF = joined_files.MXF + b"\1\0\x0c" + bytes(12) + joined_files.MXF[:13] + b"\3\2\0\x83\0\1\0" + bytes(256)
MP3, TAGGED = (b"ID3\4\0\0\0\0\0\x40" + tag + b"\xff\xfb" + bytes(400) for tag in (bytes(64), BRANDED[:64]))
AU = b".snd" + (28).to_bytes(4, "big") + (372).to_bytes(4, "big") + bytes(388)
VOC, TTA = joined_files.VOC + bytes(400), joined_files.TTA + bytes(400)
NUT, W64 = joined_files.NUT + bytes(400), joined_files.W64 + (400).to_bytes(8, "little") + bytes(376)
LONG_WAV, BROADCAST_WAV = (
    kind + b"\xff" * 4 + b"WAVEds64\x1c\0\0\0" + (428).to_bytes(8, "little") + bytes(408) for kind in (b"RF64", b"BW64")
)
UNSIZED = (*joined_files.AMR, joined_files.SPHERE, joined_files.DSF, joined_files.Y4M, joined_files.IVF)


def wavpack(*moments: int) -> bytes:
    """A file of two blocks for each of these moments: front and rear of four channels."""
    flags = (b"\0\x08\0\0", b"\0\x10\0\0")
    return b"".join(
        b"wvpk" + (224).to_bytes(4, "little") + b"\x10\4\0\0" + bytes(4) + at.to_bytes(4, "little") + bytes(4)
        + flag + bytes(204)
        for at in moments
        for flag in flags
    )  # fmt: skip


WAVPACK = wavpack(0, 22050, 44100)
PACKET = b"\x47" + bytes(187)
TS, M2TS, MPG, DTS, RM = (
    PACKET * 20,
    (bytes(4) + PACKET) * 20,
    b"\0\0\1\xba" + bytes(999),
    b"\x7f\xfe\x80\1" + bytes(999),
    b".RMF" + bytes(999),
)
AC3 = b"\x0b\x77" + bytes(999)
OGG, AAC = b"OggS\0\2" + bytes(400), b"\xff\xf1" + bytes(400)


def ogg(*tracks: int) -> bytes:
    """The first page of each track, and two pages that follow."""

    def page(flags: int, track: int) -> bytes:
        return b"OggS\0" + bytes([flags]) + bytes(8) + bytes([track]) + bytes(11) + b"\2\xff\x20" + bytes(287)

    return b"".join([*(page(2, track) for track in tracks), *(page(0, track) for track in tracks), page(4, tracks[0])])


OGG_FILM, OGG_SOUND = ogg(1, 2), ogg(1)


@pytest.mark.parametrize(
    ("first", "behind"),
    [
        (FILM, FILM),
        (INDEX_LAST, INDEX_LAST),
        (OLD, OLD),
        (FILM, FRAGMENTS),
        (FRAGMENTS, FILM),
        (FRAGMENTS, FRAGMENTS),
        (FILM, FILM[:100]),
        (FILM, MP3),
        (FILM, WEBM),
        (FILM, (b"\x47" + bytes(187)) * 3),
        (WEBM, WEBM),
        (WEBM, LIVE),
        (WEBM, MP3),
        (WEBM, FILM),
        (WEBM, WAV),
        (LIVE, LIVE),
        (LIVE, MP3),
        (LIVE, FILM),
        (LIVE, (b"\x47" + bytes(187)) * 3),
        (BROKEN, WEBM),
        (WAV, WAV),
        (WAV, MP3),
        (AVI, AVI),
        (AVI + chunk(b"RIFF", b"AVIX", bytes(100)), AVI),
        (AIFF, AIFF),
        (FLAC, FLAC),
        *((first, behind) for first in (FLAC, OGG, MP3, TAGGED, AAC) for behind in (BRANDED, WEBM, WAVES)),
        *((first, behind) for first in (CAF, FLASH, ASF, MXF, AU, W64) for behind in (first, MP3, FILM)),
        *((first, behind) for first in (VOC, TTA, NUT, WAVPACK) for behind in (first, BRANDED, WAVES)),
        *((start + bytes(400), start + bytes(400)) for start in UNSIZED),
        *((start + bytes(400), BRANDED) for start in UNSIZED),
        *(
            (first, behind)
            for first in (LONG_WAV, BROADCAST_WAV, WAV, W64)
            for behind in (LONG_WAV, BROADCAST_WAV, WAV)
        ),
        (LONG_WAV, FILM),
        *((first, behind) for first in (TS, M2TS, MPG, DTS, RM, AC3) for behind in (BRANDED, WEBM, WAVES)),
        (TS, BRANDED[:300]),
        (WAVPACK + b"APETAGEX" + bytes(90), WAVPACK),
        (OGG_FILM, OGG_FILM),
        (OGG_FILM, OGG_SOUND),
        (OGG_FILM, BRANDED),
    ],
)
def test_a_file_ends_where_another_begins(first: bytes, behind: bytes) -> None:
    assert joined_files.first_end(first + behind) == len(first)


@pytest.mark.parametrize(
    "data",
    [
        FILM,
        INDEX_LAST,
        FRAGMENTS,
        WEBM,
        WAV,
        AVI + chunk(b"RIFF", b"AVIX", bytes(100)),
        AIFF,
        FLAC,
        LONG_WAV + bytes(400),
        LONG_WAV[:20] + b"\xff" * 8 + LONG_WAV[28:],
        MP3 + MP3,
        TAGGED,
        OGG + OGG,
        # A cover.
        FLAC + b"\0\0\0\x20ftypavif" + bytes(400),
        AAC + MP3,
        *(file for part in (AU, W64, VOC, TTA, NUT, WAVPACK) for file in (part, part[:-20], part + bytes(5000))),
        *(part + part for part in (TS, M2TS, MPG, DTS, AC3)),
        WAVPACK + b"APETAGEX" + bytes(90),
        # A film in the packets of a broadcast, and one in a file that nobody knows.
        TS + PACKET[:4] + BRANDED[:184] + TS,
        b"skip" + BRANDED,
        *(file for part in (CAF, FLASH, ASF, MXF) for file in (part, part[:-20], part + bytes(5000))),
        # Padding, a tag, an archive.
        FILM + bytes(5000),
        FILM + b"TAG" + bytes(125),
        FILM + b"PK\3\4" + bytes(4000),
        FRAGMENTS + b"\x91\x12\x33" * 2000,
        WEBM + joined_files.EBML + bytes(400),
        WEBM[:-60],
        WEBM + bytes(5000),
        LIVE,
        LIVE[:-30],
        LIVE + b"TAG" + bytes(125),
        # A film as an attachment of another.
        element("1a45dfa3", element("4282", b"matroska")) + element("18538067", element("1941a469", WEBM + LIVE)),
        # A header that is repeated while the clock goes on.
        START + fragment(0) + START + fragment(500) + fragment(1000),
        # Cut off, and of unknown length.
        FILM[:-1],
        b"RIFF\xff\xff\xff\xffWAVE" + bytes(400) + WAV,
        b"",
        b"abc",
    ],
)
def test_what_is_one_file(data: bytes) -> None:
    assert joined_files.first_end(data) is None


def test_a_wave64_ends_by_its_own_size() -> None:
    assert joined_files.own_end(W64 + bytes(30)) == len(W64)
    assert [joined_files.own_end(data) for data in (W64, W64[:-9], WAV + bytes(30), LONG_WAV + bytes(30))] == [None] * 4


@pytest.mark.parametrize(
    ("lines", "end"),
    [
        (b"channel_count -i 2\nsample_count -i 50\nsample_n_bytes -i 2\nsample_coding -s3 pcm\n", 1224),
        (b"channel_count -i 1\nsample_count -i 50\nsample_n_bytes -i 1\n", 1074),
        (b"channel_count -i 1\nsample_count -i 500\nsample_n_bytes -i 1\n", None),
        (b"channel_count -i 1\nsample_count -i 0\nsample_n_bytes -i 2\n", None),
        (b"channel_count -i 1\nsample_n_bytes -i 2\n", None),
        (b"channel_count -i 1\nsample_count -i 50\nsample_n_bytes -i 2\nsample_coding -s9 pcm,x-v2.\n", None),
    ],
)
def test_a_sphere_ends_by_its_own_counts(lines: bytes, end: int | None) -> None:
    assert joined_files.own_end((joined_files.SPHERE + lines + b"end_head\n").ljust(1024) + bytes(400)) == end


def test_an_au_ends_by_its_own_size() -> None:
    whole = AU[:400]
    assert joined_files.own_end(whole + bytes(30)) == len(whole)
    open_ones = (whole[:8] + size + whole[12:] + bytes(30) for size in (bytes(4), b"\xff" * 4))
    assert [joined_files.own_end(data) for data in (whole, whole[:-9], *open_ones)] == [None] * 4


def test_parts_of_an_ogg_of_one_track_are_one() -> None:
    """ffmpeg plays them one after the other."""
    assert joined_files.first_end(OGG_SOUND + OGG_SOUND) is None
    assert joined_files.first_end(OGG_FILM) is None
