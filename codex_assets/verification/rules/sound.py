"""Rules for the sound of a playlist beside the mezzanine's, with their limits: all of it is compared.

Measured on honest encodes at 64 and 128 kbit/s of speech, music, white and pink noise, sweeps and clicks: levels within
2 dB, a likeness of 0.78 in the worst tenth (white noise at 64 kbit/s), brightness within 2 dB.
"""

from __future__ import annotations

import math
from bisect import bisect_left
from collections.abc import Callable, Iterator, Sequence

from codex_assets.archive.findings import Finding
from codex_assets.verification.fidelity import SoundBand, SoundFidelity, SoundRange, SoundSecond
from codex_assets.verification.observations import VariantObservation
from codex_assets.verification.rule import rule
from codex_assets.verification.rules.comparisons import any_failed
from codex_assets.verification.rules.pictures import pictures_decode
from codex_assets.verification.rules.playlist import segments_present, sound_continuous
from codex_assets.verification.rules.shared_limits import PLAYLISTS, VARIANTS
from codex_assets.verification.rules.tracks import tracks_end_together, tracks_start_together

SYNC_SECONDS = 0.05
"""EBU R37 allows sound 40 ms early to 60 ms late; the middle of both."""
OWN_SYNC_SECONDS = 0.03
"""Of variants beside their mezzanine: a frame of AAC, 0.021 s, by which a coder that is not cut is late."""
DRIFT_SECONDS = 0.02
"""By which no part may be later or earlier than the whole."""
LEVEL_DB = 4.0
LIKENESS = 0.6
"""Of a second, in each channel."""
LEAST_LIKENESS = 0.4
"""Of a tenth."""
INVERTED = -0.7
EXCHANGED = 0.2
"""By how much more a channel is like the other's original than like its own."""
TURNED_TENTHS = 3
"""Of a second, in which the difference between the channels is the other way round: what is nearly the same in both is
like the other's original as well."""
HOLE_DB = -27.0
"""Honest encodes at 64 kbit/s, of beeps and clicks too: -7.6 at the lowest, and of what was encoded so before, in one
channel, -20. A hole of 25 ms: -34 and under."""
CLICK_DB = -45.0
"""Beside what is heard around. Honest encodes at 64 kbit/s: -63 at most; a click of a fifth of a millisecond, 3 ms that
are lost, a jump to silence and back: -38 to +12."""
COHERENCE = 0.45
"""In each of two seconds. Honest encodes at 64 kbit/s: 0.79, with the worst of ffmpeg's coders 0.59. A pitch that
wavers: 0.38 and under."""
DULL_DB = -4.5
HARSH_DB = 6.0
LIMITED_BRIGHT_DB = 27.0
"""Where short peaks are lowered that are brighter, or duller, than the rest: one with a tap loses all of it."""
LEAST_BRIGHT = 1e-4
"""Part of the energy, under which there is nothing bright to keep."""
LEAST_LOST = 2e-4
"""Part of the energy, that may be missing of what is bright: of a beep's ends after two lossy encodes, 1.1e-4 is."""
LEAST_GAINED = 2e-3
"""Part of the energy, that may be bright and was not: of a tone that is switched on and off under 5 kHz, at 64 kbit/s,
0.8e-3 is."""
BRIGHT_SPREAD = 0.01
"""Part of what is bright in a second, that a coder spreads to the one beside it, where it breaks off: of a loud sweep,
0.0023 is at 64 kbit/s."""
SAME_WIDTH = 0.98
DROPPED_DB = -30.0
PARTLY_KEPT, WHOLLY_KEPT = 0.7, 0.8
"""Parts of a channel's level: of one that drops out, and of the other."""
WIDTH = 0.12
LIMITED_WIDTH = 0.6
"""Where peaks are lowered that are less, or more, the same on both sides than the rest."""
ADDED_DB = -17.0
"""Of all energy, what may be added in a second: an honest encode of music at 64 kbit/s adds -36 dB at most, one without
any of the tools that hide noise -20 dB..."""
ADDED_THROUGHOUT_DB = -22.0
"""...and mostly -55 and -25. A hum or a tone 17 dB under the sound adds -17 dB."""
LEAST_SECONDS = 4
"""Of which it is said what is added mostly."""
WEAKER_BAND_DB = -4.5
"""By which a band may be weaker than the whole, throughout. Honest encodes at 64 kbit/s of speech, music, noises:
-0.6; a band that is filtered out: -9 and under."""
STRONGER_BAND_DB = 4.5
"""...or stronger. The same at 64 kbit/s, square waves and what has holes of its own too: +2.5, of which +6 and more is
left where a band was filtered out of the original."""
LIMITED_BANDS = 2.0
"""Times as far, where peaks are lowered."""
LOUDER_DB = 0.6
"""By which loud parts may be louder or quieter beside soft ones. Honest encodes down to 64 kbit/s, of what is clipped
too: 0.25 at most. Peaks cut off by 6 to 12 dB: 0.75 to 2."""
LEAST_CUT_OFF_DB = 0.75
NOISE_DB = -27.0
"""Of all energy, what may lie under all of it. Honest encodes: under -30, nearly all of them nothing at all. Noise that
is 25 dB under the sound adds -25 dB where there are pauses."""
PAIR_DB = 2.0
"""By which two channels of a sound of more may be louder or softer beside all of them: they are within 0.3 dB."""
SILENT_LEVEL = 10 ** (-60 / 20)
EXTRA_LEVEL = 10 ** (-50 / 20)
THROUGHOUT = 0.8
"""A fault of at least this part of all seconds is one of the whole."""
GAIN_DB = 3.0
"""A low rate loses what is bright, and gets more gain for it."""
OVERSHOOT_DB = 4.0
"""By which it may be quieter besides: a lossy coder overshoots peaks, and then less gain holds the ceiling."""


