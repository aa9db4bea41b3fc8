"""The 3-2-1 rule: three copies of the data, two storage systems, one elsewhere; as a pure function of where copies are.

The cluster's own data is the first of the three. The course wants the others on another storage system, at another site,
and in an object store; we add one that is readable without backstay, so that nobody has to trust one format alone. Called
for places that are configured (`config.promise`), and for those that hold a good point right now (`jobs.automation`).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

SECOND_COPY = "a second copy"
OTHER_SYSTEM = "a copy on another storage system"
OTHER_SITE = "a copy at another site"
OBJECT_STORE = "a copy in an object store"
PLAIN_COPY = "a plain copy, readable without backstay"


@dataclass(frozen=True, slots=True)
class CopyPlace:
    """Where one copy is. `system` is what fails as a whole; `site` is empty where nobody said it."""

    system: str
    site: str
    object_store: bool
    plain: bool


def missing(site: str, copies: Sequence[CopyPlace]) -> tuple[str, ...]:
    """What the rule still wants of `copies`, for a cluster at `site`."""
    wanted = {
        SECOND_COPY: len(copies) > 1,
        OTHER_SYSTEM: len({each.system for each in copies}) > 1,
        OTHER_SITE: bool(site) and any(each.site not in ("", site) for each in copies),
        OBJECT_STORE: any(each.object_store for each in copies),
        PLAIN_COPY: any(each.plain for each in copies),
    }
    return tuple(what for what, there in wanted.items() if not there)
