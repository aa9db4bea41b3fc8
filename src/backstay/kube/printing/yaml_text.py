"""YAML byte for byte as `kubectl get -o yaml` prints it.

`kubectl` makes YAML of the JSON: keys are sorted the natural way (`port-2` before `port-10`), lists stand at the column of
their key, long text is folded after column 80, and numbers are what Go makes of them.

    metadata:
      finalizers:
      - kubernetes
      name: web
"""

from __future__ import annotations

import functools
import re
from typing import Any

from backstay.kube.printing.json_text import number_text, shortest_text
from backstay.kube.printing.yaml_scalars import Style, choose, escaped, is_break, is_short_key

# The library reads the JSON as YAML, where a bare U+0085 ends a line, and lines between double quotes are folded.
_NEXT_LINES = re.compile(" *\x85(?: *\x85)* *")
_WIDTH = 80
_INDENT = 2


def yaml_of(value: Any) -> str:
    """`value`, which is plain JSON, as YAML with its last line break."""
    writer = _Writer()
    writer.document(value)
    return writer.text()


class _Writer:
    """The text so far, and where its end stands: the column, and whether nothing but blanks precede it."""

    def __init__(self) -> None:
        self._parts: list[str] = []
        self._column = 0
        self._after_blank = True
        self._only_indent = True

    def text(self) -> str:
        return "".join(self._parts)

    def document(self, value: Any) -> None:
        if _is_collection(value):
            self._collection(value, -_INDENT, in_mapping=False)
        else:
            self._leaf(value, 0)
        if self._column:
            self._break()

    def _collection(self, value: dict[str, Any] | list[Any], indent: int, *, in_mapping: bool) -> None:
        """Write a map or list that has something in it; `indent` is that of the collection around it.

        One call a level: what can be read as JSON is not too deep to be written.
        """
        is_mapping = isinstance(value, dict)
        # Below a key the dashes stand at the key's own column.
        if is_mapping or not in_mapping or self._only_indent:
            indent += _INDENT
        for key in sorted(value, key=_natural) if is_mapping else range(len(value)):
            self._start_line(indent)
            if isinstance(key, str):
                self._key(key, indent)
            else:
                self._indicator("-", keeps_indent=True)
            each = value[key]  # type: ignore[index]
            if _is_collection(each):
                self._collection(each, indent, in_mapping=is_mapping)
            else:
                self._leaf(each, indent)

    def _key(self, key: str, indent: int) -> None:
        if is_short_key(key):
            self._scalar(key, indent + _INDENT, is_key=True)
            self._put(":")
            self._after_blank = False
            return
        self._indicator("?", keeps_indent=True)
        self._scalar(key, indent + _INDENT)
        self._start_line(indent)
        self._indicator(":", keeps_indent=True)

    def _leaf(self, value: Any, indent: int) -> None:
        if isinstance(value, str):
            self._scalar(value, max(indent, 0) + _INDENT)
        elif isinstance(value, dict | list):
            self._indicator("{}" if isinstance(value, dict) else "[]")
        else:
            self._indicator(_literal(value))

    def _scalar(self, text: str, indent: int, *, is_key: bool = False) -> None:
        if "\x85" in text:
            text = _NEXT_LINES.sub(_folded, text)
        style = choose(text, is_key=is_key)
        if style is Style.LITERAL:
            self._literal(text, indent)
        elif style is Style.DOUBLE:
            self._double(text, indent, folds=not is_key)
        elif style is Style.SINGLE:
            self._single(text, indent, folds=not is_key)
        else:
            self._plain(text, indent, folds=not is_key)

    def _plain(self, text: str, indent: int, *, folds: bool) -> None:
        if not self._after_blank:
            self._put(" ")
        after_space = False
        for index, character in enumerate(text):
            is_space = character == " "
            if is_space and folds and not after_space and self._column > _WIDTH and text[index + 1 : index + 2] != " ":
                self._start_line(indent)
            else:
                self._put(character)
            after_space = is_space
        self._after_blank = self._only_indent = False

    def _single(self, text: str, indent: int, *, folds: bool) -> None:
        self._indicator("'")
        after_space = after_break = False
        last = len(text) - 1
        for index, character in enumerate(text):
            if character == " ":
                is_inside = 0 < index < last and text[index + 1] != " "
                if folds and not after_space and self._column > _WIDTH and is_inside:
                    self._start_line(indent)
                else:
                    self._put(" ")
                after_space = True
            elif is_break(character):
                if not after_break and character == "\n":
                    self._break()
                self._line_break(character)
                after_break = True
            else:
                if after_break:
                    self._start_line(indent)
                self._put("''" if character == "'" else character)
                self._only_indent = after_space = after_break = False
        self._put("'")
        self._after_blank = self._only_indent = False

    def _double(self, text: str, indent: int, *, folds: bool) -> None:
        self._indicator('"')
        after_space = False
        last = len(text) - 1
        for index, written in enumerate(escaped(text)):
            if written != " ":
                self._put(written)
                after_space = False
                continue
            if folds and not after_space and self._column > _WIDTH and 0 < index < last:
                self._start_line(indent)
                if text[index + 1] == " ":
                    self._put("\\")
            else:
                self._put(" ")
            after_space = True
        self._put('"')
        self._after_blank = self._only_indent = False

    def _literal(self, text: str, indent: int) -> None:
        self._indicator("|" + _hints(text))
        self._break()
        after_break = True
        for character in text:
            if is_break(character):
                self._line_break(character)
                after_break = True
                continue
            if after_break:
                self._start_line(indent)
            self._put(character)
            self._only_indent = after_break = False

    def _indicator(self, text: str, *, keeps_indent: bool = False) -> None:
        """Write a token, apart from what precedes it. Behind `-` and `?` a collection may begin on the same line."""
        if not self._after_blank:
            self._put(" ")
        self._put(text)
        self._after_blank = False
        self._only_indent = self._only_indent and keeps_indent

    def _start_line(self, indent: int) -> None:
        """Go to column `indent` of a new line; of this one, if nothing but blanks and dashes stand in it so far."""
        if not self._only_indent or self._column > indent or (self._column == indent and not self._after_blank):
            self._break()
        self._put(" " * (indent - self._column))
        self._after_blank = self._only_indent = True

    def _line_break(self, character: str) -> None:
        if character == "\n":
            self._break()
            return
        self._parts.append(character)
        self._column = 0
        self._only_indent = True

    def _break(self) -> None:
        self._parts.append("\n")
        self._column = 0
        self._after_blank = self._only_indent = True

    def _put(self, text: str) -> None:
        self._parts.append(text)
        self._column += len(text)


