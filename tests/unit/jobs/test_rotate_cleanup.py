"""What counts as a good plain backup at a place, and what a cleanup touches."""

from __future__ import annotations

import hashlib
import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

from backstay.blobs.local import LocalStore
from backstay.blobs.memory import MemoryStore
from backstay.jobs.rotate.cleanup import clean
from backstay.jobs.rotate.names import make_name, record_name
from backstay.jobs.rotate.places import Place, examine
from backstay.policy.plain_retention import Retention
from tests import golden

NOW = datetime(2026, 11, 24, 2, 0, tzinfo=UTC)
RETENTION = Retention(timedelta(days=30), keep_last=1)


def _add(store: MemoryStore, age_days: int, content: bytes = b"content", **changes: object) -> str:
    """A backup with its record, some of whose claims may be other than the truth."""
    saved = NOW - timedelta(days=age_days)
    name = make_name(saved, compressed=True)
    ours = {
        "format": 1,
        "file": name,
        "saved": saved.isoformat(),
        "size": len(content),
        "sha256": hashlib.sha256(content).hexdigest(),
        "verified": "coherent",
    }
    store.put(name, content)
    record = {"revision": 1000 - age_days, "backstay": {**ours, **changes}}
    store.put(record_name(name), json.dumps(record).encode())
    return name


def test_a_plain_snapshot_without_a_record_counts_only_if_it_verifies(tmp_path: Path) -> None:
    good, bad = make_name(NOW - timedelta(days=1)), make_name(NOW)
    (tmp_path / good).write_bytes(golden.snapshot("3.6.16"))
    (tmp_path / bad).write_bytes(golden.snapshot("3.6.16")[:-4096])
    found = examine(Place(LocalStore(tmp_path), tmp_path)).backups
    assert {held.file.name: held.file.good for held in found} == {good: True, bad: False}
    assert all(held.flaw == "" for held in found if held.file.good)
    assert all(held.flaw for held in found if not held.file.good)


def test_a_plain_snapshot_without_a_record_does_not_count_where_it_cannot_be_opened() -> None:
    store = MemoryStore()
    store.put(make_name(NOW), golden.snapshot("3.6.16"))
    assert [held.file.good for held in examine(Place(store)).backups] == [False]


def test_a_record_that_does_not_fit_its_backup_makes_it_bad() -> None:
    store = MemoryStore()
    _add(store, 1, size=3)
    _add(store, 2, file="etcd-backup-20260101-000000.db")
    _add(store, 3, verified="listed")
    _add(store, 4, sha256="short")
    assert [held.file.good for held in examine(Place(store)).backups] == [False] * 4


def test_an_old_backup_goes_with_its_record_and_foreign_files_stay() -> None:
    store = MemoryStore()
    new, old = _add(store, 0), _add(store, 40)
    foreign = ["etcd-backup-20200101-000000.db.bak", "etcd-backup-latest.db", "notes.txt"]
    for name in foreign:
        store.put(name, b"somebody's")
    assert clean(Place(store), NOW, RETENTION).removed == (old,)
    assert [blob.name for blob in store.list()] == sorted([new, record_name(new), *foreign])


def test_a_dry_run_removes_nothing() -> None:
    store = MemoryStore()
    _add(store, 0)
    old = _add(store, 40)
    cleanup = clean(Place(store), NOW, RETENTION, dry_run=True)
    assert cleanup.decision.remove == (old,) and cleanup.removed == ()
    assert len(store.list()) == 4


def test_backups_whose_bytes_are_not_those_of_the_record_let_nothing_go() -> None:
    store = MemoryStore()
    _add(store, 0, sha256="0" * 64)
    _add(store, 40)
    cleanup = clean(Place(store), NOW, RETENTION)
    assert cleanup.removed == ()
    assert list(cleanup.flaws.values()) == ["its SHA-256 differs from that in its .json"]


def test_an_old_record_without_its_backup_is_swept_and_a_young_one_is_not() -> None:
    store = MemoryStore()
    old, young = (record_name(make_name(NOW - timedelta(days=days))) for days in (40, 1))
    store.put(old, b"{}")
    store.put(young, b"{}")
    clean(Place(store), NOW, RETENTION)
    assert [blob.name for blob in store.list()] == [young]
