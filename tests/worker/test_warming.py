"""A spare process loads ahead what its job would wait for."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import jobs
import pytest
from webhook_receiver import receiving

pytestmark = pytest.mark.ffmpeg

JOB = """
import json, sys
from codex_assets.config import settings
from codex_assets.worker import job, warming
warming.warm()
loaded = set(sys.modules)
result = job.run("job-1", json.loads(sys.argv[1]), settings.load())
print(json.dumps({"new": sorted(set(sys.modules) - loaded), "result": result}))
"""


@pytest.mark.slow
@pytest.mark.parametrize("media_type", ["audio", "video"])
def test_a_job_loads_hardly_anything_after_that(media_type: str, tmp_path: Path) -> None:
    with receiving() as receiver:
        payload = jobs.payload(media_type, "m1", receiver.url)
        original = tmp_path / "stores" / jobs.BUCKETS[0] / payload["inputKey"]
        original.parent.mkdir(parents=True)
        original.write_bytes(jobs.original("audio") if media_type == "audio" else jobs.film(2, "96x54"))
        run = subprocess.run(
            [sys.executable, "-c", JOB, json.dumps(payload)],
            env=jobs.local_environment(tmp_path),
            stdout=subprocess.PIPE,
            text=True,
            check=True,
        )
    answer = json.loads(run.stdout.splitlines()[-1])
    assert "error" not in answer["result"]
    # Without warming: 508.
    assert len(answer["new"]) < 20, answer["new"]


def test_it_leaves_nothing_and_fails_nothing(tmp_path: Path) -> None:
    """Also where there are no tools and no settings: the job will tell."""
    environment = {"PATH": str(tmp_path / "nothing"), "TMPDIR": str(tmp_path), "HOME": str(tmp_path)}
    program = "from codex_assets.worker import warming; warming.warm()"
    run = subprocess.run([sys.executable, "-c", program], env=environment, capture_output=True, text=True, check=True)
    assert (run.stdout, run.stderr) == ("", "")
    assert list(tmp_path.iterdir()) == []
