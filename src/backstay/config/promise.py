"""What one cluster is promised, put together: how often, how long, where to, and what the 3-2-1 rule still misses."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from urllib.parse import urlsplit

from backstay.blobs.location import Location, parse_location
from backstay.config.configuration import Cluster, Form, RepositoryEntry
from backstay.policy.schedule import usual_interval
from backstay.policy.tiers import Tier

OBJECT_STORES = ("s3", "gs", "az")


@dataclass(frozen=True, slots=True)
class Copy:
    """One place of copies. `system` is what fails as a whole: this host's disks, a server, an object store."""

    name: str
    location: str
    form: Form
    site: str
    system: str
    object_store: bool


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
    return Promise(cluster.name, cluster.tier, interval, copies, _missing(cluster.site, copies))


def _copy(entry: RepositoryEntry) -> Copy:
    where = parse_location(entry.location)
    object_store = where.scheme in OBJECT_STORES
    return Copy(entry.name, str(where), entry.form, entry.site, _system(where), object_store)


def _system(where: Location) -> str:
    """Two buckets of one endpoint, or two directories of one host, fail together."""
    if where.scheme not in OBJECT_STORES:
        return where.host or "this host"
    if endpoint := where.parameters.get("endpoint"):
        return urlsplit(endpoint).netloc or endpoint
    place = where.parameters.get("account") or where.parameters.get("region", "")
    return f"{where.scheme} {place}".strip()


def _missing(site: str, copies: Sequence[Copy]) -> tuple[str, ...]:
    """The cluster's own data is the first of the three."""
    wanted = {
        "a second copy": len(copies) > 1,
        "a copy on another storage system": len({each.system for each in copies}) > 1,
        "a copy at another site": bool(site) and any(each.site not in ("", site) for each in copies),
        "a copy in an object store": any(each.object_store for each in copies),
        "a plain copy, readable without backstay": any(each.form is Form.PLAIN for each in copies),
    }
    return tuple(what for what, there in wanted.items() if not there)
