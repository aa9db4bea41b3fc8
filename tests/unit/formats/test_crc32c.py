"""CRC-32C: the published check value, continuation, and a bitwise twin."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from backstay.formats.crc32c import crc32c, extend


def test_the_published_check_values() -> None:
    assert crc32c(b"123456789") == 0xE3069283
    assert crc32c(b"key") == 1084519789
    assert crc32c(b"") == 0


@given(st.binary(max_size=200), st.binary(max_size=200))
def test_a_checksum_continues(first: bytes, second: bytes) -> None:
    assert extend(crc32c(first), second) == crc32c(first + second)


@given(st.binary(max_size=64))
def test_equals_the_definition(data: bytes) -> None:
    register = 0xFFFFFFFF
    for byte in data:
        register ^= byte
        for _ in range(8):
            register = register >> 1 ^ (0x82F63B78 if register & 1 else 0)
    assert crc32c(data) == register ^ 0xFFFFFFFF
