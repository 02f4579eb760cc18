"""`codex-assets verify` and `failing`: rules applied to what is published, to a folder or to a URL.

In: the options, what is checked for each of them, and the exit code. Out: the rules (`verification/`), any HLS
(`verification/hls_check.py`), many media at once (`library/sweep.py`), the tables (`cli/views/findings.py`).
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from contextlib import suppress
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from codex_assets.cli import command_frame, console, progress
from codex_assets.cli.command_frame import FAILED, UNCHECKED, AsJson, Conditions, Limit, Store
from codex_assets.errors import StorageError

if TYPE_CHECKING:
    from codex_assets.library.sweep import Sweep, SweepResult
    from codex_assets.verification.report.media_report import MediaReport

WORKERS = 2
"""Media that are verified at once. Each has several tools running already."""

Targets = Annotated[
    list[str] | None,
    typer.Argument(
        metavar="TARGET",
        help="Media ids; or one path, which has a `/` or ends in `.m3u8`; or one URL.",
        show_default=False,
    ),
]
Everything = Annotated[bool, typer.Option("--all", help="Check every media, but those whose upload was refused.")]
Rule = Annotated[str | None, typer.Option("--rule", help="Apply this rule only.", show_default=False)]
Shallow = Annotated[bool, typer.Option("--shallow", help="Do not download mezzanines, nor compare anything with them.")]
Workers = Annotated[int, typer.Option("--workers", min=1, max=64, help="Media that are checked at once.")]
Html = Annotated[
    Path | None,
    typer.Option(
        "--html",
        metavar="FILE",
        help="Also write a report, as one HTML page that needs nothing else.",
        dir_okay=False,
        writable=True,
        show_default=False,
    ),
]


def verify_(
    targets: Targets = None,
    everything: Everything = False,
    where: Conditions = None,
    rule: Rule = None,
    shallow: Shallow = False,
    workers: Workers = WORKERS,
    html: Html = None,
    store: Store = None,
    as_json: AsJson = False,
) -> None:
    """Check what is published by every rule, without encoding anything.

    The results are kept in the archive: `failing`, `show` and `list` read them. docs/verification.md lists the rules.
    What a viewer would complain of, such as black stretches, is listed as notes; the exit code does not depend on them.

    Given a path or a URL, any HLS is checked, whoever made it. Only rules that need no knowledge of the source are
    applied, and the results are not kept. A URL is downloaded first, and how its files are delivered is checked too.

    `--html` writes a report of what was checked: rates as declared and as measured, key frames, bit rate per segment,
    likeness to the mezzanine and loudness over time, and every finding with its place and the clause that asks for it.

    Conditions of `--where` are separated by commas, and all of them must be met:

    - `id=A` or `id=A+B+C`: these media.
    - `type=video` or `type=audio`.
    - `creator=ID`: uploads of this creator.
    - `output=hls_720p`: this output is published.
    - `recipe=CODE`: an output was built by this code version.
    - `built_before=2026-01-31`, or with a time: an output was built before.
    - `judged=today`, `judged=old` or `judged=never`: the least judged output was judged by today's rules, by others
      such as those of an earlier release, or never. `judged=old+never`: either.
    - `stale`: an output is to be rebuilt; see `codex-assets stale --help`.

    With `output=`, the last four are about that output only.

    Exit codes: `0` no rule of severity ERROR failed; `1` one did; `2` something could not be checked.

    ```
    codex-assets verify holiday talk-1
    codex-assets verify --all
    codex-assets verify --where type=video,creator=ann --rule thumbnail_decodes
    codex-assets verify --where judged=old+never
    codex-assets verify some/folder/
    codex-assets verify https://cdn.example.com/video/master.m3u8
    codex-assets verify holiday --html report.html
    ```
    """
    names = list(targets or [])
    if sum((bool(names), everything, where is not None)) != 1:
        raise typer.BadParameter("Give media ids, a path, a URL, --all or --where: one of them.")
    is_hls = any("/" in name or name in (".", "..") or name.endswith(".m3u8") for name in names)
    if is_hls and len(names) > 1:
        raise typer.BadParameter("Give one path, one URL, or media ids.")
    command_frame.check_rule(rule, "--rule")
    if html is not None and not html.absolute().parent.is_dir():
        raise typer.BadParameter(f"There is no folder {html.parent}.", param_hint="--html")
    if is_hls:
        raise typer.Exit(_verify_hls(names[0], rule, as_json, html))
    condition = command_frame.parse_where(where)
    from codex_assets.config.workshop import open_workshop
    from codex_assets.library.catalogue import Catalogue
    from codex_assets.library.sweep import Sweep

    with (
        command_frame.failures_end_with(UNCHECKED),
        command_frame.cancelled_by_signals() as cancelled,
        open_workshop(settings := command_frame.load_settings(store), cancelled=cancelled) as workshop,
    ):
        sweep = Sweep(
            *(workshop.stores, workshop.tools, workshop.workspace.root, cancelled),
            where=condition,
            rule=rule,
            deep=not shallow,
            workers=workers,
            with_reports=html is not None,
            grace=settings.prune_grace,
            extras=settings.extra_outputs,
        )
        media_ids = list(dict.fromkeys(names)) or command_frame.matching_ids(settings, condition)
        try:
            raise typer.Exit(_verify_media(sweep, media_ids, as_json, html))
        finally:
            # So that `stale` says the same of it at once.
            with suppress(StorageError):
                Catalogue(settings.catalogue, workshop.stores.archive).note_changed(media_ids)


def _verify_media(sweep: Sweep, media_ids: list[str], as_json: bool, html: Path | None) -> int:
    """Check media, print the result, write it into the file `html`, and return the exit code."""
    from codex_assets.cli.views import findings

    started = time.monotonic()
    results: list[SweepResult] = []
    failed = unchecked = 0
    with progress.media_progress("verifying", len(media_ids)) as media_progress:
        for result in sweep.run(media_ids):
            if result is not None:
                results.append(result)
                failed += result.outcome == "failed"
                unchecked += result.outcome == "unchecked"
            media_progress.advance(f"{failed} failed" + (f", {unchecked} not checked" if unchecked else ""))
    results.sort(key=lambda result: result.media_id)
    seconds = time.monotonic() - started
    if as_json:
        console.say_json(findings.sweep_json(results, seconds))
    elif results:
        console.say(findings.sweep_summary(results, len(media_ids) - len(results), seconds, sweep.rule))
    else:
        console.say("There are no media to check.")
    if html is not None:
        _write_page(html, [_report_of_media(result) for result in results], sweep.tools.version("ffmpeg"))
    return FAILED if failed else UNCHECKED if unchecked else 0


def _report_of_media(result: SweepResult) -> MediaReport:
    """Its report; of a media that could not be judged at all, why not."""
    from codex_assets.verification.report.media_report import MediaReport

    kind = result.media.media_type if result.media is not None else ""
    return result.report or MediaReport(result.media_id, kind, result.problem)


def _write_page(path: Path, reports: Sequence[MediaReport], ffmpeg: str | None) -> None:
    """Write a page of reports; `ffmpeg`: its version. Where it cannot be written, the command ends."""
    from codex_assets.cli.report_page.page import Provenance, page
    from codex_assets.verification.judge import rule_set

    now = datetime.now(UTC)
    text = page(reports, Provenance(now, ffmpeg, version("codex-assets"), rule_set()))
    try:
        path.write_text(text, encoding="utf-8")
    except OSError as error:
        console.complain(f"The report cannot be written to {path}: {error.strerror}.")
        raise typer.Exit(UNCHECKED) from None
    console.note(f"The report is in {console.short_path(path)}.")


def _verify_hls(target: str, rule: str | None, as_json: bool, html: Path | None) -> int:
    """Check the HLS at a path or a URL, print the findings, write them into the file `html`, and return the exit
    code."""
    from codex_assets.cli.views.findings import findings_table, hls_json
    from codex_assets.config.settings import environment, outward, scratch_place
    from codex_assets.system.tools import tool_environment
    from codex_assets.verification.hls_check import HlsCheck, find_playlist
    from codex_assets.verification.judge import failures
    from codex_assets.verification.report.judged import report_of

    is_url = "://" in target
    playlist = None if is_url else find_playlist(Path(target))
    if is_url and not target.lower().startswith(("http://", "https://")):
        console.complain("Only http and https URLs can be checked.")
        return UNCHECKED
    if not is_url and playlist is None:
        console.complain(f"There is no playlist at {target}; give a folder with a master.m3u8, or a playlist.")
        return UNCHECKED
    with command_frame.failures_end_with(UNCHECKED), command_frame.cancelled_by_signals() as cancelled:
        place = scratch_place(environment())
        check = HlsCheck(tool_environment(environment()), place, rule, cancelled, for_report=html is not None)
        checked = command_frame.run_in_thread(
            lambda: check.check_url(target, outward()) if playlist is None else check.check_playlist(playlist)
        )
    report = report_of(
        target.partition("?")[0] if playlist is None else "/".join(playlist.absolute().parts[-2:]),
        "stream",
        checked.observations,
        checked.findings,
        only=None if rule is None else (rule,),
        unjudged=checked.loudness,
    )
    if as_json:
        console.say_json(hls_json(report, checked.findings))
    else:
        console.say(findings_table(checked.findings))
    if html is not None:
        _write_page(html, [report], checked.ffmpeg)
    return FAILED if failures(checked.findings) else 0


def failing(
    rule: Annotated[
        str | None, typer.Argument(metavar="RULE", help="A rule. Default: all of them.", show_default=False)
    ] = None,
    warnings: Annotated[
        bool, typer.Option("--warnings/--errors", help="Include rules that only warn, or errors alone.")
    ] = True,
    where: Conditions = None,
    limit: Limit = None,
    store: Store = None,
    as_json: AsJson = False,
) -> None:
    """List which media failed which rule when they were last verified.

    Reads the results that `verify` has kept of what is published now, and checks nothing. What was rebuilt since it was
    verified has not failed.

    Exit codes: `0` no rule of severity ERROR failed; `1` one did; `2` nothing was verified, or the archive could not be
    read.

    ```
    codex-assets failing
    codex-assets failing segments_present
    codex-assets failing --errors --where creator=ann --json
    ```
    """
    command_frame.check_rule(rule, "RULE")
    condition = command_frame.parse_where(where)
    from codex_assets.cli.views.findings import failing_json, failing_lines, failing_table, rules_table
    from codex_assets.cli.views.long_table import LONG

    with command_frame.failures_end_with(UNCHECKED):
        catalogue = command_frame.open_catalogue(command_frame.load_settings(store), condition)
        media, unverified = catalogue.verified(condition)
        failed = list(catalogue.findings(condition, rule, warnings=warnings))
    shown = failed[:limit]
    if as_json:
        console.say_json(failing_json(shown))
    elif media and unverified == media:
        console.say("No media was verified since it was published: `codex-assets verify --all` does it.")
    elif not failed:
        console.say(f"No verified media fails {rule or 'any rule'}.")
    elif rule is None:
        console.say(rules_table((failure.media_id, failure.finding) for failure in failed))
    else:
        if len(shown) > LONG:
            console.say_lines(failing_lines(shown))
        else:
            console.say(failing_table(shown))
        command_frame.note_rest(len(failed) - len(shown))
    if 0 < unverified < media:
        console.note(f"{console.count_media(unverified)} not verified since it was published.")
    if any(failure.finding.is_failure for failure in failed):
        raise typer.Exit(FAILED)
    if media and unverified == media:
        raise typer.Exit(UNCHECKED)
