"""What is observed of a media playlist: its text, its segments, their pictures and their sound.

Cheap enough for thousands of media: one ffprobe over all segments, one decode of their key frames, and two short
windows of their sound. In: which parts are looked at. Out: reading text (`playlists.py`), bytes (`transport_stream.py`)
and sound (`sound.py`), and what should be there (`rules/playlist.py`, `rules/tracks.py`).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from codex_assets.errors import ToolError
from codex_assets.verification.kinds import ObservationKind
from codex_assets.verification.observations import Lag, PlaylistSeen, SegmentSeen, VariantExpected, VariantObservation
from codex_assets.verification.observe.captions import observe_captions
from codex_assets.verification.observe.decoder import Decoder, complaints, concatenation, path_inside, public_reason
from codex_assets.verification.observe.pictures import difference_of
from codex_assets.verification.observe.playlists import parse_media_playlist, text_of
from codex_assets.verification.observe.segment_stream import read_segment
from codex_assets.verification.observe.sound import delivered_envelope, reference_envelope
from codex_assets.verification.observe.sync import LONGEST_LAG_SECONDS, WINDOW_SECONDS, find_lag
from codex_assets.verification.observe.tracks import picture_of, sound_of
from codex_assets.verification.observe.transport_stream import by_segment, span_of
from codex_assets.verification.playlist_text import read_text

THUMB = (32, 18)
"""Pixels at which key frames are compared with the mezzanine's."""
COMPARED_PARTS = (0.1, 0.5, 0.9)
"""Parts of the playlist at which they are."""


def observe_playlist(
    decoder: Decoder,
    playlist: Path,
    expected: VariantExpected,
    *,
    output: str,
    kind: ObservationKind,
    reference: Path | None,
    decode: bool,
) -> VariantObservation:
    """The media playlist at `playlist`; see `Observer.variant`. `kind`: a variant or the preview."""
    text, problem = text_of(playlist)
    if text is None:
        return VariantObservation(output, kind, PlaylistSeen(playlist.name, problem=problem), expected=expected)
    seen, entries = parse_media_playlist(playlist.name, text)
    if seen.problem is not None:
        return VariantObservation(output, kind, seen, expected=expected)
    files = [path_inside(playlist.parent, name) for name, _ in entries]
    base = VariantObservation(output, kind, seen, stray=_stray(playlist, entries), expected=expected)
    try:
        return _with_segments(decoder, base, entries, files, reference, decode)
    except ToolError as error:
        problem = public_reason(error, playlist.parent)
        return replace(base, playlist=replace(seen, problem=f"its segments cannot be read ({problem})"))


def _stray(playlist: Path, entries: Sequence[tuple[str, float]]) -> tuple[str, ...]:
    """What lies beside a playlist, and neither it nor another playlist there names it."""
    beside = {path.name for path in playlist.parent.iterdir()} - {playlist.name}
    named = {name.removeprefix("./").partition("/")[0] for name, _ in entries}
    for other in playlist.parent.glob("*.m3u8"):
        if other != playlist and (text := text_of(other)[0]) is not None:
            named |= {line.content.partition("/")[0] for line in read_text(text).lines if line.is_uri}
    return tuple(sorted(beside - named))


def _with_segments(
    decoder: Decoder,
    base: VariantObservation,
    entries: Sequence[tuple[str, float]],
    files: Sequence[Path | None],
    reference: Path | None,
    decode: bool,
) -> VariantObservation:
    """`base` with what the segments hold. `entries`: name and EXTINF of each; `files`: where it lies."""
    segments, present = _read_segments(entries, files)
    if not present:
        return replace(base, segments=tuple(segments))
    info = decoder.probe(present[0])
    with decoder.scratch_folder() as folder:
        joined = concatenation(folder / "all.txt", present)
        tracks = by_segment(decoder.packets(joined, info), [segment.size or 0 for segment in segments])
        segments = [
            replace(segment, video=span_of(tracks["video"][index]), audio=span_of(tracks["audio"][index], video=False))
            for index, segment in enumerate(segments)
        ]
        sps = next((segment.sps for segment in segments if segment.sps), None)
        seen = replace(base, segments=tuple(segments))
        seen = replace(seen, video=picture_of(info, seen.video_span, sps), audio=sound_of(info))
        if decode and seen.video is not None:
            seen = _with_pictures(decoder, seen, joined, folder, reference)
    if seen.video is not None and seen.video_span is not None:
        seen = _with_captions(decoder, seen, files, reference)
    if reference is not None and seen.audio is not None:
        seen = _with_lags(decoder, seen, files, reference)
    return seen


