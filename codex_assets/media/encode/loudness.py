"""EBU R 128: how sound is measured, what a measurement says, and the gain that brings it to the target.

Measured is what will be delivered: 48 kHz stereo (a mono programme reads about 3 LU differently as mono). The meter is
ffmpeg's `ebur128` with true peak, five times cheaper than loudnorm's own analysis and as precise as the standard asks
a meter to be (EBU Tech 3341: 0.1 LU). The second pass is `loudnorm` with the measured values.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from typing import Literal

from codex_assets.media import ffmpeg_words, profile
from codex_assets.media.facts import AudioStream

GainMode = Literal["none", "gain", "linear", "dynamic", "limited"]


@dataclass(frozen=True)
class Measurement:
    """What was measured of one programme. All finite.

    `threshold_lufs`: the relative gate, under which nothing counted.
    """

    integrated_lufs: float
    true_peak_dbtp: float
    range_lu: float
    threshold_lufs: float


def louder(measured: Measurement | None, decibels: float) -> Measurement | None:
    """What the same programme measures when it is louder by so many decibels; None stays None."""
    if measured is None or not decibels:
        return measured
    return Measurement(
        round(measured.integrated_lufs + decibels, 2),
        round(measured.true_peak_dbtp + decibels, 2),
        measured.range_lu,
        round(measured.threshold_lufs + decibels, 2),
    )


@dataclass(frozen=True)
class Gain:
    """How a programme is normalised: the filter (None: left as it is) and what kind of gain it is."""

    mode: GainMode
    filter: str | None


FOLLOWING_CLOCK = f"async=1:min_hard_comp={profile.SOUND_GAP_SECONDS}:first_pts=0"
"""`aresample`'s options for a sound that keeps to its timestamps from 0 on: a gap becomes silence. With `async=1` alone
nothing happens under a tenth of a second, and small gaps add up to that. Not by stretching (`async=1000`): together
with `first_pts` ffmpeg 5.1 loses up to 1.4 s by it."""


def channel_filters(channels: int, layout: str | None) -> list[str]:
    """The filters that turn channels which ffmpeg cannot mix by itself into ones that it can; none for ordinary ones.

    More channels than any layout has a name for: every other one left, the rest right. A recorder's tracks have no
    places; leaving some out could leave out the only one that is heard. Channels in places that make no sense (a stereo
    file of two rear channels): the usual places of that number. Ambisonics: the first, which hears all.
    """
    placed = mixable_layout(channels, layout)
    ordinary = channels <= profile.MAX_PLACED_CHANNELS if layout is None else placed == layout
    if ordinary:
        return []
    if placed is not None:
        kept = 1 if placed == "mono" else channels
        return [f"channelmap={'|'.join(map(str, range(kept)))}:{placed}"]
    sides = ["+".join(f"c{number}" for number in range(side, channels, 2)) for side in (0, 1)]
    return [f"pan=stereo|c0<{sides[0]}|c1<{sides[1]}"]


def mixable_layout(channels: int, layout: str | None) -> str | None:
    """The layout that `channel_filters` leaves; None where there is still none."""
    if layout is not None and layout.startswith("ambisonic"):
        return "mono"
    if layout is not None and _mixable(layout):
        return layout
    return profile.USUAL_LAYOUTS.get(channels)


def _mixable(layout: str) -> bool:
    """Whether ffmpeg mixes this layout, as ffprobe spells it: not without anything in front, nor with half a pair."""
    spelled = re.fullmatch(r"\d+ channels \((.+)\)", layout)
    if spelled is None:
        return True
    places = set(spelled[1].split("+"))
    halved = any((left in places) != (right in places) for left, right in profile.PAIRED_CHANNELS)
    return bool(places & {"FL", "FR", "FC"}) and not halved


def delivered_form() -> str:
    """The filters that make any sound the form that is delivered: 48 kHz, stereo, from time 0, without gaps."""
    return (
        f"aresample={profile.SAMPLE_RATE}:{FOLLOWING_CLOCK},"
        f"aformat=sample_fmts=fltp:sample_rates={profile.SAMPLE_RATE}:channel_layouts=stereo"
    )


def length_filters(seconds: float) -> str:
    """The filters that make a sound last `seconds`, in whole AAC frames: a shorter one is padded, a longer one cut.

    A last frame that is cut short says so in mp4 only; in a transport stream it lasts, and EXTINF would be wrong.
    """
    samples = whole_frame_samples(seconds)
    return f"apad=whole_len={samples},atrim=end_sample={samples}"


def whole_frame_samples(seconds: float) -> int:
    """How many samples per channel a sound of `seconds` has once `length_filters` were applied."""
    frames = math.ceil(seconds * profile.SAMPLE_RATE / profile.AAC_FRAME_SAMPLES - 1e-6)
    return max(profile.SHORTEST_SOUND_FRAMES, frames) * profile.AAC_FRAME_SAMPLES


def meter() -> str:
    """The filter that measures, at the end of a chain; its summary goes to the log, which `parse_summary` reads."""
    return f"ebur128={METERED}"


def metered(source: Sequence[str], filters: str) -> list[str]:
    """Let a sound pass filters, of which one is a meter. `source`: the options that open it. `-vn`: a meter must not
    pay for decoding pictures."""
    return [*source, "-vn", "-map", "0:a:0", "-af", filters, "-f", "null", "-"]


METERED = "peak=true:framelog=verbose"
METERED_BLOCKS = "peak=true:framelog=info"
"""With a line in the log for each tenth of a second."""
MOST_METERED = 24
"""Channels. The meter resamples all of them at once, and of over 32 ffmpeg does not; no layout has more."""
OWN = "@own"
"""The name of the meter of an upload's own channels."""


