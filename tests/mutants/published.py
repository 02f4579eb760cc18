"""Published media in a folder that may be changed: what it is made of, and records that are written anew to fit.

A changed output is stored under its own keys, its record says its new size, hash, durations and rates, the master and
its record follow, and what names its data version in other records does too.
"""

from __future__ import annotations

import hashlib
import math
import os
import re
import shutil
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from kept_runs import KeepingTools
from mutant import Seam, Workpiece

from codex_assets.archive.records import (
    MasterRecord,
    MediaRecord,
    MezzanineRecord,
    OutputRecord,
    SegmentFact,
    StoredFile,
    VariantRecord,
)
from codex_assets.archive.store import RecordStore
from codex_assets.media import ffprobe, input_flags, target_format
from codex_assets.media.encode import hls, loudness
from codex_assets.media.outputs import MASTER, OUTPUTS, variants
from codex_assets.storage import keys, publish
from codex_assets.storage.directory import DirectoryStore
from codex_assets.storage.objects import Stores, file_sha256
from codex_assets.system.tools import tool_environment
from codex_assets.system.workspace import Workspace

CREATOR, MEDIA = "c1", "m1"
ROOT = Path(__file__).parents[2]
CACHE = (ROOT if os.access(ROOT, os.W_OK) else Path(tempfile.gettempdir())) / ".local" / "mutants"
TOOLS = KeepingTools(tool_environment(os.environ), CACHE / "encodes")
FILES = {
    Seam.MEZZANINE: "mezzanine",
    Seam.THUMBNAIL: "thumbnail",
    Seam.WAVEFORM_JSON: "waveform_json",
    Seam.WAVEFORM_PNG: "waveform_png",
    Seam.STORYBOARD: "storyboard",
    Seam.THUMBNAILS: "thumbnails",
    Seam.BLURHASH: "blurhash",
}
"""Outputs whose files name nothing beyond them."""
IN_VERSION = re.compile("^[0-9a-f]{12}/", re.MULTILINE)
"""How the lines of a playlist begin that name segments in the folder of their version."""


def digest(*parts: str) -> str:
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()[:32]


