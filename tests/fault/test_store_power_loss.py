"""The power is cut behind every durable step of a store's life: it opens again, with everything it had acknowledged."""

from __future__ import annotations

import contextlib
import errno
import shutil
from collections.abc import Sequence
from pathlib import Path

import pytest

from backstay.errors import BackstayError
from backstay.store.durable import LocalStoreDisk, open_store
from tests.power_loss import OPTIONS, VARIANTS, FastDisk, RecordedDisk, images, live
from tests.storing import keys_of, put


class ForgetfulDisk(RecordedDisk):
    """A disk that only says it has synced the log: the test must notice."""

    def sync_data(self, descriptor: int) -> None:
        LocalStoreDisk.sync_data(self, descriptor)


def losses(disk: RecordedDisk, place: Path, variants: Sequence[str] = VARIANTS) -> tuple[int, list[str]]:
    """How many images were opened, and what was wrong with which."""
    seen, lost = 0, []
    for image in images(disk, place, variants=variants):
        seen += 1
        at = f"behind step {image.step} ({image.name}), {image.variant}"
        try:
            again = open_store(image.directory / "data", disk=FastDisk(), options=OPTIONS)
        except BackstayError as problem:
            lost.append(f"does not open {at}: {problem}")
            continue
        found = sorted(keys_of(again))
        expected = [f"key-{number:04}" for number in range(image.acknowledged)]
        if found[: len(expected)] != expected:
            lost.append(f"{len(expected)} keys were acknowledged, {len(found)} are there {at}")
        put(again, "later", "write")
        again.close()
        if image.variant.startswith("torn"):  # what was cut off does not come back behind what was written since
            repaired = open_store(image.directory / "data", disk=FastDisk(), options=OPTIONS)
            if sorted(keys_of(repaired)) != [*found, "later"] or repaired.findings:
                lost.append(f"the repair does not hold {at}")
            repaired.close()
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
    assert losses(disk, tmp_path, ("nothing",))[1] != []


class KilledDisk(RecordedDisk):
    """The process is killed where it would sync `deadly`; what it had given to the kernel stays there."""

    deadly: str | None = None

    def sync_directory(self, path: Path) -> None:
        if self._name(path) == self.deadly:
            raise OSError(errno.EIO, "killed")
        super().sync_directory(path)


@pytest.mark.parametrize("deadly", ["data", "data/member/wal"], ids=["founding", "rotation"])
def test_a_kill_before_a_name_is_durable_and_a_loss_of_power_later_lose_nothing(deadly: str, tmp_path: Path) -> None:
    root = tmp_path / "root"
    root.mkdir()
    disk = KilledDisk(root)
    if deadly == "data":
        disk.deadly = deadly
    with pytest.raises(BackstayError):
        store = open_store(root / "data", disk=disk, options=OPTIONS)
        disk.deadly = deadly
        with contextlib.closing(store):
            while True:
                put(store, f"key-{disk.acknowledged:04}", "value" * 30)
                disk.acknowledged += 1
    disk.deadly = None
    store = open_store(root / "data", disk=disk, options=OPTIONS)
    for _ in range(3):
        put(store, f"key-{disk.acknowledged:04}", "value" * 30)
        disk.acknowledged += 1
    store.close()
    seen, lost = losses(disk, tmp_path)
    assert seen > 20
    assert lost == []
