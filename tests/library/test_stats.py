"""What many jobs add up to, counted by hand beside it; what is stored, by kind; and that no store is asked for it."""

from __future__ import annotations

import json
import tempfile
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import jobs
import pytest
from typer.testing import CliRunner

from codex_assets.archive import history
from codex_assets.archive.history import JobHistory, JobRecord, OutputMade
from codex_assets.archive.records import MediaRecord
from codex_assets.archive.store import RecordStore
from codex_assets.cli.app import app
from codex_assets.cli.views.stats import statistics_tables
from codex_assets.config import settings as configuration
from codex_assets.errors import SourceCode
from codex_assets.library import object_kinds, stats
from codex_assets.library.catalogue import Catalogue
from codex_assets.library.selection import Where
from codex_assets.library.stats import LOST, Spread, Statistics
from codex_assets.media.outputs import wanted
from codex_assets.storage import keys
from codex_assets.storage.directory import DirectoryStore
from codex_assets.storage.objects import Stores
from codex_assets.worker import job

NOW = datetime(2026, 6, 30, 12, tzinfo=UTC)


@pytest.fixture
def stores(tmp_path: Path) -> Stores:
    return configuration.load(jobs.local_environment(tmp_path)).stores()


def register(stores: Stores, media_id: str, media_type: str = "video", creator_id: str = "c1") -> None:
    record = MediaRecord.model_validate(
        {
            "media_id": media_id,
            "creator_id": creator_id,
            "media_type": media_type,
            "input_role": "archive",
            "input_key": f"originals/{creator_id}/{media_id}/original.mp4",
        }
    )
    RecordStore(stores.archive).put(media_id, "media", record)


def a_job(media_id: str, days_ago: float, outcome: str = "completed", **fields: Any) -> JobRecord:
    media_type = fields.pop("media_type", "video")
    defaults = {
        "id": f"{media_id}-{days_ago}",
        "media_id": media_id,
        "creator_id": "c1",
        "media_type": media_type,
        "asked": wanted(media_type),
        "started_at": (NOW - timedelta(days=days_ago)).isoformat(),
        "outcome": outcome,
    }
    return JobRecord.model_validate({**defaults, **fields})


def keep(stores: Stores, *some: JobRecord) -> None:
    for job_record in some:
        history.keep(RecordStore(stores.archive), job_record)


def gather(stores: Stores, **arguments: Any) -> Statistics:
    with tempfile.TemporaryDirectory() as folder:
        catalogue = Catalogue(Path(folder, "index.sqlite"), stores.archive)
        catalogue.refresh()
        return stats.gather(catalogue, now=NOW, **arguments)


# --- Adding up --------------------------------------------------------------------------------------------------------


def test_jobs_are_added_up(stores: Stores) -> None:
    for media_id in ("a", "b", "c", "silent"):
        register(stores, media_id)
    register(stores, "talk", "audio")
    whole: dict[str, Any] = {"media_seconds": 120.0, "encoder": "libx264"}
    keep(
        stores,
        a_job("a", 1, seconds=60.0, cost_usd=0.01, **whole),
        a_job("a", 2, "failed", error_code="tool_failed", seconds=3.0),
        a_job("a", 40, "failed", error_code="source_damaged"),
        a_job("b", 1, seconds=20.0, cost_usd=0.02, media_seconds=120.0, encoder="h264_nvenc", gpu="NVIDIA L4"),
        # One output again: no measure of what a whole upload takes.
        a_job("b", 0.9, seconds=1.0, asked=("thumbnail",), media_seconds=120.0),
        a_job("b", 0.5, "running"),
        a_job("c", 3, "running"),
        a_job("c", 2, "failed", error_code="tool_failed"),
        a_job("c", 2.5, "failed", error_code="source_damaged"),
        a_job("c", 1, "cancelled", error_code="cancelled"),
        a_job("talk", 1, media_type="audio", seconds=6.0, media_seconds=60.0, queue_seconds=4.0),
    )

    statistics = gather(stores, since=NOW - timedelta(days=30))

    assert statistics.media == {"registered": 5, "withoutJobs": 1, "refused": 0}
    assert statistics.outcomes == {"completed": 4, "failed": 4, "running": 1, "cancelled": 1}
    assert statistics.success_rate == 0.5
    failures = {failed.code: (failed.jobs, failed.fault, failed.latest) for failed in statistics.failures}
    assert failures == {
        "tool_failed": (2, "worker", "a"),
        "source_damaged": (1, "creator", "c"),
        LOST: (1, "worker", "c"),
    }
    assert statistics.failures[0].code == "tool_failed"
    video = statistics.seconds_per_minute["video"]
    assert (video.count, video.p50, video.p95, video.mean) == (2, 10.0, 30.0, 20.0)
    assert statistics.seconds_per_minute["audio"].p50 == 6.0
    assert statistics.cost_per_job_usd["video"].total == pytest.approx(0.03)
    assert statistics.cost_per_job_usd["audio"] == Spread()
    assert (statistics.queue_seconds.count, statistics.queue_seconds.p50) == (1, 4.0)
    shares = {share.encoder: (share.gpu, share.jobs, share.media_seconds) for share in statistics.encoders}
    assert shares == {"libx264": (None, 1, 120.0), "h264_nvenc": ("NVIDIA L4", 1, 120.0)}

    everything = gather(stores)
    assert {failed.code: failed.jobs for failed in everything.failures}["source_damaged"] == 2
    chosen = gather(stores, where=Where(media_type="audio"))
    assert (chosen.media["registered"], sum(chosen.outcomes.values())) == (1, 1)
    assert chosen.failures == ()


