"""How many pixels an upload may have altogether, also one whose picture grows midway."""

from __future__ import annotations

from dataclasses import replace

import probed

from codex_assets.errors import SourceCode
from codex_assets.media.upload import intake, sizes

SMALL = probed.parsed(probed.picture(width=96, height=54)).video
HOURS = 3600.0


def test_what_grows_is_limited_as_if_it_had_begun_so() -> None:
    assert SMALL is not None
    assert intake.in_work(SMALL, 12 * HOURS, 1 << 20) is None
    grown = sizes.in_one_size(SMALL, {(96, 54): 10.0, (7680, 4320): 12 * HOURS})
    refusal = intake.in_work(grown, 12 * HOURS, 1 << 20)
    assert refusal is not None
    assert refusal.code is SourceCode.TOO_LARGE
    large = replace(SMALL, width=7680, height=4320, coded_width=7680, coded_height=4320)
    assert intake.in_work(large, 12 * HOURS, 1 << 20) == refusal
