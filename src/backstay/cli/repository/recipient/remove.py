"""`backstay recipient remove`: somebody less who can read the backups that come."""

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
from backstay.repository import names
from backstay.repository.repository import require_recipients
from backstay.repository.rewrapping import RewrapPlan, rewrap, slot_names
from backstay.repository.trusting import put_trust, require_root


@own_command(
    examples="""
    backstay recipient remove /mnt/backups audit --root-key recovery.txt
    backstay recipient remove /mnt/backups audit --root-key recovery.txt --remove-slots
    """
)
@repository_options
@output_options
@reporting_options
@dry_run_option
@root_key_option
@switch_option(
    "--remove-slots", "remove_slots_too", help="Also delete its keys to what is there; copies that it has stay good."
)
@click.argument("repository", metavar="REPO")
@click.argument("label")
def command(
    *,
    repository: str,
    label: str,
    root_key: Path,
    remove_slots_too: bool,
    dry_run: bool,
    access: Access,
    output: Format,
    reporting: Reporting,
) -> None:
    """Remove a recipient, by label or id, from REPO. Backups from the next epoch on are not wrapped to it any more.

    Two recipients must stay, one of them offline.
    """
    root = read_root_key(root_key)
    with opened_repository(repository, access, reporting) as opened:
        gone = [each for each in opened.trust.recipients if label in (each.label, each.id)]
        if len(gone) != 1:
            raise errors.USAGE.error(f"`{label}` is not one recipient", where=repository)
        rest = tuple(each for each in opened.trust.recipients if each not in gone)
        if opened.is_sealed:
            require_recipients(rest)
        require_root(opened, root)
        own = [name for name in slot_names(opened) if remove_slots_too and names.slot_recipient(name) == gone[0].id]
        removed, kept = len(own), 0
        if not dry_run:
            put_trust(opened, root, now=SystemClock().now(), recipients=rest)
            done = rewrap(opened, RewrapPlan(0, (), tuple(own)))
            removed, kept = done.removed, len(done.kept)
    word = "Would remove" if dry_run else "Removed"
    stay = f", {kept} stay: locked, or an epoch's last" if kept else ""
    show(
        {**as_plain(gone[0]), "slots_removed": removed, "slots_kept": kept, "changed": not dry_run},
        output,
        lambda: f"{word} {gone[0].label} ({gone[0].id}); {removed} slots deleted{stay}",
    )
