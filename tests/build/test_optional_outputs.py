"""`EXTRA_OUTPUTS`: a storyboard, small thumbnails and a BlurHash are built with all else, and nothing else changes."""

from __future__ import annotations

from pathlib import Path

import jobs
import pytest
from PIL import Image

from codex_assets.archive.records import BlurHashRecord, SmallThumbnailsRecord, StoryboardRecord
from codex_assets.archive.store import RecordStore
from codex_assets.config import settings as configuration
from codex_assets.config.settings import Settings
from codex_assets.config.workshop import open_workshop
from codex_assets.errors import ConfigurationError
from codex_assets.library import published_media
from codex_assets.library.catalogue import Catalogue
from codex_assets.library.reconcile import Reconciliation
from codex_assets.media.outputs import OPTIONAL, OUTPUTS, wanted
from codex_assets.storage import keys
from codex_assets.system.stopping import StopEvent
from codex_assets.worker import job

MEDIA = "clip"
ALL = ",".join(OPTIONAL)
FOLDER = f"{jobs.CREATOR}/thumbnails/media/{MEDIA}/"
FILES = {"storyboard.jpg", "storyboard.vtt", "200.webp", "400.webp", "800.webp", "blurhash.txt"}


def settings(folder: Path, **variables: str) -> Settings:
    return configuration.load(jobs.local_environment(folder) | variables)


@pytest.mark.parametrize(
    ("text", "outputs"),
    [
        ("storyboard", ("storyboard",)),
        ("blurhash, storyboard", ("storyboard", "blurhash")),
        ("thumbnails,thumbnails", ("thumbnails",)),
        (ALL, OPTIONAL),
    ],
)
def test_the_setting_names_them(tmp_path: Path, text: str, outputs: tuple[str, ...]) -> None:
    configured = settings(tmp_path, EXTRA_OUTPUTS=text)
    assert configured.extra_outputs == outputs
    assert configuration.extra_outputs({"EXTRA_OUTPUTS": text}) == outputs


@pytest.mark.parametrize("text", ["thumbnail", "storyboard,sprites", "storyboard,", "all"])
def test_anything_else_is_an_error_that_says_what_there_is(tmp_path: Path, text: str) -> None:
    with pytest.raises(ConfigurationError, match="EXTRA_OUTPUTS has to name some of storyboard, thumbnails, blurhash"):
        settings(tmp_path, EXTRA_OUTPUTS=text)
    assert configuration.extra_outputs({"EXTRA_OUTPUTS": text}) == ()


def test_they_are_off_by_default_and_audio_has_none(tmp_path: Path) -> None:
    assert settings(tmp_path).extra_outputs == ()
    assert wanted("video") == tuple(output for output in OUTPUTS["video"] if output not in OPTIONAL)
    assert wanted("video", OPTIONAL) == OUTPUTS["video"]
    assert wanted("audio", OPTIONAL) == OUTPUTS["audio"]


def build(configured: Settings, job_id: str, *assets: str) -> dict[str, object]:
    chosen = {"assets": list(assets)} if assets else {}
    body = job.work(job_id, jobs.payload("video", MEDIA, "https://receiver.invalid/") | chosen, configured).body
    assert body.status == "completed", body
    jobs.assert_contract(body.wire())
    output: dict[str, object] = body.wire()["output"]
    return output


def published(configured: Settings) -> set[str]:
    return {stored.key.removeprefix(FOLDER) for stored in configured.stores().assets.list(FOLDER)}


def checked(configured: Settings) -> list[str]:
    """What the judge finds of everything that is published: findings that did not pass."""
    with open_workshop(configured) as workshop:
        media = workshop.records.media(MEDIA)
        assert media is not None
        audits = list(workshop.auditor.audit(media, OUTPUTS["video"]))
        assert {audit.output for audit in audits if audit.checks} >= {"mezzanine", "thumbnail"}
        return [f"{audit.output} {check.rule}" for audit in audits for check in audit.checks if not check.passed]


def stale(configured: Settings, folder: Path) -> list[str]:
    archive = configured.stores().archive
    catalogue = Catalogue(folder / "index.sqlite", archive, configured.extra_outputs)
    catalogue.refresh()
    ((_, _, verdicts),) = catalogue.verdicts()
    read = published_media.read(MEDIA, RecordStore(archive), extras=configured.extra_outputs)
    assert read is not None
    stale_outputs = [output for output, verdict in verdicts.items() if verdict.is_stale]
    assert read.stale == stale_outputs, "with the catalogue and without"
    assert list(read.outputs) == list(read.verdicts) == list(verdicts)
    return stale_outputs


