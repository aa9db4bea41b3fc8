"""TLS of the store's server: who comes in, over which protocol, and what happens when the files change."""

from __future__ import annotations

import asyncio
import datetime
import os
import ssl
from pathlib import Path

import grpc
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.serialization import Encoding, load_pem_private_key

from backstay import errors
from backstay.errors import BackstayError
from backstay.server.http.statistics import NoStatistics
from backstay.server.methods import Op
from backstay.server.tls import ServerTls
from tests.serving import Certificates, Served, call, on_a_loop, serving

HEALTH = b"GET /health HTTP/1.1\r\nHost: anything\r\nConnection: close\r\n\r\n"


@pytest.fixture
def certificates(tmp_path: Path) -> Certificates:
    """A new authority."""
    return Certificates.make(tmp_path)


def _context(certificates: Certificates, client: str | None = None, protocols: tuple[str, ...] = ()) -> ssl.SSLContext:
    context = ssl.create_default_context(cafile=str(certificates.directory / "ca.crt"))
    if client is not None:
        context.load_cert_chain(certificates.directory / f"{client}.crt", certificates.directory / f"{client}.key")
    if protocols:
        context.set_alpn_protocols(list(protocols))
    return context


async def _https(served: Served, context: ssl.SSLContext, data: bytes = HEALTH) -> tuple[str | None, bytes, str]:
    """What ALPN chose, the answer, and the serial number of the server's certificate."""
    reader, writer = await asyncio.open_connection("127.0.0.1", served.port, ssl=context)
    chosen = writer.get_extra_info("ssl_object").selected_alpn_protocol()
    serial = writer.get_extra_info("peercert")["serialNumber"]
    writer.write(data)
    answer = await reader.read()
    writer.transport.abort()
    return chosen, answer, serial


async def _is_let_in(served: Served, certificates: Certificates, client: str | None) -> bool:
    async with certificates.channel(served.address, client) as channel:
        try:
            await call(channel, Op.STATUS)
        except grpc.aio.AioRpcError as problem:
            assert problem.code() is grpc.StatusCode.UNAVAILABLE
            return False
        return True


@pytest.mark.parametrize("protocols", [(), ("http/1.1",), ("h2", "http/1.1"), ("nonsense",)])
def test_one_port_serves_web_clients_and_grpc(certificates: Certificates, protocols: tuple[str, ...]) -> None:
    async def story() -> None:
        async with serving(listeners=[certificates.listener()]) as served:
            chosen, answer, _ = await _https(served, _context(certificates, protocols=protocols))
            assert chosen == ("http/1.1" if "http/1.1" in protocols else None)
            assert answer.endswith(b'{"health":"true","reason":""}')
            assert await _is_let_in(served, certificates, None)

    on_a_loop(story)


def test_a_client_certificate_is_demanded_and_its_names_arrive(certificates: Certificates) -> None:
    async def story() -> None:
        listener = certificates.listener(trusted_authority=certificates.directory / "ca.crt")
        async with serving(listeners=[listener]) as served:
            assert await _is_let_in(served, certificates, "client")
            peer = served.server.inbox.peer(served.handler.calls[0][1])
            assert peer.address.startswith("127.0.0.1:")
            assert (peer.common_name, peer.alternative_names) == ("alice", ("client.example",))
            assert not await _is_let_in(served, certificates, None)
            assert len(served.handler.calls) == 1

    on_a_loop(story)


class AuthEnabled(NoStatistics):
    """A store whose users have to say who they are."""

    def auth_is_enabled(self) -> bool:
        return True


