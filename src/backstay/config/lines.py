"""On which line each key of a TOML text stands, which `tomllib` does not say.

A small scan over a text that `tomllib` has read without complaint: it knows headers, dotted keys, and enough of strings,
brackets and comments to find where a value ends. Elements of a list have lines of their own, under `element(index)`. What
is inside an inline table, or deeper in a list, has the line of what holds it.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from backstay.config.mistakes import KeyPath, element

_BLANK = re.compile(r"(?:[ \t\r\n]|#[^\n]*)*")
_PART = re.compile(r"""[ \t]*(?:"((?:[^"\\\n]|\\.)*)"|'([^'\n]*)'|([A-Za-z0-9_-]+))[ \t]*""")
_STRING = re.compile(
    r'"""(?:[^\\]|\\.)*?"""(?!")"{0,2}|' r"'''.*?'''(?!')'{0,2}|" r'"(?:[^"\\\n]|\\.)*"|' r"'[^'\n]*'", re.DOTALL
)
_PLAIN = re.compile(r"""[^"'\[\]{}#\n \t\r,]+""")
_ESCAPE = re.compile(r"\\(?:u([0-9a-fA-F]{4})|U([0-9a-fA-F]{8})|(.))")
_ESCAPED = {"b": "\b", "t": "\t", "n": "\n", "f": "\f", "r": "\r"}


def lines_of_keys(text: str) -> Mapping[KeyPath, int]:
    """The line of every key and header, the first one where tables are reopened; raises `ValueError` for other texts."""
    found: dict[KeyPath, int] = {}
    position, line = 0, 1
    table: KeyPath = ()
    while True:
        after = _after_blank(text, position)
        line += text.count("\n", position, after)
        position = after
        if position == len(text):
            return found
        if text[position] == "[":
            opening = 2 if text.startswith("[[", position) else 1
            table, position = _dotted(text, position + opening)
            position += opening
            _note(found, table, line)
        else:
            keys, position = _dotted(text, position)
            path = (*table, *keys)
            _note(found, path, line)
            end, elements = _end_of_value(text, position + 1)
            for index, start in enumerate(elements):
                line += text.count("\n", position, start)
                found[(*path, element(index))] = line
                position = start
            line += text.count("\n", position, end)
            position = end


def line_of(lines: Mapping[KeyPath, int], path: KeyPath) -> int:
    """The line of `path`, or of the nearest key around it."""
    for length in range(len(path), 0, -1):
        if (line := lines.get(path[:length])) is not None:
            return line
    return 1


def _note(found: dict[KeyPath, int], path: KeyPath, line: int) -> None:
    # A parent that has no header of its own begins where its first key stands.
    for length in range(1, len(path) + 1):
        found.setdefault(path[:length], line)


def _dotted(text: str, position: int) -> tuple[KeyPath, int]:
    parts: list[str] = []
    while True:
        part = _PART.match(text, position)
        if part is None:
            raise ValueError("no key where one should be")
        basic, literal, bare = part.groups()
        parts.append(_ESCAPE.sub(_unescaped, basic) if basic is not None else literal if literal is not None else bare)
        position = part.end()
        if not text.startswith(".", position):
            return tuple(parts), position
        position += 1


def _unescaped(found: re.Match[str]) -> str:
    if number := found[1] or found[2]:
        return chr(int(number, 16))
    return _ESCAPED.get(found[3], found[3])


def _after_blank(text: str, position: int) -> int:
    found = _BLANK.match(text, position)
    assert found is not None  # it matches the empty text too
    return found.end()


def _end_of_value(text: str, position: int) -> tuple[int, list[int]]:
    """The position of the line break behind the value, or of the end of the text; and where the elements of a list begin."""
    position = _after_blank(text, position)
    is_list = text.startswith("[", position)
    elements: list[int] = []
    depth, awaited = 0, False
    while position < len(text):
        character = text[position]
        if awaited and character not in " \t\r\n#,]":
            elements.append(position)
            awaited = False
        if character in "\"'":
            string = _STRING.match(text, position)
            if string is None:
                raise ValueError("a string without an end")
            position = string.end()
        elif character == "#":
            end = text.find("\n", position)
            position = len(text) if end < 0 else end
        elif character == "\n" and depth <= 0:
            return position, elements
        elif character in "[]{}\n \t\r,":
            depth += {"[": 1, "{": 1, "]": -1, "}": -1}.get(character, 0)
            if is_list and depth == 1 and character in "[,":
                awaited = True
            position += 1
        elif plain := _PLAIN.match(text, position):
            position = plain.end()
    return position, elements
