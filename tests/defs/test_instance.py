"""How a Dagster instance is opened: by several at once, in every wrong way, and without a word to anybody outside."""

from __future__ import annotations

import os
import re
import shutil
import signal
import socket
import sqlite3
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager, suppress
from pathlib import Path

import dagster as dg
import pytest
import requests
import test_deployment as deployment
from test_records_import import AUDIO, MEDIA, Room, built, events  # noqa: F401 - a fixture among them
from typer.testing import CliRunner

from codex_assets.cli.app import app
from codex_assets.defs import instance, sensors

ROOT = Path(__file__).parents[2]
IMPORT = [sys.executable, "-m", "codex_assets.cli.app", "import"]
PASSWORD = "s3cret-of-the-database"
QUIET = "telemetry: {enabled: false}\n"


@pytest.fixture
def room(built: Path, tmp_path: Path) -> Room:  # noqa: F811 - the fixture that was imported
    shutil.copytree(built, tmp_path / "stores")
    return Room(tmp_path)


@pytest.fixture
def home(tmp_path: Path) -> Path:
    (tmp_path / "home").mkdir()
    return tmp_path / "home"


def environment(room: Room, home: Path | str | None) -> dict[str, str]:
    named = {"DAGSTER_HOME": str(home)} if home is not None else {}
    return {
        **{name: value for name, value in os.environ.items() if name != "DAGSTER_HOME"},
        **room.environment,
        **named,
    }


def started(environ: Mapping[str, str], *arguments: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [*IMPORT, *arguments], cwd=ROOT, env=dict(environ), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )


def ended(process: subprocess.Popen[str]) -> tuple[int, str, str]:
    out, err = process.communicate(timeout=200)
    return process.returncode, out, err


def refused(environ: Mapping[str, str]) -> str:
    """The one sentence that an import ends with."""
    with pytest.MonkeyPatch.context() as patched:
        patched.delenv("DAGSTER_HOME", raising=False)
        for name, value in environ.items():
            patched.setenv(name, value)
        done = CliRunner().invoke(app, ["import"])
    assert (done.exit_code, done.stdout) == (2, ""), done.output
    assert isinstance(done.exception, SystemExit), done.exception
    assert PASSWORD not in done.stderr
    # The terminal breaks long lines.
    assert done.stderr.startswith("error: ")
    assert done.stderr.count("error:") == 1
    assert len(done.stderr.splitlines()) < 5, done.stderr
    return " ".join(done.stderr.split())


def is_imported_once(room: Room, home: Path, media_ids: set[str]) -> None:
    """The instance is whole, and has every event once."""
    with dg.DagsterInstance.from_config(str(home)) as opened:
        assert set(opened.get_dynamic_partitions("audio_media")) == media_ids
        for media_id in media_ids:
            assert {output: len(events(opened, output, media_id)) for output in AUDIO} == dict.fromkeys(AUDIO, 1)
    for file in home.rglob("*.db"):
        with closing(sqlite3.connect(file)) as connection:
            assert len(connection.execute("SELECT * FROM alembic_version").fetchall()) <= 1, file


# --- Several at once --------------------------------------------------------------------------------------------------


@pytest.mark.ffmpeg
def test_imports_at_once_into_an_empty_home_leave_it_whole_and_learn_once(room: Room, home: Path) -> None:
    room.twin("twin")
    processes = [started(environment(room, home)) for _ in range(4)]
    results = [ended(process) for process in processes]
    assert [code for code, _, _ in results] == [0, 0, 0, 0], results
    assert sum("2 media" in out for _, out, _ in results) == 1, results
    assert sum("Nothing new" in out for _, out, _ in results) == 3, results
    is_imported_once(room, home, {MEDIA, "twin"})


