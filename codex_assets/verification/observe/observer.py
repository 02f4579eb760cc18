"""Looks at finished files in a local folder and says what is there, as the observations that the rules judge.

The only user of ffprobe and ffmpeg on the judges' side. It judges nothing and expects nothing: what an output is
compared with is handed in and passed on. What cannot be read becomes an observation with a `problem`, never an
exception; only a missing tool or a cancelled run is one.

Cheap enough for thousands of media: one ffprobe over all segments of a playlist, one decode of its key frames only, and
two short windows of its sound.
"""

from __future__ import annotations

import json
import math
import os
import re
import statistics
import tempfile
from array import array
from collections import OrderedDict
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import replace
from fractions import Fraction
from operator import mul
from pathlib import Path
from threading import Lock
from typing import TypeVar

from codex_assets.errors import ToolError
from codex_assets.media import ffprobe, outputs, profile
from codex_assets.media.facts import MediaInfo, VideoStream
from codex_assets.system.tools import Tools
from codex_assets.verification.kinds import Kind
from codex_assets.verification.observations import (
    AnyObservation,
    AudioSeen,
    Lag,
    LoudnessExpected,
    LoudnessObservation,
    MasterExpected,
    MasterObservation,
    MezzanineExpected,
    MezzanineObservation,
    PictureSeen,
    PlaylistSeen,
    SegmentSeen,
    Span,
    ThumbnailExpected,
    ThumbnailObservation,
    VariantExpected,
    VariantObservation,
    VideoSeen,
    WaveformExpected,
    WaveformImageObservation,
    WaveformObservation,
    variant_name,
)
from codex_assets.verification.observe.playlists import parse_master, parse_media_playlist, text_of
from codex_assets.verification.observe.sync import (
    ENVELOPE_RATE,
    ENVELOPE_SAMPLES,
    LONGEST_LAG_SECONDS,
    WINDOW_SECONDS,
    Envelope,
    find_lag,
)
from codex_assets.verification.observe.transport_stream import (
    Packet,
    by_segment,
    input_format,
    read_head,
    read_start,
    span_of,
    trimmed,
)

THUMB = (32, 18)
STILL = (64, 36)
CACHED_WINDOWS = 64
PERSONAL_TAGS = re.compile(r"location|gps|©xyz|quicktime\.|^make$|^model$|serial|camera", re.IGNORECASE)

Value = TypeVar("Value")


SMALLEST_COMPARED = 32
"""Pixels a side under which two ways of enlarging give different pictures."""


