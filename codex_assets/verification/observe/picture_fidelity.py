"""Compares every picture of outputs with the pictures that they were made of, and asks what an honest encode reaches.

In: the judge's own encode, of seconds that are worth a second look. Out: decoding (`picture_stack.py`), measuring
(`picture_meter.py`), and what is too much of a difference (`rules/pictures.py`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from functools import partial

from codex_assets.verification.fidelity import PictureFidelity, PictureSecond, ScalingLoss
from codex_assets.verification.observe.decoder import Decoder
from codex_assets.verification.observe.picture_meter import Areas, Meter, agreements, badness, detail_of, measure
from codex_assets.verification.observe.picture_stack import COLOURS, Batch, Delivered, compared_size, decode_together
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
        return self._looked_again(delivered, measured), log

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

        def add(batch: Batch) -> None:
            nonlocal left
            rest = min(left, batch.luma.shape[0])
            left -= rest
            if rest == batch.luma.shape[0]:
                return
            planes = [plane[rest:] for plane in (batch.luma, batch.blue, batch.red)]
            references = [Areas.of(plane[:, 0]) for plane in planes]
            if programme is not None:
                programme.add(references)
            outputs = [[plane[:, number + 1] for plane in planes] for number in range(len(meters))]
            measured = [measure(references, own) for own in outputs]
            alike = agreements(outputs, measured)
            for number, meter in enumerate(meters):
                meter.add(
                    references,
                    measured[number],
                    detail_of(batch.crops[rest:, number]),
                    detail_of(batch.reference_crops[rest:, number]),
                    alike[number],
                )

        log = decode_together(self.decoder, reference, delivered, self.rate, self.size, add, seconds=seconds)
        return [meter.result() for meter in meters], log

    # --- What was possible --------------------------------------------------------------------------------------------

    def _looked_again(self, delivered: Sequence[Delivered], measured: list[PictureFidelity]) -> list[PictureFidelity]:
        """Each fidelity with what an honest encode reaches in the seconds that are least alike, where they differ much.

        A second that several outputs find hard is decoded once for all of them.
        """
        wanted: dict[float, dict[int, PictureSecond]] = {}
        for number, (each, fidelity) in enumerate(zip(delivered, measured, strict=True)):
            for second in _doubtful(fidelity) if each.kbps is not None else ():
                wanted.setdefault(second.at, {})[number] = second
        honest: list[list[PictureSecond]] = [[] for _ in delivered]
        looks = [partial(self._honest_by, delivered, seconds) for _, seconds in sorted(wanted.items())]
        for encoded in self.decoder.side_by_side(looks):
            for number, second in encoded.items():
                honest[number].append(second)
        return [replace(fidelity, honest=tuple(each)) for fidelity, each in zip(measured, honest, strict=True)]

    def _honest_by(
        self, delivered: Sequence[Delivered], seconds: Mapping[int, PictureSecond], decoder: Decoder
    ) -> dict[int, PictureSecond]:
        """A second as an honest encode leaves it, of each output by its number in `seconds`. Looked at by `decoder`."""
        beside = replace(self, decoder=decoder)
        encoded = beside._honest([delivered[number] for number in seconds], next(iter(seconds.values())))
        return dict(zip(seconds, encoded, strict=True))

    def _honest(self, delivered: Sequence[Delivered], second: PictureSecond) -> list[PictureSecond]:
        """A second of the reference, encoded anew at each output's size and a part of its rate, and compared."""
        rate = float(self.rate)
        start = max(0.0, second.at - LEAD_SECONDS)
        lead = round((second.at - start) * rate)
        count = lead + second.pictures
        # Half a picture earlier, so that rounding leaves none out.
        seek = ["-ss", f"{start - 0.5 / rate:.6f}"] if start > 0 else []
        opened = [*seek, *self.reference]
        with self.decoder.scratch_folder() as folder:
            files = [
                (str(folder / f"coded-{at}.mkv"), str(folder / f"scaled-{at}.mkv")) for at in range(len(delivered))
            ]
            arguments = [*opened, *_encodes(delivered, files, count)]
            self.decoder.run(arguments, label="encoding for comparison", duration=count / rate)
            measured = [self._beside(opened, each, files[at], lead, count) for at, each in enumerate(delivered)]
            lost = self._lost_by_scaling(opened, delivered, [scaled for _, scaled in files], lead, count)
        return [
            _with_scaling(replace(of_encode[0], at=second.at), of_scaling) if of_encode else second
            for of_encode, of_scaling in zip(measured, lost, strict=True)
        ]

    def _beside(
        self, opened: Sequence[str], each: Delivered, files: tuple[str, str], lead: int, count: int
    ) -> tuple[PictureSecond, ...]:
        """An honest encode beside what it was given; of pictures that are smaller than what is compared beside the
        reference, for being made so small is the most of it."""
        coded, scaled = files
        beside, given = (self, opened) if self._is_small(each) else (replace(self, size=each.size), ("-i", scaled))
        (fidelity,), _ = beside._measured(given, [Delivered(("-i", coded), each.size)], lead, count / float(self.rate))
        return fidelity.seconds

    def _lost_by_scaling(
        self, opened: Sequence[str], delivered: Sequence[Delivered], scaled: Sequence[str], lead: int, count: int
    ) -> list[tuple[PictureSecond, ...]]:
        """What is lost of the reference where it is only scaled to each output's size; nothing is said of small ones.
        One decode of the reference serves all."""
        larger = [number for number, each in enumerate(delivered) if not self._is_small(each)]
        lost: list[tuple[PictureSecond, ...]] = [() for _ in delivered]
        if larger:
            sources = [Delivered(("-i", scaled[number]), delivered[number].size) for number in larger]
            fidelities, _ = self._measured(opened, sources, lead, count / float(self.rate))
            for number, fidelity in zip(larger, fidelities, strict=True):
                lost[number] = fidelity.seconds
        return lost

    def _is_small(self, each: Delivered) -> bool:
        """Whether its pictures are smaller than what is compared."""
        width, height = compared_size(*self.size)
        return each.size[0] * each.size[1] < width * height


