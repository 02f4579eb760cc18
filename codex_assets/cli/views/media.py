"""One media and its outputs: the sheet of `show`, the table of `list`, and what was measured of an output.

Takes records and calculates nothing but what is shown. How and when outputs were built is in `builds.py`, where objects
lie in `objects.py`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from functools import singledispatch
from typing import Any

from rich import box
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text
from rich.tree import Tree

from codex_assets.archive.records import (
    BlurHashRecord,
    LoudnessRecord,
    MasterRecord,
    MezzanineRecord,
    OutputRecord,
    SmallThumbnailsRecord,
    StoryboardRecord,
    ThumbnailRecord,
    VariantRecord,
    WaveformRecord,
)
from codex_assets.cli.console import plural
from codex_assets.cli.views.builds import builds
from codex_assets.cli.views.findings import finding_line, note_json, note_line
from codex_assets.cli.views.overview import NOT_BY_TODAYS_RULES, check_result, refusal_line
from codex_assets.cli.views.stale import verdict_line
from codex_assets.library.judged import Judged
from codex_assets.library.published_media import PublishedMedia
from codex_assets.library.staleness import Verdict
from codex_assets.media.outputs import MEZZANINE
from codex_assets.quantities import bit_rate, byte_size, duration
from codex_assets.storage.objects import Role

Addresses = Callable[[Role, str], str]
"""The address of an object, by its store's role and its key."""


def outputs_tree(media: PublishedMedia, only: Sequence[str] | None = None) -> Tree:
    """The outputs of a media, or `only` those that are named: what each is, its size, and where it lies."""
    tree = Tree(_title(media), guide_style="dim")
    for name, record in media.outputs.items():
        if record is None or (only is not None and name not in only):
            continue
        style = "" if record.applicable else "dim"
        line = Table.grid(padding=(0, 2))
        line.add_column(width=13, style="cyan" if record.applicable else "dim")
        line.add_column(width=9, justify="right", style=style)
        line.add_column(style=style, overflow="fold")
        line.add_row(name, byte_size(_bytes_of(record)) if record.files else "", describe(record))
        branch = tree.add(line)
        if record.files:
            branch.add(Text(f"{record.files[-1].role}: {record.files[-1].key}", style="dim", overflow="fold"))
        for warning in record.warnings:
            branch.add(Text(warning, style="yellow"))
    return tree


def media_sheet(media: PublishedMedia, addresses: Addresses | None = None) -> Group:
    """Everything that is known of one media, and where its outputs lie."""
    original = f"original: {media.media.input_role}: {media.media.input_key}"
    parts: list[RenderableType] = [_title(media), Text(original, style="dim", overflow="fold")]
    if media.refusal is not None:
        parts.append(refusal_line(media.refusal, is_all=media.is_refused))
        parts.append(Text(f"refused at {_minute(media.refusal.refused_at)} ({media.refusal.code})", style="dim"))
    if media.is_refused:
        return Group(*parts)
    mezzanine = _mezzanine(media)
    if mezzanine is not None:
        parts.append(Text(f"uploaded as {_upload(mezzanine)}", style="dim"))
    parts.append(_outputs_table(media))
    if addresses is not None:
        parts.append(_addresses_table(media, addresses))
    for verdict in media.verdicts.values():
        if verdict.causes:
            parts.append(
                Text("stale: " if verdict.is_stale else "       ", style="yellow").append_text(verdict_line(verdict))
            )
    parts += builds(media)
    for record in media.built:
        parts += [Text(f"{record.output}: {warning}", style="yellow") for warning in record.warnings]
        parts += [
            Text(f"{record.output}: {check.rule}: {check.message}") for check in record.checks if not check.passed
        ]
    parts += [note_line(note) for note in media.notes or ()]
    parts.append(Text(f"last check of what is published: {_last_check(media)}", style="dim"))
    unjudged = [name for name, verdict in media.verdicts.items() if verdict.judged in (Judged.OLD, Judged.NEVER)]
    if unjudged:
        parts.append(Text(f"{NOT_BY_TODAYS_RULES}: {', '.join(unjudged)}", style="yellow"))
    for checked in media.verified:
        parts += [finding_line(checked.output, finding) for finding in checked.failed]
    return Group(*parts)


