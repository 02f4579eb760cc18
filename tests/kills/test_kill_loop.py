"""Whatever is killed, and whenever: what is published is whole at every moment, and right when the job is done."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import jobs
import pytest
import s3_server
from kill_loop import TARGETS, KillLoop, playing
from webhook_receiver import receiving

KILLS = int(os.environ.get("KILLS", "150"))
"""Of each media type."""
SEED = int(os.environ.get("KILL_SEED", "1"))

pytestmark = [pytest.mark.ffmpeg, pytest.mark.slow, pytest.mark.timeout(3 * 3600)]


@pytest.fixture(scope="module")
def endpoint() -> Iterator[str]:
    with s3_server.s3_server() as url:
        yield url


@pytest.mark.parametrize("media_type", ["audio", "video"])
def test_what_is_killed_is_done_in_the_end_and_nobody_sees_a_half(
    media_type: str, endpoint: str, tmp_path: Path
) -> None:
    uploads = (
        {"first": jobs.original("audio"), "second": jobs.another_sound()}
        if media_type == "audio"
        else {"first": jobs.original("video"), "second": jobs.film(7, "96x54")}
    )
    environment, buckets = jobs.s3_environment(tmp_path, endpoint)
    folder = "hls-audio" if media_type == "audio" else "hls"
    with receiving() as receiver:
        loop = KillLoop(media_type, uploads, environment, buckets, endpoint, receiver, tmp_path / "worker.log", SEED)
        try:
            for film in ("first", "second"):
                loop.learn(film)
            with playing(endpoint, buckets[1], f"{jobs.CREATOR}/{folder}/m1", loop.film_of) as reader:
                for number in range(KILLS):
                    loop.kill_one(("first", "second")[number % 2])
        finally:
            loop.close()
    tally = loop.tally
    print(
        f"\n{media_type}: {sum(tally.kills.values())} kills {dict(tally.kills)}, {tally.late} of them after "
        f"the answer, {tally.deliveries} deliveries, "
        f"{reader.fetched} playlists read whole, two films at once for at most {reader.mixed_seconds:.1f} s"
    )
    # Whole: pytest cuts long sentences off, and there is no second time.
    print(*tally.wrong, sep="\n")
    assert not tally.wrong
    assert not reader.broken
    assert KILLS < 20 or set(tally.kills) == set(TARGETS)
