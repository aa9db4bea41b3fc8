"""What must be known before a recovery is planned, and the refusal of hosts and clusters that must not be touched.

Reads only. Everything about the host comes through the port `Host` and discovery; the snapshot is verified whole.
"""

from __future__ import annotations

import os
import socket
from dataclasses import dataclass, replace
from pathlib import Path

from backstay import errors
from backstay.clock import Clock
from backstay.cluster.control_plane import API_SERVER, MANIFESTS, Component, Supervisor, components_of, is_locked
from backstay.cluster.etcd_program import EtcdProgram
from backstay.cluster.host import DiskSpace, Host
from backstay.cluster.readiness import DEFAULT_PORT
from backstay.errors import BackstayError
from backstay.etcd.client import Client
from backstay.etcd.connection import ConnectionOptions
from backstay.etcd.discovery import Discovery, HostFiles, Installation, InstallationKind, discover
from backstay.etcd.discovery.static_pod import API_SERVER_MANIFEST, KUBEADM_MANIFEST, read_flags
from backstay.etcd.health import check_health
from backstay.formats import schema
from backstay.snapshot import restore as restoring
from backstay.snapshot.contents import Contents
from backstay.snapshot.opened import open_file
from backstay.snapshot.restore import NewCluster, SourceFacts
from backstay.snapshot.restore.members import DEFAULT_NAME, DEFAULT_PEER_URLS, DEFAULT_TOKEN
from backstay.telemetry import Progress

OPENSHIFT_MANIFEST = f"{MANIFESTS}/etcd-pod.yaml"
ASK_SECONDS = 3.0
DATA_MODE = 0o700
_RECOVERABLE = (InstallationKind.STATIC_POD, InstallationKind.SYSTEMD)


@dataclass(frozen=True, slots=True)
class RecoverOptions:
    """What the user said. `program` is the etcd that proves the restored directory, None where there is none."""

    snapshot: Path
    data_dir: Path | None = None
    program: EtcdProgram | None = None
    skip_hash_check: bool = False


@dataclass(frozen=True, slots=True)
class Owner:
    """Whose a directory is and who may enter it."""

    uid: int
    gid: int
    mode: int


@dataclass(frozen=True, slots=True)
class RecoverFacts:
    """One recoverable host and one sound snapshot. Directories are where this process sees them, links resolved."""

    etcd: Installation
    components: tuple[Component, ...]
    source: SourceFacts
    cluster: NewCluster
    data_directory: Path
    is_mount_point: bool
    log_directory: Path | None
    owner: Owner
    disk: DiskSpace | None
    why_healthy: str
    api_server_port: int | None
    other_directories: tuple[Path, ...]

    @property
    def is_healthy(self) -> bool:
        """Whether the cluster serves, as far as can be seen."""
        return bool(self.why_healthy)

    @property
    def cluster_name(self) -> str:
        """What must be typed to recover a healthy cluster: its member's name, etcd's --name."""
        return self.etcd.name


def gather_facts(options: RecoverOptions, host: Host, clock: Clock, progress: Progress) -> RecoverFacts:
    """Look at the host and at the whole snapshot.

    Raises `HOST_REFUSED` without the right to act, `NO_ETCD_FOUND`, `INSTALLATION_UNCLEAR`, `LAYOUT_UNSUPPORTED`, and what
    examining a snapshot raises.
    """
    etcd = _choose(discover(host.root), host, options.data_dir)
    assert etcd.data_dir is not None
    data_directory = etcd.data_dir.resolve()
    _refuse_unwritable(data_directory.parent)
    cluster = _founded_cluster(etcd)
    with restoring.open_source(options.snapshot, skip_hash_check=options.skip_hash_check) as store:
        source = restoring.examine(store, skip_hash_check=options.skip_hash_check, progress=progress)
    progress.begin("asking etcd", None)
    members = _members_of(etcd, data_directory, clock)
    _refuse_several(members or source.member_names, "the cluster has" if members else "the snapshot holds")
    mount = host.disk(data_directory)
    is_mount_point = data_directory.exists() and mount is not None and mount.mount_point == str(data_directory)
    return RecoverFacts(
        etcd=etcd,
        components=components_of(host, etcd),
        source=source,
        cluster=cluster,
        data_directory=data_directory,
        is_mount_point=is_mount_point,
        log_directory=_log_directory(etcd, data_directory),
        owner=_owner(data_directory),
        disk=mount,
        why_healthy=_why_healthy(etcd, data_directory, clock),
        api_server_port=_api_server_port(host, components_of(host, etcd)),
        other_directories=_other_directories(data_directory),
    )


def refuse_healthy(facts: RecoverFacts, cluster_name: str) -> None:
    """Raise `CLUSTER_HEALTHY` unless the cluster is unwell, or its name was typed."""
    if not facts.is_healthy or cluster_name == facts.cluster_name:
        return
    typed = f"`{cluster_name}` was typed; " if cluster_name else ""
    raise errors.CLUSTER_HEALTHY.error(
        f"the cluster `{facts.cluster_name}` is healthy",
        where=facts.etcd.endpoint,
        why=f"{typed}{facts.why_healthy}",
        next_step=f"to replace its data all the same, add --cluster-name {facts.cluster_name}",
    )


