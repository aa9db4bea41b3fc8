"""Sealing: what comes out is what zstd and age open again, and what was recorded of it is true."""

from __future__ import annotations

import hashlib
import os
import random
import sys
from datetime import UTC, datetime
from pathlib import Path

import pyrage
import pytest

from backstay import errors
from backstay.crypto.recipients import AgeRecipients, read_recipients
from backstay.durable import LocalDisk
from backstay.jobs.rotate.record import Record, decode_record, encode_record
from backstay.jobs.rotate.seal import Sealing, digest_of, seal
from backstay.telemetry import SilentProgress
from tests.saving import content_of, save_content

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd


@pytest.mark.parametrize("compress", [False, True])
@pytest.mark.parametrize("encrypt", [False, True])
def test_what_was_sealed_comes_back(tmp_path: Path, compress: bool, encrypt: bool) -> None:
    content = random.Random(1).randbytes(100_000) + bytes(3_000_000)
    source, target = tmp_path / "plain", tmp_path / "sealed"
    source.write_bytes(content)
    identity = pyrage.x25519.Identity.generate()
    recipients = read_recipients([str(identity.to_public())], {}) if encrypt else None
    seal(source, target, Sealing(compress, recipients), LocalDisk(), SilentProgress())
    sealed = target.read_bytes()
    assert digest_of(target) == (len(sealed), hashlib.sha256(sealed).hexdigest())
    assert target.stat().st_mode & 0o777 == 0o600
    opened = pyrage.decrypt(sealed, [identity]) if encrypt else sealed
    assert (zstd.decompress(opened) if compress else opened) == content


def test_a_record_comes_back_as_it_was_written_and_has_etcds_own_numbers(tmp_path: Path) -> None:
    report = save_content(tmp_path / "one.db", content_of())
    saved = datetime(2026, 11, 27, 18, 30, tzinfo=UTC)
    record = Record("etcd-backup-20261127-183000.db", saved, report.size, report.sha256, report.revision)
    data = encode_record(record, report, compressed=False, encrypted_to=())
    assert decode_record(data) == record
    assert b'"totalKey"' in data


@pytest.mark.parametrize(
    "data", [b"", b"[]", b"{}", b'{"backstay": 1}', b'{"backstay": {"format": 2}}', b"[" * 100_000, b"\xff"]
)
def test_a_record_that_claims_nothing_says_why(data: bytes) -> None:
    assert isinstance(decode_record(data), str)


def test_recipients_are_checked_before_anything_is_saved() -> None:
    key = str(pyrage.x25519.Identity.generate().to_public())
    assert isinstance(read_recipients([key], {}), AgeRecipients)
    assert read_recipients([], {}) is None
    for texts, kind in (
        ([key[:-1]], errors.RECIPIENT_INVALID),
        ([key, "ops@example.org"], errors.USAGE),
        (["ops@example.org"], errors.GPG_MISSING),
    ):
        with pytest.raises(errors.BackstayError) as raised:
            read_recipients(texts, {"PATH": os.devnull})
        assert raised.value.kind is kind


def test_a_secret_key_given_by_mistake_is_not_shown() -> None:
    secret = str(pyrage.x25519.Identity.generate())
    with pytest.raises(errors.BackstayError) as raised:
        read_recipients([secret], {"PATH": os.devnull})
    assert secret not in f"{raised.value} {raised.value.what}"
