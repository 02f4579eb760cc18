"""What is decoded of an upload: itself, or a copy without the tracks that nothing here may or can decode.

In: asking ffmpeg which tracks there are, which decoders it has, and with which tracks they start. Out: which decoders
are allowed (`media/decoders.py`), and what becomes of a track that is left out (`upload_check.py`).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from codex_assets.build import upload_faults
from codex_assets.contract.names import MediaType
from codex_assets.errors import ToolError
from codex_assets.media import decoders, ffmpeg_words, input_flags, profile
from codex_assets.media.decoders import Listing, Track
from codex_assets.media.facts import UndecodedTrack
from codex_assets.media.upload import codec_names, refusals
from codex_assets.media.upload.refusals import UploadRefusal
from codex_assets.system import sandbox
from codex_assets.system.tools import Tools


@dataclass(frozen=True)
class DecodedPart:
    """The file that is decoded, and what it lacks of the upload: how many tracks by kind, and those of them that are
    pictures or sounds."""

    path: Path
    left_out: Counter[str]
    undecoded: tuple[UndecodedTrack, ...] = ()


class DecodableTracks:
    """The tracks of one upload. `head`: its beginning and end. `container`: as `input_arguments` takes it."""

    def __init__(
        self, tools: Tools, media_type: MediaType, source: Path, head: bytes, container: str | None = None
    ) -> None:
        self._tools, self._media_type, self._source, self._head = tools, media_type, source, head
        self._container = container

    def decoded_part(self, options: Sequence[str], look: int | None, unopened: Collection[int] = ()) -> DecodedPart:
        """The upload, or a copy of it where it holds tracks that may not be decoded, or are `unopened` (their numbers).

        `options`, `look`: how far the upload is looked into. Raises `SourceError` where nothing is left of what the
        upload is about. The copy does not show whether the upload was cut off.
        """
        opened = self._opened(look)
        listing = self._listing(options, look)
        tracks = self._marked(listing, unopened)
        foreign = [track for track in tracks if track.is_foreign]
        if not foreign:
            return DecodedPart(self._source, Counter())
        missing = decoders.missing(tracks, self._media_type)
        if missing is not None:
            raise self._refusal(missing, unopened).error()
        kept = decoders.kept(tracks)
        if not kept or len(tracks) >= profile.MAX_TRACKS:
            raise refusals.not_decoded(self._name(foreign[0])).error()
        path = self._source.with_name(f"{self._source.name}.kept")
        seconds = max(listing.seconds or 0.0, self._source.stat().st_size / sandbox.FILE_BYTES_PER_SECOND)
        for muxer in decoders.muxers(listing.container):
            arguments = decoders.copy_arguments(opened, kept, muxer, str(path))
            try:
                self._tools.ffmpeg(arguments, label="copying the tracks that are kept", duration=seconds)
            except ToolError as error:
                upload_faults.require_an_answer(error, self._source)
                continue
            undecoded = tuple(
                UndecodedTrack(track.kind, self._name(track))
                for track in foreign
                if track.kind in ("video", "audio") and not track.is_still
            )
            return DecodedPart(path, decoders.left_out(tracks), undecoded)
        raise refusals.not_decoded(self._name(foreign[0])).error()

    def unopened(self, look: int | None) -> frozenset[int]:
        """The numbers of the tracks with which no decoder starts, though there is one for their codec.

        ffprobe lists no file that has one, and does not say which it is. Nothing of a file that holds no tracks. Of
        subtitles it is not known; they count as such where no other track is. Raises `ToolError` when the worker was
        in trouble.
        """
        tracks = [track for track in self._listing((), look).tracks if not track.is_foreign and track.codec != "none"]
        tried = [track for track in tracks if track.kind in ("video", "audio")][: profile.MAX_TRACKS]
        unopened = frozenset(track.index for track in tried if not self._opens(track, look))
        return unopened or frozenset(track.index for track in tracks if track.kind == "subtitle")

    def _opened(self, look: int | None) -> list[str]:
        return input_flags.input_arguments(str(self._source), container=self._container, look=look)

    def _listing(self, options: Sequence[str], look: int | None) -> Listing:
        listing = Listing()
        opened = self._opened(look)
        self._tools.list_inputs([*options, *opened], label="listing the tracks", on_log=listing.add)
        return listing

    def _marked(self, listing: Listing, unopened: Collection[int]) -> list[Track]:
        """The tracks, with those marked that no decoder of this ffmpeg opens."""
        here = self._tools.decoders() if listing.tracks else frozenset()

        def is_opened(track: Track) -> bool:
            allowed = profile.UNTRUSTED_DECODERS.get(track.codec, ()) if track.kind in ("video", "audio") else ()
            return track.index not in unopened and (not allowed or not here.isdisjoint(allowed))

        return [replace(track, is_opened=is_opened(track)) for track in listing.tracks]

    def _opens(self, track: Track, look: int | None) -> bool:
        """Whether ffmpeg starts a decoder with a track."""
        opened = self._opened(look)
        log: list[str] = []
        try:
            self._tools.ffmpeg(
                decoders.trial_arguments(opened, track), label="trying a track's decoder", on_log=log.append
            )
        except ToolError as error:
            upload_faults.require_an_answer(error, self._source)
        return not any(ffmpeg_words.NOT_OPENED in line for line in log)

    def _refusal(self, track: Track, unopened: Collection[int]) -> UploadRefusal:
        """Why the upload is refused for a track: its codec, or else what is wrong with the track itself."""
        name = self._name(track)
        is_known_codec = track.index in unopened and name == track.codec
        return refusals.UNDECODABLE if is_known_codec else refusals.not_decoded(name)

    def _name(self, track: Track) -> str:
        return track.codec if track.is_opened else codec_names.unopened_name(track.codec, self._head)
