"""What the judge reads of an upload by itself: mezzanines that close a gap, or lack a track, do not pass."""

from __future__ import annotations

import subprocess
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import pytest
from break_outputs import TOOLS
from time_and_sound_inputs import AAC, CASES, FFMPEG, H264

from codex_assets.media import ffprobe
from codex_assets.media.facts import MediaInfo
from codex_assets.media.upload.packets import read_packets, scan_arguments
from codex_assets.verification.judge import judge
from codex_assets.verification.observations import MezzanineExpected
from codex_assets.verification.observe.decoder import Decoder
from codex_assets.verification.observe.observer import Observer
from codex_assets.verification.observe.upload_packets import read_upload
from codex_assets.verification.observe.upload_pictures import UploadedMedia

pytestmark = pytest.mark.ffmpeg
BESIDE_THE_UPLOAD = (
    "mezzanine_has_all_tracks",
    "mezzanine_pictures_true",
    "mezzanine_sound_in_sync",
    "mezzanine_sound_true",
)
WHOLE = ("-probesize", "100M", "-analyzeduration", "100M")


def read(upload: Path, *look: str) -> MediaInfo:
    header = ffprobe.parse(TOOLS.ffprobe([*look, *ffprobe.probe_arguments(str(upload))], label="probing"))
    lines = TOOLS.ffprobe_lines([*look, *scan_arguments(str(upload), header.container)], label="scanning")
    return read_packets(header, lines)


def failed_rules(upload: Path, info: MediaInfo, folder: Path, *arguments: str) -> set[str]:
    """Rules of the comparison with the upload that a mezzanine fails which plain ffmpeg makes of it."""
    mezzanine = folder / "mezzanine.mp4"
    even = ("-vf", "fps=10:start_time=0,tpad=stop_mode=clone:stop_duration=15", "-t", "22")
    made = [*FFMPEG, *arguments, "-i", str(upload), *even, "-af", "aresample=async=1:first_pts=0", *H264, *AAC]
    subprocess.run([*made, str(mezzanine)], check=True)
    expected = MezzanineExpected(has_video=True, has_audio=info.audio is not None, frame_rate=Fraction(10))
    seen = Observer(TOOLS, scratch=folder).mezzanine(mezzanine, expected, upload=UploadedMedia(upload, info, True))
    return {finding.rule for finding in judge(seen) if not finding.passed and finding.rule in BESIDE_THE_UPLOAD}


@pytest.mark.parametrize(
    ("name", "rule"),
    [
        ("sound_pauses_ts", "mezzanine_sound_true"),
        pytest.param("picture_pauses_ts", "mezzanine_pictures_true", marks=pytest.mark.slow),
    ],
)
def test_a_gap_that_was_closed_is_found(name: str, rule: str, tmp_path: Path) -> None:
    upload = CASES[name].make(tmp_path)
    info = read(upload)
    assert failed_rules(upload, info, tmp_path, "-dts_delta_threshold", "30") == set()
    assert rule in failed_rules(upload, info, tmp_path)


def test_a_sound_that_begins_late_is_missed(tmp_path: Path) -> None:
    upload = CASES["sound_begins_late_ts"].make(tmp_path)
    info = read(upload, *WHOLE)
    late = (*WHOLE, "-dts_delta_threshold", "30")
    assert failed_rules(upload, info, tmp_path, *late) == set()
    silent = replace(info, audio=None)
    assert failed_rules(upload, silent, tmp_path, *late, "-an") >= {"mezzanine_has_all_tracks"}


def test_a_clock_that_restarts_is_nobodys_gap(tmp_path: Path) -> None:
    upload = CASES["ts_clock_leaps"].make(tmp_path)
    seen = read_upload(Decoder(TOOLS), upload, "mpegts", [0, 1])
    assert seen.is_one_clock is False
    assert seen.kinds == ("picture", "sound")
