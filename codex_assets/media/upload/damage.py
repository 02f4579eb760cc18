"""How much of an upload is lost: what was promised and counted, beside what the log of its decode complains about.

ffmpeg's exit status says nothing of damage. Reliable are (measured over ten containers and sixteen codecs with holes,
turned bits and cut ends, docs/decisions/damaged-uploads.md): a line for each packet that is given up, one for each
picture that is shown with faults (`ffmpeg_words`), and holes between packets in a file of which something else
complains. A hole alone is none: a screen that stands still has no frames either.
"""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass

from codex_assets.media import ffmpeg_words, profile
from codex_assets.media.facts import AudioStream, Counted, MediaInfo, VideoStream
from codex_assets.media.input_flags import input_arguments
from codex_assets.media.upload import refusals
from codex_assets.media.upload.extents import PAUSE_SECONDS
from codex_assets.media.upload.headers import COUNTED_TIME, promises_duration

BLOCK_SIDE = 16
"""Pixels."""
UNCOUNTED_PART = 0.5
"""Of a faulty picture, what is taken for good where no decoder counts its blocks."""
CUT_OFF_SHARE = 0.7
"""At least this part of a loss at the end of a track: it is cut off, and not damaged."""

STRICT_DECODERS = {"vp9": "libvpx-vp9"}
"""Decoders that say so where a picture's data are damaged, of codecs of which ffmpeg's own make a picture without a
word."""

_COMPLAINT = re.compile(r"^\[([^@\]]+?) @ \w+\] \[(?:error|fatal|panic)\]")


class DecodeLog:
    """Reads every line of a decode's log, one after the other. Streams are those of the first input."""

    def __init__(self) -> None:
        self.given_up: Counter[int] = Counter()
        self.faulty: Counter[int] = Counter()
        self.complaints: Counter[str] = Counter()
        """By who complains: a demuxer's or a decoder's name."""
        self.summaries = 0
        """Of the meter, once outputs are open: more than one when the sound's form changed midway, which starts its
        filters anew. Before that the header may have stated another form than the first packet."""
        self.begun_late: set[str] = set()
        """Kinds of tracks that begin midway, when it is too late to choose them: a broadcast that goes on under other
        numbers."""
        self.concealed = 0
        """Blocks of faulty pictures that are made up, as far as decoders count them."""
        self.faulty_jpegs = 0
        self.size_changes = False
        """Some picture has another size than the first."""
        self._opened = False

    def add(self, line: str) -> None:
        """A line of ffmpeg's log, with its level in front."""
        if match := ffmpeg_words.PACKET_GIVEN_UP.search(line):
            self.given_up[ffmpeg_words.track(match)] += 1
        elif match := ffmpeg_words.PICTURE_FAULTY.search(line):
            self.faulty[ffmpeg_words.track(match)] += 1
        elif match := ffmpeg_words.BLOCKS_CONCEALED.search(line):
            self.concealed += int(match.group(1))
        elif ffmpeg_words.JPEG_FAULTY.search(line):
            self.faulty_jpegs += 1
            self.complaints["mjpeg"] += 1
        elif match := ffmpeg_words.PICTURE_CHANGED.search(line):
            self.size_changes = self.size_changes or match.group(1, 2) != match.group(3, 4)
        elif match := ffmpeg_words.TRACK_BEGUN_LATE.search(line):
            self.begun_late.add(match.group(1))
        elif match := _COMPLAINT.search(line):
            self.complaints[match.group(1)] += 1
        elif "[info] Output #" in line:
            self._opened = True
        elif (match := ffmpeg_words.METER_SUMMARY.search(line)) and match["name"] is None:
            self.summaries += 1 if self._opened else 0

    def add_corrupt(self, corrupt: int, info: MediaInfo, video: VideoStream) -> None:
        """What a strict decoder (`strict_arguments`) called corrupt: so many pictures are shown with faults. It shows
        nothing up to the next key picture either, and nothing before the first one."""
        leading = info.counted.get(video.index, Counted()).leading
        self.faulty[video.index] += max(0, corrupt - leading - self.lost_packets(info, video.index))

    def is_sound_damaged(self, info: MediaInfo) -> bool:
        """Whether a copy of the sound would carry a fault along: any complaint of its decoder counts."""
        audio = info.audio
        if audio is None:
            return False
        return bool(self.given_up[audio.index]) or any(name.startswith(audio.codec) for name in self.complaints)

    def lost_packets(self, info: MediaInfo, index: int) -> int:
        """Packets of a track that gave no picture or sound, or a faulty one. Those before the first key frame of a
        broadcast are no loss: nobody could ever see them; nor are a telephone's pauses."""
        counted = info.counted.get(index, Counted())
        return max(0, self.given_up[index] - counted.leading - counted.pauses) + self.faulty_pictures(info, index)

    def faulty_pictures(self, info: MediaInfo, index: int) -> int:
        """Pictures of a track that are shown with faults."""
        video = info.video
        is_jpeg = video is not None and video.index == index and video.codec == "mjpeg"
        return self.faulty[index] + (self.faulty_jpegs if is_jpeg else 0)

    def visible_part(self, video: VideoStream) -> float:
        """The part (0 to 1) of faulty pictures that is as it was uploaded, on average."""
        blocks = math.ceil(video.coded_width / BLOCK_SIDE) * math.ceil(video.coded_height / BLOCK_SIDE)
        faulty = self.faulty[video.index]
        if not self.concealed or not faulty:
            return UNCOUNTED_PART
        return max(0.0, 1 - self.concealed / (faulty * blocks))

    def is_damaged(self, info: MediaInfo) -> bool:
        """Whether anything of the file is broken, so that holes in it are losses."""
        if info.container in self.complaints or any(self.lost_packets(info, track.index) for track in info.tracks):
            return True
        began_late = any(counted.leading for counted in info.counted.values())
        names = [track.codec for track in info.tracks if not (began_late and isinstance(track, VideoStream))]
        return any(who.startswith(name) for who in self.complaints for name in names)


