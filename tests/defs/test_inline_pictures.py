"""Pictures beside an output's numbers: small enough that Dagster shows them without a click, and true."""

from __future__ import annotations

import base64
import re
import subprocess
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import dagster as dg
import jobs
import pytest

from codex_assets.archive.records import SegmentFact, StoredFile, ThumbnailRecord, VariantRecord, WaveformRecord
from codex_assets.config import settings as configuration
from codex_assets.config.links import Links
from codex_assets.config.workshop import Workshop, open_workshop
from codex_assets.defs import inline_pictures, output_metadata
from codex_assets.storage.objects import file_sha256

HEAD: dict[str, Any] = {"media_id": "m1", "media_type": "video", "code_version": "c", "data_version": "d"}


def shown(markdown: object) -> str:
    assert isinstance(markdown, dg.MarkdownMetadataValue)
    assert markdown.md_str is not None
    assert len(markdown.md_str) < 1000
    return markdown.md_str


def drawing(markdown: str) -> str:
    link = re.search(r"data:image/svg\+xml;base64,([^)]+)\)", markdown)
    assert link is not None
    return base64.b64decode(link[1]).decode()


@pytest.mark.parametrize("count", [1, 2, 63, 64, 65, 5_000])
def test_a_drawing_of_any_length_is_shown_without_a_click(count: int) -> None:
    values = [float(index % 97) for index in range(count)]
    for data in (inline_pictures.bars(values), inline_pictures.wave([value / 97 for value in values])):
        shown(inline_pictures.markdown(data, "image/svg+xml", "kbit/s of each segment", "some words"))


def test_bars_are_as_high_as_their_numbers() -> None:
    assert "V12h1V24h1V0h1V24z" in inline_pictures.bars([1_000.0, 0.0, 2_000.0]).decode()


def test_a_wave_keeps_the_highest_of_what_one_column_stands_for() -> None:
    peaks = [0.0] * 6_400
    peaks[3_250] = 1.0
    assert inline_pictures.wave(peaks).decode().count("V12h1") == 1


def test_a_variant_shows_the_rate_of_each_segment() -> None:
    segments = tuple(
        SegmentFact(name=f"{n}.ts", duration=6.0, size=size) for n, size in enumerate((750_000, 1_500_000))
    )
    record = VariantRecord(
        **HEAD, output="hls_720p", variant="720p", duration=12.0, segments=segments, bandwidth=2_100_000,
        average_bandwidth=1_500_000,
    )  # fmt: skip
    metadata = output_metadata.measures(record)
    text = shown(metadata["segment_rates"])
    assert "1,000 to 2,000 kbit/s in 2 segments" in text
    assert "V12h1V0h1" in drawing(text)
    assert (metadata["declared"], metadata["peak_kbps"], metadata["average_kbps"]) == (
        "2.10 Mb/s at most, 1.50 Mb/s on average",
        2100,
        1500,
    )


@pytest.fixture
def workshop(tmp_path: Path) -> Iterator[Workshop]:
    settings = configuration.load(jobs.local_environment(tmp_path) | {"CODEX_OPEN_URL": "http://127.0.0.1:8338/"})
    with open_workshop(settings) as opened:
        yield opened


def stored(workshop: Workshop, path: Path, key: str) -> StoredFile:
    workshop.stores.assets.upload(path, key, content_type="application/octet-stream")
    return StoredFile(role="assets", key=key, size=path.stat().st_size, sha256=file_sha256(path))


@pytest.mark.ffmpeg
def test_the_noisiest_thumbnail_is_shown_without_a_click(workshop: Workshop, tmp_path: Path) -> None:
    path = tmp_path / "noise.jpg"
    noise = "nullsrc=1280x720,geq=random(1)*255:128+60*random(2):128+60*random(3)"
    subprocess.run(
        ["ffmpeg", "-nostdin", "-v", "error", "-y", "-f", "lavfi", "-i", noise, "-frames:v", "1", str(path)], check=True
    )
    record = ThumbnailRecord(**HEAD, output="thumbnail", files=(stored(workshop, path, "a/noise.jpg"),))
    text = shown(output_metadata.picture(workshop, record)["picture"])
    assert "data:image/webp;base64," in text


def test_a_waveform_is_drawn_from_its_data(workshop: Workshop, tmp_path: Path) -> None:
    path = tmp_path / "waveform.json"
    path.write_text('{"version": 2, "bits": 8, "length": 3, "data": [-64, 10, -1, 0, -20, 127]}')
    record = WaveformRecord(
        **{**HEAD, "media_type": "audio"}, output="waveform_json", files=(stored(workshop, path, "a/w.json"),), points=3
    )
    assert "V6h1V0h1V12h1" in drawing(shown(output_metadata.picture(workshop, record)["picture"]))


def test_links_lead_to_the_object_and_to_the_page(workshop: Workshop, tmp_path: Path) -> None:
    file = StoredFile(role="assets", key="c/thumbnail x.jpg", size=2_500_000, sha256="0")
    record = ThumbnailRecord(**HEAD, output="thumbnail", files=(file,))
    metadata = output_metadata.metadata(record, workshop.links)
    assert metadata["play"] == dg.MetadataValue.url("http://127.0.0.1:8338/media/m1")
    assert metadata["dagster/uri"].startswith("file:///")
    assert (metadata["stored"], metadata["megabytes"]) == ("2.5 MB", 2.5)
    in_the_cloud = Links(replace(workshop.links.settings, storage_dir=None))
    assert in_the_cloud.uri("assets", file.key) == f"s3://{workshop.links.settings.assets_bucket}/c/thumbnail x.jpg"
