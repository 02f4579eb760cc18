"""Rules for closed captions inside the picture: they are the source's in every variant, and declared as they are."""

from __future__ import annotations

import re

from codex_assets.archive.findings import Finding, Severity
from codex_assets.verification.captions_seen import CaptionFault
from codex_assets.verification.kinds import ObservationKind
from codex_assets.verification.observations import (
    MasterObservation,
    MezzanineObservation,
    StreamInf,
    VariantObservation,
)
from codex_assets.verification.playlist_text import read_attributes
from codex_assets.verification.rule import rule
from codex_assets.verification.rules.comparisons import Problem, expect_equal, expect_no_problem
from codex_assets.verification.rules.shared_limits import APPLE, PLAYLISTS, RFC, VARIANTS

SERVICE = re.compile(r"CC[1-4]|SERVICE([1-9]|[1-5][0-9]|6[0-3])")


@rule(ObservationKind.MEZZANINE, source=VARIANTS)
def mezzanine_captions(seen: MezzanineObservation) -> Finding | None:
    """The picture carries the closed captions that were taken over from the source, and no others."""
    if seen.captions is None or seen.expected.captions is None:
        return None
    return expect_equal("The closed captions", _shown(seen.expected.captions), _shown(seen.captions))


@rule(*PLAYLISTS, source=VARIANTS)
def captions_as_source(seen: VariantObservation) -> Finding | None:
    """The picture carries the mezzanine's closed captions, all of them, in their order and at their times."""
    captions = seen.captions
    if captions is None or captions.of_reference is None or seen.expected.captions is None:
        return None
    ours, theirs = _shown(captions.services), _shown(captions.of_reference)
    if captions.faults and not captions.services:
        return Finding(False, f"The mezzanine's closed captions ({theirs}) are missing.", theirs, ours)
    if captions.faults and not captions.of_reference:
        return Finding(False, f"There are closed captions ({ours}); the mezzanine has none.", theirs, ours)
    problems = [Problem(fault.segment, fault.kind, _sentence(fault)) for fault in captions.faults]
    message = f"The closed captions are the mezzanine's ({theirs})."
    return expect_no_problem(problems, expected="the mezzanine's", message=message, observed=ours)


def _sentence(fault: CaptionFault) -> str:
    where = f"{fault.segment}"
    if fault.kind == "moved":
        late = "late" if fault.seconds > 0 else "early"
        return f"The closed captions of {where} come {abs(fault.seconds):.3f} s too {late} at {fault.at:.3f} s"
    said = {
        "missing": "lacks the mezzanine's closed captions",
        "added": "has closed captions that the mezzanine does not have",
        "changed": "has other closed captions than the mezzanine",
    }
    return f"{where} {said[fault.kind]} at {fault.at:.3f} s"


@rule(ObservationKind.MASTER, source=f"{RFC} s4.4.6.2; {APPLE} 4.4", elsewhere=Severity.WARN)
def captions_true(seen: MasterObservation) -> Finding | None:
    """The closed captions that the master declares for a variant are those in its pictures, all of them."""
    problems = []
    looked_at = [(stream, variant.captions) for stream, variant in seen.pairs if variant.captions is not None]
    is_in_all = len(looked_at) == len(seen.pairs) and all(captions.services for _, captions in looked_at)
    for stream, captions in looked_at:
        declared = _declared(seen, stream)
        # Where one variant has none, all of them have to be declared without: that it has none is another rule's.
        if declared is None or set(declared) == set(captions.services) or not (declared or is_in_all):
            continue
        ours, theirs = _shown(captions.services), _shown(declared)
        message = f"{stream.uri} has the closed captions {ours}, and the master declares {theirs}"
        problems.append(Problem(stream.uri, theirs, message))
    if not looked_at:
        return None
    return expect_no_problem(
        problems, expected="those in the pictures", message="Closed captions are declared as they are."
    )


@rule(ObservationKind.MASTER, source=f"{VARIANTS}; {RFC} s4.4.6.2", severity=Severity.WARN, is_of_contract=True)
def captions_answered(seen: MasterObservation) -> Finding:
    """The master says which closed captions there are, or that there are none: players else offer some to choose."""
    # Where only some variants say so, that is another rule's.
    passed = any(stream.has("CLOSED-CAPTIONS") for stream in seen.streams)
    message = f"The master {'says' if passed else 'does not say'} whether there are closed captions."
    return Finding(passed, message, "CLOSED-CAPTIONS", "present" if passed else "absent")


def _declared(seen: MasterObservation, stream: StreamInf) -> tuple[str, ...] | None:
    """The services that a master declares for a variant; None where its declaration is wrong by itself."""
    group = next((item.value for item in stream.attributes if item.name == "CLOSED-CAPTIONS"), "NONE")
    if group == "NONE" or seen.text is None:
        return ()
    media = [read_attributes(line.value)[0] for line in seen.text.with_tag("EXT-X-MEDIA")]
    renditions = [{item.name: item for item in attributes} for attributes in media]
    mine = [each for each in renditions if "GROUP-ID" in each and each["GROUP-ID"].value == group]
    names = sorted(each["INSTREAM-ID"].unquoted if "INSTREAM-ID" in each else "" for each in mine)
    return tuple(names) if names and all(SERVICE.fullmatch(name) for name in names) else None


def _shown(services: tuple[str, ...]) -> str:
    return ", ".join(services) or "none"
