"""`backstay snapshot restore`: etcdutl's command and flags, and what makes a restore safe.

Reads the arguments, shows the plan or the report; `backstay.snapshot.restore` does the work.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import click

from backstay import errors
from backstay.cli.groups import etcd_command
from backstay.cli.options import (
    EtcdFormat,
    Format,
    dry_run_option,
    etcd_output_option,
    reporting_options,
    switch_option,
)
from backstay.cli.render.show import show
from backstay.cli.render.tables import columns, pairs, printable
from backstay.cli.reporting import Reporting
from backstay.durable import LocalDisk
from backstay.snapshot import restore as restoring
from backstay.snapshot.restore import Changes, LeaseTreatment, RestorePlan, RestoreResult, members
from backstay.snapshot.restore.targets import all_targets, own_target
from backstay.snapshot.restore.write import refuse_occupied_targets
from backstay.values import NO_COMPACTION, size_text

_FORMATS = {EtcdFormat.JSON: Format.JSON, EtcdFormat.YAML: Format.YAML}


@dataclass(frozen=True, slots=True)
class RestoreOutput:
    """`-o json` and `-o yaml`: the plan, and the result; null with --dry-run."""

    plan: RestorePlan
    result: RestoreResult | None


@etcd_command(
    examples="""
    backstay snapshot restore backup.db --data-dir /var/lib/etcd-new --dry-run
    backstay snapshot restore backup.db --data-dir /var/lib/etcd-new
    # all members at once, one directory for each, to be copied to their hosts
    backstay snapshot restore backup.db --all-members new --initial-cluster a=http://h1:2380,b=http://h2:2380
    # a directory whose etcd does not start any more, with the writes that are only in its log
    sudo backstay snapshot restore /var/lib/etcd --data-dir /var/lib/etcd-new
    """,
    failure=1,
)
@reporting_options
@etcd_output_option(default=EtcdFormat.SIMPLE, unsupported=())
@click.option("--name", metavar="TEXT", help=f"This member's name; {members.DEFAULT_NAME} unless given.")
@click.option("--data-dir", metavar="DIR", help="The data directory to make; NAME.etcd unless given.")
@click.option("--wal-dir", metavar="DIR", help="Where its log goes; DATA-DIR/member/wal unless given.")
@click.option(
    "--initial-cluster",
    metavar="NAME=URL,...",
    default=f"{members.DEFAULT_NAME}={members.DEFAULT_PEER_URLS}",
    help=f"All members of the new cluster; {members.DEFAULT_NAME}={members.DEFAULT_PEER_URLS} unless given.",
)
@click.option(
    "--initial-cluster-token",
    metavar="TEXT",
    default=members.DEFAULT_TOKEN,
    help=f"Makes ids differ from those of other clusters; {members.DEFAULT_TOKEN} unless given.",
)
@click.option(
    "--initial-advertise-peer-urls",
    metavar="URL,...",
    help=f"This member's URLs, as in --initial-cluster; {members.DEFAULT_PEER_URLS} unless given.",
)
@click.option("--all-members", metavar="DIR", help="Make DIR, with a directory NAME.etcd for every member.")
@switch_option("--skip-hash-check", help="Do not compare the SHA-256; needed for a bare `member/snap/db`.")
@click.option(
    "--bump-revision",
    type=click.IntRange(0, (1 << 63) - 1),
    metavar="NUMBER",
    help="Raise the revision by NUMBER; 1000000000 for Kubernetes, else 0, unless given.",
)
@switch_option("--mark-compacted", help="Mark everything before the raised revision compacted.")
@switch_option("--keep-revision", help="Do not raise the revision, even if the keys look like Kubernetes.")
@click.option(
    "--lease",
    type=click.Choice([each.value for each in LeaseTreatment]),
    default=LeaseTreatment.KEEP.value,
    help="keep, or refresh to their full time; drop: no leases, and their keys stay; drop-keys: their keys go with them.",
)
@switch_option("--clear-alarms", help="Restore without the alarms that were raised.")
@click.option("--initial-memory-map-size", type=click.IntRange(0), hidden=True)
@dry_run_option
@click.argument("source")
def command(
    *,
    source: str,
    name: str | None,
    data_dir: str | None,
    wal_dir: str | None,
    initial_cluster: str,
    initial_cluster_token: str,
    initial_advertise_peer_urls: str | None,
    all_members: str | None,
    skip_hash_check: bool,
    bump_revision: int | None,
    mark_compacted: bool,
    keep_revision: bool,
    lease: str,
    clear_alarms: bool,
    initial_memory_map_size: int | None,
    dry_run: bool,
    output: EtcdFormat,
    reporting: Reporting,
) -> None:
    """Make data directories of a new cluster from SOURCE: a snapshot, a bare db file, or a data directory.

    The database is rebuilt from the records of SOURCE, read back and compared before the directory gets its name; nothing
    is overwritten. Every release of etcd from 3.4 to 3.7 starts on the result. All members must be restored from the same
    source with the same options. The report ends with the HashKV that the started server must answer.
    """
    if mark_compacted != bool(bump_revision):
        raise errors.USAGE.error(
            "--mark-compacted required if --revision-bump > 0",
            next_step="give --bump-revision and --mark-compacted together, or neither",
        )
    if keep_revision and bump_revision:
        raise errors.USAGE.error("--keep-revision and --bump-revision contradict each other")
    if all_members is not None and any(
        each is not None for each in (name, data_dir, wal_dir, initial_advertise_peer_urls)
    ):
        raise errors.USAGE.error(
            "--all-members goes without --name, --data-dir, --wal-dir and --initial-advertise-peer-urls"
        )
    cluster = members.new_cluster(initial_cluster, initial_cluster_token)
    parent = None if all_members is None else Path(all_members)
    if parent is not None:
        targets = all_targets(cluster, parent)
    else:
        targets = (own_target(cluster, name, data_dir or "", wal_dir, initial_advertise_peer_urls),)
    refuse_occupied_targets(targets, parent)
    changes = Changes(
        bump=bump_revision,
        keep_revision=keep_revision,
        clear_alarms=clear_alarms,
        leases=LeaseTreatment(lease),
    )
    progress = reporting.watch()
    try:
        with restoring.open_source(Path(source), skip_hash_check=skip_hash_check) as store:
            facts = restoring.examine(store, skip_hash_check=skip_hash_check, progress=progress)
            plan = restoring.make_plan(facts, changes, cluster, targets)
            result = None
            if not dry_run:
                result = restoring.restore(
                    store, plan, cluster, targets, disk=LocalDisk(), progress=progress, parent=parent
                )
    finally:
        progress.finish()
    shown = RestoreOutput(plan, result)
    show(shown, _FORMATS.get(output, Format.TABLE), lambda: _text(shown))


def _text(output: RestoreOutput) -> str:
    plan, result = output.plan, output.result
    compact = "none" if plan.compact_revision_after == NO_COMPACTION else plan.compact_revision_after
    rows: list[tuple[str, object]] = [
        ("Source", plan.source + (", SHA-256 verified" if plan.hash_checked else "")),
        ("Revision before", plan.revision_before),
        ("Revision after", plan.revision_after),
        ("Compact revision", compact),
        ("Cluster id", plan.cluster_id),
    ]
    if result is not None:
        rows += [
            (
                "Database",
                f"{size_text(result.database_size)}, {result.record_count} records, {result.live_key_count} keys",
            ),
            ("HashKV", f"{result.hash} at revision {result.hash_revision}, compact revision {compact}"),
        ]
    heading = "Plan (nothing was changed)" if result is None else "Restored"
    parts = [f"{heading}\n{pairs(rows, indent='  ')}"]
    listed = [(each.name, each.id, ",".join(each.peer_urls), each.directory or "-") for each in plan.members]
    parts.append(columns(("MEMBER", "ID", "PEER URLS", "DIRECTORY"), listed))
    parts.append("Changed:\n" + _bullets(plan.changes))
    if plan.notices:
        parts.append("Mind:\n" + _bullets(plan.notices))
    if result is None:
        parts.append("Steps:\n" + "\n".join(f"  {i}. {printable(each)}" for i, each in enumerate(plan.steps, start=1)))
    else:
        parts.append(
            "Verified: the new database was read back whole; structure, records and every byte are what was written.\n"
            "Next: start etcd, then compare with `etcdctl endpoint hashkv` (above; it holds until the first write)."
        )
    return "\n\n".join(parts)


def _bullets(texts: tuple[str, ...]) -> str:
    return "\n".join(f"  - {printable(text)}" for text in texts)
