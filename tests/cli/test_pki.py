"""`backstay pki`: what it shows, its statuses, and a real etcd that lets in who has its certificates."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from backstay import errors
from backstay.cli.main import run
from backstay.errors import BackstayError
from backstay.etcd import Client, ConnectionOptions, Credentials
from tests.etcd_process import EtcdProcess, Tls
from tests.etcd_server import BackstayServer
from tests.peers import Peer


def test_a_plan_changes_nothing_and_a_run_prints_the_flags(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    pki = tmp_path / "pki"
    command = ["pki", "init", str(pki), "--hosts", "etcd.example.com,10.0.0.5"]
    assert run([*command, "--dry-run", "-o", "json"], {}) == 0
    planned = json.loads(capsys.readouterr().out)
    assert not pki.exists() and not planned["written"]
    assert run([*command, "-o", "json"], {}) == 0
    written = json.loads(capsys.readouterr().out)
    assert written["written"]
    assert [each["action"] for each in written["plan"]["certificates"]] == ["create"] * 5
    assert written["plan"]["certificates"][1]["hosts"] == [
        "etcd.example.com", "10.0.0.5", "localhost", "127.0.0.1", "::1",
    ]  # fmt: skip
    assert f"--cert-file={pki}/etcd/server.crt" in written["flags"]["etcd"]
    assert run(command, {}) == 0
    out = capsys.readouterr().out
    assert "kept" in out and f"    --etcd-cafile={pki}/etcd/ca.crt \\\n" in out
    assert run([*command[:3], "--hosts", "10.9.9.9"], {}) == 3
    assert "is not valid for 10.9.9.9" in capsys.readouterr().err
    assert run([*command[:3], "--hosts", "https://10.9.9.9"], {}) == 2


def test_show_names_what_is_wrong(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    pki = tmp_path / "pki"
    assert run(["pki", "show", str(pki)], {}) == 12
    assert run(["pki", "init", str(pki), "--days", "20"], {}) == 0
    capsys.readouterr()
    assert run(["pki", "show", str(pki)], {}) == 3
    assert "certificate-expires-soon" in capsys.readouterr().out
    (pki / "etcd" / "peer.key").chmod(0o640)
    (pki / "etcd" / "server.key").write_bytes((pki / "etcd" / "ca.key").read_bytes())
    (pki / "etcd" / "healthcheck-client.crt").write_text("junk")
    assert run(["pki", "show", str(pki), "-o", "json"], {}) == 4
    shown = json.loads(capsys.readouterr().out)
    codes = {(each["code"], each["severity"]) for each in shown["findings"]}
    assert codes == {
        ("certificate-expires-soon", "warning"),
        ("certificate-key", "error"),
        ("certificate-unreadable", "error"),
        ("mode-too-open", "warning"),
    }
    ours = {each["name"]: each for each in shown["certificates"]}
    assert ours["server"]["usages"] == ["server", "client"] and ours["ca"]["usages"] == ["signs"]
    assert ours["server"]["days_left"] in (19, 20)


@pytest.mark.parametrize("server", [EtcdProcess, BackstayServer], ids=["etcd", "backstay"])
def test_a_server_lets_in_who_has_its_certificates(
    server: type[EtcdProcess], newest_peer: Peer, tmp_path: Path
) -> None:
    pki = tmp_path / "pki"
    assert run(["pki", "init", str(pki), "--quiet"], {}) == 0
    etcd = pki / "etcd"
    client = etcd / "healthcheck-client"
    files = (etcd / "ca.crt", etcd / "server.crt", etcd / "server.key")
    tls = Tls(*files, client.with_suffix(".crt"), client.with_suffix(".key"))
    with server(newest_peer, tmp_path / "data", tls=tls) as process:
        process.etcdctl("put", "a", "1")
        for name in ("etcd/healthcheck-client", "apiserver-etcd-client"):
            credentials = Credentials(str(etcd / "ca.crt"), f"{pki / name}.crt", f"{pki / name}.key")
            with Client(ConnectionOptions.of([process.endpoint], credentials)) as ours:
                assert ours.kv.range(b"a").items[0].value == b"1"
        stranger = Credentials(str(etcd / "ca.crt"))
        with Client(ConnectionOptions.of([process.endpoint], stranger)) as ours, pytest.raises(BackstayError) as no:
            ours.maintenance.status()
        assert no.value.kind is errors.ENDPOINT_TLS
