"""Messages to JSON and back, as etcd's gateway does it with Go's `protojson`.

    {"header":{"cluster_id":"14841639068965178418", "revision":"2"}, "kvs":[{"key":"YQ==", "version":"1"}]}

Out: names as in the .proto files, 64-bit integers as strings, bytes in base64, enumerations by name, nothing that is zero.
In: names in either spelling, numbers as numbers or strings, enumerations by name or number; unknown names are passed over.
The words of a refusal are Go's too, and the blank after a comma: clients have been seen to compare.
"""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Iterator
from typing import Any

from google.protobuf.descriptor import FieldDescriptor
from google.protobuf.message import Message

from backstay.server.http.gateway.json_scan import EndOfInput, Kind, Node, scan

_KINDS = {
    FieldDescriptor.TYPE_BOOL: "bool",
    FieldDescriptor.TYPE_BYTES: "bytes",
    FieldDescriptor.TYPE_ENUM: "enum",
    FieldDescriptor.TYPE_INT32: "int32",
    FieldDescriptor.TYPE_INT64: "int64",
    FieldDescriptor.TYPE_STRING: "string",
    FieldDescriptor.TYPE_UINT32: "uint32",
    FieldDescriptor.TYPE_UINT64: "uint64",
}
_RANGES = {
    "int32": (-(1 << 31), (1 << 31) - 1),
    "int64": (-(1 << 63), (1 << 63) - 1),
    "uint32": (0, (1 << 32) - 1),
    "uint64": (0, (1 << 64) - 1),
    "enum": (-(1 << 31), (1 << 31) - 1),
}
_QUOTED = frozenset({"int64", "uint64"})
_NUMBER = re.compile(r"(-?)(0|[1-9][0-9]*)(?:\.([0-9]+))?(?:[eE]([+-]?[0-9]+))?")
OWN_PACKAGE = "backstay."
"""Before the names of etcd's packages in our descriptors, so that other clients' can be loaded beside them."""
_LARGEST_EXPONENT = 40
_BASE64_LINE_ENDS = str.maketrans("", "", "\r\n")
_TO_STANDARD_ALPHABET = str.maketrans("-_", "+/")
_ESCAPED = re.compile(r'[\x00-\x1f"\\]')
_ESCAPES = {'"': '\\"', "\\": "\\\\", "\b": "\\b", "\f": "\\f", "\n": "\\n", "\r": "\\r", "\t": "\\t"}
_FOR_WEB_PAGES = {ord(each): f"\\u{ord(each):04x}" for each in "<>&\u2028\u2029"}


class MappingError(Exception):
    """JSON that is no such message; the message is Go's."""


# --- out ---


def encode(message: Message, separator: str = ", ") -> str:
    """A message as JSON on one line."""
    return "{" + separator.join(_members(message, separator)) + "}"


def encode_compact(message: Message) -> str:
    """The same without a blank, and safe within a web page: how streams carry messages."""
    return encode(message, ",").translate(_FOR_WEB_PAGES)


def quoted(text: str) -> str:
    """A string in JSON."""
    return '"' + _ESCAPED.sub(lambda found: _ESCAPES.get(found[0], f"\\u{ord(found[0]):04x}"), text) + '"'


def _members(message: Message, separator: str) -> Iterator[str]:
    for field, value in message.ListFields():
        if field.is_repeated:
            shown = "[" + separator.join(_value(field, each, separator) for each in value) + "]"
        else:
            shown = _value(field, value, separator)
        yield f'"{field.name}":{shown}'


def _value(field: FieldDescriptor, value: Any, separator: str) -> str:
    if field.message_type is not None:
        return encode(value, separator)
    if field.enum_type is not None:
        named = field.enum_type.values_by_number.get(value)
        return f'"{named.name}"' if named is not None else str(value)
    kind = _KINDS[field.type]
    if kind == "bytes":
        return f'"{base64.b64encode(value).decode("ascii")}"'
    if kind == "string":
        return quoted(value)
    if kind == "bool":
        return "true" if value else "false"
    return f'"{value}"' if kind in _QUOTED else str(value)


# --- in ---


def decode(data: bytes, message: Message) -> None:
    """Fill `message` from the first JSON value in `data`; nothing but space is an empty message.

    Raises `json_scan.JsonError` or `MappingError`.
    """
    try:
        node, _ = scan(data)
    except EndOfInput:
        return
    fill(data, node, message)


def fill(data: bytes, node: Node, message: Message) -> None:
    """Fill `message` from an object of `data`. Raises `MappingError`."""
    filler = _Filler(data, node.at)
    filler.check_text(node)
    filler.message(node, message)