class Observer:
    """Observes outputs with the tools of one worker. Thread-safe. `scratch` is where it may write for a moment."""

    def __init__(self, tools: Tools, *, scratch: Path | None = None, workers: int = 2) -> None:
        self._tools = tools
        self._scratch = scratch
        self._workers = workers
        self._cache: OrderedDict[tuple[object, ...], object] = OrderedDict()
        self._lock = Lock()

    # --- Playlists ----------------------------------------------------------------------------------------------------

    def variant(
        self,
        playlist: Path,
        expected: VariantExpected | None = None,
        *,
        output: str,
        kind: Kind = Kind.VARIANT,
        reference: Path | None = None,
        decode: bool = True,
    ) -> VariantObservation:
        """A media playlist with its segments. `reference` is the mezzanine: sound and picture are compared with it."""
        expected = expected or VariantExpected()
        text, problem = text_of(playlist)
        if text is None:
            return VariantObservation(output, kind, PlaylistSeen(playlist.name, problem=problem), expected=expected)
        seen, entries = parse_media_playlist(playlist.name, text)
        if seen.problem is not None:
            return VariantObservation(output, kind, seen, expected=expected)
        files = [_inside(playlist.parent, name) for name, _ in entries]
        stray = sorted(
            {path.name for path in playlist.parent.glob("*.ts")} - {name.rpartition("/")[2] for name, _ in entries}
        )
        base = VariantObservation(output, kind, seen, stray=tuple(stray), expected=expected)
        try:
            return self._with_segments(base, entries, files, reference, decode)
        except ToolError as error:
            problem = _public(error, playlist.parent)
            return replace(base, playlist=replace(seen, problem=f"its segments cannot be read ({problem})"))

    def preview(
        self,
        playlist: Path,
        expected: VariantExpected | None = None,
        *,
        output: str = outputs.PREVIEW.name,
        reference: Path | None = None,
        decode: bool = True,
    ) -> VariantObservation:
        return self.variant(playlist, expected, output=output, kind=Kind.PREVIEW, reference=reference, decode=decode)

    def master(
        self,
        master: Path,
        variants: Mapping[str, VariantObservation],
        expected: MasterExpected | None = None,
        *,
        output: str = outputs.MASTER.name,
    ) -> MasterObservation:
        """A master playlist. `variants`: what was observed of each, by the name of its folder."""
        expected = expected or MasterExpected()
        text, problem = text_of(master)
        if text is None:
            return MasterObservation(output, problem=problem, expected=expected)
        read = parse_master(text)
        uris = [stream.uri for stream in read.streams]
        by_uri = tuple((uri, variants[name]) for uri in uris if (name := variant_name(uri)) in variants)
        found = tuple(sorted(path.parent.name for path in master.parent.glob("*/playlist.m3u8")))
        # A caller may hold only the master, with its variants elsewhere: then nobody looked for folders.
        return replace(read, output=output, variant_folders=found or None, measured=by_uri, expected=expected)

    def hls(self, master: Path, *, reference: Path | None = None, decode: bool = True) -> tuple[AnyObservation, ...]:
        """Any HLS folder, given its master: every variant that it names or holds, the preview, then the master."""
        text, _ = text_of(master)
        named = [stream.uri for stream in parse_master(text).streams] if text is not None else []
        held = [f"{path.parent.name}/{path.name}" for path in sorted(master.parent.glob("*/playlist.m3u8"))]
        uris = [uri for uri in dict.fromkeys([*named, *held]) if _inside(master.parent, uri) is not None]

        def one(uri: str) -> VariantObservation:
            output = outputs.variant_output(variant_name(uri) or Path(uri).stem)
            return self.variant(master.parent / uri, output=output, reference=reference, decode=decode)

        with ThreadPoolExecutor(self._workers) as pool:
            measured = tuple(zip(uris, pool.map(one, uris), strict=True))
        observations: list[AnyObservation] = [variant for _, variant in measured]
        preview = master.parent / "preview" / "preview.m3u8"
        if preview.exists():
            observations.append(self.preview(preview, reference=reference, decode=decode))
        return (*observations, replace(self.master(master, {}), measured=measured))

    def _with_segments(
        self,
        base: VariantObservation,
        entries: Sequence[tuple[str, float]],
        files: Sequence[Path | None],
        reference: Path | None,
        decode: bool,
    ) -> VariantObservation:
        sizes = [path.stat().st_size if path is not None and path.is_file() else None for path in files]
        heads = [
            read_head(read_start(path)) if path and size else None for path, size in zip(files, sizes, strict=True)
        ]
        present = [path for path, size in zip(files, sizes, strict=True) if path is not None and size]
        segments = [
            SegmentSeen(
                name,
                extinf,
                size,
                tables_first=head.tables_first if head else None,
                starts_with_idr=head.starts_with_idr if head else None,
                sps=head.sps if head else None,
            )
            for (name, extinf), size, head in zip(entries, sizes, heads, strict=True)
        ]
        if not present:
            return replace(base, segments=tuple(segments))
        info = self._probe(present[0])
        with self._folder() as folder:
            joined = _concatenation(folder / "all.txt", present)
            packets = self._packets(joined, info)
            tracks = by_segment(packets, [size or 0 for size in sizes])
            segments = [
                replace(
                    segment, video=span_of(tracks["video"][index]), audio=span_of(tracks["audio"][index], video=False)
                )
                for index, segment in enumerate(segments)
            ]
            sps = next((segment.sps for segment in segments if segment.sps), None)
            seen = replace(base, segments=tuple(segments))
            seen = replace(
                seen, video=_video_seen(info, seen.video_span, sps), audio=_audio_seen(info) if info.audio else None
            )
            if decode and seen.video is not None:
                seen = self._with_pictures(seen, joined, folder, reference)
        if reference is not None and seen.audio is not None:
            seen = self._with_lags(seen, files, reference)
        return seen

    def _with_pictures(
        self, seen: VariantObservation, joined: Sequence[str], folder: Path, reference: Path | None
    ) -> VariantObservation:
        grey = folder / "keys.gray"
        # Key frames alone may leave the decoder with times in disorder; only their pictures count.
        scale = "setpts=N/TB,scale={}:{}:flags=area,format=gray".format(*THUMB)
        # A graph built anew where the size changes would count from zero again.
        opened = ["-reinit_filter", "0", "-skip_frame", "nokey", *joined]
        argv = [*opened, "-map", "0:v:0", "-fps_mode", "passthrough", "-vf", scale]
        try:
            run = self._tools.ffmpeg([*argv, "-f", "rawvideo", str(grey)], label="decoding key frames")
        except ToolError as error:
            return replace(seen, decode_errors=(_public(error, folder),))
        errors = _errors(run.log, folder)
        pictures = _chunks(grey.read_bytes(), THUMB[0] * THUMB[1])
        span = seen.video_span
        if reference is None or span is None or len(pictures) != len(span.key_times):
            return replace(seen, decode_errors=errors)
        differences = []
        for part in (0.1, 0.5, 0.9):
            index = min(len(pictures) - 1, int(part * len(pictures)))
            at = span.key_times[index] - span.start
            own = self._still(reference, at - 0.5 * span.frame_seconds, THUMB)
            if own is not None:
                differences.append(_difference(pictures[index], own))
        return replace(seen, decode_errors=errors, picture_differences=tuple(differences) or None)

    def _with_lags(self, seen: VariantObservation, files: Sequence[Path | None], reference: Path) -> VariantObservation:
        lead = seen.video_span or seen.audio_span
        if lead is None:
            return seen
        whole = [(path, one) for path, one in zip(files, seen.segments, strict=True) if path and one.audio]
        if not whole:
            return seen

        def lag(part: Sequence[tuple[Path, SegmentSeen]]) -> Lag | None:
            first = part[0][1].audio
            assert first is not None
            at = first.start - lead.start
            seconds = min(sum(one.extinf for _, one in part), 2 * WINDOW_SECONDS)
            own = self._envelope([path for path, _ in part], at, seconds)
            begin = max(0.0, at - LONGEST_LAG_SECONDS)
            theirs = self._reference_envelope(reference, begin, seconds + at - begin + LONGEST_LAG_SECONDS)
            return find_lag(own, theirs) if own is not None and theirs is not None else None

        start, end = _lasting(whole), _lasting(whole[::-1])[::-1]
        lag_start = lag(start)
        return replace(seen, lag_start=lag_start, lag_end=lag(end) if end != start else lag_start)

    # --- Single files -------------------------------------------------------------------------------------------------

    def mezzanine(
        self,
        path: Path,
        expected: MezzanineExpected | None = None,
        *,
        output: str = "mezzanine",
        decode: bool = True,
    ) -> MezzanineObservation:
        """A mezzanine. `decode` decodes all of it, which takes as long as it sounds."""
        base = MezzanineObservation(output, expected=expected or MezzanineExpected())
        if not path.is_file():
            return replace(base, problem="it does not exist")
        try:
            document = self._tools.ffprobe(ffprobe.probe_arguments(str(path), trusted=True), label="probing")
            info = ffprobe.parse(document)
            packets = self._packets(["-i", str(path)], info)
            video, audio = span_of(packets["video"]), span_of(packets["audio"], video=False)
            decoded: tuple[str, ...] | None = None
            frames = None
            if decode:
                decoded, frames = self._decode(path, info)
        except ToolError as error:
            return replace(base, problem=_public(error, path.parent))
        return replace(
            base,
            video=_video_seen(info, video, None),
            audio=_audio_seen(info) if info.audio else None,
            video_span=trimmed(video, info.video.start if info.video else None, None),
            audio_span=trimmed(
                audio, info.audio.start if info.audio else None, info.audio.duration if info.audio else None
            ),
            frames_indexed=info.video.frames if info.video else None,
            frames_decoded=frames,
            decode_errors=decoded,
            index_first=_index_first(path),
            personal_tags=_personal_tags(document),
        )

    def thumbnail(
        self,
        path: Path,
        *,
        reference: Path | None = None,
        at: float | None = None,
        output: str = outputs.THUMBNAIL.name,
    ) -> ThumbnailObservation:
        """A thumbnail, beside the frame of `reference` (the mezzanine) at `at` seconds."""
        base = ThumbnailObservation(output)
        if not path.is_file():
            return replace(base, problem="it does not exist")
        try:
            info = self._probe(path)
            grey = self._grey(["-i", str(path)], "scale={}:{}:flags=area,format=rgb24".format(*STILL), strict=True)
        except ToolError as error:
            return replace(base, problem=_public(error, path.parent))
        if info.video is None or len(grey) != STILL[0] * STILL[1]:
            return replace(base, problem="it holds no picture")
        picture = PictureSeen(info.video.codec, info.video.coded_width, info.video.coded_height, _spread(grey))
        expected = ThumbnailExpected()
        if reference is not None and at is not None:
            own = self._still(reference, at, STILL, padded=True)
            if own is not None and self._large_enough(reference):
                expected = ThumbnailExpected(_spread(own), _difference(grey, own))
        return replace(base, picture=picture, expected=expected)

    def loudness(self, media: Path, expected: LoudnessExpected | None = None, *, output: str) -> LoudnessObservation:
        """The sound of a media playlist or file, decoded and measured as delivered."""
        base = LoudnessObservation(output, expected=expected or LoudnessExpected())
        try:
            with self._folder() as folder:
                source = self._source(media, folder)
                if source is None:
                    return replace(base, problem="there is nothing to decode")
                # The frame-by-frame log would push the summary's beginning out of the kept lines.
                meter = "ebur128=peak=true:framelog=verbose"
                run = self._tools.ffmpeg(
                    [*source, "-map", "0:a:0", "-af", meter, "-f", "null", "-"], label="measuring loudness"
                )
        except ToolError as error:
            return replace(base, problem=_public(error, media.parent))
        measured = _summary(run.log)
        if measured is None:
            return replace(base, problem="the meter gave no summary")
        integrated, true_peak, loudness_range, duration = measured
        return replace(
            base, integrated=integrated, true_peak=true_peak, loudness_range=loudness_range, duration=duration
        )

    def waveform_json(
        self, path: Path, expected: WaveformExpected | None = None, *, output: str = outputs.WAVEFORM_JSON.name
    ) -> WaveformObservation:
        base = WaveformObservation(output, expected=expected or WaveformExpected())
        text, problem = text_of(path)
        if text is None:
            return replace(base, problem=problem)
        try:
            document = json.loads(text)
        except json.JSONDecodeError as error:
            return replace(base, problem=f"it is no JSON (line {error.lineno})")
        except (ValueError, RecursionError):
            return replace(base, problem="it is no JSON that can be read")
        data = document.get("data") if isinstance(document, dict) else None
        if not isinstance(data, list):
            return replace(base, problem="it holds no list of numbers")

        def number(name: str) -> int | None:
            value = document.get(name)
            return value if isinstance(value, int) and not isinstance(value, bool) else None

        whole = [value for value in data if isinstance(value, int) and not isinstance(value, bool)]
        return replace(
            base,
            version=number("version"),
            channels=number("channels"),
            sample_rate=number("sample_rate"),
            samples_per_pixel=number("samples_per_pixel"),
            bits=number("bits"),
            length=number("length"),
            values=len(data),
            lowest=min(whole, default=None),
            highest=max(whole, default=None),
            not_integers=len(data) - len(whole),
        )

    def waveform_png(
        self, path: Path, expected: WaveformExpected | None = None, *, output: str = outputs.WAVEFORM_PNG.name
    ) -> WaveformImageObservation:
        base = WaveformImageObservation(output, expected=expected or WaveformExpected())
        if not path.is_file():
            return replace(base, problem="it does not exist")
        try:
            info = self._probe(path)
            grey = self._grey(["-i", str(path)], "null", strict=True)
        except ToolError as error:
            return replace(base, problem=_public(error, path.parent))
        if info.video is None or len(grey) != info.video.coded_width * info.video.coded_height:
            return replace(base, problem="it holds no picture")
        width, height = info.video.coded_width, info.video.coded_height
        ink = _grey_of(profile.WAVEFORM_COLOUR)

        def drawn(column: int) -> bool:
            values = set(grey[column::width])
            # A column of one colour is bare, unless the sound is so loud there that the wave fills it.
            return len(values) > 1 or abs(values.pop() - ink) < 8

        drawn_to = next((column + 1 for column in range(width - 1, -1, -1) if drawn(column)), 0)
        return replace(base, codec=info.video.codec, width=width, height=height, drawn_to=drawn_to)

    # --- How ----------------------------------------------------------------------------------------------------------

    @contextmanager
    def _folder(self) -> Iterator[Path]:
        with tempfile.TemporaryDirectory(prefix="observe-", dir=self._scratch) as name:
            yield Path(name)

    def _probe(self, path: Path) -> MediaInfo:
        arguments = [*input_format(path), *ffprobe.probe_arguments(str(path), trusted=True)]
        return ffprobe.parse(self._tools.ffprobe(arguments, label="probing"))

    def _packets(self, source: Sequence[str], info: MediaInfo) -> dict[str, list[Packet]]:
        """All packets of the picture track and of the sound track, in stored order."""
        fields = "packet=stream_index,pts_time,dts_time,duration_time,flags,size,pos"
        lines = self._tools.ffprobe_lines(["-show_entries", fields, "-of", "csv=p=0", *source], label="reading packets")
        names = {str(info.video.index): "video"} if info.video else {}
        if info.audio:
            names[str(info.audio.index)] = "audio"
        packets: dict[str, list[Packet]] = {"video": [], "audio": []}
        for line in lines:
            # stream, pts, dts, duration, size, pos, flags; side data adds empty fields and lines.
            parts = line.split(",")
            track = names.get(parts[0])
            if track is None or len(parts) < 7 or parts[1] == "N/A":
                continue
            packets[track].append(
                Packet(
                    float(parts[1]),
                    float(parts[3]) if parts[3] != "N/A" else 0.0,
                    int(parts[4]),
                    int(parts[5]) if parts[5] != "N/A" else None,
                    parts[6],
                )
            )
        return packets

    def _decode(self, path: Path, info: MediaInfo) -> tuple[tuple[str, ...], int | None]:
        """What the decoder complained about, and how many pictures came out."""
        tracks = [stream.index for stream in (info.video, info.audio) if stream is not None]
        maps = [part for index in tracks for part in ("-map", f"0:{index}")]
        argv = ["-i", str(path), *maps, "-fps_mode", "passthrough", "-f", "null", "-"]
        try:
            run = self._tools.ffmpeg(argv, label="decoding the mezzanine", duration=info.duration)
        except ToolError as error:
            return (_public(error, path.parent),), None
        counts = re.findall(r"frame=\s*(\d+)", "\n".join(run.log))
        return _errors(run.log, path.parent), int(counts[-1]) if counts and info.video else None

    def _still(self, path: Path, at: float, size: tuple[int, int], *, padded: bool = False) -> bytes | None:
        """The frame of `path` at `at` seconds in grey and small, or None where there is none."""

        def decode() -> bytes | None:
            scale = "scale={0}:{1}:flags=area"
            if padded:
                # By way of RGB: a JPEG's luma is BT.601 and the mezzanine's BT.709, 33 of 255 apart for pure green.
                scale += ":force_original_aspect_ratio=decrease,format=rgb24,pad={0}:{1}:(ow-iw)/2:(oh-ih)/2"
            source = ["-ss", f"{max(0.0, at):.6f}", "-i", str(path), "-map", "0:v:0"]
            try:
                grey = self._grey(source, scale.format(*size))
            except ToolError:
                return None
            return grey if len(grey) == size[0] * size[1] else None

        return self._cached(("still", *_identity(path), round(at, 3), size, padded), decode)

    def _large_enough(self, reference: Path) -> bool:
        """Whether a frame has enough pixels to be compared with a picture that it was enlarged to."""
        video = self._probe(reference).video
        return video is not None and min(video.width, video.height) >= SMALLEST_COMPARED

    def _grey(self, source: Sequence[str], filters: str, *, strict: bool = False) -> bytes:
        """The first frame of `source` in grey. `strict`: a complaint of the decoder is a failure."""
        with self._folder() as folder:
            out = folder / "still.gray"
            argv = [*source, "-frames:v", "1", "-vf", f"{filters},format=gray", "-f", "rawvideo", str(out)]
            run = self._tools.ffmpeg(argv, label="decoding a picture")
            errors = _errors(run.log, folder)
            if strict and errors:
                raise ToolError("decoding a picture", reason=errors[0])
            return out.read_bytes() if out.exists() else b""

    def _envelope(self, files: Sequence[Path], at: float, seconds: float) -> Envelope | None:
        with self._folder() as folder:
            return self._sound(_concatenation(folder / "part.txt", files), folder, at, seconds)

    def _reference_envelope(self, path: Path, at: float, seconds: float) -> Envelope | None:
        def decode() -> Envelope | None:
            info = self._probe(path)
            if info.audio is None:
                return None
            with self._folder() as folder:
                seek = ["-ss", f"{at:.6f}"] if at > 0 else []
                return self._sound([*seek, "-i", str(path)], folder, at, seconds, filled=True)

        return self._cached(("envelope", *_identity(path), round(at, 2), round(seconds, 2)), decode)

    def _sound(
        self, source: Sequence[str], folder: Path, at: float, seconds: float, *, filled: bool = False
    ) -> Envelope | None:
        """The coarse envelope of `source`, whose first sample is heard at `at`; `filled`: whose clock starts then, and
        whose sound maybe later.

        Gaps in its timestamps are heard as silence. Both channels are kept until their energies are added: a mono mix
        of opposite phases would be silence.
        """
        out = folder / "sound.f32"
        shape = [
            "-map",
            "0:a:0",
            "-af",
            "aresample=async=1" + ":first_pts=0" * filled,
            "-ac",
            "2",
            "-ar",
            str(ENVELOPE_SAMPLES),
            "-t",
            f"{seconds:.3f}",
        ]
        try:
            self._tools.ffmpeg([*source, *shape, "-f", "f32le", str(out)], label="decoding sound")
        except ToolError:
            return None
        samples = array("f")
        samples.frombytes(out.read_bytes())
        step = 2 * ENVELOPE_SAMPLES // ENVELOPE_RATE
        powers = [
            sum(map(mul, part, part)) / step
            for part in (samples[index : index + step] for index in range(0, len(samples) - step + 1, step))
        ]
        # A click that falls between two points would look different after a shift of less than one.
        padded = [*powers[:1], *powers, *powers[-1:]]
        smooth = [math.sqrt((a + 2 * b + c) / 4) for a, b, c in zip(padded, padded[1:], padded[2:], strict=False)]
        return Envelope(round(at * ENVELOPE_RATE), tuple(smooth)) if smooth else None

    def _source(self, media: Path, folder: Path) -> list[str] | None:
        """`media` as one input: a file as it is, a playlist as its segments one after the other."""
        if media.suffix != ".m3u8":
            return ["-i", str(media)] if media.is_file() else None
        text, _ = text_of(media)
        entries = parse_media_playlist(media.name, text)[1] if text is not None else []
        files = [_inside(media.parent, name) for name, _ in entries]
        present = [path for path in files if path is not None and path.is_file() and path.stat().st_size]
        return _concatenation(folder / "all.txt", present) if present else None

    def _cached(self, key: tuple[object, ...], make: Callable[[], Value]) -> Value:
        with self._lock:
            if key in self._cache:
                self._cache.move_to_end(key)
                return self._cache[key]  # type: ignore[return-value]
        value = make()
        with self._lock:
            self._cache[key] = value
            while len(self._cache) > CACHED_WINDOWS:
                self._cache.popitem(last=False)
        return value


