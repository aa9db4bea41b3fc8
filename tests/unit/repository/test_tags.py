"""Tags that are given to points later: found, moved to a newer point, and worth nothing from a stranger's hand."""

from __future__ import annotations

import pytest

from backstay import errors
from backstay.crypto.signing import SigningKey
from backstay.errors import BackstayError
from backstay.repository.choosing import choose
from backstay.repository.tags import put_tag, read_tags, require_tag
from tests.backing_up import Cluster, Place


@pytest.fixture
def place() -> Place:
    place, cluster = Place(), Cluster()
    for _ in range(3):
        cluster.put(b"a", b"1")
        place.back_up(cluster)
    return place


def test_a_tag_names_the_newest_point_that_has_it(place: Place) -> None:
    repository, points = place.repository(), place.catalogue().points
    put_tag(repository, [points[0]], "pre-upgrade", place.writer, now=place.now, entropy=place.entropy)
    assert choose(repository, points, "pre-upgrade").point == points[0]
    put_tag(repository, [points[1]], "pre-upgrade", place.writer, now=place.now, entropy=place.entropy)
    assert choose(repository, points, "pre-upgrade").point == points[1]
    assert choose(repository, points[:1], "pre-upgrade").point == points[0]
    assert [tag.by for tag in read_tags(place.repository(readable=False))] == ["host", "host"]


def test_who_is_not_trusted_gives_no_tags(place: Place) -> None:
    repository, points = place.repository(), place.catalogue().points
    stranger = SigningKey(place.entropy(32))
    with pytest.raises(BackstayError) as raised:
        put_tag(repository, points[:1], "mine", stranger, now=place.now, entropy=place.entropy)
    assert raised.value.kind is errors.SIGNING_KEY_INVALID
    put_tag(repository, points[:1], "ours", place.writer, now=place.now, entropy=place.entropy)
    name = next(blob.name for blob in place.store.list("tags/"))
    data = b"".join(place.store.get(name))
    place.store.put("tags/0123456789abcdef", data.replace(b'"ours"', b'"hers"'))
    place.store.put("tags/fedcba9876543210", b"\xff\x00 no document")
    assert [tag.text for tag in read_tags(repository)] == ["ours"]


@pytest.mark.parametrize(
    "text", ["", "latest", "120431", "2026-11-25", "deadbeef", "deadbeef-12", "a b", "a:b", "-a", "x" * 64]
)
def test_what_would_be_taken_for_something_else_cannot_be_a_tag(text: str) -> None:
    with pytest.raises(BackstayError) as raised:
        require_tag(text)
    assert raised.value.kind is errors.USAGE
