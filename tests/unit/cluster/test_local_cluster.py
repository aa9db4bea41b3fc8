"""A cluster on this machine, without one: its description, hostile ones too, and which process a note means."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from backstay import errors
from backstay.cli.cluster.status import as_text
from backstay.cluster.etcd_program import EtcdProgram, cached_etcds, version_numbers
from backstay.cluster.local import ClusterStatus, LocalCluster, UpWish, load_cluster, plan_up
from backstay.cluster.local.description import FILE_NAME, encode_cluster
from backstay.cluster.local.processes import find_member, has_ended, identify, log_tail, send
from backstay.errors import BackstayError, ErrorKind
from backstay.telemetry import SilentProgress

PROGRAM = EtcdProgram(Path("/opt/etcd"), "3.7.3")


def planned(directory: Path, **wishes: object) -> LocalCluster:
    wish = UpWish(directory, PROGRAM, **wishes)  # type: ignore[arg-type]
    return plan_up(wish, random.Random(1), SilentProgress()).cluster


def refusal(directory: Path, **wishes: object) -> ErrorKind:
    with pytest.raises(BackstayError) as refused:
        planned(directory, **wishes)
    return refused.value.kind


def test_a_cluster_reads_back_as_it_was_written(tmp_path: Path) -> None:
    cluster = planned(tmp_path, name="tried", member_count=5, tls=True)
    (tmp_path / FILE_NAME).write_bytes(encode_cluster(cluster))
    assert load_cluster(tmp_path) == cluster
    ports = [url.rpartition(":")[2] for member in cluster.members for url in (member.client_url, member.peer_url)]
    assert len(set(ports)) == 10
    assert cluster.environment()["ETCDCTL_KEY"].endswith("/pki/etcd/healthcheck-client.key")
    assert planned(tmp_path) == cluster, "what is there goes on"
    assert refusal(tmp_path, member_count=3) is errors.CLUSTER_DIFFERS


def test_wishes_that_cannot_be_fulfilled_are_refused(tmp_path: Path) -> None:
    for count in (0, 8, -1):
        assert refusal(tmp_path, member_count=count) is errors.USAGE
    for name in ("", "..", "a/b", "-a", "a" * 64, "ä"):
        if name:
            assert refusal(tmp_path, name=name) is errors.USAGE
    assert refusal(tmp_path, source=tmp_path / "nowhere") is errors.SOURCE_NOT_FOUND
    assert refusal(tmp_path, user="root") is errors.USAGE


def test_a_description_that_is_none_is_refused_and_leads_nowhere_else(tmp_path: Path) -> None:
    good = json.loads(encode_cluster(planned(tmp_path, name="tried")))
    member = good["members"][0]
    bad: list[object] = [
        None, [], "x", 7, {}, good | {"format": 2}, good | {"origin": "file"}, good | {"source": "/x"},
        good | {"origin": "elsewhere"}, good | {"members": []}, good | {"members": [member] * 8},
        good | {"members": "abc"}, good | {"etcd": None}, good | {"etcd": {"path": "a\0b", "version": "3"}},
        good | {"members": [member | {"name": "../../etc"}]}, good | {"members": [member | {"name": ".."}]},
        good | {"members": [member | {"client_url": "ftp://x"}]}, good | {"members": [member | {"peer_url": 7}]},
        good | {"token": ["x"]},
    ]  # fmt: skip
    texts = [json.dumps(each).encode() for each in bad]
    for text in (*texts, b"", b"\xff", b"{", b"[" * 100_000):
        (tmp_path / FILE_NAME).write_bytes(text)
        with pytest.raises(BackstayError) as refused:
            load_cluster(tmp_path)
        assert refused.value.kind is errors.FORMAT_INVALID


def test_a_note_means_one_process_and_no_later_one(tmp_path: Path) -> None:
    cluster = planned(tmp_path)
    member = cluster.members[0]
    own = identify(os.getpid())
    assert own is not None
    note = {"pid": own.pid, "start_ticks": own.start_ticks, "boot": own.boot}
    cluster.process_file(member).write_text(json.dumps(note))
    assert find_member(cluster, member) == own
    junk = [note | {"start_ticks": own.start_ticks + 1}, note | {"boot": "another"}, note | {"pid": "x"}, {}, []]
    for text in (*map(json.dumps, junk), "", "{"):
        cluster.process_file(member).write_text(text)
        assert find_member(cluster, member) is None


def test_a_process_is_signalled_only_while_it_is_the_same(tmp_path: Path) -> None:
    child = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    identity = identify(child.pid)
    assert identity is not None and not has_ended(identity)
    later = type(identity)(identity.pid, identity.start_ticks + 1, identity.boot)
    assert send(later, signal.SIGKILL) is False and has_ended(later)
    assert child.poll() is None
    assert send(identity, signal.SIGTERM) is True
    assert child.wait() == -signal.SIGTERM
    assert child.stdin is not None
    child.stdin.close()
    assert send(identity, signal.SIGKILL) is False and has_ended(identity)


def test_a_log_is_told_by_its_fatal_lines(tmp_path: Path) -> None:
    log = tmp_path / "1.log"
    assert "no log" in log_tail(log)
    log.write_text("".join(f"line {number}\n" for number in range(100)))
    assert log_tail(log).splitlines()[-1] == "line 99"
    with log.open("a") as file:
        file.write('{"level":"fatal","msg":"why"}\nlast line\n')
    assert log_tail(log) == '{"level":"fatal","msg":"why"}'


def test_the_newest_cached_etcd_comes_first(tmp_path: Path) -> None:
    for name in ("etcd-3.7.3", "etcd-3.10.0", "etcd-suite-3.7.3", "etcd-3.4.23"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "etcd").touch()
    found = [path.parent.name for path in cached_etcds(tmp_path)]
    assert found == ["etcd-3.10.0", "etcd-3.7.3", "etcd-3.4.23"]
    assert cached_etcds(tmp_path / "nowhere") == ()
    assert version_numbers("3.10.0") > version_numbers("3.7.3")


def test_a_status_says_what_is_missing(tmp_path: Path) -> None:
    """etcd 3.7 shows its status to users only."""
    silent = ClusterStatus("tried", str(tmp_path), False, False, "", (), (), {})
    assert "does not serve" in as_text(silent)
    refused = replace(silent, wants_user=True)
    assert "give --user" in as_text(refused) and "does not serve" not in as_text(refused)
