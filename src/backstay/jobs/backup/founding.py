"""Making a repository: the place is probed, keys are made, and what must be kept on paper is handed out once.

Called by `backstay init`. Two recipients can open what is written, one of them kept offline; the root key, which only says
whom the repository trusts, is kept offline with it.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass, field

from backstay import errors
from backstay.blobs.contract import Answer, BlobStore
from backstay.blobs.probe import probe
from backstay.clock import Clock
from backstay.crypto.signing import SEED_SIZE, SigningKey
from backstay.crypto.slots import SALT_SIZE, AgeIdentity, AgeRecipient, PassphraseRule, identity_of
from backstay.findings import Finding
from backstay.repository.description import Encryption
from backstay.repository.repository import Entropy, Founding, Repository, create
from backstay.repository.trust import TrustedRecipient, TrustedWriter

RECOVERY_LABEL = "recovery"


@dataclass(frozen=True, slots=True)
class FoundingWish:
    """What the owner wants. Recipients are (label, `age1...`); `passphrase` is a recipient where it is not empty."""

    writer_label: str
    recipients: tuple[tuple[str, str], ...] = ()
    offline_recipients: tuple[tuple[str, str], ...] = ()
    passphrase: str = field(default="", repr=False)
    plaintext: bool = False
    single_writer: bool = False


@dataclass(frozen=True, slots=True)
class Founded:
    """A new repository, and the secrets that were made for it. `recovery` is None where the owner named his own."""

    repository: Repository
    writer: SigningKey
    root: SigningKey
    recovery: AgeIdentity | None
    findings: tuple[Finding, ...]


def planned_recipients(wish: FoundingWish, entropy: Entropy) -> tuple[list[TrustedRecipient], AgeIdentity | None]:
    """The recipients of a new repository, and the recovery identity if one must be made. Raises `RECIPIENT_INVALID`."""
    if wish.plaintext:
        return [], None
    recipients = [TrustedRecipient(AgeRecipient(public).public, label) for label, public in wish.recipients]
    if wish.passphrase:
        rule = PassphraseRule(entropy(SALT_SIZE))
        recipients.append(TrustedRecipient(rule.identity(wish.passphrase).public, "passphrase", passphrase=rule))
    recovery = None
    if wish.offline_recipients:
        recipients += [
            TrustedRecipient(AgeRecipient(public).public, label, offline=True)
            for label, public in wish.offline_recipients
        ]
    else:
        recovery = identity_of(entropy(32))
        recipients.append(TrustedRecipient(recovery.public, RECOVERY_LABEL, offline=True))
    if len({each.public for each in recipients}) < 2:
        raise errors.RECIPIENTS_TOO_FEW.error(
            "only one recipient was named",
            next_step="name another with --recipient, let --new-identity FILE make one, or use --passphrase",
        )
    return recipients, recovery


def found(
    store: BlobStore, wish: FoundingWish, *, clock: Clock, entropy: Entropy, random_source: random.Random
) -> Founded:
    """Make the repository.

    Raises `RECIPIENTS_TOO_FEW`, `RECIPIENT_INVALID`, `REPOSITORY_UNSAFE`, `REPOSITORY_EXISTS` and the store's own errors.
    """
    recipients, recovery = planned_recipients(wish, entropy)
    probed = probe(store, clock, random_source)
    if probed.features.create_refuses_existing is not Answer.YES and not wish.single_writer:
        raise errors.REPOSITORY_UNSAFE.error("the storage does not refuse names that are taken", where=store.location)
    writer, root = SigningKey(entropy(SEED_SIZE)), SigningKey(entropy(SEED_SIZE))
    repository = create(
        store,
        Founding(
            Encryption.PLAINTEXT if wish.plaintext else Encryption.SEALED,
            tuple(recipients),
            (TrustedWriter(writer.public, wish.writer_label),),
            root,
            wish.single_writer,
        ),
        now=clock.now(),
        entropy=entropy,
    )
    return Founded(repository, writer, root, recovery, probed.findings)


def recovery_kit(founded: Founded, location: str, lines: Sequence[str] = ()) -> str:
    """What is printed once, for paper: how to read the repository, and how to say whom it trusts."""
    repository = founded.repository
    text = [
        f"# Recovery kit of the backstay repository {repository.id}",
        f"# at {location}, made {repository.description.created:%Y-%m-%d %H:%M} UTC",
        "# Keep it on paper, away from the cluster. Who has it can read every backup.",
        *lines,
    ]
    if founded.recovery is not None:
        text += ["# Recovery identity: opens all backups (--identity THIS-FILE, or age -d -i THIS-FILE)"]
        text += [founded.recovery.secret]
    text += ["# Root key: admits and revokes writers and recipients", founded.root.as_text()]
    return "\n".join(text) + "\n"
