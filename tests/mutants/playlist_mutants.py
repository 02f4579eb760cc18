"""Faults in the text of playlists: of a variant's, of the preview's, and of the master."""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import partial

from mutant import Harm, Mutant, Seam, Workpiece, mutant, register

ANY = ("flat", "music", "silent")
LONG = ("music", "film")
"""Contents of more than two segments, or two variants."""

Edit = tuple[str, Harm, str, str, str]

# Name, harm, description, what is replaced (a pattern, first place), by what.
MEDIA: tuple[Edit, ...] = (
    ("header_missing", "grave", "the first line is missing", r"#EXTM3U\n", ""),
    ("header_second", "grave", "the first line is another", r"#EXTM3U\n(#EXT-X-VERSION.*\n)", r"\1#EXTM3U\n"),
    ("header_twice", "light", "the first line comes twice", r"#EXTM3U\n", "#EXTM3U\n#EXTM3U\n"),
    ("version_missing", "medium", "the version is not said", r"#EXT-X-VERSION.*\n", ""),
    ("version_too_new", "medium", "the version is one that players do not know", r"VERSION:\d+", "VERSION:99"),
    ("version_too_old", "medium", "the version is older than what is used", r"VERSION:\d+", "VERSION:1"),
    ("version_twice", "medium", "the version is said twice", r"(#EXT-X-VERSION.*\n)", r"\1\1"),
    ("version_no_number", "medium", "the version is no number", r"VERSION:\d+", "VERSION:six"),
    ("target_missing", "grave", "the target duration is not said", r"#EXT-X-TARGETDURATION.*\n", ""),
    ("target_too_short", "medium", "the target duration is shorter than a segment", r"DURATION:\d+", "DURATION:4"),
    ("target_too_long", "medium", "the target duration is longer than any segment", r"DURATION:\d+", "DURATION:12"),
    ("target_zero", "grave", "the target duration is zero", r"DURATION:\d+", "DURATION:0"),
    ("target_twice", "medium", "two target durations are said", r"(#EXT-X-TARGETDURATION.*\n)",
     "#EXT-X-TARGETDURATION:8\n\\1"),
    ("target_a_fraction", "medium", "the target duration is no whole number", r"DURATION:(\d+)", r"DURATION:\1.5"),
    ("sequence_not_zero", "medium", "the first segment has the number 5", r"SEQUENCE:0", "SEQUENCE:5"),
    ("sequence_twice", "medium", "the first number is said twice", r"(#EXT-X-MEDIA-SEQUENCE.*\n)", r"\1\1"),
    ("sequence_late", "medium", "the first number comes after a segment",
     r"(#EXT-X-MEDIA-SEQUENCE.*\n)((?:.*\n)*?.*segment_00000.*\n)", r"\2\1"),
    ("type_event", "medium", "the playlist says that it grows", r"TYPE:VOD", "TYPE:EVENT"),
    ("type_missing", "medium", "the playlist does not say that it is VOD", r"#EXT-X-PLAYLIST-TYPE.*\n", ""),
    ("type_unknown", "medium", "the playlist is of an unknown type", r"TYPE:VOD", "TYPE:LIVE"),
    ("end_missing", "grave", "the playlist does not end", r"#EXT-X-ENDLIST\n", ""),
    ("end_in_the_middle", "grave", "the end comes after the first segment",
     r"(segment_00000.*\n)((?:.*\n)*)#EXT-X-ENDLIST\n", r"\1#EXT-X-ENDLIST\n\2"),
    ("end_twice", "light", "the end comes twice", r"#EXT-X-ENDLIST\n", "#EXT-X-ENDLIST\n#EXT-X-ENDLIST\n"),
    ("text_after_the_end", "medium", "more lines follow the end", r"#EXT-X-ENDLIST\n",
     "#EXT-X-ENDLIST\n#EXTINF:2.0,\nsegment_00009.ts\n"),
    ("extinf_too_long", "medium", "a segment is said to last 0.2 s longer", r"EXTINF:\d\.\d+", "EXTINF:6.2"),
    ("extinf_rounded", "medium", "durations are whole seconds", r"EXTINF:(\d+)\.\d+(?=,\n.*\n#EXT-X-END)",
     r"EXTINF:\1"),
    ("extinf_missing", "grave", "a segment's duration is missing", r"#EXTINF.*\n(.*segment_00001)", r"\1"),
    ("extinf_negative", "grave", "a duration is below zero", r"EXTINF:(\d)", r"EXTINF:-\1"),
    ("extinf_zero", "grave", "a duration is zero", r"EXTINF:\d+\.\d+", "EXTINF:0.000000"),
    ("extinf_no_number", "grave", "a duration is no number", r"EXTINF:\d+\.\d+", "EXTINF:nan"),
    ("extinf_without_comma", "medium", "a comma is missing", r"(EXTINF:[\d.]+),", r"\1"),
    ("extinf_twice", "medium", "a segment has two durations", r"(#EXTINF.*\n)", r"\1\1"),
    ("extinf_with_a_title", "light", "a segment has a title", r"(EXTINF:[\d.]+),", r"\1,Episode 4"),
    ("discontinuity", "medium", "a break is announced", r"(#EXTINF.*\n.*segment_00001)", r"#EXT-X-DISCONTINUITY\n\1"),
    ("discontinuity_sequence", "light", "breaks are numbered", r"(#EXTINF)", r"#EXT-X-DISCONTINUITY-SEQUENCE:3\n\1"),
    ("gap", "grave", "a segment is called missing", r"(#EXTINF.*\n.*segment_00001)", r"#EXT-X-GAP\n\1"),
    ("key", "grave", "segments are called encrypted", r"(#EXTINF)",
     '#EXT-X-KEY:METHOD=AES-128,URI="https://keys.example.com/1"\n\\1'),
    ("key_of_none", "light", "a tag says that nothing is encrypted", r"(#EXTINF)", r"#EXT-X-KEY:METHOD=NONE\n\1"),
    ("map", "grave", "an initialization segment is named", r"(#EXTINF)", r'#EXT-X-MAP:URI="init.mp4"\n\1'),
    ("byte_range", "grave", "only a part of a segment is named", r"\n(.*segment_00000)",
     r"\n#EXT-X-BYTERANGE:40000@0\n\1"),
    ("date", "medium", "a date is said", r"(#EXTINF)", r"#EXT-X-PROGRAM-DATE-TIME:2026-01-01T00:00:00Z\n\1"),
    ("date_range", "medium", "an advertisement is announced", r"(#EXTINF)",
     '#EXT-X-DATERANGE:ID="ad",START-DATE="2026-01-01T00:00:00Z",DURATION=30\n\\1'),
    ("start", "medium", "players are told to start in the middle", r"(#EXTINF)", r"#EXT-X-START:TIME-OFFSET=4\n\1"),
    ("i_frames_only", "grave", "the playlist says that it holds key frames alone", r"(#EXTINF)",
     r"#EXT-X-I-FRAMES-ONLY\n\1"),
    ("allow_cache", "light", "a tag of an old version is used", r"(#EXTINF)", r"#EXT-X-ALLOW-CACHE:NO\n\1"),
    ("server_control", "medium", "a live server is announced", r"(#EXTINF)",
     r"#EXT-X-SERVER-CONTROL:CAN-BLOCK-RELOAD=YES\n\1"),
    ("part", "medium", "a part of a segment is named", r"(#EXTINF)", '#EXT-X-PART:DURATION=1,URI="part.ts"\n\\1'),
    ("skip", "medium", "segments are skipped", r"(#EXTINF)", r"#EXT-X-SKIP:SKIPPED-SEGMENTS=2\n\1"),
    ("define", "medium", "a variable is defined", r"(#EXT-X-TARGET)", '#EXT-X-DEFINE:NAME="a",VALUE="b"\n\\1'),
    ("bit_rate_wrong", "light", "a wrong bit rate is said", r"(#EXTINF)", r"#EXT-X-BITRATE:1\n\1"),
    ("cue", "light", "an advertiser's tag is used", r"(#EXTINF)", r"#EXT-X-CUE-OUT:30\n\1"),
    ("unknown_tag", "light", "a tag is used that there is not", r"(#EXTINF)", r"#EXT-X-COLOUR:BLUE\n\1"),
    ("tag_misspelt", "medium", "a tag is misspelt", r"#EXT-X-TARGETDURATION", "#EXT-X-TARGET-DURATION"),
    ("tag_in_lower_case", "medium", "a tag is in lower case", r"#EXT-X-TARGETDURATION", "#ext-x-targetduration"),
    ("comment", "light", "a comment names the machine", r"(#EXTINF)", r"# written by worker-7 in /srv/jobs/4\n\1"),
    ("blank_line", "light", "a line is empty", r"(#EXTINF)", r"\n\1"),
    ("blank_before_a_name", "medium", "a name starts with a blank", r"\n(.*segment_00000)", r"\n \1"),
    ("blank_after_a_tag", "light", "a tag ends with a blank", r"(TYPE:VOD)", r"\1 "),
    ("independent_missing", "light", "the playlist does not say that segments stand alone",
     r"#EXT-X-INDEPENDENT-SEGMENTS\n", ""),
    ("last_segment_unnamed", "grave", "the last segment is not named", r"#EXTINF[^\n]*\n[^\n]*\n#EXT-X-ENDLIST",
     "#EXT-X-ENDLIST"),
    ("segment_named_twice", "grave", "a segment is named twice", r"(#EXTINF.*\n.*segment_00000.*\n)", r"\1\1"),
    ("segment_unnamed", "grave", "the first segment is not named", r"#EXTINF.*\n.*segment_00000.*\n", ""),
    ("segments_in_another_order", "grave", "the first two segments are exchanged",
     r"(#EXTINF.*\n.*segment_00000.*\n)(#EXTINF.*\n.*segment_00001.*\n)", r"\2\1"),
    ("name_absolute", "medium", "a segment has an address of its own", r"\n(.*segment_00000)",
     r"\nhttps://cdn.example.com/\1"),
    ("name_with_dot", "medium", "a name starts with a dot", r"\n(.*segment_00000)", r"\n./\1"),
    ("name_leads_up", "grave", "a name leads out of the folder", r"\n(.*segment_00000)", r"\n../1080p/\1"),
    ("name_with_query", "medium", "a name has a query", r"(segment_00000.ts)", r"\1?token=1"),
    ("name_with_fragment", "medium", "a name has a fragment", r"(segment_00000.ts)", r"\1#t=1"),
    ("name_in_upper_case", "grave", "a name is in another case", r"\n(.*)segment_00000", r"\n\1Segment_00000"),
    ("name_of_nothing", "grave", "a segment is named that there is not", r"\n(.*)segment_00001", r"\n\1segment_00007"),
    ("version_of_another_build", "grave", "the first segment is named in another folder", r"(?m)^[0-9a-f]{12}/",
     "0123456789ab/"),
    ("version_left_out", "grave", "the folder of the first segment is not named", r"(?m)^[0-9a-f]{12}/", ""),
    ("name_encoded", "medium", "a name is percent-encoded", r"\n(.*)segment_00000", r"\n\1segment%5F00000"),
)  # fmt: skip

