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
from backstay.cli.copies import Wiring, promised_to, scratch_directory, usual_tools
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
from backstay.cli.render.show import show
from backstay.cli.reporting import Reporting
from backstay.cli.repository.named import connection_to, named_cluster
from backstay.cli.repository.opened import Access, repository_options
from backstay.cli.run_reports import (
    agent_plain,
    agent_text,
    maintenance_plain,
    maintenance_text,
    plan_plain,
    plan_text,
    rebuilds_plain,
    rebuilds_text,
)
from backstay.cli.settings import ConnectionSettings
from backstay.clock import SystemClock
from backstay.config.configuration import Cluster
from backstay.config.promise import promise_of
from backstay.config.reading import load
from backstay.crypto.signing import SigningKey, read_signing_key
from backstay.durable import LocalDisk
from backstay.errors import ExitStatus
from backstay.jobs.automation.agent import Agent, AgentReport
from backstay.jobs.automation.crew import AtOnce
from backstay.jobs.automation.journal import RunJournal, RunMemory
from backstay.jobs.automation.maintainer import MaintenanceReport, maintain, wants_rebuild
from backstay.jobs.automation.metrics import LAST_SUCCESS, exposition, samples
from backstay.jobs.automation.promised import Promised
from backstay.jobs.automation.publishing import push, write_textfile
from backstay.jobs.automation.reading import CompanionsWish, Reading, read_cluster
from backstay.policy.copies import CopyPlace

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
    is_maintainer = bool(access.identities() or access.passphrase or access.asks_services)
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
                now = tools.clock.now()
                rebuilds = {copy.name: wants_rebuild(promise, memory.of(copy.name), now) for copy in copies}
                show(rebuilds_plain(rebuilds), output, lambda: rebuilds_text(rebuilds))
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
