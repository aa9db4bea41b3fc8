"""Locks by class: nothing that is locked is deleted, a sweep counts it and goes on, and what must stay longer is locked longer."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from backstay import errors
from backstay.blobs.contract import BlobStore
from backstay.blobs.local import LocalStore
from backstay.blobs.memory import MemoryStore
from backstay.errors import BackstayError
from backstay.jobs.retention.locking import extend_locks, lock_point
from backstay.policy.retention.policy import Policy, Rule
from backstay.repository.continuing import BaseRule
from tests.backing_up import small_history
from tests.retaining import Maintained

POLICY = Policy((Rule.parse("1d:30d"),), timedelta(days=3), 1)
LATER = datetime.now(UTC) + timedelta(days=2)


@pytest.mark.parametrize("kind", ["memory", "local"])
def test_a_locked_object_is_not_deleted_before_its_date(kind: str, tmp_path: Path) -> None:
    store: BlobStore = MemoryStore() if kind == "memory" else LocalStore(tmp_path)
    store.put("runs/a", b"1")
    store.put("runs/b", b"1")
    assert store.locked_until("runs/a") is None
    store.lock("runs/a", LATER)
    store.lock("runs/a", LATER - timedelta(days=1))  # a lock never becomes shorter
    assert store.locked_until("runs/a") == LATER
    with pytest.raises(BackstayError) as raised:
        store.delete("runs/a")
    assert raised.value.kind is errors.BLOB_LOCKED
    assert [blob.name for blob in store.list()] == ["runs/a", "runs/b"]
    store.lock("runs/b", datetime.now(UTC) - timedelta(seconds=1))
    store.delete("runs/b")
    store.put("runs/b", b"2")
    assert store.locked_until("runs/b") is None
    with pytest.raises(BackstayError) as absent:
        store.lock("runs/nothing", LATER)
    assert absent.value.kind is errors.BLOB_NOT_FOUND


def test_a_date_that_cannot_be_read_locks_for_ever(tmp_path: Path) -> None:
    store = LocalStore(tmp_path)
    store.put("a", b"1")
    (tmp_path / ".until-a").write_text("soon\n")
    with pytest.raises(BackstayError) as raised:
        store.delete("a")
    assert raised.value.kind is errors.BLOB_LOCKED


def test_a_sweep_leaves_what_is_locked_counts_it_and_takes_it_later(tmp_path: Path) -> None:
    place, cluster = Maintained(spill=tmp_path), small_history()
    first = place.back_up(cluster)
    lock_point(place.repository(), first.manifest, POLICY)
    cluster.put(b"a", b"2")
    place.memory = None
    place.back_up(cluster)
    place.expire(place.catalogue().points[:1])
    place.pass_time(days=4)
    swept = place.sweep()
    kinds = {name.split("/")[2] for name in swept.locked if name.startswith("runs/")}
    assert kinds == {"base", "history", "entries"}
    assert swept.points == (first.manifest.id,)
    place.pass_time(days=2)  # that of the history ends with the window in which every point is kept
    assert {name.split("/")[2] for name in place.sweep().locked if name.startswith("runs/")} == {"base", "entries"}
    place.pass_time(days=30)
    assert not place.sweep().locked
    assert place.assert_all_restore() == 1
    assert len(place.run_names()) == 3


def test_a_base_that_later_points_rest_upon_is_locked_longer(tmp_path: Path) -> None:
    place, cluster = Maintained(spill=tmp_path), small_history()
    first = place.back_up(cluster)
    base = first.manifest.runs[0].name
    lock_point(place.repository(), first.manifest, POLICY)
    before = place.store.locked_until(base)
    place.pass_time(days=25)
    cluster.put(b"a", b"2")
    second = place.back_up(cluster, rule=BaseRule(timedelta(days=90)))
    place.pass_time(minutes=5)
    done = extend_locks(place.repository(), place.catalogue().points, POLICY, now=place.now)
    assert done.count
    after = place.store.locked_until(base)
    assert before is not None and after is not None
    assert base in {run.name for run in second.manifest.runs}
    assert after > before
    assert extend_locks(place.repository(), place.catalogue().points, POLICY, now=place.now).count == 0
