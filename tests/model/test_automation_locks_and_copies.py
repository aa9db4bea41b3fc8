"""Runs whose copies are locked, and whose near copy lets go what the far one holds: real repositories, a virtual clock."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from pathlib import Path

from backstay import errors
from backstay.errors import ExitStatus
from backstay.jobs.automation.agent import Agent, AgentReport
from backstay.jobs.automation.crew import InTurn
from backstay.jobs.automation.journal import RunMemory
from backstay.jobs.automation.maintainer import maintain
from backstay.jobs.automation.repository_copy import RepositoryCopy
from backstay.jobs.retention.locking import NOT_LOCKED
from backstay.policy.retention.periods import Period
from backstay.policy.tiers import Tier, retention_of
from backstay.repository.catalogue import read_catalogue
from backstay.repository.manifest import Manifest
from tests.backing_up import Place
from tests.days import DOWN, Outage
from tests.model.test_automation_on_repositories import DAY, Estate

FOUR_DAYS = Tier("four-days", Period.parse("4h"), Period.parse("4d"), Period.parse("1h"), Period.parse("4h"))
SHORT = retention_of(Period.parse("4h"), Period.parse("1d"))


class Careful(Estate):
    """The near copy keeps a day, is locked, and waits for the far one; the far one keeps four days."""

    def _repository_copy(self, name: str, place: Place, *, readable: bool) -> RepositoryCopy:
        copy = super()._repository_copy(name, place, readable=readable)
        if name != "near":
            return copy
        far = super()._repository_copy("far", self.repositories["far"], readable=False)
        return replace(copy, retention=SHORT, lock=True, others=(far.opened,), promised=self.promise.keep)

    def points(self, name: str) -> tuple[Manifest, ...]:
        return read_catalogue(self.repositories[name].repository()).require_sound().points

    def live(self, days: float, memory: RunMemory | None = None) -> tuple[RunMemory, list[AgentReport]]:
        memory, reports = memory or RunMemory(), []
        agent = Agent(self.promise, self.copies(readable=False), self.read, clock=self.world, crew=InTurn())  # type: ignore[arg-type]
        while self.world.time < days * DAY:
            run = agent.run(memory)
            memory = run.memory
            if run.due:
                reports.append(run)
            self.world.sleep(max((run.next_start - self.world.now()).total_seconds(), 0) // 60 * 60 + 60)
        return memory, reports


def test_a_short_near_copy_lets_go_only_what_the_far_one_holds(tmp_path: Path) -> None:
    estate = Careful(tmp_path, FOUR_DAYS, (Outage("far", 1.0 * DAY, 2.0 * DAY, DOWN),))
    estate.live(3.4)
    near, far = estate.points("near"), {each.time for each in estate.points("far")}
    now = near[-1].time
    old = [each for each in near if now - each.time > timedelta(days=1, hours=12)]
    assert old
    # What the far copy missed while it was down stays here, however old; what it holds is gone but for the floors of a policy.
    missed = [each for each in old if each.time not in far]
    assert len(missed) >= 4
    assert len(old) - len(missed) <= 2
    assert len(far) > len(near)
    estate.live(6.5)
    left = [each for each in estate.points("near") if each.time in {each.time for each in missed}]
    assert len(left) <= 1, "once nobody is promised them any more they go"


def test_what_a_run_stores_is_locked_and_a_sweep_leaves_it(tmp_path: Path) -> None:
    estate = Careful(tmp_path, FOUR_DAYS, ())
    memory, reports = estate.live(0.5)
    assert all(report.exit_status is ExitStatus.OK for report in reports)
    store, far = estate.repositories["near"].store, estate.repositories["far"].store
    newest = estate.points("near")[-1]
    for name in (newest.where, *(each.name for each in newest.objects)):
        until = store.locked_until(name)
        assert until is not None, name
        kind = timedelta(days=3) if "/history/" in name else timedelta(days=1)
        assert until <= newest.time + kind
    assert far.locked_until(estate.points("far")[-1].where) is None
    for step in range(1, 6):
        memory, _ = estate.live(0.5 + step, memory)
        report = maintain(estate.promise, estate.copies(readable=True), memory, clock=estate.world)
        memory = report.memory
        assert report.exit_status is ExitStatus.OK, report
        # Whatever a point that stays needs is there and can be locked for no shorter than the point is kept.
        for point in estate.points("near"):
            if estate.world.now() < point.time + timedelta(days=1):
                held = [store.locked_until(each.name) for each in point.runs]
                assert all(until is not None for until in held)
    assert len(estate.points("near")) < 12


def test_a_storage_that_cannot_lock_is_a_warning_at_each_run_and_no_lost_point(tmp_path: Path) -> None:
    estate = Careful(tmp_path, FOUR_DAYS, ())

    def refuse(name: str, until: object) -> None:
        raise errors.LOCK_UNSUPPORTED.error("no locks here", where=name)

    estate.repositories["near"].store.lock = refuse  # type: ignore[assignment, method-assign]
    _, reports = estate.live(0.4)
    assert len(reports) > 1
    for report in reports:
        assert report.exit_status is ExitStatus.WARNINGS
        found = [each.code for outcome in report.outcomes for each in outcome.findings]
        assert found == [NOT_LOCKED.code] * len(found)
    assert len(estate.points("near")) == len(reports)
