"""How a cluster's backups stand against what was promised: looked up at the places themselves, and judged.

Called by `backstay status` from any host, also one that never ran a backup. Every departure from the promise is a finding, and the
worst finding is the exit status. A level of verification always comes with its date and the programs that reached it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from backstay import errors
from backstay.errors import ExitStatus
from backstay.findings import Finding, Severity, declare
from backstay.jobs.automation.copy import Look, Verified
from backstay.jobs.automation.promised import Promised
from backstay.policy.copies import CopyPlace, missing
from backstay.values import span_text

RPO_BREACHED = declare(
    "rpo-breached",
    Severity.ERROR,
    "If the cluster were lost now, more would be lost with it than its tier promises.",
    "run `backstay run --once --cluster NAME` where the cluster can be reached, and see what it says",
)
RTO_BREACHED = declare(
    "rto-breached",
    Severity.ERROR,
    "The last proven restore took longer than the tier promises.",
    "restore on a faster machine or from a nearer copy, or promise less with another tier",
)
RTO_UNMEASURED = declare(
    "rto-unmeasured",
    Severity.WARNING,
    "No restore of this cluster was ever proven, so nobody knows how long one takes.",
    "run `backstay run --once --cluster NAME --identity FILE`, or `backstay verify REPO --level rebuilt --identity FILE`",
)
NOTHING_SAVED = declare(
    "nothing-saved",
    Severity.ERROR,
    "No copy holds a point of this cluster.",
    "run `backstay run --once --cluster NAME` where the cluster can be reached",
)
COPY_BEHIND = declare(
    "copy-behind",
    Severity.WARNING,
    "A copy lacks points that other copies have.",
    "see why it failed: `backstay run --once` names the error; it catches up by itself when its storage takes points again",
)
COPY_UNREACHABLE = declare(
    "copy-unreachable",
    Severity.WARNING,
    "A copy could not be asked.",
    "check the location, the credentials and the way there",
)
COPY_TAMPERED = declare(
    "copy-tampered",
    Severity.ERROR,
    "What a copy shows cannot be what was written there: signatures or chains are wrong, or points that were seen are gone.",
    "do not restore from it; find out who can write to the storage",
)
COPIES_MISSING = declare(
    "copies-missing",
    Severity.WARNING,
    "The 3-2-1 rule is not held right now.",
    "add a repository of the kind that is missing to backstay.toml, or bring back the one that is behind",
)
VERIFICATION_OLD = declare(
    "verification-old",
    Severity.WARNING,
    "No point of a copy was verified for longer than is promised.",
    "run `backstay verify REPO --all`, and see why runs do not do it",
)
VERIFICATION_FAILED = declare(
    "verification-failed",
    Severity.ERROR,
    "The last verification of a point did not reach the level that was tried.",
    "run `backstay verify REPO --all` for the reason; restore from another copy or another point",
)

_STATUSES = (
    (COPY_TAMPERED.code, ExitStatus.TAMPERED),
    (VERIFICATION_FAILED.code, ExitStatus.VERIFICATION_FAILED),
    (RPO_BREACHED.code, ExitStatus.NOT_RESTORABLE),
    (RTO_BREACHED.code, ExitStatus.NOT_RESTORABLE),
    (NOTHING_SAVED.code, ExitStatus.NOT_RESTORABLE),
)
"""The worst first."""


@dataclass(frozen=True, slots=True)
class CopyStanding:
    """One copy: what is there, or why it could not be asked. `location` is as the configuration writes it."""

    name: str
    form: str
    location: str
    place: CopyPlace
    look: Look | None
    failure: errors.BackstayError | None = None


@dataclass(frozen=True, slots=True)
class Standing:
    """One cluster. `promised` is None where no configuration says anything. `next_start`: when a run is due."""

    cluster: str
    now: datetime
    promised: Promised | None
    copies: tuple[CopyStanding, ...]
    next_start: datetime | None
    missing: tuple[str, ...]
    findings: tuple[Finding, ...]

    @property
    def newest(self) -> datetime | None:
        """The time of the newest point of all copies."""
        return _newest(self.copies)

    @property
    def lost_now(self) -> timedelta | None:
        """The RPO as it is: what would be lost if the cluster were lost now; None where nothing is saved."""
        return None if self.newest is None else self.now - self.newest

    @property
    def rebuilt(self) -> Verified | None:
        """The newest proof of a whole restore, and how long it took."""
        found = [each.look.rebuilt for each in self.copies if each.look is not None and each.look.rebuilt is not None]
        return max(found, key=lambda each: each.time, default=None)

    @property
    def exit_status(self) -> ExitStatus:
        """The worst of the findings."""
        codes = {each.code for each in self.findings}
        if self.copies and all(each.look is None for each in self.copies) and COPY_TAMPERED.code not in codes:
            return ExitStatus.STORAGE
        for code, status in _STATUSES:
            if code in codes:
                return status
        return ExitStatus.WARNINGS if codes else ExitStatus.OK


def judge(
    cluster: str,
    promised: Promised | None,
    copies: Sequence[CopyStanding],
    now: datetime,
    next_start: datetime | None = None,
) -> Standing:
    """What is to be said of a cluster."""
    found: list[Finding] = []
    newest = _newest(copies)
    for each in copies:
        found += _of_copy(each, promised, newest, now)
    if newest is None and any(each.look is not None for each in copies):
        found.append(NOTHING_SAVED.at(cluster, f"{len(copies)} copies were asked"))
    wanted: tuple[str, ...] = ()
    if promised is not None:
        standing = Standing(cluster, now, promised, tuple(copies), next_start, (), ())
        found += _of_promise(standing, promised)
        wanted = missing_now(promised, copies)
        if wanted:
            found.append(COPIES_MISSING.at(cluster, "; ".join(wanted)))
    return Standing(cluster, now, promised, tuple(copies), next_start, wanted, tuple(found))


def missing_now(promised: Promised, copies: Sequence[CopyStanding]) -> tuple[str, ...]:
    """What the 3-2-1 rule wants of the copies that are there and not behind."""
    newest = _newest(copies)
    return missing(promised.site, [each.place for each in copies if _keeps_up(each, promised, newest)])


def _newest(copies: Sequence[CopyStanding]) -> datetime | None:
    times = [each.look.newest for each in copies if each.look is not None and each.look.newest is not None]
    return max(times, default=None)


def _keeps_up(copy: CopyStanding, promised: Promised, newest: datetime | None) -> bool:
    return is_current(copy.look.newest if copy.look is not None else None, newest, promised.interval_of(copy.name))


def is_current(own: datetime | None, newest: datetime | None, interval: timedelta) -> bool:
    """Whether a copy whose newest point is `own` lacks no run that another one has."""
    return own is not None and newest is not None and newest - own < interval


def _of_copy(copy: CopyStanding, promised: Promised | None, newest: datetime | None, now: datetime) -> list[Finding]:
    if copy.failure is not None:
        tampered = copy.failure.kind.exit_status is ExitStatus.TAMPERED
        return [(COPY_TAMPERED if tampered else COPY_UNREACHABLE).at(copy.name, str(copy.failure))]
    look, found = copy.look, list[Finding]()
    assert look is not None
    if look.failed is not None:
        found.append(VERIFICATION_FAILED.at(copy.name, f"{look.failed.point} reached {look.failed.level}"))
    if promised is None or newest is None:
        return found
    if not _keeps_up(copy, promised, newest):
        since = "holds nothing" if look.newest is None else f"is {span_text(newest - look.newest)} behind"
        found.append(COPY_BEHIND.at(copy.name, since))
    if look.newest is not None and (look.verified is None or now - look.verified.time > promised.verified_within):
        last = "never" if look.verified is None else f"last {look.verified.time:%Y-%m-%d}"
        found.append(VERIFICATION_OLD.at(copy.name, last))
    return found


def _of_promise(standing: Standing, promised: Promised) -> list[Finding]:
    found: list[Finding] = []
    lost, rebuilt = standing.lost_now, standing.rebuilt
    if lost is not None and lost > promised.rpo:
        evidence = f"{span_text(lost)} would be lost, {span_text(promised.rpo)} at most were promised"
        found.append(RPO_BREACHED.at(standing.cluster, evidence))
    if rebuilt is None or rebuilt.seconds is None:
        if standing.newest is not None:
            found.append(RTO_UNMEASURED.at(standing.cluster, "no point was ever rebuilt or drilled"))
    elif rebuilt.seconds > promised.rto.total_seconds():
        took = span_text(timedelta(seconds=rebuilt.seconds))
        evidence = f"{rebuilt.point} took {took} on {rebuilt.time:%Y-%m-%d}, {span_text(promised.rto)} were promised"
        found.append(RTO_BREACHED.at(standing.cluster, evidence))
    return found
