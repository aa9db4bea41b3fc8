"""The costly part of a backup: the same result from the other process as from this one, and from this one where that fails."""

from __future__ import annotations

from pathlib import Path

import pytest

from backstay.jobs.backup import computing
from backstay.jobs.backup.computing import Computing, compute
from backstay.snapshot.opened import open_file
from tests.backing_up import Cluster, small_history


@pytest.fixture
def snapshot(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A small one that is worth a process all the same."""
    monkeypatch.setattr(computing, "WORTH_A_PROCESS_BYTES", 0)
    monkeypatch.setattr(computing, "_processors", lambda: 2)
    return small_history().file(tmp_path / "snapshot.db")


def compacting(path: Path) -> Path:
    """A snapshot that was taken while a compaction was at work."""
    cluster = Cluster()
    for number in range(40):
        cluster.put(b"key-%d" % (number % 5), b"value %d" % number)
    cluster.compact(30, share=0.4)
    return cluster.file(path)


def test_the_other_process_finds_what_this_one_does(snapshot: Path) -> None:
    with Computing() as begun, open_file(snapshot) as store:
        begun.begin(snapshot)
        assert begun._child is not None
        assert begun.of(store) == compute(store)


def test_what_a_compaction_is_about_to_remove_is_in_neither(snapshot: Path, tmp_path: Path) -> None:
    path = compacting(tmp_path / "compacting.db")
    with Computing() as begun, open_file(path) as store:
        begun.begin(path)
        found = begun.of(store)
        assert found.classification.normalised
        assert found == compute(store)


def test_a_process_that_dies_costs_time_and_nothing_else(snapshot: Path) -> None:
    with Computing() as begun, open_file(snapshot) as store:
        begun.begin(snapshot)
        assert begun._child is not None
        begun._child.kill()
        assert begun.of(store) == compute(store)


def test_what_cannot_be_read_there_is_said_here(snapshot: Path, tmp_path: Path) -> None:
    with Computing() as begun, open_file(snapshot) as store:
        (tmp_path / "none.db").write_bytes(b"none")
        begun.begin(tmp_path / "none.db")
        assert begun.of(store) == compute(store)


def test_leaving_ends_the_process(snapshot: Path) -> None:
    with Computing() as begun:
        begun.begin(snapshot)
        child = begun._child
    assert child is not None
    assert child.returncode is not None


def test_small_snapshots_and_single_processors_get_none(snapshot: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(computing, "_processors", lambda: 1)
    with Computing() as begun:
        begun.begin(snapshot)
        assert begun._child is None


def test_several_repositories_share_one_result(snapshot: Path) -> None:
    with Computing() as begun, open_file(snapshot) as store:
        assert begun.of(store) is begun.of(store)
