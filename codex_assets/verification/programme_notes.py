"""What a viewer would complain of, in a programme that is exactly as it was uploaded.

In: what was measured of the mezzanine's picture and sound by themselves, and what of it is worth a note, with the
limits (docs/decisions/programme-notes.md has the distances). Out: measuring (`observe/programme_picture.py`,
`observe/programme_sound.py`). Nothing here is a fault of an output: no rule reads it, and no verdict depends on it.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import TypeVar

from codex_assets.archive.notes import Note, NoteKind
from codex_assets.verification.observations import AnyObservation, VariantObservation

NOTED_SECONDS = 5.0
"""Stretches that are longer are noted."""
MOVING_SHARE = 0.9
"""Of the rest of a film, which moves: with less it is a slide show or a recorded screen, which is meant to stand."""
MOVING_SECONDS = 2.0
"""The least that moves beside one stretch that stands."""
MOVING_SECONDS_EACH = 5.0
"""The least beside each of several: between stills that fade into each other there is less."""
WHOLE_CHANNEL_SECONDS = 1.0
"""Sound that lasts no longer says nothing of its channels."""
MOVING_SCREEN = 0.12
"""Of the screen, in which anything moves at any time: with less it is a desk, or a figure before a wall."""
ROUNDING = 1e-6


LEAST_BAR = 0.0175
"""Of the picture, at each side: bars of 1.85:1 in 16:9 have 0.019, the black edges of analogue video 0.011."""
LIKE_BAR = 0.5
"""The least part that the bar at one side has of that at the other."""
FLAT_TOPS = 10
"""In a second: it is clipped."""
CLIPPED_SECONDS = 2
"""The least of a programme that is noted, ..."""
CLIPPED_SHARE = 0.02
"""...and the least part of it."""


class Side(StrEnum):
    LEFT = "left"
    RIGHT = "right"


@dataclass(frozen=True)
class Stretch:
    """A part of a programme, in seconds."""

    start: float
    end: float

    @property
    def seconds(self) -> float:
        return self.end - self.start


@dataclass(frozen=True)
class StandingStretch(Stretch):
    """A part in which the picture does not change. `runs_on`: at one end of it at least the picture moves on to where
    it stands, or from there, with neither a cut nor a fade, as those of a title have."""

    runs_on: bool = False


AnyStretch = TypeVar("AnyStretch", bound=Stretch)


# --- What was measured ------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class BlackBars:
    """Black bars that are a part of the picture, as parts of its height and width."""

    top: float
    bottom: float
    left: float
    right: float


@dataclass(frozen=True)
class ProgrammePicture:
    """The picture of a programme by itself; `size`: its pixels.

    `standing`: all parts of half a second and longer, black ones left out; `moved`: the part of the screen in which
    anything moves at any time. `flashes`: where more than a quarter of the
    screen flashes more than three times a second; `red_flashes`: in saturated red.
    """

    seconds: float
    size: tuple[int, int] = (0, 0)
    black: tuple[Stretch, ...] = ()
    standing: tuple[StandingStretch, ...] = ()
    moved: float = 0.0
    bars: BlackBars | None = None
    flashes: tuple[Stretch, ...] = ()
    red_flashes: tuple[Stretch, ...] = ()


@dataclass(frozen=True)
class ProgrammeSound:
    """The sound of a programme by itself, as loud as it is delivered.

    `silent`: both channels are. `left_silent`, `right_silent`: that channel alone is. `inverted`: one channel is the
    other turned over. These three pass over parts in which both are silent, and have at least a second of sound.
    `flat_tops`: how many peaks are cut off, in each second.
    """

    seconds: float
    silent: tuple[Stretch, ...] = ()
    left_silent: tuple[Stretch, ...] = ()
    right_silent: tuple[Stretch, ...] = ()
    inverted: tuple[Stretch, ...] = ()
    flat_tops: tuple[int, ...] = ()


# --- What is worth a note ---------------------------------------------------------------------------------------------


def notes_on(picture: ProgrammePicture | None, sound: ProgrammeSound | None) -> tuple[Note, ...]:
    """The notes on a programme, in its order. None: it has no such track, or nobody looked at it."""
    notes = [*(_of_picture(picture) if picture is not None else ()), *(_of_sound(sound) if sound is not None else ())]
    return tuple(sorted(notes, key=lambda note: (note.start, note.kind)))


def recorded_notes(observations: Iterable[AnyObservation]) -> tuple[Note, ...] | None:
    """The notes that were made along with these observations of one output; None where nobody looked."""
    seen = (each.notes for each in observations if isinstance(each, VariantObservation))
    return next((notes for notes in seen if notes is not None), None)


def _of_picture(picture: ProgrammePicture) -> Iterator[Note]:
    for stretch in _long(picture.black):
        yield _note(NoteKind.BLACK, stretch, f"The picture is black {_when(stretch, picture.seconds)}.")
    for stretch in _frozen(picture):
        sentence = f"The picture stands still {_when(stretch, picture.seconds)}, in a film that moves otherwise."
        yield _note(NoteKind.FROZEN, stretch, sentence)
    yield from _bars(picture)
    yield from _flashes(picture)


def _bars(picture: ProgrammePicture) -> Iterator[Note]:
    bars = picture.bars
    if bars is None:
        return
    width, height = picture.size
    whole = Stretch(0.0, picture.seconds)
    for kind, sides, total, words in (
        (NoteKind.LETTERBOX, (bars.top, bars.bottom), height, ("lines", "top", "bottom")),
        (NoteKind.PILLARBOX, (bars.left, bars.right), width, ("columns", "left", "right")),
    ):
        least, most = sorted(sides)
        if least < LEAST_BAR or least < LIKE_BAR * most:
            continue
        first, last = (round(side * total) for side in sides)
        name, near, far = words
        sentence = f"Black bars are a part of the picture: of {total} {name} about {first} at the {near}"
        yield _note(kind, whole, f"{sentence} and {last} at the {far}.")


def _flashes(picture: ProgrammePicture) -> Iterator[Note]:
    for stretch in picture.flashes:
        sentence = f"The picture flashes more than three times a second {_when(stretch, picture.seconds)}."
        yield _note(NoteKind.FLASHES, stretch, sentence)
    for stretch in picture.red_flashes:
        # Of a flash that is noted already the colour says nothing new.
        if not any(stretch.start < other.end and other.start < stretch.end for other in picture.flashes):
            sentence = f"The picture flashes red more than three times a second {_when(stretch, picture.seconds)}."
            yield _note(NoteKind.RED_FLASHES, stretch, sentence)


def _frozen(picture: ProgrammePicture) -> list[StandingStretch]:
    """The stretches that stand in a film that otherwise moves; none of a still, a slide show or a recorded screen."""
    long = _long(picture.standing)
    rest = picture.seconds - _sum(picture.black) - _sum(long)
    moving = rest - (_sum(picture.standing) - _sum(long))
    least = max(MOVING_SECONDS, MOVING_SECONDS_EACH * (len(long) if len(long) > 1 else 0))
    if moving < least or moving < MOVING_SHARE * rest or picture.moved < MOVING_SCREEN:
        return []
    return [stretch for stretch in long if stretch.runs_on]


def _of_sound(sound: ProgrammeSound) -> Iterator[Note]:
    for stretch in _long(sound.silent):
        yield _note(NoteKind.SILENT, stretch, f"The sound is silent {_when(stretch, sound.seconds)}.")
    for side, stretch in _dead_channel(sound):
        other = Side.RIGHT if side is Side.LEFT else Side.LEFT
        sentence = f"The {side} channel is silent {_when(stretch, sound.seconds)}, and the {other} one is not."
        yield _note(NoteKind.CHANNEL_SILENT, stretch, sentence)
    for stretch in _channel_stretches(sound.inverted, sound.seconds):
        sentence = (
            f"One channel is the other turned over {_when(stretch, sound.seconds)}: "
            "a player with one loudspeaker plays nothing."
        )
        yield _note(NoteKind.CHANNEL_INVERTED, stretch, sentence)
    yield from _clipped(sound)


def _clipped(sound: ProgrammeSound) -> Iterator[Note]:
    clipped = [second for second, tops in enumerate(sound.flat_tops) if tops >= FLAT_TOPS]
    if len(clipped) >= max(CLIPPED_SECONDS, CLIPPED_SHARE * len(sound.flat_tops)):
        stretch = Stretch(float(clipped[0]), clipped[-1] + 1.0)
        sentence = f"The sound is clipped in {len(clipped)} of {len(sound.flat_tops)} s, first at {clipped[0]} s"
        yield _note(NoteKind.CLIPPED, stretch, f"{sentence}: its peaks are cut off flat.")


def _dead_channel(sound: ProgrammeSound) -> list[tuple[Side, Stretch]]:
    """Where one channel is silent alone. If each of them is at times, voices were placed left and right on purpose."""
    if sound.left_silent and sound.right_silent:
        return []
    sides = ((Side.LEFT, sound.left_silent), (Side.RIGHT, sound.right_silent))
    return [(side, stretch) for side, all_of in sides for stretch in _channel_stretches(all_of, sound.seconds)]


def _channel_stretches(stretches: Sequence[Stretch], seconds: float) -> list[Stretch]:
    """Long ones, and one that is the whole of a short sound."""
    if seconds > WHOLE_CHANNEL_SECONDS and len(stretches) == 1 and _is_whole(stretches[0], seconds):
        return list(stretches)
    return _long(stretches)


# --- Words ------------------------------------------------------------------------------------------------------------


def _long(stretches: Iterable[AnyStretch]) -> list[AnyStretch]:
    return [stretch for stretch in stretches if stretch.seconds > NOTED_SECONDS + ROUNDING]


def _sum(stretches: Iterable[Stretch]) -> float:
    return math.fsum(stretch.seconds for stretch in stretches)


def _is_whole(stretch: Stretch, seconds: float) -> bool:
    """Whether it is all of so many seconds, up to a tenth at each end."""
    return stretch.start <= 0.1 + ROUNDING and stretch.end >= seconds - 0.2


def _when(stretch: Stretch, seconds: float) -> str:
    return "throughout" if _is_whole(stretch, seconds) else f"from {stretch.start:.1f} to {stretch.end:.1f} s"


def _note(kind: NoteKind, stretch: Stretch, sentence: str) -> Note:
    return Note(kind.value, round(stretch.start, 3), round(stretch.end, 3), sentence)
