"""What this host remembers of a repository, as files in its state directory; readable by their owner only.

    STATE/<repository>/root                                     the root keys that this host has seen, one a line
    STATE/<repository>/signing.key                              the key that signs this host's manifests
    STATE/<repository>/signing.key.next                         the one that takes its place once the repository trusts it
    STATE/<repository>/epoch-<epoch>                            today's epoch key: trust number, key in hex
    STATE/<repository>/point-<cluster>-<lineage>-<sequence>     the memory of the last point (repository.memory)
    STATE/<repository>/companions-<cluster>-<random>            the companions stored last: their digest, the base, the run
    STATE/<repository>/seen-<lineage>-<sequence>                SHA-256 of the newest manifest that was seen of a lineage
    STATE/<repository>/trust-<number>                           SHA-256 of the newest trust document that was gone by

Nothing is overwritten: a new file is written whole, then older ones are removed; the newest counts. Without the directory
a host can sign nothing; without the point its next backup is a base; without the epoch a new one begins.
"""

from __future__ import annotations

import contextlib
import os
import re
from datetime import UTC, datetime
from pathlib import Path

from backstay import errors
from backstay.crypto.sealing import EpochId, EpochKey, ObjectClass
from backstay.crypto.signing import SigningKey, read_signing_key
from backstay.durable import Disk, write_durable
from backstay.repository import names
from backstay.repository.commit import require_seen
from backstay.repository.companions import StoredCompanions
from backstay.repository.manifest import Manifest, RunReference
from backstay.repository.memory import WriterMemory, decode_memory, encode_memory
from backstay.repository.repository import Entropy, Repository, new_epoch

_SEEN = re.compile(rf"seen-({names.LINEAGE})-([0-9]{{16}})")
_TRUST = re.compile(r"trust-([0-9]{16})")
_EPOCH = re.compile(r"epoch-([0-9]{8})-([0-9a-f]{16})")
_DIRECTORY_MODE = 0o700


