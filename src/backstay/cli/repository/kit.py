"""`backstay kit`: what a restore of this cluster would lack, said while the cluster still lives."""

from __future__ import annotations

from datetime import timedelta

import click

from backstay import errors
from backstay.cli.groups import own_command
from backstay.cli.options import Format, output_options, reporting_options
from backstay.cli.render.findings import findings_plain, findings_table
from backstay.cli.render.outcome import exit_status
from backstay.cli.render.plain import Plain
from backstay.cli.render.show import show
from backstay.cli.render.tables import columns, pairs
from backstay.cli.reporting import Reporting
from backstay.cli.repository.list import readable_facts
from backstay.cli.repository.opened import Access, at_option, cluster_option, opened_repository, repository_options
from backstay.cli.repository.recipient.list import proven_plain
from backstay.cli.repository.rendering import time_plain
from backstay.clock import SystemClock
from backstay.config.promise import Promise, promise_of
from backstay.findings import Finding
from backstay.jobs.companions.kit import PROVEN_WITHIN, Kit, encryption_providers, judge, slots_of_epoch
from backstay.repository.catalogue import read_catalogue
from backstay.repository.choosing import choose_point
from backstay.repository.companions import companions_of
from backstay.repository.proofs import last_proven, read_proofs
from backstay.repository.reading import PointReader
from backstay.repository.rewrapping import slot_names


@own_command(
    examples="""
    backstay kit /mnt/backups --identity operator.key
    backstay kit offsite --cluster prod-1 --identity operator.key -o json
    """
)
@repository_options
@output_options
@reporting_options
@at_option
@cluster_option
@click.option(
    "--proven-within",
    type=click.IntRange(1),
    default=PROVEN_WITHIN.days,
    show_default=True,
    metavar="DAYS",
    help="How old the last proof of the offline identity may be.",
)
@click.argument("repository", metavar="REPO")
def command(
    *,
    repository: str,
    at: str,
    cluster: str,
    proven_within: int,
    access: Access,
    output: Format,
    reporting: Reporting,
) -> int:
    """Say what a restore of the newest point of REPO would lack: who can open it and when that was last proven, certificates,
    the EncryptionConfiguration if values need it, tokens, other copies, the release of etcd.

    REPO by its name in backstay.toml shows its copies too. Nothing is changed. Exits with 4 when something is missing without
    which data would be lost, with 3 when a restore would be harder.
    """
    progress = reporting.watch()
    try:
        with opened_repository(repository, access, reporting) as opened:
            points = [each for each in read_catalogue(opened).require_sound().points if cluster in ("", each.cluster)]
            point = choose_point(opened, points, at)
            facts = readable_facts(opened, point)
            reader = None if facts is None else PointReader(opened, point)
            promise = _promise(access, point.cluster)
            kit = Kit(
                point,
                facts,
                opened.trust.recipients,
                last_proven(read_proofs(opened)),
                slots_of_epoch(slot_names(opened), point),
                None if reader is None else companions_of(reader),
                None if reader is None else encryption_providers(reader, progress),
                None if promise is None else promise.missing,
            )
    finally:
        progress.finish()
    findings = judge(kit, now=SystemClock().now(), within=timedelta(days=proven_within))
    show(_as_data(kit, promise, findings), output, lambda: _as_text(kit, promise, findings))
    return exit_status(findings)


def _promise(access: Access, cluster: str) -> Promise | None:
    """What the configuration says of the cluster; None where it says nothing."""
    if access.named is None:
        return None
    found = access.named.configuration.clusters.get(cluster)
    try:
        return None if found is None else promise_of(found)
    except errors.BackstayError:
        return None  # a location that is no location is what `config check` is for


def _as_data(kit: Kit, promise: Promise | None, findings: tuple[Finding, ...]) -> dict[str, Plain]:
    return {
        "cluster": kit.point.cluster,
        "point": kit.point.id,
        "time": time_plain(kit.point.time),
        "recipients": [
            {
                "label": each.label,
                "type": each.type,
                "offline": each.offline,
                "opens_point": each.id in kit.with_slot,
                "last_proven": proven_plain(kit.proven.get(each.id)),
            }
            for each in kit.recipients
        ],
        "companions": None if kit.companions is None else [*sorted(kit.kinds)],
        "companion_recipients": [] if kit.companions is None else [*kit.companions.recipients],
        "encrypted_by": None if kit.providers is None else [*sorted(kit.providers)],
        "etcd_release": kit.release or None,
        "copies": None
        if promise is None
        else [{"name": each.name, "location": each.location} for each in promise.copies],
        "findings": findings_plain(findings),
    }


def _as_text(kit: Kit, promise: Promise | None, findings: tuple[Finding, ...]) -> str:
    rows: list[tuple[str, object]] = [
        ("Cluster", kit.point.cluster),
        ("Point", f"{kit.point.id} of {time_plain(kit.point.time)}"),
        ("Companions", ", ".join(sorted(kit.kinds)) or ("none" if kit.facts is not None else "sealed")),
        ("Values", _values(kit)),
        ("etcd", kit.release or "release not known"),
    ]
    if promise is not None:
        rows.append(("Copies", ", ".join(each.name for each in promise.copies)))
    readers = columns(
        ("RECIPIENT", "", "OPENS IT", "LAST PROVEN"),
        [
            (
                each.label,
                "offline" if each.offline else each.type,
                "yes" if each.id in kit.with_slot else "no",
                "never" if each.id not in kit.proven else f"{kit.proven[each.id]:%Y-%m-%d}",
            )
            for each in kit.recipients
        ],
    )
    table = findings_table(findings)
    return "\n\n".join([pairs(rows), readers, *([table] if table else ["Nothing is missing."])])


def _values(kit: Kit) -> str:
    if kit.providers is None:
        return "sealed"
    return f"encrypted by {', '.join(sorted(kit.providers))}" if kit.providers else "not encrypted at rest"