MASTER: tuple[Edit, ...] = (
    ("master_header_missing", "grave", "the first line is missing", r"#EXTM3U\n", ""),
    ("master_version_missing", "medium", "the version is not said", r"#EXT-X-VERSION.*\n", ""),
    ("master_version_too_new", "medium", "the version is one that players do not know", r"VERSION:\d+", "VERSION:99"),
    ("master_version_twice", "medium", "the version is said twice", r"(#EXT-X-VERSION.*\n)", r"\1\1"),
    ("master_independent_missing", "medium", "the master does not say that segments stand alone",
     r"#EXT-X-INDEPENDENT-SEGMENTS\n", ""),
    ("master_independent_twice", "light", "the master says twice that segments stand alone",
     r"(#EXT-X-INDEPENDENT-SEGMENTS\n)", r"\1\1"),
    ("bandwidth_missing", "grave", "the peak rate is not said", r"([:,])BANDWIDTH=\d+,", r"\1"),
    ("bandwidth_too_low", "medium", "the peak rate is too low", r":BANDWIDTH=\d+", ":BANDWIDTH=9000"),
    ("bandwidth_too_high", "medium", "the peak rate is too high", r":BANDWIDTH=\d+", ":BANDWIDTH=90000000"),
    ("bandwidth_a_fraction", "medium", "the peak rate is no whole number", r":BANDWIDTH=(\d+)", r":BANDWIDTH=\1.5"),
    ("bandwidth_twice", "medium", "two peak rates are said", r":BANDWIDTH=(\d+)", r":BANDWIDTH=\1,BANDWIDTH=\1"),
    ("average_missing", "medium", "the average rate is not said", r",AVERAGE-BANDWIDTH=\d+", ""),
    ("average_too_low", "medium", "the average rate is too low", r"AVERAGE-BANDWIDTH=\d+", "AVERAGE-BANDWIDTH=9000"),
    ("average_zero_padded", "light", "zeros precede the average rate", r"AVERAGE-BANDWIDTH=", "AVERAGE-BANDWIDTH=000"),
    ("average_too_high", "medium", "the average rate is above the peak", r"AVERAGE-BANDWIDTH=\d+",
     "AVERAGE-BANDWIDTH=90000000"),
    ("codecs_missing", "medium", "codecs are not said", r',CODECS="[^"]*"', ""),
    ("codecs_unquoted", "medium", "codecs are not in quotes", r'CODECS="([^"]*)"', r"CODECS=\1"),
    ("codec_of_sound_wrong", "medium", "another kind of AAC is said", r"mp4a\.40\.2", "mp4a.40.5"),
    ("codec_of_sound_missing", "medium", "the sound's codec is not said", r',?mp4a\.40\.2', ""),
    ("codec_one_too_many", "medium", "a codec too many is said", r'CODECS="', 'CODECS="stpp.ttml.im1t,'),
    ("order_reversed", "medium", "the worst variant comes first",
     r"(#EXT-X-STREAM-INF.*\n.*\n)(#EXT-X-STREAM-INF.*\n.*\n)", r"\2\1"),
    ("variant_unlisted", "grave", "a variant is not listed", r"#EXT-X-STREAM-INF.*\n.*\n", ""),
    ("variant_twice", "medium", "a variant is listed twice", r"(#EXT-X-STREAM-INF.*\n.*\n)", r"\1\1"),
    ("variant_of_nothing", "grave", "a variant is listed that there is not", r"\n(\w+)/playlist", r"\n\g<1>x/playlist"),
    ("variant_without_tag", "grave", "a variant comes without its tag", r"#EXT-X-STREAM-INF.*\n", ""),
    ("variant_without_name", "grave", "a variant's name is missing", r"(#EXT-X-STREAM-INF.*\n).*\n", r"\1"),
    ("variant_address_absolute", "medium", "a variant has an address of its own", r"\n(\w+/playlist)",
     r"\nhttps://cdn.example.com/\1"),
    ("variant_leads_up", "medium", "a variant's name leads up", r"\n(\w+/playlist)", r"\n../hls/\1"),
    ("variant_with_query", "medium", "a variant's name has a query", r"(playlist\.m3u8)", r"\1?v=2"),
    ("variant_playlist_misnamed", "grave", "a playlist is called otherwise", r"playlist\.m3u8", "index.m3u8"),
    ("variants_exchanged", "grave", "two variants have each other's names",
     r"\n(\w+)(/playlist.m3u8\n#EXT-X-STREAM-INF.*\n)(\w+)/", r"\n\3\2\1/"),
    ("preview_listed", "medium", "the preview is listed as a variant", r"(#EXT-X-STREAM-INF.*\n)",
     r"\1preview/preview.m3u8\n\1"),
    ("sound_group_missing", "grave", "a group of sounds is named that there is not", r"(,CODECS)", r',AUDIO="a"\1'),
    ("subtitles_missing", "grave", "a group of subtitles is named that there is not", r"(,CODECS)",
     r',SUBTITLES="s"\1'),
    ("captions_group_missing", "medium", "a group of captions is named that there is not", r"(,CODECS)",
     r',CLOSED-CAPTIONS="c"\1'),
    ("rendition_with_address", "medium", "another sound has an address in a tag", r"(#EXT-X-STREAM-INF)",
     '#EXT-X-MEDIA:TYPE=AUDIO,GROUP-ID="a",NAME="English",URI="a.m3u8"\n\\1'),
    ("captions_never_there", "medium", "captions are declared that no picture holds", r"(#EXT-X-STREAM-INF)",
     '#EXT-X-MEDIA:TYPE=CLOSED-CAPTIONS,GROUP-ID="c",NAME="English",INSTREAM-ID="CC1"\n\\1'),
    ("i_frame_playlist", "medium", "a playlist of key frames is named that there is not", r"(#EXT-X-STREAM-INF)",
     '#EXT-X-I-FRAME-STREAM-INF:BANDWIDTH=9000,URI="i.m3u8"\n\\1'),
    ("session_data", "light", "a title is added", r"(#EXT-X-STREAM-INF)",
     '#EXT-X-SESSION-DATA:DATA-ID="com.example.title",VALUE="A title"\n\\1'),
    ("session_key", "grave", "a key is named", r"(#EXT-X-STREAM-INF)",
     '#EXT-X-SESSION-KEY:METHOD=AES-128,URI="https://keys.example.com/1"\n\\1'),
    ("steering", "medium", "another server is to steer players", r"(#EXT-X-STREAM-INF)",
     '#EXT-X-CONTENT-STEERING:SERVER-URI="https://steer.example.com/"\n\\1'),
    ("copy_protection", "grave", "players are told that they need copy protection", r"(,CODECS)",
     r",HDCP-LEVEL=TYPE-1\1"),
    ("programme_number", "light", "an attribute of an old version is used", r"(,CODECS)", r",PROGRAM-ID=1\1"),
    ("score", "light", "variants have a score", r"(,CODECS)", r",SCORE=1.0\1"),
    ("attribute_unknown", "light", "an attribute is used that there is not", r"(,CODECS)", r",COLOUR=BLUE\1"),
    ("master_has_an_end", "medium", "a tag of media playlists is used", r"\Z", "#EXT-X-ENDLIST\n"),
    ("master_start", "medium", "players are told to start in the middle", r"(#EXT-X-STREAM-INF)",
     r"#EXT-X-START:TIME-OFFSET=4\n\1"),
    ("master_comment", "light", "a comment names the machine", r"(#EXT-X-STREAM-INF)",
     r"# worker-7 in /srv/jobs/4\n\1"),
    ("master_unknown_tag", "light", "a tag is used that there is not", r"(#EXT-X-STREAM-INF)",
     r"#EXT-X-COLOUR:BLUE\n\1"),
)  # fmt: skip

