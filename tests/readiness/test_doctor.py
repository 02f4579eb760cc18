"""What a machine lacks is found, told, and told how to get: on this machine, and on poorer ones made from it."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import small_film
import stand_in_tools
from typer.testing import CliRunner

from codex_assets.build.encoders import EncoderMode
from codex_assets.cli.app import app
from codex_assets.config import settings
from codex_assets.readiness import doctor, ffmpeg_releases, gpu_trials, store_checks, tool_checks
from codex_assets.readiness.checks import Check, Health, problems
from codex_assets.system import sandbox
from codex_assets.system.tools import Tools, tool_environment

pytestmark = pytest.mark.ffmpeg


@pytest.fixture
def healthy(tmp_path: Path) -> dict[str, str]:
    """The environment of a local run on this machine."""
    return {
        "PATH": settings.environment()["PATH"],
        "STORAGE_DIR": str(tmp_path / "store"),
        "TMPDIR": str(tmp_path),
    }


def checks(environ: Mapping[str, str], *, tools_only: bool = False) -> dict[str, Check]:
    return {f"{check.group} {check.name}": check for check in doctor.examine(environ, tools_only=tools_only)}


def test_this_machine_can_do_the_work(healthy: dict[str, str]) -> None:
    checked = checks(healthy)
    assert problems(checked.values()) == []
    assert checked["tools ffmpeg"].result[0].isdigit()
    assert checked["trial encode libx264"].status is Health.OK
    assert {"filters zscale", "filters tonemap", "filters bwdif", "filters loudnorm", "filters ebur128"} <= set(checked)
    assert "dagster" in checked["python versions"].result
    assert [name for name in checked if name.startswith("stores")] == [
        "stores archive",
        "stores media",
        "stores assets",
    ]


def test_nvenc_is_judged_by_an_encode(healthy: dict[str, str]) -> None:
    """Listed is not usable. Where it does not work the reason is told, and it is a problem only for who insists."""
    check = checks(healthy)["trial encode h264_nvenc"]
    if check.status is Health.OK:
        assert "trial encode" in check.result
        return
    assert check.status is Health.NOTE
    assert "x264 is used" in check.result
    insisting = checks({**healthy, "VIDEO_ENCODER": "nvenc"})["trial encode h264_nvenc"]
    assert insisting.status is Health.PROBLEM
    assert "set `auto`" in insisting.advice
    requiring = checks({**healthy, "REQUIRE_NVENC": "1"})["trial encode h264_nvenc"]
    assert requiring.status is Health.PROBLEM
    assert "REQUIRE_NVENC" in requiring.advice


@pytest.mark.parametrize(
    ("drivers", "part"),
    [
        (["470.256.02"], "470.256.02 is too old"),
        (["525.147.05"], "525.147.05 is too old"),
        (["530.30.02"], "530.30.02 is too old"),
        (["535.54.03", "525.147.05"], "525.147.05 is too old"),
        (["530.41.03"], None),
        (["535.54.03"], None),
        (["550.127.08", "550.127.08"], None),
        (["580.65.06"], None),
        (["[N/A]"], None),
    ],
)
def test_a_driver_that_is_too_old_is_named(
    drivers: list[str], part: str | None, healthy: dict[str, str], tmp_path: Path
) -> None:
    folder = stand_in_tools.nvidia_smi(tmp_path / "driver", *drivers)
    with_driver = {**healthy, "PATH": f"{folder}:{healthy['PATH']}"}
    tools = Tools(tool_environment(with_driver))
    check = {check.name: check for check in tool_checks.check_driver(tools)}["NVIDIA driver"]
    required = tool_checks.check_nvenc(tools, EncoderMode.AUTO, required=True)
    if part is None:
        assert (check.status, check.result) == (Health.OK, drivers[0])
        assert "too old" not in required.result
        return
    assert check.status is Health.NOTE
    assert part in check.result
    assert "530.41.03 or newer" in check.result
    if required.status is Health.PROBLEM:
        assert part in required.result, "a worker that insists on NVENC says so before it ends"


@pytest.mark.parametrize(
    ("printed", "code"),
    [
        ("Failed to initialize NVML: Driver/library version mismatch\nNVML library version: 550.54", 18),
        ("NVIDIA-SMI has failed because it couldn't communicate with the NVIDIA driver. Make sure ...", 9),
        ("No devices were found", 6),
    ],
)
def test_a_driver_in_trouble_is_told_in_its_words(
    printed: str, code: int, healthy: dict[str, str], tmp_path: Path
) -> None:
    program = tmp_path / "nvidia-smi"
    program.write_text(f"#!/bin/sh\ncat <<'END'\n{printed}\nEND\nexit {code}\n", encoding="utf-8")
    program.chmod(0o755)
    tools = Tools(tool_environment(healthy), nvidia_smi=str(program))
    (check,) = tool_checks.check_driver(tools)
    assert check.status is Health.NOTE
    assert check.result.startswith(f"nvidia-smi fails: {printed.splitlines()[0]}")
    assert tools.gpu() is None
    assert gpu_trials.list_gpus(tools) == check.result


def test_a_machine_without_tools(healthy: dict[str, str], tmp_path: Path) -> None:
    checked = checks({**healthy, "PATH": str(tmp_path)}, tools_only=True)
    assert {check.name for check in problems(checked.values())} == {"ffmpeg", "ffprobe", "audiowaveform"}
    assert "apt-get install ffmpeg" in checked["tools ffmpeg"].advice
    assert "make setup" in checked["tools audiowaveform"].advice


def linked(folder: Path, healthy: dict[str, str], *tools: str) -> Path:
    """A folder that has these tools of a healthy machine."""
    folder.mkdir()
    for tool in tools:
        real = shutil.which(tool, path=healthy["PATH"])
        assert real is not None
        (folder / tool).symlink_to(real)
    return folder


def test_a_tool_that_does_not_start(healthy: dict[str, str], tmp_path: Path) -> None:
    folder = linked(tmp_path / "bin", healthy, "ffmpeg", "ffprobe")
    broken = folder / "audiowaveform"
    broken.write_text("#!/nowhere/interpreter\n")
    broken.chmod(0o755)
    (problem,) = problems(checks({**healthy, "PATH": str(folder)}, tools_only=True).values())
    assert problem.name == "audiowaveform"
    assert "does not start" in problem.result


@pytest.mark.parametrize(
    ("extras", "status", "part"),
    [
        ("", Health.NOTE, "thumbnails (EXTRA_OUTPUTS) cannot be built"),
        ("storyboard,blurhash", Health.NOTE, "cannot be built"),
        ("storyboard,thumbnails", Health.PROBLEM, "EXTRA_OUTPUTS names thumbnails"),
    ],
)
def test_an_ffmpeg_without_webp_is_told_to_who_needs_it(
    extras: str, status: Health, part: str, healthy: dict[str, str], tmp_path: Path
) -> None:
    """The ffmpeg that is here, but for one encoder in its list."""
    folder = linked(tmp_path / "bin", healthy, "ffprobe", "audiowaveform")
    without = folder / "ffmpeg"
    ffmpeg = shutil.which("ffmpeg", path=healthy["PATH"])
    without.write_text(
        f'#!/bin/sh\ncase "$*" in *-encoders*) {ffmpeg} "$@" | grep -v libwebp;; *) exec {ffmpeg} "$@";; esac\n',
        encoding="utf-8",
    )
    without.chmod(0o755)
    environ = {**healthy, "PATH": f"{folder}:{healthy['PATH']}"} | ({"EXTRA_OUTPUTS": extras} if extras else {})
    check = checks(environ)["encoders libwebp"]
    assert (check.status, part in check.result) == (status, True), check
    assert checks({**environ, "PATH": healthy["PATH"]})["encoders libwebp"].status is Health.OK


@pytest.mark.parametrize(
    ("version", "old"),
    [("5.1.9-0+deb12u1", False), ("7.1", False), ("4.4.2", True), ("5.0.1", True), ("N-1-g2", False)],
)
def test_versions_are_compared(version: str, old: bool) -> None:
    assert tool_checks._is_old(version, tool_checks.OLDEST["ffmpeg"]) is old


@pytest.mark.parametrize(
    ("version", "status", "part"),
    [
        ("5.1.9-0+deb12u1", Health.OK, "5.1.9"),
        ("7.1.5-0+deb13u1", Health.OK, "7.1.5"),
        ("7:7.1.5-0+deb13u1", Health.OK, "7.1.5"),
        ("n7.1.5", Health.OK, "7.1.5"),
        ("7.1.10", Health.OK, "7.1.5"),
        ("8.0.3-full_build-www.gyan.dev", Health.OK, "8.0.3"),
        ("8.2", Health.OK, "newer than all"),
        ("10.0.1-1ubuntu1", Health.OK, "newer than all"),
        ("5.1.8-0+deb12u1", Health.NOTE, "older than 5.1.9"),
        ("7.1.4-static", Health.NOTE, "older than 7.1.5 (2026-06), which mends CVE-2026-8461"),
        ("n7.1.4-12-gabcdef0", Health.NOTE, "older than 7.1.5"),
        ("7.1", Health.NOTE, "older than 7.1.5"),
        ("8.1.1", Health.NOTE, "older than 8.1.2"),
        ("6.1.1-3ubuntu5", Health.NOTE, "is not known"),
        ("7.0.2-static", Health.NOTE, "is not known"),
        ("ffmpeg version N-12345-gabcdef0 Copyright (c) 2000-2026 the FFmpeg developers", Health.NOTE, "is not known"),
        ("N-12345-gabcdef0", Health.NOTE, "is not known"),
        ("2026-06-18-git-891ed24f77-essentials_build", Health.NOTE, "is not known"),
        ("git-2026-06-18-891ed24", Health.NOTE, "is not known"),
        ("n8.2-dev-100-gabcdef0", Health.NOTE, "is not known"),
        ("unknown version", Health.NOTE, "is not known"),
    ],
)
def test_an_ffmpeg_with_known_faults_is_told(version: str, status: Health, part: str) -> None:
    check = ffmpeg_releases.judge_ffmpeg(version)
    assert check.status is status
    assert part in check.result
    assert bool(check.advice) is (status is Health.NOTE)


@pytest.mark.parametrize(
    ("version", "status"), [("7.1.4-0+deb13u1", Health.NOTE), ("N-12345-gabc", Health.NOTE), ("n7.1.5", Health.OK)]
)
def test_the_build_that_is_there_is_judged(
    healthy: dict[str, str], tmp_path: Path, version: str, status: Health
) -> None:
    """A warning, never a problem: the machine can do the work."""
    folder = tmp_path / "bin"
    folder.mkdir()
    real = shutil.which("ffmpeg", path=healthy["PATH"])
    version_line = f"echo 'ffmpeg version {version} Copyright (c) 2000-2026 the FFmpeg developers'"
    (folder / "ffmpeg").write_text(f'#!/bin/sh\n[ "$*" = -version ] && {version_line} && exit\nexec {real} "$@"\n')
    (folder / "ffmpeg").chmod(0o755)
    checked = checks({**healthy, "PATH": f"{folder}:{healthy['PATH']}"}, tools_only=True)
    assert checked["security ffmpeg"].status is status
    assert version.removeprefix("n") in checked["security ffmpeg"].result
    assert problems(checked.values()) == []


def test_without_a_cloud_the_local_store_is_used(
    healthy: dict[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As after the demonstration: whoever has no account yet has nothing to put right."""
    monkeypatch.chdir(tmp_path)
    del healthy["STORAGE_DIR"]
    before = checks(healthy)
    assert problems(before.values()) == []
    assert "no local store yet" in before["environment settings"].result
    assert not (tmp_path / ".local").exists()

    (tmp_path / settings.LOCAL_STORE).mkdir(parents=True)
    after = checks(healthy)
    assert problems(after.values()) == []
    assert after["environment settings"].result == "no cloud configured: the local store is used (.local/storage)"
    assert after["stores archive"].status is Health.OK
    # A worker has no local store.
    assert [problem.name for problem in problems(checks({**healthy, "RUNPOD_POD_ID": "p"}).values())] == ["settings"]


