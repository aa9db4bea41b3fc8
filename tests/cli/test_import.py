"""`import`: dated files of all kinds become points with their times; forks are recognised, bad files left out."""

from __future__ import annotations

import bz2
import gzip
import json
import lzma
import os
import shutil
import subprocess
import zipfile
from pathlib import Path

import pyrage
import pytest
from backports import zstd

from tests import peers
from tests.backing_up import CANARY, Cluster
from tests.cli.test_repository import Desk


class Folder:
    """A directory of backups of one cluster, a day apart."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        directory.mkdir()
        self.cluster = Cluster()
        self.day = 0

    def add(self, pattern: str = "etcd-backup-202412{day:02d}-143022.db", cluster: Cluster | None = None) -> Path:
        """One more file, after one more write of `CANARY` or in the state of `cluster`."""
        self.day += 1
        if cluster is None:
            cluster = self.cluster
            cluster.put(b"/registry/secrets/a/%d" % self.day, CANARY + b"%d" % self.day)
        path = cluster.file(self.directory / pattern.format(day=self.day))
        os.utime(path, (1_700_000_000, 1_700_000_000))
        return path

    def wrap(self, path: Path, suffix: str, data: bytes) -> Path:
        """The file as `data` under a longer name."""
        path.unlink()
        wrapped = path.with_name(path.name + suffix)
        wrapped.write_bytes(data)
        return wrapped


@pytest.fixture
def desk(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Desk:
    desk = Desk(tmp_path, capsys)
    desk.found()
    return desk


@pytest.fixture
def folder(tmp_path: Path) -> Folder:
    return Folder(tmp_path / "old")


def test_every_kind_of_file_becomes_a_point_with_its_own_time(desk: Desk, folder: Folder) -> None:
    identity = pyrage.x25519.Identity.generate()
    (desk.directory / "old.key").write_text(f"# mine\n{identity}\n")
    folder.add()
    for suffix, pack in (
        (".gz", gzip.compress), (".zst", zstd.compress), (".xz", lzma.compress), (".bz2", bz2.compress),
    ):  # fmt: skip
        path = folder.add()
        folder.wrap(path, suffix, pack(path.read_bytes()))
    path = folder.add()
    folder.wrap(path, ".age", pyrage.encrypt(path.read_bytes(), [identity.to_public()]))
    path = folder.add()
    folder.wrap(path, ".zst.age", pyrage.encrypt(zstd.compress(path.read_bytes()), [identity.to_public()]))
    path = folder.add("on-demand-node1-17341{day:05d}")
    with zipfile.ZipFile(path.with_suffix(".zip"), "w", zipfile.ZIP_DEFLATED) as archive:
        archive.write(path, path.name)
    path.unlink()
    (folder.directory / "etcd-backup-20241201-143022.db.json").write_text("{}")
    arguments = ("import", folder.directory, desk.place, "-i", desk.directory / "old.key", "--cluster", "prod")
    planned = desk.json(*arguments, "--dry-run")
    assert [each["result"] for each in planned] == ["to import"] * 8
    assert desk.json("list", desk.place) == []
    report = desk.json(*arguments)
    assert [each["result"] for each in report] == ["imported"] * 8
    assert [each["packed"] for each in report] == [None, "gzip", "zstd", "xz", "bzip2", "age", "age", "zip"]
    listed = desk.json("list", desk.place, "-i", desk.key)
    assert [each["time"] for each in listed[:7]] == [f"2024-12-{day:02d}T14:30:22Z" for day in range(1, 8)]
    assert {each["cluster"] for each in listed} == {"prod"}
    assert len({each["lineage"] for each in listed}) == 1
    last = desk.directory / "last.db"
    assert desk.json("restore", desk.place, "--to", last, "-i", desk.key)["revision"] == folder.cluster.revision
    assert desk.json("restore", desk.place, "--to", desk.directory / "x.db", "--at", "2024-12-03", "-i", desk.key)
    again = desk.json(*arguments)
    assert [each["result"] for each in again] == ["there already"] * 8
    left = [path for path in desk.directory.iterdir() if path.is_dir() and path.name.startswith("backstay")]
    assert not left


def test_what_continues_is_stored_as_what_is_new_and_a_fork_begins_a_lineage(desk: Desk, folder: Folder) -> None:
    folder.add()
    fork = folder.cluster.copy()
    folder.add()
    fork.put(b"other", b"history")
    fork.put(b"other", b"goes on")
    folder.add(cluster=fork)
    fork.put(b"more", b"1")
    folder.add(cluster=fork)
    report = desk.json("import", folder.directory, desk.place)
    lineages = [each["point"].partition("-")[0] for each in report]
    assert lineages[0] == lineages[1] != lineages[2] == lineages[3]
    assert "history is another one" in report[2]["base_reason"]
    # A base each day, because the last one is a day old; but never anew within a day.
    listed = desk.json("list", desk.place, "-i", desk.key)
    assert listed[2]["parent"] == report[1]["point"]


def test_files_of_one_day_go_on_from_each_other(desk: Desk, folder: Folder) -> None:
    for hour in range(3):
        folder.add(f"etcd-20241210-{hour:02d}0000.db")
    report = desk.json("import", folder.directory, desk.place)
    assert [bool(each["base_reason"]) for each in report] == [True, False, False]


def test_bad_files_are_reported_and_left_out(desk: Desk, folder: Folder) -> None:
    good = folder.add()
    data = good.read_bytes()
    for name, content in {
        "etcd-20241211-000000.db": b"",
        "etcd-20241212-000000.db": os.urandom(9000),
        "etcd-20241213-000000.db": data[: len(data) // 2],
        "etcd-20241214-000000.db.gz": gzip.compress(data)[:-20],
        "etcd-20241215-000000.db.zst": zstd.compress(data)[:-9],
        "etcd-20241216-000000.db.xz": lzma.compress(b"no database"),
        "etcd-20241217-000000.db.age": pyrage.encrypt(data, [pyrage.x25519.Identity.generate().to_public()]),
        "etcd-20241218-000000.db.gpg": b"\x85" + os.urandom(500),
        "etcd-20991218-000000.db": data,
    }.items():
        (folder.directory / name).write_bytes(content)
    assert desk.run("import", folder.directory, desk.place, "-o", "json", "--quiet", PATH=os.environ["PATH"]) == 3
    assert desk.out.count('"refused"') == 9
    assert desk.out.count('"imported"') == 1
    assert len(desk.json("list", desk.place)) == 1
    assert CANARY.decode() not in desk.out + desk.err


def test_older_backups_than_the_repository_has_get_a_lineage_of_their_own(desk: Desk, folder: Folder) -> None:
    folder.add()
    folder.add()
    newer = folder.cluster.copy()
    newer.put(b"newer", b"1")
    made = desk.back_up(newer)
    report = desk.json("import", folder.directory, desk.place)
    assert made["lineage"] not in {each["point"].partition("-")[0] for each in report}
    assert [each["id"] for each in desk.json("list", desk.place)][-1] == made["id"]
    newer.put(b"newer", b"2")
    assert desk.back_up(newer)["id"] == f"{made['lineage']}-2"


def test_an_import_that_was_interrupted_goes_on(desk: Desk, folder: Folder) -> None:
    first = folder.add()
    assert desk.json("import", first, desk.place)[0]["result"] == "imported"
    folder.add()
    report = desk.json("import", folder.directory, desk.place)
    assert [each["result"] for each in report] == ["there already", "imported"]
    assert report[1]["point"].endswith("-2")


def test_gpg_opens_what_its_keyring_has(desk: Desk, folder: Folder, tmp_path_factory: pytest.TempPathFactory) -> None:
    if shutil.which("gpg") is None:
        pytest.skip(f"{peers.NOT_FOUND}gpg: it is not on the PATH")
    home = tmp_path_factory.mktemp("g")
    home.chmod(0o700)
    environment = {"GNUPGHOME": str(home), "PATH": os.environ["PATH"]}
    gpg = ["gpg", "--batch", "--no-tty", "--quiet", "--pinentry-mode", "loopback", "--passphrase", ""]
    try:
        subprocess.run(
            [*gpg, "--quick-generate-key", "backup@example.com", "ed25519", "default", "never"],
            env=environment, check=True, capture_output=True, timeout=60,
        )  # fmt: skip
        subprocess.run(
            [*gpg, "--quick-add-key", _fingerprint(environment), "cv25519", "encr", "never"],
            env=environment, check=True, capture_output=True, timeout=60,
        )  # fmt: skip
        path = folder.add()
        encrypted = subprocess.run(
            [*gpg, "--trust-model", "always", "--recipient", "backup@example.com", "--encrypt", "--output", "-"],
            input=path.read_bytes(), env=environment, check=True, capture_output=True, timeout=60,
        ).stdout  # fmt: skip
        folder.wrap(path, ".gpg", encrypted)
        assert desk.run("import", folder.directory, desk.place, "-o", "json", **environment) == 0, desk.out
        (each,) = json.loads(desk.out)
        assert (each["result"], each["packed"]) == ("imported", "gpg")
    finally:
        subprocess.run(["gpgconf", "--kill", "all"], env=environment, check=False, capture_output=True, timeout=60)


def _fingerprint(environment: dict[str, str]) -> str:
    listed = subprocess.run(
        ["gpg", "--batch", "--with-colons", "--list-keys"], env=environment, check=True, capture_output=True, timeout=60
    )
    return next(line.split(b":")[9].decode() for line in listed.stdout.splitlines() if line.startswith(b"fpr"))


def test_zones_and_names_that_are_none_are_refused(desk: Desk, folder: Folder) -> None:
    folder.add()
    assert desk.json("import", folder.directory, desk.place, "--zone", "Europe/Berlin", "--dry-run")[0]["time"] == (
        "2024-12-01T13:30:22Z"
    )
    assert desk.run("import", folder.directory, desk.place, "--zone", "Nowhere/None") == 2
    assert desk.run("import", folder.directory / "absent", desk.place) != 0


def test_a_pipe_is_refused_and_not_waited_for(desk: Desk, tmp_path: Path) -> None:
    pipe = tmp_path / "etcd-backup-20241210-143022.db"
    os.mkfifo(pipe)
    assert desk.run("import", pipe, desk.place, "-o", "json", "--quiet") == 3, desk.out + desk.err
    assert "no regular file" in desk.out
