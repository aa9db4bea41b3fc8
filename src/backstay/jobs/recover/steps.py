"""The steps of a recovery. Each may be done again after any interruption, and `undo` takes all of them back from anywhere.

A step changes the host only through the port, the moves of `cluster` and the exchange; what it gives back is journalled for later
steps. Called by `recovery`.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from backstay import errors
from backstay.clock import Clock
from backstay.cluster import services, static_pods
from backstay.cluster.control_plane import (
    API_SERVER,
    CONTROLLERS,
    ETCD,
    STOP_ORDER,
    Component,
    Supervisor,
    is_locked,
    processes_of,
)
from backstay.cluster.host import Host
from backstay.cluster.readiness import readiness
from backstay.durable import Disk, translated
from backstay.jobs.recover import verify
from backstay.jobs.recover.exchange import put_in_place, remove_tree, take_out
from backstay.jobs.recover.journal import Journal
from backstay.jobs.recover.plan import CHANGES, LOG_BYTES, RecoverPlan, cluster_of
from backstay.jobs.recover.verify import Prediction
from backstay.snapshot import restore as restoring
from backstay.snapshot.restore import RestoreResult, SourceFacts
from backstay.telemetry import Progress

CLOSED = (401, 403)
"""From an API server that lets nobody ask without credentials: it serves, and more cannot be seen. But one that starts also
refuses everybody, until it has read its roles from etcd; so it must say the same for `CLOSED_SECONDS`."""
CLOSED_SECONDS = 15.0

_POLL_SECONDS = 0.1


@dataclass(frozen=True, slots=True)
class Deadlines:
    """Seconds to wait. The kubelet gives a pod 30 s to end and looks at its manifests every 20 s."""

    stop: float = 150.0
    etcd: float = 180.0
    api_server: float = 240.0


@dataclass(slots=True)
class Work:
    """What the steps work with. `source` is known where this very process has examined the snapshot."""

    plan: RecoverPlan
    journal: Journal
    host: Host
    disk: Disk
    clock: Clock
    progress: Progress
    deadlines: Deadlines
    source: SourceFacts | None = None


Result = Mapping[str, Any]
Act = Callable[[Work], Result]


def check(work: Work) -> Result:
    """The snapshot is what was examined, and there is room."""
    plan = work.plan
    if not plan.snapshot.exists():
        raise errors.SOURCE_NOT_FOUND.error(f"`{plan.snapshot}` does not exist", where=str(plan.snapshot))
    size = plan.snapshot.stat().st_size
    if plan.snapshot.is_file() and size != plan.snapshot_size:
        raise errors.SNAPSHOT_INVALID.error(
            "the snapshot has changed since it was examined",
            where=str(plan.snapshot),
            why=f"{size} bytes instead of {plan.snapshot_size}",
        )
    disk = work.host.disk(plan.data_target)
    if disk is not None and disk.available < plan.snapshot_size + LOG_BYTES:
        raise errors.TARGET_FULL.error(f"no room for `{plan.data_target}`", where=disk.mount_point)
    return {}


def stop(work: Work) -> Result:
    """Everything that writes to etcd, then etcd; nothing is touched before all of them are gone."""
    plan = work.plan
    if any(each.supervisor is Supervisor.STATIC_POD for each in plan.components) and not plan.aside.exists():
        with translated(plan.aside):
            work.disk.make_directory(plan.aside, 0o700)
            work.disk.sync_directory(plan.aside.parent)
    for component in sorted(plan.components, key=lambda each: STOP_ORDER.index(each.name)):
        work.progress.begin(f"stopping {component.name}", None)
        if component.supervisor is Supervisor.STATIC_POD:
            static_pods.take_away(component, plan.aside)
        else:
            services.stop_unit(work.host, component)
    for component in plan.components:
        _wait_gone(work, component)
    _refuse_locked(work)
    return {}


def restore(work: Work) -> Result:
    """The new directory beside the old one, with the old one's owner and mode, and what a server on it must answer."""
    plan = work.plan
    for leftover in (plan.data_target, plan.log_target):  # of a killed run: it may be whole, and is cheaper made anew
        if leftover is not None:
            remove_tree(leftover, work.disk)
    cluster, targets = cluster_of(plan), plan.targets
    with restoring.open_source(plan.snapshot, skip_hash_check=plan.skip_hash_check) as store:
        source = work.source or restoring.examine(store, skip_hash_check=plan.skip_hash_check, progress=work.progress)
        restore_plan = restoring.make_plan(source, CHANGES, cluster, targets)
        result = restoring.restore(store, restore_plan, cluster, targets, disk=work.disk, progress=work.progress)
    _own(plan)
    resources = verify.count_restored(plan.data_target / "member" / "snap" / "db")
    return {"restored": asdict(result), "resources": dict(resources)}


