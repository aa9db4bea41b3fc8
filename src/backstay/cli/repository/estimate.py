"""`backstay estimate`: what a schedule will store, cost, and take to restore, measured on two snapshots."""

from __future__ import annotations

import os
from datetime import timedelta
from pathlib import Path

import click

from backstay import errors
from backstay.cli import invocation
from backstay.cli.groups import own_command
from backstay.cli.options import Format, output_options, reporting_options
from backstay.cli.render.plain import Plain
from backstay.cli.render.show import show
from backstay.cli.render.tables import Align, columns, pairs
from backstay.cli.reporting import Reporting
from backstay.clock import SystemClock
from backstay.jobs.backup.run import scratch as scratch_directory
from backstay.jobs.estimate import Measured, measure
from backstay.jobs.points.outlook import estimated_seconds
from backstay.policy.estimate import ALL_KEPT, Estimate, estimate, points_on_one_base
from backstay.policy.retention.periods import Period
from backstay.policy.tiers import BUILT_IN
from backstay.snapshot.opened import open_file
from backstay.values import size_text

LIST_PRICE = 0.023
"""US dollars for 10^9 bytes and a month: the list price of Amazon S3 Standard, us-east-1, first 50 TB."""


@own_command(
    examples="""
    backstay estimate monday-1000.db monday-1015.db --every 15m --keep 90d
    backstay estimate a.db b.db --every 1h --keep 30d --price 0.0125
    """
)
@output_options
@reporting_options
@click.option("--every", default="15m", show_default=True, metavar="TIME", help="How far apart the two snapshots are.")
@click.option("--keep", default="90d", show_default=True, metavar="TIME", help="How long points are kept.")
@click.option("--price", type=click.FloatRange(min=0), default=LIST_PRICE, show_default=True, metavar="USD",
              help="For 10^9 bytes and a month.")  # fmt: skip
@click.option(
    "--scratch", type=click.Path(path_type=Path, file_okay=False), metavar="DIR", help="For what is measured."
)
@click.argument("first", metavar="A.db", type=click.Path(path_type=Path))
@click.argument("second", metavar="B.db", type=click.Path(path_type=Path))
def command(
    *,
    first: Path,
    second: Path,
    every: str,
    keep: str,
    price: float,
    scratch: Path | None,
    output: Format,
    reporting: Reporting,
) -> None:
    """Say what it costs to back up the cluster of A.db and B.db: two of its snapshots, taken --every so long apart.

    Both are backed up into a repository that is thrown away, so bytes are measured; the total follows by a formula that is
    printed. The schedules of the built-in tiers are derived from the same interval: keys that change again and again count
    once in a longer one, those that come and go as often as they do.
    """
    apart, kept = _period("--every", every), _period("--keep", keep)
    environment = invocation.current().environment
    parent = scratch or (Path(environment["TMPDIR"]) if environment.get("TMPDIR") else None)
    progress = reporting.watch()
    try:
        with scratch_directory(parent) as place, open_file(first) as one, open_file(second) as two:
            measured = measure(one, two, scratch=place, clock=SystemClock(), entropy=os.urandom, progress=progress)
    finally:
        progress.finish()
    schedules = [Schedule("asked for", apart, kept, measured, apart)]
    schedules += [
        Schedule(each.name, each.every.length, each.keep.length, measured, apart) for each in BUILT_IN.values()
    ]
    show(_plain(measured, schedules, price), output, lambda: _text(measured, schedules, price))


class Schedule:
    """One schedule with its estimate; the interval is stretched to it."""

    def __init__(self, name: str, every: timedelta, keep: timedelta, measured: Measured, apart: timedelta) -> None:
        self.name, self.every, self.keep = name, every, keep
        self.interval = measured.interval.stretched(every / apart)
        try:
            self.estimate: Estimate = estimate(self.interval, every, keep)
        except ValueError as problem:
            raise errors.USAGE.error("this is no schedule", where="--keep", why=str(problem)) from problem
        self.seconds = estimated_seconds(self.estimate.longest_chain, self.interval.base, measured.second_size)


def _period(where: str, text: str) -> timedelta:
    try:
        return Period.parse(text).length
    except ValueError as problem:
        raise errors.USAGE.error(f"{text!r} is no time such as 15m or 90d", where=where, why=str(problem)) from problem


def _plain(measured: Measured, schedules: list[Schedule], price: float) -> dict[str, Plain]:
    interval = measured.interval
    return {
        "revisions": measured.revisions,
        "keys": {"updated": interval.updated, "created": interval.created, "deleted": interval.deleted},
        "bytes": {
            "base": interval.base,
            "state": interval.state,
            "history": interval.history,
            "entries": interval.entries,
            "manifest": interval.manifest,
            "each_point": interval.each,
        },
        "price_per_gb_month": price,
        "schedules": [
            {
                "name": each.name,
                "every_seconds": int(each.every.total_seconds()),
                "keep_seconds": int(each.keep.total_seconds()),
                "points": each.estimate.points,
                "bases": each.estimate.bases,
                "bytes": each.estimate.total,
                "points_thinned": each.estimate.thinned_points,
                "bytes_thinned": each.estimate.thinned,
                "restore_seconds": round(each.seconds, 1),
                "cost_per_month": round(each.estimate.monthly(price), 2),
            }
            for each in schedules
        ],
    }


def _text(measured: Measured, schedules: list[Schedule], price: float) -> str:
    interval, asked = measured.interval, schedules[0]
    on_base = points_on_one_base(interval, asked.every)
    made = pairs(
        [
            ("Between the two", f"{measured.revisions} revisions: {interval.updated} keys changed, {interval.created} came, "
                                f"{interval.deleted} went"),
            ("Base", size_text(interval.base)),
            ("Each point", f"{size_text(interval.each)}: S {size_text(interval.state)}, H {size_text(interval.history)}, "
                           f"X {size_text(interval.entries)}, manifest {size_text(interval.manifest)}"),
            ("Plain copy", size_text(measured.second_size)),
            ("Plain copies", f"{size_text(asked.estimate.points * measured.second_size)} for as many points"),
        ]
    )  # fmt: skip
    rows = [
        (
            each.name,
            _time(each.every),
            _time(each.keep),
            each.estimate.points,
            size_text(each.estimate.total),
            size_text(each.estimate.thinned),
            f"{each.seconds / 60:.1f}",
            f"{each.estimate.monthly(price):.2f}",
        )
        for each in schedules
    ]
    header = ("SCHEDULE", "EVERY", "KEPT", "POINTS", "BYTES", "THINNED", "RESTORE MIN", "USD/MONTH")
    aligns = (Align.LEFT, *(Align.RIGHT,) * (len(header) - 1))
    formula = (
        f"BYTES = B * base + (points - B) * S + points * (H + X + manifest), with B = points / {on_base} bases\n"
        f"THINNED: of points older than {ALL_KEPT.days} days one a day stays; the S of its day become one, in which a key that "
        "changes again and again counts once.\n"
        f"USD/MONTH is of BYTES at {price:g} for 10^9 bytes; requests and transfer are not in it."
    )
    return f"{made}\n\n{columns(header, rows, aligns=aligns)}\n\n{formula}"


def _time(length: timedelta) -> str:
    seconds = int(length.total_seconds())
    for unit, of in (("d", 86400), ("h", 3600), ("m", 60)):
        if seconds % of == 0:
            return f"{seconds // of}{unit}"
    return f"{seconds}s"
