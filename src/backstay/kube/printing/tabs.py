"""Columns as `kubectl` aligns them: three blanks between, six cells at least, one character a cell, no blanks cut off."""

from __future__ import annotations

import re
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


# What moves the cursor, colours the terminal, breaks a line, or lets letters stand in another order than they are stored
# in. kubectl makes only the escape character visible.
_DANGEROUS = re.compile(
    "[\x00-\x08\x0b\x0e-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff]"
)


def one_line(text: str) -> str:
    """`text` up to its first line break, with `...` for the rest; what a terminal would obey is made visible."""
    if text.isprintable():
        return text
    for index, character in enumerate(text):
        if character in "\f\n\r":
            text = text[:index] + "..."
            break
    return visible(text).replace("\t", "\\t")


def visible(text: str) -> str:
    """`text` with what a terminal would obey made visible, but for line breaks and tabs."""
    return _DANGEROUS.sub(_shown, text)


def _shown(found: re.Match[str]) -> str:
    return "^[" if found[0] == "\x1b" else found[0].encode("unicode_escape", "backslashreplace").decode("ascii")