def prove(work: Work) -> Result:
    """A real etcd on a copy, where there is one; else what the restore has proven offline stands."""
    if work.plan.program is None:
        return {
            "proof": "offline",
            "comparisons": [],
            "notes": [
                "no real etcd proved the directory before its use: structure, records and HashKV were proven offline"
            ],
        }
    work.progress.begin(f"asking etcd {work.plan.program.version} in quarantine", None)
    log_path = work.journal.path.with_name("quarantine.log")
    proof = verify.prove_in_quarantine(work.plan, prediction(work.journal), log_path, work.disk, work.clock)
    return {"proof": "quarantine", **asdict(proof)}


def exchange(work: Work) -> Result:
    """The log first: etcd takes a database without a log for a new cluster."""
    _refuse_locked(work)
    for each in reversed(work.plan.exchanges):
        put_in_place(each, work.disk)
    _remove_empty(work.plan.data_target)
    return {"kept": [str(each.kept) for each in work.plan.exchanges if each.kept.exists()]}


def start_etcd(work: Work) -> Result:
    """The real etcd on the restored directory, asked the same questions."""
    component = work.plan.component(ETCD)
    if component is not None:
        _start(work, component)
    work.progress.begin("waiting for etcd", None)
    verify.wait_until_serving(work.plan, work.clock, work.deadlines.etcd)
    return asdict(verify.compare(verify.client_options(work.plan), prediction(work.journal), work.clock))


def start_api_server(work: Work) -> Result:
    """The API server, until it says that it is ready."""
    component = work.plan.component(API_SERVER)
    assert component is not None and work.plan.api_server_port is not None
    _start(work, component)
    work.progress.begin("waiting for the API server", None)
    deadline = work.clock.monotonic() + work.deadlines.api_server
    status: int | None = None
    closed_since: float | None = None
    while work.clock.monotonic() < deadline:
        status = readiness(work.plan.api_server_port)
        if status not in CLOSED:
            closed_since = None
        elif closed_since is None:
            closed_since = work.clock.monotonic()
        stays_closed = closed_since is not None and work.clock.monotonic() - closed_since >= CLOSED_SECONDS
        if status == 200 or stays_closed:
            notes = (
                [] if status == 200 else [f"/readyz answered {status}: the API server serves; more needs credentials"]
            )
            return {"ready_at": work.clock.now().isoformat(), "notes": notes}
        work.clock.sleep(_POLL_SECONDS)
    raise errors.COMPONENT_STUCK.error(
        f"the API server is not ready within {work.deadlines.api_server:.0f} s",
        where=f"https://127.0.0.1:{work.plan.api_server_port}/readyz",
        why=f"it answers {status}" if status is not None else "nothing answers",
    )


def start_controllers(work: Work) -> Result:
    """Whoever acts on what the API server says comes last."""
    for name in CONTROLLERS:
        if (component := work.plan.component(name)) is not None:
            _start(work, component)
    return {}


ACTS: Mapping[str, Act] = {
    "check": check,
    "stop": stop,
    "restore": restore,
    "prove": prove,
    "exchange": exchange,
    ETCD: start_etcd,
    API_SERVER: start_api_server,
    "controllers": start_controllers,
}


def prediction(journal: Journal) -> Prediction:
    """What the restore has predicted, from its line in the journal."""
    result = journal.result("restore")
    assert result is not None, "the restore comes before whatever asks for its result"
    return Prediction(RestoreResult(**result["restored"]), result["resources"])


