"""A program in ffmpeg's place that tries to get away with everything, and the process with keys that starts it.

Plain Python without our packages' dependencies, so that it runs as any user: `hold` is started by the tests, as root or
as somebody else, gives itself keys as a worker has them, and runs `attempt` by way of the product's own `Tools`. What
each attempt came to is JSON on its standard output. `python tests/support/sandbox_attempts.py table` prints
docs/decisions'.
"""

from __future__ import annotations

import ctypes
import json
import os
import platform
import resource
import shutil
import signal
import socket
import struct
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
KEY = "key-of-the-worker-4711"
SOMEBODY = 1000
KINDS = {"full": "all walls", "no-landlock": "kernel without Landlock", "no-flags": "filter without flags"}
"""What the kernel is made to refuse, for which column of the table."""
TRIED = 60.0
"""Seconds, on a busy machine: what is refused is refused at once."""
_NUMBERS = {
    # x86_64, aarch64
    "seccomp": (317, 277),
    "landlock_create_ruleset": (444, 444),
    "ptrace": (101, 117),
    "process_vm_readv": (310, 270),
    "unshare": (272, 97),
    "setns": (308, 268),
    "mount": (165, 40),
    "clone": (56, 220),
    "io_uring_setup": (425, 425),
    "userfaultfd": (323, 282),
    "perf_event_open": (298, 241),
    "keyctl": (250, 219),
    "bpf": (321, 280),
    "pidfd_open": (434, 434),
    "pidfd_send_signal": (424, 424),
    "open_by_handle_at": (304, 265),
}
_LIBC = ctypes.CDLL(None, use_errno=True)
_LIBC.syscall.restype = ctypes.c_long


def call(name: str, *arguments: int | bytes) -> int:
    number = _NUMBERS[name][0 if platform.machine() == "x86_64" else 1]
    given = [
        ctypes.c_long(argument) if isinstance(argument, int) else ctypes.c_char_p(argument) for argument in arguments
    ]
    result = int(_LIBC.syscall(ctypes.c_long(number), *given))
    if result < 0:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
    return result


# --- What is tried ----------------------------------------------------------------------------------------------------


