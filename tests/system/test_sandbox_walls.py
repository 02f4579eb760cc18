"""A program in ffmpeg's place tries to get away with everything: as root and as somebody else, on several kernels."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest
import sandbox_attempts
from sandbox_attempts import CONTROLS, KINDS, LEFT_BEHIND, ROOT, SOMEBODY, tried
from sandbox_attempts import USERS as USERS_OF_THE_TABLE

from codex_assets.system import landlock, sandbox, syscall_filter
from codex_assets.system.sandbox import Reach

FILES = {
    "reads another run's files",
    "writes another run's files",
    "reads ~/.aws/credentials",
    "plants a .pth in ~/.local",
    "plants a module in the working directory",
    "writes in the temporary directory",
    "writes in /dev/shm",
    "runs a program that it wrote",
}
"""What the file system allows, and only Landlock closes. The image has neither keys nor a place to plant in."""
ROOTS = {"lists the files that the parent has open"}
USERS = [os.getuid()] if os.getuid() else [SOMEBODY, 0]

needs_landlock = pytest.mark.skipif(
    landlock.version() < landlock.SCOPES_SINCE, reason="this kernel has no Landlock that knows of signals"
)
needs_python = pytest.mark.skipif(sandbox_attempts.python() is None, reason="there is no Python that anybody may run")


def walls() -> dict[str, bool]:
    return {wall.name: wall.active for wall in sandbox.protections()}


needs_filter = pytest.mark.skipif(not walls()[sandbox.NO_NETWORK], reason="this kernel or container allows no filter")


@needs_python
@needs_filter
@pytest.mark.parametrize("user", USERS)
@pytest.mark.parametrize(
    ("kind", "still"),
    [
        pytest.param("full", set(), marks=needs_landlock),
        pytest.param("no-flags", set(), marks=needs_landlock),
        ("no-landlock", FILES),
    ],
    ids=["full", "no-flags", "no-landlock"],
)
def test_a_tool_gets_away_with_nothing(kind: str, still: set[str], user: int) -> None:
    outcome = tried(kind, user)
    done = {name for name, came in outcome.items() if came == "done"}
    if sandbox.gpu_devices():
        done.discard("connects to a Unix socket that has a path")
    assert done >= set(CONTROLS), outcome
    assert done - set(CONTROLS) - (ROOTS if still and user == 0 else set()) == still, outcome
    if user in USERS_OF_THE_TABLE and not sandbox.gpu_devices():
        assert done == documented(f"{KINDS[kind]}, {USERS_OF_THE_TABLE[user]}")


def documented(column: str) -> set[str]:
    """What a tool gets away with as docs/decisions/sandbox.md has it."""
    page = (ROOT / "docs" / "decisions" / "sandbox.md").read_text(encoding="utf-8")
    head, _, *rows = [
        [cell.strip() for cell in line.strip("|").split("|")] for line in page.splitlines() if line.startswith("|")
    ]
    return {row[0] for row in rows if row[head.index(column)] == "**yes**"}


@needs_python
@needs_landlock
@pytest.mark.skipif(os.getuid() != 0, reason="only root can take the filter away and nothing else")
def test_without_a_filter_the_other_walls_stand() -> None:
    outcome = tried("no-filter", 0)
    done = {name for name, came in outcome.items() if came == "done"}
    assert done >= set(CONTROLS), outcome
    assert not done & {*FILES, *ROOTS}, outcome
    assert not {name for name in done if "PARENT" in name or "the keys" in name}, outcome
    assert not {name for name in done if name.startswith(LEFT_BEHIND)}, outcome


@pytest.mark.parametrize(
    ("kind", "missing", "why"),
    [
        ("no-filter", {sandbox.NO_NETWORK}, "Invalid argument"),
        ("no-landlock", {sandbox.OWN_FILES}, "no Landlock"),
    ],
)
def test_a_worker_says_at_its_start_and_in_doctor_what_does_not_stand(
    kind: str, missing: set[str], why: str, tmp_path: Path
) -> None:
    script = (
        f"import sys, logging; sys.path.insert(0, {str(ROOT / 'tests/support')!r}); import sandbox_attempts\n"
        f"sandbox_attempts.refuse({kind!r}); logging.basicConfig()\n"
        "from codex_assets.readiness import fitness, tool_checks\n"
        "fitness.tools()\n"
        "import json; print(json.dumps([[c.name, c.status, c.result] for c in tool_checks.check_walls()]))\n"
    )
    environment = {**os.environ, "STORAGE_DIR": str(tmp_path), "TMPDIR": str(tmp_path)}
    ran = subprocess.run([sys.executable, "-c", script], env=environment, capture_output=True, text=True)
    assert ran.returncode == 0, ran.stderr
    for name in missing:
        assert f"not in force for the tools of this worker: {name} (" in ran.stderr
        assert why in ran.stderr
    checks = {name: (status, result) for name, status, result in json.loads(ran.stdout.splitlines()[-1])}
    assert {name for name, (status, _) in checks.items() if status != "ok"} >= missing
    assert sandbox.LIMITS in checks
    assert sandbox.KEYS in checks


def test_the_filter_without_its_flag_is_said_to_be_slower() -> None:
    script = (
        f"import sys; sys.path.insert(0, {str(ROOT / 'tests/support')!r}); import sandbox_attempts\n"
        "sandbox_attempts.refuse('no-flags')\n"
        "from codex_assets.system import sandbox\n"
        "print(next(wall for wall in sandbox.protections() if wall.name == sandbox.NO_NETWORK))\n"
    )
    ran = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert "active=True" in ran.stdout
    assert "without the flag" in ran.stdout


def test_a_driver_finds_its_devices_and_no_disks(tmp_path: Path) -> None:
    for name in ("nvidia0", "nvidiactl", "nvidia-uvm", "nvme0n1", "null", "dxg"):
        (tmp_path / name).touch()
    (tmp_path / "nvidia-caps").mkdir()
    devices = {path.name for path in sandbox.gpu_devices(tmp_path)}
    assert devices == {"nvidia0", "nvidiactl", "nvidia-uvm", "nvidia-caps", "dxg"}


@needs_filter
@needs_landlock
@pytest.mark.parametrize("devices", [(), ("nvidia0",)], ids=["no-gpu", "gpu"])
def test_a_driver_may_open_its_devices_its_process_and_its_daemons_socket(
    devices: tuple[str, ...], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A folder stands for /dev; the rest is real. Others' memory stays closed."""
    look = sandbox.gpu_devices
    monkeypatch.setattr(sandbox, "gpu_devices", lambda: look(tmp_path))
    for name in devices:
        (tmp_path / name).write_text("device")
    program = (
        "import os, socket, sys\n"
        "def tried(act):\n"
        "    try: act()\n"
        "    except OSError: return 'no'\n"
        "    return 'yes'\n"
        "print(tried(lambda: open(sys.argv[1], 'r+')), tried(lambda: open('/proc/self/maps')),\n"
        "      tried(lambda: socket.socket(socket.AF_UNIX).connect(sys.argv[2])),\n"
        "      tried(lambda: open(f'/proc/{os.getppid()}/environ')))\n"
    )
    with socket.socket(socket.AF_UNIX) as daemon:
        daemon.bind(str(tmp_path / "socket"))
        daemon.listen()
        command = [sys.executable, "-S", "-c", program, str(tmp_path / "nvidia0"), str(tmp_path / "socket")]
        ran = sandbox.confined(lambda: subprocess.run(command, capture_output=True, text=True), reach=Reach())
    assert ran.stdout.split() == (["yes", "yes", "yes", "no"] if devices else ["no", "no", "no", "no"]), ran.stderr


