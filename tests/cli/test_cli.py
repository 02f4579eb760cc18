"""The commands as people type them: real builds and real checks of tiny clips, and what is printed and returned."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from clips import AAC, FFMPEG, H264, picture, sound
from commands import Answer, call
from folder_site import served
from published_files import segment

from codex_assets import quantities
from codex_assets.archive.check_results import OutputVerification
from codex_assets.archive.store import RecordStore
from codex_assets.config import settings
from codex_assets.contract.webhook import CompletedBody, parse_webhook_body
from codex_assets.library import published_media
from codex_assets.library.judged import Judged
from codex_assets.library.selection import Where
from codex_assets.media import outputs
from codex_assets.storage.objects import Stores

ffmpeg = pytest.mark.ffmpeg


def make(path: Path, *arguments: str) -> Path:
    subprocess.run([*FFMPEG, *arguments, str(path)], check=True)
    return path


@pytest.fixture(scope="module")
def clips(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("clips")
    make(folder / "My clip (1).mp4", *picture(size="320x180", seconds=2), *sound(seconds=2), *H264, *AAC)
    make(folder / "tone.wav", *sound(seconds=2))
    (folder / "notes.mp4").write_text("these are notes\n" * 100)
    return folder


@pytest.fixture(scope="module")
def built(clips: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Answer, Answer]:
    """A store with one video and one audio media, and what their builds printed."""
    store = tmp_path_factory.mktemp("built") / "store"
    video = call("run", clips / "My clip (1).mp4", "--type", "video", store=store)
    audio = call("run", clips / "tone.wav", "--type", "audio", "--creator-id", "ann", "--json", store=store)
    return store, video, audio


@pytest.fixture
def store(built: tuple[Path, Answer, Answer], tmp_path: Path) -> Path:
    """A copy of the store, to be broken."""
    return Path(shutil.copytree(built[0], tmp_path / "store"))


def stores_of(store: Path) -> Stores:
    return settings.load({"STORAGE_DIR": str(store), "PATH": os.environ["PATH"]}).stores()


@pytest.fixture(autouse=True)
def _here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where no store lies about."""
    monkeypatch.setenv("PYTHONPATH", str(Path(__file__).parents[2]))
    monkeypatch.chdir(tmp_path)


# --- run --------------------------------------------------------------------------------------------------------------


@ffmpeg
def test_run_builds_a_video_and_shows_what_came_out(built: tuple[Path, Answer, Answer]) -> None:
    store, video, _ = built
    assert video.code == 0, video.err
    tree, _, rest = video.out.partition("\n{")
    body = parse_webhook_body(json.loads("{" + rest.rpartition("}")[0] + "}"))
    assert isinstance(body, CompletedBody)
    assert body.output.media_id == "My-clip-1"
    for output in outputs.wanted("video"):
        assert output in tree
    assert "320x180" in tree
    assert "never upscaled" in tree
    assert (store / "codex-media-local/local/hls/My-clip-1/360p/playlist.m3u8").is_file()


@ffmpeg
def test_run_tells_progress_in_lines_where_there_is_no_terminal(built: tuple[Path, Answer, Answer]) -> None:
    lines = built[1].err.splitlines()
    assert lines
    assert all(line.startswith("My-clip-1: ") and " % " in line for line in lines)


@ffmpeg
def test_run_can_print_the_body_alone(built: tuple[Path, Answer, Answer]) -> None:
    audio = built[2]
    assert audio.code == 0, audio.err
    body = parse_webhook_body(audio.json)
    assert isinstance(body, CompletedBody)
    assert body.output.waveform_key == "ann/waveforms/tone/waveform.json"


@ffmpeg
def test_run_can_build_single_outputs_again(clips: Path, store: Path) -> None:
    playlist = store / "codex-media-local/local/hls/My-clip-1/360p/playlist.m3u8"
    thumbnail = store / "codex-assets-local/local/thumbnails/media/My-clip-1/auto-generated.jpg"
    thumbnail.unlink()
    before = playlist.stat().st_mtime_ns
    again = call("run", clips / "My clip (1).mp4", "--type", "video", "--assets", "thumbnail", store=store)
    assert again.code == 0, again.err
    assert thumbnail.is_file()
    assert playlist.stat().st_mtime_ns == before
    assert "hls_360p" not in again.out.partition("\n{")[0]


