"""What of an address the page does not show: whatever lets somebody in who was not let in.

In: queries (where signatures and tokens are), names and passwords, tokens in a path. Out: the page (`page.py`).
"""

from __future__ import annotations

import re

HIDDEN = "…"
_USER = re.compile(r"(?<=://)[^/\s@]+@")
_QUERY = re.compile(r"(?<=[^\s(\"'?])\?[^\s\"'<>)?]+")
_FRAGMENT = re.compile(r"(?<=[\w/.…])#[^\s\"'<>)]*[=~][^\s\"'<>)]*")
_VALUE = re.compile(r"(?<=[/;])([\w.-]{1,40})[=~][^/\s\"'<>)]+")
_JSON_TOKEN = re.compile(r"\beyJ[\w-]{8,}(?:\.[\w-]*)*")


def without_secrets(text: str) -> str:
    """`text` with the secret parts of every address in it hidden; other text comes back as it is."""
    text = _USER.sub("", text)
    text = _QUERY.sub(f"?{HIDDEN}", text)
    text = _FRAGMENT.sub(f"#{HIDDEN}", text)
    text = _VALUE.sub(rf"\1={HIDDEN}", text)
    return _JSON_TOKEN.sub(HIDDEN, text)