@pytest.mark.slow
@pytest.mark.ffmpeg
def test_the_sensor_leaves_the_instance_to_an_import_and_an_import_waits_for_the_sensor(room: Room, home: Path) -> None:
    (home / "dagster.yaml").write_text(QUIET, encoding="utf-8")
    with dg.DagsterInstance.from_config(str(home)) as opened, pytest.MonkeyPatch.context() as patched:
        for name, value in room.environment.items():
            patched.setenv(name, value)
        with instance.import_lock(opened, lambda: None) as alone:
            assert alone
            tick = sensors.import_from_archive.evaluate_tick(dg.build_sensor_context(instance=opened))
            assert tick.skip_message == "an import is under way"
            assert opened.get_dynamic_partitions("audio_media") == []
            waiting = started(environment(room, home))
            # It says that it waits, and ends when it is asked to.
            assert waiting.stderr is not None
            assert "waiting" in waiting.stderr.readline()
            waiting.send_signal(signal.SIGINT)
            assert waiting.wait(timeout=200) == 130
        tick = sensors.import_from_archive.evaluate_tick(dg.build_sensor_context(instance=opened))
        assert tick.skip_message == "1 media imported"


@pytest.mark.slow
@pytest.mark.ffmpeg
def test_the_lock_of_a_process_that_was_killed_is_free(room: Room, home: Path) -> None:
    for number in range(4):
        room.twin(f"twin{number}")
    killed = started(environment(room, home))
    while not list(home.rglob(instance.IMPORT_LOCK)):
        assert killed.poll() is None
        time.sleep(0.05)
    killed.kill()
    killed.communicate()
    code, _, err = ended(started(environment(room, home)))
    assert code == 0, err
    is_imported_once(room, home, {MEDIA, *(f"twin{number}" for number in range(4))})


@pytest.mark.slow
@pytest.mark.ffmpeg
def test_two_folders_with_one_database_learn_once(room: Room, home: Path, tmp_path: Path) -> None:
    config = f"{QUIET}storage: {{sqlite: {{base_dir: {tmp_path}/shared}}}}\n"
    homes = [home, tmp_path / "other"]
    homes[1].mkdir()
    for folder in homes:
        (folder / "dagster.yaml").write_text(config, encoding="utf-8")
    dg.DagsterInstance.from_config(str(home)).dispose()
    processes = [started(environment(room, folder)) for folder in homes]
    results = [ended(process) for process in processes]
    assert [code for code, _, _ in results] == [0, 0], results
    is_imported_once(room, home, {MEDIA})


@pytest.mark.slow
@pytest.mark.ffmpeg
def test_a_home_that_two_of_dagsters_own_processes_left_with_two_versions_is_mended(room: Room, home: Path) -> None:
    (home / "dagster.yaml").write_text(QUIET, encoding="utf-8")
    dg.DagsterInstance.from_config(str(home)).dispose()
    for file in ("history/runs.db", "history/runs/index.db", "schedules/schedules.db"):
        with closing(sqlite3.connect(home / file)) as connection:
            connection.execute("INSERT INTO alembic_version VALUES ('5771160a95ad')")
            connection.commit()
    code, _, err = ended(started(environment(room, home)))
    assert code == 0, err
    is_imported_once(room, home, {MEDIA})


@pytest.mark.slow
@pytest.mark.ffmpeg
def test_an_import_beside_a_webserver_and_a_daemon_that_start_on_an_empty_home(room: Room, home: Path) -> None:
    environ = environment(room, home)
    (home / "dagster.yaml").write_text(QUIET, encoding="utf-8")
    log = (home.parent / "log").open("w")
    commands = [
        ["dagster-webserver", "-w", "workspace.yaml", "-p", str(deployment.free_port())],
        ["dagster-daemon", "run", "-w", "workspace.yaml"],
    ]
    beside = [
        subprocess.Popen(arguments, cwd=ROOT, env=environ, stdout=log, stderr=log, start_new_session=True)
        for arguments in commands
    ]
    try:
        results = [ended(process) for process in [started(environ) for _ in range(2)]]
        assert [code for code, _, _ in results] == [0, 0], results
    finally:
        for process in beside:
            with pytest.MonkeyPatch.context():
                os.killpg(process.pid, signal.SIGTERM)
        for process in beside:
            process.wait(timeout=200)
        log.close()
    is_imported_once(room, home, {MEDIA})


