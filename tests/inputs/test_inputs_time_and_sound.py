"""The clocks, sounds, tracks and bytes of an upload: delivered whole, in sync, as loud as told; losses told."""

from __future__ import annotations

import math
import re
import subprocess
from pathlib import Path

import measure_sync as measure
import pytest
from slow_cases import some_slow
from time_and_sound_inputs import CASES, H264, Case, moving, speech, steps
from whole_job import MEDIA, Delivered, deliver

from codex_assets.archive.records import MezzanineRecord
from codex_assets.archive.store import RecordStore

pytestmark = pytest.mark.ffmpeg

LOUDNESS = 0.5
"""LU between what is told and what is heard in the upload's sound as it is kept."""
LOUDEST = 1000
"""Hundredths of a LUFS."""
PLACED = 0.1
"""Seconds by which a flash may be off where it was meant: the first picture that shows it (40 ms at 25 a second), half
a picture of rounding, an AAC frame in front of a segment. Of its beep it may be off by `Case.slack`."""
SEGMENTED = 0.12
"""Seconds by which a playlist may be longer than the mezzanine: a frame, and an encoder's last packet."""
PRESENT, ABSENT = 0.3, 0.08
"""Of the loudest tone: heard in a channel, not heard in it."""


def check(case: Case, tmp_path: Path) -> None:
    folder = tmp_path / "made"
    folder.mkdir()
    upload = case.make(folder)
    case = case.here(upload)
    delivered = deliver(upload, case.media_type, tmp_path / "job", name=case.upload)
    assert list(delivered.left_behind()) == []
    if case.fails is not None:
        assert delivered.body["status"] == "failed"
        assert re.search(case.fails, delivered.body["error"]), delivered.body["error"]
        assert delivered.published() == set()
        return
    problems = [
        *warning_problems(case, delivered),
        *length_problems(case, delivered),
        *sync_problems(case, delivered),
        *sound_problems(case, delivered),
        *fact_problems(case, delivered),
        *(f"noted: {kind}" for kind in delivered.notes if kind not in case.notes),
    ]
    assert problems == []


def outputs(case: Case, delivered: Delivered) -> dict[str, Path]:
    made = {"mezzanine": delivered.mezzanine}
    return made | {variant: delivered.playlist(variant) for variant in case.variants}


def warning_problems(case: Case, delivered: Delivered) -> list[str]:
    warnings_given = delivered.warnings
    if len(warnings_given) != len(case.warns) or not all(map(re.search, case.warns, warnings_given)):
        return [f"warned: {warnings_given}, not {case.warns}"]
    return []


def length_problems(case: Case, delivered: Delivered) -> list[str]:
    problems = []
    announced = float(delivered.output["durationSeconds"])
    # The contract announces at least a second.
    if case.seconds is not None and abs(announced - max(1.0, case.seconds)) > max(case.within, 0.5):
        problems.append(f"the webhook says {announced} s, not {case.seconds}")
    whole = measure.tracks(delivered.mezzanine).seconds
    for name, path in outputs(case, delivered).items():
        tracks = measure.tracks(path)
        if case.seconds is not None and name == "mezzanine" and abs(tracks.seconds - case.seconds) > case.within:
            problems.append(f"{name} lasts {tracks.seconds:.3f} s, not {case.seconds}")
        expected = min(whole, 30.0) if name == "preview" else whole
        if abs(tracks.seconds - expected) > SEGMENTED:
            problems.append(f"{name} lasts {tracks.seconds:.3f} s, not {expected:.3f}")
        if set(tracks.kinds) - {"video", "audio"} or len(tracks.kinds) > 2:
            problems.append(f"{name} holds {tracks.kinds}")
        if case.media_type == "audio" and tracks.video is not None:
            problems.append(f"{name} holds a picture")
        if tracks.audio is not None and name != "mezzanine" and tracks.channels != 2:
            problems.append(f"{name} has {tracks.channels} channels")
    return problems


def sync_problems(case: Case, delivered: Delivered) -> list[str]:
    if case.flashes is None and case.beeps is None:
        return []
    problems = []
    for name, path in outputs(case, delivered).items():
        start = measure.tracks(path).start if name != "mezzanine" else 0.0
        until = 30.0 if name == "preview" else math.inf
        flashes = None if case.flashes is None else [at - start for at in measure.flashes(path)]
        beeps = None if case.beeps is None else [at - start for at in measure.beeps(path)]
        for kind, seen_times, wanted in (("flashes", flashes, case.flashes), ("beeps", beeps, case.beeps)):
            if seen_times is None or wanted is None:
                continue
            places = [at for at in wanted if at < until - 0.2]
            off = [abs(a - b) for a, b in zip(seen_times, places, strict=False)]
            if len(seen_times) != len(places) or max(off, default=0.0) > PLACED:
                problems.append(f"{name}: {kind} at {[round(at, 3) for at in seen_times]}, not {places}")
        if flashes and beeps:
            pairs = [(min(beeps, key=lambda beep: abs(beep - flash)) - flash) for flash in flashes]
            pairs = [pair for pair in pairs if abs(pair) < 0.5]
            if max(map(abs, pairs), default=math.inf) > case.slack:
                problems.append(f"{name}: beeps come {[round(1000 * pair) for pair in pairs]} ms after their flashes")
    return problems


