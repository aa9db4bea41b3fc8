"""`backstay snapshot save`: etcdctl's command with its arguments, messages and exit statuses, and a proof.

stdout begins with etcdctl's own lines; what was verified follows, or is the whole of `-o json`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import click

from backstay.cli import invocation
from backstay.cli.groups import etcd_command
from backstay.cli.options import (
    Duration,
    EtcdFormat,
    Format,
    ask_password,
    connection_options,
    dry_run_option,
    etcd_output_option,
    reporting_options,
    switch_option,
)
from backstay.cli.reach import host_root, reach
from backstay.cli.render.findings import findings_plain, findings_table
from backstay.cli.render.plain import Plain
from backstay.cli.render.show import show
from backstay.cli.render.tables import pairs
from backstay.cli.reporting import Reporting
from backstay.cli.settings import ConnectionSettings, duration_seconds
from backstay.clock import SystemClock
from backstay.findings import Finding, Severity
from backstay.snapshot.save import Comparison, SaveReport, Target, Verdict, check_target, resolve_target, save
from backstay.snapshot.save.living import ChosenMember, living_source
from backstay.values import compaction_text, hex_id, size_text

_FORMATS = {EtcdFormat.JSON: Format.JSON, EtcdFormat.YAML: Format.YAML}


@etcd_command(
    failure=5,
    interrupted=5,
    examples="""
    backstay snapshot save backup.db
    # a directory: the name gets date and time
    backstay snapshot save /var/backups/etcd/
    backstay --endpoints=https://10.0.0.1:2379,https://10.0.0.2:2379 snapshot save backup.db
    backstay snapshot save backup.db --dry-run
    backstay snapshot save backup.db -o json | jq .revision
    """,
)
@connection_options
@etcd_output_option()
@reporting_options
@dry_run_option
@switch_option("--skip-other-members", help="Compare HashKV with the copied member only.")
@click.option(
    "--stream-timeout",
    type=Duration(),
    metavar="DURATION",
    help="How long the stream may stand still; 30s unless given.",
)
@click.argument("file", metavar="FILE|DIR/")
def command(
    *,
    file: str,
    stream_timeout: str | None,
    skip_other_members: bool,
    dry_run: bool,
    connection: ConnectionSettings,
    output: EtcdFormat,
    reporting: Reporting,
) -> None:
    """Save a snapshot of a living etcd as FILE, or in DIR/ as etcd-backup-YYYYmmdd-HHMMSS.db (local time).

    Of several endpoints a healthy follower is copied. The file gets its name only after its SHA-256, its pages, the
    density of its revisions, and its HashKV, compared with the members', have proved right; else nothing is left. An
    existing file is never overwritten. Without --endpoints the etcd of this host is found by itself.
    """
    clock = SystemClock()
    path = resolve_target(file, clock)
    check_target(path, 0)
    reached = reach(ask_password(connection), root=host_root(invocation.current().environment))
    for reason in reached.reasons:
        reporting.note(reason)
    options = reached.options
    if stream_timeout is not None:
        options = replace(options, idle_timeout_seconds=duration_seconds(stream_timeout))
    with living_source(options, clock=clock, with_others=not skip_other_members) as chosen:
        reporting.note(chosen.why, endpoint=str(chosen.endpoint))
        if chosen.members_unknown is not None:
            reporting.warn(f"the other members are not known: {chosen.members_unknown}")
        target = check_target(path, chosen.status.database_size_bytes)
        if dry_run:
            plan = _plan(target, chosen)
            show(plan, _FORMATS.get(output, Format.TABLE), lambda: _plan_text(plan))
            return
        progress = reporting.watch()
        try:
            report = save(path, chosen.source, clock=clock, progress=progress)
        finally:
            progress.finish()
    _warn(report.findings, reporting)
    if output in _FORMATS:
        show(as_data(report), _FORMATS[output], str)
    else:
        click.echo(as_text(report, is_short=reporting.quiet))


def as_data(report: SaveReport) -> dict[str, Plain]:
    """The report as JSON and YAML have it; keys are stable."""
    kv = report.hash_kv
    return {
        "file": str(report.path),
        "size": report.size,
        "mode": f"{report.mode:04o}",
        "sha256": report.sha256,
        "revision": report.revision,
        "compact_revision": report.compact_revision,
        "keys": report.keys,
        "records": report.records,
        "hash": report.hash,
        "hash_kv": None if kv is None else kv.hash,
        "version": report.storage_version,
        "endpoint": report.endpoint,
        "member": hex_id(report.member_id),
        "etcd_version": report.etcd_version,
        "seconds": round(report.seconds, 3),
        "reached": str(report.reached),
        "checks": [
            {"level": str(check.level), "check": check.name, "looked_at": check.looked_at} for check in report.checks
        ],
        "members": [
            {
                "endpoint": each.endpoint,
                "member": hex_id(each.member_id),
                "hash_kv": each.verdict.value,
                "why": each.why,
            }
            for each in report.comparisons
        ],
        "findings": findings_plain(report.findings),
    }


def as_text(report: SaveReport, *, is_short: bool) -> str:
    """etcdctl's lines, and below them what was saved and proved."""
    lines = [f"Snapshot saved at {report.path}"]
    if report.storage_version:
        lines.append(f"Server version {report.storage_version}")
    if is_short:
        return "\n".join(lines)
    own, *others = report.comparisons
    rows = [
        ("Size", f"{report.size} bytes ({size_text(report.size)}), mode {report.mode:04o}"),
        ("Revision", f"{report.revision} ({compaction_text(report.compact_revision)})"),
        ("Keys", f"{report.keys} in {report.records} records"),
        ("From", f"{report.endpoint}, member {hex_id(report.member_id)}, etcd {report.etcd_version}"),
        ("SHA-256", f"{report.sha256}, as etcd sent it"),
        ("Verified", ", ".join(check.name for check in report.checks)),
        ("HashKV", _compared(own)),
        *((f"  {each.endpoint}", _compared(each)) for each in others),
    ]
    text = "\n".join([*lines, pairs(rows)])
    notes = findings_table(each for each in report.findings if each.severity is not Severity.NOTE)
    return f"{text}\n\n{notes}" if notes else text


