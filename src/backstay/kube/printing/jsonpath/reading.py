"""A JSONPath template read into its parts. What is no template raises `FormatError` with the place."""

from __future__ import annotations

import re

from backstay.errors import FormatError
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
from backstay.kube.printing.jsonpath.template import Template

_LONGEST = 100_000
_DEEPEST = 50
_KEY = re.compile(r"'([^']*)'")
_SLICE = re.compile(r"(-?\d*)(:-?\d*)?(:-?\d*)?", re.ASCII)
_COMPARISON = re.compile(r"([^!<>=]+)([!<>=]+)(.+)")
_NUMBER = re.compile(r"[+-]?[\d.]*", re.ASCII)
_FIELD = re.compile(r"(?:\\.|[^\s.,\[\]$@{}\\])*", re.DOTALL)
_WORD = re.compile(r"[^\s.,\[\]$@{}]+")
_RELAXED = re.compile(r"\{\.?([^{}]+)\}|\.?([^{}]+)")
_ESCAPES = {"n": "\n", "t": "\t", "r": "\r", "a": "\a", "b": "\b", "f": "\f", "v": "\v"}


def read_template(text: str) -> Template:
    """The template that `text` means."""
    if len(text) > _LONGEST:
        raise FormatError("the JSONPath template is too long", offset=_LONGEST)
    parts: list[Part] = []
    open_ranges: list[tuple[Path, list[Part]]] = []
    position = 0
    while position < len(text):
        end = text.find("{", position)
        if end != position:
            literal = text[position : end if end >= 0 else len(text)]
            parts.append(Path((Constant(literal),)))
            position += len(literal)
            continue
        action = _Action(text, position + 1, 0)
        path = action.read()
        position = action.position
        if action.word == "range":
            open_ranges.append((path, parts))
            parts = []
        elif action.word == "end":
            if not open_ranges:
                raise FormatError("JSONPath: not in range, nothing to end", offset=position)
            over, outer = open_ranges.pop()
            outer.append(Range(over, tuple(parts)))
            parts = outer
        else:
            parts.append(path)
    while open_ranges:
        # What follows a range without an end is done for each value, and once more for what is outside.
        over, outer = open_ranges.pop()
        parts = [*outer, Range(over, tuple(parts)), *parts]
    return Template(tuple(parts))


def relaxed(text: str) -> str:
    """A path as it may be written for columns and sorting (`x.y`, `.x.y`, `{.x.y}`) as a template."""
    found = _RELAXED.fullmatch(text)
    if found is None:
        raise FormatError(
            f"{text!r} is no path", offset=0, why="a path is written 'name1.name2', '.name1.name2' or '{.name1.name2}'"
        )
    return f"{{.{found[1] or found[2]}}}"


