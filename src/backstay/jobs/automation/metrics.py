"""What a run says to Prometheus: gauges computed from what is remembered, the same whoever reads them (docs/reference/metrics.md).

Everything is a gauge, most are times: who asks how old something is subtracts it from now, and sees it age also while nothing
runs any more. A metric of success is computed from successes alone, so that no failure can move it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from backstay.jobs.automation.agent import plans_of
from backstay.jobs.automation.journal import RunMemory
from backstay.jobs.automation.promised import Promised
from backstay.jobs.automation.standing import is_current
from backstay.policy.copies import CopyPlace, missing


@dataclass(frozen=True, slots=True)
class Metric:
    """One metric: its name, what it means, and its labels."""

    name: str
    help: str
    labels: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Sample:
    """One value; `labels` in the order of the metric's."""

    metric: Metric
    labels: tuple[str, ...]
    value: float


_CLUSTER, _COPY = ("cluster",), ("cluster", "copy")

RPO_PROMISED = Metric("backstay_promised_rpo_seconds", "What may be lost at most, by the tier.", _CLUSTER)
RTO_PROMISED = Metric("backstay_promised_rto_seconds", "What a restore may take at most, by the tier.", _CLUSTER)
INTERVAL = Metric("backstay_run_interval_seconds", "From run to run while nothing fails.", _CLUSTER)
LAST_RUN = Metric(
    "backstay_last_run_timestamp_seconds", "When `run` was last started, whatever came of it.", ("cluster", "role")
)
NEXT_RUN = Metric("backstay_next_run_timestamp_seconds", "When the next point is due.", _CLUSTER)
SOURCE_UP = Metric("backstay_source_up", "1 if the cluster could be read when that was last tried, else 0.", _CLUSTER)
LAST_SUCCESS = Metric(
    "backstay_last_success_timestamp_seconds",
    "The time of the newest point of a copy: what it holds is of then.",
    _COPY,
)
COPY_UP = Metric("backstay_copy_up", "1 if a copy took its point when that was last tried, else 0.", _COPY)
COPY_FAILURES = Metric("backstay_copy_failures", "Failed runs of a copy since its last point.", _COPY)
COPIES_MISSING = Metric(
    "backstay_copies_missing", "How many demands of the 3-2-1 rule the copies that are up to date leave open.", _CLUSTER
)
LAST_VERIFIED = Metric(
    "backstay_last_verified_timestamp_seconds",
    "When points of a copy last reached a level.",
    ("cluster", "copy", "level"),
)
WAITING = Metric(
    "backstay_oldest_unverified_timestamp_seconds", "Since when the least verified point of a copy waits.", _COPY
)
RTO_MEASURED = Metric("backstay_measured_rto_seconds", "What the last proven restore of a copy took.", _COPY)
MAINTAINED = Metric(
    "backstay_maintenance_last_success_timestamp_seconds", "When a maintainer last ended well everywhere.", _CLUSTER
)

METRICS = (
    RPO_PROMISED, RTO_PROMISED, INTERVAL, LAST_RUN, NEXT_RUN, SOURCE_UP, LAST_SUCCESS, COPY_UP, COPY_FAILURES,
    COPIES_MISSING, LAST_VERIFIED, WAITING, RTO_MEASURED, MAINTAINED,
)  # fmt: skip


def samples(
    promised: Promised, places: Mapping[str, CopyPlace], memory: RunMemory, now: datetime, role: str
) -> Iterator[Sample]:
    """All that is known at `now`; what is not known has no sample. `places` are the copies by their names."""
    cluster = (promised.cluster,)
    yield Sample(RPO_PROMISED, cluster, promised.rpo.total_seconds())
    yield Sample(RTO_PROMISED, cluster, promised.rto.total_seconds())
    yield Sample(INTERVAL, cluster, promised.interval.total_seconds())
    yield Sample(LAST_RUN, (*cluster, role), now.timestamp())
    copies = {name: memory.of(name) for name in places}
    good = {name: run.started for name, copy in copies.items() if (run := copy.last_good) is not None}
    # A maintainer's host may know nothing of runs, and then says nothing of them.
    if any(copy.runs for copy in copies.values()):
        plans = plans_of(promised, copies, now)
        yield Sample(NEXT_RUN, cluster, min(plan.start for plan in plans.values()).timestamp())
        yield Sample(SOURCE_UP, cluster, float(not memory.source_problem))
        newest = max(good.values(), default=None)
        current = [places[name] for name in places if is_current(good.get(name), newest, promised.interval_of(name))]
        yield Sample(COPIES_MISSING, cluster, float(len(missing(promised.site, current))))
    for name, copy in copies.items():
        labels = (promised.cluster, name)
        if name in good:
            yield Sample(LAST_SUCCESS, labels, good[name].timestamp())
        if copy.runs:
            yield Sample(COPY_UP, labels, float(not copy.problem))
            yield Sample(COPY_FAILURES, labels, float(copy.failures))
        for level, time in sorted(copy.levels.items()):
            yield Sample(LAST_VERIFIED, (*labels, level), time.timestamp())
        if copy.waiting_since is not None:
            yield Sample(WAITING, labels, copy.waiting_since.timestamp())
        if copy.rebuilt_seconds is not None:
            yield Sample(RTO_MEASURED, labels, copy.rebuilt_seconds)
    if memory.maintained is not None:
        yield Sample(MAINTAINED, cluster, memory.maintained.timestamp())


def exposition(found: Iterable[Sample]) -> str:
    """Samples as Prometheus' text format has them, each metric once."""
    by_metric: dict[Metric, list[Sample]] = {}
    for sample in found:
        by_metric.setdefault(sample.metric, []).append(sample)
    lines: list[str] = []
    for metric, own in by_metric.items():
        lines += [f"# HELP {metric.name} {metric.help}", f"# TYPE {metric.name} gauge"]
        lines += [f"{metric.name}{_labels(metric.labels, each.labels)} {each.value!r}" for each in own]
    return "\n".join(lines) + "\n" if lines else ""


def _labels(names: Sequence[str], values: Sequence[str]) -> str:
    escaped = (value.replace("\\", r"\\").replace('"', r"\"").replace("\n", r"\n") for value in values)
    return "{" + ",".join(f'{name}="{value}"' for name, value in zip(names, escaped, strict=True)) + "}"