def test_outputs_are_added_up_over_jobs(stores: Stores) -> None:
    register(stores, "a")
    made = [
        (OutputMade(output="thumbnail", seconds=2.0, size=10, cost_usd=0.5),),
        (OutputMade(output="thumbnail", seconds=4.0, size=30), OutputMade(output="mezzanine", seconds=9.0, size=100)),
    ]
    keep(stores, *(a_job("a", number, outputs=some) for number, some in enumerate(made)))
    outputs = {cost.output: cost for cost in gather(stores).outputs}
    assert list(outputs) == ["mezzanine", "thumbnail"], "in the order of building"
    thumbnail = outputs["thumbnail"]
    assert (thumbnail.size.count, thumbnail.size.mean, thumbnail.seconds.p95) == (2, 20.0, 4.0)
    assert (thumbnail.cost_usd.count, thumbnail.cost_usd.total) == (1, 0.5)


@pytest.mark.parametrize(
    ("values", "p50", "p95"),
    [([], None, None), ([3.0], 3.0, 3.0), ([4.0, 1.0], 1.0, 4.0), ([float(n) for n in range(1, 101)], 50.0, 95.0)],
)
def test_the_middle_and_the_nearly_highest(values: list[float], p50: float | None, p95: float | None) -> None:
    spread = Spread.of([*values, None])
    assert (spread.count, spread.p50, spread.p95) == (len(values), p50, p95)


def test_an_empty_archive(stores: Stores) -> None:
    statistics = gather(stores)
    assert (statistics.success_rate, statistics.outcomes, statistics.storage) == (None, {}, ())
    assert statistics.media == {"registered": 0, "withoutJobs": 0, "refused": 0}


def test_a_history_that_cannot_be_read_hides_no_other(stores: Stores) -> None:
    for media_id in ("a", "b"):
        register(stores, media_id)
    stores.archive.write(keys.record("a", history.JOBS), b"{", content_type="application/json")
    keep(stores, a_job("b", 1))
    assert gather(stores).outcomes == {"completed": 1}


def test_every_code_has_somebody_to_act() -> None:
    blame = stats.faults()
    assert {blame[code] for code in SourceCode} == {"creator"}
    assert blame["storage_failed"] == "store"
    assert blame["webhook_undelivered"] == "receiver"
    assert blame[LOST] == "worker"


# --- Storage ----------------------------------------------------------------------------------------------------------

KINDS = {
    ("archive", keys.original_prefix("c1", "m1") + "original.mov"): "originals",
    ("archive", keys.mezzanine("c1", "m1")): "mezzanines",
    ("archive", keys.record("m1", "media")): "records",
    ("archive", "somewhere/c1/m1/file"): "other",
    ("media", keys.master_playlist("c1", "m1", "video")): "playlists",
    ("media", keys.preview_playlist("c1", "m1")): "playlists",
    ("media", keys.segment(keys.variant_playlist("c1", "m1", "video", "1080p"), 3)): "segments 1080p",
    ("media", keys.segment(keys.variant_playlist("c1", "m1", "video", "1080p"), 3, "0123456789ab")): "segments 1080p",
    ("media", keys.segment(keys.preview_playlist("c1", "m1"), 0, "0123456789ab")): "segments preview",
    ("media", keys.segment(keys.preview_playlist("c1", "m1"), 0)): "segments preview",
    ("media", keys.segment(keys.variant_playlist("c1", "m1", "audio", "64k"), 0)): "segments 64k",
    ("media", "c1/hls/m1/720p/notes.txt"): "other",
    ("assets", keys.thumbnail("c1", "m1")): "thumbnails",
    ("assets", keys.waveform_json("c1", "m1")): "waveform data",
    ("assets", keys.waveform_png("c1", "m1")): "waveform pictures",
}


@pytest.mark.parametrize(("place", "kind"), KINDS.items())
def test_an_object_is_known_by_its_key(place: tuple[str, str], kind: str) -> None:
    assert object_kinds.kind(*place) == kind
    assert object_kinds.media_of(*place) == "m1"


