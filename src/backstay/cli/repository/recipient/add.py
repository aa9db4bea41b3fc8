"""`backstay recipient add`: somebody more who can read the backups, those that are there included."""

from __future__ import annotations

import os
from pathlib import Path

import click

from backstay import errors
from backstay.cli.groups import own_command
from backstay.cli.options import Format, dry_run_option, output_options, reporting_options, switch_option
from backstay.cli.render.show import show
from backstay.cli.reporting import Reporting
from backstay.cli.repository.opened import Access, opened_repository, read_root_key, repository_options, root_key_option
from backstay.cli.repository.recipient.list import as_plain
from backstay.clock import SystemClock
from backstay.errors import ExitStatus
from backstay.jobs.backup.founding import new_recipient, require_answer
from backstay.repository.rewrapping import plan_rewrap, rewrap
from backstay.repository.trusting import put_trust, require_root


@own_command(
    examples="""
    backstay recipient add /mnt/backups audit age1... --root-key recovery.txt --identity operator.key
    backstay recipient add /mnt/backups audit age1... --root-key recovery.txt --only-new
    backstay recipient add /mnt/backups vault vault:https://vault:8200/transit/etcd --root-key kit.txt -i ops.key
    """
)
@repository_options
@output_options
@reporting_options
@dry_run_option
@root_key_option
@switch_option("--offline", help="Its identity is on no machine.")
@switch_option("--only-new", help="Let it read what comes only; needs no identity.")
@click.argument("repository", metavar="REPO")
@click.argument("label")
@click.argument("public", metavar="RECIPIENT")
def command(
    *,
    repository: str,
    label: str,
    public: str,
    root_key: Path,
    offline: bool,
    only_new: bool,
    dry_run: bool,
    access: Access,
    output: Format,
    reporting: Reporting,
) -> int:
    """Add a recipient to REPO, and wrap the keys of what is there to it. No data is rewritten.

    A recipient is a key of age, of Vault's Transit engine (vault:https://HOST/MOUNT/KEY), or of AWS KMS (aws-kms:ARN); a
    service must answer before anything changes. Exits with 3 when some epoch could not be wrapped: `recipient rewrap` goes on.
    """
    recipient = new_recipient(label, public, offline=offline)
    root = read_root_key(root_key)
    progress = reporting.watch()
    with opened_repository(repository, access, reporting) as opened:
        if any(each.public == public or each.label == label for each in opened.trust.recipients):
            raise errors.USAGE.error(f"`{label}` or its key is a recipient already", where=repository)
        require_root(opened, root)
        plan = plan_rewrap(opened, () if only_new else (recipient,), remove_stale=False)
        count, failed = len(plan.missing), 0
        if not dry_run:
            require_answer(recipient, opened.services, os.urandom)
            # Slots first: who is named in the trust can read what is there. A refusal leaves slots that nobody minds.
            done = rewrap(opened, plan, progress)
            progress.finish()
            count, failed = done.added, len(done.failures)
            if done.failures and not count:
                raise done.failures[0][1]
            put_trust(opened, root, now=SystemClock().now(), recipients=(*opened.trust.recipients, recipient))
    word = "Would add" if dry_run else "Added"
    lost = f"; {failed} could not be opened" if failed else ""
    show(
        {**as_plain(recipient), "epochs": count, "failed": failed, "changed": not dry_run},
        output,
        lambda: f"{word} {label} ({recipient.id}); {count} epochs wrapped to it{lost}",
    )
    return ExitStatus.WARNINGS if failed else ExitStatus.OK
