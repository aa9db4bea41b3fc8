"""Key slots: an epoch key wrapped to one recipient, and the identities that open it again.

Every recipient gets a slot of its own, `keys/<epoch>/<recipient>.<type>`; any one opens the epoch. The type says whose
business the bytes are: `age` here; `vault-transit` and `aws-kms` are further pairs of a `SlotRecipient` and a
`SlotIdentity` (`key_services`). What is wrapped is the key in hex and a newline, so an age slot can be opened by hand:
`age -d -i identity.txt SLOT`. A key service is told, beside it, whose key it is (`SlotContext`), and opens it for nobody else.

Whoever writes needs the public side only. A passphrase is an age identity too, made by Argon2id from the passphrase and a
salt that stands in the trust document; so a sealed writer never knows it.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple, Protocol

from cryptography.hazmat.primitives.kdf.argon2 import Argon2id

from backstay import errors
from backstay.crypto import bech32
from backstay.crypto.sealing import EpochId, EpochKey

AGE = "age"
SALT_SIZE = 16
_SECRET_PREFIX = "AGE-SECRET-KEY-1"
LARGEST_SLOT = 1 << 20


class SlotContext(NamedTuple):
    """Whose key is wrapped: what a key service binds the slot to, so that none can stand in for another."""

    repository: str
    epoch: EpochId


class SlotRecipient(Protocol):
    """The public side: to whom epoch keys are wrapped."""

    @property
    def type(self) -> str:
        """The kind of slot, and the suffix of its name."""
        ...

    @property
    def public(self) -> str:
        """What trust documents say of it."""
        ...

    def wrap(self, secret: bytes, context: SlotContext) -> bytes:
        """The slot that holds `secret`. Raises `KEY_SERVICE_FAILED`, `KEY_SERVICE_DENIED` where a service is asked."""
        ...


class SlotIdentity(Protocol):
    """The secret side."""

    @property
    def type(self) -> str:
        """The kind of slots it may open."""
        ...

    @property
    def public(self) -> str:
        """The recipient that it opens slots of, as trust documents spell it."""
        ...

    def unwrap(self, slot: bytes, context: SlotContext) -> bytes | None:
        """What the slot holds; None when it is for somebody else or is damaged.

        Raises `KEY_SERVICE_FAILED`, `KEY_SERVICE_DENIED` where a service is asked: another slot may still open.
        """
        ...


def recipient_id(public: str) -> str:
    """The name of a recipient in the names of its slots: 16 hex digits."""
    return hashlib.sha256(public.encode()).hexdigest()[:16]


@dataclass(frozen=True, slots=True)
class AgeRecipient:
    """An X25519 key of age. Raises `RECIPIENT_INVALID` when it is none."""

    public: str
    type = AGE

    def __post_init__(self) -> None:
        self._key()

    def wrap(self, secret: bytes, context: SlotContext) -> bytes:
        """An age file."""
        import pyrage

        return bytes(pyrage.encrypt(secret, [self._key()]))

    def _key(self) -> Any:
        import pyrage

        try:
            return pyrage.x25519.Recipient.from_str(self.public)
        except pyrage.RecipientError as problem:
            shown = "AGE-SECRET-KEY-..." if self.public.upper().startswith("AGE-SECRET") else self.public[:80]
            raise errors.RECIPIENT_INVALID.error(f"cannot wrap keys to `{shown}`", why=str(problem)) from problem


@dataclass(frozen=True, slots=True)
class AgeIdentity:
    """An X25519 identity of age."""

    secret: str = field(repr=False)
    type = AGE

    @property
    def public(self) -> str:
        """The recipient that it opens slots of."""
        return str(self._key().to_public())

    def unwrap(self, slot: bytes, context: SlotContext) -> bytes | None:
        return self.decrypt(slot)

    def decrypt(self, sealed: bytes) -> bytes | None:
        """What an age file holds; None when it is for somebody else or is damaged."""
        import pyrage

        try:
            return bytes(pyrage.decrypt(sealed, [self._key()]))
        except pyrage.DecryptError:
            return None

    def _key(self) -> Any:
        import pyrage

        try:
            return pyrage.x25519.Identity.from_str(self.secret)
        except pyrage.IdentityError:
            raise errors.IDENTITY_INVALID.error("this is no age identity") from None


def identity_of(secret: bytes) -> AgeIdentity:
    """The identity whose X25519 secret is these 32 bytes."""
    return AgeIdentity(bech32.encode("age-secret-key-", secret).upper())


def read_identities(text: str, where: str) -> tuple[AgeIdentity, ...]:
    """The identities of a file as `age-keygen` and `backstay init` write it. Raises `IDENTITY_INVALID`."""
    found = []
    for number, line in enumerate(text.splitlines(), 1):
        line = line.strip()
        if line.startswith(_SECRET_PREFIX):
            identity = AgeIdentity(line)
            try:
                identity.public  # noqa: B018  # a mistyped one is found here, with its line
            except errors.BackstayError as problem:
                raise errors.IDENTITY_INVALID.error("an identity is mistyped", where=f"{where}:{number}") from problem
            found.append(identity)
    if not found:
        raise errors.IDENTITY_INVALID.error("there is no identity", where=where)
    return tuple(found)


@dataclass(frozen=True, slots=True)
class PassphraseRule:
    """How a passphrase becomes an identity; stands in the trust document. `memory_kib` is in KiB."""

    salt: bytes
    iterations: int = 3
    lanes: int = 4
    memory_kib: int = 256 << 10

    def __post_init__(self) -> None:
        # A trust document is read before anybody is asked for a passphrase: it must not decide how much memory we take.
        if not (8 <= len(self.salt) <= 64 and 1 <= self.iterations <= 64 and 1 <= self.lanes <= 64):
            raise ValueError("a passphrase rule is out of bounds")
        if not 8 * self.lanes <= self.memory_kib <= 4 << 20:
            raise ValueError("a passphrase rule wants too little or too much memory")

    def identity(self, passphrase: str) -> AgeIdentity:
        """The identity that this passphrase means; another passphrase means another one."""
        derived = Argon2id(
            salt=self.salt, length=32, iterations=self.iterations, lanes=self.lanes, memory_cost=self.memory_kib
        ).derive(passphrase.encode())
        return identity_of(derived)


def wrap_epoch(key: EpochKey, recipient: SlotRecipient, repository: str) -> bytes:
    """The slot of an epoch key for one recipient. Raises what its `wrap` raises."""
    return recipient.wrap(key.secret.hex().encode() + b"\n", SlotContext(repository, key.id))


def open_epoch(
    epoch: EpochId, slots: Iterable[tuple[str, bytes]], identities: Sequence[SlotIdentity], repository: str
) -> EpochKey | None:
    """The key in the first of these slots, (type, bytes), that an identity opens; None when none does.

    What a key service said is raised only where no other identity opens the epoch: `KEY_SERVICE_FAILED`, `KEY_SERVICE_DENIED`.
    """
    failure: errors.BackstayError | None = None
    held = list(slots)
    for identity in sorted(identities, key=lambda each: each.type != AGE):  # what needs no network first
        for kind, slot in held:
            if identity.type != kind:
                continue
            try:
                content = identity.unwrap(slot, SlotContext(repository, epoch))
            except errors.BackstayError as problem:
                if problem.kind not in (errors.KEY_SERVICE_FAILED, errors.KEY_SERVICE_DENIED):
                    raise
                failure = problem
                continue
            if content is None:
                continue
            try:
                return EpochKey(epoch, bytes.fromhex(content.decode("ascii")))
            except ValueError:
                continue  # an age file for us that holds no key: somebody else's doing
    if failure is not None:
        raise failure
    return None
