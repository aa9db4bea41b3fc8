"""Bech32, the spelling of age's keys: five bits a character, a prefix, and a checksum that finds mistyped letters.

    AGE-SECRET-KEY-1 QYQSZQGPQYQSZQGPQYQSZQGPQYQSZQGPQYQSZQGPQYQSZQGPQYQSQ8S0Q2     32 bytes, all 01

Only what identities need: 32 bytes under the prefix `age-secret-key-`. Follows BIP 173 without its length limit.
"""

from __future__ import annotations

from collections.abc import Iterable

_ALPHABET = "qpzry9x8gf2tvdw0s3jn54khce6mua7l"
_GENERATOR = (0x3B6A57B2, 0x26508E6D, 0x1EA119FA, 0x3D4233DD, 0x2A1462B3)
_CHECKSUM_LENGTH = 6


def encode(prefix: str, data: bytes) -> str:
    """`data` under `prefix`, in lower case."""
    values = _regroup(data, 8, 5)
    checksum = _polymod([*_expanded(prefix), *values, *([0] * _CHECKSUM_LENGTH)]) ^ 1
    values += [checksum >> 5 * (_CHECKSUM_LENGTH - 1 - place) & 31 for place in range(_CHECKSUM_LENGTH)]
    return f"{prefix}1{''.join(_ALPHABET[value] for value in values)}"


def _expanded(prefix: str) -> list[int]:
    return [*(ord(letter) >> 5 for letter in prefix), 0, *(ord(letter) & 31 for letter in prefix)]


def _polymod(values: Iterable[int]) -> int:
    checksum = 1
    for value in values:
        top = checksum >> 25
        checksum = (checksum & 0x1FFFFFF) << 5 ^ value
        for place, term in enumerate(_GENERATOR):
            if top >> place & 1:
                checksum ^= term
    return checksum


def _regroup(data: Iterable[int], size: int, wanted: int) -> list[int]:
    """The bits of `data`, `wanted` at a time."""
    held = bits = 0
    groups: list[int] = []
    for value in data:
        held, bits = held << size | value, bits + size
        while bits >= wanted:
            bits -= wanted
            groups.append(held >> bits & (1 << wanted) - 1)
    if bits:
        groups.append(held << wanted - bits & (1 << wanted) - 1)
    return groups
