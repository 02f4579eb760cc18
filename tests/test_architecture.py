"""The walls of the house: imports point one way, and each "only" has one importer."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PACKAGE = ROOT / "codex_assets"
MODULES = sorted([*PACKAGE.rglob("*.py"), *(ROOT / "runpod_entry").rglob("*.py")])

ONLY = {
    "subprocess": {"codex_assets/tools.py"},
    "boto3": {"codex_assets/delivery/storage.py"},
    "botocore": {"codex_assets/delivery/storage.py"},
    "httpx": {"codex_assets/delivery/http.py"},
    "runpod": {"runpod_entry/__main__.py"},
    "typer": {"codex_assets/cli.py"},
}
"""A library -> the files that may import it."""
ROOMS = {"typer": "codex_assets/commands/"}
"""A library -> the room whose files all may import it."""

LAYERS = (
    {"errors", "contract", "prices", "log_lines", "keyholder", "landlock", "syscall_filter"},
    {"setting_rules"},
    {"media", "sandbox"},
    {"tools", "workspace", "delivery"},
    {"observe", "records", "encoders", "sound"},
    {"history"},
    {"metrics", "redelivery"},
    {"source"},
    {"normalise", "expectations"},
    {"builder", "audit", "dispatch"},
    {"cleanup"},
    {"resources", "partitions"},
    {"staleness"},
    {"conditions"},
    {"catalogue"},
    {"costs", "rebuild"},
    {"asset_checks", "instance"},
    {"assets"},
    {"learning"},
    {"operations"},
    {"definitions", "job", "ui"},
    {"doctor"},
    {"fitness"},
    {"runpod_entry"},
    {"sweep", "stats", "receiver", "proof", "provision"},
    {"terminal"},
    {"demo"},
    {"commands"},
    {"cli"},
)
"""From the ground up. A room imports from its own layer and from those below it."""

PURE_FORBIDDEN = {
    *("subprocess", "os", "socket", "urllib", "http", "httpx", "boto3", "dagster", "time", "datetime", "random"),
    *("threading", "multiprocessing", "tempfile", "shutil", "pathlib.Path", "logging"),
}
DAGSTER_ROOMS = {
    "partitions",
    "instance",
    "assets",
    "asset_checks",
    "learning",
    "operations",
    "definitions",
    "job",
    "ui",
}
BUILDERS = {"mezzanine", "ladder", "loudness", "hls", "thumbnail", "waveform", "recipe"}
BANNED_NAMES = {"utils", "helpers", "common", "misc"}


def imports(path: Path) -> set[str]:
    """Every module that a file imports, with the names it takes from packages (`a.b` for `from a import b`)."""
    found: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            assert node.level == 0, f"{path.name} imports relatively"
            found |= {node.module} | {f"{node.module}.{alias.name}" for alias in node.names}
    return found


def name(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


def room(module: str) -> str | None:
    """`codex_assets.media.probe` -> `media`; None for what is not ours."""
    parts = module.split(".")
    if parts[0] == "runpod_entry":
        return "runpod_entry"
    return parts[1] if parts[0] == "codex_assets" and len(parts) > 1 else None


def room_of(path: Path) -> str:
    parts = path.relative_to(ROOT).with_suffix("").parts
    return parts[0] if parts[0] == "runpod_entry" else parts[1]


@pytest.mark.parametrize("library", ONLY)
def test_a_library_has_one_importer(library: str) -> None:
    users = {name(path) for path in MODULES if any(one.split(".")[0] == library for one in imports(path))}
    assert {user for user in users if not user.startswith(ROOMS.get(library, "-"))} <= ONLY[library]


def test_the_environment_has_one_reader() -> None:
    def reads(path: Path) -> bool:
        return any(
            isinstance(node, ast.Attribute) and node.attr in ("environ", "getenv", "putenv")
            for node in ast.walk(ast.parse(path.read_text()))
        )

    assert {name(path) for path in MODULES if reads(path)} <= {"codex_assets/resources.py"}


@pytest.mark.parametrize("path", MODULES, ids=name)
def test_imports_point_down(path: Path) -> None:
    own = room_of(path)
    if own == "__init__":
        return
    levels = {one: number for number, layer in enumerate(LAYERS) for one in layer}
    for module in imports(path):
        other = room(module)
        if other is not None and other != own:
            assert levels[other] <= levels[own], f"{name(path)} imports {module}"


@pytest.mark.parametrize("path", sorted((PACKAGE / "media").glob("*.py")), ids=lambda path: path.stem)
def test_media_is_pure(path: Path) -> None:
    used = imports(path)
    assert not {one for one in used if one in PURE_FORBIDDEN or one.split(".")[0] in PURE_FORBIDDEN}
    ours = {one for one in used if one.startswith("codex_assets.")}
    assert all(one.startswith("codex_assets.media") for one in ours)
    calls = {
        node.func.id
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name)
    }
    assert not calls & {"open", "print", "input", "exec", "eval"}


@pytest.mark.parametrize("judge", ["codex_assets/media/verify.py", "codex_assets/observe.py"])
def test_the_judge_imports_no_builder(judge: str) -> None:
    used = imports(ROOT / judge)
    assert not {f"codex_assets.media.{one}" for one in BUILDERS} & used
    assert not {"codex_assets.builder", "codex_assets.encoders"} & used


def test_dagster_is_the_outer_ring() -> None:
    users = {room_of(path) for path in MODULES if any(one.split(".")[0] == "dagster" for one in imports(path))}
    assert users <= DAGSTER_ROOMS


@pytest.mark.parametrize("stem", ["assets", "asset_checks", "definitions", "instance", "learning", "operations"])
def test_dagster_can_read_annotations(stem: str) -> None:
    assert "__future__.annotations" not in imports(PACKAGE / f"{stem}.py")


def test_contract_and_errors_stand_alone() -> None:
    for stem in ("contract", "errors"):
        assert not [one for one in imports(PACKAGE / f"{stem}.py") if one.startswith("codex_assets")]


@pytest.mark.parametrize("path", MODULES, ids=name)
def test_a_file_says_what_it_owns(path: Path) -> None:
    assert path.stem not in BANNED_NAMES
    assert ast.get_docstring(ast.parse(path.read_text())), f"{name(path)} has no charter"


def test_every_tool_of_the_product_is_told_what_it_may_open() -> None:
    """Without `reach` a tool opens what its user may: that is for tests and for tries by hand."""
    for path in MODULES:
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "Tools":
                assert "reach" in {keyword.arg for keyword in node.keywords}, f"{name(path)}:{node.lineno}"


def test_loudness_fields_stay_in_their_files() -> None:
    """loudnorm's field names are loudness.py's business, the factor 100 the webhook's."""
    users = {name(path) for path in MODULES if "measured_I" in path.read_text()}
    assert users <= {"codex_assets/media/loudness.py"}
