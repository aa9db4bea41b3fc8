"""What `cluster up` is going to do, as a value: members, addresses, steps; and the refusal of what cannot be done.

Reads the source and looks for free ports; changes nothing. Where the directory has a cluster already, that one goes on, and
wishes that contradict it are refused.
"""

from __future__ import annotations

import contextlib
import random
import socket
from dataclasses import dataclass
from pathlib import Path

from backstay import errors
from backstay.cluster.etcd_program import EtcdProgram
from backstay.cluster.local.description import (
    FILE_NAME,
    MOST_MEMBERS,
    SAFE_NAME,
    LocalCluster,
    LocalMember,
    Origin,
    load_cluster,
)
from backstay.cluster.local.grown_directory import GrownDirectory, Promise, look_at
from backstay.durable import refuse_occupied
from backstay.snapshot import restore as restoring
from backstay.snapshot.restore import Changes, NewCluster, RestorePlan, Target
from backstay.telemetry import Progress

DEFAULT_MEMBERS = 3
DEFAULT_NAME = "local"
PORTS = range(20_000, 32_000)
"""Below the ports that kernels give to outgoing connections, so that few others come along."""

_PORT_ATTEMPTS = 1000


@dataclass(frozen=True, slots=True)
class UpWish:
    """What is asked for; None is no wish. `user` is for a directory whose store has users."""

    directory: Path
    program: EtcdProgram | None
    name: str | None = None
    member_count: int | None = None
    source: Path | None = None
    tls: bool | None = None
    user: str = ""
    password: str = ""


@dataclass(frozen=True, slots=True)
class UpPlan:
    """What will happen. `is_new` is false where a cluster that is there goes on; `promise` is what all must answer."""

    cluster: LocalCluster
    is_new: bool
    restore: RestorePlan | None
    promise: Promise | None
    steps: tuple[str, ...]
    notices: tuple[str, ...]

    @property
    def changes_source(self) -> bool:
        """Whether the directory that was named becomes a member, which cannot be taken back."""
        return self.is_new and self.cluster.origin is Origin.DIRECTORY


def plan_up(wish: UpWish, chance: random.Random, progress: Progress) -> UpPlan:
    """The plan for `wish`. Raises `CLUSTER_DIFFERS`, `ETCD_PROGRAM_MISSING`, `USAGE`, and what reading the source says."""
    directory = wish.directory.absolute()
    if (directory / FILE_NAME).exists():
        return _going_on(load_cluster(directory), wish)
    refuse_occupied(directory)
    if wish.program is None:
        raise errors.ETCD_PROGRAM_MISSING.error("a cluster needs a real etcd, and none was found on this machine")
    count = DEFAULT_MEMBERS if wish.member_count is None else wish.member_count
    if not 1 <= count <= MOST_MEMBERS:
        raise errors.USAGE.error(f"{count} members", where="--members", why=f"from 1 to {MOST_MEMBERS} are possible")
    name = wish.name or DEFAULT_NAME
    if not SAFE_NAME.fullmatch(name):
        raise errors.USAGE.error(f"{name!r} cannot name a cluster", where="--name", next_step="use letters and digits")
    source = wish.source.absolute() if wish.source is not None else None
    if source is None:
        return _founding(_cluster(directory, wish, name, count, chance, Origin.NEW, None), wish)
    if source.is_dir():
        progress.begin(f"reading {source}", None)
        grown = look_at(source, wish.program)
        cluster = _cluster(directory, wish, name, count, chance, Origin.DIRECTORY, source, grown.name)
        return _growing(cluster, grown, wish)
    cluster = _cluster(directory, wish, name, count, chance, Origin.FILE, source)
    return _restoring(cluster, progress)


def targets_of(cluster: LocalCluster) -> tuple[NewCluster, tuple[Target, ...]]:
    """The new cluster of a restore, and where its members' directories go."""
    new = restoring.new_cluster(cluster.initial_cluster, cluster.token)
    return new, tuple(Target(member.name, member.data_directory) for member in cluster.members)


def _cluster(
    directory: Path,
    wish: UpWish,
    name: str,
    count: int,
    chance: random.Random,
    origin: Origin,
    source: Path | None,
    first_name: str = "",
) -> LocalCluster:
    assert wish.program is not None
    ports = iter(_free_ports(2 * count, chance))
    scheme = "https" if wish.tls else "http"
    members: list[LocalMember] = []
    for number in range(1, count + 1):
        own = f"{name}-{number}" if f"{name}-{number}" != first_name else f"{name}-{number}-new"
        place = directory / "data" / own
        if number == 1 and origin is Origin.DIRECTORY:
            assert source is not None
            own, place = first_name, source
        client, peer = (f"{scheme}://127.0.0.1:{next(ports)}" for _ in range(2))
        members.append(LocalMember(number, own, place, client, peer))
    token = f"{name}-{chance.getrandbits(64):016x}"
    return LocalCluster(directory, name, token, wish.program, bool(wish.tls), origin, source, tuple(members))


