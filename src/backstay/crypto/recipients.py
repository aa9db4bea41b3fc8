"""For whom a file is encrypted, and the streams that do it: age by itself, OpenPGP through the program `gpg`.

    age1...                          an X25519 key of age
    ssh-ed25519 AAAA... [comment]    an SSH key, to which age encrypts too; ssh-rsa as well
    anything else                    a key in gpg's keyring: a fingerprint, a key id, a mail address

Memory stays bounded whatever the size. Recipients are checked when they are read, before anything is saved. A name that
means several keys of the keyring is refused: who should be able to read all Secrets of a cluster is not guessed.
"""

from __future__ import annotations

import contextlib
import errno
import os
import re
import shutil
import subprocess
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, BinaryIO, Protocol

from backstay import errors

_CHUNK_BYTES = 1 << 20
_AGE = re.compile(r"age1[a-z0-9]*|AGE1[A-Z0-9]*")
_SSH = ("ssh-ed25519", "ssh-rsa")
_GPG_SECONDS = 60.0


class Readable(Protocol):
    """What is encrypted: read until it gives nothing more."""

    def read(self, size: int = -1, /) -> bytes: ...


class Recipients(Protocol):
    """Some recipients of one format."""

    @property
    def suffix(self) -> str:
        """What the names of files in this format end with."""
        ...

    @property
    def labels(self) -> tuple[str, ...]:
        """The recipients, for records."""
        ...

    def encrypt(self, source: Readable, target: BinaryIO) -> None:
        """Write all of `source` to `target`, encrypted; `target` must be a real file.

        Raises `ENCRYPTION_FAILED`, and what the two raise (`OSError` of a full disk).
        """
        ...


def read_recipients(texts: Sequence[str], environment: Mapping[str, str]) -> Recipients | None:
    """The recipients that were named; None for none. gpg runs in `environment`, which also says where it is.

    Raises `RECIPIENT_INVALID`, `GPG_MISSING`, and `USAGE` for recipients of both formats at once.
    """
    if not texts:
        return None
    for_age = [text for text in texts if _AGE.match(text) or text.startswith(_SSH)]
    if for_age and len(for_age) < len(texts):
        other = next(text for text in texts if text not in for_age)
        raise errors.USAGE.error(
            "a file is encrypted either by age or by gpg, not by both",
            why=f"`{_short(for_age[0])}` is a recipient of age, `{_short(other)}` is not",
        )
    if for_age:
        return AgeRecipients(tuple(texts), tuple(_age_recipient(text) for text in texts))
    return _gpg_recipients(texts, environment)


@dataclass(frozen=True, slots=True)
class AgeRecipients:
    """Keys of age, and SSH keys."""

    texts: tuple[str, ...]
    keys: tuple[Any, ...] = field(repr=False)  # pyrage is not typed

    suffix = ".age"

    @property
    def labels(self) -> tuple[str, ...]:
        return self.texts

    def encrypt(self, source: Readable, target: BinaryIO) -> None:
        import pyrage

        noted = _Noting(source, target)
        try:
            pyrage.encrypt_io(noted, noted, list(self.keys))
        except pyrage.EncryptError as problem:
            if noted.failure is not None:
                raise noted.failure from None
            raise errors.ENCRYPTION_FAILED.error("cannot encrypt with age", why=str(problem)) from problem

    def encrypt_bytes(self, content: bytes) -> bytes:
        """A small content as an age file. Raises `ENCRYPTION_FAILED`."""
        import pyrage

        try:
            return bytes(pyrage.encrypt(content, list(self.keys)))
        except pyrage.EncryptError as problem:
            raise errors.ENCRYPTION_FAILED.error("cannot encrypt with age", why=str(problem)) from problem


class _Noting:
    """Both ends of an encryption. pyrage keeps the text of what they raise only, and a full disk must stay one."""

    def __init__(self, source: Readable, target: BinaryIO) -> None:
        self._source, self._target = source, target
        self.failure: BaseException | None = None

    def read(self, size: int = -1, /) -> bytes:
        try:
            return self._source.read(size)
        except BaseException as failure:
            self.failure = failure
            raise

    def write(self, data: bytes, /) -> int:
        try:
            return self._target.write(data)
        except BaseException as failure:
            self.failure = failure
            raise

    def flush(self) -> None:
        self._target.flush()


