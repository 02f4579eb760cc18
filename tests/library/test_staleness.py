"""Verdicts from facts, and the real thing: one number changed, the stale rebuilt, and nothing else touched."""

from __future__ import annotations

import json
import os
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from workbench import CREATOR, MEDIA, Bench

from codex_assets.archive.records import Build, MasterRecord, OutputRecord
from codex_assets.archive.store import RecordStore
from codex_assets.build import encoders
from codex_assets.build.builder import LocalBuilder
from codex_assets.build.encoders import EncoderMode, Encoders
from codex_assets.config import prices
from codex_assets.library import staleness
from codex_assets.library.catalogue import Catalogue
from codex_assets.library.media_facts import CheckSummary, MediaFacts, OutputFacts, RecordFacts, media_facts, recipe_key
from codex_assets.library.selection import Where
from codex_assets.library.staleness import StalenessJudge, StaleReason, Verdict
from codex_assets.media import profile, recipe
from codex_assets.media.outputs import parents, wanted
from codex_assets.storage import keys
from codex_assets.system.tools import Tools, Trial, tool_environment
from codex_assets.system.workspace import Workspace
from codex_assets.verification import audit
from codex_assets.verification.audit import Auditor
from codex_assets.verification.judge import rule_set

VIDEO = wanted("video")
RECIPES: dict[str, dict[str, Any]] = {}


def now(output: str, **changes: Any) -> RecordFacts:
    """An output of a video of 1280x720 as it would be built now."""
    variant = "720p" if output == "preview" else None
    numbers = recipe.numbers("video", output, variant)
    key = recipe_key(numbers)
    RECIPES[key] = numbers
    inputs = {name: f"dv-{name}" for name in parents("video", output) if name != "hls_1080p"}
    known = RecordFacts(
        code_version=recipe.code_version("video", output),
        data_version=f"dv-{output}",
        built_at="2026-01-01T00:00:00.000+00:00",
        checked=True,
        variant=variant,
        size=(1280, 720) if output == "mezzanine" else None,
        inputs=inputs,
        recipe=key,
    )
    return replace(known, **changes)


def media(**changes: RecordFacts | None) -> dict[str, RecordFacts]:
    marker = RecordFacts(code_version="before", data_version="not-applicable", applicable=False, variant="1080p")
    outputs = {output: now(output) for output in VIDEO} | {"hls_1080p": marker} | changes
    return {name: facts for name, facts in outputs.items() if facts is not None}


def judged(
    outputs: dict[str, RecordFacts],
    *,
    verified: dict[str, CheckSummary] | None = None,
    mezzanine_file: bool = True,
    original: bool | None = True,
    tools: dict[str, str] | None = None,
    extras: tuple[str, ...] = (),
) -> dict[str, Verdict]:
    facts = media_facts("video", outputs, verified or {}, has_mezzanine_file=mezzanine_file, has_original=original)
    # What is judged is what came out of the index.
    kept = MediaFacts.parse(facts.text())
    assert kept == facts
    return StalenessJudge(lambda key: RECIPES[key], tools, extras).verdicts(kept)


def causes_of(verdicts: dict[str, Verdict]) -> dict[str, list[str]]:
    return {name: [str(cause) for cause in verdict.causes] for name, verdict in verdicts.items() if verdict.causes}


def test_what_was_built_as_it_would_be_now_is_fresh() -> None:
    assert causes_of(judged(media())) == {}


def test_an_optional_output_counts_where_it_is_asked_for_or_was_built() -> None:
    assert "storyboard" not in judged(media())
    asked = judged(media(), extras=("storyboard",))
    assert causes_of(asked) == {"storyboard": ["never built"]}
    assert staleness.stale_outputs(asked) == ["storyboard"]
    assert list(asked) == [*VIDEO, "storyboard"]
    built = judged(media(blurhash=replace(now("blurhash"), code_version="0" * 12)))
    assert staleness.stale_outputs(built) == ["blurhash"]


