"""What is observed of a media playlist: its text, its segments, their pictures and their sound.

In: which parts are looked at. Out: reading text (`playlists.py`) and bytes (`transport_stream.py`), comparing with the
mezzanine (`comparison.py`), and what should be there (`rules/playlist.py`, `rules/tracks.py`).
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from codex_assets.errors import ToolError
from codex_assets.verification.kinds import ObservationKind
from codex_assets.verification.observations import PlaylistSeen, SegmentSeen, VariantExpected, VariantObservation
from codex_assets.verification.observe.captions import observe_captions
from codex_assets.verification.observe.decoder import Decoder, concatenation, path_inside, public_reason
from codex_assets.verification.observe.playlists import parse_media_playlist, text_of
from codex_assets.verification.observe.segment_stream import read_segment
from codex_assets.verification.observe.tracks import picture_of, sound_of
from codex_assets.verification.observe.transport_stream import by_segment, span_of
from codex_assets.verification.playlist_text import read_text


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
    """The media playlist at `playlist`; see `Observer.variant`. `kind`: a variant or the preview. `reference`: whose
    captions it should have. `decode`: all of it is decoded, for the decoders' complaints."""
    text, problem = text_of(playlist)
    if text is None:
        return VariantObservation(output, kind, PlaylistSeen(playlist.name, problem=problem), expected=expected)
    seen, entries = parse_media_playlist(playlist.name, text)
    if seen.problem is not None:
        return VariantObservation(output, kind, seen, expected=expected)
    files = [path_inside(playlist.parent, name) for name, _ in entries]
    base = VariantObservation(
        output,
        kind,
        seen,
        stray=_stray(playlist, entries),
        contents_version=_contents_version(files),
        expected=expected,
    )
    try:
        return _with_segments(decoder, base, entries, files, reference, decode)
    except ToolError as error:
        problem = public_reason(error, playlist.parent)
        return replace(base, playlist=replace(seen, problem=f"its segments cannot be read ({problem})"))


_VERSIONED = re.compile(r"([0-9a-f]{12})/([^/]+)")
"""The URI of a segment in the folder of its version."""


def _stray(playlist: Path, entries: Sequence[tuple[str, float]]) -> tuple[str, ...]:
    """What lies beside a playlist or beside its segments, and neither it nor another playlist there names it."""
    named = {name.removeprefix("./") for name, _ in entries}
    for other in playlist.parent.glob("*.m3u8"):
        if other != playlist and (text := text_of(other)[0]) is not None:
            named |= {line.content for line in read_text(text).lines if line.is_uri}
    folders = {name.partition("/")[0] for name in named if "/" in name}
    versions = {match[1] for name in named if (match := _VERSIONED.fullmatch(name)) is not None}
    beside = {_shown(path) for path in playlist.parent.iterdir() if path.name not in {playlist.name, *folders}}
    for version in versions:
        if (folder := path_inside(playlist.parent, version)) is not None and folder.is_dir():
            beside |= {f"{version}/{_shown(path)}" for path in folder.iterdir()}
    return tuple(sorted(beside - named))


def _shown(path: Path) -> str:
    return path.name + "/" * path.is_dir()


def _contents_version(files: Sequence[Path | None]) -> str | None:
    """What the folder of these segments is to be called: 12 hex digits of the SHA-256 over the SHA-256 of each; None
    where one is missing."""
    of_all = hashlib.sha256()
    for path in files:
        if path is None or not path.is_file():
            return None
        with path.open("rb") as file:
            of_all.update(hashlib.file_digest(file, "sha256").digest())
    return of_all.hexdigest()[:12]


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
        if decode:
            seen = replace(seen, decode_errors=decoder.complaints_about(joined, folder))
    if seen.video is not None and seen.video_span is not None:
        seen = _with_captions(decoder, seen, files, reference)
    return seen


def _read_segments(
    entries: Sequence[tuple[str, float]], files: Sequence[Path | None]
) -> tuple[list[SegmentSeen], list[Path]]:
    """Each segment with its size and its headers, and the paths of those that exist and are not empty."""
    segments, present = [], []
    for (name, extinf), path in zip(entries, files, strict=True):
        size = path.stat().st_size if path is not None and path.is_file() else None
        versioned = _VERSIONED.fullmatch(name)
        version, last = versioned.groups() if versioned is not None else (None, name)
        segment = SegmentSeen(last, extinf, size, version=version)
        if path is not None and size:
            stream = read_segment(path)
            picture = stream.picture if stream is not None else None
            segment = replace(
                segment,
                tables_first=stream.tables_first if stream is not None else None,
                starts_with_idr=picture.starts_with_idr if picture is not None else None,
                sps=next(iter(picture.sps), None) if picture is not None else None,
                stream=stream,
            )
            present.append(path)
        segments.append(segment)
    return segments, present


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
