"""Files that our builder makes from the records of real snapshots: bbolt and etcd take them for their own.

`snapshot status` runs bbolt's own consistency check (1.3.6, 1.3.12, 1.4.3 and 1.5.0 in these releases) and its HASH covers
every key and value of every bucket; a server that starts on the file answers HashKV for the records.
"""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
from pathlib import Path

import pytest

from backstay.etcd import AlarmType, Client, ConnectionOptions, Credentials
from backstay.formats import mvcc, schema
from backstay.formats.bbolt import check_structure, open_database
from tests import golden, peers
from tests.conftest import StartEtcd
from tests.peers import Peer
from tests.unit.formats import databases


def rebuilt(version: str, directory: Path) -> Path:
    """The golden snapshot of a release, taken apart and built anew, with its trailer."""
    content = databases.all_items(open_database(golden.snapshot(version)))
    data = databases.build_bytes(content.items())
    path = directory / f"{version}.db"
    path.write_bytes(data + hashlib.sha256(data).digest())
    return path


def snapshot_tool(peer: Peer, *arguments: str | Path) -> subprocess.CompletedProcess[str]:
    """`snapshot ...` of the program that has it in this release."""
    program = peer.etcdutl or peer.etcdctl
    environment = {name: value for name, value in os.environ.items() if not name.startswith("ETCD")}
    if peer.release < (3, 6):
        environment["ETCDCTL_API"] = "3"
    command = [str(program), "snapshot", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, check=False, env=environment, timeout=60)


def status(peer: Peer, path: Path) -> dict[str, int]:
    """`snapshot status -w json`."""
    done = snapshot_tool(peer, "status", path, "-w", "json")
    assert done.returncode == 0, done.stderr
    found: dict[str, int] = json.loads(done.stdout)
    return found


@pytest.mark.parametrize("version", golden.VERSIONS)
def test_every_release_finds_in_a_rebuilt_file_what_it_found_in_the_original(
    version: str, etcd_peer: Peer, tmp_path: Path
) -> None:
    path = rebuilt(version, tmp_path)
    original = tmp_path / "original.db"
    original.write_bytes(golden.snapshot(version))
    ours, theirs = status(etcd_peer, path), status(etcd_peer, original)
    assert ours["totalSize"] == path.stat().st_size - 32
    assert {**ours, "totalSize": 0} == {**theirs, "totalSize": 0}


@pytest.mark.parametrize("version", golden.VERSIONS)
def test_a_server_starts_on_a_rebuilt_file_and_goes_on_from_there(
    version: str, start_etcd: StartEtcd, tmp_path: Path
) -> None:
    peer = peers.peer(version)
    expected = golden.expectation(f"{version}/snapshot")
    data_dir = tmp_path / "data"
    done = snapshot_tool(peer, "restore", rebuilt(version, tmp_path), "--data-dir", data_dir)
    assert done.returncode == 0, done.stderr
    etcd = start_etcd(peer, data_dir, ready_path="/version")
    credentials = Credentials()
    if passwords := expected.get("passwords"):
        credentials = Credentials(user="root", password=passwords["root"])
    with Client(ConnectionOptions.of([etcd.endpoint], credentials)) as client:
        for revision, wanted, compact_revision, *_ in expected["hashkv"][::10]:
            answer = client.maintenance.hash_kv(revision)
            assert (answer.hash, answer.compact_revision) == (wanted, compact_revision)
        for alarm in client.maintenance.alarms():
            client.maintenance.deactivate_alarm(alarm.member_id, AlarmType(alarm.alarm))
        # bbolt's own deletions, splits and merges on top of our pages.
        for number in range(300):
            client.kv.put(b"/new/%05d" % number, bytes(number))
        client.kv.delete_range(b"\0", range_end=b"\0")
        revision = client.kv.put(b"last", b"").header.revision
        client.kv.compact(revision, physical=True)
        client.maintenance.defragment()
        with client.maintenance.snapshot() as stream:
            data = b"".join(chunk.blob for chunk in stream)
        assert client.kv.range(b"\0", range_end=b"\0", keys_only=True).count == 1
    assert check_structure(open_database(data)) == []


def test_large_trees_and_values_pass_the_check_of_every_release(etcd_peer: Peer, tmp_path: Path) -> None:
    """Three levels of pages, overflow runs, buckets of all sizes, a root bucket; 20,000 records."""
    records = [
        mvcc.Record(
            mvcc.RevisionKey(n, 0),
            mvcc.KeyValue(b"/registry/%06d" % n, n, n, 1, bytes(3_000_000 if n % 5000 == 0 else n % 97)),
        )
        for n in range(2, 20_002)
    ]
    content: dict[bytes, databases.Items] = {name: [] for name in schema.BUCKETS}
    content[schema.KEY] = map(mvcc.encode_record, records)
    content[schema.LEASE] = [(b"%04d" % n + b"k" * 3000, b"v") for n in range(40)]
    data = databases.build_bytes(content.items())
    path = tmp_path / "large.db"
    path.write_bytes(data)
    found = status(etcd_peer, path)
    assert (found["revision"], found["totalSize"]) == (20_001, len(data))
    assert found["totalKey"] == (20_000 if etcd_peer.release >= (3, 6) else 20_040)
