"""Where in an object a text, a label, a field or a JSONPath is found: pure functions over JSON.

    pods production/web    spec.containers[0].image    registry.example.com/web:1.4

Every match is a path as people write it and the value that stands there. Objects are searched as they are given: whoever
may not see the values of Secrets has to take them out before.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

from backstay.errors import FormatError
from backstay.kube.printing.field_selectors import read_field_selector
from backstay.kube.printing.jsonpath import read_template, relaxed
from backstay.kube.printing.label_selectors import read_label_selector
from backstay.kube.values import JsonObject


class Match(NamedTuple):
    """A place in an object, and what stands there."""

    path: str
    value: Any


Search = Callable[[JsonObject], Iterator[Match]]
"""A question, asked of one object after the other."""


def for_text(wanted: str, *, ignore_case: bool) -> Search:
    """Every value, and every name of a field or key, that holds the text `wanted`."""
    wanted = wanted.casefold() if ignore_case else wanted

    def fits(text: str) -> bool:
        return wanted in (text.casefold() if ignore_case else text)

    def search(item: JsonObject) -> Iterator[Match]:
        waiting: list[tuple[str, Any]] = [("", item)]
        while waiting:
            path, value = waiting.pop()
            if isinstance(value, dict):
                below = [(_joined(path, name), each) for name, each in value.items()]
                for (inner, each), name in zip(below, value, strict=True):
                    # What holds more is found by what is in it; only a bare name is worth a line of its own.
                    if fits(name) and not isinstance(each, dict | list) and not fits(_text(each)):
                        yield Match(inner, each)
                waiting += reversed(below)
            elif isinstance(value, list):
                waiting += reversed([(f"{path}[{index}]", each) for index, each in enumerate(value)])
            elif value is not None and fits(_text(value)):
                yield Match(path, value)

    return search


def for_label(selector: str) -> Search:
    """Objects whose labels fit a selector such as `app=web,tier in (a,b)`. Raises `FormatError`."""
    wanted = read_label_selector(selector)
    names = tuple(each.name for each in wanted.requirements)

    def search(item: JsonObject) -> Iterator[Match]:
        metadata = item.get("metadata")
        labels = metadata.get("labels") if isinstance(metadata, dict) else None
        if wanted.fits(labels):
            known = labels if isinstance(labels, dict) else {}
            yield Match("metadata.labels", {name: known[name] for name in names if name in known})

    return search


def for_field(selector: str) -> Search:
    """Objects whose fields fit a selector such as `spec.nodeName=node-a`. Raises `FormatError`."""
    wanted = read_field_selector(selector)

    def search(item: JsonObject) -> Iterator[Match]:
        if wanted.fits(item):
            for term in wanted.terms:
                yield Match(".".join(term.path), term.value if term.is_equal else f"not {term.value}")

    return search


def for_jsonpath(path: str) -> Search:
    """Objects in which a JSONPath finds something. Raises `FormatError` for what is no path."""
    template = read_template(path if path.startswith("{") and path.count("{") > 1 else relaxed(path))

    def search(item: JsonObject) -> Iterator[Match]:
        try:
            found = template.find(item)
        except FormatError:
            return  # another kind of object, to which the path does not apply
        for values in found:
            for value in values:
                yield Match(path, value)

    return search


def _joined(path: str, name: str) -> str:
    if any(character in name for character in "./[]") or not name:
        return f"{path}['{name}']"
    return f"{path}.{name}" if path else name


def _text(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value)
