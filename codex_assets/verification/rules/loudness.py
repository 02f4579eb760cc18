"""Rules for the loudness that is delivered, with their limits."""

from __future__ import annotations

from codex_assets.archive.findings import Finding, Severity
from codex_assets.media import profile
from codex_assets.verification.kinds import ObservationKind
from codex_assets.verification.observations import LoudnessObservation
from codex_assets.verification.rule import rule
from codex_assets.verification.rules.shared_limits import PLAN

TOLERANCE_LU = 0.5
"""Contract: loudness. The judge's own number: what the builder aims at is in the profile."""
FULL_SCALE_DBTP = 0.0
LOUDNESS_ACCURACY = 0.1
"""LU: measurements are printed with one decimal."""
PEAK_ACCURACY = 0.1
EXCUSED_LU = 1.5
"""So far beside the target a warning excuses: coders overshoot peaks by chance, and what is left is hardly heard."""
NO_ROOM_DBTP = -0.5
"""Softer than that, a warning excuses what would have peaks over this if it were as loud as it should be. A sound that
was limited has them within a decibel of the limit of -1 dBTP, and so over this; one that is too soft as a whole has
them so far under the limit as it is under the target."""
UPLOAD_LU = 1.0
"""By which an upload's loudness may be another than what is delivered has without its gain."""
UPLOAD_LIMITED_LU = 3.0
"""The same where its peaks were lowered."""
UPLOAD_PEAK_DB = 8.0
"""The same of its peak, which coders overshoot by chance: 4.5 were measured, of two channels out of six."""
LEAST_GATED_LUFS = -50.0
"""Of softer sound a part is under the absolute gate of ITU-R BS.1770, which another gain takes it over."""
AUDIBLE_LUFS = -60.0
MEASURABLE_SECONDS = 0.8
"""Two gating blocks of ITU-R BS.1770; a shorter programme has no integrated loudness worth judging."""


@rule(ObservationKind.LOUDNESS, source=PLAN, gate=True)
def sound_measurable(seen: LoudnessObservation) -> Finding:
    """The delivered sound can be decoded and measured."""
    if seen.problem is not None:
        return Finding(False, f"The sound cannot be measured: {seen.problem}.", "a measurement", seen.problem)
    return Finding(True, "The sound was measured.", "a measurement", f"{seen.integrated_lufs:.1f} LUFS")


@rule(ObservationKind.LOUDNESS, source=PLAN)
def sound_audible(seen: LoudnessObservation) -> Finding | None:
    """The delivered sound is silent only if the source is."""
    if seen.expected.silent is None:
        return None
    if seen.expected.silent:
        heard = seen.integrated_lufs > AUDIBLE_LUFS and seen.duration >= MEASURABLE_SECONDS
        passed = not heard
        message = "The sound is audible, though the source is recorded as silent." if heard else "The sound is silent."
    else:
        passed = not seen.silent
        message = "The sound is audible." if passed else "The sound is silent, though the source is not."
    observed = f"{seen.integrated_lufs:.1f} LUFS, peak {seen.true_peak_dbtp:.1f} dBTP"
    return Finding(passed, message, "silent" if seen.expected.silent else "audible", observed)


@rule(ObservationKind.LOUDNESS, source="contract: loudness; EBU R 128")
def loudness_on_target(seen: LoudnessObservation) -> Finding | None:
    """Integrated loudness is -16 LUFS within 0.5 LU, unless peaks leave no room and the creator was warned of it."""
    target = seen.expected.target
    if target is None or seen.expected.silent or seen.silent or seen.duration < MEASURABLE_SECONDS:
        return None
    tolerance = TOLERANCE_LU + LOUDNESS_ACCURACY / 2
    expected, observed = f"{target:.1f} ± {TOLERANCE_LU} LUFS", f"{seen.integrated_lufs:.1f} LUFS"
    message = f"Integrated loudness is {observed}"
    if abs(seen.integrated_lufs - target) <= tolerance:
        return Finding(True, f"{message}.", expected, observed)
    if seen.expected.declared and _leaves_no_room(target - seen.integrated_lufs, seen.true_peak_dbtp):
        return Finding(True, f"{message}, as the creator was warned.", expected, f"{observed}, declared")
    peak = f"peak {seen.true_peak_dbtp:.1f} dBTP"
    return Finding(False, f"{message}, not {target:.1f} LUFS ({peak}).", expected, f"{observed}, {peak}")


def _leaves_no_room(missing: float, true_peak: float) -> bool:
    """Whether a sound may be beside the target with a warning. `missing`: LU that it is softer; `true_peak`: dBTP."""
    return abs(missing) <= EXCUSED_LU or (missing > 0 and true_peak + missing > NO_ROOM_DBTP)


@rule(ObservationKind.LOUDNESS, source="contract: storage keys (records)")
def upload_loudness_true(seen: LoudnessObservation) -> Finding | None:
    """The upload's loudness and peak are recorded as they were: what is delivered has them, but for its gain."""
    wanted, peak = seen.expected.upload_lufs, seen.expected.upload_dbtp
    if wanted is None or peak is None or seen.gain is None or seen.silent or seen.duration < MEASURABLE_SECONDS:
        return None
    if min(wanted, seen.integrated_lufs) < LEAST_GATED_LUFS:
        return None
    slack = UPLOAD_LU if seen.expected.is_steady else UPLOAD_LIMITED_LU
    loudness, most = seen.integrated_lufs - seen.gain, seen.true_peak_dbtp - seen.gain
    expected, observed = f"{wanted:.1f} LUFS, peak {peak:.1f} dBTP", f"{loudness:.1f} LUFS, peak {most:.1f} dBTP"
    if abs(loudness - wanted) > slack:
        message = f"The upload's loudness is recorded as {wanted:.1f} LUFS, and it is {loudness:.1f} LUFS."
        return Finding(False, message, expected, observed)
    if seen.expected.is_steady and abs(most - peak) > UPLOAD_PEAK_DB:
        message = f"The upload's true peak is recorded as {peak:.1f} dBTP, and it is {most:.1f} dBTP."
        return Finding(False, message, expected, observed)
    return Finding(True, "The upload's loudness is recorded as it was.", expected, observed)


@rule(ObservationKind.LOUDNESS, source="contract: loudness; EBU R 128 s1", severity=Severity.WARN)
def true_peak_under_limit(seen: LoudnessObservation) -> Finding | None:
    """The true peak of the delivered sound is at most -1 dBTP."""
    if seen.expected.target is None or seen.silent:
        return None
    limit = profile.DELIVERED_PEAK_LIMIT
    passed = seen.true_peak_dbtp <= limit + PEAK_ACCURACY / 2
    message = f"The true peak is {seen.true_peak_dbtp:.1f} dBTP{'' if passed else f', over {limit:.1f} dBTP'}."
    return Finding(passed, message, f"at most {limit:.1f} dBTP", f"{seen.true_peak_dbtp:.1f} dBTP")


@rule(ObservationKind.LOUDNESS, source="plan: output verification checklist (not clipped)")
def sound_not_clipped(seen: LoudnessObservation) -> Finding | None:
    """The delivered sound does not pass full scale, where players clip it."""
    if seen.expected.target is None or seen.silent:
        return None
    passed = seen.true_peak_dbtp <= FULL_SCALE_DBTP + PEAK_ACCURACY / 2
    message = f"The true peak is {seen.true_peak_dbtp:.1f} dBTP{'' if passed else ', over full scale: it clips'}."
    return Finding(passed, message, f"at most {FULL_SCALE_DBTP:.1f} dBTP", f"{seen.true_peak_dbtp:.1f} dBTP")