def test_what_is_stored_is_counted_from_the_listings(stores: Stores) -> None:
    for number, (role, key) in enumerate(KINDS):
        store = stores.by_role(role)  # type: ignore[arg-type]
        store.write(key, b"x" * (number + 1), content_type="text/plain")
        store.write(key.replace("m1", "m2"), b"y" * 100, content_type="text/plain")
    for media_id in ("m1", "m2"):
        register(stores, media_id)
    storage = gather(stores, where=Where(media_ids=("m1",)), listed=stores).storage
    assert {kind.role for kind in storage} == {"archive", "media", "assets"}
    sizes = {(kind.role, kind.kind): (kind.objects, kind.size) for kind in storage}
    assert sizes["media", "playlists"] == (2, 5 + 6)
    assert sizes["assets", "waveform pictures"] == (1, len(KINDS))
    whole = gather(stores, listed=stores).storage
    assert sum(kind.objects for kind in whole) == 2 * len(KINDS)
    assert gather(stores, storage=False).storage == ()


# --- The command ------------------------------------------------------------------------------------------------------


def call(folder: Path, *arguments: str) -> Any:
    unset: dict[str, str | None] = dict.fromkeys([*configuration.REQUIRED, "WEBHOOK_SECRET"])
    return CliRunner().invoke(app, ["stats", *arguments], env={**unset, **jobs.local_environment(folder)})


@pytest.mark.ffmpeg
def test_the_command_over_real_jobs(tmp_path: Path) -> None:
    settings = configuration.load(jobs.local_environment(tmp_path))
    jobs.put_original(settings.stores(), "audio", "talk")
    for job_id, media_id in (("job-1", "talk"), ("job-2", "gone")):
        job.work(job_id, jobs.payload("audio", media_id, "https://receiver.invalid/"), settings)

    answer = call(tmp_path)

    assert answer.exit_code == 0, answer.output
    text = answer.stdout
    assert "2 jobs since" in text
    assert "1 completed, 1 failed; 50.0 % succeeded" in text
    assert "input_not_found" in text
    for kind in ("waveform_png", "originals", "mezzanines", "segments 128k", "segments 64k", "records"):
        assert kind in text
    report = json.loads(call(tmp_path, "--json", "--since", "all").stdout)
    assert report["successRate"] == 0.5
    assert report["secondsPerMinute"]["audio"]["count"] == 1
    assert {entry["output"] for entry in report["outputs"]} == set(wanted("audio"))
    stored = sum(path.stat().st_size for path in (tmp_path / "stores" / "codex-archive").rglob("*.*") if path.is_file())
    assert sum(kind["size"] for kind in report["storage"] if kind["role"] == "archive") == stored

    assert "0 jobs" in call(tmp_path, "--where", "type=video", "--no-storage").stdout
    assert call(tmp_path, "--since", "yesterday").exit_code == 2


def test_costs_and_shares_are_shown() -> None:
    statistics = Statistics(
        since=None,
        media={"registered": 2, "withoutJobs": 0},
        outcomes={"completed": 2},
        seconds_per_minute={"video": Spread.of([12.0, 60.0])},
        cost_per_job_usd={"video": Spread.of([0.0032, 1.5])},
        encoders=(
            stats.EncoderShare("h264_nvenc", "NVIDIA L4", 3, 300.0, Spread.of([4.0])),
            stats.EncoderShare("libx264", None, 1, 100.0, Spread.of([30.0])),
        ),
    )
    from io import StringIO

    from rich.console import Console

    page = StringIO()
    Console(file=page, width=120).print(statistics_tables(statistics))
    text = page.getvalue()
    assert "$0.00320" in text
    assert "$1.50" in text
    assert "NVIDIA L4" in text
    assert "75 %" in text
    assert "CPU" in text


def test_nothing_is_read_from_a_store_for_it(stores: Stores, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    outputs = tuple(OutputMade(output=name, seconds=2.0, size=1000) for name in wanted("video"))
    for number in range(20):
        media_id = f"media-{number:04d}"
        register(stores, media_id)
        some = tuple(a_job(media_id, day, seconds=30.0, media_seconds=60.0, outputs=outputs) for day in (1, 2, 3))
        RecordStore(stores.archive).put(media_id, history.JOBS, JobHistory(media_id=media_id, jobs=some))
    catalogue = Catalogue(tmp_path / "index.sqlite", stores.archive)
    catalogue.refresh()
    asked: list[str] = []
    for request in ("read", "list", "head"):
        monkeypatch.setattr(DirectoryStore, request, lambda self, key, **_: asked.append(key))
    statistics = stats.gather(catalogue, now=NOW)
    assert statistics.outcomes == {"completed": 60}
    assert {(kind.kind, kind.objects) for kind in statistics.storage} == {("records", 40)}
    assert asked == []
