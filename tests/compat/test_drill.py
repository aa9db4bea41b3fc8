"""A drill starts a real etcd on the restored file and believes only what it answers."""

from __future__ import annotations

from pathlib import Path

import pytest

from backstay import errors
from backstay.clock import SystemClock
from backstay.cluster.etcd_program import EtcdProgram, find_etcd
from backstay.durable import LocalDisk
from backstay.errors import BackstayError
from backstay.jobs.drill import DrillOptions, DrillReport, drill
from backstay.telemetry import SilentProgress
from tests import golden
from tests.peers import Peer

PASSWORDS = golden.expectation("3.7.3/snapshot")["passwords"]


@pytest.fixture
def snapshot(tmp_path: Path) -> Path:
    """A snapshot of 3.7.3 with users in it."""
    path = tmp_path / "snapshot.db"
    path.write_bytes(golden.snapshot("3.7.3"))
    return path


def rehearse(snapshot: Path, program: EtcdProgram | None, **options: str) -> DrillReport:
    return drill(
        DrillOptions(snapshot, program, **options), disk=LocalDisk(), clock=SystemClock(), progress=SilentProgress()
    )


def test_every_release_answers_what_the_file_promised(etcd_peer: Peer, snapshot: Path) -> None:
    report = rehearse(snapshot, EtcdProgram(etcd_peer.etcd, etcd_peer.version), user="root", password=PASSWORDS["root"])
    assert report.passed
    assert report.level == "drilled"
    assert all(each.answered == each.predicted for each in report.comparisons)
    assert [phase.name for phase in report.phases] == ["check", "restore", "count", "start", "compare"]
    assert report.keys == sum(report.resources.values())


def test_without_a_user_the_report_says_what_was_not_asked(newest_peer: Peer, snapshot: Path) -> None:
    report = rehearse(snapshot, EtcdProgram(newest_peer.etcd, newest_peer.version))
    assert report.level == "rebuilt"
    assert all(each.answered is None for each in report.comparisons)
    assert "--user" in report.notes[0]


def test_without_a_server_a_drill_is_not_called_one(snapshot: Path) -> None:
    report = rehearse(snapshot, None)
    assert report.passed
    assert report.level == "rebuilt"
    assert "no real etcd" in report.notes[0]


def test_nothing_of_a_drill_stays_behind(snapshot: Path, tmp_path: Path) -> None:
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    drill(DrillOptions(snapshot, None, scratch), disk=LocalDisk(), clock=SystemClock(), progress=SilentProgress())
    assert list(scratch.iterdir()) == []
    snapshot.write_bytes(golden.damaged("05-flip-in-value"))
    with pytest.raises(BackstayError) as refused:
        drill(DrillOptions(snapshot, None, scratch), disk=LocalDisk(), clock=SystemClock(), progress=SilentProgress())
    assert refused.value.kind is errors.TRAILER_MISMATCH
    assert list(scratch.iterdir()) == []


def test_a_server_that_cannot_start_is_an_error_with_its_words(snapshot: Path, tmp_path: Path) -> None:
    fake = tmp_path / "etcd"
    fake.write_text(
        '#!/bin/sh\n[ "$1" = --version ] && echo "etcd Version: 3.7.3" && exit\necho "panic: no" >&2\nexit 2\n'
    )
    fake.chmod(0o755)
    program = find_etcd(fake, "")
    assert program is not None
    with pytest.raises(BackstayError) as refused:
        rehearse(snapshot, program)
    assert refused.value.kind is errors.ETCD_DOES_NOT_START
    assert "panic: no" in refused.value.why


def test_a_program_that_is_no_etcd_is_refused() -> None:
    with pytest.raises(BackstayError) as refused:
        find_etcd(Path("/bin/true"), "")
    assert refused.value.kind is errors.ETCD_PROGRAM_MISSING
