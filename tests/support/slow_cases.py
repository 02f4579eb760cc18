"""Which of many cases run with every run, and which with the slow tests alone."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, TypeVar

import pytest

Case = TypeVar("Case")


def is_first(number: int, _: object) -> bool:
    """For `some_slow`: the first case is quick, the others are its neighbours."""
    return number == 0


def some_slow(cases: Iterable[Case], is_quick: Callable[[int, Case], bool]) -> list[Any]:
    """All cases as parameters; `is_quick` is asked with the number and the case. A tuple is several parameters."""
    return [
        pytest.param(
            *(case if isinstance(case, tuple) else (case,)),
            marks=() if is_quick(number, case) else pytest.mark.slow,
        )
        for number, case in enumerate(cases)
    ]
