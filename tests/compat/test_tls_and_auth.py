"""Every way to be refused by a real etcd: certificates, schemes, passwords, roles. One error, one next step, one status."""

from __future__ import annotations

import datetime
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
import trustme

from backstay import errors
from backstay.cli.main import run
from backstay.errors import BackstayError, ErrorKind
from backstay.etcd import Client, ConnectionOptions, Credentials
from backstay.etcd.results import Permission, PermissionType
from tests import peers
from tests.conftest import StartEtcd
from tests.etcd_process import EtcdProcess, Tls
from tests.peers import Peer


@dataclass(frozen=True)
class Files:
    """The PEM files of two authorities: `own` signed the server, `other` nobody that the server knows."""

    place: Path

    def __getattr__(self, name: str) -> str:
        return str(self.place / f"{name}.pem")


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> Files:
    place = tmp_path_factory.mktemp("certificates")
    own, other = trustme.CA(), trustme.CA()
    yesterday = datetime.datetime.now(datetime.UTC) - datetime.timedelta(days=1)
    own.cert_pem.write_to_path(str(place / "ca.pem"))
    other.cert_pem.write_to_path(str(place / "other_ca.pem"))
    issued = {
        "server": own.issue_cert("127.0.0.1", "localhost"),
        "misnamed": own.issue_cert("etcd.invalid"),
        "client": own.issue_cert("client.invalid", common_name="root"),
        "expired": own.issue_cert("client.invalid", not_after=yesterday),
        "stranger": other.issue_cert("client.invalid"),
    }
    for name, certificate in issued.items():
        (place / f"{name}.pem").write_bytes(b"".join(pem.bytes() for pem in certificate.cert_chain_pems))
        certificate.private_key_pem.write_to_path(str(place / f"{name}_key.pem"))
    (place / "empty.pem").write_text("")
    (place / "text.pem").write_text("this is no certificate\n")
    return Files(place)


@pytest.fixture(scope="module")
def mutual(files: Files, tmp_path_factory: pytest.TempPathFactory) -> Iterator[EtcdProcess]:
    """A server of the newest release that demands a client certificate."""
    tls = Tls(*(Path(each) for each in (files.ca, files.server, files.server_key, files.client, files.client_key)))
    with EtcdProcess(peers.newest(), tmp_path_factory.mktemp("mutual") / "etcd", tls=tls) as process:
        yield process


@pytest.fixture(scope="module")
def plain(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EtcdProcess]:
    """A server of the newest release without TLS."""
    with EtcdProcess(peers.newest(), tmp_path_factory.mktemp("plain") / "etcd") as process:
        yield process


def identity(files: Files, name: str = "client", *, cacert: str | None = None) -> Credentials:
    return Credentials(
        cacert=files.ca if cacert is None else cacert, cert=getattr(files, name), key=getattr(files, f"{name}_key")
    )


def test_the_right_certificates_are_let_in(mutual: EtcdProcess, files: Files) -> None:
    with Client(ConnectionOptions.of([mutual.endpoint], identity(files))) as client:
        assert client.maintenance.status().version == mutual.peer.version
    # Without a scheme, certificates mean TLS, as in etcdctl.
    with Client(ConnectionOptions.of([mutual.address], identity(files))) as client:
        assert client.kv.put(b"a", b"1").header.revision > 1


def test_an_unverified_server_is_let_through_when_asked_for(mutual: EtcdProcess, files: Files) -> None:
    with pytest.raises(BackstayError):
        refused_call(mutual.endpoint, identity(files, cacert=files.other_ca))
    trusting = Credentials(cert=files.client, key=files.client_key, insecure_skip_tls_verify=True)
    with Client(ConnectionOptions.of([mutual.endpoint], trusting)) as client:
        assert client.maintenance.status().version == mutual.peer.version


def refused_call(endpoint: str, credentials: Credentials) -> None:
    with Client(ConnectionOptions.of([endpoint], credentials)) as client:
        client.maintenance.status()


