"""How a command opens the repository that was named: its store, the identities at hand, and this host's state.

    @repository_options      -> access: Access       (--identity, --passphrase, --state-dir, --config)
                                the argument `repository` becomes a location where it is a name of the configuration
    @at_option               -> at: str              which point; `repository.choosing` finds it
    @cluster_option          -> cluster: str         empty for all
    @root_key_option         -> root_key: Path       what changes of trust are signed with

`BACKSTAY_IDENTITY` is a file, the identity itself, or `kms` (so is --identity): open through the key services that are
recipients, with the credentials that the environment has for them. `BACKSTAY_PASSPHRASE` a passphrase; `BACKSTAY_STATE_DIR`
the state directory, which else is /var/lib/backstay for root and in the home for others.
"""

from __future__ import annotations

import functools
import hashlib
import os
import random
import sys
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from backstay import errors
from backstay.cli import invocation
from backstay.cli.groups import CommandBody, Option, SwitchOption
from backstay.cli.options import attach
from backstay.cli.reporting import Reporting
from backstay.cli.repository.named import Named, look_up
from backstay.clock import SystemClock

if TYPE_CHECKING:  # loaded when a repository is opened: commands that look into files have these options too
    from backstay.blobs import BlobStore
    from backstay.blobs.retrying import Patience
    from backstay.config.configuration import Configuration
    from backstay.crypto.key_services import KeyServices
    from backstay.crypto.signing import SigningKey
    from backstay.crypto.slots import AgeIdentity, SlotIdentity
    from backstay.jobs.backup.state import WriterState
    from backstay.repository.repository import Repository

KEYS = "Keys and state"

at_option = click.option(
    "--at",
    default="latest",
    show_default=True,
    metavar="POINT",
    help="latest, a tag, an id, a revision, a time, or before-delete:KEY.",
)
root_key_option = click.option(
    "--root-key",
    type=click.Path(path_type=Path),
    required=True,
    metavar="FILE",
    help="The recovery kit, or its root key.",
)
cluster_option = click.option("--cluster", default="", metavar="NAME", help="Only points of this cluster.")
_SYSTEM_STATE = "/var/lib/backstay"


@dataclass(frozen=True, slots=True)
class Access:
    """What was said about identities and state."""

    identity_files: tuple[str, ...]
    passphrase: str
    state_directory: Path
    environment: Mapping[str, str]
    config: str = ""
    state_said: bool = False
    """Whether a flag or a variable said the state directory."""
    named: Named | None = None
    """What the configuration says of the repository, if it was called by a name of it."""

    def of(self, configuration: Configuration) -> Access:
        """For a command that works by a configuration: with its state directory where nobody said another."""
        if self.state_said:
            return self
        return replace(self, state_directory=usual_state_directory(self.environment, configuration))

    def identities(self) -> tuple[AgeIdentity, ...]:
        """The identities of the files and of the environment. Raises `IDENTITY_INVALID`."""
        from backstay.crypto.key_services import IDENTITY_WORD
        from backstay.crypto.slots import read_identities

        found: list[AgeIdentity] = []
        for name in self.identity_files:
            if name != IDENTITY_WORD:
                found += read_identities(_read(Path(name)), name)
        said = self.environment.get("BACKSTAY_IDENTITY", "")
        if said and said != IDENTITY_WORD and not self.identity_files:
            is_itself = said.lstrip().startswith("AGE-SECRET-KEY-")
            found += read_identities(said if is_itself else _read(Path(said)), "BACKSTAY_IDENTITY")
        configured = self.named.entry.identity if self.named is not None else None
        # An identity is kept on few hosts: where its file is not, commands see what anybody may see.
        if not found and configured is not None and configured.exists():
            found += read_identities(_read(configured), str(configured))
        return tuple(found)

    @property
    def services(self) -> KeyServices:
        """The key services that the environment has credentials for."""
        from backstay.crypto.key_services import KeyServices

        return KeyServices(self.environment)

    @property
    def asks_services(self) -> bool:
        """Whether they are to open what is read, not only to wrap what is written."""
        from backstay.crypto.key_services import IDENTITY_WORD

        said = self.identity_files or (self.environment.get("BACKSTAY_IDENTITY", ""),)
        return IDENTITY_WORD in said


def repository_options(function: CommandBody) -> CommandBody:
    """Add the options that say how a repository is opened; the body gets `access`."""

    @functools.wraps(function)
    def with_access(*arguments: Any, **values: Any) -> int | None:
        environment = invocation.current().environment
        config = values.pop("config")
        named = look_up(values.get("repository") or "", config, environment, Path())
        if named is not None:
            values["repository"] = named.entry.location
        said = values.pop("state_dir") or environment.get("BACKSTAY_STATE_DIR") or ""
        state = Path(said) if said else usual_state_directory(environment, named.configuration if named else None)
        passphrase = environment.get("BACKSTAY_PASSPHRASE", "")
        if values.pop("passphrase") and not passphrase:
            if not sys.stdin.isatty():
                raise errors.USAGE.error("there is no terminal to ask for the passphrase", where="--passphrase",
                                         next_step="set BACKSTAY_PASSPHRASE")  # fmt: skip
            passphrase = click.prompt("Passphrase", hide_input=True, err=True)
        values["access"] = Access(
            values.pop("identity"), passphrase, state, environment, config, state_said=bool(said), named=named
        )
        return function(*arguments, **values)

    parameters = [
        Option(["--identity", "-i"], multiple=True, metavar="FILE", section=KEYS,
               help="Opens encrypted backups; may be repeated. `kms`: the key services that are recipients."),
        SwitchOption(["--passphrase"], default=False, section=KEYS, help="Ask for the passphrase of a recipient."),
        Option(["--state-dir"], metavar="DIR", section=KEYS, help="What this host remembers of repositories."),
        Option(["--config"], default="", metavar="FILE", section=KEYS, help="Where names of repositories come from."),
    ]  # fmt: skip
    return attach(with_access, parameters)


