"""The copies of a cluster of backstay.toml as objects: what `run` and `status` work with. The one place that wires them."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

from backstay.blobs import parse_location
from backstay.blobs.retrying import Patience
from backstay.cli.reporting import Reporting
from backstay.cli.repository.opened import Access, opened_repository, opened_store
from backstay.clock import SystemClock
from backstay.config.configuration import Cluster, Form, RepositoryEntry
from backstay.config.promise import promise_of
from backstay.crypto import read_recipients
from backstay.crypto.signing import SigningKey
from backstay.durable import LocalDisk
from backstay.jobs.automation.plain_copy import PlainCopy
from backstay.jobs.automation.promised import Promised, promised
from backstay.jobs.automation.repository_copy import RepositoryCopy, Tools
from backstay.jobs.backup.state import WriterState
from backstay.jobs.rotate.places import Place
from backstay.jobs.rotate.seal import Sealing
from backstay.policy.copies import CopyPlace
from backstay.repository.repository import Repository

ConfiguredCopy: TypeAlias = RepositoryCopy | PlainCopy

ATTEMPTS = 3
LONGEST_PATIENCE_SECONDS = 60.0


@dataclass(frozen=True, slots=True)
class Wiring:
    """What all copies of a run share. Of `keys` the one that a repository trusts signs where the state directory has none."""

    access: Access
    reporting: Reporting
    tools: Tools
    keys: tuple[SigningKey, ...] = ()

    def copies(self, cluster: Cluster, promise: Promised) -> list[ConfiguredCopy]:
        """Every copy of `cluster`, in the order of the configuration."""
        places = {copy.name: copy.place for copy in promise_of(cluster).copies}
        return [self._copy(cluster, entry, places[entry.name], promise) for entry in cluster.repositories]

    def _copy(self, cluster: Cluster, entry: RepositoryEntry, place: CopyPlace, promise: Promised) -> ConfiguredCopy:
        # A run that waits longer for one place than the next run is away has lost more than this copy.
        seconds = min(LONGEST_PATIENCE_SECONDS, promise.patience.total_seconds() / 4)
        patience = Patience(attempts=ATTEMPTS, total_seconds=seconds)
        if entry.form is Form.PLAIN:
            sealing = Sealing(compress=True, recipients=read_recipients(entry.recipients, self.access.environment))

            def opened_place() -> AbstractContextManager[Place]:
                return self._place(entry.location, patience)

            return PlainCopy(
                entry.name,
                place,
                promise.keep if entry.keep is None else entry.keep.length,
                sealing,
                promise.verified_within,
                opened_place,
                LocalDisk(),
            )

        def opener(location: str) -> Callable[[], AbstractContextManager[Repository]]:
            return lambda: opened_repository(location, self.access, self.reporting, patience)

        others = [each for each in cluster.repositories if each.form is Form.REPOSITORY and each is not entry]
        return RepositoryCopy(
            entry.name,
            place,
            promise.cluster,
            entry.retention(cluster.tier),
            promise.verified_within,
            opener(entry.location),
            self._state_of,
            self.tools,
            entry.lock,
            tuple(opener(each.location) for each in others) if entry.requires_copy else (),
            promise.keep,
        )

    @contextmanager
    def _place(self, location: str, patience: Patience) -> Iterator[Place]:
        where = parse_location(location)
        with opened_store(location, self.access.environment, patience) as store:
            yield Place(store, Path(where.path) if where.scheme == "file" else None)

    def _state_of(self, repository: Repository) -> WriterState:
        trusted = (key for key in self.keys if repository.trust.writer(key.public) is not None)
        return WriterState(self.access.state_directory, repository.id, LocalDisk(), next(trusted, None))


def promised_to(cluster: Cluster, times: float = 1) -> Promised:
    """What `cluster` is promised, everything `times` as fast."""
    return promised(cluster.name, cluster.site, cluster.tier, times, cluster.paces)


def usual_tools(access: Access, reporting: Reporting, scratch: Path | None = None) -> Tools:
    """The machine's own clock and entropy."""
    return Tools(SystemClock(), os.urandom, scratch_directory(access, scratch), reporting.watch())


def scratch_directory(access: Access, said: Path | None) -> Path:
    """Where temporary files go."""
    return said or Path(access.environment.get("TMPDIR") or tempfile.gettempdir())
