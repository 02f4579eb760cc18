"""Rules for the waveform's data and picture, with their limits."""

from __future__ import annotations

import math

from codex_assets.archive.findings import Finding
from codex_assets.media import profile
from codex_assets.verification.kinds import ObservationKind
from codex_assets.verification.observations import WaveformImageObservation, WaveformObservation
from codex_assets.verification.rule import rule
from codex_assets.verification.rules.comparisons import (
    Problem,
    expect_equal,
    expect_near,
    expect_no_problem,
    expect_size,
)
from codex_assets.verification.rules.plain_pictures import beside_the_picture
from codex_assets.verification.rules.shared_limits import CONTRACT, DURATION_SECONDS, PLAN
from codex_assets.verification.sound_observations import PeakDifference

WAVEFORM_RATE_SLACK = 0.01
WAVEFORM_LENGTH_POINTS = 2
"""The last, partial point and the encoder's delay."""
POINT_SAMPLES = profile.SAMPLE_RATE // profile.WAVEFORM_POINTS_PER_SECOND
FARTHEST_PEAK = 3
"""Steps of which full scale has 128. Honest waveforms are exact; two decoders differ by 1, a drawing's pixels by 1."""
MOST_OTHER_COLOURS = 0.001
OTHER_BLANKS = 64
"""Between fields, and at the end."""
AUDIBLE = 8
"""Of 128."""
MEASURABLE_SECONDS = 0.8
"""A shorter programme has no loudness, silent or not."""

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


@rule(ObservationKind.WAVEFORM_JSON, source="contract: loudness")
def waveform_sample_rate(seen: WaveformObservation) -> Finding:
    """The samples counted are those of the delivered sound: 48,000 a second."""
    return expect_equal("The sample rate", profile.SAMPLE_RATE, seen.sample_rate)


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
    # A sound that is too short, or hardly there, has no loudness either.
    seconds = seen.expected.duration or 0.0
    heard = max(abs(seen.lowest or 0), abs(seen.highest or 0)) > AUDIBLE and seconds >= MEASURABLE_SECONDS
    passed = not heard if seen.expected.silent else not flat
    if flat:
        message = f"The waveform is all zero{', like the sound.' if passed else ', though the sound is not silent.'}"
    else:
        message = f"The waveform shows sound{'.' if passed else ', though it is recorded as silent.'}"
    return Finding(
        passed, message, "all zero" if seen.expected.silent else "not all zero", "all zero" if flat else "not all zero"
    )


@rule(ObservationKind.WAVEFORM_JSON, source=WAVEFORM)
def waveform_fields(seen: WaveformObservation) -> Finding:
    """The JSON has the fields of its format, and no others."""
    problems = [Problem(name[:40], name[:40], f"The waveform has a field {name[:40]}") for name in seen.other_fields]
    return expect_no_problem(problems, expected="none", message="The fields are those of the format.", observed="none")


@rule(ObservationKind.WAVEFORM_JSON, source=WAVEFORM)
def waveform_compact(seen: WaveformObservation) -> Finding | None:
    """The JSON says everything once, with at most a blank between two numbers: a page loads all of it."""
    if seen.other_fields or seen.not_integers:
        return None
    most = seen.values + OTHER_BLANKS
    expected = f"at most {most} blanks"
    if seen.blanks is None:
        return Finding(False, "The waveform says something twice, or in another form.", expected, "another form")
    passed = seen.blanks <= most
    message = f"The waveform has {seen.blanks} blanks between {seen.values} numbers."
    return Finding(passed, message, expected, f"{seen.blanks} blanks")


@rule(ObservationKind.WAVEFORM_JSON, source=WAVEFORM)
def waveform_pairs(seen: WaveformObservation) -> Finding | None:
    """The lowest value of every point is at most its highest."""
    if not seen.values or seen.not_integers:
        return None
    return expect_equal("The number of inverted points", 0, seen.inverted)