def strict_arguments(path: str, info: MediaInfo, video: VideoStream) -> list[str] | None:
    """Arguments for ffmpeg that decode a picture into nothing, with a decoder that is strict about its data; None where
    no other is. One with transparency beside it is read by that decoder anyway."""
    decoder = STRICT_DECODERS.get(video.codec)
    if decoder is None or video.alpha_track:
        return None
    opened = input_arguments(path, container=info.container, codecs=info.codecs, look=info.look)
    track = ("-map", f"0:{video.index}", "-fps_mode", "passthrough", "-f", "null", "-")
    return ["-max_error_rate", "1", f"-c:{video.index}", decoder, *opened, *track]


@dataclass(frozen=True)
class Loss:
    """Of one track, in seconds: how long it should last, how much of that is lost or faulty, and how much of that at
    the end. `visible`: of what is faulty, what can be seen all the same: pictures with faults count by their good
    part."""

    declared: float
    lost: float
    tail: float = 0.0
    visible: float = 0.0

    @property
    def share(self) -> float:
        """The part of the track that is lost or faulty, 0 to 1."""
        return min(1.0, self.lost / self.declared) if self.declared > 0 else 0.0

    @property
    def missing(self) -> float:
        """Seconds of which nothing can be seen or heard."""
        return max(0.0, self.lost - self.visible)

    @property
    def leaves_too_little(self) -> bool:
        """Whether more than `profile.LOSS_LIMIT` of the track is missing."""
        return self.missing > profile.LOSS_LIMIT * self.declared

    @property
    def is_cut_off(self) -> bool:
        """Whether most of it is missing at the end. The last pictures before a cut depend on others behind it."""
        return self.tail > 0 and self.tail >= CUT_OFF_SHARE * self.lost

    @property
    def is_worth_reporting(self) -> bool:
        """Whether the creator is told of it: it is more than a small part of the track, or of more than a moment."""
        return self.lost > 0 and (
            self.share >= profile.REPORTED_LOSS_SHARE or self.lost >= profile.REPORTED_LOSS_SECONDS
        )


def losses(
    header: MediaInfo,
    info: MediaInfo,
    log: DecodeLog,
    *,
    arrived: float = 1.0,
    decoded_seconds: Mapping[int, float] | None = None,
) -> dict[int, Loss]:
    """How much is lost of each track, by its number; tracks without packets or without a duration are left out.

    `header`: the upload as its header has it; `info`: as its packets correct it (`packets.read_packets`); `log`: what
    its decode logged, or an empty one before it. `arrived`: the part (0 to 1) of the bytes that the header promises.
    `decoded_seconds`: how much of each track came out of the decode, where that is known.
    """
    if info.container in COUNTED_TIME and header.video is not None and header.video.index in info.counted:
        frames = header.video.frames
        # Counted by the header; the bytes that are missing may have been the index.
        packets = info.counted[header.video.index].packets
        arrived = max(arrived, min(1.0, packets / frames)) if frames else arrived
    by_track = {}
    for track in info.tracks:
        loss = _loss_of(track, header, info, log, arrived, (decoded_seconds or {}).get(track.index))
        if loss is not None:
            by_track[track.index] = loss
    return by_track


