"""`backstay serve --from`: a file or a directory is served as it lies, a point of a repository is rebuilt first.

What it says stands in the server's log; the repository is closed before anybody is served.
"""

from __future__ import annotations

import logging
import os
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from backstay import errors
from backstay.cli.reporting import Reporting
from backstay.cli.repository.opened import Access, opened_repository
from backstay.cli.sources import find_repository
from backstay.clock import SystemClock
from backstay.jobs.points.keeping import kept
from backstay.repository.catalogue import read_catalogue
from backstay.repository.choosing import LATEST, choose
from backstay.repository.reading import PointReader
from backstay.server.settings import ServerSettings
from backstay.telemetry import SilentProgress
from backstay.telemetry.log import fields

if TYPE_CHECKING:
    from backstay.server.opening import OpenedServer

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class ServedBackup:
    """What was said about the backup to serve."""

    source: str
    at: str
    at_revision: int | None
    access: Access
    scratch: Path | None
    cluster: str = ""

    @property
    def arguments(self) -> tuple[str, ...]:
        """The same on a command line, for a unit; secrets stay in files and in the environment."""
        said = [f"--from={self.source}"]
        said += [f"--at={self.at}"] if self.at else []
        said += [f"--at-revision={self.at_revision}"] if self.at_revision is not None else []
        said += [f"--cluster={self.cluster}"] if self.cluster else []
        said += [f"--identity={name}" for name in self.access.identity_files]
        said += [f"--scratch={self.scratch}"] if self.scratch is not None else []
        return tuple(said)

    def open(self, settings: ServerSettings) -> OpenedServer:
        """The server of it. Raises what `assembly.open_backup`, `open_point_server` and opening a repository raise."""
        from backstay.assembly import open_backup, open_point_server

        found = find_repository(self.source, self.access)
        if found is None:
            if self.at or self.cluster:
                raise errors.USAGE.error(
                    "--at and --cluster name a point, and this is no repository",
                    where=self.source,
                    next_step="choose a state of a file with --at-revision",
                )
            return open_backup(settings, Path(self.source), self.at_revision)
        location, at, access = found
        if at and self.at:
            raise errors.USAGE.error(f"two points are named: `{at}` and `{self.at}`", where="--at")
        scratch = self.scratch or Path(access.environment.get("TMPDIR") or tempfile.gettempdir())
        with opened_repository(location, access, Reporting(quiet=True)) as repository:
            every = read_catalogue(repository).require_sound().points
            points = [each for each in every if self.cluster in ("", each.cluster)]
            chosen = choose(repository, points, at or self.at or LATEST)
            revision = self.at_revision if self.at_revision is not None else chosen.revision
            _log.info("rebuilding a backup", extra=fields(point=chosen.point.id, scratch=str(scratch)))
            if not repository.is_sealed:
                _log.warning("the repository is not encrypted", extra=fields(repository=repository.store.location))
            clock, silent = SystemClock(), SilentProgress()
            with kept(repository, chosen.point, clock=clock, entropy=os.urandom, progress=silent) as progress:
                return open_point_server(
                    settings, PointReader(repository, chosen.point), revision, scratch=scratch, progress=progress
                )
