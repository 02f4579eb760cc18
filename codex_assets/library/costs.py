"""What a rebuild would cost, before anything starts: outputs, minutes, a worker's time, money, bytes.

From what was recorded: how fast the same output was built with the same encoder (medians), and how large it is. Where
nothing was recorded it assumes, and says so. Not here: prices (`prices`), and what is to be rebuilt (`catalogue`).

Outputs that one piece of work makes together take as long as the slowest of them. A record of a whole ladder does not
tell what one rung of it would take alone, so an estimate for single rungs is rather too high.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from codex_assets.config import prices
from codex_assets.contract.names import MediaType
from codex_assets.library.catalogue import Catalogue, Held, Target
from codex_assets.media import profile, recipe
from codex_assets.media.outputs import LOUDNESS, MEZZANINE, OUTPUTS, PREVIEW, definition

ASSUMED_SPEEDS = {
    ("video", "mezzanine"): 2.0,
    ("audio", "mezzanine"): 2.0,
    ("video", "loudness"): 40.0,
    ("audio", "loudness"): 40.0,
    ("video", "ladder"): 1.0,
}
"""Media seconds per wall second of a piece of work (`media/outputs.py`), by media type, fetching, verifying and
publishing included, until something was recorded. Nobody measured these: they are on the careful side of what x264 does
on eight cores."""
ASSUMED_SPEED = 20.0
"""Of all other work, which encodes no picture."""
LEAST_SECONDS = 2.0
"""Of any piece of work, however short the media: processes start, files travel."""
KILOBIT = 125
"""Bytes."""


@dataclass(frozen=True)
class Line:
    """One output of one media type. `seconds` of a worker, shared with what is built beside it; bytes in all."""

    media_type: MediaType
    output: str
    count: int
    media_seconds: float
    seconds: float
    bytes_before: int
    bytes_after: int
    speed: float
    builds: int
    """How many recorded builds the speed is the median of; 0: it is assumed."""


@dataclass(frozen=True)
class Estimate:
    """What building the targets would take. `follows`: outputs that may have to be built after them, not counted.

    `encoders` are those that the recorded speeds were reached with; `price` is what a second of a worker costs, in USD.
    """

    media: int
    outputs: int
    follows: int
    media_seconds: float
    worker_seconds: float
    price: float
    price_of: str
    bytes_before: int
    bytes_after: int
    encoders: tuple[str, ...]
    lines: tuple[Line, ...]
    unknown_lengths: int = 0
    """Media whose length nobody recorded: they are taken for the median."""

    @property
    def usd(self) -> float:
        return self.worker_seconds * self.price

    def wire(self) -> dict[str, Any]:
        """For machines."""
        return {
            "media": self.media,
            "outputs": self.outputs,
            "mayFollow": self.follows,
            "mediaMinutes": round(self.media_seconds / 60, 2),
            "workerSeconds": round(self.worker_seconds, 1),
            "usd": round(self.usd, 6),
            "usdPerSecond": self.price,
            "priceOf": self.price_of,
            "bytesBefore": self.bytes_before,
            "bytesAfter": self.bytes_after,
            "encoders": list(self.encoders),
            "unknownLengths": self.unknown_lengths,
            "byOutput": [
                {
                    "mediaType": line.media_type,
                    "output": line.output,
                    "count": line.count,
                    "workerSeconds": round(line.seconds, 1),
                    "bytesBefore": line.bytes_before,
                    "bytesAfter": line.bytes_after,
                    "speed": round(line.speed, 2),
                    "builds": line.builds,
                }
                for line in self.lines
            ],
        }


@dataclass
class _Sum:
    count: int = 0
    media_seconds: float = 0.0
    seconds: float = 0.0
    before: int = 0
    after: int = 0


def estimate(
    targets: Sequence[Target], catalogue: Catalogue, *, price: float | None = None, encoder: str | None = None
) -> Estimate:
    """What building `targets` would take. `price`: USD a second of a worker costs, where that is known; `encoder`: the
    codec name to expect (`h264_nvenc`, `libx264`), by default the one that most recorded builds of an output used."""
    known = catalogue.held([target.media_id for target in targets])
    speeds, sizes = _Speeds(catalogue, encoder), catalogue.sizes()
    lengths = sorted(seconds for seconds, _ in known.values() if seconds)
    typical = lengths[len(lengths) // 2] if lengths else 0.0
    sums: dict[tuple[MediaType, str], _Sum] = defaultdict(_Sum)
    total = worker = 0.0
    unknown = 0
    for target in targets:
        length, held = known.get(target.media_id, (None, {}))
        unknown += not length
        length = length or typical
        total += length
        for work in _works(target):
            seconds = max(LEAST_SECONDS, *(length / speeds.of(target.media_type, output) for output in work))
            worker += seconds
            for output in work:
                one = sums[target.media_type, output]
                one.count += 1
                one.media_seconds += length
                one.seconds += seconds / len(work)
                before = held[output].bytes if output in held else 0
                one.before += before
                one.after += _after(target.media_type, output, held.get(output), length, sizes)
    order = {key: number for number, key in enumerate((kind, one) for kind in OUTPUTS for one in OUTPUTS[kind])}
    lines = tuple(
        Line(
            *(kind, output, one.count, one.media_seconds, one.seconds, one.before, one.after),
            speed=speeds.of(kind, output),
            builds=speeds.builds(kind, output),
        )
        for (kind, output), one in sorted(sums.items(), key=lambda item: order[item[0]])
    )
    second, price_of = _price(price, catalogue)
    return Estimate(
        media=len(targets),
        outputs=sum(len(target.outputs) for target in targets),
        follows=sum(len(target.follows) for target in targets),
        media_seconds=total,
        worker_seconds=worker,
        price=second,
        price_of=price_of,
        bytes_before=sum(line.bytes_before for line in lines),
        bytes_after=sum(line.bytes_after for line in lines),
        encoders=tuple(sorted(speeds.used)),
        lines=lines,
        unknown_lengths=unknown,
    )


def _works(target: Target) -> list[tuple[str, ...]]:
    works: dict[str, list[str]] = {}
    for output in target.outputs:
        work = definition(target.media_type, output).kind.work
        # One decode of the original makes the mezzanine and measures it.
        if work == LOUDNESS.work and MEZZANINE.name in target.outputs:
            work = MEZZANINE.work
        works.setdefault(work, []).append(output)
    return [tuple(some) for some in works.values()]


class _Speeds:
    """Media seconds per wall second of each output, as they were recorded."""

    def __init__(self, catalogue: Catalogue, encoder: str | None) -> None:
        self._encoder = encoder
        self._recorded = catalogue.speeds()
        self._chosen: dict[tuple[str, str], tuple[float, int]] = {}
        self.used: set[str] = set()

    def of(self, media_type: str, output: str) -> float:
        return self._found(media_type, output)[0]

    def builds(self, media_type: str, output: str) -> int:
        return self._found(media_type, output)[1]

    def _found(self, media_type: str, output: str) -> tuple[float, int]:
        key = (media_type, output)
        if key not in self._chosen:
            some = {
                one[2]: told
                for one, told in self._recorded.items()
                if one[:2] == key and (self._encoder is None or one[2] in ("", self._encoder))
            }
            if some:
                name = max(some, key=lambda one: some[one][1])
                self._chosen[key] = some[name]
                self.used |= {name} if name else set()
            else:
                self._chosen[key] = (assumed_speed(*key), 0)
        return self._chosen[key]


def assumed_speed(media_type: str, output: str) -> float:
    """Media seconds per wall second that a build of an output is assumed to reach."""
    return ASSUMED_SPEEDS.get((media_type, definition(media_type, output).kind.work), ASSUMED_SPEED)


def _after(
    media_type: MediaType,
    output: str,
    held: Held | None,
    length: float,
    sizes: Mapping[tuple[str, str], tuple[float, float]],
) -> int:
    """Bytes of an output when it is built by today's recipe: as before, by as much as its target rate changed."""
    is_preview = output == PREVIEW.name
    now = _rate(recipe.numbers(media_type, output, profile.PREVIEW_BEST if is_preview else None))
    if held is not None and held.applicable and held.bytes:
        then = _rate(held.recipe)
        if is_preview and held.variant is not None:
            now = _rate(recipe.numbers(media_type, output, held.variant))
        return round(held.bytes * now / then) if now and then else held.bytes
    if now:
        seconds = min(length, profile.PREVIEW_SECONDS) if is_preview else length
        return round(seconds * now * KILOBIT)
    each, per_second = sizes.get((media_type, output), (0.0, 0.0))
    return round(length * per_second if output == MEZZANINE.name else each)


def _rate(numbers: Mapping[str, Any]) -> float:
    """kbit/s that a recipe aims at; 0 where it has no rate."""
    return float(numbers.get("variant.video_kbps", 0)) + float(numbers.get("variant.audio_kbps", 0))


def _price(given: float | None, catalogue: Catalogue) -> tuple[float, str]:
    if given is not None:
        return given, "WORKER_PRICE_PER_SECOND"
    gpus: Counter[str] = catalogue.gpus()
    for model, _ in gpus.most_common():
        price = prices.of_gpu(model)
        if price is not None:
            return price, f"{model}, which most builds used (RunPod, {prices.AS_OF})"
    pool = prices.POOLS[prices.USUAL_POOL]
    return pool.usd_per_second, f"{pool.name}, assumed (RunPod, {prices.AS_OF})"