def _inside(folder: Path, name: str) -> Path | None:
    """What `name` means in `folder`, or None where it leads outside (a URL, another root, a way up)."""
    parts = name.split("/")
    if "://" in name or name.startswith("/") or ".." in parts or "\0" in name:
        return None
    # Longer names can be no file's, and asking for one is an error.
    if len(name.encode()) > 2000 or max(len(part.encode()) for part in parts) > 255:
        return None
    return folder / name


def _concatenation(listing: Path, files: Sequence[Path]) -> list[str]:
    """`files` as one input, byte after byte: timestamps stay those of the segments, and one process reads them all."""
    escaped = [re.sub(r"([\\'\s])", r"\\\1", str(path.resolve())) for path in files]
    # As the system spells names, which need not be text.
    listing.write_bytes(b"".join(os.fsencode(name) + b"\n" for name in escaped))
    return [*input_format(files[0]), "-i", f"concatf:{listing}"]


def _video_seen(info: MediaInfo, span: Span | None, sps: bytes | None) -> VideoSeen | None:
    video = info.video
    if video is None:
        return None
    return VideoSeen(
        codec=video.codec,
        profile=video.profile,
        profile_idc=sps[1] if sps and len(sps) > 3 else None,
        constraints=sps[2] if sps and len(sps) > 3 else None,
        level=sps[3] if sps and len(sps) > 3 else video.level,
        pixel_format=video.pixel_format,
        width=video.width,
        height=video.height,
        coded_width=video.coded_width,
        coded_height=video.coded_height,
        sample_aspect=video.sample_aspect,
        rotation=video.rotation,
        frame_rate=_true_rate(video, span),
        interlaced=video.interlaced,
    )


