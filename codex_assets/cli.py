"""The terminal: `codex-assets`. Reads arguments, calls what does the work, and turns the outcome into an exit code.

Exit codes and what else every command has in common are in `commands.frame`; how things look is decided in `terminal`,
what they mean wherever they are done. Commands of a subject of their own live in `commands/`, and are named here.
"""

from __future__ import annotations

import logging
import mimetypes
import re
import secrets
import tempfile
import threading
import time
import uuid
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import typer

from codex_assets import conditions, doctor, keyholder, resources, sweep, terminal
from codex_assets.commands import cleanup, endpoint, frame, import_, proof, rebuild, stale, stats
from codex_assets.commands.frame import FAILED, UNCHECKED, AsJson, Store
from codex_assets.conditions import Where
from codex_assets.delivery import hls_fetch, keys
from codex_assets.errors import JobCancelled, MissingInput
from codex_assets.media import verify
from codex_assets.observe import Observer, parse_master
from codex_assets.records import CheckFact, RecordStore
from codex_assets.resources import Settings
from codex_assets.sandbox import Reach
from codex_assets.tools import Tools, tool_environment

WORKERS = 2
"""Media that are verified at once. Each has several tools running already."""

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    # A traceback with local variables could print a secret.
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
)


class Kind(StrEnum):
    VIDEO = "video"
    AUDIO = "audio"


@app.callback()
def main(
    verbose: Annotated[bool, typer.Option("--verbose", "-v", help="Print the log on standard error.")] = False,
) -> None:
    """Everything that a media needs to be played, from one upload, and the means to see that it is right."""
    terminal.accept_every_character()
    keyholder.close_memory()
    if verbose:
        logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)-7s %(name)s: %(message)s")
    else:
        # Without any handler Python prints warnings by itself.
        logging.basicConfig(level=logging.CRITICAL, handlers=[logging.NullHandler()])


# --- run --------------------------------------------------------------------------------------------------------------


