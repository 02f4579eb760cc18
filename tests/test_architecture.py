"""The walls of the house: imports point one way, and each "only" has one importer. docs/architecture.md is the map."""

from __future__ import annotations

import ast
import textwrap
from collections.abc import Iterable
from fnmatch import fnmatch
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PACKAGE = ROOT / "codex_assets"
MODULES = sorted([*PACKAGE.rglob("*.py"), *(ROOT / "runpod_entry").rglob("*.py")])

LINE = (
    {"contract", "errors", "log_lines", "quantities"},
    {"media"},
    {"storage", "system", "net"},
    {"archive"},
    {"verification"},
    {"build"},
    {"config"},
    {"library", "readiness"},
    {"defs"},
    {"definitions", "worker"},
    {"runpod_entry"},
    {"viewer"},
    {"cli"},
)
"""From the ground up. A folder imports what is below its own rank, and itself."""

ONLY = {
    "subprocess": {"codex_assets/system/process.py"},
    "tempfile": {"codex_assets/system/scratch.py"},
    "boto3": {"codex_assets/storage/s3_client.py"},
    "botocore": {"codex_assets/storage/"},
    "requests": {"codex_assets/net/http.py"},
    "urllib3": {"codex_assets/net/http.py", "codex_assets/net/destination.py", "codex_assets/storage/"},
    "runpod": {"runpod_entry/__main__.py"},
    "typer": {"codex_assets/cli/app.py", "codex_assets/cli/command_frame.py", "codex_assets/cli/commands/"},
    "rich": {"codex_assets/cli/"},
    "jinja2": {"codex_assets/cli/report_page/page.py"},
    "starlette": {"codex_assets/viewer/"},
    "uvicorn": {"codex_assets/viewer/server.py"},
    "numpy": {"codex_assets/verification/observe/"},
    "sqlite3": {
        "codex_assets/library/catalogue_index.py",
        "codex_assets/library/catalogue_refresh.py",
        "codex_assets/defs/",
    },
    "dagster": {"codex_assets/defs/", "codex_assets/worker/job.py", "codex_assets/definitions.py"},
    "dagster._core": {"codex_assets/defs/event_log.py"},
    "dagster._record": {"codex_assets/defs/event_log.py"},
    "dagster._cli": set(),
    "dagster._config": set(),
    # The first two write and delete events with it; the others take from it what is private to Dagster.
    "codex_assets.defs.event_log": {
        "codex_assets/defs/records_import.py",
        "codex_assets/defs/removal.py",
        "codex_assets/defs/instance_storage.py",
        "codex_assets/defs/check_states.py",
        "codex_assets/defs/sqlite_storage.py",
    },
    "codex_assets.defs.instance_storage": {
        "codex_assets/defs/instance.py",
        "codex_assets/defs/instance_failures.py",
    },
}
"""A library, or a module of ours -> the files and folders that may import it."""

PURE = (
    "media/",
    "verification/kinds.py",
    "verification/rule.py",
    "verification/judge.py",
    "verification/observations.py",
    "verification/fidelity.py",
    "verification/measures.py",
    "verification/programme_notes.py",
    "verification/rules/",
    "verification/report/",
)
SHAPES = ("findings", "notes")
"""What the judge's answers are in records."""
PURE_FORBIDDEN = {
    *(
        "subprocess",
        "os",
        "socket",
        "urllib",
        "http",
        "requests",
        "urllib3",
        "boto3",
        "dagster",
        "time",
        "datetime",
        "random",
    ),
    *("threading", "multiprocessing", "tempfile", "shutil", "pathlib.Path", "logging"),
}
BANNED_NAMES = {"utils", "helpers", "common", "misc"}


@cache
def imports(path: Path) -> frozenset[str]:
    """Every module that a file imports, with the names it takes from packages (`a.b` for `from a import b`)."""
    modules: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            modules |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            assert node.level == 0, f"{path.name} imports relatively"
            modules |= {node.module} | {f"{node.module}.{alias.name}" for alias in node.names}
    return frozenset(modules)


def is_of(module: str, whole: str) -> bool:
    """Whether `module` is `whole`, or a part of it."""
    return module == whole or module.startswith(f"{whole}.")


