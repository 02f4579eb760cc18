"""Rules for the waveform's data and picture, with their limits."""

from __future__ import annotations

import math

from codex_assets.archive.findings import Finding
from codex_assets.media import profile
from codex_assets.verification.kinds import ObservationKind
from codex_assets.verification.observations import WaveformImageObservation, WaveformObservation
from codex_assets.verification.rule import rule
from codex_assets.verification.rules.comparisons import expect_equal, expect_near, expect_size
from codex_assets.verification.rules.shared_limits import CONTRACT, DURATION_SECONDS, PLAN

WAVEFORM_RATE_SLACK = 0.01
WAVEFORM_LENGTH_POINTS = 2
"""The last, partial point and the encoder's delay."""


WAVEFORM = "audiowaveform data format"


@rule(ObservationKind.WAVEFORM_JSON, source=PLAN, gate=True)
def waveform_readable(seen: WaveformObservation) -> Finding:
    """The waveform exists and is JSON with a list of numbers."""
    if seen.problem is not None:
        return Finding(False, f"The waveform cannot be read: {seen.problem}.", "waveform JSON", seen.problem)
    return Finding(True, f"The waveform holds {seen.values} numbers.", "waveform JSON", f"{seen.values} numbers")


@rule(ObservationKind.WAVEFORM_JSON, source=WAVEFORM)
def waveform_version(seen: WaveformObservation) -> Finding:
    """The format's version is 2."""
    return expect_equal("The version", 2, seen.version)


@rule(ObservationKind.WAVEFORM_JSON, source="contract: variants (waveform)")
def waveform_bits(seen: WaveformObservation) -> Finding:
    """Numbers have 8 bits."""
    return expect_equal("The number of bits", profile.WAVEFORM_BITS, seen.bits)


@rule(ObservationKind.WAVEFORM_JSON, source="contract: variants (waveform)")
def waveform_channels(seen: WaveformObservation) -> Finding:
    """Channels are merged to one."""
    return expect_equal("The number of channels", 1, seen.channels)


@rule(ObservationKind.WAVEFORM_JSON, source=PLAN)
def waveform_resolution(seen: WaveformObservation) -> Finding:
    """The waveform has about 10 points a second."""
    wanted = float(profile.WAVEFORM_POINTS_PER_SECOND)
    observed = seen.sample_rate / seen.samples_per_pixel if seen.sample_rate and seen.samples_per_pixel else 0.0
    return expect_near("The resolution", wanted, observed, WAVEFORM_RATE_SLACK * wanted, unit="points/s")


@rule(ObservationKind.WAVEFORM_JSON, source="plan: phase 3")
def waveform_length(seen: WaveformObservation) -> Finding | None:
    """The length matches the duration of the sound: a shorter one was cut off."""
    if seen.expected.duration is None or not seen.sample_rate or not seen.samples_per_pixel or seen.length is None:
        return None
    points_per_second = seen.sample_rate / seen.samples_per_pixel
    # At another resolution than asked, which another rule finds, the length follows that resolution.
    wanted = seen.expected.duration * points_per_second
    slack = max(WAVEFORM_LENGTH_POINTS, DURATION_SECONDS * points_per_second)
    return expect_near("The length", wanted, seen.length, slack, unit="points", digits=0)


@rule(ObservationKind.WAVEFORM_JSON, source=WAVEFORM)
def waveform_data_length(seen: WaveformObservation) -> Finding:
    """There are two numbers for every point: lowest and highest."""
    wanted = 2 * (seen.length or 0) * (seen.channels or 1)
    return expect_equal("The amount of numbers", wanted, seen.values)


@rule(ObservationKind.WAVEFORM_JSON, source=WAVEFORM)
def waveform_values(seen: WaveformObservation) -> Finding:
    """Every number is an integer of 8 bits."""
    if seen.not_integers:
        message = f"{seen.not_integers} values are no integers."
        return Finding(False, message, "integers from -128 to 127", f"{seen.not_integers} others")
    low, high = seen.lowest or 0, seen.highest or 0
    passed = low >= -128 and high <= 127
    return Finding(passed, f"Numbers go from {low} to {high}.", "integers from -128 to 127", f"{low} to {high}")


@rule(ObservationKind.WAVEFORM_JSON, source="contract: variants (waveform)")
def waveform_not_flat(seen: WaveformObservation) -> Finding | None:
    """The waveform is all zero only if the sound is silent."""
    if seen.expected.silent is None or not seen.values:
        return None
    flat = seen.lowest == 0 and seen.highest == 0
    passed = seen.expected.silent or not flat
    message = "The waveform shows sound." if not flat else "The waveform is all zero"
    if flat:
        message += ", like the sound." if passed else ", though the sound is not silent."
    return Finding(
        passed, message, "all zero" if seen.expected.silent else "not all zero", "all zero" if flat else "not all zero"
    )


@rule(ObservationKind.WAVEFORM_PNG, source=PLAN, gate=True)
def waveform_image_decodes(seen: WaveformImageObservation) -> Finding:
    """The waveform's picture exists and decodes without an error."""
    if seen.problem is not None:
        return Finding(False, f"The waveform's picture does not decode: {seen.problem}.", "a picture", seen.problem)
    return Finding(True, "The waveform's picture decodes.", "a picture", "a picture")


@rule(ObservationKind.WAVEFORM_PNG, source=CONTRACT)
def waveform_image_is_png(seen: WaveformImageObservation) -> Finding:
    """The waveform's picture is a PNG, as its name says."""
    return expect_equal("The picture's format", "png", seen.codec)


@rule(ObservationKind.WAVEFORM_PNG, source=PLAN)
def waveform_image_size(seen: WaveformImageObservation) -> Finding:
    """The waveform's picture is 1280x720."""
    return expect_size((profile.PICTURE_WIDTH, profile.PICTURE_HEIGHT), (seen.width, seen.height))


@rule(ObservationKind.WAVEFORM_PNG, source="contract: variants (waveform)")
def waveform_image_covers_all(seen: WaveformImageObservation) -> Finding:
    """The drawing reaches the right edge: it shows the whole file, silence included."""
    samples = (seen.expected.duration or 3600.0) * profile.SAMPLE_RATE
    # Whole samples per column: the shorter the file, the more columns rounding up can leave bare at the end.
    per_column = max(2, math.ceil(samples / max(1, seen.width)))
    least = math.floor(seen.width * (1 - 1 / per_column) * 0.99)
    passed = seen.drawn_to >= least
    message = f"The drawing ends at column {seen.drawn_to} of {seen.width}."
    return Finding(passed, message, f"at least column {least}", f"column {seen.drawn_to}")
