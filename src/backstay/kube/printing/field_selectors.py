"""Field selectors, as people type them after `--field-selector`: `metadata.name=web,status.phase!=Running`.

The API server knows a few fields of each kind; of a stored object every field can be asked. A field that is not there counts
as empty text. `\\,`, `\\=` and `\\\\` are the characters themselves.
"""

from __future__ import annotations

import re
from typing import NamedTuple

from backstay.errors import FormatError
from backstay.kube.printing.columns import part
from backstay.kube.values import JsonObject

_TERM = re.compile(r"([\w.\-/]+)(==|!=|=)((?:\\[\\,=]|[^\\,=])*)")


class FieldTerm(NamedTuple):
    """One field, and the text it has to be or not to be."""

    path: tuple[str, ...]
    value: str
    is_equal: bool

    def fits(self, item: JsonObject) -> bool:
        """Whether the object fulfils it."""
        found = part(item, *self.path)
        text = "" if found is None else str(found).lower() if isinstance(found, bool) else str(found)
        return (text == self.value) is self.is_equal


class FieldSelector(NamedTuple):
    """Terms that all have to be fulfilled; none fit everything."""

    terms: tuple[FieldTerm, ...] = ()

    def fits(self, item: JsonObject) -> bool:
        """Whether the object is chosen."""
        return all(each.fits(item) for each in self.terms)


def read_field_selector(line: str) -> FieldSelector:
    """The selector that `line` means. Raises `FormatError` where it means none."""
    terms, position = [], 0
    while position < len(line):
        found = _TERM.match(line, position)
        if found is None or line[found.end() : found.end() + 1] not in ("", ","):
            raise FormatError(
                f"{line!r} is no field selector", offset=position, why="a term is PATH=VALUE or PATH!=VALUE"
            )
        value = re.sub(r"\\(.)", r"\1", found[3])
        terms.append(FieldTerm(tuple(found[1].split(".")), value, found[2] != "!="))
        position = found.end() + 1
    return FieldSelector(tuple(terms))
