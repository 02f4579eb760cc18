"""Compares every picture of outputs with the pictures that they were made of, and asks what an honest encode reaches.

In: the judge's own encode, of seconds that are worth a second look. Out: decoding (`picture_stack.py`), measuring
(`picture_meter.py`), and what is too much of a difference (`rules/pictures.py`).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from fractions import Fraction

from codex_assets.verification.fidelity import PictureFidelity, PictureSecond
from codex_assets.verification.observe.decoder import Decoder
from codex_assets.verification.observe.picture_meter import Areas, Meter, badness, detail_of
from codex_assets.verification.observe.picture_stack import COLOURS, Batch, Delivered, decode_together
from codex_assets.verification.observe.programme_picture import ProgrammePictureMeter

HONEST_SHARE = 0.7
"""Of the rate that the output was meant to have: what the judge's encode gets."""
LEAD_SECONDS = 1.0
"""Encoded in front of the second in question."""


@dataclass(frozen=True)
class PictureComparison:
    """What pictures are compared with: `reference`, input arguments; its pictures a second, its pixels."""

    decoder: Decoder
    reference: tuple[str, ...]
    rate: Fraction
    size: tuple[int, int]

    def compare(
        self, delivered: Sequence[Delivered], *, seconds: float, programme: ProgrammePictureMeter | None = None
    ) -> tuple[list[PictureFidelity], tuple[str, ...]]:
        """The fidelity of each of several outputs, which have equally many pictures and last `seconds`, and the
        decoders' log. `programme` measures the reference by itself. Raises `ToolError` when one cannot be decoded."""
        measured, log = self._measured(self.reference, delivered, 0, seconds, programme)
        return [self._looked_again(each, fidelity) for each, fidelity in zip(delivered, measured, strict=True)], log

    def _measured(
        self,
        reference: Sequence[str],
        delivered: Sequence[Delivered],
        skipped: int,
        seconds: float,
        programme: ProgrammePictureMeter | None = None,
    ) -> tuple[list[PictureFidelity], tuple[str, ...]]:
        """`skipped`: pictures at the beginning that are not measured."""
        meters = [Meter(float(self.rate)) for _ in delivered]
        left = skipped

        def measure(batch: Batch) -> None:
            nonlocal left
            rest = min(left, batch.luma.shape[0])
            left -= rest
            if rest == batch.luma.shape[0]:
                return
            planes = [plane[rest:] for plane in (batch.luma, batch.blue, batch.red)]
            references = [Areas.of(plane[:, 0]) for plane in planes]
            if programme is not None:
                programme.add(references[0])
            for number, meter in enumerate(meters):
                meter.add(
                    references,
                    [plane[:, number + 1] for plane in planes],
                    detail_of(batch.crops[rest:, number]),
                    detail_of(batch.reference_crops[rest:, number]),
                )

        log = decode_together(self.decoder, reference, delivered, self.rate, self.size, measure, seconds=seconds)
        return [meter.result() for meter in meters], log

    # --- What was possible --------------------------------------------------------------------------------------------

    def _looked_again(self, delivered: Delivered, fidelity: PictureFidelity) -> PictureFidelity:
        """`fidelity` with what an honest encode reaches in the seconds that are least alike, where they differ much."""
        if delivered.kbps is None:
            return fidelity
        doubtful = [second for second in fidelity.seconds if badness(second) > 1]
        if not doubtful:
            return fidelity
        # The worst in each respect: what is hard to encode is seldom worst in all of them.
        worst = {
            max(doubtful, key=badness),
            min(doubtful, key=lambda second: min(second.likeness)),
            max(doubtful, key=lambda second: second.difference),
            min(doubtful, key=lambda second: second.sharpness if second.sharpness is not None else 1.0),
        }
        in_order = sorted(worst, key=lambda second: second.at)
        return replace(fidelity, honest=tuple(self._honest(delivered, delivered.kbps, second) for second in in_order))

    def _honest(self, delivered: Delivered, kbps: int, second: PictureSecond) -> PictureSecond:
        """The same second of the reference, encoded anew at the output's size and a part of its rate, and compared."""
        rate = float(self.rate)
        start = max(0.0, second.at - LEAD_SECONDS)
        lead = round((second.at - start) * rate)
        count = lead + second.pictures
        # Half a picture earlier, so that rounding leaves none out.
        seek = ["-ss", f"{start - 0.5 / rate:.6f}"] if start > 0 else []
        opened = [*seek, *self.reference]
        width, height = delivered.size
        # Beside what the encoder was given, not beside the reference: a scaler that spoils pictures excuses nobody.
        filters = f"[0:v:0]{COLOURS},scale={width}:{height}:flags=bicubic,format=yuv420p,split=2[coded][scaled]"
        own_kbps = max(1, round(kbps * HONEST_SHARE))
        # A buffer of half a second: a full one must not pay for all of so short an encode.
        limits = ("-b:v", f"{own_kbps}k", "-maxrate", f"{own_kbps}k", "-bufsize", f"{max(1, own_kbps // 2)}k")
        whole = ("-frames:v", str(count), "-fps_mode", "passthrough", "-an", "-threads", "1", "-c:v", "libx264")
        with self.decoder.scratch_folder() as folder:
            path, scaled = str(folder / "honest.mkv"), str(folder / "scaled.mkv")
            coded = ("-map", "[coded]", *whole, "-preset", "veryfast", *limits, "-f", "matroska", path)
            kept = ("-map", "[scaled]", *whole, "-preset", "ultrafast", "-qp", "0", "-f", "matroska", scaled)
            arguments = [*opened, "-filter_complex", filters, *coded, *kept]
            self.decoder.run(arguments, label="encoding for comparison", duration=count / rate)
            same_size = replace(self, size=delivered.size)
            encoded = Delivered(("-i", path), delivered.size)
            (fidelity,), _ = same_size._measured(("-i", scaled), [encoded], lead, count / rate)
        return replace(fidelity.seconds[0], at=second.at) if fidelity.seconds else second
