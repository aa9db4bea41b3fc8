"""Keys and values that are not where or what they should be: outside of the prefix, under another name, undecodable."""

from __future__ import annotations

import re
from collections.abc import Iterator

from backstay.findings import Finding, Severity, declare
from backstay.kube.audit.tally import Tallies
from backstay.kube.exporting.reading import text
from backstay.kube.keys import COMPACTION_KEY
from backstay.kube.values import KubernetesObject

OUTSIDE = declare(
    "kube-outside-prefix",
    Severity.NOTE,
    "Keys stand outside of the API server's prefix: another program shares this etcd, or another cluster does.",
    "say --prefix if they are of another API server; a restore brings them back too",
)
BOOTSTRAP = declare(
    "kube-bootstrap-data",
    Severity.WARNING,
    "k3s or RKE2 keep all certificates and keys of the cluster here, behind the server's token only: with that and a backup, "
    "anybody is the cluster.",
    "guard the token apart from backups, and encrypt backups",
)
OTHER_NAME = declare(
    "kube-other-name",
    Severity.ERROR,
    "An object names itself otherwise than its key does: it was moved or forged, as aescbc and secretbox do not prevent.",
    "compare with an older backup, and put the right value back",
)
DAMAGED = declare(
    "kube-undecodable",
    Severity.ERROR,
    "Values cannot be decoded: one of them makes the API server refuse lists of its resource in every namespace.",
    "restore the value from a backup (`backstay kube get BACKUP KIND NAME`), or delete the key",
)

_BOOTSTRAP = re.compile(rb"/bootstrap/[0-9a-f]{12}\Z")
_KNOWN = re.compile(rb"(?:k3s|rke2)/|/bootstrap/")


class Places:
    """Judges keys, and whether values agree with them."""

    def __init__(self) -> None:
        self._outside, self._names, self._damaged = Tallies(), Tallies(), Tallies()
        self._bootstrap: list[str] = []

    def see(self, each: KubernetesObject) -> None:
        """Look at a key with its value."""
        identity = each.identity
        shown = each.key.decode("utf-8", "backslashreplace")
        if _BOOTSTRAP.match(each.key):
            self._bootstrap.append(shown)
        elif not identity.name and each.key != COMPACTION_KEY and not _KNOWN.match(each.key):
            self._outside.add(shown.lstrip("/").partition("/")[0] or "/", shown)
        if each.problem is not None and each.problem.code in ("damaged", "no-object") and identity.name:
            self._damaged.add(identity.group_resource, f"{shown} ({each.problem.text})")
        elif each.json is not None and identity.name and not _is_special(identity.resource):
            metadata = each.json.get("metadata")
            name, namespace = text(metadata, "name"), text(metadata, "namespace")
            if (name, namespace) != (identity.name, identity.namespace):
                self._names.add(identity.group_resource, f"{shown} says {namespace}/{name}")

    def findings(self) -> Iterator[Finding]:
        for key in self._bootstrap:
            yield BOOTSTRAP.at(key, "the cluster's own certificates and keys, encrypted with the server's token")
        for resource, tally in self._damaged.by_subject.items():
            yield DAMAGED.at(resource, f"{tally.count}: {tally}")
        for resource, tally in self._names.by_subject.items():
            yield OTHER_NAME.at(resource, f"{tally.count}: {tally}")
        for start, tally in self._outside.by_subject.items():
            yield OUTSIDE.at(start, f"{tally.count}: {tally}")


def _is_special(resource: str) -> bool:
    """Allocators and leases of servers are named by their place, not by themselves."""
    return resource in ("ranges", "masterleases", "peerserverleases")
