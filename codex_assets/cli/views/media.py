"""One media and its outputs: the sheet of `show`, the table of `list`, and what was measured of an output.

Takes records and calculates nothing but what is shown. Where objects lie is in `objects.py`.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import singledispatch
from typing import Any

from rich import box
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text
from rich.tree import Tree

from codex_assets.archive.check_results import VerificationRecord
from codex_assets.archive.records import (
    Build,
    LoudnessRecord,
    MasterRecord,
    MezzanineRecord,
    OutputRecord,
    ThumbnailRecord,
    VariantRecord,
    WaveformRecord,
)
from codex_assets.cli.console import lasting, money, plural, rate, size
from codex_assets.cli.views.checks import failure
from codex_assets.cli.views.rebuild import verdict
from codex_assets.library.published_media import Media
from codex_assets.library.staleness import Verdict


def facts(record: OutputRecord) -> str:
    """What an engineer wants to know of one output, in one line."""
    if not record.applicable:
        return record.reason or "does not apply"
    return ", ".join(filter(None, _facts(record)))


@singledispatch
def _facts(record: OutputRecord) -> list[str]:
    """What is shown of a record, by the record's type; empty strings are left out."""
    return []


@_facts.register
def _(record: MezzanineRecord) -> list[str]:
    sound = f"{record.audio_codec} {record.audio_treatment or ''}".strip() if record.audio_codec else "no sound"
    picture = [_picture(record.width, record.height), _hertz(record.frame_rate), record.video_codec or ""]
    return [*picture, sound, lasting(record.duration)]


@_facts.register
def _(record: LoudnessRecord) -> list[str]:
    return [measured(record)]


@_facts.register
def _(record: VariantRecord) -> list[str]:
    parts = [_picture(record.width, record.height), plural(len(record.segments), "segment")]
    parts.append(lasting(record.duration) if record.duration is not None else "")
    if record.average_bandwidth and record.bandwidth:
        parts.append(f"{rate(record.average_bandwidth)}, peak {rate(record.bandwidth)}")
    return parts


@_facts.register
def _(record: MasterRecord) -> list[str]:
    return [" ".join(record.variants)]


@_facts.register
def _(record: ThumbnailRecord) -> list[str]:
    return [_picture(record.width, record.height), f"at {lasting(record.at)}"]


@_facts.register
def _(record: WaveformRecord) -> list[str]:
    return [plural(record.points, "point") if record.points else _picture(record.width, record.height)]


def measured(record: LoudnessRecord) -> str:
    found = record.measurement
    if found is None:
        return "silent, or no sound"
    return f"{found.integrated:.1f} LUFS, peak {found.true_peak:.1f} dBTP, range {found.range:.1f} LU"


def bytes_of(record: OutputRecord) -> int:
    return sum(file.size for file in record.files)


def outputs(known: Media, only: Sequence[str] | None = None) -> Tree:
    """The outputs of a media as a tree: facts, sizes, and where each lies."""
    media = known.media
    head = Text.assemble((media.media_id, "bold"), f"  {media.media_type} of {media.creator_id}", style="")
    tree = Tree(head, guide_style="dim")
    for name, record in known.outputs.items():
        if record is None or (only is not None and name not in only):
            continue
        style = "" if record.applicable else "dim"
        line = Table.grid(padding=(0, 2))
        line.add_column(width=13, style="cyan" if record.applicable else "dim")
        line.add_column(width=9, justify="right", style=style)
        line.add_column(style=style, overflow="fold")
        line.add_row(name, size(bytes_of(record)) if record.files else "", facts(record))
        branch = tree.add(line)
        if record.files:
            branch.add(Text(f"{record.files[-1].role}: {record.files[-1].key}", style="dim", overflow="fold"))
        for warning in record.warnings:
            branch.add(Text(warning, style="yellow"))
    return tree


def media_table(found: Sequence[Media]) -> Table:
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for name in ("media", "type", "creator"):
        table.add_column(name, overflow="fold")
    for name in ("outputs", "stale", "size", "length", "checked"):
        table.add_column(name, justify="right", no_wrap=True)
    for one in found:
        whole = [record for record in one.outputs.values() if record is not None]
        source = one.outputs.get("mezzanine")
        table.add_row(
            Text(one.media.media_id, style="bold"),
            one.media.media_type,
            one.media.creator_id,
            f"{len(whole)}/{len(one.outputs)}",
            Text(str(len(one.stale)), style="yellow" if one.stale else "dim"),
            size(sum(map(bytes_of, whole))),
            lasting(source.duration) if isinstance(source, MezzanineRecord) else "",
            _verdict(one.verification),
        )
    return table


