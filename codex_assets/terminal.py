"""What people see: progress of a run, outputs as a tree, tables, numbers with units.

Results go to standard output, so that they can be piped; progress and complaints to standard error. On a terminal
progress is bars, elsewhere a line now and then. Takes plain results and knows nothing of how they came about.
"""

from __future__ import annotations

import codecs
import io
import json
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from rich import box
from rich.console import Console, Group, RenderableType
from rich.json import JSON
from rich.progress import BarColumn, MofNCompleteColumn, Progress, ProgressColumn, Task, TaskID, TextColumn
from rich.table import Table
from rich.text import Text
from rich.tree import Tree

from codex_assets import sweep
from codex_assets.audit import VerificationRecord
from codex_assets.costs import Estimate
from codex_assets.doctor import Check
from codex_assets.doctor import Status as Health
from codex_assets.media.verify import Finding, Severity
from codex_assets.rebuild import EXAMPLES, Summary
from codex_assets.records import (
    Build,
    LoudnessRecord,
    MasterRecord,
    MezzanineRecord,
    OutputRecord,
    ThumbnailRecord,
    VariantRecord,
    WaveformRecord,
)
from codex_assets.staleness import REBUILT, Reason, Verdict
from codex_assets.workspace import Listener, Status

PIPED_WIDTH = 160
"""Columns where there is no terminal to ask."""
LINE_SECONDS = 5.0
"""Most often that progress is told in lines."""
PHASE_SECONDS = 1.0
"""... unless a new phase begins."""
SHOWN_FINDINGS = 20
"""Above this many findings a sweep's summary counts them, and `failing` lists them."""
MARKS = {Health.OK: ("✓", "green"), Health.NOTE: ("•", "yellow"), Health.PROBLEM: ("✗", "red")}

PLAIN = {"✓": "+", "✗": "x", "•": "-", "→": "->", "…": "...", "°": " degrees", "±": "+/-"}
"""How our own signs are written where the stream's encoding lacks them; other characters become `\\u...`."""

out = Console(highlight=False)
err = Console(highlight=False, stderr=True)


def accept_every_character() -> None:
    """Let both streams take any text, whatever their encoding: `LANG=C`, a pipe into an old tool, odd file names.

    To be called before anything is printed. Raises nothing.
    """
    codecs.register_error(_SPELLED, _spelled)
    for stream in (sys.stdout, sys.stderr):
        # Something else stands in for a stream in tests, and a closed one is None.
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors=_SPELLED)


_SPELLED = "codex-assets.spelled"


def _spelled(error: UnicodeError) -> tuple[str | bytes, int]:
    if not isinstance(error, UnicodeEncodeError):
        raise error
    lacking = error.object[error.start : error.end]
    plain = "".join(PLAIN.get(sign) or sign.encode("ascii", "backslashreplace").decode("ascii") for sign in lacking)
    return plain, error.end


def say(text: RenderableType = "") -> None:
    """A result, or a line of one."""
    if not out.is_terminal:
        out.width = PIPED_WIDTH
    # Markup would read the brackets of a file's name.
    out.print(text, markup=False)


def complain(sentence: str, code: str | None = None) -> None:
    """What went wrong, as one sentence for people, with the code for machines."""
    told = Text.assemble(("error: ", "bold red"), sentence)
    if code:
        told.append(f" ({code})", style="dim")
    err.print(told, soft_wrap=not err.is_terminal)


def note(sentence: str) -> None:
    """Something worth knowing that is no result."""
    err.print(Text(sentence, style="dim"), soft_wrap=not err.is_terminal)


def warn(sentence: str) -> None:
    """What may be meant, and mostly is not."""
    err.print(Text.assemble(("warning: ", "bold yellow"), sentence), soft_wrap=not err.is_terminal)


def say_json(value: Any) -> None:
    """JSON for people on a terminal, and for programs elsewhere."""
    text = json.dumps(value, indent=2, ensure_ascii=False)
    try:
        text.encode(out.encoding)
    except UnicodeError:
        # JSON has a spelling of its own for what the stream cannot take.
        text = json.dumps(value, indent=2)
    if out.is_terminal:
        out.print(JSON(text, ensure_ascii=text.isascii()))
    else:
        out.file.write(text + "\n")


