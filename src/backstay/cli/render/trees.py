"""A hierarchy drawn with box characters, with columns of numbers beside it.

    /registry                   1155  310 kB
    ├─ configmaps                 41   68 kB
    │  └─ production              30   50 kB
    └─ pods                       26   74 kB

Pure: nodes in, text out, without the last line break.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

from backstay.cli.render.tables import Align, columns


class Twig(NamedTuple):
    """A node: its label, its cells, and what is below it."""

    label: str
    cells: tuple[object, ...]
    below: tuple[Twig, ...] = ()


def tree_text(header: Sequence[str], roots: Iterable[Twig]) -> str:
    """The trees below each other under a header; all but the first column stand right."""
    rows = [(label, *cells) for root in roots for label, cells in _lines(root, "", "")]
    aligns = (Align.LEFT, *(Align.RIGHT,) * (len(header) - 1))
    return columns(header, rows, aligns=aligns)


def _lines(twig: Twig, first: str, others: str) -> Iterator[tuple[str, tuple[object, ...]]]:
    yield first + twig.label, twig.cells
    for index, child in enumerate(twig.below):
        is_last = index == len(twig.below) - 1
        yield from _lines(child, others + ("└─ " if is_last else "├─ "), others + ("   " if is_last else "│  "))
