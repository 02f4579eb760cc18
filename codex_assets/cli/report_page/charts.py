"""The geometry of the page's charts: where bars, curves, lines and labels lie, in per cent of a chart's sides.

In: scales, and how long series are summed up so that nothing extreme is lost. Out: drawing (`charts.html`).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from codex_assets.archive.findings import Finding
from codex_assets.cli.report_page import numbers
from codex_assets.verification.report.media_report import LikenessCurve, LoudnessReport, MediaReport, PlaylistReport

MOST_POINTS = 240
"""Of a longer series several neighbours share a point: the worst of them."""
TIME_STEPS = (1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 14400)
TIME_TICKS = 7
LIKENESS_STEPS = (0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.25)
SAME_LIKENESS = 1e-4
LEAST_LIKENESS_STEPS = 4
"""So that nothing looks bad that is not."""
QUIETEST = -60.0
"""LUFS at the bottom of a chart, at the lowest."""

Series = Sequence[float | None]


@dataclass(frozen=True)
class Tick:
    """A label of an axis, in per cent from its left or top."""

    at: float
    label: str


@dataclass(frozen=True)
class Bar:
    """A bar from the bottom to `top`; `title` says what it stands for."""

    x: float
    width: float
    top: float
    title: str


@dataclass(frozen=True)
class Line:
    """A horizontal line with a name."""

    y: float
    kind: str
    label: str


@dataclass(frozen=True)
class Curve:
    """A curve: what an SVG path's `d` says. `area`: the same, closed at the bottom."""

    name: str
    kind: str
    path: str
    area: str = ""


@dataclass(frozen=True)
class Mark:
    """A point that is worth a look."""

    x: float
    y: float
    kind: str
    label: str


@dataclass(frozen=True)
class Chart:
    """A chart with two axes. `summary`: what it shows, for those who cannot see it. `unit`: of the upright axis."""

    title: str
    unit: str
    summary: str
    across: tuple[Tick, ...]
    upright: tuple[Tick, ...]
    bars: tuple[Bar, ...] = ()
    lines: tuple[Line, ...] = ()
    curves: tuple[Curve, ...] = ()
    marks: tuple[Mark, ...] = ()
    columns: tuple[Bar, ...] = ()
    """Unseen, over all its height: what a pointer is shown at each time."""


@dataclass(frozen=True)
class _Scale:
    """Values from `low` to `high`, from the bottom of a chart to its top."""

    low: float
    high: float

    def y(self, value: float) -> float:
        part = (min(max(value, self.low), self.high) - self.low) / (self.high - self.low)
        return round(100 * (1 - part), 2)


# --- Bit rate ---------------------------------------------------------------------------------------------------------


def rates(playlist: PlaylistReport, findings: Sequence[Finding]) -> Chart | None:
    """The bit rate of each segment of a playlist, with what the master declares and where findings are; None without
    segments."""
    known = [segment for segment in playlist.segments if segment.rate is not None]
    if not known or not playlist.duration:
        return None
    declared = [rate for rate in (playlist.peak.declared, playlist.average.declared) if rate is not None]
    most = max([*declared, *(segment.rate or 0.0 for segment in known)])
    step = _round_step(most / 3)
    scale = _Scale(0.0, step * max(1, math.ceil(most / step + 0.02)))
    bars = []
    share = math.ceil(len(playlist.segments) / MOST_POINTS)
    for first in range(0, len(playlist.segments), share):
        group = playlist.segments[first : first + share]
        there = [segment for segment in group if segment.rate is not None]
        if not there:
            continue
        worst = max(there, key=lambda segment: segment.rate or 0.0)
        end = group[-1].start + group[-1].extinf
        x, width = 100 * group[0].start / playlist.duration, 100 * (end - group[0].start) / playlist.duration
        title = f"{worst.name} at {numbers.clock(worst.start)}: {numbers.rate(worst.rate)} kbit/s, {worst.extinf:.3f} s"
        bars.append(Bar(round(x, 3), round(width, 3), scale.y(worst.rate or 0.0), title))
    lines = [
        Line(scale.y(value), kind, f"{label} {numbers.rate(value)}")
        for value, kind, label in (
            (playlist.peak.declared, "peak", "BANDWIDTH"),
            (playlist.average.declared, "average", "AVERAGE-BANDWIDTH"),
        )
        if value is not None
    ]
    low, high = (numbers.rate(choose(segment.rate or 0.0 for segment in known)) for choose in (min, max))
    name = numbers.output(playlist.output)
    summary = f"Bit rate of {name} in each of {len(known)} segments: from {low} to {high} kbit/s."
    upright = tuple(
        Tick(scale.y(step * number), numbers.rate(step * number)) for number in range(round(scale.high / step) + 1)
    )
    return Chart(
        name,
        "kbit/s",
        summary,
        _times(playlist.duration),
        upright,
        tuple(bars),
        tuple(lines),
        marks=tuple(_marks(findings, playlist.duration)),
    )