@dataclass(frozen=True)
class PublishedMedia:
    """The media whose stores lie in `root/store`; `root/sounds` holds its delivered sounds, `{rate}k.m4a`."""

    root: Path

    def copied(self, folder: Path) -> PublishedMedia:
        """The same media in a folder of its own. Files are links: stores replace files, they do not write into them."""
        shutil.copytree(self.root / "store", folder / "store", copy_function=os.link)
        shutil.copytree(self.root / "sounds", folder / "sounds", copy_function=os.link)
        return PublishedMedia(folder)

    @property
    def stores(self) -> Stores:
        root = self.root / "store"
        return Stores(
            DirectoryStore(root, "archive", "archive"),
            DirectoryStore(root, "media", "media"),
            DirectoryStore(root, "assets", "assets"),
        )

    @property
    def records(self) -> RecordStore:
        return RecordStore(self.stores.archive)

    @property
    def media(self) -> MediaRecord:
        media = self.records.media(MEDIA)
        assert media is not None
        return media

    @property
    def mezzanine(self) -> MezzanineRecord:
        record = self.record("mezzanine")
        assert isinstance(record, MezzanineRecord)
        return record

    def record(self, output: str) -> Any:
        record = self.records.output(MEDIA, output)
        assert record is not None, output
        return record

    def put(self, record: OutputRecord) -> None:
        self.records.put(MEDIA, record.output, record)

    @property
    def variants(self) -> list[VariantRecord]:
        """Those that there are, best first."""
        kinds = variants(self.media.media_type)
        return [record for kind in kinds if (record := self.record(kind.name)).applicable]

    @property
    def broken_variant(self) -> str:
        """The output that is changed where a mutant changes a variant: the worst."""
        return self.variants[-1].output

    def objects(self) -> dict[str, str]:
        """Every object but the records, with its hash."""
        stores = self.stores
        return {
            f"{store.bucket}/{stored.key}": hashlib.sha256(store.read(stored.key)).hexdigest()
            for store in (stores.archive, stores.media, stores.assets)
            for stored in store.list("")
            if not stored.key.startswith(("records/", "leases/"))
        }

    def replace(self, role: Any, key: str, path: Path) -> StoredFile:
        """Store a file in the place of an object."""
        store = self.stores.by_role(role)
        before = store.head(key)
        usual, caching = publish.headers(key)
        if before is not None:
            caching = before.cache_control
        content_type = (before.content_type if before else None) or usual
        store.upload(path, key, content_type=content_type, cache_control=caching)
        return StoredFile(role=role, key=key, size=path.stat().st_size, sha256=file_sha256(path))

    # --- Handing over -------------------------------------------------------------------------------------------------

    def workpiece(self, seam: Seam, folder: Path) -> Workpiece:
        """The output of a seam, fetched into `folder`."""
        record = self.record(self.output_of(seam))
        target = Workspace(folder / "piece").folder("output")
        for file in record.files:
            path = target / Path(file.key).name
            self.stores.by_role(file.role).download(file.key, path)
            if seam in (Seam.SEGMENTS, Seam.PREVIEW) and path.suffix == ".m3u8":
                # As a builder has it before the segments get their name.
                path.write_text(IN_VERSION.sub("", path.read_text(encoding="utf-8")), encoding="utf-8")
        name = str(record.playlist_key if isinstance(record, VariantRecord) else record.files[0].key)
        variant = record.variant if isinstance(record, VariantRecord) else None
        return self.piece_at(target / Path(name).name, variant, folder)

    def piece_at(self, path: Path, variant: str | None, folder: Path) -> Workpiece:
        """A workpiece of a file that lies elsewhere; `variant` names the variant that it is, or is cut from."""
        mezzanine, media_type = self.mezzanine, self.media.media_type
        scratch = folder / "scratch"
        scratch.mkdir(exist_ok=True)
        rung = None
        kbps = 128
        if media_type == "video":
            assert mezzanine.width is not None
            assert mezzanine.height is not None
            rungs = target_format.rungs(mezzanine.width, mezzanine.height)
            rung = next((rung for rung in rungs if rung.name == variant), rungs[-1])
            kbps = rung.variant.audio_kbps
        elif variant is not None:
            kbps = target_format.sound_kbps(media_type, variant)
        sound = self.root / "sounds" / f"{kbps}k.m4a"
        (file,) = mezzanine.files
        return Workpiece(
            path=path,
            tools=TOOLS,
            scratch=scratch,
            media_type=media_type,
            mezzanine=self.root / "store" / "archive" / file.key,
            seconds=mezzanine.duration,
            rate=mezzanine.rate,
            rung=rung,
            sound=sound if sound.exists() else None,
            kbps=kbps,
        )

    def output_of(self, seam: Seam) -> str:
        if seam in FILES:
            return FILES[seam]
        named = {Seam.PREVIEW: "preview", Seam.MASTER: MASTER.name}
        return named.get(seam) or self.broken_variant

    # --- Written anew to fit ------------------------------------------------------------------------------------------

    def take(self, seam: Seam, piece: Workpiece) -> None:
        """Store a changed output, and make every record fit it."""
        if seam is Seam.MASTER:
            self._take_master(piece.path)
        elif seam is Seam.PLAYLIST:
            self._take_playlist(piece)
        elif seam in (Seam.SEGMENTS, Seam.PREVIEW):
            self._take_variant(self.output_of(seam), piece)
        else:
            self._take_file(FILES[seam], piece)

    def _take_playlist(self, piece: Workpiece) -> None:
        """A playlist's text alone: segments and what is known of them stay."""
        record: VariantRecord = self.record(self.broken_variant)
        assert record.playlist_key is not None
        changed = self.replace("media", record.playlist_key, piece.path)
        files = tuple(changed if file.key == changed.key else file for file in record.files)
        self.put_changed(record, {"files": files, "data_version": variant_version(files)})

    def _take_variant(self, output: str, piece: Workpiece) -> None:
        record: VariantRecord = self.record(output)
        assert record.playlist_key is not None
        listed = hls.parse_segments(piece.path.read_text(encoding="utf-8"))
        segments = [hls.Segment(name, seconds, (piece.folder / name).stat().st_size) for name, seconds in listed]
        paths = [*(piece.folder / name for name, _ in listed), piece.path]
        version = keys.version(file_sha256(path) for path in paths[:-1])
        text = piece.path.read_text(encoding="utf-8")
        piece.path.write_text(re.sub("^(?=[^#\n])", f"{version}/", text, flags=re.MULTILINE), encoding="utf-8")
        prefix = keys.folder(record.playlist_key)
        places = [*(f"{prefix}{version}/{name}" for name, _ in listed), record.playlist_key]
        files = tuple(self.replace("media", key, path) for key, path in zip(places, paths, strict=True))
        for file in record.files:
            if file.key not in {kept.key for kept in files}:
                self.stores.media.delete(file.key)
        rates = hls.measure_rates(segments)
        changes: dict[str, Any] = {
            "files": files,
            "version": version,
            "data_version": variant_version(files),
            "bandwidth": rates.peak,
            "average_bandwidth": rates.average,
            "duration": round(math.fsum(segment.duration for segment in segments), 6),
            "segments": tuple(SegmentFact(name=each.name, duration=each.duration, size=each.size) for each in segments),
            **_probed(paths[0], record),
        }
        if record.loudness is not None:
            changes["loudness"] = measured_segments(piece.segments, piece.scratch / "heard.bin")
        self.put_changed(record, changes)
        if output != "preview":
            self.write_master()

    def _take_file(self, output: str, piece: Workpiece) -> None:
        record: OutputRecord = self.record(output)
        files = tuple(
            self.replace(file.role, file.key, piece.folder / Path(file.key).name)
            if (piece.folder / Path(file.key).name).exists()
            else file
            for file in record.files
        )
        for file, path in [(file, piece.folder / Path(file.key).name) for file in record.files]:
            if not path.exists():
                self.delete(file)
        version = files[0].sha256[:32] if len(files) == 1 else variant_version(files)
        changes: dict[str, Any] = {"files": files, "data_version": version}
        if isinstance(record, MezzanineRecord):
            changes |= _mezzanine_facts(piece.path, record)
        self.put_changed(record, changes)

    def _take_master(self, path: Path) -> None:
        record: MasterRecord = self.record(MASTER.name)
        assert record.master_key is not None
        stored = self.replace("media", record.master_key, path)
        text = path.read_bytes().decode("utf-8", "replace")
        self.put_changed(record, {"files": (stored,), "data_version": digest(text)})

    def write_master(self) -> None:
        """The master of the variants as they are recorded."""
        text = hls.master_playlist([_stream_info(record) for record in self.variants])
        path = self.root / "master.m3u8"
        path.write_text(text, encoding="utf-8")
        self._take_master(path)

    def put_changed(self, record: Any, changes: dict[str, Any]) -> None:
        """The record with these changes, and its new version wherever another record names it as an input."""
        self.put(record.model_copy(update=changes))
        for output in OUTPUTS[self.media.media_type]:
            other = self.record(output)
            if other.build is not None and other.build.inputs.get(record.output) == record.data_version:
                inputs = {**other.build.inputs, record.output: changes["data_version"]}
                self.put(other.model_copy(update={"build": other.build.model_copy(update={"inputs": inputs})}))

    def delete(self, file: StoredFile) -> None:
        self.stores.by_role(file.role).delete(file.key)

    def forget(self, output: str) -> None:
        self.stores.archive.delete(keys.record(MEDIA, output))


