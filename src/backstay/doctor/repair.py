"""The few safe repairs of `doctor --fix`: planned from the findings, then done in order after the question was answered.

    compact + defragment + disarm    after NOSPACE, when the disk itself has room
    modes                            0700 and 0600 for data and keys

Each step says what it will do; nothing here deletes data that any client could still read (compaction stops at the newest revision,
which keeps every key's present value).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from pathlib import Path

from backstay.clock import Clock
from backstay.doctor.facts import Facts
from backstay.etcd.client import Client
from backstay.etcd.connection import ConnectionOptions, Endpoint
from backstay.etcd.results import AlarmType
from backstay.findings import Finding

DEFRAGMENT_SECONDS = 600.0


@dataclass(frozen=True, slots=True)
class Step:
    """One repair: what it does, and the doing, which returns what happened."""

    title: str
    act: Callable[[], str]


def plan(
    findings: Iterable[Finding], facts: Facts, options: ConnectionOptions | None, clock: Clock
) -> tuple[Step, ...]:
    """The steps that the findings call for, in order; none when there is nothing that is safe to repair."""
    codes = {finding.code for finding in findings}
    steps: list[Step] = []
    if codes & {"alarm-nospace", "quota-exceeded"} and "disk-full" not in codes and options is not None:
        steps += _free_the_quota(facts, options, clock)
    if "mode-too-open" in codes:
        steps += [
            _mode_step(each.path, each.mode & each.wanted_mode)
            for each in facts.paths
            if each.mode & ~each.wanted_mode & 0o077
        ]
    return tuple(steps)


def _mode_step(path: Path, mode: int) -> Step:
    def act() -> str:
        path.chmod(mode)
        return f"{path} has mode {mode:04o}"

    return Step(f"set the mode of {path} to {mode:04o}", act)


def _free_the_quota(facts: Facts, options: ConnectionOptions, clock: Clock) -> list[Step]:
    live = facts.live
    if live is None or not live.answers:
        return []
    statuses = [(each.endpoint, each.status) for each in live.healths if each.status is not None]
    revision = min(status.header.revision for _, status in statuses)
    followers_first = sorted(statuses, key=lambda each: each[1].is_leader)
    patient = replace(options, long_timeout_seconds=DEFRAGMENT_SECONDS)

    def compact() -> str:
        with Client(options, clock=clock) as client:
            client.kv.compact(revision, physical=True)
        return f"history before revision {revision} is gone; every key keeps its present value"

    def defragment(endpoint: Endpoint) -> Callable[[], str]:
        def act() -> str:
            with Client(patient.only(endpoint), clock=clock) as client:
                before = client.maintenance.status().database_size_bytes
                client.maintenance.defragment(timeout_seconds=DEFRAGMENT_SECONDS)
                after = client.maintenance.status().database_size_bytes
            return f"{endpoint}: {before} bytes before, {after} after"

        return act

    def disarm() -> str:
        with Client(options, clock=clock) as client:
            raised = client.maintenance.alarms(AlarmType.NOSPACE)
            for alarm in raised:
                client.maintenance.deactivate_alarm(alarm.member_id, AlarmType.NOSPACE)
        return f"{len(raised)} alarms disarmed"

    return [
        Step(f"compact the history before revision {revision}", compact),
        *(
            Step(f"defragment {endpoint} (it serves nothing meanwhile)", defragment(endpoint))
            for endpoint, _ in followers_first
        ),
        Step("disarm the NOSPACE alarm", disarm),
    ]