def _is_collection(value: Any) -> bool:
    return isinstance(value, dict | list) and bool(value)


def _folded(found: re.Match[str]) -> str:
    return "\n" * (found[0].count("\x85") - 1) or " "


def _hints(text: str) -> str:
    """What stands behind the `|`: the indent where the text begins with blanks, and what becomes of its last breaks."""
    indent = str(_INDENT) if text[0] == " " or is_break(text[0]) else ""
    if not is_break(text[-1]):
        return indent + "-"
    return indent + ("+" if len(text) == 1 or is_break(text[-2]) else "")


def _literal(value: Any) -> str:
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "true" if value else "false"
    text = number_text(value)
    if text == "null" or (isinstance(value, int) and value.bit_length() > 1023):
        return text
    if "." not in text and "e" not in text and -(1 << 63) <= int(text) < 1 << 64:
        return "0" if text == "-0" else text
    return shortest_text(float(text))


def _compare(left: str, right: str) -> int:
    """Digits count as numbers, and letters come after everything else."""
    for index, (one, other) in enumerate(zip(left, right, strict=False)):
        if one == other:
            continue
        if one.isalpha() or other.isalpha():
            if one.isalpha() and other.isalpha():
                return -1 if one < other else 1
            return -1 if other.isalpha() else 1
        first, first_end = _number(left, index)
        second, second_end = _number(right, index)
        if "0" in (one, other) and _follows_digit(left, index):
            # Within a longer number a zero is a digit like others: what counts is how many follow.
            first += 10 ** (first_end - index)
            second += 10 ** (second_end - index)
        for this, that in ((first, second), (first_end, second_end)):
            if this != that:
                return -1 if this < that else 1
        return -1 if one < other else 1
    return len(left) - len(right)


def _number(text: str, start: int) -> tuple[int, int]:
    end = start
    # Longer numbers than any key has would only cost time.
    while end < len(text) and text[end].isdecimal() and end - start < 400:
        end += 1
    return (int(text[start:end]) if end > start else 0), end


def _follows_digit(text: str, index: int) -> bool:
    index -= 1
    while index >= 0 and text[index].isdecimal():
        if text[index] != "0":
            return True
        index -= 1
    return False


_natural = functools.cmp_to_key(_compare)
