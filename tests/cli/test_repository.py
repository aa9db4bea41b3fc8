"""`init`, `backup`, `list`, `show`, `verify`, `check`, `restore` from the command line: results, refusals, exit statuses."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from backstay.cli.main import run
from backstay.crypto.slots import identity_of
from backstay.snapshot.opened import open_file
from tests import golden
from tests.backing_up import CANARY, Cluster, small_history


class Desk:
    """A directory with a repository's place, keys and state, and the commands with it."""

    def __init__(self, directory: Path, capsys: pytest.CaptureFixture[str]) -> None:
        self.directory = directory
        self.place = directory / "place"
        self.place.mkdir()
        self.state = directory / "state"
        self.key, self.kit = directory / "operator.key", directory / "kit.txt"
        self._capsys = capsys

    def run(self, *arguments: object, **environment: str) -> int:
        status = run(
            [str(each) for each in arguments],
            {"BACKSTAY_STATE_DIR": str(self.state), "TMPDIR": str(self.directory), **environment},
        )
        captured = self._capsys.readouterr()
        self.out, self.err = captured.out, captured.err
        return int(status)

    def json(self, *arguments: object, **environment: str) -> Any:
        assert self.run(*arguments, "-o", "json", "--quiet", **environment) == 0, self.err
        return json.loads(self.out)

    def found(self) -> None:
        assert self.run("init", self.place, "--new-identity", self.key, "--recovery-kit", self.kit) == 0, self.err

    def back_up(self, cluster: Cluster, *options: object) -> Any:
        path = cluster.file(self.directory / f"{cluster.revision}.db")
        return self.json("backup", self.place, "--from", path, *options)


