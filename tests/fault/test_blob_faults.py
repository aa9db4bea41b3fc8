"""Blob stores when something breaks: a full disk, a failing step, a dead writer, a network that comes and goes."""

from __future__ import annotations

import errno
import os
import random
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from backstay import errors
from backstay.blobs import Content, read_all
from backstay.blobs.contract import Chunks
from backstay.blobs.local import PART, LocalStore
from backstay.blobs.memory import MemoryStore
from backstay.blobs.retrying import Patience, RetriesExhausted, RetryingStore
from backstay.testing import SteppingClock
from tests.faulty_disk import CountingDisk, FailingDisk


class Unreliable(MemoryStore):
    """Fails the next `failures` calls; a put may fail after it has done its work, a get after half of it."""

    def __init__(self, failures: int, *, after: bool = False) -> None:
        super().__init__()
        self.failures = failures
        self.after = after

    def stumble(self, kind: errors.ErrorKind = errors.STORAGE_UNREACHABLE) -> None:
        if self.failures > 0:
            self.failures -= 1
            raise kind.error("cannot reach it", where=self.location, why="connection refused")

    def put(self, name: str, content: Content, *, create_only: bool = True) -> int:
        if not self.after:
            self.stumble()
        size = super().put(name, content, create_only=create_only)
        self.stumble()
        return size

    def get(self, name: str, *, offset: int = 0, length: int | None = None) -> Chunks:
        for chunk in super().get(name, offset=offset, length=length):
            if self.failures > 0:
                yield chunk[:1000]
                self.stumble(errors.STORAGE_BROKEN_OFF)
            yield chunk


def patient(inner: MemoryStore, clock: SteppingClock, **patience: float) -> RetryingStore:
    return RetryingStore(inner, clock, random.Random(7), Patience(**patience))  # type: ignore[arg-type]


def code(call: Callable[[], object]) -> str:
    with pytest.raises(errors.BackstayError) as caught:
        call()
    return caught.value.kind.code


def test_whichever_step_finds_the_disk_full_nothing_is_left(tmp_path: Path) -> None:
    counting, stages = CountingDisk(), tmp_path / "counted"
    stages.mkdir()
    LocalStore(stages, counting).put("folder/one", b"content")
    assert counting.steps == 7, counting.log
    for step in range(1, counting.steps + 1):
        root = tmp_path / str(step)
        root.mkdir()
        store = LocalStore(root, FailingDisk(step, errno.ENOSPC))
        assert code(lambda store=store: store.put("folder/one", b"content")) == "storage-full"  # type: ignore[misc]
        there = {blob.name for blob in store.list()}
        # Only the last step, the sync of the directory, fails when the blob has its name already.
        assert there == ({"folder/one"} if step == counting.steps else set())
        assert not [path for path in root.rglob("*") if path.name.startswith(PART)]


@pytest.mark.parametrize(
    ("number", "due"),
    [
        (errno.EDQUOT, "storage-full"),
        (errno.EROFS, "storage-denied"),
        (errno.EACCES, "storage-denied"),
        (errno.EIO, "storage-failed"),
    ],
)
def test_the_system_s_word_becomes_the_declared_error(tmp_path: Path, number: int, due: str) -> None:
    assert code(lambda: LocalStore(tmp_path, FailingDisk(1, number)).put("one", b"x")) == due


def test_a_directory_that_is_not_mounted_is_not_created(tmp_path: Path) -> None:
    store = LocalStore(tmp_path / "backup-disk")
    calls: tuple[Callable[[], object], ...] = (
        store.list,
        lambda: store.put("one", b"x"),
        lambda: list(store.get("one")),
        lambda: store.stat("one"),
        lambda: store.delete("one"),
    )
    assert {code(call) for call in calls} == {"storage-absent"}
    assert not (tmp_path / "backup-disk").exists()


def test_what_a_dead_writer_left_is_swept_and_a_living_one_is_not_disturbed(tmp_path: Path) -> None:
    (tmp_path / f"{PART}dead").write_bytes(b"half a bl")
    store, other = LocalStore(tmp_path), LocalStore(tmp_path)
    assert not store.list()

    def while_another_writes() -> Iterator[bytes]:
        yield b"first "
        other.put("other", b"x")  # sweeps the directory, where this writer's own file has no name yet
        yield b"second"

    store.put("one", while_another_writes())
    assert sorted(path.name for path in tmp_path.iterdir()) == ["one", "other"]
    assert read_all(store, "one", limit_bytes=100) == b"first second"