def _marks(findings: Sequence[Finding], duration: float) -> Iterator[Mark]:
    """Where findings are that have a time, at the top."""
    for finding in findings:
        if finding.at is not None and 0 <= finding.at <= duration:
            kind = "must" if finding.is_failure else "should"
            yield Mark(round(100 * finding.at / duration, 2), 0.0, kind, finding.message)


# --- Likeness ---------------------------------------------------------------------------------------------------------


def likeness(report: MediaReport) -> Chart | None:
    """The likeness of every playlist to the mezzanine, second by second, with each one's worst; None without any."""
    compared = _compared(report.playlists)
    if not compared:
        return None
    lowest = min(each.lowest for _, each in compared)
    step = next((step for step in LIKENESS_STEPS if (1 - lowest) / step <= 4), LIKENESS_STEPS[-1])
    scale = _Scale(1 - step * max(LEAST_LIKENESS_STEPS, math.ceil((1 - lowest) / step + 0.02)), 1.0)
    duration = max(each.at[-1] for _, each in compared) + 1
    curves, marks = [], []
    for number, (name, each) in enumerate(compared):
        points = list(zip(each.at, each.values, strict=True))
        path = _path([(100 * at / duration, scale.y(value)) for at, value in _worst_of(points, min)])
        curves.append(Curve(name, f"rung{number % 6}", path))
        at = each.at[each.worst]
        label = f"{name}: {numbers.likeness(each.lowest)} at {numbers.clock(at)}"
        marks.append(Mark(round(100 * at / duration, 2), scale.y(each.lowest), f"rung{number % 6}", label))
    said = "; ".join(mark.label for mark in marks)
    upright = tuple(
        Tick(scale.y(1 - step * number), f"{1 - step * number:.3f}")
        for number in range(round((1 - scale.low) / step) + 1)
    )
    return Chart(
        "Likeness to the mezzanine",
        "SSIM",
        f"SSIM of each second beside the mezzanine's. The worst second of each: {said}.",
        _times(duration),
        upright,
        curves=tuple(curves),
        marks=tuple(marks),
        columns=_columns(duration, [(name, _values(each)) for name, each in compared], min, numbers.likeness),
    )


def _compared(playlists: Sequence[PlaylistReport]) -> list[tuple[str, LikenessCurve]]:
    """What was compared, by the names of its playlists: a preview that is the beginning of a variant shares its
    entry."""
    compared: list[tuple[str, LikenessCurve]] = []
    for playlist in playlists:
        own = playlist.likeness
        if own is None:
            continue
        name = numbers.output(playlist.output)
        for index, (names, known) in enumerate(compared):
            if all(abs(value - other) < SAME_LIKENESS for value, other in zip(own.values, known.values, strict=False)):
                compared[index] = f"{names}, {name}", known
                break
        else:
            compared.append((name, own))
    return compared


def _values(likeness: LikenessCurve) -> Series:
    """The likeness of each whole second."""
    values: list[float | None] = [None] * (math.ceil(likeness.at[-1]) + 1)
    for at, value in zip(likeness.at, likeness.values, strict=True):
        kept = values[int(at)]
        values[int(at)] = value if kept is None else min(kept, value)
    return values


# --- Loudness ---------------------------------------------------------------------------------------------------------


