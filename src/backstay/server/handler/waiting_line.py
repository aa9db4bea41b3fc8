"""The line that locks and elections share: keys NAME/LEASE in the normal key space, the oldest of which is in front.

A newcomer puts its key unless it has one, and waits until every older key is gone; deletions are heard of from the hub.
Everything about a line is in its keys, so a client's own recipe and this one stand in the same line.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from backstay.formats import requests
from backstay.formats.mvcc import KeyValue
from backstay.formats.requests import Compare, CompareTarget, Operation, SortOrder, SortTarget
from backstay.server import statuses
from backstay.server.handler.context import HandlerContext
from backstay.server.handler.watch import Watching
from backstay.server.transport import CallId
from backstay.store.answers import LeaseAnswer, RangeAnswer, TxnAnswer
from backstay.store.apply.permissions import Identity
from backstay.store.refusals import Refused
from backstay.store.watching import WatchBatch, WatchSpec, WatchStream

DEFAULT_TTL = 60
"""Seconds of a lease that is granted for a caller without one; nobody renews it."""


@dataclass(frozen=True, slots=True)
class Place:
    """A place in a line: whose key, since which revision, and what the key held when it was there already."""

    prefix: bytes
    key: bytes
    lease: int
    revision: int
    answered_at: int
    value: bytes | None


class WaitingLine:
    """Joining lines, and waiting in them. All methods may raise `Refused`."""

    def __init__(self, context: HandlerContext, watching: Watching) -> None:
        self._context = context
        self._watching = watching
        self._waiting: dict[CallId, tuple[WatchStream, bytes, Identity]] = {}

    def join(self, name: bytes, lease: int, value: bytes, identity: Identity) -> Place:
        """Put the caller's key at the end of the line, unless it is there."""
        context = self._context
        if not lease:
            granted = context.execute(requests.LeaseGrant(DEFAULT_TTL), identity).answer
            assert isinstance(granted, LeaseAnswer)
            lease = granted.lease.id
        prefix = name + b"/"
        key = prefix + b"%x" % lease
        is_new = Compare(target=CompareTarget.CREATE, key=key, create_revision=0)
        put, read = Operation(put=requests.Put(key, value, lease)), Operation(range=requests.Range(key))
        outcome = context.execute(requests.Txn((is_new,), (put,), (read,)), identity)
        assert isinstance(outcome.answer, TxnAnswer)
        if outcome.answer.succeeded:
            return Place(prefix, key, lease, outcome.revision, outcome.revision, None)
        (found,) = outcome.answer.answers
        assert isinstance(found, RangeAnswer)
        item = found.items[0]
        return Place(prefix, key, lease, item.create_revision, outcome.revision, item.value)

    def first(self, prefix: bytes, identity: Identity) -> KeyValue | None:
        """The oldest key of the line."""
        return self._edge(prefix, identity, SortOrder.ASCEND)

    def wait(self, call: CallId, place: Place, identity: Identity, in_front: Callable[[], None]) -> None:
        """Call `in_front` when no older key is left: now, or later for a call that is answered then."""
        older = self._edge(place.prefix, identity, SortOrder.DESCEND, before=place.revision)
        if older is None:
            in_front()
            return

        def gone(_: WatchBatch) -> None:
            self._watching.stop(self._waiting.pop(call)[0])
            try:
                self.wait(call, place, identity, in_front)
            except Refused as refused:  # rights may have gone meanwhile
                self._context.transport.answer(call, (statuses.UNKNOWN, refused.refusal.text))

        watched = self._watching.watch(WatchSpec(older.key, wants_puts=False), gone)
        self._waiting[call] = watched, place.key, identity

    def give_up(self, call: CallId) -> None:
        """The caller is gone: so is its place."""
        if call in self._waiting:
            watched, key, identity = self._waiting.pop(call)
            self._watching.stop(watched)
            self._context.execute(requests.DeleteRange(key), identity)

    def _edge(self, prefix: bytes, identity: Identity, order: SortOrder, before: int = 0) -> KeyValue | None:
        body = requests.Range(
            prefix,
            end_of_prefix(prefix),
            limit=1,
            sort_order=order,
            sort_target=SortTarget.CREATE,
            max_create_revision=before - 1 if before else 0,
        )
        answer = self._context.execute(body, identity).answer
        assert isinstance(answer, RangeAnswer)
        return answer.items[0] if answer.items else None


def end_of_prefix(prefix: bytes) -> bytes:
    """The range end of all keys that begin with `prefix`, which ends in a slash."""
    return prefix[:-1] + bytes((prefix[-1] + 1,))
