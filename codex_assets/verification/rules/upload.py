"""Rules for a new mezzanine beside the upload that it was made of, with their limits: all pictures and all sound.

Measured on the uploads of the tests, whatever made them (turned, cropped, interlaced, HDR, transparent, of a variable
rate). What was to stay as it was keeps a likeness of 0.99, a tint of 0.2 and a sharpness of 0.98; what was scaled or
converted 0.97, 1.5 and 0.8; fields and converted light 0.91 and 1.2. A wrong matrix tints by 0.9 and more, a picture of
half the size has a sharpness of 0.7; pictures that are late or repeated are found by what moves.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from codex_assets.archive.findings import Finding
from codex_assets.verification.fidelity import (
    ChangeKind,
    Exactness,
    PictureChange,
    PictureFidelity,
    PictureSecond,
    SoundFidelity,
)
from codex_assets.verification.kinds import ObservationKind
from codex_assets.verification.observations import MezzanineObservation
from codex_assets.verification.rule import rule
from codex_assets.verification.rules.comparisons import any_failed, expect_near
from codex_assets.verification.rules.mezzanine import (
    mezzanine_constant_rate,
    mezzanine_decodes,
    mezzanine_frames,
    mezzanine_rate,
    mezzanine_size,
    mezzanine_tracks,
)
from codex_assets.verification.rules.pictures import ROOM, UNLIKER, least_alike, verdict
from codex_assets.verification.rules.shared_limits import VARIANTS
from codex_assets.verification.rules.sound import brightness, expect_in_sync, expect_true_sound

ADDED_DB = -32.0
"""Of all energy, what may be added in a second: mezzanines of the tests' uploads add -40 dB at most."""
LEVEL_DB = 2.0
"""By which a tenth may be louder or softer: they are within 0.5 dB."""
BRIGHT_DB = 2.0
"""Within 0.3 dB."""
GAIN_DB = 1.5
"""What encoding a sound again, or mixing it down, changes of its level."""


_UNSURE = (ChangeKind.ANOTHER, ChangeKind.PART)
UNEVEN_MORE = 0.25
"""Part of all motion: where rates change, no rate suits all of it."""
LASTS_SHARE, LASTS_SECONDS = 0.15, 7.5
"""Of all pictures together, and in seconds: for so long, a size surely lasts."""
SIZE_ROUNDED = 0.95
"""Even sides make a small picture smaller by up to this factor."""
SOFTNESS_POWER = 2.0
"""The power of an honest encode's sharpness that lowers the limit. Of noise of two to four levels it keeps 0.34 to
0.87, and a mezzanine 0.79 to 1.2 times as much; with a blur on top it is 0.06 to 0.3 times."""
QUARTER = 0.75
"""Of its detail, what a quarter of the picture keeps at least beside the others: 0.9 and more, with noise as well; by a
blur of 4 pixels in 640 to 850, 0.3 to 0.5."""
STOPPED = 0.3
"""Part of a second's pictures that may stand still while the upload moves."""


@dataclass(frozen=True)
class _Limits:
    """Of a second: least likeness of luma and of the colours; of 255 the largest difference of most of its pictures,
    that which is not the same everywhere, that of one area over all of it, and that of its worst picture; sharpness, of
    all of it and of its softest quarter beside the others."""

    luma: float
    colours: float
    difference: float
    tint: float
    lasting: float
    picture: float
    sharpness: tuple[float, float]
    quarter: float = QUARTER

    def allow(self, second: PictureSecond, honest: Sequence[PictureSecond] = ()) -> bool:
        """`honest`: seconds as an encode of the judge's own leaves them; this one, or those that are hardest."""
        own = [each for each in honest if each.at == second.at] or honest
        return self._allow(second) or any(self._beside(each)._allow(second) for each in own)

    def _beside(self, honest: PictureSecond) -> _Limits:
        """What may be asked of a second of which an honest encode keeps no more than this."""
        kept = 1 - UNLIKER * (1 - honest.likeness[0]) - ROOM
        least, most = self.sharpness
        # The less is kept, the more it differs from encoder to encoder.
        softest = least if honest.sharpness is None else least * min(1.0, honest.sharpness) ** SOFTNESS_POWER
        return replace(self, luma=min(self.luma, kept), colours=min(self.colours, kept), sharpness=(softest, most))

    def _allow(self, second: PictureSecond) -> bool:
        least, most = self.sharpness
        return (
            second.likeness[0] >= self.luma
            and min(second.likeness[1:]) >= self.colours
            and second.usual_difference <= self.difference
            and second.tint <= self.tint
            and second.lasting_difference <= self.lasting
            and second.difference <= self.picture
            and (second.sharpness is None or least <= second.sharpness <= most)
            and self.soft_part(second) is None
        )

    def soft_part(self, second: PictureSecond) -> PictureChange | None:
        """The quarter of the picture that keeps too little of its detail beside the others; None without one."""
        softest = second.soft_quarter
        if softest is None or softest.sharpness >= self.quarter:
            return None
        return PictureChange(ChangeKind.PART_BLURRED, softest.sharpness, softest.where)


