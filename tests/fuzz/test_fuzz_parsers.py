"""Whatever a tool prints, a playlist says or a file holds: facts that are finite and in range, or a known error."""

from __future__ import annotations

import copy
import io
import json
import math
import os
import stat
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from fractions import Fraction
from functools import cache
from pathlib import Path
from typing import Any

import hypothesis.strategies as st
import mutations
import numpy as np
import pytest
from hypothesis import example, given, settings

from codex_assets.archive.records import MediaRecord, record_type
from codex_assets.archive.store import RecordStore
from codex_assets.errors import JobError
from codex_assets.media import ffprobe, outputs, profile, target_format
from codex_assets.media.encode import hls, loudness, mezzanine
from codex_assets.media.facts import MediaInfo
from codex_assets.media.upload import headers
from codex_assets.media.upload.packets import read_packets, scan_arguments
from codex_assets.storage.directory import DirectoryStore
from codex_assets.system.run_output import Progress
from codex_assets.system.tools import Tools, tool_environment
from codex_assets.verification.judge import judge
from codex_assets.verification.observations import AnyObservation, WaveformExpected
from codex_assets.verification.observe.observer import Observer
from codex_assets.verification.observe.playlists import parse_master, parse_media_playlist
from codex_assets.verification.observe.segment_stream import read_stream
from codex_assets.verification.observe.sound_fidelity import SoundMeter

ffmpeg = pytest.mark.ffmpeg

ODD_TEXT = st.one_of(
    st.sampled_from(
        (
            *("N/A", "", "0", "-1", "1/0", "0/0", "-30/1", "30000/1001", "1e400", "nan", "inf", "-inf", "infinity"),
            *("9" * 30, "9" * 5000, "9" * 5000 + "/1", "٣", "²", "1_000", " 7 ", "0x10", "1.2.3", ".", "--5", "h264"),
            *("nan:00:00", "inf:inf:inf", "1e308:1:1", "00:00:01.5", "9223372036854.775807", "-9223372036854.775807"),
        )
    ),
    st.text(max_size=10),
)
ODD_NUMBERS = st.one_of(
    st.sampled_from((0, -1, 1, 10**30, -(10**30), math.nan, math.inf, -math.inf, 1e308, 5e-324, True, False, 2**31)),
    st.integers(),
    st.floats(),
)
ODD = st.one_of(ODD_TEXT, ODD_NUMBERS, st.none(), st.sampled_from(([], {}, [1], {"a": 1}, [{}], [[]], [None])))


def _places(value: Any) -> Iterator[tuple[Any, Any]]:
    """Every (container, key) of a document."""
    for key in list(value if isinstance(value, dict) else range(len(value))):
        yield value, key
        if isinstance(value[key], dict | list):
            yield from _places(value[key])


@st.composite
def altered(draw: st.DrawFn, document: Any) -> Any:
    """A document with some values lost, replaced, wrapped or turned into text."""
    whole = [copy.deepcopy(document)]
    for _ in range(draw(st.integers(1, 4))):
        places = list(_places(whole))
        holder, key = places[draw(st.integers(0, len(places) - 1))]
        change = draw(st.integers(0, 5))
        if change == 0 and holder is not whole:
            del holder[key]
        elif change == 1:
            holder[key] = [holder[key]]
        elif change == 2:
            holder[key] = str(holder[key])
        else:
            # A copy: what is drawn may be one object for every example, and is altered further.
            holder[key] = copy.deepcopy(draw(ODD))
    return whole[0]


# --- ffprobe ----------------------------------------------------------------------------------------------------------

SEEDS = ("mp4", "mkv", "mov", "ts", "avi", "mp3", "webm", "wav")


@cache
def probed() -> tuple[tuple[dict[str, Any], list[str]], ...]:
    """What ffprobe says of real files, whole and packet by packet."""
    tools = Tools(tool_environment(os.environ))
    calls = []
    with tempfile.TemporaryDirectory() as folder:
        for name in SEEDS:
            path = Path(folder) / name
            path.write_bytes(mutations.seed_bytes(name))
            document = tools.ffprobe(ffprobe.probe_arguments(str(path)), label="probing")
            calls.append((document, list(tools.ffprobe_lines(scan_arguments(str(path)), label="scanning"))))
    return tuple(calls)


