"""From a file as somebody keeps it to a snapshot that can be read: decrypted and unpacked, as often as it is wrapped.

What a file is, its first bytes say, not its name: gzip, zstd, xz, bzip2, a zip with one file in it, age, OpenPGP. What is
unpacked lies in files without a name, gone with the process; a limit keeps a small file from filling the disk.
"""

from __future__ import annotations

import bz2
import gzip
import lzma
import sys
import tempfile
import zipfile
import zlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, BinaryIO, cast

from backstay import errors
from backstay.crypto.opening import open_age, open_gpg
from backstay.durable import translated
from backstay.snapshot.opened import OpenedStore, open_file
from backstay.telemetry import Progress

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

LARGEST_BYTES = 16 << 30
_DEEPEST = 4
_CHUNK_BYTES = 1 << 20
_HEAD = 64
_GPG_SUFFIXES = (".gpg", ".pgp", ".asc")


@dataclass(frozen=True, slots=True)
class Opening:
    """What opens encrypted files, and where what is unpacked may lie."""

    identities: Sequence[Any]
    environment: Mapping[str, str]
    scratch: Path
    largest_bytes: int = LARGEST_BYTES


def packing(head: bytes, name: str) -> str:
    """How a file is wrapped, by its first bytes: empty for none."""
    if head.startswith((b"age-encryption.org/v1\n", b"-----BEGIN AGE ENCRYPTED FILE-----")):
        return "age"
    for magic, kind in _MAGIC:
        if head.startswith(magic):
            return kind
    # The first byte of an OpenPGP packet has its highest bit set, as that of other files may: the name decides.
    if head.startswith(b"-----BEGIN PGP MESSAGE-----") or (
        name.lower().endswith(_GPG_SUFFIXES) and head[:1] >= b"\x80"
    ):
        return "gpg"
    return ""


_MAGIC = (
    (b"\x1f\x8b", "gzip"),
    (b"\x28\xb5\x2f\xfd", "zstd"),
    (b"\xfd7zXZ\x00", "xz"),
    (b"BZh", "bzip2"),
    (b"PK\x03\x04", "zip"),
)


def head_of(path: Path) -> bytes:
    """The first bytes of a file. Raises `OSError`."""
    with path.open("rb") as file:
        return file.read(_HEAD)


@contextmanager
def unpacked(path: Path, opening: Opening, progress: Progress) -> Iterator[OpenedStore]:
    """The store in a file.

    Raises `DECRYPTION_FAILED`, `GPG_MISSING`, `BACKUP_UNPACKABLE`, `TARGET_FULL`, and what `open_file` raises.
    """
    with ExitStack() as files:
        with translated(path):
            current: IO[bytes] = files.enter_context(path.open("rb"))
        name, opened = path.name, path
        for _ in range(_DEEPEST):
            kind = packing(_peek(current), name)
            if not kind:
                break
            with translated(opening.scratch):
                target = tempfile.TemporaryFile(prefix="backstay-", dir=opening.scratch)  # noqa: SIM115
            files.push(target)
            progress.begin(f"opening {path.name}", None)
            _unwrap(kind, current, _Bounded(target, opening, path, progress), opening, path)
            with translated(opening.scratch):
                target.flush()
            current, opened = target, Path(f"/dev/fd/{target.fileno()}")
            name = name.rpartition(".")[0] or name
        with open_file(opened, refuse_in_use=opened is path) as store:
            yield store


def _peek(file: IO[bytes]) -> bytes:
    file.seek(0)
    head = file.read(_HEAD)
    file.seek(0)
    return head


def _unwrap(kind: str, source: IO[bytes], target: _Bounded, opening: Opening, path: Path) -> None:
    sink = cast(BinaryIO, target)
    try:
        if kind == "age":
            open_age(cast(BinaryIO, source), sink, opening.identities, str(path))
        elif kind == "gpg":
            open_gpg(cast(BinaryIO, source), sink, opening.environment, str(path))
        elif kind == "zip":
            _unzip(source, target, path)
        else:
            with _READERS[kind](source) as reader:
                _pour(reader, target)
    except _DAMAGE as problem:
        raise errors.BACKUP_UNPACKABLE.error(
            f"it does not unpack as {kind}", where=str(path), why=str(problem)
        ) from problem


_DAMAGE = (
    EOFError, OSError, ValueError, RuntimeError, zlib.error, lzma.LZMAError, zstd.ZstdError, zipfile.BadZipFile
)  # fmt: skip
"""What the readers say of a damaged file: gzip and bzip2 say it as `OSError`. What the target raises is translated before."""

_READERS: Mapping[str, Callable[[IO[bytes]], Any]] = {
    "gzip": lambda file: gzip.GzipFile(fileobj=file),
    "xz": lzma.LZMAFile,
    "bzip2": bz2.BZ2File,
    "zstd": zstd.ZstdFile,
}


def _unzip(source: IO[bytes], target: _Bounded, path: Path) -> None:
    with zipfile.ZipFile(source) as archive:
        files = [each for each in archive.infolist() if not each.is_dir()]
        if len(files) != 1:
            raise errors.BACKUP_UNPACKABLE.error(f"there are {len(files)} files in it, not one", where=str(path))
        with archive.open(files[0]) as reader:
            _pour(reader, target)


def _pour(reader: IO[bytes], target: _Bounded) -> None:
    while chunk := reader.read(_CHUNK_BYTES):
        target.write(chunk)


class _Bounded:
    """A file that takes only so much."""

    def __init__(self, file: IO[bytes], opening: Opening, path: Path, progress: Progress) -> None:
        self._file, self._left, self._path, self._progress = file, opening.largest_bytes, path, progress
        self._scratch = opening.scratch

    def write(self, data: bytes, /) -> int:
        self._left -= len(data)
        if self._left < 0:
            raise errors.BACKUP_UNPACKABLE.error("it is larger than is taken", where=str(self._path))
        self._progress.advance(len(data))
        with translated(self._scratch):
            return self._file.write(data)

    def flush(self) -> None:
        self._file.flush()
