"""Our own tables: plain columns that read well on a terminal and split well in a pipe.

Pure: values in, text out, without the last line break. Widths count terminal cells, so East Asian names stay aligned.
etcd's own tables are drawn by `etcd_tables.py`.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence
from enum import Enum

GAP = "  "


class Align(Enum):
    """On which side of its column a text stands."""

    LEFT = "left"
    RIGHT = "right"


def columns(header: Sequence[str], rows: Sequence[Sequence[object]], *, aligns: Sequence[Align] | None = None) -> str:
    """Rows under a header; numbers stand right unless `aligns` says otherwise. No line ends in blanks."""
    texts = [[printable(cell) for cell in row] for row in rows]
    if aligns is None:
        aligns = [_natural(rows, index) for index in range(len(header))]
    widths = [max(cell_width(line[index]) for line in (header, *texts)) for index in range(len(header))]
    return "\n".join(
        GAP.join(pad(cell, width, align) for cell, width, align in zip(line, widths, aligns, strict=True)).rstrip()
        for line in ([printable(cell) for cell in header], *texts)
    )


def pairs(rows: Sequence[tuple[str, object]], *, indent: str = "") -> str:
    """Labels and values below each other, the values aligned."""
    width = max((cell_width(label) for label, _ in rows), default=0) + 1
    return "\n".join(
        f"{indent}{pad(label + ':', width, Align.LEFT)} {printable(value)}".rstrip() for label, value in rows
    )


def printable(value: object) -> str:
    """`value` as one line of text: what could move the cursor or colour the terminal is escaped."""
    text = "" if value is None else str(value)
    if text.isprintable():
        return text
    return "".join(character if character.isprintable() else _escaped(character) for character in text)


def cell_width(text: str) -> int:
    """How many cells of a terminal `text` takes."""
    if text.isascii():
        return len(text)
    return sum(
        0 if unicodedata.combining(character) else 1 + (unicodedata.east_asian_width(character) in "WF")
        for character in text
    )


def pad(text: str, width: int, align: Align) -> str:
    """`text` with blanks up to `width` cells."""
    blanks = " " * (width - cell_width(text))
    return blanks + text if align is Align.RIGHT else text + blanks


def _natural(rows: Sequence[Sequence[object]], index: int) -> Align:
    cells = [row[index] for row in rows]
    numbers = bool(cells) and all(isinstance(cell, int | float) and not isinstance(cell, bool) for cell in cells)
    return Align.RIGHT if numbers else Align.LEFT


def _escaped(character: str) -> str:
    return character.encode("unicode_escape", "backslashreplace").decode("ascii")
