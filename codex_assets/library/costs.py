"""What a rebuild would cost, before anything starts: outputs, minutes, a worker's time, money, bytes.

An estimate uses what was recorded: how fast the same output was built with the same encoder (medians), and how large it
is. Where nothing was recorded it assumes a speed, and says so. Not here: prices (`config/prices.py`), and what is to be
rebuilt (`catalogue.py`).

Outputs that one piece of work makes together take as long as the slowest of them. The record of a whole ladder does not
say what one rung of it would take alone, so an estimate for single rungs is rather too high.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from codex_assets.config import prices
from codex_assets.contract.names import MediaType
from codex_assets.library.catalogue import BuiltOutput, Catalogue, RebuildTarget
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
BYTES_PER_KILOBIT = 125


@dataclass(frozen=True)
class OutputEstimate:
    """What one output of one media type takes, over all media.

    `count`: media; `seconds` of a worker: its share, where several outputs are built together; `speed`: media seconds
    per wall second.
    """

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
    lines: tuple[OutputEstimate, ...]
    unknown_lengths: int = 0
    """Media whose length was not recorded: the median of the others is assumed."""

    @property
    def usd(self) -> float:
        """What the workers' time costs."""
        return self.worker_seconds * self.price

    def wire(self) -> dict[str, Any]:
        """As JSON has it."""
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
    """What is added up per media type and output. `before` and `after` are bytes."""

    count: int = 0
    media_seconds: float = 0.0
    seconds: float = 0.0
    before: int = 0
    after: int = 0


def estimate(
    targets: Sequence[RebuildTarget], catalogue: Catalogue, *, price: float | None = None, encoder: str | None = None
) -> Estimate:
    """What building `targets` would take.

    `price`: USD that a second of a worker costs, where that is known. `encoder`: the codec name to expect
    (`h264_nvenc`, `libx264`), by default the one that most recorded builds of an output used.
    """
    speeds, sums = _Speeds(catalogue, encoder), _RebuildSums(catalogue, targets)
    for target in targets:
        sums.add(target, speeds)
    order = [(media_type, output) for media_type in OUTPUTS for output in OUTPUTS[media_type]]
    lines = tuple(
        OutputEstimate(
            *(media_type, output, total.count, total.media_seconds, total.seconds, total.before, total.after),
            speed=speeds.of(media_type, output),
            builds=speeds.builds(media_type, output),
        )
        for (media_type, output), total in sorted(sums.by_output.items(), key=lambda item: order.index(item[0]))
    )
    usd_per_second, price_of = _price(price, catalogue)
    return Estimate(
        media=len(targets),
        outputs=sum(len(target.outputs) for target in targets),
        follows=sum(len(target.follows) for target in targets),
        media_seconds=sums.media_seconds,
        worker_seconds=sums.worker_seconds,
        price=usd_per_second,
        price_of=price_of,
        bytes_before=sum(line.bytes_before for line in lines),
        bytes_after=sum(line.bytes_after for line in lines),
        encoders=tuple(sorted(speeds.used)),
        lines=lines,
        unknown_lengths=sums.unknown_lengths,
    )


