"""A damaged store is verified to its end: every damage is a finding or one clear sentence, and never a crash."""

from __future__ import annotations

import os
import random
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import jobs
import pytest
from commands import Answer, call
from slow_cases import some_slow
from webhook_receiver import receiving

from codex_assets.config import settings as configuration
from codex_assets.errors import InternalError
from codex_assets.media import outputs
from codex_assets.worker import job

pytestmark = pytest.mark.ffmpeg

MEDIA = {"video": "clip", "audio": "tone"}


@pytest.fixture(scope="module")
def published(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A store with a video and a sound media."""
    folder = tmp_path_factory.mktemp("published")
    settings = configuration.load(jobs.local_environment(folder))
    with receiving() as receiver:
        for kind, media in MEDIA.items():
            jobs.put_original(settings.stores(), kind, media)
            said = job.run("job-1", jobs.payload(kind, media, receiver.url), settings)
            assert said["status"] == "completed"
    return folder / "stores"


@pytest.fixture
def store(published: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return Path(shutil.copytree(published, tmp_path / "stores"))


Damage = Callable[[bytes, random.Random], bytes]


def flipped(data: bytes, chance: random.Random) -> bytes:
    changed = bytearray(data)
    for _ in range(20):
        changed[chance.randrange(len(changed))] ^= 1 << chance.randrange(8)
    return bytes(changed)


DAMAGES: dict[str, Damage] = {
    "empty": lambda data, chance: b"",
    "half": lambda data, chance: data[: len(data) // 2],
    "zeros": lambda data, chance: bytes(len(data)),
    "noise": lambda data, chance: chance.randbytes(len(data)),
    "an error page": lambda data, chance: b"<html>502 Bad Gateway</html>\n",
    "deep JSON": lambda data, chance: b"[" * 100_000,
    "a long line": lambda data, chance: data.replace(b"segment_00000.ts", b"s" * 5000),
    "bits": flipped,
}
DESTROYED = ("empty", "zeros", "noise", "an error page", "deep JSON")
"""What nobody could play or read any more."""


def media_of(path: Path) -> str:
    return next(media for media in MEDIA.values() if media in path.parts)


def assert_reported(answer: Answer, *, broken: bool) -> dict[str, Any]:
    (media,) = answer.json["media"]
    outcomes = {"passed": 0, "failed": 1, "unchecked": 2}
    assert outcomes[media["outcome"]] == answer.code, media
    if broken:
        assert media["outcome"] != "passed", media
    if media["outcome"] == "failed":
        assert all(finding["message"] and "/tmp" not in finding["message"] for finding in media["findings"])
    if media["outcome"] == "unchecked":
        assert media["problem"].endswith(".")
        assert InternalError.of(ValueError()).public.partition("(")[0] not in media["problem"], media["problem"]
        assert "/tmp" not in media["problem"]
    result: dict[str, Any] = media
    return result


def damaged(store: Path, relative: str, kind: str) -> Answer:
    """Verify the media that a damaged object belongs to, in a store that noted no hash of it."""
    (path,) = store.glob(relative)
    note = store / ".meta" / f"{path.relative_to(store)}.json"
    whole, noted = path.read_bytes(), note.read_bytes()
    path.write_bytes(DAMAGES[kind](whole, random.Random(f"{relative} {kind}")))
    note.unlink()
    try:
        return call("verify", media_of(path), "--json", store=store)
    finally:
        path.write_bytes(whole)
        note.write_bytes(noted)


@pytest.mark.parametrize(
    ("relative", "kind"),
    [
        ("codex-media-local/creator1/hls/clip/360p/[0-9a-f]*/segment_00000.ts", "half"),
        ("codex-media-local/creator1/hls/clip/360p/playlist.m3u8", "a long line"),
        ("codex-media-local/creator1/hls/clip/master.m3u8", "noise"),
        ("codex-assets-local/creator1/thumbnails/media/clip/auto-generated.jpg", "empty"),
        ("codex-assets-local/creator1/waveforms/tone/waveform.json", "deep JSON"),
        ("codex-archive/mezzanine/creator1/tone/mezzanine.mp4", "noise"),
        ("codex-archive/records/clip/thumbnail.json", "half"),
        ("codex-archive/records/tone/media.json", "zeros"),
    ],
)
def test_a_damaged_object_is_told(store: Path, relative: str, kind: str) -> None:
    assert_reported(damaged(store, relative, kind), broken=True)


def test_a_damaged_record_is_named_by_every_command(store: Path) -> None:
    (store / "codex-archive/records/clip/hls_360p.json").write_text("{")
    for command in (("show", "clip"), ("list",), ("verify", "clip")):
        answer = call(*command, store=store)
        assert answer.code != 0
        assert "`hls_360p`" in answer.out + answer.err
        assert "Traceback" not in answer.out + answer.err
        assert "pydantic" not in answer.out + answer.err


@pytest.mark.slow
def test_a_media_with_damaged_records_can_be_built_again(store: Path, tmp_path: Path) -> None:
    for output in ("media", "jobs", *outputs.wanted("video")):
        (store / f"codex-archive/records/clip/{output}.json").write_text("{")
    settings = configuration.load(jobs.local_environment(tmp_path))
    with receiving() as receiver:
        single = job.run("job-1", jobs.payload("video", "clip", receiver.url, assets=["thumbnail"]), settings)
        whole = job.run("job-2", jobs.payload("video", "clip", receiver.url), settings)
    assert (single["status"], single["errorCode"]) == ("failed", "storage_failed")
    assert "`mezzanine`" in single["error"]
    assert whole["status"] == "completed"
    assert call("verify", "clip", store=store).code == 0


def test_what_a_store_notes_of_an_object_may_be_damaged(store: Path) -> None:
    """Nothing is lost with it: a hash is then not compared."""
    for number, note in enumerate(sorted((store / ".meta").rglob("*.json"))):
        note.write_bytes((b"", b"[" * 100_000, b"null", b"\xff")[number % 4])
    assert call("verify", "--all", store=store).code == 0


def test_what_a_check_kept_is_made_anew_when_it_is_damaged(store: Path) -> None:
    kept = store / "codex-archive/records/tone/verification.json"
    kept.write_text("{")
    assert call("verify", "tone", "--rule", "waveform_readable", store=store).code == 2
    assert call("verify", "tone", store=store).code == 0
    assert call("failing", "--json", store=store).json == []


def objects(store: Path) -> Iterator[str]:
    """Every published object and record: the originals are nobody's to judge."""
    for path in sorted(store.rglob("*")):
        if path.is_file() and not {"originals", ".meta"} & set(path.parts):
            yield os.fspath(path.relative_to(store))


UNJUDGED = ("verification.json", "jobs.json")
"""What checks and jobs keep of themselves: no output, and made anew."""


@pytest.mark.slow
@pytest.mark.timeout(900)
@pytest.mark.parametrize("media", MEDIA.values())
@pytest.mark.parametrize("kind", DAMAGES)
def test_every_object_in_every_way_damaged_is_told(store: Path, media: str, kind: str) -> None:
    seen = [path for path in objects(store) if media in Path(path).parts and not path.endswith(UNJUDGED)]
    assert len(seen) >= 15
    wrong = []
    for relative in seen:
        try:
            assert_reported(damaged(store, relative, kind), broken=kind in DESTROYED)
        except AssertionError as error:
            wrong.append(f"{relative}: {error}")
    assert not wrong, "\n".join(wrong)


@pytest.mark.parametrize("kind", some_slow(DAMAGES, lambda _, kind: kind in ("half", "empty", "noise")))
def test_a_damaged_folder_is_judged(store: Path, kind: str) -> None:
    """Nothing is known of a folder but what it holds."""
    folder = store / "codex-media-local/creator1/hls/clip"
    for path in sorted(folder.rglob("*.*")):
        whole = path.read_bytes()
        path.write_bytes(DAMAGES[kind](whole, random.Random(f"{path.name} {kind}")))
        answer = call("verify", folder, "--json")
        path.write_bytes(whole)
        assert answer.code in ((1, 2) if kind in DESTROYED else (0, 1, 2)), path
        assert answer.code == 2 or answer.json["checks"] > 0
