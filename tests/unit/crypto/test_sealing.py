"""Sealed objects: the vectors of docs/formats/repository.md, and everything that must not open."""

from __future__ import annotations

import pytest

from backstay import errors
from backstay.crypto.sealing import (
    HEADER_SIZE,
    LENGTH_SIZE,
    TRAILER_SIZE,
    EpochId,
    EpochKey,
    ObjectClass,
    SealReader,
    SealWriter,
    decode_header,
    decode_trailer,
)
from backstay.errors import BackstayError

KEY = EpochKey(EpochId(20261124, b"12345678"), bytes(range(32)))
REPOSITORY = "ab" * 16
SALT = bytes(range(100, 132))
SEALED = (
    "4253545931020100013529043132333435363738000000006465666768696a6b6c6d6e6f707172737475767778797a7b7c7d7e7f80818283"
    "b91fac3223de2000ca08cb0ae15829e4f6ee83134e4f5fd29a6ce66e8a8210f8e12807a357ed222600000019ee6d582a4612881098baa521"
    "31f100e4e1d0374f39459bd2c30000001ad5593b83b943015807cfa48638aec7f0700d5825c141ad90444f000000000000007d0000001a00"
    "00000142535459"
)
PLAIN = (
    "4253545931020000000000000000000000000000000000006465666768696a6b6c6d6e6f707172737475767778797a7b7c7d7e7f80818283"
    "00000000000000000000000000000000000000000000000000000000000000000000000000000000000000196f6e65206672616d65d6874a"
    "97061458efe550f4f70cca95630000001a74686520666f6f746572b119bbd54880857e1072532fe345f2c8000000000000007d0000001a00"
    "00000142535459"
)


@pytest.mark.parametrize(("key", "vector"), [(KEY, SEALED), (None, PLAIN)])
def test_an_object_is_these_bytes_and_opens_again(key: EpochKey | None, vector: str) -> None:
    writer = SealWriter(ObjectClass.STATE, REPOSITORY, key, SALT)
    data = writer.header + writer.frame(b"one frame") + writer.finish(b"the footer")
    assert data.hex() == vector
    assert writer.size == len(data)
    header, trailer = decode_header(data, "it"), decode_trailer(data[-TRAILER_SIZE:], len(data), "it")
    reader = SealReader(header, REPOSITORY, key, "it")
    assert (trailer.offset, trailer.number) == (HEADER_SIZE + LENGTH_SIZE + 25, 1)
    assert reader.open(0, data[HEADER_SIZE + LENGTH_SIZE : trailer.offset]) == b"one frame"
    last = data[trailer.offset + LENGTH_SIZE : -TRAILER_SIZE]
    assert reader.open(1, last, is_last=True) == b"the footer"


@pytest.mark.parametrize("key", [KEY, None])
def test_a_frame_opens_only_in_its_place(key: EpochKey | None) -> None:
    writer = SealWriter(ObjectClass.BASE, REPOSITORY, key, SALT)
    frame = writer.frame(b"content")[LENGTH_SIZE:]
    reader = SealReader(decode_header(writer.header, "it"), REPOSITORY, key, "it")
    assert reader.open(0, frame) == b"content"
    for number, sealed, is_last in ((1, frame, False), (0, frame, True), (0, frame[:-1], False), (0, b"", False)):
        with pytest.raises(BackstayError) as raised:
            reader.open(number, sealed, is_last=is_last)
        assert raised.value.kind is errors.OBJECT_DAMAGED


def test_another_key_class_or_repository_is_refused_by_the_commitment() -> None:
    header = decode_header(SealWriter(ObjectClass.BASE, REPOSITORY, KEY, SALT).header, "it")
    other_key = EpochKey(KEY.id, bytes(32))
    for repository, key, wrong in (
        (REPOSITORY, other_key, header),
        ("cd" * 16, KEY, header),
        (REPOSITORY, KEY, header._replace(kind=ObjectClass.STATE)),
        (REPOSITORY, None, header),
    ):
        with pytest.raises(BackstayError) as raised:
            SealReader(wrong, repository, key, "it")
        assert raised.value.kind is errors.OBJECT_DAMAGED


def test_a_plaintext_object_is_refused_in_a_sealed_repository() -> None:
    header = decode_header(SealWriter(ObjectClass.BASE, REPOSITORY, None, SALT).header, "it")
    with pytest.raises(BackstayError):
        SealReader(header, REPOSITORY, KEY, "it")


def test_a_newer_format_is_named() -> None:
    for data in (b"BSTY2" + bytes(91), bytes.fromhex(SEALED[:10] + "63" + SEALED[12:])):
        with pytest.raises(BackstayError) as raised:
            decode_header(data, "it")
        assert raised.value.kind is errors.REPOSITORY_NEWER
        assert "format" in str(raised.value) or "class 99" in str(raised.value)


def test_the_key_shows_in_no_representation() -> None:
    assert KEY.secret.hex() not in repr(KEY)
    assert repr(KEY.secret) not in repr(KEY)
