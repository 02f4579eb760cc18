"""docs/RunpodSetup.md, followed: every command in one shell, in order, and what it prints compared with what is shown.

The services are stand-ins on loopback: RunPod's REST API and its job API with the SDK's real worker, S3 for B2 and R2,
and the example receiver in Node. What the reader types into the settings file is filled in here, all of it.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import jobs
import pytest
import runpod_api
import runpod_rest
import s3_server
import typer.main
from test_webhook_example import EXAMPLE, NODE

from codex_assets.cli.app import app
from codex_assets.readiness import endpoint_file

ROOT = Path(__file__).parents[2]
GUIDE = ROOT / "docs" / "RunpodSetup.md"
COPIED = ("deploy", "docs/examples", "fixtures")
NOT_RUN = {"make setup && make demo", 'make image IMAGE="$IMAGE"', "npx wrangler deploy"}
"""How the blocks begin that nobody can run here, and no others."""
DONE, FAILED = "__the_block_is_done__", "__this_failed__"
BLOCK_S = 400.0
"""Long enough for a loaded machine: nothing waits for it but a failure."""


@dataclass
class Block:
    """Commands, or what they print. `line` is where it stands."""

    kind: str
    text: str
    line: int
    note: str = ""
    """The comment right above it."""
    shown: list[str] = field(default_factory=list)
    exit_code: int = 0


def blocks() -> list[Block]:
    """Of the guide, in order; what is shown under commands is part of them."""
    text = GUIDE.read_text(encoding="utf-8")
    blocks: list[Block] = []
    pattern = re.compile(r"(?:^<!-- ([^\n]*) -->\n)?^```(\w+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
    for match in pattern.finditer(text):
        block = Block(match[2], match[3], text[: match.start()].count("\n") + 1, match[1] or "")
        if block.kind == "text" and not block.note:
            assert blocks, block
            assert blocks[-1].kind == "sh", f"line {block.line}: nothing printed this"
            blocks[-1].shown = [line.strip() for line in block.text.splitlines()]
            if code := re.fullmatch(r"\(exit code (\d+)\)", blocks[-1].shown[-1]):
                blocks[-1].exit_code = int(code[1])
                blocks[-1].shown.pop()
        else:
            blocks.append(block)
    return blocks


class Shell:
    """One bash for the whole page, as the reader has it."""

    def __init__(self, folder: Path, environment: dict[str, str]) -> None:
        self._process = subprocess.Popen(
            ["bash", "--noprofile", "--norc"],
            cwd=folder,
            env=environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        # A command in the middle of a block that fails is as bad as the last.
        self.run(f'trap \'printf "%s %s\\n" {FAILED} "$BASH_COMMAND"\' ERR')

    def run(self, commands: str) -> tuple[int, str]:
        """Exit code of the last command, and what was printed."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        watch = threading.Timer(BLOCK_S, self._process.kill)
        watch.start()
        try:
            self._process.stdin.write(f"{commands}\nprintf '\\n%s %s\\n' {DONE} $?\n")
            self._process.stdin.flush()
            printed: list[str] = []
            for line in self._process.stdout:
                if line.startswith(DONE):
                    return int(line.split()[1]), "".join(printed)
                printed.append(line)
        finally:
            watch.cancel()
        raise AssertionError(f"the shell ended:\n{''.join(printed)}")

    def close(self) -> None:
        self._process.kill()
        self._process.communicate()


def unseen(shown: list[str], printed: str) -> list[str]:
    """Lines that are shown and were not printed, in this order; `...` stands for anything."""
    left = [" ".join(line.split()) for line in printed.splitlines()]
    for line in shown:
        wanted = ".*".join(re.escape(part) for part in " ".join(line.split()).split("..."))
        where = next((index for index, line in enumerate(left) if re.fullmatch(f".*{wanted}.*", line)), None)
        if where is None:
            return [line]
        left = left[where + 1 :]
    return []


def filled_in(path: Path, values: dict[str, str]) -> None:
    """The settings file as the reader leaves it: each blank, and each stand-in's address."""
    text = path.read_text(encoding="utf-8")
    blanks = set(re.findall(r"^(\w+)=$", text, re.MULTILINE))
    assert blanks <= set(values), f"nobody fills in {blanks - set(values)}"
    for name, value in values.items():
        text, count = re.subn(rf"^{name}=.*$", f"{name}={value}", text, flags=re.MULTILINE)
        assert count == 1, f"{name} is not in {path.name}"
    path.write_text(text, encoding="utf-8")


