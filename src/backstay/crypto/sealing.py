"""Sealed objects: frames under AES-256-GCM with a key of their own, and a commitment to that key (docs/formats/repository.md, 4).

    off  size  meaning
    0    5     "BSTY1"
    5    1     class (`ObjectClass`)
    6    1     suite (`Suite`)
    7    1     0
    8    4     epoch: its day as the number yyyymmdd, 0 without a key
    12   8     epoch: its random half
    20   4     0
    24   32    salt
    56   7     nonce prefix
    63   1     0
    64   32    key commitment
    96         frames: length of what follows (4), ciphertext and tag (16)
    end  20    trailer: offset of the last frame (8), its length (4), its number (4), "BSTY"

    42535459 31 01 01 00 01352904 3132333435363738 ...   a base under AES-256-GCM, epoch 20261124-3132333435363738

    object key 32, nonce prefix 7, commitment 32 = HKDF-SHA256(epoch key, salt, "backstay/v1 object REPOSITORY CLASS")
    nonce of frame n                             = prefix, n (4), 1 for the last frame, else 0
    associated data                              = header, n (4)

Pure: bytes in, bytes out; the salt comes from the caller. Each object has its own key, so nonces never meet; the last
frame has its own nonce flag, so an object cannot be cut short; GCM alone does not commit to a key, the header does.
Without a key (suite `PLAINTEXT`) the tag is SHA-256, which finds damage and stops nobody.
"""

from __future__ import annotations

import hashlib
import hmac
import struct
from dataclasses import dataclass, field
from enum import IntEnum
from typing import NamedTuple

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from backstay import errors

MAGIC = b"BSTY1"
TRAILER_MAGIC = b"BSTY"
HEADER_SIZE = 96
TRAILER_SIZE = 20
TAG_SIZE = 16
SALT_SIZE = 32
LENGTH_SIZE = 4
LARGEST_FRAME = 80 << 20
"""Bytes of a frame as stored. What says more is damage, and must not be believed when memory is taken."""

_HEADER = struct.Struct(">5sBBxI8s4x32s7sx32s")
_TRAILER = struct.Struct(">QII4s")
_PREFIX_SIZE = 7
_SECRET_SIZE = 32


class ObjectClass(IntEnum):
    """What a sealed object holds; part of its key, so that one cannot stand in for another."""

    BASE = 1
    STATE = 2
    HISTORY = 3
    LOG = 4
    ENTRIES = 5
    MERGED = 6
    MANIFEST = 7
    COMPANIONS = 8

    @property
    def label(self) -> str:
        """As it stands in names and documents."""
        return self.name.lower()


class Suite(IntEnum):
    """How frames are sealed."""

    PLAINTEXT = 0
    AES_256_GCM = 1


class EpochId(NamedTuple):
    """The name of an epoch: the day it began on, as the number yyyymmdd, and eight random bytes."""

    day: int
    random: bytes

    def __str__(self) -> str:
        return f"{self.day:08d}-{self.random.hex()}"


PLAIN_EPOCH = EpochId(0, bytes(8))
"""What the header of an object says that is sealed with no key."""


@dataclass(frozen=True, slots=True)
class EpochKey:
    """The key of one epoch: 32 bytes that never leave memory unwrapped, but into the writer's state for a day."""

    id: EpochId
    secret: bytes = field(repr=False)

    def __post_init__(self) -> None:
        if len(self.secret) != _SECRET_SIZE:
            raise ValueError(f"an epoch key has {_SECRET_SIZE} bytes")


class Header(NamedTuple):
    """The first 96 bytes of an object, decoded; `image` is what they were."""

    kind: ObjectClass
    suite: Suite
    epoch: EpochId
    salt: bytes
    prefix: bytes
    commitment: bytes
    image: bytes


class Trailer(NamedTuple):
    """Where the last frame is: offset of its length field, its length, its number."""

    offset: int
    length: int
    number: int


def decode_header(data: bytes, where: str) -> Header:
    """The header in the first bytes of an object. Raises `OBJECT_DAMAGED`, `REPOSITORY_NEWER`."""
    if len(data) < HEADER_SIZE:
        raise damaged(where, f"it has {len(data)} bytes, less than a header")
    image = bytes(data[:HEADER_SIZE])
    magic, kind, suite, day, random, salt, prefix, commitment = _HEADER.unpack(image)
    if magic != MAGIC:
        if magic[:4] == MAGIC[:4]:
            raise errors.REPOSITORY_NEWER.error("cannot read an object", where=where, why=f"its format is {magic!r}")
        raise damaged(where, "it does not begin as a sealed object")
    if kind not in ObjectClass.__members__.values() or suite not in Suite.__members__.values():
        raise errors.REPOSITORY_NEWER.error("cannot read an object", where=where, why=f"class {kind}, suite {suite}")
    return Header(ObjectClass(kind), Suite(suite), EpochId(day, random), salt, prefix, commitment, image)


def decode_trailer(data: bytes, size: int, where: str) -> Trailer:
    """The trailer in the last 20 bytes of an object of `size` bytes. Raises `OBJECT_DAMAGED`."""
    if len(data) != TRAILER_SIZE or size < HEADER_SIZE + LENGTH_SIZE + TAG_SIZE + TRAILER_SIZE:
        raise damaged(where, f"it has {size} bytes, less than the smallest object")
    offset, length, number, magic = _TRAILER.unpack(data)
    if magic != TRAILER_MAGIC or offset < HEADER_SIZE or offset + LENGTH_SIZE + length + TRAILER_SIZE != size:
        raise damaged(where, "its trailer is wrong: it was cut short or changed")
    if not TAG_SIZE <= length <= LARGEST_FRAME:
        raise damaged(where, f"its last frame has {length} bytes")
    return Trailer(offset, length, number)


