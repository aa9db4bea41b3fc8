"""`backstay run --once`: what a timer starts every minute; it does what is due for one cluster, and else nothing."""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import replace
from datetime import datetime
from pathlib import Path

import click

from backstay import errors
from backstay.cli.config.chosen import chosen_file
from backstay.cli.copies import ConfiguredCopy, Wiring, promised_to, scratch_directory, usual_tools
from backstay.cli.groups import own_command
from backstay.cli.options import (
    Format,
    ask_password,
    connection_options,
    dry_run_option,
    output_options,
    reporting_options,
)
from backstay.cli.reach import host_root, reach
from backstay.cli.render.findings import findings_plain
from backstay.cli.render.plain import Plain
from backstay.cli.render.show import show
from backstay.cli.render.tables import columns
from backstay.cli.reporting import Reporting
from backstay.cli.repository.named import connection_to, named_cluster
from backstay.cli.repository.opened import Access, repository_options
from backstay.cli.repository.rendering import time_plain
from backstay.cli.settings import ConnectionSettings
from backstay.clock import SystemClock
from backstay.config.configuration import Cluster
from backstay.config.promise import promise_of
from backstay.config.reading import load
from backstay.crypto.signing import SigningKey, read_signing_key
from backstay.durable import LocalDisk
from backstay.errors import ExitStatus
from backstay.findings import Severity
from backstay.jobs.automation.agent import Agent, AgentPlan, AgentReport, CopyOutcome
from backstay.jobs.automation.crew import AtOnce
from backstay.jobs.automation.journal import RunJournal, RunMemory
from backstay.jobs.automation.maintainer import MaintenanceOutcome, MaintenanceReport, maintain, wants_rebuild
from backstay.jobs.automation.metrics import LAST_SUCCESS, exposition, samples
from backstay.jobs.automation.promised import Promised
from backstay.jobs.automation.publishing import push, write_textfile
from backstay.jobs.automation.reading import CompanionsWish, Reading, read_cluster
from backstay.policy.copies import CopyPlace
from backstay.values import size_text

AGENT, MAINTAINER = "agent", "maintainer"
_KEY_VARIABLE = "BACKSTAY_SIGNING_KEY"
_KEY_PREFIX = "BACKSTAY-SIGNING-KEY-"


@own_command(
    examples="""
    backstay run --once --cluster payments-fra
    backstay run --once --cluster payments-fra --metrics-file /var/lib/node_exporter/backstay.prom
    backstay run --once --cluster payments-fra --identity operator.key
    backstay run --once --cluster payments-fra --dry-run -o json
    """
)
@connection_options
@repository_options
@output_options
@reporting_options
@dry_run_option
@click.option("--once", is_flag=True, help="Do what is due, and end. A timer starts the next run.")
@click.option("--cluster", required=True, metavar="NAME", help="The cluster of backstay.toml.")
@click.option(
    "--signing-key",
    multiple=True,
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="Keys that sign where the state directory has none; also BACKSTAY_SIGNING_KEY, a file or the keys themselves.",
)
@click.option("--scratch", type=click.Path(path_type=Path, file_okay=False), metavar="DIR", help="For the snapshot.")
@click.option(
    "--metrics-file", type=click.Path(path_type=Path), metavar="FILE", help="Replaced at every run, for node_exporter."
)
@click.option(
    "--push-to", default="", metavar="URL", help="A Pushgateway that gets the metrics; also BACKSTAY_PUSH_TO."
)
@click.option("--etcd", type=click.Path(path_type=Path), metavar="FILE", help="The etcd of a maintainer's drill.")
@click.option(
    "--scale", type=click.FloatRange(1), default=1.0, hidden=True, help="For demonstrations: time goes faster."
)
def command(
    *,
    once: bool,
    cluster: str,
    signing_key: tuple[Path, ...],
    scratch: Path | None,
    metrics_file: Path | None,
    push_to: str,
    etcd: Path | None,
    scale: float,
    dry_run: bool,
    connection: ConnectionSettings,
    access: Access,
    output: Format,
    reporting: Reporting,
) -> int:
    """Do what is due for a cluster of backstay.toml: start it every minute, it knows by itself when there is nothing to do.

    As agent, without an identity: one snapshot, a point at every repository and a file at every plain copy, verification up
    to `intact`, marks on what may go. As maintainer, with --identity: points are opened and rebuilt, links merged, marked
    points swept; it makes none.

    Exits with 3 when some copies have their point and others not, 8 when none has, 12 when the cluster could not be read, 75
    when another run of this cluster is at work.
    """
    if not once:
        raise errors.USAGE.error("say --once", why="there is no `run` yet that stays", next_step="let a timer start it")
    push_to = _gateway(push_to, access.environment)
    file = chosen_file(access.config)
    configuration = load(file)
    configured = named_cluster(configuration, cluster, file)
    access = access.of(configuration)
    promise = promised_to(configured, scale)
    tools = usual_tools(access, reporting, scratch)
    is_maintainer = bool(access.identities() or access.passphrase)
    if is_maintainer:
        from backstay.cli.drilling import drill_with

        tools = replace(tools, drill=drill_with(etcd, access, tools))
    wiring = Wiring(access, reporting, tools, _signing_keys(signing_key, access.environment))
    copies = wiring.copies(configured, promise)
    journal = RunJournal(access.state_directory, configured.name, LocalDisk())
    role = MAINTAINER if is_maintainer else AGENT
    agent = Agent(
        promise, copies, _opener(configured, connection, access, scratch, reporting), clock=tools.clock, crew=AtOnce()
    )
    try:
        if dry_run:
            memory = journal.load()
            if is_maintainer:
                _show_maintenance_plan(promise, copies, memory, tools.clock.now(), output)
            else:
                plan = agent.plan(memory)
                show(plan_plain(plan), output, lambda: plan_text(plan))
            return ExitStatus.OK
        with journal.alone():
            memory = journal.load()
            report = maintain(promise, copies, memory, clock=tools.clock) if is_maintainer else agent.run(memory)
            status = _worse(report.exit_status, _remember(journal, report, reporting))
    finally:
        tools.progress.finish()
    data, text = (
        (agent_plain(report), agent_text(report))
        if isinstance(report, AgentReport)
        else (maintenance_plain(report), maintenance_text(report))
    )
    show({**data, "role": role, "exit_status": int(status)}, output, lambda: text)
    places = {copy.name: copy.place for copy in promise_of(configured).copies}
    sent = _publish(promise, places, report.memory, tools.clock.now(), role, metrics_file, push_to, reporting)
    return _worse(status, sent)


