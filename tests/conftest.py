"""How much hypothesis tries: the same examples in every run, and many more of them behind `slow`."""

from __future__ import annotations

import hypothesis

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
