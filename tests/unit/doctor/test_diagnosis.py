"""One cause, and the one that explains the others."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from backstay.doctor import checks
from backstay.doctor.check import run_checks
from backstay.doctor.diagnosis import diagnose
from backstay.doctor.facts import Facts, StoredFacts
from tests.unit.doctor.healthy import DISK, FACTS, facts, live
from tests.unit.doctor.test_checks import DAMAGE, TRIGGERS, no_answer

FULL = replace(DISK, available=1 << 20)
DEAD = {"processes": (), "listeners": (), "live": live([no_answer()])}
DAMAGED = StoredFacts(Path("/var/lib/etcd/member/snap/db"), None, (DAMAGE,))
API_SERVER_DOWN = replace(FACTS.api_server, ready=None)  # type: ignore[type-var]


def cause(of: Facts) -> str:
    return diagnose(run_checks(checks.ALL, of), of).cause


def test_a_healthy_host_has_no_cause() -> None:
    assert cause(FACTS) == "none"


@pytest.mark.parametrize(
    ("of", "expected"),
    [
        (facts(**DEAD, data_disk=FULL, stored=DAMAGED, api_server=API_SERVER_DOWN), "disk-full-and-database-damaged"),
        (facts(**DEAD, data_disk=FULL, api_server=API_SERVER_DOWN), "disk-full"),
        (facts(**DEAD, stored=DAMAGED, api_server=API_SERVER_DOWN), "database-damaged"),
        (facts(**DEAD, api_server=API_SERVER_DOWN), "etcd-not-running"),
        (facts(api_server=API_SERVER_DOWN), "api-server-not-ready"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_the_first_cause_in_the_chain_is_named(of: Facts, expected: str) -> None:
    assert cause(of) == expected


@pytest.mark.parametrize(
    ("code", "expected"),
    [
        ("quota-exceeded", "quota-exceeded"),
        ("alarm-nospace", "quota-exceeded"),
        ("certificate-expired", "certificate-expired"),
        ("certificate-issuer", "certificate-wrong"),
        ("hashes-differ", "members-diverged"),
        ("no-quorum", "quorum-lost"),
        ("port-taken", "port-taken"),
        ("credentials-refused", "no-access"),
        ("backup-invalid", "backup-invalid"),
    ],
)
def test_each_trouble_alone_is_its_own_cause(code: str, expected: str) -> None:
    assert cause(TRIGGERS[code]()) == expected


def test_the_next_command_restores_the_newest_backup_that_is_whole() -> None:
    damaged = facts(**DEAD, stored=DAMAGED)
    command = diagnose(run_checks(checks.ALL, damaged), damaged).next_command
    assert command == "sudo backstay recover --from /backup/etcd-backup-20261120-180000.db"
