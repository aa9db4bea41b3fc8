"""What `backstay ctl` has beyond etcdctl: plans, yaml, refusals before anything is sent, and failures that are explained."""

from __future__ import annotations

import io
import json
import re
import sys
from collections.abc import Callable, Iterator

import pytest
import yaml

from backstay.cli.ctl.table import TABLE
from backstay.cli.groups import load
from backstay.cli.main import run
from backstay.testing import Etcd
from tests.etcd_process import free_ports

Ctl = Callable[..., tuple[int, str, str]]


@pytest.fixture(scope="module")
def etcd() -> Iterator[Etcd]:
    with Etcd(in_process=True) as served:
        yield served


@pytest.fixture
def ctl(etcd: Etcd, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Ctl:
    """Run a command against the store: status, stdout, stderr."""

    def call(*words: str, input: str = "", **variables: str) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(input.encode())))
        capsys.readouterr()
        status = run(["ctl", *words], {"ETCDCTL_ENDPOINTS": etcd.address, **variables})
        captured = capsys.readouterr()
        return status, captured.out, captured.err

    return call


CHANGES: dict[str, tuple[tuple[str, ...], str]] = {
    "put": (("dry/a", "other"), "Would put 5 bytes at dry/a."),
    "del": (("dry/", "--prefix"), "Would delete 2 keys: dry/a, dry/b."),
    "txn": ((), "Would compare 1 conditions, then run 1 or else 0 requests."),
    "compaction": (("2",), "Would forget the history before revision 2."),
    "lease grant": (("60",), "Would grant a lease of 60 seconds."),
    "lease revoke": (("1f",), "Would revoke the lease 1f and delete its keys."),
    "member add": (("two", "--peer-urls=http://127.0.0.1:1"), "Would add the member two at http://127.0.0.1:1."),
    "member remove": (("1f",), "Would remove the member 1f."),
    "member update": (("1f", "--peer-urls=http://127.0.0.1:1"), "Would give the member 1f the peer addresses"),
    "member promote": (("1f",), "Would give the learner 1f a vote."),
    "alarm disarm": ((), "Would clear 0 alarms."),
    "defrag": ((), "Would defragment 127.0.0.1:"),
    "move-leader": (("1f",), "Would move the leadership from"),
    "downgrade enable": (("3.6",), "Would enable the downgrade 3.6."),
    "downgrade cancel": ((), "Would cancel the downgrade."),
    "auth enable": ((), "Would switch authentication on."),
    "auth disable": ((), "Would switch authentication off."),
    "user add": (("u:p",), "Would add the user u."),
    "user delete": (("u",), "Would delete the user u."),
    "user passwd": (("u", "--interactive=false"), "Would change the password of the user u."),
    "user grant-role": (("u", "r"), "Would give the user u the role r."),
    "user revoke-role": (("u", "r"), "Would take the role r from the user u."),
    "role add": (("r",), "Would add the role r."),
    "role delete": (("r",), "Would delete the role r."),
    "role grant-permission": (("r", "read", "k"), "Would permit the role r to read k."),
    "role revoke-permission": (("r", "k"), "Would take from the role r the permission for k."),
}
ELSEWHERE = ("snapshot save", "snapshot restore", "make-mirror")
"""Commands that have --dry-run and tests of their own."""


def test_everything_that_changes_something_has_a_dry_run() -> None:
    having = {
        entry.path.removeprefix("ctl ")
        for entry in TABLE
        if any("--dry-run" in option.opts for option in load(entry).params)
    }
    assert having == {*CHANGES, *ELSEWHERE}


@pytest.mark.parametrize("name", CHANGES)
def test_a_dry_run_says_what_would_be_done_and_does_nothing(name: str, ctl: Ctl, etcd: Etcd) -> None:
    with etcd.client() as client:
        client.kv.put(b"dry/a", b"1")
        client.kv.put(b"dry/b", b"2")
        before = client.maintenance.status()
        words, plan = CHANGES[name]
        text = 'ver("dry/a") > "0"\n\nput dry/a other\n\n\n' if name == "txn" else "word\n"
        status, out, err = ctl(*name.split(), *words, "--dry-run", input=text)
        assert (status, err) == (0, "")
        assert out.startswith(plan)
        after = client.maintenance.status()
        assert (after.header.revision, after.raft_index) == (before.header.revision, before.raft_index)


def test_a_dry_run_can_be_read_by_a_machine(ctl: Ctl) -> None:
    _, out, _ = ctl("put", "key", "value", "--dry-run", "-w", "json")
    assert json.loads(out) == {"dry_run": True, "would": "put 5 bytes at key"}


