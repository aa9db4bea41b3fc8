"""The companions of a backup, read from the host: those of a layout, or of paths that were named.

Read once, whole, at the time of the backup; nothing follows a symbolic link out of where it was found, so a link is kept as one.
The EncryptionConfiguration and other files that an API server is told of by flags are found in kubeadm's static manifests.
"""

from __future__ import annotations

import grp
import hashlib
import os
import pwd
import stat
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import yaml

from backstay import errors
from backstay.findings import Finding, Severity, declare
from backstay.jobs.companions.layouts import CONFIGURATION, ENCRYPTION, LAYOUTS, OTHER
from backstay.repository.companions import LARGEST_FILE, Companion, CompanionFile, CompanionSet

COMPANION_LEFT_OUT = declare(
    "companion-left-out",
    Severity.WARNING,
    "A file that belongs to the control plane was not stored with the backup.",
    "find out why it cannot be read; run the backup as a user who may read it",
)
LAYOUT_INCOMPLETE = declare(
    "companions-incomplete",
    Severity.WARNING,
    "A layout was named whose most important files are not on this host.",
    "run the backup on a control-plane node, with the host's directories mounted; or name another layout",
)

MOST_FILES = 2000
MOST_BYTES = 64 << 20
_FLAGS = {"encryption-provider-config": ENCRYPTION}
_FLAG_SUFFIXES = ("-config-file", "-config", "-policy-file", "-kubeconfig")
_MANIFESTS = "/etc/kubernetes/manifests"


def collect(root: Path, wanted: Sequence[str], recipients: Sequence[str]) -> tuple[CompanionSet, tuple[Finding, ...]]:
    """The companions that `wanted` names: names of layouts, and absolute paths of files or directories on the host below `root`.

    Raises `COMPANION_UNREADABLE` for a path that is not there, for a layout of which nothing is, and for far too much.
    """
    collector = _Collector(root)
    for word in wanted:
        if word in LAYOUTS:
            collector.add_layout(word)
        elif word.startswith("/"):
            collector.add_path(word)
        else:
            raise errors.COMPANION_UNREADABLE.error(
                f"`{word}` is no layout and no absolute path", next_step=f"name {', '.join(LAYOUTS)}, or a path"
            )
    files = tuple(collector.files[path] for path in sorted(collector.files, key=str.encode))
    return CompanionSet(tuple(wanted), tuple(recipients), files), tuple(collector.findings)