@rule(*PLAYLISTS, source="EBU R37")
def sound_in_sync(seen: VariantObservation) -> Finding | None:
    """What is heard is heard at the same time in the mezzanine, throughout (where the sound varies enough to tell)."""
    return expect_in_sync(seen.sound, OWN_SYNC_SECONDS)


def expect_in_sync(sound: SoundFidelity | None, limit: float = SYNC_SECONDS) -> Finding | None:
    """All sound is heard at the time of what it was made of, within `limit` (seconds); None where nothing was compared,
    or nothing says."""
    if sound is None:
        return None
    heard = [(lag.at, lag.seconds) for lag in sound.lags if lag.seconds is not None]
    if not heard:
        return None
    expected = f"within {limit:.2f} s"
    late = max((late for _, late in heard), key=abs)
    observed = f"{late:+.3f} s"
    if abs(late) > limit:
        how_late, since, at = _off(heard, limit)
        message = f"The sound is {how_late} {since}".rstrip()
        return Finding(False, f"{message}.", expected, observed, since, at)
    apart = [(at, late - sound.lag) for at, late in heard]
    if any(abs(late) > DRIFT_SECONDS for _, late in apart):
        return _drift(apart)
    return Finding(True, "The sound is in sync.", expected, observed)


def _drift(apart: Sequence[tuple[float, float]]) -> Finding:
    """What is wrong with a sound of which a part is off. `apart`: where each part begins, and how much later than the
    whole it is heard, in seconds."""
    worst = max((late for _, late in apart), key=abs)
    expected, observed = f"within {DRIFT_SECONDS:.2f} s of the whole", f"{worst:+.3f} s"
    first = next(number for number, (_, late) in enumerate(apart) if abs(late) > DRIFT_SECONDS)
    if first == 0 or abs(apart[first - 1][1]) > DRIFT_SECONDS / 2:
        return Finding(False, f"The sound drifts by {abs(worst):.2f} s.", expected, observed)
    # What is lost, or comes twice, moves all that follows at once.
    how_late, since, at = _off(apart, DRIFT_SECONDS)
    return Finding(False, f"The sound is {how_late} {since}, beside the rest of it.", expected, observed, since, at)


def _off(heard: Sequence[tuple[float, float]], limit: float) -> tuple[str, str, float | None]:
    """How late a sound is, of which a part is off by more than this, and since when; empty for one that always is."""
    first = next(number for number, (_, late) in enumerate(heard) if abs(late) > limit)
    at, beginning = heard[first][0], _away(heard[first][1])
    worst = _away(max((late for _, late in heard), key=abs))
    how_late = worst if worst == beginning else f"up to {worst}"
    if not all(abs(late) > limit for _, late in heard[first:]):
        return how_late, f"at {at:.0f} s", at
    return (how_late, f"from {at:.0f} s on", at) if first else (how_late, "", None)


def _away(late: float) -> str:
    return f"{abs(late):.2f} s {'late' if late > 0 else 'early'}"


