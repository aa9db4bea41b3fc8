"""Killed after any line of its journal, a recovery is finished by --resume and taken back byte for byte by --rollback."""

from __future__ import annotations

import hashlib
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

from backstay import errors
from backstay.cluster.host import LocalHost
from backstay.errors import BackstayError
from backstay.jobs.recover import RecoverOptions
from tests import peers
from tests.faulty_disk import DEAD
from tests.kubelet import ControlPlane
from tests.peers import Peer
from tests.recovering import break_database, fill, plan_on, recovery_on, save

REPOSITORY = Path(__file__).resolve().parents[2]
KEYS = 40
DONE_LINES = range(1, 18, 2)
"""The plan, then two lines for each of eight steps: these are where a step is done."""


class Broken(NamedTuple):
    """A control plane whose etcd is dead, its snapshot, and a copy of its files as they are then."""

    plane: ControlPlane
    snapshot: Path
    peer: Peer
    original: Path


@pytest.fixture(scope="module")
def broken(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Broken]:
    place = tmp_path_factory.mktemp("killed")
    peer = peers.newest()
    with ControlPlane(place / "host", peer) as plane:
        plane.wait_ready()
        fill(plane, KEYS)
        snapshot = save(plane, place / "etcd.db")
        break_database(plane)
        for spare in (plane.data / "member/wal").glob("*.tmp"):
            spare.unlink()  # 64 MiB of nothing, copied for every case otherwise
        yield Broken(plane, snapshot, peer, copy(plane.root, place / "original"))


@pytest.mark.parametrize("line", DONE_LINES)
def test_a_recovery_killed_after_a_step_can_be_finished_and_taken_back(
    broken: Broken, line: int, tmp_path: Path
) -> None:
    plane = broken.plane
    bring(plane, broken.original)
    plane.kubelet.go_on()
    die(broken, line)
    stop(plane)
    killed = copy(plane.root, tmp_path / "killed")
    host = LocalHost(plane.root)

    plane.kubelet.go_on()
    with pytest.raises(BackstayError) as refused:
        recovery_on(host).refuse_unfinished()
    assert refused.value.kind is errors.RECOVERY_UNFINISHED
    report = recovery_on(host).resume()
    plane.wait_ready()
    with plane.client() as client:
        assert client.kv.range(b"/registry/", range_end=b"/registry0", count_only=True).count == KEYS
    assert report.keys == KEYS
    assert len(report.seconds) == 8
    assert files(Path(report.kept[0])) == files(broken.original / "var/lib/etcd")
    stop(plane)

    bring(plane, killed)
    recovery_on(host).rollback()
    assert_as_before(broken)


def test_a_recovery_killed_before_a_step_is_done_can_be_taken_back(broken: Broken, tmp_path: Path) -> None:
    """Every state in the middle: the files are copied at each line while a whole recovery runs; a kill leaves just these."""
    plane = broken.plane
    bring(plane, broken.original)
    host = LocalHost(plane.root)
    states: list[Path] = []

    def keep(kind: str, step: str) -> None:
        states.append(copy(plane.root, tmp_path / f"{len(states):02}-{kind}-{step}"))

    plane.kubelet.go_on()
    recovery_on(host, keep).begin(plan_on(host, RecoverOptions(broken.snapshot)))
    stop(plane)
    assert [state.name.split("-")[1] for state in states] == ["plan", *["began", "done"] * 8, "finished"]
    for state in states:
        bring(plane, state)
        recovery_on(host).rollback()
        assert_as_before(broken)
        with pytest.raises(BackstayError) as refused:
            recovery_on(host).rollback()
        assert refused.value.kind is errors.RECOVERY_ABSENT


def die(broken: Broken, line: int) -> None:
    words = [broken.plane.root, broken.snapshot, broken.peer.etcd, broken.peer.version, line]
    done = subprocess.run(
        [sys.executable, "-m", "tests.crash.recover_then_die", *map(str, words)],
        cwd=REPOSITORY,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == DEAD, done.stderr


def stop(plane: ControlPlane) -> None:
    plane.kubelet.pause()
    plane.kubelet.kill_all()


def bring(plane: ControlPlane, state: Path) -> None:
    """Make the host's files those of `state`; nothing runs."""
    shutil.rmtree(plane.root)
    copy(state, plane.root)


def copy(source: Path, target: Path) -> Path:
    subprocess.run(["cp", "-a", "--sparse=always", source, target], check=True, stderr=subprocess.DEVNULL)
    return target


def assert_as_before(broken: Broken) -> None:
    root, original = broken.plane.root, broken.original
    for place in ("etc/kubernetes", "var/lib/etcd"):
        assert files(root / place) == files(original / place)
    assert sorted(each.name for each in (root / "etc/kubernetes").iterdir()) == ["manifests", "pki"]


def files(directory: Path) -> dict[str, tuple[int, int, str]]:
    """Mode, owner and content of everything below a directory."""
    found = {}
    for path in (directory, *directory.rglob("*")):
        status = path.stat()
        content = hashlib.blake2b(path.read_bytes()).hexdigest() if path.is_file() else ""
        found[str(path.relative_to(directory))] = (status.st_mode, status.st_uid, content)
    return found
