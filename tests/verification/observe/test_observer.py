"""Good outputs pass every rule; each of them, broken in one way, fails exactly the rules that have to tell of it."""

from __future__ import annotations

import json
import shutil
import tempfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from pathlib import Path

import break_captions
import break_delivery
import break_optional
import break_outputs
import break_playlists  # noqa: F401 - its breaks
import break_streams  # noqa: F401 - its breaks
import certificates
import pytest
from break_optional import STORYBOARD_MISTAKES
from break_outputs import BREAKS, KBPS, SECONDS, SIZES, THUMBNAIL_MISTAKES, TOOLS, VARIANT, WAVEFORM_MISTAKES, Break
from hls_site import site
from slow_cases import some_slow

from codex_assets.archive.findings import Finding
from codex_assets.archive.records import MediaRecord, MezzanineRecord, SourceFacts, ThumbnailRecord
from codex_assets.build import upload_check
from codex_assets.media import profile
from codex_assets.net import hls_fetch
from codex_assets.net.outward import Outward
from codex_assets.storage.objects import file_sha256
from codex_assets.verification import causes, measures
from codex_assets.verification.hls_check import delivery_of
from codex_assets.verification.judge import RULES, Observation, judge
from codex_assets.verification.observations import (
    LoudnessExpected,
    MasterExpected,
    MasterObservation,
    MezzanineExpected,
    MezzanineObservation,
    VariantExpected,
    VariantObservation,
    WaveformExpected,
)
from codex_assets.verification.observe.observer import Observer
from codex_assets.verification.observe.upload_pictures import UploadedMedia
from codex_assets.verification.record_observations import PublicCopy, PublishedFile, missing_record, record_observation

pytestmark = pytest.mark.ffmpeg
CUTS = (6.0, 12.0, 14.0)