def _read_segments(
    entries: Sequence[tuple[str, float]], files: Sequence[Path | None]
) -> tuple[list[SegmentSeen], list[Path]]:
    """Each segment with its size and its headers, and the paths of those that exist and are not empty."""
    segments, present = [], []
    for (name, extinf), path in zip(entries, files, strict=True):
        size = path.stat().st_size if path is not None and path.is_file() else None
        segment = SegmentSeen(name, extinf, size)
        if path is not None and size:
            stream = read_segment(path)
            picture = stream.picture if stream is not None else None
            segment = replace(
                segment,
                tables_first=stream is not None and stream.tables_first,
                starts_with_idr=picture.starts_with_idr if picture is not None else None,
                sps=next(iter(picture.sps), None) if picture is not None else None,
                stream=stream,
            )
            present.append(path)
        segments.append(segment)
    return segments, present


def _with_pictures(
    decoder: Decoder, seen: VariantObservation, source: Sequence[str], folder: Path, reference: Path | None
) -> VariantObservation:
    """`seen` with the decoder's complaints about the key frames, and how they differ from the mezzanine's pictures."""
    grey = folder / "keys.gray"
    # Key frames alone may leave the decoder with times in disorder; only their pictures count.
    scale = "setpts=N/TB,scale={}:{}:flags=area,format=gray".format(*THUMB)
    # A graph built anew where the size changes would count from zero again.
    opened = ["-reinit_filter", "0", "-skip_frame", "nokey", *source]
    arguments = [*opened, "-map", "0:v:0", "-fps_mode", "passthrough", "-vf", scale, "-f", "rawvideo", str(grey)]
    try:
        run = decoder.run(arguments, label="decoding key frames")
    except ToolError as error:
        return replace(seen, decode_errors=(public_reason(error, folder),))
    seen = replace(seen, decode_errors=complaints(run.log, folder))
    pictures = _chunks(grey.read_bytes(), THUMB[0] * THUMB[1])
    span = seen.video_span
    if reference is None or span is None or len(pictures) != len(span.key_times):
        return seen
    differences = []
    for part in COMPARED_PARTS:
        index = min(len(pictures) - 1, int(part * len(pictures)))
        at = span.key_times[index] - span.start
        original = decoder.still(reference, at - 0.5 * span.frame_seconds, THUMB)
        if original is not None:
            differences.append(difference_of(pictures[index], original))
    return replace(seen, picture_differences=tuple(differences) or None)


def _with_captions(
    decoder: Decoder, seen: VariantObservation, files: Sequence[Path | None], reference: Path | None
) -> VariantObservation:
    """`seen` with its closed captions, beside the mezzanine's where the first segment is there to count frames from."""
    rate = seen.expected.frame_rate
    frame_seconds = float(1 / rate) if rate else seen.frame_seconds
    named = zip(seen.segments, files, strict=True)
    present = [(segment.name, path) for segment, path in named if path is not None and segment.video is not None]
    whole = seen.segments[0].video is not None
    captions = observe_captions(decoder, present, reference if whole else None, frame_seconds)
    return replace(seen, captions=captions)


def _with_lags(
    decoder: Decoder, seen: VariantObservation, files: Sequence[Path | None], reference: Path
) -> VariantObservation:
    """`seen` with how far its sound lags behind the mezzanine's, in a window at the start and one at the end."""
    lead = seen.video_span or seen.audio_span
    if lead is None:
        return seen
    heard = [(path, segment) for path, segment in zip(files, seen.segments, strict=True) if path and segment.audio]
    if not heard:
        return seen

    def lag(window: Sequence[tuple[Path, SegmentSeen]]) -> Lag | None:
        first = window[0][1].audio
        assert first is not None
        at = first.start - lead.start
        seconds = min(sum(segment.extinf for _, segment in window), 2 * WINDOW_SECONDS)
        own = delivered_envelope(decoder, [path for path, _ in window], at, seconds)
        begin = max(0.0, at - LONGEST_LAG_SECONDS)
        theirs = reference_envelope(decoder, reference, begin, seconds + at - begin + LONGEST_LAG_SECONDS)
        return find_lag(own, theirs) if own is not None and theirs is not None else None

    start, end = _window(heard), _window(heard[::-1])[::-1]
    lag_start = lag(start)
    return replace(seen, lag_start=lag_start, lag_end=lag(end) if end != start else lag_start)


def _window(parts: Sequence[tuple[Path, SegmentSeen]]) -> list[tuple[Path, SegmentSeen]]:
    """As many of `parts` from the start as last `WINDOW_SECONDS`."""
    taken: list[tuple[Path, SegmentSeen]] = []
    for part in parts:
        taken.append(part)
        if sum(segment.extinf for _, segment in taken) >= WINDOW_SECONDS:
            break
    return taken


def _chunks(data: bytes, size: int) -> list[bytes]:
    """`data` in whole pieces of `size` bytes; a rest is left out."""
    return [data[at : at + size] for at in range(0, len(data) - size + 1, size)]
