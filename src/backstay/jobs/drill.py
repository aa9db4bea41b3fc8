"""A rehearsed restore: the file is restored into a scratch directory, a real etcd is started on it and asked what it holds.

Called by `backstay drill`. Nothing outside the scratch directory is touched, and that is removed at the end. A drill fails with the
phase that failed; it never passes because something could not be compared: that is said.
"""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path

from backstay import errors
from backstay.clock import Clock
from backstay.cluster.etcd_program import EtcdProgram
from backstay.cluster.quarantine import quarantined
from backstay.durable import Disk
from backstay.errors import BackstayError
from backstay.etcd.client import Client
from backstay.etcd.connection import ConnectionOptions
from backstay.etcd.results import HashKV
from backstay.jobs.counting import count_by_resource
from backstay.snapshot import restore as restoring
from backstay.snapshot.restore import Changes, RestoreResult, Target
from backstay.sources import Selection
from backstay.sources.live import LiveSource
from backstay.sources.opening import open_source
from backstay.telemetry import Progress
from backstay.values import Revision

MEMBER_NAME = "default"


@dataclass(frozen=True, slots=True)
class DrillOptions:
    """`program` of None means a drill without a server: the file is restored and proven offline only.

    `user` and `password` are needed to ask a store whose own access control is on.
    """

    source: Path
    program: EtcdProgram | None
    scratch: Path | None = None
    skip_hash_check: bool = False
    user: str = ""
    password: str = ""


@dataclass(frozen=True, slots=True)
class Phase:
    """One phase and how long it took."""

    name: str
    seconds: float


@dataclass(frozen=True, slots=True)
class Comparison:
    """One thing that was predicted from the file and answered by the server; `answered` is None when it was not asked."""

    what: str
    predicted: str
    answered: str | None

    @property
    def agrees(self) -> bool:
        return self.answered is None or self.answered == self.predicted


@dataclass(frozen=True, slots=True)
class DrillReport:
    """What happened; the fields are stable JSON. `level` is `drilled` only when a real server agreed."""

    source: str
    began: datetime
    passed: bool
    level: str
    revision: int
    keys: int
    resources: Mapping[str, int]
    server: str
    phases: tuple[Phase, ...]
    seconds: float
    comparisons: tuple[Comparison, ...]
    notes: tuple[str, ...]


def drill(options: DrillOptions, *, disk: Disk, clock: Clock, progress: Progress) -> DrillReport:
    """Rehearse the restore of `options.source`. Raises what the restore raises, and `ETCD_DOES_NOT_START`."""
    began, watch = clock.now(), _Stopwatch(clock)
    scratch = Path(tempfile.mkdtemp(prefix="backstay-drill-", dir=options.scratch))
    try:
        data_dir = scratch / "data"
        plan_revision, result = _restore(options, data_dir, disk, progress, watch)
        with watch.phase("count"), open_source(str(data_dir / "member" / "snap" / "db")) as stored:
            resources = count_by_resource(stored.keys(Selection(), sizes=False))
        comparisons: tuple[Comparison, ...] = ()
        notes: tuple[str, ...] = ()
        if options.program is not None:
            progress.begin("asking a real etcd", None)
            comparisons, notes = _ask(options, data_dir, scratch, result, resources, clock, watch)
        else:
            notes = (
                "no real etcd was found: the restore was proven offline (structure, records, HashKV), not drilled",
            )
    finally:
        shutil.rmtree(scratch, ignore_errors=True)
    passed = all(each.agrees for each in comparisons)
    answered = any(each.answered is not None for each in comparisons)
    return DrillReport(
        source=str(options.source),
        began=began,
        passed=passed,
        level="drilled" if passed and answered else "rebuilt" if passed else "listed",
        revision=plan_revision,
        keys=sum(resources.values()),
        resources=resources,
        server=f"etcd {options.program.version}" if options.program is not None else "",
        phases=tuple(watch.phases),
        seconds=watch.total,
        comparisons=comparisons,
        notes=notes,
    )


