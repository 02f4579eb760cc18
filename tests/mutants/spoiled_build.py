"""A build that makes a fault: the real builder, whose finished files are changed before anybody looks at them.

The seams are the places where the builder has a file of its own and its judge has not seen it yet. Records, playlists
and the master are then written by the builder itself, as for an encoder that made this fault.
"""

from __future__ import annotations

import functools
import os
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from itertools import count
from pathlib import Path
from typing import Any

from mutant import Mutant, Seam
from published import TOOLS, PublishedMedia, measured_segments

from codex_assets.archive.records import OutputRecord
from codex_assets.build import encoded_variant, pictures, storyboard
from codex_assets.build.builder import LocalBuilder
from codex_assets.build.encoders import EncoderMode, Encoders
from codex_assets.build.mezzanine_encode import MezzanineEncoder
from codex_assets.media.encode import hls
from codex_assets.media.outputs import OUTPUTS
from codex_assets.system.tools import Tools, tool_environment
from codex_assets.system.workspace import Workspace

_numbers = count()


def build(published: PublishedMedia, mutant: Mutant, folder: Path) -> list[OutputRecord]:
    """Build the output of a mutant's seam again, with its fault, in the place of what was published; with a tool that
    makes a fault, everything that comes of the upload or, where the mezzanine is right, one variant.

    Raises what the builder raises.
    """
    if mutant.seam is Seam.TOOL:
        outputs = OUTPUTS[published.media.media_type]
        chosen = outputs if mutant.area == "mezzanine" else [published.broken_variant]
        return rebuilt(published, chosen, folder, _tools_with(mutant, folder / "programs"))
    with _spoiled(published, mutant, mutant.seam, folder):
        return rebuilt(published, [published.output_of(mutant.seam)], folder)


def _tools_with(mutant: Mutant, folder: Path) -> Tools:
    """The tools of this machine, with a mutant's programs in front."""
    folder.mkdir()
    mutant.apply(folder)
    environment = tool_environment(os.environ)
    return Tools({**environment, "PATH": f"{folder}{os.pathsep}{environment['PATH']}"})


def rebuilt(
    published: PublishedMedia, outputs: Sequence[str], folder: Path, tools: Tools = TOOLS
) -> list[OutputRecord]:
    """Build outputs again as they should be."""
    workspace = Workspace(folder / f"work-{os.getpid()}-{next(_numbers)}")
    builder = LocalBuilder(published.stores, tools, Encoders(EncoderMode.X264, tools), workspace)
    try:
        return list(builder.build(published.media, outputs))
    finally:
        workspace.close()


@contextmanager
def _spoiled(published: PublishedMedia, mutant: Mutant, seam: Seam, folder: Path) -> Iterator[None]:
    used: list[str] = []

    def spoil(path: Path, variant: str | None = None) -> None:
        used.append(path.name)
        mutant.apply(published.piece_at(path, variant, folder))

    with _SEAMS[seam](spoil, published.output_of(seam)):
        yield
        assert used, f"{mutant.name} was never used"


Spoil = Callable[..., None]


@contextmanager
def _replaced(place: Any, name: str, make: Callable[[Any], Any]) -> Iterator[None]:
    original = getattr(place, name)
    setattr(place, name, make(original))
    try:
        yield
    finally:
        setattr(place, name, original)


def _of_variants(spoil: Spoil, output: str) -> Any:
    """The segments of a variant, or of the preview, with ffmpeg's playlist."""

    def make(original: Callable[..., Any]) -> Callable[..., Any]:
        @functools.wraps(original)
        def with_fault(build: Any, source: Any, name: str, encoded: Any, playlist: Path, *rest: Any) -> Any:
            if name == output:
                spoil(playlist, encoded.name)
                if encoded.sound is not None and encoded.sound.measured is not None:
                    encoded = replace(encoded, sound=replace(encoded.sound, measured=_measured(playlist)))
            return original(build, source, name, encoded, playlist, *rest)

        return with_fault

    return _replaced(encoded_variant, "_output", make)


