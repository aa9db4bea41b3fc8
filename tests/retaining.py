"""A repository that is maintained, with a clock that is set: for tests of marks, merges and sweeps.

    kept = Maintained(); kept.back_up(cluster); kept.expire(points); kept.fade(points); kept.pass_time(hours=25); kept.merge()
    kept.sweep()

Every point is remembered with what the cluster held; `assert_all_restore` compares each that is listed.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from pathlib import Path

from backstay.blobs.contract import BlobStore
from backstay.blobs.memory import MemoryStore
from backstay.clock import SystemClock
from backstay.formats.mvcc import decode_key_value
from backstay.jobs.retention.apply import Applied, commit_change, undelete
from backstay.jobs.retention.merge import Merged, merge
from backstay.jobs.retention.sweep import Swept, sweep
from backstay.repository.catalogue import read_catalogue
from backstay.repository.changes import Expiry, Fade
from backstay.repository.continuing import BaseRule
from backstay.repository.manifest import Manifest
from backstay.repository.reading import PointReader
from backstay.repository.repository import Repository, open_repository
from backstay.repository.retention.pins import TTL
from backstay.repository.writing import CommittedPoint
from backstay.telemetry import SilentProgress
from tests.backing_up import BEGIN, Cluster, Element, Place, normalised

GRACE = timedelta(hours=24)
assert TTL < GRACE


class SetClock(SystemClock):
    """A clock whose time is set."""

    time = BEGIN

    def now(self) -> datetime:
        return self.time


class Maintained(Place):
    """A place whose points are remembered; its time goes only when it is told to, a quarter of an hour with each backup."""

    def __init__(
        self, *, seed: int = 1, plaintext: bool = False, spill: Path | None = None, store: BlobStore | None = None
    ) -> None:
        self.clock = SetClock()
        super().__init__(
            store if store is not None else MemoryStore(self.clock), seed=seed, plaintext=plaintext, spill=spill
        )
        self.held: dict[str, tuple[list[Element], dict[bytes, bytes]]] = {}
        self.states: dict[str, list[Element]] = {}

    def back_up(self, cluster: Cluster, *, rule: BaseRule | None = None) -> CommittedPoint:
        self.clock.time = self.now
        point = super().back_up(cluster, rule=rule)
        self.held[point.manifest.id] = (normalised(cluster), cluster.live())
        compacted = cluster.copy()
        compacted.compact(compacted.revision)
        self.states[point.manifest.id] = list(compacted.elements())
        return point

    def pass_time(self, **parts: float) -> None:
        """So much time goes by."""
        self.now += timedelta(**parts)
        self.clock.time = self.now

    def opened(self, store: BlobStore | None = None, *, readable: bool = True) -> Repository:
        """The repository, through another store if one is given."""
        return open_repository(store if store is not None else self.store, (self.operator,) if readable else ())

    def expire(self, points: Sequence[Manifest], store: BlobStore | None = None) -> list[Manifest]:
        """Mark points, whatever a policy says."""
        return self._change(Expiry, points, store)

    def fade(self, points: Sequence[Manifest], store: BlobStore | None = None) -> list[Manifest]:
        """Let the history of points go, whatever a policy says."""
        return self._change(Fade, points, store)

    def _change(self, kind: type[Expiry | Fade], points: Sequence[Manifest], store: BlobStore | None) -> list[Manifest]:
        repository = self.opened(store, readable=False)
        done = []
        for lineage in read_catalogue(repository).lineages:
            own = tuple(each.sequence for each in points if each.lineage == lineage.id)
            if own:
                done.append(
                    commit_change(
                        repository,
                        kind(own, "", "test", 3600),
                        self.writer,
                        lineage=lineage.id,
                        cluster="prod",
                        since=lineage.last,
                        now=self.now,
                    )
                )
        return done

    def recall(self, points: Sequence[Manifest]) -> Applied:
        """Take marks back."""
        repository = self.opened(readable=False)
        return undelete(repository, read_catalogue(repository), points, "test", self.writer, now=self.now)

    def merge(self, store: BlobStore | None = None) -> Merged:
        """Merge what can be merged."""
        return merge(
            self.opened(store),
            self.writer,
            clock=self.clock,
            entropy=self.entropy,
            spill=self.spill,
            progress=SilentProgress(),
        )

    def sweep(self, store: BlobStore | None = None, *, only_declared: bool = False) -> Swept:
        """Sweep, as whoever has no identity."""
        key = None if only_declared else self.writer
        return sweep(self.opened(store, readable=False), key, clock=self.clock, allow_many=True)

    def assert_all_restore(self, store: BlobStore | None = None) -> int:
        """Every point that is listed gives back what the cluster held; returns how many there are."""
        repository = self.opened(store)
        points = read_catalogue(repository).require_sound().points
        for point in points:
            elements, live = self.held[point.id]
            if point.is_state_only:
                elements = self.states[point.id]
            reader = PointReader(repository, point)
            assert sorted(record.element for record in reader.everything()) == elements, point.id
            found = {record.key: record.value for record in reader.state() if not record.tombstone}
            assert {key: decode_key_value(value).value for key, value in found.items()} == live, point.id
        return len(points)

    def run_names(self) -> set[str]:
        """The runs that are there."""
        return {blob.name for blob in self.store.list("runs/")}


def copied(store: BlobStore, clock: SetClock) -> MemoryStore:
    """A copy with the times of the original."""
    copy, now = MemoryStore(clock), clock.time
    for blob in store.list():
        clock.time = blob.modified
        copy.put(blob.name, b"".join(store.get(blob.name)))
    clock.time = now
    return copy
