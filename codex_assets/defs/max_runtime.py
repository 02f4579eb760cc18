"""How long a run may take before Dagster's monitor ends it."""

from codex_assets.build import on_runpod
from codex_assets.defs.assets import RETRIES

MAX_RUNTIME = {"dagster/max_runtime": str(round((RETRIES.max_retries + 1) * on_runpod.Pace().longest_seconds))}
"""The tag by which Dagster's monitor ends a run, in seconds: its op, tried again as often as it may be, each try as
long as the builder lets it wait and work. The builder's own limits come first: what a run waits for must not end it.
Dagster takes it before `max_runtime_seconds` of a `dagster.yaml`."""
