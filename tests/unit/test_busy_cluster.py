"""The busy cluster of the bench: the same writes from the same seed, and a store that is what etcd would hold."""

from __future__ import annotations

from pathlib import Path

from backstay.snapshot.inspect import inspect
from backstay.snapshot.opened import open_file
from backstay.snapshot.verify import Level, judge
from bench.busy import FULL_KEYS, FULL_WRITES, BusyCluster
from bench.busy_store import BusyStore, advance
from bench.repository import extrapolated

SCALE = 0.05


def busy(scale: float = SCALE) -> tuple[BusyStore, BusyCluster]:
    cluster, store = BusyCluster(scale=scale), BusyStore()
    for key, value in cluster.preload():
        store.write(key, value)
    return store, cluster


def test_the_same_seed_writes_the_same(tmp_path: Path) -> None:
    files = []
    for name in ("first", "second"):
        store, cluster = busy()
        advance(store, cluster)
        store.save(tmp_path / name)
        files.append((tmp_path / name).read_bytes())
    assert files[0] == files[1]


def test_its_size_is_that_of_the_scale() -> None:
    store, cluster = busy()
    assert abs(store.live_keys - FULL_KEYS * SCALE) < FULL_KEYS * SCALE / 20
    before = store.revision
    advance(store, cluster)
    assert abs(store.revision - before - FULL_WRITES * SCALE) < FULL_WRITES * SCALE / 20


def test_a_snapshot_of_it_is_sound(tmp_path: Path) -> None:
    store, cluster = busy()
    for _ in range(3):
        advance(store, cluster)
    store.save(tmp_path / "snapshot.db")
    with open_file(tmp_path / "snapshot.db") as opened:
        inspection = inspect(opened)
        found = [each for check in judge(inspection, Level.COHERENT) for each in check.findings]
        assert not found
        assert inspection.records.live_key_count == store.live_keys
        assert inspection.current_revision == store.revision


def test_the_formula_gives_what_was_worked_out_by_hand() -> None:
    # 34.3 MB a base, 6.68 MB a state, 6.95 MB a history, 2.45 MB a merged state.
    total = extrapolated(34.3, 6.68, 6.95, 2.45)
    assert round(total.kept) == 70  # 57.7 states, 7.2 bases, 4.7 histories of seven days
    assert round(total.with_history) == 125
    assert round(total.thinned) == 32
