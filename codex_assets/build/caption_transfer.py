"""Takes the captions of an upload's picture over into the mezzanine, and from there into the segments of every variant.

ffmpeg's filters and pipes lose captions, or give them twice, where pictures are dropped, repeated or handed on raw; so
they go past them. In: files that are read and written again. Out: what captions are (`media/captions.py`), and what an
mp4 or a transport stream looks like with them.
"""

from __future__ import annotations

import logging
import os
import struct
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import BinaryIO

from codex_assets.media import captions, transport_stream
from codex_assets.media.encode import captioned_mp4

_log = logging.getLogger(__name__)

_READ_BYTES = 1 << 22
_LONGEST_MARK = 16
_HEAD_BYTES = 1 << 12
"""Of a picture of ours, which begins with its messages."""


@dataclass(frozen=True)
class CaptionTransfer:
    """The services of an upload's captions, and those that its mezzanine has too: all of them or none."""

    uploaded: tuple[str, ...] = ()
    kept: tuple[str, ...] = ()


def may_have_captions(path: Path) -> bool:
    """Whether the bytes of a file look as if any picture in it carried captions. One read of the file tells."""
    with path.open("rb") as file:
        before = b""
        while part := file.read(_READ_BYTES):
            data = before + part
            if any(mark in data for mark in captions.BYTE_MARKS):
                return True
            before = part[-_LONGEST_MARK:]
    return False


def into_mezzanine(path: Path, carrier: Path, rate: Fraction) -> CaptionTransfer:
    """Write the captions that `carrier` shows into the mezzanine at `path`, `rate` frames a second.

    `carrier`: what `media/encode/mezzanine.arguments` writes beside it. Captions that cannot be carried by its frames,
    in their order and in time, stay out.
    """
    seen = _of_carrier(carrier)
    uploaded = captions.services(triplets for _, triplets in seen)
    if not uploaded:
        return CaptionTransfer()
    try:
        with path.open("rb") as file:
            mezzanine = _Mp4(file)
            numbered = [(round(seconds * rate), triplets) for seconds, triplets in seen]
            latest = int(captions.LATEST_SECONDS * rate)
            by_frame = captions.placed(numbered, len(mezzanine.index.frames), latest=latest)
            if by_frame is None:
                return CaptionTransfer(uploaded)
            written = path.with_suffix(".captions")
            with written.open("wb") as output:
                mezzanine.write(output, by_frame)
        os.replace(written, path)
    except (ValueError, struct.error):
        _log.warning("the captions cannot be written into the mezzanine", exc_info=True)
        return CaptionTransfer(uploaded)
    return CaptionTransfer(uploaded, uploaded)


def of_mezzanine(path: Path) -> Mapping[int, bytes]:
    """The captions of a mezzanine by frame, in the order in which frames are shown. Raises `ValueError`."""
    with path.open("rb") as file:
        return dict(_Mp4(file).captions())


def into_segments(segments: Sequence[Path], by_frame: Mapping[int, bytes], rate: Fraction) -> None:
    """Write captions into the segments of a video variant, which are all of it in order, or the first of it."""
    rewriter = transport_stream.Rewriter()
    start: int | None = None
    for segment in segments:
        stream = segment.read_bytes()
        stored = list(transport_stream.pictures(stream))
        if start is None:
            start = min(picture.pts for picture in stored)
        payloads = {}
        for picture in stored:
            frame = round(Fraction(picture.pts - start, transport_stream.CLOCK) * rate)
            if frame in by_frame:
                payloads[picture.packets[0]] = _with_captions(picture, by_frame[frame])
        segment.write_bytes(rewriter.rewritten(stream, payloads))


def _with_captions(picture: transport_stream.StoredPicture, triplets: bytes) -> bytes:
    header = len(picture.payload) - len(picture.data)
    at = header + transport_stream.before_slices(picture.data)
    unit = b"\x00\x00\x01" + captions.sei_unit(triplets)
    return picture.payload[:at] + unit + picture.payload[at:]


def _of_carrier(carrier: Path) -> list[tuple[Fraction, bytes]]:
    """Seconds and triplets of each picture that has captions, in the order in which pictures are shown."""
    if not carrier.exists():
        return []
    seen = []
    with carrier.open("rb") as file:
        for part in transport_stream.whole_pictures(iter(lambda: file.read(_READ_BYTES), b"")):
            for picture in transport_stream.pictures(part):
                triplets = b"".join(captions.captions_of(unit) for unit in transport_stream.units(picture.data))
                if triplets:
                    seen.append((Fraction(picture.pts, transport_stream.CLOCK), triplets))
    return sorted(seen, key=lambda picture: picture[0])


class _Mp4:
    """A mezzanine that is open for reading."""

    def __init__(self, file: BinaryIO) -> None:
        """Raises `ValueError` for a file that is not as ours are."""
        self._file = file
        self._head = b""
        """What comes before `moov`."""
        moov = None
        for kind, size, header in _top_boxes(file):
            payload = b"" if kind == b"mdat" else file.read(size - header)
            if kind == b"moov":
                moov = payload
            elif kind == b"mdat":
                break
            elif moov is None:
                self._head += struct.pack(">I4s", size, kind) + payload
        if moov is None:
            raise ValueError("the mp4's index does not come first")
        self._moov = moov
        self.index = captioned_mp4.read_index(moov)

    def captions(self) -> Iterator[tuple[int, bytes]]:
        """Frame and triplets of each picture that has captions."""
        for chunk in self.index.chunks:
            if chunk.track == self.index.picture:
                for sample, data in self._samples(chunk, most=_HEAD_BYTES):
                    units = (unit for _, unit in captioned_mp4.units(data))
                    triplets = b"".join(captions.captions_of(unit) for unit in units)
                    if triplets:
                        yield self.index.frames[sample], triplets

    def write(self, output: BinaryIO, by_frame: Mapping[int, bytes]) -> None:
        """Write all of it, with these captions, by frame."""
        units = {frame: captions.sei_unit(triplets) for frame, triplets in by_frame.items()}
        growth = {frame: captioned_mp4.unit_length(unit) for frame, unit in units.items()}
        chunks = captioned_mp4.grown(self.index, growth)
        size = 16 + sum(sum(chunk.sizes) for chunk in chunks)
        output.write(self._head)
        output.write(captioned_mp4.rewritten_moov(self._moov, self.index, chunks, len(self._head) + 16))
        output.write(struct.pack(">I4sQ", 1, b"mdat", size))
        for chunk in self.index.chunks:
            for sample, data in self._samples(chunk):
                frame = self.index.frames[sample] if chunk.track == self.index.picture else None
                output.write(captioned_mp4.with_unit(data, units[frame]) if frame in units else data)

    def _samples(self, chunk: captioned_mp4.Chunk, most: int | None = None) -> Iterator[tuple[int, bytes]]:
        """Number and bytes of each sample, or the first `most` bytes of it."""
        at = chunk.offset
        for sample, size in enumerate(chunk.sizes, start=chunk.first):
            self._file.seek(at)
            yield sample, self._file.read(size if most is None else min(size, most))
            at += size


def _top_boxes(file: BinaryIO) -> Iterable[tuple[bytes, int, int]]:
    """Type, size and size of the header of each box of a file, which is left where the box's payload starts."""
    at = 0
    while True:
        file.seek(at)
        head = file.read(16)
        if len(head) < 8:
            return
        size, kind = struct.unpack_from(">I4s", head)
        header = 8
        if size == 1:
            (size,), header = struct.unpack_from(">Q", head, 8), 16
        file.seek(at + header)
        yield kind, size, header
        if size < header:
            return
        at += size
