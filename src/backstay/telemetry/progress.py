"""The port through which domain code reports how far it is; the command line draws it, tests record it."""

from __future__ import annotations

from typing import Protocol


class Progress(Protocol):
    """One long piece of work, told as named phases of bytes.

    A phase begins, advances any number of times and ends when the next begins or `finish` is called. Implementations
    must be cheap: `advance` is called once per chunk of about a megabyte, from one thread at a time.
    """

    def begin(self, phase: str, total_bytes: int | None) -> None:
        """A phase starts; `total_bytes` is None where nobody can know it."""
        ...

    def advance(self, done_bytes: int) -> None:
        """`done_bytes` more of the current phase are done."""
        ...

    def finish(self) -> None:
        """All work is over, well or badly."""
        ...


class SilentProgress:
    """Nobody is watching."""

    def begin(self, phase: str, total_bytes: int | None) -> None:
        """Nothing is shown."""

    def advance(self, done_bytes: int) -> None:
        """Nothing is shown."""

    def finish(self) -> None:
        """Nothing is shown."""
