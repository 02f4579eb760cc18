"""How a value of a payload is described in an error: its type, and a shortened form of it that is safe to print."""

from __future__ import annotations

import json
from collections.abc import Mapping


def is_text(text: str) -> bool:
    """Whether a text can be encoded as UTF-8. JSON may hold half of a surrogate pair, which stores, signatures and logs
    cannot encode."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def json_kind(value: object) -> str:
    """The JSON type of a value, with its article: "a number", "an object"."""
    names: Mapping[type, str] = {
        type(None): "null",
        bool: "a boolean",
        int: "a number",
        float: "a number",
        str: "text",
        list: "a list",
        dict: "an object",
    }
    return names.get(type(value), type(value).__name__)


def quoted(value: object) -> str:
    """A value as a person can recognise it: text short, in quotes and without control characters, else its kind."""
    if not isinstance(value, str):
        return json_kind(value)
    return json.dumps(value if len(value) <= 80 else value[:79] + "…", ensure_ascii=not value.isprintable())