OF_PICTURES: tuple[Edit, ...] = (
    ("codec_of_picture_wrong", "medium", "another profile of H.264 is said", r"avc1\.[0-9A-Fa-f]{4}", "avc1.4200"),
    ("codec_of_picture_missing", "medium", "the picture's codec is not said", r"avc1\.\w+,?", ""),
    ("codec_of_picture_in_upper_case", "medium", "the picture's codec is written in capitals", r"avc1\.", "AVC1."),
    ("codecs_with_a_space", "light", "a space follows the comma between codecs", r"(avc1\.\w+),", r"\1, "),
    ("codec_of_picture_in_old_form", "light", "the picture's codec is written as decimals", r"avc1\.\w+", "avc1.77.30"),
    ("level_of_codec_wrong", "medium", "another level of H.264 is said", r"(avc1\.\w{4})\w\w", r"\g<1>33"),
    ("size_wrong", "medium", "another size is said", r"RESOLUTION=(\d+)x\d+", r"RESOLUTION=\1x200"),
    ("size_missing", "medium", "the size is not said", r",RESOLUTION=\w+", ""),
    ("size_turned", "medium", "width and height are exchanged", r"RESOLUTION=(\d+)x(\d+)", r"RESOLUTION=\2x\1"),
    ("rate_wrong", "medium", "another frame rate is said", r"FRAME-RATE=[\d.]+", "FRAME-RATE=50.000"),
    ("rate_missing", "medium", "the frame rate is not said", r",FRAME-RATE=[\d.]+", ""),
    ("range_of_hdr", "grave", "the picture is called HDR", r"(,CODECS)", r",VIDEO-RANGE=PQ\1"),
)  # fmt: skip


