"""Backups of living etcds of every release: each point is the member's own snapshot again, and real etcd starts on it."""

from __future__ import annotations

import json
import random
from pathlib import Path

import pytest

from backstay.cli.main import run
from backstay.etcd import Client, ConnectionOptions
from backstay.etcd.results import KeyValue
from backstay.formats import schema
from backstay.snapshot.opened import open_file
from backstay.values import Revision
from tests.backing_up import CANARY
from tests.conftest import StartEtcd
from tests.peers import Peer

POINTS = 4


def elements(path: Path, bucket: bytes) -> list[tuple[bytes, bytes]]:
    with open_file(path) as store:
        found = store.database.bucket(bucket)
        assert found is not None
        return list(found.items())


def do_something(client: Client, source: random.Random) -> None:
    """Some revisions: puts with and without lease, deletions, sometimes a compaction."""
    lease = client.lease.grant(600).lease_id
    for _ in range(source.randrange(20, 60)):
        key = b"/registry/pods/%d" % source.randrange(15)
        what = source.random()
        if what < 0.7:
            client.kv.put(key, CANARY + source.randbytes(source.choice((0, 10, 3000))), lease=source.choice((0, lease)))
        elif what < 0.9:
            client.kv.delete_range(key)
        else:
            client.kv.delete_range(key, range_end=key + b"\xff")
    if source.random() < 0.7:
        revision = client.kv.put(b"mark", b"m").header.revision
        client.kv.compact(Revision(revision - source.randrange(0, 30)), physical=source.random() < 0.5)
    if source.random() < 0.3:
        client.maintenance.defragment()


def test_every_point_of_a_living_etcd_comes_back(
    etcd_peer: Peer, start_etcd: StartEtcd, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    environment = {"BACKSTAY_STATE_DIR": str(tmp_path / "state"), "TMPDIR": str(tmp_path)}
    place, identity = tmp_path / "place", tmp_path / "operator.key"
    place.mkdir()
    kit = tmp_path / "kit.txt"
    assert run(["init", str(place), "--new-identity", str(identity), "--recovery-kit", str(kit)], environment) == 0
    source, etcd = random.Random(etcd_peer.version), start_etcd(etcd_peer)
    points: list[tuple[str, Path, int, int]] = []
    with Client(ConnectionOptions.of([etcd.endpoint])) as client:
        for number in range(40):  # so that what changes is little beside the base
            client.kv.put(b"/registry/secrets/%d" % number, CANARY + source.randbytes(9000))
        for number in range(POINTS):
            do_something(client, source)
            capsys.readouterr()
            arguments = ["--endpoints", etcd.endpoint, "backup", str(place), "-o", "json", "--quiet"]
            assert run(arguments, environment) == 0
            made = json.loads(capsys.readouterr().out)
            saved = tmp_path / f"saved-{number}.db"
            assert run(["--endpoints", etcd.endpoint, "snapshot", "save", str(saved), "--quiet"], {}) == 0
            hash_kv = client.maintenance.hash_kv(Revision(made["revision"])).hash
            assert made["hash_kv"] == hash_kv
            assert made["base"] == (number == 0), made["base_reason"]
            points.append((made["id"], saved, made["revision"], hash_kv))
        wanted = _everything(client)
    etcd.stop()
    capsys.readouterr()
    assert run(["verify", str(place), "--all", "--level", "rebuilt", "-i", str(kit)], environment) == 0
    drilled = ["verify", str(place), "--level", "drilled", "--etcd", str(etcd_peer.etcd), "-i", str(kit), "-o", "json"]
    capsys.readouterr()
    assert run([*drilled, "--quiet"], environment) == 0
    out = json.loads(capsys.readouterr().out)
    assert [each["reached"] for each in out["points"]] == ["drilled"]
    assert etcd_peer.version in out["points"][0]["server"]
    for number, (identifier, saved, _, _) in enumerate(points):
        restored = tmp_path / f"restored-{number}.db"
        assert (
            run(["restore", str(place), "--to", str(restored), "--at", identifier, "-i", str(identity)], environment)
            == 0
        )
        for bucket in (schema.KEY, schema.LEASE, schema.AUTH_USERS, schema.ALARM):
            assert elements(restored, bucket) == elements(saved, bucket), f"{bucket!r} of {identifier}"
    target = tmp_path / "data"
    command = ["snapshot", "restore", str(tmp_path / f"restored-{POINTS - 1}.db"), "--data-dir", str(target)]
    assert run([*command, "--keep-revision"], {}) == 0
    again = start_etcd(etcd_peer, data_dir=target)
    with Client(ConnectionOptions.of([again.endpoint])) as client:
        assert client.maintenance.hash_kv(Revision(points[-1][2])).hash == points[-1][3]
        assert _everything(client) == wanted
    assert not [path for path in place.rglob("*") if path.is_file() and CANARY in path.read_bytes()]
    state = [path for path in (tmp_path / "state").rglob("*") if path.is_file()]
    assert state
    assert not [path for path in state if CANARY in path.read_bytes() or b"/registry/" in path.read_bytes()]


def _everything(client: Client) -> list[KeyValue]:
    return list(client.kv.range(b"\0", range_end=b"\0").items)
