"""How a text is written in YAML: plain, quoted, or as a block of lines.

`kubectl` prints through a Go library that follows YAML 1.1 with exceptions of its own. A text stays plain only if it would
be read back as the same text; what could be taken for a number, a time, a boolean or nothing is quoted:

    nginx    "true"    "1e3"    "12:30:45"    'a: '    "tab\\t"    |-
                                                                    two
                                                                    lines

Which style is meant (`preferred`) and which is possible (`Possible`) are two questions, asked in that order.
"""

from __future__ import annotations

import calendar
import re
from enum import Enum
from typing import NamedTuple

_WORDS = frozenset(
    [
        "y", "Y", "yes", "Yes", "YES", "true", "True", "TRUE", "on", "On", "ON", "n", "N", "no", "No", "NO", "false",
        "False", "FALSE", "off", "Off", "OFF", "~", "null", "Null", "NULL", ".nan", ".NaN", ".NAN", ".inf", ".Inf",
        ".INF", "+.inf", "+.Inf", "+.INF", "-.inf", "-.Inf", "-.INF",
    ]
)  # fmt: skip
_INTEGER = re.compile(r"[-+]?(0[xX][0-9a-fA-F]+|0[bB][01]+|0[oO]?[0-7]+|0|[1-9][0-9]*)")
_FLOAT = re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?")
_DOT_FLOAT = re.compile(r"\.[0-9]+([eE][-+]?[0-9]+)?")
_BASE_60 = re.compile(r"[-+]?[0-9][0-9_]*(?::[0-5]?[0-9])+(?:\.[0-9_]*)?")
_TIME = re.compile(
    r"(\d{4})-(\d{1,2})-(\d{1,2})"
    r"(?:(?:([Tt])|( ))(\d{1,2}):(\d{1,2}):(\d{1,2})(?:[.,]\d+)?(Z|[-+](\d\d):(\d\d))?)?"
)
_BREAKS = frozenset("\r\n\x85\u2028\u2029")
_STARTS = frozenset("#,[]{}&*!|>'\"%@`")
_INSIDE = frozenset(",?[]{}")
_BYTE_ORDER_MARK = "\ufeff"
_ESCAPES = {
    "\0": "0", "\a": "a", "\b": "b", "\t": "t", "\n": "n", "\v": "v", "\f": "f", "\r": "r", "\x1b": "e",
    '"': '"', "\\": "\\", "\x85": "N", "\xa0": "_", "\u2028": "L", "\u2029": "P",
}  # fmt: skip


class Style(Enum):
    """The ways to write a text."""

    PLAIN = "plain"
    SINGLE = "single"
    DOUBLE = "double"
    LITERAL = "literal"


class Possible(NamedTuple):
    """What the characters of a text allow."""

    plain: bool
    single: bool
    block: bool
    multiline: bool


def is_break(character: str) -> bool:
    """Whether YAML 1.1 begins a new line there."""
    return character in _BREAKS


def choose(text: str, *, is_key: bool) -> Style:
    """The style of `text`; `is_key` for a key that stands on one line with its value."""
    possible = _possible(text)
    style = preferred(text)
    if is_key and possible.multiline:
        return Style.DOUBLE
    if style is Style.PLAIN and (not possible.plain or (not text and is_key)):
        style = Style.SINGLE
    if style is Style.SINGLE and not possible.single:
        style = Style.DOUBLE
    if style is Style.LITERAL and (not possible.block or is_key):
        style = Style.DOUBLE
    return style


def is_short_key(text: str) -> bool:
    """Whether `text` may stand before a colon; a longer one, or one with line breaks, is written behind a `?`."""
    return len(text.encode("utf-8", "replace")) <= 128 and not _possible(text).multiline


def preferred(text: str) -> Style:
    """The style by the meaning of `text` alone."""
    if "\n" in text:
        return Style.LITERAL
    return Style.DOUBLE if _has_other_meaning(text) else Style.PLAIN


def escaped(text: str) -> list[str]:
    """The characters of `text` as they stand between double quotes."""
    # The library looks for the mark at the start of the text only, and then takes every character for one.
    every = text.startswith(_BYTE_ORDER_MARK)
    return [_escape(each) if every or _needs_escape(each) else each for each in text]


def _needs_escape(character: str) -> bool:
    return not _is_printable(character) or character in _BREAKS or character in '"\\'


def _escape(character: str) -> str:
    short = _ESCAPES.get(character)
    if short is not None:
        return f"\\{short}"
    code = ord(character)
    if code <= 0xFF:
        return f"\\x{code:02X}"
    return f"\\u{code:04X}" if code <= 0xFFFF else f"\\U{code:08X}"


def _has_other_meaning(text: str) -> bool:
    """Whether `text`, written plain, would be read as something else than text."""
    if not text or text in _WORDS:
        return True
    first = text[0]
    if first == ".":
        return _DOT_FLOAT.fullmatch(text) is not None
    if not ("0" <= first <= "9" or first in "+-"):
        return False
    if _is_time(text) or _BASE_60.fullmatch(text):
        return True
    bare = text.replace("_", "")
    return _INTEGER.fullmatch(bare) is not None or _FLOAT.fullmatch(bare) is not None


def _is_time(text: str) -> bool:
    found = _TIME.fullmatch(text)
    if found is None or not text.isascii():
        return False
    year, month, day, letter, blank, hour, minute, second, zone, zone_hour, zone_minute = found.groups()
    if not 1 <= int(month) <= 12 or not 1 <= int(day) <= _days(int(year), int(month)):
        return False
    if hour is None:
        return True
    if int(hour) > 23 or int(minute) > 59 or int(second) > 59 or (letter is None) != (zone is None):
        return False
    return blank is not None or zone == "Z" or (int(zone_hour) <= 24 and int(zone_minute) < 60)


def _days(year: int, month: int) -> int:
    return calendar.monthrange(year or 2000, month)[1]


def _possible(text: str) -> Possible:
    """What libyaml's rules say about the characters of `text`, in a block context."""
    if not text:
        return Possible(plain=True, single=True, block=False, multiline=False)
    last = len(text) - 1
    plain = not text.startswith(("---", "..."))
    single = block = True
    multiline = False
    before, after_blank = "", True
    for index, character in enumerate(text):
        blank_next = index == last or text[index + 1] in " \t\0" or text[index + 1] in _BREAKS
        if (index == 0 and (character in _STARTS or (character in "?:-" and blank_next))) or (
            index and ((character == ":" and blank_next) or (character == "#" and after_blank))
        ):
            plain = False
        if not _is_printable(character):
            plain = single = block = False
        if character == " ":
            if index in (0, last):
                plain = False
            if index == last:
                block = False
            if before == "break":
                plain = single = False
            before = "space"
        elif character in _BREAKS:
            multiline, plain = True, False
            if before == "space":
                single = block = False
            before = "break"
        else:
            before = ""
        after_blank = character in " \t\0" or character in _BREAKS
    return Possible(plain=plain, single=single, block=block, multiline=multiline)


def _is_printable(character: str) -> bool:
    code = ord(character)
    if code < 0x7F:
        return code >= 0x20 or code == 0x0A
    return 0xA0 <= code <= 0xFFFD and not 0xD800 <= code <= 0xDFFF and code != 0xFEFF