def attempts(where: dict[str, str]) -> dict[str, Callable[[], object]]:
    """Each attempt, by what it would get; it raises where it is refused. `where`: who and what there is to be had."""
    keyholder, spare = int(where["keyholder"]), int(where["spare"])

    def reads_keys(path: str) -> None:
        if KEY not in Path(path).read_text(errors="replace"):
            raise OSError("no key in it")

    def writes(path: str) -> None:
        Path(path).write_text("planted\n")

    def opens(path: str, mode: str) -> None:
        with open(path, mode):
            pass

    def connects(address: object, family: int = socket.AF_UNIX) -> None:
        with socket.socket(family) as connection:
            connection.settimeout(TRIED)
            connection.connect(address)  # type: ignore[arg-type]

    def lowers_a_limit() -> None:
        resource.prlimit(keyholder, resource.RLIMIT_CORE, (0, 0))

    def unshared(flags: int) -> None:
        _in_a_fork(lambda: call("unshare", flags))

    def cloned() -> None:
        pid = call("clone", 0x10000000 | signal.SIGCHLD, 0, 0, 0, 0)
        if pid == 0:
            os._exit(0)
        os.waitpid(pid, 0)

    def runs_what_it_wrote() -> None:
        program = Path(where["run"], "program")
        shutil.copy("/bin/true", program)
        program.chmod(0o755)
        subprocess.run([str(program)], check=True)

    def daemon(leave: Callable[[], object]) -> None:
        """Starts a process that outlives its parent, and says which; whether it is alive afterwards others look."""
        if os.fork():
            return
        with suppress(OSError):
            leave()
        if os.fork():
            os._exit(0)
        with open(where["daemons"], "a") as file:
            file.write(f"{os.getpid()}\n")
        time.sleep(600)
        os._exit(0)

    def links() -> None:
        path = Path(where["run"], "output.jpg")
        path.symlink_to(f"/proc/{keyholder}/environ")

    return {
        "reads the input of its run": lambda: opens(where["input"], "rb"),
        "writes in its run": lambda: writes(f"{where['run']}/made"),
        "reads the keys in /proc/PARENT/environ": lambda: reads_keys(f"/proc/{keyholder}/environ"),
        "reads the keys of the spare process": lambda: reads_keys(f"/proc/{spare}/environ"),
        "opens /proc/PARENT/mem for writing": lambda: opens(f"/proc/{keyholder}/mem", "r+b"),
        "lists the files that the parent has open": lambda: os.listdir(f"/proc/{keyholder}/fd"),
        "gets at files by /proc/PARENT/root": lambda: os.listdir(f"/proc/{keyholder}/root/"),
        "traces the parent (ptrace)": lambda: call("ptrace", 16, keyholder, 0, 0),
        "reads the parent's memory (process_vm_readv)": lambda: call("process_vm_readv", keyholder, 0, 0, 0, 0, 0),
        "signals the parent": lambda: os.kill(keyholder, 0),
        "signals the parent by a pidfd": lambda: call(
            "pidfd_send_signal", call("pidfd_open", keyholder, 0), signal.SIGCONT, 0, 0
        ),
        "signals another process of the user": lambda: os.kill(spare, 0),
        "changes the parent's limits": lowers_a_limit,
        "reads another run's files": lambda: opens(where["other"], "rb"),
        "writes another run's files": lambda: opens(where["other"], "r+b"),
        "reads ~/.aws/credentials": lambda: opens(f"{where['home']}/.aws/credentials", "rb"),
        "plants a .pth in ~/.local": lambda: writes(f"{where['site']}/planted.pth"),
        "plants a module in the working directory": lambda: writes(f"{where['here']}/json.py"),
        "writes in the temporary directory": lambda: writes(f"{where['outside']}/left-behind"),
        "writes in /dev/shm": lambda: writes(f"/dev/shm/{os.getpid()}"),
        "makes its output a link to a secret": links,
        "makes its output a pipe": lambda: os.mkfifo(f"{where['run']}/pipe"),
        "runs a program that it wrote": runs_what_it_wrote,
        "connects by TCP": lambda: connects(("127.0.0.1", int(where["port"])), socket.AF_INET),
        "sends by UDP": lambda: socket.socket(socket.AF_INET, socket.SOCK_DGRAM).sendto(b"x", ("127.0.0.1", 9)),
        "connects to an abstract Unix socket": lambda: connects(f"\0{where['abstract']}"),
        "connects to a Unix socket that has a path": lambda: connects(where["socket"]),
        "makes a user namespace (unshare)": lambda: unshared(0x10000000),
        "makes a network namespace (unshare)": lambda: unshared(0x40000000),
        "makes a user namespace (clone)": cloned,
        "joins a namespace (setns)": lambda: _refused_for("setns", -1, 0),
        "mounts": lambda: _in_a_fork(lambda: _refused_for("mount", b"none", b"/nowhere", b"tmpfs", 0, 0)),
        "changes the root": lambda: _in_a_fork(lambda: os.chroot(where["run"])),
        "changes an owner": lambda: os.chown(where["input"], 12, 12),
        "has a session of its own (setsid)": lambda: _in_a_fork(os.setsid),
        "has a process group of its own": lambda: _in_a_fork(lambda: os.setpgid(0, 0)),
        "io_uring": lambda: _refused_for("io_uring_setup", 1, 0),
        "userfaultfd": lambda: call("userfaultfd", 1),
        "perf_event_open": lambda: _refused_for("perf_event_open", 0, 0, -1, -1, 0),
        "the kernel's keys": lambda: call("keyctl", 0, -3, 1),
        "bpf": lambda: _refused_for("bpf", 0, 0, 0),
        "leaves a process behind": lambda: daemon(lambda: None),
        "leaves a process behind (setsid)": lambda: daemon(os.setsid),
        "leaves a process behind (setpgid)": lambda: daemon(lambda: os.setpgid(0, 0)),
    }


CONTROLS = ("reads the input of its run", "writes in its run")
LEFT_BEHIND = "leaves a process behind"


def _refused_for(name: str, *arguments: int | bytes) -> None:
    """Other errors than a refusal mean that the call arrived: what it was asked for here makes no sense."""
    try:
        call(name, *arguments)
    except OSError as error:
        if error.errno in (1, 38):
            raise


