"""What `import` prints when it is done. What is imported is decided in `defs/records_import.py`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from codex_assets import quantities
from codex_assets.cli import console


@dataclass(frozen=True)
class ImportTotals:
    """How many media were imported, and of them how many outputs and check results."""

    media: int = 0
    outputs: int = 0
    checks: int = 0

    def plus(self, outputs: int, checks: int) -> ImportTotals:
        """With one more media, of which so many outputs and check results were imported."""
        return ImportTotals(self.media + 1, self.outputs + outputs, self.checks + checks)


def totals_line(totals: ImportTotals, seconds: float) -> str:
    if not totals.media:
        return "Nothing new in the archive."
    return (
        f"{console.count_media(totals.media)}, {totals.outputs} outputs and {totals.checks} check results imported "
        f"in {quantities.duration(seconds)}"
    )


def totals_json(totals: ImportTotals, seconds: float) -> dict[str, Any]:
    return {
        "media": totals.media,
        "outputs": totals.outputs,
        "checks": totals.checks,
        "seconds": round(seconds, 3),
    }
