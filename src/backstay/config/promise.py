"""What one cluster is promised, put together: how often, how long, where to, and what the 3-2-1 rule still misses."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from urllib.parse import urlsplit

from backstay.blobs.location import Location, parse_location
from backstay.config.configuration import Cluster, Form, RepositoryEntry
from backstay.policy.copies import CopyPlace, missing
from backstay.policy.retention.periods import Period
from backstay.policy.schedule import usual_interval
from backstay.policy.tiers import Tier

OBJECT_STORES = ("s3", "gs", "az")


@dataclass(frozen=True, slots=True)
class Copy:
    """One place of copies. `system` is what fails as a whole: this host's disks, a server, an object store.

    `every` and `keep` are None where the tier's count. `lock` and `requires_copy`: see `RepositoryEntry`.
    """

    name: str
    location: str
    form: Form
    site: str
    system: str
    object_store: bool
    every: Period | None = None
    keep: Period | None = None
    lock: bool = False
    requires_copy: bool = False

    @property
    def place(self) -> CopyPlace:
        """As the 3-2-1 rule sees it."""
        return CopyPlace(self.system, self.site, self.object_store, self.form is Form.PLAIN)


@dataclass(frozen=True, slots=True)
class Promise:
    """`interval`: from the start of a run to the latest start of the next, while none fails. `missing`: of 3-2-1."""

    cluster: str
    tier: Tier
    interval: timedelta
    copies: tuple[Copy, ...]
    missing: tuple[str, ...]


def promise_of(cluster: Cluster) -> Promise:
    """What `cluster` is promised."""
    copies = tuple(_copy(each) for each in cluster.repositories)
    interval = usual_interval(cluster.tier.every.length, cluster.tier.rpo.length)
    return Promise(cluster.name, cluster.tier, interval, copies, missing(cluster.site, [each.place for each in copies]))


def _copy(entry: RepositoryEntry) -> Copy:
    where = parse_location(entry.location)
    object_store = where.scheme in OBJECT_STORES
    return Copy(
        entry.name,
        str(where),
        entry.form,
        entry.site,
        _system(where),
        object_store,
        entry.every,
        entry.keep,
        entry.lock,
        entry.requires_copy,
    )


def _system(where: Location) -> str:
    """Two buckets of one endpoint, or two directories of one host, fail together."""
    if where.scheme not in OBJECT_STORES:
        return where.host or "this host"
    if endpoint := where.parameters.get("endpoint"):
        return urlsplit(endpoint).netloc or endpoint
    place = where.parameters.get("account") or where.parameters.get("region", "")
    return f"{where.scheme} {place}".strip()