@rule(*PLAYLISTS, source=VARIANTS)
def sound_true(seen: VariantObservation) -> Finding | None:
    """All sound is the mezzanine's: each channel, at one level, nothing missing, nothing dull, nothing added."""
    times = tracks_start_together(seen), tracks_end_together(seen), sound_continuous(seen), sound_in_sync(seen)
    if any_failed(*times, segments_present(seen), pictures_decode(seen)):
        return None
    return expect_true_sound(seen.sound, "mezzanine")


@rule(*PLAYLISTS, source="contract: loudness")
def sound_gain_true(seen: VariantObservation) -> Finding | None:
    """The sound is louder than the mezzanine's by what its loudness asks for, or by less if its peaks forbid that."""
    wanted, gain = seen.expected.gain, seen.sound.gain if seen.sound is not None else None
    if wanted is None or gain is None or any_failed(sound_in_sync(seen), sound_true(seen)):
        return None
    least = wanted - GAIN_DB if wanted == 0.0 else wanted - GAIN_DB - OVERSHOOT_DB
    expected, observed = f"{least:+.1f} to {wanted + GAIN_DB:+.1f} dB", f"{gain:+.1f} dB"
    if least <= gain <= wanted + GAIN_DB:
        return Finding(True, f"The sound is {gain:+.1f} dB louder than the mezzanine's.", expected, observed)
    message = f"The sound is {gain:+.1f} dB louder than the mezzanine's, not {wanted:+.1f} dB as its loudness asks."
    return Finding(False, message, expected, observed)


def expect_true_sound(sound: SoundFidelity | None, whose: str) -> Finding | None:
    """All sound is that of `whose`; None when nothing was compared."""
    if sound is None or not sound.seconds:
        return None
    expected = f"like the {whose}'s"
    # Mixed to two, an exchange of channels looks like something else.
    for pair in sound.pairs:
        finding = _expect_true_pair(pair, sound, whose)
        if finding is not None and not finding.passed:
            return finding
    for faults in (_FAULTS, _HOLES):
        if (finding := _first_fault(faults, sound, whose)) is not None:
            return finding
    wavers = _first_fault(_WAVERS, sound, whose)
    if sound.range is not None and (wrong := _wrong_range(sound.range, whose)) is not None:
        # A pitch that wavers is not as loud in each moment, either.
        if wavers is not None and -LEAST_CUT_OFF_DB < sound.range.louder < -LOUDER_DB:
            return wavers
        return Finding(False, f"{wrong}.", expected, _range_numbers(sound.range))
    if (band := _lost_band(sound)) is not None:
        which, lost = _frequencies(band), f"{-band.louder:.0f} dB too weak"
        return Finding(False, f"What lies from {which} is {lost} beside the {whose}'s.", expected, f"{which}: {lost}")
    if (band := _new_band(sound)) is not None:
        which, more = _frequencies(band), f"{band.louder:.0f} dB more"
        return Finding(False, f"There is {more} from {which} than the {whose} has.", expected, f"{which}: {more}")
    if (finding := _first_fault(_CLICKS, sound, whose)) is not None:
        return finding
    if wavers is not None:
        return wavers
    return Finding(True, f"All sound is the {whose}'s.", expected, expected)


def _first_fault(faults: Sequence[_Fault], sound: SoundFidelity, whose: str) -> Finding | None:
    """The first of these faults that any second has, and where it and the others are; None without one."""
    bad = [second for second in sound.seconds if any(says(second, sound) for says, _ in faults)]
    for says, message in faults:
        first = next((second for second in bad if says(second, sound)), None)
        if first is not None:
            where = _span(sound, bad)
            sentence = message(first, sound).format(whose=whose)
            said = f"{sentence}{f' {where}' if where else ''}."
            at = bad[0].at if where else None
            return Finding(False, said, f"like the {whose}'s", _numbers(first), where, at)
    return None


def _lost_band(sound: SoundFidelity) -> SoundBand | None:
    """The band that is weakest beside the original's throughout; None where all of them are there."""
    least = WEAKER_BAND_DB * (LIMITED_BANDS if sound.limited_peaks else 1.0)
    lost = (band for band in sound.balance if band.louder < least)
    return min(lost, key=lambda band: band.louder, default=None)


def _new_band(sound: SoundFidelity) -> SoundBand | None:
    """The band that is strongest beside the original's throughout; None where none is too strong."""
    most = STRONGER_BAND_DB * (LIMITED_BANDS if sound.limited_peaks else 1.0)
    added = (band for band in sound.surplus if band.louder > most)
    return max(added, key=lambda band: band.louder, default=None)