def _loss_of(
    track: VideoStream | AudioStream,
    header: MediaInfo,
    info: MediaInfo,
    log: DecodeLog,
    arrived: float,
    decoded_seconds: float | None,
) -> Loss | None:
    counted = info.counted.get(track.index)
    seconds = track.duration or 0.0
    if counted is None or not counted.packets or seconds <= 0:
        return None
    # What lies behind a hole moves forward there, and a loss anywhere is missing at the end.
    has_no_times = info.container in COUNTED_TIME
    not_arrived = seconds * (1 / arrived - 1)
    missing = max(_cut_off(header, info, track.index, (track.start or 0.0) + seconds), not_arrived)
    usual = seconds / counted.packets
    # What is dated back is missing at the end, as is a pause there.
    spared = track.dated_late if isinstance(track, VideoStream) else counted.pauses * usual
    short = max(0.0, seconds - spared - decoded_seconds) if decoded_seconds is not None else 0.0
    if short <= max(profile.TRACKS_APART_SECONDS, usual):
        # The last packet of a sound need not be full.
        short = 0.0
    inside = _lost_inside(track, counted, usual, log, info)
    tail = not_arrived if has_no_times else missing
    lost = min(seconds, max(inside, short))
    faulty = log.faulty_pictures(info, track.index)
    visible = faulty * usual * log.visible_part(track) if isinstance(track, VideoStream) else 0.0
    return Loss(seconds + missing, lost + missing, tail, visible=min(visible, max(0.0, lost - short)))


def _lost_inside(
    track: VideoStream | AudioStream, counted: Counted, usual: float, log: DecodeLog, info: MediaInfo
) -> float:
    """Seconds that are lost between the first and the last packet of a track. `usual`: seconds of one packet."""
    given_up = max(log.lost_packets(info, track.index), counted.foreign)
    if counted.each is not None:
        # A demuxer may step over a hole without a word, and say so of the packet in front of it too.
        return max(given_up * counted.each, counted.unshown if counted.unshown > counted.each / 2 else 0.0)
    if not log.is_damaged(info):
        return given_up * usual
    hole = profile.GAP_SECONDS if isinstance(track, VideoStream) else 3 * usual
    holes = sum(step - usual for step in counted.steps if step > max(hole, profile.GAP_STEPS * usual))
    return given_up * usual + holes


def _cut_off(header: MediaInfo, info: MediaInfo, index: int, end: float) -> float:
    """Seconds that the index promises after `end`, that of the track's last packet."""
    if header.ends_whole or not promises_duration(header):
        return 0.0
    if header.all_boxes and header.indexed.get(index):
        # Edits and last samples of another length make durations that are no promise.
        return 0.0
    if index in header.promised:
        missing = header.promised[index] - end
    elif header.duration is not None and info.end is not None:
        missing = header.duration + (header.start or 0.0) - info.end
    else:
        missing = 0.0
    return missing if missing > profile.LOST_SECONDS else 0.0


def idle_seconds(info: MediaInfo) -> float:
    """Seconds of all pictures that stand for minutes, as far as no sound can be heard beside them; 0 where the clock
    jumps, for its parts are joined."""
    video, audio = info.video, info.audio
    if video is None or video.index not in info.counted or info.joined_seconds is not None:
        return 0.0
    last = video.last_lasts or 0.0
    still = info.counted[video.index].paused + (last if last > PAUSE_SECONDS else 0.0)
    if audio is None or audio.index not in info.counted:
        return still
    heard = (audio.duration or 0.0) - sum(info.counted[audio.index].steps)
    return min(still, (info.seconds or 0.0) - heard)


def loss_warnings(loss: Mapping[int, Loss], info: MediaInfo) -> list[str]:
    """Warnings for the creator, one for each used track of which more than a small part is lost.

    `loss`: by the number of a track. `info`: what is used of the upload.
    """
    warnings = []
    for track in info.tracks:
        lost = loss.get(track.index)
        if lost is None or not lost.is_worth_reporting:
            continue
        name = "picture" if isinstance(track, VideoStream) else "sound"
        if lost.is_cut_off:
            warnings.append(refusals.end_is_missing(name, lost.tail, lost.declared, lost.share))
        elif lost.visible > lost.missing:
            warnings.append(refusals.part_shows_faults(lost.share))
        else:
            warnings.append(refusals.part_is_damaged(name, lost.share))
    return warnings


def left_out_warnings(log: DecodeLog, info: MediaInfo) -> list[str]:
    """Warnings for the creator about tracks that nothing decodes or that begin midway.

    `info`: what is used of the upload.
    """
    silent = info.audio is None and info.left_out.get("audio", 0) > 0
    names = {"video": "picture", "audio": "sound"}
    kinds = ["video", "audio"] if info.video is not None else ["audio"]
    undecoded = [refusals.SOUND_LEFT_OUT] if silent else []
    return undecoded + [refusals.another_track_begins(names[kind]) for kind in kinds if kind in log.begun_late]
