"""Everything that is delivered comes back from the archive alone: a playbook of docs/operations.md, walked through."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import jobs
import pytest
from typer.testing import CliRunner

from codex_assets.archive.store import RecordStore
from codex_assets.cli.app import app
from codex_assets.config import settings as configuration
from codex_assets.media import outputs
from codex_assets.worker import job

pytestmark = pytest.mark.ffmpeg

KINDS = {"clip": "video", "talk": "audio"}


def delivered(folder: Path) -> dict[str, bytes]:
    """Every object of the two delivery buckets but the leases, which every run writes."""
    contents: dict[str, bytes] = {}
    for bucket in jobs.BUCKETS[1:]:
        root = folder / "stores" / bucket
        contents |= {
            f"{bucket}/{path.relative_to(root)}": path.read_bytes()
            for path in root.rglob("*")
            if path.is_file() and path.parent.name != "leases"
        }
    return contents


def call(environment: dict[str, str], *arguments: str) -> Any:
    unset: dict[str, str | None] = dict.fromkeys([*configuration.REQUIRED, "WEBHOOK_SECRET"])
    return CliRunner().invoke(app, [*arguments], env={**unset, **environment})


@pytest.mark.parametrize(
    "kinds",
    [pytest.param(KINDS, marks=pytest.mark.slow), {"talk": "audio"}],
    ids=["of a film and a talk", "of a talk"],
)
def test_delivery_is_built_again_from_the_archive_alone(kinds: dict[str, str], tmp_path: Path) -> None:
    environment = jobs.local_environment(tmp_path)
    settings = configuration.load(environment)
    for media_id, kind in kinds.items():
        jobs.put_original(settings.stores(), kind, media_id)
        body = job.work(media_id, jobs.payload(kind, media_id, "https://receiver.invalid/"), settings).body
        assert body.status == "completed", body
    before = delivered(tmp_path)
    assert len(before) > 4 * len(kinds)

    # Both delivery buckets are lost, the originals were cleaned up, and nobody has an index or an instance.
    for bucket in jobs.BUCKETS[1:]:
        shutil.rmtree(tmp_path / "stores" / bucket)
    shutil.rmtree(tmp_path / "stores" / ".meta", ignore_errors=True)
    for media_id, kind in kinds.items():
        settings.stores().archive.delete(jobs.input_key(kind, media_id))
    assert delivered(tmp_path) == {}

    lost = call(environment, "verify", "--all")
    assert lost.exit_code == 1, lost.output
    assert call(environment, "stale").exit_code == 1
    for media_id, kind in kinds.items():
        assert RecordStore(settings.stores().archive).media(media_id) is not None
        wanted = [output for output in outputs.wanted(kind) if output not in ("mezzanine", "loudness")]
        payload = jobs.payload(kind, media_id, "https://receiver.invalid/", assets=wanted)
        body = job.work(f"{media_id}-again", payload, settings).body
        assert body.status == "completed", body

    after = delivered(tmp_path)
    assert set(after) == set(before)
    assert [key for key in before if after[key] != before[key]] == [], "the same bytes, without a GPU"
    output = call(environment, "verify", "--all")
    assert output.exit_code == 0, output.output
    assert call(environment, "stale", "--refresh").exit_code == 0
