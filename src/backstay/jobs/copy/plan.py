"""What a copy of a repository lacks: both places are listed, and what both have must be the same.

A copy is the same repository at another place: same id, same trust, same chains of manifests, the same bytes; encrypted stays
encrypted, and no identity is needed. Maintenance is done at the source and comes along in its manifests: runs that no point
needs are not copied, and a sweep of the copy that commits nothing frees what the source has freed. Locks and pins belong to
one place and stay there. Called by `run`, and by `copy --dry-run`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Set
from dataclasses import dataclass

from backstay import errors
from backstay.blobs.contract import Blob, BlobStore, read_all
from backstay.crypto.signing import LARGEST_DOCUMENT
from backstay.repository import names
from backstay.repository.catalogue import Catalogue
from backstay.repository.manifest import Manifest
from backstay.repository.repository import Repository, sha256_text

_STAYS = ("gc/", "pins/")
"""What belongs to one place alone."""

_RUN = re.compile(names.RUN)


@dataclass(frozen=True, slots=True)
class CopyPlan:
    """What is to be copied, in this order, and what the target has already. `absent` are runs that the source lacks."""

    source: str
    target: str
    missing: tuple[Blob, ...]
    present: int
    absent: tuple[str, ...]
    points: int
    """Points that the target will have and does not have yet."""

    @property
    def missing_bytes(self) -> int:
        """Bytes to copy."""
        return sum(each.size for each in self.missing)


def make_plan(repository: Repository, catalogue: Catalogue, target: BlobStore) -> CopyPlan:
    """Compare `repository`, whose `catalogue` is sound, with `target`.

    Raises `COPY_DIVERGED` where the two hold different things, and the stores' own errors.
    """
    here = {blob.name: blob for blob in repository.store.list() if not blob.name.startswith(_STAYS)}
    there = {blob.name: blob for blob in target.list() if not blob.name.startswith(_STAYS)}
    _refuse_another(repository, target, there)
    _refuse_diverged(catalogue, target, there)
    needed = {run.name for point in (*catalogue.points, *catalogue.expired) for run in point.runs}
    order = list(_order(here, catalogue, needed))
    changed = [name for name in order if name in there and there[name].size != here[name].size]
    if changed:
        raise _diverged(
            target, f"`{changed[0]}` has {there[changed[0]].size} bytes there, {here[changed[0]].size} here"
        )
    missing = tuple(here[name] for name in order if name not in there)
    new = [each for each in catalogue.points if each.where not in there]
    return CopyPlan(
        repository.store.location,
        target.location,
        missing,
        len(order) - len(missing),
        tuple(sorted(needed - here.keys())),
        len(new),
    )


def _refuse_another(repository: Repository, target: BlobStore, there: Mapping[str, Blob]) -> None:
    """Raise unless the target is empty, a copy, or a copy that was begun."""
    foreign = [name for name in there if not name.startswith(names.PREFIXES) and name != names.DESCRIPTION]
    if foreign:
        raise errors.REPOSITORY_EXISTS.error(
            "something else lies at the target", where=target.location, why=f"`{foreign[0]}`"
        )
    public = [name for name in there if name == names.DESCRIPTION or names.trust_number(name) is not None]
    for name in public:
        if _content(target, name) != _content(repository.store, name):
            raise _diverged(target, f"`{name}` is another one there")
    if there and not public:
        raise errors.REPOSITORY_EXISTS.error("something else lies at the target", where=target.location)


def _refuse_diverged(catalogue: Catalogue, target: BlobStore, there: Mapping[str, Blob]) -> None:
    """Raise unless every manifest of the target is one of the source's, byte by byte, or older than what it still has."""
    known = {(each.lineage, each.sequence): each.sha256 for each in chain(catalogue)}
    first: dict[str, int] = {}
    for lineage, sequence in known:
        first[lineage] = min(first.get(lineage, sequence), sequence)
    for name in sorted(there):
        place = names.manifest_place(name)
        if place is None or (place[0] in first and place[1] < first[place[0]]):
            continue
        if place not in known:
            raise _diverged(target, f"`{name}` is there, and the source has no such manifest")
        # A chain names the hash of each predecessor, so the newest of each lineage speaks for those before it.
        following = names.manifest(place[0], place[1] + 1)
        if following not in there and sha256_text(_content(target, name) or b"") != known[place]:
            raise _diverged(target, f"`{name}` is another one there")


def chain(catalogue: Catalogue) -> Iterator[Manifest]:
    """Every manifest that stands in a chain, also those of revoked writers, lineage by lineage in their order."""
    for lineage in catalogue.lineages:
        yield from sorted((*lineage.manifests, *lineage.disbelieved), key=lambda each: each.sequence)


def _order(here: Mapping[str, Blob], catalogue: Catalogue, needed: Set[str]) -> Iterator[str]:
    """Every object to have, so that what names another comes behind it: all runs before the first manifest."""
    yield from sorted(name for name in here if names.trust_number(name) is not None)
    if names.DESCRIPTION in here:
        yield names.DESCRIPTION
    yield from sorted(name for name in here if names.slot_kind(name) is not None)
    yield from sorted(name for name in here if name in needed)
    yield from (each.where for each in chain(catalogue) if each.where in here)
    others = (names.TRUST, names.KEYS, names.RUNS, names.MANIFESTS)
    yield from sorted(name for name in here if not name.startswith(others) and name != names.DESCRIPTION)


def _content(store: BlobStore, name: str) -> bytes | None:
    try:
        return read_all(store, name, limit_bytes=LARGEST_DOCUMENT)
    except errors.BackstayError as problem:
        if problem.kind is not errors.BLOB_NOT_FOUND:
            raise
        return None


def _diverged(target: BlobStore, why: str) -> errors.BackstayError:
    return errors.COPY_DIVERGED.error("the target is not a copy of the source", where=target.location, why=why)


def wanted_sha256(name: str, slots: Mapping[str, str]) -> str:
    """The SHA-256 that an object must have; empty where its signature is checked by whoever reads it."""
    if _RUN.fullmatch(name):
        return names.run_sha256(name)
    return slots.get(name, "")


def slot_hashes(catalogue: Catalogue) -> Mapping[str, str]:
    """The SHA-256 of every slot that a manifest names."""
    return {slot.name: slot.sha256 for manifest in chain(catalogue) for slot in manifest.slots}
