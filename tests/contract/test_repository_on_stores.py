"""A repository keeps its promises on every kind of store: found, filled, continued, verified, and given back."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from datetime import timedelta
from pathlib import Path

import pytest

from backstay import errors
from backstay.blobs import BlobStore, open_store
from backstay.blobs.contract import Content
from backstay.blobs.local import LocalStore
from backstay.blobs.memory import MemoryStore
from backstay.blobs.metered import MeteredStore
from backstay.blobs.retrying import RetryingStore
from backstay.clock import SystemClock
from backstay.errors import BackstayError
from backstay.jobs.copy.run import copy_repository
from backstay.jobs.points.verify import verify
from backstay.jobs.retention.locking import extend_locks, lock_point
from backstay.policy.retention.policy import Policy, Rule
from backstay.repository.repository import open_repository
from backstay.snapshot.verify import Level
from backstay.telemetry import SilentProgress
from tests import peers
from tests.backing_up import Place, small_history
from tests.blob_servers import AzureServer, LockingS3Server, S3Server, SftpServer
from tests.google_stand_in import GoogleStandIn
from tests.retaining import Maintained


@contextmanager
def memory(directory: Path) -> Iterator[BlobStore]:
    yield MemoryStore()


@contextmanager
def local(directory: Path) -> Iterator[BlobStore]:
    (directory / "place").mkdir()
    yield LocalStore(directory / "place")


@contextmanager
def wrapped(directory: Path) -> Iterator[BlobStore]:
    yield MeteredStore(RetryingStore(MemoryStore(), SystemClock(), random.Random(1)), SystemClock())


@contextmanager
def s3(directory: Path) -> Iterator[BlobStore]:
    with (
        S3Server(peers.tool("versitygw"), directory) as server,
        closing(open_store(server.location("repository"), server.environment)) as store,
    ):
        yield store


@contextmanager
def azure(directory: Path) -> Iterator[BlobStore]:
    with (
        AzureServer(peers.tool("azurite"), directory) as server,
        closing(open_store(server.location("repository"), server.environment)) as store,
    ):
        yield store


@contextmanager
def gcs(directory: Path) -> Iterator[BlobStore]:
    with (
        GoogleStandIn() as stand_in,
        closing(open_store(stand_in.location("repository"), stand_in.environment)) as store,
    ):
        yield store


@contextmanager
def sftp(directory: Path) -> Iterator[BlobStore]:
    with SftpServer(peers.tool("sshd"), directory) as server:
        location = server.location(server.directory("repository"))
        with closing(open_store(location, server.environment)) as store:
            yield store


@pytest.mark.parametrize("opened", [memory, local, wrapped, s3, azure, gcs, sftp], ids=lambda opened: opened.__name__)
def test_points_go_into_any_store_and_come_back(opened: Callable[[Path], object], tmp_path: Path) -> None:
    with opened(tmp_path) as store:  # type: ignore[attr-defined]
        place, cluster = Place(store, spill=tmp_path), small_history()
        wanted = []
        for number in range(3):
            cluster.put(b"/registry/pods/%d" % number, random.Random(number).randbytes(100_000))
            place.back_up(cluster)
            wanted.append(list(cluster.elements()))
        catalogue = place.catalogue()
        assert [place.elements(point) for point in catalogue.points] == wanted
        verified = verify(
            place.repository(), catalogue, catalogue.points, Level.REBUILT,
            spill=tmp_path, entropy=place.entropy, progress=SilentProgress(),
        )  # fmt: skip
        assert [each.reached for each in verified.points] == [Level.REBUILT] * 3
        assert verified.all_findings == ()
        near = MemoryStore()
        copy_repository(place.repository(readable=False), near, progress=SilentProgress())
        # The place is lost, and comes back from its copy, although it goes away once more meanwhile.
        for blob in store.list():
            store.delete(blob.name)
        source = open_repository(near, ())
        with pytest.raises(BackstayError):
            copy_repository(source, Interrupted(store, puts=7), progress=SilentProgress())
        copy_repository(source, store, progress=SilentProgress())
        assert [place.elements(point) for point in place.catalogue().points] == wanted


@pytest.mark.parametrize("opened", [memory, local, wrapped, s3, azure, gcs, sftp], ids=lambda opened: opened.__name__)
def test_points_are_marked_merged_and_swept_in_any_store(opened: Callable[[Path], object], tmp_path: Path) -> None:
    with opened(tmp_path) as store:  # type: ignore[attr-defined]
        place, cluster = Maintained(store=store, spill=tmp_path), small_history()
        place.now = place.clock.time = SystemClock().now()
        for number in range(5):
            cluster.put(b"/registry/pods/%d" % number, random.Random(number).randbytes(10_000))
            place.back_up(cluster)
        points = place.catalogue().points
        place.expire([points[1], points[2]])
        assert place.merge().rows == 1
        assert place.sweep().removed == 0
        place.pass_time(days=2)
        swept = place.sweep()
        assert swept.points == (points[1].id, points[2].id)
        assert swept.removed >= 5
        assert place.run_names() == {run.name for point in place.catalogue().points for run in point.runs}
        assert place.assert_all_restore() == 3


class Interrupted(MeteredStore):
    """A store that is gone after so many puts."""

    def __init__(self, inner: BlobStore, *, puts: int) -> None:
        super().__init__(inner, SystemClock())
        self._puts = puts

    def put(self, name: str, content: Content, *, create_only: bool = True) -> int:
        if self.usage()["put"].calls == self._puts:
            raise errors.STORAGE_UNREACHABLE.error("gone")
        return super().put(name, content, create_only=create_only)


def test_a_bucket_that_locks_keeps_what_a_sweep_would_take(tmp_path: Path) -> None:
    policy = Policy((Rule.parse("1d:30d"),), timedelta(days=3), 1)
    with (
        LockingS3Server(peers.tool("versitygw"), tmp_path) as server,
        closing(open_store(server.location("repository", server.LOCKED), server.environment)) as store,
    ):
        place, cluster = Maintained(spill=tmp_path, store=store), small_history()
        place.now = place.clock.time = SystemClock().now()
        first = place.back_up(cluster)
        done = lock_point(place.repository(), first.manifest, policy, first.new_runs)
        assert done.is_supported
        assert (
            done.count == len(first.new_runs) + len(first.manifest.slots) + 3
        )  # the manifest, the description, the trust
        cluster.put(b"a", b"2")
        place.memory = None
        place.back_up(cluster)
        place.expire(place.catalogue().points[:1])
        place.pass_time(days=2)
        swept = place.sweep()
        assert set(swept.locked) >= first.new_runs
        assert first.new_runs <= place.run_names()
        assert place.assert_all_restore() == 1
        assert extend_locks(place.repository(), place.catalogue().points, policy, now=place.now).is_supported
