"""What a second of a worker costs: RunPod's serverless prices, in USD.

The only place with a price in it. Prices of 2026-11 (flex workers); whoever pays others sets WORKER_PRICE_PER_SECOND.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

AS_OF = "2026-11"


@dataclass(frozen=True)
class Pool:
    """GPUs that are asked for, and billed, together. `models`: what the driver's names of them end in."""

    name: str
    usd_per_second: float
    models: tuple[str, ...]


POOLS: Mapping[str, Pool] = MappingProxyType(
    {
        pool.name: pool
        for pool in (
            Pool("AMPERE_16", 0.00016, ("RTX A4000",)),
            Pool("AMPERE_24", 0.00019, ("NVIDIA L4", "RTX A5000", "RTX 3090")),
            Pool("ADA_24", 0.00031, ("RTX 4090",)),
        )
    }
)
"""Pools whose price is known. Those without NVENC (A100, H100, ...) are of no use here."""
USUAL_POOL = "AMPERE_16"
"""The pool that is recommended first: what an estimate takes when nothing else is known."""


def of_gpu(model: str | None) -> float | None:
    """USD a second of a worker with this GPU, as `nvidia-smi` names it; None when its price is not known."""
    if model is None:
        return None
    for pool in POOLS.values():
        if any(f"{model} ".endswith(f"{part} ") for part in pool.models):
            return pool.usd_per_second
    return None