@contextmanager
def receiver(folder: Path, secret: str) -> Iterator[str]:
    """docs/examples/webhook.ts at work; what it logs goes to `receiver.log`."""
    with (folder / "receiver.log").open("wb") as log:
        process = subprocess.Popen(
            [
                *(str(NODE), str(ROOT / "tests" / "servers" / "worker_host.mjs"), str(EXAMPLE)),
                json.dumps({"WEBHOOK_SECRET": secret}),
            ],
            stdin=subprocess.PIPE,
            stdout=log,
            stderr=subprocess.PIPE,
            text=True,
        )
        assert process.stderr is not None
        try:
            yield f"http://127.0.0.1:{process.stderr.readline().strip()}/webhook"
        finally:
            process.communicate(timeout=120)


@pytest.mark.slow
@pytest.mark.ffmpeg
@pytest.mark.timeout(900)
def test_the_guide_leads_to_a_working_endpoint(tmp_path: Path) -> None:
    checkout = tmp_path / "checkout"
    for name in COPIED:
        shutil.copytree(ROOT / name, checkout / name)
    # A second of film: the page is on trial, not the encoder.
    (checkout / "fixtures" / "sample-video.mp4").write_bytes(jobs.original("video"))
    (checkout / ".local").mkdir()
    (checkout / ".venv").symlink_to(sys.prefix)
    settings = checkout / ".local" / "staging.env"
    with ExitStack() as stack:
        store = stack.enter_context(s3_server.s3_server())
        rest = stack.enter_context(runpod_rest.serving())
        api = stack.enter_context(runpod_api.serving())
        shell = Shell(
            checkout,
            {
                # Without the environment's own programs: the page says how to get at them.
                "PATH": os.pathsep.join(
                    part for part in os.environ["PATH"].split(os.pathsep) if not part.startswith(sys.prefix)
                ),
                "HOME": str(tmp_path),
                "LANG": "C.UTF-8",
                "TMPDIR": str(tmp_path),
                "RUNPOD_REST_BASE": rest.base,
            },
        )
        stack.callback(shell.close)
        values = {
            "APP_ORIGIN": "https://staging.acme.test",
            "IMAGE": "ghcr.io/acme/codex-assets:0.1.0",
            "R2_ACCOUNT_ID": "0a1b2c3d",
            "R2_ENDPOINT": store,
            "B2_ENDPOINT": store,
            "RUNPOD_API_KEY": runpod_rest.KEY,
            "RUNPOD_JOBS_KEY": runpod_api.KEY,
            **dict.fromkeys(
                ("R2_ADMIN_KEY_ID", "R2_ADMIN_SECRET", "B2_ADMIN_KEY_ID", "B2_ADMIN_KEY"), "admin-of-tests"
            ),
            **{
                name: f"{name.lower()}-of-the-tests"
                for name in ("R2_ACCESS_KEY_ID", "R2_SECRET_ACCESS_KEY", "B2_KEY_ID", "B2_APPLICATION_KEY")
            },
        }
        secrets = [text for name, text in values.items() if name.endswith(("KEY", "SECRET"))]
        fleet: runpod_api.Fleet | None = None
        for block in blocks():
            where = f"{GUIDE.name}:{block.line}"
            if block.note.startswith("not run"):
                continue
            if block.kind == "text":
                assert block.note == "in the receiver's log", where
                assert unseen([block.text.strip()], (tmp_path / "receiver.log").read_text(encoding="utf-8")) == [], (
                    where
                )
                continue
            assert block.kind == "sh", where
            commands = block.text.replace("https://api.runpod.ai", api.base)
            code, printed = shell.run(commands)
            assert code == block.exit_code, f"{where} ended with {code}:\n{printed}"
            assert block.exit_code or FAILED not in printed, f"{where} printed:\n{printed}"
            assert unseen(block.shown, printed) == [], f"{where} printed:\n{printed}"
            assert not [text for text in secrets if text in printed], f"{where} shows a secret"
            if "install -m 600" in commands:
                assert settings.stat().st_mode & 0o777 == 0o600
                filled_in(settings, {**values, "WEBHOOK_URL": "https://later.test"})
            if "WEBHOOK_SECRET=" in commands:
                (secret,) = re.findall(r"^WEBHOOK_SECRET=(.*)$", settings.read_text(encoding="utf-8"), re.MULTILINE)
                secrets.append(secret)
                filled_in(settings, {**values, "WEBHOOK_URL": stack.enter_context(receiver(tmp_path, secret))})
            if fleet is None and rest.endpoints:
                # RunPod starts workers from the endpoint's own settings; what makes stand-ins reachable is added.
                worker = {
                    **rest.boot("codex-assets-staging"),
                    "R2_ENDPOINT": store,
                    "WEBHOOK_ALLOW_PRIVATE": "1",
                    "VIDEO_ENCODER": "x264",
                }
                fleet = runpod_api.Fleet(api, worker)
                stack.callback(fleet.close)
                fleet.start("pod-1", tmp_path / "pod-1")
        (job,) = api.jobs.values()
        assert job.status == "COMPLETED"
        assert job.output["output"]["readyVariants"]
        assert [endpoint["name"] for endpoint in rest.endpoints.values()] == ["codex-assets-staging"]
        assert rest.named("codex-assets-staging")["image"] == "ghcr.io/acme/codex-assets:0.2.0"
        log = (tmp_path / "pod-1" / "worker.log").read_text(encoding="utf-8")
        assert not [text for text in secrets if text in log]


