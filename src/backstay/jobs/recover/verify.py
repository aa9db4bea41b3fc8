"""A real etcd asked whether it holds what the snapshot promises: first in quarantine on a copy, then the one that serves.

The quarantined server gets a copy, because a server writes: its release, its ports and its log would stay in the directory,
and the one that shall serve may be older. Whatever cannot be asked (etcd's own access control wants a user) becomes a note,
never agreement.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from backstay import errors
from backstay.clock import Clock
from backstay.cluster.quarantine import quarantined
from backstay.durable import Disk, translated
from backstay.errors import BackstayError
from backstay.etcd.client import Client
from backstay.etcd.connection import ConnectionOptions
from backstay.jobs.counting import count_by_resource
from backstay.jobs.recover.exchange import remove_tree
from backstay.jobs.recover.plan import RecoverPlan
from backstay.snapshot.opened import open_file
from backstay.snapshot.restore import RestoreResult
from backstay.sources import Entry, Selection
from backstay.sources.live import LiveSource
from backstay.sources.stored import StoredSource
from backstay.values import Revision

POLL_SECONDS = 0.1
ANSWER_SECONDS = 2.0
_WANTS_USER = (errors.PERMISSION_DENIED, errors.AUTHENTICATION_FAILED)


@dataclass(frozen=True, slots=True)
class Comparison:
    """One thing that was predicted from the snapshot, and what a server answered."""

    what: str
    predicted: str
    answered: str

    @property
    def agrees(self) -> bool:
        return self.predicted == self.answered


@dataclass(frozen=True, slots=True)
class Proof:
    """What was compared; all of it agrees. `notes` say what could not be."""

    comparisons: tuple[Comparison, ...]
    notes: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Prediction:
    """What a server on the restored directory must answer."""

    result: RestoreResult
    resources: Mapping[str, int]


def count_restored(database: Path) -> Mapping[str, int]:
    """The keys of a restored database by resource."""
    with StoredSource(open_file(database)) as source:
        return count_by_resource(_real(source.keys(Selection(), sizes=False)))


def prove_in_quarantine(plan: RecoverPlan, prediction: Prediction, log_path: Path, disk: Disk, clock: Clock) -> Proof:
    """Start the plan's etcd on a copy of the restored directory and compare.

    Raises `ETCD_DOES_NOT_START`, `RECOVERY_UNPROVEN`, and what copying meets. The copy is removed, whatever happens; a killed
    recovery's is removed by the next.
    """
    assert plan.program is not None
    copy = copy_place(plan)
    remove_tree(copy, disk)
    try:
        with translated(copy):
            shutil.copytree(plan.data_target, copy)
            if plan.log_target is not None and not plan.log_target.is_relative_to(plan.data_target):
                shutil.copytree(plan.log_target, copy / "member" / "wal")
            elif plan.log_target is not None:
                inside = copy / plan.log_target.relative_to(plan.data_target)
                (copy / "member" / "wal").symlink_to(inside)
        with quarantined(plan.program, copy, log_path, clock, name=plan.cluster_name) as etcd:
            return compare(etcd.options, prediction, clock)
    finally:
        remove_tree(copy, disk)


def copy_place(plan: RecoverPlan) -> Path:
    """Where the copy for the quarantine lies while it is there."""
    return plan.data_target.with_name(f"{plan.data_target.name}.quarantine")


def compare(options: ConnectionOptions, prediction: Prediction, clock: Clock) -> Proof:
    """Ask the server at `options`: HashKV, revision, keys. Raises `RECOVERY_UNPROVEN`."""
    result = prediction.result
    try:
        with Client(options, clock=clock) as client:
            compared = [_hash(client, result)]
            counted = count_by_resource(
                _real(LiveSource(client).keys(Selection(), Revision(result.hash_revision), sizes=False))
            )
    except BackstayError as problem:
        if problem.kind not in _WANTS_USER:
            raise
        return Proof((), (f"the server wants a user, so its content was not compared: {problem}",))
    resources = prediction.resources
    compared.append(Comparison("keys", str(sum(resources.values())), str(sum(counted.values()))))
    compared += [
        Comparison(f"keys of {name}", str(resources.get(name, 0)), str(counted.get(name, 0)))
        for name in sorted({*resources, *counted})
    ]
    differing = [each for each in compared if not each.agrees]
    if differing:
        raise errors.RECOVERY_UNPROVEN.error(
            "etcd does not hold what the snapshot promises",
            where=str(options.endpoints[0]),
            why="; ".join(f"{each.what}: {each.answered} instead of {each.predicted}" for each in differing[:5]),
        )
    return Proof(tuple(compared), ())


def wait_until_serving(plan: RecoverPlan, clock: Clock, seconds: float) -> None:
    """Wait until the real etcd answers a linearizable read. Raises `COMPONENT_STUCK`."""
    deadline = clock.monotonic() + seconds
    options = replace(client_options(plan), command_timeout_seconds=ANSWER_SECONDS, dial_timeout_seconds=ANSWER_SECONDS)
    said = ""
    with Client(options, clock=clock) as client:
        while clock.monotonic() < deadline:
            try:
                client.kv.range(b"health", keys_only=True)
                return
            except BackstayError as problem:
                if problem.kind in _WANTS_USER:
                    return
                said = str(problem)
                clock.sleep(POLL_SECONDS)
    raise errors.COMPONENT_STUCK.error(
        f"etcd does not serve within {seconds:.0f} s", where=plan.client_url, why=said,
        next_step="read its log (`crictl logs` or the unit's journal), then `backstay recover --resume` or `--rollback`",
    )  # fmt: skip


def client_options(plan: RecoverPlan) -> ConnectionOptions:
    """How the real etcd is reached."""
    return ConnectionOptions.of([plan.client_url], plan.credentials)


def _hash(client: Client, result: RestoreResult) -> Comparison:
    try:
        answer = client.maintenance.hash_kv(result.hash_revision)
    except BackstayError as problem:
        if problem.kind is not errors.REVISION_COMPACTED:
            raise
        answer = client.maintenance.hash_kv()  # some releases refuse the compact revision itself
    return Comparison(
        f"HashKV at revision {result.hash_revision}",
        f"{result.hash} (compact revision {result.compact_revision})",
        f"{answer.hash} (compact revision {answer.compact_revision})",
    )


def _real(entries: Iterable[Entry]) -> Iterable[Entry]:
    """Without the record of no key that raises the revision."""
    return (entry for entry in entries if entry.key)
