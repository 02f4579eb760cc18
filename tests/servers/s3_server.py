"""A real S3 server over HTTP for tests: moto in a process of its own.

In a process of its own, and spoken to over a socket, so that the SDK runs exactly as it does in production: nothing of
boto3 is patched. It accepts every signature. `bucket` makes a bucket, `client` is for looking at, or tampering with,
what a store holds behind our back.

It does one request at a time, and so each of them whole, as S3 promises: moto itself looks at the condition of a write
(`If-None-Match`, `If-Match`) and then writes, and of two creates at once both may win.
"""

from __future__ import annotations

import itertools
import multiprocessing
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

import boto3
from botocore.config import Config
from pydantic import SecretStr

from codex_assets.storage.locations import S3Location
from codex_assets.storage.objects import Role

if TYPE_CHECKING:
    from types_boto3_s3 import S3Client

ACCESS_KEY = "test-access-key"
SECRET_KEY = "test-secret-key"  # nosec: no such account exists
REGION = "us-east-1"
PAGE = 20
"""Most keys in one page of a listing: small, so that listings have several pages without thousands of objects."""

_PROGRAM = """
import ctypes, io, logging, os, signal, sys, threading, time
from moto.moto_server.werkzeug_app import DomainDispatcherApplication, MotoRequestHandler, create_backend_app
from werkzeug.serving import make_server
from moto.s3.models import S3Backend

logging.getLogger("werkzeug").setLevel(logging.ERROR)
signal.signal(signal.SIGCHLD, signal.SIG_IGN)
moto, turn = DomainDispatcherApplication(create_backend_app), threading.Lock()


def in_turn(environ, start_response):
    # The body first: whoever sends it slowly holds up nobody.
    size = int(environ.get("CONTENT_LENGTH") or 0)
    if size and "HTTP_TRANSFER_ENCODING" not in environ:
        environ["wsgi.input"] = io.BytesIO(environ["wsgi.input"].read(size))
    with turn:
        return moto(environ, start_response)


write = S3Backend.put_object


def write_late(*arguments, **named):
    # It has looked at the condition already.
    time.sleep(0.05)
    return write(*arguments, **named)


application = in_turn if sys.argv[1] == "in-turn" else moto
if application is moto:
    S3Backend.put_object = write_late


def server_at(port):
    return make_server("127.0.0.1", port, application, threaded=True, request_handler=MotoRequestHandler)


server = server_at(0)
threading.Thread(target=server.serve_forever, daemon=True).start()
print(server.server_port, flush=True)
for line in sys.stdin:
    with turn:
        is_parent = os.fork()
    if is_parent:
        continue
    ctypes.CDLL(None).prctl(1, signal.SIGKILL)  # with the one that it was copied from
    server.socket.close()
    server = server_at(int(line))
    print(server.server_port, os.getpid(), flush=True)
    server.serve_forever()
"""
_numbers = itertools.count(1)


def location(endpoint: str, name: str, *, role: Role = "media", versioned: bool = False) -> S3Location:
    """A bucket of the server at `endpoint`, as a worker is given it."""
    return S3Location(
        role=role,
        bucket=name,
        endpoint=endpoint,
        region=REGION,
        access_key=SecretStr(ACCESS_KEY),
        secret_key=SecretStr(SECRET_KEY),
        versioned=versioned,
    )


class S3Server:
    """A server that runs, at `url`."""

    def __init__(self, process: subprocess.Popen[str], port: str) -> None:
        self._process = process
        # Processes that were forked since share the pipes.
        self._copying = multiprocessing.get_context("fork").Lock()
        self.url = f"http://127.0.0.1:{port}"

    @contextmanager
    def copied(self, port: int = 0) -> Iterator[str]:
        """The URL of another server, which holds what this one holds at the beginning of the block: versions, times,
        uploads that have begun and all. `port`: 0 is one that is free."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        with self._copying:
            self._process.stdin.write(f"{port}\n")
            self._process.stdin.flush()
            taken, pid = self._process.stdout.readline().split()
        try:
            yield f"http://127.0.0.1:{taken}"
        finally:
            os.kill(int(pid), signal.SIGKILL)
            # Until then its port is taken.
            while Path(f"/proc/{pid}").exists():
                time.sleep(0.002)


@contextmanager
def started(*, locked: bool = True, **variables: str) -> Iterator[S3Server]:
    """A server that lives as long as the block (and ends with this process in any case), with more `variables` in its
    environment, which moto reads.

    `locked`: a conditional write is one step; without, writes at once all meet the same condition.
    """
    process = subprocess.Popen(
        [sys.executable, "-c", _PROGRAM, "in-turn" if locked else "at-once"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "MOTO_S3_DEFAULT_MAX_KEYS": str(PAGE), **variables},
    )
    assert process.stdout is not None
    try:
        port = process.stdout.readline().strip()
        if not port:
            raise RuntimeError(f"the S3 server did not start (exit {process.wait()})")
        yield S3Server(process, port)
    finally:
        process.terminate()
        process.communicate(timeout=120)


@contextmanager
def s3_server(*, locked: bool = True) -> Iterator[str]:
    """The endpoint URL of a server that lives as long as the block. `locked`: as `started` has it."""
    with started(locked=locked) as server:
        yield server.url


@cache
def client(endpoint: str) -> S3Client:
    """A plain client of that server, beside the stores under test."""
    return boto3.session.Session().client(
        "s3",
        endpoint_url=endpoint,
        region_name=REGION,
        aws_access_key_id=ACCESS_KEY,
        aws_secret_access_key=SECRET_KEY,
        config=Config(s3={"addressing_style": "path"}),
    )


def bucket(endpoint: str, *, versioned: bool = False) -> str:
    """The name of a new, empty bucket."""
    name = f"bucket-{os.getpid()}-{next(_numbers)}"
    s3 = client(endpoint)
    s3.create_bucket(Bucket=name)
    if versioned:
        s3.put_bucket_versioning(Bucket=name, VersioningConfiguration={"Status": "Enabled"})
    return name