def metering(audio: AudioStream | None, before: Sequence[str] = (), placing: Sequence[str] = ()) -> str:
    """The filters that measure a sound as it is delivered. Where mixing and resampling change its peak, that of its own
    channels is measured beside it (`own_peak`). `before`: filters for both, `placing`: those of the mix alone."""
    mixed = ",".join([*placing, delivered_form(), meter()])
    is_heard_so = audio is None or (audio.channels <= profile.CHANNELS and audio.sample_rate <= profile.SAMPLE_RATE)
    if audio is None or is_heard_so or audio.channels > MOST_METERED:
        return ",".join([*before, mixed])
    split = ",".join([*before, "asplit[own][mixed]"])
    placed = f"{_placed_anywhere(audio.channels)}," if audio.layout is None else ""
    return f"{split};[own]{placed}ebur128{OWN}={METERED},anullsink;[mixed]{mixed}"


def _placed_anywhere(channels: int) -> str:
    """The filter that gives channels of no known places some: the meter takes no others, and where they are does not
    change their peaks."""
    layout = "hexadecagonal" if channels <= 16 else "22.2"
    return f"pan={layout}|{'|'.join(f'c{number}=c{number}' for number in range(channels))}"


def measuring_arguments(source: list[str], audio: AudioStream | None = None) -> list[str]:
    """Measure one file as it would be delivered, and the peak of its own channels where `audio` asks for it."""
    return metered(source, metering(audio))


def block_measuring_arguments(source: list[str]) -> list[str]:
    """Measure a finished sound, all of it and each tenth of a second."""
    return metered(source, f"{delivered_form()},ebur128={METERED_BLOCKS}")


def merged_measuring_arguments(source: list[str]) -> list[str]:
    """Measure the channels of a delivered sound merged to one, as a waveform shows them."""
    return [*source, "-map", "0:a:0", "-af", f"pan=mono|c0=0.5*c0+0.5*c1,{meter()}", "-f", "null", "-"]