def media_sheet(known: Media) -> Group:
    """Everything that is known of one media."""
    media = known.media
    parts: list[RenderableType] = [
        Text.assemble((media.media_id, "bold"), f"  {media.media_type} of {media.creator_id}"),
        Text(f"original: {media.input_role}: {media.input_key}", style="dim", overflow="fold"),
    ]
    source = known.outputs.get("mezzanine")
    if isinstance(source, MezzanineRecord):
        parts.append(Text(f"uploaded as {_source(source)}", style="dim"))
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    table.add_column("output", style="cyan", no_wrap=True)
    table.add_column("size", justify="right", no_wrap=True)
    table.add_column("what it is", overflow="fold")
    table.add_column("checks", no_wrap=True)
    table.add_column("state", no_wrap=True)
    for name, record in known.outputs.items():
        if record is None:
            table.add_row(Text(name, style="dim"), "", "", "", Text("never built", style="yellow"))
            continue
        told = Text(facts(record), style="" if record.applicable else "dim")
        state = _state(known.verdicts.get(name))
        table.add_row(name, size(bytes_of(record)) if record.files else "", told, _checks(record), state)
    parts.append(table)
    for one in known.verdicts.values():
        if one.causes:
            parts.append(Text("stale: " if one.stale else "       ", style="yellow").append_text(verdict(one)))
    parts += _receipts(known)
    for record in known.built:
        parts += [Text(f"{record.output}: {one}", style="yellow") for one in record.warnings]
        parts += [Text(f"{record.output}: {one.rule}: {one.message}") for one in record.checks if not one.passed]
    parts.append(Text(f"last check of what is published: {_last_check(known.verification)}", style="dim"))
    for judged in known.verification.outputs if known.verification is not None else ():
        parts += [failure(judged.output, one) for one in judged.failed]
    return Group(*parts)


def _source(source: MezzanineRecord) -> str:
    facts = source.source
    parts = [size(facts.size), facts.container.partition(",")[0], _picture(facts.width, facts.height)]
    parts += [_hertz(facts.frame_rate), facts.video_codec or "", facts.audio_codec or "no sound"]
    parts += [f"{facts.audio_sample_rate / 1000:g} kHz"] if facts.audio_sample_rate else []
    parts += [f"rotated by {facts.rotation}°"] if facts.rotation else []
    parts += ["interlaced"] if facts.interlaced else []
    parts += ["HDR"] if facts.hdr else []
    return ", ".join(filter(None, parts))


def _receipts(known: Media) -> list[RenderableType]:
    """How, when, from what and by whom each output was built; what was built together is told together."""
    works: dict[tuple[Any, ...], list[tuple[OutputRecord, Build]]] = {}
    for record in known.built:
        build = record.build
        if build is not None:
            # Milliseconds apart, as outputs of one work are; the phases are those of all of it.
            key = (build.run_id, *build.phases.items()) if build.phases else (build.built_at,)
            works.setdefault(key, []).append((record, build))
    parts: list[RenderableType] = []
    for work in works.values():
        builds = [build for _, build in work]
        longest = max(build.wall_seconds for build in builds)
        head = Text.assemble(
            (f"\nbuilt {builds[0].built_at.replace('T', ' ')[:16]} UTC", "bold"), f" in {lasting(longest)}"
        )
        if builds[0].run_id:
            head.append(f" by run {builds[0].run_id}")
        costs = [build.cost_usd for build in builds if build.cost_usd is not None]
        if costs:
            head.append(f", {money(sum(costs))}")
        parts.append(head)
        phases = sorted(builds[0].phases.items(), key=lambda item: -item[1])
        told = [", ".join(f"{name} {lasting(seconds)}" for name, seconds in phases)] if phases else []
        told += dict.fromkeys(
            f"encoder {build.encoder}{f' on {build.gpu}' if build.gpu else ''}: {build.encoder_reason}"
            for build in builds
            if build.encoder
        )
        tools = builds[0].tool_versions
        told += ["tools " + ", ".join(f"{name} {version}" for name, version in tools.items())] if tools else []
        parts += [Text(f"  {line}", style="dim") for line in told]
        table = Table(box=None, pad_edge=False, show_header=False, padding=(0, 2, 0, 0))
        for style in ("cyan", "dim", "", "dim"):
            table.add_column(style=style, overflow="fold")
        for record, build in work:
            speed = f"{build.speed:g}x" if build.speed else ""
            inputs = ", ".join(f"{name} {version[:12]}" for name, version in build.inputs.items())
            table.add_row(
                f"  {record.output}",
                speed,
                f"from {inputs}" if inputs else "from inputs that were not recorded",
                f"recipe {record.code_version}",
            )
        parts.append(table)
    if parts:
        parts.append(Text())
    return parts


def _checks(record: OutputRecord) -> Text:
    """What was found before it was published."""
    failed = [one for one in record.checks if not one.passed]
    if failed:
        return Text(f"{len(failed)} of {len(record.checks)} warn", style="yellow")
    return Text(f"{len(record.checks)} passed" if record.checks else "", style="green")


def _state(one: Verdict | None) -> Text:
    """Whether it would be built in the same way now."""
    reasons = [cause.reason.value for cause in one.causes] if one is not None else []
    return Text(", ".join(reasons) or "current", style="yellow" if one is not None and one.stale else "dim")


def _last_check(record: VerificationRecord | None) -> str:
    if record is None or not record.outputs:
        return "never"
    when = max(judged.checked_at for judged in record.outputs).replace("T", " ")[:16]
    return f"{when} UTC, {_verdict(record)}"


def _verdict(record: VerificationRecord | None) -> Text:
    if record is None or not record.outputs:
        return Text("never", style="dim")
    failed = [one for judged in record.outputs for one in judged.failed if one.is_failure]
    warned = sum(len(judged.failed) for judged in record.outputs) - len(failed)
    if failed:
        return Text(f"{len(failed)} failed", style="red")
    return Text(plural(warned, "warning"), style="yellow") if warned else Text("passed", style="green")


def _picture(width: int | None, height: int | None) -> str:
    return f"{width}x{height}" if width and height else ""


def _hertz(frame_rate: str | None) -> str:
    if not frame_rate:
        return ""
    above, _, below = frame_rate.partition("/")
    return f"{int(above) / int(below or 1):.5g} fps"
