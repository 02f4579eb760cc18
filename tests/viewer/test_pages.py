"""The viewer's pages in a real browser: they play, follow, jump, filter, and ask nobody but their own server.

Chromium is driven by Playwright. Where there is no Chromium these tests are left out.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import jobs
import pytest
import whole_job
from clips import FFMPEG, H264
from viewer_browser import chromium, needs_chromium, wait
from viewer_site import viewing

from codex_assets.archive import history, undelivered
from codex_assets.archive.check_results import VERIFICATION, OutputVerification, VerificationRecord
from codex_assets.archive.findings import Finding
from codex_assets.archive.history import JobRecord
from codex_assets.archive.records import MediaRecord
from codex_assets.archive.store import RecordStore
from codex_assets.archive.undelivered import UndeliveredWebhook
from codex_assets.config.settings import Settings
from codex_assets.library import published_media
from codex_assets.library.compared_states import States
from codex_assets.library.comparison import RungComparison
from codex_assets.media import recipe_changes
from codex_assets.storage import keys
from codex_assets.system import vmaf_ffmpeg
from codex_assets.system.tools import Tools, tool_environment
from codex_assets.system.workspace import Workspace
from codex_assets.verification.judge import rule_set

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

pytestmark = [pytest.mark.slow, pytest.mark.ffmpeg, needs_chromium]
NOW = datetime.now(UTC)
SIZES = [(360, 740), (1440, 900), (3840, 2160)]


@dataclass
class Opened:
    """A page that is open, with what went wrong in it, and whom it asked."""

    page: Page
    errors: list[str] = field(default_factory=list)
    asked: set[str] = field(default_factory=set)

    def playback(self, expression: str) -> Any:
        """A value of the player, or what one of its methods returns."""
        return self.page.evaluate(f"playback.{expression}")

    def wait(self, expression: str) -> None:
        """Until an expression is true."""
        wait(self.page, expression)


@dataclass(frozen=True)
class Library:
    """Three media, as jobs made them: `film` (two rungs, with findings), `talk` (a sound), `notes` (refused)."""

    settings: Settings
    folder: Path


@pytest.fixture(scope="module")
def library(tmp_path_factory: pytest.TempPathFactory) -> Library:
    folder = tmp_path_factory.mktemp("library")
    samples = Path(__file__).parents[2] / "fixtures"
    film = folder / "film.mp4"
    scaled = ("-t", "8", "-vf", "scale=854:480,setsar=1", *H264, "-crf", "20", "-c:a", "copy")
    subprocess.run([*FFMPEG, "-i", str(samples / "sample-video.mp4"), *scaled, str(film)], check=True)
    uploads: list[tuple[str, whole_job.MediaType, Path]] = [
        ("film", "video", film),
        ("talk", "audio", samples / "sample-audio.wav"),
        ("notes", "video", Path(__file__)),
    ]
    for media_id, media_type, path in uploads:
        extras = {"EXTRA_OUTPUTS": "storyboard"}
        delivered = whole_job.deliver(path, media_type, folder, name=path.name, environment=extras, mediaId=media_id)
        assert delivered.body["status"] == ("failed" if media_id == "notes" else "completed")
    records = RecordStore(delivered.stores.archive)
    record = records.output("film", "hls_360p")
    assert record is not None
    spoiled = OutputVerification(
        output="hls_360p",
        data_version=record.data_version,
        checked_at="2099-01-01T00:00:00+00:00",
        passed=("playlist_readable",),
        failed=(
            Finding(rule="segment_decodes", passed=False, message="Frames are broken.", at=7.5),
            Finding(rule="no_longer_known", passed=False, message="It is odd.", where="segment_00001.ts"),
        ),
        rule_set=rule_set(),
    )
    kept = VerificationRecord(media_id="film", creator_id=jobs.CREATOR, media_type="video", outputs=(spoiled,))
    records.put("film", VERIFICATION, kept)
    return Library(delivered.settings, folder)


@pytest.fixture(scope="module")
def site(library: Library) -> Iterator[str]:
    with viewing(library.settings.stores(), library.folder / "viewer") as url:
        yield url


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as launched:
        yield launched


@contextmanager
def opened(browser: Browser, address: str, size: tuple[int, int] = (1440, 900), **context: Any) -> Iterator[Opened]:
    """A page for the block. At its end nothing may have gone wrong in it, and nobody else been asked."""
    width, height = size
    own = browser.new_context(viewport={"width": width, "height": height}, reduced_motion="reduce", **context)
    page = own.new_page()
    seen = Opened(page)
    page.on("console", lambda message: seen.errors.append(message.text) if message.type == "error" else None)
    page.on("pageerror", lambda error: seen.errors.append(str(error)))
    page.on("request", lambda request: seen.asked.add(request.url))
    page.goto(address)
    try:
        yield seen
    finally:
        own.close()
    origin = "/".join(address.split("/")[:3])
    assert seen.errors == []
    assert {url for url in seen.asked if not url.startswith((f"{origin}/", f"blob:{origin}/", "data:"))} == set()


def play(seen: Opened) -> None:
    """Play until something was shown."""
    seen.wait("!!playback.main && playback.main.readyState >= 2")
    seen.page.evaluate("playback.main.play()")
    seen.wait("playback.time > 0.3 && !playback.main.paused")


# --- A film -----------------------------------------------------------------------------------------------------------


def test_it_plays_and_switches_rungs(browser: Browser, site: str) -> None:
    with opened(browser, f"{site}/media/film") as seen:
        play(seen)
        options = seen.page.locator("#quality option").all_text_contents()
        assert [text.split(" ")[0] for text in options] == ["Auto", "480p", "360p"]
        for rung, width in (("360p", 640), ("480p", 854)):
            # From the start: it is short, and a switch takes its time on a machine that is busy.
            seen.page.evaluate("playback.seek(0), playback.main.play()")
            seen.page.select_option("#quality", rung)
            seen.wait(f"playback.inPlay === '{rung}' && playback.main.videoWidth === {width}")
            assert rung in seen.page.locator("#playing").inner_text()


def test_it_seeks_by_the_timeline(browser: Browser, site: str) -> None:
    with opened(browser, f"{site}/media/film") as seen:
        play(seen)
        seen.page.evaluate("playback.main.pause()")
        seen.page.locator(".plot").first.scroll_into_view_if_needed()
        box = seen.page.locator(".plot .u-over").first.bounding_box()
        assert box is not None
        seen.page.mouse.click(box["x"] + 0.75 * box["width"], box["y"] + 20)
        assert seen.playback("time") == pytest.approx(0.75 * seen.playback("duration"), abs=0.1)
        line = seen.page.locator("#playhead").bounding_box()
        assert line is not None
        assert line["x"] == pytest.approx(box["x"] + 0.75 * box["width"], abs=3)


def test_the_timeline_zooms_to_what_is_dragged_across(browser: Browser, site: str) -> None:
    with opened(browser, f"{site}/media/film") as seen:
        seen.page.wait_for_selector('[data-measured="done"]', timeout=60_000)
        seen.page.locator(".plot").first.scroll_into_view_if_needed()
        plot = seen.page.locator(".plot .u-over").first
        box = plot.bounding_box()
        assert box is not None
        middle = box["y"] + box["height"] / 2
        seen.page.mouse.move(box["x"] + 0.25 * box["width"], middle)
        seen.page.mouse.down()
        seen.page.mouse.move(box["x"] + 0.5 * box["width"], middle, steps=5)
        seen.page.mouse.up()
        length = seen.playback("duration")
        assert seen.page.evaluate("[span.start, span.end]") == pytest.approx([0.25 * length, 0.5 * length], abs=0.1)
        assert seen.playback("time") == 0, "to drag is no click"
        assert seen.page.locator(".marks .mark").count() == 0, "both findings are later"
        # The same place is another second now, in every lane.
        for number in (0, 1):
            seen.page.locator(".plot .u-over").nth(number).click(position={"x": box["width"] / 2, "y": 20})
            assert seen.playback("time") == pytest.approx(0.375 * length, abs=0.1)
            line = seen.page.locator("#playhead").bounding_box()
            assert line is not None
            assert line["x"] == pytest.approx(box["x"] + box["width"] / 2, abs=3)
        # Whoever goes elsewhere sees it.
        seen.page.locator('[data-rule="segment_decodes"] button').click()
        seen.wait("span.start <= playback.time && playback.time <= span.end")
        assert seen.page.locator(".marks .mark").count() == 1
        seen.page.get_by_role("button", name="All", exact=True).click()
        assert seen.page.evaluate("span.isAll")
        assert seen.page.locator(".marks .mark").count() == 2
        plot.hover(position={"x": 10, "y": 20})
        seen.page.keyboard.down("Control")
        seen.page.mouse.wheel(0, -300)
        seen.page.keyboard.up("Control")
        seen.wait("!span.isAll && span.start < 0.2")


def test_scrubbing_shows_the_storyboard(browser: Browser, site: str) -> None:
    with opened(browser, f"{site}/media/film") as seen:
        seen.wait("playback.main?.readyState >= 2")
        bar = seen.page.locator(".scrub input")
        bar.scroll_into_view_if_needed()
        box = bar.bounding_box()
        assert box is not None
        before = seen.page.evaluate("document.documentElement.scrollHeight")
        glimpse = seen.page.locator("#glimpse")
        assert glimpse.count() == 0
        # The film has 8 pictures: those from its first, sixth and last second.
        for share, start in ((0.02, 0), (0.66, 5), (0.99, 7)):
            seen.page.mouse.move(box["x"] + share * box["width"], box["y"] + box["height"] / 2)
            glimpse.wait_for()
            assert float(glimpse.get_attribute("data-start") or -1) == pytest.approx(start, abs=0.1)
            picture = glimpse.locator("span").evaluate("(each) => getComputedStyle(each).backgroundPosition")
            assert picture == f"{-160 * start}px 0px"
            over = glimpse.bounding_box()
            assert over is not None
            assert over["x"] >= box["x"] - 2
            assert over["x"] + over["width"] <= box["x"] + box["width"] + 2
        assert any(url.endswith("/storyboard.jpg") for url in seen.asked)
        assert seen.page.evaluate("document.documentElement.scrollHeight") == before, "nothing moves for it"
        seen.page.mouse.move(5, 5)
        seen.wait("!document.getElementById('glimpse')")
        bar.focus()
        seen.page.keyboard.press("ArrowRight")
        glimpse.wait_for()


def test_a_finding_leads_to_its_moment(browser: Browser, site: str) -> None:
    with opened(browser, f"{site}/media/film") as seen:
        play(seen)
        seen.page.locator('[data-rule="segment_decodes"] button').click()
        assert seen.playback("time") == pytest.approx(7.5, abs=0.5)
        seen.wait("playback.inPlay === '360p'")
        # One that names a segment: where that begins.
        seen.page.locator('[data-rule="no_longer_known"] button').click()
        assert seen.playback("time") == pytest.approx(6.0, abs=0.5)


def test_a_link_leads_to_a_moment(browser: Browser, site: str) -> None:
    with opened(
        browser, f"{site}/media/film#t=7.5&rung=360p", permissions=["clipboard-read", "clipboard-write"]
    ) as seen:
        seen.wait("playback.main?.readyState >= 2 && playback.inPlay === '360p'")
        assert seen.playback("time") == pytest.approx(7.5, abs=0.01)
        # The address follows whoever goes to a finding, and leads elsewhere when it is changed.
        seen.page.locator('[data-rule="no_longer_known"] button').click()
        assert seen.page.evaluate("location.hash") == "#t=6.006&rung=360p"
        seen.page.evaluate("location.hash = '#t=2.25'")
        seen.wait("playback.time === 2.25")
        seen.page.get_by_role("button", name="Copy link").click()
        assert seen.page.evaluate("navigator.clipboard.readText()") == f"{site}/media/film#t=2.25&rung=360p"
        seen.page.evaluate("location.hash = '#t=3&view=preview'")
        seen.wait("playback.view === 'preview' && playback.main?.readyState >= 2 && playback.time === 3")
        for other in ("#checks", "#t=", "#t=-1", "#t=soon&rung=360p"):
            seen.page.evaluate("(hash) => (location.hash = hash)", other)
            assert seen.playback("time") == 3


def test_keys_still_work_after_a_click(browser: Browser, site: str) -> None:
    with opened(browser, f"{site}/media/film") as seen:
        seen.wait("playback.main?.readyState >= 2")
        seen.page.locator(".scrub input").click(position={"x": 40, "y": 8})
        for key in ("k", " "):
            seen.page.keyboard.press(key)
            seen.wait(f"playback.main.paused === {'false' if key == 'k' else 'true'}")
        seen.page.get_by_text("Preview", exact=True).first.click()
        seen.page.get_by_text("Ladder", exact=True).first.click()
        seen.wait("playback.view === 'output' && playback.main?.readyState >= 2")
        seen.page.keyboard.press(" ")
        seen.wait("!playback.main.paused")
        seen.page.locator("#quality").focus()
        seen.page.keyboard.press("k")
        seen.wait("playback.main.paused")
        # Arrows are those of what has the focus, and letters with which a name in a list begins.
        seen.page.keyboard.press("ArrowDown")
        assert seen.playback("chosen") == "480p"
        seen.page.keyboard.press("a")
        assert seen.playback("chosen") == "auto"
    with opened(browser, site) as seen:
        seen.page.locator('[data-index="0"] input').check()
        seen.page.keyboard.press("?")
        assert seen.page.locator("dialog[open]").count() == 1


def test_upload_and_ladder_keep_step(browser: Browser, site: str) -> None:
    with opened(browser, f"{site}/media/film") as seen:
        seen.page.get_by_label("Side by side").check()
        seen.wait("playback.elements.upload?.readyState >= 2 && playback.elements.output?.readyState >= 2")
        seen.page.evaluate("playback.seek(3)")
        seen.page.evaluate("playback.main.play()")
        seen.wait("playback.time > 3.5 && !playback.elements.upload.paused")
        apart = "Math.abs(playback.elements.upload.currentTime - playback.elements.output.currentTime)"
        seen.wait(f"{apart} < 0.2")
        for view in ("Preview", "Upload", "Ladder"):
            seen.page.get_by_label(view, exact=True).first.check()
            seen.wait("playback.main.readyState >= 2")


def test_what_is_measured_arrives(browser: Browser, site: str) -> None:
    with opened(browser, f"{site}/media/film") as seen:
        seen.page.wait_for_selector('[data-measured="done"]', timeout=60_000)
        lanes = seen.page.locator(".timeline").inner_text()
        assert re.search(r"integrated −1[5-7]\.\d", lanes)
        assert re.search(r"[45] key frames in 360p, at most 2\.00 s apart", lanes)
        assert "2 segments of" in lanes


def test_the_keyboard_alone_suffices(browser: Browser, site: str) -> None:
    with opened(browser, f"{site}/media/film") as seen:
        seen.wait("playback.main?.readyState >= 2")
        press = seen.page.keyboard.press
        press("k")
        seen.wait("!playback.main.paused")
        press("k")
        seen.wait("playback.main.paused")
        seen.page.evaluate("playback.seek(0)")
        press("n")
        assert seen.playback("time") == pytest.approx(6.0, abs=0.5)
        press("n")
        assert seen.playback("time") == pytest.approx(7.5, abs=0.5)
        press("l")
        press("j")
        press("q")
        assert seen.playback("chosen") != "360p"
        press("v")
        assert seen.playback("view") == "preview"
        # Of a preview there is one quality.
        seen.page.evaluate("playback.show('output')")
        press("?")
        assert seen.page.locator("dialog[open]").count() == 1
        press("Escape")
        reached = set()
        for _ in range(60):
            press("Tab")
            reached.add(seen.page.evaluate("document.activeElement.id || document.activeElement.textContent.trim()"))
        assert {"quality", "Copy"} <= reached


# --- A sound, and what was refused ------------------------------------------------------------------------------------


def test_the_waveform_follows(browser: Browser, site: str) -> None:
    with opened(browser, f"{site}/media/talk") as seen:
        play(seen)
        seen.wait("!!playback.surfer")
        seen.wait("Math.abs(playback.surfer.getCurrentTime() - playback.time) < 0.3 && playback.time > 1")
        wave = seen.page.locator(".wave").bounding_box()
        assert wave is not None
        seen.page.mouse.click(wave["x"] + wave["width"] / 2, wave["y"] + wave["height"] / 2)
        assert seen.playback("time") == pytest.approx(seen.playback("duration") / 2, abs=0.5)


def test_a_refusal_is_said_and_what_to_do(browser: Browser, site: str) -> None:
    with opened(browser, f"{site}/media/notes") as seen:
        seen.page.wait_for_selector(".refusal")
        assert seen.page.locator("h1 + .pill").inner_text() == "Refused"
        said = seen.page.locator(".refusal").inner_text()
        for words in (
            "The upload is a text file",
            "archive: originals/",
            "Uploaded",
            "just now",
            "source_not_media",
            "Upload the media file.",
            "codex-assets delete notes",
        ):
            assert words in said, words
        assert seen.page.locator("video, audio, .player").count() == 0, "there is nothing to play"
        assert seen.page.get_by_text("The upload is a text file").count() == 1, "it is said once"
        assert seen.page.get_by_role("link", name="Download the upload").count() == 1


# --- Jobs that are under way, and one that is no more -----------------------------------------------------------------


@pytest.fixture
def work(library: Library) -> Iterator[Callable[..., None]]:
    """Puts a job of `film` on record, or of `new`, of which nothing is built. Afterwards all is as it was."""
    records = RecordStore(library.settings.stores().archive)
    before = history.read(records, "film")
    new = MediaRecord(
        media_id="new", creator_id=jobs.CREATOR, media_type="video", input_role="archive", input_key="new"
    )
    records.put("new", "media", new)

    def keep(media_id: str, outcome: history.Outcome, begun: timedelta = timedelta(minutes=1)) -> None:
        started_at = (NOW - begun).isoformat()
        job = JobRecord(
            id="job-9",
            media_id=media_id,
            creator_id=jobs.CREATOR,
            media_type="video",
            asked=(),
            started_at=started_at,
            outcome=outcome,
        )
        history.keep(records, job)

    yield keep
    records.put("film", history.JOBS, history.JobHistory(media_id="film", jobs=before))
    records.forget("new", history.JOBS)
    records.forget("new", "media")


def test_a_page_of_which_nothing_is_built_shows_what_a_job_came_to(
    browser: Browser, site: str, work: Callable[..., None]
) -> None:
    work("new", "running")
    with opened(browser, f"{site}/media/new") as seen:
        banner = seen.page.locator(".banner")
        assert "It is being built." in banner.inner_text()
        work("new", "failed")
        seen.page.get_by_text("The last job failed.").wait_for()
        assert banner.count() == 1


def test_whoever_watches_is_asked_when_a_job_has_ended(browser: Browser, site: str, work: Callable[..., None]) -> None:
    work("film", "running")
    with opened(browser, f"{site}/media/film") as seen:
        play(seen)
        assert "It is being built." in seen.page.locator(".banner").inner_text()
        work("film", "completed")
        button = seen.page.get_by_role("button", name="Show what there is now")
        button.wait_for()
        assert seen.playback("time") > 0, "it plays on"
        button.click()
        seen.page.wait_for_selector(".banner", state="detached")
        assert seen.page.locator("h1 + .pill").inner_text() == "Failed", "as its findings say"


def test_a_job_that_was_killed_is_not_under_way(browser: Browser, site: str, work: Callable[..., None]) -> None:
    work("new", "running", history.LONGEST_JOB + timedelta(hours=1))
    with opened(browser, f"{site}/media/new") as seen:
        assert "The last job never ended." in seen.page.locator(".banner").inner_text()
        assert seen.page.locator(".works .pill").inner_text() == "never ended"
        assert seen.page.locator("h1 + .pill").inner_text() == "Failed"


def test_a_webhook_that_waits_is_said_where_nothing_is_built(
    browser: Browser, library: Library, site: str, work: Callable[..., None]
) -> None:
    work("new", "failed")
    records = RecordStore(library.settings.stores().archive)
    waiting = UndeliveredWebhook(
        job_id="job-9",
        body="{}",
        url="https://hooks.example",
        begun_at=NOW.isoformat(),
        since=NOW.isoformat(),
        code="webhook_undelivered",
        reason="The webhook receiver did not answer.",
    )
    undelivered.keep(records, "new", waiting)
    try:
        with opened(browser, f"{site}/media/new") as seen:
            said = seen.page.get_by_text("A webhook was not delivered.").locator("..").inner_text()
            assert "The webhook receiver did not answer." in said
            assert "codex-assets redeliver new" in said
    finally:
        undelivered.forget(records, "new", waiting)


# --- Two recipes ------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def compared(library: Library) -> Iterator[str]:
    """A viewer with a comparison of `film` open."""
    published = published_media.read("film", RecordStore(library.settings.stores().archive))
    assert published is not None
    recipe = "hls_360p.video_kbps=250"
    before = stored(library)
    stores = library.settings.stores()
    with closing(Workspace(library.folder / "work")) as workspace:
        tools = library.settings.tools().within(workspace.root)
        states = States(published, stores, tools, workspace, library.folder / "other", library.settings.video_encoder)
        sides = states.chosen([(recipe, recipe_changes.parse(recipe))], [])
        comparison = RungComparison(stores, tools, workspace).run(published, sides)
    assert stored(library) == before, "nothing is published"
    with viewing(stores, library.folder / "compare", comparison=comparison) as url:
        yield url


def stored(library: Library) -> dict[str, bytes]:
    """Every object of the stores but the leases, which say who wrote last."""
    stores = library.settings.stores()
    return {
        f"{role}/{key}": stores.by_role(role).read(key)
        for role in ("archive", "media", "assets")
        for key in [stored_object.key for stored_object in stores.by_role(role).list("")]
        if not key.startswith(keys.LEASES_ROOT)
    }


def test_two_recipes_play_in_step_and_are_measured(browser: Browser, compared: str) -> None:
    with opened(browser, f"{compared}/compare") as seen:
        seen.wait("players[0]?.element.readyState >= 2 && players[1]?.element.readyState >= 2")
        seen.page.get_by_role("button", name="Play").click()
        seen.wait("players[0].element.currentTime > 1.5 && !players[1].element.paused")
        seen.wait("Math.abs(players[0].element.currentTime - players[1].element.currentTime) < 0.1")
        assert [seen.page.evaluate(f"players[{side}].element.muted") for side in (0, 1)] == [False, True]
        seen.page.locator("#wipe").fill("20")
        assert "20%" in (seen.page.locator(".wipe").get_attribute("style") or "")
        box = seen.page.locator(".wipe").bounding_box()
        assert box is not None
        seen.page.mouse.click(box["x"] + 0.7 * box["width"], box["y"] + 0.5 * box["height"])
        assert float(seen.page.locator("#wipe").input_value()) == pytest.approx(70, abs=1)
        sheet = json.loads(seen.page.locator("#data").text_content() or "")
        numbers = seen.page.locator(".numbers").inner_text()
    assert [side["name"] for side in sheet["sides"]] == ["published", "what if"]
    (rung,) = sheet["rungs"]
    before, after = rung["sides"]
    assert after["bytes"] < 0.8 * before["bytes"]
    assert re.search(r"video_kbps\s+500\s+250", numbers), "what differs in the recipes is said"
    assert min(after["likeness"]["values"]) < min(before["likeness"]["values"])
    assert len(after["likeness"]["values"]) == pytest.approx(8, abs=1)
    if vmaf_ffmpeg.measuring_tools(Tools(tool_environment(os.environ))) is None:
        # Debian's ffmpeg has no libvmaf, and the package that brings one is an extra.
        assert before["vmaf"] is None
        assert after["vmaf"] is None
    else:
        assert len(before["vmaf"]["values"]) == len(before["likeness"]["values"])
        means = [sum(side["vmaf"]["values"]) / len(side["vmaf"]["values"]) for side in (after, before)]
        assert 20 < means[0] < means[1] <= 100


def test_times_are_rounded_as_a_whole(browser: Browser, site: str) -> None:
    with opened(browser, f"{site}/") as seen:
        words = "import('/pages/elements.js').then(({ duration }) => [8.26, 59.7, 119.6, 3599.7, 5400].map(duration))"
        assert seen.page.evaluate(words) == ["8.3 s", "1 min 0 s", "2 min 0 s", "1 h 0 min", "1 h 30 min"]


def test_a_comparison_is_worked_by_keys_and_without_fault(browser: Browser, compared: str) -> None:
    with opened(browser, f"{compared}/compare") as seen:
        seen.wait("players[0]?.element.readyState >= 2 && players[1]?.element.readyState >= 2")
        press = seen.page.keyboard.press
        press("k")
        seen.wait("!players[0].element.paused && !players[1].element.paused")
        press("k")
        press("ArrowRight")
        seen.wait("players[0].element.currentTime >= 5")
        press("[")
        assert seen.page.locator("#wipe").input_value() == "45"
        press("x")
        # A page draws before it acts on what has changed.
        seen.wait("players[0].element.muted && !players[1].element.muted")
        # Also after a click on a slider.
        seen.page.locator("#wipe").click()
        press("+")
        assert seen.page.evaluate("[span.isAll, span.end - span.start]") == [False, pytest.approx(4, abs=0.1)]
        press("0")
        assert seen.page.evaluate("span.isAll")


# --- Every page -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("path", ["/", "/media/film", "/media/talk", "/media/notes", "/media/nobody", "/compare"])
def test_axe_finds_no_fault(
    browser: Browser, request: pytest.FixtureRequest, path: str, scheme: Literal["light", "dark"]
) -> None:
    site: str = request.getfixturevalue("compared" if path == "/compare" else "site")
    from axe_playwright_python.sync_playwright import Axe

    with browser.new_context(color_scheme=scheme) as own:
        page = own.new_page()
        page.goto(f"{site}{path}")
        page.wait_for_selector("[data-index]" if path == "/" else "h1")
        if path in ("/media/film", "/media/talk"):
            page.wait_for_selector('[data-measured="done"]', timeout=60_000)
        violations = Axe().run(page).response["violations"]
        assert [(each["id"], [node["html"][:120] for node in each["nodes"][:3]]) for each in violations] == []


@pytest.mark.parametrize("size", SIZES, ids=lambda size: str(size[0]))
@pytest.mark.parametrize("path", ["/", "/media/film", "/media/talk", "/compare"])
def test_nothing_overflows_or_shifts(
    browser: Browser, request: pytest.FixtureRequest, path: str, size: tuple[int, int]
) -> None:
    site: str = request.getfixturevalue("compared" if path == "/compare" else "site")
    drawn = {"/": "[data-index]", "/compare": ".plot canvas"}.get(path, '[data-measured="done"]')
    with opened(browser, f"{site}{path}", size) as seen:
        seen.page.wait_for_selector(drawn, timeout=60_000)
        assert seen.page.evaluate("document.documentElement.scrollWidth") <= size[0]
        shifted = """new Promise((told) => {
            let sum = 0;
            new PerformanceObserver((list) => list.getEntries().forEach((each) => (sum += each.value)))
                .observe({ type: "layout-shift", buffered: true });
            setTimeout(() => told(sum), 400);
        })"""
        assert seen.page.evaluate(shifted) < 0.02


def test_a_page_that_cannot_be_shown_is_called_by_what_is_wrong(browser: Browser, site: str) -> None:
    for path, heading in (
        ("/media/nobody", "No such media"),
        ("/compare", "No comparison"),
        ("/nothing/here", "No such page"),
    ):
        with browser.new_context() as own:
            page = own.new_page()
            page.goto(f"{site}{path}")
            assert (page.locator("h1").inner_text(), page.title()) == (heading, f"{heading} – codex-assets")


def test_columns_end_at_the_same_height(browser: Browser, site: str) -> None:
    with opened(browser, f"{site}/media/film") as seen:
        seen.page.wait_for_selector(".below .card")
        last = """[...document.querySelectorAll(".below > .column")]
            .map((column) => Math.round(column.lastElementChild.getBoundingClientRect().bottom))"""
        left, right = seen.page.evaluate(last)
        assert left == pytest.approx(right, abs=1)


def test_a_time_that_outputs_share_is_said_once(browser: Browser, site: str) -> None:
    with opened(browser, f"{site}/media/film") as seen:
        table = seen.page.get_by_role("region", name="Table of builds")
        times = table.locator("td[rowspan]").all_inner_texts()
        assert len([text for text in times if re.search(r"\d\s*s", text)]) < table.locator("tbody tr").count()
        # 480p, 360p, preview and master are of one encode; the mezzanine and its loudness of one pass.
        assert re.search(r"for all 2", table.inner_text())
        assert re.search(r"for all 4", table.inner_text())


# --- The library ------------------------------------------------------------------------------------------------------


def rows(count: int) -> list[dict[str, Any]]:
    """So many media as rows, of all kinds."""
    states = ["current"] * 6 + ["stale", "stale", "failed", "refused"]
    return [
        {
            "id": f"media-{number:05d}",
            "type": "audio" if number % 4 == 0 else "video",
            "creator": f"creator-{number % 37}",
            "state": states[number % 10],
            "seconds": 10.0 + number % 3600,
            "bytes": 1_000_000 + number,
            "cost": number / 1e5 if number % 3 else None,
            "built": f"2026-0{1 + number % 9}-01T00:00:00+00:00",
            "encoder": "h264_nvenc" if number % 2 else "libx264",
            "stale": ["hls_720p"] if states[number % 10] == "stale" else [],
            "failing": ["segment_decodes"] if number % 20 == 8 else [],
            "error": "source_not_media" if states[number % 10] == "refused" else None,
            "picture": None,
        }
        for number in range(count)
    ]


@pytest.fixture(scope="module")
def many(library: Library) -> Iterator[str]:
    made = rows(10_000)
    with viewing(library.settings.stores(), library.folder / "many", lambda: made) as url:
        yield url


def test_ten_thousand_rows_are_filtered_sorted_and_selected(browser: Browser, many: str) -> None:
    with opened(browser, many) as seen:
        page = seen.page
        page.wait_for_selector("[data-index]")
        assert page.locator("[data-index]").count() < 60
        page.get_by_label("Refused").check()
        assert page.get_by_role("status").first.inner_text() == "1,000 of 10,000 media"
        page.get_by_label("All", exact=False).first.check()
        page.get_by_label("Failing check").select_option("segment_decodes")
        assert page.get_by_role("status").first.inner_text() == "500 of 10,000 media"
        page.get_by_role("button", name="Cost").click()
        assert page.locator('[data-index="0"] a').inner_text() == "media-09988"
        assert "failing=segment_decodes" in page.url
        page.get_by_role("button", name="Clear").click()
        page.get_by_label("Find by id or creator").fill("media-0000")
        page.keyboard.press("ArrowDown")
        page.keyboard.press("x")
        page.keyboard.press("End")
        page.keyboard.press("x")
        line = page.locator(".selected code").inner_text()
        assert line.startswith("codex-assets rebuild media-0000")
        page.get_by_role("button", name="Select none").click()
        page.get_by_label("Find by id or creator").fill("")
        page.get_by_label("Type").select_option("audio")
        page.get_by_label("Stale", exact=False).first.check()
        page.get_by_label("Select all that are shown").check()
        assert page.locator(".selected code").inner_text() == "codex-assets rebuild --where type=audio,stale"


@pytest.fixture(scope="module")
def mixed(library: Library) -> Iterator[str]:
    """Ten rows: six current, two stale, one failed, one refused; the failed one is stale as well."""
    made = rows(10)
    made[8]["stale"] = ["hls_720p"]
    with viewing(library.settings.stores(), library.folder / "mixed", lambda: made) as url:
        yield url


def test_words_in_a_row_stand_apart(browser: Browser, mixed: str) -> None:
    apart = """[...document.querySelectorAll(".row")].flatMap((row) => {
        const places = [...row.children].flatMap((cell) => {
            const inside = cell.getBoundingClientRect();
            const words = document.createTreeWalker(cell, NodeFilter.SHOW_TEXT);
            const places = [];
            while (words.nextNode()) {
                const range = document.createRange();
                range.selectNodeContents(words.currentNode);
                const { left, right, width } = range.getBoundingClientRect();
                if (width && !words.currentNode.parentElement.closest(".hidden")) places.push([left, right]);
            }
            // What is too long is cut.
            const end = inside.right - parseFloat(getComputedStyle(cell).paddingRight);
            const right = Math.min(end, Math.max(...places.map((place) => place[1])));
            const isNumber = cell.classList.contains("number");
            return places.length ? [{ isNumber, left: Math.min(...places.map((place) => place[0])), right }] : [];
        });
        return places.slice(1).map((place, index) => {
            const before = places[index];
            return [before.isNumber && !place.isNumber, place.left - before.right];
        });
    })"""
    for size in SIZES:
        with opened(browser, mixed, size) as seen:
            seen.page.wait_for_selector("[data-index]")
            gaps = seen.page.evaluate(apart)
            assert min(gap for _, gap in gaps) >= 12
            # A number ends where a word begins, with nothing else between them.
            assert min((gap for is_turn, gap in gaps if is_turn), default=24) >= 24


def test_an_empty_library_says_how_to_fill_it(browser: Browser, library: Library, site: str) -> None:
    with viewing(library.settings.stores(), library.folder / "empty", list) as url, opened(browser, url) as seen:
        seen.page.get_by_text("There is no media in this store yet").wait_for()
    with opened(browser, f"{site}/?q=nothing-like-this") as seen:
        seen.page.get_by_text("No media is like this.").wait_for()


@pytest.mark.parametrize(
    ("selected", "arguments", "said"),
    [
        ((6, 7), "media-00006 media-00007", ""),
        ((6, 9), "media-00006", "1 refused upload left out"),
        ((0, 1), "media-00000 media-00001 --also-fresh", "Nothing of this is stale"),
        ((0, 6, 7), "media-00000 media-00006 media-00007 --also-fresh", "1 of 3 is fresh"),
        ((0, 6, 9), "media-00000 media-00006 --also-fresh", "1 of 2 is fresh"),
    ],
)
def test_the_command_builds_what_is_selected(
    browser: Browser, mixed: str, selected: tuple[int, ...], arguments: str, said: str
) -> None:
    with opened(browser, mixed) as seen:
        for index in selected:
            seen.page.get_by_label(f"Select media-{index:05d}").check()
        assert seen.page.locator(".selected code").inner_text() == f"codex-assets rebuild {arguments}"
        notes = seen.page.locator("#notes").inner_text()
        assert notes.startswith(said) or said in notes.split(". ")[-1]
        assert bool(notes) == bool(said)


def test_what_is_refused_is_in_no_command(browser: Browser, mixed: str) -> None:
    with opened(browser, mixed) as seen:
        seen.page.get_by_label("Select media-00009").check()
        assert seen.page.locator(".selected code").count() == 0
        assert "1 refused upload left out" in seen.page.locator("#notes").inner_text()


def test_a_condition_stands_for_what_is_selected_and_no_more(browser: Browser, mixed: str) -> None:
    """`--where stale` is also true of a media that is called failed."""
    with opened(browser, f"{mixed}/?state=stale") as seen:
        seen.page.get_by_label("Select all that are shown").check()
        assert seen.page.locator(".selected code").inner_text() == "codex-assets rebuild media-00006 media-00007"
    with opened(browser, f"{mixed}/?type=video") as seen:
        seen.page.get_by_label("Select all that are shown").check()
        line = seen.page.locator(".selected code").inner_text()
        assert line == "codex-assets rebuild --where type=video --also-fresh"


def test_ten_thousand_rows_stay_fluent(browser: Browser, many: str) -> None:
    with opened(browser, many) as seen:
        seen.page.wait_for_selector("[data-index]")
        interactive = seen.page.evaluate("performance.now()")
        most, frames = seen.page.evaluate("""new Promise((told) => {
            const grid = document.querySelector(".grid");
            const times = [];
            let last = performance.now(), turns = 0, most = 0;
            const step = (now) => {
                times.push(now - last);
                most = Math.max(most, grid.querySelectorAll("[data-index]").length);
                last = now;
                grid.scrollTop += 2500;
                if (++turns < 120) requestAnimationFrame(step);
                else told([most, times.slice(1).sort((one, other) => one - other)]);
            };
            requestAnimationFrame(step);
        })""")
        typical, slow = frames[len(frames) // 2], frames[int(0.95 * len(frames))]
        print(f"interactive after {interactive:.0f} ms; frames {typical:.1f} ms, 95 % below {slow:.1f} ms")
        assert most < 60, "only the rows in sight exist"
        seen.wait("Number(document.querySelector('[data-index]').dataset.index) > 3000")