def _true_rate(video: VideoStream, span: Span | None) -> Fraction | None:
    """The rate that the stream names, where its frames bear it out; else what its frames say."""
    if span is None or span.frame_seconds <= 0:
        return video.nominal_rate or video.average_rate
    # Of one or two frames ffprobe 7 names twice the rate; how long they last it tells right.
    for named in (video.nominal_rate, video.average_rate):
        if named is not None and abs(float(named) - span.rate) <= 0.0004 * span.rate + 0.001:
            return named
    return Fraction(span.rate).limit_denominator(1001)


def _audio_seen(info: MediaInfo) -> AudioSeen | None:
    audio = info.audio
    return AudioSeen(audio.codec, audio.profile, audio.sample_rate, audio.channels) if audio is not None else None


def _personal_tags(document: Mapping[str, object]) -> tuple[str, ...]:
    container = document.get("format")
    streams = document.get("streams")
    holders = [container, *(streams if isinstance(streams, list) else [])]
    names = [name for one in holders if isinstance(one, dict) for name in one.get("tags", {})]
    return tuple(sorted({name for name in names if PERSONAL_TAGS.search(name)}))


def _index_first(path: Path) -> bool | None:
    """Whether an MP4's `moov` box comes before its `mdat`; None for what is no MP4."""
    with path.open("rb") as file:
        while len(header := file.read(8)) == 8:
            size, name = int.from_bytes(header[:4], "big"), header[4:]
            if name in (b"moov", b"mdat"):
                return name == b"moov"
            skip = size - 8
            if size == 1:
                skip = int.from_bytes(file.read(8), "big") - 16
            if not name.isalnum() or skip < 0:
                return None
            file.seek(skip, 1)
    return None


