"""Small objects that speak of nothing any more: slots of old epochs, facts, proofs and tags.

    slots     of epochs that no manifest that stays and no run that is there was sealed with
    facts     older than 30 days that say of no point that is there the best or the newest
    proofs    older than 30 days that are nobody's newest
    tags      all of whose points are no more

An epoch is judged whole, whatever slots of it manifests name: slots come and go with recipients. A run says in its own
header what it was sealed with. Whatever cannot be read stays.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta

from backstay import errors
from backstay.blobs.contract import Blob
from backstay.crypto.sealing import HEADER_SIZE, EpochId, decode_header
from backstay.jobs.retention.closure import LineageSweep
from backstay.repository import facts as fact_documents
from backstay.repository import names
from backstay.repository import proofs as proof_documents
from backstay.repository import tags as tag_documents
from backstay.repository.catalogue import Catalogue
from backstay.repository.repository import Repository

DOCUMENT_AGE = timedelta(days=30)
EPOCH_AGE = timedelta(days=30)
"""So old that no backup can be under way whose key it is."""


def find_leftovers(
    repository: Repository,
    catalogue: Catalogue,
    sweeps: Sequence[LineageSweep],
    stored: Mapping[str, Blob],
    now: datetime,
) -> tuple[str, ...]:
    """The names of what may go once `sweeps` are carried out."""
    going = {point.id for each in sweeps for point in each.going}
    there = {each.id for each in (*catalogue.points, *catalogue.expired)} - going
    return (
        *_slots(repository, catalogue, sweeps, stored, now),
        *_facts(repository, there, now),
        *_proofs(repository, now),
        *_tags(repository, there, now),
    )


def _slots(
    repository: Repository,
    catalogue: Catalogue,
    sweeps: Sequence[LineageSweep],
    stored: Mapping[str, Blob],
    now: datetime,
) -> Iterator[str]:
    slots = [(name, epoch) for name in stored if (epoch := names.slot_epoch(name)) is not None]
    below = {name for each in sweeps for name in each.manifests}
    staying = [
        each
        for lineage in catalogue.lineages
        for each in (*lineage.manifests, *lineage.disbelieved)
        if each.where not in below
    ]
    named = {names.slot_epoch(slot.name) for each in staying for slot in each.slots}
    limit = now - EPOCH_AGE
    old = {
        epoch
        for _, epoch in slots
        if epoch not in named
        and epoch.day < int(f"{limit.astimezone(UTC):%Y%m%d}")
        and all(stored[name].modified < limit for name, other in slots if other == epoch)
    }
    if not old:
        return
    removed = {blob.name for each in sweeps for blob in each.runs}
    for name in stored:
        if name.startswith(names.RUNS) and name not in removed:
            old.discard(_epoch_of(repository, name, old))
            if not old:
                return
    yield from (name for name, epoch in slots if epoch in old)


def _epoch_of(repository: Repository, name: str, doubtful: set[EpochId]) -> EpochId:
    """What a run was sealed with. Whatever is wrong with it, nothing must go because of that."""
    try:
        return decode_header(b"".join(repository.store.get(name, length=HEADER_SIZE)), name).epoch
    except errors.BackstayError as problem:
        if problem.kind not in (errors.OBJECT_DAMAGED, errors.BLOB_NOT_FOUND, errors.REPOSITORY_NEWER):
            raise
        doubtful.clear()
        return EpochId(0, b"")


def _facts(repository: Repository, there: set[str], now: datetime) -> Iterator[str]:
    found = fact_documents.read_named_facts(repository)
    best = {id(fact) for fact, _ in fact_documents.newest_by_point([fact for _, fact in found]).values()}
    newest: dict[str, int] = {}
    for _, fact in found:
        for each in fact.points:
            newest[each.point] = id(fact)
    for name, fact in found:
        wanted = any(each.point in there for each in fact.points)
        is_last_word = id(fact) in best or id(fact) in {newest[each.point] for each in fact.points}
        if now - fact.time >= DOCUMENT_AGE and not (wanted and is_last_word):
            yield name


def _proofs(repository: Repository, now: datetime) -> Iterator[str]:
    found = proof_documents.read_named_proofs(repository)
    newest: dict[str, str] = {}
    for name, proof in found:
        for each in proof.recipients:
            if each.is_whole:
                newest[each.recipient] = name
    wanted = set(newest.values())
    yield from (name for name, proof in found if name not in wanted and now - proof.time >= DOCUMENT_AGE)


def _tags(repository: Repository, there: set[str], now: datetime) -> Iterator[str]:
    for name, tag in tag_documents.read_named_tags(repository):
        if now - tag.time >= DOCUMENT_AGE and not there.intersection(tag.points):
            yield name