def test_what_is_not_run_is_known() -> None:
    """Each block that is left out says why, and is one of these; what it names is there."""
    left_out = [block for block in blocks() if block.note.startswith("not run")]
    assert len(left_out) == len(NOT_RUN)
    assert all(re.match(r"not run: \w.{20,}", block.note) for block in left_out)
    assert not [block.text for block in left_out if not any(block.text.startswith(start) for start in NOT_RUN)]
    targets = re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE)
    named = {target for block in left_out for target in re.findall(r"\bmake ([a-z-]+)", block.text)}
    assert named
    assert named <= set(targets)


def test_every_command_that_is_named_in_passing_is_one() -> None:
    group: Any = typer.main.get_command(app)
    for line in re.findall(r"`codex-assets ([a-z -]+?)`", GUIDE.read_text(encoding="utf-8")):
        command, words = group, line.split()
        while words and hasattr(command, "commands"):
            command = command.commands[words.pop(0)]
        options = {option for parameter in command.params for option in parameter.opts}
        assert set(words) <= options, line


def test_links_lead_somewhere() -> None:
    for link in re.findall(r"\]\(([^)#][^)]*)\)", GUIDE.read_text(encoding="utf-8")):
        path, _, anchor = link.partition("#")
        target = (GUIDE.parent / path).resolve()
        assert target.exists(), link
        if anchor:
            headings = re.findall(r"^#+ (.*)$", target.read_text(encoding="utf-8"), re.MULTILINE)
            assert anchor in {re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-") for heading in headings}, link


def test_what_the_guide_recommends_is_what_the_files_say() -> None:
    text = GUIDE.read_text(encoding="utf-8")
    for pool in endpoint_file.NO_NVENC_POOLS:
        assert f"`{pool}`" in text
    for path in sorted((ROOT / "deploy").glob("endpoint-*.toml")):
        said = path.read_text(encoding="utf-8")
        for line in ('pools = ["AMPERE_16", "AMPERE_24", "ADA_24"]', "idle_timeout_s = 5", "queue_delay_s = 4"):
            assert line in said, path.name
    assert "at most 2 | at most 5" in text


def test_a_failure_is_seen_wherever_it_is(tmp_path: Path) -> None:
    shell = Shell(tmp_path, {"PATH": os.environ["PATH"]})
    try:
        assert shell.run("echo fine") == (0, "fine\n\n")
        assert FAILED in shell.run("cat nothing\necho on")[1]
        assert shell.run("x=1\n[[ $x == 2 ]]")[0] == 1
    finally:
        shell.close()


def test_the_comparison_can_fail() -> None:
    assert unseen(["a ... c"], "x\na  b c\n") == []
    assert unseen(["a c"], "a b c\n") == ["a c"]
    assert unseen(["b", "a"], "a\nb\n") == ["a"]
