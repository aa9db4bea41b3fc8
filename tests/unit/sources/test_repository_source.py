"""A point of a repository, looked into: what a random history held at every revision, through chains of runs."""

from __future__ import annotations

import random
from pathlib import Path

import pytest

from backstay import errors
from backstay.errors import BackstayError
from backstay.formats.mvcc import decode_key_value, decode_revision
from backstay.sources import Selection
from backstay.sources.repository import RepositorySource, open_point
from backstay.values import Revision
from tests.backing_up import Cluster, Place

ALL = Selection.parse("")
KEYS = [b"/registry/pods/a", b"/registry/pods/b", b"/registry/podsx", b"/registry/secrets/s", b"a", b"\xff\xff", b"z"]


class Told:
    """A cluster, and what its keys were at every revision."""

    def __init__(self, seed: int) -> None:
        self.cluster, self.source = Cluster(), random.Random(seed)
        self.at: dict[int, dict[bytes, bytes]] = {1: {}}

    def live(self, count: int) -> None:
        """Some more revisions."""
        for _ in range(count):
            keys = self.source.sample(KEYS, self.source.randint(1, 3))
            if self.source.random() < 0.3:
                self.cluster.delete(*keys)
            else:
                self.cluster.write([(key, self.source.randbytes(20)) for key in keys])
            self.at[self.cluster.revision] = self.cluster.live()


def told_by(source: RepositorySource, at: int) -> dict[bytes, bytes]:
    return {item.key: item.value for item in source.items(ALL, Revision(at))}


@pytest.mark.parametrize("seed", range(6))
def test_every_revision_that_a_point_holds_is_what_it_was(seed: int, tmp_path: Path) -> None:
    place, told = Place(spill=tmp_path), Told(seed)
    points = []
    for _ in range(5):
        told.live(8)
        if told.source.random() < 0.6:
            told.cluster.compact(told.source.randint(max(1, told.cluster.compact_revision), told.cluster.revision))
        points.append((place.back_up(told.cluster).manifest.id, told.cluster.copy()))
    for point, cluster in points:
        with open_point(place.repository(), at=point) as source:
            assert source.revision == cluster.revision
            for at in range(max(1, cluster.compact_revision), cluster.revision + 1):
                wanted = told.at[at]
                assert told_by(source, at) == wanted
                for key in KEYS:
                    item = source.get(key, Revision(at))
                    assert (item.value if item else None) == wanted.get(key)
                for text in ("/registry/pods", "/registry/pods/", "\\xff", "/registry/*/*"):
                    selection = Selection.parse(text)
                    names = [entry.key for entry in source.keys(selection, Revision(at))]
                    assert names == sorted(filter(selection.matches, wanted))
            everything = [(each.revision, each.item) for each in source.records(ALL)]
            held = [(decode_revision(key), decode_key_value(value)) for key, value in cluster.elements()]
            assert everything == [each for each in held if each in everything]
            assert len(everything) == sum(1 for _ in place.reader(source.point.manifest).everything())
            for key in KEYS:
                assert [each.item for each in source.history(key)] == [
                    item for _, item in everything if item.key == key
                ]


def test_a_revision_within_the_history_is_the_newest_where_it_was_chosen() -> None:
    place, cluster = Place(), Cluster()
    cluster.put(b"a", b"1")
    place.back_up(cluster)
    cluster.put(b"a", b"2")
    cluster.put(b"a", b"3")
    place.back_up(cluster)
    with open_point(place.repository(), at="3") as source:
        assert source.revision == 3
        assert "at revision 3" in source.describe()
        assert told_by(source, 0) == {b"a": b"2"}
        assert [each.revision.main for each in source.history(b"a")] == [2, 3]
        assert source.count(ALL) == (1, 1)
        with pytest.raises(BackstayError) as raised:
            source.get(b"a", Revision(4))
        assert raised.value.kind is errors.REVISION_FUTURE


def test_a_point_without_an_identity_is_refused_as_sealed() -> None:
    place, cluster = Place(), Cluster()
    cluster.put(b"a", b"1")
    place.back_up(cluster)
    with pytest.raises(BackstayError) as raised:
        open_point(place.repository(readable=False))
    assert raised.value.kind is errors.KEY_UNAVAILABLE
