"""What nothing here decodes is left out with a warning, or refused by its name; the rest of the file is delivered."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import format_inputs
import measure_picture as measure
import numpy as np
import pytest
import whole_job
from foreign_inputs import decoded_codecs
from format_inputs import CASES, Case, Refused
from slow_cases import some_slow
from whole_job import deliver

pytestmark = pytest.mark.ffmpeg

NEAR_LUMA, NEAR_HERTZ, NEAR_SECONDS = 4.0, 10.0, 0.1


def is_decoded(data: bytes, case: Case, folder: Path) -> bool:
    """Whether a plain ffmpeg knows the first track, and has a decoder for its codec."""
    path = folder / "upload"
    path.write_bytes(data)
    fields = ("-select_streams", case.media_type[0], "-show_entries", "stream=codec_name", "-of", "csv=p=0")
    run = subprocess.run(["ffprobe", "-v", "error", *fields, str(path)], capture_output=True, text=True, check=False)
    return next(iter(run.stdout.split()), "") in decoded_codecs()


def check(case: Case, tmp_path: Path) -> None:
    folder = tmp_path / "made"
    folder.mkdir()
    data = case.make(folder)
    delivered = deliver(data, case.media_type, tmp_path / "job")
    expected = case.expected
    if case.if_decoded is not None and is_decoded(data, case, folder):
        expected = case.if_decoded
    body = delivered.body
    if isinstance(expected, Refused):
        assert (body["status"], body.get("errorCode"), body.get("retryable")) == ("failed", expected.code, False), body
        assert expected.names in body["error"]
        assert delivered.published() == set()
    else:
        assert problems(expected, delivered) == []
    assert list(delivered.left_behind()) == []


def problems(expected: format_inputs.Delivered, delivered: whole_job.Delivered) -> list[str]:
    """What is wrong with a delivered upload."""
    given, mezzanine = delivered.warnings, delivered.mezzanine
    wanted = [expected.warns] if expected.warns is not None else []
    wrong = [] if len(given) == len(wanted) and all(map(re.search, wanted, given)) else [f"warned: {given}"]
    if expected.luma is not None:
        film = measure.decoded(mezzanine)
        levels = [film.level(number) for number in range(len(film.planes))]
        if abs(len(levels) / 25 - format_inputs.SECONDS) > NEAR_SECONDS:
            wrong.append(f"{len(levels)} pictures")
        wrong += [f"luma {level}" for level in levels if abs(level - expected.luma) > NEAR_LUMA][:1]
    hertz, seconds = tone(mezzanine)
    if expected.hertz is None:
        return wrong + ([f"a sound of {seconds} s"] if seconds else [])
    if hertz is None or abs(hertz - expected.hertz) > NEAR_HERTZ:
        wrong.append(f"{hertz} Hz")
    return wrong + ([f"{seconds} s of sound"] if abs(seconds - format_inputs.SECONDS) > NEAR_SECONDS else [])


def tone(path: Path) -> tuple[float | None, float]:
    """The loudest frequency of the middle of a sound, and how many seconds it lasts."""
    command = (
        "ffmpeg",
        "-v",
        "error",
        "-i",
        str(path),
        "-map",
        "0:a:0?",
        "-ac",
        "1",
        "-ar",
        "8000",
        "-f",
        "f32le",
        "-",
    )
    run = subprocess.run(command, capture_output=True, check=False)
    decoded = np.frombuffer(run.stdout, np.float32)
    middle = decoded[4000:12000]
    if len(middle) < 4000:
        return None, len(decoded) / 8000
    spectrum = np.abs(np.fft.rfft(middle * np.hanning(len(middle))))
    return float(np.argmax(spectrum)) * 8000 / len(middle), len(decoded) / 8000


QUICK = (
    *("xHE-AAC before AAC in mp4", "AC-4 alone in ts", "HEVC in FLV by its FourCC"),
    *("sound encrypted, picture clear", "index first, cut in the middle"),
)


def is_quick(number: int, case: Case) -> bool:
    return list(CASES)[number] in QUICK


@pytest.mark.parametrize("case", some_slow(CASES.values(), is_quick), ids=list(CASES))
def test_what_can_be_decoded_is_delivered_and_the_rest_is_named(case: Case, tmp_path: Path) -> None:
    check(case, tmp_path)