def test_links_pipes_and_odd_names_are_no_blobs(tmp_path: Path) -> None:
    (tmp_path / "secret").write_bytes(b"not yours")
    root = tmp_path / "root"
    root.mkdir()
    (root / "link").symlink_to(tmp_path / "secret")
    os.mkfifo(root / "pipe")
    (root / "lost found").mkdir()
    store = LocalStore(root)
    assert not store.list()
    for name in ("link", "pipe"):
        assert code(lambda name=name: list(store.get(name))) == "blob-not-found"  # type: ignore[misc]
        assert code(lambda name=name: store.stat(name)) == "blob-not-found"  # type: ignore[misc]
    assert code(lambda: store.put("link", b"x")) == "blob-exists"


def test_a_file_that_shrinks_while_it_is_read_is_not_taken_for_the_whole(tmp_path: Path) -> None:
    store = LocalStore(tmp_path)
    store.put("one", b"x" * (3 << 20))
    chunks = store.get("one")
    next(chunks)
    os.truncate(tmp_path / "one", 100)
    assert code(lambda: list(chunks)) == "storage-broken-off"


def test_patience_brings_a_flaky_store_to_success() -> None:
    clock = SteppingClock()
    inner = Unreliable(3)
    assert patient(inner, clock).put("one", lambda: iter([b"con", b"tent"])) == 7
    assert read_all(inner, "one", limit_bytes=100) == b"content"
    # Each pause is drawn from the upper half of a doubling ceiling.
    assert all(ceiling / 2 <= nap <= ceiling for nap, ceiling in zip(clock.naps, (0.5, 1, 2), strict=True))


def test_patience_ends_with_the_history_of_all_attempts() -> None:
    clock = SteppingClock()
    with pytest.raises(RetriesExhausted) as caught:
        patient(Unreliable(99), clock, attempts=4).put("one", b"x")
    assert caught.value.kind is errors.STORAGE_UNREACHABLE
    assert [attempt.code for attempt in caught.value.attempts] == ["storage-unreachable"] * 4
    seconds = [attempt.seconds for attempt in caught.value.attempts]
    assert seconds == sorted(set(seconds))
    assert "connection refused; gave up after 4 attempts" in caught.value.why
    assert len(clock.naps) == 3


def test_patience_is_bounded_in_time_too() -> None:
    clock = SteppingClock()
    with pytest.raises(RetriesExhausted):
        patient(Unreliable(99), clock, attempts=1000, total_seconds=60.0).put("one", b"x")
    assert clock.elapsed <= 60.0
    assert max(clock.naps) <= 30.0


def test_what_cannot_be_repeated_is_not_repeated() -> None:
    clock = SteppingClock()
    assert code(lambda: patient(Unreliable(1), clock).put("one", iter([b"x"]))) == "storage-unreachable"
    full = MemoryStore()
    full.put("one", b"x")
    assert code(lambda: patient(full, clock).put("one", b"y")) == "blob-exists"
    assert clock.naps == []


def test_a_create_whose_answer_was_lost_is_recognised_as_done() -> None:
    clock = SteppingClock()
    assert patient(Unreliable(1, after=True), clock).put("one", b"content") == 7
    assert len(clock.naps) == 1


def test_a_create_that_lost_to_somebody_else_is_not_taken_for_done() -> None:
    class OthersAreFaster(Unreliable):
        def stumble(self, kind: errors.ErrorKind = errors.STORAGE_UNREACHABLE) -> None:
            if self.failures:
                MemoryStore.put(self, "one", b"somebody else's")
            super().stumble(kind)

    assert code(lambda: patient(OthersAreFaster(1), SteppingClock()).put("one", b"content")) == "blob-exists"


def test_a_read_goes_on_where_it_broke_off() -> None:
    clock, content = SteppingClock(), bytes(range(256)) * 20_000
    inner = Unreliable(0)
    inner.put("one", content)
    inner.failures = 3
    assert b"".join(patient(inner, clock).get("one", offset=5, length=4_000_000)) == content[5:4_000_005]
    assert len(clock.naps) == 3
