"""Two states of a media beside each other: what is published, what runs built, what another recipe would build."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import pytest
import whole_job
from clips import FFMPEG, H264
from whole_job import MEDIA

from codex_assets.archive.replaced import REPLACED, ReplacedRecord
from codex_assets.archive.store import RecordStore
from codex_assets.build.builder import LocalBuilder
from codex_assets.build.encoders import EncoderMode, Encoders
from codex_assets.errors import MissingInput
from codex_assets.library import built_runs, published_media
from codex_assets.library.compared_states import States
from codex_assets.library.comparison import ComparedState, RungComparison
from codex_assets.library.published_media import PublishedMedia
from codex_assets.library.what_if import other_numbers
from codex_assets.media import recipe_changes
from codex_assets.media.recipe_changes import ChangedRecipe
from codex_assets.storage.objects import Stores
from codex_assets.system.workspace import Workspace

pytestmark = [pytest.mark.ffmpeg, pytest.mark.slow]


def recipe(text: str) -> tuple[str, tuple[ChangedRecipe, ...]]:
    return text, recipe_changes.parse(text)


@pytest.fixture(scope="module")
def delivered(tmp_path_factory: pytest.TempPathFactory) -> whole_job.Delivered:
    """A film with one rung, of two segments, as `job-1` built it, and then `rebuild-2` at another rate."""
    folder = tmp_path_factory.mktemp("states")
    film = folder / "film.mp4"
    noise = ("-f", "lavfi", "-i", "testsrc2=s=640x360:r=25:d=7,noise=alls=20:allf=t")
    subprocess.run([*FFMPEG, *noise, *H264, "-g", "25", str(film)], check=True)
    delivered = whole_job.deliver(film, "video", folder, name="film.mp4")
    assert delivered.body["status"] == "completed", delivered.body
    stores = delivered.stores
    media = published_media.read(MEDIA, RecordStore(stores.archive))
    assert media is not None
    (changed,) = recipe_changes.parse("hls_360p.video_kbps=250")
    with closing(Workspace(folder / "rebuild")) as workspace, other_numbers(changed.numbers):
        tools = delivered.settings.tools()
        encoders = Encoders(EncoderMode.X264, tools)
        list(LocalBuilder(stores, tools, encoders, workspace, run_id="rebuild-2").build(media.media, ["hls_360p"]))
    return delivered


@dataclass(frozen=True)
class Room:
    """What is compared, and where."""

    published: PublishedMedia
    stores: Stores
    states: States
    comparison: RungComparison

    def rates(self, sides: tuple[ComparedState, ComparedState]) -> list[int]:
        """The average rates of both sides, kbit/s to the next hundred."""
        (rung,) = self.comparison.run(self.published, sides).rungs
        return [round((each.record.average_bandwidth or 0) / 100_000) * 100 for each in rung.sides]


@pytest.fixture
def room(delivered: whole_job.Delivered, tmp_path: Path) -> Iterator[Room]:
    stores = delivered.stores
    published = published_media.read(MEDIA, RecordStore(stores.archive))
    assert published is not None
    with closing(Workspace(tmp_path / "work")) as workspace:
        tools = delivered.settings.tools().within(workspace.root)
        states = States(published, stores, tools, workspace, tmp_path / "built", EncoderMode.X264)
        yield Room(published, stores, states, RungComparison(stores, tools, workspace))


def test_what_a_run_built_is_known_until_it_is_deleted(room: Room) -> None:
    now, before = built_runs.runs_of(room.published, room.stores)
    assert (now.run_id, now.state, list(now.rungs)) == ("rebuild-2", "published", ["hls_360p"])
    assert (before.run_id, list(before.rungs)) == ("job-1", ["hls_360p"])
    assert re.fullmatch(r"`job-1` \(360p; replaced 20..-..-.. ..:.. UTC\)", str(before))
    noted = RecordStore(room.stores.archive).get(MEDIA, REPLACED, ReplacedRecord)
    assert noted is not None
    (rung,) = [each.rung for each in noted.objects if each.rung is not None and each.rung.output == "hls_360p"]
    assert (rung.files, rung.checks, len(rung.segments)) == ((), (), 2)
    assert rung.build is not None
    assert rung.build.recipe["variant.video_kbps"] == 500


def test_a_run_is_compared_with_what_replaced_it(room: Room) -> None:
    sides = room.states.chosen([], ["job-1"])
    assert [side.name for side in sides] == ["run job-1", "published"]
    compared = room.comparison.run(room.published, sides)
    (rung,) = compared.rungs
    before, after = rung.sides
    assert before.record.average_bandwidth is not None
    assert after.record.average_bandwidth is not None
    assert before.record.average_bandwidth > 1.4 * after.record.average_bandwidth
    assert before.likeness is not None
    assert after.likeness is not None
    assert min(before.likeness.values) > min(after.likeness.values)
    # What players load of it names segments that lie there.
    master = sides[0].stores.media.read(compared.master_key).decode()
    assert "360p/playlist.m3u8" in master
    playlist = sides[0].stores.media.read(before.record.playlist_key or "").decode()
    assert f"{before.record.version}/segment_00001.ts" in playlist
    assert (
        f"{after.record.version}/segment_00001.ts" in room.stores.media.read(before.record.playlist_key or "").decode()
    )
    assert room.states.chosen([], ["job-1", "rebuild-2"])[1].name == "run rebuild-2"
    assert room.states.chosen([], ["former"])[0].rungs == sides[0].rungs


def test_what_a_rebuild_would_change_is_compared_without_a_recipe(room: Room) -> None:
    # It is at 250 kbit/s, and today's recipe says 500.
    sides = room.states.chosen([], [])
    assert [side.name for side in sides] == ["published", "rebuilt"]
    rates = room.rates(sides)
    assert rates[0] < rates[1]


def test_two_recipes_are_compared(room: Room) -> None:
    sides = room.states.chosen([recipe("hls_360p.video_kbps=300"), recipe("video_kbps=450")], [])
    assert [(side.name, side.about) for side in sides] == [
        ("first", "with `hls_360p.video_kbps=300`"),
        ("second", "with `video_kbps=450`"),
    ]
    rates = room.rates(sides)
    assert rates[0] < rates[1]


def test_what_cannot_be_compared_is_said(room: Room) -> None:
    with pytest.raises(MissingInput, match=r"`job-9` built can be played. .* `rebuild-2` \(360p; published\); `job-1`"):
        room.states.chosen([], ["job-9"])
    with pytest.raises(MissingInput, match="“run rebuild-2” and “published” are the same, byte for byte"):
        room.comparison.run(room.published, room.states.chosen([], ["rebuild-2"]))
    with pytest.raises(MissingInput, match="has none of these rungs"):
        room.states.chosen([recipe("hls_720p.video_kbps=2000")], [])
