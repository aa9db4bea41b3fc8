"""Every finding of doctor has facts that trigger it; a healthy host triggers none."""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from backstay import errors, findings
from backstay.cluster.host import ClockState, Connection, Listener, Process
from backstay.doctor import checks
from backstay.doctor.check import run_checks
from backstay.doctor.facts import BackupFacts, Facts, LargeKey, PathFact, StoredFacts
from backstay.etcd.connection import Endpoint
from backstay.etcd.discovery import Discovery
from backstay.etcd.health import EndpointHealth
from backstay.etcd.results import Alarm, AlarmType
from backstay.findings import FindingKind, Severity
from backstay.values import MemberId
from tests.unit.doctor import healthy
from tests.unit.doctor.healthy import (
    DISK,
    INSTALLATION,
    NOW,
    SERVER_CERTIFICATE,
    URL,
    facts,
    hashed,
    health,
    live,
    member,
)

OTHER_URL = "https://10.0.0.2:2379"
DAMAGE = findings.Finding(
    "bbolt-page-damaged", Severity.ERROR, "bucket key", "page 7 says it is page 9", "another copy"
)


def flags(**changes: str) -> Facts:
    """A healthy host whose etcd has these flags instead."""
    return facts(installation=replace(INSTALLATION, flags=changes))


def certificate(**changes: object) -> Facts:
    """A healthy host but for its server certificate."""
    return facts(certificates=(replace(SERVER_CERTIFICATE, **changes),))  # type: ignore[arg-type]


def backups(*files: tuple[timedelta, int, str]) -> Facts:
    """Backups by age, size and problem, the newest first."""
    found = [replace(healthy.BACKUP, modified=NOW - age, size=size, problem=problem) for age, size, problem in files]
    return facts(backups=(BackupFacts(Path("/backup"), tuple(found), DISK),))


def no_answer(kind: errors.ErrorKind = errors.ENDPOINT_UNREACHABLE) -> EndpointHealth:
    return EndpointHealth(Endpoint.parse(URL), problem=kind.error("no answer", why="connection refused"))


def stored(**changes: object) -> Facts:
    """A member that does not serve, whose files were read instead."""
    return facts(live=None, stored=replace(StoredFacts(Path("/var/lib/etcd/member/snap/db"), None), **changes))  # type: ignore[arg-type]


HOUR, DAY = timedelta(hours=1), timedelta(days=1)

