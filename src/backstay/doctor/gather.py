"""Looking at everything once: the host, the files of the installation, the members, the backups.

Called by the command line with a `Search` that says where to look. Nothing is changed. Every step has a short deadline; what
fails becomes part of the facts.
"""

from __future__ import annotations

import contextlib
import os
import stat
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from backstay.clock import Clock
from backstay.cluster.host import Host
from backstay.doctor import backup_files, certificate_files, large_keys, live, store_files, sync_probe
from backstay.doctor.api_server import look_at_api_server
from backstay.doctor.certificate_files import CertificateFile, CertificatePlace
from backstay.doctor.facts import (
    DEFAULT_QUOTA_BYTES,
    ApiServerFacts,
    BackupFacts,
    Facts,
    LargeKey,
    PathFact,
    StoredFacts,
)
from backstay.etcd.connection import ConnectionOptions, Endpoint
from backstay.etcd.discovery import Discovery, Installation
from backstay.findings import Severity, worst
from backstay.telemetry import Progress, SilentProgress

CLIENT_PORT = 2379
DIRECTORY_MODE = 0o700
PRIVATE_FILE_MODE = 0o600


@dataclass(frozen=True, slots=True)
class Search:
    """Where to look. `data_dir` or `snapshot` alone means: only there, not at this host's etcd.

    `options` reach the members; None when nobody can (no endpoint, unreadable credentials). `backup_directories` add to the
    usual ones. `probe` allows writing and syncing a few small files beside the data.
    """

    discovery: Discovery | None = None
    data_dir: Path | None = None
    snapshot: Path | None = None
    options: ConnectionOptions | None = None
    backup_directories: tuple[Path, ...] = ()
    probe: bool = False

    @property
    def is_of_files_only(self) -> bool:
        """Whether one directory or snapshot is judged, not a host."""
        return self.data_dir is not None or self.snapshot is not None


def gather(search: Search, host: Host, clock: Clock, progress: Progress | None = None) -> Facts:
    """Look at everything that `search` names."""
    progress = progress or SilentProgress()
    if search.is_of_files_only:
        return _of_files(search, host, clock, progress)
    discovery = search.discovery
    installation = discovery.chosen if discovery is not None else None
    data_dir = installation.data_dir if installation is not None else None
    progress.begin("asking the members", None)
    answers = live.ask(search.options, clock) if search.options is not None else None
    stored = None
    if data_dir is not None and not (answers is not None and answers.serves):
        progress.begin("reading the database", None)
        stored = store_files.of_directory(data_dir)
    port = _client_port(installation)
    progress.begin("looking at the host", None)
    api_server = look_at_api_server(host)
    backups = backup_files.look(host, search.backup_directories, data_dir)
    return Facts(
        now=clock.now(),
        discovery=discovery,
        installation=installation,
        data_dir=data_dir,
        data_disk=host.disk(data_dir) if data_dir is not None else None,
        wal_disk=host.disk(installation.paths["wal-dir"]) if installation and "wal-dir" in installation.paths else None,
        quota_bytes=_quota(installation),
        processes=host.processes(),
        listeners=host.listeners(),
        connections=host.connections(port),
        clock=host.clock(),
        paths=tuple(_modes(installation, data_dir)),
        certificates=_certificates(installation, api_server),
        stored=stored,
        live=answers,
        backups=backups,
        api_server=api_server,
        large_keys=_large_keys(stored, backups),
        sync_seconds=sync_probe.measure(data_dir) if search.probe and data_dir is not None else (),
    )


def _of_files(search: Search, host: Host, clock: Clock, progress: Progress) -> Facts:
    progress.begin("reading the database", None)
    if search.snapshot is not None:
        snapshot = store_files.of_snapshot(search.snapshot)
        return Facts(now=clock.now(), stored=snapshot, large_keys=_large_keys(snapshot, ()))
    assert search.data_dir is not None
    stored = store_files.of_directory(search.data_dir)
    return Facts(
        now=clock.now(),
        data_dir=search.data_dir,
        data_disk=host.disk(search.data_dir),
        paths=tuple(_modes(None, search.data_dir)),
        stored=stored,
        large_keys=_large_keys(stored, ()),
        sync_seconds=sync_probe.measure(search.data_dir) if search.probe else (),
    )


def _large_keys(stored: StoredFacts | None, backups: tuple[BackupFacts, ...]) -> tuple[LargeKey, ...]:
    """Of the store that was read, if it is sound; else of the newest whole backup that is not sealed."""
    if stored is not None:
        is_sound = stored.inspection is not None and worst(stored.findings) is not Severity.ERROR
        return large_keys.find(stored.path) if is_sound else ()
    whole = [each for found in backups for each in found.files if not each.problem and each.path.suffix == ".db"]
    newest = max(whole, key=lambda each: each.modified, default=None)
    return large_keys.find(newest.path) if newest is not None else ()


def _client_port(installation: Installation | None) -> int:
    if installation is None:
        return CLIENT_PORT
    return Endpoint.parse(installation.endpoint).port


def _quota(installation: Installation | None) -> int | None:
    """The quota that the flags set; None where it is switched off, or where nobody knows the flags."""
    if installation is None:
        return None
    try:
        quota = int(installation.flags.get("quota-backend-bytes", "0"))
    except ValueError:
        return None
    if quota < 0:
        return None
    return quota or DEFAULT_QUOTA_BYTES


def _modes(installation: Installation | None, data_dir: Path | None) -> Iterator[PathFact]:
    """Modes and owners of what should be private: the data, and the keys."""
    wanted: list[tuple[Path, str, int]] = []
    if data_dir is not None:
        member = data_dir / "member"
        wanted += [(each, "directory", DIRECTORY_MODE) for each in (data_dir, member, member / "snap", member / "wal")]
        wanted.append((member / "snap" / "db", "database", PRIVATE_FILE_MODE))
    if installation is not None:
        keys = {installation.paths[name] for name in ("key-file", "peer-key-file") if name in installation.paths}
        if installation.credentials.key:
            keys.add(Path(installation.credentials.key))
        wanted += [(key, "private key", PRIVATE_FILE_MODE) for key in sorted(keys)]
    for path, what, mode in wanted:
        with contextlib.suppress(OSError):
            status = os.stat(path)
            yield PathFact(path, what, stat.S_IMODE(status.st_mode), status.st_uid, mode)


def _certificates(installation: Installation | None, api_server: ApiServerFacts | None) -> tuple[CertificateFile, ...]:
    if installation is None:
        return ()
    hosts = frozenset(Endpoint.parse(url).host for url in installation.client_urls)
    places = certificate_files.places(installation.paths, hosts)
    authority = Path(installation.credentials.cacert) if installation.credentials.cacert else None
    if installation.credentials.cert:
        places.append(
            CertificatePlace(
                "client certificate of this tool",
                Path(installation.credentials.cert),
                Path(installation.credentials.key),
                authority,
            )
        )
    if api_server is not None and "etcd-certfile" in api_server.paths:
        places.append(
            CertificatePlace(
                "client certificate of the API server",
                api_server.paths["etcd-certfile"],
                api_server.paths.get("etcd-keyfile"),
                installation.paths.get("trusted-ca-file", authority),
            )
        )
    return tuple(certificate_files.read(place) for place in _once_each(places))


def _once_each(places: Sequence[CertificatePlace]) -> list[CertificatePlace]:
    """The server's own certificate may also be the one that this tool shows; it is judged once, as the server's."""
    return list({place.certificate: place for place in reversed(places)}.values())[::-1]