def name(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


def folder(module: str) -> str | None:
    """`codex_assets.media.profile` -> `media`; None for what is not ours, and for the package itself."""
    parts = module.split(".")
    if parts[0] == "runpod_entry":
        return "runpod_entry"
    return parts[1] if parts[0] == "codex_assets" and len(parts) > 1 else None


def folder_of(path: Path) -> str:
    parts = path.relative_to(ROOT).with_suffix("").parts
    return parts[0] if parts[0] == "runpod_entry" else parts[1]


@pytest.mark.parametrize("library", ONLY)
def test_a_library_has_its_importers(library: str) -> None:
    users = {name(path) for path in MODULES if any(is_of(module, library) for module in imports(path))}
    strangers = {
        user
        for user in users
        if not any(user == own or (own[-1] == "/" and user.startswith(own)) for own in ONLY[library])
    }
    assert not strangers


def test_the_environment_has_one_reader() -> None:
    def reads(path: Path) -> bool:
        return any(
            isinstance(node, ast.Attribute) and node.attr in ("environ", "getenv", "putenv")
            for node in ast.walk(ast.parse(path.read_text()))
        )

    assert {name(path) for path in MODULES if reads(path)} <= {"codex_assets/config/settings.py"}


@pytest.mark.parametrize("path", MODULES, ids=name)
def test_imports_point_one_way(path: Path) -> None:
    own = folder_of(path)
    if own == "__init__":
        return
    ranks = {room: rank for rank, rooms in enumerate(LINE) for room in rooms}
    for module in imports(path):
        other = folder(module)
        if other is not None and other != own:
            assert ranks[other] < ranks[own], f"{name(path)} imports {module}"


def test_imports_run_in_no_circle() -> None:
    modules = {name(path).removesuffix(".py").removesuffix("/__init__").replace("/", "."): path for path in MODULES}
    ours = {module: imports(path) & modules.keys() - {module} for module, path in modules.items()}
    # A package's own name is imported along with every name that is taken from it.
    packages = {module for module, path in modules.items() if path.name == "__init__.py"}
    left = {module: {other for other in others if other not in packages} for module, others in ours.items()}
    while ready := {module for module, others in left.items() if not others & left.keys()}:
        left = {module: others for module, others in left.items() if module not in ready}
    assert not left


@pytest.mark.parametrize("path", MODULES, ids=name)
def test_pure_rooms_are_pure(path: Path) -> None:
    place = name(path).removeprefix("codex_assets/")
    if not any(place == part or (part[-1] == "/" and place.startswith(part)) for part in PURE):
        return
    used = imports(path)
    assert not {module for module in used if module in PURE_FORBIDDEN or module.split(".")[0] in PURE_FORBIDDEN}
    own = (
        (*("codex_assets.media", "codex_assets.verification"), *(f"codex_assets.archive.{name}" for name in SHAPES))
        if place.startswith("verification/")
        else ("codex_assets.media", "codex_assets.errors")
    )
    assert all(module.startswith(own) for module in used if is_of(module, "codex_assets") and module != "codex_assets")
    calls = {
        node.func.id
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name)
    }
    assert not calls & {"open", "print", "input", "exec", "eval"}


@pytest.mark.parametrize("path", sorted((PACKAGE / "verification").rglob("*.py")), ids=name)
def test_the_judge_knows_no_builder(path: Path) -> None:
    for module in imports(path):
        assert not is_of(module, "codex_assets.media.encode"), f"{name(path)} imports {module}"
        assert not is_of(module, "codex_assets.build"), f"{name(path)} imports {module}"


def test_every_rule_is_loaded_with_the_judge() -> None:
    """A rule file that `rules/__init__.py` forgets would judge nothing, and nobody would miss it."""
    rules = PACKAGE / "verification" / "rules"
    shared = {"__init__", "shared_limits", "comparisons", "plain_pictures", "stream_faults"}
    files = {path.stem for path in rules.glob("*.py")} - shared
    loaded = {module.rpartition(".")[2] for module in imports(rules / "__init__.py")}
    assert files == loaded & files
    assert "codex_assets.verification.rules" in imports(PACKAGE / "verification" / "judge.py")
    from codex_assets.verification.judge import RULES

    assert files == {rule.function.__module__.rpartition(".")[2] for rule in RULES.values()}


