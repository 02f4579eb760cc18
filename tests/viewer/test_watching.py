"""A viewer in the middle of a film, in a real browser, while the film is rebuilt and while another one replaces it.

hls.js plays from a store through the viewer's server. It holds few seconds at a time, so that most of what is watched
is fetched after the switch.
"""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import jobs
import pytest
import stand_in_tools
from clips import FFMPEG
from viewer_browser import chromium, needs_chromium, wait
from viewer_site import viewing
from webhook_receiver import receiving

from codex_assets.config import settings as configuration
from codex_assets.config.settings import Settings
from codex_assets.worker import job

if TYPE_CHECKING:
    from playwright.sync_api import Page

pytestmark = [pytest.mark.slow, pytest.mark.ffmpeg, pytest.mark.timeout(900), needs_chromium]
SECONDS = 36
"""Of a film: six segments."""
AHEAD_SECONDS = 4
"""That the player holds. It fetches whole segments of six."""
KEY = f"originals/{jobs.CREATOR}/film/original.mp4"


@dataclass(frozen=True)
class Studio:
    """A store with one media, and who builds it."""

    settings: Settings
    folder: Path

    def upload(self, colour: str) -> None:
        """A film of this colour takes the place of the original."""
        path = self.folder / f"{colour}.mp4"
        moving = f"color=white:s=40x40:r=25:d={SECONDS}[box];[film][box]overlay=x='mod(100*t,800)':y=200"
        picture = ("-f", "lavfi", "-i", f"color={colour}:s=854x480:r=25:d={SECONDS}[film];{moving}")
        sound = ("-f", "lavfi", "-i", f"sine=duration={SECONDS}", "-c:a", "aac", "-shortest")
        coding = ("-c:v", "libx264", "-preset", "ultrafast", "-pix_fmt", "yuv420p")
        subprocess.run([*FFMPEG, *picture, *sound, *coding, str(path)], check=True)
        self.settings.stores().archive.write(KEY, path.read_bytes(), content_type="video/mp4")

    def build(self, job_id: str, **changes: Any) -> None:
        """Do one job, and see it completed."""
        with receiving() as receiver, ThreadPoolExecutor(1) as apart:
            payload = jobs.payload("video", "film", receiver.url, inputKey=KEY, **changes)
            # Playwright keeps an event loop in this thread, beside which Dagster runs nothing.
            result = apart.submit(job.run, job_id, payload, self.settings).result()
        assert result.get("status") == "completed", result

    def built_otherwise(self) -> Studio:
        """The same on a worker whose ffmpeg encodes variants in other bytes."""
        front = stand_in_tools.ffmpeg_with(self.folder / "front", "faster", "veryfast")
        path = f"{front}:{os.environ['PATH']}"
        return replace(self, settings=configuration.load(jobs.local_environment(self.folder, PATH=path)))

    def versions(self, variant: str) -> set[str]:
        """The folders of segments that lie in a variant's."""
        folder = self.folder / "stores" / jobs.BUCKETS[1] / jobs.CREATOR / "hls" / "film" / variant
        return {path.name for path in folder.iterdir() if path.is_dir()}


