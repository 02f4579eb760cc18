"""More ways in which a test breaks one of the good outputs: those of a playlist's own text.

Out: making the good outputs, and the breaks of everything else (`break_outputs.py`).
"""

from __future__ import annotations

import re
from pathlib import Path

from break_outputs import VARIANT, breaks, edit, media_list, repacked, variant

# --- Lines ------------------------------------------------------------------------------------------------------------


@breaks("listing", "playlist_readable")
def byte_order_mark(root: Path) -> None:
    media_list(root).write_bytes(b"\xef\xbb\xbf" + media_list(root).read_bytes())


@breaks("listing", "playlist_readable")
def playlist_in_another_encoding(root: Path) -> None:
    media_list(root).write_bytes(media_list(root).read_bytes() + b"# caf\xe9\n")


@breaks("listing", "playlist_characters")
def control_character(root: Path) -> None:
    edit(media_list(root), "^#EXT-X-PLAYLIST-TYPE:VOD", "#EXT-X-PLAYLIST-TYPE:VOD\x0b")


@breaks("listing", "playlist_characters")
def white_space_behind_a_name(root: Path) -> None:
    edit(media_list(root), "^segment_00001.ts", "segment_00001.ts ")


@breaks("listing", "numbers_plain")
def zeros_in_front_of_a_length(root: Path) -> None:
    edit(media_list(root), "^#EXTINF:", "#EXTINF:00")


@breaks("listing", "playlist_lines")
def carriage_returns(root: Path) -> None:
    media_list(root).write_bytes(media_list(root).read_bytes().replace(b"\n", b"\r\n"))


@breaks("listing", "playlist_lines")
def comment_with_a_name(root: Path) -> None:
    edit(media_list(root), "^segment_00001.ts", "## made by ann\nsegment_00001.ts")


@breaks("listing", "playlist_lines")
def blank_line(root: Path) -> None:
    edit(media_list(root), "^segment_00001.ts", "\nsegment_00001.ts")


@breaks("listing", "playlist_lines")
def last_line_without_an_end(root: Path) -> None:
    media_list(root).write_bytes(media_list(root).read_bytes().rstrip())


@breaks("master", "playlist_lines")
def comment_in_the_master(root: Path) -> None:
    edit(root / "master.m3u8", "^180p/", "# variant\n180p/")


# --- Tags -------------------------------------------------------------------------------------------------------------


@breaks("listing", "tags_allowed")
def date_of_recording(root: Path) -> None:
    edit(media_list(root), "^#EXTINF", "#EXT-X-PROGRAM-DATE-TIME:2024-05-01T12:00:00Z\n#EXTINF")


@breaks("listing", "tags_allowed")
def byte_ranges(root: Path) -> None:
    edit(media_list(root), "^segment_00001", "#EXT-X-BYTERANGE:18800@0\nsegment_00001")


@breaks("listing", "tags_allowed")
def start_in_the_middle(root: Path) -> None:
    edit(media_list(root), "^#EXT-X-MEDIA-SEQ", "#EXT-X-START:TIME-OFFSET=6\n#EXT-X-MEDIA-SEQ")


@breaks("master", "tags_allowed")
def target_in_the_master(root: Path) -> None:
    edit(root / "master.m3u8", "^#EXT-X-INDEP", "#EXT-X-TARGETDURATION:6\n#EXT-X-INDEP")


@breaks("master", "tags_allowed")
def session_data(root: Path) -> None:
    data = '#EXT-X-SESSION-DATA:DATA-ID="com.example.title",VALUE="x"'
    edit(root / "master.m3u8", "^#EXT-X-INDEP", f"{data}\n#EXT-X-INDEP")


@breaks("listing", "tags_once")
def target_twice(root: Path) -> None:
    edit(media_list(root), "^#EXT-X-MEDIA-SEQ", "#EXT-X-TARGETDURATION:9\n#EXT-X-MEDIA-SEQ")


@breaks("master", "tags_once")
def version_twice(root: Path) -> None:
    edit(root / "master.m3u8", "^#EXT-X-VERSION:6", "#EXT-X-VERSION:6\n#EXT-X-VERSION:7")


@breaks("listing", "tag_order")
def segment_behind_the_end(root: Path) -> None:
    edit(media_list(root), "(^#EXTINF.*\nsegment_00002.ts\n)(#EXT-X-ENDLIST\n)", r"\2\1")


@breaks("listing", "tag_order")
def segment_after_the_end(root: Path) -> None:
    edit(media_list(root), "^#EXT-X-ENDLIST", "#EXT-X-ENDLIST\n#EXTINF:2.0,\nsegment_00009.ts")