def _opener(
    cluster: Cluster, connection: ConnectionSettings, access: Access, scratch: Path | None, reporting: Reporting
) -> Callable[[], AbstractContextManager[Reading]]:
    settings = connection_to(cluster, connection)

    def opened() -> AbstractContextManager[Reading]:
        root = host_root(access.environment)
        reached = reach(ask_password(settings), root=root)
        return read_cluster(
            reached.options,
            scratch_directory(access, scratch),
            disk=LocalDisk(),
            clock=SystemClock(),
            progress=reporting.watch(),
            companions=CompanionsWish(root, cluster.companions, cluster.companion_recipients),
        )

    return opened


def _gateway(said: str, environment: Mapping[str, str]) -> str:
    if "@" in said:
        raise errors.USAGE.error(
            "the address of the Pushgateway holds a user",
            where="--push-to",
            why="every user of this host sees the arguments of a process",
            next_step="set BACKSTAY_PUSH_TO instead",
        )
    return said or environment.get("BACKSTAY_PUSH_TO", "")


def _signing_keys(files: Sequence[Path], environment: Mapping[str, str]) -> tuple[SigningKey, ...]:
    """The keys of the files, one a line, or of the environment: each repository has one of its own."""
    said = environment.get(_KEY_VARIABLE, "")
    if not files and said.lstrip().startswith(_KEY_PREFIX):
        return _keys_of(said, _KEY_VARIABLE)
    found: list[SigningKey] = []
    for path in files or ((Path(said),) if said else ()):
        try:
            found += _keys_of(path.read_text(encoding="utf-8", errors="replace"), str(path))
        except OSError as problem:
            raise errors.SIGNING_KEY_INVALID.error(
                "cannot read the signing key", where=str(path), why=problem.strerror or str(problem)
            ) from problem
    return tuple(found)


def _keys_of(text: str, where: str) -> tuple[SigningKey, ...]:
    lines = [line for line in text.splitlines() if line.startswith(_KEY_PREFIX)]
    return tuple(read_signing_key(line, where) for line in lines or [text])


def _remember(journal: RunJournal, report: AgentReport | MaintenanceReport, reporting: Reporting) -> ExitStatus:
    """A run that cannot be remembered has still made its points."""
    try:
        journal.save(report.memory)
    except errors.BackstayError as problem:
        reporting.warn(f"this run will not be remembered: {problem}", code=problem.kind.code)
        return ExitStatus.WARNINGS
    return ExitStatus.OK


def _publish(
    promise: Promised,
    places: Mapping[str, CopyPlace],
    memory: RunMemory,
    now: datetime,
    role: str,
    file: Path | None,
    push_to: str,
    reporting: Reporting,
) -> ExitStatus:
    found = list(samples(promise, places, memory, now, role))
    text = exposition(found)
    is_whole = sum(each.metric is LAST_SUCCESS for each in found) == len(places)
    status = ExitStatus.OK
    steps: list[Callable[[], None]] = []
    if file is not None:
        steps.append(functools.partial(write_textfile, LocalDisk(), file, text))
    if push_to:
        groups = (("cluster", promise.cluster), ("role", role))
        steps.append(functools.partial(push, push_to, groups, text, replace=is_whole))
    for step in steps:
        try:
            step()
        except errors.BackstayError as problem:
            reporting.warn(str(problem), code=problem.kind.code)
            status = ExitStatus.WARNINGS
    return status


def _worse(status: ExitStatus, other: ExitStatus) -> ExitStatus:
    """A warning beside a success counts; beside a failure it does not."""
    return other if status is ExitStatus.OK else status


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


def _show_maintenance_plan(
    promise: Promised, copies: list[ConfiguredCopy], memory: RunMemory, now: datetime, output: Format
) -> None:
    rebuilds = {copy.name: wants_rebuild(promise, memory.of(copy.name), now) for copy in copies}
    data: dict[str, Plain] = {"copies": [{"name": name, "rebuild": wanted} for name, wanted in rebuilds.items()]}
    show(
        data,
        output,
        lambda: "\n".join(
            f"{name}: would verify{' and rebuild the newest point' if wanted else ''}, merge, sweep"
            for name, wanted in rebuilds.items()
        ),
    )
