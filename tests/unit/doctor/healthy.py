"""A healthy host as facts: what every check must be silent about; tests change one thing at a time."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from backstay.cluster.host import ClockState, Connection, DiskSpace, Listener, Process
from backstay.doctor.certificate_files import CertificateFile
from backstay.doctor.facts import ApiServerFacts, BackupFacts, BackupFile, Facts, LiveFacts, PathFact
from backstay.etcd.connection import Credentials, Endpoint
from backstay.etcd.discovery import Discovery, Installation, InstallationKind
from backstay.etcd.health import EndpointHealth
from backstay.etcd.results import HashKV, Header, Member, MemberStatus
from backstay.values import ClusterId, MemberId, Revision

NOW = datetime(2026, 11, 20, 18, 30, tzinfo=UTC)
DATA_DIR = Path("/var/lib/etcd")
URL = "https://10.0.0.1:2379"
GIBIBYTE = 1 << 30

INSTALLATION = Installation(
    kind=InstallationKind.STATIC_POD,
    name="control-plane",
    found_in=Path("/etc/kubernetes/manifests/etcd.yaml"),
    client_urls=(URL,),
    credentials=Credentials(),
    data_dir=DATA_DIR,
    version="3.6.16",
    image="registry.k8s.io/etcd:3.6.16-0",
    flags={"client-cert-auth": "true", "initial-cluster": "control-plane=https://10.0.0.1:2380"},
)
DISK = DiskSpace("/", "ext4", 100 * GIBIBYTE, 60 * GIBIBYTE, 1000, 900, is_read_only=False)
ETCD = Process(100, "etcd", ("etcd", "--data-dir=/var/lib/etcd"), 0)
API_SERVER = Process(101, "kube-apiserver", ("kube-apiserver", "--secure-port=6443"), 0)
SERVER_CERTIFICATE = CertificateFile(
    path=Path("/etc/kubernetes/pki/etcd/server.crt"),
    what="server certificate",
    subject="CN=control-plane",
    not_before=NOW - timedelta(days=10),
    not_after=NOW + timedelta(days=300),
    names=frozenset({"10.0.0.1", "127.0.0.1", "localhost"}),
    key_fits=True,
    authority=Path("/etc/kubernetes/pki/etcd/ca.crt"),
    is_issued_by_authority=True,
    is_for_servers=True,
    wanted_names=frozenset({"10.0.0.1"}),
)
BACKUP = BackupFile(Path("/backup/etcd-backup-20261120-180000.db"), NOW - timedelta(minutes=30), 200 << 20)


def status(**changes: Any) -> MemberStatus:
    """What a healthy member says of itself."""
    said = MemberStatus(
        header=Header(ClusterId(1), MemberId(2), Revision(5000), 3),
        version="3.6.16",
        database_size_bytes=200 << 20,
        database_in_use_bytes=180 << 20,
        leader=MemberId(2),
        raft_index=9000,
        raft_term=3,
        raft_applied_index=9000,
        errors=(),
        is_learner=False,
        storage_version="3.6.0",
        quota_bytes=2 * GIBIBYTE,
        downgrade_target="",
    )
    return replace(said, **changes)


def health(endpoint: str = URL, **changes: Any) -> EndpointHealth:
    """A member that answers."""
    return EndpointHealth(Endpoint.parse(endpoint), status(**changes))


def hashed(value: int, *, revision: int = 5000, compact_revision: int = 4000) -> HashKV:
    """One member's answer to HashKV."""
    return HashKV(value, Revision(compact_revision), Revision(revision), Revision(revision))


def member(number: int, *, name: str = "control-plane", is_learner: bool = False, peer: str = "") -> Member:
    """One member of the list."""
    return Member(MemberId(number), name, (peer or "https://10.0.0.1:2380",), (URL,), is_learner)


LIVE = LiveFacts((health(),), (member(2),), {URL: hashed(1)}, compact_lag=1000)

FACTS = Facts(
    now=NOW,
    discovery=Discovery((INSTALLATION,), INSTALLATION, (), ("/etc/kubernetes/manifests/etcd.yaml",)),
    installation=INSTALLATION,
    data_dir=DATA_DIR,
    data_disk=DISK,
    quota_bytes=2 * GIBIBYTE,
    processes=(ETCD, API_SERVER),
    listeners=(Listener("10.0.0.1", 2379, 100), Listener("127.0.0.1", 2379, 100)),
    connections=(Connection(2379, "10.0.0.1", 50000, 101),),
    clock=ClockState(True),
    paths=(PathFact(DATA_DIR, "directory", 0o700, 0, 0o700),),
    certificates=(SERVER_CERTIFICATE,),
    live=LIVE,
    backups=(BackupFacts(Path("/backup"), (BACKUP,), DISK),),
    api_server=ApiServerFacts(Path("/etc/kubernetes/manifests/kube-apiserver.yaml"), (URL,), {}, 200, True),
    sync_seconds=(0.001,) * 100,
)


def facts(**changes: Any) -> Facts:
    """A healthy host but for `changes`."""
    return replace(FACTS, **changes)


def live(healths: Iterable[EndpointHealth], **changes: Any) -> LiveFacts:
    """Healthy answers but for these members and `changes`."""
    return replace(LIVE, healths=tuple(healths), **changes)
