"""What is measured: one function per row of the table, each with our command, etcd's, and what the goal is.

Ours and theirs run in turns, so that a machine that slows down slows both; the table gives medians. Everything is read
from a warm page cache; targets are new files on the same file system, removed after each run.
"""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median

from bench.measure import Measurement, of_several, run
from bench.stores import Store
from tests.etcd_process import EtcdProcess
from tests.peers import Peer

OURS = (sys.executable, "-m", "backstay")
QUOTA = "--quota-backend-bytes=8589934592"


@dataclass(frozen=True, slots=True)
class Row:
    """One row: ours against something, with the goal for ours / theirs, or for ours in seconds."""

    what: str
    store: str
    ours: Measurement
    theirs: Measurement | None = None
    against: str = ""
    goal_ratio: float | None = None
    goal_seconds: float | None = None
    limit_private_bytes: int | None = None
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Bench:
    """Where and how often to measure, and against whom."""

    peer: Peer
    directory: Path
    runs: int
    private_limit: int = 150 << 20
    rows: list[Row] = field(default_factory=list)

    def alternate(self, *actions: Callable[[], Measurement]) -> list[Measurement]:
        """Each action `runs` times, in turns."""
        results: list[list[Measurement]] = [[] for _ in actions]
        for _ in range(self.runs):
            for action, kept in zip(actions, results, strict=True):
                kept.append(action())
        return [of_several(kept) for kept in results]

    @contextmanager
    def target(self, name: str) -> Iterator[Path]:
        """A new path that is removed afterwards, on an idle disk."""
        path = self.directory / name
        remove(path)
        subprocess.run(["sync", "-f", str(self.directory)], check=True)
        try:
            yield path
        finally:
            remove(path)


def remove(path: Path) -> None:
    """Remove a file or a directory of ours."""
    if path.is_dir():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


def status(bench: Bench, store: Store) -> Iterator[Row]:
    """Structure, revisions, HASH, counts; then the same with HashKV."""
    theirs = [bench.peer.etcdutl or "etcdutl", "snapshot", "status", store.path, "-w", "json"]
    ours, hashed, other = bench.alternate(
        lambda: run([*OURS, "snapshot", "status", store.path, "-w", "json"]),
        lambda: run([*OURS, "hashkv", store.path, "-w", "json"]),
        lambda: run(theirs),
    )
    limit = bench.private_limit
    against = "etcdutl snapshot status"
    yield Row("snapshot status", store.label, ours, other, against, 0.7, limit_private_bytes=limit)
    yield Row("hashkv", store.label, hashed, other, against, 1.2, limit_private_bytes=limit)


def verify(bench: Bench, store: Store) -> Iterator[Row]:
    """Everything that can be found without building anew; etcd has nothing that compares."""
    (ours,) = bench.alternate(lambda: run([*OURS, "snapshot", "verify", store.path, "-o", "json"]))
    yield Row(
        "snapshot verify (to coherent)", store.label, ours, goal_seconds=None, limit_private_bytes=bench.private_limit
    )


def restore(bench: Bench, store: Store) -> Iterator[Row]:
    """A data directory with the trailer compared, against etcdutl's and against a copy with fsync."""

    def restored(*command: str | Path) -> Measurement:
        with bench.target("restored") as target:
            return run([*command, "snapshot", "restore", store.path, "--data-dir", target])

    def restored_by_us() -> Measurement:
        with bench.target("restored") as target:
            return run([*OURS, "snapshot", "restore", store.path, "--data-dir", target, "--keep-revision"])

    def copied() -> Measurement:
        with bench.target("copied") as target:
            return run(["dd", f"if={store.path}", f"of={target}", "bs=1M", "conv=fsync", "status=none"])

    ours, theirs, copy = bench.alternate(restored_by_us, lambda: restored(bench.peer.etcdutl or "etcdutl"), copied)
    limit = bench.private_limit
    yield Row("snapshot restore", store.label, ours, copy, "dd conv=fsync", 1.3, limit_private_bytes=limit)
    yield Row("snapshot restore", store.label, ours, theirs, "etcdutl snapshot restore", 1.0, limit_private_bytes=limit)


def one_key(bench: Bench, store: Store) -> Iterator[Row]:
    """The newest value of one key out of the file; etcd has nothing that compares."""
    (ours,) = bench.alternate(
        lambda: run([*OURS, "get", store.path, store.sample_key, "--as", "raw", "--show-secrets"])
    )
    yield Row("get, one key", store.label, ours, goal_seconds=0.6, limit_private_bytes=bench.private_limit)


def save(bench: Bench, store: Store) -> Iterator[Row]:
    """A living etcd that serves the store is saved while a client puts as fast as it can."""
    with bench.target("serving") as data_dir:
        run([bench.peer.etcdutl or "etcdutl", "snapshot", "restore", store.path, "--data-dir", data_dir])
        with EtcdProcess(bench.peer, data_dir, extra_args=[QUOTA]) as etcd:

            def saved(*command: str | Path) -> Measurement:
                with bench.target("saved.db") as target:
                    return run([*command, f"--endpoints={etcd.endpoint}", "snapshot", "save", target])

            def saved_by_us() -> Measurement:
                with bench.target("saved.db") as target:
                    return run([*OURS, "snapshot", "save", target, "--endpoints", etcd.endpoint])

            def saved_by_etcdctl() -> Measurement:
                return saved(bench.peer.etcdctl)

            quiet = bench.alternate(saved_by_us, saved_by_etcdctl)
            against = "etcdctl snapshot save"
            limit = bench.private_limit
            yield Row(
                "snapshot save, idle server", store.label, quiet[0], quiet[1], against, 1.2, limit_private_bytes=limit
            )
            losses: list[list[tuple[float, float]]] = [[], []]
            busy = bench.alternate(
                lambda: under_load(etcd, saved_by_us, losses[0]),
                lambda: under_load(etcd, saved_by_etcdctl, losses[1]),
            )
            notes = tuple(
                f"puts/s {median(before for before, _ in rates):.0f} before, {median(during for _, during in rates):.0f}"
                f" during {name}"
                for name, rates in zip(("ours", "etcdctl"), losses, strict=True)
            )
            what = "snapshot save, client putting"
            yield Row(what, store.label, busy[0], busy[1], against, 1.2, limit_private_bytes=limit, notes=notes)


def under_load(etcd: EtcdProcess, action: Callable[[], Measurement], rates: list[tuple[float, float]]) -> Measurement:
    """Run `action` while a client puts; adds the puts per second before and during it to `rates`."""
    command = [sys.executable, "-m", "bench.load", etcd.endpoint]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as load:
        time.sleep(3.0)
        begun = time.monotonic()
        measured = action()
        ended = begun + measured.seconds
        answer, _ = load.communicate()
    moments = json.loads(answer)
    before = sum(begun - 2.0 <= moment < begun for moment in moments) / 2.0
    during = sum(begun <= moment < ended for moment in moments) / measured.seconds
    rates.append((before, during))
    return measured


CELLS: dict[str, Callable[[Bench, Store], Iterator[Row]]] = {
    "status": status,
    "verify": verify,
    "restore": restore,
    "get": one_key,
    "save": save,
}
