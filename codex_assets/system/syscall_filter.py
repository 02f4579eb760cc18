"""The program of the system-call filter (seccomp): which calls a tool may not make, by number and architecture.

In: the numbers, and the classic BPF that the kernel runs before each call. Out: who puts it on, and what is done where
a kernel does not take it (`sandbox.py`).

Everything that is not named is allowed, so that a newer ffmpeg or driver is not stopped by something harmless. What is
refused with "not permitted" no tool needs; what is refused with "no such call" has an older way that programs fall back
to, which is allowed: `clone3` hides from a filter what `clone` shows to it.
"""

from __future__ import annotations

import errno
import struct
from collections.abc import Collection
from functools import cache

NUMBERS = {
    # name: x86_64, aarch64 (None: that architecture has no such call)
    "seccomp": (317, 277),
    "capget": (125, 90),
    "capset": (126, 91),
    "socket": (41, 198),
    "setpgid": (109, 154),
    "clone": (56, 220),
    "clone3": (435, 435),
    "ioctl": (16, 29),
    "prlimit64": (302, 261),
    "kill": (62, 129),
    "tgkill": (234, 131),
}
_REFUSED: dict[str, tuple[int | None, int | None]] = {
    # Looking into other processes, and stopping them.
    "ptrace": (101, 117),
    "process_vm_readv": (310, 270),
    "process_vm_writev": (311, 271),
    "process_madvise": (440, 440),
    "process_mrelease": (448, 448),
    "pidfd_getfd": (438, 438),
    "pidfd_send_signal": (424, 424),
    "kcmp": (312, 272),
    "perf_event_open": (298, 241),
    # Leaving the run's process group or the worker's session: what stays in them is ended with the run.
    "setsid": (112, 157),
    # Other namespaces and mounts: a way to privileges.
    "unshare": (272, 97),
    "setns": (308, 268),
    "mount": (165, 40),
    "umount2": (166, 39),
    "pivot_root": (155, 41),
    "chroot": (161, 51),
    "open_tree": (428, 428),
    "move_mount": (429, 429),
    "fsopen": (430, 430),
    "fsconfig": (431, 431),
    "fsmount": (432, 432),
    "fspick": (433, 433),
    "mount_setattr": (442, 442),
    # Names that lead elsewhere: the worker opens by name what a tool has made, and publishes it.
    "symlink": (88, None),
    "symlinkat": (266, 36),
    "link": (86, None),
    "linkat": (265, 37),
    "mknod": (133, None),
    "mknodat": (259, 33),
    "open_by_handle_at": (304, 265),
    # Parts of the kernel that are for others, and are where its faults are.
    "add_key": (248, 217),
    "request_key": (249, 218),
    "keyctl": (250, 219),
    "bpf": (321, 280),
    "userfaultfd": (323, 282),
    "fanotify_init": (300, 262),
    "init_module": (175, 105),
    "finit_module": (313, 273),
    "delete_module": (176, 106),
    "kexec_load": (246, 104),
    "kexec_file_load": (320, 294),
    "reboot": (169, 142),
    "swapon": (167, 224),
    "swapoff": (168, 225),
    "acct": (163, 89),
    "syslog": (103, 116),
    "sethostname": (170, 161),
    "setdomainname": (171, 162),
    "settimeofday": (164, 170),
    "clock_settime": (227, 112),
    "quotactl": (179, 60),
}
_SIGNALLING = {"tkill": (200, 130), "rt_sigqueueinfo": (129, 138), "rt_tgsigqueueinfo": (297, 240)}
_TALKING = {"connect": (42, 203), "sendto": (44, 206), "sendmsg": (46, 211), "sendmmsg": (307, 269)}
"""A filter cannot see to which of this machine's sockets."""
_NOT_THERE = {"io_uring_setup": (425, 425), "io_uring_enter": (426, 426), "io_uring_register": (427, 427)}
"""`io_uring` opens sockets without the system call."""

AUDIT_ARCH = {"x86_64": 0xC000003E, "aarch64": 0xC00000B7}
"""The architectures that there is a filter for."""
_COLUMN = {"x86_64": 0, "aarch64": 1}
_AF_UNIX, _AF_NETLINK = 1, 16
"""A graphics driver talks over sockets of these families."""
_X32_BIT = 0x40000000
_NEW_NAMESPACES = 0x7E020000
"""CLONE_NEWNS, NEWCGROUP, NEWUTS, NEWIPC, NEWUSER, NEWPID and NEWNET."""
_TIOCSTI, _TIOCLINUX = 0x5412, 0x541C
"""Typing into the terminal that the worker was started from."""
_ALLOW = 0x7FFF0000
_ERRNO = 0x00050000
_LOAD, _JUMP, _JUMP_EQUAL, _JUMP_GREATER_EQUAL, _JUMP_SET, _RETURN = 0x20, 0x05, 0x15, 0x35, 0x45, 0x06
_NUMBER, _ARCH, _ARGUMENTS = 0, 4, 16
"""Where struct seccomp_data has them; of an argument, its lower half."""