@dataclass(frozen=True)
class Good:
    """The good outputs, what was observed of the variants, and who observes."""

    root: Path
    observer: Observer
    variants: dict[str, VariantObservation]

    def expected(self, name: str) -> VariantExpected:
        return VariantExpected(
            size=SIZES[name],
            frame_rate=Fraction(25),
            has_video=True,
            has_audio=True,
            h264_profile="main",
            duration=float(SECONDS),
            cuts=CUTS,
            video_kbps=KBPS[name],
            steady_gain=True,
            gain=0.0,
        )

    def look(self, what: str, root: Path) -> tuple[Observation, ...]:
        """Observe one output, or a group of them, in `root`; always against the good mezzanine."""
        looks: dict[str, Callable[[Path], tuple[Observation, ...]]] = {
            # A playlist's text changes nothing of what its segments decode to.
            "listing": lambda at: (
                self.observer.variant(
                    at / VARIANT / "playlist.m3u8", self.expected(VARIANT), output=f"hls_{VARIANT}", decode=False
                ),
            ),
            "versioned": lambda at: (
                self.observer.variant(
                    break_outputs.in_its_version(at), self.expected(VARIANT), output=f"hls_{VARIANT}", decode=False
                ),
            ),
            "variant": lambda at: (self._variant(at / VARIANT / "playlist.m3u8"),),
            "renamed": lambda at: (self._variant(at / VARIANT / "index.m3u8"),),
            "preview": self._preview,
            "audio": self._audio,
            "master": lambda at: (self._master(at, self.variants),),
            "rewritten": self._rewritten,
            "layout": self._layout,
            "hls": lambda at: self.observer.hls(at / "master.m3u8"),
            "delivery": self._delivery,
            "mezzanine": self._mezzanine,
            "uploaded": self._uploaded,
            "origin": self._origin,
            "captions": self._captions,
            "captioned": lambda at: (self.captioned(at),),
            "thumbnail": lambda at: (
                self.observer.thumbnail(at / "thumbnail.jpg", reference=self.mezzanine, at=0.1 * SECONDS),
            ),
            "portrait": lambda at: (
                self.observer.thumbnail(at / "thumbnail.jpg", reference=at / "mezzanine.mp4", at=0.2),
            ),
            "storyboard": lambda at: (
                self.observer.storyboard(at / "storyboard.vtt", float(SECONDS), reference=self.mezzanine),
            ),
            "thumbnails": lambda at: (
                self.observer.small_thumbnails(
                    [at / f"{width}.webp" for width, _ in profile.THUMBNAIL_SIZES],
                    reference=self.mezzanine,
                    at=0.1 * SECONDS,
                ),
            ),
            "blurhash": lambda at: (
                self.observer.blurhash(at / "blurhash.txt", reference=self.mezzanine, at=0.1 * SECONDS),
            ),
            "record": self._record,
            "loudness": self._loudness,
            "waveform_json": self._waveform,
            "waveform_png": self._waveform_picture,
        }
        return looks[what](root)

    @property
    def mezzanine(self) -> Path:
        return self.root / "mezzanine.mp4"

    def _variant(self, playlist: Path) -> VariantObservation:
        return self.observer.variant(
            playlist, self.expected(VARIANT), output=f"hls_{VARIANT}", reference=self.mezzanine
        )

    def _preview(self, root: Path) -> tuple[Observation, ...]:
        expected = VariantExpected(has_video=True, has_audio=True, duration=float(SECONDS))
        return (self.observer.preview(root / "preview" / "preview.m3u8", expected, reference=self.mezzanine),)

    def _audio(self, root: Path) -> tuple[Observation, ...]:
        best = self.observer.variant(root / "audio/128k/playlist.m3u8", output="hls_128k", reference=self.mezzanine)
        expected = VariantExpected(
            has_video=False,
            has_audio=True,
            duration=float(SECONDS),
            cuts=measures.cuts(segment.extinf for segment in best.segments),
        )
        playlist = root / "audio/64k/playlist.m3u8"
        return (best, self.observer.variant(playlist, expected, output="hls_64k", reference=self.mezzanine))

    def _master(self, root: Path, variants: dict[str, VariantObservation]) -> Observation:
        return self.observer.master(root / "master.m3u8", variants, MasterExpected(tuple(SIZES)))

    def _layout(self, root: Path) -> tuple[Observation, ...]:
        """The master of a folder with nothing but playlists and their segments."""
        folder = root / break_outputs.LAID_OUT
        for name in (*SIZES, "preview"):
            shutil.copytree(root / name, folder / name)
        shutil.copy(root / "master.m3u8", folder)
        master = self.observer.hls(folder / "master.m3u8", decode=False)[-1]
        assert isinstance(master, MasterObservation)
        return (replace(master, expected=MasterExpected(is_of_contract=True)),)

    def _rewritten(self, root: Path) -> tuple[Observation, ...]:
        """A master that is true to its changed variants."""
        variants = {**self.variants, VARIANT: self._variant(root / VARIANT / "playlist.m3u8")}
        break_outputs.write_master(root / "master.m3u8", list(variants.items()))
        return (self._master(root, variants),)

    def _delivery(self, root: Path) -> tuple[Observation, ...]:
        """What a server says that delivers `root` as the break has it; without a word of it, as it should be."""
        delivery = break_delivery.read_delivery(root)
        certificate = certificates.made(root, "localhost", "127.0.0.1")
        outward = Outward(certificates=(certificate.authority,))
        with (
            site(root, delivery, certificate.server if break_delivery.has_tls(root) else None) as url,
            tempfile.TemporaryDirectory() as folder,
        ):
            start = f"{url}/{break_delivery.START if (root / break_delivery.START).exists() else 'master.m3u8'}"
            fetched = hls_fetch.fetch(start, Path(folder), allow_private=True, outward=outward)
            return (replace(delivery_of(fetched), is_ours=True),)

    def _mezzanine(self, root: Path) -> tuple[Observation, ...]:
        expected = MezzanineExpected(float(SECONDS), (320, 180), Fraction(25), True, True, channels=2)
        return (self.observer.mezzanine(root / "mezzanine.mp4", expected),)

    def _uploaded(self, root: Path) -> tuple[Observation, ...]:
        """The mezzanine in `root`, as if the good one were the upload that it was made of, where there is no other."""
        expected = MezzanineExpected(float(SECONDS), (320, 180), Fraction(25), True, True, gain=0.0)
        other = root / "upload.mkv"
        uploaded = other if other.exists() else self.mezzanine
        info = upload_check.examine(TOOLS, "video", uploaded).info
        assert info.video is not None
        # Of this size, colours without a name would be converted.
        info = replace(info, video=replace(info.video, matrix="bt709"))
        upload = UploadedMedia(uploaded, info, with_picture=True)
        return (self.observer.mezzanine(root / "mezzanine.mp4", expected, upload=upload),)

    def _origin(self, root: Path) -> tuple[Observation, ...]:
        """The mezzanine in `root`, judged together with the variants there."""
        (mezzanine,) = self._mezzanine(root)
        assert isinstance(mezzanine, MezzanineObservation)
        names = {f"hls_{name}": root / name / "playlist.m3u8" for name in SIZES}
        findings: dict[str, list[Finding]] = {"mezzanine": list(judge(mezzanine))}
        for output, playlist in names.items():
            expected = self.expected(output.removeprefix("hls_"))
            seen = self.observer.variant(playlist, expected, output=output, reference=root / "mezzanine.mp4")
            findings[output] = list(judge(seen))
        blamed = causes.disagreements(findings, causes.Evidence(variants=tuple(names)))
        rest = causes.without_consequences(findings, blamed, None)
        assert [each for output in names for each in rest[output] if not each.passed] == []
        return (replace(mezzanine, disagreements=blamed),)

    def _captions(self, root: Path) -> tuple[Observation, ...]:
        """A mezzanine with captions, a variant of it, always against the good mezzanine, and their master."""
        folder, captions = root / break_captions.FOLDER, break_captions.SERVICES
        seen = self.captioned(root)
        mezzanine = self.observer.mezzanine(folder / "mezzanine.mp4", MezzanineExpected(captions=captions))
        master = self.observer.master(
            folder / "master.m3u8", {break_captions.RUNG: seen}, MasterExpected((break_captions.RUNG,))
        )
        return (mezzanine, seen, master)

    def captioned(self, root: Path) -> VariantObservation:
        playlist = root / break_captions.FOLDER / break_captions.RUNG / "playlist.m3u8"
        expected = VariantExpected(frame_rate=Fraction(25), captions=break_captions.SERVICES)
        reference = self.root / break_captions.FOLDER / "mezzanine.mp4"
        return self.observer.variant(playlist, expected, output="hls_360p", reference=reference, decode=False)

    def _waveform(self, root: Path) -> tuple[Observation, ...]:
        expected, sound = WaveformExpected(float(SECONDS), False), self.root / "sound.wav"
        return (self.observer.waveform_json(root / "waveform.json", expected, reference=sound),)

    def _waveform_picture(self, root: Path) -> tuple[Observation, ...]:
        expected, sound = WaveformExpected(float(SECONDS), False), self.root / "sound.wav"
        return (self.observer.waveform_png(root / "waveform.png", expected, reference=sound),)

    def _record(self, root: Path) -> tuple[Observation, ...]:
        path = root / "thumbnail.json"
        if not path.exists():
            return (missing_record("thumbnail"),)
        record = ThumbnailRecord.model_validate_json(path.read_bytes())
        source = MezzanineRecord(
            media_id="m1",
            media_type="video",
            output="mezzanine",
            code_version="0" * 12,
            data_version="0" * 32,
            source=SourceFacts(container="mov", size=1),
            duration=float(SECONDS),
            frame_rate="25",
        )
        media = MediaRecord(
            media_id="m1", creator_id="c1", media_type="video", input_role="archive", input_key="c1/upload"
        )
        (recorded,) = record.files
        still = root / "thumbnail.jpg"
        headers = {"content_type": "image/jpeg", "cache_control": "max-age=300, must-revalidate"}
        if (root / break_outputs.HEADERS).exists():
            headers |= json.loads((root / break_outputs.HEADERS).read_text())
        fetched = PublishedFile(still.name, recorded.size, recorded.sha256, still.stat().st_size, file_sha256(still))
        file = replace(
            fetched, is_delivered=True, content_type=headers["content_type"], cache_control=headers["cache_control"]
        )
        seen = self.observer.thumbnail(still, reference=self.mezzanine, at=0.1 * SECONDS)
        observed = record_observation(record.output, record, media, source, [file], [seen])
        left = root / break_outputs.LEFT
        listed = json.loads(left.read_text()) if left.exists() else {}
        names = ("exposed", "beside", "missing", "others")
        exposed, beside, missing, others = (tuple(listed.get(name, ())) for name in names)
        return (replace(observed, exposed=exposed, beside=beside, public_copy=PublicCopy(missing, others)),)

    def _loudness(self, root: Path) -> tuple[Observation, ...]:
        delivered = root / "delivered.wav"
        media = delivered if delivered.exists() else root / "360p" / "playlist.m3u8"
        recorded = root / break_outputs.UPLOAD_LOUDNESS
        lufs, dbtp = json.loads(recorded.read_text()) if recorded.exists() else (-16.0, -10.0)
        expected = LoudnessExpected(target=-16.0, silent=False, upload_lufs=lufs, upload_dbtp=dbtp, is_steady=True)
        heard = self.observer.loudness(media, expected, output="loudness")
        # What is not cut from the mezzanine was not compared with it.
        return (heard if media == delivered else replace(heard, gain=0.0),)


