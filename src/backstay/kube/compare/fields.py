"""The fields that differ between two objects, each with its path.

    spec.template.spec.containers[name=web].image        nginx:1 -> nginx:2
    metadata.annotations["example.com/owner"]            (missing) -> shop
    spec.rules[2].verbs                                  [get] -> [get, list]

A field that only one side has is one change, however much it holds. Lists of plain values are one change as a whole.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Mapping
from enum import Enum
from typing import Any, Final, NamedTuple

from backstay.kube.compare.merge_keys import SETS, by_names
from backstay.kube.compare.noise import Noise
from backstay.kube.compare.quantities import is_quantity_place, same_quantity
from backstay.kube.values import JsonObject

CHANGE_LIMIT = 10_000
"""Changes of one object that are told apart; objects of a hostile store may have any number."""

_WORD = re.compile(r"[A-Za-z_$][\w$-]*", re.ASCII)


class _Missing(Enum):
    MISSING = "missing"

    def __repr__(self) -> str:
        return "(missing)"


MISSING: Final = _Missing.MISSING
"""In place of a value: there is no such field."""


class FieldChange(NamedTuple):
    """One difference. `before` and `after` are JSON values, or `MISSING`."""

    path: str
    before: Any
    after: Any


def compare_objects(
    before: JsonObject | None, after: JsonObject | None, noise: Noise | None = None
) -> tuple[FieldChange, ...]:
    """What is different in `after`, in the order of fields. None stands for a value that is no object."""
    comparison = _Comparison(noise)
    comparison.values((), "", before, after)
    return tuple(comparison.found)


class _Comparison:
    def __init__(self, noise: Noise | None) -> None:
        self.found: list[FieldChange] = []
        self._noise = noise

    def values(self, path: tuple[str, ...], parent: str, before: Any, after: Any) -> None:
        """Compare two values; `path` is made of pieces that are joined only for what differs."""
        if len(self.found) >= CHANGE_LIMIT:
            return
        if isinstance(before, dict) and isinstance(after, dict):
            self._mappings(path, before, after)
        elif isinstance(before, list) and isinstance(after, list):
            self._lists(path, before, after)
        elif not _same(before, after) and not (
            is_quantity_place(parent, path[-1] if path else "") and same_quantity(before, after)
        ):
            self._note(path, before, after)

    def _mappings(self, path: tuple[str, ...], before: Mapping[str, Any], after: Mapping[str, Any]) -> None:
        if before == after and _exact(before, after):
            return
        parent = path[-1] if path else ""
        for name in [*before, *(name for name in after if name not in before)]:
            inner = (*path, name)
            if self._noise is not None and self._noise.leaves_out(inner):
                continue
            mine, other = before.get(name, MISSING), after.get(name, MISSING)
            if mine is MISSING or other is MISSING:
                self._note(inner, mine, other)
            else:
                self.values(inner, parent, mine, other)

    def _lists(self, path: tuple[str, ...], before: list[Any], after: list[Any]) -> None:
        if before == after and _exact(before, after):
            return
        field = next((piece for piece in reversed(path) if not piece.startswith("\0")), "")
        if _are_plain(before) and _are_plain(after):
            if field in SETS and {*map(str, before)} == {*map(str, after)}:
                return
            self._note(path, before, after)
            return
        named = by_names(field, before, after)
        if named is None:
            self._by_position(path, before, after)
            return
        fields, mine, other = named
        for name in [*mine, *(name for name in other if name not in mine)]:
            words = ",".join(f"{key}={value}" for key, value in zip(fields, name, strict=True) if value)
            inner = (*path, f"\0{words}")
            left, right = mine.get(name, MISSING), other.get(name, MISSING)
            if left is MISSING or right is MISSING:
                self._note(inner, left, right)
            else:
                self.values(inner, field, left, right)
        if mine.keys() == other.keys() and [*mine] != [*other]:
            self._note((*path, "\0order"), [",".join(name) for name in mine], [",".join(name) for name in other])

    def _by_position(self, path: tuple[str, ...], before: list[Any], after: list[Any]) -> None:
        """Elements that are the same on both sides are matched wherever they stand; the others are compared in order."""
        left, right = _unmatched(before, after)
        if not left and not right:
            self._note((*path, "\0order"), before, after)
            return
        if len(left) != len(right):
            for index in left:
                self._note((*path, f"\0{index}"), before[index], MISSING)
            for index in right:
                self._note((*path, f"\0{index}"), MISSING, after[index])
            return
        for index, other in zip(left, right, strict=True):
            self.values((*path, f"\0{index}"), "", before[index], after[other])
            if len(self.found) >= CHANGE_LIMIT:
                return

    def _note(self, path: tuple[str, ...], before: Any, after: Any) -> None:
        if len(self.found) < CHANGE_LIMIT:
            self.found.append(FieldChange(path_text(path), before, after))


def path_text(path: tuple[str, ...]) -> str:
    """A path as people write it; pieces that choose an element of a list begin with NUL."""
    text = ""
    for piece in path:
        if piece.startswith("\0"):
            text += f"[{piece[1:]}]"
        elif _WORD.fullmatch(piece):
            text += f".{piece}" if text else piece
        else:
            quoted = piece.replace("\\", "\\\\").replace('"', '\\"')
            text += f'["{quoted}"]'
    return text


def _same(before: Any, after: Any) -> bool:
    return bool(before == after) and isinstance(before, bool) == isinstance(after, bool)


def _exact(before: Any, after: Any) -> bool:
    """Whether two values that are equal to Python are equal in JSON too, where `true` is not 1."""
    if isinstance(before, dict):
        return all(_exact(value, after[name]) for name, value in before.items())
    if isinstance(before, list):
        return all(_exact(mine, other) for mine, other in zip(before, after, strict=True))
    return isinstance(before, bool) == isinstance(after, bool)


def _unmatched(before: list[Any], after: list[Any]) -> tuple[list[int], list[int]]:
    """The positions of the elements that the other list has not, as often as they are there."""
    mine, other = ([json.dumps(each, sort_keys=True) for each in side] for side in (before, after))
    return _left_over(mine, Counter(other)), _left_over(other, Counter(mine))


def _left_over(texts: list[str], matches: Counter[str]) -> list[int]:
    found = []
    for index, each in enumerate(texts):
        if matches[each] > 0:
            matches[each] -= 1
        else:
            found.append(index)
    return found


def _are_plain(elements: list[Any]) -> bool:
    return not any(isinstance(each, dict | list) for each in elements)