@pytest.mark.slow
@pytest.mark.ffmpeg
@pytest.mark.skipif(not deployment.POSTGRES, reason="postgres is not installed")
def test_imports_at_once_into_an_empty_postgres_from_folders_of_their_own(room: Room, tmp_path: Path) -> None:
    homes = [tmp_path / f"home{number}" for number in range(3)]
    with deployment.postgres(Path(f"/tmp/postgres-at-once-{os.getpid()}")) as database:
        for folder in homes:
            folder.mkdir()
            text = f"{QUIET}storage: {{postgres: {{postgres_url: '{database}'}}}}\n"
            (folder / "dagster.yaml").write_text(text, encoding="utf-8")
        results = [ended(process) for process in [started(environment(room, folder)) for folder in homes]]
        assert [code for code, _, _ in results] == [0, 0, 0], results
        with dg.DagsterInstance.from_config(str(homes[0])) as opened:
            assert {output: len(events(opened, output)) for output in AUDIO} == dict.fromkeys(AUDIO, 1)


# --- Every wrong way --------------------------------------------------------------------------------------------------


def postgres_home(folder: Path, url: str) -> Path:
    folder.mkdir(exist_ok=True)
    (folder / "dagster.yaml").write_text(f"storage: {{postgres: {{postgres_url: '{url}'}}}}\n", encoding="utf-8")
    return folder


@pytest.fixture
def archive(tmp_path: Path) -> Room:
    """Stores without any media: no instance is worth opening for them, and all of these are to be refused before."""
    empty = Room(tmp_path)
    (tmp_path / "stores" / empty.settings.archive_bucket).mkdir(parents=True)
    return empty


@pytest.mark.parametrize(
    ("named", "sentence"),
    [
        (None, "DAGSTER_HOME is not set"),
        ("", "DAGSTER_HOME is not set"),
        (" ", "DAGSTER_HOME is not set"),
        ("some/where", "absolute path"),
        ("{}/missing", "does not exist"),
        ("{}/file", "has to be a folder"),
        ("{}/file/below", "DAGSTER_HOME"),
        ("/proc", "cannot be"),
    ],
)
def test_a_wrong_home_is_refused_with_a_sentence(
    archive: Room, tmp_path: Path, named: str | None, sentence: str
) -> None:
    (tmp_path / "file").touch()
    assert sentence in refused(environment(archive, named.format(tmp_path) if named is not None else None))


@pytest.mark.skipif(os.geteuid() != 0 or shutil.which("setpriv") is None, reason="gives up root's rights")
def test_a_home_that_cannot_be_written_to_is_refused_with_a_sentence(archive: Room, home: Path) -> None:
    home.chmod(0o555)
    done = subprocess.run(
        ["setpriv", "--bounding-set=-dac_override", *IMPORT],
        cwd=ROOT,
        env=environment(archive, home),
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 2, done.stderr
    assert "Traceback" not in done.stderr
    assert len(done.stderr.splitlines()) < 5
    assert "Permission denied" in " ".join(done.stderr.split())


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        (b"storage: [\n", "no valid YAML (line 2)"),
        (b"a:\n\tb: 1\n", "no valid YAML (line 2)"),
        (b"a: \xff\n", "no valid YAML"),
        (b"a: !!python/object:os.system x\n", "dagster.yaml"),
        (b"- a\n", "names with values"),
        (b"hello\n", "names with values"),
        (b"storrage: 1\n", "storrage"),
        (b"storage: {postgres: {postgres_url: {env: NO_SUCH_VARIABLE}}}\n", "NO_SUCH_VARIABLE"),
        (f"storage: {{postgres: {{postgres_uri: 'postgresql://a:{PASSWORD}@b/c'}}}}\n".encode(), "postgres_uri"),
        (f"storage: {{postgres: {{postgres_db: {{password: {PASSWORD}}}}}}}\n".encode(), "postgres_db"),
        (f"storage: {{postgres: {{postgres_url: 'postgres//a:{PASSWORD}@b'}}}}\n".encode(), "URL"),
        (f"storage: {{postgres: {{postgres_url: 'postgresql://a:{PASSWORD}@b:port/c'}}}}\n".encode(), "URL"),
        (f"storage: {{postgres: {{postgres_url: 'oracle9://a:{PASSWORD}@b/c'}}}}\n".encode(), "driver"),
        (f"storage: {{mysql: {{mysql_url: 'mysql://a:{PASSWORD}@b/c'}}}}\n".encode(), "not installed"),
        (b"storage: {custom: {module: no.such.module, class: Any, config: {}}}\n", "not installed"),
        (b"storage: {custom: {module: dagster, class: NoSuchClass, config: {}}}\n", "not installed"),
        (b"instance_class: {module: no.such.module, class: Any}\n", "not installed"),
    ],
)
def test_a_wrong_configuration_is_refused_with_a_sentence(
    archive: Room, home: Path, text: bytes, sentence: str
) -> None:
    (home / "dagster.yaml").write_bytes(text)
    assert sentence in refused(environment(archive, home))