@app.command()
def run(
    file: Annotated[Path, typer.Argument(help="The upload: any video or audio file.", show_default=False)],
    kind: Annotated[Kind, typer.Option("--type", help="What it is uploaded as.", show_default=False)],
    media_id: Annotated[
        str | None, typer.Option("--media-id", help="Its id; by default made from the file's name.", show_default=False)
    ] = None,
    creator_id: Annotated[str, typer.Option("--creator-id", help="Whose it is.")] = "local",
    assets: Annotated[
        str | None,
        typer.Option("--assets", help="Only these outputs, such as `hls_720p,thumbnail`.", show_default=False),
    ] = None,
    store: Annotated[
        Path | None,
        typer.Option("--store", help="Folder of the store; else STORAGE_DIR, else .local/storage.", show_default=False),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Build the outputs of a file on this machine, and print them with the body that a webhook would carry.

    Objects are files in a local store. No account is used and nobody is told.
    """
    # Here, not above: it imports Dagster, and every other command starts without.
    from codex_assets import job

    with frame.told():
        if not file.is_file():
            raise MissingInput(f"There is no file {file}.")
        settings = resources.load(resources.local_environment(store))
        media = media_id or _id_of(file)
        key = _put_original(settings, file, creator_id, media)
        payload = _payload(settings, media, creator_id, kind, key)
        if assets is not None:
            payload["assets"] = [name for name in re.split(r"[,\s]+", assets) if name]
        with frame.cancelling() as cancelled, terminal.progress(media) as listener:
            started = time.monotonic()
            answer = frame.aside(
                lambda: job.work(
                    f"local-{uuid.uuid4().hex[:12]}", payload, settings, listener=listener, cancelled=cancelled
                )
            )
            seconds = time.monotonic() - started
        body = answer.body.wire()
        known = sweep.read(media, RecordStore(settings.stores().archive)) if body["status"] == "completed" else None
    if as_json:
        terminal.say_json(body)
    else:
        if known is not None:
            terminal.say(terminal.outputs(known, payload.get("assets")))
            terminal.say()
        terminal.say_json(body)
        if known is not None:
            terminal.say(f"\nBuilt in {terminal.lasting(seconds)}, in {settings.storage_dir}")
    if body["status"] != "completed":
        terminal.complain(body["error"], body.get("errorCode"))
        raise typer.Exit(FAILED)


def _id_of(file: Path) -> str:
    """A media id that says which file it is."""
    return re.sub(r"[^A-Za-z0-9_-]+", "-", file.stem).strip("-_")[:128] or "media"


def _put_original(settings: Settings, file: Path, creator_id: str, media_id: str) -> str:
    """Copy the file to where an upload would be; its key there."""
    suffix = file.suffix.lower() if re.fullmatch(r"\.[A-Za-z0-9]{1,10}", file.suffix) else ".bin"
    try:
        key = f"{keys.original_prefix(creator_id, media_id)}original{suffix}"
    except ValueError:
        raise typer.BadParameter(
            "--media-id and --creator-id are 1 to 128 letters, digits, `-` and `_`, and begin with a letter or digit."
        ) from None
    content_type = mimetypes.guess_type(file.name)[0] or "application/octet-stream"
    settings.stores().archive.upload(file, key, content_type=content_type)
    return key


def _payload(settings: Settings, media_id: str, creator_id: str, kind: Kind, key: str) -> dict[str, Any]:
    return {
        "mediaId": media_id,
        "creatorId": creator_id,
        "mediaType": kind.value,
        "inputBucket": settings.archive_bucket,
        "inputKey": key,
        "outputBucket": settings.media_bucket,
        "outputPrefix": f"{creator_id}/",
        "assetsBucket": settings.assets_bucket,
        # The contract asks for both. Nothing is sent.
        "webhookUrl": "https://webhook.invalid/",
        "webhookSecret": secrets.token_hex(16),
    }


# --- show, list -------------------------------------------------------------------------------------------------------


@app.command()
def show(
    media: Annotated[str, typer.Argument(help="A media id.", show_default=False)],
    store: Store = None,
    as_json: AsJson = False,
) -> None:
    """What is known of a media: its outputs, how and when each was built, and what its checks found."""
    with frame.told():
        try:
            known = sweep.read(media, RecordStore(frame.settings(store).stores().archive))
        except ValueError:
            known = None
        if known is None:
            raise MissingInput(f"No media `{media}` is registered here; `codex-assets list` names those that are.")
    if as_json:
        terminal.say_json(_known(known))
    else:
        terminal.say(terminal.media_sheet(known))


@app.command(name="list")
def list_(
    where: Annotated[
        str | None, typer.Option("--where", help="Only these; see `verify --help`.", show_default=False)
    ] = None,
    store: Store = None,
    as_json: AsJson = False,
) -> None:
    """Every registered media: what is built, what is stale, and what the last check found."""
    condition = frame.where(where)
    with frame.told():
        stores = frame.settings(store).stores()
        found = [one for one in sweep.read_all(stores) if one.meets(condition)]
    if as_json:
        terminal.say_json([_known(one) for one in found])
    elif found:
        terminal.say(terminal.media_table(found))
        stale = sum(1 for one in found if one.stale)
        terminal.say(f"{terminal.plural(len(found), 'media', 'media')}, {stale} with stale outputs")
    else:
        terminal.say("No media yet." if where is None else "No media for which this holds.")


def _known(known: sweep.Media) -> dict[str, Any]:
    outputs: dict[str, Any] = {}
    for name, record in known.outputs.items():
        if record is not None:
            outputs[name] = {**record.model_dump(mode="json", exclude_none=True), "stale": name in known.stale}
    verification = known.verification
    return {
        "media": known.media.model_dump(mode="json"),
        "outputs": outputs,
        "stale": known.stale,
        "reasons": {
            name: [cause.wire() for cause in verdict.causes]
            for name, verdict in known.verdicts.items()
            if verdict.causes
        },
        "verification": verification.model_dump(mode="json") if verification is not None else None,
    }


# --- verify, failing --------------------------------------------------------------------------------------------------


@app.command(name="verify")
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
            help=conditions.HELP,
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
    if rule is not None and rule not in verify.RULES:
        raise typer.BadParameter(f"There is no rule `{rule}`; docs/verification.md lists them.", param_hint="--rule")
    condition = frame.where(where)
    if any(_is_path(one) for one in named):
        if len(named) > 1:
            raise typer.BadParameter("Give one path or URL, or media ids.")
        look = _verify_url if "://" in named[0] else _verify_path
        raise typer.Exit(look(named[0], rule, as_json))
    with frame.told(UNCHECKED):
        raise typer.Exit(_verify_media(named, condition, rule, not shallow, workers, frame.settings(store), as_json))


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
    results: list[sweep.Result] = []
    with frame.cancelling() as cancelled, resources.workshop(settings, cancelled=cancelled) as workshop:
        media = list(dict.fromkeys(named)) or list(workshop.records.media_ids())
        work = sweep.Sweep(
            *(workshop.stores, workshop.tools, workshop.workspace.root, cancelled),
            where=condition,
            rule=rule,
            deep=deep,
            workers=workers,
        )
        failed = unchecked = 0
        with terminal.counting("verifying", len(media)) as counted:
            for result in work.run(media):
                if result is not None:
                    results.append(result)
                    failed += result.outcome == "failed"
                    unchecked += result.outcome == "unchecked"
                counted.advance(f"{failed} failed" + (f", {unchecked} not checked" if unchecked else ""))
    results.sort(key=lambda one: one.media_id)
    seconds = time.monotonic() - started
    if as_json:
        terminal.say_json({**_totals(results, seconds), "media": [_found(one) for one in results]})
    elif results:
        terminal.say(terminal.sweep_summary(results, len(media) - len(results), seconds, rule))
    else:
        terminal.say("No media to check.")
    return FAILED if failed else UNCHECKED if unchecked else 0


def _verify_url(url: str, rule: str | None, as_json: bool) -> int:
    """Download what is at a URL, and judge it as a folder of this machine."""
    if not url.lower().startswith(("http://", "https://")):
        terminal.complain("Only http and https URLs can be checked.")
        return UNCHECKED
    with (
        frame.told(UNCHECKED),
        frame.cancelling() as cancelled,
        tempfile.TemporaryDirectory(prefix="codex-assets-fetch-") as folder,
    ):
        way = resources.outward()
        # Whoever types a URL may reach what it leads to: private addresses are fine.
        playlist = frame.aside(
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
        terminal.complain(f"There is no playlist at {target}; give a folder with a master.m3u8, or a playlist.")
        return UNCHECKED
    with frame.told(UNCHECKED), frame.cancelling() as cancelled:
        judged = _judge(master, rule, cancelled)
    return _told_findings(judged, as_json)


def _judge(playlist: Path, rule: str | None, cancelled: threading.Event) -> list[verify.Finding]:
    with tempfile.TemporaryDirectory(prefix="codex-assets-verify-") as scratch:
        reach = Reach(reads=(playlist.parent.absolute(),), writes=(Path(scratch),))
        tools = Tools(tool_environment(resources.environment()), reach=reach, cancelled=cancelled)
        observer = Observer(tools, scratch=Path(scratch), workers=WORKERS)

        def look() -> tuple[verify.AnyObservation, ...]:
            if parse_master(playlist.read_text(encoding="utf-8", errors="replace")).streams:
                return observer.hls(playlist)
            return (observer.variant(playlist, output=playlist.parent.resolve().name),)

        seen = frame.aside(look)
    return [one for observed in seen for one in verify.judge(observed, only=None if rule is None else (rule,))]


def _told_findings(judged: list[verify.Finding], as_json: bool) -> int:
    if as_json:
        told = [
            {**_finding(one.rule, one.severity.value, one), "output": one.output} for one in judged if not one.passed
        ]
        terminal.say_json({"checks": len(judged), "findings": told})
    else:
        terminal.say(terminal.findings(judged))
    return FAILED if verify.failures(judged) else 0


@app.command()
def failing(
    rule: Annotated[str | None, typer.Argument(help="A rule; without one, all of them.", show_default=False)] = None,
    warnings: Annotated[bool, typer.Option("--warnings/--errors", help="With rules that only warn.")] = True,
    store: Store = None,
    as_json: AsJson = False,
) -> None:
    """Which media fail which rule, as it was found when each was last verified. Reads what was kept, checks nothing."""
    if rule is not None and rule not in verify.RULES:
        raise typer.BadParameter(f"There is no rule `{rule}`; docs/verification.md lists them.")
    with frame.told():
        found = [
            {"mediaId": record.media_id, "output": judged.output, **_finding(one.rule, one.severity, one)}
            | {"checkedAt": judged.checked_at}
            for record in sweep.kept(frame.settings(store).stores())
            for judged in record.outputs
            for one in judged.failed
            if rule in (None, one.rule) and (warnings or one.severity == "ERROR")
        ]
    if as_json:
        terminal.say_json(found)
    elif not found:
        terminal.say(f"No verified media fails {rule or 'any rule'}.")
    elif rule is None:
        terminal.say(terminal.rules_table((one["mediaId"], one["rule"], one["severity"]) for one in found))
    else:
        terminal.say(terminal.failing_table(found))


def _is_path(target: str) -> bool:
    return "/" in target or target in (".", "..") or target.endswith(".m3u8")


def _totals(results: list[sweep.Result], seconds: float) -> dict[str, Any]:
    outcomes = [one.outcome for one in results]
    return {
        "passed": outcomes.count("passed"),
        "failed": outcomes.count("failed"),
        "unchecked": outcomes.count("unchecked"),
        "checks": sum(one.checks for one in results),
        "seconds": round(seconds, 3),
    }


def _found(result: sweep.Result) -> dict[str, Any]:
    told: dict[str, Any] = {
        "mediaId": result.media_id,
        "mediaType": result.media.media_type if result.media is not None else None,
        "outcome": result.outcome,
        "problem": result.problem,
        "checks": result.checks,
        "findings": [
            {"output": output, **_finding(one.rule, one.severity, one)}
            for output, one in (*result.failed, *result.warned)
        ],
        "neverBuilt": list(result.unbuilt),
        "seconds": round(result.seconds, 3),
    }
    return {name: value for name, value in told.items() if value not in (None, [])}


def _finding(rule: str, severity: str, one: verify.Finding | CheckFact) -> dict[str, str]:
    told = {"rule": rule, "severity": severity, "message": one.message}
    told |= {"expected": one.expected, "found": one.found, "where": one.where}
    return {name: value for name, value in told.items() if value}


app.command(name="stale")(stale.stale)
app.command(name="rebuild")(rebuild.rebuild)


# --- doctor, demo -----------------------------------------------------------------------------------------------------


@app.command(name="doctor")
def doctor_(
    file: Annotated[
        Path | None, typer.Argument(help="With --gpu: a video to encode; by default one is made.", show_default=False)
    ] = None,
    gpu: Annotated[
        bool,
        typer.Option("--gpu", help="Prove the GPU instead, by encoding with it and without it; prints a report."),
    ] = False,
    tools: Annotated[bool, typer.Option("--tools", help="Only the tools: for building an image.")] = False,
    write: Annotated[
        bool, typer.Option("--write", help="Also write an object to each store, and delete it again.")
    ] = False,
    store: Store = None,
    as_json: AsJson = False,
) -> None:
    """Look at what this machine needs for the work, and say how to get what is missing.

    With --gpu: a report in Markdown, to paste into an issue. Exit code 1 when anything was not proven.
    """
    if gpu:
        raise typer.Exit(proof.gpu(file, as_json))
    if file is not None:
        raise typer.BadParameter("A file is of use with --gpu alone.")
    environ = resources.environment() if store is None else resources.local_environment(store)
    checks = list(doctor.examine(environ, tools_only=tools, write=write))
    wrong = doctor.problems(checks)
    if as_json:
        terminal.say_json(
            [
                {"group": one.group, "name": one.name, "status": one.status.value, "found": one.found}
                | ({"advice": one.advice} if one.advice else {})
                for one in checks
            ]
        )
    else:
        terminal.say(terminal.doctor_table(checks))
        terminal.say()
        terminal.say(
            f"{terminal.plural(len(wrong), 'problem')} to put right." if wrong else "Everything needed is here."
        )
    if wrong:
        raise typer.Exit(FAILED)


@app.command()
def demo(
    store: Annotated[
        Path | None,
        typer.Option("--store", help="Folder of the store; else STORAGE_DIR, else .local/storage.", show_default=False),
    ] = None,
    samples: Annotated[
        Path | None,
        typer.Option("--samples", help="Folder of the samples; else the checkout's `fixtures`.", show_default=False),
    ] = None,
) -> None:
    """Both samples through the worker as RunPod would run it, on this machine, with a webhook that is verified."""
    # Here, not above: the worker's handler is of no use to any other command.
    from codex_assets import demo as demonstration

    with frame.told():
        try:
            fine = demonstration.run(resources.local_environment(store), samples)
        except KeyboardInterrupt:
            raise JobCancelled from None
    if not fine:
        terminal.complain("The demonstration is not as the contract says; its problems are listed above.")
        raise typer.Exit(FAILED)


# --- Commands of a subject of their own -------------------------------------------------------------------------------

app.command(name="cleanup-originals")(cleanup.cleanup_originals)
app.command(name="import")(import_.import_)
app.command(name="stats")(stats.statistics)
app.add_typer(endpoint.app, name="endpoint")


if __name__ == "__main__":
    app()
