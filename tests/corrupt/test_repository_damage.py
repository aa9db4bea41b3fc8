"""Every byte of a small repository flipped, every object cut, removed, exchanged: found at `authentic`, never wrong data."""

from __future__ import annotations

import json
import random
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import NamedTuple

import pytest

from backstay import errors
from backstay.blobs.memory import MemoryStore
from backstay.crypto.signing import sign_document
from backstay.findings import Severity
from backstay.jobs.points.verify import verify
from backstay.repository.catalogue import read_catalogue
from backstay.repository.continuing import BaseRule
from backstay.repository.reading import PointReader
from backstay.repository.repository import new_epoch, open_repository
from backstay.snapshot.verify import Level
from backstay.telemetry import SilentProgress
from tests.backing_up import Cluster, Place, small_history
from tests.retaining import Maintained


class Small(NamedTuple):
    """A repository of two points, its objects, and what the newer point holds."""

    place: Place
    objects: dict[str, bytes]
    newest: frozenset[tuple[bytes, bytes]]


@pytest.fixture(scope="module", params=["sealed", "plaintext"])
def small(request: pytest.FixtureRequest) -> Small:
    place, cluster = Place(plaintext=request.param == "plaintext"), Cluster()
    cluster.put(b"a", b"1")
    cluster.put(b"b", b"2")
    place.back_up(cluster)
    cluster.put(b"a", b"3")
    cluster.put(b"a", b"4")
    cluster.delete(b"b")
    point = place.back_up(cluster)
    return Small(place, contents(place.store), frozenset(place.elements(point.manifest)))  # type: ignore[arg-type]


def contents(store: MemoryStore) -> dict[str, bytes]:
    return {blob.name: b"".join(store.get(blob.name)) for blob in store.list()}


def changed(small: Small, name: str, data: bytes | None) -> MemoryStore:
    store = MemoryStore()
    for each, content in small.objects.items():
        if each != name:
            store.put(each, content)
    if data is not None:
        store.put(name, data)
    return store


def is_found(small: Small, store: MemoryStore) -> bool:
    """Whether verification at `authentic` says that something is wrong."""
    try:
        repository = open_repository(store, (small.place.operator, small.place.recovery))
        catalogue = read_catalogue(repository)
        verified = verify(
            repository, catalogue, catalogue.points, Level.AUTHENTIC,
            spill=Path("/nonexistent"), entropy=small.place.entropy, progress=SilentProgress(),
        )  # fmt: skip
    except errors.BackstayError as problem:
        assert problem.kind in DECLARED, problem
        return True
    return any(each.severity is Severity.ERROR for each in verified.all_findings)


def what_is_read(small: Small, store: MemoryStore) -> frozenset[tuple[bytes, bytes]] | None:
    """What the newest point gives; None when it refuses."""
    try:
        repository = open_repository(store, (small.place.operator,))
        points = read_catalogue(repository).require_sound().points
        return frozenset(record.element for record in PointReader(repository, points[-1]).everything())
    except errors.BackstayError as problem:
        assert problem.kind in DECLARED, problem
        return None


DECLARED = (
    errors.OBJECT_DAMAGED,
    errors.OBJECT_MISSING,
    errors.SIGNATURE_WRONG,
    errors.CHAIN_BROKEN,
    errors.REPOSITORY_NEWER,
    errors.REPOSITORY_MISSING,
    errors.KEY_UNAVAILABLE,
    errors.POINT_UNPROVEN,
)


def test_every_flipped_byte_is_found_and_never_read_as_data(small: Small) -> None:
    store = changed(small, "", None)
    assert not is_found(small, store)
    for name, data in small.objects.items():
        # Documents are the same in a plaintext repository: a sample of their bytes is enough there.
        step = 7 if small.place.epoch is None and not name.startswith("runs/") else 1
        for place in range(0, len(data), step):
            damaged = bytearray(data)
            damaged[place] ^= 1 << place % 8
            store.put(name, damaged, create_only=False)
            assert is_found(small, store), f"byte {place} of {name}"
            if name.startswith("runs/") or place % 16 == 0:
                assert what_is_read(small, store) in (None, small.newest), f"byte {place} of {name}"
        store.put(name, data, create_only=False)