def _founding(cluster: LocalCluster, wish: UpWish) -> UpPlan:
    if wish.user:
        raise errors.USAGE.error("a new cluster has no users", where="--user")
    steps = [*_first_steps(cluster), f"start {_names(cluster.members)} and wait until each serves"]
    return UpPlan(cluster, True, None, None, tuple(steps), ())


def _restoring(cluster: LocalCluster, progress: Progress) -> UpPlan:
    assert cluster.source is not None
    new, targets = targets_of(cluster)
    with restoring.open_source(cluster.source, skip_hash_check=False) as store:
        facts = restoring.examine(store, skip_hash_check=False, progress=progress)
        restore = restoring.make_plan(facts, Changes(), new, targets)
    steps = [
        *_first_steps(cluster),
        f"restore {cluster.source} into {len(targets)} data directories at revision {restore.revision_after}",
        f"start {_names(cluster.members)} and wait until each serves",
        "compare the HashKV of all members with the restored one",
    ]
    return UpPlan(cluster, True, restore, None, tuple(steps), (*restore.changes, *restore.notices))


def _growing(cluster: LocalCluster, grown: GrownDirectory, wish: UpWish) -> UpPlan:
    if grown.has_users and not wish.user:
        raise errors.USAGE.error(
            f"the store in `{cluster.source}` has users, and only root may add members",
            next_step="give --user root[:PASSWORD]",
        )
    first, *others = cluster.members
    steps = [*_first_steps(cluster), f"start etcd {cluster.program.version} on {cluster.source} as {first.name}"]
    if grown.peer_urls != (first.peer_url,):
        steps.append(f"change its peer address from {', '.join(grown.peer_urls) or 'none'} to {first.peer_url}")
    steps += [f"add {each.name} as a learner, start it, make it a voter when it has caught up" for each in others]
    steps.append(f"compare the HashKV of all members at revision {grown.promise.revision} with that of the directory")
    notices = [f"{cluster.source} becomes member 1 of {len(cluster.members)} and stays where it is"]
    if others:
        notices.append(
            "`backstay serve` does not open it any more then; `backstay snapshot restore` makes one member of it again"
        )
    return UpPlan(cluster, True, None, grown.promise, tuple(steps), tuple(notices))


def _going_on(cluster: LocalCluster, wish: UpWish) -> UpPlan:
    """What is there goes on; a wish that contradicts it is refused."""
    source = wish.source.absolute() if wish.source is not None else cluster.source
    differences = [
        ("--members", wish.member_count, len(cluster.members)),
        ("--from", source, cluster.source),
        ("--tls", wish.tls, cluster.is_tls),
        ("--name", wish.name, cluster.name),
        ("--etcd", wish.program.path if wish.program is not None else None, cluster.program.path),
    ]
    for flag, wanted, there in differences:
        if wanted is not None and wanted != there:
            raise errors.CLUSTER_DIFFERS.error(
                f"there is a cluster in `{cluster.directory}` already, of another kind",
                where=str(cluster.directory),
                why=f"{flag} asks for {wanted}, and there it is {there}",
            )
    steps = ["start the members that do not run, finish what was interrupted, wait until each serves"]
    return UpPlan(cluster, False, None, None, tuple(steps), ())


def _first_steps(cluster: LocalCluster) -> list[str]:
    steps = [f"make {cluster.directory}"]
    return [*steps, f"make certificates in {cluster.pki}"] if cluster.is_tls else steps


def _names(members: tuple[LocalMember, ...]) -> str:
    return ", ".join(member.name for member in members)


def _free_ports(count: int, chance: random.Random) -> list[int]:
    """Ports of this machine's loopback that nobody listens on now."""
    found: list[int] = []
    with contextlib.ExitStack() as held:
        for _ in range(_PORT_ATTEMPTS):
            if len(found) == count:
                return found
            port = chance.choice(PORTS)
            probe = held.enter_context(socket.socket())
            with contextlib.suppress(OSError):
                probe.bind(("127.0.0.1", port))
                found.append(port)
    raise errors.HOST_REFUSED.error(
        "this machine's loopback has no free ports", why=f"looked at {_PORT_ATTEMPTS} ports"
    )