@pytest.mark.parametrize(
    "path", [*sorted((PACKAGE / "defs").glob("*.py")), PACKAGE / "definitions.py"], ids=lambda path: path.stem
)
def test_dagster_can_read_annotations(path: Path) -> None:
    assert "__future__.annotations" not in imports(path)


def test_contract_and_errors_stand_alone() -> None:
    for path in [PACKAGE / "errors.py", *(PACKAGE / "contract").glob("*.py")]:
        strangers = [module for module in imports(path) if is_of(module, "codex_assets")]
        assert all(is_of(module, "codex_assets.contract") for module in strangers)


@pytest.mark.parametrize("path", MODULES, ids=name)
def test_a_file_says_what_it_owns(path: Path) -> None:
    assert path.stem not in BANNED_NAMES
    assert ast.get_docstring(ast.parse(path.read_text())), f"{name(path)} has no charter"


@pytest.mark.parametrize("path", sorted(PACKAGE.glob("*/**/__init__.py")), ids=name)
def test_a_folder_says_what_belongs_there_and_what_does_not(path: Path) -> None:
    charter = " ".join((ast.get_docstring(ast.parse(path.read_text())) or "").split())
    assert "should contain" in charter
    assert "out of it" in charter or "and nothing that" in charter


def house() -> list[tuple[str, str, list[str]]]:
    """Each folder, from the ground up: its name, the first line of what it says of itself, and its modules."""
    ranks = {room: rank for rank, rooms in enumerate(LINE) for room in rooms}
    rooms = []
    for path in (*PACKAGE.rglob("__init__.py"), ROOT / "runpod_entry" / "__init__.py"):
        folder = path.parent
        if folder == PACKAGE:
            continue
        room = folder.relative_to(PACKAGE if folder.is_relative_to(PACKAGE) else ROOT).as_posix()
        modules = sorted(path.stem for path in folder.glob("*.py") if path.stem != "__init__")
        summary = (ast.get_docstring(ast.parse(path.read_text())) or "").splitlines()[0].removesuffix(".")
        rooms.append((ranks[room.split("/")[0]], room, summary, modules))
    return [room[1:] for room in sorted(rooms)]


def map_of(rooms: Iterable[tuple[str, str, list[str]]]) -> str:
    """The map as `docs/architecture.md` shows it."""
    lines = []
    for room, summary, modules in rooms:
        lines.append(f"{room + '/':<23} {summary}")
        lines += textwrap.wrap(" ".join(modules), 118, initial_indent=" " * 24, subsequent_indent=" " * 24)
    return "\n".join(lines)


def test_the_page_shows_the_same_house() -> None:
    """A room or a module that is missing on the page is not found by those who read it first."""
    page = (ROOT / "docs" / "architecture.md").read_text()
    assert map_of(house()) in page, f"docs/architecture.md, Rooms:\n{map_of(house())}"


def test_every_tool_of_the_product_is_told_what_it_may_open() -> None:
    """Without `reach` a tool opens what its user may: that is for tests and for tries by hand."""
    for path in MODULES:
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "Tools":
                assert "reach" in {keyword.arg for keyword in node.keywords}, f"{name(path)}:{node.lineno}"


def test_loudness_fields_stay_in_their_files() -> None:
    """loudnorm's field names are loudness.py's business, the factor 100 the webhook's."""
    users = {name(path) for path in MODULES if "measured_I" in path.read_text()}
    assert users <= {"codex_assets/media/encode/loudness.py"}


def test_pytest_looks_into_every_folder_of_tests(pytestconfig: pytest.Config) -> None:
    """By itself it passes over some names, such as `build`."""
    passed_over = pytestconfig.getini("norecursedirs")
    tests = ROOT / "tests"
    folders = {part for path in tests.rglob("test_*.py") for part in path.relative_to(tests).parent.parts}
    assert "build" in folders
    assert [folder for folder in sorted(folders) if any(fnmatch(folder, pattern) for pattern in passed_over)] == []
