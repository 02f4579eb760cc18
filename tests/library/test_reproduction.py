"""Outputs built again: the same bytes from the same tools, every difference named, and nothing written anywhere."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import clips
import jobs
import published_files
import pytest
import s3_server
from clips import FFMPEG
from commands import Answer, call

from codex_assets.config import settings
from codex_assets.library.daily_sample import daily_sample
from codex_assets.library.reproduction import Reproduction
from codex_assets.media import profile
from codex_assets.storage.objects import Stores
from codex_assets.system.tools import Tools, tool_environment
from codex_assets.system.workspace import Status

ffmpeg = pytest.mark.ffmpeg

FILM, TALK = "strip_30", "speech"
FIXTURES = Path(__file__).parents[2] / "fixtures"


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A store with a film of three segments and a talk of two."""
    folder = tmp_path_factory.mktemp("built")
    for name, media_type in ((FILM, "video"), (TALK, "audio")):
        clip = clips.make(name, folder / "clips")
        answer = call("run", clip, "--type", media_type, "--media-id", name, store=folder / "store")
        assert answer.code == 0, answer.err
    return folder / "store"


@pytest.fixture
def store(built: Path, tmp_path: Path) -> Path:
    """A copy of the store, to be broken."""
    return Path(shutil.copytree(built, tmp_path / "store"))


def files_of(folder: Path) -> dict[str, tuple[str, int]]:
    """Every file of a folder, with the hash of its bytes and when it was written, but for this machine's index."""
    return {
        str(path.relative_to(folder)): (hashlib.sha256(path.read_bytes()).hexdigest(), path.stat().st_mtime_ns)
        for path in folder.rglob("*")
        if path.is_file() and ".catalogue.sqlite" not in path.name
    }


def stores_of(store: Path) -> Stores:
    return settings.load({"STORAGE_DIR": str(store), "PATH": os.environ["PATH"]}).stores()


def edit_record(store: Path, media_id: str, output: str, change: Callable[[dict[str, Any]], None]) -> None:
    path = store / "codex-archive" / "records" / media_id / f"{output}.json"
    record = json.loads(path.read_text())
    change(record)
    path.write_text(json.dumps(record))


def segment(store: Path, variant: str, number: int) -> Path:
    return published_files.segment(store / f"codex-media-local/local/hls/{FILM}/{variant}", number)


def replace_segment(store: Path, variant: str, number: int, *encoding: str, recorded: bool = True) -> None:
    """Encode the picture of a segment once more, and let the record name what came out."""
    path = segment(store, variant, number)
    other = store.parent / "other.ts"
    source = ("-copyts", "-i", str(path), "-c:a", "copy", "-c:v", "libx264", *encoding)
    subprocess.run([*FFMPEG, *source, "-muxdelay", "0", "-f", "mpegts", str(other)], check=True)
    data = other.read_bytes()
    path.write_bytes(data)

    def name_it(record: dict[str, Any]) -> None:
        for file in record["files"]:
            if file["key"].endswith(str(path.relative_to(path.parents[2]))):
                file |= {"size": len(data), "sha256": hashlib.sha256(data).hexdigest()}

    if recorded:
        edit_record(store, FILM, f"hls_{variant}", name_it)


def outcomes(answer: Answer) -> dict[str, str]:
    """Output -> outcome, of one media."""
    (media,) = answer.json["media"]
    return {output["output"]: output["outcome"] for output in media["outputs"]}


def of_output(answer: Answer, output: str) -> dict[str, Any]:
    """What is said of an output of the only media."""
    (media,) = answer.json["media"]
    compared: dict[str, Any] = next(each for each in media["outputs"] if each["output"] == output)
    return compared


# --- The same ---------------------------------------------------------------------------------------------------------


