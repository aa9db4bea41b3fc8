"""What a cluster on this machine is: its members, addresses and program, as `cluster.json` keeps it.

    {"format": 1, "name": "local", "token": "local-5f0c...", "etcd": {"path": "/usr/bin/etcd", "version": "3.7.3"},
     "tls": true, "origin": "directory", "source": "/var/lib/store",
     "members": [{"name": "default", "client_url": "https://127.0.0.1:21000", "peer_url": "https://127.0.0.1:21001"}, ...]}

Written once, before anything starts, and never changed: which process a member is stands in a file of its own. Paths of what
the cluster has made follow from where `cluster.json` lies; only the directory that was grown, the first member's, is elsewhere.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from typing import Any

from backstay import errors
from backstay.cluster.certificates import AUTHORITY
from backstay.cluster.certificates.layout import HEALTHCHECK
from backstay.cluster.etcd_program import EtcdProgram
from backstay.etcd.connection import ConnectionOptions, Credentials, Endpoint

FILE_NAME = "cluster.json"
FORMAT = 1
MOST_MEMBERS = 7
SIZE_LIMIT_BYTES = 1 << 20
SAFE_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,62}", re.ASCII)


class Origin(Enum):
    """Where the keys come from: nowhere, a snapshot file, or a data directory that goes on living as the first member."""

    NEW = "new"
    FILE = "file"
    DIRECTORY = "directory"


@dataclass(frozen=True, slots=True)
class LocalMember:
    """One member. `number` counts from 1."""

    number: int
    name: str
    data_directory: Path
    client_url: str
    peer_url: str

    @property
    def has_data(self) -> bool:
        """Whether it has ever been started, or restored."""
        return (self.data_directory / "member" / "wal").is_dir()


@dataclass(frozen=True, slots=True)
class LocalCluster:
    """A cluster on this machine. `directory` is absolute."""

    directory: Path
    name: str
    token: str
    program: EtcdProgram
    is_tls: bool
    origin: Origin
    source: Path | None
    members: tuple[LocalMember, ...]

    @property
    def pki(self) -> Path:
        """Where its certificates are, with TLS."""
        return self.directory / "pki"

    @property
    def data(self) -> Path:
        """Where the data directories are that it has made."""
        return self.directory / "data"

    @property
    def initial_cluster(self) -> str:
        """All members as etcd's --initial-cluster wants them."""
        return ",".join(f"{member.name}={member.peer_url}" for member in self.members)

    def log(self, member: LocalMember) -> Path:
        """What `member` says."""
        return self.directory / f"{member.number}.log"

    def process_file(self, member: LocalMember) -> Path:
        """Which process `member` is."""
        return self.directory / f"{member.number}.process.json"

    def credentials(self, user: str = "", password: str = "") -> Credentials:
        """Who clients are: the health check's certificate with TLS, and a user where the store has users."""
        if not self.is_tls:
            return Credentials(user=user, password=password)
        certificate, key = HEALTHCHECK.certificate_in(self.pki), HEALTHCHECK.key_in(self.pki)
        authority = AUTHORITY.certificate_in(self.pki)
        return Credentials(str(authority), str(certificate), str(key), user=user, password=password)

    def options(self, *members: LocalMember, user: str = "", password: str = "") -> ConnectionOptions:
        """How to reach `members`, or all of them."""
        urls = [member.client_url for member in members or self.members]
        return ConnectionOptions.of(urls, self.credentials(user, password))

    def environment(self) -> dict[str, str]:
        """The variables that make etcdctl and backstay talk to this cluster."""
        said = {"ETCDCTL_ENDPOINTS": ",".join(member.client_url for member in self.members)}
        credentials = self.credentials()
        files = {"CACERT": credentials.cacert, "CERT": credentials.cert, "KEY": credentials.key}
        return said | {f"ETCDCTL_{name}": path for name, path in files.items() if path}


def encode_cluster(cluster: LocalCluster) -> bytes:
    """The bytes of `cluster.json`."""
    said = {
        "format": FORMAT,
        "name": cluster.name,
        "token": cluster.token,
        "etcd": {"path": str(cluster.program.path), "version": cluster.program.version},
        "tls": cluster.is_tls,
        "origin": cluster.origin.value,
        "source": str(cluster.source) if cluster.source is not None else None,
        "members": [
            {"name": each.name, "client_url": each.client_url, "peer_url": each.peer_url} for each in cluster.members
        ],
    }
    return json.dumps(said, ensure_ascii=False, indent=2).encode() + b"\n"


def load_cluster(directory: Path) -> LocalCluster:
    """The cluster in `directory`. Raises `CLUSTER_ABSENT`, and `FORMAT_INVALID` for a file that describes none."""
    directory = directory.absolute()
    path = directory / FILE_NAME
    try:
        with path.open("rb") as file:
            content = file.read(SIZE_LIMIT_BYTES)
    except (FileNotFoundError, NotADirectoryError):
        raise errors.CLUSTER_ABSENT.error(f"there is no cluster in `{directory}`", where=str(path)) from None
    except OSError as problem:
        raise errors.SOURCE_UNREADABLE.error(
            f"cannot read `{path}`", where=str(path), why=problem.strerror or str(problem)
        ) from problem
    try:
        return _decode(directory, json.loads(content))
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError, errors.BackstayError) as problem:
        raise errors.FORMAT_INVALID.error(
            f"`{path}` does not describe a cluster",
            where=str(path),
            why=str(problem),
            next_step="another release of backstay may have written it; find the processes with `pgrep -a etcd`",
        ) from problem


def _decode(directory: Path, said: dict[str, Any]) -> LocalCluster:
    if said["format"] != FORMAT:
        raise ValueError(f"format {said['format']!r} is unknown")
    origin = Origin(said["origin"])
    source = Path(_text(said["source"])) if said["source"] is not None else None
    if (source is None) != (origin is Origin.NEW):
        raise ValueError("origin and source do not fit together")
    listed = said["members"]
    if not isinstance(listed, list) or not 0 < len(listed) <= MOST_MEMBERS:
        raise ValueError("the number of members is not possible")
    members = []
    for number, each in enumerate(listed, start=1):
        name = _text(each["name"])
        is_grown = number == 1 and origin is Origin.DIRECTORY
        if not is_grown and not SAFE_NAME.fullmatch(name):
            raise ValueError(f"member name {name!r}")
        place = source if is_grown else directory / "data" / name
        assert place is not None
        urls = (_text(each["client_url"]), _text(each["peer_url"]))
        for url in urls:
            Endpoint.parse(url)
        members.append(LocalMember(number, name, place, *urls))
    program = EtcdProgram(Path(_text(said["etcd"]["path"])), _text(said["etcd"]["version"]))
    name, token = _text(said["name"]), _text(said["token"])
    return LocalCluster(directory, name, token, program, said["tls"] is True, origin, source, tuple(members))


def _text(value: object) -> str:
    if not isinstance(value, str) or "\0" in value:
        raise ValueError(f"{value!r} is no text")
    return value