def _choose(discovery: Discovery, host: Host, named: Path | None) -> Installation:
    """The one etcd that is meant and can be recovered."""
    _refuse_foreign(discovery, host)
    manifests = host.path(MANIFESTS)
    if manifests.is_dir():
        _refuse_unwritable(manifests)
    unreadable = [each for each in discovery.findings if each.subject.startswith(str(manifests))]
    if unreadable:
        raise errors.INSTALLATION_UNCLEAR.error(
            "a manifest of the control plane cannot be understood",
            where=unreadable[0].subject,
            why=unreadable[0].evidence,
            next_step="repair this file (`kubeadm init phase etcd local` and `kubeadm init phase control-plane all` write "
            "new ones), then run the same command again",
        )
    own = [each for each in discovery.found if each.kind in _RECOVERABLE and each.data_dir is not None]
    if named is not None:
        fitting = [each for each in own if each.data_dir is not None and each.data_dir.resolve() == named.resolve()]
        if not fitting:
            known = ", ".join(str(each.data_dir) for each in own) or "none"
            raise errors.INSTALLATION_UNCLEAR.error(
                f"no etcd of this host keeps its data in `{named}`", where="--data-dir", why=f"found: {known}"
            )
        return fitting[0]
    if not own:
        raise _nothing_recoverable(discovery, host)
    with_data = [each for each in own if each.data_dir is not None and (each.data_dir / "member").is_dir()]
    if len(with_data) > 1:
        raise errors.INSTALLATION_UNCLEAR.error(
            "this host has two etcd data directories",
            where=", ".join(str(each.data_dir) for each in with_data),
            why="; ".join(f"{each} keeps its data in {each.data_dir}" for each in with_data),
            next_step="say which one is meant: " + " or ".join(f"--data-dir {each.data_dir}" for each in with_data),
        )
    return (with_data or own)[0]


def _refuse_foreign(discovery: Discovery, host: Host) -> None:
    """Raise `LAYOUT_UNSUPPORTED` for the distributions that manage etcd themselves."""
    own_ways = {
        InstallationKind.K3S: "k3s runs etcd inside its own process: `k3s server --cluster-reset "
        "--cluster-reset-restore-path=FILE` restores it; backstay's part for k3s comes later",
        InstallationKind.RKE2: "RKE2 manages its etcd itself: `rke2 server --cluster-reset --cluster-reset-restore-path=FILE` "
        "restores it; backstay's part for RKE2 comes later",
    }
    for each in discovery.found:
        if each.kind in own_ways:
            raise errors.LAYOUT_UNSUPPORTED.error(
                f"this host runs {each.kind.value}", where=str(each.found_in), why=own_ways[each.kind]
            )
    if host.path(OPENSHIFT_MANIFEST).exists():
        raise errors.LAYOUT_UNSUPPORTED.error(
            "this host runs OpenShift",
            where=str(host.path(OPENSHIFT_MANIFEST)),
            why="its cluster-etcd-operator owns etcd: `cluster-restore.sh` restores it; backstay's part for it comes later",
        )


def _nothing_recoverable(discovery: Discovery, host: Host) -> BackstayError:
    kinds = {each.kind for each in discovery.found}
    if InstallationKind.EXTERNAL in kinds and InstallationKind.KUBEADM_FILES not in kinds:
        external = next(each for each in discovery.found if each.kind is InstallationKind.EXTERNAL)
        return errors.NO_ETCD_FOUND.error(
            "etcd does not run on this host",
            where=str(external.found_in),
            why=f"its API server uses {', '.join(external.client_urls)}",
            next_step="run the command on the host where etcd runs; stop this API server (move its manifest away) first",
        )
    if kinds:
        manifest = host.path(KUBEADM_MANIFEST)
        return errors.INSTALLATION_UNCLEAR.error(
            "how etcd is run on this host cannot be found out",
            where=str(manifest),
            why=f"there are traces of it ({'; '.join(map(str, discovery.found))}), but neither its manifest nor its unit",
            next_step=f"put etcd's manifest back to {manifest} (it may lie in a directory beside), then run this again",
        )
    return errors.NO_ETCD_FOUND.error(
        "no etcd was found on this host",
        why=f"looked at {', '.join(discovery.looked_at)}",
        next_step="run the command on the control-plane host; anywhere else use `backstay snapshot restore` or "
        "`backstay drill`",
    )


def _refuse_unwritable(directory: Path) -> None:
    existing = directory
    while not existing.exists() and existing != existing.parent:
        existing = existing.parent
    if not os.access(existing, os.W_OK | os.X_OK):
        raise errors.HOST_REFUSED.error(
            "a recovery needs the right to stop the control plane and to move its files",
            where=str(existing),
            why="this user may not write there",
            next_step="run the same command with sudo",
        )


