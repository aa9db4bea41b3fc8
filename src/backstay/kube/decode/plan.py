"""How to read one message as one release prints it: a table from wire tags to steps, made once per message.

A tag is `number << 3 | wire type`, so a field with another wire type than its own is not found and shows as damage. What
is printed although it is not stored (empty lists that are `null`, structs that are `{}`) is in `template` and `structs`.
"""

from __future__ import annotations

import base64
from collections.abc import Callable
from enum import IntEnum
from typing import Any, NamedTuple

from backstay.formats.protowire import BYTES, FIXED64, VARINT
from backstay.kube.decode.special import CONVERTED, text
from backstay.kube.release import Release
from backstay.kube.schema import Field, Table


class Kind(IntEnum):
    """What to do with a field; those below `TEXT` stand in a varint."""

    INT = 0
    INT_IF_SET = 1
    BOOL = 2
    BOOL_IF_SET = 3
    INT_LIST = 4
    TEXT = 5
    TEXT_IF_SET = 6
    MESSAGE = 7
    MESSAGE_LIST = 8
    TEXT_LIST = 9
    TEXT_MAP = 10
    VALUE = 11
    VALUE_IF_SET = 12
    VALUE_LIST = 13
    VALUE_MAP = 14
    MESSAGE_MAP = 15
    INLINE = 16
    MESSAGE_IF_SET = 17
    PACKED = 18
    DOUBLE = 19


class Step(NamedTuple):
    """What to do with one field: `how` is a plan's name, a conversion, or a number of bits, as `kind` wants."""

    kind: Kind
    name: str
    how: Any


def _schema_or_list(found: dict[str, Any]) -> Any:
    return found.get("jSONSchemas") or found.get("schema")


def _schema_or_bool(found: dict[str, Any]) -> Any:
    schema = found.get("schema")
    return schema if schema is not None else found.get("allows", False)


def _schema_or_texts(found: dict[str, Any]) -> Any:
    return found.get("property") or found.get("schema")


_EITHER_OR: dict[str, Callable[[dict[str, Any]], Any]] = {
    "JSONSchemaPropsOrArray": _schema_or_list,
    "JSONSchemaPropsOrBool": _schema_or_bool,
    "JSONSchemaPropsOrStringArray": _schema_or_texts,
}
"""Parts of a CRD's schema, which is protobuf only in stores that no API server wrote."""


class Plan:
    """The steps of one message."""

    __slots__ = ("finish", "message", "numbers", "steps", "structs", "template")

    def __init__(self, message: str) -> None:
        self.message = message
        self.steps: dict[int, Step] = {}
        self.numbers: frozenset[int] = frozenset()
        self.template: dict[str, Any] = {}
        """What an empty message prints, as far as it cannot be changed later."""
        self.structs: tuple[tuple[str, Plan, bool], ...] = ()
        """(name, plan, is inline) of messages that are printed even where they are not stored."""
        self.finish = _EITHER_OR.get(message.rpartition(".")[2])
        """For types that print one of their fields instead of an object."""


