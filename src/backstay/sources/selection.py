"""Which keys are meant: a prefix, or a pattern over the segments of a path.

    /registry/pods/                   everything that begins so
    /registry/*/production/*          `*` is one or more bytes within one segment
    /registry/**/web                  `**` is anything, slashes included
    /registry/a\\*b                    an escaped asterisk is itself

A pattern must fit the whole key. Sources read only below `prefix`, so the longer the part before the first asterisk, the
less they read.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, field

from backstay.sources.key_text import key_bytes


@dataclass(frozen=True, slots=True)
class Selection:
    """A choice of keys. `pattern` is None where every key below `prefix` is meant."""

    prefix: bytes = b""
    pattern: re.Pattern[bytes] | None = None
    text: str = field(default="", compare=False)

    @classmethod
    def parse(cls, text: str) -> Selection:
        """The selection that `text` spells; the empty text means every key."""
        parts = _split(text)
        prefix = key_bytes(parts[0])
        if len(parts) == 1:
            return cls(prefix, None, text)
        pattern = b"".join(_GLOBS.get(part) or re.escape(key_bytes(part)) for part in parts)
        return cls(prefix, re.compile(pattern, re.DOTALL), text)

    @property
    def matches(self) -> Callable[[bytes], object]:
        """A function that is true of the keys that are meant, for loops over many keys."""
        if self.pattern is not None:
            return self.pattern.fullmatch
        prefix = self.prefix
        return lambda key: key.startswith(prefix)

    def __str__(self) -> str:
        return self.text or "all keys"


_GLOBS = {"*": rb"[^/]+", "**": rb".*"}


def _split(text: str) -> list[str]:
    """`text` cut into literal parts and globs, in order; the first part is literal and may be empty."""
    parts, literal, position = [], "", 0
    while position < len(text):
        if text[position] == "\\":
            literal += text[position : position + 2]
            position += 2
        elif text[position] == "*":
            end = position
            while end < len(text) and text[end] == "*":
                end += 1
            parts += [literal, "*" if end - position == 1 else "**"]
            literal, position = "", end
        else:
            literal += text[position]
            position += 1
    return [*parts, literal] if parts else [literal]
