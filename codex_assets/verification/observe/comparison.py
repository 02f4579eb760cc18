"""Compares playlists with the mezzanine that they were made of: every picture, and every sample.

In: which playlists are decoded together, where their clocks start, and whose complaint a decoder's is. Out: comparing
pictures (`picture_fidelity.py`) and sounds (`sound_fidelity.py`).
"""

from __future__ import annotations

import filecmp
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import accumulate
from pathlib import Path

from codex_assets.errors import ToolError
from codex_assets.media import profile
from codex_assets.media.facts import MediaInfo
from codex_assets.verification.fidelity import SoundFidelity
from codex_assets.verification.kinds import ObservationKind
from codex_assets.verification.observations import VariantObservation
from codex_assets.verification.observe.decoder import Decoder, complaints, concatenation, path_inside, public_reason
from codex_assets.verification.observe.picture_fidelity import PictureComparison
from codex_assets.verification.observe.picture_stack import Delivered
from codex_assets.verification.observe.programme_picture import ProgrammePictureMeter
from codex_assets.verification.observe.programme_sound import ProgrammeSoundMeter
from codex_assets.verification.observe.sound import coded_sound_digest
from codex_assets.verification.observe.sound_fidelity import compare_sounds
from codex_assets.verification.programme_notes import ProgrammePicture, ProgrammeSound, notes_on


@dataclass(frozen=True)
class _Playlist:
    """A playlist to be compared: its place in the order, what was seen of it, input arguments for all of it, and its
    segments."""

    number: int
    seen: VariantObservation
    source: tuple[str, ...]
    files: tuple[Path, ...]


def compare_playlists(
    decoder: Decoder, reference: Path, playlists: Sequence[tuple[Path, VariantObservation]]
) -> list[VariantObservation]:
    """What was seen of each playlist, with how true it is to `reference`, in the same order.

    Those that cannot be read, or of which the reference has neither track, come back as they are. Each variant gets the
    notes on the reference, which is measured along with it.
    """
    compared = [seen for _, seen in playlists]
    try:
        info = decoder.probe(reference)
    except ToolError:
        return compared
    with decoder.scratch_folder() as folder:
        everything = _sources(playlists, folder)
        # What was compared already is not decoded again.
        origins = _origins(everything)
        sources = [playlist for playlist in everything if playlist.number not in origins]
        # A preview shows the beginning alone.
        pictures = [_compare_pictures(decoder, reference, info, group, compared, folder) for group in _alike(sources)]
        picture = max(filter(None, pictures), key=lambda measured: measured.seconds, default=None)
        sound = _compare_sounds(decoder, reference, info, sources, compared, folder)
        notes = notes_on(picture, sound)
        for number, seen in enumerate(compared):
            if seen.kind is ObservationKind.VARIANT and (seen.pictures is not None or seen.sound is not None):
                compared[number] = replace(seen, notes=notes)
        for number, origin in origins.items():
            compared[number] = _as_origin(compared[number], compared[origin])
        for playlist in everything:
            if compared[playlist.number].decode_errors:
                errors = decoder.complaints_about(playlist.source, folder)
                compared[playlist.number] = replace(compared[playlist.number], decode_errors=errors)
    return compared


def _sources(playlists: Sequence[tuple[Path, VariantObservation]], folder: Path) -> list[_Playlist]:
    """Those playlists that have something to decode."""
    sources = []
    for number, (path, seen) in enumerate(playlists):
        files = [path_inside(path.parent, segment.uri) for segment in seen.segments if segment.size]
        present = [file for file in files if file is not None]
        if seen.readable and present:
            source = tuple(concatenation(folder / f"{number}.txt", present))
            sources.append(_Playlist(number, seen, source, tuple(present)))
    return sources


def _origins(playlists: Sequence[_Playlist]) -> dict[int, int]:
    """Number of a preview -> that of the variant of which it is the beginning, byte by byte."""
    variants = [playlist for playlist in playlists if playlist.seen.kind is ObservationKind.VARIANT]
    previews = [playlist for playlist in playlists if playlist.seen.kind is ObservationKind.PREVIEW]
    return {
        preview.number: variant.number
        for preview in previews
        for variant in variants
        if _begins_with(variant.files, preview.files)
    }


def _begins_with(files: Sequence[Path], first: Sequence[Path]) -> bool:
    """Whether a list of files begins with the same contents as `first` has."""
    if len(first) > len(files):
        return False
    return all(filecmp.cmp(file, other, shallow=False) for file, other in zip(first, files, strict=False))


def _as_origin(seen: VariantObservation, origin: VariantObservation) -> VariantObservation:
    """What was seen of a preview, with what was compared of the variant of which it is the beginning."""
    span = seen.video_span
    pictures, sound = origin.pictures, origin.sound
    if pictures is not None and span is not None:
        rest = accumulate((second.pictures for second in pictures.seconds), initial=0)
        seconds = tuple(second for second, before in zip(pictures.seconds, rest, strict=False) if before < span.frames)
        change = pictures.change if pictures.change is not None and pictures.change.start < seen.duration else None
        pictures = replace(pictures, seconds=seconds, compared=min(span.frames, pictures.compared), change=change)
    if sound is not None:
        heard = tuple(second for second in sound.seconds if second.at < seen.duration)
        lags = tuple(lag for lag in sound.lags if lag.at < seen.duration)
        sound = replace(sound, seconds=heard, lags=lags)
    return replace(seen, pictures=pictures, sound=sound, decode_errors=origin.decode_errors)


