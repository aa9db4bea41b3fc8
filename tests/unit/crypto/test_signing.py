"""Signed documents: one spelling, one signature, and nothing else is believed."""

from __future__ import annotations

import pytest

from backstay import errors
from backstay.crypto.signing import SigningKey, read_document, read_signing_key, sign_document
from backstay.errors import BackstayError

KEY = SigningKey(bytes(range(32)))
DOCUMENT = (
    b'{"document":"trust","number":1}\n'
    b'{"key":"03a107bff3ce10be1d70dd18e74bc09967e4d6309ba50d5f1ddc8664125531b8",'
    b'"signature":"Ss64nvIIPopQanhHonXZOQObeAD04YY5yMfr3m7QH0bAXB21IZ7uX5H2Q7qBw7ZE59gqjBq5pkV3CFb/V6dEBQ=="}\n'
)


def test_a_document_is_these_bytes_and_reads_back() -> None:
    assert sign_document({"number": 1, "document": "trust"}, KEY) == DOCUMENT
    read = read_document(DOCUMENT, "it")
    assert read.fields == {"document": "trust", "number": 1}
    assert read.key == KEY.public


def test_no_byte_of_a_document_can_be_another() -> None:
    for place in range(len(DOCUMENT)):
        for mask in (1, 0x20, 0x80):
            damaged = bytearray(DOCUMENT)
            damaged[place] ^= mask
            with pytest.raises(BackstayError) as raised:
                read_document(bytes(damaged), "it")
            assert raised.value.kind in (errors.OBJECT_DAMAGED, errors.SIGNATURE_WRONG)


@pytest.mark.parametrize(
    "body", [b'{"a":1,"a":2}', b'{"a":NaN}', b"[1]", b"[" * 5000, b"\xff", b"", '{"ä":1}'.encode()], ids=repr
)
def test_a_body_that_is_no_plain_object_is_refused_although_it_is_signed(body: bytes) -> None:
    good = sign_document({}, KEY)
    signature = KEY.sign(b"backstay signed document 1\n" + body)
    import base64
    import json

    line = json.dumps(
        {"key": KEY.public, "signature": base64.b64encode(signature).decode()}, separators=(",", ":")
    ).encode()
    assert line.split(b'"signature"')[0] in good
    with pytest.raises(BackstayError) as raised:
        read_document(body + b"\n" + line + b"\n", "it")
    assert raised.value.kind is errors.OBJECT_DAMAGED


def test_a_signing_key_goes_through_a_file_and_shows_nowhere() -> None:
    text = f"# comment\n{KEY.as_text()}\n"
    assert read_signing_key(text, "it") == KEY
    assert KEY.seed.hex() not in repr(KEY)
    for wrong in ("", "x", KEY.as_text()[:-1], f"{KEY.as_text()}\n{KEY.as_text()}"):
        with pytest.raises(BackstayError) as raised:
            read_signing_key(wrong, "it")
        assert raised.value.kind is errors.SIGNING_KEY_INVALID
        assert KEY.seed.hex()[:-1] not in str(raised.value)