@pytest.mark.slow
@pytest.mark.ffmpeg
def test_they_are_outputs_like_all_others(tmp_path: Path) -> None:
    plain, extended = settings(tmp_path), settings(tmp_path, EXTRA_OUTPUTS=ALL)
    stores = plain.stores()
    jobs.put_original(stores, "video", MEDIA, jobs.film(4, "320x180"))
    announced = build(plain, "job-1")
    before = published(plain)
    assert before == {"auto-generated.jpg"}, "off by default"
    assert stale(plain, tmp_path) == []
    assert stale(extended, tmp_path) == list(OPTIONAL), "never built, where they are asked for"
    assert checked(extended) == []

    catalogue = Catalogue(tmp_path / "index.sqlite", stores.archive)
    assert catalogue.targets() == []
    (target,) = catalogue.targets(assets=["storyboard", "thumbnail"])
    assert target.outputs == ("storyboard",), "whoever names it is told that it was never built"

    # Named, they are built of the mezzanine, whatever is configured.
    assert "thumbnailKey" not in build(plain, "job-2", *OPTIONAL)
    assert published(plain) == before | FILES
    assert stale(plain, tmp_path) == stale(extended, tmp_path) == []
    assert checked(plain) == []
    first = {key: stores.assets.read(f"{FOLDER}{key}") for key in FILES}

    # With all others, and the webhook says what it always says.
    again = build(extended, "job-3")
    assert again == announced
    assert {key: stores.assets.read(f"{FOLDER}{key}") for key in FILES} == first, "the same bytes"
    look_at(extended)

    # What was replaced by another upload is stale, whatever is configured.
    jobs.put_original(stores, "video", MEDIA, jobs.film(3, "160x90"))
    build(plain, "job-4")
    assert stale(plain, tmp_path) == list(OPTIONAL)
    assert any(line.startswith("storyboard storyboard_") for line in checked(plain))
    build(plain, "job-5", *OPTIONAL)
    assert checked(plain) == []
    assert list(Reconciliation(stores, StopEvent(None)).run()) == []


def look_at(configured: Settings) -> None:
    """The files, as others read them."""
    stores = configured.stores()
    records = RecordStore(stores.archive)
    storyboard = records.output(MEDIA, "storyboard")
    assert isinstance(storyboard, StoryboardRecord)
    assert (storyboard.tiles, storyboard.columns, storyboard.tile_width, storyboard.tile_height) == (4, 4, 160, 90)
    assert [file.key.removeprefix(FOLDER) for file in storyboard.files] == ["storyboard.jpg", "storyboard.vtt"]
    small = records.output(MEDIA, "thumbnails")
    assert isinstance(small, SmallThumbnailsRecord)
    assert small.sizes == ((200, 112), (400, 225), (800, 450))
    hashed = records.output(MEDIA, "blurhash")
    assert isinstance(hashed, BlurHashRecord)
    assert stores.assets.read(keys.blurhash(jobs.CREATOR, MEDIA)).decode() == hashed.blurhash
    for record in (storyboard, small, hashed):
        assert record.build is not None
        assert set(record.build.inputs) == {"mezzanine"}
        assert record.checks
        assert record.build.phases.keys() & {"thumbnail", "storyboard"}
    assets = configured.storage_dir
    assert assets is not None
    folder = assets / configured.assets_bucket / FOLDER
    assert Image.open(folder / "storyboard.jpg").size == (640, 90)
    assert [Image.open(folder / f"{width}.webp").size for width, _ in small.sizes] == list(small.sizes)
    types = {name: stored.content_type for name in FILES if (stored := stores.assets.head(f"{FOLDER}{name}"))}
    assert types == {
        "storyboard.jpg": "image/jpeg",
        "storyboard.vtt": "text/vtt",
        "200.webp": "image/webp",
        "400.webp": "image/webp",
        "800.webp": "image/webp",
        "blurhash.txt": "text/plain",
    }


@pytest.mark.slow
@pytest.mark.ffmpeg
def test_a_picture_that_ends_before_its_sound_stands_still(tmp_path: Path) -> None:
    configured = settings(tmp_path, EXTRA_OUTPUTS="storyboard")
    stores = configured.stores()
    made = jobs.film(2, "160x90", "-af", "apad=pad_dur=3")
    jobs.put_original(stores, "video", MEDIA, made)
    build(configured, "job-1")
    record = RecordStore(stores.archive).output(MEDIA, "storyboard")
    assert isinstance(record, StoryboardRecord)
    assert record.tiles == int(record.duration)
    assert checked(configured) == []
