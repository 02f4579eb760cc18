"""What all tests share: how much hypothesis tries, a receiver of webhooks, an instance of Dagster.

Hypothesis takes the same examples in every run, and many more of them behind `slow`.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import hypothesis
import pytest
from webhook_receiver import Receiver, receiving

if TYPE_CHECKING:
    import dagster as dg

# Found failures become named cases, not a database: a run may not depend on what an earlier one saw.
hypothesis.settings.register_profile(
    "codex",
    derandomize=True,
    database=None,
    deadline=None,
    max_examples=100,
    print_blob=True,
    suppress_health_check=[hypothesis.HealthCheck.too_slow, hypothesis.HealthCheck.data_too_large],
)
hypothesis.settings.load_profile("codex")


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with receiving() as server:
        yield server


@pytest.fixture
def instance(tmp_path: Path) -> Iterator[dg.DagsterInstance]:
    """A new one, with databases of its own."""
    # Here, not above: it takes seconds, and most tests need none.
    import dagster as dg

    home = tmp_path / "dagster"
    home.mkdir()
    (home / "dagster.yaml").write_text("telemetry: {enabled: false}\n", encoding="utf-8")
    with dg.DagsterInstance.from_config(str(home)) as opened:
        yield opened
