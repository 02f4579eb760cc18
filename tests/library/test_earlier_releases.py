"""What the first releases published: segments beside their playlist. It is served, verified, reproduced and rebuilt."""

from __future__ import annotations

import hashlib
import json
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
from clips import AAC, FFMPEG, H264, picture, sound
from commands import Answer, call
from published_files import segments

pytestmark = pytest.mark.ffmpeg
FOLDER = Path("codex-media-local/local/hls/clip")


@pytest.fixture(scope="module")
def published(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A film of two segments, published as the first releases did."""
    root = tmp_path_factory.mktemp("earlier")
    source = root / "clip.mp4"
    subprocess.run(
        [*FFMPEG, *picture("96x54", "5", 8), *sound(seconds=8), *H264, *AAC, str(source)], check=True, cwd=root
    )
    store = root / "store"
    answer = call("run", source, "--type", "video", "--media-id", "clip", store=store)
    assert answer.code == 0, answer.out
    for name, playlist in (("hls_360p", "360p/playlist.m3u8"), ("preview", "preview/preview.m3u8")):
        as_first_released(store, name, store / FOLDER / playlist)
    return store


def as_first_released(store: Path, output: str, playlist: Path) -> None:
    """Move an output's segments beside its playlist, and record them there."""
    (version,) = {path.parent for path in segments(playlist)}
    for path in segments(playlist):
        path.rename(playlist.parent / path.name)
    version.rmdir()
    shutil.rmtree(store / ".meta" / version.relative_to(store))
    (store / ".meta" / f"{playlist.relative_to(store)}.json").unlink()
    playlist.write_text(re.sub(r"^[0-9a-f]{12}/", "", playlist.read_text(), flags=re.MULTILINE))
    path = store / "codex-archive" / "records" / "clip" / f"{output}.json"
    record = json.loads(path.read_text())
    del record["version"]
    lines = []
    for file in record["files"]:
        file["key"] = file["key"].replace(f"/{version.name}/", "/")
        data = (store / "codex-media-local" / file["key"]).read_bytes()
        file |= {"size": len(data), "sha256": hashlib.sha256(data).hexdigest()}
        lines.append(f"{Path(file['key']).name} {file['sha256']}")
    record["data_version"] = hashlib.sha256("\n".join(lines).encode()).hexdigest()[:32]
    path.write_text(json.dumps(record))
    if output == "hls_360p":
        master = path.with_name("hls_master.json")
        said = json.loads(master.read_text())
        said["build"]["inputs"]["hls_360p"] = record["data_version"]
        master.write_text(json.dumps(said))


def findings_in(answer: Answer) -> list[dict[str, Any]]:
    """What `verify` found of the media, warnings too."""
    (media,) = answer.json["media"]
    return list(media.get("findings", ()))


def test_it_is_verified_and_not_stale(published: Path) -> None:
    names = [path.name for path in segments(published / FOLDER / "360p" / "playlist.m3u8")]
    assert names == ["segment_00000.ts", "segment_00001.ts"]
    answer = call("verify", "clip", "--json", store=published)
    assert (answer.code, findings_in(answer)) == (0, [])
    folder = call("verify", published / FOLDER, "--json")
    assert (folder.code, folder.json["findings"]) == (0, [])
    stale = call("stale", "--json", store=published)
    assert stale.json["stale"] == 0, stale.out


def test_it_is_reproduced(published: Path) -> None:
    answer = call("reproduce", "clip", "--assets", "hls_360p,preview", "--json", store=published)
    assert answer.code == 0, answer.out
    assert {output["outcome"] for output in answer.json["media"][0]["outputs"]} == {"same"}


@pytest.mark.slow
def test_a_rebuild_moves_it_and_keeps_what_is_being_watched(published: Path, tmp_path: Path) -> None:
    store = Path(shutil.copytree(published, tmp_path / "store"))
    playlist = store / FOLDER / "360p" / "playlist.m3u8"
    old = segments(playlist)
    answer = call("rebuild", "clip", "--assets", "hls_360p,preview", "--also-fresh", store=store)
    assert answer.code == 0, answer.out + answer.err
    new = segments(playlist)
    assert [path.name for path in new] == [path.name for path in old]
    assert re.fullmatch("[0-9a-f]{12}", new[0].parent.name)
    for former, current in zip(old, new, strict=True):
        assert former.read_bytes() == current.read_bytes()
    # Of a part of the day nothing is a stray, and afterwards it is.
    answer = call("verify", "clip", "--json", store=store)
    assert (answer.code, findings_in(answer)) == (0, [])
    late = call("verify", "clip", "--json", store=store, PRUNE_GRACE_HOURS="0")
    findings = findings_in(late)
    assert {finding["rule"] for finding in findings} == {"no_stray_segments"}
    assert {finding["where"] for finding in findings} == {"segment_00000.ts"}
    # The media's next job takes it away.
    call("rebuild", "clip", "--assets", "thumbnail", "--also-fresh", store=store, PRUNE_GRACE_HOURS="0")
    assert not any(path.exists() for path in old)
    assert all(path.exists() for path in new)
