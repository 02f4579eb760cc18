"""What all tests share: how much hypothesis tries, and a receiver of webhooks.

Hypothesis takes the same examples in every run, and many more of them behind `slow`.
"""

from __future__ import annotations

from collections.abc import Iterator

import hypothesis
import pytest
from webhook_receiver import Receiver, receiving

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