def _founded_cluster(etcd: Installation) -> NewCluster:
    peer_urls = etcd.flags.get("initial-advertise-peer-urls") or DEFAULT_PEER_URLS
    alone = ",".join(f"{etcd.name or DEFAULT_NAME}={url.strip()}" for url in peer_urls.split(","))
    cluster = restoring.new_cluster(
        etcd.flags.get("initial-cluster") or alone, etcd.flags.get("initial-cluster-token") or DEFAULT_TOKEN
    )
    _refuse_several(tuple(member.name for member in cluster.members), "--initial-cluster names")
    cluster.member(etcd.name)
    return cluster


def _refuse_several(members: tuple[str, ...], who_says: str) -> None:
    if len(members) > 1:
        raise errors.LAYOUT_UNSUPPORTED.error(
            f"this is a cluster of {len(members)} members",
            why=f"{who_says} {', '.join(members)}; recovering several members at once comes later",
            next_step="stop the control plane on every host, restore each member from the same file with `backstay snapshot "
            "restore --all-members`, copy the directories to their hosts, and start them together",
        )


def _members_of(etcd: Installation, data_directory: Path, clock: Clock) -> tuple[str, ...]:
    """The names of the members as the living etcd or its database says; nothing where neither can be read."""
    try:
        if is_locked(data_directory / "member" / "snap" / "db"):
            with Client(_quick(etcd), clock=clock) as client:
                return tuple(each.name or f"{each.member_id:x}" for each in client.cluster.members().members)
        contents = Contents()
        with open_file(data_directory / "member" / "snap" / "db") as store:
            for key, value in store.bucket_items(schema.MEMBERS):
                contents.take(schema.MEMBERS, key, value)
        return tuple(each.name or f"{each.id:x}" for each in contents.members)
    except BackstayError:
        return ()


def _why_healthy(etcd: Installation, data_directory: Path, clock: Clock) -> str:
    """Why the cluster counts as healthy, empty when it does not.

    An etcd that runs and cannot be asked because of our own certificate may well be healthy: that counts too.
    """
    if not _accepts_connections(etcd):
        return ""
    try:
        (health,) = check_health(_quick(etcd), clock=clock)
    except BackstayError as problem:
        if is_locked(data_directory / "member" / "snap" / "db"):
            return f"etcd runs, and cannot be asked how it is: {problem}"
        return ""
    return "etcd answers reads and has no alarm" if health.is_healthy else ""


def _accepts_connections(etcd: Installation) -> bool:
    """Whether anybody listens at etcd's address: a refused connection is quicker than a client's deadline."""
    (endpoint,) = _quick(etcd).endpoints
    if endpoint.is_unix:
        return Path(endpoint.host).exists()
    try:
        socket.create_connection((endpoint.host, endpoint.port), timeout=ASK_SECONDS).close()
    except OSError:
        return False
    return True


def _quick(etcd: Installation) -> ConnectionOptions:
    options = ConnectionOptions.of([etcd.endpoint], etcd.credentials)
    return replace(options, dial_timeout_seconds=ASK_SECONDS, command_timeout_seconds=ASK_SECONDS)


def _log_directory(etcd: Installation, data_directory: Path) -> Path | None:
    """Where the log is when --wal-dir leads out of `DATA/member/wal`."""
    named = etcd.paths.get("wal-dir")
    if named is None or named.resolve() == data_directory / "member" / "wal":
        return None
    return named.resolve()


def _owner(data_directory: Path) -> Owner:
    try:
        status = data_directory.stat()
    except OSError:
        return Owner(os.geteuid(), os.getegid(), DATA_MODE)
    return Owner(status.st_uid, status.st_gid, status.st_mode & 0o7777)


def _api_server_port(host: Host, components: tuple[Component, ...]) -> int | None:
    """The port of this host's API server, None where it has none."""
    component = next((each for each in components if each.name == API_SERVER), None)
    if component is None:
        return None
    flags = {}
    if component.supervisor is Supervisor.STATIC_POD:
        try:
            flags = dict(read_flags(HostFiles(host.root), API_SERVER_MANIFEST, API_SERVER))
        except (OSError, ValueError) as problem:
            raise errors.INSTALLATION_UNCLEAR.error(
                "the API server's manifest cannot be understood", where=component.place, why=str(problem)
            ) from problem
    port = flags.get("secure-port", "")
    return int(port) if port.isdigit() else DEFAULT_PORT


def _other_directories(data_directory: Path) -> tuple[Path, ...]:
    """Directories beside the data directory that look like one: left by somebody's earlier attempt."""
    try:
        beside = sorted(data_directory.parent.iterdir())
    except OSError:
        return ()
    return tuple(each for each in beside if each != data_directory and (each / "member" / "snap").is_dir())
