"""`codex-assets redeliver`: sends webhooks again that did not reach their receiver.

Which are sent is decided in `library/undelivered_webhooks.py`; the table is in `cli/views/redeliver.py`.
"""

from __future__ import annotations

from typing import Annotated

import typer

from codex_assets.cli import command_frame, console
from codex_assets.cli.command_frame import FAILED, UNCHECKED, AsJson, Store


def redeliver(
    media: Annotated[
        list[str] | None, typer.Argument(metavar="[MEDIA]...", help="Ids of media. Default: all.", show_default=False)
    ] = None,
    url: Annotated[
        str | None,
        typer.Option("--url", help="Send all of them to this URL. Default: where each was to go.", show_default=False),
    ] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="List what waits; send nothing.")] = False,
    store: Store = None,
    as_json: AsJson = False,
) -> None:
    """Send webhooks again that could not be delivered or were not accepted.

    The archive keeps their bodies. Each is sent as it was, signed with `WEBHOOK_SECRET`: a secret that came with the
    payload is not kept. The query of a webhook's URL is not kept either, because it may hold a secret: give the whole
    URL with `--url`. What is delivered is dropped from the archive.

    Exit codes: `0` none waits any more; `1` some do, as with `--dry-run`; `2` the archive could not be read, or there
    is no secret.

    ```
    codex-assets redeliver --dry-run
    codex-assets redeliver
    codex-assets redeliver --url "https://api.example/hook?key=KEY"
    ```
    """
    from codex_assets.cli.views.redeliver import results_json, results_table
    from codex_assets.contract.names import ID
    from codex_assets.errors import ConfigurationError
    from codex_assets.library.undelivered_webhooks import Redelivery, RedeliveryResult, RedeliveryVerdict

    for media_id in media or ():
        if not ID.fullmatch(media_id):
            raise typer.BadParameter(f"`{media_id}` is not the id of a media.", param_hint="MEDIA")
    results: list[RedeliveryResult] = []
    with command_frame.failures_end_with(UNCHECKED), command_frame.cancelled_by_signals() as cancelled:
        settings = command_frame.load_settings(store)
        if settings.webhook_secret is None and not dry_run:
            raise ConfigurationError("WEBHOOK_SECRET is not set; it signs the webhooks that are sent again.")
        work = Redelivery(
            settings.stores().archive,
            None if dry_run else settings.webhook_secret,
            settings.delivery_policy(),
            cancelled,
            url=url,
        )
        command_frame.run_in_thread(lambda: results.extend(work.run(media or ())))
    if as_json:
        console.say_json(results_json(results, dry_run))
    else:
        console.say(results_table(results) if results else "No webhook waits to be sent again.")
    verdicts = {result.verdict for result in results}
    if RedeliveryVerdict.UNCHECKED in verdicts:
        raise typer.Exit(UNCHECKED)
    if verdicts & {RedeliveryVerdict.NOT_DELIVERED, RedeliveryVerdict.WOULD_SEND}:
        raise typer.Exit(FAILED)
