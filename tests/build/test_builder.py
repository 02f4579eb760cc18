"""The real graph on small clips, with real ffmpeg and a store in a folder."""

from __future__ import annotations

import json
import os
import re
import shutil
import stat
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

import clips
import pytest
from published_files import segment
from slow_cases import some_slow
from workbench import CREATOR, MEDIA, Bench, complaints, once, variants

from codex_assets.archive.records import LoudnessRecord, MasterRecord, MezzanineRecord, OutputRecord, VariantRecord
from codex_assets.archive.replaced import REPLACED, ReplacedRecord
from codex_assets.archive.store import RecordStore
from codex_assets.build.encoders import EncoderMode
from codex_assets.errors import JobError, MissingInput, SourceError, ToolError, VerificationError
from codex_assets.media import ffprobe, profile
from codex_assets.media.outputs import OUTPUTS
from codex_assets.media.upload import packets
from codex_assets.storage.directory import DirectoryStore
from codex_assets.storage.objects import Stores
from codex_assets.system.tools import Tools, tool_environment

pytestmark = pytest.mark.ffmpeg

Records = dict[str, OutputRecord]
HLS = f"media/{CREATOR}/hls/{MEDIA}"


@pytest.fixture(scope="session")
def common(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder that all test processes of this run share."""
    base = tmp_path_factory.getbasetemp()
    return (base.parent if os.environ.get("PYTEST_XDIST_WORKER") else base) / "common"


@pytest.fixture(scope="session")
def clip_folder(common: Path) -> Path:
    folder = common / "clips"
    folder.mkdir(parents=True, exist_ok=True)
    return folder


@pytest.fixture
def bench(tmp_path: Path, clip_folder: Path) -> Bench:
    return Bench(tmp_path / "store", "video", clip_folder)


@pytest.fixture
def sound_bench(tmp_path: Path, clip_folder: Path) -> Bench:
    return Bench(tmp_path / "store", "audio", clip_folder)


def built_once(common: Path, clip_folder: Path, clip: str) -> Bench:
    """Everything of `clip`, built once for all tests: look, and work on a `copy`."""
    bench = Bench(common / clip, clips.CLIPS[clip].media_type, clip_folder)

    def make() -> None:
        bench.upload(clip)
        assert complaints(bench.build()) == []

    once(bench.root, make)
    return bench


def copy(bench: Bench, to: Path) -> Bench:
    shutil.copytree(bench.root, to / "store")
    return Bench(to / "store", bench.media_type, bench.clips)


def recorded(bench: Bench) -> Records:
    store = RecordStore(bench.stores.archive)
    records = {output: store.output(MEDIA, output) for output in OUTPUTS[bench.media_type]}
    return {output: record for output, record in records.items() if record is not None}


@pytest.fixture(scope="session")
def film(common: Path, clip_folder: Path) -> Bench:
    """1280x24 at 25 fps for 13 s: 720p, 480p, 360p and a preview."""
    return built_once(common, clip_folder, "strip_1280")


@pytest.fixture(scope="session")
def long_film(common: Path, clip_folder: Path) -> Bench:
    """40 s, so that the preview is a part of its variant."""
    return built_once(common, clip_folder, "plain_40s")


@pytest.fixture(scope="session")
def talk(common: Path, clip_folder: Path) -> Bench:
    return built_once(common, clip_folder, "speech")


def streams(bench: Bench, path: Path) -> list[dict[str, Any]]:
    probe = bench.tools.ffprobe(["-show_streams", str(path)], label="looking")
    listed = probe["streams"]
    assert isinstance(listed, list)
    return listed


# --- What is there afterwards -----------------------------------------------------------------------------------------


def test_a_video_has_everything_the_contract_names(film: Bench) -> None:
    records = recorded(film)
    assert [name for name, record in records.items() if record.applicable] == [
        *("mezzanine", "loudness", "hls_720p", "hls_480p", "hls_360p", "preview", "hls_master", "thumbnail")
    ]
    assert "never upscaled" in (records["hls_1080p"].reason or "")
    keys = [re.sub(r"/[0-9a-f]{12}/segment_\d{5}", "/VERSION/segment_N", name) for name in film.objects()]
    assert set(keys) == {
        f"archive/originals/{CREATOR}/{MEDIA}/original",
        f"archive/mezzanine/{CREATOR}/{MEDIA}/mezzanine.mp4",
        f"{HLS}/master.m3u8",
        *(f"{HLS}/{name}/playlist.m3u8" for name in ("720p", "480p", "360p")),
        *(f"{HLS}/{name}/VERSION/segment_N.ts" for name in ("720p", "480p", "360p", "preview")),
        f"{HLS}/preview/preview.m3u8",
        f"assets/{CREATOR}/thumbnails/media/{MEDIA}/auto-generated.jpg",
    }
    master = records["hls_master"]
    assert isinstance(master, MasterRecord)
    assert master.variants == ("720p", "480p", "360p")


def test_an_audio_has_everything_the_contract_names(talk: Bench) -> None:
    records = recorded(talk)
    assert list(records) == list(OUTPUTS["audio"])
    assert all(record.applicable for record in records.values())
    waveform = json.loads(talk.path("assets", f"{CREATOR}/waveforms/{MEDIA}/waveform.json").read_text())
    assert (waveform["version"], waveform["channels"], waveform["bits"]) == (2, 1, 8)
    assert waveform["length"] == pytest.approx(80, abs=1)
    assert streams(talk, talk.path("assets", f"{CREATOR}/thumbnails/media/{MEDIA}/waveform.png"))[0]["width"] == 1280


def test_every_published_file_is_the_recorded_one(film: Bench) -> None:
    contents = film.contents()
    for record in recorded(film).values():
        for file in record.files:
            assert contents[f"{file.role}/{file.key}"] == file.sha256


def test_only_what_was_uploaded_and_built_is_published(film: Bench) -> None:
    named = {f"{file.role}/{file.key}" for record in recorded(film).values() for file in record.files}
    assert set(film.contents()) - named == {f"archive/originals/{CREATOR}/{MEDIA}/original"}


@pytest.mark.parametrize("clip", ["speech", pytest.param("music", marks=pytest.mark.slow)])
def test_delivered_sound_is_on_target(clip: str, common: Path, clip_folder: Path) -> None:
    bench = built_once(common, clip_folder, clip)
    for name, record in variants(recorded(bench)).items():
        assert record.loudness is not None
        assert record.loudness.integrated_lufs == pytest.approx(profile.LOUDNESS_TARGET, abs=profile.LOUDNESS_TOLERANCE)
        assert record.loudness.true_peak_dbtp <= profile.DELIVERED_PEAK_LIMIT
        folder = bench.path("media", f"{CREATOR}/hls-audio/{MEDIA}/{name}")
        (stream,) = streams(bench, segment(folder, 0))
        assert (stream["codec_name"], stream["profile"], stream["sample_rate"], stream["channels"]) == (
            *("aac", "LC", "48000"),
            2,
        )


# --- The same again ---------------------------------------------------------------------------------------------------


@contextmanager
def busy() -> Iterator[None]:
    """All cores at work on something else."""
    burners = [subprocess.Popen([sys.executable, "-c", "while True: pass"]) for _ in range(os.cpu_count() or 2)]
    try:
        yield
    finally:
        for burner in burners:
            burner.kill()
            burner.wait()


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_the_same_job_gives_the_same_bytes_under_load_too(film: Bench, bench: Bench) -> None:
    bench.upload("strip_1280")
    with busy():
        records = bench.build()
    assert bench.contents() == film.contents()
    former = recorded(film)
    assert {name: record.data_version for name, record in records.items()} == {
        name: record.data_version for name, record in former.items()
    }


@pytest.mark.slow
def test_one_rung_alone_is_the_same_and_touches_nothing_else(film: Bench, tmp_path: Path) -> None:
    bench = copy(film, tmp_path)
    shutil.rmtree(bench.root / "archive" / "originals")
    before, former = bench.objects(), recorded(bench)
    records = bench.build(["hls_480p"])
    # The master would say the same as before, so it stays as it is.
    assert list(records) == ["hls_480p"]
    assert records["hls_480p"].data_version == former["hls_480p"].data_version
    assert bench.objects() == before


def test_a_changed_rung_brings_its_master_along(film: Bench, tmp_path: Path) -> None:
    bench = copy(film, tmp_path)
    store = RecordStore(bench.stores.archive)
    master = store.output(MEDIA, "hls_master")
    assert master is not None
    store.put(MEDIA, "hls_master", master.model_copy(update={"data_version": "of another ladder"}))
    assert list(bench.build(["hls_360p"])) == ["hls_360p", "hls_master"]


def test_a_master_alone_is_written_from_records(film: Bench, tmp_path: Path) -> None:
    bench = copy(film, tmp_path)
    before, master = bench.contents(), bench.root / HLS / "master.m3u8"
    master.unlink()
    records = bench.build(["hls_master"])
    assert complaints(records) == []
    assert bench.contents() == before


def test_a_master_does_not_name_what_has_gone(film: Bench, tmp_path: Path) -> None:
    bench = copy(film, tmp_path)
    shutil.rmtree(bench.root / HLS / "480p")
    with pytest.raises(VerificationError, match=r"480p/playlist\.m3u8 cannot be opened"):
        bench.build(["hls_master"])


@pytest.mark.slow
def test_a_preview_alone_is_that_of_its_variant(long_film: Bench, tmp_path: Path) -> None:
    bench = copy(long_film, tmp_path)
    before, former = bench.contents(), recorded(bench)
    preview = former["preview"]
    assert isinstance(preview, VariantRecord)
    assert (preview.variant, preview.duration, len(preview.segments)) == ("360p", 30.0, 5)
    shutil.rmtree(bench.root / HLS / "preview")
    records = bench.build(["preview"])
    assert list(records) == ["preview"]
    assert records["preview"].data_version == preview.data_version
    assert bench.contents() == before


@pytest.mark.slow
def test_a_preview_of_few_pictures_a_second_ends_where_its_last_segment_does(bench: Bench) -> None:
    """At 5 pictures a second the sound of a segment ends 0.4 s before its picture, and goes on in the next."""
    bench.upload("slow_32s")
    records = bench.build(["mezzanine", "loudness", "hls_360p", "preview", "hls_master"])
    assert complaints(records) == []
    preview = records["preview"]
    assert isinstance(preview, VariantRecord)
    assert preview.duration == pytest.approx(30.0, abs=0.01)


def test_loudness_can_be_measured_of_the_mezzanine(film: Bench, tmp_path: Path) -> None:
    bench = copy(film, tmp_path)
    former = recorded(film)["loudness"]
    again = bench.build(["loudness"])["loudness"]
    assert isinstance(former, LoudnessRecord)
    assert isinstance(again, LoudnessRecord)
    assert (former.measured_of, again.measured_of) == ("original", "mezzanine")
    assert former.measurement is not None
    assert again.measurement is not None
    assert again.measurement.integrated_lufs == pytest.approx(former.measurement.integrated_lufs, abs=0.1)


def test_what_is_missing_is_named(film: Bench, bench: Bench, tmp_path: Path) -> None:
    with pytest.raises(MissingInput, match="original is not at"):
        bench.build()
    with pytest.raises(MissingInput, match="no mezzanine yet"):
        bench.build(["thumbnail"])
    other = copy(film, tmp_path / "other")
    with other.mezzanine.open("ab") as file:
        file.write(b"x")
    with pytest.raises(JobError):
        other.build(["thumbnail"])
    with pytest.raises(ValueError, match="no waveform_json"):
        bench.build(["waveform_json"])


# --- Segments ---------------------------------------------------------------------------------------------------------


def first_times(bench: Bench, name: str) -> dict[str, float]:
    listed = streams(bench, segment(bench.root / HLS / name, 0))
    return {stream["codec_type"]: float(stream["start_time"]) for stream in listed}


@pytest.mark.parametrize(
    "clip",
    [
        "strip_1280",
        *(pytest.param(f"strip_{rate}", marks=pytest.mark.slow) for rate in ("29_97", "59_94", "23_976", "30")),
    ],
)
def test_segments_are_cut_alike_at_every_rate(clip: str, bench: Bench, film: Bench) -> None:
    if clip == "strip_1280":
        bench = film
        records = recorded(film)
    else:
        bench.upload(clip)
        records = bench.build(["mezzanine", "loudness", "hls_480p", "hls_360p"])
        assert complaints(records) == []
    source = records["mezzanine"]
    assert isinstance(source, MezzanineRecord)
    assert source.rate is not None
    made = variants(records)
    assert len(made) >= 2
    cuts = [[segment.duration for segment in variant.segments] for variant in made.values()]
    assert all(of_variant == cuts[0] for of_variant in cuts)
    assert len(cuts[0]) == 3
    # EXTINF is rounded to the transport stream's clock.
    assert cuts[0][:2] == pytest.approx([6.0, 6.0], abs=float(1 / source.rate) + 1e-4)
    starts = [first_times(bench, name) for name in made]
    assert all(of_variant == starts[0] for of_variant in starts)
    assert starts[0]["audio"] == pytest.approx(starts[0]["video"], abs=0.03)


# --- Encoders ---------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def without_nvenc() -> None:
    tools = Tools(tool_environment(os.environ))
    from codex_assets.media.encode import ladder

    if tools.try_encode(ladder.trial_arguments(profile.NVENC)).works:
        pytest.skip("NVENC works here")


@pytest.mark.slow
@pytest.mark.usefixtures("without_nvenc")
@pytest.mark.parametrize(("mode", "reason"), [("nvenc", "NVENC failed: "), ("auto", "NVENC does not work here: ")])
def test_without_a_gpu_x264_is_used_and_it_is_said_why(mode: str, reason: str, bench: Bench) -> None:
    bench.upload("plain")
    records = bench.build(["mezzanine", "loudness", "hls_360p"], mode=EncoderMode(mode))
    for name in ("mezzanine", "hls_360p"):
        build = records[name].build
        assert build is not None
        assert build.encoder == "libx264"
        assert (build.encoder_reason or "").startswith(reason)
        assert len(build.encoder_reason or "") > len(reason)
        assert str(bench.root.parent) not in (build.encoder_reason or "")


@pytest.mark.slow
def test_small_pictures_are_never_given_to_nvenc(bench: Bench) -> None:
    bench.upload("tiny_16x16")
    build = bench.build(["mezzanine"], mode=EncoderMode.NVENC)["mezzanine"].build
    assert build is not None
    assert (build.encoder, build.encoder_reason) == ("libx264", "NVENC takes no pictures under 160 pixels")


# --- Replacing what is published --------------------------------------------------------------------------------------


class Diary(DirectoryStore):
    """A store that writes down what is written and deleted."""

    def __init__(self, bench: Bench, diary: list[str]) -> None:
        super().__init__(bench.root, "media", "media")
        self.diary = diary

    def upload(self, path: Path, key: str, **others: object):  # type: ignore[no-untyped-def]
        self.diary.append(f"write {key}")
        return super().upload(path, key, **others)  # type: ignore[arg-type]

    def delete(self, key: str) -> None:
        self.diary.append(f"delete {key}")
        super().delete(key)


@pytest.mark.parametrize(
    "grace", [pytest.param(timedelta(0), marks=pytest.mark.slow), timedelta(hours=24)], ids=["at once", "after a day"]
)
def test_a_smaller_and_shorter_source_leaves_nothing_of_the_larger_one(
    grace: timedelta, film: Bench, tmp_path: Path
) -> None:
    bench = copy(film, tmp_path)
    bench.upload("strip_640")
    diary: list[str] = []
    stores = Stores(bench.stores.archive, Diary(bench, diary), bench.stores.assets)
    former = {key for key in bench.objects() if key.startswith(HLS)}
    records = bench.build(stores=stores, grace=grace)
    assert list(variants(records)) == ["360p"]
    for gone in ("hls_1080p", "hls_720p", "hls_480p"):
        assert not records[gone].applicable
        assert records[gone].files == ()
    left = {key for key in bench.objects() if key.startswith(HLS)}
    new = {
        *(str(segment(bench.root / HLS / name, 0).relative_to(bench.root)) for name in ("360p", "preview")),
        *(f"{HLS}/360p/playlist.m3u8", f"{HLS}/preview/preview.m3u8", f"{HLS}/master.m3u8"),
    }
    if grace:
        # Whoever is watching the larger one plays on.
        assert left == new | former
        known = RecordStore(bench.stores.archive).get(MEDIA, REPLACED, ReplacedRecord)
        assert known is not None
        noted = {f"media/{each.prefix}" for each in known.objects}
        assert {key for key in left if key.startswith(tuple(noted))} == former - new
        assert not any(key.startswith(tuple(noted)) for key in new)
        return
    assert left == new
    assert "720p" not in (bench.root / HLS / "master.m3u8").read_text()
    # Nothing that is being watched is removed before the switch.
    switch = diary.index(f"write {CREATOR}/hls/{MEDIA}/master.m3u8")
    assert all(line.startswith("write") for line in diary[: switch + 1])
    assert all(line.startswith("delete") for line in diary[switch + 1 :])
    assert {line.removeprefix("delete ") for line in diary if line.startswith("delete")} == {
        key.removeprefix("media/") for key in former - new
    }


DAMAGES = {
    # The end of every segment is lost, as on a full disk that nobody noticed.
    "variants": "*hls_segment_filename*",
    "the mezzanine": "*mezzanine.mp4*",
}


def damaging(folder: Path, pattern: str) -> Tools:
    """Tools whose ffmpeg does its work, and then cuts the end off what it wrote, where the arguments match."""
    real = shutil.which("ffmpeg")
    folder.mkdir()
    script = folder / "ffmpeg"
    script.write_text(
        "#!/bin/bash\n"
        f'"{real}" "$@" || exit\n'
        f'case "$*" in {pattern.replace(" ", "?")})\n'
        '  for argument in "$@"; do\n'
        '    case "$argument" in\n'
        '      */segment_%05d.ts) for file in "${argument%/*}"/*.ts; do truncate -s -20000 "$file"; done ;;\n'
        '      */mezzanine/mezzanine.mp4) truncate -s 60% "$argument" 2>/dev/null ||\n'
        '        truncate -s $(( $(stat -c %s "$argument") * 6 / 10 )) "$argument" ;;\n'
        "    esac\n"
        "  done ;;\n"
        "esac\n"
    )
    script.chmod(script.stat().st_mode | stat.S_IXUSR)
    environment = tool_environment(os.environ)
    return Tools({**environment, "PATH": f"{folder}:{environment['PATH']}"})


@pytest.mark.parametrize("what", some_slow(DAMAGES, lambda _, what: what == "the mezzanine"))
def test_what_fails_verification_changes_nothing_that_is_published(what: str, film: Bench, tmp_path: Path) -> None:
    bench = copy(film, tmp_path)
    before = bench.objects(records=True)
    outputs = ["mezzanine", "loudness"] if what == "the mezzanine" else ["hls_720p", "hls_360p", "preview"]
    with pytest.raises((VerificationError, SourceError)) as caught:
        bench.build(outputs, tools=damaging(tmp_path / "bin", DAMAGES[what]))
    assert str(tmp_path) not in caught.value.public
    assert bench.objects(records=True) == before
    if what == "variants":
        assert isinstance(caught.value, VerificationError)
        assert {finding.output for finding in caught.value.failures} >= {"hls_720p", "hls_360p"}


def test_an_encode_that_fails_changes_nothing_that_is_published(film: Bench, tmp_path: Path) -> None:
    bench = copy(film, tmp_path)
    before = bench.objects(records=True)
    folder = tmp_path / "bin"
    folder.mkdir()
    script = folder / "ffmpeg"
    script.write_text('#!/bin/bash\ncase "$*" in *segment_%05d*) echo "[error] it broke" >&2; exit 1 ;; esac\n')
    with script.open("a") as file:
        file.write(f'exec "{shutil.which("ffmpeg")}" "$@"\n')
    script.chmod(0o755)
    environment = tool_environment(os.environ)
    tools = Tools({**environment, "PATH": f"{folder}:{environment['PATH']}"})
    with pytest.raises(ToolError) as caught:
        bench.build(["hls_360p"], tools=tools)
    assert "it broke" in (caught.value.detail or "")
    assert str(tmp_path) not in caught.value.public
    assert bench.objects(records=True) == before


# --- What cannot be used ----------------------------------------------------------------------------------------------

REFUSED = [name for name, clip in clips.CLIPS.items() if clip.refused]


@pytest.mark.parametrize("name", some_slow(REFUSED, lambda number, _: number % 4 == 0))
def test_what_cannot_be_used_is_refused_in_a_sentence(name: str, tmp_path: Path, clip_folder: Path) -> None:
    clip = clips.CLIPS[name]
    bench = Bench(tmp_path / "store", clip.media_type, clip_folder)
    bench.upload(name)
    with pytest.raises(SourceError, match=clip.refused) as caught:
        bench.build()
    sentence = caught.value.public
    assert sentence.startswith("The upload ")
    assert sentence.endswith(".")
    assert not re.search(r"/|ffmpeg|ffprobe|stream|codec|0x|\[", sentence)
    assert not caught.value.retryable
    # Nothing but why.
    left = {f"archive/originals/{CREATOR}/{MEDIA}/original", f"archive/records/{MEDIA}/refused.json"}
    assert set(bench.objects(records=True)) == left


# --- Time -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("clip", "seconds"),
    some_slow(
        [
            ("long_sound", 4.0),
            ("short_sound", 4.0),
            ("late_sound", 2.0),
            ("late_picture", 2.7),
            ("starts_at_5s_mkv", 2.0),
            ("webm_no_duration", 2.0),
            ("blink", 0.2),
            ("single_picture_with_sound", 3.0),
        ],
        lambda _, case: case[0] == "blink",
    ),
)
def test_a_media_lasts_as_long_as_its_longer_track(clip: str, seconds: float, bench: Bench) -> None:
    bench.upload(clip)
    records = bench.build()
    assert complaints(records) == []
    source = records["mezzanine"]
    assert isinstance(source, MezzanineRecord)
    assert source.duration == pytest.approx(seconds, abs=0.05)
    (variant,) = variants(records).values()
    assert variant.duration == pytest.approx(seconds, abs=0.05)
    first = str(segment(bench.root / HLS / "360p", 0))
    header = ffprobe.parse(bench.tools.ffprobe(ffprobe.probe_arguments(first), label="looking"))
    info = packets.read_packets(header, bench.tools.ffprobe_lines(packets.scan_arguments(first), label="looking"))
    ends = [(track.start or 0.0) + (track.duration or 0.0) for track in info.tracks]
    assert len(ends) == 2
    assert ends[0] == pytest.approx(ends[1], abs=0.06)


@pytest.mark.slow
def test_the_last_picture_is_held_while_the_sound_goes_on(bench: Bench) -> None:
    bench.upload("long_sound")
    bench.build(["mezzanine"])
    last = still(bench, 0.9667)
    for at in (2.5, 3.9):
        assert difference(still(bench, at), last) < 2
    assert difference(still(bench, 0.3), last) > 4


def still(bench: Bench, at: float) -> bytes:
    shape = ["-frames:v", "1", "-vf", "scale=32:18:flags=area,format=gray"]
    out = bench.root.parent / "still.gray"
    bench.tools.ffmpeg(
        ["-ss", str(at), "-i", str(bench.mezzanine), *shape, "-f", "rawvideo", str(out)], label="looking"
    )
    return out.read_bytes()


def difference(first: bytes, other: bytes) -> float:
    return sum(abs(a - b) for a, b in zip(first, other, strict=True)) / len(first)


def test_a_late_sound_stays_late(bench: Bench) -> None:
    bench.upload("late_sound")
    bench.build(["mezzanine"])
    meter = ["-map", "0:a:0", "-af", "silencedetect=noise=-60dB:d=0.3", "-f", "null", "-"]
    log = bench.tools.ffmpeg(["-i", str(bench.mezzanine), *meter], label="listening").log
    (silence,) = [line for line in log if "silence_end" in line]
    silence_end = re.search(r"silence_end: ([\d.]+)", silence)
    assert silence_end is not None
    assert float(silence_end.group(1)) == pytest.approx(0.7, abs=0.03)


# --- What is reported -------------------------------------------------------------------------------------------------


@pytest.mark.slow
def test_a_damaged_upload_is_delivered_and_it_is_told(bench: Bench) -> None:
    bench.upload("damaged_packets")
    records = bench.build()
    assert complaints(records) == []
    picture, sound = records["mezzanine"].warnings
    assert re.fullmatch(r"The upload is damaged: about \d+ % of the picture could not be decoded; .*", picture)
    assert re.fullmatch(r"The upload is damaged: about \d+ % of the sound could not be decoded; .*", sound)
    assert records["mezzanine"].audio_treatment == "encoded"  # type: ignore[attr-defined]


def test_nothing_personal_survives(bench: Bench) -> None:
    bench.upload("located")
    bench.build(["mezzanine"])
    probe = bench.tools.ffprobe(ffprobe.probe_arguments(str(bench.mezzanine), trusted=True), label="looking")
    text = json.dumps(probe)
    for part in ("52.52", "Phone", "At home", "4711"):
        assert part not in text


def test_silence_is_passed_through(sound_bench: Bench) -> None:
    sound_bench.upload("silence")
    records = sound_bench.build()
    assert complaints(records) == []
    loudness = records["loudness"]
    assert isinstance(loudness, LoudnessRecord)
    assert loudness.measurement is None
    assert {variant.gain_mode for variant in variants(records).values()} == {"none"}


def test_an_output_of_the_other_media_type_is_a_programming_error(bench: Bench) -> None:
    with pytest.raises(ValueError, match="hls_128k"):
        bench.build(["hls_128k"])