# --- Numbers ----------------------------------------------------------------------------------------------------------


def size(count: int) -> str:
    for unit, power in (("GB", 9), ("MB", 6), ("kB", 3)):
        if count >= 10**power:
            return f"{count / 10**power:.1f} {unit}"
    return f"{count} B"


def rate(bits: float) -> str:
    return f"{bits / 1e6:.2f} Mb/s" if bits >= 1e6 else f"{bits / 1e3:.0f} kb/s"


def lasting(seconds: float) -> str:
    if seconds < 60:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes:02d} min" if hours else f"{minutes} min {rest:02d} s"


def remaining(seconds: float) -> str:
    """An estimate: no tenths."""
    return f"{seconds:.0f} s" if seconds < 59.5 else lasting(seconds)


def money(usd: float) -> str:
    """US dollars, with the digits that matter of small sums."""
    return f"${usd:,.2f}" if usd >= 1 else f"${usd:.4f}" if usd >= 0.001 else f"${usd:.6f}"


def plural(count: int, one: str, many: str | None = None) -> str:
    return f"{count:,} {one if count == 1 else many or one + 's'}"


# --- Progress ---------------------------------------------------------------------------------------------------------


@contextmanager
def progress(title: str) -> Iterator[Listener]:
    """A listener for one run: bars on a terminal, lines elsewhere."""
    if not err.is_terminal:
        yield Lines(title)
        return
    with Bars(title) as bars:
        yield bars


class _Percent(ProgressColumn):
    def render(self, task: Task) -> Text:
        return Text("" if task.total is None else f"{task.percentage:3.0f} %", style="cyan")


class _Rest(ProgressColumn):
    """Speed while a phase runs and its time when it is done; for the whole run, the time left."""

    def render(self, task: Task) -> Text:
        if task.fields.get("whole"):
            left = task.fields.get("left")
            if task.finished or left is None:
                return Text(lasting(task.elapsed or 0.0), style="bold")
            return Text(f"{remaining(left)} left", style="bold")
        if task.finished:
            return Text(lasting(task.fields.get("spent", 0.0)), style="dim")
        speed = task.fields.get("speed")
        return Text(f"{speed:.1f}x" if speed else "", style="cyan")


class Bars:
    """One bar for the whole run, and below it one per phase, in the order in which they began."""

    def __init__(self, title: str) -> None:
        self._progress = Progress(
            TextColumn("  {task.description}"),
            BarColumn(bar_width=30),
            _Percent(),
            _Rest(),
            console=err,
        )
        self._title = title
        self._phases: dict[str, TaskID] = {}
        self._current: str | None = None
        self._began = 0.0
        self._spent: dict[str, float] = {}
        self._lock = threading.Lock()

    def __enter__(self) -> Bars:
        self._progress.start()
        self._whole = self._progress.add_task(f"[bold]{self._title}", total=1.0, whole=True)
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        if kind is None:
            self._end()
            self._progress.update(self._whole, completed=1.0)
        self._progress.stop()

    def __call__(self, status: Status) -> None:
        with self._lock:
            if status.phase != self._current:
                self._begin(status.phase)
            task = self._phases[status.phase]
            if status.fraction is not None:
                self._progress.update(task, total=1.0, completed=status.fraction)
            self._progress.update(task, speed=status.speed)
            # Not all of it before the end: what is still to come may not be planned yet.
            self._progress.update(self._whole, completed=min(status.overall, 0.99), left=status.seconds_left)

    def _begin(self, phase: str) -> None:
        self._end()
        if phase not in self._phases:
            # Without a total the bar only shows that something is going on.
            self._phases[phase] = self._progress.add_task(f"  {phase}", total=None)
        self._current, self._began = phase, time.monotonic()

    def _end(self) -> None:
        if self._current is None:
            return
        self._spent[self._current] = self._now()
        task = self._phases[self._current]
        self._progress.update(task, total=1.0, completed=1.0, spent=self._spent[self._current])
        self._current = None

    def _now(self) -> float:
        return self._spent.get(self._current or "", 0.0) + time.monotonic() - self._began


