"""What was done to an upload, in short sentences: from the mezzanine's record, and those of what is delivered."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from codex_assets.archive.records import LoudnessRecord, MezzanineRecord, OutputRecord, SourceFacts, VariantRecord
from codex_assets.media import profile


def treatment(outputs: Iterable[OutputRecord]) -> list[str]:
    """Sentences in the order of the work; none where there is no mezzanine."""
    records = list(outputs)
    mezzanine = next((record for record in records if isinstance(record, MezzanineRecord)), None)
    if mezzanine is None:
        return []
    return [*_of_picture(mezzanine), *_of_sound(mezzanine, records), *_of_tracks(mezzanine.source)]


def _of_picture(mezzanine: MezzanineRecord) -> Iterator[str]:
    source = mezzanine.source
    if mezzanine.width is None:
        return
    if source.rotation:
        yield f"Turned upright, by {source.rotation}°."
    if source.mirrored:
        yield "Mirrored back."
    if source.deinterlaced not in (None, "never") and source.interlaced:
        yield "Interlaced fields made whole frames."
    if source.sample_aspect not in (None, "1", "1/1", "1:1"):
        yield f"Pixels of {source.sample_aspect} made square."
    if source.hdr:
        yield f"{source.hdr_kind or 'HDR'} brought into the range of standard screens (BT.709)."
    if source.alpha:
        yield "Transparency laid on black."
    if source.frame_rate and mezzanine.frame_rate and source.frame_rate != mezzanine.frame_rate:
        yield f"Frames spaced evenly, at {_rate(mezzanine.frame_rate)} a second (from {_rate(source.frame_rate)})."


def _of_sound(mezzanine: MezzanineRecord, records: Iterable[OutputRecord]) -> Iterator[str]:
    source = mezzanine.source
    if not mezzanine.has_audio:
        return
    if source.audio_channels not in (None, 2):
        yield f"{source.audio_channels} {'channel' if source.audio_channels == 1 else 'channels'} delivered as stereo."
    if mezzanine.sound_gain:
        yield f"Turned down by {abs(mezzanine.sound_gain):.1f} dB before it was stored: its samples passed full scale."
    measured = next((record.measurement for record in records if isinstance(record, LoudnessRecord)), None)
    delivered = next((each for each in records if isinstance(each, VariantRecord) and each.loudness is not None), None)
    if measured is not None and delivered is not None and delivered.loudness is not None:
        before, after = _lufs(measured.integrated_lufs), _lufs(delivered.loudness.integrated_lufs)
        how = _GAIN.get(delivered.gain_mode or "", "normalised")
        yield f"Loudness brought from {before} to {after} LUFS (target {_lufs(profile.LOUDNESS_TARGET)}), {how}."
    elif measured is None:
        yield "Silent, or too quiet to be measured: passed through unchanged."


_GAIN = {
    "linear": "by one gain for all of it",
    "gain": "by one gain for all of it",
    "dynamic": "by a gain that follows the programme",
    "limited": "with a limiter for its peaks",
    "none": "without a change of gain",
}


def _of_tracks(source: SourceFacts) -> Iterator[str]:
    for kind, count in (source.tracks_left_out or {}).items():
        yield f"{count} {kind} {'track' if count == 1 else 'tracks'} left out."


def _rate(fraction: str) -> str:
    above, _, below = fraction.partition("/")
    return f"{float(above) / float(below or 1):.3f}".rstrip("0").rstrip(".")


def _lufs(value: float) -> str:
    return f"{value:.1f}".replace("-", "−")
