"""Random histories of backups, marks, fades, recalls, merges and sweeps: every point that stays gives back exactly what was."""

from __future__ import annotations

import random
from datetime import timedelta
from pathlib import Path

import pytest

from backstay.jobs.retention.apply import recallable
from backstay.repository.catalogue import read_catalogue
from backstay.repository.continuing import BaseRule
from tests.backing_up import Cluster
from tests.model.test_repository_histories import step
from tests.retaining import Maintained

HISTORIES = 15


@pytest.mark.parametrize("seed", range(HISTORIES))
def test_every_point_that_stays_gives_back_what_the_cluster_held(seed: int, tmp_path: Path) -> None:
    maintained_history(seed, tmp_path, random.Random(seed).randrange(6, 16))


def maintained_history(seed: int, directory: Path, rounds: int) -> Maintained:
    """A history of so many rounds, checked after each piece of maintenance."""
    source = random.Random(seed)
    place, cluster = Maintained(seed=seed, spill=directory, plaintext=seed % 9 == 0), Cluster()
    gone: set[str] = set()
    for _ in range(rounds):
        for _ in range(source.randrange(0, 25)):
            step(cluster, source)
        if source.random() < 0.05:
            place.memory = None  # the state directory is lost
        place.back_up(cluster, rule=BaseRule(timedelta(hours=source.choice((20, 400))), source.choice((2.0, 99.0))))
        gone |= maintain(place, source)
        place.pass_time(hours=source.choice((0, 1, 9, 25, 200)))
    place.assert_all_restore()
    assert all(run in place.run_names() for each in place.catalogue().points for run in (run.name for run in each.runs))
    assert {each.id for each in place.catalogue().points}.isdisjoint(gone)
    assert place.catalogue().points[-1].id == list(place.held)[-1]
    return place


def maintain(place: Maintained, source: random.Random) -> set[str]:
    """Something that maintenance does; returns the points that are gone by it."""
    what, catalogue = source.random(), place.catalogue()
    if what < 0.3:
        going = [each for each in catalogue.points[:-1] if source.random() < 0.5]
        if going:
            place.expire(going)
    elif what < 0.45:
        fading = [each for each in catalogue.points if source.random() < 0.4]
        if fading:
            place.fade(fading)
    elif what < 0.55 and recallable(catalogue):
        place.recall(source.sample(recallable(catalogue), 1))
    elif what < 0.7:
        place.merge()
    elif what < 0.9:
        before = {each.id for each in catalogue.points}
        swept = set(place.sweep().points)
        assert swept.isdisjoint(before)
        place.assert_all_restore()
        return swept
    return set()


def test_a_long_history_shrinks_to_what_is_kept(tmp_path: Path) -> None:
    place, cluster = Maintained(spill=tmp_path), Cluster()
    for number in range(40):
        for each in range(10):
            cluster.put(b"key-%d" % (each % 7), b"%d" % number * 50)
        cluster.compact(cluster.revision - 3)
        place.back_up(cluster, rule=BaseRule(timedelta(days=900), 1e9))
        place.pass_time(hours=1)
    before = len(place.run_names())
    points = place.catalogue().points
    kept = [*points[9:-1:10], points[-1]]
    place.expire([each for each in points if each not in kept])
    merged = place.merge()
    assert merged.rows == 4
    assert merged.after_bytes < merged.before_bytes
    assert place.sweep().removed == 0
    place.pass_time(hours=25)
    swept = place.sweep()
    assert len(swept.points) == len(points) - len(kept)
    assert len(place.run_names()) < before / 4
    assert [each.id for each in place.catalogue().points] == [each.id for each in kept]
    assert place.assert_all_restore() == len(kept)
    assert not place.catalogue().expired
    # A writer that remembers what was merged goes on from the merged runs.
    cluster.put(b"after", b"1")
    point = place.back_up(cluster)
    assert not point.base_reason or "last base is of" in point.base_reason
    assert place.assert_all_restore() == len(kept) + 1


def test_old_manifests_go_and_the_chain_begins_later(tmp_path: Path) -> None:
    place, cluster = Maintained(spill=tmp_path), Cluster()
    for number in range(8):
        cluster.put(b"a", b"%d" % number)
        place.back_up(cluster, rule=BaseRule(timedelta(hours=0), 1.0))
    points = place.catalogue().points
    place.expire(points[:5])
    place.pass_time(days=8)
    swept = place.sweep()
    assert swept.manifests == 5
    lineage = read_catalogue(place.repository()).require_sound().lineages[0]
    assert lineage.manifests[0].sequence == 6
    assert [each.id for each in place.catalogue().points] == [each.id for each in points[5:]]
    assert place.assert_all_restore() == 3
    cluster.put(b"a", b"more")
    place.back_up(cluster)
    assert place.assert_all_restore() == 4
