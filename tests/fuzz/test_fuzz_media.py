"""Damaged uploads through the whole job: delivered, or refused with a sentence that tells the creator why.

Every file is made from a recipe (`mutations`), so that what once failed stays here as a case of its own.
"""

from __future__ import annotations

import re
import time
from pathlib import Path

import mutations
import pytest
from mutations import Mutation
from slow_cases import some_slow
from whole_job import deliver

from codex_assets import errors
from codex_assets.errors import Fault, JobError

pytestmark = pytest.mark.ffmpeg

NUMBERS = 12
"""Damaged files of each seed, behind `slow`: 348 in all."""
LONGEST_SECONDS = 180.0
"""Wall seconds of one job of half a second of media on a busy machine: more is a hang."""

REGRESSIONS: dict[str, Mutation] = {
    "packets of a transport stream in another order": Mutation(
        "ts", (("swap", 0.66765, 0.0, 0.01686), ("swap", 0.74008, 0.8566, 0.04201))
    ),
    "a broadcast with holes, its packets in another order": Mutation(
        "ts", (("blank", 0.44618, 0.18242), ("swap", 0.29096, 0.02383, 0.05653))
    ),
    "a frame of FLAC without a time": Mutation("flac", (("lose", 0.83527, 0.03648),)),
    "nine of ten frames of AAC are broken": Mutation("mp4_fragmented", (("repeat", 0.32281, 0.10016),)),
    "no picture can be decoded, but the sound": Mutation("mp4", (("swap", 0.21554, 0.08364, 0.03262),)),
    "the picture ends before the moment of the thumbnail": Mutation(
        "mkv", (("insert", 0.54549, "avi", 0.84352, 0.2229), ("lose", 0.46217, 0.31325))
    ),
    "cut off within the header": Mutation("mkv", (("cut", 0.00922),)),
    "sound that is another file's": Mutation("mp4_fragmented", (("splice", 0.58266, "wmv", 0.5912),)),
}

QUICK = (("mp4", 1), ("mkv", 3), ("mov", 4), ("avi", 2), ("wav", 5), ("ogg", 7))
QUICK_REGRESSIONS = (
    "no picture can be decoded, but the sound",
    "the picture ends before the moment of the thumbnail",
    "cut off within the header",
    "sound that is another file's",
)


def is_quick(number: int, _: Mutation) -> bool:
    return list(REGRESSIONS)[number] in QUICK_REGRESSIONS


def others_codes() -> set[str]:
    """Codes of failures that are not the creator's: none of them may be an upload's doing."""

    def kinds(kind: type[JobError]) -> list[type[JobError]]:
        return [kind, *(subclass for sub in kind.__subclasses__() for subclass in kinds(sub))]

    return {kind.code for kind in kinds(JobError) if kind.fault is not Fault.CREATOR}


def judge(mutation: Mutation, folder: Path) -> None:
    """The job answers once (`deliver` asks for that), with what was verified or with a refusal that can be acted on."""
    started = time.monotonic()
    delivered = deliver(mutation.made(), mutation.media_type, folder, name=mutation.name)
    assert time.monotonic() - started < LONGEST_SECONDS
    assert list(delivered.left_behind()) == []
    body = delivered.body
    if body["status"] == "completed":
        assert delivered.published()
        return
    assert body["errorCode"] not in others_codes(), body
    assert body["retryable"] is False
    assert delivered.published() == set()
    assert re.fullmatch(r"[A-Z][^\n]{10,300}[.!]", body["error"])
    assert not re.search(r"/tmp|/[a-z]+/|0x[0-9a-f]{4}|Error|Traceback|ffmpeg|ffprobe|\[", body["error"]), body["error"]


@pytest.mark.parametrize("mutation", some_slow(REGRESSIONS.values(), is_quick), ids=list(REGRESSIONS))
def test_what_once_failed_unclearly(mutation: Mutation, tmp_path: Path) -> None:
    judge(mutation, tmp_path)


@pytest.mark.parametrize(("seed", "number"), QUICK)
def test_a_damaged_upload_is_delivered_or_refused(seed: str, number: int, tmp_path: Path) -> None:
    judge(mutations.mutation(seed, number), tmp_path)


@pytest.mark.slow
@pytest.mark.parametrize("number", range(NUMBERS))
@pytest.mark.parametrize("seed", mutations.SEEDS)
def test_hundreds_of_damaged_uploads_are_delivered_or_refused(seed: str, number: int, tmp_path: Path) -> None:
    judge(mutations.mutation(seed, number), tmp_path)


@pytest.mark.slow
@pytest.mark.parametrize("seed", mutations.SEEDS)
def test_every_seed_is_delivered_undamaged(seed: str, tmp_path: Path) -> None:
    """Else its mutations would prove nothing."""
    delivered = deliver(mutations.seed_bytes(seed), mutations.SEEDS[seed].media_type, tmp_path)
    assert delivered.body["status"] == "completed"


def test_a_mutation_is_the_same_every_time() -> None:
    for seed in mutations.SEEDS:
        assert mutations.mutation(seed, 3) == mutations.mutation(seed, 3)
    assert mutations.mutation("mp4", 3).made() == mutations.mutation("mp4", 3).made()
    assert mutations.mutation("mp4", 3).made() != mutations.seed_bytes("mp4")


def test_codes_that_are_not_the_creators() -> None:
    assert {"internal_error", "tool_failed", "verification_failed", "storage_failed"} <= others_codes()
    assert errors.SourceError.code not in others_codes()
