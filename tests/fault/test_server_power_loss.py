"""The power is cut behind every durable step of a whole server, and a whole server starts on what is left: nothing
that a client was told is lost. `test_store_power_loss` does the same below the network, with more images.
"""

from __future__ import annotations

import random
import shutil
import threading
from collections.abc import Collection, Sequence
from functools import partial
from pathlib import Path

import pytest

from backstay.etcd import Client, ConnectionOptions
from backstay.server import checkpointing, opening
from backstay.server.metered_disk import MeteredStoreDisk
from backstay.store.durable import StoreOptions
from backstay.store.durable.checkpoint_child import build_database
from backstay.store.durable.disk import StoreDisk
from backstay.testing import Etcd
from tests import peers
from tests.acknowledged import held
from tests.conftest import StartEtcd
from tests.power_loss import VARIANTS, RecordedDisk, images

WRITES = 90
CHECKPOINTS = {"snapshot-count": "30"}
LEASE = 77
SEGMENT_BYTES = 4096
"""Several segments between two checkpoints, and images that are quickly laid down."""


class RecordedServerDisk(RecordedDisk, MeteredStoreDisk):
    """The disk of a server, recorded."""

    def __init__(self, root: Path) -> None:
        RecordedDisk.__init__(self, root)
        metered = MeteredStoreDisk()
        self.writes, self.syncs, self.written_bytes = metered.writes, metered.syncs, metered.written_bytes


class BuilderInProcess:
    """Builds checkpoints where their steps are recorded; counts them."""

    built = 0
    moved = threading.Condition()

    def __call__(self, member: Path, index: int, target: Path, disk: StoreDisk) -> None:
        build_database(member, index, target, disk)
        with self.moved:
            type(self).built += 1
            self.moved.notify_all()

    def stop(self) -> None:
        """A build is over in a moment."""


@pytest.fixture
def recorded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> RecordedDisk:
    """A server's life, whose client counted what it was told."""
    root = tmp_path / "root"
    root.mkdir()
    disk = RecordedServerDisk(root)
    BuilderInProcess.built = 0
    with monkeypatch.context() as patch:
        patch.setattr(opening, "MeteredStoreDisk", lambda: disk)
        patch.setattr(opening, "StoreOptions", partial(StoreOptions, segment_size=SEGMENT_BYTES))
        patch.setattr(checkpointing, "ChildBuilder", BuilderInProcess)
        live(root / "data", disk)
    return disk


def live(data: Path, disk: RecordedDisk) -> None:
    """A lease, keys on it, and checkpoints between them."""
    with (
        Etcd(data, in_process=True, waits_for_disk=True, flags=CHECKPOINTS) as etcd,
        Client(ConnectionOptions.of([etcd.endpoint])) as client,
    ):
        client.lease.grant(5000, lease_id=LEASE)
        for number in range(WRITES):
            client.kv.put(b"key-%04d" % number, b"value" * 10, lease=LEASE if number % 3 else 0)
            disk.acknowledged += 1
            if number % 40 == 39:
                wanted = number // 40 + 1
                with BuilderInProcess.moved:
                    assert BuilderInProcess.moved.wait_for(lambda wanted=wanted: BuilderInProcess.built >= wanted, 30)


def losses(
    disk: RecordedDisk, place: Path, *, steps: Collection[int] | None, variants: Sequence[str]
) -> tuple[int, list[str]]:
    """How many images a server was started on, and what was wrong with which."""
    seen, lost = 0, []
    for image in images(disk, place, steps=steps, variants=variants):
        seen += 1
        at = f"behind step {image.step} ({image.name}), {image.variant}"
        with (
            Etcd(image.directory / "data", in_process=True) as etcd,
            Client(ConnectionOptions.of([etcd.endpoint])) as client,
        ):
            found = sorted(held(client))
            expected = [f"key-{number:04}" for number in range(image.acknowledged)]
            if found[: len(expected)] != expected:
                lost.append(f"{len(expected)} keys were acknowledged, {len(found)} are there {at}")
            if expected and client.lease.leases() != (LEASE,):
                lost.append(f"the lease is gone {at}")
            client.kv.put(b"later", b"write")
        shutil.rmtree(image.directory)
    return seen, lost


def test_no_cut_of_the_power_loses_what_a_client_was_told(recorded: RecordedDisk, tmp_path: Path) -> None:
    kinds = {kind for kind, _, _ in recorded.steps}
    assert kinds >= {"create", "write", "sync", "rename", "sync_directory", "mkdir"}
    assert BuilderInProcess.built >= 2
    around_checkpoints = [step for step, (kind, _, _) in enumerate(recorded.steps) if kind in ("rename", "remove")]
    steps = {*around_checkpoints, *random.Random(1).sample(range(len(recorded.steps)), 8)}
    seen, lost = losses(recorded, tmp_path, steps=steps, variants=("torn",))
    assert seen >= 20
    assert lost == []


def test_a_disk_that_does_not_sync_is_found_out(recorded: RecordedDisk, tmp_path: Path) -> None:
    synced = [step for step, (kind, _, count) in enumerate(recorded.steps) if kind == "sync" and count]
    recorded.steps[synced[-1]] = ("sync_directory", ("data/member/wal",), WRITES)
    assert losses(recorded, tmp_path, steps=synced[-1:], variants=("nothing",))[1] != []


@pytest.mark.soak
def test_no_cut_anywhere_loses_what_a_client_was_told(recorded: RecordedDisk, tmp_path: Path) -> None:
    seen, lost = losses(recorded, tmp_path, steps=None, variants=VARIANTS)
    assert seen > 1000
    assert lost == []


@pytest.mark.soak
@pytest.mark.parametrize("version", peers.VERSIONS)
def test_every_etcd_starts_where_the_power_of_a_server_was_cut(
    version: str, recorded: RecordedDisk, start_etcd: StartEtcd, tmp_path: Path
) -> None:
    cuts = [step for step, (kind, _, count) in enumerate(recorded.steps) if kind in ("rename", "remove") and count > 3]
    for image in images(recorded, tmp_path, steps=cuts, variants=("torn",)):
        etcd = start_etcd(peers.peer(version), image.directory / "data")
        with Client(ConnectionOptions.of([etcd.endpoint])) as client:
            found = sorted(held(client))
        expected = [f"key-{number:04}" for number in range(image.acknowledged)]
        assert found[: len(expected)] == expected, f"behind step {image.step} ({image.name})"
        etcd.kill()