def _lasting(parts: Sequence[tuple[Path, SegmentSeen]]) -> list[tuple[Path, SegmentSeen]]:
    """As many of `parts` from the start as last `WINDOW_SECONDS`."""
    taken: list[tuple[Path, SegmentSeen]] = []
    for part in parts:
        taken.append(part)
        if sum(one.extinf for _, one in taken) >= WINDOW_SECONDS:
            break
    return taken


def _summary(log: Sequence[str]) -> tuple[float, float, float, float] | None:
    """Integrated loudness, true peak, range and seconds, from the end of an `ebur128` run's log."""
    text = "\n".join(log)
    found = [
        re.findall(pattern, text) for pattern in (r"\bI:\s+(\S+) LUFS", r"\bPeak:\s+(\S+) dBFS", r"\bLRA:\s+(\S+) LU")
    ]
    if not all(found):
        return None
    hours, minutes, seconds = (re.findall(r"time=(\d+):(\d+):([\d.]+)", text) or [("0", "0", "0")])[-1]
    integrated, true_peak, loudness_range = (float(values[-1]) for values in found)
    return integrated, true_peak, loudness_range, int(hours) * 3600 + int(minutes) * 60 + float(seconds)


def _chunks(data: bytes, size: int) -> list[bytes]:
    return [data[at : at + size] for at in range(0, len(data) - size + 1, size)]


