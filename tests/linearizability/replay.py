"""What a log means, written down plainly and without backstay's store: the answers and events that it must have given.

Flat transactions, leases, no compaction: what the clients of these histories ask for.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

from backstay.formats import requests
from backstay.formats.requests import Message
from tests.model.wire import Answered

LEASE_NOT_FOUND = "NotFound: etcdserver: requested lease not found"
LEASE_EXISTS = "FailedPrecondition: etcdserver: lease already exists"


class Item(NamedTuple):
    """A key and its value; the order is that of `wire.pair`."""

    key: bytes
    create: int
    mod: int
    version: int
    value: bytes
    lease: int


Event = tuple[bool, tuple[object, ...], tuple[object, ...] | None]
"""As `wire.event` has it."""


class Replay:
    """A store that starts empty. `events[n]` are those of revision n, in order."""

    def __init__(self) -> None:
        self.revision = 1
        self.items: dict[bytes, Item] = {}
        self.leases: set[int] = set()
        self.events: dict[int, list[Event]] = {}

    def apply(self, request: Message) -> Answered | str:
        """Do what a log entry says; what its client must have heard."""
        main = self.revision + 1
        if isinstance(request, requests.LeaseGrant):
            if request.id in self.leases:
                return LEASE_EXISTS
            self.leases.add(request.id)
            answer: object = (request.id, request.ttl)
        elif isinstance(request, requests.LeaseRevoke):
            if request.id not in self.leases:
                return LEASE_NOT_FOUND
            self.leases.discard(request.id)
            self._delete(sorted(key for key, item in self.items.items() if item.lease == request.id), main)
            answer = None
        elif isinstance(request, requests.Txn):
            if any(each.put and each.put.lease and each.put.lease not in self.leases for each in self._branch(request)):
                return LEASE_NOT_FOUND
            answer = self._txn(request, main)
        else:
            if isinstance(request, requests.Put) and request.lease and request.lease not in self.leases:
                return LEASE_NOT_FOUND
            answer = self._do(request, main)
        return self.revision, answer

    def would_answer(self, request: Message) -> Answered | None:
        """The answer to a request that changes nothing now; None if it would change something."""
        if isinstance(request, requests.Range):
            return self.revision, self._range(request)
        if isinstance(request, requests.Txn):
            operations = self._branch(request)
            if all(each.range is not None for each in operations):
                return self.revision, self._txn(request, self.revision + 1)
        elif isinstance(request, requests.DeleteRange) and not self._within(request):
            return self.revision, (0, ())
        return None

    def _txn(self, request: requests.Txn, main: int) -> object:
        succeeded = all(self._holds(each) for each in request.compare)
        answers = []
        for operation in self._branch(request, succeeded):
            part = operation.range or operation.put or operation.delete_range
            assert part is not None, "these histories nest no transactions"
            answer = self._do(part, main)
            answers.append((self.revision, answer))
        return succeeded, tuple(answers)

    def _branch(self, request: requests.Txn, succeeded: bool | None = None) -> tuple[requests.Operation, ...]:
        if succeeded is None:
            succeeded = all(self._holds(each) for each in request.compare)
        return request.success if succeeded else request.failure

    def _holds(self, compare: requests.Compare) -> bool:
        item = self.items.get(compare.key)
        if compare.value is not None:
            return item is not None and item.value == compare.value
        if compare.mod_revision is not None:
            return (item.mod if item else 0) == compare.mod_revision
        assert compare.create_revision is not None
        return (item.create if item else 0) == compare.create_revision

    def _do(self, request: Message, main: int) -> object:
        if isinstance(request, requests.Range):
            return self._range(request)
        if isinstance(request, requests.Put):
            before = self.items.get(request.key)
            create, version = (before.create, before.version + 1) if before else (main, 1)
            item = self.items[request.key] = Item(request.key, create, main, version, request.value, request.lease)
            self._happened(main, (False, item, before))
            return before if request.prev_kv else None
        assert isinstance(request, requests.DeleteRange)
        keys = self._within(request)
        before_all = tuple(self.items[key] for key in keys)
        self._delete(keys, main)
        return len(keys), before_all if request.prev_kv else ()

    def _range(self, request: requests.Range) -> object:
        found = tuple(self.items[key] for key in self._within(request))
        return found, False, len(found)

    def _delete(self, keys: Iterable[bytes], main: int) -> None:
        for key in keys:
            before = self.items.pop(key)
            self._happened(main, (True, Item(key, 0, main, 0, b"", 0), before))

    def _happened(self, main: int, event: Event) -> None:
        self.revision = main
        self.events.setdefault(main, []).append(event)

    def _within(self, request: requests.Range | requests.DeleteRange) -> list[bytes]:
        return sorted(key for key in self.items if is_within(key, request.key, request.range_end))


def is_within(key: bytes, start: bytes, end: bytes) -> bool:
    """Whether `key` is in the range that a request means."""
    return key == start if not end else start <= key and (end == b"\0" or key < end)
