"""The repository measured: `python -m bench.repository [--scale S] [--write]`, parts chosen with --parts.

    points   bytes that a point of the busy cluster (bench/busy.py) takes, as state and as history, restic 0.14 and zstd
             beside it; 8,640 points by the formula of `extrapolated`
    chain    restore and verify of the longest chain that the base rule allows on that cluster
    living   backup of a living etcd beside `etcdctl snapshot save`, on an idle one and while a client puts (1 GiB, or --size)

`--scale` makes the busy cluster smaller: fewer objects and writes of the same sizes, so bytes go with it. Processor time is what a
busy machine changes least. Needs the peers of `make peers` and Linux.
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from statistics import mean
from typing import NamedTuple

from bench import cells, stores
from bench.__main__ import newest_peer
from bench.busy import INTERVAL_SECONDS, BusyCluster
from bench.busy_store import BusyStore, advance
from bench.cells import OURS, QUOTA
from bench.document import DOCUMENT, put_section
from bench.measure import Measurement, run
from tests import peers
from tests.etcd_process import EtcdProcess
from tests.peers import Tool

MB, MIB = 1_000_000, 1 << 20
POINTS = 8640
"""Every quarter of an hour for ninety days."""
YOUNG_POINTS = 7 * 24 * 3600 // INTERVAL_SECONDS
MERGED = 8
GOALS = {"state": 8.0, "history": 8.0, "unmerged": 80.0, "merged": 40.0, "private": 300, "restore": 60.0}
MOST_CHAIN = 96
"""A base is made every day at the latest."""
RATIO = 8.0
"""... and when the runs since the last one are so many times its size (`repository.continuing.BaseRule`)."""


@dataclass(slots=True)
class Results:
    """What is printed and written."""

    lines: list[str]

    def say(self, text: str = "") -> None:
        """One more line."""
        self.lines.append(text)


class Place:
    """A repository in a directory, with the state and the identity of who uses it."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.repository = directory / "repository"
        self.repository.mkdir(parents=True)
        self._keys = ["--state-dir", str(directory / "state")]
        kit = directory / "kit"
        new = ["--new-identity", str(directory / "identity"), "--recovery-kit", str(kit)]
        run([*OURS, "init", self.repository, *new, *self._keys])

    def backup(self, *source: str | Path) -> Measurement:
        """One point."""
        return run([*OURS, "backup", self.repository, *source, "--cluster", "busy", *self._keys, "--quiet"])

    def restore(self, target: Path) -> Measurement:
        """The newest point as a file."""
        return self._open("restore", "--to", target)

    def verify(self) -> Measurement:
        """The newest point rebuilt into a sink."""
        return self._open("verify", "--level", "rebuilt")

    def runs(self) -> dict[str, list[int]]:
        """Sizes of all stored runs by class, oldest first."""
        files = sorted((path for path in self.repository.glob("runs/*/*/**/*") if path.is_file()), key=_written)
        found: dict[str, list[int]] = {"base": [], "state": [], "history": [], "entries": []}
        for path in files:
            found[path.relative_to(self.repository).parts[2]].append(path.stat().st_size)
        return found

    def _open(self, command: str, *arguments: str | Path) -> Measurement:
        identity = ["--identity", str(self.directory / "identity")]
        return run([*OURS, command, self.repository, *arguments, *identity, *self._keys, "--quiet"])


