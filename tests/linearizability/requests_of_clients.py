"""What the clients of a history ask for: puts, deletes, reads, conditional writes, on few keys that all of them share."""

from __future__ import annotations

import random
from collections.abc import Iterator

from backstay.formats import requests
from backstay.formats.requests import Compare, CompareTarget, Message, Operation

KEYS = tuple(b"key/%d" % number for number in range(6))
EVERYTHING = (b"key/", b"key0")
LEASE_SECONDS = 10_000


def endless(client: int, chosen: random.Random) -> Iterator[Message]:
    """Requests of one client; no two that write are equal, whoever sends them."""
    lease = 1_000_000 * (client + 1)
    yield requests.LeaseGrant(LEASE_SECONDS, lease)
    number = 0
    while True:
        number += 1
        yield _request(b"%d.%d" % (client, number), lease, chosen)


def _request(mark: bytes, lease: int, chosen: random.Random) -> Message:
    key, kind = chosen.choice(KEYS), chosen.random()
    if kind < 0.30:
        return requests.Put(key, mark, lease if chosen.random() < 0.2 else 0, prev_kv=chosen.random() < 0.3)
    if kind < 0.38:
        # No key lies between a key and its end, so this deletes one key, and is unlike every other deletion.
        return requests.DeleteRange(key, key + b"\0" + mark, prev_kv=chosen.random() < 0.5)
    if kind < 0.60:
        return requests.Range(key)
    if kind < 0.66:
        return requests.Range(*EVERYTHING)
    if kind < 0.70:
        return requests.Txn((), tuple(Operation(range=requests.Range(each)) for each in chosen.sample(KEYS, 2)))
    if kind < 0.80:  # create, as Kubernetes does
        absent = Compare(target=CompareTarget.CREATE, key=key, create_revision=0)
        return requests.Txn((absent,), (_put(key, mark),), (Operation(range=requests.Range(key)), _put(b"seen", mark)))
    other = chosen.choice(KEYS)
    condition = Compare(
        target=CompareTarget.VALUE, key=key, value=b"%d.%d" % (chosen.randrange(8), chosen.randrange(99))
    )
    if kind < 0.88:  # swap if the value is a certain one, which it may be
        return requests.Txn((condition,), (_put(key, mark),), (_put(other, mark), Operation(range=requests.Range(key))))
    writes = [_put(each, mark) for each in chosen.sample(KEYS, 3)]
    if kind < 0.96:  # several keys at once
        return requests.Txn((), (*writes, Operation(range=requests.Range(*EVERYTHING))))
    return requests.Txn((), (Operation(delete_range=requests.DeleteRange(*EVERYTHING)), _put(b"deleted", mark)))


def _put(key: bytes, value: bytes) -> Operation:
    return Operation(put=requests.Put(key, value))
