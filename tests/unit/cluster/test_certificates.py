"""Certificates in kubeadm's layout: what is made, what is kept, what is refused, and what OpenSSL says of it."""

from __future__ import annotations

import errno
import ipaddress
import shutil
import ssl
import stat
import subprocess
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509

from backstay.cluster.certificates import AUTHORITY, KINDS, Action, Algorithm, PkiWish, make_plan, write_certificates
from backstay.cluster.certificates.layout import API_SERVER, PEER, SERVER
from backstay.cluster.certificates.plan import checked_hosts
from backstay.durable import LocalDisk
from backstay.errors import BackstayError
from tests.faulty_disk import FailingDisk

NOW = datetime(2026, 11, 24, 18, 30, tzinfo=UTC)


def entropy(count: int) -> bytes:
    return bytes(range(1, count + 1))


def make(directory: Path, *hosts: str, now: datetime = NOW, **wishes: object) -> dict[str, Action]:
    plan = make_plan(PkiWish(directory, hosts, **wishes), now)  # type: ignore[arg-type]
    write_certificates(plan, LocalDisk(), entropy)
    return {each.name: each.action for each in plan.certificates}


def load(path: Path) -> x509.Certificate:
    return x509.load_pem_x509_certificate(path.read_bytes())


def contents(directory: Path) -> dict[Path, bytes]:
    return {path: path.read_bytes() for path in directory.rglob("*") if path.is_file()}


@pytest.mark.parametrize("algorithm", list(Algorithm))
def test_certificates_verify_against_their_authority(algorithm: Algorithm, tmp_path: Path) -> None:
    pki = tmp_path / "new" / "pki"
    make(pki, "etcd.example.com", "10.0.0.5", algorithm=algorithm)
    for kind in KINDS:
        certificate, key = kind.certificate_in(pki), kind.key_in(pki)
        assert stat.S_IMODE(key.stat().st_mode) == 0o600
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificate, key)  # refuses a key that is another's
        if openssl := shutil.which("openssl"):
            purposes = ["sslserver", "sslclient"] if kind.for_servers else ["sslclient"]
            for purpose in [] if kind.is_authority else purposes:
                command = [openssl, "verify", "-x509_strict", "-attime", str(int(NOW.timestamp()))]
                command += ["-purpose", purpose, "-CAfile", str(AUTHORITY.certificate_in(pki)), str(certificate)]
                done = subprocess.run(command, capture_output=True, text=True, check=False)
                assert done.returncode == 0, done.stdout + done.stderr
    names = load(SERVER.certificate_in(pki)).extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert names.get_values_for_type(x509.DNSName) == ["etcd.example.com", "localhost"]
    addresses = ["10.0.0.5", "127.0.0.1", "::1"]
    assert names.get_values_for_type(x509.IPAddress) == [ipaddress.ip_address(each) for each in addresses]
    assert load(API_SERVER.certificate_in(pki)).subject.rfc4514_string() == "CN=kube-apiserver-etcd-client"


def test_nothing_is_replaced_and_the_authority_signs_what_is_missing(tmp_path: Path) -> None:
    make(tmp_path, days=30)
    for path in (SERVER.certificate_in(tmp_path), SERVER.key_in(tmp_path)):
        path.rename(path.with_suffix(".old"))
    before = contents(tmp_path)
    actions = make(tmp_path, "10.0.0.5")
    assert [name for name, action in actions.items() if action is Action.CREATE] == ["server"]
    assert {path: data for path, data in contents(tmp_path).items() if path in before} == before
    new = load(SERVER.certificate_in(tmp_path))
    new.verify_directly_issued_by(load(AUTHORITY.certificate_in(tmp_path)))
    assert new.not_valid_after_utc == NOW + timedelta(days=365)
    assert Action.CREATE not in make(tmp_path).values()


def test_no_certificate_outlives_its_authority(tmp_path: Path) -> None:
    make(tmp_path, days=900, authority_days=100)
    assert load(PEER.certificate_in(tmp_path)).not_valid_after_utc == NOW + timedelta(days=100)


def test_an_interrupted_run_is_finished_by_the_next(tmp_path: Path) -> None:
    steps = 1
    while True:
        place = tmp_path / str(steps)
        place.mkdir()
        disk = FailingDisk(steps, errno.EIO)
        try:
            write_certificates(make_plan(PkiWish(place), NOW), disk, entropy)
            break
        except BackstayError:
            keys = {path: path.read_bytes() for path in place.rglob("*.key")}
            make(place)
            assert {path: path.read_bytes() for path in keys} == keys
            assert not list(place.rglob("*.part"))
            steps += 1
    assert steps > 30


def test_a_certificate_that_is_kept_and_does_not_fit_is_named(tmp_path: Path) -> None:
    make(tmp_path, days=10)
    plan = make_plan(PkiWish(tmp_path, ("10.9.9.9",)), NOW + timedelta(days=11))
    assert sum("has expired on 2026-12-04" in notice for notice in plan.notices) == 4
    assert sum("is not valid for 10.9.9.9" in notice for notice in plan.notices) == 2


def test_what_does_not_fit_together_is_refused_and_nothing_is_written(tmp_path: Path) -> None:
    pki, other = tmp_path / "pki", tmp_path / "other"
    make(pki)
    make(other)

    def refused(why: str, now: datetime = NOW) -> None:
        before = contents(pki)
        with pytest.raises(BackstayError, match=why) as problem:
            make(pki, now=now)
        assert problem.value.kind.code == "pki-unfit"
        assert contents(pki) == before

    key = SERVER.key_in(pki)
    saved = key.read_bytes()
    key.write_bytes(SERVER.key_in(other).read_bytes())
    refused("is not the key of")
    key.unlink()
    refused("has no key")
    key.write_bytes(b"junk")
    refused("is not what its name says")
    key.write_bytes(saved)
    PEER.key_in(pki).unlink()
    PEER.certificate_in(pki).unlink()
    AUTHORITY.key_in(pki).unlink()
    refused("authority's key is not here")
    AUTHORITY.certificate_in(pki).write_bytes(AUTHORITY.certificate_in(other).read_bytes())
    AUTHORITY.key_in(pki).write_bytes(AUTHORITY.key_in(other).read_bytes())
    refused("was not issued by the authority in this directory")
    refused("it has expired on 2036", now=NOW + timedelta(days=3651))
    AUTHORITY.certificate_in(pki).write_bytes(API_SERVER.certificate_in(pki).read_bytes())
    AUTHORITY.key_in(pki).write_bytes(API_SERVER.key_in(pki).read_bytes())
    refused("may not sign")


def test_hosts_are_names_or_addresses() -> None:
    assert checked_hosts((" Etcd.Example.com.", "[fd00::1]", "*.etcd.svc", "localhost"))[:4] == (
        "etcd.example.com",
        "fd00::1",
        "*.etcd.svc",
        "localhost",
    )
    for bad in ("", "a b", "https://a", "a:2380", "-a", "a..b", "x" * 64, "é.de", "a\n"):
        with pytest.raises(BackstayError):
            checked_hosts((bad + " x",) if bad == "a\n" else (bad,))
    for days in (0, 36_501):
        with pytest.raises(BackstayError):
            make_plan(PkiWish(Path("nowhere"), days=days), NOW)
