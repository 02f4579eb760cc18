"""What a tool cannot do here, tried with the real tools: open connections, grow without bound, see the environment."""

from __future__ import annotations

import os
import platform
import resource
import socket
import subprocess
from pathlib import Path

import pytest

from codex_assets.build import upload_faults
from codex_assets.errors import Fault, SourceError, ToolError
from codex_assets.system import sandbox
from codex_assets.system.sandbox import Limits
from codex_assets.system.tools import Tools, tool_environment

pytestmark = pytest.mark.ffmpeg

SECRET = "wall-of-secrets-81"
NO_FENCE = ("-protocol_whitelist", "file,http,tcp", "-rw_timeout", "3000000")
MOVED = ("-f", "lavfi", "-i", "testsrc2=size=1920x1080:rate=25:duration=60")


@pytest.fixture
def tools() -> Tools:
    return Tools(tool_environment(os.environ))


def filtered() -> bool:
    return next(protection for protection in sandbox.protections() if protection.name == "no network").active


needs_filter = pytest.mark.skipif(not filtered(), reason="this kernel or container allows no system-call filter")


@needs_filter
def test_no_connection_is_made_even_without_the_fence(tools: Tools) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.settimeout(0.2)
        url = f"http://127.0.0.1:{listener.getsockname()[1]}/a.mp4"
        with pytest.raises(ToolError) as failed:
            tools.ffprobe([*NO_FENCE, url], label="looking")
        assert "Permission denied" in (failed.value.detail or "")
        with pytest.raises(TimeoutError):
            listener.accept()
        # The same call, started by hand, does connect.
        plain = subprocess.Popen(["ffprobe", "-v", "error", *NO_FENCE, url], stderr=subprocess.DEVNULL)
        try:
            listener.settimeout(120)
            listener.accept()[0].close()
        finally:
            plain.kill()
            plain.wait()


@needs_filter
@pytest.mark.parametrize("family", ["AF_INET", "AF_INET6", "AF_PACKET", "AF_VSOCK"])
def test_only_sockets_of_this_machine_can_be_opened(family: str) -> None:
    number = getattr(socket, family)
    script = f"import socket; socket.socket(socket.AF_UNIX).close(); socket.socket({int(number)}, socket.SOCK_DGRAM)"
    ran = sandbox.confined(lambda: subprocess.run(["python3", "-c", script], capture_output=True, text=True))
    assert ran.returncode != 0
    assert "PermissionError: [Errno 13]" in ran.stderr


@needs_filter
def test_the_worker_itself_keeps_its_network() -> None:
    sandbox.confined(lambda: None)
    with socket.create_server(("127.0.0.1", 0)) as listener:
        socket.create_connection(listener.getsockname()).close()


def test_what_fails_to_start_is_raised_to_the_caller() -> None:
    with pytest.raises(FileNotFoundError):
        sandbox.confined(lambda: subprocess.Popen(["/nowhere/ffmpeg"]))


def limited(monkeypatch: pytest.MonkeyPatch, limits: Limits) -> None:
    def limits_of(_duration: float | None, _seconds: float) -> Limits:
        return limits

    monkeypatch.setattr("codex_assets.system.run_limits.limits_of", limits_of)


@pytest.mark.parametrize(
    ("limits", "passed", "word"),
    [
        (Limits(data_bytes=256 << 20), "memory", "memory"),
        (Limits(file_bytes=100_000), "file", "disk space"),
        (Limits(cpu_seconds=1), "time", "time"),
    ],
    ids=["memory", "file", "time"],
)
def test_a_passed_limit_is_the_uploads_fault(
    tools: Tools,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    limits: Limits,
    passed: str,
    word: str,
) -> None:
    limited(monkeypatch, limits)
    made = tmp_path / "made.mkv"
    # Every picture is kept: what x264 lacks while it is opened it tells nobody, from ffmpeg 7 on.
    kept = ["-vf", "reverse"] if passed == "memory" else []
    # The file soon has its size, the processor is busy for its second.
    preset = "ultrafast" if passed == "file" else "slower"
    with pytest.raises(ToolError) as failed:
        tools.ffmpeg([*MOVED, *kept, "-c:v", "libx264", "-preset", preset, str(made)], label="encoding")
    assert failed.value.passed == passed, failed.value.detail
    refusal = upload_faults.decode_error(failed.value, made)
    assert isinstance(refusal, SourceError)
    assert (refusal.code, refusal.fault, refusal.retryable) == ("source_too_complex", Fault.CREATOR, False)
    assert f"far more {word} than" in refusal.public
    if limits.file_bytes < 1 << 20:
        assert made.stat().st_size <= limits.file_bytes


