"""A session: a lease that is kept alive as long as its owner lives, and what etcd's own clients build on it.

Used by `ctl lock` and `ctl elect`, and public. The recipe is etcd's, so that its clients and ours exclude each other: every
candidate writes a key of its own below a prefix, attached to its lease, and the one with the lowest create revision holds
the lock or leads; the others wait until all older keys are gone.

    with Session(client, ttl_seconds=10) as session:
        with Mutex(session, b"migration") as lock:
            ...                                       lock.key, lock.revision say what is held
"""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Iterator
from types import TracebackType

from backstay import errors
from backstay.etcd.client import Client
from backstay.etcd.operations import Compare, Operation, SortOrder, SortTarget, prefix_end
from backstay.etcd.results import Header, KeyValue, RangeResult
from backstay.etcd.watch import EventType
from backstay.values import LeaseId, Revision

DEFAULT_TTL_SECONDS = 60


class Session:
    """A lease of `ttl_seconds` that a thread renews; `ended` is set when etcd does not know it any more."""

    def __init__(self, client: Client, *, ttl_seconds: int = DEFAULT_TTL_SECONDS) -> None:
        self.client = client
        granted = client.lease.grant(ttl_seconds)
        self.lease_id: LeaseId = granted.lease_id
        self.ended = threading.Event()
        self._is_closing = threading.Event()
        self._interval_seconds = granted.ttl_seconds / 3
        self._renewer = threading.Thread(target=self._renew, name="backstay-session", daemon=True)
        self._renewer.start()

    def close(self) -> None:
        """End the lease, and with it everything that was made in this session."""
        self._is_closing.set()
        self._renewer.join()
        with contextlib.suppress(errors.BackstayError):  # it ends by itself when its time is over
            self.client.lease.revoke(self.lease_id)

    def __enter__(self) -> Session:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, problem: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    def _renew(self) -> None:
        while not self._is_closing.wait(self._interval_seconds):
            try:
                is_alive = self.client.lease.keep_alive(self.lease_id) > 0
            except errors.BackstayError as problem:
                is_alive = problem.kind.retryable  # until the lease is over, the next renewal may come through
            if not is_alive:
                self.ended.set()
                return


class Candidate:
    """A place in the queue below a prefix. `key` is empty and `revision` 0 outside `enter` and `leave`."""

    def __init__(self, session: Session, name: bytes) -> None:
        self.session = session
        self.prefix = name + b"/"
        self.key = b""
        self.revision = Revision(0)

    def enter(self, value: bytes = b"") -> Header:
        """Write our key and wait until it is the oldest; the header of the moment in which it was."""
        kv = self.session.client.kv
        self.key = self.prefix + f"{self.session.lease_id & 0xFFFFFFFFFFFFFFFF:x}".encode()
        answer = kv.txn(
            (Compare.create_revision(self.key, "=", 0),),
            (Operation.put(self.key, value, lease=self.session.lease_id),),
            (Operation.range(self.key),),
        )
        self.revision = answer.header.revision
        if not answer.succeeded:  # this session is in the queue already
            (present,) = answer.responses
            assert isinstance(present, RangeResult)
            self.revision = present.items[0].create_revision
        header = answer.header
        while (older := self._newest_before()) is not None:
            self._wait_for_deletion(older)
        own = kv.range(self.key)
        if not own.items:
            raise errors.SESSION_ENDED.error("the lease ended while the key was waited for", where=str(self.key))
        return own.header if self.revision != header.revision else header

    def leave(self) -> None:
        """Delete our key, if it is still ours."""
        if not self.key:
            return
        condition = Compare.create_revision(self.key, "=", self.revision)
        self.session.client.kv.txn((condition,), (Operation.delete_range(self.key),))
        self.key, self.revision = b"", Revision(0)

    def _newest_before(self) -> RangeResult | None:
        found = self.session.client.kv.range(
            self.prefix,
            range_end=prefix_end(self.prefix),
            limit=1,
            sort_order=SortOrder.DESCEND,
            sort_target=SortTarget.CREATE,
            max_create_revision=self.revision - 1,
        )
        return found if found.items else None

    def _wait_for_deletion(self, older: RangeResult) -> None:
        with self.session.client.watch(older.items[0].key, start_revision=older.header.revision) as watcher:
            for batch in watcher:
                if any(event.type is EventType.DELETE for event in batch.events):
                    return


class Mutex(Candidate):
    """A lock by name; in a `with` block it is held."""

    def __enter__(self) -> Mutex:
        try:
            self.enter()
        except BaseException:
            self.leave()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, problem: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.leave()


def leaders(client: Client, name: bytes) -> Iterator[tuple[Header, KeyValue]]:
    """Every leader of an election and each of its proclamations, as they come; waits while there is none."""
    prefix = name + b"/"
    while True:
        found = client.kv.range(
            prefix,
            range_end=prefix_end(prefix),
            limit=1,
            sort_order=SortOrder.ASCEND,
            sort_target=SortTarget.CREATE,
        )
        header, leader = (
            (found.header, found.items[0]) if found.items else _next_candidate(client, prefix, found.header)
        )
        yield header, leader
        yield from _proclamations(client, leader.key, Revision(header.revision + 1))


def _next_candidate(client: Client, prefix: bytes, seen: Header) -> tuple[Header, KeyValue]:
    with client.watch(prefix, range_end=prefix_end(prefix), start_revision=seen.revision) as watcher:
        for batch in watcher:
            for event in batch.events:
                if event.type is EventType.PUT:
                    return batch.header._replace(revision=event.item.mod_revision), event.item
    raise errors.STREAM_BROKEN.error("etcd ended the watch of an election")


def _proclamations(client: Client, key: bytes, start: Revision) -> Iterator[tuple[Header, KeyValue]]:
    """What the leader writes until its key is gone."""
    with client.watch(key, start_revision=start) as watcher:
        for batch in watcher:
            for event in batch.events:
                if event.type is EventType.DELETE:
                    return
                yield batch.header, event.item
