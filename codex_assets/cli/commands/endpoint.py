"""`codex-assets endpoint`: a RunPod endpoint as a checked-in file describes it.

Exit codes of `apply`: 0 when the endpoint is (now) as the file says, 1 when `--dry-run` finds that it is not, or when
making it so failed, 2 when it could not be looked at, or the file must not be applied. The comparison is in
`readiness/runpod_endpoint.py`, the table in `cli/views/endpoint.py`.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from codex_assets.cli import command_frame, console
from codex_assets.cli.command_frame import FAILED, UNCHECKED, AsJson
from codex_assets.cli.views.endpoint import differences_table, headline, two_columns
from codex_assets.config import settings
from codex_assets.net.runpod_api import AccountApi
from codex_assets.readiness import runpod_endpoint
from codex_assets.readiness.runpod_endpoint import Plan

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
    with command_frame.told(UNCHECKED):
        wish = runpod_endpoint.read(file)
        for warning in runpod_endpoint.warnings(wish):
            console.warn(warning)
        api = AccountApi(settings.management())
        what = runpod_endpoint.plan(wish, api)
    if not what.secrets_known:
        console.warn("Whether RunPod has the secrets is not known: this key may not look.")
    if not as_json:
        console.say(headline(what, dry_run))
        if what.needed:
            console.say(differences_table(what))
    endpoint_id = what.endpoint_id
    if what.needed and not dry_run:
        with command_frame.told(FAILED):
            endpoint_id = runpod_endpoint.carry_out(what, api)
        if not as_json:
            console.say(f"Done: endpoint {endpoint_id} is as {file} says.")
    if as_json:
        console.say_json(_as_json(what, endpoint_id, dry_run))
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
    with command_frame.told():
        wish = runpod_endpoint.read(file)
        kept = runpod_endpoint.keep_secrets(
            wish, settings.environment(), AccountApi(settings.management()), replace=replace
        )
    table = two_columns()
    for one in kept:
        table.add_row(one.variable, one.name, one.done)
    console.say(table)


def _as_json(what: Plan, endpoint_id: str | None, dry_run: bool) -> dict[str, Any]:
    return {
        "name": what.wish.name,
        "id": endpoint_id,
        "created": what.endpoint_id is None and endpoint_id is not None,
        "dryRun": dry_run,
        "differences": [{"field": one.field, "was": one.was, "wished": one.wished} for one in what.differences],
        "warnings": runpod_endpoint.warnings(what.wish),
    }
