"""The output of etcd's own tools, byte for byte: their tables, `simple` lines and `fields` lines.

Pure: values in, text out, without the last line break. Up to 3.6 tables are drawn in ASCII, from 3.7 on with box
characters; in both the header is centred, with the odd blank on its right, and cells stand on the right
(`data/etcd/*/snapshot.expect.json` holds the tables of five releases). Scripts should read JSON instead.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum

from backstay.cli.render.tables import Align, cell_width, pad


@dataclass(frozen=True, slots=True)
class _Lines:
    """The characters of a border: left, junction and right end of each of its three lines, and the two strokes."""

    top: str
    middle: str
    bottom: str
    horizontal: str
    vertical: str


class TableStyle(Enum):
    """How a release of etcd draws its tables."""

    ASCII = _Lines("+++", "+++", "+++", "-", "|")
    """3.4, 3.5 and 3.6"""

    BOX = _Lines("┌┬┐", "├┼┤", "└┴┘", "─", "│")
    """3.7"""


def style_of(release: str) -> TableStyle:
    """The style of a release such as `3.5` or `3.7.3`."""
    major, minor = (int(part) for part in release.split(".")[:2])
    return TableStyle.BOX if (major, minor) >= (3, 7) else TableStyle.ASCII


def table(header: Sequence[str], rows: Sequence[Sequence[object]], style: TableStyle) -> str:
    """A table as etcd's tools print it for `-w table`; the header is given in its final case."""
    lines = style.value
    texts = [[str(cell) for cell in row] for row in rows]
    widths = [max(cell_width(line[index]) for line in (header, *texts)) for index in range(len(header))]

    def rule(ends: str) -> str:
        return ends[0] + ends[1].join(lines.horizontal * (width + 2) for width in widths) + ends[2]

    def row(cells: Sequence[str]) -> str:
        return lines.vertical + lines.vertical.join(f" {cell} " for cell in cells) + lines.vertical

    drawn = [rule(lines.top), row([_centred(cell, width) for cell, width in zip(header, widths, strict=True)])]
    drawn.append(rule(lines.middle))
    drawn += [
        row([pad(cell, width, Align.RIGHT) for cell, width in zip(cells, widths, strict=True)]) for cells in texts
    ]
    return "\n".join([*drawn, rule(lines.bottom)])


def simple(values: Sequence[object]) -> str:
    """One line as etcd's tools print it for `-w simple`; an empty last value leaves its separator behind."""
    return ", ".join(str(value) for value in values)


def fields(values: Sequence[tuple[str, object]]) -> str:
    """Lines as etcd's tools print them for `-w fields`: only the label is quoted."""
    return "\n".join(f'"{label}" : {value}' for label, value in values)


def _centred(text: str, width: int) -> str:
    blanks = width - cell_width(text)
    left = blanks // 2
    return " " * left + text + " " * (blanks - left)
