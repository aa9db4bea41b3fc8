"""Messages as tables: one frozen class per message, its fields beside it, one encoder and one decoder for all.

Used by the modules of this package only. The encoder writes what etcd's generated code writes: fields in ascending
order, zero scalars left out (proto3), members of a oneof and messages written whenever they are set, even when empty.
"""

from __future__ import annotations

from enum import Enum, auto
from typing import Any, ClassVar, NamedTuple, TypeVar

from backstay.errors import FormatError
from backstay.formats import protowire

MAX_DEPTH = 260
"""Transactions inside operations inside transactions; the default limit of 128 operations keeps every etcd below it."""


class Kind(Enum):
    """How a field's value is written."""

    BYTES = auto()
    TEXT = auto()
    SIGNED = auto()
    UNSIGNED = auto()
    FLAG = auto()
    MESSAGE = auto()


class Field(NamedTuple):
    """One field of a message. An `optional` one is None when unset and written when set, whatever its value."""

    number: int
    name: str
    kind: Kind
    message: type[Message] | None = None
    repeated: bool = False
    optional: bool = False


class Message:
    """The base of every message; subclasses are frozen dataclasses."""

    __slots__ = ()
    FIELDS: ClassVar[tuple[Field, ...]] = ()
    """In ascending order of numbers."""


AnyMessage = TypeVar("AnyMessage", bound=Message)


def encode(message: Message) -> bytes:
    """`message` as etcd writes it."""
    parts: list[bytes] = []
    for field in message.FIELDS:
        value = getattr(message, field.name)
        if field.repeated:
            for each in value:
                parts.append(_encode_value(field, each))  # no generator: it would be one more frame at each depth
        elif value is not None and (value or field.optional):
            parts.append(_encode_value(field, value))
    return b"".join(parts)


def _encode_value(field: Field, value: Any) -> bytes:
    if field.kind is Kind.BYTES:
        return protowire.bytes_field(field.number, value)
    if field.kind is Kind.TEXT:
        return protowire.bytes_field(field.number, value.encode())
    if field.kind is Kind.MESSAGE:
        return protowire.bytes_field(field.number, encode(value))
    return protowire.int_field(field.number, int(value))


def decode(kind: type[AnyMessage], data: bytes, depth: int = 0) -> AnyMessage:
    """The message of class `kind` in `data`; unknown fields are ignored, as everywhere in etcd. Raises `FormatError`."""
    if depth > MAX_DEPTH:
        raise FormatError(f"messages are nested more than {MAX_DEPTH} deep", offset=0)
    known = {field.number: field for field in kind.FIELDS}
    values: dict[str, Any] = {}
    for number, wire_type, content in protowire.read_fields(data):
        field = known.get(number)
        if field is None:
            continue
        value = _decode_value(kind, field, wire_type, content, depth)
        if field.repeated:
            values.setdefault(field.name, []).append(value)
        else:
            values[field.name] = value
    for field in kind.FIELDS:
        if field.repeated and field.name in values:
            values[field.name] = tuple(values[field.name])
    return kind(**values)


def _decode_value(kind: type[Message], field: Field, wire_type: int, content: int | bytes, depth: int) -> Any:
    is_number = field.kind in (Kind.SIGNED, Kind.UNSIGNED, Kind.FLAG)
    if wire_type != (protowire.VARINT if is_number else protowire.BYTES):
        raise FormatError(f"{kind.__name__}.{field.name} has wire type {wire_type}", offset=0)
    if isinstance(content, int):
        if field.kind is Kind.FLAG:
            return bool(content)
        return protowire.signed64(content) if field.kind is Kind.SIGNED else content
    if field.kind is Kind.TEXT:
        try:
            return content.decode()
        except UnicodeDecodeError:
            raise FormatError(f"{kind.__name__}.{field.name} is not UTF-8", offset=0) from None
    if field.message is not None:
        return decode(field.message, content, depth + 1)
    return content
