"""A store that runs: checkpoints beside the calls, snapshots, defragment, automatic compaction, views of backups, closing."""

from __future__ import annotations

import queue
import random
import threading
from collections.abc import Callable, Iterator, Sequence
from itertools import pairwise
from pathlib import Path

import pytest

from backstay.errors import BackstayError
from backstay.etcd.pb import rpc_pb2 as rpc
from backstay.formats import bbolt, schema
from backstay.server import checkpointing as checkpoints
from backstay.server.compacting import PeriodicCompaction, RevisionCompaction
from backstay.server.methods import Op
from backstay.server.running import RunningOptions, StoreRunner, open_runner, view_runner
from backstay.server.transport import Call, CallId, Conn, Reply, StreamId
from backstay.store.durable.replay import open_base
from backstay.store.refusals import Refused
from backstay.store.state import load_state
from backstay.values import Revision
from tests.unit.server.served import NotingTransport
from tests.unit.store.engine.engines import HandClock

CONN, NUMBER = Conn(1), CallId(9)


class PostingTransport(NotingTransport):
    """Posts may come from any thread; `Running` runs them."""

    def __init__(self) -> None:
        super().__init__()
        self.queue: queue.Queue[Callable[[], Sequence[bytes] | None]] = queue.Queue()

    def post(self, wake: Callable[[], Sequence[bytes] | None]) -> None:
        self.queue.put(wake)


class Running:
    """A runner, its handler, and the thread of the test as the store's."""

    def __init__(self, runner: StoreRunner, clock: HandClock) -> None:
        self.runner = runner
        self.clock = clock
        self.transport = PostingTransport()
        runner.handler.attach(self.transport)

    def submit(self, entries: Sequence[bytes]) -> None:
        if entries:
            self.runner.submit(entries, _must_work)
        self.runner.handler.settled()

    def handle(self, *calls: Call) -> list[Reply]:
        replies, entries = self.runner.handler(list(calls))
        self.submit(entries)
        return replies

    def put(self, key: bytes, value: bytes = b"v") -> Reply:
        return self.handle((Op.PUT, CONN, None, key, value, 0, 0))[0]

    def get(self, key: bytes) -> bytes | None:
        (reply,) = self.handle((Op.RANGE, CONN, None, key, b"", 0, 0, 0))
        assert isinstance(reply, tuple) and len(reply) == 4
        return reply[1][0].value if reply[1] else None

    def tick(self, seconds: float = 0.0) -> None:
        self.clock.seconds += seconds
        self.submit(self.runner.handler.tick())

    def until(self, happened: Callable[[], bool]) -> None:
        """Run what is posted until something has happened."""
        while not happened():
            self.submit(self.transport.queue.get(timeout=60)() or ())


def _must_work(failure: BackstayError | None) -> None:
    assert failure is None


def options(snapshot_count: int = 100_000) -> RunningOptions:
    return RunningOptions(snapshot_count=snapshot_count)


@pytest.fixture
def running(tmp_path: Path) -> Iterator[Running]:
    clock = HandClock()
    made = Running(open_runner(tmp_path / "data", options(20), clock=clock, random=random.Random(1)), clock)
    yield made
    made.runner.close()


def _base_index(running: Running) -> int:
    assert running.runner.store is not None
    return running.runner.store.base_index


def test_what_was_written_is_there_after_closing(tmp_path: Path) -> None:
    clock = HandClock()
    for number in range(3):
        running = Running(open_runner(tmp_path / "data", options(), clock=clock, random=random.Random(1)), clock)
        assert running.get(b"k") == (b"%d" % (number - 1) if number else None)
        running.put(b"k", b"%d" % number)
        running.runner.close()


def test_a_checkpoint_is_made_by_the_count_of_entries_and_nobody_notices(running: Running) -> None:
    for number in range(25):
        running.put(b"k%d" % number, b"%d" % number)
    running.tick()
    running.until(lambda: _base_index(running) >= 25)
    assert running.runner.engine.state.record_count == 0
    for number in range(25):
        assert running.get(b"k%d" % number) == b"%d" % number
    running.put(b"k1", b"new")
    assert running.get(b"k1") == b"new" and running.runner.engine.state.record_count == 1
    running.tick()
    assert running.transport.queue.empty(), "the next one is not due"


