"""`codex-assets endpoint`: RunPod's endpoint as a checked-in file describes it, and the secrets that it refers to.

Exit codes of `apply`: 0 when the endpoint is (now) as the file says, 1 when `--dry-run` finds that it is not, or when
making it so failed, 2 when it could not be looked at, or the file must not be applied.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer
from rich.table import Table
from rich.text import Text

from codex_assets import provision, resources, terminal
from codex_assets.commands import frame
from codex_assets.commands.frame import FAILED, UNCHECKED, AsJson
from codex_assets.provision import Api, Difference, Plan

app = typer.Typer(no_args_is_help=True, help="A RunPod endpoint, as a file in `deploy/` describes it.")

File = Annotated[Path, typer.Argument(help="Such as `deploy/endpoint-staging.toml`.", show_default=False)]


@app.command()
def apply(
    file: File,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Tell what would change, and change nothing.")] = False,
    as_json: AsJson = False,
) -> None:
    """Create the endpoint that FILE describes, or change the one of its name until it is as described.

    Needs RUNPOD_API_KEY. FILE holds no secrets: it refers to RunPod's as `{{ RUNPOD_SECRET_name }}`. What it is silent
    about is left alone. Doing it twice changes nothing the second time.

    Exit code: 0 when the endpoint is as FILE says, 1 when `--dry-run` finds that it is not, 2 when that could not be
    found out, or FILE must not be applied.
    """
    with frame.told(UNCHECKED):
        wish = provision.read(file)
        for warning in provision.warnings(wish):
            terminal.warn(warning)
        api = Api(resources.management())
        what = provision.plan(wish, api)
    if not what.secrets_known:
        terminal.warn("Whether RunPod has the secrets is not known: this key may not look.")
    if not as_json:
        terminal.say(_headline(what, dry_run))
        if what.needed:
            terminal.say(_table(what))
    endpoint_id = what.endpoint_id
    if what.needed and not dry_run:
        with frame.told(FAILED):
            endpoint_id = provision.carry_out(what, api)
        if not as_json:
            terminal.say(f"Done: endpoint {endpoint_id} is as {file} says.")
    if as_json:
        terminal.say_json(_as_json(what, endpoint_id, dry_run))
    if what.needed and dry_run:
        raise typer.Exit(FAILED)


@app.command()
def secrets(
    file: File,
    replace: Annotated[bool, typer.Option("--replace", help="Also those that RunPod has: rotation.")] = False,
) -> None:
    """Give RunPod the secrets that FILE refers to: each from the variable of that name in the environment here.

    No value is printed, nor passed as an argument. Those that RunPod has are left as they are, unless `--replace`;
    workers see a new value when they next start.
    """
    with frame.told():
        wish = provision.read(file)
        kept = provision.keep_secrets(wish, resources.environment(), Api(resources.management()), replace=replace)
    table = _columns()
    for one in kept:
        table.add_row(one.variable, one.name, one.done)
    terminal.say(table)


def _headline(what: Plan, dry_run: bool) -> Text:
    name = what.wish.name if what.endpoint_id is None else f"{what.wish.name} ({what.endpoint_id})"
    if not what.needed:
        return Text(f"{name}: nothing to do")
    would = "would be " if dry_run else ""
    if what.endpoint_id is None:
        return Text(f"{name}: not there yet, {would or 'is '}created")
    return Text(f"{name}: {terminal.plural(len(what.differences), 'difference')}, {would or 'is '}changed")


def _columns() -> Table:
    table = Table(box=None, pad_edge=False, show_header=False, padding=(0, 2, 0, 2))
    table.add_column(no_wrap=True)
    table.add_column(overflow="fold")
    return table


def _table(what: Plan) -> Table:
    table = _columns()
    for one in what.differences if what.endpoint_id is not None else provision.differences(what.wish, {}):
        table.add_row(one.field, _change(one))
    return table


def _change(one: Difference) -> Text:
    if one.was is None:
        return Text(f"+ {one.wished}", style="green")
    if one.wished is None:
        return Text(f"- {one.was}", style="red")
    return Text(f"{one.was} -> {one.wished}", style="yellow")


def _as_json(what: Plan, endpoint_id: str | None, dry_run: bool) -> dict[str, Any]:
    return {
        "name": what.wish.name,
        "id": endpoint_id,
        "created": what.endpoint_id is None and endpoint_id is not None,
        "dryRun": dry_run,
        "differences": [{"field": one.field, "was": one.was, "wished": one.wished} for one in what.differences],
        "warnings": provision.warnings(what.wish),
    }
