"""JSON as the API server stores it, hostile included: exact integers, no surprises from Python's own leniency.

Python's reader takes NaN and lone surrogates, and gives up on numbers of thousands of digits with an error of its own.
"""

from __future__ import annotations

import json
import re
from typing import Any, NoReturn

from backstay.errors import FormatError

_SURROGATE = re.compile("[\ud800-\udfff]")

MAX_DEPTH = 200
"""Schemas of CRDs are the deepest real objects, with some dozens; whoever prints or compares an object may recurse."""


def decode(data: bytes) -> Any:
    """The JSON value in `data`; text that is not UTF-8 becomes U+FFFD. Raises `FormatError`."""
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError:
        text = data.decode("utf-8", "replace")
    try:
        value = json.loads(text, parse_constant=_refuse)
    except json.JSONDecodeError as problem:
        raise FormatError("JSON is malformed", offset=problem.pos, why=problem.msg) from problem
    except RecursionError as problem:
        raise FormatError("JSON is nested too deeply", offset=0) from problem
    except ValueError as problem:
        raise FormatError("JSON holds a number that is none", offset=0, why=str(problem)) from problem
    if text.count("{") + text.count("[") > MAX_DEPTH and _is_too_deep(value):
        raise FormatError("JSON is nested too deeply", offset=0, why=f"more than {MAX_DEPTH} levels")
    # Only an escape can bring half of a surrogate pair into valid UTF-8.
    return _without_surrogates(value) if "\\u" in text or "\\U" in text else value


def _is_too_deep(value: Any) -> bool:
    level = [value]
    for _ in range(MAX_DEPTH):
        below: list[Any] = []
        for each in level:
            if isinstance(each, dict):
                below += (inner for inner in each.values() if isinstance(inner, dict | list))
            elif isinstance(each, list):
                below += (inner for inner in each if isinstance(inner, dict | list))
        if not below:
            return False
        level = below
    return True


def _refuse(name: str) -> NoReturn:
    raise ValueError(name)


def _without_surrogates(value: Any) -> Any:
    """`value` with U+FFFD for every half of a pair, which no UTF-8 can hold. Depth is what `json` has accepted."""
    try:
        return _replaced(value)
    except RecursionError as problem:
        raise FormatError("JSON is nested too deeply", offset=0) from problem


def _replaced(value: Any) -> Any:
    if isinstance(value, str):
        return _SURROGATE.sub("\ufffd", value)
    if isinstance(value, list):
        return [_replaced(each) for each in value]
    if isinstance(value, dict):
        return {_replaced(name): _replaced(each) for name, each in value.items()}
    return value
