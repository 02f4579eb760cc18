"""Compares playlists with the mezzanine that they were made of: every picture, and every sample.

In: which playlists are decoded together, where their clocks start, and whose complaint a decoder's is. Out: comparing
pictures (`picture_fidelity.py`) and sounds (`sound_fidelity.py`).
"""

from __future__ import annotations

import filecmp
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial
from itertools import accumulate
from pathlib import Path

from codex_assets.errors import ToolError
from codex_assets.media import profile
from codex_assets.media.facts import MediaInfo
from codex_assets.verification.fidelity import PictureFidelity, SoundFidelity
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


@dataclass(frozen=True)
class _ComparedWith:
    """What playlists are compared with: a file, what it says of itself, and where files may lie meanwhile."""

    path: Path
    info: MediaInfo
    folder: Path


@dataclass(frozen=True)
class _Fidelity:
    """What a comparison tells of one playlist; None where it does not. `errors`: what its decoders complain of."""

    pictures: PictureFidelity | None = None
    sound: SoundFidelity | None = None
    sound_digest: str | None = None
    errors: tuple[str, ...] | None = None

    def added_to(self, seen: VariantObservation) -> VariantObservation:
        return replace(
            seen,
            pictures=self.pictures or seen.pictures,
            sound=self.sound or seen.sound,
            sound_digest=self.sound_digest or seen.sound_digest,
            decode_errors=seen.decode_errors if self.errors is None else (*(seen.decode_errors or ()), *self.errors),
        )


@dataclass(frozen=True)
class _GroupFidelity:
    """What was seen of several playlists, by their numbers, and what was measured of the reference on the way."""

    by_number: dict[int, _Fidelity]
    picture: ProgrammePicture | None = None
    sound: ProgrammeSound | None = None


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
        beside = _ComparedWith(reference, info, folder)
        # A preview shows the beginning alone.
        looks = [partial(_compare_pictures, beside=beside, group=group) for group in _alike(sources)]
        sounds = partial(_compare_sounds, beside=beside, playlists=sources)
        *pictures, heard = decoder.side_by_side([*looks, sounds])
        for each in (*pictures, heard):
            for number, fidelity in each.by_number.items():
                compared[number] = fidelity.added_to(compared[number])
        notes = notes_on(_longest(pictures), heard.sound)
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


def _compare_pictures(decoder: Decoder, *, beside: _ComparedWith, group: Sequence[_Playlist]) -> _GroupFidelity:
    """The fidelity of the pictures of a group of playlists."""
    video = beside.info.video
    rate = (video.average_rate or video.nominal_rate) if video is not None else None
    if video is None or not rate:
        return _GroupFidelity({})
    delivered = [
        Delivered(playlist.source, (own.coded_width, own.coded_height), _kbps(playlist.seen))
        for playlist in group
        if (own := playlist.seen.video) is not None
    ]
    size = video.coded_width, video.coded_height
    comparison = PictureComparison(decoder, ("-i", str(beside.path)), rate, size)
    programme = ProgrammePictureMeter(float(rate), size)
    try:
        fidelities, log = comparison.compare(delivered, seconds=group[0].seen.duration, programme=programme)
    except ToolError as error:
        if len(group) > 1:
            alone = [_compare_pictures(decoder, beside=beside, group=[each]) for each in group]
            by_number = {number: fidelity for each in alone for number, fidelity in each.by_number.items()}
            return _GroupFidelity(by_number, _longest(alone))
        return _GroupFidelity({group[0].number: _Fidelity(errors=(public_reason(error, beside.folder),))})
    errors = complaints(log)
    by_number = {
        playlist.number: _Fidelity(pictures=fidelity, errors=errors)
        for playlist, fidelity in zip(group, fidelities, strict=True)
    }
    return _GroupFidelity(by_number, programme.result())


