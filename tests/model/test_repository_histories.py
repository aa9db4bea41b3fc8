"""Random histories, backups at random moments: every point gives back exactly what the cluster held then."""

from __future__ import annotations

import random
from datetime import timedelta
from pathlib import Path

import pytest

from backstay import errors
from backstay.crypto.sealing import ObjectClass
from backstay.errors import BackstayError
from backstay.repository import names
from backstay.repository.continuing import BaseRule
from tests.backing_up import Cluster, Element, Place, normalised

HISTORIES = 60
KEYS = [
    b"a",
    b"a/b",
    b"b",
    b"\0",
    b"\0\0",
    b"\xff\xfe",
    b"long/" + b"k" * 300,
    *(b"/registry/pods/%d" % n for n in range(9)),
]


@pytest.mark.parametrize("seed", range(HISTORIES))
def test_every_point_gives_back_what_the_cluster_held(seed: int, tmp_path: Path) -> None:
    source = random.Random(seed)
    place, cluster = Place(seed=seed, spill=tmp_path, plaintext=seed % 9 == 0), Cluster()
    kept: list[tuple[str, list[Element], dict[bytes, bytes], list[tuple[bytes, bytes, bytes]], int]] = []
    for _ in range(source.randrange(3, 9)):
        for _ in range(source.randrange(0, 40)):
            step(cluster, source)
        if source.random() < 0.1:
            place.memory = None  # the state directory is lost
        rule = BaseRule(timedelta(hours=source.choice((1, 24))), source.choice((0.5, 8.0)))
        point = place.back_up(cluster, rule=rule)
        kept.append(
            (point.manifest.id, normalised(cluster), cluster.live(), list(cluster.entries()), cluster.hash_kv())
        )
    points = {each.id: each for each in place.catalogue().points}
    assert list(points) == [each[0] for each in kept]
    for identifier, elements, live, entries, hash_kv in kept:
        point = points[identifier]
        assert place.elements(point) == elements, f"{identifier} of seed {seed}"
        assert place.live(point) == live
        assert list(place.reader(point).entries()) == entries
        assert place.reader(point).facts.hash_kv.hash == hash_kv


def step(cluster: Cluster, source: random.Random) -> None:
    """Something that happens to a cluster."""
    what = source.random()
    if what < 0.5:
        cluster.put(source.choice(KEYS), source.randbytes(source.choice((0, 1, 30, 2000))), source.choice((0, 0, 7)))
    elif what < 0.7:
        cluster.delete(*source.sample(KEYS, source.randrange(1, 4)))
    elif what < 0.85:
        keys = source.sample(KEYS, source.randrange(1, 6))
        live = cluster.live()
        cluster.write([(key, None if key in live and source.random() < 0.4 else source.randbytes(20)) for key in keys])
    elif what < 0.95 and cluster.revision > max(cluster.compact_revision, 1):
        cluster.compact(
            source.randrange(max(cluster.compact_revision, 1) + 1, cluster.revision + 1),
            keeps_tombstones=source.random() < 0.7,
            share=source.choice((1.0, 1.0, 0.5)),
        )
    else:
        cluster.leases[source.randrange(1, 9)] = source.randrange(60)


def test_a_deletion_that_was_compacted_away_before_the_backup_is_known() -> None:
    place, cluster = Place(), Cluster()
    cluster.put(b"stays", b"1")
    cluster.put(b"goes", b"1")
    place.back_up(cluster)
    cluster.delete(b"goes")
    cluster.put(b"stays", b"2")
    cluster.compact(cluster.revision)
    point = place.back_up(cluster)
    assert not point.base_reason
    assert place.elements(point.manifest) == list(cluster.elements())
    assert place.live(point.manifest) == {b"stays": b"2"}


def test_a_restored_cluster_that_went_on_otherwise_begins_a_new_lineage_and_both_restore() -> None:
    place, cluster = Place(), Cluster()
    for number in range(9):
        cluster.put(b"a%d" % number, b"1")
    first = place.back_up(cluster)
    fork = cluster.copy()
    cluster.put(b"left", b"1")
    second = place.back_up(cluster)
    fork.put(b"right", b"2")
    fork.put(b"right", b"3")
    third = place.back_up(fork)
    assert second.manifest.lineage == first.manifest.lineage
    assert third.manifest.lineage != first.manifest.lineage
    assert third.manifest.parent is not None and third.manifest.parent.sequence == 2
    assert "another" in third.base_reason
    assert place.live(second.manifest) == cluster.live()
    assert place.live(third.manifest) == fork.live()


def test_a_revision_that_went_back_begins_a_new_lineage() -> None:
    place, cluster = Place(), Cluster()
    cluster.put(b"a", b"1")
    old = cluster.copy()
    cluster.put(b"a", b"2")
    first = place.back_up(cluster)
    second = place.back_up(old)
    assert second.manifest.lineage != first.manifest.lineage
    assert place.live(second.manifest) == old.live()


def test_only_new_records_are_stored() -> None:
    place, cluster = Place(), Cluster()
    for number in range(2000):
        cluster.put(b"/registry/pods/%d" % number, random.Random(number).randbytes(200))
    base = place.back_up(cluster)
    cluster.put(b"/registry/pods/7", b"new")
    cluster.put(b"/registry/pods/7", b"newer")
    point = place.back_up(cluster)
    assert point.new_bytes < base.new_bytes / 50
    kinds = [run.kind for run in point.manifest.runs]
    assert kinds == [ObjectClass.BASE, ObjectClass.STATE, ObjectClass.HISTORY, ObjectClass.ENTRIES]
    assert place.elements(point.manifest) == list(cluster.elements())


def test_a_run_that_is_gone_leads_to_a_new_base() -> None:
    place, cluster = Place(), Cluster()
    cluster.put(b"a", b"1")
    first = place.back_up(cluster)
    place.store.delete(first.manifest.runs[0].name)
    cluster.put(b"a", b"2")
    second = place.back_up(cluster)
    assert "gone" in second.base_reason
    assert place.live(second.manifest) == {b"a": b"2"}


def test_a_manifest_that_somebody_put_far_above_the_head_is_told_as_a_gap() -> None:
    place, cluster = Place(), Cluster()
    cluster.put(b"a", b"1")
    point = place.back_up(cluster).manifest
    place.store.put(names.manifest(point.lineage, 900), b"planted")
    cluster.put(b"a", b"2")
    with pytest.raises(BackstayError) as raised:
        place.back_up(cluster)
    assert raised.value.kind is errors.COMMIT_LOST
    assert "number 2 is gone" in raised.value.why
    assert "backstay check" in raised.value.next_step
