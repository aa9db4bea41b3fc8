"""The columns of custom resources, which their definition names in `additionalPrinterColumns`."""

from __future__ import annotations

from typing import Any

from backstay.errors import FormatError
from backstay.kube.printing.ages import age, moment_of
from backstay.kube.printing.columns import AGE, NAME, Cell, Column, Context, items, number, text
from backstay.kube.printing.jsonpath import Template, read_template, value_text
from backstay.kube.values import JsonObject


def custom_columns(definition: JsonObject | None, version: str) -> tuple[Column, ...]:
    """The columns that a CustomResourceDefinition has for `version`; name and age where it has none, or there is none."""
    for each in items(definition, "spec", "versions"):
        if each.get("name") == version:
            columns = tuple(_column(column) for column in items(each, "additionalPrinterColumns"))
            return (NAME, *columns) if columns else (NAME, AGE)
    return (NAME, AGE)


def _column(column: JsonObject) -> Column:
    path, kind = text(column, "jsonPath"), text(column, "type")
    try:
        template = read_template(f"{{{path}}}")
    except FormatError:
        # The API server would not have accepted it; what a damaged definition says is no reason to show nothing.
        return Column(text(column, "name"), lambda _item, _context: None)

    def cell(item: JsonObject, context: Context) -> Cell:
        return _cell(template, kind, item, context)

    return Column(text(column, "name"), cell, wide=number(column, "priority") != 0)


def _cell(template: Template, kind: str, item: JsonObject, context: Context) -> Cell:
    try:
        found = template.find(item)
    except FormatError:
        return None
    if not found or not found[0]:
        return None
    value: Any = found[0][0]
    if kind == "string":
        return value_text(value)
    if kind == "date" and isinstance(value, str):
        return "<invalid>" if moment_of(value) is None else age(value, context.now)
    if kind == "boolean" and isinstance(value, bool):
        return value
    if isinstance(value, int | float) and not isinstance(value, bool):
        if kind == "integer":
            return int(value)
        if kind == "number":
            return float(value)
    return None