def undo(work: Work) -> tuple[str, ...]:
    """Stop everything, put the old directory and the manifests back; gives the components that run again.

    From any state that a killed recovery or a killed rollback leaves. Whether the old state then works is not waited for: it
    did not before.
    """
    plan, journal = work.plan, work.journal
    if not journal.has_begun("stop"):
        return ()
    stop(work)
    if journal.has_begun("restore") and not journal.has_old_data_back:
        for each in plan.exchanges:
            if journal.has_begun("exchange") or not each.is_done:
                take_out(each, work.disk)
        journal.add("old-data-back")
    _remove_leftovers(work)
    started = []
    for component in reversed(plan.components):
        if component.supervisor is Supervisor.STATIC_POD or component.was_running:
            _start(work, component)
            started.append(component.name)
    _remove_empty(plan.aside)
    return tuple(started)


def tidy(plan: RecoverPlan) -> None:
    """Remove the empty directory where manifests waited."""
    _remove_empty(plan.aside)


def _start(work: Work, component: Component) -> None:
    work.progress.begin(f"starting {component.name}", None)
    if component.supervisor is Supervisor.STATIC_POD:
        static_pods.put_back(component, work.plan.aside)
    else:
        services.start_unit(work.host, component)


def _wait_gone(work: Work, component: Component) -> None:
    """Wait for containers and processes; what the kubelet leaves running is stopped through the runtime at half time."""
    work.progress.begin(f"waiting until {component.name} is gone", None)
    begun = work.clock.monotonic()
    was_helped = False
    while True:
        processes = processes_of(work.host, component)
        contained = component.supervisor is Supervisor.STATIC_POD and static_pods.has_containers(work.host, component)
        if not processes and not contained:
            return
        waited = work.clock.monotonic() - begun
        if contained and not was_helped and waited > work.deadlines.stop / 2:
            static_pods.stop_containers(work.host, component)
            was_helped = True
        if waited > work.deadlines.stop:
            pids = ", ".join(str(each.pid) for each in processes) or "its container"
            raise errors.COMPONENT_STUCK.error(
                f"{component.name} does not end within {work.deadlines.stop:.0f} s",
                where=f"process {pids}",
                why="its manifest is away; only a kubelet that runs ends it"
                if component.supervisor is Supervisor.STATIC_POD
                else "its unit was stopped",
                next_step="see that the kubelet runs (`systemctl status kubelet`) or end the process, then "
                "`backstay recover --resume`",
            )
        work.clock.sleep(_POLL_SECONDS)


def _refuse_locked(work: Work) -> None:
    database = work.plan.data_directory / "member" / "snap" / "db"
    if is_locked(database):
        raise errors.DIRECTORY_IN_USE.error(
            f"`{work.plan.data_directory}` is in use",
            where=str(database),
            why="every known component is stopped, and still a process holds its lock",
            next_step=f"find it with `fuser {database}`, end it, then `backstay recover --resume`",
        )


def _own(plan: RecoverPlan) -> None:
    """Give everything restored to the old owner, and the directory its old mode."""
    roots = [each for each in (plan.data_target, plan.log_target) if each is not None]
    with translated(plan.data_target):
        if os.geteuid() == 0:
            for root in roots:
                for each in (root, *root.rglob("*")):
                    os.chown(each, plan.owner.uid, plan.owner.gid)
        plan.data_target.chmod(plan.owner.mode)


def _remove_leftovers(work: Work) -> None:
    """Remove what no etcd but a quarantined one has ever used; what the real one has written to stays."""
    plan = work.plan
    leftovers = [verify.copy_place(plan), _unfinished(plan.data_target), _unfinished(plan.log_target)]
    if work.journal.result("exchange") is None:
        leftovers += [each.rejected for each in plan.exchanges]
    for leftover in leftovers:
        if leftover is not None:
            remove_tree(leftover, work.disk)
    _remove_empty(plan.data_target)


def _unfinished(target: Path | None) -> Path | None:
    """What a killed restore leaves beside its target."""
    return target.with_name(f"{target.name}.part") if target is not None else None


def _remove_empty(directory: Path) -> None:
    """Remove a directory of ours that has become empty; others stay."""
    if directory.is_dir() and not directory.is_symlink() and not any(directory.iterdir()):
        shutil.rmtree(directory)
