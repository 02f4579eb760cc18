"""A new output is added in one place: `support/new_output.py` adds a rung and a kind of output, and looks for both."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from codex_assets.archive.records import RECORD_TYPES
from codex_assets.contract import names
from codex_assets.media import profile
from codex_assets.media.outputs import DEFINITIONS, LINE_UP, OUTPUTS, kind_of
from codex_assets.media.recipe import RECIPES
from codex_assets.verification.kinds import KINDS

TESTS = Path(__file__).parent


def test_a_new_output_is_seen_everywhere(tmp_path: Path) -> None:
    """In a process of its own, since the profile and the line-up are read once."""
    program = TESTS / "support" / "new_output.py"
    path = [str(TESTS / "support"), str(TESTS / "servers")]
    code = f"import sys; sys.path[:0] = {path!r}; import runpy; runpy.run_path({str(program)!r}, run_name='__main__')"
    ran = subprocess.run([sys.executable, "-c", code, str(tmp_path)], capture_output=True, text=True, check=False)
    assert ran.returncode == 0, ran.stderr


def test_every_kind_has_its_recipe_record_and_rules() -> None:
    kinds = {kind for line_up in LINE_UP.values() for kind in line_up}
    assert kinds == RECIPES.keys() == RECORD_TYPES.keys() == KINDS.keys()


def test_the_contract_names_the_same_outputs() -> None:
    assert {kind: frozenset(outputs) for kind, outputs in OUTPUTS.items()} == {
        kind: frozenset(outputs) for kind, outputs in names.ASSETS.items()
    }
    playlists = {
        kind: tuple(output.playlist_name for output in definitions if output.has_segments)
        for kind, definitions in DEFINITIONS.items()
    }
    assert playlists == names.VARIANTS


def test_the_contract_announces_the_longest_upload() -> None:
    assert names.DURATION_SECONDS[1] == profile.MAX_SECONDS


def test_every_output_has_the_kind_of_its_name() -> None:
    for definitions in DEFINITIONS.values():
        for output in definitions:
            assert kind_of(output.name) is output.kind
    assert kind_of("hls_240p") is None