class Plans:
    """All plans for one release, made as they are asked for."""

    def __init__(self, table: Table, release: Release) -> None:
        self._table = table
        self.release = release
        self._made: dict[str, Plan | None] = {}

    def find(self, message: str) -> Plan | None:
        """The plan for `message`, None where the table does not have it."""
        if message not in self._made:
            self._make(message)
        return self._made[message]

    def _make(self, message: str) -> None:
        found = self._table.find(message)
        if found is None:
            self._made[message] = None
            return
        plan = self._made[message] = Plan(message)  # entered before its fields: types may hold themselves
        structs: list[tuple[str, Plan, bool]] = []
        fields = found.fields(self.release)
        for field in fields:
            self._add(plan, field, structs)
        plan.numbers = frozenset(field.number for field in fields)
        plan.structs = tuple(structs)

    def _add(self, plan: Plan, field: Field, structs: list[tuple[str, Plan, bool]]) -> None:
        number, name = field.number, field.json
        convert = _converter(field.type)
        inner = self.find(field.type) if convert is None and "." in field.type else None
        if field.is_map or field.is_repeated:
            if field.is_known and not field.omits_empty:
                plan.template[name] = None
            if field.is_map:
                plan.steps[number << 3 | BYTES] = _map_step(name, field.type, convert, inner)
            else:
                _add_list(plan, field, convert, inner)
            return
        if inner is not None:
            kind = Kind.INLINE if field.is_inline else Kind.MESSAGE
            if not field.is_known and not field.is_pointer and kind is Kind.MESSAGE:
                kind = Kind.MESSAGE_IF_SET
            plan.steps[number << 3 | BYTES] = Step(kind, name, inner)
            if field.is_known and not field.is_pointer:
                structs.append((name, inner, field.is_inline))
            elif field.is_known and not field.omits_empty:
                plan.template[name] = None
            return
        # A struct is never empty to Go's omitempty, and these are structs.
        is_struct = field.type in CONVERTED
        prints_absent = field.is_known and (
            (is_struct and not field.is_pointer and not field.omits_zero) or not field.omits_empty
        )
        if prints_absent:
            plan.template[name] = None if field.is_pointer else _absent(field.type, convert)
        keeps_zero = field.is_pointer or prints_absent
        wire, step = _single_step(name, field.type, convert, keeps_zero)
        plan.steps[number << 3 | wire] = step


def _converter(kind: str) -> Callable[[bytes, int, int], Any] | None:
    return _base64 if kind == "bytes" else CONVERTED.get(kind)


def _base64(data: bytes, start: int, end: int) -> str:
    return base64.standard_b64encode(data[start:end]).decode("ascii")


def _absent(kind: str, convert: Callable[[bytes, int, int], Any] | None) -> Any:
    """What a field of this type prints when it is not stored."""
    if kind == "string":
        return ""
    if kind == "bool":
        return False
    if kind == "bytes":
        return None
    return convert(b"", 0, 0) if convert is not None else 0


def _single_step(
    name: str, kind: str, convert: Callable[[bytes, int, int], Any] | None, keeps_zero: bool
) -> tuple[int, Step]:
    if convert is not None:
        return BYTES, Step(Kind.VALUE if keeps_zero else Kind.VALUE_IF_SET, name, convert)
    if kind == "string":
        return BYTES, Step(Kind.TEXT if keeps_zero else Kind.TEXT_IF_SET, name, None)
    if kind == "bool":
        return VARINT, Step(Kind.BOOL if keeps_zero else Kind.BOOL_IF_SET, name, None)
    if kind == "double":
        return FIXED64, Step(Kind.DOUBLE, name, keeps_zero)
    if kind in ("int32", "int64"):
        return VARINT, Step(Kind.INT if keeps_zero else Kind.INT_IF_SET, name, int(kind[3:]))
    # A message that the table lost: shown by number.
    return BYTES, Step(Kind.VALUE, name, _unknown)


def _add_list(plan: Plan, field: Field, convert: Callable[[bytes, int, int], Any] | None, inner: Plan | None) -> None:
    number, name = field.number, field.json
    if inner is not None:
        step = Step(Kind.MESSAGE_LIST, name, inner)
    elif convert is not None:
        step = Step(Kind.VALUE_LIST, name, convert)
    elif field.type == "string":
        step = Step(Kind.TEXT_LIST, name, None)
    elif field.type in ("int32", "int64", "bool"):
        bits = 1 if field.type == "bool" else int(field.type[3:])
        plan.steps[number << 3 | VARINT] = Step(Kind.INT_LIST, name, bits)
        step = Step(Kind.PACKED, name, bits)
    else:
        step = Step(Kind.VALUE_LIST, name, _unknown)
    plan.steps[number << 3 | BYTES] = step


def _map_step(name: str, kind: str, convert: Callable[[bytes, int, int], Any] | None, inner: Plan | None) -> Step:
    if inner is not None:
        return Step(Kind.MESSAGE_MAP, name, inner)
    if kind == "string":
        return Step(Kind.TEXT_MAP, name, text)
    return Step(Kind.VALUE_MAP, name, convert or _unknown)


def _unknown(data: bytes, start: int, end: int) -> Any:
    from backstay.kube.decode.generic import fields_by_number

    return fields_by_number(data, start, end)
