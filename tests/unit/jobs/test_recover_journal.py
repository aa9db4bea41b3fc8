"""The journal of a recovery survives what kills its writer, and only one recovery of a host is at work."""

from __future__ import annotations

from pathlib import Path

import pytest

from backstay import errors
from backstay.clock import SystemClock
from backstay.cluster.host import LocalHost
from backstay.durable import LocalDisk
from backstay.errors import BackstayError
from backstay.jobs.recover import RecoverOptions, RecoverPlan, journal
from backstay.jobs.recover.journal import Journal
from backstay.jobs.recover.plan import plan_from_json, plan_to_json
from tests import golden
from tests.kubelet import ControlPlane
from tests.peers import Peer
from tests.recovering import plan_on

DISK, CLOCK = LocalDisk(), SystemClock()


@pytest.fixture
def plan(newest_peer: Peer, tmp_path: Path) -> RecoverPlan:
    snapshot = tmp_path / "etcd.db"
    snapshot.write_bytes(golden.snapshot("3.6.16"))
    plane = ControlPlane(tmp_path / "host", newest_peer)
    return plan_on(LocalHost(plane.root), RecoverOptions(snapshot))


@pytest.fixture
def written(plan: RecoverPlan) -> Journal:
    with journal.exclusive(LocalHost(plan.host_root), DISK) as directory:
        return journal.create(directory, plan, DISK, CLOCK)


def again(plan: RecoverPlan) -> Journal:
    found = journal.newest(plan.host_root / journal.DIRECTORY.lstrip("/"), DISK, CLOCK)
    assert found is not None
    return found


def test_a_plan_comes_back_from_the_journal_as_it_was(plan: RecoverPlan) -> None:
    assert plan_from_json(plan_to_json(plan)) == plan


def test_what_was_written_is_read_by_another_process(plan: RecoverPlan, written: Journal) -> None:
    written.add("began", step="stop")
    written.add("done", step="stop", seconds=1.5, result={"kept": []})
    written.add("began", step="restore")
    found = again(plan)
    assert found.plan == plan
    assert found.result("stop") == {"kept": []}
    assert found.has_begun("restore")
    assert found.result("restore") is None
    assert found.seconds() == {"stop": 1.5}


def test_a_line_that_was_being_written_never_happened(plan: RecoverPlan, written: Journal) -> None:
    written.add("began", step="stop")
    whole = written.path.read_bytes()
    written.add("done", step="stop", seconds=0.0, result={})
    line = written.path.read_bytes()[len(whole) :]
    for length in range(len(line)):
        written.path.write_bytes(whole + line[:length])
        found = again(plan)
        assert found.result("stop") is None
        found.add("began", step="check")
        assert again(plan).has_begun("check")


def test_a_journal_that_is_none_is_named(plan: RecoverPlan, written: Journal) -> None:
    written.path.write_text('{"kind": "plan", "at": "now"}\n')
    with pytest.raises(BackstayError) as refused:
        again(plan)
    assert refused.value.kind is errors.FORMAT_INVALID
    assert refused.value.where == str(written.path)


def test_two_recoveries_are_never_at_work_together(plan: RecoverPlan) -> None:
    host = LocalHost(plan.host_root)
    with journal.exclusive(host, DISK), pytest.raises(BackstayError) as refused, journal.exclusive(host, DISK):
        pass
    assert refused.value.kind is errors.RECOVERY_UNFINISHED
    with journal.exclusive(host, DISK):
        pass
