"""Within one interval the right metric tells of every outage, and of its end; metrics of success never move on a failure (P22).

That the latter holds after every single run is checked by tests/days.py in every test that lives through days.
"""

from __future__ import annotations

from collections.abc import Callable

import pytest

from backstay.policy.tiers import BUILT_IN
from tests.days import DOWN, FULL, HANGING, MINUTE, RUNNER, SLOW, SOURCE, Life, Outage, World

TIER = BUILT_IN["critical"]
INTERVAL = 750.0
SLACK = 3 * MINUTE
"""The cron's minute, and what a run takes."""
START = 20 * INTERVAL

Says = Callable[[Life], bool]
CASES: dict[str, tuple[str, str, Says]] = {
    "the cluster": (SOURCE, DOWN, lambda life: life.metric("source_up") == 0),
    "the runner": (
        RUNNER,
        DOWN,
        lambda life: life.world.now().timestamp() > life.metric("next_run_timestamp_seconds") + 60,
    ),
    "the near copy": ("near", DOWN, lambda life: life.metric("copy_up", "near") == 0),
    "the far copy": ("far", DOWN, lambda life: life.metric("copy_up", "far") == 0),
    "the plain copy": ("files", DOWN, lambda life: life.metric("copy_up", "files") == 0),
    "a full disk": ("near", FULL, lambda life: life.metric("copy_failures", "near") > 0),
    "a storage that hangs": ("far", HANGING, lambda life: life.metric("copy_up", "far") == 0),
    "a slow storage": ("far", SLOW, lambda life: life.metric("copy_up", "far") == 0),
}


@pytest.mark.parametrize("name", list(CASES))
def test_an_outage_and_its_end_show_within_one_interval(name: str) -> None:
    what, how, says = CASES[name]
    end = START + 4 * INTERVAL
    life = Life(World([Outage(what, START, end, how)]), TIER)
    patience = life.promise.patience.total_seconds() if how == SLOW else 0.0
    life.until(START)
    assert not says(life)
    life.until(START + INTERVAL + SLACK + patience)
    assert says(life), f"{name}: nothing shows after an interval"
    life.until(end + 2 * INTERVAL + SLACK + patience)
    assert not says(life), f"{name}: it is over and still shows"
    assert life.metric("copies_missing") == 0


def test_a_missing_copy_breaks_the_rule_and_its_return_mends_it() -> None:
    end = START + 6 * INTERVAL
    life = Life(World([Outage("far", START, end)]), TIER)
    life.until(START)
    assert life.metric("copies_missing") == 0
    life.until(end - 1)
    assert life.metric("copies_missing") == 2  # no other site, no object store
    life.until(end + INTERVAL + SLACK)
    assert life.metric("copies_missing") == 0


def test_a_dead_copy_makes_the_cluster_be_read_no_more_often_than_needed() -> None:
    hours = 12
    well, ill = World(), World([Outage("far", START, START + hours * 3600)])
    for world in (well, ill):
        Life(world, TIER).until(START + hours * 3600)
    assert ill.reads <= well.reads + 2
    full = World([Outage("far", START, START + hours * 3600, FULL)])
    Life(full, TIER).until(START + hours * 3600)
    assert full.reads <= 2 * well.reads + 8
