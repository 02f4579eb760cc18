"""What the judge saw of the same bytes before: decodes and comparisons are kept, because most mutants change little.

A playlist's mutants have the same segments, a mutant's two times the same bytes, and an edited rule changes nothing
that is seen. In: which looks are kept, and what tells them apart: the bytes that are looked at, and the code that
looks. Out: rules, and whatever reads the files themselves, which are always applied.
"""

from __future__ import annotations

import ast
import functools
import hashlib
import importlib.util
import os
import pickle
import re
import tempfile
import threading
from collections.abc import Callable, Sequence
from dataclasses import fields, is_dataclass
from functools import cache
from pathlib import Path
from typing import Any

from kept_runs import KeepingTools
from published import CACHE

from codex_assets.verification.observe import comparison
from codex_assets.verification.observe.decoder import Decoder
from codex_assets.verification.observe.picture_fidelity import PictureComparison

LOOKS = CACHE / "looks"
LISTING = "concatf:"


def keep_looks() -> None:
    """From now on, the judge of this process looks once at the same bytes."""
    for owner, name in (
        (PictureComparison, "compare"),
        (comparison, "compare_sounds"),
        (comparison, "coded_sound_digest"),
        (Decoder, "run"),
        (Decoder, "packets"),
        (Decoder, "probe_document"),
    ):
        look = getattr(owner, name)
        if not hasattr(look, "__wrapped__"):
            setattr(owner, name, _kept(name, look))


def _kept(name: str, look: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(look)
    def kept(*arguments: Any, **named: Any) -> Any:
        if not _is_honest(arguments[0]) or (name == "run" and _writes(arguments[1])):
            return look(*arguments, **named)
        description = repr((name, _described(arguments), _described(sorted(named.items()))))
        path = LOOKS / hashlib.sha256(f"{_code(look.__module__)} {description}".encode()).hexdigest()[:24]
        try:
            return pickle.loads(path.read_bytes())
        except OSError:
            seen = look(*arguments, **named)
        LOOKS.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile(dir=LOOKS, delete=False) as new:
            new.write(pickle.dumps(seen))
        os.rename(new.name, path)
        return seen

    return kept


def _is_honest(eyes: Decoder | PictureComparison) -> bool:
    """Whether these are the tools of this machine, with nothing in front."""
    decoder = eyes if isinstance(eyes, Decoder) else eyes.decoder
    return isinstance(decoder._tools, KeepingTools)


def _described(value: Any) -> Any:
    """`value` with the bytes of files in the place of their names."""
    if isinstance(value, Decoder):
        return ""
    if isinstance(value, Path):
        return _bytes_of(value)
    if isinstance(value, str):
        if value.startswith(LISTING):
            return _listed(Path(value.removeprefix(LISTING)))
        return _bytes_of(Path(value)) if value.startswith("/") else value
    if is_dataclass(value):
        return (type(value).__name__, [(each.name, _described(getattr(value, each.name))) for each in fields(value)])
    if isinstance(value, (list, tuple)):
        return [_described(part) for part in value]
    return value


def _writes(arguments: Sequence[str]) -> bool:
    return any(part.startswith("/") and not Path(part).is_file() for part in arguments)


def _listed(listing: Path) -> list[str]:
    lines = os.fsdecode(listing.read_bytes()).splitlines()
    return [_bytes_of(Path(re.sub(r"\\(.)", r"\1", line))) for line in lines]


def _bytes_of(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest() if path.is_file() else str(path)


_PARSING = threading.Lock()
"""Looks run side by side, and Python 3.11's parser counts the depth of all threads together."""


def _code(module: str) -> str:
    """A hash of a module of the package, and of all that it imports of the package, and these in turn."""
    with _PARSING:
        return _hash_of_code(module)


@cache
def _hash_of_code(module: str) -> str:
    waiting, known = [module], {}
    while waiting:
        name = waiting.pop()
        spec = importlib.util.find_spec(name) if name not in known else None
        if spec is None or spec.origin is None:
            continue
        known[name] = Path(spec.origin).read_bytes()
        for node in ast.walk(ast.parse(known[name])):
            if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("codex_assets"):
                package = str(node.module)
                waiting += [package, *(f"{package}.{each.name}" for each in node.names if _is_package(package))]
    return hashlib.sha256(repr(sorted(known.items())).encode()).hexdigest()


def _is_package(name: str) -> bool:
    spec = importlib.util.find_spec(name)
    return spec is not None and spec.submodule_search_locations is not None