@pytest.fixture(scope="session")
def good(tmp_path_factory: pytest.TempPathFactory) -> Good:
    # A blank and a quote in the path: playlists of segments are handed to ffmpeg as a list that has to be escaped.
    root = tmp_path_factory.mktemp("good") / "creator's media"
    break_outputs.make_good(root)
    break_optional.make_good(root)
    made = Good(root, Observer(TOOLS), {})
    for name in SIZES:
        playlist = root / name / "playlist.m3u8"
        made.variants[name] = made.observer.variant(
            playlist, made.expected(name), output=f"hls_{name}", reference=made.mezzanine
        )
    master = root / "master.m3u8"
    break_captions.make_captioned(root)
    break_outputs.write_master(master, [(break_captions.RUNG, made.captioned(root))])
    break_captions.write_captioned_master(root, master.read_text())
    break_outputs.write_master(master, list(made.variants.items()))
    return made


@pytest.fixture
def copy(good: Good, tmp_path: Path) -> Iterator[Path]:
    root = tmp_path / "copy"
    shutil.copytree(good.root, root)
    yield root
    shutil.rmtree(root)


def failed(observations: Sequence[Observation]) -> set[str]:
    return {finding.rule for seen in observations for finding in judge(seen) if not finding.passed}


def findings_on(observations: Sequence[Observation]) -> list[Finding]:
    return [finding for seen in observations for finding in judge(seen)]