class Lines:
    """A line when a phase begins, and every few seconds while one lasts. Phases that are over at once have none."""

    def __init__(self, title: str, every: float = LINE_SECONDS) -> None:
        self._title, self._every = title, every
        self._phase: str | None = None
        self._told = float("-inf")
        self._lock = threading.Lock()

    def __call__(self, status: Status) -> None:
        with self._lock:
            now = time.monotonic()
            if now - self._told < (self._every if status.phase == self._phase else PHASE_SECONDS):
                return
            self._phase, self._told = status.phase, now
        parts = [f"{self._title}: {100 * status.overall:3.0f} %", status.phase]
        if status.fraction:
            parts.append(f"{100 * status.fraction:.0f} %")
        if status.speed:
            parts.append(f"{status.speed:.1f}x")
        if status.seconds_left is not None and status.overall < 1:
            parts.append(f"{remaining(status.seconds_left)} left")
        err.print(Text("  ".join(parts)), soft_wrap=True)


@contextmanager
def counting(title: str, total: int) -> Iterator[Counted]:
    """Progress over many media: a bar on a terminal, lines elsewhere."""
    if not err.is_terminal:
        yield Counted(None, title, total)
        return
    columns = (
        TextColumn("  [bold]{task.description}"),
        BarColumn(bar_width=30),
        MofNCompleteColumn(),
        TextColumn("{task.fields[told]}"),
        _Rest(),
    )
    with Progress(*columns, console=err, transient=True) as bars:
        yield Counted(bars, title, total)


class Counted:
    """`advance` after each of `total` media."""

    def __init__(self, bars: Progress | None, title: str, total: int) -> None:
        self._bars, self._title, self._total = bars, title, total
        self._done, self._started, self._told = 0, time.monotonic(), time.monotonic()
        self._task = bars.add_task(title, total=total, told="", whole=True) if bars is not None else None

    def advance(self, told: str) -> None:
        self._done += 1
        now = time.monotonic()
        left = (now - self._started) / self._done * (self._total - self._done)
        if self._bars is not None and self._task is not None:
            self._bars.update(self._task, completed=self._done, told=told, left=left)
        elif now - self._told >= LINE_SECONDS:
            self._told = now
            err.print(f"{self._title}: {self._done} of {self._total}  {told}  {remaining(left)} left", soft_wrap=True)


@contextmanager
def reading(title: str) -> Iterator[Callable[[int, int], None]]:
    """Called with how many of how many; tells it now and then, and of nothing that is over at once."""
    told = time.monotonic()

    def tell(done: int, total: int) -> None:
        nonlocal told
        now = time.monotonic()
        if now - told >= PHASE_SECONDS and done < total:
            told = now
            note(f"{title}: {done:,} of {total:,}")

    yield tell


# --- Outputs ----------------------------------------------------------------------------------------------------------


def facts(record: OutputRecord) -> str:
    """What an engineer wants to know of one output, in one line."""
    if not record.applicable:
        return record.reason or "does not apply"
    parts: list[str] = []
    if isinstance(record, MezzanineRecord):
        parts = [_picture(record.width, record.height), _hertz(record.frame_rate), record.video_codec or ""]
        parts += (
            [f"{record.audio_codec} {record.audio_treatment or ''}".strip()] if record.audio_codec else ["no sound"]
        )
        parts.append(lasting(record.duration))
    elif isinstance(record, LoudnessRecord):
        return measured(record)
    elif isinstance(record, VariantRecord):
        parts = [_picture(record.width, record.height), plural(len(record.segments), "segment")]
        parts.append(lasting(record.duration) if record.duration is not None else "")
        if record.average_bandwidth and record.bandwidth:
            parts.append(f"{rate(record.average_bandwidth)}, peak {rate(record.bandwidth)}")
    elif isinstance(record, MasterRecord):
        parts = [" ".join(record.variants)]
    elif isinstance(record, ThumbnailRecord):
        parts = [_picture(record.width, record.height), f"at {lasting(record.at)}"]
    elif isinstance(record, WaveformRecord):
        parts = [plural(record.points, "point") if record.points else _picture(record.width, record.height)]
    return ", ".join(filter(None, parts))


def measured(record: LoudnessRecord) -> str:
    found = record.measurement
    if found is None:
        return "silent, or no sound"
    return f"{found.integrated:.1f} LUFS, peak {found.true_peak:.1f} dBTP, range {found.range:.1f} LU"