class _Filler:
    def __init__(self, data: bytes, start: int) -> None:
        self._data = data
        self._start = start

    def message(self, node: Node, message: Message) -> None:
        if node.kind is not Kind.OBJECT:
            raise self._unexpected(node)
        seen: set[int] = set()
        chosen: set[str] = set()
        for name, value in node.members:
            field = _find(message.DESCRIPTOR, name.text)
            if field is None:
                continue
            if field.number in seen:
                raise self._error(name, f"duplicate field {name.raw}")
            seen.add(field.number)
            if value.kind is Kind.NULL:
                continue
            if field.is_repeated:
                self._list(value, field, getattr(message, field.name))
                continue
            choice = field.containing_oneof
            if choice is not None:
                if choice.full_name in chosen:
                    said = choice.full_name.removeprefix(OWN_PACKAGE)
                    raise self._error(name, f"error parsing {name.raw}, oneof {said} is already set")
                chosen.add(choice.full_name)
            if field.message_type is not None:
                inner = getattr(message, field.name)
                inner.SetInParent()
                self.message(value, inner)
            elif (read := self._scalar(value, field)) is not None:
                setattr(message, field.name, read)

    def check_text(self, node: Node) -> None:
        """Refuse the first string that is not UTF-8."""
        try:
            self._data.decode()
        except UnicodeDecodeError as problem:
            strings = [each for each in node.strings() if each.at <= problem.start]
            if strings:
                place = self._place(max(strings, key=lambda each: each.at))
                raise MappingError(f"proto:\u00a0syntax error {place}: invalid UTF-8 in string") from problem

    def _list(self, node: Node, field: FieldDescriptor, target: Any) -> None:
        if node.kind is not Kind.ARRAY:
            raise self._unexpected(node)
        for item in node.items:
            if field.message_type is not None:
                self.message(item, target.add())
            elif (read := self._scalar(item, field)) is not None:
                target.append(read)

    def _scalar(self, node: Node, field: FieldDescriptor) -> Any:
        """The value; None for the name of an enumeration's value that is not known, which is passed over."""
        kind = _KINDS[field.type]
        if kind == "bool":
            if node.kind is Kind.BOOLEAN:
                return node.raw == "true"
        elif kind == "string":
            if node.kind is Kind.STRING:
                return node.text
        elif kind == "bytes":
            if node.kind is Kind.STRING and (read := from_base64(node.text)) is not None:
                return read
        elif kind == "enum" and node.kind is Kind.STRING:
            assert field.enum_type is not None
            named = field.enum_type.values_by_name.get(node.text)
            return None if named is None else named.number
        elif (number := _integer(node, kind)) is not None:
            return number
        raise self._error(node, f"invalid value for {kind} field {field.json_name}: {node.raw}")

    def _place(self, node: Node) -> str:
        before = self._data[self._start : node.at]
        line = before.count(b"\n") + 1
        column = len(before[before.rfind(b"\n") + 1 :].decode("utf-8", "replace")) + 1
        return f"(line {line}:{column})"

    def _error(self, node: Node, what: str) -> MappingError:
        return MappingError(f"proto:\u00a0{self._place(node)}: {what}")

    def _unexpected(self, node: Node) -> MappingError:
        return MappingError(f"proto:\u00a0syntax error {self._place(node)}: unexpected token {node.raw}")


def _find(descriptor: Any, name: str) -> FieldDescriptor | None:
    found: FieldDescriptor | None = descriptor.fields_by_camelcase_name.get(name) or descriptor.fields_by_name.get(name)
    return found


def from_base64(text: str) -> bytes | None:
    """Bytes of base64, in either alphabet, with or without padding; None when it is none."""
    if "-" in text or "_" in text:
        if "+" in text or "/" in text:
            return None
        text = text.translate(_TO_STANDARD_ALPHABET)
    padded = len(text) % 4 == 0
    text = text.translate(_BASE64_LINE_ENDS)
    if not padded:
        if "=" in text or len(text) % 4 == 1:
            return None
        text += "=" * (-len(text) % 4)
    try:
        return base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        return None


def _integer(node: Node, kind: str) -> int | None:
    """An integer of JSON, as a number or as a string that holds one; None when it is none or out of range."""
    written = node.raw if node.kind is Kind.NUMBER else node.text if node.kind is Kind.STRING else ""
    if node.kind is Kind.STRING and kind == "enum":
        return None
    found = _NUMBER.fullmatch(written)
    if found is None:
        return None
    sign, whole, fraction, exponent = found.groups(default="")
    shift = int(exponent or "0") if len(exponent) <= 3 else _LARGEST_EXPONENT + 1
    digits = whole + fraction
    places = len(fraction) - shift
    if not digits.strip("0"):
        value = 0
    elif abs(shift) > _LARGEST_EXPONENT or len(digits) > 2 * _LARGEST_EXPONENT:
        return None
    elif places <= 0:
        value = int(digits + "0" * -places)
    else:
        kept, dropped = digits[:-places] or "0", digits[-places:]
        if dropped.strip("0"):
            return None
        value = int(kept)
    value = -value if sign else value
    low, high = _RANGES[kind]
    if not low <= value <= high or (sign and low == 0):
        return None
    return value
