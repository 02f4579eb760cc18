"""`codex-assets verify` and `failing`: rules applied to what is published, to a folder or to a URL.

In: the options, what is judged for each of them, and the exit code. Out: the rules (`verification/`), many media at
once (`library/sweep.py`), the tables (`cli/views/checks.py`).
"""

from __future__ import annotations

import tempfile
import threading
import time
from pathlib import Path
from typing import Annotated, Any

import typer

from codex_assets.archive.findings import Finding
from codex_assets.cli import command_frame, console, progress
from codex_assets.cli.command_frame import FAILED, UNCHECKED, AsJson, Store
from codex_assets.cli.views import checks
from codex_assets.config import settings as configuration
from codex_assets.config.settings import Settings
from codex_assets.config.workshop import open_workshop
from codex_assets.library import published_media, selection
from codex_assets.library.selection import Where
from codex_assets.library.sweep import Result, Sweep
from codex_assets.net import hls_fetch
from codex_assets.system.sandbox import Reach
from codex_assets.system.tools import Tools, tool_environment
from codex_assets.verification.judge import RULES, failures, judge
from codex_assets.verification.observations import AnyObservation
from codex_assets.verification.observe.observer import Observer
from codex_assets.verification.observe.playlists import parse_master

WORKERS = 2
"""Media that are verified at once. Each has several tools running already."""


def verify_(
    targets: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="[MEDIA | FOLDER | MASTER.m3u8 | URL]...",
            help="Media ids; or a path, with a `/` or `.m3u8`; or a URL.",
        ),
    ] = None,
    everything: Annotated[bool, typer.Option("--all", help="Every registered media.")] = False,
    where: Annotated[
        str | None,
        typer.Option(
            "--where",
            help=selection.HELP,
            show_default=False,
        ),
    ] = None,
    rule: Annotated[
        str | None, typer.Option("--rule", help="One rule alone; what is kept of others stays.", show_default=False)
    ] = None,
    shallow: Annotated[
        bool,
        typer.Option("--shallow", help="Without the mezzanine: nothing is compared with it, and it is not fetched."),
    ] = False,
    workers: Annotated[
        int, typer.Option("--workers", min=1, max=64, help="Media that are verified at once.")
    ] = WORKERS,
    store: Store = None,
    as_json: AsJson = False,
) -> None:
    """Check what is published, by every rule, without encoding anything. What is found is kept for `failing`.

    Or check any HLS folder on this machine, given the folder or its master, or any master at a URL, which is
    downloaded first; then nothing is kept.

    Exit code: 0 when no rule of severity ERROR failed, 1 when one did, 2 when something could not be checked.
    """
    named = list(targets or [])
    if sum((bool(named), everything, where is not None)) != 1:
        raise typer.BadParameter("Give media ids, or a path, or a URL, or --all, or --where.")
    if rule is not None and rule not in RULES:
        raise typer.BadParameter(f"There is no rule `{rule}`; docs/verification.md lists them.", param_hint="--rule")
    condition = command_frame.where(where)
    if any(_is_path(one) for one in named):
        if len(named) > 1:
            raise typer.BadParameter("Give one path or URL, or media ids.")
        look = _verify_url if "://" in named[0] else _verify_path
        raise typer.Exit(look(named[0], rule, as_json))
    with command_frame.told(UNCHECKED):
        raise typer.Exit(
            _verify_media(named, condition, rule, not shallow, workers, command_frame.settings(store), as_json)
        )


def _verify_media(
    named: list[str],
    condition: Where,
    rule: str | None,
    deep: bool,
    workers: int,
    settings: Settings,
    as_json: bool,
) -> int:
    started = time.monotonic()
    results: list[Result] = []
    with command_frame.cancelling() as cancelled, open_workshop(settings, cancelled=cancelled) as workshop:
        media = list(dict.fromkeys(named)) or list(workshop.records.media_ids())
        work = Sweep(
            *(workshop.stores, workshop.tools, workshop.workspace.root, cancelled),
            where=condition,
            rule=rule,
            deep=deep,
            workers=workers,
        )
        failed = unchecked = 0
        with progress.counting("verifying", len(media)) as counted:
            for result in work.run(media):
                if result is not None:
                    results.append(result)
                    failed += result.outcome == "failed"
                    unchecked += result.outcome == "unchecked"
                counted.advance(f"{failed} failed" + (f", {unchecked} not checked" if unchecked else ""))
    results.sort(key=lambda one: one.media_id)
    seconds = time.monotonic() - started
    if as_json:
        console.say_json({**_totals(results, seconds), "media": [_found(one) for one in results]})
    elif results:
        console.say(checks.sweep_summary(results, len(media) - len(results), seconds, rule))
    else:
        console.say("No media to check.")
    return FAILED if failed else UNCHECKED if unchecked else 0