def bytes_of(record: OutputRecord) -> int:
    return sum(file.size for file in record.files)


def outputs(known: sweep.Media, only: Sequence[str] | None = None) -> Tree:
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


def media_table(found: Sequence[sweep.Media]) -> Table:
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


def media_sheet(known: sweep.Media) -> Group:
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
        parts += [_failure(judged.output, one.rule, one.severity, one.message) for one in judged.failed]
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


def _receipts(known: sweep.Media) -> list[RenderableType]:
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
    failed = [one for judged in record.outputs for one in judged.failed if one.severity == "ERROR"]
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


# --- Checks -----------------------------------------------------------------------------------------------------------


def doctor_table(checks: Sequence[Check]) -> Table:
    table = Table(box=None, pad_edge=False, show_header=False, padding=(0, 2, 0, 0))
    table.add_column(no_wrap=True)
    table.add_column(style="dim", no_wrap=True)
    table.add_column(no_wrap=True)
    table.add_column(overflow="fold")
    group = ""
    for check in checks:
        if check.group != group:
            if group:
                table.add_row()
            group = check.group
            shown = group
        else:
            shown = ""
        mark, colour = MARKS[check.status]
        found = Text(check.found, style="" if check.status is Health.OK else colour)
        table.add_row(Text(mark, style=colour), shown, check.name, found)
        if check.advice:
            table.add_row(
                "", "", "", Text(f"→ {check.advice}", style="bold" if check.status is Health.PROBLEM else "dim")
            )
    return table


def findings(found: Sequence[Finding]) -> Table:
    """What did not pass, and how much did, per output of one folder."""
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    table.add_column("output", style="cyan", no_wrap=True)
    table.add_column("passed", justify="right")
    table.add_column("rule", no_wrap=True)
    table.add_column("finding", overflow="fold")
    for output in dict.fromkeys(one.output for one in found):
        own = [one for one in found if one.output == output]
        bad = [one for one in own if not one.passed]
        first: str | Text = Text(f"{len(own) - len(bad)} of {len(own)}", style="green" if not bad else "")
        for name, one in [(output, one) for one in bad[:1]] + [("", one) for one in bad[1:]]:
            where = f" ({one.where})" if one.where else ""
            style = "red" if one.severity is Severity.ERROR else "yellow"
            table.add_row(name, first, Text(one.rule, style=style), f"{one.message}{where}")
            first = ""
        if not bad:
            table.add_row(output, first, "", Text("all passed", style="green"))
    return table


def sweep_summary(results: Sequence[sweep.Result], skipped: int, seconds: float, rule: str | None) -> Group:
    """What many media came to."""
    outcomes = Counter(one.outcome for one in results)
    checks = sum(one.checks for one in results)
    parts: list[RenderableType] = []
    problems = [(one.media_id, output, check) for one in results for output, check in (*one.failed, *one.warned)]
    if problems and len(problems) <= SHOWN_FINDINGS:
        parts += [_failure(f"{media} {output}", one.rule, one.severity, one.message) for media, output, one in problems]
    elif problems:
        parts.append(rules_table([(media, one.rule, one.severity) for media, _, one in problems]))
        parts.append(Text("`codex-assets failing RULE` lists the media of a rule.", style="dim"))
    unchecked = [one for one in results if one.outcome == "unchecked"]
    parts += [Text(f"{one.media_id}: {one.problem}", style="red") for one in unchecked[:SHOWN_FINDINGS]]
    if len(unchecked) > SHOWN_FINDINGS:
        parts.append(Text(f"... and {len(unchecked) - SHOWN_FINDINGS} more", style="red"))
    for one in results:
        if one.unbuilt and one.outcome != "unchecked" and len(results) <= SHOWN_FINDINGS:
            parts.append(Text(f"{one.media_id}: never built: {', '.join(one.unbuilt)}", style="yellow"))
    told = Text.assemble((plural(len(results), "media", "media"), "bold"), ": ")
    told.append(f"{outcomes['passed']:,} passed", style="green" if outcomes["passed"] else "dim")
    told.append(", ").append(f"{outcomes['failed']:,} failed", style="bold red" if outcomes["failed"] else "dim")
    told.append(", ").append(f"{outcomes['unchecked']:,} not checked", style="red" if outcomes["unchecked"] else "dim")
    told.append(f"; {plural(checks, 'check')}{f' of {rule}' if rule else ''} in {lasting(seconds)}")
    if len(results) > 1:
        told.append(f" ({seconds / len(results):.2f} s per media)")
    if skipped:
        told.append(f"; {skipped:,} left out by --where")
    return Group(*parts, told)


