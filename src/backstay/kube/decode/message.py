"""One typed protobuf message as the JSON object that an API server prints: the hot path of every look at objects.

It follows a `Plan`, field by field, and then adds what is printed without being stored. Hostile bytes cost what they
weigh: nesting and the number of messages are bounded, and damage raises `FormatError` with its offset.
"""

from __future__ import annotations

import struct
from typing import Any

from backstay.errors import FormatError
from backstay.formats import protowire
from backstay.formats.protowire import read_varint
from backstay.kube.decode.plan import Kind, Plan, Step
from backstay.kube.decode.special import signed32

MAX_DEPTH = 64
"""The deepest real object, a Pod's volumes, has nine levels; schemas of CRDs are JSON."""

MESSAGE_LIMIT = 100_000
"""Messages in one object: an empty one of two bytes may print hundreds."""

_DOUBLE = struct.Struct("<d")

# The kinds as plain integers: looked at several times per field.
_INT, _INT_IF_SET, _BOOL, _BOOL_IF_SET = map(int, (Kind.INT, Kind.INT_IF_SET, Kind.BOOL, Kind.BOOL_IF_SET))
_INT_LIST, _TEXT, _TEXT_IF_SET, _MESSAGE = map(int, (Kind.INT_LIST, Kind.TEXT, Kind.TEXT_IF_SET, Kind.MESSAGE))
_MESSAGE_LIST, _TEXT_LIST, _TEXT_MAP = map(int, (Kind.MESSAGE_LIST, Kind.TEXT_LIST, Kind.TEXT_MAP))
_VALUE, _VALUE_IF_SET, _VALUE_LIST = map(int, (Kind.VALUE, Kind.VALUE_IF_SET, Kind.VALUE_LIST))
_VALUE_MAP, _MESSAGE_MAP, _INLINE = map(int, (Kind.VALUE_MAP, Kind.MESSAGE_MAP, Kind.INLINE))
_MAPS = (_VALUE_MAP, _MESSAGE_MAP)
_MESSAGE_IF_SET, _DOUBLE_KIND = map(int, (Kind.MESSAGE_IF_SET, Kind.DOUBLE))


