"""What a receiver's answer says: whether it took the message, and its own words where it did not.

In: an answer's bytes as they came, in whatever encoding and charset, whole or cut. Out: statuses, attempts and what
becomes of a refusal (`webhook.py`).

A 2xx is not yet a delivery: the platform says `{"received": true, "error": ...}` when it cannot match a job, and what
stands before a receiver (a challenge, a log-in page) answers 200 too. Refused is what says `error`, `received: false`
or `success: false` in JSON; an empty answer is taken; one that is no JSON is taken with a warning.
"""

from __future__ import annotations

import codecs
import json
import zlib
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from email.message import Message
from typing import Any

ANSWER_BYTES = 1 << 20
"""Most bytes of an answer that are read, and that it is unpacked to."""
LAYERS = 3
"""Compressions of one answer at most: a server's and its front's."""

_WORDS = ("message", "msg", "detail", "details", "description", "error_description", "reason", "title", "error", "code")
"""Fields in which receivers say what is wrong, the most telling first."""
_NOTHING = frozenset({"", "false", "null", "none", "0", "undefined", "no"})
"""What a string holds that was made from a value which is no error."""


@dataclass(frozen=True)
class ReceiverAnswer:
    """`text`: its start as people read it. `refusal`: why the message was not accepted, None where it was or nothing
    says so. `warning`: why it is not certain that a receiver took it."""

    text: str
    refusal: str | None = None
    warning: str | None = None


def judge(body: bytes, headers: Mapping[str, str]) -> ReceiverAnswer:
    """What a 2xx means."""
    text, is_whole = _text(body, headers)
    if not text:
        return ReceiverAnswer("")
    with suppress(ValueError, RecursionError):
        value = _parsed(text) if is_whole else dict(_members(text))
        if is_whole or value:
            return ReceiverAnswer(text, _refusal(value))
    return ReceiverAnswer(
        text, warning=f"it was answered with {_kind(text)} instead of JSON: it may not have been taken"
    )


def sentence(body: bytes, headers: Mapping[str, str]) -> str:
    """What the receiver says of a refusal by its status; empty where it says nothing for people."""
    text, _ = _text(body, headers)
    with suppress(ValueError, RecursionError):
        return _words(_parsed(text))
    return "" if _kind(text) == "a web page" else _clean(text)


# --- Bytes -> text ----------------------------------------------------------------------------------------------------


def _text(body: bytes, headers: Mapping[str, str]) -> tuple[str, bool]:
    """The text of an answer without what surrounds it, and whether it is all of it."""
    body, is_whole = _unpacked(body, headers)
    said = Message()
    said["Content-Type"] = headers.get("Content-Type", "")
    # JSON is UTF-8, or tells by its first bytes what it is. Others are what older servers declare, or forget to.
    for charset in (json.detect_encoding(body), said.get_content_charset() or "utf-8", "cp1252", "latin-1"):
        with suppress(LookupError, ValueError):
            b"".decode(charset)  # some codecs are of no text
            text = codecs.getincrementaldecoder(charset)().decode(body, is_whole)
            return text.strip(" \t\r\n\0\ufeff"), is_whole
    raise AssertionError("every byte is a character of Latin-1")


def _unpacked(body: bytes, headers: Mapping[str, str]) -> tuple[bytes, bool]:
    """The answer without its compressions, which were not asked for, and are not always announced."""
    is_whole = len(body) < ANSWER_BYTES
    announced = "deflate" in headers.get("Content-Encoding", "").lower()
    for layer in range(LAYERS):
        is_gzip = body[:2] == b"\x1f\x8b"
        if not is_gzip and not (announced and layer == 0):
            break
        for wbits in (31,) if is_gzip else (zlib.MAX_WBITS, -zlib.MAX_WBITS):
            machine = zlib.decompressobj(wbits)
            with suppress(zlib.error):
                body = machine.decompress(body, ANSWER_BYTES)
                # An end that is missing is one that did not arrive, or that is over the limit.
                is_whole = is_whole and machine.eof
                break
        else:
            break
    return body, is_whole


# --- Text -> meaning --------------------------------------------------------------------------------------------------


def _number(digits: str) -> float:
    return float(digits[:300])


def _parsed(text: str) -> Any:
    # Numbers may be longer than Python converts to an integer.
    return json.loads(text, parse_int=_number)


def _members(text: str) -> Iterator[tuple[str, Any]]:
    """The members of an object whose end is missing, as far as they are whole. Raises ValueError for what is none."""
    if not text.startswith("{"):
        raise ValueError("no object")
    decoder = json.JSONDecoder(parse_int=_number)
    at = 1
    with suppress(ValueError, IndexError, RecursionError):
        while True:
            name, at = decoder.raw_decode(text, _past(text, at))
            at = _past(text, at)
            if text[at] != ":" or not isinstance(name, str):
                return
            value, at = decoder.raw_decode(text, _past(text, at + 1))
            yield name, value
            at = _past(text, at)
            if text[at] != ",":
                return
            at += 1


def _past(text: str, at: int) -> int:
    """The first place from `at` that is no white space."""
    while text[at] in " \t\r\n":
        at += 1
    return at


def _refusal(value: Any, *, within_text: bool = False) -> str | None:
    if isinstance(value, str) and not within_text:
        # JSON within JSON, as frameworks send what was serialised already.
        try:
            return _refusal(_parsed(value), within_text=True)
        except (ValueError, RecursionError):
            return None
    if isinstance(value, list):
        # One answer for each of several messages; ours was one.
        return next((refusal for item in value if (refusal := _refusal(item, within_text=True))), None)
    if not isinstance(value, dict):
        return None
    fields = _fields(value)
    if not _is_nothing(fields.get("error")):
        return _words(fields.get("error")) or _words(value) or "it answered that there was an error"
    denied = next((name for name in ("received", "success") if name in fields and _is_false(fields[name])), None)
    if denied is None:
        return None
    return _words(value) or f"it answered `{denied}: false`"


def _fields(value: Mapping[str, Any]) -> dict[str, Any]:
    return {str(name).strip().lower(): field for name, field in value.items()}


def _is_nothing(value: Any) -> bool:
    """Whether a field that is there for every answer says that there is no error."""
    return not value or (isinstance(value, str) and value.strip().lower() in _NOTHING)


def _is_false(value: Any) -> bool:
    return value is False or (isinstance(value, str) and value.strip().lower() in {"false", "no"})


def _words(value: Any) -> str:
    """What a value says to people; empty where it holds no words."""
    if isinstance(value, str):
        return "" if _is_nothing(value) else _clean(value)
    if isinstance(value, list):
        return _clean("; ".join(words for item in value[:10] if (words := _words(item))))
    if isinstance(value, dict):
        fields = _fields(value)
        for name in _WORDS:
            if words := _words(fields.get(name)):
                return words
        return "" if fields.keys() <= {"received", "success", "error", "status", "ok"} else _clean(json.dumps(value))
    if isinstance(value, int | float) and not isinstance(value, bool):
        return f"error {value:g}"
    return ""


def _clean(text: str) -> str:
    """One line of printable characters."""
    return " ".join("".join(char if char.isprintable() else " " for char in text).split())


def _kind(text: str) -> str:
    start = text[:1000].lstrip().lower()
    return "a web page" if start.startswith("<") and ("html" in start or "<head" in start) else "text"