def _with_scaling(honest: PictureSecond, of_scaling: Sequence[PictureSecond]) -> PictureSecond:
    """What an honest encode reaches of what it was given, with what was lost by scaling before."""
    if not of_scaling:
        return honest
    lost = of_scaling[0]
    return replace(
        honest, scaling=ScalingLoss(lost.likeness, lost.least_likeness, lost.difference, lost.lasting_difference)
    )


def _doubtful(fidelity: PictureFidelity) -> list[PictureSecond]:
    """The seconds that are worth a second look: the worst in each respect, for what is hard to encode is seldom worst
    in all of them."""
    doubtful = [second for second in fidelity.seconds if badness(second) > 1]
    if not doubtful:
        return []
    worst = {
        max(doubtful, key=badness),
        min(doubtful, key=lambda second: min(second.likeness)),
        max(doubtful, key=lambda second: second.difference),
        min(doubtful, key=lambda second: second.sharpness if second.sharpness is not None else 1.0),
    }
    return sorted(worst, key=lambda second: second.at)


def _encodes(delivered: Sequence[Delivered], files: Sequence[tuple[str, str]], count: int) -> list[str]:
    """Arguments that encode the first `count` pictures for each output into two files: as an honest encoder would, and
    as that one was given them."""
    decoded = "".join(f"[d{number}]" for number in range(len(delivered)))
    chains = [f"[0:v:0]{COLOURS},split={len(delivered)}{decoded}"]
    outputs: list[str] = []
    for number, (each, (coded, scaled)) in enumerate(zip(delivered, files, strict=True)):
        width, height = each.size
        # Beside what the encoder was given, not beside the reference: a scaler that spoils pictures excuses nobody.
        filters = f"scale={width}:{height}:flags=bicubic,format=yuv420p,split=2[c{number}][s{number}]"
        chains.append(f"[d{number}]{filters}")
        kbps = max(1, round((each.kbps or 1) * HONEST_SHARE))
        # A buffer of half a second: a full one must not pay for all of so short an encode.
        limits = ("-b:v", f"{kbps}k", "-maxrate", f"{kbps}k", "-bufsize", f"{max(1, kbps // 2)}k")
        whole = ("-frames:v", str(count), "-fps_mode", "passthrough", "-threads", "1")
        encoder = ("-c:v", "libx264", "-preset", "veryfast", *limits)
        outputs += ["-map", f"[c{number}]", *whole, *encoder, "-f", "matroska", coded]
        # Without loss, in half of the time that x264 takes for that.
        outputs += ["-map", f"[s{number}]", *whole, "-c:v", "utvideo", "-pred", "left", "-f", "matroska", scaled]
    return ["-filter_complex", ";".join(chains), *outputs]
