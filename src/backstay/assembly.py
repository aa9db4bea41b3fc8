"""What has to be put together from parts that may not know each other: a server with the machine's clock and randomness, a
server of a backup, certificates made on the spot. The command line calls this, and nothing below it does.
"""

from __future__ import annotations

import os
import tempfile
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from random import SystemRandom
from typing import TYPE_CHECKING

from backstay import errors
from backstay.clock import Clock, SystemClock
from backstay.durable import LocalDisk, translated, write_durable
from backstay.formats.directory import DATABASE, MEMBER, SNAP
from backstay.server import opening
from backstay.server.handler.hosting import Snapshot
from backstay.server.opening import OpenedServer
from backstay.server.settings import ServerSettings
from backstay.store.state import StoreState
from backstay.values import Revision

if TYPE_CHECKING:  # and loaded by those who serve a backup
    from backstay.repository.reading import PointReader
    from backstay.snapshot.opened import OpenedStore
    from backstay.telemetry import Progress

_DIRECTORY_MODE, _KEY_MODE = 0o700, 0o600
_YEAR = 365


def open_server(settings: ServerSettings, *, clock: Clock | None = None) -> OpenedServer:
    """Open the store in the data directory of `settings`, founding it where there is none.

    Raises what `server.opening.open_server` raises.
    """
    clock = clock or SystemClock()
    settings = _with_certificate(settings, settings.data_directory / "fixtures" / "client", clock)
    return opening.open_server(settings, clock=clock, randomness=SystemRandom())


def open_backup(
    settings: ServerSettings, source: Path, at_revision: int | None, *, clock: Clock | None = None
) -> OpenedServer:
    """Open a snapshot file or a data directory to serve it, read-only, at a revision of its history (None: the newest).

    Nothing is written, and nothing copied until a client asks for a snapshot. Raises `LISTENING_FAILED`,
    `SERVER_CERTIFICATE_UNUSABLE`, what `open_file` and `open_directory` raise, and what `view_state` raises.
    """
    from backstay.snapshot.opened import open_directory, open_file

    _refuse_joining(settings)
    store = open_directory(source) if source.is_dir() else open_file(source)
    file = source / MEMBER / SNAP / DATABASE if source.is_dir() else source
    return _serve_store(settings, store, file, at_revision, clock or SystemClock())


def open_point_server(
    settings: ServerSettings,
    point: PointReader,
    at_revision: int | None,
    *,
    scratch: Path,
    progress: Progress,
    clock: Clock | None = None,
) -> OpenedServer:
    """Serve a point of a repository, read-only, at a revision of its history (None: the newest).

    It is rebuilt and proven first, into a file without a name in `scratch`; the repository is not needed afterwards.
    Raises what `open_backup` and `open_private` raise.
    """
    from backstay.jobs.points.private import open_private

    _refuse_joining(settings)
    store = open_private(point, scratch, entropy=os.urandom, progress=progress).store
    return _serve_store(settings, store, store.path, at_revision, clock or SystemClock())


def _refuse_joining(settings: ServerSettings) -> None:
    if settings.joins_existing:
        raise errors.SEVERAL_MEMBERS_WANTED.error("a backup joins nobody", where="--initial-cluster-state")


def _serve_store(
    settings: ServerSettings, store: OpenedStore, file: Path, at_revision: int | None, clock: Clock
) -> OpenedServer:
    """A server of `store`, which is closed with it."""
    from backstay.snapshot.view import view_file, view_state

    certificates = tempfile.TemporaryDirectory(prefix="backstay-", ignore_cleanup_errors=True)

    def close() -> None:
        store.close()
        certificates.cleanup()

    def read() -> tuple[StoreState, Path]:
        state = view_state(store, Revision(at_revision) if at_revision is not None else None)
        # What was wrong with the cluster that made the backup is no reason to hide what is in it.
        state.alarms = set()
        return state, file

    try:
        return opening.open_view(
            _with_certificate(settings, Path(certificates.name), clock),
            read,
            lambda state: Snapshot(*view_file(store, state)),
            clock=clock,
            randomness=SystemRandom(),
            findings=store.findings,
            closes=close,
        )
    except BaseException:
        close()
        raise


def _with_certificate(settings: ServerSettings, place: Path, clock: Clock) -> ServerSettings:
    """`settings` with a certificate in `place` that nobody has signed, where --auto-tls asks for one.

    One that is there is used again. etcd keeps its own under the same names.
    """
    urls = (*settings.listen_client_urls, *settings.listen_client_http_urls, *settings.listen_metrics_urls)
    if not settings.tls.make_certificate or settings.tls.certificate is not None or not any(url.secure for url in urls):
        return settings
    from backstay.cluster.certificates import issuing  # cryptography is slow to import, and few ask for this
    from backstay.cluster.certificates.layout import LOOPBACK_HOSTS, SERVER

    certificate, key_file = place / "cert.pem", place / "key.pem"
    if not (certificate.exists() and key_file.exists()):
        with translated(place):
            for each in (place.parent.parent, place.parent, place):
                each.mkdir(exist_ok=True, mode=_DIRECTORY_MODE)
        hosts = tuple(dict.fromkeys([*(url.host for url in urls if url.host), *LOOPBACK_HOSTS]))
        now = clock.now().replace(microsecond=0)
        validity = issuing.Validity(now - issuing.BACKDATED, now + timedelta(days=_YEAR * settings.tls.validity_years))
        key = issuing.new_key(issuing.Algorithm.ECDSA_P256)
        made = issuing.issue(SERVER, key, hosts, validity, None, os.urandom)
        for path, content in ((key_file, issuing.key_pem(key)), (certificate, issuing.certificate_pem(made))):
            path.unlink(missing_ok=True)  # half of a pair, left by somebody who was interrupted
            write_durable(LocalDisk(), path, content, mode=_KEY_MODE)
    return replace(settings, tls=replace(settings.tls, certificate=certificate, key=key_file))
