"""Quantities (`500m`, `1Gi`, `1e3`) by value, and where in an object they stand.

    1Gi = 1024Mi = 1073741824          0.5 = 500m          1e3 = 1k

Text comes from a file that anybody may have written, so exponents and digits are bounded; what is no quantity is compared
as the text that it is.
"""

from __future__ import annotations

import re
from fractions import Fraction
from typing import Any

_TEXT = re.compile(r"([+-]?)(\d{1,40})?(?:\.(\d{0,40}))?(?:([numkMGTPE])|([KMGTPE]i)|[eE]([+-]?\d{1,2}))?", re.ASCII)
_DECIMAL = {"n": -9, "u": -6, "m": -3, "k": 3, "M": 6, "G": 9, "T": 12, "P": 15, "E": 18}
_BINARY = {"Ki": 10, "Mi": 20, "Gi": 30, "Ti": 40, "Pi": 50, "Ei": 60}

_MAPS = frozenset(
    (
        "limits", "requests", "capacity", "allocatable", "hard", "used", "min", "max", "default", "defaultRequest",
        "maxLimitRequestRatio", "overhead", "podFixed", "allocatedResources",
    )
)  # fmt: skip
"""Fields that map names of resources to quantities."""

_FIELDS = frozenset(
    ("sizeLimit", "averageValue", "divisor", "maximumVolumeSize", "targetAverageValue", "storage", "cpu", "memory")
)
"""Fields that are quantities themselves."""


def quantity(text: str) -> Fraction | None:
    """The value of a quantity; None for what is none."""
    found = _TEXT.fullmatch(text)
    if found is None:
        return None
    sign, whole, part, decimal, binary, exponent = found.groups()
    if not whole and not part:
        return None
    digits: Fraction = Fraction(int((whole or "") + (part or ""))) / 10 ** len(part or "")
    if decimal:
        digits *= Fraction(10) ** _DECIMAL[decimal]
    elif binary:
        digits *= 1 << _BINARY[binary]
    elif exponent:
        digits *= Fraction(10) ** int(exponent)
    value: Fraction = -digits if sign == "-" else digits
    return value


def is_quantity_place(parent: str, name: str) -> bool:
    """Whether the field `name` below `parent` holds a quantity in the objects of Kubernetes."""
    return parent in _MAPS or name in _FIELDS


def same_quantity(before: Any, after: Any) -> bool:
    """Whether two values are quantities of the same value, however they are written."""
    mine, other = (quantity(str(each)) if isinstance(each, str | int) else None for each in (before, after))
    return mine is not None and mine == other
