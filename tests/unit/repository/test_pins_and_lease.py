"""Pins keep what is being read, and the lease keeps two maintainers apart; neither outlives its holder for long."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest

from backstay import errors
from backstay.blobs.memory import MemoryStore
from backstay.blobs.read_only import ReadOnlyStore
from backstay.errors import BackstayError
from backstay.repository.continuing import BaseRule
from backstay.repository.reading import PointReader
from backstay.repository.retention.lease import TTL, break_lease, lease_state, maintaining
from backstay.repository.retention.pins import Pin, pinned, pinned_points, remove_stale_pins
from tests.backing_up import small_history
from tests.retaining import Maintained, SetClock


def two_points(directory: Path) -> Maintained:
    place, cluster = Maintained(spill=directory), small_history()
    place.back_up(cluster)
    cluster.put(b"a", b"later")
    place.back_up(cluster, rule=BaseRule(timedelta(0)))
    return place


def test_a_running_restore_finishes_although_everything_expires(tmp_path: Path) -> None:
    place = two_points(tmp_path)
    point, _ = place.catalogue().points
    with pinned(place.repository(), point, clock=place.clock, entropy=place.entropy) as pin:
        records = PointReader(place.repository(), point).everything()
        found = [next(records)]
        place.expire(place.catalogue().points)
        for _ in range(30):
            place.pass_time(hours=1)
            pin.renew()
            assert point.id not in place.sweep().points
        found += records
        assert sorted(each.element for each in found) == place.held[point.id][0]
    assert point.id in place.sweep().points
    assert not place.store.list("pins/")
    assert not {run.name for run in point.runs} & place.run_names()


def test_a_pin_that_comes_between_a_sweep_and_its_deletions_is_respected_or_refused(tmp_path: Path) -> None:
    """Whoever pins looks for sweeps, whoever sweeps looks for pins: at every call of the sweep one of the two gives way."""
    from tests.crash.test_maintenance_killed import StoreWithEvents, nothing
    from tests.retaining import copied

    place = two_points(tmp_path)
    point, _ = place.catalogue().points
    place.expire([point])
    place.pass_time(hours=25)
    original = place.store
    counting = StoreWithEvents(copied(original, place.clock), 0, nothing)
    place.sweep(counting)  # type: ignore[arg-type]
    outcomes = set()
    for at in range(1, counting.calls + 1):
        place.store = copied(original, place.clock)
        held = pinned(place.repository(), point, clock=place.clock, entropy=place.entropy)
        read: list[str] = []

        def begin(held=held, read=read) -> None:  # type: ignore[no-untyped-def]
            try:
                held.__enter__()
            except BackstayError as problem:
                assert problem.kind is errors.POINT_NOT_FOUND
                read.append("refused")
            else:
                read.append("pinned")

        place.sweep(StoreWithEvents(place.store, at, begin))  # type: ignore[arg-type]
        if read == ["pinned"]:
            assert {run.name for run in point.runs} <= place.run_names(), at
            held.__exit__(None, None, None)
        outcomes |= set(read)
    assert outcomes == {"pinned", "refused"}


def test_a_pin_ends_by_itself_and_is_swept_away(tmp_path: Path) -> None:
    place = two_points(tmp_path)
    point = place.catalogue().points[0]
    place.pass_time(minutes=1)
    Pin(place.store, point.id, place.clock, place.entropy)  # of somebody who is killed
    assert pinned_points(place.store, place.now) == {point.id}
    place.pass_time(minutes=16)
    assert not pinned_points(place.store, place.now)
    assert remove_stale_pins(place.store, place.now) == 0
    place.pass_time(hours=1)
    assert remove_stale_pins(place.store, place.now) == 1


def test_who_may_only_read_restores_without_a_pin(tmp_path: Path) -> None:
    place = two_points(tmp_path)
    point = place.catalogue().points[0]
    repository = place.opened(ReadOnlyStore(place.store))
    with pinned(repository, point, clock=place.clock, entropy=place.entropy) as pin:
        assert not pin.is_put
        pin.renew()
    assert not place.store.list("pins/")


def test_one_holds_the_lease_at_a_time_and_a_dead_one_for_a_minute() -> None:
    clock = SetClock()
    store = MemoryStore(clock)
    with maintaining(store, clock) as lease:
        with pytest.raises(BackstayError) as held, maintaining(store, clock):
            pass
        assert held.value.kind is errors.LEASE_HELD
        assert f"number {lease.number} " in str(held.value)
        for _ in range(5):
            clock.time += timedelta(seconds=40)
            lease.check()
        assert lease_state(store).is_held(clock.time)
    with maintaining(store, clock) as second:
        assert second.number == lease.number + 1
        # It dies without a word: a minute later another one takes over, and it notices.
        clock.time += TTL
        with maintaining(store, clock) as third:
            assert third.number == second.number + 1
            with pytest.raises(BackstayError) as lost:
                second.check()
            assert lost.value.kind is errors.LEASE_LOST


def test_a_broken_lease_stops_its_holder_and_stays_on_record() -> None:
    clock = SetClock()
    store = MemoryStore(clock)
    with maintaining(store, clock) as lease:
        with pytest.raises(BackstayError):
            break_lease(store, lease.number + 1, now=clock.time)
        break_lease(store, lease.number, now=clock.time)
        with pytest.raises(BackstayError) as lost:
            lease.check()
        assert "broken" in str(lost.value)
    assert [blob.name for blob in store.list("gc/") if blob.name.endswith("/broken")]
