"""Which points a repository holds: its manifests, lineage by lineage, each checked against the one before it.

A lineage's manifests are numbered without a gap; each holds the SHA-256 of its predecessor and is signed by a writer that
the repository trusts. They begin at 1, or later where a sweep among them says by number and SHA-256 from where on they count.
A break is an error (`chain-broken`, `signature-wrong`), not a shorter list: what follows it cannot be believed, and what
precedes it is still named by `read_lineage` with `damage`.

What a writer signed from its revocation on is no point, and no break either: whoever stole a key must not be able to end a
lineage with it. The manifests of others behind it stand, for nobody's runs are needed by anybody else's point.

What maintenance commits say about points (`standing`) is applied here: `points` are those that stay, with merged runs in
the place of what they replace, so that no reader need know of maintenance.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cached_property

from backstay import errors
from backstay.repository import names
from backstay.repository.changes import Floor, Sweep
from backstay.repository.manifest import Manifest, PointFacts, decode_manifest, open_facts
from backstay.repository.repository import Repository, sha256_text
from backstay.repository.standing import Standing, standing_of

_NEVER = datetime.min.replace(tzinfo=UTC)


@dataclass(frozen=True)
class Lineage:
    """One history: its manifests in order, of whatever kind, and what broke the chain behind the last of them.

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

    @property
    def last(self) -> int:
        """The highest sequence, whoever signed it; 0 without any."""
        return max((each.sequence for each in (*self.manifests, *self.disbelieved)), default=0)

    @cached_property
    def standing(self) -> Standing:
        """What its maintenance commits say about its points."""
        return standing_of(self.manifests)


@dataclass(frozen=True)
class Catalogue:
    """All lineages of a repository."""

    lineages: tuple[Lineage, ...]

    @cached_property
    def points(self) -> tuple[Manifest, ...]:
        """Every backup that stays, oldest first. In a lineage the sequence decides: a writer's clock may have gone back."""
        return self._ordered({each.id: each.standing.points for each in self.lineages})

    @cached_property
    def expired(self) -> tuple[Manifest, ...]:
        """Those that are marked and not swept yet, oldest first: they can be recalled."""
        return self._ordered({each.id: each.standing.expired for each in self.lineages})

    @property
    def named_runs(self) -> frozenset[str]:
        """Every run that any manifest names."""
        return frozenset(run.name for lineage in self.lineages for each in lineage.manifests for run in each.runs)

    def _ordered(self, chosen: Mapping[str, Sequence[Manifest]]) -> tuple[Manifest, ...]:
        found = []
        for lineage in self.lineages:
            wanted = {each.sequence: each for each in chosen[lineage.id]}
            latest = _NEVER
            for each in lineage.manifests:
                latest = max(latest, each.time)
                if each.sequence in wanted:
                    found.append((latest, each.lineage, each.sequence, wanted[each.sequence]))
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
    found = []
    for lineage, numbers in _listed(repository).items():
        read = read_lineage(repository, lineage, numbers)
        if read.damage is not None:
            # A sweep may have removed the oldest ones since they were listed.
            again = _listed(repository, f"{lineage}/").get(lineage, [])
            if again and again != numbers:
                read = read_lineage(repository, lineage, again)
        found.append(read)
    return Catalogue(tuple(found))


def read_lineage(repository: Repository, lineage: str, sequences: Sequence[int]) -> Lineage:
    """The manifests of one lineage, up to the first that cannot be believed.

    What lies before a gap counts for nothing where a floor allows the chain to begin behind it: a sweep that was interrupted
    leaves such, and so does a writer that slept for long and put a manifest under a number that had been removed.
    """
    gaps = [place for place in range(1, len(sequences)) if sequences[place] != sequences[place - 1] + 1]
    if gaps:
        behind = _read_chain(repository, lineage, sequences[gaps[-1] :])
        if behind.manifests or behind.disbelieved:
            return behind
    return _read_chain(repository, lineage, sequences)