def own_peak(measured: Measurement | None, log: Iterable[str], audio: AudioStream | None) -> float | None:
    """True peak in dBTP of a sound's own channels; None for silence. `measured`: its delivered form, `log`: of the run
    that measured it."""
    if measured is None or audio is None:
        return None
    peaks, is_own = [], False
    for line in log:
        summary, peak = ffmpeg_words.METER_SUMMARY.search(line), re.match(r"\s+Peak:\s+(-?[\d.]+) dBFS", line)
        is_own = summary["name"] == OWN if summary else is_own
        if is_own and peak:
            peaks.append(float(peak[1]))
    if peaks:
        # One for each form that the sound has.
        return max(peaks)
    if mixable_layout(audio.channels, audio.layout) == "mono":
        # Each side gets half of its energy.
        return round(measured.true_peak_dbtp + 10 * math.log10(2), 1)
    return measured.true_peak_dbtp


def parse_summary(log: Iterable[str], *, seconds: float | None = None) -> Measurement | None:
    """The summary of `ebur128` in a log. None when nothing passed the absolute gate (silence, or under 0.4 s).

    `seconds` of sound, where the range matters: of a few short-term blocks ffmpeg states the distance to their gate
    (20 LU of a steady tone that lasts 3.2 s). So short a programme has no range.

    Raises `ValueError` when the log holds no summary.
    """
    values: dict[str, float] = {}
    in_summary = False
    for line in log:
        if summary := ffmpeg_words.METER_SUMMARY.search(line):
            in_summary = summary["name"] is None
            values = {} if in_summary else values
        match = re.match(r"\s+(I|Threshold|LRA|Peak):\s+(-?inf|nan|-?[\d.]+) (?:LUFS|LU|dBFS)", line)
        if in_summary and match:
            values.setdefault(match.group(1), float(match.group(2)))
    if not {"I", "Threshold", "LRA", "Peak"} <= values.keys():
        raise ValueError("the log holds no loudness summary")
    if values["I"] <= profile.SILENCE_LUFS or not all(math.isfinite(value) for value in values.values()):
        return None
    ranged = seconds is None or seconds >= profile.RANGED_SECONDS
    return Measurement(values["I"], values["Peak"], values["LRA"] if ranged else 0.0, values["Threshold"])


LOWEST_CEILING = -9.0
"""dBTP. loudnorm takes no lower one."""
PLAIN_STEP = 1.0
"""dB by which the ceiling of a plain gain is lowered at a time."""


@dataclass(frozen=True)
class Aim:
    """What a gain aims at, before the lossy encode: `ceiling` in dBTP, `trim` in dB beside the target.

    `plain`: one gain for the whole programme, because its peaks get past the limiter.
    """

    ceiling: float = field(default_factory=lambda: profile.TRUE_PEAK_CEILING)
    trim: float = 0.0
    plain: bool = False


def gain_to_target(measured: Measurement | None, duration: float, aim: Aim | None = None) -> Gain:
    """How a programme is brought to the target loudness. `measured`: None for silence; `duration`: seconds.

    loudnorm turns from linear to dynamic by itself when the gain would pass the ceiling or the range is over its
    target; the mode says beforehand which it will be. Very short or flat programmes give it nothing to steer by.
    """
    aim = aim or Aim()
    if measured is None:
        return Gain("none", None)
    if measured.integrated_lufs > profile.LOUDEST_MEASURED:
        # loudnorm knows no programme over 0 LUFS, which samples in floats may be.
        down = profile.LOUDNESS_TARGET - measured.integrated_lufs
        quieter = gain_to_target(louder(measured, down), duration, aim)
        return Gain(quieter.mode, f"volume={down:.2f}dB,{quieter.filter}")
    gain = profile.LOUDNESS_TARGET + aim.trim - measured.integrated_lufs
    if aim.plain or duration < profile.SHORT_PROGRAMME_SECONDS or measured.range_lu <= 0:
        return Gain("gain", f"volume={min(gain, aim.ceiling - measured.true_peak_dbtp):.2f}dB")
    # loudnorm gets no trim of a dynamic gain to decide by. So where it stays linear without one, the trim is as much as
    # there is room for.
    room = round(aim.ceiling - measured.true_peak_dbtp - (profile.LOUDNESS_TARGET - measured.integrated_lufs), 2)
    linear = room >= min(aim.trim, 0.0) and measured.range_lu <= profile.LOUDNESS_RANGE
    trim = min(aim.trim, room) if linear else aim.trim
    # Its linear gain is target - measured; its dynamic one adds `offset` in front of the limiter.
    integrated = measured.integrated_lufs - (trim if linear else 0.0)
    return Gain(
        "linear" if linear else "dynamic",
        f"loudnorm=I={profile.LOUDNESS_TARGET}:TP={aim.ceiling:.2f}:LRA={profile.LOUDNESS_RANGE}"
        f":measured_I={_legal(integrated, -99, 0):.2f}:measured_TP={_legal(measured.true_peak_dbtp, -99, 99):.2f}"
        f":measured_LRA={_legal(measured.range_lu, 0, 99):.2f}"
        f":measured_thresh={_legal(measured.threshold_lufs, -99, 0):.2f}"
        f":offset={0.0 if linear else trim:.2f}"
        # loudnorm resamples to 192 kHz in its dynamic mode; without this AAC comes out at 96 kHz. That mode of ffmpeg 7
        # dates its last three seconds 87 ms late: what is normalised has no gaps, so its samples are counted anew.
        f":linear=true,aresample={profile.SAMPLE_RATE},asetpts=N/SR/TB",
    )


