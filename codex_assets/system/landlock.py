"""Landlock, Linux's access rules that a thread puts on itself: asked for by system calls, without privileges.

In: the kernel's words (docs.kernel.org/userspace-api/landlock.html) for what it may be asked, by the version of its
interface. Out: which files those are, and what it means where the kernel has none of it (`sandbox.py`).

A domain is inherited by everything that the thread starts. Whatever its rules are, a process inside may not trace one
outside, nor read that one's memory and environment in `/proc`: not even as root.
"""

from __future__ import annotations

import ctypes
import os
import stat
import struct
from collections.abc import Mapping
from functools import cache
from pathlib import Path

_CREATE_RULESET, _ADD_RULE, _RESTRICT_SELF = 444, 445, 446
"""The same numbers on every architecture."""
_CREATE_VERSION = 1
_RULE_PATH_BENEATH = 1

EXECUTE, WRITE_FILE, READ_FILE, READ_DIR, REMOVE_DIR, REMOVE_FILE = (1 << bit for bit in range(6))
MAKE_CHAR, MAKE_DIR, MAKE_REG, MAKE_SOCK, MAKE_FIFO, MAKE_BLOCK, MAKE_SYM = (1 << bit for bit in range(6, 13))
REFER, TRUNCATE, IOCTL_DEV = 1 << 13, 1 << 14, 1 << 15

READ = READ_FILE | READ_DIR
RUN = READ | EXECUTE
WRITE = READ | WRITE_FILE | TRUNCATE | MAKE_DIR | MAKE_REG | REMOVE_DIR | REMOVE_FILE
"""No links, pipes, sockets or devices: the worker opens by name what a tool was asked to make, and reads it."""
DEVICE = READ | WRITE_FILE | TRUNCATE | IOCTL_DEV
STRANGE = MAKE_CHAR | MAKE_SOCK | MAKE_FIFO | MAKE_BLOCK | MAKE_SYM
"""What no tool makes, wherever it writes."""
_OF_A_FILE = EXECUTE | WRITE_FILE | READ_FILE | TRUNCATE | IOCTL_DEV

_FILES_SINCE = {1: (1 << 13) - 1, 2: REFER, 3: TRUNCATE, 5: IOCTL_DEV}
TCP_SINCE, SCOPES_SINCE = 4, 6
_ALL_TCP, _ALL_SCOPES = 0b11, 0b11
"""Binding and connecting; abstract Unix sockets, and signals, of processes outside the domain."""


class Refused(Exception):
    """Why the kernel would not; its message is the kernel's."""


@cache
def version() -> int:
    """The interface's version; 0 where the kernel has none, or does not allow it here."""
    try:
        return max(0, _call(_CREATE_RULESET, None, 0, _CREATE_VERSION))
    except Refused:
        return 0


def restrict(rights: Mapping[Path, int] | None) -> None:
    """Restrict the calling thread, and all that it starts, for good. It has to have given up new privileges before.

    `rights`: what may be done at a path and beneath it; paths that do not exist are left out. Nothing else may be read
    or written. None: every path may, only that nothing strange is made. No TCP, no signals and no abstract sockets to
    the outside in either case, where the kernel knows those. Raises `Refused`.
    """
    known = version()
    if not known:
        raise Refused("the kernel has no Landlock, or does not allow it here")
    all_files = sum(bits for since, bits in _FILES_SINCE.items() if known >= since)
    files = STRANGE if rights is None else all_files
    ruleset = _new_ruleset(known, files)
    try:
        for path, allowed in (rights or {}).items():
            _allow(ruleset, path, allowed & all_files)
        _call(_RESTRICT_SELF, ruleset, 0)
    finally:
        os.close(ruleset)


def _new_ruleset(known: int, files: int) -> int:
    attributes = struct.pack("=Q", files)
    if known >= TCP_SINCE:
        attributes += struct.pack("=Q", _ALL_TCP)
    if known >= SCOPES_SINCE:
        attributes += struct.pack("=Q", _ALL_SCOPES)
    return _call(_CREATE_RULESET, attributes, len(attributes), 0)


def _allow(ruleset: int, path: Path, allowed: int) -> None:
    try:
        opened = os.open(path, os.O_PATH | os.O_CLOEXEC)
    except OSError:
        return
    try:
        if not stat.S_ISDIR(os.fstat(opened).st_mode):
            allowed &= _OF_A_FILE
        _call(_ADD_RULE, ruleset, _RULE_PATH_BENEATH, struct.pack("=Qi", allowed, opened), 0)
    finally:
        os.close(opened)


@cache
def _libc() -> ctypes.CDLL:
    libc = ctypes.CDLL(None, use_errno=True)
    libc.syscall.restype = ctypes.c_long
    return libc


def _call(number: int, *arguments: int | bytes | None) -> int:
    try:
        libc = _libc()
    except OSError:
        raise Refused("no C library") from None
    given = [
        ctypes.c_long(argument) if isinstance(argument, int) else ctypes.c_char_p(argument) for argument in arguments
    ]
    result = int(libc.syscall(ctypes.c_long(number), *given))
    if result < 0:
        raise Refused(os.strerror(ctypes.get_errno()))
    return result
