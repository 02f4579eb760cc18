"""Looks at finished files in a local folder and says what is there, as the observations that the rules judge.

In: one method per kind of output. It judges nothing and expects nothing: what an output is compared with is handed in
and passed on. What cannot be read becomes an observation with a `problem`, never an exception; only a missing tool or a
cancelled run is one. Out: how each kind is read (the other files of this folder).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from copy import copy
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TypeVar

from codex_assets.media import outputs
from codex_assets.system.tools import Tools
from codex_assets.verification.kinds import ObservationKind
from codex_assets.verification.observations import (
    AnyObservation,
    LoudnessExpected,
    LoudnessObservation,
    MasterExpected,
    MasterObservation,
    MezzanineExpected,
    MezzanineObservation,
    ThumbnailObservation,
    VariantExpected,
    VariantObservation,
    WaveformExpected,
    WaveformImageObservation,
    WaveformObservation,
    variant_name,
)
from codex_assets.verification.observe.comparison import compare_playlists
from codex_assets.verification.observe.decoder import Decoder, path_inside
from codex_assets.verification.observe.mezzanine_file import observe_mezzanine
from codex_assets.verification.observe.pictures import observe_thumbnail, observe_waveform_picture
from codex_assets.verification.observe.playlists import parse_master, text_of
from codex_assets.verification.observe.segments import observe_playlist
from codex_assets.verification.observe.small_pictures import observe_blurhash, observe_small_thumbnails
from codex_assets.verification.observe.sound import observe_loudness
from codex_assets.verification.observe.storyboards import observe_storyboard
from codex_assets.verification.observe.upload_pictures import UploadedMedia
from codex_assets.verification.observe.waveform_data import observe_waveform_data
from codex_assets.verification.optional_observations import (
    BlurHashObservation,
    SmallThumbnailsObservation,
    StoryboardObservation,
)

Seen = TypeVar("Seen")


class Observer:
    """Observes finished outputs with the tools of one worker. Thread-safe.

    In every method, `expected` is put into the observation as it is (None: nothing is expected), `output` is the name
    that findings will give the output, and `reference` is the path of the mezzanine that it is compared with. Raises
    `JobCancelled` when its tools are told to stop.
    """

    def __init__(self, tools: Tools, *, scratch: Path | None = None) -> None:
        """`scratch`: where it may write for a moment."""
        self._decoder = Decoder(tools, scratch=scratch)

    def side_by_side(self, looks: Sequence[Callable[[Observer], Seen]]) -> list[Seen]:
        """What several looks return, in their order, as many at once as there are processors. The first that raises
        ends the others, and its exception is raised."""
        return self._decoder.side_by_side([partial(self._look, look) for look in looks])

    def _look(self, look: Callable[[Observer], Seen], decoder: Decoder) -> Seen:
        other = copy(self)
        other._decoder = decoder
        return look(other)

    # --- Playlists ----------------------------------------------------------------------------------------------------

    def variant(
        self,
        playlist: Path,
        expected: VariantExpected | None = None,
        *,
        output: str,
        kind: ObservationKind = ObservationKind.VARIANT,
        reference: Path | None = None,
        decode: bool = True,
    ) -> VariantObservation:
        """Observe a media playlist and its segments, and compare every picture and sample with the mezzanine's.

        `decode=False` looks at packets only; `compared` then does the rest, for several at once.
        """
        seen = observe_playlist(
            self._decoder,
            playlist,
            expected or VariantExpected(),
            output=output,
            kind=kind,
            reference=reference,
            decode=decode and reference is None,
        )
        return self.compared([(playlist, seen)], reference)[0] if decode and reference is not None else seen

    def compared(
        self, playlists: Sequence[tuple[Path, VariantObservation]], reference: Path
    ) -> list[VariantObservation]:
        """What was seen of playlists, with how true they are to the mezzanine, in the same order.

        Together it costs one decode of the mezzanine, and of each playlist.
        """
        return compare_playlists(self._decoder, reference, playlists)

    def preview(
        self,
        playlist: Path,
        expected: VariantExpected | None = None,
        *,
        output: str = outputs.PREVIEW.name,
        reference: Path | None = None,
        decode: bool = True,
    ) -> VariantObservation:
        """Observe the preview's playlist as `variant` does; the rules of previews judge it then, not those of variants.

        `expected.duration` and `expected.cuts` are those of the whole variant that the preview is the beginning of.
        """
        return self.variant(
            playlist, expected, output=output, kind=ObservationKind.PREVIEW, reference=reference, decode=decode
        )

    def master(
        self,
        master: Path,
        variants: Mapping[str, VariantObservation],
        expected: MasterExpected | None = None,
        *,
        output: str = outputs.MASTER.name,
    ) -> MasterObservation:
        """Observe a master playlist beside `variants`: what was observed of each, by the name of its folder."""
        expected = expected or MasterExpected()
        text, problem = text_of(master)
        if text is None:
            return MasterObservation(output, problem=problem, expected=expected)
        parsed = parse_master(text)
        uris = [stream.uri for stream in parsed.streams]
        by_uri = tuple((uri, variants[name]) for uri in uris if (name := variant_name(uri)) in variants)
        folders = tuple(sorted(path.parent.name for path in master.parent.glob("*/playlist.m3u8")))
        # A caller may hold only the master, with its variants elsewhere: then nobody looked for folders.
        return replace(parsed, output=output, variant_folders=folders or None, measured=by_uri, expected=expected)

    def hls(self, master: Path, *, reference: Path | None = None, decode: bool = True) -> tuple[AnyObservation, ...]:
        """Observe any HLS folder, given its master: the variants that it names or holds, the preview, the master."""
        text, _ = text_of(master)
        named = [stream.uri for stream in parse_master(text).streams] if text is not None else []
        present = [f"{path.parent.name}/{path.name}" for path in sorted(master.parent.glob("*/playlist.m3u8"))]
        uris = [uri for uri in dict.fromkeys([*named, *present]) if path_inside(master.parent, uri) is not None]

        def observe(observer: Observer, *, uri: str) -> VariantObservation:
            output = outputs.variant_output(variant_name(uri) or Path(uri).stem)
            return observer.variant(master.parent / uri, output=output, reference=reference, decode=decode)

        seen = self.side_by_side([partial(observe, uri=uri) for uri in uris])
        measured = tuple(zip(uris, seen, strict=True))
        observations: list[AnyObservation] = [variant for _, variant in measured]
        preview = master.parent / "preview" / "preview.m3u8"
        named_there = {master.name, preview.parent.name, *(uri.removeprefix("./").partition("/")[0] for uri in uris)}
        beside = [path.name + "/" * path.is_dir() for path in master.parent.iterdir() if path.name not in named_there]
        if preview.exists():
            observations.append(self.preview(preview, reference=reference, decode=decode))
        return (*observations, replace(self.master(master, {}), measured=measured, stray=tuple(sorted(beside))))

    # --- Single files -------------------------------------------------------------------------------------------------

    def mezzanine(
        self,
        path: Path,
        expected: MezzanineExpected | None = None,
        *,
        output: str = outputs.MEZZANINE.name,
        decode: bool = True,
        upload: UploadedMedia | None = None,
    ) -> MezzanineObservation:
        """Observe a mezzanine. `decode` decodes all of it, which costs as much CPU as playing it; `upload`: what every
        picture and sample is compared with, which costs as much as playing that."""
        expected = expected or MezzanineExpected()
        return observe_mezzanine(self._decoder, path, expected, output=output, decode=decode, upload=upload)

    def thumbnail(
        self,
        path: Path,
        *,
        reference: Path | None = None,
        at: float | None = None,
        output: str = outputs.THUMBNAIL.name,
    ) -> ThumbnailObservation:
        """Observe a thumbnail, and the mezzanine's picture at `at` seconds, which becomes what is expected."""
        return observe_thumbnail(self._decoder, path, reference=reference, at=at, output=output)

    def storyboard(
        self,
        path: Path,
        duration: float | None = None,
        *,
        reference: Path | None = None,
        output: str = outputs.STORYBOARD.name,
    ) -> StoryboardObservation:
        """Observe a storyboard: its text at `path`, the sheet beside it, and for each of its pictures the mezzanine's
        in the middle of its time. `duration`: seconds of the film."""
        return observe_storyboard(self._decoder, path, reference=reference, duration=duration, output=output)

    def small_thumbnails(
        self,
        paths: Sequence[Path],
        *,
        reference: Path | None = None,
        at: float | None = None,
        output: str = outputs.THUMBNAILS.name,
    ) -> SmallThumbnailsObservation:
        """Observe the thumbnail in its other sizes, and the mezzanine's picture at `at` seconds."""
        return observe_small_thumbnails(self._decoder, paths, reference=reference, at=at, output=output)

    def blurhash(
        self,
        path: Path,
        *,
        reference: Path | None = None,
        at: float | None = None,
        output: str = outputs.BLURHASH.name,
    ) -> BlurHashObservation:
        """Observe a BlurHash, and the mezzanine's picture at `at` seconds, whose thumbnail it stands for."""
        return observe_blurhash(self._decoder, path, reference=reference, at=at, output=output)

    def loudness(self, media: Path, expected: LoudnessExpected | None = None, *, output: str) -> LoudnessObservation:
        """Decode the sound of a media playlist or file, and measure its loudness as delivered."""
        return observe_loudness(self._decoder, media, expected or LoudnessExpected(), output=output)

    def waveform_json(
        self,
        path: Path,
        expected: WaveformExpected | None = None,
        *,
        reference: Path | None = None,
        output: str = outputs.WAVEFORM_JSON.name,
    ) -> WaveformObservation:
        """Observe a waveform's numbers. `reference`: the delivered sound, a file or a playlist, that it shows."""
        return observe_waveform_data(
            self._decoder, path, expected or WaveformExpected(), reference=reference, output=output
        )

    def waveform_png(
        self,
        path: Path,
        expected: WaveformExpected | None = None,
        *,
        reference: Path | None = None,
        output: str = outputs.WAVEFORM_PNG.name,
    ) -> WaveformImageObservation:
        """Observe a waveform's picture. `reference`: as for `waveform_json`."""
        return observe_waveform_picture(
            self._decoder, path, expected or WaveformExpected(), reference=reference, output=output
        )
