"""Records keep the names that they have on disk, whatever the code calls the same number."""

from __future__ import annotations

import json

import pytest
from pydantic import ValidationError

from codex_assets.archive.records import LoudnessRecord
from codex_assets.media.encode.loudness import Measurement

RECORDED = {"integrated": -17.9, "true_peak": -9.0, "range": 1.1, "threshold": -28.4}


def record(measurement: object) -> LoudnessRecord:
    return LoudnessRecord.model_validate(
        {
            "media_id": "film",
            "media_type": "video",
            "output": "loudness",
            "code_version": "c",
            "data_version": "d",
            "measured_of": "original",
            "measurement": measurement,
        }
    )


def test_a_measurement_is_recorded_under_its_old_names() -> None:
    measurement = Measurement(-17.9, -9.0, 1.1, -28.4)
    made = record(measurement)
    assert made.measurement == measurement
    assert json.dumps(json.loads(made.model_dump_json())["measurement"]) == json.dumps(RECORDED)
    assert made.model_dump(mode="json")["measurement"] == made.model_dump()["measurement"] == RECORDED
    assert LoudnessRecord.model_validate_json(made.model_dump_json()) == made
    assert record(RECORDED) == made
    assert record(None).measurement is None


@pytest.mark.parametrize("damaged", ["loud", [], {"integrated": -17.9}, {**RECORDED, "range": "wide"}])
def test_a_measurement_that_is_none_is_refused(damaged: object) -> None:
    with pytest.raises(ValidationError):
        record(damaged)