_NEARLY = _Limits(0.85, 0.85, difference=4.0, tint=2.5, lasting=14.0, picture=14.0, sharpness=(0.0, 9.0))
LIMITS = {
    Exactness.SAME: _Limits(0.98, 0.98, difference=0.8, tint=0.5, lasting=3.0, picture=8.0, sharpness=(0.87, 1.2)),
    # A scaler's rounding takes up to two levels of white, and most of what no display shows; colours of half the size
    # have other edges.
    Exactness.CONVERTED: _Limits(0.92, 0.9, difference=3.2, tint=2.2, lasting=9.0, picture=8.0, sharpness=(0.6, 1.5)),
    Exactness.APPROXIMATE: _NEARLY,
    Exactness.FIELDS: _NEARLY,
}


def _stands_still(second: PictureSecond) -> bool:
    """Whether pictures are repeated."""
    return second.stopped is not None and second.stopped > STOPPED


@rule(ObservationKind.MEZZANINE, source=VARIANTS)
def mezzanine_has_all_tracks(seen: MezzanineObservation) -> Finding | None:
    """What a player would play of the upload is there, whenever it begins (asked when made)."""
    if seen.upload_tracks is None:
        return None
    wanted = [kind for kind in seen.upload_tracks if kind == "sound" or seen.expected.has_video]
    if seen.expected.sound_left_out:
        wanted = [kind for kind in wanted if kind != "sound"]
    there = [kind for kind, track in (("picture", seen.video), ("sound", seen.audio)) if track is not None]
    expected, observed = " and ".join(wanted) or "nothing", " and ".join(there) or "nothing"
    missing = [kind for kind in wanted if kind not in there]
    if not missing:
        return Finding(True, "All that a player would play of the upload is there.", expected, observed)
    return Finding(False, f"The upload has a {missing[0]}, and the mezzanine has none.", expected, observed)


@rule(ObservationKind.MEZZANINE, source=VARIANTS)
def mezzanine_pictures_true(seen: MezzanineObservation) -> Finding | None:
    """Every picture is the upload's, upright and in BT.709, at its time (asked when made: no upload is kept)."""
    formats = mezzanine_size(seen), mezzanine_rate(seen), mezzanine_tracks(seen), mezzanine_constant_rate(seen)
    if any_failed(*formats, mezzanine_decodes(seen), mezzanine_frames(seen)):
        return None
    return _expect_true(seen.pictures)


def _expect_true(fidelity: PictureFidelity | None) -> Finding | None:
    if fidelity is None or not fidelity.seconds:
        return None
    limits = LIMITS[fidelity.exactness]
    bad = [second for second in fidelity.seconds if not limits.allow(second, fidelity.honest)]
    # The lines of two fields are beside each other: what stands still seems to move.
    moving = fidelity.seconds if fidelity.exactness is not Exactness.FIELDS else ()
    late = [second for second in moving if second.late]
    still = [second for second in moving if _stands_still(second)]
    wrong = bad or late or still
    change = _change(fidelity, late, still, least_alike(wrong)) if wrong else None
    return verdict(fidelity, wrong, change, "upload", "like the upload's")


def _change(
    fidelity: PictureFidelity, late: Sequence[PictureSecond], still: Sequence[PictureSecond], worst: PictureSecond
) -> PictureChange | None:
    """What explains the difference: what the pictures themselves show, else their motion, else their sharpness."""
    change = fidelity.change
    limits = LIMITS[fidelity.exactness]
    soft_part = limits.soft_part(worst)
    if soft_part is not None and replace(limits, quarter=0.0).allow(worst, fidelity.honest):
        return soft_part
    # What is late, or out of focus in part, looks like something else as a whole.
    unsure = {ChangeKind.NONE}
    if late or soft_part is not None:
        unsure |= {*_UNSURE}
    if soft_part is not None:
        unsure |= {ChangeKind.BLURRED}
    if change is not None and change.change not in unsure:
        return change
    if late:
        return PictureChange(ChangeKind.SHIFTED_IN_TIME, float(late[0].late or 0))
    if still:
        return PictureChange(ChangeKind.REPEATED)
    if soft_part is not None:
        return soft_part
    least, most = limits.sharpness
    if worst.sharpness is not None and not least <= worst.sharpness <= most:
        return PictureChange(ChangeKind.BLURRED if worst.sharpness < least else ChangeKind.ROUGH, worst.sharpness)
    return change