def _frequencies(band: SoundBand) -> str:
    return f"{_hertz(band.low)} to {_hertz(band.high)}"


def _hertz(frequency: float) -> str:
    return f"{frequency / 1000:g} kHz" if frequency >= 1000 else f"{frequency:g} Hz"


def _expect_true_pair(pair: SoundFidelity, sound: SoundFidelity, whose: str) -> Finding | None:
    """Two channels of a sound of more are as true as the whole is, as loud beside it, and at its time."""
    names = " and ".join(pair.sides)
    if pair.gain is not None and sound.gain is not None and abs(pair.gain - sound.gain) > PAIR_DB:
        message = f"The {names} channels are {pair.gain - sound.gain:+.0f} dB louder beside the others"
        return Finding(False, f"{message}.", f"within {PAIR_DB:.0f} dB", message)
    if any(lag.seconds is not None and abs(lag.seconds - sound.lag) > SYNC_SECONDS for lag in pair.lags):
        return Finding(False, f"The {names} channels are not at the time of the others.", "together", "apart")
    return expect_true_sound(pair, whose)


def _wrong_range(seen: SoundRange, whose: str) -> str | None:
    """What is wrong with the whole of a sound that is right second by second; None for nothing."""
    if seen.noise > NOISE_DB:
        return f"There is noise under all of the sound that the {whose} does not have"
    if seen.lost_noise > NOISE_DB:
        return f"There is no noise where the {whose} has it under all of its sound"
    if seen.louder > LOUDER_DB:
        return f"Loud parts stand out by {seen.louder:.1f} dB more than the {whose}'s"
    if seen.louder < -LOUDER_DB:
        return f"Loud parts of the sound are quieter by {-seen.louder:.1f} dB beside the others: its peaks are cut off"
    return None


def _range_numbers(seen: SoundRange) -> str:
    return f"loud parts {seen.louder:+.1f} dB, noise {seen.noise:.0f} dB, lost noise {seen.lost_noise:.0f} dB"


def _span(sound: SoundFidelity, bad: Sequence[SoundSecond]) -> str:
    """When the fault is heard; empty for one of the whole."""
    telling = [second for second in sound.seconds if second.least is not None]
    if len(bad) >= THROUGHOUT * len(telling):
        return ""
    if len(bad) < (bad[-1].at - bad[0].at) / 2:
        return f"at {bad[0].at:.0f} s and in other places"
    return f"from {bad[0].at:.0f} to {bad[-1].at + 1:.0f} s"


def _numbers(second: SoundSecond) -> str:
    likeness = [f"{each:.2f}" for each in second.likeness if each is not None]
    level = f"{second.least:+.1f} dB" if second.least is not None else "silence"
    return f"level {level}, likeness {' and '.join(likeness) or 'unknown'}"


def _is_silent(second: SoundSecond) -> bool:
    return (
        max(second.reference_levels) > SILENT_LEVEL and max(second.levels) < SILENT_LEVEL and second.least is not None
    )


def _lost_channel(second: SoundSecond, sound: SoundFidelity) -> str | None:
    """The channel that is silent alone; None without one."""
    for number, side in enumerate(sound.sides):
        was_there = second.reference_levels[number] > 0.1 * max(second.reference_levels)
        if was_there and second.levels[number] < 0.01 * max(second.levels):
            return side
    return None


def _new_channel(second: SoundSecond, sound: SoundFidelity) -> str | None:
    """The channel that sounds alone though the original's is silent; None without one."""
    for number, side in enumerate(sound.sides):
        was_silent = second.reference_levels[number] < 0.01 * max(second.reference_levels)
        if was_silent and second.levels[number] > max(EXTRA_LEVEL, 0.1 * max(second.levels)):
            return side
    return None


def _inverted_channels(second: SoundSecond, sound: SoundFidelity) -> tuple[str, ...]:
    """Those that are turned over, for longer than something else happens to be."""
    inverted = []
    for number, side in enumerate(sound.sides):
        own, *near = (each.likeness[number] for each in (second, *_beside(second, sound)))
        if own is not None and own < INVERTED and all(each is None or not INVERTED < each < LIKENESS for each in near):
            inverted.append(side)
    return tuple(inverted)


def _inverted(second: SoundSecond, sound: SoundFidelity) -> str:
    names = _inverted_channels(second, sound)
    return f"The {names[0]} channel is inverted" if len(names) == 1 else "Both channels are inverted"


