"""What must hold over simulated days of automation (tests/days.py), and days with every kind of outage in them."""

from __future__ import annotations

import itertools
import random
from collections.abc import Sequence

from backstay.jobs.automation.agent import AgentReport
from backstay.policy.tiers import Tier
from tests.days import CLOCK, DOWN, FULL, HANGING, MINUTE, RUNNER, SLOW, SOURCE, Life, Outage, World

KINDS = (
    (SOURCE, DOWN), (RUNNER, DOWN), ("near", DOWN), ("far", DOWN), ("files", DOWN), ("near", FULL), ("far", SLOW),
    ("far", HANGING), (CLOCK, DOWN),
)  # fmt: skip


def outages_of(tier: Tier, end: float, *, seed: int) -> list[Outage]:
    """Every kind in turn, with time to recover in between; lengths from minutes to several RPOs."""
    chance = random.Random(seed)
    rpo = tier.rpo.length.total_seconds()
    found: list[Outage] = []
    time = 3 * rpo
    while True:
        for what, how in KINDS:
            length = chance.choice((rpo / 4, rpo, 3 * rpo))
            if how in (SLOW, HANGING):
                length = max(length, 3600.0)
            if time + length + 6 * rpo > end:
                return found
            step = chance.choice((-7200.0, -30.0, 45.0, 5400.0)) if what == CLOCK else 0.0
            found.append(Outage(what, time, time + length, how, step))
            time += length + chance.uniform(3, 6) * rpo


def check_life(world: World, tier: Tier, end: float) -> Life:
    """Live until `end` and check every promise."""
    life = Life(world, tier)
    life.watch = _Watch(life)
    life.until(end)
    check_rpo(life, end)
    reads_while_well(life)
    for copy in life.copies.values():
        assert copy.points, "a copy lost everything"
        assert copy.longest_unverified < life.promise.verified_within  # P23
    return life


class _Watch:
    """After every run: the metrics say what is so."""

    def __init__(self, life: Life) -> None:
        self._life = life

    def __call__(self, report: AgentReport) -> None:
        life = self._life
        failed = {each.name for each in report.outcomes if each.failure is not None}
        for each in report.outcomes:
            assert life.metric("copy_up", each.name) == float(each.failure is None)
            assert (life.metric("copy_failures", each.name) > 0) == (each.failure is not None)
        if report.due:
            reached = any(each.stored is not None for each in report.outcomes)
            if reached or report.source_failure is not None:
                assert life.metric("source_up") == float(report.source_failure is None)
        if report.due and report.source_failure is None and not failed and len(report.outcomes) == len(life.copies):
            assert life.metric("copies_missing") == 0  # 3-2-1 holds as soon as all have been served again
        for name in ("far", "files"):  # without near the rule still holds
            behind = self._behind(name)
            if behind is not None and not _stepped(life):
                assert (life.metric("copies_missing") > 0) or not behind
        if all(self._behind(name) is False for name in life.copies) and not failed and not _stepped(life):
            assert life.metric("copies_missing") == 0

    def _behind(self, name: str) -> bool | None:
        """Whether a copy lacks a whole run that another has, by what really lies there."""
        newest = {each: copy.points[-1].true for each, copy in self._life.copies.items() if copy.points}
        if name not in newest:
            return None
        lag = max(newest.values()) - newest[name]
        interval = self._life.promise.interval.total_seconds()
        # Around one interval the time that a run takes decides, and a late copy has a point that nobody counts.
        return None if 0.9 * interval < lag < interval + 120 else lag >= interval


def _stepped(life: Life) -> bool:
    return any(each.what == CLOCK and each.start <= life.world.time for each in life.world.outages)


def check_rpo(life: Life, end: float) -> None:
    """Between two good points no more was at stake than promised, except while something that is needed was away."""
    rpo = life.promise.rpo.total_seconds()
    retry = max(30.0, rpo / 15)
    goods, outages = life.goods, _blocking(life.world.outages)
    steps = [each for each in life.world.outages if each.what == CLOCK]
    assert goods
    for before, after in itertools.pairwise(goods):
        exposed = after.ended - before.taken
        blocking = [each for each in outages if each.start < after.ended and each.end > before.taken]
        if not blocking:
            # A wall clock that goes back by an hour makes what is due an hour late, and no more than that.
            stepped = sum(abs(each.step) for each in steps if _edges(each, before.taken, after.ended))
            assert exposed <= rpo + stepped, f"{exposed:.0f} s were at stake at {after.ended:.0f} s, without an outage"
        else:
            recovered = max(each.end for each in blocking)
            stepped = sum(abs(each.step) for each in steps if _edges(each, before.taken, after.ended))
            late = after.ended - max(recovered, before.taken + rpo) - stepped
            assert late <= retry + 3 * MINUTE, f"{late:.0f} s after the outage there was still no point"
    assert end - goods[-1].taken <= rpo + 2 * MINUTE or outages


def _blocking(outages: Sequence[Outage]) -> list[Outage]:
    """What keeps every copy from getting a point: one dead copy never does."""
    return [each for each in outages if each.what in (SOURCE, RUNNER)]


def _edges(outage: Outage, start: float, end: float) -> bool:
    return start <= outage.start <= end or start <= outage.end <= end


def reads_while_well(life: Life) -> None:
    """The cluster is not read more often for a copy that is ill (P17)."""
    normal = life.world.time / life.promise.interval.total_seconds()
    failures = sum(each.end - each.start for each in life.world.outages) / max(
        30.0, life.promise.rpo.total_seconds() / 15
    )
    catching_up = 12 * len(life.world.outages)
    assert life.world.reads <= 1.2 * normal + failures + catching_up