def test_writes_go_on_while_a_checkpoint_is_made(running: Running) -> None:
    for number in range(30):
        running.put(b"k", b"%d" % number)
    running.tick()
    running.submit(running.transport.queue.get(timeout=60)() or ())
    for number in range(30, 60):
        running.put(b"k", b"%d" % number)
    running.until(lambda: _base_index(running) >= 30)
    assert running.runner.engine.state.record_count == 30 and running.get(b"k") == b"59"
    assert running.runner.sizes.total > 0


def test_defragmenting_drops_compacted_history_from_the_file(running: Running) -> None:
    for number in range(200):
        running.put(b"k", b"x" * 2_000 + b"%d" % number)
    before = running.runner.sizes.total
    running.handle((Op.COMPACT, CONN, None, rpc.CompactionRequest(revision=201).SerializeToString(), NUMBER))
    running.handle((Op.DEFRAGMENT, CONN, None, b"", CallId(10)))
    running.until(lambda: CallId(10) in running.transport.answered)
    assert running.transport.answered[CallId(10)] == b""
    assert running.runner.sizes.total < before / 5


def test_a_snapshot_holds_what_was_acknowledged_before_also_beside_a_checkpoint(running: Running) -> None:
    for number in range(30):
        running.put(b"k%02d" % number)
    running.tick()
    running.submit(running.transport.queue.get(timeout=60)() or ())
    running.handle((Op.OPEN, CONN, None, StreamId(5), Op.SNAPSHOT, b""))
    bodies = (rpc.SnapshotResponse.FromString(body) for body in running.transport.produced[StreamId(5)])
    content = b"".join(body.blob for body in bodies)[:-32]
    state = load_state(bbolt.open_database(content))
    assert state.revision >= 31 and len(content) % 512 == 0
    running.until(lambda: _base_index(running) >= 30)


