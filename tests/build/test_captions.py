"""Closed captions of an upload's picture, from the upload to every variant: whole, in order, and declared."""

from __future__ import annotations

import re
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import pytest
from caption_clips import (
    NULL_PAIRS,
    captions_in,
    captions_of_segments,
    film,
    run,
    text_608,
    text_708,
)
from workbench import Bench, complaints

from codex_assets.archive.records import MasterRecord, MezzanineRecord, OutputRecord, VariantRecord
from codex_assets.build import caption_transfer
from codex_assets.media import transport_stream
from codex_assets.media.upload import refusals

pytestmark = pytest.mark.ffmpeg

FRAMES = range(90)


@dataclass(frozen=True)
class Built:
    """What was published of an upload, and where it lies."""

    records: dict[str, OutputRecord]
    bench: Bench
    scratch: Path

    @property
    def mezzanine(self) -> MezzanineRecord:
        record = self.records["mezzanine"]
        assert isinstance(record, MezzanineRecord)
        return record

    @property
    def variants(self) -> list[VariantRecord]:
        """The variants and the preview."""
        records = self.records.values()
        return [record for record in records if isinstance(record, VariantRecord) and record.applicable]

    @property
    def master(self) -> str:
        record = self.records["hls_master"]
        assert isinstance(record, MasterRecord)
        assert record.master_key is not None
        return self.bench.stores.media.read(record.master_key).decode()

    def captions_of_mezzanine(self) -> bytes:
        (stored,) = self.mezzanine.files
        return captions_in(self.bench.root / "archive" / stored.key)

    def captions_of(self, variant: VariantRecord) -> bytes:
        assert variant.playlist_key is not None
        return captions_of_segments(self.bench.root / "media" / variant.playlist_key, self.scratch)


def build(upload: Path, tmp_path: Path) -> Built:
    bench = Bench(tmp_path / "store", "video", tmp_path)
    bench.stores.archive.upload(upload, bench.media.input_key, content_type="application/octet-stream")
    records = bench.build()
    assert complaints(records) == []
    return Built(records, bench, tmp_path)


def assert_carried(built: Built, expected: bytes, services: tuple[str, ...]) -> None:
    """Every output has these triplets, and says so."""
    assert built.mezzanine.captions == built.mezzanine.source.captions == services
    assert built.mezzanine.warnings == ()
    assert built.captions_of_mezzanine() == expected
    assert {variant.output for variant in built.variants} >= {"hls_360p", "preview"}
    for variant in built.variants:
        assert variant.captions == services
        assert built.captions_of(variant) == expected
    declared = re.findall(r'#EXT-X-MEDIA:TYPE=CLOSED-CAPTIONS,GROUP-ID="captions",.*INSTREAM-ID="(\w+)"', built.master)
    assert tuple(declared) == services
    streams = re.findall(r"#EXT-X-STREAM-INF:.*", built.master)
    assert streams
    assert all(stream.endswith(',VIDEO-RANGE=SDR,CLOSED-CAPTIONS="captions"') for stream in streams)


def assert_left_out(built: Built) -> None:
    assert built.mezzanine.captions == ()
    assert built.captions_of_mezzanine() == b""
    for variant in built.variants:
        assert variant.captions == ()
        assert built.captions_of(variant) == b""
    streams = re.findall(r"#EXT-X-STREAM-INF:.*", built.master)
    assert streams
    assert all(stream.endswith(",VIDEO-RANGE=SDR,CLOSED-CAPTIONS=NONE") for stream in streams)
    assert "EXT-X-MEDIA" not in built.master


def test_captions_of_both_kinds_are_in_every_variant_as_they_were_uploaded(tmp_path: Path) -> None:
    captions = {frame: text_708(frame) for frame in FRAMES}
    built = build(film(tmp_path / "film.mp4", captions), tmp_path)
    assert_carried(built, b"".join(captions.values()), ("CC1", "SERVICE1"))
    assert "#EXT-X-VERSION:7\n" in built.master


@pytest.mark.slow
def test_captions_that_start_late_are_carried_too(tmp_path: Path) -> None:
    captions = {frame: text_608(frame) for frame in range(200, 220)}
    built = build(film(tmp_path / "film.mkv", captions, frames=220), tmp_path)
    assert_carried(built, b"".join(captions.values()), ("CC1",))