CASES: dict[str, tuple[list[str], ErrorKind, str, int]] = {
    "no client certificate": (["--cacert", "{ca}"], errors.ENDPOINT_TLS, "wants a client certificate", 5),
    "wrong CA": (
        ["--cacert", "{other_ca}", "--cert", "{client}", "--key", "{client_key}"],
        errors.ENDPOINT_TLS, "is not signed by the CA in", 5,
    ),
    "no CA": (["--cert", "{client}", "--key", "{client_key}"], errors.ENDPOINT_TLS, "signed by a CA of this machine", 5),
    "stranger": (
        ["--cacert", "{ca}", "--cert", "{stranger}", "--key", "{stranger_key}"],
        errors.ENDPOINT_TLS, "refused our certificate", 5,
    ),
    "expired": (
        ["--cacert", "{ca}", "--cert", "{expired}", "--key", "{expired_key}"],
        errors.CREDENTIALS_INVALID, "has expired", 128,
    ),
    "key of another": (
        ["--cacert", "{ca}", "--cert", "{client}", "--key", "{server_key}"],
        errors.CREDENTIALS_INVALID, "is not the key of the certificate", 128,
    ),
    "missing file": (
        ["--cacert", "{absent}", "--cert", "{client}", "--key", "{client_key}"],
        errors.CREDENTIALS_UNREADABLE, "No such file", 128,
    ),
    "empty file": (["--cacert", "{empty}"], errors.CREDENTIALS_INVALID, "the file is empty", 128),
    "no certificate in it": (["--cacert", "{text}"], errors.CREDENTIALS_INVALID, "it (Unable to load PEM file)", 128),
    "swapped": (
        ["--cacert", "{ca}", "--cert", "{client_key}", "--key", "{client}"],
        errors.CREDENTIALS_INVALID, "no PEM certificate in it", 128,
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", CASES)
def test_bad_certificates_are_one_clear_error(
    name: str, mutual: EtcdProcess, files: Files, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    flags, kind, words, status = CASES[name]
    given = [flag if flag.startswith("--") else getattr(files, flag.strip("{}")) for flag in flags]
    saving_fails(mutual.endpoint, given, kind, words, status, tmp_path, capsys)


def test_plain_text_against_tls_says_https(
    mutual: EtcdProcess, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    err = saving_fails(f"http://{mutual.address}", [], errors.ENDPOINT_TLS, "speaks TLS", 5, tmp_path, capsys)
    assert f"https://{mutual.address}" in err


def test_tls_against_plain_text_says_http(
    plain: EtcdProcess, files: Files, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    flags = ["--cacert", files.ca]
    err = saving_fails(
        f"https://{plain.address}", flags, errors.ENDPOINT_TLS, "does not speak TLS", 5, tmp_path, capsys
    )
    assert f"http://{plain.address}" in err


def test_a_certificate_for_another_name_is_named(
    files: Files, newest_peer: Peer, start_etcd: StartEtcd, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    etcd = start_etcd(newest_peer, tls=Tls(Path(files.ca), Path(files.misnamed), Path(files.misnamed_key)))
    place = tmp_path / "saves"
    place.mkdir()
    flags = ["--cacert", files.ca]
    saving_fails(etcd.endpoint, flags, errors.ENDPOINT_TLS, "is for another name", 5, place, capsys)


@pytest.fixture(scope="module")
def guarded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EtcdProcess]:
    """A server with authentication: root/secret, and a reader who may read everything and nothing else."""
    with EtcdProcess(peers.newest(), tmp_path_factory.mktemp("guarded") / "etcd") as process:
        with Client(ConnectionOptions.of([process.endpoint])) as client:
            client.kv.put(b"a", b"1")
            for name, password, role in (("root", "secret", "root"), ("reader", "read", "reading")):
                client.auth.add_user(name, password)
                client.auth.add_role(role)
                client.auth.grant_role(name, role)
            client.auth.grant_permission("reading", Permission(PermissionType.READ, b"\0", b"\0"))
            client.auth.enable()
        yield process


def test_root_may_save(guarded: EtcdProcess, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    target = str(tmp_path / "saved.db")
    assert run(["snapshot", "save", target, "--endpoints", guarded.endpoint, "--user", "root:secret"], {}) == 0
    assert "the same on member" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("flags", "kind", "words"),
    [
        (["--user", "root:wrong"], errors.AUTHENTICATION_FAILED, "authentication failed"),
        (["--user", "nobody", "--password", "x"], errors.AUTHENTICATION_FAILED, "authentication failed"),
        (["--user", "reader:read"], errors.PERMISSION_DENIED, "role root"),
        ([], errors.AUTHENTICATION_FAILED, "give --user and --password"),
        (["--auth-jwt-token", "nonsense"], errors.AUTHENTICATION_FAILED, "invalid auth token"),
    ],
)
def test_wrong_users_are_one_clear_error(
    flags: list[str],
    kind: ErrorKind,
    words: str,
    guarded: EtcdProcess,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    err = saving_fails(guarded.endpoint, flags, kind, words, 5, tmp_path, capsys)
    assert "secret" not in err
    assert "wrong" not in err.replace("wrong password", "")


def saving_fails(
    endpoint: str,
    flags: list[str],
    kind: ErrorKind,
    words: str,
    status: int,
    place: Path,
    capsys: pytest.CaptureFixture[str],
) -> str:
    """What stderr said about a save that had to fail."""
    assert run(["snapshot", "save", str(place / "saved.db"), "--endpoints", endpoint, *flags], {}) == status
    out, err = capsys.readouterr()
    assert out == ""
    assert f"code: {kind.code} " in err, err
    assert words in err, err
    assert err.count("Error: ") == 1
    assert "  next: " in err
    assert list(place.iterdir()) == []
    return err