def _edited(pattern: str, replacement: str, piece: Workpiece) -> None:
    text = piece.path.read_text(encoding="utf-8")
    changed = re.sub(pattern, replacement, text, count=1)
    assert changed != text, f"{pattern} changes nothing"
    piece.path.write_text(changed, encoding="utf-8")


def _contents_of(pattern: str, seam: Seam) -> tuple[str, ...]:
    if seam is Seam.PLAYLIST:
        return ANY if "segment_00001" not in pattern else ("flat", "music")
    needs_two = pattern.count("STREAM-INF") > 1 or pattern.count(r"(\w+)") > 1
    return LONG if needs_two else ("flat", "music", "film")


for _seam, _edits in ((Seam.PLAYLIST, MEDIA), (Seam.MASTER, MASTER)):
    for _number, (_name, _harm, _description, _pattern, _replacement) in enumerate(_edits):
        _contents = _contents_of(_pattern, _seam)
        if "mp4a" in _pattern or "segment_" in _pattern:
            _contents = tuple(name for name in _contents if name != "silent")
        _turned = _contents[_number % len(_contents) :] + _contents[: _number % len(_contents)]
        register(
            Mutant(_name, "playlists", _harm, _seam, _description, _turned, partial(_edited, _pattern, _replacement))
        )

