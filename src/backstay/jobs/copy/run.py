"""Copy what is missing: each object is hashed while it passes, and one that is not what its name promises never arrives.

Runs come before the manifests that name them, so that a copy that is interrupted lists whole points only, and the next call
goes on where it ended. Nothing at the target is overwritten or removed.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass

from backstay import errors
from backstay.blobs.contract import BlobStore
from backstay.crypto.sealing import damaged
from backstay.jobs.copy.plan import CopyPlan, chain, make_plan, slot_hashes, wanted_sha256
from backstay.repository import names
from backstay.repository.catalogue import Catalogue, read_catalogue
from backstay.repository.commit import put_once
from backstay.repository.repository import Repository, open_repository
from backstay.telemetry import Progress


@dataclass(frozen=True, slots=True)
class CopyReport:
    """What was copied; the target, opened without an identity, and what it holds now."""

    plan: CopyPlan
    copied_objects: int
    copied_bytes: int
    target: Repository
    catalogue: Catalogue


def copy_repository(repository: Repository, target: BlobStore, *, progress: Progress) -> CopyReport:
    """Bring `target` up to what `repository` holds. No identity is needed.

    Raises what `make_plan` raises, `CHAIN_BROKEN` and the like for a source that is not sound, `OBJECT_DAMAGED` for an
    object that is not what it should be, `OBJECT_MISSING` where the target lost what it took, and the stores' own errors.
    """
    catalogue = read_catalogue(repository).require_sound()
    plan = make_plan(repository, catalogue, target)
    slots, documents = slot_hashes(catalogue), _documents(catalogue)
    progress.begin("copying", plan.missing_bytes)
    copied = 0
    for blob in plan.missing:
        wanted = wanted_sha256(blob.name, slots) or documents.get(blob.name, "")
        _copy(repository.store, target, blob.name, blob.size, wanted, progress)
        copied += blob.size
    return CopyReport(plan, len(plan.missing), copied, *_compared(repository, catalogue, target))


def _documents(catalogue: Catalogue) -> dict[str, str]:
    """The SHA-256 of every manifest, as the chain was checked with."""
    return {each.where: each.sha256 for each in chain(catalogue)}


def _copy(source: BlobStore, target: BlobStore, name: str, size: int, sha256: str, progress: Progress) -> None:
    def checked() -> Iterator[bytes]:
        digest, seen = hashlib.sha256(), 0
        with closing(source.get(name)) as chunks:
            for chunk in chunks:
                digest.update(chunk)
                seen += len(chunk)
                progress.advance(len(chunk))
                yield chunk
        if seen != size or (sha256 and digest.hexdigest() != sha256):
            # Raised inside the put, which then stores nothing.
            raise damaged(name, f"it has {seen} bytes and the SHA-256 {digest.hexdigest()}")

    if names.manifest_place(name) is not None:
        # Somebody who copies at the same time may be faster; what is there must then be the same.
        if not put_once(target, name, b"".join(checked())):
            raise errors.COPY_DIVERGED.error("another manifest was put meanwhile", where=target.location, why=name)
        return
    try:
        stored = target.put(name, checked)
    except errors.BackstayError as problem:
        if problem.kind is not errors.BLOB_EXISTS:
            raise
        stored = target.stat(name).size
    if stored != size or target.stat(name).size != size:
        raise errors.OBJECT_MISSING.error(f"`{name}` was put and is not there", where=target.location)


def _compared(repository: Repository, catalogue: Catalogue, target: BlobStore) -> tuple[Repository, Catalogue]:
    """The target and its catalogue, which must hold all of the source's manifests."""
    opened = open_repository(target, (), roots=repository.description.root)
    copied = read_catalogue(opened).require_sound()
    if not _documents(catalogue).items() <= _documents(copied).items():
        raise errors.COPY_DIVERGED.error("the target has other manifests than were copied", where=target.location)
    return opened, copied
