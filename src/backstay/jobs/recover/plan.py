"""What a recovery will do, as a value: printed by --plan, confirmed, journalled, and carried out from there.

Pure. Everything that a resumed recovery needs is in it, because the one that began may be dead: paths, flags of the founded
cluster, predictions. Seconds are estimates from measured rates; they only order expectations.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from backstay import errors
from backstay.cluster.control_plane import API_SERVER, CONTROLLERS, ETCD, Component, Supervisor
from backstay.cluster.etcd_program import EtcdProgram
from backstay.etcd.connection import Credentials
from backstay.jobs.recover.exchange import Exchange
from backstay.jobs.recover.facts import Owner, RecoverFacts, RecoverOptions
from backstay.snapshot import restore as restoring
from backstay.snapshot.restore import DEFAULT_BUMP, Changes, RestorePlan, Target
from backstay.values import size_text

CHANGES = Changes(bump=DEFAULT_BUMP, clear_alarms=True)
"""Alarms are of the old disk and the old file; carried along they would keep the API server from writing."""

LOG_BYTES = 64 << 20
"""What etcd reserves for the next file of its log as soon as it starts."""

_ID_FORMAT = "%Y%m%dT%H%M%SZ"
_RESTORE_BYTES_PER_SECOND = 8e6
_COPY_BYTES_PER_SECOND = 100e6
_STOP_POD_SECONDS = 30.0
_STOP_UNIT_SECONDS = 5.0


@dataclass(frozen=True, slots=True)
class PlannedStep:
    """One step. `seconds` is an estimate."""

    name: str
    title: str
    seconds: float


@dataclass(frozen=True, slots=True)
class RecoverPlan:
    """A whole recovery. Revisions are main revisions, sizes bytes; `aside` is where manifests wait.

    `data_target` is the directory that the restore makes. It becomes the data directory, or, where that is a mount point and
    cannot be renamed, holds the `member` that does. `program` is None where no real etcd will prove the restored directory.
    """

    id: str
    began: str
    host_root: Path
    snapshot: Path
    snapshot_size: int
    skip_hash_check: bool
    cluster_name: str
    initial_cluster: str
    cluster_token: str
    client_url: str
    authority: str
    certificate: str
    key: str
    components: tuple[Component, ...]
    api_server_port: int | None
    aside: Path
    data_directory: Path
    data_target: Path
    log_directory: Path | None
    log_target: Path | None
    exchanges: tuple[Exchange, ...]
    owner: Owner
    program: EtcdProgram | None
    revision_before: int
    revision_after: int
    is_healthy: bool
    steps: tuple[PlannedStep, ...]
    changes: tuple[str, ...]
    notices: tuple[str, ...]

    @property
    def seconds(self) -> float:
        """The estimate for everything."""
        return sum(step.seconds for step in self.steps)

    @property
    def credentials(self) -> Credentials:
        """How etcd is asked."""
        return Credentials(self.authority, self.certificate, self.key)

    @property
    def targets(self) -> tuple[Target, ...]:
        """What the restore makes."""
        return (Target(self.cluster_name, self.data_target, self.log_target),)

    def component(self, name: str) -> Component | None:
        """The component of this name, None where this host has none."""
        return next((each for each in self.components if each.name == name), None)


def make_plan(facts: RecoverFacts, options: RecoverOptions, began: datetime, host_root: Path) -> RecoverPlan:
    """The plan. Raises `TARGET_FULL` when the disk has no room for a second store."""
    identifier = began.strftime(_ID_FORMAT)
    data_target, log_target, exchanges = _places(facts, identifier)
    restore = restoring.make_plan(
        facts.source, CHANGES, facts.cluster, (Target(facts.etcd.name, data_target, log_target),)
    )
    why_offline = _why_offline(facts, options)
    program = None if why_offline else options.program
    (member,) = facts.cluster.members
    credentials = facts.etcd.credentials
    aside = host_root / "etc/kubernetes" / f"backstay-recover-{identifier}"
    return RecoverPlan(
        id=identifier,
        began=began.isoformat(),
        host_root=host_root,
        snapshot=options.snapshot.absolute(),
        snapshot_size=facts.source.file_size,
        skip_hash_check=options.skip_hash_check,
        cluster_name=facts.cluster_name,
        initial_cluster=",".join(f"{member.name}={url}" for url in member.peer_urls),
        cluster_token=facts.cluster.token,
        client_url=facts.etcd.endpoint,
        authority=credentials.cacert,
        certificate=credentials.cert,
        key=credentials.key,
        components=facts.components,
        api_server_port=facts.api_server_port,
        aside=aside,
        data_directory=facts.data_directory,
        data_target=data_target,
        log_directory=facts.log_directory,
        log_target=log_target,
        exchanges=exchanges,
        owner=facts.owner,
        program=program,
        revision_before=restore.revision_before,
        revision_after=restore.revision_after,
        is_healthy=facts.is_healthy,
        steps=tuple(_steps(facts, restore, program, exchanges, aside)),
        changes=restore.changes,
        notices=tuple(_notices(facts, restore, why_offline)),
    )


def _places(facts: RecoverFacts, identifier: str) -> tuple[Path, Path | None, tuple[Exchange, ...]]:
    """Where the restore writes, and what is exchanged for what."""
    data, log = facts.data_directory, facts.log_directory
    if facts.is_mount_point:
        # A mount point cannot be renamed; what etcd has in it can.
        target = data / f"recover-{identifier}"
        exchanges = [Exchange.of(data / "member", identifier, target / "member")]
    else:
        exchange = Exchange.of(data, identifier)
        target, exchanges = exchange.restored, [exchange]
    if log is None:
        return target, None, tuple(exchanges)
    inside = next((each for each in exchanges if log.is_relative_to(each.live)), None)
    if inside is not None:
        return target, inside.restored / log.relative_to(inside.live), tuple(exchanges)
    exchanges.append(Exchange.of(log, identifier))
    return target, exchanges[-1].restored, tuple(exchanges)


def _why_offline(facts: RecoverFacts, options: RecoverOptions) -> str:
    """Why no real etcd proves the directory before it is used, empty when one does. Raises `TARGET_FULL`."""
    needed = facts.source.file_size + LOG_BYTES
    if facts.disk is not None and facts.disk.is_read_only:
        raise errors.TARGET_UNWRITABLE.error(
            f"`{facts.disk.mount_point}` is mounted read-only", where=str(facts.data_directory)
        )
    if facts.disk is not None and facts.disk.available < needed:
        raise errors.TARGET_FULL.error(
            f"the disk of `{facts.data_directory}` has no room for the restored store",
            where=facts.disk.mount_point,
            why=f"{size_text(needed)} are needed beside the old one, {size_text(facts.disk.available)} are free",
            next_step="free space there (old logs, images, backups), or move other files away; the old data stays until you "
            "remove it",
        )
    if options.program is None:
        return "no etcd program was found on this host (--etcd names one)"
    if facts.disk is not None and facts.disk.available < 2 * needed:
        return "the disk has no room for the copy that a real etcd would be started on"
    return ""


def _steps(
    facts: RecoverFacts,
    restore: RestorePlan,
    program: EtcdProgram | None,
    exchanges: tuple[Exchange, ...],
    aside: Path,
) -> list[PlannedStep]:
    size = restore.source_size
    names = [each.name for each in facts.components]
    with_pods = any(each.supervisor is Supervisor.STATIC_POD for each in facts.components)
    running = any(each.was_running for each in facts.components)
    how = f"move their manifests to {aside}" if with_pods else "stop their units"
    stopping = (_STOP_POD_SECONDS if with_pods else _STOP_UNIT_SECONDS) if running else 1.0
    steps = [
        PlannedStep("check", f"see that {restore.source} is unchanged and that there is room for it", 1.0),
        PlannedStep("stop", f"stop {', '.join(names)}: {how}, and wait until they are gone", stopping),
        PlannedStep(
            "restore",
            f"restore into {exchanges[0].restored} (revision {restore.revision_before} raised to {restore.revision_after})",
            1.0 + size / _RESTORE_BYTES_PER_SECOND,
        ),
    ]
    if program is None:
        steps.append(PlannedStep("prove", "prove the restored directory offline: structure, records, HashKV", 1.0))
    else:
        what = (
            f"start etcd {program.version} on a copy, on ports that nobody knows: revision, HashKV, keys per resource"
        )
        steps.append(PlannedStep("prove", what, 4.0 + size / _COPY_BYTES_PER_SECOND + size / _RESTORE_BYTES_PER_SECOND))
    swapped = "; ".join(f"{each.live} to {each.kept}, the restored one into its place" for each in exchanges)
    steps.append(PlannedStep("exchange", f"move {swapped}", 1.0))
    steps.append(PlannedStep(ETCD, f"start etcd and wait until {facts.etcd.endpoint} serves this data", 10.0))
    if API_SERVER in names:
        where = f"https://127.0.0.1:{facts.api_server_port}/readyz"
        steps.append(PlannedStep(API_SERVER, f"start {API_SERVER} and wait until {where} says 200", 15.0))
    if rest := [name for name in CONTROLLERS if name in names]:
        steps.append(PlannedStep("controllers", f"start {' and '.join(rest)}", 1.0))
    return steps


def _notices(facts: RecoverFacts, restore: RestorePlan, why_offline: str) -> list[str]:
    notices = []
    if facts.is_healthy:
        notices.append(
            f"the cluster `{facts.cluster_name}` is healthy ({facts.why_healthy}): its name will be asked for, and every "
            "write since the snapshot is taken out of service"
        )
    if why_offline:
        notices.append(f"no real etcd proves the restored directory before it is used: {why_offline}")
    if not any(each.name == API_SERVER for each in facts.components):
        notices.append(
            "this host runs no API server: stop all API servers elsewhere first, and restart them afterwards"
        )
    if facts.other_directories:
        listed = ", ".join(map(str, facts.other_directories))
        notices.append(f"other data directories lie beside and are not used: {listed}")
    # Alarms are cleared and the revision is raised here always, so what a restore alone would warn of does not apply.
    notices += [each for each in restore.notices if "API servers before the start" not in each]
    return notices


def plan_to_json(plan: RecoverPlan) -> dict[str, Any]:
    """The plan as the journal keeps it."""
    return {name: _plain(value) for name, value in asdict(plan).items()}


def plan_from_json(fields: Mapping[str, Any]) -> RecoverPlan:
    """The plan of a journal. Raises `KeyError`, `TypeError` and `ValueError` for what is none."""
    values = dict(fields)
    for name in ("host_root", "snapshot", "aside", "data_directory", "data_target"):
        values[name] = Path(values[name])
    for name in ("log_directory", "log_target"):
        values[name] = Path(values[name]) if values[name] is not None else None
    values["components"] = tuple(
        Component(
            each["name"],
            Supervisor(each["supervisor"]),
            each["place"],
            each["was_running"],
            tuple(each["data_directories"]),
        )
        for each in values["components"]
    )
    values["exchanges"] = tuple(
        Exchange(*(Path(each[name]) for name in ("live", "restored", "kept", "rejected")))
        for each in values["exchanges"]
    )
    values["owner"] = Owner(**values["owner"])
    program = values["program"]
    values["program"] = EtcdProgram(Path(program["path"]), program["version"]) if program is not None else None
    values["steps"] = tuple(PlannedStep(**each) for each in values["steps"])
    for name in ("changes", "notices"):
        values[name] = tuple(values[name])
    return RecoverPlan(**values)


def cluster_of(plan: RecoverPlan) -> restoring.NewCluster:
    """The cluster that the plan founds."""
    return restoring.new_cluster(plan.initial_cluster, plan.cluster_token)


def _plain(value: object) -> Any:
    if isinstance(value, Path):
        return str(value)
    if isinstance(value, Supervisor):
        return value.value
    if isinstance(value, dict):
        return {name: _plain(each) for name, each in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(each) for each in value]
    return value