def sound_problems(case: Case, delivered: Delivered) -> list[str]:
    said = (delivered.output.get("loudness") or {}).get("integrated")
    if case.loud is None:
        # There may be too little of it to be measured.
        return []
    heard = measure.loudness(delivered.mezzanine)
    if not case.loud:
        quiet = heard is None or heard < -60.0
        return [] if said is None and quiet else [f"silence is told as {said} LUFS and heard as {heard}"]
    if said is None or heard is None:
        return [f"the sound is told as {said} LUFS and heard as {heard}"]
    problems = []
    record = record_of(delivered)
    # Turned down where it was over full scale; what is told is the upload's, up to the most that the contract holds.
    kept = said / 100 + record.sound_gain
    if abs(kept - heard) > LOUDNESS and not (said == LOUDEST and kept < heard):
        problems.append(f"told as {said / 100} LUFS with {record.sound_gain} dB, heard as {heard}")
    name = case.variants[0]
    return problems + tone_problems(case, name, delivered.playlist(name))


def tone_problems(case: Case, name: str, path: Path) -> list[str]:
    if not case.tones:
        return []
    heard = measure.hear(path)
    middle = len(heard.left) // 2
    part = slice(max(0, middle - 24_000), middle + 24_000)
    levels = {
        frequency: (measure.tone(heard.left[part], frequency), measure.tone(heard.right[part], frequency))
        for frequency in case.tones
    }
    loudest = max(max(pair) for pair in levels.values())
    problems = []
    for frequency, where in case.tones.items():
        left, right = (level / loudest for level in levels[frequency])
        wanted = {"both": (True, True), "left": (True, False), "right": (False, True), "none": (False, False)}[where]
        for side, level, there in (("left", left, wanted[0]), ("right", right, wanted[1])):
            if (level < PRESENT) if there else (level > ABSENT):
                problems.append(f"{name}: {frequency} Hz is {level:.2f} of the loudest on the {side}, wanted {where}")
    return problems


def record_of(delivered: Delivered) -> MezzanineRecord:
    record = RecordStore(delivered.stores.archive).get(MEDIA, "mezzanine", MezzanineRecord)
    assert record is not None
    return record


def fact_problems(case: Case, delivered: Delivered) -> list[str]:
    """What the asset's metadata tells of the upload and of what was lost."""
    source = record_of(delivered).source
    shares = [share for share in (source.video_share_lost, source.audio_share_lost) if share is not None]
    lost = max(shares, default=0.0)
    damaged = [pattern for pattern in case.warns if "damaged" in pattern or "cut off" in pattern]
    if damaged and lost < 0.005:
        return [f"warned of damage, and the metadata tells a share of {shares}"]
    if not case.warns and lost >= 0.1:
        return [f"not warned, and the metadata tells a share of {shares}"]
    return []


QUICK = sorted(name for name, case in CASES.items() if case.quick)
REST = sorted(name for name in CASES if name not in QUICK)


@pytest.mark.parametrize("name", QUICK)
def test_an_upload_is_delivered_whole_and_in_sync(name: str, tmp_path: Path) -> None:
    check(CASES[name], tmp_path)


@pytest.mark.slow
@pytest.mark.parametrize(
    "name",
    [pytest.param(name, marks=pytest.mark.timeout(3600 if name.startswith("twelve_hours") else 1800)) for name in REST],
)
def test_any_upload_is_delivered_whole_and_in_sync(name: str, tmp_path: Path) -> None:
    check(CASES[name], tmp_path)


TINY = {
    "a tenth of a second of silence": ("audio", ["-f", "lavfi", "-i", "anullsrc=d=0.1", ">wav"]),
    "a sample of sound": ("audio", [*speech(1), "-af", "atrim=end_sample=1", ">wav"]),
    "a picture": ("video", ["-f", "lavfi", "-i", "color=black:s=16x16:r=25:d=0.04", *H264, ">mp4"]),
    "a picture with sound": (
        "video",
        [*("-f", "lavfi", "-i", "color=black:s=16x16:r=25:d=0.04", "-f", "lavfi", "-i", "anullsrc=d=0.04"), ">mp4"],
    ),
}
"""The smallest uploads that can be delivered: media type, and the arguments that make each."""


@pytest.mark.parametrize("name", some_slow(TINY, lambda number, _: number in (0, len(TINY) - 1)))
def test_a_tiny_upload_plays_where_programs_go_by_the_bytes(name: str, tmp_path: Path) -> None:
    media_type, made = TINY[name]
    delivered = deliver(steps("mkv", made)(tmp_path), media_type, tmp_path / "job")  # type: ignore[arg-type]
    assert_plays_by_the_bytes(delivered, media_type)