def rules_table(problems: Iterable[tuple[str, str, str]]) -> Table:
    """(media, rule, severity), counted by rule."""
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    table.add_column("rule", no_wrap=True)
    table.add_column("severity")
    table.add_column("media", justify="right")
    table.add_column("for example", overflow="fold")
    by_rule: dict[tuple[str, str], dict[str, None]] = {}
    for media_id, rule, severity in problems:
        by_rule.setdefault((severity, rule), {})[media_id] = None
    for (severity, rule), media in sorted(by_rule.items(), key=lambda item: (item[0][0], -len(item[1]), item[0][1])):
        examples = ", ".join(list(media)[:3]) + (", ..." if len(media) > 3 else "")
        table.add_row(
            Text(rule, style="red" if severity == "ERROR" else "yellow"), severity, f"{len(media):,}", examples
        )
    return table


def failing_table(found: Sequence[Mapping[str, str]]) -> Table:
    """Findings of one rule, media by media."""
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    table.add_column("media", style="bold", overflow="fold")
    table.add_column("output", style="cyan", no_wrap=True)
    table.add_column("severity")
    table.add_column("finding", overflow="fold")
    for one in found:
        table.add_row(one["mediaId"], one["output"], one["severity"], one["message"])
    return table


def _failure(output: str, rule: str, severity: str, message: str) -> Text:
    mark, colour = ("✗", "red") if severity == "ERROR" else ("•", "yellow")
    return Text.assemble((f"{mark} {output}: ", colour), (f"{rule}: ", "bold"), message)


# --- Stale ------------------------------------------------------------------------------------------------------------


def stale_table(counts: Mapping[str, Mapping[Reason, int]], blocked: Mapping[str, int]) -> Table:
    """Media by output and reason, and of how many an output cannot be rebuilt."""
    reasons = [reason for reason in Reason if any(one.get(reason) for one in counts.values())]
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    table.add_column("output", style="cyan", no_wrap=True)
    for reason in reasons:
        table.add_column(reason.value, justify="right", no_wrap=True)
    if any(blocked.values()):
        table.add_column("cannot be rebuilt", justify="right", no_wrap=True)
    for output, found in counts.items():
        row = [
            Text(f"{found[reason]:,}" if found.get(reason) else "", style="yellow" if reason in REBUILT else "dim")
            for reason in reasons
        ]
        if any(blocked.values()):
            row.append(Text(f"{blocked[output]:,}" if blocked.get(output) else "", style="red"))
        table.add_row(output, *row)
    return table


def verdict(one: Verdict) -> Text:
    """One output, and why it is not as it would be."""
    style = "yellow" if one.stale else "dim"
    told = Text.assemble((one.output, "cyan"), ": ", ("; ".join(map(str, one.causes)), style))
    rebuilt = any(cause.reason in REBUILT for cause in one.causes)
    return told.append(f" (cannot be rebuilt: {one.blocked})", style="red") if one.blocked and rebuilt else told