@pytest.mark.parametrize(
    ("host", "sentence"),
    [
        ("127.0.0.1:1", "nothing listens"),
        pytest.param("nowhere.invalid:5432", "does not resolve", marks=pytest.mark.slow),
    ],
)
def test_a_database_that_is_away_is_a_sentence(archive: Room, home: Path, host: str, sentence: str) -> None:
    # With a percent sign, as a password with any other sign has in a URL.
    postgres_home(home, f"postgresql://dagster:{PASSWORD}%40%25@{host}/dagster?connect_timeout=3")
    assert sentence in refused(environment(archive, home))


@pytest.mark.slow
@pytest.mark.skipif(not deployment.POSTGRES, reason="postgres is not installed")
def test_a_database_that_refuses_is_a_sentence(archive: Room, home: Path) -> None:
    with deployment.postgres(Path(f"/tmp/postgres-refuses-{os.getpid()}"), "scram-sha-256", PASSWORD) as database:
        right = database.replace("postgres@", f"postgres:{PASSWORD}@")
        for url, sentence in (
            (database, "wants a password"),
            (database.replace("postgres@", f"postgres:{PASSWORD}wrong@"), "the user or the password"),
            (right.replace("/dagster", "/nowhere"), "no database of that name"),
            (f"{right}?sslmode=require", "TLS"),
        ):
            assert sentence in refused(environment(archive, postgres_home(home, url))), url


@contextmanager
def spoilt(file: Path, how: str) -> Iterator[None]:
    if how == "locked":
        with closing(sqlite3.connect(file, isolation_level=None)) as connection:
            connection.execute("PRAGMA journal_mode=DELETE")
            connection.execute("BEGIN EXCLUSIVE")
            yield
        return
    if how == "garbage":
        file.write_bytes(b"no database at all" * 500)
    elif how == "folder":
        file.unlink()
        file.mkdir()
    else:
        with closing(sqlite3.connect(file)) as connection:
            connection.execute("DROP TABLE kvs" if "runs.db" in file.name else "DROP TABLE dynamic_partitions")
            connection.commit()
    yield


@pytest.mark.parametrize("file", ["history/runs.db", "history/runs/index.db"])
@pytest.mark.parametrize(
    ("how", "sentence"),
    [
        ("garbage", "is damaged"),
        ("folder", "cannot be opened"),
        ("another schema", "another release"),
        pytest.param("locked", "is locked", marks=pytest.mark.slow),
    ],
)
@pytest.mark.ffmpeg
def test_a_file_of_a_database_that_is_spoilt_is_a_sentence(
    room: Room, home: Path, file: str, how: str, sentence: str
) -> None:
    (home / "dagster.yaml").write_text(QUIET, encoding="utf-8")
    dg.DagsterInstance.from_config(str(home)).dispose()
    with spoilt(home / file, how):
        assert sentence in refused(environment(room, home))


# --- Nobody outside ---------------------------------------------------------------------------------------------------


def test_an_instance_of_a_folder_with_its_own_configuration_reports_to_nobody(home: Path) -> None:
    for text in ("", "nux: {enabled: false}\n", "telemetry: {enabled: true}\n"):
        (home / "dagster.yaml").write_text(text, encoding="utf-8")
        with instance.opened_instance({"DAGSTER_HOME": str(home)}, lambda: None) as opened:
            assert not opened.telemetry_enabled