@ffmpeg
def test_run_says_why_a_file_cannot_be_used(clips: Path, tmp_path: Path) -> None:
    answer = call("run", clips / "notes.mp4", "--type", "video", "--json", store=tmp_path / "store")
    assert answer.code == 1
    assert answer.json["status"] == "failed"
    assert answer.err.splitlines()[-1].startswith("error: The upload is a text file, not a video")
    assert answer.err.rstrip().endswith("(source_not_media)")


@ffmpeg
def test_run_looks_at_a_file_before_anything_is_stored(clips: Path, tmp_path: Path) -> None:
    answer = call("run", clips / "notes.mp4", store=tmp_path / "store")
    assert answer.code == 1
    assert answer.err.splitlines()[-1].startswith("error: The upload is a text file, not a video")
    assert not list((tmp_path / "store").glob("codex-*"))


@ffmpeg
def test_run_takes_a_folder_and_finds_out_what_is_in_it(clips: Path, tmp_path: Path) -> None:
    """A video, a sound, and a text that is called a video."""
    store = tmp_path / "store"
    answer = call("run", clips, "--assets", "mezzanine", "--json", store=store)
    assert answer.code == 0, answer.err
    kinds = {body["output"]["mediaId"]: body["output"]["mediaType"] for body in answer.json}
    assert kinds == {"My-clip-1": "video", "tone": "audio"}
    assert f"{clips / 'notes.mp4'} is left out: The upload is a text file" in answer.err
    assert not list(store.glob("codex-archive/originals/local/notes"))


def test_run_of_a_file_that_is_not_there(tmp_path: Path) -> None:
    answer = call("run", tmp_path / "gone.mp4", "--type", "video", store=tmp_path / "store")
    assert answer.code == 1
    assert answer.err == f"error: There is no file {tmp_path / 'gone.mp4'}. (input_not_found)\n"
    assert not (tmp_path / "store").exists()


def test_run_with_an_unknown_output_names_the_field(clips: Path, tmp_path: Path) -> None:
    answer = call("run", clips / "tone.wav", "--type", "audio", "--assets", "hls_720p", store=tmp_path / "store")
    assert answer.code == 1
    assert "assets" in answer.err
    assert "(invalid_payload)" in answer.err


@pytest.mark.parametrize(
    "arguments",
    [
        ["run"],
        ["run", "x.mp4", "--assets", "hls_9000p"],
        ["run", "x.mp4", "y.mp4", "--media-id", "one"],
        ["run", "x.mp4", "--type", "picture"],
        ["verify"],
        ["verify", "one", "--all"],
        ["verify", "--all", "--rule", "no_such_rule"],
        ["verify", "--where", "colour=blue"],
        ["verify", "--all", "--workers", "0"],
        ["failing", "no_such_rule"],
        ["list", "--where", "type=picture"],
    ],
)
def test_what_was_asked_for_wrongly_exits_with_2(arguments: list[str]) -> None:
    assert call(*arguments).code == 2


def test_an_id_that_cannot_be_a_key_is_refused(clips: Path, tmp_path: Path) -> None:
    answer = call("run", clips / "tone.wav", "--type", "audio", "--media-id", "../x", store=tmp_path / "store")
    assert answer.code == 2
    assert not (tmp_path / "store").exists()