class WriterState:
    """The state directory of one repository. `key` signs where the directory has no key of its own."""

    def __init__(self, directory: Path, repository: str, disk: Disk, key: SigningKey | None = None) -> None:
        self._directory = directory / repository
        self._disk = disk
        self._key = key

    @property
    def directory(self) -> Path:
        """Where the files are."""
        return self._directory

    def found(self, key: SigningKey, roots: tuple[str, ...]) -> None:
        """Remember a repository that this host may write to. Raises `TARGET_EXISTS`, and what writing raises."""
        self._make()
        write_durable(self._disk, self._directory / "signing.key", f"{key.as_text()}\n".encode())
        self.pin(roots)

    def prepare(self, key: SigningKey) -> None:
        """Keep a key that is to take the place of this host's; `settle` does it once the repository trusts it."""
        self._make()
        self._remove(self._next)
        write_durable(self._disk, self._next, f"{key.as_text()}\n".encode())

    def settle(self, repository: Repository) -> None:
        """Let a prepared key take the place of this host's if the repository trusts it; what was interrupted is finished so."""
        data = self._read(self._next)
        if data is None:
            return
        key = read_signing_key(data.decode("utf-8", "replace"), str(self._next))
        if repository.trust.writer(key.public) is None:
            return
        try:
            os.replace(self._next, self._directory / "signing.key")
            self._disk.sync_directory(self._directory)
        except OSError as problem:
            raise self._unusable(self._next, problem) from problem

    @property
    def _next(self) -> Path:
        return self._directory / "signing.key.next"

    def pin(self, roots: tuple[str, ...]) -> None:
        """Remember the root keys of a repository that is seen for the first time."""
        self._make()
        if not (self._directory / "root").exists():
            write_durable(self._disk, self._directory / "root", "".join(f"{root}\n" for root in roots).encode())

    def roots(self) -> tuple[str, ...]:
        """The remembered root keys; empty where nothing is remembered."""
        data = self._read(self._directory / "root")
        return tuple(data.decode().split()) if data is not None else ()

    def has_signing_key(self) -> bool:
        """Whether this host may sign anything."""
        return self._key is not None or (self._directory / "signing.key").exists()

    def signing_key(self) -> SigningKey:
        """The key of this host. Raises `SIGNING_KEY_INVALID`."""
        path = self._directory / "signing.key"
        data = self._read(path)
        if data is None and self._key is not None:
            return self._key
        if data is None:
            raise errors.SIGNING_KEY_INVALID.error(
                "this host has no key to sign backups with", where=str(path), why="there is no such file"
            )
        return read_signing_key(data.decode("utf-8", "replace"), str(path))

    def epoch(self, repository: Repository, now: datetime, entropy: Entropy) -> EpochKey | None:
        """Today's key, remembered until the day ends; another one when the repository's trust has changed."""
        if not repository.is_sealed:
            return None
        today, number = int(f"{now.astimezone(UTC):%Y%m%d}"), repository.trust.number
        found: EpochKey | None = None
        for path in self._files(_EPOCH):
            match = _EPOCH.fullmatch(path.name)
            assert match is not None
            data = (self._read(path) or b"").split()
            with contextlib.suppress(ValueError, IndexError):
                if int(match[1]) == today and int(data[0]) == number and found is None:
                    found = EpochKey(EpochId(today, bytes.fromhex(match[2])), bytes.fromhex(data[1].decode()))
                    continue
            # Yesterday's: after this the host cannot read what it wrote.
            self._remove(path)
        if found is None:
            found = new_epoch(now, entropy)
            content = f"{number} {found.secret.hex()}\n".encode()
            self._make()
            write_durable(self._disk, self._directory / f"epoch-{found.id}", content)
        return found

    def memory(self, cluster: str) -> WriterMemory | None:
        """What is remembered of the last point of a cluster; None when nothing is. Raises `STATE_UNUSABLE`."""
        paths = self._points(cluster)
        if not paths:
            return None
        data = self._read(paths[-1])
        return decode_memory(data, str(paths[-1])) if data is not None else None

    def remember(self, memory: WriterMemory) -> None:
        """Remember a committed point, and forget the ones before."""
        self._make()
        before = self._points(memory.cluster)
        path = self._directory / f"point-{memory.cluster}-{memory.lineage}-{memory.sequence:016d}"
        if path in before:
            return
        write_durable(self._disk, path, encode_memory(memory))
        for old in before:
            self._remove(old)

    def companions(self, cluster: str) -> StoredCompanions | None:
        """The companions that this host stored last; None when that is not known: then they are stored anew."""
        for path in self._files(re.compile(rf"companions-{re.escape(cluster)}-[0-9a-f]{{16}}")):
            words = (self._read(path) or b"").decode("ascii", "replace").split()
            if len(words) == 4 and words[3].isdigit():
                return StoredCompanions(
                    words[0], words[1], RunReference(ObjectClass.COMPANIONS, words[2], int(words[3]))
                )
        return None

    def remember_companions(self, cluster: str, stored: StoredCompanions, entropy: Entropy) -> None:
        """Remember what was stored, and forget what was before."""
        if self.companions(cluster) == stored:
            return
        self._make()
        before = self._files(re.compile(rf"companions-{re.escape(cluster)}-[0-9a-f]{{16}}"))
        content = f"{stored.digest} {stored.base} {stored.run.name} {stored.run.size}\n".encode()
        write_durable(self._disk, self._directory / f"companions-{cluster}-{entropy(8).hex()}", content)
        for old in before:
            self._remove(old)

    def require_seen(self, repository: Repository) -> None:
        """Raise `REPOSITORY_ROLLED_BACK` unless the root, the trust and every manifest that this host has seen are still there."""
        roots = self.roots()
        if roots and not set(roots) & set(repository.description.root):
            raise errors.REPOSITORY_ROLLED_BACK.error(
                "this is not the repository that was here",
                where=repository.store.location,
                why="its root key is another one",
            )
        self._require_trust(repository)
        for path in self._files(_SEEN):
            found = _SEEN.fullmatch(path.name)
            data = self._read(path)
            if found is not None and data is not None:
                require_seen(repository, found[1], int(found[2]), data.decode("ascii", "replace").strip())

    def _require_trust(self, repository: Repository) -> None:
        """Who removes the newest trust document would take back that a writer was revoked, or a recipient removed."""
        trust = repository.trust
        for path in self._files(_TRUST):
            number, seen = int(path.name[-16:]), (self._read(path) or b"").decode("ascii", "replace").strip()
            if number > trust.number or (number == trust.number and seen != trust.sha256):
                raise errors.REPOSITORY_ROLLED_BACK.error(
                    f"`{names.trust(number)}` was seen here, and is gone or another one",
                    where=repository.store.location,
                )

    def see_trust(self, repository: Repository) -> None:
        """Remember by which trust document a backup goes. Raises `REPOSITORY_ROLLED_BACK` for an older one than before."""
        self._require_trust(repository)
        self._make()
        path = self._directory / f"trust-{repository.trust.number:016d}"
        if not path.exists():
            write_durable(self._disk, path, f"{repository.trust.sha256}\n".encode())
        for old in self._files(_TRUST):
            if old.name < path.name:
                self._remove(old)

    def see(self, manifest: Manifest) -> None:
        """Remember that a manifest was seen, the newest of its lineage."""
        self._make()
        path = self._directory / f"seen-{manifest.lineage}-{manifest.sequence:016d}"
        if not path.exists():
            write_durable(self._disk, path, f"{manifest.sha256}\n".encode())
        for old in self._files(_SEEN):
            if old.name.startswith(f"seen-{manifest.lineage}-") and old.name < path.name:
                self._remove(old)

    def _points(self, cluster: str) -> list[Path]:
        pattern = re.compile(rf"point-{re.escape(cluster)}-{names.LINEAGE}-[0-9]{{16}}")
        # By age, not by name: the newest may be of another lineage.
        return sorted(self._files(pattern), key=lambda path: (path.stat().st_mtime_ns, path.name))

    def _files(self, pattern: re.Pattern[str]) -> list[Path]:
        try:
            return sorted(path for path in self._directory.iterdir() if pattern.fullmatch(path.name))
        except FileNotFoundError:
            return []
        except OSError as problem:
            raise self._unusable(self._directory, problem) from problem

    def _read(self, path: Path) -> bytes | None:
        try:
            return path.read_bytes()
        except FileNotFoundError:
            return None
        except OSError as problem:
            raise self._unusable(path, problem) from problem

    def _remove(self, path: Path) -> None:
        try:
            path.unlink(missing_ok=True)
            self._disk.sync_directory(path.parent)
        except OSError as problem:
            raise self._unusable(path, problem) from problem

    def _make(self) -> None:
        try:
            self._directory.parent.mkdir(parents=True, exist_ok=True, mode=_DIRECTORY_MODE)
            self._directory.mkdir(exist_ok=True, mode=_DIRECTORY_MODE)
            os.chmod(self._directory, _DIRECTORY_MODE)
        except OSError as problem:
            raise self._unusable(self._directory, problem) from problem

    def _unusable(self, path: Path, problem: OSError) -> errors.BackstayError:
        return errors.STATE_UNUSABLE.error(
            "what this host remembers cannot be read or written", where=str(path), why=problem.strerror or str(problem)
        )
