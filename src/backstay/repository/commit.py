"""The last step of a backup: a manifest under the next free sequence, created only if the name is free.

Two writers of one lineage need no lock: who finds the name taken reads what is there. If it is his own manifest, the
store's answer was lost and all is well; else he takes the next number. What the writer has seen before must still be
there, or the repository was rolled back.
"""

from __future__ import annotations

import hashlib
from dataclasses import replace

from backstay import errors
from backstay.blobs.contract import BlobStore
from backstay.crypto.sealing import EpochKey
from backstay.crypto.signing import SigningKey
from backstay.repository import names
from backstay.repository.catalogue import head_number
from backstay.repository.manifest import Manifest, RunReference, SlotReference, encode_manifest
from backstay.repository.repository import Repository, sha256_text

ATTEMPTS = 20


def put_slots(repository: Repository, epoch: EpochKey) -> tuple[SlotReference, ...]:
    """See to it that every recipient has a slot of this epoch, and return what is there.

    A key service that does not answer must not cost a backup: its slot is left to a later one of the same epoch, and
    `jobs.backup` tells. Raises what the service said only where nobody could open the epoch.
    """
    there = {blob.name for blob in repository.store.list(f"{names.KEYS}{epoch.id}/")}
    found = []
    failure: errors.BackstayError | None = None
    for recipient in repository.trust.recipients:
        name = names.slot(epoch.id, recipient.id, recipient.type)
        if name in there:
            slot = repository.fetch(name)
        else:
            try:
                slot = repository.wrap(epoch, recipient)
            except errors.BackstayError as problem:
                if problem.kind not in (errors.KEY_SERVICE_FAILED, errors.KEY_SERVICE_DENIED):
                    raise
                failure = problem
                continue
            put_once(repository.store, name, slot)
        found.append(SlotReference(name, len(slot), hashlib.sha256(slot).hexdigest()))
    if failure is not None and not found:
        raise failure
    return tuple(found)


def put_once(store: BlobStore, name: str, data: bytes) -> bool:
    """Create `name`; False when it is taken by other bytes. A lost answer counts as success."""
    try:
        store.put(name, data)
    except errors.BackstayError as problem:
        if problem.kind is not errors.BLOB_EXISTS:
            raise
        return b"".join(store.get(name, length=len(data) + 1)) == data
    return True


def require_runs(store: BlobStore, runs: tuple[RunReference, ...]) -> None:
    """Ask the store for the size of each run that was just put. Raises `OBJECT_MISSING`, `OBJECT_DAMAGED`."""
    for run in runs:
        try:
            size = store.stat(run.name).size
        except errors.BackstayError as problem:
            if problem.kind is not errors.BLOB_NOT_FOUND:
                raise
            raise errors.OBJECT_MISSING.error(
                f"`{run.name}` was put and is not there", where=store.location
            ) from problem
        if size != run.size:
            raise errors.OBJECT_DAMAGED.error(
                f"`{run.name}` has {size} bytes, {run.size} were put", where=store.location
            )


def require_seen(repository: Repository, lineage: str, sequence: int, sha256: str) -> None:
    """Raise `REPOSITORY_ROLLED_BACK` unless a manifest that was seen before is still there, and the same."""
    name = names.manifest(lineage, sequence)
    try:
        found = sha256_text(repository.fetch(name))
    except errors.BackstayError as problem:
        if problem.kind is not errors.OBJECT_MISSING:
            raise
        found = ""
    if found != sha256:
        raise errors.REPOSITORY_ROLLED_BACK.error(
            f"`{name}` is another one than was seen here" if found else f"`{name}` was seen here and is gone",
            where=repository.store.location,
        )


def commit(repository: Repository, draft: Manifest, key: SigningKey) -> Manifest:
    """Put `draft` under the next free sequence of its lineage. Raises `COMMIT_LOST`."""
    for _ in range(ATTEMPTS):
        number = head_number(repository, draft.lineage)
        previous = sha256_text(repository.fetch(names.manifest(draft.lineage, number))) if number else ""
        manifest = replace(draft, sequence=number + 1, previous=previous, writer=key.public)
        data = encode_manifest(manifest, repository.id, key)
        if put_once(repository.store, manifest.where, data):
            return replace(manifest, sha256=sha256_text(data))
    raise errors.COMMIT_LOST.error(
        f"{ATTEMPTS} times another writer was faster", where=f"{names.MANIFESTS}{draft.lineage}"
    )
