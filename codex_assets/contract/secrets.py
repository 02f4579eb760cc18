"""Secrets on the wire: which values cannot be secrets, and how a secret is kept out of a text.

In: placeholders and empty values, the rules of a webhook's secret, and taking a secret, or the beginning of one, out of
a sentence. Out: signing (`net/webhook.py`), and where secrets come from (`config/settings.py`).
"""

from __future__ import annotations

import json
import re
from itertools import takewhile

from pydantic import SecretStr

from codex_assets.contract.quoted_values import is_text

SECRET_LEAST = 8
"""Characters. What is shorter can be tried out by anyone who has seen one signature."""
SECRET_MOST = 1024
"""Characters: what is longer is a file that got into the wrong field."""

_NO_VALUES = frozenset({"undefined", "null", "none", "changeme", "placeholder", "replaceme"})
_TO_BE_FILLED_IN = re.compile(r"<[^<>]+>|your[-_ ].+|x{3,}|\.{3}", re.IGNORECASE)


def is_placeholder(text: str) -> bool:
    """Whether a setting was never filled in: an unresolved reference, or a word that stands for a value."""
    word = text.strip()
    return (
        "{{" in word
        or "${" in word
        or word.lower().replace("-", "").replace("_", "") in _NO_VALUES
        or _TO_BE_FILLED_IN.fullmatch(word) is not None
    )


def secret_problem(secret: SecretStr) -> str | None:
    """Why a webhook secret cannot be meant, as a phrase that does not repeat it; None when it can.

    An empty key signs without complaint, and so does a template that was never filled in: both would make signatures
    that anyone can forge.
    """
    text = secret.get_secret_value()
    if len(text) > SECRET_MOST:
        return f"must be at most {SECRET_MOST:,} characters long"
    if not text.strip():
        return "must not be blank"
    if not is_text(text):
        return "must be valid Unicode text"
    if is_placeholder(text):
        return "must be the real secret, not an unresolved placeholder"
    if len(text) < SECRET_LEAST:
        return f"must be at least {SECRET_LEAST} characters long"
    return None


def without_secrets(sentence: str, secrets: list[object]) -> str:
    """`sentence` with no secret in it, should another field repeat one. Very short ones are words, not secrets."""
    for secret in secrets:
        text = secret.get_secret_value() if isinstance(secret, SecretStr) else secret
        if isinstance(text, str) and len(text) >= 6:
            # A sentence repeats no more of a value: it is cut off long before.
            text = text[:SECRET_MOST]
            # As `wording.quoted` writes it: quoted, maybe escaped, maybe cut off; a host comes in lower case.
            for form in dict.fromkeys([text, *(json.dumps(text, ensure_ascii=plain)[1:-1] for plain in (True, False))]):
                sentence = re.sub(re.escape(form), "***", sentence, flags=re.IGNORECASE)
                sentence = _without_long_beginning(sentence, form)
                for cut in ("…", "\\u2026"):
                    sentence = _without_beginning(sentence, form, cut)
    return sentence


LONG_BEGINNING = 16
"""Characters of a secret that nobody repeats by chance."""


def _without_long_beginning(sentence: str, secret: str) -> str:
    """`sentence` where no long beginning of `secret` stands: another field may repeat the most of it."""
    if len(secret) < LONG_BEGINNING:
        return sentence
    start = re.compile(re.escape(secret[:LONG_BEGINNING]), re.IGNORECASE)
    kept, at = [], 0
    # Place by place in the text as it is: some letters are longer in lower case.
    while match := start.search(sentence, at):
        pairs = zip(sentence[match.end() :], secret[LONG_BEGINNING:], strict=False)
        same = sum(1 for _ in takewhile(lambda pair: pair[0].lower() == pair[1].lower(), pairs))
        kept += [sentence[at : match.start()], "***"]
        at = match.end() + same
    return "".join([*kept, sentence[at:]])


def _without_beginning(sentence: str, secret: str, cut: str) -> str:
    """`sentence` where no beginning of `secret` stands before `cut`, the mark of a value that was cut off."""
    parts = sentence.split(cut)
    for number, part in enumerate(parts[:-1]):
        for length in range(min(len(secret), len(part)), 5, -1):
            if part.endswith(secret[:length]):
                parts[number] = part[:-length] + "***"
                break
    return cut.join(parts)
