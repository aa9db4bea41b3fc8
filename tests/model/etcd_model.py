"""What etcd does to its records, written down plainly and without backstay's code: the oracle of the random histories.

One list of records, searched from end to end; nothing here is fast, and nothing is shared with `backstay.store`, so that
the two can only agree by both being right.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from backstay.formats.mvcc import KeyValue, Record, RevisionKey
from tests.model.steps import Check, Compact, DeleteRange, Grant, Put, Range, Revoke, Step, Txn


@dataclass(slots=True)
class EtcdModel:
    """The store of one member. `keeps_tombstone` is the compaction rule of 3.4.34, 3.5.16 and 3.6."""

    keeps_tombstone: bool
    records: list[Record] = field(default_factory=list)
    revision: int = 1
    compact_revision: int = -1
    leases: dict[int, int] = field(default_factory=dict)

    def apply(self, step: Step) -> object:
        """Do one step; returns what etcd answers: a count of deleted keys, whether a transaction succeeded, else None."""
        match step:
            case Put() | DeleteRange() | Range():
                return self._transaction([step])[0]
            case Txn():
                return self._apply_txn(step)
            case Grant(lease, ttl):
                self.leases[lease] = ttl
            case Revoke(lease):
                attached = sorted(key for key, item in self.live().items() if item.lease == lease)
                del self.leases[lease]
                self._transaction([DeleteRange(key) for key in attached])
            case Compact(revision):
                self.compact(revision)
        return None

    def live(self) -> dict[bytes, KeyValue]:
        """The newest value of each key that exists."""
        return _live(self.records)

    def compact(self, at: int) -> None:
        """Forget what nobody can ask for any more."""
        newest = {record.item.key: record for record in self.records if record.revision.main <= at}
        survivors = []
        for record in self.records:
            main, _, is_tombstone = record.revision
            if main <= at:
                if newest[record.item.key] is not record:
                    continue
                if is_tombstone and not (self.keeps_tombstone and main == at):
                    continue
            survivors.append(record)
        self.records = survivors
        self.compact_revision = at

    def _apply_txn(self, step: Txn) -> bool:
        """Comparisons see the store before the transaction; all that it writes shares one revision."""
        live = self.live()
        succeeded = all(_holds(check, live.get(check.key, KeyValue(check.key))) for check in step.checks)
        self._transaction(step.then if succeeded else step.otherwise)
        return succeeded

    def _transaction(self, steps: Sequence[Put | DeleteRange | Range]) -> list[int | None]:
        """One transaction: the next main revision if anything is written, and subs counted up from 0."""
        main, sub, answers = self.revision + 1, 0, []
        for step in steps:
            answer = None
            written: list[Record] = []
            if isinstance(step, Put):
                written = [Record(RevisionKey(main, sub), self._put(step, main))]
            elif isinstance(step, DeleteRange):
                keys = [key for key in sorted(self.live()) if step.covers(key)]
                written = [
                    Record(RevisionKey(main, sub + n, tombstone=True), KeyValue(key)) for n, key in enumerate(keys)
                ]
                answer = len(keys)
            self.records += written
            sub += len(written)
            answers.append(answer)
        if sub:
            self.revision = main
        return answers

    def _put(self, step: Put, main: int) -> KeyValue:
        before = self.live().get(step.key)
        create, version = (before.create_revision, before.version + 1) if before else (main, 1)
        value = before.value if step.keep_value and before else step.value
        lease = before.lease if step.keep_lease and before else step.lease
        return KeyValue(step.key, create, main, version, value, lease)


def _live(records: Sequence[Record]) -> dict[bytes, KeyValue]:
    live: dict[bytes, KeyValue] = {}
    for record in records:
        if record.revision.tombstone:
            live.pop(record.item.key, None)
        else:
            live[record.item.key] = record.item
    return live


def _holds(check: Check, item: KeyValue) -> bool:
    """A key that does not exist compares as version, create and mod revision 0."""
    actual = {
        "version": item.version, "create": item.create_revision, "mod": item.mod_revision, "lease": item.lease,
    }[check.target]  # fmt: skip
    return {
        "=": actual == check.number,
        "!=": actual != check.number,
        "<": actual < check.number,
        ">": actual > check.number,
    }[check.sign]