def _difference(one: bytes, other: bytes) -> float:
    return sum(abs(a - b) for a, b in zip(one, other, strict=True)) / len(one)


def _spread(grey: bytes) -> float:
    return statistics.pstdev(grey)


def _grey_of(colour: str) -> float:
    """Grey value of `rrggbb...` (ITU-R BT.601)."""
    red, green, blue = (int(colour[at : at + 2], 16) for at in (0, 2, 4))
    return 0.299 * red + 0.587 * green + 0.114 * blue


def _identity(path: Path) -> tuple[object, ...]:
    """What tells a file from another one that takes its place."""
    facts = path.stat()
    return (str(path), facts.st_size, facts.st_mtime_ns)


def _errors(log: Sequence[str], folder: Path) -> tuple[str, ...]:
    """Lines that ffmpeg tagged as errors, without tags, addresses and paths."""
    lines = [line for line in log if re.search(r"\[(panic|fatal|error)\] ", line)]
    return tuple(_clean(line, folder) for line in lines[:20])


def _public(error: ToolError, folder: Path) -> str:
    return _clean(error.reason, folder)


def _clean(text: str, folder: Path) -> str:
    told = re.sub(r"^(\[[^\]]*\] )+", "", text).replace(f"{folder.resolve()}/", "").replace(f"{folder}/", "")
    return re.sub(r"(?:concatf:)?/\S*/", "", told)
