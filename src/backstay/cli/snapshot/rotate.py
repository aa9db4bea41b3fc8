"""`backstay snapshot rotate`: one plain backup to one or more places, and the old ones there removed."""

from __future__ import annotations

import random
import re
import tempfile
from collections.abc import Mapping
from contextlib import ExitStack
from datetime import timedelta
from pathlib import Path

import click

from backstay.blobs import open_store, parse_location
from backstay.blobs.retrying import RetryingStore
from backstay.cli import invocation
from backstay.cli.groups import own_command
from backstay.cli.options import (
    Format,
    ask_password,
    connection_options,
    dry_run_option,
    output_options,
    reporting_options,
    switch_option,
)
from backstay.cli.reach import host_root, reach
from backstay.cli.render.plain import Plain
from backstay.cli.render.show import show
from backstay.cli.reporting import Reporting
from backstay.cli.settings import ConnectionSettings, duration_seconds
from backstay.clock import SystemClock
from backstay.crypto import read_recipients
from backstay.durable import LocalDisk
from backstay.errors import ExitStatus
from backstay.jobs.rotate.cleanup import Cleanup, clean
from backstay.jobs.rotate.places import Place
from backstay.jobs.rotate.run import Arrival, Rotation, Wish, rotate
from backstay.jobs.rotate.seal import Sealing
from backstay.policy.plain_retention import DEFAULT_KEEP_LAST, Retention
from backstay.snapshot.save.living import living_source
from backstay.values import size_text

_DAYS = {"d": 1, "w": 7}
_SIZE_UNITS = {"": 1, "KiB": 1 << 10, "MiB": 1 << 20, "GiB": 1 << 30}


@own_command(
    examples="""
    backstay snapshot rotate /mnt/backups --keep 30d
    backstay snapshot rotate /mnt/backups --keep 30d --compress --encrypt-to age1... --copy-to s3://bucket/etcd
    backstay snapshot rotate sftp://backup@host/srv/etcd --keep 4w --keep-last 5 --dry-run
    """
)
@connection_options
@output_options
@reporting_options
@dry_run_option
@click.option("--keep", required=True, metavar="DURATION", help="How long backups stay: 30d, 4w, 36h.")
@click.option(
    "--keep-last",
    type=click.IntRange(1),
    default=DEFAULT_KEEP_LAST,
    show_default=True,
    metavar="N",
    help="How many of the newest good backups stay, whatever their age.",
)
@click.option("--min-size", default="0", metavar="SIZE", help="Refuse a smaller snapshot: 1MiB.")
@click.option(
    "--encrypt-to", multiple=True, metavar="RECIPIENT", help="An age or SSH key, or a key of gpg; may be repeated."
)
@switch_option("--compress", help="Compress with zstd.")
@click.option("--copy-to", multiple=True, metavar="LOCATION", help="Another place; may be repeated.")
@switch_option("--verify-copy", help="Read the backup back from every place, however large it is.")
@click.argument("location", metavar="DIR|s3://...|az://...|gs://...|sftp://...")
def command(
    *,
    location: str,
    keep: str,
    keep_last: int,
    min_size: str,
    encrypt_to: tuple[str, ...],
    compress: bool,
    copy_to: tuple[str, ...],
    verify_copy: bool,
    dry_run: bool,
    connection: ConnectionSettings,
    output: Format,
    reporting: Reporting,
) -> int:
    """Save a verified backup as an ordinary, dated file with a .json beside it, and remove old ones.

    Names are in UTC. A backup is removed only where the new one has arrived, if it is older than --keep and newer good
    ones stay that were read and proven first. Files of other names are never touched.
    """
    environment, clock = invocation.current().environment, SystemClock()
    retention = Retention(timedelta(seconds=_keep_seconds(keep)), keep_last)
    sealing = Sealing(compress, read_recipients(encrypt_to, environment))
    wish = Wish(retention, sealing, _size_bytes(min_size), verify_copy)
    with ExitStack() as stack:
        places = tuple(_open(each, environment, stack) for each in dict.fromkeys((location, *copy_to)))
        if dry_run:
            cleanups = [(place, clean(place, clock.now(), retention, dry_run=True)) for place in places]
            plan: dict[str, Plain] = {
                "places": [_cleanup_plain(place.store.location, each) for place, each in cleanups]
            }
            show(plan, output, lambda: "\n".join(_plan_line(place, each) for place, each in cleanups))
            return ExitStatus.OK
        reached = reach(ask_password(connection), root=host_root(environment))
        for reason in reached.reasons:
            reporting.note(reason)
        local = [place.directory for place in places if place.directory is not None and place.directory.is_dir()]
        parent = local[0] if local else Path(environment.get("TMPDIR") or tempfile.gettempdir())
        with living_source(reached.options, clock=clock, with_others=True) as chosen:
            reporting.note(chosen.why, endpoint=str(chosen.endpoint))
            progress = reporting.watch()
            try:
                rotation = rotate(
                    places, chosen.source, wish,
                    staging_parent=parent, disk=LocalDisk(), clock=clock, progress=progress,
                )  # fmt: skip
            finally:
                progress.finish()
    show(as_data(rotation), output, lambda: as_text(rotation))
    for arrival in rotation.arrivals:
        if arrival.failure is not None:
            raise arrival.failure
    failed = [each.cleanup_failure for each in rotation.arrivals if each.cleanup_failure is not None]
    for problem in failed:
        reporting.warn(f"old backups were not removed: {problem}", code=problem.kind.code)
    return ExitStatus.WARNINGS if failed else ExitStatus.OK


