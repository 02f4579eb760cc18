"""The JSON Schemas of the payload and of the webhook body, made from the models.

`python -m codex_assets.contract.schema` writes `docs/contract/*.schema.json`. What the schemas say is decided in
`payload.py` and `webhook.py`.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

from codex_assets.contract.names import ASSETS, when_media_type
from codex_assets.contract.payload import JobPayload
from codex_assets.contract.webhook import WEBHOOK_BODY, ProgressBody

_DIALECT = "https://json-schema.org/draft/2020-12/schema"


def payload_schema() -> dict[str, Any]:
    """JSON Schema of the job payload."""
    schema = _tidy(JobPayload.model_json_schema())
    # The endpoint may hold the secret; an explicit null counts as absent for what may be absent.
    for name in ("webhookSecret", "assets"):
        wanted = schema["properties"][name]
        wanted["type"] = [wanted["type"], "null"]
    schema["allOf"] = [
        *(when_media_type(name, {"assets": {"items": {"enum": list(outputs)}}}) for name, outputs in ASSETS.items()),
        {
            "if": {"not": {"required": ["webhookUrl"]}},
            "then": {
                "required": ["assets"],
                "properties": {"assets": {"type": "array"}, "webhookSecret": {"type": "null"}},
            },
        },
    ]
    return {"$schema": _DIALECT, **schema}


def webhook_schema() -> dict[str, Any]:
    """JSON Schema of the webhook body, both statuses."""
    schema = _tidy(WEBHOOK_BODY.json_schema())
    # An OpenAPI keyword: strict JSON Schema validators warn about it.
    schema.pop("discriminator", None)
    return {"$schema": _DIALECT, "title": "WebhookBody", **schema}


def progress_schema() -> dict[str, Any]:
    """JSON Schema of the webhook body of a job that is at work."""
    return {"$schema": _DIALECT, **_tidy(ProgressBody.model_json_schema())}


def _tidy(node: Any) -> Any:
    """The schema without what pydantic adds: titles of properties, and null for what is absent here."""
    if isinstance(node, list):
        return [_tidy(item) for item in node]
    if not isinstance(node, dict):
        return node
    plain = {key: _tidy(value) for key, value in node.items() if not (key == "default" and value is None)}
    for wanted in plain.get("properties", {}).values():
        if isinstance(wanted, dict):
            wanted.pop("title", None)
    kept = [option for option in plain.get("anyOf", []) if option != {"type": "null"}]
    if len(kept) == 1:
        del plain["anyOf"]
        plain |= kept[0]
    return plain


def schema_documents() -> dict[str, str]:
    """File name -> text of each written schema."""
    schemas = {
        "job-payload.schema.json": payload_schema(),
        "webhook-body.schema.json": webhook_schema(),
        "webhook-progress.schema.json": progress_schema(),
    }
    return {name: json.dumps(schema, indent=2, ensure_ascii=False) + "\n" for name, schema in schemas.items()}


def main(arguments: list[str]) -> None:
    """Write the schemas into the given folder, or into this checkout's `docs/contract`."""
    folder = Path(arguments[0]) if arguments else Path(__file__).resolve().parents[2] / "docs" / "contract"
    folder.mkdir(parents=True, exist_ok=True)
    for name, text in schema_documents().items():
        (folder / name).write_text(text, encoding="utf-8")
        print(folder / name)


if __name__ == "__main__":
    main(sys.argv[1:])