def _in_a_fork(act: Callable[[], object]) -> None:
    reader, writer = os.pipe()
    pid = os.fork()
    if pid == 0:
        try:
            act()
        except OSError as error:
            os.write(writer, str(error.errno or 1).encode())
        os._exit(0)
    os.close(writer)
    os.waitpid(pid, 0)
    if said := os.read(reader, 9):
        raise OSError(int(said), os.strerror(int(said)))


def attempt(arguments: list[str]) -> None:
    """As ffmpeg: the last argument is the output, the one after `-i` the input, beside which it says what there is."""
    source, made = arguments[arguments.index("-i") + 1], arguments[-1]
    where = json.loads(Path(source).read_text())
    outcomes = {}
    for name, act in attempts(where).items():
        try:
            act()
            outcomes[name] = "done"
        except OSError as error:
            outcomes[name] = error.strerror or str(error)
    Path(made).write_text(json.dumps(outcomes))


# --- Who has keys -----------------------------------------------------------------------------------------------------


def hold(checkout: str, folder: str, kind: str) -> None:
    """A process with keys in its environment, as a worker is, which runs a tool on an upload."""
    sys.path.insert(0, checkout)
    refuse(kind)
    from codex_assets.system.tools import Tools, tool_environment

    base = Path(folder)
    run, other = base / "run-1", base / "run-2"
    for run_folder in (run, other):
        run_folder.mkdir()
    (other / "original").write_text("somebody else's\n")
    os.chdir(base / "here")
    tool = base / "bin" / "ffmpeg"
    abstract = socket.socket(socket.AF_UNIX)
    abstract.bind(f"\0{base.name}")
    named = socket.socket(socket.AF_UNIX)
    named.bind(str(base / "socket"))
    tcp = socket.create_server(("127.0.0.1", 0))
    for listener in (abstract, named, tcp):
        listener.listen()
    tools = Tools(tool_environment(os.environ), ffmpeg=str(tool), stall_seconds=200)
    if hasattr(tools, "within"):
        tools = tools.within(run)
        from codex_assets.system import keyholder

        keyholder.close_memory()
    spare = os.fork()
    if spare == 0:
        time.sleep(600)
        os._exit(0)
    where = {
        "keyholder": str(os.getpid()),
        "spare": str(spare),
        "run": str(run),
        "input": str(run / "original"),
        "other": str(other / "original"),
        "home": os.environ["HOME"],
        "site": str(base / "home/.local/lib/python3/site-packages"),
        "here": str(base / "here"),
        "outside": str(base),
        "daemons": str(run / "daemons"),
        "port": str(tcp.getsockname()[1]),
        "abstract": base.name,
        "socket": str(base / "socket"),
    }
    (run / "original").write_text(json.dumps(where))
    try:
        tools.ffmpeg(["-i", str(run / "original"), str(run / "made.json")], label="trying it all")
        made = json.loads((run / "made.json").read_text())
    finally:
        os.kill(spare, signal.SIGKILL)
    daemons = [int(line) for line in (run / "daemons").read_text().split()] if (run / "daemons").exists() else []
    # They were killed, and die as soon as each is given the processor.
    deadline = time.monotonic() + TRIED
    while (alive := [pid for pid in daemons if _is_alive(pid)]) and time.monotonic() < deadline:
        time.sleep(0.02)
    for pid in alive:
        os.kill(pid, signal.SIGKILL)
    # Which is which does not matter: none may be.
    for name in [name for name in made if name.startswith(LEFT_BEHIND)]:
        made[name] = "done" if alive else "ended with the run"
    print(json.dumps(made))


def _is_alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] not in ("Z", "X")
    except OSError:
        return False