def main(arguments: list[str]) -> int:
    """Measure what was asked for; returns the exit status."""
    parser = argparse.ArgumentParser(prog="python -m bench.repository", description=__doc__)
    parser.add_argument("--parts", default=",".join(PARTS), help=f"of {','.join(PARTS)}")
    parser.add_argument("--scale", type=float, default=0.1, help="of the busy cluster; 1 is its full size")
    parser.add_argument("--size", type=int, default=1024, help="MiB of the store of `living`")
    parser.add_argument("--runs", type=int, default=3, help="of each command of `living`")
    parser.add_argument("--write", action="store_true", help=f"write the section of {DOCUMENT.name}")
    chosen = parser.parse_args(arguments)
    results = Results(["## The repository", ""])
    with tempfile.TemporaryDirectory(prefix="backstay-bench-", dir=stores.cache_directory().parent) as place:
        for part in chosen.parts.split(","):
            print(f"measuring {part}", file=sys.stderr)
            directory = Path(place) / part
            directory.mkdir()
            PARTS[part](chosen, directory, results)
            shutil.rmtree(directory)
    load = os.getloadavg()
    results.say(
        f"Load average of the last five and fifteen minutes: {load[1]:.1f}, {load[2]:.1f}; {os.cpu_count()} processors."
    )
    text = "\n".join(results.lines)
    print(text)
    if chosen.write:
        put_section("repository", text)
    return 0


# --- the parts ---


def points(chosen: argparse.Namespace, directory: Path, results: Results) -> None:
    """Bytes a point, after `MERGED` intervals; one backup over all of them is what a merge of them leaves."""
    cluster, store = _busy(chosen.scale)
    often, rarely = Place(directory / "often"), Place(directory / "rarely")
    other, snapshot = Restic(directory / "restic"), directory / "snapshot.db"
    advance(store, cluster)  # so that the first base has a compacted history below it, as every real one
    measured: list[Measurement] = []
    packed: list[int] = []
    restic_bytes = [0]
    for number in range(MERGED + 1):
        size = store.save(snapshot)
        measured.append(often.backup("--from", snapshot))
        if number in (0, MERGED):
            rarely.backup("--from", snapshot)
        restic_bytes.append(other.backup(snapshot))
        packed.append(len(_output(["zstd", "-3", "-q", "--stdout", str(snapshot)])) if shutil.which("zstd") else 0)
        advance(store, cluster)
    runs, merged = often.runs(), rarely.runs()["state"]
    state, history = mean(runs["state"]), mean(runs["history"][1:])
    whole = 1 / chosen.scale / MB
    base = runs["base"][0] * whole
    theirs = mean(after - before for before, after in pairwise(restic_bytes[2:])) * whole
    rows = [
        ("the file", size * whole, "", size * whole),
        ("zstd -3 of the file", packed[0] * whole, "", mean(packed) * whole),
        ("restic 0.14", restic_bytes[1] * whole, "", theirs),
        ("**backstay**, state", base, _goal(state * whole, GOALS["state"]), state * whole),
        ("**backstay**, history in the snapshot", 0.0, _goal(history * whole, GOALS["history"]), history * whole),
    ]  # fmt: skip
    results.say(f"### Bytes of a point, busy cluster at scale {chosen.scale:g}, as at scale 1")
    results.say("\n| what | first, MB | each further, MB | goal |\n|---|---:|---:|---|")
    for what, first, goal, each in rows:
        results.say(f"| {what} | {first:,.1f} | {each:,.2f} | {goal} |")
    results.say(f"\n{MERGED} points merged into one run of states: {merged[-1] * whole / MERGED:.2f} MB a point.\n")
    total = extrapolated(base, state * whole, history * whole, merged[-1] * whole / MERGED)
    results.say(
        f"{POINTS:,} points, one every quarter of an hour for ninety days, by the formula of `extrapolated` (a base whenever the"
        f" states since the last one are {RATIO:g} times its size, and every day):\n"
    )
    results.say("| kept | GB | goal |\n|---|---:|---|")
    for what, size_gb, goal in (
        (
            "every point, histories for seven days, which is what a rule `15m for 90d` does",
            total.kept,
            GOALS["unmerged"],
        ),
        ("the same with every history (`--all-within 90d`)", total.with_history, None),
        (f"after seven days one point of {MERGED}, its states merged", total.thinned, GOALS["merged"]),
        ("restic, every point", (restic_bytes[1] * whole + POINTS * theirs) / 1000, None),
        ("plain files", POINTS * size * whole / 1000, None),
    ):
        results.say(f"| {what} | {size_gb:,.0f} | {'' if goal is None else _goal(size_gb, goal)} |")
    results.say()
    cpu = mean(each.processor_seconds for each in measured[1:])
    results.say(
        f"A backup from the file of {size / MIB:.0f} MiB: CPU {cpu:.2f} s ({cpu * 1024 * MIB / size:.1f} s a GiB), "
        f"private {max(each.private_bytes for each in measured) / MIB:.0f} MiB.\n"
    )


