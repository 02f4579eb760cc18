"""A real S3 server over HTTP for tests: moto in a process of its own.

In a process of its own, and spoken to over a socket, so that the SDK runs exactly as it does in production: nothing of
boto3 is patched. It accepts every signature. `bucket` makes a bucket, `client` is for looking at, or tampering with,
what a store holds behind our back.
"""

from __future__ import annotations

import itertools
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from typing import TYPE_CHECKING

import boto3
from botocore.config import Config

if TYPE_CHECKING:
    from types_boto3_s3 import S3Client

ACCESS_KEY = "test-access-key"
SECRET_KEY = "test-secret-key"  # nosec: no such account exists
REGION = "us-east-1"
PAGE = 20
"""Most keys in one page of a listing: small, so that listings have several pages without thousands of objects."""

_PROGRAM = """
import logging, sys
from moto.server import ThreadedMotoServer
logging.getLogger("werkzeug").setLevel(logging.ERROR)
server = ThreadedMotoServer("127.0.0.1", 0, verbose=False)
server.start()
print(server.get_host_and_port()[1], flush=True)
sys.stdin.read()
"""
_numbers = itertools.count(1)


@contextmanager
def s3_server() -> Iterator[str]:
    """The endpoint URL of a server that lives as long as the block (and ends with this process in any case)."""
    environment = {**os.environ, "MOTO_S3_DEFAULT_MAX_KEYS": str(PAGE)}
    process = subprocess.Popen(
        [sys.executable, "-c", _PROGRAM],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env=environment,
    )
    assert process.stdout is not None
    try:
        port = process.stdout.readline().strip()
        if not port:
            raise RuntimeError(f"the S3 server did not start (exit {process.wait()})")
        yield f"http://127.0.0.1:{port}"
    finally:
        process.terminate()
        process.communicate(timeout=10)


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
