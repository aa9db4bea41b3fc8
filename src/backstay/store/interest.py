"""Which keys of a big base some log entries can touch, so that reading a short tail need not index every key.

Requests name their keys and ranges; only leases reach keys they do not name: revoking one deletes whatever is attached
to it, and with access control on, using one asks for permission on all of them. What is collected here is generous:
both branches of every transaction count.
"""

from __future__ import annotations

from collections.abc import Iterable

from backstay.formats import requests
from backstay.formats.requests import Message, Operation
from backstay.store.ranges import KeyRange, RangeSet, key_range


class Interest:
    """The keys and leases that `bodies` can read or write."""

    def __init__(self, bodies: Iterable[Message]) -> None:
        self.leases: set[int] = set()
        ranges: set[KeyRange] = set()
        pending: list[Message] = list(bodies)
        while pending:
            body = pending.pop()
            if isinstance(body, requests.Put):
                ranges.add(key_range(body.key, b""))
                self.leases.add(body.lease)
            elif isinstance(body, requests.Range | requests.DeleteRange | requests.Compare):
                ranges.add(key_range(body.key, body.range_end))
            elif isinstance(body, requests.Txn):
                pending += body.compare
                pending += [part for each in (*body.success, *body.failure) for part in _parts(each)]
            elif isinstance(body, requests.LeaseRevoke):
                self.leases.add(body.id)
        self.leases.discard(0)
        self._ranges = RangeSet(ranges)

    def holds(self, key: bytes) -> bool:
        """Whether an entry can touch `key` by naming it."""
        return self._ranges.holds(key)


def _parts(operation: Operation) -> list[Message]:
    parts = (operation.range, operation.put, operation.delete_range, operation.txn)
    return [part for part in parts if part is not None]
