"""`backstay.testing.Etcd` and its fixtures: there at once, kept or temporary, killed and started again, with certificates."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from backstay import errors
from backstay.errors import BackstayError
from backstay.testing import Etcd

pytest_plugins = ["pytester"]


def put(etcd: Etcd, key: bytes, value: bytes) -> None:
    with etcd.client() as client:
        client.kv.put(key, value)


def value_of(etcd: Etcd, key: bytes) -> bytes:
    with etcd.client() as client:
        found = client.kv.get(key)
    assert found is not None
    return found.value


@pytest.mark.parametrize("in_process", [False, True])
def test_a_store_is_there_and_gone_without_a_trace(in_process: bool) -> None:
    with Etcd(in_process=in_process) as etcd:
        put(etcd, b"a", b"1")
        assert value_of(etcd, b"a") == b"1"
        assert etcd.running
        assert etcd.endpoint == f"http://127.0.0.1:{etcd.port}"
        assert (etcd.data_dir / "member").is_dir()
        place = etcd.data_dir.parent
    assert not etcd.running
    assert not place.exists()


@pytest.mark.parametrize("in_process", [False, True])
def test_a_restart_keeps_the_port_and_the_data(in_process: bool) -> None:
    with Etcd(in_process=in_process) as etcd:
        put(etcd, b"a", b"1")
        port = etcd.port
        etcd.restart()
        assert etcd.port == port
        assert value_of(etcd, b"a") == b"1"


def test_a_killed_child_has_lost_nothing() -> None:
    with Etcd() as etcd:
        put(etcd, b"a", b"1")
        before = etcd.pid
        etcd.kill()
        assert not etcd.running
        etcd.start()
        assert etcd.pid != before
        assert value_of(etcd, b"a") == b"1"


@pytest.mark.parametrize("in_process", [False, True])
def test_with_certificates_nobody_comes_in_without_one(in_process: bool) -> None:
    with Etcd(certificates=True, in_process=in_process) as etcd:
        assert etcd.endpoint.startswith("https://")
        put(etcd, b"a", b"1")
        assert etcd.certificates is not None
        assert etcd.environment["ETCDCTL_CACERT"] == str(etcd.certificates.authority)
        from backstay.etcd import Client, ConnectionOptions, Credentials

        stranger = Credentials(cacert=str(etcd.certificates.authority))
        with Client(ConnectionOptions.of([etcd.endpoint], stranger)) as client, pytest.raises(BackstayError):
            client.kv.get(b"a")


def test_a_directory_of_ones_own_is_kept(tmp_path: Path) -> None:
    with Etcd(tmp_path / "data", in_process=True) as etcd:
        put(etcd, b"a", b"1")
    with Etcd(tmp_path / "data", in_process=True) as etcd:
        assert value_of(etcd, b"a") == b"1"


def test_a_snapshot_is_one_that_verifies(tmp_path: Path) -> None:
    from backstay.snapshot.opened import open_file

    with Etcd(in_process=True) as etcd:
        put(etcd, b"a", b"1")
        path = etcd.snapshot(tmp_path / "snapshot.db")
        with open_file(path) as store:
            assert [record.item.key for record in store.records()] == [b"a"]
            assert store.trailer is not None
        with pytest.raises(BackstayError):
            etcd.snapshot(path)


def test_flags_are_etcds(tmp_path: Path) -> None:
    with Etcd(in_process=True, flags={"max-txn-ops": "7", "name": "here"}) as etcd, etcd.client() as client:
        assert [member.name for member in client.cluster.members().members] == ["here"]


def test_a_variable_for_etcd_in_the_users_environment_changes_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ETCD_NAME", "elsewhere")
    monkeypatch.setenv("ETCD_DATA_DIR", "/nowhere")
    with Etcd() as etcd, etcd.client() as client:
        assert [member.name for member in client.cluster.members().members] == ["test"]


def test_a_store_that_does_not_start_says_why() -> None:
    with Etcd() as first, pytest.raises(BackstayError) as caught:
        Etcd(first.data_dir).start()
    assert caught.value.kind is errors.STORE_NOT_STARTED
    assert "in use" in caught.value.why
    with Etcd(in_process=True) as first, pytest.raises(BackstayError) as caught:
        Etcd(first.data_dir, in_process=True).start()
    assert caught.value.kind is errors.DIRECTORY_IN_USE


def test_nothing_is_polled_and_two_stores_live_side_by_side() -> None:
    with Etcd(in_process=True) as one, Etcd(in_process=True) as other:
        put(one, b"a", b"1")
        put(other, b"a", b"2")
        assert value_of(one, b"a") == b"1"
        assert value_of(other, b"a") == b"2"


def test_the_fixture_gives_a_fresh_store(etcd: Etcd) -> None:
    put(etcd, b"a", b"1")
    assert value_of(etcd, b"a") == b"1"


def test_the_factory_gives_as_many_as_wanted(etcd_factory: Callable[..., Etcd]) -> None:
    one, other = etcd_factory(in_process=True), etcd_factory(in_process=True)
    put(one, b"a", b"1")
    with other.client() as client:
        assert client.kv.get(b"a") is None


def test_a_project_of_somebody_else_has_the_fixtures(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(
        """
        def test_a_key_is_kept(etcd):
            with etcd.client() as client:
                client.kv.put(b"a", b"1")
                assert client.kv.get(b"a").value == b"1"

        def test_nothing_is_left_of_the_test_before(etcd):
            with etcd.client() as client:
                assert client.kv.get(b"a") is None
        """
    )
    pytester.runpytest_subprocess("-W", "error").assert_outcomes(passed=2)


def test_the_plugin_imports_nothing_before_it_is_used() -> None:
    program = "import sys, backstay.testing.pytest_plugin; print(*sys.modules)"
    said = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True, env=os.environ)
    loaded = said.stdout.split()
    assert not {"grpc", "asyncio", "cryptography", "google.protobuf"} & set(loaded)
    assert [each for each in loaded if each.startswith("backstay.")] == [
        "backstay.testing",
        "backstay.testing.pytest_plugin",
    ]