def test_a_read_error_is_the_workers_only_where_the_file_cannot_be_read(tmp_path: Path) -> None:
    upload = tmp_path / "upload"
    upload.write_bytes(b"ends too early")
    error = ToolError("probing", reason=f"{upload}: Input/output error")
    assert isinstance(upload_faults.decode_error(error, upload), SourceError)
    upload.unlink()
    assert upload_faults.decode_error(error, upload) is error


def test_limits_are_on_every_child(tools: Tools) -> None:
    """Asked of a child that waits for its input."""
    wanted = Limits(data_bytes=1 << 30, file_bytes=1 << 20, cpu_seconds=7)
    child = subprocess.Popen(["cat"], stdin=subprocess.PIPE)
    try:
        wanted.put_on(child.pid)

        def limit_of(which: int) -> tuple[int, int]:
            return resource.prlimit(child.pid, which)

        assert limit_of(resource.RLIMIT_CORE) == (0, 0)
        assert limit_of(resource.RLIMIT_DATA) == (1 << 30, 1 << 30)
        assert limit_of(resource.RLIMIT_FSIZE) == (1 << 20, 1 << 20)
        assert limit_of(resource.RLIMIT_CPU) == (7, 12)
    finally:
        child.communicate()
    wanted.put_on(child.pid)  # It has ended: no trouble.


def test_the_environment_is_scrubbed(tmp_path: Path) -> None:
    """What a tool is really given: one that prints it stands in the place of ffprobe."""
    spy = tmp_path / "ffprobe"
    spy.write_text('#!/bin/sh\nenv > "$0.env"\nreadlink /proc/self/fd/0 >> "$0.env"\necho "{}"\n')
    spy.chmod(0o755)
    environ = {
        **os.environ,
        "AWS_SECRET_ACCESS_KEY": SECRET,
        "WEBHOOK_SECRET": SECRET,
        "http_proxy": f"http://{SECRET}",
    }
    Tools(tool_environment(environ), ffprobe=str(spy)).ffprobe(["x"], label="looking")
    environment = (tmp_path / "ffprobe.env").read_text()
    assert "PATH=" in environment
    assert SECRET not in environment
    assert environment.rstrip().endswith("/dev/null")


def test_the_walls_are_told() -> None:
    walls = {protection.name: protection for protection in sandbox.protections()}
    assert walls.keys() == {
        *(sandbox.NO_NETWORK, sandbox.OWN_FILES, sandbox.PRIVILEGES, sandbox.SIGNALS),
        *(sandbox.SWEPT, sandbox.KEYS, sandbox.LIMITS),
    }
    assert all(protection.active or protection.why for protection in walls.values())


@pytest.mark.parametrize("machine", ["x86_64", "aarch64"])
def test_the_filter_is_a_whole_program(machine: str) -> None:
    """Eight bytes an instruction; every jump lands inside it."""
    program = sandbox.network_filter(machine)
    assert len(program) % 8 == 0
    count = len(program) // 8
    for number in range(count):
        code, yes, no = int.from_bytes(program[number * 8 : number * 8 + 2], "little"), *program[number * 8 + 2 :][:2]
        if code & 7 == 5:
            assert number + 1 + max(yes, no) < count


def test_a_machine_without_a_filter_goes_on(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(platform, "machine", lambda: "riscv64")
    assert sandbox.confined(lambda: 3) == 3