def _read_chain(repository: Repository, lineage: str, sequences: Sequence[int]) -> Lineage:
    manifests: list[Manifest] = []
    disbelieved: list[Manifest] = []
    before: Manifest | None = None
    damage: errors.BackstayError | None = None
    first = sequences[0] if sequences else 1
    read: dict[int, str] = {}
    try:
        fetched = repository.fetch_all(names.manifest(lineage, sequence) for sequence in sequences)
        for (place, sequence), content in zip(enumerate(sequences, first), fetched, strict=True):
            if sequence != place:
                raise _absent(lineage, place)
            before = _believed(repository, lineage, sequence, before, content())
            read[sequence] = before.sha256
            (manifests if is_believed(repository, before) else disbelieved).append(before)
    except errors.BackstayError as problem:
        if problem.kind not in _DAMAGE:
            raise
        damage = problem
    if first > 1:
        floor = floor_of(manifests)
        if floor is None or floor.sequence < first or read.get(floor.sequence) != floor.sha256:
            return Lineage(lineage, (), _absent(lineage, first - 1))
    return Lineage(lineage, tuple(manifests), damage, tuple(disbelieved))


def floor_of(manifests: Sequence[Manifest]) -> Floor | None:
    """From where on a chain counts, by the newest sweep in it; None where it begins at 1."""
    for each in reversed(manifests):
        if isinstance(each.change, Sweep):
            return each.change.floor
    return None


def is_believed(repository: Repository, manifest: Manifest) -> bool:
    """Whether its writer was not revoked before it."""
    writer = repository.trust.writer(manifest.writer)
    return writer is not None and writer.is_believed(manifest.lineage, manifest.sequence)


def read_manifest(repository: Repository, lineage: str, sequence: int, before: Manifest | None) -> Manifest:
    """One manifest, signed by a writer that is or was trusted, which follows `before`, or whatever where that is None.

    Raises what makes it unbelievable. Number 1 follows nothing.
    """
    return _believed(repository, lineage, sequence, before, repository.fetch(names.manifest(lineage, sequence)))


def _believed(repository: Repository, lineage: str, sequence: int, before: Manifest | None, data: bytes) -> Manifest:
    manifest = decode_manifest(data, lineage, sequence, repository.id, sha256_text(data))
    if repository.trust.writer(manifest.writer) is None:
        raise errors.SIGNATURE_WRONG.error(
            f"`{manifest.where}` is signed by a key that may not write here", where=manifest.where, why=manifest.writer
        )
    wanted = "" if sequence == 1 else before.sha256 if before is not None else manifest.previous
    if manifest.previous != wanted:
        raise errors.CHAIN_BROKEN.error(
            f"`{manifest.where}` does not follow the manifest before it", where=manifest.where
        )
    return manifest


def head_number(repository: Repository, lineage: str) -> int:
    """The highest sequence of a lineage that is listed; 0 when there is none."""
    places = (names.manifest_place(blob.name) for blob in repository.store.list(f"{names.MANIFESTS}{lineage}/"))
    return max((place[1] for place in places if place is not None), default=0)


def facts_of(repository: Repository, manifest: Manifest) -> PointFacts:
    """What a point holds: one that is state-only holds no other revision. Raises `KEY_UNAVAILABLE`, `OBJECT_DAMAGED`."""
    facts = open_facts(manifest, repository.id, repository.key_of)
    return facts.of_state if manifest.is_state_only else facts


_DAMAGE = (
    errors.CHAIN_BROKEN,
    errors.SIGNATURE_WRONG,
    errors.OBJECT_DAMAGED,
    errors.OBJECT_MISSING,
    errors.REPOSITORY_NEWER,
)


def _absent(lineage: str, sequence: int) -> errors.BackstayError:
    where = names.manifest(lineage, sequence)
    return errors.CHAIN_BROKEN.error(f"`{where}` is missing, and later ones are there", where=where)


def _listed(repository: Repository, below: str = "") -> dict[str, list[int]]:
    """The sequences that are there, by lineage."""
    places: dict[str, list[int]] = {}
    for blob in repository.store.list(names.MANIFESTS + below):
        place = names.manifest_place(blob.name)
        if place is not None:
            places.setdefault(place[0], []).append(place[1])
    return {lineage: sorted(places[lineage]) for lineage in sorted(places)}