for _name, _harm, _description, _pattern, _replacement in OF_PICTURES:
    register(
        Mutant(
            _name,
            "playlists",
            _harm,
            Seam.MASTER,
            _description,
            ("flat", "film"),
            partial(_edited, _pattern, _replacement),
        )
    )


# --- The whole text ---------------------------------------------------------------------------------------------------


def _recoded(name: str, harm: Harm, seam: Seam, description: str, change: Callable[[bytes], bytes]) -> None:
    def apply(piece: Workpiece) -> None:
        piece.path.write_bytes(change(piece.path.read_bytes()))

    register(Mutant(name, "playlists", harm, seam, description, ("music", "flat"), apply))


for _seam, _prefix in ((Seam.PLAYLIST, ""), (Seam.MASTER, "master_")):
    for _name, _harm, _description, _change in (
        ("windows_lines", "light", "lines end as on Windows", lambda data: data.replace(b"\n", b"\r\n")),
        ("byte_order_mark", "grave", "a byte order mark comes first", lambda data: b"\xef\xbb\xbf" + data),
        ("last_line_open", "light", "the last line does not end", lambda data: data.rstrip(b"\n")),
        (
            "control_character",
            "medium",
            "a line holds a control character",
            lambda data: data.replace(b":", b":\x07", 1),
        ),
        ("text_twice", "grave", "the whole text comes twice", lambda data: data + data),
        ("empty", "grave", "the playlist is empty", lambda data: b""),
        ("error_page", "grave", "the playlist is a server's page about an error", lambda data: b"<html>404</html>\n"),
        ("cut_off", "grave", "the end of the text is missing", lambda data: data[: len(data) * 2 // 3]),
    ):
        _recoded(_prefix + _name, _harm, _seam, _description, _change)


@mutant("playlists", "grave", Seam.MASTER, ("flat", "music"))
def master_is_a_media_playlist(piece: Workpiece) -> None:
    """the master is a media playlist"""
    piece.path.write_text(
        "#EXTM3U\n#EXT-X-VERSION:6\n#EXT-X-TARGETDURATION:6\n#EXT-X-PLAYLIST-TYPE:VOD\n#EXTINF:6.0,\n"
        "segment_00000.ts\n#EXT-X-ENDLIST\n"
    )


@mutant("playlists", "grave", Seam.PLAYLIST, ("music", "flat"))
def playlist_is_a_master(piece: Workpiece) -> None:
    """a variant's playlist is a master"""
    piece.path.write_text("#EXTM3U\n#EXT-X-VERSION:6\n#EXT-X-STREAM-INF:BANDWIDTH=9000\nplaylist.m3u8\n")