def test_missing_variables_are_named(healthy: dict[str, str]) -> None:
    """Of a cloud that is configured by half."""
    del healthy["STORAGE_DIR"]
    healthy["B2_REGION"] = "us-west-004"
    checked = checks(healthy)
    (problem,) = problems(checked.values())
    assert problem.group == "environment"
    for name in set(settings.REQUIRED) - {"B2_REGION"}:
        assert name in problem.result
    assert not [name for name in checked if name.startswith("stores")]


def test_a_store_that_cannot_be_written(healthy: dict[str, str], tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    checked = checks({**healthy, "STORAGE_DIR": str(tmp_path / "file")})
    assert {check.group for check in problems(checked.values())} == {"stores"}


def test_rights_are_tried_by_writing(healthy: dict[str, str], tmp_path: Path) -> None:
    checked = {f"{check.group} {check.name}": check for check in doctor.examine(healthy, write=True)}
    rights = {name: check for name, check in checked.items() if check.group == "rights"}
    assert set(rights) == {"rights archive", "rights media", "rights assets"}
    assert {check.status for check in rights.values()} == {Health.OK}
    assert not list((tmp_path / "store").rglob("trial-*")), "what was written is deleted again"


def test_scratch_space_that_cannot_be_written(healthy: dict[str, str], tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    (problem,) = problems(checks({**healthy, "TMPDIR": str(tmp_path / "file")}).values())
    assert problem.name == "scratch space"


def test_no_secret_is_shown(healthy: dict[str, str]) -> None:
    checked = checks({**healthy, "WEBHOOK_SECRET": "do-not-print-this-one"})
    assert not [check for check in checked.values() if "do-not-print" in f"{check.result}{check.advice}"]


def test_the_command_and_its_exit_code(healthy: dict[str, str]) -> None:
    unset: dict[str, str | None] = dict.fromkeys(name for name in os.environ if name.startswith(("R2_", "B2_")))
    fine = CliRunner().invoke(app, ["doctor", "--tools"], env={**unset, **healthy})
    assert fine.exit_code == 0, fine.output
    assert "Everything needed is here." in fine.stdout
    assert "stores" not in fine.stdout
    listed = CliRunner().invoke(app, ["doctor", "--json"], env={**unset, **healthy})
    assert {check["status"] for check in json.loads(listed.stdout)} <= {"ok", "note"}
    poor = CliRunner().invoke(app, ["doctor"], env={**unset, **healthy, "STORAGE_DIR": "", "B2_REGION": "us-west-004"})
    assert poor.exit_code == 1
    assert "1 problem to put right." in poor.stdout


def test_the_walls_around_the_tools_are_told(healthy: dict[str, str]) -> None:
    checked = checks(healthy, tools_only=True)
    for wall in sandbox.protections():
        check = checked[f"sandbox {wall.name}"]
        assert check.status is (Health.OK if wall.active else Health.NOTE)
        assert (check.advice == "") is wall.active


def test_a_mezzanine_that_no_record_names_is_told(healthy: dict[str, str], tmp_path: Path) -> None:
    loaded = settings.load(healthy)
    stores = loaded.stores()
    small_film.Job(tmp_path, stores, "one").switch()
    in_order = checks(healthy)["archive mezzanines"]
    assert (in_order.status, in_order.result) == (
        Health.OK,
        "every current one is on record (1 of 1 media looked at)",
    )
    newer = tmp_path / "newer"
    newer.write_bytes(b"of a job that was killed before it published")
    stores.archive.upload(newer, small_film.MEZZANINE, content_type="video/mp4")
    # A job may still be about to put it on record.
    assert store_checks.check_mezzanines(loaded).status is Health.OK
    late = store_checks.check_mezzanines(loaded, datetime.now(UTC) + timedelta(days=1, minutes=1))
    assert late.status is Health.NOTE
    assert late.result.startswith("1 current one is on no record")
    assert "reconcile --fix" in late.advice
