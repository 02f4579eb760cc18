"""Runs as forks: what a fork is told is what Dagster's own command takes. Whole runs: `test_deployment.py`."""

from __future__ import annotations

import os
import subprocess
import sys

import dagster as dg
from dagster._core.code_pointer import ModuleCodePointer
from dagster._core.origin import JobPythonOrigin, RepositoryPythonOrigin
from dagster._grpc.types import ExecuteRunArgs

from codex_assets.defs import forked_runs
from codex_assets.system import process_identity


def test_dagsters_command_takes_what_a_fork_is_told(instance: dg.DagsterInstance) -> None:
    pointer = ModuleCodePointer("codex_assets.definitions", "defs", working_directory=None)
    origin = JobPythonOrigin("__ASSET_JOB", RepositoryPythonOrigin(sys.executable, pointer))
    run = dg.DagsterRun(job_name="__ASSET_JOB", job_code_origin=origin)
    arguments = dg.deserialize_value(forked_runs._command(run, instance), ExecuteRunArgs)
    assert (arguments.run_id, arguments.job_origin, arguments.instance_ref) == (run.run_id, origin, instance.get_ref())


def test_a_process_is_known_by_another_one_until_it_ends() -> None:
    with subprocess.Popen(["sleep", "60"]) as process:
        identity = process_identity.of(process.pid)
        assert process_identity.number(identity) == process.pid
        assert not process_identity.has_ended(identity)
        process.kill()
    assert process_identity.has_ended(identity)
    assert process_identity.number(process_identity.this_process()) == os.getpid()
