"""Whether an attempt of a step failed exactly as the attempt before it: then another would fail so again.

The signature of a step's last failure is kept in a tag of its run, for each attempt may run in a process of its own.
In: the tag. Out: which failures are worth another attempt at all (`errors.py`), and jobs that fail alike
(`worker/repeated_failures.py`).
"""

import dagster as dg

from codex_assets.errors import JobError

TAG = "codex/failed."


def is_repetition(instance: dg.DagsterInstance, run_id: str, step: str, error: JobError) -> bool:
    """Whether `step` failed with the same signature in this run before; its signature is remembered if not."""
    run = instance.get_run_by_id(run_id)
    if error.signature is None or not error.retryable or run is None:
        return False
    if run.tags.get(TAG + step) == error.signature:
        return True
    instance.add_run_tags(run_id, {TAG + step: error.signature})
    return False