def media_json(media: PublishedMedia, addresses: Addresses | None = None) -> dict[str, Any]:
    """The records of a media, without what they leave out, and which outputs are stale and why. `verification` has what
    was found of what is published now, and no older findings."""
    outputs: dict[str, Any] = {}
    for name, record in media.outputs.items():
        if record is not None:
            state = {"stale": name in media.stale, "judged": media.verdicts[name].judged}
            outputs[name] = {**record.model_dump(mode="json", exclude_none=True), **state}
            if addresses is not None and record.files:
                outputs[name]["url"] = addresses(record.files[-1].role, record.files[-1].key)
    verification = media.verification
    if verification is not None:
        verification = verification.model_copy(update={"outputs": media.verified})
    return {
        "media": media.media.model_dump(mode="json"),
        "outputs": outputs,
        "stale": media.stale,
        "judged": media.judged,
        "reasons": {
            name: [cause.wire() for cause in verdict.causes]
            for name, verdict in media.verdicts.items()
            if verdict.causes
        },
        "notes": [note_json(note) for note in media.notes] if media.notes is not None else None,
        "verification": verification.model_dump(mode="json") if verification is not None else None,
        "refused": media.refusal.wire(is_all=media.is_refused) if media.refusal is not None else None,
    }


# --- One output -------------------------------------------------------------------------------------------------------


def describe(record: OutputRecord) -> str:
    """What an engineer wants to know of an output, in one line; of one that does not apply, why."""
    if not record.applicable:
        return record.reason or "does not apply"
    return ", ".join(filter(None, _description(record)))


@singledispatch
def _description(record: OutputRecord) -> Iterator[str]:
    """The parts of an output's line, by the type of its record; empty ones are left out."""
    yield from ()


@_description.register
def _(record: MezzanineRecord) -> Iterator[str]:
    yield _size(record.width, record.height)
    yield _frame_rate(record.frame_rate)
    yield record.video_codec or ""
    yield f"{record.audio_codec} {record.audio_treatment or ''}".strip() if record.audio_codec else "no sound"
    yield duration(record.duration)


@_description.register
def _(record: LoudnessRecord) -> Iterator[str]:
    loudness = record.measurement
    if loudness is None:
        yield "silent, or no sound"
    else:
        yield f"{loudness.integrated_lufs:.1f} LUFS"
        yield f"peak {record.peak_dbtp:.1f} dBTP"
        yield f"range {loudness.range_lu:.1f} LU"


@_description.register
def _(record: VariantRecord) -> Iterator[str]:
    yield _size(record.width, record.height)
    yield plural(len(record.segments), "segment")
    yield duration(record.duration) if record.duration is not None else ""
    if record.average_bandwidth and record.bandwidth:
        yield bit_rate(record.average_bandwidth)
        yield f"peak {bit_rate(record.bandwidth)}"


@_description.register
def _(record: MasterRecord) -> Iterator[str]:
    yield " ".join(record.variants)


@_description.register
def _(record: ThumbnailRecord) -> Iterator[str]:
    yield _size(record.width, record.height)
    yield f"at {duration(record.at)}"


@_description.register
def _(record: StoryboardRecord) -> Iterator[str]:
    yield plural(record.tiles, "picture")
    yield _size(record.tile_width, record.tile_height)


@_description.register
def _(record: SmallThumbnailsRecord) -> Iterator[str]:
    yield " ".join(_size(*size) for size in record.sizes)
    yield f"at {duration(record.at)}"


@_description.register
def _(record: BlurHashRecord) -> Iterator[str]:
    yield record.blurhash


@_description.register
def _(record: WaveformRecord) -> Iterator[str]:
    yield plural(record.points, "point") if record.points else _size(record.width, record.height)