@contextmanager
def opened_store(
    location: str, environment: Mapping[str, str], patience: Patience | None = None
) -> Iterator[BlobStore]:
    """The store at `location`; remote ones try again."""
    from backstay.blobs import open_store, parse_location
    from backstay.blobs.retrying import Patience, RetryingStore

    where = parse_location(location)
    with closing(open_store(where, environment)) as store:
        if where.scheme == "file":
            yield store
        else:
            yield RetryingStore(store, SystemClock(), random.Random(), patience or Patience())


@contextmanager
def opened_repository(
    location: str,
    access: Access,
    reporting: Reporting,
    patience: Patience | None = None,
    *,
    cache: Path | None = None,
) -> Iterator[Repository]:
    """The repository at `location`, with the identities at hand, compared with what this host has seen of it.

    With `cache` what is read of a remote one is kept there, encrypted as it is. Never where anything is verified or written.
    """
    from backstay.blobs import parse_location
    from backstay.repository.repository import open_repository

    with opened_store(location, access.environment, patience) as store:
        services = access.services
        repository = open_repository(store, access.identities(), services=services)
        if not repository.is_sealed:
            reporting.warn("this repository is NOT encrypted: who reads the storage reads every Secret")
        seen_state(access, repository).require_seen(repository)
        more = asked_identities(access, repository)
        if more:
            repository = open_repository(store, (*access.identities(), *more), services=services)
        if cache is not None and repository.is_sealed and parse_location(location).scheme != "file":
            from backstay.blobs.cached import CachingStore
            from backstay.repository import names

            # What keeps its content under its name, and is checked by seal or signature whenever it is read.
            repository.store = CachingStore(store, cache, (names.RUNS, names.MANIFESTS))
        yield repository


def asked_identities(access: Access, repository: Repository) -> tuple[SlotIdentity, ...]:
    """The identities that only the trust document makes: of a passphrase, and of the key services that are recipients."""
    recipients = repository.trust.recipients
    found: list[SlotIdentity] = []
    if access.passphrase:
        rules = (each.passphrase for each in recipients)
        found += [rule.identity(access.passphrase) for rule in rules if rule is not None]
    if access.asks_services:
        found += [repository.services.service(each.type, each.public) for each in recipients if each.is_service]
    return tuple(found)


def read_root_key(path: Path) -> SigningKey:
    """The root key in a recovery kit, or in a file of its own. Raises `SIGNING_KEY_INVALID`."""
    from backstay.crypto.signing import read_signing_key

    lines = [line for line in _read(path).splitlines() if line.startswith("BACKSTAY-SIGNING-KEY-")]
    return read_signing_key("\n".join(lines), str(path))


def state_of(access: Access, repository: Repository) -> WriterState:
    """What this host remembers of the repository."""
    from backstay.durable import LocalDisk
    from backstay.jobs.backup.state import WriterState

    return WriterState(access.state_directory, repository.id, LocalDisk())


def copy_state(access: Access, repository: Repository) -> WriterState:
    """What this host has seen of a copy, which may be behind the repository that it is a copy of."""
    from backstay.durable import LocalDisk
    from backstay.jobs.backup.state import WriterState

    place = repository.store.location
    place = place if "://" in place else os.path.realpath(place)
    name = hashlib.sha256(place.encode()).hexdigest()[:16]
    return WriterState(access.state_directory / repository.id / "copies", name, LocalDisk())


def seen_state(access: Access, repository: Repository) -> WriterState:
    """What must still be there: of a copy that this host made what it put there, of everything else what it has seen."""
    copy = copy_state(access, repository)
    return copy if copy.directory.exists() else state_of(access, repository)


def scratch_parent(said: Path | None, access: Access) -> Path:
    """Where a private directory for what is on its way is made."""
    return said or Path(access.environment.get("TMPDIR") or tempfile.gettempdir())


def usual_state_directory(environment: Mapping[str, str], configuration: Configuration | None) -> Path:
    """What the configuration says, or the usual place."""
    if configuration is not None and configuration.state_dir is not None:
        return configuration.state_dir
    if os.geteuid() == 0:
        return Path(_SYSTEM_STATE)
    base = environment.get("XDG_STATE_HOME") or str(Path(environment.get("HOME") or "/") / ".local" / "state")
    return Path(base) / "backstay"


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8", errors="replace")
    except OSError as problem:
        raise errors.IDENTITY_INVALID.error(
            "cannot read the identity", where=str(path), why=problem.strerror or str(problem)
        ) from problem
