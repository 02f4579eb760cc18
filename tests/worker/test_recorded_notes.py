"""An upload with something that a viewer would complain of: who is told, and that nothing else changes by it."""

from __future__ import annotations

from pathlib import Path

import break_outputs
import pytest
import whole_job
from commands import call

from codex_assets.archive.records import VariantRecord
from codex_assets.archive.store import RecordStore
from codex_assets.defs.output_metadata import metadata
from codex_assets.media.outputs import wanted
from codex_assets.worker import announcement

SENTENCE = "The right channel is silent throughout, and the left one is not."
NOTE = {"kind": "channel_silent", "from": 0.0, "to": 7.0, "sentence": SENTENCE}


@pytest.mark.ffmpeg
def test_a_dead_channel_is_noted_and_the_webhook_says_nothing_of_it(tmp_path: Path) -> None:
    upload = tmp_path / "talk.wav"
    break_outputs.ffmpeg("-f", "lavfi", "-i", "aevalsrc='0.3*sin(2*PI*300*t)*abs(sin(4*t))|0':s=48000:d=7", str(upload))
    delivered = whole_job.deliver(upload, "audio", tmp_path)
    assert delivered.warnings == []

    records = RecordStore(delivered.stores.archive)
    media = records.media(whole_job.MEDIA)
    assert media is not None
    built = [record for name in wanted("audio") if (record := records.output(whole_job.MEDIA, name)) is not None]
    variants = [record for record in built if isinstance(record, VariantRecord)]
    assert [record.model_dump(mode="json")["notes"] for record in variants] == [[NOTE], [NOTE]]
    assert SENTENCE in metadata(variants[0])["notes"].value

    # The same body is made of records without notes.
    plain = [record.model_copy(update={"notes": None}) if record in variants else record for record in built]
    assert announcement.completed("job-1", media, plain, {}).wire() == delivered.body
    assert "note" not in str(delivered.body)

    store = tmp_path / "stores"
    assert SENTENCE in call("show", whole_job.MEDIA, store=store).out
    verified = call("verify", whole_job.MEDIA, store=store)
    assert verified.code == 0
    assert f"note: {whole_job.MEDIA}: " in verified.out
    again = call("verify", whole_job.MEDIA, "--json", store=store)
    assert again.code == 0
    assert again.json["media"][0]["notes"] == [NOTE]
    shown = call("show", whole_job.MEDIA, "--json", store=store).json
    assert shown["notes"] == [NOTE]
    assert [checked.get("notes") for checked in shown["verification"]["outputs"] if checked["output"] == "hls_64k"] == [
        [NOTE]
    ]


def test_a_record_without_notes_is_one_that_nobody_looked_at() -> None:
    old = (Path(__file__).parents[1] / "archive" / "old_records" / "hls_720p.json").read_text(encoding="utf-8")
    assert VariantRecord.model_validate_json(old).notes is None
    assert "notes" not in VariantRecord.model_validate_json(old).model_dump(mode="json", exclude_none=True)
