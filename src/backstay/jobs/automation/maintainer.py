"""One run as maintainer, with an identity: points are verified deeper, links merged, marked ones swept. It makes no point.

Each copy is maintained on its own and each step of it too; what fails is in the report. A run ends well only where every
copy did.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Protocol

from backstay import errors
from backstay.clock import Clock
from backstay.errors import ExitStatus
from backstay.findings import Severity, worst
from backstay.jobs.automation.copy import Kept, Upkeep
from backstay.jobs.automation.journal import CopyMemory, RunMemory
from backstay.jobs.automation.promised import Promised

_LOUD = (ExitStatus.TAMPERED, ExitStatus.VERIFICATION_FAILED)


class MaintainedCopy(Protocol):
    """A copy that a maintainer can open."""

    @property
    def name(self) -> str:
        """What the configuration calls it."""
        ...

    def open_kept(self) -> AbstractContextManager[Kept]:
        """Reach it, with the identities at hand."""
        ...


@dataclass(frozen=True, slots=True)
class MaintenanceOutcome:
    """What became of one copy."""

    name: str
    upkeep: Upkeep | None = None
    failure: errors.BackstayError | None = None


@dataclass(frozen=True, slots=True)
class MaintenanceReport:
    """A run."""

    cluster: str
    started: datetime
    seconds: float
    outcomes: tuple[MaintenanceOutcome, ...]
    memory: RunMemory

    @property
    def exit_status(self) -> ExitStatus:
        """The worst of what happened."""
        failures = [each.failure for each in self.outcomes if each.failure is not None]
        statuses = [each.kind.exit_status for each in failures]
        found = [finding for each in self.outcomes if each.upkeep for finding in each.upkeep.findings]
        severity = worst(found)
        if severity is Severity.ERROR:
            statuses.append(ExitStatus.VERIFICATION_FAILED)
        for loud in _LOUD:
            if loud in statuses:
                return loud
        if failures and len(failures) == len(self.outcomes):
            return failures[0].kind.exit_status
        return ExitStatus.WARNINGS if statuses or severity is Severity.WARNING else ExitStatus.OK


def maintain(
    promised: Promised, copies: Sequence[MaintainedCopy], memory: RunMemory, *, clock: Clock
) -> MaintenanceReport:
    """Maintain every copy."""
    now, began = clock.now(), clock.monotonic()
    outcomes: list[MaintenanceOutcome] = []
    for copy in copies:
        try:
            with copy.open_kept() as place:
                rebuild = wants_rebuild(promised, memory.of(copy.name), now)
                upkeep = place.maintain(now, rebuild=rebuild, within=promised.verified_within)
        except errors.BackstayError as problem:
            outcomes.append(MaintenanceOutcome(copy.name, failure=problem))
            continue
        outcomes.append(MaintenanceOutcome(copy.name, upkeep))
        memory = memory.with_copy(copy.name, _remembered(memory.of(copy.name), upkeep))
    if all(each.failure is None for each in outcomes):
        memory = replace(memory, maintained=now)
    return MaintenanceReport(promised.cluster, now, clock.monotonic() - began, tuple(outcomes), memory)


def wants_rebuild(promised: Promised, memory: CopyMemory, now: datetime) -> bool:
    """Whether the newest point of a copy is to be rebuilt again."""
    last = max((memory.levels[level] for level in ("rebuilt", "drilled") if level in memory.levels), default=None)
    return last is None or last > now or now - last >= promised.rebuild_every - timedelta(minutes=1)


def _remembered(memory: CopyMemory, upkeep: Upkeep) -> CopyMemory:
    care = upkeep.care
    return replace(
        memory,
        levels={**memory.levels, **care.levels},
        waiting_since=care.waiting_since if care.waiting_since is not None else memory.waiting_since,
        rebuilt_seconds=care.rebuilt_seconds if care.rebuilt_seconds is not None else memory.rebuilt_seconds,
    )
