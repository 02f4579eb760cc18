"""Where a bucket is, and the keys that let a process in. What is done there is in `s3.py`.

A file of its own, so that whoever only reads settings does not load boto3.
"""

from __future__ import annotations

from dataclasses import dataclass

from pydantic import SecretStr

from codex_assets.storage.objects import Role


@dataclass(frozen=True)
class S3Location:
    """Where a bucket is and how to be let in. `versioned`: every write keeps the former version (B2 always does)."""

    role: Role
    bucket: str
    endpoint: str
    region: str
    access_key: SecretStr
    secret_key: SecretStr
    versioned: bool
