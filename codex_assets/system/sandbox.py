"""What a tool may do while it reads a file that nobody has vouched for: limits, no network, and no files but its run's.

Owns the walls, and which files a tool reaches: the kernel's words for it are in `landlock.py` and `syscall_filter.py`.
Who starts the process, and what a passed limit means, is decided in `tools.py` and by whoever asked.

Walls belong to a thread and are inherited by what that thread starts, so a short-lived thread puts them on itself and
starts the child: nothing runs between fork and exec, and no launcher costs time. Limits are set on the child from
outside, a moment after it started: long before it has opened its input. Where a kernel or a container does not allow
one of these, the run goes on with the others; `protections` says which are in force.
See docs/decisions/sandbox.md.
"""

from __future__ import annotations

import ctypes
import os
import platform
import resource
import struct
import sys
import threading
from collections.abc import Callable, Collection, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TypeVar

from codex_assets.system import keyholder, landlock, scratch, syscall_filter

Started = TypeVar("Started")

DATA_BYTES = 16 << 30
"""Private writable memory of one encode: half again what 8K with tone mapping needs on sixteen decoding threads."""
PROBE_DATA_BYTES = 2 << 30
"""...and of one that only reads headers and packets."""
FILE_BYTES = 2 << 30
FILE_BYTES_PER_SECOND = 64 << 20
"""Largest file that a run may write, and how much it grows with each second of media: far over any encode's rate."""
OPEN_FILES = 1 << 16
"""A day of segments is read as one input, which opens all 14,400 of them."""

_PR_SET_CHILD_SUBREAPER, _PR_SET_NO_NEW_PRIVS = 36, 38
_SECCOMP_SET_MODE_FILTER = 1
_SECCOMP_FILTER_FLAG_SPEC_ALLOW = 4
"""Without it, kernels before 5.16 slow a filtered process down against attacks that it is no target of."""
_CAPABILITY_VERSION = 0x20080522
_KEPT_CAPABILITIES = 1 << 1
"""CAP_DAC_OVERRIDE: where root works in somebody's folder, its tools can, too. Others have no capabilities at all."""

_SYSTEM = (
    *("/bin", "/sbin", "/lib", "/lib32", "/lib64", "/usr", "/opt", "/nix/store", "/gnu/store", "/snap"),
    *("/run/opengl-driver", "/var/cache/fontconfig", "/var/lib/fonts"),
    # Of /etc what libraries read: others keep keys there.
    *(
        f"/etc/{name}"
        for name in (
            *("ld.so.cache", "ld.so.conf", "ld.so.conf.d", "ld.so.preload", "ld-musl-x86_64.path", "alternatives"),
            *("localtime", "timezone", "locale.alias", "locale.conf", "nsswitch.conf", "passwd", "group", "host.conf"),
            *("fonts", "ssl/openssl.cnf", "gnutls", "crypto-policies", "alsa", "libva.conf", "drirc", "mime.types"),
            *("OpenCL", "vulkan", "glvnd", "egl", "cuda", "nvidia", "nvidia-container-runtime"),
        )
    ),
)
"""The libraries and programs, and what these read. For reading, and programs for running."""
_KERNEL = (
    *("/sys/devices", "/sys/bus", "/sys/class", "/sys/module", "/sys/dev", "/sys/kernel/mm", "/sys/fs/cgroup"),
    *(
        f"/proc/{name}"
        for name in (
            *("cpuinfo", "meminfo", "stat", "version", "loadavg", "uptime", "filesystems", "devices", "modules"),
            *("driver", "sys"),
        )
    ),
)
"""What the kernel tells of the machine. Of processes nothing: a tool's own number is not known beforehand."""
_DEVICES = ("/dev/null", "/dev/zero", "/dev/full")
_RANDOM = ("/dev/random", "/dev/urandom")
_GPU_DEVICES = ("nvidia*", "nvhost*", "nvmap", "dxg")
"""Of the driver's devices, in /dev: of NVIDIA's cards, its boards, and Windows' subsystem for Linux."""

