"""Records as materializations: the events that building an output would have left in an instance of Dagster.

In: the event of an output, the event of an original, and the tags by which Dagster tells versions and staleness. Not
here: what the UI shows of an output (`output_metadata.py`), which events are stored (`records_import.py`), and how
they are stored (`event_log.py`).

Dagster decides whether a partition is stale by pointers: an event names, for each input, the storage id of that input's
event that it was made from.
"""

from collections.abc import Mapping
from typing import Any

import dagster as dg

from codex_assets import quantities
from codex_assets.archive.records import (
    ORIGINAL,
    MediaRecord,
    MezzanineRecord,
    OriginalRecord,
    OutputRecord,
    StoredFile,
)
from codex_assets.config.links import Links
from codex_assets.defs.output_metadata import metadata, page, place
from codex_assets.media.outputs import parents

UNVERSIONED = "INITIAL"
"""Dagster's data version of what was never materialized: the originals."""
NO_EVENT = "NULL"
"""Dagster's pointer to the event of an input of which there is none. Such an input never counts as changed."""
BEFORE_ANY = -2
"""The pointer of what was made from contents that are not those of the input's latest event: no event is that old, so
whatever the input has now is new. Dagster takes 0 for none, and adds 1."""


def materialization(
    record: OutputRecord,
    versions: Mapping[str, str] | None = None,
    picture: Mapping[str, Any] | None = None,
    links: Links | None = None,
) -> dg.AssetMaterialization:
    """The event of an output, which points at no event of its inputs yet (`pointing` does that).

    `versions` are the data versions of the media's outputs now, by output: for inputs whose version the record does not
    name. `picture` is metadata to show first.
    """
    recorded = record.build.inputs if record.build is not None else {}
    tags = {"dagster/data_version": record.data_version, "dagster/code_version": record.code_version}
    for parent in parents(record.media_type, record.output):
        # Of an original Dagster knows no version, whatever the record says.
        version = (versions or {}).get(parent, UNVERSIONED)
        tags[f"dagster/input_data_version/{_name(record.media_type, parent)}"] = (
            version if parent == ORIGINAL else recorded.get(parent, version)
        )
    event = dg.AssetMaterialization(
        dg.AssetKey([record.media_type, record.output]),
        partition=record.media_id,
        metadata={**(picture or {}), **metadata(record, links)},
        tags=tags,
    )
    return pointing(event, {})


def upload(
    media: MediaRecord, mezzanine: MezzanineRecord, removal: OriginalRecord | None, links: Links | None = None
) -> dg.AssetMaterialization:
    """The event of an original, which no run materializes: the upload that the mezzanine was made from.

    `removal` says since when it has been deleted or missing; None while it is there.
    """
    source = mezzanine.source.model_dump(mode="json", exclude_none=True)
    size = source.pop("size")
    file = StoredFile(role=media.input_role, key=media.input_key, size=size, sha256=source.get("sha256", ""))
    shown: dict[str, Any] = {
        **page(media.media_id, links),
        "key": media.input_key,
        **(place(file, links) if removal is None else {}),
        "stored": quantities.byte_size(size),
        "megabytes": round(size / 1e6, 3),
        **source,
    }
    if removal is not None:
        shown = {"deleted_at" if removal.deleted else "missing_since": removal.gone_since, **shown}
    version = mezzanine.build.inputs.get(ORIGINAL, UNVERSIONED) if mezzanine.build is not None else UNVERSIONED
    return dg.AssetMaterialization(
        dg.AssetKey([media.media_type, ORIGINAL]),
        description="The upload that the mezzanine was made from.",
        partition=media.media_id,
        metadata=shown,
        tags={"dagster/data_version": version},
    )


def pointing(event: dg.AssetMaterialization, pointers: Mapping[str, int]) -> dg.AssetMaterialization:
    """The event with a pointer to an event of each of its inputs.

    `pointers`: input -> storage id of the event that it was made from, or `BEFORE_ANY` where the input has other
    contents now. An input that is not in it gets `NO_EVENT`.
    """
    media_type, output = event.asset_key.path
    tags = {
        _pointer_tag(media_type, parent): str(pointers.get(parent, NO_EVENT)) for parent in parents(media_type, output)
    }
    return event._replace(tags={**(event.tags or {}), **tags})


def pointer(tags: Mapping[str, str], media_type: str, parent: str) -> int | None:
    """The storage id that an event's tags name for one of its inputs; None when they name no event."""
    storage_id = tags.get(_pointer_tag(media_type, parent), NO_EVENT)
    return None if storage_id == NO_EVENT else int(storage_id)


def _pointer_tag(media_type: str, parent: str) -> str:
    return f"dagster/input_event_pointer/{_name(media_type, parent)}"


def _name(media_type: str, output: str) -> str:
    return dg.AssetKey([media_type, output]).to_user_string()
