"""Random requests of every kind and with every option, on few keys and few leases, so that they meet."""

from __future__ import annotations

import random

from backstay.formats import requests
from backstay.formats.requests import Compare, Message, Operation
from backstay.store.apply.transactions import operations_of

KEYS = (b"a", b"ab", b"b", b"c", b"d\xff", b"\0", b"z")
ENDS = (b"", b"", b"\0", b"b", b"c", b"zz", b"a\xff")


def random_request(chosen: random.Random, newest: int) -> Message:
    """Any request, for a store at revision `newest`; some are refused, none kills a real etcd."""
    kind = chosen.random()
    if kind < 0.30:
        return random_put(chosen)
    if kind < 0.40:
        return random_delete(chosen)
    if kind < 0.62:
        return random_range(chosen, newest)
    if kind < 0.85:
        return random_txn(chosen, newest)
    if kind < 0.91:
        return requests.LeaseGrant(chosen.choice((1_000, 5_000, 9_000_000_001)), chosen.randint(1, 4))
    if kind < 0.96:
        return requests.LeaseRevoke(chosen.randint(1, 5))
    # Not at 0: etcd would remember the hash of that, and answer HashKV of the newest revision (0 as well) with it.
    return requests.Compaction(newest + chosen.randint(-20, 1) or -1)


def random_txn(chosen: random.Random, newest: int) -> requests.Txn:
    """A transaction, nested up to twice."""
    while kills_etcd(txn := _txn(chosen, newest, 0)):
        pass
    return txn


def kills_etcd(txn: requests.Txn) -> bool:
    """Whether etcd may panic of `txn` or of what follows, which ours does not.

    It lets a deletion from a key on stand beside a put of a key in that range. If the put keeps the value or the lease of the
    key, nothing is there to keep: etcd panics, and again at every start, for the request is in its log. If a compaction comes
    at exactly that revision, the put is removed with what was deleted, and whoever reads the key makes etcd panic.
    """
    operations = list(operations_of(txn))
    deleted = [
        each.delete_range.key for each in operations if each.delete_range and each.delete_range.range_end == b"\0"
    ]
    return bool(deleted) and any(each.put and each.put.key >= min(deleted) for each in operations)


def _key(chosen: random.Random) -> bytes:
    return chosen.choice(KEYS) if chosen.random() < 0.97 else b""


def random_put(chosen: random.Random) -> requests.Put:
    """A put with any options."""
    rare = chosen.random()
    value = chosen.choice((b"", b"1", b"2", b"33"))
    lease = chosen.randint(1, 5) if chosen.random() < 0.2 else 0
    return requests.Put(_key(chosen), value, lease, chosen.random() < 0.3, rare < 0.08, 0.05 < rare < 0.13)


def random_delete(chosen: random.Random) -> requests.DeleteRange:
    """A deletion of a key or a range."""
    return requests.DeleteRange(_key(chosen), chosen.choice(ENDS), chosen.random() < 0.4)


def random_range(chosen: random.Random, newest: int) -> requests.Range:
    """A read with any options."""

    def revision() -> int:
        return chosen.randint(max(0, newest - 15), newest + 1) if chosen.random() < 0.15 else 0

    # Equal elements have no order of their own, so only what is unique is sorted by: keys and mod revisions of one put.
    order, target = chosen.choice(((0, 0), (0, 0), (1, 0), (2, 0), (3, 0), (1, 9)))
    return requests.Range(
        _key(chosen),
        chosen.choice(ENDS),
        limit=chosen.choice((0, 0, 1, 2, 5, -1)),
        revision=revision(),
        sort_order=order,
        sort_target=target,
        serializable=chosen.random() < 0.2,
        keys_only=chosen.random() < 0.2,
        count_only=chosen.random() < 0.1,
        min_mod_revision=revision(),
        max_mod_revision=revision(),
        min_create_revision=revision(),
        max_create_revision=revision(),
    )


def _txn(chosen: random.Random, newest: int, depth: int) -> requests.Txn:
    def operations() -> tuple[Operation, ...]:
        return tuple(_operation(chosen, newest, depth) for _ in range(chosen.choice((0, 1, 1, 2, 3))))

    compares = tuple(_compare(chosen, newest) for _ in range(chosen.choice((0, 1, 1, 2))))
    return requests.Txn(compares, operations(), operations())


def _operation(chosen: random.Random, newest: int, depth: int) -> Operation:
    kind = chosen.random()
    if kind < 0.45:
        return Operation(put=random_put(chosen))
    if kind < 0.6:
        return Operation(delete_range=random_delete(chosen))
    if kind < 0.85 or depth == 2:
        return Operation(range=random_range(chosen, newest))
    return Operation(txn=_txn(chosen, newest, depth + 1))


def _compare(chosen: random.Random, newest: int) -> Compare:
    key, range_end, result = _key(chosen), chosen.choice(ENDS), chosen.randint(0, 3)
    target = chosen.randint(0, 4)
    number = chosen.choice((0, 1, 2, max(1, newest - chosen.randint(0, 9))))
    return Compare(
        result,
        target,
        key,
        version=number if target == 0 else None,
        create_revision=number if target == 1 else None,
        mod_revision=number if target == 2 else None,
        value=chosen.choice((b"", b"1", b"2")) if target == 3 else None,
        lease=number if target == 4 else None,
        range_end=range_end,
    )