@rule(ObservationKind.MEZZANINE, source=VARIANTS)
def mezzanine_rate_suits(seen: MezzanineObservation) -> Finding | None:
    """Where the upload moves evenly, none of its pictures are dropped or repeated unevenly (asked when made)."""
    fit = seen.rate_fit
    if fit is None or any_failed(mezzanine_constant_rate(seen)):
        return None
    passed = fit.uneven <= fit.best_uneven + UNEVEN_MORE
    observed = f"{100 * fit.uneven:.0f} % at {fit.rate:.3f}"
    expected = f"about {100 * fit.best_uneven:.0f} %, as at {fit.best:.3f}"
    if passed:
        return Finding(True, "The upload's pictures come as evenly as they can.", expected, observed)
    message = (
        f"At {fit.rate:.3f} frames a second {100 * fit.uneven:.0f} % of the upload's motion is uneven, "
        f"and {100 * fit.best_uneven:.0f} % at {fit.best:.3f}."
    )
    return Finding(False, message, expected, observed)


@rule(ObservationKind.MEZZANINE, source=VARIANTS)
def mezzanine_last_picture(seen: MezzanineObservation) -> Finding | None:
    """The upload's last picture is there, however short it says that it is (asked when made)."""
    last, pictures = seen.last_picture, seen.frames_indexed
    if last is None or pictures is None or any_failed(mezzanine_constant_rate(seen)):
        return None
    expected, observed = f"at least {last.needed} pictures", f"{pictures}"
    if pictures >= last.needed:
        return Finding(True, "The upload's last picture is there.", expected, observed)
    message = f"The upload shows its last picture from {last.at:.2f} s on, and the mezzanine ends before it."
    return Finding(False, message, expected, observed)


@rule(ObservationKind.MEZZANINE, source=VARIANTS)
def mezzanine_size_lasts(seen: MezzanineObservation) -> Finding | None:
    """Where the upload's picture changes its size midway, the largest size that lasts is kept (asked when made)."""
    if seen.video is None or seen.pictures is None:
        return None
    whole = sum(size.seconds for size in seen.upload_sizes)
    # What lasts for about so long may be taken for either.
    lasting = [size for size in seen.upload_sizes if size.seconds > min(LASTS_SHARE * whole, LASTS_SECONDS)]
    if not lasting:
        return Finding(True, "The upload's picture has one size.", "one size", "one size")
    largest = max(lasting, key=lambda size: size.width * size.height)
    own = seen.video.coded_width * seen.video.coded_height
    passed = own >= SIZE_ROUNDED * largest.width * largest.height
    wanted, observed = f"{largest.width}x{largest.height}", f"{seen.video.coded_width}x{seen.video.coded_height}"
    message = f"The upload's picture is {wanted} for {largest.seconds:.1f} s, and the mezzanine is {observed}."
    return Finding(passed, message, f"at least {wanted}", observed)


@rule(ObservationKind.MEZZANINE, source="EBU R37")
def mezzanine_sound_in_sync(seen: MezzanineObservation) -> Finding | None:
    """What is heard is heard at the same time in the upload, throughout (where the sound varies enough to tell)."""
    return expect_in_sync(seen.sound)


@rule(ObservationKind.MEZZANINE, source=VARIANTS)
def mezzanine_sound_true(seen: MezzanineObservation) -> Finding | None:
    """All sound is the upload's: each channel, nothing missing, nothing dull, nothing added (asked when made)."""
    if any_failed(mezzanine_tracks(seen), mezzanine_decodes(seen), mezzanine_sound_in_sync(seen)):
        return None
    finding = expect_true_sound(seen.sound, "upload")
    if finding is None or not finding.passed or seen.sound is None:
        return finding
    return _expect_close(seen.sound) or finding


def _expect_close(sound: SoundFidelity) -> Finding | None:
    """What a variant's rate may do to a sound, and a mezzanine's may not; None without a fault."""
    for second in sound.seconds:
        away = max(abs(second.least or 0.0), abs(second.most or 0.0))
        bright = abs(brightness(second))
        where = f"at {second.at:.0f} s"
        for is_wrong, message in (
            (second.added is not None and second.added > ADDED_DB, "There is noise, a hum or a tone"),
            (away > LEVEL_DB, f"The sound's level is off by {away:.0f} dB"),
            (bright > BRIGHT_DB, f"What is bright in the sound is off by {bright:.0f} dB"),
        ):
            if is_wrong:
                sentence = f"{message} {where}, beside the upload's."
                return Finding(False, sentence, "like the upload's", message, where, second.at)
    return None


@rule(ObservationKind.MEZZANINE, source=VARIANTS)
def mezzanine_sound_level(seen: MezzanineObservation) -> Finding | None:
    """The sound is as loud as in the upload, or was made quieter by as much as was decided."""
    wanted = seen.expected.gain
    if seen.sound is None or seen.sound.gain is None or wanted is None:
        return None
    if any_failed(mezzanine_sound_true(seen)):
        return None
    return expect_near("The gain", wanted, seen.sound.gain, GAIN_DB, unit="dB")
