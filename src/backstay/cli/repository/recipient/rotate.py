"""`backstay recipient rotate`: a new epoch at once, and where wanted a new signing key for this host."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

import click

from backstay import errors
from backstay.cli.groups import own_command
from backstay.cli.options import Format, dry_run_option, output_options, reporting_options, switch_option
from backstay.cli.render.show import show
from backstay.cli.reporting import Reporting
from backstay.cli.repository.opened import (
    Access,
    opened_repository,
    read_root_key,
    repository_options,
    root_key_option,
    state_of,
)
from backstay.clock import SystemClock
from backstay.crypto.signing import SEED_SIZE, SigningKey
from backstay.repository.catalogue import read_catalogue
from backstay.repository.repository import open_repository
from backstay.repository.trust import TrustedWriter
from backstay.repository.trusting import plan_revocation, put_trust, require_root


@own_command(
    examples="""
    backstay recipient rotate /mnt/backups --root-key recovery.txt
    backstay recipient rotate s3://bucket/etcd --root-key recovery.txt --writer-key
    """
)
@repository_options
@output_options
@reporting_options
@dry_run_option
@root_key_option
@switch_option("--writer-key", help="Also give this host a new signing key; the old one ends with what it has signed.")
@click.argument("repository", metavar="REPO")
def command(
    *,
    repository: str,
    root_key: Path,
    writer_key: bool,
    dry_run: bool,
    access: Access,
    output: Format,
    reporting: Reporting,
) -> None:
    """Have every writer of REPO begin a new epoch with its next backup, instead of tomorrow.

    Whoever knows today's epoch key (it lies in the state directory of a writer for a day) reads nothing that comes after.
    What is there stays as it is. No identity is needed.
    """
    root = read_root_key(root_key)
    with opened_repository(repository, access, reporting) as opened:
        require_root(opened, root)
        state = state_of(access, opened)
        state.settle(opened)
        writers, label, key = opened.trust.writers, "", None
        if writer_key:
            own = opened.trust.writer(state.signing_key().public)
            if own is None or own.revoked is not None:
                raise errors.SIGNING_KEY_INVALID.error(
                    "the repository does not trust the key of this host", where=str(state.directory)
                )
            key, label = SigningKey(os.urandom(SEED_SIZE)), own.label
            old = replace(own, label=f"{label} until trust {opened.trust.number + 1}")
            ended = plan_revocation(read_catalogue(opened), old, {}).writer
            writers = (*(ended if each.key == own.key else each for each in writers), TrustedWriter(key.public, label))
        if not dry_run:
            if key is not None:
                state.prepare(key)
            put_trust(opened, root, now=SystemClock().now(), writers=writers)
            if key is not None:
                state.settle(open_repository(opened.store, ()))
    word = "Would begin" if dry_run else "Begun"
    text = f"{word}: a new epoch with the next backup of every writer"
    if key is not None:
        text += f"; a new signing key for {label}"
    show(
        {"trust": opened.trust.number + (not dry_run), "writer": label or None, "changed": not dry_run},
        output,
        lambda: text,
    )
