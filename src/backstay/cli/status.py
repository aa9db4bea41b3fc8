"""`backstay status`: what each cluster was promised, what is true right now, and where its copies are."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import timedelta

import click

from backstay import errors
from backstay.cli.config.chosen import chosen_file
from backstay.cli.copies import ConfiguredCopy, Wiring, promised_to, usual_tools
from backstay.cli.groups import own_command
from backstay.cli.options import Format, output_options, reporting_options
from backstay.cli.render.findings import findings_plain, findings_table
from backstay.cli.render.plain import Plain
from backstay.cli.render.show import show
from backstay.cli.render.tables import columns, pairs
from backstay.cli.reporting import Reporting
from backstay.cli.repository.named import named_cluster
from backstay.cli.repository.opened import Access, opened_repository, repository_options
from backstay.cli.repository.rendering import time_plain
from backstay.clock import SystemClock
from backstay.config.configuration import Cluster
from backstay.config.promise import Copy, promise_of
from backstay.config.reading import load
from backstay.durable import LocalDisk
from backstay.errors import ExitStatus
from backstay.jobs.automation.agent import plans_of
from backstay.jobs.automation.copy import Look, Verified
from backstay.jobs.automation.crew import AtOnce
from backstay.jobs.automation.heads import Heads, read_heads
from backstay.jobs.automation.journal import RunJournal
from backstay.jobs.automation.promised import Promised
from backstay.jobs.automation.repository_copy import look_of
from backstay.jobs.automation.standing import CopyStanding, Standing, judge
from backstay.policy.copies import CopyPlace
from backstay.repository.facts import read_facts
from backstay.values import span_text

_ASKING_SECONDS = 60.0
_ORDER = (
    ExitStatus.TAMPERED, ExitStatus.VERIFICATION_FAILED, ExitStatus.NOT_RESTORABLE, ExitStatus.STORAGE,
    ExitStatus.WARNINGS,
)  # fmt: skip
"""The worst first."""


@own_command(
    examples="""
    backstay status
    backstay status --cluster payments-fra -o json | jq '.[0].rpo'
    backstay status s3://bucket/etcd
    """
)
@repository_options
@output_options
@reporting_options
@click.option("--cluster", default="", metavar="NAME", help="Only this cluster.")
@click.option(
    "--scale", type=click.FloatRange(1), default=1.0, hidden=True, help="For demonstrations: time goes faster."
)
@click.argument("repository", required=False, default="", metavar="[REPO]")
def command(
    *, repository: str, cluster: str, scale: float, access: Access, output: Format, reporting: Reporting
) -> int:
    """Say for each cluster of backstay.toml what would be lost now and how long a restore takes, against what is promised; and of
    each copy what is there, and how far, when and by what it was last verified. With REPO only what that one holds.

    The copies themselves are asked, so any host that reaches them may ask. The exit status is the worst that was found: 6
    tampered, 4 a verification failed, 5 RPO or RTO breached or nothing saved, 8 no copy answers, 3 anything less.
    """
    if repository:
        standings = _of_repository(repository, cluster, access, reporting)
    else:
        file = chosen_file(access.config)
        configuration = load(file)
        access = access.of(configuration)
        chosen = [named_cluster(configuration, cluster, file)] if cluster else list(configuration.clusters.values())
        wiring = Wiring(access, reporting, usual_tools(access, reporting))
        standings = [_of_cluster(each, promised_to(each, scale), wiring) for each in chosen]
    show(
        [as_plain(each) for each in standings],
        output,
        lambda: "\n\n".join(as_text(each) for each in standings) or "No backups yet.",
    )
    found = {each.exit_status for each in standings}
    return next((status for status in _ORDER if status in found), ExitStatus.OK)


def _of_cluster(cluster: Cluster, promise: Promised, wiring: Wiring) -> Standing:
    now = SystemClock().now()
    copies = wiring.copies(cluster, promise)
    answers = AtOnce().work({copy.name: _asking(copy) for copy in copies}, _ASKING_SECONDS)
    places = {copy.name: copy for copy in promise_of(cluster).copies}
    standings = [_standing(places[name], answer) for name, answer in answers.items()]
    memory = RunJournal(wiring.access.state_directory, cluster.name, LocalDisk()).load()
    next_start = None
    if memory.copies:
        plans = plans_of(promise, {copy.name: memory.of(copy.name) for copy in copies}, now)
        next_start = min(plan.start for plan in plans.values())
    else:
        newest = max((each.look.newest for each in standings if each.look and each.look.newest), default=None)
        next_start = None if newest is None else newest + promise.interval
    return judge(cluster.name, promise, standings, now, next_start)


def _asking(copy: ConfiguredCopy) -> Callable[[], Look]:
    def ask() -> Look:
        with copy.open() as place:
            return place.look(SystemClock().now())

    return ask


def _standing(copy: Copy, answer: Look | errors.BackstayError) -> CopyStanding:
    failure, look = (answer, None) if isinstance(answer, errors.BackstayError) else (None, answer)
    return CopyStanding(copy.name, copy.form.value, copy.location, copy.place, look, failure)


def _of_repository(location: str, cluster: str, access: Access, reporting: Reporting) -> list[Standing]:
    """Every cluster that has points there; nothing is promised to them here."""
    now = SystemClock().now()
    with opened_repository(location, access, reporting) as repository:
        heads, facts = read_heads(repository, cluster), read_facts(repository)
    place = CopyPlace("", "", object_store=False, plain=False)
    found = []
    for name in sorted({each.cluster for each in heads.newest}):
        own = Heads(tuple(each for each in heads.newest if each.cluster == name))
        standing = CopyStanding(location, "repository", location, place, look_of(own, facts, now))
        found.append(judge(name, None, [standing], now))
    return found


def as_plain(standing: Standing) -> dict[str, Plain]:
    """How a cluster stands, as JSON and YAML have it; keys are stable."""
    promise, rebuilt, lost = standing.promised, standing.rebuilt, standing.lost_now
    return {
        "cluster": standing.cluster,
        "now": time_plain(standing.now),
        "rpo": {
            "promised_seconds": None if promise is None else promise.rpo.total_seconds(),
            "now_seconds": None if lost is None else round(lost.total_seconds(), 3),
        },
        "rto": {
            "promised_seconds": None if promise is None else promise.rto.total_seconds(),
            "measured_seconds": None if rebuilt is None else rebuilt.seconds,
            "measured_by": verified_plain(rebuilt),
        },
        "last_point": None if standing.newest is None else time_plain(standing.newest),
        "next_run": None if standing.next_start is None else time_plain(standing.next_start),
        "missing": list(standing.missing),
        "copies": [_copy_plain(each) for each in standing.copies],
        "findings": findings_plain(standing.findings),
        "exit_status": int(standing.exit_status),
    }


def verified_plain(verified: Verified | None) -> dict[str, Plain] | None:
    """A level with its point, date and engine; never one without the others."""
    if verified is None:
        return None
    return {
        "point": verified.point,
        "level": verified.level,
        "time": time_plain(verified.time),
        "engine": verified.engine,
        "seconds": verified.seconds,
    }


def _copy_plain(copy: CopyStanding) -> dict[str, Plain]:
    look = copy.look
    said: dict[str, Plain] = {
        "name": copy.name,
        "form": copy.form,
        "location": copy.location,
        "site": copy.place.site,
        "system": copy.place.system,
        "object_store": copy.place.object_store,
        "problem": None if copy.failure is None else {"code": copy.failure.kind.code, "what": str(copy.failure)},
    }
    if look is None:
        return said
    return {
        **said,
        "point": look.point or None,
        "newest": None if look.newest is None else time_plain(look.newest),
        "verified": verified_plain(look.verified),
        "rebuilt": verified_plain(look.rebuilt),
    }


def as_text(standing: Standing) -> str:
    """The same for people."""
    promise, lost, rebuilt = standing.promised, standing.lost_now, standing.rebuilt
    verified = max(
        (each.look.verified for each in standing.copies if each.look and each.look.verified),
        key=lambda each: each.time,
        default=None,
    )
    rows: list[tuple[str, object]] = [
        ("Cluster", standing.cluster),
        ("Lost now", _against(lost, None if promise is None else promise.rpo, "nothing is saved")),
        ("Back within", _measured(rebuilt, promise)),
        ("Last point", "none" if standing.newest is None else time_plain(standing.newest)),
        ("Last verified", "none" if verified is None else f"{verified.point}: {verified_text(verified)}"),
    ]
    if promise is not None:
        following = "as soon as it is started" if standing.next_start is None else time_plain(standing.next_start)
        rows.append(("Next run", following))
        rows.append(("Missing", "; ".join(standing.missing) or "nothing of 3-2-1"))
    table = columns(("COPY", "FORM", "SITE", "NEWEST", "VERIFIED"), [_copy_row(each) for each in standing.copies])
    found = findings_table(standing.findings)
    return "\n\n".join(filter(None, (pairs(rows), table, found)))


def verified_text(verified: Verified) -> str:
    """Level, date and engine in a few words."""
    return f"{verified.level} {verified.time:%Y-%m-%d} by {verified.engine}"


def _copy_row(copy: CopyStanding) -> Sequence[object]:
    look = copy.look
    if look is None:
        return (copy.name, copy.form, copy.place.site or "-", "does not answer", "?")
    newest = "-" if look.newest is None else time_plain(look.newest)
    verified = "never" if look.verified is None else verified_text(look.verified)
    return (copy.name, copy.form, copy.place.site or "-", newest, verified)


def _against(is_now: timedelta | None, wanted: timedelta | None, nothing: str) -> str:
    if is_now is None:
        return nothing
    if wanted is None:
        return span_text(is_now)
    breach = ", BREACHED" if is_now > wanted else ""
    return f"{span_text(is_now)} of {span_text(wanted)} promised (RPO){breach}"


def _measured(rebuilt: Verified | None, promise: Promised | None) -> str:
    if rebuilt is None or rebuilt.seconds is None:
        wanted = f", {span_text(promise.rto)} promised (RTO)" if promise is not None else ""
        return f"never measured{wanted}"
    took = timedelta(seconds=rebuilt.seconds)
    if promise is None:
        return f"{span_text(took)}; {verified_text(rebuilt)}"
    breach = ", BREACHED" if took > promise.rto else ""
    return f"{span_text(took)} of {span_text(promise.rto)} promised (RTO){breach}; {verified_text(rebuilt)}"
