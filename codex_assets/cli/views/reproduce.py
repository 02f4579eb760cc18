"""What `reproduce` prints: of every media which outputs came out the same, and what of the others differs."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from typing import Any

from rich.console import Group, RenderableType
from rich.text import Text

from codex_assets.cli.console import count_media, plural
from codex_assets.library.output_comparison import FileState, ReproducedOutput, ReproductionOutcome
from codex_assets.library.reproduction import MediaReproduction
from codex_assets.quantities import duration

LISTED_MEDIA = 20
"""More media than this are listed only where something is not the same."""
_STYLES = {
    ReproductionOutcome.SAME: ("✓", "green"),
    ReproductionOutcome.DIFFERS: ("✗", "bold red"),
    ReproductionOutcome.IMPOSSIBLE: ("•", "dim"),
    ReproductionOutcome.FAILED: ("✗", "yellow"),
}


def reproduction_sheet(results: Sequence[MediaReproduction], seconds: float) -> Group:
    """Media by media, and the totals."""
    parts: list[RenderableType] = []
    for result in results:
        if len(results) <= LISTED_MEDIA or _is_worth_a_look(result):
            parts += _media_lines(result)
    parts.append(_totals(results, seconds))
    return Group(*parts)


def reproduction_json(results: Sequence[MediaReproduction], seconds: float) -> dict[str, Any]:
    """Totals, and every output of every media."""
    counts = _counts(results)
    return {
        "same": counts[ReproductionOutcome.SAME],
        "differs": counts[ReproductionOutcome.DIFFERS],
        "cannotBeBuiltAgain": counts[ReproductionOutcome.IMPOSSIBLE],
        "notCompared": counts[ReproductionOutcome.FAILED],
        "seconds": round(seconds, 3),
        "media": [_media_json(result) for result in results],
    }


def sentence(output: ReproducedOutput) -> str:
    """What is said of an output, without its name."""
    if output.outcome is ReproductionOutcome.SAME:
        return _same(output)
    if output.outcome is not ReproductionOutcome.DIFFERS:
        return f"{output.outcome}: {output.reason}"
    parts = [_differing_files(output)] if output.differing else []
    parts += [output.reason] if output.reason else []
    parts += _built_by(output)
    parts += _looked_into(output)
    return "; ".join(parts)


def _same(output: ReproducedOutput) -> str:
    if not output.by_pictures or output.pictures is None:
        files = f"the same: {plural(output.files, 'file')}, byte for byte" if output.files else "the same"
        return "; ".join([files, *_built_by(output)])
    pictures = output.pictures
    parts = [f"the same pictures: {pictures.counts[0]:,}, SSIM at least {_ssim(pictures.least)}"]
    parts += _built_by(output)
    return "; ".join(parts)


def _differing_files(output: ReproducedOutput) -> str:
    first, more = output.differing[0], len(output.differing) - 1
    return f"{first}" + (f", and {more} more of {plural(output.files, 'file')}" if more else f" (1 of {output.files})")


def _built_by(output: ReproducedOutput) -> list[str]:
    """Which tools, and which encoder, were others than here."""
    parts = [f"built by {change.name} {change.before}, here {change.after}" for change in output.tools]
    then, here = output.encoders
    if then != here:
        parts.append(f"encoded by {then or 'an encoder that was not recorded'}, here by {here}")
    return parts


def _looked_into(output: ReproducedOutput) -> list[str]:
    """What is heard and seen of a difference."""
    parts = []
    if output.same_sound is not None:
        parts.append("the sound is the same" if output.same_sound else "the sound differs")
    pictures = output.pictures
    if pictures is not None and pictures.least == 1.0 and pictures.counts[0] == pictures.counts[1]:
        parts.append("the pictures are the same")
    elif pictures is not None:
        parts.append(f"pictures differ most at {pictures.least_at:.2f} s (SSIM {_ssim(pictures.least)})")
    return parts


def _ssim(value: float) -> str:
    """With three digits, rounded down: what differs at all is no 1.000."""
    return f"{math.floor(value * 1000) / 1000:.3f}"


def _is_worth_a_look(result: MediaReproduction) -> bool:
    return result.problem is not None or bool(
        result.count(ReproductionOutcome.DIFFERS) or result.count(ReproductionOutcome.FAILED)
    )


def _media_lines(result: MediaReproduction) -> list[Text]:
    if result.problem is not None:
        return [Text(f"{result.media_id}: {result.problem}", style="red")]
    media_type = result.media.media_type if result.media is not None else ""
    lines = [Text.assemble((result.media_id, "bold"), f"  {media_type}")]
    for output in result.outputs:
        mark, style = _STYLES[output.outcome]
        lines.append(Text.assemble((f"  {mark} ", style), (output.output, "cyan"), f": {sentence(output)}"))
    return lines


def _counts(results: Sequence[MediaReproduction]) -> Counter[ReproductionOutcome]:
    return Counter(output.outcome for result in results for output in result.outputs)


def _totals(results: Sequence[MediaReproduction], seconds: float) -> Text:
    counts = _counts(results)
    problems = sum(result.problem is not None for result in results)
    line = Text.assemble((count_media(len(results)), "bold"), ": ")
    shown = [f"{plural(counts[ReproductionOutcome.SAME], 'output')} the same"]
    shown.append(f"{counts[ReproductionOutcome.DIFFERS]:,} different")
    if counts[ReproductionOutcome.IMPOSSIBLE]:
        shown.append(f"{counts[ReproductionOutcome.IMPOSSIBLE]:,} that cannot be built again")
    if counts[ReproductionOutcome.FAILED] or problems:
        failed = f"{counts[ReproductionOutcome.FAILED]:,} not compared"
        shown.append(failed + (f", {count_media(problems)} not built" if problems else ""))
    return line.append(f"{', '.join(shown)}; {duration(seconds)}; nothing was published")


def _media_json(result: MediaReproduction) -> dict[str, Any]:
    values: dict[str, Any] = {
        "mediaId": result.media_id,
        "mediaType": result.media.media_type if result.media is not None else None,
        "problem": result.problem,
        "seconds": round(result.seconds, 3),
        "outputs": [_output_json(output) for output in result.outputs],
    }
    return {name: value for name, value in values.items() if value is not None}


def _output_json(output: ReproducedOutput) -> dict[str, Any]:
    pictures = output.pictures
    then, here = output.encoders
    values: dict[str, Any] = {
        "output": output.output,
        "outcome": output.outcome.value,
        "message": sentence(output),
        "files": output.files,
        "differing": [
            {"name": each.name, "state": _STATES[each.state]} | ({} if each.at is None else {"at": each.at})
            for each in output.differing
        ],
        "tools": [{"name": change.name, "from": change.before, "to": change.after} for change in output.tools],
        "encoder": {"from": then, "to": here} if then or here else None,
        "sameSound": output.same_sound,
    }
    if pictures is not None:
        values["pictures"] = {
            "published": pictures.counts[0],
            "here": pictures.counts[1],
            "ssim": round(pictures.mean, 6),
            "leastSsim": round(pictures.least, 6),
            "leastAt": round(pictures.least_at, 3),
        }
    return {name: value for name, value in values.items() if value not in (None, [])}


_STATES = {
    FileState.DIFFERS: "differs",
    FileState.ALTERED: "altered",
    FileState.MISSING: "missing",
    FileState.NOT_PUBLISHED: "notPublished",
    FileState.NOT_BUILT: "notBuilt",
}