def _verify_url(url: str, rule: str | None, as_json: bool) -> int:
    """Download what is at a URL, and judge it as a folder of this machine."""
    if not url.lower().startswith(("http://", "https://")):
        console.complain("Only http and https URLs can be checked.")
        return UNCHECKED
    with (
        command_frame.told(UNCHECKED),
        command_frame.cancelling() as cancelled,
        tempfile.TemporaryDirectory(prefix="codex-assets-fetch-") as folder,
    ):
        way = configuration.outward()
        # Whoever types a URL may reach what it leads to: private addresses are fine.
        playlist = command_frame.aside(
            lambda: hls_fetch.fetch(url, Path(folder), allow_private=True, cancelled=cancelled, outward=way)
        )
        judged = _judge(playlist, rule, cancelled)
    return _told_findings(judged, as_json)


def _verify_path(target: str, rule: str | None, as_json: bool) -> int:
    """Judge any HLS folder by the rules that need no knowledge of how it was made."""
    path = Path(target)
    if path.is_dir():
        found = sorted(path.glob("*.m3u8"))
        master = next((one for one in found if one.name == "master.m3u8"), found[0] if len(found) == 1 else None)
    else:
        master = path if path.is_file() else None
    if master is None:
        console.complain(f"There is no playlist at {target}; give a folder with a master.m3u8, or a playlist.")
        return UNCHECKED
    with command_frame.told(UNCHECKED), command_frame.cancelling() as cancelled:
        judged = _judge(master, rule, cancelled)
    return _told_findings(judged, as_json)


def _judge(playlist: Path, rule: str | None, cancelled: threading.Event) -> list[Finding]:
    with tempfile.TemporaryDirectory(prefix="codex-assets-verify-") as scratch:
        reach = Reach(reads=(playlist.parent.absolute(),), writes=(Path(scratch),))
        tools = Tools(tool_environment(configuration.environment()), reach=reach, cancelled=cancelled)
        observer = Observer(tools, scratch=Path(scratch), workers=WORKERS)

        def look() -> tuple[AnyObservation, ...]:
            if parse_master(playlist.read_text(encoding="utf-8", errors="replace")).streams:
                return observer.hls(playlist)
            return (observer.variant(playlist, output=playlist.parent.resolve().name),)

        seen = command_frame.aside(look)
    return [one for observed in seen for one in judge(observed, only=None if rule is None else (rule,))]


def _told_findings(judged: list[Finding], as_json: bool) -> int:
    if as_json:
        told = [_finding(one) for one in judged if not one.passed]
        console.say_json({"checks": len(judged), "findings": told})
    else:
        console.say(checks.findings(judged))
    return FAILED if failures(judged) else 0


def failing(
    rule: Annotated[str | None, typer.Argument(help="A rule; without one, all of them.", show_default=False)] = None,
    warnings: Annotated[bool, typer.Option("--warnings/--errors", help="With rules that only warn.")] = True,
    store: Store = None,
    as_json: AsJson = False,
) -> None:
    """Which media fail which rule, as it was found when each was last verified. Reads what was kept, checks nothing."""
    if rule is not None and rule not in RULES:
        raise typer.BadParameter(f"There is no rule `{rule}`; docs/verification.md lists them.")
    with command_frame.told():
        failing_media = [
            (record.media_id, judged.checked_at, one)
            for record in published_media.kept(command_frame.settings(store).stores())
            for judged in record.outputs
            for one in judged.failed
            if rule in (None, one.rule) and (warnings or one.is_failure)
        ]
    if as_json:
        console.say_json(
            [
                {"mediaId": media_id, **_finding(one), "checkedAt": checked_at}
                for media_id, checked_at, one in failing_media
            ]
        )
    elif not failing_media:
        console.say(f"No verified media fails {rule or 'any rule'}.")
    elif rule is None:
        console.say(checks.rules_table((media_id, one) for media_id, _, one in failing_media))
    else:
        console.say(checks.failing_table((media_id, one) for media_id, _, one in failing_media))


def _is_path(target: str) -> bool:
    return "/" in target or target in (".", "..") or target.endswith(".m3u8")


def _totals(results: list[Result], seconds: float) -> dict[str, Any]:
    outcomes = [one.outcome for one in results]
    return {
        "passed": outcomes.count("passed"),
        "failed": outcomes.count("failed"),
        "unchecked": outcomes.count("unchecked"),
        "checks": sum(one.checks for one in results),
        "seconds": round(seconds, 3),
    }


def _found(result: Result) -> dict[str, Any]:
    told: dict[str, Any] = {
        "mediaId": result.media_id,
        "mediaType": result.media.media_type if result.media is not None else None,
        "outcome": result.outcome,
        "problem": result.problem,
        "checks": result.checks,
        "findings": [_finding(one) for one in (*result.failed, *result.warned)],
        "neverBuilt": list(result.unbuilt),
        "seconds": round(result.seconds, 3),
    }
    return {name: value for name, value in told.items() if value not in (None, [])}


def _finding(finding: Finding) -> dict[str, str]:
    fields = {"output": finding.output, "rule": finding.rule, "severity": finding.severity.value}
    fields |= {"message": finding.message, "expected": finding.expected, "found": finding.observed}
    fields |= {"where": finding.where}
    return {name: value for name, value in fields.items() if value}