def assert_in_range(info: MediaInfo) -> None:
    for seconds in (info.duration, info.seconds, *(track.duration for track in info.tracks)):
        assert seconds is None or (math.isfinite(seconds) and seconds >= 0)
    for track in info.tracks:
        assert track.start is None or math.isfinite(track.start)
        assert track.index >= 0
        assert track.codec
    video, audio = info.video, info.audio
    if video is not None:
        assert min(video.width, video.height, video.coded_width, video.coded_height) >= 1
        assert video.rotation in (0, 90, 180, 270)
        assert Fraction(1, 16) <= video.sample_aspect <= 16
        assert all(rate is None or rate > 0 for rate in (video.average_rate, video.nominal_rate))
        assert video.frames is None or video.frames >= 0
        assert video.level is None or video.level > 0
    if audio is not None:
        assert audio.sample_rate >= 0
        assert audio.channels >= 0
        assert audio.bits is None or audio.bits > 0


def assert_usable(info: MediaInfo) -> None:
    """What is made of the facts: a rate between the limits, and arguments without a number that is none."""
    assert_in_range(info)
    if info.video is not None:
        rate = target_format.frame_rate(info.video)
        assert profile.MIN_FRAME_RATE <= rate <= profile.MAX_FRAME_RATE
        treatment = mezzanine.audio_treatment(info, with_picture=True)
        arguments = mezzanine.arguments(info, "in", "out.mp4", profile.X264, treatment=treatment, with_picture=True)
        assert not any(word in " ".join(arguments) for word in ("nan", "inf,", "=inf", "e+", "None"))


@ffmpeg
def test_real_facts_are_in_range() -> None:
    for document, packets in probed():
        info = ffprobe.parse(document)
        assert info.tracks
        assert_usable(info)
        assert_usable(read_packets(info, packets))


@ffmpeg
@given(data=st.data())
@settings(max_examples=300)
def test_what_ffprobe_says_is_in_range_or_unknown(data: st.DataObject) -> None:
    document, packets = data.draw(st.sampled_from(probed()))
    info = ffprobe.parse(data.draw(altered(document).filter(lambda value: isinstance(value, dict))))
    assert_usable(info)
    assert_usable(read_packets(info, packets))


@given(document=st.dictionaries(st.sampled_from(("streams", "format", "x")), st.recursive(ODD, st.lists, max_leaves=5)))
def test_any_object_is_a_probe(document: dict[str, Any]) -> None:
    assert_in_range(ffprobe.parse(document))


TIMES = st.one_of(st.floats(), st.floats(-10, 10), st.sampled_from(("N/A", 5e-324, "9" * 400)))
TIMED = st.tuples(st.sampled_from((0, 1)), TIMES, TIMES, TIMES, st.sampled_from(("K_", "__", "KD", "")))
LINE = st.one_of(
    TIMED,
    st.lists(st.one_of(ODD_TEXT, st.sampled_from(("0", "1", "K__", "__D", "0.1", "0.04"))), max_size=7).map(",".join),
    st.text(max_size=20),
)


def _line(line: tuple[object, ...] | str) -> str:
    """A packet as ffprobe lists it: track, times, whatever else is asked for, flags."""
    if isinstance(line, str):
        return line
    more = min(line.count(",") for line in probed()[0][1] if line.count(",") > 3) - 4
    *times, flags = line
    return ",".join(map(str, (*times, *["100"] * more, flags)))


@ffmpeg
@given(data=st.data(), lines=st.lists(LINE, max_size=8))
@example(data=None, lines=[(0, at, at, 0.04, "K_") for at in (0, 3000, 6000)])
@example(data=None, lines=[(0, at, 0, 0, "K_") for at in (0, 5e-324, 1e-323)])
@settings(max_examples=300)
def test_any_packets_give_times_in_range(data: st.DataObject | None, lines: list[tuple[object, ...] | str]) -> None:
    document = probed()[0][0] if data is None else data.draw(st.sampled_from(probed()))[0]
    assert_usable(read_packets(ffprobe.parse(document), map(_line, lines)))


@ffmpeg
@pytest.mark.parametrize(
    ("times", "orderly", "timed"),
    [
        ((0.0, 0.1, 0.2, 0.3), True, True),
        ((0.0, 0.2, 0.1, 0.3), False, True),
        ((0.0, 0.1, "N/A", 0.3), True, False),
    ],
)
def test_a_clock_that_steps_back_is_told(times: tuple[object, ...], orderly: bool, timed: bool) -> None:
    info = read_packets(ffprobe.parse(probed()[0][0]), [_line((0, at, at, 0.1, "K_")) for at in times])
    assert (info.orderly, info.timed) == (orderly, timed)


@given(head=st.binary(max_size=16))
def test_any_head_promises_a_size_or_nothing(head: bytes) -> None:
    promised = headers.promised_bytes(head)
    assert promised is None or 8 < promised < 1 << 32


