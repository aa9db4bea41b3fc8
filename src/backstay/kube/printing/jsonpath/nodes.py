"""The parts of a JSONPath template, as reading makes them and evaluation walks them."""

from __future__ import annotations

from typing import Any, NamedTuple


class Constant(NamedTuple):
    """Text between quotes or braces, a number or a boolean."""

    value: Any


class Field(NamedTuple):
    """What stands under a name."""

    name: str


class Wildcard(NamedTuple):
    """Every value of a map or list."""


class Recursive(NamedTuple):
    """A value and all values below it."""


class Slice(NamedTuple):
    """Elements of a list. `stop` is None for the end; `is_one` where a single index was written."""

    start: int | None
    stop: int | None
    step: int | None
    is_one: bool


class Union(NamedTuple):
    """What several paths find, one after the other."""

    paths: tuple[Path, ...]


class Filter(NamedTuple):
    """The elements of a list that fit. `operator` is empty where the left path only has to find something."""

    left: Path
    operator: str
    right: Path


Node = Constant | Field | Wildcard | Recursive | Slice | Union | Filter


class Path(NamedTuple):
    """Nodes, each of which is applied to what the one before has found."""

    nodes: tuple[Node, ...]


class Range(NamedTuple):
    """Parts that are evaluated once for each value that a path finds."""

    path: Path
    body: tuple[Part, ...]


Part = Path | Range
