"""What the judge says of a mutant, afterwards (as `codex-assets verify` looks at what is published) and at build.

A grave mutant has to be an error: what is not published, or is reported as failed. Of others a warning is enough.
"""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path

from contents import published
from kept_looks import keep_looks
from mutant import Mutant, Seam, Stage, Workpiece
from published import MEDIA, TOOLS, PublishedMedia
from spoiled_build import build, rebuilt

from codex_assets.archive.findings import Finding
from codex_assets.errors import JobError, VerificationError
from codex_assets.library.sweep import Sweep
from codex_assets.media.outputs import MASTER, OUTPUTS
from codex_assets.system.workspace import Workspace
from codex_assets.verification.audit import Auditor

Apply = Callable[[Workpiece], None]
keep_looks()


@dataclass(frozen=True)
class Judgement:
    """What was said of a mutant of a content: `rules` that were broken, `errors` those of severity ERROR."""

    mutant: str
    content: str
    stage: Stage
    rules: tuple[str, ...]
    errors: tuple[str, ...]
    messages: tuple[str, ...] = ()
    refused: str | None = None
    """Where no rule said it, but the work ended with an error: its public sentence."""
    published: bool = False
    """At build: something was published although the build failed."""
    problem: str | None = None
    """Why it could not be judged: the mutant itself failed."""

    def is_caught(self, harm: str) -> bool:
        if self.problem is not None or self.published:
            return False
        if self.refused is not None:
            return True
        return bool(self.errors) if harm == "grave" else bool(self.rules)

    def as_json(self) -> dict[str, object]:
        return asdict(self)


@contextmanager
def scratch() -> Iterator[Path]:
    folder = Path(tempfile.mkdtemp(prefix="mutant-"))
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def judge_mutant(mutant: Mutant, content: str, stage: Stage) -> Judgement:
    with scratch() as folder:
        copy = published(content).copied(folder)
        try:
            return (
                afterwards(mutant, content, copy, folder)
                if stage == "afterwards"
                else at_build(mutant, content, copy, folder)
            )
        except Exception as error:  # noqa: BLE001 - a mutant that cannot be made is a result too
            return Judgement(mutant.name, content, stage, (), (), problem=f"{type(error).__name__}: {error}"[:500])


def afterwards(mutant: Mutant, content: str, copy: PublishedMedia, folder: Path) -> Judgement:
    """Put the mutant in the place of what is published, with records that fit, and verify."""
    if mutant.seam is Seam.STORE:
        mutant.apply(copy)
        return _swept(mutant, content, copy, folder)
    piece = copy.workpiece(mutant.seam, folder)
    mutant.apply(piece)
    copy.take(mutant.seam, piece)
    return _audited(mutant.name, content, copy, folder, concerned(copy, mutant.seam))


def concerned(media: PublishedMedia, seam: Seam) -> list[str]:
    """The outputs that may tell of a change: the one that is changed, and what is compared with it."""
    output = media.output_of(seam)
    if seam is Seam.MEZZANINE:
        return list(OUTPUTS[media.media.media_type])
    if seam in (Seam.SEGMENTS, Seam.PLAYLIST):
        return [output, MASTER.name]
    return [output]


def _audited(name: str, content: str, copy: PublishedMedia, folder: Path, outputs: list[str]) -> Judgement:
    workspace = Workspace(folder / "audit")
    try:
        auditor = Auditor(copy.stores, TOOLS, workspace)
        findings = [finding for audit in auditor.audit(copy.media, outputs) for finding in audit.checks]
    except JobError as error:
        return Judgement(name, content, "afterwards", (), (), refused=error.public)
    finally:
        workspace.close()
    return _judgement(name, content, "afterwards", findings)


def _swept(mutant: Mutant, content: str, copy: PublishedMedia, folder: Path) -> Judgement:
    """As the command does it: all outputs, also where a record cannot be read or is missing."""
    sweep = Sweep(copy.stores, TOOLS, folder, TOOLS.cancelled)
    (result,) = sweep.run([MEDIA])
    assert result is not None
    said = _judgement(mutant.name, content, "afterwards", [*result.failed, *result.warned])
    if result.outcome == "unchecked":
        return Judgement(mutant.name, content, "afterwards", (), (), refused=result.problem)
    return said


def at_build(mutant: Mutant, content: str, copy: PublishedMedia, folder: Path) -> Judgement:
    """Build the output again with the fault; nothing may be published then."""
    before = copy.objects()
    try:
        records = build(copy, mutant, folder)
    except VerificationError as error:
        findings = [finding for finding in error.failures if isinstance(finding, Finding)]
        said = _judgement(mutant.name, content, "at build", findings)
        return Judgement(**{**said.as_json(), "published": copy.objects() != before})  # type: ignore[arg-type]
    except JobError as error:
        changed = copy.objects() != before
        return Judgement(mutant.name, content, "at build", (), (), refused=error.public, published=changed)
    findings = [finding for record in records for finding in record.checks]
    return _judgement(mutant.name, content, "at build", findings)


def judge_control(name: str, content: str, stage: Stage, apply: Apply | None, seam: Seam | None) -> Judgement:
    """What is said of something honest: there should be nothing."""
    with scratch() as folder:
        copy = published(content).copied(folder)
        outputs = list(OUTPUTS[copy.media.media_type])
        try:
            if stage == "at build":
                records = rebuilt(copy, outputs, folder)
                findings = [finding for record in records for finding in record.checks]
                return _judgement(name, content, stage, findings)
            if seam is not None and apply is not None:
                piece = copy.workpiece(seam, folder)
                apply(piece)
                copy.take(seam, piece)
                outputs = concerned(copy, seam)
            return _audited(name, content, copy, folder, outputs)
        except JobError as error:
            return Judgement(name, content, stage, (), (), refused=error.public)
        except Exception as error:  # noqa: BLE001 - one that cannot be made is a result too
            return Judgement(name, content, stage, (), (), problem=f"{type(error).__name__}: {error}"[:500])


def _judgement(name: str, content: str, stage: Stage, findings: Iterable[Finding]) -> Judgement:
    broken = [finding for finding in findings if not finding.passed]
    return Judgement(
        name,
        content,
        stage,
        rules=tuple(dict.fromkeys(finding.rule for finding in broken)),
        errors=tuple(dict.fromkeys(finding.rule for finding in broken if finding.is_failure)),
        messages=tuple(f"{finding.output} {finding.rule}: {finding.message}" for finding in broken)[:8],
    )