@contextmanager
def listening() -> Iterator[tuple[int, list[str]]]:
    """A port, and the first line of whatever is sent there."""
    heard: list[str] = []
    with socket.create_server(("127.0.0.1", 0)) as server:

        def loop() -> None:
            with suppress(OSError):
                while True:
                    connection, _ = server.accept()
                    heard.append(connection.recv(4096).decode("latin-1").split("\r\n")[0])
                    connection.close()

        threading.Thread(target=loop, daemon=True).start()
        yield server.getsockname()[1], heard
        with suppress(OSError):
            server.shutdown(socket.SHUT_RDWR)


@pytest.mark.slow
@pytest.mark.ffmpeg
def test_the_ui_on_a_folder_with_its_own_configuration_calls_nobody(room: Room, home: Path) -> None:
    """A proxy hears whatever its processes would say to anybody: to Dagster's makers, a package index, anyone. What an
    earlier start left to be sent is there."""
    (home / "dagster.yaml").write_text("concurrency: {runs: {max_concurrent_runs: 1}}\n", encoding="utf-8")
    (home / "logs").mkdir()
    left = home / "logs" / "event.log"
    left.write_text("{}\n", encoding="utf-8")
    port = deployment.free_port()
    with listening() as (outside, heard), (home.parent / "log").open("w+") as log:
        proxy = f"http://127.0.0.1:{outside}"
        environ = environment(room, home) | dict.fromkeys(("http_proxy", "https_proxy", "all_proxy"), proxy)
        for name in ("no_proxy", "NO_PROXY", "HTTP_PROXY", "HTTPS_PROXY", "DAGSTER_DISABLE_TELEMETRY", "BUILDKITE"):
            environ.pop(name, None)
        process = subprocess.Popen(
            ["scripts/ui", str(port)], cwd=ROOT, env=environ, stdout=log, stderr=log, start_new_session=True
        )
        try:
            url = f"http://127.0.0.1:{port}"
            asking = requests.Session()
            asking.trust_env = False
            for _ in range(200):
                assert process.poll() is None, (home.parent / "log").read_text()
                with suppress(requests.RequestException):
                    if asking.get(f"{url}/server_info").status_code == 200:
                        break
                time.sleep(0.5)
            page = asking.get(url).text
            query = "{ shouldShowNux workspaceOrError { __typename ... on Workspace { locationEntries { name } } } }"
            answer = asking.post(f"{url}/graphql", json={"query": query}, timeout=120).json()["data"]
        finally:
            os.killpg(process.pid, signal.SIGINT)
            process.wait(timeout=200)
        assert heard == []
    assert answer["shouldShowNux"] is False
    assert [entry["name"] for entry in answer["workspaceOrError"]["locationEntries"]] == ["codex_assets"]
    assert '"telemetryEnabled":false' in page.replace(" ", "")
    assert left.read_text(encoding="utf-8") == "{}\n"
    assert not (home / ".telemetry").exists()


def test_nobody_is_told_to_install_this_package_from_an_index() -> None:
    """It is on none: whoever takes its name there would be installed."""
    wanted = re.compile(
        r"(pip3?|pipx|uv|uvx|poetry|pdm|conda)\s+((pip|tool)\s+)?(install|add|run)?[^\n#]*?"
        r"[\s'\"]codex[-_]assets(\[[\w,]*\])?(?=[\s'\"`]|[=<>~!]|$)"
    )
    named = []
    for folder, folders, names in os.walk(ROOT):
        # What setup and caches make here is not the checkout's.
        folders[:] = [name for name in folders if name == ".ci" or not name.startswith(".")]
        for path in (Path(folder, name) for name in names):
            if path.suffix in (".md", ".yaml", ".yml", ".toml", ".env", ".sh", ".txt", "") and path.is_file():
                text = path.read_text(encoding="utf-8", errors="replace")
                named += [f"{path}: {match[0]}" for match in wanted.finditer(text)]
    assert named == []
    assert wanted.search("pip install 'codex-assets[deploy]'")
    assert wanted.search("uv pip install --upgrade codex_assets")
    assert not wanted.search("pip install './codex_assets-0.1.0-py3-none-any.whl[deploy]'")
