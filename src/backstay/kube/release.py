"""A release of Kubernetes, to render as: what a server prints depends on the fields that its release knows.

    1.34, v1.34.4, 1.34.4+k3s1 -> Release(1, 34)

Only the minor release matters: patch releases neither add fields nor change how they are printed.
"""

from __future__ import annotations

import re
from typing import NamedTuple

from backstay import errors

_TEXT = re.compile(r"v?(\d{1,3})\.(\d{1,4})(?:[.+-].*)?", re.ASCII)


class Release(NamedTuple):
    """A minor release; comparable."""

    major: int
    minor: int

    @classmethod
    def parse(cls, text: str) -> Release:
        """The release that `text` names, as people and `gitVersion` write it. Raises `USAGE`."""
        found = _TEXT.fullmatch(text.strip())
        if found is None:
            raise errors.USAGE.error(f"{text!r} is no release of Kubernetes", next_step="write it as 1.34 or v1.34.4")
        return cls(int(found[1]), int(found[2]))

    def __str__(self) -> str:
        return f"{self.major}.{self.minor}"


OLDEST = Release(1, 17)
"""The oldest release that the table of fields was made from."""