NO_NETWORK = "no network"
OWN_FILES = "no files but its run's"
KEYS = "keys out of reach"
PRIVILEGES = "no privileges"
SIGNALS = "no signals to others"
SWEPT = "ends with its run"
LIMITS = "limits on memory, time and files"


@dataclass(frozen=True)
class Reach:
    """Files and folders, with all that they hold, that a tool may read, and folders that it may also write to.

    `programs`: folders and files that may be read, and run, beside the system's own.
    """

    reads: tuple[Path, ...] = ()
    writes: tuple[Path, ...] = ()
    programs: tuple[Path, ...] = ()

    def rights(self, gpus: Sequence[Path] = ()) -> dict[Path, int]:
        """What may be done where, in Landlock's words. `gpus`: the driver's devices."""
        rights_of: dict[Path, int] = {}

        def allow(paths: Sequence[str | Path], rights: int) -> None:
            for path in paths:
                rights_of[Path(path)] = rights_of.get(Path(path), 0) | rights

        allow(_SYSTEM, landlock.RUN)
        # Whatever is run is run by programs that may be written in Python.
        allow((sys.prefix, sys.base_prefix), landlock.RUN)
        allow(self.programs, landlock.RUN)
        allow(_KERNEL, landlock.READ)
        allow(_RANDOM, landlock.READ_FILE)
        allow(_DEVICES, landlock.READ_FILE | landlock.WRITE_FILE)
        if gpus:
            allow(gpus, landlock.DEVICE)
            # The driver reads its own process's entries. Others' memory and environment stay closed by the domain.
            allow(("/proc",), landlock.READ)
        allow(self.reads, landlock.READ)
        allow(self.writes, landlock.WRITE)
        return rights_of


def gpu_devices(folder: Path = Path("/dev")) -> list[Path]:
    """What a driver opens to get at a GPU; empty where there is none."""
    return [path for pattern in _GPU_DEVICES for path in folder.glob(pattern)]


def programs_of(environment: Mapping[str, str], tool: str) -> tuple[Path, ...]:
    """Where a tool and its libraries lie: the folders of PATH and LD_LIBRARY_PATH, and where `tool` leads.

    Of a tool that lies right in the home directory, or among what is temporary, only itself: there is more there.
    """
    listed = [environment.get(name, "").split(os.pathsep) for name in ("PATH", "LD_LIBRARY_PATH")]
    home = Path(tool).resolve().parent
    folders = [*(Path(part) for parts in listed for part in parts if part), home, home.parent / "lib"]
    private = [Path(environment[name]).resolve() for name in ("HOME", "TMPDIR") if environment.get(name)]
    private += [place.resolve() for place in [scratch.temporary_directory({})] if place is not None]
    holding = {folder for place in private for folder in (place, *place.parents)}
    fit = [folder for folder in folders if folder.is_absolute() and folder.resolve() not in holding]
    return tuple(dict.fromkeys([*fit, Path(tool)]))


@dataclass(frozen=True)
class Limits:
    """Of one process: bytes of private memory, bytes of any file that it writes, seconds of processor time."""

    data_bytes: int = DATA_BYTES
    file_bytes: int = FILE_BYTES
    cpu_seconds: int | None = None

    def put_on(self, pid: int) -> None:
        """Raises nothing: a process that has ended needs none, and a container may forbid them."""
        wanted: list[tuple[int, int, int]] = [
            (resource.RLIMIT_CORE, 0, 0),
            (resource.RLIMIT_DATA, self.data_bytes, self.data_bytes),
            (resource.RLIMIT_FSIZE, self.file_bytes, self.file_bytes),
            (resource.RLIMIT_NOFILE, OPEN_FILES, OPEN_FILES),
        ]
        if self.cpu_seconds is not None:
            # The soft limit tells why the process ended, the hard one ends what does not listen.
            wanted.append((resource.RLIMIT_CPU, self.cpu_seconds, self.cpu_seconds + 5))
        for which, soft, hard in wanted:
            try:
                _, ceiling = resource.prlimit(pid, which)
                if ceiling != resource.RLIM_INFINITY:
                    soft, hard = min(soft, ceiling), min(hard, ceiling)
                resource.prlimit(pid, which, (soft, hard))
            except (OSError, ValueError):
                continue