@breaks("listing", "tag_order")
def type_behind_the_segments(root: Path) -> None:
    edit(media_list(root), "^#EXT-X-INDEPENDENT-SEGMENTS\n", "")
    edit(media_list(root), "^#EXT-X-ENDLIST", "#EXT-X-INDEPENDENT-SEGMENTS\n#EXT-X-ENDLIST")


@breaks("listing", "header_order")
def header_in_another_order(root: Path) -> None:
    edit(media_list(root), "(^#EXT-X-VERSION.*\n)(#EXT-X-TARGET.*\n)", r"\2\1")


@breaks("listing", "uris_after_their_tags")
def extinf_without_a_name(root: Path) -> None:
    edit(media_list(root), "^#EXT-X-ENDLIST", "#EXTINF:6.000000,\n#EXT-X-ENDLIST")


@breaks("master", "uris_after_their_tags")
def variant_without_a_tag(root: Path) -> None:
    edit(root / "master.m3u8", "^180p/playlist.m3u8", "180p/playlist.m3u8\n360p/playlist.m3u8")


@breaks("listing", "tag_values")
def target_with_a_fraction(root: Path) -> None:
    edit(media_list(root), "TARGETDURATION:6", "TARGETDURATION:6.0")


@breaks("listing", "tag_values")
def end_list_with_a_value(root: Path) -> None:
    edit(media_list(root), "^#EXT-X-ENDLIST", "#EXT-X-ENDLIST:YES")


@breaks("listing", "starts_at_zero")
def first_segment_is_number_5(root: Path) -> None:
    edit(media_list(root), "SEQUENCE:0", "SEQUENCE:5")


@breaks("listing", "playlist_independent_segments")
def independent_segments_not_said(root: Path) -> None:
    edit(media_list(root), "^#EXT-X-INDEPENDENT-SEGMENTS\n", "")


@breaks("listing", "playlist_version")
def version_too_old(root: Path) -> None:
    edit(media_list(root), "VERSION:6", "VERSION:2")


@breaks("listing", "playlist_version")
def version_missing(root: Path) -> None:
    edit(media_list(root), "^#EXT-X-VERSION.*\n", "")


@breaks("master", "playlist_version")
def version_too_new(root: Path) -> None:
    edit(root / "master.m3u8", "VERSION:6", "VERSION:12")


# --- Lengths ----------------------------------------------------------------------------------------------------------


@breaks("listing", "playlist_readable")
def segment_without_a_length(root: Path) -> None:
    edit(media_list(root), "^#EXTINF.*\n(segment_00001)", r"\1")


@breaks("listing", "extinf_form")
def title_behind_a_length(root: Path) -> None:
    edit(media_list(root), "^(#EXTINF:.*)$", r"\1Holiday", count=1)


@breaks("listing", "extinf_form")
def length_without_a_comma(root: Path) -> None:
    edit(media_list(root), "^(#EXTINF:.*),$", r"\1")


@breaks("listing", "extinf_form")
def lengths_in_whole_seconds(root: Path) -> None:
    edit(media_list(root), r"^(#EXTINF:\d+)\.0+,$", r"\1,")


@breaks("listing", "extinf_sums")
def lengths_add_up_to_more(root: Path) -> None:
    edit(media_list(root), r"^(#EXTINF:\d+)\.0+,$", r"\1.018,")


@breaks("listing", "target_duration")
def target_too_long(root: Path) -> None:
    edit(media_list(root), "TARGETDURATION:6", "TARGETDURATION:10")


@breaks("hls", "target_duration_of_six", "one_target_duration")
def targets_differ(root: Path) -> None:
    edit(media_list(root), "TARGETDURATION:6", "TARGETDURATION:8")


@breaks("listing", "no_stray_segments")
def note_in_the_folder(root: Path) -> None:
    (root / VARIANT / "notes.txt").write_text("draft")


# --- The picture ------------------------------------------------------------------------------------------------------


@breaks("variant", "level_playable")
def level_above_every_device(root: Path) -> None:
    repacked(root, "-bsf:v", "h264_metadata=level=6.2")


@breaks("variant", "at_most_60_frames", "picture_rate")
def frames_too_many(root: Path) -> None:
    variant(root, VARIANT, filters="fps=75")


# --- Attributes of the master -----------------------------------------------------------------------------------------


def attribute(root: Path, name: str, replacement: str) -> None:
    """The attribute `name` of the last variant, replaced with its comma."""
    edit(root / "master.m3u8", rf'(?<=[:,]){name}=("[^"]*"|[^",\n]*),?(?=.*\n180p)', replacement)


