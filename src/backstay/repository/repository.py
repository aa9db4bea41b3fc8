"""A repository that is open: its description, whom it trusts, and the keys that the identities at hand can open.

`create` makes one, `open_repository` finds one. Both check signatures; neither believes a root that the caller knows to
be another one. Reading what is in it is `catalogue`'s and `reading`'s business.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import partial

from backstay import errors
from backstay.blobs.ahead import ahead
from backstay.blobs.contract import BlobStore, read_all
from backstay.crypto.key_services import KeyServices
from backstay.crypto.sealing import PLAIN_EPOCH, EpochId, EpochKey
from backstay.crypto.signing import LARGEST_DOCUMENT, SigningKey
from backstay.crypto.slots import LARGEST_SLOT, SlotIdentity, open_epoch, wrap_epoch
from backstay.repository import names
from backstay.repository.description import Description, Encryption, decode_description, encode_description
from backstay.repository.run.reader import missing
from backstay.repository.trust import Trust, TrustedRecipient, TrustedWriter, decode_trust, encode_trust

Entropy = Callable[[int], bytes]
"""So many random bytes."""

FEWEST_RECIPIENTS = 2


@dataclass(frozen=True, slots=True)
class Founding:
    """What a new repository is founded with."""

    encryption: Encryption
    recipients: tuple[TrustedRecipient, ...]
    writers: tuple[TrustedWriter, ...]
    root: SigningKey
    single_writer: bool = False


class Repository:
    """An open repository."""

    def __init__(
        self,
        store: BlobStore,
        description: Description,
        trust: Trust,
        identities: Sequence[SlotIdentity],
        services: KeyServices,
    ) -> None:
        self.store = store
        self.description = description
        self.trust = trust
        self.services = services
        self._identities = tuple(identities)
        self._keys: dict[EpochId, EpochKey] = {}

    @property
    def id(self) -> str:
        """32 hex digits."""
        return self.description.repository

    @property
    def is_sealed(self) -> bool:
        """Whether its objects are encrypted."""
        return self.description.encryption is Encryption.SEALED

    def hold_key(self, key: EpochKey) -> None:
        """Remember the key of the epoch that is being written."""
        self._keys[key.id] = key

    def key_of(self, epoch: EpochId, where: str) -> EpochKey | None:
        """The key of an epoch, None in a plaintext repository. Raises `KEY_UNAVAILABLE` naming the object `where`."""
        if not self.is_sealed:
            return None
        if epoch not in self._keys:
            if epoch == PLAIN_EPOCH:
                raise errors.OBJECT_DAMAGED.error(
                    f"`{where}` is not encrypted", where=where, why="everything in this repository is"
                )
            slots = self._slots(epoch) if self._identities else []
            key = open_epoch(epoch, slots, self._identities, self.id)
            if key is None:
                raise errors.KEY_UNAVAILABLE.error(
                    "no identity opens the key of an object",
                    where=where,
                    why=f"epoch {epoch}" if self._identities else f"epoch {epoch}; no identity was given",
                )
            self._keys[epoch] = key
        return self._keys[epoch]

    def wrap(self, key: EpochKey, recipient: TrustedRecipient) -> bytes:
        """The slot of an epoch key for a recipient. Raises `KEY_SERVICE_FAILED`, `KEY_SERVICE_DENIED`, `REPOSITORY_NEWER`."""
        return wrap_epoch(key, self.services.recipient(recipient.type, recipient.public), self.id)

    def fetch(self, name: str) -> bytes:
        """A small object. Raises `OBJECT_MISSING`."""
        try:
            return read_all(self.store, name, limit_bytes=LARGEST_DOCUMENT)
        except errors.BackstayError as problem:
            if problem.kind is not errors.BLOB_NOT_FOUND:
                raise
            raise missing(name, self.store) from problem

    def fetch_all(self, wanted: Iterable[str]) -> Iterator[Callable[[], bytes]]:
        """Small objects in the order of their names, read ahead; each gives its content, or raises what `fetch` raises."""
        return ahead((partial(self.fetch, name) for name in wanted), self.store.features().reads_at_once)

    def _slots(self, epoch: EpochId) -> list[tuple[str, bytes]]:
        found = []
        for blob in self.store.list(f"{names.KEYS}{epoch}/"):
            kind = names.slot_kind(blob.name)
            if kind is not None and blob.size <= LARGEST_SLOT:
                found.append((kind, self.fetch(blob.name)))
        return found


def create(store: BlobStore, founding: Founding, *, now: datetime, entropy: Entropy) -> Repository:
    """Found a repository at an empty place.

    Raises `RECIPIENTS_TOO_FEW` unless two are given, one of them offline, and `REPOSITORY_EXISTS`. The trust document is
    put first: what has a `backstay.json` is whole.
    """
    if founding.encryption is Encryption.SEALED:
        require_recipients(founding.recipients)
    _refuse_occupied(store)
    description = Description(
        entropy(16).hex(), now, founding.encryption, founding.single_writer, (founding.root.public,)
    )
    trust = Trust(1, now, founding.writers, founding.recipients)
    try:
        store.put(names.trust(1), encode_trust(trust, description.repository, "", founding.root))
        store.put(names.DESCRIPTION, encode_description(description, founding.root))
    except errors.BackstayError as problem:
        if problem.kind is not errors.BLOB_EXISTS:
            raise
        raise errors.REPOSITORY_EXISTS.error("somebody else makes a repository here", where=store.location) from problem
    return open_repository(store, (), roots=(founding.root.public,))


def require_recipients(recipients: Sequence[TrustedRecipient]) -> None:
    """Raise `RECIPIENTS_TOO_FEW` unless there are two, one of them offline."""
    count = len({each.public for each in recipients})
    offline = sum(each.offline and not each.is_service for each in recipients)
    if count < FEWEST_RECIPIENTS or not offline:
        raise errors.RECIPIENTS_TOO_FEW.error(
            f"{count} recipient{'' if count == 1 else 's'}, {offline} of them offline"
        )


def open_repository(
    store: BlobStore,
    identities: Sequence[SlotIdentity],
    *,
    roots: Sequence[str] = (),
    services: KeyServices | None = None,
) -> Repository:
    """The repository in `store`. With `roots`, its root must be one of these; `services` wrap keys to recipients that are such.

    Raises `REPOSITORY_MISSING`, `REPOSITORY_NEWER`, `REPOSITORY_ROLLED_BACK` for another root, `SIGNATURE_WRONG`,
    `CHAIN_BROKEN`, `OBJECT_DAMAGED`, and the store's own errors.
    """
    try:
        data = read_all(store, names.DESCRIPTION, limit_bytes=LARGEST_DOCUMENT)
    except errors.BackstayError as problem:
        if problem.kind is not errors.BLOB_NOT_FOUND:
            raise
        raise errors.REPOSITORY_MISSING.error("there is no repository", where=store.location) from problem
    description = decode_description(data)
    if roots and not set(description.root) & set(roots):
        raise errors.REPOSITORY_ROLLED_BACK.error(
            "this is not the repository that was here", where=store.location, why="its root key is another one"
        )
    return Repository(store, description, _newest_trust(store, description), identities, services or KeyServices({}))


def _newest_trust(store: BlobStore, description: Description) -> Trust:
    numbers = sorted(filter(None, (names.trust_number(blob.name) for blob in store.list(names.TRUST))))
    if not numbers or numbers != list(range(1, len(numbers) + 1)):
        raise errors.CHAIN_BROKEN.error(
            "a trust document is missing", where=store.location, why=f"found are {numbers[:20]}"
        )
    trust = None
    for number in numbers:
        data = read_all(store, names.trust(number), limit_bytes=LARGEST_DOCUMENT)
        previous = trust.sha256 if trust is not None else ""
        trust = decode_trust(data, number, description.repository, description.root, previous)
    assert trust is not None
    return trust


def _refuse_occupied(store: BlobStore) -> None:
    for prefix in (names.DESCRIPTION, *names.PREFIXES):
        if store.list(prefix):
            raise errors.REPOSITORY_EXISTS.error(
                "the place is not empty", where=store.location, why=f"there are objects under `{prefix}`"
            )


def new_epoch(now: datetime, entropy: Entropy) -> EpochKey:
    """A fresh key for the day of `now`."""
    return EpochKey(EpochId(int(f"{now:%Y%m%d}"), entropy(8)), entropy(32))


def sha256_text(data: bytes) -> str:
    """SHA-256 in hex."""
    return hashlib.sha256(data).hexdigest()