def _is_merged(second: SoundSecond) -> bool:
    return (
        second.width is not None
        and second.reference_width is not None
        and second.width > SAME_WIDTH > second.reference_width + WIDTH
    )


def _kept(second: SoundSecond) -> tuple[float | None, float | None]:
    """How much of each channel's level is there, of those that the original has."""
    left, right = (
        own / there if there > SILENT_LEVEL else None
        for own, there in zip(second.levels, second.reference_levels, strict=True)
    )
    return left, right


def _out_of_balance(second: SoundSecond) -> float | None:
    """dB by which the left channel is louder beside the right one than the original's; None where one is silent."""
    left, right = _kept(second)
    return 20 * math.log10(left / right) if left and right else None


def _quieter_channel(second: SoundSecond, sound: SoundFidelity) -> tuple[str, float] | None:
    """The channel that is quieter beside the other than it should be, and by how many dB."""
    balance = _out_of_balance(second)
    if balance is None or abs(balance) < LEVEL_DB or not sound.steady:
        return None
    return sound.sides[0 if balance < 0 else 1], abs(balance)


def _dropping_channel(second: SoundSecond, sound: SoundFidelity) -> str | None:
    """The channel that is silent for a part of the second, while the other goes on."""
    left, right = _kept(second)
    if left is None or right is None or second.least is None or second.least > DROPPED_DB:
        return None
    if min(left, right) > PARTLY_KEPT or max(left, right) < WHOLLY_KEPT:
        return None
    return sound.sides[0 if left < right else 1]


def _is_exchanged(second: SoundSecond) -> bool:
    pairs = [
        (own, other)
        for own, other in zip(second.likeness, second.crossed, strict=True)
        if own is not None and other is not None
    ]
    return bool(pairs) and all(other > own + EXCHANGED and other > LIKENESS for own, other in pairs)


def _is_unlike(second: SoundSecond) -> bool:
    return any(each is not None and each < LIKENESS for each in second.likeness)


def _drops_out(second: SoundSecond) -> bool:
    return second.least_likeness is not None and second.least_likeness < LEAST_LIKENESS


def _wavers(second: SoundSecond, sound: SoundFidelity) -> bool:
    """Whether this second is like the original's at no shift, and one beside it: within one alone a gap may end, which
    moves what follows by a few milliseconds, or a deep tone, of whose end an encoder keeps little higher up. Lowered
    peaks are another waveform."""
    if sound.limited_peaks or second.coherence is None or second.coherence >= COHERENCE:
        return False
    return any(each.coherence is not None and each.coherence < COHERENCE for each in _beside(second, sound))


def _beside(second: SoundSecond, sound: SoundFidelity) -> Iterator[SoundSecond]:
    """The seconds before and after it."""
    number = bisect_left(sound.seconds, second.at, key=lambda each: each.at)
    near = sound.seconds[max(0, number - 1) : number + 2]
    return (each for each in near if 0.0 < abs(each.at - second.at) <= 1.0)


def brightness(second: SoundSecond) -> float:
    """dB beside the original's; 0 where there is nothing bright."""
    if not second.reference_bright or second.reference_bright < LEAST_BRIGHT or second.bright is None:
        return 0.0
    return 10 * math.log10(max(second.bright, 1e-9) / second.reference_bright)


def _is_dull(second: SoundSecond, sound: SoundFidelity) -> bool:
    if (second.reference_bright or 0.0) - (second.bright or 0.0) < LEAST_LOST:
        return False
    return brightness(second) < (-LIMITED_BRIGHT_DB if sound.limited_peaks else DULL_DB)


def _is_harsh(second: SoundSecond, sound: SoundFidelity) -> bool:
    gained = (second.bright or 0.0) - (second.reference_bright or 0.0)
    if gained < LEAST_GAINED or brightness(second) <= (LIMITED_BRIGHT_DB if sound.limited_peaks else HARSH_DB):
        return False
    return gained * _energy(second) > BRIGHT_SPREAD * max(map(_bright_energy, _beside(second, sound)), default=0.0)


def _energy(second: SoundSecond) -> float:
    """Of the original's."""
    return sum(level**2 for level in second.reference_levels)


def _bright_energy(second: SoundSecond) -> float:
    return (second.reference_bright or 0.0) * _energy(second)


def _is_narrowed(second: SoundSecond, sound: SoundFidelity) -> bool:
    if second.width is None or second.reference_width is None:
        return False
    return abs(second.width - second.reference_width) > (LIMITED_WIDTH if sound.limited_peaks else WIDTH)