TRIGGERS: dict[str, Callable[[], Facts]] = {
    "no-installation": lambda: facts(
        discovery=Discovery((), None, (), ("/etc/kubernetes/manifests/etcd.yaml",)), installation=None, live=None
    ),
    "several-installations": lambda: facts(
        discovery=Discovery((INSTALLATION, replace(INSTALLATION, data_dir=Path("/srv/etcd"))), INSTALLATION, (), ())
    ),
    "api-server-not-ready": lambda: facts(api_server=replace(healthy.FACTS.api_server, ready=500)),  # type: ignore[type-var]
    "disk-full": lambda: facts(data_disk=replace(DISK, available=1 << 20)),
    "disk-low": lambda: facts(data_disk=replace(DISK, available=5 << 30)),
    "disk-read-only": lambda: facts(data_disk=replace(DISK, is_read_only=True)),
    "inodes-low": lambda: facts(data_disk=replace(DISK, inodes_available=10)),
    "backup-disk-low": lambda: facts(
        backups=(BackupFacts(Path("/backup"), (healthy.BACKUP,), replace(DISK, available=100 << 20)),)
    ),
    "quota-exceeded": lambda: facts(live=live([health(database_size_bytes=2 << 30, database_in_use_bytes=2 << 30)])),
    "quota-low": lambda: facts(live=live([health(database_size_bytes=1800 << 20, database_in_use_bytes=1800 << 20)])),
    "quota-large": lambda: facts(live=live([health(quota_bytes=16 << 30)])),
    "quota-forecast": lambda: backups((HOUR, 1900 << 20, ""), (3 * DAY, 1600 << 20, "")),
    "fragmented": lambda: facts(live=live([health(database_size_bytes=400 << 20, database_in_use_bytes=100 << 20)])),
    "compaction-stalled": lambda: facts(live=live([health()], compact_lag=600_000)),
    "alarm-nospace": lambda: facts(live=live([replace(health(), alarms=(Alarm(MemberId(2), AlarmType.NOSPACE),))])),
    "alarm-corrupt": lambda: facts(live=live([replace(health(), alarms=(Alarm(MemberId(2), AlarmType.CORRUPT),))])),
    "alarm-unknown": lambda: facts(live=live([replace(health(), alarms=(Alarm(MemberId(2), 9),))])),  # type: ignore[arg-type]
    "etcd-not-running": lambda: facts(processes=(), listeners=()),
    "etcd-not-listening": lambda: facts(listeners=()),
    "port-taken": lambda: facts(
        processes=(Process(200, "nginx", ("nginx",), 0),), listeners=(Listener("0.0.0.0", 2379, 200),)
    ),
    "member-unreachable": lambda: facts(live=live([health(), no_answer()])),
    "no-quorum": lambda: facts(
        live=live([replace(health(), problem=errors.DEADLINE_EXCEEDED.error("no answer in time"))])
    ),
    "credentials-refused": lambda: facts(live=live([no_answer(errors.ENDPOINT_TLS)])),
    "database-damaged": lambda: stored(findings=(DAMAGE,)),
    "check-not-run": lambda: stored(problem=errors.SOURCE_UNREADABLE.error("may not be read")),
    "certificate-expired": lambda: certificate(not_after=NOW - DAY),
    "certificate-expires-now": lambda: certificate(not_after=NOW + 6 * DAY),
    "certificate-expires-soon": lambda: certificate(not_after=NOW + 20 * DAY),
    "certificate-names": lambda: certificate(names=frozenset({"10.9.9.9"})),
    "certificate-issuer": lambda: certificate(is_issued_by_authority=False),
    "certificate-key": lambda: certificate(key_fits=False),
    "certificate-unreadable": lambda: certificate(problem="No such file or directory"),
    "mode-too-open": lambda: facts(paths=(PathFact(Path("/var/lib/etcd"), "directory", 0o755, 0, 0o700),)),
    "no-leader": lambda: facts(live=live([health(leader=MemberId(0))])),
    "member-lags": lambda: facts(live=live([health(), health(OTHER_URL, raft_applied_index=1)])),
    "learner": lambda: facts(live=live([health(is_learner=True)])),
    "member-not-started": lambda: facts(live=live([health()], members=(member(2), member(3, name="")))),
    "members-differ-from-manifest": lambda: facts(
        live=live([health()], members=(member(2, peer="https://10.7.7.7:2380"),))
    ),
    "even-members": lambda: facts(live=live([health()], members=(member(2), member(3, name="two")))),
    "hashes-differ": lambda: facts(live=live([health()], hashes={URL: hashed(1), OTHER_URL: hashed(2)})),
    "open-client-port": lambda: flags(name="control-plane"),
    "no-client-certificate": lambda: replace(
        flags(name="control-plane"), listeners=(Listener("127.0.0.1", 2379, 100),)
    ),
    "other-clients": lambda: facts(
        processes=(healthy.ETCD, Process(300, "curl", ("curl",), 1000)),
        connections=(Connection(2379, "127.0.0.1", 40000, 300),),
    ),
    "no-backup": lambda: facts(backups=()),
    "backup-old": lambda: backups((2 * DAY, 200 << 20, "")),
    "backup-invalid": lambda: backups((HOUR, 10, "it has no SHA-256 at its end")),
    "key-large": lambda: facts(large_keys=(LargeKey("/registry/configmaps/default/big", 900 << 10, Path("/backup/x.db")),)),
    "clock-unsynchronized": lambda: facts(clock=ClockState(False)),
    "sync-slow": lambda: facts(sync_seconds=(0.02,) * 100),
    "sync-critical": lambda: facts(sync_seconds=(0.2,) * 100),
    "release-loses-data": lambda: facts(live=live([health(version="3.5.1")])),
    "release-defect": lambda: facts(live=live([health(version="3.5.10")])),
    "release-mixed": lambda: facts(live=live([health(), health(OTHER_URL, version="3.5.35")])),
    "release-unsupported": lambda: facts(live=live([health(version="3.4.45")])),
}  # fmt: skip


def declared() -> set[str]:
    """The codes of every finding that a module of doctor declares."""
    names = [f"{checks.__name__}.{each.name}" for each in pkgutil.iter_modules(checks.__path__)]
    modules = [importlib.import_module(name) for name in [*names, "backstay.doctor.check"]]
    kinds = {each for module in modules for each in vars(module).values() if isinstance(each, FindingKind)}
    doctors_own = findings.catalogue()
    return {kind.code for kind in kinds if doctors_own[kind.code] is kind} - {"alarm-inside"}


def codes(of: Facts) -> set[str]:
    return {finding.code for finding in run_checks(checks.ALL, of)}


def test_a_healthy_host_has_no_findings() -> None:
    assert run_checks(checks.ALL, healthy.FACTS) == ()


@pytest.mark.parametrize("code", sorted(TRIGGERS))
def test_every_finding_is_triggered_by_what_it_names(code: str) -> None:
    assert code in codes(TRIGGERS[code]())


def test_no_finding_is_without_a_trigger() -> None:
    assert declared() == set(TRIGGERS)


def test_every_check_has_a_name_of_its_own() -> None:
    names = [check.name for check in checks.ALL]
    assert len(names) == len(set(names))


def test_hashes_at_different_compact_revisions_are_not_compared() -> None:
    hashes = {URL: hashed(1), OTHER_URL: hashed(2, compact_revision=4500)}
    assert "hashes-differ" not in codes(facts(live=live([health()], hashes=hashes)))


def test_a_foreign_listener_on_another_address_does_not_hide_a_running_etcd() -> None:
    both = facts(listeners=(Listener("127.0.0.1", 2379, 100), Listener("10.9.9.9", 2379, 200)))
    assert "port-taken" not in codes(both)


def test_an_older_good_backup_does_not_hide_that_the_newest_is_bad() -> None:
    assert "backup-invalid" in codes(backups((HOUR, 10, "cut short"), (2 * HOUR, 200 << 20, "")))


def test_facts_of_a_snapshot_alone_are_judged_without_a_host() -> None:
    assert run_checks(checks.ALL, Facts(now=NOW)) == ()
