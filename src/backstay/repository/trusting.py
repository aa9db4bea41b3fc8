"""Changing whom a repository trusts: the next trust document, slots for a new recipient, and none for a removed one.

The root key signs the document; whoever adds a recipient for what is there already needs an identity too, because every
epoch key has to be opened and wrapped once more. Data is never touched. A writer notices the new number and begins a new epoch.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import datetime

from backstay import errors
from backstay.crypto.sealing import EpochId
from backstay.crypto.signing import SigningKey
from backstay.crypto.slots import wrap_epoch
from backstay.repository import names
from backstay.repository.commit import put_once
from backstay.repository.repository import Repository, require_recipients
from backstay.repository.trust import Trust, TrustedRecipient, TrustedWriter, encode_trust


def put_trust(
    repository: Repository,
    root: SigningKey,
    *,
    now: datetime,
    writers: Sequence[TrustedWriter] | None = None,
    recipients: Sequence[TrustedRecipient] | None = None,
) -> Trust:
    """Put the next trust document, with what is given instead of what was; the repository must be opened anew.

    Raises `SIGNING_KEY_INVALID` for another key than the root's, `RECIPIENTS_TOO_FEW`, and `COMMIT_LOST` when somebody else
    changed the trust meanwhile.
    """
    before = repository.trust
    if root.public not in repository.description.root:
        raise errors.SIGNING_KEY_INVALID.error(
            "this is not the root key of the repository", where=repository.store.location, why=root.public
        )
    after = replace(
        before,
        number=before.number + 1,
        time=now,
        writers=before.writers if writers is None else tuple(writers),
        recipients=before.recipients if recipients is None else tuple(recipients),
    )
    if repository.is_sealed:
        require_recipients(after.recipients)
    document = encode_trust(after, repository.id, before.sha256, root)
    if not put_once(repository.store, names.trust(after.number), document):
        raise errors.COMMIT_LOST.error("the trust was changed meanwhile", where=names.trust(after.number))
    return after


def epochs(repository: Repository) -> Iterator[EpochId]:
    """Every epoch that has slots, oldest first."""
    found = {epoch for blob in repository.store.list(names.KEYS) if (epoch := names.slot_epoch(blob.name)) is not None}
    yield from sorted(found)


def rewrap(repository: Repository, recipient: TrustedRecipient) -> int:
    """See to it that `recipient` has a slot of every epoch; returns how many were added. Raises `KEY_UNAVAILABLE`."""
    added = 0
    there = {blob.name for blob in repository.store.list(names.KEYS)}
    for epoch in epochs(repository):
        name = names.slot(epoch, recipient.id, recipient.type)
        if name not in there:
            key = repository.key_of(epoch, name)
            if key is not None:
                put_once(repository.store, name, wrap_epoch(key, recipient.slot_recipient()))
                added += 1
    return added


def remove_slots(repository: Repository, recipient: TrustedRecipient) -> int:
    """Delete every slot of a recipient that is not trusted any more; returns how many there were.

    What he copied before he can still open: only another epoch, which begins by itself, shuts him out of what comes.
    """
    if any(each.id == recipient.id for each in repository.trust.recipients):
        raise ValueError("a trusted recipient keeps its slots")
    removed = 0
    for blob in repository.store.list(names.KEYS):
        if names.slot_recipient(blob.name) == recipient.id:
            repository.store.delete(blob.name)
            removed += 1
    return removed
