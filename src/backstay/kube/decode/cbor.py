"""CBOR (RFC 8949), as much of it as an API server writes: definite lengths, text, byte strings, maps, lists, numbers.

    first byte = major type << 5 | information; information 24, 25, 26, 27: the number is in the next 1, 2, 4, 8 bytes

    0 unsigned   1 negative (-1 - n)   2 byte string   3 text   4 list   5 map   6 tag   7 false true null floats

    d9 d9 f7  a1  44 6b 69 6e 64  45 4f 72 64 65 72        magic, {"kind": "Order"}

Go's strings are written as byte strings; bytes that are meant as bytes carry tag 22 and become base64. A whole float is
printed by Go without a fraction, so it becomes an integer here.
"""

from __future__ import annotations

import base64
import struct
from typing import Any

from backstay.errors import FormatError

MAX_DEPTH = 128
_BASE64_TAGS = {21: base64.urlsafe_b64encode, 22: base64.standard_b64encode}
_WHOLE_LIMIT = 1e21
"""From here on Go writes floats with an exponent."""

_SIMPLE = {20: False, 21: True, 22: None, 23: None}
_FLOATS = {25: struct.Struct(">e"), 26: struct.Struct(">f"), 27: struct.Struct(">d")}


def decode(data: bytes) -> Any:
    """The value in `data`, which begins with the magic or not. Raises `FormatError`."""
    reader = _Reader(data)
    value = reader.value(0)
    if reader.position != len(data):
        raise FormatError("bytes behind the end of the value", offset=reader.position)
    return value


class _Reader:
    """A position in the bytes. Every element takes a byte at least, so sizes that are claimed cost nothing."""

    def __init__(self, data: bytes) -> None:
        self.data = data
        self.position = 0

    def value(self, depth: int) -> Any:
        if depth > MAX_DEPTH:
            raise FormatError("CBOR is nested too deeply", offset=self.position)
        start = self.position
        first = self._take(1)[0]
        major, information = first >> 5, first & 31
        if major == 7:
            return self._simple(information, start)
        argument = self._argument(information, start)
        if major == 0:
            return argument
        if major == 1:
            return -1 - argument
        if major == 2 or major == 3:
            return self._take(argument).decode("utf-8", "replace")
        if major == 4:
            self._refuse_more_than_left(argument, start)
            return [self.value(depth + 1) for _ in range(argument)]
        if major == 5:
            self._refuse_more_than_left(argument * 2, start)
            return dict(self._pair(depth + 1) for _ in range(argument))
        return self._tagged(argument, depth)

    def _pair(self, depth: int) -> tuple[str, Any]:
        start = self.position
        name = self.value(depth)
        if not isinstance(name, str):
            raise FormatError("name in a map is no text", offset=start)
        return name, self.value(depth)

    def _tagged(self, tag: int, depth: int) -> Any:
        encode = _BASE64_TAGS.get(tag)
        if encode is None:
            return self.value(depth + 1)
        start = self.position
        first = self._take(1)[0]
        if first >> 5 != 2:
            raise FormatError(f"tag {tag} is on no byte string", offset=start)
        return encode(self._take(self._argument(first & 31, start))).decode("ascii")

    def _simple(self, information: int, start: int) -> Any:
        if information in _SIMPLE:
            return _SIMPLE[information]
        layout = _FLOATS.get(information)
        if layout is None:
            raise FormatError(f"simple value {information} is not used by Kubernetes", offset=start)
        number: float = layout.unpack(self._take(layout.size))[0]
        if number - number != 0:
            raise FormatError("number is not finite", offset=start)
        return int(number) if number.is_integer() and abs(number) < _WHOLE_LIMIT else number

    def _argument(self, information: int, start: int) -> int:
        if information < 24:
            return information
        if information > 27:
            raise FormatError("length is not definite", offset=start)
        return int.from_bytes(self._take(1 << information - 24), "big")

    def _take(self, size: int) -> bytes:
        end = self.position + size
        if end > len(self.data):
            raise FormatError("CBOR is cut off", offset=len(self.data))
        taken = self.data[self.position : end]
        self.position = end
        return taken

    def _refuse_more_than_left(self, elements: int, start: int) -> None:
        if elements > len(self.data) - self.position:
            raise FormatError("more elements than bytes", offset=start)