@ffmpeg
def test_everything_comes_out_the_same_and_no_byte_is_written(store: Path) -> None:
    before = files_of(store)
    answer = call("reproduce", "--all", "--json", store=store)
    assert answer.code == 0, answer.out
    assert files_of(store) == before
    same = {media["mediaId"]: [output["output"] for output in media["outputs"]] for media in answer.json["media"]}
    assert same == {
        FILM: ["mezzanine", "loudness", "hls_480p", "hls_360p", "preview", "hls_master", "thumbnail"],
        TALK: ["mezzanine", "loudness", "hls_128k", "hls_64k", "hls_master", "waveform_json", "waveform_png"],
    }
    assert (answer.json["same"], answer.json["differs"]) == (14, 0)


@pytest.mark.slow
@ffmpeg
def test_nothing_is_written_either_where_everything_differs(store: Path) -> None:
    """What is built here would be published, and pruned, by a rebuild: other segments, and another master."""

    def raise_rate(record: dict[str, Any]) -> None:
        record["bandwidth"] += record["bandwidth"] // 20

    for variant in ("480p", "360p"):
        replace_segment(store, variant, 1, "-preset", "ultrafast")
        edit_record(
            store, FILM, f"hls_{variant}", lambda record: record.update(bandwidth=record["bandwidth"] * 21 // 20)
        )
    stray = segment(store, "360p", 0).with_name("segment_00099.ts")
    stray.write_bytes(b"stray")
    before = files_of(store)
    home = store.parent / "dagster"
    answer = call("reproduce", FILM, "--json", store=store, DAGSTER_HOME=str(home))
    assert answer.code == 1, answer.out
    assert files_of(store) == before
    assert not home.exists()
    assert {name for name, outcome in outcomes(answer).items() if outcome == "differs"} == {
        *("hls_480p", "hls_360p", "hls_master")
    }


def versions_in(endpoint: str, bucket: str) -> list[tuple[str, str, str, str]]:
    """Every version of every object of a bucket, and every mark of a deletion."""
    pages = s3_server.client(endpoint).get_paginator("list_object_versions").paginate(Bucket=bucket)
    return [
        (entry["Key"], entry["VersionId"], str(entry.get("ETag", "deleted")), str(entry["LastModified"]))
        for page in pages
        for entry in [*page.get("Versions", []), *page.get("DeleteMarkers", [])]
    ]


@pytest.mark.slow
@ffmpeg
def test_buckets_are_only_read(store: Path, tmp_path: Path) -> None:
    with s3_server.s3_server() as endpoint:
        environment, buckets = jobs.s3_environment(tmp_path, endpoint)
        remote, local = settings.load(environment).stores(), stores_of(store)
        for role in ("archive", "media", "assets"):
            for stored in local.by_role(role).list(""):
                path = tmp_path / "object"
                content_type = local.by_role(role).download(stored.key, path).content_type or "application/json"
                remote.by_role(role).upload(path, stored.key, content_type=content_type)
        # What is missing would be published by a rebuild.
        lost = published_files.segment(store / f"codex-media-local/local/hls-audio/{TALK}/64k", 1)
        remote.media.delete(str(lost.relative_to(store / "codex-media-local")))
        before = [versions_in(endpoint, bucket) for bucket in buckets]
        answer = call("reproduce", TALK, "--json", store=None, **environment)
        assert answer.code == 1, answer.out
        assert {name for name, outcome in outcomes(answer).items() if outcome != "same"} == {"hls_64k"}
        assert of_output(answer, "hls_64k")["differing"][0]["state"] == "missing"
        assert [versions_in(endpoint, bucket) for bucket in buckets] == before
        assert all(before)


@ffmpeg
def test_dagster_is_not_even_loaded(store: Path) -> None:
    program = (
        "import sys\nfrom codex_assets.cli.app import app\ntry:\n    app()\nfinally:\n"
        "    print([name for name in sys.modules if name.partition('.')[0] == 'dagster'])"
    )
    arguments = ["reproduce", TALK, "--assets", "waveform_json", "--store", str(store)]
    done = subprocess.run([sys.executable, "-c", program, *arguments], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "[]"


@ffmpeg
@pytest.mark.slow
def test_both_samples_come_out_the_same(tmp_path: Path) -> None:
    for name, media_type in (("sample-video.mp4", "video"), ("sample-audio.wav", "audio")):
        assert call("run", FIXTURES / name, "--type", media_type, store=tmp_path / "store").code == 0
    before = files_of(tmp_path / "store")
    answer = call("reproduce", "--all", "--json", store=tmp_path / "store")
    assert (answer.code, answer.json["same"]) == (0, 15), answer.out
    assert files_of(tmp_path / "store") == before


# --- Different --------------------------------------------------------------------------------------------------------


@ffmpeg
def test_a_replaced_segment_is_named_with_its_place(store: Path) -> None:
    replace_segment(store, "480p", 1, "-vf", "negate")
    answer = call("reproduce", FILM, "--assets", "hls_480p,hls_360p,hls_master", "--json", store=store)
    assert answer.code == 1
    assert outcomes(answer) == {"hls_480p": "differs", "hls_360p": "same", "hls_master": "same"}
    compared = of_output(answer, "hls_480p")
    assert compared["differing"] == [{"name": "segment_00001.ts", "state": "differs", "at": 6.0}]
    assert compared["sameSound"] is True
    assert 6 <= compared["pictures"]["leastAt"] < 12
    assert compared["message"].startswith("segment_00001.ts (from 6 s) differs (1 of 4); the sound is the same;")


@pytest.mark.slow
@ffmpeg
def test_the_first_of_several_and_their_number_are_told(store: Path) -> None:
    for number in (1, 2):
        replace_segment(store, "360p", number, "-preset", "ultrafast")
    answer = call("reproduce", FILM, "--assets", "hls_360p", store=store)
    assert answer.code == 1
    assert "hls_360p: segment_00001.ts (from 6 s) differs, and 1 more of 4 files; the sound is the same" in answer.out
    assert answer.out.splitlines()[-1].startswith("1 media: 0 outputs the same, 1 different; ")


@pytest.mark.slow
@ffmpeg
def test_files_that_are_not_those_of_the_record_are_told_apart(store: Path) -> None:
    replace_segment(store, "480p", 0, "-preset", "ultrafast", recorded=False)
    segment(store, "360p", 2).unlink()
    (thumbnail,) = store.rglob("auto-generated.jpg")
    thumbnail.write_bytes(thumbnail.read_bytes() + b"\0")
    answer = call("reproduce", FILM, "--assets", "hls_480p,hls_360p,thumbnail", "--json", store=store)
    assert answer.code == 1
    assert of_output(answer, "hls_480p")["differing"] == [{"name": "segment_00000.ts", "state": "altered", "at": 0.0}]
    assert of_output(answer, "hls_360p")["differing"] == [{"name": "segment_00002.ts", "state": "missing", "at": 12.0}]
    assert of_output(answer, "thumbnail")["message"] == (
        "auto-generated.jpg is not the file that its record names (1 of 1)"
    )


@pytest.mark.slow
@ffmpeg
def test_the_tools_of_another_version_are_named(store: Path) -> None:
    replace_segment(store, "360p", 1, "-preset", "ultrafast")
    before = {"ffmpeg": "6.0.1-other", "x264": "165 r3222 b35605a", "audiowaveform": "1.0.0"}
    for output in ("hls_360p", "hls_480p"):
        edit_record(store, FILM, output, lambda record: record["build"]["tool_versions"].update(before))
    answer = call("reproduce", FILM, "--assets", "hls_480p,hls_360p", "--json", store=store)
    assert outcomes(answer) == {"hls_480p": "same", "hls_360p": "differs"}
    for output in ("hls_360p", "hls_480p"):
        compared = of_output(answer, output)
        # audiowaveform has no part in a variant.
        assert {tool["name"]: tool["from"] for tool in compared["tools"]} == {
            name: before[name] for name in ("ffmpeg", "x264")
        }
        assert "; built by ffmpeg 6.0.1-other, here " in compared["message"]


@ffmpeg
def test_another_measurement_is_told(store: Path) -> None:
    def louder(record: dict[str, Any]) -> None:
        record["data_version"] = "0" * 32
        record["measurement"]["integrated"] += 1

    edit_record(store, TALK, "loudness", louder)
    answer = call("reproduce", TALK, "--assets", "loudness", "--json", store=store)
    assert answer.code == 1
    assert " is recorded, " in of_output(answer, "loudness")["message"]


# --- NVENC ------------------------------------------------------------------------------------------------------------


def say_nvenc(store: Path, variant: str) -> None:
    edit_record(store, FILM, f"hls_{variant}", lambda record: record["build"].update(encoder="h264_nvenc"))


@ffmpeg
def test_what_nvenc_made_is_compared_by_its_pictures(store: Path) -> None:
    """No NVENC is needed: the record says that it made the picture, and another encode by x264 stands for its own. So
    this shows what is compared, not how much a real encode by NVENC differs."""
    for number in range(3):
        replace_segment(store, "480p", number, "-preset", "ultrafast", "-b:v", "150k")
    say_nvenc(store, "480p")
    answer = call("reproduce", FILM, "--assets", "hls_480p,hls_master", "--json", store=store)
    assert answer.code == 0, answer.out
    compared = of_output(answer, "hls_480p")
    assert (compared["sameSound"], compared["encoder"]) == (True, {"from": "h264_nvenc", "to": "libx264"})
    assert compared["pictures"]["published"] == compared["pictures"]["here"] == 378
    assert compared["message"].startswith("the same pictures: 378, SSIM at least 0.9")


@ffmpeg
@pytest.mark.parametrize(
    ("filters", "reason"),
    [
        pytest.param("drawbox=c=black:t=fill:enable='eq(n,20)'", "the picture at 6.", marks=pytest.mark.slow),
        pytest.param("boxblur=2:1", " times as far from the mezzanine's as here", marks=pytest.mark.slow),
        pytest.param("select='gt(n,0)'", "it has 377 pictures, and 378 when built here", marks=pytest.mark.slow),
    ],
)
def test_pictures_that_are_others_are_told_of_nvenc_too(store: Path, filters: str, reason: str) -> None:
    replace_segment(store, "480p", 1, "-vf", filters, "-fps_mode", "passthrough")
    say_nvenc(store, "480p")
    answer = call("reproduce", FILM, "--assets", "hls_480p", "--json", store=store)
    assert answer.code == 1, answer.out
    assert reason in of_output(answer, "hls_480p")["message"]


@pytest.mark.slow
@ffmpeg
def test_the_sound_beside_nvenc_pictures_has_to_be_the_same(store: Path) -> None:
    path = segment(store, "480p", 1)
    data = bytearray(path.read_bytes())
    # The last packet of a segment holds the end of its sound.
    data[-20] ^= 0xFF
    path.write_bytes(data)

    def name_it(record: dict[str, Any]) -> None:
        for file in record["files"]:
            if file["key"].endswith(path.name):
                file["sha256"] = hashlib.sha256(data).hexdigest()

    edit_record(store, FILM, "hls_480p", name_it)
    say_nvenc(store, "480p")
    answer = call("reproduce", FILM, "--assets", "hls_480p", "--json", store=store)
    assert (answer.code, of_output(answer, "hls_480p")["sameSound"]) == (1, False), answer.out


# --- Not to be built again --------------------------------------------------------------------------------------------


@ffmpeg
def test_a_mezzanine_without_its_original_cannot_be_built_again(store: Path) -> None:
    shutil.rmtree(store / "codex-archive" / "originals")
    answer = call("reproduce", FILM, "--assets", "mezzanine,loudness,thumbnail", "--json", store=store)
    assert answer.code == 0, answer.out
    impossible = "cannot be built again"
    assert outcomes(answer) == {"mezzanine": impossible, "loudness": impossible, "thumbnail": "same"}
    assert of_output(answer, "mezzanine")["message"] == "cannot be built again: its original is gone"
    assert of_output(answer, "loudness")["message"] == (
        "cannot be built again: it was measured of the original: its original is gone"
    )
    nothing = call("reproduce", FILM, "--assets", "mezzanine", store=store)
    assert nothing.code == 2, "nothing was compared"


@pytest.mark.slow
@ffmpeg
def test_what_another_recipe_made_cannot_be_built_again(store: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(profile, "THUMBNAIL_QUALITY", profile.THUMBNAIL_QUALITY + 1)
    answer = call("reproduce", FILM, "--assets", "thumbnail,hls_360p", "--json", store=store)
    assert answer.code == 0, answer.out
    assert outcomes(answer) == {"hls_360p": "same", "thumbnail": "cannot be built again"}
    assert "recipe changed: thumbnail_quality" in of_output(answer, "thumbnail")["message"]


@ffmpeg
def test_what_cannot_be_compared_is_a_problem(store: Path) -> None:
    (mezzanine,) = store.rglob(f"{FILM}/mezzanine.mp4")
    mezzanine.write_bytes(b"another file")
    answer = call("reproduce", FILM, "--assets", "thumbnail", "--json", store=store)
    assert answer.code == 2
    assert "is not the one that was recorded" in of_output(answer, "thumbnail")["message"]
    unknown = call("reproduce", "nobody", "--json", store=store)
    assert (unknown.code, unknown.json["media"][0]["problem"]) == (2, "No media of this id is registered.")


@ffmpeg
def test_what_is_built_anew_meanwhile_is_no_difference(store: Path, tmp_path: Path) -> None:
    phases = set()

    def somebody_else(status: Status) -> None:
        phases.add(status.phase)
        edit_record(store, TALK, "waveform_png", lambda record: record["build"].update(built_at="2030-01-01T00:00:00"))

    (picture,) = store.rglob("waveform.png")
    picture.write_bytes(picture.read_bytes() + b"\0")
    tools = Tools(tool_environment(os.environ))
    reproduction = Reproduction(
        stores_of(store), tools, tmp_path, tools.cancelled, outputs=("waveform_png",), listener=somebody_else
    )
    (result,) = reproduction.run([TALK])
    (output,) = result.outputs
    assert (output.outcome, output.reason) == ("could not be compared", "it was built anew by somebody else meanwhile")
    # Nothing is published, and nobody is told that it is.
    assert "comparing" in phases
    assert "publishing" not in phases


# --- Which media ------------------------------------------------------------------------------------------------------


@ffmpeg
def test_media_are_chosen_by_conditions_and_by_the_day(store: Path) -> None:
    chosen = call("reproduce", "--where", "type=audio", "--assets", "waveform_json", "--json", store=store)
    assert [media["mediaId"] for media in chosen.json["media"]] == [TALK]
    # Of two media, one percent is one.
    today = call("reproduce", "--sample", "1%", "--assets", "hls_master", "--json", store=store)
    assert (today.code, len(today.json["media"])) == (0, 1)
    nobody = call("reproduce", "--where", "creator=nobody", "--sample", "5", store=store)
    assert (nobody.code, nobody.out) == (0, "There are no media to build again.\n")


@pytest.mark.parametrize("line", ["", "a --all", "a --sample 1%", "--sample some", "--all --assets nothing"])
def test_usage_errors(line: str, tmp_path: Path) -> None:
    assert call("reproduce", *line.split(), store=tmp_path).code == 2


def test_every_media_has_its_turn_and_nobody_chooses_it() -> None:
    media_ids = [f"media-{number}" for number in range(230)]
    days = [date(2026, 11, 28) + timedelta(days=number) for number in range(100)]
    samples = [daily_sample(media_ids, lambda count: max(1, round(count * 0.01)), day) for day in days]
    assert {len(sample) for sample in samples} == {2}
    assert samples[0] == daily_sample(media_ids[::-1], lambda count: 2, days[0]), "the same for everybody on a day"
    in_turn = [daily_sample(media_ids, lambda count: 2, days[0] + timedelta(days=number)) for number in range(115)]
    assert sorted(media_id for sample in in_turn for media_id in sample) == sorted(media_ids)
    assert [sample for sample in samples if sorted(sample) != sample], "not in the order of their ids"
    assert daily_sample([], lambda count: 1, days[0]) == []
    assert daily_sample(["a", "b"], lambda count: 5, days[0]) in (["a", "b"], ["b", "a"])
