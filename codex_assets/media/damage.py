"""How much of an upload is lost: what was promised and counted, beside what the log of its decode complains about.

ffmpeg's exit status says nothing of damage. Reliable are (measured over ten containers and sixteen codecs with holes,
turned bits and cut ends, docs/decisions/damaged-uploads.md): a line for each packet that is given up, one for each
picture that is shown with faults (`ffmpeg_words`), and holes between packets in a file of which something else
complains. A hole alone is none: a screen that stands still has no frames either.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from codex_assets.media import ffmpeg_words, profile
from codex_assets.media.probe import COUNTED_TIME, Counted, MediaInfo, VideoStream, promises_duration

CUT_OFF_SHARE = 0.7
SOUND_LEFT_OUT = "The sound could not be decoded and is left out."

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
        filters anew. Before that the header may have told another form than the first packet."""
        self.begun_late: set[str] = set()
        """Kinds of tracks that begin midway, when it is too late to choose them: a broadcast that goes on under other
        numbers."""
        self._opened = False

    def add(self, line: str) -> None:
        if found := ffmpeg_words.PACKET_GIVEN_UP.search(line):
            self.given_up[ffmpeg_words.track(found)] += 1
        elif found := ffmpeg_words.PICTURE_FAULTY.search(line):
            self.faulty[ffmpeg_words.track(found)] += 1
        elif found := ffmpeg_words.TRACK_BEGUN_LATE.search(line):
            self.begun_late.add(found.group(1))
        elif found := _COMPLAINT.search(line):
            self.complaints[found.group(1)] += 1
        elif "[info] Output #" in line:
            self._opened = True
        elif "ebur128" in line and "Summary:" in line:
            self.summaries += self._opened

    def sound_damaged(self, info: MediaInfo) -> bool:
        """Whether a copy of the sound would carry a fault along: any complaint of its decoder counts."""
        audio = info.audio
        if audio is None:
            return False
        return bool(self.given_up[audio.index]) or any(name.startswith(audio.codec) for name in self.complaints)

    def lost_packets(self, info: MediaInfo, index: int) -> int:
        """Packets of a track that gave no picture or sound, or a faulty one. Those before the first key frame of a
        broadcast are no loss: nobody could ever see them; nor are a telephone's pauses."""
        counted = info.counted.get(index, Counted())
        return max(0, self.given_up[index] - counted.leading - counted.pauses) + self.faulty[index]

    def damaged(self, info: MediaInfo) -> bool:
        """Whether anything of the file is broken, so that holes in it are losses."""
        if info.container in self.complaints or any(self.lost_packets(info, track.index) for track in info.tracks):
            return True
        began_late = any(one.leading for one in info.counted.values())
        names = [track.codec for track in info.tracks if not (began_late and isinstance(track, VideoStream))]
        return any(who.startswith(name) for who in self.complaints for name in names)


@dataclass(frozen=True)
class Loss:
    """Of one track, in seconds: how long it should last, how much of that is lost, and how much of that at the end."""

    declared: float
    lost: float
    tail: float = 0.0

    @property
    def share(self) -> float:
        return min(1.0, self.lost / self.declared) if self.declared > 0 else 0.0

    @property
    def cut_off(self) -> bool:
        """Whether most of it is missing at the end. The last pictures before a cut depend on others behind it."""
        return self.tail > 0 and self.tail >= CUT_OFF_SHARE * self.lost

    @property
    def told(self) -> bool:
        """Whether it is more than a small part."""
        return self.lost > 0 and (self.share >= profile.TOLD_LOSS_SHARE or self.lost >= profile.TOLD_LOSS_SECONDS)


