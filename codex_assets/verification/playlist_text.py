"""A playlist as its text stands: every line of it, and the attributes that a tag's value is made of.

In: lines, tags and attribute lists, read as RFC 8216bis writes them and kept as they were written. Out: reading files
(`observe/playlists.py`), and what may stand there (`rules/playlist_text.py`).
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

_ATTRIBUTE = re.compile(r'([A-Z0-9-]+)=("[^"\r\n]*"|[^",\s]+)(?:,(?=.)|$)')


@dataclass(frozen=True)
class PlaylistLine:
    """One line: its number, from 1, and its text up to the line feed, a carriage return included."""

    number: int
    text: str

    @cached_property
    def content(self) -> str:
        """The text without its line's end, and without white space around it."""
        return self.text.strip()

    @property
    def is_uri(self) -> bool:
        """Whether it names a segment or a playlist."""
        return bool(self.content) and not self.content.startswith("#")

    @cached_property
    def tag(self) -> str | None:
        """The tag's name, without `#`; None for what is no tag: a URI, a comment, a blank line."""
        return self.content[1:].partition(":")[0] if self.content.startswith("#EXT") else None

    @property
    def value(self) -> str:
        """What follows the tag's colon."""
        return self.content.partition(":")[2]


@dataclass(frozen=True)
class PlaylistText:
    """All lines, in order. `ends_with_line_feed`: the last of them is terminated as the others are."""

    lines: tuple[PlaylistLine, ...]
    ends_with_line_feed: bool = True

    @property
    def tags(self) -> tuple[PlaylistLine, ...]:
        """The lines that are tags."""
        return tuple(line for line in self.lines if line.tag is not None)

    def with_tag(self, name: str) -> tuple[PlaylistLine, ...]:
        """The lines that are this tag."""
        return tuple(line for line in self.lines if line.tag == name)

    def value_of(self, name: str) -> str | None:
        """The value of the first tag of this name; None when there is no such tag."""
        return next((line.value for line in self.with_tag(name)), None)

    def pairs(self, name: str) -> Iterator[tuple[PlaylistLine | None, PlaylistLine | None]]:
        """Each tag of this name with the URI that it belongs to; None in the place of what is missing."""
        waiting: PlaylistLine | None = None
        for line in self.lines:
            if line.tag == name:
                if waiting is not None:
                    yield waiting, None
                waiting = line
            elif line.is_uri:
                yield waiting, line
                waiting = None
        if waiting is not None:
            yield waiting, None


@dataclass(frozen=True)
class Attribute:
    """One attribute, its value as it is written: with its quotes, if it has any."""

    name: str
    value: str

    @property
    def is_quoted(self) -> bool:
        """Whether the value is a quoted string."""
        return self.value.startswith('"')

    @property
    def unquoted(self) -> str:
        """The value without quotes."""
        return self.value.strip('"')


def read_text(text: str) -> PlaylistText:
    """A playlist's lines. Only a line feed ends a line, whatever else a character may do elsewhere."""
    ends_with_line_feed = text.endswith("\n")
    lines = text.removesuffix("\n").split("\n")
    return PlaylistText(
        tuple(PlaylistLine(number, line) for number, line in enumerate(lines, start=1)), ends_with_line_feed
    )


def read_attributes(value: str) -> tuple[tuple[Attribute, ...], str | None]:
    """The attributes of a tag's value, and None; or those before the first fault, and what stands there."""
    attributes: list[Attribute] = []
    at = 0
    while at < len(value):
        match = _ATTRIBUTE.match(value, at)
        if match is None:
            return tuple(attributes), value[at:]
        attributes.append(Attribute(match[1], match[2]))
        at = match.end()
    return tuple(attributes), None if attributes else value