class Extrapolated(NamedTuple):
    """GB of `POINTS` points: all of them, all with their history, and thinned."""

    kept: float
    with_history: float
    thinned: float


def extrapolated(base: float, state: float, history: float, merged: float) -> Extrapolated:
    """From MB of one point: states + bases + histories.

    A base is made whenever the states since the last are `RATIO` times its size, but at least one a day. Points of the last seven
    days have their history. Thinned: of the points older than that one of `MERGED` stays, with one run for the states between.
    """

    def bases(each: float) -> float:
        return max(each * POINTS / (RATIO * base), POINTS / MOST_CHAIN) * base

    old = POINTS - YOUNG_POINTS
    states = POINTS * state + bases(state)
    thinned = YOUNG_POINTS * (state + history) + old * merged + bases(merged)
    return Extrapolated((states + YOUNG_POINTS * history) / 1000, (states + POINTS * history) / 1000, thinned / 1000)


def chain(chosen: argparse.Namespace, directory: Path, results: Results) -> None:
    """Back up until a new base is due; restore and verify the point before it."""
    cluster, store = _busy(chosen.scale)
    place, snapshot = Place(directory / "repository"), directory / "snapshot.db"
    size = store.save(snapshot)
    place.backup("--from", snapshot)
    while True:
        runs = place.runs()
        if len(runs["state"]) == MOST_CHAIN - 1 or sum(runs["state"]) > RATIO * runs["base"][0]:
            break
        advance(store, cluster)
        size = store.save(snapshot)
        place.backup("--from", snapshot)
    restored = place.restore(directory / "restored.db")
    verified = place.verify()
    gib = size / (1 << 30)
    seconds = restored.processor_seconds / gib  # one thread does it: on an idle machine these are its seconds
    results.say(
        f"### The longest chain\n\nA store of {size / MIB:.0f} MiB, {len(runs['state'])} runs of states after the base, "
        f"{(runs['base'][0] + sum(runs['state'])) / MB:.0f} MB read:\n"
    )
    results.say("| command | seconds | CPU s | CPU s a GiB | private MiB | goal |\n|---|---:|---:|---:|---:|---|")
    for what, each, goal in (
        ("restore to a file", restored, f"60 s a GiB, by CPU: {_goal(seconds, GOALS['restore'])}"),
        ("verify, rebuilt", verified, ""),
    ):
        results.say(f"| {what} {_row(each, gib)} | {goal} |")
    results.say()


