"""What a tool may do while it reads a file that nobody has vouched for: limits, and no network.

Owns the limits of a run and the system-call filter. Who starts the process, and what a passed limit means, is decided
in `tools.py` and by whoever asked.

The filter belongs to a thread and is inherited by what that thread starts, so a short-lived thread puts it on itself
and starts the child: nothing runs between fork and exec, and no launcher costs time. Limits are set on the child from
outside, a moment after it started: long before it has opened its input. Where a kernel or a container does not allow
one of these, the run goes on with the others; `protections` says which are in force.
See docs/decisions/sandbox.md.
"""

from __future__ import annotations

import ctypes
import errno
import os
import platform
import resource
import struct
import threading
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from typing import TypeVar

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

_AUDIT_ARCH = {"x86_64": 0xC000003E, "aarch64": 0xC00000B7}
_SOCKET = {"x86_64": 41, "aarch64": 198}
_REFUSED = {
    # ptrace, process_vm_readv, process_vm_writev, add_key, request_key, keyctl, bpf, pidfd_getfd
    "x86_64": (101, 310, 311, 248, 249, 250, 321, 438),
    "aarch64": (117, 270, 271, 217, 218, 219, 280, 438),
}
_IO_URING_SETUP = 425
_SECCOMP = {"x86_64": 317, "aarch64": 277}
_AF_UNIX, _AF_NETLINK = 1, 16
_X32_BIT = 0x40000000
_PR_SET_NO_NEW_PRIVS = 38
_SECCOMP_SET_MODE_FILTER = 1
_SECCOMP_FILTER_FLAG_SPEC_ALLOW = 4
_ALLOW = 0x7FFF0000
_ERRNO = 0x00050000
_LOAD, _JUMP_EQUAL, _JUMP_GREATER_EQUAL, _RETURN = 0x20, 0x15, 0x35, 0x06


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
    """One of the walls, and whether it stands on this machine; `why` not, else empty."""

    name: str
    active: bool
    why: str = ""


def confined(start: Callable[[], Started]) -> Started:
    """What `start` returns or raises. A process that it starts has no network and gains no privileges."""
    result: list[Started] = []
    raised: list[BaseException] = []

    def run() -> None:
        try:
            _confine_this_thread()
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
    told: list[Protection] = []

    def look() -> None:
        refused = _confine_this_thread()
        told.append(Protection("no network", refused is None, refused or ""))

    thread = threading.Thread(target=look, name="sandbox")
    thread.start()
    thread.join()
    told.append(_limits_work())
    return tuple(told)


def _limits_work() -> Protection:
    try:
        held = resource.prlimit(os.getpid(), resource.RLIMIT_CORE)
        resource.prlimit(os.getpid(), resource.RLIMIT_CORE, held)
    except OSError as error:
        return Protection("limits on memory, time and files", False, error.strerror or "refused")
    return Protection("limits on memory, time and files", True)


def _confine_this_thread() -> str | None:
    """Why the filter could not be put on, or None when it is on: for this thread and all that it starts, for good."""
    machine = platform.machine()
    if machine not in _AUDIT_ARCH:
        return f"no filter for {machine}"
    try:
        libc = ctypes.CDLL(None, use_errno=True)
    except OSError:
        return "no C library"
    libc.syscall.restype = ctypes.c_long
    if libc.prctl(_PR_SET_NO_NEW_PRIVS, ctypes.c_ulong(1), ctypes.c_ulong(0), ctypes.c_ulong(0), ctypes.c_ulong(0)):
        return os.strerror(ctypes.get_errno())
    program = network_filter(machine)
    instructions = ctypes.create_string_buffer(program, len(program))
    # struct sock_fprog: a count of instructions, then where they are.
    head = ctypes.create_string_buffer(struct.pack("@HP", len(program) // 8, ctypes.addressof(instructions)))
    failed = libc.syscall(
        ctypes.c_long(_SECCOMP[machine]),
        ctypes.c_ulong(_SECCOMP_SET_MODE_FILTER),
        # Without it, kernels before 5.16 slow a filtered process down against attacks that it is no target of.
        ctypes.c_ulong(_SECCOMP_FILTER_FLAG_SPEC_ALLOW),
        ctypes.byref(head),
    )
    return os.strerror(ctypes.get_errno()) if failed else None


@cache
def network_filter(machine: str) -> bytes:
    """A classic BPF program: sockets of this machine only, no way around that, no looking into other processes.

    A graphics driver talks over Unix and netlink sockets. `io_uring` opens sockets without the system call. Everything
    else is allowed, so that a newer ffmpeg or driver is not stopped by something harmless.
    """
    refused = _REFUSED[machine]
    checks: list[tuple[int, int, int]] = [(_JUMP_EQUAL, number, errno.EPERM) for number in refused]
    checks.append((_JUMP_EQUAL, _IO_URING_SETUP, errno.ENOSYS))
    if machine == "x86_64":
        # The other way to number the same system calls.
        checks.insert(0, (_JUMP_GREATER_EQUAL, _X32_BIT, errno.ENOSYS))
    program = [
        _instruction(_LOAD, 4),
        _instruction(_JUMP_EQUAL, _AUDIT_ARCH[machine], when=1),
        _instruction(_RETURN, _ERRNO | errno.ENOSYS),
        _instruction(_LOAD, 0),
    ]
    for jump, number, answer in checks:
        program += [_instruction(jump, number, otherwise=1), _instruction(_RETURN, _ERRNO | answer)]
    program += [
        _instruction(_JUMP_EQUAL, _SOCKET[machine], otherwise=4),
        _instruction(_LOAD, 16),
        _instruction(_JUMP_EQUAL, _AF_UNIX, when=2),
        _instruction(_JUMP_EQUAL, _AF_NETLINK, when=1),
        _instruction(_RETURN, _ERRNO | errno.EACCES),
        _instruction(_RETURN, _ALLOW),
    ]
    return b"".join(program)


def _instruction(code: int, value: int, *, when: int = 0, otherwise: int = 0) -> bytes:
    """struct sock_filter: code, jump when true, jump when false, value."""
    return struct.pack("=HBBI", code, when, otherwise, value)
