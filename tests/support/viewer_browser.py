"""A Chromium that Playwright drives over the viewer's pages, and waiting for what happens in one of them."""

from __future__ import annotations

import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
needs_chromium = pytest.mark.skipif(CHROMIUM is None, reason="no Chromium: apt-get install chromium")
FLAGS = ("--autoplay-policy=no-user-gesture-required", "--mute-audio")


@contextmanager
def chromium() -> Iterator[Browser]:
    """A browser for the block, in which media may play by themselves."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        launched = playwright.chromium.launch(executable_path=CHROMIUM, args=list(FLAGS), chromium_sandbox=False)
        yield launched
        launched.close()


def wait(page: Page, expression: str, seconds: float = 120) -> None:
    """Until an expression is true in the page."""
    # Playwright's own way to wait is an `eval` in the page, which its policy forbids.
    end = time.monotonic() + seconds
    while not page.evaluate(f"!!({expression})"):
        assert time.monotonic() < end, expression
        page.wait_for_timeout(50)
