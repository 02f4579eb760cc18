"""`codex-assets stale`: what is to be rebuilt, and why, of all media.

Answers from the catalogue (`library/catalogue.py`). The tables are in `cli/views/stale.py`.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping
from typing import TYPE_CHECKING, Annotated

import typer

from codex_assets.cli import command_frame, console
from codex_assets.cli.command_frame import FAILED, UNCHECKED, AsJson, ByTools, Conditions, Limit, Store

if TYPE_CHECKING:
    from codex_assets.cli.views.stale import StaleReport
    from codex_assets.library.catalogue import Catalogue
    from codex_assets.library.selection import Where

OutputNames = Annotated[
    str | None,
    typer.Option(
        *("--assets", "--asset"),
        metavar="OUTPUTS",
        help="Only these outputs, such as `hls_720p,thumbnail`.",
        show_default=False,
    ),
]
ListAll = Annotated[bool, typer.Option("--list", help="Name every media and output, however many there are.")]
Refresh = Annotated[
    bool | None,
    typer.Option(
        "--refresh/--no-refresh",
        help="Read the archive first, or answer from the index as it is. Default: read it if the index is old.",
        show_default=False,
    ),
]
Reindex = Annotated[bool, typer.Option("--reindex", help="Build the index from scratch, from all records.")]


def stale(
    assets: OutputNames = None,
    where: Conditions = None,
    tools: ByTools = False,
    list_all: ListAll = False,
    limit: Limit = None,
    refresh: Refresh = None,
    reindex: Reindex = False,
    store: Store = None,
    as_json: AsJson = False,
) -> None:
    """Count which outputs are stale, and why.

    `codex-assets rebuild` builds an output again for one of these reasons:

    - `never built`: it has no record, or one that cannot be read.
    - `recipe changed`: other numbers shape it today; the old and the new ones are listed.
    - `input changed`: what it was made from has other contents now.
    - `check failed`: a check has found an error since it was built.
    - `mezzanine missing`: the archive has no mezzanine of this media.

    These are listed, but are no reason to rebuild by themselves:

    - `follows`: one of its inputs is to be rebuilt. It is rebuilt too if that input comes out different.
    - `never checked`: it has never been checked.

    A last line counts what was not judged by today's rules. Nothing need be built for that:
    `codex-assets verify --where judged=old+never` judges it.

    With `--tools` there is one more reason, which is none by default: another version's bytes are as good.

    - `tools changed`: other versions built it than this machine has.

    Without its mezzanine no output of a media can be rebuilt, and without its original no mezzanine.

    Exit codes: `0` nothing is to be rebuilt; `1` something is; `2` the archive could not be read.

    ```
    codex-assets stale
    codex-assets stale --list --where type=video,creator=ann
    codex-assets stale --assets hls_720p,thumbnail --refresh --json
    codex-assets stale --tools --assets waveform_png
    ```
    """
    condition = command_frame.parse_where(where)
    outputs = command_frame.parse_outputs(assets, "--assets")
    from rich.console import Group

    from codex_assets.cli.views.long_table import LONG
    from codex_assets.cli.views.stale import report_counts, report_json, report_lines, report_total

    with command_frame.failures_end_with(UNCHECKED):
        settings = command_frame.load_settings(store)
        catalogue = command_frame.open_catalogue(settings, condition, refresh=refresh, reindex=reindex)
        report = _report(catalogue, condition, outputs, settings.tools().versions() if tools else None)
    if as_json:
        console.say_json(report_json(report, limit=limit))
    else:
        for media_id, record, problem in report.unreadable_examples:
            console.complain(f"{media_id}, {record}: {problem}.")
        console.say(report_counts(report))
        if list_all or limit is not None or report.is_short:
            lines = report_lines(report, limit)
            if len(lines) > LONG:
                console.say_lines(line.plain for line in lines)
            elif lines:
                console.say(Group(*lines))
        console.say(report_total(report))
        command_frame.note_rest(len(report.media) - len(report.media[:limit]))
        if limit is None and not (list_all or report.is_short):
            console.note("`--list` names every media and output.")
    if report.stale_count:
        raise typer.Exit(FAILED)


def _report(
    catalogue: Catalogue, condition: Where, outputs: Collection[str], tools: Mapping[str, str] | None
) -> StaleReport:
    """What the catalogue says of the media that meet `condition`, and of `outputs` only, unless there are none.

    `tools`: versions by tool, where what others built is stale; None where it is not.
    """
    from codex_assets.cli.views.stale import StaleMedia, StaleReport
    from codex_assets.library.judged import Judged, judged_least

    reported = []
    judged: Counter[Judged] = Counter()
    unjudged_media = 0
    for media_id, media_type, verdicts in catalogue.verdicts(condition, tools=tools, asked=outputs):
        shown = [
            verdict for verdict in verdicts.values() if verdict.causes and (not outputs or verdict.output in outputs)
        ]
        known = [each.judged for each in verdicts.values() if each.judged and (not outputs or each.output in outputs)]
        judged.update(known)
        unjudged_media += judged_least(known) in (Judged.OLD, Judged.NEVER)
        if shown:
            reported.append(StaleMedia(media_id, media_type, shown))
    age_seconds, _ = catalogue.age()
    problems, refused = catalogue.problems(condition), len(catalogue.refused(condition))
    return StaleReport(catalogue.size(), reported, age_seconds, problems, judged, unjudged_media, refused)
