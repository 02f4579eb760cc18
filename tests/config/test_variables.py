"""The declarations of variables: the README shows them, and the rules of their texts know each of them."""

from __future__ import annotations

import runpy
from pathlib import Path
from typing import Any

import pytest

from codex_assets.config import setting_rules
from codex_assets.config.variables import AccountVariables, DispatchVariables, ValueProblem, Variables

ROOT = Path(__file__).parents[2]
SCRIPT: dict[str, Any] = runpy.run_path(str(ROOT / "scripts" / "variables.py"))
FIELDS = {**Variables.model_fields, **DispatchVariables.model_fields, **AccountVariables.model_fields}


def test_the_readme_shows_every_variable() -> None:
    page = (ROOT / "README.md").read_text(encoding="utf-8")
    assert SCRIPT["renewed"](page) == page, "run python scripts/variables.py"
    assert all(f"`{name.upper()}`" in page for name in FIELDS)


def test_every_variable_is_looked_at_for_slips() -> None:
    assert {name.upper() for name in FIELDS} == {*setting_rules.PLAIN, *setting_rules.FREE}


def test_every_variable_that_may_be_refused_has_a_sentence() -> None:
    """Plain texts, paths and secrets are never refused by themselves."""
    values = dict.fromkeys((name.upper() for name in FIELDS), "no value of any of them: -1")
    for group in (Variables, DispatchVariables, AccountVariables):
        problems: list[str] = []
        assert group.read(values, problems) is None
        with_sentence = {
            name.upper() if "{name}" in note.sentence else note.sentence
            for name, field in group.model_fields.items()
            for note in field.metadata
            if isinstance(note, ValueProblem)
        }
        assert len(problems) == len(with_sentence)
        assert not [problem for problem in problems if "not usable" in problem or "-1" in problem]


@pytest.mark.parametrize("name", ["webhook_secret", "Webhook_Secret"])
def test_a_name_in_other_letters_is_another_variable(name: str) -> None:
    variables = Variables.read({name: "whsec_of_the_endpoint"}, [])
    assert variables is not None
    assert variables.webhook_secret is None


def test_the_processs_environment_is_read_by_settings_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WEBHOOK_SIGNATURE", "timestamped")
    variables = Variables.read({}, [])
    assert variables is not None
    assert variables.webhook_signature == "body"