class _Collector:
    def __init__(self, root: Path) -> None:
        self._root = root
        self._bytes = 0
        self.files: dict[str, CompanionFile] = {}
        self.findings: list[Finding] = []

    def add_layout(self, name: str) -> None:
        layout, before = LAYOUTS[name], set(self.files)
        for pattern, kind in layout.places:
            for path in self._matches(pattern):
                self._add(path, kind)
        if name == "kubeadm":
            for path, kind in self._flagged():
                self._add(path, kind)
        found = {self.files[path].listed.kind for path in self.files.keys() - before}
        if not found:
            raise errors.COMPANION_UNREADABLE.error(
                f"nothing of {name} is on this host", where=str(self._root), why=layout.places[0][0]
            )
        for kind in layout.needed:
            if kind not in found:
                self.findings.append(LAYOUT_INCOMPLETE.at(name, f"no {kind}"))

    def add_path(self, word: str) -> None:
        host = self._host(word)
        if not os.path.lexists(host):
            raise errors.COMPANION_UNREADABLE.error(f"`{word}` is not there", where=str(host))
        if host.is_dir() and not host.is_symlink():
            for path in self._below(word):
                self._add(path, OTHER)
        else:
            self._add(word, OTHER, must=True)

    def _matches(self, pattern: str) -> Iterator[str]:
        """Paths on the host that a pattern means, in order; `**` at its end is everything below."""
        if pattern.endswith("/**"):
            yield from self._below(pattern.removesuffix("/**"))
            return
        directory, name = pattern.rsplit("/", 1)
        for found in sorted(self._host(directory).glob(name)):
            yield f"{directory}/{found.name}"

    def _below(self, directory: str) -> Iterator[str]:
        for parent, names, files in os.walk(self._host(directory)):
            names.sort()
            inside = (
                "" if Path(parent) == self._host(directory) else f"/{Path(parent).relative_to(self._host(directory))}"
            )
            links = [name for name in names if (Path(parent) / name).is_symlink()]
            for name in sorted((*files, *links)):
                yield f"{directory}{inside}/{name}"

    def _flagged(self) -> Iterator[tuple[str, str]]:
        """Files that the static manifests' commands name by flags."""
        for path in self._matches(f"{_MANIFESTS}/*"):
            try:
                document = yaml.safe_load(self._host(path).read_bytes())
            except (OSError, yaml.YAMLError, RecursionError, ValueError):
                continue
            for word in _command_words(document):
                flag, _, value = word.removeprefix("--").partition("=")
                if (
                    word.startswith("--")
                    and value.startswith("/")
                    and (flag in _FLAGS or flag.endswith(_FLAG_SUFFIXES))
                ):
                    kind = _FLAGS.get(flag, CONFIGURATION)
                    if self._host(value).is_file():
                        # Under /etc/kubernetes/pki it would count as a certificate, and it is what a restore asks for first.
                        self.files.pop(value, None)
                        yield value, kind
                    elif kind == ENCRYPTION:
                        self.findings.append(
                            COMPANION_LEFT_OUT.at(value, "the API server is told of it, and it is not here")
                        )

    def _add(self, path: str, kind: str, *, must: bool = False) -> None:
        if path in self.files:
            return
        try:
            file = self._read(path, kind)
        except OSError as problem:
            if must:
                raise errors.COMPANION_UNREADABLE.error(
                    f"`{path}` cannot be read", where=str(self._host(path)), why=problem.strerror or str(problem)
                ) from problem
            self.findings.append(COMPANION_LEFT_OUT.at(path, problem.strerror or str(problem)))
            return
        if file is None:
            return
        self._bytes += len(file.content)
        if len(self.files) >= MOST_FILES or self._bytes > MOST_BYTES:
            raise errors.COMPANION_UNREADABLE.error(
                "these are too many files to be companions", why=f"more than {MOST_FILES}, or {MOST_BYTES >> 20} MiB"
            )
        self.files[path] = file

    def _read(self, path: str, kind: str) -> CompanionFile | None:
        host = self._host(path)
        found = host.lstat()
        content, link = b"", ""
        if stat.S_ISLNK(found.st_mode):
            link = os.readlink(host)
        elif not stat.S_ISREG(found.st_mode):
            return None  # a socket or a pipe holds nothing
        elif found.st_size > LARGEST_FILE:
            self.findings.append(COMPANION_LEFT_OUT.at(path, f"{found.st_size} bytes are more than a companion has"))
            return None
        else:
            with host.open("rb") as file:
                content = file.read(LARGEST_FILE)
        listed = Companion(
            path, kind, stat.S_IMODE(found.st_mode), found.st_uid, found.st_gid,
            _user(found.st_uid), _group(found.st_gid), len(content), hashlib.sha256(content).hexdigest(), link,
        )  # fmt: skip
        return CompanionFile(listed, content)

    def _host(self, path: str) -> Path:
        return self._root / path.lstrip("/")


def _command_words(document: Any) -> Iterator[str]:
    """The words of the commands of a pod's containers."""
    spec = document.get("spec") if isinstance(document, dict) else None
    containers = spec.get("containers") if isinstance(spec, dict) else None
    for container in containers if isinstance(containers, list) else ():
        if isinstance(container, dict):
            for field in ("command", "args"):
                words = container.get(field)
                yield from (word for word in words if isinstance(word, str)) if isinstance(words, list) else ()


def _user(number: int) -> str:
    try:
        return pwd.getpwuid(number).pw_name
    except KeyError:
        return ""


def _group(number: int) -> str:
    try:
        return grp.getgrgid(number).gr_name
    except KeyError:
        return ""
