"""How a client of a store is made: the SDK's session, its time limits, and which settings of the machine it reads.

Of the machine, clients use its proxies and CA bundle only: not its AWS profile, files, endpoints or other settings.
"""

from __future__ import annotations

import os
import threading
from functools import cache
from typing import TYPE_CHECKING, Any, Final

import boto3
import botocore.session
from botocore import UNSIGNED
from botocore.config import Config
from botocore.configprovider import BOTOCORE_DEFAUT_SESSION_VARIABLES, ConstantProvider
from botocore.loaders import Loader

from codex_assets.storage.deadlines import watch_connections
from codex_assets.storage.locations import S3Location

if TYPE_CHECKING:
    from types_boto3_s3 import S3Client

POOL_CONNECTIONS: Final = 32
CONNECT_TIMEOUT_SECONDS: Final = 10
READ_TIMEOUT_SECONDS: Final = 30
"""Seconds without a byte: less than a transfer may take in all, so that it is tried again."""

_MAKING_CLIENTS: Final = threading.Lock()
"""Clients may be shared by threads, but the session that makes them may not."""


@cache
def _session() -> boto3.session.Session:
    """One for all stores: it keeps the service's description, which takes longer to load than a request.

    It takes nothing from the machine's AWS set-up (AWS_PROFILE, ~/.aws, AWS_ENDPOINT_URL_S3, ...), which is meant for
    other stores than ours and has made clients fail or go elsewhere. The CA bundle that a company's proxy needs stays
    (AWS_CA_BUNDLE, REQUESTS_CA_BUNDLE), and so do the proxies themselves, which are no setting of AWS.
    """
    unread = {
        name: (None, None, default, conversion)
        for name, (_, _, default, conversion) in BOTOCORE_DEFAUT_SESSION_VARIABLES.items()
    }
    core = botocore.session.Session(
        session_vars={
            **unread,
            "config_file": (None, None, os.devnull, None),
            "credentials_file": (None, None, os.devnull, None),
            "ca_bundle": (None, "AWS_CA_BUNDLE", None, None),
        }
    )
    # This section has variables of its own, beside the files'.
    core.get_component("config_store").set_config_provider("s3", ConstantProvider(None))
    # Without ~/.aws/models and AWS_DATA_PATH, which may describe another S3.
    core.register_component(
        "data_loader", Loader(extra_search_paths=[Loader.BUILTIN_DATA_PATH], include_default_search_paths=False)
    )
    core.register("before-call.s3", _leave_redirects)
    return boto3.session.Session(botocore_session=core)


def _leave_redirects(**event: Any) -> None:
    """Keep the SDK from looking for the bucket's region when a store redirects: it asks HEAD of the bucket, whose own
    redirect it follows likewise, without an end. A redirect is an answer to us."""
    event["params"].get("context", {}).get("s3_redirect", {})["redirected"] = True


def prepare() -> None:
    """Load the service's description, ahead of the first client. Asks nobody."""
    with _MAKING_CLIENTS:
        _session().client("s3", region_name="us-east-1", config=Config(signature_version=UNSIGNED))


def make_client(location: S3Location, attempts: int) -> S3Client:
    """A client that threads may share. `attempts`: tries of one request, the first included.

    Raises the SDK's errors, and `ValueError` for an address or a region that is not valid.
    """
    with _MAKING_CLIENTS:
        client = _session().client(
            "s3",
            endpoint_url=location.endpoint,
            region_name=location.region,
            aws_access_key_id=location.access_key.get_secret_value(),
            aws_secret_access_key=location.secret_key.get_secret_value(),
            config=Config(
                signature_version="s3v4",
                retries={"mode": "standard", "total_max_attempts": attempts},
                max_pool_connections=POOL_CONNECTIONS,
                connect_timeout=CONNECT_TIMEOUT_SECONDS,
                read_timeout=READ_TIMEOUT_SECONDS,
                tcp_keepalive=True,
                # Newer SDKs add checksum headers by default, which R2 and B2 have refused.
                request_checksum_calculation="when_required",
                response_checksum_validation="when_required",
                s3={"addressing_style": "path"},
            ),
        )
        watch_connections(client)
        return client
