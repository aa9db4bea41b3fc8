"""Which points a repository holds: its manifests, lineage by lineage, each checked against the one before it.

A lineage's manifests are numbered from 1 without a gap; each holds the SHA-256 of its predecessor and is signed by a
writer that the repository trusts. A break is an error (`chain-broken`, `signature-wrong`), not a shorter list: what
follows it cannot be believed, and what precedes it is still named by `read_lineage` with `damage`.

What a writer signed from its revocation on is no point, and no break either: whoever stole a key must not be able to end a
lineage with it. The manifests of others behind it stand, for nobody's runs are needed by anybody else's point.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from backstay import errors
from backstay.repository import names
from backstay.repository.manifest import BACKUP, Manifest, PointFacts, decode_manifest, open_facts
from backstay.repository.repository import Repository, sha256_text

_NEVER = datetime.min.replace(tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Lineage:
    """One history: its manifests in order, and what broke the chain behind the last of them.

    `disbelieved` are those of writers that are revoked from there on; they count for nothing.
    """

    id: str
    manifests: tuple[Manifest, ...]
    damage: errors.BackstayError | None = None
    disbelieved: tuple[Manifest, ...] = ()

    @property
    def head(self) -> Manifest | None:
        """The newest manifest."""
        return self.manifests[-1] if self.manifests else None


@dataclass(frozen=True, slots=True)
class Catalogue:
    """All lineages of a repository."""

    lineages: tuple[Lineage, ...]

    @property
    def points(self) -> tuple[Manifest, ...]:
        """Every backup, oldest first. In a lineage the sequence decides: a writer's clock may have gone back."""
        found = []
        for lineage in self.lineages:
            latest = _NEVER
            for each in lineage.manifests:
                latest = max(latest, each.time)
                if each.kind == BACKUP:
                    found.append((latest, each.lineage, each.sequence, each))
        return tuple(each[-1] for each in sorted(found, key=lambda each: each[:3]))

    @property
    def disbelieved(self) -> tuple[Manifest, ...]:
        """What revoked writers signed from their revocation on."""
        return tuple(each for lineage in self.lineages for each in lineage.disbelieved)

    @property
    def damage(self) -> tuple[errors.BackstayError, ...]:
        """What broke chains."""
        return tuple(lineage.damage for lineage in self.lineages if lineage.damage is not None)

    def require_sound(self) -> Catalogue:
        """Itself; raises the first damage."""
        for problem in self.damage:
            raise problem
        return self


def read_catalogue(repository: Repository) -> Catalogue:
    """Read every manifest. Damage is in the catalogue; only the store's own errors are raised."""
    return Catalogue(tuple(read_lineage(repository, each, numbers) for each, numbers in _listed(repository)))


def read_lineage(repository: Repository, lineage: str, sequences: Sequence[int]) -> Lineage:
    """The manifests of one lineage, up to the first that cannot be believed."""
    manifests: list[Manifest] = []
    disbelieved: list[Manifest] = []
    before: Manifest | None = None
    damage: errors.BackstayError | None = None
    try:
        for place, sequence in enumerate(sequences, 1):
            if sequence != place:
                where = names.manifest(lineage, place)
                raise errors.CHAIN_BROKEN.error(f"`{where}` is missing, and later ones are there", where=where)
            before = read_manifest(repository, lineage, sequence, before)
            writer = repository.trust.writer(before.writer)
            is_believed = writer is not None and writer.is_believed(lineage, sequence)
            (manifests if is_believed else disbelieved).append(before)
    except errors.BackstayError as problem:
        if problem.kind not in _DAMAGE:
            raise
        damage = problem
    return Lineage(lineage, tuple(manifests), damage, tuple(disbelieved))


def read_manifest(repository: Repository, lineage: str, sequence: int, before: Manifest | None) -> Manifest:
    """One manifest that follows `before`, signed by a writer that is or was trusted. Raises what makes it unbelievable."""
    data = repository.fetch(names.manifest(lineage, sequence))
    manifest = decode_manifest(data, lineage, sequence, repository.id, sha256_text(data))
    if repository.trust.writer(manifest.writer) is None:
        raise errors.SIGNATURE_WRONG.error(
            f"`{manifest.where}` is signed by a key that may not write here", where=manifest.where, why=manifest.writer
        )
    if manifest.previous != (before.sha256 if before is not None else ""):
        raise errors.CHAIN_BROKEN.error(
            f"`{manifest.where}` does not follow the manifest before it", where=manifest.where
        )
    return manifest


def head_number(repository: Repository, lineage: str) -> int:
    """The highest sequence of a lineage that is listed; 0 when there is none."""
    places = (names.manifest_place(blob.name) for blob in repository.store.list(f"{names.MANIFESTS}{lineage}/"))
    return max((place[1] for place in places if place is not None), default=0)


def facts_of(repository: Repository, manifest: Manifest) -> PointFacts:
    """What a point holds. Raises `KEY_UNAVAILABLE`, `OBJECT_DAMAGED`."""
    return open_facts(manifest, repository.id, repository.key_of)


_DAMAGE = (
    errors.CHAIN_BROKEN,
    errors.SIGNATURE_WRONG,
    errors.OBJECT_DAMAGED,
    errors.OBJECT_MISSING,
    errors.REPOSITORY_NEWER,
)


def _listed(repository: Repository) -> Iterator[tuple[str, list[int]]]:
    places: dict[str, list[int]] = {}
    for blob in repository.store.list(names.MANIFESTS):
        place = names.manifest_place(blob.name)
        if place is not None:
            places.setdefault(place[0], []).append(place[1])
    for lineage in sorted(places):
        yield lineage, sorted(places[lineage])
