"""The journal acknowledges in order, after the sync and never after a failure."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest

from backstay.errors import BackstayError
from backstay.formats import requests
from backstay.store.durable import LocalStoreDisk, open_store
from tests.storing import SMALL, do, keys_of, put


class FullDisk(LocalStoreDisk):
    """Full, once somebody says so."""

    full = False

    def write_at(self, descriptor: int, data: bytes, offset: int) -> None:
        if self.full:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        super().write_at(descriptor, data, offset)


class CountedDisk(LocalStoreDisk):
    """Counts the syncs of the journal."""

    syncs = 0

    def sync_data(self, descriptor: int) -> None:
        self.syncs += 1
        super().sync_data(descriptor)


def test_acknowledgements_come_in_order_and_share_syncs(tmp_path: Path) -> None:
    disk = CountedDisk()
    store = open_store(tmp_path / "data", disk=disk)
    order: list[int] = []
    for number in range(500):
        body = requests.Put(key=b"key", value=b"%d" % number)
        do(store, body, lambda failure, number=number: order.append(number if failure is None else -1))  # type: ignore[misc]
    store.close()
    assert order == list(range(500))
    assert disk.syncs < 500


def test_a_full_disk_stops_acknowledging_for_good_and_loses_nothing(tmp_path: Path) -> None:
    disk = FullDisk()
    store = open_store(tmp_path / "data", disk=disk)
    put(store, "a", "1")
    disk.full = True
    with pytest.raises(BackstayError) as stopped:
        put(store, "b", "2")
    assert stopped.value.kind.code == "journal-stopped"
    disk.full = False
    with pytest.raises(BackstayError):
        put(store, "c", "3")
    assert store.journal.failure is not None
    store.close()
    again = open_store(tmp_path / "data")
    assert keys_of(again) == {"a": "1"}
    again.close()


def test_a_rotation_that_fails_stops_the_journal_behind_what_it_acknowledged(tmp_path: Path) -> None:
    class NoRoom(LocalStoreDisk):
        def create(self, path: Path, mode: int) -> int:
            if path.name == "0.tmp":
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
            return super().create(path, mode)

    store = open_store(tmp_path / "data", disk=NoRoom(), options=SMALL)
    count = 0
    with pytest.raises(BackstayError) as stopped:
        while count < 1000:
            put(store, f"{count}", "value" * 20)
            count += 1
    assert stopped.value.kind.code == "journal-stopped"
    store.close()
    again = open_store(tmp_path / "data", options=SMALL)
    assert keys_of(again).keys() >= {str(number) for number in range(count)}
    again.close()