def test_a_changed_number_is_told_with_what_it_was(monkeypatch: pytest.MonkeyPatch) -> None:
    outputs = media()
    monkeypatch.setattr(profile, "LADDER", ladder("480p", video_kbps=1200))
    verdicts = judged(outputs)
    assert causes_of(verdicts) == {
        "hls_480p": ["recipe changed: variant.video_kbps 1000 -> 1200"],
        "hls_master": ["follows: hls_480p"],
    }
    assert staleness.stale_outputs(verdicts) == ["hls_480p"]
    (cause,) = verdicts["hls_480p"].causes
    assert cause.wire() == {
        "reason": "recipe changed",
        "from": outputs["hls_480p"].code_version,
        "to": recipe.code_version("video", "hls_480p"),
        "changes": [{"name": "variant.video_kbps", "from": 1000, "to": 1200}],
    }


def test_a_preview_is_stale_when_its_own_rung_changes(monkeypatch: pytest.MonkeyPatch) -> None:
    outputs = media()
    monkeypatch.setattr(profile, "LADDER", ladder("720p", video_kbps=2800))
    assert set(causes_of(judged(outputs))) == {"hls_720p", "preview", "hls_master"}


def test_a_rule_that_was_raised_is_a_changed_number(monkeypatch: pytest.MonkeyPatch) -> None:
    outputs = media()
    monkeypatch.setitem(recipe.RULES, "thumbnail", 2)
    assert causes_of(judged(outputs)) == {"thumbnail": ["recipe changed: rule 1 -> 2"]}


def test_options_and_new_numbers_are_told(monkeypatch: pytest.MonkeyPatch) -> None:
    before = {
        name: number for name, number in RECIPES.get(now("hls_360p").recipe, {}).items() if name != "buffer_ratio"
    }
    RECIPES["older"] = before
    outputs = media(hls_360p=now("hls_360p", recipe="older", code_version="older"))
    monkeypatch.setattr(profile, "X264", replace(profile.X264, variant=("-preset", "slow", "-threads", "1")))
    verdicts = judged(outputs)
    assert "x264.-preset faster -> slow" in causes_of(verdicts)["hls_720p"][0]
    assert "x264.-x264-params rc-lookahead=40 is gone" in causes_of(verdicts)["hls_720p"][0]
    assert "buffer_ratio 2 is new" in causes_of(verdicts)["hls_360p"][0]


def test_a_record_of_before_recipes_were_kept() -> None:
    verdicts = judged(media(hls_480p=now("hls_480p", code_version="0" * 12, recipe="", inputs={})))
    assert causes_of(verdicts)["hls_480p"] == ["recipe changed: which numbers was not recorded"]
    assert verdicts["hls_480p"].is_stale
    # Its inputs are unknown, and nothing is said of them.
    assert causes_of(judged(media(thumbnail=now("thumbnail", recipe="", inputs={})))) == {}


def test_a_mezzanine_of_other_contents_makes_stale_what_is_made_from_it() -> None:
    verdicts = judged(media(mezzanine=now("mezzanine", data_version="dv-other")))
    assert staleness.stale_outputs(verdicts) == ["hls_720p", "hls_480p", "hls_360p", "preview", "thumbnail"]
    assert causes_of(verdicts)["thumbnail"] == ["input changed: mezzanine dv-mezzanine -> dv-other"]
    assert causes_of(verdicts)["hls_master"] == ["follows: hls_720p, hls_480p, hls_360p"]


def test_a_mezzanine_that_was_rebuilt_with_the_same_contents_makes_nothing_stale() -> None:
    assert causes_of(judged(media(mezzanine=now("mezzanine", built_at="2027-01-01T00:00:00+00:00")))) == {}


def test_a_mezzanine_to_be_rebuilt_is_followed_by_everything(monkeypatch: pytest.MonkeyPatch) -> None:
    outputs = media()
    monkeypatch.setattr(profile, "MAX_FRAME_RATE", 30)
    verdicts = judged(outputs)
    assert staleness.stale_outputs(verdicts) == ["mezzanine"]
    assert [name for name, verdict in verdicts.items() if verdict.may_follow] == [
        *("hls_720p", "hls_480p", "hls_360p", "preview", "hls_master", "thumbnail")
    ]
    # Without its original it stays as it is, and nothing follows.
    kept = judged(outputs, original=False)
    assert staleness.stale_outputs(kept) == []
    assert causes_of(kept) == {"mezzanine": ["recipe changed: max_frame_rate 60 -> 30"]}
    assert kept["mezzanine"].blocked == "its original is gone"
    # Where nobody looked, the build finds out.
    assert staleness.stale_outputs(judged(outputs, original=None)) == ["mezzanine"]