def losses(
    told: MediaInfo, found: MediaInfo, log: DecodeLog, *, arrived: float = 1.0, made: dict[int, float] | None = None
) -> dict[int, Loss]:
    """By track: `told` is what the header says, `found` what the packets show, `log` what came of decoding them.

    `arrived`: the part of the promised bytes that is there. `made`: seconds that came out, where it is known.
    """
    damaged = log.damaged(found)
    # What lies behind a hole moves forward, and a loss anywhere is missing at the end.
    counts = found.container in COUNTED_TIME
    if counts and told.video is not None and told.video.frames and told.video.index in found.counted:
        # Counted by the header; the bytes that are missing may have been the index.
        arrived = max(arrived, min(1.0, found.counted[told.video.index].packets / told.video.frames))
    lost = {}
    for track in found.tracks:
        counted = found.counted.get(track.index)
        seconds = track.duration or 0.0
        if counted is None or not counted.packets or seconds <= 0:
            continue
        missing = max(_cut_off(told, found, track.index, (track.start or 0.0) + seconds), seconds * (1 / arrived - 1))
        tail = seconds * (1 / arrived - 1) if counts else missing
        usual = seconds / counted.packets
        hole = profile.GAP_SECONDS if isinstance(track, VideoStream) else 3 * usual
        holes = sum(step - usual for step in counted.steps if step > max(hole, profile.GAP_STEPS * usual))
        given_up = max(log.lost_packets(found, track.index), counted.foreign)
        inside = given_up * usual + (holes if damaged else 0.0)
        if counted.each is not None:
            # A demuxer may step over a hole without a word, and say so of the packet in front of it too.
            inside = max(given_up * counted.each, counted.unshown if counted.unshown > counted.each / 2 else 0.0)
        # What is dated back is missing at the end, as is a pause there.
        spared = track.dated_late if isinstance(track, VideoStream) else counted.pauses * usual
        short = max(0.0, seconds - spared - made[track.index]) if made and track.index in made else 0.0
        if short <= max(profile.TRACKS_APART_SECONDS, usual):
            # The last packet of a sound need not be full.
            short = 0.0
        lost[track.index] = Loss(seconds + missing, min(seconds, max(inside, short)) + missing, tail)
    return lost


def _cut_off(told: MediaInfo, found: MediaInfo, index: int, end: float) -> float:
    """Seconds that the index promises after the last packet."""
    if not promises_duration(told):
        return 0.0
    if index in told.promised:
        missing = told.promised[index] - end
    elif told.duration is not None and found.end is not None:
        missing = told.duration + (told.start or 0.0) - found.end
    else:
        missing = 0.0
    return missing if missing > profile.LOST_SECONDS else 0.0


def sentences(loss: dict[int, Loss], info: MediaInfo) -> list[str]:
    """What the creator is told: for each track of which more than a small part is lost."""
    said = []
    for track in info.tracks:
        one = loss.get(track.index)
        if one is None or not one.told:
            continue
        name = "picture" if isinstance(track, VideoStream) else "sound"
        percent = max(1, round(100 * one.share))
        if one.cut_off:
            said.append(
                f"The upload is cut off: the last {one.tail:.1f} of {one.declared:.1f} seconds of the {name} "
                f"are missing (about {percent} %)."
            )
        else:
            consequence = "it is missing or shows faults there" if name == "picture" else "it is silent or faulty there"
            said.append(f"The upload is damaged: about {percent} % of the {name} could not be decoded; {consequence}.")
    return said


def left_out(log: DecodeLog, info: MediaInfo) -> list[str]:
    """What the creator is told of tracks that nothing decodes or that begin midway. `info`: what is used of the
    upload."""
    silent = info.audio is None and info.left_out.get("audio", 0) > 0
    names = {"video": "picture", "audio": "sound"}
    kinds = ["video", "audio"] if info.video is not None else ["audio"]
    undecoded = [SOUND_LEFT_OUT] if silent else []
    return undecoded + [
        f"Another {names[kind]} begins midway in the upload, in a track of its own; it is left out."
        for kind in kinds
        if kind in log.begun_late
    ]


def worst(loss: dict[int, Loss], tracks: Sequence[int]) -> Loss | None:
    """The greatest loss among some tracks."""
    return max((loss[index] for index in tracks if index in loss), key=lambda one: one.share, default=None)
