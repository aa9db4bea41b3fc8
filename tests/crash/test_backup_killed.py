"""Killed at any call of the store, or at any durable step of a directory, a backup is listed whole or not at all."""

from __future__ import annotations

import random
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from backstay import errors
from backstay.blobs.contract import BlobStore
from backstay.blobs.local import LocalStore
from backstay.blobs.memory import MemoryStore
from backstay.blobs.retrying import Patience, RetryingStore
from backstay.clock import SystemClock
from backstay.errors import BackstayError
from backstay.jobs.points.verify import verify
from backstay.repository.catalogue import read_catalogue
from backstay.repository.memory import decode_memory
from backstay.repository.repository import open_repository
from backstay.snapshot.verify import Level
from backstay.telemetry import SilentProgress
from tests.backing_up import Cluster, Place, small_history
from tests.crash.backup_then_die import beginning
from tests.faulty_disk import DEAD, CountingDisk

ROOT = Path(__file__).resolve().parents[2]
EFFECTS = ("put", "get", "stat", "list")


class Killed(BaseException):
    """What a test throws instead of a signal: nothing may catch it."""


class InterruptedStore:
    """`inner`, whose call number `at` does not come back: before it has its effect, or after."""

    def __init__(self, inner: BlobStore, at: int, failure: Callable[[], BaseException], *, after: bool) -> None:
        self._inner, self._at, self._failure, self._after = inner, at, failure, after
        self.calls = 0

    @property
    def location(self) -> str:
        return self._inner.location

    def __getattr__(self, name: str) -> Any:
        method = getattr(self._inner, name)
        if name not in EFFECTS:
            return method

        def call(*arguments: Any, **options: Any) -> Any:
            self.calls += 1
            if self.calls == self._at and not self._after:
                raise self._failure()
            result = method(*arguments, **options)
            if name == "get":
                result = iter(list(result))
                result = (chunk for chunk in list(result))
            if self.calls == self._at and self._after:
                raise self._failure()
            return result

        return call


def calls_of(place: Place, cluster: Cluster) -> int:
    """How many calls of the store a backup takes."""
    counting = InterruptedStore(copied(place.store), 0, Killed, after=False)
    place.commit(cluster, store=counting, seed=7)  # type: ignore[arg-type]
    return counting.calls


def copied(store: BlobStore) -> MemoryStore:
    copy = MemoryStore()
    for blob in store.list():
        copy.put(blob.name, b"".join(store.get(blob.name)))
    return copy


def assert_every_listed_point_is_rebuilt(place: Place, store: BlobStore) -> int:
    """Every point that is listed reaches `rebuilt`; returns how many there are."""
    repository = open_repository(store, (place.operator,))
    catalogue = read_catalogue(repository).require_sound()
    verified = verify(
        repository, catalogue, catalogue.points, Level.REBUILT,
        spill=Path("/tmp"), entropy=place.entropy, progress=SilentProgress(),
    )  # fmt: skip
    assert all(point.reached is Level.REBUILT for point in verified.points), verified.all_findings
    return len(verified.points)


@pytest.mark.parametrize("is_first", [True, False], ids=["base", "delta"])
def test_a_backup_killed_at_any_call_is_listed_whole_or_not_at_all(is_first: bool) -> None:
    place, cluster = Place(), small_history()
    if not is_first:
        place.back_up(cluster)
        cluster.put(b"later", b"1")
    before = 0 if is_first else 1
    calls = calls_of(place, cluster)
    assert calls > 12
    outcomes = set()
    for at in range(1, calls + 1):
        for after in (False, True):
            store = copied(place.store)
            dying = InterruptedStore(store, at, Killed, after=after)
            with pytest.raises(Killed):
                place.commit(cluster, store=dying, seed=at)  # type: ignore[arg-type]
            listed = assert_every_listed_point_is_rebuilt(place, store)
            outcomes.add(listed - before)
            # The next run remembers nothing of the dead one, and makes its point.
            place.commit(cluster, store=store, seed=1000 + at)
            assert assert_every_listed_point_is_rebuilt(place, store) == listed + 1
    assert outcomes == {0, 1}


