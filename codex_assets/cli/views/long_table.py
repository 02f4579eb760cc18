"""Tables of thousands of lines, as plain text.

Rich measures and wraps every cell, which takes most of a millisecond a line: seconds for thousands of media. Nobody
reads so many on a terminal; what is piped into `grep` needs no colours. In: when a table is long, and columns that are
as wide as their widest cell. Out: what stands in them.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final

from rich.cells import cell_len

LONG: Final = 200
"""More lines than this are printed as plain text."""


def long_table(names: Sequence[str], rows: Sequence[Sequence[str]], right: int) -> Iterator[str]:
    """The lines of a table. The last `right` columns are aligned to the right."""
    widths = [max(cell_len(row[number]) for row in (names, *rows)) for number in range(len(names))]
    for row in (names, *rows):
        cells = []
        for number, (cell, width) in enumerate(zip(row, widths, strict=True)):
            space = " " * (width - cell_len(cell))
            cells.append(space + cell if number >= len(names) - right else cell + space)
        yield "  ".join(cells).rstrip()
