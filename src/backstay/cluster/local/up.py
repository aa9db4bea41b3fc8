"""Bringing a cluster up: made where it is new, continued where it was interrupted, started where it stands still.

Every step looks first whether it is done, so the same function founds, resumes and starts. When it raises, the members that it
has started go on: `down` ends them, and doing it again goes on.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime

from backstay import errors
from backstay.clock import Clock
from backstay.cluster.certificates import PkiWish, make_plan, write_certificates
from backstay.cluster.local import growing
from backstay.cluster.local.description import FILE_NAME, LocalCluster, LocalMember, Origin, encode_cluster
from backstay.cluster.local.grown_directory import Promise, promise_of
from backstay.cluster.local.members import REFUSED_AND_ALIVE, Starter
from backstay.cluster.local.plan import UpPlan, targets_of
from backstay.durable import Disk, translated, write_durable
from backstay.errors import BackstayError
from backstay.etcd.client import Client
from backstay.snapshot import restore as restoring
from backstay.telemetry import Progress
from backstay.values import Revision

DIRECTORY_MODE = 0o700
AGREE_SECONDS = 30.0
POLL_SECONDS = 0.05


@dataclass(frozen=True, slots=True)
class UpTools:
    """What bringing up needs of the world."""

    disk: Disk
    clock: Clock
    progress: Progress
    entropy: Callable[[int], bytes]


@dataclass(frozen=True, slots=True)
class UpReport:
    """A cluster that serves. `hash` is the HashKV of all members at `revision`, None where users are needed to ask for it;
    `is_proven` says that the source promised it.
    """

    cluster: LocalCluster
    revision: int | None
    hash: int | None
    is_proven: bool
    began: datetime
    seconds: float
    environment: dict[str, str]


def bring_up(plan: UpPlan, tools: UpTools, *, user: str = "", password: str = "") -> UpReport:
    """Carry out `plan`.

    Raises `ETCD_DOES_NOT_START`, `CLUSTER_NOT_READY`, `MEMBERS_DISAGREE`, `CLUSTER_BUSY`, and what restoring and writing say.
    """
    cluster, clock = plan.cluster, tools.clock
    began, start = clock.now(), clock.monotonic()
    if plan.is_new:
        with translated(cluster.directory):
            if not cluster.directory.is_dir():
                tools.disk.make_directory(cluster.directory, DIRECTORY_MODE)
                tools.disk.sync_directory(cluster.directory.parent)
    with exclusive(cluster):
        if plan.is_new:
            write_durable(tools.disk, cluster.directory / FILE_NAME, encode_cluster(cluster))
        if cluster.is_tls:
            tools.progress.begin("making certificates", None)
            write_certificates(make_plan(PkiWish(cluster.pki), began), tools.disk, tools.entropy)
        restored = _restored(cluster, tools)
        promise = plan.promise or restored
        starter = Starter(cluster, tools.disk, clock, tools.progress, user, password)
        if cluster.origin is Origin.DIRECTORY:
            growing.grow(starter)
        else:
            for member in cluster.members:
                starter.start(member, cluster.initial_cluster, "new")
            for member in cluster.members:
                starter.wait_until_serving(member)
        tools.progress.begin("comparing the members", None)
        agreed = _agreed(starter, promise)
    return UpReport(
        cluster,
        agreed.revision if agreed is not None else None,
        agreed.hash if agreed is not None else None,
        agreed is not None and promise is not None,
        began,
        round(clock.monotonic() - start, 3),
        cluster.environment(),
    )


@contextlib.contextmanager
def exclusive(cluster: LocalCluster) -> Iterator[None]:
    """Nobody else brings this cluster up or down meanwhile. Raises `CLUSTER_BUSY`."""
    with translated(cluster.directory):
        descriptor = os.open(cluster.directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise errors.CLUSTER_BUSY.error(
                f"another command is at work on `{cluster.directory}`", where=str(cluster.directory)
            ) from None
        yield
    finally:
        os.close(descriptor)


def _restored(cluster: LocalCluster, tools: UpTools) -> Promise | None:
    """What a restored cluster must answer, where the directories of the members were made just now."""
    if cluster.data.exists():
        return None
    if cluster.origin is not Origin.FILE:
        with translated(cluster.data):
            tools.disk.make_directory(cluster.data, DIRECTORY_MODE)
        return None
    assert cluster.source is not None
    new, targets = targets_of(cluster)
    with restoring.open_source(cluster.source, skip_hash_check=False) as store:
        facts = restoring.examine(store, skip_hash_check=False, progress=tools.progress)
        plan = restoring.make_plan(facts, restoring.Changes(), new, targets)
        restoring.restore(store, plan, new, targets, disk=tools.disk, progress=tools.progress, parent=cluster.data)
    return promise_of(cluster.members[0].data_directory, cluster.program)


def _agreed(starter: Starter, promise: Promise | None) -> Promise | None:
    """What all members answer, None where only users of the store may ask.

    Raises `MEMBERS_DISAGREE` when they do not come to agree, with each other and with `promise`.
    """
    cluster, clock = starter.cluster, starter.clock
    deadline = clock.monotonic() + AGREE_SECONDS
    problem: BackstayError | None = None
    answers: dict[str, Promise] = {}
    with contextlib.ExitStack() as opened:
        clients = [opened.enter_context(starter.client(member)) for member in cluster.members]
        while clock.monotonic() < deadline:
            try:
                answers = _answers(cluster.members, clients, promise)
            except BackstayError as said:
                if said.kind in REFUSED_AND_ALIVE:
                    return None
                problem = said  # it lags, or has just compacted
            else:
                problem, found = None, set(answers.values())
                if len(found) == 1 and promise in (None, *found):
                    return found.pop()
            clock.sleep(POLL_SECONDS)
    if problem is None:
        why = ", ".join(f"{name}: {each.hash} at revision {each.revision}" for name, each in answers.items())
    elif problem.kind is errors.REVISION_FUTURE:
        why = f"{problem.where} does not come to have all revisions"
    else:
        raise problem
    raise errors.MEMBERS_DISAGREE.error(
        f"the members of `{cluster.directory}` do not hold the same",
        where=str(cluster.directory),
        why=why + (f"; the source promised {promise.hash} at revision {promise.revision}" if promise else ""),
    )


def _answers(members: tuple[LocalMember, ...], clients: list[Client], promise: Promise | None) -> dict[str, Promise]:
    """The HashKV of each member at the promised revision, or at the newest one."""
    revision = promise.revision if promise is not None else _newest(clients[0])
    return {member.name: _hash(client, revision) for member, client in zip(members, clients, strict=True)}


def _newest(client: Client) -> Revision:
    return client.kv.range(b"health", keys_only=True).header.revision


def _hash(client: Client, revision: Revision) -> Promise:
    """Releases that refuse the compact revision itself are asked for the newest, which it is after a restore."""
    try:
        return Promise(revision, client.maintenance.hash_kv(revision).hash)
    except BackstayError as problem:
        if problem.kind is not errors.REVISION_COMPACTED:
            raise
    answer = client.maintenance.hash_kv()
    return Promise(answer.revision, answer.hash)