def test_every_object_that_is_removed_or_cut_or_lengthened_is_found(small: Small) -> None:
    head = sorted(name for name in small.objects if name.startswith("manifests/"))[-1]
    for name, data in small.objects.items():
        for damaged in (None, b"", data[:-1], data[: len(data) // 2], data[:1], data + b"\0", data + data):
            store = changed(small, name, damaged)
            if name == head and damaged is None:
                continue  # only who has seen the head knows: test_rollback_is_found_by_who_has_seen_more
            if name == "trust/0000000000000001" and damaged is None:
                assert what_is_read(small, store) is None
            assert is_found(small, store), f"{name}, {None if damaged is None else len(damaged)} bytes"
            assert what_is_read(small, store) in (None, small.newest)


def test_every_pair_of_objects_that_is_exchanged_is_found(small: Small) -> None:
    for one, first in small.objects.items():
        for other, second in small.objects.items():
            if one < other and first != second:
                store = MemoryStore()
                for name, data in small.objects.items():
                    store.put(name, second if name == one else first if name == other else data)
                assert is_found(small, store), f"{one} and {other}"
                assert what_is_read(small, store) in (None, small.newest)


def test_an_object_of_another_repository_is_refused(small: Small) -> None:
    other = Place(seed=99)
    cluster = small_history()
    other.back_up(cluster)
    for name, data in small.objects.items():
        for theirs in contents(other.store).values():  # type: ignore[arg-type]
            if theirs != data:
                assert is_found(small, changed(small, name, theirs)), name
                break


def test_random_bytes_never_crash_a_reader(small: Small) -> None:
    source = random.Random(3)
    for data in noise(small, source):
        for name in small.objects:
            assert what_is_read(small, changed(small, name, data)) in (None, small.newest)


def noise(small: Small, source: random.Random) -> Iterator[bytes]:
    for _ in range(6):
        yield source.randbytes(source.randrange(0, 3000))
    for data in small.objects.values():
        torn = bytearray(data)
        for _ in range(20):
            torn[source.randrange(len(torn))] = source.randrange(256)
        yield bytes(torn)


@pytest.fixture(scope="module", params=["sealed", "plaintext"])
def maintained(request: pytest.FixtureRequest) -> Small:
    """A repository with a mark, a fade, a merged run, and a sweep that set a floor."""
    place, cluster = Maintained(plaintext=request.param == "plaintext"), Cluster()
    for number in range(5):
        cluster.put(b"a", b"%d" % number)
        cluster.put(b"b%d" % number, b"x")
        # The base of the second point does without the first, so that a floor can be set above that.
        place.back_up(cluster, rule=BaseRule(max_ratio=0.0) if number == 1 else BaseRule())
        if number == 1:
            place.memory = None
    points = place.catalogue().points
    place.expire([points[0], points[1], points[3]])
    place.fade([points[2]])
    assert place.merge().rows == 1
    place.pass_time(days=8)
    assert place.sweep().manifests == 2
    assert len(place.catalogue().lineages[0].manifests) == 7
    return Small(place, contents(place.store), frozenset(place.elements(place.catalogue().points[-1])))  # type: ignore[arg-type]


def test_every_flipped_byte_of_a_maintained_repository_is_found(maintained: Small) -> None:
    store = changed(maintained, "", None)
    assert not is_found(maintained, store)
    for name, data in maintained.objects.items():
        if name.startswith(("gc/", "pins/")):
            continue  # they say nothing of any point
        # Backups and slots are of the same kinds as elsewhere: what is new are merged runs and the commits of maintenance,
        # whose every byte is tried where that is quick.
        is_new = b'"change":' in data or "/merged/" in name
        step = (1 if is_new else 11) if maintained.place.epoch is None else (17 if is_new else 41)
        for place in range(0, len(data), step):
            damaged = bytearray(data)
            damaged[place] ^= 1 << place % 8
            store.put(name, damaged, create_only=False)
            assert is_found(maintained, store), f"byte {place} of {name}"
            if place % 64 == 0:
                assert what_is_read(maintained, store) in (None, maintained.newest), f"byte {place} of {name}"
        store.put(name, data, create_only=False)


def test_a_maintenance_commit_that_is_removed_is_found(maintained: Small) -> None:
    manifests = sorted(name for name in maintained.objects if name.startswith("manifests/"))
    for name in manifests[:-1]:
        assert is_found(maintained, changed(maintained, name, None)), name
    # Without the newest, the sweep that set the floor, nobody says why the chain begins so late.
    assert is_found(maintained, changed(maintained, manifests[-1], None))


def test_an_older_reader_refuses_what_it_does_not_know() -> None:
    """A reader that knows only backups finds a field it does not know; this one refuses kinds of tomorrow in the same way."""
    place, cluster = Maintained(), Cluster()
    for number in range(3):
        cluster.put(b"a", b"%d" % number)
        place.back_up(cluster)
    expiry = place.expire(place.catalogue().points[:1])[0]
    body, _, _ = b"".join(place.store.get(expiry.where)).partition(b"\n")
    fields = json.loads(body)
    assert set(fields) - FIELDS_OF_BACKUPS == {"change"}
    place.store.put(expiry.where, sign_document(fields | {"kind": "transmogrify"}, place.writer), create_only=False)
    (damage,) = read_catalogue(place.repository()).damage
    assert damage.kind is errors.REPOSITORY_NEWER
    assert "transmogrify" in str(damage)


FIELDS_OF_BACKUPS = frozenset(
    ("document", "format", "repository", "lineage", "sequence", "previous", "parent", "kind", "cluster", "time", "trust",
     "runs", "slots", "private")
)  # fmt: skip


def test_a_slot_of_an_epoch_whose_points_are_gone_is_verified_as_long_as_a_run_needs_it(tmp_path: Path) -> None:
    place, cluster = Maintained(spill=tmp_path), Cluster()
    cluster.put(b"a", b"x" * 5000)
    first = place.back_up(cluster)
    place.pass_time(hours=20)
    place.epoch = new_epoch(place.now, place.entropy)
    cluster.put(b"a", b"2")
    second = place.back_up(cluster, rule=BaseRule(timedelta(days=9)))
    assert second.manifest.runs[0] == first.manifest.runs[0]
    place.expire(place.catalogue().points[:1])
    place.pass_time(days=40)
    assert len(place.sweep().points) == 1
    old = {slot.name for slot in first.manifest.slots}
    assert old <= {blob.name for blob in place.store.list("keys/")}
    for name in sorted(old):
        data = b"".join(place.store.get(name))
        place.store.put(name, data[:40] + bytes((data[40] ^ 1,)) + data[41:], create_only=False)
        repository, catalogue = place.repository(), place.catalogue()
        done = verify(
            repository, catalogue, catalogue.points, Level.INTACT,
            spill=tmp_path, entropy=place.entropy, progress=SilentProgress(),
        )  # fmt: skip
        assert name in {each.subject for each in done.all_findings}
        place.store.put(name, data, create_only=False)
