"""How long a transfer may take, and what ends one that takes longer: also one whose bytes trickle.

A socket's own time limit begins anew with every byte, so a store that sends one now and then would hold a worker for
ever. Here a time is set for all that a thread asks a store for in a block, with every repetition: when it is over, the
connection that is in use is shut down under whoever waits for it, and no other is begun. Not here: how long a store may
be silent (`s3_client.py`), and how often it is asked (`s3_requests.py`).
"""

from __future__ import annotations

import os
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import Any, Final

from botocore.awsrequest import AWSHTTPConnection, AWSHTTPConnectionPool, AWSHTTPSConnection, AWSHTTPSConnectionPool

AFTERWARDS_SECONDS: Final = 8.0
"""What is written when a job has been answered already: nobody waits for it, and the worker is paid for."""


@dataclass(frozen=True)
class LeastRate:
    """What a transfer may take at most: `seconds`, and one more for each `bytes_per_second` of it."""

    seconds: float = 60.0
    bytes_per_second: float = 256 * 1024

    def limit(self, size: int) -> float:
        """Seconds for `size` bytes, with everything that is repeated."""
        return self.seconds + size / self.bytes_per_second


LEAST_RATE: Final = LeastRate()


class TooSlow(Exception):
    """A transfer took longer than it may."""


class _TransferTime:
    """The time of one block, and the connections that were used in it."""

    def __init__(self, at: float) -> None:
        self.at = at
        self._lock = threading.Lock()
        self._connections: list[int] = []
        """Descriptors of their own: a connection may be closed meanwhile, and its number be another file's."""

    def watch(self, connection: socket.socket) -> None:
        with self._lock, suppress(OSError):
            self._connections.append(os.dup(connection.fileno()))

    def end(self) -> None:
        """Shut down every connection of the block."""
        with self._lock:
            for descriptor in self._connections:
                with suppress(OSError), socket.socket(fileno=os.dup(descriptor)) as same:
                    same.shutdown(socket.SHUT_RDWR)

    def close(self) -> None:
        with self._lock:
            for descriptor in self._connections:
                os.close(descriptor)
            self._connections.clear()


class _OfThread(threading.local):
    deadline: _TransferTime | None = None


_present = _OfThread()


@contextmanager
def within(seconds: float) -> Iterator[None]:
    """End what this thread asks a store for in the block when `seconds` have passed, or those of a block around it."""
    outer = _present.deadline
    at = time.monotonic() + seconds
    deadline = _TransferTime(at if outer is None else min(at, outer.at))
    timer = threading.Timer(max(0.0, deadline.at - time.monotonic()), deadline.end)
    timer.daemon = True
    _present.deadline = deadline
    timer.start()
    try:
        yield
    finally:
        timer.cancel()
        _present.deadline = outer
        deadline.close()


def is_over() -> bool:
    """Whether the time of the block that this thread is in has passed."""
    deadline = _present.deadline
    return deadline is not None and time.monotonic() >= deadline.at


def require_time(**event: Any) -> None:
    """Raises `TooSlow` when there is no time left. The SDK calls it before each attempt."""
    if is_over():
        raise TooSlow


class _EndableConnection(AWSHTTPConnection):
    def _new_conn(self) -> Any:
        return _watched(super()._new_conn())

    def request(self, *arguments: Any, **options: Any) -> Any:
        _watched(self.sock)
        return super().request(*arguments, **options)


class _EndableSecureConnection(AWSHTTPSConnection):
    def _new_conn(self) -> Any:
        return _watched(super()._new_conn())

    def request(self, *arguments: Any, **options: Any) -> Any:
        _watched(self.sock)
        return super().request(*arguments, **options)


def _watched(connection: Any) -> Any:
    if connection is not None and _present.deadline is not None:
        _present.deadline.watch(connection)
    return connection


class _EndablePool(AWSHTTPConnectionPool):
    ConnectionCls = _EndableConnection


class _EndableSecurePool(AWSHTTPSConnectionPool):
    ConnectionCls = _EndableSecureConnection


def watch_connections(client: Any) -> None:
    """Make a new client of the SDK use connections that a deadline can end."""
    # The SDK has no public place for it; a test fails when this one moves.
    client._endpoint.http_session._pool_classes_by_scheme.update(http=_EndablePool, https=_EndableSecurePool)
    client.meta.events.register_first("before-send.s3", require_time)
