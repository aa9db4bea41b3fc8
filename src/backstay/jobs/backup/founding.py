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
from backstay.crypto.key_services import KeyServices, recipient_type
from backstay.crypto.sealing import EpochId
from backstay.crypto.signing import SEED_SIZE, SigningKey
from backstay.crypto.slots import AGE, SALT_SIZE, AgeIdentity, PassphraseRule, SlotContext, identity_of
from backstay.findings import Finding
from backstay.repository.description import Encryption
from backstay.repository.repository import Entropy, Founding, Repository, create
from backstay.repository.trust import TrustedRecipient, TrustedWriter

RECOVERY_LABEL = "recovery"


@dataclass(frozen=True, slots=True)
class FoundingWish:
    """What the owner wants. Recipients are (label, text), the text `age1...` or a key of a service (`crypto.key_services`).

    Offline ones are age's: a service is never offline. `passphrase` is a recipient where it is not empty.
    """

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


def new_recipient(label: str, public: str, *, offline: bool = False) -> TrustedRecipient:
    """The recipient that a text means. Raises `RECIPIENT_INVALID`; a key service is not asked yet."""
    kind = recipient_type(public)
    if offline and kind != AGE:
        raise errors.RECIPIENT_INVALID.error(f"`{public[:100]}` cannot be offline", why="it is a key of a service")
    KeyServices({}).recipient(kind, public)
    return TrustedRecipient(public, label, offline, None, kind)


def require_answer(recipient: TrustedRecipient, services: KeyServices, entropy: Entropy) -> None:
    """Have a key service wrap something that is nobody's key, so that a mistake shows before anything depends on it.

    Raises `KEY_SERVICE_FAILED`, `KEY_SERVICE_DENIED`.
    """
    if recipient.is_service:
        services.recipient(recipient.type, recipient.public).wrap(
            entropy(32), SlotContext("0" * 32, EpochId(0, bytes(8)))
        )


def planned_recipients(wish: FoundingWish, entropy: Entropy) -> tuple[list[TrustedRecipient], AgeIdentity | None]:
    """The recipients of a new repository, and the recovery identity if one must be made. Raises `RECIPIENT_INVALID`."""
    if wish.plaintext:
        return [], None
    recipients = [new_recipient(label, public) for label, public in wish.recipients]
    if wish.passphrase:
        rule = PassphraseRule(entropy(SALT_SIZE))
        recipients.append(TrustedRecipient(rule.identity(wish.passphrase).public, "passphrase", passphrase=rule))
    recovery = None
    if wish.offline_recipients:
        recipients += [new_recipient(label, public, offline=True) for label, public in wish.offline_recipients]
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
    store: BlobStore,
    wish: FoundingWish,
    *,
    clock: Clock,
    entropy: Entropy,
    random_source: random.Random,
    services: KeyServices | None = None,
) -> Founded:
    """Make the repository.

    Raises `RECIPIENTS_TOO_FEW`, `RECIPIENT_INVALID`, `REPOSITORY_UNSAFE`, `REPOSITORY_EXISTS`, the store's own errors, and what
    a key service says that is to be a recipient.
    """
    recipients, recovery = planned_recipients(wish, entropy)
    for recipient in recipients:
        require_answer(recipient, services or KeyServices({}), entropy)
    probed = probe(store, clock, random_source)
    if probed.features.reads_ranges is Answer.NO:
        raise errors.REPOSITORY_UNSAFE.error(
            "the storage does not give back what was written, or not the part that was asked for",
            where=store.location,
            why=str(probed.findings[-1]) if probed.findings else "",
            next_step="use another storage: no promise helps here",
        )
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