def _measured(playlist: Path) -> Any:
    return measured_segments(sorted(playlist.parent.glob("segment_*.ts")), playlist.parent / "heard.bin")


def _of_text(name: str) -> Callable[[Spoil, str], Any]:
    """The text of a playlist that the builder writes."""

    def seam(spoil: Spoil, output: str) -> Any:
        def make(original: Callable[..., str]) -> Callable[..., str]:
            def with_fault(entries: Sequence[Any], *version: str) -> str:
                if name == "media_playlist" and not version:
                    # What a preview is cut from, not what is published.
                    return original(entries)
                with tempfile.TemporaryDirectory() as folder:
                    path = Path(folder) / "playlist.m3u8"
                    path.write_text(original(entries, *version), encoding="utf-8")
                    spoil(path)
                    return path.read_bytes().decode("utf-8", "replace")

            return with_fault

        return _replaced(hls, name, make)

    return seam


def _of_mezzanine(spoil: Spoil, output: str) -> Any:
    def make(original: Callable[..., Any]) -> Callable[..., Any]:
        def with_fault(self: MezzanineEncoder, info: Any) -> Any:
            encode = original(self, info)
            spoil(self._path)
            return encode

        return with_fault

    return _replaced(MezzanineEncoder, "encode", make)


def _of_thumbnail(spoil: Spoil, output: str) -> Any:
    def make(original: Callable[..., Any]) -> Callable[..., Any]:
        def with_fault(build: Any, source: Any, mezzanine: Path, path: Path) -> Any:
            at = original(build, source, mezzanine, path)
            spoil(path)
            return at

        return with_fault

    return _replaced(pictures, "_draw_thumbnail", make)


def _of_waveform(name: str) -> Callable[[Spoil, str], Any]:
    """When both waveforms are drawn and read: their builder takes the numbers of the record from the data."""

    def seam(spoil: Spoil, output: str) -> Any:
        def make(original: Callable[[Path], str]) -> Callable[[Path], str]:
            def with_fault(path: Path) -> str:
                if path.name == name:
                    spoil(path)
                return original(path)

            return with_fault

        return _replaced(pictures, "file_sha256", make)

    return seam


def _of_storyboard(spoil: Spoil, output: str) -> Any:
    def make(original: Callable[..., None]) -> Callable[..., None]:
        def with_fault(tools: Any, mezzanine: Path, sheet: Any, picture: Path, text: Path) -> None:
            original(tools, mezzanine, sheet, picture, text)
            spoil(picture)

        return with_fault

    return _replaced(storyboard, "_make", make)


def _of_small_thumbnails(spoil: Spoil, output: str) -> Any:
    def make(original: Callable[..., float]) -> Callable[..., float]:
        def with_fault(build: Any, source: Any, mezzanine: Path, paths: Any) -> float:
            at = original(build, source, mezzanine, paths)
            spoil(next(iter(paths.values())))
            return at

        return with_fault

    return _replaced(pictures, "_draw_small_thumbnails", make)


def _of_blurhash(spoil: Spoil, output: str) -> Any:
    def make(original: Callable[..., float]) -> Callable[..., float]:
        def with_fault(build: Any, source: Any, mezzanine: Path, path: Path) -> float:
            at = original(build, source, mezzanine, path)
            spoil(path)
            return at

        return with_fault

    return _replaced(pictures, "_write_blurhash", make)


_SEAMS: dict[Seam, Callable[[Spoil, str], Any]] = {
    Seam.SEGMENTS: _of_variants,
    Seam.PREVIEW: _of_variants,
    Seam.PLAYLIST: _of_text("media_playlist"),
    Seam.MASTER: _of_text("master_playlist"),
    Seam.MEZZANINE: _of_mezzanine,
    Seam.THUMBNAIL: _of_thumbnail,
    Seam.WAVEFORM_JSON: _of_waveform("waveform.json"),
    Seam.WAVEFORM_PNG: _of_waveform("waveform.png"),
    Seam.STORYBOARD: _of_storyboard,
    Seam.THUMBNAILS: _of_small_thumbnails,
    Seam.BLURHASH: _of_blurhash,
}
