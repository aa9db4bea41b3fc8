"""What can be told of a cluster from a few of its records, before anything is read in earnest: prefixes and release.

Files give their oldest and newest records, which cost the same in any file; what is behind an index gives the resources that
a server registers for itself. The rule that judges them is `kube.evidence`.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence

from backstay.formats.mvcc import KeyValue
from backstay.kube.evidence import Evidence
from backstay.kube.keys import clean_prefix
from backstay.kube.release import Release
from backstay.kube.schema import shipped_table
from backstay.sources.selection import Selection
from backstay.sources.source import Source
from backstay.sources.stored import StoredSource
from backstay.values import Revision

_SAMPLE = 400
_PLACES = ("apiregistration.k8s.io/apiservices/", "csinodes/", "leases/kube-system/", "")


def sample(source: Source, prefixes: Sequence[str], revision: Revision) -> list[KeyValue]:
    """Some hundred records that tell most about the cluster in `source`."""
    if isinstance(source, StoredSource):
        return list(source.sample(_SAMPLE))
    return list(_registered(source, prefixes, revision))


def _registered(source: Source, prefixes: Sequence[str], revision: Revision) -> Iterator[KeyValue]:
    for prefix in prefixes:
        for place in _PLACES:
            selection = Selection(f"{clean_prefix(prefix)}/{place}".replace("//", "/").encode())
            yield from itertools.islice(source.items(selection, revision), _SAMPLE)


def used_prefixes(items: Sequence[KeyValue], prefixes: Sequence[str]) -> tuple[str, ...]:
    """Those of `prefixes` that keys have; all of them when none has."""
    starts = {prefix: f"{clean_prefix(prefix)}/".encode() for prefix in prefixes}
    used = tuple(each for each, start in starts.items() if any(item.key.startswith(start) for item in items))
    return used or tuple(prefixes)


def release_of(items: Sequence[KeyValue]) -> Release:
    """The release that `items` speak for."""
    evidence = Evidence(shipped_table())
    evidence.add_all(items)
    return evidence.release()