def test_the_master_is_judged_by_the_variants_that_exist() -> None:
    changed = judged(media(hls_480p=now("hls_480p", data_version="dv-other")))
    assert causes_of(changed) == {"hls_master": ["input changed: hls_480p dv-hls_480p -> dv-other"]}
    gone = RecordFacts(code_version="x", data_version="not-applicable", applicable=False, variant="480p")
    assert "hls_480p dv-hls_480p is gone" in causes_of(judged(media(hls_480p=gone)))["hls_master"][0]
    fewer = now("hls_master", inputs={"hls_720p": "dv-hls_720p", "hls_480p": "dv-hls_480p"})
    assert causes_of(judged(media(hls_master=fewer))) == {"hls_master": ["input changed: hls_360p dv-hls_360p is new"]}
    # One of before inputs were kept is judged by the names that it lists.
    old = now("hls_master", inputs={}, variants=("720p", "480p", "360p"))
    assert causes_of(judged(media(hls_master=old))) == {}
    assert "hls_master" in causes_of(judged(media(hls_master=replace(old, variants=("720p", "480p")))))


def test_a_lost_mezzanine_is_rebuilt_and_what_was_made_from_it_may_follow() -> None:
    for outputs, there in ((media(mezzanine=None), False), (media(), False), (media(), True)):
        if there:
            outputs["mezzanine"] = RecordFacts(unreadable=True)
        verdicts = judged(outputs, mezzanine_file=there)
        assert staleness.stale_outputs(verdicts) == ["mezzanine"]
        assert {verdict.blocked for verdict in verdicts.values()} == {None}
        assert causes_of(verdicts)["thumbnail"] == ["follows: mezzanine"]


def test_without_mezzanine_and_original_nothing_can_be_rebuilt() -> None:
    verdicts = judged(media(), mezzanine_file=False, original=False)
    assert staleness.stale_outputs(verdicts) == []
    assert {verdict.blocked for name, verdict in verdicts.items() if name != "mezzanine"} == {
        "its mezzanine is missing"
    }
    assert causes_of(verdicts)["thumbnail"] == ["mezzanine missing"]


def test_what_was_never_built_is_built_with_its_mezzanine() -> None:
    verdicts = judged({})
    assert staleness.stale_outputs(verdicts) == list(VIDEO)
    assert {name for name, verdict in verdicts.items() if verdict.needs_mezzanine} == {*VIDEO} - {"mezzanine"}
    assert set(map(str, verdicts["hls_720p"].causes)) == {"never built"}
    # A lost mezzanine, and one output of another recipe: both in one job.
    verdicts = judged(media(thumbnail=now("thumbnail", code_version="older", recipe="")), mezzanine_file=False)
    assert staleness.stale_outputs(verdicts) == ["mezzanine", "thumbnail"]
    assert verdicts["thumbnail"].needs_mezzanine


def test_what_was_never_built_or_cannot_be_read() -> None:
    verdicts = judged(media(thumbnail=None, hls_360p=RecordFacts(unreadable=True)))
    assert staleness.stale_outputs(verdicts) == ["hls_360p", "thumbnail"]
    assert causes_of(verdicts)["thumbnail"] == ["never built"]
    assert causes_of(verdicts)["hls_360p"] == ["never built: its record cannot be read"]


