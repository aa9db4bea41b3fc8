"""The power is cut behind every durable step of a store's life: it opens again, with everything it had acknowledged."""

from __future__ import annotations

import shutil
from pathlib import Path

from backstay.errors import BackstayError
from backstay.store.durable import LocalStoreDisk, StoreOptions, checkpoint, open_store
from backstay.store.durable.checkpoint_child import build_database
from tests.power_loss import RecordedDisk, images
from tests.storing import keys_of, put

OPTIONS = StoreOptions(segment_size=2048)


class ForgetfulDisk(RecordedDisk):
    """A disk that only says it has synced the log: the test must notice."""

    def sync_data(self, descriptor: int) -> None:
        LocalStoreDisk.sync_data(self, descriptor)


def live(disk: RecordedDisk, root: Path) -> None:
    """The life that is cut off: founding, writing over several segments, two checkpoints."""
    store = open_store(root / "data", disk=disk, options=OPTIONS)

    def write(count: int) -> None:
        for _ in range(count):
            put(store, f"key-{disk.acknowledged:04}", "value" * 30)
            disk.acknowledged += 1

    write(15)
    checkpoint(store, build=build_database)
    write(15)
    checkpoint(store, build=build_database)
    write(3)
    store.close()


def losses(disk: RecordedDisk, place: Path) -> tuple[int, list[str]]:
    """How many images were opened, and what was wrong with which."""
    seen, lost = 0, []
    for image in images(disk, place):
        seen += 1
        at = f"behind step {image.step} ({image.name}), {image.variant}"
        try:
            again = open_store(image.directory / "data", options=OPTIONS)
        except BackstayError as problem:
            lost.append(f"does not open {at}: {problem}")
            continue
        found = sorted(keys_of(again))
        expected = [f"key-{number:04}" for number in range(image.acknowledged)]
        if found[: len(expected)] != expected:
            lost.append(f"{len(expected)} keys were acknowledged, {len(found)} are there {at}")
        put(again, "later", "write")
        again.close()
        shutil.rmtree(image.directory)
    return seen, lost


def test_no_cut_of_the_power_loses_an_acknowledged_write(tmp_path: Path) -> None:
    root = tmp_path / "root"
    root.mkdir()
    disk = RecordedDisk(root)
    live(disk, root)
    kinds = {kind for kind, _, _ in disk.steps}
    assert kinds >= {"create", "write", "sync", "rename", "remove", "truncate", "sync_directory", "mkdir"}
    assert sum(str(what[0]).endswith("0.tmp") for kind, what, _ in disk.steps if kind == "create") >= 3
    seen, lost = losses(disk, tmp_path)
    assert seen > 400
    assert lost == []


def test_a_disk_that_does_not_sync_is_found_out(tmp_path: Path) -> None:
    root = tmp_path / "root"
    root.mkdir()
    disk = ForgetfulDisk(root)
    live(disk, root)
    assert losses(disk, tmp_path)[1] != []
