"""A report of one media, or of HLS that anybody made: frozen facts that a page can show as they are.

In: the fields. Out: working them out (`measurements.py`, `judged.py`), and how they look (`cli/report_page/`).
Times are seconds from the output's start, rates are bit/s.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from codex_assets.archive.findings import Finding, Severity
from codex_assets.archive.notes import Note
from codex_assets.verification.report.clauses import Clause


@dataclass(frozen=True)
class RuleResult:
    """A rule, and what it said of all outputs that it applies to."""

    name: str
    severity: Severity
    description: str
    clauses: tuple[Clause, ...]
    passed: tuple[str, ...]
    """Outputs."""
    findings: tuple[Finding, ...]
    """Those that did not pass."""

    @property
    def faults(self) -> tuple[tuple[tuple[str, ...], Finding], ...]:
        """The same, with every output that they are alike of."""
        alike: dict[Finding, list[str]] = {}
        for finding in self.findings:
            alike.setdefault(replace(finding, output=""), []).append(finding.output)
        return tuple((tuple(outputs), finding) for finding, outputs in alike.items())


@dataclass(frozen=True)
class Rate:
    """A bit rate as the master declares it, and as it was measured; None where it is not known."""

    declared: int | None
    measured: float | None

    @property
    def excess(self) -> float | None:
        """By which part of itself the declared rate is too high; negative: too low."""
        if self.declared is None or not self.measured:
            return None
        return self.declared / self.measured - 1


@dataclass(frozen=True)
class LengthSpread:
    """Several lengths of time: how many, and three of them."""

    count: int
    shortest: float
    typical: float
    longest: float


@dataclass(frozen=True)
class SegmentReport:
    """One segment. `rate` is None for a file that is not there, `measured` for one that nobody could read."""

    name: str
    start: float
    extinf: float
    measured: float | None
    size: int | None
    rate: float | None
    key_frames: int | None
    longest_step: float | None
    """The longest time between two key frames, or between one and the segment's end."""


@dataclass(frozen=True)
class LikenessCurve:
    """SSIM of the worst plane, as a mean over each second; `worst` is the index of the lowest."""

    at: tuple[float, ...]
    values: tuple[float, ...]
    worst: int

    @property
    def lowest(self) -> float:
        return self.values[self.worst]


@dataclass(frozen=True)
class PlaylistReport:
    """A variant or the preview: declared beside measured. `problem`: why it could not be read."""

    output: str
    problem: str | None
    duration: float
    peak: Rate
    average: Rate
    segments: tuple[SegmentReport, ...] = ()
    lengths: LengthSpread | None = None
    key_frames: LengthSpread | None = None
    size: tuple[int, int] | None = None
    frame_rate: float | None = None
    codecs: str | None = None
    declared_codecs: str | None = None
    profile: str | None = None
    level: int | None = None
    needed_level: int | None = None
    sample_rate: int | None = None
    channels: int | None = None
    likeness: LikenessCurve | None = None


@dataclass(frozen=True)
class LoudnessReport:
    """How loud a sound is, all of it and second by second (LUFS, dBTP, LU; None: too quiet to be measured).

    `outputs`: those that sound like this. `target`: the loudness that was asked for.
    """

    outputs: tuple[str, ...]
    integrated: float | None
    true_peak: float | None
    range_lu: float
    target: float | None
    momentary: tuple[float | None, ...]
    short_term: tuple[float | None, ...]


@dataclass(frozen=True)
class MediaReport:
    """Everything that a report says of one media or stream. `problem`: why it could not be checked whole."""

    title: str
    kind: str
    problem: str | None = None
    checks: int = 0
    rules: tuple[RuleResult, ...] = ()
    """Those that were asked and apply to something."""
    not_applicable: tuple[str, ...] = ()
    """Rules that were asked, and apply to nothing here."""
    playlists: tuple[PlaylistReport, ...] = ()
    loudness: tuple[LoudnessReport, ...] = ()
    notes: tuple[Note, ...] = ()
    source: tuple[str, ...] = ()
    """What is known of the mezzanine, in words."""

    @property
    def musts(self) -> tuple[tuple[RuleResult, Finding], ...]:
        """Findings for which it would not be published, each with its rule."""
        return tuple((rule, finding) for rule in self.rules for finding in rule.findings if finding.is_failure)

    @property
    def shoulds(self) -> tuple[tuple[RuleResult, Finding], ...]:
        """Findings that are warnings, each with its rule."""
        return tuple((rule, finding) for rule in self.rules for finding in rule.findings if finding.is_warning)

    def findings_of(self, output: str) -> tuple[Finding, ...]:
        """What did not pass of an output."""
        return tuple(finding for rule in self.rules for finding in rule.findings if finding.output == output)

    @property
    def duration(self) -> float | None:
        """Seconds of the longest playlist that is no preview."""
        return max((playlist.duration for playlist in self.playlists), default=None)

    @property
    def is_sound_alone(self) -> bool:
        """Whether there are playlists, all of them can be read, and none has a picture."""
        readable = [playlist for playlist in self.playlists if playlist.problem is None]
        return bool(readable) and readable == list(self.playlists) and all(each.size is None for each in readable)

    @property
    def lowest_likeness(self) -> PlaylistReport | None:
        """The playlist with the worst second; None where nothing was compared."""
        known = [(each.likeness.lowest, each) for each in self.playlists if each.likeness is not None]
        return min(known, key=lambda pair: pair[0])[1] if known else None
