"""What the retention commands are told about the policy, as options, and the plan that follows from it.

@policy_options    -> wish: Wish     (--keep, --all-within, --minimum-points, --zone, --allow, --requires-copy, --cluster)
wish.plan(repository, access, now)   the plan, from what is there now
"""

from __future__ import annotations

import functools
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, tzinfo
from typing import Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import click

from backstay import errors
from backstay.cli.groups import CommandBody, Option
from backstay.cli.options import attach
from backstay.cli.reporting import Reporting
from backstay.cli.repository.list import readable_facts
from backstay.cli.repository.opened import Access, opened_repository
from backstay.jobs.retention.plan import Plan, make_plan
from backstay.policy.retention.guards import Guard
from backstay.policy.retention.periods import Period
from backstay.policy.retention.policy import DEFAULT, Policy, Rule
from backstay.repository.catalogue import read_catalogue
from backstay.repository.facts import newest_by_point, rank, read_facts
from backstay.repository.repository import Repository
from backstay.repository.retention.holds import read_holds
from backstay.repository.retention.pins import pinned_points

POLICY = "Policy"
_COPY_LEVEL = "intact"


@dataclass(frozen=True, slots=True)
class Wish:
    """The policy, for one cluster or for all, what is allowed, and the repository that must hold what goes."""

    policy: Policy
    cluster: str
    allowed: tuple[Guard, ...]
    requires_copy: str

    def plan(self, repository: Repository, access: Access, reporting: Reporting, now: datetime) -> Plan:
        """What follows from it at `now`. Raises what reading the repository, or the other one, raises."""
        return make_plan(
            repository,
            read_catalogue(repository),
            read_facts(repository),
            read_holds(repository),
            self.policy,
            now=now,
            readable=lambda manifest: readable_facts(repository, manifest),
            cluster=self.cluster,
            allowed=self.allowed,
            pinned=pinned_points(repository.store, now),
            copied=self._copied(access, reporting),
        )

    def _copied(self, access: Access, reporting: Reporting) -> Collection[str] | None:
        """The points that the other repository holds and that were verified there."""
        if not self.requires_copy:
            return None
        with opened_repository(self.requires_copy, access, reporting) as other:
            verified = newest_by_point(read_facts(other))
            points = {each.id for each in read_catalogue(other).require_sound().points}
        return {
            name for name, (_, fact) in verified.items() if name in points and rank(fact.level) >= rank(_COPY_LEVEL)
        }


def policy_options(function: CommandBody) -> CommandBody:
    """Add the options of a policy; the body gets `wish`."""

    @functools.wraps(function)
    def with_wish(*arguments: Any, **values: Any) -> int | None:
        values["wish"] = Wish(
            _policy(values.pop("keep"), values.pop("all_within"), values.pop("minimum_points"), values.pop("zone")),
            values.pop("cluster"),
            tuple(Guard(each) for each in values.pop("allow")),
            values.pop("requires_copy"),
        )
        return function(*arguments, **values)

    parameters = [
        Option(["--keep"], multiple=True, metavar="EVERY:FOR", section=POLICY,
               help="A rule such as 15m:7d; default 15m:7d 1h:30d 1d:90d 1mo:1y."),
        Option(["--all-within"], default="7d", show_default=True, metavar="PERIOD", section=POLICY,
               help="Keep every point so young."),
        Option(["--minimum-points"], type=click.IntRange(1), default=DEFAULT.minimum_points, show_default=True,
               section=POLICY, help="Keep so many at least."),
        Option(["--zone"], default="UTC", show_default=True, metavar="NAME", section=POLICY,
               help="Whose days, weeks and months count."),
        Option(["--allow"], multiple=True, type=click.Choice([each.value for each in Guard]), section=POLICY,
               help="Accept what a guard refuses."),
        Option(["--requires-copy"], default="", metavar="REPO", section=POLICY,
               help="Only what this other repository holds, verified to `intact`, may go."),
        Option(["--cluster"], default="", metavar="NAME", section=POLICY, help="Only points of this cluster."),
    ]  # fmt: skip
    return attach(with_wish, parameters)


def parse_time(text: str) -> datetime:
    """A time in ISO 8601; without a zone it is UTC. Raises `USAGE`."""
    try:
        time = datetime.fromisoformat(text)
    except ValueError as problem:
        raise errors.USAGE.error(f"`{text}` is no time", why=str(problem)) from problem
    return time.replace(tzinfo=UTC) if time.tzinfo is None else time.astimezone(UTC)


def parse_period(text: str, where: str) -> timedelta:
    """`24h`, `7d`, or `0`. Raises `USAGE`."""
    try:
        return timedelta(0) if text == "0" else Period.parse(text).length
    except ValueError as problem:
        raise errors.USAGE.error(f"`{text}` is no period", where=where, why=str(problem)) from problem


def _policy(keep: Sequence[str], all_within: str, minimum_points: int, zone: str) -> Policy:
    try:
        rules = tuple(Rule.parse(each) for each in keep) or DEFAULT.rules
        return Policy(rules, parse_period(all_within, "--all-within"), minimum_points, zone=_zone(zone))
    except ValueError as problem:
        raise errors.USAGE.error("this is no policy", why=str(problem)) from problem


def _zone(name: str) -> tzinfo:
    if name == "UTC":
        return UTC
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, OSError) as problem:
        raise ValueError(f"{name!r} is no time zone that this machine knows") from problem
