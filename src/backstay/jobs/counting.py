"""How many keys each resource has: the number that people believe when they look at a restored cluster.

Called by drill and recover over any source of keys.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping

from backstay.sources import Entry

OTHER = "(other keys)"
_GROUPED = b"."


def resource_of(key: bytes, prefix: bytes = b"/registry/") -> str:
    """`pods` of /registry/pods/default/web, `cilium.io/ciliumnodes` of /registry/cilium.io/ciliumnodes/one.

    A first segment with a dot is the group of a custom resource, and `services/specs` is how services are stored.
    """
    if not key.startswith(prefix):
        return OTHER
    first, _, rest = key[len(prefix) :].partition(b"/")
    second = rest.partition(b"/")[0]
    if second and (_GROUPED in first or first == b"services"):
        first += b"/" + second
    return first.decode("utf-8", "backslashreplace")


def count_by_resource(entries: Iterable[Entry]) -> Mapping[str, int]:
    """Keys by resource, most first."""
    return dict(Counter(resource_of(entry.key) for entry in entries).most_common())
