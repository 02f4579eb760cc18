"""`codex-assets endpoint`: a RunPod endpoint as a checked-in file describes it.

The comparison is in `readiness/runpod_endpoint.py`, the tables in `cli/views/endpoint.py`.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from codex_assets.cli import command_frame, console
from codex_assets.cli.command_frame import FAILED, UNCHECKED, AsJson

HELP = """Manage a RunPod endpoint as a file in `deploy/` describes it.

docs/RunpodSetup.md describes the whole set-up.

```
codex-assets endpoint secrets deploy/endpoint-staging.toml
codex-assets endpoint apply deploy/endpoint-staging.toml --dry-run
codex-assets endpoint apply deploy/endpoint-staging.toml
```
"""

app = typer.Typer(no_args_is_help=True, help=HELP)

File = Annotated[
    Path, typer.Argument(metavar="FILE", help="Such as `deploy/endpoint-staging.toml`.", show_default=False)
]


@app.command()
def apply(
    file: File,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="List what would change; change nothing.")] = False,
    as_json: AsJson = False,
) -> None:
    """Create or change the endpoint so that it is as FILE describes.

    Needs `RUNPOD_API_KEY`. FILE holds no secrets: it refers to RunPod's as `{{ RUNPOD_SECRET_name }}`. What FILE does
    not mention stays as it is. A second run changes nothing.

    Exit codes: `0` the endpoint is as FILE says; `1` it could not be changed or, with `--dry-run`, it differs; `2` the
    endpoint could not be read, or FILE must not be applied.

    ```
    codex-assets endpoint apply deploy/endpoint-staging.toml --dry-run
    codex-assets endpoint apply deploy/endpoint-staging.toml
    ```
    """
    from codex_assets.cli.views.endpoint import differences_table, headline, plan_json
    from codex_assets.config.settings import management
    from codex_assets.net.runpod_api import AccountApi
    from codex_assets.readiness import endpoint_file, runpod_endpoint

    with command_frame.failures_end_with(UNCHECKED):
        desired = endpoint_file.read_file(file)
        for warning in endpoint_file.doubts(desired):
            console.warn(warning)
        api = AccountApi(management())
        plan = runpod_endpoint.make_plan(desired, api)
    if not plan.secrets_known:
        console.warn("RUNPOD_API_KEY may not list secrets, so it is unknown whether RunPod has them.")
    if not as_json:
        console.say(headline(plan, dry_run))
        if plan.is_needed:
            console.say(differences_table(plan))
    endpoint_id = plan.endpoint_id
    if plan.is_needed and not dry_run:
        with command_frame.failures_end_with(FAILED):
            endpoint_id = runpod_endpoint.apply(plan, api)
        if not as_json:
            console.say(f"Done: endpoint {endpoint_id} is as {file} says.")
    if as_json:
        console.say_json(plan_json(plan, endpoint_id, dry_run))
    if plan.is_needed and dry_run:
        raise typer.Exit(FAILED)


@app.command()
def secrets(
    file: File,
    replace: Annotated[bool, typer.Option("--replace", help="Also replace the secrets that RunPod has.")] = False,
) -> None:
    """Give RunPod the secrets that FILE refers to, from this environment.

    The value of each secret is that of the variable of the same name here. Values are neither printed nor passed as
    arguments. Secrets that RunPod has stay as they are unless you give `--replace`. Workers see a new value when they
    next start.

    ```
    codex-assets endpoint secrets deploy/endpoint-staging.toml
    codex-assets endpoint secrets deploy/endpoint-production.toml --replace
    ```
    """
    from codex_assets.cli.views.endpoint import secrets_table
    from codex_assets.config.settings import environment, management
    from codex_assets.net.runpod_api import AccountApi
    from codex_assets.readiness import endpoint_file, runpod_endpoint

    with command_frame.failures_end_with():
        desired = endpoint_file.read_file(file)
        api = AccountApi(management())
        kept = runpod_endpoint.store_secrets(desired, environment(), api, replace=replace)
    console.say(secrets_table(kept))