def refuse(kind: str) -> None:
    """Make this kernel one that lacks something, for this process and what it starts."""
    machine = 0 if platform.machine() == "x86_64" else 1

    def instruction(code: int, value: int, when: int = 0, otherwise: int = 0) -> bytes:
        return struct.pack("=HBBI", code, when, otherwise, value)

    allow, load, equal, answer = instruction(0x06, 0x7FFF0000), 0x20, 0x15, 0x06
    if kind == "no-landlock":
        program = [
            instruction(load, 0),
            instruction(equal, _NUMBERS["landlock_create_ruleset"][machine], otherwise=1),
            instruction(answer, 0x00050000 | 38),
            allow,
        ]
    elif kind == "no-flags":
        program = [
            instruction(load, 0),
            instruction(equal, _NUMBERS["seccomp"][machine], otherwise=3),
            instruction(load, 24),
            instruction(equal, 0, when=1),
            instruction(answer, 0x00050000 | 22),
            allow,
        ]
    elif kind == "no-filter":
        program = [
            instruction(load, 0),
            instruction(equal, _NUMBERS["seccomp"][machine], otherwise=1),
            instruction(answer, 0x00050000 | 22),
            allow,
        ]
    else:
        return
    code = b"".join(program)
    kept = ctypes.create_string_buffer(code, len(code))
    head = ctypes.create_string_buffer(struct.pack("@HP", len(code) // 8, ctypes.addressof(kept)))
    nothing = ctypes.c_ulong(0)
    if os.getuid():
        assert _LIBC.prctl(38, ctypes.c_ulong(1), nothing, nothing, nothing) == 0
    number = ctypes.c_long(_NUMBERS["seccomp"][machine])
    assert _LIBC.syscall(number, ctypes.c_ulong(1), ctypes.c_ulong(0), ctypes.byref(head)) == 0


# --- From outside -----------------------------------------------------------------------------------------------------


def python() -> str | None:
    """A Python that anybody may run; None where there is none."""
    for program in ("/usr/bin/python3", "/usr/local/bin/python3", os.path.realpath(sys.executable)):
        if os.path.exists(program) and not os.path.realpath(program).startswith("/root"):
            return program
    return None


def tried(kind: str, user: int, checkout: Path = ROOT) -> dict[str, str]:
    """What became of each attempt, with the walls that `kind` leaves, as root or another user."""
    program = python()
    assert program is not None
    # Not pytest's folder, which only its own user may enter.
    base = Path(tempfile.mkdtemp(prefix="walls-"))
    try:
        for name in ("here", "bin", "home/.aws", "home/.local/lib/python3/site-packages"):
            (base / name).mkdir(parents=True)
        (base / "home/.aws/credentials").write_text(f"aws_secret_access_key = {KEY}\n")
        shutil.copytree(checkout / "codex_assets", base / "code" / "codex_assets", ignore=_NO_CACHE)
        shutil.copy(__file__, base / "bin")
        tool = base / "bin" / "ffmpeg"
        tool.write_text(f'#!/bin/sh\nexec {program} -B {base}/bin/{Path(__file__).name} attempt "$@"\n')
        tool.chmod(0o755)
        for path in (base, *base.rglob("*")):
            os.chown(path, user, user)
        environment = {"PATH": "/usr/bin:/bin", "HOME": str(base / "home"), "TMPDIR": str(base), "R2_SECRET": KEY}
        ran = subprocess.run(
            [program, "-B", str(base / "bin" / Path(__file__).name), "hold", str(base / "code"), str(base), kind],
            env=environment,
            user=user if os.getuid() == 0 else None,
            group=user if os.getuid() == 0 else None,
            extra_groups=[] if os.getuid() == 0 else None,
            capture_output=True,
            text=True,
            timeout=230,
        )
        assert ran.returncode == 0, ran.stderr
        return dict(json.loads(ran.stdout))
    finally:
        shutil.rmtree(base, ignore_errors=True)


_NO_CACHE = shutil.ignore_patterns("__pycache__")


def table(checkouts: list[str]) -> None:
    columns = {f"{words}, {name}": tried(kind, user) for kind, words in KINDS.items() for user, name in USERS.items()}
    for checkout in checkouts:
        columns |= {f"before, {name}": tried("full", user, Path(checkout)) for user, name in USERS.items()}
    print("| attempt | " + " | ".join(columns) + " |")
    print("| --- |" + " --- |" * len(columns))
    for name in next(iter(columns.values())):
        cells = ["**yes**" if column.get(name) == "done" else "no" for column in columns.values()]
        print(f"| {name} | " + " | ".join(cells) + " |")


USERS = {SOMEBODY: f"uid {SOMEBODY}", 0: "root"}

if __name__ == "__main__":
    what, *rest = sys.argv[1:]
    if what == "attempt":
        attempt(rest)
    elif what == "hold":
        hold(*rest)
    else:
        table(rest)