# --- Parts of the sheet -----------------------------------------------------------------------------------------------


def _title(media: PublishedMedia) -> Text:
    return Text.assemble((media.media.media_id, "bold"), f"  {media.media.media_type} of {media.media.creator_id}")


def _mezzanine(media: PublishedMedia) -> MezzanineRecord | None:
    record = media.outputs.get(MEZZANINE.name)
    return record if isinstance(record, MezzanineRecord) else None


def _outputs_table(media: PublishedMedia) -> Table:
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    table.add_column("output", style="cyan", no_wrap=True)
    table.add_column("size", justify="right", no_wrap=True)
    table.add_column("what it is", overflow="fold")
    table.add_column("checks", no_wrap=True)
    table.add_column("state", no_wrap=True)
    for name, record in media.outputs.items():
        if record is None:
            table.add_row(Text(name, style="dim"), "", "", "", Text("never built", style="yellow"))
            continue
        table.add_row(
            name,
            byte_size(_bytes_of(record)) if record.files else "",
            Text(describe(record), style="" if record.applicable else "dim"),
            _checks(record),
            _state(media.verdicts.get(name)),
        )
    return table


def _addresses_table(media: PublishedMedia, addresses: Addresses) -> Table:
    """Of each output the object that is announced, or that its players open first: its address, with its key."""
    table = Table.grid(padding=(0, 2))
    table.add_column(style="cyan", no_wrap=True)
    table.add_column(style="dim", overflow="fold")
    for record in media.built:
        for file in record.files[-1:]:
            table.add_row(record.output, addresses(file.role, file.key))
    return table


def _upload(mezzanine: MezzanineRecord) -> str:
    """What was uploaded, as the mezzanine's record remembers it."""
    source = mezzanine.source
    parts = [byte_size(source.size), source.container.partition(",")[0], _size(source.width, source.height)]
    parts += [_frame_rate(source.frame_rate), source.video_codec or "", source.audio_codec or "no sound"]
    parts += [f"{source.audio_sample_rate / 1000:g} kHz"] if source.audio_sample_rate else []
    parts += [f"rotated by {source.rotation}°"] if source.rotation else []
    parts += ["interlaced"] if source.interlaced else []
    parts += ["HDR"] if source.hdr else []
    return ", ".join(filter(None, parts))


def _checks(record: OutputRecord) -> Text:
    """What the checks before publishing found."""
    failed = [check for check in record.checks if not check.passed]
    if failed:
        return Text(f"{len(failed)} of {len(record.checks)} warn", style="yellow")
    return Text(f"{len(record.checks)} passed" if record.checks else "", style="green")


def _state(verdict: Verdict | None) -> Text:
    """Whether it would be built in the same way now."""
    reasons = [cause.reason.value for cause in verdict.causes] if verdict is not None else []
    style = "yellow" if verdict is not None and verdict.is_stale else "dim"
    return Text(", ".join(reasons) or "current", style=style)


def _last_check(media: PublishedMedia) -> str:
    if not media.verified:
        return "never"
    return f"{_minute(max(checked.checked_at for checked in media.verified))}, {_check_result(media)}"


def _minute(moment: str) -> str:
    """An ISO 8601 time in UTC as people read it."""
    return f"{moment.replace('T', ' ')[:16]} UTC"


def _check_result(media: PublishedMedia) -> Text:
    findings = [finding for checked in media.verified for finding in checked.failed]
    failed = sum(finding.is_failure for finding in findings)
    return check_result(bool(media.verified), failed, len(findings) - failed, media.judged)


def _bytes_of(record: OutputRecord) -> int:
    return sum(file.size for file in record.files)


def _size(width: int | None, height: int | None) -> str:
    return f"{width}x{height}" if width and height else ""


def _frame_rate(fraction: str | None) -> str:
    if not fraction:
        return ""
    above, _, below = fraction.partition("/")
    return f"{int(above) / int(below or 1):.5g} fps"
