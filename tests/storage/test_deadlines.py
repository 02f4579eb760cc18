"""Stores that accept and say nothing, or a byte now and then: how long they keep a worker, with real sockets."""

from __future__ import annotations

import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import certificates
import pytest
import s3_server
from pydantic import SecretStr
from store_front import front

from codex_assets.archive.history import JobRecord
from codex_assets.archive.store import RecordStore
from codex_assets.errors import StorageError
from codex_assets.storage import deadlines
from codex_assets.storage.deadlines import LeastRate
from codex_assets.storage.locations import S3Location
from codex_assets.storage.s3 import S3Store
from codex_assets.worker import job

MIB = 1024 * 1024
TS = "video/mp2t"
HASTE = LeastRate(seconds=1.0, bytes_per_second=100 * MIB)
GIVEN_UP_SECONDS = 30.0
"""By far less than what a socket's own limits come to: those are half a minute for each of eight tries."""
HEAD = b'HTTP/1.1 200 OK\r\nContent-Length: 1000\r\nETag: "x"\r\nLast-Modified: Sun, 29 Nov 2026 00:00:00 GMT\r\n\r\n'


def says_nothing(connection: socket.socket, over: threading.Event) -> None:
    over.wait()


def trickles_its_body(connection: socket.socket, over: threading.Event) -> None:
    connection.recv(1 << 16)
    connection.sendall(HEAD)
    while not over.wait(0.05):
        connection.sendall(b"x")


def trickles_its_headers(connection: socket.socket, over: threading.Event) -> None:
    connection.recv(1 << 16)
    for byte in HEAD.replace(b"ETag", b"X-Filler: " + b"y" * 10_000 + b"\r\nETag"):
        if over.wait(0.05):
            return
        connection.sendall(bytes([byte]))


def takes_a_byte_at_a_time(connection: socket.socket, over: threading.Event) -> None:
    while not over.wait(0.05):
        connection.recv(1)


Manner = Callable[[socket.socket, threading.Event], None]


@contextmanager
def served(manner: Manner, tls: ssl.SSLContext | None = None) -> Iterator[str]:
    over = threading.Event()

    def answer(connection: socket.socket) -> None:
        with suppress(OSError):
            if tls is not None:
                connection = tls.wrap_socket(connection, server_side=True)
            with connection:
                manner(connection, over)

    def accept() -> None:
        with suppress(OSError):
            while True:
                connection, _ = listener.accept()
                threading.Thread(target=answer, args=(connection,), daemon=True).start()

    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        threading.Thread(target=accept, daemon=True).start()
        try:
            yield f"{'http' if tls is None else 'https'}://127.0.0.1:{listener.getsockname()[1]}"
        finally:
            over.set()


def store_at(url: str, rate: LeastRate = HASTE) -> S3Store:
    keys = SecretStr(s3_server.ACCESS_KEY), SecretStr(s3_server.SECRET_KEY)
    return S3Store(
        S3Location("media", "b", url, s3_server.REGION, *keys, versioned=False), part_size=5 * MIB, rate=rate
    )


def given_up(attempt: Callable[[], object], sentence: str) -> None:
    begun = time.monotonic()
    with pytest.raises(StorageError, match=sentence) as caught:
        attempt()
    assert caught.value.retryable
    assert time.monotonic() - begun < GIVEN_UP_SECONDS


@pytest.mark.parametrize("manner", [says_nothing, trickles_its_headers, trickles_its_body])
def test_a_store_that_does_not_come_to_an_end_is_given_up(manner: Manner, tmp_path: Path) -> None:
    with served(manner) as url:
        given_up(lambda: store_at(url).read("k"), "media store is too slow, or does not answer.* to read 'k'")


@pytest.mark.parametrize("manner", [says_nothing, trickles_its_body])
def test_behind_tls_too(manner: Manner, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    certificate = certificates.made(tmp_path, "localhost", "127.0.0.1")
    monkeypatch.setenv("AWS_CA_BUNDLE", str(certificate.authority))
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    tls.load_cert_chain(certificate.server)
    with served(manner, tls) as url:
        given_up(lambda: store_at(url).read("k"), "is too slow")


def test_a_store_that_takes_a_byte_at_a_time_is_given_up(tmp_path: Path) -> None:
    large = tmp_path / "large"
    large.write_bytes(bytes(4 * MIB))
    with served(takes_a_byte_at_a_time) as url:
        given_up(lambda: store_at(url).upload(large, "k", content_type=TS), "is too slow.* to write 'k'")


def test_a_block_around_it_shortens_every_transfer() -> None:
    """As for the record of a job that was answered."""
    with served(says_nothing) as url:
        store = store_at(url, LeastRate())
        with deadlines.within(1.0):
            given_up(lambda: store.read("k"), "is too slow")
            given_up(lambda: store.write("k", b"", content_type=TS), "is too slow")


def test_the_record_of_a_job_that_was_answered_is_not_waited_for(tmp_path: Path) -> None:
    """A store that stops answering after the webhook: the job is over in a moment, with its answer."""
    with served(says_nothing) as url:
        archive = store_at(url, LeastRate())
        begun = time.monotonic()
        with deadlines.within(deadlines.AFTERWARDS_SECONDS):
            assert not job._keep(RecordStore(archive), a_record())
        assert time.monotonic() - begun < GIVEN_UP_SECONDS


def a_record() -> JobRecord:
    return JobRecord(
        id="j1",
        media_id="m1",
        creator_id="c1",
        media_type="video",
        asked=("thumbnail",),
        started_at="2026-11-29T00:00:00.000+00:00",
    )


def test_what_is_fast_enough_is_left_alone(tmp_path: Path) -> None:
    """Also on a connection that another block has used before."""
    with s3_server.s3_server() as upstream, front(upstream) as state:
        bucket = s3_server.bucket(upstream)
        at = store_at(state.url, LeastRate(seconds=30.0))._location
        store = S3Store(S3Location("media", bucket, at.endpoint, at.region, at.access_key, at.secret_key, False))
        for number in range(20):
            with deadlines.within(20.0):
                store.write(f"k/{number}", b"x", content_type=TS)
        assert len(list(store.list("k/"))) == 20
