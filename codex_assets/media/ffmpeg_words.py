"""How ffmpeg words what this project reads in its log, in every release that is supported (5.1, 6.1, 7.1).

Owns the patterns, one per meaning, each with the wordings of all releases. What follows from a line is decided where it
is read: damage (`damage.py`), faults of an upload or of the worker (`build/upload_faults.py`), how a run ended
(`tools.py`).
"""

from __future__ import annotations

import re
from typing import Final

PACKET_GIVEN_UP: Final = re.compile(
    r"Error while decoding stream #0:(?P<before_6>\d+):"
    r"|\[[va]ist#0:(?P<from_6>\d+)/.*\] (?:Error submitting packet to decoder|Decoding error): "
)
"""A decoder gave up a packet of this track of the first input."""
PICTURE_FAULTY: Final = re.compile(
    r"corrupt decoded frame in stream (?P<before_6>\d+)|\[[va]ist#0:(?P<from_6>\d+)/.*\] corrupt decoded frame"
)
"""A frame of this track of the first input is shown with faults."""
BLOCKS_CONCEALED: Final = re.compile(r"\] concealing (\d{1,9}) DC, \d+ AC, \d+ MV errors in ")
"""How many blocks of a faulty picture (16 pixels a side) are made up from those around them."""
JPEG_FAULTY: Final = re.compile(r"^\[mjpeg @ \w+\] \[error\] error y=\d{1,6} x=\d")
"""The rest of a JPEG picture, from there on, is not shown; nothing says of which track it is."""
PICTURE_CORRUPT: Final = "Corrupt frame detected"
"""What a strict decoder says of a picture that its data do not make, or not alone."""
PICTURE_CHANGED: Final = re.compile(
    r"filter context - w: (\d{1,6}) h: (\d{1,6}) .*incoming frame - w: (\d{1,6}) h: (\d{1,6}) "
)
"""A picture comes to the filters in another form than the first: the widths and heights of both."""
TRACK_BEGUN_LATE: Final = re.compile(r"New (video|audio) stream (?:0:\d+|with index \d+) at pos:")
"""A track of this kind begins after the tracks were chosen."""
NO_DECODER: Final = re.compile(
    r"Decoder \(codec (\w+)\) not found|no decoder found for: (\w+)"
    r"|(?:is|are) not (?:currently )?(?:implemented|supported)"
)
"""Nothing here decodes a track; the codec where it is named."""
NOT_ALLOWED: Final = re.compile(r"Codec \(([\w-]{1,40})\) not on whitelist")
"""The decoder that is not opened."""
NOT_OPENED: Final = "Error while opening decoder"
"""A decoder does not start with a track."""
LISTED_INPUT: Final = re.compile(r"^\[info\] Input #0, ([\w,-]{1,80}), from ")
LISTED_DURATION: Final = re.compile(r"^\[info\]   Duration: (\d{1,6}):(\d\d):(\d\d\.\d+)")
LISTED_TRACK: Final = re.compile(
    r"^\[info\]   Stream #0:(\d{1,6})[^ ]*(?: \d+, \d+/\d+)?: "
    r"(Video|Audio|Subtitle|Data|Attachment|Unknown): (\w{1,40})(.*)"
)
"""Lines about an input: its demuxer; hours, minutes and seconds; a track: its number, kind, codec and marks. With a
debug log, the time base stands behind the number."""
PICTURE_TOO_LARGE: Final = re.compile(r"[Pp]icture size (\d+)x(\d+) (?:exceeds|is invalid)")
METER_SUMMARY: Final = re.compile(r"ebur128(?P<name>@\w+)?.*\bSummary:")
"""A meter begins its summary, after all of a sound or all of it that has one form. Its name, where it has one."""
METER_BLOCK: Final = re.compile(r"\bt: *[\d.]+ .*\bFTPK: *(?P<peaks>[-\d.inf ]+?) dBFS")
"""What a meter says of a tenth of a second: the true peak of each channel."""
UNFINISHED: Final = "Error writing trailer"
"""What a container cannot hold may show in its last bytes only: ffmpeg 5 says so, and exits as if all were well."""
NOT_WRITTEN: Final = ("No space left", "write_frame(): Input/output error", "to the muxer: Input/output error")
"""The output could not be written."""


def track(line: re.Match[str]) -> int:
    """The number of the track that a line of a decoder (`PACKET_GIVEN_UP`, `PICTURE_FAULTY`) speaks of."""
    return int(line["before_6"] or line["from_6"])