def test_a_run_that_only_reads_writes_nothing(tmp_path: Path) -> None:
    rights = Reach(reads=(tmp_path,)).rights()
    assert rights[tmp_path] == landlock.READ
    writable = {path for path, allowed in rights.items() if allowed & landlock.WRITE_FILE}
    assert writable <= {Path("/dev/null"), Path("/dev/zero"), Path("/dev/full"), *sandbox.gpu_devices()}


def test_folders_of_programs_are_no_whole_file_system(tmp_path: Path) -> None:
    tool = tmp_path / "there" / "bin" / "ffmpeg"
    tool.parent.mkdir(parents=True)
    tool.touch()
    (tmp_path / "ffmpeg").symlink_to(tool)
    environment = {"PATH": "/usr/bin:.:/::relative", "LD_LIBRARY_PATH": "/usr/local/nvidia/lib"}
    programs = sandbox.programs_of(environment, str(tmp_path / "ffmpeg"))
    libraries = {tool.parent, tmp_path / "there" / "lib"}
    assert set(programs) == {Path("/usr/bin"), Path("/usr/local/nvidia/lib"), *libraries, tmp_path / "ffmpeg"}


@pytest.mark.parametrize("folder", [".", "home"])
def test_a_tool_in_the_home_directory_opens_nothing_else_there(folder: str, tmp_path: Path) -> None:
    tool = tmp_path / folder / "ffmpeg"
    tool.parent.mkdir(exist_ok=True)
    environment = {"PATH": f"{tool.parent}:/usr/bin", "HOME": str(tmp_path / "home"), "TMPDIR": str(tmp_path)}
    assert {tmp_path, tmp_path / "home"}.isdisjoint(sandbox.programs_of(environment, str(tool)))
    assert tool in sandbox.programs_of(environment, str(tool))


