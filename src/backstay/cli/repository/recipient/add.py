"""`backstay recipient add`: somebody more who can read the backups, those that are there included."""

from __future__ import annotations

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
from backstay.crypto.slots import AgeRecipient
from backstay.repository.trust import TrustedRecipient
from backstay.repository.trusting import epochs, put_trust, rewrap


@own_command(
    examples="""
    backstay recipient add /mnt/backups audit age1... --root-key recovery.txt --identity operator.key
    backstay recipient add /mnt/backups audit age1... --root-key recovery.txt --only-new
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
@click.argument("public", metavar="AGE1...")
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
) -> None:
    """Add a recipient to REPO, and wrap the keys of what is there to it. No data is rewritten."""
    recipient = TrustedRecipient(AgeRecipient(public).public, label, offline)
    root = read_root_key(root_key)
    with opened_repository(repository, access, reporting) as opened:
        if any(each.public == public or each.label == label for each in opened.trust.recipients):
            raise errors.USAGE.error(f"`{label}` or its key is a recipient already", where=repository)
        count = 0 if only_new else len(list(epochs(opened)))
        if not dry_run:
            if not only_new:
                count = rewrap(opened, recipient)
            put_trust(opened, root, now=SystemClock().now(), recipients=(*opened.trust.recipients, recipient))
    word = "Would add" if dry_run else "Added"
    show(
        {**as_plain(recipient), "epochs": count, "changed": not dry_run},
        output,
        lambda: f"{word} {label} ({recipient.id}); {count} epochs wrapped to it",
    )
