"""Tokens: simple ones slide, signed ones carry their revision and accept only their own method."""

from __future__ import annotations

import random

import pytest
import trustme
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa

from backstay.store.tokens import SimpleTokens
from backstay.store.tokens.signed import SignedTokens
from tests.unit.store.engine.engines import HandClock

RSA = rsa.generate_private_key(public_exponent=65537, key_size=2048)
CURVES = {"ES256": ec.SECP256R1(), "ES384": ec.SECP384R1(), "ES512": ec.SECP521R1()}


def pem(method: str) -> bytes:
    if method.startswith("HS"):
        return b"a secret of some length"
    key: rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey | ed25519.Ed25519PrivateKey = RSA
    if method in CURVES:
        key = ec.generate_private_key(CURVES[method])
    elif method == "EdDSA":
        key = ed25519.Ed25519PrivateKey.generate()
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )


def test_a_simple_token_lives_from_its_last_use() -> None:
    clock = HandClock()
    tokens = SimpleTokens(clock, random.Random(1))
    token = tokens.issue("alice", 3, 58)
    assert len(token) == 19 and token.endswith(".58")
    for _ in range(3):
        clock.seconds += 299
        assert tokens.identify(token, 4) == ("alice", 4)
    clock.seconds += 300
    assert tokens.identify(token, 4) is None


@pytest.mark.parametrize(
    "method", ["HS256", "HS512", "RS256", "RS384", "PS256", "PS512", "ES256", "ES384", "ES512", "EdDSA"]
)
def test_a_signed_token_says_who_and_when(method: str) -> None:
    clock = HandClock()
    tokens = SignedTokens(clock, method, private_key=pem(method))
    token = tokens.issue("alice", 3, 58)
    assert tokens.identify(token, 9) == ("alice", 3)
    head, claims, signature = token.split(".")
    assert tokens.identify(f"{head}.{claims}.{signature[:-4]}AAAA", 9) is None
    assert tokens.identify(f"{head}.{claims}A.{signature}", 9) is None
    clock.seconds += 300
    assert tokens.identify(token, 9) is None


@pytest.mark.parametrize("token", ["", ".", "..", "a.b.c", "e30.e30.", "bnVsbA.bnVsbA.", "W10.W10.W10", "ä.ö.ü"])
def test_a_malformed_token_is_nobodys(token: str) -> None:
    assert SignedTokens(HandClock(), "HS256", private_key=b"secret").identify(token, 1) is None


def test_a_key_that_does_not_fit_is_refused() -> None:
    with pytest.raises(ValueError, match="does not fit"):
        SignedTokens(HandClock(), "ES256", private_key=pem("RS256"))
    with pytest.raises(ValueError, match="unknown signing method"):
        SignedTokens(HandClock(), "none", private_key=b"secret")


def test_a_certificate_stands_for_its_public_key() -> None:
    certificate = trustme.CA(key_type=trustme.KeyType.RSA).issue_cert("server", key_type=trustme.KeyType.RSA)
    private, public = certificate.private_key_pem.bytes(), certificate.cert_chain_pems[0].bytes()
    token = SignedTokens(HandClock(), "RS256", private_key=private, public_key=public).issue("alice", 3, 1)
    assert SignedTokens(HandClock(), "RS256", public_key=public).identify(token, 3) == ("alice", 3)


def test_an_encrypted_key_is_refused() -> None:
    encryption = serialization.BestAvailableEncryption(b"secret")
    private = RSA.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, encryption)
    with pytest.raises(ValueError, match="encrypted"):
        SignedTokens(HandClock(), "RS256", private_key=private)
