"""What no job may accept: refused with a code and a sentence, in bounded time, with nothing left or touched.

Files that name other files are given a canary and a listener, and both have to stay untouched. That a plain ffmpeg
does go there is proved of the same bytes, else the proof would be of nothing.
"""

from __future__ import annotations

import os
import re
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import hostile_inputs
import pytest
from hostile_inputs import REFUSED, Hostile, Lures
from whole_job import deliver

from codex_assets.errors import SourceCode

pytestmark = pytest.mark.ffmpeg

LONGEST_SECONDS = 180.0
"""Wall seconds to refuse one on a busy machine: none needs more than a few on an idle one, so more is a hang."""
CANARY = b"canary: no job reads this file\n"
_BRIEF = sorted(name for name, case in REFUSED.items() if not case.slow)
_OF_EACH_CODE = {code: name for name in reversed(_BRIEF) for code in REFUSED[name].codes}
QUICK = sorted({*_BRIEF[::4], *_OF_EACH_CODE.values()})
"""One of each code, and every fourth: each is a whole job, and there are several of each kind."""
SLOW = sorted(REFUSED.keys() - set(QUICK))
LURING = sorted(name for name, case in REFUSED.items() if case.plain is not None)
LONG_AGO = 1_000_000_000


class Watched:
    """A listener on one port, TCP and UDP, and a file whose time of access tells whether it was read."""

    def __init__(self, folder: Path) -> None:
        self.tcp = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
        self.tcp.bind(("127.0.0.1", 0))
        self.tcp.listen()
        self.tcp.setblocking(False)
        port = self.tcp.getsockname()[1]
        self.udp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        folder.mkdir(parents=True)
        canary = folder / "canary.ts"
        canary.write_bytes(CANARY)
        self.lures = Lures(folder, canary, port)
        self.reset()

    def reset(self) -> None:
        # Access times are only moved (relatime) where they lie before the time of change.
        os.utime(self.lures.canary, (LONG_AGO, LONG_AGO))

    def touched(self) -> set[str]:
        codes = set()
        if self.lures.canary.stat().st_atime != LONG_AGO:
            codes.add("canary")
        try:
            self.tcp.accept()[0].close()
            codes.add("tcp")
        except BlockingIOError:
            pass
        return codes

    def close(self) -> None:
        self.tcp.close()
        self.udp.close()


@contextmanager
def watching(folder: Path) -> Iterator[Watched]:
    watched = Watched(folder)
    try:
        yield watched
    finally:
        watched.close()


def check(case: Hostile, tmp_path: Path) -> None:
    with watching(tmp_path / "lures") as watched:
        data = case.make(watched.lures)
        watched.reset()
        started = time.monotonic()
        delivered = deliver(data, "video" if case.media_type == "video" else "audio", tmp_path / "job", name=case.name)
        assert time.monotonic() - started < LONGEST_SECONDS
        assert watched.touched() == set()
    body = delivered.body
    assert (body["status"], body.get("errorCode") in case.codes) == ("failed", True), (case.codes, body)
    assert body["retryable"] is False
    assert re.fullmatch(r"The upload[^\n]{10,300}\.", body["error"]), body["error"]
    assert not re.search(r"/tmp|/[a-z]+/|\b0x[0-9a-f]{4}|Error|Traceback|ffmpeg|ffprobe|canary", body["error"])
    assert delivered.published() == set()
    assert list(delivered.left_behind()) == []


@pytest.mark.parametrize("name", QUICK)
def test_it_is_refused(name: str, tmp_path: Path) -> None:
    check(REFUSED[name], tmp_path)


@pytest.mark.slow
@pytest.mark.parametrize("name", SLOW)
def test_it_is_refused_however_heavy(name: str, tmp_path: Path) -> None:
    check(REFUSED[name], tmp_path)


@pytest.mark.parametrize("name", LURING)
def test_a_plain_ffmpeg_goes_where_it_leads(name: str, tmp_path: Path) -> None:
    case = REFUSED[name]
    with watching(tmp_path / "lures") as watched:
        # From ffmpeg 7.1 on a playlist is taken for one where its name says so as well. Uploads are named by others.
        upload = tmp_path / (f"{name}.m3u8" if name.startswith("hls") else name)
        upload.write_bytes(case.make(watched.lures))
        watched.reset()
        command = ["ffmpeg", "-nostdin", "-v", "trace", *case.options, "-i", str(upload), "-t", "1", "-f", "null", "-"]
        tried = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
        try:
            touched, said = _watch(watched, tried, case.plain or "")
        finally:
            tried.kill()
            tried.communicate()
        assert case.plain in touched, said[-2000:]


def _watch(watched: Watched, tried: subprocess.Popen[bytes], wanted: str) -> tuple[set[str], str]:
    """What the process touches until it has what is `wanted`, ends, or two minutes have passed."""
    touched: set[str] = set()
    until = time.monotonic() + 120
    os.set_blocking(tried.stderr.fileno(), False)  # type: ignore[union-attr]
    said = b""
    while time.monotonic() < until and wanted not in touched:
        ended = tried.poll() is not None
        said += tried.stderr.read() or b""  # type: ignore[union-attr]
        touched |= watched.touched()
        if _has_bound(watched.lures.port):
            touched.add("udp")
        if ended:
            break
        time.sleep(0.05)
    return touched, said.decode("utf-8", "replace")


def _has_bound(port: int) -> bool:
    """Whether a process of this machine waits for datagrams on the port: a session description opens no other."""
    lines = Path("/proc/net/udp").read_text().splitlines()[1:]
    return any(line.split()[1].endswith(f":{port:04X}") for line in lines)


def test_there_are_enough_of_them_and_of_every_kind() -> None:
    assert len(REFUSED) >= 60
    codes = {code for case in REFUSED.values() for code in case.codes}
    assert codes == {code.value for code in SourceCode}
    assert {case.plain for case in REFUSED.values()} >= {"canary", "tcp", "udp"}
    assert hostile_inputs.REFUSED is REFUSED
