"""Files that age or gpg encrypted, opened as streams: what `recipients` does, the other way round.

Memory stays bounded whatever the size. The program `gpg` opens with the keyring of whoever runs this; a passphrase that it
would have to ask for is not asked for.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from collections.abc import Mapping, Sequence
from typing import Any, BinaryIO

from backstay import errors

_CHUNK_BYTES = 1 << 20
_SSH = b"-----BEGIN OPENSSH PRIVATE KEY-----"


def read_age_identities(texts: Sequence[tuple[str, bytes]]) -> list[Any]:
    """The identities of age, and SSH keys, in files: (name, content). Raises `IDENTITY_INVALID`."""
    import pyrage

    found: list[Any] = []
    for where, content in texts:
        try:
            if content.lstrip().startswith(_SSH):
                found.append(pyrage.ssh.Identity.from_buffer(content))
                continue
            lines = content.decode("utf-8", "replace").splitlines()
            secrets = [line.strip() for line in lines if line.strip().upper().startswith("AGE-SECRET-KEY-")]
            found += [pyrage.x25519.Identity.from_str(secret) for secret in secrets]
        except pyrage.IdentityError as problem:
            raise errors.IDENTITY_INVALID.error("an identity is mistyped", where=where, why=str(problem)) from problem
    return found


def open_age(source: BinaryIO, target: BinaryIO, identities: Sequence[Any], where: str) -> None:
    """Write what is in the age file `source` to `target`. Raises `DECRYPTION_FAILED`, and what `target` raises."""
    import pyrage

    if not identities:
        raise errors.DECRYPTION_FAILED.error("it is encrypted by age, and no identity was given", where=where)
    noted = _Noting(target)
    try:
        pyrage.decrypt_io(source, noted, list(identities))
    except pyrage.DecryptError as problem:
        if noted.failure is not None:
            raise noted.failure from None
        raise errors.DECRYPTION_FAILED.error("age does not open it", where=where, why=str(problem)) from problem


def open_gpg(source: BinaryIO, target: BinaryIO, environment: Mapping[str, str], where: str) -> None:
    """The same for OpenPGP, by the program `gpg`; `source` is a real file and read from its beginning.

    Raises `GPG_MISSING`, `DECRYPTION_FAILED`, and what `target` raises.
    """
    program = shutil.which("gpg", path=environment.get("PATH", ""))
    if program is None:
        raise errors.GPG_MISSING.error("it is encrypted by gpg", where=where, why="there is no program `gpg`",
                                       next_step="install gnupg")  # fmt: skip
    command = [program, "--batch", "--no-tty", "--quiet", "--pinentry-mode", "error", "--decrypt", "--output", "-"]
    os.lseek(source.fileno(), 0, os.SEEK_SET)  # gpg reads the file itself, from wherever a buffer has left it
    with tempfile.TemporaryFile() as said:
        process = subprocess.Popen(
            command, stdin=source, stdout=subprocess.PIPE, stderr=said, env={**environment, "LC_ALL": "C"}
        )
        assert process.stdout is not None
        try:
            with process.stdout:
                while chunk := process.stdout.read(_CHUNK_BYTES):
                    target.write(chunk)
        except BaseException:
            process.kill()
            raise
        finally:
            status = process.wait()
        if status:
            said.seek(0)
            why = said.read(2000).decode(errors="replace").strip() or f"it ended with status {status}"
            raise errors.DECRYPTION_FAILED.error("gpg does not open it", where=where, why=why)


class _Noting:
    """The target of a decryption. pyrage keeps the text of what it raises only, and a full disk must stay one."""

    def __init__(self, target: BinaryIO) -> None:
        self._target = target
        self.failure: BaseException | None = None

    def write(self, data: bytes, /) -> int:
        try:
            return self._target.write(data)
        except BaseException as failure:
            self.failure = failure
            raise

    def flush(self) -> None:
        self._target.flush()