class SealWriter:
    """One object, from its header to its trailer, as bytes to be written one after the other."""

    def __init__(self, kind: ObjectClass, repository: str, epoch: EpochKey | None, salt: bytes) -> None:
        if len(salt) != SALT_SIZE:
            raise ValueError(f"a salt has {SALT_SIZE} bytes")
        suite, identifier = Suite.PLAINTEXT, PLAIN_EPOCH
        if epoch is not None:
            suite, identifier = Suite.AES_256_GCM, epoch.id
        key, prefix, commitment = _derive(epoch, salt, repository, kind)
        self.header = _HEADER.pack(MAGIC, kind, suite, identifier.day, identifier.random, salt, prefix, commitment)
        self._sealer = _Sealer(suite, key, prefix, self.header)
        self._number = 0
        self.size = HEADER_SIZE
        """Bytes given out so far, the header included."""

    def frame(self, content: bytes) -> bytes:
        """The next frame, which is not the last."""
        return self._seal(content, is_last=False)

    def finish(self, content: bytes) -> bytes:
        """The last frame and the trailer."""
        offset, number = self.size, self._number
        last = self._seal(content, is_last=True)
        self.size += TRAILER_SIZE
        return last + _TRAILER.pack(offset, len(last) - LENGTH_SIZE, number, TRAILER_MAGIC)

    def _seal(self, content: bytes, *, is_last: bool) -> bytes:
        sealed = self._sealer.seal(self._number, content, is_last)
        if len(sealed) > LARGEST_FRAME:
            raise ValueError(f"a frame of {len(content)} bytes is too large")
        self._number += 1
        self.size += LENGTH_SIZE + len(sealed)
        return len(sealed).to_bytes(LENGTH_SIZE, "big") + sealed


class SealReader:
    """The frames of one object, opened. Raises `KEY_UNAVAILABLE` when `epoch` is not its key."""

    def __init__(self, header: Header, repository: str, epoch: EpochKey | None, where: str) -> None:
        if (header.suite is Suite.PLAINTEXT) != (epoch is None):
            # A plaintext object in a sealed repository is what an attacker without keys could write.
            raise damaged(where, f"it is sealed as {header.suite.name}, which this repository does not allow")
        key, prefix, commitment = _derive(epoch, header.salt, repository, header.kind)
        if not hmac.compare_digest(commitment, header.commitment) or prefix != header.prefix:
            raise damaged(where, "it is not sealed with the key of its epoch: it was changed, or the key's slot was")
        self._opener = _Sealer(header.suite, key, prefix, header.image)
        self._where = where

    def open(self, number: int, sealed: bytes, *, is_last: bool = False) -> bytes:
        """The content of frame `number`, of whose bytes `sealed` is all but the length. Raises `OBJECT_DAMAGED`."""
        content = self._opener.open(number, sealed, is_last) if len(sealed) >= TAG_SIZE else None
        if content is None:
            raise damaged(self._where, f"frame {number} was changed, or is not in its place")
        return content


def damaged(where: str, why: str) -> errors.BackstayError:
    """The one error for an object that is not what was written."""
    return errors.OBJECT_DAMAGED.error(f"`{where}` is damaged", where=where, why=why)


def _derive(epoch: EpochKey | None, salt: bytes, repository: str, kind: ObjectClass) -> tuple[bytes, bytes, bytes]:
    """The object's key, nonce prefix and key commitment; zeros without a key."""
    if epoch is None:
        return bytes(_SECRET_SIZE), bytes(_PREFIX_SIZE), bytes(32)
    info = f"backstay/v1 object {repository} {kind.label}".encode()
    derived = HKDF(SHA256(), _SECRET_SIZE + _PREFIX_SIZE + 32, salt, info).derive(epoch.secret)
    return derived[:32], derived[32:39], derived[39:]


class _Sealer:
    """The cipher of one object."""

    def __init__(self, suite: Suite, key: bytes, prefix: bytes, header: bytes) -> None:
        self._cipher = AESGCM(key) if suite is Suite.AES_256_GCM else None
        self._prefix = prefix
        self._header = header

    def seal(self, number: int, content: bytes, is_last: bool) -> bytes:
        bound, flag = self._header + number.to_bytes(4, "big"), bytes((is_last,))
        if self._cipher is None:
            return content + hashlib.sha256(bound + flag + content).digest()[:TAG_SIZE]
        return self._cipher.encrypt(self._prefix + number.to_bytes(4, "big") + flag, content, bound)

    def open(self, number: int, sealed: bytes, is_last: bool) -> bytes | None:
        bound, flag = self._header + number.to_bytes(4, "big"), bytes((is_last,))
        if self._cipher is None:
            content, tag = sealed[:-TAG_SIZE], sealed[-TAG_SIZE:]
            return content if hashlib.sha256(bound + flag + content).digest()[:TAG_SIZE] == tag else None
        try:
            return self._cipher.decrypt(self._prefix + number.to_bytes(4, "big") + flag, sealed, bound)
        except InvalidTag:
            return None