def test_a_form_that_the_answer_lacks_is_refused_before_anything_is_written(ctl: Ctl, etcd: Etcd) -> None:
    assert ctl("put", "table", "1", "-w", "table") == (4, "", "Error: table not supported as output format\n")
    with etcd.client() as client:
        assert client.kv.get(b"table") is None


def test_yaml_has_the_data_of_json(ctl: Ctl) -> None:
    ctl("put", "form", "1")
    _, as_json, _ = ctl("get", "form", "-w", "json")
    _, as_yaml, _ = ctl("get", "form", "-o", "yaml")
    assert yaml.safe_load(as_yaml) == json.loads(as_json)


def test_a_transaction_may_compare_leases(ctl: Ctl, etcd: Etcd) -> None:
    with etcd.client() as client:
        lease = client.lease.grant(60).lease_id
        client.kv.put(b"leased", b"1", lease=lease)
    assert ctl("txn", input=f'lease("leased") = "{lease:x}"\n\nget leased\n\n\n') == (0, "SUCCESS\n\nleased\n1\n", "")


def test_bytes_that_are_no_text_come_through(etcd: Etcd, capsysbinary: pytest.CaptureFixture[bytes]) -> None:
    with etcd.client() as client:
        client.kv.put(b"binary", b"\xff\x00\xfe")
    assert run(["ctl", "get", "binary", "--print-value-only"], {"ETCDCTL_ENDPOINTS": etcd.address}) == 0
    assert capsysbinary.readouterr().out == b"\xff\x00\xfe\n"


def test_nobody_listening_is_explained_at_once(ctl: Ctl) -> None:
    (port,) = free_ports(1)
    status, out, err = ctl("get", "key", ETCDCTL_ENDPOINTS=f"127.0.0.1:{port}")
    assert (status, out) == (1, "")
    assert err.startswith(f"Error: no connection to http://127.0.0.1:{port}\n")
    assert "code: endpoint-unreachable" in err
    status, out, err = ctl("endpoint", "health", ETCDCTL_ENDPOINTS=f"127.0.0.1:{port}")
    assert status == 1
    assert re.match(rf"127\.0\.0\.1:{port} is unhealthy: failed to commit proposal: no connection", err)
    assert err.endswith("Error: unhealthy cluster\n")
    status, _, err = ctl("endpoint", "status", ETCDCTL_ENDPOINTS=f"127.0.0.1:{port}")
    assert (status, err.partition(" (")[0]) == (1, f"Failed to get the status of endpoint 127.0.0.1:{port}")


def test_a_refusal_is_an_object_where_logs_are(ctl: Ctl) -> None:
    status, _, err = ctl("--log-format", "json", "get", "key", "--rev", "999999")
    assert status == 1
    assert json.loads(err)["code"] == "revision-future"
    assert json.loads(err)["why"] == "etcdserver: mvcc: required revision is a future revision"


def test_the_beginning_of_a_name_is_enough_where_it_fits_one_command(ctl: Ctl) -> None:
    ctl("pu", "short", "1")
    assert ctl("ge", "short")[1] == "short\n1\n"
    status, _, err = ctl("l", "list")
    assert (status, err.splitlines()[0]) == (1, 'Error: unknown command "l" for "backstay ctl"')
    assert ctl("mem", "l")[0] == 0


def test_flags_stand_before_and_behind_and_beat_variables(ctl: Ctl) -> None:
    ctl("put", "flag", "1")
    for words in (("-w", "fields", "get", "flag"), ("get", "flag", "-w", "fields"), ("get", "-w=fields", "flag")):
        assert '"Key" : "flag"' in ctl(*words, ETCDCTL_WRITE_OUT="json")[1]
    assert ctl("get", "flag", ETCDCTL_HEX="true")[1].startswith("\\x66")


def test_a_range_waits_before_it_is_deleted(ctl: Ctl, monkeypatch: pytest.MonkeyPatch) -> None:
    waited: list[float] = []
    monkeypatch.setattr("backstay.cli.ctl.keys.time.sleep", waited.append)
    status, out, err = ctl("del", "r/a", "r/b")
    assert (status, out, waited) == (0, "0\n", [2.0])
    assert err.startswith('Warning: Keys between "r/a" and "r/b" will be deleted.')


def test_a_password_is_not_asked_for_where_nobody_can_answer(ctl: Ctl) -> None:
    assert ctl("user", "add", "someone") == (128, "", "Error: empty password\n")