@pytest.fixture
def desk(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Desk:
    return Desk(tmp_path, capsys)


def elements(path: Path) -> list[tuple[bytes, bytes]]:
    with open_file(path) as store:
        return [(data[key:value], data[value:end]) for data, spans in store.pages() for _, key, value, end in spans]


def test_a_point_goes_in_and_comes_out(desk: Desk) -> None:
    desk.found()
    cluster = small_history()
    first = desk.back_up(cluster, "--tag", "before-upgrade")
    cluster.put(b"new", CANARY)
    second = desk.back_up(cluster)
    assert (first["base"], second["base"]) == (True, False)
    assert first["tags"] == ["before-upgrade"]
    listed = desk.json("list", desk.place, "-i", desk.key)
    assert [each["id"] for each in listed] == [first["id"], second["id"]]
    for point, wanted in ((first["id"], None), ("latest", list(cluster.elements()))):
        target = desk.directory / f"{point}.db"
        report = desk.json("restore", desk.place, "--to", target, "--at", point, "-i", desk.kit)
        assert report["hash_kv"] == report["point"]["hash_kv"]
        assert target.stat().st_mode & 0o777 == 0o600
        if wanted is not None:
            assert elements(target) == wanted
    stored = [path for path in desk.place.rglob("*") if path.is_file()]
    assert stored
    assert not [path for path in stored if CANARY in path.read_bytes() or b"/registry" in path.read_bytes()]


def test_a_golden_snapshot_and_its_data_directory_come_back(desk: Desk) -> None:
    desk.found()
    (desk.directory / "snapshot.db").write_bytes(golden.snapshot("3.6.16"))
    made = desk.json("backup", desk.place, "--from", desk.directory / "snapshot.db")
    target = desk.directory / "data"
    report = desk.json("restore", desk.place, "--to", f"{target}/", "-i", desk.key)
    assert (target / "member" / "snap" / "db").is_file()
    assert report["data_directory"]["keys"] == made["keys"] + 1  # and the mark of the raised revision
    assert not list(desk.directory.glob("*.restoring.db"))
    again = desk.json("backup", desk.place, "--from", target, "--cluster", "other")
    assert again["keys"] == made["keys"] + 1


def test_without_an_identity_times_and_sizes_show_and_nothing_else(desk: Desk) -> None:
    desk.found()
    made = desk.back_up(small_history())
    (listed,) = desk.json("list", desk.place)
    assert listed["sealed"]
    assert "revision" not in listed
    assert desk.run("list", desk.place) == 0
    assert "sealed" in desk.out
    assert str(made["revision"]) not in desk.out.split(made["id"])[1].split()[2:]
    assert desk.run("restore", desk.place, "--to", desk.directory / "out.db") == 7
    assert "--identity" in desk.err
    assert not (desk.directory / "out.db").exists()
    assert desk.run("verify", desk.place) == 3
    assert desk.run("verify", desk.place, "--level", "intact") == 0


def test_the_identity_comes_from_a_file_or_the_environment(desk: Desk) -> None:
    desk.found()
    desk.back_up(small_history())
    secret = desk.key.read_text().splitlines()[-1]
    for environment in ({"BACKSTAY_IDENTITY": secret}, {"BACKSTAY_IDENTITY": str(desk.kit)}):
        assert not desk.json("show", desk.place, **environment)["sealed"]
    (desk.directory / "wrong").write_text("no key")
    assert desk.run("show", desk.place, "-i", desk.directory / "wrong") == 7
    assert desk.run("show", desk.place, "-i", desk.directory / "absent") == 7


def test_a_passphrase_is_a_recipient(desk: Desk) -> None:
    words = {"BACKSTAY_PASSPHRASE": "correct horse battery staple"}
    made = desk.json("init", desk.place, "--passphrase", "--recovery-kit", desk.kit, **words)
    assert [each["label"] for each in made["recipients"]] == ["passphrase", "recovery"]
    desk.back_up(small_history())
    assert not desk.json("show", desk.place, **words)["sealed"]
    assert desk.json("show", desk.place, BACKSTAY_PASSPHRASE="wrong")["sealed"]
    for path in (*desk.place.rglob("*"), *desk.state.rglob("*")):
        assert not path.is_file() or b"correct horse" not in path.read_bytes()


def test_init_prints_the_recovery_kit_once_and_keeps_it_nowhere(desk: Desk) -> None:
    assert desk.run("init", desk.place, "--new-identity", desk.key) == 0
    assert "AGE-SECRET-KEY-1" in desk.out
    assert "BACKSTAY-SIGNING-KEY-" in desk.out
    secrets = [line for line in desk.out.splitlines() if line.startswith(("AGE-SECRET-KEY", "BACKSTAY-SIGNING"))]
    for path in (*desk.place.rglob("*"), *desk.state.rglob("*"), desk.key):
        if path.is_file():
            assert not [secret for secret in secrets if secret in path.read_text(errors="replace")]
    assert desk.key.stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize(
    ("options", "status", "word"),
    [
        ([], 2, "recipient"),
        (["--recipient", "age1wrong"], 2, "age1wrong"),
        (["--plaintext", "--new-identity", "key"], 2, "plaintext"),
    ],
)
def test_init_refuses_what_could_lose_everything(desk: Desk, options: list[str], status: int, word: str) -> None:
    assert desk.run("init", desk.place, *options) == status
    assert word in desk.err
    assert not list(desk.place.iterdir())


def test_init_changes_nothing_with_dry_run_or_where_something_is(desk: Desk) -> None:
    assert desk.run("init", desk.place, "--new-identity", desk.key, "--dry-run") == 0
    assert not list(desk.place.iterdir())
    assert not desk.key.exists()
    desk.found()
    before = sorted(path.read_bytes() for path in desk.place.rglob("*") if path.is_file())
    assert desk.run("init", desk.place, "--new-identity", desk.directory / "other.key") == 9
    assert before == sorted(path.read_bytes() for path in desk.place.rglob("*") if path.is_file())


def test_a_plaintext_repository_says_so_everywhere(desk: Desk) -> None:
    assert desk.run("init", desk.place, "--plaintext") == 0
    assert "NOT encrypted" in desk.err
    path = small_history().file(desk.directory / "a.db")
    out = desk.directory / "out.db"
    for command in (["backup", "--from", path], ["list"], ["show"], ["verify"], ["check"], ["restore", "--to", out]):
        assert desk.run(command[0], desk.place, *command[1:]) == 0
        assert "NOT encrypted" in desk.err


def test_no_repository_and_no_backup_have_statuses_of_their_own(desk: Desk) -> None:
    assert desk.run("list", desk.place) == 10
    assert desk.run("list", desk.directory / "absent") == 8
    desk.found()
    assert desk.run("list", desk.place) == 0
    assert "No backups yet" in desk.out
    assert desk.run("restore", desk.place, "--to", desk.directory / "out.db", "-i", desk.key) == 5


def test_a_damaged_source_is_not_backed_up(desk: Desk) -> None:
    desk.found()
    cluster = small_history()
    path = cluster.file(desk.directory / "a.db")
    data = bytearray(path.read_bytes())
    at = data.index(CANARY) - 3
    data[at - 6 : at] = b"\xff" * 6
    path.write_bytes(data)
    assert desk.run("backup", desk.place, "--from", path) == 4
    assert desk.json("list", desk.place) == []


def test_backup_with_dry_run_stores_nothing(desk: Desk) -> None:
    desk.found()
    cluster = small_history()
    plan = desk.back_up(cluster, "--dry-run")
    assert plan["base_reason"]
    desk.back_up(cluster)
    cluster.put(b"x", b"y")
    before = {path for path in desk.place.rglob("*")}
    plan = desk.back_up(cluster, "--dry-run")
    assert (plan["base_reason"], plan["new_revisions"]) == ("", 1)
    assert before == {path for path in desk.place.rglob("*")}


def test_restore_refuses_an_existing_target_and_a_point_that_is_not_held(desk: Desk) -> None:
    desk.found()
    made = desk.back_up(small_history())
    target = desk.directory / "there"
    target.write_text("mine")
    assert desk.run("restore", desk.place, "--to", target, "-i", desk.key) != 0
    assert target.read_text() == "mine"
    target.unlink()
    assert desk.run("restore", desk.place, "--to", target, "--at", made["revision"] + 1, "-i", desk.key) == 5
    assert f"at revision {made['revision']}" in desk.err
    plan = desk.json("restore", desk.place, "--to", target, "-i", desk.key, "--dry-run")
    assert plan["written_bytes"] == made["file"]["size"]
    assert not target.exists()


def test_verify_and_check_name_what_is_damaged(desk: Desk) -> None:
    desk.found()
    cluster = small_history()
    made = desk.back_up(cluster)
    cluster.put(b"x", b"y")
    desk.back_up(cluster)
    verified = desk.json("verify", desk.place, "--all", "--level", "rebuilt", "-i", desk.key)
    assert [each["reached"] for each in verified["points"]] == ["rebuilt", "rebuilt"]
    assert desk.run("check", desk.place, "--read-data") == 0
    run_path = desk.place / made["runs"][0]["name"]
    data = run_path.read_bytes()
    run_path.write_bytes(data[:-1])
    assert desk.run("check", desk.place) == 4
    assert made["runs"][0]["name"] in desk.out
    run_path.write_bytes(data[:200] + bytes((data[200] ^ 1,)) + data[201:])
    assert desk.run("check", desk.place) == 0
    assert desk.run("check", desk.place, "--read-data") == 4
    assert desk.run("verify", desk.place, "--all", "-i", desk.key) == 4
    assert "run-changed" in desk.out
    assert desk.run("restore", desk.place, "--to", desk.directory / "out", "-i", desk.key) == 4
    assert not list(desk.directory.glob("out*"))


def test_a_broken_chain_is_tampering(desk: Desk) -> None:
    desk.found()
    cluster = small_history()
    first = desk.back_up(cluster)
    desk.back_up(cluster)
    (desk.place / "manifests" / first["lineage"] / f"{1:016d}").unlink()
    assert desk.run("check", desk.place) == 6
    assert desk.run("list", desk.place) == 6
    assert desk.run("restore", desk.place, "--to", desk.directory / "out", "-i", desk.key) == 6


def test_a_repository_of_yesterday_is_a_rollback(desk: Desk) -> None:
    desk.found()
    cluster = small_history()
    desk.back_up(cluster)
    second = desk.back_up(cluster)
    head = desk.place / "manifests" / second["lineage"] / f"{2:016d}"
    head.unlink()
    for command in (["list"], ["check"], ["backup", "--from", cluster.file(desk.directory / "again.db")]):
        assert desk.run(command[0], desk.place, *command[1:]) == 6
        assert "was seen here and is gone" in desk.err


def test_a_host_without_its_key_may_not_back_up(desk: Desk) -> None:
    desk.found()
    path = small_history().file(desk.directory / "a.db")
    other = {"BACKSTAY_STATE_DIR": str(desk.directory / "other")}
    assert desk.run("backup", desk.place, "--from", path, **other) == 7
    assert "no key to sign" in desk.err


def test_a_verification_is_a_dated_fact_and_the_longest_unverified_comes_first(desk: Desk) -> None:
    desk.found()
    cluster = small_history()
    first = desk.back_up(cluster)
    cluster.put(b"x", b"y")
    second = desk.back_up(cluster)
    assert [each["verified"] for each in desk.json("list", desk.place)] == [None, None]
    desk.json("verify", desk.place, "-i", desk.key, "--at", second["id"])
    desk.json("verify", desk.place, "-i", desk.key, "--at", second["id"], "--level", "intact")
    known = {each["id"]: each["verified"] for each in desk.json("list", desk.place)}
    assert known[first["id"]] is None
    assert known[second["id"]]["level"] == "coherent"
    assert known[second["id"]]["engine"].startswith("backstay ")
    assert known[second["id"]]["by"]
    verified = desk.json("verify", desk.place, "--all", "-i", desk.key)
    assert [each["id"] for each in verified["points"]] == [first["id"], second["id"]]
    assert desk.run("show", desk.place) == 0
    assert "coherent 20" in desk.out
    parts = [desk.json("verify", desk.place, "--all", "--level", "intact", "--subset", f"{n}/2") for n in (1, 2)]
    assert sorted(each["id"] for part in parts for each in part["points"]) == sorted(known)
    assert desk.run("verify", desk.place, "--subset", "3/2", "--all") == 2


def test_a_fact_of_a_stranger_is_not_believed(desk: Desk) -> None:
    desk.found()
    desk.back_up(small_history())
    desk.json("verify", desk.place, "-i", desk.key)
    (fact,) = [path for path in (desk.place / "facts").rglob("*") if path.is_file()]
    fact.write_bytes(fact.read_bytes().replace(b"coherent", b"drilled!"))
    assert [each["verified"] for each in desk.json("list", desk.place)] == [None]
    before = len(list((desk.place / "facts").rglob("*")))
    desk.json("verify", desk.place, "-i", desk.key, "--record=false")
    desk.json("verify", desk.place, "-i", desk.key, "--state-dir", desk.directory / "elsewhere")
    assert len(list((desk.place / "facts").rglob("*"))) == before


def test_recipients_are_listed_tested_added_and_removed(desk: Desk) -> None:
    desk.found()
    desk.back_up(small_history())
    other = identity_of(b"\6" * 32)
    (desk.directory / "audit.key").write_text(other.secret)
    assert [each["label"] for each in desk.json("recipient", "list", desk.place)] == ["operator", "recovery"]
    assert desk.run("recipient", "test", desk.place, "-i", desk.kit) == 0
    assert desk.run("recipient", "test", desk.place, "-i", desk.directory / "audit.key") == 7
    add = ("recipient", "add", desk.place, "audit", other.public, "--root-key", desk.kit, "-i", desk.key)
    assert not desk.json(*add, "--dry-run")["changed"]
    assert desk.json(*add)["epochs"] == 1
    assert desk.run(*add) == 2
    proven = desk.json("recipient", "test", desk.place, "-i", desk.directory / "audit.key")
    assert [(each["label"], each["opened"], each["epochs"]) for each in proven["recipients"]] == [("audit", 1, 1)]
    remove = ("recipient", "remove", desk.place, "operator", "--root-key", desk.kit)
    assert desk.run(*remove[:-1], desk.key) == 7
    assert desk.json(*remove, "--remove-slots")["slots_removed"] == 1
    assert desk.run("recipient", "test", desk.place, "-i", desk.key) == 7
    assert desk.run("recipient", "remove", desk.place, "recovery", "--root-key", desk.kit) == 2
    assert desk.run("verify", desk.place, "--level", "rebuilt", "-i", desk.kit) == 0
    cluster = small_history()
    cluster.put(b"later", b"1")
    desk.back_up(cluster)
    assert desk.run("verify", desk.place, "--all", "-i", desk.directory / "audit.key") == 0


def test_another_host_is_admitted_by_the_root_key_and_by_nothing_else(desk: Desk) -> None:
    desk.found()
    cluster = small_history()
    desk.back_up(cluster)
    second = {"BACKSTAY_STATE_DIR": str(desk.directory / "second")}
    path = cluster.file(desk.directory / "second.db")
    assert desk.run("backup", desk.place, "--from", path, **second) == 7
    assert desk.run("admit", desk.place, "--root-key", desk.key, "--writer", "second", **second) == 7
    assert not desk.json("admit", desk.place, "--root-key", desk.kit, "--dry-run", "--writer", "second", **second)[
        "key"
    ]
    admitted = desk.json("admit", desk.place, "--root-key", desk.kit, "--writer", "second", **second)
    assert admitted["changed"]
    assert desk.run("admit", desk.place, "--root-key", desk.kit, "--writer", "third", **second) != 0
    assert desk.json("backup", desk.place, "--from", path, **second)["base"]
    assert not desk.back_up(cluster)["base"]
    assert desk.run("verify", desk.place, "--all", "--level", "rebuilt", "-i", desk.key) == 0
    root = desk.kit.read_text().splitlines()[-1].encode()
    assert not [
        path for path in desk.directory.rglob("*") if path.is_file() and path != desk.kit and root in path.read_bytes()
    ]
