"""Builds the outputs of one media on this machine: fetch, encode, measure, verify, publish, record.

An output is published only after everything about it was verified, in the order that keeps a viewer playing: segments,
then playlists, last the master. A build that fails leaves what was published as it was. What one output must know of
another is read from records, so any machine can build any one output of any media.
"""

from __future__ import annotations

import hashlib
import json
import logging
import math
import shutil
import time
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Protocol

from codex_assets import expectations
from codex_assets import source as upload
from codex_assets.delivery import keys, publish
from codex_assets.delivery.publish import Published, Stage, Upload
from codex_assets.delivery.storage import Stores, file_sha256
from codex_assets.encoders import Choice, Encoders, gpu_model
from codex_assets.errors import MissingInput, ToolError, VerificationError
from codex_assets.media import (
    damage,
    hls,
    ladder,
    loudness,
    probe,
    profile,
    recipe,
    thumbnail,
    verify,
    waveform,
)
from codex_assets.media.loudness import Measurement
from codex_assets.media.probe import MediaInfo
from codex_assets.normalise import Normaliser
from codex_assets.observe import Observer
from codex_assets.records import (
    ORIGINAL,
    Build,
    LoudnessRecord,
    MasterRecord,
    MediaRecord,
    MezzanineRecord,
    OriginalRecord,
    OutputRecord,
    RecordStore,
    SegmentFact,
    StoredFile,
    ThumbnailRecord,
    VariantRecord,
    WaveformRecord,
    check_fact,
)
from codex_assets.sound import Sound, encoded_sounds, merged_is_silent
from codex_assets.tools import Progress, ToolRun, Tools
from codex_assets.workspace import Workspace

_log = logging.getLogger(__name__)

WEIGHTS = {
    "fetching the original": 4.0,
    "mezzanine": 40.0,
    "loudness": 2.0,
    "fetching the mezzanine": 2.0,
    "sound": 4.0,
    "variants": 50.0,
    "verifying": 6.0,
    "publishing": 4.0,
    "thumbnail": 1.0,
    "waveform": 2.0,
}
"""Share of the work of each phase, for progress."""
NOT_APPLICABLE = "not-applicable"
SCRATCH_PER_INPUT = 4
"""Scratch space that a build needs, in sizes of its input."""


class Builder(Protocol):
    """Whoever can build outputs: this machine, or another one through the job contract."""

    def build(self, media: MediaRecord, outputs: Collection[str]) -> Iterator[OutputRecord]:
        """Build `outputs` and yield their records, published, in order of dependency.

        May also yield a record that was not asked for, when leaving it as it was would have made it untrue (a
        master whose variant changed). Raises `JobError`; then nothing that was not yielded was replaced.
        """
        ...

    def plan(self, media: MediaRecord, chosen: Collection[str]) -> None:
        """Count these outputs into the run's progress. A run that builds them in several calls plans them all first."""
        ...


@dataclass
class _Built:
    """An output between encoding and publishing."""

    record: OutputRecord
    uploads: list[Upload] = field(default_factory=list)
    observations: list[verify.AnyObservation] = field(default_factory=list)


@dataclass(frozen=True)
class _Work:
    """When the work of some outputs began, and what the run's phases had taken by then."""

    started: float
    before: Mapping[str, float]