def variant_version(files: tuple[StoredFile, ...]) -> str:
    return digest(*(f"{Path(file.key).name} {file.sha256}" for file in files))


def _probed(first: Path, record: VariantRecord) -> dict[str, Any]:
    """What a first segment says of its tracks. Nothing of one that cannot be read: then the record stays as it was."""
    try:
        info = ffprobe.parse(TOOLS.ffprobe(hls.segment_arguments(str(first)), label="probing"))
        video = info.video
        parameter_sets = None
        if video is not None and video.codec == "h264":
            path = first.with_suffix(".h264")
            TOOLS.ffmpeg(hls.sps_arguments(str(first), str(path)), label="reading the parameter sets")
            parameter_sets = path.read_bytes()
            path.unlink()
        codecs = hls.codecs_attribute(parameter_sets, has_audio=info.audio is not None)
    except Exception:  # noqa: BLE001 - damage of any kind
        return {}
    return {
        "codecs": codecs or record.codecs,
        "width": video.width if video else None,
        "height": video.height if video else None,
    }


def measured_segments(segments: Sequence[Path], whole: Path) -> loudness.Measurement | None:
    """The loudness of what these segments hold; they are put together in the file `whole`."""
    whole.write_bytes(b"".join(path.read_bytes() for path in segments))
    try:
        source = ["-f", "mpegts", *input_flags.input_arguments(str(whole), trusted=True)]
        return loudness.parse_summary(TOOLS.ffmpeg(loudness.measuring_arguments(source), label="measuring").log)
    except Exception:  # noqa: BLE001 - damage of any kind
        return None
    finally:
        whole.unlink()


def _mezzanine_facts(path: Path, record: MezzanineRecord) -> dict[str, Any]:
    try:
        info = ffprobe.parse(TOOLS.ffprobe(ffprobe.probe_arguments(str(path), trusted=True), label="probing"))
    except Exception:  # noqa: BLE001 - damage of any kind
        return {}
    video, audio = info.video, info.audio
    tracks = [track.duration for track in (video, audio) if track is not None and track.duration is not None]
    return {
        "duration": max(tracks, default=record.duration),
        "width": video.width if video else None,
        "height": video.height if video else None,
        "frame_rate": str(video.average_rate) if video and video.average_rate else None,
        "frames": video.frames if video else None,
        "video_codec": video.codec if video else None,
        "audio_codec": audio.codec if audio else None,
    }


def _stream_info(record: VariantRecord) -> hls.StreamInfo:
    assert record.bandwidth is not None
    assert record.average_bandwidth is not None
    return hls.StreamInfo(
        uri=f"{record.variant}/{hls.PLAYLIST}",
        rates=hls.Rates(record.bandwidth, record.average_bandwidth),
        codecs=record.codecs or "",
        width=record.width,
        height=record.height,
        frame_rate=record.frame_rate,
    )