@rule(ObservationKind.WAVEFORM_JSON, source="contract: variants (waveform)")
def waveform_shows_its_sound(seen: WaveformObservation) -> Finding | None:
    """Every point is the lowest and highest sample of the delivered sound there, with its channels merged."""
    is_flat = seen.lowest == 0 and seen.highest == 0 and not seen.expected.silent
    if seen.samples_per_pixel != POINT_SAMPLES or is_flat or seen.inverted or seen.values != 2 * (seen.length or 0):
        return None
    length = waveform_length(seen)
    if length is not None and not length.passed:
        return None
    return _beside_sound(seen.sound, "The waveform")


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
def waveform_image_covers_all(seen: WaveformImageObservation) -> Finding | None:
    """The drawing reaches the right edge: it shows the whole file, silence included."""
    if seen.codec == "png" and (seen.other_colours or 0.0) > MOST_OTHER_COLOURS:
        return None
    passed, least = _covers_all(seen)
    message = f"The drawing ends at column {seen.drawn_to} of {seen.width}."
    return Finding(passed, message, f"at least column {least}", f"column {seen.drawn_to}")


def _covers_all(seen: WaveformImageObservation) -> tuple[bool, int]:
    """Whether the drawing reaches the right edge, and the column that it has to reach."""
    samples = (seen.expected.duration or 3600.0) * profile.SAMPLE_RATE
    # Whole samples per column: the shorter the file, the more columns rounding up can leave bare at the end.
    per_column = max(2, math.ceil(samples / max(1, seen.width)))
    least = math.floor(seen.width * (1 - 1 / per_column) * 0.99)
    return seen.drawn_to >= least, least


@rule(ObservationKind.WAVEFORM_PNG, source="contract: variants (waveform)")
def waveform_image_shows_its_sound(seen: WaveformImageObservation) -> Finding | None:
    """Every column is drawn from the lowest to the highest sample of the delivered sound there."""
    if (seen.other_colours or 0.0) > MOST_OTHER_COLOURS or not _covers_all(seen)[0]:
        return None
    return _beside_sound(seen.sound, "The waveform's picture")


@rule(ObservationKind.WAVEFORM_PNG, source="contract: variants (waveform)")
def waveform_image_colours(seen: WaveformImageObservation) -> Finding | None:
    """The picture has two colours: the wave's and the background's."""
    if seen.other_colours is None or seen.codec != "png":
        return None
    passed = seen.other_colours <= MOST_OTHER_COLOURS
    message = f"The picture has {'its two colours' if passed else 'other colours than the wave and its background'}."
    return Finding(passed, message, "two colours", f"{100 * seen.other_colours:.1f} % others")


@rule(ObservationKind.WAVEFORM_PNG, source="plan: phase 3 (safety); ISO/IEC 15948")
def waveform_image_is_plain(seen: WaveformImageObservation) -> Finding | None:
    """The PNG holds its picture and nothing else: no text, no Exif, nothing behind; and its checksums are right.

    Its pixels are square, and none is transparent.
    """
    if seen.file is None:
        return None
    # A viewer's page shows through it.
    opaque = "opaque" if seen.file.form is not None and "alpha" in seen.file.form else None
    return expect_no_problem(
        list(beside_the_picture(seen.file, "The picture", opaque)),
        expected="a picture",
        message="The PNG holds its picture alone.",
        observed="a picture",
    )


def _beside_sound(difference: PeakDifference | None, subject: str) -> Finding | None:
    if difference is None:
        return None
    expected, observed = f"at most {FARTHEST_PEAK} of 128", f"{difference.worst} of 128"
    beside = abs(difference.points - difference.wanted_points)
    if difference.worst <= FARTHEST_PEAK and beside <= 1:
        return Finding(True, f"{subject} is that of the sound.", expected, observed)
    if difference.mistake is not None:
        return Finding(False, f"{subject} {difference.mistake}.", expected, observed)
    if difference.begins is None or difference.ends is None:
        message = f"{subject} has {difference.points} points, and the sound {difference.wanted_points}."
        return Finding(False, message, expected, observed)
    if difference.share > 0.6:
        return Finding(False, f"{subject} is that of another sound.", expected, observed)
    place = f"from {difference.begins:.1f} to {difference.ends:.1f} s"
    return Finding(False, f"{subject} is not that of the sound {place}.", expected, observed, place)
