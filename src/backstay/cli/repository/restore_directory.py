"""The options of `backstay restore` that concern data directories, and what they mean together.

@directory_options      -> directory: DirectoryOptions
directory.wish("DIR/")  the wish to hand to `plan_restore`; None for a file
"""

from __future__ import annotations

import functools
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click

from backstay import errors
from backstay.cli.groups import CommandBody, Option, SwitchOption
from backstay.cli.options import attach
from backstay.jobs.points.restore import DirectoryWish, is_directory_target
from backstay.snapshot.restore import Changes, LeaseTreatment, members
from backstay.snapshot.restore.targets import all_targets, own_target

SECTION = "Data directory"
_MOST = (1 << 63) - 1


@dataclass(frozen=True, slots=True)
class DirectoryOptions:
    """What was said; None and false where nothing was."""

    name: str | None
    initial_cluster: str | None
    initial_cluster_token: str | None
    initial_advertise_peer_urls: str | None
    wal_dir: str | None
    all_members: bool
    bump_revision: int | None
    keep_revision: bool
    leases: str | None
    clear_alarms: bool

    def wish(self, target: str) -> DirectoryWish | None:
        """The directories to make for `--to target`; None where that is a file. Raises `USAGE`, `MEMBERSHIP_INVALID`."""
        if not is_directory_target(target) and not self.all_members:
            self._refuse_any(target)
            return None
        if self.keep_revision and self.bump_revision:
            raise errors.USAGE.error("--keep-revision and --bump-revision contradict each other")
        cluster = members.new_cluster(
            f"{members.DEFAULT_NAME}={members.DEFAULT_PEER_URLS}"
            if self.initial_cluster is None
            else self.initial_cluster,
            members.DEFAULT_TOKEN if self.initial_cluster_token is None else self.initial_cluster_token,
        )
        changes = Changes(
            bump=self.bump_revision,
            keep_revision=self.keep_revision,
            clear_alarms=self.clear_alarms,
            leases=LeaseTreatment(self.leases or LeaseTreatment.KEEP.value),
        )
        if not self.all_members:
            target_of_one = own_target(cluster, self.name, target, self.wal_dir, self.initial_advertise_peer_urls)
            return DirectoryWish(cluster, (target_of_one,), changes)
        if any(each is not None for each in (self.name, self.wal_dir, self.initial_advertise_peer_urls)):
            raise errors.USAGE.error("--all-members goes without --name, --wal-dir and --initial-advertise-peer-urls")
        parent = Path(target)
        return DirectoryWish(cluster, all_targets(cluster, parent), changes, parent)

    def _refuse_any(self, target: str) -> None:
        said = [
            f"--{name.replace('_', '-')}"
            for name in self.__slots__
            if (value := getattr(self, name)) is not None and value is not False
        ]
        if said:
            raise errors.USAGE.error(
                f"{', '.join(said)} would change what is restored, and a file is restored as it was",
                where=target,
                next_step=f"write `--to {target}/` for a data directory, or use `snapshot restore` on the file",
            )


def directory_options(function: CommandBody) -> CommandBody:
    """Add the options; the body gets `directory`."""

    @functools.wraps(function)
    def with_directory(*arguments: Any, **values: Any) -> int | None:
        said = {name: values.pop(name) for name in DirectoryOptions.__slots__}
        return function(*arguments, directory=DirectoryOptions(**said), **values)

    add = functools.partial(Option, section=SECTION)
    parameters: list[click.Parameter] = [
        add(["--name"], metavar="TEXT", help=f"The member; {members.DEFAULT_NAME} unless given."),
        add(["--initial-cluster"], metavar="NAME=URL,...", help="All members of the new cluster."),
        add(["--initial-cluster-token"], metavar="TEXT", help="Makes ids differ from those of other clusters."),
        add(["--initial-advertise-peer-urls"], metavar="URL,...", help="This member's URLs, as in --initial-cluster."),
        add(["--wal-dir"], metavar="DIR", help="Where its log goes; DIR/member/wal unless given."),
        SwitchOption(["--all-members"], default=False, section=SECTION, help="In DIR a directory NAME.etcd for every member."),
        add(["--bump-revision"], type=click.IntRange(0, _MOST), metavar="NUMBER",
            help="Raise the revision, and mark all before compacted; 1000000000 for Kubernetes, else 0, unless given."),
        SwitchOption(["--keep-revision"], default=False, section=SECTION, help="Do not raise the revision."),
        add(["--leases", "--lease"], type=click.Choice([each.value for each in LeaseTreatment]),
            help="keep; refresh to their full time; drop: keys stay for ever; drop-keys: keys go with them."),
        SwitchOption(["--clear-alarms"], default=False, section=SECTION, help="Restore without the alarms that were raised."),
    ]  # fmt: skip
    return attach(with_directory, parameters)
