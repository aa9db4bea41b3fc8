"""The last step of a backup, or of maintenance: a manifest under the next free sequence, created only if the name is free.

Two writers of one lineage need no lock: who finds the name taken reads what is there. If it is his own manifest, the
store's answer was lost and all is well; else he reads what the other says before he takes the next number. So whoever
commits has read everything before it, and a sweep, which is committed before it deletes, is never overlooked. What the
writer has seen before must still be there, or be below the floor that a sweep set; else the repository was rolled back.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import replace

from backstay import errors
from backstay.blobs.contract import BlobStore
from backstay.crypto.sealing import EpochKey
from backstay.crypto.signing import SigningKey
from backstay.repository import names
from backstay.repository.catalogue import floor_of, head_number, is_believed, read_catalogue, read_manifest
from backstay.repository.manifest import Manifest, RunReference, SlotReference, encode_manifest
from backstay.repository.repository import Repository, sha256_text

ATTEMPTS = 20


class OvertakenError(Exception):
    """What was committed meanwhile takes the ground from under this commit: it must be prepared anew."""


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


def require_seen(repository: Repository, lineage: str, sequence: int, sha256: str) -> bool:
    """Raise `REPOSITORY_ROLLED_BACK` unless a manifest that was seen before is still there, and the same.

    False where it is not there because a sweep set the floor above it.
    """
    name = names.manifest(lineage, sequence)
    try:
        found = sha256_text(repository.fetch(name))
    except errors.BackstayError as problem:
        if problem.kind is not errors.OBJECT_MISSING:
            raise
        found = ""
    if found == sha256:
        return True
    if not found and _is_below_floor(repository, lineage, sequence):
        return False
    raise errors.REPOSITORY_ROLLED_BACK.error(
        f"`{name}` is another one than was seen here" if found else f"`{name}` was seen here and is gone",
        where=repository.store.location,
    )


def _is_below_floor(repository: Repository, lineage: str, sequence: int) -> bool:
    for each in read_catalogue(repository).lineages:
        if each.id == lineage:
            floor = floor_of(each.manifests)
            return each.damage is None and floor is not None and floor.sequence > sequence
    return False


def read_following(repository: Repository, lineage: str, since: int) -> tuple[Manifest, ...]:
    """The manifests behind number `since`, those of revoked writers left out.

    Raises `OvertakenError` where one of them is gone, which a sweep alone does, and what makes a manifest unbelievable.
    """
    read = (
        _read_or_overtaken(repository, lineage, sequence)
        for sequence in range(since + 1, head_number(repository, lineage) + 1)
    )
    return tuple(each for each in read if is_believed(repository, each))


def commit(
    repository: Repository,
    draft: Manifest,
    key: SigningKey,
    *,
    since: int,
    meanwhile: Callable[[Manifest], None],
) -> Manifest:
    """Put `draft` under the next free sequence of its lineage.

    `since` is the newest sequence that the caller knows. `meanwhile` is called with every manifest behind it, and raises
    `OvertakenError` where that changes what the draft rests upon. Raises `COMMIT_LOST`, and `OvertakenError` where the number
    that was taken turns out to be one that a sweep had made free.
    """
    taken = 0
    for _ in range(ATTEMPTS):
        number = max(head_number(repository, draft.lineage), taken, since)
        previous = ""
        for sequence in range(since + 1, number + 1):
            manifest = _read_or_overtaken(repository, draft.lineage, sequence)
            previous = manifest.sha256
            if is_believed(repository, manifest):
                meanwhile(manifest)
        if not previous and number:
            previous = sha256_text(repository.fetch(names.manifest(draft.lineage, number)))
        since = number
        manifest = replace(draft, sequence=number + 1, previous=previous, writer=key.public)
        data = encode_manifest(manifest, repository.id, key)
        if put_once(repository.store, manifest.where, data):
            manifest = replace(manifest, sha256=sha256_text(data))
            _require_followed(repository, manifest)
            return manifest
        taken = number + 1
    raise errors.COMMIT_LOST.error(
        f"{ATTEMPTS} times another writer was faster", where=f"{names.MANIFESTS}{draft.lineage}"
    )


def _read_or_overtaken(repository: Repository, lineage: str, sequence: int) -> Manifest:
    try:
        return read_manifest(repository, lineage, sequence, None)
    except errors.BackstayError as problem:
        if problem.kind is not errors.OBJECT_MISSING:
            raise
        raise OvertakenError(f"number {sequence} is gone") from problem


def _require_followed(repository: Repository, manifest: Manifest) -> None:
    """Raise `OvertakenError` unless what has a higher number follows `manifest`.

    A writer that slept between reading the head and putting its manifest may find the number free again, because others took
    it, and a sweep removed what they put. Its manifest is then below the floor and counts for nothing.
    """
    if head_number(repository, manifest.lineage) <= manifest.sequence:
        return
    following = _read_or_overtaken(repository, manifest.lineage, manifest.sequence + 1)
    if following.previous != manifest.sha256:
        raise OvertakenError(f"number {manifest.sequence} had been removed")
