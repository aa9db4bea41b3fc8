"""The tables of `kubectl get`: one below the other for mixed kinds, with namespaces, labels and kinds where they are wanted.

NAMESPACE    NAME       READY   STATUS    RESTARTS   AGE
production   pod/web    1/1     Running   0          5d
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from backstay.kube.printing.columns import Cell, Column, Context, labels_text, part, text
from backstay.kube.printing.json_text import shortest_text
from backstay.kube.printing.tabs import aligned, one_line
from backstay.kube.values import JsonObject

UNREADABLE = "$unreadable"
"""Under this name an object that could not be decoded says why, in one word; its row then has no more than that."""


class Section(NamedTuple):
    """The objects of one resource, and how they are shown."""

    columns: tuple[Column, ...]
    items: Sequence[JsonObject]
    prefix: str
    """What stands before a name where kinds are mixed: `pod`, `deployment.apps`."""
    namespaced: bool = True


class Options(NamedTuple):
    """What the reader asked for."""

    wide: bool = False
    show_labels: bool = False
    label_columns: tuple[str, ...] = ()
    with_namespace: bool = False
    with_kind: bool = False
    headers: bool = True


def draw(sections: Sequence[Section], options: Options, context: Context) -> str:
    """The tables of `sections`, apart from empty ones, with a blank line between them."""
    drawn = []
    with_namespace = False
    for section in sections:
        # `kubectl` never forgets this column: what follows the first namespaced kind has it, if only with blanks.
        with_namespace = with_namespace or (options.with_namespace and section.namespaced)
        if section.items:
            drawn.append(_one(section, options, context, with_namespace=with_namespace))
    return ("\n" if options.headers else "").join(drawn)


def _one(section: Section, options: Options, context: Context, *, with_namespace: bool) -> str:
    columns = [each for each in section.columns if options.wide or not each.wide]
    rows = []
    if options.headers:
        rows.append(
            [
                *(["NAMESPACE"] if with_namespace else []),
                *(each.title.upper() for each in columns),
                *(label.rpartition("/")[2].upper() for label in options.label_columns),
                *(["LABELS"] if options.show_labels else []),
            ]
        )
    for item in section.items:
        labels = part(item, "metadata", "labels")
        cells = [
            *([text(item, "metadata", "namespace")] if with_namespace else []),
            *_cells(columns, item, section, options, context),
            *(_label(labels, label) for label in options.label_columns),
            *([labels_text(labels)] if options.show_labels else []),
        ]
        rows.append([one_line(cell) for cell in cells])
    return aligned(rows)


def _label(labels: object, name: str) -> str:
    return "<none>" if part(labels, name) is None else text(labels, name)


def _cells(
    columns: Sequence[Column], item: JsonObject, section: Section, options: Options, context: Context
) -> list[str]:
    why = text(item, UNREADABLE)
    if not why:
        return [_shown(each, item, section, options, context) for each in columns]
    cells = [_shown(each, item, section, options, context) if each.is_name else "" for each in columns]
    if "" in cells:
        cells[cells.index("")] = f"<{why}>"
    return cells


def _shown(column: Column, item: JsonObject, section: Section, options: Options, context: Context) -> str:
    shown = cell_text(column.cell(item, context))
    return f"{section.prefix}/{shown}" if column.is_name and options.with_kind else shown


def cell_text(cell: Cell) -> str:
    """A cell as text: nothing for none, booleans in small letters."""
    if cell is None:
        return ""
    if isinstance(cell, bool):
        return "true" if cell else "false"
    return shortest_text(cell) if isinstance(cell, float) else str(cell)