def number(name: str, machine: str) -> int:
    """The number of a system call that both architectures have."""
    return NUMBERS[name][_COLUMN[machine]]


@cache
def program(machine: str, *, group: int = 0, talks: bool = True, keep_from: Collection[int] | None = None) -> bytes:
    """The filter as the kernel takes it.

    `group`: the process group that a process may join, or with 0 lead one of its own: what starts a tool does so under
    this filter, too. `talks`: to what listens on this machine, as a graphics driver does. `keep_from`: processes that
    must not be signalled, where nothing else keeps a tool from it; then single processes may not be signalled at all,
    but for a thread's own process.
    """
    column = _COLUMN[machine]
    refused = {**_REFUSED, **(_SIGNALLING if keep_from is not None else {}), **({} if talks else _TALKING)}
    rules = [
        _instruction(_LOAD, _ARCH),
        _instruction(_JUMP_EQUAL, AUDIT_ARCH[machine], when=1),
        _answer(errno.ENOSYS),
        _instruction(_LOAD, _NUMBER),
    ]
    if machine == "x86_64":
        # The other way to number the same system calls.
        rules += [_instruction(_JUMP_GREATER_EQUAL, _X32_BIT, otherwise=1), _answer(errno.ENOSYS)]
    rules += _refusing([columns[column] for columns in refused.values()], errno.EPERM)
    rules += _refusing([*(columns[column] for columns in _NOT_THERE.values()), number("clone3", machine)], errno.ENOSYS)

    def about(name: str, *body: bytes) -> None:
        """Instructions for one call; its last one answers."""
        rules.append(_instruction(_JUMP_EQUAL, number(name, machine), otherwise=len(body)))
        rules.extend(body)

    def unless(argument: int, *allowed: int, answer: int = errno.EPERM) -> list[bytes]:
        """Refuse the call unless that argument is one of these."""
        jumps = [
            _instruction(_JUMP_EQUAL, value & 0xFFFFFFFF, when=len(allowed) - place)
            for place, value in enumerate(allowed)
        ]
        return [_argument(argument), *jumps, _answer(answer), _instruction(_RETURN, _ALLOW)]

    def where(argument: int, *forbidden: int) -> list[bytes]:
        """Refuse the call where that argument is one of these."""
        jumps = [
            _instruction(_JUMP_EQUAL, value & 0xFFFFFFFF, when=len(forbidden) - place)
            for place, value in enumerate(forbidden)
        ]
        return [_argument(argument), *jumps, _instruction(_RETURN, _ALLOW), _answer(errno.EPERM)]

    about("socket", *unless(0, _AF_UNIX, _AF_NETLINK, answer=errno.EACCES))
    own = [_argument(0), _instruction(_JUMP_EQUAL, 0, when=1), _answer(errno.EPERM)]
    about("setpgid", *own, *unless(1, group))
    about(
        "clone",
        _argument(0),
        _instruction(_JUMP_SET, _NEW_NAMESPACES, when=1),
        _instruction(_RETURN, _ALLOW),
        _answer(errno.EPERM),
    )
    about("ioctl", *where(1, _TIOCSTI, _TIOCLINUX))
    about("prlimit64", *unless(0, 0))
    if keep_from is not None:
        about("kill", *unless(0, 0))
        about("tgkill", *where(0, *keep_from))
    rules.append(_instruction(_RETURN, _ALLOW))
    return b"".join(rules)


def _refusing(numbers: Collection[int | None], error: int) -> list[bytes]:
    there = [number for number in numbers if number is not None]
    jumps = [_instruction(_JUMP_EQUAL, number, when=len(there) - place) for place, number in enumerate(there)]
    # Whoever met none of them jumps over the answer.
    return [*jumps, _instruction(_JUMP, 1), _answer(error)]


def _argument(place: int) -> bytes:
    return _instruction(_LOAD, _ARGUMENTS + 8 * place)


def _answer(error: int) -> bytes:
    return _instruction(_RETURN, _ERRNO | error)


def _instruction(code: int, value: int, *, when: int = 0, otherwise: int = 0) -> bytes:
    """struct sock_filter: code, jump when true, jump when false, value."""
    return struct.pack("=HBBI", code, when, otherwise, value)
