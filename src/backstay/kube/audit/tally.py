"""Many objects with the same trouble are one finding: how many, and the first few by name.

57 of secrets: kube-system/bootstrap-token-1, shop/database, shop/mail and 54 more
"""

from __future__ import annotations

from dataclasses import dataclass, field

_EXAMPLES = 3
_LONGEST = 300
"""A hostile object may call itself by a megabyte."""


@dataclass(slots=True)
class Tally:
    """The objects that one finding is about."""

    count: int = 0
    examples: list[str] = field(default_factory=list)

    def add(self, name: str) -> None:
        """Count one more."""
        self.count += 1
        if len(self.examples) < _EXAMPLES:
            self.examples.append(name if len(name) <= _LONGEST else f"{name[:_LONGEST]}...")

    def __str__(self) -> str:
        more = self.count - len(self.examples)
        return ", ".join(self.examples) + (f" and {more} more" if more else "")


class Tallies:
    """Tallies by subject, in the order in which subjects were met."""

    def __init__(self) -> None:
        self.by_subject: dict[str, Tally] = {}

    def add(self, subject: str, name: str) -> None:
        """Count `name` for `subject`."""
        self.by_subject.setdefault(subject, Tally()).add(name)

    def __bool__(self) -> bool:
        return bool(self.by_subject)
