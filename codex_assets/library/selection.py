"""Which media are meant: the conditions of `--where`, as text, and whether they hold for one media.

Records are read only when a condition depends on them. `catalogue.py` answers the same conditions from its index.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import cast, get_args

from codex_assets.archive.records import MediaRecord, OutputRecord
from codex_assets.contract.names import MediaType
from codex_assets.library.judged import Judged, judged_least
from codex_assets.library.staleness import Verdict
from codex_assets.media.outputs import OUTPUTS

NAMES = ("id", "type", "creator", "output", "recipe", "built_before", "judged", "stale")


@dataclass(frozen=True)
class Where:
    """A condition on a media; what is None is not asked for."""

    media_type: MediaType | None = None
    creator_id: str | None = None
    output: str | None = None
    """It has this output published."""
    stale: bool = False
    """One of its outputs is to be rebuilt; `output` if that is given too."""
    media_ids: tuple[str, ...] | None = None
    recipe: str | None = None
    """An applicable output, or `output`, was built by this code version."""
    built_before: datetime | None = None
    """... was built before this time (UTC)."""
    judged: tuple[Judged, ...] = ()
    """This is true of its least judged output, or of `output`; empty: it does not matter."""

    @classmethod
    def parse(cls, text: str) -> Where:
        """`type=video,creator=X,output=hls_720p,stale`, in any order. Raises `ValueError` with a sentence."""
        values: dict[str, str] = {}
        for part in filter(None, re.split(r"[,\s]+", text)):
            name, _, value = part.partition("=")
            if name not in NAMES or (name == "stale") == bool(value):
                known = ", ".join(f"{condition}=" for condition in NAMES[:-1])
                raise ValueError(f"`{part}` is no condition; there are {known} and stale.")
            if values.get(name, value) != value:
                raise ValueError(f"`{name}` cannot be both `{values[name]}` and `{value}`.")
            values[name] = value
        if values.get("type") not in (None, *get_args(MediaType)):
            raise ValueError(f"`type` is one of {', '.join(get_args(MediaType))}.")
        outputs = sorted({output for outputs in OUTPUTS.values() for output in outputs})
        if values.get("output") not in (None, *outputs):
            raise ValueError(f"`output` is one of {', '.join(outputs)}.")
        return cls(
            media_type=cast("MediaType | None", values.get("type")),
            creator_id=values.get("creator"),
            output=values.get("output"),
            stale="stale" in values,
            media_ids=tuple(filter(None, values["id"].split("+"))) if "id" in values else None,
            recipe=values.get("recipe"),
            built_before=_parse_time(values["built_before"]) if "built_before" in values else None,
            judged=_parse_judged(values["judged"]) if "judged" in values else (),
        )

    def may_hold(self, media: MediaRecord) -> bool:
        """Whether it can hold for this media, as far as the media's own record says."""
        return (
            self.media_type in (None, media.media_type)
            and self.creator_id in (None, media.creator_id)
            and (self.media_ids is None or media.media_id in self.media_ids)
            and (self.output is None or self.output in OUTPUTS[media.media_type])
        )

    def holds_unbuilt(self, media: MediaRecord) -> bool:
        """Whether it holds for a media of which nothing was built, nor is to be."""
        return self.holds(media, dict, dict)

    def holds(
        self,
        media: MediaRecord,
        outputs: Callable[[], Mapping[str, OutputRecord | None]],
        verdicts: Callable[[], Mapping[str, Verdict]],
    ) -> bool:
        """Whether it holds for a media.

        `outputs` gives the media's records by output, `verdicts` the verdicts on them: each is called at most once, and
        only when the condition depends on it.
        """
        if not self.may_hold(media):
            return False
        if self.output is not None or self.recipe is not None or self.built_before is not None:
            built = [
                record
                for name, record in outputs().items()
                if record is not None and record.applicable and self.output in (None, name)
            ]
            if not any(self._is_built_so(record) for record in built):
                return False
        return self.accepts(verdicts()) if self.stale or self.judged else True

    def accepts(self, verdicts: Mapping[str, Verdict]) -> bool:
        """Whether it holds for a media as far as that depends on the verdicts on its outputs."""
        asked = [verdict for verdict in verdicts.values() if self.output in (None, verdict.output)]
        if self.stale and not any(verdict.is_stale for verdict in asked):
            return False
        return not self.judged or judged_least(verdict.judged for verdict in asked) in self.judged

    def _is_built_so(self, record: OutputRecord) -> bool:
        if self.recipe not in (None, record.code_version):
            return False
        if self.built_before is None:
            return True
        return record.build is not None and moment(record.build.built_at) < self.built_before


def moment(text: str) -> datetime:
    """A day or a time in ISO 8601, in UTC unless it says otherwise. Raises `ValueError`."""
    parsed = datetime.fromisoformat(text)
    return parsed.replace(tzinfo=UTC) if parsed.tzinfo is None else parsed.astimezone(UTC)


def _parse_time(text: str) -> datetime:
    try:
        return moment(text)
    except ValueError:
        raise ValueError("`built_before` is a day or a time, such as 2026-01-31 or 2026-01-31T12:00.") from None


def _parse_judged(text: str) -> tuple[Judged, ...]:
    try:
        return tuple(map(Judged, text.split("+")))
    except ValueError:
        raise ValueError("`judged` is today, old or never, or several of them, such as old+never.") from None
