"""The judge: every rule is known, applies where it may, and stays apart from what builds."""

from __future__ import annotations

import ast
import re
from dataclasses import replace
from pathlib import Path

import pytest
from made_observations import finding_of, variant

from codex_assets.archive.findings import Severity
from codex_assets.verification.judge import RULES, failures, judge
from codex_assets.verification.kinds import ObservationKind
from codex_assets.verification.observations import (
    AnyObservation,
    LoudnessObservation,
    MasterObservation,
    MezzanineObservation,
    PlaylistSeen,
    ThumbnailObservation,
    VariantObservation,
    WaveformImageObservation,
    WaveformObservation,
)
from codex_assets.verification.rule import rule as as_rule

ROOT = Path(__file__).parents[2]
BUILDERS = {"mezzanine", "ladder", "loudness", "hls", "thumbnail", "waveform", "recipe"}


@pytest.mark.parametrize("module", ["verification/judge.py", "verification/observe/observer.py"])
def test_the_judge_imports_no_builder(module: str) -> None:
    tree = ast.parse((ROOT / "codex_assets" / module).read_text())
    imported = {
        part
        for node in ast.walk(tree)
        if isinstance(node, ast.Import | ast.ImportFrom)
        for name in [getattr(node, "module", None) or "", *(alias.name for alias in node.names)]
        for part in name.split(".")
    }
    assert imported.isdisjoint(BUILDERS | {"builder"})


def test_every_rule_is_in_the_documentation_as_it_is() -> None:
    rows = re.findall(
        r"^\| <a id=\"(\w+)\"></a>`\1` \| ([^|]*) \| (\w+) \| ([^|]*) \| ([^|]*) \|$", _documentation(), re.MULTILINE
    )
    rules = [
        (
            rule.name,
            ", ".join(kind for kind in ObservationKind if kind in rule.kinds),
            str(rule.severity),
            rule.source,
            rule.description,
        )
        for rule in RULES.values()
    ]
    assert rows == rules


def _documentation() -> str:
    return (ROOT / "docs" / "verification.md").read_text()


def test_rules_say_who_asks_for_them_and_what_they_mean() -> None:
    for rule in RULES.values():
        assert rule.source
        assert rule.kinds
        assert rule.description.endswith(".")


def test_judging_stops_at_nothing() -> None:
    playlist = PlaylistSeen("playlist.m3u8", target_duration=4)
    findings = judge(replace(variant(6.0, 7.0, 2.0), playlist=playlist))
    names = {finding.rule for finding in failures(findings)}
    assert {"playlist_is_vod", "playlist_ended", "target_duration", "segment_length"} <= names


def test_an_unreadable_output_is_judged_by_its_gate_alone() -> None:
    missing: list[AnyObservation] = [
        VariantObservation(
            "hls_720p", ObservationKind.VARIANT, PlaylistSeen("playlist.m3u8", problem="it does not exist")
        ),
        VariantObservation(
            "preview", ObservationKind.PREVIEW, PlaylistSeen("preview.m3u8", problem="it does not exist")
        ),
        MasterObservation("hls_master", problem="it does not exist"),
        MezzanineObservation("mezzanine", problem="it does not exist"),
        ThumbnailObservation("thumbnail", problem="it does not exist"),
        LoudnessObservation("loudness", problem="it does not exist"),
        WaveformObservation("waveform_json", problem="it does not exist"),
        WaveformImageObservation("waveform_png", problem="it does not exist"),
    ]
    for observation in missing:
        (finding,) = judge(observation)
        assert not finding.passed
        assert finding.severity is Severity.ERROR
        assert "it does not exist" in finding.message


def test_a_warning_is_no_failure() -> None:
    findings = judge(replace(variant(6.0, 2.0), stray=("segment_00007.ts",)), only=["no_stray_segments"])
    assert failures(findings) == ()
    assert [finding.where for finding in findings if finding.is_warning] == ["segment_00007.ts"]


def test_several_places_are_one_finding() -> None:
    seen = variant(6.0, 6.0, 2.0)
    gone = replace(seen, segments=tuple(replace(segment, size=None) for segment in seen.segments))
    finding = finding_of(gone, "segments_present")
    assert finding is not None
    assert finding.message == "segment_00000.ts does not exist (2 more like it)."
    assert finding.where == "segment_00000.ts"


def test_two_rules_cannot_have_one_name() -> None:
    with pytest.raises(ValueError, match="playlist_ended"):

        @as_rule(ObservationKind.VARIANT, source="nowhere")
        def playlist_ended(seen: VariantObservation) -> None:
            """Never registered."""


# --- The page about the specifications --------------------------------------------------------------------------------


def _coverage() -> list[tuple[str, set[str]]]:
    """The clauses of docs/apple-hls.md, each with the rules that its row names: `Apple 7.4`, `RFC 4.4.1`."""
    page = (ROOT / "docs" / "apple-hls.md").read_text()
    rows = []
    for part, cells in (("Apple", 4), ("RFC 8216bis", 3)):
        section = page.split(f"\n## {part}\n")[1].split("\n## ")[0]
        for line in section.splitlines():
            row = [cell.strip() for cell in line.strip("|").split("|")]
            if len(row) == cells and re.fullmatch(r"[\d.]+", row[0]):
                rows.append((f"{part} {row[0]}", set(re.findall(r"`(\w+)`", row[-1]))))
    return rows


def test_the_page_about_the_specifications_names_rules_that_exist() -> None:
    rows = _coverage()
    assert len(rows) > 60
    assert {name for _, names in rows for name in names} <= set(RULES)
    assert [clause for clause, names in rows if not names] == []


@pytest.mark.parametrize("name", sorted(RULES))
def test_a_rule_stands_beside_each_clause_that_it_cites(name: str) -> None:
    """A new rule that cites Apple or RFC 8216bis gets its place in docs/apple-hls.md."""
    named = {clause for clause, names in _coverage() if name in names}
    cited = set()
    for source in RULES[name].source.split(";"):
        for part, label in (("Apple", "Apple HLS authoring spec "), ("RFC 8216bis", "RFC 8216bis ")):
            if source.strip().startswith(label):
                cited |= {f"{part} {number}" for number in re.findall(r"\d+(?:\.\d+)*", source.split(label)[1])}
    assert cited <= named
