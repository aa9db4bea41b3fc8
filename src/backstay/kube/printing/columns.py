"""What a column of a table is, and the small words that many cells are made of."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from datetime import datetime
from typing import Any, NamedTuple

from backstay.kube.printing.ages import age
from backstay.kube.printing.label_selectors import selector_text
from backstay.kube.values import JsonObject

NONE = "<none>"
UNSET = "<unset>"


class Context(NamedTuple):
    """What a cell may depend on beside the object."""

    now: datetime


Cell = str | int | float | bool | None
CellOf = Callable[[JsonObject, Context], Cell]


class Column(NamedTuple):
    """One column: its heading, and what stands in it. `wide` ones are shown with `-o wide` only."""

    title: str
    cell: CellOf
    wide: bool = False
    is_name: bool = False
    """Whether the cell is the object's name, which gets its kind before it where kinds are mixed."""


def part(value: Any, *path: str) -> Any:
    """What stands at `path` below `value`; None where there is nothing, or something else than an object on the way."""
    for name in path:
        if not isinstance(value, dict):
            return None
        value = value.get(name)
    return value


def text(value: Any, *path: str, default: str = "") -> str:
    """The text at `path`, or `default` where there is none or it is empty."""
    found = part(value, *path)
    return default if found is None or found == "" else str(found)


def number(value: Any, *path: str, default: int = 0) -> int:
    """The number at `path`."""
    found = part(value, *path)
    return found if isinstance(found, int) and not isinstance(found, bool) else default


def flag(value: Any, *path: str, default: bool = False) -> bool:
    """The boolean at `path`."""
    found = part(value, *path)
    return found if isinstance(found, bool) else default


def items(value: Any, *path: str) -> list[JsonObject]:
    """The objects of the list at `path`; what is no object is left out."""
    found = part(value, *path)
    return [each for each in found if isinstance(each, dict)] if isinstance(found, list) else []


def words(value: Any, *path: str) -> list[str]:
    """The texts of the list at `path`."""
    found = part(value, *path)
    return [str(each) for each in found] if isinstance(found, list) else []


def size(value: Any, *path: str) -> int:
    """How many elements the list or map at `path` has."""
    found = part(value, *path)
    return len(found) if isinstance(found, dict | list) else 0


def conditions(value: JsonObject) -> dict[str, JsonObject]:
    """The conditions of an object's status by type; the last one where a type comes twice."""
    return {text(each, "type"): each for each in items(value, "status", "conditions")}


def is_true(condition: JsonObject | None) -> bool:
    """Whether a condition is there and true."""
    return condition is not None and condition.get("status") == "True"


def labels_text(labels: Any) -> str:
    """`a=1,b=2`, by name; `<none>` for no labels."""
    if not isinstance(labels, dict) or not labels:
        return NONE
    return ",".join(f"{name}={labels[name]}" for name in sorted(labels))


def selector_or_none(selector: Any) -> str:
    """A label selector as one line; `<none>` for one that chooses nothing or everything."""
    return selector_text(selector) or NONE


def first_few(texts: Iterable[str], most: int = 3, separator: str = ",") -> str:
    """The first `most` of `texts`, and how many more there are; `<unset>` for none."""
    every = list(texts)
    shown = separator.join(every[:most])
    return f"{shown} + {len(every) - most} more..." if len(every) > most else shown or UNSET


def name_of(item: JsonObject, _: Context) -> str:
    """The object's name."""
    return text(item, "metadata", "name")


def age_of(item: JsonObject, context: Context) -> str:
    """The time since the object was created."""
    return age(part(item, "metadata", "creationTimestamp"), context.now)


def created_at(item: JsonObject, _: Context) -> str:
    """The time at which the object was created, where a kind has no table of its own."""
    return text(item, "metadata", "creationTimestamp", default="0001-01-01T00:00:00Z")


def at(*path: str, default: str = "") -> CellOf:
    """A cell with the text at `path`."""
    return lambda item, _: text(item, *path, default=default)


def number_at(*path: str) -> CellOf:
    """A cell with the number at `path`."""
    return lambda item, _: number(item, *path)


def flag_at(*path: str, default: bool = False) -> CellOf:
    """A cell with the boolean at `path`."""
    return lambda item, _: flag(item, *path, default=default)


def size_at(*path: str) -> CellOf:
    """A cell with the number of elements at `path`."""
    return lambda item, _: size(item, *path)


NAME = Column("Name", name_of, is_name=True)
AGE = Column("Age", age_of)
CREATED_AT = Column("Created At", created_at)
