"""Recipients that are keys of a service: HashiCorp Vault (or OpenBao) Transit, and AWS KMS. Wraps 65 bytes a day, opens them again.

    vault:https://vault.example.org:8200/transit/backstay     address, mount of the engine, name of the key
    aws-kms:arn:aws:kms:eu-central-1:111122223333:key/...     the ARN of a key, or of an alias

The service never sees a backup, and holds no epoch key: it wraps and unwraps, and writes down who asked. Every call is bound
to the repository's id and the epoch, so that no slot can stand in for another. Whom to ask stands in the signed trust document
alone; a slot, which anybody with the bucket's credentials could have written, never says where a token is sent.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

from backstay import errors
from backstay.clock import Clock, SystemClock
from backstay.crypto.slots import AGE, AgeRecipient, SlotContext, SlotRecipient

VAULT_TRANSIT = "vault-transit"
AWS_KMS = "aws-kms"
_PREFIXES = {"vault:": VAULT_TRANSIT, "aws-kms:": AWS_KMS}
IDENTITY_WORD = "kms"
"""What `--identity` says instead of a file: open through the services that are recipients."""


class KeyService(Protocol):
    """One key of a service: both sides of a slot."""

    @property
    def type(self) -> str:
        """The kind of slot."""
        ...

    @property
    def public(self) -> str:
        """What trust documents say of it."""
        ...

    def wrap(self, secret: bytes, context: SlotContext) -> bytes:
        """The slot that holds `secret`. Raises `KEY_SERVICE_FAILED`, `KEY_SERVICE_DENIED`."""
        ...

    def unwrap(self, slot: bytes, context: SlotContext) -> bytes | None:
        """What the slot holds; None when the service says that it is not of this key, or is another's."""
        ...


class KeyServices:
    """The services this process can speak to, with the credentials of `environment`.

    A service that did not answer once is not asked again: a dead one must not cost its time-out for every epoch.
    """

    def __init__(self, environment: Mapping[str, str], clock: Clock | None = None) -> None:
        self._environment = environment
        self._clock = clock if clock is not None else SystemClock()
        self._known: dict[tuple[str, str], KeyService] = {}

    def service(self, kind: str, public: str) -> KeyService:
        """The service of a recipient. Raises `RECIPIENT_INVALID`, and `REPOSITORY_NEWER` for a type that is not known here."""
        if (kind, public) not in self._known:
            self._known[kind, public] = self._make(kind, public)
        return self._known[kind, public]

    def recipient(self, kind: str, public: str) -> SlotRecipient:
        """What wraps keys to a recipient of any type. Raises as `service` does."""
        return AgeRecipient(public) if kind == AGE else self.service(kind, public)

    def _make(self, kind: str, public: str) -> KeyService:
        if kind == VAULT_TRANSIT:
            from backstay.crypto.key_services.vault import VaultTransit

            return VaultTransit(public, self._environment)
        if kind == AWS_KMS:
            from backstay.crypto.key_services.aws import AwsKms

            return AwsKms(public, self._environment, self._clock)
        raise errors.REPOSITORY_NEWER.error("cannot wrap keys to a recipient", why=f"it is of type {kind!r}")


def recipient_type(public: str) -> str:
    """Which type of recipient a text means: that of the service it begins with, else age's."""
    return next((kind for prefix, kind in _PREFIXES.items() if public.startswith(prefix)), AGE)


def address_of(public: str) -> str:
    """A recipient's text without the word it begins with."""
    return public.partition(":")[2]
