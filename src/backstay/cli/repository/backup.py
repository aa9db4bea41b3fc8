"""`backstay backup`: a point in a repository, from a living etcd, a snapshot file, or a data directory."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import click

from backstay import errors
from backstay.cli import invocation
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
from backstay.cli.render.plain import Plain
from backstay.cli.render.show import show
from backstay.cli.render.tables import pairs
from backstay.cli.reporting import Reporting
from backstay.cli.repository.named import configured_cluster, connection_to
from backstay.cli.repository.opened import Access, opened_repository, repository_options, state_of
from backstay.cli.repository.rendering import point_plain, point_rows
from backstay.cli.repository.restore_companions import companion_plain
from backstay.cli.settings import ConnectionSettings
from backstay.clock import SystemClock
from backstay.errors import ExitStatus
from backstay.findings import Finding
from backstay.formats.hashkv import HashKV
from backstay.jobs.backup import run as backing_up
from backstay.jobs.backup.computing import Computing
from backstay.jobs.backup.run import BackupPlan, BackupReport, BackupWish
from backstay.jobs.retention.locking import lock
from backstay.repository.companions import CompanionSet, companion_recipients
from backstay.repository.retention.holds import LONGEST_REASON, put_hold
from backstay.repository.tags import require_tag
from backstay.snapshot.opened import OpenedStore, open_directory, open_file
from backstay.telemetry import Progress
from backstay.values import hex_id, size_text

LIVE = "live"
USUAL_CLUSTER = "etcd"


@own_command(
    examples="""
    backstay backup /mnt/backups
    backstay backup s3://bucket/etcd --from backup.db --cluster prod-1
    backstay backup /mnt/backups --tag before-upgrade --hold --reason "until 3.7 runs"
    backstay backup /mnt/backups --with-companions kubeadm --companion-recipient age1...
    backstay backup /mnt/backups --dry-run
    """
)
@connection_options
@repository_options
@output_options
@reporting_options
@dry_run_option
@click.option(
    "--from", "source", default=LIVE, metavar="FILE|DIR|live", help="What to back up; a living etcd if not said."
)
@click.option(
    "--cluster", default="", metavar="NAME", help="What the cluster is called; that of the configuration, else etcd."
)
@click.option("--tag", multiple=True, metavar="TEXT", help="A word to find the point by; may be repeated.")
@click.option("--hold", is_flag=True, help="Keep the point, whatever retention says, until `backstay hold remove`.")
@click.option("--reason", default="", metavar="TEXT", help="Why it is held; the tags, if nothing is said.")
@click.option(
    "--with-companions",
    "companions",
    multiple=True,
    metavar="LAYOUT|PATH",
    help="Store the files of kubeadm, k3s or rke2, or of a path of this host, with it; may be repeated.",
)
@click.option(
    "--companion-recipient",
    "companion_recipients",
    multiple=True,
    metavar="AGE1...",
    help="Who alone can read the companions' contents; may be repeated.",
)
@click.option("--scratch", type=click.Path(path_type=Path, file_okay=False), metavar="DIR", help="For the snapshot.")
@click.argument("repository", metavar="REPO")
def command(
    *,
    repository: str,
    source: str,
    cluster: str,
    tag: tuple[str, ...],
    hold: bool,
    reason: str,
    companions: tuple[str, ...],
    companion_recipients: tuple[str, ...],
    scratch: Path | None,
    dry_run: bool,
    connection: ConnectionSettings,
    access: Access,
    output: Format,
    reporting: Reporting,
) -> int:
    """Add a point to the repository: everything the source holds, proven sound, stored as what is new since the last one.

    The source is verified first, and a damaged one is refused. What this host remembers of its last point is in
    --state-dir; without it everything is stored anew. No identity is needed. Exits with 3 when the point is there and
    something is worth knowing: a recipient that is a key service did not answer, or a companion could not be read.

    --with-companions stores what a restore of the control plane needs beside etcd's data: certificates, static manifests, the
    EncryptionConfiguration, kubeconfigs, tokens. They are sealed like all else; with --companion-recipient their contents once
    more, so that who can restore the data does not hold the keys of the cluster.
    """
    for word in tag:
        require_tag(word)
    why = _reason(hold, reason, tag)
    with_it, left_out = _companions(companions, companion_recipients, access)
    for finding in left_out:
        reporting.warn(str(finding))
    clock = SystemClock()
    configured = configured_cluster(access.named, cluster)
    if configured is not None:
        cluster, connection = configured.name, connection_to(configured, connection)
    parent = scratch or Path(access.environment.get("TMPDIR") or tempfile.gettempdir())
    progress = reporting.watch()
    try:
        with (
            opened_repository(repository, access, reporting) as opened,
            backing_up.scratch(parent) as place,
            Computing() as computing,
        ):
            state = state_of(access, opened)
            state.pin(opened.description.root)
            beside = None if dry_run else computing.begin
            with _opened_source(source, connection, place, progress, reporting, beside) as (store, described, proven):
                wish = BackupWish(cluster or USUAL_CLUSTER, described, tag, companions=with_it)
                if dry_run:
                    planned = backing_up.plan(store, wish, state, clock=clock, progress=progress)
                    progress.finish()
                    files = [] if with_it is None else [each.listed for each in with_it.files]
                    data = {**_plan_data(planned), "companions": [companion_plain(each) for each in files]}
                    show(data, output, lambda: _plan_text(planned, len(files)))
                    return ExitStatus.OK
                report = backing_up.run(
                    opened, store, wish, state,
                    clock=clock, entropy=os.urandom, spill=place, progress=progress, proven=proven, computing=computing,
                )  # fmt: skip
                locked: tuple[Finding, ...] = ()
                if configured is not None and access.named is not None and access.named.entry.lock:
                    policy = access.named.entry.retention(configured.tier)
                    locked = lock(opened, report.manifest, report.new_runs, policy)
                if why:
                    key = state.signing_key()
                    put_hold(opened, [report.manifest], why, None, key, now=clock.now(), entropy=os.urandom)
    finally:
        progress.finish()
    missing = [*locked, *(each for each in report.findings if each.code == backing_up.SLOT_MISSING.code)]
    for each in missing:
        reporting.warn(str(each))
    show({**as_data(report), "held": bool(why)}, output, lambda: as_text(report) + (f"\n\nHeld: {why}" if why else ""))
    return ExitStatus.WARNINGS if missing or left_out else ExitStatus.OK


def _companions(
    wanted: tuple[str, ...], recipients: tuple[str, ...], access: Access
) -> tuple[CompanionSet | None, tuple[Finding, ...]]:
    """The files to store with the point, and what of them could not be read. Raises `USAGE`, `COMPANION_UNREADABLE`."""
    if not wanted:
        if recipients:
            raise errors.USAGE.error("--companion-recipient goes with --with-companions", where="--companion-recipient")
        return None, ()
    from backstay.jobs.companions.collecting import collect

    companion_recipients(recipients)  # refused before anything is read
    return collect(host_root(access.environment), wanted, recipients)


def _reason(hold: bool, reason: str, tags: tuple[str, ...]) -> str:
    """Why the point is to be held; empty if it is not. Raises `USAGE`."""
    if reason and not hold:
        raise errors.USAGE.error("--reason goes with --hold", where="--reason")
    if len(reason) > LONGEST_REASON:
        raise errors.USAGE.error(f"a reason has 1 to {LONGEST_REASON} characters", where="--reason")
    return (reason.strip() or ", ".join(tags) or "held when it was made") if hold else ""


@contextmanager
def _opened_source(
    source: str,
    connection: ConnectionSettings,
    place: Path,
    progress: Progress,
    reporting: Reporting,
    beside: Callable[[Path], None] | None,
) -> Iterator[tuple[OpenedStore, dict[str, str], HashKV | None]]:
    """The store to back up, where it came from, and its HashKV if it was proven on its way."""
    if source != LIVE:
        path = Path(source)
        with open_directory(path) if path.is_dir() else open_file(path, refuse_in_use=True) as store:
            yield store, {"kind": "directory" if path.is_dir() else "file", "name": path.name}, None
        return
    from backstay.snapshot.save import save
    from backstay.snapshot.save.living import living_source

    reached = reach(ask_password(connection), root=host_root(invocation.current().environment))
    for reason in reached.reasons:
        reporting.note(reason)
    with living_source(reached.options, clock=SystemClock(), with_others=True) as chosen:
        reporting.note(chosen.why, endpoint=str(chosen.endpoint))
        saved = save(place / "snapshot.db", chosen.source, progress=progress, beside=beside)
        header = chosen.status.header
    with open_file(saved.path) as store:
        described = {
            "kind": "etcd",
            "endpoint": saved.endpoint,
            "member": hex_id(saved.member_id),
            "cluster": hex_id(header.cluster_id),
            "version": saved.etcd_version,
        }
        yield store, described, saved.hash_kv


def as_data(report: BackupReport) -> dict[str, Plain]:
    """The point that was made, as JSON and YAML have it; keys are stable."""
    return {
        **point_plain(report.manifest, report.facts),
        "new_bytes": report.new_bytes,
        "base": bool(report.base_reason),
        "base_reason": report.base_reason,
        "seconds": round(report.seconds, 3),
    }


def as_text(report: BackupReport) -> str:
    """The point that was made, for people."""
    what = f"a base, because {report.base_reason}" if report.base_reason else "what is new since the last point"
    return pairs(
        [
            *point_rows(report.manifest, report.facts),
            ("Stored", f"{size_text(report.new_bytes)}: {what}"),
            ("Seconds", f"{report.seconds:.1f}"),
        ]
    )


def _plan_data(plan: BackupPlan) -> dict[str, Plain]:
    return {
        "cluster": plan.cluster,
        "revision": plan.revision,
        "compact_revision": plan.compact_revision,
        "keys": plan.keys,
        "records": plan.records,
        "new_revisions": plan.new_revisions,
        "base_reason": plan.base_reason,
    }


def _plan_text(plan: BackupPlan, companions: int) -> str:
    what = f"a base, because {plan.base_reason}" if plan.base_reason else f"{plan.new_revisions} new revisions"
    return pairs(
        [
            ("Would back up", f"{plan.cluster} at revision {plan.revision}"),
            ("Keys", f"{plan.keys} in {plan.records} records"),
            ("Would store", what),
            *((("Companions", f"{companions} files"),) if companions else ()),
        ]
    )