def takes_limiter(gain: Gain, measured: Measurement) -> bool:
    """Whether nothing but its peaks keeps a programme from its target. A limiter lowers them and leaves the rest as it
    is; `loudnorm`'s dynamic gain changes all of it, and takes seven times as long."""
    return gain.mode == "dynamic" and measured.range_lu <= profile.LOUDNESS_RANGE


def next_aim(delivered: Measurement | None, gain: Gain, aim: Aim) -> Aim | None:
    """What to aim at instead, after the encoded sound was measured (None: silence); None when it is as it should be.

    A lossy encode overshoots peaks and, at low rates, moves the level; both by little, so one correction does.
    """
    if delivered is None or gain.mode == "none":
        return None
    over = delivered.true_peak_dbtp - profile.DELIVERED_PEAK_LIMIT
    if over > 0 and aim.plain:
        # How far a coder overshoots bursts of noise is chance: the next step down may be far under the limit.
        return replace(aim, ceiling=aim.ceiling - PLAIN_STEP)
    if over > 0:
        lower = replace(aim, ceiling=aim.ceiling - over - 0.2)
        return lower if lower.ceiling >= LOWEST_CEILING else Aim(plain=True)
    off = profile.LOUDNESS_TARGET - delivered.integrated_lufs
    if abs(off) <= profile.LOUDNESS_TOLERANCE / 2:
        return None
    room = profile.DELIVERED_PEAK_LIMIT - delivered.true_peak_dbtp
    limited = gain.mode != "dynamic" and off > room
    return None if limited or aim.plain else replace(aim, trim=aim.trim + off)


# --- Where one gain is not enough -------------------------------------------------------------------------------------

LIMITER_RATE = 4 * profile.SAMPLE_RATE
"""Samples a second at which peaks are limited: those between the delivered samples count too."""
LIMITER_MS = (15, 150)
"""In which the limiter is down before a peak, and up again after it. Its own 5 and 50 bend the waves of a bass drum."""
FORCED_TRIM = 3.0
"""dB. With 1.3 to 1.8 what loudnorm makes of speech is whole, with 3.6 words drop out in the first second."""
LOWEST_LIMIT = -24.0
"""dBTP. The limiter takes no lower one."""
LIMITER_CORRECTIONS = 8
"""Times that a sound with limited peaks is encoded to bring it to the target."""
LIMITED_STEP = 1.25
"""Of what is missing, by which the gain is raised: the limiter takes a part of it away again."""
MOST_LIMITED = 24.0
"""dB by which peaks may be lowered beside the rest. More would make the noise between two clicks a programme."""