def _longest(groups: Sequence[_GroupFidelity]) -> ProgrammePicture | None:
    """What was measured of most of the reference's picture."""
    measured = [group.picture for group in groups if group.picture is not None]
    return max(measured, key=lambda programme: programme.seconds, default=None)


def _kbps(seen: VariantObservation) -> int | None:
    """The rate that a picture was meant to have, kbit/s: as it is known, else as it is."""
    span = seen.video_span
    if seen.expected.video_kbps is not None or span is None or not seen.duration:
        return seen.expected.video_kbps
    return round(span.size * 8 / seen.duration / 1000)


# --- Sound ------------------------------------------------------------------------------------------------------------


def _compare_sounds(decoder: Decoder, *, beside: _ComparedWith, playlists: Sequence[_Playlist]) -> _GroupFidelity:
    """The fidelity of each playlist's sound. The same bytes at the same times are decoded once."""
    sounding = [playlist for playlist in playlists if playlist.seen.audio_span is not None]
    digests = decoder.side_by_side([partial(_digest, playlist=playlist, beside=beside) for playlist in sounding])
    by_number = {playlist.number: digest for playlist, digest in zip(sounding, digests, strict=True)}
    if beside.info.audio is None:
        return _GroupFidelity(by_number)
    first: dict[tuple[str, float, bool], _Playlist] = {}
    keys: dict[int, tuple[str, float, bool]] = {}
    for playlist in sounding:
        digest = by_number[playlist.number].sound_digest
        if digest is not None:
            key = (digest, round(_lead(playlist), 6), playlist.seen.expected.steady_gain)
            keys[playlist.number] = key
            first.setdefault(key, playlist)
    variants = [each.number for each in first.values() if each.seen.kind is ObservationKind.VARIANT]
    looks = [
        partial(_compare_sound, playlist=playlist, beside=beside, with_programme=playlist.number in variants[:1])
        for playlist in first.values()
    ]
    seen = dict(zip(first, decoder.side_by_side(looks), strict=True))
    for playlist in sounding:
        if playlist.number in keys:
            same, _ = seen[keys[playlist.number]]
            limited = playlist.seen.expected.limited_peaks
            sound = replace(same.sound, limited_peaks=limited) if same.sound is not None else None
            by_number[playlist.number] = replace(by_number[playlist.number], sound=sound, errors=same.errors)
    return _GroupFidelity(
        by_number, sound=next((programme for _, programme in seen.values() if programme is not None), None)
    )


def _lead(playlist: _Playlist) -> float:
    """Where a playlist's timeline begins on its own clock, in seconds."""
    seen = playlist.seen
    lead = seen.video_span or seen.audio_span
    assert lead is not None
    return lead.start


def _digest(decoder: Decoder, *, playlist: _Playlist, beside: _ComparedWith) -> _Fidelity:
    """What tells the coded sound of a playlist from another."""
    try:
        return _Fidelity(sound_digest=coded_sound_digest(decoder, playlist.source))
    except ToolError as error:
        return _Fidelity(errors=(public_reason(error, beside.folder),))


def _compare_sound(
    decoder: Decoder, *, playlist: _Playlist, beside: _ComparedWith, with_programme: bool
) -> tuple[_Fidelity, ProgrammeSound | None]:
    """How true the sound of one playlist is, and what was measured of the reference by itself, where it is wanted."""
    seen = playlist.seen
    programme = ProgrammeSoundMeter() if with_programme else None
    try:
        fidelity, log = compare_sounds(
            decoder,
            playlist.source,
            ["-i", str(beside.path)],
            start=_lead(playlist),
            seconds=seen.duration,
            steady=seen.expected.steady_gain,
            delay=0 if seen.video is not None else profile.AAC_FRAME_SAMPLES,
            programme=programme,
        )
    except ToolError as error:
        return _Fidelity(errors=(public_reason(error, beside.folder),)), None
    measured = programme.result(fidelity.gain) if programme is not None and fidelity is not None else None
    return _Fidelity(sound=fidelity, errors=complaints(log)), measured