def test_a_checkpoint_that_fails_is_told_and_tried_again_later(
    running: Running, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert running.runner.store is not None
    database = running.runner.store.member_directory / "snap" / "db"
    kept = database.read_bytes()
    for number in range(30):
        running.put(b"k", b"%d" % number)
    database.write_bytes(b"damaged" * 1_000)
    running.handle((Op.DEFRAGMENT, CONN, None, b"", CallId(10)))
    running.until(lambda: CallId(10) in running.transport.answered)
    reply = running.transport.answered[CallId(10)]
    assert isinstance(reply, tuple) and reply[0] == 2
    database.write_bytes(kept)
    running.tick()
    assert running.transport.queue.empty()
    running.tick(seconds=61)
    running.until(lambda: _base_index(running) >= 30)


def test_a_checkpoint_that_fails_for_a_reason_nobody_thought_of_is_told_too(
    running: Running, monkeypatch: pytest.MonkeyPatch
) -> None:
    def defective(*_: object, **__: object) -> None:
        raise ValueError("a defect")

    with monkeypatch.context() as patch:
        patch.setattr(checkpoints, "run_checkpoint", defective)
        running.handle((Op.DEFRAGMENT, CONN, None, b"", CallId(10)))
        running.until(lambda: CallId(10) in running.transport.answered)
    reply = running.transport.answered[CallId(10)]
    assert isinstance(reply, tuple) and "a defect" in reply[1]
    running.put(b"k", b"v")
    running.handle((Op.DEFRAGMENT, CONN, None, b"", CallId(11)))
    running.until(lambda: CallId(11) in running.transport.answered)
    assert running.transport.answered[CallId(11)] == b"" and running.get(b"k") == b"v"


def test_closing_ends_a_checkpoint_that_is_at_work(tmp_path: Path) -> None:
    clock = HandClock()
    running = Running(open_runner(tmp_path / "data", options(1), clock=clock, random=random.Random(1)), clock)
    running.put(b"k", b"v")
    running.tick()
    running.submit(running.transport.queue.get(timeout=60)() or ())
    running.runner.close()
    again = Running(open_runner(tmp_path / "data", options(), clock=clock, random=random.Random(1)), clock)
    assert again.get(b"k") == b"v"
    again.runner.close()


def test_history_is_compacted_by_time(tmp_path: Path) -> None:
    clock = HandClock()
    runner = open_runner(
        tmp_path / "data",
        options(),
        clock=clock,
        random=random.Random(1),
        compaction=PeriodicCompaction(600.0, clock.monotonic()),
    )
    running = Running(runner, clock)
    compacted = []
    for _ in range(130):
        running.put(b"k")
        running.tick(seconds=10)
        compacted.append(runner.engine.state.compact_revision)
    assert compacted[58] == -1 and 2 <= compacted[61] <= 8, "after ten minutes, what was there at the start"
    assert 50 <= compacted[-1] <= 70, "ten minutes, and a tenth of that, are kept"
    runner.close()


@pytest.mark.parametrize(("period", "first"), [(60.0, 60.0), (3600.0, 3600.0), (6 * 3600.0, 6 * 3600.0)])
def test_the_first_compaction_waits_for_a_whole_period(period: float, first: float) -> None:
    mode = PeriodicCompaction(period, 0.0)
    now, revision = 0.0, Revision(1)
    due: list[tuple[float, Revision]] = []
    while now < first * 3:
        at = mode.due(now, revision)
        if at is not None:
            due.append((now, at))
            mode.compacted(now, at)
        now += period / 100
        revision = Revision(revision + 1)
    assert first <= due[0][0] <= first * 1.2
    for when, at in due:
        assert abs((when - (at - 1) * period / 100) - period) <= period * 0.25
    pause = min(period, 3600.0)
    assert all(later[0] - before[0] >= pause for before, later in pairwise(due))


def test_history_is_compacted_by_count() -> None:
    mode = RevisionCompaction(100, 0.0)
    assert mode.due(299.0, Revision(500)) is None
    assert mode.due(300.0, Revision(500)) == 400
    mode.compacted(300.0, Revision(400))
    assert mode.due(600.0, Revision(500)) is None
    assert mode.due(900.0, Revision(90)) is None


def test_a_view_of_a_backup_serves_its_keys_and_its_file(tmp_path: Path) -> None:
    clock = HandClock()
    running = Running(open_runner(tmp_path / "data", options(1), clock=clock, random=random.Random(1)), clock)
    running.put(b"k", b"v")
    running.tick()
    running.until(lambda: _base_index(running) >= 2)
    running.runner.close()
    file = tmp_path / "data/member/snap/db"
    database = open_base(file)
    view = Running(view_runner(load_state(database), file, options(), clock=clock, random=random.Random(1)), clock)
    assert view.get(b"k") == b"v"
    refused = view.put(b"k")
    assert isinstance(refused, tuple) and refused[0] == 9
    view.tick(seconds=100)
    view.handle((Op.OPEN, CONN, None, StreamId(5), Op.SNAPSHOT, b""))
    bodies = [rpc.SnapshotResponse.FromString(body) for body in view.transport.produced[StreamId(5)]]
    assert b"".join(body.blob for body in bodies[:-1]) == file.read_bytes()
    assert view.runner.numbers.is_read_only and schema.KEY in database.buckets()
    view.runner.close()


def test_space_that_a_compaction_freed_counts_again_under_a_tight_quota(tmp_path: Path) -> None:
    clock = HandClock()
    tight = RunningOptions(quota_bytes=8 << 20)
    running = Running(open_runner(tmp_path / "data", tight, clock=clock, random=random.Random(1)), clock)
    engine, store, checkpointing = running.runner.engine, running.runner.store, running.runner._checkpointing
    assert store is not None and checkpointing is not None
    for number in range(23):
        assert isinstance(running.put(b"k", bytes(400_000)), int), f"put {number}"
        compaction = rpc.CompactionRequest(revision=engine.state.revision).SerializeToString()
        running.handle((Op.COMPACT, CONN, None, compaction, NUMBER))
        before = store.base_index
        running.tick()
        if checkpointing.is_due:
            running.until(lambda before=before: store.base_index > before)  # type: ignore[misc]
    running.runner.close()


def test_a_flood_of_logins_is_refused_before_it_waits_for_minutes(running: Running) -> None:
    blocked = threading.Event()
    over: queue.Queue[bool] = queue.Queue()
    try:
        with pytest.raises(Refused) as refused:
            for _ in range(2_000):
                running.runner.elsewhere(lambda: over.put(blocked.wait()))
        assert refused.value.refusal.text == "etcdserver: too many requests"
    finally:
        blocked.set()
    done = threading.Event()
    for _ in range(1_000):
        over.get(timeout=60)
        try:
            running.runner.elsewhere(done.set)
        except Refused:
            continue  # its place is given back a moment after it is over
        break
    assert done.wait(60), "there is room again"