def _has_more(second: SoundSecond, sound: SoundFidelity) -> bool:
    """Whether there is what the original does not have: in this second, or in most of them."""
    if second.added is None:
        return False
    usual, seconds = sound.usually_added
    throughout = seconds >= LEAST_SECONDS and usual > ADDED_THROUGHOUT_DB
    return second.added > (ADDED_THROUGHOUT_DB if throughout else ADDED_DB)


def _is_added_alone(second: SoundSecond, sound: SoundFidelity) -> bool:
    """Whether there is more, and it is not what is in the other channel."""
    return _has_more(second, sound) and all(each is None or abs(each) < EXCHANGED for each in second.crossed)


def _quieter(second: SoundSecond, sound: SoundFidelity) -> str:
    side, by = _quieter_channel(second, sound) or (sound.sides[0], 0.0)
    return f"The {side} channel is quieter beside the other by {by:.0f} dB"


_MORE = "There is noise, a hum or a tone in the sound that the {whose} does not have"

_Says = Callable[[SoundSecond, SoundFidelity], bool]
_Message = Callable[[SoundSecond, SoundFidelity], str]
_Fault = tuple[_Says, _Message]
_FAULTS: tuple[_Fault, ...] = (
    (lambda second, sound: _is_silent(second), lambda second, sound: "The sound is silent"),
    (
        lambda second, sound: _lost_channel(second, sound) is not None,
        lambda second, sound: f"The {_lost_channel(second, sound)} channel is silent",
    ),
    (
        lambda second, sound: _new_channel(second, sound) is not None,
        lambda second, sound: f"The {_new_channel(second, sound)} channel sounds, and the {{whose}}'s is silent",
    ),
    (
        lambda second, sound: _is_exchanged(second),
        lambda second, sound: f"The {sound.sides[0]} and the {sound.sides[1]} channel are exchanged",
    ),
    (lambda second, sound: bool(_inverted_channels(second, sound)), _inverted),
    (lambda second, sound: _is_merged(second), lambda second, sound: "Both channels are the same"),
    (
        lambda second, sound: second.turned >= TURNED_TENTHS,
        lambda second, sound: f"The {sound.sides[0]} and the {sound.sides[1]} channel are exchanged",
    ),
    (
        lambda second, sound: _dropping_channel(second, sound) is not None,
        lambda second, sound: f"The {_dropping_channel(second, sound)} channel drops out",
    ),
    (lambda second, sound: _is_unlike(second), lambda second, sound: "The sound is not the {whose}'s"),
    (lambda second, sound: _drops_out(second), lambda second, sound: "The sound drops out or is damaged"),
    (lambda second, sound: _quieter_channel(second, sound) is not None, _quieter),
    (
        lambda second, sound: sound.steady and second.least is not None and second.least < -LEVEL_DB,
        lambda second, sound: f"The sound is quieter than the rest of it by {-(second.least or 0):.0f} dB",
    ),
    (
        lambda second, sound: sound.steady and second.most is not None and second.most > LEVEL_DB,
        lambda second, sound: f"The sound is louder than the rest of it by {second.most or 0:.0f} dB",
    ),
    (_is_dull, lambda second, sound: "The sound is dull"),
    (_is_harsh, lambda second, sound: "The sound is harsh"),
    (_is_added_alone, lambda second, sound: _MORE),
    (
        _is_narrowed,
        lambda second, sound: "The distance between the left and the right channel is another",
    ),
    (_has_more, lambda second, sound: _MORE),
    (
        lambda second, sound: second.extra > EXTRA_LEVEL,
        lambda second, sound: "There is sound where the {whose} has none, or next to none",
    ),
)
"""What is wrong with a second, and how it is said: the first that applies is the cause of those after it."""
_HOLES: tuple[_Fault, ...] = (
    (
        lambda second, sound: second.hole < HOLE_DB,
        lambda second, sound: "The sound drops out for some hundredths of a second",
    ),
)
"""Asked after these: a longer silence has edges as well."""
_CLICKS: tuple[_Fault, ...] = (
    (
        lambda second, sound: second.click is not None and second.click > CLICK_DB,
        lambda second, sound: "There is a click or a crackle that the {whose} does not have",
    ),
)
"""Asked where nothing is wrong throughout: noise has edges, too."""
_WAVERS: tuple[_Fault, ...] = (
    (_wavers, lambda second, sound: "The sound wavers: its waveform is at no shift the {whose}'s"),
)
"""Asked last: noise, peaks that are cut off and a missing band leave no waveform either."""
