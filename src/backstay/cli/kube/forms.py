"""The forms in which `kube get` prints: a table, YAML, JSON, names, a JSONPath template, or columns of one's own.

-o wide | yaml | json | name | jsonpath='{.items[*].metadata.name}' | jsonpath-as-json=... | custom-columns=NAME:.metadata.name
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from backstay import errors
from backstay.errors import FormatError

if TYPE_CHECKING:
    from backstay.kube.values import JsonObject

TABLES = ("table", "wide")
PLAIN = ("json", "yaml", "name")
WITH_ARGUMENT = ("jsonpath", "jsonpath-as-json", "custom-columns")
METAVAR = "table|wide|yaml|json|name|jsonpath=...|custom-columns=..."


class Form(NamedTuple):
    """A form, and the template or columns that belong to it."""

    name: str
    argument: str = ""

    @property
    def is_table(self) -> bool:
        """Whether `kubectl`'s own table is meant."""
        return self.name in TABLES

    @property
    def is_wide(self) -> bool:
        """Whether the table shall have all its columns."""
        return self.name == "wide"


def read_form(text: str) -> Form:
    """The form that -o asks for. Raises `USAGE`."""
    name, equals, argument = text.removeprefix("=").partition("=")
    if name in WITH_ARGUMENT:
        if not argument:
            raise errors.USAGE.error(f"-o {name} needs a template", next_step=f"write -o {name}=...")
        return Form(name, argument)
    if name not in (*TABLES, *PLAIN) or equals:
        known = ", ".join((*TABLES, *PLAIN, *(f"{each}=..." for each in WITH_ARGUMENT)))
        raise errors.USAGE.error(f"there is no output format {text!r}", next_step=f"choose {known}")
    return Form(name)


def print_form(form: Form, items: Sequence[JsonObject], *, is_single: bool, headers: bool) -> str:
    """The text of `items` in every form but a table, with the line break that `kubectl` puts at its end.

    Raises `USAGE` for a template that cannot be read or applied.
    """
    from backstay.kube.printing.custom_columns import draw_custom_columns, read_custom_columns
    from backstay.kube.printing.json_text import json_of
    from backstay.kube.printing.jsonpath import read_template
    from backstay.kube.printing.objects import as_list
    from backstay.kube.printing.yaml_text import yaml_of

    def whole() -> Any:
        return items[0] if is_single and items else as_list(items)

    printers: dict[str, Callable[[], str]] = {
        "json": lambda: json_of(whole()) + "\n",
        "yaml": lambda: yaml_of(whole()),
        "jsonpath": lambda: read_template(_unquoted(form.argument)).print(whole()),
        "jsonpath-as-json": lambda: read_template(_unquoted(form.argument)).print_json(whole()),
        "custom-columns": lambda: draw_custom_columns(read_custom_columns(form.argument), items, headers=headers),
    }
    try:
        return printers[form.name]()
    except FormatError as problem:
        raise errors.USAGE.error(problem.what, where=f"-o {form.name}", why=problem.why) from problem
    except RecursionError as problem:
        raise errors.USAGE.error(
            "an object is nested too deeply to be printed so", where=f"-o {form.name}"
        ) from problem


def _unquoted(template: str) -> str:
    """A template without braces is one expression, as `kubectl` takes it; quotes that a shell has left are not part of it."""
    if len(template) > 1 and template[0] == template[-1] == "'":
        template = template[1:-1]
    return template