def test_a_certificate_names_nobody_to_the_gateway(certificates: Certificates) -> None:
    ask = (
        b"POST /v3/kv/range HTTP/1.1\r\nHost: a\r\nContent-Length: 14\r\nConnection: close\r\n\r\n" + b'{"key":"YQ=="}'
    )

    async def story() -> None:
        listener = certificates.listener(trusted_authority=certificates.directory / "ca.crt")
        context = _context(certificates, "client")
        async with serving(listeners=[listener]) as served:
            assert b" 200 OK" in (await _https(served, context, ask))[1]
            assert served.server.inbox.peer(served.handler.calls[0][1]).common_name is None
        async with serving(listeners=[listener], statistics=AuthEnabled()) as served:
            answer = (await _https(served, context, ask))[1]
            assert b" 400 Bad Request" in answer and b"CommonName of client" in answer
            assert b" 200 OK" in (await _https(served, context))[1], "health asks nobody"
            assert len([each for each in served.handler.calls if each[0] is Op.RANGE and each[3] == b"a"]) == 0

    on_a_loop(story)


def test_a_client_without_a_certificate_is_told_why(certificates: Certificates) -> None:
    async def story() -> None:
        listener = certificates.listener(trusted_authority=certificates.directory / "ca.crt")
        async with serving(listeners=[listener]) as served:
            with pytest.raises(ssl.SSLError, match="certificate required"):
                await _https(served, _context(certificates))

    on_a_loop(story)


def test_a_certificate_of_another_authority_is_not_let_in(certificates: Certificates, tmp_path: Path) -> None:
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    other = Certificates.make(elsewhere)
    for end in ("crt", "key"):
        (tmp_path / f"stranger.{end}").write_bytes((other.directory / f"client.{end}").read_bytes())

    async def story() -> None:
        listener = certificates.listener(trusted_authority=tmp_path / "ca.crt")
        async with serving(listeners=[listener]) as served:
            assert not await _is_let_in(served, certificates, "stranger")
            assert served.handler.calls == []

    on_a_loop(story)


@pytest.mark.parametrize(
    ("rule", "value", "comes_in"),
    [
        ("allowed_common_names", ("bob", "alice"), True),
        ("allowed_common_names", ("bob",), False),
        ("allowed_hostnames", ("client.example",), True),
        ("allowed_hostnames", ("other.example",), False),
    ],
)
def test_only_names_that_are_allowed_come_in(
    certificates: Certificates, rule: str, value: tuple[str, ...], comes_in: bool
) -> None:
    async def story() -> None:
        more = {"trusted_authority": certificates.directory / "ca.crt", rule: value}
        async with serving(listeners=[certificates.listener(**more)]) as served:
            assert await _is_let_in(served, certificates, "client") is comes_in
            assert len(served.handler.calls) == int(comes_in)

    on_a_loop(story)


def test_a_certificate_that_is_revoked_meanwhile_comes_in_no_more(certificates: Certificates) -> None:
    directory = certificates.directory
    listed = directory / "revoked.pem"
    client = x509.load_pem_x509_certificate((directory / "client.crt").read_bytes())
    listed.write_bytes(_revocations(certificates, []))

    async def story() -> None:
        listener = certificates.listener(trusted_authority=directory / "ca.crt", revoked=listed)
        async with serving(listeners=[listener]) as served:
            assert await _is_let_in(served, certificates, "client")
            listed.write_bytes(_revocations(certificates, [client.serial_number]))
            assert not await _is_let_in(served, certificates, "client")
            listed.write_bytes(b"half a list")
            assert not await _is_let_in(served, certificates, "client"), "a list that cannot be read revokes as before"

    on_a_loop(story)


def test_a_renewed_certificate_is_served_to_the_next_client(certificates: Certificates) -> None:
    async def story() -> None:
        async with serving(listeners=[certificates.listener()]) as served:
            context = _context(certificates)
            before = (await _https(served, context))[2]
            certificates.issue("server", "127.0.0.1")
            after = (await _https(served, context))[2]
            assert after != before
            assert (await _https(served, context))[2] == after
            assert await _is_let_in(served, certificates, None)

    on_a_loop(story)


