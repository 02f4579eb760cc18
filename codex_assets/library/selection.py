"""Which media are meant: the conditions of `--where`, as text and as they hold for one media.

What a condition is asked of may cost more than knowing the media: records are only looked at when one of them matters.
`catalogue` answers the same conditions from its index.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import cast, get_args

from codex_assets.archive.records import MediaRecord, OutputRecord
from codex_assets.contract.names import MediaType
from codex_assets.media.outputs import OUTPUTS

NAMES = ("id", "type", "creator", "output", "recipe", "built_before", "stale")


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

    @classmethod
    def parse(cls, text: str) -> Where:
        """`type=video,creator=X,output=hls_720p,stale`, in any order. Raises `ValueError` with a sentence."""
        found: dict[str, str] = {}
        for part in filter(None, re.split(r"[,\s]+", text)):
            name, _, value = part.partition("=")
            if name not in NAMES or (name == "stale") == bool(value):
                known = ", ".join(f"{one}=" for one in NAMES[:-1])
                raise ValueError(f"`{part}` is no condition; there are {known} and stale.")
            if found.get(name, value) != value:
                raise ValueError(f"`{name}` cannot be both `{found[name]}` and `{value}`.")
            found[name] = value
        if found.get("type") not in (None, *get_args(MediaType)):
            raise ValueError(f"`type` is one of {', '.join(get_args(MediaType))}.")
        outputs = sorted({one for some in OUTPUTS.values() for one in some})
        if found.get("output") not in (None, *outputs):
            raise ValueError(f"`output` is one of {', '.join(outputs)}.")
        return cls(
            media_type=cast("MediaType | None", found.get("type")),
            creator_id=found.get("creator"),
            output=found.get("output"),
            stale="stale" in found,
            media_ids=tuple(filter(None, found["id"].split("+"))) if "id" in found else None,
            recipe=found.get("recipe"),
            built_before=_given(found["built_before"]) if "built_before" in found else None,
        )

    def names(self, media: MediaRecord) -> bool:
        """Whether it can hold for this media, by what the media itself says."""
        return (
            self.media_type in (None, media.media_type)
            and self.creator_id in (None, media.creator_id)
            and (self.media_ids is None or media.media_id in self.media_ids)
            and (self.output is None or self.output in OUTPUTS[media.media_type])
        )

    def holds(
        self,
        media: MediaRecord,
        outputs: Callable[[], Mapping[str, OutputRecord | None]],
        stale: Callable[[], list[str]],
    ) -> bool:
        """`outputs` and `stale` are asked at most once, and only when it depends on them."""
        if not self.names(media):
            return False
        if self.output is not None or self.recipe is not None or self.built_before is not None:
            built = [
                record
                for name, record in outputs().items()
                if record is not None and record.applicable and self.output in (None, name)
            ]
            if not any(self._built(record) for record in built):
                return False
        if not self.stale:
            return True
        found = stale()
        return bool(found) if self.output is None else self.output in found

    def _built(self, record: OutputRecord) -> bool:
        if self.recipe not in (None, record.code_version):
            return False
        if self.built_before is None:
            return True
        return record.build is not None and moment(record.build.built_at) < self.built_before


def moment(text: str) -> datetime:
    """A day or a time as ISO 8601 has it, in UTC unless it says otherwise. Raises `ValueError`."""
    told = datetime.fromisoformat(text)
    return told.replace(tzinfo=UTC) if told.tzinfo is None else told.astimezone(UTC)


def _given(text: str) -> datetime:
    try:
        return moment(text)
    except ValueError:
        raise ValueError("`built_before` is a day or a time, such as 2026-01-31 or 2026-01-31T12:00.") from None
