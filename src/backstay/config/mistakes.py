"""Mistakes in a configuration: each with its line, what is wrong, what was expected, and what to write instead."""

from __future__ import annotations

import difflib
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from itertools import islice

MOST_LISTED = 12
MOST_COMPARED = 1000
"""Words that are like another one are looked for among so many; more would take minutes in a file made for it."""

KeyPath = tuple[str, ...]
"""Where in the document: `("clusters", "eu", "tier")`."""


@dataclass(frozen=True, slots=True, order=True)
class Mistake:
    """One mistake. `line` counts from 1; `key` is dotted and empty where the text itself cannot be read."""

    line: int
    key: str
    problem: str
    expected: str
    suggestion: str

    def text(self, file: str) -> str:
        """One line for people, which editors can jump to."""
        subject = f"{self.key}: " if self.key else ""
        return f"{file}:{self.line}: {subject}{self.problem}; expected {self.expected}; {self.suggestion}"


class Wrong(Exception):
    """A value that cannot be what it should be; the reader of the document adds where it stands."""

    def __init__(self, problem: str, expected: str, suggestion: str) -> None:
        super().__init__(problem)
        self.problem = problem
        self.expected = expected
        self.suggestion = suggestion


class Wrongs(Exception):
    """Several elements of one list that cannot be what they should be, by their index."""

    def __init__(self, by_index: Mapping[int, Wrong]) -> None:
        super().__init__("several elements are wrong")
        self.by_index = by_index


def element(index: int) -> str:
    """The part of a key path that names an element of a list."""
    return f"[{index}]"


def nearest(word: str, known: Collection[str]) -> str:
    """The known word that was probably meant; empty where none is like it."""
    word, known = word.lower(), list(islice(known, MOST_COMPARED))
    begun = [each for each in known if len(word) >= 3 and each.startswith(word)]
    if len(begun) == 1:
        return begun[0]
    found = difflib.get_close_matches(word, known, n=3)
    swapped = [each for each in found if sorted(each) == sorted(word)]
    return next(iter([*swapped, *found]), "")


def one_of(known: Collection[str]) -> str:
    """The known words as an expectation."""
    if len(known) > MOST_LISTED:
        return f"one of {', '.join(islice(known, MOST_LISTED))} and {len(known) - MOST_LISTED} more"
    return "one of " + ", ".join(known) if known else "none at all"


def shown(value: object) -> str:
    """A value short enough for a message, on one line."""
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:57]}..."
