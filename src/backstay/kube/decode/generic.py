"""Protobuf without a table: fields by number, each as whatever its bytes look most like.

    {"1": {"1": "web", "3": "default"}, "2": "text", "3": 5, "7": ["a", "b"], "9": {"base64": "AAEC"}}

Bytes are a message where they parse as one whole and begin like one, else text where they are printable UTF-8, else
base64. That is a guess, which is why objects that are shown so carry a label.
"""

from __future__ import annotations

import base64
from typing import Any

from backstay.errors import FormatError
from backstay.formats import protowire

MAX_DEPTH = 24
FIELD_LIMIT = 50_000
"""Fields that are shown of one value; the rest is named and left out."""


def fields_by_number(data: bytes, start: int = 0, end: int | None = None) -> dict[str, Any]:
    """The fields in data[start:end] by number, repeated ones as lists. What follows damage is left out and labelled."""
    return _Reader().message(data[start:end], 0)


class _Reader:
    def __init__(self) -> None:
        self._left = FIELD_LIMIT

    def message(self, data: bytes, depth: int) -> dict[str, Any]:
        found: dict[str, Any] = {}
        repeated: set[str] = set()
        try:
            for number, _, value in protowire.read_fields(data):
                self._left -= 1
                if self._left < 0:
                    found["truncated"] = f"more than {FIELD_LIMIT} fields"
                    break
                name, shown = str(number), self._value(value, depth)
                if name not in found:
                    found[name] = shown
                elif name in repeated:
                    found[name].append(shown)
                else:
                    repeated.add(name)
                    found[name] = [found[name], shown]
        except FormatError as problem:
            found["damaged"] = f"{problem.what} at offset {problem.offset}"
        return found

    def _value(self, value: int | bytes, depth: int) -> Any:
        if isinstance(value, int):
            return protowire.signed64(value)
        if not value:
            return ""
        text = _text(value)
        if text is not None and not _begins_like_a_message(value):
            return text
        if depth < MAX_DEPTH and self._left > 0 and _parses(value):
            return self.message(value, depth + 1)
        return text if text is not None else {"base64": base64.standard_b64encode(value).decode("ascii")}


def _text(value: bytes) -> str | None:
    try:
        text = value.decode("utf-8")
    except UnicodeDecodeError:
        return None
    return text if all(each.isprintable() or each in "\n\r\t" for each in text) else None


def _begins_like_a_message(value: bytes) -> bool:
    """Whether `value` is text by accident: a newline is also the tag of field 1."""
    return value[0] == 0x0A and len(value) > 1 and value[1] < 0x20


def _parses(value: bytes) -> bool:
    """Whether `value` is one whole message, without nesting looked at."""
    try:
        for number, _, _ in protowire.read_fields(value):
            if number > 0xFFFF:
                return False
    except FormatError:
        return False
    return True
