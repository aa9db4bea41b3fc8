"""`backstay admit`: let this host write to a repository that another one made."""

from __future__ import annotations

import os
import socket
from pathlib import Path

import click

from backstay import errors
from backstay.cli.groups import own_command
from backstay.cli.options import Format, dry_run_option, output_options, reporting_options
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
from backstay.repository.repository import open_repository
from backstay.repository.trust import TrustedWriter
from backstay.repository.trusting import put_trust


@own_command(
    examples="""
    backstay admit s3://bucket/etcd --root-key recovery.txt
    backstay admit /mnt/backups --root-key recovery.txt --writer control-plane-2
    """
)
@repository_options
@output_options
@reporting_options
@dry_run_option
@root_key_option
@click.option("--writer", default="", metavar="LABEL", help="What this host is called; its host name unless given.")
@click.argument("repository", metavar="REPO")
def command(
    *,
    repository: str,
    root_key: Path,
    writer: str,
    dry_run: bool,
    access: Access,
    output: Format,
    reporting: Reporting,
) -> None:
    """Make a key for this host, keep it in --state-dir, and have REPO trust it. The root key is used once and not kept.

    Each host signs with a key of its own, so that one can be revoked (`backstay revoke`) without the others. A host whose key
    was revoked gets a new one.
    """
    root = read_root_key(root_key)
    label = writer or socket.gethostname() or "this host"
    with opened_repository(repository, access, reporting) as opened:
        state = state_of(access, opened)
        state.settle(opened)
        known = opened.trust.writer(state.signing_key().public) if state.has_signing_key() else None
        if known is not None and known.revoked is None:
            raise errors.TARGET_EXISTS.error("this host has a key already", where=str(state.directory))
        if any(each.label == label for each in opened.trust.writers):
            raise errors.USAGE.error(f"a writer is called `{label}` already", next_step="choose another with --writer")
        key = SigningKey(os.urandom(SEED_SIZE))
        if not dry_run:
            # A prepared key is no key yet: a refusal leaves none behind, and an interruption is finished by the next backup.
            state.prepare(key)
            put_trust(
                opened,
                root,
                now=SystemClock().now(),
                writers=(*opened.trust.writers, TrustedWriter(key.public, label)),
            )
            state.settle(open_repository(opened.store, ()))
            state.pin(opened.description.root)
    word = "Would admit" if dry_run else "Admitted"
    show(
        {"label": label, "key": None if dry_run else key.public, "changed": not dry_run},
        output,
        lambda: f"{word} {label}; its key is kept in {state.directory}",
    )