class Watching:
    """A page of the viewer that plays the film, held at one rung until told otherwise."""

    def __init__(self, page: Page) -> None:
        self.page = page
        self.fetched: list[str] = []
        page.on("request", lambda request: self.fetched.append(request.url))

    def wait(self, expression: str) -> None:
        """Until an expression is true."""
        wait(self.page, expression, 180)

    def begin(self, rung: str) -> None:
        """Play the first two seconds at a rung, and hold."""
        self.wait("playback.main && playback.main.hls && playback.main.hls.levels.length")
        self.page.evaluate(
            f"Object.assign(playback.main.hls.config, {{maxBufferLength: {AHEAD_SECONDS}, "
            f"maxMaxBufferLength: {AHEAD_SECONDS}}})"
        )
        self.page.evaluate(
            "globalThis.fatal = [];"
            "playback.main.hls.on('hlsError', (_, error) => error.fatal && fatal.push(error.details))"
        )
        self.page.select_option("#quality", rung)
        self.page.evaluate("playback.seek(0), playback.main.play()")
        self.wait(f"playback.inPlay === '{rung}' && playback.time > 2")
        self.page.evaluate("playback.main.pause()")

    def go_on(self, until: str) -> None:
        """Play quickly until something is so."""
        self.page.evaluate("playback.main.playbackRate = 4, playback.main.play()")
        self.wait(until)

    def colour(self) -> str:
        """What is seen now."""
        red, _, blue = self.page.evaluate(
            """(() => { const canvas = new OffscreenCanvas(1, 1), context = canvas.getContext("2d");
            context.drawImage(playback.main, 0, 0, 1, 1); return [...context.getImageData(0, 0, 1, 1).data].slice(0, 3);
            })()"""
        )
        return "red" if red > 2 * blue else "blue" if blue > 2 * red else "neither"

    def versions(self, variant: str) -> list[str]:
        """The versions whose segments were fetched of a variant, in order."""
        return list(dict.fromkeys(url.split("/")[-2] for url in self.fetched if f"/{variant}/" in url and ".ts" in url))


@pytest.fixture
def studio(tmp_path: Path) -> Studio:
    made = Studio(configuration.load(jobs.local_environment(tmp_path)), tmp_path)
    made.upload("red")
    made.build("job-1")
    return made


@contextmanager
def watching(studio: Studio) -> Iterator[Watching]:
    with viewing(studio.settings.stores(), studio.folder / "viewer") as site, chromium() as browser:
        page = browser.new_page()
        viewer = Watching(page)
        page.goto(f"{site}/media/film")
        yield viewer
        assert page.evaluate("fatal") == []


def test_a_film_that_is_rebuilt_plays_on_through_all_rungs(studio: Studio) -> None:
    (former,) = studio.versions("360p")
    with watching(studio) as viewer:
        viewer.begin("360p")
        studio.built_otherwise().build("job-2", assets=["hls_480p", "hls_360p"])
        assert len(studio.versions("360p")) == 2, "the rebuild gave the same bytes"
        viewer.go_on("playback.time > 15")
        viewer.page.select_option("#quality", "480p")
        viewer.wait("playback.inPlay === '480p' || playback.main.ended")
        assert viewer.page.evaluate("playback.inPlay") == "480p"
        viewer.go_on("playback.main.ended")
        assert viewer.page.evaluate("playback.main.currentTime") == pytest.approx(SECONDS, abs=0.2)
        assert viewer.versions("360p") == [former]


def test_the_rung_in_play_of_a_film_that_is_replaced_plays_to_its_end(studio: Studio) -> None:
    (former,) = studio.versions("360p")
    with watching(studio) as viewer:
        viewer.begin("360p")
        studio.upload("blue")
        studio.build("job-2")
        viewer.go_on("playback.main.ended")
        assert viewer.page.evaluate("playback.main.currentTime") == pytest.approx(SECONDS, abs=0.2)
        assert (viewer.colour(), viewer.versions("360p")) == ("red", [former])
        # Whoever comes back sees the new one.
        viewer.page.reload()
        viewer.begin("360p")
        assert viewer.colour() == "blue"


def test_a_change_of_rungs_of_a_film_that_is_replaced_plays_to_the_end(studio: Studio) -> None:
    with watching(studio) as viewer:
        viewer.begin("360p")
        # hls.js keeps the playlist of a rung that it has loaded: such a rung stays that of the old film.
        is_loaded = any("/480p/playlist.m3u8" in url for url in viewer.fetched)
        studio.upload("blue")
        studio.build("job-2")
        viewer.go_on("playback.time > 12")
        assert viewer.colour() == "red"
        viewer.page.select_option("#quality", "480p")
        viewer.go_on("playback.main.ended")
        assert viewer.page.evaluate("playback.inPlay") == "480p"
        assert viewer.page.evaluate("playback.main.currentTime") == pytest.approx(SECONDS, abs=0.2)
        assert viewer.colour() == ("red" if is_loaded else "blue")
