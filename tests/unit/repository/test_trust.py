"""Whom a repository believes: writers, revocation, roots; what of a newer format is refused; which identity opens what."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from backstay import errors
from backstay.blobs.memory import MemoryStore
from backstay.crypto.signing import SigningKey, parse_object, sign_document
from backstay.crypto.slots import PassphraseRule, identity_of
from backstay.errors import BackstayError
from backstay.repository import names
from backstay.repository.catalogue import facts_of, read_catalogue
from backstay.repository.description import Encryption
from backstay.repository.repository import Founding, create, open_repository
from backstay.repository.trust import Trust, TrustedRecipient, TrustedWriter, encode_trust
from tests.backing_up import BEGIN, Place, entropy_of, small_history


def resigned(place: Place, name: str, key: SigningKey, change: Callable[[dict[str, Any]], None]) -> MemoryStore:
    """The repository with one document changed and signed again."""
    store = MemoryStore()
    for blob in place.store.list():
        data = b"".join(place.store.get(blob.name))
        if blob.name == name:
            fields = parse_object(data.split(b"\n")[0], name)
            change(fields)
            data = sign_document(fields, key)
        store.put(blob.name, data)
    return store


def kind_of(call: Callable[[], object]) -> errors.ErrorKind:
    with pytest.raises(BackstayError) as raised:
        call()
    return raised.value.kind


def with_trust(place: Place, change: Callable[[Trust], Trust]) -> None:
    """Put the next trust document."""
    before = place.repository().trust
    after = change(replace(before, number=before.number + 1))
    place.store.put(names.trust(after.number), encode_trust(after, place.repository().id, before.sha256, place.root))


def test_a_manifest_of_a_stranger_is_not_believed() -> None:
    place = Place()
    point = place.back_up(small_history()).manifest
    store = resigned(place, point.where, SigningKey(bytes(32)), lambda fields: None)
    assert kind_of(lambda: read_catalogue(open_repository(store, ())).require_sound()) is errors.SIGNATURE_WRONG


def test_an_object_under_number_zero_hides_no_point() -> None:
    place, cluster = Place(), small_history()
    first = place.back_up(cluster).manifest
    place.store.put(names.manifest(first.lineage, 0), b"whoever may create an object\n")
    assert [each.sequence for each in place.catalogue().points] == [1]
    assert place.back_up(cluster).manifest.sequence == 2


def test_a_revoked_writer_is_believed_up_to_its_revocation() -> None:
    place, cluster = Place(), small_history()
    first = place.back_up(cluster).manifest
    place.back_up(cluster)
    revoked = {first.lineage: 2}
    with_trust(place, lambda trust: replace(trust, writers=(TrustedWriter(place.writer.public, "host", revoked),)))
    catalogue = read_catalogue(place.repository())
    assert [each.sequence for each in catalogue.points] == [1]
    assert [each.sequence for each in catalogue.disbelieved] == [2]
    assert catalogue.damage == ()


def test_trust_that_is_not_signed_by_the_root_or_lacks_a_link_is_refused() -> None:
    place = Place()
    with_trust(place, lambda trust: trust)
    open_repository(place.store, ())
    forged = resigned(place, names.trust(2), SigningKey(bytes(32)), lambda fields: None)
    assert kind_of(lambda: open_repository(forged, ())) is errors.SIGNATURE_WRONG
    relinked = resigned(place, names.trust(2), place.root, lambda fields: fields.update(previous="0" * 64))
    assert kind_of(lambda: open_repository(relinked, ())) is errors.CHAIN_BROKEN
    place.store.delete(names.trust(1))
    assert kind_of(lambda: open_repository(place.store, ())) is errors.CHAIN_BROKEN


@pytest.mark.parametrize(
    "change",
    [
        lambda fields: fields.update(format=2),
        lambda fields: fields.update(features=["log-runs"]),
        lambda fields: fields.update(surprise=1),
    ],
    ids=["format", "feature", "field"],
)
def test_a_newer_repository_is_refused_and_says_what_is_newer(change: Callable[[dict[str, Any]], None]) -> None:
    place = Place()
    store = resigned(place, names.DESCRIPTION, place.root, change)
    with pytest.raises(BackstayError) as raised:
        open_repository(store, ())
    assert raised.value.kind is errors.REPOSITORY_NEWER
    assert any(word in str(raised.value) for word in ("2", "log-runs", "surprise"))


@pytest.mark.parametrize("name", ["document", "repository", "lineage", "runs", "time", "private", "sequence"])
def test_a_manifest_with_a_field_of_another_kind_is_damage(name: str) -> None:
    place = Place()
    point = place.back_up(small_history()).manifest
    for value in (None, -1, "x", [], {}, 1 << 70, [{}], True):
        store = resigned(place, point.where, place.writer, lambda fields, value=value: fields.update({name: value}))  # type: ignore[misc]
        catalogue = read_catalogue(open_repository(store, (place.operator,)))
        if catalogue.damage:
            continue
        facts = kind_of(lambda: facts_of(open_repository(store, (place.operator,)), catalogue.points[0]))  # noqa: B023
        assert name == "private", value
        assert facts is errors.OBJECT_DAMAGED


def test_every_recipient_opens_every_point_and_nobody_else() -> None:
    rule = PassphraseRule(bytes(16), 1, 1, 64)
    place, cluster = Place(), small_history()
    with_trust(
        place,
        lambda trust: replace(
            trust,
            recipients=(*trust.recipients, TrustedRecipient(rule.identity("pass").public, "words", passphrase=rule)),
        ),
    )
    place.back_up(cluster)
    point = place.catalogue().points[0]
    stored_rule = place.repository().trust.recipients[-1].passphrase
    assert stored_rule == rule
    for identity in (place.operator, place.recovery, rule.identity("pass")):
        assert facts_of(open_repository(place.store, (identity,)), point).revision == cluster.revision
    for identities in ((), (identity_of(bytes(32)),), (rule.identity("wrong"),)):
        repository = open_repository(place.store, identities)
        assert kind_of(lambda: facts_of(repository, point)) is errors.KEY_UNAVAILABLE  # noqa: B023


def test_a_removed_recipient_reads_what_was_and_not_what_comes() -> None:
    place, cluster = Place(), small_history()
    old = place.back_up(cluster).manifest
    with_trust(place, lambda trust: replace(trust, recipients=trust.recipients[1:]))
    from backstay.repository.repository import new_epoch

    place.epoch = new_epoch(place.now, place.entropy)
    new = place.back_up(cluster).manifest
    repository = open_repository(place.store, (place.operator,))
    assert facts_of(repository, old).revision == cluster.revision
    assert kind_of(lambda: facts_of(repository, new)) is errors.KEY_UNAVAILABLE


def test_a_lost_slot_leaves_the_others() -> None:
    place = Place()
    point = place.back_up(small_history()).manifest
    place.store.delete(
        next(slot.name for slot in point.slots if place.repository().trust.recipients[0].id in slot.name)
    )
    repository = open_repository(place.store, (place.operator,))
    assert kind_of(lambda: facts_of(repository, point)) is errors.KEY_UNAVAILABLE
    facts_of(open_repository(place.store, (place.recovery,)), point)


@pytest.mark.parametrize("count", [0, 1, 2])
def test_a_sealed_repository_needs_two_recipients_one_of_them_offline(count: int) -> None:
    recipients = tuple(TrustedRecipient(identity_of(bytes((n,)) * 32).public, f"n{n}") for n in range(count))
    founding = Founding(Encryption.SEALED, recipients, (), SigningKey(bytes(32)))
    store = MemoryStore()
    found = kind_of(lambda: create(store, founding, now=BEGIN, entropy=entropy_of(1)))
    assert found is errors.RECIPIENTS_TOO_FEW
    assert not store.list()


def test_a_repository_is_never_made_where_something_is() -> None:
    place = Place()
    founding = Founding(Encryption.PLAINTEXT, (), (), place.root)
    before = [(blob.name, hashlib.sha256(b"".join(place.store.get(blob.name)))) for blob in place.store.list()]
    found = kind_of(lambda: create(place.store, founding, now=BEGIN, entropy=entropy_of(1)))
    assert found is errors.REPOSITORY_EXISTS
    assert [each[0] for each in before] == [blob.name for blob in place.store.list()]
    assert kind_of(lambda: open_repository(MemoryStore(), ())) is errors.REPOSITORY_MISSING


def test_a_clock_that_goes_back_does_not_make_an_old_point_the_newest() -> None:
    place, cluster = Place(), small_history()
    for hours in (5, 3, 4):
        place.now = BEGIN + timedelta(hours=hours)
        place.back_up(cluster)
        cluster.put(b"more", b"1")
    assert [each.sequence for each in place.catalogue().points] == [1, 2, 3]


def test_a_run_of_another_state_does_not_fit_into_the_chain() -> None:
    place, cluster = Place(), small_history()
    place.back_up(cluster)
    assert place.memory is not None
    place.memory = replace(place.memory, state_digest="0" * 64)
    cluster.put(b"more", b"1")
    point = place.back_up(cluster).manifest
    assert kind_of(lambda: list(place.reader(point).everything())) is errors.POINT_UNPROVEN
    assert kind_of(lambda: list(place.reader(point).state())) is errors.POINT_UNPROVEN