def _alike(playlists: Sequence[_Playlist]) -> list[list[_Playlist]]:
    """Playlists with a picture, in groups of equally many pictures: only these can be decoded side by side."""
    groups: dict[int, list[_Playlist]] = {}
    for playlist in playlists:
        span = playlist.seen.video_span
        if span is not None:
            groups.setdefault(span.frames, []).append(playlist)
    return list(groups.values())


# --- Pictures ---------------------------------------------------------------------------------------------------------


def _compare_pictures(
    decoder: Decoder,
    reference: Path,
    info: MediaInfo,
    group: Sequence[_Playlist],
    compared: list[VariantObservation],
    folder: Path,
) -> ProgrammePicture | None:
    """Put the fidelity of the pictures of a group into `compared`; returns what was measured of the reference."""
    rate = (info.video.average_rate or info.video.nominal_rate) if info.video is not None else None
    if info.video is None or not rate:
        return None
    delivered = [
        Delivered(playlist.source, (video.coded_width, video.coded_height), _kbps(playlist.seen))
        for playlist in group
        if (video := playlist.seen.video) is not None
    ]
    size = info.video.coded_width, info.video.coded_height
    comparison = PictureComparison(decoder, ("-i", str(reference)), rate, size)
    programme = ProgrammePictureMeter(float(rate), size)
    try:
        fidelities, log = comparison.compare(delivered, seconds=group[0].seen.duration, programme=programme)
    except ToolError as error:
        if len(group) > 1:
            alone = [_compare_pictures(decoder, reference, info, [each], compared, folder) for each in group]
            return max(filter(None, alone), key=lambda measured: measured.seconds, default=None)
        _add_errors(compared, group[0].number, (public_reason(error, folder),))
        return None
    for playlist, fidelity in zip(group, fidelities, strict=True):
        compared[playlist.number] = replace(compared[playlist.number], pictures=fidelity)
        _add_errors(compared, playlist.number, complaints(log))
    return programme.result()


def _kbps(seen: VariantObservation) -> int | None:
    """The rate that a picture was meant to have, kbit/s: as it is known, else as it is."""
    span = seen.video_span
    if seen.expected.video_kbps is not None or span is None or not seen.duration:
        return seen.expected.video_kbps
    return round(span.size * 8 / seen.duration / 1000)


def _add_errors(compared: list[VariantObservation], number: int, errors: Sequence[str]) -> None:
    seen = compared[number]
    compared[number] = replace(seen, decode_errors=(*(seen.decode_errors or ()), *errors))


# --- Sound ------------------------------------------------------------------------------------------------------------


def _compare_sounds(
    decoder: Decoder,
    reference: Path,
    info: MediaInfo,
    playlists: Sequence[_Playlist],
    compared: list[VariantObservation],
    folder: Path,
) -> ProgrammeSound | None:
    """Put the fidelity of each sound into `compared`; returns what was measured of the reference. The same bytes at the
    same times are decoded once."""
    measured: list[ProgrammeSound | None] = []
    known: dict[tuple[str, float, bool], tuple[SoundFidelity | None, tuple[str, ...]]] = {}
    for playlist in playlists:
        seen = playlist.seen
        sound, lead = seen.audio_span, seen.video_span or seen.audio_span
        if sound is None or lead is None:
            continue
        try:
            digest = coded_sound_digest(decoder, playlist.source)
            compared[playlist.number] = replace(compared[playlist.number], sound_digest=digest)
            if info.audio is None:
                continue
            key = (digest, round(lead.start, 6), seen.expected.steady_gain)
            if key not in known:
                is_whole = seen.kind is ObservationKind.VARIANT
                programme = ProgrammeSoundMeter() if is_whole and not measured else None
                fidelity, log = compare_sounds(
                    decoder,
                    playlist.source,
                    ["-i", str(reference)],
                    start=lead.start,
                    seconds=seen.duration,
                    steady=seen.expected.steady_gain,
                    delay=0 if seen.video is not None else profile.AAC_FRAME_SAMPLES,
                    programme=programme,
                )
                known[key] = fidelity, complaints(log)
                if fidelity is not None and programme is not None:
                    measured.append(programme.result(fidelity.gain))
        except ToolError as error:
            _add_errors(compared, playlist.number, (public_reason(error, folder),))
            continue
        fidelity, errors = known[key]
        if fidelity is not None:
            fidelity = replace(fidelity, limited_peaks=seen.expected.limited_peaks)
        compared[playlist.number] = replace(compared[playlist.number], sound=fidelity)
        _add_errors(compared, playlist.number, errors)
    return measured[0] if measured else None
