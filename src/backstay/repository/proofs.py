"""Dated proofs that a recipient's identity opens what was written: the paper in the safe was read, typed in, and worked.

    proofs/20261125/5d1c9f3a77e2b014     signed by a writer the repository trusts, or by its root key

A proof opens the slot of every epoch and, with the key from it, the private part of a manifest of that epoch; so a slot that
holds another key is found too. It says how many of how many epochs opened: "last proven" is the newest with all of them.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial

from backstay import errors
from backstay.crypto.sealing import EpochId, EpochKey, decode_header
from backstay.crypto.signing import SigningKey, read_document, sign_document
from backstay.crypto.slots import SlotIdentity, open_epoch
from backstay.repository import names
from backstay.repository.catalogue import Catalogue
from backstay.repository.commit import put_once
from backstay.repository.fields import Fields, head_of, open_document, time_text
from backstay.repository.manifest import Manifest, open_facts
from backstay.repository.repository import Entropy, Repository
from backstay.repository.rewrapping import epochs
from backstay.repository.run.reader import Keys
from backstay.repository.trust import TrustedRecipient
from backstay.repository.words import read_words

PREFIX = "proofs/"
_NAME = re.compile(r"proofs/[0-9]{8}/[0-9a-f]{16}")
_RECIPIENT = "[0-9a-f]{16}"


@dataclass(frozen=True, slots=True)
class EpochProof:
    """One epoch, tried with the identities of one recipient. `why` is empty where it opened."""

    epoch: EpochId
    opened: bool
    why: str = ""


@dataclass(frozen=True, slots=True)
class RecipientProof:
    """What the identity of a recipient opened: so many epochs of so many."""

    recipient: str
    opened: int
    epochs: int

    @property
    def is_whole(self) -> bool:
        """Whether everything that was there opened, and something was."""
        return self.epochs > 0 and self.opened == self.epochs


@dataclass(frozen=True, slots=True)
class Proof:
    """One occasion. `by` is the label of who signed it."""

    time: datetime
    recipients: tuple[RecipientProof, ...]
    by: str = ""


def prove(
    repository: Repository, catalogue: Catalogue, recipient: TrustedRecipient, identities: Sequence[SlotIdentity]
) -> list[EpochProof]:
    """Every epoch, opened through the recipient's own slot. Raises only the storage's own errors."""
    samples: dict[EpochId, Manifest] = {}
    for manifest in catalogue.points:
        samples.setdefault(decode_header(manifest.sealed, manifest.where).epoch, manifest)
    return [_prove(repository, epoch, samples.get(epoch), recipient, identities) for epoch in epochs(repository)]


def _prove(
    repository: Repository,
    epoch: EpochId,
    sample: Manifest | None,
    recipient: TrustedRecipient,
    identities: Sequence[SlotIdentity],
) -> EpochProof:
    name = names.slot(epoch, recipient.id, recipient.type)
    try:
        key = open_epoch(epoch, [(recipient.type, repository.fetch(name))], identities, repository.id)
        if key is None:
            return EpochProof(epoch, False, "its slot does not open")
        if sample is not None:
            open_facts(sample, repository.id, _only(key))
    except errors.BackstayError as problem:
        if problem.kind not in _DOUBTS:
            raise
        return EpochProof(epoch, False, "it has no slot" if problem.kind is errors.OBJECT_MISSING else str(problem))
    return EpochProof(epoch, True)


def _only(key: EpochKey) -> Keys:
    return lambda epoch, where: key


def put_proof(repository: Repository, proof: Proof, key: SigningKey, entropy: Entropy) -> None:
    """Store a proof. Raises `SIGNING_KEY_INVALID` for a key that nobody would believe."""
    if _signer(repository, key.public) is None:
        raise errors.SIGNING_KEY_INVALID.error(
            "the repository does not trust this key", where=repository.store.location, why=key.public
        )
    document = sign_document(
        head_of("proof", repository.id)
        | {
            "time": time_text(proof.time),
            "recipients": [
                {"id": each.recipient, "opened": each.opened, "epochs": each.epochs} for each in proof.recipients
            ],
        },
        key,
    )
    put_once(repository.store, f"{PREFIX}{proof.time.astimezone(UTC):%Y%m%d}/{entropy(8).hex()}", document)


def read_proofs(repository: Repository) -> tuple[Proof, ...]:
    """All proofs that can be believed, oldest first."""
    return tuple(proof for _, proof in read_named_proofs(repository))


def read_named_proofs(repository: Repository) -> tuple[tuple[str, Proof], ...]:
    """The same, each with the name of its object."""
    found = read_words(repository, PREFIX, _NAME, partial(_decode, repository))
    return tuple(sorted(found, key=lambda each: each[1].time))


def last_proven(proofs: Sequence[Proof]) -> Mapping[str, datetime]:
    """Of each recipient (by id) when it last opened everything; those that never did are absent."""
    return {each.recipient: proof.time for proof in proofs for each in proof.recipients if each.is_whole}


_DOUBTS = (
    errors.OBJECT_MISSING,
    errors.OBJECT_DAMAGED,
    errors.KEY_UNAVAILABLE,
    errors.KEY_SERVICE_FAILED,
    errors.KEY_SERVICE_DENIED,
)


def _signer(repository: Repository, key: str) -> str | None:
    """What the one who signs with `key` is called; None for somebody whose word counts for nothing."""
    if key in repository.description.root:
        return "the root key"
    writer = repository.trust.writer(key)
    return writer.label if writer is not None and writer.revoked is None else None


def _decode(repository: Repository, name: str, data: bytes) -> Proof:
    document = read_document(data, name)
    signer = _signer(repository, document.key)
    if signer is None:
        raise errors.SIGNATURE_WRONG.error(f"`{name}` is signed by a key that may not write here", where=name)
    fields = open_document(document.fields, "proof", name, repository.id)
    proof = Proof(fields.time("time"), tuple(_recipient(each) for each in fields.objects("recipients")), signer)
    fields.finish()
    return proof


def _recipient(fields: Fields) -> RecipientProof:
    proof = RecipientProof(fields.text("id", _RECIPIENT), fields.number("opened"), fields.number("epochs"))
    fields.finish()
    return proof
