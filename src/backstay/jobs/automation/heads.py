"""The newest point of a cluster without reading every manifest: of each lineage only the last ones.

Enough to say when something last arrived. Whether the chain behind it holds is what verification reads all of it for.
"""

from __future__ import annotations

from dataclasses import dataclass

from backstay import errors
from backstay.repository import names
from backstay.repository.manifest import BACKUP, Manifest, decode_manifest
from backstay.repository.repository import Repository, sha256_text

_LOOKED_AT = 1000
"""Maintenance stands in the same chain: so much of it in a row, where no backup was made for months."""


@dataclass(frozen=True, slots=True)
class Heads:
    """The newest point of each lineage of a cluster, oldest first."""

    newest: tuple[Manifest, ...]

    @property
    def lineages(self) -> frozenset[str]:
        """Their ids."""
        return frozenset(each.lineage for each in self.newest)


def read_heads(repository: Repository, cluster: str = "") -> Heads:
    """The heads of `cluster`, or of all. Raises what makes a head unbelievable, and the store's own errors."""
    highest: dict[str, int] = {}
    for blob in repository.store.list(names.MANIFESTS):
        if place := names.manifest_place(blob.name):
            highest[place[0]] = max(highest.get(place[0], 0), place[1])
    found = []
    for lineage, number in sorted(highest.items()):
        head = _newest_point(repository, lineage, number)
        if head is not None and cluster in ("", head.cluster):
            found.append(head)
    return Heads(tuple(sorted(found, key=lambda each: each.time)))


def read_point(repository: Repository, lineage: str, sequence: int) -> Manifest:
    """One manifest, signed by a writer that is believed. Raises `SIGNATURE_WRONG` and what reading it raises."""
    data = repository.fetch(names.manifest(lineage, sequence))
    manifest = decode_manifest(data, lineage, sequence, repository.id, sha256_text(data))
    writer = repository.trust.writer(manifest.writer)
    if writer is None or not writer.is_believed(lineage, sequence):
        raise errors.SIGNATURE_WRONG.error(
            f"`{manifest.where}` is signed by a key that may not write here", where=manifest.where, why=manifest.writer
        )
    return manifest


def _newest_point(repository: Repository, lineage: str, number: int) -> Manifest | None:
    for sequence in range(number, max(0, number - _LOOKED_AT), -1):
        manifest = read_point(repository, lineage, sequence)
        if manifest.kind == BACKUP:
            return manifest
    return None
