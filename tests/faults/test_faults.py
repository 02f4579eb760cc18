"""The faults are many and of every area, the page lists them, and a dozen are caused with every run."""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from dataclasses import replace
from pathlib import Path

import fault_bench
import fault_score
import pytest
from fault_bench import Case, Verdict
from fault_cases import ALL_STAGES, cases
from fault_judge import Contents, Place
from fault_kinds import KINDS
from fault_table import PAGE, listed_kinds, listed_stages, written, wrong_count

DOZEN: tuple[tuple[str, str], ...] = (
    ("write_altered", "history_begun"),
    ("answered_404", "original_head"),
    ("body_other", "original_get"),
    ("write_lost", "mezzanine_put"),
    ("reset_after_once", "segments_put"),
    ("write_altered_once", "switch_noted"),
    ("reset_before", "playlists"),
    ("write_cut", "master"),
    ("answered_501", "records"),
    ("listing_without_token", "replaced_noted"),
    ("reset_before", "records_read"),
    ("receiver_refuses", "webhook"),
)


def test_there_are_faults_of_every_area_at_every_stage() -> None:
    assert len(KINDS) >= 40
    assert len(ALL_STAGES) >= 20
    assert min(Counter(kind.area for kind in KINDS.values()).values()) >= 3
    everything = list(cases())
    assert {case.kind for case in everything} == set(KINDS)
    assert {case.stage for case in everything} == set(ALL_STAGES)


def test_the_page_lists_every_kind_and_stage() -> None:
    text = PAGE.read_text(encoding="utf-8")
    assert listed_kinds(text) == [(kind.name, kind.description) for kind in KINDS.values()]
    assert listed_stages(text) == list(ALL_STAGES.items())
    assert wrong_count(text) == 0


def test_the_page_says_which_results_are_of_earlier_code() -> None:
    page = PAGE.read_text(encoding="utf-8")
    verdicts = [Verdict(case, "new") for case in list(cases())[:5]]
    assert "2 of these runs were made with earlier code." in written(
        page, verdicts, [each.case.name for each in verdicts[:2]]
    )
    assert "earlier code." not in written(page, verdicts)


def contents(files: dict[Place, bytes], **of_output: str) -> Contents:
    """A store with these objects, and a record that names all of them as those of a job; `of_output`: more records."""
    named = [
        {"role": role, "key": key, "sha256": hashlib.sha256(data).hexdigest(), "version": "1"}
        for (role, key), data in files.items()
    ]
    records = {"hls_64k": {"build": {"run_id": "job"}, "files": named}}
    records |= {output: {"build": {"run_id": run_id}, "files": []} for output, run_id in of_output.items()}
    store = Contents("m", objects=dict(files))
    for name, record in records.items():
        store.objects["archive", f"records/m/{name}.json"] = json.dumps(record).encode()
    return store


PLAYLIST, SEGMENT, PICTURE = ("media", "c/m/64k/playlist.m3u8"), ("media", "c/m/64k/v/s.ts"), ("assets", "c/m/w.png")
OLD_FILES = {PLAYLIST: b"#EXTM3U\nv/s.ts\n", SEGMENT: b"sound", PICTURE: b"waveform"}
NEW_FILES = {PLAYLIST: b"#EXTM3U\n\nv/s.ts\n", SEGMENT: b"sound", PICTURE: b"another waveform"}


def test_the_judge_tells_old_new_mixed_and_damaged() -> None:
    old, new = contents(OLD_FILES).edition, replace(contents(NEW_FILES).edition, job_id="job-now")

    def state(files: dict[Place, bytes], run_id: str) -> str:
        store = contents(OLD_FILES)
        store.objects |= files
        record = store.record("hls_64k")
        assert record is not None
        store.objects["archive", "records/m/hls_64k.json"] = json.dumps(
            {**record, "build": {"run_id": run_id}}
        ).encode()
        return store.state(old, new)[0]

    assert state({}, "job") == "old"
    assert state(NEW_FILES, "job-now") == "new"
    assert state(NEW_FILES, "job") == "mixture"
    assert state({}, "job-now") == "mixture"
    assert state({PICTURE: NEW_FILES[PICTURE]}, "job") == "mixture"
    assert state({PICTURE: b"of neither"}, "job") == "damaged"
    assert state({SEGMENT: b"other bytes"}, "job") == "damaged"
    assert state({PLAYLIST: b"#EXTM3U\nv/gone.ts\n"}, "job") == "damaged"


def test_the_judge_sees_what_is_left() -> None:
    store = contents(OLD_FILES)
    assert store.strays() == []
    store.objects["media", "c/m/64k/w/s.ts"] = b"replaced"
    assert store.strays() == ["c/m/64k/w/s.ts"]
    store.objects["archive", "records/m/replaced.json"] = b'{"objects": [{"prefix": "c/m/64k/w/"}]}'
    assert store.strays() == []
    store.versions["mezzanine/c/m/mezzanine.mp4", "2"] = "0" * 64
    store.current["mezzanine/c/m/mezzanine.mp4"] = "2"
    assert store.unrecorded_mezzanine()


@pytest.mark.ffmpeg
@pytest.mark.timeout(900)
def test_a_dozen_faults_leave_a_whole_set(tmp_path: Path) -> None:
    with (
        fault_bench.prepared(tmp_path / "base", ["audio"], with_unknown=False) as base,
        fault_bench.opened(base, tmp_path / "bench") as bench,
    ):
        verdicts = [bench.try_case(Case(kind, stage, "audio")) for kind, stage in DOZEN[1:]]
        # A slow machine is no fault of the receiver's: its answer is waited for, and one webhook is sent.
        bench.receiver.delay_s = 1.0
        verdicts.append(bench.try_case(Case(*DOZEN[0], "audio")))
    assert [fault_score.line(verdict) for verdict in verdicts if verdict.wrong or not verdict.hits] == []


@pytest.mark.slow
@pytest.mark.ffmpeg
@pytest.mark.timeout(14400)
def test_every_fault_leaves_a_whole_set() -> None:
    everything = list(cases())
    verdicts = fault_score.known()
    verdicts |= fault_score.tried([case for case in everything if case.name not in verdicts], 2)
    assert [fault_score.line(verdict) for verdict in verdicts.values() if verdict.wrong] == []
