"""Damaged archives among those that are imported: each is a file that is refused, never the end of the import."""

from __future__ import annotations

import bz2
import gzip
import io
import zipfile
from pathlib import Path

import pytest

from backstay import errors
from backstay.errors import BackstayError
from backstay.jobs.importing.unpacking import Opening, unpacked
from backstay.telemetry import SilentProgress

CONTENT = bytes(range(256)) * 20


def _damaged(data: bytes, place: int) -> bytes:
    changed = bytearray(data)
    changed[place] ^= 0xFF
    return bytes(changed)


def _newer_zip() -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr("snapshot.db", CONTENT)
    data = bytearray(file.getvalue())
    data[data.rfind(b"PK\x01\x02") + 6] = 99
    return bytes(data)


ARCHIVES = {
    "cut-by-bzip2.db.bz2": _damaged(bz2.compress(CONTENT), 30),
    "wrong-checksum.db.gz": _damaged(gzip.compress(CONTENT), -6),
    "followed-by-more.db.gz": gzip.compress(CONTENT) + b"more",
    "of-a-newer-zip.zip": _newer_zip(),
}


@pytest.mark.parametrize("name", ARCHIVES)
def test_a_damaged_archive_is_a_bad_file_and_not_a_failing_disk(name: str, tmp_path: Path) -> None:
    path = tmp_path / name
    path.write_bytes(ARCHIVES[name])
    with (
        pytest.raises(BackstayError) as raised,
        unpacked(path, Opening((), {}, tmp_path), SilentProgress()),
    ):
        pass
    assert raised.value.kind is errors.BACKUP_UNPACKABLE
