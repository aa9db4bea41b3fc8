"""What the retention commands are told about the policy, as options, and the plan that follows from it.

@policy_options    -> wish: Wish     (--keep, --all-within, --minimum-points, --zone, --allow, --requires-copy, --cluster)
wish.plan(repository, access, now)   the plan, from what is there now, and who said its policy

A repository that is called by its name in backstay.toml is kept by the tier of its cluster, unless --keep says otherwise.
"""

from __future__ import annotations

import functools
from collections.abc import Collection
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta, tzinfo
from functools import partial
from typing import Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import click

from backstay import errors
from backstay.cli.groups import CommandBody, Option
from backstay.cli.options import attach
from backstay.cli.reporting import Reporting
from backstay.cli.repository.list import readable_facts
from backstay.cli.repository.opened import Access, opened_repository
from backstay.cli.repository.retention.configured import ConfiguredPolicy, configured_policy
from backstay.jobs.retention.elsewhere import held_by, held_elsewhere
from backstay.jobs.retention.plan import Plan, make_plan
from backstay.policy.retention.guards import Guard
from backstay.policy.retention.periods import Period
from backstay.policy.retention.policy import DEFAULT, Policy, Rule
from backstay.repository.catalogue import Catalogue, read_catalogue
from backstay.repository.facts import read_facts
from backstay.repository.repository import Repository
from backstay.repository.retention.holds import read_holds
from backstay.repository.retention.pins import pinned_points

POLICY = "Policy"


@dataclass(frozen=True, slots=True)
class Wish:
    """What was said of the policy, None for what was not; the cluster, empty for all; what is allowed; and the repository that must
    hold what goes.
    """

    keep: tuple[str, ...]
    all_within: str | None
    minimum_points: int | None
    zone: str | None
    cluster: str
    allowed: tuple[Guard, ...]
    requires_copy: str

    def plan(self, repository: Repository, access: Access, reporting: Reporting, now: datetime) -> tuple[Plan, str]:
        """What follows from it at `now`, and who said so. Raises what reading the repository, or the other one, raises."""
        configured = None if self.keep else configured_policy(access, self.cluster)
        policy = self._policy(DEFAULT if configured is None else configured.policy)
        cluster = self.cluster if configured is None else configured.cluster.name
        catalogue = read_catalogue(repository)
        plan = make_plan(
            repository,
            catalogue,
            read_facts(repository),
            read_holds(repository),
            policy,
            now=now,
            readable=lambda manifest: readable_facts(repository, manifest),
            cluster=cluster,
            allowed=self.allowed,
            pinned=pinned_points(repository.store, now),
            copied=self._copied(catalogue, configured, access, reporting),
        )
        said_by = "--keep" if self.keep else "the default" if configured is None else configured.said_by
        return plan, said_by

    def check(self) -> None:
        """Raise `USAGE` for what can be no policy, before anything is opened."""
        self._policy(DEFAULT)

    def _policy(self, base: Policy) -> Policy:
        """`base` with what was said. Raises `USAGE`."""
        try:
            return replace(
                base,
                rules=tuple(Rule.parse(each) for each in self.keep) or base.rules,
                all_within=base.all_within
                if self.all_within is None
                else parse_period(self.all_within, "--all-within"),
                minimum_points=base.minimum_points if self.minimum_points is None else self.minimum_points,
                zone=base.zone if self.zone is None else _zone(self.zone),
            )
        except ValueError as problem:
            raise errors.USAGE.error("this is no policy", why=str(problem)) from problem

    def _copied(
        self, catalogue: Catalogue, configured: ConfiguredPolicy | None, access: Access, reporting: Reporting
    ) -> Collection[str] | None:
        """The points that the other repository holds and that were verified there; None where there need be none."""
        if self.requires_copy:
            with opened_repository(self.requires_copy, access, reporting) as other:
                return held_by(catalogue.points, other)
        if configured is None or not configured.others:
            return None
        opened = [partial(opened_repository, each, access, reporting) for each in configured.others]
        return held_elsewhere(catalogue.points, opened, promised=configured.cluster.tier.keep.length)


def policy_options(function: CommandBody) -> CommandBody:
    """Add the options of a policy; the body gets `wish`."""

    @functools.wraps(function)
    def with_wish(*arguments: Any, **values: Any) -> int | None:
        values["wish"] = Wish(
            values.pop("keep"),
            values.pop("all_within"),
            values.pop("minimum_points"),
            values.pop("zone"),
            values.pop("cluster"),
            tuple(Guard(each) for each in values.pop("allow")),
            values.pop("requires_copy"),
        )
        values["wish"].check()
        return function(*arguments, **values)

    parameters = [
        Option(["--keep"], multiple=True, metavar="EVERY:FOR", section=POLICY,
               help="A rule such as 15m:7d; else the tier of backstay.toml, else 15m:7d 1h:30d 1d:90d 1mo:1y."),
        Option(["--all-within"], metavar="PERIOD", section=POLICY,
               help="Keep every point so young, with its history; 7d, unless the tier keeps less."),
        Option(["--minimum-points"], type=click.IntRange(1), section=POLICY,
               help=f"Keep so many at least; {DEFAULT.minimum_points} unless said."),
        Option(["--zone"], metavar="NAME", section=POLICY,
               help="Whose days, weeks and months count; UTC unless said."),
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


def _zone(name: str) -> tzinfo:
    if name == "UTC":
        return UTC
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, OSError) as problem:
        raise ValueError(f"{name!r} is no time zone that this machine knows") from problem
