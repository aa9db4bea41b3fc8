"""The policy that backstay.toml gives to a repository: what `run` keeps by, so that a plan by hand says what a run would do."""

from __future__ import annotations

from dataclasses import dataclass

from backstay import errors
from backstay.cli.repository.opened import Access
from backstay.config.configuration import Cluster, Form
from backstay.policy.retention.policy import Policy


@dataclass(frozen=True, slots=True)
class ConfiguredPolicy:
    """A policy, the cluster whose points it is for, and where it comes from. `others`: see `RepositoryEntry.requires_copy`."""

    policy: Policy
    cluster: Cluster
    said_by: str
    others: tuple[str, ...]


def configured_policy(access: Access, cluster: str) -> ConfiguredPolicy | None:
    """The policy for points of `cluster`, or of the only one that has a copy there; None for a repository called by its location.

    Raises `USAGE` where several clusters have a copy there, of different tiers, and none is named.
    """
    named, clusters = access.named, _clusters(access, cluster)
    if named is None or not clusters:
        return None
    entry = named.entry
    if len(clusters) > 1:
        raise errors.USAGE.error(
            f"{len(clusters)} clusters have a copy in `{entry.name}`",
            where=str(named.file),
            why=", ".join(f"{each.name} of the tier {each.tier.name}" for each in clusters),
            next_step="name one with --cluster, or say the policy with --keep",
        )
    chosen = clusters[0]
    others = tuple(
        each.location for each in chosen.repositories if each.form is Form.REPOSITORY and each.name != entry.name
    )
    said_by = f"the tier {chosen.tier.name} of {chosen.name} in {named.file}"
    return ConfiguredPolicy(entry.retention(chosen.tier), chosen, said_by, others if entry.requires_copy else ())


def only_configured_policy(access: Access) -> ConfiguredPolicy | None:
    """The same where one cluster has its copies there; None where there are several, or none."""
    return configured_policy(access, "") if len(_clusters(access, "")) == 1 else None


def _clusters(access: Access, cluster: str) -> tuple[Cluster, ...]:
    if access.named is None:
        return ()
    there = access.named.configuration.clusters_of(access.named.entry.name)
    return tuple(each for each in there if cluster in ("", each.name))
