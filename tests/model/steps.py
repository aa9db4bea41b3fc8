"""The steps of a random history, made from a seed: the same seed gives the same history, so a failure can be repeated.

A generator looks at the store it writes for (`RandomHistory.next`), because a step that etcd refuses teaches nothing.
"""

from __future__ import annotations

import random
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

from backstay.formats.mvcc import KeyValue

KEYS = (
    *(b"/registry/pods/default/web-%d" % n for n in range(8)),
    *(b"/registry/leases/node-%d" % n for n in range(4)),
    b"\x00",
    b"\x00a",
    b"\xff\xff",
    b"_t",
    b"k" * 127,
    b"k" * 128,
    b"k" * 300,
)
LEASE_SECONDS = 100_000


@dataclass(frozen=True, slots=True)
class Put:
    """Write one key."""

    key: bytes
    value: bytes
    lease: int = 0
    keep_value: bool = False
    keep_lease: bool = False


@dataclass(frozen=True, slots=True)
class DeleteRange:
    """Delete a key, or all keys from `key` up to `end`."""

    key: bytes
    end: bytes = b""

    def covers(self, key: bytes) -> bool:
        """Whether `key` is deleted."""
        return key == self.key if not self.end else self.key <= key and (self.end == b"\0" or key < self.end)


@dataclass(frozen=True, slots=True)
class Range:
    """Read a key inside a transaction; changes nothing."""

    key: bytes


@dataclass(frozen=True, slots=True)
class Check:
    """A comparison: `target` is version, create, mod or lease."""

    key: bytes
    target: str
    sign: str
    number: int


@dataclass(frozen=True, slots=True)
class Txn:
    """A transaction."""

    checks: tuple[Check, ...]
    then: tuple[Put | DeleteRange | Range, ...]
    otherwise: tuple[Put | DeleteRange | Range, ...]


@dataclass(frozen=True, slots=True)
class Grant:
    """Grant a lease."""

    lease: int
    seconds: int = LEASE_SECONDS


@dataclass(frozen=True, slots=True)
class Revoke:
    """Revoke a lease and delete its keys."""

    lease: int


@dataclass(frozen=True, slots=True)
class Compact:
    """Compact, and wait until the records are off the database."""

    revision: int


Step = Put | DeleteRange | Range | Txn | Grant | Revoke | Compact


class Store(Protocol):
    """What the generator must know of the store."""

    revision: int
    compact_revision: int
    leases: dict[int, int]

    def live(self) -> Mapping[bytes, KeyValue]: ...


class RandomHistory:
    """Steps for one store, from one seed."""

    def __init__(self, seed: int) -> None:
        self._random = random.Random(seed)

    def round_length(self) -> int:
        """How many steps to do before the next check."""
        return self._random.randint(10, 40)

    def next(self, store: Store) -> Step:
        """A step that etcd will not refuse."""
        draw = self._random.random()
        if draw < 0.45:
            return self._put(store)
        if draw < 0.6:
            return self._delete()
        if draw < 0.85:
            return self._txn(store)
        if draw < 0.93 or not store.leases:
            return Grant(self._random.getrandbits(62) + 1)
        return Revoke(self._random.choice(sorted(store.leases)))

    def compaction(self, store: Store) -> Compact | None:
        """A compaction at a revision that etcd accepts, now and then; often exactly at a tombstone or the head."""
        lowest = max(store.compact_revision, 0) + 1
        if self._random.random() < 0.3 or lowest > store.revision:
            return None
        if self._random.random() < 0.2:
            return Compact(store.revision)
        return Compact(self._random.randint(lowest, store.revision))

    def _value(self) -> bytes:
        size = self._random.choice([0, 1, 20, 200, 200, 900, 6000])
        return self._random.randbytes(size)

    def _put(self, store: Store) -> Put:
        key = self._random.choice(KEYS)
        lease = self._random.choice([0, 0, *store.leases])
        if key in store.live() and self._random.random() < 0.2:
            # etcd refuses a value or a lease beside the flag that says to keep the old one.
            if self._random.random() < 0.5:
                return Put(key, b"", lease, keep_value=True)
            return Put(key, self._value(), keep_lease=True)
        return Put(key, self._value(), lease)

    def _delete(self) -> DeleteRange:
        key = self._random.choice(KEYS)
        end = self._random.choice([b"", b"", b"", key + b"\xff", max(key, self._random.choice(KEYS)), b"\0"])
        if end == b"\0" and self._random.random() < 0.7:
            end = b""
        return DeleteRange(key, b"" if end == key else end)

    def _txn(self, store: Store) -> Txn:
        checks = tuple(self._check(store) for _ in range(self._random.randint(0, 2)))
        return Txn(checks, self._branch(store), self._branch(store))

    def _check(self, store: Store) -> Check:
        key = self._random.choice(KEYS)
        item = store.live().get(key, KeyValue(key))
        target, number = self._random.choice(
            [
                ("version", item.version),
                ("create", item.create_revision),
                ("mod", item.mod_revision),
                ("lease", item.lease),
            ]
        )
        return Check(key, target, self._random.choice(["=", "!=", "<", ">"]), self._random.choice([number, 0, 2]))

    def _branch(self, store: Store) -> tuple[Put | DeleteRange | Range, ...]:
        """Operations over different keys: etcd refuses a transaction that puts a key twice or puts what it deletes."""
        branch: list[Put | DeleteRange | Range] = []
        for key in self._random.sample(KEYS, self._random.randint(0, 5)):
            match self._random.randrange(4):
                case 0:
                    branch.append(DeleteRange(key))
                case 1:
                    branch.append(Range(key))
                case _:
                    branch.append(Put(key, self._value(), self._random.choice([0, *store.leases])))
        return tuple(branch)
