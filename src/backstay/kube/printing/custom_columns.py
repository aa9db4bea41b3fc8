"""`-o custom-columns=NAME:.metadata.name,IMAGE:.spec.containers[*].image`: a table of one's own."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

from backstay.errors import FormatError
from backstay.kube.printing.jsonpath import Template, go_text, read_template, relaxed
from backstay.kube.printing.tabs import aligned, visible
from backstay.kube.values import JsonObject


class CustomColumn(NamedTuple):
    """A heading, and the path to what stands below it."""

    title: str
    template: Template


def read_custom_columns(line: str) -> tuple[CustomColumn, ...]:
    """The columns that `line` asks for. Raises `FormatError`."""
    columns = []
    for each in line.split(","):
        title, colon, path = each.partition(":")
        if not colon or not title or not path:
            raise FormatError(f"{each!r} is no column", offset=0, why="a column is written HEADING:PATH")
        columns.append(CustomColumn(title, read_template(relaxed(path))))
    return tuple(columns)


def draw_custom_columns(columns: tuple[CustomColumn, ...], items: Iterable[JsonObject], *, headers: bool = True) -> str:
    """The table; `<none>` where a path finds nothing."""
    rows = [[each.title for each in columns]] if headers else []
    rows += [[_cell(each.template, item) for each in columns] for item in items]
    return aligned(rows)


def _cell(template: Template, item: JsonObject) -> str:
    found = template.find(item)
    return visible(",".join(go_text(value) for values in found for value in values)) or "<none>"
