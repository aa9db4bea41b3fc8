"""`--sort-by`: the order of objects by what stands at a path; numbers as numbers, quantities by their size."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

from backstay.kube.printing.jsonpath import read_template, relaxed, value_text

_QUANTITY = re.compile(r"([-+]?\d+(?:\.\d+)?)(m|k|M|G|T|P|E|Ki|Mi|Gi|Ti|Pi|Ei|)", re.ASCII)
_FACTORS = {
    "m": 1e-3, "": 1, "k": 1e3, "M": 1e6, "G": 1e9, "T": 1e12, "P": 1e15, "E": 1e18,
    "Ki": 2**10, "Mi": 2**20, "Gi": 2**30, "Ti": 2**40, "Pi": 2**50, "Ei": 2**60,
}  # fmt: skip


def sorting_key(path: str) -> Callable[[Any], tuple[int, float, str]]:
    """A key for `sorted` over the JSON of objects: what has nothing at `path` comes first.

    Raises `FormatError` for what is no path.
    """
    template = read_template(relaxed(path))

    def key(item: Any) -> tuple[int, float, str]:
        found = template.find(item)
        value = found[0][0] if found and found[0] else None
        if value is None:
            return 0, 0, ""
        if isinstance(value, int | float):
            return 1, float(value), ""
        text = value_text(value)
        quantity = _QUANTITY.fullmatch(text)
        return (1, float(quantity[1]) * _FACTORS[quantity[2]], "") if quantity else (2, 0, text)

    return key