@breaks("master", "attributes_valid")
def codecs_without_quotes(root: Path) -> None:
    attribute(root, "CODECS", "CODECS=avc1.4d400c,")


@breaks("master", "attributes_valid")
def bandwidth_in_quotes(root: Path) -> None:
    attribute(root, "BANDWIDTH", 'BANDWIDTH="150000",')


@breaks("master", "attributes_valid")
def bandwidth_twice(root: Path) -> None:
    attribute(root, "RESOLUTION", "BANDWIDTH=150000,RESOLUTION=160x96,")


@breaks("master", "attributes_valid")
def space_between_attributes(root: Path) -> None:
    attribute(root, "RESOLUTION", " RESOLUTION=160x96,")


@breaks("master", "attributes_valid")
def attribute_of_nobody(root: Path) -> None:
    attribute(root, "RESOLUTION", 'RESOLUTION=160x96,NAME="low",')


@breaks("master", "attributes_valid")
def rate_with_one_decimal(root: Path) -> None:
    attribute(root, "FRAME-RATE", "FRAME-RATE=25.0")


@breaks("master", "bandwidth_declared")
def bandwidth_missing(root: Path) -> None:
    attribute(root, "BANDWIDTH", "")


@breaks("master", "average_bandwidth_declared")
def average_missing(root: Path) -> None:
    attribute(root, "AVERAGE-BANDWIDTH", "")


@breaks("master", "codecs_declared")
def codecs_missing(root: Path) -> None:
    attribute(root, "CODECS", "")


@breaks("master", "resolution_declared")
def resolution_missing(root: Path) -> None:
    attribute(root, "RESOLUTION", "")


@breaks("master", "frame_rate_declared")
def frame_rate_missing(root: Path) -> None:
    edit(root / "master.m3u8", r",FRAME-RATE=25.000(?=.*\n180p)", "")


@breaks("master", "codecs_true")
def codecs_of_more_sound(root: Path) -> None:
    edit(root / "master.m3u8", r'mp4a.40.2"(?=.*\n180p)', 'mp4a.40.2,mp4a.40.2"')


@breaks("master", "video_range_true")
def range_of_another_picture(root: Path) -> None:
    attribute(root, "RESOLUTION", "RESOLUTION=160x96,VIDEO-RANGE=PQ,")


@breaks("master", "average_not_above_peak")
def average_above_its_peak(root: Path) -> None:
    peak = re.search(r":BANDWIDTH=(\d+).*\n180p", (root / "master.m3u8").read_text())
    assert peak is not None
    attribute(root, "AVERAGE-BANDWIDTH", f"AVERAGE-BANDWIDTH={int(peak[1]) + 1000},")


@breaks("master", "captions_declared")
def captions_of_no_group(root: Path) -> None:
    edit(root / "master.m3u8", "CLOSED-CAPTIONS=NONE", 'CLOSED-CAPTIONS="captions"')


@breaks("master", "captions_declared")
def captions_denied_for_some(root: Path) -> None:
    edit(root / "master.m3u8", ",CLOSED-CAPTIONS=NONE(?=\n360p)", "")


@breaks("master", "captions_declared")
def captions_that_no_variant_names(root: Path) -> None:
    media = '#EXT-X-MEDIA:TYPE=CLOSED-CAPTIONS,GROUP-ID="captions",NAME="Captions",INSTREAM-ID="CC1"'
    edit(root / "master.m3u8", "^#EXT-X-STREAM", f"{media}\n#EXT-X-STREAM", count=1)


@breaks("master", "attributes_valid")
def captions_of_no_service(root: Path) -> None:
    captions(root, 'INSTREAM-ID="CC5"')


@breaks("master", "captions_declared")
def captions_without_a_service(root: Path) -> None:
    captions(root, "AUTOSELECT=YES")


@breaks("master", "playlist_version", "captions_true")
def captions_of_a_newer_version(root: Path) -> None:
    captions(root, 'INSTREAM-ID="SERVICE1"')


def captions(root: Path, last: str) -> None:
    """Closed captions that every variant names, with `last` as the last attribute of their declaration."""
    media = f'#EXT-X-MEDIA:TYPE=CLOSED-CAPTIONS,GROUP-ID="captions",NAME="Captions",DEFAULT=NO,{last}'
    edit(root / "master.m3u8", "CLOSED-CAPTIONS=NONE", 'CLOSED-CAPTIONS="captions"')
    edit(root / "master.m3u8", "^#EXT-X-STREAM", f"{media}\n#EXT-X-STREAM", count=1)
