"""`backstay pki init`: an authority and the certificates of an etcd, in kubeadm's layout."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

import click

from backstay.cli.groups import own_command
from backstay.cli.options import Format, dry_run_option, output_options, reporting_options
from backstay.cli.render.show import show
from backstay.cli.render.tables import columns, printable
from backstay.cli.reporting import Reporting
from backstay.clock import SystemClock
from backstay.cluster.certificates import Action, Algorithm, PkiPlan, PkiWish, TlsFiles, files_for, make_plan
from backstay.cluster.certificates import write_certificates as write
from backstay.durable import LocalDisk
from backstay.errors import ExitStatus


@dataclass(frozen=True, slots=True)
class PkiReport:
    """What JSON and YAML show: the plan, whether it was carried out, and the flags that use its files."""

    written: bool
    plan: PkiPlan
    flags: TlsFiles


@own_command(
    examples="""
    backstay pki init pki --hosts etcd.example.com,10.0.0.5
    backstay pki init pki --hosts 10.0.0.5 --dry-run -o json
    # as kubeadm makes them
    backstay pki init /etc/kubernetes/pki --hosts control-plane-1,10.0.0.5 --key-algorithm rsa-2048
    """
)
@output_options
@reporting_options
@dry_run_option
@click.option(
    "--hosts",
    default="",
    metavar="LIST",
    help="Names and addresses at which the servers are reached, comma-separated; localhost always is one.",
)
@click.option(
    "--days", type=int, default=365, show_default=True, metavar="N", help="How long the certificates are valid."
)
@click.option("--ca-days", type=int, default=3650, show_default=True, metavar="N", help="How long a new authority is.")
@click.option(
    "--key-algorithm",
    type=click.Choice([each.value for each in Algorithm]),
    default=Algorithm.ECDSA_P256.value,
    show_default=True,
    help="The kind of the keys.",
)
@click.argument("directory", type=click.Path(path_type=Path, file_okay=False), metavar="[DIR]", default=Path("pki"))
def command(
    *,
    directory: Path,
    hosts: str,
    days: int,
    ca_days: int,
    key_algorithm: str,
    dry_run: bool,
    output: Format,
    reporting: Reporting,
) -> int:
    """Make what is missing in DIR (pki unless given): an authority, and certificates for servers, peers and clients.

    Nothing is replaced: an authority that is there signs what is missing, pairs that are whole stay. To renew one, move its
    .crt and .key aside and run this again. Keys are readable by their owner alone.
    """
    named = tuple(part for part in hosts.split(",") if part.strip())
    wish = PkiWish(directory.absolute(), named, days, ca_days, Algorithm(key_algorithm))
    plan = make_plan(wish, SystemClock().now())
    if not dry_run:
        write(plan, LocalDisk(), os.urandom)
    for notice in plan.notices:
        reporting.warn(notice)
    report = PkiReport(not dry_run, plan, files_for(plan.directory))
    show(report, output, lambda: as_text(report))
    return ExitStatus.WARNINGS if plan.notices else ExitStatus.OK


def as_text(report: PkiReport) -> str:
    """The plan or what was written, and the flags to paste."""
    plan = report.plan
    made = "created" if report.written else "would create"
    words = {Action.CREATE: made, Action.KEEP: "kept"}
    table = columns(
        ("CERTIFICATE", "", "SUBJECT", "USAGES", "EXPIRES", "HOSTS"),
        [
            (
                each.certificate.relative_to(plan.directory),
                words[each.action],
                each.subject,
                ",".join(each.usages),
                f"{each.not_after:%Y-%m-%d}",
                ",".join(each.hosts),
            )
            for each in plan.certificates
        ],
    )
    head = f"{plan.directory}" if report.written else f"Plan (nothing was changed) for {plan.directory}"
    flags = report.flags
    uses = (
        ("etcd", flags.etcd),
        ("backstay serve", flags.serve),
        ("etcdctl, backstay", flags.client),
        ("kube-apiserver", flags.api_server),
    )
    return "\n\n".join([printable(head), table, *(_flags(who, each) for who, each in uses)])


def _flags(who: str, flags: tuple[str, ...]) -> str:
    lines = " \\\n".join(f"    {printable(flag)}" for flag in flags)
    return f"{who}:\n{lines}"
