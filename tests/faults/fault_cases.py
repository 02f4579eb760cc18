"""Which fault can happen at which stage, and with which media it is tried."""

from __future__ import annotations

from collections.abc import Iterator

from fault_bench import ENCODING, Case, MediaType
from fault_kinds import KINDS, Kind
from fault_stages import STAGES

KEY_STAGES = (
    "lease_taken",
    "history_begun",
    "original_head",
    "original_get",
    "encoding",
    "mezzanine_put",
    "segments_head",
    "switch_noted",
    "playlists",
    "master",
    "records",
)
"""They stand for the others: where a fault is tried that is no other there."""
ALL_STAGES: dict[str, str] = {}
"""Name and description, in the order in which a job comes to them."""
for _stage in STAGES.values():
    if _stage.name == "mezzanine_put":
        ALL_STAGES[ENCODING] = "a tool writes the mezzanine"
    ALL_STAGES[_stage.name] = _stage.description


def cases() -> Iterator[Case]:
    """Every kind at every stage where it can happen."""
    for kind in KINDS.values():
        for name in ALL_STAGES:
            if can_happen(kind, name):
                yield Case(kind.name, name, media_of(kind, name))


def can_happen(kind: Kind, name: str) -> bool:
    """Whether a stage has requests that this can happen to."""
    if kind.stages is not None:
        return name in kind.stages
    if kind.listings:
        return name in ("conditions_tried", "replaced_noted")
    if kind.methods == ("DELETE",):
        return name in ("conditions_tried", "pruned")
    if name not in KEY_STAGES and not kind.everywhere:
        return False
    if name == ENCODING:
        return kind.area == "machine"
    stage = STAGES[name]
    if name == "webhook":
        return kind.area == "machine"
    if kind.area == "write" and kind.name.startswith(("false_412", "condition", "write_done_and_412")):
        # No other write has a condition.
        return name.startswith(("conditions", "lease", "switch", "playlists", "preview_playlist", "master", "pictures"))
    return bool(set(kind.methods) & set(stage.methods))


def media_of(kind: Kind, stage: str) -> MediaType:
    """A video where the stage is one of videos; else one or the other, by the kind."""
    if kind.area == "machine":
        # Such a job encodes itself, and several threads that encode a picture need not make the same bytes again.
        return "audio"
    if stage == "preview_playlist" or kind.area == "parts":
        # The segments of a sound are too small for parts.
        return "video"
    return "video" if (list(KINDS).index(kind.name) + list(ALL_STAGES).index(stage)) % 3 == 0 else "audio"
