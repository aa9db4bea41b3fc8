"""JSON as `kubectl get -o json` prints it: keys sorted, four blanks, and the escapes and numbers of Go's encoder."""

from __future__ import annotations

import math
from json.encoder import encode_basestring
from typing import Any

# Go escapes the first five. Terminals obey the others, which JSON may hold bare.
_ESCAPES = {
    ord(each): f"\\u{ord(each):04x}" for each in ("<", ">", "&", "\u2028", "\u2029", *map(chr, range(0x7F, 0xA0)))
}
_INDENT = "    "


def json_of(value: Any) -> str:
    """`value`, which is plain JSON, over several lines, without the last line break."""
    return "".join(_write(value, "\n", _INDENT, ": ", []))


def compact_json(value: Any) -> str:
    """`value` on one line without blanks, as JSONPath templates print a map or a list."""
    return "".join(_write(value, "", "", ":", []))


def number_text(value: float) -> str:
    """A number as Go's JSON encoder writes it: `1`, `0.5`, `1e-7`, `1e+21`. What no int64 holds has become a float there.

    What is too large even for that, which no server accepts, is written as it is, or as `null` where it has become infinite.
    """
    if isinstance(value, int):
        if -(1 << 63) <= value < 1 << 63:
            return str(value)
        if value.bit_length() > 1023:
            return str(value)
        value = float(value)
    if not math.isfinite(value):
        return "null"
    if value == 0:
        return "-0" if str(value).startswith("-") else "0"
    sign, digits, exponent = _parts(value)
    if not -6 <= exponent < 21:
        return f"{sign}{digits[0]}{'.' if digits[1:] else ''}{digits[1:]}e{'-' if exponent < 0 else '+'}{abs(exponent)}"
    if exponent < 0:
        return f"{sign}0.{'0' * (-exponent - 1)}{digits}"
    whole = digits[: exponent + 1].ljust(exponent + 1, "0")
    return f"{sign}{whole}{'.' if digits[exponent + 1 :] else ''}{digits[exponent + 1 :]}"


def shortest_text(value: float) -> str:
    """A float as Go's `%g` writes it: with an exponent below 1e-4 and from a million on."""
    if value == 0:
        return number_text(value)
    sign, digits, exponent = _parts(value)
    if -4 <= exponent < 6:
        return number_text(value)
    return f"{sign}{digits[0]}{'.' if digits[1:] else ''}{digits[1:]}e{'-' if exponent < 0 else '+'}{abs(exponent):02d}"


def _parts(value: float) -> tuple[str, str, int]:
    """Sign, the shortest digits that mean `value`, and the exponent of the first of them."""
    mantissa, _, power = repr(abs(value)).partition("e")
    whole, _, fraction = mantissa.partition(".")
    exponent = int(power or 0) + len(whole) - 1
    digits = whole + fraction
    bare = digits.lstrip("0")
    return "-" if value < 0 else "", bare.rstrip("0") or "0", exponent - (len(digits) - len(bare))


def _write(value: Any, line: str, indent: str, colon: str, parts: list[str]) -> list[str]:
    """Append `value` to `parts`; `line` begins a line of what stands around it, and is empty where all is one line."""
    if isinstance(value, str):
        parts.append(_text(value))
    elif isinstance(value, dict) and value:
        inner, before = line + indent, "{"
        for name in sorted(value):
            parts += (before, inner, _text(name), colon)
            _write(value[name], inner, indent, colon, parts)
            before = ","
        parts += (line, "}")
    elif isinstance(value, list) and value:
        inner, before = line + indent, "["
        for each in value:
            parts += (before, inner)
            _write(each, inner, indent, colon, parts)
            before = ","
        parts += (line, "]")
    else:
        parts.append(_plain(value))
    return parts


def _plain(value: Any) -> str:
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int | float):
        return number_text(value)
    return "{}" if isinstance(value, dict) else "[]"


def _text(text: str) -> str:
    return encode_basestring(text).translate(_ESCAPES)