def loudness(sound: LoudnessReport) -> Chart | None:
    """How loud a sound is, second by second; None of silence, and of sound too short to be measured."""
    levels = [level for level in (*sound.momentary, *sound.short_term) if level is not None]
    if not levels or len(sound.momentary) < 2:
        return None
    low = max(QUIETEST, 6.0 * math.floor((min(levels) - 1) / 6))
    high = max(0.0, 6.0 * math.ceil(max(levels) / 6))
    scale = _Scale(min(low, high - 24.0), high)
    duration = float(len(sound.momentary))
    momentary, area = _level_paths(sound.momentary, scale)
    short_term, _ = _level_paths(sound.short_term, scale)
    lines = []
    if sound.target is not None:
        lines.append(Line(scale.y(sound.target), "target", f"target {numbers.decibels(sound.target)}"))
    step = 12.0 if scale.high - scale.low > 36 else 6.0
    upright, value = [], scale.high
    while value >= scale.low:
        upright.append(Tick(scale.y(value), numbers.decibels(value).removesuffix(".0")))
        value -= step
    names = ", ".join(map(numbers.output, sound.outputs))
    series = [("momentary", sound.momentary), ("short-term", sound.short_term)]
    return Chart(
        names,
        "LUFS",
        f"Loudness of {names}: {numbers.decibels(sound.integrated)} LUFS in all,"
        f" momentary from {numbers.decibels(min(levels))} to {numbers.decibels(max(levels))} LUFS.",
        _times(duration),
        tuple(upright),
        lines=tuple(lines),
        curves=(Curve("momentary", "momentary", momentary, area), Curve("short-term", "short-term", short_term)),
        columns=_columns(duration, series, max, lambda level: f"{numbers.decibels(level)} LUFS"),
    )


def _level_paths(levels: Series, scale: _Scale) -> tuple[str, str]:
    """A curve through the levels, broken in silence, and the area below it."""
    width = 100 / len(levels)
    path, area = "", ""
    run: list[tuple[float, float]] = []
    for second, level in [*enumerate(levels), (len(levels), None)]:
        if level is not None:
            run.append((second, level))
            continue
        if run:
            points = [(width * (at + 0.5), scale.y(value)) for at, value in _worst_of(run, max)]
            # From the first second's beginning to the last one's end.
            points = [(width * run[0][0], points[0][1]), *points, (width * (run[-1][0] + 1), points[-1][1])]
            path += _path(points)
            area += f"{_path(points)}L{points[-1][0]:.2f} 100L{points[0][0]:.2f} 100Z"
        run = []
    return path, area


# --- Scales -----------------------------------------------------------------------------------------------------------


def _worst_of(
    points: Sequence[tuple[float, float]], worst: Callable[[Sequence[float]], float]
) -> list[tuple[float, float]]:
    """At most `MOST_POINTS` points: of neighbours the worst."""
    share = math.ceil(len(points) / MOST_POINTS)
    groups = [points[first : first + share] for first in range(0, len(points), share)]
    chosen = [(group, worst([value for _, value in group])) for group in groups]
    return [(next(at for at, value in group if value == extreme), extreme) for group, extreme in chosen]


def _path(points: Sequence[tuple[float, float]]) -> str:
    return "".join(f"{'L' if number else 'M'}{x:.2f} {y:.2f}" for number, (x, y) in enumerate(points))


def _columns(
    duration: float,
    series: Sequence[tuple[str, Series]],
    worst: Callable[[Sequence[float]], float],
    shown: Callable[[float], str],
) -> tuple[Bar, ...]:
    """For every second, or every few: what each series says there."""
    count = math.ceil(duration)
    share = math.ceil(count / MOST_POINTS)
    columns = []
    for second in range(0, count, share):
        said = []
        for name, values in series:
            there = [value for value in values[second : second + share] if value is not None]
            if there:
                said.append(f"{name} {shown(worst(there))}")
        if said:
            title = f"{numbers.clock(second)}: {', '.join(said)}"
            columns.append(Bar(round(100 * second / duration, 3), round(100 * share / duration, 3), 0.0, title))
    return tuple(columns)


def _times(duration: float) -> tuple[Tick, ...]:
    days = TIME_STEPS[-1] * math.ceil(duration / TIME_TICKS / TIME_STEPS[-1])
    step = next((step for step in TIME_STEPS if duration / step <= TIME_TICKS), days)
    return tuple(
        Tick(round(100 * second / duration, 2), numbers.clock(second))
        for second in range(0, math.floor(duration) + 1, step)
        if second <= 0.97 * duration or not second
    )


def _round_step(least: float) -> float:
    """1, 2 or 5 times a power of ten, at least `least`."""
    power = 10.0 ** math.floor(math.log10(max(least, 1.0)))
    return next(factor * power for factor in (1, 2, 5, 10) if factor * power >= least)
