"""How many keys lie where, and how many bytes: counted from names and sizes alone, a directory at a time.

    /registry/pods/default/web      the directory is /registry/pods/default
                                    its nodes: /registry, pods, default

Keys of one directory follow each other, so that a store of a million keys costs a million additions and a few thousand
splits. No value is read here.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import NamedTuple, Protocol


class Sized(Protocol):
    """A key with the size of its value."""

    @property
    def key(self) -> bytes: ...
    @property
    def size(self) -> int | None: ...


class Directory(NamedTuple):
    """All keys below one directory. `example` is one of them, to tell what they are."""

    path: bytes
    keys: int
    value_bytes: int
    example: bytes


@dataclass(slots=True)
class Branch:
    """A node of the hierarchy: a directory with everything below it, or a key."""

    name: str
    keys: int = 0
    value_bytes: int = 0
    children: dict[str, Branch] = field(default_factory=dict)

    def below(self, name: str) -> Branch:
        """The child of that name; made if it is not there."""
        child = self.children.get(name)
        if child is None:
            child = self.children[name] = Branch(name)
        return child


def directories(entries: Iterable[Sized]) -> Iterator[Directory]:
    """The directories of `entries`, which come in the order of keys. One may come again where a deeper one interrupts it."""
    current, keys, size, example = None, 0, 0, b""
    for entry in entries:
        key = entry.key
        directory = key.rpartition(b"/")[0]
        if directory != current:
            if current is not None:
                yield Directory(current, keys, size, example)
            current, keys, size, example = directory, 0, 0, key
        keys += 1
        size += entry.size or 0
    if current is not None:
        yield Directory(current, keys, size, example)


def tree(entries: Iterable[Sized], depth: int) -> Branch:
    """The hierarchy of `entries` down to `depth` levels below its root, keys included where they are no deeper."""
    root = Branch("")
    for found in _with_keys(entries, depth):
        path, keys, size = found
        branch = root
        _add(branch, keys, size)
        for segment in _segments(path)[: depth + 1]:
            branch = branch.below(segment)
            _add(branch, keys, size)
    return root


def _add(branch: Branch, keys: int, size: int) -> None:
    branch.keys += keys
    branch.value_bytes += size


def _with_keys(entries: Iterable[Sized], depth: int) -> Iterator[tuple[bytes, int, int]]:
    """Directories that are deep enough as a whole, and the keys of all others one by one."""
    current, is_deep, keys, size = None, False, 0, 0
    for entry in entries:
        key = entry.key
        directory = key.rpartition(b"/")[0]
        if directory != current:
            if is_deep and current is not None:
                yield current, keys, size
            current, keys, size = directory, 0, 0
            is_deep = len(_segments(directory)) > depth
        if is_deep:
            keys += 1
            size += entry.size or 0
        else:
            yield key, 1, entry.size or 0
    if is_deep and current is not None:
        yield current, keys, size


def _segments(path: bytes) -> list[str]:
    """`/registry/pods` as `/registry`, `pods`; bytes that are no text are escaped."""
    text = path.decode("utf-8", "backslashreplace")
    first, *others = text.removeprefix("/").split("/")
    return [f"/{first}" if text.startswith("/") else first, *others]