def test_a_variant_that_does_not_apply_is_fresh_until_it_does(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(profile, "LADDER", ladder("1080p", video_kbps=9000))
    assert causes_of(judged(media())) == {}
    larger = judged(media(mezzanine=now("mezzanine", size=(1920, 1080))))
    assert staleness.stale_outputs(larger) == ["hls_1080p"]
    assert "it applies now: the picture is 1920x1080" in causes_of(larger)["hls_1080p"][0]
    monkeypatch.setattr(profile, "LADDER", ladder("1080p", video_kbps=5000, long=1280))
    assert "hls_1080p" in staleness.stale_outputs(judged(media()))


def test_a_check_counts_for_the_contents_that_it_saw_and_not_before_they_were_built() -> None:
    def verified(data_version: str, at: str) -> dict[str, CheckSummary]:
        return {"thumbnail": CheckSummary(data_version, at, ("thumbnail_size",))}

    later = judged(media(), verified=verified("dv-thumbnail", "2026-01-01T00:00:01.000+00:00"))
    assert causes_of(later) == {"thumbnail": ["check failed: thumbnail_size"]}
    assert later["thumbnail"].is_stale
    assert causes_of(judged(media(), verified=verified("dv-older", "2026-01-01T00:00:01.000+00:00"))) == {}
    assert causes_of(judged(media(), verified=verified("dv-thumbnail", "2025-12-31T00:00:00.000+00:00"))) == {}


def test_what_nobody_has_checked_is_told_and_not_rebuilt() -> None:
    outputs = media(thumbnail=now("thumbnail", checked=False))
    assert causes_of(judged(outputs)) == {"thumbnail": ["never checked"]}
    assert staleness.stale_outputs(judged(outputs)) == []
    seen = {"thumbnail": CheckSummary("dv-thumbnail", "2026-01-02T00:00:00+00:00")}
    assert causes_of(judged(outputs, verified=seen)) == {}


def test_by_which_rules_an_output_was_judged_is_told_and_makes_nothing_stale() -> None:
    outputs = media(
        thumbnail=now("thumbnail", checked=False),
        preview=now("preview", rule_set="0" * 12),
        hls_480p=now("hls_480p", rule_set=rule_set()),
        hls_360p=RecordFacts(unreadable=True),
    )

    def words(verified: dict[str, CheckSummary] | None = None) -> dict[str, str | None]:
        verdicts = judged(outputs, verified=verified)
        assert not {"thumbnail", "preview", "hls_480p"} & set(staleness.stale_outputs(verdicts))
        return {name: verdict.judged for name, verdict in verdicts.items()}

    built = words()
    assert [built[name] for name in ("thumbnail", "preview", "hls_480p")] == ["never", "old", "today"]
    assert built["hls_720p"] == "old", "a record of before rules were named"
    assert {built[name] for name in ("hls_360p", "hls_1080p", "loudness")} == {None}
    later = "2026-01-02T00:00:00+00:00"
    since = {name: CheckSummary(f"dv-{name}", later, rule_set=rule_set()) for name in ("thumbnail", "preview")}
    since["hls_480p"] = CheckSummary("dv-hls_480p", later, rule_set="0" * 12)
    assert {words(since)[name] for name in ("thumbnail", "preview", "hls_480p")} == {"today"}
    of_other_contents = {"preview": CheckSummary("dv-else", later, rule_set=rule_set())}
    assert words(of_other_contents)["preview"] == "old"
    not_named = {"thumbnail": CheckSummary("dv-thumbnail", later)}
    assert words(not_named)["thumbnail"] == "old"


def test_every_reason_is_either_work_or_told() -> None:
    assert set(StaleReason) - staleness.REBUILT == {StaleReason.FOLLOWS, StaleReason.UNCHECKED}


def test_facts_say_nothing_that_two_media_cannot_share() -> None:
    """Else thousands of media would have thousands of facts, and every question would judge each."""
    facts = media_facts("video", media(), {}, has_mezzanine_file=True, has_original=False)
    other = {name: replace(known, built_at="2026-05-05", data_version=f"x{name}") for name, known in media().items()}
    moved = {
        name: replace(known, inputs={parent: other[parent].data_version for parent in known.inputs if parent in other})
        for name, known in other.items()
    }
    assert media_facts("video", moved, {}, has_mezzanine_file=True, has_original=False).text() == facts.text()
    assert OutputFacts("a") != OutputFacts("b")


def ladder(name: str, **changed: Any) -> tuple[profile.VideoVariant, ...]:
    return tuple(replace(rung, **changed) if rung.name == name else rung for rung in profile.LADDER)


# --- Tools ------------------------------------------------------------------------------------------------------------


def test_other_versions_of_the_tools_count_only_where_that_is_asked_for() -> None:
    former, here = {"ffmpeg": "5.1.9", "x264": "164"}, {"ffmpeg": "7.1.5", "x264": "164", "audiowaveform": "1.6.0"}
    outputs = media(hls_480p=now("hls_480p", tools=former), thumbnail=now("thumbnail", tools={"ffmpeg": "7.1.5"}))
    assert causes_of(judged(outputs)) == {}
    verdicts = judged(outputs, tools=here)
    assert causes_of(verdicts) == {
        "hls_480p": ["tools changed: ffmpeg 5.1.9 -> 7.1.5"],
        "hls_master": ["follows: hls_480p"],
    }
    assert verdicts["hls_480p"].is_stale
    (cause,) = verdicts["hls_480p"].causes
    assert cause.wire() == {
        "reason": "tools changed",
        "changes": [{"name": "ffmpeg", "from": "5.1.9", "to": "7.1.5"}],
    }


def test_only_tools_that_were_recorded_and_are_here_are_compared() -> None:
    outputs = media(hls_480p=now("hls_480p", tools={"ffmpeg": "7.1.5"}), thumbnail=now("thumbnail"))
    assert causes_of(judged(outputs, tools={"ffmpeg": "7.1.5", "x264": "165"})) == {}
    assert causes_of(judged(outputs, tools={})) == {}


def test_a_mezzanine_of_other_tools_stays_where_its_original_is_gone() -> None:
    outputs = media(mezzanine=now("mezzanine", tools={"ffmpeg": "5.1.9"}))
    verdict = judged(outputs, original=False, tools={"ffmpeg": "7.1.5"})["mezzanine"]
    assert (verdict.is_stale, verdict.blocked) == (False, "its original is gone")


# --- The real thing ---------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("clips")


def film(tmp_path: Path, folder: Path) -> tuple[Bench, Catalogue]:
    """720p, 480p, 360p and a preview, of 13 seconds; and its index."""
    bench = Bench(tmp_path / "store", "video", folder)
    bench.upload("strip_1280")
    RecordStore(bench.stores.archive).put(MEDIA, "media", bench.media)
    bench.build()
    return bench, Catalogue(tmp_path / "index.sqlite", bench.stores.archive)


def causes_in(catalogue: Catalogue) -> dict[str, list[str]]:
    catalogue.refresh()
    return {
        name: [cause.reason.value for cause in verdict.causes]
        for _, _, verdicts in catalogue.verdicts()
        for name, verdict in verdicts.items()
        if verdict.causes
    }


def record(bench: Bench, output: str) -> OutputRecord:
    record = RecordStore(bench.stores.archive).output(MEDIA, output)
    assert record is not None
    return record


def build_of(bench: Bench, output: str) -> Build:
    build = record(bench, output).build
    assert build is not None
    return build


@pytest.mark.slow
@pytest.mark.ffmpeg
def test_a_changed_bitrate_rebuilds_its_variant_and_the_master_alone(
    tmp_path: Path, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    bench, catalogue = film(tmp_path, folder)
    assert causes_in(catalogue) == {}
    before = bench.objects()
    monkeypatch.setattr(profile, "LADDER", ladder("480p", video_kbps=400))
    assert causes_in(catalogue) == {"hls_480p": ["recipe changed"], "hls_master": ["follows"]}
    (target,) = catalogue.targets()
    assert (target.media_id, target.outputs, target.follows) == (MEDIA, ("hls_480p",), ("hls_master",))
    bench.build(target.outputs)
    catalogue.refresh([MEDIA])
    assert causes_in(catalogue) == {}
    assert catalogue.targets() == []
    after = bench.objects()
    prefix = f"media/{CREATOR}/hls/{MEDIA}"
    changed = {name for name in {*before, *after} if before.get(name) != after.get(name)}
    # Not even written again: `objects` has the times too.
    assert {keys.without_version(name).rpartition("/")[0] for name in changed} == {f"{prefix}/480p", prefix}
    assert [name for name in changed if name.rpartition("/")[0] == prefix] == [f"{prefix}/master.m3u8"]


@pytest.mark.slow
@pytest.mark.ffmpeg
def test_another_version_of_a_tool_makes_nothing_stale(tmp_path: Path, folder: Path) -> None:
    """A receipt names the tools; a recipe does not: what ffmpeg 5.1 has published stays as it is beside 7.1."""
    bench, catalogue = film(tmp_path, folder)
    records = RecordStore(bench.stores.archive)
    for output in VIDEO:
        published = record(bench, output)
        if published.build is None:
            continue
        versions = published.build.tool_versions
        assert not any(version in json.dumps(published.build.recipe) for version in versions.values())
        former = {**versions, "ffmpeg": "5.1.9-0+deb12u1", "audiowaveform": "1.0.0"}
        built = published.build.model_copy(update={"tool_versions": former})
        records.put(MEDIA, output, published.model_copy(update={"build": built}))
    assert build_of(bench, "hls_480p").tool_versions["ffmpeg"] == "5.1.9-0+deb12u1"
    assert causes_in(catalogue) == {}
    assert catalogue.targets() == []
    # Where it is asked for, every output is compared by the tools that have a part in it.
    here = {"ffmpeg": "7.1.5", "audiowaveform": "1.6.0"}
    (target,) = catalogue.targets(tools=here)
    assert target.outputs == tuple(output for output in VIDEO if output not in ("hls_1080p", "hls_master"))
    assert {str(cause) for cause in target.reasons["hls_480p"]} == {"tools changed: ffmpeg 5.1.9-0+deb12u1 -> 7.1.5"}


@pytest.mark.slow
@pytest.mark.ffmpeg
def test_receipts_say_what_it_was_made_from_and_early_cut_off_holds(
    tmp_path: Path, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    bench, catalogue = film(tmp_path, folder)
    original = bench.stores.archive.head(bench.media.input_key)
    assert original is not None
    versions = {output: record(bench, output).data_version for output in VIDEO}
    assert build_of(bench, "mezzanine").inputs == {"original": original.sha256}
    assert build_of(bench, "loudness").inputs == {"original": original.sha256}
    heard = {"mezzanine": versions["mezzanine"], "loudness": versions["loudness"]}
    has_sound = bool(getattr(record(bench, "mezzanine"), "audio_codec", None))
    for output in ("hls_720p", "preview"):
        assert build_of(bench, output).inputs == (heard if has_sound else {"mezzanine": versions["mezzanine"]})
    assert build_of(bench, "thumbnail").inputs == {"mezzanine": versions["mezzanine"]}
    names = ("hls_720p", "hls_480p", "hls_360p")
    assert build_of(bench, "hls_master").inputs == {name: versions[name] for name in names}
    for output in VIDEO:
        if output != "hls_1080p":
            build = build_of(bench, output)
            assert build.recipe == recipe.numbers("video", output, "720p" if output == "preview" else None)
            assert json.loads(json.dumps(build.recipe)) == build.recipe
            # Rounded to milliseconds, each by itself.
            assert 0 < sum(build.phases.values()) <= build.wall_seconds + 0.001 * len(build.phases)
    assert {"fetching the original", "mezzanine", "verifying", "publishing"} <= set(build_of(bench, "mezzanine").phases)
    assert build_of(bench, "hls_720p").shared == 5

    # Built again with the same contents: nothing downstream is stale.
    bench.build(["mezzanine"])
    assert record(bench, "mezzanine").data_version == versions["mezzanine"]
    assert causes_in(catalogue) == {}

    # A loudness measured of the mezzanine was made from that.
    bench.build(["loudness"])
    assert build_of(bench, "loudness").inputs == {"mezzanine": versions["mezzanine"]}

    # A variant of other bytes and the same rates: the master stays, and knows it.
    records = RecordStore(bench.stores.archive)
    master = records.get(MEDIA, "hls_master", MasterRecord)
    assert master is not None
    assert master.build is not None
    older = master.build.model_copy(update={"inputs": {**master.build.inputs, "hls_480p": "older"}})
    records.put(MEDIA, "hls_master", master.model_copy(update={"build": older}))
    assert causes_in(catalogue) == {"hls_master": ["input changed"]}
    written = bench.objects()
    bench.build(["hls_480p"])
    assert causes_in(catalogue) == {}
    assert build_of(bench, "hls_master") == master.build
    key = f"media/{CREATOR}/hls/{MEDIA}/master.m3u8"
    assert bench.objects()[key] == written[key]

    # A file that was lost fails its check, is rebuilt with the same bytes, and the check no longer counts.
    lost = record(bench, "thumbnail").files[0]
    bench.stores.assets.delete(lost.key)
    assert causes_in(catalogue) == {}
    verify(bench, tmp_path)
    assert causes_in(catalogue) == {"thumbnail": ["check failed"]}
    bench.build(["thumbnail"])
    assert causes_in(catalogue) == {}

    # The mezzanine's file, and then the original, are gone.
    bench.stores.archive.delete(keys.mezzanine(CREATOR, MEDIA))
    without = causes_in(catalogue)
    assert without.pop("mezzanine") == ["mezzanine missing"]
    assert without["hls_master"] == ["follows"]
    assert [target.outputs for target in catalogue.targets()] == [("mezzanine",)]
    bench.stores.archive.delete(bench.media.input_key)
    catalogue.refresh([MEDIA])
    assert catalogue.targets() == []
    assert catalogue.targets(stale_only=False) == []
    assert list(catalogue.verdicts(Where(stale=True))) == []


def verify(bench: Bench, tmp_path: Path) -> None:
    workspace = Workspace(tmp_path / "audit")
    auditor = Auditor(bench.stores, bench.tools, workspace)
    audits = list(auditor.audit(bench.media, VIDEO))
    audit.keep_results(RecordStore(bench.stores.archive), bench.media, audits, all_rules=True)
    workspace.close()


@pytest.mark.ffmpeg
def test_receipts_name_the_run_and_share_its_cost(tmp_path: Path, folder: Path) -> None:
    bench = Bench(tmp_path / "store", "audio", folder)
    bench.upload("speech")
    workspace = Workspace(tmp_path / "work")
    tools = bench.tools
    builder = LocalBuilder(
        bench.stores,
        tools,
        Encoders(EncoderMode.X264, tools),
        workspace,
        run_id="run-7",
        price=lambda gpu: 0.001 if gpu is None else None,
    )
    built = {record.output: record.build for record in builder.build(bench.media, wanted("audio"))}
    workspace.close()
    assert all(build is not None and build.run_id == "run-7" and build.gpu is None for build in built.values())
    together = [built[name] for name in ("hls_128k", "hls_64k", "hls_master")]
    costs = [build.cost_usd for build in together if build is not None and build.cost_usd is not None]
    walls = [build.wall_seconds for build in together if build is not None]
    assert len(costs) == 3
    assert sum(costs) == pytest.approx(0.001 * max(walls), rel=0.02)


def test_a_gpu_is_named_by_its_driver(tmp_path: Path) -> None:
    driver = tmp_path / "nvidia-smi"
    # What the driver's own tool prints for these arguments.
    driver.write_text('#!/bin/sh\n[ "$*" = "--query-gpu=name --format=csv,noheader" ] && echo "NVIDIA RTX A4000"\n')
    driver.chmod(0o755)
    environment = tool_environment(os.environ)
    assert Tools(environment, nvidia_smi=str(driver)).gpu() == "NVIDIA RTX A4000"
    assert Tools(environment, nvidia_smi=str(tmp_path / "none")).gpu() is None
    driver.write_text("#!/bin/sh\nexit 9\n")
    assert Tools(environment, nvidia_smi=str(driver)).gpu() is None


def test_a_driver_that_hung_is_not_asked_again(tmp_path: Path) -> None:
    """Each job's receipts name the GPU: the question would cost every job its time, as the trial did."""
    asked = tmp_path / "asked"
    driver = tmp_path / "nvidia-smi"
    driver.write_text(f"#!/bin/sh\necho asked >>{asked}\necho 'NVIDIA RTX A4000'\n", encoding="utf-8")
    driver.chmod(0o755)
    tools = Tools(tool_environment(os.environ), nvidia_smi=str(driver))
    try:
        encoders.remember(Trial(False, "it hung: it passed its limit of 30 s", hung=True))
        assert encoders.gpu_model(tools) is None
        assert not asked.exists()
        encoders.remember(Trial(False, "No capable devices found"))
        assert encoders.gpu_model(tools) == "NVIDIA RTX A4000"
    finally:
        encoders.remember(None)


@pytest.mark.parametrize(
    ("model", "pool"),
    [
        ("NVIDIA RTX A4000", "AMPERE_16"),
        ("NVIDIA L4", "AMPERE_24"),
        ("NVIDIA GeForce RTX 3090", "AMPERE_24"),
        ("NVIDIA GeForce RTX 4090", "ADA_24"),
        ("NVIDIA L40S", None),
        ("NVIDIA H100 80GB HBM3", None),
        (None, None),
    ],
)
def test_a_model_has_the_price_of_its_pool(model: str | None, pool: str | None) -> None:
    assert prices.of_gpu(model) == (prices.POOLS[pool].usd_per_second if pool is not None else None)