class _RebuildSums:
    """Adds targets up by what is recorded of their media; a length that is not is the median of the others."""

    def __init__(self, catalogue: Catalogue, targets: Sequence[RebuildTarget]) -> None:
        self._media = catalogue.built_outputs([target.media_id for target in targets])
        self._sizes = catalogue.sizes()
        lengths = sorted(seconds for seconds, _ in self._media.values() if seconds)
        self._typical_length = lengths[len(lengths) // 2] if lengths else 0.0
        self.by_output: dict[tuple[MediaType, str], _Sum] = defaultdict(_Sum)
        self.media_seconds = self.worker_seconds = 0.0
        self.unknown_lengths = 0

    def add(self, target: RebuildTarget, speeds: _Speeds) -> None:
        """Add what building a target takes."""
        length, built = self._media.get(target.media_id, (None, {}))
        self.unknown_lengths += 0 if length else 1
        length = length or self._typical_length
        self.media_seconds += length
        for work in _works(target):
            seconds = max(LEAST_SECONDS, *(length / speeds.of(target.media_type, output) for output in work))
            self.worker_seconds += seconds
            for output in work:
                total = self.by_output[target.media_type, output]
                total.count += 1
                total.media_seconds += length
                total.seconds += seconds / len(work)
                total.before += built[output].bytes if output in built else 0
                total.after += _after(target.media_type, output, built.get(output), length, self._sizes)


def _works(target: RebuildTarget) -> list[tuple[str, ...]]:
    """The outputs of a target, those together that one piece of work makes."""
    works: dict[str, list[str]] = {}
    for output in target.outputs:
        work = definition(target.media_type, output).kind.work
        # One decode of the original makes the mezzanine and measures it.
        if work == LOUDNESS.work and MEZZANINE.name in target.outputs:
            work = MEZZANINE.work
        works.setdefault(work, []).append(output)
    return [tuple(outputs) for outputs in works.values()]


class _Speeds:
    """Media seconds per wall second of each output, as they were recorded."""

    def __init__(self, catalogue: Catalogue, encoder: str | None) -> None:
        self._encoder = encoder
        self._recorded = catalogue.speeds()
        self._chosen: dict[tuple[str, str], tuple[float, int]] = {}
        self.used: set[str] = set()

    def of(self, media_type: str, output: str) -> float:
        """Media seconds per wall second, recorded or assumed."""
        return self._speed(media_type, output)[0]

    def builds(self, media_type: str, output: str) -> int:
        """How many recorded builds that is the median of; 0 for an assumed speed."""
        return self._speed(media_type, output)[1]

    def _speed(self, media_type: str, output: str) -> tuple[float, int]:
        key = (media_type, output)
        if key not in self._chosen:
            recorded = {
                encoder: speed
                for (kind, name, encoder), speed in self._recorded.items()
                if (kind, name) == key and (self._encoder is None or encoder in ("", self._encoder))
            }
            if recorded:
                encoder = max(recorded, key=lambda encoder: recorded[encoder][1])
                self._chosen[key] = recorded[encoder]
                self.used |= {encoder} if encoder else set()
            else:
                self._chosen[key] = (assumed_speed(*key), 0)
        return self._chosen[key]


def assumed_speed(media_type: str, output: str) -> float:
    """Media seconds per wall second that a build of an output is assumed to reach."""
    return ASSUMED_SPEEDS.get((media_type, definition(media_type, output).kind.work), ASSUMED_SPEED)


def _after(
    media_type: MediaType,
    output: str,
    built: BuiltOutput | None,
    length: float,
    sizes: Mapping[tuple[str, str], tuple[float, float]],
) -> int:
    """Bytes of an output when it is built by today's recipe: as before, by as much as its target rate changed."""
    is_preview = output == PREVIEW.name
    now = _rate(recipe.numbers(media_type, output, profile.PREVIEW_BEST if is_preview else None))
    if built is not None and built.applicable and built.bytes:
        then = _rate(built.recipe)
        if is_preview and built.variant is not None:
            now = _rate(recipe.numbers(media_type, output, built.variant))
        return round(built.bytes * now / then) if now and then else built.bytes
    if now:
        seconds = min(length, profile.PREVIEW_SECONDS) if is_preview else length
        return round(seconds * now * BYTES_PER_KILOBIT)
    median_bytes, per_second = sizes.get((media_type, output), (0.0, 0.0))
    return round(length * per_second if output == MEZZANINE.name else median_bytes)


def _rate(numbers: Mapping[str, Any]) -> float:
    """kbit/s that a recipe aims at; 0 where it has no rate."""
    return float(numbers.get("variant.video_kbps", 0)) + float(numbers.get("variant.audio_kbps", 0))


def _price(given: float | None, catalogue: Catalogue) -> tuple[float, str]:
    """USD that a second of a worker costs, and where that number is from."""
    if given is not None:
        return given, "WORKER_PRICE_PER_SECOND"
    gpus: Counter[str] = catalogue.gpus()
    for model, _ in gpus.most_common():
        price = prices.of_gpu(model)
        if price is not None:
            return price, f"{model}, which most builds used (RunPod, {prices.AS_OF})"
    pool = prices.POOLS[prices.USUAL_POOL]
    return pool.usd_per_second, f"{pool.name}, assumed (RunPod, {prices.AS_OF})"