@pytest.mark.parametrize("after", [False, True], ids=["lost-request", "lost-answer"])
def test_a_lost_answer_is_not_a_second_point(after: bool) -> None:
    place, cluster = Place(), small_history()
    for at in range(1, calls_of(place, cluster) + 1):
        store = copied(place.store)

        def broken_off() -> BaseException:
            return errors.STORAGE_BROKEN_OFF.error("the connection is gone")

        failing = InterruptedStore(store, at, broken_off, after=after)
        patient = RetryingStore(
            failing,  # type: ignore[arg-type]
            SystemClock(),
            random.Random(1),
            Patience(attempts=3, first_pause_seconds=0.0, longest_pause_seconds=0.0),
        )
        place.commit(cluster, store=patient, seed=at)
        assert assert_every_listed_point_is_rebuilt(place, store) == 1


def test_two_writers_at_once_get_a_number_each_and_need_nothing_of_each_other() -> None:
    place, cluster = Place(), small_history()
    place.back_up(cluster)
    cluster.put(b"more", b"1")
    for at in range(1, calls_of(place, cluster) + 1):
        store = copied(place.store)

        class Interleaved(InterruptedStore):
            """At one call the other writer makes a whole point in between."""

        def other(store: MemoryStore = store, at: int = at) -> BaseException:
            place.commit(cluster, store=store, seed=500 + at)
            return errors.STORAGE_BUSY.error("wait")

        slow = RetryingStore(
            Interleaved(store, at, other, after=False),  # type: ignore[arg-type]
            SystemClock(),
            random.Random(1),
            Patience(attempts=3, first_pause_seconds=0.0, longest_pause_seconds=0.0),
        )
        place.commit(cluster, store=slow, seed=at)
        assert assert_every_listed_point_is_rebuilt(place, store) == 3


def test_a_writer_that_always_loses_says_so_and_leaves_no_point() -> None:
    place, cluster = Place(), small_history()
    place.back_up(cluster)

    class Hurried(MemoryStore):
        def put(self, name: str, content: Any, *, create_only: bool = True) -> int:
            if name.startswith("manifests/"):
                raise errors.BLOB_EXISTS.error(f"`{name}` exists")
            return super().put(name, content, create_only=create_only)

    hurried = Hurried()
    for blob in place.store.list():
        MemoryStore.put(hurried, blob.name, b"".join(place.store.get(blob.name)))
    with pytest.raises(BackstayError) as raised:
        place.commit(cluster, store=hurried)
    # The name that is always taken has nothing under it: such a store is broken, and says so or loses.
    assert raised.value.kind in (errors.COMMIT_LOST, errors.BLOB_NOT_FOUND)
    assert assert_every_listed_point_is_rebuilt(place, hurried) == 1


def test_a_process_killed_at_any_durable_step_leaves_every_listed_point_whole(tmp_path: Path) -> None:
    place, cluster = beginning(tmp_path / "counted")
    counting = CountingDisk()
    place.commit(cluster, store=LocalStore(tmp_path / "counted", counting))
    command = [sys.executable, "-m", "tests.crash.backup_then_die", tmp_path, str(counting.steps)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr
    deaths = dict(line.split() for line in done.stdout.splitlines())
    assert len(deaths) == 2 * counting.steps
    assert set(deaths.values()) == {str(DEAD)}
    place.memory = decode_memory((tmp_path / "memory").read_bytes(), "memory")
    counts = []
    for name in deaths:
        store = LocalStore(tmp_path / name)
        counts.append(assert_every_listed_point_is_rebuilt(place, store))
        place.commit(cluster, store=store)
        assert assert_every_listed_point_is_rebuilt(place, store) == counts[-1] + 1, name
    assert counts == sorted(counts)
    assert set(counts) == {1, 2}
