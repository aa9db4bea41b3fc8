"""Days of automation with real repositories and plain files, in memory, that are down and full at times: all points come back.

What tests/days.py simulates is real here: a cluster that changes, sealed points on what the writer remembers, verification,
retention, and a maintainer every day with the identity. Simulated are time, the wire, and the storages' troubles.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path

from backstay import errors
from backstay.blobs.contract import Blob, Chunks, Content
from backstay.blobs.memory import MemoryStore
from backstay.crypto.signing import SigningKey
from backstay.durable import LocalDisk
from backstay.errors import ExitStatus
from backstay.jobs.automation.agent import Agent
from backstay.jobs.automation.crew import InTurn
from backstay.jobs.automation.journal import RunMemory
from backstay.jobs.automation.maintainer import maintain
from backstay.jobs.automation.plain_copy import PlainCopy
from backstay.jobs.automation.promised import promised
from backstay.jobs.automation.reading import Reading
from backstay.jobs.automation.repository_copy import RepositoryCopy, Tools
from backstay.jobs.automation.standing import CopyStanding, judge
from backstay.jobs.backup.state import WriterState
from backstay.jobs.points.verify import verify
from backstay.jobs.rotate.places import Place as PlainPlace
from backstay.jobs.rotate.seal import Sealing
from backstay.policy.retention.periods import Period
from backstay.policy.tiers import BUILT_IN, Tier
from backstay.repository.catalogue import read_catalogue
from backstay.repository.facts import read_facts
from backstay.repository.repository import Repository, open_repository
from backstay.snapshot.save import SnapshotSource, save
from backstay.snapshot.verify import Level
from backstay.telemetry import SilentProgress
from tests.backing_up import Cluster, Place, entropy_of
from tests.days import DAY, DOWN, FULL, PLACES, Outage, World
from tests.saving import answering, chunks_of

DAYS = 3
OUTAGES = (
    Outage("near", 0.4 * DAY, 0.7 * DAY),
    Outage("far", 0.9 * DAY, 1.2 * DAY, FULL),
    Outage("files", 1.3 * DAY, 1.4 * DAY),
    Outage("source", 1.6 * DAY, 1.7 * DAY),
    Outage("clock", 1.9 * DAY, 2.1 * DAY, step=-5400.0),
    Outage("far", 2.2 * DAY, 2.3 * DAY),
)
TIER = BUILT_IN["production"]


class Troubled(MemoryStore):
    """A store of the world: down or full when the world says so."""

    def __init__(self, name: str, world: World) -> None:
        super().__init__(world)
        self._name, self._world = name, world

    def _reach(self) -> None:
        if self._world.is_so(self._name, DOWN):
            raise errors.STORAGE_UNREACHABLE.error("it is down", where=self._name)

    def put(self, name: str, content: Content, *, create_only: bool = True) -> int:
        self._reach()
        if self._world.is_so(self._name, FULL):
            raise errors.STORAGE_FULL.error("it is full", where=self._name)
        return super().put(name, content, create_only=create_only)

    def get(self, name: str, *, offset: int = 0, length: int | None = None) -> Chunks:
        self._reach()
        return super().get(name, offset=offset, length=length)

    def list(self, prefix: str = "") -> Sequence[Blob]:
        self._reach()
        return super().list(prefix)


class Estate:
    """A cluster, two repositories and a place of plain files."""

    def __init__(self, directory: Path, tier: Tier = TIER, outages: Sequence[Outage] = OUTAGES) -> None:
        self.world = World(outages)
        self.directory = directory
        self.cluster = Cluster()
        self.promise = promised("prod", "fra", tier)
        self.repositories = {
            name: Place(Troubled(name, self.world), seed=number) for number, name in enumerate(("near", "far"), 1)
        }
        self.files = Troubled("files", self.world)
        self.tools = Tools(self.world, entropy_of(7), directory, SilentProgress())

    def copies(self, *, readable: bool) -> list[RepositoryCopy | PlainCopy]:
        """For an agent, or with the identities for a maintainer."""
        found: list[RepositoryCopy | PlainCopy] = [
            self._repository_copy(name, place, readable=readable) for name, place in self.repositories.items()
        ]

        @contextmanager
        def opened() -> Iterator[PlainPlace]:
            yield PlainPlace(self.files)

        within = self.promise.verified_within
        found.append(
            PlainCopy("files", PLACES["files"], self.promise.keep, Sealing(compress=True), within, opened, LocalDisk())
        )
        return found

    def _repository_copy(self, name: str, place: Place, *, readable: bool) -> RepositoryCopy:
        @contextmanager
        def opened() -> Iterator[Repository]:
            yield open_repository(place.store, (place.operator,) if readable else ())

        def state_of(repository: Repository) -> WriterState:
            key: SigningKey = place.writer
            return WriterState(self.directory / "state", repository.id, LocalDisk(), key)

        return RepositoryCopy(
            name,
            PLACES[name],
            "prod",
            self.promise.retention,
            self.promise.verified_within,
            opened,
            state_of,
            self.tools,
        )

    @contextmanager
    def read(self) -> Iterator[Reading]:
        """What etcd would have streamed."""
        if self.world.is_so("source"):
            raise errors.ENDPOINT_UNREACHABLE.error("it is down", where="source")
        for number in range(5):
            self.cluster.put(f"key-{self.world.chance.randrange(40)}".encode(), f"{self.world.time}-{number}".encode())
        place = self.directory / f"reading-{self.world.time:.0f}"
        place.mkdir()
        content = self.cluster.file(place / "db").read_bytes()

        @contextmanager
        def stream() -> Iterator[Iterator[object]]:
            yield iter(chunks_of(content))

        source = SnapshotSource(stream, answering(content), "3.6.16")  # type: ignore[arg-type]
        saved = save(place / "snapshot.db", source, clock=self.world)
        self.world.sleep(20)
        yield Reading(saved.path, saved, {"kind": "etcd"}, place)


def test_old_points_are_marked_and_swept_and_the_rest_comes_back(tmp_path: Path) -> None:
    one_day = Tier("one-day", Period.parse("2h"), Period.parse("1d"), Period.parse("1h"), Period.parse("2h"))
    estate, memory = Estate(tmp_path, one_day, ()), RunMemory()
    world = estate.world
    agent = Agent(estate.promise, estate.copies(readable=False), estate.read, clock=world, crew=InTurn())  # type: ignore[arg-type]
    maintained, marked, swept, made = 1.1 * DAY, 0, 0, 0
    while world.time < 4.5 * DAY:
        run = agent.run(memory)
        assert run.exit_status is ExitStatus.OK, run
        memory, made = run.memory, made + bool(run.due)
        marked += sum(each.care.removed for each in run.outcomes if each.care is not None and each.name == "near")
        if world.time >= maintained:
            report = maintain(estate.promise, estate.copies(readable=True), memory, clock=world)
            assert report.exit_status is ExitStatus.OK, report
            memory, maintained = report.memory, maintained + DAY
            near = report.outcomes[0].upkeep
            assert near is not None
            swept += near.swept
        world.sleep(max((run.next_start - world.now()).total_seconds(), 0) // 60 * 60 + 60)
    repository = estate.repositories["near"].repository()
    catalogue = read_catalogue(repository).require_sound()
    assert marked > 20
    assert swept > 0
    assert len(catalogue.points) + marked == made
    assert len(catalogue.points) < 20
    verified = verify(
        repository, catalogue, catalogue.points, Level.REBUILT,
        spill=tmp_path, entropy=entropy_of(9), progress=SilentProgress(),
    )  # fmt: skip
    assert {each.reached for each in verified.points} == {Level.REBUILT}


def test_three_days_with_real_repositories(tmp_path: Path) -> None:
    estate = Estate(tmp_path)
    world, memory = estate.world, RunMemory()
    agent = Agent(estate.promise, estate.copies(readable=False), estate.read, clock=world, crew=InTurn())  # type: ignore[arg-type]
    statuses: set[ExitStatus] = set()
    maintained = 0.5 * DAY
    longest, last_good = 0.0, 0.0
    while world.time < DAYS * DAY:
        if world.time >= maintained:
            report = maintain(estate.promise, estate.copies(readable=True), memory, clock=world)
            assert report.exit_status in (ExitStatus.OK, ExitStatus.WARNINGS), report
            memory, maintained = report.memory, maintained + DAY
        run = agent.run(memory)
        memory = run.memory
        if run.due:
            statuses.add(run.exit_status)
        if any(each.stored for each in run.outcomes):
            if not any(
                each.what in ("source", "clock") and last_good <= each.end and each.start <= world.time
                for each in OUTAGES
            ):
                longest = max(longest, world.time - last_good)
            last_good = world.time - 20
        wait = (run.next_start - world.now()).total_seconds()
        world.sleep(max(wait, 0) // 60 * 60 + 60)
    assert longest <= estate.promise.rpo.total_seconds()
    assert statuses == {ExitStatus.OK, ExitStatus.WARNINGS, ExitStatus.SOURCE_UNREACHABLE}
    for name, place in estate.repositories.items():
        repository = place.repository()
        catalogue = read_catalogue(repository).require_sound()
        assert len(catalogue.points) > 60
        verified = verify(
            repository, catalogue, catalogue.points[-3:], Level.REBUILT,
            spill=tmp_path, entropy=entropy_of(9), progress=SilentProgress(),
        )  # fmt: skip
        assert [each.reached for each in verified.points] == [Level.REBUILT] * 3, name
        levels = {each.level for fact in read_facts(repository) for each in fact.points}
        assert {"intact", "authentic", "rebuilt"} <= levels
        assert place.live(catalogue.points[-1]).keys() == estate.cluster.live().keys()
    looks = {}
    for copy in estate.copies(readable=False):
        with copy.open() as opened:
            looks[copy.name] = opened.look(world.now())
    standing = judge(
        "prod",
        estate.promise,
        [CopyStanding(name, "", "", PLACES[name], look) for name, look in looks.items()],
        world.now(),
    )
    assert standing.findings == ()
    assert standing.exit_status is ExitStatus.OK
    assert standing.rebuilt is not None
    assert standing.rebuilt.seconds is not None
    later = judge("prod", estate.promise, standing.copies, world.now() + timedelta(hours=1))
    assert later.exit_status is ExitStatus.NOT_RESTORABLE
    assert [each.code for each in later.findings] == ["rpo-breached"]
