"""Rules for the text of a playlist, media or master, line by line: which tags, how often, in which order, in what form.

Ours hold the tags of `MEDIA_TAGS` and `MASTER_TAGS` and nothing else. Of others' HLS it is asked only what RFC 8216bis
asks, which a player may refuse to play without.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Iterator

from codex_assets.archive.findings import Finding, Severity
from codex_assets.verification.kinds import ObservationKind
from codex_assets.verification.observations import MasterObservation, VariantObservation
from codex_assets.verification.playlist_text import Attribute, PlaylistLine, PlaylistText, read_attributes
from codex_assets.verification.rule import rule
from codex_assets.verification.rules.comparisons import Problem, expect_equal, expect_no_problem
from codex_assets.verification.rules.shared_limits import APPLE, CONTRACT, PLAYLISTS, RFC

AnyPlaylist = VariantObservation | MasterObservation

ALL_PLAYLISTS = (*PLAYLISTS, ObservationKind.MASTER)
STREAM_INF, MEDIA, EXTINF, ENDLIST = "EXT-X-STREAM-INF", "EXT-X-MEDIA", "EXTINF", "EXT-X-ENDLIST"
INDEPENDENT, VERSION, TARGET = "EXT-X-INDEPENDENT-SEGMENTS", "EXT-X-VERSION", "EXT-X-TARGETDURATION"

MEDIA_HEADER = ("EXTM3U", VERSION, TARGET, "EXT-X-MEDIA-SEQUENCE", "EXT-X-PLAYLIST-TYPE", INDEPENDENT)
MASTER_HEADER = ("EXTM3U", VERSION, INDEPENDENT, MEDIA)
"""Tags before the first segment, and before the first variant, in their order."""
MEDIA_TAGS = {*MEDIA_HEADER, EXTINF, ENDLIST}
MASTER_TAGS = {*MASTER_HEADER, STREAM_INF}
JUDGED_BY_NAME = {"EXT-X-DISCONTINUITY", "EXT-X-GAP"}
"""Tags that a rule of their own forbids."""

OF_MASTERS = {
    *(STREAM_INF, MEDIA, "EXT-X-I-FRAME-STREAM-INF", "EXT-X-SESSION-DATA", "EXT-X-SESSION-KEY"),
    "EXT-X-CONTENT-STEERING",
}
OF_MEDIA_PLAYLISTS = {
    *(EXTINF, ENDLIST, TARGET, "EXT-X-MEDIA-SEQUENCE", "EXT-X-DISCONTINUITY-SEQUENCE", "EXT-X-PLAYLIST-TYPE"),
    *("EXT-X-I-FRAMES-ONLY", "EXT-X-PART-INF", "EXT-X-SERVER-CONTROL", "EXT-X-BYTERANGE", "EXT-X-DISCONTINUITY"),
    *("EXT-X-KEY", "EXT-X-MAP", "EXT-X-PROGRAM-DATE-TIME", "EXT-X-GAP", "EXT-X-BITRATE", "EXT-X-PART"),
    *("EXT-X-DATERANGE", "EXT-X-SKIP", "EXT-X-PRELOAD-HINT", "EXT-X-RENDITION-REPORT"),
}
ONCE = {
    *("EXTM3U", VERSION, INDEPENDENT, "EXT-X-START", TARGET, "EXT-X-MEDIA-SEQUENCE", "EXT-X-DISCONTINUITY-SEQUENCE"),
    *(ENDLIST, "EXT-X-PLAYLIST-TYPE", "EXT-X-I-FRAMES-ONLY", "EXT-X-PART-INF", "EXT-X-SERVER-CONTROL"),
    "EXT-X-CONTENT-STEERING",
}
WITHOUT_VALUE = {"EXTM3U", INDEPENDENT, ENDLIST, "EXT-X-I-FRAMES-ONLY", "EXT-X-DISCONTINUITY", "EXT-X-GAP"}
WHOLE_NUMBERS = {VERSION, TARGET, "EXT-X-MEDIA-SEQUENCE", "EXT-X-DISCONTINUITY-SEQUENCE"}
NEWEST_VERSION = 13
LEAST_VERSION_OF_OURS, MOST_VERSION_OF_OURS = 3, 7

ATTRIBUTE_TAGS = {STREAM_INF, MEDIA, "EXT-X-I-FRAME-STREAM-INF", "EXT-X-MAP", "EXT-X-START", "EXT-X-SESSION-DATA"}
STREAM_ATTRIBUTES = {
    *("BANDWIDTH", "AVERAGE-BANDWIDTH", "CODECS", "RESOLUTION", "FRAME-RATE", "VIDEO-RANGE", "CLOSED-CAPTIONS")
}
CAPTION_ATTRIBUTES = {
    *("TYPE", "GROUP-ID", "NAME", "LANGUAGE", "INSTREAM-ID", "DEFAULT", "AUTOSELECT", "CHARACTERISTICS")
}
IN_QUOTES, ADORNED = re.compile(r'"[^"]*"'), re.compile(r"(?:^|[=x])(?:\+|0[0-9])")
QUOTED, WHOLE, DECIMAL = r'"[^"]*"', r"[0-9]{1,20}", r"[0-9]+(\.[0-9]+)?"
YES_NO = r"YES|NO"
FORMS = {
    **dict.fromkeys(("BANDWIDTH", "AVERAGE-BANDWIDTH", "PROGRAM-ID"), WHOLE),
    **dict.fromkeys(("CODECS", "SUPPLEMENTAL-CODECS", "AUDIO", "VIDEO", "SUBTITLES", "URI", "GROUP-ID"), QUOTED),
    **dict.fromkeys(("LANGUAGE", "ASSOC-LANGUAGE", "NAME", "CHARACTERISTICS", "CHANNELS", "ALLOWED-CPC"), QUOTED),
    **dict.fromkeys(("STABLE-VARIANT-ID", "STABLE-RENDITION-ID", "PATHWAY-ID", "REQ-VIDEO-LAYOUT"), QUOTED),
    **dict.fromkeys(("DEFAULT", "AUTOSELECT", "FORCED"), YES_NO),
    "RESOLUTION": r"[0-9]{1,9}x[0-9]{1,9}",
    "FRAME-RATE": r"[0-9]+(\.[0-9]{1,3})?",
    "SCORE": DECIMAL,
    "VIDEO-RANGE": r"SDR|HLG|PQ",
    "HDCP-LEVEL": r"NONE|TYPE-0|TYPE-1",
    "TYPE": r"AUDIO|VIDEO|SUBTITLES|CLOSED-CAPTIONS",
    "CLOSED-CAPTIONS": rf"NONE|{QUOTED}",
    "INSTREAM-ID": r'"(CC[1-4]|SERVICE([1-9]|[1-5][0-9]|6[0-3]))"',
}
"""How the value of an attribute is written (RFC 8216bis 4.2, 4.4.6.1, 4.4.6.2)."""


def _text(seen: AnyPlaylist) -> PlaylistText | None:
    return seen.text if isinstance(seen, MasterObservation) else seen.playlist.text


def _at(line: PlaylistLine) -> str:
    return f"line {line.number}"


def _shown(text: str) -> str:
    """What stands in a playlist, short and printable, for a message."""
    plain = "".join(letter if letter.isprintable() else "?" for letter in text)
    return plain if len(plain) <= 60 else plain[:57] + "..."


@rule(*ALL_PLAYLISTS, source=f"{RFC} s4.1")
def playlist_characters(seen: AnyPlaylist) -> Finding | None:
    """The playlist has no control character, no white space around a line, and no letter in two parts."""
    if (text := _text(seen)) is None:
        return None
    problems = []
    for line in text.lines:
        raw = line.text.removesuffix("\r")
        if any(unicodedata.category(letter) == "Cc" for letter in raw):
            problems.append(Problem(_at(line), "a control character", f"Line {line.number} has a control character"))
        elif raw != raw.strip():
            problems.append(Problem(_at(line), "white space", f"Line {line.number} starts or ends with white space"))
        elif not unicodedata.is_normalized("NFC", raw):
            message = f"Line {line.number} has a letter that is written in two parts (not in Unicode's form NFC)"
            problems.append(Problem(_at(line), "not NFC", message))
    return expect_no_problem(problems, expected="none of these", message="All characters are allowed.", observed="none")


@rule(*ALL_PLAYLISTS, source=CONTRACT, is_of_contract=True)
def playlist_lines(seen: AnyPlaylist) -> Finding | None:
    """Every line is a tag or a name and ends with a line feed: no comment, no blank line, no carriage return."""
    if (text := _text(seen)) is None:
        return None
    problems = []
    for line in text.lines:
        if line.text.endswith("\r"):
            problems.append(Problem(_at(line), "a carriage return", f"Line {line.number} ends with a carriage return"))
        elif not line.content:
            problems.append(Problem(_at(line), "a blank line", f"Line {line.number} is blank"))
        elif line.tag is None and not line.is_uri:
            problems.append(Problem(_at(line), _shown(line.content), f"Line {line.number} is a comment"))
    if not text.ends_with_line_feed:
        last = text.lines[-1]
        problems.append(Problem(_at(last), "no line feed", f"The last line ({last.number}) does not end"))
    return expect_no_problem(problems, expected="tags and names alone", message="Every line is a tag or a name.")


@rule(*ALL_PLAYLISTS, source=f"{CONTRACT}; {RFC} s4.4.3, s4.4.4, s4.4.6")
def tags_allowed(seen: AnyPlaylist) -> Finding | None:
    """Ours holds the tags that ours may hold and no other; any playlist holds none of the other kind of playlist."""
    if (text := _text(seen)) is None:
        return None
    is_master = isinstance(seen, MasterObservation)
    allowed, foreign = (MASTER_TAGS, OF_MEDIA_PLAYLISTS) if is_master else (MEDIA_TAGS, OF_MASTERS)
    uri_tags = seen.uri_tags if isinstance(seen, MasterObservation) else seen.playlist.uri_tags
    problems = []
    for line in text.tags:
        tag = line.tag or ""
        if seen.is_ours and tag in uri_tags:
            continue
        if tag in foreign:
            other = "a media playlist" if is_master else "a master"
            problems.append(Problem(_at(line), tag, f"{tag} (line {line.number}) belongs into {other}"))
        elif seen.is_ours and tag not in allowed | JUDGED_BY_NAME:
            problems.append(Problem(_at(line), _shown(tag), f"{_shown(tag)} (line {line.number}) is no tag of ours"))
    expected = ", ".join(sorted(allowed)) if seen.is_ours else "tags of this kind of playlist"
    return expect_no_problem(problems, expected=expected, message="All tags are allowed.")


@rule(*ALL_PLAYLISTS, source=f"{RFC} s4.4.1.2, s4.4.2, s4.4.3")
def tags_once(seen: AnyPlaylist) -> Finding | None:
    """A tag that is about the whole playlist is there at most once."""
    if (text := _text(seen)) is None:
        return None
    problems = []
    for name in sorted(ONCE):
        lines = text.with_tag(name)
        if len(lines) > 1:
            message = f"{name} is there {len(lines)} times, on line {lines[1].number} again"
            problems.append(Problem(_at(lines[1]), f"{len(lines)} times", message))
    return expect_no_problem(problems, expected="each at most once", message="No tag is there twice.", observed="once")


@rule(*ALL_PLAYLISTS, source=f"{RFC} s4.4.3.2, s4.4.3.4")
def tag_order(seen: AnyPlaylist) -> Finding | None:
    """What is about the whole playlist comes before the first segment or variant, and of ours EXT-X-ENDLIST last."""
    if (text := _text(seen)) is None:
        return None
    is_master = isinstance(seen, MasterObservation)
    begins = next((line.number for line in text.lines if line.tag in (EXTINF, STREAM_INF) or line.is_uri), None)
    early = {*(MASTER_HEADER if is_master else MEDIA_HEADER)} if seen.is_ours else {"EXT-X-MEDIA-SEQUENCE"}
    counted = [line for line in text.lines if line.tag is not None or line.is_uri]
    before: set[str | None] = set()
    problems = []
    for line in counted:
        # A tag that is there again is another rule's.
        is_first = line.tag is not None and line.tag not in before
        before.add(line.tag)
        if is_first and line.tag in early and begins is not None and line.number > begins:
            what = "variant" if is_master else "segment"
            message = f"{line.tag} (line {line.number}) comes after the first {what}"
            problems.append(Problem(_at(line), f"line {line.number}", message))
        elif is_first and line.tag == ENDLIST and seen.is_ours and line is not counted[-1]:
            behind = counted[-1]
            message = f"{_shown(behind.content)} (line {behind.number}) comes after EXT-X-ENDLIST"
            problems.append(Problem(_at(behind), _shown(behind.content), message))
    return expect_no_problem(problems, expected="header, then content", message="All tags are in their places.")


@rule(*ALL_PLAYLISTS, source=CONTRACT, severity=Severity.WARN, is_of_contract=True)
def header_order(seen: AnyPlaylist) -> Finding | None:
    """The tags before the first segment or variant are in the order in which they are always written."""
    if (text := _text(seen)) is None:
        return None
    order = MASTER_HEADER if isinstance(seen, MasterObservation) else MEDIA_HEADER
    names = list(dict.fromkeys(line.tag for line in text.tags if line.tag in order))
    wanted = [name for name in order if name in names]
    wrong = next((name for name, right in zip(names, wanted, strict=True) if name != right), None)
    message = "The header is in order." if wrong is None else f"{wrong} comes before {wanted[names.index(wrong)]}."
    return Finding(wrong is None, message, " ".join(wanted), " ".join(str(name) for name in names))


@rule(*ALL_PLAYLISTS, source=f"{RFC} s4.4.4.1, s4.4.6.2")
def uris_after_their_tags(seen: AnyPlaylist) -> Finding | None:
    """Every segment has one EXTINF and every variant one EXT-X-STREAM-INF, and each of these tags has its name."""
    if (text := _text(seen)) is None:
        return None
    tag_name = STREAM_INF if isinstance(seen, MasterObservation) else EXTINF
    problems = []
    for tag, uri in text.pairs(tag_name):
        if tag is None and uri is not None:
            problems.append(Problem(_at(uri), "no tag", f"{_shown(uri.content)} (line {uri.number}) has no {tag_name}"))
        elif tag is not None and uri is None:
            message = f"{tag_name} on line {tag.number} is followed by no name"
            problems.append(Problem(_at(tag), "no name", message))
    return expect_no_problem(problems, expected=f"{tag_name}, then its name", message=f"Every name has its {tag_name}.")


@rule(*ALL_PLAYLISTS, source=f"{RFC} s4.2, s4.4.1, s4.4.2, s4.4.3")
def tag_values(seen: AnyPlaylist) -> Finding | None:
    """A tag that takes no value has none, and one that takes a whole number has that."""
    if (text := _text(seen)) is None:
        return None
    problems = []
    for line in text.tags:
        tag = line.tag or ""
        if tag in WITHOUT_VALUE and ":" in line.content:
            message = f"{tag} (line {line.number}) takes no value and has {_shown(line.value) or 'an empty one'}"
            problems.append(Problem(_at(line), _shown(line.value), message))
        elif tag in WHOLE_NUMBERS and not re.fullmatch(WHOLE, line.value):
            message = f"{tag} (line {line.number}) is {_shown(line.value) or 'empty'}, which is no whole number"
            problems.append(Problem(_at(line), _shown(line.value), message))
    return expect_no_problem(problems, expected="as the tag has it", message="All tags have the values they take.")


@rule(*ALL_PLAYLISTS, source=CONTRACT, severity=Severity.WARN, is_of_contract=True)
def numbers_plain(seen: AnyPlaylist) -> Finding | None:
    """Numbers have no sign, and no zeros in front that say nothing."""
    if (text := _text(seen)) is None:
        return None
    problems = [
        Problem(_at(line), _shown(line.value), f"Line {line.number} has a number with a sign or zeros in front of it")
        for line in text.tags
        if ADORNED.search(IN_QUOTES.sub("", line.value))
    ]
    return expect_no_problem(problems, expected="plain numbers", message="Numbers are written plainly.")


@rule(*PLAYLISTS, source=CONTRACT, is_of_contract=True)
def starts_at_zero(seen: VariantObservation) -> Finding | None:
    """EXT-X-MEDIA-SEQUENCE is 0 or absent: the playlist holds all segments from the first."""
    value = seen.playlist.text.value_of("EXT-X-MEDIA-SEQUENCE") if seen.playlist.text is not None else None
    if seen.playlist.text is None or (value is not None and not re.fullmatch(WHOLE, value)):
        return None
    passed = value is None or int(value) == 0
    return Finding(passed, f"The first segment's number is {value or '0'}.", "0", value or "absent")


@rule(*PLAYLISTS, source=f"{CONTRACT}; {APPLE} 9.12", is_of_contract=True)
def playlist_independent_segments(seen: VariantObservation) -> Finding:
    """The playlist says EXT-X-INDEPENDENT-SEGMENTS by itself: a preview is in no master that could say it."""
    observed = "present" if seen.playlist.independent else "absent"
    return expect_equal(INDEPENDENT, "present", observed)


@rule(*ALL_PLAYLISTS, source=f"{CONTRACT}; {RFC} s4.4.1.2, s7")
def playlist_version(seen: AnyPlaylist) -> Finding | None:
    """The version is as high as what the playlist uses; of ours 3 to 7, which every player in use reads."""
    if (text := _text(seen)) is None:
        return None
    value = text.value_of(VERSION)
    if value is not None and not re.fullmatch(WHOLE, value):
        return None
    version = int(value) if value is not None else 1
    # A tag that ours may not hold is another rule's.
    used = MEDIA_TAGS | MASTER_TAGS if seen.is_ours else {line.tag for line in text.tags}
    needed, reason = _needed_version(text, [line for line in text.tags if line.tag in used])
    least = max(needed, LEAST_VERSION_OF_OURS) if seen.is_ours else needed
    most = MOST_VERSION_OF_OURS if seen.is_ours else NEWEST_VERSION
    why = f", and {reason} {needed}" if version < needed else f", not {least} to {most}"
    said = f"EXT-X-VERSION is {version}" if value is not None else "There is no EXT-X-VERSION, which means 1"
    passed = least <= version <= most
    return Finding(passed, f"{said}{'' if passed else why}.", f"{least} to {most}", value or "absent")


def _needed_version(text: PlaylistText, tags: Iterable[PlaylistLine]) -> tuple[int, str]:
    """The lowest version that has all of these tags of a playlist (RFC 8216bis 7), and what needs it."""
    needs = [(1, "nothing needs")]
    for line in tags:
        value = line.value
        match line.tag:
            case "EXTINF" if "." in value.partition(",")[0]:
                needs.append((3, "EXTINF with a fraction needs"))
            case "EXT-X-BYTERANGE" | "EXT-X-I-FRAMES-ONLY":
                needs.append((4, f"{line.tag} needs"))
            case "EXT-X-MAP":
                needs.append((5 if text.with_tag("EXT-X-I-FRAMES-ONLY") else 6, "EXT-X-MAP needs"))
            case "EXT-X-KEY" if "KEYFORMAT" in value:
                needs.append((5, "KEYFORMAT needs"))
            case "EXT-X-KEY" if re.search(r"(^|,)IV=", value):
                needs.append((2, "IV needs"))
            case "EXT-X-MEDIA" if 'INSTREAM-ID="SERVICE' in value:
                needs.append((7, "INSTREAM-ID of a SERVICE needs"))
            case "EXT-X-DEFINE":
                needs.append((11 if "QUERYPARAM" in value else 8, "EXT-X-DEFINE needs"))
            case "EXT-X-SKIP":
                needs.append((9, "EXT-X-SKIP needs"))
            case "EXT-X-STREAM-INF" if re.search(r"(^|,)REQ-", value):
                needs.append((12, "an attribute that starts with REQ- needs"))
    return max(needs)


@rule(*PLAYLISTS, source=f"{RFC} s4.2, s4.4.4.1")
def extinf_form(seen: VariantObservation) -> Finding | None:
    """EXTINF is a decimal number and a comma; of ours, with milliseconds or finer, and with no title."""
    if (text := seen.playlist.text) is None:
        return None
    problems = []
    for line in text.with_tag(EXTINF):
        seconds, comma, title = line.value.partition(",")
        written = re.fullmatch(r"[0-9]+(?:\.([0-9]+))?", seconds)
        if written is None or not comma:
            fault = "has no comma" if written is not None else f"says {_shown(seconds)}, which is no decimal number"
        elif seen.is_ours and title:
            fault = "has a title"
        elif seen.is_ours and not 3 <= len(written[1] or "") <= 9:
            fault = f"says {_shown(seconds)}: not 3 to 9 decimals"
        else:
            continue
        problems.append(Problem(_at(line), _shown(line.value), f"EXTINF on line {line.number} {fault}"))
    return expect_no_problem(problems, expected="seconds and a comma", message="Every EXTINF is well formed.")


@rule(*ALL_PLAYLISTS, source=f"{RFC} s4.2, s4.4.6.1, s4.4.6.2")
def attributes_valid(seen: AnyPlaylist) -> Finding | None:
    """Attributes are written as the specification has them, and none is there twice; ours has no other than ours."""
    if (text := _text(seen)) is None:
        return None
    problems = []
    for line in text.tags:
        if line.tag in ATTRIBUTE_TAGS:
            faults = list(_faults(line, is_ours=seen.is_ours))
            where = f"{line.tag} (line {line.number})"
            problems += [Problem(_at(line), observed, f"{where} {fault}") for observed, fault in faults]
    return expect_no_problem(problems, expected="valid attributes", message="All attributes are valid.")


def _faults(line: PlaylistLine, *, is_ours: bool) -> Iterator[tuple[str, str]]:
    """What is wrong with a tag's attributes: what was seen, and the sentence's end."""
    attributes, rest = read_attributes(line.value)
    if rest is not None:
        yield _shown(rest), f"has {_shown(rest)} where an attribute should stand" if rest else "has no attributes"
        return
    allowed = {MEDIA: {*CAPTION_ATTRIBUTES, "URI"}, STREAM_INF: STREAM_ATTRIBUTES}
    names = [attribute.name for attribute in attributes]
    for attribute in attributes:
        shown = _shown(attribute.value)
        if names.count(attribute.name) > 1:
            yield attribute.name, f"has {attribute.name} twice"
            return
        if not is_well_formed(attribute):
            yield shown, f"has {attribute.name}={shown}, which is not how {attribute.name} is written"
        elif is_ours and line.tag in allowed and attribute.name not in allowed[line.tag]:
            yield attribute.name, f"has {attribute.name}, which ours never has"
        elif is_ours and attribute.name == "FRAME-RATE" and not re.fullmatch(r"[0-9]+\.[0-9]{3}", attribute.value):
            yield shown, f"has FRAME-RATE={shown}, not with three decimals"
        elif is_ours and attribute.name == "TYPE" and attribute.value != "CLOSED-CAPTIONS" and "URI" not in names:
            yield shown, f"has TYPE={shown}; ours declares closed captions alone"


def is_well_formed(attribute: Attribute) -> bool:
    """Whether an attribute's value is written as RFC 8216bis has it; True for one that it does not know."""
    form = FORMS.get(attribute.name)
    return form is None or re.fullmatch(form, attribute.value) is not None