def _compared(each: Comparison) -> str:
    if each.verdict is Verdict.SAME:
        return f"{each.hash}, the same on member {hex_id(each.member_id)}"
    return f"not compared with member {hex_id(each.member_id)}: {each.why}"


def _warn(found: Sequence[Finding], reporting: Reporting) -> None:
    for each in found:
        if each.severity is Severity.WARNING and reporting.json_phases:
            reporting.warn(str(each), code=each.code)


def _plan(target: Target, chosen: ChosenMember) -> dict[str, Plain]:
    return {
        "file": str(target.path),
        "endpoint": str(chosen.endpoint),
        "why": chosen.why,
        "etcd_version": chosen.status.version,
        "revision": chosen.status.header.revision,
        "needed_bytes": chosen.status.database_size_bytes,
        "free_bytes": target.free_bytes,
        "compared_with": [str(each) for each in chosen.source.others],
    }


def _plan_text(plan: dict[str, Plain]) -> str:
    compared = plan["compared_with"]
    return pairs(
        [
            ("Would save", plan["file"]),
            ("From", f"{plan['endpoint']}, etcd {plan['etcd_version']}"),
            ("Because", plan["why"]),
            ("Revision", f"at least {plan['revision']}"),
            ("Space", f"about {_size(plan['needed_bytes'])} of {_size(plan['free_bytes'])} free"),
            ("Compared with", ", ".join(map(str, compared)) if isinstance(compared, list) and compared else "itself"),
        ]
    )


def _size(value: Plain) -> str:
    return size_text(value) if isinstance(value, int) else "unknown"