@ffmpeg
@pytest.mark.parametrize("number", [signal.SIGINT, pytest.param(signal.SIGHUP, marks=pytest.mark.slow)])
def test_ctrl_c_or_a_closed_terminal_stops_a_run_and_leaves_nothing(number: signal.Signals, tmp_path: Path) -> None:
    clip = make(tmp_path / "long.mp4", *picture(size="640x360", rate="60", seconds=30), *H264)
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    command = [sys.executable, "-m", "codex_assets.cli.app", "run", str(clip), "--type", "video"]
    env = {**os.environ, "TMPDIR": str(scratch), "STORAGE_DIR": str(tmp_path / "store")}
    with subprocess.Popen(command, env=env, stderr=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stderr is not None
        for line in process.stderr:
            if "mezzanine" in line:
                break
        until(lambda: tools_in(scratch))
        process.send_signal(number)
        _, err = process.communicate(timeout=120)
    assert process.returncode == 130
    assert err.rstrip().endswith("Stopped.")
    assert not tools_in(scratch)
    assert not list(scratch.glob("codex-assets/run-*"))


def until(there: Any, seconds: float = 120) -> None:
    deadline = time.monotonic() + seconds
    while not there():
        assert time.monotonic() < deadline
        time.sleep(0.05)


def tools_in(scratch: Path) -> list[str]:
    """Command lines of processes that work on files below `scratch`."""
    lines = []
    for entry in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            line = entry.read_bytes().replace(b"\0", b" ").decode(errors="replace")
        except OSError:
            continue
        if f"{scratch}/" in line:
            lines.append(line)
    return lines


# --- show, list -------------------------------------------------------------------------------------------------------


@ffmpeg
def test_show_tells_what_is_known(built: tuple[Path, Answer, Answer]) -> None:
    shown = call("show", "My-clip-1", store=built[0])
    assert shown.code == 0
    for text in ("video of local", "never upscaled", "libx264", "last check of what is published: never", "current"):
        assert text in shown.out
    thumbnail = "codex-assets-local/local/thumbnails/media/My-clip-1/auto-generated.jpg"
    assert (built[0] / thumbnail).as_uri() in "".join(shown.out.split())
    known = call("show", "tone", "--json", store=built[0]).json
    assert known["outputs"]["hls_master"]["url"] == (
        (built[0] / "codex-media-local/ann/hls-audio/tone/master.m3u8").as_uri()
    )
    assert known["media"]["creator_id"] == "ann"
    assert known["stale"] == []
    assert set(known["outputs"]) == set(outputs.wanted("audio"))


@ffmpeg
@pytest.mark.parametrize("media", ["nobody", "../../etc", "a b"])
def test_show_of_an_unknown_media(built: tuple[Path, Answer, Answer], media: str) -> None:
    answer = call("show", media, store=built[0])
    assert answer.code == 2
    assert answer.err.startswith(f"error: No media `{media}` is registered here")


def test_a_store_that_is_not_there_is_not_made(tmp_path: Path) -> None:
    answer = call("list", store=tmp_path / "nowhere")
    assert answer.code == 2
    assert "There is no store at" in answer.err
    assert not (tmp_path / "nowhere").exists()


def test_an_incomplete_configuration_is_told(tmp_path: Path) -> None:
    answer = call("list", R2_ACCOUNT_ID="account")
    assert answer.code == 2
    assert "R2_MEDIA_BUCKET" in answer.err
    assert "(worker_misconfigured)" in answer.err


@ffmpeg
def test_list_and_its_conditions(store: Path) -> None:
    everything = call("list", store=store)
    assert everything.code == 0
    assert "2 media, 0 with stale outputs" in everything.out

    def ids(where: str) -> list[str]:
        return [media["media"]["media_id"] for media in call("list", "--where", where, "--json", store=store).json]

    assert ids("type=audio") == ["tone"]
    assert ids("creator=local") == ["My-clip-1"]
    assert ids("creator=local,type=audio") == []
    assert ids("output=hls_360p") == ["My-clip-1"]
    assert ids("output=hls_720p") == []
    assert ids("stale") == []
    make_stale(store, "tone", "waveform_png")
    assert ids("stale") == ["tone"]
    assert call("show", "tone", "--json", store=store).json["stale"] == ["waveform_png"]
    assert "stale" in call("show", "tone", store=store).out


def make_stale(store: Path, media_id: str, output: str) -> None:
    records = RecordStore(stores_of(store).archive)
    record = records.output(media_id, output)
    assert record is not None
    records.put(media_id, output, record.model_copy(update={"code_version": "of-long-ago"}))


# --- verify, failing --------------------------------------------------------------------------------------------------


def last_checks(store: Path, media_id: str) -> dict[str, OutputVerification]:
    """Output -> what the last verification found of what is published now."""
    media = published_media.read(media_id, RecordStore(stores_of(store).archive))
    assert media is not None
    return {checked.output: checked for checked in media.verified}


@ffmpeg
def test_verify_everything_that_is_right(store: Path) -> None:
    answer = call("verify", "--all", store=store)
    assert answer.code == 0, answer.out
    assert answer.out.startswith("2 media: 2 passed, 0 failed, 0 not checked; ")
    assert call("failing", "--json", store=store).json == []
    assert "passed" in call("list", store=store).out
    assert last_checks(store, "tone")
    thumbnail = last_checks(store, "My-clip-1")["thumbnail"]
    assert "thumbnail_size" in thumbnail.passed


@ffmpeg
def test_verify_finds_what_is_broken_and_failing_lists_it(store: Path) -> None:
    segment(store / "codex-media-local/ann/hls-audio/tone/64k", 0).unlink()
    broken = call("verify", "tone", "--shallow", "--json", store=store)
    assert broken.code == 1
    (media,) = broken.json["media"]
    assert (media["mediaId"], media["outcome"]) == ("tone", "failed")
    assert ("hls_64k", "segments_present") in {(finding["output"], finding["rule"]) for finding in media["findings"]}
    failing = call("failing", "segments_present", "--json", store=store).json
    assert [(finding["mediaId"], finding["output"], finding["severity"]) for finding in failing] == [
        ("tone", "hls_64k", "ERROR")
    ]
    assert failing[0]["message"]
    assert "segments_present" in call("failing", store=store).out
    assert "failed" in call("list", store=store).out
    assert "segments_present" in call("show", "tone", store=store).out


@ffmpeg
def test_one_rule_leaves_what_is_kept_of_the_others(store: Path) -> None:
    call("verify", "My-clip-1", "--shallow", store=store)
    was = last_checks(store, "My-clip-1")
    assert not last_checks(store, "tone")
    (store / "codex-assets-local/local/thumbnails/media/My-clip-1/auto-generated.jpg").write_bytes(b"no picture")
    answer = call("verify", "--where", "type=video", "--rule", "thumbnail_decodes", "--json", store=store)
    assert answer.code == 1
    assert answer.json["checks"] == 1
    now = last_checks(store, "My-clip-1")
    assert not last_checks(store, "tone")
    assert {check.rule for check in now["thumbnail"].failed} == {"thumbnail_decodes"}
    assert set(now["thumbnail"].passed) == set(was["thumbnail"].passed) - {"thumbnail_decodes"}
    assert now["hls_360p"] == was["hls_360p"]


@ffmpeg
def test_what_cannot_be_checked_is_told_apart(store: Path) -> None:
    answer = call("verify", "nobody", "tone", "--shallow", store=store)
    assert answer.code == 2
    assert "nobody: No media of this id is registered." in answer.out
    assert "1 passed, 0 failed, 1 not checked" in answer.out
    (store / "codex-archive/records/My-clip-1/mezzanine.json").unlink()
    bare = call("verify", "My-clip-1", "--json", store=store)
    assert (bare.code, bare.json["media"][0]["outcome"]) == (2, "unchecked")
    record = store / "codex-archive/records/tone/hls_64k.json"
    record.write_text("{")
    assert call("verify", "tone", store=store).code == 2


@ffmpeg
def test_verify_finds_what_no_playlist_names(store: Path) -> None:
    (store / "codex-media-local/local/hls/My-clip-1/360p/notes.txt").write_text("draft")
    result = call("verify", "My-clip-1", "--shallow", "--rule", "no_stray_segments", store=store)
    assert result.code == 0
    assert "notes.txt is in no playlist" in result.out
    (store / "codex-media-local/local/hls/My-clip-1/old.m3u8").write_text("#EXTM3U\n")
    beside = call("verify", "My-clip-1", "--shallow", "--rule", "no_strays_beside_master", store=store)
    assert beside.code == 0
    assert "old.m3u8 lies beside the master" in beside.out


@ffmpeg
def test_verify_a_folder(store: Path) -> None:
    folder = store / "codex-media-local/local/hls/My-clip-1"
    whole = call("verify", folder, "--json")
    assert (whole.code, whole.json["findings"]) == (0, [])
    seen = {each["output"]: each for each in whole.json["outputs"]}
    assert {"360p", "hls_master"} <= set(seen) or {"hls_360p", "hls_master"} <= set(seen), seen
    variant = next(each for name, each in seen.items() if name.endswith("360p"))
    assert (variant["width"], variant["height"], variant["segments"]) == (320, 180, 1)
    assert variant["checks"] == variant["passed"] > 0
    rates = variant["bandwidth"]
    assert rates["declared"] == pytest.approx(rates["measured"], rel=0.2)
    rules = {rule["rule"]: rule for rule in whole.json["rules"]}
    assert (rules["resolution_true"]["passed"], rules["resolution_true"]["failed"]) != ([], [])
    assert call("verify", folder / "master.m3u8").code == 0
    assert call("verify", folder / "360p" / "playlist.m3u8").code == 0
    text = (folder / "master.m3u8").read_text()
    (folder / "master.m3u8").write_text(text.replace("RESOLUTION=320x180", "RESOLUTION=640x360"))
    lying = call("verify", folder, "--json")
    assert lying.code == 1
    assert [finding["rule"] for finding in lying.json["findings"]] == ["resolution_true"]
    assert "resolution_true" in call("verify", folder).out
    assert call("verify", folder, "--rule", "segments_present").code == 0


def test_verify_what_is_no_playlist(tmp_path: Path) -> None:
    assert call("verify", f"{tmp_path}/").code == 2
    assert call("verify", tmp_path / "master.m3u8").code == 2
    answer = call("verify", "ftp://example.com/master.m3u8")
    assert answer.code == 2
    assert "Only http and https URLs" in answer.err


@ffmpeg
def test_verify_a_url(store: Path) -> None:
    folder = store / "codex-media-local/local/hls/My-clip-1"
    with served(folder.parent) as url:
        whole = call("verify", f"{url}/My-clip-1/master.m3u8", "--json")
        # Without the preview, which no master names.
        shutil.rmtree(folder / "preview")
        here = call("verify", folder, "--json")
        assert (whole.code, here.json["findings"]) == (0, [])
        # What a plain web server does not do, and nothing else.
        lacking = {"playlists_asked_for_anew", "segments_kept", "pages_may_read", "delivered_over_tls"}
        lacking |= {"playlists_compressed", "parts_delivered"}
        findings = whole.json["findings"]
        assert {finding["rule"] for finding in findings} - {"content_types"} == lacking
        assert {finding["output"] for finding in findings} == {"delivery"}
        assert whole.json["checks"] > here.json["checks"]
        variant = call("verify", f"{url}/My-clip-1/360p/playlist.m3u8", "--json")
        assert variant.code == 0
        assert {finding["output"] for finding in variant.json["findings"]} == {"delivery"}
        segment(folder / "360p", 0).unlink()
        broken = call("verify", f"{url}/My-clip-1/master.m3u8", "--json")
        assert broken.code == 1
        (missing,) = [finding for finding in broken.json["findings"] if finding["rule"] == "segments_present"]
        assert "segment_00000.ts" in json.dumps(missing)


def test_verify_a_url_where_nothing_is(tmp_path: Path) -> None:
    with served(tmp_path) as url:
        answer = call("verify", f"{url}/gone/master.m3u8?token=secret")
    assert answer.code == 2
    assert answer.err == "error: 127.0.0.1 answered 404 Not Found for /gone/master.m3u8. (storage_failed)\n"
    closed = call("verify", f"{url}/master.m3u8")
    assert closed.code == 2
    assert "no connection could be made" in closed.err


# --- Conditions and numbers -------------------------------------------------------------------------------------------


def test_conditions_are_read() -> None:
    assert Where.parse("") == Where()
    assert Where.parse("type=video, creator=x,stale") == Where("video", "x", stale=True)
    assert Where.parse("output=waveform_png") == Where(output="waveform_png")
    assert Where.parse("judged=old+never") == Where(judged=(Judged.OLD, Judged.NEVER))


@pytest.mark.parametrize(
    "text", ["stale=1", "type", "type=", "type=video,type=audio", "output=hls_9p", "name=x", "judged", "judged=now"]
)
def test_conditions_that_make_no_sense(text: str) -> None:
    with pytest.raises(ValueError, match=r"\.$"):
        Where.parse(text)


def test_numbers_have_units() -> None:
    assert [quantities.byte_size(count) for count in (0, 999, 1_000, 2_345_678, 5_000_000_000)] == [
        *("0 B", "999 B", "1.0 kB", "2.3 MB", "5.0 GB")
    ]
    assert [quantities.duration(seconds) for seconds in (0.04, 59.9, 61, 3_725)] == [
        "0.0 s",
        "59.9 s",
        "1 min 01 s",
        "1 h 02 min",
    ]
    assert [quantities.bit_rate(bits) for bits in (128_000, 2_370_000)] == ["128 kb/s", "2.37 Mb/s"]
