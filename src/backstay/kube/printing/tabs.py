"""Columns as `kubectl` aligns them: three blanks between, six cells at least, one character a cell, no blanks cut off."""

from __future__ import annotations

from collections.abc import Sequence

_GAP = 3
_LEAST = 6


def aligned(rows: Sequence[Sequence[str]]) -> str:
    """`rows`, all as long as the first, one line each; the last column is not padded. Ends with a line break."""
    if not rows:
        return ""
    last = len(rows[0]) - 1
    widths = [max(_LEAST, _GAP + max(len(row[index]) for row in rows)) for index in range(last)]
    return "".join(
        "".join(cell.ljust(width) for cell, width in zip(row, widths, strict=False)) + row[last] + "\n" for row in rows
    )


def one_line(text: str) -> str:
    """`text` up to its first line break, with `...` for the rest; a terminal's escape character is made visible."""
    for index, character in enumerate(text):
        if character in "\f\n\r":
            text = text[:index] + "..."
            break
    return text.replace("\x1b", "^[")
