"""A valid payload, the policies of a deployed and of a local worker, and the written schemas of the contract."""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path
from typing import Any

from jsonschema import Draft202012Validator
from pydantic import SecretStr

from codex_assets.contract.payload import PayloadPolicy

ROOT = Path(__file__).resolve().parents[2]
GOLDENS = ROOT / "fixtures" / "contract"
POLICY = PayloadPolicy(
    archive_bucket="codex-archive",
    media_bucket="codex-media-staging",
    assets_bucket="codex-assets-staging",
)
LOCAL = PayloadPolicy(
    archive_bucket="codex-archive",
    media_bucket="codex-media-staging",
    assets_bucket="codex-assets-staging",
    default_secret=SecretStr("endpoint-own-secret"),
    allow_private_webhook=True,
)


@cache
def written_schema(name: str) -> Draft202012Validator:
    """The schema of this file name in docs/contract."""
    schema = json.loads((ROOT / "docs" / "contract" / name).read_text(encoding="utf-8"))
    Draft202012Validator.check_schema(schema)
    return Draft202012Validator(schema)


def payload(**changes: Any) -> dict[str, Any]:
    """A video's payload that every policy takes, with some fields changed."""
    plain = json.loads((GOLDENS / "payloads" / "valid" / "video.json").read_text(encoding="utf-8"))
    return {**plain, **changes}
