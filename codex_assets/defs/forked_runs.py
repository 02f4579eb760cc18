"""Runs as forks of a process that has imported everything: a run of a second does not wait three for imports.

`make ui` launches its runs so (`deploy/dagster-local.yaml`); Dagster's own launcher starts Python anew for each of
them. In: starting a run on this machine, and ending it. Out: which runs there are and how many at once
(`dagster.yaml`), and deployments, where a run has a machine of its own and takes long.

Code that was edited since the first run is not in that process: then Dagster's own launcher takes the run.
"""

import json
import multiprocessing
import os
import runpy
import signal
import sys
from pathlib import Path
from typing import Any

import dagster as dg

from codex_assets.system import process_identity

PRELOADED = ("dagster.cli", "codex_assets.definitions")
PROCESS_TAG = "codex/process"
"""Of a run: which process works on it, so that any other may end it."""
_PACKAGE = Path(__file__).parents[1]


class ForkedRunLauncher(dg.DefaultRunLauncher):
    """Launches a run as a fork, on the machine of whoever launches it."""

    def __init__(self, inst_data: Any = None) -> None:
        super().__init__(inst_data)
        self._forks: Any = None
        self._imported = 0

    def launch_run(self, context: Any) -> None:
        """Start the process of a run. The first one waits until everything is imported."""
        edited = _last_edit()
        if self._forks is None:
            self._forks, self._imported = multiprocessing.get_context("forkserver"), edited
            self._forks.set_forkserver_preload(list(PRELOADED))
        run: dg.DagsterRun = context.dagster_run
        if edited != self._imported or run.job_code_origin is None:
            super().launch_run(context)
            return
        # Ends with the run; asking for them takes those off the list that have ended.
        multiprocessing.active_children()
        process = self._forks.Process(target=work, args=(_command(run, self._instance),), name=f"run {run.run_id}")
        process.start()
        assert process.pid is not None
        self._instance.add_run_tags(run.run_id, {PROCESS_TAG: process_identity.of(process.pid)})

    def terminate(self, run_id: str) -> bool:
        """Ask the process of a run to end. Whether there was one."""
        run = self._instance.get_run_by_id(run_id)
        identity = run.tags.get(PROCESS_TAG) if run is not None else None
        if run is None or identity is None:
            return bool(super().terminate(run_id))  # type: ignore[no-untyped-call]
        if run.is_finished or process_identity.has_ended(identity):
            return False
        self._instance.report_run_canceling(run)
        os.kill(process_identity.number(identity), signal.SIGINT)
        return True


def work(command: str) -> None:
    """The whole life of a run's process: Dagster's own command for a run in a process of its own."""
    sys.argv = ["dagster", "api", "execute_run", command]
    runpy.run_module("dagster", run_name="__main__", alter_sys=True)


def _command(run: dg.DagsterRun, instance: dg.DagsterInstance) -> str:
    """What that command is told, in Dagster's own spelling."""
    return json.dumps(
        {
            "__class__": "ExecuteRunArgs",
            "instance_ref": json.loads(dg.serialize_value(instance.get_ref())),
            "pipeline_origin": json.loads(dg.serialize_value(run.job_code_origin)),
            "pipeline_run_id": run.run_id,
            "set_exit_code_on_failure": None,
        }
    )


def _last_edit() -> int:
    """When a file of this package was last written, in nanoseconds since 1970."""
    return max(path.stat().st_mtime_ns for path in _PACKAGE.rglob("*.py"))