@dataclass(frozen=True)
class Protection:
    """One of the walls, and whether it stands on this machine; `why` not, else empty, or how it stands."""

    name: str
    active: bool
    why: str = ""


def confined(start: Callable[[], Started], *, reach: Reach | None = None, group: int = 0) -> Started:
    """What `start` returns or raises. A process that it starts is inside the walls, and this process's memory closed.

    `reach`: the files that it may open; None: all that its user may. `group`: the process group that it may join, and
    then not leave; with 0 it may lead its own.
    """
    keyholder.close_memory()
    result: list[Started] = []
    raised: list[BaseException] = []

    def run() -> None:
        try:
            _confine_this_thread(reach, group)
            result.append(start())
        except BaseException as error:  # noqa: BLE001 - it is raised again, in the caller's thread
            raised.append(error)

    thread = threading.Thread(target=run, name="sandbox")
    thread.start()
    thread.join()
    if raised:
        raise raised[0]
    return result[0]


@cache
def protections() -> tuple[Protection, ...]:
    """Which walls stand here, found out by putting them up around a thread of our own."""
    walls: list[Protection] = []
    thread = threading.Thread(target=lambda: walls.extend(_confine_this_thread(Reach(), 0)), name="sandbox")
    thread.start()
    thread.join()
    closed = keyholder.close_memory()
    walls.append(Protection(KEYS, closed, "" if closed else "the kernel does not close a process's memory"))
    walls.append(_limits_work())
    return tuple(walls)


def missing() -> list[Protection]:
    """The walls that do not stand here."""
    return [wall for wall in protections() if not wall.active]


def stands(name: str) -> bool:
    """Whether that wall stands here."""
    return name not in {wall.name for wall in missing()}


def adopt_orphans() -> None:
    """Make this process the parent of what its tools start and leave behind; else process 1 would be."""
    with suppress(OSError):
        libc = ctypes.CDLL(None)
        nothing = ctypes.c_ulong(0)
        libc.prctl(_PR_SET_CHILD_SUBREAPER, ctypes.c_ulong(1), nothing, nothing, nothing)


def orphans(groups: Collection[int]) -> list[int]:
    """Children of this process that a tool has started, and that are in none of these process groups.

    What a tool has started has given up new privileges. Where this process has, too, nobody can tell.
    """
    if _gave_up_privileges(os.getpid()):
        return []
    known = {*groups, os.getpgrp()}
    strays = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            with suppress(OSError):
                # The name, in parentheses, may hold anything.
                _state, parent, group, *_ = (entry / "stat").read_bytes().rpartition(b")")[2].split()
                if int(parent) == os.getpid() and int(group) not in known and _gave_up_privileges(int(entry.name)):
                    strays.append(int(entry.name))
    return strays


def _gave_up_privileges(pid: int) -> bool:
    return b"NoNewPrivs:\t1" in Path(f"/proc/{pid}/status").read_bytes()


def _limits_work() -> Protection:
    try:
        before = resource.prlimit(os.getpid(), resource.RLIMIT_CORE)
        resource.prlimit(os.getpid(), resource.RLIMIT_CORE, before)
    except OSError as error:
        return Protection(LIMITS, False, error.strerror or "refused")
    return Protection(LIMITS, True)