class _Action:
    """What stands between one pair of braces. `word` is `range` or `end` where it is one of those."""

    def __init__(self, text: str, position: int, depth: int) -> None:
        if depth > _DEEPEST:
            raise FormatError("JSONPath: nested too deeply", offset=position)
        self._text = text
        self._depth = depth
        self.position = position
        self.word = ""

    def read(self) -> Path:
        nodes: list[Node] = []
        while True:
            here = self._text[self.position : self.position + 1]
            if here == "}":
                self.position += 1
                return Path(tuple(nodes))
            if not here or here in "\r\n":
                raise self._problem("unclosed action")
            self._read_one(here, nodes)

    def _read_one(self, here: str, nodes: list[Node]) -> None:
        text, position = self._text, self.position
        if here in " @$":
            self.position += 1
        elif text.startswith("[?(", position):
            nodes.append(self._filter())
        elif text.startswith("..", position):
            if nodes and isinstance(nodes[-1], Recursive):
                raise self._problem("invalid multiple recursive descent")
            self.position += 2
            nodes.append(Recursive())
            after = text[self.position : self.position + 1]
            if after == "_" or after.isalnum():
                nodes.append(self._field())
        elif here == "[":
            nodes += self._array()
        elif here in "\"'":
            nodes.append(Constant(self._quoted(here)))
        elif here == ".":
            self.position += 1
            nodes.append(self._field())
        elif here in "+-" or here.isdecimal():
            nodes.append(self._number())
        elif here == "_" or here.isalpha():
            self._identifier(nodes)
        else:
            raise self._problem(f"unrecognized character {here!r}")

    def _field(self) -> Node:
        found = _FIELD.match(self._text, self.position)
        name = found[0] if found is not None else ""
        self.position += len(name)
        return Wildcard() if name == "*" else Field(name.replace("\\", ""))

    def _identifier(self, nodes: list[Node]) -> None:
        found = _WORD.match(self._text, self.position)
        word = found[0] if found is not None else ""
        if word in ("true", "false"):
            nodes.append(Constant(word == "true"))
        elif word in ("range", "end") and not self.word and self._depth == 0:
            self.word = word
        else:
            raise self._problem(f"unrecognized identifier {word}")
        self.position += len(word)

    def _number(self) -> Node:
        found = _NUMBER.match(self._text, self.position)
        digits = found[0] if found is not None else ""
        try:
            value = float(digits) if "." in digits else int(digits)
        except ValueError:
            raise self._problem(f"cannot parse number {digits[:40]}") from None
        self.position += len(digits)
        return Constant(value)

    def _quoted(self, quote: str) -> str:
        start = self.position + 1
        position = start
        while True:
            here = self._text[position : position + 1]
            if not here or here == "\n":
                raise self._problem("unterminated quoted string")
            if here == quote and (position == start or self._text[position - 1] != "\\"):
                break
            position += 1
        self.position = position + 1
        return self._unescaped(self._text[start:position])

    def _unescaped(self, text: str) -> str:
        if "\\" not in text:
            return text

        def meant(found: re.Match[str]) -> str:
            code = found[1] or found[2] or found[3]
            if code:
                number = int(code, 16)
                return chr(number) if number < 0x110000 and not 0xD800 <= number < 0xE000 else "\ufffd"
            letter = found[4]
            if letter in _ESCAPES:
                return _ESCAPES[letter]
            if letter in "\\\"'":
                return letter
            raise self._problem(f"unquote string: \\{letter} is no escape")

        return re.sub(r"\\(?:x([0-9a-fA-F]{2})|u([0-9a-fA-F]{4})|U([0-9a-fA-F]{8})|(.))", meant, text, flags=re.DOTALL)

    def _array(self) -> list[Node]:
        end = self._text.find("]", self.position)
        if end < 0 or "\n" in self._text[self.position : end]:
            raise self._problem("unterminated array")
        inside = self._text[self.position + 1 : end]
        self.position = end + 1
        if inside == "*":
            return [Slice(None, None, None, is_one=False)]
        several = inside.split(",")
        if len(several) > 1:
            return [Union(tuple(self._inner(f"[{each.strip(' ')}]") for each in several))]
        key = _KEY.fullmatch(inside)
        if key is not None:
            return list(self._inner(f".{key[1]}").nodes)
        return [self._slice(inside)]

    def _slice(self, inside: str) -> Slice:
        found = _SLICE.fullmatch(inside)
        if found is None:
            raise self._problem(f"invalid array index {inside[:40]}")
        start, stop, step = (self._index(each) for each in found.groups())
        if found[2] is None:
            return Slice(start or 0, None, step, is_one=True)
        return Slice(start, stop, step, is_one=False)

    def _index(self, digits: str | None) -> int | None:
        number = (digits or "").removeprefix(":")
        if not number:
            return None
        if number == "-" or len(number) > 18:
            raise self._problem(f"array index {number[:40]} is not a number")
        return int(number)

    def _filter(self) -> Filter:
        self.position += 3
        start, quote = self.position, ""
        while True:
            here = self._text[self.position : self.position + 1]
            if not here or here == "\n":
                raise self._problem("unterminated filter")
            if quote:
                if here == quote and self._text[self.position - 1] != "\\":
                    quote = ""
            elif here in "\"'":
                quote = here
            elif here == ")":
                break
            self.position += 1
        inside = self._text[start : self.position]
        if self._text[self.position + 1 : self.position + 2] != "]":
            raise self._problem("unclosed array expect ]")
        self.position += 2
        comparison = _COMPARISON.fullmatch(inside)
        if comparison is None:
            return Filter(self._inner(inside), "", Path(()))
        if comparison[2] not in ("<", ">", "==", "!=", "<=", ">="):
            raise self._problem(f"unrecognized filter operator {comparison[2]}")
        return Filter(self._inner(comparison[1]), comparison[2], self._inner(comparison[3]))

    def _inner(self, text: str) -> Path:
        action = _Action(text + "}", 0, self._depth + 1)
        path = action.read()
        if action.position <= len(text):
            raise self._problem(f"{text[:40]} holds a brace")
        return path

    def _problem(self, why: str) -> FormatError:
        return FormatError(f"JSONPath: {why}", offset=self.position)
