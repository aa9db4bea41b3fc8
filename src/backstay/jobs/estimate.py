"""What one more point of a cluster costs: two of its snapshots backed up into a repository that is thrown away.

Called by `backstay estimate`. Nothing is guessed that can be measured: the runs are written as a backup writes them, sealed
with keys that nobody keeps, into a private directory.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from backstay import errors
from backstay.blobs.local import LocalStore
from backstay.clock import Clock
from backstay.crypto.sealing import ObjectClass
from backstay.crypto.signing import SEED_SIZE, SigningKey
from backstay.crypto.slots import identity_of
from backstay.formats import mvcc
from backstay.jobs.backup.run import examine
from backstay.policy.estimate import Interval
from backstay.repository.description import Encryption
from backstay.repository.manifest import FileFacts, HashFacts
from backstay.repository.memory import WriterMemory
from backstay.repository.reading import PointReader
from backstay.repository.repository import Entropy, Founding, Repository, create, new_epoch
from backstay.repository.source import classify
from backstay.repository.trust import TrustedRecipient, TrustedWriter
from backstay.repository.writing import BackupDraft, CommittedPoint, Writer, back_up
from backstay.snapshot.canonical import StoreContents
from backstay.snapshot.opened import OpenedStore
from backstay.telemetry import Progress

_UNKNOWN = FileFacts("0" * 64, 0, 4096, 0)


@dataclass(frozen=True, slots=True)
class Measured:
    """What was found. Sizes are bytes of the snapshots' files, unless said."""

    interval: Interval
    first_size: int
    second_size: int
    first_revision: int
    second_revision: int

    @property
    def revisions(self) -> int:
        """Writes between the two."""
        return self.second_revision - self.first_revision


def measure(
    first: OpenedStore, second: OpenedStore, *, scratch: Path, clock: Clock, entropy: Entropy, progress: Progress
) -> Measured:
    """What it costs to go on from `first` to `second`.

    Raises `SOURCE_UNSOUND`, and `USAGE` where the second is not the same cluster's, later.
    """
    place = scratch / "estimate"
    place.mkdir()
    key, now = SigningKey(entropy(SEED_SIZE)), clock.now()
    identities = [identity_of(entropy(32)), identity_of(entropy(32))]
    recipients = tuple(
        TrustedRecipient(each.public, str(number), offline=bool(number)) for number, each in enumerate(identities)
    )
    founding = Founding(Encryption.SEALED, recipients, (TrustedWriter(key.public, "estimate"),), key)
    repository = create(LocalStore(place), founding, now=now, entropy=entropy)
    writer = Writer(key, new_epoch(now, entropy), now, entropy, scratch, progress)
    one = _point(repository, first, None, writer, progress)
    two = _point(repository, second, one.memory, writer, progress)
    if two.base_reason:
        raise errors.USAGE.error(
            "the second snapshot does not go on from the first",
            where=str(second.path),
            why=two.base_reason,
            next_step="give two snapshots of one cluster, the older one first",
        )
    return Measured(_interval(repository, one, two), first.file_size, second.file_size, first.revision, second.revision)


def _point(
    repository: Repository, store: OpenedStore, memory: WriterMemory | None, writer: Writer, progress: Progress
) -> CommittedPoint:
    examine(store, progress)
    contents = StoreContents(store)
    hash_facts = HashFacts(0, max(store.revision, 1), store.compact_revision)
    draft = BackupDraft("estimate", _UNKNOWN, hash_facts, {})
    return back_up(repository, contents, classify(contents), draft, memory, writer)


def _interval(repository: Repository, one: CommittedPoint, two: CommittedPoint) -> Interval:
    """What the runs that only the second point has are made of."""
    new = {run.name: run for run in two.manifest.runs if run not in one.manifest.runs}

    def size(kind: ObjectClass) -> int:
        return sum(run.size for run in new.values() if run.kind is kind)

    updated = created = deleted = 0
    reader = PointReader(repository, two.manifest)
    for run in new.values():
        if run.kind is not ObjectClass.STATE:
            continue
        for record in reader.run(run).records():
            if record.tombstone:
                deleted += 1
            elif mvcc.decode_key_value(record.value).create_revision > one.facts.revision:
                created += 1
            else:
                updated += 1
    return Interval(
        base=sum(run.size for run in one.manifest.of_kind(ObjectClass.BASE)),
        state=size(ObjectClass.STATE),
        history=size(ObjectClass.HISTORY),
        entries=size(ObjectClass.ENTRIES),
        manifest=repository.store.stat(two.manifest.where).size,
        updated=updated,
        created=created,
        deleted=deleted,
        compacts=two.facts.compact_revision > one.facts.revision,
    )
