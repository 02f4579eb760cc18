"""A program in which there is one more rung (240p) and one more kind of output (a contact sheet). It shows that both
are seen everywhere without another line: in the plan, keys, recipes, records, Dagster's definitions, payloads, the
webhook, questions to the catalogue, and what people are shown.

It changes the profile and the line-up before anything reads them, as a change of the code would, and is run in a
process of its own for that. What it registers by hand is what the charter of `media/outputs.py` names. argv: an empty
folder.
"""

from __future__ import annotations

import sys
from datetime import UTC, datetime
from io import StringIO
from pathlib import Path
from typing import Any, Literal

from codex_assets.contract import names
from codex_assets.media import profile

profile.LADDER = (*profile.LADDER, profile.VideoVariant("240p", 240, 426, 250, 64, "main"))  # type: ignore[assignment]

from codex_assets.media import outputs, recipe  # noqa: E402 - after the profile has its rung
from codex_assets.media.outputs import DEFINITIONS, LINE_UP, OUTPUTS, OutputKind  # noqa: E402

CONTACT_SHEET = OutputKind(
    "contact_sheet",
    made_from=("mezzanine",),
    work="contact_sheet",
    description="Small pictures of the whole film, side by side.",
    labels=frozenset({"ffmpeg", "jpeg"}),
    is_still=True,
)
LINE_UP["video"] = (*LINE_UP["video"], CONTACT_SHEET)
DEFINITIONS["video"] = outputs.definitions_of("video", LINE_UP["video"])
OUTPUTS["video"] = tuple(output.name for output in DEFINITIONS["video"])
recipe.RECIPES[CONTACT_SHEET] = lambda output: {"rule": 1, "width": profile.PICTURE_WIDTH}

ADDED = ("hls_240p", "contact_sheet")
vars(names).update(
    ASSETS={**names.ASSETS, "video": OUTPUTS["video"]},
    AssetName=Literal[tuple(dict.fromkeys((*OUTPUTS["video"], *OUTPUTS["audio"])))],
    VARIANTS={**names.VARIANTS, "video": ("1080p", "720p", "480p", "360p", "240p", "preview")},
    VariantName=Literal["1080p", "720p", "480p", "360p", "240p", "preview", "128k", "64k"],
)

import dagster as dg  # noqa: E402
import jobs  # noqa: E402
from rich.console import Console  # noqa: E402

from codex_assets.archive import records  # noqa: E402
from codex_assets.archive.records import (  # noqa: E402  # noqa: E402
    MediaRecord,
    MezzanineRecord,
    OutputRecord,
    SourceFacts,
    StoredFile,
    VariantRecord,
    record_type,
)
from codex_assets.archive.store import RecordStore  # noqa: E402
from codex_assets.verification import kinds  # noqa: E402

MEDIA = MediaRecord(
    media_id="film", creator_id="c1", media_type="video", input_role="archive", input_key="originals/c1/film/original"
)


class ContactSheetRecord(OutputRecord):
    pictures: int


records.RECORD_TYPES[CONTACT_SHEET] = ContactSheetRecord
kinds.KINDS[CONTACT_SHEET] = ()

from codex_assets.build.builder import LocalBuilder  # noqa: E402
from codex_assets.build.encoders import EncoderMode, Encoders  # noqa: E402
from codex_assets.cli.views import media as media_views  # noqa: E402
from codex_assets.cli.views import stats as stats_views  # noqa: E402
from codex_assets.config import settings as configuration  # noqa: E402
from codex_assets.contract.payload import PayloadPolicy, parse_payload  # noqa: E402
from codex_assets.definitions import defs  # noqa: E402
from codex_assets.library import published_media, stats  # noqa: E402
from codex_assets.library.catalogue import Catalogue  # noqa: E402
from codex_assets.library.costs import estimate  # noqa: E402
from codex_assets.library.selection import Where  # noqa: E402
from codex_assets.media import target_format  # noqa: E402
from codex_assets.storage import keys  # noqa: E402
from codex_assets.system.tools import Tools  # noqa: E402
from codex_assets.system.workspace import Workspace  # noqa: E402
from codex_assets.worker import announcement  # noqa: E402


def head(output: str) -> dict[str, Any]:
    """What every record of an output says, made by today's recipe."""
    return {
        "media_id": MEDIA.media_id,
        "media_type": MEDIA.media_type,
        "output": output,
        "code_version": recipe.code_version("video", output),
        "data_version": f"dv-{output}",
    }