def is_reached(delivered: Measurement | None) -> bool:
    """Whether an encoded sound is as loud as it should be, with its peaks under the limit. None (silence): it is."""
    if delivered is None:
        return True
    peak_kept = delivered.true_peak_dbtp <= profile.DELIVERED_PEAK_LIMIT
    return peak_kept and not is_off_target(delivered)


def is_off_target(delivered: Measurement | None) -> bool:
    """Whether a creator has to know that a sound is louder or quieter than it should be.

    The judge measures what is heard from a segment on, which may be a tenth beside what the builder measured.
    """
    return delivered is not None and _distance(delivered) >= profile.LOUDNESS_TOLERANCE


def is_forced(aim: Aim, gain: Gain) -> bool:
    """Whether loudnorm would be asked for so much more than it gave that its own limiter tears the sound apart."""
    return gain.mode == "dynamic" and abs(aim.trim) > FORCED_TRIM


def is_better(sound: Measurement | None, other: Measurement | None) -> bool:
    """Whether a sound that was encoded is clearly nearer to what it should be than another encode of it: what clips is
    worse than any level, and a limiter that helps by less than is heard only does harm."""
    if sound is None or other is None:
        return False
    over, other_over = (each.true_peak_dbtp > profile.DELIVERED_PEAK_LIMIT for each in (sound, other))
    if over and other_over:
        return sound.true_peak_dbtp < other.true_peak_dbtp
    if over or other_over:
        return other_over
    return _distance(sound) < _distance(other) - profile.LOUDNESS_TOLERANCE / 5


def clips(delivered: Measurement | None) -> bool:
    """Whether its peaks pass full scale."""
    return delivered is not None and delivered.true_peak_dbtp > 0.0


def limited_gain(measured: Measurement, aim: Aim) -> Gain:
    """A gain to the target, with a limiter behind it that lowers the peaks which that brings over the ceiling."""
    gain = profile.LOUDNESS_TARGET + aim.trim - measured.integrated_lufs
    gain = min(gain, aim.ceiling - measured.true_peak_dbtp + MOST_LIMITED)
    limit = 10 ** (max(aim.ceiling, LOWEST_LIMIT) / 20)
    return Gain(
        "limited",
        f"volume={gain:.2f}dB,aresample={LIMITER_RATE},"
        f"alimiter=limit={limit:.6f}:attack={LIMITER_MS[0]}:release={LIMITER_MS[1]}:level=false:latency=true,"
        f"aresample={profile.SAMPLE_RATE},asetpts=N/SR/TB",
    )


def next_limited_aim(delivered: Measurement | None, measured: Measurement, aim: Aim) -> Aim | None:
    """What to aim at instead, after a sound with limited peaks was measured; None when it is as it should be, or no
    other aim would bring it nearer."""
    if delivered is None:
        return None
    over = delivered.true_peak_dbtp - profile.DELIVERED_PEAK_LIMIT
    if over > 0 and aim.ceiling <= LOWEST_LIMIT:
        return None
    off = profile.LOUDNESS_TARGET - delivered.integrated_lufs
    ceiling = max(LOWEST_LIMIT, aim.ceiling - over - 0.2) if over > 0 else aim.ceiling
    trim = aim.trim + LIMITED_STEP * off if abs(off) > profile.LOUDNESS_TOLERANCE / 2 else aim.trim
    better = replace(aim, ceiling=ceiling, trim=trim)
    return None if limited_gain(measured, better) == limited_gain(measured, aim) else better


def added_by_coder(behind: Measurement | None, delivered: Measurement | None) -> float:
    """LU by which a sound is louder once it is encoded; 0 for silence. Tones gain as much as 0.6 at low rates."""
    if behind is None or delivered is None:
        return 0.0
    return round(delivered.integrated_lufs - behind.integrated_lufs, 2)


def _distance(delivered: Measurement) -> float:
    return abs(round(profile.LOUDNESS_TARGET - delivered.integrated_lufs, 2))


def _legal(value: float, low: float, high: float) -> float:
    """loudnorm refuses measured values out of its option ranges (a clipped source reads above 0 LUFS)."""
    return min(max(value, low), high)