TINY_SOUNDS = {
    "wav": "pcm_s16le",
    "flac": "flac",
    "mp3": "libmp3lame",
    "aac": "aac",
    "m4a": "aac",
    "ogg": "libvorbis",
    "opus": "libopus",
    "wma": "wmav2",
    "ac3": "ac3",
    "flv": "libmp3lame -ar 44100",
    "avi": "libmp3lame",
    "mka": "aac",
    "ts": "aac",
    "caf": "alac",
    "aiff": "pcm_s16be",
    "wv": "wavpack",
}
"""Containers, each with the codec of its sound."""
TINY_FILMS = {
    "mp4": "-c:v libx264 -c:a aac",
    "mov": "-c:v mjpeg -c:a pcm_s16le",
    "mkv": "-c:v libx264 -c:a libvorbis",
    "webm": "-c:v libvpx -c:a libopus",
    "flv": "-c:v flv -c:a libmp3lame -ar 44100",
    "avi": "-c:v mpeg4 -c:a libmp3lame",
    "ts": "-c:v libx264 -c:a aac",
    "mpg": "-c:v mpeg2video -c:a mp2",
    "wmv": "-c:v wmv2 -c:a wmav2",
    "ogv": "-c:v libtheora -c:a libvorbis",
}
PADDED_SECONDS = 0.2
"""By which encoders and containers make a sound longer: frames, delays, and pictures beside them."""
AUDIBLE = 0.05
"""Of full scale."""


@pytest.mark.slow
@pytest.mark.parametrize("sound", ["anullsrc=cl=mono", "sine=440"], ids=["silence", "tone"])
@pytest.mark.parametrize("seconds", [0.05, 0.1, 0.5])
@pytest.mark.parametrize("suffix", TINY_SOUNDS)
def test_a_tiny_sound_of_any_kind_is_delivered(suffix: str, seconds: float, sound: str, tmp_path: Path) -> None:
    made = ["-f", "lavfi", "-i", f"{sound}:r=48000:d={seconds}", "-c:a", *TINY_SOUNDS[suffix].split(), f">{suffix}"]
    delivered = deliver(steps(suffix, made)(tmp_path), "audio", tmp_path / "job")
    assert delivered.warnings == []
    assert_plays_by_the_bytes(delivered, "audio")
    assert seconds - 0.03 <= measure.tracks(delivered.mezzanine).seconds <= seconds + PADDED_SECONDS
    for variant in ("128k", "64k"):
        heard = measure.hear(delivered.playlist(variant))
        assert seconds - 0.03 <= heard.seconds <= seconds + 2 * PADDED_SECONDS
        assert (max(heard.left, default=0.0) > AUDIBLE) == ("sine" in sound)


@pytest.mark.slow
@pytest.mark.parametrize("with_sound", [True, False], ids=["with sound", "silent"])
@pytest.mark.parametrize("seconds", [0.05, 0.1, 0.5])
@pytest.mark.parametrize("suffix", TINY_FILMS)
def test_a_tiny_film_of_any_kind_is_delivered(suffix: str, seconds: float, with_sound: bool, tmp_path: Path) -> None:
    sound = ["-f", "lavfi", "-i", f"sine=440:r=48000:d={seconds}"] if with_sound else []
    made = [*moving(seconds, "25"), *sound, *TINY_FILMS[suffix].split(), *([] if with_sound else ["-an"]), f">{suffix}"]
    delivered = deliver(steps(suffix, made)(tmp_path), "video", tmp_path / "job")
    assert delivered.warnings == []
    assert_plays_by_the_bytes(delivered, "video", with_sound=with_sound)
    assert seconds - 0.03 <= measure.tracks(delivered.mezzanine).seconds <= seconds + PADDED_SECONDS
    if with_sound:
        assert max(measure.hear(delivered.playlist("360p")).left) > AUDIBLE


def assert_plays_by_the_bytes(delivered: Delivered, media_type: str, *, with_sound: bool | None = None) -> None:
    """Every playlist and first segment is what it should be to a program that has nothing but the bytes to go by.
    `with_sound`: None where a film may have one."""
    master = delivered.path("hlsMasterPlaylistKey")
    for playlist in sorted(master.parent.rglob("*.m3u8")):
        said = subprocess.run(
            ["ffmpeg", "-nostdin", "-hide_banner", "-xerror", "-i", str(playlist), "-map", "0", "-f", "null", "-"],
            capture_output=True,
            text=True,
        )
        assert said.returncode == 0, said.stderr
        assert not re.search("misdetection|corrupt|[Ee]rror|not found", said.stderr), said.stderr
        tracks = measure.tracks(playlist)
        assert tracks.channels in ((2, None) if with_sound is None else ((None, 2)[with_sound],))
        assert (tracks.video is not None) == (media_type == "video")
    for first in master.parent.rglob("segment_00000.ts"):
        # Without a name to go by.
        with first.open("rb") as data:
            said = subprocess.run(["ffprobe", "-show_format", "-"], stdin=data, capture_output=True, text=True)
        assert "format_name=mpegts" in said.stdout
