"""Recipients and writers come and go: what each can read and write afterwards, and what is refused."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from backstay import errors
from backstay.blobs.contract import BlobStore
from backstay.crypto.signing import SigningKey
from backstay.crypto.slots import identity_of
from backstay.errors import BackstayError
from backstay.jobs.points.verify import verify
from backstay.repository.catalogue import facts_of, read_catalogue
from backstay.repository.repository import Repository, new_epoch, open_repository
from backstay.repository.rewrapping import epochs, plan_rewrap, rewrap, slot_names
from backstay.repository.trust import TrustedRecipient, TrustedWriter
from backstay.repository.trusting import plan_revocation, put_trust
from backstay.snapshot.verify import Level
from backstay.telemetry import SilentProgress
from tests.backing_up import Place, small_history

NEW = identity_of(b"\5" * 32)
AUDITOR = TrustedRecipient(NEW.public, "auditor")


def two_days() -> Place:
    place, cluster = Place(), small_history()
    for _ in range(2):
        place.back_up(cluster)
        cluster.put(b"more", b"1")
        place.epoch = new_epoch(place.now, place.entropy)
    return place


def reached(place: Place, repository: Repository, level: Level) -> set[Level]:
    catalogue = read_catalogue(repository).require_sound()
    verified = verify(
        repository, catalogue, catalogue.points, level,
        spill=Path("/tmp"), entropy=place.entropy, progress=SilentProgress(),
    )  # fmt: skip
    assert {found.code for found in verified.all_findings} <= {"objects-unused"}
    return {each.reached for each in verified.points}


def test_an_added_recipient_reads_what_was_after_a_rewrap() -> None:
    place = two_days()
    before = place.repository()
    put_trust(before, place.root, now=place.now, recipients=(*before.trust.recipients, AUDITOR))
    points = place.catalogue().points
    with pytest.raises(BackstayError):
        facts_of(open_repository(place.store, (NEW,)), points[0])
    plan = plan_rewrap(place.repository(), place.repository().trust.recipients)
    assert (plan.epochs, len(plan.missing), plan.stale) == (2, 2, ())
    assert rewrap(place.repository(), plan).added == len(list(epochs(place.repository()))) == 2
    assert plan_rewrap(place.repository(), place.repository().trust.recipients).missing == ()
    assert reached(place, open_repository(place.store, (NEW,)), Level.REBUILT) == {Level.REBUILT}


def test_a_rewrap_needs_an_identity() -> None:
    place = two_days()
    sealed = place.repository(readable=False)
    done = rewrap(sealed, plan_rewrap(sealed, (*sealed.trust.recipients, AUDITOR)))
    assert (done.added, done.removed) == (0, 0)
    assert {problem.kind for _, problem in done.failures} == {errors.KEY_UNAVAILABLE}


def test_a_removed_recipient_loses_its_slots_and_nobody_else_anything() -> None:
    place = two_days()
    repository = place.repository()
    put_trust(repository, place.root, now=place.now, recipients=(*repository.trust.recipients[1:], AUDITOR))
    plan = plan_rewrap(place.repository(), place.repository().trust.recipients)
    assert (len(plan.missing), len(plan.stale)) == (2, 2)
    done = rewrap(place.repository(), plan)
    assert (done.added, done.removed, done.kept, done.failures) == (2, 2, (), ())
    with pytest.raises(BackstayError):
        facts_of(place.repository(), place.catalogue().points[0])
    assert reached(place, open_repository(place.store, (NEW,)), Level.REBUILT) == {Level.REBUILT}
    assert reached(place, open_repository(place.store, (place.recovery,)), Level.REBUILT) == {Level.REBUILT}


def test_an_admitted_writer_is_believed_and_a_revoked_one_is_not() -> None:
    place, cluster = two_days(), small_history()
    second = SigningKey(b"\7" * 32)
    first, place.writer = place.writer, second
    place.memory = None
    place.back_up(cluster)
    assert read_catalogue(place.repository()).damage
    put_trust(
        place.repository(), place.root, now=place.now,
        writers=(*place.repository().trust.writers, TrustedWriter(second.public, "second")),
    )  # fmt: skip
    lineage = place.catalogue().points[-1].lineage
    put_trust(
        place.repository(), place.root, now=place.now,
        writers=(TrustedWriter(first.public, "first", {lineage: 3}), TrustedWriter(second.public, "second")),
    )  # fmt: skip
    assert len(place.catalogue().points) == 3


def test_the_last_slot_of_an_epoch_is_never_deleted() -> None:
    place = two_days()
    repository = place.repository(readable=False)
    strangers = tuple(
        TrustedRecipient(identity_of(bytes((number,)) * 32).public, f"new-{number}", offline=True) for number in (8, 9)
    )
    put_trust(repository, place.root, now=place.now, recipients=strangers)
    sealed = place.repository(readable=False)
    before = slot_names(sealed)
    done = rewrap(sealed, plan_rewrap(sealed, sealed.trust.recipients))
    assert (done.added, done.removed, sorted(done.kept)) == (0, 0, before)
    assert slot_names(sealed) == before


def test_a_slot_that_the_storage_keeps_is_reported_and_no_error() -> None:
    place = two_days()
    repository = place.repository()
    put_trust(repository, place.root, now=place.now, recipients=(*repository.trust.recipients[1:], AUDITOR))
    keeping = open_repository(Keeping(place.store), (place.recovery,))
    done = rewrap(keeping, plan_rewrap(keeping, keeping.trust.recipients))
    assert (done.added, done.removed, len(done.kept)) == (2, 0, 2)


class Keeping:
    """A store that deletes nothing, as under an object lock."""

    def __init__(self, inner: BlobStore) -> None:
        self._inner = inner

    def __getattr__(self, name: str) -> Any:
        return getattr(self._inner, name)

    def delete(self, name: str) -> None:
        raise errors.STORAGE_DENIED.error("the object is locked", where=name)


def test_a_revoked_writer_loses_what_came_after_and_others_keep_theirs() -> None:
    place, cluster = two_days(), small_history()
    first, second = place.writer, SigningKey(b"\7" * 32)
    put_trust(
        place.repository(), place.root, now=place.now,
        writers=(*place.repository().trust.writers, TrustedWriter(second.public, "second")),
    )  # fmt: skip
    place.writer, place.memory = second, None
    place.back_up(cluster)
    lineage = place.catalogue().points[0].lineage
    stolen = place.repository().trust.writer(first.public)
    assert stolen is not None
    plan = plan_revocation(place.catalogue(), stolen, {lineage: 2})
    assert [each.sequence for each in plan.disbelieved if each.lineage == lineage] == [2]
    put_trust(
        place.repository(), place.root, now=place.now,
        writers=(plan.writer, TrustedWriter(second.public, "second")),
    )  # fmt: skip
    assert [(each.sequence, each.writer == second.public) for each in place.catalogue().points] == [
        (1, False),
        (3, True),
    ]
    assert reached(place, place.repository(), Level.REBUILT) == {Level.REBUILT}
    # A revocation only becomes stricter, and what is signed afterwards counts for nothing, in new lineages too.
    again = plan_revocation(place.catalogue(), plan.writer, {})
    assert again.writer.revoked == plan.writer.revoked
    place.writer, place.memory = first, None
    forged = place.back_up(cluster).manifest
    assert forged in place.catalogue().disbelieved
    assert forged not in place.catalogue().points


def test_only_the_root_changes_the_trust_and_never_to_a_single_key() -> None:
    place = Place()
    repository = place.repository()
    with pytest.raises(BackstayError) as raised:
        put_trust(repository, SigningKey(bytes(32)), now=place.now)
    assert raised.value.kind is errors.SIGNING_KEY_INVALID
    for recipients in (repository.trust.recipients[:1], (repository.trust.recipients[0], AUDITOR), ()):
        with pytest.raises(BackstayError) as raised:
            put_trust(repository, place.root, now=place.now, recipients=recipients)
        assert raised.value.kind is errors.RECIPIENTS_TOO_FEW
    put_trust(repository, place.root, now=place.now)
    with pytest.raises(BackstayError) as raised:
        put_trust(repository, place.root, now=place.now, writers=())
    assert raised.value.kind is errors.COMMIT_LOST
