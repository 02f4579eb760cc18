"""The log of a decode is read alike, however the release that wrote it words it.

The lines of 5.1 and 7.1 are those that 5.1.9 and 7.1.5 print; no 6.1 was at hand, and its lines are believed. What a
whole job makes of damage is tested with the release that is installed (`test_builder.py`, the registries of inputs).
"""

from __future__ import annotations

from pathlib import Path

import pytest

from codex_assets.build.upload_faults import decode_error
from codex_assets.errors import SourceError, ToolError
from codex_assets.media import ffmpeg_words
from codex_assets.media.upload.damage import DecodeLog

GIVEN_UP = {
    "5.1": "[error] Error while decoding stream #0:1: Invalid data found when processing input",
    "6.1": "[aist#0:1/aac @ 0x55abe9b76ec0] [error] Error submitting packet to decoder: Invalid data found when "
    "processing input",
    "7.1": "[aist#0:1/aac @ 0x55abe9b76ec0] [dec:aac @ 0x55abe9b763c0] [error] Error submitting packet to decoder: "
    "Invalid data found when processing input",
    "7.1, later": "[vist#0:1/h264 @ 0x55abe9b690c0] [dec:h264 @ 0x55abe9bff280] [error] Decoding error: Invalid data "
    "found when processing input",
}
FAULTY = {
    "5.1": "[warning] upload.mp4: corrupt decoded frame in stream 0",
    "6.1": "[vist#0:0/h264 @ 0x55abe9b690c0] [warning] corrupt decoded frame",
    "7.1": "[vist#0:0/h264 @ 0x55abe9b690c0] [dec:h264 @ 0x55abe9bff280] [warning] corrupt decoded frame",
}
BEGUN_LATE = {
    "5.1": "[warning] New video stream 0:2 at pos:112800 and DTS:4.32s",
    "7.1": "[in#0/mpegts @ 0x5581] [warning] New video stream with index 2 at pos:112800 and DTS:4.32s",
}
NO_DECODER = {
    "5.1": "[error] Decoder (codec vvc) not found for input stream #0:0",
    "7.1": "[vist#0:0/vvc @ 0x5581] [error] Decoding requested, but no decoder found for: vvc",
}
NOT_OPENED = {
    "5.1": "[error] Error while opening decoder for input stream #0:1 : Function not implemented",
    "7.1": "[aist#0:1/aac @ 0x5576ae7b5800] [dec:aac @ 0x5576ae7b5b00] [error] Error while opening decoder: Invalid "
    "argument",
}
NOT_WRITTEN = {
    "5.1": "[error] av_interleaved_write_frame(): Input/output error",
    "7.1": "[out#0/mp4 @ 0x5581] [error] Error submitting a packet to the muxer: Input/output error",
    "a full disk, 5.1": "[error] av_interleaved_write_frame(): No space left on device",
    "a full disk, 7.1": "[out#0/mp4 @ 0x5581] [error] Error writing trailer: No space left on device",
}


def read(line: str) -> DecodeLog:
    log = DecodeLog()
    log.add(line)
    return log


@pytest.mark.parametrize("line", GIVEN_UP.values(), ids=GIVEN_UP)
def test_a_packet_that_is_given_up_is_counted(line: str) -> None:
    assert dict(read(line).given_up) == {1: 1}


@pytest.mark.parametrize("line", NOT_OPENED.values(), ids=NOT_OPENED)
def test_a_decoder_that_does_not_start_is_recognised(line: str) -> None:
    assert ffmpeg_words.NOT_OPENED in line


@pytest.mark.parametrize("line", FAULTY.values(), ids=FAULTY)
def test_a_faulty_picture_is_counted(line: str) -> None:
    assert dict(read(line).faulty) == {0: 1}


@pytest.mark.parametrize("line", BEGUN_LATE.values(), ids=BEGUN_LATE)
def test_a_track_that_begins_late_is_noticed(line: str) -> None:
    assert read(line).begun_late == {"video"}


@pytest.mark.parametrize(
    "line", ["[vist#1:0/h264 @ 0x5581] [warning] corrupt decoded frame", "[info] corrupt decoded frames are shown"]
)
def test_other_inputs_and_other_lines_are_not_counted(line: str) -> None:
    log = read(line)
    assert not log.faulty
    assert not log.given_up


@pytest.mark.parametrize("line", NO_DECODER.values(), ids=NO_DECODER)
def test_a_codec_that_nothing_decodes_is_named(line: str, tmp_path: Path) -> None:
    error = decode_error(ToolError("making the mezzanine", exit_code=1, log=[line]), readable(tmp_path))
    assert isinstance(error, SourceError)
    assert error.code == "source_unsupported"
    assert "(VVC)" in str(error)


@pytest.mark.parametrize("line", NOT_WRITTEN.values(), ids=NOT_WRITTEN)
def test_an_output_that_cannot_be_written_is_no_fault_of_the_upload(line: str, tmp_path: Path) -> None:
    error = ToolError("making the mezzanine", exit_code=1, log=[line], reason=line)
    assert decode_error(error, readable(tmp_path)) is error


def readable(folder: Path) -> Path:
    upload = folder / "upload.mp4"
    upload.write_bytes(bytes(100))
    return upload
