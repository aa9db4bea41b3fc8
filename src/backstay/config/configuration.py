"""What `backstay.toml` says, as typed values. They are checked before they are made: see `reading`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from enum import Enum
from pathlib import Path

from backstay.policy.retention.periods import Period
from backstay.policy.retention.policy import Policy
from backstay.policy.tiers import Tier, retention_of


class Form(Enum):
    """What a copy is made of."""

    REPOSITORY = "repository"
    PLAIN = "plain"


@dataclass(frozen=True, slots=True)
class RepositoryEntry:
    """A place for copies. `recipients` are those of plain files; a repository knows its own. `site` may be empty.

    `identity` is the file of an identity that opens the repository, for people's commands; an agent never looks at it.
    `every` is of plain files, each as large as the whole: how often one is wanted. `keep`: how long points stay here, where that
    is not what the tier says. `lock`: objects are locked against deletion for as long as that. `requires_copy`: points go from
    here only when another repository of the cluster holds them, verified, or once the tier promises them no longer.
    """

    name: str
    location: str
    form: Form = Form.REPOSITORY
    site: str = ""
    recipients: tuple[str, ...] = ()
    identity: Path | None = None
    every: Period | None = None
    keep: Period | None = None
    lock: bool = False
    requires_copy: bool = False

    def keeps(self, tier: Tier) -> Period:
        """How long points stay here."""
        return tier.keep if self.keep is None else self.keep

    def retention(self, tier: Tier) -> Policy:
        """What the points of a cluster of this tier are kept by."""
        return retention_of(tier.every, self.keeps(tier))


@dataclass(frozen=True, slots=True)
class Cluster:
    """A cluster, how to reach it, and where its copies go. Passwords come from the environment.

    `companions` are layouts and paths whose files are stored with each point; `companion_recipients` alone can read them, if
    there are any.
    """

    name: str
    endpoints: tuple[str, ...]
    tier: Tier
    repositories: tuple[RepositoryEntry, ...]
    cacert: Path | None = None
    cert: Path | None = None
    key: Path | None = None
    user: str = ""
    site: str = ""
    companions: tuple[str, ...] = ()
    companion_recipients: tuple[str, ...] = ()

    @property
    def paces(self) -> Mapping[str, timedelta]:
        """Copies that are wanted rarer than the tier says, with how often."""
        return {entry.name: entry.every.length for entry in self.repositories if entry.every is not None}


@dataclass(frozen=True, slots=True)
class Configuration:
    """All of one file, each by its name. `tiers` holds the built-in ones too. `state_dir` is None where nothing was said."""

    clusters: Mapping[str, Cluster]
    repositories: Mapping[str, RepositoryEntry]
    tiers: Mapping[str, Tier]
    state_dir: Path | None = None

    def clusters_of(self, repository: str) -> tuple[Cluster, ...]:
        """The clusters that have a copy in the repository of this name."""
        return tuple(
            cluster
            for cluster in self.clusters.values()
            if repository in (entry.name for entry in cluster.repositories)
        )
