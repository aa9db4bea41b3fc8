"""`backstay recipient test`: whether the identities at hand really open what was written."""

from __future__ import annotations

import click

from backstay import errors
from backstay.cli.groups import own_command
from backstay.cli.options import Format, output_options, reporting_options
from backstay.cli.render.plain import Plain
from backstay.cli.render.show import show
from backstay.cli.render.tables import columns
from backstay.cli.reporting import Reporting
from backstay.cli.repository.opened import Access, opened_repository, repository_options
from backstay.errors import ExitStatus
from backstay.repository.trusting import epochs


@own_command(
    examples="""
    backstay recipient test /mnt/backups --identity recovery.txt
    """
)
@repository_options
@output_options
@reporting_options
@click.argument("repository", metavar="REPO")
def command(*, repository: str, access: Access, output: Format, reporting: Reporting) -> int:
    """Open the key of every epoch of REPO with the identities given: the proof that the paper in the safe still works.

    Exits with 7 when an epoch does not open.
    """
    answers: list[tuple[str, bool]] = []
    with opened_repository(repository, access, reporting) as opened:
        for epoch in epochs(opened):
            try:
                opened.key_of(epoch, str(epoch))
                answers.append((str(epoch), True))
            except errors.BackstayError as problem:
                if problem.kind is not errors.KEY_UNAVAILABLE:
                    raise
                answers.append((str(epoch), False))
    plain: list[Plain] = [{"epoch": epoch, "opens": opens} for epoch, opens in answers]
    rows = [(epoch, "opens" if opens else "DOES NOT OPEN") for epoch, opens in answers]
    show(plain, output, lambda: columns(("EPOCH", ""), rows) if rows else "Nothing was encrypted yet.")
    return ExitStatus.OK if all(opens for _, opens in answers) else ExitStatus.KEY_OR_PERMISSION