@dataclass(frozen=True, slots=True)
class GpgRecipients:
    """Keys of gpg's keyring, by their fingerprints."""

    program: str
    fingerprints: tuple[str, ...]
    environment: Mapping[str, str] = field(repr=False)

    suffix = ".gpg"

    @property
    def labels(self) -> tuple[str, ...]:
        return self.fingerprints

    def encrypt(self, source: Readable, target: BinaryIO) -> None:
        # Whoever names a recipient trusts the key; a keyring of root on a control plane never says so by itself.
        command = [self.program, "--batch", "--no-tty", "--quiet", "--trust-model", "always", "--compress-algo", "none"]
        for fingerprint in self.fingerprints:
            command += ["--recipient", fingerprint]
        with tempfile.TemporaryFile() as said:
            process = subprocess.Popen(
                [*command, "--encrypt", "--output", "-"],
                stdin=subprocess.PIPE, stdout=target, stderr=said, env=dict(self.environment),
            )  # fmt: skip
            assert process.stdin is not None
            try:
                with contextlib.suppress(BrokenPipeError):  # what gpg says of it comes below
                    while chunk := source.read(_CHUNK_BYTES):
                        process.stdin.write(chunk)
                    process.stdin.close()
            except BaseException:
                process.kill()
                raise
            finally:
                with contextlib.suppress(BrokenPipeError):
                    process.stdin.close()
                status = process.wait()
            if status:
                said.seek(0)
                why = said.read(2000).decode(errors="replace").strip() or f"it ended with status {status}"
                if os.strerror(errno.ENOSPC) in why:
                    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
                raise errors.ENCRYPTION_FAILED.error("cannot encrypt with gpg", where=self.program, why=why)


def _age_recipient(text: str) -> Any:
    import pyrage

    kind = pyrage.ssh if text.startswith(_SSH) else pyrage.x25519
    try:
        return kind.Recipient.from_str(text)
    except pyrage.RecipientError as problem:
        raise _invalid(text, str(problem)) from problem


def _gpg_recipients(texts: Sequence[str], environment: Mapping[str, str]) -> GpgRecipients:
    program = shutil.which("gpg", path=environment.get("PATH", ""))
    if program is None:
        raise errors.GPG_MISSING.error(f"cannot encrypt to `{_short(texts[0])}`", why="there is no program `gpg`")
    spoken = {**environment, "LC_ALL": "C"}
    return GpgRecipients(program, tuple(_fingerprint(program, text, spoken) for text in texts), spoken)


def _fingerprint(program: str, text: str, environment: Mapping[str, str]) -> str:
    """The fingerprint of the one key that `text` means."""
    command = [program, "--batch", "--no-tty", "--with-colons", "--fixed-list-mode", "--list-keys", "--", text]
    try:
        answer = subprocess.run(
            command,
            env=dict(environment),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=_GPG_SECONDS,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired) as problem:
        raise errors.ENCRYPTION_FAILED.error("cannot run gpg", where=program, why=str(problem)) from problem
    lines = [line.split(":") for line in answer.stdout.decode(errors="replace").splitlines()]
    keys: list[tuple[str, str]] = []  # what the key can do, and its fingerprint
    for number, line in enumerate(lines):
        if line[0] == "pub" and len(line) > 11:
            fingerprint = next((each[9] for each in lines[number:] if each[0] == "fpr" and len(each) > 9), "")
            keys.append((line[11], fingerprint))
    if not keys:
        why = answer.stderr.decode(errors="replace").strip().splitlines()
        raise _invalid(text, why[-1] if why else "gpg's keyring has no such key")
    usable = [fingerprint for abilities, fingerprint in keys if "E" in abilities and "D" not in abilities]
    if not usable:
        raise _invalid(text, "its key is expired, revoked or disabled, or cannot encrypt")
    if len(usable) > 1:
        raise _invalid(text, f"it means {len(usable)} keys: {', '.join(usable)}")
    return usable[0]


def _invalid(text: str, why: str) -> errors.BackstayError:
    return errors.RECIPIENT_INVALID.error(f"cannot encrypt to `{_short(text)}`", why=why)


def _short(text: str) -> str:
    """Enough to recognise it. A secret key given by mistake is not shown again."""
    if text.upper().startswith("AGE-SECRET-KEY"):
        return "AGE-SECRET-KEY-..."
    return text if len(text) <= 60 else f"{text[:57]}..."