class LocalBuilder:
    """Builds on this machine, in one workspace: what an earlier call of the same run made is not fetched again."""

    def __init__(
        self,
        stores: Stores,
        tools: Tools,
        encoders: Encoders,
        workspace: Workspace,
        *,
        observer: Observer | None = None,
        run_id: str | None = None,
        price: Callable[[str | None], float | None] = lambda gpu: None,
    ) -> None:
        """`run_id` goes into the receipts; `price` tells what a second of this worker costs (USD), given its GPU."""
        self._run_id, self._price = run_id, price
        self._worker: str | None = None
        """The worker's GPU, once it is known: what does not use it costs its time too."""
        self._stores = stores
        self._records = RecordStore(stores.archive)
        self._tools = tools.within(workspace.root)
        self._encoders = encoders
        self._workspace = workspace
        self._observer = observer or Observer(self._tools, scratch=workspace.root)
        self._confirmed: list[OutputRecord] = []
        """Records of what stays as it is and was found true of new inputs; written when those are."""

    def build(self, media: MediaRecord, outputs: Collection[str]) -> Iterator[OutputRecord]:
        known = recipe.OUTPUTS[media.media_type]
        unknown = [output for output in outputs if output not in known]
        if unknown:
            raise ValueError(f"{media.media_type} media have no {', '.join(unknown)}")
        chosen = [output for output in known if output in outputs]
        self.plan(media, chosen)
        if "mezzanine" in chosen:
            yield from self._mezzanine(media, with_loudness="loudness" in chosen)
        elif "loudness" in chosen:
            yield self._loudness_of_mezzanine(media)
        in_ladder = [output for output in chosen if output.startswith("hls_") or output == "preview"]
        if in_ladder:
            yield from self._ladder(media, in_ladder)
        if "thumbnail" in chosen:
            yield self._thumbnail(media)
        for output in ("waveform_json", "waveform_png"):
            if output in chosen:
                yield self._waveform(media, output)

    def plan(self, media: MediaRecord, chosen: Collection[str]) -> None:
        """Count these outputs into the run's progress. A run that builds them in several calls plans them all first."""
        phases = {"publishing", "verifying"}
        if "mezzanine" in chosen:
            phases |= {"fetching the original", "mezzanine"}
        elif "loudness" in chosen:
            phases |= {"loudness"}
        else:
            phases |= {"fetching the mezzanine"}
        if any(output.startswith("hls_") or output == "preview" for output in chosen):
            phases |= {"sound"} | ({"variants"} if media.media_type == "video" else set())
        phases |= {"thumbnail"} if "thumbnail" in chosen else set()
        phases |= {"waveform"} if any(output.startswith("waveform") for output in chosen) else set()
        self._workspace.progress.plan({name: weight for name, weight in WEIGHTS.items() if name in phases})

    # --- Mezzanine and loudness ---------------------------------------------------------------------------------------

    def _mezzanine(self, media: MediaRecord, *, with_loudness: bool) -> Iterator[OutputRecord]:
        work = self._work()
        source, original, uploaded = self._fetch_original(media)
        inputs = {"original": original}
        found = upload.examined(self._tools, media.media_type, source)
        folder = self._workspace.folder("mezzanine")
        path = folder / "mezzanine.mp4"
        normaliser = Normaliser(
            *(self._tools, self._encoders, self._phase),
            media_type=media.media_type,
            source=found.path,
            path=path,
            folder=self._workspace.root / "normalising",
        )
        encoded = normaliser.normalise(found.info)
        info, run, choice, treatment = encoded.info, encoded.run, encoded.choice, encoded.treatment
        made = self._probed(path)
        upload.require_decoded(made, media.media_type)
        duration = upload.longest(made)
        loss = damage.losses(found.told, found.info, encoded.log, arrived=found.arrived, made=encoded.seconds)
        upload.require_enough(loss, found.info, media.media_type)
        used = found.info if media.media_type == "video" else replace(found.info, video=None)
        warnings = [*encoded.warnings, *damage.sentences(loss, used), *damage.left_out(encoded.log, used)]
        promised = info.seconds if media.media_type == "video" else replace(info, video=None).seconds
        lost = (promised or 0.0) - duration
        # What a decoder makes of damage may last longer than its packets said.
        trusted = info.orderly and info.timed and not (lost < -profile.LOST_SECONDS and encoded.log.damaged(info))
        sha256 = file_sha256(path)
        video = made.video
        record = MezzanineRecord(
            **self._head(media, "mezzanine"),
            data_version=sha256[:32],
            warnings=tuple(warnings),
            source=upload.facts(found.info, source, loss).model_copy(update=uploaded),
            duration=duration,
            width=video.width if video else None,
            height=video.height if video else None,
            frame_rate=str(video.average_rate) if video and video.average_rate else None,
            frames=video.frames if video else None,
            video_codec=video.codec if video else None,
            audio_codec=made.audio.codec if made.audio else None,
            audio_treatment=treatment,
            sound_gain=encoded.gain,
            build=self._built("mezzanine", media, inputs, run, duration, choice if video else None),
        )
        key = keys.mezzanine(media.creator_id, media.media_id)
        expected = expectations.mezzanine_of(
            info,
            with_picture=media.media_type == "video",
            whole=lost <= profile.LOST_SECONDS and trusted,
        )
        built = _Built(record, [Upload(path, "archive", key, Stage.CONTENT)])
        with self._workspace.progress.phase("verifying"):
            built.observations.append(self._observer.mezzanine(path, expected))
        (published,) = self._publish([built], work, beside=int(with_loudness))
        # The original was there: what is known of one that was deleted is no longer true.
        self._records.forget(media.media_id, ORIGINAL)
        self._workspace.keep("archive", key, sha256, path)
        yield published
        if with_loudness:
            # Of the upload itself, whatever was done to it since.
            sound = encoded.seconds.get(info.audio.index) if info.audio is not None else None
            heard = loudness.parse(run.log, seconds=sound) if treatment is not None else None
            measurement = loudness.shifted(heard, -encoded.gain)
            yield self._record_loudness(media, measurement, "original", inputs, work, beside=1)

    def _probed(self, path: Path) -> MediaInfo:
        return probe.parse(self._tools.ffprobe(probe.probe_arguments(str(path), trusted=True), label="probing"))

    def _fetch_original(self, media: MediaRecord) -> tuple[Path, str, dict[str, str | None]]:
        """The upload, its SHA-256, and what tells it from a later one under the same key."""
        store = self._stores.by_role(media.input_role)
        held = store.head(media.input_key)
        if held is None:
            known = self._records.get(media.media_id, ORIGINAL, OriginalRecord)
            told = "it is deleted a day after its mezzanine was verified"
            if known is not None and known.deleted:
                told = f"it was deleted on {known.gone_since[:10]}, when its mezzanine had been verified"
            raise MissingInput(
                f"The original is not at {media.input_key} in the {media.input_role} store; {told}. "
                "Select outputs that are built from the mezzanine, or upload it again."
            )
        self._workspace.require_space(held.size * SCRATCH_PER_INPUT)
        with self._workspace.progress.phase("fetching the original") as advance:
            path = self._workspace.folder("original") / "original"
            brought = store.download(media.input_key, path, on_bytes=_counted(held.size, advance))
        uploaded_at = brought.modified.isoformat() if brought.modified else None
        return path, brought.sha256 or file_sha256(path), {"uploaded_at": uploaded_at, "etag": brought.etag}

    def _loudness_of_mezzanine(self, media: MediaRecord) -> OutputRecord:
        work = self._work()
        record = self._mezzanine_record(media)
        measurement = None
        if record.has_audio:
            path = self._fetch_mezzanine(media, record)
            with self._phase("loudness") as on_progress:
                run = self._tools.ffmpeg(
                    loudness.measuring_arguments(probe.input_arguments(str(path), trusted=True)),
                    label="measuring the loudness",
                    duration=record.duration,
                    on_progress=on_progress,
                )
            sound = self._probed(path).audio
            heard = loudness.parse(run.log, seconds=sound.duration if sound is not None else None)
            measurement = loudness.shifted(heard, -record.sound_gain)
        return self._record_loudness(media, measurement, "mezzanine", {"mezzanine": record.data_version}, work)

    def _record_loudness(
        self,
        media: MediaRecord,
        measurement: Measurement | None,
        of: str,
        inputs: Mapping[str, str],
        work: _Work,
        *,
        beside: int = 0,
    ) -> OutputRecord:
        told = None if measurement is None else [measurement.integrated, measurement.true_peak, measurement.range]
        record = LoudnessRecord.model_validate(
            {
                **self._head(media, "loudness"),
                "data_version": _digest(json.dumps(told)),
                "measurement": measurement,
                "measured_of": of,
                "build": self._receipt(self._built("loudness", media, inputs), work, 1 + beside),
            }
        )
        self._records.put(media.media_id, "loudness", record)
        return record

    # --- Sound --------------------------------------------------------------------------------------------------------

    def _sounds(self, media: MediaRecord, rates: Collection[int]) -> dict[int, Sound]:
        """The delivered sound at these rates (kbit/s); empty when the media has none. Built once per run."""
        record = self._mezzanine_record(media)
        if not record.has_audio:
            return {}
        measured = loudness.shifted(self._loudness_record(media).measurement, record.sound_gain)
        held: dict[int, Sound] = self._workspace.once(f"sounds-{record.data_version}-{measured}", dict)
        missing = sorted(rate for rate in rates if rate not in held)
        if missing:
            source = self._fetch_mezzanine(media, record)
            with self._phase("sound") as on_progress:
                folder = self._workspace.root / "sound"
                made = encoded_sounds(self._tools, folder, source, missing, measured, record.duration, on_progress)
            held.update(made)
        return {rate: held[rate] for rate in rates}

    # --- Ladder -------------------------------------------------------------------------------------------------------

    def _ladder(self, media: MediaRecord, outputs: Sequence[str]) -> Iterator[OutputRecord]:
        work = self._work()
        self._confirmed.clear()
        record = self._mezzanine_record(media)
        if media.media_type == "video":
            built, markers = self._video_variants(media, record, outputs)
        else:
            built, markers = self._audio_variants(media, record, outputs), []
        self._observe_variants(media, record, built, [marker.output for marker in markers])
        master = self._master(media, built, markers, wanted="hls_master" in outputs)
        published = self._publish([*built, *([master] if master is not None else [])], work)
        for marker in (*markers, *self._confirmed):
            self._records.put(media.media_id, marker.output, marker)
        self._confirmed.clear()
        self._prune(media, published, markers)
        by_output = {one.output: one for one in [*published, *markers]}
        order = recipe.OUTPUTS[media.media_type]
        yield from sorted(by_output.values(), key=lambda one: order.index(one.output))

    def _video_variants(
        self, media: MediaRecord, record: MezzanineRecord, outputs: Sequence[str]
    ) -> tuple[list[_Built], list[OutputRecord]]:
        assert record.width is not None
        assert record.height is not None
        assert record.rate is not None
        available = ladder.rungs(record.width, record.height)
        wanted = [rung for rung in available if f"hls_{rung.name}" in outputs]
        markers = [
            self._marker(media, f"hls_{variant.name}", ladder.why_not(variant, record.width, record.height))
            for variant in profile.LADDER
            if f"hls_{variant.name}" in outputs and variant.name not in [rung.name for rung in available]
        ]
        previewed = ladder.preview_rung(available) if "preview" in outputs else None
        alone = previewed if previewed is not None and previewed not in wanted else None
        if not wanted and alone is None:
            return [], markers
        rates = {rung.variant.audio_kbps for rung in [*wanted, *([alone] if alone else [])]}
        sounds = self._sounds(media, sorted(rates))
        source = self._fetch_mezzanine(media, record)
        folders: dict[str, Path] = {}
        made: dict[str, tuple[Choice, ToolRun]] = {}
        for rungs, limit in ((wanted, None), ([alone] if alone else [], ladder.preview_limit(record.duration))):
            if rungs:
                run, choice = self._encode_variants(rungs, sounds, source, record, limit)
                made |= {rung.name: (choice, run) for rung in rungs}
                folders |= {rung.name: self._workspace.root / "hls" / rung.name for rung in rungs}
        inputs = self._heard(media, record)
        built = []
        for rung in wanted:
            choice, run = made[rung.name]
            build = self._built(f"hls_{rung.name}", media, inputs, run, record.duration, choice)
            sound = sounds.get(rung.variant.audio_kbps)
            built.append(self._variant(media, record, rung.name, folders[rung.name], sound, build))
        if previewed is not None:
            choice, run = made[previewed.name]
            seconds = min(record.duration, profile.PREVIEW_SECONDS)
            build = self._built("preview", media, inputs, run, seconds, choice, variant=previewed.name)
            sound = sounds.get(previewed.variant.audio_kbps)
            built.append(self._preview(media, record, previewed.name, folders[previewed.name], sound, build))
        return built, markers

    def _encode_variants(
        self,
        rungs: Sequence[ladder.Rung],
        sounds: Mapping[int, Sound],
        source: Path,
        record: MezzanineRecord,
        limit: float | None,
    ) -> tuple[ToolRun, Choice]:
        rate = record.rate
        assert rate is not None
        seconds = min(record.duration, limit or record.duration)

        def run(row: profile.EncoderRow) -> ToolRun:
            encodes = []
            for rung in rungs:
                folder = self._workspace.folder(f"hls/{rung.name}")
                sound = sounds.get(rung.variant.audio_kbps)
                heard = str(sound.path) if sound is not None else None
                encodes.append(ladder.encode_arguments(rung, str(folder), heard, rate, row, limit=limit))
            with self._phase("variants") as on_progress:
                return self._tools.decode_to_encoders(
                    lambda pipes: ladder.decode_arguments(str(source), rungs, pipes, limit=limit),
                    encodes,
                    label="encoding the variants",
                    duration=seconds,
                    on_progress=on_progress,
                )

        return self._encoders.encode(run, smallest_side=min(min(rung.width, rung.height) for rung in rungs))

    def _audio_variants(self, media: MediaRecord, record: MezzanineRecord, outputs: Sequence[str]) -> list[_Built]:
        wanted = [variant for variant in profile.AUDIO_LADDER if f"hls_{variant.name}" in outputs]
        if not wanted:
            return []
        sounds = self._sounds(media, [variant.audio_kbps for variant in wanted])
        inputs = self._heard(media, record)
        built = []
        for variant in wanted:
            folder = self._workspace.folder(f"hls/{variant.name}")
            sound = sounds[variant.audio_kbps]
            run = self._tools.ffmpeg(
                ladder.audio_hls_arguments(str(sound.path), str(folder)),
                label=f"segmenting {variant.name}",
                duration=record.duration,
            )
            build = self._built(f"hls_{variant.name}", media, inputs, run, record.duration)
            built.append(self._variant(media, record, variant.name, folder, sound, build))
        return built

    def _variant(
        self, media: MediaRecord, source: MezzanineRecord, name: str, folder: Path, sound: Sound | None, build: Build
    ) -> _Built:
        key = keys.variant_playlist(media.creator_id, media.media_id, media.media_type, name)
        return self._playlist(media, source, f"hls_{name}", name, folder / hls.PLAYLIST, key, sound, build)

    def _preview(
        self, media: MediaRecord, source: MezzanineRecord, name: str, variant: Path, sound: Sound | None, build: Build
    ) -> _Built:
        """The first segments of its variant, with a playlist of their own: nothing is encoded twice."""
        folder = self._workspace.folder("hls/preview")
        segments = hls.previewed(_segments(variant / hls.PLAYLIST))
        for segment in segments:
            shutil.copy2(variant / segment.name, folder / segment.name)
        key = keys.preview_playlist(media.creator_id, media.media_id)
        playlist = folder / Path(key).name
        playlist.write_text(hls.media_playlist(segments), encoding="utf-8")
        return self._playlist(media, source, "preview", name, playlist, key, sound, build)

    def _playlist(
        self,
        media: MediaRecord,
        source: MezzanineRecord,
        output: str,
        name: str,
        playlist: Path,
        key: str,
        sound: Sound | None,
        build: Build,
    ) -> _Built:
        folder = playlist.parent
        segments = _segments(playlist)
        if not segments:
            raise ToolError(f"encoding {name}", reason="no segment was written")
        first = folder / segments[0].name
        if missing := hls.filling(segments[0].size):
            with first.open("ab") as out:
                out.write(missing)
            segments = _segments(playlist)
        # Written anew: ffmpeg gives a programme under half a second a target duration of 0.
        playlist.write_text(hls.media_playlist(segments), encoding="utf-8")
        info = probe.parse(self._tools.ffprobe(hls.segment_arguments(str(first)), label="probing"))
        rates = hls.measured(segments)
        prefix = key.rpartition("/")[0]
        uploads = [
            Upload(folder / segment.name, "media", f"{prefix}/{segment.name}", Stage.CONTENT) for segment in segments
        ]
        uploads.append(Upload(playlist, "media", key, Stage.PLAYLIST))
        video = info.video
        record = VariantRecord(
            **self._head(media, output),
            data_version=_digest(*(f"{up.path.name} {file_sha256(up.path)}" for up in uploads)),
            variant=name,
            playlist_key=key,
            width=video.width if video else None,
            height=video.height if video else None,
            frame_rate=float(source.rate) if video and source.rate else None,
            codecs=self._codecs(first, has_video=video is not None, has_audio=info.audio is not None),
            bandwidth=rates.peak,
            average_bandwidth=rates.average,
            duration=round(math.fsum(segment.duration for segment in segments), 6),
            segments=tuple(SegmentFact(name=s.name, duration=s.duration, size=s.size) for s in segments),
            loudness=sound.measured if sound is not None else None,
            gain_mode=sound.gain.mode if sound is not None else None,
            build=build,
        )
        return _Built(record, uploads)

    def _codecs(self, segment: Path, *, has_video: bool, has_audio: bool) -> str:
        stream = None
        if has_video:
            path = segment.with_suffix(".h264")
            self._tools.ffmpeg(hls.sps_arguments(str(segment), str(path)), label="reading the parameter sets")
            stream = path.read_bytes()
            path.unlink()
        return hls.codecs(stream, has_audio=has_audio)

    def _observe_variants(
        self, media: MediaRecord, source: MezzanineRecord, built: Sequence[_Built], gone: Collection[str]
    ) -> None:
        """Look at every finished playlist; the sound once per rate, since variants of a rate hold the same bytes."""
        reference = self._fetch_mezzanine(media, source) if built else None
        records = [one.record for one in built if isinstance(one.record, VariantRecord)]
        cuts = self._sibling_cuts(media, records, gone)
        measured: dict[int, verify.LoudnessObservation] = {}
        with self._workspace.progress.phase("verifying") as advance:
            for number, one in enumerate(built):
                record = one.record
                assert isinstance(record, VariantRecord)
                playlist = next(upload.path for upload in one.uploads if upload.stage is Stage.PLAYLIST)
                look = self._observer.preview if record.output == "preview" else self._observer.variant
                expected = expectations.variant(media.media_type, source, record.output, record.variant, cuts)
                seen = look(playlist, expected, output=record.output, reference=reference)
                one.observations.append(seen)
                rate = expectations.sound_rate(media.media_type, record.variant)
                if source.has_audio and record.output != "preview":
                    if rate not in measured:
                        wanted = expectations.loudness(self._loudness_record(media), record.gain_mode)
                        measured[rate] = self._observer.loudness(playlist, wanted, output=record.output)
                    one.observations.append(replace(measured[rate], output=record.output))
                advance((number + 1) / len(built), None)

    def _sibling_cuts(
        self, media: MediaRecord, building: Sequence[VariantRecord], gone: Collection[str]
    ) -> tuple[float, ...] | None:
        """Where a variant that stays published cuts; when all are built anew, where the longest of them does."""
        replaced = {"hls_master", *gone, *(record.output for record in building)}
        for output in recipe.OUTPUTS[media.media_type]:
            if output.startswith("hls_") and output not in replaced:
                held = self._records.get(media.media_id, output, VariantRecord)
                if held is not None and held.applicable:
                    return verify.cuts(segment.duration for segment in held.segments)
        longest = max(building, key=lambda record: len(record.segments), default=None)
        return verify.cuts(segment.duration for segment in longest.segments) if longest is not None else None

    def _master(
        self,
        media: MediaRecord,
        built: Sequence[_Built],
        markers: Sequence[OutputRecord],
        *,
        wanted: bool,
    ) -> _Built | None:
        """The master of all variants that exist: those built now and those that stay.

        When it was not asked for it is written all the same if the published one would otherwise lie.
        """
        names = [one.removeprefix("hls_") for one in recipe.OUTPUTS[media.media_type] if one.startswith("hls_")]
        new = {one.record.output: one.record for one in built}
        gone = {marker.output for marker in markers}
        variants: list[VariantRecord] = []
        for name in names:
            output = f"hls_{name}"
            if name == "master" or output in gone:
                continue
            record = new.get(output) or self._records.get(media.media_id, output, VariantRecord)
            if isinstance(record, VariantRecord) and record.applicable:
                variants.append(record)
        # Not read when it is replaced anyway: a damaged record must not keep a media from being built again.
        held = None if wanted else self._records.get(media.media_id, "hls_master", MasterRecord)
        if not variants or (not wanted and held is None):
            if wanted:
                raise MissingInput("The master playlist needs at least one variant, and none has been built.")
            return None
        text = hls.master_playlist([_stream_info(record) for record in variants])
        data_version = _digest(text)
        build = self._built("hls_master", media, {record.output: record.data_version for record in variants})
        if not wanted and held is not None and held.data_version == data_version:
            if held.build is not None and held.build.inputs != build.inputs:
                # It stays as it is, byte for byte, and is known to be true of the new variants too.
                confirmed = held.build.model_copy(update={"inputs": build.inputs})
                self._confirmed.append(held.model_copy(update={"build": confirmed}))
            return None
        path = self._workspace.folder("hls/master") / "master.m3u8"
        path.write_text(text, encoding="utf-8")
        key = keys.master_playlist(media.creator_id, media.media_id, media.media_type)
        record = MasterRecord(
            **self._head(media, "hls_master"),
            data_version=data_version,
            master_key=key,
            variants=tuple(variant.variant for variant in variants),
            build=build,
        )
        observed = self._observed_variants(media, built, variants)
        observation = self._observer.master(path, observed, verify.MasterExpected(record.variants))
        return _Built(record, [Upload(path, "media", key, Stage.MASTER)], [observation])

    def _observed_variants(
        self, media: MediaRecord, built: Sequence[_Built], variants: Sequence[VariantRecord]
    ) -> dict[str, verify.VariantObservation]:
        """Every variant of a master, by name: as just observed, or as recorded where it stays and is still there."""
        seen = {
            one.record.variant: observation
            for one in built
            for observation in one.observations
            if isinstance(one.record, VariantRecord)
            and one.record.output != "preview"
            and isinstance(observation, verify.VariantObservation)
        }
        spans = [one.video_span or one.audio_span for one in seen.values()]
        start = next((span.start for span in spans if span is not None), float(ladder.TIMESTAMP_ORIGIN))
        for variant in variants:
            key = variant.playlist_key
            if variant.variant not in seen and key is not None and self._stores.media.head(key) is not None:
                seen[variant.variant] = expectations.remembered(variant, start)
        return seen

    def _prune(self, media: MediaRecord, published: Sequence[OutputRecord], markers: Sequence[OutputRecord]) -> None:
        """After the switch: segments that no playlist names any more, and variants that no longer apply."""
        for record in published:
            if isinstance(record, VariantRecord) and record.playlist_key is not None:
                prefix = record.playlist_key.rpartition("/")[0] + "/"
                gone = publish.prune(self._stores, "media", prefix, {file.key for file in record.files})
                if gone:
                    _log.info("%s: removed %d objects that are no longer named", record.output, len(gone))
        for marker in markers:
            variant = marker.output.removeprefix("hls_")
            key = keys.variant_playlist(media.creator_id, media.media_id, media.media_type, variant)
            if self._stores.media.head(key) is not None:
                for stored in list(self._stores.media.list(key.rpartition("/")[0] + "/")):
                    self._stores.media.delete(stored.key)

    # --- Pictures -----------------------------------------------------------------------------------------------------

    def _thumbnail(self, media: MediaRecord) -> OutputRecord:
        work = self._work()
        source = self._mezzanine_record(media)
        path = self._workspace.folder("thumbnail") / "auto-generated.jpg"
        frame_seconds = float(1 / source.rate) if source.rate else 0.0
        at = thumbnail.moment(source.duration, frame_seconds)
        mezzanine_file = self._fetch_mezzanine(media, source)
        with self._workspace.progress.phase("thumbnail"):
            # The picture of a damaged upload may end before: then it is the first one.
            moments = [at, 0.0]
            while moments and not path.exists():
                at = moments.pop(0)
                arguments = thumbnail.arguments(str(mezzanine_file), str(path), at)
                self._tools.ffmpeg(arguments, label="making the thumbnail")
            if not path.exists():
                raise ToolError("making the thumbnail", reason="no picture was written")
        record = ThumbnailRecord(
            **self._head(media, "thumbnail"),
            data_version=file_sha256(path)[:32],
            at=round(at, 3),
            width=profile.PICTURE_WIDTH,
            height=profile.PICTURE_HEIGHT,
            build=self._built("thumbnail", media, {"mezzanine": source.data_version}),
        )
        with self._workspace.progress.phase("verifying"):
            seen = self._observer.thumbnail(path, reference=mezzanine_file, at=at)
        key = keys.thumbnail(media.creator_id, media.media_id)
        (published,) = self._publish([_Built(record, [Upload(path, "assets", key, Stage.CONTENT)], [seen])], work)
        return published

    def _waveform(self, media: MediaRecord, output: str) -> OutputRecord:
        work = self._work()
        source = self._mezzanine_record(media)
        rate = profile.AUDIO_LADDER[0].audio_kbps
        sound = self._sounds(media, [rate])[rate]
        samples = loudness.fitted_samples(source.duration)
        drawn: dict[str, Path] = self._workspace.once(
            f"waveform-{source.data_version}", lambda: self._draw(sound.path, samples)
        )
        document = json.loads(drawn["waveform_json"].read_text(encoding="utf-8"))
        silent = self._loudness_record(media).measurement is None
        if not silent and not any(document["data"]):
            silent = merged_is_silent(self._tools, sound)
        facts: dict[str, Any]
        if output == "waveform_json":
            key = keys.waveform_json(media.creator_id, media.media_id)
            facts = {"points": document["length"], "samples_per_pixel": document["samples_per_pixel"]}
        else:
            key = keys.waveform_png(media.creator_id, media.media_id)
            facts = {"width": profile.PICTURE_WIDTH, "height": profile.PICTURE_HEIGHT}
        path = drawn[output]
        record = WaveformRecord(
            **self._head(media, output),
            data_version=file_sha256(path)[:32],
            duration=source.duration,
            silent=silent,
            build=self._built(output, media, self._heard(media, source)),
            **facts,
        )
        look = self._observer.waveform_json if output == "waveform_json" else self._observer.waveform_png
        with self._workspace.progress.phase("verifying"):
            seen = look(path, expectations.waveform(source, record))
        (published,) = self._publish([_Built(record, [Upload(path, "assets", key, Stage.CONTENT)], [seen])], work)
        return published

    def _draw(self, sound: Path, samples: int) -> dict[str, Path]:
        """Both waveforms from one decode of the delivered sound."""
        folder = self._workspace.folder("waveform")
        data, picture, fine = folder / "waveform.json", folder / "waveform.png", folder / "fine.dat"
        with self._workspace.progress.phase("waveform"):
            self._tools.decoded_to_waveforms(
                waveform.pcm_arguments(str(sound)),
                [waveform.json_arguments(str(data)), waveform.data_arguments(str(fine), samples)],
                label="reading the waveform",
            )
            self._tools.audiowaveform(
                waveform.picture_arguments(str(fine), str(picture), samples), label="drawing the waveform"
            )
        return {"waveform_json": data, "waveform_png": picture}

    # --- Common -------------------------------------------------------------------------------------------------------

    def _publish(self, built: Sequence[_Built], work: _Work, *, beside: int = 0) -> list[OutputRecord]:
        """Judge everything, then upload everything, then record it with the receipt of the `work` that they share, with
        `beside` outputs more. Raises `VerificationError` before any upload."""
        findings = {one.record.output: [f for seen in one.observations for f in verify.judge(seen)] for one in built}
        checked = [
            one.record.model_copy(update={"checks": tuple(check_fact(f) for f in findings[one.record.output])})
            for one in built
        ]
        failed = [f for some in findings.values() for f in verify.failures(some)]
        if failed:
            for finding in failed:
                _log.error("%s failed %s: %s", finding.output, finding.rule, finding.message)
            raise VerificationError([(f.output, f.rule, f.message) for f in failed], records=checked)
        uploads = [upload for one in built for upload in one.uploads]
        total = sum(upload.path.stat().st_size for upload in uploads)
        with self._workspace.progress.phase("publishing") as advance:
            published = publish.publish(self._stores, uploads, on_bytes=_counted(total, advance))
        stored = dict(zip(uploads, published, strict=True))
        records = []
        for one, record in zip(built, checked, strict=True):
            files = tuple(_stored(stored[upload]) for upload in one.uploads)
            assert record.build is not None
            receipt = self._receipt(record.build, work, len(built) + beside)
            complete = record.model_copy(update={"files": files, "build": receipt})
            self._records.put(record.media_id, record.output, complete)
            records.append(complete)
        return records

    def _marker(self, media: MediaRecord, output: str, reason: str) -> OutputRecord:
        name = output.removeprefix("hls_")
        head = self._head(media, output)
        return VariantRecord(**head, applicable=False, reason=reason, data_version=NOT_APPLICABLE, variant=name)

    def _mezzanine_record(self, media: MediaRecord) -> MezzanineRecord:
        record = self._records.get(media.media_id, "mezzanine", MezzanineRecord)
        if record is None:
            raise MissingInput(f"Media {media.media_id} has no mezzanine yet; build it first, from the original.")
        return record

    def _loudness_record(self, media: MediaRecord) -> LoudnessRecord:
        record = self._records.get(media.media_id, "loudness", LoudnessRecord)
        if record is None:
            raise MissingInput(f"Media {media.media_id} has no loudness measurement yet; build `loudness` first.")
        return record

    def _fetch_mezzanine(self, media: MediaRecord, record: MezzanineRecord) -> Path:
        """The mezzanine file: from this run when it has it, else from the archive, checked against its record."""
        (stored,) = record.files
        store = self._stores.by_role(stored.role)

        def fetch(path: Path) -> None:
            self._workspace.require_space(stored.size * SCRATCH_PER_INPUT)
            with self._workspace.progress.phase("fetching the mezzanine") as advance:
                store.download(stored.key, path, on_bytes=_counted(stored.size, advance))
            if file_sha256(path) != stored.sha256:
                raise MissingInput(
                    f"The mezzanine of media {media.media_id} in the archive is not the one that was recorded; "
                    "build it again from the original."
                )

        return self._workspace.copy(stored.role, stored.key, stored.sha256, fetch)

    def _head(self, media: MediaRecord, output: str) -> dict[str, Any]:
        return {
            "media_id": media.media_id,
            "media_type": media.media_type,
            "output": output,
            "code_version": recipe.code_version(media.media_type, output),
        }

    def _work(self) -> _Work:
        """The work of some outputs begins."""
        return _Work(time.monotonic(), dict(self._workspace.progress.spent))

    def _heard(self, media: MediaRecord, source: MezzanineRecord) -> dict[str, str]:
        """The inputs of what is made from the mezzanine with its sound, if it has any, normalised as measured."""
        inputs = {"mezzanine": source.data_version}
        return inputs | ({"loudness": self._loudness_record(media).data_version} if source.has_audio else {})

    def _built(
        self,
        output: str,
        media: MediaRecord,
        inputs: Mapping[str, str],
        run: ToolRun | None = None,
        seconds: float | None = None,
        choice: Choice | None = None,
        *,
        variant: str | None = None,
    ) -> Build:
        """The receipt as far as it is known before publishing; `seconds` of media were encoded in `run`."""
        return Build(
            built_at=datetime.now(UTC).isoformat(timespec="milliseconds"),
            wall_seconds=0.0,
            encode_seconds=round(run.seconds, 3) if run is not None else None,
            speed=round(seconds / run.seconds, 2) if run is not None and seconds and run.seconds else None,
            encoder=choice.row.codec if choice is not None else None,
            encoder_reason=choice.reason if choice is not None else None,
            tool_versions=self._workspace.once("versions", self._versions),
            inputs=dict(inputs),
            recipe=recipe.numbers(media.media_type, output, variant),
            gpu=self._gpu() if choice is not None and choice.row is profile.NVENC else None,
            run_id=self._run_id,
        )

    def _receipt(self, build: Build, work: _Work, shared: int) -> Build:
        """The receipt when everything is done: how long it took, on what, and this output's share of the cost."""
        wall = time.monotonic() - work.started
        spent = {name: seconds - work.before.get(name, 0.0) for name, seconds in self._workspace.progress.spent.items()}
        second = self._price(self._worker)
        return build.model_copy(
            update={
                "wall_seconds": round(wall, 3),
                "phases": {name: round(seconds, 3) for name, seconds in spent.items() if seconds > 0},
                "shared": shared,
                "cost_usd": None if second is None else round(wall * second / shared, 6),
            }
        )

    def _gpu(self) -> str | None:
        self._worker = self._workspace.once("gpu", lambda: gpu_model(self._tools))
        return self._worker

    def _versions(self) -> dict[str, str]:
        return {tool: self._tools.version(tool) or "missing" for tool in ("ffmpeg", "audiowaveform")}

    @contextmanager
    def _phase(self, name: str) -> Iterator[Callable[[Progress], None]]:
        with self._workspace.progress.phase(name) as advance:
            yield lambda progress: advance(progress.fraction, progress.speed)


def _segments(playlist: Path) -> list[hls.Segment]:
    named = hls.parse_segments(playlist.read_text(encoding="utf-8"))
    return [hls.Segment(name, seconds, (playlist.parent / name).stat().st_size) for name, seconds in named]


def _stream_info(record: VariantRecord) -> hls.StreamInfo:
    assert record.bandwidth is not None
    assert record.average_bandwidth is not None
    assert record.codecs is not None
    return hls.StreamInfo(
        uri=f"{record.variant}/{hls.PLAYLIST}",
        rates=hls.Rates(record.bandwidth, record.average_bandwidth),
        codecs=record.codecs,
        width=record.width,
        height=record.height,
        frame_rate=record.frame_rate,
    )


def _stored(published: Published) -> StoredFile:
    return StoredFile(role=published.role, key=published.key, size=published.size, sha256=published.sha256)


def _digest(*parts: str) -> str:
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()[:32]


def _counted(total: int, advance: Callable[[float | None, float | None], None]) -> Callable[[int], None]:
    """Bytes of a transfer as its fraction."""
    done = 0

    def count(size: int) -> None:
        nonlocal done
        done += size
        advance(done / total if total else 1.0, None)

    return count