@pytest.mark.ffmpeg
def test_a_process_that_ignores_the_end_of_its_children_runs_tools_too() -> None:
    script = (
        "import os, signal\n"
        "signal.signal(signal.SIGCHLD, signal.SIG_IGN)\n"
        "from codex_assets.system.tools import Tools, tool_environment\n"
        "print(Tools(tool_environment(os.environ)).version('ffmpeg'))\n"
    )
    ran = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
    assert ran.returncode == 0, ran.stderr
    assert ran.stdout.strip()[0].isdigit()


@pytest.mark.parametrize("group", [0, 4711])
@pytest.mark.parametrize("talks", [True, False])
@pytest.mark.parametrize("keep_from", [None, (1, 2, 3)])
@pytest.mark.parametrize("machine", list(syscall_filter.AUDIT_ARCH))
def test_the_filter_answers_each_call(machine: str, group: int, talks: bool, keep_from: tuple[int, ...] | None) -> None:
    """Run as the kernel runs it."""
    program = syscall_filter.program(machine, group=group, talks=talks, keep_from=keep_from)
    column = list(syscall_filter.AUDIT_ARCH).index(machine)
    arch = syscall_filter.AUDIT_ARCH[machine]

    def answer(number: int, *arguments: int) -> int:
        return verdict(program, number, arch, arguments)

    def named(name: str, *arguments: int) -> int:
        return answer(syscall_filter.number(name, machine), *arguments)

    allowed, not_permitted, no_such, denied = 0x7FFF0000, 0x50001, 0x50026, 0x5000D
    for numbers in syscall_filter._REFUSED.values():
        if (number := numbers[column]) is not None:
            assert answer(number) == not_permitted
    assert verdict(program, 0, arch ^ 1, ()) == no_such
    assert {answer(425), answer(426), answer(427), named("clone3")} == {no_such}
    assert {answer(0), answer(63), answer(220 if column == 0 else 93)} == {allowed}
    assert (named("setpgid", 0, group), named("setpgid", 0, 1), named("setpgid", 7, group)) == (
        allowed,
        not_permitted,
        not_permitted,
    )
    assert (named("socket", 1), named("socket", 16), named("socket", 2), named("socket", 10)) == (
        *(allowed, allowed),
        *(denied, denied),
    )
    threads, processes, namespaces = 0x3D0F00, 0x01200011, 0x10000011
    assert (named("clone", threads), named("clone", processes), named("clone", namespaces)) == (
        *(allowed, allowed),
        not_permitted,
    )
    assert (named("ioctl", 1, 0x5401), named("ioctl", 1, 0x5412), named("ioctl", 1, 0x541C)) == (
        allowed,
        *(not_permitted, not_permitted),
    )
    assert (named("prlimit64", 0), named("prlimit64", 9)) == (allowed, not_permitted)
    kept = not_permitted if keep_from else allowed
    assert (named("kill", 0), named("kill", 9), named("kill", 0xFFFFFFFF)) == (allowed, kept, kept)
    assert (named("tgkill", 9), named("tgkill", 2)) == (allowed, kept)
    assert answer((42, 203)[column]) == (allowed if talks else not_permitted)


def verdict(program: bytes, number: int, arch: int, arguments: tuple[int, ...]) -> int:
    """What a classic BPF program says of a system call."""
    data = {0: number, 4: arch, **{16 + 8 * place: value for place, value in enumerate(arguments)}}
    at = loaded = 0
    while True:
        raw = program[8 * at : 8 * at + 8]
        code, yes, no, value = int.from_bytes(raw[:2], "little"), raw[2], raw[3], int.from_bytes(raw[4:], "little")
        at += 1
        if code == 0x20:
            loaded = data.get(value, 0)
        elif code == 0x05:
            at += value
        elif code == 0x06:
            return value
        else:
            came = {0x15: loaded == value, 0x35: loaded >= value, 0x45: bool(loaded & value)}[code]
            at += yes if came else no
