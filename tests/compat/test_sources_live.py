"""A living etcd as a source, reached as an administrator does: through discovery, flags, and the commands."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from backstay import errors
from backstay.cli.main import run
from backstay.etcd import Client, ConnectionOptions
from backstay.sources import Selection, open_source
from backstay.values import NO_COMPACTION, Revision
from tests.conftest import StartEtcd
from tests.etcd_process import EtcdProcess
from tests.peers import Peer

KEYS = 2500
"""More than two pages of values."""


@pytest.fixture
def etcd(newest_peer: Peer, start_etcd: StartEtcd) -> EtcdProcess:
    return start_etcd(newest_peer)


def options(etcd: EtcdProcess) -> ConnectionOptions:
    return ConnectionOptions.of([etcd.endpoint])


def test_more_keys_than_fit_a_page_are_of_one_revision(etcd: EtcdProcess) -> None:
    with Client(options(etcd)) as client:
        for number in range(KEYS):
            last = client.kv.put(b"/registry/pods/ns/%05d" % number, b"v" * (number % 7))
        with open_source("live", connect=lambda: Client(options(etcd))) as source:
            assert source.compact_revision == NO_COMPACTION
            listing = source.keys(Selection.parse("/registry/"))
            first = next(listing)
            client.kv.put(b"/registry/pods/ns/99999", b"written while the pages are read")
            rest = list(listing)
            assert [first.key, *(entry.key for entry in rest)] == [b"/registry/pods/ns/%05d" % n for n in range(KEYS)]
            assert sum(entry.size or 0 for entry in rest) == sum(number % 7 for number in range(KEYS))
            assert source.count(Selection.parse("/registry/*/*/*"), sizes=False).keys == KEYS + 1
            client.kv.compact(last.header.revision)
            assert source.compact_revision == last.header.revision
            with pytest.raises(errors.BackstayError) as caught:
                list(source.keys(Selection.parse(""), Revision(last.header.revision - 1)))
            assert caught.value.kind is errors.REVISION_COMPACTED


def test_the_commands_read_the_etcd_that_a_unit_of_this_host_describes(
    etcd: EtcdProcess, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    etcd.etcdctl("put", "/registry/namespaces/default", "value")
    unit = tmp_path / "host/etc/systemd/system/etcd.service"
    unit.parent.mkdir(parents=True)
    unit.write_text(f"[Service]\nExecStart=/usr/bin/etcd --listen-client-urls={etcd.endpoint} --data-dir=/srv\n")
    environment = {"BACKSTAY_HOST_ROOT": str(tmp_path / "host")}
    assert run(["keys", "live", "-o", "json"], environment) == 0
    captured = capsys.readouterr()
    assert [each["key"] for each in json.loads(captured.out)] == ["/registry/namespaces/default"]
    assert f"systemd unit ({unit}) names {etcd.endpoint}" in captured.err
    assert run(["get", "live", "/registry/namespaces/default", "-o", "json", "--quiet"], environment) == 0
    captured = capsys.readouterr()
    assert (json.loads(captured.out)["text"], captured.err) == ("value", "")
    assert run(["get", "live", "/nope", "--endpoints", etcd.endpoint], environment) == 1


def test_the_data_directory_of_a_running_member_is_refused(
    etcd: EtcdProcess, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["keys", str(etcd.data_dir)], {}) == 9
    assert "code: directory-in-use" in capsys.readouterr().err
    assert run(["keys", str(etcd.data_dir / "member/snap/db")], {}) == 9
    assert "code: directory-in-use" in capsys.readouterr().err