@pytest.mark.slow
def test_interlaced_captions_stay_with_the_first_field_of_their_picture(tmp_path: Path) -> None:
    captions = {frame: text_708(frame) for frame in range(60)}
    upload = film(
        tmp_path / "film.ts",
        captions,
        frames=60,
        encoding=("-vf", "interlace,fps=30000/1001", "-flags", "+ilme+ildct", "-x264-params", "interlaced=1"),
        picture="testsrc2=s=640x480",
    )
    built = build(upload, tmp_path)
    assert built.mezzanine.frame_rate == "60000/1001"
    assert_carried(built, b"".join(captions.values()), ("CC1", "SERVICE1"))


@pytest.mark.slow
def test_captions_of_a_broadcast_in_mpeg_2_are_carried_in_the_order_of_display(tmp_path: Path) -> None:
    captions = {frame: text_708(frame) for frame in FRAMES}
    plain = film(tmp_path / "plain.mp4", captions)
    run("-i", str(plain), "-c:v", "mpeg2video", "-b:v", "1M", "-bf", "2", "-c:a", "mp2", str(tmp_path / "film.mpg"))
    assert_carried(build(tmp_path / "film.mpg", tmp_path), b"".join(captions.values()), ("CC1", "SERVICE1"))


@pytest.mark.slow
def test_captions_of_a_varying_rate_are_carried_at_their_times(tmp_path: Path) -> None:
    captions = {frame: text_608(frame) for frame in FRAMES}
    plain = film(tmp_path / "plain.mkv", captions, sound=False)
    holes = "setts=pts=PTS+100*floor(N/20):dts=DTS+100*floor(N/20)"
    run("-i", str(plain), "-c", "copy", "-bsf:v", holes, str(tmp_path / "film.mkv"))
    built = build(tmp_path / "film.mkv", tmp_path)
    assert_carried(built, b"".join(captions.values()), ("CC1",))


@pytest.mark.slow
def test_captions_that_fewer_pictures_cannot_carry_are_left_out_with_a_warning(tmp_path: Path) -> None:
    captions = {frame: text_608(frame) for frame in range(240)}
    built = build(film(tmp_path / "film.mp4", captions, frames=240, rate="120"), tmp_path)
    assert built.mezzanine.warnings == (refusals.CAPTIONS_LEFT_OUT,)
    assert built.mezzanine.source.captions == ("CC1",)
    assert_left_out(built)


@pytest.mark.parametrize(
    "captions",
    [pytest.param({}, marks=pytest.mark.slow), dict.fromkeys(FRAMES, NULL_PAIRS)],
    ids=["none", "only pauses"],
)
def test_an_upload_without_captions_says_that_there_are_none(captions: dict[int, bytes], tmp_path: Path) -> None:
    built = build(film(tmp_path / "film.mp4", captions), tmp_path)
    assert built.mezzanine.warnings == ()
    assert built.mezzanine.source.captions == ()
    assert_left_out(built)


@pytest.mark.slow
def test_a_preview_that_is_built_alone_has_the_bytes_of_the_variant(tmp_path: Path) -> None:
    captions = {frame: text_708(frame) for frame in FRAMES}
    built = build(film(tmp_path / "film.mp4", captions), tmp_path)
    before = built.bench.objects()
    built.bench.build(["preview"])
    assert {key: facts[0] for key, facts in built.bench.objects().items()} == {
        key: facts[0] for key, facts in before.items()
    }


def test_captions_change_nothing_else_of_a_segment(tmp_path: Path) -> None:
    segment = tmp_path / "segment.ts"
    encoded = ("-c:v", "libx264", "-preset", "ultrafast", "-bf", "2", "-c:a", "aac")
    run("-f", "lavfi", "-i", "testsrc2=s=320x180:r=25:d=2", "-f", "lavfi", "-i", "sine=d=2", *encoded, str(segment))
    plain = segment.read_bytes()
    assert transport_stream.Rewriter().rewritten(plain, {}) == plain
    caption_transfer.into_segments([segment], {frame: text_708(frame) for frame in range(50)}, Fraction(25))
    without = tmp_path / "without.ts"
    run("-i", str(segment), "-c", "copy", "-bsf:v", "filter_units=remove_types=6", str(without))
    same = tmp_path / "same.ts"
    same.write_bytes(plain)
    run("-i", str(same), "-c", "copy", "-bsf:v", "filter_units=remove_types=6", str(tmp_path / "plain.ts"))
    assert without.read_bytes() == (tmp_path / "plain.ts").read_bytes()
    assert captions_in(segment) == b"".join(text_708(frame) for frame in range(50))
