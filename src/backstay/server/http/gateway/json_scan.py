"""JSON with the place of every value, refused in the words of Go's `encoding/json`.

    {"key": "YQ=="}  ->  Node(OBJECT, at 0, [(Node(STRING, at 1, "key"), Node(STRING, at 8, "YQ=="))])

Clients of etcd see these words, and the gateway's next step speaks of line and column. Numbers stay text: whether 1.0 is an
integer is for the field to say.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from enum import Enum, auto
from typing import NamedTuple

DEPTH_LIMIT = 128
"""Far deeper than any transaction, and no danger to the stack."""

_SPACE = b" \t\r\n"
_STRING_RUN = re.compile(rb'[^"\\\x00-\x1f]*')
_NUMBER = re.compile(rb"-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?")
_ESCAPES = {
    ord('"'): '"',
    ord("\\"): "\\",
    ord("/"): "/",
    ord("b"): "\b",
    ord("f"): "\f",
    ord("n"): "\n",
    ord("r"): "\r",
    ord("t"): "\t",
}
_HEX = frozenset(b"0123456789abcdefABCDEF")


class Kind(Enum):
    """What a value is."""

    OBJECT = auto()
    ARRAY = auto()
    STRING = auto()
    NUMBER = auto()
    BOOLEAN = auto()
    NULL = auto()


class Node(NamedTuple):
    """One value: where it begins, how it was written (an object or array by its first byte), and its content."""

    kind: Kind
    at: int
    raw: str
    text: str = ""
    """A string's content."""
    items: tuple[Node, ...] = ()
    """An array's elements."""
    members: tuple[tuple[Node, Node], ...] = ()
    """An object's names and values."""

    def strings(self) -> Iterator[Node]:
        """Every string in it, names included, in order."""
        if self.kind is Kind.STRING:
            yield self
        for item in self.items:
            yield from item.strings()
        for name, value in self.members:
            yield name
            yield from value.strings()


class JsonError(Exception):
    """Not JSON; the message is Go's."""


class EndOfInput(JsonError):
    """There is no value at all, only space."""


class Incomplete(JsonError):
    """The input ends within a value; with more of it there may be one."""

    def __init__(self) -> None:
        super().__init__("unexpected EOF")


def scan(data: bytes, start: int = 0) -> tuple[Node, int]:
    """The first value of `data` from `start` on, and where it ends; what follows is not looked at.

    Raises `EndOfInput`, `Incomplete`, or `JsonError` at the first byte that cannot be.
    """
    scanner = _Scanner(data, start)
    scanner.skip_space()
    if scanner.at >= len(data):
        raise EndOfInput
    node = scanner.value(0)
    return node, scanner.at


