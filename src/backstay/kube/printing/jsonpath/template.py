"""A JSONPath template applied to an object: what it finds, and the text that it prints."""

from __future__ import annotations

import operator
from collections.abc import Callable, Iterator
from typing import Any

from backstay.errors import FormatError
from backstay.kube.printing.json_text import compact_json, json_of, shortest_text
from backstay.kube.printing.jsonpath.nodes import (
    Constant,
    Field,
    Filter,
    Node,
    Part,
    Path,
    Range,
    Recursive,
    Slice,
    Union,
    Wildcard,
)

_COMPARE: dict[str, Callable[[Any, Any], bool]] = {
    "==": operator.eq,
    "!=": operator.ne,
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
}


class Template:
    """A template that was read; `read_template` makes one."""

    def __init__(self, parts: tuple[Part, ...]) -> None:
        self._parts = parts

    def find(self, value: Any) -> list[list[Any]]:
        """What each part of the template finds in `value`, in order. Raises `FormatError` where it cannot be applied."""
        return list(_found(self._parts, value))

    def print(self, value: Any) -> str:
        """The text that `kubectl -o jsonpath` prints for `value`, which ends in no line break of its own."""
        return "".join(" ".join(value_text(each) for each in found) for found in self.find(value))

    def print_json(self, value: Any) -> str:
        """What `kubectl -o jsonpath-as-json` prints: a list of what each part has found."""
        return "".join(json_of(found) + "\n" for found in self.find(value))


def value_text(value: Any) -> str:
    """One found value as a template prints it: text bare, maps and lists as JSON."""
    if isinstance(value, str):
        return value
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float):
        return shortest_text(value)
    return compact_json(value) if isinstance(value, dict | list) else str(value)


def go_text(value: Any) -> str:
    """One found value as a column prints it: Go's own form, `map[a:1]`, `[x y]`, `<nil>`."""
    if value is None:
        return "<nil>"
    if isinstance(value, dict):
        return "map[" + " ".join(f"{name}:{go_text(value[name])}" for name in sorted(value)) + "]"
    if isinstance(value, list):
        return "[" + " ".join(go_text(each) for each in value) + "]"
    return value_text(value)


def _found(parts: tuple[Part, ...], value: Any) -> Iterator[list[Any]]:
    for part in parts:
        if isinstance(part, Range):
            for each in _walk(part.path, [value]):
                yield from _found(part.body, each)
        else:
            yield _walk(part, [value])


def _walk(path: Path, values: list[Any]) -> list[Any]:
    for node in path.nodes:
        values = _apply(node, values)
    return values


def _apply(node: Node, values: list[Any]) -> list[Any]:
    if isinstance(node, Field):
        return [each[node.name] for each in values if isinstance(each, dict) and node.name in each]
    if isinstance(node, Constant):
        # Text stands for itself, whatever was found before it; a number stands once for each.
        return [node.value] if isinstance(node.value, str) else [node.value] * len(values)
    if isinstance(node, Wildcard):
        return [child for each in values for child in _children(each)]
    if isinstance(node, Recursive):
        return list(_descendants(values))
    if isinstance(node, Slice):
        return [child for each in values if each is not None for child in _sliced(node, each)]
    if isinstance(node, Union):
        return [child for path in node.paths for child in _walk(path, values)]
    return [child for each in values for child in _fitting(node, each)]


def _children(value: Any) -> list[Any]:
    if isinstance(value, dict):
        return [value[name] for name in sorted(value)]
    return value if isinstance(value, list) else []


def _descendants(values: list[Any]) -> Iterator[Any]:
    waiting = list(reversed(values))
    while waiting:
        value = waiting.pop()
        children = _children(value)
        # Numbers, booleans and what is empty are never found this way.
        if children or (isinstance(value, str) and value):
            yield value
        waiting += reversed(children)


def _sliced(node: Slice, value: Any) -> list[Any]:
    if not isinstance(value, list):
        raise FormatError(f"JSONPath: {_kind(value)} is no list", offset=0)
    length = len(value)
    start = node.start or 0
    start += length if start < 0 else 0
    stop = start + 1 if node.is_one else node.stop
    stop = length if stop is None else stop + (length if stop < 0 else 0)
    if start == stop:
        return []
    if not 0 <= start < length:
        raise FormatError(f"JSONPath: array index out of bounds: index {start}, length {length}", offset=0)
    if not 0 <= stop <= length:
        raise FormatError(f"JSONPath: array index out of bounds: index {stop - 1}, length {length}", offset=0)
    if start > stop:
        raise FormatError(f"JSONPath: starting index {start} is greater than ending index {stop}", offset=0)
    if node.step is not None and node.step <= 0:
        raise FormatError("JSONPath: step must be > 0", offset=0)
    return value[start : stop : node.step or 1]


def _fitting(node: Filter, value: Any) -> Iterator[Any]:
    if not isinstance(value, list):
        raise FormatError(f"JSONPath: {_kind(value)} is no list and cannot be filtered", offset=0)
    for each in value:
        if not node.operator:
            if _has(node.left, each):
                yield each
            continue
        lefts, rights = _walk(node.left, [each]), _walk(node.right, [each])
        if len(lefts) > 1 or len(rights) > 1:
            raise FormatError("JSONPath: can only compare one element at a time", offset=0)
        if lefts and rights and _compares(node.operator, lefts[0], rights[0]):
            yield each


def _has(path: Path, value: Any) -> bool:
    try:
        return bool(_walk(path, [value]))
    except FormatError:
        return False


def _compares(sign: str, left: Any, right: Any) -> bool:
    if type(left) is not type(right) or isinstance(left, dict | list) or left is None:
        raise FormatError(f"JSONPath: {_kind(left)} and {_kind(right)} cannot be compared", offset=0)
    if isinstance(left, bool) and sign not in ("==", "!="):
        raise FormatError("JSONPath: a boolean is neither less nor more", offset=0)
    return _COMPARE[sign](left, right)


def _kind(value: Any) -> str:
    names = {dict: "a map", list: "a list", str: "text", bool: "a boolean", int: "a whole number", float: "a number"}
    return names.get(type(value), "null")