# --- The meter's log --------------------------------------------------------------------------------------------------

SUMMARY = """\
[Parsed_ebur128_2 @ 0x5581] [info] Summary:

  Integrated loudness:
    I:         -17.9 LUFS
    Threshold: -28.4 LUFS

  Loudness range:
    LRA:         1.1 LU
    Threshold: -37.9 LUFS

  True peak:
    Peak:       -9.0 dBFS
"""


@st.composite
def altered_text(draw: st.DrawFn, text: str) -> str:
    """Lines lost, repeated, swapped or cut; numbers and characters replaced."""
    lines = text.splitlines()
    for _ in range(draw(st.integers(1, 4))):
        at = draw(st.integers(0, max(0, len(lines) - 1)))
        change = draw(st.integers(0, 5))
        if not lines or change == 0:
            lines.insert(at, draw(st.text(max_size=20)))
        elif change == 1:
            del lines[at]
        elif change == 2:
            lines.insert(draw(st.integers(0, len(lines))), lines[at])
        elif change == 3:
            lines[at] = lines[at][: draw(st.integers(0, len(lines[at])))]
        else:
            words = [word for word in lines[at].replace(":", " ").replace("=", " ").replace(",", " ").split() if word]
            lines[at] = lines[at].replace(draw(st.sampled_from(words)), draw(ODD_TEXT)) if words else draw(ODD_TEXT)
    return "\n".join(lines)


@given(log=st.one_of(altered_text(SUMMARY), altered_text(SUMMARY + SUMMARY), st.text()), seconds=st.floats(0.1, 1e6))
@settings(max_examples=300)
def test_any_log_gives_a_finite_loudness_or_none(log: str, seconds: float) -> None:
    try:
        measured = loudness.parse_summary(log.splitlines())
    except ValueError:
        return
    if measured is not None:
        assert all(
            map(
                math.isfinite,
                (measured.integrated_lufs, measured.true_peak_dbtp, measured.range_lu, measured.threshold_lufs),
            )
        )
    gain = loudness.gain_to_target(measured, seconds)
    assert not any(word in (gain.filter or "") for word in ("nan", "inf"))


# --- Playlists --------------------------------------------------------------------------------------------------------

MEDIA = hls.media_playlist([hls.Segment(f"segment_{n:05d}.ts", 6.0, 1000) for n in range(3)])
MASTER = hls.master_playlist(
    [
        hls.StreamInfo("720p/playlist.m3u8", hls.Rates(2_600_000, 2_400_000), "avc1.64001F,mp4a.40.2", 1280, 720, 25.0),
        hls.StreamInfo("360p/playlist.m3u8", hls.Rates(600_000, 500_000), "avc1.4D401E,mp4a.40.2", 640, 360, 25.0),
    ]
)
PLAYLISTS = st.one_of(altered_text(MEDIA), altered_text(MASTER), altered_text(MEDIA + MASTER), st.text())


@contextmanager
def folder() -> Iterator[Path]:
    with tempfile.TemporaryDirectory() as name:
        yield Path(name)


def judged(observation: AnyObservation) -> None:
    for finding in judge(observation):
        assert finding.message
        finding.message.encode()


@given(text=PLAYLISTS)
@settings(max_examples=300)
@example(MEDIA.replace("segment_00001.ts", "s" * 5000))
@example(MEDIA.replace("segment_00001.ts", "a/" * 3000 + "b.ts"))
@example(MEDIA.replace("segment_00001.ts", "null\x00.ts"))
@example(MEDIA.replace("segment_00001.ts", "."))
@example(MEDIA.replace("EXT-X-VERSION:6", "EXT-X-VERSION:²"))
@example(MEDIA.replace("EXT-X-VERSION:6", "EXT-X-VERSION:" + "9" * 5000))
@example(MEDIA.replace("6.000000", "9" * 400))
@example(MASTER.replace("RESOLUTION=1280x720", "RESOLUTION=" + "9" * 5000 + "x1"))
@example(MASTER.replace("720p/", "s" * 5000 + "/"))
@example(MASTER.replace("720p/playlist.m3u8", "."))
def test_any_playlist_is_read_and_judged(text: str) -> None:
    text = text.encode("utf-8", "replace").decode()
    seen, entries = parse_media_playlist("playlist.m3u8", text)
    assert all(math.isfinite(extinf) and extinf >= 0 for _, extinf in entries)
    assert seen.problem is not None or entries
    assert all(extinf >= 0 and math.isfinite(extinf) for _, extinf in hls.parse_segments(text))
    for stream in parse_master(text).streams:
        assert stream.bandwidth is None or stream.bandwidth >= 0
        assert stream.frame_rate is None or math.isfinite(stream.frame_rate)
    observer = Observer(Tools(tool_environment(os.environ)))
    with folder() as here:
        path = here / "master.m3u8"
        path.write_text(text)
        judged(observer.variant(path, output="hls_720p"))
        for observation in observer.hls(path):
            judged(observation)