def _confine_this_thread(reach: Reach | None, group: int) -> list[Protection]:
    """Put up every wall that this kernel has, around this thread and all that it starts, for good."""
    try:
        libc = ctypes.CDLL(None, use_errno=True)
    except OSError:
        return [Protection(name, False, "no C library") for name in (OWN_FILES, PRIVILEGES, NO_NETWORK, SIGNALS, SWEPT)]
    libc.syscall.restype = ctypes.c_long
    nothing = ctypes.c_ulong(0)
    if libc.prctl(_PR_SET_NO_NEW_PRIVS, ctypes.c_ulong(1), nothing, nothing, nothing):
        why = os.strerror(ctypes.get_errno())
        return [Protection(name, False, why) for name in (OWN_FILES, PRIVILEGES, NO_NETWORK, SIGNALS, SWEPT)]
    # First: afterwards nobody may look.
    gpus = gpu_devices()
    files = _landlock(None if reach is None else reach.rights(gpus))
    powers = _drop_capabilities(libc)
    scoped = files.active and landlock.version() >= landlock.SCOPES_SINCE
    keep_from = None if scoped else (os.getpid(), os.getppid(), 1)
    calls = _filter(libc, group, keep_from, talks=bool(gpus))
    return [
        calls,
        files,
        powers,
        Protection(SIGNALS, scoped or calls.active, "" if scoped else calls.why),
        Protection(SWEPT, calls.active, calls.why),
    ]


def _landlock(rights: dict[Path, int] | None) -> Protection:
    try:
        landlock.restrict(rights)
    except landlock.Refused as refused:
        return Protection(OWN_FILES, False, str(refused))
    return Protection(OWN_FILES, True)


def _drop_capabilities(libc: ctypes.CDLL) -> Protection:
    """What root may beyond others: with new privileges given up, no program that is started has it again."""
    machine = platform.machine()
    if machine not in syscall_filter.AUDIT_ARCH:
        return Protection(PRIVILEGES, False, f"not known for {machine}")
    header = ctypes.create_string_buffer(struct.pack("=Ii", _CAPABILITY_VERSION, 0))
    # Effective, permitted, inheritable: the lower halves, then the upper ones.
    sets = ctypes.create_string_buffer(24)
    failed = libc.syscall(ctypes.c_long(syscall_filter.number("capget", machine)), header, sets)
    if not failed:
        effective, permitted, *_ = struct.unpack("=6I", sets.raw[:24])
        kept = struct.pack("=6I", effective & _KEPT_CAPABILITIES, permitted & _KEPT_CAPABILITIES, 0, 0, 0, 0)
        failed = libc.syscall(ctypes.c_long(syscall_filter.number("capset", machine)), header, kept)
    return Protection(PRIVILEGES, not failed, os.strerror(ctypes.get_errno()) if failed else "")


def _filter(libc: ctypes.CDLL, group: int, keep_from: tuple[int, ...] | None, *, talks: bool) -> Protection:
    machine = platform.machine()
    if machine not in syscall_filter.AUDIT_ARCH:
        return Protection(NO_NETWORK, False, f"no filter for {machine}")
    program = syscall_filter.program(machine, group=group, talks=talks, keep_from=keep_from)
    instructions = ctypes.create_string_buffer(program, len(program))
    # struct sock_fprog: a count of instructions, then where they are.
    head = ctypes.create_string_buffer(struct.pack("@HP", len(program) // 8, ctypes.addressof(instructions)))

    def put_on(flags: int) -> str | None:
        failed = libc.syscall(
            ctypes.c_long(syscall_filter.number("seccomp", machine)),
            ctypes.c_ulong(_SECCOMP_SET_MODE_FILTER),
            ctypes.c_ulong(flags),
            ctypes.byref(head),
        )
        return os.strerror(ctypes.get_errno()) if failed else None

    # gVisor and kernels before 4.17 know no flag: the same wall stands without it.
    refused = put_on(_SECCOMP_FILTER_FLAG_SPEC_ALLOW)
    if refused is None:
        return Protection(NO_NETWORK, True)
    bare = put_on(0)
    if bare is None:
        return Protection(NO_NETWORK, True, f"without the flag that spares time ({refused})")
    return Protection(NO_NETWORK, False, bare)


def network_filter(machine: str) -> bytes:
    """The system-call filter for that architecture, as the kernel takes it."""
    return syscall_filter.program(machine)