def _restore(
    options: DrillOptions, data_dir: Path, disk: Disk, progress: Progress, watch: _Stopwatch
) -> tuple[Revision, RestoreResult]:
    cluster = restoring.new_cluster()
    targets = (Target(MEMBER_NAME, data_dir),)
    with restoring.open_source(options.source, skip_hash_check=options.skip_hash_check) as store:
        with watch.phase("check"):
            facts = restoring.examine(store, skip_hash_check=options.skip_hash_check, progress=progress)
        plan = restoring.make_plan(facts, Changes(), cluster, targets)
        with watch.phase("restore"):
            return plan.revision_after, restoring.restore(store, plan, cluster, targets, disk=disk, progress=progress)


def _ask(
    options: DrillOptions,
    data_dir: Path,
    scratch: Path,
    result: RestoreResult,
    resources: Mapping[str, int],
    clock: Clock,
    watch: _Stopwatch,
) -> tuple[tuple[Comparison, ...], tuple[str, ...]]:
    """Start the server and compare; whatever cannot be asked for want of a user is a note."""
    assert options.program is not None
    predicted_hash = f"{result.hash} (compact revision {result.compact_revision})"
    predicted_counts = str(sum(resources.values()))
    with quarantined(options.program, data_dir, scratch / "etcd.log", clock, name=MEMBER_NAME) as etcd:
        watch.add("start", etcd.seconds_to_ready)
        reached = _with_user(etcd.options, options)
        try:
            with watch.phase("compare"), Client(reached, clock=clock) as client:
                answer = _hash_kv(client, result)
                counted = count_by_resource(
                    LiveSource(client).keys(Selection(), Revision(result.hash_revision), sizes=False)
                )
        except BackstayError as problem:
            if problem.kind not in (errors.PERMISSION_DENIED, errors.AUTHENTICATION_FAILED):
                raise
            asked = (
                Comparison(f"HashKV at revision {result.hash_revision}", predicted_hash, None),
                Comparison("keys", predicted_counts, None),
            )
            return asked, (
                f"the server wants a user ({problem.why or problem.what}): give --user to compare what it holds",
            )
    answered_hash = f"{answer.hash} (compact revision {answer.compact_revision})"
    comparisons = [
        Comparison(f"HashKV at revision {result.hash_revision}", predicted_hash, answered_hash),
        Comparison("keys", predicted_counts, str(sum(counted.values()))),
    ]
    comparisons += [
        Comparison(f"keys of {name}", str(resources.get(name, 0)), str(counted.get(name, 0)))
        for name in sorted({*resources, *counted})
        if resources.get(name) != counted.get(name)
    ]
    return tuple(comparisons), ()


def _hash_kv(client: Client, result: RestoreResult) -> HashKV:
    """The server's answer at the predicted revision; releases that refuse the compact revision itself are asked for the newest."""
    try:
        return client.maintenance.hash_kv(result.hash_revision)
    except BackstayError as problem:
        if problem.kind is not errors.REVISION_COMPACTED:
            raise
    return client.maintenance.hash_kv()


def _with_user(reached: ConnectionOptions, options: DrillOptions) -> ConnectionOptions:
    if not options.user:
        return reached
    return replace(reached, credentials=replace(reached.credentials, user=options.user, password=options.password))


class _Stopwatch:
    """Seconds per phase on an injected clock."""

    def __init__(self, clock: Clock) -> None:
        self.phases: list[Phase] = []
        self._clock = clock
        self._begun = clock.monotonic()

    @property
    def total(self) -> float:
        return round(self._clock.monotonic() - self._begun, 3)

    def add(self, name: str, seconds: float) -> None:
        self.phases.append(Phase(name, round(seconds, 3)))

    def phase(self, name: str) -> _RunningPhase:
        return _RunningPhase(self, name, self._clock)


class _RunningPhase:
    """A phase that ends with its block, also when the block fails."""

    def __init__(self, watch: _Stopwatch, name: str, clock: Clock) -> None:
        self._watch, self._name, self._clock = watch, name, clock

    def __enter__(self) -> None:
        self._begun = self._clock.monotonic()

    def __exit__(self, *_: object) -> None:
        self._watch.add(self._name, self._clock.monotonic() - self._begun)
