"""What `stale` prints: how many outputs per reason, and, where it is short or asked for, which ones."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

from rich.text import Text

from codex_assets.cli import console
from codex_assets.cli.views import rebuild
from codex_assets.library.staleness import REBUILT, Reason, Verdict
from codex_assets.media.outputs import OUTPUTS

SHOWN = 20
"""Media that are listed without being asked for."""

Entry = tuple[str, str, list[Verdict]]


def count_reasons(found: Sequence[Entry]) -> tuple[dict[str, Counter[Reason]], Counter[str]]:
    order = list(dict.fromkeys(output for outputs in OUTPUTS.values() for output in outputs))
    counts: dict[str, Counter[Reason]] = {output: Counter() for output in order}
    blocked: Counter[str] = Counter()
    for _, _, verdicts in found:
        for one in verdicts:
            counts[one.output].update({cause.reason for cause in one.causes})
            blocked[one.output] += one.blocked is not None and any(cause.reason in REBUILT for cause in one.causes)
    return {output: some for output, some in counts.items() if some}, blocked


def say_stale(
    found: Sequence[Entry],
    media: int,
    work: int,
    age: float | None,
    problems: list[tuple[str, str, str]],
    *,
    whole: bool,
) -> None:
    counts, blocked = count_reasons(found)
    if counts:
        console.say(rebuild.stale_table(counts, blocked))
    if whole or 0 < len(found) <= SHOWN:
        for media_id, media_type, verdicts in found:
            console.say(Text.assemble((media_id, "bold"), f"  {media_type}"))
            for one in verdicts:
                console.say(Text("  ").append_text(rebuild.verdict(one)))
    elif found:
        console.note("`--list` names every media and output.")
    for media_id, name, problem in problems[:SHOWN]:
        console.complain(f"{media_id}, {name}: {problem}.")
    outputs = sum(one.stale for _, _, verdicts in found for one in verdicts)
    told = f"{console.plural(media, 'media', 'media')}: "
    if work:
        told += f"{console.plural(outputs, 'output')} of {console.plural(work, 'media', 'media')} to be rebuilt"
    else:
        told += "nothing to be rebuilt"
    console.say(f"{told} (as of {_moment(age)})")


def _moment(age: float | None) -> str:
    if age is None:
        return "never: the index is empty"
    when = datetime.now(UTC) - timedelta(seconds=age)
    return f"{when:%Y-%m-%d %H:%M:%S} UTC" + (f", {console.lasting(age)} ago" if age >= 1 else "")
