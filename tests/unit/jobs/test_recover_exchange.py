"""An exchange of directories is finished or taken back from every state that a kill between two moves leaves."""

from __future__ import annotations

import contextlib
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from backstay.durable import LocalDisk
from backstay.jobs.recover.exchange import Exchange, put_in_place, take_out


class Killed(BaseException):
    """The process died here: no clean-up of the code under test may count on it."""


class DyingAtSync(LocalDisk):
    """Dies at the nth sync of a directory, which follows each rename."""

    def __init__(self, dying: int) -> None:
        self._left = dying

    def sync_directory(self, path: Path) -> None:
        self._left -= 1
        if self._left == 0:
            raise Killed
        super().sync_directory(path)


@pytest.fixture(params=[True, False], ids=["old data", "no old data"])
def exchange(request: pytest.FixtureRequest, tmp_path: Path) -> Exchange:
    exchange = Exchange.of(tmp_path / "etcd", "ID")
    make(exchange.restored, "restored")
    if request.param:
        make(exchange.live, "old")
    return exchange


def test_the_restored_directory_takes_the_place_and_the_old_one_is_kept(exchange: Exchange) -> None:
    had_old = exchange.live.exists()
    for step in interruptions(lambda disk: put_in_place(exchange, disk)):
        put_in_place(exchange, LocalDisk())
        assert content(exchange.live) == "restored", f"killed at {step}"
        assert content(exchange.kept) == ("old" if had_old else None)


def test_an_exchange_is_taken_back_from_wherever_it_was(exchange: Exchange, tmp_path: Path) -> None:
    had_old = exchange.live.exists()
    for forth in (1, 2, None):
        for back in (1, 2, 3, None):
            killed(lambda disk: put_in_place(exchange, disk), forth)
            killed(lambda disk: take_out(exchange, disk), back)
            take_out(exchange, LocalDisk())
            take_out(exchange, LocalDisk())
            assert content(exchange.live) == ("old" if had_old else None), f"killed at {forth}, then at {back}"
            assert content(exchange.rejected) == "restored"
            assert not exchange.kept.exists()
            exchange.rejected.rename(exchange.restored)


def interruptions(act: Callable[[LocalDisk], None]) -> Iterator[int | None]:
    for step in (1, None):
        killed(act, step)
        yield step


def killed(act: Callable[[LocalDisk], None], step: int | None) -> None:
    with contextlib.suppress(Killed):
        act(DyingAtSync(step) if step is not None else LocalDisk())


def make(directory: Path, text: str) -> None:
    if directory.exists():
        shutil.rmtree(directory)
    directory.mkdir()
    (directory / "content").write_text(text)


def content(directory: Path) -> str | None:
    return (directory / "content").read_text() if directory.exists() else None