def as_data(rotation: Rotation) -> dict[str, Plain]:
    """The outcome as JSON and YAML have it; keys are stable."""
    record = rotation.record
    return {
        "file": record.file,
        "size": record.size,
        "sha256": record.sha256,
        "revision": record.revision,
        "verified": str(rotation.saved.reached),
        "places": [_arrival_plain(each) for each in rotation.arrivals],
    }


def as_text(rotation: Rotation) -> str:
    """The outcome for people."""
    record = rotation.record
    head = f"{record.file}: {size_text(record.size)}, revision {record.revision}, verified: {rotation.saved.reached}"
    return "\n".join([head, *(_arrival_line(each) for each in rotation.arrivals)])


def _arrival_plain(arrival: Arrival) -> dict[str, Plain]:
    problem = arrival.failure or arrival.cleanup_failure
    said: dict[str, Plain] = {
        "location": arrival.location,
        "arrived": arrival.failure is None,
        "problem": None if problem is None else str(problem),
    }
    return said if arrival.cleanup is None else {**_cleanup_plain(arrival.location, arrival.cleanup), **said}


def _arrival_line(arrival: Arrival) -> str:
    if arrival.failure is not None:
        return f"  {arrival.location}: did not arrive: {arrival.failure}"
    removed = len(arrival.cleanup.removed) if arrival.cleanup is not None else 0
    return f"  {arrival.location}: arrived, {removed} old ones removed"


def _cleanup_plain(location: str, cleanup: Cleanup) -> dict[str, Plain]:
    return {
        "location": location,
        "kept": list(cleanup.decision.keep),
        "to_remove": list(cleanup.decision.remove),
        "removed": list(cleanup.removed),
        "why": {name: reason.value for name, reason in cleanup.decision.why.items()},
        "not_good": dict(cleanup.flaws),
    }


def _plan_line(place: Place, cleanup: Cleanup) -> str:
    rows = [f"{place.store.location}: would save a backup"]
    rows += [f"  would remove {name}: {cleanup.decision.why[name].value}" for name in cleanup.decision.remove]
    rows += [f"  not good: {name}: {flaw}" for name, flaw in cleanup.flaws.items()]
    return "\n".join(rows)


def _open(text: str, environment: Mapping[str, str], stack: ExitStack) -> Place:
    where = parse_location(text)
    store = open_store(where, environment)
    stack.callback(store.close)
    if where.scheme == "file":
        return Place(store, Path(where.path))
    return Place(RetryingStore(store, SystemClock(), random.Random()))


def _keep_seconds(text: str) -> float:
    try:
        if found := re.fullmatch(r"(\d{1,6})([dw])", text, re.ASCII):
            return int(found[1]) * _DAYS[found[2]] * 86400.0
        return duration_seconds(text)
    except ValueError as problem:
        raise click.BadParameter(f"{problem}: write 30d, 4w or 36h", param_hint="--keep") from problem


def _size_bytes(text: str) -> int:
    found = re.fullmatch(r"(\d{1,15})(|KiB|MiB|GiB)", text, re.ASCII)
    if found is None:
        raise click.BadParameter(f"{text!r} is not a size: write 1MiB", param_hint="--min-size")
    return int(found[1]) * _SIZE_UNITS[found[2]]
