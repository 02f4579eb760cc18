"""What a creator reads about an upload has one place, and always says what the upload is."""

from __future__ import annotations

import ast
from pathlib import Path

from codex_assets.errors import SourceCode
from codex_assets.media.upload import refusals
from codex_assets.media.upload.refusals import UploadRefusal

PACKAGE = Path(refusals.__file__).parents[2]

EXAMPLES = [
    *(refusal for refusal in vars(refusals).values() if isinstance(refusal, UploadRefusal)),
    refusals.names_other_files("a playlist"),
    refusals.not_media("a PDF document"),
    refusals.damaged_from_the_start("a FLAC file"),
    refusals.not_decoded("snow"),
    refusals.not_decoded("mpegh_3d_audio"),
    refusals.not_read("a MIDI file"),
    refusals.own_colours(5),
    refusals.too_narrow(4000, 20),
    refusals.too_many_channels(128),
    refusals.odd_sample_rate(12),
    refusals.too_many_tracks(200),
    refusals.too_long(100_000.0),
    refusals.too_large(16_000, 9000),
    refusals.too_much_work(80_000.0, 3840, 2160),
    refusals.needs_too_much("memory"),
    refusals.undecodable_track("picture"),
    refusals.mostly_idle(1e12, 1e11),
    refusals.too_much_cut_off("picture", 1.0, 10.0),
    refusals.too_much_lost("sound", 1.0, 10.0),
]


def test_only_refusals_make_the_creators_errors() -> None:
    def makes(path: Path) -> bool:
        return any(
            isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "SourceError"
            for node in ast.walk(ast.parse(path.read_text()))
        )

    assert {path.name for path in PACKAGE.rglob("*.py") if makes(path)} == {"refusals.py"}


def test_every_code_of_an_upload_has_a_sentence() -> None:
    assert {refusal.code for refusal in EXAMPLES} == set(SourceCode)


def test_every_sentence_speaks_of_the_upload() -> None:
    for refusal in EXAMPLES:
        error = refusal.error("what a tool said")
        assert error.public == refusal.sentence
        assert error.public.startswith("The upload")
        assert (error.code, error.detail) == (refusal.code, "what a tool said")
    assert "millions of hours" in refusals.mostly_idle(1e12, 1e11).sentence
