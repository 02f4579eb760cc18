"""What the pages of Dagster's UI take in Chromium: seconds until all live data is there, and those of the server.

A page is there when each of the questions that it asks has its first answer: it asks some of them again every five
seconds. One that then still says "Loading" is named. Each is opened twice, by a browser that knows nothing yet.
`bench/import.py` calls this, with a webserver that shows thousands of media; by itself it does nothing.
"""

from __future__ import annotations

import os
import shutil
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from playwright.sync_api import Page, Request

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
PAGES = {
    "lineage of the videos": "/locations/codex_assets/asset-groups/video/lineage",
    "checks of a variant": "/assets/video/hls_720p?view=checks",
    "partitions of a variant": "/assets/video/hls_720p?view=partitions",
    "one media of a variant": "/assets/video/hls_720p?view=partitions&partition=@MEDIA@",
}
OPENED = 2
"""Times that each page is opened."""
WATCHED_SECONDS = 8
"""A page whose questions have their answers is watched for so long: one question follows from another."""
MOST_SECONDS = 300


@dataclass
class Asked:
    """One question of a page: its name, all that it asks, and the seconds from the page's opening to its answer."""

    name: str
    text: str
    answered: float | None = None


@dataclass
class Opening:
    """A page that is being opened."""

    page: Page
    began: float = field(default_factory=time.monotonic)
    questions: dict[Request, Asked] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.page.on("request", self._note)
        self.page.on("requestfinished", self._note_end)
        self.page.on("requestfailed", self._note_end)

    def seconds(self) -> float:
        return time.monotonic() - self.began

    def wait(self) -> float:
        """Until each question has an answer; the seconds that this took."""
        there = 0.0
        while self.seconds() < MOST_SECONDS:
            self.page.wait_for_timeout(100)
            there = max(self.first_answers().values(), default=MOST_SECONDS)
            if self.seconds() > there + WATCHED_SECONDS:
                break
        return there

    def first_answers(self) -> dict[str, float]:
        """All that a question asks -> seconds until its first answer; `MOST_SECONDS` without one."""
        answers: dict[str, float] = {}
        for question in self.questions.values():
            answered = question.answered or MOST_SECONDS
            answers[question.text] = min(answers.get(question.text, MOST_SECONDS), answered)
        return answers

    def last(self) -> str:
        """The name of the question that was answered last."""
        answers = self.first_answers()
        return max(self.questions.values(), key=lambda question: answers[question.text]).name

    def _note(self, request: Request) -> None:
        if "/graphql" in request.url and request.method == "POST":
            asked: Any = request.post_data_json
            self.questions[request] = Asked(str((asked or {}).get("operationName")), request.post_data or "")

    def _note_end(self, request: Request) -> None:
        if request in self.questions:
            self.questions[request].answered = self.seconds()


def processor_seconds(session: int) -> float:
    """Of all living processes of a session."""
    ticks = 0
    for name in filter(str.isdigit, os.listdir("/proc")):
        try:
            if os.getsid(int(name)) == session:
                ticks += sum(map(int, Path("/proc", name, "stat").read_text().rpartition(")")[2].split()[11:13]))
        except OSError:
            continue
    return ticks / os.sysconf("SC_CLK_TCK")


def measure(address: str, media_id: str, session: int, pictures: Path | None) -> None:
    """Open every page, and print what it took. `session`: that of the webserver; `pictures`: where screenshots go."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, chromium_sandbox=False)
        for label, path in PAGES.items():
            for number in range(OPENED):
                context = browser.new_context(viewport={"width": 1440, "height": 900})
                page, before = context.new_page(), processor_seconds(session)
                opening = Opening(page)
                page.goto(address + path.replace("@MEDIA@", media_id))
                took = opening.wait()
                spent = processor_seconds(session) - before
                waits = "" if page.get_by_text("Loading").count() == 0 else "; it still says Loading"
                print(
                    f"{label:40} {took:6.1f} s, {spent:6.1f} s of the server's processor time;"
                    f" last: {opening.last()}{waits}",
                    flush=True,
                )
                if pictures is not None:
                    page.screenshot(path=str(pictures / f"{label.replace(' ', '-')}-{number + 1}.png"))
                context.close()
        browser.close()
