"""Maintenance killed at any call of the store, interleaved with backups at any, on stale listings: no point is ever lost."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from datetime import timedelta
from typing import Any

import pytest

from backstay import errors
from backstay.blobs.contract import Blob, BlobStore
from backstay.blobs.memory import MemoryStore
from backstay.errors import BackstayError
from backstay.repository.catalogue import read_catalogue
from backstay.repository.continuing import BaseRule
from tests.backing_up import Cluster, small_history
from tests.retaining import Maintained, copied

LONG = BaseRule(timedelta(days=9000), 1e9)
STEPS = ("expire", "fade", "merge", "sweep")
WORDS = ("expire", "fade")
"""Steps that are one commit each and delete nothing."""


class Killed(BaseException):
    """What a test throws instead of a signal: nothing may catch it."""


class StoreWithEvents:
    """`inner`; at call number `at` something happens, before or after its effect."""

    def __init__(self, inner: BlobStore, at: int, event: Callable[[], None], *, after: bool = False) -> None:
        self._inner, self._at, self._event, self._after = inner, at, event, after
        self.calls = 0

    @property
    def location(self) -> str:
        return self._inner.location

    def __getattr__(self, name: str) -> Any:
        method = getattr(self._inner, name)
        if name not in ("put", "get", "stat", "list", "delete"):
            return method

        def call(*arguments: Any, **options: Any) -> Any:
            self.calls += 1
            is_now = self.calls == self._at
            if is_now and not self._after:
                self._event()
            result = method(*arguments, **options)
            if name == "get":
                result = (chunk for chunk in list(result))
            if is_now and self._after:
                self._event()
            return result

        return call


def nothing() -> None:
    """What happens where nothing does."""


def killed() -> None:
    raise Killed


def ready(step: str, *, plaintext: bool = False) -> tuple[Maintained, Cluster]:
    """A repository in which `step` has something to do."""
    place, cluster = Maintained(plaintext=plaintext), small_history()
    for number in range(5):
        cluster.put(b"number", b"%d" % number)
        cluster.put(b"number", b"%d again" % number)
        cluster.put(b"other-%d" % (number % 2), b"x")
        cluster.compact(cluster.revision - 3)  # so that each point has a history that no other needs
        place.back_up(cluster, rule=LONG)
    if step in WORDS:
        return place, cluster
    points = place.catalogue().points
    place.expire([points[0], points[2], points[3]])
    place.fade([points[1]])
    if step == "merge":
        return place, cluster
    place.merge()
    place.store.put("runs/" + points[0].lineage + "/state/2026/11/25/" + "0" * 16 + "-" + "0" * 64, b"an orphan")
    place.pass_time(days=8)
    return place, cluster


def do(place: Maintained, step: str, store: BlobStore | None = None) -> None:
    """One step of maintenance."""
    if step == "expire":
        points = place.catalogue().points
        place.expire([points[1], points[2]], store)
    elif step == "fade":
        points = place.catalogue().points
        place.fade([points[1], points[2]], store)
    elif step == "merge":
        place.merge(store)
    else:
        place.sweep(store)


def changed(place: Maintained, step: str) -> int:
    """How many points a mark or a fade has changed."""
    catalogue = place.catalogue()
    return len(catalogue.expired) if step == "expire" else sum(each.is_state_only for each in catalogue.points)


def on(place: Maintained, store: BlobStore) -> Maintained:
    """The same place with another store."""
    place.store = store
    return place


@pytest.mark.parametrize("step", STEPS)
def test_maintenance_killed_at_any_call_loses_nothing_and_is_finished_by_the_next(step: str) -> None:
    place, cluster = ready(step)
    original, begun, memory = place.store, place.now, place.memory
    counting = StoreWithEvents(copied(original, place.clock), 0, nothing)
    do(place, step, counting)  # type: ignore[arg-type]
    assert counting.calls > 5
    for at in range(1, counting.calls + 1):
        for after in (False, True):
            place.now = place.clock.time = begun
            place.memory = memory
            store = copied(original, place.clock)
            dying = StoreWithEvents(store, at, killed, after=after)
            with pytest.raises(Killed):
                do(on(place, store), step, dying)  # type: ignore[arg-type]
            kept = place.assert_all_restore()
            assert kept == (2 if step not in WORDS else kept)
            place.pass_time(minutes=2)  # the lease of the dead one runs out
            if step in WORDS:
                if not changed(place, step):
                    do(place, step)
                assert changed(place, step) == 2
            else:
                do(place, step)
            place.assert_all_restore()
            if step == "sweep":
                wanted = {run.name for point in place.catalogue().points for run in point.runs}
                assert place.run_names() == wanted
        # Once for each call: the writer goes on.
        place.back_up(cluster, rule=LONG)
        place.assert_all_restore()
    place.store = original


@pytest.mark.parametrize("step", STEPS)
def test_a_backup_at_any_call_of_maintenance_is_whole(step: str) -> None:
    place, cluster = ready(step, plaintext=True)
    cluster.put(b"meanwhile", b"1")
    original, begun, memory = place.store, place.now, place.memory
    counting = StoreWithEvents(copied(original, place.clock), 0, nothing)
    do(place, step, counting)  # type: ignore[arg-type]
    for at in range(1, counting.calls + 1):
        place.now = place.clock.time = begun
        place.memory = memory
        store = copied(original, place.clock)
        on(place, store)
        made: list[str] = []

        def backs_up(made: list[str] = made) -> None:
            made.append(place.back_up(cluster, rule=LONG).manifest.id)

        do(place, step, StoreWithEvents(store, at, backs_up))  # type: ignore[arg-type]
        assert made[0] in {each.id for each in place.catalogue().points}
        place.assert_all_restore()
        place.sweep()
        place.assert_all_restore()
    place.store = original


@pytest.mark.parametrize("steps", [("sweep",), ("expire-all", "sweep"), ("merge",)], ids="-".join)
def test_maintenance_at_any_call_of_a_backup_is_seen_by_it(steps: Sequence[str]) -> None:
    place, cluster = ready("merge" if steps == ("merge",) else "sweep", plaintext=True)
    cluster.put(b"meanwhile", b"1")
    original, begun, memory = place.store, place.now, place.memory
    known = set(place.held)

    def maintain() -> None:
        for step in steps:
            if step == "expire-all":
                place.expire([each for each in place.catalogue().points if each.id in known])
                place.pass_time(days=9)
            else:
                do(place, step)

    counting = StoreWithEvents(copied(original, place.clock), 0, nothing)
    place.commit(cluster, store=counting, rule=LONG, seed=9)  # type: ignore[arg-type]
    for at in range(1, counting.calls + 1):
        place.now = place.clock.time = begun
        place.memory = memory
        on(place, copied(original, place.clock))
        made = place.commit(cluster, store=StoreWithEvents(place.store, at, maintain), rule=LONG, seed=at)  # type: ignore[arg-type]
        place.held[made.manifest.id] = (list(cluster.elements()), cluster.live())
        assert made.manifest.id in {each.id for each in place.catalogue().points}, at
        place.assert_all_restore()
        place.pass_time(days=9)
        place.sweep()
        place.assert_all_restore()
    place.store = original


def test_a_file_that_is_uploaded_before_a_sweep_and_named_after_it_is_not_lost() -> None:
    """The schedule of Medusa #363: a backup finds a file of an old backup in the storage, a purge removes that old backup and
    the file with it, and then the backup commits a manifest that names it."""
    place, cluster = Maintained(), small_history()
    first = place.back_up(cluster, rule=LONG)
    cluster.put(b"new", b"1")

    def purge() -> None:
        place.expire([first.manifest])
        place.pass_time(days=9)
        assert place.sweep().points == (first.manifest.id,)
        assert not any(run.name in place.run_names() for run in first.manifest.runs)

    class PurgedBeforeTheCommit(MemoryStore):
        def put(self, name: str, content: Any, *, create_only: bool = True) -> int:
            if name.startswith("manifests/") and not done:
                done.append(name)
                purge()
            return place.store.put(name, content, create_only=create_only)

        def __getattribute__(self, name: str) -> Any:
            return (
                getattr(place.store, name)
                if name in ("get", "stat", "list", "delete")
                else super().__getattribute__(name)
            )

    done: list[str] = []
    second = place.commit(cluster, store=PurgedBeforeTheCommit(), rule=LONG)
    assert done
    assert "swept" in second.base_reason or "removed" in second.base_reason or "gone" in second.base_reason
    place.held[second.manifest.id] = (list(cluster.elements()), cluster.live())
    assert place.assert_all_restore() == 1


def test_an_agent_that_was_stopped_for_a_week_takes_a_base_and_reports_no_rollback() -> None:
    place, cluster = Maintained(), small_history()
    for number in range(4):
        cluster.put(b"a", b"%d" % number)
        place.back_up(cluster, rule=LONG)
    asleep = place.memory
    # Another agent goes on; everything that the first one knows is merged, expired, swept, and its manifest removed.
    for number in range(4):
        cluster.put(b"b", b"%d" % number)
        place.back_up(cluster, rule=BaseRule(timedelta(0), 0.0))
    points = place.catalogue().points
    place.expire(points[:-1])
    place.merge()
    place.pass_time(days=8)
    assert place.sweep().manifests == len(points) - 1
    place.memory = asleep
    cluster.put(b"c", b"1")
    point = place.back_up(cluster, rule=LONG)
    assert "sweep has removed" in point.base_reason
    assert point.manifest.lineage == points[0].lineage
    assert place.assert_all_restore() == 2


def test_a_manifest_under_a_number_that_had_been_removed_is_noticed_and_made_anew() -> None:
    """A writer reads the head, sleeps for weeks, and finds its number free again because a sweep removed what took it."""
    place, cluster = Maintained(), small_history()
    place.back_up(cluster, rule=LONG)
    cluster.put(b"slow", b"1")
    slept: list[str] = []

    def weeks(name: str) -> None:
        slept.append(name)
        before, other = place.memory, cluster.copy()
        for number in range(3):
            other.put(b"other", b"%d" % number)
            place.back_up(other, rule=BaseRule(timedelta(0), 0.0))
        place.expire(place.catalogue().points[:-1])
        place.pass_time(days=30)
        assert place.sweep().manifests == 3
        place.memory = before

    inner = place.store

    class Slept(MemoryStore):
        def put(self, name: str, content: Any, *, create_only: bool = True) -> int:
            if name.startswith("manifests/") and not slept:
                weeks(name)
            return inner.put(name, content, create_only=create_only)

        def __getattribute__(self, name: str) -> Any:
            return getattr(inner, name) if name in ("get", "stat", "list", "delete") else super().__getattribute__(name)

    made = place.commit(cluster, store=Slept(), rule=LONG)
    assert slept
    place.held[made.manifest.id] = (list(cluster.elements()), cluster.live())
    assert made.manifest.id in {each.id for each in place.catalogue().points}
    place.assert_all_restore()


class StaleStore(MemoryStore):
    """Listings show the state of some calls ago."""

    def __init__(self, place: Maintained, source: random.Random) -> None:
        super().__init__(place.clock)
        self._source = source
        self._before: list[list[Blob]] = []

    def list(self, prefix: str = "") -> Sequence[Blob]:
        self._before.append(list(super().list()))
        seen = self._before[max(0, len(self._before) - 1 - self._source.randrange(4))]
        return [blob for blob in seen if blob.name.startswith(prefix)]


@pytest.mark.parametrize("seed", range(8))
def test_stale_listings_delete_nothing_that_a_point_needs(seed: int) -> None:
    place, cluster = Maintained(seed=seed), small_history()
    source = random.Random(seed)
    stale = StaleStore(place, source)
    for blob in place.store.list():
        stale.put(blob.name, b"".join(place.store.get(blob.name)))
    place.store = stale
    for number in range(10):
        cluster.put(b"a", b"%d" % number)
        for work in (
            lambda: place.back_up(cluster, rule=LONG),
            place.merge,
            lambda: expire_some(place, source),
            place.sweep,
        ):
            try:
                work()
            except BackstayError as problem:
                # Refused, and nothing done: that is what a listing without the newest names may lead to.
                assert problem.kind in REFUSALS, problem
        place.pass_time(hours=source.choice((1, 30, 300)))
    settled = copied_whole(stale, place)
    place.store = settled
    listed = {each.id for each in read_catalogue(place.repository()).require_sound().points}
    for name in listed & place.held.keys():
        point = next(each for each in place.catalogue().points if each.id == name)
        assert place.elements(point) == place.held[name][0]


REFUSALS = (
    errors.RETENTION_CHANGED,
    errors.LEASE_HELD,
    errors.LEASE_LOST,
    errors.CHAIN_BROKEN,
    errors.COMMIT_LOST,
    errors.OBJECT_MISSING,
    errors.REPOSITORY_ROLLED_BACK,
    errors.POINT_NOT_EXPIRED,
)


def copied_whole(store: MemoryStore, place: Maintained) -> MemoryStore:
    copy = MemoryStore(place.clock)
    for blob in MemoryStore.list(store):
        copy.put(blob.name, b"".join(store.get(blob.name)))
    return copy


def expire_some(place: Maintained, source: random.Random) -> None:
    points = read_catalogue(place.repository()).points
    going = [each for each in points[:-1] if source.random() < 0.4]
    if going:
        place.expire(going)