@pytest.fixture(scope="session")
def good_findings(good: Good, upright: Path) -> list[Finding]:
    looks = ("variant", "preview", "audio", "master", "hls", "delivery", "origin", "thumbnail", "record", "loudness")
    others = ("uploaded", "waveform_json", "waveform_png", "captions", "versioned")
    return [
        finding
        for what in (*looks, *("storyboard", "thumbnails", "blurhash"), *others)
        for finding in findings_on(good.look(what, good.root))
    ] + findings_on(good.look("portrait", upright))


@pytest.fixture(scope="session")
def upright(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("upright")
    break_outputs.portrait(root, "black")
    return root


def test_good_outputs_pass_every_rule(good_findings: list[Finding]) -> None:
    assert [finding for finding in good_findings if not finding.passed] == []


def test_every_rule_applies_to_a_good_output(good_findings: list[Finding]) -> None:
    assert set(RULES) == {finding.rule for finding in good_findings}


DECODED = ("variant", "renamed", "uploaded", "origin", "preview", "rewritten")
"""To look at these is to decode the variant, or the upload, and to compare it with the mezzanine."""
QUICK_OF_THE_DECODED = (
    *("key_frame_shifted", "key_frame_damaged", "segment_without_tables"),
    *("sound_missing", "sound_starts_late", "picture_of_another_media"),
    *("preview_too_short", "mezzanine_mirrors_the_upload", "mezzanine_loses_the_sound"),
)


def is_quick(number: int, broken: Break) -> bool:
    """The first of its rules; of those that take longest, some of each kind."""
    if broken.looks in DECODED:
        return broken.name in QUICK_OF_THE_DECODED
    return all(before.rules != broken.rules for before in BREAKS[:number])


@pytest.mark.parametrize("broken", some_slow(BREAKS, is_quick), ids=lambda broken: broken.name)
def test_break_is_told_by_its_rule_alone(good: Good, copy: Path, broken: Break) -> None:
    broken.apply(copy)
    observations = good.look(broken.looks, copy)
    assert failed(observations) == broken.rules
    for finding in findings_on(observations):
        assert str(copy) not in finding.message + finding.observed + finding.expected + finding.where
        assert "/tmp" not in finding.message
        assert finding.message.endswith(".")


@pytest.mark.parametrize(
    ("name", "words"),
    some_slow([(name, words) for name, (_, words) in THUMBNAIL_MISTAKES.items()], lambda number, _: number % 4 == 0),
)
def test_finding_about_a_thumbnail_says_what_is_wrong(good: Good, copy: Path, name: str, words: str) -> None:
    next(broken for broken in BREAKS if broken.name == name).apply(copy)
    (finding,) = [finding for finding in findings_on(good.look("thumbnail", copy)) if not finding.passed]
    assert words in finding.message


@pytest.mark.slow
@pytest.mark.parametrize(("name", "words"), [(name, words) for name, (_, words) in STORYBOARD_MISTAKES.items()])
def test_finding_about_a_storyboard_says_what_is_wrong(good: Good, copy: Path, name: str, words: str) -> None:
    next(broken for broken in BREAKS if broken.name == name).apply(copy)
    (finding,) = [finding for finding in findings_on(good.look("storyboard", copy)) if not finding.passed]
    assert words in finding.message


@pytest.mark.parametrize(("name", "words"), [(name, words) for name, (_, words) in WAVEFORM_MISTAKES.items()])
def test_finding_about_a_waveform_says_what_is_wrong(good: Good, copy: Path, name: str, words: str) -> None:
    next(broken for broken in BREAKS if broken.name == name).apply(copy)
    (finding,) = [finding for finding in findings_on(good.look("waveform_json", copy)) if not finding.passed]
    assert words in finding.message


def test_every_rule_has_a_break() -> None:
    assert set(RULES) == {name for broken in BREAKS for name in broken.rules}


def test_without_expectations_only_the_files_are_judged(good: Good) -> None:
    seen = good.observer.variant(good.root / VARIANT / "playlist.m3u8", output="hls_180p")
    rules = {finding.rule for finding in judge(seen)}
    assert "segments_start_with_idr" in rules
    assert rules.isdisjoint({"duration_of_source", "cuts_like_siblings", "pictures_true", "picture_size", "sound_true"})


def test_observation_without_decoding_says_so(good: Good) -> None:
    seen = good.observer.mezzanine(good.mezzanine, decode=False)
    assert seen.decode_errors is None
    assert "mezzanine_decodes" not in {finding.rule for finding in judge(seen)}


def test_a_name_that_leads_outside_is_not_opened(good: Good, copy: Path) -> None:
    (copy / "outside.ts").write_bytes(break_outputs.segment(copy, 1).read_bytes())
    break_outputs.edit(break_outputs.media_list(copy), "^segment_00001.ts", "../outside.ts")
    seen = good.observer.variant(break_outputs.media_list(copy), output="hls_180p")
    assert seen.segments[1].size is None
    assert "segments_present" in failed([seen])


@pytest.mark.slow
def test_one_observer_serves_several_threads(good: Good) -> None:
    seen = good.observer.hls(good.root / "master.m3u8", reference=good.mezzanine)
    assert [observation.output for observation in seen] == ["hls_360p", "hls_180p", "preview", "hls_master"]
    assert failed([replace(observation) for observation in seen]) == set()


def test_a_film_of_hours_has_more_segments_than_a_process_may_usually_open(tmp_path: Path) -> None:
    """And so many key frames that counting them in ticks of 90 kHz no longer stays within one frame's time."""
    playlist = tmp_path / "playlist.m3u8"
    film = ["-f", "lavfi", "-i", "color=gray:s=64x48:r=50:d=60", "-c:v", "libx264", "-g", "1", "-pix_fmt", "yuv420p"]
    segmented = ["-f", "hls", "-hls_time", "0.04", "-hls_list_size", "0", "-hls_segment_filename"]
    TOOLS.ffmpeg([*film, *segmented, str(tmp_path / "segment_%05d.ts"), str(playlist)], label="segmenting")
    seen = Observer(TOOLS).variant(playlist, output="hls_360p")
    assert len(seen.segments) == 1500
    assert sum(len(segment.video.key_times) for segment in seen.segments if segment.video) == 3000
    assert seen.decode_errors == ()


@pytest.mark.slow
def test_a_preview_is_compared_along_with_the_variant_that_it_begins(good: Good, copy: Path) -> None:
    (copy / "preview" / "segment_00002.ts").unlink()
    edit = break_outputs.edit
    edit(copy / "preview" / "preview.m3u8", "#EXTINF[^\n]*\nsegment_00002.ts\n", "")
    variant, preview = copy / VARIANT / "playlist.m3u8", copy / "preview" / "preview.m3u8"

    def looks() -> list[tuple[Path, VariantObservation]]:
        expected = good.expected(VARIANT)
        return [
            (variant, good.observer.variant(variant, expected, output="hls_180p", decode=False)),
            (preview, good.observer.preview(preview, expected, decode=False)),
        ]

    _, together = good.observer.compared(looks(), good.mezzanine)
    (alone,) = good.observer.compared(looks()[1:], good.mezzanine)
    assert together.pictures is not None
    assert alone.pictures is not None
    assert together.pictures.seconds == alone.pictures.seconds
    assert together.pictures.compared == alone.pictures.compared == 12 * 25
    assert together.sound is not None
    assert alone.sound is not None
    assert [second.at for second in together.sound.seconds] == [second.at for second in alone.sound.seconds]
    # One that is not the variant's beginning is compared by itself.
    (copy / "preview" / "segment_00001.ts").write_bytes((copy / "360p" / "segment_00001.ts").read_bytes())
    variant_alone, other = good.observer.compared(looks(), good.mezzanine)
    assert other.pictures != together.pictures
    assert variant_alone.pictures is not None
    assert variant_alone.pictures.seconds[:12] == together.pictures.seconds
