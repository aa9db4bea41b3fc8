"""Which directories a restore makes: that of one member, or those of all below one directory.

Pure: names are checked, the disk is not looked at. The messages of what is refused are etcd's own.
"""

from __future__ import annotations

from pathlib import Path

from backstay import errors
from backstay.snapshot.restore import members
from backstay.snapshot.restore.members import NewCluster
from backstay.snapshot.restore.plan import Target


def own_target(
    cluster: NewCluster, name: str | None, data_directory: str, wal_directory: str | None, advertised: str | None
) -> Target:
    """The directory of one member of `cluster`; NAME.etcd unless one is given. Raises `MEMBERSHIP_INVALID`."""
    # An empty value, as of a variable that is not set, is no default: it is refused like any other wrong one.
    own = cluster.member(members.DEFAULT_NAME if name is None else name)
    members.check_advertised(own, members.DEFAULT_PEER_URLS if advertised is None else advertised)
    if not data_directory:
        members.check_names_for_directories((own,))
    place = Path(data_directory or f"{own.name}.etcd")
    return Target(own.name, place, Path(wal_directory) if wal_directory else None)


def all_targets(cluster: NewCluster, parent: Path) -> tuple[Target, ...]:
    """A directory NAME.etcd in `parent` for every member. Raises `MEMBERSHIP_INVALID`."""
    members.check_names_for_directories(cluster.members)
    if not cluster.members:
        raise errors.MEMBERSHIP_INVALID.error("--initial-cluster names no member", where="--initial-cluster")
    return tuple(
        Target(each.name, parent / f"{each.name}.etcd") for each in sorted(cluster.members, key=lambda each: each.name)
    )
