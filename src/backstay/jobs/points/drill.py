"""The level above `rebuilt`: a point restored into a scratch directory, and a real etcd started on it and asked.

Called by `backstay verify --level drilled`. It is the drill of any snapshot file (`jobs.drill`), after the point has been
restored to one; the scratch directory is private and gone afterwards.
"""

from __future__ import annotations

import tempfile
from pathlib import Path

from backstay import findings
from backstay.clock import Clock
from backstay.cluster.etcd_program import EtcdProgram
from backstay.durable import Disk
from backstay.errors import BackstayError
from backstay.findings import Finding, Severity
from backstay.jobs.drill import DrillOptions, DrillReport, drill
from backstay.jobs.points.restore import plan_restore, restore
from backstay.repository.reading import PointReader
from backstay.repository.repository import Entropy
from backstay.telemetry import Progress

POINT_NOT_DRILLED = findings.declare(
    "point-not-drilled",
    Severity.ERROR,
    "A real etcd was started on a restored backup, and did not answer what the backup promised.",
    "restore another point; keep this one as evidence and report it",
)
DRILL_INCOMPLETE = findings.declare(
    "drill-incomplete",
    Severity.WARNING,
    "The backup was rebuilt, but no real etcd could be asked about it: none was found, or it wants a user.",
    "name one with --etcd; give --user where the cluster's own access control is on",
)


def drill_point(
    point: PointReader,
    program: EtcdProgram | None,
    *,
    scratch: Path,
    user: str,
    password: str,
    disk: Disk,
    clock: Clock,
    entropy: Entropy,
    progress: Progress,
) -> DrillReport:
    """Restore `point` and drill the file. Raises what a restore and a start of etcd raise."""
    with tempfile.TemporaryDirectory(prefix="backstay-drill-", dir=scratch) as directory:
        file = Path(directory) / "point.db"
        plan = plan_restore(point, file)
        restore(point, plan, disk=disk, clock=clock, entropy=entropy, progress=progress)
        options = DrillOptions(file, program, Path(directory), user=user, password=password)
        return drill(options, disk=disk, clock=clock, progress=progress)


def finding_of(report: DrillReport, subject: str) -> Finding | None:
    """What kept a point from being `drilled`; None when nothing did."""
    if not report.passed:
        differing = "; ".join(
            f"{each.what}: {each.answered}, not {each.predicted}" for each in report.comparisons if not each.agrees
        )
        return POINT_NOT_DRILLED.at(subject, differing)
    if report.level != "drilled":
        return DRILL_INCOMPLETE.at(subject, "; ".join(report.notes) or "no etcd was asked")
    return None


def failed(problem: BackstayError, subject: str) -> Finding:
    """A drill that ended with an error."""
    return POINT_NOT_DRILLED.at(subject, str(problem))
