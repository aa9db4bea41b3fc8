"""A copy in a repository: points made from a reading of the cluster, verified as deep as the identities at hand allow.

Opened without an identity it serves an agent, which verifies up to `intact`; with one it serves a maintainer.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from pathlib import Path

from backstay import __version__
from backstay.clock import Clock
from backstay.findings import Finding
from backstay.jobs.automation.copy import Care, Look, Stored, Upkeep, Verified
from backstay.jobs.automation.heads import Heads, read_heads
from backstay.jobs.automation.reading import Reading
from backstay.jobs.automation.upkeep import mark, merge, sweep
from backstay.jobs.backup import run as backing_up
from backstay.jobs.backup.run import BackupWish
from backstay.jobs.backup.state import WriterState
from backstay.jobs.points.verify import DRILLED, Drill, RepositoryVerification, verify
from backstay.jobs.retention.elsewhere import Opened, held_elsewhere
from backstay.jobs.retention.locking import extend, lock
from backstay.policy.copies import CopyPlace
from backstay.policy.retention.policy import Policy
from backstay.policy.verification import Checked, due, oldest
from backstay.repository.catalogue import Catalogue, read_catalogue
from backstay.repository.facts import LEVELS, Fact, PointFact, put_fact, rank, read_facts
from backstay.repository.manifest import Manifest
from backstay.repository.repository import Entropy, Repository
from backstay.snapshot.opened import open_file
from backstay.snapshot.verify import Level
from backstay.telemetry import Progress, SilentProgress

REBUILT = str(Level.REBUILT)


@dataclass(frozen=True, slots=True)
class Tools:
    """What copies work with. `drill` starts a real etcd on a point; None where there is none."""

    clock: Clock
    entropy: Entropy
    spill: Path
    progress: Progress
    drill: Drill | None = None


@dataclass(frozen=True, slots=True)
class RepositoryCopy:
    """A copy by its name. `opened` opens the repository, with or without identities; `within`: see `Promised`.

    `lock`: objects are locked for as long as `retention` can need them. `others`, if there are any: points go only when one of
    these repositories holds them too, or when they are older than `promised`.
    """

    name: str
    place: CopyPlace
    cluster: str
    retention: Policy
    within: timedelta
    opened: Callable[[], AbstractContextManager[Repository]]
    state_of: Callable[[Repository], WriterState]
    tools: Tools
    lock: bool = False
    others: tuple[Opened, ...] = ()
    promised: timedelta = timedelta(0)

    @contextmanager
    def open(self) -> Iterator[OpenRepositoryCopy]:
        """Reach it. Raises what opening a repository raises."""
        with self.opened() as repository:
            state = self.state_of(repository)
            yield OpenRepositoryCopy(self, repository, state)

    open_kept = open


class OpenRepositoryCopy:
    """The repository of a copy."""

    def __init__(self, copy: RepositoryCopy, repository: Repository, state: WriterState) -> None:
        self._copy, self._repository, self._state = copy, repository, state

    def newest(self, now: datetime) -> datetime | None:
        return _newest_time(read_heads(self._repository, self._copy.cluster), now)

    def store(self, source: Reading, taken: datetime) -> Stored:
        tools = self._copy.tools
        self._state.pin(self._repository.description.root)
        with open_file(source.path) as store:
            report = backing_up.run(
                self._repository,
                store,
                BackupWish(self._copy.cluster, source.described, companions=source.companions),
                self._state,
                clock=tools.clock,
                entropy=tools.entropy,
                spill=source.scratch,
                progress=SilentProgress(),
                proven=source.saved.hash_kv,
                taken=taken,
                computing=source.computing,
            )
        note = f"a base, because {report.base_reason}" if report.base_reason else ""
        locked: tuple[Finding, ...] = ()
        if self._copy.lock:
            locked = lock(self._repository, report.manifest, report.new_runs, self._copy.retention)
        return Stored(report.manifest.id, report.new_bytes, note, (*source.findings, *report.findings, *locked))

    def care(self, now: datetime, last: datetime | None) -> Care:
        """Verify up to `intact` what never was, and the oldest of the rest; mark what may go."""
        catalogue, facts = read_catalogue(self._repository), read_facts(self._repository)
        points = self._points(catalogue)
        level = str(Level.INTACT)
        checked = _checked(points, facts, level)
        last_round = last if last is not None else _last_round(facts, level)
        chosen = {each.id for each in checked if each.verified is None}
        chosen |= set(due(checked, now, within=self._copy.within, last_round=last_round))
        verified = self._verify(catalogue, [each for each in points if each.id in chosen], Level.INTACT, now)
        care = self._care_of(verified, points, [*facts, *self._fact(verified, level, now)], level, now)
        others = self._copy.others
        held = held_elsewhere(points, others, promised=self._copy.promised) if others else None
        marked = mark(
            self._repository,
            catalogue,
            read_facts(self._repository),
            self._copy.retention,
            self._state.signing_key(),
            cluster=self._copy.cluster,
            now=now,
            copied=held,
        )
        locked = self._locked_longer(points, now)
        return replace(care, removed=marked.count, findings=(*care.findings, *marked.findings, *locked))

    def look(self, now: datetime) -> Look:
        heads = read_heads(self._repository, self._copy.cluster)
        return look_of(heads, read_facts(self._repository), now)

    def maintain(self, now: datetime, *, rebuild: bool, within: timedelta) -> Upkeep:
        """Rebuild the newest point, open the oldest-verified ones with the identity, merge, sweep."""
        tools = self._copy.tools
        catalogue, facts = read_catalogue(self._repository), list(read_facts(self._repository))
        points = self._points(catalogue)
        rebuilt = RepositoryVerification((), ())
        if rebuild and points:
            rebuilt = verify(
                self._repository, catalogue, points[-1:], Level.REBUILT, spill=tools.spill, entropy=tools.entropy,
                progress=tools.progress, drill=tools.drill, clock=tools.clock,
            )  # fmt: skip
            facts += self._fact(rebuilt, DRILLED if tools.drill is not None else REBUILT, now)
        level = str(Level.AUTHENTIC)
        checked = _checked(points, facts, level)
        chosen = set(due(checked, now, within=within, last_round=_last_round(facts[:-1] if rebuild else facts, level)))
        verified = self._verify(catalogue, [each for each in points if each.id in chosen], Level.AUTHENTIC, now)
        facts += self._fact(verified, level, now)
        care = self._care_of(verified, points, facts, level, now)
        levels = dict(care.levels)
        for each in rebuilt.points:
            if rank(each.level) >= rank(REBUILT):
                levels |= {name: now for name in (REBUILT, each.level)}
        care = replace(
            care,
            verified=care.verified + len(rebuilt.points),
            levels=levels,
            rebuilt_seconds=next((each.seconds for each in rebuilt.points if each.milliseconds is not None), None),
            findings=tuple(dict.fromkeys((*rebuilt.all_findings, *care.findings))),
        )
        locked = self._locked_longer(points, now)
        key = self._state.signing_key()
        merged = merge(
            self._repository, key, cluster=self._copy.cluster, clock=tools.clock,
            entropy=tools.entropy, spill=tools.spill, progress=tools.progress,
            epoch=self._state.epoch(self._repository, now, tools.entropy),
        )  # fmt: skip
        swept = sweep(
            self._repository, self._copy.retention, key,
            cluster=self._copy.cluster, clock=tools.clock, progress=tools.progress,
        )  # fmt: skip
        return Upkeep(
            care,
            merged.count,
            swept.count,
            swept.freed_bytes,
            (*care.findings, *locked, *merged.findings, *swept.findings),
        )

    def _locked_longer(self, points: Sequence[Manifest], now: datetime) -> tuple[Finding, ...]:
        return extend(self._repository, points, self._copy.retention, now=now) if self._copy.lock else ()

    def _points(self, catalogue: Catalogue) -> list[Manifest]:
        return [each for each in catalogue.points if each.cluster == self._copy.cluster]

    def _verify(
        self, catalogue: Catalogue, points: Sequence[Manifest], level: Level, now: datetime
    ) -> RepositoryVerification:
        tools = self._copy.tools
        return verify(
            self._repository, catalogue, points, level,
            spill=tools.spill, entropy=tools.entropy, progress=SilentProgress(),
        )  # fmt: skip

    def _fact(self, verified: RepositoryVerification, wanted: str, now: datetime) -> list[Fact]:
        """Store what was found, where this host may sign; what is stored."""
        if not verified.points or not self._state.has_signing_key():
            return []
        servers = sorted({each.server for each in verified.points if each.server})
        fact = Fact(
            now,
            ", ".join([f"backstay {__version__}", *servers]),
            tuple(
                PointFact(
                    each.manifest.lineage, each.manifest.sequence, each.level, each.tried(wanted), each.milliseconds
                )
                for each in verified.points
            ),
        )
        put_fact(self._repository, fact, self._state.signing_key(), self._copy.tools.entropy)
        return [fact]

    def _care_of(
        self,
        verified: RepositoryVerification,
        points: Sequence[Manifest],
        facts: Sequence[Fact],
        level: str,
        now: datetime,
    ) -> Care:
        reached = {each.level for each in verified.points}
        best = max((rank(each) for each in reached), default=-1)
        return Care(
            verified=len(verified.points),
            findings=tuple(each for each in verified.all_findings),
            levels={name: now for name in LEVELS[: best + 1]} if best >= rank(level) else {},
            waiting_since=oldest(_checked(points, facts, level)),
        )


def look_of(heads: Heads, facts: Sequence[Fact], now: datetime) -> Look:
    """What is there, by the heads and the facts of a repository."""
    own = [(fact, each) for fact in facts for each in fact.points if each.lineage in heads.lineages]
    order = {head.lineage: number for number, head in enumerate(heads.newest)}

    def newest_of(candidates: Sequence[tuple[Fact, PointFact]]) -> Verified | None:
        if not candidates:
            return None
        place = max((order[each.lineage], each.sequence) for _, each in candidates)
        about = [(fact, each) for fact, each in candidates if (order[each.lineage], each.sequence) == place]
        return _verified(*max(about, key=lambda both: (rank(both[1].level), both[0].time)))

    good = [(fact, each) for fact, each in own if rank(each.level) >= rank(str(Level.INTACT))]
    restored = [(fact, each) for fact, each in own if rank(each.level) >= rank(REBUILT)]
    last_tried: dict[str, tuple[Fact, PointFact]] = {each.point: (fact, each) for fact, each in own}
    bad = [
        both for both in last_tried.values() if rank(both[1].level) < rank(both[1].wanted) and both[1].wanted != DRILLED
    ]
    return Look(
        heads.newest[-1].id if heads.newest else "",
        _newest_time(heads, now),
        newest_of(good),
        _verified(*max(restored, key=lambda both: both[0].time)) if restored else None,
        newest_of(bad),
    )


def _verified(fact: Fact, point: PointFact) -> Verified:
    seconds = None if point.milliseconds is None else point.milliseconds / 1000
    return Verified(point.point, point.level, fact.time, fact.engine, seconds)


def _newest_time(heads: Heads, now: datetime) -> datetime | None:
    times = [each.time for each in heads.newest]
    return max((time for time in times if time <= now), default=max(times, default=None))


def _checked(points: Sequence[Manifest], facts: Sequence[Fact], level: str) -> list[Checked]:
    """The points with the time at which each last reached `level`."""
    last: dict[str, datetime] = {}
    for fact in facts:
        for each in fact.points:
            if rank(each.level) >= rank(level):
                last[each.point] = fact.time
    return [Checked(each.id, each.time, last.get(each.id)) for each in points]


def _last_round(facts: Sequence[Fact], level: str) -> datetime | None:
    rounds = [fact.time for fact in facts if any(rank(each.wanted) == rank(level) for each in fact.points)]
    return max(rounds, default=None)


def levels_known(look: Look) -> Mapping[str, datetime]:
    """The times of `look` by level."""
    return {each.level: each.time for each in (look.verified, look.rebuilt) if each is not None}
