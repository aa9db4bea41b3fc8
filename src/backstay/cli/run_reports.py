"""What `backstay run` prints: a plan, a run as agent, a run as maintainer; as plain data with stable keys, and for people."""

from __future__ import annotations

from collections.abc import Mapping

from backstay import errors
from backstay.cli.render.findings import findings_plain
from backstay.cli.render.plain import Plain
from backstay.cli.render.tables import columns
from backstay.cli.repository.rendering import time_plain
from backstay.findings import Severity
from backstay.jobs.automation.agent import AgentPlan, AgentReport, CopyOutcome
from backstay.jobs.automation.maintainer import MaintenanceOutcome, MaintenanceReport
from backstay.values import size_text


def plan_plain(plan: AgentPlan) -> dict[str, Plain]:
    """What a run would do, as JSON and YAML have it."""
    return {
        "now": time_plain(plan.now),
        "due": bool(plan.serve),
        "next_run": time_plain(plan.next_start),
        "copies": [
            {
                "name": name,
                "start": time_plain(each.start),
                "why": each.why.value,
                "served": name in plan.serve,
                "deadline": None if each.deadline is None else time_plain(each.deadline),
                "problem": str(plan.unreachable[name]) if name in plan.unreachable else None,
            }
            for name, each in plan.plans.items()
        ],
    }


def plan_text(plan: AgentPlan) -> str:
    """The same for people."""
    head = (
        f"Would save now: {', '.join(plan.serve)}"
        if plan.serve
        else f"Nothing is due before {plan.next_start:%H:%M:%S} UTC"
    )
    rows = [(name, time_plain(each.start), each.why.value) for name, each in plan.plans.items()]
    problems = [f"{name} does not answer: {problem}" for name, problem in plan.unreachable.items()]
    return "\n".join([head, "", columns(("COPY", "DUE", "WHY"), rows), *problems])


def agent_plain(report: AgentReport) -> dict[str, Plain]:
    """A run as agent, as JSON and YAML have it; keys are stable."""
    failure = report.source_failure
    return {
        "cluster": report.cluster,
        "started": time_plain(report.started),
        "seconds": round(report.seconds, 3),
        "due": {name: why.value for name, why in report.due.items()},
        "source_problem": None if failure is None else _problem_plain(failure),
        "copies": [_outcome_plain(each) for each in report.outcomes],
        "next_run": time_plain(report.next_start),
    }


def _outcome_plain(outcome: CopyOutcome) -> dict[str, Plain]:
    stored, care = outcome.stored, outcome.care
    problem = outcome.failure or outcome.care_failure
    return {
        "name": outcome.name,
        "point": None if stored is None else stored.point,
        "bytes": None if stored is None else stored.bytes,
        "note": "" if stored is None else stored.note,
        "verified": None if care is None else care.verified,
        "marked": None if care is None else care.removed,
        "findings": findings_plain(outcome.findings),
        "problem": None if problem is None else _problem_plain(problem),
    }


def _problem_plain(problem: errors.BackstayError) -> dict[str, Plain]:
    return {"code": problem.kind.code, "what": str(problem), "next_step": problem.next_step}


def agent_text(report: AgentReport) -> str:
    """A run for people."""
    following = f"next run {report.next_start:%Y-%m-%d %H:%M:%S} UTC"
    if not report.due:
        return f"{report.cluster}: nothing is due; {following}"
    were_due = "one copy was due" if len(report.due) == 1 else f"{len(report.due)} copies were due"
    lines = [f"{report.cluster}: {were_due}; {following}"]
    if report.source_failure is not None:
        lines.append(f"  the cluster could not be read: {report.source_failure}")
    for each in report.outcomes:
        if each.failure is not None:
            lines.append(f"  {each.name}: no point: {each.failure}")
            continue
        assert each.stored is not None
        note = f" ({each.stored.note})" if each.stored.note else ""
        lines.append(f"  {each.name}: {each.stored.point}, {size_text(each.stored.bytes)}{note}")
        if each.care is not None:
            lines.append(f"    verified up to intact: {each.care.verified}; old ones let go: {each.care.removed}")
        lines += [f"    {found}" for found in each.findings if found.severity > Severity.NOTE]
        if each.care_failure is not None:
            lines.append(f"    not verified, nothing let go: {each.care_failure}")
    return "\n".join(lines)


def maintenance_plain(report: MaintenanceReport) -> dict[str, Plain]:
    """A run as maintainer, as JSON and YAML have it; keys are stable."""
    return {
        "cluster": report.cluster,
        "started": time_plain(report.started),
        "seconds": round(report.seconds, 3),
        "copies": [_upkeep_plain(each) for each in report.outcomes],
    }


def _upkeep_plain(outcome: MaintenanceOutcome) -> dict[str, Plain]:
    upkeep, failure = outcome.upkeep, outcome.failure
    return {
        "name": outcome.name,
        "verified": None if upkeep is None else upkeep.care.verified,
        "rebuilt_seconds": None if upkeep is None else upkeep.care.rebuilt_seconds,
        "merged": None if upkeep is None else upkeep.merged,
        "swept": None if upkeep is None else upkeep.swept,
        "freed_bytes": None if upkeep is None else upkeep.freed_bytes,
        "findings": [] if upkeep is None else findings_plain(upkeep.findings),
        "problem": None if failure is None else _problem_plain(failure),
    }


def maintenance_text(report: MaintenanceReport) -> str:
    """The same for people."""
    lines = [f"{report.cluster}: maintained in {report.seconds:.1f} s"]
    for each in report.outcomes:
        if each.upkeep is None:
            lines.append(f"  {each.name}: {each.failure}")
            continue
        care = each.upkeep.care
        rebuilt = f", the newest rebuilt in {care.rebuilt_seconds:.1f} s" if care.rebuilt_seconds is not None else ""
        swept = f"{each.upkeep.swept} swept, {size_text(each.upkeep.freed_bytes)} freed"
        lines.append(f"  {each.name}: {care.verified} verified{rebuilt}; {each.upkeep.merged} merged; {swept}")
        lines += [f"    {found}" for found in each.upkeep.findings if found.severity > Severity.NOTE]
    return "\n".join(lines)


def rebuilds_plain(rebuilds: Mapping[str, bool]) -> dict[str, Plain]:
    """What a maintainer would do, by copy: whether its newest point would be rebuilt."""
    return {"copies": [{"name": name, "rebuild": wanted} for name, wanted in rebuilds.items()]}


def rebuilds_text(rebuilds: Mapping[str, bool]) -> str:
    """The same for people."""
    return "\n".join(
        f"{name}: would verify{' and rebuild the newest point' if wanted else ''}, merge, sweep"
        for name, wanted in rebuilds.items()
    )