def estimate(one: Estimate) -> Group:
    """What a rebuild would take, before it is begun."""
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    table.add_column("output", style="cyan", no_wrap=True)
    for name in ("media", "minutes", "worker time", "speed", "bytes now", "bytes then"):
        table.add_column(name, justify="right", no_wrap=True)
    several = len({line.media_type for line in one.lines}) > 1
    for line in one.lines:
        speed = f"{line.speed:.{0 if line.speed >= 10 else 2}f}x" + ("" if line.builds else " assumed")
        table.add_row(
            f"{line.media_type}/{line.output}" if several else line.output,
            f"{line.count:,}",
            f"{line.media_seconds / 60:,.1f}",
            lasting(line.seconds),
            Text(speed, style="dim" if line.builds else "yellow"),
            size(line.bytes_before),
            size(line.bytes_after),
        )
    told = Text.assemble(
        (f"{plural(one.outputs, 'output')} of {plural(one.media, 'media', 'media')}", "bold"),
        f", {one.media_seconds / 60:,.1f} minutes of media: about {lasting(one.worker_seconds)} of a worker",
        f"{' with ' + ', '.join(one.encoders) if one.encoders else ''}, ",
        (f"about {money(one.usd)}", "bold"),
        f"; {size(one.bytes_before)} now, about {size(one.bytes_after)} then",
    )
    notes = [f"{one.price:g} USD a second: {one.price_of}"]
    if one.follows:
        notes.append(f"{plural(one.follows, 'output')} may follow, if what is rebuilt comes out different; not counted")
    if one.unknown_lengths:
        notes.append(f"{plural(one.unknown_lengths, 'media', 'media')} of unknown length, taken for the median")
    return Group(table, told, *(Text(line, style="dim") for line in notes))


def rebuilt(one: Summary) -> Group:
    """What a rebuild came to, and how to go on with it."""
    parts: list[RenderableType] = []
    for code, some in one.codes():
        parts.append(Text.assemble(("✗ ", "red"), (code, "bold"), f": {plural(len(some), 'media', 'media')}"))
        parts += [Text(f"    {each.media_id}: {each.message}") for each in some[:EXAMPLES]]
    for reason, count in Counter(each.skipped for each in one.skipped).most_common():
        ids = [each.media_id for each in one.skipped if each.skipped == reason]
        examples = ", ".join(ids[:EXAMPLES]) + (", ..." if count > EXAMPLES else "")
        parts.append(Text(f"• skipped {plural(count, 'media', 'media')} ({examples}): {reason}", style="yellow"))
    told = Text.assemble(
        (f"{plural(one.outputs, 'output')} of {plural(one.done, 'media', 'media')} built", "bold"),
        f" in {lasting(one.seconds)}",
        f", {money(one.usd)}" if one.usd else "",
    )
    if one.earlier:
        told.append(f"; {plural(one.earlier, 'media', 'media')} were done before")
    if one.left:
        told.append(f"; {plural(one.left, 'media', 'media')} not done", style="yellow")
    parts.append(told)
    if one.paused and one.left:
        parts.append(Text(f"Paused: {one.paused}. Nothing more was begun.", style="bold red"))
    if one.left:
        parts.append(Text(f"Go on with `codex-assets rebuild --resume {one.rebuild_id}`.", style="dim"))
    return Group(*parts)


# --- Objects ----------------------------------------------------------------------------------------------------------


def objects(title: str, sizes: Mapping[str, int]) -> Tree:
    """Objects by their keys, as folders; runs of segments are told in one line."""
    tree = Tree(Text(title, style="bold"), guide_style="dim")
    _add_objects(tree, sizes)
    return tree


def _add_objects(tree: Tree, sizes: Mapping[str, int]) -> None:
    folders: dict[str, dict[str, int]] = {}
    files: dict[str, int] = {}
    for key, count in sorted(sizes.items()):
        folder, slash, rest = key.partition("/")
        if slash:
            folders.setdefault(folder, {})[rest] = count
        else:
            files[key] = count
    for name, inside in folders.items():
        # Folders that hold nothing but a folder are one line.
        while len(tops := {key.partition("/")[0] for key in inside}) == 1 and all("/" in key for key in inside):
            top = tops.pop()
            name = f"{name}/{top}"
            inside = {key.removeprefix(f"{top}/"): count for key, count in inside.items()}
        _add_objects(tree.add(Text(f"{name}/", style="cyan")), inside)
    segments = [name for name in files if name.endswith(".ts")]
    for name, count in files.items():
        if name not in segments:
            tree.add(_object(name, count))
    if segments:
        told = segments[0] if len(segments) == 1 else f"{segments[0]} to {segments[-1].removeprefix('segment_')}"
        tree.add(_object(told, sum(files[name] for name in segments)))


def _object(name: str, count: int) -> Text:
    return Text.assemble(name, (f"  {size(count)}", "dim"))


def short(path: Path) -> str:
    """As it is typed here: relative where it is below the current folder."""
    here = Path.cwd()
    return str(path.relative_to(here)) if path.is_relative_to(here) else str(path)
