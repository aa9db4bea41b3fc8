"""Recipients and writers come and go: what each can read and write afterwards, and what is refused."""

from __future__ import annotations

from pathlib import Path

import pytest

from backstay import errors
from backstay.crypto.signing import SigningKey
from backstay.crypto.slots import identity_of
from backstay.errors import BackstayError
from backstay.jobs.points.verify import verify
from backstay.repository.catalogue import facts_of, read_catalogue
from backstay.repository.repository import Repository, new_epoch, open_repository
from backstay.repository.trust import TrustedRecipient, TrustedWriter
from backstay.repository.trusting import epochs, put_trust, remove_slots, rewrap
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
    assert not verified.all_findings
    return {each.reached for each in verified.points}


def test_an_added_recipient_reads_what_was_after_a_rewrap() -> None:
    place = two_days()
    before = place.repository()
    put_trust(before, place.root, now=place.now, recipients=(*before.trust.recipients, AUDITOR))
    points = place.catalogue().points
    with pytest.raises(BackstayError):
        facts_of(open_repository(place.store, (NEW,)), points[0])
    assert rewrap(place.repository(), AUDITOR) == len(list(epochs(place.repository()))) == 2
    assert rewrap(place.repository(), AUDITOR) == 0
    assert reached(place, open_repository(place.store, (NEW,)), Level.REBUILT) == {Level.REBUILT}


def test_a_rewrap_needs_an_identity() -> None:
    place = two_days()
    with pytest.raises(BackstayError) as raised:
        rewrap(place.repository(readable=False), AUDITOR)
    assert raised.value.kind is errors.KEY_UNAVAILABLE


def test_a_removed_recipient_loses_its_slots_and_nobody_else_anything() -> None:
    place = two_days()
    repository = place.repository()
    put_trust(repository, place.root, now=place.now, recipients=(*repository.trust.recipients[1:], AUDITOR))
    gone = repository.trust.recipients[0]
    with pytest.raises(ValueError, match="trusted"):
        remove_slots(repository, gone)
    assert remove_slots(place.repository(), gone) == 2
    with pytest.raises(BackstayError):
        facts_of(place.repository(), place.catalogue().points[0])
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
