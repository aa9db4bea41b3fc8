"""Changing whom a repository trusts: the next trust document, signed by the root key, which is needed for nothing else.

    put_trust           recipients or writers other than before
    plan_revocation     a writer that is not believed any more, and what that makes of its points

Data is never touched. A writer notices the new number and begins a new epoch, so what a removed recipient has copied opens
nothing that comes; keys of the past are `rewrapping`'s business.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from backstay import errors
from backstay.crypto.signing import SigningKey
from backstay.repository import names
from backstay.repository.catalogue import Catalogue
from backstay.repository.commit import put_once
from backstay.repository.manifest import BACKUP, Manifest
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
    require_root(repository, root)
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


def require_root(repository: Repository, root: SigningKey) -> None:
    """Raise `SIGNING_KEY_INVALID` unless `root` may change whom the repository trusts."""
    if root.public not in repository.description.root:
        raise errors.SIGNING_KEY_INVALID.error(
            "this is not the root key of the repository", where=repository.store.location, why=root.public
        )


@dataclass(frozen=True, slots=True)
class Revocation:
    """A writer from then on, and the points that count for nothing by it, oldest first."""

    writer: TrustedWriter
    disbelieved: tuple[Manifest, ...]


def plan_revocation(catalogue: Catalogue, writer: TrustedWriter, since: Mapping[str, int]) -> Revocation:
    """What revoking `writer` means: `since` names, of a lineage, the first sequence that is not believed.

    In the other lineages what is there stays, and nothing that comes is believed. A revocation only ever becomes stricter.
    Raises `POINT_NOT_FOUND` for a lineage that is not there.
    """
    newest = {lineage.id: _newest(catalogue, lineage.id) for lineage in catalogue.lineages}
    for unknown in since.keys() - newest.keys():
        raise errors.POINT_NOT_FOUND.error(f"there is no lineage `{unknown}`")
    revoked = {lineage: since.get(lineage, sequence + 1) for lineage, sequence in newest.items()}
    if writer.revoked is not None:
        before = writer.revoked
        revoked = {lineage: min(sequence, before.get(lineage, 0)) for lineage, sequence in revoked.items()}
    after = replace(writer, revoked=revoked)
    lost = tuple(
        each
        for lineage in catalogue.lineages
        for each in lineage.manifests
        if each.kind == BACKUP and each.writer == writer.key and not after.is_believed(each.lineage, each.sequence)
    )
    return Revocation(after, lost)


def _newest(catalogue: Catalogue, lineage: str) -> int:
    """The highest sequence of a lineage, whoever signed it."""
    return max(
        (
            each.sequence
            for found in catalogue.lineages
            if found.id == lineage
            for each in (*found.manifests, *found.disbelieved)
        ),
        default=0,
    )