def test_a_renewal_that_is_half_done_leaves_the_old_certificate(
    certificates: Certificates, caplog: pytest.LogCaptureFixture
) -> None:
    key = certificates.directory / "server.key"

    async def story() -> None:
        async with serving(listeners=[certificates.listener()]) as served:
            context = _context(certificates)
            before = (await _https(served, context))[2]
            key.write_bytes((certificates.directory / "client.key").read_bytes())
            for _ in range(3):
                assert (await _https(served, context))[2] == before
            assert caplog.text.count("the server's old certificate stays in use") == 1
            with pytest.raises(BackstayError) as caught:
                served.server.reload_certificates()
            assert caught.value.kind is errors.SERVER_CERTIFICATE_UNUSABLE
            assert caught.value.where == str(key)
            assert (await _https(served, context))[2] == before

    on_a_loop(story)


def test_a_client_that_is_too_old_is_not_served(certificates: Certificates) -> None:
    async def story() -> None:
        async with serving(listeners=[certificates.listener(minimum_version="TLS1.3")]) as served:
            old = _context(certificates)
            old.maximum_version = ssl.TLSVersion.TLSv1_2
            with pytest.raises(ssl.SSLError, match="alert protocol version"):
                await _https(served, old)
            assert b"200 OK" in (await _https(served, _context(certificates)))[1]

    on_a_loop(story)


def test_ciphers_of_tls_1_2_can_be_chosen(certificates: Certificates) -> None:
    async def story() -> None:
        more = {"maximum_version": "TLS1.2", "cipher_suites": ("TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384",)}
        async with serving(listeners=[certificates.listener(**more)]) as served:
            _, writer = await asyncio.open_connection("127.0.0.1", served.port, ssl=_context(certificates))
            assert writer.get_extra_info("cipher")[0] == "ECDHE-ECDSA-AES256-GCM-SHA384"
            writer.transport.abort()
            other = _context(certificates)
            other.maximum_version = ssl.TLSVersion.TLSv1_2
            other.set_ciphers("ECDHE-ECDSA-AES128-GCM-SHA256")
            with pytest.raises(ssl.SSLError, match="alert handshake failure"):
                await _https(served, other)

    on_a_loop(story)


@pytest.mark.parametrize("broken", ["certificate", "key", "authority", "absent", "unreadable", "pair", "locked"])
def test_a_file_that_cannot_be_used_is_named(certificates: Certificates, broken: str) -> None:
    directory = certificates.directory
    culprit = directory / {"authority": "ca.crt", "certificate": "server.crt"}.get(broken, "server.key")
    if broken == "absent":
        culprit.unlink()
    elif broken == "unreadable":
        culprit.unlink()
        culprit.mkdir()
    elif broken == "pair":
        culprit.write_bytes((directory / "client.key").read_bytes())
    elif broken == "locked":
        from cryptography.hazmat.primitives.serialization import BestAvailableEncryption, PrivateFormat

        key = load_pem_private_key(culprit.read_bytes(), None)
        locked = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, BestAvailableEncryption(b"secret"))
        culprit.write_bytes(locked)
    else:
        culprit.write_bytes(b"-----BEGIN NONSENSE-----\n")
    with pytest.raises(BackstayError) as caught:
        ServerTls(certificates.files(trusted_authority=directory / "ca.crt"))
    assert caught.value.kind is errors.SERVER_CERTIFICATE_UNUSABLE
    assert caught.value.where == str(culprit)
    assert os.sep in caught.value.what
    assert "http" not in caught.value.why  # no library's own pages


def _revocations(certificates: Certificates, serials: list[int]) -> bytes:
    now = datetime.datetime.now(datetime.UTC)
    authority = x509.load_pem_x509_certificate((certificates.directory / "ca.crt").read_bytes())
    key = load_pem_private_key(certificates.authority.private_key_pem.bytes(), None)
    builder = (
        x509.CertificateRevocationListBuilder()
        .issuer_name(authority.subject)
        .last_update(now)
        .next_update(now + datetime.timedelta(days=1))
    )
    for serial in serials:
        revoked = x509.RevokedCertificateBuilder().serial_number(serial).revocation_date(now).build()
        builder = builder.add_revoked_certificate(revoked)
    return builder.sign(key, hashes.SHA256()).public_bytes(Encoding.PEM)  # type: ignore[arg-type]
