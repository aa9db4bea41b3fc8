"""The stand-alone reader gives the bytes that backstay gives, from repositories of every kind, and refuses damage."""

from __future__ import annotations

import random
import subprocess
import sys
from datetime import timedelta
from pathlib import Path

import pytest

from backstay.blobs.local import LocalStore
from backstay.clock import SystemClock
from backstay.durable import LocalDisk
from backstay.jobs.points.restore import plan_restore, restore
from backstay.repository.continuing import BaseRule
from backstay.telemetry import SilentProgress
from tests.backing_up import Cluster, Place, small_history
from tests.retaining import Maintained

READER = Path(__file__).resolve().parents[2] / "tools" / "standalone_reader.py"
MOST_LINES = 300


def read(place: Path, output: Path, *options: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-I", READER, place, output, *options]
    return subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)


@pytest.mark.parametrize("encryption", ["sealed", "plaintext"])
def test_the_reader_extracts_what_backstay_restores(encryption: str, tmp_path: Path) -> None:
    (tmp_path / "repository").mkdir()
    place = Place(LocalStore(tmp_path / "repository"), plaintext=encryption == "plaintext")
    cluster, source = small_history(), random.Random(2)
    for _ in range(3):
        place.back_up(cluster)
        for number in range(300):
            cluster.put(b"/registry/pods/%d" % source.randrange(200), source.randbytes(source.choice((0, 50, 9000))))
            if number % 7 == 0:
                cluster.delete(b"/registry/pods/%d" % source.randrange(200))
        cluster.put(b"long/" + b"k" * 20_000, b"v")
        cluster.compact(cluster.revision - 40)
    place.back_up(cluster)
    (tmp_path / "identity").write_text(f"# recovery\n{place.recovery.secret}\n")
    options = ["--identity", str(tmp_path / "identity")] if encryption == "sealed" else []
    for point in place.catalogue().points:
        reader = place.reader(point)
        target = tmp_path / f"{point.sequence}.db"
        restore(
            reader, plan_restore(reader, target),
            disk=LocalDisk(), clock=SystemClock(), entropy=place.entropy, progress=SilentProgress(),
        )  # fmt: skip
        done = read(tmp_path / "repository", tmp_path / f"{point.sequence}.alone", *options, "--at", point.id)
        assert done.returncode == 0, done.stderr
        assert (tmp_path / f"{point.sequence}.alone").read_bytes() == target.read_bytes()


def test_the_reader_follows_marks_merges_and_a_chain_that_begins_late(tmp_path: Path) -> None:
    (tmp_path / "repository").mkdir()
    place = Maintained(spill=tmp_path, store=LocalStore(tmp_path / "repository"))
    cluster = small_history()
    for number in range(8):
        cluster.put(b"number", b"%d" % number)
        place.back_up(cluster, rule=BaseRule() if number != 3 else BaseRule(max_ratio=0.0))
    points = place.catalogue().points
    place.expire([*points[:3], points[4], points[5]])
    assert place.merge().rows == 1
    place.now = place.clock.time = SystemClock().now() + timedelta(days=9)
    assert place.sweep().manifests == 3
    (tmp_path / "identity").write_text(place.recovery.secret)
    options = ["--identity", str(tmp_path / "identity")]
    left = place.catalogue().points
    assert len(left) == 3
    for point in left:
        reader, target = place.reader(point), tmp_path / f"{point.sequence}.db"
        restore(
            reader, plan_restore(reader, target),
            disk=LocalDisk(), clock=SystemClock(), entropy=place.entropy, progress=SilentProgress(),
        )  # fmt: skip
        done = read(tmp_path / "repository", tmp_path / f"{point.sequence}.alone", *options, "--at", point.id)
        assert done.returncode == 0, done.stderr
        assert (tmp_path / f"{point.sequence}.alone").read_bytes() == target.read_bytes()
    assert "no backup" in read(tmp_path / "repository", tmp_path / "x", *options, "--at", points[4].id).stderr
    (tmp_path / "repository" / left[0].where).unlink()
    assert "begins late" in read(tmp_path / "repository", tmp_path / "x", *options).stderr


def test_the_reader_extracts_the_state_of_points_whose_history_has_faded(tmp_path: Path) -> None:
    (tmp_path / "repository").mkdir()
    place = Maintained(spill=tmp_path, store=LocalStore(tmp_path / "repository"))
    cluster = small_history()
    for number in range(5):
        cluster.put(b"number", b"%d" % number)
        cluster.put(b"number", b"%d again" % number)
        if number == 2:
            cluster.delete(b"a")  # the newest record of this point is a deletion
        place.back_up(cluster)
    points = place.catalogue().points
    place.fade(points[:4])
    place.recall(place.catalogue().points[:1])
    place.now = place.clock.time = SystemClock().now() + timedelta(days=2)
    place.sweep()
    place.fade(points[4:])
    (tmp_path / "identity").write_text(place.recovery.secret)
    points = place.catalogue().points
    assert [each.is_state_only for each in points] == [False, True, True, True, True]
    for point in points:
        reader, target = place.reader(point), tmp_path / f"{point.sequence}.db"
        restore(
            reader, plan_restore(reader, target),
            disk=LocalDisk(), clock=SystemClock(), entropy=place.entropy, progress=SilentProgress(),
        )  # fmt: skip
        options = ["--identity", str(tmp_path / "identity"), "--at", point.id]
        done = read(tmp_path / "repository", tmp_path / f"{point.sequence}.alone", *options)
        assert done.returncode == 0, done.stderr
        assert (tmp_path / f"{point.sequence}.alone").read_bytes() == target.read_bytes()


def test_the_reader_refuses_damage_a_missing_identity_and_an_existing_file(tmp_path: Path) -> None:
    (tmp_path / "repository").mkdir()
    place, cluster = Place(LocalStore(tmp_path / "repository")), Cluster()
    cluster.put(b"a", b"1")
    point = place.back_up(cluster)
    (tmp_path / "identity").write_text(place.operator.secret)
    options = ("--identity", str(tmp_path / "identity"))
    assert "encrypted" in read(tmp_path / "repository", tmp_path / "out").stderr
    assert read(tmp_path / "repository", tmp_path / "identity", *options).returncode != 0
    assert (tmp_path / "identity").read_text() == place.operator.secret
    for name in (point.manifest.runs[0].name, point.manifest.where, "backstay.json"):
        path = tmp_path / "repository" / name
        data = path.read_bytes()
        path.write_bytes(data[:30] + bytes((data[30] ^ 1,)) + data[31:])
        assert read(tmp_path / "repository", tmp_path / "out", *options).returncode != 0, name
        path.write_bytes(data)
    assert not (tmp_path / "out").exists()


def test_the_reader_stays_small_and_needs_nothing_of_backstay() -> None:
    text = READER.read_text()
    assert len(text.splitlines()) <= MOST_LINES
    assert "import backstay" not in text
    assert "from backstay" not in text