# --- Transport streams and single files -------------------------------------------------------------------------------


@st.composite
def altered_bytes(draw: st.DrawFn, data: bytes) -> bytes:
    changed = bytearray(data)
    for _ in range(draw(st.integers(1, 8))):
        # The tables are in the first packets.
        at = draw(st.integers(0, min(len(data) - 1, draw(st.sampled_from((8, 600, len(data)))))))
        changed[at : at + 1] = draw(st.one_of(st.binary(min_size=1, max_size=1), st.binary(max_size=4)))
    return bytes(changed[: draw(st.integers(0, len(changed)))] if draw(st.booleans()) else changed)


def _packet(pid: int, body: bytes, control: int = 0x10) -> bytes:
    return bytes((0x47, 0x40 | pid >> 8, pid & 0xFF, control)) + body[:184].ljust(184, b"\xff")


TABLES = st.lists(
    st.builds(
        _packet,
        st.sampled_from((0, 0, 0x100, 0x1000, 0x1FFF)),
        st.binary(max_size=184),
        st.sampled_from((0x10, 0x30, 0x20, 0)),
    ),
    max_size=4,
).map(b"".join)


@ffmpeg
@given(data=st.data())
@settings(max_examples=300)
def test_any_transport_stream_is_read(data: st.DataObject) -> None:
    stream = data.draw(st.one_of(altered_bytes(mutations.seed_bytes("ts")), st.binary(max_size=600), TABLES))
    seen = read_stream(stream)
    assert seen is None or seen.packets == len(stream) // 188


WAVEFORM = {"version": 2, "channels": 1, "sample_rate": 48000, "samples_per_pixel": 4800, "bits": 8, "length": 2}


@given(document=altered({**WAVEFORM, "data": [-3, 4, -5, 6]}), cut=st.integers(0, 200))
@example("[" * 100_000, 200)
@example("9" * 5000, 10_000)
def test_any_waveform_is_judged(document: Any, cut: int) -> None:
    text = document if isinstance(document, str) else json.dumps(document)[:cut]
    with folder() as here:
        path = here / "waveform.json"
        path.write_bytes(text.encode("utf-8", "replace"))
        observer = Observer(Tools(tool_environment(os.environ)))
        judged(observer.waveform_json(path, WaveformExpected(duration=1.0, silent=False)))


@given(data=st.binary(max_size=200))
def test_any_bytes_are_no_waveform_and_no_playlist(data: bytes) -> None:
    observer = Observer(Tools(tool_environment(os.environ)))
    with folder() as here:
        path = here / "playlist.m3u8"
        path.write_bytes(data)
        judged(observer.waveform_json(path))
        judged(observer.variant(path, output="hls_720p"))
        judged(observer.master(path, {}))


LEVELS = st.builds(
    lambda part, count: (part * 350)[:count], st.lists(st.floats(), min_size=1, max_size=20), st.integers(0, 350)
)


@given(own=LEVELS, theirs=LEVELS, delay=st.integers(0, 2000))
@settings(max_examples=20)
@example([0.0, 1e200] * 170, [1e200, 0.0, 0.0] * 110, 0)
@example([0.0, math.inf] * 170, [1.0, 0.0, 0.0] * 110, 0)
@example([0.0, math.nan] * 170, [1.0, 0.0, 0.0] * 110, 1024)
def test_any_sounds_are_compared_or_not(own: list[float], theirs: list[float], delay: int) -> None:
    meter = SoundMeter(delay, io.BytesIO())
    with np.errstate(over="ignore", invalid="ignore"):
        levels = (
            np.resize(np.array([*own, 0.0], np.float32), 48_000),
            np.resize(np.array([*theirs, 0.0], np.float32), 48_000),
        )
    meter.add(np.stack([levels[0], levels[0], levels[1], levels[1]], axis=1))
    sound = meter.result(steady=True)
    assert sound is not None
    assert abs(sound.lag) <= 4.1
    for second in sound.seconds:
        numbers = [*second.levels, *second.reference_levels, second.extra, *second.likeness, second.bright]
        assert all(math.isfinite(number) for number in numbers if number is not None)


# --- Progress ---------------------------------------------------------------------------------------------------------