def living(chosen: argparse.Namespace, directory: Path, results: Results) -> None:
    """A backup that finds little new, of an etcd that serves a large store."""
    peer = newest_peer()
    assert peer is not None
    store = stores.prepare(chosen.size * MIB, stores.cache_directory())
    bench = cells.Bench(peer, directory, chosen.runs)
    place = Place(directory / "place")
    data_dir = directory / "serving"
    run(
        [
            peer.etcdutl or "etcdutl",
            "snapshot",
            "restore",
            store.path,
            "--data-dir",
            data_dir,
            "--bump-revision=1000",
            "--mark-compacted",
        ]
    )
    gib = store.size / (1 << 30)
    with EtcdProcess(peer, data_dir, extra_args=[QUOTA]) as etcd:
        first = place.backup("--endpoints", etcd.endpoint)

        def ours() -> Measurement:
            return place.backup("--endpoints", etcd.endpoint)

        def theirs() -> Measurement:
            with bench.target("saved.db") as target:
                return run([peer.etcdctl, f"--endpoints={etcd.endpoint}", "snapshot", "save", target])

        quiet, saved = bench.alternate(ours, theirs)
        losses: list[list[tuple[float, float]]] = [[], []]
        busy, busy_saved = bench.alternate(
            lambda: cells.under_load(etcd, ours, losses[0]), lambda: cells.under_load(etcd, theirs, losses[1])
        )
    results.say(f"### A living etcd of {store.label}, beside `etcdctl snapshot save`\n")
    results.say("| backup | seconds | CPU s | CPU s a GiB | private MiB | etcdctl s | CPU s | ratio (goal 1.2) |")
    results.say("|---|---:|---:|---:|---:|---:|---:|---:|")
    for what, each, other in (
        ("the first, a base", first, saved),
        ("nothing new", quiet, saved),
        ("while a client puts", busy, busy_saved),
    ):
        ratio = each.seconds / other.seconds
        results.say(f"| {what} {_row(each, gib)} | {other.seconds:.2f} | {other.processor_seconds:.2f} | {ratio:.2f} |")
    for name, rates in zip(("backstay backup", "etcdctl"), losses, strict=True):
        before, during = mean(each[0] for each in rates), mean(each[1] for each in rates)
        results.say(
            f"\nputs/s of a client during {name}: {during:.0f}, before {before:.0f} ({1 - during / before:.0%} lost)"
        )
    restored, verified = place.restore(directory / "restored.db"), place.verify()
    results.say("\n| its newest point | seconds | CPU s | CPU s a GiB | private MiB |\n|---|---:|---:|---:|---:|")
    for what, each in (("restored to a file", restored), ("verified, rebuilt", verified)):
        results.say(f"| {what} {_row(each, gib)} |")
    private = max(each.private_bytes for each in (first, quiet, busy, restored, verified)) / MIB
    results.say(
        f"\nPeak private memory {private:.0f} MiB (goal 300 MiB {_mark(private <= GOALS['private'])}), that of the process beside"
        " the proof of a backup included.\n"
    )


PARTS: dict[str, Callable[[argparse.Namespace, Path, Results], None]] = {
    "points": points,
    "chain": chain,
    "living": living,
}


class Restic:
    """A repository of restic's, in its second format: with compression."""

    def __init__(self, directory: Path) -> None:
        found = peers.find_tool("restic")
        self._program = found.directory / "restic" if isinstance(found, Tool) else None
        self._directory = directory
        self._environment = {"RESTIC_PASSWORD": "bench", "RESTIC_CACHE_DIR": str(directory.with_suffix(".cache"))}
        self._run("init", "--repository-version", "2")

    def backup(self, snapshot: Path) -> int:
        """Back the file up under the name it always has; bytes of the repository after it."""
        self._run("backup", str(snapshot))
        return sum(path.stat().st_size for path in self._directory.rglob("*") if path.is_file())

    def _run(self, *arguments: str) -> None:
        if self._program is not None:
            run([self._program, "--quiet", "--repo", self._directory, *arguments], self._environment)


def _busy(scale: float) -> tuple[BusyCluster, BusyStore]:
    cluster, store = BusyCluster(scale=scale), BusyStore()
    for key, value in cluster.preload():
        store.write(key, value)
    advance(store, cluster)
    return cluster, store


def _output(command: list[str]) -> bytes:
    return subprocess.run(command, stdout=subprocess.PIPE, check=True).stdout


def _written(path: Path) -> float:
    return path.stat().st_mtime


def _row(each: Measurement, gib: float) -> str:
    per_gib = each.processor_seconds / gib
    return f"| {each.seconds:.2f} | {each.processor_seconds:.2f} | {per_gib:.2f} | {each.private_bytes / MIB:.0f}"


def _goal(measured: float, goal: float) -> str:
    return f"{goal:g} {_mark(measured <= goal)}"


def _mark(reached: bool) -> str:
    return "reached" if reached else "**missed**"


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