def published(settings: configuration.Settings) -> RecordStore:
    """An archive with the mezzanine, the new rung and the contact sheet of a media."""
    stores = settings.stores()
    store = RecordStore(stores.archive)
    store.put("film", "media", MEDIA)
    mezzanine = keys.mezzanine("c1", "film")
    stores.archive.write(mezzanine, b"film", content_type="video/mp4")
    playlist = keys.variant_playlist("c1", "film", "video", "240p")
    segment = keys.segment(playlist, 0)
    stores.media.write(segment, b"segment", content_type="video/mp2t")
    made: tuple[OutputRecord, ...] = (
        MezzanineRecord(
            **head("mezzanine"),
            source=SourceFacts(container="mov", size=4),
            duration=12.0,
            width=640,
            height=360,
            frame_rate="25",
            files=(StoredFile(role="archive", key=mezzanine, size=4, sha256="0" * 64),),
        ),
        VariantRecord(**head("hls_240p"), variant="240p", playlist_key=playlist, duration=12.0, width=426, height=240),
        ContactSheetRecord(**head("contact_sheet"), pictures=60),
    )
    for record in made:
        store.put("film", record.output, record)
    return store


def text_of(view: Any) -> str:
    page = StringIO()
    Console(file=page, width=140).print(view)
    return page.getvalue()


def check_media() -> None:
    assert OUTPUTS["video"][-1] == "contact_sheet"
    assert OUTPUTS["video"].index("hls_240p") == OUTPUTS["video"].index("hls_360p") + 1
    assert "hls_240p" in outputs.parents("video", "hls_master")
    assert outputs.parents("video", "contact_sheet") == ("mezzanine",)
    assert "240p" in [rung.name for rung in target_format.rungs(1920, 1080)]
    codes = {output: recipe.code_version("video", output) for output in OUTPUTS["video"]}
    assert len(set(codes.values())) == len(codes)
    assert recipe.numbers("video", "hls_240p")["variant.video_kbps"] == 250
    assert recipe.numbers("video", "contact_sheet")["width"] == profile.PICTURE_WIDTH
    assert (record_type("hls_240p"), record_type("contact_sheet")) == (VariantRecord, ContactSheetRecord)
    assert kinds.kinds_of("hls_240p") == kinds.kinds_of("hls_360p")
    for output in ADDED:
        assert keys.parse_record(keys.record("film", output)) == ("film", output)


def check_dagster() -> None:
    graph = defs.resolve_asset_graph()
    for output in ADDED:
        node = graph.get(dg.AssetKey(["video", output]))
        assert node.code_version == recipe.code_version("video", output)
        assert {key.path[-1] for key in node.parent_keys} == set(outputs.parents("video", output))
        assert node.description
    checks = {key.name for key in graph.asset_check_keys if key.asset_key.path[-1] == "hls_240p"}
    assert checks == {key.name for key in graph.asset_check_keys if key.asset_key.path[-1] == "hls_360p"}
    assert checks
    assert [node.name for node in defs.resolve_job_def("build_video").nodes] == ["video_outputs"]


def check_contract(store: RecordStore) -> None:
    raw = jobs.payload("video", "film", "https://example.com/hook", assets=list(ADDED))
    assert parse_payload(raw, PayloadPolicy(*jobs.BUCKETS)).assets == ADDED
    built = [record for output in ADDED if (record := store.output("film", output)) is not None]
    body = announcement.completed("job-1", MEDIA, built, {})
    assert body.output.ready_variants == ("240p",)


def check_library(settings: configuration.Settings, store: RecordStore) -> None:
    known = published_media.read("film", store)
    assert known is not None
    assert [record.output for record in known.built] == ["mezzanine", *ADDED]
    assert not known.verdicts["contact_sheet"].causes
    assert known.verdicts["hls_360p"].causes
    assert known.meets(Where.parse("output=contact_sheet"))
    catalogue = Catalogue(settings.catalogue, settings.stores().archive)
    catalogue.refresh()
    targets = catalogue.targets(Where(), ADDED, stale_only=False)
    assert [target.outputs for target in targets] == [ADDED]
    assert [line.output for line in estimate(targets, catalogue).lines] == list(ADDED)
    sheet = text_of(media_views.media_sheet(known))
    assert all(output in sheet for output in outputs.wanted("video"))
    gathered = stats.gather(catalogue, now=datetime.now(UTC), listed=settings.stores())
    table = text_of(stats_views.statistics_tables(gathered))
    assert "segments 240p" in table


def check_plan(settings: configuration.Settings, folder: Path) -> None:
    workspace, tools = Workspace(folder / "work"), Tools({})
    LocalBuilder(settings.stores(), tools, Encoders(EncoderMode.X264, tools), workspace).plan(MEDIA, ADDED)
    workspace.close()


def main(folder: Path) -> None:
    settings = configuration.load(jobs.local_environment(folder))
    store = published(settings)
    check_media()
    check_dagster()
    check_contract(store)
    check_library(settings, store)
    check_plan(settings, folder)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
