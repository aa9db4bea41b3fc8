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


# What moves the cursor, colours the terminal or breaks a line. kubectl makes only the escape character visible.
_DANGEROUS = re.compile("[\x00-\x08\x0b\x0e-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]")
# What lets letters stand in another order than they are stored in, until the other character of the pair.
_TURNING = re.compile("[\u202a-\u202e\u2066-\u2069]")
_CLOSED_BY = {**dict.fromkeys("\u202a\u202b\u202d\u202e", "\u202c"), **dict.fromkeys("\u2066\u2067\u2068", "\u2069")}


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
    """`text` with what a terminal would obey made visible, but for line breaks and tabs.

    Marks of writing from right to left stay where they are closed again, as in kubectl: others would reach into what stands
    behind the text.
    """
    text = _DANGEROUS.sub(_shown, text)
    return text if _is_turned_back(text) else _TURNING.sub(_shown, text)


def _is_turned_back(text: str) -> bool:
    """Whether every mark that turns the direction is closed in `text`, inner ones first."""
    open_ones: list[str] = []
    for mark in _TURNING.findall(text):
        closed_by = _CLOSED_BY.get(mark)
        if closed_by is not None:
            open_ones.append(closed_by)
        elif not open_ones or open_ones.pop() != mark:
            return False
    return not open_ones


def _shown(found: re.Match[str]) -> str:
    return "^[" if found[0] == "\x1b" else found[0].encode("unicode_escape", "backslashreplace").decode("ascii")