class MessageReader:
    """Reads the messages of one object; `notes` says what was met and not known."""

    def __init__(self) -> None:
        self.notes: dict[str, None] = {}
        self._left = MESSAGE_LIMIT

    def read(self, plan: Plan, data: bytes, start: int, end: int, depth: int = 0) -> Any:
        """The JSON object of the message in data[start:end]. Raises `FormatError`."""
        self._left -= 1
        if depth > MAX_DEPTH or self._left < 0:
            raise FormatError(
                "message is nested too deeply" if depth > MAX_DEPTH else "too many messages", offset=start
            )
        out = plan.template.copy()
        steps = plan.steps
        position = start
        try:
            while position < end:
                tag = data[position]
                position += 1
                if tag >= 0x80:  # two bytes are common, so they do not cost a call
                    more = data[position]
                    if more < 0x80:
                        tag, position = tag & 0x7F | more << 7, position + 1
                    else:
                        tag, position = read_varint(data, position - 1, end)
                step = steps.get(tag)
                if step is None:
                    position = self._skip(plan, tag, data, position, end)
                    continue
                kind, name, how = step
                if kind == _DOUBLE_KIND:
                    position = self._double(out, step, data, position, end)
                    continue
                size = data[position]
                position += 1
                if size >= 0x80:
                    more = data[position]
                    if more < 0x80:
                        size, position = size & 0x7F | more << 7, position + 1
                    else:
                        size, position = read_varint(data, position - 1, end)
                if kind < _TEXT:  # a varint, and `size` is its value
                    if kind >= _INT_LIST:
                        _list(out, name).append(_number(size, how))
                    elif kind >= _BOOL:
                        if size or kind == _BOOL:
                            out[name] = size != 0
                    elif size or kind == _INT:
                        out[name] = size if size < 0x80000000 else _number(size, how)
                    continue
                stop = position + size
                if stop > end:
                    raise FormatError(f"{plan.message}.{name} is longer than its message", offset=position)
                if kind <= _TEXT_IF_SET:
                    if size or kind == _TEXT:
                        try:
                            out[name] = data[position:stop].decode()
                        except UnicodeDecodeError:
                            out[name] = self._damaged_text(plan, name, data[position:stop])
                elif kind == _MESSAGE:
                    out[name] = self.read(how, data, position, stop, depth + 1)
                elif kind == _MESSAGE_LIST:
                    item = self.read(how, data, position, stop, depth + 1)
                    found = out.get(name)
                    if found is None:
                        out[name] = [item]
                    else:
                        found.append(item)
                elif kind == _TEXT_MAP:
                    self._text_entry(out, plan, name, data, position, stop)
                elif kind == _TEXT_LIST:
                    text = self._text(plan, name, data[position:stop])
                    found = out.get(name)
                    if found is None:
                        out[name] = [text]
                    else:
                        found.append(text)
                elif kind == _VALUE:
                    out[name] = how(data, position, stop)
                elif kind == _VALUE_IF_SET:
                    value = how(data, position, stop)
                    if value or (value == 0 and value is not False):
                        out[name] = value
                elif kind == _VALUE_LIST:
                    _list(out, name).append(how(data, position, stop))
                elif kind in _MAPS:
                    self._entry(out, plan, step, data, position, stop, depth)
                elif kind == _INLINE:
                    out.update(self.read(how, data, position, stop, depth + 1))
                elif kind == _MESSAGE_IF_SET:
                    if size:
                        out[name] = self.read(how, data, position, stop, depth + 1)
                else:
                    _list(out, name).extend(_packed(data, position, stop, how))
                position = stop
        except IndexError as problem:
            raise FormatError(f"{plan.message} is cut off", offset=end) from problem
        if position > end:
            raise FormatError(f"{plan.message} runs over its end", offset=end)
        for name, struct_plan, is_inline in plan.structs:
            if is_inline:
                for each, value in self.read(struct_plan, b"", 0, 0, depth + 1).items():
                    out.setdefault(each, value)
            elif name not in out:
                out[name] = self.read(struct_plan, b"", 0, 0, depth + 1)
        return out if plan.finish is None else plan.finish(out)

    def _skip(self, plan: Plan, tag: int, data: bytes, position: int, end: int) -> int:
        """The position behind a field that the plan does not have."""
        number, wire = tag >> 3, tag & 7
        if not number or number > 0x1FFFFFFF:
            raise FormatError("field number out of range", offset=position)
        if number in plan.numbers:
            raise FormatError(f"field {number} of {plan.message} has wire type {wire}", offset=position)
        self.note(f"field {number} of {plan.message} is not known")
        if wire == protowire.VARINT:
            return read_varint(data, position, end)[1]
        if wire == protowire.BYTES:
            size, position = read_varint(data, position, end)
        elif wire in (protowire.FIXED32, protowire.FIXED64):
            size = 4 if wire == protowire.FIXED32 else 8
        else:
            raise FormatError(f"wire type {wire} is not used by Kubernetes", offset=position)
        if size > end - position:
            raise FormatError("field is longer than its message", offset=position)
        return position + size

    def _entry(
        self, out: dict[str, Any], plan: Plan, step: Step, data: bytes, start: int, end: int, depth: int
    ) -> None:
        """One entry of a map: {1 key, 2 value}; what is missing is empty."""
        kind, name, how = step
        key, value_at = "", (0, 0)
        for number, at, stop in _places(data, start, end):
            if number == 1:
                key = self._text(plan, name, data[at:stop])
            elif number == 2:
                value_at = (at, stop)
        value = self.read(how, data, *value_at, depth + 1) if kind == _MESSAGE_MAP else how(data, *value_at)
        found = out.get(name)
        if found is None:
            out[name] = {key: value}
        else:
            found[key] = value

    def _text_entry(self, out: dict[str, Any], plan: Plan, name: str, data: bytes, start: int, end: int) -> None:
        key_end = start + 2 + data[start + 1] if end - start > 3 else end
        # The ordinary spelling, two short texts in their order, without a loop.
        if key_end + 1 < end and data[start] == 0x0A and data[start + 1] < 0x80 and data[key_end] == 0x12:
            value_start = key_end + 2
            if data[key_end + 1] < 0x80 and value_start + data[key_end + 1] == end:
                key = self._text(plan, name, data[start + 2 : key_end])
                value = self._text(plan, name, data[value_start:end])
                found = out.get(name)
                if found is None:
                    out[name] = {key: value}
                else:
                    found[key] = value
                return
        self._entry(out, plan, Step(Kind.VALUE_MAP, name, _plain_text), data, start, end, 0)

    def _text(self, plan: Plan, name: str, data: bytes) -> str:
        try:
            return data.decode()
        except UnicodeDecodeError:
            return self._damaged_text(plan, name, data)

    def _damaged_text(self, plan: Plan, name: str, data: bytes) -> str:
        self.note(f"{plan.message}.{name} is not UTF-8")
        return data.decode("utf-8", "replace")

    def _double(self, out: dict[str, Any], step: Step, data: bytes, start: int, end: int) -> int:
        """Take in the double at `start`; the position behind it."""
        if start + 8 > end:
            raise FormatError(f"{step.name} is cut off", offset=end)
        number: float = _DOUBLE.unpack_from(data, start)[0]
        if number - number != 0:
            raise FormatError(f"{step.name} is not finite", offset=start)
        if number or step.how:
            out[step.name] = int(number) if number.is_integer() and abs(number) < 1e21 else number
        return start + 8

    def note(self, text: str) -> None:
        """Remember `text` once; a hostile object could say endless different things."""
        if len(self.notes) < 100:
            self.notes[text] = None


def _list(out: dict[str, Any], name: str) -> list[Any]:
    """The list that a repeated field has so far, in place: copying it for each element would take for ever."""
    found: list[Any] | None = out.get(name)
    if found is None:
        found = out[name] = []
    return found


def _number(value: int, bits: int) -> int | bool:
    if bits == 64:
        return protowire.signed64(value)
    return signed32(value) if bits == 32 else value != 0


def _plain_text(data: bytes, start: int, end: int) -> str:
    return data[start:end].decode("utf-8", "replace")


def _packed(data: bytes, position: int, end: int, bits: int) -> list[int]:
    found = []
    while position < end:
        value, position = read_varint(data, position, end)
        found.append(_number(value, bits))
    return found


def _places(data: bytes, position: int, end: int) -> list[tuple[int, int, int]]:
    """(number, start, end) of the length-delimited fields of a map's entry."""
    found = []
    while position < end:
        tag, position = read_varint(data, position, end)
        if tag & 7 != protowire.BYTES:
            raise FormatError("entry of a map has another wire type", offset=position)
        size, position = read_varint(data, position, end)
        if size > end - position:
            raise FormatError("entry of a map is cut off", offset=position)
        found.append((tag >> 3, position, position + size))
        position += size
    return found
