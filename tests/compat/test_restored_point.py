"""A restored point in a server: revisions go forward (promise P20), and an older revision is what it was (P3, P5)."""

from __future__ import annotations

from pathlib import Path

import pytest

from backstay import errors
from backstay.cli.main import run
from backstay.clock import SystemClock
from backstay.durable import LocalDisk
from backstay.errors import BackstayError
from backstay.etcd import Client, ConnectionOptions
from backstay.etcd.watch import WatchCompacted
from backstay.formats.hashkv import CURRENT_RULE, rule_of
from backstay.jobs.points.restore import RestoredPoint, one_directory, plan_restore, restore
from backstay.snapshot.hash import hash_kv_of
from backstay.snapshot.opened import open_file
from backstay.telemetry import SilentProgress
from backstay.testing import Etcd
from backstay.values import Revision
from tests.backing_up import Cluster, Place, small_history
from tests.conftest import StartEtcd
from tests.peers import Peer
from tests.retaining import Maintained


def restored(place: Place, target: Path, *, is_directory: bool = False, revision: int | None = None) -> RestoredPoint:
    reader = place.reader(place.catalogue().points[-1])
    plan = plan_restore(
        reader, target, directory=one_directory(target) if is_directory else None, revision=revision
    )  # fmt: skip
    return restore(
        reader, plan, disk=LocalDisk(), clock=SystemClock(), entropy=place.entropy, progress=SilentProgress()
    )  # fmt: skip


@pytest.fixture
def place(tmp_path: Path) -> Place:
    """A cluster of Kubernetes that was compacted, backed up twice."""
    place, cluster = Place(spill=tmp_path), Cluster()
    for number in range(20):
        cluster.put(b"/registry/pods/default/%d" % (number % 7), b"%d" % number)
    cluster.compact(9)
    place.back_up(cluster)
    cluster.delete(b"/registry/pods/default/3")
    cluster.leases[0x77] = 60
    cluster.put(b"/registry/masterleases/10.0.0.1", b"x", 0x77)
    del cluster.leases[0x77]  # its time was over when the point was made; the key went with it
    cluster.delete(b"/registry/masterleases/10.0.0.1")
    cluster.put(b"/registry/pods/default/1", b"last")
    place.back_up(cluster)
    return place


def informer(client: Client, seen: int) -> None:
    """What every informer does after a restore: it watches from where it was, and must be told that this is gone."""
    old = client.kv.get(b"/registry/pods/default/1")
    assert old is not None
    for revision in (seen, seen + 1):
        watch = client.watch(b"/registry/", range_end=b"/registry0", start_revision=revision)
        with watch as events, pytest.raises(WatchCompacted):
            next(iter(events))
    newest = client.kv.put(b"/registry/pods/default/new", b"1").header.revision
    assert newest > seen
    assert client.kv.get(b"/registry/pods/default/1").mod_revision < newest  # type: ignore[union-attr]


def test_a_watch_from_before_the_restore_is_told_that_its_revision_is_compacted(place: Place, tmp_path: Path) -> None:
    seen = place.reader(place.catalogue().points[-1]).facts.revision
    made = restored(place, tmp_path / "data", is_directory=True)
    with Etcd(tmp_path / "data", in_process=True) as etcd, etcd.client() as client:
        assert made.directory is not None
        assert client.maintenance.hash_kv().hash == made.directory.hash
        informer(client, seen)


def test_real_etcd_tells_a_watch_the_same(
    place: Place, newest_peer: Peer, start_etcd: StartEtcd, tmp_path: Path
) -> None:
    seen = place.reader(place.catalogue().points[-1]).facts.revision
    restored(place, tmp_path / "data", is_directory=True)
    with Client(ConnectionOptions.of([start_etcd(newest_peer, tmp_path / "data").endpoint])) as client:
        informer(client, seen)


def test_every_revision_of_the_history_restores_to_what_it_was(place: Place, tmp_path: Path) -> None:
    whole = restored(place, tmp_path / "whole.db")
    facts = whole.plan.facts
    with open_file(tmp_path / "whole.db") as reference:
        records = list(reference.records())
        for revision in range(facts.compact_revision, facts.revision):
            made = restored(place, tmp_path / f"{revision}.db", revision=revision)
            assert made.plan.is_of_history
            with open_file(tmp_path / f"{revision}.db") as store:
                assert store.revision == revision
                assert list(store.records()) == [each for each in records if each.revision.main <= revision]
                expected = hash_kv_of(reference, Revision(revision), CURRENT_RULE).hash
                assert made.rebuilt.hash_kv == hash_kv_of(store, Revision(0), CURRENT_RULE).hash == expected
                assert made.rebuilt.missing_revisions == 0


def test_a_key_whose_lease_is_over_since_does_not_become_immortal(place: Place, tmp_path: Path) -> None:
    at = place.reader(place.catalogue().points[-1]).facts.revision - 2
    restored(place, tmp_path / "data", is_directory=True, revision=at)
    with Etcd(tmp_path / "data", in_process=True) as etcd, etcd.client() as client:
        found = client.kv.get(b"/registry/masterleases/10.0.0.1")
        assert found is not None
        assert client.lease.time_to_live(found.lease, keys=True).keys == (found.key,)
        client.lease.revoke(found.lease)
        assert client.kv.get(found.key) is None


@pytest.mark.parametrize("ending", ["a put", "a deletion", "nothing left"])
def test_a_point_whose_history_has_faded_opens_in_every_release_at_its_own_revision(
    etcd_peer: Peer, start_etcd: StartEtcd, tmp_path: Path, ending: str
) -> None:
    place, cluster = Maintained(spill=tmp_path), small_history()
    if ending == "nothing left":
        cluster.delete(*cluster.live())
    elif ending == "a deletion":
        cluster.delete(b"a/b")
    place.back_up(cluster)
    place.fade(place.catalogue().points)
    point = place.reader(place.catalogue().points[0])
    made = restore(
        point, plan_restore(point, tmp_path / "faded.db"),
        disk=LocalDisk(), clock=SystemClock(), entropy=place.entropy, progress=SilentProgress(),
    )  # fmt: skip
    again = ["snapshot", "restore", str(tmp_path / "faded.db"), "--data-dir", str(tmp_path / "data"), "--keep-revision"]
    assert run([*again, "--quiet"], {}) == 0
    with Client(ConnectionOptions.of([start_etcd(etcd_peer, tmp_path / "data").endpoint])) as client:
        found = client.kv.range(b"\0", range_end=b"\0")
        assert found.header.revision == cluster.revision
        assert {each.key: each.value for each in found.items} == cluster.live()
        with pytest.raises(BackstayError) as raised:
            client.kv.range(b"\0", range_end=b"\0", revision=Revision(cluster.revision - 1))
        assert raised.value.kind is errors.REVISION_COMPACTED
        if rule_of(etcd_peer.version).answers_at_compact_revision:
            assert client.maintenance.hash_kv(Revision(cluster.revision)).hash == made.rebuilt.hash_kv
        assert client.kv.put(b"goes on", b"1").header.revision == cluster.revision + 1


@pytest.mark.parametrize("revision", [0, 8, 99])
def test_a_revision_that_is_not_held_is_refused(place: Place, revision: int, tmp_path: Path) -> None:
    with pytest.raises(BackstayError) as raised:
        restored(place, tmp_path / "target", revision=revision)
    assert raised.value.kind is errors.POINT_NOT_FOUND
    assert not (tmp_path / "target").exists()