class _Scanner:
    def __init__(self, data: bytes, at: int) -> None:
        self.data = data
        self.at = at

    def skip_space(self) -> None:
        data, at = self.data, self.at
        while at < len(data) and data[at] in _SPACE:
            at += 1
        self.at = at

    def peek(self) -> int:
        if self.at >= len(self.data):
            raise Incomplete
        return self.data[self.at]

    def fail(self, context: str) -> JsonError:
        return JsonError(f"invalid character {_quoted(self.data[self.at])} {context}")

    def value(self, depth: int) -> Node:
        if depth > DEPTH_LIMIT:
            raise JsonError("exceeded max depth")
        byte = self.peek()
        if byte == 0x7B:
            return self.object(depth)
        if byte == 0x5B:
            return self.array(depth)
        if byte == 0x22:
            return self.string()
        if byte == 0x2D or 0x30 <= byte <= 0x39:
            return self.number()
        for word, kind in ((b"true", Kind.BOOLEAN), (b"false", Kind.BOOLEAN), (b"null", Kind.NULL)):
            if byte == word[0]:
                return self.literal(word, kind)
        raise self.fail("looking for beginning of value")

    def literal(self, word: bytes, kind: Kind) -> Node:
        start = self.at
        for offset, expected in enumerate(word):
            self.at = start + offset
            if self.peek() != expected:
                raise self.fail(f"in literal {word.decode()} (expecting {_quoted(expected)})")
        self.at = start + len(word)
        return Node(kind, start, word.decode())

    def number(self) -> Node:
        start = self.at
        found = _NUMBER.match(self.data, start)
        self.at = start if found is None else found.end()
        following = self.data[self.at : self.at + 1]
        if found is None:  # a minus alone
            self.at = start + 1
            self.peek()
            raise self.fail("in numeric literal")
        if following == b".":
            self.at += 1
            self.peek()
            raise self.fail("after decimal point in numeric literal")
        if following in (b"e", b"E"):
            self.at += 1
            if self.peek() in b"+-":
                self.at += 1
                self.peek()
            raise self.fail("in exponent of numeric literal")
        return Node(Kind.NUMBER, start, found.group().decode("ascii"))

    def string(self) -> Node:
        start = self.at
        parts: list[str] = []
        self.at += 1
        while True:
            run = _STRING_RUN.match(self.data, self.at)
            assert run is not None  # it matches nothing too
            parts.append(run.group().decode("utf-8", "replace"))
            self.at = run.end()
            byte = self.peek()
            if byte == 0x22:
                self.at += 1
                raw = self.data[start : self.at].decode("utf-8", "replace")
                return Node(Kind.STRING, start, raw, "".join(parts))
            if byte != 0x5C:
                raise self.fail("in string literal")
            self.at += 1
            parts.append(self.escape())

    def escape(self) -> str:
        byte = self.peek()
        if byte in _ESCAPES:
            self.at += 1
            return _ESCAPES[byte]
        if byte != 0x75:
            raise self.fail("in string escape code")
        code = self.hexadecimal()
        if 0xD800 <= code < 0xDC00 and self.data[self.at : self.at + 2] == b"\\u":
            before = self.at
            self.at += 1
            low = self.hexadecimal()
            if 0xDC00 <= low < 0xE000:
                return chr(0x10000 + (code - 0xD800 << 10) + (low - 0xDC00))
            self.at = before
        return "\ufffd" if 0xD800 <= code < 0xE000 else chr(code)

    def hexadecimal(self) -> int:
        self.at += 1
        start = self.at
        for _ in range(4):
            if self.peek() not in _HEX:
                raise self.fail("in \\u hexadecimal character escape")
            self.at += 1
        return int(self.data[start : self.at], 16)

    def array(self, depth: int) -> Node:
        start = self.at
        self.at += 1
        items: list[Node] = []
        self.skip_space()
        if self.peek() == 0x5D:
            self.at += 1
            return Node(Kind.ARRAY, start, "[")
        while True:
            self.skip_space()
            items.append(self.value(depth + 1))
            self.skip_space()
            byte = self.peek()
            if byte == 0x5D:
                self.at += 1
                return Node(Kind.ARRAY, start, "[", items=tuple(items))
            if byte != 0x2C:
                raise self.fail("after array element")
            self.at += 1

    def object(self, depth: int) -> Node:
        start = self.at
        self.at += 1
        members: list[tuple[Node, Node]] = []
        self.skip_space()
        if self.peek() == 0x7D:
            self.at += 1
            return Node(Kind.OBJECT, start, "{")
        while True:
            self.skip_space()
            if self.peek() != 0x22:
                raise self.fail("looking for beginning of object key string")
            name = self.string()
            self.skip_space()
            if self.peek() != 0x3A:
                raise self.fail("after object key")
            self.at += 1
            self.skip_space()
            members.append((name, self.value(depth + 1)))
            self.skip_space()
            byte = self.peek()
            if byte == 0x7D:
                self.at += 1
                return Node(Kind.OBJECT, start, "{", members=tuple(members))
            if byte != 0x2C:
                raise self.fail("after object key:value pair")
            self.at += 1


def _quoted(byte: int) -> str:
    if byte == 0x27:
        return "'\\''"
    if byte == 0x22:
        return "'\"'"
    special = {0x07: "\\a", 0x08: "\\b", 0x09: "\\t", 0x0A: "\\n", 0x0B: "\\v", 0x0C: "\\f", 0x0D: "\\r", 0x5C: "\\\\"}
    if byte in special:
        return f"'{special[byte]}'"
    if byte < 0x20 or byte == 0x7F:
        return f"'\\x{byte:02x}'"
    return f"'{chr(byte)}'"  # a byte is taken for the character of its number
