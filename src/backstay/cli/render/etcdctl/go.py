"""How Go writes values, where etcdctl's output shows it: quoted text, numbers, durations, and JSON of messages.

Pure. `text_of` carries bytes that are no UTF-8 as surrogates; `bytes_of` brings them back.
"""

from __future__ import annotations

import base64
import re
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:  # whoever has a message has imported it
    from google.protobuf.message import Message

_ESCAPES = {
    "\a": "\\a", "\b": "\\b", "\f": "\\f", "\n": "\\n", "\r": "\\r", "\t": "\\t", "\v": "\\v", '"': '\\"', "\\": "\\\\",
}  # fmt: skip
_UNESCAPES = {escape[1]: plain for plain, escape in _ESCAPES.items()}
_ESCAPED = re.compile(r"\\(?:x([0-9a-fA-F]{2})|u([0-9a-fA-F]{4})|U([0-9a-fA-F]{8})|([0-7]{3})|(.))|(.)", re.DOTALL)
_BASES = {0: r"0[xX][0-9a-fA-F]+|0[bB][01]+|0[oO]?[0-7]+|0|[1-9]\d*", 10: r"\d+", 16: r"[0-9a-fA-F]+"}
_LAST_CHARACTER = 0x10FFFF


def text_of(data: bytes) -> str:
    """`data` as text, with surrogates for what is no UTF-8."""
    return data.decode("utf-8", "surrogateescape")


def bytes_of(text: str) -> bytes:
    """The bytes of a text that `text_of` made, or that came from the command line."""
    return text.encode("utf-8", "surrogateescape")


def quoted(value: bytes | str) -> str:
    """`value` as Go's `%q`."""
    text = text_of(value) if isinstance(value, bytes) else value
    return '"' + "".join(_quoted_character(character) for character in text) + '"'


def _quoted_character(character: str) -> str:
    if character in _ESCAPES:
        return _ESCAPES[character]
    if character.isprintable():
        return character
    number = ord(character)
    if 0xDC80 <= number <= 0xDCFF:  # a byte that is no text
        return f"\\x{number - 0xDC00:02x}"
    if number < 0x80:
        return f"\\x{number:02x}"
    return f"\\u{number:04x}" if number < 0x10000 else f"\\U{number:08x}"


def unquoted(text: str) -> bytes:
    """What stands in a quoted text, `"..."` or between backquotes; raises ValueError for a broken one."""
    if len(text) >= 2 and text[0] == text[-1] == "`" and "`" not in text[1:-1]:
        return bytes_of(text[1:-1])
    if len(text) < 2 or text[0] != '"' or text[-1] != '"':
        raise ValueError("invalid syntax")
    data = bytearray()
    for byte, short, long, octal, escape, plain in _ESCAPED.findall(text[1:-1]):
        if plain:
            if plain in '"\n\\':
                raise ValueError("invalid syntax")
            data += bytes_of(plain)
        elif escape:
            if escape not in _UNESCAPES:
                raise ValueError("invalid syntax")
            data += _UNESCAPES[escape].encode()
        elif short or long:
            number = int(short or long, 16)
            if number > _LAST_CHARACTER or 0xD800 <= number < 0xE000:
                raise ValueError("invalid syntax")
            data += chr(number).encode()
        else:
            number = int(byte, 16) if byte else int(octal, 8)
            if number > 0xFF:
                raise ValueError("invalid syntax")
            data.append(number)
    return bytes(data)


def truth(value: bool) -> str:
    """`value` as Go prints a boolean."""
    return "true" if value else "false"


def integer(text: str, base: int = 10) -> int:
    """A signed number of 64 bits as `strconv.ParseInt` reads it; base 0 is what flags take. Raises ValueError in Go's words."""
    return _number("ParseInt", text, base, -(1 << 63), (1 << 63) - 1, sign="[+-]?")


def unsigned(text: str, base: int = 10) -> int:
    """An unsigned number of 64 bits as `strconv.ParseUint` reads it; raises ValueError in Go's words."""
    return _number("ParseUint", text, base, 0, (1 << 64) - 1, sign="")


def _number(function: str, text: str, base: int, lowest: int, highest: int, *, sign: str) -> int:
    if not re.fullmatch(f"{sign}(?:{_BASES[base]})", text, re.ASCII):
        raise ValueError(f"strconv.{function}: parsing {quoted(text)}: invalid syntax")
    if base == 0:  # a leading zero alone makes octal in Go, and an error in Python
        text = re.sub(r"^([+-]?)0(?=[0-7]+$)", r"\g<1>0o", text)
    number = int(text, base)
    if not lowest <= number <= highest:
        raise ValueError(f"strconv.{function}: parsing {quoted(text)}: value out of range")
    return number


def duration(seconds: float) -> str:
    """`seconds` as Go prints a duration: `2.951026ms`, `1.5s`, `1m3s`."""
    nanoseconds = round(seconds * 1e9)
    if nanoseconds == 0:
        return "0s"
    for unit, size in (("ns", 1), ("µs", 1_000), ("ms", 1_000_000)):
        if nanoseconds < size * 1000:
            return f"{_decimal(nanoseconds, size)}{unit}"
    minutes, rest = divmod(nanoseconds, 60 * 10**9)
    hours, minutes = divmod(minutes, 60)
    text = f"{hours}h{minutes}m" if hours else f"{minutes}m" if minutes else ""
    return f"{text}{_decimal(rest, 10**9)}s"


def _decimal(amount: int, size: int) -> str:
    whole, fraction = divmod(amount, size)
    digits = f"{fraction:0{len(str(size)) - 1}d}".rstrip("0") if fraction else ""
    return f"{whole}.{digits}" if digits else str(whole)


def json_of(message: Message) -> dict[str, Any]:
    """`message` as `encoding/json` sees the struct that Go generates for it: what is zero is left out, bytes are base64."""
    plain: dict[str, Any] = {}
    for field in message.DESCRIPTOR.fields:
        value = getattr(message, field.name)
        if field.is_repeated:
            if value:
                one = json_of if field.message_type is not None else _json_value
                plain[field.name] = [one(each) for each in value]
        elif field.message_type is not None:
            if message.HasField(field.name):
                plain[field.name] = json_of(value)
        elif value:
            plain[field.name] = _json_value(value)
    return plain


def _json_value(value: Any) -> Any:
    if isinstance(value, bytes):
        return base64.b64encode(value).decode()
    return value