def test_any_progress_is_survived(tmp_path: Path) -> None:
    """A reader that dies of a line would leave its pipe full, and the tool waiting for ever."""
    odd = ("--5", "-", "²", "9" * 5000, "nan", "N/A", "", "1e999", "-9223372036854775808", "x" * 100_000, "\0")
    lines = [f"{name}={value}" for value in odd for name in ("out_time_us", "frame", "speed", "progress", "")]
    said = tmp_path / "said"
    said.write_bytes("\n".join([*lines, "out_time_us=1500000", "progress=end"]).encode() + b"\n\xff\xfe\n")
    script = tmp_path / "ffmpeg"
    script.write_text(f'#!/bin/sh\ncat "{said}"; cat "{said}" >&2\n')
    script.chmod(script.stat().st_mode | stat.S_IXUSR)
    reports: list[Progress] = []
    tools = Tools(tool_environment(os.environ), ffmpeg=str(script), stall_seconds=20)
    tools.ffmpeg([], label="talking", duration=3.0, on_progress=reports.append)
    assert reports[-1].seconds == 1.5
    assert all(math.isfinite(report.seconds) and 0 <= (report.fraction or 0) <= 1 for report in reports)
    assert all(report.speed is None or math.isfinite(report.speed) for report in reports)


@given(out=st.binary(max_size=60))
@settings(max_examples=20)
@example(b"[]")
@example(b"\xff\xfe")
@example(b"[" * 100_000)
@example(b"9" * 5000)
def test_any_output_of_ffprobe_is_a_probe_or_an_error(out: bytes) -> None:
    with folder() as here:
        (here / "out").write_bytes(out)
        script = here / "ffprobe"
        script.write_text(f'#!/bin/sh\nexec cat "{here}/out"\n')
        script.chmod(0o755)
        tools = Tools(tool_environment(os.environ), ffprobe=str(script))
        try:
            document = tools.ffprobe([], label="probing")
        except JobError as error:
            assert error.code == "tool_failed"  # noqa: PT017
        else:
            assert_in_range(ffprobe.parse(document))


# --- Records ----------------------------------------------------------------------------------------------------------

HEAD = {"media_id": "m1", "media_type": "video", "code_version": "c", "data_version": "d"}
RECORDS: dict[str, dict[str, Any]] = {
    "media": {"media_id": "m1", "creator_id": "c1", "media_type": "video", "input_role": "archive", "input_key": "k"},
    "mezzanine": {
        **HEAD,
        "output": "mezzanine",
        "source": {"container": "mov", "size": 1},
        "duration": 1.0,
        "frame_rate": "25",
        "files": [{"role": "archive", "key": "k", "size": 1, "sha256": "0"}],
    },
    "hls_720p": {**HEAD, "output": "hls_720p", "variant": "720p", "segments": []},
    "thumbnail": {**HEAD, "output": "thumbnail", "at": 0.1},
}


@given(data=st.data(), name=st.sampled_from(sorted(RECORDS)))
@settings(max_examples=200)
def test_a_damaged_record_is_a_record_or_a_clear_error(data: st.DataObject, name: str) -> None:
    content = data.draw(
        st.one_of(
            altered(RECORDS[name]).map(lambda document: json.dumps(document).encode()),
            altered_bytes(json.dumps(RECORDS[name]).encode()),
            st.binary(max_size=50),
            st.sampled_from((b"", b"null", b"[" * 100_000, b"9" * 5000, b"\xff\xfe{}")),
        )
    )
    with folder() as here:
        archive = DirectoryStore(here, "archive", "archive")
        archive.write(f"records/m1/{name}.json", content, content_type="application/json")
        records = RecordStore(archive)
        try:
            record = records.media("m1") if name == "media" else records.output("m1", name)
        except JobError as error:
            assert error.code == "storage_failed"  # noqa: PT017
            assert not error.retryable  # noqa: PT017
            assert f"`{name}`" in error.public  # noqa: PT017
            assert "pydantic" not in error.public  # noqa: PT017
        else:
            assert isinstance(record, MediaRecord if name == "media" else record_type(name))


def test_every_output_has_a_record_that_may_be_damaged() -> None:
    assert {name for names in outputs.OUTPUTS.values() for name in names} >= RECORDS.keys() - {"media"}


def test_the_seeds_are_media() -> None:
    """Else the mutated ones would prove nothing."""
    for name in SEEDS:
        with folder() as here:
            path = here / f"seed.{mutations.SEEDS[name].suffix}"
            path.write_bytes(mutations.seed_bytes(name))
            subprocess.run(["ffmpeg", "-v", "error", "-xerror", "-i", str(path), "-f", "null", "-"], check=True)
