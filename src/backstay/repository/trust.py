"""Trust documents: who may write to a repository, and who can read it. Signed by the root, numbered, each naming the last.

The root key is needed to change them, and for nothing else, so it is kept offline. The newest document counts; one that
is missing or exchanged is found because each holds the SHA-256 of the one before.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from backstay import errors
from backstay.crypto.sealing import damaged
from backstay.crypto.signing import SigningKey, read_document, sign_document
from backstay.crypto.slots import AGE, PassphraseRule, recipient_id
from backstay.repository import names
from backstay.repository.fields import Fields, head_of, open_document, time_text

_LABEL = r"[^\x00-\x1f\x7f]{1,100}"


@dataclass(frozen=True, slots=True)
class TrustedWriter:
    """A key that signs manifests. `revoked` maps a lineage to the first sequence that is not believed any more."""

    key: str
    label: str
    revoked: Mapping[str, int] | None = None

    def is_believed(self, lineage: str, sequence: int) -> bool:
        """Whether this writer's manifest with that number counts."""
        return self.revoked is None or sequence < self.revoked.get(lineage, 0)


@dataclass(frozen=True, slots=True)
class TrustedRecipient:
    """Somebody to whom epoch keys are wrapped. An offline one is for recovery: its identity is on no machine."""

    public: str
    label: str
    offline: bool = False
    passphrase: PassphraseRule | None = None
    type: str = AGE

    @property
    def id(self) -> str:
        """Its name among the slots."""
        return recipient_id(self.public)

    @property
    def is_service(self) -> bool:
        """Whether another machine has to be asked for every slot: it may be down, and its slot then comes later."""
        return self.type != AGE


@dataclass(frozen=True, slots=True)
class Trust:
    """One trust document. `sha256` is of its bytes, and what the next one names."""

    number: int
    time: datetime
    writers: tuple[TrustedWriter, ...]
    recipients: tuple[TrustedRecipient, ...]
    sha256: str = field(default="", compare=False)

    def writer(self, key: str) -> TrustedWriter | None:
        """The writer with this public key."""
        return next((writer for writer in self.writers if writer.key == key), None)


def encode_trust(trust: Trust, repository: str, previous: str, root: SigningKey) -> bytes:
    """The document; `previous` is the SHA-256 of the one before, empty for the first."""
    return sign_document(
        head_of("trust", repository)
        | {
            "number": trust.number,
            "previous": previous,
            "time": time_text(trust.time),
            "writers": [
                {"key": each.key, "label": each.label, "revoked": None if each.revoked is None else dict(each.revoked)}
                for each in trust.writers
            ],
            "recipients": [_recipient_fields(each) for each in trust.recipients],
        },
        root,
    )


def decode_trust(data: bytes, number: int, repository: str, root: tuple[str, ...], previous: str) -> Trust:
    """The trust document `number`. Raises `SIGNATURE_WRONG`, `CHAIN_BROKEN`, `OBJECT_DAMAGED`, `REPOSITORY_NEWER`."""
    where = names.trust(number)
    document = read_document(data, where)
    if document.key not in root:
        raise errors.SIGNATURE_WRONG.error(f"`{where}` is not signed by the root of the repository", where=where)
    fields = open_document(document.fields, "trust", where, repository)
    if fields.number("number") != number or fields.text("previous", f"({names.SHA256})?") != previous:
        raise errors.CHAIN_BROKEN.error(f"`{where}` does not follow the trust document before it", where=where)
    trust = Trust(
        number,
        fields.time("time"),
        tuple(_writer(each) for each in fields.objects("writers")),
        tuple(_recipient(each) for each in fields.objects("recipients")),
        hashlib.sha256(data).hexdigest(),
    )
    fields.finish()
    return trust


def _writer(fields: Fields) -> TrustedWriter:
    key, label = fields.text("key", names.SHA256), fields.text("label", _LABEL)
    revoked = fields.take("revoked")
    if revoked is not None and (
        not isinstance(revoked, dict) or not all(type(each) is int and each >= 0 for each in revoked.values())
    ):
        raise damaged(fields.where, "a revocation cannot be read")
    fields.finish()
    return TrustedWriter(key, label, revoked)


def _recipient_fields(recipient: TrustedRecipient) -> dict[str, Any]:
    rule = recipient.passphrase
    return {
        "id": recipient.id,
        "type": recipient.type,
        "public": recipient.public,
        "label": recipient.label,
        "offline": recipient.offline,
        "passphrase": None
        if rule is None
        else {
            "salt": rule.salt.hex(),
            "iterations": rule.iterations,
            "lanes": rule.lanes,
            "memory_kib": rule.memory_kib,
        },
    }


def _recipient(fields: Fields) -> TrustedRecipient:
    named = fields.text("id", "[0-9a-f]{16}")
    kind = fields.text("type", "[a-z0-9-]{1,32}")
    public, label, offline = fields.text("public"), fields.text("label", _LABEL), fields.flag("offline")
    passphrase = fields.optional_object("passphrase")
    rule = None
    if passphrase is not None:
        try:
            rule = PassphraseRule(
                bytes.fromhex(passphrase.text("salt", "([0-9a-f]{2}){8,64}")),
                passphrase.number("iterations"),
                passphrase.number("lanes"),
                passphrase.number("memory_kib"),
            )
        except ValueError as problem:
            raise damaged(fields.where, str(problem)) from problem
        passphrase.finish()
    fields.finish()
    recipient = TrustedRecipient(public, label, offline, rule, kind)
    if recipient.id != named:
        raise damaged(fields.where, f"the recipient {label!r} has another id than its key")
    return recipient
