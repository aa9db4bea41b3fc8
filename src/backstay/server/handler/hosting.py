"""What the handler needs of whoever runs the store: sizes, checkpoints, snapshots, threads. `running` provides it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import NamedTuple, Protocol

from backstay.errors import BackstayError


class Sizes(NamedTuple):
    """Bytes: what the store takes on disk, and how much of that is in use."""

    total: int
    in_use: int


@dataclass(frozen=True, slots=True)
class ServedMember:
    """The only member, as clients see it. `client_urls` are where they reach it."""

    name: str
    client_urls: tuple[str, ...]
    peer_urls: tuple[str, ...]


class Snapshot(NamedTuple):
    """A database file on its way: its size in bytes, and its bytes in pieces of any size."""

    size: int
    pieces: Iterator[bytes]


class Hosting(Protocol):
    """The store's surroundings. All methods are called on the store's thread and return at once."""

    @property
    def sizes(self) -> Sizes:
        """How big the store is."""
        ...

    def tick(self) -> None:
        """Do what is due by the clock; the handler's tick calls it."""
        ...

    def elsewhere(self, work: Callable[[], None]) -> None:
        """Run `work` on a thread of its own kind; it comes back through `Transport.post`."""
        ...

    def defragment(self, done: Callable[[BackstayError | None], None]) -> None:
        """Build a new base; `done` is called on the store's thread when it is in use, or with why it is not."""
        ...

    def snapshot(self) -> Callable[[], Snapshot]:
        """The store as it is now: what is returned makes the file, and may take long. Raises `Refused`."""
        ...
