"""The page itself: reports in, HTML out, with nothing that has to be fetched and nothing that is not escaped.

In: the template's environment, the charts of each report, and who judged when. Out: what a report holds
(`verification/report/`), writing the file (`cli/commands/verify.py`).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from importlib import resources
from typing import Any

from jinja2 import DictLoader, Environment, StrictUndefined

from codex_assets import quantities
from codex_assets.cli import console
from codex_assets.cli.report_page import charts, numbers
from codex_assets.cli.report_page.addresses import without_secrets
from codex_assets.cli.report_page.charts import Chart
from codex_assets.verification.report.media_report import MediaReport

LISTED_SEGMENTS = 300
"""Of a playlist with more, the rest is counted."""
DETAILED_MEDIA = 20
"""A page of more leaves out what is long and can be had of each media by itself."""
TEMPLATES = ("page.html", "report.html", "charts.html")


@dataclass(frozen=True)
class Provenance:
    """Who judged, and when: versions of ffmpeg (None: unknown) and of this program, and the set of rules."""

    judged_at: datetime
    ffmpeg: str | None
    program: str
    rule_set: str


@dataclass(frozen=True)
class Section:
    """A report with its charts. `anchor`: its address inside the page."""

    anchor: str
    report: MediaReport
    rates: tuple[Chart, ...]
    likeness: Chart | None
    loudness: tuple[Chart, ...]


def page(reports: Sequence[MediaReport], provenance: Provenance) -> str:
    """A page of one report, or of several with an index."""
    environment = _environment()
    sections = [_section(f"media-{number}", report) for number, report in enumerate(reports, 1)]
    return environment.get_template("page.html").render(
        sections=sections,
        detailed=len(sections) <= DETAILED_MEDIA,
        detailed_media=DETAILED_MEDIA,
        provenance=provenance,
        style=_read("style.css"),
    )


def _section(anchor: str, report: MediaReport) -> Section:
    rates = [charts.rates(playlist, report.findings_of(playlist.output)) for playlist in report.playlists]
    loudness = [charts.loudness(sound) for sound in report.loudness]
    return Section(
        anchor,
        report,
        rates=tuple(chart for chart in rates if chart is not None),
        likeness=charts.likeness(report),
        loudness=tuple(chart for chart in loudness if chart is not None),
    )


def _environment() -> Environment:
    environment = Environment(
        loader=DictLoader({name: _read(name) for name in TEMPLATES}),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        finalize=_shown,
    )
    for function in (
        numbers.rate,
        numbers.percent,
        numbers.seconds,
        numbers.clock,
        numbers.level,
        numbers.decibels,
        numbers.likeness,
        numbers.frame_rate,
        numbers.size,
        numbers.output,
        console.plural,
        quantities.duration,
    ):
        environment.filters[function.__name__] = function
    environment.globals["listed_segments"] = LISTED_SEGMENTS
    return environment


def _shown(value: Any) -> Any:
    """A value as it is put into the page, before it is escaped: text of others may hold addresses that let in."""
    return without_secrets(value) if isinstance(value, str) and not hasattr(value, "__html__") else value


def _read(name: str) -> str:
    return resources.files(__package__).joinpath(name).read_text(encoding="utf-8")
