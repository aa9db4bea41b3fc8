"""XSalsa20-Poly1305, the cipher of NaCl's secretbox, which the cryptography library does not have.

    box     = nonce 24 | tag 16 | ciphertext
    subkey  = HSalsa20(key, nonce[0:16])
    stream  = Salsa20(subkey, nonce[16:24], counter 0, 1, ...)
    tag     = Poly1305(stream[0:32]) of the ciphertext, which is plaintext xor stream[32:]

    key 00..1f, nonce 30..47, "k8s" NUL "hello"
        396a9e095688459313a65f13bbac7346 f5081432febab2ad9e

Opening only: a plain-Python stream of 64 bytes takes some 30 µs, which is enough for Secrets.
"""

from __future__ import annotations

import struct

KEY_SIZE = 32
NONCE_SIZE = 24
TAG_SIZE = 16

_WORDS = struct.Struct("<16I")
_CONSTANTS = struct.unpack("<4I", b"expand 32-byte k")
_BLOCK = 64
_MASK = 0xFFFFFFFF

# (target, added word, added word, rotation) of a double round: columns, then rows.
_QUARTERS = (
    (4, 0, 12, 7), (8, 4, 0, 9), (12, 8, 4, 13), (0, 12, 8, 18),
    (9, 5, 1, 7), (13, 9, 5, 9), (1, 13, 9, 13), (5, 1, 13, 18),
    (14, 10, 6, 7), (2, 14, 10, 9), (6, 2, 14, 13), (10, 6, 2, 18),
    (3, 15, 11, 7), (7, 3, 15, 9), (11, 7, 3, 13), (15, 11, 7, 18),
    (1, 0, 3, 7), (2, 1, 0, 9), (3, 2, 1, 13), (0, 3, 2, 18),
    (6, 5, 4, 7), (7, 6, 5, 9), (4, 7, 6, 13), (5, 4, 7, 18),
    (11, 10, 9, 7), (8, 11, 10, 9), (9, 8, 11, 13), (10, 9, 8, 18),
    (12, 15, 14, 7), (13, 12, 15, 9), (14, 13, 12, 13), (15, 14, 13, 18),
)  # fmt: skip


def open_box(key: bytes, box: bytes) -> bytes | None:
    """The plaintext of `box`; None when the key is not its key or the bytes were changed. The key has 32 bytes."""
    from cryptography.exceptions import InvalidSignature
    from cryptography.hazmat.primitives.poly1305 import Poly1305

    nonce, tag, ciphertext = box[:NONCE_SIZE], box[NONCE_SIZE : NONCE_SIZE + TAG_SIZE], box[NONCE_SIZE + TAG_SIZE :]
    if len(tag) < TAG_SIZE:
        return None
    subkey = _hsalsa20(key, nonce[:16])
    first = _block(subkey, nonce[16:], 0)
    try:
        Poly1305.verify_tag(first[:32], ciphertext, tag)
    except InvalidSignature:
        return None
    stream = bytearray(first[32:])
    counter = 1
    while len(stream) < len(ciphertext):
        stream += _block(subkey, nonce[16:], counter)
        counter += 1
    size = len(ciphertext)
    mixed = int.from_bytes(ciphertext, "little") ^ int.from_bytes(stream[:size], "little")
    return mixed.to_bytes(size, "little")


def _state(key: bytes, inputs: bytes) -> list[int]:
    words = struct.unpack("<8I", key)
    middle = struct.unpack("<4I", inputs)
    one, two, three, four = _CONSTANTS
    return [one, *words[:4], two, *middle, three, *words[4:], four]


def _rounds(state: list[int]) -> list[int]:
    mixed = state.copy()
    for _ in range(10):
        for target, first, second, rotation in _QUARTERS:
            added = (mixed[first] + mixed[second]) & _MASK
            mixed[target] ^= (added << rotation | added >> 32 - rotation) & _MASK
    return mixed


def _block(key: bytes, nonce: bytes, counter: int) -> bytes:
    state = _state(key, nonce + struct.pack("<Q", counter))
    return _WORDS.pack(*((old + new) & _MASK for old, new in zip(state, _rounds(state), strict=True)))


def _hsalsa20(key: bytes, inputs: bytes) -> bytes:
    mixed = _rounds(_state(key, inputs))
    return struct.pack("<8I", *(mixed[index] for index in (0, 5, 10, 15, 6, 7, 8, 9)))
